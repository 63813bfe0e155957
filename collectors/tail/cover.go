package tail

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// CoverState is what a resume cursor holds of the coverage of a log.
type CoverState struct {
	Probe   ProbeState `json:"probe,omitzero"`
	Claimed time.Time  `json:"claimed,omitzero"` // end of what was claimed as reconstructed
	Losses  []Missing  `json:"losses,omitempty"` // since the last sighting
}

// Missing is a loss and whether it was told.
type Missing struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Cause string    `json:"cause"`
	Told  bool      `json:"told,omitempty"`
}

// ProbeState is what the cursor holds of our own marks in the log.
type ProbeState struct {
	Last    time.Time `json:"last,omitzero"` // log time of the last sighting
	LastID  string    `json:"last_id,omitempty"`
	Pending []Sent    `json:"pending,omitempty"` // sent, not seen yet
	Failing time.Time `json:"failing,omitzero"`  // since when no probe can be sent
	Why     string    `json:"why,omitempty"`
	Blind   time.Time `json:"blind,omitzero"` // end of what was claimed blind since the last sighting
}

// Sent is a probe on its way into the log.
type Sent struct {
	ID   string    `json:"id"`
	Sent time.Time `json:"sent"`
}

const (
	maxProbes = 16
	maxLosses = 64
)

// Cover turns what was read of a log into claims. Silence is not emptiness:
// only between two sightings of our own probe, with no line lost in between, is
// a log covered without gaps.
type Cover struct {
	*CoverState
	Kinds   []evidence.Kind
	Probing bool          // probes are sent
	Limit   time.Duration // a probe may take to turn up
	// Gaps adds the losses that no later line has ended yet; may be nil.
	Gaps func(at time.Time)
	// Instants claims only the moment of the newest line while no probe has
	// been seen: for logs that lose lines without a trace.
	Instants bool

	seen    []evidence.Seen
	sighted *evidence.Probe
	last    time.Time // of the newest line
}

// Pending reports whether there is something to claim at the next commit.
func (c *Cover) Pending() bool { return len(c.seen) > 0 }

// Line takes note of a line that was taken: the id by which a probe would be
// known, its time, and what is missing before it.
func (c *Cover) Line(id []byte, at time.Time, lost *Loss) {
	if c.Claimed.IsZero() {
		c.Claimed = at
	}
	if lost != nil {
		c.Lose(*lost)
	}
	if at.After(c.last) {
		c.last = at
	}
	ps := &c.Probe
	if len(ps.Pending) == 0 {
		return
	}
	i := slices.IndexFunc(ps.Pending, func(p Sent) bool { return p.ID == string(id) })
	if i < 0 {
		return
	}
	ps.Pending = slices.Delete(ps.Pending, 0, i+1)
	if at.After(ps.Last) {
		if i > 0 {
			// Probes are written in the order they were sent: those before this
			// one were written elsewhere, and other lines with them.
			from := ps.Last
			if from.IsZero() {
				from = c.Claimed
			}
			c.Lose(Loss{From: from, To: at, Cause: fmt.Sprintf("%d of our own probes never turned up before this one did: lines were written elsewhere or lost", i)})
		}
		c.sight(string(id), at)
	}
}

// Lose takes note of a stretch that cannot be read.
func (c *Cover) Lose(l Loss) {
	if !l.To.After(l.From) {
		l.To = l.From.Add(time.Nanosecond)
	}
	if n := len(c.Losses); n >= maxLosses {
		last := &c.Losses[n-1]
		last.To, last.Told = l.To, false
		return
	}
	c.Losses = append(c.Losses, Missing{From: l.From, To: l.To, Cause: l.Cause})
}

// sight claims the stretch up to a sighting of our probe.
func (c *Cover) sight(id string, at time.Time) {
	ps := &c.Probe
	if c.Gaps != nil {
		c.Gaps(at)
	}
	from, class, cause := ps.Last, evidence.Continuous, ""
	if from.IsZero() {
		from, class, cause = c.Claimed, evidence.Reconstructed, "read from history before the first probe was seen"
	}
	c.claim(class, from, at, cause)
	c.tellLosses()
	c.Losses = nil
	c.Claimed = at
	ps.Last, ps.LastID, ps.Blind = at, id, time.Time{}
	c.sighted = &evidence.Probe{ID: id, SeenAt: at}
}

