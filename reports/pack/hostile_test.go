package pack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/sample"
)

// findingsOf reads the findings of a pack that was taken apart.
func findingsOf(t *testing.T, u *unpacked) []Finding {
	t.Helper()
	var fs []Finding
	if err := json.Unmarshal(u.members[memberFindings], &fs); err != nil {
		t.Fatal(err)
	}
	return fs
}

// A maker with all keys says in findings what his own rules and records do not.
func TestMakerCannotTurnAVerdict(t *testing.T) {
	at := func(t *testing.T, fs []Finding, status evidence.Status) int {
		t.Helper()
		for i := range fs {
			if fs[i].Status == status && (status == evidence.Gap || len(fs[i].Items) > 1) {
				return i
			}
		}
		t.Fatalf("the pack has no finding that is %s", status)
		return 0
	}
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, fs []Finding) []Finding
		want   string
	}{
		{"a finding twice, once better", func(t *testing.T, fs []Finding) []Finding {
			f := fs[at(t, fs, evidence.Gap)]
			f.Status = evidence.Satisfied
			return append(fs, f)
		}, "two findings"},
		{"a finding of a test that nobody wrote", func(t *testing.T, fs []Finding) []Finding {
			f := fs[at(t, fs, evidence.Satisfied)]
			f.Test = "all-is-well"
			return append(fs, f)
		}, "does not name as judged"},
		{"a status that nobody knows", func(t *testing.T, fs []Finding) []Finding {
			fs[at(t, fs, evidence.Gap)].Status = "satisfied\nOK"
			return fs
		}, "none there is"},
		{"failed items under a verdict that nobody counts", func(t *testing.T, fs []Finding) []Finding {
			test := fs[at(t, fs, evidence.NotSatisfied)].Test
			for i := range fs {
				f := &fs[i]
				if f.Test != test {
					continue
				}
				for k := range f.Items {
					if f.Items[k].Verdict != evidence.Pass {
						f.Items[k].Verdict = "accepted"
					}
				}
				f.Failed, f.Unknown, f.Status = nil, nil, evidence.Satisfied
			}
			return fs
		}, "population of"},
		{"a softer filter than the rules have", func(t *testing.T, fs []Finding) []Finding {
			fs[at(t, fs, evidence.NotSatisfied)].Query += " && false"
			return fs
		}, "another rule"},
		{"a softer assertion than the rules have", func(t *testing.T, fs []Finding) []Finding {
			fs[at(t, fs, evidence.NotSatisfied)].Assertion = "true"
			return fs
		}, "another rule"},
		{"the hash of another rule", func(t *testing.T, fs []Finding) []Finding {
			fs[at(t, fs, evidence.NotSatisfied)].RuleHash[0] ^= 1
			return fs
		}, "another rule"},
		{"a test without its failures for one control of several", func(t *testing.T, fs []Finding) []Finding {
			f := &fs[at(t, fs, evidence.NotSatisfied)]
			var left []evidence.Item
			for _, it := range f.Items {
				if it.Verdict == evidence.Pass {
					left = append(left, it)
				}
			}
			f.Items, f.Population, f.Passed, f.Failed, f.Unknown, f.Status = left, len(left), len(left), nil, nil, evidence.Satisfied
			return fs
		}, "judge other items"},
		{"not applicable, with a population", func(t *testing.T, fs []Finding) []Finding {
			f := &fs[at(t, fs, evidence.Satisfied)]
			f.Status = evidence.NotApplicable
			return fs
		}, "with a population"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u := unpack(t)
			put(t, u, tc.change(t, findingsOf(t, u)))
			if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

// A maker's samples that he chose himself, or that are smaller than packs draw.
func TestMakerCannotChooseSamples(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(s *sample.Sample, nth int)
		want   string
	}{
		{"a list of his own, called the auditor's", func(s *sample.Sample, _ int) {
			s.Method, s.Seed, s.Confidence, s.Tolerable, s.Items = sample.Chosen, nil, 0, 0, []int{0}
		}, "auditor's"},
		{"a nonce of his own", func(s *sample.Sample, _ int) {
			seed, err := sample.NewSeed(s.Seed.Checkpoint, sample.Nonce, []byte("dice"))
			if err != nil {
				t.Fatal(err)
			}
			s.Seed = &seed
		}, ""},
		{"no confidence, so that the size is free", func(s *sample.Sample, _ int) { s.Confidence, s.Tolerable = 0, 0 }, "packs draw for"},
		{"less confidence", func(s *sample.Sample, _ int) { s.Confidence, s.Tolerable = 1, 99 }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u := unpack(t)
			fs, nth := sampled(t, u, sample.Operator, nil), 0
			for i := range fs {
				if fs[i].Sample != nil {
					tc.change(fs[i].Sample, nth)
					nth++
				}
			}
			put(t, u, fs)
			if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
	u := unpack(t)
	fs := sampled(t, u, sample.Operator, nil)
	for i := range fs {
		if fs[i].Sample != nil {
			fs[i].Sample = nil
			break
		}
	}
	put(t, u, fs)
	if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), "has no sample") {
		t.Errorf("one sample taken out: got %v", err)
	}
}

// One member that two readers would read in two ways.
func TestMembersSayOneThing(t *testing.T) {
	for _, tc := range []struct{ name, member, old, new string }{
		{"a status twice", memberFindings, `"status": "not-satisfied"`, `"status": "satisfied", "status": "not-satisfied"`},
		{"a status twice, in another case", memberFindings, `"status": "not-satisfied"`, `"status": "not-satisfied", "Status": "not-satisfied"`},
		{"a status in another case alone", memberFindings, `"status": "not-satisfied"`, `"Status": "not-satisfied"`},
		{"a status with a letter that folds to one of its own", memberFindings, `"status": "not-satisfied"`, `"ſtatus": "not-satisfied"`},
		{"a status with an escape", memberFindings, `"status": "not-satisfied"`, `"\u0073tatus": "not-satisfied"`},
		{"an assertion twice", memberRules, `"assertion":`, `"assertion": "true", "assertion":`},
		{"a row of coverage twice", memberCoverage, `"rows":`, `"rows": [], "rows":`},
		{"coverage of another tenant", memberCoverage, `"tenant": "tenant-1"`, `"tenant": "tenant-2"`},
		{"a frontier twice", memberFrontier, `"size":`, `"size": 1, "size":`},
		{"a claim's record twice", memberClaims, `{"seq":`, `{"seq":1,"seq":`},
		{"a leaf's proof twice", memberEarlier, `"proof":`, `"proof":[],"proof":`},
		{"a receipt's rung twice", memberAnchors, `"rung":`, `"rung": 5, "rung":`},
		{"a tree's size twice", memberConsistency, `"size":`, `"size": 1, "size":`},
		{"bytes that are no text", memberFindings, `"summary": "`, "\"summary\": \"\xff"},
	} {
		u := unpack(t)
		b := bytes.Replace(u.members[tc.member], []byte(tc.old), []byte(tc.new), 1)
		if bytes.Equal(b, u.members[tc.member]) {
			t.Fatalf("%s: the member has nothing to change", tc.name)
		}
		u.members[tc.member] = b
		if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), "member "+tc.member) && !strings.Contains(err.Error(), "twice") {
			t.Errorf("%s: got %v", tc.name, err)
		}
	}
}

