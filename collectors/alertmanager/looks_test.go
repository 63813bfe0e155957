package alertmanager

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

const (
	print1 = "1bfb93d10b7610d4"
	print2 = "7f2f5bb0698d4a7e"
)

// firing is an alert as the API lists it.
func firing(print string, starts time.Time, state string, silences ...string) string {
	by, _ := json.Marshal(append([]string{}, silences...))
	return fmt.Sprintf(`{"fingerprint":%q,"startsAt":%q,"endsAt":%q,"status":{"state":%q,"silencedBy":%s,"inhibitedBy":[]},"labels":{"alertname":"A","severity":"critical","tenant":"tenant-7"}}`,
		print, starts.Format(time.RFC3339Nano), starts.Add(4*time.Minute).Format(time.RFC3339Nano), state, by)
}

func listed(items ...string) string { return "[" + strings.Join(items, ",") + "]" }

// An alert begins when its sender says, is hidden and shown when looks say, and
// ends between two looks.
func TestLifeOfAnAlert(t *testing.T) {
	l := newLab(t, 1)
	l.has("silences", "[]")
	l.has("alerts", "[]")
	rec := l.must(nil)
	starts := now.Add(10 * time.Second)
	l.has("alerts", listed(firing(print1, starts, "active")))
	rec = l.later(30*time.Second, rec)
	if ds := rec.Of(evidence.AlertInstance); len(ds) != 1 || !ds[0].OccurredAt.Equal(starts) || ds[0].Basis != evidence.BasisSource || strings.Contains(string(ds[0].Content), "ends") {
		t.Fatalf("a new alert is told as %+v", ds)
	}
	seen := l.clock
	l.has("alerts", listed(firing(print1, starts, "suppressed", "s-1")))
	rec = l.later(30*time.Second, rec)
	ds := rec.Of(evidence.AlertInstance)
	if len(ds) != 1 || !ds[0].OccurredAt.Equal(l.clock) || !ds[0].NotBefore.Equal(seen) || ds[0].Basis != evidence.BasisObserved || !strings.Contains(string(ds[0].Content), `"silenced_by":["s-1"]`) {
		t.Fatalf("a hidden alert is told as %+v", ds)
	}
	hidden, seen := l.clock, l.clock.Add(30*time.Second)
	rec = l.later(30*time.Second, rec)
	if ds := rec.Of(evidence.AlertInstance); len(ds) != 1 || !ds[0].OccurredAt.Equal(hidden) {
		t.Fatalf("an alert of which nothing is new is told as %+v", ds)
	}
	l.has("alerts", "[]")
	rec = l.later(30*time.Second, rec)
	ds = rec.Of(evidence.AlertInstance)
	if len(ds) != 1 || ds[0].Op != evidence.OpEnd || string(ds[0].Content) != `{"reason":"absent"}` || !ds[0].NotBefore.Equal(seen) || !ds[0].OccurredAt.Equal(l.clock) ||
		ds[0].Scope[0].Name != "tenant=tenant-7" {
		t.Fatalf("an alert that is gone is told as %+v", ds)
	}
	gone := l.clock
	// The sender was away: it tells of the same firing again.
	l.has("alerts", listed(firing(print1, starts, "active")))
	rec = l.later(30*time.Second, rec)
	ds = rec.Of(evidence.AlertInstance)
	if len(ds) != 1 || ds[0].Op != evidence.OpSet || !ds[0].OccurredAt.Equal(l.clock) || !ds[0].NotBefore.Equal(gone) {
		t.Fatalf("an alert that came back with its old start is told as %+v", ds)
	}
}

// A flapping alert is another instance, and the one before has an end.
func TestFlapping(t *testing.T) {
	l := newLab(t, 1)
	l.has("silences", "[]")
	l.has("alerts", listed(firing(print1, now.Add(-time.Hour), "active")))
	rec := l.must(nil)
	again := now.Add(20 * time.Second)
	l.has("alerts", listed(firing(print1, again, "active")))
	rec = l.later(30*time.Second, rec)
	ds := rec.Of(evidence.AlertInstance)
	if len(ds) != 2 || ds[0].Op != evidence.OpEnd || !ds[0].OccurredAt.Equal(again) || ds[1].Op != evidence.OpSet || !ds[1].OccurredAt.Equal(again) || ds[0].Subject == ds[1].Subject {
		t.Fatalf("got %+v", ds)
	}
	if want := `{"reason":"fired again"}`; string(ds[0].Content) != want {
		t.Errorf("it ends with %s, want %s", ds[0].Content, want)
	}
}

