package pack

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/sample"
	"evidenced/reports/coverage"
)

// A maker with all keys says in the manifest what his own records do not.
func TestMakerCannotLieInTheManifest(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*Manifest)
		want string
	}{
		{"as it is", func(*Manifest) {}, ""},
		{"final, a minute after the period", func(m *Manifest) { m.Interim = false }, "claims to be final, but its newest record is of "},
		{"made before its newest record, when a waiver still counted", func(m *Manifest) { m.Made = m.Made.Add(-3 * time.Hour) }, "but its newest record is of "},
		{"an earlier pack uncounted", func(m *Manifest) { m.Number-- }, "one is missing or numbered falsely"},
		{"more packs before than it shows", func(m *Manifest) { m.Number++ }, "one is missing or numbered falsely"},
		{"withheld claims called erased", func(m *Manifest) { m.Withheld["raw"]--; m.Erased = 1 }, "1 claims are erased, by the erasure records of the pack at most 0"},
	} {
		err := checkAs(t, unpack(t), Options{}, tc.edit)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// withholdContent takes the content claim of a record out of the pack.
func withholdContent(t *testing.T, u *unpacked, seq uint64) {
	t.Helper()
	var left [][]byte
	for _, line := range bytes.SplitAfter(u.members[memberClaims], []byte("\n")) {
		var d disclosed
		if len(line) > 0 {
			if err := json.Unmarshal(line, &d); err != nil {
				t.Fatal(err)
			}
		}
		if d.Seq != seq || d.Name != "content" {
			left = append(left, line)
		}
	}
	u.members[memberClaims] = bytes.Join(left, nil)
}

// firstOf is the first record of a kind in the range.
func firstOf(t *testing.T, u *unpacked, kind evidence.Kind) uint64 {
	t.Helper()
	for line := range bytes.Lines(u.members[memberLeaves]) {
		lf, err := chain.Decode(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		if lf.Kind == kind {
			return lf.Seq
		}
	}
	t.Fatalf("the sample has no %s", kind)
	return 0
}

// What a record says cannot be kept back where an answer stands on it, and the
// manifest says that it is.
func TestMakerCannotWithhold(t *testing.T) {
	u := unpack(t)
	fs := findingsOf(t, u)
	failing := fs[slices.IndexFunc(fs, func(f Finding) bool { return f.Status == evidence.NotSatisfied })].Failed[0].Seq
	for _, tc := range []struct {
		name string
		seq  uint64
		want string
	}{
		{"what was not seen", firstOf(t, u, evidence.CollectionCoverage), "collection.coverage whose content is withheld"},
		{"what the log judged", firstOf(t, u, evidence.FindingState), "finding.state whose content is withheld"},
		{"which rules were stated", firstOf(t, u, evidence.PlatformCatalog), "platform.catalog whose content is withheld"},
		{"an item that failed", failing, "whose content is withheld: nobody could look at it"},
	} {
		u := unpack(t)
		withholdContent(t, u, tc.seq)
		err := checkAs(t, u, Options{}, func(m *Manifest) { m.Withheld["content"]++ })
		// A register shows the content too, so the maker makes that again.
		if err != nil && strings.Contains(err.Error(), "does not list exactly") {
			remakeRegister(t, u, tc.seq)
			err = checkAsMaker(t, u)
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// remakeRegister closes the row of a record in its register.
func remakeRegister(t *testing.T, u *unpacked, seq uint64) {
	t.Helper()
	open := map[uint64]*content{}
	names := newLearned(0)
	leaves := map[uint64]*chain.Leaf{}
	var order []uint64
	raws := map[uint64][]byte{}
	for line := range bytes.Lines(u.members[memberLeaves]) {
		raw := bytes.TrimSuffix(line, []byte("\n"))
		lf, err := chain.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		leaves[lf.Seq], raws[lf.Seq] = lf, raw
		order = append(order, lf.Seq)
	}
	learn := func(lf *chain.Leaf, d disclosed) {
		if d.Name != "content" {
			return
		}
		c, err := contentOf(d.Seq, d.Plain)
		if err == nil && lf.Kind == evidence.PersonKnown {
			_, err = names.names.read(lf, d.Plain)
		}
		if err != nil {
			t.Fatal(err)
		}
		open[d.Seq] = c
	}
	for line := range bytes.Lines(u.members[memberEarlier]) {
		var s single
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		lf, err := chain.Decode([]byte(s.Leaf))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range s.Claims {
			learn(lf, d)
		}
	}
	for line := range bytes.Lines(u.members[memberClaims]) {
		var d disclosed
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatal(err)
		}
		learn(leaves[d.Seq], d)
	}
	kind := leaves[seq].Kind
	var out bytes.Buffer
	r, err := newRegister(&out)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range order {
		if lf := leaves[n]; lf.Kind == kind && manifestOf(t, u).Period.Contains(lf.Occurred) {
			if err := r.add(lf, chain.LeafHash(raws[n]), open[n], names.names.of); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	u.members[registerName(kind)] = out.Bytes()
}

// A maker makes a finding better than its items, and the decision table, allow.
func TestMakerCannotChooseAStatus(t *testing.T) {
	gap := func(f Finding) bool { return f.Status == evidence.Gap }
	failed := func(f Finding) bool { return f.Status == evidence.NotSatisfied }
	empty := func(f *Finding) {
		f.Items, f.Population, f.Passed, f.Failed, f.Unknown, f.Sample, f.Waived = nil, 0, 0, nil, nil, nil, nil
	}
	for _, tc := range []struct {
		name   string
		which  func(Finding) bool
		change func(*Finding)
		want   string
	}{
		{"a gap called satisfied", gap, func(f *Finding) { f.Status = evidence.Satisfied }, "which the decision table does not give"},
		{"a gap called not applicable", gap, func(f *Finding) { f.Status = evidence.NotApplicable }, "which the decision table does not give"},
		{"a gap called undetermined", gap, func(f *Finding) { f.Status = evidence.Undetermined }, "which the decision table does not give"},
		{"a gap put aside as the duty of others", gap, func(f *Finding) { f.Status, f.Reason = evidence.NotApplicable, evidence.ReasonEntity }, "by the catalog in force it binds the tenant"},
		{"failures put aside as the duty of others", failed, func(f *Finding) {
			empty(f)
			f.Status, f.Reason = evidence.NotApplicable, evidence.ReasonEntity
		}, "by the catalog in force it binds the tenant"},
		{"failures called stale", failed, func(f *Finding) { f.Status = evidence.Stale }, "which the decision table does not give"},
		{"failures called not observed", failed, func(f *Finding) { f.Status = evidence.NotObserved }, "which the decision table does not give"},
		{"failures of a law that does not apply yet", failed, func(f *Finding) { f.Preparing = "2030-01-01" }, "said to be of a law that applies from"},
		{"failures of another article", failed, func(f *Finding) { f.Article = "House rules Art. 1" }, `said to be of "House rules Art. 1"`},
	} {
		u := unpack(t)
		fs := findingsOf(t, u)
		test := fs[slices.IndexFunc(fs, tc.which)].Test
		for i := range fs {
			if fs[i].Test == test {
				tc.change(&fs[i])
			}
		}
		put(t, u, fs)
		if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// An item that failed and is left out of a population everywhere is told, where
// the log itself recorded that it failed.
func TestHiddenFailureIsTold(t *testing.T) {
	u := unpack(t)
	rep, err := reportAs(t, u, Options{}, nil)
	if err != nil || len(rep.Differs) != 0 {
		t.Fatalf("as it is: %+v, %v", rep, err)
	}
	fs := findingsOf(t, u)
	k := slices.IndexFunc(fs, func(f Finding) bool { return f.Status == evidence.NotSatisfied && f.Passed > 0 })
	test, gone := fs[k].Test, fs[k].Failed[0].Seq
	source, random := Randomness(receiptsOf(t, u), closingOf(t, u).Size)
	for i := range fs {
		f := &fs[i]
		if f.Test != test {
			continue
		}
		hidden := func(it evidence.Item) bool { return it.Seq == gone }
		f.Items, f.Failed = slices.DeleteFunc(f.Items, hidden), slices.DeleteFunc(f.Failed, hidden)
		if f.Population = len(f.Items); len(f.Failed) == 0 {
			f.Status = evidence.Satisfied
		}
		f.Finding.Items = f.Items
		if f.Sample, err = DrawSample(&f.Finding, NoteHash(closingOf(t, u)), source, random); err != nil {
			t.Fatal(err)
		}
	}
	put(t, u, fs)
	if rep, err = reportAs(t, u, Options{}, nil); err != nil {
		t.Fatal(err)
	}
	for _, d := range rep.Differs {
		if d.Test != test || !slices.Equal(d.Failed, []uint64{gone}) || d.Record == 0 {
			t.Errorf("told %+v, want record %d of %s", d, gone, test)
		}
	}
	if len(rep.Differs) == 0 {
		t.Errorf("record %d, left out of %s, is not told", gone, test)
	}
}

// A maker makes coverage better than the coverage records of the pack.
func TestMakerCannotFillAHole(t *testing.T) {
	edit := func(t *testing.T, u *unpacked, change func(c map[string]any)) {
		t.Helper()
		var c map[string]any
		if err := json.Unmarshal(u.members[memberCoverage], &c); err != nil {
			t.Fatal(err)
		}
		change(c)
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		u.members[memberCoverage] = b
	}
	row := func(c map[string]any) map[string]any { return c["rows"].([]any)[0].(map[string]any) }
	strip := func(c map[string]any) map[string]any { return row(c)["strips"].([]any)[0].(map[string]any) }
	for _, tc := range []struct {
		name   string
		change func(c map[string]any)
		want   string
	}{
		{"no row", func(c map[string]any) { c["rows"] = []any{} }, "has no row of forge/prod"},
		{"a kind taken out of a row", func(c map[string]any) { row(c)["kinds"] = row(c)["kinds"].([]any)[1:] }, "has no row of forge/prod, change.commit"},
		{"a row of a source that nobody looked at", func(c map[string]any) {
			c["rows"] = append(c["rows"].([]any), map[string]any{"source": "vault/prod", "kinds": []string{"secret.access"}, "strips": row(c)["strips"]})
		}, "has a row of vault/prod, secret.access, of which no record of the pack tells"},
		{"a row of nothing", func(c map[string]any) {
			c["rows"] = append(c["rows"].([]any), map[string]any{"source": "vault/prod", "kinds": []string{}, "strips": row(c)["strips"]})
		}, "has a row of vault/prod without kinds"},
		{"another class", func(c map[string]any) { strip(c)["class"] = "reconstructed" }, `was seen as "reconstructed"`},
		{"a row twice", func(c map[string]any) { c["rows"] = append(c["rows"].([]any), c["rows"].([]any)[0]) }, "two rows"},
		{"a stretch cut off", func(c map[string]any) { strip(c)["to"] = "2026-11-01T20:00:00Z" }, "end at"},
		{"a run that failed taken out", func(c map[string]any) {
			n := c["runs_by_source"].(map[string]any)["forge/prod"].(map[string]any)
			n["failed"], n["expected"] = 0, 5
			c["runs"] = n
		}, "counts other runs of forge/prod"},
		{"failed runs left out of the sum", func(c map[string]any) { c["runs"].(map[string]any)["failed"] = 0 }, "are not those of each"},
		{"no runs at all", func(c map[string]any) {
			delete(c, "runs_by_source")
			c["runs"] = map[string]any{}
		}, "counts no runs of forge/prod"},
		{"a blind window that no row has", func(c map[string]any) {
			c["blind"] = []any{map[string]any{"source": "forge/prod", "kinds": []string{}, "from": strip(c)["from"], "to": strip(c)["to"], "cause": "maintenance", "looked": true}}
		}, "blind windows are not those of its rows and of the sources without one"},
		{"of another period", func(c map[string]any) { c["size"] = 7 }, "is of another tenant, log, size or period"},
	} {
		u := unpack(t)
		edit(t, u, tc.change)
		if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// Holes, their causes and the seams of polled sources, stretch by stretch.
func TestCoverageRows(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 1, 8, minute, 0, 0, time.UTC) }
	span := func(class evidence.Class, from, to int, cause string, looks ...int) evidence.Span {
		s := evidence.Span{Source: "s", Kinds: []evidence.Kind{"k"}, Period: evidence.Period{From: at(from), To: at(to)}, Class: class, Cause: cause}
		for _, m := range looks {
			s.Looks = append(s.Looks, at(m))
		}
		return s
	}
	strip := func(class evidence.Class, from, to int, cause string) chartStrip {
		return chartStrip{at(from), at(to), class, cause}
	}
	period := evidence.Period{From: at(0), To: at(240)}
	cont, inst, blind := evidence.Continuous, evidence.Instants, evidence.Blind
	down := []evidence.Span{span(cont, 0, 60, ""), span(blind, 60, 120, "503"), span(cont, 120, 240, "")}
	// due is followed, and then of another class until a time, with looks due every
	// so many minutes.
	due := func(class evidence.Class, to int, every int64) []evidence.Span {
		is := span(class, 120, to, map[bool]string{true: "503"}[class == blind])
		is.Every = evidence.CoverageSpan{Every: every * time.Minute.Milliseconds()}.Interval()
		return []evidence.Span{span(cont, 0, 120, ""), is}
	}
	// ended is of a class until a time before the period or at its begin.
	ended := func(class evidence.Class, to int, every int64) []evidence.Span {
		is := span(class, -120, to, map[bool]string{true: "503"}[class == blind])
		is.Every = evidence.CoverageSpan{Every: every * time.Minute.Milliseconds()}.Interval()
		return []evidence.Span{is}
	}
	polled := []evidence.Span{span(inst, 0, 60, "", 0, 20, 40, 60), span(inst, 80, 140, "", 80, 100, 120, 140), span(inst, 220, 240, "", 220, 240)}
	for _, tc := range []struct {
		name   string
		spans  []evidence.Span
		strips []chartStrip
		want   string
	}{
		{"a hole as it is", down, []chartStrip{strip(cont, 0, 60, ""), strip(blind, 60, 120, "503"), strip(cont, 120, 240, "")}, ""},
		{"a hole filled", down, []chartStrip{strip(cont, 0, 240, "")}, `was seen as "continuous" at 2026-11-01T09:00:00Z, the records of the pack say "blind"`},
		{"a hole made small", down, []chartStrip{strip(cont, 0, 110, ""), strip(blind, 110, 120, "503"), strip(cont, 120, 240, "")}, `was seen as "continuous" at 2026-11-01T09:00:00Z`},
		{"a hole of another cause", down, []chartStrip{strip(cont, 0, 60, ""), strip(blind, 60, 120, "planned"), strip(cont, 120, 240, "")}, `because of "planned"`},
		{"two holes at once", append(down, span(blind, 70, 130, "429")), []chartStrip{strip(cont, 0, 60, ""), strip(blind, 60, 120, "503"), strip(cont, 120, 240, "")}, ""},
		{"seen by another record", append(down, span(evidence.Reconstructed, 50, 130, "")), []chartStrip{strip(cont, 0, 60, ""), strip(evidence.Reconstructed, 60, 120, ""), strip(cont, 120, 240, "")}, ""},
		{"a hole in small pieces", polled, []chartStrip{strip(inst, 0, 150, ""), strip(inst, 150, 160, "x"), strip(inst, 160, 170, ""), strip(inst, 170, 240, "x")}, `was seen as "instants"`},
		{"nobody looked at all", nil, []chartStrip{strip("", 0, 240, "nobody looked")}, ""},
		{"a hole called polled", down, []chartStrip{strip(cont, 0, 60, ""), strip(inst, 60, 120, ""), strip(cont, 120, 240, "")}, `was seen as "instants"`},
		{"looks as usual joined", polled, []chartStrip{strip(inst, 0, 140, ""), strip("", 140, 220, ""), strip(inst, 220, 240, "")}, ""},
		{"looks far apart joined", polled, []chartStrip{strip(inst, 0, 240, "")}, `was seen as "instants" at 2026-11-01T10:20:00Z, the records of the pack say ""`},
		{"blind until a look is overdue", due(blind, 200, 60), []chartStrip{strip(cont, 0, 120, ""), strip(blind, 120, 240, "503")}, ""},
		{"blind, and nobody looked since", due(blind, 200, 60), []chartStrip{strip(cont, 0, 120, ""), strip(blind, 120, 200, "503"), strip("", 200, 240, "nobody looked")}, ""},
		{"blind for ever", due(blind, 200, 10), []chartStrip{strip(cont, 0, 120, ""), strip(blind, 120, 240, "503")}, `was seen as "blind" at 2026-11-01T11:20:00Z, the records of the pack say ""`},
		{"blind for a quarter of an hour", due(blind, 225, 0), []chartStrip{strip(cont, 0, 120, ""), strip(blind, 120, 240, "503")}, ""},
		{"blind in the middle until it was seen", append(due(blind, 200, 60), span(cont, 230, 240, "")), []chartStrip{strip(cont, 0, 120, ""), strip(blind, 120, 230, "503"), strip(cont, 230, 240, "")}, `was seen as "blind" at 2026-11-01T11:20:00Z`},
		{"blind, and then by another cause", due(blind, 200, 60), []chartStrip{strip(cont, 0, 120, ""), strip(blind, 120, 200, "503"), strip(blind, 200, 240, "429")}, `because of "429"`},
		{"blind, and polled since", due(blind, 200, 60), []chartStrip{strip(cont, 0, 120, ""), strip(blind, 120, 200, "503"), strip(inst, 200, 240, "")}, `was seen as "instants"`},
		{"polled until a look is overdue", due(inst, 200, 60), []chartStrip{strip(cont, 0, 120, ""), strip(inst, 120, 240, "")}, ""},
		{"polled for ever", due(inst, 200, 10), []chartStrip{strip(cont, 0, 120, ""), strip(inst, 120, 240, "")}, `was seen as "instants" at 2026-11-01T11:20:00Z`},
		{"followed until a look is overdue", due(cont, 200, 60), []chartStrip{strip(cont, 0, 240, "")}, `was seen as "continuous" at 2026-11-01T11:20:00Z`},
		{"an interval that cannot be meant", due(blind, 200, 1<<40), []chartStrip{strip(cont, 0, 120, ""), strip(blind, 120, 240, "503")}, `was seen as "blind"`},
		{"the interval that was said last", append(due(blind, 200, 10), evidence.Span{Source: "s", Kinds: []evidence.Kind{"k"}, Period: evidence.Period{From: at(199), To: at(200)}, Class: blind, Cause: "503", Every: time.Hour}),
			[]chartStrip{strip(cont, 0, 120, ""), strip(blind, 120, 240, "503")}, ""},
		{"an interval that was said later", append(due(blind, 200, 10), evidence.Span{Source: "s", Kinds: []evidence.Kind{"k"}, Period: evidence.Period{From: at(240), To: at(241)}, Class: cont, Every: time.Hour}),
			[]chartStrip{strip(cont, 0, 120, ""), strip(blind, 120, 240, "503")}, `was seen as "blind" at 2026-11-01T11:20:00Z`},
		{"blind up to the begin", ended(blind, 0, 180), []chartStrip{strip(blind, 0, 240, "503")}, ""},
		{"blind up to the begin, and nobody looked since", ended(blind, 0, 180), []chartStrip{strip("", 0, 240, "nobody looked")}, ""},
		{"blind up to the begin by another cause", ended(blind, 0, 180), []chartStrip{strip(blind, 0, 240, "planned")}, `because of "planned"`},
		{"blind up to the begin, for longer", ended(blind, 0, 70), []chartStrip{strip(blind, 0, 240, "503")}, `was seen as "blind" at 2026-11-01T08:00:00Z`},
		{"blind up to a while before the begin", ended(blind, -1, 180), []chartStrip{strip(blind, 0, 240, "503")}, `was seen as "blind" at 2026-11-01T08:00:00Z`},
		{"blind up to the begin, called polled", ended(blind, 0, 180), []chartStrip{strip(inst, 0, 240, "")}, `was seen as "instants"`},
		{"polled up to the begin", ended(inst, 0, 180), []chartStrip{strip(inst, 0, 240, "")}, ""},
		{"polled up to the begin, called blind", ended(inst, 0, 180), []chartStrip{strip(blind, 0, 240, "503")}, `was seen as "blind"`},
		{"followed up to the begin", ended(cont, 0, 180), []chartStrip{strip(cont, 0, 240, "")}, `was seen as "continuous"`},
		{"blind up to the begin, and seen since", append(ended(blind, 0, 180), span(cont, 100, 240, "")), []chartStrip{strip(blind, 0, 100, "503"), strip(cont, 100, 240, "")}, `was seen as "blind"`},
		{"blind up to a look", append(due(blind, 200, 60), span(inst, 200, 200, "", 200)), []chartStrip{strip(cont, 0, 120, ""), strip(blind, 120, 200, "503"), strip(inst, 200, 240, "")}, ""},
		{"blind behind a look", append(due(blind, 200, 60), span(inst, 200, 200, "", 200)), []chartStrip{strip(cont, 0, 120, ""), strip(blind, 120, 240, "503")}, `was seen as "blind" at 2026-11-01T11:20:00Z`},
		{"looks called continuous", polled, []chartStrip{strip(cont, 0, 240, "")}, `was seen as "continuous"`},
	} {
		r := &chartRow{Source: "s", Kinds: []evidence.Kind{"k"}, Strips: tc.strips}
		err := r.holds(seen{"s", "k"}, keep(tc.spans), period)
		second := &twin{Ask: "row", Period: period, Rows: []chartRow{*r}}
		for _, s := range tc.spans {
			second.Spans = append(second.Spans, twinSpan{s.Period.From, s.Period.To, s.Class, s.Cause, s.Looks, s.Every.Milliseconds()})
		}
		second.agrees(t, tc.name, nil, err)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// What the writer lays out both verifiers take, whatever is claimed around the period.
func TestCoverageRowsAsWritten(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-1")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	period := evidence.Period{From: begin, To: begin.Add(4 * time.Hour)}
	went := 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 5))
		l := evidencetest.NewLog(tenant)
		w := &twin{Ask: "row", Period: period}
		var spans []evidence.Span
		at := begin.Add(time.Duration(r.IntN(5)-8) * 30 * time.Minute)
		for range 1 + r.IntN(6) {
			s := evidence.CoverageSpan{Kinds: []evidence.Kind{evidence.ChangeMerge}, From: at, Every: []int64{10, 60, 1440}[r.IntN(3)] * time.Minute.Milliseconds()}
			switch r.IntN(6) {
			case 0:
				s.Class, s.To = evidence.Continuous, at.Add(time.Duration(1+r.IntN(4))*30*time.Minute)
			case 1:
				s.Class, s.Cause, s.To = evidence.Reconstructed, "read later", at.Add(time.Duration(1+r.IntN(4))*30*time.Minute)
			case 2, 3:
				s.Class, s.Cause, s.To = evidence.Blind, []string{"503", "429"}[r.IntN(2)], at.Add(time.Duration(1+r.IntN(4))*30*time.Minute)
			default:
				s.Class, s.To = evidence.Instants, at
				for range r.IntN(5) {
					s.Looks, s.To = append(s.Looks, 1_800_000), s.To.Add(30*time.Minute)
				}
			}
			if at = s.To; r.IntN(3) == 0 {
				at = at.Add(time.Duration(r.IntN(4)) * 30 * time.Minute)
			}
			f := evidence.CoverageFacts{Source: "s", Period: evidence.Period{From: s.From, To: s.To}, Spans: []evidence.CoverageSpan{s}}
			if r.IntN(3) == 0 {
				f.Quiet = []evidence.Quiet{{Kinds: s.Kinds, From: s.To, To: s.To.Add(time.Duration(1+r.IntN(4)) * 20 * time.Minute), Cause: evidence.CauseQuiet}}
			}
			l.AddCoverage(f)
			if s.To.Before(begin) {
				continue // recorded before the pack begins
			}
			is := f.Span(s, 1)
			spans = append(spans, is)
			w.Spans = append(w.Spans, twinSpan{is.Period.From, is.Period.To, is.Class, is.Cause, is.Looks, is.Every.Milliseconds()})
		}
		chart, err := coverage.Build(t.Context(), l, period)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range chart.Rows {
			is := chartRow{Source: row.Source, Kinds: row.Kinds}
			for _, s := range row.Strips {
				is.Strips = append(is.Strips, chartStrip{s.From, s.To, s.Class, s.Cause})
			}
			err := is.holds(seen{"s", evidence.ChangeMerge}, keep(spans), period)
			if err != nil {
				t.Fatalf("seed %d: %v\nof %+v\nthe writer lays out %+v", seed, err, spans, is.Strips)
			}
			if is.Strips[0].Class == evidence.Blind && len(is.Strips) == 1 && !slices.ContainsFunc(spans, func(s evidence.Span) bool { return s.Period.Overlaps(period) }) {
				went++
			}
			if seed%30 == 0 {
				w.Rows = []chartRow{is}
				w.agrees(t, strconv.Itoa(int(seed)), nil, err)
			}
		}
	}
	if went == 0 {
		t.Error("nothing went on from before the period")
	}
}

// Of a source that was due and never seen no record claims anything: its runs and
// its window of blindness must be told all the same.
func TestNeverSeen(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 1, hour, 0, 0, 0, time.UTC) }
	tenant, err := evidence.ParseTenant("tenant-1")
	if err != nil {
		t.Fatal(err)
	}
	const seenSource, deaf, idle = evidence.SourceID("forge/prod"), evidence.SourceID("vault/prod"), evidence.SourceID("argocd/prod")
	period := evidence.Period{From: at(0), To: at(20)}
	kinds := []evidence.Kind{evidence.ChangeMerge}
	records := []evidence.CoverageFacts{
		{Source: seenSource, Period: period, Runs: evidence.RunCounts{Expected: 20, Done: 20}, Spans: []evidence.CoverageSpan{{Kinds: kinds, From: at(0), To: at(20), Class: evidence.Continuous}}},
		{Source: deaf, Period: evidence.Period{From: at(-3), To: at(-3)}, Runs: evidence.RunCounts{Expected: 9, Failed: 9}}, // before
		{Source: deaf, Period: evidence.Period{From: at(0), To: at(0)}, Runs: evidence.RunCounts{Expected: 3, Failed: 2, Missed: 1}},
		{Source: deaf, Period: evidence.Period{From: at(9), To: at(9)}, Runs: evidence.RunCounts{Expected: 2, Failed: 2}},
		{Source: deaf, Period: evidence.Period{From: at(20), To: at(20)}, Runs: evidence.RunCounts{Expected: 7, Failed: 7}}, // after
		{Source: idle, Period: evidence.Period{From: at(5), To: at(5)}, Runs: evidence.RunCounts{Expected: 4, Missed: 4}},
	}
	blind := func(id evidence.SourceID, from, to int, cause string, looked bool) chartBlind {
		return chartBlind{Source: id, Kinds: []evidence.Kind{}, From: at(from), To: at(to), Cause: cause, Looked: looked}
	}
	const unseen = evidence.CauseUnseen
	split := func(c *chart, at int, looked bool) {
		c.Blind = nil
		for _, id := range []evidence.SourceID{idle, deaf} {
			c.Blind = append(c.Blind, blind(id, 0, at, evidence.CauseRetired, looked))
		}
		c.Blind = append(c.Blind, blind(idle, at, 20, unseen, false), blind(deaf, at, 20, unseen, true))
	}
	for _, tc := range []struct {
		name   string
		change func(*chart)
		want   string
	}{
		{"as it is", func(*chart) {}, ""},
		{"retired within", func(c *chart) { split(c, 4, false) }, ""},
		{"retired, and not told apart", func(*chart) {}, "blind windows"},
		{"retired, and said to be longer", func(c *chart) { split(c, 19, false) }, "blind windows"},
		{"retired, and said to be looked at", func(c *chart) { split(c, 4, true) }, "blind windows"},
		{"not retired, and said to be", func(c *chart) { split(c, 4, false) }, "blind windows"},
		{"all of it retired", func(c *chart) { c.Blind[1].Cause, c.Blind[1].Looked = evidence.CauseRetired, false }, "blind windows"},
		{"no window", func(c *chart) { c.Blind = c.Blind[:1] }, "blind windows"},
		{"no windows", func(c *chart) { c.Blind = nil }, "blind windows"},
		{"the window cut", func(c *chart) { c.Blind[1].To = at(19) }, "blind windows"},
		{"a window twice", func(c *chart) { c.Blind = append(c.Blind, c.Blind[1]) }, "blind windows"},
		{"failed called nobody looked", func(c *chart) { c.Blind[1].Looked = false }, "blind windows"},
		{"missed called looked", func(c *chart) { c.Blind[0].Looked = true }, "blind windows"},
		{"another cause", func(c *chart) { c.Blind[1].Cause = "planned" }, "blind windows"},
		{"of a kind", func(c *chart) { c.Blind[1].Kinds = kinds }, "blind windows"},
		{"in another order", func(c *chart) { slices.Reverse(c.Blind) }, "blind windows"},
		{"of a source that was seen", func(c *chart) { c.Blind = append(c.Blind, blind(seenSource, 0, 20, unseen, true)) }, "blind windows"},
		{"its runs left away", func(c *chart) {
			c.Runs = c.Sources[seenSource]
			c.Sources = map[evidence.SourceID]evidence.RunCounts{seenSource: c.Runs}
		}, "counts no runs of argocd/prod"},
		{"failed called missed", func(c *chart) { c.Sources[deaf] = evidence.RunCounts{Expected: 5, Failed: 1, Missed: 4} }, "counts other runs of vault/prod"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &chart{
				Tenant: tenant, Period: period,
				Rows:    []chartRow{{Source: seenSource, Kinds: kinds, Strips: []chartStrip{{From: at(0), To: at(20), Class: evidence.Continuous}}}},
				Runs:    evidence.RunCounts{Expected: 29, Done: 20, Failed: 4, Missed: 5},
				Sources: map[evidence.SourceID]evidence.RunCounts{seenSource: {Expected: 20, Done: 20}, deaf: {Expected: 5, Failed: 4, Missed: 1}, idle: {Expected: 4, Missed: 4}},
				Blind:   []chartBlind{blind(idle, 0, 20, unseen, false), blind(deaf, 0, 20, unseen, true)},
			}
			tc.change(c)
			l, second := newLearned(0), &twin{Ask: "runs", Period: period, Chart: c}
			for i, f := range records {
				lf := chain.Leaf{Seq: uint64(i), Kind: evidence.CollectionCoverage}
				second.tell(lf, told(t, &l, lf, evidence.NewRef("source", "", string(f.Source)), f))
			}
			if strings.HasPrefix(tc.name, "retired") {
				lf := chain.Leaf{Seq: 50, Kind: evidence.LogSegment}
				second.tell(lf, told(t, &l, lf, evidence.NewRef("log", "", "x"), evidence.SegmentFacts{Act: evidence.SegmentRetired, Newest: at(4)}))
			}
			lf := chain.Leaf{Seq: 51, Kind: evidence.LogSegment}
			second.tell(lf, told(t, &l, lf, evidence.NewRef("log", "", "x"), evidence.SegmentFacts{Act: evidence.SegmentSealed, Newest: at(15)}))
			runs := c.counted(l.runs)
			err := cmp.Or(c.blindAsRows(runs, l.retired), c.runsAs(runs))
			second.agrees(t, tc.name, nil, err)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// keep is what a verifier keeps of spans.
func keep(spans []evidence.Span) (kept []*span) {
	for _, s := range spans {
		x := evidence.CoverageSpan{From: s.Period.From, To: s.Period.To, Class: s.Class, Cause: s.Cause, Every: s.Every.Milliseconds()}
		for i := 1; i < len(s.Looks); i++ {
			x.Looks = append(x.Looks, s.Looks[i].Sub(s.Looks[i-1]).Milliseconds())
		}
		kept = append(kept, newSpan(&x))
	}
	return kept
}

// However many stretches lie within one another, each of another cause, laying them
// out ends: with the square of their number it would not.
func TestCoverageOfManySpans(t *testing.T) {
	const many = 200_000
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	period := evidence.Period{From: begin, To: begin.Add(2 * many * time.Second)}
	var spans []evidence.Span
	for i := range many {
		spans = append(spans, evidence.Span{
			Source: "s", Kinds: []evidence.Kind{"k"}, Class: evidence.Blind, Cause: strconv.Itoa(i),
			Period: evidence.Period{From: begin.Add(time.Duration(i) * time.Second), To: period.To.Add(-time.Duration(i) * time.Second)},
		})
	}
	r := &chartRow{Source: "s", Kinds: []evidence.Kind{"k"}, Strips: []chartStrip{{period.From, period.To, evidence.Blind, strconv.Itoa(many / 2)}}}
	if err := r.holds(seen{"s", "k"}, keep(spans), period); err != nil {
		t.Error(err)
	}
}

// told makes a record of the range, reads it and returns its content.
func told(t *testing.T, l *learned, lf chain.Leaf, subject evidence.Ref, facts any) []byte {
	t.Helper()
	text, err := json.Marshal(facts)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(content{Subject: subject, Facts: text})
	if err == nil {
		err = l.read(&lf, disclosed{Seq: lf.Seq, Name: "content", Plain: plain})
	}
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// What loosened the evidence counts from the begin of the range to its end,
// whatever time its record says.
func TestLooseningAfterThePeriod(t *testing.T) {
	l := newLearned(10)
	lax := evidence.ConfigFacts{By: "uid 0", Loosen: []string{"source forge/prod was paused"}}
	years := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	told(t, &l, chain.Leaf{Seq: 9, Kind: evidence.PlatformConfig}, evidence.Ref{}, lax)
	told(t, &l, chain.Leaf{Seq: 11, Kind: evidence.PlatformConfig, Occurred: years}, evidence.Ref{}, lax)
	told(t, &l, chain.Leaf{Seq: 12, Kind: evidence.PlatformCatalog, Occurred: years.AddDate(90, 0, 0)}, evidence.Ref{}, evidence.CatalogFacts{Rewritten: []string{"all rules"}})
	told(t, &l, chain.Leaf{Seq: 13, Kind: evidence.PlatformCatalog}, evidence.Ref{}, evidence.CatalogFacts{})
	if len(l.loosened) != 2 || l.loosened[0].Seq != 11 || l.loosened[1].Seq != 12 {
		t.Errorf("loosened: %+v", l.loosened)
	}
}

// The acts of an incident are told from its records, so that a document that
// leaves a notification out is seen to.
func TestIncidentsAreTold(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	l := newLearned(10)
	one, two := evidence.NewRef("incident", "", "inc-1"), evidence.NewRef("incident", "", "inc-2")
	told(t, &l, chain.Leaf{Seq: 9, Kind: evidence.IncidentDeclared, Occurred: day(1)}, two, evidence.IncidentDeclaredFacts{})
	told(t, &l, chain.Leaf{Seq: 11, Kind: evidence.IncidentDeclared, Occurred: day(2)}, one, evidence.IncidentDeclaredFacts{})
	told(t, &l, chain.Leaf{Seq: 12, Kind: evidence.IncidentMoment, Occurred: day(2)}, one, evidence.IncidentMomentFacts{Law: "dora", At: day(2)})
	told(t, &l, chain.Leaf{Seq: 13, Kind: evidence.IncidentNotice, Occurred: day(4)}, one, evidence.IncidentNoticeFacts{Stage: "dora.initial", Act: "sent", At: day(3)})
	told(t, &l, chain.Leaf{Seq: 14, Kind: evidence.IncidentClosed, Occurred: day(5)}, two, evidence.IncidentClosedFacts{})
	told(t, &l, chain.Leaf{Seq: 15, Kind: evidence.IncidentClosed, Occurred: day(6)}, one, evidence.IncidentClosedFacts{})
	told(t, &l, chain.Leaf{Seq: 16, Kind: evidence.IncidentClosed, Occurred: day(7)}, one, evidence.IncidentClosedFacts{Reopen: true})
	got := l.incidents()
	if len(got) != 2 || !got[0].Declared.IsZero() || !got[0].Closed.Equal(day(5)) || len(got[0].Notices) != 0 {
		t.Fatalf("told: %+v", got)
	}
	if x := got[1]; x.Incident != one.String() || !x.Declared.Equal(day(2)) || !x.Closed.IsZero() || x.Aware != 1 ||
		!slices.Equal(x.Notices, []IncidentNotice{{13, "dora.initial", "sent", day(3)}}) {
		t.Errorf("told: %+v", x)
	}
}

// A key that was destroyed makes claims erased by a record of the pack alone.
func TestErasedByARecord(t *testing.T) {
	leaf := &chain.Leaf{Claims: []chain.Claim{{Name: "content", Keys: []string{"d/1"}}, {Name: "text", Keys: []string{"d/1", "p/7"}}, {Name: "raw", Keys: []string{"d/1", "p/8"}}}}
	v := &verifier{m: &Manifest{}, learned: newLearned(0)}
	told(t, &v.learned, chain.Leaf{Seq: 3, Kind: evidence.Erasure}, evidence.Ref{}, evidence.ErasureFacts{Keys: []string{"p/7"}})
	v.countErased(leaf, []disclosed{{Name: "content"}})
	v.countErased(leaf, []disclosed{{Name: "content"}, {Name: "text"}})
	for said, ok := range []bool{true, true, false} {
		v.m.Erased = said
		if err := v.compareErased(); (err == nil) != ok {
			t.Errorf("%d said to be erased: %v", said, err)
		}
	}
}

// Packs of a log count themselves: one between two that are known cannot be left
// out.
func TestPacksAreNumbered(t *testing.T) {
	for _, tc := range []struct {
		name    string
		numbers []uint64 // of the records that sealed earlier packs; 0: closed
		own     uint64
		unshown uint64
		want    string
	}{
		{"the first", nil, 1, 0, ""},
		{"the third", []uint64{1, 2}, 3, 0, ""},
		{"some of other periods", []uint64{0, 2, 0}, 4, 0, ""},
		{"all of other periods", []uint64{0, 0}, 3, 0, ""},
		{"one missing between", []uint64{1, 3}, 4, 0, "number 3 of its log, the pack holds the records of 2"},
		{"one missing before this one", []uint64{1, 2}, 4, 0, "this pack is number 4"},
		{"the first two missing", []uint64{3, 4}, 5, 2, ""},
		{"one counted twice", []uint64{1, 1}, 2, 0, "numbered falsely"},
		{"this one counted as an earlier one", []uint64{1, 2}, 2, 0, "numbered falsely"},
	} {
		v := &verifier{m: &Manifest{Number: tc.own}, rep: &Report{}, learned: newLearned(0), seqs: newPresent(1000)}
		for i, n := range tc.numbers {
			seq := uint64(10 * (i + 1))
			if err := v.seqs.add(seq, evidence.PackIssued); err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				v.sealed[seq] = evidence.PackFacts{Number: n}
			}
		}
		err := v.numbered()
		if tc.want == "" && (err != nil || v.rep.Unshown != tc.unshown) || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, %d not shown, want %q", tc.name, err, v.rep.Unshown, tc.want)
		}
	}
}

// Every finding with items has its sample, so that a maker cannot leave all away.
func TestSamplesAreNeeded(t *testing.T) {
	u := unpack(t)
	fs := sampled(t, u, sample.Operator, nil)
	for i := range fs {
		fs[i].Sample = nil
	}
	put(t, u, fs)
	if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), "has no sample of its items") {
		t.Errorf("no sample anywhere: got %v", err)
	}
}
