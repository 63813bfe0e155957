package github

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"

	"github.com/google/go-cmp/cmp"
)

const (
	api  = "GET /api/v3/repos/acme/platform"
	c4   = "e4666a670f042877c67a84473a71675ee0950a08" // head of main in the conversation
	sha5 = "5555555555555555555555555555555555555555"
	sha6 = "6666666666666666666666666666666666666666"
	sha7 = "7777777777777777777777777777777777777777"
)

func commitJSON(sha, parent, date string) string {
	return fmt.Sprintf(`{"sha":%q,"commit":{"author":{"name":"A","email":"a@b.example","date":%q},"committer":{"name":"A","email":"a@b.example","date":%q},"message":"m"},"parents":[{"sha":%q}],"files":[{"filename":"tenants/tenant-3/x","status":"added"}]}`, sha, date, date, parent)
}

func branchJSON(sha string) string { return fmt.Sprintf(`{"commit":{"sha":%q}}`, sha) }

// only restricts the configuration to one repository and its default branch.
func only(c *Config) { c.Repos, c.Branches = c.Repos[:1], nil }

func shas(rec *collectortest.Recorder) []string {
	var s []string
	for _, d := range rec.Of(evidence.ChangeCommit) {
		s = append(s, d.Subject.Name)
	}
	return s
}

func seenOf(o evidence.Observation, k evidence.Kind) []evidence.Seen {
	var out []evidence.Seen
	for _, s := range o.Seen {
		for _, x := range s.Kinds {
			if x == k {
				s.Kinds = nil
				out = append(out, s)
			}
		}
	}
	return out
}

