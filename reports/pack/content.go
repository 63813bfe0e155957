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
}

// openContent decodes an opened content claim that a verdict stands on: one in
// which no name stands twice, so that it says one thing to every reader.
func openContent(plain []byte) (content, error) {
	var c content
	if err := checkNames(plain, false); err != nil {
		return c, err
	}
	return c, json.Unmarshal(plain, &c)
}

// openFacts decodes the facts of such a claim.
func openFacts(plain []byte, into any) error {
	c, err := openContent(plain)
	if err != nil {
		return err
	}
	return json.Unmarshal(c.Facts, into)
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
	spans    map[seen][]evidence.Span          // what was seen, by coverage records
	laid     int                               // looks in them, of all kinds
	runs     []evidence.CoverageFacts          // without spans
	retired  time.Time                         // until when records of the log were dropped
	erased   map[string]bool                   // ids of keys that were destroyed
	stories  map[evidence.Ref]*IncidentSeen    // of incidents
}

func newLearned(start uint64) learned {
	return learned{
		start: start, names: labels{}, sealed: map[uint64]evidence.PackFacts{},
		spans: map[seen][]evidence.Span{}, waivers: map[uint64]waiver{}, ends: map[evidence.Ref][]statementEnd{},
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
	switch lf.Kind {
	case evidence.PersonKnown:
		err = l.names.read(lf, d.Plain)
	case evidence.PackIssued:
		var f evidence.PackFacts
		err = openFacts(d.Plain, &f)
		l.sealed[lf.Seq] = f
	case evidence.Waiver:
		err = l.readWaiver(lf, d.Plain)
	case evidence.RemedyPlan:
		err = l.plans.read(lf, d.Plain)
	case evidence.ScopeStatement:
		err = l.readScope(lf, d.Plain)
	case evidence.IdentityLink:
		err = l.readLink(lf, d.Plain)
	case evidence.Erasure:
		err = l.readErasure(d.Plain)
	case evidence.FindingState:
		err = l.plans.readVerdict(lf, d.Plain)
	case evidence.IncidentDeclared, evidence.IncidentMoment, evidence.IncidentNotice, evidence.IncidentClosed:
		err = l.readIncident(lf, d.Plain)
	case evidence.CollectionCoverage:
		err = l.readCoverage(lf, d.Plain)
	case evidence.LogSegment:
		err = l.readSegment(d.Plain)
	case evidence.PlatformConfig:
		err = l.readLoosened(lf, d.Plain)
	case evidence.PlatformCatalog:
		if err = l.readRules(lf, d.Plain); err == nil {
			err = l.readLoosened(lf, d.Plain)
		}
	}
	if err != nil {
		return fmt.Errorf("record %d: %w", lf.Seq, err)
	}
	return nil
}
