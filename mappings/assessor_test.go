package mappings

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// sceneLines are the lines of each case that put something into a log.
func sceneLines(t testing.TB) [][]string {
	t.Helper()
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var scenes [][]string
	for _, f := range files {
		ar, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, l := range strings.Split(string(ar.Files[0].Data), "\n") {
			switch w := strings.Fields(l); {
			case len(w) == 0, strings.HasPrefix(w[0], "#"):
			case slices.Contains([]string{"period", "tests", "configured", "uncollectable", "scope", "tenant"}, w[0]):
			default:
				lines = append(lines, l)
			}
		}
		scenes = append(scenes, lines)
	}
	return scenes
}

// history is a log that grows by lines of the cases, while a clock goes on.
type history struct {
	*testCase
	rnd    *rand.Rand
	lines  []string
	now    time.Time
	read   uint64 // how much of the log a reader has seen
	follow bool   // the clock follows the lines, so that little lies ahead
	more   int    // steps after the last line
	asked  int    // how often it was judged anew

	watched []*evidence.Span // what sources were seen of, as the log told last
	ahead   []evidence.Span  // and since
}

func newHistory(t testing.TB, seed uint64, cat *Catalog, scenes [][]string) *history {
	h := &history{testCase: parseCase(t, "", cat), rnd: rand.New(rand.NewPCG(seed, 7)), more: 12}
	h.now = at(t, fmt.Sprintf("%02dT09:00", 2+h.rnd.IntN(12)))
	for _, lines := range drawn(seed, scenes)[:1+h.rnd.IntN(6)] {
		for _, l := range lines {
			h.lines = append(h.lines, h.bits(t, l)...)
		}
	}
	h.rnd.Shuffle(len(h.lines), func(i, j int) { h.lines[i], h.lines[j] = h.lines[j], h.lines[i] })
	if h.rnd.IntN(3) > 0 { // what a source tells in the order it happened
		slices.SortStableFunc(h.lines, func(a, b string) int { return strings.Compare(timeIn(a), timeIn(b)) })
	}
	h.follow = h.rnd.IntN(4) > 0
	if h.follow { // nobody has seen yet what will be
		h.lines = slices.DeleteFunc(h.lines, func(l string) bool {
			return (strings.HasPrefix(l, "cover ") || strings.HasPrefix(l, "looks ")) && !thisMonth(t, l)
		})
	}
	return h
}

// drawn orders the scenes by what they and the seed say alone, so that a new case
// changes none but the histories that it comes into.
func drawn(seed uint64, scenes [][]string) [][]string {
	sum := func(lines []string) string {
		h := sha256.Sum256(fmt.Append(nil, seed, lines))
		return string(h[:])
	}
	by := map[string][]string{}
	for _, lines := range scenes {
		by[sum(lines)] = lines
	}
	var out [][]string
	for _, k := range slices.Sorted(maps.Keys(by)) {
		out = append(out, by[k])
	}
	return out
}

// thisMonth reports whether the stretch that a line tells of ends in the month
// of the cases.
func thisMonth(t testing.TB, l string) bool {
	return at(t, strings.Fields(l)[4]).Format("2006-01") == "2026-11"
}

// wait lets time pass, and nothing else happen.
func (h *history) wait() {
	h.now = h.now.Add([]time.Duration{time.Nanosecond, time.Second, time.Minute, 17 * time.Minute, 50 * time.Minute, 3 * time.Hour, 11 * time.Hour}[h.rnd.IntN(7)])
	h.in.Now = h.now
}

// told notes the word of what was seen, so that its source can be looked at again.
func (h *history) told(t testing.TB, l string) {
	w := strings.Fields(l)
	if w[0] != "cover" && w[0] != "looks" || w[2] == string(evidence.Blind) {
		return
	}
	s := &evidence.Span{Source: evidence.SourceID(w[1]), Class: evidence.Class(w[2]), Period: evidence.Period{To: at(t, w[4])}}
	if w[0] == "looks" {
		s.Class = evidence.Instants
	}
	for k := range strings.SplitSeq(w[5], ",") {
		s.Kinds = append(s.Kinds, evidence.Kind(k))
	}
	same := func(o *evidence.Span) bool { return o.Source == s.Source && slices.Equal(o.Kinds, s.Kinds) }
	if i := slices.IndexFunc(h.watched, same); i >= 0 {
		h.watched[i] = s
		h.ahead = slices.DeleteFunc(h.ahead, func(o evidence.Span) bool { return same(&o) })
		return
	}
	h.watched = append(h.watched, s)
}

