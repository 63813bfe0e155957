package trace

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/lineage"
	"evidenced/reports"
)

// builder makes things tellable.
type builder struct {
	r      evidence.Reader
	t      *lineage.Trace
	people *reports.People
}

// item says what a thing is, by its newest record that can be opened.
func (b *builder) item(ctx context.Context, n *lineage.Node) (Item, error) {
	it := Item{Node: *n, Title: plainTitle(n)}
	for _, seq := range n.Records {
		rec := b.t.Records[seq]
		tell, ok := tellers[rec.Kind]
		if !ok || len(rec.Facts) == 0 || rec.Op == evidence.OpEnd {
			continue // an end tells its reason alone
		}
		said := telling{ctx: ctx, b: b, rec: &rec, it: &it}
		tell(&said)
		if said.err != nil {
			return it, said.err
		}
		return it, nil
	}
	return it, nil
}

// plainTitle names a thing that no record is about, by its reference.
func plainTitle(n *lineage.Node) string {
	switch n.Stage {
	case lineage.Commit:
		return reports.ShortID(n.Ref.Name)
	case lineage.Image:
		return reports.ShortID(n.Ref.Name)
	case lineage.Tag:
		return n.Ref.Name[strings.LastIndexByte(n.Ref.Name, '/')+1:]
	}
	if n.Ref.IsZero() {
		return n.ID
	}
	if n.Ref.Scheme == "object" {
		_, name, _ := strings.Cut(n.Ref.Name, "/")
		return strings.TrimPrefix(name, "/")
	}
	return n.Ref.Name
}

// telling is one record while a thing is told from it.
type telling struct {
	ctx context.Context
	b   *builder
	rec *evidence.Record
	it  *Item
	err error
}

// who adds the person with a fact's index, in the role they had.
func (t *telling) who(index int, role evidence.Role) {
	if t.err != nil {
		return
	}
	p, ok, err := t.b.people.At(t.ctx, t.rec, index)
	if err != nil {
		t.err = err
	}
	if ok {
		p.Role = role
		t.it.People = append(t.it.People, p)
	}
}

// deleted adds that the thing is gone, when it is.
func (t *telling) deleted(at time.Time) {
	if !at.IsZero() {
		t.it.Detail += ", deleted"
	}
}

// text returns the first line of what a person wrote.
func (t *telling) text() string {
	rec, err := t.b.r.Record(t.ctx, t.rec.Seq)
	if err != nil {
		t.err = cmp.Or(t.err, err)
		return ""
	}
	return reports.FirstLine(string(rec.Text), 72)
}

// told makes a teller of facts of one type. Facts that do not decode leave the
// thing with the name its reference gives.
func told[F any](tell func(*telling, *F)) func(*telling) {
	return func(t *telling) {
		var f F
		if t.rec.Decode(&f) == nil {
			tell(t, &f)
		}
	}
}

