package pack

import (
	"encoding/json"
	"fmt"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// content is the plaintext of a content claim, as far as packs read it.
type content struct {
	Key     string          `json:"key"`
	Subject evidence.Ref    `json:"subject"`
	Facts   json.RawMessage `json:"facts"`

	weight int // of what a verifier keeps of it
}

// What a verifier keeps of contents until the end, weighed so that it takes about
// as many bytes of memory.
const (
	mostKept   = 1 << 28
	weightOf   = 256 // of a record
	weightEach = 32  // of an element of its arrays, beside the text
)

// openContent decodes an opened content claim that a verdict stands on: one in
// which no name stands twice, so that it says one thing to every reader.
func openContent(plain []byte) (content, error) {
	var c content
	elements, err := checkNames(plain, false, maxElements)
	if err != nil {
		return c, err
	}
	c.weight = weightOf + len(plain) + weightEach*elements
	return c, json.Unmarshal(plain, &c)
}

// openFacts decodes the facts of such a claim.
func openFacts(plain []byte, into any) error {
	_, err := weighFacts(plain, into)
	return err
}

// weighFacts is openFacts for facts that are kept.
func weighFacts(plain []byte, into any) (weight int, err error) {
	c, err := openContent(plain)
	if err != nil {
		return 0, err
	}
	return c.weight, c.read(into)
}

// contentOf decodes the content of a record for its register, which shows the
// facts as they are: what collectors keep may have names that differ by their
// case alone, such as labels. Its own names are clear, so that all readers show the
// same facts.
func contentOf(seq uint64, plain []byte) (*content, error) {
	var c content
	err := checkTop(plain)
	if err == nil {
		err = json.Unmarshal(plain, &c)
	}
	if err != nil {
		return nil, fmt.Errorf("record %d: %w", seq, err)
	}
	return &c, nil
}

// learned is what the disclosed claims of records tell who makes or verifies a
// pack. They are read in log order, records of before the range first.
type learned struct {
	start    uint64 // the range's begin
	kept     int    // weight of all that follows
	names    labels
	sealed   map[uint64]evidence.PackFacts // of pack.issued records
	waivers  map[uint64]waiver
	ends     map[evidence.Ref][]statementEnd // of waivers and scope statements
	scopes   []scope
	rules    []stated
	linked   map[[2]evidence.ID]link           // persons that are one, or no longer
	one      map[evidence.ID]evidence.ID       // made of these when all are known: who stands for a person
	plans    plans                             // remedies
	needed   map[evidence.Hash][]evidence.Kind // made of verdicts when all are known: see needs
	loosened []Loosened                        // in the range
	spans    map[seen][]*span                  // what was seen, by coverage records
	looks    map[seen]int                      // how many looks in them
	laid     int                               // looks of all kinds
	runs     []ran                             // of sources
	retired  time.Time                         // until when records of the log were dropped
	erased   map[string]bool                   // ids of keys that were destroyed
	stories  map[evidence.Ref]*IncidentSeen    // of incidents
}

func newLearned(start uint64) learned {
	return learned{
		start: start, names: labels{}, sealed: map[uint64]evidence.PackFacts{},
		spans: map[seen][]*span{}, looks: map[seen]int{}, waivers: map[uint64]waiver{}, ends: map[evidence.Ref][]statementEnd{},
		linked: map[[2]evidence.ID]link{}, erased: map[string]bool{}, stories: map[evidence.Ref]*IncidentSeen{},
		plans: newPlans(),
	}
}

// read learns from a disclosed claim of a record.
func (l *learned) read(lf *chain.Leaf, d disclosed) error {
	if d.Name != "content" {
		return nil
	}
	var err error
	weight := 0 // of what the reader does not weigh itself
	switch lf.Kind {
	case evidence.PersonKnown:
		weight, err = l.names.read(lf, d.Plain)
	case evidence.PackIssued:
		var f evidence.PackFacts
		weight, err = weighFacts(d.Plain, &f)
		l.sealed[lf.Seq] = f
	case evidence.Waiver:
		weight, err = l.readWaiver(lf, d.Plain)
	case evidence.RemedyPlan:
		weight, err = l.plans.read(lf, d.Plain)
	case evidence.ScopeStatement:
		weight, err = l.readScope(lf, d.Plain)
	case evidence.IdentityLink:
		weight, err = l.readLink(lf, d.Plain)
	case evidence.Erasure:
		weight, err = l.readErasure(d.Plain)
	case evidence.FindingState:
		weight, err = l.plans.readVerdict(lf, d.Plain)
	case evidence.IncidentDeclared, evidence.IncidentMoment, evidence.IncidentNotice, evidence.IncidentClosed:
		weight, err = l.readIncident(lf, d.Plain)
	case evidence.CollectionCoverage:
		err = l.readCoverage(lf, d.Plain)
	case evidence.LogSegment:
		err = l.readSegment(d.Plain)
	case evidence.PlatformConfig:
		weight, err = l.readLoosened(lf, d.Plain)
	case evidence.PlatformCatalog:
		if weight, err = l.readRules(lf, d.Plain); err == nil {
			_, err = l.readLoosened(lf, d.Plain)
		}
	}
	if l.kept += weight; err == nil && l.kept > mostKept {
		err = fmt.Errorf("what a verifier must keep of the records up to here weighs more than %d: make packs of shorter periods", mostKept)
	}
	if err != nil {
		return fmt.Errorf("record %d: %w", lf.Seq, err)
	}
	return nil
}
