package pack

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// What a maker puts beside what is verified, so that who unpacks the file takes it
// for verified too.
func TestMakerCannotAddMembers(t *testing.T) {
	for _, name := range []string{"summary.pdf", "findings.csv", "Findings-final.json", "verify.py", "VERIFY/README.txt", "leaves.jsonl.txt", "registers.csv"} {
		u := unpack(t)
		u.members[name] = []byte("All is well.\n")
		u.order = append(u.order, name)
		err := checkAsMaker(t, u)
		if err == nil || err.Error() != "member "+name+" is none that such a pack holds: nothing says that it is true" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	v := verifier{m: &Manifest{}}
	if v.holds(memberStart) {
		t.Error("a range that begins at 0 has no starting checkpoint, and one is taken")
	}
	if v.m.Start.Size = 1; !v.holds(memberStart) {
		t.Error("a range that begins at 1 has a starting checkpoint")
	}
}

// The exceptions of a finding say the same as the items that they are, so that who
// reads them alone is told nothing else.
func TestExceptionsSayWhatItemsSay(t *testing.T) {
	for name, change := range map[string]func(*evidence.Item){
		"of another thing":     func(it *evidence.Item) { it.Label = "acme/sandbox!1 to draft" },
		"for a smaller reason": func(it *evidence.Item) { it.Why = "a formality" },
		"that passed":          func(it *evidence.Item) { it.Verdict = evidence.Pass },
		"of another day":       func(it *evidence.Item) { it.At = it.At.AddDate(-1, 0, 0) },
		"of another kind":      func(it *evidence.Item) { it.Kind = evidence.ChangeCommit },
	} {
		u := unpack(t)
		fs := findingsOf(t, u)
		k := slices.IndexFunc(fs, func(f Finding) bool { return len(f.Failed) > 0 })
		change(&fs[k].Failed[0])
		put(t, u, fs)
		if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), "its exceptions are not the items of its population") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Of an earlier pack whose record is closed, nothing can be said.
func TestEarlierPacksAreDisclosed(t *testing.T) {
	u := unpack(t)
	var list []Earlier
	if err := json.Unmarshal(u.members[memberPacks], &list); err != nil {
		t.Fatal(err)
	}
	const closed = 22 // sealed the first pack, of another period
	invented := list[0]
	invented.Seq, invented.Facts.Number, invented.Facts.Recipient, invented.Facts.Withheld = closed, 1, "the supervisor", 0
	var err error
	if u.members[memberPacks], err = json.Marshal(append([]Earlier{invented}, list...)); err != nil {
		t.Fatal(err)
	}
	if err := checkAsMaker(t, u); err == nil || err.Error() != "packs.json: record 22, which sealed an earlier pack, is not disclosed: nothing shows what it says of it" {
		t.Errorf("got %v", err)
	}
}

// A time with an offset is the same instant and another text: what is made of it
// must not depend on the zone of the auditor's machine.
func TestTimesAreInUTC(t *testing.T) {
	here := time.Local
	t.Cleanup(func() { time.Local = here })
	east := time.FixedZone("", 3600)
	for _, zone := range []*time.Location{time.UTC, east} {
		time.Local = zone
		err := checkAs(t, unpack(t), Options{}, func(m *Manifest) { m.Made = m.Made.In(east) })
		if err == nil || err.Error() != "manifest: time 2026-11-02T05:00:00+01:00 is not written in UTC" {
			t.Errorf("made with an offset, read in %s: %v", zone, err)
		}
		err = checkAs(t, unpack(t), Options{}, func(m *Manifest) { m.Period.From, m.Period.To = m.Period.From.In(east), m.Period.To.In(east) })
		if err == nil || !strings.Contains(err.Error(), "is not written in UTC") {
			t.Errorf("a period with an offset, read in %s: %v", zone, err)
		}
		for member, old := range map[string]string{
			memberFindings: `"newest": "2026-11-02T00:00:00Z"`,
			memberCoverage: `"to": "2026-11-02T00:00:00Z"`,
			memberPacks:    `"to": "2026-11-01T19:00:00Z"`,
		} {
			u := unpack(t)
			text := string(u.members[member])
			if !strings.Contains(text, old) {
				t.Fatalf("%s has nothing to change", member)
			}
			at, err := time.Parse(`"2006-01-02T15:04:05Z"`, old[strings.Index(old, " ")+1:])
			if err != nil {
				t.Fatal(err)
			}
			name, _, _ := strings.Cut(old, ": ")
			u.members[member] = []byte(strings.Replace(text, old, name+`: "`+at.In(east).Format(time.RFC3339)+`"`, 1))
			if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), "member "+member+": time ") {
				t.Errorf("%s, read in %s: %v", member, zone, err)
			}
		}
	}
}

