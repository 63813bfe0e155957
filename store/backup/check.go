package backup

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
	"evidenced/store"
	"evidenced/store/bolt"
)

// CheckOptions is what a backup is checked against.
type CheckOptions struct {
	// Notes are checkpoints kept elsewhere, signed notes by their file name.
	Notes map[string][]byte
	// LogKey is the log key known from elsewhere; "" takes the manifest's.
	LogKey string
	// Keys opens the claims of a log; nil leaves them closed.
	Keys     func(logID string) (store.TenantKeys, bool)
	Progress func(done, total uint64) // records
}

// Report is the verdict on a backup.
type Report struct {
	OK       bool      `json:"ok"`
	Made     time.Time `json:"made"`
	Program  string    `json:"program"`
	Failures []string  `json:"failures,omitempty"` // of the backup as a whole
	Logs     []Verdict `json:"logs"`
}

// Verdict is what was found of one log.
type Verdict struct {
	Origin      string   `json:"origin"`
	Size        uint64   `json:"size"`
	Records     uint64   `json:"records"` // verified
	Checkpoints int      `json:"checkpoints"`
	Signed      uint64   `json:"signed_size"` // newest checkpoint in the copy
	Compared    []string `json:"compared,omitempty"`
	// Continues is how the log before it ended, as its genesis tells.
	Continues *evidence.LogEnd `json:"continues,omitempty"`
	Opened    uint64           `json:"opened"` // claims that opened and matched (with keys)
	Closed    uint64           `json:"closed"` // claims whose key is not there: erased, or lost
	LogKey    string           `json:"log_key"`
	Failures  []string         `json:"failures,omitempty"`
}

func (v *Verdict) fail(format string, args ...any) {
	const most = 20
	if len(v.Failures) < most {
		v.Failures = append(v.Failures, fmt.Sprintf(format, args...))
	}
}

// Check verifies the backup in dir and writes nothing. The error says that it
// could not be read; what is wrong with it stands in the report.
func Check(ctx context.Context, dir string, o CheckOptions) (*Report, error) {
	m, err := Load(dir)
	if err != nil {
		return nil, err
	}
	r := &Report{Made: m.Made, Program: m.Program, Logs: []Verdict{}}
	for _, f := range m.Files {
		if err := same(filepath.Join(dir, f.Name), f); err != nil {
			r.Failures = append(r.Failures, err.Error())
		}
	}
	var total, done uint64
	for _, l := range m.Logs {
		total += l.Size
	}
	if len(m.Logs) == 0 {
		r.Failures = append(r.Failures, "it holds no log")
	}
	used, told := map[string]bool{}, told{heads: map[string]evidence.LogHead{}, ended: map[string]bool{}, ends: endsOf(m.Logs, o.Keys)}
	for i := range m.Logs {
		c := &checker{ctx: ctx, o: o, dir: dir, log: &m.Logs[i], done: done, total: total, used: used, told: &told}
		v, err := c.check()
		if err != nil {
			return nil, err
		}
		r.Logs = append(r.Logs, *v)
		done += m.Logs[i].Size
	}
	for name, signed := range o.Notes {
		if !used[name] {
			origin := "it"
			if c, err := textOf(signed); err == nil {
				origin = c.Origin
			}
			r.Failures = append(r.Failures, fmt.Sprintf("checkpoint %s: log %s is not in the backup", name, origin))
		}
	}
	told.settle(r.Logs)
	r.Failures = append(r.Failures, told.missing(m.Logs)...)
	r.OK = len(r.Failures) == 0
	for _, v := range r.Logs {
		r.OK = r.OK && len(v.Failures) == 0
	}
	return r, nil
}

func same(path string, want File) error {
	got, err := hashFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("file %s is missing", want.Name)
	case err != nil:
		return fmt.Errorf("file %s cannot be read", want.Name)
	case got.Bytes != want.Bytes || got.SHA256 != want.SHA256:
		return fmt.Errorf("file %s was changed since the backup was made", want.Name)
	}
	return nil
}

// textOf reads a checkpoint without looking at its signatures.
func textOf(signed []byte) (chain.Checkpoint, error) {
	for i := 0; i+1 < len(signed); i++ {
		if signed[i] == '\n' && signed[i+1] == '\n' {
			return chain.ParseCheckpoint(string(signed[:i+1]))
		}
	}
	return chain.Checkpoint{}, errors.New("not a signed note")
}

type checker struct {
	ctx         context.Context
	o           CheckOptions
	dir         string
	log         *Log
	v           *Verdict
	done, total uint64
	used        map[string]bool
	told        *told

	roots    map[uint64][]source // roots that were signed, by size
	frontier *chain.Frontier
	prev     evidence.Hash
	last     time.Time
	keys     store.TenantKeys
	ciphers  map[string]*claim.Cipher
	changes  int // of the log key, as the records tell it
}

// source is a checkpoint and where it is from.
type source struct {
	name  string
	root  evidence.Hash
	known bool // by _platform
}

