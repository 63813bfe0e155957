package timeline_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports"
	"evidenced/reports/timeline"
)

const digest = "sha256:9b4c1d00000000000000000000000000000000000000000000000000000000aa"

func some[T any](v T) *T { return &v }

// delivered are facts of the kinds of pipelines, registries and clusters, each
// with the person whom index 0 means.
var delivered = []struct {
	kind  evidence.Kind
	facts any
}{
	{evidence.ChangeRef, evidence.RefFacts{Repo: "acme/web", Ref: "refs/heads/main", SHA: sha, Tagger: -1}},
	{evidence.PipelineRun, evidence.PipelineFacts{Repo: "acme/web", ID: "7", Name: "build", SHA: sha, Status: "failure", Attempt: 2, Trigger: 0, Actor: -1, Jobs: []evidence.PipelineJob{{Status: "failure"}, {Status: "failure", Retried: true}}}},
	{evidence.PipelineCheck, evidence.CheckFacts{Repo: "acme/web", ID: "1", Name: "lint", SHA: sha, Status: "success", App: "ci"}},
	{evidence.PipelineReport, evidence.ReportFacts{Repo: "acme/web", Job: "scan", Type: "container_scanning", Digest: digest, Total: 3, BySeverity: map[string]int{"high": 2}}},
	{evidence.ArtifactImage, evidence.ArtifactFacts{Project: "acme", Repository: "web", Digest: digest, Scan: "never", Signed: true, Tags: []evidence.ArtifactTag{{Name: "v1"}, {Name: "v2"}, {Name: "v3"}, {Name: "v4"}, {Name: "v5"}}, Children: []evidence.ArtifactChild{{Digest: digest}}}},
	{evidence.ArtifactScan, evidence.ScanFacts{Project: "acme", Repository: "web", Digest: digest, Status: "success", Total: 2, Severity: "Medium", Scanner: evidence.ScannerFacts{Name: "Trivy"}}},
	{evidence.ArtifactSBOM, evidence.SBOMFacts{Project: "acme", Repository: "web", Subject: digest, Maker: "registry"}},
	{evidence.ArtifactSigned, evidence.SignatureFacts{Project: "acme", Repository: "web", Subject: digest, Type: "signature.cosign"}},
	{evidence.RegistryProject, evidence.RegistryProjectFacts{Project: "acme", Public: some(true), ScanOnPush: some(false)}},
	{evidence.RegistryRule, evidence.RegistryRuleFacts{Type: "retention", ID: "1", Project: "acme", Enabled: some(false)}},
	{evidence.RegistryRun, evidence.RegistryRunFacts{Type: "garbage-collection", ID: "9", Status: "success", Total: 5, Succeeded: 4}},
	{evidence.RegistryRobot, evidence.RobotFacts{ID: "3", Name: "robot$ci", Level: "system", Grants: []evidence.RobotGrant{{}}}},
	{evidence.RegistryAudit, evidence.RegistryAuditFacts{ID: "4", Operation: "delete", ResourceType: "artifact", Resource: "acme/web:v1", Succeeded: some(false)}},
	{evidence.RegistryAudit, evidence.RegistryAuditFacts{ID: "5", Operation: "pull", ResourceType: "artifact", Resource: "acme/web@sha256:" + strings.Repeat("ab", 32)}},
	{evidence.DeployRelease, evidence.ReleaseFacts{Repo: "acme/web", ID: "5", Environment: "production", SHA: sha, Status: "success", Approvals: []evidence.ReleaseApproval{{Person: 0, State: "approved"}}}},
	{evidence.InfraWorkspace, evidence.InfraWorkspaceFacts{Organization: "acme", Name: "tenant-7-network", ID: "ws-1", AutoApply: true, Repo: "acme/infra", Branch: "main", Locked: true}},
	{evidence.InfraRun, evidence.InfraRunFacts{Workspace: "tenant-7-network", ID: "run-1", Status: "applied", Commit: sha, Creator: -1, Confirmer: 0, Began: some(true), Destroy: true, Targets: 1,
		Apply: &evidence.InfraCount{Additions: 1, Changes: 2, Imports: 3}, Policies: []evidence.InfraPolicy{{Overridden: true}}, Events: []evidence.InfraEvent{{Action: "policy_overridden", Person: 0}}}},
	{evidence.InfraRun, evidence.InfraRunFacts{Workspace: "tenant-7-network", ID: "run-2", Status: "failed", AutoApply: true, Creator: -1, Confirmer: -1, Began: some(true), Plan: &evidence.InfraCount{Deletions: 7, Forgotten: 2, Invoked: 1}}},
	{evidence.InfraState, evidence.InfraStateFacts{Workspace: "tenant-7-network", ID: "sv-1", Serial: 88, Run: "run-1", Creator: -1, Processed: true, Providers: []string{"registry.terraform.io/hashicorp/aws"}, Resources: []evidence.InfraResource{{Address: "aws_vpc.main"}}}},
	{evidence.DeployProject, evidence.ProjectFacts{Name: "tenant-7", SourceRepos: []string{"a", "b"}}},
	{evidence.AccessMember, evidence.MemberFacts{Container: "acme/web", Level: "repository", Type: "user", Role: "maintainer"}},
	{evidence.RuntimeNamespace, evidence.NamespaceFacts{Cluster: "prod", Name: "tenant-7", Phase: "Active"}},
	{evidence.RuntimeWorkload, evidence.WorkloadFacts{Kind: "Deployment", Namespace: "tenant-7", Name: "web", Replicas: some(int32(2)), Containers: []evidence.ContainerFacts{{Name: "main", Image: "registry.example/acme/web@" + digest}}}},
	{evidence.RuntimePod, evidence.PodFacts{Namespace: "tenant-7", Name: "web-1", Phase: "Running", Node: "node-a", Containers: []evidence.ContainerFacts{{Name: "main", Image: "registry.example/acme/web:v1", Digest: digest, State: "running"}, {Name: "side", State: "waiting", Reason: "ImagePullBackOff"}}}},
	{evidence.RuntimeNode, evidence.NodeFacts{Cluster: "prod", Name: "node-a", Region: "eu-central", Ready: "Unknown", Unschedulable: true}},
	{evidence.NetworkNamespace, evidence.NetworkNamespaceFacts{Cluster: "prod", Name: "tenant-7"}},
	{evidence.NetworkMode, evidence.NetworkModeFacts{Cluster: "prod", Agent: "cilium", Settings: map[string]string{"policy-audit-mode": "true", "enable-policy": "default"}}},
	{evidence.NetworkPolicy, evidence.NetworkPolicyFacts{Kind: "NetworkPolicy", Namespace: "tenant-7", Name: "default-deny", Specs: []evidence.NetworkSpec{{Of: "pods", Ingress: evidence.NetworkRules{Isolates: true}, Egress: evidence.NetworkRules{Isolates: true}}}}},
	{evidence.NetworkPolicy, evidence.NetworkPolicyFacts{Kind: "CiliumNetworkPolicy", Namespace: "tenant-7", Name: "web", Valid: "False", Specs: []evidence.NetworkSpec{{Of: "pods", Pods: []evidence.NetworkMatch{{Key: "app", Op: "in", Values: []string{"web"}}},
		Ingress: evidence.NetworkRules{Isolates: true, Allow: []evidence.NetworkRule{{Peers: []evidence.NetworkPeer{{Type: "pods", Reach: evidence.ReachSome, Spaces: []string{"ingress"}, SpacesAll: 3}, {Type: "entity", Name: "world", Reach: evidence.ReachOutside}}}}, Deny: []evidence.NetworkRule{{Anyone: true}}},
		Egress:  evidence.NetworkRules{Allow: []evidence.NetworkRule{{Anyone: true}}}}}}},
	{evidence.NetworkPolicy, evidence.NetworkPolicyFacts{Kind: "CiliumCIDRGroup", Name: "partners", Blocks: 3}},
	{evidence.NetworkPolicy, evidence.NetworkPolicyFacts{Kind: "CiliumClusterwideNetworkPolicy", Name: "hosts", Specs: []evidence.NetworkSpec{{Of: "nodes", Ingress: evidence.NetworkRules{Isolates: true}}}, SpecsCut: 1}},
	{evidence.NetworkPolicy, evidence.NetworkPolicyFacts{Kind: "CiliumNetworkPolicy", Namespace: "tenant-7", Name: "odd", Specs: []evidence.NetworkSpec{{Of: "pods", Unread: "a rule holds x"}}}},
	{evidence.NetworkPolicy, evidence.NetworkPolicyFacts{Kind: "CiliumNetworkPolicy", Namespace: "tenant-7", Name: "nothing", Specs: []evidence.NetworkSpec{{Of: "pods"}}}},
	{evidence.NetworkPolicy, evidence.NetworkPolicyFacts{Kind: "NetworkPolicy", Namespace: "tenant-7", Name: "peers", Specs: []evidence.NetworkSpec{{Of: "pods", Egress: evidence.NetworkRules{Isolates: true, Deny: []evidence.NetworkRule{{}}, Allow: []evidence.NetworkRule{{Peers: []evidence.NetworkPeer{
		{Type: "pods", Reach: evidence.ReachOwn, Pods: []evidence.NetworkMatch{{Key: "a"}}}, {Type: "pods", Reach: evidence.ReachAll}, {Type: "pods", Reach: evidence.ReachUnknown}, {Type: "pods", Reach: evidence.ReachSome},
	}}}}}}}},
	{evidence.NetworkPolicy, evidence.NetworkPolicyFacts{Kind: "NetworkPolicy", Namespace: "tenant-7", Name: "more peers", Specs: []evidence.NetworkSpec{{Of: "pods", Ingress: evidence.NetworkRules{Isolates: true, Allow: []evidence.NetworkRule{{Peers: []evidence.NetworkPeer{
		{Type: "pods", Reach: evidence.ReachSome, SpacesAll: 1}, {Type: "pods", Reach: evidence.ReachSome, Spaces: []string{"ingress"}, SpacesAll: 1}, {Type: "service", Name: "db", Reach: evidence.ReachOwn}, {Type: "group", Reach: evidence.ReachOutside},
	}}}}}}}},
	{evidence.NetworkMode, evidence.NetworkModeFacts{Cluster: "test", Agent: "cilium"}},
	{evidence.NetworkPolicy, evidence.NetworkPolicyFacts{Kind: "AdminNetworkPolicy", Name: "above", Unread: "AdminNetworkPolicy is not interpreted"}},
	{evidence.AccessRBAC, evidence.RBACFacts{Kind: "RoleBinding", Namespace: "tenant-7", Name: "sre", RoleKind: "ClusterRole", RoleName: "debug", Subjects: []evidence.RBACSubject{{Kind: "User", Person: 0}, {Kind: "Group", Name: "oidc:sre", Person: -1}, {Kind: "ServiceAccount", Namespace: "ops", Name: "eso", Person: -1}}, SubjectsCut: 3}},
	{evidence.AccessAudit, evidence.AuditFacts{Platform: "kubernetes", ID: "a", Action: "create", Resource: "pods", Subresource: "exec", Namespace: "tenant-7", Name: "web-1", Outcome: "denied", Behind: -1}},
	{evidence.SecretSync, evidence.SecretSyncFacts{Kind: "ExternalSecret", Namespace: "tenant-7", Name: "db", Remote: []evidence.RemoteKey{{Key: "tenant-7/db"}}, Target: "db", Ready: "False", Reason: "SecretSyncedError"}},
	{evidence.SecretStore, evidence.SecretStoreFacts{Kind: "SecretStore", Namespace: "tenant-7", Name: "vault", Provider: "vault", Role: "eso"}},
	{evidence.SecretServer, evidence.ServerFacts{Version: "1.17.2", Initialized: true, Sealed: true, ClusterName: "vault-a"}},
	{evidence.SecretRotation, evidence.RotationFacts{Path: "transit/keys/a", Type: "transit-key", Version: 3, LastRotated: at(3, 0, 0)}},
	{evidence.SecretLease, evidence.LeaseFacts{Prefix: "database/creds/", Count: 1000, Cut: true}},
	{evidence.BackupSchedule, evidence.ScheduleFacts{Name: "nightly", Cron: "0 2 * * *", Paused: true}},
	{evidence.BackupLocation, evidence.LocationFacts{Name: "main", Provider: "aws", AccessMode: "ReadWrite", Phase: "Unavailable"}},
	{evidence.BackupRun, evidence.BackupFacts{Name: "nightly-1", Phase: "PartiallyFailed", Errors: 2, Warnings: 1, Scope: evidence.BackupScope{Namespaces: []string{"tenant-7"}}}},
	{evidence.BackupRun, evidence.BackupFacts{Name: "nightly-2", Phase: "Completed", DeletedAt: at(14, 8, 0), DeletedHow: "expired"}},
	{evidence.BackupRun, evidence.BackupFacts{Name: "nightly-3", Phase: "Completed", DeletedAfter: at(13, 8, 0), DeletedAt: at(14, 8, 0), DeletedHow: "unexplained"}},
	{evidence.BackupRestore, evidence.RestoreFacts{Name: "undone", Backup: "nightly-1", Phase: "New", Requester: -1, DeletedAfter: at(13, 8, 0), DeletedAt: at(14, 8, 0)}},
	{evidence.BackupRestore, evidence.RestoreFacts{Name: "drill", Backup: "nightly-1", Phase: "Completed", Purpose: "test", Requester: 0}},
	{evidence.BackupTest, evidence.RestoreTestFacts{Restore: "velero/drill", Grade: 3, Stopped: "no check of the application was seen"}},
	{evidence.WorkflowRun, evidence.WorkflowRunFacts{Namespace: "tenant-7", Name: "drill-1", Phase: "Succeeded", Purpose: "restore-drill", PurposeFrom: "template", Schedule: "drill", Creator: -1, Actor: 0, Action: "Resume", Failed: 1,
		Nodes: []evidence.WorkflowNode{{Type: "Suspend", Name: "approve", Phase: "Succeeded"}}}},
	{evidence.WorkflowRun, evidence.WorkflowRunFacts{Namespace: "tenant-7", Name: "release-1", Phase: "Running", Creator: 0, Actor: -1, Fired: &evidence.WorkflowFiring{Sensor: "git-push", Trigger: "deploy"}, Nodes: []evidence.WorkflowNode{{Type: "Suspend", Name: "approve", Phase: "Running"}}}},
	{evidence.WorkflowRun, evidence.WorkflowRunFacts{Namespace: "tenant-7", Name: "gone-1", Phase: "Running", Creator: -1, Actor: -1, DeletedAt: at(3, 0, 0)}},
	{evidence.WorkflowRun, evidence.WorkflowRunFacts{Namespace: "tenant-7", Name: "wide-1", Phase: "Succeeded", Creator: -1, Actor: -1, NodesUnread: "offloaded"}},
	{evidence.WorkflowSchedule, evidence.WorkflowScheduleFacts{Namespace: "tenant-7", Name: "drill", Crons: []string{"0 2 * * *"}, Suspended: true, Template: "WorkflowTemplate/restore-drill"}},
	{evidence.CertDeclared, evidence.CertDeclaredFacts{Namespace: "tenant-7", Name: "web", Names: []string{"web.t7.example"}, IssuerName: "ca", Ready: "True", NotAfter: at(30, 0, 0)}},
	{evidence.CertRequest, evidence.CertRequestFacts{Namespace: "tenant-7", Name: "web-1", Certificate: "web", IssuerName: "ca", Requester: -1, Account: "cert-manager/cert-manager", Approval: "denied", Status: "denied", Reason: "policy"}},
	{evidence.CertIssuer, evidence.CertIssuerFacts{Kind: "ClusterIssuer", Name: "ca", Type: "acme", Ready: "False", Reason: "ErrRegisterACMEAccount"}},
	{evidence.AlertInstance, evidence.AlertFacts{Fingerprint: "1bfb93d10b7610d4", Name: "DiskFull", Severity: "critical", StartsAt: at(14, 8, 30), Status: "suppressed", SilencedBy: []string{"s-1", "s-2"}, InhibitedBy: []string{"0ba5812e20cce76c"}}},
	{evidence.AlertSilence, evidence.SilenceFacts{ID: "s-1", Matchers: []evidence.AlertMatcher{{Name: "alertname", Op: "=~", Values: []string{"Disk.*"}, Pattern: true}, {Name: "instance", Op: "=", Left: true}}, StartsAt: at(14, 9, 0), EndsAt: at(14, 11, 0), Author: 0}},
	{evidence.AlertRule, evidence.AlertRuleFacts{Group: "disks", Name: "DiskFull", Type: "alerting", Health: "err", Blind: "error"}},
	{evidence.AlertRule, evidence.AlertRuleFacts{Group: "disks", Name: "DiskFull", Type: "alerting", Health: "ok"}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kyverno", Kind: "ClusterPolicy", Name: "require-signed", Mode: "enforce", Ready: "True", FailsOpen: some(true), Excludes: evidence.PolicyReach{Namespaces: []string{"kube-system"}}}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kyverno", Kind: "ClusterPolicy", Name: "limits", Mode: "audit", Ready: "False", Reason: "Failed", Differs: []evidence.PolicyDiffer{{Namespace: "a"}}}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "gatekeeper", Kind: "K8sRequiredLabels", Name: "owner", Mode: "enforce", Ready: "Unknown", Violations: some(431), Listed: some(20), ViolationsCut: true}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "gatekeeper", Kind: "K8sRequiredLabels", Name: "new", Mode: "mixed", Ready: "True", Audited: some(false)}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kubernetes", Kind: "ValidatingAdmissionPolicy", Name: "replicas", Mode: "bound", Ready: "True"}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kubernetes", Kind: "ValidatingAdmissionPolicyBinding", Name: "replicas-all", Mode: "enforce", Binds: "replicas"}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kyverno", Kind: "Policy", Namespace: "tenant-7", Name: "defaults", Mode: "none", Ready: "True"}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kyverno", Kind: "MutatingPolicy", Name: "labels", Mode: "none", Ready: "True", Rules: []evidence.PolicyCheck{{Type: "mutate"}}, FailsOpen: some(true)}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kyverno", Kind: "GeneratingPolicy", Name: "quotas", Mode: "none", Ready: "True", Rules: []evidence.PolicyCheck{{Type: "generate"}}}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kyverno", Kind: "DeletingPolicy", Name: "sweep", Mode: "none", Ready: "True", Rules: []evidence.PolicyCheck{{Type: "delete"}}, Schedule: "0 3 * * *"}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kubernetes", Kind: "MutatingAdmissionPolicyBinding", Name: "labels-all", Mode: "none", Binds: "labels"}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "gatekeeper", Kind: "Config", Namespace: "gatekeeper-system", Name: "config", Mode: "letsoff", Differs: []evidence.PolicyDiffer{
		{Namespace: "tenant-7", Action: "unaudited"}, {Namespace: "tenant-7", Action: "unchecked"}}}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kyverno", Kind: "ConfigMap", Namespace: "kyverno", Name: "kyverno", Mode: "letsoff", Differs: []evidence.PolicyDiffer{{Namespace: "tenant-7", Kind: "Pod", Action: "unchecked"}}, RulesCut: 3}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kyverno", Kind: "ConfigMap", Name: "kyverno", Mode: "letsoff", Ready: "Unknown", Reason: "NotRead"}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "gatekeeper", Kind: "ValidatingWebhookConfiguration", Name: "gatekeeper-validating-webhook-configuration", Mode: "letsoff", Ready: "True", FailsOpen: some(true)}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kyverno", Kind: "ValidatingWebhookConfiguration", Name: "kyverno-resource-validating-webhook-cfg", Mode: "letsoff", Ready: "True", FailsOpen: some(false)}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kyverno", Kind: "ConfigMap", Namespace: "kyverno", Name: "kyverno", Mode: "letsoff", Excludes: evidence.PolicyReach{Kinds: []string{"Event", "Pod"}}}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kyverno", Kind: "ValidatingWebhookConfiguration", Name: "kyverno-resource-validating-webhook-cfg", Mode: "letsoff", Ready: "True", Differs: []evidence.PolicyDiffer{
		{By: "labels", Policies: "ClusterPolicy", Action: "unchecked"}, {Kind: "Node", Policies: "ClusterPolicy", Action: "unchecked"}, {Namespace: "tenant-7", Policies: "ValidatingPolicy", Action: "unchecked"}}}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "kyverno", Kind: "MutatingWebhookConfiguration", Name: "kyverno-resource-mutating-webhook-cfg", Mode: "letsoff", Ready: "True", Differs: []evidence.PolicyDiffer{{Namespace: "tenant-7", Action: "unchecked"}}}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Engine: "gatekeeper", Kind: "ValidatingWebhookConfiguration", Name: "gatekeeper-validating-webhook-configuration", Mode: "letsoff", Ready: "False", Reason: "NotFound"}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Kind: "RequiredPolicy", Name: "require-signed", Mode: "missing"}},
	{evidence.PolicyInForce, evidence.AdmissionPolicyFacts{Kind: "RequiredPolicy", Name: "limits", Mode: "there"}},
	{evidence.PolicyException, evidence.PolicyExceptionFacts{Namespace: "tenant-7", Name: "legacy", Policies: []evidence.PolicyExcused{{Policy: "require-signed"}}, ExpiresAt: at(30, 0, 0)}},
	{evidence.PolicyException, evidence.PolicyExceptionFacts{Namespace: "tenant-7", Name: "endless", Policies: []evidence.PolicyExcused{{Policy: "limits", Rules: []string{"memory"}}}}},
	{evidence.PolicyResult, evidence.PolicyResultFacts{Engine: "kyverno", Policy: "require-signed", Rule: "verify", Result: "fail", Severity: "high", Resource: evidence.PolicySubject{Kind: "Deployment", Namespace: "tenant-7", Name: "web"}}},
	{evidence.PolicyResult, evidence.PolicyResultFacts{Engine: "kyverno", Policy: "limits", Result: "skip", Exceptions: []string{"tenant-7/endless"}, Resource: evidence.PolicySubject{Kind: "Pod", Namespace: "tenant-7", Name: "web-1"}}},
	{evidence.PolicyResult, evidence.PolicyResultFacts{Engine: "kyverno", Policy: "limits", Rule: "cpu", Result: "pass", Resource: evidence.PolicySubject{Kind: "Pod", Namespace: "tenant-7", Name: "web-1"}}},
	{evidence.PolicyResult, evidence.PolicyResultFacts{Engine: "kyverno", Policy: "limits", Rule: "cpu", Result: "error"}},
}

