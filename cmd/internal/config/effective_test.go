package config

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
)

func TestEffectiveGolden(t *testing.T) {
	got := parse(t, good).Effective()
	if *update {
		if err := os.WriteFile("testdata/effective.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/effective.json")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("effective form (-want +got):\n%s", d)
	}
}

// Two files that mean the same have one hash.
func TestEffectiveIsCanonical(t *testing.T) {
	a := parse(t, good)
	turned := strings.Replace(good, "tags: [pci]", "tags: [pci, pci] # twice", 1)
	turned = strings.Replace(turned, "[tenant-7, tenant-7-*]", "[tenant-7-*, tenant-7]", 1)
	turned = strings.Replace(turned, "every: 90s", "every: 1m30s\n      limit: 10", 1)
	turned = "listen: ''\nlog: {level: debug}\n" + turned
	if b := parse(t, turned); a.Hash() != b.Hash() {
		t.Errorf("hashes differ:\n%s", cmp.Diff(string(a.Effective()), string(b.Effective())))
	}
}

func TestEffectiveHoldsNoPerson(t *testing.T) {
	planted := "planted.person@mail.example"
	c := parse(t, strings.ReplaceAll(good, "deploy-bot", planted))
	if bytes.Contains(c.Effective(), []byte("planted")) {
		t.Errorf("the effective form holds a login:\n%s", c.Effective())
	}
	for _, l := range Diff(parse(t, good).Effective(), c.Effective()) {
		if strings.Contains(l, "planted") {
			t.Errorf("the difference holds a login: %s", l)
		}
	}
}

func change(t *testing.T, pairs ...string) (before, after []byte) {
	t.Helper()
	text := strings.NewReplacer(pairs...).Replace(good)
	if text == good {
		t.Fatalf("%q changes nothing", pairs)
	}
	return parse(t, good).Effective(), parse(t, text).Effective()
}

func loosens(t *testing.T, pairs ...string) ([]Loosening, error) {
	t.Helper()
	before, after := change(t, pairs...)
	return Loosens(before, after, specs())
}

