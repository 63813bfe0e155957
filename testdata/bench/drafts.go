package main

import (
	"fmt"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/store"
	"evidenced/store/local"
)

// subjects is how many subjects the records are about.
const subjects = 100_000

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

var filler = strings.Repeat("abcdefghij", 60)

// item makes the n-th draft, of about 1 KB: four in five are events (audited
// requests for a secret, by one person), one is a state of an application that
// differs from the one before.
func item(n int) store.Item {
	at := begin.Add(time.Duration(n) * 100 * time.Millisecond)
	if n%5 == 4 {
		return store.Item{Draft: evidence.Draft{
			Kind: evidence.DeployState, Op: evidence.OpSet, Source: "argocd/bench",
			Subject:    evidence.NewRef("app", "bench", fmt.Sprintf("argocd/app-%d", n/5%subjects)),
			OccurredAt: at, Basis: evidence.BasisObserved, ObservedAt: at,
			Links: []evidence.Ref{
				evidence.NewRef("commit", "", fmt.Sprintf("%040x", n)), evidence.NewRef("image", "", fmt.Sprintf("registry.example/app@sha256:%064x", n%1000)),
				evidence.NewRef("ns", "bench", fmt.Sprintf("team-%d", n%200)),
			},
			Scope:   []evidence.Ref{evidence.NewRef("ns", "bench", fmt.Sprintf("team-%d", n%200))},
			Content: fmt.Appendf(nil, `{"app":"app-%d","revision":"%040x","note":"%s"}`, n/5%subjects, n, filler),
		}}
	}
	return store.Item{Draft: evidence.Draft{
		Kind: evidence.SecretAccess, Op: evidence.OpEvent, Source: "vault/bench", Key: fmt.Sprintf("request-%d", n),
		Subject:    evidence.NewRef("secret", "bench", fmt.Sprintf("kv/data/team-%d/app-%d", n%200, n%subjects)),
		OccurredAt: at, Basis: evidence.BasisSource, ObservedAt: at.Add(time.Second),
		People: []evidence.Person{{Role: evidence.RoleReader, Realm: "vault:bench/entity", NativeID: fmt.Sprint(n % 500), Proof: evidence.ProofAuthenticated}},
		Links: []evidence.Ref{
			evidence.NewRef("ns", "bench", fmt.Sprintf("team-%d", n%200)), evidence.NewRef("mount", "bench", "kv"),
			evidence.NewRef("request", "bench", fmt.Sprintf("%d", n)),
		},
		Scope:   []evidence.Ref{evidence.NewRef("mount", "bench", "kv")},
		Content: fmt.Appendf(nil, `{"operation":"read","path":"kv/data/team-%d/app-%d","status":"ok","note":"%s"}`, n%200, n%subjects, filler),
	}}
}

func batchOf(n, size int) []store.Item {
	items := make([]store.Item, size)
	for i := range items {
		items[i] = item(n + i)
	}
	return items
}

func (b *bench) open(name string) (*local.Local, error) {
	return local.Open(local.Options{Dir: b.path(name)})
}

func tenant(n int) evidence.Tenant {
	t, err := evidence.ParseTenant(fmt.Sprintf("tenant-%d", n))
	if err != nil {
		panic(err) // the name is right
	}
	return t
}
