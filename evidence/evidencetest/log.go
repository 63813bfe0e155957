package evidencetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"evidenced/evidence"
)

// Log is one tenant's log in memory. Its methods may be used by several
// goroutines. Wrong use (an invalid draft, facts that are no JSON) panics:
// that is a mistake in the test.
type Log struct {
	tenant evidence.Tenant
	origin string

	mu         sync.RWMutex
	records    []evidence.Record
	byTime     []int // indices of records, in order of occurrence
	identities map[evidence.ID]evidence.Identity
	events     map[eventKey]int // newest record of an event
	delay      time.Duration
	run        evidence.ID
	simulated  bool
	fail       map[string]error
}

type eventKey struct {
	source evidence.SourceID
	kind   evidence.Kind
	key    string
}

// NewLog makes an empty log of the tenant, with its genesis as record 0.
func NewLog(tenant evidence.Tenant) *Log {
	l := &Log{
		tenant: tenant, origin: "test/" + strings.TrimPrefix(tenant.String(), "_"), run: id("run", "1"), fail: map[string]error{},
		identities: map[evidence.ID]evidence.Identity{}, events: map[eventKey]int{},
	}
	facts := evidence.GenesisFacts{Format: 1, Origin: l.origin, Tenant: tenant, Created: Start, Clock: "real"}
	l.append(evidence.Draft{
		Kind: evidence.LogGenesis, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: l.origin,
		Subject: evidence.NewRef("log", "", l.origin), OccurredAt: Start, Basis: evidence.BasisSource,
		ObservedAt: Start, Content: encode(facts),
	}, nil)
	return l
}

// Tenant returns the tenant of the log.
func (l *Log) Tenant() evidence.Tenant { return l.tenant }

// Origin returns the log's origin, test/TENANT.
func (l *Log) Origin() string { return l.origin }

// Simulated reports what SetSimulated set; false at first.
func (l *Log) Simulated() bool { return l.simulated }

// SetSimulated makes the log one of a simulated clock.
func (l *Log) SetSimulated(yes bool) { l.simulated = yes }

// SetDelay makes every later Add be observed so long after it occurred.
func (l *Log) SetDelay(d time.Duration) { l.delay = d }

// Fail makes a method ("Records", "States", "Record", "Identity") fail with
// the error; nil heals it. An iterator fails after its first record.
func (l *Log) Fail(method string, err error) { l.fail[method] = err }

// Size returns the number of records.
func (l *Log) Size() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return uint64(len(l.records))
}

// Add appends a fact as the first source that makes its kind would: see
// DraftFor for what subject, key and links are made from.
func (l *Log) Add(kind evidence.Kind, op evidence.Op, at time.Time, facts any, people ...evidence.Person) evidence.Record {
	d := DraftFor(kind, op, at, facts, people...)
	d.ObservedAt = d.OccurredAt.Add(l.delay)
	return l.AddDraft(d)
}

