package chain

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"evidenced/evidence"
)

// scanner reads the fixed form of a leaf from the front of rest. After the
// first error it consumes nothing and returns zero values.
type scanner struct {
	rest []byte
	err  error
}

func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

// lit consumes exactly the text.
func (s *scanner) lit(text string) {
	if s.err != nil {
		return
	}
	if len(s.rest) < len(text) || string(s.rest[:len(text)]) != text {
		s.fail("want %s", text)
		return
	}
	s.rest = s.rest[len(text):]
}

// opt consumes the text if it stands there, and says whether it did.
func (s *scanner) opt(text string) bool {
	if s.err != nil || len(s.rest) < len(text) || string(s.rest[:len(text)]) != text {
		return false
	}
	s.rest = s.rest[len(text):]
	return true
}

// str consumes up to the closing quote, which it leaves.
func (s *scanner) str() []byte {
	if s.err != nil {
		return nil
	}
	for i, c := range s.rest {
		if c == '"' {
			v := s.rest[:i]
			s.rest = s.rest[i:]
			return v
		}
		if c <= ' ' || c >= 0x7f || c == '\\' {
			s.fail("byte %#02x in a string", c)
			return nil
		}
	}
	s.fail("string without end")
	return nil
}

// num consumes decimal digits without a leading zero, below 2^53.
func (s *scanner) num() uint64 {
	if s.err != nil {
		return 0
	}
	var n uint64
	i := 0
	for ; i < len(s.rest) && s.rest[i] >= '0' && s.rest[i] <= '9'; i++ {
		n = n*10 + uint64(s.rest[i]-'0')
		if n >= maxInt {
			s.fail("integer of 2^53 or more")
			return 0
		}
	}
	if i == 0 || i > 1 && s.rest[0] == '0' {
		s.fail("bad integer")
		return 0
	}
	s.rest = s.rest[i:]
	return n
}

func (s *scanner) hexHash() (h evidence.Hash) {
	v := s.str()
	if s.err != nil {
		return
	}
	if len(v) != 64 {
		s.fail("hash of %d digits, want 64", len(v))
		return
	}
	if _, err := hex.Decode(h[:], v); err != nil {
		s.fail("hash is not hex")
	}
	return
}

func (s *scanner) b64(dst []byte) {
	v := s.str()
	if s.err != nil {
		return
	}
	if base64.RawURLEncoding.DecodedLen(len(v)) != len(dst) {
		s.fail("base64url of %d characters", len(v))
		return
	}
	var buf [48]byte
	if _, err := base64.RawURLEncoding.Strict().Decode(buf[:], v); err != nil {
		s.fail("bad base64url")
		return
	}
	copy(dst, buf[:])
}

func (s *scanner) time() time.Time {
	v := s.str()
	if s.err != nil {
		return time.Time{}
	}
	t, ok := parseTime(v)
	if !ok {
		s.fail("bad time %q", v)
	}
	return t
}

// parseTime reads YYYY-MM-DDTHH:MM:SS[.fraction]Z with 1 to 9 fraction digits,
// the last not zero. It checks what time.Date would silently normalise.
func parseTime(v []byte) (time.Time, bool) {
	if len(v) < 20 || v[len(v)-1] != 'Z' || v[4] != '-' || v[7] != '-' || v[10] != 'T' || v[13] != ':' || v[16] != ':' {
		return time.Time{}, false
	}
	ok := true
	two := func(i int) int {
		a, b := v[i]-'0', v[i+1]-'0'
		ok = ok && a <= 9 && b <= 9
		return int(a)*10 + int(b)
	}
	year := two(0)*100 + two(2)
	month, day, hour, min, sec := two(5), two(8), two(11), two(14), two(17)
	nano := 0
	if f := v[19 : len(v)-1]; len(f) > 0 {
		if f[0] != '.' || len(f) < 2 || len(f) > 10 || f[len(f)-1] == '0' {
			return time.Time{}, false
		}
		scale := 100_000_000
		for _, c := range f[1:] {
			if c < '0' || c > '9' {
				return time.Time{}, false
			}
			nano += int(c-'0') * scale
			scale /= 10
		}
	}
	if !ok || month < 1 || month > 12 || day < 1 || hour > 23 || min > 59 || sec > 59 || year < 1 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, min, sec, nano, time.UTC)
	return t, t.Day() == day
}

