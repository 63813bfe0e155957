package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The test binary is the program of the parts that are processes of their own.
func TestMain(m *testing.M) {
	if text := os.Getenv(partEnv); text != "" {
		os.Exit(runPart(context.Background(), text, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// names are all figures that a run has, in order.
var names = []string{
	"ingest/batch-1", "ingest/batch-100", "ingest/batch-1000", "callers/16", "spread/acknowledged", "spread/taken",
	"costs/leaf-decode", "costs/leaf-encode", "costs/claim-seal", "costs/claim-open", "costs/stored", "costs/checkpoint",
	"large/first-million", "large/last-million", "large/heap", "large/heap-peak", "large/disk-log", "large/disk-index",
	"verify/warm", "verify/cold", "verify/deep",
	"point/one-warm", "point/one-cold", "point/all", "point/all-cold", "point/inclusion-proof",
	"tenants/start", "tenants/resident", "tenants/resident-most", "tenants/busy", "tenants/least-served",
}

// A whole run, small: every figure is there and is a number, and nothing stays
// on the disk.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	rep, err := measure(t.Context(), options{records: 1000, rounds: 1, tenants: 50, spread: 10, only: regexp.MustCompile(""), dir: dir}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range rep.Figures {
		got = append(got, f.Name)
		if !(f.Measured > 0) || math.IsInf(f.Measured, 0) || f.Limit != 0 && !(f.Ratio > 0) {
			t.Errorf("%s: measured %v, limit %v, ratio %v", f.Name, f.Measured, f.Limit, f.Ratio)
		}
		if (f.Reached == nil) != (f.Wanted == "") {
			t.Errorf("%s: wanted %q, reached %v", f.Name, f.Wanted, f.Reached)
		}
	}
	if !slices.Equal(got, names) {
		t.Errorf("got figures %q, want %q", got, names)
	}
	if len(rep.Breakdowns) != 3 {
		t.Errorf("got %d breakdowns of the CPU time, want 3", len(rep.Breakdowns))
	}
	for _, d := range rep.Breakdowns {
		if !(d.Plain > 0) || !(d.Wanted > 0) {
			t.Errorf("%s: plain file %v, wanted %v", d.Of, d.Plain, d.Wanted)
		}
	}
	if es, err := os.ReadDir(dir); err != nil || len(es) != 0 {
		t.Errorf("left in the directory: %v, %v", es, err)
	}
}

func TestOnly(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"-records", "1000", "-rounds", "1", "-only", "^costs$", "-dir", t.TempDir()}, func(string) string { return "" }, &out, &errs); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	for _, n := range names {
		if strings.Contains(out.String(), n) != strings.HasPrefix(n, "costs/") {
			t.Errorf("-only costs: figure %s in the output: %v", n, !strings.HasPrefix(n, "costs/"))
		}
	}
}

func TestMisuse(t *testing.T) {
	for _, args := range [][]string{{"x"}, {"-records", "10"}, {"-rounds", "0"}, {"-tenants", "3"}, {"-only", "("}, {"-nosuch"}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, func(string) string { return "" }, &out, &errs); code != exitUsage {
			t.Errorf("%v: exit code %d, want %d", args, code, exitUsage)
		}
	}
}

// A disk without room is refused before anything is written.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"-records", "9000000000000", "-dir", dir}, func(string) string { return "" }, &out, &errs)
	if code != exitFailed || !strings.Contains(errs.String(), "fewer -records") {
		t.Errorf("exit code %d, %s", code, &errs)
	}
	if es, err := os.ReadDir(dir); err != nil || len(es) != 0 {
		t.Errorf("left in the directory: %v, %v", es, err)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}

