package gitrepo

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// randomHistory grows a repository by commits with up to four parents and
// dates without order, and moves branches about.
func randomHistory(r *repo, rnd *rand.Rand, ids []string, n int) []string {
	for range n {
		var parents []string
		for range min(rnd.IntN(5), len(ids)) {
			p := ids[len(ids)-1-rnd.IntN(min(len(ids), 12))]
			if !slices.Contains(parents, p) {
				parents = append(parents, p)
			}
		}
		r.tick = 1_500_000_000 + rnd.Int64N(300_000_000)
		ids = append(ids, r.commit(map[string]string{"f": fmt.Sprint(rnd.Uint64())}, "x", parents...))
	}
	for i := range 4 {
		r.ref(fmt.Sprintf("refs/heads/b%d", i), ids[len(ids)-1-rnd.IntN(min(len(ids), 20))])
	}
	r.ref("refs/heads/main", ids[len(ids)-1])
	return ids
}

// For any history and any moves, the looks together emit exactly the commits
// that were reachable at some look, parents first.
func TestNothingLost(t *testing.T) {
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		ck, r := start(), newRepo(t)
		c := collect(t, ck, nil, r)
		var ids []string
		var resume []byte
		emitted := map[string]bool{}
		var all []evidence.Draft
		for range 6 {
			ids = randomHistory(r, rnd, ids, 1+rnd.IntN(16))
			rec := poll(t, c, resume)
			resume = rec.Resume()
			ck.step()
			checkOrder(t, rec.Of(evidence.ChangeCommit))
			for _, d := range rec.Of(evidence.ChangeCommit) {
				if sha := decode[evidence.CommitFacts](t, d).SHA; !emitted[sha] {
					emitted[sha] = true
					all = append(all, d)
				}
			}
			checkOrder(t, all)
			for _, sha := range reachable(t, r) {
				if !emitted[sha] {
					t.Fatalf("seed %d: commit %s is reachable and was never emitted", seed, sha)
				}
			}
			// Each rewrite is one, by a plain walk.
			for _, d := range rec.Of(evidence.ChangeRewrite) {
				f := decode[evidence.RewriteFacts](t, d)
				if f.After != "" && slices.Contains(from(t, r, f.After), f.Before) {
					t.Errorf("seed %d: %s..%s is called a rewrite and is none", seed, f.Before, f.After)
				}
			}
		}
	}
}

// reachable and from walk the loose objects with nothing of the collector but
// its parser.
func reachable(t *testing.T, r *repo) []string {
	var heads []string
	paths, err := filepath.Glob(r.dir + "/refs/heads/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, strings.TrimSpace(string(b)))
	}
	return from(t, r, heads...)
}

func from(t *testing.T, r *repo, heads ...string) []string {
	o, err := openObjects(r.dir, r.dir, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	var out []string
	for stack := heads; len(stack) > 0; {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if slices.Contains(out, id) {
			continue
		}
		out = append(out, id)
		c, _, err := o.commit(t.Context(), hashes([]string{id})[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range c.parents {
			stack = append(stack, p.String())
		}
	}
	return out
}

// A look that is cut at any commit of the sink and resumed gives the same
// drafts as an uncut one.
func TestCutAndResume(t *testing.T) {
	ck, r := start(), newRepo(t)
	ids := randomHistory(r, rand.New(rand.NewPCG(1, 1)), nil, 120)
	r.ref("refs/tags/v1", ids[3])
	c := collect(t, ck, nil, r)
	keys := func(ds []evidence.Draft) []string {
		var ks []string
		kept := map[string]bool{} // as the log does: the first of a key stays
		for _, d := range ds {
			if id := string(d.Kind) + " " + d.Key; !kept[id] {
				kept[id] = true
				ks = append(ks, id+" "+d.Subject.String()+" "+string(d.Content))
			}
		}
		slices.Sort(ks)
		return ks
	}
	want := keys(poll(t, c, nil).Drafts)
	c.batch = 10
	for cut := 1; cut < 130; cut += 7 {
		rec := &collectortest.Recorder{FailEmit: cut}
		if err := c.Poll(t.Context(), evidence.Period{}, nil, rec); err == nil {
			break
		}
		second := &collectortest.Recorder{}
		if err := c.Poll(t.Context(), evidence.Period{}, rec.Resume(), second); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, keys(slices.Concat(rec.Drafts, second.Drafts))); diff != "" {
			t.Fatalf("cut at draft %d (-want +got):\n%s", cut, diff)
		}
		if cut > 20 && len(second.Of(evidence.ChangeCommit)) > len(ids)-10*((cut-1)/10) {
			t.Errorf("cut at draft %d: %d commits read again", cut, len(second.Of(evidence.ChangeCommit)))
		}
	}
}