// AddDraft appends a draft by the log's rules and returns the record that now
// stands for it: the old one when the draft says nothing new.
func (l *Log) AddDraft(d evidence.Draft) evidence.Record {
	if err := d.Check(); err != nil {
		panic("evidencetest: " + err.Error())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	info, _ := evidence.KindInfo(d.Kind)
	if info.State {
		if i, same := l.sameState(&d, info); same {
			return l.records[i]
		}
		return l.append(d, nil)
	}
	i, seen := l.events[eventKey{d.Source, d.Kind, d.Key}]
	switch {
	case !seen:
		return l.append(d, nil)
	case !info.Revisable || sameFacts(l.records[i].Facts, d.Content, info.Volatile):
		return l.records[i]
	}
	d.Op = evidence.OpAmend
	return l.append(d, &evidence.At{Seq: l.records[i].Seq, Leaf: l.records[i].Leaf})
}

// sameState finds the neighbour before the draft in order of occurrence and
// reports whether it says the same.
func (l *Log) sameState(d *evidence.Draft, info evidence.Info) (int, bool) {
	before := -1
	for _, i := range l.byTime {
		r := &l.records[i]
		if r.Kind == d.Kind && r.Source == d.Source && r.Subject == d.Subject && !r.Occurred.After(d.OccurredAt) {
			before = i
		}
	}
	if before < 0 {
		return 0, false
	}
	r := &l.records[before]
	if d.Op == evidence.OpEnd {
		return before, r.Op == evidence.OpEnd
	}
	return before, r.Op == evidence.OpSet && sameFacts(r.Facts, d.Content, info.Volatile)
}

func (l *Log) append(d evidence.Draft, amends *evidence.At) evidence.Record {
	people := make([]evidence.Party, 0, len(d.People))
	for _, p := range d.People {
		people = append(people, evidence.Party{Role: p.Role, Token: l.person(p, d.ObservedAt), Proof: p.Proof})
	}
	seq := uint64(len(l.records))
	r := evidence.Record{
		Seq: seq, Leaf: sha256.Sum256(fmt.Appendf(nil, "%s %d", l.origin, seq)), ID: id("record", fmt.Sprint(l.origin, seq)),
		Kind: d.Kind, Version: 1, Op: d.Op, Source: d.Source, Run: l.run,
		Occurred: d.OccurredAt.UTC(), Basis: d.Basis, NotBefore: d.NotBefore, Observed: d.ObservedAt.UTC(), Recorded: d.ObservedAt.UTC(),
		People: people, Amends: amends, Key: d.Key, Subject: d.Subject, Links: slices.Clone(d.Links), Scope: slices.Clone(d.Scope),
		Facts: slices.Clone(d.Content), Text: slices.Clone(d.Text), Raw: slices.Clone(d.Raw),
	}
	if len(d.ActorScope) > 0 {
		r.Actor = actorOf(d.ActorScope[0], l.tenant)
	}
	if d.Request != (evidence.Request{}) {
		r.Request = &d.Request
	}
	if seq > 0 && r.Recorded.Before(l.records[seq-1].Recorded) {
		r.Recorded = l.records[seq-1].Recorded // never backwards
	}
	at, _ := slices.BinarySearchFunc(l.byTime, int(seq), func(i, _ int) int {
		if l.records[i].Occurred.After(r.Occurred) {
			return 1
		}
		return -1 // equal times keep log order
	})
	l.byTime = slices.Insert(l.byTime, at, int(seq))
	l.records = append(l.records, r)
	if info, _ := evidence.KindInfo(d.Kind); !info.State {
		l.events[eventKey{d.Source, d.Kind, d.Key}] = int(seq)
	}
	return r
}

// actorOf answers by one scope: tenant:/NAME, anything else is unknown.
func actorOf(scope evidence.Ref, own evidence.Tenant) evidence.ActorTenant {
	switch {
	case scope.Scheme != "tenant":
		return evidence.ActorUnknown
	case scope.Name == own.String():
		return evidence.ActorOwn
	case scope.Name == evidence.Platform.String():
		return evidence.ActorPlatform
	}
	return evidence.ActorOther
}

// person returns the token, after a person record at first sight.
func (l *Log) person(p evidence.Person, at time.Time) evidence.ID {
	token := Token(l.tenant, p.Realm, p.NativeID)
	if known, ok := l.identities[token]; ok && (known.Names == p.Names || p.Names == (evidence.Names{})) {
		return token
	}
	l.identities[token] = evidence.Identity{Token: token, Realm: p.Realm, NativeID: p.NativeID, Names: p.Names}
	l.append(evidence.Draft{
		Kind: evidence.PersonKnown, Op: evidence.OpSet, Source: evidence.SelfSource,
		Subject: evidence.NewRef("person", "", token.String()), OccurredAt: at, Basis: evidence.BasisObserved, ObservedAt: at,
		Content: encode(evidence.PersonFacts{Realm: p.Realm, NativeID: p.NativeID, Names: p.Names}),
	}, nil)
	return token
}

// Token returns the token that a person has in the log of a tenant.
func Token(tenant evidence.Tenant, realm, nativeID string) evidence.ID {
	return id("person", tenant.String()+"\x00"+realm+"\x00"+nativeID)
}

// Erase forgets who a token stands for.
func (l *Log) Erase(token evidence.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.identities[token] = evidence.Identity{Token: token, Erased: true}
}

// CloseText takes the text claim of a record away, as an erasure does. why says
// what happened to it.
func (l *Log) CloseText(seq uint64, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records[seq].Text, l.records[seq].Closed = nil, map[string]string{"text": why}
}

// Cover appends a coverage record that claims one span of the source for the
// kinds. The record occurs when the span ends.
func (l *Log) Cover(source evidence.SourceID, class evidence.Class, p evidence.Period, cause string, kinds ...evidence.Kind) evidence.Record {
	return l.AddCoverage(evidence.CoverageFacts{
		Source: source, Period: p, Runs: evidence.RunCounts{Expected: 1, Done: 1},
		Spans: []evidence.CoverageSpan{{Kinds: kinds, From: p.From, To: p.To, Class: class, Cause: cause}},
	})
}

// CoverLooks appends a coverage record of class instants with a look at each
// of the times, which stand in order.
func (l *Log) CoverLooks(source evidence.SourceID, looks []time.Time, kinds ...evidence.Kind) evidence.Record {
	s := evidence.CoverageSpan{Kinds: kinds, From: looks[0], To: looks[len(looks)-1], Class: evidence.Instants}
	for i, t := range looks[1:] {
		s.Looks = append(s.Looks, t.Sub(looks[i]).Milliseconds())
	}
	n := len(looks)
	return l.AddCoverage(evidence.CoverageFacts{
		Source: source, Period: evidence.Period{From: s.From, To: s.To}, Spans: []evidence.CoverageSpan{s},
		Runs: evidence.RunCounts{Expected: n, Done: n},
	})
}

// AddCoverage appends a coverage record.
func (l *Log) AddCoverage(f evidence.CoverageFacts) evidence.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.append(evidence.Draft{
		Kind: evidence.CollectionCoverage, Op: evidence.OpEvent, Source: evidence.SelfSource,
		Key:        fmt.Sprintf("%s/%s/%d", f.Source, evidence.FormatTime(f.Period.From), len(l.records)),
		Subject:    evidence.NewRef("source", "", string(f.Source)),
		OccurredAt: f.Period.To, Basis: evidence.BasisSource, ObservedAt: f.Period.To, Content: encode(f),
	}, nil)
}