// The ratio of a round is against its own limits, so that a machine that turns
// slow half-way changes no ratio.
func TestInterleave(t *testing.T) {
	speed, calls := 100.0, 0
	r, err := interleave(3,
		func() (float64, error) { calls++; return speed, nil },
		func() (float64, error) {
			defer func() { calls++ }()
			if calls > 3 { // after the first round the machine is ten times slower
				speed = 10
			}
			return speed / 2, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	// Rounds: 50 of 100 and 100; 5 of 100 and 10; 5 of 10 and 10.
	if want := (beside{measured: 5, limit: 55, ratio: 0.5}); r != want {
		t.Errorf("got %+v, want %+v", r, want)
	}
	broken := fmt.Errorf("broken")
	if _, err := interleave(1, func() (float64, error) { return 0, broken }, nil); err != broken {
		t.Errorf("got error %v", err)
	}
}

func TestShow(t *testing.T) {
	for _, c := range []struct {
		v    float64
		u    unit
		want string
	}{
		{161.4, perSecond, "161/s"}, {9994, perSecond, "9.99k/s"}, {999_900, perSecond, "1.00M/s"}, {2.62e6, perSecond, "2.62M/s"},
		{0.25e-6, inSeconds, "250 ns"}, {12.34e-6, inSeconds, "12.3 us"}, {0.001, inSeconds, "1 ms"}, {0.5414, inSeconds, "541 ms"}, {1.5, inSeconds, "1.50 s"},
		{1423, inBytes, "1.39 KiB"}, {150 << 20, inBytes, "150 MiB"}, {0.96, asTimes, "0.96x"}, {8, asCount, "8"},
	} {
		if got := show(c.v, c.u); got != c.want {
			t.Errorf("show(%v, %q) = %q, want %q", c.v, c.u, got, c.want)
		}
	}
}

func TestStageOf(t *testing.T) {
	for _, c := range []struct {
		stack string
		want  string
	}{
		{"sha256.block crypto/sha256.Sum256 evidenced/evidence/claim.Commit evidenced/evidence/claim.(*Cipher).Seal", "commit (HMAC of the plaintext)"},
		{"sha256.block crypto/sha256.Sum256 evidenced/evidence/claim.(*Cipher).Seal evidenced/store.(*Log).seal", hashStage},
		{"sha256.block crypto/sha256.Sum256 evidenced/evidence/chain.(*Hasher).LeafHash evidenced/store.(*Log).place", hashStage},
		{"x crypto/internal/fips140/aes/gcm.seal evidenced/evidence/claim.(*Cipher).Seal", "seal (AES-GCM, nonce, salt)"},
		{"runtime.mallocgc evidenced/store.(*content).encode evidenced/store.(*Log).seal", "encode (content, leaf)"},
		{"runtime.scanobject runtime.gcDrain runtime.gcBgMarkWorker", "garbage collection"},
		{"syscall.Syscall golang.org/x/sys/unix.Fdatasync evidenced/store/journal.(*Journal).Append evidenced/store/bolt.(*logFile).append", "fdatasync"},
		{"syscall.Syscall go.etcd.io/bbolt.fdatasync go.etcd.io/bbolt.(*DB).Update evidenced/store/bolt.(*logFile).take", takeStage},
		{"runtime.memmove go.etcd.io/bbolt.(*node).write go.etcd.io/bbolt.(*DB).Update evidenced/store/bolt.(*logFile).Append evidenced/store.(*Log).commit", takeStage},
		{"runtime.memmove evidenced/store/bolt.appendBatch evidenced/store/bolt.(*logFile).keep evidenced/store/bolt.(*logFile).Append", "journal"},
		{"sha256.block evidenced/store.(*macState).end evidenced/store.(*Log).identify", "de-duplication"},
		{"sha256.block evidenced/store.(*macState).end evidenced/store.(*postingList).add", "index"},
		{"x evidenced/store/index.(*index).Get evidenced/store.(*Log).identify evidenced/store.(*Log).process", "de-duplication"},
		{"x evidenced/store/index.merge evidenced/store/index.(*index).write", "index"},
		{"runtime.scanobject runtime.gcAssistAlloc runtime.mallocgc evidenced/evidence/claim.(*Cipher).Seal", "garbage collection"},
		{"runtime.memmove nobody.knows", otherStage},
		{"", otherStage},
	} {
		if got := stageOf(strings.Fields(c.stack)); got != c.want {
			t.Errorf("stageOf(%s) = %s, want %s", c.stack, got, c.want)
		}
	}
}

// Drafts are what they are said to be, and the answers are right.
func TestDrafts(t *testing.T) {
	keys, subject := map[string]bool{}, map[evidence.Ref]bool{}
	const n = 4000
	for i := range n {
		d := item(i).Draft
		if err := d.Check(); err != nil {
			t.Fatal(err)
		}
		if len(d.Content) < 900 || len(d.Content) > 1200 || len(d.Links) != 3 || len(d.People) != 1 {
			t.Fatalf("draft %d: %d bytes of facts, %d links, %d people", i, len(d.Content), len(d.Links), len(d.People))
		}
		if d.Kind == evidence.DeployState {
			var f evidence.DeployFacts
			if err := json.Unmarshal(d.Content, &f); err != nil || f.Revisions[0] != digits(uint64(i/stateEvery), 40) {
				t.Fatalf("draft %d: %v, revisions %v", i, err, f.Revisions)
			}
			continue
		}
		if keys[d.Key] {
			t.Fatalf("draft %d has a key a second time", i)
		}
		keys[d.Key], subject[d.Subject] = true, true
	}
	if len(subject) != n-n/stateEvery { // so few drafts are each about another subject
		t.Errorf("%d subjects", len(subject))
	}
}

func TestAnswer(t *testing.T) {
	for _, known := range []int{1, 50, subjects, subjects + 7, 3*subjects + 1} {
		q := questions{known: known, subjects: min(known, subjects)}
		for _, i := range []int{0, 6, 7, q.subjects - 1} {
			if i >= q.subjects {
				continue
			}
			want := i
			for j := i; j < known; j += subjects {
				want = j
			}
			if got := q.answer(i); got != want || appOf(got) != appOf(i) {
				t.Errorf("of %d states the newest of application %d is %d, want %d", known, appOf(i), got, want)
			}
		}
	}
}

// What the stages allow: on two cores, of a record that takes 4 us to seal, 10
// us in all and 2 us to make, beside a plain file that takes 2 us.
func TestBind(t *testing.T) {
	d := breakdown{Plain: 500_000, Shares: []share{
		{Stage: sealStage, Micros: 1}, {Stage: commitStage, Micros: 1}, {Stage: hashStage, Micros: 1}, {Stage: encodeStage, Micros: 1},
		{Stage: indexStage, Micros: 2}, {Stage: "people", Micros: 4}, {Stage: draftStage, Micros: 2}, {Stage: allStages, Micros: 12},
	}}
	d.bind(2)
	var got []float64
	for _, b := range d.Bounds {
		got = append(got, math.Round(b.Micros), math.Round(b.Most), math.Round(100*b.Ratio))
	}
	if want := []float64{4, 500_000, 100, 4, 250_000, 50, 8, 250_000, 50, 10, 200_000, 40}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	d = breakdown{Shares: d.Shares}
	if d.bind(2); d.Bounds != nil {
		t.Errorf("without a plain file: %+v", d.Bounds)
	}
}

func TestReportGolden(t *testing.T) {
	yes, no := true, false
	rep := &report{
		Machine: machine{CPU: "Some CPU", Cores: 2, Memory: 8 << 30, FileSystem: "ext4", Kernel: "6.1", Go: "go1.26"},
		Begun:   time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC), Took: 90 * time.Second, Records: 1_000_000, Rounds: 5,
		Figures: []figure{
			{Name: "a/b", Measured: 1234, Unit: perSecond, Limit: 2000, LimitOf: "plain file", Ratio: 0.617, Wanted: "ratio >= 0.50", Reached: &yes},
			{Name: "c/d", Measured: 0.0025, Unit: inSeconds, Wanted: "<= 2 ms", Reached: &no, Note: "a note"},
			{Name: "e/f", Measured: 3 << 20, Unit: inBytes},
		},
		Breakdowns: []breakdown{{
			Of: "batches of 10", Records: 5000, Shares: []share{{"seal", 1.5, 0.75}, {"hash", 0.5, 0.25}, {"all", 2, 1}},
			Plain: 500_000, Wanted: 0.5, Bounds: []bound{{"sealing alone", 2, 1e6, 2}, {"all", 10, 200_000, 0.4}},
		}},
	}
	for name, print := range map[string]func(*report, *bytes.Buffer) error{
		"report.txt": func(r *report, b *bytes.Buffer) error { return r.text(b) },
		"report.md":  func(r *report, b *bytes.Buffer) error { return r.markdown(b) },
	} {
		var b bytes.Buffer
		if err := print(rep, &b); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, &b, want)
		}
	}
}

