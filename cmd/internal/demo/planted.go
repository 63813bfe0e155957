package demo

import (
	"time"

	"evidenced/testdata/world"
)

// Plant is a problem that the world was given on purpose. All other tests hold
// on this platform, as far as they can be told.
type Plant struct {
	Name  string
	Since time.Time // when it began; zero: before anybody looked
	Says  string    // one sentence
	Finds []Find
	Hides []Hide
}

// Find is a test that fails by it, in each of the logs.
type Find struct {
	Logs    []string // names of tenants, and _platform
	Test    string
	Records []string // "date kind name" of each failing record, as patterns of path.Match
}

// Hide is what cannot be told for it, where nothing else shows that it failed.
type Hide struct {
	Logs   []string
	Tests  []string
	Reason string // empty: undetermined
}

var (
	everyTenant = []string{"tenant-1", "tenant-2", "tenant-3", "tenant-4", "tenant-5", "tenant-6", "tenant-7", "tenant-8"}
	everyLog    = append([]string{"_platform"}, everyTenant...)
)

// one is a failing test of one tenant.
func one(tenant, test string, records ...string) Find {
	return Find{[]string{tenant}, test, records}
}

// same are tests that fail by the same records.
func same(tenant string, tests []string, records ...string) []Find {
	var out []Find
	for _, t := range tests {
		out = append(out, one(tenant, t, records...))
	}
	return out
}

func day(month time.Month, d, hour, minute int) time.Time {
	return time.Date(2026, month, d, hour, minute, 0, 0, time.UTC)
}

// Planted lists what gaps is to find at the end of the story: these tests with
// these records, and no others.
func Planted() []Plant { return append(plantedChanges(), append(plantedRights(), plantedCare()...)...) }

// plantedChanges are about what was changed and what came of it.
func plantedChanges() []Plant {
	const repo = "nordlicht-platform/platform-config"
	unapproved := "2026-10-26 change.merge " + repo + "!30"
	pushed := "2026-11-08 change.commit *"
	red := "2026-11-06 change.merge " + repo + "!71"
	deployed := []string{"dep-approved", "prod-approved", "prod-independent"}
	return []Plant{
		{Name: "open-guard", Says: "The guard on main does not bind administrators.",
			Finds: []Find{one("_platform", "chg-no-bypass", "2026-10-17 change.protection "+repo+"@main")}},
		{Name: "no-approval", Since: day(10, 26, 15, 31), Says: "An administrator merges a request of tenant-4 that nobody approved, and it is deployed.",
			Finds: append(append(same("tenant-4", []string{"chg-approved", "chg-independent"}, unapproved),
				same("_platform", []string{"chg-approved", "chg-independent"}, unapproved)...),
				same("tenant-4", deployed, "2026-10-26 deploy.sync argocd/tenant-4-worker")...)},
		{Name: "red-tests", Since: day(11, 6, 12, 27), Says: "A request of tenant-1 is merged although its tests failed.",
			Finds: []Find{{[]string{"tenant-1", "_platform"}, "chg-tested", []string{red}}}},
		{Name: "drift", Since: day(11, 6, 13, 10), Says: "A hand changes tenant-2's worker in the cluster, and for two hours nobody puts it right.",
			Finds: []Find{one("tenant-2", "chg-drift", "2026-11-06 deploy.state argocd/tenant-2-worker")}},
		{Name: "hotfix", Since: day(11, 8, 21, 47), Says: "A hotfix of tenant-7 goes straight to main, past every rule, and is deployed.",
			Finds: append(append(same("tenant-7", []string{"chg-approved", "chg-attributed", "chg-independent"}, pushed),
				same("_platform", []string{"chg-approved", "chg-attributed", "chg-independent"}, pushed)...),
				same("tenant-7", deployed, "2026-11-08 deploy.sync argocd/tenant-7-web")...)},
		{Name: "laptop-image", Since: day(11, 8, 21, 52), Says: "The hotfix's image comes from a laptop: no pipeline, no commit, no signature, no bill of materials.",
			Finds: same("tenant-7", []string{"img-provenance", "img-signed", "sbom-present"}, "2026-11-0[89] runtime.pod tenant-7/web-*")},
		{Name: "old-weakness", Since: day(10, 29, 0, 0), Says: "tenant-5's db-proxy keeps a critical weakness: it is never built anew.",
			Finds: []Find{one("tenant-5", "vuln-sla", "2026-10-2[89] runtime.pod tenant-5/db-proxy-*")}},
		{Name: "weakness-again", Since: day(11, 10, 12, 37), Says: "tenant-2's db-proxy is built anew and brings the same critical weakness, known for eleven days.",
			Finds: []Find{one("tenant-2", "vuln-deploy", "2026-11-10 runtime.pod tenant-2/db-proxy-*")}},
	}
}

