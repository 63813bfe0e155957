package terraform

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
)

// logs is a ledger in memory.
type logs struct {
	tenants []evidence.Tenant
	drafts  map[evidence.Tenant][]evidence.Draft
	cursors map[string][]byte
}

func (l *logs) Tenants() []evidence.Tenant { return l.tenants }

func (l *logs) Append(_ context.Context, t evidence.Tenant, ds []collectors.Placed) ([]bool, error) {
	fresh := make([]bool, len(ds))
	for i, d := range ds {
		l.drafts[t], fresh[i] = append(l.drafts[t], d.Draft), true
	}
	return fresh, nil
}

func (l *logs) Ingest(ctx context.Context, batch map[evidence.Tenant][]collectors.Placed) (map[evidence.Tenant]collectors.Taken, error) {
	out := map[evidence.Tenant]collectors.Taken{}
	for t, ds := range batch {
		fresh, _ := l.Append(ctx, t, ds)
		out[t] = collectors.Taken{New: fresh}
	}
	return out, nil
}

func (l *logs) OpenStates(_ context.Context, t evidence.Tenant, kind evidence.Kind) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		open := map[evidence.Ref]evidence.Draft{}
		for _, d := range l.drafts[t] {
			switch {
			case d.Kind != kind:
			case d.Op == evidence.OpEnd:
				delete(open, d.Subject)
			default:
				open[d.Subject] = d
			}
		}
		for _, d := range open {
			if !yield(evidence.Record{Kind: d.Kind, Source: d.Source, Subject: d.Subject, Scope: d.Scope, Occurred: d.OccurredAt, Op: d.Op}, nil) {
				return
			}
		}
	}
}

func (l *logs) Cursor(name string) ([]byte, error)        { return l.cursors[name], nil }
func (l *logs) PutCursor(name string, value []byte) error { l.cursors[name] = value; return nil }
func (l *logs) of(t evidence.Tenant, k evidence.Kind) (n []evidence.Draft) {
	for _, d := range l.drafts[t] {
		if d.Kind == k {
			n = append(n, d)
		}
	}
	return n
}

func tenant(t *testing.T, name string) evidence.Tenant {
	t.Helper()
	x, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// run looks once with the rules, as the daemon does.
func (p *platform) run(l *logs, rules *collectors.Rules) evidence.RunFacts {
	p.t.Helper()
	p.restart()
	r := &collectors.Runner{
		Source: "terraform/acme", Collector: p.c, Rules: rules, Ledger: l, Clock: func() time.Time { return p.clock },
		Log: slog.New(slog.DiscardHandler), Every: 5 * time.Minute,
	}
	f, err := r.Poll(p.t.Context(), p.clock)
	if err != nil {
		p.t.Fatal(err)
	}
	return f
}

// A workspace that two tenants share tells each its own tags alone; what is of one
// tenant reaches no other in any part.
func TestTenantsApart(t *testing.T) {
	seven, eight := tenant(t, "tenant-7"), tenant(t, "tenant-8")
	rules, err := collectors.NewRules([]collectors.TenantRules{
		{Tenant: seven, Owns: []collectors.Owns{{Labels: []string{"seven=*"}}}},
		{Tenant: eight, Owns: []collectors.Owns{{Labels: []string{"eight=*"}, Projects: []string{"acme/*/just-eight"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := newPlatform(t, nil)
	bind := func(w row, ids ...string) row {
		list := []row{}
		for _, id := range ids {
			list = append(list, row{"id": id, "type": "effective-tag-bindings"})
		}
		w["relationships"].(row)["effective-tag-bindings"] = row{"data": list}
		return w
	}
	p.included = []row{
		{"id": "tb-7", "type": "effective-tag-bindings", "attributes": row{"key": "seven", "value": "of-the-seventh"}},
		{"id": "tb-8", "type": "effective-tag-bindings", "attributes": row{"key": "eight", "value": "of-the-eighth"}},
		{"id": "tb-0", "type": "effective-tag-bindings", "attributes": row{"key": "region", "value": "north"}},
	}
	p.workspaces = []row{bind(wsRow("ws-1", "shared", "sv-1"), "tb-7", "tb-8", "tb-0"), bind(wsRow("ws-2", "just-eight", "")), wsRow("ws-3", "nobodys", "")}
	p.runs["ws-1"], p.runs["ws-2"] = []row{runRow("run-a", "applied", now.Add(-time.Hour))}, []row{runRow("run-of-the-eighth", "applied", now.Add(-time.Hour))}
	p.states["shared"] = []row{svRow("sv-1", 1, now.Add(-time.Hour), true)}
	l := &logs{tenants: []evidence.Tenant{seven, eight, evidence.Platform}, drafts: map[evidence.Tenant][]evidence.Draft{}, cursors: map[string][]byte{}}
	p.run(l, rules)
	for who, other := range map[evidence.Tenant]string{seven: "of-the-eighth", eight: "of-the-seventh"} {
		for _, d := range l.drafts[who] {
			if whole := fmt.Sprintf("%+v %s %s %s", d, d.Content, d.Raw, d.Text); strings.Contains(whole, other) {
				t.Errorf("%s is told of another's: %s", who, whole)
			}
		}
	}
	if n := len(l.of(seven, evidence.InfraWorkspace)); n != 1 {
		t.Fatalf("%d workspaces of %s", n, seven)
	}
	if c := string(l.of(seven, evidence.InfraWorkspace)[0].Content); !strings.Contains(c, `"tags":["region=north","seven=of-the-seventh"]`) || !strings.Contains(c, `"others":{"tags":1}`) {
		t.Errorf("%s", c)
	}
	if a, b := len(l.of(seven, evidence.InfraRun)), len(l.of(eight, evidence.InfraRun)); a != 1 || b != 2 {
		t.Errorf("%d and %d runs, want 1 and 2", a, b)
	}
	if n := len(l.of(evidence.Unassigned, evidence.InfraWorkspace)); n != 1 {
		t.Errorf("%d workspaces are nobody's", n)
	}
}

// A workspace that is gone ends only where the credential is said to see all.
func TestWorkspaceEnds(t *testing.T) {
	for _, all := range []bool{false, true} {
		seven := tenant(t, "tenant-7")
		rules, err := collectors.NewRules([]collectors.TenantRules{{Tenant: seven, Owns: []collectors.Owns{{Projects: []string{"acme/*/*"}}}}})
		if err != nil {
			t.Fatal(err)
		}
		p := newPlatform(t, func(c *Config) { c.SeesAll = all; c.History = 0 })
		p.workspaces = []row{wsRow("ws-1", "a", ""), wsRow("ws-2", "b", "")}
		l := &logs{tenants: []evidence.Tenant{seven, evidence.Platform}, drafts: map[evidence.Tenant][]evidence.Draft{}, cursors: map[string][]byte{}}
		p.run(l, rules)
		// So much comes that the look commits on its way.
		p.workspaces, p.runs["ws-1"] = p.workspaces[:1], manyRuns(maxPending+100, now.Add(-time.Hour))
		p.clock = p.clock.Add(5 * time.Minute)
		f := p.run(l, rules)
		ended := 0
		for _, d := range l.of(seven, evidence.InfraWorkspace) {
			if d.Op == evidence.OpEnd {
				ended++
			}
		}
		if all && (ended != 1 || f.Outcome != evidence.RunDone) || !all && (ended != 0 || f.Outcome != evidence.RunPartial) {
			t.Errorf("sees_all %v: %d ended, the run is %s (%s)", all, ended, f.Outcome, f.Cause)
		}
	}
}