// A start that moves back, since another sender of the same rule says so, is no
// other firing.
func TestStartMovesBack(t *testing.T) {
	l := newLab(t, 1)
	l.has("silences", "[]")
	l.has("alerts", listed(firing(print1, now.Add(-time.Minute), "active")))
	rec := l.must(nil)
	l.has("alerts", listed(firing(print1, now.Add(-time.Minute-5*time.Second), "active")))
	rec = l.later(30*time.Second, rec)
	ds := rec.Of(evidence.AlertInstance)
	if len(ds) != 1 || ds[0].Op != evidence.OpSet || !ds[0].OccurredAt.Equal(now.Add(-time.Minute)) {
		t.Errorf("got %+v", ds)
	}
}

// An empty list after a restart says nothing until everything could be told again.
func TestRestart(t *testing.T) {
	l := newLab(t, 1)
	l.has("silences", "[]")
	l.has("alerts", listed(firing(print1, now.Add(-time.Hour), "active"), firing(print2, now.Add(-time.Hour), "active")))
	rec := l.must(nil)
	good := l.clock
	restart := now.Add(20 * time.Second)
	l.has("status", l.began(restart))
	l.has("alerts", "[]")
	rec = l.later(30*time.Second, rec)
	if len(rec.Of(evidence.AlertInstance)) > 0 || len(rec.Completed) != 1 || rec.Completed[0].Kind != evidence.AlertSilence {
		t.Fatalf("right after a restart: %+v, complete %v", rec.Of(evidence.AlertInstance), rec.Completed)
	}
	if s := claimed(rec, evidence.AlertInstance); s.Class != evidence.Blind || !s.From.Equal(good) || s.Cause != causeSettling {
		t.Errorf("it claims %+v", s)
	}
	if s := claimed(rec, evidence.AlertSilence); s.Class != evidence.Instants {
		t.Errorf("of silences, which are kept on disk, it claims %+v", s)
	}
	if last(rec).Incomplete == "" {
		t.Error("the run says that it is complete")
	}
	// One is told again, one is not.
	l.has("alerts", listed(firing(print2, now.Add(-time.Hour), "active")))
	rec = l.later(time.Minute, rec)
	l.restart()
	rec = l.later(2*time.Minute, rec)
	got := ends(rec, evidence.AlertInstance)
	if len(got) != 1 || got[print1] != `{"reason":"absent after a restart"}` {
		t.Errorf("once it has settled these end: %v", got)
	}
	if s := claimed(rec, evidence.AlertInstance); s.Class != evidence.Instants {
		t.Errorf("once it has settled it claims %+v", s)
	}
	// What was told again and ends later has a common end.
	l.has("alerts", "[]")
	rec = l.later(30*time.Second, rec)
	if got := ends(rec, evidence.AlertInstance); got[print2] != `{"reason":"absent"}` {
		t.Errorf("later these end: %v", got)
	}
}

// A restart in the middle of a look ends nothing either.
func TestRestartWithinALook(t *testing.T) {
	for after := range 4 {
		l := newLab(t, 1)
		l.has("silences", "[]")
		l.has("alerts", listed(firing(print1, now.Add(-time.Hour), "active")))
		rec := l.must(nil)
		l.peers[0].Requests()
		l.peers[0].SetFault(func(n int, line string, w http.ResponseWriter, _ *http.Request) bool {
			switch {
			case n < after || strings.HasSuffix(line, "/silences"):
				return false
			case strings.HasSuffix(line, "/alerts"):
				fmt.Fprint(w, "[]")
			default:
				fmt.Fprint(w, l.began(l.clock))
			}
			return true
		})
		if rec = l.later(30*time.Second, rec); len(ends(rec, evidence.AlertInstance)) > 0 {
			t.Errorf("after %d requests: these end: %v", after, ends(rec, evidence.AlertInstance))
		}
	}
}

