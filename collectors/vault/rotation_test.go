package vault

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"
	"evidenced/evidence/problem"

	"github.com/google/go-cmp/cmp"
)

// issuerPEM is a certificate of an issuer that begins and ends at whole hours.
func issuerPEM(t testing.TB, from, to time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "issuer of the test"}, NotBefore: from, NotAfter: to, IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// rotating adds engines that rotate to the server.
func rotating(t testing.TB, s *server) {
	ms := s.data["GET sys/mounts"].(obj)
	ms["database/"], ms["transit/"], ms["pki/"] = obj{"type": "database"}, obj{"type": "transit"}, obj{"type": "pki"}
	s.data["LIST database/static-roles"] = obj{"keys": []string{"tenant-7-app", "team/"}}
	s.data["LIST database/static-roles/team"] = obj{"keys": []string{"batch"}}
	s.data["GET database/static-roles/tenant-7-app"] = obj{"username": "app_user", "rotation_period": 86400.0, "last_vault_rotation": "2026-03-02T03:00:00.25+01:00", "credential_type": "password"}
	s.data["GET database/static-roles/team/batch"] = obj{"username": "batch_user", "rotation_schedule": "0 0 * * SAT", "rotation_window": 3600}
	ms["ldap/"], ms["aws/"] = obj{"type": "ldap"}, obj{"type": "aws"}
	s.data["LIST ldap/static-role"] = obj{"keys": []string{"tenant-7-batch"}}
	s.data["GET ldap/static-role/tenant-7-batch"] = obj{"username": "alice.meier", "dn": "cn=alice.meier,ou=people,dc=example,dc=org", "rotation_period": 86400.0, "last_vault_rotation": "2026-03-01T03:00:00Z"}
	s.data["LIST aws/static-roles"] = obj{"keys": []string{"tenant-7-deploy"}}
	s.data["GET aws/static-roles/tenant-7-deploy"] = obj{"name": "tenant-7-deploy", "username": "alice.meier", "rotation_period": 604800.0}
	s.data["LIST transit/keys"] = obj{"keys": []string{"sym", "sign"}}
	s.data["GET transit/keys/sym"] = obj{"type": "aes256-gcm96", "latest_version": 2, "min_decryption_version": 1, "auto_rotate_period": 2592000, "exportable": false,
		"deletion_allowed": false, "allow_plaintext_backup": true, "keys": obj{"1": 1767225600, "2": 1769904000}}
	s.data["GET transit/keys/sign"] = obj{"type": "ed25519", "latest_version": 1, "min_decryption_version": 1, "auto_rotate_period": 0, "exportable": true, "deletion_allowed": true,
		"keys": obj{"1": obj{"creation_time": "2026-01-05T00:00:00Z", "public_key": "AAAA", "name": "ed25519"}}}
	s.data["LIST pki/issuers"] = obj{"keys": []string{"i-1"}, "key_info": obj{"i-1": obj{"issuer_name": "main"}}}
	s.data["GET pki/issuer/i-1"] = obj{"certificate": issuerPEM(t, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)), "issuer_name": "main", "revoked": false}
	s.data["LIST kv/metadata"] = obj{"keys": []string{"tenant-7/", "top"}}
	s.data["LIST kv/metadata/tenant-7"] = obj{"keys": []string{"db", "alice.meier@example.org", "bob.weber@example.org"}}
	s.data["GET kv/metadata/top"] = obj{"current_version": 0, "updated_time": "2026-01-02T00:00:00Z", "versions": obj{}}
	s.data["GET kv/metadata/tenant-7/db"] = obj{"current_version": 4, "updated_time": "2026-02-20T03:00:02Z", "delete_version_after": "240h0m0s",
		"versions":        obj{"3": obj{"created_time": "2026-01-01T00:00:00Z"}, "4": obj{"created_time": "2026-02-20T03:00:01Z"}},
		"custom_metadata": obj{"owner": "alice.meier"}}
	for _, name := range []string{"alice.meier", "bob.weber"} {
		s.data["GET kv/metadata/tenant-7/"+name+"@example.org"] = obj{"current_version": 1, "versions": obj{"1": obj{"created_time": "2026-02-01T00:00:00Z"}}}
	}
	s.data["LIST sys/leases/lookup/database/creds"] = obj{"keys": []string{"app/", "batch/"}}
	s.data["LIST sys/leases/lookup/database/creds/app"] = obj{"keys": []string{"planted-lease-1", "planted-lease-2"}}
	s.data["LIST sys/leases/lookup/database/creds/batch"] = obj{"keys": []string{"planted-lease-3"}}
}

