package harbor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
)

func ago(minutes int) time.Time { return now.Add(-time.Duration(minutes) * time.Minute) }

// kept are settings that say that the audit log is kept.
func kept(yes bool) row {
	return row{"skip_audit_log_database": row{"value": !yes}, "audit_log_forward_endpoint": row{"value": ""}, "disabled_audit_log_event_types": row{"value": ""}}
}

// A row that turns up late, with a smaller id than the newest that was read,
// is read too; nothing is read for ever.
func TestLateRow(t *testing.T) {
	g := newRegistry(t)
	g.audit = []row{auditRowAt(1, ago(60), nil), auditRowAt(4, now.Add(-30*time.Second), nil)}
	rec := g.must(nil)
	if got := keys(rec, evidence.RegistryAudit); fmt.Sprint(got) != "[1 4]" {
		t.Fatalf("first look: %q", got)
	}
	g.audit = append(g.audit, auditRowAt(3, now.Add(-40*time.Second), nil))
	rec = g.later(5*time.Minute, rec)
	if got := keys(rec, evidence.RegistryAudit); !slices.Contains(got, "3") {
		t.Errorf("the late row was lost: %q", got)
	}
	rec = g.later(5*time.Minute, rec)
	if got := keys(rec, evidence.RegistryAudit); len(got) != 0 {
		t.Errorf("settled rows come again: %q", got)
	}
}

// Many rows are read page by page, once each, and the first look begins where
// it is asked to, whatever zone the server takes times in.
func TestAuditHistory(t *testing.T) {
	g := newRegistry(t)
	g.cfg.History = 24 * time.Hour
	g.restart()
	for i := 1; i <= 1000; i++ {
		g.audit = append(g.audit, auditRowAt(i, now.Add(-time.Duration(1000-i)*6*time.Minute), nil))
	}
	rec := g.must(nil)
	got := keys(rec, evidence.RegistryAudit)
	if len(got) != 241 || got[0] != "760" || got[240] != "1000" {
		t.Errorf("%d rows, from %s to %s", len(got), got[0], got[len(got)-1])
	}
	if got, want := spans(rec, evidence.RegistryAudit), "reconstructed 02T12:00-03T12:00  read from the log at the first look\n"; got != want {
		t.Errorf("claims:\n%swant\n%s", got, want)
	}
	g.cfg.History = 0
	g.restart()
	if got := keys(g.must(nil), evidence.RegistryAudit); len(got) != 1000 {
		t.Errorf("without a bound: %d rows", len(got))
	}
}

// More rows than one look reads take several; what was there before the first
// is history until all of it is read.
func TestAuditInParts(t *testing.T) {
	g := newRegistry(t)
	g.c.auditPages = 2
	for i := 1; i <= 450; i++ {
		g.audit = append(g.audit, auditRowAt(i, now.Add(-time.Duration(500-i)*time.Minute), nil))
	}
	rec := g.must(nil)
	total := len(rec.Of(evidence.RegistryAudit))
	if total != 200 || !noted(rec, "more rows wait") || spans(rec, evidence.RegistryAudit) != "reconstructed 03T03:41-03T07:00  read from the log at the first look\n" {
		t.Errorf("%d rows, notes %q, claims %q", total, last(rec).Notes, spans(rec, evidence.RegistryAudit))
	}
	for range 2 {
		rec = g.later(time.Minute, rec)
		total += len(rec.Of(evidence.RegistryAudit))
	}
	if total != 450 || spans(rec, evidence.RegistryAudit) != "reconstructed 03T03:41-03T11:10  read from the log at the first look\n" {
		t.Errorf("%d rows in all, claims %q", total, spans(rec, evidence.RegistryAudit))
	}
	g.audit = append(g.audit, auditRowAt(451, g.clock, nil))
	rec = g.later(time.Minute, rec)
	if got := spans(rec, evidence.RegistryAudit); got != "continuous 03T11:10-03T12:02  \n" {
		t.Errorf("claims %q", got)
	}
}