var tellers = map[evidence.Kind]func(*telling){
	evidence.ChangeCommit: told(func(t *telling, f *evidence.CommitFacts) {
		if line := t.text(); line != "" {
			t.it.Title += " " + quote(line)
		}
		t.it.Detail = f.Repo
		t.who(f.Author, evidence.RoleAuthor)
	}),
	evidence.ChangeMerge: told(func(t *telling, f *evidence.MergeFacts) {
		t.it.Title = fmt.Sprintf("%s #%d", f.Repo, f.Number)
		if line := t.text(); line != "" {
			t.it.Title += " " + quote(line)
		}
		t.it.Detail, t.it.Time = f.State, f.MergedAt
		t.who(f.Author, evidence.RoleAuthor)
		approved := 0
		for _, r := range f.Reviews {
			if r.State == "approved" {
				approved++
				t.who(r.Person, evidence.RoleReviewer)
			}
		}
		switch {
		case !f.ReviewsSeen:
			t.it.Detail += ", its reviews were not read"
		case approved == 0:
			t.it.Detail += ", nobody approved"
		}
		t.who(f.Merger, evidence.RoleMerger)
	}),
	evidence.ChangeReview: told(func(t *telling, f *evidence.ReviewFacts) {
		t.it.Title, t.it.Time = f.State, t.rec.Occurred
		t.it.Detail = fmt.Sprintf("%s #%d", f.Repo, f.Number)
		t.who(f.Person, evidence.RoleReviewer)
	}),
	evidence.PipelineRun: told(func(t *telling, f *evidence.PipelineFacts) {
		t.it.Title = cmp.Or(f.Name, f.Repo+" "+f.ID)
		t.it.Detail, t.it.Time = f.Status, t.rec.Occurred
		t.who(f.Trigger, evidence.RoleInitiator)
	}),
	evidence.PipelineCheck: told(func(t *telling, f *evidence.CheckFacts) {
		t.it.Title, t.it.Detail, t.it.Time = f.Name, f.Status, t.rec.Occurred
	}),
	evidence.PipelineReport: told(func(t *telling, f *evidence.ReportFacts) {
		t.it.Title, t.it.Detail, t.it.Time = f.Type, reports.Count(f.Total, "finding"), t.rec.Occurred
	}),
	evidence.ArtifactImage: told(func(t *telling, f *evidence.ArtifactFacts) {
		t.it.Title = f.Project + "/" + f.Repository + "@" + reports.ShortID(f.Digest)
		if len(f.Children) > 0 {
			t.it.Detail = "index of " + reports.Count(len(f.Children), "image")
		}
	}),
	evidence.ArtifactScan: told(func(t *telling, f *evidence.ScanFacts) {
		t.it.Title = strings.TrimSpace(f.Scanner.Name + " " + f.Status)
		t.it.Detail, t.it.Time = reports.Count(f.Total, "finding"), t.rec.Occurred
		if f.Severity != "" {
			t.it.Detail += ", worst " + f.Severity
		}
		if f.CompletePercent > 0 {
			t.it.Detail += fmt.Sprintf(", %d%% of its images scanned", f.CompletePercent)
		}
	}),
	evidence.ArtifactSBOM: told(func(t *telling, f *evidence.SBOMFacts) {
		t.it.Title, t.it.Detail = "bill of materials "+f.Type, "made by the "+f.Maker
	}),
	evidence.ArtifactSigned: told(func(t *telling, f *evidence.SignatureFacts) {
		t.it.Title, t.it.Detail = f.Type, "present, not verified"
	}),
	evidence.RegistryAudit: told(func(t *telling, f *evidence.RegistryAuditFacts) {
		t.it.Title, t.it.Detail, t.it.Time = f.Operation+" "+f.Resource, f.Robot, t.rec.Occurred
		t.who(f.Who, evidence.RoleActor)
	}),
	evidence.DeploySync: told(func(t *telling, f *evidence.SyncFacts) {
		t.it.Title, t.it.Detail, t.it.Time = "sync of "+f.App, f.Phase, t.rec.Occurred
		if f.Automated {
			t.it.Detail += ", automated"
		}
		t.who(f.Initiator, evidence.RoleInitiator)
	}),
	evidence.DeployState: told(func(t *telling, f *evidence.DeployFacts) {
		t.it.Title, t.it.Detail = f.App, f.Sync+", "+f.Health
	}),
	evidence.DeployRelease: told(func(t *telling, f *evidence.ReleaseFacts) {
		t.it.Title, t.it.Detail, t.it.Time = "release to "+f.Environment, f.Status, t.rec.Occurred
		t.who(f.Actor, evidence.RoleInitiator)
		for _, a := range f.Approvals {
			if a.State == "approved" {
				t.who(a.Person, evidence.RoleApprover)
			}
		}
	}),
	evidence.InfraRun: told(func(t *telling, f *evidence.InfraRunFacts) {
		t.it.Title, t.it.Detail, t.it.Time = f.ID+" of "+f.Workspace, f.Status, t.rec.Occurred
		if c := f.Apply; c != nil {
			t.it.Detail += fmt.Sprintf(", %d added, %d changed, %d destroyed", c.Additions, c.Changes, c.Deletions)
		}
		t.who(f.Creator, evidence.RoleInitiator)
		t.who(f.Confirmer, evidence.RoleApprover)
	}),
	evidence.InfraState: told(func(t *telling, f *evidence.InfraStateFacts) {
		t.it.Title, t.it.Time = fmt.Sprintf("%s, serial %d", f.Workspace, f.Serial), t.rec.Occurred
		if f.Processed {
			t.it.Detail = reports.Count(len(f.Resources)+f.ResourcesCut, "resource")
		}
	}),
	evidence.RuntimeNamespace: told(func(t *telling, f *evidence.NamespaceFacts) { t.it.Title, t.it.Detail = f.Name, f.Phase }),
	evidence.RuntimeWorkload: told(func(t *telling, f *evidence.WorkloadFacts) {
		t.it.Title = f.Kind + " " + f.Namespace + "/" + f.Name
	}),
	evidence.RuntimePod: told(func(t *telling, f *evidence.PodFacts) {
		t.it.Title, t.it.Detail = f.Namespace+"/"+f.Name, f.Phase
	}),
	evidence.RuntimeNode: told(func(t *telling, f *evidence.NodeFacts) { t.it.Title, t.it.Detail = f.Name, f.Region }),
	evidence.SecretSync: told(func(t *telling, f *evidence.SecretSyncFacts) {
		t.it.Title = f.Kind + " " + f.Namespace + "/" + f.Name
		t.it.Detail = map[string]string{"True": "ready", "False": "not ready"}[f.Ready]
	}),
	evidence.SecretStore: told(func(t *telling, f *evidence.SecretStoreFacts) {
		t.it.Title = f.Kind + " " + strings.TrimPrefix(f.Namespace+"/"+f.Name, "/")
		if f.Role != "" {
			t.it.Detail = "role " + f.Role
		}
	}),
	evidence.SecretAccess: told(func(t *telling, f *evidence.AccessFacts) {
		t.it.Title, t.it.Time = reports.Asked(f), t.rec.Occurred
		by := "an unknown caller"
		switch {
		case f.SAName != "":
			by = "account " + f.SANamespace + "/" + f.SAName
		case f.Role != "":
			by = "role " + f.Role
		case f.Root:
			by = "a root token"
		case f.Who >= 0:
			by = ""
		}
		t.it.Detail = strings.TrimPrefix(f.Outcome+", "+by, ", ")
		t.it.Detail = strings.TrimSuffix(t.it.Detail, ", ")
		if whose := reports.Foreign(t.rec.Actor); whose != "" {
			t.it.Detail += ", " + whose
		}
		t.who(f.Who, evidence.RoleReader)
	}),
	evidence.AccessAudit: told(func(t *telling, f *evidence.AuditFacts) {
		what := f.Resource
		if f.Subresource != "" {
			what += "/" + f.Subresource
		}
		t.it.Title, t.it.Time = strings.TrimSpace(f.Action+" "+what+" "+strings.TrimPrefix(f.Namespace+"/"+f.Name, "/")), t.rec.Occurred
		t.it.Detail = f.Outcome
		if f.Account != "" {
			t.it.Detail += ", account " + f.Account
		}
		t.who(f.Who, evidence.RoleActor)
		t.who(f.Behind, evidence.RoleInitiator)
	}),
	evidence.CertDeclared: told(func(t *telling, f *evidence.CertDeclaredFacts) {
		t.it.Title = f.Namespace + "/" + f.Name
		t.it.Detail = map[string]string{"True": "ready", "False": "not ready"}[f.Ready]
		if !f.NotAfter.IsZero() {
			t.it.Detail = strings.TrimPrefix(t.it.Detail+", until "+f.NotAfter.UTC().Format("2 Jan 2006"), ", ")
		}
	}),
	evidence.CertRequest: told(func(t *telling, f *evidence.CertRequestFacts) {
		t.it.Title, t.it.Detail, t.it.Time = f.Namespace+"/"+f.Name, f.Approval+", "+f.Status, t.rec.Occurred
		t.who(f.Requester, evidence.RoleInitiator)
	}),
	evidence.CertIssuer: told(func(t *telling, f *evidence.CertIssuerFacts) {
		t.it.Title, t.it.Detail = f.Kind+" "+strings.TrimPrefix(f.Namespace+"/"+f.Name, "/"), f.Type
	}),
	evidence.CertState: told(func(t *telling, f *evidence.CertFacts) {
		t.it.Title, t.it.Detail = cmp.Or(f.Endpoint, f.File), "serial "+f.Serial
		if !f.NotAfter.IsZero() {
			t.it.Detail += ", until " + f.NotAfter.UTC().Format("2 Jan 2006")
		}
	}),
	evidence.BackupSchedule: told(func(t *telling, f *evidence.ScheduleFacts) { t.it.Title, t.it.Detail = f.Namespace+"/"+f.Name, f.Cron }),
	evidence.BackupLocation: told(func(t *telling, f *evidence.LocationFacts) { t.it.Title, t.it.Detail = f.Namespace+"/"+f.Name, f.Phase }),
	evidence.BackupRun: told(func(t *telling, f *evidence.BackupFacts) {
		t.it.Title, t.it.Detail, t.it.Time = f.Namespace+"/"+f.Name, f.Phase, t.rec.Occurred
		t.deleted(f.DeletedAt)
	}),
	evidence.BackupRestore: told(func(t *telling, f *evidence.RestoreFacts) {
		t.it.Title, t.it.Detail, t.it.Time = f.Namespace+"/"+f.Name, f.Phase+", purpose "+f.Purpose, t.rec.Occurred
		t.deleted(f.DeletedAt)
		t.who(f.Requester, evidence.RoleInitiator)
	}),
	evidence.BackupTest: told(func(t *telling, f *evidence.RestoreTestFacts) {
		t.it.Title, t.it.Time = fmt.Sprintf("grade %d of 5", f.Grade), t.rec.Occurred
		t.it.Detail = f.Stopped
	}),
	evidence.WorkflowRun: told(func(t *telling, f *evidence.WorkflowRunFacts) {
		t.it.Title, t.it.Detail, t.it.Time = f.Namespace+"/"+f.Name, f.Phase, t.rec.Occurred
		if f.Purpose != "" {
			t.it.Detail += ", purpose " + f.Purpose
		}
		t.who(f.Creator, evidence.RoleInitiator)
		t.who(f.Actor, evidence.RoleActor)
	}),
	evidence.WorkflowSchedule: told(func(t *telling, f *evidence.WorkflowScheduleFacts) {
		t.it.Title, t.it.Detail = f.Namespace+"/"+f.Name, strings.Join(f.Crons, ", ")
	}),
}

func quote(s string) string { return "“" + s + "”" }
