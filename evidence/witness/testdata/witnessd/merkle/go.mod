module github.com/transparency-dev/merkle

go 1.26.0

require merkle.released v0.0.2
