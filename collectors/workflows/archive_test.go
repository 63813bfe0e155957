package workflows

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/collectors/kube"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// shelf is an archive as Argo's server answers: by the start of runs, newest
// first, in pages of an offset.
type shelf struct {
	runs   map[string]string // by uid
	broken int               // status of every answer, 0 for none
	page   int
	asked  []string
	cursor string         // in place of the next offset
	odd    []any          // further entries of each page
	faults map[string]int // status of the answer to a uid
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked = append(s.asked, r.URL.Path)
	if s.broken != 0 {
		http.Error(w, "planted-answer", s.broken)
		return
	}
	if uid, ok := strings.CutPrefix(r.URL.Path, archivePath+"/"); ok {
		if s.faults[uid] != 0 {
			http.Error(w, "planted-answer", s.faults[uid])
			return
		}
		if s.runs[uid] == "" {
			http.Error(w, `{"code":5,"message":"not found"}`, http.StatusNotFound)
			return
		}
		fmt.Fprint(w, s.runs[uid])
		return
	}
	var all []map[string]any
	for _, raw := range s.runs {
		var o map[string]any
		if json.Unmarshal([]byte(raw), &o) == nil {
			all = append(all, map[string]any{"metadata": o["metadata"], "status": o["status"]})
		}
	}
	slices.SortFunc(all, func(x, y map[string]any) int {
		return -strings.Compare(fmt.Sprint(x["status"], x["metadata"]), fmt.Sprint(y["status"], y["metadata"]))
	})
	at, _ := strconv.Atoi(r.URL.Query().Get("listOptions.continue"))
	meta := map[string]string{}
	if s.page > 0 {
		end := min(at+s.page, len(all))
		if end < len(all) {
			meta["continue"] = strconv.Itoa(end)
			if s.cursor != "" {
				meta["continue"] = s.cursor
			}
		}
		all = all[at:end]
	}
	json.NewEncoder(w).Encode(map[string]any{"metadata": meta, "items": append(slices.Clone(s.odd), anyOf(all)...)})
}

func anyOf[T any](list []T) (out []any) {
	for _, x := range list {
		out = append(out, x)
	}
	return out
}

// A listed run that cannot be read costs none of the others, and is told: one that
// has a uid is asked for by it.
func TestOddInArchiveList(t *testing.T) {
	for name, tt := range map[string]struct {
		odd  []any
		told string
		runs int
	}{
		"no uid":           {[]any{map[string]any{"metadata": map[string]any{}, "status": map[string]any{"phase": "Succeeded"}}}, "1 of its runs could not be read", 2},
		"no object":        {[]any{7, nil, "x"}, "3 of its runs could not be read", 2},
		"uid that is none": {[]any{map[string]any{"metadata": map[string]any{"uid": 5}}}, "1 of its runs could not be read", 2},
		"odd status":       {[]any{map[string]any{"metadata": map[string]any{"uid": "3"}, "status": map[string]any{"phase": "Succeeded", "finishedAt": 5}}}, "", 3},
	} {
		s := &shelf{runs: map[string]string{"1": string(aRun("1", good)), "2": string(aRun("2", good))}, odd: tt.odd}
		if tt.runs == 3 {
			s.runs["3"] = string(aRun("3", good))
		}
		r := archiver(t, s)
		told, o := r.round(t, testLook(now))
		if len(told) != tt.runs || !strings.Contains(o.Incomplete, tt.told) || tt.told == "" && o.Incomplete != "" {
			t.Errorf("%s: %d runs, incomplete %q", name, len(told), o.Incomplete)
		}
		s.odd = nil
		if _, o = r.round(t, testLook(now.Add(24*time.Hour))); o.Incomplete != "" {
			t.Errorf("%s: after it was mended: %q", name, o.Incomplete)
		}
	}
}

