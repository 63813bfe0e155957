package harbor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// need is a right that evidence stands on, in Harbor's words.
type need struct {
	resource, action string
	kinds            []evidence.Kind
}

// systemNeeds and projectNeeds are what the robot of deploy/access/harbor may
// do.
var (
	systemNeeds = []need{
		{"project", "list", nil}, // without it only some projects are seen
		{"audit-log", "list", []evidence.Kind{evidence.RegistryAudit}},
		{"robot", "list", []evidence.Kind{evidence.RegistryRobot}},
		{"quota", "list", []evidence.Kind{evidence.RegistryProject}},
		{"scanner", "list", []evidence.Kind{evidence.RegistryRule}},
		{"scanner", "read", []evidence.Kind{evidence.RegistryRule}},
		{"scan-all", "read", []evidence.Kind{evidence.RegistryRule}},
		{"garbage-collection", "read", []evidence.Kind{evidence.RegistryRule}},
		{"garbage-collection", "list", []evidence.Kind{evidence.RegistryRun}},
		{"purge-audit", "read", []evidence.Kind{evidence.RegistryRule}},
		{"purge-audit", "list", []evidence.Kind{evidence.RegistryRun, evidence.RegistryAudit}},
		{"replication-policy", "list", []evidence.Kind{evidence.RegistryRule}},
		{"replication", "list", []evidence.Kind{evidence.RegistryRun}},
	}
	projectNeeds = []need{
		{"artifact", "list", stateKinds},
		{"artifact-addition", "read", []evidence.Kind{evidence.ArtifactScan, evidence.ArtifactSBOM}},
		{"scanner", "read", []evidence.Kind{evidence.RegistryProject}},
		{"member", "list", []evidence.Kind{evidence.AccessMember}},
		{"robot", "list", []evidence.Kind{evidence.RegistryRobot}},
		{"immutable-tag", "list", []evidence.Kind{evidence.RegistryRule}},
		{"tag-retention", "read", []evidence.Kind{evidence.RegistryRule}},
		{"tag-retention", "list", []evidence.Kind{evidence.RegistryRun}},
		{"notification-policy", "list", []evidence.Kind{evidence.RegistryRule}},
	}
)

// Examine implements collectors.Examiner. It asks the registry which rights
// the credential has, in the system and in each project, and reads nothing
// that those rights are for but its own account and the oldest audit row.
func (c *Collector) Examine(ctx context.Context) (collectors.Examination, error) {
	c.fetch.ResetStats()
	l := &look{Collector: c, ctx: ctx, cur: &cursor{}, started: c.env.Clock().UTC()}
	x := collectors.Examination{Identity: l.identity()}
	err := l.examine(&x)
	st := c.fetch.Stats()
	x.Offset, x.OffsetOK, x.Requests = st.Offset, st.OffsetOK, st.Requests
	if status(err) == http.StatusUnauthorized {
		err = problem.Wrap(problem.Credential, err, "the registry refuses the name or the secret").
			WithHint("the robot expired, was disabled, or its secret is wrong: make a new secret and put it into token_file")
	}
	return x, err
}

func (l *look) examine(x *collectors.Examination) error {
	var info struct {
		Version string `json:"harbor_version"`
	}
	if _, err := l.read("systeminfo", nil, &info); err != nil {
		return err
	}
	x.Version = text(info.Version)
	var err error
	if l.rights, err = l.rightsIn("/system"); err != nil {
		return err
	}
	x.Rights = append(x.Rights, l.rights.check("the system", "system", systemNeeds)...)
	if l.projects, err = l.listProjects(); err != nil {
		return err
	}
	if err := l.examineProjects(x); err != nil {
		return err
	}
	settings := collectors.Right{Name: "settings of the audit log", Access: collectors.Readable, Kinds: []evidence.Kind{evidence.RegistryAudit, evidence.RegistryRule}}
	if !l.rights.has("configuration", "read") {
		settings.Access = collectors.Untold
		settings.Hint = "only administrators may read them, and no robot: whether the audit log is forwarded, hides kinds of events or is kept at all cannot be told; have an administrator attest it"
	}
	x.Rights = append(x.Rights, settings)
	if err := l.examineRobot(x); err != nil {
		return err
	}
	return l.examineAudit(x)
}

