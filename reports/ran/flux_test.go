package ran_test

import (
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports/ran"
)

// flux drafts a state of Flux.
func flux(l *evidencetest.Log, name, sync string, change func(*evidence.DeployFacts)) {
	f := evidence.DeployFacts{
		App: "tenant-7/Kustomization/" + name, UID: "uid-" + name, Revisions: []string{shaNew}, SyncedRevisions: []string{shaNew}, HistoryID: -1,
		Sync: sync, Health: "Unknown", Automated: true, Flux: &evidence.FluxState{Kind: "Kustomization", Ready: "True"},
	}
	if change != nil {
		change(&f)
	}
	d := evidencetest.DraftFor(evidence.DeployState, evidence.OpSet, at(14, 12, 0, 0), encode(f))
	d.Source, d.Subject = "flux/prod", evidence.NewRef("app", "prod", f.App).WithUID(f.UID)
	l.AddDraft(d)
}

// A suspended Kustomization is compared by nobody: that is neither a difference nor
// none.
func TestFluxUnknown(t *testing.T) {
	l := newLog(t)
	addCoverage(l)
	flux(l, "apps", "Unknown", func(f *evidence.DeployFacts) { f.Flux.Suspended, f.Automated = true, false })
	a, text := build(t, l, asked, ran.Options{})
	if !strings.Contains(a.Sentence, "not known to be as declared") || !strings.Contains(text, "whether what runs is what is declared is not known") || strings.Contains(text, "differs from what is declared") {
		t.Errorf("%s\n%s", a.Sentence, text)
	}
	flux(l, "base", "Synced", nil)
	if a, _ = build(t, l, asked, ran.Options{}); !strings.Contains(a.Sentence, "as declared at") || !strings.Contains(a.Sentence, "but for apps, of which it is not known") {
		t.Error(a.Sentence)
	}
	flux(l, "edge", "OutOfSync", nil)
	if a, _ = build(t, l, asked, ran.Options{}); !strings.Contains(a.Sentence, "1 as declared, edge not") || !strings.Contains(a.Sentence, "and of apps it is not known") {
		t.Error(a.Sentence)
	}
}

// What a Kustomization puts into another cluster is no workload of this one's, of
// whatever name.
func TestFluxRemote(t *testing.T) {
	for remote, want := range map[string]string{"": "tenant-7/Kustomization/edge", "Secret edge": ""} {
		l := newLog(t)
		addCoverage(l)
		flux(l, "edge", "Synced", func(f *evidence.DeployFacts) {
			f.Flux.Remote, f.Resources = remote, []evidence.DeployObject{{Group: "apps", Kind: "Deployment", Namespace: "tenant-7", Name: "web"}}
		})
		addPod(l, podSpec{name: "web-1", workload: "Deployment/web", image: repo + "web@" + plain, digest: plain, started: at(14, 12, 0, 0)})
		a, _ := build(t, l, asked, ran.Options{})
		if len(a.Running) != 1 || a.Running[0].App != want {
			t.Errorf("remote %q: %+v", remote, a.Running)
		}
	}
}
