package deadline

import (
	"slices"
	"time"
)

// Law is a law with clocks of its own, or the contract with a customer.
type Law string

// The laws, and the contract by which a provider supports its customers'
// duties (DORA Art 30(2)(f)).
const (
	DORA     Law = "dora"
	NIS2     Law = "nis2"
	GDPR     Law = "gdpr"
	CRA      Law = "cra"
	Contract Law = "contract"
)

// Laws are all of them, in the order in which clocks are told.
var Laws = []Law{DORA, NIS2, GDPR, CRA, Contract}

// Stage names what is owed: one notification of one law.
type Stage string

// The stages.
const (
	DORAInitial      Stage = "dora.initial"
	DORAIntermediate Stage = "dora.intermediate"
	DORAUpdate       Stage = "dora.update"
	DORAFinal        Stage = "dora.final"
	DORAReclassified Stage = "dora.reclassified"
	DORAClients      Stage = "dora.clients"
	DORARecurring    Stage = "dora.recurring"
	DORAThreat       Stage = "dora.threat"
	NIS2Early        Stage = "nis2.early"
	NIS2Notification Stage = "nis2.notification"
	NIS2Intermediate Stage = "nis2.intermediate"
	NIS2Progress     Stage = "nis2.progress"
	NIS2Final        Stage = "nis2.final"
	NIS2Recipients   Stage = "nis2.recipients"
	NIS2Recurring    Stage = "nis2.recurring"
	GDPRAuthority    Stage = "gdpr.authority"
	GDPRProcessor    Stage = "gdpr.processor"
	GDPRPeople       Stage = "gdpr.people"
	CRAEarly         Stage = "cra.early"
	CRANotification  Stage = "cra.notification"
	CRAIntermediate  Stage = "cra.intermediate"
	CRAFinalVuln     Stage = "cra.final.vuln"
	CRAFinalIncident Stage = "cra.final.incident"
	CRAUsers         Stage = "cra.users"
	CustomerNotice   Stage = "customer.notice"
)

// info is what the law says of a stage whatever the incident.
type info struct {
	law     Law
	article string
	says    string
}

var stages = map[Stage]info{
	DORAInitial:      {DORA, "2025/301 Art 5(1)(a)", "initial notification: 4 h from classification as major, at most 24 h from awareness"},
	DORAIntermediate: {DORA, "2025/301 Art 5(1)(b)", "intermediate report: 72 h from submission of the initial notification"},
	DORAUpdate:       {DORA, "2025/301 Art 5(1)(b)", "updated intermediate report: without undue delay when regular activities are recovered"},
	DORAFinal:        {DORA, "2025/301 Art 5(1)(c)", "final report: one month from the latest intermediate report"},
	DORAReclassified: {DORA, "2025/302 Art 5", "reclassification to non-major, with reasons"},
	DORAClients:      {DORA, "DORA Art 19(3)", "clients whose financial interests are hit: without undue delay"},
	DORARecurring:    {DORA, "2024/1772 Art 8(2)", "monthly look at incidents below the bar that come again"},
	DORAThreat:       {DORA, "DORA Art 19(2)", "significant cyber threat: voluntary, without a limit"},
	NIS2Early:        {NIS2, "NIS-2 Art 23(4)(a)", "early warning: 24 h from awareness"},
	NIS2Notification: {NIS2, "NIS-2 Art 23(4)(b)", "incident notification: 72 h from awareness, trust services 24 h"},
	NIS2Intermediate: {NIS2, "NIS-2 Art 23(4)(c)", "intermediate report, on request"},
	NIS2Progress:     {NIS2, "NIS-2 Art 23(4)(e)", "progress report: when the incident is still going on after the month"},
	NIS2Final:        {NIS2, "NIS-2 Art 23(4)(d)", "final report: one month from submission of the notification"},
	NIS2Recipients:   {NIS2, "NIS-2 Art 23(1), (2)", "recipients of the service: without undue delay where appropriate"},
	NIS2Recurring:    {NIS2, "2024/2690 Art 4", "quarterly look at incidents below the bar that come again"},
	GDPRAuthority:    {GDPR, "GDPR Art 33(1)", "supervisory authority: 72 h from awareness"},
	GDPRProcessor:    {GDPR, "GDPR Art 33(2)", "processor to controller: without undue delay"},
	GDPRPeople:       {GDPR, "GDPR Art 34(1)", "people at high risk: without undue delay"},
	CRAEarly:         {CRA, "CRA Art 14(2)(a), (4)(a)", "early warning: 24 h from awareness"},
	CRANotification:  {CRA, "CRA Art 14(2)(b), (4)(b)", "notification: 72 h from awareness"},
	CRAIntermediate:  {CRA, "CRA Art 14(6)", "intermediate report, on request"},
	CRAFinalVuln:     {CRA, "CRA Art 14(2)(c)", "final report: 14 days after a measure is available"},
	CRAFinalIncident: {CRA, "CRA Art 14(4)(c)", "final report: one month from submission of the notification"},
	CRAUsers:         {CRA, "CRA Art 14(8)", "users of the product: without undue delay"},
	CustomerNotice:   {Contract, "DORA Art 30(2)(f)", "the customer, whose own limits start with the customer's own awareness: at once"},
}