// TestRotated reads engines of each kind, with metadata and leases.
func TestRotated(t *testing.T) {
	s := newServer(t)
	vaultState(s)
	rotating(t, s)
	c := s.collector(t, Config{KVMetadata: true, Leases: []string{"database/creds/"}})
	var rec collectortest.Recorder
	if err := c.Poll(t.Context(), evidence.Period{To: s.now()}, nil, &rec); err != nil {
		t.Fatal(err)
	}
	if o := last(&rec); o.Incomplete != "" {
		t.Errorf("incomplete: %s", o.Incomplete)
	}
	var got []string
	for _, d := range slices.Concat(rec.Of(evidence.SecretRotation), rec.Of(evidence.SecretLease)) {
		got = append(got, d.Subject.String()+" "+string(d.Content))
	}
	var mails []string
	got = slices.DeleteFunc(got, func(l string) bool {
		if strings.Contains(l, "{user}") || strings.Contains(l, "%7Buser") {
			mails = append(mails, strings.SplitN(l, " ", 2)[0])
			return true
		}
		return false
	})
	want := []string{
		`secret:prod/aws/static-creds/tenant-7-deploy {"path":"aws/static-creds/tenant-7-deploy","type":"aws-static-role","period_seconds":604800}`,
		`secret:prod/database/static-creds/tenant-7-app {"path":"database/static-creds/tenant-7-app","type":"database-static-role","last_rotated":"2026-03-02T02:00:00.25Z","period_seconds":86400,"key_type":"password"}`,
		`secret:prod/database/static-creds/team/batch {"path":"database/static-creds/team/batch","type":"database-static-role","schedule":"0 0 * * SAT"}`,
		`secret:prod/kv/top {"path":"kv/top","type":"kv","last_rotated":"2026-01-02T00:00:00Z"}`,
		`secret:prod/kv/tenant-7/db {"path":"kv/tenant-7/db","type":"kv","version":4,"last_rotated":"2026-02-20T03:00:01Z","expires_at":"2026-03-02T03:00:01Z"}`,
		`secret:prod/ldap/static-cred/tenant-7-batch {"path":"ldap/static-cred/tenant-7-batch","type":"ldap-static-role","last_rotated":"2026-03-01T03:00:00Z","period_seconds":86400}`,
		`secret:prod/pki/issuer/i-1 {"path":"pki/issuer/i-1","type":"pki-issuer","last_rotated":"2026-01-01T00:00:00Z","expires_at":"2027-01-01T00:00:00Z","key_type":"ecdsa"}`,
		`secret:prod/transit/keys/sign {"path":"transit/keys/sign","type":"transit-key","version":1,"last_rotated":"2026-01-05T00:00:00Z","min_decryption_version":1,"exportable":true,"deletion_allowed":true,"key_type":"ed25519"}`,
		`secret:prod/transit/keys/sym {"path":"transit/keys/sym","type":"transit-key","version":2,"last_rotated":"2026-02-01T00:00:00Z","period_seconds":2592000,"min_decryption_version":1,"exportable":false,"deletion_allowed":false,"plaintext_backup":true,"key_type":"aes256-gcm96"}`,
		`secret:prod/sys/barrier-key {"path":"sys/barrier-key","type":"barrier-key","version":3,"last_rotated":"2026-02-01T00:00:00.5Z"}`,
		`path:prod/sys/leases/irrevocable {"prefix":"sys/leases/irrevocable","count":2,"irrevocable":true,"looked_at":"2026-03-02T14:00:00Z"}`,
		`path:prod/database/creds/* {"prefix":"database/creds/","count":3,"looked_at":"2026-03-02T14:00:00Z"}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if len(mails) != 2 || mails[0] == mails[1] {
		t.Errorf("secrets named by mail addresses: %q, want two different ones", mails)
	}
	noNames(t, &rec, "alice", "bob.weber", "planted-lease", "app_user", "batch_user")
	for _, line := range s.asked {
		for _, never := range []string{"static-cred", "/data/", "export", "decrypt", " database/creds"} {
			if strings.Contains(line, never) {
				t.Errorf("asked for %s", line)
			}
		}
	}
	// Not due again before its time, whatever the state does.
	n := len(s.asked)
	s.forward(2 * time.Hour)
	if err := c.Poll(t.Context(), evidence.Period{To: s.now()}, rec.Resume(), &rec); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(s.asked[n:], "LIST transit/keys") || !slices.Contains(s.asked[n:], "LIST sys/policies/acl") {
		t.Errorf("two hours later asked %v", s.asked[n:])
	}
	s.forward(5 * time.Hour)
	n = len(s.asked)
	if err := c.Poll(t.Context(), evidence.Period{To: s.now()}, rec.Resume(), &rec); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(s.asked[n:], "LIST transit/keys") {
		t.Errorf("seven hours later asked %v", s.asked[n:])
	}
}

// TestRotationFaults lets each request fail: the kind it belongs to is not
// complete, and one mount that cannot be read leaves the others alone.
func TestRotationFaults(t *testing.T) {
	s := newServer(t)
	vaultState(s)
	rotating(t, s)
	cfg := Config{KVMetadata: true, Leases: []string{"database/creds"}}
	var whole collectortest.Recorder
	if err := s.collector(t, cfg).Poll(t.Context(), evidence.Period{To: s.now()}, nil, &whole); err != nil {
		t.Fatal(err)
	}
	all := len(whole.Of(evidence.SecretRotation))
	first := slices.Index(s.asked, "LIST database/static-roles")
	for _, line := range slices.Clone(s.asked[first:]) {
		for _, code := range []int{403, 500} {
			s.fail = map[string]int{line: code}
			var rec collectortest.Recorder
			if err := s.collector(t, cfg).Poll(t.Context(), evidence.Period{To: s.now()}, nil, &rec); err != nil {
				t.Fatalf("%s %d: %v", line, code, err)
			}
			kind := evidence.SecretRotation
			if strings.Contains(line, "sys/leases") {
				kind = evidence.SecretLease
			}
			if last(&rec).Incomplete == "" || slices.ContainsFunc(rec.Completed, func(x collectortest.Completed) bool { return x.Kind == kind }) {
				t.Errorf("%s %d: incomplete %q, completed %v", line, code, last(&rec).Incomplete, rec.Completed)
			}
			if n := len(rec.Of(evidence.SecretRotation)); kind == evidence.SecretRotation && (n == 0 || n >= all) {
				t.Errorf("%s %d: %d of %d rotations", line, code, n, all)
			}
			noNames(t, &rec, "alice.meier@", "planted-lease")
		}
	}
}

// TestRotationBounds: limits are kept and said, and a name with dots asks for
// nothing else.
func TestRotationBounds(t *testing.T) {
	poll := func(s *server, cfg Config) evidence.Observation {
		t.Helper()
		var rec collectortest.Recorder
		if err := s.collector(t, cfg).Poll(t.Context(), evidence.Period{To: s.now()}, nil, &rec); err != nil {
			t.Fatal(err)
		}
		return last(&rec)
	}
	s := newServer(t)
	vaultState(s)
	rotating(t, s)
	if o := poll(s, Config{KVMetadata: true, KVLimit: 3}); !strings.Contains(o.Incomplete, "metadata below kv was not read to its end") {
		t.Errorf("beyond kv_limit: incomplete %q", o.Incomplete)
	}
	s.data["LIST kv/metadata"] = obj{"keys": []string{"../data/tenant-7/db"}}
	s.data["GET kv/data/tenant-7/db"] = obj{"data": obj{"password": "planted"}}
	if o := poll(s, Config{KVMetadata: true}); !strings.Contains(o.Incomplete, "cannot be asked for") {
		t.Errorf("a name with dots: incomplete %q", o.Incomplete)
	}
	if slices.ContainsFunc(s.asked, func(l string) bool { return strings.Contains(l, "kv/data") }) {
		t.Error("a name with dots led to a value")
	}
	s.data["LIST kv/metadata"] = obj{"keys": []string{"a/"}}
	deep := "LIST kv/metadata/a"
	for range maxFolders + 1 {
		s.data[deep] = obj{"keys": []string{"a/"}}
		deep += "/a"
	}
	if o := poll(s, Config{KVMetadata: true}); !strings.Contains(o.Incomplete, "nested") {
		t.Errorf("deep folders: incomplete %q", o.Incomplete)
	}
}

// TestOldPKI: a server without issuers has one certificate.
func TestOldPKI(t *testing.T) {
	s := newServer(t)
	vaultState(s)
	rotating(t, s)
	delete(s.data, "LIST pki/issuers")
	s.data["GET pki/cert/ca"] = obj{"certificate": s.data["GET pki/issuer/i-1"].(obj)["certificate"]}
	s.unsupported = "pki/issuers"
	var rec collectortest.Recorder
	if err := s.collector(t, Config{}).Poll(t.Context(), evidence.Period{To: s.now()}, nil, &rec); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(rec.Of(evidence.SecretRotation), func(d evidence.Draft) bool { return d.Subject.Name == "pki/issuer/default" }) {
		t.Error("the one certificate was not read")
	}
	if o := last(&rec); o.Incomplete != "" {
		t.Errorf("incomplete %q", o.Incomplete)
	}
}

// TestSealed follows a server into its seal and out of it.
func TestSealed(t *testing.T) {
	s := newServer(t)
	vaultState(s)
	c := s.collector(t, Config{})
	var rec collectortest.Recorder
	open := s.data["GET sys/health"]
	for _, sealed := range []bool{false, true, false} {
		s.forward(time.Minute)
		s.data["GET sys/health"] = open
		if sealed {
			s.data["GET sys/health"] = obj{"initialized": true, "sealed": true, "standby": true, "version": "1.20.4", "replication_dr_mode": "unknown"}
		}
		if err := c.Poll(t.Context(), evidence.Period{To: s.now()}, rec.Resume(), &rec); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, d := range rec.Of(evidence.SecretServer) {
		var f evidence.ServerFacts
		if err := json.Unmarshal(d.Content, &f); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(f.Sealed, " ", f.Cluster, " ", d.NotBefore.Sub(newGen().t)))
	}
	if d := cmp.Diff([]string{"false c-1 " + (time.Time{}).Sub(newGen().t).String(), "true  1m0s", "false c-1 2m0s"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// What answers is no Vault.
	s.data["GET sys/health"] = obj{"status": "up"}
	if err := c.Poll(t.Context(), evidence.Period{To: s.now()}, rec.Resume(), &rec); err != nil {
		t.Fatal(err)
	}
	if o := last(&rec); !strings.Contains(o.Incomplete, "says no version") {
		t.Errorf("incomplete %q", o.Incomplete)
	}
}

func TestLifetime(t *testing.T) {
	s := newServer(t)
	for _, x := range []struct {
		change obj
		want   string
	}{
		{obj{"expire_time": "2026-03-02T14:05:00Z"}, "ends at 2026-03-02T14:05:00Z"},
		{obj{"expire_time": nil, "period": 0}, "never ends"},
		{obj{"policies": []string{"root"}, "expire_time": nil, "period": 0}, "root token"},
		{obj{"expire_time": "2026-03-02T15:05:00Z"}, ""},
		{obj{"expire_time": nil, "period": 3600}, ""},
	} {
		me := obj{"id": "hvs.planted", "policies": []string{"evidenced"}}
		for k, v := range x.change {
			me[k] = v
		}
		s.data["GET auth/token/lookup-self"] = me
		s.audit = t.TempDir() + "/audit.log"
		write(t, s.audit, "")
		var rec collectortest.Recorder
		if err := s.collector(t, Config{AuditFiles: []string{s.audit}, StateEvery: time.Hour}).Poll(t.Context(), evidence.Period{To: s.now()}, nil, &rec); err != nil {
			t.Fatal(err)
		}
		notes := strings.Join(last(&rec).Notes, "\n")
		if x.want == "" && strings.Contains(notes, "our own token") || !strings.Contains(notes, x.want) {
			t.Errorf("%v: notes %q, want %q", x.change, notes, x.want)
		}
	}
}

// FuzzRotation: no answer makes the readers of rotation panic, and what they
// make of it can always be written.
func FuzzRotation(f *testing.F) {
	f.Add([]byte(`{"latest_version":2,"keys":{"2":1769904000},"rotation_period":86400.5,"last_vault_rotation":"2026-03-02T03:00:00Z"}`))
	f.Add([]byte(`{"latest_version":1,"keys":{"1":{"creation_time":"2026-01-05T00:00:00Z"}},"exportable":true}`))
	f.Add([]byte(`{"certificate":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}`))
	f.Add([]byte(`{"current_version":4,"versions":{"4":{"created_time":"2026-02-20T03:00:01Z"}},"delete_version_after":"240h"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		var data map[string]any
		if dec.Decode(&data) != nil {
			return
		}
		key, err := transitKey(data)
		if err != nil && !problem.Is(err, problem.Source) {
			t.Errorf("transit key: %v", err)
		}
		cert, err := issuer(data)
		if err != nil && !problem.Is(err, problem.Source) {
			t.Errorf("issuer: %v", err)
		}
		for _, facts := range []evidence.RotationFacts{key, cert, staticRole(data), kvSecret(data)} {
			if _, err := json.Marshal(&facts); err != nil {
				t.Errorf("%+v: %v", facts, err)
			}
		}
	})
}

func BenchmarkTransitKey(b *testing.B) {
	keys := obj{}
	for i := range 50 {
		keys[fmt.Sprint(i+1)] = json.Number("1767225600")
	}
	data := obj{"type": "aes256-gcm96", "latest_version": json.Number("50"), "keys": keys, "exportable": false}
	for b.Loop() {
		if f, err := transitKey(data); err != nil || f.LastRotated.IsZero() {
			b.Fatal(errors.Join(err, errors.New("no time")))
		}
	}
}
