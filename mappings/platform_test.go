package mappings

import (
	"fmt"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

func TestPauses(t *testing.T) {
	day := 24 * time.Hour
	begin := time.Date(2026, 11, 4, 1, 0, 2, 0, time.UTC) // a Wednesday
	for _, tt := range []struct {
		cron string
		gap  time.Duration
		want time.Duration
	}{
		{"0 1 * * *", day, day},
		{"0 1 * * *", time.Minute, day}, // no run lies in the gap: those around it count
		{"@daily", 3 * day, day},
		{"@every 90m", day, 90 * time.Minute},
		{"*/15 * * * *", time.Hour, 15 * time.Minute},
		{"0 1 * * 1-5", day, day},
		{"0 1 * * 1-5", 5 * day, 3 * day}, // with a weekend in it
		{"0 3 1 * *", day, 31 * day},
		{"CRON_TZ=Europe/Berlin 0 2 * * *", day, day},
		{"* * * * *", 400 * day, time.Minute}, // cut at maxRuns
	} {
		plan := readCron(tt.cron)
		if plan == nil {
			t.Errorf("%s cannot be read", tt.cron)
			continue
		}
		if got := longestPause(plan, begin, begin.Add(tt.gap)); got != tt.want {
			t.Errorf("longest pause of %q around %s from %s: got %s, want %s", tt.cron, tt.gap, begin, got, tt.want)
		}
	}
	for _, text := range []string{"", "nightly", "TZ=0", "CRON_TZ=", "0 1 * *", "61 * * * *", "@every", "@every x", fmt.Sprintf("%300s", "0 1 * * *")} {
		if plan := readCron(text); plan != nil {
			t.Errorf("%q was read as %v", text, plan)
		}
	}
}

// FuzzCron reads what a source may hold as a schedule: it must neither panic
// nor hang, and a pause is never negative.
func FuzzCron(f *testing.F) {
	for _, text := range []string{"0 1 * * *", "@every 6h", "TZ=0", "CRON_TZ=Europe/Berlin 0 2 * * 1-5", "*/5 8-18 1,15 JAN-MAR ?", "0 0 30 2 *", "@every 1ns"} {
		f.Add(text, int64(48))
	}
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string, hours int64) {
		plan := readCron(text)
		if plan == nil {
			return
		}
		if d := longestPause(plan, from, from.Add(time.Duration(hours&0xfff)*time.Hour)); d < 0 {
			t.Errorf("%q: a pause of %s", text, d)
		}
	})
}

func TestUnion(t *testing.T) {
	at := func(h int) time.Time { return evidencetest.Start.Add(time.Duration(h) * time.Hour) }
	p := func(a, b int) evidence.Period { return evidence.Period{From: at(a), To: at(b)} }
	for _, tt := range []struct {
		in      []evidence.Period
		total   time.Duration
		longest evidence.Period
	}{
		{nil, 0, evidence.Period{}},
		{[]evidence.Period{p(0, 2)}, 2 * time.Hour, p(0, 2)},
		{[]evidence.Period{p(5, 6), p(0, 2)}, 3 * time.Hour, p(0, 2)},
		{[]evidence.Period{p(0, 2), p(1, 4), p(4, 5)}, 5 * time.Hour, p(0, 5)},
		{[]evidence.Period{p(0, 9), p(2, 3)}, 9 * time.Hour, p(0, 9)},
	} {
		total, longest := union(tt.in)
		if total != tt.total || longest != tt.longest {
			t.Errorf("union of %v: got %s and %v, want %s and %v", tt.in, total, longest, tt.total, tt.longest)
		}
	}
}

