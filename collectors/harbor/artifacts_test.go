package harbor

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// A list that changes while it is read neither skips nor repeats what stays.
func TestListMovesWhileItIsRead(t *testing.T) {
	g := newRegistry(t)
	for i := 1; i <= 250; i++ {
		g.arts["app"] = append(g.arts["app"], artifactRow(i, nil))
	}
	pages := 0
	g.hook = func(path string, _ int) {
		if path != "projects/app/artifacts" {
			return
		}
		if pages++; pages == 1 {
			// Five that were read are deleted, one is added at the end.
			g.arts["app"] = append(g.arts["app"][5:], artifactRow(251, nil))
		}
	}
	rec := g.must(nil)
	got := map[string]bool{}
	for _, k := range keys(rec, evidence.ArtifactImage) {
		if got[k] {
			t.Errorf("%s came twice", k)
		}
		got[k] = true
	}
	for i := 6; i <= 251; i++ {
		if !got["app/web@"+digestOf(i)] {
			t.Errorf("artifact %d was skipped", i)
		}
	}
	if o := last(rec); o.Incomplete != "" || pages != 3 {
		t.Errorf("%d pages, incomplete: %q", pages, o.Incomplete)
	}
	g.hook = nil
	rec = g.later(5*time.Minute, rec)
	if n := last(rec).Requests; n > 8 {
		t.Errorf("a look at a quiet registry of one project with 246 artifacts made %d requests: %q", n, g.asked)
	}
}

// What cannot be read in full ends nothing and is said.
func TestPartialLists(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*registry)
		says   string
		whole  bool // the list is complete all the same
	}{
		"a server that does not select by id": {func(g *registry) {
			g.deaf = true
			for i := 3; i <= 120; i++ {
				g.arts["app"] = append(g.arts["app"], artifactRow(i, nil))
			}
		}, "does not select by id", false},
		"one project is refused": {func(g *registry) { g.status["projects/app/artifacts"] = 403 }, "artifacts of project app: the credential may not read this", false},
		"one project is gone": {func(g *registry) {
			g.status["projects/app/artifacts"], g.status["projects/app/repositories"] = 404, 404
		}, "artifacts of project app", false},
		"fewer came than there are":    {func(g *registry) { g.extra["projects/app/artifacts"] = 2 }, "fewer came", false},
		"more came than there are":     {func(g *registry) { g.extra["projects/app/artifacts"] = -1 }, "", true},
		"another project's artifact":   {func(g *registry) { g.arts["app"][0]["repository_name"] = "other/web" }, "of another project", false},
		"an artifact without a digest": {func(g *registry) { delete(g.arts["app"][1], "digest") }, "without a digest", false},
		"a row without an id":          {func(g *registry) { g.arts["app"][1]["id"] = 0 }, "", true},
		"a page of rows without ids": {func(g *registry) {
			for i := 3; i <= 120; i++ {
				g.arts["app"] = append(g.arts["app"], artifactRow(i, row{"id": nil}))
			}
			g.arts["app"][0]["id"], g.arts["app"][1]["id"] = nil, nil
		}, "a page of rows without ids", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRegistry(t)
			g.projects = append(g.projects, row{"project_id": 2, "name": "other"})
			g.arts["app"] = []row{artifactRow(1, nil), artifactRow(2, nil)}
			g.arts["other"] = []row{artifactRow(7, row{"repository_name": "other/web"})}
			tc.change(g)
			rec, err := g.poll(nil)
			if err != nil {
				t.Fatal(err)
			}
			o := last(rec)
			if tc.whole != (o.Incomplete == "") || !strings.Contains(o.Incomplete, tc.says) {
				t.Errorf("incomplete %q, want it to hold %q", o.Incomplete, tc.says)
			}
			if completes(rec, evidence.ArtifactImage, evidence.Ref{}) != tc.whole || completes(rec, evidence.ArtifactImage, evidence.NewRef("project", "prod", "app")) != tc.whole {
				t.Errorf("complete lists: %v", rec.Completed)
			}
			if !completes(rec, evidence.ArtifactImage, evidence.NewRef("project", "prod", "other")) {
				t.Error("one project holds up the other")
			}
			blind := "blind 03T12:00-03T12:00 project:prod/app a project of the registry could not be read\n"
			if got := spans(rec, evidence.ArtifactImage); strings.Contains(got, blind) == tc.whole || !strings.Contains(got, "instants") {
				t.Errorf("claims:\n%s", got)
			}
		})
	}
}

