package flux

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"evidenced/evidence"
)

// memory is what stays between two commits, and in the cursor. It names objects,
// never people.
type memory struct {
	Sources map[string]fetched `json:"sources,omitempty"` // by kind/namespace/name
	Apps    map[string]*app    `json:"apps,omitempty"`    // by uid
	Lost    []loss             `json:"lost,omitempty"`    // not claimed yet
	Claimed time.Time          `json:"claimed,omitzero"`  // of the last claims
	Frozen  time.Time          `json:"frozen,omitzero"`   // since when the controller stands still

	// Of the run that is going on, and never in the cursor:
	shown map[string]time.Time // when a source was read, by its key
	swept map[string]time.Time // the list by which sources were forgotten, by kind
}

// MarshalJSON implements json.Marshaler. A platform has thousands of applications
// whose memories are alike, and the cursor is copied several times at each commit:
// it is packed.
func (m memory) MarshalJSON() ([]byte, error) {
	type plain memory
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	enc := json.NewEncoder(z)
	part := func(v any) {
		if err == nil {
			err = enc.Encode(v)
		}
	}
	// One application at a time: the whole of them in JSON is never held.
	rest := plain(m)
	rest.Apps, rest.Sources = nil, nil
	part(rest)
	for key, f := range m.Sources {
		part(kept{Key: key, Source: &f})
	}
	for uid, a := range m.Apps {
		part(kept{Key: uid, App: a})
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(b.Bytes())
}

// kept is one element of a map in the cursor.
type kept struct {
	Key    string   `json:"k"`
	Source *fetched `json:"s,omitempty"`
	App    *app     `json:"a,omitempty"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *memory) UnmarshalJSON(text []byte) error {
	type plain memory
	var packed []byte
	if err := json.Unmarshal(text, &packed); err != nil {
		return err
	}
	dec := json.NewDecoder(flate.NewReader(bytes.NewReader(packed)))
	out := plain{Sources: map[string]fetched{}, Apps: map[string]*app{}}
	if err := dec.Decode(&out); err != nil {
		return err
	}
	for {
		var k kept
		switch err := dec.Decode(&k); {
		case errors.Is(err, io.EOF):
			*m = memory(out)
			return nil
		case err != nil:
			return err
		case k.Source != nil:
			out.Sources[k.Key] = *k.Source
		case k.App != nil:
			out.Apps[k.Key] = k.App
		}
	}
}

// app is what is remembered of one Kustomization or HelmRelease.
type app struct {
	Kind string    `json:"k"`
	NS   string    `json:"n"`
	Seen time.Time `json:"t,omitzero"`

	// The verdict of the last reconciliation that came to an end, and what of.
	Verdict   verdict `json:"v,omitzero"`
	Gen       int64   `json:"g,omitempty"`
	Attempted string  `json:"a,omitempty"`

	// What was told of its sources.
	Uses []use  `json:"u,omitempty"`
	Kept inUse  `json:"r,omitzero"`
	Of   string `json:"o,omitempty"` // the source that has the artifact

	Hist    []known   `json:"h,omitempty"` // entries of its history
	Top     string    `json:"p,omitempty"` // Kustomization: id of the newest entry
	Slot    slot      `json:"c,omitzero"`
	Handled string    `json:"q,omitempty"` // hash of the request handled last
	Pulse   time.Time `json:"l,omitzero"`  // last reconciled
	Every   span      `json:"e,omitempty"`
	Idle    bool      `json:"i,omitempty"` // left alone on purpose
	Awake   time.Time `json:"w,omitzero"`  // when it was found to be so no longer
}

// use is a source with what was told of its declaration.
type use struct {
	Key  string `json:"k"`
	Spec string `json:"s"` // hash
}

// inUse is what a source said of the revision in force: the source itself has
// moved on by the time it is asked again.
type inUse struct {
	Revision string `json:"r,omitempty"`
	Artifact string `json:"a,omitempty"`
	Verified string `json:"v,omitempty"`
}

// known is an entry of a history that was told.
type known struct {
	ID        string    `json:"i"` // digest and outcome, or release and version
	Key       string    `json:"k"`
	Revision  string    `json:"r,omitempty"`
	Last      time.Time `json:"l,omitzero"`
	Total     int64     `json:"n,omitempty"`
	At        time.Time `json:"a,omitzero"` // when the sync occurred
	Phase     string    `json:"p,omitempty"`
	Told      string    `json:"t,omitempty"` // hash, of what may be amended
	Requested bool      `json:"q,omitempty"`
	Since     time.Time `json:"s,omitzero"`
	Unread    bool      `json:"u,omitempty"` // it was told without what its source says,
	Bare      bool      `json:"b,omitempty"` // without the artifact that was fetched
	Version   int64     `json:"v,omitempty"` // of a release
	First     time.Time `json:"f,omitzero"`  // of a release
}

// slot is the condition Ready as a place where syncs are seen.
type slot struct {
	Failed  string    `json:"f,omitempty"` // the failure that was told and still stands
	Applied string    `json:"a,omitempty"` // what was applied last, where there is no history
	At      time.Time `json:"t,omitzero"`  // of Applied
}

// loss is a stretch in which syncs of an application may have happened that
// nobody told.
type loss struct {
	Spaces []string  `json:"s"`
	From   time.Time `json:"f"`
	To     time.Time `json:"t"`
	Why    string    `json:"w"`
}

func (m *memory) app(uid, kind, ns string) *app {
	a := m.Apps[uid]
	if a == nil {
		if m.Apps == nil {
			m.Apps = map[string]*app{}
		}
		a = &app{Kind: kind, NS: ns}
		m.Apps[uid] = a
	}
	return a
}

// forget drops the applications that a list of everything, begun at the time, did
// not show.
func (m *memory) forget(kind string, begun time.Time) {
	maps.DeleteFunc(m.Apps, func(_ string, a *app) bool { return a.Kind == kind && a.Seen.Before(begun) })
}

// richer reports whether the source tells more by now than was told with the sync.
func (k *known) richer(s *evidence.DeploySource) bool {
	return k.Unread && s.Unread == "" || k.Bare && s.Artifact != ""
}

func (k *known) told(s *evidence.DeploySource) { k.Unread, k.Bare = s.Unread != "", s.Artifact == "" }

func (a *app) find(id string) *known {
	for i := range a.Hist {
		if a.Hist[i].ID == id {
			return &a.Hist[i]
		}
	}
	return nil
}

// keep leaves of the remembered entries those that the history still has.
func (a *app) keep(ids []string) {
	a.Hist = slices.DeleteFunc(a.Hist, func(k known) bool { return !slices.Contains(ids, k.ID) })
}

// maxLost bounds the losses that wait for a claim; the rest is joined to the last.
const maxLost = 200

// lose notes that syncs of an application, which concerns the namespaces, may have
// happened unseen since it was seen last.
func (m *memory) lose(a *app, spaces []string, to time.Time, why string) {
	if a.Seen.IsZero() || !a.Seen.Before(to) {
		return
	}
	if len(m.Lost) >= maxLost {
		last := &m.Lost[len(m.Lost)-1]
		last.Spaces = append(last.Spaces, spaces...)
		slices.Sort(last.Spaces)
		last.Spaces = slices.Compact(last.Spaces)
		if a.Seen.Before(last.From) {
			last.From = a.Seen
		}
		last.To = to
		return
	}
	m.Lost = append(m.Lost, loss{spaces, a.Seen, to, why})
}

// hashOf is a short hash of texts.
func hashOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

func instant(t time.Time) string { return evidence.FormatTime(t.UTC()) }