// claim adds what is left of a stretch after the losses were cut out.
func (c *Cover) claim(class evidence.Class, from, to time.Time, cause string) {
	add := func(from, to time.Time) {
		if to.After(from) {
			c.seen = append(c.seen, evidence.Seen{Kinds: c.Kinds, Class: class, From: from, To: to, Cause: cause})
		}
	}
	losses := slices.Clone(c.Losses)
	slices.SortFunc(losses, func(a, b Missing) int { return a.From.Compare(b.From) })
	for _, l := range losses {
		if l.From.Before(to) && l.To.After(from) {
			add(from, l.From)
			from = l.To
		}
	}
	add(from, to)
}

func (c *Cover) tellLosses() {
	for i := range c.Losses {
		l := &c.Losses[i]
		if !l.Told {
			c.blind(l.From, l.To, l.Cause)
			l.Told = true
		}
	}
}

func (c *Cover) blind(from, to time.Time, cause string) {
	if to.After(from) {
		c.seen = append(c.seen, evidence.Seen{Kinds: c.Kinds, Class: evidence.Blind, From: from, To: to, Cause: cause})
	}
}

// Commit hands out what may be claimed now. When everything on disk was read
// (caughtUp), a probe that is missing for longer than the limit makes the
// source blind since the last sighting.
func (c *Cover) Commit(now time.Time, caughtUp bool) ([]evidence.Seen, *evidence.Probe) {
	ps := &c.Probe
	if !c.Probing {
		ps.Last = time.Time{} // what is sighted next shows nothing of the time without probes
	}
	if ps.Last.IsZero() && c.last.After(c.Claimed) {
		cause := "no probe configured: lines are read, but that none is missing cannot be shown"
		if c.Probing {
			cause = "read from history before the first probe was seen"
		}
		if c.Instants {
			c.seen = append(c.seen, evidence.Seen{Kinds: c.Kinds, Class: evidence.Instants, From: c.last, To: c.last})
		} else {
			c.claim(evidence.Reconstructed, c.Claimed, c.last, cause)
		}
		c.tellLosses()
		c.Losses = nil
		c.Claimed = c.last
	}
	c.tellLosses()
	if caughtUp && c.Probing {
		c.missed(now)
	}
	seen, sighted := c.seen, c.sighted
	c.seen, c.sighted = nil, nil
	return seen, sighted
}

// Quiet says, when everything on disk was read and is whole, that nothing came since
// the newest line. Where probes are sent they tell more.
func (c *Cover) Quiet(now time.Time) []evidence.Quiet {
	if c.Probing || c.Instants || c.Claimed.IsZero() || !now.After(c.Claimed) {
		return nil
	}
	return []evidence.Quiet{{Kinds: c.Kinds, From: c.Claimed, To: now, Cause: evidence.CauseQuiet}}
}

func (c *Cover) missed(now time.Time) {
	ps := &c.Probe
	from, cause := ps.Last, ""
	switch {
	case len(ps.Pending) > 0 && now.Sub(ps.Pending[0].Sent) > c.Limit:
		cause = fmt.Sprintf("our own probe did not turn up in the audit log within %s: the file read may not be the one written", c.Limit)
		if from.IsZero() {
			from = ps.Pending[0].Sent
		}
	case !ps.Failing.IsZero() && now.Sub(ps.Failing) > c.Limit:
		cause = "no probe could be sent: " + ps.Why
		if from.IsZero() {
			from = ps.Failing
		}
	default:
		return
	}
	if ps.Blind.After(from) {
		from = ps.Blind
	}
	c.blind(from, now, cause)
	ps.Blind = now
}

// Sent notes a probe that the server answered.
func (c *Cover) Sent(id string, at time.Time) {
	ps := &c.Probe
	ps.Failing, ps.Why = time.Time{}, ""
	if len(ps.Pending) >= maxProbes {
		// The oldest stays: its age decides about blindness.
		ps.Pending = slices.Delete(ps.Pending, 1, 2)
	}
	ps.Pending = append(ps.Pending, Sent{id, at})
}

// Failed notes a probe that the server did not answer, and why in words that every
// tenant may read (see collectors.PlainCause).
func (c *Cover) Failed(at time.Time, why string) {
	ps := &c.Probe
	if ps.Failing.IsZero() {
		ps.Failing = at
	}
	ps.Why = strings.ToValidUTF8(why[:min(len(why), 300)], "")
}