// Record returns the record with all claims opened.
func (l *Log) Record(_ context.Context, seq uint64) (evidence.Record, error) {
	return l.record(seq, l.Size())
}

func (l *Log) record(seq, size uint64) (evidence.Record, error) {
	if err := l.fail["Record"]; err != nil {
		return evidence.Record{}, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if seq >= size {
		return evidence.Record{}, fmt.Errorf("record %d of %s: log has %d records", seq, l.origin, size)
	}
	return l.records[seq], nil
}

// Identity returns who a token stands for.
func (l *Log) Identity(_ context.Context, token evidence.ID) (evidence.Identity, error) {
	if err := l.fail["Identity"]; err != nil {
		return evidence.Identity{}, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	who, ok := l.identities[token]
	if !ok {
		return evidence.Identity{}, fmt.Errorf("no person %s in %s", token, l.origin)
	}
	return who, nil
}

// Records yields the records that match q.
func (l *Log) Records(ctx context.Context, q evidence.Query) iter.Seq2[evidence.Record, error] {
	return l.query(ctx, q, l.Size())
}

// States yields the states in force at the instant, in order of their
// subjects, then sources.
func (l *Log) States(ctx context.Context, kind evidence.Kind, at time.Time) iter.Seq2[evidence.Record, error] {
	return l.states(ctx, kind, at, l.Size())
}

func id(what, of string) evidence.ID {
	h := sha256.Sum256([]byte(what + "\x00" + of))
	return evidence.ID(h[:16])
}

// encode returns facts as JSON; bytes that are JSON already stay as they are.
func encode(facts any) []byte {
	var b []byte
	var err error
	switch f := facts.(type) {
	case []byte:
		return f
	case string:
		return []byte(f)
	default:
		if b, err = json.Marshal(f); err != nil {
			panic("evidencetest: facts: " + err.Error())
		}
	}
	return b
}

// sameFacts compares two JSON objects without the volatile fields.
func sameFacts(a, b []byte, volatile []string) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y map[string]json.RawMessage
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	for _, v := range volatile {
		delete(x, v)
		delete(y, v)
	}
	return bytes.Equal(encode(x), encode(y))
}
