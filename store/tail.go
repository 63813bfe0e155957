package store

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/btree"

	"evidenced/evidence"
)

// The buckets of the index. Every name is an HMAC under the log's index key,
// every time 8 bytes that sort, every seq 8 bytes.
//
//	'd' identity of an event                     -> seq, digest of the facts
//	't' kind 0 time seq                          -> nothing
//	's' kind 0 subject time seq                  -> op, digest of the state
//	'l' reference time seq                       -> kind; a subject also without its uid
//	'p' person token time seq                    -> kind
const (
	BucketIdentity = 'd' // the only one that is read by whole keys
	BucketState    = 's'
	bucketTime     = 't'
	bucketLink     = 'l'
	bucketPerson   = 'p'
)

// indexed is what the index needs of a record.
type indexed struct {
	seq           uint64
	kind          evidence.Kind
	at            time.Time
	op            evidence.Op
	ident, digest digest
	closed        bool // its content cannot be opened: found by kind, time and people only
	subject       evidence.Ref
	links         []evidence.Ref
	people        []evidence.Party
}

// tail is what is durable in the log and not yet in the stored index. Records
// come in at the end and leave at the front once they are stored there. A tree
// over them is made only when somebody asks: most of the time the index is
// right behind, and nobody does.
type tail struct {
	names *names

	mu     sync.Mutex
	chunks [][]indexed // batches, in order of seq
	from   uint64      // seq of the first record
	n      int         // records

	treeMu     sync.Mutex // held while the tree grows; taken before mu
	tree       *btree.BTreeG[Posting]
	treeFrom   uint64 // the tree has the postings from here
	treeBefore uint64 // up to here, exclusive
}

func newTail(n *names, from uint64) *tail {
	return &tail{names: n, from: from, tree: newTree(), treeFrom: from, treeBefore: from}
}

// add appends a batch; only the committer calls it.
func (t *tail) add(recs []indexed) {
	t.mu.Lock()
	t.chunks = append(t.chunks, recs)
	t.n += len(recs)
	t.mu.Unlock()
}

// len returns how many records wait.
func (t *tail) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n
}

// first returns whole batches from the front, of n records or a little more,
// without taking them out.
func (t *tail) first(n int) [][]indexed {
	t.mu.Lock()
	defer t.mu.Unlock()
	end, recs := 0, 0
	for end < len(t.chunks) && recs < n {
		recs += len(t.chunks[end])
		end++
	}
	return t.chunks[:end:end]
}

// done takes so many batches out: they are stored.
func (t *tail) done(batches int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range batches {
		t.from += uint64(len(t.chunks[i]))
		t.n -= len(t.chunks[i])
		t.chunks[i] = nil // must not be kept alive by the array
	}
	if t.chunks = t.chunks[batches:]; len(t.chunks) == 0 {
		t.chunks = nil
	}
}

// prune lets go of a tree that nothing waits for any more. While somebody is at
// the tree it stays: who asks next makes a new one.
func (t *tail) prune() {
	if !t.treeMu.TryLock() {
		return
	}
	defer t.treeMu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == 0 && t.treeBefore > t.treeFrom {
		t.tree, t.treeFrom, t.treeBefore = newTree(), t.from, t.from
	}
}

// postings returns a tree with the postings of all records that wait. It may
// hold more than those: what was stored meanwhile is the same in both places.
func (t *tail) postings() *btree.BTreeG[Posting] {
	t.treeMu.Lock()
	defer t.treeMu.Unlock()
	t.mu.Lock()
	chunks, from, before := slices.Clone(t.chunks), t.from, t.from+uint64(t.n)
	t.mu.Unlock()
	if t.treeBefore < from || t.treeBefore-t.treeFrom > 2*maxTail {
		t.tree, t.treeFrom, t.treeBefore = newTree(), from, from
	}
	var ps []Posting
	for _, recs := range chunks {
		for i := range recs {
			if recs[i].seq < t.treeBefore {
				continue
			}
			ps = t.names.postings(ps[:0], &recs[i])
			for _, p := range ps {
				t.tree.Set(p)
			}
		}
	}
	t.treeBefore = before
	return t.tree.Copy()
}

// postings appends the index entries of a record. They stand in memory of their
// own.
func (n *names) postings(ps []Posting, r *indexed) []Posting {
	list := postingList{ps: ps}
	list.add(n, r)
	return list.ps
}

// postingList is a list of postings and the memory that their keys and values
// stand in.
type postingList struct {
	ps    []Posting
	bytes []byte
}

