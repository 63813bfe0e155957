package statement

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"mime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Header is the first line of a statement's text. It keeps a signature over one
// from being taken for a signature over anything else.
const Header = "evidenced-statement/v1"

// Namespace is what SSH signatures over a text are made for: ssh-keygen -Y sign
// -n evidenced-statement.
const Namespace = "evidenced-statement"

// MaxText bounds a statement's text, in bytes.
const MaxText = 32 << 10

// Limits on the parts of a statement.
const (
	maxReason   = 4 << 10 // bytes
	maxAccount  = 320     // bytes of a realm, or of a native id
	maxControls = 20
	maxList     = 100 // tests, records, subjects
	maxMedia    = 100
)

// Lives bound how long a statement may last; a scope statement may have no end.
var lives = map[Type]time.Duration{
	Waiver: 366 * 24 * time.Hour, Scope: 5 * 366 * 24 * time.Hour, Attestation: 2 * 366 * 24 * time.Hour,
}

// Type is what kind of statement it is.
type Type string

// The three types.
const (
	Waiver      Type = "waiver"
	Scope       Type = "scope"
	Attestation Type = "attestation"
)

// Kind returns the kind of the records of such statements; "" for an unknown
// type.
func (t Type) Kind() evidence.Kind {
	switch t {
	case Waiver:
		return evidence.Waiver
	case Scope:
		return evidence.ScopeStatement
	case Attestation:
		return evidence.Attestation
	}
	return ""
}

// Command is what people call the command for such statements by.
func (t Type) Command() string {
	if t == Attestation {
		return "attest"
	}
	return string(t)
}

// Account is a person as a source knows them.
type Account struct{ Realm, NativeID string }

// ParseAccount reads REALM|NATIVEID.
func ParseAccount(s string) (Account, error) {
	realm, id, ok := strings.Cut(s, "|")
	a := Account{realm, id}
	if !ok || a.check() != nil {
		return Account{}, fmt.Errorf("%.80q is no account: want realm and native id, such as github:prod|8231", s)
	}
	return a, nil
}

func (a Account) String() string { return a.Realm + "|" + a.NativeID }

func (a Account) check() error {
	for _, s := range []string{a.Realm, a.NativeID} {
		if s == "" || len(s) > maxAccount || strings.TrimSpace(s) != s || !plain(s) || strings.ContainsRune(s, '\n') {
			return fmt.Errorf("an account has a realm and a native id of at most %d plain bytes each", maxAccount)
		}
	}
	if strings.ContainsRune(a.Realm, '|') {
		return fmt.Errorf("a realm holds no |")
	}
	return nil
}

// Document names a document by its bytes.
type Document struct {
	SHA256 evidence.Hash
	Size   int64 // bytes
	Media  string
}

// Statement is what a person says. Its text is what is signed.
type Statement struct {
	Type     Type
	Tenant   evidence.Tenant
	Origin   string // of the tenant's log: the text counts nowhere else
	Name     string
	Made     time.Time
	Maker    Account
	Controls []evidence.ControlID
	Tests    []evidence.WaivedTest // of a waiver
	Records  []uint64              // of a waiver: items that failed; ascending
	Subjects []evidence.Ref        // of a waiver: what items are about; sorted by text
	From     time.Time             // zero: from its record on
	Until    time.Time             // zero: no end
	Document *Document             // of an attestation
	Reason   string                // lines are told apart by \n
}

