package daemon

import (
	"bytes"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/timestamp/timestamptest"
	"evidenced/evidence/witness"
	"evidenced/reports/pack"
	"evidenced/store"
	"evidenced/store/anchor"
	"evidenced/store/cosigner"
)

// elsewhere is a place that the test says is on another host.
type elsewhere struct {
	anchor.Anchor
	rung int
}

func (e elsewhere) Rung() int { return e.rung }

// move makes the named place count as if it were on another host.
func move(t *testing.T, e *Engine, name string, rung int) {
	t.Helper()
	<-e.anchors.asking.compared // nobody asks it any more
	for _, p := range e.anchors.places {
		if p.Name() == name {
			p.Anchor = elsewhere{p.Anchor, rung}
			return
		}
	}
	t.Fatalf("no anchor %s", name)
}

// authority starts a time-stamping authority on the site's clock and returns
// the anchor's lines.
func (s *site) authority() (lines string, a *timestamptest.Authority, srv *httptest.Server) {
	s.t.Helper()
	a = timestamptest.New(s.t, timestamptest.Options{})
	a.Clock = s.clock.now
	srv = httptest.NewServer(a)
	s.t.Cleanup(srv.Close)
	if err := os.WriteFile(filepath.Join(s.dir, "roots.pem"), append(a.RootPEM(), a.ChainPEM()...), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return "  - {name: stamp, type: rfc3161, url: '" + srv.URL + "', roots_file: roots.pem}\n", a, srv
}

// witnessOf starts a witness for the installation and returns the anchor's
// lines.
func (s *site) witnessOf(e *Engine) (lines string, srv *httptest.Server) {
	s.t.Helper()
	dir := s.t.TempDir()
	key, err := cosigner.MakeKey(filepath.Join(dir, "key"), "witness.example")
	if err != nil {
		s.t.Fatal(err)
	}
	logs, err := cosigner.ParseLogs("logs", strings.SplitAfter(e.platform, "/")[0]+"* "+e.local.LogKey.Verifier)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := cosigner.Open(cosigner.Options{Dir: filepath.Join(dir, "state"), New: true, Key: key, Logs: logs, Rate: 1e6, Clock: s.clock.now})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	srv = httptest.NewServer(c.Handler())
	s.t.Cleanup(srv.Close)
	return fmt.Sprintf("  - {name: partner, type: witness, url: '%s', key: '%s', operator: Partner}\n", srv.URL, key.Key()), srv
}

const folderLine = "anchors:\n  - {name: folder, type: file, dir: data-anchors}\n"

func (s *site) view(e *Engine, tenant string) *api.Anchors {
	s.t.Helper()
	a, err := e.Anchors(s.t.Context(), mustTenant(s.t, tenant))
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// reachesOf renders reaches as "FROM-TO:RUNG:NAMES ...".
func reachesOf(a *api.Anchors) string {
	var out []string
	for _, r := range a.Reaches {
		out = append(out, fmt.Sprintf("%d-%d:%d:%s", r.From, r.To, r.Rung, strings.Join(r.By, ",")))
	}
	return strings.Join(out, " ")
}

// Three places get what there was when each was up last. Every part of each log
// has the highest rung of those that hold it.
func TestAnchorsReach(t *testing.T) {
	s := newSite(t)
	e := s.open("")
	key, wsrv := s.witnessOf(e)
	s.close(e)
	stamp, _, asrv := s.authority()
	e = s.open(folderLine + stamp + key)
	move(t, e, "folder", 2)
	move(t, e, "partner", 5)

	sizes := func() (platform, tenant uint64) { return s.log(e, "_platform").Size(), s.log(e, "tenant-1").Size() }
	s.mustChange(e)
	p1, t1 := sizes()
	wsrv.Close()
	s.mustChange(e)
	p2, t2 := sizes()
	asrv.Close()
	s.mustChange(e)
	p3, t3 := sizes()
	if err := e.Read(t.Context(), mustTenant(t, "tenant-1"), evidence.ReadFacts{Command: "test"}); err != nil {
		t.Fatal(err)
	}

	a := s.view(e, "tenant-1")
	want := fmt.Sprintf("0-%d:5:partner %d-%d:4:stamp %d-%d:2:folder %d-%d:0:", t1, t1, t2, t2, t3, t3, t3+1)
	if got := reachesOf(a); got != want {
		t.Errorf("tenant-1 reaches\n%s, want\n%s", got, want)
	}
	if a.Unanchored != 1 || a.Refused != "" || len(a.Open) != 4 || a.Open[0].Rung != 0 || a.Open[3].Rung != 5 {
		t.Errorf("unanchored %d, refused %q, open %+v", a.Unanchored, a.Refused, a.Open)
	}
	for i, want := range []struct {
		name, says string
		size       uint64
		failing    bool
		vouched    bool
	}{{"folder", "asked now", t3, false, false}, {"stamp", "its signature was verified now", t2, true, true}, {"partner", "its signature was verified now", t1, true, true}} {
		p := a.Places[i]
		if p.Name != want.name || p.Says != want.says || p.Size != want.size || p.Via != "_platform" || (p.Failures > 0) != want.failing || p.Vouched.IsZero() == want.vouched || p.Contradicts != "" {
			t.Errorf("place %d: %+v, want %+v", i, p, want)
		}
	}
	want = fmt.Sprintf("0-%d:5:partner %d-%d:4:stamp %d-%d:2:folder", p1, p1, p2, p2, p3)
	if got := reachesOf(s.view(e, "_platform")); !strings.HasPrefix(got, want) {
		t.Errorf("_platform reaches\n%s, want\n%s", got, want)
	}
	// A receipt whose signature is no longer good, and a place that is gone,
	// count for less.
	if err := os.RemoveAll(filepath.Join(s.dir, "data-anchors")); err != nil {
		t.Fatal(err)
	}
	a = s.view(e, "tenant-1")
	if p := a.Places[0]; p.Size != 0 || p.Says != "asked now: it holds none" {
		t.Errorf("a folder that is gone: %+v", p)
	}
	if want := fmt.Sprintf("0-%d:5:partner %d-%d:4:stamp %d-%d:0:", t1, t1, t2, t2, t3+1); reachesOf(a) != want {
		t.Errorf("reaches %s, want %s", reachesOf(a), want)
	}
}

func TestAnchorsContradict(t *testing.T) {
	s := newSite(t)
	e := s.open("")
	s.mustChange(e)
	s.close(e)
	old := filepath.Join(t.TempDir(), "old")
	copyTree(t, filepath.Join(s.dir, "data"), old)
	e = s.open("")
	s.mustChange(e)
	s.close(e)
	s.restore(old)
	e = s.open("")
	a := s.view(e, "tenant-1")
	if p := a.Places[0]; p.Contradicts == "" || p.Size != 0 || a.Unanchored != a.Size || a.Reaches[0].Rung != 0 {
		t.Errorf("%+v", a)
	}
	s.change(e) // asks before it signs
	if a := s.view(e, "_platform"); a.Refused == "" {
		t.Error("_platform does not say that it signs nothing")
	}
}

// A verification speaks of completeness up to what the places hold now, and of
// the times that they signed.
func TestVerifyAgainstAnchors(t *testing.T) {
	s := newSite(t)
	stamp, _, _ := s.authority()
	e := s.open(folderLine + stamp)
	s.mustChange(e)
	first := s.clock.now()
	s.mustChange(e)
	verify := func(tenant string) *store.Report {
		t.Helper()
		rep, err := e.Verify(t.Context(), mustTenant(t, tenant), api.VerifyRequest{Progress: func(_, _ uint64) {}})
		if err != nil {
			t.Fatal(err)
		}
		return rep
	}
	rep := verify("tenant-1")
	if !rep.OK() || len(rep.Anchors) != 1 || rep.Anchors[0].Rung != 4 || rep.Anchors[0].Name != "stamp, its signature was verified now, through _platform" || rep.Unanchored != 0 {
		t.Errorf("tenant-1: %+v", rep)
	}
	// A folder on this machine is no anchor; two stamps bracket _platform.
	rep = verify("_platform")
	if !rep.OK() || len(rep.Anchors) != 2 || rep.Anchors[0].NotAfter.After(rep.Anchors[1].NotAfter) || rep.Anchors[0].NotAfter.Before(first) {
		t.Errorf("_platform: %+v", rep.Anchors)
	}
	move(t, e, "folder", 2)
	if rep = verify("tenant-1"); len(rep.Anchors) != 2 {
		t.Errorf("with a folder elsewhere: %+v", rep.Anchors)
	}
}

func TestVerifyFindsContradiction(t *testing.T) {
	s := newSite(t)
	e := s.open("")
	s.mustChange(e)
	s.close(e)
	old := filepath.Join(t.TempDir(), "old")
	copyTree(t, filepath.Join(s.dir, "data"), old)
	e = s.open("")
	s.mustChange(e)
	s.close(e)
	s.restore(old)
	e = s.open("")
	rep, err := e.Verify(t.Context(), mustTenant(t, "_platform"), api.VerifyRequest{Progress: func(_, _ uint64) {}})
	if err != nil {
		t.Fatal(err)
	}
	if rep.OK() {
		t.Errorf("a log that was rolled back verifies: %+v", rep)
	}
}

// What was only sent counts as a receipt at most, and nothing when it went no
// further than this machine.
func TestSyslogOnlySent(t *testing.T) {
	s := newSite(t)
	path := filepath.Join(t.TempDir(), "log")
	conn, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	e := s.open("anchors: [{name: journal, type: syslog, address: " + path + "}]\n")
	if p := s.view(e, "_platform").Places[0]; p.Says != "nothing was sent yet" || p.Size != 0 {
		t.Errorf("%+v", p)
	}
	s.mustChange(e)
	if p := s.view(e, "tenant-1").Places[0]; p.Says != "sent; it cannot be asked" || p.Rung != 0 || p.Size == 0 {
		t.Errorf("%+v", p)
	}
	move(t, e, "journal", 2)
	if p := s.view(e, "tenant-1").Places[0]; p.Rung != 1 {
		t.Errorf("%+v", p)
	}
}

// Records that waited for a place longer than three times its schedule.
func TestAnchorGaps(t *testing.T) {
	s := newSite(t)
	e := s.open("")
	s.mustChange(e)
	s.close(e)
	if gaps := s.view(s.open(""), "tenant-1").Places[0].Gaps; len(gaps) > 0 {
		t.Fatalf("gaps %+v before there was one", gaps)
	}
	// The place is away for two hours in which things happen.
	e = reopen(s, "anchors: []\n")
	s.mustChange(e)
	from := s.clock.now()
	s.clock.pass(2 * time.Hour)
	s.mustChange(e)
	e = reopen(s, "")
	s.mustChange(e)
	gaps := s.view(e, "tenant-1").Places[0].Gaps
	if len(gaps) != 1 || gaps[0].From.After(from.Add(time.Minute)) || gaps[0].To.Sub(gaps[0].From) < 2*time.Hour {
		t.Errorf("gaps %+v, want one from about %s for two hours", gaps, from)
	}
	// Another hour in which nothing is recorded is none.
	s.clock.pass(time.Hour)
	if gaps := s.view(e, "tenant-1").Places[0].Gaps; len(gaps) != 1 {
		t.Errorf("gaps %+v", gaps)
	}
}

func TestReceiptVerifies(t *testing.T) {
	s := newSite(t)
	e := s.open("")
	s.mustChange(e)
	l := s.log(e, "tenant-1")
	for seq := range l.Size() {
		text, err := e.Receipt(t.Context(), l.Tenant(), seq)
		if err != nil {
			t.Fatal(err)
		}
		p, err := witness.ParseProof(text)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := chain.Decode(p.Extra)
		if err != nil || leaf.Seq != seq || leaf.Origin != l.Origin() {
			t.Fatalf("leaf of record %d: %v", seq, err)
		}
		if c, _, err := p.Verify(l.Origin(), e.local.LogKey.Verifier, chain.LeafHash(p.Extra), nil); err != nil || c.Size != l.Size() {
			t.Errorf("record %d: size %d, %v", seq, c.Size, err)
		}
		p.Extra[10] ^= 1
		if _, _, err := p.Verify(l.Origin(), e.local.LogKey.Verifier, chain.LeafHash(p.Extra), nil); err == nil {
			t.Errorf("record %d: another leaf was taken", seq)
		}
	}
	if _, err := e.Receipt(t.Context(), l.Tenant(), l.Size()); err == nil {
		t.Error("a receipt for a record that is not there")
	}
}

// A pack has its own closing checkpoint anchored, and carries what came back;
// the receipt of a record then holds the best of it.
func TestPackIsAnchored(t *testing.T) {
	s := newSite(t)
	e := s.open("")
	key, wsrv := s.witnessOf(e)
	s.close(e)
	stamp, auth, _ := s.authority()
	e = s.open(folderLine + stamp + key)
	move(t, e, "partner", 5)
	s.mustChange(e)
	s.mustChange(e)
	var zip bytes.Buffer
	q := api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: evidence.Period{From: begin.Add(-time.Hour), To: s.clock.now()}, Raw: "none", Progress: func(_, _ uint64) {}}
	if _, err := e.Pack(t.Context(), q, &zip); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "pack.zip")
	if err := os.WriteFile(path, zip.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	rep, err := pack.VerifyFile(path, pack.Options{TSARoots: auth.Roots()})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Claimed != 5 || rep.Anchor.Rung != 4 || len(rep.Receipts) != 2 {
		t.Errorf("claimed %d, verified without the witness's key %d, receipts %+v", rep.Claimed, rep.Anchor.Rung, rep.Receipts)
	}
	origin := s.log(e, "tenant-1").Origin()
	for _, name := range []string{"folder", "stamp", "partner"} {
		if r, ok, err := e.anchors.receipts.Newest(name, origin); err != nil || !ok || r.Size != rep.Last+1 {
			t.Errorf("%s: receipt of size %d, %v; want %d", name, r.Size, err, rep.Last+1)
		}
	}
	text, err := e.Receipt(t.Context(), mustTenant(t, "tenant-1"), 1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := witness.ParseProof(text)
	if err != nil || !bytes.Contains(p.Signed, []byte("witness.example")) {
		t.Errorf("the receipt has no cosignature: %v\n%s", err, p.Signed)
	}
	// With all of them down a pack is made all the same.
	wsrv.Close()
	s.mustChange(e)
	if _, err := e.Pack(t.Context(), q, &zip); err != nil {
		t.Errorf("without the witness: %v", err)
	}
}

// A log that was packed is asked about by itself: it alone went back, with all
// that this machine knows of it.
func TestPackedLogRolledBack(t *testing.T) {
	s := newSite(t)
	e := s.open(folderLine)
	s.mustChange(e)
	var zip bytes.Buffer
	q := api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: evidence.Period{From: begin.Add(-time.Hour), To: s.clock.now()}, Raw: "none", Progress: func(_, _ uint64) {}}
	if _, err := e.Pack(t.Context(), q, &zip); err != nil {
		t.Fatal(err)
	}
	l := s.log(e, "tenant-1")
	known, _, err := e.anchors.receipts.Newest("folder", l.Origin())
	if err != nil || known.Size == 0 {
		t.Fatal(known, err)
	}
	// As if the log had one record less than was anchored.
	t0 := tree{l.Tenant(), l.Origin(), known.Size - 1, l.RootAt, func(error) {}}
	if err := e.anchors.beforeFirstSign(t.Context(), t0); err == nil || !strings.Contains(err.Error(), "receipt of folder") {
		t.Errorf("by the receipt: got %v, want a refusal", err)
	}
	got, err := e.anchors.ask(t.Context(), e.anchors.places[0], l.Origin())
	if err != nil || got.size != known.Size || got.root != known.Root {
		t.Errorf("the folder knows %+v, %v", got, err)
	}
	if err := e.anchors.compare(e.anchors.places[0], t0, got); err != nil {
		t.Fatal(err)
	}
	if err := e.anchors.asking.refusal(l.Origin()); err == nil {
		t.Error("by the folder: no refusal")
	}
}

// reopen closes what is open and opens the site again.
func reopen(s *site, anchors string) *Engine {
	s.t.Helper()
	if s.last != nil {
		s.close(s.last)
	}
	return s.open(anchors)
}

// What was anchored under a log key that was replaced still counts, and the
// anchors take what the new key signs.
func TestAnchorsFollowTheLogKey(t *testing.T) {
	s := newSite(t)
	stamp, _, _ := s.authority()
	e := s.open(folderLine + stamp)
	move(t, e, "folder", 2)
	s.mustChange(e)
	if _, err := e.RotateLogKey(t.Context(), "a test", false); err != nil {
		t.Fatal(err)
	}
	for _, p := range s.view(e, "_platform").Places {
		if p.Size == 0 || p.Contradicts != "" {
			t.Errorf("after the change: %+v", p)
		}
	}
	s.mustChange(e)
	s.close(e)
	e = s.open(folderLine + stamp)
	move(t, e, "folder", 2)
	s.mustChange(e)
	a := s.view(e, "tenant-1")
	for _, p := range a.Places {
		if p.Size != a.Size || p.Contradicts != "" {
			t.Errorf("under the new key: %+v of %d", p, a.Size)
		}
	}
	rep, err := e.Verify(t.Context(), mustTenant(t, "_platform"), api.VerifyRequest{Progress: func(_, _ uint64) {}})
	if err != nil || !rep.OK() || len(rep.Anchors) != 4 { // the folder, and stamps under either key
		t.Errorf("%+v, %v", rep.Anchors, err)
	}
	if _, err := e.Receipt(t.Context(), mustTenant(t, "tenant-1"), 1); err != nil {
		t.Errorf("a receipt: %v", err)
	}
}
