package gitlab

import (
	"slices"
	"strings"
	"testing"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// homesKnown is a position that has known the homes since long before the acts
// of the conversation.
const homesKnown = `{"v":1,"projects":{},"homes":{"names":["acme/ops","acme/team-7"],"since":"2025-01-01T00:00:00Z"}}`

const (
	opsHome  = "GET /forge/api/v4/groups/acme%2Fops/members?per_page=100"
	teamHome = "GET /forge/api/v4/groups/acme%2Fteam-7/members?per_page=100"
)

func homesIn(l *collectortest.Replay) {
	l.Replace(opsHome, `[{"id":57,"username":"pmarek7","access_level":30,"state":"active"},{"id":41,"username":"hkoenig-x2","access_level":30,"state":"awaiting"}]`)
	l.Replace(teamHome, "X-Next-Page: 2\n\n"+`[{"id":63,"username":"lvidal-ops","access_level":30}]`)
	l.Replace(teamHome+"&page=2", `[{"id":63,"username":"lvidal-ops","access_level":40}]`)
}

func atHome(c *Config) { c.Homes = []string{"acme/ops/", "acme/team-7"} }

func actors(t *testing.T, drafts []evidence.Draft) map[evidence.Kind]map[string]int {
	t.Helper()
	return collectortest.Actors(t, drafts, "gitlab-group=acme/ops", "gitlab-group=acme/team-7", "acme/*", "acme/*/*")
}

// TestActors tells the platform's people who act in a tenant's project from the
// tenant's own, and from those of whom nobody knows whose they are.
func TestActors(t *testing.T) {
	l := newLab(t, atHome)
	homesIn(l.Replay)
	got := actors(t, l.must([]byte(homesKnown)).Drafts)
	const platform, own, unknown, nobody = "[_platform]", "[tenant-7]", "[]", "nobody acted"
	for _, tt := range []struct {
		kind evidence.Kind
		want []string
	}{
		{evidence.ChangeMerge, []string{platform, own}},
		{evidence.ChangeReview, []string{platform, own, unknown}},
		{evidence.ChangeCommit, []string{unknown}},
		{evidence.ChangeRef, []string{nobody}},
		{evidence.ChangeProtection, []string{nobody}},
		{evidence.PipelineRun, []string{platform, unknown}},
		{evidence.PipelineReport, []string{nobody}},
		{evidence.DeployRelease, []string{platform}},
		{evidence.AccessAudit, []string{platform, own, unknown}},
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
	first := l.must(nil)
	for kind, whose := range actors(t, first.Drafts) {
		if whose[platform]+whose[own] > 0 {
			t.Errorf("%s before the homes were read: %v", kind, whose)
		}
	}

	// A home that cannot be read makes everybody's unknown and the run partial.
	l.Replace(opsHome, "status: 404\n\n{}")
	rec := l.must([]byte(homesKnown))
	if o := last(rec); !strings.Contains(o.Incomplete, "home acme/ops") || !slices.ContainsFunc(o.Notes, func(n string) bool { return strings.Contains(n, "whose people act is not known") }) {
		t.Errorf("a hidden home: incomplete %q, notes %q", o.Incomplete, o.Notes)
	}
	for kind, whose := range actors(t, rec.Drafts) {
		if whose[platform]+whose[own] > 0 {
			t.Errorf("%s with a hidden home: %v", kind, whose)
		}
	}
	l.Replace(opsHome, "status: 401\n\n{}")
	if _, err := l.poll(nil); !problem.Is(err, problem.Credential) {
		t.Errorf("401 at a home: %v", err)
	}
}
