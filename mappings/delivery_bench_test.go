package mappings

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"testing"
	"time"

	"evidenced/evidence"
)

// platform makes the records of a platform while they are read, so that a
// benchmark measures the views and not a log in memory. Every workload runs an
// image of its own and moves on to its next version every few days; every
// version is built, signed, described and scanned each day; pods live a few
// hours.
type platform struct {
	evidence.Reader // nothing else is asked for
	period          evidence.Period
	pods            int
	workloads       int
	versions        int // of each image in the period
}

const podLife = 4 * time.Hour

func (p *platform) Tenant() evidence.Tenant { return evidence.Platform }
func (p *platform) Size() uint64            { return uint64(2*p.pods + 40*p.workloads*p.versions) }

func (p *platform) version(workload int, t time.Time) int {
	each := p.period.Duration() / time.Duration(p.versions)
	return min(max(int(t.Sub(p.period.From)/each), 0), p.versions-1)
}

func digestOf(workload, version int) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256(fmt.Append(nil, workload, "/", version)))
}

func commitOf(workload, version int) string {
	sum := sha256.Sum256(fmt.Append(nil, "commit", workload, "/", version))
	return fmt.Sprintf("%x", sum[:20])
}

func (p *platform) name(workload int) string { return fmt.Sprintf("svc-%d", workload) }

func (p *platform) record(seq int, kind evidence.Kind, op evidence.Op, at time.Time, subject evidence.Ref, facts any, links ...evidence.Ref) evidence.Record {
	content, err := json.Marshal(facts)
	if err != nil {
		panic(err)
	}
	return evidence.Record{
		Seq: uint64(seq), Kind: kind, Op: op, Source: evidence.SourceID("bench/" + string(kind[:3])), Occurred: at, Observed: at,
		Basis: evidence.BasisSource, Key: subject.Name, Subject: subject, Links: links, Facts: content,
	}
}

// runs yields the records of pods in order of time: one begins, and another one
// that has lived its time ends.
func (p *platform) runs(yield func(evidence.Record, error) bool) {
	step := p.period.Duration() / time.Duration(p.pods)
	alive := int(podLife / step)
	pod := func(i int) (evidence.Ref, evidence.PodFacts, time.Time) {
		at := p.period.From.Add(time.Duration(i) * step)
		w := i % p.workloads
		v := p.version(w, at)
		f := evidence.PodFacts{
			Cluster: "prod", Namespace: "tenant", Name: fmt.Sprintf("%s-%d", p.name(w), i), UID: fmt.Sprint("u", i), Phase: "Running", Workload: "Deployment/" + p.name(w), App: "argocd/shop",
			Containers: []evidence.ContainerFacts{{
				Name: "main", Image: fmt.Sprintf("registry.example/shop/%s:1.%d.0", p.name(w), v), ImageID: "registry.example/shop/" + p.name(w) + "@" + digestOf(w, v),
				Digest: digestOf(w, v), DigestOf: "manifest", State: "running", StartedAt: at,
			}},
		}
		return evidence.NewRef("pod", "prod", "tenant/"+f.Name).WithUID(f.UID), f, at
	}
	for i := range p.pods {
		ref, f, at := pod(i)
		if !yield(p.record(2*i, evidence.RuntimePod, evidence.OpSet, at, ref, &f, evidence.NewRef("image", "", f.Containers[0].Digest)), nil) {
			return
		}
		if old := i - alive; old >= 0 {
			ref, f, _ := pod(old)
			if !yield(p.record(2*i+1, evidence.RuntimePod, evidence.OpEnd, at, ref, &f), nil) {
				return
			}
		}
	}
}

