package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store/durable"
)

// Options of a Board.
type Options struct {
	File      string        // where what is known is kept; its folder exists
	Hold      time.Duration // a cause lasts so long before it fires
	Release   time.Duration // and is away so long before it is resolved
	Least     Severity      // milder alerts are not made; "" makes all
	Freshness Freshness     // nil: nothing is said to go stale
	// Known tells tenants that are still there; nil: all are. What one that is
	// gone needed is resolved.
	Known func(evidence.Tenant) bool
	// Destinations are the names of those that are told. What an unknown one
	// had been told is forgotten.
	Destinations []string
}

// Deadline is a moment before which somebody must act.
type Deadline struct {
	Name     string // of its alert, DueSoon or RemedyDue
	Key      string // names it among the tenant's, without content
	Says     string // one sentence
	Warn     time.Time
	Due      time.Time
	Severity Severity
	Late     Severity // from Due on
}

// dated reports whether alerts of the name come of deadlines, not of verdicts.
func dated(name string) bool { return name == DueSoon || name == RemedyDue }

// Board knows what has gone wrong now. It may be used by several goroutines.
type Board struct {
	o Options

	mu     sync.Mutex
	found  map[evidence.Tenant][]verdict
	dates  map[evidence.Tenant][]Deadline
	alerts map[string]*Alert
	told   map[string]map[string]int // destination -> alert -> turn
	dirty  bool
}

// saved is the form of the file.
type saved struct {
	Format int                       `json:"format"`
	Alerts []*Alert                  `json:"alerts"`
	Told   map[string]map[string]int `json:"told"`
}

// maxFile is the largest file that is read, in bytes.
const maxFile = 256 << 20

// Open reads what was known. A file that cannot be read is an error: starting
// from nothing would tell everything again.
func Open(o Options) (*Board, error) {
	b := &Board{
		o: o, found: map[evidence.Tenant][]verdict{}, dates: map[evidence.Tenant][]Deadline{},
		alerts: map[string]*Alert{}, told: map[string]map[string]int{},
	}
	for _, d := range o.Destinations {
		b.told[d] = map[string]int{}
	}
	info, err := os.Stat(o.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return b, nil
	case err == nil && info.Size() > maxFile:
		err = fmt.Errorf("%d bytes, more than %d", info.Size(), maxFile)
	}
	if err != nil {
		return nil, unreadable(o.File, err)
	}
	text, err := os.ReadFile(o.File)
	if err != nil {
		return nil, unreadable(o.File, err)
	}
	var s saved
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, unreadable(o.File, err)
	}
	if s.Format != 1 {
		return nil, unreadable(o.File, fmt.Errorf("format %d is not known", s.Format))
	}
	for _, a := range s.Alerts {
		if a == nil || a.ID != a.Cause.id() || !slices.Contains([]State{Pending, Firing, Resolved}, a.State) {
			return nil, unreadable(o.File, errors.New("an alert in it is not whole"))
		}
		b.alerts[a.ID] = a
	}
	for d := range b.told {
		maps.Copy(b.told[d], s.Told[d])
	}
	return b, nil
}

func unreadable(file string, err error) error {
	return problem.Wrap(problem.Storage, err, "what was alerted cannot be read from %s", file).
		WithHint("move the file away to begin anew: every alert that fires is then told once more")
}

// Findings takes the verdicts of a tenant as they are now, all of them, in
// place of those given before.
func (b *Board) Findings(t evidence.Tenant, fs []evidence.FindingFacts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.found[t] = verdictsOf(fs)
}

// Deadlines takes the moments of a tenant that somebody must act before.
func (b *Board) Deadlines(t evidence.Tenant, ds []Deadline) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dates[t] = slices.Clone(ds)
}

