package velero

import (
	"bytes"
	"cmp"
	"compress/flate"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// sightings are the backups and restores that were there when they were last
// seen, by uid: when a list lacks one, nobody else tells what it was.
type sightings struct {
	of    map[string]*sighting
	whose map[[32]byte]string // packed, by hash: of the backups of one schedule it is the same
	kept  []byte              // what MarshalJSON makes of them; nil when they have changed
	cut   bool                // one had to go since trim was asked

	packer *flate.Writer // used again and again, as is text: they are large
	text   []byte
}

// sighting is what was told of a backup or restore when it was last seen. It
// holds no person.
type sighting struct {
	Kind      evidence.Kind   `json:"k"`
	Namespace string          `json:"n"`
	Name      string          `json:"m"`
	Space     string          `json:"s,omitempty"` // uid of the namespace
	Home      string          `json:"h,omitempty"` // uid of the cluster's own namespace
	Seen      time.Time       `json:"t"`
	Asked     bool            `json:"a,omitempty"` // its deletion was asked for
	Lacked    bool            `json:"d,omitempty"` // a list since did not show it
	Subject   evidence.Ref    `json:"r"`
	Occurred  time.Time       `json:"o"`
	Basis     evidence.Basis  `json:"b"`
	NotBefore time.Time       `json:"l,omitzero"`
	Facts     json.RawMessage `json:"f"`
	Links     []evidence.Ref  `json:"i,omitempty"` // to Velero's objects
	Whose     string          `json:"-"`           // packed belongings
}

// belongings say whose a backup or restore is, as it was told. Links are those to
// namespaces.
type belongings struct {
	Scope    []evidence.Ref `json:"s,omitempty"`
	Links    []evidence.Ref `json:"l,omitempty"`
	Mentions []mention      `json:"m,omitempty"`
}

// mention is an evidence.Mention as this collector makes them.
type mention struct {
	At string           `json:"a,omitempty"`
	Of [][]evidence.Ref `json:"o"`
}

// Bounds of what is remembered. Beyond them the oldest go: they are the first
// to expire.
const (
	maxSightings     = 5000
	maxSightingBytes = 8 << 20
	// mostSightings may be held for a while, so that a list of many is not sorted
	// anew with each of them.
	mostSightings = maxSightings + maxSightings/5
)

// homeNamespace is there as long as its cluster is.
const homeNamespace = "kube-system"

// sight remembers an object by the draft that tells of it. Where namespaces are not
// read, no list could ever tell that it is gone, for its cluster would not be known:
// what was remembered before is out of date then, and forgotten.
func (c *collector) sight(d *evidence.Draft, o *kube.Object, l *kube.Look, asked bool) error {
	m := &c.memory
	if !c.cfg.NamespaceLabels {
		m.Sightings.drop(o.UID)
		return nil
	}
	if m.Sightings == nil {
		m.Sightings = &sightings{}
	}
	facts, err := unnamed(d)
	if err != nil {
		return err
	}
	links, whose, err := m.Sightings.pack(d)
	if err != nil {
		return err
	}
	space, _ := l.Namespace(o.Namespace)
	home, _ := l.Namespace(homeNamespace)
	m.Sightings.put(o.UID, &sighting{
		Kind: d.Kind, Namespace: o.Namespace, Name: o.Name, Space: space.UID, Home: home.UID, Seen: o.ObservedAt,
		Asked:   asked || m.Sightings.asked(o.UID),
		Subject: d.Subject, Occurred: d.OccurredAt, Basis: d.Basis, NotBefore: d.NotBefore, Facts: facts, Links: links, Whose: whose,
	})
	return nil
}

// unnamed are the facts of a draft without the place of a person, whose name the
// cursor does not hold.
func unnamed(d *evidence.Draft) (json.RawMessage, error) {
	if d.Kind != evidence.BackupRestore || len(d.People) == 0 {
		return bytes.Clone(d.Content), nil
	}
	var f evidence.RestoreFacts
	if err := json.Unmarshal(d.Content, &f); err != nil {
		return nil, err
	}
	f.Requester = -1
	return json.Marshal(f)
}

func (s *sightings) put(uid string, x *sighting) {
	if s.of == nil {
		s.of = map[string]*sighting{}
	}
	s.of[uid], s.kept = x, nil
	if len(s.of) > mostSightings {
		s.shrink() // the commit may be far: it is not made while a list is read
	}
}

// drop forgets an object: it is gone, and that was told.
func (s *sightings) drop(uid string) {
	if s != nil {
		delete(s.of, uid)
		s.kept = nil
	}
}

func (s *sightings) asked(uid string) bool {
	x := s.get(uid)
	return x != nil && x.Asked
}

func (s *sightings) get(uid string) *sighting {
	if s == nil {
		return nil
	}
	return s.of[uid]
}

// ask notes that the deletion of an object was asked for.
func (s *sightings) ask(uid string) {
	if x := s.get(uid); x != nil && !x.Asked {
		x.Asked, s.kept = true, nil
	}
}

// lacking are the objects of a kind that a list would show and does not, by uid,
// in a fixed order.
func (s *sightings) lacking(kind evidence.Kind, list *kube.List) (uids []string) {
	if s == nil {
		return nil
	}
	for uid, x := range s.of {
		if x.Kind == kind && (list.Namespace == "" || list.Namespace == x.Namespace) && !list.Has(uid) {
			uids = append(uids, uid)
		}
	}
	slices.Sort(uids)
	return uids
}

// trim keeps them within their bounds and reports whether one had to go since it was
// last asked.
func (s *sightings) trim() bool {
	if s == nil {
		return false
	}
	s.shrink()
	cut := s.cut
	s.cut = false
	return cut
}

// shrink drops the oldest that are beyond the bounds.
func (s *sightings) shrink() {
	size, users := 0, map[string]int{}
	for _, x := range s.of {
		size += len(x.Facts)
		if users[x.Whose]++; users[x.Whose] == 1 {
			size += len(x.Whose)
		}
	}
	maps.DeleteFunc(s.whose, func(_ [32]byte, packed string) bool { return users[packed] == 0 })
	if len(s.of) <= maxSightings && size <= maxSightingBytes {
		return
	}
	byAge := slices.SortedFunc(maps.Keys(s.of), func(a, b string) int {
		return cmp.Or(s.of[a].Occurred.Compare(s.of[b].Occurred), cmp.Compare(a, b))
	})
	for _, uid := range byAge {
		if len(s.of) <= maxSightings && size <= maxSightingBytes {
			break
		}
		x := s.of[uid]
		size -= len(x.Facts)
		if users[x.Whose]--; users[x.Whose] == 0 {
			size -= len(x.Whose)
		}
		delete(s.of, uid)
	}
	s.kept, s.cut = nil, true
}

// place notes that an object was told once more, to others.
func (s *sightings) place(uid string, d *evidence.Draft) error {
	x := s.get(uid)
	if x == nil {
		return nil
	}
	links, whose, err := s.pack(d)
	if err == nil {
		x.Links, x.Whose, s.kept = links, whose, nil
	}
	return err
}

// pack returns the links of a draft to Velero's objects, which stand first, and
// whose it is, packed: the same string for the same.
func (s *sightings) pack(d *evidence.Draft) (links []evidence.Ref, whose string, err error) {
	n := slices.IndexFunc(d.Links, func(r evidence.Ref) bool { return r.Scheme == "namespace" })
	if n < 0 {
		n = len(d.Links)
	}
	b := belongings{Scope: d.Scope, Links: d.Links[n:]}
	for _, m := range d.Mentions {
		b.Mentions = append(b.Mentions, mention{m.At, m.Of})
	}
	whose, err = s.packed(&b)
	return slices.Clone(d.Links[:n]), whose, err
}

func (s *sightings) packed(b *belongings) (string, error) {
	s.text = b.spell(s.text[:0])
	key := sha256.Sum256(s.text)
	if packed, ok := s.whose[key]; ok {
		return packed, nil
	}
	packed, err := s.deflate(func(w io.Writer) error { return json.NewEncoder(w).Encode(b) })
	if err != nil {
		return "", err
	}
	if s.whose == nil {
		s.whose = map[[32]byte]string{}
	}
	s.whose[key] = string(packed)
	return s.whose[key], nil
}

// spell appends what tells belongings apart: most were seen before, and are not
// worth encoding.
func (b *belongings) spell(text []byte) []byte {
	refs := func(list []evidence.Ref) {
		for _, r := range list {
			text = append(r.Append(text), '\n')
		}
		text = append(text, '\n')
	}
	refs(b.Scope)
	refs(b.Links)
	for _, m := range b.Mentions {
		text = append(append(text, m.At...), '\n')
		for _, of := range m.Of {
			refs(of)
		}
		text = append(text, '\n')
	}
	return text
}

// belongings unpacks whose the object is.
func (x *sighting) belongings() (b belongings, err error) {
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader([]byte(x.Whose))))
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	return b, err
}

