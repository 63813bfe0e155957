package local

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/keyring"
)

// scene is a directory with two tenants' logs, what somebody kept of it
// earlier, and its signing key.
type scene struct {
	t     testing.TB
	dir   string
	ids   map[string]string // log id by tenant
	early string            // a copy of the directory as it was earlier
	kept  store.Kept        // the newest checkpoint, kept by an auditor
	stamp []store.Anchored  // what a time-stamping authority has, with its times
	key   *keyring.Signer
}

// log reads tenant-1's log to change it.
func (s *scene) log() *stolen { return steal(s.t, s.dir, s.ids["tenant-1"]) }

// other reads tenant-2's log.
func (s *scene) other() *stolen { return steal(s.t, s.dir, s.ids["tenant-2"]) }

// stage makes the scene: some hundred records, so that the tree has a tile, at
// three checkpoints.
func stage(t *testing.T) *scene {
	c := &clock{start}
	s := &scene{t: t, dir: filepath.Join(t.TempDir(), "data"), early: filepath.Join(t.TempDir(), "early"), ids: map[string]string{}}
	for round := range 3 {
		l := openDir(t, s.dir, c)
		for _, name := range attacked {
			log, err := l.Store.Create(tenant(t, name))
			if err != nil {
				t.Fatal(err)
			}
			s.ids[name] = filepath.Base(log.Origin())
			for range 2 {
				c.t = c.t.Add(time.Hour)
				items := make([]store.Item, 80)
				for i := range items {
					items[i] = event(fmt.Sprint(name, round, c.t.Unix(), i), c.t, map[string]int{"v": i}, person(known[round].NativeID, "login"))
				}
				mustAppend(t, log, items...)
			}
			at, signed, err := log.Checkpoint()
			if err != nil {
				t.Fatal(err)
			}
			if name == "tenant-1" {
				s.kept = store.Kept{Name: "auditor", Signed: signed}
				s.stamp = append(s.stamp, store.Anchored{Rung: 4, Name: "authority", Size: at.Size, Root: at.Root, NotAfter: c.t.Add(time.Minute)})
			}
		}
		s.key = l.LogKey
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if round == 1 {
			copyTree(t, s.dir, s.early)
		}
	}
	return s
}

// on returns the scene on a copy of the directory.
func (s *scene) on(t *testing.T) *scene {
	c := *s
	c.t, c.dir = t, filepath.Join(t.TempDir(), "data")
	copyTree(t, s.dir, c.dir)
	return &c
}

// tryVerdicts opens the directory and verifies tenant-1's log: whether it opens, why
// it takes nothing more, and what verifying says.
func (s *scene) tryVerdicts(o store.VerifyOptions) (opens, stopped, words, failures string) {
	s.t.Helper()
	l, err := Open(Options{Dir: s.dir, Clock: func() time.Time { return start.Add(24 * time.Hour) }})
	if err != nil {
		return err.Error(), "", "", ""
	}
	defer l.Close()
	log, err := l.Store.Log(tenant(s.t, "tenant-1"))
	if err != nil {
		return err.Error(), "", "", ""
	}
	if err := log.Stopped(); err != nil {
		stopped = err.Error()
	}
	o.Deep = true
	r, err := log.Verify(context.Background(), o)
	if err != nil {
		return err.Error(), stopped, "", ""
	}
	for _, v := range r.Verdicts() {
		words += v.About + " " + v.Word + "; "
	}
	// Whatever was done to one tenant's log, the other's goes on.
	if other, err := l.Store.Log(tenant(s.t, "tenant-2")); err != nil {
		s.t.Errorf("the other tenant's log: %v", err)
	} else if _, err := other.Append(context.Background(), []store.Item{event("goes on", start, map[string]int{})}); err != nil {
		s.t.Errorf("the other tenant's log: %v", err)
	}
	return "", stopped, strings.TrimSuffix(words, "; "), strings.Join(r.Failures, " | ")
}

