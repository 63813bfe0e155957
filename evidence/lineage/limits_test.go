package lineage_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/lineage"
	"evidenced/evidence/lineage/lineagetest"
)

// crowd adds so many pods that run one image.
func crowd(l *evidencetest.Log, n int) {
	s := &lineagetest.Story{Log: l}
	for i := range n {
		uid := fmt.Sprint("crowd-", i)
		s.Add(uid, evidence.RuntimePod, evidence.OpSet, at(9, 0), newRef("pod", "prod", "t/"+uid).WithUID(uid), map[string]any{"name": uid}, nil, image(child), account)
	}
}

func TestLimitsAreSaid(t *testing.T) {
	l := newLog(t)
	crowd(l, 60)
	tr := walk(t, l, image(child), lineage.Options{MaxNodes: 20})
	if got := strings.Join(tr.Limits, "; "); !strings.Contains(got, "first 20 things") || len(tr.Nodes) > 20 {
		t.Errorf("%d nodes, limits %q", len(tr.Nodes), got)
	}
	tr = walk(t, l, image(child), lineage.Options{MaxReads: 30})
	if got := strings.Join(tr.Limits, "; "); !strings.Contains(got, "stopped after 30 records") {
		t.Errorf("limits %q", got)
	}
	if tr = walk(t, l, image(child), lineage.Options{}); len(tr.Limits) > 0 {
		t.Errorf("nothing was cut, and yet %q", tr.Limits)
	}
}

func TestWalkFailsWithItsReader(t *testing.T) {
	boom := errors.New("boom")
	l := lineagetest.Tell()
	l.Fail("Records", boom)
	if _, err := lineage.Walk(t.Context(), l, pod, lineage.Options{}); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	l.Fail("Records", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lineage.Walk(ctx, l, pod, lineage.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A thing that the log never heard of is a trace of one node, with what is
// missing.
func TestUnknownStart(t *testing.T) {
	l := lineagetest.Tell()
	tr := walk(t, l, commit(strings.Repeat("1", 40)), lineage.Options{})
	if len(tr.Nodes) != 1 || len(tr.Links) != 0 || len(tr.Missing) == 0 {
		t.Errorf("got %s", print(tr))
	}
}

// byLink is an index over the records of a log, as a real log has one: tests
// measure what the walk costs, not what a scan does.
type byLink struct {
	*evidencetest.Log
	records map[evidence.Ref][]evidence.Record
}

func (l byLink) Records(ctx context.Context, q evidence.Query) iter.Seq2[evidence.Record, error] {
	key := q.Link
	if key.IsZero() {
		key = q.Subject
	}
	if key.IsZero() {
		return l.Log.Records(ctx, q)
	}
	return func(yield func(evidence.Record, error) bool) {
		n := 0
		list := l.records[key]
		for i := range list {
			r := &list[i]
			if q.Backward {
				r = &list[len(list)-1-i]
			}
			if !evidencetest.Matches(r, q) {
				continue
			}
			if n++; !yield(*r, nil) || n == q.Limit {
				return
			}
		}
	}
}

func indexed(l *evidencetest.Log) byLink {
	x := byLink{l, map[evidence.Ref][]evidence.Record{}}
	for rec, err := range l.Records(context.Background(), evidence.Query{}) {
		if err != nil {
			panic(err)
		}
		seen := map[evidence.Ref]bool{}
		for _, r := range append([]evidence.Ref{rec.Subject, rec.Subject.WithUID("")}, rec.Links...) {
			if !seen[r] {
				seen[r] = true
				x.records[r] = append(x.records[r], rec)
			}
		}
	}
	return x
}

// large is a log of about n records: the story, and other applications with
// changes, pods and reads of their own.
func large(t testing.TB, n int) *evidencetest.Log {
	l := lineagetest.Tell()
	for i := 0; l.Size() < uint64(n); i++ {
		sha, digest := fmt.Sprintf("%040x", i+1), fmt.Sprintf("sha256:%064x", i+1)
		when := at(5, 0).Add(time.Duration(i) * time.Second)
		name := fmt.Sprint("other-", i%500)
		application := newRef("app", "prod", "argocd/"+name).WithUID(name)
		s := &lineagetest.Story{Log: l}
		s.Add(fmt.Sprint("c", i), evidence.ChangeCommit, evidence.OpEvent, when, commit(sha), evidence.CommitFacts{Repo: "acme/shop", SHA: sha, Author: -1, Committer: -1}, nil)
		s.Add(fmt.Sprint("s", i), evidence.DeploySync, evidence.OpEvent, when, application, evidence.SyncFacts{App: application.Name, Phase: "Succeeded", Revisions: []string{sha}, Initiator: -1}, nil, commit(sha))
		s.Add(fmt.Sprint("p", i), evidence.PipelineRun, evidence.OpEvent, when, newRef("pipeline", "acme", fmt.Sprint("acme/shop/", i)), evidence.PipelineFacts{SHA: sha, Actor: -1, Trigger: -1}, nil, commit(sha))
		s.Add(fmt.Sprint("a", i), evidence.SecretAccess, evidence.OpEvent, when, newRef("secret", "prod", "kv/"+name), evidence.AccessFacts{RequestID: fmt.Sprint("q", i), Outcome: "ok", Reading: true, Who: -1}, nil,
			newRef("request", "prod", fmt.Sprint("q", i)), newRef("secret", "prod", "kv/"+name), newRef("account", "prod", "t/"+name))
		s.Add(fmt.Sprint("g", i), evidence.ArtifactScan, evidence.OpEvent, when, newRef("artifact", "main", fmt.Sprint("acme/web@", digest)), evidence.ScanFacts{Digest: digest}, nil, image(digest))
	}
	return l
}

// TestReadsDoNotGrowWithTheLog: a trace reads the same records in a log of
// twenty times the size.
func TestReadsDoNotGrowWithTheLog(t *testing.T) {
	small := walk(t, indexed(large(t, 500)), pod, lineage.Options{At: at(13, 0)})
	big := walk(t, indexed(large(t, 10_000)), pod, lineage.Options{At: at(13, 0)})
	if small.Reads != big.Reads || print(small) != print(big) {
		t.Errorf("read %d records of the small log, %d of the large one", small.Reads, big.Reads)
	}
}

func BenchmarkWalk(b *testing.B) {
	l := indexed(large(b, 100_000))
	for _, bb := range []struct {
		name  string
		start evidence.Ref
		opt   lineage.Options
	}{
		{"pod-at-instant", pod, lineage.Options{At: at(13, 0)}},
		{"commit-all-time", commit(head), lineage.Options{Direction: lineage.Forward}},
		{"access-backward", requestRef("read-operator"), lineage.Options{Direction: lineage.Backward}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			reads := 0
			for b.Loop() {
				tr, err := lineage.Walk(b.Context(), l, bb.start, bb.opt)
				if err != nil {
					b.Fatal(err)
				}
				reads = tr.Reads
			}
			b.ReportMetric(float64(reads), "records/op")
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := lineage.Parse("tenant-7/web app"); err != nil {
			b.Fatal(err)
		}
	}
}
