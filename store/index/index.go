// Package index keeps the derived postings of a log in a log-structured tree
// (Pebble), because they arrive in random order and a page tree would rewrite
// a page for nearly every one of them. The index holds no truth: whatever is
// lost or damaged here is derived again from the records.
//
// It writes no log of its own. What was not yet flushed when the process died
// is gone together with its watermark, and the store derives it again.
package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"evidenced/evidence/problem"
	"evidenced/store"
)

// cacheBytes and openFiles are shared by all indexes of a process.
const (
	cacheBytes = 24 << 20
	openFiles  = 1000
)

// memtableBytes is how much one index gathers in memory before it writes a
// table. It starts small and doubles, so idle logs cost little.
const memtableBytes = 8 << 20

// Pool is what the indexes of a process share. The zero value is ready.
type Pool struct {
	fs vfs.FS // nil for the machine's own

	mu    sync.Mutex
	cache *pebble.Cache
	files *pebble.FileCache
	open  int
}

func (p *Pool) take() (*pebble.Cache, *pebble.FileCache) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == 0 {
		p.cache = pebble.NewCache(cacheBytes)
		p.files = pebble.NewFileCache(4, openFiles)
	}
	p.open++
	return p.cache, p.files
}

// under is the file system below the indexes.
func (p *Pool) under() vfs.FS {
	if p.fs != nil {
		return p.fs
	}
	return vfs.Default
}

// give releases what the last index used.
func (p *Pool) give() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open--; p.open == 0 {
		p.files.Unref()
		p.cache.Unref()
		p.files, p.cache = nil, nil
	}
}

// Open opens the index kept in the directory, making it when it is not there.
// A damaged index is thrown away and begun anew: its watermark is zero then.
func (p *Pool) Open(dir string) (store.Index, error) {
	x := &index{pool: p, dir: dir}
	err := x.open()
	if err != nil {
		if rerr := os.RemoveAll(dir); rerr != nil {
			return nil, problem.Wrap(problem.Storage, errors.Join(err, rerr), "open index %s", dir)
		}
		if err = x.open(); err != nil {
			return nil, problem.Wrap(problem.Storage, err, "make index %s", dir)
		}
	}
	return x, nil
}

type index struct {
	pool *Pool
	dir  string
	db   *pebble.DB
	disk *disk
}

// quiet drops what Pebble tells: errors that matter are returned where the
// index is used.
type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf("index: "+format, args...)) }

func (x *index) open() error {
	cache, files := x.pool.take()
	x.disk = newDisk(x.pool.under())
	o := &pebble.Options{
		FS: x.disk, Cache: cache, FileCache: files, Logger: quiet{},
		FormatMajorVersion: pebble.FormatNewest,
		DisableWAL:         true,
		MemTableSize:       memtableBytes,
		// Four memtables may wait while one is written.
		MemTableStopWritesThreshold: 4,
		DisableTableStats:           true,
		// Postings come in random order: the more tables are merged at a time,
		// the less often the large ones below are written again.
		L0CompactionThreshold: 8,
		L0StopWritesThreshold: 32,
		LBaseMaxBytes:         256 << 20,
	}
	o.TargetFileSizes[0] = memtableBytes
	for i := range o.Levels {
		// Keyed digests do not compress.
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
		o.Levels[i].FilterPolicy = filters{bloom.FilterPolicy(10)}
	}
	db, err := pebble.Open(x.dir, o)
	if err != nil {
		x.pool.give()
		return err
	}
	x.db = db
	return nil
}

// filters answers most look-ups of an identity that is new without reading a
// block. Only identities are looked up by their whole key, so only they are in
// the filters: with the other postings, six times as many, the filters would
// not fit into the cache.
type filters struct{ pebble.FilterPolicy }

func (f filters) Name() string { return "evidenced.identities" }

func (f filters) MayContain(t pebble.FilterType, filter, key []byte) bool {
	return !filtered(key) || f.FilterPolicy.MayContain(t, filter, key)
}

func (f filters) NewWriter(t pebble.FilterType) pebble.FilterWriter {
	return identitiesOnly{f.FilterPolicy.NewWriter(t)}
}

type identitiesOnly struct{ pebble.FilterWriter }

func (w identitiesOnly) AddKey(key []byte) {
	if filtered(key) {
		w.FilterWriter.AddKey(key)
	}
}

func filtered(key []byte) bool { return len(key) > 0 && key[0] == store.BucketIdentity }

// Close implements store.Index.
func (x *index) Close() error {
	if x.db == nil {
		return nil
	}
	err := x.flush()
	err = errors.Join(err, x.db.Close())
	x.db = nil
	x.pool.give()
	if failed := x.disk.failure(); failed != nil {
		// The manifest may not tell what was written since. Where this fails too
		// the next start finds it out.
		_ = os.RemoveAll(x.dir)
		return fmt.Errorf("index: %w", failed)
	}
	return err
}