// sound is what verifying says of a log with which nothing is wrong.
const sound = "integrity ok; completeness not shown; tail unanchored; time not bracketed; claims opened; signatures ok"

// with replaces some verdicts of a sound log.
func with(changed ...string) string {
	words := strings.Split(sound, "; ")
	for _, c := range changed {
		about, _, _ := strings.Cut(c, " ")
		for i, w := range words {
			if strings.HasPrefix(w, about+" ") {
				words[i] = c
			}
		}
	}
	return strings.Join(words, "; ")
}

// attack is one row of the table.
type attack struct {
	name string
	do   func(s *scene)
	// What is expected of opening (empty: it opens), of whether the log goes on
	// (empty: it does), the verdicts, and a failure that must be told.
	opens, stopped, words, failure string
	// The same with the checkpoint that an auditor kept.
	anchored, anchoredFailure string
}

// TestAttacks carries every attack out on a copy of a directory. Rows whose
// verdicts are sound without the auditor's checkpoint are the limits of a log
// that nobody outside holds anything of: whoever has the signing key, or every
// file of an earlier day, can show another history; and what was appended since
// the newest checkpoint is protected by the records before it alone.
func TestAttacks(t *testing.T) {
	s := stage(t)
	const (
		broken   = "integrity failed"
		forged   = "signatures failed"
		missing  = "claims missing"
		unsigned = "signatures none"
		tree     = "another tree: auditor holds root"
		lost     = "anchored tail lost: auditor holds size 484 of this log"
	)
	// With the auditor's checkpoint: the log has everything up to it, or is not
	// the log that was signed.
	shown := func(changed ...string) string {
		return with(append([]string{"completeness shown", "tail anchored"}, changed...)...)
	}
	other := func(changed ...string) string { return with(append([]string{"completeness failed"}, changed...)...) }
	hour := func(lf *chain.Leaf) { lf.Recorded = lf.Recorded.Add(-time.Hour) }
	kind := func(lf *chain.Leaf) { lf.Kind = evidence.ChangeReview }
	for _, tc := range []attack{
		{name: "none", do: func(*scene) {}, words: sound, anchored: shown()},

		// Without computing anything anew.
		{name: "edit a record", do: func(s *scene) { l := s.log(); l.leaf(200, kind); l.write() }, words: with(broken), failure: "record 201 does not follow record 200",
			anchored: other(broken), anchoredFailure: tree},
		{name: "delete a record", do: func(s *scene) {
			l := s.log()
			l.edit(func(tx *bbolt.Tx) error {
				return tx.Bucket([]byte("r")).Delete(binary.BigEndian.AppendUint64(nil, 200))
			})
		}, words: with(broken, unsigned), failure: "records cannot be read from 200 on",
			anchored: with(broken, unsigned), anchoredFailure: "records cannot be read from 200 on"},
		{name: "delete a record and close the gap", do: func(s *scene) {
			l := s.log()
			l.entries = slices.Delete(l.entries, 200, 201)
			l.regrow()
			l.write()
		}, stopped: "has 483 records, but 484 were signed", words: with(broken), failure: "record 200 says it is record 201",
			anchored: other(broken), anchoredFailure: lost},
		{name: "insert a record", do: func(s *scene) {
			l := s.log()
			l.entries = slices.Insert(l.entries, 200, l.entries[150])
			l.regrow()
			l.write()
		}, stopped: "the records were changed", words: with(broken), failure: "record 200 says it is record 150",
			anchored: other(broken), anchoredFailure: "record 200 says it is record 150"},
		{name: "swap two records", do: func(s *scene) {
			l := s.log()
			l.entries[200], l.entries[201] = l.entries[201], l.entries[200]
			l.write()
		}, words: with(broken), failure: "record 200 says it is record 201",
			anchored: other(broken), anchoredFailure: tree},
		{name: "swap two records and their numbers", do: func(s *scene) {
			l := s.log()
			l.entries[200], l.entries[201] = l.entries[201], l.entries[200]
			l.leaf(200, func(lf *chain.Leaf) { lf.Seq = 200 })
			l.leaf(201, func(lf *chain.Leaf) { lf.Seq = 201 })
			l.write()
		}, words: with(broken), failure: "record 200 does not follow record 199",
			anchored: other(broken), anchoredFailure: tree},
		{name: "swap claims between records", do: func(s *scene) {
			l := s.log()
			l.entries[200].claims, l.entries[300].claims = l.entries[300].claims, l.entries[200].claims
			l.write()
		}, words: with(broken), failure: "record 300 (change.merge, 2026-11-01T14:00:00Z): the stored content is not the sealed one",
			anchored: shown(broken), anchoredFailure: "the stored content is not the sealed one"},
		{name: "swap claims between tenants", do: func(s *scene) {
			l := s.log()
			l.entries[200].claims = s.other().entries[200].claims
			l.write()
		}, words: with(broken), failure: "record 200 (change.merge, 2026-11-01T13:00:00Z): the stored content is not the sealed one",
			anchored: shown(broken), anchoredFailure: "the stored content is not the sealed one"},
		{name: "a record of another tenant", do: func(s *scene) {
			l := s.log()
			l.entries[200] = s.other().entries[200]
			l.write()
		}, words: with(broken, missing), failure: "record 200 belongs to log",
			anchored: other(broken, missing), anchoredFailure: tree},
		{name: "change a tile", do: func(s *scene) {
			l := s.log()
			for _, v := range l.tiles {
				v[40] ^= 1
			}
			l.write()
		}, stopped: "the records were changed", words: with(broken), failure: "tile 0/0 has another hash than record 1",
			anchored: shown(broken), anchoredFailure: "tile 0/0 has another hash than record 1"},
		{name: "change the frontier in the head", do: func(s *scene) { l := s.log(); l.head.Frontier[0][5] ^= 1; l.write() }, stopped: "the head has another tree than the stored hashes", words: with(broken), failure: "the log's head says",
			anchored: shown(broken), anchoredFailure: "the log's head says"},
		{name: "change the last leaf in the head", do: func(s *scene) { l := s.log(); l.head.Last[5] ^= 1; l.write() }, stopped: "the head names another last record", words: with(broken), failure: "the head names another last record",
			anchored: shown(broken), anchoredFailure: "the head names another last record"},
		{name: "a head that says fewer records", do: func(s *scene) { l := s.log(); l.head.Size -= 100; l.write() }, opens: "frontier of a tree of 384: 5 hashes, want 2"},
		{name: "a head that says more records", do: func(s *scene) { l := s.log(); l.head.Size++; l.write() }, opens: "frontier of a tree of 485: 5 hashes, want 6"},
		{name: "backdate a record", do: func(s *scene) { l := s.log(); l.leaf(200, hour); l.write() }, words: with(broken), failure: "record 200 was recorded at 2026-11-01T12:00:00Z, before its predecessor",
			anchored: other(broken), anchoredFailure: tree},
		{name: "change a checkpoint", do: func(s *scene) {
			l := s.log()
			n := l.notes[l.sizes()[1]]
			c := &n[len(n)-10] // of the signature, which stays base64
			if *c == 'A' {
				*c = 'B'
			} else {
				*c = 'A'
			}
			l.write()
		}, words: with(forged), failure: "checkpoint of size 323: checkpoint signature: invalid signature",
			anchored: shown(forged), anchoredFailure: "checkpoint of size 323"},
		{name: "a checkpoint of another log", do: func(s *scene) {
			l, o := s.log(), s.other()
			l.notes[l.sizes()[1]] = o.notes[o.sizes()[1]]
			l.write()
		}, words: with(forged), failure: "checkpoint of size 323 is of log",
			anchored: shown(forged), anchoredFailure: "checkpoint of size 323 is of log"},
		{name: "a checkpoint of another size", do: func(s *scene) {
			l := s.log()
			l.notes[l.sizes()[1]] = l.notes[l.sizes()[0]]
			l.write()
		}, words: with(forged), failure: "size 162",
			anchored: shown(forged), anchoredFailure: "size 162"},
		{name: "two roots of one size", do: func(s *scene) {
			// A second checkpoint of the newest size, with the true key.
			l := s.log()
			c := chain.Checkpoint{Origin: s.key.Name() + "/" + l.id, Size: l.head.Size, Root: evidence.Hash{1}}
			signed, err := c.Sign(s.key)
			if err != nil {
				s.t.Fatal(err)
			}
			l.notes[c.Size] = signed
			l.write()
		}, stopped: "but a checkpoint was signed over 0100", words: with(broken), failure: "are not those that the checkpoint of size 484 knows: root 0100",
			anchored: shown(broken), anchoredFailure: "root 0100"},

		// Written anew from a record to the tip, without the key.
		{name: "rewrite to the tip", do: func(s *scene) { l := s.log(); l.leaf(200, kind); l.rehash(200); l.write() }, stopped: "the records were changed", words: with(broken), failure: "the records up to 483 are not those that the sign-state knows",
			anchored: other(broken), anchoredFailure: tree},
		{name: "delete and rewrite to the tip", do: func(s *scene) {
			l := s.log()
			l.entries = slices.Delete(l.entries, 200, 201)
			l.rehash(200)
			l.write()
		}, stopped: "has 483 records, but 484 were signed: the end is lost", words: with(broken), failure: "a checkpoint of size 484 is stored, the log has 483 records",
			anchored: other(broken), anchoredFailure: lost},
		{name: "rewrite, with the sign-state", do: func(s *scene) {
			l := s.log()
			l.leaf(200, kind)
			l.rehash(200)
			l.write()
			l.forgetSigned()
		}, stopped: "but a checkpoint was signed over", words: with(broken), failure: "are not those that the checkpoint of size 323 knows",
			anchored: other(broken), anchoredFailure: tree},
		{name: "rewrite, with the sign-state, without later checkpoints", do: func(s *scene) {
			l := s.log()
			l.leaf(200, kind)
			l.rehash(200)
			for _, n := range l.sizes()[1:] {
				delete(l.notes, n)
			}
			l.write()
			l.forgetSigned()
		}, words: sound,
			anchored: other(), anchoredFailure: tree},
		{name: "rewrite, signed by another key", do: func(s *scene) {
			l := s.log()
			l.leaf(200, kind)
			l.rehash(200)
			stranger, err := keyring.OpenSigner(filepath.Join(s.t.TempDir(), "key"), s.key.Name(), true)
			if err != nil {
				s.t.Fatal(err)
			}
			l.resign(stranger)
			l.write()
			l.forgetSigned()
		}, stopped: "note has no verifiable signatures", words: with(broken, forged), failure: "checkpoint of size 162: checkpoint signature: note has no verifiable signatures",
			anchored: other(broken, forged), anchoredFailure: tree},
		{name: "rewrite, sign-state lost", do: func(s *scene) {
			l := s.log()
			l.leaf(200, kind)
			l.rehash(200)
			l.write()
			os.Remove(l.signState())
		}, stopped: "and no sign-state: this is a restored copy", words: with(broken), failure: "are not those that the checkpoint of size 323 knows",
			anchored: other(broken), anchoredFailure: tree},
		{name: "insert records at the tip", do: func(s *scene) {
			// What a second writer without keys can make: a copy of a record.
			l := s.log()
			l.entries = append(l.entries, l.entries[150])
			l.leaf(len(l.entries)-1, func(lf *chain.Leaf) { lf.Recorded = l.head.Recorded })
			l.rehash(len(l.entries) - 1)
			l.write()
		}, words: sound,
			anchored: with("completeness shown")},

		// By who holds the signing key and can write every file.
		{name: "key holder rewrites", do: func(s *scene) {
			l := s.log()
			l.leaf(200, kind)
			l.rehash(200)
			l.resign(s.key)
			l.write()
			l.forgetSigned()
		}, words: sound,
			anchored: other(), anchoredFailure: tree},
		{name: "key holder deletes", do: func(s *scene) {
			l := s.log()
			l.entries = slices.Delete(l.entries, 200, 201)
			l.rehash(200)
			l.resign(s.key)
			l.write()
			l.forgetSigned()
		}, words: sound,
			anchored: other(), anchoredFailure: tree},
		{name: "key holder backdates", do: func(s *scene) {
			l := s.log()
			before, err := chain.Decode(l.entries[100].leaf)
			if err != nil {
				s.t.Fatal(err)
			}
			for i := 100; i < 300; i++ {
				l.leaf(i, func(lf *chain.Leaf) { lf.Recorded = before.Recorded })
			}
			l.rehash(100)
			l.resign(s.key)
			l.write()
			l.forgetSigned()
		}, words: sound,
			anchored: other(), anchoredFailure: tree},
		{name: "key holder swaps claims and their hashes", do: func(s *scene) {
			l := s.log()
			a, err := chain.Decode(l.entries[200].leaf)
			if err != nil {
				s.t.Fatal(err)
			}
			b, err := chain.Decode(l.entries[300].leaf)
			if err != nil {
				s.t.Fatal(err)
			}
			l.entries[200].claims, l.entries[300].claims = l.entries[300].claims, l.entries[200].claims
			l.leaf(200, func(lf *chain.Leaf) { lf.Claims = b.Claims })
			l.leaf(300, func(lf *chain.Leaf) { lf.Claims = a.Claims })
			l.rehash(200)
			l.resign(s.key)
			l.write()
			l.forgetSigned()
		}, words: with(broken), failure: "record 200 (change.merge): open claim content: the ciphertext or the key is not the right one",
			anchored: other(broken), anchoredFailure: tree},
		{name: "key holder moves a record between tenants", do: func(s *scene) {
			l := s.log()
			own, err := chain.Decode(l.entries[200].leaf)
			if err != nil {
				s.t.Fatal(err)
			}
			l.entries[200] = s.other().entries[200]
			l.leaf(200, func(lf *chain.Leaf) { lf.Origin, lf.Recorded = own.Origin, own.Recorded })
			l.rehash(200)
			l.resign(s.key)
			l.write()
			l.forgetSigned()
		}, words: with(broken, missing), failure: "record 200 (change.merge): open claim content: the ciphertext or the key is not the right one",
			anchored: other(broken, missing), anchoredFailure: tree},

		// By taking away and bringing back.
		{name: "cut the tail", do: func(s *scene) { l := s.log(); l.cut(400); l.write() }, stopped: "has 400 records, but 484 were signed: the end is lost", words: with(broken), failure: "the sign-state knows size 484 of this log, 400 records are here",
			anchored: other(broken), anchoredFailure: lost},
		{name: "cut the tail, with the sign-state", do: func(s *scene) { l := s.log(); l.cut(323); l.write(); l.forgetSigned() }, words: sound,
			anchored: other(), anchoredFailure: lost},
		{name: "delete the log", do: func(s *scene) { os.RemoveAll(filepath.Join(s.dir, "tenants", s.ids["tenant-1"])) }, stopped: "has 0 records, but 484 were signed: the end is lost", words: with(broken, unsigned), failure: "the sign-state knows size 484 of this log, 0 records are here",
			anchored: other(broken, unsigned), anchoredFailure: lost},
		{name: "delete the log and its sign-state", do: func(s *scene) {
			os.RemoveAll(filepath.Join(s.dir, "tenants", s.ids["tenant-1"]))
			os.Remove(filepath.Join(s.dir, "sign-state", s.ids["tenant-1"]))
		}, stopped: "had records, and has none and no sign-state: it is lost", words: with(broken, unsigned), failure: "it is lost",
			anchored: other(broken, unsigned), anchoredFailure: lost},
		{name: "bring an old log back", do: func(s *scene) { s.bringBack("tenants/" + s.ids["tenant-1"]) }, stopped: "has 323 records, but 484 were signed: the end is lost", words: with(broken), failure: "the sign-state knows size 484 of this log, 323 records are here",
			anchored: other(broken), anchoredFailure: lost},
		{name: "bring an old log and sign-state back", do: func(s *scene) {
			s.bringBack("tenants/" + s.ids["tenant-1"])
			s.bringBack("sign-state/" + s.ids["tenant-1"])
		}, words: sound,
			anchored: other(), anchoredFailure: lost},
		{name: "bring an old directory back", do: func(s *scene) { s.bringBack(".") }, words: sound,
			anchored: other(), anchoredFailure: lost},
		{name: "bring an old sign-state back", do: func(s *scene) { s.bringBack("sign-state/" + s.ids["tenant-1"]) }, stopped: "has a checkpoint of size 484, the sign-state knows of 323", words: with(broken), failure: "the log is stopped",
			anchored: shown(broken), anchoredFailure: "the log is stopped"},
		{name: "bring an old keyring back", do: func(s *scene) { s.bringBack("keys/keyring.db") }, words: with(missing),
			anchored: shown(missing)},
		{name: "another tenant's log", do: func(s *scene) {
			os.RemoveAll(filepath.Join(s.dir, "tenants", s.ids["tenant-1"]))
			copyTree(s.t, filepath.Join(s.dir, "tenants", s.ids["tenant-2"]), filepath.Join(s.dir, "tenants", s.ids["tenant-1"]))
		}, opens: "record 0 of tenant-1: open claim content: the ciphertext or the key is not the right one"},
		{name: "another tenant's log and sign-state", do: func(s *scene) {
			os.RemoveAll(filepath.Join(s.dir, "tenants", s.ids["tenant-1"]))
			copyTree(s.t, filepath.Join(s.dir, "tenants", s.ids["tenant-2"]), filepath.Join(s.dir, "tenants", s.ids["tenant-1"]))
			b, err := os.ReadFile(filepath.Join(s.dir, "sign-state", s.ids["tenant-2"]))
			if err != nil {
				s.t.Fatal(err)
			}
			write(s.t, filepath.Join(s.dir, "sign-state", s.ids["tenant-1"]), string(b))
		}, opens: "record 0 of tenant-1: open claim content: the ciphertext or the key is not the right one"},
		{name: "split view", do: func(s *scene) {
			// A clone of the machine, with keys and sign-state, that grew its
			// own way from the early copy to the same size.
			s.bringBack(".")
			s.grow(484)
		}, words: sound,
			anchored: other(), anchoredFailure: tree},
	} {
		t.Run(tc.name, func(t *testing.T) { s.carryOut(t, tc) })
	}
}

