package pack

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/sample"
)

// Default confidence and tolerable share of the samples in packs, per cent: a
// custom of auditors, not a rule of law.
const (
	SampleConfidence = 95
	SampleTolerable  = 5
)

// NoteHash is what the seed of a sample takes of a checkpoint.
func NoteHash(c chain.Checkpoint) evidence.Hash { return sha256.Sum256([]byte(c.Text())) }

// Randomness picks from receipts what decides the samples of a pack: something
// that others made of the closing checkpoint, so that its maker did not know it
// while he could still change the log. With none the seed is under his control.
func Randomness(receipts []Receipt, closing uint64) (sample.Source, []byte) {
	for _, r := range receipts {
		if r.Kind == Cosigned && r.Size == closing {
			if l := cosignature(r.Note); l != nil {
				return sample.Witness, l
			}
		}
	}
	for _, r := range receipts {
		if r.Kind == TimeStamp && r.Size == closing && len(r.Token) > 0 {
			return sample.Token, r.Token
		}
	}
	return sample.Operator, nil
}

// cosignature returns the last signature line of a note with several: the
// log's own stands first.
func cosignature(signed []byte) []byte {
	lines := bytes.Split(bytes.TrimSuffix(signed, []byte("\n")), []byte("\n"))
	last := lines[len(lines)-1]
	if bytes.Count(signed, []byte("\n\u2014 ")) < 2 || !bytes.HasPrefix(last, []byte("\u2014 ")) {
		return nil
	}
	return last
}

// DrawSample draws the sample that a pack holds of a finding; nil of an empty
// population.
func DrawSample(f *evidence.Finding, checkpoint evidence.Hash, source sample.Source, randomness []byte) (*sample.Sample, error) {
	if len(f.Items) == 0 {
		return nil, nil
	}
	seed, err := sample.NewSeed(checkpoint, source, randomness)
	if err != nil {
		return nil, err
	}
	n, err := sample.Size(len(f.Items), SampleConfidence, SampleTolerable)
	if err != nil {
		return nil, err
	}
	return &sample.Sample{
		Method: sample.Method, Population: sample.PopulationOf(f.View, f.Query, f.Items), Seed: &seed,
		Confidence: SampleConfidence, Tolerable: SampleTolerable, Items: sample.Draw(seed, f.Items, n),
	}, nil
}

// SampleRequest asks a verification for a sample of the auditor's own.
type SampleRequest struct {
	Control evidence.ControlID
	Test    string
	// Nonce is what he chose after he held the pack. Without one, Seqs are the
	// records whose items he wants.
	Nonce                 string
	Size                  int // 0: by confidence and tolerable share
	Confidence, Tolerable float64
	Seqs                  []uint64
}

// DrawnSample is a sample with its items spelled out.
type DrawnSample struct {
	Control evidence.ControlID `json:"control"`
	Test    string             `json:"test"`
	Says    string             `json:"says"` // what the seed is worth
	sample.Sample
	Drawn []evidence.Item `json:"drawn"`
}

// samples checks the sample of each finding and draws the one that is asked
// for.
func (v *verifier) samples(fs []Finding) error {
	var seed *sample.Seed
	for i := range fs {
		f := &fs[i]
		if f.Sample == nil {
			if len(f.Items) > 0 {
				return fmt.Errorf("finding %s has no sample of its items", f.name())
			}
			continue
		}
		if err := f.Sample.Check(f.View, f.Query, f.Items); err != nil {
			return fmt.Errorf("finding %s: %w", f.name(), err)
		}
		// What a maker draws, he draws by a seed that he did not choose, and as
		// many as he must: a list of his own or a smaller one shows nothing.
		s := f.Sample.Seed
		if s == nil || s.Source == sample.Nonce {
			return fmt.Errorf("finding %s: its sample is said to be the auditor's, but stands in the pack", f.name())
		}
		if f.Sample.Confidence < SampleConfidence || f.Sample.Tolerable > SampleTolerable {
			return fmt.Errorf("finding %s: its sample is for %g %% confidence and %g %% tolerable, packs draw for %d and %d",
				f.name(), f.Sample.Confidence, f.Sample.Tolerable, SampleConfidence, SampleTolerable)
		}
		if seed == nil {
			if err := v.seed(s); err != nil {
				return fmt.Errorf("finding %s: %w", f.name(), err)
			}
			seed = s
		} else if s.Source != seed.Source || s.Value != seed.Value {
			return fmt.Errorf("finding %s: its sample has another seed than the others", f.name())
		}
		v.rep.Sampled += len(f.Sample.Items)
	}
	if v.o.Sample == nil {
		return nil
	}
	drawn, err := v.draw(fs, v.o.Sample)
	v.rep.Sample = drawn
	return err
}

