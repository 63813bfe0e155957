package harbor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// TestOddRows: a row without an id, or of a form that the API does not describe,
// costs none of the others, of whatever list. It is told, of its kinds not all
// counts as seen where the list is, and nothing there ends for it.
func TestOddRows(t *testing.T) {
	member := func(id int) row {
		return row{"entity_id": id, "entity_name": fmt.Sprintf("user-%d", id), "entity_type": "u", "role_name": "developer", "role_id": 2}
	}
	robot := func(id int, level string) row {
		return row{"id": id, "name": fmt.Sprintf("robot$app+r%d", id), "level": level, "permissions": []row{{"kind": "project", "namespace": "app"}}}
	}
	job := func(id int) row {
		return row{"id": id, "job_kind": "GC", "job_status": "Success", "creation_time": "2026-03-01T00:00:00Z"}
	}
	with := func(r row, more row) row {
		for k, v := range more {
			r[k] = v
		}
		return r
	}
	const app = "projects/app/"
	for name, tt := range map[string]struct {
		list  string // "" for artifacts
		rows  []row
		kinds []evidence.Kind // of which not all was seen
		blind string          // in what scope
		good  int             // drafts of the first of them that come all the same
		told  string
	}{
		"artifact without a digest": {"", []row{artifactRow(1, nil), artifactRow(2, row{"digest": nil}), artifactRow(3, nil)}, append(slices.Clone(stateKinds), evidence.ArtifactScan), "app", 2, "an artifact without a digest, of an unknown form"},
		"artifact of another project": {"", []row{artifactRow(1, nil), artifactRow(2, row{"repository_name": "lib/web"}), artifactRow(3, nil)}, append(slices.Clone(stateKinds), evidence.ArtifactScan), "app", 2,
			"of another project"},
		"artifact whose tags are no list": {"", []row{artifactRow(1, row{"tags": row{"name": "v1"}}), artifactRow(3, nil)}, append(slices.Clone(stateKinds), evidence.ArtifactScan), "app", 1, "an artifact without a digest, of an unknown form"},
		"artifact with odd accessories": {"", []row{artifactRow(1, row{"accessories": []any{"cosign"}}), artifactRow(3, nil)}, append(slices.Clone(stateKinds), evidence.ArtifactScan), "app", 1,
			"an artifact without a digest, of an unknown form"},
		"tag without a name":     {"", []row{artifactRow(1, row{"tags": []row{{"name": "v1"}, {"name": 7}}}), artifactRow(3, nil)}, append(slices.Clone(stateKinds), evidence.ArtifactScan), "app", 1, "an artifact without a digest, of an unknown form"},
		"image without a digest": {"", []row{artifactRow(1, row{"references": []row{{"child_digest": 7}}}), artifactRow(3, nil)}, append(slices.Clone(stateKinds), evidence.ArtifactScan), "app", 1, "an artifact without a digest, of an unknown form"},
		"signature of no type": {"", []row{artifactRow(1, row{"accessories": []row{{"type": row{"name": "signature.cosign"}, "digest": digestOf(9)}}}), artifactRow(3, nil)}, append(slices.Clone(stateKinds), evidence.ArtifactScan), "app", 1,
			"an artifact without a digest, of an unknown form"},
		"accessory without a digest": {"", []row{artifactRow(1, row{"accessories": []row{{"type": "signature.cosign", "digest": 7}, {"type": "signature.cosign", "digest": digestOf(9)}}})},
			[]evidence.Kind{evidence.ArtifactSigned, evidence.ArtifactSBOM}, "app", 1, "something without a digest"},
		"member without a name": {app + "members", []row{member(1), {"entity_id": 2}, member(3)}, []evidence.Kind{evidence.AccessMember}, "app", 2, "a member of an unknown form"},
		"member with an odd role": {app + "members", []row{with(member(1), row{"role_id": "admin"}), member(3), with(member(4), row{"entity_id": "4"})}, []evidence.Kind{evidence.AccessMember}, "app", 1,
			"a member of an unknown form (and 1 more that cannot be read)"},
		"robot without an id":      {"robots", []row{robot(1, "system"), {"name": "robot$x"}, robot(3, "system")}, []evidence.Kind{evidence.RegistryRobot}, "", 2, "a robot of an unknown form"},
		"robot with odd grants":    {"robots", []row{with(robot(1, "system"), row{"permissions": "all"}), robot(3, "system")}, []evidence.Kind{evidence.RegistryRobot}, "", 1, "a robot of an unknown form"},
		"immutability rule":        {app + "immutabletagrules", []row{{"id": "1"}, {"id": 2, "action": "immutable"}}, []evidence.Kind{evidence.RegistryRule}, "app", 6, "a rule of an unknown form"},
		"webhook":                  {app + "webhook/policies", []row{{"name": "x"}, {"id": 2, "name": "y"}}, []evidence.Kind{evidence.RegistryRule}, "app", 6, "a webhook of an unknown form"},
		"replication policy":       {"replication/policies", []row{{"id": 1, "filters": "all"}, {"id": 2, "name": "y"}}, []evidence.Kind{evidence.RegistryRule}, "host", 6, "a replication policy of an unknown form"},
		"scanner":                  {"scanners", []row{{"name": "x"}, {"uuid": "u2", "name": "y", "disabled": true}}, []evidence.Kind{evidence.RegistryRule}, "host", 6, "a scanner of an unknown form"},
		"replication run":          {"replication/executions", []row{{"id": 9, "total": "many"}, {"id": 8, "status": "Succeed"}}, []evidence.Kind{evidence.RegistryRun}, "host", 1, "a run of an unknown form"},
		"retention run":            {"retentions/5/executions", []row{{"status": "Success"}, {"id": 8, "status": "Success"}}, []evidence.Kind{evidence.RegistryRun}, "app", 1, "a run of an unknown form"},
		"garbage collection":       {"system/gc", []row{job(1), {"job_status": "Success"}, with(job(2), row{"job_parameters": row{"dry_run": true}}), job(3)}, []evidence.Kind{evidence.RegistryRun}, "host", 2, "a job of an unknown form"},
		"quota of another form":    {"quotas", []row{{"ref": row{"id": 1}, "hard": row{"storage": "1GB"}}}, []evidence.Kind{evidence.RegistryProject}, "app", 1, "a quota of an unknown form"},
		"quota of nobody":          {"quotas", []row{{"ref": row{"id": 2}, "hard": row{"storage": 5}}, {"hard": row{"storage": 6}}}, []evidence.Kind{evidence.RegistryProject}, "app", 1, "a quota of an unknown form"},
		"a list with null in it":   {app + "members", []row{member(1), nil}, []evidence.Kind{evidence.AccessMember}, "app", 1, "a member of an unknown form"},
		"rows twice":               {app + "members", []row{member(1), member(1)}, nil, "", 0, ""},
		"a role that is newer":     {app + "members", []row{with(member(1), row{"role_id": 9, "role_name": "artifactAuditor"})}, nil, "", 0, ""},
		"a holder of a newer type": {app + "members", []row{with(member(1), row{"entity_type": "w"})}, nil, "", 0, ""},
		"a job of a newer state":   {"system/gc", []row{with(job(1), row{"job_status": "Paused"})}, nil, "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRegistry(t)
			g.projects = []row{{"project_id": 1, "name": "app", "metadata": row{"public": "false", "retention_id": "5"}}, {"project_id": 2, "name": "lib"}}
			g.single = map[string]any{"retentions/5": row{"id": 5}}
			g.config = row{}
			first := g.must(nil)
			if o := last(first); o.Incomplete != "" {
				t.Fatalf("the first look is incomplete: %s", o.Incomplete)
			}
			if tt.list == "" {
				g.arts["app"] = tt.rows
			} else {
				g.lists[tt.list] = tt.rows
			}
			rec := g.later(time.Hour, first)
			if got := last(rec).Incomplete; tt.told == "" && got != "" || !strings.Contains(got, tt.told) {
				t.Errorf("incomplete %q, want %q", got, tt.told)
			}
			if len(tt.kinds) == 0 {
				return
			}
			if n := len(rec.Of(tt.kinds[0])); n != tt.good {
				t.Errorf("%d drafts of %s, want %d", n, tt.kinds[0], tt.good)
			}
			where := map[string]evidence.Ref{"app": g.c.projectRef("app"), "host": g.c.hostRef()}[tt.blind]
			for _, k := range g.c.Kinds() {
				got := spans(rec, k)
				if blind := strings.Contains(got, "blind "+now.Format("02T15:04")); blind != slices.Contains(tt.kinds, k) || blind && !strings.Contains(got, " "+where.String()+" ") {
					t.Errorf("%s is claimed as %q", k, got)
				}
				if slices.Contains(tt.kinds, k) && (completes(rec, k, evidence.Ref{}) || completes(rec, k, where)) {
					t.Errorf("states of %s end", k)
				}
			}
		})
	}
}

