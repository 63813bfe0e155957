#!/bin/sh
# Runs every fuzz target of the module for a short time each. Packages that
# link Argo CD's types are left out here for their build time; their seeds run
# as ordinary tests.
#
# A package is built once for all its targets, and the next one is built while
# they run: linking took longer than fuzzing. Inputs found go where `go test`
# keeps them, and a failing one under the package's testdata/fuzz.
set -eu
time=${1:-1000x}
export CGO_ENABLED=0
corpus=$(go env GOCACHE)/fuzz
work=$(mktemp -d)
trap 'wait; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# fuzz BINARY DIRECTORY IMPORTPATH runs the targets of one package. Of a target
# that holds it prints where it got to, of one that fails all that was said.
fuzz() {
	cd "$2"
	"$1" -test.list '^Fuzz' >"$1.targets"
	[ -s "$1.targets" ] || { echo "FAIL $3: no target"; exit 1; }
	while read -r name; do
		if "$1" -test.paniconexit0 -test.run '^$' -test.fuzz "^$name\$" -test.fuzztime "$time" \
			-test.fuzzcachedir "$corpus/$3" >"$1.log" 2>&1 </dev/null; then
			echo "ok   $3 $name: $(grep '^fuzz: ' "$1.log" | tail -n 1)"
		else
			cat "$1.log"
			echo "FAIL $3 $name"
			exit 1
		fi
	done <"$1.targets"
}

running=
grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | grep -vx ./collectors/argocd >"$work/directories"
while read -r dir; do
	path=$(go list "$dir")
	binary=$work/$(echo "$path" | tr / .)
	go test -c -vet=off -fuzz . -ldflags '-s -w' -o "$binary" "$dir"
	[ -z "$running" ] || wait "$running"
	[ -z "$running" ] || rm "$previous"
	fuzz "$binary" "$dir" "$path" &
	running=$! previous=$binary
done <"$work/directories"
wait "$running"
