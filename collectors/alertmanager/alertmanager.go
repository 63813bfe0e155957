package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

var kinds = []evidence.Kind{evidence.AlertInstance, evidence.AlertSilence}

// Collector looks at the peers of one Alertmanager. Make one with New.
type Collector struct {
	cfg       Config
	env       collectors.Env
	authority string
	peers     []*peer
}

var (
	_ collectors.Collector = (*Collector)(nil)
	_ collectors.Examiner  = (*Collector)(nil)
)

// New checks the configuration and makes the collector. The network is not
// touched. Errors are problem.Config.
func New(cfg Config, env collectors.Env) (*Collector, error) {
	return newWith(cfg, env, fetch.Options{})
}

// newWith lets tests change how requests are made.
func newWith(cfg Config, env collectors.Env, o fetch.Options) (*Collector, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if env.Clock == nil {
		env.Clock = time.Now
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	o.Clock, o.Log = env.Clock, env.Log
	c := &Collector{cfg: cfg, env: env, authority: env.Source.Authority()}
	for _, u := range cfg.URLs {
		p, err := newPeer(u, &cfg, o)
		if err != nil {
			return nil, err
		}
		c.peers = append(c.peers, p)
	}
	return c, nil
}

// Kinds implements collectors.Collector.
func (c *Collector) Kinds() []evidence.Kind { return slices.Clone(kinds) }

// memory is what a Commit keeps: what was told of what stands, in hashes and
// references.
type memory struct {
	V        int                    `json:"v"`
	At       time.Time              `json:"at,omitzero"`       // the last look
	Looked   time.Time              `json:"looked,omitzero"`   // the last look that could have shown every alert
	Silenced time.Time              `json:"silenced,omitzero"` // the last look that showed every silence
	Alerts   map[string]alertMark   `json:"alerts,omitempty"`  // by fingerprint
	Silences map[string]silenceMark `json:"silences,omitempty"`
}

const memoryVersion = 1

// readMemory reads a resume; nil is the first look. What it cannot read is an
// error, never a fresh start.
func readMemory(resume []byte) (*memory, error) {
	m := &memory{V: memoryVersion}
	if resume != nil {
		dec := json.NewDecoder(bytes.NewReader(resume))
		dec.DisallowUnknownFields()
		if err := dec.Decode(m); err != nil || m.V != memoryVersion {
			return nil, problem.New(problem.Corrupt, "the resume cursor cannot be read").
				WithHint("it was written by another version or damaged; a fresh start is an administrator's decision")
		}
	}
	for print, mark := range m.Alerts {
		m.Alerts[print] = mark.full(m.At)
	}
	return m, nil
}

// bytes is what readMemory reads.
func (m *memory) bytes() ([]byte, error) {
	short := *m
	short.Alerts = make(map[string]alertMark, len(m.Alerts))
	for print, mark := range m.Alerts {
		short.Alerts[print] = mark.short(m.At)
	}
	b, err := json.Marshal(short)
	if err != nil {
		return nil, problem.Wrap(problem.Internal, err, "write the resume cursor")
	}
	return b, nil
}

// look is one Poll.
type look struct {
	*Collector
	sink  collectors.Sink
	old   *memory
	next  *memory
	at    time.Time
	notes []string
	short []string // what is missing, and why

	alerts   gathered
	silences gathered
	settling int       // peers that began a short while ago
	settled  int       // peers that did not
	began    time.Time // the earliest start of a peer, by our clock
}

// gathered is what the peers said of one list.
type gathered struct {
	peers []list
	err   error // the first that failed
	bad   int   // items that could not be read
}

type list struct {
	items []json.RawMessage
	req   evidence.Request
}

func (g *gathered) whole() bool { return g.err == nil && g.bad == 0 }

// Poll implements collectors.Collector: it asks every peer for what it has.
func (c *Collector) Poll(ctx context.Context, _ evidence.Period, resume []byte, s collectors.Sink) error {
	old, err := readMemory(resume)
	if err != nil {
		return err
	}
	l := &look{Collector: c, sink: s, old: old, next: &memory{V: memoryVersion, Looked: old.Looked, Silenced: old.Silenced}}
	for _, p := range c.peers {
		p.http.ResetStats()
	}
	if err := l.ask(ctx); err != nil {
		return err
	}
	l.at = c.env.Clock().UTC()
	if err := l.tellAlerts(ctx); err != nil {
		return err
	}
	if err := l.tellSilences(ctx); err != nil {
		return err
	}
	o := l.observe()
	l.next.At = l.at
	b, err := l.next.bytes()
	if err != nil {
		return err
	}
	return s.Commit(ctx, b, o)
}

// ask reads everything of every peer. The error is that of a source of which
// nothing could be read.
func (l *look) ask(ctx context.Context) error {
	got := 0
	var first error
	failed := func(p *peer, what string, err error) {
		if first == nil {
			first = err
		}
		l.short = append(l.short, fmt.Sprintf("%s of %s: %v", what, p.name, err))
	}
	members := 0
	for _, p := range l.peers {
		for _, x := range []struct {
			what, path string
			into       *gathered
		}{{"the alerts", "api/v2/alerts", &l.alerts}, {"the silences", "api/v2/silences", &l.silences}} {
			items, req, err := p.list(ctx, x.path)
			if err != nil {
				failed(p, x.what, err)
				x.into.fail(err)
				continue
			}
			got++
			x.into.peers = append(x.into.peers, list{items, req})
		}
		// After the lists: what began between them and the status counts as begun
		// before them.
		st, err := p.status(ctx)
		if err != nil {
			failed(p, "the status", err)
			l.alerts.fail(err)
		} else {
			l.start(p, st)
			members = max(members, st.Members)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if members > len(l.peers) {
		l.notes = append(l.notes, fmt.Sprintf("the cluster has %d peers, %d are read: what only the others were told is not seen", members, len(l.peers)))
	}
	if got == 0 {
		return first
	}
	return nil
}

func (g *gathered) fail(err error) {
	if g.err == nil {
		g.err = err
	}
}

// start takes in when a peer began, which it says by its own clock.
func (l *look) start(p *peer, st *status) {
	began := st.Began
	if stats := p.http.Stats(); stats.OffsetOK {
		began = began.Add(-stats.Offset)
	}
	if age := l.env.Clock().Sub(began); age < l.cfg.Settle {
		l.settling++
	} else {
		l.settled++
	}
	if l.began.IsZero() || began.Before(l.began) {
		l.began = began
	}
}

// draft makes the draft of a state. Facts are strings, numbers and checked times.
func (l *look) draft(kind evidence.Kind, subject evidence.Ref, key string, facts any, req evidence.Request) evidence.Draft {
	content, err := evidence.EncodeFacts(facts)
	if err != nil {
		panic("alertmanager: facts do not encode: " + err.Error())
	}
	return evidence.Draft{
		Kind: kind, Op: evidence.OpSet, Source: l.env.Source, Key: key, Subject: subject,
		ObservedAt: l.at, Content: content, Request: req,
	}
}

// end makes the end of a state: not seen any more, for the reason, and when it was
// seen last.
func (l *look) end(kind evidence.Kind, subject evidence.Ref, key, reason string, at, notBefore time.Time, basis evidence.Basis) evidence.Draft {
	return evidence.Draft{
		Kind: kind, Op: evidence.OpEnd, Source: l.env.Source, Key: key, Subject: subject,
		OccurredAt: at, NotBefore: notBefore, Basis: basis, ObservedAt: l.at, Content: []byte(`{"reason":"` + reason + `"}`),
	}
}

// Causes that stand in every tenant's log.
const (
	causeSettling = "the Alertmanager began anew a short while ago: what fired before, and was not told to it again yet, was not seen"
	causeOdd      = "not all could be read: the Alertmanager lists something of an unknown form"
)

// observe sums the look up.
func (l *look) observe() evidence.Observation {
	o := evidence.Observation{At: l.at, Total: -1, Notes: l.notes}
	for _, p := range l.peers {
		st := p.http.Stats()
		o.Requests += st.Requests
		if !o.OffsetOK {
			o.Offset, o.OffsetOK, o.TLS, o.TLSKey = st.Offset, st.OffsetOK, st.TLS, st.TLSKey
		}
	}
	claim := func(kind evidence.Kind, g *gathered, settled bool, last *time.Time) {
		s := evidence.Seen{Kinds: []evidence.Kind{kind}, Class: evidence.Instants, From: l.at, To: l.at}
		switch {
		case g.err != nil:
			s.Class, s.Cause = evidence.Blind, collectors.PlainCause(g.err)
		case g.bad > 0:
			s.Class, s.Cause = evidence.Blind, causeOdd
		case !settled:
			s.Class, s.Cause = evidence.Blind, causeSettling
		}
		if s.Class == evidence.Blind && !last.IsZero() && last.Before(l.at) {
			s.From = *last
		}
		if s.Class == evidence.Instants {
			*last = l.at
		}
		if g.bad > 0 {
			l.short = append(l.short, fmt.Sprintf("%d of the records of %s could not be read", g.bad, kind))
		}
		o.Seen = append(o.Seen, s)
	}
	claim(evidence.AlertInstance, &l.alerts, l.settled > 0, &l.next.Looked)
	claim(evidence.AlertSilence, &l.silences, true, &l.next.Silenced)
	if l.settling > 0 && l.settled == 0 {
		l.short = append(l.short, fmt.Sprintf("it began less than %s ago: no alert counts as ended yet", l.cfg.Settle))
	}
	o.Incomplete = strings.Join(l.short, "; ")
	return o
}
