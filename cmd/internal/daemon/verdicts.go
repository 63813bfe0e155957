package daemon

import (
	"context"
	"fmt"
	"unique"

	"evidenced/evidence"
	"evidenced/mappings"
)

// verdicts are those of one tenant that are in force, as recorded. Tenants have
// findings of the same names, so these are kept once for all.
type verdicts []verdict

type verdict struct {
	finding unique.Handle[evidence.Ref]
	is      evidence.Hash
}

// byFinding makes the verdicts easy to find.
func (vs verdicts) byFinding() map[unique.Handle[evidence.Ref]]evidence.Hash {
	m := make(map[unique.Handle[evidence.Ref]]evidence.Hash, len(vs))
	for _, v := range vs {
		m[v.finding] = v.is
	}
	return m
}

// verdictsIn reads the verdicts in force from a log: what was recorded before a
// restart is not recorded again.
func verdictsIn(ctx context.Context, r evidence.Reader) (verdicts, error) {
	known := verdicts{}
	for rec, err := range r.States(ctx, evidence.FindingState, lastInstant) {
		if err != nil {
			return nil, fmt.Errorf("findings in force: %w", err)
		}
		var f evidence.FindingFacts
		if err := rec.Decode(&f); err != nil {
			return nil, err
		}
		known = append(known, verdict{unique.Make(rec.Subject), mappings.Verdict(f)})
	}
	return known, nil
}
