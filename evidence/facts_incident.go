package evidence

import (
	"encoding/json"
	"time"
)

// Facts of incidents. Every record is one act of a person: it says what was
// done when, and never replaces another record. The subject of all of them is
// incident:/ID, their time is that of the act; what happened earlier stands in
// the facts with its own time, so both are kept. Free text and what names
// people stand in the text claim, a JSON object {"reason", "fields", "phone"}.
// See docs/incidents.md.

// Roles of people in an incident's records.
const (
	RoleDecider Role = "decider" // whose decision it is
	RoleContact Role = "contact" // whom an authority may call
)

// IncidentAct is what all acts have.
type IncidentAct struct {
	By      string `json:"by"`      // user id of the process that asked, "uid 1000"
	Decider int    `json:"decider"` // index in People of who decided; -1: not named
}

// IncidentDeclaredFacts are the facts of incident.declared.
type IncidentDeclaredFacts struct {
	IncidentAct
	// Part says that the platform's own incident hit this tenant and was
	// declared there; it names no other tenant.
	Part bool `json:"part,omitempty"`
	// Affected stands in the log of _platform alone.
	Affected []IncidentPart `json:"affected,omitempty"`
	// Home is the instant at which the provider became aware, for a part.
	Home time.Time `json:"home,omitzero"`
}

// IncidentPart is the record of a platform's incident in one tenant's log.
type IncidentPart struct {
	Tenant Tenant `json:"tenant"`
	ID     string `json:"id"` // of the tenant's own incident
}

// IncidentUpdatedFacts are the facts of incident.updated: fields that were set
// or, with null, taken back (RFC 7396). Those of free text are in the text
// claim.
type IncidentUpdatedFacts struct {
	IncidentAct
	Set     json.RawMessage     `json:"set,omitempty"`
	Texts   []string            `json:"texts,omitempty"`   // paths of the fields in the text claim
	Records map[string][]uint64 `json:"records,omitempty"` // by path: the records of the log that a field was filled from
}

// IncidentMomentFacts are the facts of incident.moment: somebody says when the
// entity became aware, for one law.
type IncidentMomentFacts struct {
	IncidentAct
	Law string    `json:"law"`
	At  time.Time `json:"at"`
	// Candidates are earlier instants that the evidence, or an earlier act,
	// shows; declaring a later one needs a written reason.
	Candidates []IncidentCandidate `json:"candidates,omitempty"`
}

// IncidentCandidate is an instant at which somebody may have known.
type IncidentCandidate struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
	Seq  uint64    `json:"record"`
}

// IncidentDecisionFacts are the facts of incident.decision: how an incident
// was classified under one law, with the working.
type IncidentDecisionFacts struct {
	IncidentAct
	Law string    `json:"law"`
	At  time.Time `json:"at"` // when it was decided
	// Procedure is what the procedure says of the inputs and Decision what the
	// person decided; "" while nobody has.
	Procedure string              `json:"procedure"`
	Decision  string              `json:"decision,omitempty"`
	Steps     []IncidentStep      `json:"steps"`
	Missing   []string            `json:"missing,omitempty"` // inputs that are not known
	Offered   []IncidentOffer     `json:"offered,omitempty"`
	Version   string              `json:"version"`             // of the procedure
	Recurring []string            `json:"recurring,omitempty"` // ids of incidents looked at together
	Inputs    json.RawMessage     `json:"inputs"`              // the fields it stood on, free text left out
	Records   map[string][]uint64 `json:"records,omitempty"`
}

// IncidentStep is one step of a procedure.
type IncidentStep struct {
	Rule   string `json:"rule"` // article
	Asks   string `json:"asks"`
	Answer string `json:"answer"` // yes, no, unknown
	Why    string `json:"why"`
}

// IncidentOffer is what the evidence shows of an input, beside the person's
// word.
type IncidentOffer struct {
	What    string   `json:"what"`
	Value   string   `json:"value"`
	Records []uint64 `json:"records,omitempty"` // the first ones
	Count   int      `json:"count"`             // of all of them
	Limits  string   `json:"limits,omitempty"`
}

// IncidentNoticeFacts are the facts of incident.notice: what happened to one
// notification.
type IncidentNoticeFacts struct {
	IncidentAct
	Stage   string    `json:"stage"`
	Act     string    `json:"act"` // sent, receipt, delay, request
	At      time.Time `json:"at"`
	Channel string    `json:"channel,omitempty"`
	// Of is the record of the sending that a receipt belongs to.
	Of uint64 `json:"of,omitempty"`
	// Reference is what the authority gave; File the SHA-256 of its receipt.
	Reference string `json:"reference,omitempty"`
	File      Hash   `json:"file,omitzero"`
	// What the clock said when the sending was recorded. Late is decided here,
	// once.
	Clock *IncidentDue `json:"clock,omitempty"`
	// Copy is the SHA-256 of the incident as it stood, and Size the log size
	// it can be read again at.
	Copy Hash   `json:"copy,omitzero"`
	Size uint64 `json:"size,omitempty"`
	Open int    `json:"open_items,omitempty"` // mandatory items that were open
}

// IncidentDue is a limit as it stood when something was sent.
type IncidentDue struct {
	From      time.Time `json:"from,omitzero"`
	Safe      time.Time `json:"safe,omitzero"`
	Latest    time.Time `json:"latest,omitzero"`
	EndOfDay  bool      `json:"end_of_day,omitempty"`
	Rules     []string  `json:"rules,omitempty"`
	Late      bool      `json:"late,omitempty"`
	Calendars string    `json:"calendars,omitempty"`
}

// IncidentContactFacts are the facts of incident.contact: whom to call. The
// person is the record's one contact; the telephone number is in the text.
type IncidentContactFacts struct {
	IncidentAct
	Place string `json:"place"` // primary, secondary, dpo
	Team  bool   `json:"team,omitempty"`
}

// IncidentClosedFacts are the facts of incident.closed.
type IncidentClosedFacts struct {
	IncidentAct
	At     time.Time `json:"at,omitzero"`
	Reopen bool      `json:"reopen,omitempty"`
	Open   []string  `json:"open_stages,omitempty"` // stages that were not met
}
