package workflows

import (
	"cmp"
	"context"
	"slices"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// after is called before each commit.
func (r *reader) after(ctx context.Context, l *kube.Look) ([]evidence.Draft, error) {
	for _, kind := range []string{kindTemplate, kindClusterTemplate, kindCron} {
		if !r.complete(l, resourceOf[kind]) {
			continue
		}
		for _, ns := range r.memory.Without[kind] {
			r.again(l, resourceOf[kindRun], ns)
		}
		delete(r.memory.Without, kind)
		if r.listed(l, resourceOf[kind]).IsZero() {
			continue
		}
		for key := range r.memory.For {
			if !r.memory.heard[key] && kindOf(key) == kind {
				delete(r.memory.For, key)
			}
		}
	}
	runs := resourceOf[kindRun]
	whole := r.complete(l, runs)
	if began := r.listed(l, runs); whole && !began.IsZero() {
		r.memory.missed(began, l.Now)
	}
	if whole {
		r.memory.Alive = l.Now
	}
	return r.readArchive(ctx, l)
}

// lostRun is why a run's end is not known.
const lostRun = "a run that had not ended is gone, and how it ended was not seen"

// observe adds to what the engine claims: where a run ended unseen is blind. In the
// middle of a look nothing is claimed. What the archive may still know waits for
// it, as long as it can be asked.
func (r *reader) observe(o *evidence.Observation) {
	if r.archive != nil {
		o.Requests += r.archive.newRequests()
		if r.memory.behind != "" {
			if o.Incomplete != "" {
				o.Incomplete += "; "
			}
			o.Incomplete += r.memory.behind
		}
	}
	if len(o.Seen) == 0 {
		return
	}
	var seen []evidence.Seen
	r.memory.Lost = slices.DeleteFunc(r.memory.Lost, func(x loss) bool {
		if x.UID != "" && r.archive != nil && r.memory.behind == "" {
			return false
		}
		s := evidence.Seen{Kinds: []evidence.Kind{evidence.WorkflowRun}, Class: evidence.Blind, From: x.From, To: x.To, Cause: lostRun}
		if x.NS != "" {
			s.Scope = evidence.NewRef("ns", r.authority, x.NS)
		}
		seen = append(seen, s)
		return true
	})
	slices.SortStableFunc(seen, func(x, y evidence.Seen) int {
		return cmp.Or(cmp.Compare(x.Scope.Name, y.Scope.Name), x.From.Compare(y.From))
	})
	o.Seen = append(seen, o.Seen...)
}
