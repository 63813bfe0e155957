package index

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"evidenced/store"
)

// keyMakers make keys of shapes that part early, late, or only by their length.
var keyMakers = map[string]func(r *rand.Rand) []byte{
	"digests": func(r *rand.Rand) []byte { return fmt.Appendf(nil, "%016x", r.Uint64()) },
	"few":     func(r *rand.Rand) []byte { return fmt.Appendf(nil, "%d", r.IntN(50)) },
	"one":     func(*rand.Rand) []byte { return []byte("always the same key") },
	"empty":   func(*rand.Rand) []byte { return nil },
	"lengths": func(r *rand.Rand) []byte { return bytes.Repeat([]byte{0}, r.IntN(40)) },
	"begin":   func(r *rand.Rand) []byte { return fmt.Appendf(nil, "deploy.state\x00%08x", r.Uint32()) },
	"cut":     func(r *rand.Rand) []byte { return []byte(strings.Repeat("deploy", 6)[:r.IntN(36)]) },
	"kinds":   func(r *rand.Rand) []byte { return fmt.Appendf(nil, "kind-%d\x00%x", r.IntN(3), r.IntN(1000)) },
	"ordered": func() func(*rand.Rand) []byte {
		n := 0
		return func(*rand.Rand) []byte { n++; return fmt.Appendf(nil, "%09d", n) }
	}(),
	"high bit": func(r *rand.Rand) []byte { return []byte{byte(r.UintN(256)), byte(r.UintN(256))} },
}

func TestSorted(t *testing.T) {
	for name, key := range keyMakers {
		for _, n := range []int{0, 1, 2, fewRanked - 1, fewRanked, 1000, 5000} {
			r := rand.New(rand.NewPCG(1, uint64(n)))
			ps := make([]store.Posting, n)
			want := make([]int32, n)
			for i := range ps {
				ps[i], want[i] = store.Posting{Bucket: "dtsl"[r.IntN(4)], Key: key(r)}, int32(i)
			}
			slices.SortStableFunc(want, func(a, b int32) int {
				return cmp.Or(cmp.Compare(ps[a].Bucket, ps[b].Bucket), bytes.Compare(ps[a].Key, ps[b].Key))
			})
			if err := sorted(ps, func(order []ranked) error {
				for i, o := range order {
					if o.at != want[i] {
						return fmt.Errorf("place %d has posting %d (%q), want %d (%q)", i, o.at, ps[o.at].Key, want[i], ps[want[i]].Key)
					}
				}
				if len(order) != n {
					return fmt.Errorf("%d places", len(order))
				}
				return nil
			}); err != nil {
				t.Errorf("%d keys, %s: %v", n, name, err)
			}
		}
	}
}

// Of many postings with one key the last one holds, wherever the others stand.
func TestLastOfOneKeyHolds(t *testing.T) {
	var ps []store.Posting
	for i := range 3000 {
		ps = append(ps, store.Posting{Bucket: store.BucketState, Key: fmt.Appendf(nil, "deploy.state\x00%0*d", 20+i%7, i%60), Value: fmt.Append(nil, i)})
	}
	last := map[string]string{}
	for _, p := range ps {
		last[string(p.Key)] = string(p.Value)
	}
	r, err := newMemoryRun(ps)
	if err != nil {
		t.Fatal(err)
	}
	if int(r.count) != len(last) {
		t.Errorf("%d postings in the run, want %d", r.count, len(last))
	}
	for k, v := range last {
		full := append([]byte{store.BucketState}, k...)
		c := cursor{r: r}
		if c.seekGE(full); !c.valid || !bytes.Equal(c.key(), full) || string(c.val()) != v {
			t.Errorf("%q: got %q, want %q", k, c.val(), v)
		}
	}
}
