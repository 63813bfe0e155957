package mappings

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"

	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/mappings/deadline"
)

// Field is one field of a view's items, as a rule sees it.
type Field struct {
	Name string
	Type string // CEL type: bool, int, string, timestamp, duration, list(string)
	// Optional fields may be missing from an item: then the evidence does not
	// say, and a rule whose answer depends on it leaves the item undetermined.
	Optional bool
	// Needs are kinds that must be covered, beside the view's own, when a rule
	// looks at the field.
	Needs []evidence.Kind
	Doc   string
}

// View describes a view for documents: what its items are and hold.
type View struct {
	Name   string
	Doc    string
	Kinds  []evidence.Kind // whose coverage every test of the view needs
	Fields []Field
}

// view is a View that can be built.
type view struct {
	View
	// build yields the items of the period in a stable order. It returns the
	// error of the reader, or of yield.
	build func(ctx context.Context, s *scene, yield func(*item) error) error
	// steady views have the same items with the same fields wherever the period
	// ends, as long as the log says nothing new in between, but for the fields
	// that item.grows or item.drifts tells of. What lies behind the end is told
	// to scene.later, and what else changes to scene.moves. Others are built anew
	// at every assessment, unless nothing was read for them and they have no
	// items: none is made of coverage and the clock alone.
	steady bool

	once   sync.Once
	celEnv *cel.Env
	envErr error
}

// item is one member of a view.
type item struct {
	seqs    []uint64 // records it is made of, the one that is the item first
	kind    evidence.Kind
	at      time.Time
	label   string
	fields  map[string]any
	missing map[string]lack   // optional fields that are not in fields, and why
	why     map[string]string // what a field means here, for people
	// weak says why the item cannot pass on its own, empty when it can: what it
	// stands on was not authenticated. It can still fail.
	weak   string
	moving map[string]motion // fields that change while nothing new is known
	// left is of an incident that was closed before the period: which fields tell
	// of something left undone, and how long that had waited when the period
	// began; zero for what stands however long it waits. Nil: it is none.
	left map[string]time.Duration
}

// lack says why a field is missing.
type lack struct {
	why string
	// unobserved: it is missing because nobody looked, so the finding is
	// not-observed rather than undetermined.
	unobserved bool
}

