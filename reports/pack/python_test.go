package pack

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// verify.py is a second implementation of the format, which shares no code with
// this one. What a maker with all keys can make of a pack must be refused by both,
// in the same words, or taken by both.

// driver asks verify.py about packs, by their names, and about scenes, a line
// each. Of the steps for a pack it leaves out what [stepsOf] does: the keys of
// the genesis and the proof of issue, which the maker himself would have right.
const driver = `
import sys
sys.path.insert(0, sys.argv[1])
import verify

def pack(path):
    with open(path, "rb") as f:
        p = verify.Pack(verify.Zip(f.read()), None, None)
    for step in verify.STEPS:
        if step not in (verify.check_genesis, verify.check_issued):
            step(p)

LOOKED = {"from": verify.TIME_AT, "to": verify.TIME_AT, "class": verify.TEXT, "cause": verify.TEXT, "looks": [verify.TIME_AT], "every_ms": verify.WHOLE}
SCENE = {"ask": verify.TEXT, "made": verify.TIME_AT, "period": verify.PERIOD, "records": [{"leaf": verify.ANY, "plain": verify.BYTES}],
         "finding": verify.FINDING, "rule": verify.RULE, "rows": verify.CHART["rows"], "spans": [LOOKED], "chart": verify.CHART}

def scene(text):
    s = verify.read(verify.parse_json(text), SCENE, "scene")
    p, f = verify.Pack(None, None, None), s["finding"]
    p.m = {"made": s["made"], "period": s["period"], "start": {"size": 0}}
    p.pairs = {(f["control"], f["test"]): {"binds": True}}
    if s["ask"] == "own":
        raise verify.Bad(" ".join(sorted(verify.OWN)))
    if s["ask"] == "content":
        return verify.content_of(s["records"][0]["plain"], "record 7")
    for r in s["records"]:
        verify.learn(p, r["leaf"], r["plain"])
    if s["ask"] == "row":
        key = (s["rows"][0]["source"], s["rows"][0]["kinds"][0])
        return verify.check_row(key, s["rows"][0], s["spans"], s["period"])
    if s["ask"] == "runs":
        by = verify.counted_runs(p, s["chart"])
        verify.check_blind(s["chart"], by, p.retired)
        return verify.check_runs(s["chart"], by)
    if s["ask"] == "learn":
        return
    p.rows = verify.chart_rows(s) if s["rows"] else {}
    {"waived": lambda: verify.check_waived(p, f), "scoped": lambda: verify.check_scope(p, f), "remedies": lambda: verify.check_remedies(p, f),
     "observed": lambda: verify.check_observed(p, f, s["rule"])}[s["ask"]]()

for line in sys.stdin.buffer:
    line, out = line.decode().rstrip("\n"), "OK"
    try:
        (scene if line.startswith("{") else pack)(line)
    except verify.Bad as e:
        out = "FAILED " + str(e)
    except verify.FORM as e:
        out = "FAILED %s: %s" % (type(e).__name__, e)
    sys.stdout.buffer.write(out.encode("utf-8", "replace").replace(b"\n", b" ") + b"\n")
    sys.stdout.buffer.flush()
`

// opinions is the one process that gives all second opinions: to start one for
// each would take longer than to verify a pack.
var opinions struct {
	sync.Mutex
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// secondOpinion returns what verify.py says of a line for the driver: "" when it
// finds no fault, else which.
func secondOpinion(t testing.TB, line string) string {
	t.Helper()
	o := &opinions
	o.Lock()
	defer o.Unlock()
	if o.cmd == nil {
		cmd := exec.Command("python3", "-B", "-c", driver, filepath.Dir(samplePack))
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatalf("python3 is needed for a second opinion: %v", err)
		}
		o.cmd, o.in, o.out = cmd, in, bufio.NewReader(out)
	}
	if _, err := io.WriteString(o.in, line+"\n"); err != nil {
		t.Fatal(err)
	}
	said, err := o.out.ReadString('\n')
	if err != nil {
		t.Fatalf("verify.py said nothing: %v", err)
	}
	return strings.TrimPrefix(strings.TrimPrefix(strings.TrimSuffix(said, "\n"), "OK"), "FAILED ")
}

