package pdf

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

func at(day, hour, minute int) time.Time {
	return time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC)
}

func hashOf(s string) evidence.Hash { return sha256.Sum256([]byte(s)) }

var (
	carol = evidence.ID{1, 2, 3}
	zofia = evidence.ID{4, 5, 6}
)

// hostile is text of every kind that has broken a PDF writer.
var hostile = []string{
	"raise limits \U0001F680\U0001F9D1\u200d\U0001F4BB",
	"Grüße von Jürgen Weiß, straße",
	"réparer le cœur, François Lefèvre",
	"Ελένη Παπαδοπούλου: διόρθωση",
	"Żółć Łukasza Wąsika, Zofia Święcicka",
	"page {nb} of {nb}, :alias:nb:",
	"(unbalanced ) and \\ back\\slash \\)",
	"\u202egnp.exe\u202c, \x1b[31mred\x1b[0m, \x00nul, \x9b1m",
	"漢字かな交じり文 and \ufeff zero width\u200b",
	"invalid \xff\xfe bytes",
	strings.Repeat("x", 300),
	"https://git.example/acme/" + strings.Repeat("very-long-path/", 24),
	"line one\nline two\r\nline three\ttabbed",
	"",
}

// sampleDoc is a document with everything in it; rows is the size of its
// largest register.
func sampleDoc(t testing.TB, rows int) *reports.PackDoc {
	t.Helper()
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	period := evidence.Period{From: at(8, 0, 0), To: at(22, 0, 0)}
	argo := reports.CoverageRow{Source: "argocd/prod", Kinds: []evidence.Kind{evidence.DeployState, evidence.DeploySync}, Strips: []reports.Strip{
		{From: at(8, 0, 0), To: at(10, 11, 2), Class: evidence.Continuous, Seq: 120},
		{From: at(10, 11, 2), To: at(10, 15, 40), Class: evidence.Blind, Cause: "503 from server", Seq: 121},
		{From: at(10, 15, 40), To: at(22, 0, 0), Class: evidence.Continuous, Seq: 122},
	}}
	forge := reports.CoverageRow{Source: "github/acme", Kinds: []evidence.Kind{evidence.ChangeMerge, evidence.ChangeCommit, evidence.ChangeProtection}, Strips: []reports.Strip{
		{From: at(8, 0, 0), To: at(9, 4, 0), Class: evidence.Reconstructed, Cause: "read on 9 Nov"},
		{From: at(9, 4, 0), To: at(22, 0, 0), Class: evidence.Continuous},
	}}
	certs := reports.CoverageRow{Source: "certs/edge", Kinds: []evidence.Kind{evidence.CertState}, Strips: []reports.Strip{
		{From: at(8, 0, 0), To: at(9, 0, 0), Cause: "nobody looked"},
		{From: at(9, 0, 0), To: at(22, 0, 0), Class: evidence.Instants},
	}}
	finding := func(test string, n, passed int, failed, unknown []evidence.Item) evidence.Finding {
		return evidence.Finding{
			Tenant: tenant, Control: "dora-9-4-e", Title: test, Test: "changes-reviewed", RuleHash: hashOf(test), Period: period, Size: 41902,
			Summary: fmt.Sprintf("%d of %d changes were reviewed by another person before they landed.", passed, n), Strength: "direct",
			Population: n, Passed: passed, Failed: failed, Unknown: unknown, Class: evidence.Continuous, Newest: at(21, 16, 4),
		}
	}
	failed := []evidence.Item{
		{Seq: 40101, Also: []uint64{40099, 40100, 40102}, Kind: evidence.ChangeMerge, At: at(14, 11, 2), Label: "#412 by person:/" + carol.String() + ": hotfix \U0001F525 for the payment page", Why: "merged by its own author 4 minutes after it was opened; no review by another person was seen, though the review list was read"},
		{Seq: 40711, Kind: evidence.ChangeMerge, At: at(16, 9, 30), Label: "#418 by person:/" + zofia.String(), Why: "approved for " + strings.Repeat("a", 300) + ", then changed"},
		{Seq: 40712, Kind: evidence.ChangeMerge, At: at(19, 9, 30), Label: "#419 Ελένη Παπαδοπούλου and Łukasz Wąsik: reduce the timeouts of the settlement workers", Why: "the approval was given before the last push"},
	}
	unknown := []evidence.Item{{Seq: 40800, Kind: evidence.ChangeMerge, At: at(17, 9, 0), Label: "#420 by carol and \"C. Weber\"", Why: "the two identities are not linked, so that they are different persons cannot be told"}}
	control := func(id, law, article, title string, st evidence.Status, fs ...evidence.Finding) reports.ControlResult {
		return reports.ControlResult{
			ID: evidence.ControlID(id), Law: law, Article: article, Title: title, Status: st, Findings: fs, Coverage: []reports.CoverageRow{argo, forge},
			Objective: "Changes to what runs are recorded, tested, assessed, approved and verified in a controlled manner; nobody lands a change alone.",
			Limits:    "A review shows that another account approved. It does not show that its owner read the change, nor that the two accounts belong to two people unless the identities are linked.",
		}
	}
	notSeen := finding("restore tests", 0, 0, nil, nil)
	notSeen.Summary = "No restore test was seen in 92 days; the limit is 90."
	notSeen.Uncovered = []evidence.Window{{Source: "argocd/prod", Kind: evidence.DeployState, Period: evidence.Period{From: at(10, 11, 2), To: at(10, 15, 40)}, Class: evidence.Blind, Cause: "503 from server"}}
	review := control("dora-9-4-e", "DORA", "DORA Art. 9(4)(e)", "Every change is reviewed by another person", evidence.NotSatisfied, finding("reviews", 38, 34, failed, unknown))
	review.Waivers = []reports.Waiver{{Reason: "migration weekend", By: "dave", ApprovedBy: "erin", From: at(14, 0, 0), To: at(16, 0, 0), Seq: 40050}}
	doc := &reports.PackDoc{
		Tenant: tenant, Origin: "acme-prod/7f3c9a", Period: period, FirstSeq: 23699, Size: 41902, Root: hashOf("root"),
		Generated: at(22, 0, 5), Program: "evidenced 0.1.0", Purpose: "yearly audit of ICT risk management under DORA", Recipient: "Wirtschaftsprüfung Müßig & Söhne",
		Complete: true, Interim: "The period ended less than the longest lag of a source ago: vault/prod may still deliver records of it until 22 Nov 2026 06:00 UTC.", Demonstration: true,
		Maker:      reports.MakerKey{Name: "acme-prod/pack", Fingerprint: hashOf("key").String()},
		Anchor:     reports.Anchor{Rung: 1, Says: "signed by the maker alone, with a receipt in the maker's own log", LeavesOpen: "whoever holds the signing key can rewrite the whole log and sign it again"},
		DataDigest: hashOf("data"),
		Controls: []reports.ControlResult{
			review,
			control("dora-9-2", "DORA", "DORA Art. 9(2)", "What runs is what was declared", evidence.Satisfied, finding("drift", 210, 210, nil, nil)),
			control("dora-12-6", "DORA", "DORA Art. 12(6)", "Backups are restored and checked", evidence.Gap, notSeen),
			control("nis2-21-2-h", "NIS-2", "NIS-2 Art. 21(2)(h)", "Certificates in use are valid and strong", evidence.NotObserved, notSeen),
			control("nis2-21-2-i", "NIS-2", "NIS-2 Art. 21(2)(i)", "Access to secrets follows declared roles", evidence.Satisfied, finding("roles", 1204, 1204, nil, nil)),
			control("gdpr-32-1-b", "GDPR", "GDPR Art. 32(1)(b)", "Secrets of personal data are read by their owners only", evidence.Undetermined, finding("reads", 812, 811, nil, unknown)),
			control("gdpr-33", "GDPR", "GDPR Art. 33", "Breaches are notified", evidence.NotApplicable),
		},
		Coverage: reports.CoverageChart{
			Tenant: tenant, Period: period, Rows: []reports.CoverageRow{argo, certs, forge},
			Runs:    evidence.RunCounts{Expected: 2310, Done: 2184, Empty: 98, Partial: 3, Failed: 19, Missed: 6},
			Sources: map[evidence.SourceID]evidence.RunCounts{"argocd/prod": {Expected: 1000, Done: 981, Failed: 19}, "github/acme": {Expected: 1310, Done: 1203, Empty: 98, Partial: 3, Missed: 6}},
			Blind:   []reports.BlindWindow{{Source: "argocd/prod", From: at(10, 11, 2), To: at(10, 15, 40), Cause: "503 from server", Looked: true, Seq: 121}, {Source: "certs/edge", From: at(8, 0, 0), To: at(9, 0, 0), Cause: "before the first look"}},
		},
		Changes: []reports.SystemChange{
			{At: at(9, 4, 0), Seq: 23901, Kind: evidence.PlatformConfig, Summary: "configuration loaded", By: "user id 997", Diff: []string{"- sources.certs.every: 6h", "+ sources.certs.every: 24h"}, Loosens: []string{"certs/edge is looked at every 24 h, before every 6 h"}},
			{At: at(12, 4, 0), Seq: 30111, Kind: evidence.PlatformAdmin, Summary: "log key rotated", By: "user id 0"},
		},
		Custody: []reports.CustodyStep{
			{At: at(8, 0, 0), Step: "log opened on host prod-evidence-1", By: "evidenced", Seq: 0},
			{At: at(22, 0, 4), Step: "closing checkpoint signed", By: "acme-prod/log", Hash: hashOf("root").String()},
			{At: at(22, 0, 5), Step: "pack issued", By: "user id 1000", Seq: 41902, Hash: hashOf("manifest").String()},
		},
		Withheld: []reports.WithheldClaims{{Claim: "raw", Count: 212, Reason: "not asked for"}, {Claim: "person", Count: 1, Reason: "erased", Seq: 39870}},
		Earlier:  []reports.EarlierPack{{Manifest: hashOf("older"), Period: evidence.Period{From: at(1, 0, 0), To: at(15, 0, 0)}, Issued: at(15, 6, 0), Records: 9120, Seq: 38100}},
		Names:    map[evidence.ID]string{carol: "carol", zofia: "Zofia Święcicka"},
	}
	doc.Registers = sampleRegisters(rows)
	return doc
}