// A project that is gone ends only when the credential lists every project.
func TestDeletedProject(t *testing.T) {
	for _, whole := range []bool{true, false} {
		g := newRegistry(t)
		g.projects = append(g.projects, row{"project_id": 2, "name": "gone"})
		if !whole {
			g.rights = []string{"audit-log:list", "robot:list"}
		}
		rec := g.must(nil)
		g.projects = g.projects[:1]
		rec2 := g.later(time.Hour, rec)
		if got := completes(rec2, evidence.ArtifactImage, evidence.Ref{}); got != whole {
			t.Errorf("whole %v: complete list of the registry: %v", whole, got)
		}
		shrunk := false
		for _, c := range last(rec).Sees {
			found := false
			for _, d := range last(rec2).Sees {
				found = found || c == d
			}
			shrunk = shrunk || !found
		}
		if shrunk == whole {
			t.Errorf("whole %v: sees %q, then %q", whole, last(rec).Sees, last(rec2).Sees)
		}
	}
}

const fullReport = `{%q: {"generated_at": "2026-03-03T10:01:00Z", "scanner": {"name": "Trivy", "version": "v1"}, "severity": "High", "vulnerabilities": %s}}`

var twoFindings = `[{"id":"CVE-1","package":"a","version":"1","severity":"High","fix_version":"2"},{"id":"CVE-2","package":"b","version":"1","severity":"Low"}]`

// Each report is read once, before a rescan replaces it, and what a registry
// says later of a scan that succeeded takes nothing back.
func TestScansThroughTime(t *testing.T) {
	g := newRegistry(t)
	set := func(id, status string, total int) {
		g.arts["app"] = []row{artifactRow(1, overview(genericReport, id, status, total))}
	}
	g.arts["app"] = []row{artifactRow(1, nil)}
	rec := g.must(nil)
	step := func(wantState string, wantKeys ...string) {
		t.Helper()
		rec = g.later(5*time.Minute, rec)
		if f := factsOf[evidence.ArtifactFacts](t, rec.Of(evidence.ArtifactImage)[0]); f.Scan != wantState {
			t.Errorf("scan state %q, want %q", f.Scan, wantState)
		}
		var want []string
		for _, k := range wantKeys {
			want = append(want, "app/web@"+digestOf(1)+"/"+k)
		}
		if got := keys(rec, evidence.ArtifactScan); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("scans %q, want %q", got, want)
		}
	}
	step("never")
	set("r1", "Pending", 0)
	step("waiting")
	set("r1", "Running", 0)
	step("running")
	set("r1", "Mystery", 0)
	step("unknown")
	g.reports[digestOf(1)] = fmt.Sprintf(fullReport, genericReport, twoFindings)
	set("r1", "Success", 2)
	step("success", "r1")
	step("success") // read once
	set("r1", "Error", 2)
	step("success") // the registry dropped the task of a scan that succeeded
	set("r2", "Running", 0)
	step("running")
	set("r2", "Stopped", 0)
	step("stopped", "r2/stopped")
	set("r2", "Error", 0)
	step("error", "r2/error")
	set("r2", "Success", 0)
	g.reports[digestOf(1)] = fmt.Sprintf(fullReport, genericReport, "[]")
	step("success", "r2")
	f := factsOf[evidence.ScanFacts](t, rec.Of(evidence.ArtifactScan)[0])
	if !f.ReportSeen || f.Total != 0 || len(f.Findings) != 0 {
		t.Errorf("a clean scan: %+v", f)
	}
	g.arts["app"] = nil
	rec = g.later(5*time.Minute, rec)
	if !completes(rec, evidence.ArtifactImage, evidence.NewRef("project", "prod", "app")) {
		t.Error("an empty project is no complete list")
	}
}

