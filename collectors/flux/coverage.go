package flux

import (
	"context"
	"slices"
	"time"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// after is called before each commit.
func (r *reader) after(_ context.Context, l *kube.Look) ([]evidence.Draft, error) {
	r.now = l.Now
	r.sweep(l)
	for kind, resource := range resourceOf {
		if began := r.listed(l, resource); !began.IsZero() {
			r.memory.forget(kind, began)
		}
	}
	return nil, nil
}

// observe adds to what the engine claims: the syncs that are known to be lost are
// blind, and so are the states while no verdict of Flux is alive. In the middle of
// a look nothing is claimed.
func (r *reader) observe(o *evidence.Observation) {
	if len(o.Seen) == 0 {
		return
	}
	seen := o.Seen
	o.Seen = nil
	for _, x := range r.memory.Lost {
		for _, ns := range x.Spaces {
			o.Seen = append(o.Seen, evidence.Seen{Kinds: []evidence.Kind{evidence.DeploySync}, Scope: evidence.NewRef("ns", r.authority, ns),
				Class: evidence.Blind, From: x.From, To: x.To, Cause: x.Why})
		}
	}
	r.memory.Lost = nil
	now := r.now
	if o.OffsetOK {
		now = now.Add(o.Offset)
	}
	from := r.memory.Claimed
	if from.IsZero() {
		from = r.now
	}
	r.memory.Claimed = r.now
	since, frozen := r.frozen(now)
	if !frozen && r.memory.Frozen.IsZero() {
		o.Seen = append(o.Seen, seen...)
		return
	}
	blind := evidence.Seen{Kinds: []evidence.Kind{evidence.DeployState}, Class: evidence.Blind, From: from, To: r.now}
	if r.memory.Frozen.IsZero() { // found now, frozen since then
		r.memory.Frozen = since
		if since.Before(from) {
			blind.From = since
		}
	}
	blind.Cause = "Flux has reconciled no Kustomization since " + evidence.FormatTime(r.memory.Frozen) + ": what its objects say is frozen"
	o.Seen = append(o.Seen, blind)
	if !frozen { // it came alive at some point since the last look
		r.memory.Frozen = time.Time{}
		o.Seen = append(o.Seen, seen...)
		return
	}
	for _, c := range seen {
		if c.Class != evidence.Blind {
			c.Kinds = slices.DeleteFunc(slices.Clone(c.Kinds), func(k evidence.Kind) bool { return k == evidence.DeployState })
		}
		if len(c.Kinds) > 0 {
			o.Seen = append(o.Seen, c)
		}
	}
}

// frozen reports whether every Kustomization that should be reconciled by itself
// is late, and since when none was. One that was resumed has its interval to be
// reconciled in; until it is, it tells nothing.
func (r *reader) frozen(now time.Time) (since time.Time, frozen bool) {
	for _, a := range r.memory.Apps {
		if a.Idle || a.Pulse.IsZero() {
			continue
		}
		pulse := a.Pulse
		if a.Awake.After(pulse) {
			pulse = a.Awake
		}
		switch late := pulse.Add(time.Duration(a.Every) + r.cfg.StaleAfter).Before(now); {
		case late && pulse.After(since):
			since = pulse
		case !late && pulse.Equal(a.Pulse):
			return time.Time{}, false
		}
	}
	return since, !since.IsZero()
}
