package pack

import (
	"cmp"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// IncidentSeen is what the records of the range say of an incident. Clocks follow
// from what they hold; a document that tells of fewer, or of fewer acts, hides
// some.
type IncidentSeen struct {
	Incident string           `json:"incident"`
	Declared time.Time        `json:"declared,omitzero"` // zero: before the range
	Closed   time.Time        `json:"closed,omitzero"`   // zero: open at its end
	Aware    int              `json:"moments"`           // acts that say when the entity became aware
	Notices  []IncidentNotice `json:"notices"`
}

// IncidentNotice is an act about a notification.
type IncidentNotice struct {
	Record uint64    `json:"record"`
	Stage  string    `json:"stage"`
	Act    string    `json:"act"` // sent, receipt, delay, request
	At     time.Time `json:"at"`
}

// readIncident keeps what an act says of its incident.
func (l *learned) readIncident(lf *chain.Leaf, plain []byte) (weight int, err error) {
	if lf.Seq < l.start {
		return 0, nil
	}
	c, err := openContent(plain)
	if err != nil {
		return 0, err
	}
	s := l.stories[c.Subject]
	if s == nil {
		s = &IncidentSeen{Incident: c.Subject.String(), Notices: []IncidentNotice{}}
		l.stories[c.Subject] = s
	}
	switch lf.Kind {
	case evidence.IncidentDeclared:
		s.Declared = lf.Occurred
	case evidence.IncidentMoment:
		s.Aware++
	case evidence.IncidentNotice:
		var f noticeFacts
		if err := openFacts(plain, &f); err != nil {
			return 0, err
		}
		s.Notices = append(s.Notices, IncidentNotice{lf.Seq, f.Stage, f.Act, f.At})
	case evidence.IncidentClosed:
		var f closedFacts
		if err := openFacts(plain, &f); err != nil {
			return 0, err
		}
		if s.Closed = lf.Occurred; f.Reopen {
			s.Closed = time.Time{}
		}
	}
	return c.weight, nil
}

// incidents lists them in the order they were declared.
func (l *learned) incidents() []IncidentSeen {
	var out []IncidentSeen
	for _, s := range l.stories {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b IncidentSeen) int {
		return cmp.Or(a.Declared.Compare(b.Declared), cmp.Compare(a.Incident, b.Incident))
	})
	return out
}
