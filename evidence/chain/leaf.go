package chain

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"evidenced/evidence"
)

// Version is the format version of leaves this package reads and writes.
const Version = 1

// MaxLeaf is the largest leaf, in bytes.
const MaxLeaf = 16 << 10

// maxInt is the first integer a leaf may not hold (2^53, beyond which readers
// that keep numbers as IEEE doubles lose digits).
const maxInt = 1 << 53

// Leaf is the public part of a record.
type Leaf struct {
	Origin    string
	Seq       uint64
	Prev      evidence.Hash
	ID        evidence.ID
	Kind      evidence.Kind
	Version   int
	Op        evidence.Op
	Source    evidence.SourceID
	Run       evidence.ID
	Occurred  time.Time
	Basis     evidence.Basis
	NotBefore time.Time // zero: not said
	Observed  time.Time
	Recorded  time.Time // whole microseconds
	People    []evidence.Party
	Claims    []Claim
	Amends    *evidence.At // Origin empty
	Carries   *evidence.At // Origin empty
	From      *evidence.At // Origin set
	X         string       // reserved; readers of version 1 keep and ignore it
}

// Claim is what the leaf shows of a sealed value.
type Claim struct {
	Name   string        // content, text or raw
	Commit evidence.Hash // salted commitment to the plaintext
	Sealed evidence.Hash // SHA-256 of the stored ciphertext
	Size   int           // of the ciphertext, bytes
	Keys   []string      // ids of the keys that open it
}

// ClaimNames are the names a claim may have, in the order they stand in a leaf.
var ClaimNames = []string{"content", "text", "raw"}

// LeafHash returns SHA-256(0x00 || leaf), RFC 6962 section 2.1.
func LeafHash(leaf []byte) evidence.Hash {
	var buf [1 + 2048]byte
	if len(leaf) < len(buf) {
		copy(buf[1:], leaf)
		return sha256.Sum256(buf[:1+len(leaf)])
	}
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(leaf)
	return evidence.Hash(h.Sum(nil))
}

// Hasher makes leaf hashes without allocating, for one goroutine. The zero
// value is ready for use.
type Hasher struct {
	buf [1 + MaxLeaf]byte // 0x00 || leaf
}

// LeafHash is the function LeafHash.
func (h *Hasher) LeafHash(leaf []byte) evidence.Hash {
	if len(leaf) > MaxLeaf {
		return LeafHash(leaf)
	}
	n := copy(h.buf[1:], leaf)
	return sha256.Sum256(h.buf[:1+n])
}

// GenesisPrev returns the prev of leaf 0 of the log with the origin.
func GenesisPrev(origin string) evidence.Hash {
	b := append([]byte("evidenced/genesis/v1"), 0, 0, 0, 0)
	binary.BigEndian.PutUint32(b[len(b)-4:], uint32(len(origin)))
	return sha256.Sum256(append(b, origin...))
}

// Encode returns the leaf's bytes. A field outside its range or alphabet is an
// error; nothing is escaped or cut.
func (l *Leaf) Encode() ([]byte, error) { return l.Append(nil) }

// Append appends the leaf's bytes to b.
func (l *Leaf) Append(b []byte) ([]byte, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	start := len(b)
	b = appendBegin(b, l.Origin, l.Seq, l.Prev)
	b = l.appendMiddle(b)
	b = append(b, `,"recorded":"`...)
	b = l.Recorded.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	b = l.appendEnd(b)
	if len(b)-start > MaxLeaf {
		return nil, fmt.Errorf("leaf of %d bytes, at most %d", len(b)-start, MaxLeaf)
	}
	return b, nil
}

// appendMiddle appends what stands between prev and recorded.
func (l *Leaf) appendMiddle(b []byte) []byte {
	b = append(b, `,"id":"`...)
	b = base64.RawURLEncoding.AppendEncode(b, l.ID[:])
	b = append(b, `","kind":"`...)
	b = append(b, l.Kind...)
	b = append(b, `","kv":`...)
	b = strconv.AppendInt(b, int64(l.Version), 10)
	b = append(b, `,"op":"`...)
	b = append(b, l.Op...)
	b = append(b, `","source":"`...)
	b = append(b, l.Source...)
	b = append(b, `","run":"`...)
	b = base64.RawURLEncoding.AppendEncode(b, l.Run[:])
	b = append(b, `","occurred":"`...)
	b = l.Occurred.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","basis":"`...)
	b = append(b, l.Basis...)
	if !l.NotBefore.IsZero() {
		b = append(b, `","not_before":"`...)
		b = l.NotBefore.UTC().AppendFormat(b, time.RFC3339Nano)
	}
	b = append(b, `","observed":"`...)
	b = l.Observed.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

// appendEnd appends what stands after recorded.
func (l *Leaf) appendEnd(b []byte) []byte {
	b = l.appendPeople(b)
	b = l.appendClaims(b)
	b = appendAt(b, "amends", l.Amends)
	b = appendAt(b, "carries", l.Carries)
	b = appendAt(b, "from", l.From)
	if l.X != "" {
		b = append(b, `,"x":"`...)
		b = append(b, l.X...)
		b = append(b, '"')
	}
	return append(b, '}')
}

func (l *Leaf) appendPeople(b []byte) []byte {
	if len(l.People) == 0 {
		return b
	}
	b = append(b, `,"people":[`...)
	for i, p := range l.People {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"role":"`...)
		b = append(b, p.Role...)
		b = append(b, `","token":"`...)
		b = base64.RawURLEncoding.AppendEncode(b, p.Token[:])
		b = append(b, `","proof":"`...)
		b = append(b, p.Proof...)
		b = append(b, `"}`...)
	}
	return append(b, ']')
}

