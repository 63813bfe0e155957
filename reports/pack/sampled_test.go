package pack

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"evidenced/evidence/chain"
	"evidenced/evidence/sample"
)

// closingOf reads the closing checkpoint without checking whose it is.
func closingOf(t *testing.T, u *unpacked) chain.Checkpoint {
	t.Helper()
	text, _, _ := strings.Cut(string(u.members[memberClosing]), "\n\n")
	c, err := chain.ParseCheckpoint(text + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sampled draws a sample of every finding of the pack, as its maker does.
func sampled(t *testing.T, u *unpacked, source sample.Source, random []byte) []Finding {
	t.Helper()
	var fs []Finding
	if err := json.Unmarshal(u.members[memberFindings], &fs); err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range fs {
		f := &fs[i]
		f.Finding.Items = f.Items // which JSON gives to the outer field alone
		var err error
		if f.Sample, err = DrawSample(&f.Finding, NoteHash(closingOf(t, u)), source, random); err != nil {
			t.Fatal(err)
		}
		if f.Sample != nil {
			n++
		}
	}
	if n == 0 {
		t.Fatal("the pack has no population to draw from")
	}
	return fs
}

func put(t *testing.T, u *unpacked, fs []Finding) {
	t.Helper()
	var err error
	if u.members[memberFindings], err = json.Marshal(fs); err != nil {
		t.Fatal(err)
	}
}

// receiptsOf are the receipts in the pack, as its maker had them.
func receiptsOf(t *testing.T, u *unpacked) []Receipt {
	t.Helper()
	list, err := parseReceipts(u.members[memberAnchors])
	if err != nil {
		t.Fatal(err)
	}
	var rs []Receipt
	for _, l := range list {
		r := Receipt{Kind: l.Kind, Name: l.Name, Rung: l.Rung, Size: l.Size, Note: u.members[l.Members[0]]}
		if l.Kind == TimeStamp {
			r.Token = u.members[l.Members[1]]
		}
		rs = append(rs, r)
	}
	return rs
}

func TestSamplesHold(t *testing.T) {
	u := unpack(t)
	put(t, u, sampled(t, u, sample.Operator, nil))
	if err := checkAsMaker(t, u); err != nil {
		t.Errorf("a seed under the operator's control: %v", err)
	}
	u = unpack(t)
	source, random := Randomness(receiptsOf(t, u), closingOf(t, u).Size)
	if source == sample.Operator {
		t.Fatal("the pack's receipts give no randomness")
	}
	put(t, u, sampled(t, u, source, random))
	if err := checkAsMaker(t, u); err != nil {
		t.Errorf("a seed from %s: %v", source, err)
	}
}

// A maker cannot choose what is looked at without it being seen.
func TestSamplesThatDoNotHold(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(t *testing.T, u *unpacked, fs []Finding)
		want   string
	}{
		"another item": {func(_ *testing.T, _ *unpacked, fs []Finding) {
			for i := range fs {
				if s := fs[i].Sample; s != nil && len(s.Items) < len(fs[i].Items) {
					for k := range fs[i].Items {
						if !slices.Contains(s.Items, k) {
							s.Items[0] = k
							slices.Sort(s.Items)
							return
						}
					}
				}
			}
			// Every population is small enough to be looked at whole: leave one out.
			for i := range fs {
				if s := fs[i].Sample; s != nil {
					s.Items = s.Items[1:]
					return
				}
			}
		}, "sample"},
		"another checkpoint": {func(t *testing.T, u *unpacked, fs []Finding) {
			other := closingOf(t, u)
			other.Size--
			for i := range fs {
				if fs[i].Sample != nil {
					var err error
					if fs[i].Sample, err = DrawSample(&fs[i].Finding, NoteHash(other), sample.Operator, nil); err != nil {
						t.Fatal(err)
					}
				}
			}
		}, "of another checkpoint"},
		"a witness that is not in the pack": {func(t *testing.T, u *unpacked, fs []Finding) {
			redraw(t, u, fs, sample.Witness, []byte("\u2014 witness.example AAAA"))
		}, "not in the pack"},
		"a token that is not in the pack": {func(t *testing.T, u *unpacked, fs []Finding) {
			redraw(t, u, fs, sample.Token, []byte("0\x82"))
		}, "not in the pack"},
		"another population": {func(_ *testing.T, _ *unpacked, fs []Finding) {
			for i := range fs {
				if fs[i].Sample != nil {
					fs[i].Sample.Population.Hash[3]++
					return
				}
			}
		}, "another population"},
	} {
		u := unpack(t)
		fs := sampled(t, u, sample.Operator, nil)
		tc.change(t, u, fs)
		put(t, u, fs)
		if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
	}
}

func redraw(t *testing.T, u *unpacked, fs []Finding, source sample.Source, random []byte) {
	t.Helper()
	for i := range fs {
		if fs[i].Sample != nil {
			var err error
			if fs[i].Sample, err = DrawSample(&fs[i].Finding, NoteHash(closingOf(t, u)), source, random); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The auditor's own sample is drawn of the pack as it is.
func TestOwnSample(t *testing.T) {
	u := unpack(t)
	var fs []Finding
	if err := json.Unmarshal(u.members[memberFindings], &fs); err != nil {
		t.Fatal(err)
	}
	k := slices.IndexFunc(fs, func(f Finding) bool { return len(f.Items) > 2 })
	if k < 0 {
		t.Fatal("no finding has three items")
	}
	f := fs[k]
	b := u.pack(t, nil, nil)
	ask := func(q SampleRequest) (*DrawnSample, error) {
		q.Control, q.Test = f.Control, f.Test
		rep, err := Verify(bytes.NewReader(b), int64(len(b)), Options{Trust: sampleTrust(t), Sample: &q})
		if err != nil {
			return nil, err
		}
		return rep.Sample, nil
	}
	one, err := ask(SampleRequest{Nonce: "chosen now", Size: 2})
	if err != nil || len(one.Drawn) != 2 {
		t.Fatalf("got %+v, %v; want two items", one, err)
	}
	again, err := ask(SampleRequest{Nonce: "chosen now", Size: 2})
	if err != nil || !slices.Equal(one.Items, again.Items) {
		t.Errorf("drawn again: %v and %v, %v", one.Items, again.Items, err)
	}
	whole, err := ask(SampleRequest{Nonce: "chosen now", Confidence: 95, Tolerable: 5})
	if err != nil || whole.Confidence != 95 {
		t.Errorf("by confidence: %+v, %v", whole, err)
	}
	listed, err := ask(SampleRequest{Seqs: []uint64{f.Items[2].Seq, f.Items[0].Seq, f.Items[2].Seq}})
	if err != nil || len(listed.Drawn) < 1 || listed.Method != sample.Chosen {
		t.Errorf("the auditor's list: %+v, %v", listed, err)
	}
	if _, err := ask(SampleRequest{Seqs: []uint64{1 << 40}}); err == nil {
		t.Error("a record that is no item was taken")
	}
	rep, err := Verify(bytes.NewReader(b), int64(len(b)), Options{Trust: sampleTrust(t), Sample: &SampleRequest{Control: "no-such", Test: "t", Nonce: "x", Size: 1}})
	if err == nil {
		t.Errorf("a finding that is not there: %+v", rep)
	}
}

func TestRandomness(t *testing.T) {
	cosigned := []byte("origin\n5\nroot\n\n\u2014 log AAAA\n\u2014 witness.example BBBB\n")
	alone := []byte("origin\n5\nroot\n\n\u2014 log AAAA\n")
	for name, c := range map[string]struct {
		in     []Receipt
		source sample.Source
		random string
	}{
		"none":                {nil, sample.Operator, ""},
		"kept elsewhere":      {[]Receipt{{Kind: Elsewhere, Size: 5, Note: alone}}, sample.Operator, ""},
		"of another size":     {[]Receipt{{Kind: Cosigned, Size: 4, Note: cosigned}}, sample.Operator, ""},
		"a token":             {[]Receipt{{Kind: TimeStamp, Size: 5, Note: alone, Token: []byte("der")}}, sample.Token, "der"},
		"a witness first":     {[]Receipt{{Kind: TimeStamp, Size: 5, Token: []byte("der")}, {Kind: Cosigned, Size: 5, Note: cosigned}}, sample.Witness, "\u2014 witness.example BBBB"},
		"signed by log alone": {[]Receipt{{Kind: Cosigned, Size: 5, Note: alone}}, sample.Operator, ""},
	} {
		source, random := Randomness(c.in, 5)
		if source != c.source || string(random) != c.random {
			t.Errorf("%s: got %s %q, want %s %q", name, source, random, c.source, c.random)
		}
	}
}