// TestOwnLook holds what the log tells of itself: all between its first record
// and its newest, and nothing beside.
func TestOwnLook(t *testing.T) {
	at := func(h int) time.Time { return evidencetest.Start.Add(time.Duration(h) * time.Hour) }
	c := &coverage{all: &evidence.Coverage{}, own: evidence.Period{From: at(10), To: at(20)}}
	for _, tt := range []struct {
		from, to int
		classes  string
	}{
		{12, 18, "continuous"}, {10, 20, "continuous"}, {0, 30, "/continuous/"}, {0, 15, "/continuous"},
		{15, 30, "continuous/"}, {0, 5, ""}, {25, 30, ""},
	} {
		p := evidence.Period{From: at(tt.from), To: at(tt.to)}
		got, end := "", p.From
		for i, s := range c.strips(evidence.SelfSource, evidence.PlatformConfig, p) {
			if i > 0 {
				got += "/"
			}
			got += string(s.Class)
			if !s.Period.From.Equal(end) || s.Class == "" && s.Cause == "" {
				t.Errorf("%d to %d: strip %v after %s", tt.from, tt.to, s, end)
			}
			end = s.Period.To
		}
		if got != tt.classes || !end.Equal(p.To) {
			t.Errorf("%d to %d: got %q up to %s, want %q", tt.from, tt.to, got, end, tt.classes)
		}
	}
	for h, want := range map[int]time.Time{5: {}, 10: at(10), 15: at(15), 20: at(20), 25: at(20)} {
		if got := c.lastLook(evidence.SelfSource, evidence.PlatformConfig, at(h)); !got.Equal(want) {
			t.Errorf("last look before hour %d: got %s, want %s", h, got, want)
		}
	}
}

