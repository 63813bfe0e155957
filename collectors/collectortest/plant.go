package collectortest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
)

// Planting puts texts at the strings of a source's answers, and members of such
// names into its objects, and looks for them in what the logs get. Each string and
// each object of each answer has its turn, so a field that a source gets later is
// tried as soon as a conversation has it.
type Planting struct {
	// Suite is the collector with its conversation; of it New, Source, Now and
	// Conversation are used.
	Suite
	// Lines are a log in place of a conversation, each a JSON value, which Write
	// puts where the collector reads. The places of Told name them LINE /0, ....
	Lines []string
	Write func(lines []string)
	// Edit changes the conversation before anything is planted in it; nil does not.
	Edit func(conversation string) string
	// Rules are those of a configuration; none: everything is nobody's.
	Rules []collectors.TenantRules
	// Texts makes what is put in place of a string, one after the other; see takes.
	Texts func(was string) []string
	// Only, where it is not empty, are the places where anything is planted: in most
	// of a thing of its own a tenant reads what its own people wrote.
	Only []string
	// Whole are the places, as those of Told, where nothing but a whole name can
	// stand: of the texts only the last so many are planted there.
	Whole []string
	Names int
	// Sentences are the places, as those of Told, where nothing but a sentence can
	// stand: of the texts only the first so many are planted there.
	Sentences []string
	Spoken    int
	// Holds finds what was planted in a text; "" for nothing.
	Holds func(text string) string
	// Of is the tenant in whose log nothing of it may stand; zero: in no log.
	Of evidence.Tenant
	// Named says that it may stand in references, keys and people.
	Named bool
	// Told are the places where it may: an expression for request lines, a blank,
	// and one for the JSON pointer in the answer, each with the reason. The name of
	// a member that is added to an object stands at ~ in it (see [EachObject]).
	Told map[string]string
}

// leaf is a string of an answer, or the name of a member that it does not have.
type leaf struct {
	line string
	n    int // of the answers to the line
	at   string
	put  func(any)
	was  string
}

// Run plants. Strings of one shape, as the titles of a list, are planted together,
// and so are one shape of each answer; where something of that is found, or keeps
// the collector from reading what it read before, each half is tried alone.
func (p Planting) Run(t *testing.T) {
	t.Helper()
	replay := p.source(t)
	for expr, why := range p.Told {
		if why == "" {
			t.Errorf("%s is told without a reason", expr)
		}
	}
	told, only := places(t, slices.Sorted(maps.Keys(p.Told))), places(t, p.Only)
	shapes, trees := replay.leaves(func(l *leaf) bool { return told(l) || len(p.Only) > 0 && !only(l) })
	pl := &planter{Planting: p, t: t, replay: replay, trees: trees, pristine: maps.Clone(replay.answers), token: tokenFile(t), found: map[string]string{}, alone: map[*leaf]bool{}}
	if len(shapes) == 0 {
		t.Fatal("nothing is planted: no string of the conversation stands at one of the places")
	}
	all, found := pl.poll()
	pl.whole = len(all)
	if pl.whole == 0 || found != "" {
		t.Fatalf("of the conversation as it is %d records come to whom it is looked for; %s", pl.whole, found)
	}
	texts, whole, sentences := len(p.Texts("")), places(t, p.Whole), places(t, p.Sentences)
	for turn, group := range shapes {
		for i := range texts {
			var together []*leaf
			for _, l := range group {
				from, to := 0, texts
				if whole(l) {
					from = texts - p.Names
				}
				if sentences(l) {
					to = p.Spoken
				}
				switch {
				case !takes(i, from, to, turn):
				case pl.alone[l]:
					pl.try(i, []*leaf{l})
				default:
					together = append(together, l)
				}
			}
			if len(together) > 0 {
				pl.try(i, together)
			}
		}
	}
	for _, where := range slices.Sorted(maps.Keys(pl.found)) {
		t.Errorf("planted at %s: %s", where, pl.found[where])
	}
}

// takes reports whether a string that may be any of the texts from one up to
// another is the i-th: in full (EVIDENCED_FULL is set) it is each of them, else the
// first, which says the most, and one more, another at the next shape.
func takes(i, from, to, turn int) bool {
	switch {
	case i < from || i >= to:
		return false
	case os.Getenv("EVIDENCED_FULL") != "" || i == from:
		return true
	}
	return i == from+1+turn%(to-from-1)
}

