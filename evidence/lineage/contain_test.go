package lineage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/lineage"
	"evidenced/evidence/lineage/lineagetest"
)

// sha is the id of commit n of these stories.
func sha(n int) string { return fmt.Sprintf("%040x", 0xc0ffee00000+n) }

// line adds a commit with its parents to the story's log.
func line(l *evidencetest.Log, n int, parents ...int) {
	var ids []string
	var links []evidence.Ref
	for _, p := range parents {
		ids, links = append(ids, sha(p)), append(links, lineagetest.Commit(sha(p)))
	}
	when := at(10, n%60)
	l.AddDraft(evidence.Draft{
		Kind: evidence.ChangeCommit, Op: evidence.OpEvent, Source: "github/acme", Key: "acme/shop@" + sha(n), Subject: lineagetest.Commit(sha(n)),
		OccurredAt: when, Basis: evidence.BasisClaimed, ObservedAt: when, Links: links,
		Content: evidencetest.Facts(evidence.CommitFacts{Repo: "acme/shop", SHA: sha(n), Parents: ids, Author: -1, Committer: -1}),
	})
}

// landed adds a change that landed as commit n.
func landed(l *evidencetest.Log, n int, repo, base string) {
	l.AddDraft(evidence.Draft{
		Kind: evidence.ChangeMerge, Op: evidence.OpEvent, Source: "github/acme", Key: fmt.Sprint("change-", n), Subject: evidence.NewRef("change", "acme", fmt.Sprintf("%s!%d", repo, n)),
		OccurredAt: at(10, n%60), Basis: evidence.BasisSource, ObservedAt: at(10, n%60), Links: []evidence.Ref{lineagetest.Commit(sha(n))},
		Content: evidencetest.Facts(evidence.MergeFacts{Repo: repo, Number: n, State: "merged", Base: base, MergeSHA: sha(n), MergedAt: at(10, n%60), Author: -1, Merger: -1}),
	})
}

// synced adds a sync of the application to commit n, and its state.
func synced(l *evidencetest.Log, app string, n int, when time.Time) {
	ref := evidence.NewRef("app", "prod", "argocd/"+app)
	l.AddDraft(evidence.Draft{
		Kind: evidence.DeploySync, Op: evidence.OpEvent, Source: "argocd/prod", Key: fmt.Sprint(app, "/", n), Subject: ref,
		OccurredAt: when, Basis: evidence.BasisSource, ObservedAt: when, Links: []evidence.Ref{lineagetest.Commit(sha(n))},
		Content: evidencetest.Facts(evidence.SyncFacts{App: "argocd/" + app, Seen: "both", HistoryID: int64(n), Phase: "Succeeded", StartedAt: when, Revisions: []string{sha(n)}, Initiator: -1}),
	})
	l.AddDraft(evidence.Draft{
		Kind: evidence.DeployState, Op: evidence.OpSet, Source: "argocd/prod", Subject: ref,
		OccurredAt: when, Basis: evidence.BasisSource, ObservedAt: when, Links: []evidence.Ref{lineagetest.Commit(sha(n))},
		Content: evidencetest.Facts(evidence.DeployFacts{App: "argocd/" + app, Revisions: []string{sha(n)}, SyncedRevisions: []string{sha(n)}, SyncedAt: when, HistoryID: int64(n), Sync: "Synced", Health: "Healthy"}),
	})
}

// holders lists where a trace says the commit is contained, with the proof.
func holders(tr *lineage.Trace, n int) (out []string) {
	for _, l := range tr.Links {
		if l.Step == lineage.StepContained && l.From == lineagetest.Commit(sha(n)).String() {
			out = append(out, fmt.Sprintf("%s by %s, %d records", strings.TrimLeft(l.To[len("commit:/"):], "0"), l.Proof, len(l.Because)+l.More))
		}
	}
	slices.Sort(out)
	return out
}

