package alertmanager

import (
	"flag"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)

// planted are words of the conversation that stand in people and text alone, or
// nowhere.
var planted = []string{"bob-planted", "planted.example", "CHG-1234", "Umzug"}

func config(token string, urls ...string) Config {
	c := *Spec().Config().(*Config)
	c.TokenFile = token
	for _, u := range urls {
		c.URLs = append(c.URLs, u+"/am")
	}
	return c
}

func suite() collectortest.Suite {
	return collectortest.Suite{
		Source: "alertmanager/prod", Now: now, Conversation: "testdata/peer.txtar", Planted: planted, Also: []int{400, 422, 503, 504},
		Wants: (&Collector{}).Kinds(),
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := config(w.TokenFile, w.URL)
			cfg.Timeout = w.Timeout
			c, err := newWith(cfg, w.Env, fetch.Options{Sleep: w.Sleep, MaxBody: w.MaxBody})
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	}
}

func TestConformance(t *testing.T) { collectortest.Run(t, suite()) }

// lab is a collector against conversations that can be changed, one of each peer.
type lab struct {
	t     *testing.T
	peers []*collectortest.Replay
	clock time.Time
	cfg   Config
	desk  collectortest.World
	c     *Collector
}

func newLab(t *testing.T, peers int) *lab {
	t.Helper()
	l := &lab{t: t, clock: now}
	var urls []string
	for range peers {
		r := collectortest.NewReplay(t, "testdata/peer.txtar", now)
		l.peers, urls = append(l.peers, r), append(urls, r.URL)
	}
	l.desk = collectortest.Desk(t, "alertmanager/prod", urls[0], &l.clock)
	l.cfg = config(l.desk.TokenFile, urls...)
	l.restart()
	return l
}

// restart makes a fresh collector, as after a restart of the daemon.
func (l *lab) restart() {
	l.t.Helper()
	var err error
	if l.c, err = newWith(l.cfg, l.desk.Env, fetch.Options{Sleep: l.desk.Sleep, Retries: -1}); err != nil {
		l.t.Fatal(err)
	}
}

// has lets every peer answer a list, or the status, from now on.
func (l *lab) has(what, body string) {
	for i := range l.peers {
		l.peerHas(i, what, body)
	}
}

func (l *lab) peerHas(i int, what, body string) { l.peers[i].Replace("GET /am/api/v2/"+what, body) }

func (l *lab) began(at time.Time) string {
	return `{"uptime":"` + at.Format(time.RFC3339Nano) + `","cluster":{"peers":[]},"versionInfo":{"version":"0.28.1"}}`
}

func (l *lab) poll(resume []byte) (*collectortest.Recorder, error) {
	rec := &collectortest.Recorder{}
	for _, p := range l.peers {
		p.Now = l.clock
	}
	err := l.c.Poll(l.t.Context(), evidence.Period{To: l.clock}, resume, rec)
	return rec, err
}

func (l *lab) must(resume []byte) *collectortest.Recorder {
	l.t.Helper()
	rec, err := l.poll(resume)
	if err != nil {
		l.t.Fatal(err)
	}
	return rec
}

// later looks again after d, with what the look before left.
func (l *lab) later(d time.Duration, before *collectortest.Recorder) *collectortest.Recorder {
	l.t.Helper()
	l.clock = l.clock.Add(d)
	return l.must(before.Resume())
}

func last(rec *collectortest.Recorder) evidence.Observation {
	return rec.Commits[len(rec.Commits)-1].Observation
}

// claimed is the class that a look claims for a kind.
func claimed(rec *collectortest.Recorder, kind evidence.Kind) evidence.Seen {
	for _, s := range last(rec).Seen {
		if s.Kinds[0] == kind {
			return s
		}
	}
	return evidence.Seen{}
}

// ends are the reasons with which states of a kind ended in a look, by subject.
func ends(rec *collectortest.Recorder, kind evidence.Kind) map[string]string {
	out := map[string]string{}
	for _, d := range rec.Of(kind) {
		if d.Op == evidence.OpEnd {
			out[d.Subject.Name] = string(d.Content)
		}
	}
	return out
}

// TestGolden compares the drafts and the observation of a first look.
func TestGolden(t *testing.T) {
	l := newLab(t, 1)
	collectortest.Golden{File: "testdata/peer.golden", Update: *update, URL: l.peers[0].URL}.Check(t, l.must(nil))
}
