package daemon

import (
	"cmp"
	"fmt"
	"slices"

	"evidenced/evidence"
	"evidenced/evidence/remedy"
	"evidenced/reports"
	"evidenced/reports/pack"
)

// packRemedies is what findings.json says of the remedies for a finding, in the
// order of their records.
func (b *packBuild) packRemedies(f *evidence.Finding) []pack.Remedy {
	var out []pack.Remedy
	for _, s := range b.plans.Shares(remedy.OfFinding(f)) {
		out = append(out, pack.RemedyOf(s.Plan, s.Records))
	}
	slices.SortFunc(out, func(x, y pack.Remedy) int { return cmp.Compare(x.Record, y.Record) })
	return out
}

// describeRemedies fills in what is planned for a control's failures, what is
// overdue first.
func (b *packBuild) describeRemedies(r *reports.ControlResult) {
	at := map[string]int{} // place in the list, by name
	for i := range r.Findings {
		f := &r.Findings[i]
		x := b.plans.Beside(remedy.OfFinding(f))
		if x == nil {
			continue
		}
		r.Unplanned += x.Without
		for _, o := range x.Plans {
			covers := fmt.Sprintf("%s, %d of %s", f.Test, len(o.Records), reports.Count(x.Of, "failure"))
			if len(o.Records) == 0 {
				covers = f.Test + ", which found nothing or nothing new"
			}
			if n, told := at[o.Name]; told {
				r.Remedies[n].Covers += "; " + covers
				continue
			}
			at[o.Name] = len(r.Remedies)
			r.Remedies = append(r.Remedies, b.packRemedy(&o.Told, covers))
		}
	}
}

// packRemedy tells a plan; a person who owns it stays a token, which the document
// opens.
func (b *packBuild) packRemedy(t *remedy.Told, covers string) reports.Remedy {
	x := reports.Remedy{
		Name: t.Name, Covers: covers, Owner: t.Owner, Cause: t.Cause, Remedy: reports.FirstLine(t.Remedy, 400), Due: t.DueDay(), Stands: t.Stands(), Over: t.Overdue, Seq: t.Seq,
	}
	if t.FirstDue != t.Due {
		x.Moved = remedy.Day(t.FirstDue)
	}
	switch {
	case b.q.Pseudonymous:
		x.Owner, x.Remedy = "(owner withheld)", "(words withheld)"
	case t.Lost != "":
		x.Remedy = "(" + t.Lost + ")"
	}
	if t.Person {
		x.Owner = "person:/" + t.Token.String()
	}
	return x
}
