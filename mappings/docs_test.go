package mappings

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

const catalogDoc = "../docs/catalog.md"

// docSections reads the document and cuts it at its headings of the second and
// third level. The key is the heading without marks and backquotes; headings
// of the third level belong to "SECOND/THIRD".
func docSections(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(catalogDoc)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	second, key, code := "", "", false
	for line := range strings.Lines(string(data)) {
		code = code != strings.HasPrefix(line, "```")
		heading := strings.Trim(strings.TrimLeft(line, "#"), " `\n")
		switch {
		case !code && strings.HasPrefix(line, "## "):
			second, key = heading, heading
		case !code && strings.HasPrefix(line, "### "):
			key = second + "/" + heading
		default:
			sections[key] += line
		}
	}
	return sections
}

func tableRow(cells ...string) string {
	row := "|"
	for _, c := range cells {
		row += " " + strings.ReplaceAll(c, "|", `\|`) + " |"
	}
	return row
}

func quoted(id string) string { return "`" + id + "`" }

func quotedKinds(kinds []evidence.Kind) string {
	var ks []string
	for _, k := range kinds {
		ks = append(ks, quoted(string(k)))
	}
	return strings.Join(ks, ", ")
}

// generated compares the end of a document, after the mark, with what the code
// says, and writes it when the test runs with -update. An empty mark means the
// whole document.
func generated(t *testing.T, file, mark, want string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil && !evidencetest.Updating() {
		t.Fatal(err)
	}
	head, got := "", string(data)
	if mark != "" {
		before, after, ok := strings.Cut(got, mark+"\n")
		if !ok {
			t.Fatalf("%s has no line %s", file, mark)
		}
		head, got = before+mark+"\n", after
	}
	if evidencetest.Updating() {
		if err := os.WriteFile(file, []byte(head+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s is older than the code: go test ./mappings -run TestDocs -update (-want +got):\n%s", file, diff)
	}
}

const viewsHead = `# Views

A view makes items of records; a test of a [catalog](catalog.md) names one and asserts something of each of its items.
This page is written by the program: ` + "`go test ./mappings -run TestDocs -update`" + `.

- A field that may be missing is left out where the evidence does not say. A rule whose answer depends on it leaves the
  item undetermined.
- A test needs coverage of the view's kinds, and of those that stand beside a field its rules look at.
- Types are those of [CEL](https://cel.dev).

`

// TestDocsViews keeps docs/views.md as the code describes the views.
func TestDocsViews(t *testing.T) {
	var b strings.Builder
	b.WriteString(viewsHead)
	used := map[string][]string{}
	for _, x := range mustLoad(t).Tests() {
		used[x.View] = append(used[x.View], quoted(x.ID))
	}
	b.WriteString("| View | Fields | Coverage it needs | Built-in tests |\n|---|---|---|---|\n")
	for _, v := range Views() {
		fmt.Fprintln(&b, tableRow("["+quoted(v.Name)+"](#"+v.Name+")", fmt.Sprint(len(v.Fields)), quotedKinds(v.Kinds), fmt.Sprint(len(used[v.Name]))))
	}
	for _, v := range Views() {
		if v.Doc == "" || len(v.Kinds) == 0 {
			t.Errorf("view %s does not say what its items are, or needs no coverage", v.Name)
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\nNeeds coverage of %s.\n", v.Name, v.Doc, quotedKinds(v.Kinds))
		if len(used[v.Name]) > 0 {
			fmt.Fprintf(&b, "Built-in tests: %s.\n", strings.Join(used[v.Name], ", "))
		}
		b.WriteString("\n| Field | Type | May be missing | Also needs | Meaning |\n|---|---|---|---|---|\n")
		for _, f := range v.Fields {
			if f.Doc == "" {
				t.Errorf("field %s of view %s does not say what it means", f.Name, v.Name)
			}
			missing := ""
			if f.Optional {
				missing = "yes"
			}
			fmt.Fprintln(&b, tableRow(quoted(f.Name), f.Type, missing, quotedKinds(f.Needs), f.Doc))
		}
	}
	generated(t, "../docs/views.md", "", b.String())
}

const controlsMark = "<!-- What follows is written by the program: go test ./mappings -run TestDocs -update -->"

// TestDocsControls keeps the lists of docs/controls.md as the catalogs say.
func TestDocsControls(t *testing.T) {
	cat := mustLoad(t)
	var b strings.Builder
	b.WriteString("\n## Built-in controls\n")
	for _, a := range cat.Acts() {
		fmt.Fprintf(&b, "\n### %s (%s)\n\n%s, CELEX %s, applies from %s", a.Name, quoted(a.ID), a.Title, a.CELEX, a.InForceSince)
		if a.TextRead != "" {
			fmt.Fprintf(&b, ", text (%s) as of %s", a.Language, a.TextRead)
		}
		fmt.Fprintf(&b, ".\nBinds %s.\n", a.Addressee)
		if a.Unverified != "" {
			fmt.Fprintf(&b, "Not verified: %s\n", a.Unverified)
		}
		answered, waiting := "", ""
		for _, c := range cat.Controls() {
			if c.Act != a {
				continue
			}
			note := ""
			if c.InForceSince != a.InForceSince {
				note = " (from " + c.InForceSince + ")"
			}
			if c.ValidTo != "" {
				note += " (until " + c.ValidTo + ")"
			}
			if c.Unanswered() {
				waiting += tableRow(quoted(string(c.ID)), c.Article+note, c.Title, c.Severity, c.AnsweredBy) + "\n"
				continue
			}
			var tests []string
			for _, r := range c.Tests {
				tests = append(tests, fmt.Sprintf("%s (%s)", quoted(r.Test.ID), r.Strength))
			}
			answered += tableRow(quoted(string(c.ID)), c.Article+note, c.Title, c.Severity, strings.Join(tests, ", ")) + "\n"
		}
		if answered != "" {
			b.WriteString("\n| Control | Article | Title | Severity | Tests (strength) |\n|---|---|---|---|---|\n" + answered)
		}
		if waiting != "" {
			b.WriteString("\nNo source answers yet:\n\n| Control | Article | Title | Severity | What would answer it |\n|---|---|---|---|---|\n" + waiting)
		}
	}
	b.WriteString("\n## Built-in tests\n\nThe rules themselves are in `mappings/catalog/tests*.yaml`.\n" +
		"\n| Test | View | Window | Least | Fresh | Empty | It says that | Numbers |\n|---|---|---|---|---|---|---|---|\n")
	for _, x := range cat.Tests() {
		window := "period"
		if x.Window > 0 {
			window = human(x.Window)
		}
		var numbers []string
		for _, n := range x.Numbers {
			whose := "default"
			if n.Origin == OriginLaw {
				whose = "law, " + n.Source
			}
			numbers = append(numbers, fmt.Sprintf("%s: %s (%s)", n.Value, n.Says, whose))
		}
		fmt.Fprintln(&b, tableRow(quoted(x.ID), quoted(x.View), window, string(x.Least), human(x.Freshness), string(x.Empty), x.Says, strings.Join(numbers, "; ")))
	}
	generated(t, "../docs/controls.md", controlsMark, b.String())
}

// TestDocsExample loads the document's own catalog and makes the faults whose
// text it shows.
func TestDocsExample(t *testing.T) {
	sections := docSections(t)
	_, rest, _ := strings.Cut(sections["Own catalogs"], "```yaml\n")
	sample, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatalf("%s shows no catalog", catalogDoc)
	}
	load := func(text string) error {
		_, err := Load(fstest.MapFS{"own.yaml": {Data: []byte(text)}})
		return err
	}
	if err := load(sample); err != nil {
		t.Errorf("the catalog of %s is not valid: %v", catalogDoc, err)
	}
	for was, is := range map[string]string{"assert: item.reviewed_by_other": "assert: item.reviewed_by_othr", "tests:\n      -": "testz:\n      -"} {
		if !strings.Contains(sample, was) {
			t.Fatalf("the sample lacks %q", was)
		}
		err := load(strings.Replace(sample, was, is, 1))
		if err == nil || !strings.Contains(sections["Own catalogs/How errors look"], "\nevidenced: "+err.Error()+"\n") {
			t.Errorf("%s does not show: evidenced: %v", catalogDoc, err)
		}
	}
}
