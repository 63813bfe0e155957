package github

import (
	"slices"
	"strings"
	"testing"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

const teams = "GET /api/v3/orgs/acme/teams/"

// homesKnown is a position that has known the homes since long before the acts
// of the conversations.
const homesKnown = `{"v":1,"repos":{},"homes":{"names":["acme/platform","acme/team-7"],"since":"2025-01-01T00:00:00Z"}}`

// atHome gives both labs two homes: account 5011 is of the platform, 4402 of
// tenant-7.
func atHome(c *Config) { c.Homes = []string{"acme/platform", "acme/team-7"} }

func homesIn(l *collectortest.Replay) {
	l.Replace(teams+"platform/members?per_page=100", `[{"id":5011,"login":"mira-kostka9"}]`)
	l.Replace(teams+"team-7/members?per_page=100", "Link: <{{url}}/api/v3/orgs/acme/teams/team-7/members?page=2&per_page=100>; rel=\"next\"\n\n[]")
	l.Replace(teams+"team-7/members?page=2&per_page=100", `[{"id":4402,"login":"jweiss-x1"},{"id":4402,"login":"jweiss-x1"}]`)
}

func actors(t *testing.T, drafts []evidence.Draft) map[evidence.Kind]map[string]int {
	t.Helper()
	return collectortest.Actors(t, drafts, "github-team=acme/platform", "github-team=acme/team-7", "acme/*")
}

// TestActors tells the platform's people who act in a tenant's repository from
// the tenant's own, and from those of whom nobody knows whose they are.
func TestActors(t *testing.T) {
	l := newLab(t, func(c *Config) { only(c); atHome(c) })
	homesIn(l.Replay)
	p := newPartsLab(t, atHome)
	homesIn(p.Replay)
	drafts := append(l.must([]byte(homesKnown)).Drafts, p.must([]byte(homesKnown)).Drafts...)
	got := actors(t, drafts)
	const platform, own, unknown, nobody = "[_platform]", "[tenant-7]", "[]", "nobody acted"
	for _, tt := range []struct {
		kind evidence.Kind
		want []string
	}{
		{evidence.ChangeMerge, []string{platform, unknown}},
		{evidence.ChangeReview, []string{platform, own, unknown}},
		{evidence.ChangeCommit, []string{unknown}},
		{evidence.ChangeRef, []string{nobody}},
		{evidence.ChangeProtection, []string{nobody}},
		{evidence.PipelineRun, []string{platform, own}},
		{evidence.PipelineCheck, []string{unknown}},
		{evidence.DeployRelease, []string{own}},
		{evidence.AccessAudit, []string{platform, own}},
		{evidence.AccessMember, []string{nobody}},
	} {
		var whose []string
		for w := range got[tt.kind] {
			whose = append(whose, w)
		}
		slices.Sort(whose)
		slices.Sort(tt.want)
		if !slices.Equal(whose, tt.want) {
			t.Errorf("%s: acted %v, want %q", tt.kind, got[tt.kind], tt.want)
		}
	}

	// The same acts read from history: whose people they were then is not known.
	l = newLab(t, func(c *Config) { only(c); atHome(c) })
	homesIn(l.Replay)
	first := l.must(nil)
	for kind, whose := range actors(t, first.Drafts) {
		if whose[platform]+whose[own] > 0 {
			t.Errorf("%s before the homes were read: %v", kind, whose)
		}
	}

	// A home that cannot be read makes everybody's unknown and the run partial.
	p = newPartsLab(t, atHome)
	homesIn(p.Replay)
	p.Replace(teams+"team-7/members?per_page=100", "status: 403\n\n{}")
	rec := p.must([]byte(homesKnown))
	if o := last(rec); !strings.Contains(o.Incomplete, "home acme/team-7") || !slices.ContainsFunc(o.Notes, func(n string) bool { return strings.Contains(n, "Members: read") }) {
		t.Errorf("a hidden home: incomplete %q, notes %q", o.Incomplete, o.Notes)
	}
	for kind, whose := range actors(t, rec.Drafts) {
		if whose[platform]+whose[own] > 0 {
			t.Errorf("%s with a hidden home: %v", kind, whose)
		}
	}
	p.Replace(teams+"team-7/members?per_page=100", "status: 401\n\n{}")
	if err := p.c.Poll(t.Context(), evidence.Period{To: p.clock}, nil, &collectortest.Recorder{}); !problem.Is(err, problem.Credential) {
		t.Errorf("401 at a home: %v", err)
	}
}

// TestScheduledRun has no actor: the account that GitHub names is whoever last
// wrote the timetable.
func TestScheduledRun(t *testing.T) {
	l := newPartsLab(t, atHome)
	homesIn(l.Replay)
	const runs = "GET /api/v3/repos/acme/tools/actions/runs"
	l.Replace(runs+"?per_page=100", `{"total_count":1,"workflow_runs":[{"id":7009,"run_attempt":1,"event":"schedule","status":"queued","head_sha":"`+sha5+`",
		"created_at":"2026-03-03T11:00:00Z","actor":{"id":5011},"triggering_actor":{"id":5011}}]}`)
	l.Replace("GET /api/v3/repos/acme/tools/commits/"+sha5+"?per_page=100", "status: 404\n\n{}")
	ds := l.must([]byte(homesKnown)).Of(evidence.PipelineRun)
	// A run that is not over is asked for once in the look that lists it.
	if len(ds) != 1 || len(ds[0].ActorScope) != 0 || len(ds[0].People) != 1 {
		t.Errorf("runs %+v", ds)
	}
}
