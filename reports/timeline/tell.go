package timeline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

// teller makes the one sentence of a record. Names in it are the people of the
// record; everything is escaped later, by the writer of its sink.
type teller struct {
	rec       *evidence.Record
	who       []reports.Person
	alertName string // of an alert that ended, whose end holds none
}

// name returns the person with a fact's index and the proof where it is less
// than authenticated; somebody when the source named nobody.
func (t *teller) name(i int) string {
	if i < 0 || i >= len(t.who) {
		return "somebody"
	}
	return named(t.who[i])
}

func named(p reports.Person) string {
	if p.Proof == evidence.ProofAuthenticated || p.Proof == "" {
		return p.Label
	}
	return p.Label + " (" + string(p.Proof) + ")"
}

func (t *teller) title() string {
	if s := reports.FirstLine(string(t.rec.Text), 100); s != "" {
		return ` "` + s + `"`
	}
	return ""
}

// tell says the record in one sentence without time and final stop. An error
// means that the facts are not of the kind's shape.
func (t *teller) tell() (string, error) {
	if t.rec.Op == evidence.OpEnd {
		return t.end()
	}
	if f, ok := tellers[t.rec.Kind]; ok {
		return f(t)
	}
	info, _ := evidence.KindInfo(t.rec.Kind)
	return fmt.Sprintf("%s: %s", cmp.Or(info.Says, string(t.rec.Kind)), t.rec.Subject), nil
}

// end says how a state ended. What was absent from a list is not called
// deleted.
func (t *teller) end() (string, error) {
	var f struct {
		Reason string `json:"reason"`
	}
	if err := t.rec.Decode(&f); err != nil {
		return "", err
	}
	switch {
	case isStatement(t.rec.Kind):
		return t.statement() + " was ended before its time", nil
	case t.rec.Kind == evidence.AlertInstance:
		return alertGone(cmp.Or(t.alertName, t.rec.Subject.Name), f.Reason), nil
	case t.rec.Kind == evidence.RemedyPlan:
		return "remedy " + t.rec.Subject.Name + " was withdrawn", nil
	}
	what := t.rec.Subject.Name
	if t.rec.Kind == evidence.PolicyResult {
		return t.resultEnded(f.Reason), nil
	}
	switch f.Reason {
	case "deleted":
		return what + " was deleted", nil
	case "reassigned":
		return what + " belongs to another tenant from now on", nil
	case "absent", "":
		return what + " is no longer listed (absent; whether it was deleted was not observed)", nil
	}
	return what + " ended: " + f.Reason, nil
}