// TestOddProjects: a project whose settings cannot be read is read all the same; one
// that nothing can be asked of costs none of the others, and no state ends for it.
func TestOddProjects(t *testing.T) {
	for name, tt := range map[string]struct {
		rows   []row
		first  []row
		images int
		told   string
		blind  map[evidence.Kind]string
	}{
		"odd metadata": {rows: []row{{"project_id": 1, "name": "app", "metadata": "none"}, {"project_id": 2, "name": "lib"}}, images: 2, told: "settings of project app",
			blind: map[evidence.Kind]string{evidence.RegistryProject: "app", evidence.RegistryRule: "app", evidence.RegistryRun: "app", evidence.ArtifactImage: "", evidence.AccessMember: ""}},
		"truths that are none in words": {rows: []row{{"project_id": 1, "name": "app", "metadata": row{"public": false, "retention_id": nil}}}, images: 1,
			blind: map[evidence.Kind]string{evidence.RegistryProject: "", evidence.ArtifactImage: ""}},
		"an odd list of exceptions": {rows: []row{{"project_id": 1, "name": "app", "cve_allowlist": row{"items": "CVE-1"}}}, images: 1, told: "a project of an unknown form",
			blind: map[evidence.Kind]string{evidence.RegistryProject: "app", evidence.ArtifactImage: ""}},
		"no id": {rows: []row{{"name": "app"}, {"project_id": 2, "name": "lib"}}, images: 1, told: "a project without a name or an id",
			blind: map[evidence.Kind]string{evidence.RegistryProject: "app", evidence.ArtifactImage: "app", evidence.AccessMember: "app", evidence.ArtifactScan: "app"}},
		"no name, of a known id": {rows: []row{{"project_id": 1, "name": 7}, {"project_id": 2, "name": "lib"}}, images: 1, told: "a project without a name or an id",
			blind: map[evidence.Kind]string{evidence.RegistryProject: "app", evidence.ArtifactImage: "app", evidence.AccessMember: "app"}},
		"nothing that tells it": {rows: []row{{}, {"project_id": 2, "name": "lib"}}, images: 1, told: "a project without a name or an id",
			blind: map[evidence.Kind]string{evidence.RegistryProject: "*", evidence.ArtifactImage: "*", evidence.AccessMember: "*"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRegistry(t)
			g.config = row{}
			good := []row{{"project_id": 1, "name": "app"}, {"project_id": 2, "name": "lib"}}
			g.projects = good
			g.arts["app"], g.arts["lib"] = []row{artifactRow(1, nil)}, []row{artifactRow(2, row{"repository_name": "lib/x"})}
			first := g.must(nil)
			g.projects = tt.rows
			rec := g.later(time.Hour, first)
			if got := last(rec).Incomplete; tt.told == "" && got != "" || !strings.Contains(got, tt.told) {
				t.Errorf("incomplete %q, want %q", got, tt.told)
			}
			if n := len(rec.Of(evidence.ArtifactImage)); n != tt.images {
				t.Errorf("%d artifacts, want %d", n, tt.images)
			}
			for k, where := range tt.blind {
				want := ""
				switch where {
				case "*":
					want = "blind "
				case "app":
					want = g.c.projectRef("app").String()
				}
				got := spans(rec, k)
				if blind := strings.Contains(got, "blind"); blind != (want != "") || !strings.Contains(got, want) {
					t.Errorf("%s is claimed as %q, want blind of %q", k, got, where)
				}
				if want != "" && (completes(rec, k, evidence.Ref{}) || completes(rec, k, g.c.projectRef("app"))) {
					t.Errorf("states of %s end", k)
				}
			}
			if !slices.Contains(last(rec).Sees, "app") {
				t.Errorf("sees %q: its scope would be said to have shrunk", last(rec).Sees)
			}
			g.projects = good
			if again := g.later(time.Hour, rec); last(again).Incomplete != "" || len(again.Of(evidence.ArtifactImage)) != 2 {
				t.Errorf("after it was mended: %q", last(again).Incomplete)
			}
		})
	}
}

