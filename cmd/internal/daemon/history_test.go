package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/timestamp"
	"evidenced/evidence/timestamp/timestamptest"
	"evidenced/evidence/witness"
	"evidenced/reports/pack"
	"evidenced/store"
)

// machine is a data directory with its keys, as it stands at a moment. It can
// be copied, as a backup or the image of a virtual machine is.
type machine struct {
	t     testing.TB
	dir   string
	clock *testClock
	src   *testSource
	e     *Engine
	did   int // hours collected
}

func newMachine(t testing.TB) *machine {
	m := &machine{t: t, dir: t.TempDir(), clock: &testClock{begin}, src: &testSource{}}
	m.e = openEngine(t, m.dir, m.clock, m.src)
	return m
}

// hours collects so many hours, a change each; first numbers the changes.
func (m *machine) hours(n, first int) {
	m.t.Helper()
	for i := range n {
		m.collect(first + i)
	}
}

func (m *machine) collect(numbers ...int) {
	m.t.Helper()
	m.src.emit = nil
	for _, n := range numbers {
		m.src.emit = append(m.src.emit, mergeDraft("acme/one", n, m.clock.t.Add(-time.Minute), n%7 != 6), mergeDraft("acme/two", n, m.clock.t.Add(-time.Minute), true))
	}
	if _, err := m.e.Collect(m.t.Context(), "", false); err != nil {
		m.t.Fatal(err)
	}
	m.clock.t = m.clock.t.Add(time.Hour)
	m.did++
}

func hour(n int) time.Time { return begin.Add(time.Duration(n) * time.Hour) }

// pack makes a pack of the hours and writes it to a file.
func (m *machine) pack(tenant string, from, to int) string {
	m.t.Helper()
	path := filepath.Join(m.t.TempDir(), "pack.zip")
	f, err := os.Create(path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	q := api.PackRequest{Tenant: mustTenant(m.t, tenant), Period: evidence.Period{From: hour(from), To: hour(to)}, Raw: "exceptions", Progress: func(_, _ uint64) {}}
	if _, err := m.e.Pack(m.t.Context(), q, f); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// image copies the whole directory, sign-state and keys too.
func (m *machine) image() *machine {
	m.t.Helper()
	if err := m.e.Close(); err != nil {
		m.t.Fatal(err)
	}
	c := &machine{t: m.t, dir: m.t.TempDir(), clock: &testClock{m.clock.t}, src: &testSource{}, did: m.did}
	if err := os.CopyFS(c.dir, os.DirFS(m.dir)); err != nil {
		m.t.Fatal(err)
	}
	// CopyFS does not keep modes; a data directory that others may read is refused.
	if err := filepath.Walk(c.dir, func(path string, st os.FileInfo, err error) error {
		if err != nil || st.IsDir() {
			return errors.Join(err, os.Chmod(path, 0o700))
		}
		return os.Chmod(path, 0o600)
	}); err != nil {
		m.t.Fatal(err)
	}
	m.e, c.e = openEngine(m.t, m.dir, m.clock, m.src), openEngine(m.t, c.dir, c.clock, c.src)
	return c
}

// twins are two copies of one machine, after ten hours, and the size of the
// log of tenant-1 where they part. (Each records its configuration anew: it
// stands in another directory.)
func twins(t testing.TB) (a, b *machine, size uint64) {
	t.Helper()
	m := newMachine(t)
	m.hours(10, 0)
	log, err := m.e.Local().Store.Log(mustTenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	return m.image(), m.image(), log.Size()
}

func (m *machine) trust() string {
	m.t.Helper()
	log, err := m.e.Local().Store.Log(mustTenant(m.t, "tenant-1"))
	if err != nil {
		m.t.Fatal(err)
	}
	return fmt.Sprintf("tenant-1 %s %s %s # since the first audit\n", log.Origin(), m.e.Local().LogKey.Verifier, m.e.Local().PackKey.Verifier)
}

var verifier = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "evidence-verify")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "evidence-verify")
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", bin, "evidenced/cmd/evidence-verify")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is released
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build evidence-verify: %w\n%s", err, out)
	}
	return bin, nil
})