// Text writes the statement: lines of UTF-8, each ended by one newline, in a
// fixed order, those without a value left out.
//
//	evidenced-statement/v1
//	type: waiver | scope | attestation
//	tenant: NAME
//	log: ORIGIN
//	name: NAME
//	made: TIME
//	maker: REALM|NATIVEID
//	control: ID              one, or of a waiver or an attestation more
//	test: ID RULE            of a waiver; the SHA-256 of the rule, lower-case hex
//	record: NUMBER           of a waiver
//	subject: REF             of a waiver
//	from: TIME
//	until: TIME
//	document: SHA256 SIZE MEDIATYPE
//	reason:
//	 every line of the reason, behind one space
//
// Times are RFC 3339 in UTC, whole seconds.
func (s *Statement) Text() []byte {
	var b bytes.Buffer
	line := func(key, format string, args ...any) {
		b.WriteString(key + ": ")
		fmt.Fprintf(&b, format, args...)
		b.WriteByte('\n')
	}
	b.WriteString(Header + "\n")
	line("type", "%s", s.Type)
	line("tenant", "%s", s.Tenant)
	line("log", "%s", s.Origin)
	line("name", "%s", s.Name)
	line("made", "%s", stamp(s.Made))
	line("maker", "%s", s.Maker)
	for _, c := range s.Controls {
		line("control", "%s", c)
	}
	for _, t := range s.Tests {
		line("test", "%s %s", t.Test, t.Rule)
	}
	for _, n := range s.Records {
		line("record", "%d", n)
	}
	for _, r := range s.Subjects {
		line("subject", "%s", r)
	}
	if !s.From.IsZero() {
		line("from", "%s", stamp(s.From))
	}
	if !s.Until.IsZero() {
		line("until", "%s", stamp(s.Until))
	}
	if d := s.Document; d != nil {
		line("document", "%s %d %s", d.SHA256, d.Size, d.Media)
	}
	b.WriteString("reason:\n")
	for l := range strings.SplitSeq(s.Reason, "\n") {
		b.WriteString(" " + l + "\n")
	}
	return b.Bytes()
}

// Hash identifies the statement: SHA-256 of its text.
func (s *Statement) Hash() evidence.Hash { return sha256.Sum256(s.Text()) }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Parse reads a text and refuses every other than [Statement.Text] writes, so
// that one statement has one text. The error names the line.
func Parse(text []byte) (*Statement, error) {
	if len(text) > MaxText {
		return nil, refuse("the text has %d bytes, at most %d are read", len(text), MaxText)
	}
	head, reason, ok := bytes.Cut(text, []byte("\nreason:\n"))
	lines := strings.Split(string(head), "\n")
	if lines[0] != Header {
		return nil, refuse("line 1 is not %q", Header)
	}
	if !ok {
		return nil, refuse("there is no line \"reason:\"")
	}
	s := &Statement{}
	for i, l := range lines[1:] {
		key, value, ok := strings.Cut(l, ": ")
		if !ok {
			return nil, refuse("line %d: want NAME: VALUE", i+2)
		}
		if err := s.take(key, value); err != nil {
			return nil, refuse("line %d: %s: %v", i+2, clean(key), err)
		}
	}
	var why []string
	for l := range strings.SplitSeq(strings.TrimSuffix(string(reason), "\n"), "\n") {
		rest, ok := strings.CutPrefix(l, " ")
		if !ok {
			return nil, refuse("line %d: a line of the reason begins with a space", len(lines)+len(why)+2)
		}
		why = append(why, rest)
	}
	s.Reason = strings.Join(why, "\n")
	if err := s.Check(); err != nil {
		return nil, err
	}
	if !bytes.Equal(s.Text(), text) {
		return nil, refuse("the text is not as evidenced writes it: lines are missing, twice or in another order, or a value is written another way")
	}
	return s, nil
}

// clean makes a part of a text that failed fit for an error.
func clean(s string) string { return fmt.Sprintf("%.40q", s) }

func refuse(format string, args ...any) error {
	return problem.New(problem.Refused, "statement: "+format, args...).
		WithHint("draft it again and sign exactly the bytes that were written")
}

