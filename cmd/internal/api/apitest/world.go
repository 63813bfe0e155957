// Package apitest is a small world in memory for tests of the api and of the
// commands: two tenants, one of them with an afternoon of changes.
package apitest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
	"evidenced/mappings"
	"evidenced/reports/today"
	"evidenced/store"
)

// Now is the world's clock: 14 Nov 2026, 15:00 in Berlin.
var Now = time.Date(2026, 11, 14, 14, 0, 0, 0, time.UTC)

// World implements api.World. Its exported fields may be set before use.
type World struct {
	Logs       map[evidence.Tenant]*evidencetest.Log
	BadLog     evidence.Tenant              // Verify finds a failure here
	StoppedLog evidence.Tenant              // takes nothing more
	BadCheck   bool                         // Fsck finds a failure
	PackErr    error                        // Pack fails with it after half of the bytes
	Sealed     []api.SealedLog              // logs without keys
	Files      map[string]map[string][]byte // of commits, by path

	mu      sync.Mutex
	reads   []string
	keeper  keeper
	flushes int
}

var _ api.World = (*World)(nil)

func tenant(name string) evidence.Tenant {
	t, err := evidence.ParseTenant(name)
	if err != nil {
		panic(err)
	}
	return t
}

// New makes the world.
func New() *World {
	w := &World{Logs: map[evidence.Tenant]*evidencetest.Log{}}
	for _, t := range []evidence.Tenant{evidence.Platform, evidence.Unassigned, tenant("tenant-7"), tenant("tenant-8")} {
		w.Logs[t] = evidencetest.NewLog(t)
	}
	story(w.Logs[tenant("tenant-7")])
	return w
}

func story(l *evidencetest.Log) {
	alice := evidence.Person{Role: evidence.RoleMerger, Realm: "github:prod", NativeID: "1", Names: evidence.Names{Login: "alice"}, Proof: evidence.ProofAuthenticated}
	at := Now.Add(-2 * time.Hour)
	d := evidencetest.DraftFor(evidence.ChangeTag, evidence.OpSet, at, map[string]any{"name": "v1"}, alice)
	d.Text = []byte("raise worker limits \x1b[31mred")
	l.AddDraft(d)
	l.Add(evidence.ChangeTag, evidence.OpSet, at.Add(time.Minute), map[string]any{"name": "v2"}, alice)
	p := evidence.Period{From: at.Add(-24 * time.Hour), To: Now}
	l.Cover("gitrepo/gitops", evidence.Continuous, p, "", evidence.ChangeTag)
	l.Cover("vault/prod", evidence.Blind, evidence.Period{From: at, To: Now}, "503 from server", evidence.SecretAccess)
}

// Now implements api.World.
func (w *World) Now() time.Time { return Now }

// Zone implements api.World.
func (w *World) Zone() *time.Location { return time.UTC }

// Tenants implements api.World.
func (w *World) Tenants(context.Context) ([]evidence.Tenant, error) {
	var ts []evidence.Tenant
	for t := range w.Logs {
		ts = append(ts, t)
	}
	slices.SortFunc(ts, func(a, b evidence.Tenant) int { return strings.Compare(a.String(), b.String()) })
	return ts, nil
}

// Reader implements api.World.
func (w *World) Reader(_ context.Context, t evidence.Tenant) (evidence.Reader, error) {
	l, ok := w.Logs[t]
	if !ok {
		return nil, problem.New(problem.NotFound, "no log of %s", t)
	}
	return l, nil
}

// Stopped implements api.World: the log of StoppedLog is stopped.
func (w *World) Stopped(_ context.Context, t evidence.Tenant) string {
	if !w.StoppedLog.IsZero() && t == w.StoppedLog {
		return "the disk refused a write"
	}
	return ""
}

// Flush implements api.World.
func (w *World) Flush(context.Context, ...evidence.Tenant) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flushes++
	return nil
}

// Read implements api.World.
func (w *World) Read(_ context.Context, t evidence.Tenant, f evidence.ReadFacts) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads = append(w.reads, fmt.Sprintf("%s %s via %s for %q", t, f.Command, f.Via, f.Purpose))
	return nil
}

// Reads returns who read what, and how often coverage was flushed.
func (w *World) Reads() ([]string, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.reads), w.flushes
}

// Judging implements api.World with the built-in catalog.
func (w *World) Judging(context.Context, evidence.Tenant) (mappings.Input, error) {
	cat, err := mappings.Load()
	return mappings.Input{Catalog: cat}, err
}

// Judged implements api.World: every tenant was judged a minute ago.
func (w *World) Judged(context.Context, evidence.Tenant) (time.Time, error) {
	return Now.Add(-time.Minute), nil
}

// Rules implements api.World: the built-in rules hold since the day before.
func (w *World) Rules(_ context.Context, at time.Time) (*mappings.Catalog, error) {
	if at.Before(Now.Add(-24 * time.Hour)) {
		return nil, problem.New(problem.NotFound, "no rules are recorded")
	}
	return mappings.Load()
}