// look has sources looked at again: what was seen last goes on, mostly.
func (h *history) look() {
	for _, was := range h.watched {
		if h.rnd.IntN(4) == 0 || !was.Period.To.Before(h.now) {
			continue
		}
		i := slices.IndexFunc(h.ahead, func(o evidence.Span) bool {
			return o.Source == was.Source && slices.Equal(o.Kinds, was.Kinds) && o.Class == was.Class
		})
		switch blind := h.rnd.IntN(12) == 0; {
		case blind:
			from := was.Period.To
			if i >= 0 {
				from = h.ahead[i].Period.To
			}
			if from.Before(h.now) {
				s := evidence.Span{Source: was.Source, Kinds: was.Kinds, Class: evidence.Blind, Cause: "timeout", Period: evidence.Period{From: from, To: h.now}, Every: time.Duration(h.rnd.IntN(4)) * time.Hour}
				h.ahead = append(slices.Clone(h.ahead), s)
			}
		case i < 0:
			s := evidence.Span{Source: was.Source, Kinds: was.Kinds, Class: was.Class, Period: evidence.Period{From: was.Period.To, To: h.now}}
			if h.rnd.IntN(4) == 0 {
				s.Period.From = s.Period.From.Add(h.now.Sub(s.Period.From) / 2)
			}
			if s.Class == evidence.Instants {
				s.Looks = []time.Time{s.Period.From, h.now}
			}
			h.ahead = append(slices.Clone(h.ahead), s)
		default:
			h.ahead = slices.Clone(h.ahead)
			s := &h.ahead[i]
			s.Period.To = h.now
			if s.Class == evidence.Instants {
				s.Looks = append(slices.Clone(s.Looks), h.now)
			}
		}
	}
	h.in.Ahead = h.ahead
}

// bits cuts the word of what was seen, as it is told day by day.
func (h *history) bits(t testing.TB, l string) []string {
	w := strings.Fields(l)
	if w[0] != "cover" {
		return []string{l}
	}
	var out []string
	from, to := at(t, w[3]), at(t, w[4])
	if from.Format("2006-01") != "2026-11" || to.Format("2006-01") != "2026-11" {
		return []string{l}
	}
	for from.Before(to) {
		next := from.Add(time.Duration(1+h.rnd.IntN(200)) * time.Hour)
		if next.After(to) {
			next = to
		}
		w[3], w[4] = from.Format("01-02T15:04"), next.Format("01-02T15:04")
		out = append(out, strings.Join(w, " "))
		from = next
	}
	return out
}

// aTime is a time as the cases write it: of the month, with the month, or whole.
var aTime = regexp.MustCompile(`^((\d{4}-)?\d{2}-)?\d{2}T\d{2}:\d{2}(:\d{2})?$`)

// lastTimeIn is the latest of the times among the first words of a line, in the
// month of the cases.
func lastTimeIn(t testing.TB, l string) (last time.Time) {
	for _, w := range strings.Fields(l)[:min(5, len(strings.Fields(l)))] {
		if !aTime.MatchString(w) {
			continue
		}
		if x := at(t, w); x.Format("2006-01") == "2026-11" {
			last = later(last, x)
		}
	}
	return last
}

// timeIn is the first word of a line that looks like a time.
func timeIn(l string) string {
	for _, w := range strings.Fields(l) {
		if len(w) >= 9 && w[2] == 'T' && w[6] == ':' || len(w) >= 8 && w[2] == 'T' {
			return w
		}
	}
	return ""
}