// When an Alertmanager began is told by its own clock, and when it was seen last
// by ours.
func TestRestartByAnotherClock(t *testing.T) {
	for _, ahead := range []time.Duration{-time.Hour, time.Hour} {
		l := newLab(t, 1)
		look := func(after time.Duration, resume []byte) *collectortest.Recorder {
			t.Helper()
			l.clock = l.clock.Add(after)
			l.peers[0].Now = l.clock.Add(ahead)
			rec := &collectortest.Recorder{}
			if err := l.c.Poll(t.Context(), evidence.Period{To: l.clock}, resume, rec); err != nil {
				t.Fatal(err)
			}
			return rec
		}
		l.has("silences", "[]")
		l.has("status", l.began(now.Add(-10*time.Minute+ahead)))
		l.has("alerts", listed(firing(print1, now.Add(-time.Hour), "active"), firing(print2, now.Add(-time.Hour), "active")))
		rec := look(0, nil)
		l.has("alerts", listed(firing(print2, now.Add(-time.Hour), "active")))
		rec = look(30*time.Second, rec.Resume())
		if got := ends(rec, evidence.AlertInstance); got[print1] != `{"reason":"absent"}` {
			t.Errorf("%v ahead: without a restart these end: %v", ahead, got)
		}
		l.has("status", l.began(l.clock.Add(10*time.Second+ahead)))
		l.has("alerts", "[]")
		rec = look(10*time.Minute, rec.Resume())
		if got := ends(rec, evidence.AlertInstance); got[print2] != `{"reason":"absent after a restart"}` {
			t.Errorf("%v ahead: after a restart these end: %v", ahead, got)
		}
	}
}

// A first look at an Alertmanager that has just begun claims nothing.
func TestFirstLookAfterRestart(t *testing.T) {
	l := newLab(t, 1)
	l.has("alerts", "[]")
	l.has("status", l.began(now.Add(-time.Minute)))
	rec := l.must(nil)
	if s := claimed(rec, evidence.AlertInstance); s.Class != evidence.Blind {
		t.Errorf("it claims %+v", s)
	}
	// By its own clock, which is an hour ahead, it began long ago.
	l.has("status", l.began(now.Add(59*time.Minute)))
	l.peers[0].Now = now.Add(time.Hour)
	l.clock = now
	rec2 := &collectortest.Recorder{}
	if err := l.c.Poll(t.Context(), evidence.Period{To: l.clock}, nil, rec2); err != nil {
		t.Fatal(err)
	}
	if s := claimed(rec2, evidence.AlertInstance); s.Class != evidence.Blind {
		t.Errorf("of one whose clock is ahead it claims %+v", s)
	}
}

// Peers of a cluster tell one story.
func TestPeers(t *testing.T) {
	l := newLab(t, 2)
	l.has("silences", "[]")
	starts := now.Add(-time.Hour)
	l.peerHas(0, "alerts", listed(firing(print1, starts, "suppressed", "s-1"), firing(print2, starts, "active")))
	l.peerHas(1, "alerts", listed(firing(print1, starts.Add(time.Second), "active")))
	rec := l.must(nil)
	ds := rec.Of(evidence.AlertInstance)
	if len(ds) != 2 || !ds[0].OccurredAt.Equal(starts) || strings.Contains(string(ds[0].Content), "s-1") || !strings.Contains(string(ds[0].Content), `"status":"active"`) {
		t.Fatalf("got %+v", ds)
	}
	// One peer says only the later start: it is the same firing.
	l.peerHas(0, "alerts", listed(firing(print1, starts, "active")))
	rec = l.later(30*time.Second, rec)
	if got := ends(rec, evidence.AlertInstance); len(got) != 1 || got[print2] == "" {
		t.Errorf("these end: %v", got)
	}
	// A peer is away: nothing ends, nothing is claimed, what is seen is told.
	l.peerHas(0, "alerts", listed())
	l.peerHas(1, "alerts", "status: 503\n\nno")
	rec = l.later(30*time.Second, rec)
	if got := ends(rec, evidence.AlertInstance); len(got) > 0 || last(rec).Incomplete == "" {
		t.Errorf("with a peer away these end: %v, incomplete %q", got, last(rec).Incomplete)
	}
	if s := claimed(rec, evidence.AlertInstance); s.Class != evidence.Blind || s.Cause == "" {
		t.Errorf("with a peer away it claims %+v", s)
	}
	// A peer began anew while the other did not: the other was told everything.
	l.peerHas(1, "alerts", listed())
	l.peerHas(1, "status", l.began(l.clock))
	rec = l.later(30*time.Second, rec)
	if got := ends(rec, evidence.AlertInstance); got[print1] != `{"reason":"absent"}` {
		t.Errorf("with one peer begun anew these end: %v", got)
	}
	if s := claimed(rec, evidence.AlertInstance); s.Class != evidence.Instants {
		t.Errorf("with one peer begun anew it claims %+v", s)
	}
}

