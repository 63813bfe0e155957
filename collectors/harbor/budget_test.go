package harbor

import (
	"fmt"
	"testing"
	"time"

	"evidenced/evidence"
)

// TestBudget counts what looks at a registry of 200 repositories cost, ten in
// each of 20 projects, with 1,000 artifacts that were all scanned: the first one,
// a quiet one five minutes later, and one in which settings are due as well. The
// registry has no conditional requests.
func TestBudget(t *testing.T) {
	const projects, repositories, each = 20, 200, 5
	g := newRegistry(t)
	g.projects = nil
	const mime = "application/vnd.security.vulnerability.report; version=1.1"
	for i := range projects {
		g.projects = append(g.projects, row{"project_id": i + 1, "name": fmt.Sprintf("p%d", i), "metadata": row{"public": "false"}})
	}
	for n := range repositories * each {
		project, repo := fmt.Sprintf("p%d", n%projects), fmt.Sprintf("r%d", n/each)
		a := artifactRow(n+1, overview(mime, fmt.Sprintf("report-%d", n), "Success", 0))
		a["project_id"], a["repository_name"] = n%projects+1, project+"/"+repo
		g.arts[project] = append(g.arts[project], a)
		g.reports[digestOf(n+1)] = `{"` + mime + `":{"generated_at":"2026-03-03T10:01:00Z","scanner":{"name":"Trivy","version":"v1"},"vulnerabilities":[]}}`
	}
	var resume []byte
	for _, look := range []struct {
		name     string
		after    time.Duration
		requests int
		scans    int
	}{
		{"first", 0, repositories*each + 6*projects + 20, repositories * each},
		{"quiet", 5 * time.Minute, projects + 4, 0},
		{"settings due", 31 * time.Minute, 6*projects + 20, 0},
	} {
		g.clock = now.Add(look.after)
		rec := g.must(resume)
		resume = rec.Resume()
		got := len(g.asked)
		t.Logf("%s look: %d requests", look.name, got)
		if got > look.requests || got < projects {
			t.Errorf("%s look at %d repositories: %d requests, want %d at most", look.name, repositories, got, look.requests)
		}
		if o := last(rec); o.Requests != got || o.Incomplete != "" {
			t.Errorf("%s look: the observation says %d requests of %d and %q", look.name, o.Requests, got, o.Incomplete)
		}
		if n := len(rec.Of(evidence.ArtifactImage)); n != repositories*each {
			t.Errorf("%s look: %d artifacts, want %d", look.name, n, repositories*each)
		}
		if n := len(rec.Of(evidence.ArtifactScan)); n != look.scans {
			t.Errorf("%s look: %d scans, want %d", look.name, n, look.scans)
		}
	}
}