func TestDiff(t *testing.T) {
	before, after := change(t, "acme/api]", "acme/web]", "90s", "2m", "tier: premium", "tier: basic")
	want := []string{
		`- sources[forge/acme].config.every: "1m30s"`,
		`+ sources[forge/acme].config.every: "2m0s"`,
		`- sources[forge/acme].config.repositories: "acme/api"`,
		`+ sources[forge/acme].config.repositories: "acme/web"`,
		`- tenants[tenant-7].tier: "premium"`,
		`+ tenants[tenant-7].tier: "basic"`,
	}
	if d := cmp.Diff(want, Diff(before, after)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := Diff(before, before); d != nil {
		t.Errorf("a configuration differs from itself: %q", d)
	}
	for _, l := range Diff(nil, after) {
		if !strings.HasPrefix(l, "+ ") {
			t.Errorf("first configuration: line %q", l)
		}
	}
}

func TestLoosens(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change []string
		to     evidence.Tenant
		want   []string
	}{
		{"schedule", []string{`"*/10 * * * *"`, `"0 * * * *"`}, seven,
			[]string{"source vault/prod is looked at less often: up to 1h0m0s between looks (0 * * * *) instead of 10m0s (*/10 * * * *)"}},
		{"schedule tightened", []string{`"*/10 * * * *"`, `"@every 1m"`}, seven, nil},
		{"source paused", []string{"type: forge\n", "type: forge\n    paused: new token\n"}, seven, []string{"source forge/acme was paused: new token"}},
		{"source renamed", []string{"- name: vault/prod", "- name: vault/other"}, seven, []string{"source vault/prod was removed"}},
		{"list item gone, to a tenant", []string{"[acme/shop, acme/api]", "[acme/shop]"}, seven, []string{"source forge/acme: repositories no longer names (1)"}},
		{"list item gone, to the platform", []string{"[acme/shop, acme/api]", "[acme/shop]"}, evidence.Platform,
			[]string{`source forge/acme: repositories no longer names: "acme/api"`}},
		{"list without limit", []string{"[acme/shop, acme/api]", "[]"}, seven, nil},
		{"more left out", []string{"every: 90s", "every: 90s\n      ignore_labels: [owner]"}, evidence.Platform,
			[]string{`source forge/acme: ignore_labels leaves out more: "owner"`}},
		{"check off", []string{"every: 90s", "every: 90s\n      verify: false"}, seven, []string{"source forge/acme: verify is false instead of true: nothing is verified"}},
		{"insecure on", []string{"every: 90s", "every: 90s\n      insecure: true"}, seven, []string{"source forge/acme: insecure is true instead of false: anybody may answer"}},
		{"pattern gone", []string{"[tenant-7, tenant-7-*]", "[tenant-7]"}, seven, []string{`tenant tenant-7 no longer owns namespaces "tenant-7-*"`}},
		{"pattern gone, others are not told", []string{"[tenant-7, tenant-7-*]", "[tenant-7]"}, evidence.Unassigned, nil},
		{"block limited to a source", []string{"- namespaces: [tenant-7, tenant-7-*]", "- namespaces: [tenant-7, tenant-7-*]\n        sources: [forge/acme]"}, seven,
			[]string{`tenant tenant-7 no longer owns namespaces "tenant-7"`, `tenant tenant-7 no longer owns namespaces "tenant-7-*"`, `tenant tenant-7 no longer owns paths "kv/tenant-7/"`}},
		{"limit to a source lifted", []string{"      - sources: [forge/acme]\n        projects", "      - projects"}, seven, nil},
		{"tenant gone", []string{"name: tenant-7", "name: tenant-8"}, seven, []string{"tenant tenant-7 was removed: what belonged to it goes to _unassigned"}},
		{"platform pattern", []string{"[argocd]", "[argo]"}, evidence.Platform, []string{`tenant _platform no longer owns namespaces "argocd"`}},
		{"bot unmarked", []string{`ids: ["17"], `, ""}, seven, []string{"account forge:* e46f8565a9e0ba24 is no longer marked as a bot"}},
		{"verify", []string{"time_zone", "verify: {scrub_every: 48h, bytes_per_second: 1000000}\ntime_zone"}, seven,
			[]string{"logs are verified in full every 48h0m0s instead of 24h0m0s", "logs are verified with up to 1000000 bytes a second instead of 33554432"}},
		{"assess", []string{"time_zone", "assess: {period: 240h, every: 1h, delay: 1m}\ntime_zone"}, seven,
			[]string{"tenants are judged over the last 240h0m0s instead of 720h0m0s", "tenants are judged every 1h0m0s instead of every 15m0s",
				"tenants are judged up to 1m0s after new records came instead of 15s"}},
		{"tier", []string{"tier: premium", "tier: basic"}, seven, []string{`tenant tenant-7 is of tier "basic" instead of "premium": controls that are meant for that tier are not judged any more`}},
		{"tier gone", []string{"    tier: premium\n", ""}, seven, []string{`tenant tenant-7 is of tier "" instead of "premium": controls that are meant for that tier are not judged any more`}},
		{"tags", []string{"tags: [pci]", "tags: [web]"}, seven, []string{`tenant tenant-7 has no tag "pci" any more: controls that are meant for it are not judged any more`}},
		{"tags, others are not told", []string{"tags: [pci]", "tags: [web]"}, evidence.Unassigned, nil},
		{"signer", []string{"time_zone", "statements: {signers: [{account: 'github:prod|8231', signer_file: a.asc}]}\ntime_zone"}, seven,
			[]string{"account github:prod 47a8534c54b424cc may make and approve waivers, scope statements and attestations"}},
		{"days off", []string{"time_zone", "incidents: {holidays: days.yaml}\ntime_zone"}, seven, []string{"days off are read from another file: limits of notifications may be later"}},
		{"alerts held", []string{"time_zone", "alerts: {hold: 1h}\ntime_zone"}, seven, []string{"what is not seen is told after 1h0m0s instead of 5m0s"}},
		{"checkpoint", []string{"time_zone", "checkpoint: {every: 5m, records: 20000}\ntime_zone"}, seven,
			[]string{"checkpoints are up to 5m0s apart instead of 1m0s", "a checkpoint covers up to 20000 new records instead of 10000"}},
		{"pack", []string{"time_zone", "pack: {raw: none, pseudonymous: true}\ntime_zone"}, seven,
			[]string{"packs disclose source bytes of none instead of exceptions by default", "packs withhold names and texts by default"}},
		{"retention", []string{"time_zone", "retention: {keep: 36 months}\ntime_zone"}, seven, []string{"records of tenant-7 are kept for 36 months instead of forever"}},
		{"retention of another tenant", []string{"name: tenant-7", "name: tenant-7\n    keep: 2 years"}, evidence.Unassigned, nil},
		{"retention lifted", []string{"time_zone", "retention: {keep: forever}\ntime_zone"}, seven, nil},
		{"data moved", []string{"data_dir: data", "data_dir: data2"}, seven, []string{"the sign-state moved: a log rolled back to before the move is not noticed by it",
			"anchor folder moved: a log rolled back to before the move is not noticed by it"}},
		{"anchors gone", []string{"time_zone", "anchors: []\ntime_zone"}, seven, []string{"anchor folder was removed: checkpoints no longer go there"}},
		{"anchor moved, to the platform", []string{"time_zone", "anchors: [{name: folder, type: git, repository: /srv/a.git}]\ntime_zone"}, evidence.Platform,
			[]string{"anchor folder moved from file /etc/evidenced/data-anchors to git /srv/a.git: a log rolled back to before the move is not noticed by it",
				"anchor folder gets a checkpoint every 15m0s instead of 5m0s"}},
		{"anchor less often", []string{"time_zone", "anchors: [{name: folder, type: file, dir: data-anchors, every: 1h}]\ntime_zone"}, seven,
			[]string{"anchor folder gets a checkpoint every 1h0m0s instead of 5m0s"}},
		{"anchor added", []string{"time_zone", "anchors: [{name: folder, type: file, dir: data-anchors}, {name: s, type: syslog, address: /dev/log}]\ntime_zone"}, seven, nil},
	} {
		ls, err := loosens(t, tc.change...)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tc.want, Sentences(ls, tc.to)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
	}
}