// flush writes what is in memory, unless the disk refuses it: Pebble would try
// for ever. What is not written is derived again.
func (x *index) flush() error {
	if x.disk.failure() != nil {
		return nil
	}
	flushed, err := x.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-flushed:
	case <-x.disk.failed:
	}
	return nil
}

// watermark is the key of the number of records indexed; no bucket is zero.
var watermark = []byte{0, 'w'}

// Watermark implements store.Index.
func (x *index) Watermark() (uint64, error) {
	v, closer, err := x.db.Get(watermark)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("watermark of the index: %w", err)
	}
	defer closer.Close()
	if len(v) != 8 {
		return 0, fmt.Errorf("watermark of the index has %d bytes", len(v))
	}
	return binary.BigEndian.Uint64(v), nil
}

// batchBytes is how much goes into the memtable at a time. A batch of half a
// memtable and more would become a table of its own, and many small tables
// cost the most to merge.
const batchBytes = 64 << 10

// Apply implements store.Index. The watermark goes in last: what of the
// postings survives a crash without it is stored again, to the same effect.
func (x *index) Apply(ps []store.Posting, mark uint64) error {
	if err := x.disk.failure(); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	b := x.db.NewBatchWithSize(batchBytes + 4096)
	defer func() { b.Close() }()
	for _, p := range ps {
		if b.Len() > batchBytes {
			if err := b.Commit(pebble.NoSync); err != nil {
				return fmt.Errorf("index: %w", err)
			}
			b.Reset()
		}
		op := b.SetDeferred(1+len(p.Key), len(p.Value))
		op.Key[0] = p.Bucket
		copy(op.Key[1:], p.Key)
		copy(op.Value, p.Value)
		if err := op.Finish(); err != nil {
			return fmt.Errorf("index: %w", err)
		}
	}
	if err := b.Set(watermark, binary.BigEndian.AppendUint64(nil, mark), nil); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return nil
}

// Get implements store.Index.
func (x *index) Get(bucket byte, key []byte) ([]byte, error) {
	var buf [64]byte
	v, closer, err := x.db.Get(append(append(buf[:0], bucket), key...))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	defer closer.Close()
	return append(make([]byte, 0, len(v)), v...), nil
}

// Reset implements store.Index.
func (x *index) Reset() error {
	if err := x.Close(); err != nil && x.disk.failure() == nil {
		return problem.Wrap(problem.Storage, err, "close index %s", x.dir)
	}
	if err := os.RemoveAll(x.dir); err != nil {
		return problem.Wrap(problem.Storage, err, "remove index %s", x.dir)
	}
	if err := x.open(); err != nil {
		return problem.Wrap(problem.Storage, err, "make index %s", x.dir)
	}
	return nil
}

// View implements store.Index.
func (x *index) View() (store.IndexView, error) {
	it, err := x.db.NewIter(&pebble.IterOptions{})
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return &view{it: it}, nil
}

type view struct {
	it  *pebble.Iterator
	buf []byte
}

func (v *view) at(bucket byte, key []byte) []byte {
	v.buf = append(append(v.buf[:0], bucket), key...)
	return v.buf
}

// here copies the posting the iterator stands on, when it is of the bucket:
// the iterator's own bytes live only until it moves.
func (v *view) here(bucket byte) (key, value []byte) {
	k := v.it.Key()
	if k[0] != bucket {
		return nil, nil
	}
	val := v.it.Value()
	b := make([]byte, len(k)-1+len(val))
	copy(b, k[1:])
	copy(b[len(k)-1:], val)
	return b[: len(k)-1 : len(k)-1], b[len(k)-1:]
}

// SeekGE implements store.IndexView.
func (v *view) SeekGE(bucket byte, key []byte) (k, val []byte) {
	at := v.at(bucket, key)
	// Walking is cheaper than seeking, and most calls ask for the next one.
	if v.it.Valid() && bytes.Compare(v.it.Key(), at) < 0 && v.it.Next() && bytes.Compare(v.it.Key(), at) >= 0 {
		return v.here(bucket)
	}
	if !v.it.SeekGE(at) {
		return nil, nil
	}
	return v.here(bucket)
}

// SeekLT implements store.IndexView.
func (v *view) SeekLT(bucket byte, key []byte) (k, val []byte) {
	at := v.at(bucket, key)
	if v.it.Valid() && bytes.Equal(v.it.Key(), at) { // walking backwards
		if !v.it.Prev() {
			return nil, nil
		}
		return v.here(bucket)
	}
	if !v.it.SeekLT(at) {
		return nil, nil
	}
	return v.here(bucket)
}

// Close implements store.IndexView.
func (v *view) Close() error { return v.it.Close() }