// What is small in a file and large in memory, or slow.
func TestMembersThatGrow(t *testing.T) {
	many := func(one string) []byte { return []byte("[" + strings.Repeat(one+",", maxElements+1) + one + "]") }
	for _, tc := range []struct {
		name, member string
		content      []byte
		want         string
	}{
		{"empty findings", memberFindings, many("{}"), "elements"},
		{"findings that are null", memberFindings, many("null"), "elements"},
		{"items of nothing", memberFindings, append(append([]byte(`[{"items":`), many("0")...), "}]"...), "elements"},
		{"rules", memberRules, many("{}"), "elements"},
		{"receipts", memberAnchors, many("{}"), "elements"},
		{"a deep rule", memberRules, []byte(strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), "deep"},
	} {
		u := unpack(t)
		u.members[tc.member] = tc.content
		if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %.200v, want an error with %q", tc.name, err, tc.want)
		}
	}
	u := unpack(t)
	var claims bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&claims, "{\"seq\":%d,\"name\":\"n%d\",\"salt\":\"\",\"plain\":\"\"}\n", manifestOf(t, u).Start.Size, i)
	}
	u.members[memberClaims] = claims.Bytes()
	if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), `no claim "n0"`) {
		t.Errorf("claims of invented names: got %v", err)
	}
}

