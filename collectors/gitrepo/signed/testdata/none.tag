object 080c2dbb904a658389418420bde2768693c58a01
type commit
tag v3
tagger Test Signer <signer@people.example> 1772445600 +0000

tag, not signed
