package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/store"
)

// killed adds records to both logs and returns the scene on a copy that was made
// before they were closed, as a daemon that is killed leaves it: the newest records
// and a checkpoint over them are in the journals alone. Earlier is a journal of
// tenant-1 that was copied before the last record and the checkpoint.
func (s *scene) killed(t *testing.T) (k *scene, earlier []byte) {
	t.Helper()
	k = s.on(t)
	c := &clock{start.Add(12 * time.Hour)}
	l := openDir(t, k.dir, c)
	at := filepath.Join(t.TempDir(), "data")
	for _, name := range attacked {
		log, err := l.Store.Log(tenant(t, name))
		if err != nil {
			t.Fatal(err)
		}
		for i, key := range []string{"one", "two", "three"} {
			if i == 2 && name == "tenant-1" {
				earlier = read(t, k.journal(name))
			}
			mustAppend(t, log, event(key, c.t, map[string]string{"v": key}))
		}
		if _, _, err := log.Checkpoint(); err != nil {
			t.Fatal(err)
		}
	}
	copyTree(t, k.dir, at)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	k.dir = at
	return k, earlier
}

func (s *scene) journal(name string) string {
	return filepath.Join(s.dir, "tenants", s.ids[name], "log", "journal")
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Whatever is done to a journal that holds what was acknowledged and signed, the
// log does not open or takes nothing more, and says why; untouched, it is whole.
func TestJournalAttacked(t *testing.T) {
	staged := stage(t)
	killed, earlier := staged.killed(t)
	if len(earlier) == 0 {
		t.Fatal("no journal to attack")
	}
	const lost = "were signed: the end is lost"
	for _, tc := range []struct {
		name   string
		attack func(s *scene, journal []byte) []byte // nil: the file goes
		says   string                                // among what opening and stopping say; empty: the log is whole
	}{
		{"nothing is done", func(_ *scene, j []byte) []byte { return j }, ""},
		{"it is removed", func(*scene, []byte) []byte { return nil }, lost},
		{"it is emptied", func(*scene, []byte) []byte { return []byte{} }, lost},
		{"it is cut in the middle", func(_ *scene, j []byte) []byte { return j[:4096] }, lost},
		{"an earlier one is put back", func(*scene, []byte) []byte { return earlier }, lost},
		{"its first batch is wiped", func(_ *scene, j []byte) []byte {
			return append(make([]byte, 4096), j[4096:]...)
		}, "is damaged or missing"},
		{"a batch in it is changed", func(_ *scene, j []byte) []byte {
			j[4096+500] ^= 1
			return j
		}, "is damaged or missing"},
		{"it is another tenant's", func(s *scene, _ []byte) []byte { return read(s.t, s.journal("tenant-2")) }, "does not follow the newest segment"},
		{"its segment is an earlier one", func(s *scene, j []byte) []byte {
			name := filepath.Join("tenants", s.ids["tenant-1"], "log", "0001.db")
			if err := os.WriteFile(filepath.Join(s.dir, name), read(s.t, filepath.Join(s.early, name)), 0o600); err != nil {
				s.t.Fatal(err)
			}
			return j
		}, "is damaged or missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := killed.on(t)
			j := tc.attack(s, read(t, s.journal("tenant-1")))
			if j == nil {
				if err := os.Remove(s.journal("tenant-1")); err != nil {
					t.Fatal(err)
				}
			} else if err := os.WriteFile(s.journal("tenant-1"), j, 0o600); err != nil {
				t.Fatal(err)
			}
			opens, stopped, words, failures := s.tryVerdicts(store.VerifyOptions{})
			t.Logf("%q, %q, %q, %q", opens, stopped, words, failures)
			if tc.says == "" {
				if opens+stopped+failures != "" || words != sound {
					t.Errorf("a whole log: %q, %q, %q, %q", opens, stopped, words, failures)
				}
				return
			}
			if !strings.Contains(opens+stopped, tc.says) {
				t.Errorf("it says %q and %q, want %q", opens, stopped, tc.says)
			}
			if opens != "" {
				return
			}
			// What is in the segment is still there.
			if !strings.Contains(words, "integrity") {
				t.Errorf("it cannot be verified: %q", words)
			}
		})
	}
}