// Whatever the bytes, checking names ends, and what it lets pass and Go decodes
// has each name once.
func FuzzCheckNames(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":[{"a":2}]}`, `{"a":1,"A":2}`, `{"a":"\"","b\"":1}`, `[[[`, `}`, `{"a"`, `"\`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := checkNames(b, false, maxElements); !json.Valid(b) || err != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(b))
		if err := onceEach(dec); err != nil {
			t.Errorf("%q: %v", b, err)
		}
	})
}

// Whatever a content holds, what its register shows of it is what everybody reads.
func FuzzContent(f *testing.F) {
	for _, s := range []string{`{"key":"k","subject":"change:github.com/acme/one!1","facts":{"a":[1,{"b":2}]}}`, `{"facts":1,"facts":2}`, `{"fActs":1}`, ` {"facts" : "\"" } `, `{}`, `[`, `{"a":{"facts":1},"facts":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := contentOf(1, b)
		if err != nil {
			return
		}
		var exact map[string]json.RawMessage
		if err := json.Unmarshal(b, &exact); err != nil {
			t.Fatalf("%q is no object: %v", b, err)
		}
		if !bytes.Equal(exact["facts"], c.Facts) {
			t.Errorf("%q: %q to one reader, %q to another", b, c.Facts, exact["facts"])
		}
		for name := range exact {
			if name != strings.ToLower(name) || strings.Count(string(b), `"`+name+`"`) == 0 {
				t.Errorf("%q: name %q", b, name)
			}
		}
	})
}

// Whatever the bytes, reading a proof of issue ends, and what is read has one form.
func FuzzParseIssued(f *testing.F) {
	f.Add(unpack(f).members[memberIssued])
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra \nindex 0\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		extra, index, proof, signed, err := parseProof(b)
		if err == nil && !bytes.Equal(formatProof(extra, index, proof, signed), b) {
			t.Errorf("%q has two forms", b)
		}
	})
}

// Whatever the bytes, reading a manifest ends, and nobody but its key makes one.
func FuzzOpenManifest(f *testing.F) {
	good := unpack(f).members[memberManifest]
	f.Add(good)
	f.Add([]byte(Header + "\n{}\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := openManifest(b, nil); err == nil && !bytes.Equal(b, good) && strings.HasPrefix(m.PackKey, "13c4e9c06670c505/") {
			t.Errorf("a manifest that its key did not sign: %q", b)
		}
	})
}

// onceEach reads one value by the library's own tokens.
func onceEach(dec *json.Decoder) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	d, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	names := map[string]bool{}
	for dec.More() {
		if d == '{' {
			tok, err := dec.Token()
			if err != nil {
				return err
			}
			name := strings.ToLower(tok.(string))
			if names[name] {
				return fmt.Errorf("name %q twice", name)
			}
			names[name] = true
		}
		if err := onceEach(dec); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// Whoever withholds what the program itself recorded of the evidence does not make
// it unsaid.
func TestOwnRecordsAreNotWithheld(t *testing.T) {
	for _, tc := range []struct {
		kind   evidence.Kind
		open   string // the claim disclosed
		refuse bool
	}{
		{evidence.PlatformConfig, "", true},
		{evidence.PlatformConfig, "text", true},
		{evidence.PlatformConfig, "content", false},
		{evidence.PlatformCatalog, "", true},
		{evidence.Waiver, "", true},
		{evidence.Waiver, "content", false},
		{evidence.RemedyPlan, "", true},
		{evidence.CollectionCoverage, "", true},
		{evidence.FindingState, "", true},
		{evidence.IncidentDeclared, "", true},
		{evidence.ScopeStatement, "", true},
		{evidence.Erasure, "", true},
		{evidence.PersonKnown, "", false},
		{evidence.ChangeMerge, "", false},
	} {
		err := toldOpenly(&chain.Leaf{Seq: 7, Kind: tc.kind}, []disclosed{{Seq: 7, Name: tc.open}})
		if (err != nil) != tc.refuse {
			t.Errorf("%s with %q open: %v", tc.kind, tc.open, err)
		}
	}
}