// made yields what belongs to the versions of images, for one kind.
func (p *platform) made(kind evidence.Kind, yield func(evidence.Record, error) bool) {
	each := p.period.Duration() / time.Duration(p.versions)
	for v := range p.versions {
		for w := range p.workloads {
			digest, sha := digestOf(w, v), commitOf(w, v)
			at := p.period.From.Add(time.Duration(v)*each - 2*time.Hour) // a while before it runs
			seq := 2*p.pods + 40*(v*p.workloads+w)
			ref := evidence.NewRef("artifact", "prod", "shop/"+p.name(w)+"@"+digest)
			image := evidence.NewRef("image", "", digest)
			var r evidence.Record
			switch kind {
			case evidence.ArtifactImage:
				r = p.record(seq, kind, evidence.OpSet, at, ref, &evidence.ArtifactFacts{
					Registry: "registry.example", Project: "shop", Repository: p.name(w), Digest: digest, Revision: sha, Source: "https://forge.example/acme/shop",
					Tags: []evidence.ArtifactTag{{Name: fmt.Sprintf("1.%d.0", v), PushedAt: at}}, Scan: "success",
				}, image)
			case evidence.ArtifactSigned:
				r = p.record(seq+1, kind, evidence.OpSet, at, ref, &evidence.SignatureFacts{Subject: digest, Digest: "sha256:51", Type: "signature.cosign", CreatedAt: at}, image)
			case evidence.ArtifactSBOM:
				r = p.record(seq+2, kind, evidence.OpSet, at, ref, &evidence.SBOMFacts{Subject: digest, Digest: "sha256:b0", Maker: "build", CreatedAt: at}, image)
			case evidence.PipelineRun:
				r = p.record(seq+3, kind, evidence.OpEvent, at, evidence.NewRef("pipeline", "acme", fmt.Sprint("acme/shop/", seq)),
					&evidence.PipelineFacts{Repo: "acme/shop", ID: fmt.Sprint(seq), SHA: sha, Status: "success", StartedAt: at, FinishedAt: at})
			case evidence.ChangeCommit:
				r = p.record(seq+4, kind, evidence.OpEvent, at, evidence.NewRef("commit", "", sha), &evidence.CommitFacts{Repo: "acme/shop", SHA: sha, Branch: "main", Author: -1, Committer: -1})
			case evidence.ArtifactScan:
				for day := range 30 {
					f := &evidence.ScanFacts{
						Registry: "registry.example", Project: "shop", Repository: p.name(w), Digest: digest, Status: "success", ReportSeen: true,
						FinishedAt: at.Add(time.Duration(day) * 24 * time.Hour), BySeverity: map[string]int{"High": 1},
						Findings: []evidence.ScanFinding{{ID: fmt.Sprint("CVE-", day/10), Package: "ssl", Severity: "High"}},
					}
					if !yield(p.record(seq+5+day, kind, evidence.OpEvent, f.FinishedAt, ref, f, image), nil) {
						return
					}
				}
				continue
			default:
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (p *platform) Records(_ context.Context, q evidence.Query) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		if !q.Link.IsZero() {
			return
		}
		for _, k := range q.Kinds {
			inside := func(r evidence.Record, err error) bool {
				if !q.Period.From.IsZero() && r.Occurred.Before(q.Period.From) || !q.Period.To.IsZero() && !r.Occurred.Before(q.Period.To) {
					return true
				}
				return yield(r, err)
			}
			if k == evidence.RuntimePod {
				p.runs(inside)
			} else {
				p.made(k, inside)
			}
		}
	}
}

func (p *platform) States(_ context.Context, kind evidence.Kind, at time.Time) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		info, _ := evidence.KindInfo(kind)
		if kind == evidence.RuntimePod || !info.State {
			return // the first pods begin with the period
		}
		p.made(kind, func(r evidence.Record, err error) bool {
			return r.Occurred.After(at) || yield(r, err)
		})
	}
}

// BenchmarkDelivery builds the views of the delivery chain over a month. It
// reports how much memory they hold when they are done: that grows with images
// and workloads and not with pods.
func BenchmarkDelivery(b *testing.B) {
	period := evidence.Period{From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
	for _, size := range []struct{ pods, workloads, versions int }{{1_000, 20, 4}, {10_000, 20, 4}, {100_000, 20, 4}, {100_000, 200, 8}} {
		b.Run(fmt.Sprintf("pods=%d/images=%d", size.pods, size.workloads*size.versions), func(b *testing.B) {
			b.ReportAllocs()
			p := &platform{period: period, pods: size.pods, workloads: size.workloads, versions: size.versions}
			held, items := uint64(0), 0
			for b.Loop() {
				s := &scene{reader: p, period: period, cover: &coverage{all: &evidence.Coverage{}}, people: newPeople(p), joins: &joins{}}
				items = 0
				for _, v := range []*view{runningImagesView, imageRunsView, rolloutsView, productionView, releasedArtifactsView, registryProjectsView} {
					if err := v.build(b.Context(), s, func(*item) error { items++; return nil }); err != nil {
						b.Fatal(err)
					}
				}
				held = max(held, heapInUse())
				runtime.KeepAlive(s)
			}
			b.ReportMetric(float64(held)/1e6, "heap-MB")
			b.ReportMetric(float64(items), "items")
		})
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestFleetHoldsFewThings reads a hundred pods for each one that is alive at a
// time, and expects that what is kept does not grow with them.
func TestFleetHoldsFewThings(t *testing.T) {
	period := evidence.Period{From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
	p := &platform{period: period, pods: 20_000, workloads: 10, versions: 3}
	s := &scene{reader: p, period: period}
	l := &fleetLoader{period: period, uses: map[useKey]*use{}, live: map[podKey]livePod{}, apps: map[workloadKey]string{}, seenUntil: func(evidence.SourceID) time.Time { return period.To }}
	most := 0
	err := eachState(t.Context(), s.reader, period, evidence.RuntimePod, func(r *evidence.Record) error {
		err := l.pod(r)
		runs := 0
		for _, u := range l.uses {
			runs += len(u.runs)
		}
		most = max(most, len(l.live)+runs)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f := l.finish()
	if len(f.uses) != 30 || most > 1000 {
		t.Errorf("got %d uses and at most %d things held, want 30 and at most 1000", len(f.uses), most)
	}
	for _, u := range f.uses {
		if len(u.runs) != 1 || u.runs[0].Duration() < 9*24*time.Hour {
			t.Errorf("%s ran %v, want one stretch of ten days", u.image, u.runs)
		}
	}
	if !slices.IsSortedFunc(f.uses, func(a, b *use) int { return a.begin().Compare(b.begin()) }) {
		t.Error("uses are not in order of their begin")
	}
}