// TestSecondLook changes the source between two looks an hour apart.
func TestSecondLook(t *testing.T) {
	later := now.Add(time.Hour)
	span := func(c evidence.Class, cause string) []evidence.Seen {
		return []evidence.Seen{{Class: c, From: now, To: later, Cause: cause}}
	}
	tests := []struct {
		name    string
		change  func(l *lab)
		commits []string
		rewrite string // JSON of the facts, "" for none
		seen    []evidence.Seen
		ends    []evidence.Kind
	}{
		{name: "nothing new", change: func(*lab) {}, seen: span(evidence.Continuous, "")},
		{name: "two commits, one backdated by years", change: func(l *lab) {
			l.Replace(api+"/branches/main", branchJSON(sha6))
			cmp := "/compare/" + c4 + "..." + sha6 + "?per_page=100"
			l.Replace(api+cmp, "Link: <{{url}}/api/v3/repos/acme/platform"+cmp+"&page=2>; rel=\"next\"\n\n"+
				`{"status":"ahead","total_commits":2,"commits":[`+commitJSON(sha5, c4, "1999-01-01T00:00:00Z")+`]}`)
			l.Replace(api+cmp+"&page=2", `{"status":"ahead","total_commits":2,"commits":[`+commitJSON(sha6, sha5, "2026-03-03T12:30:00Z")+`]}`)
			l.Replace(api+"/commits/"+sha5+"?per_page=100", commitJSON(sha5, c4, "1999-01-01T00:00:00Z"))
			l.Replace(api+"/commits/"+sha6+"?per_page=100", commitJSON(sha6, sha5, "2026-03-03T12:30:00Z"))
		}, commits: []string{sha5, sha6}, seen: span(evidence.Continuous, "")},
		{name: "rewritten", change: func(l *lab) {
			l.Replace(api+"/branches/main", branchJSON(sha6))
			l.Replace(api+"/compare/"+c4+"..."+sha6+"?per_page=100", `{"status":"diverged","total_commits":1,"commits":[`+commitJSON(sha6, sha5, "2026-03-03T12:30:00Z")+`]}`)
			l.Replace(api+"/compare/"+sha6+"..."+c4+"?per_page=100", `{"status":"diverged","total_commits":2,"commits":[`+commitJSON(sha7, sha5, "2026-03-01T12:30:00Z")+`,`+commitJSON(c4, sha7, "2026-03-01T12:30:00Z")+`]}`)
			l.Replace(api+"/commits/"+sha6+"?per_page=100", commitJSON(sha6, sha5, "2026-03-03T12:30:00Z"))
		}, commits: []string{sha6}, seen: span(evidence.Reconstructed, "a branch was rewritten: what was pushed and dropped between the looks was not seen"),
			rewrite: `{"repo":"acme/platform","ref":"refs/heads/main","before":"` + c4 + `","after":"` + sha6 + `","lost":["` + c4 + `","` + sha7 + `"]}`},
		{name: "rewritten, old head collected", change: func(l *lab) {
			l.Replace(api+"/branches/main", branchJSON(sha6))
			l.Replace(api+"/compare/"+c4+"..."+sha6+"?per_page=100", "status: 404\n\n{}")
			l.Replace(api+"/commits/"+sha6, commitJSON(sha6, sha5, "2026-03-03T12:30:00Z"))
			l.Replace(api+"/commits?sha="+sha6+"&per_page=100", `[`+commitJSON(sha6, sha5, "2026-03-03T12:30:00Z")+`]`)
			l.Replace(api+"/commits/"+sha6+"?per_page=100", commitJSON(sha6, sha5, "2026-03-03T12:30:00Z"))
		}, commits: []string{sha6}, seen: span(evidence.Blind, "a branch was rewritten and its former head is gone: commits between the looks may be lost"),
			rewrite: `{"repo":"acme/platform","ref":"refs/heads/main","before":"` + c4 + `","after":"` + sha6 + `"}`},
		{name: "default branch renamed, old one gone", change: func(l *lab) {
			l.Replace(api, `{"id":71001,"full_name":"acme/platform","default_branch":"trunk"}`)
			l.Replace(api+"/branches/main", "status: 404\n\n{}")
			l.Replace(api+"/branches/trunk", branchJSON(sha6))
			l.Replace(api+"/commits?sha="+sha6+"&per_page=100", `[`+commitJSON(sha6, c4, "2026-03-03T12:30:00Z")+`]`)
			l.Replace(api+"/commits/"+sha6+"?per_page=100", commitJSON(sha6, c4, "2026-03-03T12:30:00Z"))
			l.Replace(api+"/branches/trunk/protection", "status: 404\n\n"+`{"message":"Branch not protected"}`)
			l.Replace(api+"/rules/branches/trunk?per_page=100", `[]`)
		}, commits: []string{sha6}, seen: []evidence.Seen{{Class: evidence.Reconstructed, From: now, To: later, Cause: "a branch was deleted: what was pushed to it before was not seen"}},
			rewrite: `{"repo":"acme/platform","ref":"refs/heads/main","before":"` + c4 + `"}`,
			ends:    []evidence.Kind{evidence.ChangeRef, evidence.ChangeProtection}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, only)
			first := l.must(nil)
			l.clock = later
			tt.change(l)
			rec := l.must(first.Resume())
			if d := cmp.Diff(tt.commits, shas(rec)); d != "" {
				t.Errorf("commits (-want +got):\n%s", d)
			}
			got := ""
			for _, d := range rec.Of(evidence.ChangeRewrite) {
				got += string(d.Content)
				if !d.NotBefore.Equal(now) || !d.OccurredAt.Equal(later) {
					t.Errorf("rewrite between %v and %v", d.NotBefore, d.OccurredAt)
				}
			}
			if got != tt.rewrite {
				t.Errorf("rewrite %s, want %s", got, tt.rewrite)
			}
			if d := cmp.Diff(tt.seen, seenOf(last(rec), evidence.ChangeCommit)); d != "" {
				t.Errorf("claims for commits (-want +got):\n%s", d)
			}
			if d := cmp.Diff(span(evidence.Continuous, ""), seenOf(last(rec), evidence.ChangeMerge)); d != "" {
				t.Errorf("claims for merges (-want +got):\n%s", d)
			}
			var ends []evidence.Kind
			for _, d := range rec.Drafts {
				if d.Op == evidence.OpEnd {
					ends = append(ends, d.Kind)
				}
			}
			if d := cmp.Diff(tt.ends, ends); d != "" {
				t.Errorf("ends (-want +got):\n%s", d)
			}
			// A third look finds nothing to do.
			if again := l.must(rec.Resume()); len(shas(again)) > 0 || len(again.Of(evidence.ChangeRewrite)) > 0 {
				t.Errorf("third look repeats commits %v", shas(again))
			}
		})
	}
}

// TestConditional counts what a second look costs.
func TestConditional(t *testing.T) {
	l := newLab(t, only)
	first := l.must(nil)
	rec := l.must(first.Resume())
	s := l.c.fetch.Stats()
	if s.Requests > 4 || s.NotModified != s.Requests {
		t.Errorf("second look: %d requests, of which %d were answered 304", s.Requests, s.NotModified)
	}
	if last(rec).Requests != s.Requests {
		t.Errorf("observation says %d requests, want %d", last(rec).Requests, s.Requests)
	}
}