// A report that is there in another form than expected, or not any more.
func TestReports(t *testing.T) {
	for name, tc := range map[string]struct {
		body   string
		status int
		mime   string
		total  int
		want   evidence.ScanFacts // the parts compared below
		key    string
		note   string
		owed   string
	}{
		"whole": {body: fmt.Sprintf(fullReport, genericReport, twoFindings), total: 2, key: "r1",
			want: evidence.ScanFacts{ReportSeen: true, Total: 2, Fixable: 1, Severity: "High"}},
		"written without the space": {body: fmt.Sprintf(fullReport, strings.ReplaceAll(genericReport, "; ", ";"), twoFindings), total: 2, key: "r1",
			want: evidence.ScanFacts{ReportSeen: true, Total: 2, Fixable: 1, Severity: "High"}},
		"an unknown form": {body: fmt.Sprintf(fullReport, "application/vnd.other; version=9", twoFindings), mime: "application/vnd.other; version=9", total: 2, key: "r1",
			want: evidence.ScanFacts{ReportSeen: true, Total: 2, Fixable: 1, Severity: "High"}, note: ""},
		"another form than the summary": {body: fmt.Sprintf(fullReport, "application/vnd.other; version=9", twoFindings), total: 2, key: "r1",
			want: evidence.ScanFacts{ReportSeen: true, Total: 2, Fixable: 1, Severity: "High"}, note: "unknown form"},
		"no list, nothing found": {body: fmt.Sprintf(fullReport, genericReport, "null"), key: "r1", want: evidence.ScanFacts{ReportSeen: true, Severity: "High"}},
		"no list, though there are findings": {body: fmt.Sprintf(fullReport, genericReport, "null"), total: 5, key: "r1/summary",
			want: evidence.ScanFacts{Total: 5, Severity: "High"}, note: "holds no list"},
		"other numbers than the summary": {body: fmt.Sprintf(fullReport, genericReport, twoFindings), total: 9, key: "r1",
			want: evidence.ScanFacts{ReportSeen: true, Total: 2, Fixable: 1, Severity: "High"}, note: "its summary counts 9"},
		"replaced":      {body: `{}`, total: 3, key: "r1/summary", want: evidence.ScanFacts{Total: 3, Severity: "High"}, note: "was replaced"},
		"deleted":       {status: http.StatusNotFound, total: 3, key: "r1/summary", want: evidence.ScanFacts{Total: 3, Severity: "High"}, note: "was gone"},
		"refused":       {status: http.StatusForbidden, total: 3, key: "r1/summary", want: evidence.ScanFacts{Total: 3, Severity: "High"}, note: "artifact-addition:read"},
		"not yet there": {status: http.StatusInternalServerError, owed: "1 scan reports of project app"},
		"one odd finding": {body: fmt.Sprintf(fullReport, genericReport, `[{"id":"CVE-1","package":"a","severity":7},"torn",{"id":"CVE-2","severity":"Medium","preferred_cvss":{"score_v3":"9"}}]`), total: 3, key: "r1",
			want: evidence.ScanFacts{ReportSeen: true, Total: 3, Severity: "High"}, note: "unknown form"},
		"unknown as a whole": {body: fmt.Sprintf(`{%q: {"generated_at": 7, "severity": "Unknown", "vulnerabilities": %s}}`, genericReport, twoFindings), total: 2, key: "r1",
			want: evidence.ScanFacts{ReportSeen: true, Total: 2, Fixable: 1, Severity: "High"}, note: "unknown form"},
		"cut short":  {body: `{"application/vnd.security.vulnerability.report; version=1.1": {"vulnera`, owed: "1 scan reports"},
		"of no form": {body: fmt.Sprintf(`{%q: {"vulnerabilities": 7}}`, genericReport), owed: "a report of an unknown form"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRegistry(t)
			mime := tc.mime
			if mime == "" {
				mime = genericReport
			}
			g.arts["app"] = []row{artifactRow(1, overview(mime, "r1", "Success", tc.total))}
			g.reports[digestOf(1)] = tc.body
			path := "projects/app/repositories/web/artifacts/" + digestOf(1) + "/additions/vulnerabilities"
			g.status[path] = tc.status
			rec := g.must(nil)
			scans := rec.Of(evidence.ArtifactScan)
			if tc.owed != "" {
				if len(scans) > 0 || !strings.Contains(last(rec).Incomplete, tc.owed) {
					t.Fatalf("%d scans, incomplete %q", len(scans), last(rec).Incomplete)
				}
				if !strings.Contains(spans(rec, evidence.ArtifactScan), "blind") || strings.Contains(spans(rec, evidence.ArtifactImage), "blind") {
					t.Errorf("claims:\n%s%s", spans(rec, evidence.ArtifactScan), spans(rec, evidence.ArtifactImage))
				}
				g.status[path], g.reports[digestOf(1)] = 0, fmt.Sprintf(fullReport, genericReport, twoFindings)
				if got := keys(g.later(time.Minute, rec), evidence.ArtifactScan); len(got) != 1 || !strings.HasSuffix(got[0], "/r1") {
					t.Errorf("the report that was owed: %q", got)
				}
				return
			}
			if len(scans) != 1 || !strings.HasSuffix(scans[0].Key, "/"+tc.key) || last(rec).Incomplete != "" {
				t.Fatalf("scans %q, incomplete %q", keys(rec, evidence.ArtifactScan), last(rec).Incomplete)
			}
			f := factsOf[evidence.ScanFacts](t, scans[0])
			if f.ReportSeen != tc.want.ReportSeen || f.Total != tc.want.Total || f.Fixable != tc.want.Fixable || f.Severity != tc.want.Severity || f.Status != "success" {
				t.Errorf("got %+v, want %+v", f, tc.want)
			}
			if f.ReportSeen != (len(scans[0].Raw) > 0) {
				t.Errorf("report seen %v, raw of %d bytes", f.ReportSeen, len(scans[0].Raw))
			}
			if !noted(rec, tc.note) && tc.note != "" {
				t.Errorf("notes %q, want one that holds %q", last(rec).Notes, tc.note)
			}
		})
	}
}

