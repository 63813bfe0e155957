package pack

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// stated is what a platform.catalog record says of the rules.
type stated struct {
	seq uint64
	catalogFacts
}

// readRules keeps what a record says of the rules.
func (l *learned) readRules(lf *chain.Leaf, plain []byte) (weight int, err error) {
	s := stated{seq: lf.Seq}
	if weight, err = weighFacts(plain, &s.catalogFacts); err != nil {
		return 0, err
	}
	if n := len(s.Entities); n > mostSaid || s.Tenancy != nil && len(s.Tenancy.Tags) > mostSaid {
		return 0, fmt.Errorf("it says more than %d things of what the tenant is", mostSaid)
	}
	l.rules = append(l.rules, s)
	return weight, nil
}

// mostSaid bounds the tags of a tenant and the sorts of entities that it is, which
// are held against those of every control.
const mostSaid = 1000

// inForce returns the newest record of the range that states the rules. One of
// before the range does not do, since nothing would show that none came after it.
// The records that are there must follow one another.
func (l *learned) inForce() (*stated, error) {
	for i := 1; i < len(l.rules); i++ {
		if was, is := &l.rules[i-1], &l.rules[i]; is.seq >= l.start && is.Before != was.Catalog {
			return nil, fmt.Errorf("record %d says that catalog %s was in force before it, record %d that it was %s: a change of the rules is missing", is.seq, is.Before, was.seq, was.Catalog)
		}
	}
	if n := len(l.rules); n > 0 && l.rules[n-1].seq >= l.start {
		return &l.rules[n-1], nil
	}
	return nil, fmt.Errorf("no %s record stands in the range: nothing shows by which rules the tenant is judged", evidence.PlatformCatalog)
}

// rulesBefore is the newest record of before the range that states the rules, 0
// when the pack has none.
func (l *learned) rulesBefore() uint64 {
	seq := uint64(0)
	for _, s := range l.rules {
		if s.seq < l.start {
			seq = s.seq
		}
	}
	return seq
}

// rulesGoOn holds what a pack says of the rules before its range against an older
// pack, which knows a record that stated them.
func (l *learned) rulesGoOn(known uint64) error {
	if known >= l.start {
		return nil // it stands in the range, where each follows on the one before
	}
	shown := l.rulesBefore()
	first := slices.IndexFunc(l.rules, func(s stated) bool { return s.seq >= l.start })
	switch {
	case shown == 0 && first >= 0 && l.rules[first].Before.IsZero():
		return fmt.Errorf("two stories of the rules: record %d says that there were none before it, but the earlier pack was judged by those of record %d", l.rules[first].seq, known)
	case shown != 0 && shown < known:
		return fmt.Errorf("two stories of the rules: record %d is shown as what stated them before the range, but the earlier pack was judged by those of record %d", shown, known)
	}
	return nil
}

// ruled is what the catalog in force says of a pair of control and test.
type ruled struct {
	*evidence.TableControl
	strength string
	out      string // why it is left out, "" when it is judged
	binds    bool   // the tenant is one of those whose duty it is
}

// ruling is what the catalog in force says, for the tenant and the period.
type ruling struct {
	seq    uint64 // of the record that states it
	pairs  map[pair]ruled
	rules  map[string]evidence.Hash // of tests
	judged []Judged                 // what judged.json must say
}

// rule works out what a table says for what the record says the tenant is.
func rule(t *evidence.RuleTable, s *stated, period evidence.Period) ruling {
	r := ruling{seq: s.seq, pairs: map[pair]ruled{}, rules: map[string]evidence.Hash{}, judged: []Judged{}}
	by := map[string]*Judged{}
	for _, x := range t.Tests {
		r.rules[x.Test], by[x.Test] = x.Rule, &Judged{Test: x.Test, Controls: []evidence.ControlID{}}
	}
	for i := range t.Controls {
		c := &t.Controls[i]
		out := c.Out(s.Tenancy)
		if out == "" && !c.StandsOver(period) {
			out = evidence.OutByWording
		}
		for _, ref := range c.Tests {
			r.pairs[pair{c.Control, ref.Test}] = ruled{c, ref.Strength, out, c.Binds(s.Entities)}
			if j := by[ref.Test]; out == "" {
				j.Controls = append(j.Controls, c.Control)
			} else {
				j.LeftOut = append(j.LeftOut, LeftOut{c.Control, out})
			}
		}
	}
	for _, x := range t.Tests {
		if j := by[x.Test]; len(j.Controls)+len(j.LeftOut) > 0 {
			r.judged = append(r.judged, *j)
		}
	}
	return r
}

