package incident

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Incident is what a log says of one incident, up to the size it was loaded
// at.
type Incident struct {
	Tenant evidence.Tenant // whose log it stands in
	ID     string
	Fields Fields
	// Set is the record that set a field last; Filled the records of evidence
	// it was filled from.
	Set    map[string]uint64
	Filled map[string][]uint64
	// Lost are fields whose text cannot be opened any more, and why.
	Lost map[string]string

	Declared time.Time // when the act was recorded
	Part     bool
	Home     time.Time
	Affected []evidence.IncidentPart

	Aware     map[string][]Moment // by law, in order of the acts
	Decisions []Decision
	Notices   []Notice
	Contacts  map[string]Contact // by place; the newest of each
	Closed    time.Time          // zero while it is open
	ClosedAct uint64
	Closings  []Closing // in order of the acts
	Acts      []Act
	Size      uint64 // of the log

	first map[string]uint64 // see Written
}

// Act is one record of the incident.
type Act struct {
	Seq    uint64
	Kind   evidence.Kind
	At     time.Time
	By     string
	Says   string
	Reason string
}

// Moment is a declared instant of awareness.
type Moment struct {
	evidence.IncidentMomentFacts
	Seq    uint64
	Acted  time.Time
	Reason string
}

// Decision is one classification.
type Decision struct {
	evidence.IncidentDecisionFacts
	Seq     uint64
	Acted   time.Time
	Reason  string
	Decider evidence.Party // zero when not named
}

// Notice is one act on a notification.
type Notice struct {
	evidence.IncidentNoticeFacts
	Seq    uint64
	Acted  time.Time
	Reason string
}

// Contact is whom to call. The person's names stand in the log's directory.
type Contact struct {
	evidence.IncidentContactFacts
	Person evidence.Party
	Phone  string
	Lost   bool // the telephone number cannot be opened any more
	Seq    uint64
}

// texts is the text claim of an act.
type texts struct {
	Reason string         `json:"reason,omitempty"`
	Fields map[string]any `json:"fields,omitempty"`
	Phone  string         `json:"phone,omitempty"`
}

// Kinds are the kinds of an incident's acts.
var Kinds = []evidence.Kind{
	evidence.IncidentDeclared, evidence.IncidentUpdated, evidence.IncidentMoment, evidence.IncidentDecision,
	evidence.IncidentNotice, evidence.IncidentContact, evidence.IncidentClosed,
}

// Ref names an incident.
func Ref(id string) evidence.Ref { return evidence.NewRef("incident", "", id) }

// Load sums up the incident's acts. An id that the log does not know, and one
// that begins several, is a problem of code not-found; the begin of an id is
// enough when it is one incident's alone.
func Load(ctx context.Context, r evidence.Reader, id string) (*Incident, error) {
	full, err := find(ctx, r, id)
	if err != nil {
		return nil, err
	}
	return fold(r, full, r.Records(ctx, evidence.Query{Kinds: Kinds, Subject: Ref(full), BySeq: true, WithText: true}))
}

func find(ctx context.Context, r evidence.Reader, id string) (string, error) {
	var found []string
	for rec, err := range r.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.IncidentDeclared}, BySeq: true}) {
		if err != nil {
			return "", err
		}
		if name := rec.Subject.Name; name == id || len(id) >= 4 && strings.HasPrefix(name, id) {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", problem.New(problem.NotFound, "there is no incident %.60q in the log of %s", id, r.Tenant()).
			WithHint("evidenced incident list --tenant %s lists them", r.Tenant())
	}
	return "", problem.New(problem.NotFound, "%.60q begins %d incidents of %s", id, len(found), r.Tenant()).WithHint("give more of the id")
}

// List loads every incident of the log, in order of declaration.
func List(ctx context.Context, r evidence.Reader) ([]*Incident, error) {
	by := map[string][]evidence.Record{}
	var order []string
	for rec, err := range r.Records(ctx, evidence.Query{Kinds: Kinds, BySeq: true, WithText: true}) {
		if err != nil {
			return nil, err
		}
		id := rec.Subject.Name
		if by[id] == nil {
			order = append(order, id)
		}
		by[id] = append(by[id], rec)
	}
	out := make([]*Incident, 0, len(order))
	for _, id := range order {
		inc, err := fold(r, id, func(yield func(evidence.Record, error) bool) {
			for _, rec := range by[id] {
				if !yield(rec, nil) {
					return
				}
			}
		})
		if err != nil {
			return nil, err
		}
		out = append(out, inc)
	}
	return out, nil
}

