package velero

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
)

// away is a cluster that is looked at now and then by a collector that is made
// anew each time.
type away struct {
	*cluster
	t      *testing.T
	at     time.Time
	resume []byte
	told   []evidence.Draft // of all looks
}

func newAway(t *testing.T) *away {
	a := &away{cluster: newCluster(t), t: t, at: now}
	a.space("velero", uid("1"))
	return a
}

// space sets what the server tells of one namespace.
func (a *away) space(name, uid string) {
	a.bodies["/api/v1/namespaces/"+name] = fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q,"uid":%q,"resourceVersion":"1"}}`, name, uid)
}

// home adds the cluster's own namespace to what is listed.
func (a *away) home(uid string) {
	a.change("/api/v1/namespaces", func(items []json.RawMessage) []json.RawMessage {
		return append(items, fmt.Appendf(nil, `{"metadata":{"name":%q,"uid":%q,"resourceVersion":"1"}}`, homeNamespace, uid))
	})
	a.space(homeNamespace, uid)
}

// change changes the items of a list.
func (a *away) change(path string, change func([]json.RawMessage) []json.RawMessage) {
	a.t.Helper()
	var list struct {
		Kind       string            `json:"kind"`
		APIVersion string            `json:"apiVersion"`
		Metadata   json.RawMessage   `json:"metadata"`
		Items      []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(a.bodies[path], &list); err != nil {
		a.t.Fatal(err)
	}
	list.Items = change(list.Items)
	b, err := json.Marshal(list)
	if err != nil {
		a.t.Fatal(err)
	}
	a.bodies[path] = b
}

const (
	backupsPath  = "/apis/velero.io/v1/backups"
	restoresPath = "/apis/velero.io/v1/restores"
)

// empty takes every item out of a list.
func (a *away) empty(path string) {
	a.change(path, func([]json.RawMessage) []json.RawMessage { return []json.RawMessage{} })
}

// limit limits the collectors to a namespace.
func (a *away) limit(namespace string) {
	a.spaces = []string{namespace}
	for path, b := range maps.Clone(a.bodies) {
		parts := strings.Split(path, "/")
		if parts[1] != "apis" || len(parts) != 5 {
			continue
		}
		within := strings.Join(slices.Insert(parts, 4, "namespaces", namespace), "/")
		a.bodies[within] = b
		a.change(within, func(items []json.RawMessage) []json.RawMessage {
			return slices.DeleteFunc(items, func(o json.RawMessage) bool { return !bytes.Contains(o, []byte(`"namespace":"`+namespace+`"`)) })
		})
	}
}

// look lists everything once, some time later, and returns what was told.
func (a *away) look(later time.Duration) collectortest.Recorder {
	a.t.Helper()
	a.at = a.at.Add(later)
	var rec collectortest.Recorder
	k := a.collector(a.t, func() time.Time { return a.at }, false)
	if err := k.Poll(a.t.Context(), evidence.Period{To: a.at}, a.resume, &rec); err != nil {
		a.t.Fatal(err)
	}
	a.resume = rec.Resume()
	a.told = append(a.told, rec.Drafts...)
	return rec
}

// gone are the drafts that tell of a deletion, by uid.
func gone(ds []evidence.Draft) map[string]evidence.Draft {
	m := map[string]evidence.Draft{}
	for _, d := range ds {
		if bytes.Contains(d.Content, []byte(`"deleted_at"`)) {
			m[d.Subject.UID] = d
		}
	}
	return m
}

func notes(r collectortest.Recorder) string {
	var all []string
	for _, c := range r.Commits {
		all = append(all, c.Observation.Notes...)
	}
	return strings.Join(all, "; ")
}

// What was deleted while nobody watched is told by the list that lacks it, to whom
// it was told before, once.
func TestGoneUnseen(t *testing.T) {
	a := newAway(t)
	first := a.look(0)
	a.empty(backupsPath)
	a.empty(restoresPath)
	found := now.Add(2 * time.Hour)
	second := gone(a.look(2 * time.Hour).Drafts)
	for uid, how := range map[string]string{uid("50"): "unexplained", uid("51"): "unexplained", uid("52"): "unexplained", uid("53"): "requested"} {
		d, told := second[uid]
		if !told {
			t.Fatalf("nobody tells that backup %s is gone", uid)
		}
		was := of(t, first.Drafts, evidence.BackupRun, uid)
		want := facts[evidence.BackupFacts](t, was)
		want.DeletedAt, want.DeletedAfter, want.DeletedHow = found, now, how
		if diff := cmp.Diff(want, facts[evidence.BackupFacts](t, &d)); diff != "" {
			t.Errorf("backup %s (-want +got):\n%s", uid, diff)
		}
		sameRecord(t, was, &d)
		if d.Raw != nil || !d.ObservedAt.Equal(found) || !strings.HasSuffix(d.Request.URL, backupsPath+"?limit=500") || d.Request.Agent != agent {
			t.Errorf("backup %s: observed at %s by %+v, with bytes %q", uid, d.ObservedAt, d.Request, d.Raw)
		}
	}
	for _, n := range []string{"70", "71", "72", "73", "74"} {
		d, told := second[uid(n)]
		if !told {
			t.Fatalf("nobody tells that restore %s is gone", n)
		}
		was := of(t, first.Drafts, evidence.BackupRestore, uid(n))
		want := facts[evidence.RestoreFacts](t, was)
		want.DeletedAt, want.DeletedAfter, want.Requester = found, now, -1 // the cursor holds no person
		if diff := cmp.Diff(want, facts[evidence.RestoreFacts](t, &d)); diff != "" {
			t.Errorf("restore %s (-want +got):\n%s", n, diff)
		}
		sameRecord(t, was, &d)
	}
	for i := range 2 {
		if again := gone(a.look(time.Hour).Drafts); len(again) > 0 {
			t.Errorf("look %d tells it again: %v", i+3, again)
		}
	}
}

// Each tenant is told that what it was told of is gone, and nobody else is.
func TestGoneForTenants(t *testing.T) {
	a := newAway(t)
	first := a.look(0)
	a.empty(backupsPath)
	a.empty(restoresPath)
	second := gone(a.look(time.Hour).Drafts)
	rules := kubetest.ByLabel(t, "tenant-7", "tenant-8")
	for i, label := range []string{"team=platform", "tenant=tenant-7", "tenant=tenant-8"} {
		rules[i].Owns[0].Labels = []string{label}
	}
	views := func(ds []evidence.Draft) map[string]map[string]evidence.Draft {
		m := map[string]map[string]evidence.Draft{}
		for tenant, got := range kubetest.Views(t, "velero/prod", a.at, rules, ds...) {
			m[tenant] = map[string]evidence.Draft{}
			for _, d := range got {
				m[tenant][string(d.Kind)+" "+d.Key] = d
			}
		}
		return m
	}
	events := slices.DeleteFunc(first.Drafts, func(d evidence.Draft) bool { return d.Kind != evidence.BackupRun && d.Kind != evidence.BackupRestore })
	was, is := views(events), views(slices.Collect(maps.Values(second)))
	if len(was["tenant-7"]) == 0 || len(was["tenant-8"]) == 0 {
		t.Fatalf("the tenants have %d and %d records", len(was["tenant-7"]), len(was["tenant-8"]))
	}
	for tenant, records := range was {
		for key, d := range records {
			last, told := is[tenant][key]
			if !told {
				t.Errorf("%s is not told that %s is gone", tenant, key)
				continue
			}
			sameRecord(t, &d, &last)
		}
		if len(is[tenant]) != len(records) {
			t.Errorf("%s had %d records, and is told of %d that are gone", tenant, len(records), len(is[tenant]))
		}
	}
	if len(is) != len(was) {
		t.Errorf("told to %d tenants, and before to %d", len(is), len(was))
	}
}

// sameRecord checks that a draft is a revision of another, for the same tenants.
func sameRecord(t *testing.T, was, is *evidence.Draft) {
	t.Helper()
	type record struct {
		Kind      evidence.Kind
		Op        evidence.Op
		Source    evidence.SourceID
		Key       string
		Subject   evidence.Ref
		Occurred  time.Time
		Basis     evidence.Basis
		NotBefore time.Time
		Links     []evidence.Ref
		Scope     []evidence.Ref
		Mentions  []evidence.Mention
	}
	of := func(d *evidence.Draft) record {
		return record{d.Kind, d.Op, d.Source, d.Key, d.Subject, d.OccurredAt, d.Basis, d.NotBefore, d.Links, d.Scope, d.Mentions}
	}
	if diff := cmp.Diff(of(was), of(is)); diff != "" {
		t.Errorf("%s is another record (-was +is):\n%s", was.Subject, diff)
	}
}

// One that comes back under its uid is there again, and may go once more.
func TestGoneAndBack(t *testing.T) {
	a := newAway(t)
	a.look(0)
	all := a.bodies[backupsPath]
	a.empty(backupsPath)
	a.look(time.Hour)
	a.bodies[backupsPath] = all
	back := a.look(time.Hour)
	if d := of(t, back.Drafts, evidence.BackupRun, uid("50")); len(gone(back.Drafts)) > 0 || bytes.Contains(d.Content, []byte("deleted")) {
		t.Errorf("it came back as %s", d.Content)
	}
	a.empty(backupsPath)
	d := gone(a.look(time.Hour).Drafts)[uid("50")]
	if f := facts[evidence.BackupFacts](t, &d); !f.DeletedAt.Equal(a.at) || !f.DeletedAfter.Equal(a.at.Add(-time.Hour)) {
		t.Errorf("gone again: %+v", f)
	}
}

// A backup that was due when it was found to be gone has expired, as far as anybody
// can tell.
func TestGoneAfterExpiry(t *testing.T) {
	a := newAway(t)
	a.look(0)
	a.empty(backupsPath)
	second := a.look(60 * 24 * time.Hour)
	for n, want := range map[string]string{"51": "expired", "52": "unexplained", "53": "expired"} {
		d := gone(second.Drafts)[uid(n)]
		if f := facts[evidence.BackupFacts](t, &d); f.DeletedHow != want || !f.DeletedAfter.Equal(now) {
			t.Errorf("backup %s: %s, last there at %s", n, f.DeletedHow, f.DeletedAfter)
		}
	}
	if got := notes(second); strings.Count(got, "nobody was seen to ask for it") != 1 || !strings.Contains(got, "platform-weekly") {
		t.Errorf("notes %q", got)
	}
}

// What does not show all there is tells no deletion; the next list that does, tells
// it, with the time since when it can have been.
func TestGoneUntold(t *testing.T) {
	refuse := func(path string) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == path {
				w.WriteHeader(http.StatusForbidden)
			}
			return r.URL.Path == path
		}
	}
	for name, spoil := range map[string]func(a *away){
		"refused": func(a *away) { a.fault = refuse(backupsPath) },
		"one that cannot be read": func(a *away) {
			a.change(backupsPath, func([]json.RawMessage) []json.RawMessage {
				return []json.RawMessage{json.RawMessage(`{"metadata":{"name":"x","namespace":"velero","uid":"x","resourceVersion":"1"},"spec":7}`)}
			})
		},
		"one without a name": func(a *away) {
			a.change(backupsPath, func([]json.RawMessage) []json.RawMessage {
				return []json.RawMessage{json.RawMessage(`{"metadata":{"namespace":"velero"}}`)}
			})
		},
		"cut off": func(a *away) {
			a.fault = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == backupsPath {
					_, _ = w.Write([]byte(`{"kind":"BackupList","metadata":{"resourceVersion":"9"},"items":[`))
				}
				return r.URL.Path == backupsPath
			}
		},
		"fewer than there are": func(a *away) {
			a.fault = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != backupsPath {
					return false
				}
				page := `"continue":"x","remainingItemCount":3`
				if r.URL.Query().Has("continue") {
					page = `"continue":""`
				}
				_, _ = w.Write([]byte(`{"kind":"BackupList","metadata":{"resourceVersion":"9",` + page + `},"items":[]}`))
				return true
			}
		},
		"not there": func(a *away) {
			a.bodies["/apis/velero.io/v1"] = bytes.Replace(a.bodies["/apis/velero.io/v1"], []byte(`"backups"`), []byte(`"others"`), 1)
		},
		"of a cluster that is not known": func(a *away) { a.fault = refuse("/api/v1/namespaces/velero") },
	} {
		t.Run(name, func(t *testing.T) {
			a := newAway(t)
			before := map[string][]byte{}
			for path, b := range a.bodies {
				before[path] = b
			}
			a.look(0)
			a.empty(backupsPath)
			spoil(a)
			if second := a.look(time.Hour); len(gone(second.Drafts)) > 0 {
				t.Errorf("told: %v", gone(second.Drafts))
			}
			a.bodies, a.fault = before, nil
			a.empty(backupsPath)
			d := gone(a.look(time.Hour).Drafts)[uid("50")]
			if d.Content == nil {
				t.Fatal("never told")
			}
			if f := facts[evidence.BackupFacts](t, &d); !f.DeletedAt.Equal(a.at) || !f.DeletedAfter.Equal(now) {
				t.Errorf("deleted between %s and %s", f.DeletedAfter, f.DeletedAt)
			}
		})
	}
}

// Backups went with their namespace when the cluster itself is the same; another
// cluster has none of them, and nobody deleted them there.
func TestGoneWithNamespace(t *testing.T) {
	for name, tc := range map[string]struct {
		velero, home string // uids at the second look
		told         bool
		note         string
	}{
		"namespace made anew": {"other", "home", true, ""},
		"another cluster":     {"other", "away", false, "the cluster is another one than before"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAway(t)
			a.home("home")
			a.look(0)
			a.empty(backupsPath)
			a.space("velero", tc.velero)
			a.space(homeNamespace, tc.home)
			second := a.look(time.Hour)
			if _, told := gone(second.Drafts)[uid("50")]; told != tc.told || !strings.Contains(notes(second), tc.note) {
				t.Errorf("told %t, want %t; notes %q", told, tc.told, notes(second))
			}
			// What is of another cluster does not come back into question.
			a.space(homeNamespace, "home")
			if ds := gone(a.look(time.Hour).Drafts); len(ds) > 0 {
				t.Errorf("told later: %v", ds)
			}
		})
	}
}

// oldCursor takes out of a cursor what older versions did not keep.
func oldCursor(t *testing.T, resume []byte) []byte {
	t.Helper()
	var cursor map[string]json.RawMessage
	var state map[string]json.RawMessage
	if err := json.Unmarshal(resume, &cursor); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(cursor["state"], &state); err != nil {
		t.Fatal(err)
	}
	if len(state["sightings"]) == 0 || len(state["backups"]) == 0 {
		t.Fatalf("the cursor has changed: %s", cursor["state"])
	}
	delete(state, "sightings")
	delete(state, "listed")
	var err error
	if cursor["state"], err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}
	if resume, err = json.Marshal(cursor); err != nil {
		t.Fatal(err)
	}
	return resume
}

// A cursor of before goes on; what it does not remember is not told.
func TestGoneOldCursor(t *testing.T) {
	a := newAway(t)
	a.look(0)
	a.resume = oldCursor(t, a.resume)
	all := a.bodies[backupsPath]
	a.empty(backupsPath)
	if ds := gone(a.look(time.Hour).Drafts); len(ds) > 0 {
		t.Errorf("told: %v", ds)
	}
	a.bodies[backupsPath] = all
	a.look(time.Hour)
	a.empty(backupsPath)
	if ds := gone(a.look(time.Hour).Drafts); len(ds) != 4 {
		t.Errorf("%d of 4 backups are told", len(ds))
	}
}

// A restore test that went while nobody looked may have ended before.
func TestGoneTest(t *testing.T) {
	a := newAway(t)
	a.look(0)
	a.empty(restoresPath)
	second := a.look(time.Hour)
	f := facts[evidence.RestoreTestFacts](t, of(t, second.Drafts, evidence.BackupTest, uid("74")))
	want := "it was in phase WaitingForPluginOperations when it was last seen, and how it ended is not known"
	if f.Grade != 0 || f.Stopped != want || f.Rungs[1].Holds != unknown {
		t.Errorf("grade %d, %s: %+v", f.Grade, f.Stopped, f.Rungs)
	}
	for _, d := range second.Drafts {
		if d.Kind == evidence.BackupTest && d.Subject.UID == uid("70") {
			if f := facts[evidence.RestoreTestFacts](t, &d); f.Grade != 5 {
				t.Errorf("a verdict was taken back: %s", d.Content)
			}
		}
	}
}

// watchedAll waits until every resource is watched.
func (a *away) watchedAll() {
	a.t.Helper()
	var names []string
	for _, r := range newCollector(*defaults()).resources() {
		names = append(names, r.Resource)
	}
	a.watched(a.t, names)
}

// followed follows the cluster for a while, and returns the cursor.
func (a *away) followed() []byte {
	a.t.Helper()
	s, stop := a.follow(a.t, nil)
	a.watchedAll()
	s.kept(a.t)
	stop()
	return s.Resume()
}

// same leaves an object as it is.
func same(b []byte) []byte { return b }

// recalled waits until every backup and restore was read again.
func (s *tapped) recalled(t *testing.T) {
	t.Helper()
	for _, n := range []string{"50", "51", "52", "53"} {
		s.again()
		s.await(t, evidence.BackupRun, uid(n), "")
	}
	for _, n := range []string{"70", "71", "72", "73", "74"} {
		s.again()
		s.await(t, evidence.BackupRestore, uid(n), "")
	}
}

// remembered is what a cursor remembers.
func remembered(t *testing.T, resume []byte) (m memory) {
	t.Helper()
	cursor := struct{ State *memory }{&m}
	if err := json.Unmarshal(resume, &cursor); err != nil {
		t.Fatal(err)
	}
	return m
}

// A watch that goes on from a cursor of before shows nothing of what is there: it is
// read once, whatever is told first.
func TestGoneOldWatch(t *testing.T) {
	for name, tc := range map[string]struct{ limit, resource, uid string }{
		"a schedule first": {"", "schedules", "20"},
		"a backup first":   {"", "backups", "51"},
		"of one namespace": {"velero", "schedules", "20"},
		"a restore of it":  {"velero", "restores", "71"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAway(t)
			if tc.limit != "" {
				a.limit(tc.limit)
			}
			s, stop := a.follow(t, oldCursor(t, a.followed()))
			a.watchedAll()
			a.send(t, tc.resource, "MODIFIED", uid(tc.uid), "9100", same)
			s.recalled(t)
			stop()
			if n := len(remembered(t, s.Resume()).Sightings.of); n != 9 {
				t.Errorf("%d of 9 are remembered", n)
			}
		})
	}
}

// One that ends before they were read asks again when it is begun anew, and one that
// goes on from a list does not ask.
func TestGoneRecallInterrupted(t *testing.T) {
	t.Parallel()
	a := newAway(t)
	resume := oldCursor(t, a.followed())
	asked := make(chan struct{}, 100)
	a.mu.Lock()
	a.fault = func(_ http.ResponseWriter, r *http.Request) bool {
		held := r.URL.Query().Get("watch") == "" && (r.URL.Path == backupsPath || r.URL.Path == restoresPath)
		if held {
			asked <- struct{}{}
			<-r.Context().Done()
		}
		return held
	}
	a.mu.Unlock()
	first, stop := a.follow(t, resume)
	a.watchedAll()
	a.send(t, "schedules", "MODIFIED", uid("20"), "9100", same)
	first.kept(t)
	<-asked
	stop()
	a.mu.Lock()
	a.fault = nil
	a.mu.Unlock()
	second, stop := a.follow(t, first.Resume())
	a.watchedAll()
	a.send(t, "schedules", "MODIFIED", uid("20"), "9200", same)
	second.recalled(t)
	stop()
	// That was no list: it cannot be known that none is missing.
	if m := remembered(t, second.Resume()); len(m.Listed) != 0 {
		t.Errorf("taken for listed: %v", m.Listed)
	}
	third, stop := a.follow(t, nil)
	third.recalled(t)
	third.kept(t)
	stop()
	if m := remembered(t, third.Resume()); len(m.Listed) != 2 {
		t.Errorf("listed: %v", m.Listed)
	}
}

// What the watch had still to tell when all were read again is older than what was
// read, and told no more.
func TestGoneOldWatchBehind(t *testing.T) {
	t.Parallel()
	a := newAway(t)
	resume := oldCursor(t, a.followed())
	a.mu.Lock()
	a.bodies[backupsPath] = bytes.Replace(a.bodies[backupsPath], []byte(`"resourceVersion":"9000"`), []byte(`"resourceVersion":"9500"`), 1)
	a.mu.Unlock()
	s, stop := a.follow(t, resume)
	a.watchedAll()
	a.send(t, "schedules", "MODIFIED", uid("20"), "9100", same)
	s.recalled(t)
	turn := func(from string) func(b []byte) []byte {
		return func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"phase":"`+from+`"`), []byte(`"phase":"Failed"`), 1)
		}
	}
	a.send(t, "backups", "MODIFIED", uid("51"), "9200", turn(partiallyFailed))
	a.send(t, "backups", "MODIFIED", uid("50"), "9600", turn(completed))
	s.await(t, evidence.BackupRun, uid("50"), `"Failed"`)
	stop()
	for _, d := range s.Drafts {
		if d.Kind == evidence.BackupRun && d.Subject.UID == uid("51") && bytes.Contains(d.Content, []byte(`"Failed"`)) {
			t.Error("a backup is told as it was before it was read")
		}
	}
}

