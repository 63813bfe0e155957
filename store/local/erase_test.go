package local

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/keyring"
)

// The person of these tests, in two realms, and everything they are called.
var (
	atForge = evidence.Person{Role: evidence.RoleAuthor, Realm: "github:prod", NativeID: "82310077", Proof: evidence.ProofAuthenticated,
		Names: evidence.Names{Login: "mira-kessler", Display: "Mira Kessler-Øst", Mail: "mira.kessler@acme.example"}}
	atVault = evidence.Person{Role: evidence.RoleReader, Realm: "vault:prod/entity", NativeID: "e7c1-mkessler", Proof: evidence.ProofAuthenticated,
		Names: evidence.Names{Login: "mkessler", Mail: "m.kessler@ops.example"}}
	colleague = evidence.Person{Role: evidence.RoleReviewer, Realm: "github:prod", NativeID: "55", Proof: evidence.ProofAuthenticated,
		Names: evidence.Names{Login: "odo", Display: "Odo Brandt"}}
	planted = []string{"mira-kessler", "Kessler", "mira.kessler@acme.example", "e7c1-mkessler", "mkessler", "m.kessler@ops.example", "82310077"}
)

// plant puts the person into records of three tenants: as author with names in
// text and raw, as reader, beside a colleague, and by a former login.
func plant(t *testing.T, loc *Local, c *clock) {
	t.Helper()
	naming := func(key string, people ...evidence.Person) store.Item {
		it := event(key, c.t, map[string]any{"author": 0}, people...)
		it.Draft.Text = []byte("fix by " + strings.Join(planted, ", "))
		it.Draft.Raw = []byte(`{"by":"` + strings.Join(planted, `","`) + `","url":"` + url.PathEscape(planted[2]) + `"}`)
		return it
	}
	former := atForge
	former.Names.Login = "mira-former"
	for name, items := range map[string][]store.Item{
		"tenant-1": {naming("1", former), naming("2", atForge, colleague), naming("3", colleague, atVault), event("4", c.t, map[string]any{"v": 1}, colleague)},
		"tenant-2": {naming("1", atVault)},
		"tenant-3": {event("1", c.t, map[string]any{"v": 1}, colleague)},
	} {
		log, err := loc.Store.Create(tenant(t, name))
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, log, items...)
	}
}

