package store

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"sync"
	"time"
	"unicode/utf8"

	"evidenced/evidence"
)

// content is the plaintext of the content claim.
type content struct {
	Key     string               `json:"key,omitempty"`
	Subject evidence.Ref         `json:"subject"`
	Links   []evidence.Ref       `json:"links,omitempty"`
	Scope   []evidence.Ref       `json:"scope,omitempty"`
	Actor   evidence.ActorTenant `json:"actor,omitempty"`
	// Digest is a keyed digest of the facts that make a state or a revision,
	// kept so that the index can be rebuilt and an erased person's state still
	// compares.
	Digest  digest            `json:"digest,omitzero"`
	Facts   json.RawMessage   `json:"facts"`
	Request *evidence.Request `json:"request,omitempty"`
	Removed []string          `json:"removed,omitempty"`
	RawCut  *cut              `json:"raw_cut,omitempty"`
	TextCut *cut              `json:"text_cut,omitempty"`
}

// cut says what was left out of a claim that was too large to keep whole.
type cut struct {
	Length int           `json:"length"` // bytes before the cut
	HMAC   evidence.Hash `json:"hmac"`   // of the whole, under the log's index key
}

type digest [16]byte

func (d digest) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%x", d[:]), nil }

func (d *digest) UnmarshalText(b []byte) error {
	if len(b) != 32 {
		return fmt.Errorf("digest of %d digits", len(b))
	}
	_, err := hex.Decode(d[:], b)
	return err
}

// macPool makes keyed hashes without setting up the key each time.
type macPool struct{ pool sync.Pool }

func newMACPool(key []byte) *macPool {
	m := &macPool{}
	m.pool.New = func() any { return &macState{pool: m, h: hmac.New(sha256.New, key)} }
	return m
}

// macState is one HMAC at work. Its message is gathered and hashed at once.
type macState struct {
	pool *macPool
	h    hash.Hash
	buf  []byte
	sum  [32]byte
}

func (m *macPool) begin() *macState {
	s := m.pool.Get().(*macState)
	s.buf = s.buf[:0]
	return s
}

// part adds a part of the message, with its length before it.
func (s *macState) part(p string) {
	s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(len(p)))
	s.buf = append(s.buf, p...)
}

// ref adds a reference, as part does its text.
func (s *macState) ref(r evidence.Ref) {
	at := len(s.buf)
	s.buf = r.Append(append(s.buf, 0, 0, 0, 0))
	binary.BigEndian.PutUint32(s.buf[at:], uint32(len(s.buf)-at-4))
}

func (s *macState) bytes(p []byte) {
	s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(len(p)))
	s.buf = append(s.buf, p...)
}

// end returns the HMAC; the state must not be used after it.
func (s *macState) end() [32]byte {
	s.h.Reset()
	s.h.Write(s.buf)
	s.h.Sum(s.sum[:0])
	out := s.sum
	if cap(s.buf) <= 64<<10 { // a rare long message must not be kept for good
		s.pool.pool.Put(s)
	}
	return out
}

// sum returns the HMAC over the parts, each with its length before it.
func (m *macPool) sum(parts ...string) [32]byte {
	s := m.begin()
	for _, p := range parts {
		s.part(p)
	}
	return s.end()
}

func (m *macPool) short(parts ...string) digest {
	s := m.sum(parts...)
	return digest(s[:16])
}

// names makes the keys of the index and of de-duplication.
type names struct {
	index, dedup *macPool
}

func (n names) identity(source evidence.SourceID, kind evidence.Kind, key string) digest {
	return n.dedup.short("event", string(source), string(kind), key)
}

func (n names) state(source evidence.SourceID, kind evidence.Kind, subject evidence.Ref) digest {
	m := n.index.begin()
	m.part("state")
	m.part(string(source))
	m.part(string(kind))
	m.ref(subject)
	h := m.end()
	return digest(h[:16])
}

func (n names) ref(r evidence.Ref) digest {
	m := n.index.begin()
	m.part("ref")
	m.ref(r)
	h := m.end()
	return digest(h[:16])
}