// TestDismissedLater sees an approval first and its dismissal afterwards: each
// is a record of its own.
func TestDismissedLater(t *testing.T) {
	l := newLab(t, only)
	const path = api + "/pulls/13/reviews?per_page=100"
	review := func(state string) string {
		return `[{"id":5,"user":{"id":5011,"login":"m"},"state":"` + state + `","submitted_at":"2026-03-02T15:00:00Z","commit_id":"` + c4 + `"}]`
	}
	l.Replace(path, review("APPROVED"))
	first := l.must(nil)
	l.Replace(path, review("DISMISSED"))
	l.Replace(api+"/pulls?state=all&sort=updated&direction=desc&per_page=100", `[{"number":13,"updated_at":"2026-03-03T12:30:00Z"}]`)
	l.Replace(api+"/issues/13/events?per_page=100", `[]`) // events may be gone or late
	l.clock = now.Add(time.Hour)
	rec := l.must(first.Resume())
	states := func(r *collectortest.Recorder) (out []string) {
		for _, d := range r.Of(evidence.ChangeReview) {
			if strings.HasPrefix(d.Key, "71001!13/") {
				out = append(out, fmt.Sprint(d.Key, " ", d.Basis, " ", evidence.FormatTime(d.NotBefore), " ", evidence.FormatTime(d.OccurredAt)))
			}
		}
		return out
	}
	if d := cmp.Diff([]string{"71001!13/5/approved source  2026-03-02T15:00:00Z"}, states(first)); d != "" {
		t.Errorf("first look (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"71001!13/5/dismissed observed 2026-03-03T12:00:00Z 2026-03-03T13:00:00Z"}, states(rec)); d != "" {
		t.Errorf("second look (-want +got):\n%s", d)
	}
}

// TestPartial lets one repository be refused: the other goes on and what is
// claimed is claimed for it alone.
func TestPartial(t *testing.T) {
	for _, status := range []int{403, 404, 500} {
		l := newLab(t, nil)
		l.Replace("GET /api/v3/repos/acme/tools", fmt.Sprintf("status: %d\n\n{}", status))
		rec := l.must(nil)
		o := last(rec)
		if !strings.Contains(o.Incomplete, "repository acme/tools") || !cmp.Equal(o.Sees, []string{"acme/platform"}) {
			t.Errorf("%d: incomplete %q, sees %v", status, o.Incomplete, o.Sees)
		}
		for _, s := range o.Seen {
			if blind := s.Class == evidence.Blind; s.Scope.String() != "project:acme/acme/platform" && (!blind || s.Scope.String() != "project:acme/acme/tools") {
				t.Errorf("%d: claims %v %s for %q", status, s.Kinds, s.Class, s.Scope)
			}
		}
		// What is claimed of the other repository is not claimed for its owners.
		for _, k := range []evidence.Kind{evidence.ChangeCommit, evidence.ChangeRef, evidence.ChangeRewrite, evidence.ChangeMerge, evidence.ChangeReview, evidence.ChangeProtection} {
			seen := seenOf(o, k)
			if len(seen) != 2 || !slices.ContainsFunc(seen, func(s evidence.Seen) bool { return s.Class == evidence.Blind }) {
				t.Errorf("%d: %s: claims %+v", status, k, seen)
			}
		}
		if len(o.Seen) == 0 || len(rec.Of(evidence.ChangeCommit)) != 5 {
			t.Errorf("%d: %d claims, %d commits", status, len(o.Seen), len(rec.Of(evidence.ChangeCommit)))
		}
		l.Replace("GET /api/v3/repos/acme/tools", `{"id":71002,"full_name":"acme/tools","default_branch":"main"}`)
		if rec := l.must(rec.Resume()); last(rec).Incomplete != "" || len(rec.Of(evidence.ChangeCommit)) != 1 {
			t.Errorf("%d: healed: incomplete %q, commits %v", status, last(rec).Incomplete, shas(rec))
		}
	}
}

// TestExpiredMidWalk loses the token on the second page of the commits; the
// next run goes on there.
func TestExpiredMidWalk(t *testing.T) {
	l := newLab(t, only)
	page2 := "GET /api/v3/repos/acme/platform/commits?page=2&per_page=100&sha=" + c4
	l.SetFault(func(_ int, line string, w http.ResponseWriter, _ *http.Request) bool {
		if line == page2 {
			w.WriteHeader(401)
		}
		return line == page2
	})
	rec, err := l.poll(nil)
	if !problem.Is(err, problem.Credential) || len(shas(rec)) != 2 {
		t.Fatalf("got %v with commits %v", err, shas(rec))
	}
	l.SetFault(nil)
	l.Requests()
	next := l.must(rec.Resume())
	if len(shas(next)) != 2 {
		t.Errorf("resumed with commits %v", shas(next))
	}
	for _, line := range l.Requests() {
		if strings.HasSuffix(line, "/commits?per_page=100&sha="+c4) {
			t.Error("the first page is read again")
		}
	}
}

// TestRateLimits lists the forms in which GitHub asks to be left alone, and
// those that look like it.
func TestRateLimits(t *testing.T) {
	reset := fmt.Sprint(now.Add(90 * time.Second).Unix())
	past := fmt.Sprint(now.Add(-time.Hour).Unix())
	tests := []struct {
		name   string
		answer string
		code   problem.Code
		until  time.Duration // after now
		tries  int
	}{
		{"primary 403", "status: 403\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: " + reset + "\n\n{\"message\":\"API rate limit exceeded\"}", problem.Throttled, 91 * time.Second, 1},
		{"primary 429", "status: 429\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: " + reset + "\n\n{}", problem.Throttled, 91 * time.Second, 1},
		{"reset in the past", "status: 403\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: " + past + "\n\n{}", problem.Throttled, time.Minute, 4},
		{"reset is garbage", "status: 403\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: soon\n\n{}", problem.Throttled, time.Minute, 4},
		{"secondary 403 with retry-after", "status: 403\nRetry-After: 600\n\n{\"message\":\"You have exceeded a secondary rate limit\"}", problem.Throttled, 10 * time.Minute, 1},
		{"secondary 403 with message only", "status: 403\n\n{\"message\":\"You have exceeded a secondary rate limit. Please wait.\"}", problem.Throttled, time.Minute, 4},
		{"secondary 403 by link", "status: 403\n\n{\"message\":\"x\",\"documentation_url\":\"https://docs.github.com/x#secondary-rate-limits\"}", problem.Throttled, time.Minute, 4},
		{"abuse detection", "status: 403\n\n{\"message\":\"You have triggered an abuse detection mechanism.\"}", problem.Throttled, time.Minute, 4},
		{"429 with retry-after", "status: 429\nRetry-After: 3600\n\n{}", problem.Throttled, time.Hour, 1},
		{"429 bare", "status: 429\n\n{}", problem.Throttled, time.Minute, 4},
		{"403 refusal", "status: 403\nX-RateLimit-Remaining: 4000\n\n{\"message\":\"Resource not accessible by integration\"}", problem.Credential, 0, 1},
		{"403 without JSON", "status: 403\n\n<html>", problem.Credential, 0, 1},
		{"401", "status: 401\n\n{\"message\":\"Bad credentials\"}", problem.Credential, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, only)
			l.Replace(api, tt.answer)
			_, err := l.poll(nil)
			if !problem.Is(err, tt.code) {
				t.Fatalf("got %v, want code %s", err, tt.code)
			}
			n := 0
			for _, line := range l.Requests() {
				if line == api {
					n++
				}
			}
			if n != tt.tries {
				t.Errorf("%d requests, want %d", n, tt.tries)
			}
			at, ok := fetch.RetryAt(err)
			if ok != (tt.code == problem.Throttled) || ok && !at.Equal(now.Add(tt.until)) {
				t.Errorf("come back at %v, %v; want %v", at, ok, now.Add(tt.until))
			}
			// The client itself must not answer afterwards: no synthetic 403.
			l.Replace(api, `{"id":71001,"full_name":"acme/platform","default_branch":"main"}`)
			if _, err := l.poll(nil); err != nil {
				t.Errorf("after the limit: %v", err)
			}
		})
	}
}

