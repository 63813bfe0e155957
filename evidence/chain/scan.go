package chain

import (
	"time"

	"evidenced/evidence"
)

// The grammar of a leaf. It is recognised byte by byte, so that a leaf in
// another spelling than Encode's is refused without writing it again: digits,
// times, hex and base64 have one accepted form each, and every text is held to
// the alphabet and length that Leaf.check demands.

// The alphabets, as bits of alphabet.
const (
	isPlain  = 1 << iota // printable ASCII that JSON never escapes
	isKind               // a-z . -
	isRole               // a-z -
	isSource             // a-z 0-9 / -
)

// Lengths at most.
const (
	maxOrigin = 128
	maxKind   = 64
	maxSource = 63
	maxRole   = 32
	maxKeyID  = 64
	maxX      = 1024
	maxWord   = 16 // more than any word of a fixed list
	maxClaims = 3
	maxKV     = 1 << 16
)

// What stands in the tables for a byte that is no digit.
const (
	noDigit  = 0xff
	noDigits = 0xff000000
)

var (
	alphabet [256]uint8
	hexDigit [256]uint8
	b64Digit [4][256]uint32 // by place in a group of four, shifted to where it belongs
)

func init() {
	for c := range alphabet {
		hexDigit[c] = noDigit
		for place := range b64Digit {
			b64Digit[place][c] = noDigits
		}
		c := byte(c)
		lower, digit := c >= 'a' && c <= 'z', c >= '0' && c <= '9'
		for bit, in := range map[uint8]bool{
			isPlain:  c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&',
			isKind:   lower || c == '.' || c == '-',
			isRole:   lower || c == '-',
			isSource: lower || digit || c == '/' || c == '-',
		} {
			if in {
				alphabet[c] |= bit
			}
		}
	}
	for i, c := range []byte("0123456789abcdef") {
		hexDigit[c] = uint8(i)
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		for place := range b64Digit {
			b64Digit[place][c] = uint32(i) << (18 - 6*place)
		}
	}
}

// scanner reads from b at i. After the first error it consumes nothing and
// returns zero values.
type scanner struct {
	b   []byte
	i   int
	bad string // what is wrong; "" while nothing is
}

func (s *scanner) fail(why string) {
	if s.bad == "" {
		s.bad = why
	}
}

// opt consumes the text if it stands there, and says whether it did.
func (s *scanner) opt(text string) bool {
	if s.bad != "" || len(s.b)-s.i < len(text) || string(s.b[s.i:s.i+len(text)]) != text {
		return false
	}
	s.i += len(text)
	return true
}

// lit consumes exactly the text.
func (s *scanner) lit(text string) {
	if !s.opt(text) {
		s.fail("want " + text)
	}
}

// word consumes 1 to most bytes of the alphabet, up to a closing quote, which
// it leaves.
func (s *scanner) word(of uint8, most int) []byte {
	if s.bad != "" {
		return nil
	}
	rest := s.b[s.i:]
	n := 0
	for n+4 <= len(rest) {
		four := (*[4]byte)(rest[n:])
		if alphabet[four[0]]&alphabet[four[1]]&alphabet[four[2]]&alphabet[four[3]]&of == 0 {
			break
		}
		n += 4
	}
	for n < len(rest) && alphabet[rest[n]]&of != 0 {
		n++
	}
	if n == 0 || n > most || n == len(rest) || rest[n] != '"' {
		s.fail("a text with a byte or of a length that is not allowed")
		return nil
	}
	s.i += n
	return rest[:n:n]
}

// num consumes decimal digits without a leading zero, below 2^53.
func (s *scanner) num() uint64 {
	if s.bad != "" {
		return 0
	}
	var n uint64
	rest := s.b[s.i:]
	i := 0
	for ; i < len(rest) && rest[i]-'0' <= 9; i++ {
		n = n*10 + uint64(rest[i]-'0')
		if n >= maxInt {
			s.fail("integer of 2^53 or more")
			return 0
		}
	}
	if i == 0 || i > 1 && rest[0] == '0' {
		s.fail("bad integer")
		return 0
	}
	s.i += i
	return n
}

func (s *scanner) hexHash(h *evidence.Hash) {
	if s.bad != "" {
		return
	}
	if len(s.b)-s.i < 2*len(h) {
		s.fail("bad hash")
		return
	}
	v := (*[2 * len(h)]byte)(s.b[s.i:])
	var wrong uint8
	for i := range h {
		a, b := hexDigit[v[2*i]], hexDigit[v[2*i+1]]
		wrong |= a | b
		h[i] = a<<4 | b&15
	}
	if wrong > 15 {
		s.fail("bad hash")
		return
	}
	s.i += len(v)
}

