package pack

import (
	"context"
	"encoding/json"
	"io"
	"slices"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
)

// Which claims of which records a pack opens: those of the range, and of single
// records before it that the pack needs.

// disclosable says which claims of a record the pack discloses.
func (w *writer) disclosable(lf *chain.Leaf) []string {
	names := []string{"content"}
	if lf.Kind == evidence.PersonKnown && w.in.Pseudonymous {
		return nil
	}
	if !w.in.Pseudonymous {
		names = append(names, "text")
	}
	if w.in.Pseudonymous {
		return names // raw bytes hold logins and mails
	}
	if w.in.Raw == "all" || w.in.Raw == "exceptions" && slices.Contains(w.in.RawOf, lf.Seq) {
		names = append(names, "raw")
	}
	return names
}

func (w *writer) claims(ctx context.Context) error {
	return w.add(memberClaims, func(out io.Writer) error {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		for e, err := range w.in.Log.Entries(ctx, w.m.Start.Size, w.m.Closing.Size, chain.ClaimNames) {
			if err != nil {
				return err
			}
			lf, err := chain.Decode(e.Leaf)
			if err != nil {
				return err
			}
			want := w.disclosable(lf)
			for _, c := range lf.Claims {
				o, open := e.Openings[c.Name]
				switch {
				case !open && e.Closed[c.Name] == "erased":
					w.m.Erased++
				case !open:
					return problem.New(problem.Corrupt, "record %d: claim %s cannot be opened: %s", e.Seq, c.Name, e.Closed[c.Name]).
						WithHint("run evidenced verify --deep --tenant %s", w.m.Tenant)
				case !slices.Contains(want, c.Name):
					w.m.Withheld[c.Name]++
				default:
					d := disclosed{e.Seq, c.Name, o.Salt[:], o.Plain}
					if err := enc.Encode(d); err != nil {
						return err
					}
					if err := w.read(lf, d); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

func (w *writer) single(ctx context.Context, seq uint64, claims []string) (single, error) {
	var s single
	for e, err := range w.in.Log.Entries(ctx, seq, seq+1, claims) {
		if err != nil {
			return s, err
		}
		s.Leaf = string(e.Leaf)
		for _, name := range claims {
			if o, ok := e.Openings[name]; ok {
				s.Claims = append(s.Claims, disclosed{seq, name, o.Salt[:], o.Plain})
			}
		}
	}
	var err error
	s.Proof, err = w.in.Log.ProveInclusion(w.m.Closing.Size, seq)
	return s, err
}

// saidBefore asks for the waivers, the scope statements and the remedies from
// before the range that findings rest on or name, and for the people in them.
func (w *writer) saidBefore(ctx context.Context, need map[uint64]bool) error {
	said := slices.Clone(w.in.Scopes)
	for _, f := range w.in.Findings {
		if f.Waived != nil {
			said = append(said, f.Waived.Waivers...)
		}
		for _, x := range f.Remedies {
			said = append(said, x.Record)
		}
	}
	for _, seq := range said {
		if seq >= w.m.Start.Size || need[seq] {
			continue
		}
		need[seq] = true
		rec, err := w.in.Log.Record(ctx, seq)
		if err != nil {
			return err
		}
		for _, p := range rec.People {
			w.tokens[p.Token] = true
		}
	}
	return nil
}

// rulesRecordBefore asks for the newest record of before the range that states
// the rules: what those of the range say was in force before them. A log whose
// old segments were dropped may have it no more.
func (w *writer) rulesRecordBefore(ctx context.Context, need map[uint64]bool) error {
	rec, ok, err := evidence.Newest(ctx, w.in.Log, evidence.PlatformCatalog, w.m.Start.Size)
	if ok {
		need[rec.Seq] = true
	}
	return err
}

// earlier discloses leaves before the range that the pack needs: records that
// findings cite, statements they rest on, remedies they name, the rules that were
// in force, records that sealed earlier packs, and person records of people in
// the range.
func (w *writer) earlier(ctx context.Context) error {
	need := map[uint64]bool{}
	closed := map[uint64]bool{} // leaf alone: what an earlier pack of another period was for concerns nobody here
	for _, e := range w.in.Earlier {
		if e.Seq < w.m.Start.Size {
			need[e.Seq], closed[e.Seq] = true, !e.Facts.Period.Overlaps(w.in.Period)
		}
	}
	if w.m.Start.Size > 0 {
		need[w.m.Start.Size-1] = true // shows that the range begins at or before the period
	}
	for _, f := range w.in.Findings {
		for _, it := range f.Items {
			for _, seq := range append([]uint64{it.Seq}, it.Also...) {
				if seq < w.m.Start.Size {
					need[seq], closed[seq] = true, false
				}
			}
		}
	}
	if err := w.saidBefore(ctx, need); err != nil {
		return err
	}
	if err := w.rulesRecordBefore(ctx, need); err != nil {
		return err
	}
	if w.m.Start.Size > 0 && !w.in.Pseudonymous {
		for rec, err := range w.in.Log.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.PersonKnown}}) {
			if err != nil {
				return err
			}
			if rec.Seq < w.m.Start.Size && len(rec.People) == 1 && w.tokens[rec.People[0].Token] {
				need[rec.Seq] = true
			}
		}
	}
	seqs := make([]uint64, 0, len(need))
	for s := range need {
		seqs = append(seqs, s)
	}
	slices.Sort(seqs)
	return w.add(memberEarlier, func(out io.Writer) error {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		for _, seq := range seqs {
			s, err := w.single(ctx, seq, []string{"content", "text"})
			if err != nil {
				return err
			}
			lf, err := chain.Decode([]byte(s.Leaf))
			if err != nil {
				return err
			}
			want := w.disclosable(lf)
			s.Claims = slices.DeleteFunc(s.Claims, func(d disclosed) bool { return closed[seq] || !slices.Contains(want, d.Name) })
			for _, d := range s.Claims {
				if err := w.read(lf, d); err != nil {
					return err
				}
			}
			if err := enc.Encode(s); err != nil {
				return err
			}
		}
		return nil
	})
}