// closeOpinions ends the process.
func closeOpinions() {
	if opinions.cmd != nil {
		opinions.in.Close()
		_ = opinions.cmd.Wait()
	}
}

// ownWords are in verdicts whose words are those of Go's libraries: there both
// must refuse, and the words may differ.
var ownWords = []string{"json: ", "bytes after its end", "invalid transparency proof", "check consistency: ", "time-stamp token: ", "no verifiable signatures"}

// stampSignature is what verify.py leaves to other tools.
const stampSignature = "time-stamp token: the signature is not good"

// agrees requires that verify.py says the same of a line as a verifier did.
func agrees(t testing.TB, name, line string, err error) {
	t.Helper()
	want := ""
	if err != nil {
		want = err.Error()
	}
	got := secondOpinion(t, line)
	free := slices.ContainsFunc(ownWords, func(s string) bool { return strings.Contains(want, s) })
	if got == want || free && (got != "" || strings.Contains(want, stampSignature)) {
		return
	}
	t.Errorf("%s: verify.py says %q, evidence-verify %q", name, got, want)
}

// agreesOnPack is agrees for a pack.
func agreesOnPack(t testing.TB, b []byte, err error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pack.zip")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	agrees(t, "the pack", file, err)
}

// twin is what verify.py is told of a pack that was never put together, beside
// a verifier that is told the same.
type twin struct {
	Ask     string          `json:"ask"` // waived, scoped, remedies, observed, row, runs, learn, content or own
	Made    time.Time       `json:"made"`
	Period  evidence.Period `json:"period"`
	Records []twinRecord    `json:"records"`
	Finding *Finding        `json:"finding,omitempty"`
	Rule    *twinRule       `json:"rule,omitempty"`
	Rows    []chartRow      `json:"rows,omitempty"`
	Spans   []twinSpan      `json:"spans,omitempty"`
	Chart   *chart          `json:"chart,omitempty"`
}

type twinRecord struct {
	Leaf  twinLeaf `json:"leaf"`
	Plain []byte   `json:"plain"`
}

type twinLeaf struct {
	Seq      uint64        `json:"seq"`
	Kind     evidence.Kind `json:"kind"`
	Op       evidence.Op   `json:"op"`
	Occurred string        `json:"occurred"`
	Recorded string        `json:"recorded"`
	People   []twinParty   `json:"people"`
}

type twinParty struct {
	Token string         `json:"token"`
	Proof evidence.Proof `json:"proof"`
}

type twinRule struct {
	Freshness time.Duration `json:"freshness"`
}

type twinSpan struct {
	From  time.Time      `json:"from"`
	To    time.Time      `json:"to"`
	Class evidence.Class `json:"class"`
	Cause string         `json:"cause"`
	Looks []time.Time    `json:"looks"`
	Every int64          `json:"every_ms"`
}

// tell tells of a record and its content. A time that the leaf does not have is
// one that nothing stands on.
func (w *twin) tell(lf chain.Leaf, plain []byte) {
	at := func(t time.Time) string {
		if t.IsZero() {
			t = time.Unix(0, 0)
		}
		return evidence.FormatTime(t)
	}
	x := twinLeaf{Seq: lf.Seq, Kind: lf.Kind, Op: lf.Op, Occurred: at(lf.Occurred), Recorded: at(lf.Recorded)}
	for _, p := range lf.People {
		x.People = append(x.People, twinParty{p.Token.String(), p.Proof})
	}
	w.Records = append(w.Records, twinRecord{x, plain})
}

// agrees asks about a finding, nil for none.
func (w *twin) agrees(t testing.TB, name string, f *Finding, err error) {
	t.Helper()
	agrees(t, name, w.line(t, f), err)
}

// opinion returns what verify.py says of it: "" when it finds no fault.
func (w *twin) opinion(t testing.TB, f *Finding) string {
	t.Helper()
	return secondOpinion(t, w.line(t, f))
}

func (w *twin) line(t testing.TB, f *Finding) string {
	t.Helper()
	if f != nil {
		x := *f
		var bad error
		if x.Tenant, bad = evidence.ParseTenant("tenant-1"); bad != nil {
			t.Fatal(bad)
		}
		w.Finding = &x
	}
	line, bad := json.Marshal(w)
	if bad != nil {
		t.Fatal(bad)
	}
	return string(line)
}
