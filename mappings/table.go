package mappings

import "evidenced/evidence"

// Table lists every pair of control and test of the catalog, and to whom the
// controls apply, in its one order: what a pack shows so that none is left out.
func (c *Catalog) Table() *evidence.RuleTable {
	t := &evidence.RuleTable{Controls: []evidence.TableControl{}, Tests: []evidence.TableTest{}}
	for _, x := range c.controls {
		row := evidence.TableControl{Control: x.ID, Article: x.Reference(), Severity: x.Severity, InForce: x.InForceSince, Applicability: x.applicability()}
		for _, r := range x.Tests {
			row.Tests = append(row.Tests, evidence.TableRef{Test: r.Test.ID, Strength: r.Strength})
		}
		t.Controls = append(t.Controls, row)
	}
	for _, x := range c.tests {
		t.Tests = append(t.Tests, evidence.TableTest{Test: x.ID, Rule: x.hash})
	}
	t.Sort()
	return t
}

func (c *Control) applicability() evidence.Applicability {
	return evidence.Applicability{Tiers: c.Tiers, Tags: c.Tags, Entities: c.Entities, ValidFrom: c.ValidFrom, ValidTo: c.ValidTo}
}

// Fewer says of which controls of the catalog a tenant that was one thing and is
// another is judged no more.
func (c *Catalog) Fewer(was, is *evidence.Tenancy, wasOf, isOf []string) []evidence.ControlID {
	var lost []evidence.ControlID
	for _, x := range c.controls {
		a := x.applicability()
		if a.Out(was) == "" && a.Binds(wasOf) && (a.Out(is) != "" || !a.Binds(isOf)) {
			lost = append(lost, x.ID)
		}
	}
	return lost
}
