package pdf

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"evidenced/reports"
)

func sampleForm() *reports.FormDoc {
	d := &reports.FormDoc{
		Title: "dora.intermediate, incident inc1", Lead: "intermediate report: 72 h from submission of the initial notification (2025/301 Art 5(1)(b))", Owner: "tenant-7",
		Marks: []string{"DEMONSTRATION", "DRAFT"}, Facts: [][2]string{{"Incident", "inc1"}, {"Copy (SHA-256)", strings.Repeat("0f", 32)}},
		Checks: []reports.FormCheck{{Number: "1.9", Bad: true, Says: "a telephone number has its international prefix, such as +33"}, {Number: "2.6", Says: "the list holds the home state"}},
		Foot:   "Prepared by a program. The entity decides, submits and stays responsible.", Program: "test", Generated: time.Date(2026, 12, 19, 12, 0, 0, 0, time.UTC),
	}
	for g := range 4 {
		group := reports.FormGroup{Title: fmt.Sprintf("Part %d", g+1)}
		for i := range 15 {
			r := reports.FormRow{Number: fmt.Sprintf("%d.%d", g+1, i+1), Name: "a field with a rather long name that wraps in its column", Value: "a value", From: "set by records 12 40"}
			switch i {
			case 3:
				r.Value, r.Open = "", "mandatory"
			case 5:
				r.Value = strings.Repeat("a long description of what happened, in many words. ", 40)
			case 7:
				r.Value = hostile[g%len(hostile)]
			}
			group.Rows = append(group.Rows, r)
		}
		d.Groups = append(d.Groups, group)
	}
	return d
}

func TestForm(t *testing.T) {
	var b, again bytes.Buffer
	if err := Form(&b, sampleForm()); err != nil {
		t.Fatal(err)
	}
	if name := os.Getenv("EVIDENCED_PAGE"); name != "" { // to be looked at
		if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Form(&again, sampleForm()); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Errorf("drawn twice, the bytes differ (%v)", err)
	}
	var said []string
	for _, p := range extract(t, b.Bytes()) {
		said = append(said, p.text)
	}
	text := strings.Join(said, " ")
	for _, want := range []string{"OPEN: mandatory", "4 fields open", "Error at 1.9", "Warning at 2.6", "DRAFT", "set by records 12 40", "page 1 of", "4.15"} {
		if !strings.Contains(text, want) {
			t.Errorf("the document does not say %q", want)
		}
	}
}

func TestEmptyForm(t *testing.T) {
	var b bytes.Buffer
	if err := Form(&b, &reports.FormDoc{}); err != nil {
		t.Errorf("an empty document: %v", err)
	}
}