// TestOddAuditRows: a row of the audit log that cannot be read in full is kept as far
// as it can, and the stretch around it is not claimed; one without an id holds up
// none of the others.
func TestOddAuditRows(t *testing.T) {
	at := func(min int) time.Time { return now.Add(time.Duration(min) * time.Minute) }
	for name, tt := range map[string]struct {
		rows  []row
		keys  string
		told  string
		spans []string
	}{
		"a resource of another form": {[]row{auditRowAt(2, at(10), nil), auditRowAt(3, at(20), row{"resource": 7}), auditRowAt(4, at(30), nil)}, "2 3 4", "a row of an unknown form",
			[]string{"continuous 00-10", "blind 10-20", "continuous 20-60"}},
		"no time that can be read": {[]row{auditRowAt(2, at(10), nil), auditRowAt(3, at(20), row{"op_time": 20}), auditRowAt(4, at(30), nil)}, "2 3 4", "a row of an unknown form",
			[]string{"continuous 00-10", "blind 10-30", "continuous 30-60"}},
		"no id": {[]row{auditRowAt(2, at(10), nil), auditRowAt(3, at(20), row{"id": "3"}), auditRowAt(4, at(30), nil)}, "2 4", "a row without an id",
			[]string{"continuous 00-10", "blind 10-30", "continuous 30-60"}},
		"no id of the last one": {[]row{auditRowAt(2, at(10), nil), auditRowAt(3, at(20), row{"id": "3"})}, "2", "a row without an id",
			[]string{"continuous 00-10", "blind 10-60"}},
		"an operation that is newer": {[]row{auditRowAt(2, at(10), row{"operation": "attest", "resource_type": "attestation"})}, "2", "", []string{"continuous 00-60"}},
		"a time to come": {[]row{auditRowAt(2, at(10), nil), auditRowAt(3, at(20), row{"id": "3"}), auditRowAt(4, at(60*24*365), nil)}, "2 4", "a row without an id",
			[]string{"continuous 00-10", "blind 10-60"}},
		"a row twice": {[]row{auditRowAt(2, at(10), nil), auditRowAt(2, at(10), nil)}, "2", "", []string{"continuous 00-60"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRegistry(t)
			g.config = row{}
			g.audit = []row{auditRowAt(1, at(-10), nil)}
			first := g.must(nil)
			first = g.later(0, first) // the settings say now that it is kept
			g.audit = append(g.audit, tt.rows...)
			rec := g.later(time.Hour, first)
			if got := strings.Join(keys(rec, evidence.RegistryAudit), " "); got != tt.keys {
				t.Errorf("rows %s, want %s", got, tt.keys)
			}
			if got := last(rec).Incomplete; tt.told == "" && got != "" || !strings.Contains(got, tt.told) {
				t.Errorf("incomplete %q, want %q", got, tt.told)
			}
			var got []string
			for _, s := range last(rec).Seen {
				if slices.Contains(s.Kinds, evidence.RegistryAudit) {
					got = append(got, fmt.Sprintf("%s %02d-%02d", s.Class, int(s.From.Sub(now).Minutes()), int(s.To.Sub(now).Minutes())))
				}
			}
			if !slices.Equal(got, tt.spans) {
				t.Errorf("claims %q, want %q", got, tt.spans)
			}
		})
	}
}

