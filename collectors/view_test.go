package collectors

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
)

// sharing is a collector of the kinds that one thing of several tenants makes.
type sharing struct {
	script
}

func (s *sharing) Kinds() []evidence.Kind {
	return []evidence.Kind{evidence.SecretAccess, evidence.SecretIdentity, evidence.SecretPolicy, evidence.ChangeMerge, evidence.BackupRestore, evidence.DeployState}
}

// newSharing has three tenants and the platform, each with policies, paths and
// namespaces of its own; the namespaces of c are known by their label.
func newSharing(t testing.TB) *bench {
	var rules []TenantRules
	for _, n := range []string{"a", "b", "c"} {
		tn, err := evidence.ParseTenant("tenant-" + n)
		if err != nil {
			t.Fatal(err)
		}
		o := Owns{Policies: []string{n + "-*"}, Paths: []string{"kv/" + n, "apps/" + n}, Projects: []string{"acme/" + n}}
		if n == "c" {
			o.Labels = []string{"tenant=c"}
		} else {
			o.Namespaces = []string{n + "-*"}
		}
		rules = append(rules, TenantRules{tn, []Owns{o}})
	}
	rules = append(rules, TenantRules{evidence.Platform, []Owns{{Policies: []string{"platform-*"}}}})
	rs, err := NewRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	mem := &memory{tenants: []evidence.Tenant{evidence.Platform}, logs: map[evidence.Tenant][]Placed{}, cursors: map[string][]byte{}}
	for _, r := range rules[:3] {
		mem.tenants = append(mem.tenants, r.Tenant)
	}
	b := &bench{mem: mem, now: t0, sc: &script{}}
	sh := &sharing{}
	b.sc = &sh.script
	b.Runner = &Runner{Source: "shared/prod", Collector: sh, Rules: rs, Ledger: mem, Clock: func() time.Time { return b.now }, Log: slog.New(slog.DiscardHandler), Every: time.Minute}
	return b
}

func ref(scheme, name string) evidence.Ref { return evidence.NewRef(scheme, "prod", name) }

func refs(scheme string, names ...string) (rs []evidence.Ref) {
	for _, n := range names {
		rs = append(rs, ref(scheme, n))
	}
	return rs
}

// each gives every reference an element of its own.
func each(rs ...evidence.Ref) (of [][]evidence.Ref) {
	for _, r := range rs {
		of = append(of, []evidence.Ref{r})
	}
	return of
}

func drafted(kind evidence.Kind, subject evidence.Ref, content string) evidence.Draft {
	op := evidence.OpEvent
	if info, _ := evidence.KindInfo(kind); info.State {
		op = evidence.OpSet
	}
	return evidence.Draft{Kind: kind, Op: op, Key: "1", Subject: subject, OccurredAt: t0, Basis: evidence.BasisObserved, ObservedAt: t0, Content: []byte(content)}
}

// operator reads a secret of a with a token that has policies of all.
func operator() evidence.Draft {
	d := drafted(evidence.SecretAccess, ref("secret", "kv/a/db"), `{"granting":["c-all"],"path":"kv/data/a/db","policies":["a-ops","b-ops","c-all","default","platform-ops"],"ttl":12345678901234567890}`)
	d.Scope = append(refs("path", "kv/a/db"), ref("mount", "kv"))
	ps := refs("policy", "a-ops", "b-ops", "c-all", "default", "platform-ops")
	d.ActorScope = append([]evidence.Ref{ref("entity", "e-1")}, ps...)
	d.Links = []evidence.Ref{ref("policy", "c-all"), ref("entity", "e-1")}
	of := each(ps...)
	of[2] = nil // it granted the request
	d.Mentions = []evidence.Mention{{At: "/policies", Of: of}}
	d.Raw = []byte(`{"auth":{"policies":["a-ops","b-ops","c-all"],"note":"has b-ops, not xb-ops","b-ops":1,"n":1.50},"seen":"xb-ops"}` + "\n" + `{"type":"response","auth":{"policies":["b-ops"]}}`)
	d.Removed = []string{"vault/1", "/request/data"}
	return d
}

