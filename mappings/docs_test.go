package mappings

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"evidenced/evidence"
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

var idRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

// wantRows reports rows that the table of a section lacks, and rows whose id
// nothing has.
func wantRows(t *testing.T, where, section string, rows map[string]string) {
	t.Helper()
	for id, row := range rows {
		if !strings.Contains("\n"+section, "\n"+row+"\n") {
			t.Errorf("%s, %s: no row\n%s", catalogDoc, where, row)
		}
		if !strings.HasPrefix(row, "| `"+id+"` |") {
			t.Fatalf("row of %s: %s", id, row)
		}
	}
	for _, m := range idRow.FindAllStringSubmatch(section, -1) {
		if rows[m[1]] == "" {
			t.Errorf("%s, %s: row of %q, which is not there", catalogDoc, where, m[1])
		}
	}
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

func TestDocsViews(t *testing.T) {
	sections := docSections(t)
	known := map[string]bool{}
	for _, v := range Views() {
		where := "Views/" + v.Name
		known[where] = true
		section, ok := sections[where]
		if !ok {
			t.Errorf("%s has no section for view %s", catalogDoc, v.Name)
			continue
		}
		if intro := fmt.Sprintf("%s Needs coverage of %s.", v.Doc, quotedKinds(v.Kinds)); !strings.Contains(section, intro) {
			t.Errorf("%s, view %s lacks: %s", catalogDoc, v.Name, intro)
		}
		rows := map[string]string{}
		for _, f := range v.Fields {
			missing := ""
			if f.Optional {
				missing = "yes"
			}
			rows[f.Name] = tableRow(quoted(f.Name), f.Type, missing, quotedKinds(f.Needs), f.Doc)
		}
		wantRows(t, where, section, rows)
	}
	for where := range sections {
		if strings.HasPrefix(where, "Views/") && !known[where] {
			t.Errorf("%s has a section %s, but no such view exists", catalogDoc, where)
		}
	}
}

func TestDocsTests(t *testing.T) {
	rows := map[string]string{}
	for _, x := range mustLoad(t).Tests() {
		rows[x.ID] = tableRow(quoted(x.ID), quoted(x.View), string(x.Least), human(x.Freshness), string(x.Empty), x.Says)
		if x.Window != 0 {
			t.Errorf("%s says that every test looks at the whole period; %s does not", catalogDoc, x.ID)
		}
	}
	wantRows(t, "Built-in tests", docSections(t)["Built-in tests"], rows)
}

func TestDocsControls(t *testing.T) {
	sections := docSections(t)
	byAct := map[string]map[string]string{}
	for _, c := range mustLoad(t).Controls() {
		var tests []string
		for _, r := range c.Tests {
			tests = append(tests, fmt.Sprintf("%s (%s)", quoted(r.Test.ID), r.Strength))
		}
		answer := strings.Join(tests, ", ")
		if answer == "" {
			answer = "not yet: " + c.AnsweredBy
		}
		where := fmt.Sprintf("Built-in controls/%s (`%s`)", c.Act.Name, c.Act.ID)
		if byAct[where] == nil {
			byAct[where] = map[string]string{}
		}
		byAct[where][string(c.ID)] = tableRow(quoted(string(c.ID)), c.Article, c.Title, c.Severity, answer)
	}
	for where, rows := range byAct {
		wantRows(t, where, sections[where], rows)
	}
	for where := range sections {
		if strings.HasPrefix(where, "Built-in controls/") && byAct[where] == nil {
			t.Errorf("%s has a section %s, but no such act has controls", catalogDoc, where)
		}
	}
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
