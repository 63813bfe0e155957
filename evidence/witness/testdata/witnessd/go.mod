// witnessd is a witness that is not our code: transparency-dev/witness, started
// by tests of this repository. A module of its own, so that its requirements
// stay out of the program's.
module evidenced/witnessd

go 1.26.0

// The witness asks for a commit of transparency-dev/merkle that module proxies
// do not all serve. The newest release has all that add-checkpoint needs; ./merkle
// puts it in that commit's place.
replace (
	github.com/transparency-dev/merkle => ./merkle
	merkle.released => github.com/transparency-dev/merkle v0.0.2
)

require (
	github.com/transparency-dev/formats v0.1.2-0.20260710124811-af9e607161b6
	github.com/transparency-dev/witness v0.0.0-20260720115447-2e1c6971d19e
	golang.org/x/mod v0.37.0
)

require (
	filippo.io/mldsa v0.0.0-20260215214346-43d0283efc3e // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/go-logr/logr v1.4.3 // indirect
	github.com/go-logr/stdr v1.2.2 // indirect
	github.com/transparency-dev/merkle v0.0.3-0.20260707140218-77df88e508fa // indirect
	go.opentelemetry.io/auto/sdk v1.2.1 // indirect
	go.opentelemetry.io/otel v1.44.0 // indirect
	go.opentelemetry.io/otel/metric v1.44.0 // indirect
	go.opentelemetry.io/otel/trace v1.44.0 // indirect
	golang.org/x/crypto v0.53.0 // indirect
	k8s.io/klog/v2 v2.140.0 // indirect
	merkle.released v0.0.2 // indirect
)
