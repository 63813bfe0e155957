package policies

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"time"
)

// memory is what stays between two commits, and in the cursor: which results each
// report told last, so that those it drops can be ended. It names objects, never
// people, and holds nothing of what was found.
type memory struct {
	Templates map[string]*template `json:"templates,omitempty"` // by name
	Policies  map[string]*policy   `json:"policies,omitempty"`  // by uid
	Reports   map[string]*report   `json:"reports,omitempty"`   // by uid; constraints too
	Rules     []string             `json:"rules,omitempty"`     // engine, policy and rule of results
	LetsOff   map[string]*letsOff  `json:"lets_off,omitempty"`  // what engines leave unchecked is told by these, by uid
	Spaces    string               `json:"spaces,omitempty"`    // all namespaces and kinds of policies, summed up, that those were read with
	Waits     bool                 `json:"waits,omitempty"`     // Kyverno's webhooks are to be read again when its policies are known
	Unread    string               `json:"unread,omitempty"`    // told: why it is not known what Kyverno leaves unchecked
	Unasked   map[string]string    `json:"unasked,omitempty"`   // told: webhook configurations that are not there, by engine and kind
	Missing   map[string]bool      `json:"missing,omitempty"`   // requirements told; true: without a policy
	OpenRead  bool                 `json:"open_read,omitempty"` // openreports.io was read once, or is not there
	Claimed   time.Time            `json:"claimed,omitzero"`    // of the last claims
	// rules is where each of Rules stands.
	rules map[string]int
}

// template is what is remembered of a ConstraintTemplate.
type template struct {
	Kind string    `json:"k"` // of the constraints that it makes
	Seen time.Time `json:"-"`
}

// policy is what is remembered of a policy.
type policy struct {
	Of     string `json:"r"` // its resource
	Name   string `json:"n"` // as a requirement names it
	Engine string `json:"e"`
	Checks bool   `json:"c,omitempty"` // it checks what is there, and its engine reports on that
	Kind   string `json:"k,omitempty"` // of a constraint
	// Refuses: it refuses something. Images: it verifies images where objects are changed.
	Refuses bool      `json:"f,omitempty"`
	Images  bool      `json:"i,omitempty"`
	Seen    time.Time `json:"-"`
}

// letsOff is what is remembered of an object that leaves something unchecked.
type letsOff struct {
	Of     string    `json:"r"` // its resource
	Space  string    `json:"n,omitempty"`
	Engine string    `json:"e"`
	Seen   time.Time `json:"-"`
}

// report is what is remembered of a report or a constraint. Seen, of it and of the
// others above, is not kept: a list that can miss one begins after that.
type report struct {
	Of    string    `json:"g"`           // its resource
	Space string    `json:"n,omitempty"` // its namespace
	Own   string    `json:"o,omitempty"` // what all of Rules are about
	UID   string    `json:"u,omitempty"` // of what Own names
	Rules []int     `json:"r,omitempty"` // results about Own, as places in memory.Rules
	Names []named   `json:"x,omitempty"` // results about something else
	From  string    `json:"e,omitempty"` // engine
	Cut   string    `json:"c,omitempty"` // why it does not tell everything
	Seen  time.Time `json:"-"`
}

// named is a result that is remembered whole.
type named struct {
	Name string `json:"n"`
	UID  string `json:"u,omitempty"`
}

// MarshalJSON implements json.Marshaler. A cluster has tens of thousands of
// reports whose memories are alike, and the cursor is copied several times at each
// commit: it is packed, one report at a time.
func (m memory) MarshalJSON() ([]byte, error) {
	type plain memory
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	enc := json.NewEncoder(z)
	rest := plain(m)
	rest.Reports = nil
	err = enc.Encode(rest)
	for uid, x := range m.Reports {
		if err == nil {
			err = enc.Encode(kept{uid, x})
		}
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(b.Bytes())
}

// kept is one report in the cursor.
type kept struct {
	UID    string  `json:"k"`
	Report *report `json:"r"`
}

// errMemory says that the cursor holds a memory that nobody wrote.
var errMemory = errors.New("the memory of reports cannot be read")

// UnmarshalJSON implements json.Unmarshaler.
func (m *memory) UnmarshalJSON(text []byte) error {
	type plain memory
	var packed []byte
	if err := json.Unmarshal(text, &packed); err != nil {
		return err
	}
	dec := json.NewDecoder(flate.NewReader(bytes.NewReader(packed)))
	var out plain
	if err := dec.Decode(&out); err != nil {
		return err
	}
	got := memory(out)
	all := got.Rules
	got.Rules, got.Reports = nil, map[string]*report{}
	for {
		var k kept
		switch err := dec.Decode(&k); {
		case errors.Is(err, io.EOF):
			*m = got
			return nil
		case err != nil:
			return err
		case k.Report == nil:
			return errMemory
		}
		for i, at := range k.Report.Rules { // names that nothing uses any more are left behind
			if at < 0 || at >= len(all) {
				return errMemory
			}
			k.Report.Rules[i] = got.rule(all[at])
		}
		got.Reports[k.UID] = k.Report
	}
}

// rule returns the place of a rule's name.
func (m *memory) rule(name string) int {
	if m.rules == nil {
		m.rules = make(map[string]int, len(m.Rules))
		for i, r := range m.Rules {
			m.rules[r] = i
		}
	}
	i, ok := m.rules[name]
	if !ok {
		i = len(m.Rules)
		m.Rules = append(m.Rules, name)
		m.rules[name] = i
	}
	return i
}

// each calls f with the results that a report told.
func (m *memory) each(x *report, f func(named)) {
	for _, at := range x.Rules {
		f(named{x.Own + m.Rules[at], x.UID})
	}
	for _, n := range x.Names {
		f(n)
	}
}

func (m *memory) template(name, kind string, seen time.Time) {
	if m.Templates == nil {
		m.Templates = map[string]*template{}
	}
	m.Templates[name] = &template{kind, seen}
}

func (m *memory) policy(uid string, p policy) *policy {
	if m.Policies == nil {
		m.Policies = map[string]*policy{}
	}
	m.Policies[uid] = &p
	return &p
}

func (m *memory) keep(uid string, x *report) {
	if m.Reports == nil {
		m.Reports = map[string]*report{}
	}
	m.Reports[uid] = x
}

// forget drops what a full list did not show. listed says when that of a resource
// began; zero when there was none.
func (m *memory) forget(listed func(resource string) time.Time) {
	at := map[string]time.Time{}
	gone := func(of string, seen time.Time) bool {
		t, ok := at[of]
		if !ok {
			t = listed(of)
			at[of] = t
		}
		return seen.Before(t)
	}
	maps.DeleteFunc(m.Reports, func(_ string, x *report) bool { return gone(x.Of, x.Seen) })
	maps.DeleteFunc(m.Policies, func(_ string, x *policy) bool { return gone(x.Of, x.Seen) })
	maps.DeleteFunc(m.LetsOff, func(_ string, x *letsOff) bool { return gone(x.Of, x.Seen) })
	maps.DeleteFunc(m.Templates, func(_ string, x *template) bool { return gone(templates, x.Seen) })
}