func newItem(r *evidence.Record, at time.Time, label string) *item {
	return &item{
		seqs: []uint64{r.Seq}, kind: r.Kind, at: at, label: label,
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
}

// set sets a field that the source always gives.
func (it *item) set(name string, v any) *item {
	it.fields[name] = v
	return it
}

// lacks leaves a field out and says why.
func (it *item) lacks(name, why string) *item {
	it.missing[name] = lack{why: why}
	return it
}

// unseen takes a field out because nobody saw what it says.
func (it *item) unseen(name, why string) *item {
	delete(it.fields, name)
	it.missing[name] = lack{why, true}
	return it
}

// setBool sets a field from an optional fact.
func (it *item) setBool(name string, v *bool) *item {
	if v == nil {
		return it.lacks(name, "the source did not say: "+strings.ReplaceAll(name, "_", " "))
	}
	return it.set(name, *v)
}

// also adds records that the item is made of, each once.
func (it *item) also(seqs ...uint64) *item {
	for _, s := range seqs {
		if !slices.Contains(it.seqs, s) {
			it.seqs = append(it.seqs, s)
		}
	}
	return it
}

// scene is what a view is built from: one tenant's log over a period.
type scene struct {
	reader evidence.Reader
	period evidence.Period // what is judged
	cover  *coverage
	people *people
	book   *notebook // what the view is made from

	together []*view // all that are judged over the period

	joins *joins

	days *deadline.Calendars // days off, for the limits of incidents; nil: the built-in ones

	delivery delivery
}

// joins are what several views share, over all their periods. Every field is a
// shared, so that what it was built from is noted for each view that uses it.
type joins struct {
	changes shared[changeIndex]
	wide    shared[coverage] // of all time, for views that look back further than the period

	incidents shared[[]*incident.Incident]
}

func (s *scene) vars(it *item) map[string]any {
	return map[string]any{"item": it.fields, "from": s.period.From, "to": s.period.To, "at": s.period.To}
}

// views are all views by name.
var views = map[string]*view{}

func register(vs ...*view) {
	for _, v := range vs {
		v.Fields = append(v.Fields, commonFields...)
		sort.Slice(v.Fields, func(i, j int) bool { return v.Fields[i].Name < v.Fields[j].Name })
		views[v.Name] = v
	}
}

// commonFields stand in every item.
var commonFields = []Field{
	{Name: "source", Type: "string", Doc: "configured name of the source that saw it"},
	{Name: "happened", Type: "timestamp", Doc: "when it happened or began"},
}

func init() {
	register(changesView, deploymentsView, runningView, certificatesView, accessesView, loginsView,
		policiesView, rolesView, devicesView, protectionsView, rewritesView)
	register(schedulesView, locationsView, backupsView, restoresView, declaredCertsView, certRequestsView, rotationsView,
		credentialsView, syncedView, serversView, bindingsView, readersView, membersView, copyReadsView, placesView,
		sourcesView, clocksView, configsView, offboardingsView)
	register(workflowRunsView)
	register(runningImagesView, imageRunsView, rolloutsView, changeTestsView, productionView, releasedArtifactsView,
		registryProjectsView, releasesView, reportsView)
	register(alertRulesView, alertsView, incidentsView, incidentNoticesView, infraView, isolationView, silencesView)
	register(admissionPoliciesView, policyExceptionsView, policyResultsView)
}

// Views describes all views, sorted by name.
func Views() []View {
	var vs []View
	for _, v := range views {
		vs = append(vs, v.View)
	}
	sort.Slice(vs, func(i, j int) bool { return vs[i].Name < vs[j].Name })
	return vs
}

func (v *view) env() (*cel.Env, error) {
	v.once.Do(func() { v.celEnv, v.envErr = newEnv(v.Fields) })
	return v.celEnv, v.envErr
}

// needs returns the kinds whose coverage a rule over the fields needs.
func (v *view) needs(fields []string) []evidence.Kind {
	kinds := slices.Clone(v.Kinds)
	for _, f := range v.Fields {
		if slices.Contains(fields, f.Name) {
			kinds = append(kinds, f.Needs...)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// meant proposes a field for the one that CEL did not know.
func (v *view) meant(message string) string {
	_, name, ok := strings.Cut(message, "undefined field '")
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, "'")
	var names []string
	for _, f := range v.Fields {
		names = append(names, f.Name)
	}
	if n := nearest(name, names); n != "" {
		return fmt.Sprintf(" (did you mean %q?)", n)
	}
	return fmt.Sprintf(": view %s has %s", v.Name, strings.Join(names, ", "))
}

// stretch is one state of one subject over the time it was in force.
type stretch[T any] struct {
	seq      uint64
	source   evidence.SourceID
	subject  evidence.Ref
	from     time.Time // when it began, or was first seen
	until    time.Time // when it ended; zero: in force at the period's end
	lastLook time.Time // the last look known before until that still showed it; zero: not known
	endSeq   uint64    // the record that ended it; 0 when none did
	facts    T
}

// end returns when the stretch ended, at most at the period's end.
func (s *stretch[T]) end(p evidence.Period) time.Time {
	if s.until.IsZero() || s.until.After(p.To) {
		return p.To
	}
	return s.until
}

// stretches yields the states of a kind that were in force in the period, one
// subject of one source after the other, each in time order.
func stretches[T any](ctx context.Context, s *scene, kind evidence.Kind) ([]stretch[T], error) {
	type subject struct {
		source evidence.SourceID
		ref    evidence.Ref
	}
	all := map[subject][]stretch[T]{}
	last := map[subject]uint64{} // newest record of the subject, so that none counts twice
	take := func(r *evidence.Record) error {
		k := subject{r.Source, r.Subject}
		if seq, ok := last[k]; ok && seq == r.Seq {
			return nil
		}
		last[k] = r.Seq
		if n := len(all[k]); n > 0 && all[k][n-1].until.IsZero() {
			open := &all[k][n-1]
			open.until, open.endSeq, open.lastLook = r.Occurred, r.Seq, r.NotBefore
		}
		if r.Op != evidence.OpSet {
			return nil
		}
		st := stretch[T]{seq: r.Seq, source: r.Source, subject: r.Subject, from: r.Occurred}
		if err := r.Decode(&st.facts); err != nil {
			return err
		}
		all[k] = append(all[k], st)
		return nil
	}
	for r, err := range s.reader.States(ctx, kind, s.period.From) {
		if err != nil {
			return nil, fmt.Errorf("states of %s: %w", kind, err)
		}
		if err := take(&r); err != nil {
			return nil, err
		}
	}
	for r, err := range s.reader.Records(ctx, evidence.Query{Kinds: []evidence.Kind{kind}, Period: s.period}) {
		if err != nil {
			return nil, fmt.Errorf("records of %s: %w", kind, err)
		}
		if err := take(&r); err != nil {
			return nil, err
		}
	}
	var flat []stretch[T]
	for _, sts := range all {
		flat = append(flat, sts...)
	}
	sort.Slice(flat, func(i, j int) bool {
		a, b := &flat[i], &flat[j]
		if c := strings.Compare(a.subject.String(), b.subject.String()); c != 0 {
			return c < 0
		}
		if a.source != b.source {
			return a.source < b.source
		}
		if !a.from.Equal(b.from) {
			return a.from.Before(b.from)
		}
		return a.seq < b.seq
	})
	return flat, nil
}

// perSubject yields all stretches of one subject at a time.
func perSubject[T any](flat []stretch[T]) iter.Seq[[]stretch[T]] {
	return func(yield func([]stretch[T]) bool) {
		for rest := flat; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n].subject == rest[0].subject && rest[n].source == rest[0].source {
				n++
			}
			if !yield(rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// subjectItems builds a view of one item for each subject of a kind of state that
// was there in the period, of all that it was.
func subjectItems[T any](kind evidence.Kind, of func(*scene, []stretch[T]) *item) func(context.Context, *scene, func(*item) error) error {
	return func(ctx context.Context, s *scene, yield func(*item) error) error {
		flat, err := stretches[T](ctx, s, kind)
		if err != nil {
			return err
		}
		var its []*item
		for sts := range perSubject(flat) {
			its = append(its, of(s, sts))
		}
		return yieldSorted(its, yield)
	}
}

var farAway = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// events yields the newest version of every event of the kinds that occurred
// in the period, in order of occurrence, each with the sequence numbers of all
// its versions, newest first. Versions are told by their amends pointers.
func events(ctx context.Context, s *scene, yield func(r *evidence.Record, seqs []uint64) error, kinds ...evidence.Kind) error {
	// An amendment bears the time of its event or a later one, so it may lie
	// behind the period: read those first.
	newest := map[uint64]evidence.Record{} // by the first version's number
	root := map[uint64]uint64{}
	chain := map[uint64][]uint64{}
	for r, err := range s.reader.Records(ctx, evidence.Query{Kinds: kinds, Op: evidence.OpAmend, BySeq: true, Period: evidence.Period{From: s.period.From, To: farAway}}) {
		if err != nil {
			return fmt.Errorf("amendments: %w", err)
		}
		if r.Amends == nil {
			continue
		}
		first := r.Amends.Seq
		if f, ok := root[first]; ok {
			first = f
		}
		root[r.Seq] = first
		newest[first] = r
		chain[first] = append([]uint64{r.Seq}, chain[first]...)
	}
	for r, err := range s.reader.Records(ctx, evidence.Query{Kinds: kinds, Period: s.period}) {
		if err != nil {
			return fmt.Errorf("events: %w", err)
		}
		if r.Op != evidence.OpEvent {
			continue
		}
		seqs := append(slices.Clone(chain[r.Seq]), r.Seq)
		if n, ok := newest[r.Seq]; ok {
			n.Occurred = r.Occurred // an event keeps its place in time
			r = n
		}
		if err := yield(&r, seqs); err != nil {
			return err
		}
	}
	return nil
}