// A member of an artifact that is of another type hides neither the artifact
// nor the others, and a scan that cannot be read is not one that never was.
func TestOddArtifacts(t *testing.T) {
	g := newRegistry(t)
	odd := artifactRow(2, row{"annotations": row{"a": 1, "org.opencontainers.image.revision": "abc"}, "size": "large"})
	scanned := artifactRow(3, row{"scan_overview": "see elsewhere"})
	torn := artifactRow(4, row{"scan_overview": row{genericReport: "Success"}})
	g.arts["app"] = []row{artifactRow(1, nil), odd, scanned, torn, artifactRow(5, row{"sbom_overview": row{"scan_status": 3}})}
	rec := g.must(nil)
	if len(rec.Of(evidence.ArtifactImage)) != 5 || last(rec).Incomplete != "" || !noted(rec, "members of an unknown form") {
		t.Fatalf("%d artifacts, incomplete %q, notes %q", len(rec.Of(evidence.ArtifactImage)), last(rec).Incomplete, last(rec).Notes)
	}
	var scans []string
	for _, d := range rec.Of(evidence.ArtifactImage) {
		checked(t, d)
		scans = append(scans, factsOf[evidence.ArtifactFacts](t, d).Scan)
	}
	if got := strings.Join(scans, " "); got != "never never unknown unknown never" {
		t.Errorf("scan states %s", got)
	}
	if f := factsOf[evidence.ArtifactFacts](t, rec.Of(evidence.ArtifactImage)[4]); f.SBOM != "unknown" {
		t.Errorf("a bill whose state cannot be read is %q", f.SBOM)
	}
	if f := factsOf[evidence.ArtifactFacts](t, rec.Of(evidence.ArtifactImage)[1]); f.Revision != "abc" {
		t.Errorf("the annotation that can be read: %q", f.Revision)
	}
}

