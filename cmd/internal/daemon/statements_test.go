package daemon

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"evidenced/cmd/internal/alert"
	"evidenced/cmd/internal/api"
	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings/statement"
	"evidenced/reports/gaps"
	"evidenced/reports/today"
	"evidenced/store"
)

// state runs the operation on the engine.
func state(t *testing.T, e *Engine, p api.StatementParams) (string, error) {
	t.Helper()
	if p.Tenant == "" {
		p.Tenant = "tenant-1"
	}
	if p.Type == "" {
		p.Type = statement.Waiver
	}
	return operation(t, e, "statement", p)
}

func operation(t *testing.T, e *Engine, op string, params any) (string, error) {
	t.Helper()
	raw, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err = api.Run(t.Context(), e, api.Caller{UID: 1000, Via: "direct"}, op, raw, &api.Out{Header: func(string) error { return nil }, Body: &b})
	return b.String(), err
}

// penSSH makes an SSH key, writes its allowed signers file and returns what
// signs by it.
func penSSH(t *testing.T, file, options string) func(namespace, text string) []byte {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("somebody@bank.example "+options+string(ssh.MarshalAuthorizedKey(key.PublicKey()))), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(namespace, text string) []byte {
		sig, err := sshsig.Sign(strings.NewReader(text), key, sshsig.HashSHA512, namespace)
		if err != nil {
			t.Fatal(err)
		}
		return sshsig.Armor(sig)
	}
}