// TestOddScans: a scan that cannot be read is there, whatever else of its artifact
// cannot be read.
func TestOddScans(t *testing.T) {
	g := newRegistry(t)
	g.arts["app"] = []row{artifactRow(1, row{"size": "big", "scan_overview": 7, "sbom_overview": 8})}
	f := factsOf[evidence.ArtifactFacts](t, g.must(nil).Of(evidence.ArtifactImage)[0])
	if f.Scan != "unknown" || f.SBOM != "unknown" {
		t.Errorf("scan %q, SBOM %q", f.Scan, f.SBOM)
	}
}

// TestOddBeginning: a log whose oldest row says no time is begun once.
func TestOddBeginning(t *testing.T) {
	g := newRegistry(t)
	g.config, g.c.cfg.History = row{}, 0
	g.audit = []row{auditRowAt(1, now.Add(-time.Hour), row{"op_time": 5}), auditRowAt(2, now.Add(-30*time.Minute), nil)}
	rec := g.must(nil)
	rec = g.later(time.Hour, rec)
	if rec = g.later(time.Hour, rec); len(rec.Of(evidence.RegistryAudit)) != 0 {
		t.Errorf("rows %s are told again", keys(rec, evidence.RegistryAudit))
	}
}

// TestOddProjectOfRobot: what reaches a project of which nothing can be asked is that
// project's all the same.
func TestOddProjectOfRobot(t *testing.T) {
	g := newRegistry(t)
	g.lists = map[string][]row{"robots": {{"id": 7, "name": "robot$x", "level": "system", "permissions": []row{{"kind": "project", "namespace": "app"}}}}}
	first := g.must(nil)
	g.projects = []row{{"project_id": 1, "name": 7}, {"project_id": 2, "name": "lib"}}
	ds := g.later(30*time.Hour, first).Of(evidence.RegistryRobot)
	if len(ds) != 1 || !slices.Contains(ds[0].Scope, g.c.projectRef("app")) {
		t.Errorf("%d robots, of %v", len(ds), ds[0].Scope)
	}
}

// A right that cannot be read is one that the credential has not.
func TestOddRight(t *testing.T) {
	g := newRegistry(t)
	g.single = map[string]any{"users/current/permissions": []any{row{"resource": "project", "action": "list"}, "audit-log:list", row{"resource": 7}}}
	rec := g.must(nil)
	if !noted(rec, "a right of the credential cannot be read") || !noted(rec, "audit-log:list") {
		t.Errorf("notes %q", last(rec).Notes)
	}
	g.single = map[string]any{"users/current/permissions": json.RawMessage(`["all"]`)}
	if _, err := g.poll(nil); err == nil || !strings.Contains(err.Error(), "rights without names") {
		t.Errorf("got %v", err)
	}
}

// One schedule that cannot be read costs none of the others.
func TestOddSchedule(t *testing.T) {
	g := newRegistry(t)
	g.single = map[string]any{"system/scanAll/schedule": row{"schedule": "daily"}}
	rec := g.must(nil)
	if n := len(rec.Of(evidence.RegistryRule)); n != 2 || !strings.Contains(last(rec).Incomplete, "schedules") {
		t.Errorf("%d rules, incomplete %q", n, last(rec).Incomplete)
	}
}
