package mappings

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// maxBundle bounds what is read back, in bytes.
const maxBundle = 16 << 20

// bundle is how the files of a catalog are kept in a record.
type bundle struct {
	Files []bundled `json:"files"`
}

type bundled struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Bundle returns all files of the catalog as one JSON text, for
// [ParseBundle].
func (c *Catalog) Bundle() ([]byte, error) {
	var b bundle
	for _, f := range c.files {
		b.Files = append(b.Files, bundled{f.Name, string(f.Data)})
	}
	return json.Marshal(b)
}

// ParseBundle reads a catalog back. The rules are compiled by this program, so
// one that uses a view or a field that is gone is a fault.
func ParseBundle(text []byte) (*Catalog, error) {
	if len(text) > maxBundle {
		return nil, problem.New(problem.Config, "catalog of %d bytes, at most %d", len(text), maxBundle)
	}
	var b bundle
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, problem.Wrap(problem.Corrupt, err, "kept catalog")
	}
	var files []File
	for _, f := range b.Files {
		files = append(files, File{f.Name, []byte(f.Text)})
	}
	return parse(files)
}

// Compare says what of a catalog is another than before, which of it loosens
// what is judged (a rule dropped, less asked of one, fewer items looked at), and
// which rules say something else of which that cannot be told by their form.
func Compare(before, after *Catalog) (changed, loosen, rewritten []string) {
	say := func(format string, args ...any) { changed = append(changed, fmt.Sprintf(format, args...)) }
	weaker := func(format string, args ...any) { loosen = append(loosen, fmt.Sprintf(format, args...)) }
	for _, old := range before.tests {
		i := slices.IndexFunc(after.tests, func(t *Test) bool { return t.ID == old.ID })
		if i < 0 {
			say("test %s is gone", old.ID)
			weaker("test %s was dropped", old.ID)
			continue
		}
		young := after.tests[i]
		if old.hash == young.hash {
			continue
		}
		say("test %s changed", old.ID)
		if young.Freshness > old.Freshness {
			weaker("test %s accepts evidence as old as %s instead of %s", old.ID, human(young.Freshness), human(old.Freshness))
		}
		if young.Least.Rank() < old.Least.Rank() {
			weaker("test %s accepts coverage of class %s instead of %s", old.ID, young.Least, old.Least)
		}
		if old.Window == 0 && young.Window > 0 || young.Window > 0 && young.Window < old.Window {
			weaker("test %s looks back less far", old.ID)
		}
		if old.Empty != evidence.Satisfied && young.Empty == evidence.Satisfied {
			weaker("test %s is content when there is nothing", old.ID)
		}
		if (old.Empty == evidence.Gap || old.Empty == evidence.NotApplicable) && young.Empty == evidence.NotObserved {
			weaker("test %s misses nothing when there is nothing", old.ID)
		}
		if young.Optional && !old.Optional {
			weaker("test %s says nothing beside others while no source is configured for it", old.ID)
		}
		if young.Threshold > old.Threshold {
			weaker("test %s names %g %% of failed items as its threshold instead of %g %%", old.ID, young.Threshold, old.Threshold)
		}
		l, r := asksLess(old, young)
		loosen, rewritten = append(loosen, l...), append(rewritten, r...)
	}
	for _, young := range after.tests {
		if !slices.ContainsFunc(before.tests, func(t *Test) bool { return t.ID == young.ID }) {
			say("test %s is new", young.ID)
		}
	}
	for _, old := range before.controls {
		young, ok := after.Control(old.ID)
		if !ok {
			say("control %s is gone", old.ID)
			weaker("control %s was dropped", old.ID)
			continue
		}
		for _, ref := range old.Tests {
			if !slices.ContainsFunc(young.Tests, func(r TestRef) bool { return r.Test.ID == ref.Test.ID }) {
				say("control %s no longer has test %s", old.ID, ref.Test.ID)
				weaker("control %s is no longer tested by %s", old.ID, ref.Test.ID)
			}
		}
		switch {
		case (len(young.Tiers) > 0 || len(young.Tags) > 0) && (len(old.Tiers) == 0 && len(old.Tags) == 0):
			weaker("control %s no longer applies to every tenant", old.ID)
		case fewer(old.Tiers, young.Tiers) || fewer(old.Tags, young.Tags):
			weaker("control %s applies to fewer tenants", old.ID)
		}
		if worse := slices.Index(Severities, young.Severity); worse > slices.Index(Severities, old.Severity) {
			weaker("control %s is of severity %s instead of %s", old.ID, young.Severity, old.Severity)
		}
		switch lost := slices.DeleteFunc(slices.Clone(old.Entities), func(s string) bool { return slices.Contains(young.Entities, s) }); {
		case len(young.Entities) == 0:
		case len(old.Entities) == 0:
			weaker("control %s no longer binds every sort of entity", old.ID)
		case len(lost) > 0:
			weaker("control %s no longer binds %s", old.ID, strings.Join(lost, ", "))
		}
	}
	for _, young := range after.controls {
		if _, ok := before.Control(young.ID); !ok {
			say("control %s is new", young.ID)
		}
	}
	return changed, loosen, rewritten
}

// fewer reports whether a list that narrows lost something, or came to be.
func fewer(old, young []string) bool {
	if len(young) == 0 {
		return false
	}
	return len(old) == 0 || slices.ContainsFunc(old, func(s string) bool { return !slices.Contains(young, s) })
}

// asksLess compares what a test looks at and what it asks of it.
func asksLess(old, young *Test) (loosen, rewritten []string) {
	if old.View != young.View {
		return nil, []string{fmt.Sprintf("test %s looks at the view %s instead of %s", old.ID, young.View, old.View)}
	}
	switch relate(old.Population, young.Population) {
	case tighter:
		loosen = append(loosen, fmt.Sprintf("test %s looks at fewer items: %s instead of %s", old.ID, quote(young.Population), quote(old.Population)))
	case other:
		rewritten = append(rewritten, fmt.Sprintf("test %s chooses its items by %s instead of %s", old.ID, quote(young.Population), quote(old.Population)))
	}
	switch relate(old.Assertion, young.Assertion) {
	case looser:
		loosen = append(loosen, fmt.Sprintf("test %s asks for less: %s instead of %s", old.ID, quote(young.Assertion), quote(old.Assertion)))
	case other:
		rewritten = append(rewritten, fmt.Sprintf("test %s asks for %s instead of %s", old.ID, quote(young.Assertion), quote(old.Assertion)))
	}
	return loosen, rewritten
}

// quote shows a rule in one short line.
func quote(rule string) string {
	s := strings.Join(strings.Fields(rule), " ")
	if s == "" || s == "true" {
		return "no filter"
	}
	if r := []rune(s); len(r) > 160 {
		s = string(r[:159]) + "\u2026"
	}
	return "\"" + s + "\""
}
