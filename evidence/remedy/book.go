package remedy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

// State is how a plan stands at an instant.
type State string

// The states. What is overdue is so beside its state, see [Plan.Overdue].
const (
	Open       State = "open"
	SaidDone   State = "said-done"  // a person says so, and its items still fail
	Closed     State = "closed"     // none of its items fails any more
	Superseded State = "superseded" // newer plans are for all its items that fail
	Withdrawn  State = "withdrawn"
)

// Live reports whether the plan is one that somebody has to carry out.
func (s State) Live() bool { return s == Open || s == SaidDone }

// ItemState is how an item of a plan stands.
type ItemState string

// The states of an item beside its endings.
const (
	StillFails ItemState = "failing"
	Untold     ItemState = "undetermined" // it cannot be told now
	Replaced   ItemState = "superseded"   // a newer plan is for it
)

// Item is something that a plan is for.
type Item struct {
	Test   string    `json:"test"`
	Record uint64    `json:"record,omitempty"` // 0: the finding itself, which found nothing or nothing new enough
	State  ItemState `json:"state"`            // one of the above, or an Ending
	At     time.Time `json:"at,omitzero"`      // when it ended; zero: the log tells no more
}

// fails reports whether the item keeps its plan open.
func (i *Item) fails() bool { return i.State == StillFails || i.State == Untold }