func (c *checker) check() (*Verdict, error) {
	l := c.log
	c.v = &Verdict{Origin: l.Origin, Size: l.Size}
	if len(l.Keys) == 0 {
		c.v.fail("the manifest names no log key")
		return c.v, nil
	}
	c.v.LogKey = l.Keys[len(l.Keys)-1].Key
	if c.o.LogKey != "" && c.o.LogKey != c.v.LogKey {
		c.v.fail("the log is signed by another key than the one given")
	}
	for _, f := range l.Files {
		if err := same(filepath.Join(c.dir, l.path(f)), f); err != nil {
			c.v.fail("%v", err)
		}
	}
	if len(c.v.Failures) > 0 {
		return c.v, nil // a changed file may be anything: it is not opened
	}
	f, err := bolt.OpenCopy(filepath.Join(c.dir, "tenants", l.ID))
	if err != nil {
		c.v.fail("it cannot be opened: %v", err)
		return c.v, nil
	}
	defer f.Close()
	head, err := f.Head()
	if err != nil {
		c.v.fail("%v", err)
		return c.v, nil
	}
	if head.Size != l.Size {
		c.v.fail("it has %d records, the manifest says %d", head.Size, l.Size)
	}
	c.roots = map[uint64][]source{}
	if err := c.notes(f, head.Size); err != nil {
		return nil, err
	}
	c.given(head.Size)
	c.known(head.Size)
	if c.o.Keys != nil {
		if keys, ok := c.o.Keys(l.ID); ok {
			c.keys, c.ciphers = keys, map[string]*claim.Cipher{}
		} else {
			c.v.fail("the keys given do not know this log")
		}
	}
	return c.v, c.records(f, head)
}

// notes verifies the stored checkpoints' signatures, and that each change of
// the log key was handed over.
func (c *checker) notes(f store.LogFile, size uint64) error {
	at := size
	handed := map[int]bool{}
	for {
		n, err := f.NoteAt(at)
		if err != nil {
			return fmt.Errorf("read checkpoints of %s: %w", c.log.Origin, err)
		}
		if n.Signed == nil {
			break
		}
		cp, err := c.log.Keys.Open(n.Signed)
		switch {
		case err != nil:
			c.v.fail("checkpoint of size %d: %v", n.Size, err)
		case cp.Origin != c.log.Origin || cp.Size != n.Size:
			c.v.fail("checkpoint of size %d is of log %s, size %d", n.Size, cp.Origin, cp.Size)
		default:
			c.roots[cp.Size] = append(c.roots[cp.Size], source{name: "its checkpoint", root: cp.Root})
			c.v.Checkpoints++
			c.v.Signed = max(c.v.Signed, cp.Size)
			for i := 1; i < len(c.log.Keys); i++ {
				if _, err := c.log.Keys.OpenHandover(n.Signed, i); err == nil {
					handed[i] = true
				}
			}
		}
		if n.Size == 0 {
			break
		}
		at = n.Size - 1
	}
	for i := 1; i < len(c.log.Keys); i++ {
		if c.v.Signed >= c.log.Keys[i].From && !handed[i] {
			c.v.fail("the log key from size %d on has no checkpoint by the key before", c.log.Keys[i].From)
		}
	}
	return nil
}

// given takes in the checkpoints from elsewhere.
func (c *checker) given(size uint64) {
	for name, signed := range c.o.Notes {
		t, err := textOf(signed)
		if err != nil || t.Origin != c.log.Origin {
			continue
		}
		c.used[name] = true
		cp, err := c.log.Keys.Open(signed)
		switch {
		case err != nil:
			c.v.fail("checkpoint %s: %v", name, err)
		case cp.Size > size:
			c.v.fail("checkpoint %s has size %d: the %d records of the backup are older, or their end is lost", name, cp.Size, size)
		default:
			c.roots[cp.Size] = append(c.roots[cp.Size], source{name: "checkpoint " + name, root: cp.Root})
			c.v.Compared = append(c.v.Compared, fmt.Sprintf("%s (size %d)", name, cp.Size))
		}
	}
}

func (c *checker) records(f store.LogFile, head store.Head) error {
	first := f.First()
	if err := c.begin(f, first); err != nil {
		c.v.fail("hashes of its first %d records: %v", first, err)
		return nil
	}
	err := f.Scan(first, head.Size, func(e store.Entry) error {
		if e.Seq%4096 == 0 {
			if err := c.ctx.Err(); err != nil {
				return err
			}
			if c.o.Progress != nil {
				c.o.Progress(c.done+e.Seq, c.total)
			}
		}
		c.record(e)
		return nil
	})
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	if err != nil {
		c.v.fail("records cannot be read from %d on: %v", c.v.Records, err)
		return nil
	}
	if n := len(c.log.Keys) - 1; c.keys != nil && first == 0 && c.changes != n {
		c.v.fail("the manifest names %d changes of the log key, the records %d", n, c.changes)
	}
	if c.frontier.Root() != c.log.Root {
		c.v.fail("the tree over its records is not the manifest's")
	}
	if c.prev != head.Last && head.Size > 0 {
		c.v.fail("its head names another last record")
	}
	return nil
}