func TestContainedIn(t *testing.T) {
	name := func(n int) string { return strings.TrimLeft(sha(n), "0") }
	for _, tt := range []struct {
		name  string
		tell  func(l *evidencetest.Log)
		start int
		opt   lineage.Options
		want  []string
		apps  int
	}{
		{name: "deployed itself", start: 1, apps: 1, tell: func(l *evidencetest.Log) {
			line(l, 1)
			line(l, 2, 1)
			synced(l, "web", 1, at(11, 0))
			synced(l, "web", 2, at(12, 0))
		}},
		{name: "by parents, over a merge, the first for each application", start: 1, apps: 2, want: []string{name(4) + " by source, 2 records", name(5) + " by source, 3 records"}, tell: func(l *evidencetest.Log) {
			for n, parents := range map[int][]int{1: nil, 2: {1}, 4: {2, 3}, 5: {4}, 6: {5}} {
				line(l, n, parents...)
			}
			synced(l, "web", 4, at(11, 0))
			synced(l, "web", 5, at(12, 0))
			synced(l, "desk", 5, at(12, 30))
			synced(l, "desk", 6, at(13, 0))
		}},
		{name: "as of an instant, what was deployed then", start: 1, opt: lineage.Options{At: at(12, 30)}, apps: 1, want: []string{name(3) + " by source, 2 records"}, tell: func(l *evidencetest.Log) {
			line(l, 1)
			line(l, 2, 1)
			line(l, 3, 2)
			synced(l, "web", 2, at(11, 0))
			synced(l, "web", 3, at(12, 0))
		}},
		{name: "by the order on its branch", start: 1, apps: 1, want: []string{name(9) + " by order, 2 records"}, tell: func(l *evidencetest.Log) {
			line(l, 1)
			line(l, 9, 8) // what lies between is not in this log
			landed(l, 1, "acme/shop", "main")
			landed(l, 5, "acme/desk", "main")
			landed(l, 6, "acme/shop", "next")
			landed(l, 9, "acme/shop", "main")
			landed(l, 10, "acme/shop", "main")
			synced(l, "web", 5, at(10, 40)) // of another repository
			synced(l, "web", 6, at(10, 50)) // of another branch
			synced(l, "web", 9, at(11, 0))
			synced(l, "web", 10, at(12, 0))
		}},
		{name: "an earlier one does not contain it", start: 2, tell: func(l *evidencetest.Log) {
			line(l, 1)
			line(l, 2, 1)
			landed(l, 1, "acme/shop", "main")
			landed(l, 2, "acme/shop", "main")
			synced(l, "web", 1, at(11, 0))
		}},
		{name: "backward nothing is looked for", start: 1, opt: lineage.Options{Direction: lineage.Backward}, tell: func(l *evidencetest.Log) {
			line(l, 1)
			line(l, 2, 1)
			synced(l, "web", 2, at(11, 0))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := lineagetest.NewLog()
			tt.tell(l)
			opt := tt.opt
			if opt.Direction == "" {
				opt.Direction = lineage.Forward
			}
			tr := walk(t, l, lineagetest.Commit(sha(tt.start)), opt)
			if got := holders(tr, tt.start); !slices.Equal(got, tt.want) {
				t.Errorf("contained in %q, want %q\n%s", got, tt.want, print(tr))
			}
			apps := 0
			for _, n := range tr.Nodes {
				if n.Stage == lineage.App && !n.Beside {
					apps++
				}
			}
			if apps != tt.apps {
				t.Errorf("leads to %d applications, want %d\n%s", apps, tt.apps, print(tr))
			}
		})
	}
}

// A long history is followed so far and no farther, and that is said.
func TestContainedLimit(t *testing.T) {
	l := lineagetest.NewLog()
	line(l, 0)
	for n := 1; n < 300; n++ {
		line(l, n, n-1)
	}
	synced(l, "web", 299, at(12, 0))
	tr := walk(t, l, lineagetest.Commit(sha(0)), lineage.Options{Direction: lineage.Forward})
	if got := holders(tr, 0); got != nil || !strings.Contains(strings.Join(tr.Limits, ";"), "later commits were looked at") {
		t.Errorf("contained in %q, limits %q", got, tr.Limits)
	}
	tr = walk(t, l, lineagetest.Commit(sha(150)), lineage.Options{Direction: lineage.Forward})
	if got := holders(tr, 150); len(got) != 1 {
		t.Errorf("contained in %q, want one", got)
	}
}

// A short id names what begins with it, in this log alone.
func TestShortIDs(t *testing.T) {
	l := lineagetest.Tell()
	twins := []string{"5eed5eed" + strings.Repeat("1", 32), "5eed5eed" + strings.Repeat("2", 32)}
	digits := "1234567" + strings.Repeat("a", 33)
	for _, id := range append(slices.Clone(twins), digits) {
		l.AddDraft(evidence.Draft{
			Kind: evidence.ChangeCommit, Op: evidence.OpEvent, Source: "github/acme", Key: id, Subject: lineagetest.Commit(id),
			OccurredAt: at(9, 0), Basis: evidence.BasisClaimed, ObservedAt: at(9, 0), Content: evidencetest.Facts(evidence.CommitFacts{Repo: "acme/shop", SHA: id, Author: -1, Committer: -1}),
		})
	}
	for _, tt := range []struct {
		text string
		want []string
	}{
		{lineagetest.Main[:39], []string{commit(lineagetest.Main).String()}},
		{"commit 5eed5eed1", []string{commit(twins[0]).String()}},
		{"5eed5ee", []string{commit(twins[0]).String(), commit(twins[1]).String()}},
		{"5eed5e", nil}, // too short
		{"1234567", []string{commit(digits).String()}}, // no log has so many records
		{"#1234567", nil},
		{"0123456789abcdef", nil},
		{lineagetest.Child[:len("sha256:")+63], []string{image(lineagetest.Child).String()}},
		{"image " + lineagetest.Child[len("sha256:"):][:63], []string{image(lineagetest.Child).String()}},
	} {
		w, err := lineage.Parse(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		found, err := lineage.Resolve(t.Context(), l, w, time.Time{})
		var got []string
		for _, f := range found {
			got = append(got, f.Ref.String())
		}
		slices.Sort(got)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, %v, want %q", tt.text, got, err, tt.want)
		}
	}
}
