// Package ran answers what ran in a tenant at an instant: which pods at which
// digests, and where that is not what was declared; which revision, since when
// and put there by whom, from which commit, written, reviewed and merged by
// whom; and who could read and did read the tenant's secrets around it, and
// their copies in the cluster.
//
// Every line of the answer carries the records it stands on. What was not
// observed is said in the same voice as what was; nothing is guessed: no merge
// record means that the reviewer was not observed, not that there was none.
//
// The answer is about the instant, as the log knew it at its size: a merge or
// an approval after the instant does not count, a record that came late does.
//
// Build asks the reader only for states at the instant and for records in
// narrow periods or with one link, so that its cost does not grow with the
// log.
package ran

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// Options of a question. The zero value is useful.
type Options struct {
	// Window is the stretch around the instant in which secret reads and blind
	// windows are told: half before, half after. 0 means one hour.
	Window time.Duration
	// Zone is said beside UTC in the sentence; nil for UTC alone.
	Zone *time.Location
	// Platform is the log of the platform, from which the runs of the sources
	// are read; nil leaves them out.
	Platform evidence.Reader
}

// Verdict says what the answer is worth as a whole.
type Verdict string

// The verdicts.
const (
	Known        Verdict = "known"        // a source saw the tenant's workloads at the instant
	LastKnown    Verdict = "last-known"   // none did then; what was seen last before is told
	NotKnown     Verdict = "not-known"    // no source ever saw them by then
	Contradicted Verdict = "contradicted" // records disagree on what ran
)

// Answer is the whole answer; as JSON it is the --json document.
type Answer struct {
	Sentence      string                     `json:"answer"` // fit to be read aloud
	NotKnown      []string                   `json:"not_known,omitempty"`
	Disagree      []string                   `json:"contradictions,omitempty"`
	Verdict       Verdict                    `json:"verdict"`
	Tenant        evidence.Tenant            `json:"tenant"`
	At            time.Time                  `json:"at"`
	Zone          string                     `json:"zone,omitempty"`
	Window        evidence.Period            `json:"window"`
	Origin        string                     `json:"origin"`
	Size          uint64                     `json:"as_known_at_size"`
	Demo          bool                       `json:"demonstration,omitempty"`
	Works         []Workload                 `json:"workloads"`
	PodsSeen      bool                       `json:"pods_observed"` // at the instant
	Running       []Running                  `json:"running"`       // what really ran, by workload
	Differ        []Difference               `json:"differences,omitempty"`
	Images        []Image                    `json:"images,omitempty"`
	Closed        []uint64                   `json:"closed_records,omitempty"` // states of clusters that could not be opened
	Changes       []Change                   `json:"changes"`
	Secrets       Secrets                    `json:"secrets"`
	Certs         []Certificate              `json:"certificates,omitempty"`
	CertsDeclared []DeclaredCert             `json:"certificates_declared,omitempty"`
	Looked        []Look                     `json:"looked"`
	Blind         []reports.BlindWindow      `json:"blind"`
	Runs          []Run                      `json:"runs,omitempty"`
	Records       map[evidence.Kind][]uint64 `json:"records"`

	zone  *time.Location
	first func(evidence.Kind) time.Time // when any source first saw the kind
}

// Run is a due run of a source in the window, from the platform's log.
type Run struct {
	Source  evidence.SourceID `json:"source"`
	Slot    time.Time         `json:"slot"`
	Outcome evidence.Outcome  `json:"outcome"`
	Cause   string            `json:"cause,omitempty"`
	Seq     uint64            `json:"platform_record"`
}