// Dues implements api.World: one thing falls due in two days.
func (w *World) Dues() []today.Dues {
	return []today.Dues{func(context.Context, *today.Input, time.Time) ([]today.Due, error) {
		return []today.Due{{At: Now.Add(48 * time.Hour), What: "clock", Says: "a notification is owed"}}, nil
	}}
}

// VerifyEarlier implements api.World: no log continues another.
func (w *World) VerifyEarlier(context.Context, evidence.Tenant, map[string][]store.Kept) ([]*store.Report, error) {
	return nil, nil
}

// Verify implements api.World.
func (w *World) Verify(ctx context.Context, t evidence.Tenant, r api.VerifyRequest) (*store.Report, error) {
	l := w.Logs[t]
	size := l.Size()
	r.Progress(size, size)
	rep := &store.Report{Tenant: t, Origin: l.Origin(), Size: size, Records: size, Claims: size, Clock: "real", Checkpoints: 1, Signed: size}
	rep.Deep, rep.Asked = r.Deep, len(r.Kept)
	if r.SinceLast {
		rep.From, rep.Since = size, &store.Since{Size: size}
	}
	if r.Deep {
		rep.Opened = size
	}
	if t == w.BadLog {
		rep.Failures = []string{"record 1: content does not match its commitment"}
	}
	return rep, nil
}

// Fsck implements api.World.
func (w *World) Fsck(_ context.Context, repairIndex bool) ([]api.Check, error) {
	return []api.Check{
		{What: "keyring", OK: true, Says: "4 keys"},
		{What: "index of tenant-7", OK: !w.BadCheck, Says: "2 of 2 records", Repaired: w.BadCheck && repairIndex},
	}, nil
}

// Anchors implements api.World: one place holds all but the newest record, a
// second one failed; with BadLog the first holds another log.
func (w *World) Anchors(_ context.Context, t evidence.Tenant) (*api.Anchors, error) {
	l := w.Logs[t]
	size := l.Size()
	a := &api.Anchors{Tenant: t, Origin: l.Origin(), Size: size, At: Now, Open: []api.AnchorRung{{Rung: 2, What: "elsewhere", Open: "who can write there"}}}
	if size == 0 {
		return a, nil
	}
	a.Unanchored = 1
	a.Places = []api.AnchorPlace{
		{Name: "repo", Type: "git", Place: "/srv/anchor.git", Every: "15m0s", Rung: 2, Says: "asked now", Size: size - 1, Via: "_platform", Taken: Now.Add(-time.Hour),
			Gaps: []api.AnchorGap{{From: Now.Add(-9 * time.Hour), To: Now.Add(-7 * time.Hour)}}},
		{Name: "journal", Type: "syslog", Place: "/dev/log", Every: "5m0s", Says: "nothing was sent yet", Failures: 2, Why: "connection \x1b[31mrefused"},
	}
	if size > 1 {
		a.Reaches = append(a.Reaches, api.AnchorReach{To: size - 1, First: Now.Add(-2 * time.Hour), Last: Now.Add(-time.Hour), Rung: 2, By: []string{"repo"}})
	}
	a.Reaches = append(a.Reaches, api.AnchorReach{From: size - 1, To: size, First: Now, Last: Now})
	if t == w.BadLog {
		a.Places[0].Contradicts = "the end of the log is lost, or an older copy was brought back"
	}
	return a, nil
}

// Receipt implements api.World with a text that is no proof.
func (w *World) Receipt(_ context.Context, t evidence.Tenant, seq uint64) ([]byte, error) {
	return fmt.Appendf(nil, "receipt of record %d of %s\n", seq, t), nil
}

// Pack implements api.World with bytes that are no zip.
func (w *World) Pack(_ context.Context, r api.PackRequest, out io.Writer) (api.PackResult, error) {
	r.Progress(1, 2)
	body := strings.Repeat("pack ", 300_000)
	if w.PackErr != nil {
		io.WriteString(out, body[:len(body)/2]) // the error below is the answer
		return api.PackResult{}, w.PackErr
	}
	if _, err := io.WriteString(out, body); err != nil {
		return api.PackResult{}, err
	}
	r.Progress(2, 2)
	return api.PackResult{Tenant: r.Tenant, Period: r.Period, Size: w.Logs[r.Tenant].Size(), Records: 4, Complete: true, Interim: "the period is not over"}, nil
}

// Backup implements api.World without copying anything.
func (w *World) Backup(_ context.Context, dir string, progress func(done, total uint64)) (api.BackupResult, error) {
	progress(1, 1)
	return api.BackupResult{Dir: dir, Logs: len(w.Logs), Records: 12, Bytes: 4096, Copied: 4096}, nil
}

// RotateLogKey implements api.World.
func (w *World) RotateLogKey(context.Context, string, bool) (string, error) {
	return "0123456789abcdef+01234567+AAAA", nil
}
