package kube

import (
	"cmp"
	"slices"
	"time"
)

// Condition is one condition of an object's status as the API conventions have
// it (https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md).
// Its message is left out: it may quote anything.
type Condition struct {
	Type               string     `json:"type"`
	Status             string     `json:"status"`
	Reason             string     `json:"reason"`
	LastTransitionTime *time.Time `json:"lastTransitionTime"`
}

// At returns when the condition last changed, UTC; zero when it does not say.
func (c Condition) At() time.Time { return Time(c.LastTransitionTime) }

// Conditions are those of one object.
type Conditions []Condition

// Of returns the condition of a type, the zero one when there is none. The API
// allows one of each; of several that contradict each other the newest counts.
func (cs Conditions) Of(kind string) Condition {
	found := slices.DeleteFunc(slices.Clone(cs), func(c Condition) bool { return c.Type != kind })
	if len(found) == 0 {
		return Condition{}
	}
	return slices.MaxFunc(found, func(a, b Condition) int { return cmp.Compare(a.At().UnixNano(), b.At().UnixNano()) })
}

// Is reports whether the condition of a type is true.
func (cs Conditions) Is(kind string) bool { return cs.Of(kind).Status == "True" }

// Time returns a time that an object may leave out, UTC; zero when it does. The
// first second of Unix time is none either: a runtime writes it as the start of
// a container that never started.
func Time(t *time.Time) time.Time {
	if t == nil || t.Unix() <= 0 {
		return time.Time{}
	}
	return t.UTC()
}

// Stamp is a time of an object that may be null or empty, as an end that has not
// come; see [Time].
type Stamp struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (s *Stamp) UnmarshalJSON(b []byte) error {
	if string(b) == "null" || string(b) == `""` {
		return nil
	}
	if err := s.Time.UnmarshalJSON(b); err != nil {
		return err
	}
	s.Time = Time(&s.Time)
	return nil
}
