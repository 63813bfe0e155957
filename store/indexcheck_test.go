package store_test

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"testing"

	"evidenced/evidence"
	"evidenced/store"
)

// thief is a backend whose indexes somebody changes who can write their files.
type thief struct {
	store.Backend
	change func(ps []store.Posting) []store.Posting
}

func (b thief) Open(id string, create bool) (store.LogFile, store.Index, error) {
	f, ix, err := b.Backend.Open(id, create)
	if err != nil {
		return nil, nil, err
	}
	return f, thiefIndex{ix, b.change}, nil
}

type thiefIndex struct {
	store.Index
	change func(ps []store.Posting) []store.Posting
}

func (ix thiefIndex) Apply(ps []store.Posting, mark uint64) error {
	return ix.Index.Apply(ix.change(ps), mark)
}

// An index is not sealed: whoever changes it hides a record from every answer and
// every pack, while its log verifies. Looking at the index finds it.
func TestHiddenPostings(t *testing.T) {
	of := func(p store.Posting, bucket byte, seq uint64) bool {
		return p.Bucket == bucket && len(p.Key) >= 16 && binary.BigEndian.Uint64(p.Key[len(p.Key)-8:]) == seq
	}
	drop := func(bucket byte) func([]store.Posting) []store.Posting {
		return func(ps []store.Posting) (out []store.Posting) {
			for _, p := range ps {
				if !of(p, bucket, 3) {
					out = append(out, p)
				}
			}
			return out
		}
	}
	edit := func(bucket byte, change func(p store.Posting) []store.Posting) func([]store.Posting) []store.Posting {
		return func(ps []store.Posting) (out []store.Posting) {
			for _, p := range ps {
				if of(p, bucket, 4) {
					out = append(out, change(store.Posting{Bucket: p.Bucket, Key: bytes.Clone(p.Key), Value: bytes.Clone(p.Value)})...)
				} else {
					out = append(out, p)
				}
			}
			return out
		}
	}
	for _, tc := range []struct {
		name   string
		change func([]store.Posting) []store.Posting
		want   uint64
	}{
		{"as it is", func(ps []store.Posting) []store.Posting { return ps }, 0},
		{"not found by its kind", drop('t'), 1},
		{"not found by what it is about", drop('l'), 1},
		{"not known as an event", func(ps []store.Posting) (out []store.Posting) {
			for _, p := range ps {
				if p.Bucket != store.BucketIdentity || binary.BigEndian.Uint64(p.Value) != 3 {
					out = append(out, p)
				}
			}
			return out
		}, 1},
		{"known as another event", func(ps []store.Posting) []store.Posting {
			for i, p := range ps {
				if p.Bucket == store.BucketIdentity && binary.BigEndian.Uint64(p.Value) == 3 {
					ps[i].Value = binary.BigEndian.AppendUint64(nil, 5)
				}
			}
			return ps
		}, 1},
		{"a state that ends", edit(store.BucketState, func(p store.Posting) []store.Posting {
			p.Value[0] ^= 3
			return []store.Posting{p}
		}), 1},
		{"a state that is not known", edit(store.BucketState, func(store.Posting) []store.Posting { return nil }), 1},
		{"a state that ends a second later", edit(store.BucketState, func(p store.Posting) []store.Posting {
			end := store.Posting{Bucket: p.Bucket, Key: bytes.Clone(p.Key), Value: bytes.Clone(p.Value)}
			end.Key[len(end.Key)-9]++
			end.Value[0] ^= 3
			return []store.Posting{p, end}
		}), 1},
		{"found as another kind", edit('l', func(p store.Posting) []store.Posting {
			p.Value = []byte(evidence.CertState)
			return []store.Posting{p}
		}), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, log := newLog(t, filepath.Join(t.TempDir(), "data"), func(o *store.Options) { o.Backend = thief{o.Backend, tc.change} })
			items := merges(0, 5) // records 1 to 5, behind the genesis
			items[3].Draft.Kind, items[3].Draft.Op, items[3].Draft.Key = evidence.DeployState, evidence.OpSet, ""
			items = append(items, merge(1, 2)) // another version of one
			if _, err := log.Append(t.Context(), items); err != nil {
				t.Fatal(err)
			}
			if err := log.WaitIndexed(t.Context()); err != nil {
				t.Fatal(err)
			}
			if wrong, err := log.CheckIndex(t.Context()); err != nil || wrong != tc.want {
				t.Errorf("%d records are told, %v, want %d", wrong, err, tc.want)
			}
			if r := mustVerify(t, log, store.VerifyOptions{Deep: true}); !r.OK() {
				t.Errorf("the log itself: %q", r.Failures)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