// platformLog makes the log of a tenant of a busy platform over 30 days: 20
// hourly backup schedules, 200 certificates, 300 copied secrets, 500 rotated
// credentials, 1,000 bindings of 300 roles, 200,000 requests for secrets by 500
// tokens and 50,000 lines of the cluster's audit log, of which a tenth is about
// Secrets.
func platformLog(tb testing.TB) (*evidencetest.Log, evidence.Period) {
	tb.Helper()
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		tb.Fatal(err)
	}
	log := evidencetest.NewLog(tenant)
	begin := evidencetest.Start
	p := evidence.Period{From: begin, To: begin.AddDate(0, 0, 30)}
	set := func(kind evidence.Kind, facts any) { log.Add(kind, evidence.OpSet, begin, facts) }
	set(evidence.RuntimeNamespace, evidence.NamespaceFacts{Cluster: "prod", Name: "tenant-7", UID: "ns"})
	for i := range 300 {
		set(evidence.AccessRBAC, evidence.RBACFacts{Cluster: "prod", Kind: "ClusterRole", Name: fmt.Sprint("role-", i), UID: fmt.Sprint("cr", i), Rules: []evidence.RBACRule{
			{Verbs: []string{"get", "list", "watch"}, Groups: []string{"", "apps"}, Resources: []string{"pods", "deployments"}},
			{Verbs: []string{"get"}, Groups: []string{""}, Resources: []string{"secrets"}},
		}})
	}
	for i := range 1000 {
		set(evidence.AccessRBAC, evidence.RBACFacts{Cluster: "prod", Kind: "ClusterRoleBinding", Name: fmt.Sprint("binding-", i), UID: fmt.Sprint("crb", i),
			RoleKind: "ClusterRole", RoleName: fmt.Sprint("role-", i%300), Subjects: []evidence.RBACSubject{
				{Kind: "ServiceAccount", Namespace: "argocd", Name: fmt.Sprint("a", i), Person: -1}, {Kind: "Group", Name: fmt.Sprint("oidc:g", i), Person: -1}}})
	}
	for i := range 200 {
		set(evidence.CertDeclared, evidence.CertDeclaredFacts{Cluster: "prod", Namespace: "tenant-7", Name: fmt.Sprint("c", i), UID: fmt.Sprint("c", i), Ready: "True", RenewalAt: p.To})
	}
	for i := range 300 {
		set(evidence.SecretSync, evidence.SecretSyncFacts{Cluster: "prod", Kind: "ExternalSecret", Namespace: "tenant-7", Name: fmt.Sprint("s", i), UID: fmt.Sprint("s", i), Interval: "1h", Ready: "True", RefreshedAt: begin})
	}
	for i := range 500 {
		set(evidence.SecretRotation, evidence.RotationFacts{Path: fmt.Sprint("db/static-creds/r", i), Type: "database-static-role", LastRotated: begin.AddDate(0, 0, -10)})
	}
	for i := range 20 {
		set(evidence.BackupSchedule, evidence.ScheduleFacts{Cluster: "prod", Namespace: "velero", Name: fmt.Sprint("hourly-", i), UID: fmt.Sprint("sch", i), Cron: "0 * * * *"})
	}
	for h := range 30 * 24 {
		at := begin.Add(time.Duration(h) * time.Hour)
		for i := range 20 {
			uid := fmt.Sprintf("b-%d-%d", i, h)
			log.Add(evidence.BackupRun, evidence.OpEvent, at, evidence.BackupFacts{Cluster: "prod", Namespace: "velero", Name: uid, UID: uid,
				Schedule: fmt.Sprint("hourly-", i), Phase: "Completed", Terminal: true, StartedAt: at, FinishedAt: at.Add(time.Minute), ExpiresAt: at.AddDate(0, 0, 60)})
		}
	}
	span := p.Duration()
	for i := range 200_000 {
		log.Add(evidence.SecretAccess, evidence.OpEvent, begin.Add(span/200_000*time.Duration(i)), evidence.AccessFacts{RequestID: fmt.Sprint("q", i), Operation: "read",
			Path: "kv/data/db", Outcome: "ok", Reading: true, Who: -1, Accessor: fmt.Sprint("a", i%500), TokenTTL: 3600})
	}
	for i := range 50_000 {
		resource := "pods"
		if i%10 == 0 {
			resource = "secrets"
		}
		log.Add(evidence.AccessAudit, evidence.OpEvent, begin.Add(span/50_000*time.Duration(i)), evidence.AuditFacts{Platform: "kubernetes", ID: fmt.Sprint("l", i), Stage: "ResponseComplete",
			Action: "get", Resource: resource, Namespace: "tenant-7", Name: "db", Outcome: "ok", Who: -1, Behind: -1, Account: "tenant-7/web"})
	}
	var kinds []evidence.Kind
	for _, k := range evidence.Kinds() {
		if !k.Own {
			kinds = append(kinds, k.Kind)
		}
	}
	for d := range 30 {
		day := evidence.Period{From: begin.AddDate(0, 0, d), To: begin.AddDate(0, 0, d+1)}
		for _, source := range []evidence.SourceID{"velero/prod", "vault/prod", "kubernetes/prod", "kubernetes-audit/prod", "cert-manager/prod", "external-secrets/prod"} {
			log.Cover(source, evidence.Continuous, day, "", kinds...)
		}
	}
	return log, p
}

// BenchmarkPlatformViews builds each view of platform, backups, secrets,
// certificates and rights over the log of [platformLog].
func BenchmarkPlatformViews(b *testing.B) {
	log, p := platformLog(b)
	in := Input{Reader: log, Catalog: mustLoad(b), Period: p}
	if err := in.check(); err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"backup_schedules", "backups", "backup_locations", "restore_tests", "declared_certificates", "certificate_requests",
		"secret_rotations", "secret_credentials", "secret_syncs", "secret_servers", "role_bindings", "secret_readers", "members",
		"secret_copy_reads", "places", "sources", "clocks", "configurations", "offboardings"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			items := 0
			for b.Loop() {
				a := &assessment{in: in, people: newPeople(log)}
				if err := a.load(b.Context(), in.Catalog.controls); err != nil {
					b.Fatal(err)
				}
				s := &scene{reader: log, period: p, cover: a.cover, people: a.people, joins: &joins{}}
				items = 0
				if err := views[name].build(b.Context(), s, func(*item) error { items++; return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(items), "items")
		})
	}
}
