package pack

import (
	"encoding/json"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// The rules in force are those of the newest record of the range: neither an older
// one there, nor one of before the range, behind which a newer could be hidden.
func TestRulesInForce(t *testing.T) {
	a, b, c := evidence.Hash{1}, evidence.Hash{2}, evidence.Hash{3}
	states := func(seq uint64, before, now evidence.Hash) stated {
		return stated{seq, catalogFacts{Catalog: now, Before: before}}
	}
	for _, tc := range []struct {
		name  string
		rules []stated
		want  uint64 // the record in force; 0 none
		err   string
	}{
		{"none", nil, 0, "no platform.catalog record stands in the range"},
		{"one of before the range alone", []stated{states(5, a, b)}, 0, "no platform.catalog record stands in the range"},
		{"the first there is", []stated{states(10, evidence.Hash{}, a)}, 10, ""},
		{"the newest of two", []stated{states(10, a, a), states(12, a, b)}, 12, ""},
		{"stated again", []stated{states(5, a, b), states(20, b, b)}, 20, ""},
		{"one between them is missing", []stated{states(5, a, b), states(20, c, c)}, 0, "a change of the rules is missing"},
		{"one within the range is missing", []stated{states(12, a, b), states(20, c, a)}, 0, "record 20 says that catalog 03"},
		// Records that a finding cites stand in the pack one by one, without
		// those between them.
		{"several of before the range", []stated{states(2, a, b), states(5, c, a), states(20, a, a)}, 20, ""},
	} {
		l := newLearned(10)
		l.rules = tc.rules
		s, err := l.inForce()
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: got %v, want %q", tc.name, err, tc.err)
			}
			continue
		}
		if err != nil || s.seq != tc.want {
			t.Errorf("%s: got %+v, %v, want record %d", tc.name, s, err, tc.want)
		}
	}
}

// What a newer pack shows of the rules before its range is not older than what an
// earlier pack was judged by.
func TestRulesGoOn(t *testing.T) {
	first := stated{12, catalogFacts{Catalog: evidence.Hash{2}}}
	later := stated{12, catalogFacts{Catalog: evidence.Hash{2}, Before: evidence.Hash{1}}}
	before := func(seq uint64) stated { return stated{seq, catalogFacts{Catalog: evidence.Hash{1}}} }
	for _, tc := range []struct {
		name  string
		rules []stated
		known uint64
		want  string
	}{
		{"the same record", []stated{before(5), later}, 5, ""},
		{"a newer one", []stated{before(7), later}, 5, ""},
		{"in the range", []stated{first}, 12, ""},
		{"an older one", []stated{before(3), later}, 5, "record 3 is shown"},
		{"none, and none is said to have been", []stated{first}, 5, "record 12 says that there were none"},
		{"none, since its segment was dropped", []stated{later}, 5, ""},
	} {
		l := newLearned(10)
		l.rules = tc.rules
		err := l.rulesGoOn(tc.known)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// What a record says of the rules it says to every reader.
func TestRulesAreReadOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		plain string
		want  bool
	}{
		"as it is":         {`{"key":"k","facts":{"controls":1}}`, true},
		"a fact twice":     {`{"key":"k","facts":{"controls":1,"controls":2}}`, false},
		"in another case":  {`{"key":"k","facts":{"controls":1,"Controls":2}}`, false},
		"no facts at all":  {`{"key":"k"}`, false},
		"facts of a word":  {`{"key":"k","facts":"all"}`, false},
		"another content":  {`[]`, false},
		"facts twice":      {`{"facts":{},"facts":{}}`, false},
		"a hash too short": {`{"facts":{"table":"00"}}`, false},
	} {
		l := newLearned(0)
		err := l.read(&chain.Leaf{Seq: 3, Kind: evidence.PlatformCatalog}, disclosed{Seq: 3, Name: "content", Plain: []byte(tc.plain)})
		if (err == nil) != tc.want || len(l.rules) > 0 != tc.want {
			t.Errorf("%s: %v, %d read", name, err, len(l.rules))
		}
	}
}

// A pack whose table is that of another catalog does not verify, nor one whose
// table is spelled in another way and means the same.
func TestTableOfAnotherCatalog(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(c *evidence.RuleTable)
	}{
		{"an act less", func(c *evidence.RuleTable) { c.Controls = c.Controls[:len(c.Controls)/2] }},
		{"for premium tenants alone", func(c *evidence.RuleTable) { c.Controls[0].Tiers = []string{"premium"} }},
		{"for banks alone", func(c *evidence.RuleTable) { c.Controls[0].Entities = []string{"bank"} }},
		{"over before the period", func(c *evidence.RuleTable) { c.Controls[0].ValidTo = "2026-01-01" }},
		{"a rule of another day", func(c *evidence.RuleTable) { c.Tests[0].Rule[0] ^= 1 }},
		{"unsorted", func(c *evidence.RuleTable) { c.Tests[0], c.Tests[1] = c.Tests[1], c.Tests[0] }},
	} {
		u := unpack(t)
		c := catalogOf(t, u)
		tc.change(c)
		var err error
		if u.members[memberCatalog], err = json.Marshal(c); err != nil {
			t.Fatal(err)
		}
		if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), "another table than that of the catalog in force: record ") {
			t.Errorf("%s: got %v", tc.name, err)
		}
	}
	u := unpack(t)
	u.members[memberCatalog] = []byte(strings.Replace(string(u.members[memberCatalog]), `"severity": "high"`, `"severity": "hig\u0068"`, 1))
	if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), "another table") {
		t.Errorf("spelled in another way: got %v", err)
	}
}
