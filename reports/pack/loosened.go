package pack

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// Loosened is one change that weakened the tenant's evidence or asked less of
// it: a source removed or paused, a filter narrowed, a limit relaxed, a rule
// dropped.
type Loosened struct {
	Seq  uint64        `json:"seq"`
	At   time.Time     `json:"at"` // when it came into force
	Kind evidence.Kind `json:"kind"`
	By   string        `json:"by,omitempty"` // user id of the process that loaded it; "" where the record does not say
	Says []string      `json:"loosens,omitempty"`
	// Rewritten are rules that say something else, of which it cannot be told
	// whether they ask for less.
	Rewritten []string `json:"rewritten,omitempty"`
}

// LoosenedBy reads what the facts of a platform.config or platform.catalog
// record loosen; false for another kind, and for one that loosens nothing.
func LoosenedBy(seq uint64, kind evidence.Kind, at time.Time, facts []byte) (Loosened, bool, error) {
	l := Loosened{Seq: seq, Kind: kind, At: at.UTC()}
	if kind != evidence.PlatformConfig && kind != evidence.PlatformCatalog {
		return l, false, nil
	}
	var f loosening
	if err := json.Unmarshal(facts, &f); err != nil {
		return l, false, fmt.Errorf("record %d: %w", seq, err)
	}
	l.By, l.Says = f.By, f.Loosens
	if kind == evidence.PlatformCatalog {
		l.Rewritten = f.Rewritten
	}
	return l, len(l.Says)+len(l.Rewritten) > 0, nil
}

// readLoosened keeps what a record of the range loosened. When it says that this
// happened does not matter: what is loosened after the period, and before the
// pack is made, loosens what the pack says of it.
func (l *learned) readLoosened(lf *chain.Leaf, plain []byte) (weight int, err error) {
	if lf.Seq < l.start {
		return 0, nil
	}
	c, err := openContent(plain)
	if err == nil {
		err = c.read(&loosening{})
	}
	if err != nil {
		return 0, err
	}
	x, yes, err := LoosenedBy(lf.Seq, lf.Kind, lf.Occurred, c.Facts)
	if yes {
		l.loosened = append(l.loosened, x)
	}
	return c.weight, err
}

// writeLoosened stages the register of what was loosened in the range.
func (w *writer) writeLoosened() error {
	if w.loosened == nil {
		w.loosened = []Loosened{}
	}
	return w.json(memberLoosened, w.loosened)
}

// checkLoosened makes the register again from the records.
func (v *verifier) checkLoosened() error {
	var list []Loosened
	if err := v.readMember(memberLoosened, &list); err != nil {
		return err
	}
	if !slices.EqualFunc(list, v.loosened, sameLoosened) {
		return fmt.Errorf("%s does not list exactly what loosened the evidence in the range: it has %d changes, the records %d", memberLoosened, len(list), len(v.loosened))
	}
	v.rep.Loosened = v.loosened
	return nil
}

func sameLoosened(a, b Loosened) bool {
	return a.Seq == b.Seq && a.At.Equal(b.At) && a.Kind == b.Kind && a.By == b.By && slices.Equal(a.Says, b.Says) && slices.Equal(a.Rewritten, b.Rewritten)
}
