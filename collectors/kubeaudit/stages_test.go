package kubeaudit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// logged is one line of a log as a test wants it: what it does not say is a
// write to a Deployment by a service account, which passed.
type logged struct {
	id, version, stage, verb, uri, user, ref, answer, more string
}

func (l logged) line() string {
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/%s","level":"Metadata","auditID":%q,"stage":%q,"requestURI":%q,"verb":%q,"user":%s,"sourceIPs":["192.0.2.14"],"objectRef":%s,"responseStatus":%s%s}`+"\n",
		or(l.version, "v1"), l.id, or(l.stage, stageComplete), or(l.uri, "/apis/apps/v1/namespaces/tenant-7/deployments/web"), or(l.verb, "update"),
		or(l.user, `{"username":"system:serviceaccount:tenant-7:robot"}`),
		or(l.ref, `{"resource":"deployments","namespace":"tenant-7","name":"web","apiGroup":"apps","apiVersion":"v1"}`),
		or(l.answer, `{"metadata":{},"code":200}`),
		or(l.more, `,"requestReceivedTimestamp":"2026-03-02T14:00:00.000001Z","stageTimestamp":"2026-03-02T14:00:00.000009Z"`))
}

// told are the drafts of some lines, by audit id, with their facts.
func told(t *testing.T, lines ...logged) (map[string]evidence.Draft, map[string]evidence.AuditFacts) {
	t.Helper()
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.line())
	}
	ds, fs := map[string]evidence.Draft{}, map[string]evidence.AuditFacts{}
	for _, d := range poll(t, fileConfig(logFile(t, []byte(b.String()))), nil).Drafts {
		if err := d.Check(); err != nil {
			t.Errorf("%s: %v", d.Key, err)
		}
		var f evidence.AuditFacts
		if err := json.Unmarshal(d.Content, &f); err != nil {
			t.Fatal(err)
		}
		ds[f.ID], fs[f.ID] = d, f
	}
	return ds, fs
}

// A token is told by its id where it is made and where it is used.
func TestIssued(t *testing.T) {
	const id, times = "JTI=0a51c3b2-0000-4000-8000-000000000001", `,"requestReceivedTimestamp":"2026-03-02T14:00:00.000001Z","stageTimestamp":"2026-03-02T14:00:00.000009Z"`
	_, fs := told(t,
		logged{id: "made", verb: "create", uri: "/api/v1/namespaces/tenant-7/serviceaccounts/robot/token", user: `{"username":"system:node:n1","groups":["system:nodes"]}`,
			ref: `{"resource":"serviceaccounts","namespace":"tenant-7","name":"robot","apiVersion":"v1","subresource":"token"}`, answer: `{"metadata":{},"code":201}`,
			more: times + `,"annotations":{"authentication.kubernetes.io/issued-credential-id":"` + id + `"}`},
		logged{id: "used", verb: "get", uri: "/api/v1/namespaces/tenant-7/secrets/a", user: `{"username":"system:serviceaccount:tenant-7:robot","extra":{"authentication.kubernetes.io/credential-id":["` + id + `"]}}`,
			ref: `{"resource":"secrets","namespace":"tenant-7","name":"a","apiVersion":"v1"}`},
	)
	if fs["made"].Issued != id || fs["made"].Credential != "" || fs["used"].Credential != id || fs["used"].Issued != "" {
		t.Errorf("made %+v, used %+v", fs["made"], fs["used"])
	}
}

// A request that does not get past the login is told once, at the stage at
// which its answer begins, and nobody stands in it.
func TestFailedLogin(t *testing.T) {
	refused := `{"metadata":{},"status":"Failure","message":"Authentication failed, attempted: bearer","reason":"Unauthorized","code":401}`
	_, fs := told(t,
		logged{id: "login", stage: stageStarted, verb: "list", uri: "/api/v1/namespaces/tenant-7/pods", user: "{}", ref: `{"resource":"pods","namespace":"tenant-7","apiVersion":"v1"}`, answer: refused},
		logged{id: "watch", stage: stageStarted, verb: "watch", uri: "/api/v1/pods?watch=true", user: "{}", ref: `{"resource":"pods","apiVersion":"v1"}`, answer: refused},
		logged{id: "start", stage: stageStarted, user: `{"username":"mira@acme.example"}`},
	)
	end := time.Date(2026, 3, 2, 14, 0, 0, 9000, time.UTC)
	for _, id := range []string{"login", "watch"} {
		f := fs[id]
		if f.Outcome != "denied" || f.Code != 401 || f.Who != -1 || !f.EndedAt.Equal(end) {
			t.Errorf("%s: outcome %q, code %d, who %d, ended %v; want denied, 401, nobody, %v", id, f.Outcome, f.Code, f.Who, f.EndedAt, end)
		}
	}
	if f, ok := fs["start"]; ok {
		t.Errorf("the start of a short request that goes on is told: %+v", f)
	}
}

