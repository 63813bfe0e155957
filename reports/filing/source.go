package filing

import (
	"cmp"
	"slices"
	"strings"

	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
)

// from names the records that a field's value stands on: those of the acts that
// set it, and those of evidence that it was filled from. Each once, ascending.
func (v *values) from(it *notice.Item) (set, evidence []uint64) {
	set = v.byActs(it)
	for _, path := range v.paths(it) {
		if seq, ok := v.inc.Set[path]; ok {
			set = append(set, seq)
		}
		evidence = append(evidence, v.inc.Filled[path]...)
	}
	slices.Sort(set)
	slices.Sort(evidence)
	return slices.Compact(set), slices.Compact(evidence)
}

// paths are the fields of the record that the value is made of. Where one of
// several is enough, it is the one that was taken.
func (v *values) paths(it *notice.Item) []string {
	f := &v.inc.Fields
	switch v.annexI(it) {
	case "1.3":
		if f.Reporter.LEI != "" {
			return []string{"reporter.lei"}
		}
		return []string{"reporter.code"}
	case "3.3":
		if !f.Times.Recovered.IsZero() {
			return []string{"times.recovered"}
		}
		return []string{"times.restored"}
	case "4.6":
		return []string{"narrative.resolution", "narrative.lessons"}
	}
	return it.Fields
}

// annexI is the number of the field in Annex I: of a threat's template, that of
// the field that stands on the same; empty where there is none.
func (v *values) annexI(it *notice.Item) string {
	if v.stage != deadline.DORAThreat {
		return it.Number
	}
	return map[string]string{"2": "1.3", "6": "1.7", "7": "1.8", "8": "1.9", "9": "1.10", "10": "1.11", "11": "1.12", "12": "2.2"}[it.Number]
}

// byActs are the records of acts of their own kind, which set no field:
// awareness, classification, contacts, and the receipt that gave a code.
func (v *values) byActs(it *notice.Item) []uint64 {
	if it.Acts == nil {
		return nil
	}
	switch v.annexI(it) {
	case "2.2":
		if m, ok := v.inc.AwareSince("dora"); ok {
			return []uint64{m.Seq}
		}
	case "2.3", "2.5":
		if d, ok := v.inc.Reported(); ok {
			return []uint64{d.Seq}
		}
	case "3.1":
		if v.inc.Fields.Identity.Authority == "" {
			return v.receipt()
		}
	case "1.7", "1.8", "1.9":
		if c, ok := v.inc.Contacts["primary"]; ok {
			return []uint64{c.Seq}
		}
	case "1.10", "1.11", "1.12":
		if c, ok := v.inc.Contacts["secondary"]; ok {
			return []uint64{c.Seq}
		}
	}
	return nil
}

// receipt is the record of the receipt that authorityCode reads.
func (v *values) receipt() []uint64 {
	for _, s := range v.inc.Sent(string(deadline.DORAInitial)) {
		for _, r := range s.Receipts {
			if r.Reference != "" {
				return []uint64{r.Seq}
			}
		}
	}
	return nil
}

// why says of a field without a value why it has none.
func (f *Filing) why(it *notice.Item, need notice.Need) string {
	if open := f.openBecause(it.Number, it.Name); open != "" {
		return open
	}
	switch need {
	case notice.NotAsked:
		return "not asked for at this stage"
	case notice.Conditional:
		return "needed only if " + strings.TrimSuffix(cmp.Or(it.If, "it applies"), ".")
	}
	return "answered elsewhere"
}
