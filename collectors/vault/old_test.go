package vault

import (
	"encoding/json"
	"strings"
	"testing"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// oldPair writes both lines of a request as servers before 1.1 do: no mount,
// every key there, with its zero value when there is nothing to say.
func (g *gen) oldPair(op, path, wrap string, resp string) (req, out string) {
	id := g.id()
	line := func(typ, tail string) string {
		return `{"time":"` + g.stamp() + `","type":"` + typ + `","auth":{"client_token":"` + g.hash("t") + `","accessor":"` + g.hash("a") +
			`","display_name":"root","policies":["root"],"metadata":null,"entity_id":""},"request":{"id":"` + id + `","operation":"` + op +
			`","client_token":"` + g.hash("t") + `","client_token_accessor":"` + g.hash("a") + `","path":"` + path +
			`","data":null,"policy_override":false,"remote_address":"10.0.0.9","wrap_ttl":` + wrap + `,"headers":{}}` + tail + `,"error":""}` + "\n"
	}
	return line("request", ""), line("response", `,"response":`+resp)
}

func TestOldServers(t *testing.T) {
	g := newGen()
	h := g.hash("x")
	for _, tc := range []struct {
		name, op, path, wrap, resp string
		outcome, secret            string
		reading, wrapped           bool
	}{
		{"KV version 1", "read", "secret/team/db", "0", `{"secret":{"lease_id":""},"data":{"password":"` + h + `"}}`, "ok", "secret/team/db", true, false},
		{"KV version 2", "read", "kv/data/team/db", "0", `{"data":{"data":{"password":"` + h + `"},"metadata":{"version":1}}}`, "ok", "kv/team/db", true, false},
		{"KV version 2 metadata", "read", "kv/metadata/team/db", "0", `{"data":{"max_versions":0}}`, "ok", "kv/team/db", false, false},
		{"engine's settings", "read", "db/config/main", "0", `{"data":{"plugin_name":"` + h + `"}}`, "ok", "db/config/main", false, false},
		{"credentials", "read", "db/creds/app", "0", `{"secret":{"lease_id":"db/creds/app/1"},"data":{"password":"` + h + `"}}`, "ok", "db/creds/app", true, false},
		{"decrypt", "update", "enc/decrypt/orders", "0", `{"data":{"plaintext":"` + h + `"}}`, "ok", "enc/decrypt/orders", true, false},
		{"encrypt", "update", "enc/encrypt/orders", "0", `{"data":{"ciphertext":"` + h + `"}}`, "ok", "enc/encrypt/orders", false, false},
		{"wrapped", "read", "enc/export/encryption-key/a", "1800", `{"wrap_info":{"ttl":1800,"token":"` + h + `","accessor":"` + h + `"}}`, "ok", "enc/export/encryption-key/a", true, true},
		{"cubbyhole", "read", "cubbyhole/mine", "0", `{"data":{"a":"` + h + `"}}`, "ok", "cubbyhole/mine", true, false},
		{"list", "list", "secret/", "0", `{"data":{"keys":["` + h + `"]}}`, "ok", "secret", false, false},
		{"renewal", "update", "sys/leases/renew", "0", `{"secret":{"lease_id":"db/creds/app/1"},"data":null}`, "ok", "", false, false},
		{"entity", "read", "identity/entity/id/1", "0", `{"data":{"id":"` + h + `"}}`, "ok", "", false, false},
		{"wrong password", "update", "auth/userpass/login/bob", "0", `{"data":{"error":"` + h + `"}}`, "failed", "", false, false},
		{"a secret with a key error", "read", "secret/e", "0", `{"secret":{"lease_id":""},"data":{"error":"` + h + `","user":"` + h + `"}}`, "ok", "secret/e", true, false},
		{"nothing there", "read", "secret/none", "0", `{}`, "missing", "secret/none", false, false},
	} {
		q, p := g.oldPair(tc.op, tc.path, tc.wrap, tc.resp)
		var e entry
		if err := e.decode([]byte(q)); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		rec := collectFile(t, q+p)
		_, f := one(t, rec.Drafts, string(e.req.id))
		if f.Outcome != tc.outcome || f.Secret != tc.secret || f.Reading != tc.reading || f.Wrapped != tc.wrapped {
			t.Errorf("%s: outcome %q, secret %q, reading %t, wrapped %t; want %q, %q, %t, %t",
				tc.name, f.Outcome, f.Secret, f.Reading, f.Wrapped, tc.outcome, tc.secret, tc.reading, tc.wrapped)
		}
	}
}

// TestOldNumbers: what an unhashed number belongs to is not known without a
// mount's type, so it goes.
func TestOldNumbers(t *testing.T) {
	g := newGen()
	for _, tc := range []struct {
		path, resp string
		kept       bool
	}{
		{"secret/team/db", `{"secret":{"lease_id":""},"data":{"pin":4711}}`, false},
		{"kv/data/team/db", `{"data":{"data":{"pin":4711},"metadata":{"version":1}}}`, false},
		{"kv/metadata/team/db", `{"data":{"current_version":4711}}`, true},
		{"sys/mounts", `{"data":{"max_lease_ttl":4711}}`, true},
		{"auth/token/lookup-self", `{"data":{"ttl":4711}}`, true},
	} {
		q, p := g.oldPair("read", tc.path, "0", tc.resp)
		rec := collectFile(t, q+p)
		if len(rec.Drafts) != 1 || len(rec.Drafts[0].Raw) == 0 {
			t.Fatalf("%s: %d drafts, want 1 with its lines", tc.path, len(rec.Drafts))
		}
		if got := strings.Contains(string(rec.Drafts[0].Raw), "4711"); got != tc.kept {
			t.Errorf("%s: number kept: %t, want %t", tc.path, got, tc.kept)
		}
	}
	// A mount with its type but no mount point: 1.1 to 1.12.
	c := g.kvRead("alice", "tenant-7/db")
	c.resp = obj{"data": obj{"data": obj{"pin": 4711}, "metadata": obj{"version": 12}}}
	q, p := g.pair(c)
	bare := strings.NewReplacer(`"mount_point":"kv/",`, "").Replace(q + p)
	if bare == q+p {
		t.Fatal("the lines have no mount point to take out")
	}
	raw := string(collectFile(t, bare).Drafts[0].Raw)
	if strings.Contains(raw, "4711") || !strings.Contains(raw, `"version":12`) {
		t.Errorf("the pin stays or the version goes: %s", raw)
	}
}

// TestAlone: lines that no id joins are records of their own, and no reason to
// call the log incomplete.
func TestAlone(t *testing.T) {
	g := newGen()
	help := `{"time":"2026-03-02T14:00:01Z","type":"request","auth":{"display_name":"token","accessor":"` + g.hash("a") + `"},` +
		`"request":{"operation":"help","mount_type":"pki","path":"ca/roles/web","remote_address":"10.0.0.9"}}` + "\n"
	answer := strings.Replace(strings.Replace(help, `"request","auth"`, `"response","auth"`, 1), "}}\n", `},"response":{"mount_type":"pki"}}`+"\n", 1)
	kmip := func(dir string) string {
		return `{"request":{"client_certificate_serial_number":"77","data":{"kmip_request":{"value":"in-clear"}},"namespace":{"id":"root"},` +
			`"remote_address":"10.0.0.8:36776"},"time":"2026-03-02T14:00:02Z","type":"kmip-` + dir + `"}` + "\n"
	}
	text := help + answer + kmip("request") + kmip("response") + help
	rec := collectFile(t, text)
	if inc := last(rec).Incomplete; inc != "" {
		t.Errorf("incomplete: %s", inc)
	}
	type got struct{ op, outcome, unjoined, typ, remote string }
	want := []got{
		{"help", "no-response", "no request id", "", "10.0.0.9"},
		{"help", "no-request", "no request id", "", "10.0.0.9"},
		{"kmip-request", "no-response", "unknown type", "kmip-request", "10.0.0.8:36776"},
		{"kmip-response", "no-response", "unknown type", "kmip-response", "10.0.0.8:36776"},
		{"help", "no-response", "no request id", "", "10.0.0.9"},
	}
	if len(rec.Drafts) != len(want) {
		t.Fatalf("%d drafts, want %d", len(rec.Drafts), len(want))
	}
	keys := map[string]bool{}
	for i, d := range rec.Drafts {
		f := facts(t, d)
		if g := (got{f.Operation, f.Outcome, f.Extra["unjoined"], f.Extra["type"], f.Remote}); g != want[i] {
			t.Errorf("draft %d: %+v, want %+v", i, g, want[i])
		}
		if (len(d.Raw) > 0) == (f.Extra["type"] != "") {
			t.Errorf("draft %d: %d bytes of raw lines", i, len(d.Raw))
		}
		if strings.Contains(string(d.Content), "in-clear") {
			t.Errorf("draft %d shows a value", i)
		}
		if err := d.Check(); err != nil {
			t.Errorf("draft %d: %v", i, err)
		}
		keys[d.Key] = true
	}
	if len(keys) != 4 || rec.Drafts[0].Key != rec.Drafts[4].Key {
		t.Errorf("keys %v: the same line must have the same key, and no other", keys)
	}
}

// TestMistypedPath: a name stays hidden where a path repeats the word before it.
func TestMistypedPath(t *testing.T) {
	for _, path := range []string{"auth/auth/userpass/users/login/jane.roe", "auth/userpass/login/login/jane.roe", "sys/internal/ui/mounts/auth/userpass/users/jane.roe"} {
		g := newGen()
		c := g.kvRead("", "x")
		c.op, c.path, c.mount, c.mountType, c.reqErr = "read", path, "", "", "permission denied"
		rec := collectFile(t, g.both(c))
		b, err := json.Marshal(rec.Drafts[0].Links)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(rec.Drafts[0].Content)+string(b), "jane") {
			t.Errorf("%s: the name shows in %s", path, rec.Drafts[0].Content)
		}
	}
}