// Build answers for the tenant of r at the instant. Errors are those of the
// reader; a record whose content is closed is told as such, not an error.
func Build(ctx context.Context, r evidence.Reader, at time.Time, opt Options) (*Answer, error) {
	if at.IsZero() {
		return nil, fmt.Errorf("what ran: no instant is given")
	}
	if opt.Window <= 0 {
		opt.Window = time.Hour
	}
	at = at.UTC()
	a := &Answer{
		Tenant: r.Tenant(), At: at, Origin: r.Origin(), Size: r.Size(), Demo: r.Simulated(),
		Window:  evidence.Period{From: at.Add(-opt.Window / 2), To: at.Add(opt.Window / 2)},
		Records: map[evidence.Kind][]uint64{}, Works: []Workload{}, Changes: []Change{},
		Looked: []Look{}, Blind: []reports.BlindWindow{}, zone: opt.Zone,
	}
	if opt.Zone != nil {
		a.Zone = opt.Zone.String()
	}
	b := &builder{r: r, at: at, a: a, people: reports.NewPeople(r), artifacts: map[string]*artifact{}}
	for _, step := range []func(context.Context) error{b.coverage, b.workloads, b.running, b.images, b.changes, b.secrets, b.certificates} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("what ran in %s at %s: %w", a.Tenant, evidence.FormatTime(at), err)
		}
	}
	if opt.Platform != nil {
		if err := b.runs(ctx, opt.Platform); err != nil {
			return nil, fmt.Errorf("runs around %s: %w", evidence.FormatTime(at), err)
		}
	}
	for k, seqs := range a.Records {
		slices.Sort(seqs)
		a.Records[k] = slices.Compact(seqs)
	}
	a.speak()
	return a, nil
}

// builder gathers one answer.
type builder struct {
	r      evidence.Reader
	at     time.Time
	a      *Answer
	people *reports.People
	cov    *evidence.Coverage

	deploys   []deployed           // applications in force
	fl        *fleet               // clusters
	artifacts map[string]*artifact // by digest; nil: nothing tells of it
}

// cite notes that the answer stands on a record.
func (b *builder) cite(rec *evidence.Record) {
	b.a.Records[rec.Kind] = append(b.a.Records[rec.Kind], rec.Seq)
}

// until is all time up to and with t.
func until(t time.Time) evidence.Period { return evidence.Period{To: t.Add(time.Nanosecond)} }

// newest folds amendments: of the records of one event the last in the log
// speaks. The result is ordered by occurrence, newest first.
func newest(seq iter.Seq2[evidence.Record, error]) ([]evidence.Record, error) {
	type event struct {
		source evidence.SourceID
		kind   evidence.Kind
		key    string
	}
	byEvent := map[event]evidence.Record{}
	for rec, err := range seq {
		if err != nil {
			return nil, err
		}
		k := event{rec.Source, rec.Kind, rec.Key}
		if rec.Key == "" {
			k.key = fmt.Sprint("#", rec.Seq) // content closed: it cannot be folded
		}
		if old, ok := byEvent[k]; !ok || rec.Seq > old.Seq {
			byEvent[k] = rec
		}
	}
	recs := make([]evidence.Record, 0, len(byEvent))
	for _, rec := range byEvent {
		recs = append(recs, rec)
	}
	slices.SortFunc(recs, func(x, y evidence.Record) int {
		return cmp.Or(y.Occurred.Compare(x.Occurred), cmp.Compare(y.Seq, x.Seq))
	})
	return recs, nil
}

// who returns the person with a fact's index, nil when the source named
// nobody.
func (b *builder) who(ctx context.Context, rec *evidence.Record, index int) (*reports.Person, error) {
	p, ok, err := b.people.At(ctx, rec, index)
	if err != nil || !ok {
		return nil, err
	}
	return &p, nil
}

// runs reads how the due runs of the window ended.
func (b *builder) runs(ctx context.Context, platform evidence.Reader) error {
	q := evidence.Query{Kinds: []evidence.Kind{evidence.CollectionRun}, Period: b.a.Window}
	for rec, err := range platform.Records(ctx, q) {
		if err != nil {
			return err
		}
		var f evidence.RunFacts
		if rec.Decode(&f) != nil || !b.seen(f.Source) {
			continue
		}
		b.a.Runs = append(b.a.Runs, Run{f.Source, f.Slot, f.Outcome, f.Cause, rec.Seq})
	}
	return nil
}

// seen reports whether the source is one that this tenant's coverage names:
// the runs of other sources are none of its business.
func (b *builder) seen(id evidence.SourceID) bool {
	return slices.ContainsFunc(b.a.Looked, func(l Look) bool { return l.Source == id })
}
