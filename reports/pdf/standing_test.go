package pdf

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// standingDoc has a law in force, one in preparation, and controls that no
// source answers.
func standingDoc(t *testing.T) *reports.PackDoc {
	doc := sampleDoc(t, 1)
	failing := doc.Controls[0]
	failing.ID, failing.Law, failing.Article, failing.Title = "dora-art-9-4-e", "DORA", "Art. 9(4)(e)", "Controlled changes"
	again := failing
	again.ID, again.Law, again.Article, again.Title, again.Preparing = "cra-art-13-5", "CRA", "Art. 13(5)", "Care with components", "2027-12-11"
	waiting := reports.ControlResult{ID: "dora-art-19-4", Law: "DORA", Article: "Art. 19(4)", Title: "Reports in time", Status: evidence.NotObserved,
		Reason: evidence.ReasonNoCollector, AnsweredBy: "records of incidents (incident.*)"}
	later := waiting
	later.ID, later.Law, later.Article, later.Preparing = "cra-art-13-6", "CRA", "Art. 13(6)", "2027-12-11"
	again.Unverified = "the meaning of care"
	doc.Controls = []reports.ControlResult{waiting, failing, later, again}
	doc.Laws = []reports.Law{{Name: "DORA", Title: "Regulation (EU) 2022/2554", CELEX: "32022R2554", Since: "2025-01-17", Read: "2026-11-20 (en)", Binds: "financial entities", Unverified: "later amendments"}}
	return doc
}

// TestStanding: laws that do not apply yet and controls without a source stand
// apart on page one and in the document, and exceptions are told once.
func TestStanding(t *testing.T) {
	pages := map[int]string{}
	whole := ""
	for _, p := range extract(t, write(t, standingDoc(t))) {
		pages[p.page] += p.text + "\n"
		whole += p.text + " "
	}
	one := strings.Join(strings.Fields(pages[1]), " ")
	for _, want := range []string{
		"The evidence supports 0 of 1 control; 1 needs someone, 0 cannot be told.", "1 control of laws that do not apply yet is judged apart.",
		"No source answers 2 controls yet; they count for nothing.", "In preparation: laws that do not apply yet",
	} {
		if !strings.Contains(one, want) {
			t.Errorf("page one lacks %q:\n%s", want, one)
		}
	}
	force, preparation, _ := strings.Cut(one, "In preparation")
	if !strings.Contains(force, "DORA") || strings.Contains(force, "CRA") || !strings.Contains(preparation, "CRA") {
		t.Errorf("the laws stand in the wrong half: %s", one)
	}
	whole = strings.Join(strings.Fields(whole), " ")
	for want, n := range map[string]int{
		"PREPARING": 1, "CRA applies from 2027-12-11. What is told here is preparation for it and says nothing about a breach.": 1,
		"The laws": 2, "32022R2554": 1, "2026-11-20 (en)": 1, "financial entities": 1, "later amendments": 1, "Not verified: the meaning of care": 1,
		"DORA: no source answers these yet": 1, "CRA: no source answers these yet": 1, "records of incidents (incident.*)": 2,
		"merged by its own author 4 minutes after it was opened": 1, "The same test was told under DORA Art. 9(4)(e) on page": 1, "3 exceptions, 1 undecided item": 1,
	} {
		if got := strings.Count(whole, want); got != n {
			t.Errorf("%q stands there %d times, want %d", want, got, n)
		}
	}
}

// TestStandingHostile draws hostile texts in the new places.
func TestStandingHostile(t *testing.T) {
	for i, evil := range hostile {
		doc := standingDoc(t)
		doc.Controls[0].AnsweredBy, doc.Controls[2].AnsweredBy = "x"+evil, evil+"y"
		doc.Controls[0].Title, doc.Controls[0].Article, doc.Controls[0].ID = evil, evil, evidence.ControlID("id"+evil)
		doc.Laws = []reports.Law{{Name: evil, Title: evil, CELEX: evil, Since: evil, Read: evil, Binds: evil, Unverified: evil}}
		doc.Controls[3].Unverified = evil
		doc.Controls[3].Preparing, doc.Controls[3].Law = "soon"+evil, "law"+evil
		for _, p := range extract(t, write(t, doc)) {
			if p.x < left-0.1 || p.x+p.w > right+0.1 || p.y > pageH-8 {
				t.Fatalf("text %d: outside the margins: %s", i, p)
			}
		}
	}
}

// TestAllLaws draws a document of the size of the built-in catalogs: every
// control in the contents, none of them drawn over another.
func TestAllLaws(t *testing.T) {
	doc := standingDoc(t)
	good, waiting := doc.Controls[1], doc.Controls[0]
	good.Status, good.Findings = evidence.Satisfied, []evidence.Finding{doc.Controls[1].Findings[0]}
	good.Findings[0].Failed, good.Findings[0].Unknown = nil, nil
	doc.Controls = nil
	for i := range 7 {
		law := fmt.Sprintf("Law %d", i)
		for j := range 18 {
			c := good
			if j%3 == 2 {
				c = waiting
			}
			c.ID, c.Law, c.Title = evidence.ControlID(fmt.Sprintf("law%d-art-%d", i, j)), law, fmt.Sprintf("Duty %d of %d", j, i)
			doc.Controls = append(doc.Controls, c)
		}
	}
	text := extract(t, write(t, doc))
	contents, drawn, waited := 0, 0, 0
	at := map[string]placed{}
	for _, p := range text {
		switch {
		case strings.HasPrefix(p.text, "Art. 9(4)(e)  Duty "):
			contents++
		case strings.HasPrefix(p.text, "control law"):
			drawn++
		case strings.HasPrefix(p.text, "law") && strings.Contains(p.text, "-art-"):
			waited++
		}
		key := fmt.Sprintf("%d %.1f %.1f", p.page, p.x, p.y)
		if before, ok := at[key]; ok && before.text != p.text && strings.TrimSpace(p.text) != "" {
			t.Errorf("%s is drawn over %s", p, before)
		}
		at[key] = p
	}
	if contents != 84 || drawn != 84 || waited != 42 {
		t.Errorf("%d controls in the contents, %d drawn, %d in the lists of those without a source; want 84, 84, 42", contents, drawn, waited)
	}
}