// collectFile polls a file of its own that holds text.
func collectFile(t *testing.T, text string) *collectortest.Recorder {
	t.Helper()
	path := t.TempDir() + "/audit.log"
	write(t, path, text)
	rec := poll(t, Config{AuditFiles: []string{path}}, nil)
	for _, d := range rec.Drafts {
		if d.Kind != evidence.SecretAccess && d.Kind != evidence.SecretAuth {
			t.Fatalf("a draft of kind %s", d.Kind)
		}
	}
	return rec
}

// TestErrorEchoesInput: an error that repeats what was sent, a secret written
// as text where an object belongs, is not kept, nor the lines around it.
func TestErrorEchoesInput(t *testing.T) {
	g := newGen()
	c := call{who: "alice", op: "update", path: "kv/data/tenant-7/db", mount: "kv/", mountType: "kv"}
	c.respErr = `1 error occurred:` + "\n\t" + `* error converting input {"password":"hunter2"} for field "data": '' expected a map, got 'string'` + "\n\n"
	for _, both := range []bool{false, true} {
		if both {
			c.reqErr = c.respErr
		}
		rec := collectFile(t, g.both(c))
		d, f := rec.Drafts[0], facts(t, rec.Drafts[0])
		if f.Outcome != "failed" || f.Who != 0 || f.Secret != "kv/tenant-7/db" {
			t.Errorf("outcome %q, who %d, secret %q: the request itself must be told", f.Outcome, f.Who, f.Secret)
		}
		if all := string(d.Raw) + string(d.Content); strings.Contains(all, "hunter2") {
			t.Errorf("the secret stands in the draft: %s", all)
		}
		if f.Extra["quarantined"] == "" || !strings.Contains(strings.Join(last(rec).Notes, " "), "values in clear") {
			t.Error("that the line was not kept is told nowhere")
		}
	}
}

// TestClear: what else of a line tells that it must not be kept, and what does
// not.
func TestClear(t *testing.T) {
	g := newGen()
	for _, tc := range []struct {
		name, err string
		headers   obj
		kept      bool
	}{
		{"own header", "", obj{"x-vault-token": []string{"hvs.planted"}}, false},
		{"another's header", "", obj{"Authorization": []string{"Bearer planted"}}, false},
		{"hashed header", "", obj{"x-vault-token": []string{g.hash("t")}}, true},
		{"harmless header", "", obj{"user-agent": []string{"curl/8"}, "x-request-source": []string{"ci"}}, true},
		{"no headers", "", nil, true},
		{"an error without the value", `error converting input for field "data": '' expected a map, got 'string'`, nil, true},
	} {
		c := g.kvRead("alice", "tenant-7/db")
		c.extra, c.respErr = obj{"headers": tc.headers}, tc.err
		d := collectFile(t, g.both(c)).Drafts[0]
		if kept := len(d.Raw) > 0; kept != tc.kept || strings.Contains(string(d.Raw)+string(d.Content), "planted") {
			t.Errorf("%s: kept %t, want %t", tc.name, kept, tc.kept)
		}
	}
}