var tellers = map[evidence.Kind]func(*teller) (string, error){
	evidence.ChangeCommit:     facts((*teller).commit),
	evidence.ChangeTag:        facts((*teller).tag),
	evidence.ChangeRef:        facts((*teller).ref),
	evidence.ChangeRewrite:    facts((*teller).rewrite),
	evidence.ChangeMerge:      facts((*teller).merge),
	evidence.ChangeReview:     facts((*teller).review),
	evidence.ChangeProtection: facts((*teller).protection),
	evidence.DeploySync:       facts((*teller).sync),
	evidence.DeployState:      facts((*teller).state),
	evidence.SecretAccess:     facts((*teller).access),
	evidence.SecretAuth:       facts((*teller).access),
	evidence.SecretPolicy:     facts((*teller).policy),
	evidence.SecretRole:       facts((*teller).role),
	evidence.SecretIdentity:   facts((*teller).identity),
	evidence.SecretDevice:     facts((*teller).device),
	evidence.SecretMount:      facts((*teller).mount),
	evidence.CertState:        facts((*teller).cert),
	evidence.PipelineRun:      facts((*teller).pipeline),
	evidence.PipelineCheck:    facts((*teller).check),
	evidence.PipelineReport:   facts((*teller).securityReport),
	evidence.ArtifactImage:    facts((*teller).image),
	evidence.ArtifactScan:     facts((*teller).scan),
	evidence.ArtifactSBOM:     facts((*teller).sbom),
	evidence.ArtifactSigned:   facts((*teller).signature),
	evidence.RegistryProject:  facts((*teller).registryProject),
	evidence.RegistryRule:     facts((*teller).registryRule),
	evidence.RegistryRun:      facts((*teller).registryRun),
	evidence.RegistryRobot:    facts((*teller).robot),
	evidence.RegistryAudit:    facts((*teller).registryAudit),
	evidence.DeployRelease:    facts((*teller).release),
	evidence.InfraWorkspace:   facts((*teller).infraWorkspace),
	evidence.InfraRun:         facts((*teller).infraRun),
	evidence.InfraState:       facts((*teller).infraState),
	evidence.DeployProject:    facts((*teller).deployProject),
	evidence.AccessMember:     facts((*teller).member),
	evidence.RuntimeNamespace: facts((*teller).namespace),
	evidence.RuntimeWorkload:  facts((*teller).workload),
	evidence.RuntimePod:       facts((*teller).pod),
	evidence.RuntimeNode:      facts((*teller).node),
	evidence.NetworkPolicy:    facts((*teller).networkPolicy),
	evidence.NetworkNamespace: facts((*teller).networkNamespace),
	evidence.NetworkMode:      facts((*teller).networkMode),
	evidence.AccessRBAC:       facts((*teller).rbac),
	evidence.AccessAudit:      facts((*teller).audit),
	evidence.SecretSync:       facts((*teller).secretSync),
	evidence.SecretStore:      facts((*teller).secretStore),
	evidence.SecretServer:     facts((*teller).secretServer),
	evidence.SecretRotation:   facts((*teller).rotation),
	evidence.SecretLease:      facts((*teller).lease),
	evidence.BackupSchedule:   facts((*teller).backupSchedule),
	evidence.BackupLocation:   facts((*teller).backupLocation),
	evidence.BackupRun:        facts((*teller).backup),
	evidence.BackupRestore:    facts((*teller).restore),
	evidence.BackupTest:       facts((*teller).restoreTest),
	evidence.WorkflowRun:      facts((*teller).workflow),
	evidence.WorkflowSchedule: facts((*teller).workflowSchedule),
	evidence.CertDeclared:     facts((*teller).certDeclared),
	evidence.CertRequest:      facts((*teller).certRequest),
	evidence.CertIssuer:       facts((*teller).certIssuer),
	evidence.AlertInstance:    facts((*teller).alert),
	evidence.AlertSilence:     facts((*teller).silence),
	evidence.AlertRule:        facts((*teller).alertRule),
	evidence.PolicyInForce:    facts((*teller).admissionPolicy),
	evidence.PolicyException:  facts((*teller).policyException),
	evidence.PolicyResult:     facts((*teller).policyResult),
	evidence.LogGenesis:       facts((*teller).genesis),
	evidence.CollectionRun:    facts((*teller).run),
	evidence.PlatformConfig:   facts((*teller).config),
	evidence.PlatformCatalog:  facts((*teller).catalog),
	evidence.PlatformAdmin:    facts((*teller).admin),
	evidence.AccessRead:       facts((*teller).read),
	evidence.PackIssued:       facts((*teller).pack),
	evidence.FindingState:     facts((*teller).finding),
	evidence.Waiver:           facts((*teller).waiver),
	evidence.ScopeStatement:   facts((*teller).scope),
	evidence.Attestation:      facts((*teller).attestation),
	evidence.RemedyPlan:       facts((*teller).remedy),

	evidence.IncidentDeclared: facts((*teller).incidentDeclared),
	evidence.IncidentUpdated:  facts((*teller).incidentUpdated),
	evidence.IncidentMoment:   facts((*teller).incidentMoment),
	evidence.IncidentDecision: facts((*teller).incidentDecision),
	evidence.IncidentNotice:   facts((*teller).incidentNotice),
	evidence.IncidentContact:  facts((*teller).incidentContact),
	evidence.IncidentClosed:   facts((*teller).incidentClosed),
}

// facts decodes the facts of a kind and hands them on.
func facts[F any](tell func(*teller, F) string) func(*teller) (string, error) {
	return func(t *teller) (string, error) {
		var f F
		if err := json.Unmarshal(t.rec.Facts, &f); err != nil {
			return "", err
		}
		return tell(t, f), nil
	}
}

func (t *teller) commit(f evidence.CommitFacts) string {
	s := fmt.Sprintf("%s wrote commit %s in %s%s", t.name(f.Author), reports.ShortID(f.SHA), f.Repo, t.title())
	if n := len(f.Files) + f.FilesCut; n > 0 {
		s += ", " + reports.Count(n, "file") + ofOthers(f.Others["files"])
	}
	return s
}

func (t *teller) tag(f evidence.RefFacts) string {
	return fmt.Sprintf("tag %s in %s points at %s", short(f.Ref), f.Repo, reports.ShortID(cmp.Or(f.Target, f.SHA)))
}

func short(ref string) string {
	for _, p := range []string{"refs/heads/", "refs/tags/"} {
		ref = strings.TrimPrefix(ref, p)
	}
	return ref
}