// An index is called scanned as soon as one of its images is: it is told as
// partly scanned, with how many were, and again when more are, though the id of
// the report stays.
func TestPartOfAnIndex(t *testing.T) {
	g := newRegistry(t)
	o := overview(genericReport, "r1", "Success", 2)
	g.arts["app"] = []row{artifactRow(1, o)}
	g.reports[digestOf(1)] = fmt.Sprintf(fullReport, genericReport, twoFindings)
	keys := map[string]bool{}
	var resume []byte
	for _, tt := range []struct {
		percent, told int
		state         string
		drafts        int
	}{{50, 50, "partial", 1}, {50, 0, "partial", 0}, {75, 75, "partial", 1}, {100, 0, "success", 1}, {100, 0, "success", 0}, {0, 0, "success", 0}} {
		o["scan_overview"].(row)[genericReport].(row)["complete_percent"] = tt.percent
		rec := g.must(resume)
		resume = rec.Resume()
		scans := rec.Of(evidence.ArtifactScan)
		if len(scans) != tt.drafts {
			t.Fatalf("%d percent: %d scans are told, want %d", tt.percent, len(scans), tt.drafts)
		}
		for _, d := range scans {
			checked(t, d)
			f := factsOf[evidence.ScanFacts](t, d)
			if f.CompletePercent != tt.told || noted(rec, "percent of an index") != (tt.told > 0) || keys[d.Key] {
				t.Errorf("%d percent: told %d under %s, notes %q", tt.percent, f.CompletePercent, d.Key, last(rec).Notes)
			}
			keys[d.Key] = true
		}
		for _, d := range rec.Of(evidence.ArtifactImage) {
			if f := factsOf[evidence.ArtifactFacts](t, d); f.Scan != tt.state || f.Severity == "" {
				t.Errorf("%d percent: the index says %q, worst %q, want %q", tt.percent, f.Scan, f.Severity, tt.state)
			}
		}
	}
}

// A registry before 2.12 lists artifacts by repository alone: it is read all the
// same, nested names and pages too.
func TestOldRegistry(t *testing.T) {
	g := newRegistry(t)
	g.old, g.status["auditlog-exts"] = true, http.StatusNotFound
	g.projects = append(g.projects, row{"project_id": 2, "name": "empty"})
	g.arts["app"] = []row{artifactRow(1, row{"repository_name": "app/a/b"})}
	for i := 2; i <= 120; i++ {
		g.arts["app"] = append(g.arts["app"], artifactRow(i, nil))
	}
	g.lists["projects/app/repositories"] = []row{{"id": 1, "name": "app/a/b"}, {"id": 2, "name": "app/web"}, {"id": 3, "name": "app/deleted-since"}}
	g.status["projects/app/repositories/deleted-since/artifacts"] = http.StatusNotFound
	rec := g.must(nil)
	if got := len(rec.Of(evidence.ArtifactImage)); got != 120 || last(rec).Incomplete != "" {
		t.Fatalf("%d artifacts, incomplete %q", got, last(rec).Incomplete)
	}
	if got := rec.Of(evidence.ArtifactImage)[0].Subject.Name; got != "app/a/b@"+digestOf(1) {
		t.Errorf("first artifact %s", got)
	}
	if !completes(rec, evidence.ArtifactImage, evidence.Ref{}) || strings.Contains(spans(rec, evidence.ArtifactImage), "blind") {
		t.Errorf("complete %v, claims:\n%s", rec.Completed, spans(rec, evidence.ArtifactImage))
	}

	// One repository that is refused leaves the project unread, and says so.
	g.status["projects/app/repositories/web/artifacts"] = http.StatusForbidden
	rec = g.later(time.Hour, rec)
	if completes(rec, evidence.ArtifactImage, evidence.NewRef("project", "prod", "app")) || !strings.Contains(last(rec).Incomplete, "artifacts of project app") {
		t.Errorf("refused: complete %v, incomplete %q", rec.Completed, last(rec).Incomplete)
	}
	g.lists["projects/app/repositories"] = []row{{"id": 1, "name": "other/web"}}
	if rec = g.later(time.Hour, rec); !strings.Contains(last(rec).Incomplete, "of another project") {
		t.Errorf("another project's repository: incomplete %q", last(rec).Incomplete)
	}
}