// deflate packs what is written.
func (s *sightings) deflate(write func(io.Writer) error) ([]byte, error) {
	var b bytes.Buffer
	if s.packer == nil {
		var err error
		if s.packer, err = flate.NewWriter(nil, flate.BestSpeed); err != nil {
			return nil, err
		}
	}
	s.packer.Reset(&b)
	if err := write(s.packer); err != nil {
		return nil, err
	}
	if err := s.packer.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// keptSighting is one sighting in the cursor. The belongings stand with the first
// that has them, the others name their number.
type keptSighting struct {
	UID string `json:"u"`
	*sighting
	Whose []byte `json:"w,omitempty"`
	Same  int    `json:"y,omitempty"` // as the belongings of this number, from 1
}

// MarshalJSON implements json.Marshaler. A platform keeps thousands of backups that
// are alike, and the cursor is copied several times at each commit: it is packed.
func (s *sightings) MarshalJSON() ([]byte, error) {
	if s.kept != nil {
		return s.kept, nil
	}
	packed, err := s.deflate(func(w io.Writer) error {
		enc := json.NewEncoder(w)
		told := map[string]int{}
		for _, uid := range slices.Sorted(maps.Keys(s.of)) {
			x := s.of[uid]
			k := keptSighting{UID: uid, sighting: x, Same: told[x.Whose]}
			if k.Same == 0 {
				k.Whose, told[x.Whose] = []byte(x.Whose), len(told)+1
			}
			if err := enc.Encode(k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.kept, err = json.Marshal(packed)
	return s.kept, err
}

// errSightings says that the cursor holds a memory that nobody wrote.
var errSightings = errors.New("what is remembered of backups and restores cannot be read")

// UnmarshalJSON implements json.Unmarshaler.
func (s *sightings) UnmarshalJSON(text []byte) error {
	var packed []byte
	if err := json.Unmarshal(text, &packed); err != nil {
		return err
	}
	got := sightings{}
	var told []string
	for dec := json.NewDecoder(flate.NewReader(bytes.NewReader(packed))); ; {
		k := keptSighting{sighting: &sighting{}}
		switch err := dec.Decode(&k); {
		case errors.Is(err, io.EOF):
			*s = got
			return nil
		case err != nil:
			return err
		case k.Same < 0 || k.Same > len(told):
			return errSightings
		case k.Same == 0:
			told = append(told, string(k.Whose))
			k.Same = len(told)
		}
		k.sighting.Whose = told[k.Same-1]
		got.put(k.UID, k.sighting)
	}
}