// StageLaw returns the law of a stage; false when there is no such stage.
func StageLaw(s Stage) (Law, bool) {
	i, ok := stages[s]
	return i.law, ok
}

// StageSays returns the article of a stage and what it asks for.
func StageSays(s Stage) (article, says string) { return stages[s].article, stages[s].says }

// Stages are all stages, in the order of their law and time.
var Stages = []Stage{
	DORAInitial, DORAIntermediate, DORAUpdate, DORAFinal, DORAReclassified, DORAClients, DORARecurring, DORAThreat,
	NIS2Early, NIS2Notification, NIS2Intermediate, NIS2Progress, NIS2Final, NIS2Recipients, NIS2Recurring,
	GDPRAuthority, GDPRProcessor, GDPRPeople,
	CRAEarly, CRANotification, CRAIntermediate, CRAFinalVuln, CRAFinalIncident, CRAUsers,
	CustomerNotice,
}

// Case is what the clocks of one entity's incident stand on. Zero times are
// not known yet.
type Case struct {
	Laws      []Law // whose clocks run
	Authority Authority
	// NoNoon is set for entities that Article 5(5), or a notified decision by
	// 5(6), of 2025/301 keeps from the noon rule; see [NoNoon].
	NoNoon Exception
	// TrustService: NIS-2 gives these 24 h for the notification.
	TrustService bool
	// HourRule: the national law that carries NIS-2 over counts hours as
	// Regulation 1182/71 does. Without it the exact instant is the limit.
	HourRule bool
	// Microenterprise: no monthly look at recurring incidents (2024/1772 Art
	// 8(2) exempts these and entities of DORA Art 16(1)).
	Microenterprise bool
	Processor       bool          // for the GDPR: a processor
	Controller      bool          // for the GDPR: a controller beside; who is no processor is taken for one
	Vulnerability   bool          // for the CRA: an exploited vulnerability, not a severe incident
	Target          time.Duration // own setting for what is owed without undue delay

	// Aware are the declared instants of awareness. While one is missing the
	// earliest candidate in the evidence stands in, and the clock says so.
	Aware     map[Law]time.Time
	Candidate time.Time

	Threat       bool      // DORA: a cyber threat that nobody classified as a major incident
	Classified   time.Time // DORA: as major
	Reclassified time.Time // DORA: it never met the criteria
	NotMajor     time.Time // DORA: last look that said it is not major
	Void         map[Law]string
	Recovered    time.Time // regular activities
	// NotSignificant is the last look by NIS-2 that said it is not: only a look
	// at recurrence is owed then.
	NotSignificant time.Time
	Handled        time.Time // NIS-2: end of handling
	Available      time.Time // CRA: a corrective or mitigating measure
	ClientsHit     time.Time // DORA: awareness that clients' financial interests are hit
	HighRisk       time.Time // GDPR: high risk to people was established
	RiskUnlikely   bool      // GDPR: decided
	Requested      map[Stage]time.Time
	Home           time.Time // customer.notice: the provider's own awareness

	Filings []Filing
	Delays  map[Stage]time.Time // notice to the authority that a limit cannot be met
}

// Filing is one submission that was recorded. Fixed is what its clock said
// when it was: lateness is decided on that for ever.
type Filing struct {
	Stage   Stage
	Sent    time.Time
	Receipt time.Time // zero: none is recorded, so the stage is not met
	Fixed   Due       // zero when the stage has no limit
	Late    bool
}

