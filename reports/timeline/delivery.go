package timeline

import (
	"cmp"
	"fmt"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

// The sentences of pipelines, artifacts, registries and releases.

func (t *teller) pipeline(f evidence.PipelineFacts) string {
	s := fmt.Sprintf("pipeline %s of %s ran on %s: %s", cmp.Or(f.Name, f.ID), f.Repo, reports.ShortID(f.SHA), f.Status)
	if f.Attempt > 1 {
		s += fmt.Sprintf(", attempt %d", f.Attempt)
	}
	if f.Trigger >= 0 || f.Actor >= 0 {
		who := f.Trigger
		if who < 0 {
			who = f.Actor
		}
		s += ", started by " + t.name(who)
	}
	if n := failedJobs(f.Jobs); n > 0 {
		s += ", " + reports.Count(n, "job") + " failed"
	}
	return s
}

func failedJobs(jobs []evidence.PipelineJob) int {
	n := 0
	for _, j := range jobs {
		if j.Status == "failure" && !j.Retried {
			n++
		}
	}
	return n
}

func (t *teller) check(f evidence.CheckFacts) string {
	s := fmt.Sprintf("check %s on %s in %s: %s", f.Name, reports.ShortID(f.SHA), f.Repo, f.Status)
	if f.App != "" {
		s += ", reported by " + f.App
	}
	return s
}

func (t *teller) securityReport(f evidence.ReportFacts) string {
	of := cmp.Or(reports.ShortID(f.Digest), f.Image, reports.ShortID(f.SHA))
	return fmt.Sprintf("job %s in %s reported %s (%s) of %s", f.Job, f.Repo, found(f.Total, f.BySeverity, ""), strings.ReplaceAll(f.Type, "_", " "), of)
}

// found counts weaknesses, the worst named.
func found(total int, by map[string]int, worst string) string {
	if total == 0 {
		return "nothing"
	}
	for _, s := range []string{"Critical", "critical", "High", "high"} {
		if n := by[s]; n > 0 {
			return fmt.Sprintf("%s, %d %s", reports.Count(total, "finding"), n, strings.ToLower(s))
		}
	}
	if worst != "" {
		return reports.Count(total, "finding") + ", the worst " + strings.ToLower(worst)
	}
	return reports.Count(total, "finding")
}

func (t *teller) image(f evidence.ArtifactFacts) string {
	s := fmt.Sprintf("%s/%s holds %s", f.Project, f.Repository, reports.ShortID(f.Digest))
	var tags []string
	for _, x := range f.Tags {
		tags = append(tags, x.Name)
	}
	if len(tags) > 0 {
		s += " as " + few(tags)
	}
	if n := len(f.Children); n > 0 {
		s += ", an index of " + reports.Count(n, "image")
	}
	s += ", scan " + cmp.Or(f.Scan, "unknown")
	if f.Signed {
		s += ", with a signature nobody verified"
	}
	return s
}

// few names the first of a list.
func few(names []string) string {
	const most = 4
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

func (t *teller) scan(f evidence.ScanFacts) string {
	s := fmt.Sprintf("scan of %s in %s/%s ended %s", reports.ShortID(f.Digest), f.Project, f.Repository, f.Status)
	if f.Status == "success" {
		s += ": " + found(f.Total, f.BySeverity, f.Severity)
	}
	if f.CompletePercent > 0 {
		s += fmt.Sprintf(", in %d%% of its images, the others were not scanned", f.CompletePercent)
	}
	if f.Scanner.Name != "" {
		s += ", by " + f.Scanner.Name
	}
	return s
}

func (t *teller) sbom(f evidence.SBOMFacts) string {
	s := fmt.Sprintf("a bill of materials stands at %s in %s/%s, made by the %s", reports.ShortID(f.Subject), f.Project, f.Repository, f.Maker)
	if f.Content == "read" && f.Format != "" {
		s += fmt.Sprintf(": %s, %s", f.Format, reports.Count(f.Components, "component"))
	}
	if f.NamesSubject != nil && !*f.NamesSubject {
		s += "; it names another image"
	}
	return s
}

func (t *teller) signature(f evidence.SignatureFacts) string {
	return fmt.Sprintf("%s stands at %s in %s/%s; nobody verified it", f.Type, reports.ShortID(f.Subject), f.Project, f.Repository)
}

func (t *teller) registryProject(f evidence.RegistryProjectFacts) string {
	s := fmt.Sprintf("registry project %s", f.Project)
	var parts []string
	for _, x := range []struct {
		is      *bool
		yes, no string
	}{{f.Public, "is public", "is not public"}, {f.ScanOnPush, "scans on push", "does not scan on push"}, {f.PreventVulnerable, "refuses vulnerable images", "serves vulnerable images"}} {
		switch {
		case x.is == nil:
		case *x.is:
			parts = append(parts, x.yes)
		default:
			parts = append(parts, x.no)
		}
	}
	if len(parts) == 0 {
		return s + " is there"
	}
	return s + " " + strings.Join(parts, ", ")
}

func (t *teller) registryRule(f evidence.RegistryRuleFacts) string {
	s := fmt.Sprintf("%s rule %s of %s", f.Type, cmp.Or(f.Name, f.ID), project(f.Project))
	if f.Enabled != nil && !*f.Enabled {
		return s + " is switched off"
	}
	return s + " is in force"
}

func project(name string) string {
	if name == "" {
		return "the whole registry"
	}
	return "project " + name
}

func (t *teller) registryRun(f evidence.RegistryRunFacts) string {
	s := fmt.Sprintf("%s of %s ended %s", f.Type, project(f.Project), f.Status)
	if f.Status == "running" {
		s = fmt.Sprintf("%s of %s is running", f.Type, project(f.Project))
	}
	if f.Total > 0 {
		s += fmt.Sprintf(", %d of %d done", f.Succeeded, f.Total)
	}
	if f.DryRun {
		s += ", dry run"
	}
	return s
}

func (t *teller) robot(f evidence.RobotFacts) string {
	s := fmt.Sprintf("registry robot %s (%s) holds %s", f.Name, f.Level, reports.Count(len(f.Grants), "grant"))
	switch {
	case f.Disabled:
		s += ", disabled"
	case f.ExpiresAt.IsZero():
		s += ", without expiry"
	}
	return s
}

func (t *teller) registryAudit(f evidence.RegistryAuditFacts) string {
	by := t.name(f.Who)
	if f.Robot != "" {
		by = "robot " + f.Robot
	}
	what := f.Resource
	if name, digest, ok := strings.Cut(what, "@"); ok {
		what = name + "@" + reports.ShortID(digest)
	}
	s := fmt.Sprintf("%s: %s of %s %s", by, f.Operation, f.ResourceType, what)
	if f.Succeeded != nil && !*f.Succeeded {
		s += ", failed"
	}
	return s + t.foreign()
}

// foreign marks what somebody of another tenant did.
func (t *teller) foreign() string {
	if whose := reports.Foreign(t.rec.Actor); whose != "" {
		return " (" + whose + ")"
	}
	return ""
}

func (t *teller) release(f evidence.ReleaseFacts) string {
	s := fmt.Sprintf("deployment of %s in %s to %s: %s", reports.ShortID(f.SHA), f.Repo, f.Environment, f.Status)
	if f.Actor >= 0 {
		s += ", by " + t.name(f.Actor)
	}
	var by []string
	for _, a := range f.Approvals {
		if a.State == "approved" {
			by = append(by, t.name(a.Person))
		}
	}
	if len(by) > 0 {
		s += ", approved by " + few(by)
	}
	return s
}

func (t *teller) deployProject(f evidence.ProjectFacts) string {
	return fmt.Sprintf("deployer project %s lets applications use %s and %s, with %s", f.Name,
		reports.Count(len(f.SourceRepos), "repository"), reports.Count(len(f.Destinations), "destination"), reports.Count(len(f.SyncWindows), "sync window"))
}

func (t *teller) member(f evidence.MemberFacts) string {
	who := f.Type + " " + f.Name
	if f.Holder >= 0 {
		who = t.name(f.Holder)
	}
	if f.Disabled {
		return fmt.Sprintf("%s is disabled at %s %s", who, f.Level, f.Container)
	}
	s := fmt.Sprintf("%s is %s of %s %s", who, f.Role, f.Level, f.Container)
	if !f.ExpiresAt.IsZero() {
		s += " until " + reports.Stamp(f.ExpiresAt, nil)
	}
	return s
}
