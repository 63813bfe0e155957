package store

import (
	"bytes"

	"github.com/tidwall/btree"
)

// The buckets of the index. Every name is an HMAC under the log's index key,
// every time 8 bytes that sort, every seq 8 bytes.
//
//	'd' identity of an event                     -> seq, digest of the facts
//	't' kind 0 time seq                          -> nothing
//	's' kind 0 subject time seq                  -> op, digest of the state
//	'l' reference time seq                       -> kind
//	'p' person token time seq                    -> kind
const (
	bucketIdentity = 'd'
	bucketTime     = 't'
	bucketState    = 's'
	bucketLink     = 'l'
	bucketPerson   = 'p'
)

func lessPosting(a, b Posting) bool {
	if a.Bucket != b.Bucket {
		return a.Bucket < b.Bucket
	}
	return bytes.Compare(a.Key, b.Key) < 0
}

func newTree() *btree.BTreeG[Posting] {
	return btree.NewBTreeGOptions(lessPosting, btree.Options{NoLocks: true})
}

// layers reads the index as one ordered map: the un-indexed tail in memory
// first, newest tree first, then the stored index.
type layers struct {
	trees []*btree.BTreeG[Posting]
	view  IndexView
}

func (l layers) get(bucket byte, key []byte) ([]byte, bool) {
	for _, t := range l.trees {
		if p, ok := t.Get(Posting{Bucket: bucket, Key: key}); ok {
			return p.Value, true
		}
	}
	if k, v := l.view.SeekGE(bucket, key); k != nil && bytes.Equal(k, key) {
		return v, true
	}
	return nil, false
}

// seekGE returns the first posting at or after key, of the newest layer that
// has it.
func (l layers) seekGE(bucket byte, key []byte) (k, v []byte) {
	k, v = l.view.SeekGE(bucket, key)
	for i := len(l.trees) - 1; i >= 0; i-- {
		l.trees[i].Ascend(Posting{Bucket: bucket, Key: key}, func(p Posting) bool {
			if p.Bucket == bucket && (k == nil || bytes.Compare(p.Key, k) <= 0) {
				k, v = p.Key, p.Value
			}
			return false
		})
	}
	return k, v
}

// seekLT returns the last posting before key.
func (l layers) seekLT(bucket byte, key []byte) (k, v []byte) {
	k, v = l.view.SeekLT(bucket, key)
	for i := len(l.trees) - 1; i >= 0; i-- {
		l.trees[i].Descend(Posting{Bucket: bucket, Key: key}, func(p Posting) bool {
			if p.Bucket == bucket && bytes.Equal(p.Key, key) {
				return true // strictly before
			}
			if p.Bucket == bucket && (k == nil || bytes.Compare(p.Key, k) >= 0) {
				k, v = p.Key, p.Value
			}
			return false
		})
	}
	return k, v
}