var seven = func() evidence.Tenant {
	t, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		panic(err)
	}
	return t
}()

// What a tenant is said to be puts the duties of others aside.
func TestLoosensEntityTypes(t *testing.T) {
	with := func(tenant, platform string) []byte {
		text := strings.Replace(good, "    tier: premium\n", "    tier: premium\n    entity_types: ["+tenant+"]\n", 1)
		return parse(t, strings.Replace(text, "platform:\n", "platform:\n  entity_types: ["+platform+"]\n", 1)).Effective()
	}
	for _, tc := range []struct {
		name          string
		before, after []byte
		want          []string
	}{
		{"said for the first time", with("", "cloud"), with("financial-entity, controller", "cloud"), []string{"tenant tenant-7 is said to be controller, financial-entity: duties of other sorts of entities are not judged any more"}},
		{"a word taken back", with("controller, financial-entity", "cloud"), with("controller", "cloud"), []string{"tenant tenant-7 is said to be no financial-entity any more: duties of that sort are not judged"}},
		{"none any more", with("controller", "cloud"), with("none", "cloud"), []string{"tenant tenant-7 is said to be no controller any more: duties of that sort are not judged"}},
		{"a word more", with("controller", "cloud"), with("controller, processor", "cloud"), nil},
		{"not said any more", with("controller", "cloud"), with("", "cloud"), nil},
		{"of none something", with("none", "cloud"), with("controller", "cloud"), nil},
		{"the platform", with("controller", "cloud, processor"), with("controller", "processor"), []string{"the platform is said to be no cloud any more: duties of that sort are not judged"}},
		{"the platform for the first time, to its own log alone", with("", ""), with("", "cloud"), nil},
	} {
		ls, err := Loosens(tc.before, tc.after, specs())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tc.want, Sentences(ls, seven)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
	}
	ls, err := Loosens(with("", ""), with("", "cloud"), specs())
	if err != nil || len(Sentences(ls, evidence.Platform)) != 1 {
		t.Errorf("the platform is told %q, %v", Sentences(ls, evidence.Platform), err)
	}
}