func (b *bench) emit(t *testing.T, ds ...evidence.Draft) {
	t.Helper()
	b.run(t, func(s Sink) error {
		for _, d := range ds {
			if err := s.Emit(context.Background(), d); err != nil {
				return err
			}
		}
		return s.Commit(context.Background(), nil, b.look())
	})
}

// got is the one draft of the kind in the tenant's log.
func (b *bench) got(t *testing.T, tenant string, kind evidence.Kind) evidence.Draft {
	t.Helper()
	var ds []evidence.Draft
	for _, p := range b.mem.logs[tenantOf(t, tenant)] {
		if p.Draft.Kind == kind {
			ds = append(ds, p.Draft)
		}
	}
	if len(ds) != 1 {
		t.Fatalf("%s: got %d drafts of %s, want 1", tenant, len(ds), kind)
	}
	return ds[0]
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// One tenant's record of a shared operator tells of the policies its own, the
// platform's, nobody's, and what granted the access.
func TestViewOfSharedOperator(t *testing.T) {
	b := newSharing(t)
	b.emit(t, operator())
	d := b.got(t, "tenant-a", evidence.SecretAccess)
	check(t, "facts", string(d.Content), `{"granting":["c-all"],"others":{"policies":1},"path":"kv/data/a/db","policies":["a-ops","c-all","default","platform-ops"],"ttl":12345678901234567890}`)
	check(t, "raw", string(d.Raw), `{"auth":{"n":1.50,"note":"[removed]","policies":["a-ops","[removed]","c-all"]},"seen":"xb-ops"}`+"\n"+`{"auth":{"policies":["[removed]"]},"type":"response"}`)
	check(t, "removed", d.Removed, []string{"vault/1 tenancy/1", "/request/data", "/auth", "/auth/note", "/auth/policies/0", "/auth/policies/1"})
	check(t, "links", d.Links, []evidence.Ref{ref("policy", "c-all"), ref("entity", "e-1")})
	if d.Mentions != nil {
		t.Errorf("mentions go into the log: %v", d.Mentions)
	}
	if a := b.mem.logs[tenantOf(t, "tenant-a")][0].Actor; a != evidence.ActorOwn {
		t.Errorf("actor: got %s", a)
	}
}

// Lists within lists, and elements that several references decide.
func TestViewOfSharedIdentity(t *testing.T) {
	b := newSharing(t)
	d := drafted(evidence.SecretIdentity, ref("entity", "e-1"), `{"entity":"e-1","holder":-1,"policies":["a-ops","b-reads-a","common-b"],"group_policies":["a-ops","b-ops"],`+
		`"groups":[{"id":"g1","name":"both","policies":["a-ops","b-ops"]},{"id":"g2","name":"only-b","policies":["b-ops"]},{"id":"g3","name":"empty"}]}`)
	bOnly := append(refs("policy", "b-ops"), ref("path", "kv/b/*"))
	policies := [][]evidence.Ref{refs("policy", "a-ops"), append(refs("policy", "b-reads-a"), refs("path", "kv/b/*", "kv/a/db")...), append(refs("policy", "common-b"), ref("path", "kv/b/*"))}
	d.Mentions = []evidence.Mention{
		{At: "/policies", Of: policies},
		{At: "/group_policies", Of: [][]evidence.Ref{refs("policy", "a-ops"), bOnly}},
		{At: "/groups/0/policies", Of: [][]evidence.Ref{refs("policy", "a-ops"), bOnly}},
		{At: "/groups/1/policies", Of: [][]evidence.Ref{bOnly}},
		{At: "/groups", Names: []string{"id", "name"}, Of: [][]evidence.Ref{append(refs("policy", "a-ops"), bOnly...), bOnly, nil}},
	}
	d.Links = refs("policy", "a-ops", "b-ops", "b-reads-a", "common-b")
	d.Scope = append(slices.Clone(d.Links), refs("path", "kv/a/db", "kv/b/*")...)
	b.emit(t, d)
	a := b.got(t, "tenant-a", evidence.SecretIdentity)
	check(t, "facts of a", string(a.Content), `{"entity":"e-1","group_policies":["a-ops"],"groups":[{"id":"g1","name":"both","policies":["a-ops"]},{"id":"g3","name":"empty"}],`+
		`"holder":-1,"others":{"group_policies":1,"groups":1,"groups/policies":1,"policies":1},"policies":["a-ops","b-reads-a"]}`)
	check(t, "links of a", a.Links, refs("policy", "a-ops", "b-reads-a"))
	check(t, "scope of a", a.Scope, append(refs("policy", "a-ops", "b-reads-a"), ref("path", "kv/a/db")))
	if got := b.got(t, "tenant-b", evidence.SecretIdentity); strings.Contains(string(got.Content), `"a-ops"`) || !strings.Contains(string(got.Content), "common-b") || a.Subject != got.Subject || a.Key != got.Key {
		t.Errorf("view of b: %s", got.Content)
	}
	if len(b.mem.logs[tenantOf(t, "tenant-c")]) > 1 { // its coverage
		t.Errorf("tenant-c got %d records", len(b.mem.logs[tenantOf(t, "tenant-c")]))
	}
}

// A policy of two: the text goes without the stanza's path, words stay.
func TestViewOfSharedPolicy(t *testing.T) {
	b := newSharing(t)
	d := drafted(evidence.SecretPolicy, ref("policy", "common"), `{"name":"common","rules":[{"path":"kv/data/a/*","capabilities":["read"]},{"path":"kv/data/b/*","capabilities":["update"]},{"path":"kv/*","capabilities":["list"]}]}`)
	d.Mentions = []evidence.Mention{{At: "/rules", Names: []string{"path"}, Of: each(refs("path", "kv/a/*", "kv/b/*", "kv/*")...)}}
	d.Scope = append(refs("policy", "common"), refs("path", "kv/a/*", "kv/b/*", "kv/*")...)
	d.Text = []byte(`path "kv/data/a/*" { } path "kv/data/b/*" { capabilities = ["update"] }`)
	b.emit(t, d)
	a := b.got(t, "tenant-a", evidence.SecretPolicy)
	check(t, "facts", string(a.Content), `{"name":"common","others":{"rules":1},"rules":[{"capabilities":["read"],"path":"kv/data/a/*"},{"capabilities":["list"],"path":"kv/*"}]}`)
	check(t, "text", string(a.Text), `path "kv/data/a/*" { } path "[removed]" { capabilities = ["update"] }`)
	check(t, "scope", a.Scope, append(refs("policy", "common"), refs("path", "kv/a/*", "kv/*")...))
}

// Files of a change: a path's owner, both sides of a rename, and who owns the
// whole repository.
func TestViewOfSharedChange(t *testing.T) {
	b := newSharing(t)
	d := drafted(evidence.ChangeMerge, ref("change", "acme/a!1"), `{"number":1,"files":[{"path":"apps/a/x","status":"added"},{"path":"apps/b/y","status":"modified"},{"path":"apps/b/z","from":"apps/c/z","status":"renamed"},{"path":"README","status":"modified"}]}`)
	d.Mentions = []evidence.Mention{{At: "/files", Names: []string{"path", "from"}, Within: ref("project", "acme/a"), Of: [][]evidence.Ref{
		refs("path", "apps/a/x"), refs("path", "apps/b/y"), refs("path", "apps/b/z", "apps/c/z"), refs("path", "README"),
	}}}
	d.Scope = append(refs("project", "acme/a"), refs("path", "README", "apps/a/x", "apps/b/y", "apps/b/z", "apps/c/z")...)
	d.Text = []byte("Move apps/c/z to apps/b/z\n\nmodified by hand")
	b.emit(t, d)
	if got := b.got(t, "tenant-a", evidence.ChangeMerge); string(got.Content) != string(d.Content) || string(got.Text) != string(d.Text) {
		t.Errorf("the owner of the repository: %s, %q", got.Content, got.Text)
	}
	check(t, "facts of b", string(b.got(t, "tenant-b", evidence.ChangeMerge).Content),
		`{"files":[{"path":"apps/b/y","status":"modified"},{"from":"apps/c/z","path":"apps/b/z","status":"renamed"},{"path":"README","status":"modified"}],"number":1,"others":{"files":1}}`)
	c := b.got(t, "tenant-c", evidence.ChangeMerge)
	check(t, "facts of c", string(c.Content), `{"files":[{"from":"apps/c/z","path":"apps/b/z","status":"renamed"},{"path":"README","status":"modified"}],"number":1,"others":{"files":2}}`)
	check(t, "text of c", string(c.Text), string(d.Text))
	check(t, "scope of c", c.Scope, refs("path", "README", "apps/b/z", "apps/c/z"))
}

// Members of an object, names in sentences, and a namespace that its label gives
// to a tenant.
func TestViewOfSharedRestore(t *testing.T) {
	b := newSharing(t)
	d := drafted(evidence.BackupRestore, ref("object", "restore"), `{"failure":"namespace b-web, not b-web-2, is locked","into":{"a-web":"a-test","b-web":"b-test","c-web":"b-web"},"scope":{"namespaces":["a-web","b-web","web-of-c"]}}`)
	ofC := []evidence.Ref{ref("ns", "web-of-c"), ref("label", "tenant=c"), ref("namespace", "web-of-c")}
	d.Mentions = []evidence.Mention{
		{At: "/scope/namespaces", Of: [][]evidence.Ref{refs("ns", "a-web"), refs("ns", "b-web"), ofC}},
		{At: "/into", Of: [][]evidence.Ref{refs("ns", "a-web", "a-test"), refs("ns", "b-web", "b-test"), refs("ns", "c-web", "b-web")}},
		{Of: [][]evidence.Ref{ofC}},
	}
	d.Scope = append(refs("ns", "a-web", "b-web"), ofC[:2]...)
	d.Links = refs("namespace", "a-web", "b-web", "web-of-c")
	d.Raw = []byte(`{"spec":{"includedNamespaces":["a-web","b-web","web-of-c"],"note":"{\"includedNamespaces\":[\"b-web\"]}"}}`)
	b.emit(t, d)
	a := b.got(t, "tenant-a", evidence.BackupRestore)
	check(t, "facts", string(a.Content), `{"failure":"namespace [removed], not b-web-2, is locked","into":{"a-web":"a-test"},"others":{"into":2,"scope/namespaces":2},"scope":{"namespaces":["a-web"]}}`)
	check(t, "raw", string(a.Raw), `{"spec":{"includedNamespaces":["a-web","[removed]","[removed]"],"note":"[removed]"}}`)
	check(t, "links", a.Links, refs("namespace", "a-web"))
	check(t, "scope", a.Scope, refs("ns", "a-web"))
}

// What covers everything lists nobody, and still tells whom it is about: in why
// it failed and in its bytes. What tells nothing of others stays as it came.
func TestViewOfWhatIsNotListed(t *testing.T) {
	b := newSharing(t)
	d := drafted(evidence.BackupRestore, ref("object", "restore"), `{"scope":{"all":true},"failure":"namespace b-web: volume is gone, a-web is well"}`)
	d.Mentions = []evidence.Mention{{Of: each(refs("ns", "a-web", "b-web", "c-web")...)}}
	d.Scope, d.Links = refs("ns", "a-web", "b-web", "c-web"), refs("namespace", "a-web")
	d.Text, d.Raw = []byte("b-web is late"), []byte(`{"hooks":["b-web","a-web"],"n":1}`)
	b.emit(t, d)
	a := b.got(t, "tenant-a", evidence.BackupRestore)
	check(t, "facts", string(a.Content), `{"failure":"namespace [removed]: volume is gone, a-web is well","scope":{"all":true}}`)
	check(t, "text", string(a.Text), "[removed] is late")
	check(t, "raw", string(a.Raw), `{"hooks":["[removed]","a-web"],"n":1}`)
	check(t, "removed", a.Removed, []string{"tenancy/1", "/hooks/0"})
	check(t, "scope", a.Scope, refs("ns", "a-web", "c-web")) // by its name c-web is nobody's

	d.Key, d.Content, d.Text, d.Raw = "2", []byte(`{"scope":{"all":true},"failure":"all is late"}`), nil, []byte(`{"n": 1}`)
	b = newSharing(t)
	b.emit(t, d)
	a = b.got(t, "tenant-a", evidence.BackupRestore)
	if string(a.Content) != string(d.Content) || string(a.Raw) != string(d.Raw) || a.Removed != nil {
		t.Errorf("what names nobody was changed: %s, %s", a.Content, a.Raw)
	}
	// A name that is spelled otherwise is found too.
	d.Key, d.Raw = "3", []byte(`{"hooks":["\u0062-web"]}`)
	b = newSharing(t)
	b.emit(t, d)
	check(t, "raw with escapes", string(b.got(t, "tenant-a", evidence.BackupRestore).Raw), `{"hooks":["[removed]"]}`)
}

// Who sees everything, and what goes as it came.
func TestViewWhole(t *testing.T) {
	s := newSharing(t).newSink(t0)
	d := operator()
	for _, tc := range []struct {
		name   string
		tenant evidence.Tenant
		owners []evidence.Tenant
	}{
		{"the platform", evidence.Platform, []evidence.Tenant{evidence.Platform, tenantOf(t, "tenant-a")}},
		{"what nobody owns", evidence.Unassigned, nil},
	} {
		want := d
		want.Mentions = nil
		shared := s.share(d, tc.owners)
		check(t, tc.name, shared.view(tc.tenant), want)
	}
	d.Mentions = []evidence.Mention{{At: "/policies", Of: each(refs("policy", "a-ops", "platform-ops", "default")...)}}
	want := d
	want.Mentions = nil
	shared := s.share(d, []evidence.Tenant{tenantOf(t, "tenant-a")})
	got := shared.view(tenantOf(t, "tenant-a"))
	check(t, "own names", got, want)
	if &got.Content[0] != &d.Content[0] || &got.Raw[0] != &d.Raw[0] || &got.Scope[0] != &d.Scope[0] {
		t.Error("what names nobody else was copied")
	}
}

// Bytes that are no JSON go whole when they hold a name; damaged JSON always.
func TestViewOfRawForms(t *testing.T) {
	names := map[string]bool{"b-ops": true}
	for _, tc := range []struct{ raw, want string }{
		{"tree 1\nauthor x\n", "tree 1\nauthor x\n"},
		{"for b-ops", ""},
		{`{"cut": "\u0062-ops`, ""},
		{`{"cut": 1`, ""},
		{`{"esc":"\u0062-ops"}`, `{"esc":"[removed]"}`},
		{`{"a~/b":{"x":"b-ops"},"html":"<b>"}`, `{"a~/b":{"x":"[removed]"},"html":"<b>"}`},
		{`{"html": "<b>"}`, `{"html": "<b>"}`},
	} {
		d := evidence.Draft{Raw: []byte(tc.raw)}
		hiderOf(names).raw(&d)
		if string(d.Raw) != tc.want || (string(d.Raw) == tc.raw) != (d.Removed == nil) {
			t.Errorf("%s: got %s, removed %v", tc.raw, d.Raw, d.Removed)
		}
	}
}

// A state that two tenants share ends for both after a restart, though neither
// log tells the whole scope; one that a tenant loses ends there without a word
// of the others.
func TestViewsOfStatesEnd(t *testing.T) {
	b := newSharing(t)
	shared := func() evidence.Draft {
		d := drafted(evidence.SecretIdentity, ref("entity", "e-1"), `{"entity":"e-1","policies":["a-ops","b-ops"]}`)
		d.OccurredAt, d.ObservedAt = b.now, b.now
		d.Scope = refs("policy", "a-ops", "b-ops")
		d.Mentions = []evidence.Mention{{At: "/policies", Of: each(d.Scope...)}}
		return d
	}
	look := func(complete evidence.Ref, ds ...evidence.Draft) evidence.RunFacts {
		b.now = b.now.Add(time.Minute)
		return b.run(t, func(s Sink) error {
			for _, d := range ds {
				if err := s.Emit(context.Background(), d); err != nil {
					return err
				}
			}
			s.Complete(evidence.SecretIdentity, complete)
			return s.Commit(context.Background(), nil, b.look())
		})
	}
	look(evidence.Ref{}, shared())
	if f := look(evidence.Ref{}, shared()); f.Records != 0 || f.Repeated != 2 {
		t.Errorf("the same again: %+v", f)
	}
	b.states = nil // as after a restart
	if f := look(ref("policy", "c-all")); f.Ended_ != 0 {
		t.Errorf("a list of another scope: %+v", f)
	}
	b.states = nil
	if f := look(ref("policy", "b-ops")); f.Ended_ != 2 {
		t.Errorf("a list that does not show it: %+v", f)
	}
	for tenant, own := range map[string]string{"tenant-a": "a-ops", "tenant-b": "b-ops"} {
		end := b.mem.last(tenantOf(t, tenant), evidence.SecretIdentity, ref("entity", "e-1"))
		if end.Draft.Op != evidence.OpEnd || !slices.Equal(end.Draft.Scope, refs("policy", own)) {
			t.Errorf("%s: %s with scope %v", tenant, end.Draft.Op, end.Draft.Scope)
		}
	}
	look(evidence.Ref{}, shared())
	b.states = nil
	moved := shared()
	moved.Content, moved.Scope, moved.Mentions = []byte(`{"entity":"e-1","policies":["b-ops"]}`), refs("policy", "b-ops"), nil
	if f := look(evidence.Ref{}, moved); f.Ended_ != 1 {
		t.Errorf("reassigned: %+v", f)
	}
	end := b.mem.last(tenantOf(t, "tenant-a"), evidence.SecretIdentity, ref("entity", "e-1"))
	if string(end.Draft.Content) != `{"reason":"reassigned"}` || !slices.Equal(end.Draft.Scope, refs("policy", "a-ops")) {
		t.Errorf("end: %s with scope %v", end.Draft.Content, end.Draft.Scope)
	}
}

// A name is found behind an escape too: where JSON stands in a string of JSON, or an
// address holds a query. A word that only ends like one stays.
func TestHidesEscaped(t *testing.T) {
	h := hiderOf(map[string]bool{"b-ops": true, "kv/b/db": true})
	for s, want := range map[string]string{
		`{"m":"denied\nb-ops"}`:        `{"m":"denied\n[removed]"}`,
		`{"m":"\u003cb-ops\u003e"}`:    `{"m":"\u003c[removed]\u003e"}`,
		`/graph?e=ns%3D%22b-ops%22`:    `/graph?e=ns%3D%22[removed]%22`,
		`/graph?e=ns%3db-ops&g0.r=1`:   `/graph?e=ns%3d[removed]&g0.r=1`,
		`\tkv/b/db`:                    `\t[removed]`,
		`nb-ops 22b-ops u003cb-ops`:    `nb-ops 22b-ops u003cb-ops`,
		`\xb-ops %2gb-ops \u00zzb-ops`: `\xb-ops %2gb-ops \u00zzb-ops`,
	} {
		if got := h.hide(s); got != want {
			t.Errorf("%s became %s", s, got)
		}
	}
	for _, s := range []string{`GET /v1/kv%2Fb%2Fdb`, `{"path":"kv\/b\/db"}`, `100% of kv%2fb%2fdb`} {
		raw, err := json.Marshal([]string{s, "kept"})
		if err != nil {
			t.Fatal(err)
		}
		d := evidence.Draft{Raw: raw}
		if h.raw(&d); string(d.Raw) != `["[removed]","kept"]` {
			t.Errorf("%s became %s", s, d.Raw)
		}
	}
	d := evidence.Draft{Content: []byte(`{}`), Raw: []byte(`"GET /v1/kv%2Fb%2Fdb"`)}
	if !speller(&d)("kv/b/db") {
		t.Error("an escaped name is not looked for")
	}
}

// Whatever the raw bytes are, no string of what is left holds the name.
func FuzzViewHides(f *testing.F) {
	for _, s := range []string{`{"a":["b-ops"],"b-ops":{"b-ops":1}}`, `"b-ops" 1 [null]`, "b-ops", `{"x":"\u0062-ops/b-ops"}`, `{"x":"xb-ops b-ops-2"}`, `[[[["b-ops"]]]`} {
		f.Add([]byte(s))
	}
	h := hiderOf(map[string]bool{"b-ops": true})
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := evidence.Draft{Raw: bytes.Clone(raw)}
		h.raw(&d)
		if d.Removed == nil && !bytes.Equal(d.Raw, raw) {
			t.Fatalf("%q became %q without a word", raw, d.Raw)
		}
		if !looksLikeJSON(d.Raw) {
			if h.holds(string(d.Raw)) {
				t.Fatalf("%q holds it still", d.Raw)
			}
			return
		}
		dec := json.NewDecoder(bytes.NewReader(d.Raw))
		for {
			var v any
			if dec.Decode(&v) != nil {
				return
			}
			found := map[string]bool{}
			strs(v, found)
			for s := range found {
				if h.holds(s) {
					t.Fatalf("%q holds it still", d.Raw)
				}
			}
		}
	})
}

