package sample

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

func items(n int) []evidence.Item {
	var out []evidence.Item
	for i := range n {
		it := evidence.Item{Seq: uint64(i*7 + 3)}
		if i%5 == 0 {
			it.Also = []uint64{uint64(i), uint64(i * 2)}
		}
		out = append(out, it)
	}
	return out
}

func seed(t testing.TB, s Source, r string) Seed {
	t.Helper()
	x, err := NewSeed(sha256.Sum256([]byte("a checkpoint")), s, []byte(r))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// Each size is checked by hand: the chance of missing every exception when one
// more than tolerable are exceptions, computed by binomial coefficients.
func TestSize(t *testing.T) {
	choose := func(n, k int) float64 {
		v := 1.0
		for i := range k {
			v = v * float64(n-i) / float64(i+1)
		}
		return v
	}
	for _, c := range []struct {
		count                 int
		confidence, tolerable float64
	}{{100, 95, 5}, {1000, 95, 5}, {50, 90, 10}, {38, 95, 5}, {25, 90, 5}, {10, 99, 1}, {300, 80, 2.5}} {
		n, err := Size(c.count, c.confidence, c.tolerable)
		if err != nil {
			t.Fatal(err)
		}
		bad := int(math.Floor(float64(c.count)*c.tolerable/100)) + 1
		missAt := func(n int) float64 { return choose(c.count-bad, n) / choose(c.count, n) }
		if missAt(n) > 1-c.confidence/100+1e-9 || n > 0 && missAt(n-1) <= 1-c.confidence/100-1e-9 {
			t.Errorf("%+v: %d items, chance to miss %.4f, with one less %.4f", c, n, missAt(n), missAt(n-1))
		}
	}
	for _, c := range []struct{ count, want int }{{0, 0}, {1, 1}} {
		if n, err := Size(c.count, 95, 5); n != c.want || err != nil {
			t.Errorf("Size(%d) = %d, %v; want %d", c.count, n, err, c.want)
		}
	}
	for _, c := range [][2]float64{{0, 5}, {100, 5}, {95, 0}, {95, 100}, {math.NaN(), 5}, {95, math.Inf(1)}} {
		if _, err := Size(10, c[0], c[1]); err == nil {
			t.Errorf("confidence %v and tolerable %v were taken", c[0], c[1])
		}
	}
}

func TestDraw(t *testing.T) {
	all := items(200)
	s := seed(t, Nonce, "nonce of the auditor")
	got := Draw(s, all, 25)
	if len(got) != 25 || !slices.IsSorted(got) {
		t.Fatalf("drew %v", got)
	}
	// A larger sample of the same seed holds the smaller one.
	more := Draw(s, all, 60)
	for _, i := range got {
		if !slices.Contains(more, i) {
			t.Errorf("item %d is in the sample of 25 and not in that of 60", i)
		}
	}
	if slices.Equal(Draw(seed(t, Nonce, "another"), all, 25), got) {
		t.Error("another nonce draws the same")
	}
	if n := len(Draw(s, all, 1000)); n != 200 {
		t.Errorf("drew %d of 200", n)
	}
	if n := len(Draw(s, nil, 5)) + len(Draw(s, all, -1)); n != 0 {
		t.Errorf("drew %d of nothing", n)
	}
	// The order of a population does not decide what is drawn.
	turned := slices.Clone(all)
	slices.Reverse(turned)
	for _, i := range Draw(s, turned, 25) {
		if !slices.Contains(got, len(all)-1-i) {
			t.Errorf("item %d is drawn from the turned population alone", len(all)-1-i)
		}
	}
}

// Over many seeds every item is drawn about as often as any other.
func TestDrawIsEven(t *testing.T) {
	all := items(40)
	hits := make([]int, len(all))
	const rounds = 4000
	for i := range rounds {
		for _, k := range Draw(seed(t, Nonce, fmt.Sprint("n", i)), all, 10) {
			hits[k]++
		}
	}
	// Expected 1000 each with a standard deviation of 27; six of them.
	for i, h := range hits {
		if h < 1000-164 || h > 1000+164 {
			t.Errorf("item %d was drawn %d times of %d, want about %d", i, h, rounds, rounds/4)
		}
	}
}

// Items of the same records are told apart.
func TestEqualLines(t *testing.T) {
	all := slices.Repeat([]evidence.Item{{Seq: 5}}, 50)
	got := Draw(seed(t, Nonce, "n"), all, 10)
	if len(slices.Compact(slices.Clone(got))) != 10 {
		t.Errorf("drew %v of equal items", got)
	}
	if slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Error("the first of equal items are always drawn")
	}
}