// seed says what the seed of all samples is worth.
func (v *verifier) seed(s *sample.Seed) error {
	if s.Checkpoint != NoteHash(v.closing) {
		return fmt.Errorf("the seed of its sample is of another checkpoint")
	}
	known, err := v.vouchedFor(s)
	if err != nil {
		return err
	}
	if v.rep.SampleSeed = s.Source.Says(); !known {
		v.rep.SampleSeed += ", which nobody you named vouches for: the maker may have made it"
	}
	return nil
}

// vouchedFor requires that what a seed stands on is a receipt of the pack, and
// reports whether somebody the auditor named vouches for it.
func (v *verifier) vouchedFor(s *sample.Seed) (known bool, err error) {
	kind, member := Cosigned, 0
	switch s.Source {
	case sample.Operator:
		return true, nil
	case sample.Token:
		kind, member = TimeStamp, 1
	}
	b, err := v.small(memberAnchors)
	if err != nil {
		return false, err
	}
	list, err := parseReceipts(b)
	if err != nil {
		return false, err
	}
	for i, l := range list {
		if l.Kind != kind || l.Size != v.closing.Size {
			continue
		}
		b, err := v.small(l.Members[member])
		if err != nil {
			return false, err
		}
		verified := v.rep.Receipts[i].Verdict == ReceiptVerified
		switch {
		case s.Source == sample.Token && bytes.Equal(b, s.Randomness):
			return verified, nil
		case s.Source == sample.Witness && bytes.Equal(cosignature(b), s.Randomness):
			name, _, _ := strings.Cut(strings.TrimPrefix(string(s.Randomness), "\u2014 "), " ")
			return verified && slices.Contains(v.rep.Receipts[i].Signers, name), nil
		}
	}
	return false, fmt.Errorf("the seed of its sample stands on a %s that is not in the pack", s.Source)
}

func (v *verifier) draw(fs []Finding, q *SampleRequest) (*DrawnSample, error) {
	i := slices.IndexFunc(fs, func(f Finding) bool { return f.Control == q.Control && f.Test == q.Test })
	if i < 0 {
		return nil, fmt.Errorf("the pack has no finding of test %s for control %s", q.Test, q.Control)
	}
	f := &fs[i]
	d := &DrawnSample{Control: f.Control, Test: f.Test, Drawn: []evidence.Item{}}
	d.Method, d.Population = sample.Chosen, sample.PopulationOf(f.View, f.Query, f.Items)
	if q.Nonce == "" {
		d.Says = "items that the auditor named"
		for _, seq := range q.Seqs {
			k := slices.IndexFunc(f.Items, func(it evidence.Item) bool { return it.Seq == seq })
			if k < 0 {
				return nil, fmt.Errorf("record %d is no item of test %s", seq, q.Test)
			}
			d.Items = append(d.Items, k)
		}
		slices.Sort(d.Items)
		d.Items = slices.Compact(d.Items)
	} else {
		seed, err := sample.NewSeed(NoteHash(v.closing), sample.Nonce, []byte(q.Nonce))
		if err != nil {
			return nil, err
		}
		n := q.Size
		if n == 0 {
			d.Confidence, d.Tolerable = q.Confidence, q.Tolerable
			if n, err = sample.Size(len(f.Items), q.Confidence, q.Tolerable); err != nil {
				return nil, err
			}
		}
		d.Method, d.Seed, d.Says, d.Items = sample.Method, &seed, sample.Nonce.Says(), sample.Draw(seed, f.Items, n)
	}
	for _, k := range d.Items {
		d.Drawn = append(d.Drawn, f.Items[k])
	}
	return d, d.Check(f.View, f.Query, f.Items)
}