// step lets time pass and adds a batch; it returns false at the end.
func (h *history) step(t testing.TB) bool {
	h.now = h.now.Add([]time.Duration{0, time.Minute, 10 * time.Minute, time.Hour, 3 * time.Hour, 31 * time.Hour}[h.rnd.IntN(6)])
	h.in.Ahead = h.ahead
	switch h.rnd.IntN(14) {
	case 12:
		h.in.Tenancy = []*evidence.Tenancy{nil, {}, {Tier: "basic"}, {Tier: "premium", Tags: []string{"bank"}}}[h.rnd.IntN(4)]
	case 13: // the same rules, loaded anew
		h.in.Catalog = secondCatalog(t)
	case 0:
		h.changeConfigured()
	case 1:
		h.erase(t)
	case 2, 3:
		from := h.now.Add(-time.Duration(h.rnd.IntN(72)) * time.Hour)
		h.in.Ahead = []evidence.Span{{
			Source: "argocd/prod", Kinds: []evidence.Kind{evidence.DeploySync, evidence.DeployState}, Class: evidence.Instants,
			Period: evidence.Period{From: from, To: h.now}, Looks: []time.Time{from, h.now},
		}}
	case 4: // a day's word is lost
		h.ahead, h.in.Ahead = nil, nil
	}
	n := min(h.rnd.IntN(6), len(h.lines))
	for _, l := range h.lines[:n] {
		if h.follow {
			h.now = later(h.now, lastTimeIn(t, l))
		}
		if err := h.line(t, l); err != nil {
			t.Fatal(err)
		}
		h.told(t, l)
	}
	h.lines = h.lines[n:]
	// A reader may lag behind what is written beside it.
	h.read += uint64(h.rnd.Int64N(int64(h.log.Size()-h.read) + 1))
	if h.rnd.IntN(3) > 0 || h.log.Size() > 0 && h.read == 0 {
		h.read = h.log.Size()
	}
	h.in.Now, h.in.Reader = h.now, h.log.At(h.read)
	if len(h.lines) == 0 {
		h.more--
	}
	return h.more > 0
}

// second is another catalog with the same rules.
var second = sync.OnceValues(func() (*Catalog, error) { return loadWith() })

func secondCatalog(t testing.TB) *Catalog {
	t.Helper()
	c, err := second()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (h *history) changeConfigured() {
	h.in.Configured = maps.Clone(h.in.Configured)
	if h.in.Configured == nil {
		h.in.Configured = map[evidence.Kind][]evidence.SourceID{}
	}
	h.in.Configured[evidence.DeployState] = []evidence.SourceID{evidence.SourceID(fmt.Sprintf("argocd/%c", 'a'+h.rnd.IntN(3)))}
}

// erase forgets somebody, with the record that says so.
func (h *history) erase(t testing.TB) {
	t.Helper()
	var tokens []evidence.ID
	for r, err := range h.log.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.PersonKnown}}) {
		if err != nil {
			t.Fatal(err)
		}
		id, err := evidence.ParseID(r.Subject.Name)
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, id)
	}
	if len(tokens) == 0 {
		return
	}
	token := tokens[h.rnd.IntN(len(tokens))]
	h.log.Erase(token)
	h.log.AddDraft(evidence.Draft{
		Kind: evidence.Erasure, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: fmt.Sprint(token, h.log.Size()),
		Subject: evidence.NewRef("person", "", token.String()), OccurredAt: h.now, Basis: evidence.BasisSource, ObservedAt: h.now, Content: []byte("{}"),
	})
	// Who was erased cannot be read from now on, whatever a reader has seen: one
	// that has not come to the record of it learns of it with that.
	h.read = h.log.Size()
}

// full judges everything anew.
func full(ctx context.Context, in Input, days time.Duration) ([]evidence.Finding, error) {
	in.Rolling, in.Period = true, RollingPeriod(in.Now, days)
	fs, _, err := Assess(ctx, in)
	return fs, err
}