// What is said of the time after the newest row depends on whether the
// registry says that it keeps the log.
func TestAuditSilence(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config row
		after  time.Duration
		want   string
	}{
		{"kept, quiet for long", kept(true), 72 * time.Hour, "continuous 03T11:00-06T12:00  \n"},
		{"unknown, quiet for a while", nil, time.Hour, ""},
		{"unknown, quiet for long", nil, 72 * time.Hour, "blind 03T11:00-06T12:00  the audit log shows nothing new for longer than audit_silence, and whether it is still kept cannot be told\n"},
		{"not kept", kept(false), time.Hour, "blind 03T11:00-03T13:00  the registry does not keep its audit log in its database\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRegistry(t)
			g.config = tc.config
			g.audit = []row{auditRowAt(1, ago(120), nil), auditRowAt(2, ago(60), nil)}
			rec := g.later(tc.after, g.must(nil))
			if got := spans(rec, evidence.RegistryAudit); got != tc.want {
				t.Errorf("claims:\n%swant\n%s", got, tc.want)
			}
			g.audit = append(g.audit, auditRowAt(3, g.clock.Add(time.Minute), nil))
			rec = g.later(2*time.Minute, rec)
			got := spans(rec, evidence.RegistryAudit)
			switch {
			case strings.HasPrefix(tc.want, "blind") && strings.Contains(got, "continuous"):
				t.Errorf("one row after a blind stretch makes it seen:\n%s", got)
			case !strings.HasPrefix(tc.want, "blind") && !strings.HasPrefix(got, "continuous"):
				t.Errorf("a new row continues nothing:\n%s", got)
			}
		})
	}
	// A log without a row says nothing about itself.
	g := newRegistry(t)
	if got := spans(g.must(nil), evidence.RegistryAudit); !strings.HasPrefix(got, "blind") || !strings.Contains(got, "cannot be told") {
		t.Errorf("an empty log: %q", got)
	}
}