// The page explains every figure and stage, has a row of numbers for each, and
// names none that is gone.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	explained, numbers, ok := strings.Cut(string(b), "<!-- numbers -->")
	if !ok {
		t.Fatal("docs/benchmarks.md has no mark <!-- numbers -->")
	}
	for what, text := range map[string]string{"explained": explained, "in the table": numbers} {
		rows := map[string]bool{}
		for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+/[a-z0-9-]+)` \\|").FindAllStringSubmatch(text, -1) {
			rows[m[1]] = true
		}
		for _, n := range names {
			if !rows[n] {
				t.Errorf("docs/benchmarks.md: %s is not %s", n, what)
			}
			delete(rows, n)
		}
		for n := range rows {
			t.Errorf("docs/benchmarks.md: %s is %s, and the program has no such figure", n, what)
		}
	}
	for _, s := range stages {
		if !strings.Contains(explained, s.name) {
			t.Errorf("docs/benchmarks.md does not explain the stage %q", s.name)
		}
	}
	for _, s := range sections {
		if !strings.Contains(explained, "`"+s.name+"`") {
			t.Errorf("docs/benchmarks.md does not name the section %s", s.name)
		}
	}
}

func TestMachine(t *testing.T) {
	m := describe(t.TempDir())
	if m.Cores != runtime.GOMAXPROCS(0) || m.Memory == 0 || m.Kernel == "unknown" || m.Go == "" {
		t.Errorf("%+v", m)
	}
	if got := kilobytes("VmRSS"); got < 1<<20 {
		t.Errorf("this process has %v bytes resident", got)
	}
}

// A file whose pages were dropped is not in memory, on a file system that can.
func TestForget(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	resident, err := dropCache(dir)
	if err != nil {
		t.Fatal(err)
	}
	switch fs := describe(dir).FileSystem; fs {
	case "ext4", "xfs":
		if resident > 0.1 {
			t.Errorf("on %s, %v of the pages are still in memory", fs, resident)
		}
	default: // tmpfs has no other place for them
		if resident < 0 || resident > 1 {
			t.Errorf("on %s, %v of the pages are in memory", fs, resident)
		}
	}
}
