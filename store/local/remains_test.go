package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"

	"evidenced/store"
	"evidenced/store/keyring"
)

// aged is a directory with a log of four months whose log key was replaced and
// from which somebody was erased in the last of them; with retire the first two
// months are gone. It returns the directory of the log's files too.
func aged(t *testing.T, c *clock, retire bool) (dir, files string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	l := months(t, dir, c, nil)
	log := theLog(t, l)
	story(t, c, log)
	if _, err := l.RotateLogKey(t.Context(), keyring.Rotation{Reason: "yearly"}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Store.Erase(t.Context(), store.EraseRequest{Subject: store.Identity{Realm: "github:prod", NativeID: "8"}}); err != nil {
		t.Fatal(err)
	}
	if retire {
		if _, err := log.Retire(t.Context(), retireAll); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := log.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join("tenants", log.LogID(), "log")
}

// edit changes a stored file as somebody does who can write it.
func edit(t *testing.T, path string, fn func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// What outlives retired segments is held against the records that tell of the
// retirement: nothing of it goes, or is changed, without a failure.
func TestRemainsAreHeldAgainstTheLog(t *testing.T) {
	c := &clock{start}
	dir, files := aged(t, c, true)
	first := func(b *bbolt.Bucket) []byte {
		k, _ := b.Cursor().First()
		return bytes.Clone(k)
	}
	lastOf := func(b *bbolt.Bucket) []byte {
		k, _ := b.Cursor().Last()
		return bytes.Clone(k)
	}
	noted := func(tx *bbolt.Tx, change func(*store.SegmentInfo)) error {
		b := tx.Bucket([]byte("s"))
		var s store.SegmentInfo
		if err := json.Unmarshal(b.Get(lastOf(b)), &s); err != nil {
			return err
		}
		change(&s)
		v, err := json.Marshal(s)
		if err != nil {
			return err
		}
		return b.Put(lastOf(b), v)
	}
	for _, tc := range []struct {
		name   string
		do     func(tx *bbolt.Tx) error
		stops  bool
		failed string
	}{
		{"as it is", func(*bbolt.Tx) error { return nil }, false, ""},
		{"the genesis taken", func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("k"))
			return b.Delete(first(b))
		}, false, "record 0, which was to outlive segment 1, is missing or does not open"},
		{"what opens the genesis taken", func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("o"))
			return b.Delete(first(b))
		}, false, "record 0, which was to outlive segment 1, is missing or does not open"},
		{"what opens the genesis changed", func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("o"))
			v := bytes.Clone(b.Get(first(b)))
			v[len(v)-1] ^= 1
			return b.Put(first(b), v)
		}, false, "record 0 (log.genesis), which outlives its segment: what opens a kept record is damaged"},
		{"the last leaf taken", func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("k"))
			return b.Delete(lastOf(b))
		}, false, "the leaf of record 88, the last of segment 2, is missing"},
		{"a later horizon, to have evidence refused as old", func(tx *bbolt.Tx) error {
			return noted(tx, func(s *store.SegmentInfo) { s.Newest = s.Newest.AddDate(50, 0, 0) })
		}, true, "what is noted of segment 2 (records 46 to 88) is not what a record of its retirement tells"},
		{"an earlier begin", func(tx *bbolt.Tx) error {
			return noted(tx, func(s *store.SegmentInfo) { s.Oldest = s.Oldest.AddDate(-1, 0, 0) })
		}, true, "what is noted of segment 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			copied := filepath.Join(t.TempDir(), "data")
			copyTree(t, dir, copied)
			edit(t, filepath.Join(copied, files, "retired.db"), tc.do)
			log := logOf(t, months(t, copied, c, nil), "tenant-1")
			if stopped := log.Stopped(); (stopped != nil) != tc.stops {
				t.Errorf("stopped: %v, want %t", stopped, tc.stops)
			}
			r, err := log.Verify(t.Context(), store.VerifyOptions{Deep: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(r.Failures, "; "); (got == "") != (tc.failed == "") || !strings.Contains(got, tc.failed) {
				t.Errorf("got %q, want %q", got, tc.failed)
			}
			if integrity := r.Verdicts()[0]; integrity.Bad != (tc.failed != "") {
				t.Errorf("integrity %s", integrity.Word)
			}
		})
	}
}

