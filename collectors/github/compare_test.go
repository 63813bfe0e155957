package github

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// history is a branch of which commit 0 was seen, with a comparison that lists
// fewer commits than it counts, and lists of commits that go so far back.
type history struct {
	head    int // number of the newest commit
	compare int // commits that the comparison lists
	listed  int // commits that the lists give; what they name then is listed again without end
}

func number(n int) string { return fmt.Sprintf("%040x", n+1) }

func (h history) json(n int) string {
	parent := ""
	if n > 0 {
		parent = number(n - 1)
	}
	return strings.Replace(commitJSON(number(n), parent, now.Add(time.Duration(n)*time.Second).Format(time.RFC3339)), `{"sha":""}`, "", 1)
}

func (h *history) answer(p string, w http.ResponseWriter, r *http.Request) bool {
	p = strings.TrimPrefix(p, "repos/acme/r0/")
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	page = max(page, 1)
	link := func(more bool) {
		if more {
			q := r.URL.Query()
			q.Set("page", strconv.Itoa(page+1))
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?%s>; rel="next"`, r.Host, r.URL.Path, q.Encode()))
		}
	}
	var list []string
	switch {
	case p == "branches/main":
		fmt.Fprintf(w, `{"name":"main","commit":{"sha":%q}}`, number(h.head))
	case p == "compare/"+number(h.head)+"..."+number(h.head):
		fmt.Fprint(w, `{"status":"identical","total_commits":0,"commits":[]}`)
	case p == "compare/"+number(0)+"..."+number(h.head):
		for n := 1 + (page-1)*100; n <= min(page*100, h.compare); n++ {
			list = append(list, h.json(n))
		}
		link(page*100 < h.compare)
		fmt.Fprintf(w, `{"status":"ahead","total_commits":%d,"commits":[%s]}`, h.head, strings.Join(list, ","))
	case p == "commits":
		if r.URL.Query().Get("sha") == number(0) {
			fmt.Fprintf(w, `[%s]`, h.json(0))
			return true
		}
		newest := h.head - (page-1)*100
		if h.listed > 0 && page*100 > h.listed {
			newest = h.head
		}
		for n := newest; n > newest-100 && n >= 0; n-- {
			list = append(list, h.json(n))
		}
		link(h.listed > 0 || newest >= 100)
		fmt.Fprintf(w, `[%s]`, strings.Join(list, ","))
	case strings.HasPrefix(p, "commits/") && len(p) == len("commits/")+40:
		n, _ := strconv.ParseInt(p[len("commits/"):], 16, 64)
		fmt.Fprint(w, h.json(int(n-1)))
	default:
		return false
	}
	return true
}

// TestComparisonCutShort: a comparison that counts more commits than it lists
// leaves out none: the lists of commits tell the rest, and where they do not the
// stretch was not seen, and the branch goes on.
func TestComparisonCutShort(t *testing.T) {
	for name, tt := range map[string]struct {
		h     history
		want  int
		class evidence.Class
		told  string
	}{
		"whole":            {history{head: 300, compare: 300}, 300, evidence.Continuous, ""},
		"cut":              {history{head: 300, compare: 250}, 300, evidence.Continuous, ""},
		"the lists cut it": {history{head: 300, compare: 250, listed: 200}, 250, evidence.Blind, "lists 250 of 300 commits"},
	} {
		t.Run(name, func(t *testing.T) {
			clock := now
			h := &history{}
			c := standIn(t, large{at: yesterday, instead: func(p string, w http.ResponseWriter, r *http.Request) bool { return h.answer(p, w, r) }}, 1, &clock, only)
			first := lookAt(t, c, clock, nil)
			whole(t, first)
			*h = tt.h
			clock = now.Add(time.Hour)
			rec := lookAt(t, c, clock, first.Resume())
			got := map[string]bool{}
			for _, sha := range shas(rec) {
				got[sha] = true
			}
			if len(got) != tt.want || len(got) != len(shas(rec)) {
				t.Errorf("%d commits, %d of them different, want %d", len(shas(rec)), len(got), tt.want)
			}
			if o := last(rec); (o.Incomplete == "") != (tt.told == "") || !strings.Contains(o.Incomplete, tt.told) {
				t.Errorf("incomplete %q, want %q", o.Incomplete, tt.told)
			}
			if s := seenOf(last(rec), evidence.ChangeCommit); len(s) != 1 || s[0].Class != tt.class || !s[0].From.Equal(now) {
				t.Errorf("claims %+v, want %s since the last look", s, tt.class)
			}
			clock = clock.Add(time.Hour)
			again := lookAt(t, c, clock, rec.Resume())
			whole(t, again)
			if s := seenOf(last(again), evidence.ChangeCommit); len(s) != 1 || s[0].Class != evidence.Continuous || len(shas(again)) > 0 {
				t.Errorf("the next look claims %+v with %d commits", s, len(shas(again)))
			}
		})
	}
}
