package kube

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// resume is what a collector keeps between runs: where each watch goes on, not
// what it has seen. Which states are open is in the log.
type resume struct {
	Version int               `json:"v"`
	Feeds   map[string]*place `json:"feeds"`
	// Labels tells, for each namespace, whether the labels that tenancy looks
	// at have changed since; it is a hash, since they may name anything.
	Labels map[string]string `json:"labels,omitempty"`
	// Spaces are the namespaces that are known, Gone what those of a name that
	// is gone or made anew were last: what happened to their objects may be
	// told later, also to the next process. The cursor is sealed.
	Spaces map[string]keptSpace `json:"spaces,omitempty"`
	Gone   map[string]keptSpace `json:"gone,omitempty"`
	State  json.RawMessage      `json:"state,omitempty"` // the collector's own
}

// keptSpace is a namespace with the labels that tenancy looks at.
type keptSpace struct {
	UID    string            `json:"uid"`
	Labels map[string]string `json:"labels,omitempty"`
	Since  time.Time         `json:"since,omitzero"` // when it was found to be gone
	Made   time.Time         `json:"made,omitzero"`
}

// last is a namespace that is gone, as it was last.
func (k keptSpace) last(name string) Namespace {
	return Namespace{Name: name, UID: k.UID, Labels: k.Labels, Made: k.Made, Ended: k.Since}
}

// place is where one feed stands.
type place struct {
	Served string    `json:"served,omitempty"` // version that RV belongs to
	RV     string    `json:"rv,omitempty"`     // where the watch goes on
	To     time.Time `json:"to,omitzero"`      // until when everything was seen
	Known  time.Time `json:"known,omitzero"`   // see List.Since; zero after a list that did not show all there is
	Absent bool      `json:"absent,omitempty"` // the cluster did not have it then
	// Refused: the credential may not read what is waived; nothing is known of it.
	Refused bool `json:"refused,omitempty"`
	// Count is how many objects the last list held, Short after what time the
	// server was found not to tell the history: of polls.
	Count int64         `json:"count,omitempty"`
	Short time.Duration `json:"short,omitempty"`
	Blind []blind       `json:"blind,omitempty"` // before To, not claimed yet for every kind
	// Bad are the objects that could not be read, by uid. A watch does not tell
	// them again, so a restart must not forget them.
	Bad map[string]badObject `json:"bad,omitempty"`
}

// badObject is an object that could not be read.
type badObject struct {
	Scope evidence.Ref `json:"scope"`
	Since time.Time    `json:"since"`
}

// blind is a stretch of which nothing is known.
type blind struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Cause string    `json:"cause"`
}

func loadResume(kept []byte) (*resume, error) {
	r := &resume{Version: 1}
	if kept != nil {
		dec := json.NewDecoder(bytes.NewReader(kept))
		dec.DisallowUnknownFields()
		if err := dec.Decode(r); err != nil || r.Version != 1 {
			return nil, problem.New(problem.Corrupt, "the cursor of a Kubernetes source cannot be read").
				WithHint("it was kept by another version; run that one, or take the source's cursor away to begin anew")
		}
	}
	if r.Feeds == nil {
		r.Feeds = map[string]*place{}
	}
	if r.Labels == nil {
		r.Labels = map[string]string{}
	}
	if r.Spaces == nil {
		r.Spaces = map[string]keptSpace{}
	}
	if r.Gone == nil {
		r.Gone = map[string]keptSpace{}
	}
	return r, nil
}

// labelHash tells two namespaces of one name apart, and two sets of labels.
func labelHash(uid string, scope []evidence.Ref) string {
	h := sha256.New()
	h.Write([]byte(uid))
	for _, r := range scope {
		h.Write([]byte{0})
		h.Write([]byte(r.String()))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