// TestRemainingZero gives a success with an exhausted limit: the next request
// is sent all the same, since only the source knows its clock.
func TestRemainingZero(t *testing.T) {
	l := newLab(t, only)
	l.Replace(api, "X-RateLimit-Remaining: 0\nX-RateLimit-Limit: 5000\nX-RateLimit-Reset: "+fmt.Sprint(time.Now().Add(time.Hour).Unix())+
		"\n\n"+`{"id":71001,"full_name":"acme/platform","default_branch":"main"}`)
	l.must(nil)
}

func TestLinks(t *testing.T) {
	for name, link := range map[string]string{
		"leads back":       `<{{url}}/api/v3/repos/acme/platform/pulls?direction=desc&per_page=100&sort=updated&state=all>; rel="next"`,
		"leads back page1": `<{{url}}/api/v3/repos/acme/platform/pulls?direction=desc&per_page=100&sort=updated&state=all&page=1>; rel="next"`,
		"other host":       `<http://127.0.0.1:1/api/v3/x>; rel="next"`,
		"other scheme":     `<https://api.github.com/x>; rel="next"`,
	} {
		l := newLab(t, only)
		l.Replace(api+"/pulls?state=all&sort=updated&direction=desc&per_page=100", "Link: "+link+"\n\n[]")
		rec, err := l.poll(nil)
		if !problem.Is(err, problem.Source) || len(rec.Of(evidence.ChangeMerge)) > 0 {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestEmptyRepository(t *testing.T) {
	l := newLab(t, func(c *Config) { c.Repos, c.Branches = []string{"acme/tools"}, nil })
	const tools = "GET /api/v3/repos/acme/tools"
	l.Replace(tools+"/branches/main", "status: 404\n\n{}")
	l.Replace(tools+"/branches?per_page=1", `[]`)
	rec := l.must(nil)
	if len(rec.Drafts) != 0 || len(seenOf(last(rec), evidence.ChangeCommit)) != 1 {
		t.Errorf("drafts %v, observation %+v", rec.Drafts, last(rec))
	}
	l.clock = now.Add(time.Hour)
	l.Replace(tools+"/branches/main", branchJSON("a9a2f6a5e5a7f5ac6b6be0b27e24ae3cde4bd5ee"))
	l.Replace(tools+"/commits?sha=a9a2f6a5e5a7f5ac6b6be0b27e24ae3cde4bd5ee&per_page=100", `[`+commitJSON("a9a2f6a5e5a7f5ac6b6be0b27e24ae3cde4bd5ee", sha5, "2026-03-03T12:30:00Z")+`]`)
	l.Replace(tools+"/commits/a9a2f6a5e5a7f5ac6b6be0b27e24ae3cde4bd5ee?per_page=100", commitJSON("a9a2f6a5e5a7f5ac6b6be0b27e24ae3cde4bd5ee", sha5, "2026-03-03T12:30:00Z"))
	rec = l.must(rec.Resume())
	if len(shas(rec)) != 1 || seenOf(last(rec), evidence.ChangeCommit)[0].Class != evidence.Continuous {
		t.Errorf("commits %v, %+v", shas(rec), last(rec).Seen)
	}
}

// TestFailedRunKeepsClaims lets a run fail after commits were read: the next
// one still claims the stretch, and claims no better than was seen.
func TestFailedRunKeepsClaims(t *testing.T) {
	l := newLab(t, only)
	first := l.must(nil)
	l.clock = now.Add(time.Hour)
	l.Replace(api+"/branches/main", branchJSON(sha6))
	l.Replace(api+"/compare/"+c4+"..."+sha6+"?per_page=100", `{"status":"diverged","total_commits":1,"commits":[`+commitJSON(sha6, sha5, "2026-03-03T12:30:00Z")+`]}`)
	l.Replace(api+"/compare/"+sha6+"..."+c4+"?per_page=100", `{"status":"diverged","total_commits":0,"commits":[]}`)
	l.Replace(api+"/commits/"+sha6+"?per_page=100", commitJSON(sha6, sha5, "2026-03-03T12:30:00Z"))
	pulls := api + "/pulls?state=all&sort=updated&direction=desc&per_page=100"
	l.Replace(pulls, "status: 500\n\n{}")
	failed, err := l.poll(first.Resume())
	if err == nil || len(shas(failed)) != 1 {
		t.Fatalf("got %v, commits %v", err, shas(failed))
	}
	for _, c := range failed.Commits {
		if len(c.Observation.Seen) > 0 {
			t.Errorf("a failed run claims %+v", c.Observation.Seen)
		}
	}
	l.clock = now.Add(2 * time.Hour)
	l.Replace(pulls, `[]`)
	rec := l.must(failed.Resume())
	s := seenOf(last(rec), evidence.ChangeCommit)
	if len(s) != 1 || s[0].Class != evidence.Reconstructed || !s[0].From.Equal(now) || !s[0].To.Equal(l.clock) {
		t.Errorf("claims %+v", s)
	}
	if len(rec.Of(evidence.ChangeRewrite)) != 0 || len(failed.Of(evidence.ChangeRewrite)) != 1 {
		t.Error("the rewrite is not recorded exactly once")
	}
}

func TestResumeRefused(t *testing.T) {
	l := newLab(t, only)
	for _, s := range []string{"", "x", "{}", `{"v":2,"repos":{}}`, `{"v":1,"new":1}`, `{"v":1,"repos":{"a":null}}`, `{"v":1,"repos":{"a":{"branches":{"m":{"head":"x"}}}}}`} {
		if _, err := l.poll([]byte(s)); !problem.Is(err, problem.Corrupt) {
			t.Errorf("%q: got %v", s, err)
		}
	}
	good, err := json.Marshal(cursor{V: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readCursor(good); err != nil {
		t.Error(err)
	}
}
