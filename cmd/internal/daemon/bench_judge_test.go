package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"evidenced/cmd/internal/config"
	"evidenced/evidence"
	"evidenced/mappings"
	"evidenced/store"
)

// The generator makes tenants with a month of evidence each and a catalog of a
// hundred tests. The same seed makes the same month. Its size is
// EVIDENCED_JUDGE_TENANTS tenants of EVIDENCED_JUDGE_RECORDS records; a
// thousand of ten thousand is what the product is meant for.
func judgeSize(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

const judgeDays = 30

// judgeRules are as many tests as bring the built-in ones up to a hundred.
func judgeRules(b testing.TB) string {
	b.Helper()
	cat, err := mappings.Load()
	if err != nil {
		b.Fatal(err)
	}
	shapes := []struct{ view, population, assert, fresh string }{
		{"secret_accesses", `item.operation == "read"`, `item.outcome != "failed" || item.path.size() < %d`, "2h"},
		{"secret_accesses", `item.reading`, `item.who_known && item.policies.size() < %d`, "2h"},
		{"changes", `item.watched`, `item.commits < %d`, "48h"},
		{"deployments", `item.type == "sync"`, `item.initiator_known || item.automated || item.revisions.size() > %d`, "48h"},
		{"running", `item.at_end`, `item.longest_drift < duration("%dh")`, "48h"},
		{"certificates", `item.live`, `item.left > duration("%dm")`, "48h"},
		{"protections", `true`, `item.protected || item.required_approvals > %d`, "48h"},
	}
	var s strings.Builder
	s.WriteString("version: 1\nacts:\n  - {id: bench, name: Bench, title: Rules of a benchmark, in_force_since: 2026-01-01, addressee: nobody}\ntests:\n")
	var names []string
	for i := len(cat.Tests()); i < 100; i++ {
		x := shapes[i%len(shapes)]
		name := fmt.Sprintf("bench-%d", i)
		names = append(names, name)
		fmt.Fprintf(&s, "  - id: %s\n    title: %s\n    says: it holds\n    view: %s\n    population: '%s'\n    assert: '%s'\n    window: period\n    freshness: %s\n    least: instants\n    empty: satisfied\n",
			name, name, x.view, x.population, fmt.Sprintf(x.assert, 1000+i), x.fresh)
	}
	s.WriteString("controls:\n")
	for i, n := range names {
		fmt.Fprintf(&s, "  - {id: bench-c%d, act: bench, article: Art. 1, title: c, objective: o., severity: low, cannot_prove: much., tests: [{test: %s, strength: direct}]}\n", i, n)
	}
	return s.String()
}

// month makes the n-th record of a tenant's month, in order of time. After its
// last one it goes on with the next month.
func month(rnd *rand.Rand, n, of int) store.Item {
	at := begin.Add(time.Duration(n) * (judgeDays * 24 * time.Hour / time.Duration(of))).Truncate(time.Millisecond)
	facts := func(f any) []byte {
		b, err := json.Marshal(f)
		if err != nil {
			panic(err)
		}
		return b
	}
	d := evidence.Draft{Op: evidence.OpEvent, Source: "forge/prod", OccurredAt: at, ObservedAt: at, Basis: evidence.BasisSource, Key: strconv.Itoa(n)}
	actor := evidence.ActorTenant("")
	switch k := rnd.IntN(100); {
	case k < 80:
		d.Kind, d.Subject, actor = evidence.SecretAccess, evidence.NewRef("request", "prod", strconv.Itoa(n)), evidence.ActorOwn
		d.People = []evidence.Person{{Role: evidence.RoleReader, Realm: "vault:prod", NativeID: fmt.Sprint("e", rnd.IntN(20)), Proof: evidence.ProofAuthenticated}}
		d.Content = facts(evidence.AccessFacts{RequestID: strconv.Itoa(n), Operation: "read", Path: "kv/data/t/db", Secret: "kv/t/db", Mount: "kv/", MountType: "kv",
			Outcome: "ok", Reading: true, Who: 0, Policies: []string{"default", "t-read"}, Role: "t-web", SANamespace: "t", SAName: "web", TokenType: "service"})
	case k < 84:
		c := mergeDraft("acme/one", n, at, rnd.IntN(200) > 0)
		c.Source = "forge/prod"
		return store.Item{Draft: c}
	case k < 88:
		d.Kind, d.Subject = evidence.ChangeCommit, evidence.NewRef("commit", "", fmt.Sprintf("%040x", n+5_000_000))
		d.Content = facts(evidence.CommitFacts{Repo: "acme/one", SHA: fmt.Sprintf("%040x", n+5_000_000), Branch: "feature", AuthoredAt: at, Author: -1, Committer: -1})
	case k < 92:
		d.Kind, d.Subject = evidence.DeploySync, evidence.NewRef("sync", "prod", strconv.Itoa(n))
		d.Content = facts(evidence.SyncFacts{App: "argocd/app" + strconv.Itoa(rnd.IntN(5)), Phase: "Succeeded", StartedAt: at, FinishedAt: at, Revisions: []string{fmt.Sprintf("%040x", n)}, Automated: true, Initiator: -1})
	case k < 98:
		app := "argocd/app" + strconv.Itoa(rnd.IntN(5))
		d.Kind, d.Op, d.Key, d.Subject = evidence.DeployState, evidence.OpSet, "", evidence.NewRef("app", "prod", app)
		d.Content = facts(evidence.DeployFacts{App: app, UID: app, Project: "t", Sync: []string{"Synced", "Synced", "Synced", "OutOfSync"}[rnd.IntN(4)], Health: "Healthy",
			Revisions: []string{fmt.Sprintf("%040x", n)}, SyncedRevisions: []string{fmt.Sprintf("%040x", n)}})
	case k < 99:
		host := fmt.Sprintf("h%d.example", rnd.IntN(8))
		d.Kind, d.Op, d.Key, d.Subject = evidence.CertState, evidence.OpSet, "", evidence.NewRef("cert", "", host)
		d.Content = facts(evidence.CertFacts{Endpoint: host + ":443", SNI: host, Serial: strconv.Itoa(n), NotBefore: at, NotAfter: at.Add(90 * 24 * time.Hour), NameMatches: true, Trusted: "yes", Protocol: "TLS 1.3"})
	default:
		d.Kind, d.Op, d.Key, d.Subject = evidence.ChangeProtection, evidence.OpSet, "", evidence.NewRef("branch", "prod", "acme/one@main")
		d.Content = facts(evidence.ProtectionFacts{Repo: "acme/one", Branch: "main", Protected: true, RequiredApprovals: 1 + n%2})
	}
	return store.Item{Draft: d, Actor: actor}
}

// coverageOf makes the daily word of one source for all kinds of the month.
func coverageOf(day int) store.Item {
	from := begin.Add(time.Duration(day) * 24 * time.Hour)
	return coverageOver(evidence.Period{From: from, To: from.Add(24 * time.Hour)})
}

func coverageOver(p evidence.Period) store.Item {
	kinds := []evidence.Kind{evidence.SecretAccess, evidence.SecretAuth, evidence.SecretDevice, evidence.SecretPolicy, evidence.SecretRole, evidence.ChangeMerge,
		evidence.ChangeCommit, evidence.ChangeReview, evidence.ChangeRef, evidence.ChangeRewrite, evidence.ChangeProtection, evidence.DeploySync, evidence.DeployState, evidence.CertState}
	b, err := json.Marshal(evidence.CoverageFacts{Source: "forge/prod", Period: p, Spans: []evidence.CoverageSpan{{Kinds: kinds, From: p.From, To: p.To, Class: evidence.Continuous}}})
	if err != nil {
		panic(err)
	}
	return store.Item{Draft: evidence.Draft{Kind: evidence.CollectionCoverage, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: "forge/prod/" + evidence.FormatTime(p.From),
		Subject: evidence.NewRef("source", "", "forge/prod"), OccurredAt: p.To, Basis: evidence.BasisSource, ObservedAt: p.To, Content: b}}
}

// fleet makes the tenants.
func fleet(b testing.TB, tenants, records int) (*Engine, *testClock, []evidence.Tenant) {
	b.Helper()
	dir := b.TempDir()
	var text strings.Builder
	text.WriteString("data_dir: data\nlisten: \"\"\ncatalogs: rules\ntenants:\n")
	var ts []evidence.Tenant
	for i := range tenants {
		fmt.Fprintf(&text, "  - name: tenant-%d\n    owns:\n      - projects: [acme/t%d]\n", i, i)
		ts = append(ts, mustTenant(b, fmt.Sprint("tenant-", i)))
	}
	file := filepath.Join(dir, "evidenced.yaml")
	if err := os.MkdirAll(filepath.Join(dir, "rules"), 0o700); err != nil {
		b.Fatal(err)
	}
	for name, s := range map[string]string{file: text.String(), filepath.Join(dir, "rules", "own.yaml"): judgeRules(b)} {
		if err := os.WriteFile(name, []byte(s), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	cfg, err := config.Load(file, nil)
	if err != nil {
		b.Fatal(err)
	}
	clock := &testClock{begin}
	e, err := Open(context.Background(), Options{Config: cfg, Clock: clock.now, Program: "evidenced bench"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close() })
	for i, t := range ts {
		log, err := e.local.Store.Log(t)
		if err != nil {
			b.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(uint64(i), 1))
		for n := 0; n < records; {
			items := make([]store.Item, 0, 2000)
			for ; n < records && len(items) < cap(items); n++ {
				items = append(items, month(rnd, n, records))
			}
			if _, err := log.Append(context.Background(), items); err != nil {
				b.Fatal(err)
			}
		}
		var days []store.Item
		for d := range judgeDays {
			days = append(days, coverageOf(d))
		}
		if _, err := log.Append(context.Background(), days); err != nil {
			b.Fatal(err)
		}
	}
	clock.t = begin.Add(judgeDays * 24 * time.Hour)
	return e, clock, ts
}

// cpuTime is what the process has used of all processors: a figure that holds
// on a busy machine too.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// liveHeap is what is held after a collection, pools emptied, in bytes.
func liveHeap() uint64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// heapPeak follows the heap, garbage included, until the returned function is
// called; that tells the most it saw.
func heapPeak() func() uint64 {
	quit, most := make(chan struct{}), make(chan uint64)
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	go func() {
		peak := uint64(0)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			metrics.Read(sample)
			peak = max(peak, sample[0].Value.Uint64())
			select {
			case <-quit:
				most <- peak
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 {
		close(quit)
		return <-most
	}
}

// measured runs a step again and again and tells what it took of the processors
// and of the clock, all together and for each tenant.
func measured(b *testing.B, tenants int, before, step func()) {
	var cpu time.Duration
	for b.Loop() {
		b.StopTimer()
		if before != nil {
			before()
		}
		begun := cpuTime(b)
		b.StartTimer()
		step()
		b.StopTimer()
		cpu += cpuTime(b) - begun
		b.StartTimer()
	}
	round := cpu.Seconds() * 1000 / float64(b.N)
	b.ReportMetric(round, "cpu-ms/round")
	b.ReportMetric(round/float64(tenants), "cpu-ms/tenant")
	b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N)/float64(tenants), "ms/tenant")
}

// BenchmarkJudge measures the first assessment of all tenants, further ones
// with nothing new, with a new word on what was seen and nothing else, and after
// a batch of 1,000 records of one tenant.
//
//	EVIDENCED_JUDGE_TENANTS=1000 EVIDENCED_JUDGE_RECORDS=10000 go test -bench Judge -benchtime 1x ./cmd/internal/daemon
func BenchmarkJudge(b *testing.B) {
	tenants, records := judgeSize("EVIDENCED_JUDGE_TENANTS", 10), judgeSize("EVIDENCED_JUDGE_RECORDS", 10_000)
	e, clock, ts := fleet(b, tenants, records)
	ctx := context.Background()
	judgeAll := func() {
		if err := e.judgeThese(ctx, ts); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("full", func(b *testing.B) {
		empty := liveHeap()
		peak := heapPeak()
		measured(b, tenants, func() { e.judge = newJudge() }, judgeAll)
		b.ReportMetric(float64(peak())/(1<<20), "MiB-peak")
		b.ReportMetric(float64(tenants*records*b.N)/b.Elapsed().Seconds(), "records/s")
		b.ReportMetric(float64(empty)/(1<<20), "MiB-before")
		kept := liveHeap()
		e.judge = newJudge() // lets go of what was kept
		b.ReportMetric((float64(kept)-float64(liveHeap()))/(1<<10)/float64(tenants), "KiB-kept/tenant")
	})
	judgeAll()
	clock.t = clock.t.Add(time.Second)
	judgeAll() // the findings that were recorded are news too
	b.Run("quiet", func(b *testing.B) {
		measured(b, tenants, func() { clock.t = clock.t.Add(time.Second) }, judgeAll)
	})
	b.Run("looked", func(b *testing.B) {
		measured(b, tenants, func() {
			for _, t := range ts {
				log, err := e.local.Store.Log(t)
				if err != nil {
					b.Fatal(err)
				}
				from := clock.t
				it := coverageOver(evidence.Period{From: from, To: from.Add(time.Second)})
				if _, err := log.Append(ctx, []store.Item{it}); err != nil {
					b.Fatal(err)
				}
			}
			clock.t = clock.t.Add(time.Second)
		}, judgeAll)
	})
	b.Run("batch-1000", func(b *testing.B) {
		log, err := e.local.Store.Log(ts[0])
		if err != nil {
			b.Fatal(err)
		}
		rnd, n := rand.New(rand.NewPCG(99, 1)), records
		measured(b, 1, func() {
			var items []store.Item
			for range 1000 {
				it := month(rnd, n, records)
				it.Draft.OccurredAt, it.Draft.ObservedAt = clock.t.Add(-time.Minute), clock.t.Add(-time.Minute)
				items, n = append(items, it), n+1
			}
			if _, err := log.Append(ctx, items); err != nil {
				b.Fatal(err)
			}
			clock.t = clock.t.Add(time.Second)
		}, func() {
			if _, err := e.judgeOne(ctx, ts[0]); err != nil {
				b.Fatal(err)
			}
		})
	})
}