// Whatever code an admission webhook or policy refuses with, a refusal is one.
func TestAdmissionRefusals(t *testing.T) {
	answer := func(code int, message string) string {
		b, err := json.Marshal(map[string]any{"metadata": map[string]any{}, "status": "Failure", "message": message, "code": code})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	_, fs := told(t,
		logged{id: "webhook", answer: answer(400, `admission webhook "rules.policy.example" denied the request: image is not signed`)},
		logged{id: "policy", answer: answer(422, `deployments.apps "web" is forbidden: ValidatingAdmissionPolicy 'signed' with binding 'all' denied request: image is not signed`)},
		logged{id: "bad", answer: answer(400, `the server could not understand the request`)},
		logged{id: "invalid", answer: answer(422, `Deployment.apps "web" is invalid: spec.selector: field is immutable`)},
	)
	for _, id := range []string{"webhook", "policy"} {
		if f := fs[id]; f.Outcome != "denied" {
			t.Errorf("%s: outcome %q, want denied", id, f.Outcome)
		}
	}
	for _, id := range []string{"bad", "invalid"} {
		if f, ok := fs[id]; ok {
			t.Errorf("%s: a machine's write that nobody refused is kept as %q", id, f.Outcome)
		}
	}
}

// Who deletes asks for a dry run in the object of the request, not in its
// address; another object's member of that name says nothing.
func TestDryRunOfDelete(t *testing.T) {
	const times = `,"requestReceivedTimestamp":"2026-03-02T14:00:00Z","stageTimestamp":"2026-03-02T14:00:01Z"`
	user := `{"username":"mira@acme.example"}`
	ds, fs := told(t,
		logged{id: "dry", verb: "delete", user: user, more: `,"requestObject":{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background","dryRun":["All"]}` + times},
		logged{id: "real", verb: "delete", user: user, more: `,"requestObject":{"kind":"DeleteOptions","apiVersion":"v1","dryRun":[]}` + times},
		logged{id: "other", verb: "patch", user: user, more: `,"requestObject":{"kind":"Deployment","dryRun":["All"]}` + times},
	)
	for id, want := range map[string]string{"dry": "unchanged", "real": "ok", "other": "ok"} {
		if f := fs[id]; f.Outcome != want {
			t.Errorf("%s: outcome %q, want %s", id, f.Outcome, want)
		}
	}
	// What is left of the line says so too: a spooled one is read from it.
	_, again := told(t, logged{id: "dry", verb: "delete", user: user, more: `,"requestObject":` + member(t, ds["dry"].Raw, "requestObject") + times})
	if f := again["dry"]; f.Outcome != "unchanged" {
		t.Errorf("read from what is kept: outcome %q, want unchanged", f.Outcome)
	}
}

func member(t *testing.T, raw []byte, name string) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return string(m[name])
}

// A namespace that is made stands in none, and belongs to whom it is made for;
// one that was not made is nobody's.
func TestNamespaceMade(t *testing.T) {
	made := logged{id: "made", verb: "create", uri: "/api/v1/namespaces", user: `{"username":"mira@acme.example"}`, ref: `{"resource":"namespaces","name":"tenant-9","apiVersion":"v1"}`, answer: `{"metadata":{},"code":201}`}
	refused := made
	refused.id, refused.answer = "refused", `{"metadata":{},"status":"Failure","reason":"Forbidden","code":403}`
	ds, _ := told(t, made, refused)
	for id, want := range map[string]string{"made": "[ns:prod/tenant-9]", "refused": "[ns:prod/kube-system]"} {
		if got := fmt.Sprint(ds[id].Scope); got != want {
			t.Errorf("%s: scope %s, want %s", id, got, want)
		}
	}
}

// Servers before 1.12 write the time of a request and the group of an object
// under other names.
func TestOlderVersions(t *testing.T) {
	old := logged{
		id: "old", version: "v1alpha1", user: `{"username":"mira@acme.example"}`,
		ref:  `{"resource":"rolebindings","namespace":"tenant-7","name":"read","apiVersion":"rbac.authorization.k8s.io/v1beta1"}`,
		more: `,"metadata":{"creationTimestamp":"2026-03-02T13:59:58Z"},"timestamp":"2026-03-02T13:59:58Z"`,
	}
	ds, fs := told(t, old)
	d, f := ds["old"], fs["old"]
	if want := time.Date(2026, 3, 2, 13, 59, 58, 0, time.UTC); !d.OccurredAt.Equal(want) || d.Basis != evidence.BasisSource {
		t.Errorf("occurred %v by %s, want %v by source", d.OccurredAt, d.Basis, want)
	}
	if f.Group != rbacGroup || !slices.ContainsFunc(d.Links, func(r evidence.Ref) bool { return strings.Contains(r.Name, "RoleBinding.rbac.authorization.k8s.io") }) {
		t.Errorf("group %q, links %v", f.Group, d.Links)
	}
}

// The administrator whom installers make is called like a part of Kubernetes,
// and is not one.
func TestInstallersAdmin(t *testing.T) {
	ds, _ := told(t, logged{id: "admin", user: `{"username":"system:admin","groups":["system:authenticated"]}`})
	d, ok := ds["admin"]
	if !ok || len(d.People) != 1 || d.People[0].Names.Bot || !d.People[0].Names.Shared {
		t.Errorf("kept %t, people %+v; want a shared account", ok, d.People)
	}
}

// An API server may put a word of its own before the mail address of a user:
// objects are called after the address alone.
func TestMailBehindPrefix(t *testing.T) {
	for _, user := range []string{"oidc:mira@acme.example", "https://login.example#mira@acme.example", "arn:aws:sts::1:assumed-role/admins/mira@acme.example"} {
		quoted, err := json.Marshal(user)
		if err != nil {
			t.Fatal(err)
		}
		ds, _ := told(t, logged{
			id: "b", verb: "delete", uri: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/mira@acme.example-admin",
			user: `{"username":` + string(quoted) + `}`, ref: `{"resource":"clusterrolebindings","name":"mira@acme.example-admin","apiGroup":"rbac.authorization.k8s.io","apiVersion":"v1"}`,
		})
		d := ds["b"]
		if s := string(d.Content) + fmt.Sprint(d.Links, d.Subject, d.Scope, d.ActorScope); strings.Contains(s, "mira") || d.Content == nil {
			t.Errorf("%s: the name of a person stands in %s", user, s)
		}
	}
}
