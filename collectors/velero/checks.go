package velero

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// proofs are the ended checks that were seen in this process, by the restore's
// uid or name that they carry.
type proofs map[string]map[string]evidence.RestoreProof

// Bounds of what is kept of checks.
const (
	maxProofs = 10000 // values
	maxChecks = 50    // of one test
)

func (p proofs) put(value, id string, one evidence.RestoreProof) {
	if p[value] == nil {
		if len(p) >= maxProofs {
			return
		}
		p[value] = map[string]evidence.RestoreProof{}
	}
	p[value][id] = one
}

// trim forgets checks that ended before the instant, when there are many.
func (p proofs) trim(before time.Time) {
	if len(p) < maxProofs/2 {
		return
	}
	for value, m := range p {
		for id, one := range m {
			if one.At.Before(before) {
				delete(m, id)
			}
		}
		if len(m) == 0 {
			delete(p, value)
		}
	}
}

// names returns what an object carries under the keys of checks.
func (c *collector) names(o *kube.Object) []string {
	var values []string
	for _, k := range c.cfg.Checks.Keys {
		for _, v := range []string{o.Labels[k], o.Annotations[k]} {
			if v != "" && !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
	}
	return values
}

// job reads an ended Job that names a restore.
func (c *collector) job(o *kube.Object) error {
	values := c.names(o)
	if len(values) == 0 {
		return nil
	}
	var v jobObject
	if err := o.Decode(&v); err != nil {
		return err
	}
	for _, cond := range v.Status.Conditions {
		if cond.Status != "True" || cond.Type != "Complete" && cond.Type != "Failed" {
			continue
		}
		at := cond.Transition.Time
		if !v.Status.Completion.IsZero() {
			at = v.Status.Completion.Time
		}
		for _, value := range values {
			c.proofs.put(value, o.UID, evidence.RestoreProof{What: "job", Name: o.Namespace + "/" + o.Name, Passed: cond.Type == "Complete", At: at})
		}
	}
	return nil
}

// workflow reads the ended nodes of a Workflow that names a restore. The
// workflow may hold the restore itself: only nodes that the configuration calls
// checks count, and none that took the outcome of an earlier run from a cache: that
// one saw another restore.
func (c *collector) workflow(o *kube.Object) error {
	values := c.names(o)
	if len(values) == 0 {
		return nil
	}
	var v workflowObject
	if err := o.Decode(&v); err != nil {
		return err
	}
	if s := &v.Status; len(s.Nodes) == 0 && (s.Compressed != "" || s.Offloaded != "") {
		for _, value := range values {
			if len(c.hidden) < maxProofs {
				c.hidden[value] = true
			}
		}
	}
	names := map[string]string{} // of nodes, by their ids
	alike := map[string]int{}
	for id, n := range v.Status.Nodes {
		names[id] = called(n.Name, n.DisplayName, v.Status.Nodes[n.BoundaryID].Name)
		if n.Type == "Pod" {
			alike[names[id]]++
		}
	}
	for id, n := range v.Status.Nodes {
		if n.Type != "Pod" || n.Memo.Hit || !fitsAny(c.cfg.Checks.Nodes, n.TemplateName) && !fitsAny(c.cfg.Checks.Nodes, n.DisplayName) {
			continue
		}
		passed := n.Phase == "Succeeded"
		if !passed && n.Phase != "Failed" && n.Phase != "Error" {
			continue
		}
		name := o.Namespace + "/" + o.Name + "/" + names[id]
		if alike[names[id]] > 1 { // in parts of the workflow that are alike: each is a check
			name += " (" + id + ")"
		}
		for _, value := range values {
			c.proofs.put(value, o.UID+"/"+id, evidence.RestoreProof{
				What: "workflow node", Name: name, UID: o.UID, Passed: passed, At: n.FinishedAt.Time,
			})
		}
	}
	return nil
}

// What stands between the name of a node and that of the one it is a part of, and
// behind the number of one that was made for an item of a list.
var (
	separator = regexp.MustCompile(`^(?:\[\d+\])?\.`)
	ofItem    = regexp.MustCompile(`\((\d+):.*\)`)
)

// called is what a node is called, as the collector of workflows has it: without
// the item, which is a value, and not by a name that its template made of values to
// show it under.
func called(name, shown, whole string) string {
	if name != "" && !strings.HasSuffix(name, shown) {
		shown = separator.ReplaceAllString(strings.TrimPrefix(name, whole), "")
	}
	return ofItem.ReplaceAllString(shown, "($1)")
}

// checksOf adds to the test the checks that name its restore and ended after
// it did. A name may be used again: a check that carries the name alone counts
// for the newest restore of the name that had ended before it.
func (c *collector) checksOf(t *test) {
	r := &t.Restore
	if r.End.IsZero() {
		return
	}
	add := func(one evidence.RestoreProof) {
		if one.At.Before(r.End) {
			return
		}
		i := slices.IndexFunc(t.Checks, func(p evidence.RestoreProof) bool { return p.What == one.What && p.Name == one.Name })
		switch {
		case i >= 0:
			t.Checks[i] = one
		case len(t.Checks) < maxChecks:
			t.Checks = append(t.Checks, one)
		}
	}
	t.Hidden = t.Hidden || c.hidden[r.UID] || c.hidden[r.Name]
	for _, one := range c.proofs[r.UID] {
		add(one)
	}
	for _, one := range c.proofs[r.Name] {
		if !c.reused(r, one.At) {
			add(one)
		}
	}
	slices.SortFunc(t.Checks, func(a, b evidence.RestoreProof) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Name, b.Name), cmp.Compare(a.What, b.What))
	})
}

// reused reports whether another restore had taken the name and ended between
// the restore and the instant.
func (c *collector) reused(r *restoreSum, at time.Time) bool {
	for _, o := range c.memory.Tests {
		if o := &o.Restore; o.UID != r.UID && o.Name == r.Name && o.End.After(r.End) && !o.End.After(at) {
			return true
		}
	}
	return false
}