func (t *teller) ref(f evidence.RefFacts) string {
	return fmt.Sprintf("branch %s of %s stands at %s", short(f.Ref), f.Repo, reports.ShortID(f.SHA))
}

func (t *teller) rewrite(f evidence.RewriteFacts) string {
	n := len(f.Lost) + f.LostCut
	if f.After == "" {
		return fmt.Sprintf("branch %s of %s is gone, it stood at %s; %s reached by no branch", short(f.Ref), f.Repo, reports.ShortID(f.Before), reports.Count(n, "commit"))
	}
	return fmt.Sprintf("history of %s in %s was rewritten from %s to %s; %s reached by no branch", short(f.Ref), f.Repo, reports.ShortID(f.Before), reports.ShortID(f.After), reports.Count(n, "commit"))
}

func (t *teller) merge(f evidence.MergeFacts) string {
	var by []string
	for _, r := range f.Reviews {
		if n := t.name(r.Person); r.State == "approved" && !slices.Contains(by, n) {
			by = append(by, n)
		}
	}
	review := "reviewer not observed"
	switch {
	case len(by) > 0:
		review = "approved by " + strings.Join(by, ", ")
	case f.ReviewsSeen:
		review = "approved by nobody"
	}
	what := fmt.Sprintf("request #%d in %s%s", f.Number, f.Repo, t.title())
	switch f.State {
	case "merged":
		return fmt.Sprintf("%s merged %s into %s as %s, %s", t.name(f.Merger), what, f.Base, reports.ShortID(f.MergeSHA), review)
	case "closed":
		return fmt.Sprintf("%s was closed without merging, %s", what, review)
	}
	return fmt.Sprintf("%s opened %s, %s", t.name(f.Author), what, review)
}

func (t *teller) review(f evidence.ReviewFacts) string {
	return fmt.Sprintf("%s reviewed request #%d in %s: %s%s", t.name(f.Person), f.Number, f.Repo, strings.ReplaceAll(f.State, "-", " "), t.title())
}

func (t *teller) protection(f evidence.ProtectionFacts) string {
	if !f.Protected {
		return fmt.Sprintf("branch %s of %s is not protected: anybody with write access may push", f.Branch, f.Repo)
	}
	return fmt.Sprintf("branch %s of %s is protected, %s required", f.Branch, f.Repo, reports.Count(f.RequiredApprovals, "approval"))
}

func (t *teller) sync(f evidence.SyncFacts) string {
	by := t.name(f.Initiator)
	if f.Automated {
		by = "automation"
	}
	s := fmt.Sprintf("%s synced %s to %s: %s", by, f.App, revisions(f.Revisions), f.Phase)
	for _, x := range []struct {
		is   bool
		word string
	}{{f.DryRun, "dry run"}, {f.Partial, "in part"}, {f.LocalManifests, "from local manifests, not from git"}, {f.Prune, "pruning"}} {
		if x.is {
			s += ", " + x.word
		}
	}
	return s
}

func revisions(revs []string) string {
	var s []string
	for _, r := range revs {
		s = append(s, reports.ShortID(r))
	}
	return cmp.Or(strings.Join(s, ", "), "no revision")
}

func (t *teller) state(f evidence.DeployFacts) string {
	s := fmt.Sprintf("%s is %s and %s at %s", f.App, f.Health, f.Sync, revisions(cmpOr(f.SyncedRevisions, f.Revisions)))
	if n := len(f.Images); n > 0 {
		s += ", " + reports.Count(n, "image")
	}
	return s
}

func cmpOr(a, b []string) []string {
	if len(a) > 0 {
		return a
	}
	return b
}

func (t *teller) access(f evidence.AccessFacts) string {
	by := t.name(f.Who)
	switch {
	case f.Role != "" && (f.Who < 0 || f.Who < len(t.who) && t.who[f.Who].Bot):
		by = "role " + f.Role
	case f.Who < 0 && f.Root:
		by = "a root token"
	case f.Who < 0:
		by = "an unknown caller"
	}
	s := by + ": " + reports.Asked(&f)
	switch f.Outcome {
	case "ok":
	case "denied":
		s += ", denied"
	default:
		s += ", " + f.Outcome
	}
	return s + t.foreign()
}

func (t *teller) policy(f evidence.PolicyFacts) string {
	if f.Unparsed {
		return fmt.Sprintf("policy %s is in force; its text could not be read", f.Name)
	}
	return fmt.Sprintf("policy %s is in force with %s", f.Name, reports.Count(len(f.Rules), "rule")+ofOthers(f.Others["rules"]))
}