// factsDigest is the digest of what makes a state or a revision: the facts
// without the kind's volatile fields, and who the people are.
func (n names) factsDigest(info evidence.Info, d *evidence.Draft) (digest, error) {
	facts, err := withoutFields(d.Content, info.Volatile)
	if err != nil { // white space between the tokens
		var buf bytes.Buffer
		if err = json.Compact(&buf, d.Content); err == nil {
			facts, err = withoutFields(buf.Bytes(), info.Volatile)
		}
	}
	if err != nil {
		return digest{}, fmt.Errorf("facts of %s: %w", d.Kind, err)
	}
	m := n.dedup.begin()
	m.part("facts")
	m.bytes(facts)
	for _, p := range d.People {
		m.part(string(p.Role))
		m.part(p.Realm)
		m.part(p.NativeID)
	}
	h := m.end()
	return digest(h[:16]), nil
}

// timeKey gives 8 bytes that sort as the times do. Times outside what 64 bits
// of nanoseconds hold sort at the ends.
func timeKey(t time.Time) [8]byte {
	var k [8]byte
	n := t.UnixNano()
	switch y := t.Year(); {
	case y < 1678:
		n = -1 << 63
	case y > 2261:
		n = 1<<63 - 1
	}
	binary.BigEndian.PutUint64(k[:], uint64(n)^1<<63)
	return k
}

// appendString appends s as a JSON string. Bytes that are not UTF-8 stand
// percent-encoded, because a JSON encoder would fold them into one.
func appendString(b []byte, s string) []byte {
	simple := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			simple = false
			break
		}
	}
	if simple {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	if !utf8.ValidString(s) {
		var e []byte
		for len(s) > 0 {
			r, n := utf8.DecodeRuneInString(s)
			if r == utf8.RuneError && n == 1 {
				e = fmt.Appendf(e, "%%%02X", s[0])
			} else {
				e = append(e, s[:n]...)
			}
			s = s[n:]
		}
		s = string(e)
	}
	q, err := json.Marshal(s)
	if err != nil { // a string always marshals
		panic(err)
	}
	return append(b, q...)
}

// encode appends the content's bytes. It is written by hand because it runs
// for every record.
func (c *content) encode(b []byte) ([]byte, error) {
	b = append(b, '{')
	if c.Key != "" {
		b = appendString(append(b, `"key":`...), c.Key)
		b = append(b, ',')
	}
	b = appendRef(append(b, `"subject":`...), c.Subject)
	b = appendRefs(b, `,"links":[`, c.Links)
	b = appendRefs(b, `,"scope":[`, c.Scope)
	if c.Actor != "" {
		b = appendString(append(b, `,"actor":`...), string(c.Actor))
	}
	if c.Digest != (digest{}) {
		b = hex.AppendEncode(append(b, `,"digest":"`...), c.Digest[:])
		b = append(b, '"')
	}
	b = append(append(b, `,"facts":`...), c.Facts...)
	if c.Request != nil {
		b = appendRequest(append(b, `,"request":`...), c.Request)
	}
	if len(c.Removed) > 0 || c.RawCut != nil || c.TextCut != nil {
		return c.encodeRare(b)
	}
	return append(b, '}'), nil
}

// encodeRare appends the members that few contents have, and the end.
func (c *content) encodeRare(b []byte) ([]byte, error) {
	rest, err := json.Marshal(struct {
		Removed []string `json:"removed,omitempty"`
		RawCut  *cut     `json:"raw_cut,omitempty"`
		TextCut *cut     `json:"text_cut,omitempty"`
	}{c.Removed, c.RawCut, c.TextCut})
	if err != nil {
		return nil, err
	}
	return append(append(b, ','), rest[1:]...), nil
}

func appendRefs(b []byte, intro string, refs []evidence.Ref) []byte {
	if len(refs) == 0 {
		return b
	}
	b = append(b, intro...)
	for i, r := range refs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendRef(b, r)
	}
	return append(b, ']')
}

// appendRef appends a reference as a JSON string. Its canonical form needs no
// escaping behind the scheme.
func appendRef(b []byte, r evidence.Ref) []byte {
	for i := 0; i < len(r.Scheme); i++ {
		if c := r.Scheme[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return appendString(b, r.String())
		}
	}
	return append(r.Append(append(b, '"')), '"')
}