// source is what is read: a log is a conversation too, that nobody asks for.
func (p *Planting) source(t *testing.T) *Replay {
	t.Helper()
	if p.Lines != nil {
		r := &Replay{answers: map[string][]answer{}}
		for i, line := range p.Lines {
			r.answers[lineName(i)] = []answer{{body: line}}
		}
		p.Write(p.Lines)
		return r
	}
	archive, err := os.ReadFile(p.Conversation)
	if err != nil {
		t.Fatal(err)
	}
	if p.Edit != nil {
		archive = []byte(p.Edit(string(archive)))
	}
	return ReplayOf(t, archive, p.Now)
}

func lineName(i int) string { return fmt.Sprintf("LINE /%d", i) }

// places makes a question of expressions: whether a string stands at one of them.
func places(t *testing.T, exprs []string) func(*leaf) bool {
	var all []*regexp.Regexp
	for _, expr := range exprs {
		line, at, ok := strings.Cut(expr, " ")
		if !ok {
			t.Fatalf("%q: want an expression for lines, a blank, one for pointers", expr)
		}
		all = append(all, regexp.MustCompile(`^\S+ \S*(`+line+`)\S* (`+at+`)$`))
	}
	return func(l *leaf) bool {
		return slices.ContainsFunc(all, func(re *regexp.Regexp) bool { return re.MatchString(l.line + " " + l.at) })
	}
}

// planter is one planting on its way.
type planter struct {
	Planting
	t        *testing.T
	replay   *Replay
	trees    map[string]map[int]*any
	pristine map[string][]answer
	token    string
	whole    int               // records that are looked at of a run without anything planted
	found    map[string]string // what was found first, by place
	alone    map[*leaf]bool    // strings that keep the collector from reading what it read before: another text there will too
}

// try plants the i-th text at the strings.
func (pl *planter) try(i int, at []*leaf) {
	for _, l := range at {
		l.put(pl.Texts(l.was)[i])
	}
	pl.plant(at)
	told, found := pl.poll()
	for _, l := range at {
		l.put(l.was)
	}
	pl.plant(at)
	if len(at) == 1 && len(told) < pl.whole {
		pl.alone[at[0]] = true
	}
	switch {
	case len(at) > 1 && (found != "" || len(told) < pl.whole):
		pl.try(i, at[:len(at)/2])
		pl.try(i, at[len(at)/2:])
	case found != "":
		if where := at[0].line + " " + at[0].at; pl.found[where] == "" {
			pl.found[where] = found
		}
	}
}

// plant writes the answers of the strings anew.
func (pl *planter) plant(at []*leaf) {
	written := map[*any]bool{}
	for _, l := range at {
		tree := pl.trees[l.line][l.n]
		if written[tree] {
			continue
		}
		written[tree] = true
		body, err := json.Marshal(*tree)
		if err != nil {
			pl.t.Fatal(err)
		}
		as := slices.Clone(pl.pristine[l.line])
		as[l.n].body = string(body)
		pl.pristine[l.line] = as
	}
	if pl.Write != nil {
		var lines []string
		for i := range pl.Lines {
			lines = append(lines, pl.pristine[lineName(i)][0].body)
		}
		pl.Write(lines)
	}
}

// poll looks with a fresh collector, and gives the records that may hold nothing of
// what was planted, and where something of it stands.
func (pl *planter) poll() (told []evidence.Draft, found string) {
	pl.t.Helper()
	rules, err := collectors.NewRules(pl.Rules)
	if err != nil {
		pl.t.Fatal(err)
	}
	pl.replay.mu.Lock()
	pl.replay.answers = maps.Clone(pl.pristine)
	pl.replay.lenient = true
	pl.replay.mu.Unlock()
	var log syncBuffer
	w := pl.world(pl.replay.URL, pl.token, &log)
	logs := Logs{}
	r := &collectors.Runner{
		Source: pl.Source, Collector: pl.New(pl.t, w), Rules: rules, Ledger: logs, Clock: w.Env.Clock, Log: w.Env.Log, Every: 5 * time.Minute,
	}
	if _, err := r.Poll(pl.t.Context(), pl.Now); err != nil {
		pl.t.Fatal(err)
	}
	if err := r.Flush(pl.t.Context()); err != nil {
		pl.t.Fatal(err)
	}
	if x := pl.Holds(log.String()); x != "" {
		found = fmt.Sprintf("%s stands in the log: %s", x, log.String())
	}
	for tenant, ds := range logs {
		if !pl.Of.IsZero() && tenant != pl.Of {
			continue
		}
		for _, d := range ds {
			if d.Kind != evidence.CollectionRun && d.Kind != evidence.CollectionCoverage {
				told = append(told, d)
			}
			for _, part := range pl.parts(d) {
				if x := pl.Holds(part.text); x != "" {
					found = fmt.Sprintf("%s stands in %s of %s %s of %s: %.600s", x, part.name, d.Kind, d.Key, tenant, part.text)
				}
			}
		}
	}
	return told, found
}

