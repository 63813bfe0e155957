object 080c2dbb904a658389418420bde2768693c58a01
type commit
tag v1
tagger Test Signer <signer@people.example> 1772445600 +0000

tag signed with OpenPGP
-----BEGIN PGP SIGNATURE-----

iHUEABYIAB0WIQTh5P/nUHxzaUBdKlv5HOR/n6QERgUCawF4BwAKCRD5HOR/n6QE
RkyyAP4qd2GfLUVH1n95mx0F8riENIhWZoxIR7nJM0HwR0PnHgEA+UMzJaKWx1ct
tQgqJQ/8DmVsKZ/XdIYri6BNVgqrEgw=
=8eEP
-----END PGP SIGNATURE-----
