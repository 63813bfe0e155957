package github

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

const sorry = "status: 500\n\n" + `{"message":"Server Error: Sorry, this diff is taking too long to generate.","errors":[{"resource":"Comparison","field":"diff","code":"not_available"}]}`

// TestNoComparison: what lies between two heads is found without a comparison
// when too much changed for one.
func TestNoComparison(t *testing.T) {
	list := func(sha string) string { return api + "/commits?sha=" + sha + "&per_page=100" }
	for name, tc := range map[string]struct {
		parent   string // of the new head
		rewrites int
		want     []string
	}{
		"ahead":    {c4, 0, []string{sha7, sha6}},
		"diverged": {sha5, 1, []string{sha7, sha6}},
	} {
		l := newLab(t, only)
		first := l.must(nil)
		l.clock = now.Add(time.Hour)
		head, mid := commitJSON(sha6, sha7, "2026-03-03T12:30:00Z"), commitJSON(sha7, tc.parent, "2026-03-03T12:00:00Z")
		old, root := commitJSON(c4, sha5, "2026-03-01T12:30:00Z"), commitJSON(sha5, strings.Repeat("8", 40), "2026-03-01T12:00:00Z")
		past := root
		if tc.parent == c4 {
			past = old + "," + root
		}
		l.Replace(api+"/branches/main", branchJSON(sha6))
		l.Replace(api+"/compare/"+c4+"..."+sha6+"?per_page=100", sorry)
		l.Replace(api+"/compare/"+sha6+"..."+c4+"?per_page=100", sorry)
		l.Replace(list(sha6), "["+head+","+mid+","+past+"]")
		l.Replace(list(c4), "["+old+","+root+"]")
		for sha, c := range map[string]string{sha6: head, sha7: mid} {
			l.Replace(api+"/commits/"+sha, c)
			l.Replace(api+"/commits/"+sha+"?per_page=100", c)
		}
		rec := l.must(first.Resume())
		rs := rec.Of(evidence.ChangeRewrite)
		if !slices.Equal(shas(rec), tc.want) || len(rs) != tc.rewrites {
			t.Fatalf("%s: commits %v, %d rewrites", name, shas(rec), len(rs))
		}
		for _, d := range rs {
			if f := factsOf[evidence.RewriteFacts](t, d); !slices.Equal(f.Lost, []string{c4}) || f.LostCut != 0 {
				t.Errorf("%s: lost %v and %d", name, f.Lost, f.LostCut)
			}
		}
	}
}

// TestBeyond compares with the plain difference of two sets, over random
// histories with clocks that agree and clocks that do not.
func TestBeyond(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	id := func(i int) string { return fmt.Sprintf("%040x", i+1) }
	for round := range 60 {
		n := 1 + rnd.IntN(700)
		skew := rnd.IntN(3) * 40
		if round == 0 {
			n, skew = 302, 0
		}
		parents := make([][]int, n)
		at := make([]int, n)
		for i := range parents {
			at[i] = i*10 + rnd.IntN(1+skew*10)
			for range min(i, 1+rnd.IntN(7)/6) {
				parents[i] = append(parents[i], max(0, i-1-rnd.IntN(1+rnd.IntN(1+rnd.IntN(300)))))
			}
		}
		if round == 0 {
			// The base has known 1 for long: over many commits, while it reaches the
			// parent of 1 at once.
			for i := 2; i < 300; i++ {
				parents[i] = []int{i - 1}
			}
			parents[1], parents[300], parents[301] = []int{0}, []int{299, 0}, []int{1}
		}
		reach := func(head int) map[int]bool {
			in, todo := map[int]bool{head: true}, []int{head}
			for len(todo) > 0 {
				c := todo[0]
				todo = todo[1:]
				for _, p := range parents[c] {
					if !in[p] {
						in[p] = true
						todo = append(todo, p)
					}
				}
			}
			return in
		}
		clock := now
		f := wild(nil)
		f.instead = func(p string, w http.ResponseWriter, r *http.Request) bool {
			q := r.URL.Query()
			if !strings.HasSuffix(p, "/commits") || q.Get("sha") == "" {
				return false
			}
			head, _ := strconv.ParseInt(q.Get("sha"), 16, 64)
			page, _ := strconv.Atoi(q.Get("page"))
			page = max(page, 1)
			var all []int
			for c := range reach(int(head) - 1) {
				all = append(all, c)
			}
			slices.SortFunc(all, func(a, b int) int { return (at[b]-at[a])*1000 + b - a })
			if len(all) > page*100 {
				w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?sha=%s&per_page=100&page=%d>; rel="next"`, r.Host, r.URL.Path, q.Get("sha"), page+1))
			}
			var out []string
			for _, c := range all[min(len(all), (page-1)*100):min(len(all), page*100)] {
				var ps []string
				for _, p := range parents[c] {
					ps = append(ps, fmt.Sprintf(`{"sha":%q}`, id(p)))
				}
				out = append(out, fmt.Sprintf(`{"sha":%q,"commit":{"committer":{"date":%q}},"parents":[%s]}`, id(c), now.Add(time.Duration(at[c])*time.Second).Format(time.RFC3339), strings.Join(ps, ",")))
			}
			fmt.Fprint(w, "["+strings.Join(out, ",")+"]")
			return true
		}
		r := &repoLook{look: &look{Collector: standIn(t, f, 1, &clock, nil), ctx: t.Context()}, path: "repos/acme/r0"}
		base, head := rnd.IntN(n), rnd.IntN(n)
		if round == 0 {
			base, head = 300, 301
		}
		list, descends, err := r.beyond(id(base), id(head), maxHistory)
		if err != nil {
			t.Fatal(err)
		}
		old, mine := reach(base), reach(head)
		if descends != mine[base] {
			t.Errorf("%d..%d of %d descends: %v", base, head, n, descends)
		}
		stands := map[string]bool{}
		for _, l := range list {
			for _, p := range l.parents {
				if i := slices.IndexFunc(list, func(o node) bool { return o.sha == p }); i >= 0 && !stands[p] {
					t.Errorf("%s stands before its parent", l.sha)
				}
			}
			stands[l.sha] = true
		}
		for c := range n {
			if want := mine[c] && !old[c]; want != stands[id(c)] && (want || skew == 0) {
				t.Errorf("%d..%d of %d, skew %d: commit %d stands: %v", base, head, n, skew, c, !want)
			}
		}
	}
}