// Step brings the alerts up to date with what was given. It keeps the file, and
// reports whether a destination has something to be told.
func (b *Board) Step(now time.Time) (news bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now = now.UTC()
	for _, a := range b.alerts {
		b.dirty = a.back(now) || b.dirty
	}
	effects := map[Cause][]effect{}
	for _, t := range b.tenants() {
		for c, es := range b.of(t, now) {
			effects[c] = append(effects[c], es...)
		}
	}
	for c, es := range effects {
		b.present(c, es, now)
	}
	for id, a := range b.alerts {
		if _, there := effects[a.Cause]; !there {
			b.absent(id, a, now)
		}
	}
	return b.news(), b.save()
}

// back brings instants back to now that lie ahead of it, because the clock was
// set back meanwhile: what begins in the future would wait for it, and a
// destination refuses what ends before it begins.
func (a *Alert) back(now time.Time) (moved bool) {
	for _, t := range []*time.Time{&a.Since, &a.Fired, &a.Ended, &a.Away} {
		if t.After(now) {
			*t, moved = now, true
		}
	}
	return moved
}

// tenants are those given, sorted, so that effects have an order.
func (b *Board) tenants() []evidence.Tenant {
	names := map[string]evidence.Tenant{}
	for t := range b.found {
		names[t.String()] = t
	}
	for t := range b.dates {
		names[t.String()] = t
	}
	var ts []evidence.Tenant
	for _, n := range slices.Sorted(maps.Keys(names)) {
		ts = append(ts, names[n])
	}
	return ts
}

// of works out the causes of one tenant.
func (b *Board) of(t evidence.Tenant, now time.Time) map[Cause][]effect {
	out := map[Cause][]effect{}
	add := func(c Cause, e effect) {
		if ranks[e.severity] >= ranks[b.o.Least] {
			out[c] = append(out[c], e)
		}
	}
	for i := range b.found[t] {
		f := &b.found[t][i]
		var fresh time.Duration
		if b.o.Freshness != nil {
			fresh = b.o.Freshness(f.Test)
		}
		for _, c := range causes(t, f, fresh, now) {
			e := effect{tenant: t, control: f.Control, test: f.Test, severity: severityOf(f.Severity), says: f.Summary}
			if c.Name == Undetermined || c.Name == GoingStale || c.Name == BlindWindow {
				e.severity = e.severity.milder()
			}
			add(c, e)
		}
	}
	for _, d := range b.dates[t] {
		e := effect{tenant: t, severity: d.Severity, says: d.Says}
		if now.Before(d.Warn) {
			continue
		}
		if !now.Before(d.Due) {
			e.severity = d.Late
		}
		add(Cause{Name: d.Name, Tenant: t, Key: d.Key}, e)
	}
	return out
}

func (b *Board) present(c Cause, es []effect, now time.Time) {
	id := c.id()
	a := b.alerts[id]
	if a == nil || a.State == Resolved {
		fresh := &Alert{ID: id, Cause: c, State: Pending, Since: now}
		if a != nil {
			fresh.Turn = a.Turn // a destination may not have heard of the end yet
		}
		a, b.alerts[id] = fresh, fresh
	}
	was := *a
	a.Away = time.Time{}
	a.take(es)
	if a.State == Pending && now.Sub(a.Since) >= b.hold(c) {
		a.State, a.Fired = Firing, now
		a.Turn++
	}
	b.dirty = b.dirty || was.Turn == 0 || !reflect.DeepEqual(was, *a)
}

// hold is how long a cause waits. What failed has failed, and a clock does not
// wait; only what is not seen may be back in a moment.
func (b *Board) hold(c Cause) time.Duration {
	switch c.Name {
	case NotSatisfied, Gap, BlindWindow, DueSoon, RemedyDue:
		return 0
	}
	return b.o.Hold
}