// All names at once hide what each of them hides alone, the longest first.
func FuzzHide(f *testing.F) {
	for _, s := range []string{"a-b a a-b.c", "b,b.c/b", "a.b a.b.c", "..", "é é.a", "a  b"} {
		f.Add(s, "a", "a-b", "b.c", ".")
	}
	f.Add("ab abab", "ab", "a b", "b/a", "")
	f.Fuzz(func(t *testing.T, s, one, two, three, four string) {
		if strings.ContainsAny(s, `\%`) {
			return // where a word begins behind an escape is a matter of its own
		}
		names := map[string]bool{one: true, two: true, three: true, four: true}
		delete(names, "")
		want := s
		for _, n := range slices.SortedFunc(maps.Keys(names), func(a, b string) int {
			if len(a) != len(b) {
				return len(b) - len(a)
			}
			return strings.Compare(a, b)
		}) {
			if strings.ContainsAny(n, "[]") || n == "removed" {
				return // it may be in what stands in place of the others
			}
			want = replaceName(want, n)
		}
		if got := hiderOf(names).hide(s); got != want {
			t.Errorf("%q without %q: got %q, want %q", s, slices.Sorted(maps.Keys(names)), got, want)
		}
	})
}

// BenchmarkEmit is the way of a draft through the sink: of one tenant alone,
// with a token's policies that name nobody else, and with those of three.
func BenchmarkEmit(b *testing.B) {
	plain := app("a-web", "web", t0)
	own := operator()
	own.Mentions = []evidence.Mention{{At: "/policies", Of: each(refs("policy", "a-ops", "default", "platform-ops")...)}}
	own.ActorScope = refs("policy", "a-ops", "default", "platform-ops")
	event := own
	event.Mentions = nil
	for _, tc := range []struct {
		name string
		d    evidence.Draft
	}{{"state", plain}, {"event", event}, {"mentions-own", own}, {"shared", operator()}} {
		b.Run(tc.name, func(b *testing.B) {
			bn := newSharing(b)
			bn.states = map[evidence.Kind]openStates{}
			s := bn.newSink(t0)
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Emit(context.Background(), tc.d); err != nil {
					b.Fatal(err)
				}
				if s.queued > 1000 {
					s.queue, s.queued = map[evidence.Tenant][]Placed{}, 0
				}
			}
		})
	}
}