// Rows that went before they were read are a blind window with its cause; rows
// that went after they were read are nothing.
func TestPurges(t *testing.T) {
	purgeAt := func(at time.Time, hours int, dry bool) row {
		return row{"id": 1, "job_status": "Success", "creation_time": at.Format(time.RFC3339), "job_parameters": fmt.Sprintf(`{"audit_retention_hour":%d,"dry_run":%v}`, hours, dry)}
	}
	for _, tc := range []struct {
		name   string
		rows   []row // at the second look, an hour later
		purges []row
		status int
		want   string
	}{
		{"nothing went", []row{auditRowAt(10, ago(60), nil), auditRowAt(11, now.Add(30*time.Minute), nil)}, nil, 0,
			"continuous 03T11:00-03T13:00  \n"},
		{"what was read went", []row{auditRowAt(12, now.Add(30*time.Minute), nil)}, []row{purgeAt(now.Add(10*time.Minute), 1, false)}, 0,
			"continuous 03T11:00-03T13:00  \n"},
		{"a purge took more", []row{auditRowAt(500, now.Add(50*time.Minute), nil)}, []row{purgeAt(now.Add(55*time.Minute), 0, false)}, 0,
			"continuous 03T11:00-03T12:00  \nblind 03T12:00-03T12:50  an audit purge removed rows before they were read\ncontinuous 03T12:50-03T13:00  \n"},
		{"a dry run took nothing", []row{auditRowAt(10, ago(60), nil), auditRowAt(500, now.Add(50*time.Minute), nil)}, []row{purgeAt(now.Add(55*time.Minute), 0, true)}, 0,
			"continuous 03T11:00-03T12:00  \nblind 03T12:00-03T12:50  ids of the audit log jump and no purge explains it: rows were deleted in the database, or never written\ncontinuous 03T12:50-03T13:00  \n"},
		{"purges may not be read", []row{auditRowAt(500, now.Add(50*time.Minute), nil)}, nil, 403,
			"continuous 03T11:00-03T12:00  \nblind 03T12:00-03T12:50  rows of the audit log are missing, and the history of its purges may not be read\ncontinuous 03T12:50-03T13:00  \n"},
		{"a purge that does not say how far it reached", []row{auditRowAt(500, now.Add(50*time.Minute), nil)}, []row{{"id": 1, "job_status": "Success", "creation_time": "2026-03-03T12:55:00Z", "job_parameters": ""}}, 0,
			"continuous 03T11:00-03T12:00  \nblind 03T12:00-03T12:50  rows of the audit log are missing, and the history of its purges may not be read\ncontinuous 03T12:50-03T13:00  \n"},
		{"a few ids are not used", []row{auditRowAt(10, ago(60), nil), auditRowAt(40, now.Add(50*time.Minute), nil)}, nil, 403,
			"continuous 03T11:00-03T13:00  \n"},
		{"all went, read before", nil, []row{purgeAt(now.Add(10*time.Minute), 1, false)}, 0,
			"continuous 03T11:00-03T13:00  \n"},
		{"all went", nil, []row{purgeAt(now.Add(55*time.Minute), 0, false)}, 0,
			"continuous 03T11:00-03T12:00  \nblind 03T12:00-03T12:55  an audit purge removed rows before they were read\ncontinuous 03T12:55-03T13:00  \n"},
		{"another table", []row{auditRowAt(3, now.Add(50*time.Minute), nil)}, nil, 0,
			"continuous 03T11:00-03T12:00  \nblind 03T12:00-03T12:50  ids of the audit log began anew: the registry's database was restored or replaced\ncontinuous 03T12:50-03T13:00  \n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRegistry(t)
			g.config = kept(true)
			g.audit = []row{auditRowAt(9, ago(120), nil), auditRowAt(10, ago(60), nil)}
			rec := g.must(nil)
			// The first look learns at its end that the log is kept: the second
			// claims what followed the newest row.
			rec = g.later(time.Second, rec)
			g.audit, g.purges, g.status["system/purgeaudit"] = tc.rows, tc.purges, tc.status
			want := tc.want
			if strings.HasPrefix(want, "continuous 03T11:00-") {
				want = strings.Replace(want, "continuous 03T11:00-", "continuous 03T12:00-", 1)
				want = strings.Replace(want, "continuous 03T12:00-03T12:00  \n", "", 1)
			}
			rec = g.later(time.Hour-time.Second, rec)
			if d := cmp.Diff(want, spans(rec, evidence.RegistryAudit)); d != "" {
				t.Errorf("claims (-want +got):\n%s", d)
			}
			blind := strings.Contains(tc.want, "blind")
			if blind != noted(rec, "blind from") {
				t.Errorf("notes: %q", last(rec).Notes)
			}
			if tc.name == "another table" {
				if got := keys(rec, evidence.RegistryAudit); fmt.Sprint(got) != "[era-1/3]" {
					t.Errorf("rows of another table: %q", got)
				}
			}
		})
	}
}

// A gap that was found in a look that then failed is claimed by the next.
func TestGapSurvivesAFailure(t *testing.T) {
	g := newRegistry(t)
	g.config = kept(true)
	g.audit = []row{auditRowAt(10, ago(60), nil)}
	rec := g.must(nil)
	for i := range 150 {
		g.audit = append(g.audit, auditRowAt(500+i, now.Add(50*time.Minute), nil))
	}
	g.clock = now.Add(time.Hour)
	g.hook = func(path string, _ int) {
		if path == "auditlog-exts" && len(g.asked) == 4 { // the first page after the look at the newest row
			g.status["auditlog-exts"] = 500
		}
	}
	rec, err := g.poll(rec.Resume())
	if err != nil || last(rec).Incomplete == "" || len(rec.Of(evidence.RegistryAudit)) != 99 {
		t.Fatalf("err %v, incomplete %q, %d rows", err, last(rec).Incomplete, len(rec.Of(evidence.RegistryAudit)))
	}
	g.hook, g.status["auditlog-exts"] = nil, 0
	rec = g.later(time.Minute, rec)
	if got := spans(rec, evidence.RegistryAudit); !strings.Contains(got, "blind 03T11:00-03T12:50") {
		t.Errorf("claims:\n%s", got)
	}
}