func (l *Leaf) appendClaims(b []byte) []byte {
	b = append(b, `,"claims":[`...)
	for i, c := range l.Claims {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"name":"`...)
		b = append(b, c.Name...)
		b = append(b, `","commit":"`...)
		b = base64.RawURLEncoding.AppendEncode(b, c.Commit[:])
		b = append(b, `","sealed":"`...)
		b = base64.RawURLEncoding.AppendEncode(b, c.Sealed[:])
		b = append(b, `","size":`...)
		b = strconv.AppendInt(b, int64(c.Size), 10)
		b = append(b, `,"keys":[`...)
		for j, k := range c.Keys {
			if j > 0 {
				b = append(b, ',')
			}
			b = append(b, '"')
			b = append(b, k...)
			b = append(b, '"')
		}
		b = append(b, `]}`...)
	}
	return append(b, ']')
}

func appendAt(b []byte, name string, at *evidence.At) []byte {
	if at == nil {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":{`...)
	if at.Origin != "" {
		b = append(b, `"origin":"`...)
		b = append(b, at.Origin...)
		b = append(b, `",`...)
	}
	b = append(b, `"seq":`...)
	b = strconv.AppendUint(b, at.Seq, 10)
	b = append(b, `,"leaf":"`...)
	b = hex.AppendEncode(b, at.Leaf[:])
	return append(b, `"}`...)
}

// check refuses fields that have no place in a leaf.
func (l *Leaf) check() error {
	switch {
	case !plain(l.Origin, maxOrigin):
		return fmt.Errorf("leaf: bad origin %q", l.Origin)
	case l.Seq >= maxInt:
		return fmt.Errorf("leaf: seq %d is 2^53 or more", l.Seq)
	case !kindName(string(l.Kind)):
		return fmt.Errorf("leaf: bad kind %q", l.Kind)
	case l.Version < 1 || l.Version > maxKV:
		return fmt.Errorf("leaf: bad kind version %d", l.Version)
	case !l.Op.Valid():
		return fmt.Errorf("leaf: bad op %q", l.Op)
	case !l.Source.Valid():
		return fmt.Errorf("leaf: bad source %q", l.Source)
	case !l.Basis.Valid():
		return fmt.Errorf("leaf: bad basis %q", l.Basis)
	case l.Recorded.Nanosecond()%1000 != 0:
		return fmt.Errorf("leaf: recorded has a fraction of a microsecond")
	case len(l.Claims) > maxClaims:
		return fmt.Errorf("leaf: %d claims, at most %d", len(l.Claims), maxClaims)
	case len(l.People) > evidence.MaxPeople:
		return fmt.Errorf("leaf: %d people, at most %d", len(l.People), evidence.MaxPeople)
	case l.X != "" && !plain(l.X, maxX):
		return fmt.Errorf("leaf: bad x")
	case l.Amends != nil && (l.Amends.Origin != "" || l.Amends.Seq >= maxInt),
		l.Carries != nil && (l.Carries.Origin != "" || l.Carries.Seq >= maxInt),
		l.From != nil && (!plain(l.From.Origin, maxOrigin) || l.From.Seq >= maxInt):
		return fmt.Errorf("leaf: bad reference to another record")
	}
	for _, t := range []time.Time{l.Occurred, l.Observed, l.Recorded} {
		if t.IsZero() || !inYears(t) {
			return fmt.Errorf("leaf: time %v outside the years 1 to 9999", t)
		}
	}
	if !inYears(l.NotBefore) {
		return fmt.Errorf("leaf: time %v outside the years 1 to 9999", l.NotBefore)
	}
	for _, p := range l.People {
		if !lowerName(string(p.Role)) || !p.Proof.Valid() {
			return fmt.Errorf("leaf: bad person (role %q, proof %q)", p.Role, p.Proof)
		}
	}
	return l.checkClaims()
}

func (l *Leaf) checkClaims() error {
	for i, c := range l.Claims {
		rank := slices.Index(ClaimNames, c.Name)
		if rank < 0 {
			return fmt.Errorf("leaf: unknown claim %q", c.Name)
		}
		if i > 0 && rank <= slices.Index(ClaimNames, l.Claims[i-1].Name) {
			return fmt.Errorf("leaf: claim %q after %q", c.Name, l.Claims[i-1].Name)
		}
		if c.Size < 0 || c.Size >= maxInt || len(c.Keys) == 0 {
			return fmt.Errorf("leaf: claim %s has size %d and %d keys", c.Name, c.Size, len(c.Keys))
		}
		for _, k := range c.Keys {
			if !plain(k, maxKeyID) {
				return fmt.Errorf("leaf: claim %s: bad key id %q", c.Name, k)
			}
		}
	}
	return nil
}

// The seconds, since 1970, in which year 1 begins and year 10000.
var (
	yearsBegin = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	yearsEnd   = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
)

// inYears reports whether t has a year of four digits in UTC; the zero time has.
func inYears(t time.Time) bool {
	s := t.Unix()
	return s >= yearsBegin && s < yearsEnd
}

// plain reports whether s is 1 to max bytes of printable ASCII that JSON never
// escapes.
func plain(s string, max int) bool {
	if s == "" || len(s) > max {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

func kindName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func lowerName(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return true
}

// Decode reads a leaf and refuses every byte string that Encode would not have
// made: other order, white space, escapes, unknown or repeated names, other
// spellings of a number or a time. What View.Read accepts is encoded again and
// compared, so that the reader alone never decides what is canonical.
func Decode(b []byte) (*Leaf, error) {
	var v View
	if err := v.Read(b); err != nil {
		return nil, err
	}
	l := v.Leaf()
	again, err := l.Append(make([]byte, 0, len(b)))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, b) {
		return nil, fmt.Errorf("leaf is not in canonical form")
	}
	return l, nil
}