func (t *teller) role(f evidence.RoleFacts) string {
	whom := "role " + f.Role
	if f.Holder >= 0 {
		whom = t.name(f.Holder)
	}
	return fmt.Sprintf("%s at %s gets %s", whom, f.Mount, policies(f.Policies)+ofOthers(f.Others["policies"]))
}

func policies(ps []string) string {
	if len(ps) == 0 {
		return "no policies"
	}
	return "policies " + strings.Join(ps, ", ")
}

// ofOthers says how much was left out of a list for being other tenants' alone.
func ofOthers(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d of other tenants", n)
}

func (t *teller) identity(f evidence.IdentityFacts) string {
	who := "entity " + f.Entity
	if f.Holder >= 0 {
		who = t.name(f.Holder)
	}
	if f.Disabled {
		return who + " is disabled"
	}
	return fmt.Sprintf("%s holds %s", who, policies(append(slices.Clone(f.Policies), f.GroupPolicies...))+ofOthers(f.Others["policies"]+f.Others["group_policies"]))
}

func (t *teller) device(f evidence.DeviceFacts) string {
	s := fmt.Sprintf("audit device %s (%s) is enabled", f.Path, f.Type)
	if f.Filter {
		s += " and leaves entries out"
	}
	if f.LogRaw {
		s += " and writes raw values"
	}
	return s
}

func (t *teller) mount(f evidence.MountFacts) string {
	return fmt.Sprintf("%s engine %s (%s) is mounted", f.Class, f.Path, f.Type)
}

func (t *teller) cert(f evidence.CertFacts) string {
	s := fmt.Sprintf("%s showed a certificate of %s by %s, valid to %s", cmp.Or(f.Endpoint, f.File), f.Subject, f.Issuer, reports.Stamp(f.NotAfter, nil))
	if len(f.Unreadable) > 0 {
		s += "; beside it, what could not be read: " + strings.Join(f.Unreadable, ", ")
	}
	return s
}

func (t *teller) genesis(f evidence.GenesisFacts) string {
	return fmt.Sprintf("the log %s began, clock %s", f.Origin, f.Clock)
}

func (t *teller) run(f evidence.RunFacts) string {
	s := fmt.Sprintf("run of %s ended %s with %s", f.Source, f.Outcome, reports.Count(f.Records, "new record"))
	if f.Cause != "" {
		s += ": " + f.Cause
	}
	return s
}

func (t *teller) config(f evidence.ConfigFacts) string {
	s := "a configuration was loaded, " + reports.Count(len(f.Diff), "changed line")
	if len(f.Loosen) > 0 {
		s += "; it loosens the evidence: " + strings.Join(f.Loosen, "; ")
	}
	return s
}

func (t *teller) catalog(f evidence.CatalogFacts) string {
	if f.Before == f.Catalog && len(f.Loosen) == 0 {
		return fmt.Sprintf("the rules in force were stated again, %s and %s", reports.Count(f.Controls, "control"), reports.Count(f.Tests, "test"))
	}
	s := fmt.Sprintf("rules were loaded, %s and %s, %s", reports.Count(f.Controls, "control"), reports.Count(f.Tests, "test"), reports.Count(len(f.Diff), "change"))
	if len(f.Loosen) > 0 {
		s += "; they ask for less: " + strings.Join(f.Loosen, "; ")
	}
	return s
}

func (t *teller) admin(f evidence.AdminFacts) string { return "administrator's act: " + f.Act }

func (t *teller) read(f evidence.ReadFacts) string {
	s := fmt.Sprintf("user id %d read evidence with %s", f.UID, f.Command)
	if f.Purpose != "" {
		s += ", purpose: " + f.Purpose
	}
	return s
}

func (t *teller) pack(f evidence.PackFacts) string {
	s := fmt.Sprintf("an evidence pack of %s was issued, %s", reports.Span(f.Period.From, f.Period.To), reports.Count(int(f.Records), "record"))
	if f.Recipient != "" {
		s += ", for " + f.Recipient
	}
	return s
}

func (t *teller) finding(f evidence.FindingFacts) string {
	status := strings.ReplaceAll(string(f.Status), "-", " ")
	if f.Reason != "" {
		status += " (" + strings.ReplaceAll(string(f.Reason), "-", " ") + ")"
	}
	return fmt.Sprintf("test %s of control %s is %s: %s", f.Test, f.Control, status, strings.TrimSuffix(f.Summary, "."))
}