// Without the right to the whole log the logs of projects are read, and it is
// said; the list of the whole, which would come back short, is never asked.
func TestNarrowAudit(t *testing.T) {
	g := newRegistry(t)
	g.rights = []string{"robot:list"}
	g.audit = []row{auditRowAt(1, ago(60), nil), auditRowAt(900, ago(30), row{"resource_type": "member", "resource": "someone", "operation_description": "create user member someone in project elsewhere"})}
	rec := g.must(nil)
	if slices.Contains(g.asked, "auditlog-exts") || !slices.Contains(g.asked, "projects/app/auditlog-exts") {
		t.Errorf("asked %q", g.asked)
	}
	if !noted(rec, "may not list the audit log of the whole registry") {
		t.Errorf("notes %q", last(rec).Notes)
	}
	for _, d := range rec.Of(evidence.RegistryAudit) {
		if len(d.Scope) != 1 || d.Scope[0] != evidence.NewRef("project", "prod", "app") {
			t.Errorf("row %s has scope %v: the list of a project proves whose it is", d.Key, d.Scope)
		}
	}
	if got := spans(rec, evidence.RegistryAudit); !strings.Contains(got, "project:prod/app") || strings.Contains(got, "blind") {
		t.Errorf("claims:\n%s", got)
	}
	g.status["projects/app/auditlog-exts"] = 403
	rec = g.later(time.Hour, rec)
	if got := spans(rec, evidence.RegistryAudit); !strings.Contains(got, "blind") || !strings.Contains(last(rec).Incomplete, "audit log of project app") {
		t.Errorf("refused: claims %q, incomplete %q", got, last(rec).Incomplete)
	}
}

// Before 2.13 there is the old form alone; after it the old one is read to its
// end, once.
func TestForms(t *testing.T) {
	g := newRegistry(t)
	g.legacy = []row{auditRowAt(5, ago(90), nil), auditRowAt(6, ago(80), nil)}
	g.status["auditlog-exts"] = 404
	rec := g.must(nil)
	if got := keys(rec, evidence.RegistryAudit); fmt.Sprint(got) != "[legacy/5 legacy/6]" {
		t.Errorf("old form alone: %q", got)
	}
	// The registry is upgraded.
	g.status["auditlog-exts"] = 0
	g.legacy = append(g.legacy, auditRowAt(7, ago(2), nil))
	g.audit = []row{auditRowAt(1, ago(1), nil)}
	rec = g.later(time.Minute, rec)
	if got := keys(rec, evidence.RegistryAudit); fmt.Sprint(got) != "[1 legacy/7]" {
		t.Errorf("after the upgrade: %q", got)
	}
	rec = g.later(time.Hour, rec)
	if slices.Contains(g.asked, "audit-logs") {
		t.Error("the old form is asked for although nothing is written to it")
	}
	if rec = g.later(time.Hour, rec); rec.Of(evidence.RegistryAudit) != nil {
		t.Errorf("again: %q", keys(rec, evidence.RegistryAudit))
	}
}

// Counting pulls leaves them out and says how many they were.
func TestPulls(t *testing.T) {
	for _, mode := range []string{pullsAll, pullsCount} {
		g := newRegistry(t)
		g.cfg.Pulls = mode
		g.restart()
		g.audit = []row{auditRowAt(1, ago(60), nil), auditRowAt(2, ago(50), row{"operation": "pull"}), auditRowAt(3, ago(40), row{"operation": "pull", "username": "robot$app+Trivy-3f2b6a10-1111-4222-8333-444455556666"})}
		rec := g.must(nil)
		want := 3
		if mode == pullsCount {
			want = 1
		}
		if got := len(rec.Of(evidence.RegistryAudit)); got != want || noted(rec, "not recorded") != (mode == pullsCount) || !noted(rec, "3 new rows, 2 of them pulls, 1 by robots of scanners") {
			t.Errorf("%s: %d rows, notes %q", mode, got, last(rec).Notes)
		}
	}
}