func asText(t testing.TB, fs []evidence.Finding) string {
	t.Helper()
	b, err := json.MarshalIndent(fs, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// said is what of a round is recorded and shown.
type said struct {
	Findings []evidence.Finding
	Facts    []evidence.FindingFacts
}

func saidBy(r *Round) said {
	x := said{Findings: r.Findings}
	for i := range r.Findings {
		if f, ok := r.Facts(i); ok {
			x.Facts = append(x.Facts, f)
		}
	}
	return x
}

// verdicts are the states of findings.
func (x said) verdicts() map[evidence.Ref]evidence.Hash {
	vs := map[evidence.Ref]evidence.Hash{}
	for _, f := range x.Facts {
		vs[FindingRef(f.Control, f.Test)] = Verdict(f)
	}
	return vs
}

// anew is what an assessor says who knows nothing of before.
func anew(t testing.TB, h *history, days time.Duration) said {
	t.Helper()
	round, err := new(Assessor).Assess(t.Context(), h.in, days)
	if err != nil {
		t.Fatal(err)
	}
	if h.asked++; h.asked%3 == 0 {
		asFull(t, h, days, round)
	}
	return saidBy(round)
}

// asFull holds a round against a full assessment, item by item.
func asFull(t testing.TB, h *history, days time.Duration, round *Round) {
	t.Helper()
	want, err := full(t.Context(), h.in, days)
	if err != nil {
		t.Fatal(err)
	}
	seqs := func(items []evidence.Item) (out []uint64) {
		for _, it := range items {
			out = append(out, it.Seq)
		}
		return out
	}
	for i := range want {
		f := &want[i]
		if !slices.Equal(seqs(f.Failed), round.Failed[i]) || !slices.Equal(seqs(f.Unknown), round.Unknown[i]) {
			t.Fatalf("%s: the round has failed %v and unknown %v, a full assessment %v and %v", f.Test, round.Failed[i], round.Unknown[i], seqs(f.Failed), seqs(f.Unknown))
		}
		f.Items, f.Failed, f.Unknown = nil, nil, nil
	}
	if !reflect.DeepEqual(want, round.Findings) {
		t.Fatalf("at %s (-full +anew):\n%s", evidence.FormatTime(h.now), cmp.Diff(asText(t, want), asText(t, round.Findings)))
	}
}

// TestIncrementalIsFull plays random histories made of all cases and compares,
// after every batch and whenever time has passed, what was judged step by step
// with what a full assessment says. Where the assessor says that everything
// stands, no verdict may be another.
func TestIncrementalIsFull(t *testing.T) {
	cat, all := mustLoad(t), sceneLines(t)
	const days = 14 * 24 * time.Hour
	const seeds, shares = 36, 4
	var mu sync.Mutex
	kept, views, stood, waits, afterLook, builtAfterLook := 0, 0, 0, 0, 0, 0
	statuses := map[evidence.Status]bool{}
	t.Run("histories", func(t *testing.T) {
		for share := range uint64(shares) {
			t.Run(fmt.Sprint(share), func(t *testing.T) {
				t.Parallel()
				for seed := share; seed < seeds; seed += shares {
					p := playing{h: newHistory(t, seed, cat, all), days: days}
					p.play(t, seed)
					mu.Lock()
					kept, views, stood, waits = kept+p.kept, views+p.views, stood+p.stood, waits+p.waits
					afterLook, builtAfterLook = afterLook+p.afterLook, builtAfterLook+p.builtAfterLook
					maps.Copy(statuses, p.statuses)
					mu.Unlock()
				}
			})
		}
	})
	if kept*4 < views {
		t.Errorf("%d of %d views stood: the assessor spares too little", kept, views)
	}
	if stood*4 < waits {
		t.Errorf("everything stood %d of %d times that nothing was new", stood, waits)
	}
	t.Logf("after looks %d of %d views were built", builtAfterLook, afterLook)
	if builtAfterLook*4 > afterLook {
		t.Errorf("after looks %d of %d views were built: the assessor spares too little", builtAfterLook, afterLook)
	}
	if len(statuses) < 5 {
		t.Errorf("the histories reach %v only", statuses)
	}
}

// playing is one history being judged step by step.
type playing struct {
	h        *history
	days     time.Duration
	a        Assessor
	last     said
	statuses map[evidence.Status]bool

	kept, views, stood, waits int

	afterLook, builtAfterLook int // views then
}

func (p *playing) play(t *testing.T, seed uint64) {
	p.statuses = map[evidence.Status]bool{}
	for step, more := 0, true; more; step++ {
		more = p.h.step(t)
		if p.h.rnd.IntN(10) == 0 {
			p.a = Assessor{} // the program was started again
		}
		p.judge(t, fmt.Sprintf("seed %d, step %d", seed, step))
		for n := range p.h.rnd.IntN(3) {
			p.h.wait()
			p.waits++
			p.judge(t, fmt.Sprintf("seed %d, step %d, wait %d", seed, step, n))
		}
		for n := range p.h.rnd.IntN(4) {
			p.h.wait()
			p.h.look()
			kept, views := p.kept, p.views
			p.judge(t, fmt.Sprintf("seed %d, step %d, look %d", seed, step, n))
			p.afterLook += p.views - views
			p.builtAfterLook += p.views - views - (p.kept - kept)
		}
	}
}

// turned lists the findings whose verdict is another.
func turned(was, is map[evidence.Ref]evidence.Hash) (refs []string) {
	for ref, h := range is {
		if was[ref] != h {
			refs = append(refs, ref.String())
		}
	}
	for ref := range was {
		if _, ok := is[ref]; !ok {
			refs = append(refs, ref.String()+" ended")
		}
	}
	slices.Sort(refs)
	return refs
}

func (p *playing) judge(t *testing.T, when string) {
	t.Helper()
	want := anew(t, p.h, p.days)
	for _, f := range want.Findings {
		p.statuses[f.Status] = true
	}
	if p.a.Stands(p.h.in, p.h.in.Reader.Size(), p.days) {
		p.stood++
		if is, was := want.verdicts(), p.last.verdicts(); !maps.Equal(is, was) {
			t.Fatalf("%s, at %s, it stood, and these are others: %s", when, evidence.FormatTime(p.h.now), turned(was, is))
		}
		if p.h.rnd.IntN(2) == 0 {
			return
		}
	}
	round, err := p.a.Assess(t.Context(), p.h.in, p.days)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	p.last = saidBy(round)
	if !reflect.DeepEqual(want, p.last) {
		t.Fatalf("%s, at %s (-full +incremental):\n%s\n%s", when, evidence.FormatTime(p.h.now),
			cmp.Diff(asText(t, want.Findings), asText(t, round.Findings)), cmp.Diff(want.Facts, p.last.Facts))
	}
	p.kept, p.views = p.kept+round.Views-round.Built, p.views+round.Views
}

// A batch about one thing leaves the views of others as they are.
func TestOnlyWhatChangedIsBuilt(t *testing.T) {
	var a Assessor
	c := parseCase(t, strings.Join([]string{
		`cover vault/prod continuous 01T00:00 10T00:00 secret.access,secret.auth,secret.policy,secret.role,secret.device`,
		`cover github/acme continuous 01T00:00 10T00:00 change.commit,change.merge,change.review,change.ref,change.rewrite,change.protection`,
		`secret.access event 05T10:00 actor=tenant-7 {"request_id":"r1","operation":"read","path":"kv/data/tenant-7/db","secret":"kv/tenant-7/db","mount":"kv/","mount_type":"kv","outcome":"ok","reading":true,"who":0} reader/authenticated/vault:prod/entity|e1`,
	}, "\n"), mustLoad(t))
	built := func(when string) (int, map[string]evidence.Finding) {
		t.Helper()
		c.in.Now, c.in.Reader = at(t, when), c.log
		round, err := a.Assess(t.Context(), c.in, 30*24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		by := map[string]evidence.Finding{}
		for _, f := range round.Findings {
			by[f.Test] = f
		}
		return round.Built, by
	}
	first, by := built("10T00:00")
	if by["secret-access"].Status != evidence.Satisfied {
		t.Fatalf("secret-access is %s: %s", by["secret-access"].Status, by["secret-access"].Summary)
	}
	built("10T00:20") // what is told at midnight counts behind it
	quiet, _ := built("10T00:30")
	if quiet > 0 {
		t.Errorf("nothing new, and %d of %d views were built", quiet, first)
	}
	if err := c.line(t, `secret.access event 10T00:40 actor=tenant-8 {"request_id":"r2","operation":"read","path":"kv/data/tenant-7/db","secret":"kv/tenant-7/db","mount":"kv/","mount_type":"kv","outcome":"ok","reading":true,"who":0} reader/authenticated/vault:prod/entity|e1`); err != nil {
		t.Fatal(err)
	}
	one, by := built("10T00:50")
	if one != quiet+2 { // accesses, and the credentials they were made with
		t.Errorf("one access came, and %d views were built, want %d", one, quiet+2)
	}
	if by["secret-access"].Status != evidence.NotSatisfied {
		t.Errorf("after another's read secret-access is %s", by["secret-access"].Status)
	}
	// The clock alone: what was fresh an hour ago is not any more.
	if _, by = built("10T03:00"); by["vault-audit"].Status == evidence.Satisfied || by["secret-no-root"].Status != evidence.Stale {
		t.Errorf("three hours on vault-audit is %s and secret-no-root %s, want stale", by["vault-audit"].Status, by["secret-no-root"].Status)
	}
	if next, _ := built("11T00:00"); next != first {
		t.Errorf("with a new day %d views were built, want all %d", next, first)
	}
}

// What ends at the very instant that is judged is another thing a moment later:
// a source is there that was looked at then for the first time, and of a blind
// window nobody says that it lasts.
func TestWhatEndsAtTheInstant(t *testing.T) {
	now := at(t, "10T00:00")
	look := evidence.Span{Source: "certs/edge", Kinds: []evidence.Kind{evidence.CertState}, Class: evidence.Instants, Period: evidence.Period{From: now, To: now}, Looks: []time.Time{now}}
	blind := evidence.Span{Source: "argocd/prod", Kinds: []evidence.Kind{evidence.DeploySync, evidence.DeployState}, Class: evidence.Blind, Cause: "timeout", Period: evidence.Period{From: at(t, "01T00:00"), To: now}}
	for name, ahead := range map[string]evidence.Span{"a first look": look, "a blind window": blind} {
		c := parseCase(t, `cover github/acme continuous 01T00:00 09T23:50 change.commit,change.merge`, mustLoad(t))
		c.in.Now, c.in.Reader, c.in.Ahead = now, c.log, []evidence.Span{ahead}
		const days = 5 * 24 * time.Hour
		var a Assessor
		if _, err := a.Assess(t.Context(), c.in, days); err != nil {
			t.Fatal(err)
		}
		was := anew(t, &history{testCase: c}, days)
		c.in.Now = now.Add(time.Minute)
		want := anew(t, &history{testCase: c}, days)
		if maps.Equal(was.verdicts(), want.verdicts()) {
			t.Errorf("%s: a minute later all verdicts are the same: the case tests nothing", name)
		}
		if a.Stands(c.in, c.log.Size(), days) {
			t.Errorf("%s: a minute later all verdicts stand", name)
		}
		round, err := a.Assess(t.Context(), c.in, days)
		if err != nil {
			t.Fatal(err)
		}
		if got := saidBy(round); !reflect.DeepEqual(want, got) {
			t.Errorf("%s, a minute later (-full +incremental):\n%s", name, cmp.Diff(asText(t, want.Findings), asText(t, got.Findings)))
		}
	}
}

// What could not be read changes nothing, and is judged the next time.
func TestAssessorAfterAnError(t *testing.T) {
	const days = 24 * time.Hour // the day that runs alone is empty at midnight
	h := newHistory(t, 3, mustLoad(t), sceneLines(t))
	var a Assessor
	h.step(t)
	if _, err := a.Assess(t.Context(), h.in, days); err != nil {
		t.Fatal(err)
	}
	for more := true; more; {
		more = h.step(t)
		h.log.Fail("Records", errors.New("the disk is gone"))
		if _, err := a.Assess(t.Context(), h.in, days); err == nil {
			t.Fatal("no error although nothing could be read")
		}
		h.log.Fail("Records", nil)
	}
	round, err := a.Assess(t.Context(), h.in, days)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(anew(t, h, days).verdicts(), saidBy(round).verdicts()); d != "" {
		t.Errorf("(-full +incremental):\n%s", d)
	}
}

// TestJoinsAreShared holds that whatever views share tells them what it was
// built from. A bare pointer would let a verdict stand that has changed.
func TestJoinsAreShared(t *testing.T) {
	for _, of := range []reflect.Type{reflect.TypeFor[joins](), reflect.TypeFor[delivery]()} {
		for i := range of.NumField() {
			if f := of.Field(i); !strings.HasPrefix(f.Type.Name(), "shared[") {
				t.Errorf("%s.%s is a %s: make it a shared, and get it with get", of.Name(), f.Name, f.Type)
			}
		}
	}
}

// A test never looks further back than its sources were first looked at, and a
// window begins with a day.
func TestRollingPeriods(t *testing.T) {
	c := parseCase(t, strings.Join([]string{
		`looks certs/edge 6h 05T06:00 10T06:00 cert.state`,
		`cover argocd/prod continuous 09T01:00 10T06:00 deploy.sync,deploy.state`,
	}, "\n"), mustLoad(t))
	c.in.Now, c.in.Reader = at(t, "10T07:00"), c.log
	by := map[string]evidence.Finding{}
	fs, err := full(t.Context(), c.in, 3*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fs {
		by[f.Test] = f
	}
	for test, want := range map[string]string{"cert-valid": "07T00:00", "chg-drift": "09T01:00", "vault-audit": "07T00:00"} {
		if got := by[test].Period.From; !got.Equal(at(t, want)) {
			t.Errorf("%s is judged from %s, want %s", test, evidence.FormatTime(got), want)
		}
	}
	if s := by["vault-audit"]; s.Status != evidence.NotObserved {
		t.Errorf("a source nobody looked at: %s", s.Status)
	}
}

var _ evidence.Reader = watched{Reader: (*evidencetest.Log)(nil)}

// A control for others gives no finding, unless it is asked for by name.
func TestControlsForOthersAreLeftOut(t *testing.T) {
	cat, err := LoadOnly(fstest.MapFS{"own.yaml": {Data: []byte(strings.Replace(ownRules, "severity: low", "severity: low\n    applies: {tiers: [premium], tags: [bank, insurer]}", 1))}})
	if err != nil {
		t.Fatal(err)
	}
	c := parseCase(t, "", cat)
	c.in.Now = at(t, "10T00:00")
	for _, tc := range []struct {
		is   *evidence.Tenancy
		want int
	}{
		{nil, 2}, {&evidence.Tenancy{}, 0}, {&evidence.Tenancy{Tags: []string{"bank"}}, 2}, {&evidence.Tenancy{Tier: "premium", Tags: []string{"insurer", "eu"}}, 2},
		{&evidence.Tenancy{Tier: "basic", Tags: []string{"bank"}}, 0}, {&evidence.Tenancy{Tier: "premium"}, 0},
	} {
		c.in.Tenancy = tc.is
		fs, err := full(t.Context(), c.in, 24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if len(fs) != tc.want {
			t.Errorf("%+v: %d findings, want %d", tc.is, len(fs), tc.want)
		}
	}
	c.in.Controls = []evidence.ControlID{"house-1"}
	if fs, err := full(t.Context(), c.in, 24*time.Hour); err != nil || len(fs) != 2 {
		t.Errorf("asked for by name: %d findings, %v", len(fs), err)
	}
}

// That somebody looked again, and all is as it was, builds none of the views that
// tell what was seen up to the newest look: until a verdict may turn by it.
func TestALookBuildsLittle(t *testing.T) {
	var a Assessor
	c := parseCase(t, strings.Join([]string{
		`cover argocd/prod continuous 01T00:00 10T00:00 deploy.sync,deploy.state`,
		`looks certs/edge 10m 01T00:00 10T00:00 cert.state`,
		`deploy.state set 01T00:00 {"app":"argocd/shop","uid":"u1","project":"shop","sync":"Synced","health":"Healthy"}`,
		`deploy.state set 02T00:00 {"app":"argocd/shop","uid":"u1","project":"shop","sync":"OutOfSync","health":"Healthy"}`,
		`deploy.state set 02T00:10 {"app":"argocd/shop","uid":"u1","project":"shop","sync":"Synced","health":"Healthy"}`,
		`deploy.state set 09T23:40 {"app":"argocd/shop","uid":"u1","project":"shop","sync":"OutOfSync","health":"Healthy"}`,
		`cert.state set 01T00:00 {"endpoint":"a.example:443","sni":"a.example","protocol":"TLS 1.3","serial":"1","not_before":"2026-06-01T00:00:00Z","not_after":"2026-12-01T00:45:00Z","name_matches":true,"trusted":"yes"}`,
	}, "\n"), mustLoad(t))
	looked := func(from, until string, ahead bool) (built []string, by map[string]evidence.Status) {
		t.Helper()
		c.in.Now, c.in.Reader, c.in.Ahead = at(t, until), c.log, nil
		if ahead {
			p := evidence.Period{From: at(t, from), To: at(t, until)}
			c.in.Ahead = []evidence.Span{
				{Source: "argocd/prod", Kinds: []evidence.Kind{evidence.DeploySync, evidence.DeployState}, Class: evidence.Continuous, Period: p},
				{Source: "certs/edge", Kinds: []evidence.Kind{evidence.CertState}, Class: evidence.Instants, Period: p},
			}
			for x := p.From; !x.After(p.To); x = x.Add(10 * time.Minute) {
				c.in.Ahead[1].Looks = append(c.in.Ahead[1].Looks, x)
			}
		}
		was := a.views
		round, err := a.Assess(t.Context(), c.in, 30*24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for i := range a.views {
			stood := slices.ContainsFunc(was, func(v viewBuilt) bool {
				return v.viewOver == a.views[i].viewOver && (v.tallies == nil) == (a.views[i].tallies == nil) && (v.tallies == nil || &v.tallies[0] == &a.views[i].tallies[0])
			})
			if !stood {
				built = append(built, a.views[i].view.Name)
			}
		}
		by = map[string]evidence.Status{}
		for _, f := range round.Findings {
			by[f.Test] = f.Status
		}
		if want := anew(t, &history{testCase: c}, 30*24*time.Hour); !reflect.DeepEqual(want, saidBy(round)) {
			t.Errorf("looked until %s: (-full +incremental):\n%s", until, cmp.Diff(asText(t, want.Findings), asText(t, round.Findings)))
		}
		return built, by
	}
	looked("", "10T00:00", false)
	_, by := looked("10T00:00", "10T00:10", true)
	for test, want := range map[string]evidence.Status{"chg-drift": evidence.Satisfied, "cert-renewed": evidence.Satisfied} {
		if by[test] != want {
			t.Errorf("%s is %s at the begin, want %s", test, by[test], want)
		}
	}
	for _, until := range []string{"10T00:20", "10T00:30"} {
		if built, _ := looked("10T00:00", until, true); !slices.Equal(built, []string{"sources"}) {
			t.Errorf("looked until %s: built %v, want sources alone", until, built)
		}
	}
	// The drift has lasted an hour at 00:40, 21 days are left to the
	// certificate at 00:45.
	built, by := looked("10T00:00", "10T00:50", true)
	if !slices.Contains(built, "running") || !slices.Contains(built, "certificates") || by["chg-drift"] != evidence.NotSatisfied || by["cert-renewed"] != evidence.NotSatisfied {
		t.Errorf("an hour on, %v were built: chg-drift is %s, cert-renewed %s", built, by["chg-drift"], by["cert-renewed"])
	}
	// What is said of the time before is another thing.
	if err := c.line(t, `cover argocd/prod blind 03T00:00 03T01:00 deploy.state timeout`); err != nil {
		t.Fatal(err)
	}
	if built, _ := looked("10T00:00", "10T00:50", true); !slices.Contains(built, "running") {
		t.Errorf("a word on last week came, and %v were built", built)
	}
}