// appendRequest appends a request as encoding/json reads it.
func appendRequest(b []byte, r *evidence.Request) []byte {
	sep := byte('{')
	for _, m := range [...]struct{ name, value string }{
		{"method", r.Method}, {"url", r.URL}, {"response", r.Response}, {"agent", r.Agent},
	} {
		if m.value == "" {
			continue
		}
		b = append(append(append(b, sep, '"'), m.name...), '"', ':')
		b = appendString(b, m.value)
		sep = ','
	}
	if sep == '{' {
		b = append(b, '{')
	}
	return append(b, '}')
}

// decode reads what encode wrote. The members that every record has are read
// by hand, because this runs for every record that is shown; a content that
// does not have the plain form goes through encoding/json, with the same
// outcome.
func (c *content) decode(plain []byte) error {
	if c.decodePlain(plain) {
		return nil
	}
	*c = content{}
	return json.Unmarshal(plain, c)
}

// decodePlain reports whether the content had the plain form: members in their
// order, no white space, no escapes. It does not look into the facts: they were
// valid JSON when they were sealed, and the commitment shows that they are
// those.
func (c *content) decodePlain(b []byte) bool {
	s := plainReader{b}
	if !s.skip("{") {
		return false
	}
	var text string
	var ok bool
	if s.skip(`"key":`) {
		if c.Key, ok = s.str(); !ok || !s.skip(",") {
			return false
		}
	}
	if !s.skip(`"subject":`) {
		return false
	}
	if text, ok = s.str(); !ok || c.Subject.UnmarshalText([]byte(text)) != nil {
		return false
	}
	if c.Links, ok = s.refs(`,"links":[`); !ok {
		return false
	}
	if c.Scope, ok = s.refs(`,"scope":[`); !ok {
		return false
	}
	if s.skip(`,"actor":`) {
		if text, ok = s.str(); !ok {
			return false
		}
		c.Actor = evidence.ActorTenant(text)
	}
	if s.skip(`,"digest":`) {
		if text, ok = s.str(); !ok || c.Digest.UnmarshalText([]byte(text)) != nil {
			return false
		}
	}
	if !s.skip(`,"facts":`) {
		return false
	}
	end, err := skipValue(s.b, 0)
	if err != nil || s.b[0] != '{' {
		return false
	}
	c.Facts = json.RawMessage(s.b[:end:end])
	s.b = s.b[end:]
	if s.skip(`,"request":`) {
		if end, err = skipValue(s.b, 0); err != nil {
			return false
		}
		c.Request = &evidence.Request{}
		if json.Unmarshal(s.b[:end], c.Request) != nil {
			return false
		}
		s.b = s.b[end:]
	}
	return string(s.b) == "}"
}

// plainReader reads JSON tokens that need no unescaping from the front of b.
type plainReader struct{ b []byte }

func (s *plainReader) skip(text string) bool {
	if len(s.b) < len(text) || string(s.b[:len(text)]) != text {
		return false
	}
	s.b = s.b[len(text):]
	return true
}

func (s *plainReader) str() (string, bool) {
	if len(s.b) == 0 || s.b[0] != '"' {
		return "", false
	}
	for i, c := range s.b[1:] {
		switch {
		case c == '"':
			v := string(s.b[1 : 1+i])
			s.b = s.b[2+i:]
			return v, true
		case c < ' ' || c >= 0x7f || c == '\\':
			return "", false
		}
	}
	return "", false
}

func (s *plainReader) refs(intro string) ([]evidence.Ref, bool) {
	if !s.skip(intro) {
		return nil, true
	}
	var rs []evidence.Ref
	for {
		text, ok := s.str()
		if !ok {
			return nil, false
		}
		var r evidence.Ref
		if r.UnmarshalText([]byte(text)) != nil {
			return nil, false
		}
		rs = append(rs, r)
		switch {
		case s.skip(","):
		case s.skip("]"):
			return rs, true
		default:
			return nil, false
		}
	}
}