// take reads one line.
func (s *Statement) take(key, value string) (err error) {
	switch key {
	case "type":
		s.Type = Type(value)
	case "tenant":
		s.Tenant, err = evidence.ParseTenant(value)
	case "log":
		s.Origin = value
	case "name":
		s.Name = value
	case "made":
		s.Made, err = parseStamp(value)
	case "maker":
		s.Maker, err = ParseAccount(value)
	case "control":
		s.Controls = append(s.Controls, evidence.ControlID(value))
	case "test":
		id, rule, _ := strings.Cut(value, " ")
		var h evidence.Hash
		h, err = evidence.ParseHash(rule)
		s.Tests = append(s.Tests, evidence.WaivedTest{Test: id, Rule: h})
	case "record":
		var n uint64
		n, err = strconv.ParseUint(value, 10, 53)
		s.Records = append(s.Records, n)
	case "subject":
		var r evidence.Ref
		r, err = evidence.ParseRef(value)
		s.Subjects = append(s.Subjects, r)
	case "from":
		s.From, err = parseStamp(value)
	case "until":
		s.Until, err = parseStamp(value)
	case "document":
		s.Document, err = parseDocument(value)
	default:
		return fmt.Errorf("there is no such line")
	}
	return err
}

func parseStamp(v string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, v)
	if err != nil || stamp(t) != v {
		return t, fmt.Errorf("%.40q is no time that exists, in UTC and whole seconds such as 2026-12-31T00:00:00Z", v)
	}
	return t, nil
}

func parseDocument(v string) (*Document, error) {
	parts := strings.SplitN(v, " ", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("want SHA256 SIZE MEDIATYPE")
	}
	d := &Document{Media: parts[2]}
	var err error
	if d.SHA256, err = evidence.ParseHash(parts[0]); err != nil {
		return nil, err
	}
	if d.Size, err = strconv.ParseInt(parts[1], 10, 53); err != nil {
		return nil, fmt.Errorf("%.40q is no size", parts[1])
	}
	return d, nil
}

// Check reports the first thing about the statement that cannot be. What the
// clock, the log and the catalog have to say is asked by [Book.Acceptable].
func (s *Statement) Check() error {
	bad := func(format string, args ...any) error {
		return problem.New(problem.Usage, format, args...)
	}
	life, known := lives[s.Type]
	switch {
	case !known:
		return bad("%.40q is no type of statement: want waiver, scope or attestation", s.Type)
	case s.Tenant.IsZero():
		return bad("the %s names no tenant", s.Type)
	case s.Tenant == evidence.Unassigned:
		return bad("%s is judged by no control: nothing is said about it", s.Tenant)
	case s.Origin == "" || len(s.Origin) > 200 || !plain(s.Origin) || strings.ContainsAny(s.Origin, " \n"):
		return bad("the %s names no log", s.Type)
	case !validName(s.Name):
		return bad("%.80q is no name: want 1 to 63 of a-z, 0-9 and -, beginning with a letter or digit", s.Name)
	}
	if err := s.Maker.check(); err != nil {
		return bad("maker: %v", err)
	}
	for _, t := range []struct {
		key string
		at  time.Time
	}{{"made", s.Made}, {"from", s.From}, {"until", s.Until}} {
		if !t.at.IsZero() && (t.at.Year() < 2000 || t.at.Year() > 2250 || t.at.Nanosecond() != 0) || t.key == "made" && t.at.IsZero() {
			return bad("%s: want a time of this age, in whole seconds", t.key)
		}
	}
	begin := s.Made
	if s.From.After(begin) {
		begin = s.From
	}
	switch {
	case s.Until.IsZero() && s.Type != Scope:
		return bad("the %s has no end", s.Type).(*problem.Problem).WithHint("give --until: it is at most %s ahead", days(life))
	case !s.From.IsZero() && !s.Until.IsZero() && !s.From.Before(s.Until):
		return bad("the period is empty or upside down: from %s until %s", stamp(s.From), stamp(s.Until))
	case !s.Until.IsZero() && !s.Made.Before(s.Until):
		return bad("it would end at %s, before it was made at %s", stamp(s.Until), stamp(s.Made))
	case !s.Until.IsZero() && s.Until.Sub(begin) > life:
		return bad("it would last until %s, %s lasts at most %s", stamp(s.Until), s.Type.a(), days(life))
	}
	if err := s.checkReach(); err != nil {
		return bad("%v", err)
	}
	if err := checkReason(s.Reason); err != nil {
		return bad("reason: %v", err)
	}
	return nil
}