// Words are what is said in words: the text claim of a plan's records.
type Words struct {
	Team   string `json:"team,omitempty"` // a role or a team
	Detail string `json:"cause_detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	Ticket string `json:"ticket,omitempty"` // where the work is followed
	Reason string `json:"reason,omitempty"` // of this record
}

// Plan is what is planned under one name, as its newest record says it.
type Plan struct {
	evidence.RemedyFacts
	Words
	Lost      string // why the words cannot be read; "" when they can
	OwnerIs   evidence.ID
	OwnerName string // of the person as the log knows them now, or the role or team
	MakerName string // of who made the newest record; "" when not named
	Seq       uint64
	Said      time.Time // when its newest record was made
	DoneSince time.Time // when it was said to be done; zero while it is not
	Revisions []Revision
	Items     []Item

	State  State
	Ended  time.Time // when it was withdrawn, or its last item ended; zero while it is live
	EndSeq uint64    // the record that withdrew it
	EndWhy string
}

// Revision is one record of a plan.
type Revision struct {
	Seq    uint64    `json:"record"`
	At     time.Time `json:"at"`
	Says   string    `json:"says"` // set, done, withdrawn
	Due    string    `json:"due,omitempty"`
	By     string    `json:"by,omitempty"` // whoever said it, where they are named
	Reason string    `json:"reason,omitempty"`
}

// Overdue reports whether the plan is live and its day is over at the instant.
func (p *Plan) Overdue(at time.Time) bool { return p.State.Live() && !at.Before(p.Late) }

// Moved counts the records that gave another day than the one before.
func (p *Plan) Moved() (n int) {
	due := ""
	for _, r := range p.Revisions {
		switch {
		case r.Due == "":
			due = ""
			n = 0
		case due != "" && r.Due != due:
			n++
		}
		if r.Due != "" {
			due = r.Due
		}
	}
	return n
}

// Failing counts the items that keep the plan open. Those that no record names
// count for as long as one that is named does.
func (p *Plan) Failing() (n int) {
	for i := range p.Items {
		if p.Items[i].fails() {
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return n + p.cut("")
}

// cut counts items of a test, or with "" of all, that the plan is for and that
// no record names.
func (p *Plan) cut(test string) (n int) {
	for _, f := range p.For {
		if test == "" || f.Test == test {
			n += f.Cut
		}
	}
	return n
}

// Ref names the plans of a name.
func Ref(name string) evidence.Ref { return evidence.NewRef("remedy", "", name) }

// Book is the plans of one log, and how what they are for stands by its recorded
// findings, at an instant. It must not be used by several goroutines at a time.
type Book struct {
	All []*Plan // in order of their first records
	At  time.Time

	reader evidence.Reader
	shares *Shares // of live; nil until it is asked for
	live   []*Plan // that were not withdrawn
}

// Load reads the plans that the log held at the instant. A log without plans
// costs one query.
func Load(ctx context.Context, r evidence.Reader, at time.Time) (*Book, error) {
	b := &Book{At: at.UTC(), reader: r}
	q := evidence.Query{Kinds: []evidence.Kind{evidence.RemedyPlan}, BySeq: true, WithText: true}
	for rec, err := range r.Records(ctx, q) {
		if err == nil && (!rec.Recorded.After(b.At) || rec.Carries != nil) && len(rec.Facts) > 0 {
			err = b.take(ctx, &rec)
		}
		if err != nil {
			return nil, fmt.Errorf("remedies of %s: %w", r.Tenant(), err)
		}
	}
	if len(b.All) == 0 {
		return b, nil
	}
	cs := newCourses()
	for _, p := range b.All {
		for _, it := range itemsOf(p.For) {
			cs.want(it)
		}
	}
	if err := cs.read(ctx, r, b.At); err != nil {
		return nil, err
	}
	return b, b.settle(ctx, cs)
}

// Plan returns the plan of the name; nil when there is none.
func (b *Book) Plan(name string) *Plan {
	i := slices.IndexFunc(b.All, func(p *Plan) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return b.All[i]
}

// take reads one record.
func (b *Book) take(ctx context.Context, rec *evidence.Record) error {
	var w Words
	lost := ""
	switch why := rec.Closed["text"]; {
	case why != "":
		lost = "its words cannot be read: " + why
	case len(rec.Text) > 0:
		if err := json.Unmarshal(rec.Text, &w); err != nil {
			return fmt.Errorf("record %d: text: %w", rec.Seq, err)
		}
	}
	if rec.Op == evidence.OpEnd {
		return b.end(ctx, rec, w)
	}
	var f evidence.RemedyFacts
	if err := rec.Decode(&f); err != nil {
		return err
	}
	p := b.Plan(f.Name)
	switch {
	case p == nil:
		p = &Plan{}
		b.All = append(b.All, p)
	case rec.Carries != nil && f.Revision <= p.Revision:
		return nil // stated again when its segment was retired
	}
	says := Revision{Seq: rec.Seq, At: rec.Occurred, Says: "set", Due: f.Due, Reason: w.Reason}
	done := time.Time{}
	if f.Done {
		says.Says, done = "done", rec.Occurred
		if !p.DoneSince.IsZero() {
			done = p.DoneSince
		}
	}
	var err error
	if says.By, err = b.name(ctx, rec, f.Maker); err != nil {
		return err
	}
	*p = Plan{
		RemedyFacts: f, Words: w, Lost: lost, OwnerName: w.Team, MakerName: says.By, Seq: rec.Seq, Said: rec.Occurred,
		DoneSince: done, Revisions: append(p.Revisions, says),
	}
	if f.Owner >= 0 {
		if p.OwnerName, err = b.name(ctx, rec, f.Owner); err == nil {
			p.OwnerIs = rec.People[f.Owner].Token
		}
	}
	return err
}

// end withdraws a plan.
func (b *Book) end(ctx context.Context, rec *evidence.Record, w Words) error {
	var f evidence.RemedyEndFacts
	if err := rec.Decode(&f); err != nil {
		return err
	}
	p := b.Plan(rec.Subject.Name)
	if p == nil {
		return nil // what it ended was retired
	}
	by, err := b.name(ctx, rec, f.Maker)
	if err != nil {
		return err
	}
	p.Ended, p.EndSeq, p.EndWhy, p.DoneSince = rec.Occurred, rec.Seq, w.Reason, time.Time{}
	p.Revisions = append(p.Revisions, Revision{Seq: rec.Seq, At: rec.Occurred, Says: "withdrawn", By: by, Reason: w.Reason})
	return nil
}

// name tells who a person of a record is; "" for none.
func (b *Book) name(ctx context.Context, rec *evidence.Record, i int) (string, error) {
	if i < 0 {
		return "", nil
	}
	if i >= len(rec.People) {
		return "", fmt.Errorf("record %d names nobody", rec.Seq)
	}
	id, err := b.reader.Identity(ctx, rec.People[i].Token)
	if err != nil {
		return "", fmt.Errorf("record %d: %w", rec.Seq, err)
	}
	return id.Label(), nil
}

// settle says how every plan stands. Of several plans for an item the newest
// that was not withdrawn answers for it.
func (b *Book) settle(ctx context.Context, cs *courses) error {
	order := slices.Clone(b.All)
	slices.SortFunc(order, func(x, y *Plan) int { return cmp.Compare(y.Seq, x.Seq) })
	taken := map[item]bool{}
	for _, p := range order {
		for _, it := range itemsOf(p.For) {
			x, err := b.itemOf(ctx, it, cs.of(it))
			if err != nil {
				return err
			}
			if x.fails() && p.EndSeq == 0 {
				if taken[it] {
					x.State = Replaced
				}
				taken[it] = true
			}
			p.Items = append(p.Items, x)
		}
		p.stand()
	}
	return nil
}

func (b *Book) itemOf(ctx context.Context, it item, c *course) (Item, error) {
	x := Item{Test: it.test, Record: it.seq}
	switch {
	case c.told():
		x.State = StillFails
	case c.open():
		x.State = Untold
	default:
		how, err := b.ending(ctx, it, c)
		if err != nil {
			return x, err
		}
		x.State, x.At = ItemState(how), c.left.at
	}
	return x, nil
}

// stand sets the state by the items.
func (p *Plan) stand() {
	failing, replaced, last := 0, 0, time.Time{}
	for i := range p.Items {
		switch x := &p.Items[i]; {
		case x.fails():
			failing++
		case x.State == Replaced:
			replaced++
		case x.At.After(last):
			last = x.At
		}
	}
	switch {
	case p.EndSeq > 0:
		p.State = Withdrawn
	case failing > 0 && !p.DoneSince.IsZero():
		p.State = SaidDone
	case failing > 0:
		p.State = Open
	case replaced > 0:
		p.State = Superseded
	default:
		p.State, p.Ended = Closed, last
	}
}

// Outcome sums up how the items of a closed plan went: the ending that says the
// least of any of them.
func (p *Plan) Outcome() Ending {
	out := Healed
	for _, x := range p.Items {
		switch e := Ending(x.State); {
		case e == LeftPeriod, e == NotAsked && out == Healed:
			out = e
		}
	}
	return out
}

// Days tells how many days after the plan's day the instant lies; negative, or
// zero on the day itself, when it is not over.
func (p *Plan) Days(at time.Time) int {
	const day = 24 * time.Hour
	if d := at.Sub(p.Late); d >= 0 {
		return int(d/day) + 1
	}
	return -int(p.Late.Sub(at) / day)
}