// folding is the sum in the making.
type folding struct {
	*Incident
	doc map[string]any
}

func fold(r evidence.Reader, id string, recs iter.Seq2[evidence.Record, error]) (*Incident, error) {
	f := &folding{&Incident{
		Tenant: r.Tenant(), ID: id, Size: r.Size(), Set: map[string]uint64{}, Filled: map[string][]uint64{}, Lost: map[string]string{},
		Aware: map[string][]Moment{}, Contacts: map[string]Contact{}, first: map[string]uint64{},
	}, map[string]any{}}
	for rec, err := range recs {
		if err == nil {
			err = f.add(&rec)
		}
		if err != nil {
			return nil, fmt.Errorf("incident %s: %w", id, err)
		}
	}
	var err error
	f.Fields, err = fieldsFrom(f.doc)
	return f.Incident, err
}

// add adds one act. A text that cannot be opened loses what stood in it and
// nothing else.
func (f *folding) add(rec *evidence.Record) error {
	var t texts
	if len(rec.Text) > 0 {
		if err := json.Unmarshal(rec.Text, &t); err != nil {
			return fmt.Errorf("record %d: text: %w", rec.Seq, err)
		}
	}
	act := Act{Seq: rec.Seq, Kind: rec.Kind, At: rec.Recorded, Reason: t.Reason}
	var err error
	switch rec.Kind {
	case evidence.IncidentDeclared:
		err = f.declared(rec, &act)
	case evidence.IncidentUpdated:
		err = f.updated(rec, t, &act)
	case evidence.IncidentMoment:
		m := Moment{Seq: rec.Seq, Acted: rec.Recorded, Reason: t.Reason}
		if err = rec.Decode(&m.IncidentMomentFacts); err == nil {
			f.Aware[m.Law] = append(f.Aware[m.Law], m)
			act.By, act.Says = m.By, fmt.Sprintf("aware for %s since %s", m.Law, evidence.FormatTime(m.At))
		}
	case evidence.IncidentDecision:
		d := Decision{Seq: rec.Seq, Acted: rec.Recorded, Reason: t.Reason}
		if err = rec.Decode(&d.IncidentDecisionFacts); err == nil {
			if i := d.IncidentAct.Decider; i >= 0 && i < len(rec.People) {
				d.Decider = rec.People[i]
			}
			f.Decisions = append(f.Decisions, d)
			act.By, act.Says = d.By, "classified for "+d.Law+": "+d.outcome()
		}
	case evidence.IncidentNotice:
		n := Notice{Seq: rec.Seq, Acted: rec.Recorded, Reason: t.Reason}
		if err = rec.Decode(&n.IncidentNoticeFacts); err == nil {
			f.Notices = append(f.Notices, n)
			act.By, act.Says = n.By, n.Stage+": "+n.Act
		}
	case evidence.IncidentContact:
		err = f.contact(rec, t, &act)
	case evidence.IncidentClosed:
		var c evidence.IncidentClosedFacts
		if err = rec.Decode(&c); err == nil {
			f.Closed, f.ClosedAct, act.By, act.Says = c.At, rec.Seq, c.By, "closed"
			done := Closing{Seq: rec.Seq, At: c.At}
			if c.Reopen {
				f.Closed, act.Says = time.Time{}, "opened again"
				done.At, done.Reopen = rec.Recorded, true
			}
			f.Closings = append(f.Closings, done)
		}
	}
	f.Acts = append(f.Acts, act)
	return err
}

func (f *folding) declared(rec *evidence.Record, act *Act) error {
	var d evidence.IncidentDeclaredFacts
	if err := rec.Decode(&d); err != nil {
		return err
	}
	f.Declared, f.Part, f.Home, f.Affected = rec.Recorded, d.Part, d.Home, d.Affected
	act.By, act.Says = d.By, "declared"
	return nil
}