// check compares rights with what is needed, and names what is more.
func (r rights) check(where, level string, needs []need) (out []collectors.Right) {
	for _, n := range needs {
		right := collectors.Right{Name: n.resource + ":" + n.action + " in " + where, Access: collectors.Readable, Kinds: n.kinds}
		if !r.has(n.resource, n.action) {
			right.Access = collectors.Missing
			right.Hint = "add " + n.action + " of " + n.resource + " to the robot's " + level + " permissions"
		}
		out = append(out, right)
	}
	if ws := r.writing(); len(ws) > 0 {
		shown := ws[:min(len(ws), 5)]
		more := ""
		if len(ws) > len(shown) {
			more = ", and " + number(int64(len(ws)-len(shown))) + " more"
		}
		out = append(out, collectors.Right{
			Name: strings.Join(shown, ", ") + more + " in " + where, Access: collectors.Excess,
			Hint: "take from the robot's " + level + " permissions everything but list and read",
		})
	}
	return out
}

// examineProjects asks for the rights in each project and tells those of
// projects that are alike together.
func (l *look) examineProjects(x *collectors.Examination) error {
	alike := map[string][]string{}
	byKey := map[string]rights{}
	var order []string
	needs := projectNeeds
	if !l.rights.has("audit-log", "list") {
		needs = append([]need{{"log", "list", []evidence.Kind{evidence.RegistryAudit}}}, needs...)
	}
	for _, p := range l.projects {
		r, err := l.rightsIn("/project/" + number(p.ID))
		if err != nil {
			return err
		}
		b, _ := json.Marshal(r) // a map of truths always encodes, in order of its keys
		key := string(b)
		if byKey[key] == nil {
			byKey[key] = r
			order = append(order, key)
		}
		alike[key] = append(alike[key], p.Name)
	}
	for _, key := range order {
		where := "project " + alike[key][0]
		switch n := len(alike[key]); {
		case n == len(l.projects) && n > 1:
			where = "all " + number(int64(n)) + " projects"
		case n > 1:
			where += " and " + number(int64(n-1)) + " others"
		}
		x.Rights = append(x.Rights, byKey[key].check(where, "project", needs)...)
	}
	return nil
}

// examineRobot finds when the credential ends, where it may see itself.
func (l *look) examineRobot(x *collectors.Examination) error {
	err := l.list("robots of the system", "robots", nil, func(_ *answer, raw json.RawMessage) error {
		r, err := parseRobot(raw)
		if err == nil && r.Name == l.cfg.User { // one that cannot be read is a look's to tell
			x.Expires = epoch(r.Expires)
		}
		return nil
	})
	if code := status(err); code == http.StatusForbidden || code == http.StatusNotFound {
		return nil
	}
	return err
}

// examineAudit finds the oldest row of the audit log and what limits it.
func (l *look) examineAudit(x *collectors.Examination) error {
	if !l.rights.has("audit-log", "list") {
		return nil
	}
	row, err := l.edge(&auditLog{form: formExt, path: "auditlog-exts"}, "id", time.Time{})
	if status(err) == http.StatusNotFound {
		row, err = l.edge(&auditLog{form: formLegacy, path: "audit-logs"}, "id", time.Time{})
	}
	if err != nil {
		return err
	}
	o := collectors.Oldest{What: "audit log"}
	if row != nil {
		o.At = when(row.Time)
	}
	var j *wireJob
	a, err := l.get("system/purgeaudit/schedule", url.Values{})
	if code := status(err); err != nil && code != http.StatusForbidden && code != http.StatusNotFound {
		return err
	}
	if err == nil && json.Unmarshal(a.body, &j) == nil && j != nil && j.Schedule != nil && j.Schedule.Type != "" && j.Schedule.Type != "None" {
		var p struct {
			Hours int64 `json:"audit_retention_hour"`
		}
		if json.Unmarshal([]byte(j.Parameters), &p) == nil && p.Hours > 0 {
			o.Kept = "purged after " + number(p.Hours) + " h"
		}
	}
	x.Oldest = append(x.Oldest, o)
	return nil
}