// What rows are about, by their resource.
func TestTargets(t *testing.T) {
	c := &Collector{cfg: Config{RobotPrefix: "robot$", Registry: "harbor.example"}, authority: "prod"}
	d := digestOf(1)
	for _, tc := range []struct {
		name string
		row  auditRow
		want target
	}{
		{"tag", auditRow{Type: "artifact", Resource: "p/a/b:1.0"}, target{project: "p", repository: "p/a/b", tag: "1.0", resource: "p/a/b:1.0"}},
		{"digest", auditRow{Type: "artifact", Resource: "p/a@" + d}, target{project: "p", repository: "p/a", digest: d, resource: "p/a@" + d}},
		{"push with a tag", auditRow{Type: "artifact", Resource: "p/a:1", Description: "push artifact: p/a@" + d}, target{project: "p", repository: "p/a", tag: "1", digest: d, resource: "p/a:1"}},
		{"not a digest", auditRow{Type: "artifact", Resource: "p/a@sha256:12"}, target{project: "p", repository: "p/a", resource: "p/a@sha256:12"}},
		{"digest, before 2.11", auditRow{Type: "artifact", Resource: "p/a/b:" + d}, target{project: "p", repository: "p/a/b", digest: d, resource: "p/a/b:" + d}},
		{"not a digest, before 2.11", auditRow{Type: "artifact", Resource: "p/a:sha256:12"}, target{project: "p", repository: "p/a", resource: "p/a:sha256:12"}},
		{"a tag that looks like a digest's end", auditRow{Type: "tag", Resource: "p/a:" + d[7:]}, target{project: "p", repository: "p/a", tag: d[7:], resource: "p/a:" + d[7:]}},
		{"repository", auditRow{Type: "repository", Resource: "p/a"}, target{project: "p", repository: "p/a", resource: "p/a"}},
		{"no project", auditRow{Type: "repository", Resource: "a"}, target{resource: "a"}},
		{"project", auditRow{Type: "project", Resource: "p"}, target{project: "p", resource: "p"}},
		{"project, before 2.0", auditRow{Type: "project", Resource: "p/"}, target{project: "p", resource: "p/"}},
		{"project robot", auditRow{Type: "robot", Resource: "p+ci"}, target{project: "p", resource: "p+ci"}},
		{"system robot", auditRow{Type: "robot", Resource: "ci"}, target{resource: "ci"}},
		{"user", auditRow{Type: "user", Resource: "someone"}, target{person: "someone"}},
		{"member", auditRow{Type: "member", Resource: "someone", Description: "delete user member someone from project p"}, target{project: "p", person: "someone"}},
		{"a member called like a project", auditRow{Type: "member", Resource: "x in project q", Description: "create user member x in project q in project p"}, target{project: "p", person: "x in project q"}},
		{"a member not looked up", auditRow{Type: "member", Resource: "12", Description: "update member 12 in project p"}, target{project: "p"}},
		{"group", auditRow{Type: "member", Resource: "operators", Description: "create group member operators in project p"}, target{project: "p"}},
		{"new kind", auditRow{Type: "letter", Resource: "to someone"}, target{}},
		{"empty", auditRow{}, target{}},
	} {
		if d := cmp.Diff(tc.want, c.targetOf(&tc.row, nil), cmp.AllowUnexported(target{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
	}
}

// Whoever logs in by a form is the person who acts afterwards: the form sends
// the name percent-encoded, and that is how the row of the login holds it.
func TestLoginNames(t *testing.T) {
	g := newRegistry(t)
	login := func(name string) row {
		return row{"operation": "login", "resource_type": "user", "username": name, "resource": name, "operation_description": "login"}
	}
	g.audit = []row{
		auditRowAt(1, ago(60), login("mira%40corp.example")),
		auditRowAt(2, ago(59), row{"username": "mira@corp.example"}),
		auditRowAt(3, ago(58), login("mira+ops")),
		auditRowAt(4, ago(57), login("100%")),
		auditRowAt(5, ago(56), row{"username": "a%40b"}), // no login: as it stands
	}
	var got []string
	for _, d := range g.must(nil).Of(evidence.RegistryAudit) {
		if len(d.People) != 1 {
			t.Fatalf("row %s names %d people", d.Key, len(d.People))
		}
		got = append(got, d.People[0].NativeID)
	}
	if d := cmp.Diff([]string{"mira@corp.example", "mira@corp.example", "mira+ops", "100%", "a%40b"}, got); d != "" {
		t.Errorf("who acted (-want +got):\n%s", d)
	}
}