// quad decodes four base64url digits to 24 bits; a byte that is no digit sets
// bits above them.
func quad(v *[4]byte) uint32 {
	return b64Digit[0][v[0]] | b64Digit[1][v[1]] | b64Digit[2][v[2]] | b64Digit[3][v[3]]
}

// id consumes the one unpadded base64url form of 16 bytes: the bits of the last
// digit that no byte needs are zero.
func (s *scanner) id(id *evidence.ID) {
	const digits = 22
	if s.bad != "" {
		return
	}
	if len(s.b)-s.i < digits {
		s.fail("bad base64url")
		return
	}
	v := (*[digits]byte)(s.b[s.i:])
	var all uint32
	for i := range 5 {
		x := quad((*[4]byte)(v[4*i:]))
		all |= x
		three := (*[3]byte)(id[3*i:])
		three[0], three[1], three[2] = byte(x>>16), byte(x>>8), byte(x)
	}
	x := b64Digit[0][v[20]] | b64Digit[1][v[21]]
	id[15] = byte(x >> 16)
	if (all|x)&noDigits != 0 || x&0xffff != 0 {
		s.fail("bad base64url")
		return
	}
	s.i += digits
}

// hash is id for 32 bytes.
func (s *scanner) hash(h *evidence.Hash) {
	const digits = 43
	if s.bad != "" {
		return
	}
	if len(s.b)-s.i < digits {
		s.fail("bad base64url")
		return
	}
	v := (*[digits]byte)(s.b[s.i:])
	var all uint32
	for i := range 10 {
		x := quad((*[4]byte)(v[4*i:]))
		all |= x
		three := (*[3]byte)(h[3*i:])
		three[0], three[1], three[2] = byte(x>>16), byte(x>>8), byte(x)
	}
	x := b64Digit[0][v[40]] | b64Digit[1][v[41]] | b64Digit[2][v[42]]
	h[30], h[31] = byte(x>>16), byte(x>>8)
	if (all|x)&noDigits != 0 || x&0xff != 0 {
		s.fail("bad base64url")
		return
	}
	s.i += digits
}

// days before each month in a common year.
var daysBefore = [13]int{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365}

// time consumes YYYY-MM-DDTHH:MM:SS[.fraction]Z: a day of the calendar in the
// years 1 to 9999, 1 to 9 fraction digits of which the last is not zero. The
// zero time is refused: it stands for a time that is not said.
func (s *scanner) time() (t time.Time) {
	if s.bad != "" {
		return
	}
	v := s.b[s.i:]
	if len(v) < 20 || v[4] != '-' || v[7] != '-' || v[10] != 'T' || v[13] != ':' || v[16] != ':' {
		s.fail("bad time")
		return
	}
	var wrong bool
	two := func(i int) int {
		a, b := v[i]-'0', v[i+1]-'0'
		wrong = wrong || a > 9 || b > 9
		return int(a)*10 + int(b)
	}
	year := two(0)*100 + two(2)
	month, day, hour, min, sec := two(5), two(8), two(11), two(14), two(17)
	nano, n := 0, 19
	if v[n] == '.' {
		scale := 100_000_000
		for n++; n < len(v) && v[n]-'0' <= 9 && scale > 0; n++ {
			nano += int(v[n]-'0') * scale
			scale /= 10
		}
		wrong = wrong || v[n-1] == '0' || v[n-1] == '.'
	}
	if wrong || n == len(v) || v[n] != 'Z' || month < 1 || month > 12 || hour > 23 || min > 59 || sec > 59 || year < 1 {
		s.fail("bad time")
		return
	}
	last := daysBefore[month] - daysBefore[month-1]
	leap := year%4 == 0 && (year%100 != 0 || year%400 == 0)
	if month == 2 && leap {
		last++
	}
	if day < 1 || day > last {
		s.fail("bad time")
		return
	}
	y := year - 1 // whole years since the first of January of year 1
	days := y*365 + y/4 - y/100 + y/400 + daysBefore[month-1] + day - 1
	if month > 2 && leap {
		days++
	}
	const toUnix = -62135596800 // the zero time in Unix seconds
	t = time.Unix(toUnix+int64(days)*86400+int64(hour*3600+min*60+sec), int64(nano)).UTC()
	if t.IsZero() {
		s.fail("the zero time")
		return time.Time{}
	}
	s.i += n + 1
	return t
}