func logOf(t testing.TB, loc *Local, name string) *store.Log {
	t.Helper()
	l, err := loc.Store.Log(tenant(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// link says that the two persons are one, as the colleague approved.
func link(t *testing.T, l *store.Log, op evidence.Op, c *clock) {
	t.Helper()
	if err := l.Link(t.Context(), store.LinkRequest{
		A: identityOf(atForge), B: identityOf(atVault), Approver: identityOf(colleague), By: "1000", Reason: "same badge", End: op == evidence.OpEnd,
	}); err != nil {
		t.Fatal(err)
	}
}

func identityOf(p evidence.Person) store.Identity {
	return store.Identity{Realm: p.Realm, NativeID: p.NativeID}
}

// everything opens every claim of a log and returns what it opened.
func everything(t *testing.T, l *store.Log) []byte {
	t.Helper()
	var b bytes.Buffer
	s := l.Snapshot()
	if err := s.Export(t.Context(), 0, s.Size(), chain.ClaimNames, func(o store.Opened) error {
		for _, op := range o.Openings {
			b.Write(op.Plain)
			b.WriteByte('\n')
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func grepFiles(t *testing.T, dir string, skip func(path string) bool, wants ...[]byte) (found []string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || skip != nil && skip(path) {
			return err
		}
		b, err := os.ReadFile(path)
		for _, w := range wants {
			if bytes.Contains(b, w) {
				found = append(found, fmt.Sprintf("%s: %.12x", path, w))
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestErase(t *testing.T) {
	ctx := context.Background()
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	loc := openDir(t, dir, c)
	plant(t, loc, c)
	one, two, three := logOf(t, loc, "tenant-1"), logOf(t, loc, "tenant-2"), logOf(t, loc, "tenant-3")
	link(t, one, evidence.OpSet, c)

	// A pack was issued with the person in it, and one without.
	keysOne, err := loc.Keys.Tenant(tenant(t, "tenant-1"), false)
	if err != nil {
		t.Fatal(err)
	}
	known, err := keysOne.Lookup([]store.Identity{identityOf(atForge), identityOf(atVault), identityOf(colleague)})
	if err != nil {
		t.Fatal(err)
	}
	for i, disclosed := range [][]evidence.ID{{known[0].Token, known[2].Token}, {known[2].Token}} {
		f := evidence.PackFacts{Manifest: evidence.Hash{byte(i + 1)}, Recipient: "auditor", Disclosed: disclosed, Issued: c.t}
		it := event(fmt.Sprint("pack", i), c.t, f)
		it.Draft.Kind, it.Draft.Source, it.Draft.Text, it.Draft.Raw, it.Draft.Links = evidence.PackIssued, evidence.SelfSource, nil, nil, nil
		it.Draft.Subject = evidence.NewRef("pack", "", f.Manifest.String())
		mustAppend(t, one, it)
	}
	before := map[*store.Log]struct {
		note []byte
		cp   chain.Checkpoint
	}{}
	for _, l := range []*store.Log{one, two, three} {
		cp, note, err := l.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		before[l] = struct {
			note []byte
			cp   chain.Checkpoint
		}{note, cp}
	}
	for _, name := range planted {
		if !bytes.Contains(everything(t, one), []byte(name)) {
			t.Fatalf("%s is not in the log: the search would find nothing", name)
		}
	}
	old := t.TempDir() // the keyring as it was
	for _, f := range []string{keyring.File, keyring.WrappingFile} {
		b, err := os.ReadFile(filepath.Join(dir, "keys", f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(old, f), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	dry, err := loc.Store.Erase(ctx, store.EraseRequest{Subject: identityOf(atForge), By: "1000", DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if dry.Identities != 2 || len(dry.Logs) != 2 || dry.Logs[0].Record != 0 || len(dry.Logs[0].Packs) != 1 || len(dry.Logs[0].Still) != 0 {
		t.Errorf("dry run: %+v", dry)
	}
	if !bytes.Contains(everything(t, two), []byte("mkessler")) {
		t.Fatal("the dry run erased")
	}
	if _, err := loc.Store.Erase(ctx, store.EraseRequest{Subject: identityOf(atForge), Authority: "wish of M.Kessler@OPS.example"}); !problem.Is(err, problem.Usage) {
		t.Errorf("an authority that names the person: %v", err)
	}

	done, err := loc.Store.Erase(ctx, store.EraseRequest{Subject: identityOf(atForge), Authority: "GDPR Art. 17, file 7/2026", Reason: "left", By: "1000"})
	if err != nil {
		t.Fatal(err)
	}
	if done.Level != evidence.Logical || done.Why == "" || done.Identities != 2 || len(done.Logs) != 2 {
		t.Fatalf("erased: %+v", done)
	}
	if l := done.Logs[0]; len(l.Tokens) != 2 || len(l.Packs) != 1 || l.Packs[0].Recipient != "auditor" || l.Record == 0 || len(l.Still) > 0 || l.Searched == 0 {
		t.Errorf("tenant-1: %+v", l)
	}

	erased := func(stage string, loc *Local) {
		t.Helper()
		for _, name := range []string{"tenant-1", "tenant-2", "tenant-3"} {
			l := logOf(t, loc, name)
			open := everything(t, l)
			for _, p := range append(planted, "mira-former", "mira%20", "Mira") {
				if bytes.Contains(open, []byte(p)) {
					t.Errorf("%s: a claim of %s still has %q", stage, name, p)
				}
			}
			rep, err := l.Verify(ctx, store.VerifyOptions{Deep: true})
			if err != nil || !rep.OK() || rep.Missing != 0 || (rep.Erased > 0) != (name != "tenant-3") {
				t.Errorf("%s: %s verifies to %+v, %v", stage, name, rep, err)
			}
		}
		one := logOf(t, loc, "tenant-1").Snapshot()
		if id, err := one.Identity(ctx, known[0].Token); err != nil || !id.Erased {
			t.Errorf("%s: the token stands for %+v, %v", stage, id, err)
		}
		if id, err := one.Identity(ctx, known[2].Token); err != nil || id.Names.Login != "odo" {
			t.Errorf("%s: the colleague is %+v, %v", stage, id, err)
		}
		// What the colleague wrote alone is whole; what both stand in is not.
		for rec, err := range one.Records(ctx, evidence.Query{Person: known[2].Token, WithText: true, Kinds: []evidence.Kind{evidence.ChangeMerge}}) {
			if err != nil {
				t.Fatal(err)
			}
			if both := len(rec.People) > 1; (rec.Closed["text"] == "erased") != both {
				t.Errorf("%s: record %d with %d people: %v", stage, rec.Seq, len(rec.People), rec.Closed)
			}
		}
	}
	erased("at once", loc)

	// No byte of keys in any file, nor of tokens in any but the logs and their
	// indexes, whose leaves name tokens.
	var bytesGone, tokens [][]byte
	for _, k := range known[:2] {
		bytesGone = append(bytesGone, k.Key, []byte(hex.EncodeToString(k.Key)), []byte(base64.StdEncoding.EncodeToString(k.Key)))
		tokens = append(tokens, k.Token[:], []byte(k.Token.String()))
	}
	if got := grepFiles(t, dir, nil, bytesGone...); len(got) > 0 {
		t.Errorf("keys are in %v", got)
	}
	inLog := func(path string) bool { return strings.Contains(path, "/tenants/") }
	if got := grepFiles(t, dir, inLog, tokens...); len(got) > 0 {
		t.Errorf("tokens are in %v", got)
	}

	// Old checkpoints are checkpoints of this log still.
	for l, was := range before {
		cp, _, err := l.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		proof, err := l.ProveConsistency(was.cp.Size, cp.Size)
		if err != nil {
			t.Fatal(err)
		}
		if err := chain.CheckConsistency(proof, was.cp.Size, was.cp.Root, cp.Size, cp.Root); err != nil {
			t.Errorf("the checkpoint before the erasure: %v", err)
		}
		if _, err := chain.OpenCheckpoint(was.note, loc.Store.Verifier()); err != nil {
			t.Error(err)
		}
	}

	// The overlap window brings what is known already; it brings nobody back.
	again := event("2", start, map[string]any{"author": 0}, atForge, colleague)
	if r := mustAppend(t, one, again); r.Fates[0] != store.Repeated {
		t.Errorf("the same event again: fate %d", r.Fates[0])
	}
	if got, err := keysOne.Lookup([]store.Identity{identityOf(atForge)}); err != nil || got[0].KeyID != "" {
		t.Errorf("the overlap window brought the person back: %+v, %v", got, err)
	}
	// Nobody can be erased twice, nor found.
	if _, err := loc.Store.Erase(ctx, store.EraseRequest{Subject: identityOf(atForge)}); !problem.Is(err, problem.NotFound) {
		t.Errorf("erased a second time: %v", err)
	}
	if found, _, err := loc.Store.FindPeople(ctx, "kessler"); err != nil || len(found) != 0 {
		t.Errorf("found: %v, %v", found, err)
	}

	// After a rebuilt index, and after opening again, all is as before.
	if err := one.RebuildIndex(); err != nil {
		t.Fatal(err)
	}
	erased("with a rebuilt index", loc)
	if err := loc.Close(); err != nil {
		t.Fatal(err)
	}
	loc = openDir(t, dir, c)
	erased("after opening again", loc)

	// An old keyring revives nobody: the logs carry the erasure out anew.
	if err := loc.Close(); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{keyring.File, keyring.WrappingFile} {
		b, err := os.ReadFile(filepath.Join(old, f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "keys", f), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loc = openDir(t, dir, c)
	erased("with the old keyring", loc)
	if got := grepFiles(t, filepath.Join(dir, "keys"), nil, append(tokens, bytesGone...)...); len(got) > 0 {
		t.Errorf("the old keyring keeps %v", got)
	}

	// A really new commit: a new token and a new key, never the old ones.
	one = logOf(t, loc, "tenant-1")
	mustAppend(t, one, event("9", start, map[string]any{"author": 0}, atForge))
	keysOne, err = loc.Keys.Tenant(tenant(t, "tenant-1"), false)
	if err != nil {
		t.Fatal(err)
	}
	now, err := keysOne.Lookup([]store.Identity{identityOf(atForge)})
	if err != nil || now[0].KeyID == "" || now[0].Token == known[0].Token || bytes.Equal(now[0].Key, known[0].Key) {
		t.Errorf("after a new commit: %+v, %v", now, err)
	}
	if id, err := one.Snapshot().Identity(ctx, known[0].Token); err != nil || !id.Erased {
		t.Errorf("the old token stands for %+v, %v", id, err)
	}
}

// A link that ended leads nowhere, and only links in force count.
func TestEraseFollowsLinksInForce(t *testing.T) {
	c := &clock{start}
	loc := openDir(t, filepath.Join(t.TempDir(), "data"), c)
	plant(t, loc, c)
	one := logOf(t, loc, "tenant-1")
	link(t, one, evidence.OpSet, c)
	c.t = c.t.Add(1e9)
	link(t, one, evidence.OpEnd, c)
	dry, err := loc.Store.Erase(t.Context(), store.EraseRequest{Subject: identityOf(atVault), DryRun: true})
	if err != nil || dry.Identities != 1 || len(dry.Logs) != 2 || len(dry.Logs[0].Tokens) != 1 {
		t.Errorf("by an ended link: %+v, %v", dry, err)
	}
}

func TestLinkIsApprovedBySomebodyElse(t *testing.T) {
	c := &clock{start}
	loc := openDir(t, filepath.Join(t.TempDir(), "data"), c)
	plant(t, loc, c)
	one := logOf(t, loc, "tenant-1")
	good := store.LinkRequest{A: identityOf(atForge), B: identityOf(atVault), Approver: identityOf(colleague), By: "1000", Reason: "same badge"}
	for what, tc := range map[string]struct {
		change func(*store.LinkRequest)
		want   problem.Code
	}{
		"one of the two approves":   {func(r *store.LinkRequest) { r.Approver = r.B }, problem.Refused},
		"the maker approves":        {func(r *store.LinkRequest) { r.Approver = store.Identity{Realm: "unix", NativeID: "1000"} }, problem.Refused},
		"one person with itself":    {func(r *store.LinkRequest) { r.B = r.A }, problem.Usage},
		"accounts of one realm":     {func(r *store.LinkRequest) { r.B, r.Approver = identityOf(colleague), identityOf(atVault) }, problem.Usage},
		"no reason":                 {func(r *store.LinkRequest) { r.Reason = "" }, problem.Usage},
		"nobody knows the approver": {func(r *store.LinkRequest) { r.Approver.NativeID = "56" }, problem.NotFound},
		"nobody knows the person":   {func(r *store.LinkRequest) { r.B.NativeID = "none" }, problem.NotFound},
		"no link to end":            {func(r *store.LinkRequest) { r.End = true }, problem.NotFound},
	} {
		r := good
		tc.change(&r)
		if err := one.Link(t.Context(), r); !problem.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %s", what, err, tc.want)
		}
	}
	size := one.Size()
	if err := one.Link(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	if got := one.Size() - size; got != 1 {
		t.Errorf("a link is %d records: people known by name were named anew", got)
	}
	snap := one.Snapshot()
	rec, err := snap.Record(t.Context(), size)
	if err != nil {
		t.Fatal(err)
	}
	var f evidence.LinkFacts
	if err := rec.Decode(&f); err != nil || len(rec.People) != 3 || rec.People[f.Approver].Role != evidence.RoleApprover || string(rec.Text) != "same badge" {
		t.Errorf("link: %+v %+v %q, %v", f, rec.People, rec.Text, err)
	}
	for _, p := range planted {
		if strings.Contains(string(rec.Facts)+rec.Subject.String()+fmt.Sprint(rec.Links)+rec.Key, p) {
			t.Errorf("the link names %s", p)
		}
	}
}

// What content names in spite of the rule is found, however it is written, and
// reported.
func TestEraseReportsWhatStillNames(t *testing.T) {
	c := &clock{start}
	loc := openDir(t, filepath.Join(t.TempDir(), "data"), c)
	plant(t, loc, c)
	one := logOf(t, loc, "tenant-1")
	var want []uint64
	for i, facts := range []map[string]any{
		{"v": "branch mira-kessler/fix"},
		{"v": "https://x.example/?u=mira.kessler%40acme.example"},
		{"v": `{"inner":"Mira Kessler-\u00d8st"}`},
		{"v": base64.StdEncoding.EncodeToString([]byte(`{"login":"mira-kessler"}`))},
		{"v": "xx/" + base64.RawURLEncoding.EncodeToString([]byte("by MIRA.KESSLER@ACME.EXAMPLE, twice"))},
		{"v": "id 82310077"},
	} {
		r := mustAppend(t, one, event(fmt.Sprint("still", i), c.t, facts, colleague))
		want = append(want, r.Seqs[0])
	}
	for i, facts := range []map[string]any{{"v": "admiralmira"}, {"v": "182310077 x"}, {"v": "kesseler"}} {
		mustAppend(t, one, event(fmt.Sprint("not", i), c.t, facts, colleague))
	}
	done, err := loc.Store.Erase(t.Context(), store.EraseRequest{Subject: identityOf(atForge)})
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	for _, n := range done.Logs[0].Still {
		// A record of another account of the person, which nobody linked, still
		// names the person in text and raw: true, and not what is tried here.
		if n.Claim == "content" && n.Kind == evidence.ChangeMerge {
			got = append(got, n.Seq)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("claims that still name the person: %v, want %v\n%+v", got, want, done.Logs[0].Still)
	}
}

// Somebody whose id is written in another case is not said to be unknown without
// a word about it.
func TestEraseTellsOfAnotherCase(t *testing.T) {
	c := &clock{start}
	loc := openDir(t, filepath.Join(t.TempDir(), "data"), c)
	plant(t, loc, c)
	for id, want := range map[string]string{"E7C1-mkessler": "differs only in upper and lower case", "kessler": "lists who is known"} {
		_, err := loc.Store.Erase(t.Context(), store.EraseRequest{Subject: store.Identity{Realm: atVault.Realm, NativeID: id}})
		if p := problem.Of(err); p == nil || p.Code != problem.NotFound || !strings.Contains(p.Hint, want) {
			t.Errorf("%s: got %v, want a hint that it %s", id, err, want)
		}
	}
}

// A cut between destroying the keys and recording it is made good at the next
// start: until then the claims are missing, afterwards they are erased.
func TestCutErasureIsRecordedAtTheStart(t *testing.T) {
	ctx := context.Background()
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	loc := openDir(t, dir, c)
	plant(t, loc, c)
	keys, err := loc.Keys.Tenant(tenant(t, "tenant-1"), false)
	if err != nil {
		t.Fatal(err)
	}
	p, err := keys.Lookup([]store.Identity{identityOf(atForge)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loc.Keys.Destroy(ctx, []store.Destruction{{Tenant: tenant(t, "tenant-1"), Keys: []string{p[0].KeyID}}}, []byte(`{"tokens":{},"by":"1000","asked":"2026-11-01T08:00:00Z"}`)); err != nil {
		t.Fatal(err)
	}
	if err := loc.Close(); err != nil {
		t.Fatal(err)
	}
	loc = openDir(t, dir, c)
	one := logOf(t, loc, "tenant-1")
	if rep, err := one.Verify(ctx, store.VerifyOptions{Deep: true}); err != nil || rep.Missing == 0 {
		t.Fatalf("before: %+v, %v", rep, err)
	}
	for i := range 2 {
		size := one.Size()
		if err := loc.Store.SettleErasures(ctx); err != nil {
			t.Fatal(err)
		}
		if rep, err := one.Verify(ctx, store.VerifyOptions{Deep: true}); err != nil || rep.Missing != 0 || rep.Erased == 0 {
			t.Errorf("after: %+v, %v", rep, err)
		}
		if got, want := one.Size()-size, uint64(1-i); got != want {
			t.Errorf("pass %d appended %d records, want %d", i, got, want)
		}
	}
}

func TestWithoutAKeyring(t *testing.T) {
	ctx := context.Background()
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	loc := openDir(t, dir, c)
	plant(t, loc, c)
	size := logOf(t, loc, "tenant-1").Size()
	id := logOf(t, loc, "tenant-1").LogID()
	if err := loc.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "keys", keyring.File)); err != nil {
		t.Fatal(err)
	}
	loc = openDir(t, dir, c)
	if ts, err := loc.Store.Tenants(); err != nil || len(ts) != 0 {
		t.Errorf("tenants: %v, %v", ts, err)
	}
	if _, err := loc.Store.Log(tenant(t, "tenant-1")); !problem.Is(err, problem.NotFound) {
		t.Errorf("a log without a keyring: %v", err)
	}
	if _, err := loc.Store.Create(tenant(t, "tenant-1")); !problem.Is(err, problem.Refused) {
		t.Errorf("a log begun without a keyring: %v", err)
	}
	ids, err := loc.Store.SealedLogs()
	if err != nil || len(ids) != 3 || !slices.Contains(ids, id) {
		t.Fatalf("logs without keys: %v, %v", ids, err)
	}
	rep, err := loc.Store.VerifySealed(ctx, id, store.VerifyOptions{Deep: true})
	if err != nil || !rep.OK() || rep.Records != size || rep.Opened != 0 || !rep.Tenant.IsZero() {
		t.Errorf("verified: %+v, %v", rep, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "keys", keyring.File)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a new keyring was made beside old logs")
	}
	if err := loc.Close(); err != nil {
		t.Fatal(err)
	}
	// Damage shows without keys too.
	files, err := filepath.Glob(filepath.Join(dir, "tenants", id, "log", "*.db"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte(`"kind":"change.merge"`))
	b[at+8] ^= 1
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	loc = openDir(t, dir, c)
	if rep, err := loc.Store.VerifySealed(ctx, id, store.VerifyOptions{}); err == nil && rep.OK() {
		t.Error("a changed record verifies")
	}
}

// With a keyring older than the log nothing is appended: no key is made that has
// the name of a lost one.
func TestKeyringOlderThanTheLog(t *testing.T) {
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	loc := openDir(t, dir, c)
	one, err := loc.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, one, event("1", c.t, map[string]any{"v": 1}, colleague))
	if err := loc.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(filepath.Join(dir, "keys", keyring.File))
	if err != nil {
		t.Fatal(err)
	}
	loc = openDir(t, dir, c)
	keys, err := loc.Keys.Tenant(tenant(t, "tenant-1"), false)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := keys.RenewData(1); err != nil || id != "d1.2" {
		t.Fatalf("renewed: %s, %v", id, err)
	}
	one = logOf(t, loc, "tenant-1")
	mustAppend(t, one, event("2", c.t, map[string]any{"v": 1}, colleague))
	e, err := one.Snapshot().Record(t.Context(), 0)
	if err != nil || len(e.Closed) > 0 {
		t.Errorf("a record under the old version: %v, %v", e.Closed, err)
	}
	if err := loc.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "keys", keyring.File), old, 0o600); err != nil {
		t.Fatal(err)
	}
	loc = openDir(t, dir, c)
	one = logOf(t, loc, "tenant-1")
	if _, err := one.Append(t.Context(), []store.Item{event("3", c.t, map[string]any{"v": 1}, colleague)}); !errors.Is(err, store.ErrOldKeyring) {
		t.Errorf("append: %v", err)
	}
	if one.Unreadable() != nil {
		t.Error("a log without an erasure cannot be read any more")
	}
	last := one.Size() - 1
	if rec, err := one.Snapshot().Record(t.Context(), last); err != nil || len(rec.Closed) == 0 {
		t.Errorf("the newest record: %v, %v", rec.Closed, err)
	}
	if rep, err := one.Verify(t.Context(), store.VerifyOptions{}); err != nil || rep.OK() {
		t.Errorf("verified: %+v, %v", rep, err)
	}
}

// A hold forbids the erasure everywhere, and nothing has happened then.
func TestHoldForbidsErasure(t *testing.T) {
	c := &clock{start}
	loc := openDir(t, filepath.Join(t.TempDir(), "data"), c)
	plant(t, loc, c)
	two := logOf(t, loc, "tenant-2")
	hold := func(op evidence.Op) {
		c.t = c.t.Add(time.Second)
		it := event("", c.t, map[string]any{"name": "case-7", "reason": "lawsuit 7", "authority": "court"})
		it.Draft.Kind, it.Draft.Op, it.Draft.Source = evidence.LogHold, op, evidence.SelfSource
		it.Draft.Subject, it.Draft.Links, it.Draft.Text, it.Draft.Raw = evidence.NewRef("log", "", two.Origin()), nil, nil, nil
		mustAppend(t, two, it)
	}
	hold(evidence.OpSet)
	link(t, logOf(t, loc, "tenant-1"), evidence.OpSet, c) // leads from tenant-1 into tenant-2
	for _, dry := range []bool{true, false} {
		_, err := loc.Store.Erase(t.Context(), store.EraseRequest{Subject: identityOf(atForge), DryRun: dry})
		if !problem.Is(err, problem.Refused) || !strings.Contains(err.Error(), "lawsuit 7") {
			t.Errorf("under a hold: %v", err)
		}
	}
	if found, _, err := loc.Store.FindPeople(t.Context(), "kessler"); err != nil || len(found) == 0 {
		t.Errorf("the person is gone all the same: %v, %v", found, err)
	}
	hold(evidence.OpEnd)
	if _, err := loc.Store.Erase(t.Context(), store.EraseRequest{Subject: identityOf(atForge)}); err != nil {
		t.Errorf("after the hold: %v", err)
	}
}

// A log that was given up is reached too: its keys go, and the log that
// continues it says that they are erased.
func TestEraseInFormerLog(t *testing.T) {
	ctx := context.Background()
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	loc := openDir(t, dir, c)
	plant(t, loc, c)
	tn := tenant(t, "tenant-1")
	old := logOf(t, loc, "tenant-1")
	link(t, old, evidence.OpSet, c)
	end, err := json.Marshal(evidence.LogEnd{Origin: old.Origin(), Size: old.Size(), Why: "the disk was lost"})
	if err != nil {
		t.Fatal(err)
	}
	if err := loc.Close(); err != nil {
		t.Fatal(err)
	}
	k, err := keyring.OpenWith(t.Context(), keyring.Options{Dir: filepath.Join(dir, "keys"), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Succeed(tn, end); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	loc = openDir(t, dir, c)
	young, err := loc.Store.Create(tn)
	if err != nil {
		t.Fatal(err)
	}
	// Who is named in the former log alone is found all the same.
	if found, _, err := loc.Store.FindPeople(ctx, "kessler"); err != nil || len(found) == 0 || !slices.Contains(found[0].Tenants, tn) {
		t.Errorf("found: %+v, %v", found, err)
	}
	mustAppend(t, young, event("20", c.t, map[string]any{"author": 0}, atForge))
	done, err := loc.Store.Erase(ctx, store.EraseRequest{Subject: identityOf(atForge)})
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Logs) != 3 || done.Logs[0].Former || !done.Logs[1].Former || done.Logs[0].Record == 0 || done.Logs[1].Record != done.Logs[0].Record {
		t.Errorf("erased: %+v", done)
	}
	for range 2 {
		prior, err := loc.Store.Prior(tn)
		if err != nil || len(prior) != 1 {
			t.Fatal(prior, err)
		}
		rep, err := prior[0].VerifyEnded(ctx)
		if err != nil || !rep.OK() {
			t.Errorf("the former log: %+v, %v", rep, err)
		}
		deep, err := prior[0].Verify(ctx, store.VerifyOptions{Deep: true})
		if err != nil || deep.Missing != 0 || deep.Erased == 0 {
			t.Errorf("the former log, opened: %+v, %v", deep, err)
		}
		if bytes.Contains(everything(t, prior[0]), []byte("mira.kessler@")) {
			t.Error("the former log names the person still")
		}
		if err := prior[0].RebuildIndex(); err != nil {
			t.Fatal(err)
		}
		if err := loc.Close(); err != nil {
			t.Fatal(err)
		}
		loc = openDir(t, dir, c)
	}
}

// Whoever appends while somebody is erased gets either the old token before the
// erasure record or a new one after it.
func TestEraseWhileAppending(t *testing.T) {
	c := &clock{start}
	loc := openDir(t, filepath.Join(t.TempDir(), "data"), c)
	plant(t, loc, c)
	one := logOf(t, loc, "tenant-1")
	keys, err := loc.Keys.Tenant(tenant(t, "tenant-1"), false)
	if err != nil {
		t.Fatal(err)
	}
	old, err := keys.Lookup([]store.Identity{identityOf(atForge)})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	half := make(chan struct{}, 4)
	for w := range 4 {
		wg.Go(func() {
			for i := range 60 {
				if i == 20 {
					half <- struct{}{}
				}
				if _, err := one.Append(t.Context(), []store.Item{event(fmt.Sprintf("w%d-%d", w, i), start, map[string]any{"author": 0}, atForge)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 4 {
		<-half
	}
	done, err := loc.Store.Erase(t.Context(), store.EraseRequest{Subject: identityOf(atForge)})
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	snap := one.Snapshot()
	for seq := done.Logs[0].Record; seq < snap.Size(); seq++ {
		rec, err := snap.Record(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(rec.People, func(p evidence.Party) bool { return p.Token == old[0].Token }) {
			t.Errorf("record %d, after the erasure record %d, has the old token", seq, done.Logs[0].Record)
		}
	}
	if rep, err := one.Verify(t.Context(), store.VerifyOptions{Deep: true}); err != nil || !rep.OK() || rep.Missing > 0 || rep.Erased == 0 {
		t.Errorf("verified: %+v, %v", rep, err)
	}
}

// A log that never knew the person is searched too, and one in which something
// is damaged: what was erased is told all the same.
func TestEraseSearchesEveryLog(t *testing.T) {
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	loc := openDir(t, dir, c)
	plant(t, loc, c)
	never := logOf(t, loc, "tenant-3")
	it := event("5", c.t, map[string]any{"v": "fix/mira-kessler"}, colleague)
	it.Draft.Text = []byte("asked Mira Kessler-Øst")
	r := mustAppend(t, never, it)
	damaged := logOf(t, loc, "tenant-2")
	mustAppend(t, damaged, event("6", c.t, map[string]any{"v": 1}, colleague))
	if err := loc.Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, filepath.Join(dir, "tenants", damaged.LogID(), "log", "0001.db"), func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("r"))
		k, v := b.Cursor().Last()
		v = bytes.Clone(v)
		v[len(v)-1] ^= 1
		return b.Put(bytes.Clone(k), v)
	})
	loc = openDir(t, dir, c)
	done, err := loc.Store.Erase(t.Context(), store.EraseRequest{Subject: identityOf(atForge)})
	if err != nil {
		t.Fatal(err)
	}
	// The other tenant knows an account that nobody linked with this one.
	at := slices.IndexFunc(done.Elsewhere, func(l store.ErasedLog) bool { return l.Tenant == never.Tenant() })
	if at < 0 || len(done.Elsewhere[at].Tokens) != 0 || len(done.Elsewhere[at].Still) != 2 {
		t.Fatalf("elsewhere, want content and text of one record: %+v", done.Elsewhere)
	}
	for _, n := range done.Elsewhere[at].Still {
		if n.Seq != r.Seqs[0] {
			t.Errorf("record %d is said to name the person, want %d alone", n.Seq, r.Seqs[0])
		}
	}
	if done, err = loc.Store.Erase(t.Context(), store.EraseRequest{Subject: identityOf(atVault)}); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, l := range done.Logs {
		found = found || l.Tenant == damaged.Tenant() && l.Damaged == 1 && l.Record > 0
	}
	if !found {
		t.Errorf("beside damage: %+v", done.Logs)
	}
}