// The duties of a tenant's log are its own and those of the platform; of one
// that says nothing all are.
func TestEntityTypesOf(t *testing.T) {
	text := strings.Replace(good, "    tier: premium\n", "    tier: premium\n    entity_types: [financial-entity, controller]\n  - name: tenant-8\n", 1)
	c := parse(t, strings.Replace(text, "    tags: [pci]\n    owns:\n      - namespaces: [tenant-7, tenant-7-*]\n        paths: [kv/tenant-7/]\n      - sources: [forge/acme]\n        projects: [acme/shop]\nplatform:\n", "platform:\n  entity_types: [cloud, controller]\n", 1))
	eight, err := evidence.ParseTenant("tenant-8")
	if err != nil {
		t.Fatal(err)
	}
	for who, want := range map[evidence.Tenant][]string{seven: {"cloud", "controller", "financial-entity"}, eight: nil, evidence.Platform: {"cloud", "controller"}, evidence.Unassigned: nil} {
		if d := cmp.Diff(want, c.EntityTypesOf(who)); d != "" {
			t.Errorf("%s (-want +got):\n%s", who, d)
		}
	}
}

func TestLoosensAnchorsRequired(t *testing.T) {
	before := parse(t, good+"anchors_required: true\n").Effective()
	ls, err := Loosens(before, parse(t, good).Effective(), specs())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"logs are signed after a start although no anchor answers"}, Sentences(ls, seven)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestLoosensWrapping(t *testing.T) {
	with := func(text string) []byte { return parse(t, good+text).Effective() }
	transit := with("keys: {wrapping: {transit: {address: 'https://vault.example:8200', key: k, token_file: t, destroy: true}}}\n")
	kept := with("keys: {wrapping: {transit: {address: 'https://vault.example:8200', key: k, token_file: t}}}\n")
	for _, tc := range []struct {
		name          string
		before, after []byte
		want          []string
	}{
		{"to a file", transit, with(""), []string{"the keyring is sealed by a key in a local file instead of one that transit keeps", "old versions of the key that seals the keyring are kept when somebody is erased"}},
		{"old keys stay", transit, kept, []string{"old versions of the key that seals the keyring are kept when somebody is erased"}},
		{"to transit", with(""), transit, nil},
	} {
		ls, err := Loosens(tc.before, tc.after, specs())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tc.want, Sentences(ls, seven)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
	}
}

func TestLoosensAlerts(t *testing.T) {
	with := func(text string) []byte { return parse(t, good+text).Effective() }
	before := with("alerts: {to: [{name: am, type: alertmanager, url: 'http://a.example/x'}, {name: mail, type: smtp, address: 'm:25', from: evidenced@mail.example, recipients: [planted.person@mail.example]}]}\n")
	if bytes.Contains(before, []byte("mail.example")) {
		t.Errorf("the effective form holds a mail address:\n%s", before)
	}
	ls, err := Loosens(before, with("alerts: {least: high, to: [{name: am, type: alertmanager, url: 'http://a.example/y'}]}\n"), specs())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"alerts no longer go to mail", "nobody is alerted any more of controls of severity below high"}
	if d := cmp.Diff(want, Sentences(ls, seven)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestLoosensFirstAndBroken(t *testing.T) {
	if ls, err := Loosens(nil, parse(t, good).Effective(), specs()); ls != nil || err != nil {
		t.Errorf("first configuration: got %v, %v", ls, err)
	}
	if _, err := Loosens([]byte("{"), parse(t, good).Effective(), specs()); err == nil {
		t.Error("a cut form was accepted")
	}
}