func (s *scanner) leaf(v *View) {
	s.lit(`{"v":1,"origin":"`)
	v.Origin = s.word(isPlain, maxOrigin)
	s.lit(`","seq":`)
	v.Seq = s.num()
	s.lit(`,"prev":"`)
	s.hexHash(&v.Prev)
	s.lit(`","id":"`)
	s.id(&v.ID)
	s.lit(`","kind":"`)
	v.Kind = s.word(isKind, maxKind)
	s.lit(`","kv":`)
	kv := s.num()
	if s.bad == "" && (kv < 1 || kv > maxKV) {
		s.fail("bad kind version")
	}
	v.Version = int(kv)
	s.lit(`,"op":"`)
	if v.Op = s.word(isRole, maxWord); s.bad == "" && !evidence.Op(v.Op).Valid() {
		s.fail("unknown op")
	}
	s.lit(`","source":"`)
	if v.Source = s.word(isSource, maxSource); s.bad == "" && (v.Source[0] == '/' || v.Source[0] == '-') {
		s.fail("bad source")
	}
	s.lit(`","run":"`)
	s.id(&v.Run)
	s.lit(`","occurred":"`)
	v.Occurred = s.time()
	s.lit(`","basis":"`)
	if v.Basis = s.word(isRole, maxWord); s.bad == "" && !evidence.Basis(v.Basis).Valid() {
		s.fail("unknown basis")
	}
	v.NotBefore = time.Time{}
	if s.opt(`","not_before":"`) {
		v.NotBefore = s.time()
	}
	s.lit(`","observed":"`)
	v.Observed = s.time()
	s.lit(`","recorded":"`)
	if v.Recorded = s.time(); v.Recorded.Nanosecond()%1000 != 0 {
		s.fail("recorded has a fraction of a microsecond")
	}
	s.lit(`"`)
	s.people(v)
	s.claims(v)
	s.at(&v.refs[0], `,"amends":{`, false)
	s.at(&v.refs[1], `,"carries":{`, false)
	s.at(&v.refs[2], `,"from":{`, true)
	v.x = nil
	if s.opt(`,"x":"`) {
		v.x = s.word(isPlain, maxX)
		s.lit(`"`)
	}
	s.lit(`}`)
	if s.bad == "" && s.i < len(s.b) {
		s.fail("bytes after the end")
	}
}

func (s *scanner) people(v *View) {
	v.people, v.nPeople = nil, 0
	if !s.opt(`,"people":[`) {
		return
	}
	start := s.i
	var token evidence.ID
	for s.bad == "" {
		s.person(&token)
		if v.nPeople++; v.nPeople > evidence.MaxPeople {
			s.fail("too many people")
		}
		if !s.opt(`,`) {
			break
		}
	}
	v.people = s.b[start:s.i]
	s.lit(`]`)
}

// person consumes one person.
func (s *scanner) person(token *evidence.ID) (role, proof []byte) {
	s.lit(`{"role":"`)
	role = s.word(isRole, maxRole)
	s.lit(`","token":"`)
	s.id(token)
	s.lit(`","proof":"`)
	proof = s.word(isRole, maxWord)
	s.lit(`"}`)
	if s.bad == "" && !evidence.Proof(proof).Valid() {
		s.fail("unknown proof")
	}
	return role, proof
}

func (s *scanner) claims(v *View) {
	v.nClaims = 0
	s.lit(`,"claims":[`)
	if s.opt(`]`) {
		return
	}
	rank := -1
	for s.bad == "" {
		if v.nClaims == maxClaims {
			s.fail("too many claims")
			return
		}
		c := &v.claims[v.nClaims]
		v.nClaims++
		s.lit(`{"name":"`)
		c.Name = s.word(isRole, maxWord)
		before := rank
		if rank = claimRank(c.Name); s.bad == "" && rank <= before {
			s.fail("an unknown claim, or one out of order")
		}
		s.lit(`","commit":"`)
		s.hash(&c.Commit)
		s.lit(`","sealed":"`)
		s.hash(&c.Sealed)
		s.lit(`","size":`)
		c.Size = int(s.num())
		s.lit(`,"keys":[`)
		start := s.i
		for c.nKeys = 0; s.bad == ""; {
			s.lit(`"`)
			s.word(isPlain, maxKeyID)
			s.lit(`"`)
			c.nKeys++
			if !s.opt(`,`) {
				break
			}
		}
		c.keys = s.b[start:s.i]
		s.lit(`]}`)
		if !s.opt(`,`) {
			break
		}
	}
	s.lit(`]`)
}

// claimRank is the place of a claim's name in ClaimNames; -1 of an unknown one.
func claimRank(name []byte) int {
	for i, n := range ClaimNames {
		if string(name) == n {
			return i
		}
	}
	return -1
}

func (s *scanner) at(at *atView, intro string, origin bool) {
	at.set, at.origin = s.opt(intro), nil
	if !at.set {
		return
	}
	if origin {
		s.lit(`"origin":"`)
		at.origin = s.word(isPlain, maxOrigin)
		s.lit(`",`)
	}
	s.lit(`"seq":`)
	at.seq = s.num()
	s.lit(`,"leaf":"`)
	s.hexHash(&at.leaf)
	s.lit(`"}`)
}