// add appends the index entries of a record.
func (list *postingList) add(n *names, r *indexed) {
	var when [16]byte
	tk := timeKey(r.at)
	copy(when[:], tk[:])
	binary.BigEndian.PutUint64(when[8:], r.seq)
	info, _ := evidence.KindInfo(r.kind)
	// One block of memory takes every key and value of the record.
	buf := slices.Grow(list.bytes, (3+len(r.links)+len(r.people))*32+3*len(r.kind)+96)
	from := func(start int) []byte { return buf[start:len(buf):len(buf)] }
	ps := list.ps
	put := func(bucket byte, value []byte, parts ...[]byte) {
		start := len(buf)
		for _, p := range parts {
			buf = append(buf, p...)
		}
		ps = append(ps, Posting{bucket, from(start), value})
	}
	zero := []byte{0}
	start := len(buf)
	buf = append(buf, r.kind...)
	kind := from(start)
	put(bucketTime, nil, kind, zero, when[:])
	start = len(buf)
	switch {
	case r.closed:
	case info.State:
		buf = appendState(buf, r.op, r.digest)
		put(BucketState, from(start), kind, zero, r.ident[:], when[:])
	default:
		buf = append(binary.BigEndian.AppendUint64(buf, r.seq), r.digest[:]...)
		put(BucketIdentity, from(start), r.ident[:])
	}
	if !r.closed {
		links := len(ps)
		add := func(ref evidence.Ref) {
			h := n.ref(ref)
			for _, p := range ps[links:] {
				if [16]byte(p.Key) == h {
					return
				}
			}
			put(bucketLink, kind, h[:], when[:])
		}
		add(r.subject)
		if r.subject.UID != "" {
			add(r.subject.WithUID("")) // a name alone finds it too
		}
		for _, l := range r.links {
			add(l)
		}
	}
	for i, p := range r.people {
		if !slices.ContainsFunc(r.people[:i], func(o evidence.Party) bool { return o.Token == p.Token }) {
			put(bucketPerson, kind, p.Token[:], when[:])
		}
	}
	list.ps, list.bytes = ps, buf
}

func lessPosting(a, b Posting) bool {
	if a.Bucket != b.Bucket {
		return a.Bucket < b.Bucket
	}
	return bytes.Compare(a.Key, b.Key) < 0
}

func newTree() *btree.BTreeG[Posting] {
	return btree.NewBTreeGOptions(lessPosting, btree.Options{NoLocks: true})
}

// layers reads the index as one ordered map: the un-indexed tail in memory and
// the stored index. Where both have a posting it is the same.
type layers struct {
	tree *btree.BTreeG[Posting]
	view IndexView
}

func (l layers) get(bucket byte, key []byte) ([]byte, bool) {
	if p, ok := l.tree.Get(Posting{Bucket: bucket, Key: key}); ok {
		return p.Value, true
	}
	if k, v := l.view.SeekGE(bucket, key); k != nil && bytes.Equal(k, key) {
		return v, true
	}
	return nil, false
}

// from returns the first posting of the bucket whose key is the prefix and
// something at or after the limit.
func (l layers) from(bucket byte, prefix []byte, limit When) (when When, v []byte, ok bool) {
	when, v, ok = l.view.From(bucket, prefix, limit)
	if l.tree.Len() == 0 {
		return when, v, ok
	}
	l.tree.Ascend(Posting{Bucket: bucket, Key: append(slices.Clip(prefix), limit[:]...)}, func(p Posting) bool {
		if at, about := p.whenOf(bucket, prefix); about && (!ok || bytes.Compare(at, when[:]) <= 0) {
			when, v, ok = When(at), p.Value, true
		}
		return false
	})
	return when, v, ok
}

// before returns the last posting of the bucket whose key is the prefix and
// something before the limit.
func (l layers) before(bucket byte, prefix []byte, limit When) (when When, v []byte, ok bool) {
	when, v, ok = l.view.Before(bucket, prefix, limit)
	if l.tree.Len() == 0 {
		return when, v, ok
	}
	key := append(slices.Clip(prefix), limit[:]...)
	l.tree.Descend(Posting{Bucket: bucket, Key: key}, func(p Posting) bool {
		if p.Bucket == bucket && bytes.Equal(p.Key, key) {
			return true // strictly before
		}
		if at, about := p.whenOf(bucket, prefix); about && (!ok || bytes.Compare(at, when[:]) >= 0) {
			when, v, ok = When(at), p.Value, true
		}
		return false
	})
	return when, v, ok
}

// whenOf returns the end of the posting's key when it is the prefix and a When.
func (p *Posting) whenOf(bucket byte, prefix []byte) ([]byte, bool) {
	if p.Bucket != bucket || len(p.Key) != len(prefix)+len(When{}) || !bytes.HasPrefix(p.Key, prefix) {
		return nil, false
	}
	return p.Key[len(prefix):], true
}

// seekGE returns the first posting at or after key.
func (l layers) seekGE(bucket byte, key []byte) (k, v []byte) {
	k, v = l.view.SeekGE(bucket, key)
	if l.tree.Len() == 0 {
		return k, v
	}
	l.tree.Ascend(Posting{Bucket: bucket, Key: key}, func(p Posting) bool {
		if p.Bucket == bucket && (k == nil || bytes.Compare(p.Key, k) <= 0) {
			k, v = p.Key, p.Value
		}
		return false
	})
	return k, v
}

// seekLT returns the last posting before key.
func (l layers) seekLT(bucket byte, key []byte) (k, v []byte) {
	k, v = l.view.SeekLT(bucket, key)
	if l.tree.Len() == 0 {
		return k, v
	}
	l.tree.Descend(Posting{Bucket: bucket, Key: key}, func(p Posting) bool {
		if p.Bucket == bucket && bytes.Equal(p.Key, key) {
			return true // strictly before
		}
		if p.Bucket == bucket && (k == nil || bytes.Compare(p.Key, k) >= 0) {
			k, v = p.Key, p.Value
		}
		return false
	})
	return k, v
}