// part is a part of a draft that becomes something of a record.
type part struct{ name, text string }

// parts are those that may hold nothing of what was planted.
func (p *Planting) parts(d evidence.Draft) []part {
	ps := []part{
		{"the facts", string(d.Content)}, {"the text", string(d.Text)}, {"the bytes", string(d.Raw)}, {"what was removed", fmt.Sprint(d.Removed)},
	}
	if !p.Named {
		ps = append(ps, part{"the references", fmt.Sprint(d.Subject, d.Key, d.Scope, d.Links)}, part{"the people", fmt.Sprint(d.People)}, part{"the request", fmt.Sprint(d.Request)})
	}
	return ps
}

// leaves gives the strings and objects of all answers that are JSON and are asked
// for, but those that are left out: the i-th shape of each answer together.
func (r *Replay) leaves(out func(*leaf) bool) (groups [][]*leaf, trees map[string]map[int]*any) {
	trees = map[string]map[int]*any{}
	for _, line := range slices.Sorted(maps.Keys(r.answers)) {
		trees[line] = map[int]*any{}
		for n, a := range r.answers[line] {
			tree := new(any)
			dec := json.NewDecoder(strings.NewReader(a.body))
			dec.UseNumber()
			if a.body == "" || dec.Decode(tree) != nil {
				continue
			}
			trees[line][n] = tree
			shapes, order := map[string][]*leaf{}, []string{}
			add := func(at, s string, put func(any)) {
				l := &leaf{line: line, n: n, at: at, put: put, was: s}
				if out(l) {
					return
				}
				shape := number.ReplaceAllString(at, "/0")
				if shapes[shape] == nil {
					order = append(order, shape)
				}
				shapes[shape] = append(shapes[shape], l)
			}
			EachText(*tree, "", add)
			EachObject(*tree, "", func(at string, put func(any)) { add(at, "", put) })
			for i, shape := range order {
				if i == len(groups) {
					groups = append(groups, nil)
				}
				groups[i] = append(groups[i], shapes[shape]...)
			}
		}
	}
	return groups, trees
}

var number = regexp.MustCompile(`/\d+`)

// EachText calls do with each string below a decoded JSON value, where it stands
// and how to put another value there. A string that is the whole value is none.
func EachText(v any, at string, do func(at, s string, put func(any))) {
	each := func(at string, x any, put func(any)) {
		if s, ok := x.(string); ok {
			do(at, s, put)
			return
		}
		EachText(x, at, do)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			each(at+"/"+k, v[k], func(n any) { v[k] = n })
		}
	case []any:
		for i, x := range v {
			each(at+"/"+strconv.Itoa(i), x, func(n any) { v[i] = n })
		}
	}
}

// EachObject calls do with each object of a decoded JSON value: where a member of
// any name stands in it (~, which no member is called in a pointer), and how to add
// one by its name. It is worth what the first member is; the name "" takes it out.
func EachObject(v any, at string, do func(at string, put func(name any))) {
	switch v := v.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(v))
		var like any = "x"
		if len(names) > 0 {
			like = v[names[0]]
		}
		added := ""
		do(at+"/~", func(name any) {
			if added != "" {
				delete(v, added)
			}
			added = name.(string)
			if _, has := v[added]; has {
				added = ""
			}
			if added != "" {
				v[added] = like
			}
		})
		for _, k := range names {
			EachObject(v[k], at+"/"+k, do)
		}
	case []any:
		for i, x := range v {
			EachObject(x, at+"/"+strconv.Itoa(i), do)
		}
	}
}

// world is what a collector under test gets.
func (s *Suite) world(url, token string, log *syncBuffer) World {
	return World{
		URL: url, TokenFile: token,
		Env: collectors.Env{
			Source: s.Source,
			Clock:  func() time.Time { return s.Now },
			Log:    slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		},
		Sleep:   sleepless,
		Timeout: 5 * time.Second,
		MaxBody: 4 << 20,
	}
}
