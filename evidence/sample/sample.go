// Package sample draws attribute samples that an auditor can draw again.
//
// # Method evidenced-sample/v1
//
// The population is the items of one finding. An item's line is the numbers of
// its records in the log, in the order the finding gives them, in decimal,
// joined by commas; the population's lines are sorted as bytes, and its hash
// is the SHA-256 of them with a line feed behind each.
//
// The seed is
//
//	SHA-256( "evidenced/seed/v1" || len(C) || C || len(R) || R )
//
// where C is the SHA-256 of the closing checkpoint's note text (the lines
// before the blank one), R is randomness that nobody could know while the
// log could still be changed, and len is eight bytes, big-endian. R is, in this
// order of preference: a nonce that the auditor gives once he holds C; the
// signature line of a witness on that checkpoint; an RFC 3161 token over it.
// With none of them R is empty and the seed is under the operator's control:
// he can make checkpoints until he likes the sample.
//
// The rank of line i is SHA-256("evidenced/rank/v1" || seed || line), and of
// lines that are equal, each with its place among them (0, 1, ...; eight bytes,
// big-endian) behind it. The sample is the items of the lowest ranks.
//
// testdata/vectors/redraw.py does the same in a page of Python.
package sample

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"evidenced/evidence"
)

// Method is what stands in findings and packs.
const Method = "evidenced-sample/v1"

// Chosen is the method of a list that an auditor brought himself.
const Chosen = "chosen-by-auditor"

// Source says where the randomness of a seed comes from.
type Source string

// The sources, the strongest first.
const (
	Nonce    Source = "auditor-nonce"
	Witness  Source = "witness-cosignature"
	Token    Source = "rfc3161-token"
	Operator Source = "operator" // none: the seed is under the operator's control
)

// Says tells a person what the seed is worth.
func (s Source) Says() string {
	switch s {
	case Nonce:
		return "seed from the closing checkpoint and a nonce of the auditor, given after he held the checkpoint's hash"
	case Witness:
		return "seed from the closing checkpoint and a witness's signature on it"
	case Token:
		return "seed from the closing checkpoint and a time-stamp token over it"
	case Operator:
		return "seed under the operator's control"
	}
	return "seed of unknown source"
}

// Population is what a sample is drawn from.
type Population struct {
	View  string        `json:"view"`
	Query string        `json:"query"` // the population filter, CEL
	Count int           `json:"count"`
	Hash  evidence.Hash `json:"hash"`
}

// Seed is what decides a sample.
type Seed struct {
	Checkpoint evidence.Hash `json:"checkpoint"` // SHA-256 of the note text
	Source     Source        `json:"source"`
	// Randomness is R, base64 in JSON: it need not be text.
	Randomness []byte        `json:"randomness,omitempty"`
	Value      evidence.Hash `json:"value"`
}

// maxRandomness bounds R, in bytes.
const maxRandomness = 64 << 10

// NewSeed makes a seed. Without randomness the source must be Operator.
func NewSeed(checkpoint evidence.Hash, source Source, randomness []byte) (Seed, error) {
	switch {
	case (source == Operator) != (len(randomness) == 0):
		return Seed{}, fmt.Errorf("a seed of source %s with %d bytes of randomness", source, len(randomness))
	case !slices.Contains([]Source{Nonce, Witness, Token, Operator}, source):
		return Seed{}, fmt.Errorf("a seed of unknown source %q", source)
	case len(randomness) > maxRandomness:
		return Seed{}, fmt.Errorf("%d bytes of randomness, at most %d", len(randomness), maxRandomness)
	}
	b := []byte("evidenced/seed/v1")
	for _, part := range [][]byte{checkpoint[:], randomness} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	return Seed{checkpoint, source, randomness, sha256.Sum256(b)}, nil
}

// Sample is some items of a population, and how they were come by.
type Sample struct {
	Method     string     `json:"method"`
	Population Population `json:"population"`
	Seed       *Seed      `json:"seed,omitempty"` // nil of a chosen list
	// Confidence and Tolerable, in per cent, are what the size follows from,
	// when it does: with no exception among the items, at most so many of the
	// population are exceptions, so surely.
	Confidence float64 `json:"confidence,omitempty"`
	Tolerable  float64 `json:"tolerable,omitempty"`
	// Items are indices into the finding's items, ascending.
	Items []int `json:"items"`
}