// ReceiptWithin is how long the receipt of what was sent may be missing. No law
// gives a number: this is the one of the built-in tests.
const ReceiptWithin = 7 * 24 * time.Hour

// State of a clock.
type State string

// The states.
const (
	Waiting   State = "waiting"         // its start is not known yet
	Running   State = "running"         // before safe
	PastSafe  State = "past-safe"       // before latest
	Overdue   State = "overdue"         // after latest, nothing is recorded as sent
	Owed      State = "owed"            // without undue delay: no number of hours
	NoReceipt State = "sent-no-receipt" // sent, not met
	Met       State = "met"             // sent in time, with receipt
	MetLate   State = "met-late"        // sent late, with receipt
	Void      State = "void"            // not owed
	OnRequest State = "on-request"      // nobody asked
	Voluntary State = "voluntary"       // owed by nobody
)

// Clock is one limit of one incident.
type Clock struct {
	Stage   Stage     `json:"stage"`
	Law     Law       `json:"law"`
	Article string    `json:"article"`
	Says    string    `json:"says"`
	State   State     `json:"state"`
	From    time.Time `json:"from,omitzero"`
	Start   string    `json:"start"` // which moment it starts with, or waits for
	// Provisional says that the start is not confirmed by a person.
	Provisional bool      `json:"provisional,omitempty"`
	Due         Due       `json:"due,omitzero"` // zero for what is owed without undue delay
	Sent        time.Time `json:"sent,omitzero"`
	Receipt     time.Time `json:"receipt,omitzero"`
	Late        bool      `json:"late,omitempty"`
	Delay       time.Time `json:"delay_notified,omitzero"`
	Notes       []string  `json:"notes,omitempty"`
}

// IsOpen reports whether somebody still has to do something.
func (c *Clock) IsOpen() bool {
	switch c.State {
	case Met, MetLate, Void, OnRequest, Voluntary:
		return false
	}
	return true
}

// Clocks computes every clock of the case as of now, in the order of Stages.
func Clocks(c Case, now time.Time) []Clock {
	b := &builder{c: c, now: now.UTC(), out: []Clock{}} // a list in JSON, also of none
	for _, law := range Laws {
		if !slices.Contains(c.Laws, law) {
			continue
		}
		if why, void := c.Void[law]; void {
			b.voidAll(law, why)
			if law == NIS2 {
				b.quarterly()
			}
			continue
		}
		switch law {
		case DORA:
			b.dora()
		case NIS2:
			b.nis2()
		case GDPR:
			b.gdpr()
		case CRA:
			b.cra()
		case Contract:
			b.contract()
		}
	}
	b.filed()
	slices.SortStableFunc(b.out, func(x, y Clock) int { return slices.Index(Stages, x.Stage) - slices.Index(Stages, y.Stage) })
	return b.out
}

// filed adds what was sent though no clock asked for it: what is sent needs its
// receipt too.
func (b *builder) filed() {
	for _, f := range b.c.Filings {
		if !slices.ContainsFunc(b.out, func(k Clock) bool { return k.Stage == f.Stage }) {
			b.owed(f.Stage, start{what: "nothing: it was sent without being owed"})
		}
	}
}

type builder struct {
	c   Case
	now time.Time
	out []Clock
}

// start is a moment that clocks start with.
type start struct {
	at          time.Time
	what        string // "awareness", "submission of the initial notification"
	provisional bool
}

func (b *builder) aware(law Law) start {
	if at := b.c.Aware[law]; !at.IsZero() {
		return start{at: at, what: "awareness"}
	}
	if !b.c.Candidate.IsZero() {
		return start{at: b.c.Candidate, what: "awareness, not declared: the earliest sign on record", provisional: true}
	}
	return start{what: "awareness"}
}

// first and last return the first and the newest filing of the stages.
func (b *builder) first(stage Stage) (f Filing, ok bool) {
	for _, x := range b.c.Filings {
		if x.Stage == stage && (!ok || x.Sent.Before(f.Sent)) {
			f, ok = x, true
		}
	}
	return f, ok
}

func (b *builder) last(stages ...Stage) (f Filing, ok bool) {
	for _, x := range b.c.Filings {
		for _, s := range stages {
			if x.Stage == s && (!ok || x.Sent.After(f.Sent)) {
				f, ok = x, true
			}
		}
	}
	return f, ok
}

