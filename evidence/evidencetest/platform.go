package evidencetest

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"evidenced/evidence"
)

// platformSources are the sources that DraftFor names for the kinds of
// clusters, secret stores and forges' members.
var platformSources = map[evidence.Kind]evidence.SourceID{
	evidence.BackupSchedule: "velero/prod", evidence.BackupLocation: "velero/prod", evidence.BackupRun: "velero/prod",
	evidence.BackupRestore: "velero/prod", evidence.BackupTest: "velero/prod",
	evidence.CertDeclared: "cert-manager/prod", evidence.CertRequest: "cert-manager/prod", evidence.CertIssuer: "cert-manager/prod",
	evidence.WorkflowRun: "workflows/prod", evidence.WorkflowSchedule: "workflows/prod",
	evidence.SecretSync: "external-secrets/prod", evidence.SecretStore: "external-secrets/prod",
	evidence.SecretRotation: "vault/prod", evidence.SecretServer: "vault/prod", evidence.SecretLease: "vault/prod",
	evidence.RuntimeNode: "kubernetes/prod", evidence.RuntimeNamespace: "kubernetes/prod", evidence.AccessRBAC: "kubernetes/prod",
	evidence.NetworkPolicy: "network/prod", evidence.NetworkNamespace: "network/prod", evidence.NetworkMode: "network/prod",
	evidence.AccessAudit: "kubernetes-audit/prod", evidence.AccessMember: "github/acme",
	evidence.AlertInstance: "alertmanager/prod", evidence.AlertSilence: "alertmanager/prod", evidence.AlertRule: "prometheus/prod",
	evidence.PolicyInForce: "policies/prod", evidence.PolicyException: "policies/prod", evidence.PolicyResult: "policies/prod",
}

// platformNames are the facts that name something in those kinds.
type platformNames struct {
	Kind      string          `json:"kind"`
	Namespace string          `json:"namespace"`
	Name      string          `json:"name"`
	UID       string          `json:"uid"`
	ID        string          `json:"id"`
	Stage     string          `json:"stage"`
	Path      string          `json:"path"`
	Container string          `json:"container"`
	Type      string          `json:"type"`
	Holder    int             `json:"holder"`
	Step      string          `json:"step"`
	Tenant    string          `json:"tenant"`
	Origin    string          `json:"origin"`
	SHA256    string          `json:"sha256"`
	Catalog   string          `json:"catalog"`
	Source    string          `json:"source"`
	Incident  string          `json:"incident"` // of an act on an incident; no fact of it
	Cluster   json.RawMessage `json:"cluster"`  // a cluster's name, or an id of a secret store's
}

// platformIdentity returns what a draft of such a kind is about, and its key
// when it is an event: as collectors do, objects of a cluster go by uid.
func platformIdentity(d *evidence.Draft) (subject evidence.Ref, key string, ok bool) {
	var f platformNames
	if err := json.Unmarshal(d.Content, &f); err != nil {
		panic(fmt.Sprintf("evidencetest: facts of %s: %v", d.Kind, err))
	}
	ref := evidence.NewRef
	object := func(scheme, name string) evidence.Ref { return ref(scheme, "prod", name).WithUID(f.UID) }
	full := f.Namespace + "/" + f.Name
	switch d.Kind {
	case evidence.BackupSchedule, evidence.BackupLocation, evidence.CertDeclared, evidence.CertIssuer, evidence.SecretSync,
		evidence.SecretStore, evidence.AccessRBAC, evidence.NetworkPolicy, evidence.NetworkMode, evidence.PolicyInForce, evidence.PolicyException, evidence.WorkflowSchedule:
		return object("object", string(d.Kind)+f.Kind+"/"+full), "", true
	case evidence.BackupRun, evidence.BackupRestore, evidence.BackupTest, evidence.CertRequest, evidence.WorkflowRun:
		return object("object", string(d.Kind)+"/"+full), f.UID, true
	case evidence.PolicyResult:
		var r evidence.PolicyResultFacts
		if err := json.Unmarshal(d.Content, &r); err != nil {
			panic(fmt.Sprintf("evidencetest: facts of %s: %v", d.Kind, err))
		}
		return ref("result", "prod", strings.Join([]string{r.Resource.Namespace, r.Resource.Kind, r.Resource.Name, r.Engine, r.Policy, r.Rule}, "|")).WithUID(r.Resource.UID), "", true
	case evidence.SecretRotation:
		return ref("secret", "prod", f.Path), "", true
	case evidence.SecretServer:
		return ref("server", "prod", "vault"), "", true
	case evidence.RuntimeNode:
		return object("node", f.Name), "", true
	case evidence.RuntimeNamespace, evidence.NetworkNamespace:
		return object("namespace", f.Name), "", true
	case evidence.AccessAudit:
		return ref("line", "prod", f.ID), f.ID + "/" + f.Stage, true
	case evidence.AccessMember:
		holder := f.Type + "/" + f.Name
		if f.Holder >= 0 && len(d.People) > f.Holder {
			holder = d.People[f.Holder].NativeID
		}
		return ref("member", "acme", f.Container+"/"+holder), "", true
	case evidence.TenantOffboard:
		return ref("tenant", "", f.Tenant), f.Origin + "/" + f.Step, true
	case evidence.PlatformCatalog:
		return ref("config", "", f.Catalog), f.Catalog + "/" + evidence.FormatTime(d.OccurredAt), true
	case evidence.PlatformConfig:
		return ref("config", "", f.SHA256), f.SHA256 + "/" + evidence.FormatTime(d.OccurredAt), true
	case evidence.LogSegment:
		return ref("log", "", "test/log"), fmt.Sprintf("%s/%s", d.Content, d.OccurredAt), true
	case evidence.IncidentDeclared, evidence.IncidentUpdated, evidence.IncidentMoment, evidence.IncidentDecision,
		evidence.IncidentNotice, evidence.IncidentContact, evidence.IncidentClosed:
		return ref("incident", "", cmp.Or(f.Incident, "inc1")), fmt.Sprintf("%x/%s", sha256.Sum256(d.Content), d.OccurredAt), true
	case evidence.CollectionRun:
		return ref("source", "", f.Source), f.Source + "/" + evidence.FormatTime(d.OccurredAt), true
	}
	return evidence.Ref{}, "", false
}