// The fingerprint is a short hash, which can be met on purpose: alerts with other
// labels are others.
func TestFingerprintOfTwo(t *testing.T) {
	l := newLab(t, 2)
	l.has("silences", "[]")
	one := firing(print1, now.Add(-time.Hour), "active")
	l.peerHas(0, "alerts", listed(one))
	l.peerHas(1, "alerts", listed(one, strings.ReplaceAll(one, "tenant-7", "tenant-8")))
	rec := l.must(nil)
	for range 2 {
		var scopes []string
		for _, d := range rec.Of(evidence.AlertInstance) {
			scopes = append(scopes, d.Scope[0].Name+" "+string(d.Op))
		}
		if got := strings.Join(scopes, ", "); got != "tenant=tenant-7 set, tenant=tenant-8 set" {
			t.Errorf("told of %s", got)
		}
		rec = l.later(30*time.Second, rec)
	}
}

// An address with a login in it is not kept, whatever its label is called.
func TestLoginInALabel(t *testing.T) {
	l := newLab(t, 1)
	l.has("silences", listed(silence("s", "active", now.Add(-time.Minute), now.Add(time.Hour), now.Add(-time.Minute),
		onTenant7+`,{"name":"job","value":"https://u:planted-secret@x.example","isRegex":false,"isEqual":true}`)))
	l.has("alerts", listed(strings.Replace(firing(print1, now, "active"), `"severity"`, `"service":"https://u:planted-secret@x.example/y","job":"https://x.example/@y","severity"`, 1)))
	rec := l.must(nil)
	for _, d := range rec.Drafts {
		if strings.Contains(string(d.Content), "planted") {
			t.Errorf("kept: %s", d.Content)
		}
	}
	if c := string(rec.Of(evidence.AlertInstance)[0].Content); !strings.Contains(c, `"labels_left":1`) || !strings.Contains(c, `https://x.example/@y`) {
		t.Errorf("the alert is told as %s", c)
	}
	if c := string(rec.Of(evidence.AlertSilence)[0].Content); !strings.Contains(c, `{"name":"job","op":"=","left":true}`) {
		t.Errorf("the silence is told as %s", c)
	}
}

func TestPeersThatAreNotRead(t *testing.T) {
	l := newLab(t, 1)
	l.has("status", `{"uptime":"2026-03-01T06:00:00Z","cluster":{"peers":[{},{},{}]}}`)
	if notes := last(l.must(nil)).Notes; len(notes) != 1 || !strings.Contains(notes[0], "3 peers, 1 are read") {
		t.Errorf("notes %q", notes)
	}
	x, err := l.c.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, r := range x.Rights {
		found = found || r.Access == collectors.Missing && r.Name == "peers of the cluster: 1 of 3"
	}
	if !found {
		t.Errorf("an examination says %+v", x.Rights)
	}
}