func (f *folding) updated(rec *evidence.Record, t texts, act *Act) error {
	var u evidence.IncidentUpdatedFacts
	if err := rec.Decode(&u); err != nil {
		return err
	}
	var set Patch
	if len(u.Set) > 0 {
		var err error
		if set, err = ParsePatch(u.Set); err != nil {
			return fmt.Errorf("record %d: %w", rec.Seq, err)
		}
		merge(f.doc, set)
	}
	merge(f.doc, t.Fields)
	lost := rec.Closed["text"]
	for _, path := range append(set.Paths(), u.Texts...) {
		f.Set[path] = rec.Seq
		delete(f.Filled, path)
		delete(f.Lost, path)
		if records := u.Records[path]; len(records) > 0 {
			f.Filled[path] = records
		}
	}
	if lost != "" {
		for _, path := range u.Texts {
			f.Lost[path] = lost
			back := Patch{}
			back.put(path, nil)
			merge(f.doc, back)
		}
	}
	for _, path := range append(set.Paths(), u.Texts...) {
		_, known := f.first[path]
		switch there := f.Lost[path] != "" || stands(f.doc, path); {
		case !there:
			delete(f.first, path)
		case !known:
			f.first[path] = rec.Seq
		}
	}
	n := len(set.Paths()) + len(u.Texts)
	act.By, act.Says = u.By, fmt.Sprintf("%d fields set", n)
	if n == 1 {
		act.Says = "1 field set"
	}
	return nil
}

func (f *folding) contact(rec *evidence.Record, t texts, act *Act) error {
	c := Contact{Phone: t.Phone, Seq: rec.Seq, Lost: rec.Closed["text"] != ""}
	if err := rec.Decode(&c.IncidentContactFacts); err != nil {
		return err
	}
	if ps := rec.PeopleIn(evidence.RoleContact); len(ps) > 0 {
		c.Person = ps[0]
	}
	f.Contacts[c.Place] = c
	act.By, act.Says = c.By, "contact: "+c.Place
	return nil
}

func (d *Decision) outcome() string {
	if d.Decision != "" {
		return d.Decision
	}
	return "not decided"
}

// Decided returns the newest decision of a law that a person made.
func (inc *Incident) Decided(law string) (Decision, bool) {
	for _, d := range slices.Backward(inc.Decisions) {
		if d.Law == law && d.Decision != "" {
			return d, true
		}
	}
	return Decision{}, false
}

// AwareSince returns the newest declared instant of a law.
func (inc *Incident) AwareSince(law string) (Moment, bool) {
	ms := inc.Aware[law]
	if len(ms) == 0 {
		return Moment{}, false
	}
	return ms[len(ms)-1], true
}

// Sent lists what was sent of a stage, in order, each with its receipt; a
// receipt without reference and file is none.
func (inc *Incident) Sent(stage string) []Filing {
	var out []Filing
	for _, n := range inc.Notices {
		switch {
		case n.Act == NoticeSent && (stage == "" || n.Stage == stage):
			out = append(out, Filing{Notice: n})
		case n.Act == NoticeReceipt:
			for i := range out {
				if out[i].Seq == n.Of {
					out[i].Receipts = append(out[i].Receipts, n)
				}
			}
		}
	}
	return out
}

// Filing is what was sent, with the receipts that came.
type Filing struct {
	Notice
	Receipts []Notice
}

// Received returns when the first receipt came, whichever was recorded first;
// zero while none did.
func (f *Filing) Received() (first time.Time) {
	for _, r := range f.Receipts {
		if first.IsZero() || r.At.Before(first) {
			first = r.At
		}
	}
	return first
}

// The acts on a notification.
const (
	NoticeSent    = "sent"
	NoticeReceipt = "receipt"
	NoticeDelay   = "delay"
	NoticeRequest = "request"
)

// Copy returns the canonical JSON of the fields and its SHA-256: what a
// notification was made from. Of the same log size it is the same for ever.
func (inc *Incident) Copy() ([]byte, evidence.Hash, error) {
	b, err := json.Marshal(inc.Fields)
	return b, sha256.Sum256(b), err
}

// Inputs returns the fields without free text, as a decision keeps them.
func (inc *Incident) Inputs() (json.RawMessage, error) {
	p, err := inc.patch()
	if err != nil {
		return nil, err
	}
	content, _ := p.Split()
	return json.Marshal(content)
}

// patch returns all fields as a patch that would set them.
func (inc *Incident) patch() (Patch, error) {
	b, err := json.Marshal(inc.Fields)
	if err != nil {
		return nil, err
	}
	p := Patch{}
	return p, json.Unmarshal(b, &p)
}

// Handed returns what a part in a tenant's log begins with: the home's fields
// without what is the reporter's own.
func (inc *Incident) Handed() (Patch, error) {
	p, err := inc.patch()
	delete(p, "reporter")
	delete(p, "identity")
	return p, err
}