// writeCatalog stages the table of the catalog in force and what of it was
// judged, and refuses findings that a verifier would not take for theirs.
func (w *writer) writeCatalog() error {
	s, err := w.inForce()
	if err != nil {
		return err
	}
	if w.in.Catalog == nil || w.in.Catalog.Hash() != s.Table {
		return fmt.Errorf("record %d states other rules than those that the findings are of", s.seq)
	}
	r := rule(w.in.Catalog, s, w.m.Period)
	if err := onePerPair(r.judged, w.in.Findings); err != nil {
		return err
	}
	if err := w.json(memberCatalog, w.in.Catalog); err != nil {
		return err
	}
	return w.json(memberJudged, r.judged)
}

// readCatalog holds the table against the record in force.
func (v *verifier) readCatalog() error {
	s, err := v.inForce()
	if err != nil {
		return err
	}
	b, err := v.small(memberCatalog)
	if err != nil {
		return err
	}
	var t evidence.RuleTable
	if err := strict(memberCatalog, b, &t); err != nil {
		return err
	}
	sum, err := textHash(b)
	if err != nil {
		return fmt.Errorf("member %s: %w", memberCatalog, err)
	}
	if sum != s.Table {
		return fmt.Errorf("%s is another table than that of the catalog in force: record %d states %s, this one is %s", memberCatalog, s.seq, s.Table, sum)
	}
	if err := t.Check(); err != nil {
		return fmt.Errorf("member %s: %w", memberCatalog, err)
	}
	v.catalog = rule(&t, s, v.m.Period)
	v.rep.Rules = RulesInForce{
		Record: s.seq, Catalog: s.Catalog, Controls: len(t.Controls), Tenancy: s.Tenancy, Entities: s.Entities,
		Before: v.rulesBefore(),
	}
	return nil
}

// textHash is the SHA-256 of JSON without the white space between its parts.
func textHash(text []byte) (evidence.Hash, error) {
	var canonical bytes.Buffer
	if err := json.Compact(&canonical, text); err != nil {
		return evidence.Hash{}, err
	}
	return sha256.Sum256(canonical.Bytes()), nil
}

// ruledBy requires that rules.json holds just the tests that are judged, each as
// the catalog in force has it.
func (v *verifier) ruledBy(rules map[string]testRule) error {
	for _, id := range slices.Sorted(maps.Keys(rules)) {
		if want, ok := v.catalog.rules[id]; !ok || want != rules[id].hash {
			return fmt.Errorf("test %s of %s is not that of the catalog in force, which record %d states", id, memberRules, v.catalog.seq)
		}
	}
	for _, j := range v.catalog.judged {
		if _, ok := rules[j.Test]; ok != (len(j.Controls) > 0) {
			return fmt.Errorf("test %s was judged for %d controls, and stands among the rules: %t", j.Test, len(j.Controls), ok)
		}
	}
	return nil
}

// RulesInForce says by which rules the tenant was judged, as a record of the
// range states them.
type RulesInForce struct {
	Record   uint64            `json:"record"`
	Catalog  evidence.Hash     `json:"catalog"`
	Controls int               `json:"controls"` // all of the catalog, those without tests too
	Tenancy  *evidence.Tenancy `json:"tenancy,omitempty"`
	Entities []string          `json:"entities,omitempty"`
	// Before is the newest record of before the range, which those of the range
	// follow on; 0 when the pack has none.
	Before uint64 `json:"before,omitempty"`
}
