package vault

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// stateOf polls the API of s once.
func stateOf(t *testing.T, s *server, cfg Config) *collectortest.Recorder {
	t.Helper()
	var rec collectortest.Recorder
	if err := s.collector(t, cfg).Poll(t.Context(), evidence.Period{To: s.now()}, nil, &rec); err != nil {
		t.Fatal(err)
	}
	return &rec
}

func contentOf(rec *collectortest.Recorder, kind evidence.Kind) (all string) {
	for _, d := range rec.Drafts {
		if d.Kind == kind {
			all += string(d.Content) + "\n"
		}
	}
	return all
}

func completed(rec *collectortest.Recorder, kind evidence.Kind) bool {
	for _, x := range rec.Completed {
		if x.Kind == kind {
			return true
		}
	}
	return false
}

// TestDeviceOptions: options are read as the server reads them, and those that
// may hold a credential are told without their value.
func TestDeviceOptions(t *testing.T) {
	for value, raw := range map[string]bool{"true": true, "1": true, "T": true, "TRUE": true, "false": false, "0": false, "": false} {
		s := newServer(t)
		vaultState(s)
		s.data["GET sys/audit"] = obj{"hook/": obj{"type": "http", "options": obj{"log_raw": value, "elide_list_responses": "1",
			"headers": `{"X-Token":["planted"]}`, "uri": "https://u:planted@siem.example.test/in?key=planted", "later_option": "planted"}}}
		s.data["PUT sys/audit-hash/hook"] = obj{"hash": "hmac-sha256:00"}
		rec := stateOf(t, s, Config{})
		got := contentOf(rec, evidence.SecretDevice)
		if strings.Contains(got, "planted") || strings.Contains(fmt.Sprint(last(rec).Notes), "planted") {
			t.Fatalf("a credential stands in %s", got)
		}
		for _, want := range []string{`"headers":"[set]"`, `"later_option":"[set]"`, `"uri":"https://siem.example.test/in"`, `"filter":true`} {
			if !strings.Contains(got, want) {
				t.Errorf("%s is missing in %s", want, got)
			}
		}
		if strings.Contains(got, `"log_raw":true`) != raw {
			t.Errorf("log_raw=%q: %s, want %t", value, got, raw)
		}
	}
}

// TestNamespacesWithoutDevices: a namespace that cannot have audit devices is no
// reason to call the list of them incomplete; a server that refuses it is.
func TestNamespacesWithoutDevices(t *testing.T) {
	s := newServer(t)
	vaultState(s)
	for line, data := range maps.Clone(s.data) {
		if !strings.Contains(line, "sys/audit") {
			s.data[line+" @team"] = data
		}
	}
	s.unsupported = "sys/audit"
	rec := stateOf(t, s, Config{Namespaces: []string{"team"}})
	if !completed(rec, evidence.SecretDevice) || last(rec).Incomplete != "" {
		t.Errorf("incomplete: %s", last(rec).Incomplete)
	}
	delete(s.data, "GET sys/audit")
	if rec = stateOf(t, s, Config{Namespaces: []string{"team"}}); completed(rec, evidence.SecretDevice) {
		t.Error("the devices count as listed though the server has no such path")
	}
}

// TestOneRefusedMethod: an auth method whose roles cannot be read hides those of
// no other, and one that has no such list hides nothing.
func TestOneRefusedMethod(t *testing.T) {
	s := newServer(t)
	vaultState(s)
	s.fail["LIST auth/approle/role"] = 403
	rec := stateOf(t, s, Config{})
	if completed(rec, evidence.SecretRole) || !strings.Contains(last(rec).Incomplete, "auth/approle/role") {
		t.Errorf("the refusal is not told: %q", last(rec).Incomplete)
	}
	if got := contentOf(rec, evidence.SecretRole); !strings.Contains(got, `"role":"web"`) || !strings.Contains(got, `"role":"deployer"`) {
		t.Errorf("the other methods' roles were not read: %s", got)
	}
	s.fail = map[string]int{}
	delete(s.data, "LIST auth/approle/role")
	s.unsupported = "auth/approle/role"
	if rec = stateOf(t, s, Config{}); !completed(rec, evidence.SecretRole) {
		t.Errorf("a method without that list makes the roles incomplete: %q", last(rec).Incomplete)
	}
	if !slices.Contains(s.asked, "LIST auth/approle/role") {
		t.Error("the list was not asked for")
	}
}

// TestOddEntries: a mount or an audit device that cannot be read costs none of the
// others, and is not taken for gone.
func TestOddEntries(t *testing.T) {
	for path, kind := range map[string]evidence.Kind{"GET sys/mounts": evidence.SecretMount, "GET sys/auth": evidence.SecretMount, "GET sys/audit": evidence.SecretDevice} {
		for name, odd := range map[string]any{"no type": obj{"accessor": "x"}, "odd type": obj{"type": 7}, "no object": "kv"} {
			s := newServer(t)
			vaultState(s)
			before := len(stateOf(t, s, Config{}).Of(kind))
			s.data[path].(obj)["odd/"] = odd
			rec := stateOf(t, s, Config{})
			if n := len(rec.Of(kind)); n != before || completed(rec, kind) || !strings.Contains(last(rec).Incomplete, "of an unknown form") {
				t.Errorf("%s of %s: %d of %d are told, complete %t, incomplete %q", name, path, n, before, completed(rec, kind), last(rec).Incomplete)
			}
		}
	}
	s := newServer(t)
	vaultState(s)
	s.data["LIST sys/policies/acl"] = obj{"keys": []any{"default", 7}}
	if rec := stateOf(t, s, Config{}); completed(rec, evidence.SecretPolicy) || !strings.Contains(last(rec).Incomplete, "a key that is no name") {
		t.Errorf("a policy without a name: incomplete %q", last(rec).Incomplete)
	}
}

// TestOddMountRotates: what a mount that cannot be read rotates did not end, and a
// policy whose text cannot be read is not one that opens nothing.
func TestOddMountRotates(t *testing.T) {
	for name, odd := range map[string]any{"no type": obj{"accessor": "x"}, "odd type": obj{"type": []string{"transit"}}, "no object": "transit"} {
		s := newServer(t)
		vaultState(s)
		rotating(t, s)
		s.data["GET sys/mounts"].(obj)["transit/"] = odd
		rec := stateOf(t, s, Config{})
		if n := len(rec.Of(evidence.SecretRotation)); n == 0 || completed(rec, evidence.SecretRotation) || !strings.Contains(last(rec).Incomplete, "a mount of an unknown form") {
			t.Errorf("%s: %d rotations, complete %t, incomplete %q", name, n, completed(rec, evidence.SecretRotation), last(rec).Incomplete)
		}
	}
	for _, odd := range []obj{{"name": "default"}, {"policy": nil}, {"policy": obj{"path": obj{}}}} {
		s := newServer(t)
		vaultState(s)
		before := len(stateOf(t, s, Config{}).Of(evidence.SecretPolicy))
		s.data["GET sys/policies/acl/default"] = odd
		rec := stateOf(t, s, Config{})
		if n := len(rec.Of(evidence.SecretPolicy)); n != before-1 || completed(rec, evidence.SecretPolicy) || !strings.Contains(last(rec).Incomplete, "a policy of an unknown form") {
			t.Errorf("%v: %d of %d policies, complete %t, incomplete %q", odd, n, before, completed(rec, evidence.SecretPolicy), last(rec).Incomplete)
		}
	}
}
