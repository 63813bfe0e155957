# make test installs what the tests need on a bare Debian machine and runs all
# checks. make build puts the two programs into bin/.

# Packages that link Argo CD's types take minutes under the race detector and
# are tested without it; collectors/argocd itself is raced on its own.
HEAVY  := $(shell go list -f '{{.ImportPath}} {{join .Deps " "}} {{join .TestImports " "}}' ./... 2>/dev/null | grep -E 'argoproj/argo-cd|evidenced/collectors/all' | cut -d' ' -f1)
LIGHT   = $(filter-out $(HEAVY),$(shell go list ./...))
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)

# make test FULL=1 runs the long forms: a thousand kills, ten thousand flipped
# bits, some hundred torn writes of each kind. They take about an hour.
ifdef FULL
export EVIDENCED_FULL := 1
endif
TIMEOUT = -timeout $(if $(FULL),3h,30m)

.PHONY: all build test check unit race fuzz bench tools demo clean

all: build

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/evidenced ./cmd/evidence-verify

# Both kinds of tests run at once: much of the demonstration's time is waiting.
test: tools check
	@$(MAKE) --no-print-directory -j2 --output-sync=line unit race
	@$(MAKE) --no-print-directory fuzz

# What the tests need beside Go: git and a C compiler (race detector), Python
# (the vectors are checked by a second implementation), poppler (the PDF is
# read back), openssl (time-stamp tokens are checked by it too).
tools:
	@sh deploy/test-tools.sh

check:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'gofmt would change:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	CGO_ENABLED=0 go vet ./...
	CGO_ENABLED=0 go tool staticcheck ./...

# Long work of one goroutine: the race detector learns nothing
# from it and takes ten times as long.
ALONE = ^(TestTwoHistories|TestPacksExtendOneAnother|TestPackAnyByteChanged|TestIncrementalIsFull|TestItemsKeepTheirTypes)$$

# The race detector thins the collectors' fault matrix; here it runs whole.
unit:
	CGO_ENABLED=0 go test $(TIMEOUT) $(HEAVY)
	CGO_ENABLED=0 go test $(TIMEOUT) -run '$(ALONE)' ./cmd/internal/daemon ./mappings
	CGO_ENABLED=0 go test $(TIMEOUT) -run Conformance $(filter-out $(HEAVY),$(shell go list ./collectors/...))

race:
	CGO_ENABLED=1 go test -race $(TIMEOUT) -skip '$(ALONE)' $(LIGHT)

# A number of inputs for each fuzz target, not a time: near a deadline the fuzzing
# engine reports its own end as a failure. Longer by hand: make fuzz FUZZTIME=10m
FUZZTIME ?= 1000x
fuzz:
	@sh testdata/fuzz.sh $(FUZZTIME)

bench:
	go test -run '^$$' -bench . -benchmem $(LIGHT)

demo:
	go run ./cmd/evidenced demo

clean:
	rm -rf bin demo