// TestEverySource tells a record of each kind that the other test does not
// have, so that no kind of a collector goes without a sentence of its own.
func TestEverySource(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(tenant)
	told := map[evidence.Kind]bool{}
	for l := range world(t).Records(t.Context(), evidence.Query{}) {
		told[l.Kind] = true
	}
	for i, x := range delivered {
		b, err := json.Marshal(x.facts)
		if err != nil {
			t.Fatal(err)
		}
		told[x.kind] = true
		info, _ := evidence.KindInfo(x.kind)
		d := evidence.Draft{
			Kind: x.kind, Op: evidence.OpEvent, Source: "source/prod", Key: fmt.Sprint(i), Subject: evidence.NewRef("object", "prod", fmt.Sprint(i)),
			OccurredAt: at(14, 9, i), ObservedAt: at(14, 9, i), Basis: evidence.BasisSource, Content: b,
			People: []evidence.Person{person(evidence.RoleActor, "alice", evidence.ProofAuthenticated)},
		}
		if info.State {
			d.Op, d.Key = evidence.OpSet, ""
		}
		if x.kind == evidence.AccessAudit {
			d.ActorScope = []evidence.Ref{evidence.NewRef("tenant", "", "tenant-2")}
		}
		l.AddDraft(d)
	}
	for _, k := range evidence.Kinds() {
		if !k.Own && !told[k.Kind] {
			t.Errorf("no test tells a record of %s", k.Kind)
		}
	}
	l.Cover("source/prod", evidence.Continuous, period, "", evidence.RuntimePod)
	for _, line := range lines(t, l, timeline.Options{}) {
		info, _ := evidence.KindInfo(line.Kind)
		if !info.Own && (strings.HasPrefix(line.Says, info.Says+":") || strings.Contains(line.Says, "facts of another shape")) {
			t.Errorf("%s has no sentence: %s", line.Kind, line.Says)
		}
	}
	var text bytes.Buffer
	if err := timeline.Text(&text, timeline.HeadOf(l, period), timeline.Build(t.Context(), l, period, timeline.Options{}), reports.Style{Width: 110}); err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, "sources.txt", text.Bytes())
}
