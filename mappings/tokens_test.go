package mappings

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"evidenced/evidence"
)

// Requests of two kinds, noted apart and put together, tell of a token what they
// tell in the order in which they came.
func TestTokensPutTogether(t *testing.T) {
	start := time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		var inOrder, accesses, logins tokenLog
		at := start
		for seq := range uint64(1 + rnd.IntN(40)) {
			at = at.Add(time.Duration(rnd.IntN(2)) * time.Second) // several at one instant
			r := &evidence.Record{Seq: seq, Kind: evidence.SecretAccess, Source: "vault/prod", Occurred: at}
			part := &accesses
			if rnd.IntN(3) == 0 {
				r.Kind, part = evidence.SecretAuth, &logins
			}
			f := &tokenFacts{
				Accessor: []string{"", "a", "b"}[rnd.IntN(3)], AuthMethod: []string{"", "jwt", "approle"}[rnd.IntN(3)], Root: rnd.IntN(9) == 0,
				Transport: []string{"", "socket", "socket", "socket"}[rnd.IntN(4)], TokenTTL: int64(rnd.IntN(5000)), NoExpiry: rnd.IntN(4) == 0,
			}
			seqs := []uint64{seq}
			if rnd.IntN(4) == 0 {
				seqs = []uint64{seq + 100, seq} // amended
			}
			inOrder.take(r, f, seqs)
			part.take(r, f, seqs)
		}
		for id, x := range accesses.used {
			logins.put(id, x)
		}
		if !reflect.DeepEqual(inOrder.used, logins.used) {
			t.Fatalf("seed %d: put together\n%+v\nin order\n%+v", seed, logins.used, inOrder.used)
		}
	}
}