// bringBack replaces a file or directory by the early copy of it.
func (s *scene) bringBack(rel string) {
	s.t.Helper()
	from, to := filepath.Join(s.early, rel), filepath.Join(s.dir, rel)
	if err := os.RemoveAll(to); err != nil {
		s.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		s.t.Fatal(err)
	}
	copyTree(s.t, from, to)
}

// grow appends to tenant-1's log up to the size, and signs.
func (s *scene) grow(size uint64) {
	s.t.Helper()
	l := openDir(s.t, s.dir, &clock{start.Add(20 * time.Hour)})
	defer l.Close()
	log, err := l.Store.Log(tenant(s.t, "tenant-1"))
	if err != nil {
		s.t.Fatal(err)
	}
	for n := log.Size(); n < size; n++ {
		mustAppend(s.t, log, event(fmt.Sprint("clone", n), start, map[string]uint64{"v": n}))
	}
	if _, _, err := log.Checkpoint(); err != nil {
		s.t.Fatal(err)
	}
}

func (s0 *scene) carryOut(t *testing.T, tc attack) {
	t.Helper()
	s := s0.on(t)
	tc.do(s)
	again := s.on(t) // opening may sign what was written
	opens, stopped, words, failures := s.tryVerdicts(store.VerifyOptions{})
	check := func(what, got, want string) {
		s.t.Helper()
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			s.t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	check("opening", opens, tc.opens)
	if tc.opens != "" {
		return
	}
	check("stopped", stopped, tc.stopped)
	if words != tc.words {
		s.t.Errorf("verdicts: got %s, want %s", words, tc.words)
	}
	check("failures", failures, tc.failure)
	_, _, words, failures = again.tryVerdicts(store.VerifyOptions{Kept: []store.Kept{s.kept}})
	if words != tc.anchored {
		s.t.Errorf("verdicts with the auditor's checkpoint: got %s, want %s", words, tc.anchored)
	}
	check("failures with the auditor's checkpoint", failures, tc.anchoredFailure)
}

// Who holds the key and sets the clock back can date new records as he likes;
// an anchor's time says that they came later.
func TestBackdatedRecordsAreBracketed(t *testing.T) {
	s := stage(t).on(t)
	l := s.log()
	before, err := chain.Decode(l.entries[100].leaf)
	if err != nil {
		t.Fatal(err)
	}
	// The records after the newest time-stamp but one claim the time of an early
	// one, and so must those before them from there on: those are stamped.
	for i := 323; i < len(l.entries); i++ {
		l.leaf(i, func(lf *chain.Leaf) { lf.Recorded = before.Recorded })
	}
	l.rehash(323)
	l.resign(s.key)
	l.write()
	l.forgetSigned()
	_, _, words, failures := s.on(t).tryVerdicts(store.VerifyOptions{Anchors: s.stamp[:2]})
	if want := with("integrity failed", "completeness shown", "time bracketed"); words != want || !strings.Contains(failures, "record 323 was recorded at") {
		t.Errorf("got %s (%s), want %s: records before them have later times", words, failures, want)
	}
	// With the times of the log kept in order it is only the bracket that tells.
	for i := 323; i < len(l.entries); i++ {
		l.leaf(i, func(lf *chain.Leaf) { lf.Recorded = s.stamp[1].NotAfter.Add(-time.Minute) })
	}
	l.rehash(323)
	l.resign(s.key)
	l.write()
	l.forgetSigned()
	loc := openDir(t, s.dir, &clock{start.Add(24 * time.Hour)})
	log, err := loc.Store.Log(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := log.Verify(t.Context(), store.VerifyOptions{Anchors: s.stamp[:2]})
	if err != nil || !r.OK() || len(r.Brackets) != 3 {
		t.Fatalf("got %+v, %v, want no failure and three brackets", r, err)
	}
	if b := r.Brackets[2]; b.From != 323 || b.NotEarlier != s.stamp[1].NotAfter || !r.Last.Before(b.NotEarlier) {
		t.Errorf("the backdated records, of %s, are in bracket %+v", r.Last, b)
	}
	if r, err := log.Verify(t.Context(), store.VerifyOptions{Anchors: s.stamp}); err != nil || r.OK() {
		t.Errorf("with the time-stamp over what was there before: %v, %+v", err, r)
	}
}

// A second writer is refused before it has read anything.
func TestSecondWriterIsRefused(t *testing.T) {
	s := stage(t)
	held := openDir(t, s.dir, &clock{start})
	log, err := held.Store.Log(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, log, event("held", start, map[string]int{}))
	if l, err := Open(Options{Dir: s.dir}); !problem.Is(err, problem.Locked) {
		if err == nil {
			l.Close()
		}
		t.Errorf("got %v, want locked", err)
	}
	// Nor does going around the lock of the directory help: each segment is
	// locked by its writer.
	db, err := bbolt.Open(filepath.Join(s.dir, "tenants", s.ids["tenant-1"], "log", "0001.db"), 0o600, &bbolt.Options{Timeout: time.Nanosecond})
	if err == nil {
		db.Close()
		t.Error("a segment can be opened twice")
	}
}