// A record that tells of a retirement and cannot be read is a failure that is
// named, beside whatever else is wrong, and stops the log.
func TestUnreadableRetirementIsNamed(t *testing.T) {
	c := &clock{start}
	dir, files := aged(t, c, true)
	flipped := 0
	edit(t, filepath.Join(dir, files, "0004.db"), func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("r"))
		return b.ForEach(func(k, v []byte) error {
			if !bytes.Contains(v, []byte(`"kind":"log.segment"`)) {
				return nil
			}
			v = bytes.Clone(v)
			v[len(v)-1] ^= 1 // of its claim's ciphertext
			flipped++
			return b.Put(k, v)
		})
	})
	log := logOf(t, months(t, dir, c, nil), "tenant-1")
	if flipped == 0 || log.Stopped() == nil {
		t.Fatalf("%d records changed, stopped: %v", flipped, log.Stopped())
	}
	r, err := log.Verify(t.Context(), store.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(r.Failures, "; ")
	for _, want := range []string{"what was retired cannot be compared: ", "the stored content is not the sealed one"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Without a keyring what cannot be known is said to be so, and is no failure:
// that the oldest records were retired, and which key signed before the one at
// hand. What can be known is still found.
func TestOldLogWithoutAKeyring(t *testing.T) {
	for _, tc := range []struct {
		name    string
		retired bool
	}{{"whole", false}, {"retired", true}} {
		t.Run(tc.name, func(t *testing.T) {
			c := &clock{start}
			dir, files := aged(t, c, tc.retired)
			if err := os.Remove(filepath.Join(dir, "keys", keyring.File)); err != nil {
				t.Fatal(err)
			}
			verify := func(dir string) *store.Report {
				t.Helper()
				id := filepath.Base(filepath.Dir(files))
				r, err := openDir(t, dir, c).Store.VerifySealed(t.Context(), id, store.VerifyOptions{})
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			whole := filepath.Join(t.TempDir(), "data")
			copyTree(t, dir, whole)
			r := verify(whole)
			if !r.OK() || r.Unchecked != 4 || r.Checkpoints == 0 || (r.Untold > 0) != tc.retired {
				t.Errorf("%q, %d checkpoints, %d unchecked, untold before %d", r.Failures, r.Checkpoints, r.Unchecked, r.Untold)
			}
			says := r.Verdicts()[0].Says + "; " + r.Verdicts()[5].Says
			if !strings.Contains(says, "4 older ones fit the records by root, signed by an earlier key that only the keyring tells: not checked") ||
				strings.Contains(says, "those before 89 are not here") != tc.retired {
				t.Errorf("it says %q", says)
			}
			// An older checkpoint of another tree, and a newer one that the key at
			// hand did not sign, are found.
			for _, change := range []struct {
				of   func(k []byte) bool
				want string
			}{
				{func(k []byte) bool { return k[7] == 131 }, "integrity failed"},
				{func(k []byte) bool { return k[7] > 173 }, "signatures failed"},
			} {
				copied := filepath.Join(t.TempDir(), "data")
				copyTree(t, dir, copied)
				changed := 0
				for _, name := range []string{"0003.db", "0004.db"} {
					path := filepath.Join(copied, files, name)
					if err := os.Chmod(path, 0o600); err != nil {
						t.Fatal(err)
					}
					edit(t, path, func(tx *bbolt.Tx) error {
						b := tx.Bucket([]byte("n"))
						return b.ForEach(func(k, v []byte) error {
							if changed > 0 || !change.of(k) {
								return nil
							}
							changed++
							lines := bytes.SplitAfter(bytes.Clone(v), []byte("\n"))
							at := &lines[2][0] // of the root
							if change.want == "signatures failed" {
								at = &lines[4][len(lines[4])-10]
							}
							if *at != 'A' {
								*at = 'A'
							} else {
								*at = 'B'
							}
							return b.Put(bytes.Clone(k), bytes.Join(lines, nil))
						})
					})
				}
				r := verify(copied)
				words := r.Verdicts()[0].About + " " + r.Verdicts()[0].Word + "; " + r.Verdicts()[5].About + " " + r.Verdicts()[5].Word
				if changed != 1 || r.OK() || !strings.Contains(words, change.want) {
					t.Errorf("%d changed: %s, %q, want %s", changed, words, r.Failures, change.want)
				}
			}
		})
	}
}

// begun is a directory whose only log, of the id, has one record beside its
// genesis.
func begun(t *testing.T, c *clock) (dir, id string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	l := openDir(t, dir, c)
	log := theLog(t, l)
	mustAppend(t, log, event("1", c.t, map[string]int{}))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, log.LogID()
}

// A keyring in which nothing is any more is no reason to begin a new one: every
// tenant would get a second log, in silence.
func TestEmptiedKeyring(t *testing.T) {
	c := &clock{start}
	dir, _ := begun(t, c)
	path := filepath.Join(dir, "keys", keyring.File)
	for name, empty := range map[string]func(){
		"no byte": func() {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
		},
		"no bucket": func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			edit(t, path, func(*bbolt.Tx) error { return nil })
		},
	} {
		empty()
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		l, err := Open(Options{Dir: dir, Clock: c.now})
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "is empty: its keys are lost") {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(path); err != nil || len(after) != len(before) {
			t.Errorf("%s: the file was written to", name)
		}
	}
}

// A keyring older than a tenant's log has no keys of it. The tenant gets no
// second log beside the first, and nobody else is held up; what the source told
// of it is refused, so that it is told as missing.
func TestNoSecondLogBesideOneWithoutKeys(t *testing.T) {
	c := &clock{start}
	dir, _ := begun(t, c)
	path := filepath.Join(dir, "keys", keyring.File)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := openDir(t, dir, c)
	two, err := l.Store.Create(tenant(t, "tenant-2"))
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, two, event("2", c.t, map[string]int{}))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, path, string(old))

	l = openDir(t, dir, c)
	if _, err := l.Store.Create(tenant(t, "tenant-2")); !errors.Is(err, store.ErrKeysLost) {
		t.Errorf("a second log: %v", err)
	}
	in, err := l.Store.Ingest(t.Context(), parts(t, "3", c.t, map[string]int{}, "tenant-2", "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Wait(t.Context(), 0); !errors.Is(err, store.ErrKeysLost) {
		t.Errorf("the part of the tenant without keys: %v", err)
	}
	if _, err := in.Wait(t.Context(), 1); err != nil {
		t.Errorf("the other tenant's part: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// Taken out by hand it is in nobody's way.
	if err := os.Rename(filepath.Join(dir, "tenants", two.LogID()), filepath.Join(t.TempDir(), "kept")); err != nil {
		t.Fatal(err)
	}
	l = openDir(t, dir, c)
	young, err := l.Store.Create(tenant(t, "tenant-2"))
	if err != nil || young.Origin() == two.Origin() {
		t.Errorf("a new log: %v", err)
	}
}

// A log whose file cannot be opened counts as one that takes nothing, as soon as
// somebody tried.
func TestUnopenedLogIsAFailure(t *testing.T) {
	c := &clock{start}
	dir, id := begun(t, c)
	path := filepath.Join(dir, "tenants", id, "log", "0001.db")
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.Repeat("\x00", int(st.Size())))
	log := logOf(t, openDir(t, dir, c), "tenant-1")
	if _, err := log.Append(t.Context(), []store.Item{event("2", c.t, map[string]int{})}); err == nil {
		t.Fatal("a file of zeros takes records")
	}
	if log.Failure() == nil {
		t.Error("it does not count as failed")
	}
}

// A log of which only retired segments are left was not ended, and is not said
// to be.
func TestMissingSegmentsAreNoEnd(t *testing.T) {
	c := &clock{start}
	dir, files := aged(t, c, true)
	for _, name := range []string{"0003.db", "0004.db"} {
		if err := os.Remove(filepath.Join(dir, files, name)); err != nil {
			t.Fatal(err)
		}
	}
	log := logOf(t, months(t, dir, c, nil), "tenant-1")
	if _, err := log.Verify(t.Context(), store.VerifyOptions{}); err == nil || !strings.Contains(err.Error(), "the segments after 2, the newest that was retired, are missing") {
		t.Errorf("got %v", err)
	}
}
