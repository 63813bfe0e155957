package pack

import (
	"fmt"
	"slices"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// readErasure keeps which keys were destroyed.
func (l *learned) readErasure(plain []byte) (weight int, err error) {
	var f erasureFacts
	if weight, err = weighFacts(plain, &f); err != nil {
		return 0, err
	}
	for _, id := range f.Keys {
		l.erased[id] = true
	}
	return weight, nil
}

// opened reports whether a claim of a record is disclosed.
func opened(name string, ds []disclosed) bool {
	return slices.ContainsFunc(ds, func(d disclosed) bool { return d.Name == name })
}

// countErased counts the claims of a record that are not disclosed and of which a
// key was destroyed, as a record of the pack says.
func (v *verifier) countErased(lf *chain.Leaf, ds []disclosed) {
	for _, c := range lf.Claims {
		if !opened(c.Name, ds) && slices.ContainsFunc(c.Keys, func(id string) bool { return v.erased[id] }) {
			v.gone++
		}
	}
}

// compareErased holds the manifest's count of erased claims against the keys that
// records say were destroyed. Such a claim may also be withheld.
func (v *verifier) compareErased() error {
	if v.m.Erased > v.gone {
		return fmt.Errorf("the manifest says that %d claims are erased, by the erasure records of the pack at most %d can be", v.m.Erased, v.gone)
	}
	return nil
}

// shuts notes a record whose content is not disclosed: no finding may count it.
func (v *verifier) shuts(lf *chain.Leaf, ds []disclosed) {
	if lf.Kind != evidence.PersonKnown && !opened("content", ds) {
		v.seqs.shut(lf.Seq)
	}
}