// clock adds a clock with a limit. The due is computed only when the start is
// known.
func (b *builder) clock(stage Stage, s start, due func(from time.Time) Due, notes ...string) {
	k := b.blank(stage, s, notes)
	if !s.at.IsZero() {
		k.Due = due(s.at)
	}
	b.add(k)
}

// owed adds a clock without a number: it is owed from its start on, or within
// the entity's own target.
func (b *builder) owed(stage Stage, s start, notes ...string) {
	k := b.blank(stage, s, notes)
	if !s.at.IsZero() && b.c.Target > 0 {
		k.Notes = append(k.Notes, "own target: "+s.at.Add(b.c.Target).UTC().Format(time.RFC3339))
	}
	b.add(k)
}

func (b *builder) blank(stage Stage, s start, notes []string) Clock {
	i := stages[stage]
	return Clock{
		Stage: stage, Law: i.law, Article: i.article, Says: i.says, From: s.at.UTC(), Start: s.what, Provisional: s.provisional,
		Delay: b.c.Delays[stage], Notes: notes,
	}
}

// add decides the state of the clock. What was filed first keeps the limit and
// the verdict of then; what the facts of now would give stands beside it. What
// was sent last needs its receipt.
func (b *builder) add(k Clock) {
	f, sent := b.first(k.Stage)
	limited := !k.Due.Latest.IsZero()
	switch {
	case sent:
		newest, _ := b.last(k.Stage)
		k.Sent, k.Receipt, k.Late = f.Sent, newest.Receipt, f.Late
		if !newest.Sent.Equal(f.Sent) {
			k.Notes = append(k.Notes, "sent again "+newest.Sent.UTC().Format(time.RFC3339))
		}
		if limited && !f.Fixed.Latest.IsZero() && !k.Due.Latest.Equal(f.Fixed.Latest) {
			word := "in time"
			if k.Due.Late(f.Sent) {
				word = "late"
			}
			k.Notes = append(k.Notes, "by the facts as they stand now the limit is "+k.Due.Latest.Format(time.RFC3339)+" and it was "+word+"; the verdict of the filing stays")
		}
		switch {
		case !f.Fixed.Latest.IsZero():
			k.Due = f.Fixed
		case limited: // its start was not known when it was sent
			k.Late = k.Due.Late(f.Sent)
			k.Notes = append(k.Notes, "no limit was known when it was sent: it is judged by the facts as they stand now")
		}
		k.State = Met
		if k.Late {
			k.State = MetLate
		}
		if newest.Receipt.IsZero() {
			k.State = NoReceipt
		}
	case k.From.IsZero():
		k.State = Waiting
	case !limited:
		k.State = Owed
	case k.Due.Late(b.now):
		k.State, k.Late = Overdue, true
	case b.now.After(k.Due.Safe):
		k.State = PastSafe
	default:
		k.State = Running
	}
	b.out = append(b.out, k)
}

func (b *builder) void(stage Stage, why string) {
	k := b.blank(stage, start{}, []string{why})
	k.State, k.Start = Void, ""
	if f, sent := b.first(stage); sent { // it was owed, or sent all the same
		k.Sent, k.Receipt, k.Late, k.Due = f.Sent, f.Receipt, f.Late, f.Fixed
		if f.Receipt.IsZero() {
			k.State = NoReceipt
		}
	}
	b.out = append(b.out, k)
}

func (b *builder) voidAll(law Law, why string) {
	for _, s := range Stages {
		i := stages[s]
		if i.law != law {
			continue
		}
		if _, sent := b.first(s); sent || mainStage[s] {
			b.void(s, why)
		}
	}
}

// mainStage are the stages that a law owes of every incident it covers.
var mainStage = map[Stage]bool{
	DORAInitial: true, DORAIntermediate: true, DORAFinal: true, NIS2Early: true, NIS2Notification: true, NIS2Final: true,
	GDPRAuthority: true, CRAEarly: true, CRANotification: true,
}

// request adds a stage that is owed when an authority asks.
func (b *builder) request(stage Stage) {
	at, asked := b.c.Requested[stage]
	if _, sent := b.first(stage); asked || sent {
		b.owed(stage, start{at: at, what: "request of the authority"})
	}
}
