package today

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/remedy"
	"evidenced/mappings"
	"evidenced/mappings/statement"
	"evidenced/reports"
)

// ownDues are those of this package.
var ownDues = []Dues{freshness, certificates, declared, statements, remedies}

// freshness finds evidence that will be stale before long and that nobody has
// looked after since: more than half of the time that the strictest test in
// force gives it has gone by. What is looked at all the time falls due all the
// time and is not told.
func freshness(ctx context.Context, in *Input, until time.Time) ([]Due, error) {
	limits := map[evidence.Kind]time.Duration{}
	needs := map[evidence.Kind][]string{}
	for _, c := range in.Catalog.Controls() {
		for _, ref := range c.Tests {
			inForce := slices.ContainsFunc(in.Standing, func(s mappings.Standing) bool {
				return s.Control == c.ID && s.Test == ref.Test.ID && s.Status == evidence.Satisfied
			})
			if !inForce {
				continue
			}
			for _, k := range ref.Test.Needs() {
				if l, ok := limits[k]; !ok || ref.Test.Freshness < l {
					limits[k] = ref.Test.Freshness
				}
				if !slices.Contains(needs[k], string(c.ID)) {
					needs[k] = append(needs[k], string(c.ID))
				}
			}
		}
	}
	cov, err := evidence.LoadCoverage(ctx, in.Reader, evidence.Period{From: in.Now.Add(-Horizon), To: in.Now})
	if err != nil {
		return nil, err
	}
	type key struct {
		source evidence.SourceID
		newest time.Time
	}
	by := map[key]*Due{}
	for k, limit := range limits {
		for _, id := range cov.Sources(k) {
			newest, _, _ := cov.LooksAround(id, k, in.Now)
			due := newest.Add(limit)
			if newest.IsZero() || in.Now.Sub(newest) <= limit/2 || due.After(until) {
				continue
			}
			d := by[key{id, newest}]
			if d == nil {
				d = &Due{What: "freshness", At: due, Says: fmt.Sprintf("what %s shows is too old unless it is looked at; the newest look was %s", id, evidence.FormatTime(newest))}
				by[key{id, newest}] = d
			}
			if due.Before(d.At) {
				d.At = due
			}
			d.Names = append(d.Names, needs[k]...)
		}
	}
	var out []Due
	for _, d := range by {
		slices.Sort(d.Names)
		d.Names = slices.Compact(d.Names)
		out = append(out, *d)
	}
	return out, nil
}

// states reads the states of a kind in force now.
func states[F any](ctx context.Context, in *Input, kind evidence.Kind, f func(rec *evidence.Record, facts F)) error {
	for rec, err := range in.Reader.States(ctx, kind, in.Now) {
		if err != nil {
			return fmt.Errorf("states of %s: %w", kind, err)
		}
		var facts F
		if err := rec.Decode(&facts); err != nil {
			return err
		}
		f(&rec, facts)
	}
	return nil
}

// certificates finds those that are shown, or lie in a file, and end soon.
func certificates(ctx context.Context, in *Input, until time.Time) (out []Due, err error) {
	err = states(ctx, in, evidence.CertState, func(rec *evidence.Record, f evidence.CertFacts) {
		if f.NotAfter.IsZero() || f.NotAfter.After(until) {
			return
		}
		place := cmp.Or(f.SNI, f.Endpoint, f.File)
		out = append(out, Due{At: f.NotAfter.UTC(), What: "certificate", Says: "the certificate that " + place + " shows ends", Seqs: []uint64{rec.Seq}})
	})
	return out, err
}

// declared finds those that a controller keeps and that end soon. One that is
// renewed in time is not among them.
func declared(ctx context.Context, in *Input, until time.Time) (out []Due, err error) {
	err = states(ctx, in, evidence.CertDeclared, func(rec *evidence.Record, f evidence.CertDeclaredFacts) {
		if f.NotAfter.IsZero() || f.NotAfter.After(until) || !f.RenewalAt.IsZero() && f.RenewalAt.After(in.Now) {
			return
		}
		out = append(out, Due{At: f.NotAfter.UTC(), What: "certificate", Says: "the certificate " + f.Namespace + "/" + f.Name + " ends, its renewal is overdue", Seqs: []uint64{rec.Seq}})
	})
	return out, err
}

// statements finds waivers, scope statements and attestations that run out, and
// those that did since the moment that is asked about. One without effect brings
// nothing back when it ends.
func statements(ctx context.Context, in *Input, until time.Time) (out []Due, err error) {
	b, err := statement.Load(ctx, in.Reader, in.Now)
	if err != nil {
		return nil, err
	}
	what := map[statement.Type]string{statement.Waiver: "waiver", statement.Scope: "scope statement", statement.Attestation: "attestation"}
	for _, s := range b.All {
		state, ends := s.State(in.Now), s.Until
		lately := state == statement.Expired && !ends.Before(in.Since)
		if ends.IsZero() || ends.After(until) || state != statement.InForce && state != statement.Pending && !lately {
			continue
		}
		d := Due{At: ends.UTC(), What: what[s.Type], Says: fmt.Sprintf("%s %s runs out", what[s.Type], s.Name), Seqs: []uint64{s.Seq}}
		if lately {
			d.Says = fmt.Sprintf("%s %s ran out", what[s.Type], s.Name)
		}
		for _, c := range s.Controls {
			d.Names = append(d.Names, string(c))
		}
		out = append(out, d)
	}
	return out, nil
}

// remedies finds plans for what failed whose day comes, or is over, while what
// they are for still fails. That one is said to be done changes nothing.
func remedies(ctx context.Context, in *Input, until time.Time) (out []Due, err error) {
	b, err := remedy.Load(ctx, in.Reader, in.Now)
	if err != nil {
		return nil, err
	}
	for _, p := range b.All {
		if !p.State.Live() || p.Late.After(until) {
			continue
		}
		t := p.Tell(in.Now)
		said := ""
		if t.State == remedy.SaidDone {
			said = ", said to be done"
		}
		out = append(out, Due{
			At: p.Late.UTC(), What: "remedy", Seqs: []uint64{p.Seq}, Names: in.controlsOf(t.Tests),
			Says: fmt.Sprintf("remedy %s, owner %s%s: %d of %s still fail %s; due %s", t.Name, t.Owner, said, t.Failing, reports.Count(t.Of, "item"), strings.Join(t.Tests, ", "), t.DueDay()),
		})
	}
	return out, nil
}

// controlsOf are the controls that need somebody by one of the tests.
func (in *Input) controlsOf(tests []string) []string {
	var out []string
	for _, s := range in.Standing {
		if slices.Contains(tests, s.Test) && mappings.Open(s.Status) && !slices.Contains(out, string(s.Control)) {
			out = append(out, string(s.Control))
		}
	}
	return out
}