// begin makes what the first record kept follows: nothing, or the tree over
// the records retired before it, whose hashes are kept.
func (c *checker) begin(f store.LogFile, first uint64) error {
	c.frontier, c.prev = &chain.Frontier{}, chain.GenesisPrev(c.log.Origin)
	if first == 0 {
		return nil
	}
	hashes, err := store.Hashes(f)
	if err != nil {
		return err
	}
	if c.frontier, err = chain.FrontierAt(first, hashes); err != nil {
		return err
	}
	if e := c.end(); e != nil {
		e.told, c.v.Continues = true, &e.LogEnd // its genesis is retired: the keys alone tell
	}
	last, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(first-1))})
	if err != nil {
		return err
	}
	c.prev = evidence.Hash(last[0])
	for size, sources := range c.roots {
		if size == 0 || size > first {
			continue
		}
		root, err := chain.Root(size, hashes)
		if err != nil {
			return err
		}
		for _, s := range sources {
			if s.root != root {
				c.differs(size, s)
			}
		}
	}
	return nil
}

func (c *checker) record(e store.Entry) {
	c.v.Records++
	lf, err := chain.Decode(e.Leaf)
	switch {
	case err != nil:
		c.v.fail("record %d: %v", e.Seq, err)
	case lf.Origin != c.log.Origin || lf.Seq != e.Seq:
		c.v.fail("record %d is record %d of log %s", e.Seq, lf.Seq, lf.Origin)
	case lf.Prev != c.prev:
		c.v.fail("record %d does not follow the one before it", e.Seq)
	case lf.Recorded.Before(c.last):
		c.v.fail("record %d was recorded before its predecessor", e.Seq)
	case len(lf.Claims) != len(e.Claims):
		c.v.fail("record %d: %d claims are stored, the leaf has %d", e.Seq, len(e.Claims), len(lf.Claims))
	default:
		c.last = lf.Recorded
		for i, cl := range lf.Claims {
			if len(e.Claims[i]) != cl.Size || evidence.Hash(sha256.Sum256(e.Claims[i])) != cl.Sealed {
				c.v.fail("record %d: the stored %s is not the sealed one", e.Seq, cl.Name)
			} else if c.keys != nil {
				c.open(lf, e, i)
			}
		}
	}
	c.prev = chain.LeafHash(e.Leaf)
	c.frontier.Append(c.prev, nil)
	for _, s := range c.roots[c.frontier.Size()] {
		if s.root != c.frontier.Root() {
			c.differs(c.frontier.Size(), s)
		}
	}
}

// open opens a claim and checks it against its commitment.
func (c *checker) open(lf *chain.Leaf, e store.Entry, i int) {
	cl := lf.Claims[i]
	ci, err := c.cipher(cl.Keys)
	if errors.Is(err, store.ErrKeyMissing) {
		c.v.Closed++
		return
	}
	var o claim.Opening
	if err == nil {
		o, err = ci.Open(lf.Origin, lf.ID, cl.Name, e.Claims[i], cl.Commit)
	}
	if err == nil && cl.Name == "content" {
		err = errors.Join(c.logKey(lf, o.Plain), c.told.learn(lf.Kind, o.Plain), c.before(lf, o.Plain))
	}
	if err != nil {
		c.v.fail("record %d: %s: %v", e.Seq, cl.Name, err)
		return
	}
	c.v.Opened++
}

// logKey holds the log keys of the manifest, which nobody signed, against those
// that the log's own sealed records name.
func (c *checker) logKey(lf *chain.Leaf, plain []byte) error {
	var facts struct {
		Facts struct {
			LogKey string `json:"log_key"` // of the genesis
			New    string `json:"new"`     // of a change
		} `json:"facts"`
	}
	switch lf.Kind {
	case evidence.LogGenesis, evidence.LogKey:
	default:
		return nil
	}
	if err := json.Unmarshal(plain, &facts); err != nil {
		return err
	}
	keys := c.log.Keys
	if lf.Kind == evidence.LogGenesis {
		if keys[0].Key != facts.Facts.LogKey {
			return errors.New("the log began with another key than the manifest names")
		}
		return nil
	}
	if !slices.ContainsFunc(keys, func(k chain.LogKey) bool { return k.Key == facts.Facts.New && k.From == lf.Seq+1 }) {
		return errors.New("the log key was changed here, the manifest does not say so")
	}
	c.changes++
	return nil
}

func (c *checker) cipher(ids []string) (*claim.Cipher, error) {
	name := fmt.Sprint(ids)
	if ci := c.ciphers[name]; ci != nil {
		return ci, nil
	}
	keys := make([][]byte, len(ids))
	for i, id := range ids {
		var err error
		if keys[i], err = c.keys.Key(id); err != nil {
			return nil, err
		}
	}
	ci, err := claim.NewCipher(ids, keys)
	if err != nil {
		return nil, err
	}
	if len(c.ciphers) >= maxCiphers {
		clear(c.ciphers)
	}
	c.ciphers[name] = ci
	return ci, nil
}