// What people said stands beside what failed, with hostile words as words, and
// page one counts it apart without calling anything supported.
func TestStatements(t *testing.T) {
	doc := sampleDoc(t, 1)
	var maker, other evidence.ID
	maker[0], other[0] = 1, 2
	doc.Names = map[evidence.ID]string{maker: "dana", other: "erin <b>"}
	said := reports.Waiver{Name: "new-forge", Covers: "chg-approved, 3 of 3 failures", Reason: "=cmd() (x) Tj ET <script> \u05e9\u05dc\u05d5\u05dd \u5951\u7d04", By: "person:/" + maker.String(), ApprovedBy: "person:/" + other.String(),
		From: at(14, 0, 0), To: at(30, 0, 0), Seq: 40050}
	c := doc.Controls[0]
	c.ID, c.Law, c.Article, c.Title = "dora-art-9-4-e", "DORA", "Art. 9(4)(e)", "Controlled changes"
	c.Waived, c.Waivers = true, []reports.Waiver{said}
	scope := said
	scope.Name, scope.Covers, scope.To = "no-cards", "", time.Time{}
	c.Scoped = []reports.Waiver{scope}
	late := reports.Remedy{Name: "guard-admins", Covers: "chg-approved, 2 of 3 failures", Owner: "person:/" + maker.String(), Cause: "design", Remedy: "=cmd() (x) Tj ET <b> \u05e9\u05dc\u05d5\u05dd",
		Due: "20 Nov 2026", Moved: "10 Nov 2026", Stands: "overdue by 3 days", Over: true, Seq: 40051}
	c.Remedies, c.Unplanned = []reports.Remedy{late, {Name: "team-plan", Covers: "chg-tested, 1 of 1 failure", Owner: "platform team", Cause: "unknown", Remedy: "look", Due: "20 Dec 2026", Stands: "due in 20 days", Seq: 40052}}, 1
	waiting := reports.ControlResult{ID: "dora-art-19-4", Law: "DORA", Article: "Art. 19(4)", Title: "Reports in time", Status: evidence.NotObserved,
		Reason: evidence.ReasonNoCollector, AnsweredBy: "records of incidents (incident.*)"}
	word := said
	word.Name, word.Covers = "register", ""
	waiting.Attested = []reports.Attestation{{Waiver: word, Document: "SHA-256 abcd, 27 bytes, application/pdf"}}
	doc.Controls = []reports.ControlResult{c, waiting}
	doc.Loosened = []reports.Loosening{
		{At: at(15, 8, 30), Seq: 50123, Kind: evidence.PlatformConfig, By: "uid 997", Says: []string{"source harbor/prod was paused: moving"}},
		{At: at(16, 8, 30), Seq: 50200, Kind: evidence.PlatformCatalog, Says: []string{"test cert-valid was dropped"}, Unclear: []string{"test chg-approved asks for x"}},
	}
	whole := ""
	for _, p := range extract(t, write(t, doc)) {
		whole += p.text + " "
	}
	whole = strings.Join(strings.Fields(whole), " ")
	for _, want := range []string{
		"The evidence supports 0 of 1 control; 1 needs someone, 0 cannot be told. Of 1 that needs someone people accepted every failure for a while; the failures stand below.",
		"On 1 control there is a person's word; no verdict stands on it.",
		"Not satisfied the evidence shows exceptions, waived for a while", "Waivers (they do not change the status)", "by dana, approved by erin <b>", "accepts chg-approved, 3 of 3 failures",
		"1 remedy is overdue.", "Remedies (they do not change the status)", "guard-admins: OVERDUE BY 3 DAYS, due 20 Nov 2026 (at first 10 Nov 2026), owner dana, for chg-approved, 2 of 3 failures; root cause design; =cmd() (x) Tj ET <b>",
		"record 40051", "team-plan: due in 20 days, due 20 Dec 2026, owner platform team, for chg-tested", "No remedy is planned for 1 failed item.",
		"no-cards:", "UTC on, without an end", "A person's word (no verdict stands on it)", "What loosened the evidence", "15 Nov 2026 08:30:00 uid 997 source harbor/prod was paused: moving", "not recorded test cert-valid was dropped",
		"(whether that asks for less cannot be told)", "50200", "document SHA-256 abcd, 27 bytes, application/pdf, not looked at", "=cmd() (x) Tj ET <script>",
	} {
		if !strings.Contains(whole, want) {
			t.Errorf("the document lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(whole)
	}
}
