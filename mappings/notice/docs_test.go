package notice_test

import (
	"os"
	"strings"
	"testing"

	"evidenced/evidence/incident"
	"evidenced/mappings/classify"
	"evidenced/mappings/deadline"
)

// The page for people names every field with its mark, every stage and every
// decision, and its example of a holiday file is read.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/incidents.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	rows := map[string]string{}
	_, table, _ := strings.Cut(page, "| Group | Fields |")
	for line := range strings.SplitSeq(table, "\n") {
		if cells := strings.Split(line, "|"); len(cells) == 4 {
			rows[strings.Trim(cells[1], " `")] = cells[2] + ","
		}
	}
	paths, text := incident.Paths()
	for _, p := range paths {
		group, name, _ := strings.Cut(p, ".")
		want := "`" + name + "`"
		if text[p] {
			want += "*"
		}
		if row := strings.ReplaceAll(rows[group], " ,", ","); !strings.Contains(row, " "+want+",") {
			t.Errorf("docs/incidents.md does not name %s as %s", p, want)
		}
	}
	for _, s := range deadline.Stages {
		if !strings.Contains(page, "`"+string(s)+"`") {
			t.Errorf("docs/incidents.md does not name the stage %s", s)
		}
	}
	for law, ds := range classify.Decisions {
		for _, d := range ds {
			if !strings.Contains(page, "`"+d+"`") {
				t.Errorf("docs/incidents.md does not name the decision %s of %s", d, law)
			}
		}
	}
	_, example, _ := strings.Cut(page, "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	if _, err := deadline.Builtin().WithFile("docs", []byte(example)); err != nil {
		t.Error(err)
	}
}