// The history is lost while the daemon runs: the list that follows tells what went,
// and since when.
func TestGoneWithHistory(t *testing.T) {
	a := newAway(t)
	resume := a.followed()
	a.mu.Lock()
	a.empty(backupsPath)
	a.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != backupsPath || r.URL.Query().Get("resourceVersion") != "9000" || r.URL.Query().Get("watch") == "" {
			return false
		}
		a.mu.Lock()
		a.fault = nil
		a.mu.Unlock()
		w.WriteHeader(http.StatusGone)
		return true
	}
	a.mu.Unlock()
	second, stop := a.follow(t, resume)
	d := second.await(t, evidence.BackupRun, uid("51"), `"deleted_at"`)
	stop()
	if f := facts[evidence.BackupFacts](t, &d); f.DeletedHow != "unexplained" || !f.DeletedAfter.Equal(now) {
		t.Errorf("told as %+v", f)
	}
}

// What the cursor holds of backups and restores names no person, comes back as it
// was, and is bounded.
func TestSightings(t *testing.T) {
	s := newStage(t, "", nil)
	s.all(lists(t))
	m := s.c.memory.Sightings
	b, err := json.Marshal(&s.c.memory)
	if err != nil {
		t.Fatal(err)
	}
	var back memory
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m.of, back.Sightings.of); diff != "" || len(m.of) != 9 {
		t.Errorf("%d sightings come back otherwise (-want +got):\n%s", len(m.of), diff)
	}
	for uid, x := range back.Sightings.of {
		whose, err := x.belongings()
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal([]any{x, whose})
		if err != nil {
			t.Fatal(err)
		}
		for _, person := range []string{"carla-quint", "nadia.okafor"} {
			if bytes.Contains(text, []byte(person)) {
				t.Errorf("the memory of %s holds a person: %s", uid, text)
			}
		}
	}
	for _, broken := range []string{`"!"`, `7`, `"AAAA"`, `""`} {
		if err := json.Unmarshal([]byte(broken), &sightings{}); err == nil {
			t.Errorf("%s is read", broken)
		}
	}
}