// PopulationOf describes a population.
func PopulationOf(view, query string, items []evidence.Item) Population {
	h := sha256.New()
	for _, l := range slices.SortedFunc(slices.Values(lines(items)), bytes.Compare) {
		h.Write(append(l, '\n'))
	}
	p := Population{View: view, Query: query, Count: len(items)}
	h.Sum(p.Hash[:0])
	return p
}

func lines(items []evidence.Item) [][]byte {
	out := make([][]byte, len(items))
	for i := range items {
		b := strconv.AppendUint(nil, items[i].Seq, 10)
		for _, s := range items[i].Also {
			b = strconv.AppendUint(append(b, ','), s, 10)
		}
		out[i] = b
	}
	return out
}

// Draw draws n items; all of them when there are no more. Indices are into
// items, ascending.
func Draw(seed Seed, items []evidence.Item, n int) []int {
	type ranked struct {
		rank  [sha256.Size]byte
		index int
	}
	rs := make([]ranked, len(items))
	same := map[string]uint64{}
	for i, l := range lines(items) {
		b := append([]byte("evidenced/rank/v1"), seed.Value[:]...)
		b = append(b, l...)
		if k := same[string(l)]; k > 0 {
			b = binary.BigEndian.AppendUint64(b, k)
		}
		same[string(l)]++
		rs[i] = ranked{sha256.Sum256(b), i}
	}
	slices.SortFunc(rs, func(a, b ranked) int {
		return cmp.Or(bytes.Compare(a.rank[:], b.rank[:]), cmp.Compare(a.index, b.index))
	})
	var out []int
	for _, r := range rs[:min(max(n, 0), len(rs))] {
		out = append(out, r.index)
	}
	slices.Sort(out)
	return slices.Clip(out)
}

// Size is the least number of items of a population of count of which none may
// be an exception so that, with the confidence (per cent), at most the
// tolerable share (per cent) of the population are exceptions. Items are drawn
// without returning them, so the hypergeometric distribution decides.
func Size(count int, confidence, tolerable float64) (int, error) {
	if !(confidence > 0 && confidence < 100) || !(tolerable > 0 && tolerable < 100) {
		return 0, errors.New("confidence and tolerable share must lie between 0 and 100 per cent")
	}
	// The least number of exceptions that would be too many.
	bad := int(math.Floor(float64(count)*tolerable/100)) + 1
	miss := 1 - confidence/100
	p := 1.0 // that the items drawn so far hold none of them
	for n := range count {
		if p <= miss {
			return n, nil
		}
		p *= max(0, float64(count-bad-n)) / float64(count-n)
	}
	return count, nil
}

// Check draws the sample again and says what does not hold. A chosen list must
// name items that are there.
func (s *Sample) Check(view, query string, items []evidence.Item) error {
	if want := PopulationOf(view, query, items); s.Population != want {
		return fmt.Errorf("the sample is of another population: %d items with hash %s, not %d with %s", s.Population.Count, s.Population.Hash, want.Count, want.Hash)
	}
	if !slices.IsSorted(s.Items) || len(s.Items) > 0 && (s.Items[0] < 0 || s.Items[len(s.Items)-1] >= len(items)) {
		return errors.New("the sample names items that are not there, or not in order")
	}
	if len(slices.Compact(slices.Clone(s.Items))) != len(s.Items) {
		return errors.New("the sample names an item twice")
	}
	switch {
	case s.Method == Chosen && s.Seed == nil:
		return nil
	case s.Method != Method || s.Seed == nil:
		return fmt.Errorf("the sample is of unknown method %q, or has no seed", s.Method)
	}
	again, err := NewSeed(s.Seed.Checkpoint, s.Seed.Source, s.Seed.Randomness)
	if err != nil {
		return err
	}
	if again.Value != s.Seed.Value {
		return errors.New("the seed does not follow from the checkpoint and the randomness")
	}
	if s.Confidence != 0 {
		n, err := Size(len(items), s.Confidence, s.Tolerable)
		if err != nil {
			return err
		}
		if n != len(s.Items) {
			return fmt.Errorf("the sample has %d items, its confidence asks for %d", len(s.Items), n)
		}
	}
	if !slices.Equal(Draw(again, items, len(s.Items)), s.Items) {
		return errors.New("another sample follows from the seed")
	}
	return nil
}
