package timeline

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// The sentences of clusters: what runs, who may, what is backed up, which
// secrets are copied in and which certificates are asked for.

func (t *teller) namespace(f evidence.NamespaceFacts) string {
	return fmt.Sprintf("namespace %s of cluster %s is %s", f.Name, f.Cluster, cmp.Or(f.Phase, "there"))
}

func (t *teller) workload(f evidence.WorkloadFacts) string {
	s := fmt.Sprintf("%s %s/%s declares %s", f.Kind, f.Namespace, f.Name, images(f.Containers, false))
	if f.Replicas != nil {
		s += ", " + reports.Count(int(*f.Replicas), "replica")
	}
	return s
}

// images names what containers ask for, or what they run.
func images(cs []evidence.ContainerFacts, running bool) string {
	var names []string
	for _, c := range cs {
		if c.Init || running && c.State != "running" {
			continue
		}
		name, digest, _ := strings.Cut(c.Image, "@")
		name = name[strings.LastIndexByte(name, '/')+1:]
		if running && c.Digest != "" {
			digest = c.Digest
		}
		if digest != "" {
			name += "@" + reports.ShortID(digest)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return "no image"
	}
	return few(names)
}

func (t *teller) pod(f evidence.PodFacts) string {
	s := fmt.Sprintf("pod %s/%s is %s", f.Namespace, f.Name, f.Phase)
	if f.Node != "" {
		s += " on " + f.Node
	}
	if run := images(f.Containers, true); run != "no image" {
		s += ", running " + run
	}
	var why []string
	for _, c := range f.Containers {
		if c.State == "waiting" && c.Reason != "" {
			why = append(why, c.Name+": "+c.Reason)
		}
	}
	if len(why) > 0 {
		s += ", waiting (" + few(why) + ")"
	}
	return s
}

func (t *teller) node(f evidence.NodeFacts) string {
	s := fmt.Sprintf("node %s of cluster %s stands in %s", f.Name, f.Cluster, cmp.Or(f.Region, "a region it does not tell"))
	if f.Ready != "" && f.Ready != "True" {
		s += ", not ready"
	}
	if f.Unschedulable {
		s += ", takes no new pods"
	}
	return s
}

func (t *teller) rbac(f evidence.RBACFacts) string {
	name := f.Name
	if f.Namespace != "" {
		name = f.Namespace + "/" + name
	}
	if f.RoleKind == "" {
		return fmt.Sprintf("%s %s holds %s", f.Kind, name, reports.Count(len(f.Rules)+f.RulesCut, "rule"))
	}
	var who []string
	for _, s := range f.Subjects {
		switch s.Kind {
		case "User":
			who = append(who, t.name(s.Person))
		case "ServiceAccount":
			who = append(who, "account "+s.Namespace+"/"+s.Name)
		default:
			who = append(who, strings.ToLower(s.Kind)+" "+s.Name)
		}
	}
	if f.SubjectsCut > 0 {
		who = append(who, fmt.Sprintf("%d more", f.SubjectsCut))
	}
	if len(who) == 0 {
		who = []string{"nobody"}
	}
	return fmt.Sprintf("%s %s gives %s %s to %s", f.Kind, name, f.RoleKind, f.RoleName, few(who))
}

func (t *teller) audit(f evidence.AuditFacts) string {
	by := t.name(f.Who)
	if f.Account != "" {
		by = "account " + f.Account
	}
	switch {
	case f.BehindAccount != "":
		by += " (impersonated by account " + f.BehindAccount + ")"
	case f.Behind >= 0 && f.Behind < len(t.who):
		by += " (impersonated by " + t.name(f.Behind) + ")"
	}
	what := f.Resource
	if f.Subresource != "" {
		what += "/" + f.Subresource
	}
	name := f.Name
	if f.Namespace != "" {
		name = strings.TrimSuffix(f.Namespace+"/"+name, "/")
	}
	what = strings.TrimSpace(strings.TrimSpace(what+" "+name) + " " + f.Container)
	s := fmt.Sprintf("%s: %s", by, f.Action)
	if what != "" {
		s += " " + what
	}
	if f.Outcome != "ok" {
		s += ", " + f.Outcome
	}
	return s + t.foreign()
}

func (t *teller) secretSync(f evidence.SecretSyncFacts) string {
	var keys []string
	for _, k := range f.Remote {
		keys = append(keys, k.Key)
	}
	from := cmp.Or(few(keys), "no named secret")
	s := fmt.Sprintf("%s %s/%s copies %s into Secret %s", f.Kind, f.Namespace, f.Name, from, f.Target)
	if f.Kind == "PushSecret" {
		s = fmt.Sprintf("%s %s/%s writes Secret %s to %s", f.Kind, f.Namespace, f.Name, f.Target, from)
	}
	if f.Ready != "True" {
		s += ", not ready: " + cmp.Or(f.Reason, "no reason given")
	}
	return s
}

func (t *teller) secretStore(f evidence.SecretStoreFacts) string {
	name := f.Name
	if f.Namespace != "" {
		name = f.Namespace + "/" + name
	}
	s := fmt.Sprintf("%s %s fetches from %s", f.Kind, name, f.Provider)
	if f.Role != "" {
		s += " as role " + f.Role
	}
	return s
}

func (t *teller) secretServer(f evidence.ServerFacts) string {
	s := "the secret store"
	if name := cmp.Or(f.ClusterName, f.Cluster); name != "" {
		s += " " + name
	}
	s += " runs version " + cmp.Or(f.Version, "unknown")
	switch {
	case !f.Initialized:
		s += ", not initialised"
	case f.Sealed:
		s += ", sealed"
	default:
		s += ", unsealed"
	}
	return s
}

func (t *teller) rotation(f evidence.RotationFacts) string {
	s := fmt.Sprintf("%s %s stands at version %d", strings.ReplaceAll(f.Type, "-", " "), f.Path, f.Version)
	if !f.LastRotated.IsZero() {
		s += ", last rotated " + reports.Stamp(f.LastRotated, nil)
	}
	return s
}

func (t *teller) lease(f evidence.LeaseFacts) string {
	n := reports.Count(f.Count, "lease")
	if f.Cut {
		n = "more than " + n
	}
	return fmt.Sprintf("%s below %s", n, f.Prefix)
}

func (t *teller) backupSchedule(f evidence.ScheduleFacts) string {
	s := fmt.Sprintf("backup schedule %s is due %s", f.Name, f.Cron)
	if f.Paused {
		s += ", paused"
	}
	return s
}

func (t *teller) backupLocation(f evidence.LocationFacts) string {
	return fmt.Sprintf("backup location %s (%s, %s) is %s", f.Name, f.Provider, cmp.Or(f.AccessMode, "access not told"), cmp.Or(f.Phase, "of no told state"))
}

func (t *teller) backup(f evidence.BackupFacts) string {
	s := fmt.Sprintf("backup %s of %s is %s", f.Name, scope(f.Scope), f.Phase)
	s += tally(f.Errors, f.Warnings) + deletion(f.DeletedAt, f.DeletedAfter)
	if f.DeletedHow != "" {
		s += " (" + f.DeletedHow + ")"
	}
	return s
}

// deletion says when something was deleted, or between which looks.
func deletion(at, after time.Time) string {
	switch {
	case at.IsZero():
		return ""
	case after.IsZero():
		return ", deleted at " + reports.Stamp(at, nil)
	}
	return ", deleted between " + reports.Stamp(after, nil) + " and " + reports.Stamp(at, nil)
}

func scope(s evidence.BackupScope) string {
	if len(s.Namespaces) == 0 {
		return "all namespaces"
	}
	return few(s.Namespaces)
}

func tally(errors, warnings int) string {
	s := ""
	if errors > 0 {
		s += ", " + reports.Count(errors, "error")
	}
	if warnings > 0 {
		s += ", " + reports.Count(warnings, "warning")
	}
	return s
}

func (t *teller) restore(f evidence.RestoreFacts) string {
	s := fmt.Sprintf("restore %s of backup %s is %s", f.Name, cmp.Or(f.Backup, "not told"), f.Phase)
	if f.Purpose == "test" {
		s += ", a test"
	}
	if f.Requester >= 0 {
		s += ", asked for by " + t.name(f.Requester)
	}
	return s + tally(f.Errors, f.Warnings) + deletion(f.DeletedAt, f.DeletedAfter)
}

// grades are the rungs of a restore test.
var grades = []string{"attempted", "ran", "clean", "complete", "verified", "in time"}

func (t *teller) restoreTest(f evidence.RestoreTestFacts) string {
	grade := "of unknown grade"
	if f.Grade >= 0 && f.Grade < len(grades) {
		grade = grades[f.Grade]
	}
	s := fmt.Sprintf("restore test %s reached grade %d of 5, %s", f.Restore, f.Grade, grade)
	if f.Stopped != "" {
		s += "; stopped there: " + f.Stopped
	}
	return s
}

func (t *teller) certDeclared(f evidence.CertDeclaredFacts) string {
	s := fmt.Sprintf("certificate %s/%s is declared for %s by %s", f.Namespace, f.Name, cmp.Or(few(f.Names), "no name"), f.IssuerName)
	if f.Ready != "True" {
		s += ", not ready: " + cmp.Or(f.Reason, "no reason given")
	}
	if !f.NotAfter.IsZero() {
		s += ", valid to " + reports.Stamp(f.NotAfter, nil)
	}
	return s
}

func (t *teller) certRequest(f evidence.CertRequestFacts) string {
	by := t.name(f.Requester)
	if f.Account != "" {
		by = "account " + f.Account
	}
	s := fmt.Sprintf("%s asked %s for certificate %s/%s: %s", by, f.IssuerName, f.Namespace, cmp.Or(f.Certificate, f.Name), f.Approval)
	if f.Status != f.Approval {
		s += ", " + f.Status
	}
	if f.Reason != "" && f.Status != "issued" {
		s += " (" + f.Reason + ")"
	}
	return s
}

func (t *teller) certIssuer(f evidence.CertIssuerFacts) string {
	s := fmt.Sprintf("%s %s signs certificates (%s)", f.Kind, f.Name, f.Type)
	if f.Ready != "True" {
		s += ", not ready: " + cmp.Or(f.Reason, "no reason given")
	}
	return s
}

func (t *teller) workflow(f evidence.WorkflowRunFacts) string {
	s := fmt.Sprintf("workflow %s/%s", f.Namespace, f.Name)
	if f.Purpose != "" {
		s += " (" + f.Purpose + ")"
	}
	switch {
	case !f.DeletedAt.IsZero():
		s += fmt.Sprintf(" was deleted before it ended, while %s", f.Phase)
	case f.Phase == "Succeeded" || f.Phase == "Failed" || f.Phase == "Error":
		s += " ended " + f.Phase
	default:
		s += " is " + f.Phase
	}
	if f.Failed > 0 {
		s += ", with " + reports.Count(f.Failed, "failed step")
	}
	for _, n := range f.Nodes {
		if n.Type == "Suspend" && n.Phase == "Running" {
			s += ", waiting for somebody at " + n.Name
			break
		}
	}
	if f.NodesUnread != "" {
		s += ", its steps are not known"
	}
	switch {
	case f.Fired != nil:
		s += ", fired by sensor " + f.Fired.Sensor
	case f.Schedule != "":
		s += ", by schedule " + f.Schedule
	}
	if f.Creator >= 0 {
		s += ", made by " + t.name(f.Creator)
	}
	if f.Actor >= 0 {
		s += fmt.Sprintf(", %s by %s", cmp.Or(f.Action, "acted on"), t.name(f.Actor))
	}
	return s
}

func (t *teller) workflowSchedule(f evidence.WorkflowScheduleFacts) string {
	s := fmt.Sprintf("workflow schedule %s/%s is due %s", f.Namespace, f.Name, cmp.Or(few(f.Crons), "at no told time"))
	if f.Template != "" {
		s += ", runs " + f.Template
	}
	if f.Suspended {
		s += ", suspended"
	}
	if f.Phase == "Stopped" {
		s += ", stopped by its own condition"
	}
	return s
}