func sampleRegisters(rows int) []reports.Register {
	changes := reports.Register{Title: "Changes", Member: "populations/changes.csv", Note: "Every merge request that landed in the period.", Columns: []reports.RegisterColumn{
		{Title: "Record", Right: true}, {Title: "Merged (UTC)"}, {Title: "Request"}, {Title: "Title", Weight: 3}, {Title: "Author"}, {Title: "Reviewers"}, {Title: "Commit", Mono: true}, {Title: "Verdict"},
	}}
	for i := range rows {
		title := hostile[i%len(hostile)]
		changes.Rows = append(changes.Rows, []string{
			fmt.Sprint(23700 + i*9), at(8+i%14, i%24, i%60).Format("2006-01-02 15:04:05"), fmt.Sprintf("acme/gitops!%d", 400+i), title,
			[]string{"carol", "Łukasz Wąsik", "François Lefèvre", "Ελένη Παπαδοπούλου"}[i%4], "bob", hashOf(title).String()[:40], "pass",
		})
	}
	return []reports.Register{
		changes,
		{Title: "Certificates", Member: "populations/certificates.csv", Columns: []reports.RegisterColumn{{Title: "Record", Right: true}, {Title: "Endpoint"}, {Title: "Expires"}}, Rows: [][]string{{"30001", "web.tenant-7.example:443", "2026-12-01 00:00:00"}}},
		{Title: "Restore tests", Member: "populations/restores.csv", Columns: []reports.RegisterColumn{{Title: "Record"}}},
	}
}
