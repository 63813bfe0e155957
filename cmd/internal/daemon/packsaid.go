package daemon

import (
	"context"
	"fmt"
	"slices"

	"evidenced/evidence"
	"evidenced/mappings"
	"evidenced/mappings/statement"
	"evidenced/reports"
	"evidenced/reports/pack"
)

// hear reads what people said that was in force at the end of what the pack
// judges, and what it says of the findings.
func (b *packBuild) hear(ctx context.Context) error {
	book, err := statement.Load(ctx, b.snap, b.judged().To)
	if err != nil {
		return err
	}
	b.book, b.waived = book, map[evidence.Ref]*statement.Waived{}
	for i := range b.findings {
		f := &b.findings[i]
		w, err := book.Waive(ctx, statement.OfFinding(f))
		if err != nil {
			return err
		}
		if w != nil && len(w.By) > 0 {
			b.waived[mappings.FindingRef(f.Control, f.Test)] = w
		}
	}
	return nil
}

// packScopes are the records of the statements that findings may rest on which
// are not applicable.
func (b *packBuild) packScopes() []uint64 {
	var seqs []uint64
	for _, s := range b.scopes {
		if slices.ContainsFunc(b.findings, func(f evidence.Finding) bool { return f.Control == s.Control && f.Status == evidence.NotApplicable }) {
			seqs = append(seqs, s.Seq)
		}
	}
	return seqs
}

// packWaived is what findings.json says of a finding's waivers; nil for none.
func (b *packBuild) packWaived(f *evidence.Finding) *pack.Waived {
	w := b.waived[mappings.FindingRef(f.Control, f.Test)]
	if w == nil {
		return nil
	}
	out := &pack.Waived{Whole: w.Whole, Items: w.Items, Of: w.Of, Until: w.Until}
	for _, s := range w.By {
		out.Waivers = append(out.Waivers, s.Seq)
	}
	return out
}

// describeSaid fills in what people said of a control.
func (b *packBuild) describeSaid(r *reports.ControlResult) {
	needs, accepted := 0, 0
	covers := map[uint64]string{}
	var waivers []*statement.Recorded
	for i := range r.Findings {
		f := &r.Findings[i]
		w := b.waived[mappings.FindingRef(f.Control, f.Test)]
		if reports.StatusGroup(f.Status) == reports.NeedsWork {
			needs++
			if w != nil && w.Whole {
				accepted++
			}
		}
		if w == nil {
			continue
		}
		text := fmt.Sprintf("%s, %d of %s", f.Test, w.Items, reports.Count(w.Of, "failure"))
		if f.Status == evidence.Gap {
			text = f.Test + ", which found nothing"
		}
		for _, s := range w.By {
			if covers[s.Seq] == "" {
				waivers = append(waivers, s)
			} else {
				covers[s.Seq] += "; "
			}
			covers[s.Seq] += text
		}
	}
	r.Waived = reports.StatusGroup(r.Status) == reports.NeedsWork && needs > 0 && needs == accepted
	for _, s := range waivers {
		x := b.said(s)
		x.Covers = covers[s.Seq]
		r.Waivers = append(r.Waivers, x)
	}
	for _, s := range b.book.InForce(statement.Scope) {
		if s.About(r.ID) {
			r.Scoped = append(r.Scoped, b.said(s))
		}
	}
	for _, s := range b.book.InForce(statement.Attestation) {
		if !s.About(r.ID) {
			continue
		}
		a := reports.Attestation{Waiver: b.said(s)}
		if d := s.Document; d != nil {
			a.Document = fmt.Sprintf("SHA-256 %s, %s bytes, %s", d.SHA256, reports.Number(d.Size), d.Media)
		}
		r.Attested = append(r.Attested, a)
	}
}

// said tells a statement; who it was stays a token, which the document opens.
func (b *packBuild) said(s *statement.Recorded) reports.Waiver {
	reason := s.Reason
	switch {
	case b.q.Pseudonymous:
		reason = "(reason withheld)"
	case reason == "":
		reason = "(" + s.Lost + ")"
	}
	return reports.Waiver{
		Name: s.Name, Reason: reports.FirstLine(reason, 400), By: "person:/" + s.Maker.Token.String(), ApprovedBy: "person:/" + s.Approver.Token.String(),
		From: s.From, To: s.End(), Seq: s.Seq,
	}
}

// loosened lists what weakened the tenant's evidence from the first record of
// the pack on.
func (b *packBuild) loosened(ctx context.Context, first uint64) ([]reports.Loosening, error) {
	var out []reports.Loosening
	q := evidence.Query{Kinds: []evidence.Kind{evidence.PlatformConfig, evidence.PlatformCatalog}, FromSeq: first, BySeq: true}
	for rec, err := range b.snap.Records(ctx, q) {
		if err != nil {
			return nil, err
		}
		if len(rec.Facts) == 0 {
			continue // its data key is gone
		}
		l, yes, err := pack.LoosenedBy(rec.Seq, rec.Kind, rec.Occurred, rec.Facts)
		if err != nil {
			return nil, err
		}
		if yes {
			out = append(out, reports.Loosening{At: l.At, Seq: l.Seq, Kind: l.Kind, By: l.By, Says: l.Says, Unclear: l.Rewritten})
		}
	}
	return out, nil
}
