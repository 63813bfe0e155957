package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/api/apitest"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
)

// collected is a reply with everything that was told beside the body.
type collected struct {
	bytes.Buffer
	media  string
	result string
	steps  int
}

func (c *collected) out() *api.Out {
	return &api.Out{
		Header: func(media string) error { c.media = media; return nil },
		Body:   &c.Buffer,
		Step:   func(uint64, uint64) { c.steps++ },
		Result: func(v json.RawMessage) error { c.result = string(v); return nil },
	}
}

// serve runs a daemon's socket for the world and returns its path.
func serve(t *testing.T, w api.World) string {
	t.Helper()
	l, path, done, err := api.Listen(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- api.Serve(ctx, l, w, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		done()
	})
	return path
}

// both asks once directly and once through a socket; the answers must agree.
func both(t *testing.T, w *apitest.World, op string, params any) (*collected, error) {
	t.Helper()
	open := func(context.Context) (api.World, func() error, error) { return w, func() error { return nil }, nil }
	var direct, remote collected
	derr := (&api.Client{Socket: func() string { return "" }, Open: open}).Call(t.Context(), op, params, direct.out())
	path := serve(t, w)
	never := func(context.Context) (api.World, func() error, error) {
		t.Error("opened the directory though a daemon answers")
		return nil, nil, errors.New("no")
	}
	rerr := (&api.Client{Socket: func() string { return path }, Open: never}).Call(t.Context(), op, params, remote.out())
	if d := cmp.Diff(problem.Text("x", errOr(derr)), problem.Text("x", errOr(rerr))); d != "" {
		t.Errorf("%s: errors differ (-direct +socket):\n%s", op, d)
	}
	if d := cmp.Diff(direct.String(), remote.String()); d != "" {
		t.Errorf("%s: answers differ (-direct +socket):\n%s", op, d)
	}
	if direct.media != remote.media || direct.result != remote.result {
		t.Errorf("%s: media %q and %q, results %q and %q", op, direct.media, remote.media, direct.result, remote.result)
	}
	if p, q := problem.Of(derr), problem.Of(rerr); (p == nil) != (q == nil) || p != nil && p.Code != q.Code {
		t.Errorf("%s: problems %v and %v differ in code", op, p, q)
	}
	return &direct, derr
}

func errOr(err error) error {
	if err == nil {
		return errors.New("none")
	}
	return err
}

func common(tenant string, asJSON bool) api.Common { return api.Common{Tenant: tenant, JSON: asJSON} }