func (t Type) a() string {
	if t == Attestation {
		return "an " + string(t)
	}
	return "a " + string(t)
}

func days(d time.Duration) string { return fmt.Sprintf("%d days", d/(24*time.Hour)) }

// checkReach looks at what the statement is about.
func (s *Statement) checkReach() error {
	waiver := len(s.Tests)+len(s.Records)+len(s.Subjects) > 0
	switch {
	case len(s.Controls) == 0:
		return fmt.Errorf("no control is named")
	case len(s.Controls) > 1 && s.Type == Scope:
		return fmt.Errorf("%s is about one control", s.Type.a())
	case len(s.Controls) > maxControls:
		return fmt.Errorf("%d controls, at most %d", len(s.Controls), maxControls)
	case s.Type == Waiver && len(s.Tests) == 0:
		return fmt.Errorf("a waiver names the tests whose failures it accepts")
	case s.Type != Waiver && waiver:
		return fmt.Errorf("%s names no tests, records or subjects", s.Type.a())
	case len(s.Tests) > maxList || len(s.Records) > maxList || len(s.Subjects) > maxList:
		return fmt.Errorf("at most %d tests, records and subjects each", maxList)
	case s.Type != Attestation && s.Document != nil:
		return fmt.Errorf("%s has no document", s.Type.a())
	}
	for i, c := range s.Controls {
		if !validID(string(c)) || slices.Contains(s.Controls[:i], c) {
			return fmt.Errorf("control %.80q is no id, or there twice", c)
		}
	}
	for i, t := range s.Tests {
		if !validID(t.Test) || t.Rule.IsZero() || slices.ContainsFunc(s.Tests[:i], func(x evidence.WaivedTest) bool { return x.Test == t.Test }) {
			return fmt.Errorf("test %.80q is no id with its rule, or there twice", t.Test)
		}
	}
	for i := 1; i < len(s.Records); i++ {
		if s.Records[i] <= s.Records[i-1] {
			return fmt.Errorf("record %d is out of order or there twice", s.Records[i])
		}
	}
	for i, r := range s.Subjects {
		if r.IsZero() || len(r.String()) > evidence.MaxRef || i > 0 && r.String() <= s.Subjects[i-1].String() {
			return fmt.Errorf("subject %.80q is empty, too long, out of order or there twice", r)
		}
	}
	return s.Document.check()
}

func (d *Document) check() error {
	if d == nil {
		return nil
	}
	kind, params, err := mime.ParseMediaType(d.Media)
	switch {
	case d.SHA256.IsZero() || d.Size <= 0:
		return fmt.Errorf("the document is empty")
	case err != nil || len(params) > 0 || kind != d.Media || !strings.Contains(kind, "/") || len(kind) > maxMedia:
		return fmt.Errorf("%.80q is no media type such as application/pdf", d.Media)
	}
	return nil
}

func validName(s string) bool { return len(s) <= 63 && validID(s) }

// validID reports whether s is 1 to 128 of a-z, 0-9 and -, beginning with a
// letter or digit, as ids of a catalog are.
func validID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && (i == 0 || c != '-') {
			return false
		}
	}
	return true
}

// checkReason lets every script through and nothing that would show a reader
// something else than is signed.
func checkReason(s string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return fmt.Errorf("there is none")
	case len(s) > maxReason:
		return fmt.Errorf("%d bytes, at most %d", len(s), maxReason)
	case !plain(s):
		return fmt.Errorf("control characters, marks that change the direction of text, or bytes that are no UTF-8: whoever reads it might not see what is signed")
	case strings.TrimSpace(s) != s:
		return fmt.Errorf("it begins or ends with space")
	}
	return nil
}

// plain reports whether a text is UTF-8 without control and format characters
// but newlines. The joiners of Indic and Persian words and of emoji may stand.
func plain(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		switch {
		case r == '\n', r == '\u200c', r == '\u200d':
		case r == utf8.RuneError, unicode.Is(unicode.C, r), r == '\u2028', r == '\u2029':
			return false
		}
	}
	return true
}
