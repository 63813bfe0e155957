package daemon

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/reports/pack"
)

// rotated is a log that was signed by two keys, with a pack that begins before
// the change and one that begins after it.
func rotated(t *testing.T, compromised bool) (e *Engine, oldKey, newKey string, across, after []byte) {
	t.Helper()
	clock, src := &testClock{begin}, &testSource{}
	e = newEngine(t, clock, src)
	oldKey = e.Local().LogKey.Verifier
	for i := range 6 {
		src.emit = []evidence.Draft{mergeDraft("acme/one", i, clock.t.Add(-time.Minute), true)}
		if _, err := e.Collect(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			var err error
			if newKey, err = e.RotateLogKey(t.Context(), "a test", compromised); err != nil {
				t.Fatal(err)
			}
		}
		clock.t = clock.t.Add(time.Hour)
	}
	write := func(from, to int) []byte {
		var buf bytes.Buffer
		period := evidence.Period{From: begin.Add(time.Duration(from) * time.Hour), To: begin.Add(time.Duration(to) * time.Hour)}
		if _, err := e.Pack(t.Context(), api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: period, Raw: "none", Progress: func(_, _ uint64) {}}, &buf); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	return e, oldKey, newKey, write(1, 6), write(4, 6)
}

// A pack's verifier follows the log key from the one the auditor knows, by the
// log's own records; after a compromise only the auditor's file moves trust.
func TestPackFollowsLogKey(t *testing.T) {
	for _, compromised := range []bool{false, true} {
		e, oldKey, newKey, across, after := rotated(t, compromised)
		log, err := e.Local().Store.Log(mustTenant(t, "tenant-1"))
		if err != nil {
			t.Fatal(err)
		}
		line := func(key, sizes string) string {
			return fmt.Sprintf("tenant-1 %s %s %s %s\n", log.Origin(), key, e.Local().PackKey.Verifier, sizes)
		}
		foreign := newEngine(t, &testClock{begin}, &testSource{}).Local().LogKey.Verifier
		change := fmt.Sprint(log.LogKeys()[1].From)
		for _, tc := range []struct {
			name, trust string
			ok          bool
		}{
			{"no trust file", "", true},
			{"the old key", line(oldKey, ""), !compromised},
			{"the new key", line(newKey, ""), true},
			{"the old key for old sizes, the new for new ones", line(oldKey, "0-"+change) + line(newKey, change+"-"), true},
			{"the old key for old sizes alone", line(oldKey, "0-"+change), false},
			{"another key", line(foreign, ""), false},
		} {
			for part, b := range map[string][]byte{"across": across, "after": after} {
				rep, err := verifyBytes(b, tc.trust)
				if (err == nil) != tc.ok {
					t.Errorf("compromised %v, %s, pack %s the change: %v, want it to verify: %v", compromised, tc.name, part, err, tc.ok)
				}
				if err == nil && tc.trust != "" && !rep.Known {
					t.Errorf("%s: the maker is not known", tc.name)
				}
				if err == nil && tc.name == "the old key" && !strings.Contains(rep.Maker, "changed 1 times") {
					t.Errorf("maker: %q", rep.Maker)
				}
			}
		}
	}
}

// The second implementation follows the log key as the first one does.
func TestPythonFollowsLogKey(t *testing.T) {
	for _, compromised := range []bool{false, true} {
		e, oldKey, newKey, across, after := rotated(t, compromised)
		file := filepath.Join(t.TempDir(), "pack.zip")
		for _, b := range [][]byte{across, after} {
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			for key, want := range map[string]bool{newKey: true, oldKey: !compromised, e.Local().PackKey.Verifier: false} {
				out, err := exec.CommandContext(t.Context(), "python3", "../../../testdata/vectors/verify.py", file,
					"--log-key", key, "--pack-key", e.Local().PackKey.Verifier).CombinedOutput()
				if (err == nil) != want {
					t.Errorf("compromised %v, key %s: %v, want it to verify: %v\n%s", compromised, key, err, want, out)
				}
			}
		}
	}
}

// Whoever has the new key alone, or leaves the change out, gains no trust of
// those who know the old one.
func TestPackWithForgedHandover(t *testing.T) {
	e, oldKey, newKey, _, _ := rotated(t, false)
	q := api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: evidence.Period{From: begin.Add(4 * time.Hour), To: begin.Add(6 * time.Hour)}, Raw: "none"}
	log, err := e.Local().Store.Log(q.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	trust := fmt.Sprintf("tenant-1 %s %s %s\n", log.Origin(), oldKey, e.Local().PackKey.Verifier)
	_, late, err := log.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		forge func(in *pack.Input) error
		want  string // in the error; "" verifies
	}{
		{"as it is", func(*pack.Input) error { return nil }, ""},
		{"handover without the old key", func(in *pack.Input) (err error) {
			in.KeyChanges[0].Handover, err = chain.OnlyBy(in.KeyChanges[0].Handover, newKey)
			return err
		}, "not vouched for"},
		{"a later checkpoint as handover", func(in *pack.Input) error {
			in.KeyChanges[0].Handover, in.KeyChanges[0].Size = late, log.Size()
			return nil
		}, "not vouched for"},
		{"change left out", func(in *pack.Input) error {
			in.KeyChanges = nil
			return nil
		}, "handed over"},
		{"change told twice", func(in *pack.Input) error {
			in.KeyChanges = append(in.KeyChanges, in.KeyChanges[0])
			return nil
		}, "not in force"},
		{"another record as the change", func(in *pack.Input) error {
			in.KeyChanges[0].Seq++
			return nil
		}, "is not a log.key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, err := e.newPackBuild(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.forge(&b.in); err != nil {
				t.Fatal(err)
			}
			zip, err := zipOf(t, b)
			if err != nil {
				t.Fatal(err)
			}
			_, err = verifyBytes(zip, trust)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
