package vault

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
)

// later is well after the last line that tests write, so that nothing waits.
var later = time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)

func fileCollector(t testing.TB, cfg Config, now time.Time) *Collector {
	t.Helper()
	c, err := New(cfg, collectors.Env{Seal: keyring, Source: "vault/prod", Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// poll runs once with a fresh collector, as after a restart.
func poll(t testing.TB, cfg Config, resume []byte) *collectortest.Recorder {
	t.Helper()
	return pollAt(t, cfg, resume, later)
}

func pollAt(t testing.TB, cfg Config, resume []byte, now time.Time) *collectortest.Recorder {
	t.Helper()
	var rec collectortest.Recorder
	if err := fileCollector(t, cfg, now).Poll(t.Context(), evidence.Period{To: now}, resume, &rec); err != nil {
		t.Fatal(err)
	}
	return &rec
}

func facts(t testing.TB, d evidence.Draft) evidence.AccessFacts {
	t.Helper()
	var f evidence.AccessFacts
	if err := json.Unmarshal(d.Content, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// one finds the only draft of a request.
func one(t testing.TB, ds []evidence.Draft, id string) (evidence.Draft, evidence.AccessFacts) {
	t.Helper()
	var found []evidence.Draft
	for _, d := range ds {
		if d.Key == id {
			found = append(found, d)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d drafts of request %s, want 1", len(found), id)
	}
	return found[0], facts(t, found[0])
}

func last(rec *collectortest.Recorder) evidence.Observation {
	return rec.Commits[len(rec.Commits)-1].Observation
}

func gz(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestOutcomes(t *testing.T) {
	g := newGen()
	wrapped := g.kvRead("alice", "tenant-7/web/db")
	wrapped.extra = obj{"wrap_ttl": 120}
	wrapped.resp = obj{"wrap_info": obj{"token": g.hash("wrap"), "ttl": 120, "creation_path": "kv/data/tenant-7/web/db"}}
	deleted := g.kvRead("alice", "tenant-7/gone")
	deleted.resp = obj{"data": obj{"http_status_code": 404, "http_raw_body": g.hash("x"), "http_content_type": g.hash("y")}}
	absent := g.kvRead("alice", "tenant-7/never")
	absent.resp = nil
	denied := g.kvRead("mallory", "tenant-2/db")
	denied.denied = true
	badToken := g.kvRead("", "tenant-2/db")
	badToken.reqErr, badToken.respErr = "permission denied", "1 error occurred:\n\t* permission denied\n\n"
	failedLogin := g.login("bob.weber")
	failedLogin.resp, failedLogin.respErr = obj{}, "invalid credentials for bob.weber"
	unwrap := call{op: "update", path: "sys/wrapping/unwrap", mount: "sys/", mountType: "system", extra: obj{"client_token": g.hash("wrap")},
		resp: obj{"data": obj{"data": obj{"password": g.hash("pw")}}}}
	inNS := g.kvRead("alice", "web/db")
	inNS.ns, inNS.mount = "regulated", "regulated/kv/"
	nsBare := g.kvRead("alice", "web/db")
	nsBare.ns = "regulated"

	nsMount := g.kvRead("alice", "web/db")
	nsMount.ns, nsMount.mount, nsMount.path = "regulated", "regulated/regulated/", "regulated/data/web/db"
	nsMountBare := nsMount
	nsMountBare.mount = "regulated/"
	gives := func(typ, path string) call {
		mount, _, _ := strings.Cut(path, "/")
		return call{who: "app", op: "update", path: path, mount: mount + "/", mountType: typ, resp: obj{"data": obj{"private_key": g.hash("p")}}}
	}

	for _, tc := range []struct {
		name    string
		call    call
		kind    evidence.Kind
		outcome string
		reading bool
		who     int
		secret  string
		path    string
	}{
		{"read", g.kvRead("alice", "tenant-7/web/db"), evidence.SecretAccess, "ok", true, 0, "kv/tenant-7/web/db", "kv/data/tenant-7/web/db"},
		{"wrapped", wrapped, evidence.SecretAccess, "ok", true, 0, "kv/tenant-7/web/db", "kv/data/tenant-7/web/db"},
		{"deleted version", deleted, evidence.SecretAccess, "missing", true, 0, "kv/tenant-7/gone", "kv/data/tenant-7/gone"},
		{"never there", absent, evidence.SecretAccess, "missing", true, 0, "kv/tenant-7/never", "kv/data/tenant-7/never"},
		{"denied", denied, evidence.SecretAccess, "denied", true, 0, "kv/tenant-2/db", "kv/data/tenant-2/db"},
		{"bad token", badToken, evidence.SecretAccess, "denied", true, -1, "kv/tenant-2/db", "kv/data/tenant-2/db"},
		{"write", call{who: "app", op: "create", path: "kv/data/tenant-7/x", mount: "kv/", mountType: "kv"},
			evidence.SecretAccess, "ok", false, 0, "kv/tenant-7/x", "kv/data/tenant-7/x"},
		{"metadata", call{who: "app", op: "read", path: "kv/metadata/tenant-7/x", mount: "kv/", mountType: "kv", resp: obj{"data": obj{"versions": obj{}}}},
			evidence.SecretAccess, "ok", false, 0, "kv/tenant-7/x", "kv/metadata/tenant-7/x"},
		{"list", call{who: "app", op: "list", path: "kv/metadata/tenant-7/", mount: "kv/", mountType: "kv", resp: obj{"data": obj{"keys": []string{g.hash("x")}}}},
			evidence.SecretAccess, "ok", false, 0, "kv/tenant-7", "kv/metadata/tenant-7/"},
		{"scan of nothing", call{who: "app", op: "scan", path: "kv/metadata/tenant-8/", mount: "kv/", mountType: "kv"},
			evidence.SecretAccess, "missing", false, 0, "kv/tenant-8", "kv/metadata/tenant-8/"},
		{"database", call{who: "pod", op: "read", path: "database/creds/tenant-7-app", mount: "database/", mountType: "postgresql",
			resp: obj{"data": obj{"password": g.hash("p")}, "secret": obj{"lease_id": "database/creds/tenant-7-app/Xy12"}}},
			evidence.SecretAccess, "ok", true, 0, "database/creds/tenant-7-app", "database/creds/tenant-7-app"},
		{"decrypt", call{who: "app", op: "update", path: "transit/decrypt/app", mount: "transit/", mountType: "transit", resp: obj{"data": obj{"plaintext": g.hash("p")}}},
			evidence.SecretAccess, "ok", true, 0, "transit/decrypt/app", "transit/decrypt/app"},
		{"encrypt", call{who: "app", op: "update", path: "transit/encrypt/app", mount: "transit/", mountType: "transit", resp: obj{"data": obj{"ciphertext": g.hash("p")}}},
			evidence.SecretAccess, "ok", false, 0, "transit/encrypt/app", "transit/encrypt/app"},
		{"login", g.login("alice"), evidence.SecretAuth, "ok", false, 0, "", "auth/userpass/login/{user}"},
		{"failed login", failedLogin, evidence.SecretAuth, "failed", false, -1, "", "auth/userpass/login/{user}"},
		{"unwrap", unwrap, evidence.SecretAccess, "ok", true, -1, "", "sys/wrapping/unwrap"},
		{"user made", call{who: "root", op: "create", path: "auth/userpass/users/carol@example.org/password", mount: "auth/userpass/", mountType: "userpass"},
			evidence.SecretAuth, "ok", false, 0, "", "auth/userpass/users/{user}/password"},
		{"namespace", inNS, evidence.SecretAccess, "ok", true, 0, "regulated/kv/web/db", "regulated/kv/data/web/db"},
		{"namespace, bare mount", nsBare, evidence.SecretAccess, "ok", true, 0, "regulated/kv/web/db", "regulated/kv/data/web/db"},
		{"namespace, mount of its name", nsMount, evidence.SecretAccess, "ok", true, 0, "regulated/regulated/web/db", "regulated/regulated/data/web/db"},
		{"namespace, bare mount of its name", nsMountBare, evidence.SecretAccess, "ok", true, 0, "regulated/regulated/web/db", "regulated/regulated/data/web/db"},
		{"certificate of one issuer", gives("pki", "pki/issuer/edge-2026/issue/web"), evidence.SecretAccess, "ok", true, 0, "pki/issuer/edge-2026/issue/web", "pki/issuer/edge-2026/issue/web"},
		{"certificate by expression", gives("pki", "pki/cel/issue/web"), evidence.SecretAccess, "ok", true, 0, "pki/cel/issue/web", "pki/cel/issue/web"},
		{"exported key", gives("pki", "pki/keys/generate/exported"), evidence.SecretAccess, "ok", true, 0, "pki/keys/generate/exported", "pki/keys/generate/exported"},
		{"key that stays", gives("pki", "pki/keys/generate/internal"), evidence.SecretAccess, "ok", false, 0, "pki/keys/generate/internal", "pki/keys/generate/internal"},
		{"signed by one issuer", gives("pki", "pki/issuer/issue/sign/issue"), evidence.SecretAccess, "ok", false, 0, "pki/issuer/issue/sign/issue", "pki/issuer/issue/sign/issue"},
		{"key pair of SSH", gives("ssh", "ssh/issue/admin"), evidence.SecretAccess, "ok", true, 0, "ssh/issue/admin", "ssh/issue/admin"},
		{"signed for SSH", gives("ssh", "ssh/sign/admin"), evidence.SecretAccess, "ok", false, 0, "ssh/sign/admin", "ssh/sign/admin"},
		{"decoded", gives("transform", "cards/decode/payments"), evidence.SecretAccess, "ok", true, 0, "cards/decode/payments", "cards/decode/payments"},
		{"client of KMIP", gives("kmip", "kmip/scope/disks/role/admin/credential/generate"), evidence.SecretAccess, "ok", true, 0, "kmip/scope/disks/role/admin/credential/generate", "kmip/scope/disks/role/admin/credential/generate"},
		{"policy", call{who: "root", op: "read", path: "sys/policies/acl/tenant-7-read", mount: "sys/", mountType: "system", resp: obj{"data": obj{"policy": g.hash("p")}}},
			evidence.SecretAccess, "ok", false, 0, "", "sys/policies/acl/tenant-7-read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.call.id = g.id()
			path := filepath.Join(t.TempDir(), "audit.log")
			text := g.both(tc.call)
			write(t, path, text)
			rec := poll(t, Config{AuditFiles: []string{path}, Device: "file"}, nil)
			d, f := one(t, rec.Drafts, tc.call.id)
			got := fmt.Sprint(d.Kind, " ", f.Outcome, " ", f.Reading, " ", f.Who, " ", f.Secret, " ", f.Path)
			want := fmt.Sprint(tc.kind, " ", tc.outcome, " ", tc.reading, " ", tc.who, " ", tc.secret, " ", tc.path)
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if string(d.Raw)+"\n" != text {
				t.Errorf("raw is not the two lines:\n%s\nwant\n%s", d.Raw, text)
			}
			if f.Device != "file" || f.RespondedAt.IsZero() || !d.OccurredAt.Before(f.RespondedAt) {
				t.Errorf("device %q, occurred %s, responded %s", f.Device, d.OccurredAt, f.RespondedAt)
			}
			if o := last(rec); o.Incomplete != "" || len(o.Notes) > 0 {
				t.Errorf("incomplete %q, notes %q", o.Incomplete, o.Notes)
			}
			noNames(t, rec, "alice", "bob.weber", "carol", "example.org", "mallory")
		})
	}
}

// TestAddresses: newer servers write a request's address as it came, with what
// its parameters say, which stands hashed in its data.
func TestAddresses(t *testing.T) {
	g := newGen()
	for uri, kept := range map[string]bool{
		"/v1/kv/data/tenant-7/db": true, "/v1/kv/metadata/tenant-7?list=true": true, "/v1/kv/data/tenant-7/db?version=3": true,
		"/v1/auth/oidc/oidc/callback?state=st_x&code=planted-code": false, "/v1/kv/data/tenant-7/db?list=true&x=planted": false,
	} {
		c := g.login("alice")
		c.id, c.extra = g.id(), obj{"request_uri": uri, "zzz": 1}
		path := filepath.Join(t.TempDir(), "audit.log")
		write(t, path, g.both(c))
		rec := poll(t, Config{AuditFiles: []string{path}, Device: "file"}, nil)
		d, f := one(t, rec.Drafts, c.id)
		if strings.Contains(string(d.Raw), "planted") || f.Outcome != "ok" || len(d.Raw) == 0 {
			t.Errorf("%s: outcome %s, raw %s", uri, f.Outcome, d.Raw)
		}
		for line := range strings.Lines(string(d.Raw)) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: no JSON: %s", uri, line)
			}
		}
		if kept != (len(d.Removed) == 0) {
			t.Errorf("%s: removed %q", uri, d.Removed)
		}
	}
}

// TestSupplemental keeps what an engine adds for the log alone only when all of it
// is hashed: a mount's tuning may leave its strings in clear, and numbers always
// stand so.
func TestSupplemental(t *testing.T) {
	g := newGen()
	h := g.hash("x")
	for name, tt := range map[string]struct {
		request, response any
		removed           []string
	}{
		"hashed":              {obj{"issuer": h, "none": "", "list": []any{h, nil}, "deep": obj{"a": h}}, obj{"status": h}, nil},
		"empty":               {obj{}, nil, nil},
		"a string in clear":   {obj{"a": h, "serial": "planted-7"}, obj{"status": h}, []string{"/request/supplemental_audit_data", "/request/supplemental_audit_data"}},
		"a number below":      {nil, obj{"deep": []any{obj{"pin": 735291}}}, []string{"/response/supplemental_audit_data"}},
		"no object":           {"planted-text", true, []string{"/request/supplemental_audit_data", "/request/supplemental_audit_data", "/response/supplemental_audit_data"}},
		"a credential's name": {obj{"password": "planted-9"}, nil, []string{"/request/supplemental_audit_data", "/request/supplemental_audit_data"}},
	} {
		c := g.kvRead("alice", "tenant-7/a")
		c.id, c.extra = g.id(), obj{}
		if tt.request != nil {
			c.extra["supplemental_audit_data"] = tt.request
		}
		if tt.response != nil {
			c.resp["supplemental_audit_data"] = tt.response
		}
		path := filepath.Join(t.TempDir(), "audit.log")
		write(t, path, g.both(c))
		d, f := one(t, poll(t, Config{AuditFiles: []string{path}, Device: "file"}, nil).Drafts, c.id)
		if text := string(d.Raw) + string(d.Content); strings.Contains(text, "planted") || strings.Contains(text, "735291") {
			t.Errorf("%s: a value in clear was kept: %s", name, text)
		}
		if f.Outcome != "ok" || !f.Reading || len(d.Raw) == 0 {
			t.Errorf("%s: outcome %s, reading %v, raw %s", name, f.Outcome, f.Reading, d.Raw)
		}
		for line := range strings.Lines(string(d.Raw)) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: no JSON: %s", name, line)
			}
		}
		got := slices.DeleteFunc(d.Removed, func(s string) bool { return !strings.HasSuffix(s, "supplemental_audit_data") })
		if !slices.Equal(got, tt.removed) {
			t.Errorf("%s: removed %q, want %q", name, got, tt.removed)
		}
	}
}

// TestNewerMembers reads what newer servers tell of a request, and is not upset by
// members that it leaves.
func TestNewerMembers(t *testing.T) {
	g := newGen()
	c := g.kvRead("alice", "tenant-7/a")
	c.id, c.extra = g.id(), obj{
		"client_certificate_serial_number": "27:b8:0c", "policy_override": true, "replication_cluster": "r1", "client_id": "c1",
		"mount_accessor": "kv_1", "mount_running_version": "v0.20.0+builtin", "mount_running_sha256": "00", "mount_is_external_plugin": true,
	}
	q, p := g.pair(c)
	late := g.kvRead("alice", "tenant-7/b")
	late.id = g.id()
	path := filepath.Join(t.TempDir(), "audit.log")
	write(t, path, strings.Replace(q, `{`, `{"forwarded_from":"vault-1.example:8200","forwarded":true,`, 1)+p+g.both(late))
	rec := poll(t, Config{AuditFiles: []string{path}, Device: "file"}, nil)
	_, f := one(t, rec.Drafts, c.id)
	if f.ClientCert != "27:b8:0c" || !f.PolicyOverride || f.ForwardedFrom != "vault-1.example:8200" || f.Outcome != "ok" {
		t.Errorf("facts %+v", f)
	}
	if _, f := one(t, rec.Drafts, late.id); f.ClientCert != "" || f.PolicyOverride || f.ForwardedFrom != "" {
		t.Errorf("another request's facts %+v", f)
	}
	if notes := strings.Join(last(rec).Notes, " "); strings.Contains(notes, "forwarded") {
		t.Errorf("notes %q", notes)
	}
}

// noNames fails when a name stands anywhere but in people and raw lines.
func noNames(t testing.TB, rec *collectortest.Recorder, names ...string) {
	t.Helper()
	for _, d := range rec.Drafts {
		d.People, d.Raw, d.Text = nil, nil, nil
		for _, n := range names {
			if s := fmt.Sprintf("%+v %s", d, d.Content); strings.Contains(s, n) {
				t.Errorf("%q stands in a draft: %s", n, s)
			}
		}
	}
	for _, c := range rec.Commits {
		for _, n := range names {
			if s := fmt.Sprintf("%+v %s", c.Observation, c.Resume); strings.Contains(s, n) {
				t.Errorf("%q stands in a commit: %s", n, s)
			}
		}
	}
}

func TestPeople(t *testing.T) {
	g := newGen()
	path := filepath.Join(t.TempDir(), "audit.log")
	ids := map[string]string{}
	text := ""
	for _, who := range []string{"alice", "app", "pod", "root"} {
		c := g.kvRead(who, "tenant-7/db")
		c.id = g.id()
		ids[who] = c.id
		text += g.both(c)
	}
	login := g.login("alice")
	login.id = g.id()
	text += g.both(login)
	write(t, path, text)
	rec := poll(t, Config{AuditFiles: []string{path}}, nil)
	alice := evidence.Person{Role: "reader", Realm: "vault:prod/entity", NativeID: "ent-616c696365", Names: evidence.Names{Login: "alice"}, Proof: "authenticated"}
	for who, want := range map[string]evidence.Person{
		"alice": alice,
		"app":   {Role: "reader", Realm: "vault:prod/entity", NativeID: "ent-app", Names: evidence.Names{Login: "tenant-7-app", Bot: true}, Proof: "authenticated"},
		"pod":   {Role: "reader", Realm: "vault:prod/entity", NativeID: "ent-pod", Names: evidence.Names{Login: "tenant-7/web", Bot: true}, Proof: "authenticated"},
		"root":  {Role: "reader", Realm: "vault:prod/token", NativeID: g.hash("acc-root"), Names: evidence.Names{Display: "token"}, Proof: "authenticated"},
	} {
		d, f := one(t, rec.Drafts, ids[who])
		if diff := cmp.Diff([]evidence.Person{want}, d.People); diff != "" {
			t.Errorf("%s: people (-want +got):\n%s", who, diff)
		}
		if f.Root != (who == "root") {
			t.Errorf("%s: root %v", who, f.Root)
		}
	}
	d, f := one(t, rec.Drafts, login.id)
	if diff := cmp.Diff([]evidence.Person{alice}, d.People); diff != "" || f.AuthMethod != "userpass" {
		t.Errorf("login: method %q, people (-want +got):\n%s", f.AuthMethod, diff)
	}
	d, f = one(t, rec.Drafts, ids["pod"])
	if f.SANamespace != "tenant-7" || f.SAName != "web" || f.Role != "tenant-7" || f.AuthMethod != "kubernetes" {
		t.Errorf("pod: %+v", f)
	}
	wantActor := "[entity:prod/ent-pod ns:prod/tenant-7 policy:prod/default policy:prod/tenant-7-read]"
	if got := fmt.Sprint(d.ActorScope); got != wantActor {
		t.Errorf("actor scope %s, want %s", got, wantActor)
	}
	if account := evidence.NewRef("account", "prod", "tenant-7/web"); !slices.Contains(d.Links, account) {
		t.Errorf("links %v lack the account %s", d.Links, account)
	}
	if got, want := fmt.Sprint(d.Scope), "[path:prod/kv/tenant-7/db mount:prod/kv]"; got != want {
		t.Errorf("scope %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(f.Granting), "[tenant-7-read]"; got != want {
		t.Errorf("granting %s, want %s", got, want)
	}
}

func TestHalfPairs(t *testing.T) {
	g := newGen()
	path := filepath.Join(t.TempDir(), "audit.log")
	noResp, noReq, late, refused := g.kvRead("alice", "a"), g.kvRead("alice", "b"), g.kvRead("alice", "c"), g.kvRead("alice", "d")
	noResp.id, noReq.id, late.id, refused.id = g.id(), g.id(), g.id(), g.id()
	refused.op, refused.path, refused.mount, refused.mountType = "update", "sys/wrapping/unwrap", "sys/", ""
	refused.reqErr = "wrapping token is not valid or does not exist"
	q1, _ := g.pair(noResp)
	_, p2 := g.pair(noReq)
	q3, _ := g.pair(late)
	q4, _ := g.pair(refused)
	text := enc(obj{"time": g.stamp(), "type": "request", "auth": obj{"token_type": "default"},
		"request": obj{"id": "era-0001-test", "operation": "update", "path": "sys/audit/test", "namespace": obj{"id": "root"}}})
	text += q1 + p2 + q3 + q4 + g.reads(3)
	g.t = g.t.Add(3 * time.Minute)
	text += g.reads(1)
	_, p3 := g.pair(late)
	write(t, path, text+p3)
	rec := poll(t, Config{AuditFiles: []string{path}}, nil)
	if len(rec.Drafts) != 10 {
		t.Fatalf("%d drafts, want 10", len(rec.Drafts))
	}
	if _, f := one(t, rec.Drafts, noResp.id); f.Outcome != "no-response" || f.Who != 0 {
		t.Errorf("request alone: %+v", f)
	}
	if _, f := one(t, rec.Drafts, noReq.id); f.Outcome != "no-request" || f.Extra["answer"] != "ok" {
		t.Errorf("response alone: %+v", f)
	}
	if _, f := one(t, rec.Drafts, refused.id); f.Outcome != "denied" || f.Extra["response"] != "none" || !f.Reading {
		t.Errorf("refused before routing: %+v", f)
	}
	if _, f := one(t, rec.Drafts, "era-0001-test"); f.Extra["device_enabled"] != "true" || f.Extra["era"] != "era-0001" {
		t.Errorf("device enabled: %+v", f)
	}
	var ops []string
	for _, d := range rec.Drafts {
		if d.Key == late.id {
			ops = append(ops, string(d.Op)+" "+facts(t, d).Outcome)
		}
	}
	if got := fmt.Sprint(ops); got != "[event no-response amend ok]" {
		t.Errorf("late response: %s", got)
	}
}

func TestSecretValuesNeverKept(t *testing.T) {
	g := newGen()
	path := filepath.Join(t.TempDir(), "audit.log")
	rawTok := g.kvRead("alice", "tenant-7/a")
	rawTok.id, rawTok.extra = g.id(), obj{"client_token": "hvs.CAESIPlantedToken"}
	rawVal := g.kvRead("alice", "tenant-7/b")
	rawVal.id, rawVal.resp = g.id(), obj{"data": obj{"data": obj{"note": "planted-clear-value"}}}
	rawLogin := g.login("bob")
	rawLogin.id, rawLogin.data = g.id(), obj{"password": "planted-password"}
	pin := g.kvRead("alice", "tenant-7/c")
	pin.id, pin.resp = g.id(), obj{"data": obj{"data": obj{"pin": 735291, "on": true, "deep": obj{"a/b": []any{86420.5}}}, "metadata": obj{"version": 3}}}
	body := g.kvRead("alice", "tenant-7/d")
	body.id, body.resp = g.id(), obj{"data": obj{"http_raw_body": "planted-body", "http_status_code": 404}}
	inPath := call{id: g.id(), who: "root", op: "update", path: "auth/token/revoke/hvs.PlantedInPath", mount: "auth/token/", mountType: "token"}
	write(t, path, g.both(rawTok)+g.both(rawVal)+g.both(rawLogin)+g.both(pin)+g.both(body)+g.both(inPath))
	rec := poll(t, Config{AuditFiles: []string{path}, Device: "file"}, nil)
	whole := fmt.Sprintf("%+v", rec.Commits)
	for _, d := range rec.Drafts {
		whole += fmt.Sprintf("%+v\n%s\n%s\n", d, d.Content, d.Raw)
	}
	for _, secret := range []string{"hvs.", "planted", "Planted", "735291", "86420"} {
		if strings.Contains(whole, secret) {
			t.Errorf("%q was kept", secret)
		}
	}
	for _, id := range []string{rawTok.id, rawVal.id, rawLogin.id, body.id, inPath.id} {
		if d, f := one(t, rec.Drafts, id); len(d.Raw) > 0 || f.Extra["quarantined"] == "" || f.Outcome == "" {
			t.Errorf("request %s: raw of %d bytes, facts %+v", id, len(d.Raw), f)
		}
	}
	d, _ := one(t, rec.Drafts, pin.id)
	want := []string{"vault/1", "/response/data/data/deep/a~1b/0", "/response/data/data/on", "/response/data/data/pin"}
	if diff := cmp.Diff(want, d.Removed); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
	if !strings.Contains(string(d.Raw), `"version":3`) {
		t.Error("the version went with the secret's numbers")
	}
	for _, l := range bytes.Split(d.Raw, []byte("\n")) {
		if !json.Valid(l) {
			t.Errorf("redacted line is no JSON: %s", l)
		}
	}
	if n := last(rec).Notes; !slices.ContainsFunc(n, func(s string) bool { return strings.Contains(s, "file: a line of") && strings.Contains(s, "log_raw") }) {
		t.Errorf("notes do not tell of raw lines: %q", n)
	}
}

func TestBadLines(t *testing.T) {
	g := newGen()
	path := filepath.Join(t.TempDir(), "audit.log")
	odd := g.kvRead("alice", "tenant-7/ZZ")
	odd.id = g.id()
	oddText := strings.ReplaceAll(g.both(odd), "ZZ", "x\xff\xfey")
	long := g.kvRead("alice", "tenant-7/long")
	long.id, long.data = g.id(), obj{"note": g.hash(strings.Repeat("n", 10)), "list": strings.Split(strings.Repeat(g.hash("x")+" ", 70000), " ")}
	future := g.kvRead("alice", "tenant-7/f")
	future.id = g.id()
	futureText := strings.ReplaceAll(g.both(future), `{"auth"`, `{"entity_digest":{"a":[1,2]},"auth"`)
	noTime := g.kvRead("alice", "tenant-7/t")
	noTime.id = g.id()
	q, p := g.pair(noTime)
	cutTime := func(s string) string {
		i := strings.Index(s, `"time":"`)
		return s[:i] + strings.SplitN(s[i+8:], `",`, 2)[1]
	}
	text := g.reads(2) + "{\"time\":\"2026-03-02T14:00:00Z\",\"type\":\"request\",\"request\":{\"id\n" + oddText + "\n" +
		"<json:object xmlns=\"http://x\"></json:object>\n" + g.both(long) + strings.Repeat("Z", 9<<20) + "\n" + futureText + cutTime(q) + cutTime(p) + g.reads(1)
	write(t, path, text)
	rec := poll(t, Config{AuditFiles: []string{path}, MaxLine: 8 << 20}, nil)
	if len(rec.Drafts) != 7 {
		t.Errorf("%d drafts, want 7", len(rec.Drafts))
	}
	o := last(rec)
	for _, want := range []string{"the line ends inside a value", "jsonx", fmt.Sprintf("a line of %d bytes is longer than max_line", 9<<20)} {
		if !strings.Contains(o.Incomplete, want) {
			t.Errorf("incomplete does not say %q: %s", want, o.Incomplete)
		}
	}
	if !slices.ContainsFunc(o.Notes, func(s string) bool { return strings.Contains(s, `unknown key "entity_digest"`) }) {
		t.Errorf("unknown key is not told: %q", o.Notes)
	}
	d, f := one(t, rec.Drafts, odd.id)
	if got, want := f.Secret, "kv/tenant-7/x%FF%FEy"; got != want {
		t.Errorf("secret %q, want %q", got, want)
	}
	if !bytes.Contains(d.Raw, []byte("x\xff\xfey")) {
		t.Error("raw bytes were folded")
	}
	if d, _ := one(t, rec.Drafts, noTime.id); d.Basis != evidence.BasisObserved {
		t.Errorf("line without time: basis %s", d.Basis)
	}
	if d, _ := one(t, rec.Drafts, long.id); len(d.Raw) < 5<<20 {
		t.Errorf("long line: raw of %d bytes", len(d.Raw))
	}
}

func TestPrefixAndHalfLine(t *testing.T) {
	g := newGen()
	path := filepath.Join(t.TempDir(), "audit.log")
	cfg := Config{AuditFiles: []string{path}, Prefix: "vault-a: "}
	lines := strings.SplitAfter(g.reads(3), "\n")
	var text strings.Builder
	for _, l := range lines[:6] {
		text.WriteString("vault-a: " + l)
	}
	whole := text.String()
	for _, at := range []int{1, len(whole) / 2, len(whole) - 1} {
		write(t, path, whole[:at])
		first := pollAt(t, cfg, nil, g.t)
		write(t, path, whole)
		second := pollAt(t, cfg, first.Resume(), g.t)
		if got := len(first.Drafts) + len(second.Drafts); got != 3 {
			t.Errorf("cut at byte %d: %d drafts, want 3", at, got)
		}
		if o := last(first).Incomplete + last(second).Incomplete; o != "" {
			t.Errorf("cut at byte %d: %s", at, o)
		}
	}
}

func TestTwoDevices(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")
	var ta, tb strings.Builder
	ga, gb := newGen(), newGen()
	gb.salt = "salt-b"
	for i := range 40 {
		qa, pa := ga.pair(ga.kvRead("alice", "tenant-7/db"))
		gb.n = ga.n - 1
		qb, pb := gb.pair(gb.kvRead("alice", "tenant-7/db"))
		if i%7 != 3 { // each device misses some
			ta.WriteString(qa)
		}
		if i%5 != 4 {
			ta.WriteString(pa)
		}
		tb.WriteString(qb)
		tb.WriteString(pb)
	}
	write(t, a, ta.String())
	write(t, b, tb.String())
	cfg := Config{AuditFiles: []string{filepath.Join(dir, "*.log")}}
	rec := poll(t, cfg, nil)
	seen := map[string]bool{}
	for _, d := range rec.Drafts {
		if f := facts(t, d); seen[d.Key] || d.Op != evidence.OpEvent || f.Outcome != "ok" {
			t.Errorf("request %s: op %s, outcome %s, seen before %v", d.Key, d.Op, f.Outcome, seen[d.Key])
		}
		seen[d.Key] = true
	}
	if len(seen) != 40 {
		t.Errorf("%d requests, want 40", len(seen))
	}
	if again := poll(t, cfg, rec.Resume()); len(again.Drafts) != 0 {
		t.Errorf("second look gives %d drafts", len(again.Drafts))
	}
}

// TestJoinStaysSmall: one request that never gets a response keeps none of the
// answered ones behind it.
func TestJoinStaysSmall(t *testing.T) {
	g := newGen()
	j := newJoin(1, newNotes())
	feed := func(text string) {
		t.Helper()
		for l := range strings.Lines(text) {
			e := j.spare()
			b := []byte(strings.TrimSuffix(l, "\n"))
			if err := e.decode(b); err != nil {
				t.Fatal(err)
			}
			kept, err := j.add(&line{e: e, text: b, at: e.at}, "file", "", func(*pair) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			if !kept {
				j.free = append(j.free, e)
			}
		}
	}
	q, _ := g.pair(g.kvRead("alice", "x"))
	feed(q + g.reads(500))
	if j.queue.Len() != 1 || len(j.wait) != 1 || j.bytes != len(q)-1 || len(j.state().Wait) != 1 {
		t.Errorf("queue %d, waiting %d, %d bytes", j.queue.Len(), len(j.wait), j.bytes)
	}
}

// TestTokenLife: what a line says of the life of its caller's token.
func TestTokenLife(t *testing.T) {
	issued := "2026-03-02T15:01:09+01:00"
	for name, x := range map[string]struct {
		auth    obj
		ttl     int64
		endless bool
	}{
		"an hour":              {obj{"token_ttl": 3600, "token_issue_time": issued, "token_type": "service"}, 3600, false},
		"no end":               {obj{"token_issue_time": issued, "token_type": "service"}, 0, true},
		"zero":                 {obj{"token_ttl": 0, "token_issue_time": issued, "token_type": "service"}, 0, true},
		"an older server":      {obj{"token_type": "service"}, 0, false},
		"a batch token":        {obj{"token_issue_time": issued, "token_type": "batch"}, 0, false},
		"something unreadable": {obj{"token_ttl": "1h", "token_issue_time": issued, "token_type": "service"}, 0, false},
	} {
		g := newGen()
		auth := g.who("app")
		for _, k := range []string{"token_ttl", "token_issue_time", "token_type"} {
			delete(auth, k)
		}
		for k, v := range x.auth {
			auth[k] = v
		}
		path := filepath.Join(t.TempDir(), "audit.log")
		id := g.id()
		req := obj{"id": id, "operation": "read", "path": "kv/data/tenant-7/db", "mount_point": "kv/", "mount_type": "kv", "client_token": g.hash("tok-app")}
		write(t, path, enc(obj{"time": g.stamp(), "type": "request", "auth": auth, "request": req})+
			enc(obj{"time": g.stamp(), "type": "response", "auth": auth, "request": req, "response": obj{"data": obj{"keys": g.hash("x")}}}))
		_, f := one(t, poll(t, Config{AuditFiles: []string{path}}, nil).Drafts, id)
		if f.TokenTTL != x.ttl || f.NoExpiry != x.endless || x.auth["token_issue_time"] != nil && !f.TokenIssued.Equal(time.Date(2026, 3, 2, 14, 1, 9, 0, time.UTC)) {
			t.Errorf("%s: ttl %d, no expiry %v, issued %s", name, f.TokenTTL, f.NoExpiry, f.TokenIssued)
		}
	}
}
