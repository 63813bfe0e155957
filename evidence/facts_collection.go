package evidence

import "time"

// Facts of collecting: runs and what they covered. See facts.go for the rules.

// RunFacts are the facts of collection.run: how one due slot of a source
// ended. Records counts new records over all tenants.
type RunFacts struct {
	Source   SourceID  `json:"source"`
	Slot     time.Time `json:"slot"` // when it was due
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Outcome  Outcome   `json:"outcome"`
	Cause    string    `json:"cause,omitempty"`
	Window   Period    `json:"window,omitzero"`
	Items    int       `json:"items"`
	Records  int       `json:"records"`
	Repeated int       `json:"repeated"` // seen before
	Ended_   int       `json:"states_ended,omitempty"`
	Kept     int       `json:"kept,omitempty"`    // durable, waiting for a log that is stopped
	Refused  int       `json:"refused,omitempty"` // not kept: too much waits for a log that is stopped
	Total    int64     `json:"source_total"`      // -1 when the source gives none
	// Counts are totals the source gave for single lists beside ours, those
	// that differ first; CountsCut more agree or did not fit.
	Counts    []SourceCount `json:"counts,omitempty"`
	CountsCut int           `json:"counts_cut,omitempty"`
	Identity  string        `json:"identity,omitempty"`
	Sees      int           `json:"sees,omitempty"` // containers visible
	OffsetMS  *int64        `json:"clock_offset_ms,omitempty"`
	TLS       string        `json:"tls,omitempty"`
	TLSKey    string        `json:"tls_key,omitempty"`
	Requests  int           `json:"requests"`
	Notes     []string      `json:"notes,omitempty"`
	Missed    int           `json:"missed_slots,omitempty"` // this record stands for so many missed slots
	Until     time.Time     `json:"missed_until,omitzero"`
}

// CoverageFacts are the facts of collection.coverage: what one source was seen
// of over one stretch of its own time, for one tenant.
type CoverageFacts struct {
	Source SourceID       `json:"source"`
	Period Period         `json:"period"`
	Spans  []CoverageSpan `json:"spans"`
	Quiet  []Quiet        `json:"quiet,omitempty"`  // claims nothing: says why not
	Counts map[Kind]int   `json:"counts,omitempty"` // this tenant's new records, zero included for every kind
	Runs   RunCounts      `json:"runs"`
	Hash   Hash           `json:"runs_hash"` // over the ids of the runs, in order
	RunIDs []ID           `json:"run_ids,omitempty"`
}

// RunCounts counts due slots by outcome.
type RunCounts struct {
	Expected int `json:"expected"`
	Done     int `json:"done"`
	Empty    int `json:"empty"`
	Partial  int `json:"partial"`
	Failed   int `json:"failed"`
	Missed   int `json:"missed"`
}

// Add adds d to c.
func (c *RunCounts) Add(d RunCounts) {
	c.Expected += d.Expected
	c.Done += d.Done
	c.Empty += d.Empty
	c.Partial += d.Partial
	c.Failed += d.Failed
	c.Missed += d.Missed
}

// Looked reports whether any of the due slots became a run.
func (c RunCounts) Looked() bool { return c.Missed < c.Expected }

// CoverageSpan is a stretch of one class. For instants, Looks are the looks:
// the first at From, each following one so many milliseconds after the one
// before; the last look is at To.
type CoverageSpan struct {
	Kinds []Kind    `json:"kinds"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Class Class     `json:"class"`
	Cause string    `json:"cause,omitempty"`
	Looks []int64   `json:"looks_ms,omitempty"`
	Every int64     `json:"every_ms,omitempty"` // how often the kinds are due to be looked at; 0: not said
}