// Answers that are no list are not an empty one.
func TestNoList(t *testing.T) {
	for _, body := range []string{"null", "{}", `{"status":"success","data":[]}`, `"bad matcher format"`, "", "  ", "[{}] x", "<html>"} {
		l := newLab(t, 1)
		l.has("silences", "[]")
		l.has("alerts", listed(firing(print1, now.Add(-time.Hour), "active")))
		rec := l.must(nil)
		l.has("alerts", "Content-Type: application/json\n\n"+body)
		rec = l.later(30*time.Second, rec)
		if got := ends(rec, evidence.AlertInstance); len(got) > 0 || claimed(rec, evidence.AlertInstance).Class != evidence.Blind {
			t.Errorf("after %q these end: %v, claimed %+v", body, got, claimed(rec, evidence.AlertInstance))
		}
	}
}

// One odd item costs no other, and ends nothing; it may be anybody's.
func TestOddItem(t *testing.T) {
	l := newLab(t, 1)
	l.has("silences", "[]")
	l.has("alerts", listed(firing(print1, now.Add(-time.Hour), "active"), firing(print2, now.Add(-time.Hour), "active")))
	rec := l.must(nil)
	l.has("alerts", listed("7", `{"labels":{}}`, `{"labels":{"a":7}}`, "null", firing(print2, now.Add(-time.Hour), "active")))
	rec = l.later(30*time.Second, rec)
	if got := ends(rec, evidence.AlertInstance); len(got) > 0 || len(rec.Of(evidence.AlertInstance)) != 1 {
		t.Errorf("got %v and %d alerts", got, len(rec.Of(evidence.AlertInstance)))
	}
	if o := last(rec); !strings.Contains(o.Incomplete, "4 of the records of alert.instance") {
		t.Errorf("incomplete %q", o.Incomplete)
	}
	if s := claimed(rec, evidence.AlertInstance); s.Class != evidence.Blind || s.Cause != causeOdd || !s.From.Equal(now) {
		t.Errorf("of alerts that could not all be read it claims %+v", s)
	}
	if s := claimed(rec, evidence.AlertSilence); s.Class != evidence.Instants {
		t.Errorf("of silences, which could, it claims %+v", s)
	}
	// What was odd may have been there all the time.
	l.has("alerts", listed(firing(print1, now.Add(-time.Hour), "active"), firing("00000000000000aa", now.Add(-time.Hour), "active")))
	rec = l.later(30*time.Second, rec)
	if d := rec.Of(evidence.AlertInstance)[0]; d.Subject.Name != "00000000000000aa" || !d.NotBefore.Equal(now) {
		t.Errorf("one that could not be read before is told as %+v", d)
	}
	l.has("silences", listed("{}"))
	if s := claimed(l.later(30*time.Second, rec), evidence.AlertSilence); s.Class != evidence.Blind || s.Cause != causeOdd {
		t.Errorf("of silences that could not be read it claims %+v", s)
	}
}

func silence(id, state string, starts, ends, updated time.Time, matchers string) string {
	return fmt.Sprintf(`{"id":%q,"status":{"state":%q},"startsAt":%q,"endsAt":%q,"updatedAt":%q,"createdBy":"bob","comment":"because","matchers":[%s]}`,
		id, state, starts.Format(time.RFC3339), ends.Format(time.RFC3339), updated.Format(time.RFC3339), matchers)
}

const onTenant7 = `{"name":"tenant","value":"tenant-7","isRegex":false,"isEqual":true}`

