package argocd

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"evidenced/evidence/problem"
)

// resumeVersion is the version of the resume's layout.
const resumeVersion = 1

// maxOps bounds the operations remembered for one application.
const maxOps = 24

// resume is what stays between two looks: what was seen of every application,
// so that the next look knows what is new, what was lost and what to leave
// alone. It names applications, never people.
type resume struct {
	V          int                `json:"v"`
	Listed     time.Time          `json:"listed,omitzero"`      // the last full list
	Offered    []string           `json:"projects,omitempty"`   // projects ever visible
	Lost       []string           `json:"lost,omitempty"`       // of these, hidden from the credential now
	StaleSince time.Time          `json:"stale_since,omitzero"` // newest reconciledAt, while verdicts are frozen
	Gapless    bool               `json:"gapless,omitempty"`    // the last list ended a stretch without a gap
	Defined    []string           `json:"defined,omitempty"`    // projects whose definition was read
	Apps       map[string]*memory `json:"apps"`                 // by uid
}

// memory is what is known of one application.
type memory struct {
	Name    string    `json:"name"` // namespace/name
	Project string    `json:"project"`
	Dest    string    `json:"dest,omitempty"`  // destination namespace
	Seen    time.Time `json:"seen"`            // last sighting, our clock
	Gen     int64     `json:"gen"`             // metadata.generation then
	Lags    int       `json:"lags,omitempty"`  // lists in a row that showed an older one
	Apart   bool      `json:"apart,omitempty"` // not in the controller's own namespace
	Pulse   time.Time `json:"pulse,omitzero"`  // when Argo CD last reconciled it
	Idle    bool      `json:"idle,omitempty"`  // it does not, on purpose
	State   state     `json:"state"`
	Hist    int64     `json:"hist"`              // newest history id, -1: none
	Slot    string    `json:"slot,omitempty"`    // key of the operation in the slot
	Ops     []*op     `json:"ops,omitempty"`     // oldest first
	Dropped string    `json:"dropped,omitempty"` // start of the newest operation forgotten
}

// op is one operation that was emitted.
type op struct {
	Key   string    `json:"k"`            // below the uid
	Start string    `json:"t,omitempty"`  // RFC 3339; empty on entries without deployStartedAt
	ID    int64     `json:"id"`           // in history, -1: not there
	Done  time.Time `json:"d,omitzero"`   // deployedAt, once in history
	Phase string    `json:"p,omitempty"`  // last phase seen in the slot; empty: never seen there
	Fin   time.Time `json:"f,omitzero"`   // finishedAt in the slot
	Rev   string    `json:"r,omitempty"`  // resolved revisions, hashed
	Prune bool      `json:"pr,omitempty"` // as asked, from the slot
	Local bool      `json:"lm,omitempty"` // manifests pushed by hand, from the slot
	Tries int64     `json:"n,omitempty"`  // retries, from the slot
	Told  string    `json:"s"`            // what was emitted of it last
}

// doorVersion is the version of the layout that the Kubernetes door keeps.
const doorVersion = 2

// doorResume is the position of the Kubernetes door: what was seen of the
// applications, as both doors keep it, and where lists and watches stand.
type doorResume struct {
	V      int             `json:"v"`
	Seen   json.RawMessage `json:"seen"`
	Engine []byte          `json:"engine,omitempty"`
}

// loadDoor reads a position of either door. One of the API door tells what was
// seen but not where a watch could go on: engine is nil then, and everything is
// listed.
func loadDoor(b []byte) (r *resume, engine []byte, err error) {
	var v struct {
		V int `json:"v"`
	}
	if len(b) == 0 || json.Unmarshal(b, &v) != nil || v.V != doorVersion {
		r, err := loadSeen(b)
		return r, nil, err
	}
	var in doorResume
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil || len(in.Seen) == 0 {
		return nil, nil, badResume(err)
	}
	r, err = loadSeen(in.Seen)
	return r, in.Engine, err
}

// loadResume reads a position of either door for the API door.
func loadResume(b []byte) (*resume, error) {
	r, _, err := loadDoor(b)
	return r, err
}

func badResume(cause error) error {
	return problem.Wrap(problem.Corrupt, cause, "argocd: the kept position cannot be read").
		WithHint("restore the data directory, or reset this source's position: history is then read again as reconstructed")
}

func loadSeen(b []byte) (*resume, error) {
	if len(b) == 0 {
		return &resume{V: resumeVersion, Apps: map[string]*memory{}}, nil
	}
	r := new(resume)
	bad := badResume
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(r); err != nil {
		return nil, bad(err)
	}
	if r.V != resumeVersion || r.Apps == nil {
		return nil, bad(nil)
	}
	for _, m := range r.Apps {
		if m == nil || slices.Contains(m.Ops, nil) {
			return nil, bad(nil)
		}
	}
	return r, nil
}

func (r *resume) encode() ([]byte, error) { return json.Marshal(r) }