func TestSightingsBounded(t *testing.T) {
	many := func(n int, facts int) *sightings {
		s := &sightings{}
		for i := range n {
			s.put(fmt.Sprintf("u%05d", i), &sighting{Kind: evidence.BackupRun, Occurred: now.Add(time.Duration(i) * time.Minute), Facts: bytes.Repeat([]byte("1"), facts), Whose: "w"})
		}
		return s
	}
	for name, tc := range map[string]struct {
		s    *sightings
		want int
	}{
		"none":     {nil, 0},
		"few":      {many(3, 10), 3},
		"too many": {many(maxSightings+2, 1), maxSightings},
		"too long": {many(5, maxSightingBytes/4), 3},
	} {
		cut := tc.s.trim()
		if tc.s != nil && (len(tc.s.of) != tc.want || cut != (name[:3] == "too")) {
			t.Errorf("%s: %d are left, want %d; cut %t", name, len(tc.s.of), tc.want, cut)
		}
		if cut && tc.s.get("u00000") != nil {
			t.Errorf("%s: the oldest is kept", name)
		}
	}
}

// A list may hold many times what is remembered, and nothing is committed before it
// has ended.
func TestSightingsBoundedWithinList(t *testing.T) {
	s, most := &sightings{}, 0
	for i := range 3 * maxSightings {
		s.put(fmt.Sprintf("u%05d", i), &sighting{Kind: evidence.BackupRun, Occurred: now.Add(time.Duration(i) * time.Minute), Whose: "w"})
		most = max(most, len(s.of))
	}
	if most > maxSightings*6/5 {
		t.Errorf("%d are held", most)
	}
	if !s.trim() || s.trim() {
		t.Error("it is not told once that some had to go")
	}
	if len(s.of) != maxSightings || s.get("u09999") != nil || s.get("u10000") == nil {
		t.Errorf("%d are left, not the newest", len(s.of))
	}
}

// Without the namespaces nobody could tell the cluster, and nothing is remembered.
func TestSightingsUnplaced(t *testing.T) {
	s := newStage(t, "", func(c *Config) { c.NamespaceLabels = false })
	s.all(lists(t))
	if m := s.c.memory.Sightings; m != nil {
		t.Errorf("%d are remembered", len(m.of))
	}
	s = newStage(t, "", nil)
	s.all(lists(t))
	s.c.cfg.NamespaceLabels = false
	s.all(lists(t))
	if n := len(s.c.memory.Sightings.of); n != 0 {
		t.Errorf("%d are remembered still", n)
	}
}
