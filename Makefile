# make test installs what the tests need on a bare Debian machine and runs all
# checks. make build puts the two programs into bin/.

# Packages that link Argo CD's types take minutes under the race detector and
# are tested without it.
HEAVY  := $(shell go list -f '{{.ImportPath}} {{join .Deps " "}} {{join .TestImports " "}}' ./... 2>/dev/null | grep -E 'argoproj/argo-cd|evidenced/collectors/all' | cut -d' ' -f1)
LIGHT   = $(filter-out $(HEAVY),$(shell go list ./...))
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)

# make test FULL=1 runs the long forms: a thousand kills, ten thousand flipped
# bits, some hundred torn writes of each kind, every planted text at every place,
# crowds of 50,000 objects. They take about an hour.
ifdef FULL
export EVIDENCED_FULL := 1
endif

# go vet runs by itself, over everything; within go test it would run once more
# for each way of building.
TESTED  = -vet=off -timeout $(if $(FULL),3h,30m)

.PHONY: all build test format check unit race fuzz bench tools demo clean

all: build

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/evidenced ./cmd/evidence-verify

# What is built and tested ends soon: a quarter of the time went into collecting
# its garbage. Tests that measure memory ask for what a daemon has.
test: export GOGC := 400

# Two at once: beside the race detector, which takes the longest, run the others
# one after another. Much of the demonstration's time is waiting, and linking
# keeps one core busy.
test: tools format
	@$(MAKE) --no-print-directory -j2 --output-sync=line race check unit fuzz

# What the tests need beside Go: git and a C compiler (race detector), Python
# (the vectors are checked by a second implementation), poppler (the PDF is
# read back), openssl (time-stamp tokens are checked by it too), Prometheus and
# Alertmanager (rules and alerts), systemd (the unit runs under it, in a machine of its
# own that root can start).
tools:
	@sh deploy/test-tools.sh

format:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'gofmt would change:'; gofmt -l $$(git ls-files '*.go'); exit 1; }

check: format
	@! grep -nE '^[[:space:]]*go [a-zA-Z(]|[a-z]\.(Go|Parallel)\(' $(SINGLE:=/*.go) || { echo 'SINGLE starts a goroutine: test it with the race detector'; exit 1; }
	@! grep -rnE '^func $(names)\(' --include='*_test.go' . | grep -vE '^($(subst $(empty) $(empty),|,$(LONG)))/' || { echo 'has the name of a test in ALONE, which is skipped'; exit 1; }
	CGO_ENABLED=0 go vet ./...
	CGO_ENABLED=0 go tool staticcheck ./...

# The race detector learns nothing from work of one goroutine and takes ten times
# as long for it. SINGLE are packages that start no other, and use none that
# does. ALONE are long tests, of the packages LONG, that do one step after
# another, or kill a process, of which nobody would read what the detector found;
# what they call is raced by the other tests there.
SINGLE := ./reports/filing ./reports/pack ./reports/pdf
LONG   := ./cmd/internal/daemon ./collectors ./evidence/chain ./mappings ./store/local
ALONE  := TestAgainstMerkleExhaustively TestAttacks TestBitFlips TestBlindnessReachesAnswers TestCases TestCatalogFaults TestCrashWhileOffboarding \
	TestCrashWhileRetiring TestEraseAndPacks TestIncidentHistories TestIncrementalIsFull TestItemsKeepTheirTypes \
	TestKilledWhileAppending TestKilledWhileGrinding TestKilledWhileJudging TestMutation TestOpenPeriodIsInterim TestPackAnyByteChanged \
	TestPackFollowsLogKey TestPackNeedsEveryPair TestPackOfNeverSeen TestPackOfWindows TestPackStatesTheRules \
	TestPackTellsLoosening TestPackTellsRemedies TestPackTellsScopes TestPackTellsThePeriod TestPackTellsWaivers TestPackVerifies \
	TestPackWithForgedHandover TestPackedLogRolledBack TestPacksExtendOneAnother TestPasswordsInSentences TestPythonFollowsLogKey \
	TestReceiptsOfAPack TestRecordStaysSmall TestRulesAreRecorded TestSamplesOfAPack TestSealedAsIssued \
	TestStrangersActAndAreNotSeen TestStrangersFindNothing TestTenancyIsRecorded TestTornWrites TestTreeAgainstRFC6962 \
	TestTwoHistories TestViewOfChangedBytes
empty  :=
names   = ($(subst $(empty) $(empty),|,$(strip $(ALONE))))

# The race detector thins the collectors' fault matrix and would count its own
# memory as theirs; here both run whole. PLANTED runs a collector once for each of
# hundreds of texts, and only here: one run after another races with nothing.
WHOLE   := Test[A-Za-z]*(Conformance|Memory)
PLANTED := Test(Secrets|Apart(Own|Other)?)
unit:
	CGO_ENABLED=0 go test $(TESTED) $(HEAVY) $(SINGLE)
	CGO_ENABLED=0 go test $(TESTED) -run '^$(names)$$' $(LONG)
	CGO_ENABLED=0 go test $(TESTED) -run '^($(WHOLE)|$(PLANTED)$$)' $(filter-out ./collectors/argocd,$(shell grep -rlE '^func ($(WHOLE)|$(PLANTED)[^A-Za-z])' --include='*_test.go' ./collectors | xargs -n1 dirname | sort -u))

# The detector waits at each program's end for goroutines that outlive it: 50 ms
# instead of a second.
race:
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=50 go test -race $(TESTED) -skip '^($(names)|$(PLANTED))$$' $(filter-out $(shell go list $(SINGLE)),$(LIGHT))

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