func penPGP(t *testing.T, file string, at time.Time) func(text string) []byte {
	t.Helper()
	e, err := openpgp.NewEntity("Officer", "", "officer@bank.example", &packet.Config{Time: func() time.Time { return at }, Algorithm: packet.PubKeyAlgoEdDSA})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Serialize(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(text string) []byte {
		var b bytes.Buffer
		if err := openpgp.ArmoredDetachSign(&b, e, strings.NewReader(text), &packet.Config{Time: func() time.Time { return at }}); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
}

const signersConfig = `statements:
  signers:
    - {account: "github:prod|70", signer_file: maker.allowed}
    - {account: "github:prod|71", signer_file: approver.asc}
    - {account: "github:prod|1", signer_file: zuzanna.allowed}
    - {account: "github:prod|72", signer_file: old.allowed}
`

// office is an engine with a change that nobody approved, and people who sign.
type office struct {
	t     *testing.T
	e     *Engine
	clock *testClock
	src   *testSource
	dir   string

	maker, author, old func(namespace, text string) []byte
	approver           func(text string) []byte
}

func newOffice(t *testing.T, more string) *office {
	t.Helper()
	o := &office{t: t, clock: &testClock{begin}, dir: t.TempDir()}
	in := func(name string) string { return filepath.Join(o.dir, name) }
	o.maker, o.author = penSSH(t, in("maker.allowed"), ""), penSSH(t, in("zuzanna.allowed"), "")
	o.old = penSSH(t, in("old.allowed"), `valid-before="20261001" `)
	o.approver = penPGP(t, in("approver.asc"), begin)
	o.e, o.src = mustEngine(t, o.dir, o.clock, "tenant-1 tenant-2", signersConfig+more, nil)
	o.src.sees = []string{"acme/1"}
	o.collect(mergeDraft("acme/1", 1, o.clock.t.Add(-time.Minute), true))
	o.collect(mergeDraft("acme/1", 2, o.clock.t.Add(time.Minute), false))
	judgeNow(t, o.e)
	if s := standing(t, o.e, "tenant-1", "chg-approved"); s.Status != evidence.NotSatisfied {
		t.Fatalf("the change is %s", s.Status)
	}
	return o
}

// collect looks an hour later.
func (o *office) collect(ds ...evidence.Draft) {
	o.t.Helper()
	o.clock.t = o.clock.t.Add(time.Hour)
	o.src.emit = ds
	if _, err := o.e.Collect(o.t.Context(), "", false); err != nil {
		o.t.Fatal(err)
	}
	o.src.emit = nil
}

// draft drafts a waiver of the control until a day.
func (o *office) draft(name, until string) string {
	o.t.Helper()
	text, err := state(o.t, o.e, api.StatementParams{Act: "draft", Name: name, Maker: "github:prod|70", Controls: []string{"dora-art-9-4-e"}, Until: until, Reason: "moving to the new forge"})
	if err != nil {
		o.t.Fatalf("draft: %s", problem.Text("x", err))
	}
	return text
}

func (o *office) add(text string, signatures ...[]byte) error {
	o.t.Helper()
	_, err := state(o.t, o.e, api.StatementParams{Act: "add", Text: []byte(text), Signatures: signatures})
	return err
}

func (o *office) gaps() gaps.Tenant {
	o.t.Helper()
	s, err := operation(o.t, o.e, "gaps", api.GapsParams{Common: api.Common{Tenant: "tenant-1", JSON: true}, Law: "dora"})
	if err != nil {
		o.t.Fatal(err)
	}
	var r gaps.Report
	if err := json.Unmarshal([]byte(s), &r); err != nil {
		o.t.Fatal(err)
	}
	return r.Tenants[0]
}

// needed says why the control needs somebody; "" when it does not.
func needed(x gaps.Tenant) string {
	for _, g := range x.Needs {
		if g.Control == "dora-art-9-4-e" {
			return g.Why
		}
	}
	return ""
}

// A waiver by two signatures, on the real store: over a restart, until its end,
// and verified in depth. Nothing of whom it names stands outside the sealed
// texts of people.
func TestWaiverBySignatures(t *testing.T) {
	o := newOffice(t, "alerts: {hold: 0s, release: 0s, to: [{name: hook, type: webhook, url: 'http://127.0.0.1:9', secret_file: hook.secret}]}\n")
	open := func() {
		t.Helper()
		var err error
		if o.e.alerts, err = o.e.openAlerts(); err != nil {
			t.Fatal(err)
		}
	}
	open()
	fires := func() (n int) {
		t.Helper()
		judgeNow(t, o.e)
		if _, err := o.e.alerts.board.Step(o.e.Now()); err != nil {
			t.Fatal(err)
		}
		for _, a := range o.e.alerts.board.Alerts() {
			if a.State == alert.Firing && a.Cause.Name == alert.NotSatisfied && a.Cause.Test == "chg-approved" && slices.Contains(a.Controls, evidence.ControlID("dora-art-9-4-e")) {
				n++
			}
		}
		return n
	}
	if fires() != 1 {
		t.Fatal("the failure is not alerted")
	}
	text := o.draft("new-forge", "2026-11-08")
	if err := o.add(text, o.maker(statement.Namespace, text), o.approver(text)); err != nil {
		t.Fatalf("%s", problem.Text("x", err))
	}
	if fires() != 0 {
		t.Error("it is alerted although it is accepted")
	}
	if err := o.e.Close(); err != nil {
		t.Fatal(err)
	}
	o.e, o.src = mustEngine(t, o.dir, o.clock, "tenant-1 tenant-2", signersConfig+"alerts: {hold: 0s, release: 0s, to: [{name: hook, type: webhook, url: 'http://127.0.0.1:9', secret_file: hook.secret}]}\n", nil)
	o.src.sees = []string{"acme/1"}
	open()
	if fires() != 0 {
		t.Error("after a restart it is alerted")
	}
	if s := standing(t, o.e, "tenant-1", "chg-approved"); s.Status != evidence.NotSatisfied {
		t.Errorf("the waiver changed the status to %s", s.Status)
	}
	if x := o.gaps(); len(x.Waived) != 1 || x.Waived[0].Control != "dora-art-9-4-e" || x.Waived[0].Status != evidence.NotSatisfied || needed(x) != "" {
		t.Errorf("gaps: waived %d, needs %s", len(x.Waived), needed(x))
	}
	s, err := operation(t, o.e, "today", api.TodayParams{Common: api.Common{Tenant: "tenant-1", JSON: true}})
	var day today.Report
	if err == nil {
		err = json.Unmarshal([]byte(s), &day)
	}
	if err != nil || len(day.Due) != 1 || day.Due[0].What != "waiver" {
		t.Errorf("due: %+v %v", day.Due, err)
	}
	o.clock.t = time.Date(2026, 11, 8, 23, 0, 0, 0, time.UTC)
	o.collect()
	if fires() != 1 { // at midnight it is over
		t.Error("it ran out and nobody is alerted")
	}
	if x := o.gaps(); len(x.Waived) != 0 || !strings.Contains(needed(x), "waiver new-forge: it ran out") {
		t.Errorf("after its end: waived %d, needs %s", len(x.Waived), needed(x))
	}
	rep, err := o.e.Verify(t.Context(), mustTenant(t, "tenant-1"), api.VerifyRequest{Deep: true, Progress: quiet})
	if err != nil || !rep.OK() {
		t.Errorf("verify: %+v %v", rep, err)
	}
	o.checkNames()
}

// checkNames looks for the two accounts outside people and text.
func (o *office) checkNames() {
	o.t.Helper()
	r, err := o.e.Reader(o.t.Context(), mustTenant(o.t, "tenant-1"))
	if err != nil {
		o.t.Fatal(err)
	}
	found := false
	for rec, err := range r.Records(o.t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.Waiver}, WithText: true}) {
		if err != nil {
			o.t.Fatal(err)
		}
		found = true
		open := string(rec.Facts) + rec.Key + rec.Subject.String()
		for _, l := range rec.Links {
			open += l.String()
		}
		for _, name := range []string{"github:prod", "|70", "|71", "officer", "bank.example", "SIGNATURE", "new forge"} {
			if strings.Contains(open, name) {
				o.t.Errorf("record %d holds %q outside people and text: %s", rec.Seq, name, open)
			}
		}
		if len(rec.People) != 2 || !strings.Contains(string(rec.Text), "maker: github:prod|70") || !strings.Contains(string(rec.Text), "BEGIN PGP SIGNATURE") {
			o.t.Errorf("record %d: %+v\n%s", rec.Seq, rec.People, rec.Text)
		}
	}
	if !found {
		o.t.Error("no waiver is recorded")
	}
}

