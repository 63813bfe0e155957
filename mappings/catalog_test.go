package mappings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
)

func TestBuiltin(t *testing.T) {
	c := mustLoad(t)
	tested, kinds, used := 0, map[string]bool{}, map[string]bool{}
	acts := map[string]int{}
	for _, ctl := range c.Controls() {
		acts[ctl.Act.Name]++
		if len(ctl.Tests) > 0 {
			tested++
		}
		for _, r := range ctl.Tests {
			used[r.Test.ID] = true
			for _, k := range r.Test.Needs() {
				kinds[strings.SplitN(string(k), ".", 2)[0]] = true
			}
		}
	}
	if tested < 15 || len(used) < 12 {
		t.Errorf("got %d controls with tests and %d tests in use, want at least 15 and 12", tested, len(used))
	}
	for _, id := range unusedTests(c) {
		t.Errorf("no control uses test %s", id)
	}
	for _, k := range []string{"change", "deploy", "secret", "cert"} {
		if !kinds[k] {
			t.Errorf("no test looks at %s.*", k)
		}
	}
	t.Logf("%d controls with tests, %d tests, controls by act: %v", tested, len(used), acts)
}

func unusedTests(c *Catalog) (ids []string) {
	used := map[*Test]bool{}
	for _, ctl := range c.Controls() {
		for _, r := range ctl.Tests {
			used[r.Test] = true
		}
	}
	for _, x := range c.Tests() {
		if !used[x] {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// TestWording keeps to the rule that findings say what evidence supports.
func TestWording(t *testing.T) {
	bad := regexp.MustCompile(`(?i)complian|certif(y|ied)\b|guarantee`)
	for _, f := range mustLoad(t).Files() {
		if m := bad.Find(f.Data); m != nil {
			t.Errorf("%s says %q", f.Name, m)
		}
	}
}

// TestLaws holds what the catalogs promise: each law has enough controls that
// real tests answer, and the rest says which source would.
func TestLaws(t *testing.T) {
	c := mustLoad(t)
	laws := map[string]string{"gdpr": "GDPR", "nis2": "NIS-2", "nis2ir": "NIS-2", "dora": "DORA", "dora1774": "DORA", "cra": "CRA", "dataact": "Data Act"}
	answered, carried, all := map[string]int{}, map[string]int{}, 0
	for _, ctl := range c.Controls() {
		law := laws[ctl.Act.ID]
		if law == "" {
			t.Errorf("%s is of an act that this test does not know", ctl.ID)
		}
		if ctl.Act.TextRead == "" || ctl.Act.CELEX == "" || ctl.Act.Language == "" || len(ctl.Entities) == 0 {
			t.Errorf("%s: its act lacks the CELEX number, the entities, or when and in which language the text was read", ctl.ID)
		}
		if ctl.Unanswered() {
			continue
		}
		all++
		answered[law]++
		for _, r := range ctl.Tests {
			if r.Strength != Supporting {
				carried[law]++
				break
			}
		}
	}
	for law, n := range answered {
		if n < 10 || carried[law] < 9 {
			t.Errorf("%s: %d controls have tests, %d of them more than supporting ones; want 10 and 9", law, n, carried[law])
		}
	}
	if len(answered) != 5 || all < 60 {
		t.Errorf("%d controls of %d laws have tests, want 60 of 5", all, len(answered))
	}
	t.Logf("controls %d, with tests %d: %v, not by supporting tests alone: %v", len(c.Controls()), all, answered, carried)
}

// TestForces holds since when the laws apply, and that what does not apply yet
// is told apart by the period judged.
func TestForces(t *testing.T) {
	c := mustLoad(t)
	for id, since := range map[evidence.ControlID]string{
		"gdpr-art-32-1-a": "2018-05-25", "nis2-art-21-2-c": "2024-10-18", "nis2ir-4-2-6": "2024-11-07", "dora-art-12-2": "2025-01-17",
		"dora1774-art-17-1-b": "2025-01-17", "cra-annex1-2-1": "2027-12-11", "cra-art-13-9": "2027-12-11", "cra-art-14-2": "2026-09-11",
		"dataact-art-25-2-g": "2025-09-12",
	} {
		ctl, ok := c.Control(id)
		if !ok || ctl.InForceSince != since {
			t.Errorf("%s: got %+v, want one in force since %s", id, ctl, since)
			continue
		}
		begin := evidence.Day(since)
		for _, tt := range []struct {
			from, to time.Duration
			want     Force
			note     string
		}{
			{-48 * time.Hour, -24 * time.Hour, Preparing, "no breach"},
			{-24 * time.Hour, 0, Preparing, "no breach"},
			{-24 * time.Hour, 1, InForce, "within the period"},
			{0, time.Hour, InForce, ""},
		} {
			p := evidence.Period{From: begin.Add(tt.from), To: begin.Add(tt.to)}
			if got := ctl.ForceOver(p); got != tt.want {
				t.Errorf("%s over %s: got %s, want %s", id, p, got, tt.want)
			}
			note := ctl.forceNote(p)
			if (tt.want == Preparing) != strings.HasPrefix(note, " Preparation, no breach: ") || tt.note == "" && note != "" || tt.note == "within the period" && !strings.Contains(note, tt.note) {
				t.Errorf("%s over %s: note %q", id, p, note)
			}
		}
		if ctl.ForceAt(begin.Add(-1)) != Preparing || ctl.ForceAt(begin) != InForce {
			t.Errorf("%s does not begin to apply at %s", id, begin)
		}
	}
}

// lawNumbers are the numbers of tests that stand in a law, and where.
var lawNumbers = map[string]string{
	"restore-yearly 8784h":    "DORA Art. 11(6)(a)",
	"img-scanned-weekly 168h": "Delegated Reg. (EU) 2024/1774 Art. 10(2)(b)",
}

var durationIn = regexp.MustCompile(`duration\("([^"]+)"\)`)

// TestNumbers asks whose every duration in a built-in rule is, and what of it
// the law gives.
func TestNumbers(t *testing.T) {
	law := map[string]string{}
	for _, x := range mustLoad(t).Tests() {
		declared := map[string]bool{}
		for _, n := range x.Numbers {
			declared[n.Value] = true
			if n.Origin == OriginLaw {
				law[x.ID+" "+n.Value] = n.Source
			}
		}
		for _, m := range durationIn.FindAllStringSubmatch(x.Population+" "+x.Assertion, -1) {
			if !declared[m[1]] && m[1] != "0s" {
				t.Errorf("test %s: nobody says whose the number %s is", x.ID, m[1])
				declared[m[1]] = true
			}
		}
	}
	for number, source := range lawNumbers {
		if law[number] != source {
			t.Errorf("number %s: source %q, want %q", number, law[number], source)
		}
		delete(law, number)
	}
	for number, source := range law {
		t.Errorf("number %s is said to stand in %s; this test does not know of it", number, source)
	}
}

// TestControlIDs keeps the ids that were given out: none goes without
// valid_to, none is pointed at another article or law. New ones are added with
// -update, which changes no line that is there.
func TestControlIDs(t *testing.T) {
	const file = "testdata/control-ids.txt"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t)
	given := map[evidence.ControlID]bool{}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		w := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		if len(w) != 3 || given[evidence.ControlID(w[0])] {
			t.Fatalf("%s: line %q is twice there or not of the form ID, CELEX, article", file, line)
		}
		given[evidence.ControlID(w[0])] = true
		ctl, ok := c.Control(evidence.ControlID(w[0]))
		switch {
		case !ok:
			t.Errorf("control %s is gone; a control that ends stays, with valid_to", w[0])
		case ctl.Act.CELEX != w[1] || ctl.Article != w[2]:
			t.Errorf("control %s points at %s %s, it was given out for %s %s", w[0], ctl.Act.CELEX, ctl.Article, w[1], w[2])
		}
	}
	for _, ctl := range c.Controls() {
		switch {
		case given[ctl.ID]:
		case evidencetest.Updating():
			data = fmt.Appendf(data, "%s\t%s\t%s\n", ctl.ID, ctl.Act.CELEX, ctl.Article)
		default:
			t.Errorf("control %s is not in %s: go test ./mappings -run TestControlIDs -update", ctl.ID, file)
		}
	}
	if evidencetest.Updating() && !t.Failed() {
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestIDsTellArticles takes every id apart: its numbers and letters are those
// of one of the article's references.
func TestIDsTellArticles(t *testing.T) {
	for _, ctl := range mustLoad(t).Controls() {
		want := strings.TrimPrefix(string(ctl.ID), ctl.Act.ID+"-")
		refs := references(ctl.Article)
		// An id may stand for a whole paragraph of which the article names points.
		if !slices.ContainsFunc(refs, func(r string) bool { return r == want || strings.HasPrefix(r, want+"-") }) {
			t.Errorf("%s: its article %q gives the ids %v", ctl.ID, ctl.Article, refs)
		}
	}
	for article, want := range map[string]string{
		"Art. 9(4)(e)": "art-9-4-e", "Art. 12(2)(c) to (f)": "art-12-2-c art-12-2-d art-12-2-e art-12-2-f",
		"Art. 8(4), 8(6)": "art-8-4 art-8-6", "Annex 3.2.5, 3.2.6": "3-2-5 3-2-6", "Annex I, Part II (7), (8)": "annex1-2-7 annex1-2-8",
		"Art. 13, first subparagraph, point (h)": "art-13-h", "Art. 44 ff.": "art-44",
	} {
		if got := strings.Join(references(article), " "); got != want {
			t.Errorf("references(%q) = %s, want %s", article, got, want)
		}
	}
}

var referenceWord = regexp.MustCompile(`Art\.|annex1|[IVX]+|[0-9]+[a-z]?|[a-z]+`)

// references gives the parts of ids that an article's references stand for. A
// reference that begins with a bracket goes on from the one before it.
func references(article string) []string {
	roman := map[string]string{"I": "1", "II": "2", "III": "3"}
	article = strings.NewReplacer(", first subparagraph, point ", "", ", point ", "", " and second subparagraph", "", " ff.", "",
		"Annex I, Part ", "annex1 ", "Annex ", "").Replace(article)
	var refs []string
	var last []string
	for _, piece := range strings.Split(strings.ReplaceAll(article, " to ", ", to "), ", ") {
		piece, upTo := strings.CutPrefix(piece, "to ")
		var words []string
		for _, w := range referenceWord.FindAllString(piece, -1) {
			switch {
			case w == "Art.":
				words = append(words, "art")
			case roman[w] != "":
				words = append(words, roman[w])
			default:
				words = append(words, w)
			}
		}
		switch {
		case strings.HasPrefix(piece, "("):
			words = append(slices.Clone(last[:len(last)-len(words)]), words...)
		case len(last) > 0 && last[0] == "art" && words[0] != "art":
			words = append([]string{"art"}, words...)
		}
		if upTo && len(words) == len(last) {
			a, b := last[len(last)-1], words[len(words)-1]
			if len(a) == 1 && len(b) == 1 {
				for x := a[0] + 1; x < b[0]; x++ {
					refs = append(refs, strings.Join(append(slices.Clone(words[:len(words)-1]), string(x)), "-"))
				}
			}
		}
		refs = append(refs, strings.Join(words, "-"))
		last = words
	}
	return refs
}

// TestStands judges only wordings that stood in the period.
func TestStands(t *testing.T) {
	one := func(more string) string {
		return strings.Replace(tiny, "controls:\n", "controls:\n  - {id: own-1a, act: own, article: Art. 1, title: T, objective: O, severity: low, cannot_prove: much, "+
			"answered_by: nobody, valid_to: 2026-11-10}\n", 1) + more
	}
	c, err := LoadOnly(fstest.MapFS{"a.yaml": {Data: []byte(strings.ReplaceAll(strings.ReplaceAll(one(""), ", {test: chg-approved, strength: partial}", ""),
		"{id: own-1, ", "{id: own-1, valid_from: 2026-11-10, replaces: own-1a, "))}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		from, to string
		want     string
	}{{"01T00:00", "10T00:00", "own-1a"}, {"10T00:00", "12T00:00", "own-1"}, {"01T00:00", "12T00:00", "own-1a own-1"}} {
		in := Input{Catalog: c, Period: evidence.Period{From: at(t, tt.from), To: at(t, tt.to)}}
		cs, err := in.controls()
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, ctl := range cs {
			ids = append(ids, string(ctl.ID))
		}
		if got := strings.Join(ids, " "); got != tt.want {
			t.Errorf("%s to %s: got %s, want %s", tt.from, tt.to, got, tt.want)
		}
	}
}

var builtinPlace = regexp.MustCompile(`first at ([a-z0-9-]+\.yaml):[0-9]+:[0-9]+`)

// TestCatalogFaults reads every broken catalog of testdata/faults and compares what
// is said about it. The first file of an archive is the catalog.
func TestCatalogFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := fstest.MapFS{}
			for _, f := range ar.Files {
				if f.Name != "want" {
					dir[f.Name] = &fstest.MapFile{Data: f.Data}
				}
			}
			_, err = Load(dir)
			if err == nil {
				t.Fatal("the catalog was accepted")
			}
			if !problem.Is(err, problem.Config) {
				t.Errorf("got %v, want a problem of code config", err)
			}
			// Where in a built-in file an id stands is no matter of this test.
			got := builtinPlace.ReplaceAllString(faultsOf(err).Error(), "first at $1:LINE:COLUMN") + "\n"
			if evidencetest.Updating() {
				n := len(ar.Files)
				if ar.Files[n-1].Name == "want" {
					n--
				}
				ar.Files = append(ar.Files[:n], txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(ar.Files[len(ar.Files)-1].Data), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

const tiny = `version: 1
acts:
  - {id: own, name: House rules, title: House rules, in_force_since: 2026-01-01, addressee: us}
tests:
  - {id: x-y, title: T, says: s, view: changes, assert: "true", window: period, freshness: 1h, least: instants, empty: gap}
controls:
  - {id: own-1, act: own, article: Art. 1, title: T, objective: O, severity: low, cannot_prove: much, tests: [{test: x-y, strength: direct}, {test: chg-approved, strength: partial}]}
`

func TestUserCatalog(t *testing.T) {
	c, err := Load(fstest.MapFS{"own.yaml": {Data: []byte(tiny)}, "README.md": {Data: []byte("no catalog")}})
	if err != nil {
		t.Fatal(err)
	}
	ctl, ok := c.Control("own-1")
	if !ok || len(ctl.Tests) != 2 || ctl.Tests[1].Test.ID != "chg-approved" {
		t.Fatalf("got %+v", ctl)
	}
	if ctl.InForceSince != "2026-01-01" {
		t.Errorf("got in force since %q, want that of the act", ctl.InForceSince)
	}
	if c.Hash() == mustLoad(t).Hash() {
		t.Error("another control left the catalog's hash the same")
	}
}

func TestLimits(t *testing.T) {
	long := "version: 1\n# " + strings.Repeat("x", maxFile)
	deep := "version: " + strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2)
	for _, tt := range []struct{ name, data, want string }{
		{"size", long, "at most 1048576"},
		{"depth", deep, "nested deeper than 32"},
		{"parser depth", "version: " + strings.Repeat("[", 20_000), "exceeded max depth"},
		{"empty", "", "no YAML document"},
		{"only a comment", "# nothing\n", "no YAML document"},
		{"binary", "\x00\x01", "control characters"},
	} {
		_, err := LoadOnly(fstest.MapFS{"a.yaml": {Data: []byte(tt.data)}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := LoadOnly(fstest.MapFS{}); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
}

func TestRuleHash(t *testing.T) {
	load := func(from, to string) evidence.Hash {
		c, err := Load(fstest.MapFS{"own.yaml": {Data: []byte(strings.Replace(tiny, from, to, 1))}})
		if err != nil {
			t.Fatal(err)
		}
		ctl, _ := c.Control("own-1")
		return ctl.Tests[0].Test.Hash()
	}
	same := load("", "")
	if same != load("objective: O", "objective: P") {
		t.Error("the test's hash changed with its control")
	}
	for _, change := range []string{`assert: "false"`, `assert: "true", population: item.watched`} {
		if same == load(`assert: "true"`, change) {
			t.Errorf("%s left the hash the same", change)
		}
	}
}

func FuzzLoad(f *testing.F) {
	tests, err := builtin.ReadFile("catalog/tests.yaml")
	if err != nil {
		f.Fatal(err)
	}
	one, _, _ := strings.Cut(string(tests), "  - id: chg-independent")
	f.Add([]byte(one))
	f.Add([]byte(strings.ReplaceAll(tiny, ", {test: chg-approved, strength: partial}", "")))
	f.Add([]byte("a: &x [*x]"))
	f.Add([]byte(strings.NewReplacer(", {test: chg-approved, strength: partial}", "", "empty: gap}", "empty: gap, numbers: [{value: 1h, origin: law, source: Art. 1, says: s}]}",
		"addressee: us}", "addressee: us, text_read: 2026-01-01, language: en, entities: [dns]}", "article: Art. 1,", "article: 'Annex I, Part II (7), (8)', valid_from: 2026-01-02, replaces: own-1, ").Replace(tiny)))
	f.Add([]byte("\"000000\r\r0")) // YAML ends lines in more ways than one
	f.Add([]byte("version: 1\ntests:\n  - id: a-b\n    view: running\n    assert: |\n      item.\n"))
	f.Add([]byte("version: 1\ntests: [{id: a-b, view: changes, assert: 'item.watched &&\n  \"x\"'}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := LoadOnly(fstest.MapFS{"own.yaml": {Data: data}})
		if (c == nil) == (err == nil) {
			t.Fatalf("got catalog %v and error %v", c != nil, err)
		}
		if err == nil {
			return
		}
		var fs Faults
		if !errors.As(err, &fs) || len(fs) == 0 {
			t.Fatalf("error without faults: %v", err)
		}
		lines := len(lineBreak.Split(string(data), -1)) + 1
		for _, x := range fs {
			if x.Line > lines || x.Line < 0 || x.Line > 0 && x.Column < 1 {
				t.Errorf("fault outside the file of %d lines: %v", lines, x)
			}
		}
	})
}

// faultsOf returns the faults in err's chain, nil when there are none.
func faultsOf(err error) Faults {
	var fs Faults
	errors.As(err, &fs)
	return fs
}
