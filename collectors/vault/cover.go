package vault

import (
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

// probeState is what the cursor holds of our own marks in the log.
type probeState struct {
	Last    time.Time  `json:"last,omitzero"` // log time of the last sighting
	LastID  string     `json:"last_id,omitempty"`
	Pending []probeOut `json:"pending,omitempty"` // sent, not seen yet
	Failing time.Time  `json:"failing,omitzero"`  // since when no probe can be sent
	Why     string     `json:"why,omitempty"`
	Blind   time.Time  `json:"blind,omitzero"` // end of what was claimed blind since the last sighting
}

// probeOut is a probe on its way into the log.
type probeOut struct {
	ID   string    `json:"id"`
	Sent time.Time `json:"sent"`
}

const (
	maxProbes = 16
	maxLosses = 64
)

// cover turns what was read into claims. Silence is not emptiness: only
// between two sightings of our own probe, with no line lost in between, is the
// log covered without gaps.
type cover struct {
	cur     *cursor
	probing bool // a URL is configured
	limit   time.Duration
	seen    []evidence.Seen
	sighted *evidence.Probe
	last    time.Time          // of the newest line
	gaps    func(at time.Time) // adds the losses that other streams have not ended yet
}

var auditKinds = []evidence.Kind{evidence.SecretAccess, evidence.SecretAuth}

// line takes note of a consumed line.
func (c *cover) line(l *line) {
	if c.cur.Claimed.IsZero() {
		c.cur.Claimed = l.at
	}
	if l.lost != nil {
		c.lose(*l.lost)
	}
	if l.at.After(c.last) {
		c.last = l.at
	}
	ps := &c.cur.Probe
	if len(ps.Pending) == 0 {
		return
	}
	id := string(l.e.req.id)
	i := slices.IndexFunc(ps.Pending, func(p probeOut) bool { return p.ID == id })
	if i < 0 {
		return
	}
	ps.Pending = slices.Delete(ps.Pending, 0, i+1)
	if l.at.After(ps.Last) {
		if i > 0 {
			// Probes are written in the order they were sent: those before this
			// one were written elsewhere, and other lines with them.
			from := ps.Last
			if from.IsZero() {
				from = c.cur.Claimed
			}
			c.lose(loss{From: from, To: l.at, Cause: fmt.Sprintf("%d of our own probes never turned up before this one did: lines were written elsewhere or lost", i)})
		}
		c.sight(id, l.at)
	}
}

func (c *cover) lose(l loss) {
	if !l.To.After(l.From) {
		l.To = l.From.Add(time.Nanosecond)
	}
	if n := len(c.cur.Losses); n >= maxLosses {
		last := &c.cur.Losses[n-1]
		last.To, last.Told = l.To, false
		return
	}
	c.cur.Losses = append(c.cur.Losses, l)
}

// sight claims the stretch up to a sighting of our probe.
func (c *cover) sight(id string, at time.Time) {
	ps := &c.cur.Probe
	if c.gaps != nil {
		c.gaps(at)
	}
	from, class, cause := ps.Last, evidence.Continuous, ""
	if from.IsZero() {
		from, class, cause = c.cur.Claimed, evidence.Reconstructed, "read from history before the first probe was seen"
	}
	c.claim(class, from, at, cause)
	c.tellLosses()
	c.cur.Losses = nil
	c.cur.Claimed = at
	ps.Last, ps.LastID, ps.Blind = at, id, time.Time{}
	c.sighted = &evidence.Probe{ID: id, SeenAt: at}
}

// claim adds what is left of a stretch after the losses were cut out.
func (c *cover) claim(class evidence.Class, from, to time.Time, cause string) {
	add := func(from, to time.Time) {
		if to.After(from) {
			c.seen = append(c.seen, evidence.Seen{Kinds: auditKinds, Class: class, From: from, To: to, Cause: cause})
		}
	}
	losses := slices.Clone(c.cur.Losses)
	slices.SortFunc(losses, func(a, b loss) int { return a.From.Compare(b.From) })
	for _, l := range losses {
		if l.From.Before(to) && l.To.After(from) {
			add(from, l.From)
			from = l.To
		}
	}
	add(from, to)
}

func (c *cover) tellLosses() {
	for i := range c.cur.Losses {
		l := &c.cur.Losses[i]
		if !l.Told {
			c.blind(l.From, l.To, l.Cause)
			l.Told = true
		}
	}
}

func (c *cover) blind(from, to time.Time, cause string) {
	if to.After(from) {
		c.seen = append(c.seen, evidence.Seen{Kinds: auditKinds, Class: evidence.Blind, From: from, To: to, Cause: cause})
	}
}

// commit hands out what may be claimed now. When everything on disk was read
// (caughtUp), a probe that is missing for longer than the limit makes the
// source blind since the last sighting.
func (c *cover) commit(now time.Time, caughtUp bool) ([]evidence.Seen, *evidence.Probe) {
	ps := &c.cur.Probe
	if ps.Last.IsZero() && c.last.After(c.cur.Claimed) {
		cause := "no probe configured: lines are read, but that none is missing cannot be shown"
		if c.probing {
			cause = "read from history before the first probe was seen"
		}
		c.claim(evidence.Reconstructed, c.cur.Claimed, c.last, cause)
		c.tellLosses()
		c.cur.Losses = nil
		c.cur.Claimed = c.last
	}
	c.tellLosses()
	if caughtUp && c.probing {
		c.missed(now)
	}
	seen, sighted := c.seen, c.sighted
	c.seen, c.sighted = nil, nil
	return seen, sighted
}

func (c *cover) missed(now time.Time) {
	ps := &c.cur.Probe
	from, cause := ps.Last, ""
	switch {
	case len(ps.Pending) > 0 && now.Sub(ps.Pending[0].Sent) > c.limit:
		cause = fmt.Sprintf("our own probe did not turn up in the audit log within %s: the file read may not be the one written", c.limit)
		if from.IsZero() {
			from = ps.Pending[0].Sent
		}
	case !ps.Failing.IsZero() && now.Sub(ps.Failing) > c.limit:
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

// sent notes a probe that the server answered, failed one that it did not.
func (c *cover) sent(id string, at time.Time) {
	ps := &c.cur.Probe
	ps.Failing, ps.Why = time.Time{}, ""
	if len(ps.Pending) >= maxProbes {
		// The oldest stays: its age decides about blindness.
		ps.Pending = slices.Delete(ps.Pending, 1, 2)
	}
	ps.Pending = append(ps.Pending, probeOut{id, at})
}

func (c *cover) failed(at time.Time, why string) {
	ps := &c.cur.Probe
	if ps.Failing.IsZero() {
		ps.Failing = at
	}
	ps.Why = cut(why, 300)
}