// Every signature that does not count leaves nothing in the log.
func TestSignaturesThatDoNotCount(t *testing.T) {
	o := newOffice(t, "")
	text := o.draft("w", "2026-11-20")
	n := statement.Namespace
	stranger := penSSH(t, filepath.Join(t.TempDir(), "k"), "")
	log, err := o.e.local.Store.Log(mustTenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, text string
		signatures [][]byte
		code       problem.Code
		want       string
	}{
		{"none", text, nil, problem.Refused, "nobody approved it"},
		{"the maker's alone", text, [][]byte{o.maker(n, text)}, problem.Refused, "the approver is the maker"},
		{"the maker's twice", text, [][]byte{o.maker(n, text), o.maker(n, text)}, problem.Refused, "the approver is the maker"},
		{"the approver's alone", text, [][]byte{o.approver(text)}, problem.Refused, "nothing proves that its maker made it"},
		{"a stranger's", text, [][]byte{o.maker(n, text), stranger(n, text)}, problem.Refused, "no configured signer's"},
		{"of an expired key", text, [][]byte{o.maker(n, text), o.old(n, text)}, problem.Refused, "not good at this time"},
		{"for git", text, [][]byte{o.maker("git", text), o.approver(text)}, problem.Refused, "another purpose"},
		{"over another text", text, [][]byte{o.maker(n, text), o.approver(text + " ")}, problem.Refused, "other bytes"},
		{"text changed after", strings.Replace(text, "new forge", "old forge", 1), [][]byte{o.maker(n, text), o.approver(text)}, problem.Refused, "other bytes"},
		{"until changed after", strings.Replace(text, "until: 2026-11", "until: 2027-09", 1), [][]byte{o.maker(n, text), o.approver(text)}, problem.Refused, "other bytes"},
		{"no signature", text, [][]byte{[]byte("yes"), o.approver(text)}, problem.Refused, "neither an armored"},
		{"cut short", text, [][]byte{o.maker(n, text)[:60], o.approver(text)}, problem.Refused, "does not count"},
		{"who failed", text, [][]byte{o.maker(n, text), o.author(n, text)}, problem.Refused, "its approver did what failed in record"},
		{"three persons", text, [][]byte{o.maker(n, text), o.approver(text), o.author(n, text)}, problem.Usage, "two persons beside the maker"},
		{"far too many", text, [][]byte{nil, nil, nil, nil, nil}, problem.Usage, "at most 4"},
		{"no text", "", [][]byte{o.maker(n, text)}, problem.Usage, "no statement is given"},
		{"another text altogether", "yes", [][]byte{o.maker(n, "yes")}, problem.Refused, "line 1"},
	} {
		size := log.Size()
		if err := o.add(tc.text, tc.signatures...); !problem.Is(err, tc.code) || !strings.Contains(problem.Text("x", err), tc.want) {
			t.Errorf("%s: %v, want %s %q", tc.name, err, tc.code, tc.want)
		}
		if log.Size() != size {
			t.Errorf("%s: %d records came of it", tc.name, log.Size()-size)
		}
	}
	// As another type, or for another tenant, it is nothing either.
	if _, err := state(t, o.e, api.StatementParams{Type: statement.Scope, Act: "add", Text: []byte(text), Signatures: [][]byte{o.maker(n, text), o.approver(text)}}); !problem.Is(err, problem.Usage) {
		t.Errorf("as a scope statement: %v", err)
	}
	if _, err := state(t, o.e, api.StatementParams{Common: api.Common{Tenant: "tenant-2"}, Act: "add", Text: []byte(text), Signatures: [][]byte{o.maker(n, text), o.approver(text)}}); !problem.Is(err, problem.Refused) {
		t.Errorf("for another tenant: %v", err)
	}
	// A key that was taken out counts no more, without a restart.
	if err := os.WriteFile(filepath.Join(o.dir, "maker.allowed"), []byte("# gone\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := o.add(text, o.maker(n, text), o.approver(text)); !problem.Is(err, problem.Refused) || !strings.Contains(err.Error(), "no configured signer's") {
		t.Errorf("a key that was taken out: %v", err)
	}
}

// A key in two persons' files is nobody's.
func TestOneKeyOfTwoPersons(t *testing.T) {
	o := newOffice(t, "")
	text := o.draft("w", "2026-11-20")
	b, err := os.ReadFile(filepath.Join(o.dir, "maker.allowed"))
	if err == nil {
		err = os.WriteFile(filepath.Join(o.dir, "old.allowed"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := o.add(text, o.maker(statement.Namespace, text), o.approver(text)); !problem.Is(err, problem.Refused) || !strings.Contains(err.Error(), "two persons") {
		t.Errorf("got %v", err)
	}
	dir := t.TempDir()
	if _, _, err := engineIn(t, dir, o.clock, "tenant-1", signersConfig, nil); !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), "maker.allowed") {
		t.Errorf("no file of keys: %v", err)
	}
}

// Erasing who made a waiver takes its words and leaves its effect: two persons
// stood behind it when it was recorded.
func TestMakerIsErased(t *testing.T) {
	o := newOffice(t, "")
	text := o.draft("w", "2026-11-20")
	if err := o.add(text, o.maker(statement.Namespace, text), o.approver(text)); err != nil {
		t.Fatal(err)
	}
	res, err := o.e.Erase(t.Context(), store.EraseRequest{Subject: store.Identity{Realm: "github:prod", NativeID: "70"}, Authority: "file 9", By: "1000"})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range res.Logs {
		if len(l.Still) > 0 || l.More > 0 {
			t.Errorf("claims still name the maker: %+v", l.Still)
		}
	}
	judgeNow(t, o.e)
	if x := o.gaps(); len(x.Waived) != 1 {
		t.Errorf("waived %d, needs %s", len(x.Waived), needed(x))
	}
	s, err := state(t, o.e, api.StatementParams{Act: "show", Name: "w"})
	if err != nil || strings.Contains(s, "new forge") || !strings.Contains(s, "erased person") || !strings.Contains(s, "its text cannot be read: erased") {
		t.Errorf("shown after: %v\n%s", err, s)
	}
}

// gitSource is a source that keeps files of commits.
type gitSource struct {
	testSource
	files map[string]string // commit and path -> bytes
}

func (g *gitSource) Holds(_ context.Context, commit, path string, want []byte) (found, same bool, err error) {
	for k, v := range g.files {
		if c, p, _ := strings.Cut(k, " "); c == commit {
			found, same = true, same || p == path && v == string(want)
		}
	}
	return found, same, nil
}

var _ collectors.Collector = (*gitSource)(nil)

// Which repository has a commit is found by the commit alone; a source without
// files is passed over.
func TestHoldsFile(t *testing.T) {
	o := newOffice(t, "")
	if _, err := o.e.HoldsFile(t.Context(), strings.Repeat("a", 40), "a.txt", nil); !problem.Is(err, problem.NotFound) || !strings.Contains(problem.Text("x", err), "a source of type git") {
		t.Errorf("no source of git: %v", err)
	}
	one, two := &gitSource{files: map[string]string{"c1 a.txt": "a"}}, &gitSource{files: map[string]string{"c2 a.txt": "b"}}
	for _, g := range []*gitSource{one, two} {
		o.e.sources = append(o.e.sources, &source{runner: &collectors.Runner{Collector: g}})
	}
	defer func() { o.e.sources = o.e.sources[:1] }()
	for _, tc := range []struct {
		commit, want string
		same         bool
		code         problem.Code
	}{{"c1", "a", true, ""}, {"c2", "b", true, ""}, {"c2", "a", false, ""}, {"c3", "a", false, problem.NotFound}} {
		same, err := o.e.HoldsFile(t.Context(), tc.commit, "a.txt", []byte(tc.want))
		if same != tc.same || tc.code == "" && err != nil || tc.code != "" && !problem.Is(err, tc.code) {
			t.Errorf("%s %q: %v %v", tc.commit, tc.want, same, err)
		}
	}
}

// A pack tells a waived failure as a failure, with the waiver beside it, and the
// verifier counts it apart; the waiver may be older than the range.
func TestPackTellsWaivers(t *testing.T) {
	o := newOffice(t, "")
	text := o.draft("new-forge", "2026-11-20")
	if err := o.add(text, o.maker(statement.Namespace, text), o.approver(text)); err != nil {
		t.Fatal(err)
	}
	word, err := state(t, o.e, api.StatementParams{Type: statement.Attestation, Act: "draft", Name: "register", Maker: "github:prod|70", Controls: []string{"gdpr-art-30-1-g"}, Until: "2026-12-31", Reason: "the board approved =it (x) Tj <b>"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := state(t, o.e, api.StatementParams{Type: statement.Attestation, Act: "add", Text: []byte(word), Signatures: [][]byte{o.maker(statement.Namespace, word), o.approver(word)}}); err != nil {
		t.Fatal(err)
	}
	if err := o.e.Checkpoints(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		o.collect()
	}
	for _, tc := range []struct {
		name     string
		period   evidence.Period
		waived   bool
		failures bool
	}{
		{"while it is in force", evidence.Period{From: begin, To: begin.Add(30 * time.Hour)}, true, true},
		{"before it was", evidence.Period{From: begin, To: begin.Add(2*time.Hour - time.Minute)}, false, true},
		{"long after it was recorded", evidence.Period{From: begin.Add(20 * time.Hour), To: begin.Add(30 * time.Hour)}, true, false},
	} {
		var buf bytes.Buffer
		if _, err := o.e.Pack(t.Context(), api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: tc.period, Raw: "none", Progress: quiet}, &buf); err != nil {
			t.Fatal(err)
		}
		sameVerdict(t, buf.Bytes())
		rep, err := verifyBytes(buf.Bytes(), "")
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got := rep.Waived != nil && rep.Waived.Whole > 0; got != tc.waived {
			t.Errorf("%s: waived %+v", tc.name, rep.Waived)
		}
		if n := rep.Findings[string(evidence.NotSatisfied)]; tc.failures && n == 0 {
			t.Errorf("%s: the failures are gone: %v", tc.name, rep.Findings)
		}
	}
}

// What loosens the evidence is a finding and a list of the pack, whatever it
// was: the configuration, a limit, a filter, a rule.
func TestPackTellsLoosening(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	rules := filepath.Join(dir, "own")
	if err := os.MkdirAll(rules, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(pairs ...string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(rules, "own.yaml"), []byte(strings.NewReplacer(pairs...).Replace(looseRules)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var e *Engine
	var src *testSource
	open := func(more string) {
		t.Helper()
		if e != nil {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
		e, src = mustEngine(t, dir, clock, "tenant-1", "catalogs: own\n"+more, nil)
		src.sees = []string{"acme/1"}
		clock.t = clock.t.Add(time.Hour)
		if _, err := e.Collect(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
	}
	write()
	open("checkpoint: {every: 1m}\n")
	judgeNow(t, e)
	if s := standing(t, e, "tenant-1", "evidence-kept"); s.Status != evidence.Satisfied {
		t.Errorf("at first: %s %s", s.Status, s.Summary)
	}
	write("population: item.type == 'request'", "population: item.type == 'request' && item.branch == 'main'", "item.commits < 20", "item.commits < 200")
	open("checkpoint: {every: 10m}\n")
	write("population: item.type == 'request'", "population: item.type == 'request' && item.branch == 'main'", "item.commits < 20", "item.commits < 200", ", {test: house-two, strength: partial}", "")
	open("checkpoint: {every: 10m}\n")
	judgeNow(t, e)
	if s := standing(t, e, "tenant-1", "evidence-kept"); s.Status != evidence.NotSatisfied || len(s.Failed) != 3 {
		t.Errorf("after: %s %v %s", s.Status, s.Failed, s.Summary)
	}
	for range 30 {
		clock.t = clock.t.Add(time.Hour)
		if _, err := e.Collect(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
	}
	pack := func(p evidence.Period) []string {
		t.Helper()
		var buf bytes.Buffer
		if _, err := e.Pack(t.Context(), api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: p, Raw: "none", Progress: quiet}, &buf); err != nil {
			t.Fatal(err)
		}
		sameVerdict(t, buf.Bytes())
		rep, err := verifyBytes(buf.Bytes(), "")
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, l := range rep.Loosened {
			if !strings.HasPrefix(l.By, "uid ") {
				t.Errorf("record %d does not say who", l.Seq)
			}
			out = append(out, l.Says...)
		}
		return out
	}
	want := []string{
		"checkpoints are up to 10m0s apart instead of 1m0s",
		`test house-one looks at fewer items: "item.type == 'request' && item.branch == 'main'" instead of "item.type == 'request'"`,
		`test house-one asks for less: "item.commits < 200" instead of "item.commits < 20"`,
		"control house-1 is no longer tested by house-two",
	}
	if got := pack(evidence.Period{From: begin, To: begin.Add(5 * time.Hour)}); !slices.Equal(got, want) {
		t.Errorf("loosened %q, want %q", got, want)
	}
	if got := pack(evidence.Period{From: begin.Add(20 * time.Hour), To: begin.Add(25 * time.Hour)}); len(got) != 0 {
		t.Errorf("loosened in a quiet period: %q", got)
	}
}

const looseRules = `version: 1
acts:
  - {id: house, name: House rules, title: Rules of our own house, in_force_since: 2026-01-01, addressee: us}
tests:
  - id: house-one
    title: One
    says: changes are small
    view: changes
    population: item.type == 'request'
    assert: item.commits < 20
    window: 90d
    freshness: 24h
    least: reconstructed
    empty: satisfied
  - id: house-two
    title: Two
    says: two holds
    view: changes
    assert: item.reviewed_by_other
    window: period
    freshness: 24h
    least: reconstructed
    empty: satisfied
controls:
  - id: house-1
    act: house
    article: Art. 1
    title: One
    objective: Hold one.
    severity: low
    cannot_prove: Much.
    tests: [{test: house-one, strength: direct}, {test: house-two, strength: partial}]
`