func TestCheck(t *testing.T) {
	all := items(60)
	good := func() Sample {
		s := seed(t, Witness, "- witness.example AAAA")
		return Sample{Method: Method, Population: PopulationOf("changes", "item.watched", all), Seed: &s, Items: Draw(s, all, 12)}
	}
	s := good()
	if err := s.Check("changes", "item.watched", all); err != nil {
		t.Fatal(err)
	}
	n, err := Size(60, 95, 5)
	if err != nil {
		t.Fatal(err)
	}
	s.Confidence, s.Tolerable, s.Items = 95, 5, Draw(*s.Seed, all, n)
	if err := s.Check("changes", "item.watched", all); err != nil {
		t.Fatal(err)
	}
	chosen := Sample{Method: Chosen, Population: s.Population, Items: []int{1, 59}}
	if err := chosen.Check("changes", "item.watched", all); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Sample){
		"an item swapped":      func(s *Sample) { s.Items[3]++ },
		"an item left out":     func(s *Sample) { s.Items = s.Items[:11]; s.Confidence, s.Tolerable = 95, 5 },
		"another count":        func(s *Sample) { s.Population.Count-- },
		"another hash":         func(s *Sample) { s.Population.Hash[0]++ },
		"another query":        func(s *Sample) { s.Population.Query = "true" },
		"other randomness":     func(s *Sample) { s.Seed.Randomness = []byte("x") },
		"another source":       func(s *Sample) { s.Seed.Source = Nonce; s.Seed.Value[0]++ },
		"no randomness at all": func(s *Sample) { s.Seed.Randomness = nil },
		"an unknown source":    func(s *Sample) { s.Seed.Source = "moon" },
		"no seed":              func(s *Sample) { s.Seed = nil },
		"an unknown method":    func(s *Sample) { s.Method = "by feeling" },
		"out of range":         func(s *Sample) { s.Items = []int{60} },
		"negative":             func(s *Sample) { s.Items = []int{-1} },
		"out of order":         func(s *Sample) { s.Items = []int{5, 2} },
		"twice":                func(s *Sample) { s.Items = []int{5, 5} },
	} {
		s := good()
		change(&s)
		if err := s.Check("changes", "item.watched", all); err == nil {
			t.Errorf("%s: the sample was taken", name)
		}
	}
	s = good()
	if err := s.Check("changes", "item.watched", all[:59]); err == nil {
		t.Error("a population without one item was taken")
	}
}

func TestSeedWithoutRandomnessSaysSo(t *testing.T) {
	s := seed(t, Operator, "")
	if !strings.Contains(s.Source.Says(), "under the operator's control") {
		t.Errorf("got %q", s.Source.Says())
	}
	if _, err := NewSeed(evidence.Hash{}, Nonce, nil); err == nil {
		t.Error("a nonce of nothing was taken")
	}
	if _, err := NewSeed(evidence.Hash{}, Operator, []byte("x")); err == nil {
		t.Error("randomness without a source was taken")
	}
}

// vector is one case of testdata/vectors/samples.json.
type vector struct {
	Name   string     `json:"name"`
	Lines  []string   `json:"lines"` // of the population, in the finding's order
	Size   int        `json:"size"`
	Count  int        `json:"count"`
	Hash   string     `json:"hash"`
	Seed   vectorSeed `json:"seed"`
	Sample []int      `json:"sample"`
}

type vectorSeed struct {
	Checkpoint string `json:"checkpoint"`
	Randomness []byte `json:"randomness"`
	Value      string `json:"value"`
}

const vectorDir = "../../testdata/vectors"

func TestVectors(t *testing.T) {
	var vs []vector
	for _, c := range []struct {
		name   string
		items  []evidence.Item
		size   int
		source Source
		random string
	}{
		{"a nonce", items(100), 25, Nonce, "nonce of the auditor"},
		{"a witness", items(7), 3, Witness, "\u2014 witness.example AbCd+/=="},
		{"a token", items(40), 10, Token, "0\x82\x01\x00binary\xff\x00"},
		{"under the operator's control", items(31), 5, Operator, ""},
		{"more than there are", items(4), 9, Nonce, "x"},
		{"equal lines", slices.Repeat([]evidence.Item{{Seq: 5}, {Seq: 6, Also: []uint64{5}}}, 6), 4, Nonce, "x"},
		{"nothing", nil, 5, Nonce, "x"},
	} {
		s := seed(t, c.source, c.random)
		p := PopulationOf("v", "true", c.items)
		drawn := append([]int{}, Draw(s, c.items, c.size)...)
		v := vector{Name: c.name, Lines: []string{}, Size: c.size, Count: p.Count, Hash: p.Hash.String(), Sample: drawn,
			Seed: vectorSeed{s.Checkpoint.String(), []byte(c.random), s.Value.String()}}
		for _, l := range lines(c.items) {
			v.Lines = append(v.Lines, string(l))
		}
		vs = append(vs, v)
	}
	b, err := json.MarshalIndent(vs, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(vectorDir, "samples.json")
	if evidencetest.Updating() {
		if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(b)+"\n" {
		t.Errorf("%s holds other samples than are drawn now", file)
	}
}

// The second implementation draws the same.
func TestRedrawnInPython(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "python3", filepath.Join(vectorDir, "redraw.py"), filepath.Join(vectorDir, "samples.json")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "7 samples, all drawn again") {
		t.Errorf("redraw.py: %v\n%s", err, out)
	}
}

func BenchmarkDraw(b *testing.B) {
	all := items(100_000)
	s := seed(b, Nonce, "n")
	b.ReportAllocs()
	for b.Loop() {
		Draw(s, all, 60)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(all)), "ns/item")
}
