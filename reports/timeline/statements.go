package timeline

import (
	"fmt"
	"strings"
	"time"

	"evidenced/evidence"
)

// What people said of controls, and who stands behind it. Their reasons are in
// the text.

// statement names it as its commands do: "waiver new-forge".
func (t *teller) statement() string {
	return strings.Replace(strings.Replace(t.rec.Subject.Name, "/", " ", 1), "scope ", "scope statement ", 1)
}

// isStatement reports whether records of the kind say what people said.
func isStatement(k evidence.Kind) bool {
	return k == evidence.Waiver || k == evidence.ScopeStatement || k == evidence.Attestation
}

// said tells what was said, how long it holds and who stands behind it.
func (t *teller) said(what string, until time.Time, a evidence.Approval) string {
	lasts := "without an end"
	if !until.IsZero() {
		lasts = "until " + when(until)
	}
	return fmt.Sprintf("%s: %s, %s; made by %s, approved by %s", t.statement(), what, lasts, t.name(a.Maker), t.name(a.Approver))
}

func (t *teller) waiver(f evidence.WaiverFacts) string {
	what := "every failure of %s is accepted for %s"
	if len(f.Records)+len(f.Subjects) > 0 {
		what = "some failures of %s are accepted for %s"
	}
	var tests []string
	for _, x := range f.Tests {
		tests = append(tests, x.Test)
	}
	return t.said(fmt.Sprintf(what, strings.Join(tests, ", "), ids(f.Controls)), f.Until, f.Approval)
}

func (t *teller) scope(f evidence.ScopeFacts) string {
	return t.said(string(f.Control)+" does not apply", f.Until, f.Approval)
}

func (t *teller) attestation(f evidence.AttestationFacts) string {
	return t.said("a person's word on "+ids(f.Controls), f.Until, f.Approval)
}

func ids(cs []evidence.ControlID) string {
	var out []string
	for _, c := range cs {
		out = append(out, string(c))
	}
	return strings.Join(out, ", ")
}