// audit runs the auditor's program and returns what it says and its exit code.
func audit(t testing.TB, args ...string) (string, int) {
	t.Helper()
	bin, err := verifier()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// secondOpinion runs the second implementation, which shares no code with the first,
// and returns what it says and its exit code.
func secondOpinion(t testing.TB, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "python3", append([]string{"../../../testdata/vectors/verify.py"}, args...)...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// sameOpinion requires that both implementations say the same, line by line, to
// one who gives them packs alone.
func sameOpinion(t testing.TB, args ...string) {
	t.Helper()
	want, code := audit(t, args...)
	if got, n := secondOpinion(t, args...); got != want || n != code {
		t.Errorf("%q: the second implementation says, with exit code %d:\n%s\nthe first one, with %d:\n%s", args, n, got, code, want)
	}
}

// sameVerdict is sameOpinion of a pack that is in no file yet.
func sameVerdict(t testing.TB, b []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pack.zip")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	sameOpinion(t, path)
}

func report(t testing.TB, path string) *pack.Report {
	t.Helper()
	rep, err := pack.VerifyFile(path, pack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// closing is the tree that a pack closes with, as "size N ... root".
func closing(t testing.TB, path string) (uint64, evidence.Hash) {
	t.Helper()
	rep, err := pack.ExtendsFile(path, path, pack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return rep.Extends.Size, rep.Extends.Root
}

// Two packs of one log, years apart or overlapping, are one history.
func TestPacksExtendOneAnother(t *testing.T) {
	m := newMachine(t)
	m.hours(10, 0)
	first := m.pack("tenant-1", 2, 8)
	m.hours(10, 10)
	second := m.pack("tenant-1", 3, 18)
	m.hours(10, 20)
	third := m.pack("tenant-1", 22, 28)
	trust := filepath.Join(t.TempDir(), "trust")
	if err := os.WriteFile(trust, []byte(m.trust()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, newer, older string
		want               string
	}{
		{"the next, the earlier period inside", second, first, "one history, shown by the records themselves"},
		{"the one after, apart", third, first, "one history, shown by consistency proof"},
		{"the one after, apart from the second", third, second, "one history, shown by consistency proof"},
		{"itself", second, second, "the earlier pack was sealed after this one had closed"},
	} {
		out, code := audit(t, tc.newer, "--extends", tc.older, "--trust", trust)
		size, root := closing(t, tc.older)
		want := fmt.Sprintf("extends   the earlier pack, which closed at size %d with root %s", size, root)
		if code != 0 || !strings.Contains(out, want) || !strings.Contains(out, tc.want) {
			t.Errorf("%s: exit code %d:\n%s\nwant %s\n... %s", tc.name, code, out, want, tc.want)
		}
		sameOpinion(t, tc.newer, "--extends", tc.older)
		if tc.newer != tc.older && !strings.Contains(out, fmt.Sprintf("record %d, which sealed the earlier pack, stands in it", report(t, tc.older).Issued)) {
			t.Errorf("%s: the record of issue is not found:\n%s", tc.name, out)
		}
	}
	if out, code := audit(t, third, "--extends", filepath.Join(t.TempDir(), "none.zip")); code != 64 || strings.Contains(out, "FAILED") {
		t.Errorf("no earlier pack: exit code %d:\n%s", code, out)
	}
	damaged, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	damaged[len(damaged)/2] ^= 1
	bad := filepath.Join(t.TempDir(), "damaged.zip")
	if err := os.WriteFile(bad, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := audit(t, third, "--extends", bad); code != 2 || !strings.HasPrefix(out, "FAILED    the earlier pack does not verify: ") {
		t.Errorf("damaged earlier pack: exit code %d:\n%s", code, out)
	}
}

// What is no continuation is found from the two packs alone. The forger here
// has everything: data, keys and sign-state.
func TestTwoHistories(t *testing.T) {
	fork := func(size uint64, a, b evidence.Hash, first uint64) string {
		return fmt.Sprintf("FAILED    two histories: at size %d the earlier pack's log has root %s, this one's %s; record %d is the first that differs\n", size, a, b, first)
	}
	for _, tc := range []struct {
		name string
		make func(t *testing.T) (newer, older, want string)
	}{
		{"rewritten after the copy", func(t *testing.T) (string, string, string) {
			a, b, at := twins(t)
			a.hours(6, 10)
			b.hours(6, 50)
			older := a.pack("tenant-1", 2, 14)
			twin := b.pack("tenant-1", 2, 14)
			b.hours(4, 60)
			newer := b.pack("tenant-1", 2, 18)
			size, root := closing(t, older)
			_, other := closing(t, twin)
			return newer, older, fork(size, root, other, at)
		}},
		{"rewritten after the copy, ranges apart", func(t *testing.T) (string, string, string) {
			a, b, _ := twins(t)
			a.hours(6, 10)
			b.hours(6, 50)
			older := a.pack("tenant-1", 2, 14)
			twin := b.pack("tenant-1", 2, 14) // of the same size, so that there is a proof of another root
			b.hours(10, 60)
			newer := b.pack("tenant-1", 18, 24)
			size, root := closing(t, older)
			_, other := closing(t, twin)
			return newer, older, fmt.Sprintf("FAILED    two histories: at size %d the earlier pack's log has root %s, this one's %s\n", size, root, other)
		}},
		{"no proof", func(t *testing.T) (string, string, string) {
			a, b, _ := twins(t)
			a.hours(6, 10)
			b.hours(16, 50)
			older := a.pack("tenant-1", 2, 14)
			newer := b.pack("tenant-1", 20, 24)
			size, _ := closing(t, older)
			return newer, older, fmt.Sprintf("FAILED    nothing in the pack shows that its log extends the earlier pack's: there is no consistency proof from size %d\n", size)
		}},
		{"old backup brought back", func(t *testing.T) (string, string, string) {
			a, b, _ := twins(t)
			a.hours(6, 10)
			older, newer := a.pack("tenant-1", 2, 14), b.pack("tenant-1", 2, 8)
			x, _ := closing(t, older)
			y, _ := closing(t, newer)
			return newer, older, fmt.Sprintf("FAILED    the log became shorter: the earlier pack closed at size %d, this one at %d; its end is lost, or an older copy was brought back\n", x, y)
		}},
		{"old backup brought back, and grown past the old size", func(t *testing.T) (string, string, string) {
			a, b, at := twins(t)
			a.hours(4, 10)
			older := a.pack("tenant-1", 2, 12)
			b.clock.t = a.clock.t // it stood still, then everything was collected at once
			b.collect(10, 11, 12, 13)
			b.hours(6, 14)
			newer := b.pack("tenant-1", 2, 18)
			size, root := closing(t, older)
			out, _ := audit(t, newer, "--extends", older)
			other := rootIn(t, out)
			if other == root {
				t.Fatalf("root %s in\n%s", other, out)
			}
			return newer, older, fork(size, root, other, at)
		}},
		{"taken back behind the earlier pack's issue", func(t *testing.T) (string, string, string) {
			a := newMachine(t)
			a.hours(10, 0)
			b := a.image()
			older := a.pack("tenant-1", -1, 8) // from where the rules stand, so that its making records nothing but its issue
			b.hours(6, 10)
			newer := b.pack("tenant-1", 2, 14)
			return newer, older, fmt.Sprintf("FAILED    two histories: record %d, which sealed the earlier pack, is another one here; the log was taken back behind it\n", report(t, older).Issued)
		}},
		{"tail cut", func(t *testing.T) (string, string, string) {
			a := newMachine(t)
			a.hours(10, 0)
			newer := a.pack("tenant-1", 2, 8)
			a.hours(5, 10)
			older := a.pack("tenant-1", 2, 13)
			x, _ := closing(t, older)
			y, _ := closing(t, newer)
			return newer, older, fmt.Sprintf("FAILED    the log became shorter: the earlier pack closed at size %d, this one at %d; its end is lost, or an older copy was brought back\n", x, y)
		}},
		{"the same records in another order", func(t *testing.T) (string, string, string) {
			a, b, at := twins(t)
			a.collect(10, 11)
			b.collect(11, 10)
			older := a.pack("tenant-1", 2, 10)
			twin := b.pack("tenant-1", 2, 10)
			b.hours(3, 12)
			newer := b.pack("tenant-1", 2, 13)
			size, root := closing(t, older)
			_, other := closing(t, twin)
			return newer, older, fork(size, root, other, at)
		}},
		{"another log of the tenant", func(t *testing.T) (string, string, string) {
			a, b := newMachine(t), newMachine(t)
			a.hours(10, 0)
			b.hours(12, 0)
			older, newer := a.pack("tenant-1", 2, 8), b.pack("tenant-1", 2, 10)
			return newer, older, fmt.Sprintf("FAILED    another log: this pack is of log %s, the earlier one of %s, and does not name it as its predecessor\n", report(t, newer).Origin, report(t, older).Origin)
		}},
		{"another tenant", func(t *testing.T) (string, string, string) {
			a := newMachine(t)
			a.hours(10, 0)
			return a.pack("tenant-1", 2, 8), a.pack("tenant-2", 2, 8), "FAILED    the earlier pack is of tenant-2, this one of tenant-1\n"
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			newer, older, want := tc.make(t)
			if got, code := audit(t, newer, "--extends", older); code != 2 || got != want {
				t.Errorf("exit code %d:\n%swant 2:\n%s", code, got, want)
			}
			sameOpinion(t, newer, "--extends", older)
			// Alone each of them is a pack without fault: only both together show it.
			for _, p := range []string{newer, older} {
				if out, code := audit(t, p); code != 0 {
					t.Errorf("alone: exit code %d:\n%s", code, out)
				}
			}
		})
	}
}

// rootIn takes the last root out of a verdict on two histories.
func rootIn(t testing.TB, out string) evidence.Hash {
	t.Helper()
	_, rest, _ := strings.Cut(out, "this one's ")
	text, _, _ := strings.Cut(rest, ";")
	h, err := evidence.ParseHash(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	return h
}

// A pack of a period that is not over says interim. When it and every lag have
// passed, a record shows that the log stood then: where nothing was recorded
// since, the rules that making the pack states anew.
func TestOpenPeriodIsInterim(t *testing.T) {
	m := newMachine(t)
	m.hours(10, 0)
	early := m.pack("tenant-1", 2, 40)
	if out, code := audit(t, early); code != 0 || !strings.Contains(out, "\ninterim   when the pack was made, records of the period could still come in\n") {
		t.Errorf("pack of a period that is not over: exit code %d:\n%s", code, out)
	}
	m.clock.t = hour(40 + 48)
	late := m.pack("tenant-1", 2, 40)
	if out, code := audit(t, late); code != 0 || strings.Contains(out, "\ninterim ") || !strings.Contains(out, " 1 platform.catalog\n") {
		t.Errorf("pack without a record after the period: exit code %d:\n%s", code, out)
	}
	m.hours(1, 90)
	final := m.pack("tenant-1", 2, 40)
	if out, code := audit(t, final); code != 0 || strings.Contains(out, "\ninterim ") {
		t.Errorf("pack made after the period with a record after it: exit code %d:\n%s", code, out)
	}
}

// outside are others who vouch for checkpoints: a time-stamping authority, two
// witnesses of two operators and a third that the auditor does not know.
type outside struct {
	tsa       *timestamptest.Authority
	witnesses []*witness.Signer
	clock     *testClock
	begin     time.Time // when the checkpoint at a range's begin was stamped
}

func newOutside(t testing.TB, clock *testClock, begin time.Time) *outside {
	t.Helper()
	o := &outside{tsa: timestamptest.New(t, timestamptest.Options{}), clock: clock, begin: begin}
	for _, name := range []string{"witness.one.example/w", "witness.two.example/w", "witness.three.example/w"} {
		skey, _, err := witness.GenerateKey(name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := witness.NewSigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		o.witnesses = append(o.witnesses, s)
	}
	return o
}

// policy asks for both known operators.
func (o *outside) policy(rung, quorum int) []byte {
	type known struct {
		Operator string `json:"operator"`
		Key      string `json:"key"`
	}
	b, _ := json.MarshalIndent(struct {
		MinRung   int      `json:"min_rung"`
		Witnesses []known  `json:"witnesses"`
		Quorum    int      `json:"quorum"`
		Policies  []string `json:"tsa_policies"`
	}{rung, []known{{"first operator", o.witnesses[0].Key()}, {"second operator", o.witnesses[1].Key()}}, quorum, []string{timestamptest.Policy.String()}}, "", " ")
	return append(b, '\n')
}

// gather implements receiptsFor.
func (o *outside) gather(key note.Verifier) receiptsFor {
	return func(_ context.Context, log *store.Log, start uint64, closing chain.Checkpoint, signed []byte) ([]pack.Receipt, error) {
		var list []pack.Receipt
		if start > 0 {
			c, note, err := log.NoteAt(start)
			if err != nil {
				return nil, err
			}
			token, err := o.stamp(note, key, o.begin)
			if err != nil {
				return nil, err
			}
			list = append(list, pack.Receipt{Kind: pack.TimeStamp, Name: "clock", Size: c.Size, Note: note, Token: token})
		}
		token, err := o.stamp(signed, key, o.clock.now())
		if err != nil {
			return nil, err
		}
		cosigned := signed
		for _, w := range o.witnesses {
			line, err := w.Cosign(closing, o.clock.now())
			if err != nil {
				return nil, err
			}
			if cosigned, err = witness.Attach(cosigned, line); err != nil {
				return nil, err
			}
		}
		path, err := log.ProveInclusion(closing.Size, closing.Size-1)
		if err != nil {
			return nil, err
		}
		proof, err := witness.Proof{Index: closing.Size - 1, Path: path, Signed: cosigned}.Encode()
		if err != nil {
			return nil, err
		}
		return append(list,
			pack.Receipt{Kind: pack.TimeStamp, Name: "clock", Size: closing.Size, Note: signed, Token: token},
			pack.Receipt{Kind: pack.Cosigned, Name: "witnesses", Size: closing.Size, Note: cosigned},
			pack.Receipt{Kind: pack.Elsewhere, Name: "repository", Rung: 2, Size: closing.Size, Note: signed},
			pack.Receipt{Kind: pack.Inclusion, Name: "last record", Size: closing.Size, Token: proof}), nil
	}
}

func (o *outside) stamp(signed []byte, key note.Verifier, at time.Time) ([]byte, error) {
	o.tsa.Clock = func() time.Time { return at }
	sum, err := timestamp.Imprint(signed, key)
	if err != nil {
		return nil, err
	}
	req, err := timestamp.Request(sum, nil, nil)
	if err != nil {
		return nil, err
	}
	resp, err := o.tsa.Answer(req)
	if err != nil {
		return nil, err
	}
	return timestamp.Response(resp)
}

// The auditor's own roots and policy decide what a receipt is worth.
func TestReceiptsOfAPack(t *testing.T) {
	m := newMachine(t)
	m.hours(12, 0)
	out := newOutside(t, m.clock, hour(5))
	key, err := note.NewVerifier(m.e.Local().LogKey.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	m.e.receipts = out.gather(key)
	p := m.pack("tenant-1", 4, 10)
	sameOpinion(t, p)
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	roots := file("roots.pem", out.tsa.RootPEM())
	others := file("others.pem", timestamptest.New(t, timestamptest.Options{}).RootPEM())
	at := evidence.FormatTime(m.clock.t.Add(time.Second)) // the authority's accuracy
	cosigned := evidence.FormatTime(m.clock.t)
	for _, tc := range []struct {
		name string
		args []string
		code int
		want []string
		not  []string
	}{
		{"nothing given", nil, 0, []string{
			"anchored  rung 1: receipt", "the maker says rung 5; what is above rung 1 was not verified here",
			"not checked, no roots of time-stamping authorities were given (--tsa-roots)\n",
			"not checked, 3 cosignatures; your policy names no witnesses\n",
			"repository (elsewhere, size", "the maker's word, a place outside holds this checkpoint",
			"last record (proof, size", "bracket   nobody but the maker vouches for the times\n",
		}, []string{"verified, signed"}},
		{"roots", []string{"--tsa-roots", roots}, 0, []string{
			"anchored  rung 4: time-stamped by CN=example time-stamps,O=Example Authority, no later than " + at + "\n",
			"the maker says rung 5; what is above rung 4", "bracket   the log stood at size ", " by " + evidence.FormatTime(hour(5).Add(time.Second)) + "; its last record was there by " + at + "\n",
		}, nil},
		{"other roots", []string{"--tsa-roots", others}, 0, []string{
			"anchored  rung 1:", "refused, time-stamp token: the certificate that signed does not lead to a trusted root\n",
		}, nil},
		{"both operators", []string{"--policy", file("both.json", out.policy(5, 2))}, 0, []string{
			"anchored  rung 5: cosigned by witnesses of first operator, second operator, at the latest at " + cosigned + "\n",
			"verified, cosigned by 2 operators, your policy asks for 2", "not checked, no roots",
		}, []string{"the maker says"}},
		{"both operators and roots", []string{"--policy", file("both5.json", out.policy(5, 2)), "--tsa-roots", roots}, 0, []string{"anchored  rung 5:", "bracket   the log stood"}, nil},
		{"too little for the policy", []string{"--policy", file("four.json", []byte(`{"min_rung":4}`))}, 2, []string{
			"FAILED    the closing checkpoint reaches anchor rung 1, your policy asks for 4\n"}, nil},
		{"too little with other roots", []string{"--policy", file("four2.json", []byte(`{"min_rung":4}`)), "--tsa-roots", others}, 2, []string{
			"FAILED    the closing checkpoint reaches anchor rung 1, your policy asks for 4\n"}, nil},
		{"other authority policies", []string{"--policy", file("oid.json", []byte(`{"tsa_policies":["2.999.2"]}`)), "--tsa-roots", roots}, 0, []string{
			"refused, time-stamp token: its policy 2.999.1 is not one of those accepted\n"}, nil},
		{"a policy that cannot be met", []string{"--policy", file("three.json", out.policy(5, 3))}, 64, []string{"quorum of 3 with 2 operators"}, nil},
		{"roots that are none", []string{"--tsa-roots", file("none.pem", []byte("none"))}, 64, []string{"no root certificate"}, nil},
	} {
		got, code := audit(t, append([]string{p}, tc.args...)...)
		if code != tc.code {
			t.Errorf("%s: exit code %d, want %d:\n%s", tc.name, code, tc.code, got)
		}
		for _, w := range tc.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: want %q in\n%s", tc.name, w, got)
			}
		}
		for _, w := range tc.not {
			if strings.Contains(got, w) {
				t.Errorf("%s: %q in\n%s", tc.name, w, got)
			}
		}
	}
}

// A receipt that does not hold together is not packed.
func TestBrokenReceiptIsNotPacked(t *testing.T) {
	m := newMachine(t)
	m.hours(8, 0)
	out := newOutside(t, m.clock, hour(4))
	key, err := note.NewVerifier(m.e.Local().LogKey.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	good := out.gather(key)
	for name, change := range map[string]func([]pack.Receipt){
		"token of the other checkpoint": func(rs []pack.Receipt) { rs[0].Token, rs[1].Token = rs[1].Token, rs[0].Token },
		"size":                          func(rs []pack.Receipt) { rs[1].Size-- },
		"note of somebody else":         func(rs []pack.Receipt) { rs[1].Note = bytes.Replace(rs[1].Note, []byte("— "), []byte("— x"), 1) },
		"no witness":                    func(rs []pack.Receipt) { rs[2].Note = rs[1].Note },
		"kind":                          func(rs []pack.Receipt) { rs[2].Kind = "telegram" },
		"no name":                       func(rs []pack.Receipt) { rs[2].Name = "" },
		"rung of a place":               func(rs []pack.Receipt) { rs[3].Rung = 4 },
	} {
		m.e.receipts = func(ctx context.Context, log *store.Log, start uint64, c chain.Checkpoint, signed []byte) ([]pack.Receipt, error) {
			rs, err := good(ctx, log, start, c, signed)
			if err == nil {
				change(rs)
			}
			return rs, err
		}
		q := api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: evidence.Period{From: hour(3), To: hour(6)}, Raw: "none", Progress: func(_, _ uint64) {}}
		if _, err := m.e.Pack(t.Context(), q, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "receipt") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

var updateSample = flag.Bool("update-sample", false, "write the sample pack of testdata/vectors anew")

// The sample is a real pack of this engine, with receipts and after two earlier
// ones. Once released it is never written anew: every later program must verify
// it.
func TestWriteSample(t *testing.T) {
	if !*updateSample {
		return
	}
	m := newMachine(t)
	m.hours(8, 0)
	m.pack("tenant-1", 1, 5)
	m.hours(6, 8)
	m.pack("tenant-1", 5, 11)
	m.hours(1, 14)
	m.src.fail = true // an hour in which nobody could look
	m.hours(1, 15)
	m.src.fail = false
	m.hours(4, 15)
	if err := m.e.Judge(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := newOutside(t, m.clock, hour(11))
	key, err := note.NewVerifier(m.e.Local().LogKey.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	m.e.receipts = out.gather(key)
	b, err := os.ReadFile(m.pack("tenant-1", 10, 16))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(m.trust(), " #")
	known := "# What an auditor knows of the maker of pack.zip.\n" + line + "\n"
	for name, content := range map[string][]byte{"pack.zip": b, "pack.trust": []byte(known), "pack.policy": out.policy(5, 2), "pack.tsa-roots.pem": out.tsa.RootPEM()} {
		if err := os.WriteFile(filepath.Join("../../../testdata/vectors", name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