func (s *scanner) leaf() *Leaf {
	l := &Leaf{}
	s.lit(`{"v":1,"origin":"`)
	l.Origin = string(s.str())
	s.lit(`","seq":`)
	l.Seq = s.num()
	s.lit(`,"prev":"`)
	l.Prev = s.hexHash()
	s.lit(`","id":"`)
	s.b64(l.ID[:])
	s.lit(`","kind":"`)
	l.Kind = evidence.Kind(s.str())
	s.lit(`","kv":`)
	l.Version = int(s.num())
	s.lit(`,"op":"`)
	l.Op = evidence.Op(s.str())
	s.lit(`","source":"`)
	l.Source = evidence.SourceID(s.str())
	s.lit(`","run":"`)
	s.b64(l.Run[:])
	s.lit(`","occurred":"`)
	l.Occurred = s.time()
	s.lit(`","basis":"`)
	l.Basis = evidence.Basis(s.str())
	if s.opt(`","not_before":"`) {
		l.NotBefore = s.time()
	}
	s.lit(`","observed":"`)
	l.Observed = s.time()
	s.lit(`","recorded":"`)
	l.Recorded = s.time()
	s.lit(`"`)
	s.people(l)
	s.claims(l)
	l.Amends = s.at(`,"amends":{`, false)
	l.Carries = s.at(`,"carries":{`, false)
	l.From = s.at(`,"from":{`, true)
	if s.opt(`,"x":"`) {
		l.X = string(s.str())
		s.lit(`"`)
	}
	s.lit(`}`)
	if s.err == nil && len(s.rest) > 0 {
		s.fail("%d bytes after the end", len(s.rest))
	}
	return l
}

func (s *scanner) people(l *Leaf) {
	if !s.opt(`,"people":[`) {
		return
	}
	for s.err == nil {
		var p evidence.Party
		s.lit(`{"role":"`)
		p.Role = evidence.Role(s.str())
		s.lit(`","token":"`)
		s.b64(p.Token[:])
		s.lit(`","proof":"`)
		p.Proof = evidence.Proof(s.str())
		s.lit(`"}`)
		l.People = append(l.People, p)
		if !s.opt(`,`) {
			break
		}
	}
	s.lit(`]`)
}

func (s *scanner) claims(l *Leaf) {
	s.lit(`,"claims":[`)
	if s.opt(`]`) {
		return
	}
	for s.err == nil {
		var c Claim
		s.lit(`{"name":"`)
		c.Name = string(s.str())
		s.lit(`","commit":"`)
		s.b64(c.Commit[:])
		s.lit(`","sealed":"`)
		s.b64(c.Sealed[:])
		s.lit(`","size":`)
		c.Size = int(s.num())
		s.lit(`,"keys":[`)
		for s.err == nil {
			s.lit(`"`)
			c.Keys = append(c.Keys, string(s.str()))
			s.lit(`"`)
			if !s.opt(`,`) {
				break
			}
		}
		s.lit(`]}`)
		l.Claims = append(l.Claims, c)
		if !s.opt(`,`) {
			break
		}
	}
	s.lit(`]`)
}

func (s *scanner) at(intro string, origin bool) *evidence.At {
	if !s.opt(intro) {
		return nil
	}
	at := &evidence.At{}
	if origin {
		s.lit(`"origin":"`)
		at.Origin = string(s.str())
		s.lit(`",`)
	}
	s.lit(`"seq":`)
	at.Seq = s.num()
	s.lit(`,"leaf":"`)
	at.Leaf = s.hexHash()
	s.lit(`"}`)
	return at
}
