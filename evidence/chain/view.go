package chain

import (
	"fmt"
	"time"

	"evidenced/evidence"
)

// View is a leaf read in place, for those who read very many: nothing is
// copied or allocated, byte slices point into the leaf and are valid as long as
// it is. Read accepts exactly what [Decode] accepts. The zero View is ready for
// use, and one View may be used for leaf after leaf.
type View struct {
	Origin    []byte
	Seq       uint64
	Prev      evidence.Hash
	ID        evidence.ID
	Kind      []byte
	Version   int
	Op        []byte
	Source    []byte
	Run       evidence.ID
	Occurred  time.Time
	Basis     []byte
	NotBefore time.Time // zero: not said
	Observed  time.Time
	Recorded  time.Time

	people  []byte // the list without its brackets
	nPeople int
	claims  [maxClaims]ClaimView
	nClaims int
	refs    [3]atView // amends, carries, from
	x       []byte
}

// ClaimView is a claim of a View.
type ClaimView struct {
	Name   []byte
	Commit evidence.Hash
	Sealed evidence.Hash
	Size   int

	keys  []byte // the list without its brackets
	nKeys int
}

// KeyList is the list of key ids as it stands in the leaf, without its
// brackets. The form being fixed, equal lists are equal bytes.
func (c *ClaimView) KeyList() []byte { return c.keys }

// Keys returns the key ids, copied.
func (c *ClaimView) Keys() []string {
	ids := make([]string, 0, c.nKeys)
	for s := (scanner{b: c.keys}); len(ids) < c.nKeys; s.opt(`,`) {
		s.lit(`"`)
		ids = append(ids, string(s.word(isPlain, maxKeyID)))
		s.lit(`"`)
	}
	return ids
}

type atView struct {
	set    bool
	origin []byte
	seq    uint64
	leaf   evidence.Hash
}

func (a *atView) at() *evidence.At {
	if !a.set {
		return nil
	}
	return &evidence.At{Origin: string(a.origin), Seq: a.seq, Leaf: a.leaf}
}

// Claims returns the claims in order.
func (v *View) Claims() []ClaimView { return v.claims[:v.nClaims] }

// People returns the people, copied; nil when there are none.
func (v *View) People() []evidence.Party {
	if v.nPeople == 0 {
		return nil
	}
	ps := make([]evidence.Party, 0, v.nPeople)
	for s := (scanner{b: v.people}); len(ps) < v.nPeople; s.opt(`,`) {
		var p evidence.Party
		role, proof := s.person(&p.Token)
		p.Role, p.Proof = evidence.Role(role), evidence.Proof(proof)
		ps = append(ps, p)
	}
	return ps
}

// Leaf returns the leaf with everything copied.
func (v *View) Leaf() *Leaf {
	l := &Leaf{
		Origin: string(v.Origin), Seq: v.Seq, Prev: v.Prev, ID: v.ID, Kind: evidence.Kind(v.Kind), Version: v.Version,
		Op: evidence.Op(v.Op), Source: evidence.SourceID(v.Source), Run: v.Run,
		Occurred: v.Occurred, Basis: evidence.Basis(v.Basis), NotBefore: v.NotBefore, Observed: v.Observed, Recorded: v.Recorded,
		People: v.People(), Amends: v.refs[0].at(), Carries: v.refs[1].at(), From: v.refs[2].at(), X: string(v.x),
	}
	if v.nClaims > 0 {
		l.Claims = make([]Claim, v.nClaims)
	}
	for i := range l.Claims {
		c := &v.claims[i]
		l.Claims[i] = Claim{Name: string(c.Name), Commit: c.Commit, Sealed: c.Sealed, Size: c.Size, Keys: c.Keys()}
	}
	return l
}

// Read reads a leaf. After an error the View holds nothing of use.
func (v *View) Read(b []byte) error {
	if len(b) > MaxLeaf {
		return fmt.Errorf("leaf of %d bytes, at most %d", len(b), MaxLeaf)
	}
	s := scanner{b: b}
	s.leaf(v)
	if s.bad != "" {
		return fmt.Errorf("leaf: %s (at byte %d)", s.bad, s.i)
	}
	return nil
}