// A silence is made, prolonged and expired by hand.
func TestLifeOfASilence(t *testing.T) {
	l := newLab(t, 1)
	l.has("alerts", "[]")
	made := now.Add(-time.Minute)
	l.has("silences", listed(silence("s", "active", made, now.Add(time.Hour), made, onTenant7)))
	rec := l.must(nil)
	if ds := rec.Of(evidence.AlertSilence); len(ds) != 1 || !ds[0].OccurredAt.Equal(made) || string(ds[0].Text) != "because" {
		t.Fatalf("a new silence is told as %+v", ds)
	}
	longer := now.Add(20 * time.Second)
	l.has("silences", listed(silence("s", "active", made, now.Add(9*time.Hour), longer, onTenant7)))
	rec = l.later(30*time.Second, rec)
	if ds := rec.Of(evidence.AlertSilence); len(ds) != 1 || !ds[0].OccurredAt.Equal(longer) || ds[0].Op != evidence.OpSet {
		t.Fatalf("a silence that was prolonged is told as %+v", ds)
	}
	over := now.Add(50 * time.Second)
	l.has("silences", listed(silence("s", "expired", made, over, over, onTenant7)))
	rec = l.later(30*time.Second, rec)
	ds := rec.Of(evidence.AlertSilence)
	if len(ds) != 1 || ds[0].Op != evidence.OpEnd || !ds[0].OccurredAt.Equal(over) || string(ds[0].Content) != `{"reason":"expired"}` {
		t.Fatalf("a silence that expired is told as %+v", ds)
	}
	if rec = l.later(30*time.Second, rec); len(rec.Of(evidence.AlertSilence)) != 0 {
		t.Errorf("a silence that is over is told again: %+v", rec.Of(evidence.AlertSilence))
	}
	// One that came and went between two looks.
	l.has("silences", listed(silence("t", "expired", now, over, over, onTenant7)))
	rec = l.later(30*time.Second, rec)
	if ds := rec.Of(evidence.AlertSilence); len(ds) != 2 || !ds[0].OccurredAt.Equal(now) || ds[1].Op != evidence.OpEnd || !ds[1].OccurredAt.Equal(over) {
		t.Errorf("a silence that nobody saw in force is told as %+v", ds)
	}
}

// Whom a silence concerns, and what of it is kept.
func TestWhoseSilence(t *testing.T) {
	m := func(name, op, value string) string {
		return fmt.Sprintf(`{"name":%q,"value":%q,"isRegex":%v,"isEqual":%v}`, name, value, strings.HasSuffix(op, "~"), op[0] == '=')
	}
	const all = "ns:prod/* ns:prod/kube-system"
	for _, x := range []struct {
		name, matchers, scope, facts string
		text                         bool
	}{
		{"one", m("tenant", "=", "t1"), "label:prod/tenant=t1", `[{"name":"tenant","op":"=","values":["t1"]}]`, true},
		{"two", m("tenant", "=~", "t1|t2"), "label:prod/tenant=t1 label:prod/tenant=t2", `[{"name":"tenant","op":"=~","values":["t1","t2"]}]`, false},
		{"classes", m("tenant", "=~", "t[12]"), "label:prod/tenant=t1 label:prod/tenant=t2", `[{"name":"tenant","op":"=~","values":["t1","t2"]}]`, false},
		{"the narrowest", m("tenant", "=~", "t1|t2") + "," + m("tenant", "=", "t1"), "label:prod/tenant=t1", `[{"name":"tenant","op":"=~","values":["t1","t2"]},{"name":"tenant","op":"=","values":["t1"]}]`, true},
		{"a pattern", m("tenant", "=~", "secret-name.*"), all, `[{"name":"tenant","op":"=~","pattern":true,"left":true}]`, false},
		{"any case", m("tenant", "=~", "(?i)t1"), all, `[{"name":"tenant","op":"=~","pattern":true,"left":true}]`, false},
		{"none of", m("tenant", "!=", "t1"), all, `[{"name":"tenant","op":"!=","values":["t1"]}]`, false},
		{"without the label", m("tenant", "=~", "t1|"), all, `[{"name":"tenant","op":"=~","values":["t1",""]}]`, false},
		{"a namespace", m("namespace", "=", "t1-web"), "ns:prod/t1-web", `[{"name":"namespace","op":"=","values":["t1-web"]}]`, true},
		{"the namespace of all", m("namespace", "=", "*"), "ns:prod/%252A", `[{"name":"namespace","op":"=","values":["*"]}]`, true},
		{"a tenant before a namespace", m("namespace", "=", "x") + "," + m("tenant", "=", "t1"), "label:prod/tenant=t1", `[{"name":"namespace","op":"=","values":["x"]},{"name":"tenant","op":"=","values":["t1"]}]`, true},
		{"everybody", m("alertname", "=~", "Disk.*") + "," + m("job", "=", "job-of-t2"), all, `[{"name":"alertname","op":"=~","values":["Disk.*"],"pattern":true},{"name":"job","op":"=","left":true}]`, false},
		{"no condition", "", all, `[]`, false},
		{"labels that are not kept", m("tenant", "=", "t1") + "," + m("password", "=", "hunter2"), "label:prod/tenant=t1", `[{"name":"tenant","op":"=","values":["t1"]},{"name":"password","op":"=","left":true}]`, true},
	} {
		l := newLab(t, 1)
		l.has("alerts", "[]")
		l.has("silences", listed(silence("s", "active", now.Add(-time.Minute), now.Add(time.Hour), now.Add(-time.Minute), x.matchers)))
		ds := l.must(nil).Of(evidence.AlertSilence)
		if len(ds) != 1 {
			t.Errorf("%s: %d drafts", x.name, len(ds))
			continue
		}
		var refs []string
		for _, r := range ds[0].Scope {
			refs = append(refs, r.String())
		}
		var f struct {
			Matchers json.RawMessage `json:"matchers"`
		}
		if err := json.Unmarshal(ds[0].Content, &f); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(refs, " "); got != x.scope || string(f.Matchers) != x.facts || (len(ds[0].Text) > 0) != x.text {
			t.Errorf("%s: scope %q, want %q; matchers %s, want %s; text %q", x.name, got, x.scope, f.Matchers, x.facts, ds[0].Text)
		}
	}
}

