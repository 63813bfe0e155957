package collectortest

import (
	"regexp"
	"strings"
	"testing"

	"evidenced/collectors"
	"evidenced/evidence"
)

// Apart plants the names of another tenant at every string of a source that both
// share.
type Apart struct {
	// These are as those of [Planting].
	Suite
	Lines []string
	Write func(lines []string)
	Edit  func(conversation string) string
	Only  []string
	Whole []string
	Told  map[string]string
	// Sentences are as those of [Planting]: there the names stand among other words.
	Sentences []string
	// Own is what the rules give to tenant-7, Other what they give to the other.
	Own, Other collectors.Owns
	// Names are the other's: what is planted, and looked for.
	Names []string
}

// Run fails where a record of tenant-7 holds a name of the other. Each is planted
// alone, and one with the others in a sentence, in JSON within a string and in an
// address.
func (a Apart) Run(t *testing.T) {
	t.Helper()
	tenant := func(name string) evidence.Tenant {
		x, err := evidence.ParseTenant(name)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	quoted := make([]string, len(a.Names))
	for i, n := range a.Names {
		quoted[i] = regexp.QuoteMeta(n)
	}
	first, of := a.Names[0], tenant("tenant-7")
	Planting{
		Suite: a.Suite, Lines: a.Lines, Write: a.Write, Edit: a.Edit, Told: a.Told, Only: a.Only, Of: of, Whole: a.Whole, Names: len(a.Names), Sentences: a.Sentences, Spoken: 2,
		Rules: []collectors.TenantRules{{Tenant: of, Owns: []collectors.Owns{a.Own}}, {Tenant: tenant("other"), Owns: []collectors.Owns{a.Other}}},
		Holds: regexp.MustCompile(strings.Join(quoted, "|")).FindString,
		Texts: func(was string) []string {
			return append([]string{
				was + " as in " + strings.Join(a.Names, ", ") + ": denied", `{"m":"not as\n` + first + `"}`,
				"https://x.example.test/" + first + "/?q=%22" + strings.ReplaceAll(first, "/", "%2F") + "%22",
			}, a.Names...)
		},
	}.Run(t)
}