func TestAnswersAreTheSameBothWays(t *testing.T) {
	day := api.Span{From: "2026-11-14", To: "2026-11-14"}
	for _, tc := range []struct {
		name   string
		op     string
		params any
		media  string
		want   []string
	}{
		{"tenants", "tenants", api.TenantsParams{}, api.MediaText, []string{"_platform\n_unassigned\ntenant-7\ntenant-8\n"}},
		{"tenants json", "tenants", api.TenantsParams{JSON: true}, api.MediaJSON, []string{`"tenant-7"`}},
		{"ran", "ran", api.RanParams{Common: common("tenant-7", false), At: "13:00"}, api.MediaText, []string{"Not known", "tenant-7"}},
		{"ran json", "ran", api.RanParams{Common: common("tenant-7", true), At: "yesterday 13:00"}, api.MediaJSON, []string{`"at": "2026-11-13T13:00:00Z"`}},
		{"records", "records", api.RecordsParams{Common: common("tenant-7", false), Kinds: []string{"change.tag"}}, api.MediaText, []string{"merger alice (authenticated)", `raise worker limits \x1b[31mred`, "2 records of tenant-7"}},
		{"records json", "records", api.RecordsParams{Common: common("tenant-7", true), Kinds: []string{"change.tag"}, Span: day}, api.MediaLines, []string{`"text":"raise worker limits \u001b[31mred"`, `"name":"alice"`}},
		{"one record", "records", api.RecordsParams{Common: common("tenant-7", true), Seqs: []uint64{1}}, api.MediaLines, []string{`"seq":1`}},
		{"timeline", "timeline", api.TimelineParams{Common: common("tenant-7", false), Span: day}, api.MediaText, []string{"14 November 2026", "503 from server"}},
		{"timeline csv", "timeline", api.TimelineParams{Common: common("tenant-7", false), Span: day, CSV: true}, api.MediaCSV, []string{"time,until"}},
		{"coverage", "coverage", api.CoverageParams{Common: common("tenant-7", false)}, api.MediaText, []string{"503 from server", "gitrepo/gitops"}},
		{"coverage json", "coverage", api.CoverageParams{Common: common("tenant-7", true), Span: api.Span{Last: "2d"}}, api.MediaJSON, []string{`"origin"`}},
		{"assess", "assess", api.AssessParams{Common: common("tenant-7", false), Span: day}, api.MediaText, []string{"tenant-7", "CONTROL"}},
		{"assess json", "assess", api.AssessParams{Common: common("tenant-7", true), Span: day}, api.MediaJSON, []string{`"findings"`, `"controls"`}},
		{"verify", "verify", api.VerifyParams{}, api.MediaText, []string{"OK        tenant-8: 1 record verified", "completeness  not shown: no anchor was given"}},
		{"verify json", "verify", api.VerifyParams{JSON: true, SinceLast: true}, api.MediaJSON, []string{`"about": "completeness"`, `"word": "not shown"`, `"signed_size"`, `"since"`}},
		{"fsck json", "fsck", api.FsckParams{JSON: true, Deep: true}, api.MediaJSON, []string{`"ok": true`, `"what": "keyring"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := both(t, apitest.New(), tc.op, tc.params)
			if err != nil {
				t.Fatal(err)
			}
			if got.media != tc.media {
				t.Errorf("media %q, want %q", got.media, tc.media)
			}
			for _, want := range tc.want {
				if !strings.Contains(got.String(), want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
			if strings.Contains(got.String(), "\x1b") {
				t.Errorf("an escape sequence went through:\n%q", got)
			}
			if tc.media == api.MediaJSON || tc.media == api.MediaLines {
				dec := json.NewDecoder(bytes.NewReader(got.Bytes()))
				for dec.More() {
					var v any
					if err := dec.Decode(&v); err != nil {
						t.Fatalf("not JSON: %v", err)
					}
				}
			}
		})
	}
}

func TestProblemsAreTheSameBothWays(t *testing.T) {
	for _, tc := range []struct {
		name   string
		op     string
		params any
		code   problem.Code
		want   string
	}{
		{"no tenant", "ran", api.RanParams{At: "13:00"}, problem.Usage, "no tenant is given"},
		{"bad tenant", "ran", api.RanParams{Common: common("Tenant 7", false), At: "13:00"}, problem.Usage, "cannot read the tenant"},
		{"unknown tenant", "ran", api.RanParams{Common: common("tenant-9", false), At: "13:00"}, problem.NotFound, "there is no log of tenant tenant-9"},
		{"no time", "ran", api.RanParams{Common: common("tenant-7", false)}, problem.Usage, "no time is given"},
		{"bad time", "ran", api.RanParams{Common: common("tenant-7", false), At: "noon"}, problem.Usage, "cannot read the time"},
		{"time ahead", "ran", api.RanParams{Common: common("tenant-7", false), At: "14:01"}, problem.Usage, "lies ahead: it is 2026-11-14 14:00:00 UTC"},
		{"bad zone", "ran", api.RanParams{Common: api.Common{Tenant: "tenant-7", Zone: "Moon"}, At: "13:00"}, problem.Usage, "no time zone"},
		{"bad kind", "records", api.RecordsParams{Common: common("tenant-7", false), Kinds: []string{"change.tags"}}, problem.Usage, "no kind of record"},
		{"bad ref", "records", api.RecordsParams{Common: common("tenant-7", false), Link: "x"}, problem.Usage, "--link"},
		{"bad person", "records", api.RecordsParams{Common: common("tenant-7", false), Person: "alice"}, problem.Usage, "--person"},
		{"bad source", "timeline", api.TimelineParams{Common: common("tenant-7", false), Span: api.Span{Last: "1d"}, Source: "A b"}, problem.Usage, "no source name"},
		{"no period", "timeline", api.TimelineParams{Common: common("tenant-7", false)}, problem.Usage, "no period is given"},
		{"no such record", "records", api.RecordsParams{Common: common("tenant-7", true), Seqs: []uint64{99}}, problem.NotFound, "has no record 99"},
		{"no such control", "assess", api.AssessParams{Common: common("tenant-7", false), Controls: []string{"x"}}, problem.NotFound, `no control "x"`},
		{"unknown operation", "no-such", struct{}{}, problem.Usage, "unknown operation"},
		{"unknown parameter", "ran", map[string]any{"tenant": "tenant-7", "atime": "13:00"}, problem.Usage, `unknown field "atime"`},
		{"bad raw", "pack", api.PackParams{Common: common("tenant-7", false), Span: api.Span{Last: "1d"}, Raw: "some"}, problem.Usage, "--raw"},
		{"coverage ahead", "coverage", api.CoverageParams{Common: common("tenant-7", false), Span: api.Span{From: "2026-11-15", To: "2026-11-16"}}, problem.Usage, "lies ahead: it is 2026-11-14 14:00:00 UTC"},
		{"timeline ahead", "timeline", api.TimelineParams{Common: common("tenant-7", false), Span: api.Span{From: "2026-11-15", To: "2026-11-16"}}, problem.Usage, "lies ahead"},
		{"who ahead", "who", api.WhoParams{Person: "alice", Span: api.Span{From: "2026-11-15", To: "2026-11-16"}}, problem.Usage, "lies ahead"},
		{"trace ahead", "trace", api.TraceParams{Common: common("tenant-7", false), Ref: "record 1", Span: api.Span{From: "2026-11-15", To: "2026-11-16"}}, problem.Usage, "lies ahead"},
		{"timeline of a slip", "timeline", api.TimelineParams{Common: common("tenant-7", false), Span: api.Span{From: "2026-11-14", To: "2026-11-14"}, Source: "argocd/prdo"}, problem.NotFound, "the log of tenant-7 knows no source argocd/prdo"},
		{"records of a slip", "records", api.RecordsParams{Common: common("tenant-7", false), Source: "argocd/prdo"}, problem.NotFound, "knows no source argocd/prdo"},
		{"pack ahead", "pack", api.PackParams{Common: common("tenant-7", false), Span: api.Span{From: "2027-01-01", To: "2027-03-31"}}, problem.Usage, "lies ahead"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := apitest.New()
			got, err := both(t, w, tc.op, tc.params)
			if !problem.Is(err, tc.code) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s %q", err, tc.code, tc.want)
			}
			if got.Len() > 0 {
				t.Errorf("a refused question has an answer: %s", got)
			}
			if reads, _ := w.Reads(); len(reads) > 0 && tc.name != "no such record" && tc.name != "no such control" {
				t.Errorf("a refused question was recorded as a read: %q", reads)
			}
		})
	}
}

func TestBadLogsAreProblems(t *testing.T) {
	w := apitest.New()
	w.BadLog = evidence.Platform
	got, err := both(t, w, "verify", api.VerifyParams{})
	if !problem.Is(err, problem.Corrupt) || !strings.Contains(got.String(), "FAILED    _platform") || !strings.Contains(got.String(), "does not match its commitment") {
		t.Errorf("got %v and\n%s", err, got)
	}
	w = apitest.New()
	w.BadCheck = true
	if got, err = both(t, w, "fsck", api.FsckParams{}); !problem.Is(err, problem.Corrupt) || !strings.Contains(got.String(), "FAILED    index of tenant-7") {
		t.Errorf("got %v and\n%s", err, got)
	}
	if got, err = both(t, w, "fsck", api.FsckParams{RepairIndex: true}); err != nil || !strings.Contains(got.String(), "REPAIRED  index of tenant-7") {
		t.Errorf("got %v and\n%s", err, got)
	}
}

// A kept checkpoint reaches the log it names, and no other; one of a log that is
// not there is a failure of its own.
func TestKeptCheckpoints(t *testing.T) {
	w := apitest.New()
	t7, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	own := store.Kept{Name: "own.note", Signed: []byte(w.Logs[t7].Origin() + "\n1\n")}
	got, err := both(t, w, "verify", api.VerifyParams{Checkpoints: []store.Kept{own}})
	if err != nil || strings.Count(got.String(), "no anchor could be compared") != 1 || strings.Count(got.String(), "no anchor was given") != 3 {
		t.Errorf("%v\n%s", err, got)
	}
	foreign := store.Kept{Name: "foreign.note", Signed: []byte("elsewhere/1\n1\n")}
	got, err = both(t, w, "verify", api.VerifyParams{Tenant: "tenant-7", Checkpoints: []store.Kept{own, foreign}})
	if !problem.Is(err, problem.Corrupt) || !strings.Contains(got.String(), `FAILED    foreign.note: is a checkpoint of log "elsewhere/1", which is none of those verified`) {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestReadsAreRecordedWithTheWay(t *testing.T) {
	w := apitest.New()
	if _, err := both(t, w, "ran", api.RanParams{Common: api.Common{Tenant: "tenant-7", Purpose: "audit 12"}, At: "13:00"}); err != nil {
		t.Fatal(err)
	}
	reads, flushes := w.Reads()
	want := []string{`tenant-7 ran via direct for "audit 12"`, `tenant-7 ran via socket for "audit 12"`}
	if d := cmp.Diff(want, reads); d != "" || flushes != 2 {
		t.Errorf("%d flushes, reads (-want +got):\n%s", flushes, d)
	}
}

// An answer about a time long past needs nothing from the sources of today.
func TestNoFlushForThePast(t *testing.T) {
	w := apitest.New()
	if _, err := both(t, w, "coverage", api.CoverageParams{Common: common("tenant-7", false), Span: api.Span{From: "2026-10-01", To: "2026-10-02"}}); err != nil {
		t.Fatal(err)
	}
	if _, flushes := w.Reads(); flushes != 0 {
		t.Errorf("%d flushes, want none", flushes)
	}
}

// A record of who reads that cannot be written withholds the answer.
func TestNoAnswerWithoutItsRecord(t *testing.T) {
	var c collected
	w := unread{apitest.New()}
	open := func(context.Context) (api.World, func() error, error) { return w, func() error { return nil }, nil }
	err := (&api.Client{Socket: func() string { return "" }, Open: open}).Call(t.Context(), "coverage", api.CoverageParams{Common: common("tenant-7", false)}, c.out())
	if !problem.Is(err, problem.Storage) || c.Len() > 0 {
		t.Errorf("got %v and %q", err, c.String())
	}
}

type unread struct{ *apitest.World }

func (unread) Read(context.Context, evidence.Tenant, evidence.ReadFacts) error {
	return problem.New(problem.Storage, "disk full")
}

func TestPack(t *testing.T) {
	w := apitest.New()
	p := api.PackParams{Common: common("tenant-7", false), Span: api.Span{Last: "1d"}}
	got, err := both(t, w, "pack", p)
	if err != nil || got.Len() != 1_500_000 || got.media != api.MediaZip || got.steps == 0 || !strings.Contains(got.result, `"interim":"the period is not over"`) {
		t.Errorf("%v, %d bytes of %s, %d steps, result %s", err, got.Len(), got.media, got.steps, got.result)
	}
	w.PackErr = problem.New(problem.Storage, "disk full").WithHint("make room")
	if _, err = both(t, w, "pack", p); !problem.Is(err, problem.Storage) {
		t.Errorf("a pack that failed half way: got %v", err)
	}
}

func TestSocketIsClosedToOthers(t *testing.T) {
	path := serve(t, apitest.New())
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", st.Mode(), err)
	}
}

func TestLongPathMoves(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	base, err := os.MkdirTemp("", "r")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	l, path, done, err := api.Listen(dir, base)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(filepath.Dir(path))
	if err != nil || len(path) > 107 || !strings.HasPrefix(path, base) || st.Mode().Perm() != 0o700 {
		t.Errorf("socket at %s (%d bytes) in a directory of mode %v, %v", path, len(path), st.Mode(), err)
	}
	l.Close()
	done()
	if left, _ := os.ReadDir(base); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, _, _, err := api.Listen(dir, dir); !problem.Is(err, problem.Config) {
		t.Errorf("no short place: got %v", err)
	}
}

func TestStaleSocketIsReplacedAndFilesAreNot(t *testing.T) {
	dir := t.TempDir()
	l, path, _, err := api.Listen(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	l.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false)
	l.Close() // as after a kill: the socket stays
	if l, _, _, err = api.Listen(dir, ""); err != nil {
		t.Fatalf("stale socket: %v", err)
	}
	l.Close()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err = api.Listen(dir, ""); !problem.Is(err, problem.Refused) {
		t.Errorf("a file in the socket's place: got %v", err)
	}
}

// A lock held for a moment is waited for, one held for long is a problem.
func TestLockedDirectory(t *testing.T) {
	locked := problem.New(problem.Locked, "held by process 1").WithHint("wait")
	tries := 0
	c := &api.Client{Socket: func() string { return filepath.Join(t.TempDir(), "nobody") }, Patience: 20 * time.Second,
		Open: func(context.Context) (api.World, func() error, error) {
			if tries++; tries < 3 {
				return nil, nil, locked
			}
			return apitest.New(), func() error { return nil }, nil
		}}
	var out collected
	if err := c.Call(t.Context(), "tenants", api.TenantsParams{}, out.out()); err != nil || tries != 3 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	c.Patience = time.Nanosecond
	c.Open = func(context.Context) (api.World, func() error, error) { return nil, nil, locked }
	if err := c.Call(t.Context(), "tenants", api.TenantsParams{}, out.out()); !problem.Is(err, problem.Locked) {
		t.Errorf("got %v, want locked", err)
	}
}

// A daemon whose operation panics answers with a problem and goes on.
func TestPanicIsOneAnswer(t *testing.T) {
	path := serve(t, panics{apitest.New()})
	c := &api.Client{Socket: func() string { return path }}
	var out collected
	if err := c.Call(t.Context(), "ran", api.RanParams{Common: common("tenant-7", false), At: "13:00"}, out.out()); !problem.Is(err, problem.Internal) {
		t.Errorf("got %v, want internal", err)
	}
	if err := c.Call(t.Context(), "tenants", api.TenantsParams{}, out.out()); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

type panics struct{ *apitest.World }

func (panics) Reader(context.Context, evidence.Tenant) (evidence.Reader, error) { panic("nil map") }

func ExampleRun() {
	out := &api.Out{Header: func(media string) error { fmt.Println(media); return nil }, Body: os.Stdout}
	err := api.Run(context.Background(), apitest.New(), api.Caller{UID: 1000, Via: "direct"}, "tenants", []byte(`{}`), out)
	fmt.Println(err)
	// Output:
	// text/plain; charset=utf-8
	// _platform
	// _unassigned
	// tenant-7
	// tenant-8
	// <nil>
}

// What keeps the installation is asked for with a place and a reason, and a
// stopped log stands beside its tenant.
func TestKeeping(t *testing.T) {
	w := apitest.New()
	for _, tc := range []struct {
		op     string
		params any
		want   string // in the answer
		code   problem.Code
	}{
		{"backup", api.BackupParams{}, "", problem.Usage},
		{"backup", api.BackupParams{Dir: "relative"}, "", problem.Usage},
		{"backup", api.BackupParams{Dir: "/mnt/b"}, "evidenced restore --check /mnt/b", ""},
		{"backup", api.BackupParams{Dir: "/mnt/b", JSON: true}, `"dir": "/mnt/b"`, ""},
		{"rotate-log-key", api.RotateParams{Reason: " "}, "", problem.Usage},
		{"rotate-log-key", api.RotateParams{Reason: "yearly"}, "signed by both keys", ""},
		{"rotate-log-key", api.RotateParams{Reason: "stolen", Compromised: true}, "only their trust file", ""},
		{"rotate-log-key", api.RotateParams{Reason: "stolen", Compromised: true, JSON: true}, `"after_compromise": true`, ""},
	} {
		got, err := both(t, w, tc.op, tc.params)
		if tc.code != "" {
			if !problem.Is(err, tc.code) {
				t.Errorf("%s %+v: %v, want a problem of code %s", tc.op, tc.params, err, tc.code)
			}
			continue
		}
		if err != nil || !strings.Contains(got.String(), tc.want) {
			t.Errorf("%s %+v: %v, %q, want %q in it", tc.op, tc.params, err, got.String(), tc.want)
		}
	}
	for tn := range w.Logs {
		w.StoppedLog = tn
		break
	}
	for _, asJSON := range []bool{false, true} {
		got, err := both(t, w, "tenants", api.TenantsParams{JSON: asJSON})
		if err != nil || strings.Count(got.String(), "the disk refused a write") != 1 {
			t.Errorf("tenants with one stopped: %v %s", err, got.String())
		}
	}
}