// A silence without conditions, which some releases list as null, costs no other
// its end; one that does not say what it hides does.
func TestSilenceWithoutConditions(t *testing.T) {
	l := newLab(t, 1)
	l.has("alerts", "[]")
	bare := silence("s", "expired", now.Add(-time.Hour), now.Add(-time.Minute), now.Add(-time.Minute), "")
	for with, told := range map[string]bool{`"matchers":[]`: true, `"matchers":null`: true, `"x":1`: false, `"matchers":{}`: false} {
		l.has("silences", listed(strings.Replace(bare, `"matchers":[]`, with, 1)))
		rec := l.must(nil)
		whole := slices.ContainsFunc(rec.Completed, func(c collectortest.Completed) bool { return c.Kind == evidence.AlertSilence })
		if n := len(rec.Of(evidence.AlertSilence)); whole != told || (n == 2) != told {
			t.Errorf("%s: told %d, whole %v", with, n, whole)
		}
	}
}

// A refused credential fails the look, and nothing of the answer is told.
func TestRefused(t *testing.T) {
	l := newLab(t, 1)
	l.peers[0].SetFault(func(_ int, _ string, w http.ResponseWriter, r *http.Request) bool {
		http.Error(w, "no "+r.Header.Get("Authorization"), http.StatusForbidden)
		return true
	})
	_, err := l.poll(nil)
	if err == nil || strings.Contains(err.Error(), "a-token-of-the-test") {
		t.Errorf("got %v", err)
	}
}

// A silence with more conditions than a record holds is told all the same, and
// costs no other.
func TestHugeSilence(t *testing.T) {
	var many []string
	for i := range 500 {
		var names []string
		for j := range 100 {
			names = append(names, fmt.Sprintf("tenant-%d-%s", j, strings.Repeat("x", 25)))
		}
		many = append(many, fmt.Sprintf(`{"name":"tenant","value":%q,"isRegex":true,"isEqual":%v}`, strings.Join(names, "|"), i > 0))
	}
	l := newLab(t, 1)
	l.has("alerts", "[]")
	l.has("silences", listed(silence("huge", "active", now.Add(-time.Minute), now.Add(time.Hour), now.Add(-time.Minute), strings.Join(many, ",")),
		silence("s", "active", now.Add(-time.Minute), now.Add(time.Hour), now.Add(-time.Minute), onTenant7)))
	rec := l.must(nil)
	ds := rec.Of(evidence.AlertSilence)
	if len(ds) != 2 || len(ds[0].Scope) != 100 {
		t.Fatalf("%d silences: %s", len(ds), last(rec).Incomplete)
	}
	var f evidence.SilenceFacts
	if err := json.Unmarshal(ds[0].Content, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Matchers) != maxMatchers || f.MatchersCut != 450 || !f.Matchers[49].Left || len(f.Matchers[0].Values) != 100 {
		t.Errorf("%d matchers, %d cut", len(f.Matchers), f.MatchersCut)
	}
}