// absent deals with an alert whose cause is not there. After a start a cause
// counts as there until every tenant it touched was judged again.
func (b *Board) absent(id string, a *Alert, now time.Time) {
	for _, t := range a.Tenants {
		if b.o.Known != nil && !b.o.Known(t) {
			continue
		}
		_, judged := b.found[t]
		_, given := b.dates[t]
		if deadline := dated(a.Cause.Name); deadline && !given || !deadline && !judged {
			return
		}
	}
	switch {
	case a.State == Pending && a.Turn == 0:
		delete(b.alerts, id)
		b.dirty = true
	case a.State == Pending:
		// It was resolved, came back for a moment and is away again: what was
		// not told yet is that it ended.
		a.State, a.Ended = Resolved, now
		b.dirty = true
	case a.State == Firing && a.Away.IsZero():
		a.Away, b.dirty = now, true
		if b.o.Release > 0 {
			return
		}
		fallthrough
	case a.State == Firing && now.Sub(a.Away) >= b.o.Release:
		a.State, a.Ended = Resolved, a.Away
		a.Turn++
		b.dirty = true
	case a.State == Resolved && b.toldAll(a):
		delete(b.alerts, id)
		for _, heard := range b.told {
			delete(heard, id)
		}
		b.dirty = true
	}
}

func (b *Board) toldAll(a *Alert) bool {
	for _, heard := range b.told {
		if heard[a.ID] < a.Turn {
			return false
		}
	}
	return true
}

func (b *Board) news() bool {
	for _, a := range b.alerts {
		if a.State != Pending && !b.toldAll(a) {
			return true
		}
	}
	return false
}

// save keeps the file when something changed.
func (b *Board) save() error {
	if !b.dirty {
		return nil
	}
	s := saved{Format: 1, Told: b.told}
	for _, id := range slices.Sorted(maps.Keys(b.alerts)) {
		s.Alerts = append(s.Alerts, b.alerts[id])
	}
	text, err := json.Marshal(s)
	if err == nil {
		err = durable.Replace(b.o.File, text)
	}
	if err != nil {
		return problem.Wrap(problem.Storage, err, "what is alerted cannot be kept in %s", b.o.File).
			WithHint("free the disk or mend its rights; alerts go on, and are told again after a restart")
	}
	b.dirty = false
	return nil
}

// Alerts returns all alerts that fire, the worst and oldest first.
func (b *Board) Alerts() []Alert {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.list(func(a *Alert) bool { return a.State == Firing })
}

func (b *Board) list(which func(*Alert) bool) []Alert {
	var as []Alert
	for _, id := range slices.Sorted(maps.Keys(b.alerts)) {
		if a := b.alerts[id]; which(a) {
			c := *a
			c.Tenants, c.Controls, c.Tests = slices.Clone(a.Tenants), slices.Clone(a.Controls), slices.Clone(a.Tests)
			as = append(as, c)
		}
	}
	slices.SortStableFunc(as, func(x, y Alert) int {
		if d := ranks[y.Severity] - ranks[x.Severity]; d != 0 {
			return d
		}
		return x.Fired.Compare(y.Fired)
	})
	return as
}

// Message is what a destination is told at one time.
type Message struct {
	At      time.Time `json:"at"`
	Changed []Alert   `json:"alerts"` // fired, more severe or resolved since it was last told
	Firing  []Alert   `json:"-"`      // everything that fires
	// Firings counts what fires, Beat is set when the message is a sign of life.
	Firings int  `json:"firing"`
	Beat    bool `json:"heartbeat"`
}

// For returns what the destination was not told yet.
func (b *Board) For(destination string, now time.Time) Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	heard := b.told[destination]
	for id, a := range b.alerts {
		if a.State == Resolved && heard[id] == 0 {
			heard[id], b.dirty = a.Turn, true // it came and went before anybody could be told
		}
	}
	m := Message{At: now.UTC(), Firing: b.list(func(a *Alert) bool { return a.State == Firing })}
	m.Changed = b.list(func(a *Alert) bool { return a.State != Pending && heard[a.ID] < a.Turn })
	m.Firings = len(m.Firing)
	return m
}

// Told keeps that the destination took the message.
func (b *Board) Told(destination string, m Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	heard := b.told[destination]
	if heard == nil {
		return problem.New(problem.Internal, "destination %s is not known", destination)
	}
	for _, a := range m.Changed {
		heard[a.ID] = a.Turn
	}
	b.dirty = b.dirty || len(m.Changed) > 0
	return b.save()
}
