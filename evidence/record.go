package evidence

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"
)

// Hash is a SHA-256 hash: of a leaf (RFC 6962), of a file, of a ciphertext.
type Hash [32]byte

// String returns 64 lower-case hex digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h is all zero.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(b []byte) error {
	p, err := ParseHash(string(b))
	if err != nil {
		return err
	}
	*h = p
	return nil
}

// ParseHash reads 64 lower-case hex digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 64 {
		return h, fmt.Errorf("hash of %d digits, want 64", len(s))
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return h, fmt.Errorf("hash %q: want lower-case hex", s)
		}
	}
	_, err := hex.Decode(h[:], []byte(s))
	return h, err
}

// ID is 16 random bytes: a record's identity, a person's token, a run.
type ID [16]byte

// String returns 22 characters of unpadded base64url.
func (i ID) String() string { return base64.RawURLEncoding.EncodeToString(i[:]) }

// IsZero reports whether i is all zero.
func (i ID) IsZero() bool { return i == ID{} }

// MarshalText implements encoding.TextMarshaler.
func (i ID) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *ID) UnmarshalText(b []byte) error {
	p, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*i = p
	return nil
}

// ParseID reads 22 characters of unpadded base64url.
func ParseID(s string) (ID, error) {
	var id ID
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("id %q: want 22 characters of base64url", s)
	}
	copy(id[:], b)
	return id, nil
}

// Party is a person in a record: role, token of this log, proof. Facts name
// people by their index in Record.People, never by name.
type Party struct {
	Role  Role  `json:"role"`
	Token ID    `json:"token"`
	Proof Proof `json:"proof"`
}

// At points at an earlier record of a log.
type At struct {
	Origin string `json:"origin,omitempty"` // empty: the same log
	Seq    uint64 `json:"seq"`
	Leaf   Hash   `json:"leaf"`
}

// Record is one sealed entry of a tenant's log, its content claim opened.
type Record struct {
	Seq       uint64    `json:"seq"`
	Leaf      Hash      `json:"leaf"` // RFC 6962 leaf hash
	ID        ID        `json:"id"`
	Kind      Kind      `json:"kind"`
	Version   int       `json:"kv"`
	Op        Op        `json:"op"`
	Source    SourceID  `json:"source"`
	Run       ID        `json:"run"`
	Occurred  time.Time `json:"occurred"`
	Basis     Basis     `json:"basis"`
	NotBefore time.Time `json:"not_before,omitzero"`
	Observed  time.Time `json:"observed"`
	Recorded  time.Time `json:"recorded"`
	People    []Party   `json:"people,omitempty"`
	Amends    *At       `json:"amends,omitempty"`
	Carries   *At       `json:"carries,omitempty"`
	From      *At       `json:"from,omitempty"`

	// From the content claim.
	Key     string          `json:"key,omitempty"`
	Subject Ref             `json:"subject"`
	Links   []Ref           `json:"links,omitempty"`
	Scope   []Ref           `json:"scope,omitempty"`
	Actor   ActorTenant     `json:"actor_tenant,omitempty"`
	Facts   json.RawMessage `json:"facts,omitempty"`
	Request *Request        `json:"request,omitempty"`

	// From the text and raw claims, when asked for.
	Text []byte `json:"-"`
	Raw  []byte `json:"-"`

	// Closed names the claims that could not be opened, and why.
	Closed map[string]string `json:"closed,omitempty"`
}

// ActorTenant says whether the actor of a record belongs to the log's own
// tenant, without naming any other.
type ActorTenant string

// The answers.
const (
	ActorNone     ActorTenant = ""         // nobody acted, or the source does not say
	ActorOwn      ActorTenant = "own"      // the log's own tenant
	ActorOther    ActorTenant = "other"    // another tenant
	ActorPlatform ActorTenant = "platform" // the platform's own people and machines
	ActorUnknown  ActorTenant = "unknown"  // no tenancy rule knows the actor
)

// Decode decodes the facts of r into dst, a pointer to the kind's facts type.
func (r *Record) Decode(dst any) error {
	if len(r.Facts) == 0 {
		return fmt.Errorf("record %d (%s): content is closed", r.Seq, r.Kind)
	}
	if err := json.Unmarshal(r.Facts, dst); err != nil {
		return fmt.Errorf("record %d (%s): facts: %w", r.Seq, r.Kind, err)
	}
	return nil
}

// Holds reports whether the subject or the links of r name the thing. A ref
// without uid also names a subject of that name, whatever its uid: most links
// are made by those who know a name alone.
func (r *Record) Holds(ref Ref) bool {
	return r.Subject == ref || ref.UID == "" && r.Subject.WithUID("") == ref || slices.Contains(r.Links, ref)
}

// PeopleIn returns the parties with the role.
func (r *Record) PeopleIn(role Role) []Party {
	var ps []Party
	for _, p := range r.People {
		if p.Role == role {
			ps = append(ps, p)
		}
	}
	return ps
}

// Identity is who a person token stands for, from the log's person records.
type Identity struct {
	Token    ID
	Realm    string
	NativeID string
	Names    Names
	Erased   bool // the keys are gone by an erasure record of the log
}

// Label returns the best short name: login, display name, mail, native id; for
// an erased person the word erased and the token's start.
func (i Identity) Label() string {
	switch {
	case i.Erased:
		return "erased person " + i.Token.String()[:6]
	case i.Names.Login != "":
		return i.Names.Login
	case i.Names.Display != "":
		return i.Names.Display
	case i.Names.Mail != "":
		return i.Names.Mail
	case i.NativeID != "":
		return i.NativeID
	}
	return "unknown person " + i.Token.String()[:6]
}

// Query selects records of one log. The zero value selects all, in order of
// occurrence.
type Query struct {
	Kinds    []Kind // empty: all kinds
	Source   SourceID
	Period   Period // by Occurred; zero: all time
	Subject  Ref
	Link     Ref // records that Holds says yes of
	Person   ID
	Op       Op // "": whatever it says
	FromSeq  uint64
	BySeq    bool // in log order, not by Occurred
	Backward bool // newest first
	Limit    int  // 0: no limit
	WithText bool // open the text claim too
	WithRaw  bool // open the raw claim too
}

// Reader reads one tenant's log as it stood at Size records: a snapshot, so
// that an answer made of several reads agrees with itself. It may be used by
// several goroutines.
type Reader interface {
	Tenant() Tenant
	Origin() string
	// Simulated reports whether the log's genesis says that its clock and its
	// sources were simulated.
	Simulated() bool
	Size() uint64
	// Records yields the records that match. Iteration stops at the first
	// error, which is yielded with a zero Record.
	Records(ctx context.Context, q Query) iter.Seq2[Record, error]
	// States yields, for every subject of the kind, the state in force at the
	// instant: its newest set not followed by an end at or before at.
	States(ctx context.Context, kind Kind, at time.Time) iter.Seq2[Record, error]
	// Record returns the record with the sequence number, all claims opened.
	Record(ctx context.Context, seq uint64) (Record, error)
	// Identity returns who a token stands for. An unknown token is an error;
	// an erased one is not.
	Identity(ctx context.Context, token ID) (Identity, error)
}