// archiver is a reader with an archive.
func archiver(t testing.TB, s *shelf, change ...func(*Config)) *reader {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("planted-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := testReader(append(change, func(c *Config) { c.Archive.URL, c.Archive.TokenFile = srv.URL, token })...)
	var err error
	if r.archive, err = openArchive(r.cfg, collectors.Env{Clock: func() time.Time { return now }}, func(o *fetch.Options) {
		o.Retries, o.Sleep = -1, func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	}); err != nil {
		t.Fatal(err)
	}
	r.listed = func(*kube.Look, string) time.Time { return time.Time{} }
	return r
}

// round is what the archive gives at a commit.
func (r *reader) round(t testing.TB, l *kube.Look) (told map[string]evidence.Draft, o evidence.Observation) {
	t.Helper()
	ds, err := r.after(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	told = map[string]evidence.Draft{}
	for _, d := range ds {
		if err := d.Check(); err != nil {
			t.Error(err)
		}
		told[d.Key] = d
	}
	o = evidence.Observation{At: l.Now, Seen: []evidence.Seen{{Kinds: []evidence.Kind{evidence.WorkflowRun}, Class: evidence.Instants, From: l.Now, To: l.Now}}}
	r.observe(&o)
	return told, o
}

// A run that was seen live and stands in the archive is one record: what the
// archive shows of it is not even asked for, and would say the same.
func TestSeenLiveAndArchived(t *testing.T) {
	s := &shelf{runs: map[string]string{"1": string(aRun("1", good, `,"labels":{"workflows.argoproj.io/workflow-archiving-status":"Persisted"}`)), "2": string(aRun("2", good)), "3": string(aRun("3", failed))}}
	r := archiver(t, s)
	live := r.give(t, testLook(now), kindRun, aRun("1", good), false)
	r.give(t, testLook(now), kindRun, aRun("3", running), false) // tried again, and goes on
	told, o := r.round(t, testLook(now))
	if len(told) != 1 || told["2"].Key != "2" || slices.Contains(s.asked, archivePath+"/1") || o.Incomplete != "" || o.Requests != 2 {
		t.Errorf("told %v, asked %v, %+v", told, s.asked, o)
	}
	r.memory.Told = nil // as after very many others
	told, _ = r.round(t, testLook(now.Add(time.Hour)))
	if d := told["1"]; string(d.Content) != string(live[0].Content) || d.Subject != live[0].Subject || d.OccurredAt != live[0].OccurredAt {
		t.Errorf("live:\n%s\narchived:\n%s", live[0].Content, d.Content)
	}
	if told["2"].Request.URL == "" || told["2"].Request.Response == "" {
		t.Errorf("%+v", told["2"].Request)
	}
}

// The archive is read as often as it is configured to be, and again after it did
// not answer; a run that ended unseen is asked for at once.
func TestArchiveTakesUp(t *testing.T) {
	s := &shelf{runs: map[string]string{}}
	r := archiver(t, s)
	r.give(t, testLook(now), kindRun, aRun("1", running), false)
	r.give(t, testLook(now), kindRun, aRun("2", running), false)
	r.round(t, testLook(now))
	asked := len(s.asked)
	r.round(t, testLook(now.Add(time.Minute)))
	if len(s.asked) != asked {
		t.Errorf("asked before its time: %v", s.asked)
	}
	s.runs["1"] = string(aRun("1", good))
	gone := now.Add(2 * time.Minute)
	r.listed = func(*kube.Look, string) time.Time { return gone }
	told, o := r.round(t, testLook(gone))
	if len(told) != 1 || told["1"].Key == "" {
		t.Errorf("told %v", told)
	}
	// The other is not in the archive: blind, since it was last known to be there.
	if len(o.Seen) != 2 || o.Seen[0].Class != evidence.Blind || !o.Seen[0].From.Equal(now.Add(time.Minute)) || !o.Seen[0].To.Equal(gone) {
		t.Errorf("%+v", o.Seen)
	}
	if len(r.memory.Lost) != 0 {
		t.Errorf("%+v", r.memory.Lost)
	}
}

// An archive that does not answer makes the run partial, says nothing of what it
// answered, and leaves nothing out once it does.
func TestArchiveDown(t *testing.T) {
	for status, says := range map[int]string{500: "the archive: ", 403: "the archive: the credential may not list and get workflows (403)", 404: "the archive: the server has none at this address (404)"} {
		s := &shelf{runs: map[string]string{"1": string(aRun("1", good))}, broken: status}
		r := archiver(t, s)
		r.give(t, testLook(now), kindRun, aRun("2", running), false)
		_, o := r.round(t, testLook(now))
		if !strings.HasPrefix(o.Incomplete, says) || strings.Contains(o.Incomplete, "planted") {
			t.Errorf("%d: %q", status, o.Incomplete)
		}
		asked := len(s.asked)
		if _, o = r.round(t, testLook(now.Add(30*time.Second))); len(s.asked) != asked || o.Incomplete == "" {
			t.Errorf("%d: asked again at once, or said to be whole: %q", status, o.Incomplete)
		}
		s.broken = 0
		told, o := r.round(t, testLook(now.Add(2*time.Minute)))
		if told["1"].Key == "" || o.Incomplete != "" {
			t.Errorf("%d: told %v, %q", status, told, o.Incomplete)
		}
	}
}

// One run of the archive that cannot be read leaves the others, is told, and is
// tried again.
func TestOddInArchive(t *testing.T) {
	odd := strings.Replace(string(aRun("1", good)), `"status":{`, `"status":{"outputs":"planted",`, 1)
	s := &shelf{runs: map[string]string{"1": odd, "2": string(aRun("2", good))}}
	r := archiver(t, s)
	told, o := r.round(t, testLook(now))
	if told["2"].Key == "" || len(told) != 1 || o.Incomplete != fmt.Sprintf(oddRuns, 1) {
		t.Errorf("told %v, %q", told, o.Incomplete)
	}
	if _, o = r.round(t, testLook(now.Add(time.Minute))); o.Incomplete == "" {
		t.Error("forgotten")
	}
	s.runs["1"] = string(aRun("1", good))
	told, o = r.round(t, testLook(now.Add(time.Hour)))
	if told["1"].Key == "" || o.Incomplete != "" || len(r.memory.Odd) != 0 {
		t.Errorf("told %v, %q", told, o.Incomplete)
	}
}

// A run that the archive does not hand out, or that is larger than is read, leaves
// the others, is told and tried again. When none comes the archive is down.
func TestFaultOfOneArchivedRun(t *testing.T) {
	s := &shelf{runs: map[string]string{}, faults: map[string]int{"2": 500, "3": 403}}
	for i := range 8 {
		s.runs[fmt.Sprint(i)] = string(aRun(fmt.Sprint(i), good))
	}
	s.runs["4"] = strings.Replace(s.runs["4"], `"main"`, `"`+strings.Repeat("y", 5<<16)+`"`, 1)
	r := archiver(t, s, func(c *Config) { c.MaxObjectBytes = 64 << 10 })
	r.give(t, testLook(now), kindRun, aRun("2", running), false)
	gone := now.Add(time.Minute)
	r.listed = func(*kube.Look, string) time.Time { return gone }
	told, o := r.round(t, testLook(gone))
	if len(told) != 5 || o.Incomplete != fmt.Sprintf(oddRuns, 3) || len(o.Seen) != 2 || o.Seen[0].Class != evidence.Blind {
		t.Errorf("told %d, %q, %+v", len(told), o.Incomplete, o.Seen)
	}
	s.faults, s.runs["4"] = nil, string(aRun("4", good))
	if told, o = r.round(t, testLook(now.Add(time.Hour))); len(told) != 3 || o.Incomplete != "" {
		t.Errorf("told %d, %q", len(told), o.Incomplete)
	}
	s = &shelf{runs: s.runs, faults: map[string]int{}}
	for uid := range s.runs {
		s.faults[uid] = 503
	}
	r = archiver(t, s)
	if told, o = r.round(t, testLook(now)); len(told) != 0 || !strings.HasPrefix(o.Incomplete, "the archive: ") || o.Incomplete == fmt.Sprintf(oddRuns, 8) || len(s.asked) != 1+inARow {
		t.Errorf("told %d, %q, asked %d times", len(told), o.Incomplete, len(s.asked))
	}
	s.faults = nil
	if told, o = r.round(t, testLook(now.Add(time.Hour))); len(told) != 8 || o.Incomplete != "" {
		t.Errorf("told %d, %q", len(told), o.Incomplete)
	}
}

// A run that was tried again has another end: that is told although the one before
// it was, by whoever comes to see it.
func TestRetriedAfterItsEndWasTold(t *testing.T) {
	t.Run("while nobody looked", func(t *testing.T) {
		s := &shelf{runs: map[string]string{"1": string(aRun("1", failed))}}
		r := archiver(t, s)
		r.give(t, testLook(now), kindRun, aRun("1", failed), false)
		if told, _ := r.round(t, testLook(now)); len(told) != 0 {
			t.Errorf("told %v", told)
		}
		s.runs["1"] = string(aRun("1", good))
		told, _ := r.round(t, testLook(now.Add(time.Hour)))
		if d := told["1"]; d.Key == "" || evidencetest.Decode[evidence.WorkflowRunFacts](t, d).Phase != "Succeeded" {
			t.Errorf("told %v", told)
		}
		if told, _ := r.round(t, testLook(now.Add(2*time.Hour))); len(told) != 0 {
			t.Errorf("told again: %v", told)
		}
	})
	t.Run("with its nodes offloaded", func(t *testing.T) {
		away := func(s string) string {
			return strings.Replace(s, `{`, `{"offloadNodeStatusVersion":"fnv:1",`, 1)
		}
		r := archiver(t, &shelf{runs: map[string]string{"1": string(aRun("1", failed))}})
		for _, status := range []string{failed, running, good} {
			if f := run1(t, r, away(status)); f.NodesUnread != offloaded {
				t.Errorf("%s: %+v", status, f)
			}
			r.round(t, testLook(now))
		}
	})
}

// Pages shift and may repeat a run; an answer that never ends is given up.
func TestArchivePages(t *testing.T) {
	s := &shelf{runs: map[string]string{}, page: 2}
	for i := range 7 {
		uid := fmt.Sprint(i)
		s.runs[uid] = string(aRun(uid, good))
	}
	r := archiver(t, s)
	if told, o := r.round(t, testLook(now)); len(told) != 7 || o.Incomplete != "" {
		t.Errorf("told %d, %q", len(told), o.Incomplete)
	}
	for _, cursor := range []string{"2", "x", "-1"} {
		s := &shelf{runs: s.runs, page: 2, cursor: cursor}
		if _, o := archiver(t, s).round(t, testLook(now)); o.Incomplete == "" || len(s.asked) > 3 {
			t.Errorf("cursor %s: %q, asked %d times", cursor, o.Incomplete, len(s.asked))
		}
	}
}

// An archived run of a namespace that was made anew is told to nobody who has the
// name now; to who had it then, where that is remembered.
func TestArchivedOfOtherNamespace(t *testing.T) {
	old := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name   string
		spaces []kube.Namespace
		tenant string // label of the scope; "none" for no scope at all
	}{
		{"the same", []kube.Namespace{{Name: "tenant-7", Made: old, Labels: map[string]string{"tenant": "seven"}}}, "tenant=seven"},
		{"made anew", []kube.Namespace{{Name: "tenant-7", Made: now, Labels: map[string]string{"tenant": "eight"}}}, "none"},
		{"made anew, and who had it is remembered", []kube.Namespace{{Name: "tenant-7", Made: now, Labels: map[string]string{"tenant": "eight"}},
			{Name: "tenant-7", Made: old, Ended: now.Add(-10 * time.Minute), Labels: map[string]string{"tenant": "seven"}}}, "tenant=seven"},
	} {
		r := archiver(t, &shelf{runs: map[string]string{"1": string(aRun("1", good))}})
		told, _ := r.round(t, kube.NewLook("workflows/prod", agent, now, tc.spaces...))
		got := "none"
		for _, ref := range told["1"].Scope {
			if got = ref.Name; ref.Scheme == "label" {
				break
			}
		}
		if got != tc.tenant || told["1"].Key == "" {
			t.Errorf("%s: %s, scope %v", tc.name, got, told["1"].Scope)
		}
	}
}

// Nodes that are offloaded are taken from the archive, and not lost again when the
// object is seen once more.
func TestOffloadedIsTakenFromTheArchive(t *testing.T) {
	away := `{"phase":"Succeeded","startedAt":"2026-03-02T13:00:01Z","finishedAt":"2026-03-02T13:09:00Z","offloadNodeStatusVersion":"fnv:1"}`
	whole := strings.Replace(good, `{`, `{"nodes":{"a":{"id":"a","type":"Pod","phase":"Succeeded"}},`, 1)
	r := archiver(t, &shelf{runs: map[string]string{"1": string(aRun("1", whole))}})
	if f := run1(t, r, away); f.NodesUnread != offloaded {
		t.Fatalf("%+v", f)
	}
	told, _ := r.round(t, testLook(now))
	if f := evidencetest.Decode[evidence.WorkflowRunFacts](t, told["1"]); f.NodesUnread != "" || len(f.Nodes) != 1 {
		t.Errorf("%+v", f)
	}
	if ds := r.give(t, testLook(now), kindRun, aRun("1", away), false); len(ds) != 0 {
		t.Errorf("told again: %s", ds[0].Content)
	}
}

// The examination says how the archive can be read, and names no answer.
func TestExamineArchive(t *testing.T) {
	for status, want := range map[int]collectors.Access{0: collectors.Readable, 401: collectors.Missing, 403: collectors.Missing, 404: collectors.Absent, 500: collectors.Untold} {
		r := archiver(t, &shelf{broken: status})
		var x collectors.Examination
		if err := r.examineArchive(t.Context(), &x); err != nil {
			t.Fatal(err)
		}
		if len(x.Rights) != 1 || x.Rights[0].Access != want || strings.Contains(fmt.Sprint(x), "planted") || x.Requests == 0 {
			t.Errorf("%d: %+v", status, x)
		}
	}
	var x collectors.Examination
	if err := testReader().examineArchive(t.Context(), &x); err != nil || len(x.Rights) != 1 || x.Rights[0].Access != collectors.Untold {
		t.Errorf("%v, %+v", err, x)
	}
}