// plantedRights are about who may do what, and who did.
func plantedRights() []Plant {
	var monthly []Find
	for _, t := range everyTenant {
		monthly = append(monthly, one(t, "secret-access", "2026-11-01 secret.access kv/"+t+"/worker/queue"))
	}
	return []Plant{
		{Name: "monthly-figures", Since: day(11, 1, 4, 0), Says: "The reporting machine reads a secret of every tenant, and once more one of tenant-7.",
			Finds: append(monthly, one("tenant-7", "secret-access", "2026-11-14 secret.access kv/tenant-7/worker/queue"))},
		{Name: "endless-login", Says: "The secret ids of the reporting machine never end.",
			Finds: []Find{{everyLog, "secret-no-static", []string{"2026-10-17 secret.role auth/approle/reporting"}}}},
		{Name: "setup-policy", Says: "A policy from the days of setting up still lets somebody switch the audit devices off.",
			Finds: []Find{one("_platform", "policy-least", "2026-10-17 secret.policy audit-setup")}},
		{Name: "migration-binding", Says: "tenant-6's team holds every right in its namespace, left over from a migration.",
			Finds: []Find{one("tenant-6", "rbac-least", "2026-10-17 access.rbac RoleBinding.rbac.authorization.k8s.io/tenant-6/migration")}},
		{Name: "left-open", Says: "A network rule left over from a move lets tenant-2's pods reach tenant-5's database.",
			Finds: []Find{one("tenant-5", "net-apart", "2026-10-17 network.namespace tenant-5")}},
		{Name: "endless-exception", Says: "tenant-4's exception from a policy was to be for a week, and names no end.",
			Finds: []Find{one("tenant-4", "policy-excepted", "2026-10-17 policy.exception PolicyException.kyverno.io/tenant-4/old-importer")}},
		{Name: "break-glass", Since: day(11, 14, 13, 24), Says: "An administrator reads tenant-7's secrets in the store, and the copy of one in the cluster.",
			Finds: []Find{
				one("tenant-7", "secret-access", "2026-11-14 secret.access kv/tenant-7/web/db", "2026-11-14 secret.access kv/tenant-7/db-proxy/upstream"),
				one("tenant-7", "secret-copy-read", "2026-11-14 access.audit tenant-7/"+world.CopiedTo),
			}},
		{Name: "old-secret", Says: "A password of tenant-8 has not been changed since June.",
			Finds: []Find{one("tenant-8", "secret-rotated", "2026-10-17 secret.rotation kv/tenant-8/db-proxy/upstream")}},
	}
}

// plantedCare are about backups, certificates, and looking at all.
func plantedCare() []Plant {
	host := "2026-1[01]-?? cert.state tenant-3.apps.platform.example"
	seenAt := func(source string) []Find {
		return []Find{{everyLog, "collect-complete", []string{"2026-11-14 collection.coverage " + source}}}
	}
	return []Plant{
		{Name: "late-certificate", Says: "tenant-3's certificate was due for renewal on 6 October, ran out on 5 November and was renewed a day later.",
			Finds: []Find{
				one("tenant-3", "cert-declared", "2026-10-17 cert.declared Certificate.cert-manager.io/tenant-3/web-tls"),
				one("tenant-3", "cert-renewed", "2026-10-17 cert.state tenant-3.apps.platform.example", "2026-11-05 cert.state tenant-3.apps.platform.example"),
				one("tenant-3", "cert-valid", host), one("tenant-3", "tls-ok", host),
				one("tenant-3", "alert-ended", "2026-11-05 alert.instance *"),
			}},
		{Name: "hidden-alert", Since: day(11, 12, 8, 20), Says: "Somebody hides the alert of tenant-8's backups for two weeks, and does not say why.",
			Finds: []Find{one("tenant-8", "silence-bounded", "2026-11-12 alert.silence *")}},
		{Name: "broken-backups", Since: day(11, 12, 1, 0), Says: "tenant-8's backups are only partly done, three nights in a row.",
			Finds: []Find{one("tenant-8", "backup-ok", "2026-10-17 backup.schedule Schedule.velero.io/velero/tenant-8-daily")}},
		{Name: "poor-drills", Since: day(11, 2, 9, 12), Says: "tenant-3's restore test brings nothing back and tenant-5's breaks off; whether an earlier one was better nobody saw.",
			Hides: []Hide{{[]string{"tenant-3", "tenant-5"}, []string{"restore-ok", "restore-yearly"}, "blind"}}},
		{Name: "deployer-down", Since: day(11, 3, 9, 20), Says: "Argo CD cannot be reached for three hours.",
			Finds: seenAt(SourceArgoCD),
			Hides: []Hide{{everyLog, []string{"chg-drift", "dep-approved", "dep-attributed", "dep-traced", "img-pinned", "prod-approved", "prod-independent",
				"run-declared", "run-digest"}, "source-down"}}},
		{Name: "log-cut", Since: day(10, 29, 15, 30), Says: "The secret store's audit file is rotated so that lines are lost.",
			Finds: seenAt(SourceVault)},
		{Name: "audit-off", Since: day(11, 10, 5, 30), Says: "An administrator switches the secret store's audit device off, until ten past nine.",
			Finds: append(seenAt(SourceVault), one("_platform", "vault-audit", "2026-10-17 secret.device file"), one("_platform", "vault-device-always", "2026-10-17 secret.device file")),
			Hides: []Hide{{everyLog, []string{"secret-access", "secret-attributed", "secret-no-root", "secret-no-override", "login-no-override", "vault-device-always"}, "blind"}}},
	}
}