// A period in which nothing can have happened shows nothing.
func TestPeriodIsOne(t *testing.T) {
	for name, edit := range map[string]func(*evidence.Period){
		"empty":     func(p *evidence.Period) { p.To = p.From },
		"backwards": func(p *evidence.Period) { p.From, p.To = p.To, p.From },
		"unset":     func(p *evidence.Period) { *p = evidence.Period{} },
		"from ever": func(p *evidence.Period) { p.From = time.Time{} },
	} {
		err := checkAs(t, unpack(t), Options{}, func(m *Manifest) { edit(&m.Period) })
		if err == nil || !strings.HasPrefix(err.Error(), "manifest: period ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A register shows the same facts to all readers.
func TestContentOfARegisterSaysOneThing(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, tc := range []struct {
		name, plain string
		good        bool
	}{
		{"as it is", `{"key":"k","subject":"change:github.com/acme/one!1","facts":{"a":1,"A":2,"é":3}}`, true},
		{"without any", `{}`, true},
		{"with nulls", `{"key":null,"subject":null,"facts":null}`, true},
		{"with space", " {\t\"facts\" : [ 1 , {\"facts\":2} ] \n} ", true},
		{"a long number", `{"facts":` + strings.Repeat("9", 5000) + `}`, true},
		{"deep", `{"facts":` + deep(500) + `}`, true},
		{"deeper", `{"facts":` + deep(600) + `}`, false},
		{"facts twice", `{"facts":{"a":1},"facts":{"a":2}}`, false},
		{"facts twice, in another case", `{"facts":{"a":1},"Facts":{"a":2}}`, false},
		{"facts in another case", `{"FACTS":{"a":1}}`, false},
		{"facts with an escape", `{"\u0066acts":{"a":1}}`, false},
		{"facts with a letter that folds", `{"factſ":{"a":1}}`, false},
		{"a subject that is none", `{"subject":"somewhere","facts":{}}`, false},
		{"a subject of an unknown scheme", `{"subject":"moon:/x","facts":{}}`, false},
		{"a subject that is a number", `{"subject":1,"facts":{}}`, false},
		{"a key that is a number", `{"key":1,"facts":{}}`, false},
		{"no object", `[{"facts":{"a":1}}]`, false},
		{"a number that is none", `{"facts":NaN}`, false},
		{"something behind it", `{"facts":{}} {}`, false},
		{"nothing", ``, false},
	} {
		_, err := contentOf(7, []byte(tc.plain))
		if (err == nil) != tc.good {
			t.Errorf("%s: %v", tc.name, err)
		}
		w := &twin{Ask: "content", Records: []twinRecord{{Plain: []byte(tc.plain)}}}
		if said := w.opinion(t, nil); (said == "") != tc.good {
			t.Errorf("%s: verify.py says %q", tc.name, said)
		}
	}
}

// Names and strings that two readers take for two things, beyond those of one case.
func TestMembersAreReadInOneWay(t *testing.T) {
	for _, tc := range []struct{ name, member, old, new, want string }{
		{"a name that folds to another by some tables", memberRules, `"freshness":`, `"freshneß": 1, "freshness":`, `name "freshneß" is not written as it must be`},
		{"a ligature in a name", memberCoverage, `"rows":`, `"ﬆrips": [], "rows":`, `name "ﬆrips" is not written as it must be`},
		{"half a character", memberFindings, `"summary": "`, `"summary": "\udead`, "a string with half of a surrogate pair"},
		{"the other half", memberFindings, `"summary": "`, `"summary": "\ud83dx\ude00`, "a string with half of a surrogate pair"},
		{"half a character in a rule", memberRules, `"id": "`, `"id": "\uD800`, "a string with half of a surrogate pair"},
		{"no number", memberFindings, `"size": 259`, `"size": -0`, "a number that is written as -0"},
		{"a whole one", memberFindings, `"summary": "`, `"summary": "\\\ud83d\ude00\\ud800`, ""},
		{"an empty list that is mostly left away", memberJudged, `"test": "backup-apart",`, `"test": "backup-apart", "left_out": [],`, ""},
	} {
		u := unpack(t)
		b := bytes.Replace(u.members[tc.member], []byte(tc.old), []byte(tc.new), 1)
		if bytes.Equal(b, u.members[tc.member]) {
			t.Fatalf("%s: the member has nothing to change", tc.name)
		}
		u.members[tc.member] = b
		err := checkAsMaker(t, u)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || err.Error() != "member "+tc.member+": "+tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// A later record takes nothing back of what earlier ones counted, and its numbers
// are such as there are.
func TestCoverageThatCannotBe(t *testing.T) {
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	span := func(ms ...int64) []evidence.CoverageSpan {
		return []evidence.CoverageSpan{{Kinds: []evidence.Kind{evidence.ChangeMerge}, From: at, To: at.Add(time.Hour), Class: evidence.Instants, Looks: ms}}
	}
	for _, tc := range []struct {
		name  string
		facts evidence.CoverageFacts
		want  string
	}{
		{"as it is", evidence.CoverageFacts{Runs: evidence.RunCounts{Expected: 2, Failed: 2}, Spans: span(1000, 0)}, ""},
		{"failed runs taken back", evidence.CoverageFacts{Runs: evidence.RunCounts{Expected: -2, Failed: -2}}, "record 7: it counts runs of forge/prod that cannot be"},
		{"failed runs called done", evidence.CoverageFacts{Runs: evidence.RunCounts{Done: 2, Failed: -2}}, "record 7: it counts runs of forge/prod that cannot be"},
		{"runs that wrap around", evidence.CoverageFacts{Runs: evidence.RunCounts{Expected: 1<<63 - 1, Done: 1<<63 - 1}}, "record 7: it counts runs of forge/prod that cannot be"},
		{"a look before the one before", evidence.CoverageFacts{Spans: span(1000, -1000)}, "record 7: it tells of looks at forge/prod that cannot be"},
		{"looks that wrap around", evidence.CoverageFacts{Spans: span(1<<63 - 1)}, "record 7: it tells of looks at forge/prod that cannot be"},
	} {
		tc.facts.Source, tc.facts.Period = "forge/prod", evidence.Period{From: at, To: at.Add(time.Hour)}
		facts, err := json.Marshal(tc.facts)
		if err != nil {
			t.Fatal(err)
		}
		plain := fmt.Appendf(nil, `{"facts":%s}`, facts)
		l, lf := newLearned(0), chain.Leaf{Seq: 7, Kind: evidence.CollectionCoverage}
		err = l.read(&lf, disclosed{Seq: 7, Name: "content", Plain: plain})
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || err.Error() != tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
		w := &twin{Ask: "learn"}
		w.tell(lf, plain)
		w.agrees(t, tc.name, nil, err)
	}
}

// earlierLine changes a line of earlier.jsonl.
func earlierLine(t *testing.T, u *unpacked, kind evidence.Kind, change func(*single)) {
	t.Helper()
	lines := bytes.SplitAfter(u.members[memberEarlier], []byte("\n"))
	for i, l := range lines {
		var x single
		if json.Unmarshal(l, &x) != nil {
			continue
		}
		if lf, err := chain.Decode([]byte(x.Leaf)); err != nil || lf.Kind != kind {
			continue
		}
		change(&x)
		b, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		lines[i] = append(b, '\n')
		u.members[memberEarlier] = bytes.Join(lines, nil)
		return
	}
	t.Fatalf("no %s stands before the range", kind)
}

// A claim that is disclosed twice would be learned from twice: coverage of before
// the range would count its runs twice.
func TestClaimOfASingleStandsOnce(t *testing.T) {
	u := unpack(t)
	earlierLine(t, u, evidence.CollectionCoverage, func(s *single) { s.Claims = append(s.Claims, s.Claims[0]) })
	if err := checkAsMaker(t, u); err == nil || err.Error() != "record 28: claim content stands twice" {
		t.Errorf("got %v", err)
	}
}

// The first record of the range follows the one before it.
func TestRangeFollowsWhatIsBeforeIt(t *testing.T) {
	b := unpack(t).pack(t, nil, nil)
	v, err := open(bytes.NewReader(b), int64(len(b)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range v.steps()[:6] {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	v.before[0] ^= 1
	if err := v.claimsAndRegisters(); err == nil || err.Error() != "record 29 does not follow its predecessor" {
		t.Errorf("got %v", err)
	}
}

// A line that is longer than any record has is not held in memory.
func TestLinesAreBounded(t *testing.T) {
	u := unpack(t)
	long := base64.StdEncoding.EncodeToString(make([]byte, 3<<20))
	u.members[memberClaims] = append(u.members[memberClaims], `{"seq":258,"name":"raw","salt":"`+long+`","plain":""}`+"\n"...)
	if err := checkAsMaker(t, u); err == nil || err.Error() != "member claims.jsonl: a line has more than 3145728 bytes" {
		t.Errorf("got %v", err)
	}
}

// What is true of kinds and schemes is the same for both verifiers.
func TestPythonKnowsTheKinds(t *testing.T) {
	var own []string
	for _, k := range evidence.Kinds() {
		if k.Own {
			own = append(own, string(k.Kind))
		}
	}
	slices.Sort(own)
	if got := (&twin{Ask: "own"}).opinion(t, nil); got != strings.Join(own, " ") {
		t.Errorf("verify.py knows %s, the program %s", got, own)
	}
}

// What an auditor writes into his trust file is never more than he meant.
func TestTrustFileMeansWhatItSays(t *testing.T) {
	const key, other = "13c4e9c06670c505+1b46e3ce+AWzvUpCmI6oQjLLnbptACTSKGCQedZFgtSvmeF4U3bvD", "13c4e9c06670c505/pack+8eb4c62c+AQbXT872uqBzV0YJfBvQSFCpL/sQOka7pbn0dsuqcdeC"
	line := func(sizes string) string { return "tenant-1 o " + key + " " + other + " " + sizes + "\n" }
	for _, tc := range []struct {
		name, text string
		good       bool
	}{
		{"all sizes", line(""), true},
		{"from a size on", line("5-"), true},
		{"up to one", line("0-5"), true},
		{"no size at all", line("0-0"), false},
		{"none either", line("7-7"), false},
		{"backwards", line("7-5"), false},
		{"up to nothing", line("7-0"), false},
		{"a key in capitals", "tenant-1 o " + strings.Replace(key, "1b46e3ce", "1B46E3CE", 1) + " " + other + "\n", false},
		{"a line that would not be read", strings.Repeat("#"+strings.Repeat(" ", 1022)+"\n", 1024) + line("0-5"), false},
	} {
		if _, err := ParseTrust(strings.NewReader(tc.text)); (err == nil) != tc.good {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// Records that were written before the time that they claim are found by others'
// clocks: a month in which nothing happened cannot be made in advance.
func TestRecordsWrittenAhead(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	stamp := func(size uint64, at time.Time) Vouched {
		return Vouched{Kind: TimeStamp, Size: size, Verdict: ReceiptVerified, Rung: rungStamped, By: "authority", Time: at}
	}
	for _, tc := range []struct {
		name     string
		receipts []Vouched
		interim  bool
		ahead    *Ahead
		refused  bool
	}{
		{"no receipt", nil, false, nil, false},
		{"stamped after its newest record", []Vouched{stamp(10, day(2)), stamp(20, day(22))}, false, nil, false},
		{"stamped while its clock was ahead", []Vouched{stamp(20, day(21).Add(-time.Minute))}, false, &Ahead{19, day(21), day(21).Add(-time.Minute)}, false},
		{"a tree within the range that was ahead", []Vouched{stamp(10, day(1).Add(-time.Hour)), stamp(20, day(22))}, false, &Ahead{9, day(1), day(1).Add(-time.Hour)}, false},
		{"final, and stamped before the period's end", []Vouched{stamp(20, day(12))}, false, &Ahead{19, day(21), day(12)}, true},
		{"the same, and not called final", []Vouched{stamp(20, day(12))}, true, &Ahead{19, day(21), day(12)}, false},
		{"refused receipts vouch for nothing", []Vouched{{Kind: TimeStamp, Size: 20, Verdict: ReceiptRefused}}, false, nil, false},
	} {
		v := &verifier{
			m: &Manifest{Interim: tc.interim, Period: evidence.Period{From: day(1), To: day(20)}}, rep: &Report{Receipts: tc.receipts}, closing: chain.Checkpoint{Size: 20},
			recorded: map[uint64]time.Time{9: day(1), 19: day(21)},
		}
		err := v.conclude()
		if (err != nil) != tc.refused || err != nil && !strings.Contains(err.Error(), "was there by 2026-11-12T00:00:00Z, before the period's end") {
			t.Errorf("%s: %v", tc.name, err)
		}
		if got := v.rep.Ahead; (got == nil) != (tc.ahead == nil) || got != nil && *got != *tc.ahead {
			t.Errorf("%s: ahead %+v, want %+v", tc.name, got, tc.ahead)
		}
	}
}

// Which records the receipts of a pack are compared with is found as its leaves go
// by, also of the tree before the range.
func TestRecordTimesOfReceipts(t *testing.T) {
	b := unpack(t).pack(t, nil, nil)
	v, err := open(bytes.NewReader(b), int64(len(b)), Options{})
	if err == nil {
		err = v.verify()
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(v.recorded) != 2 || v.recorded[28].IsZero() || v.recorded[258].IsZero() {
		t.Errorf("record times %v", v.recorded)
	}
}
