package evidence

import (
	"fmt"
	"strings"
	"time"
)

// Op says what a record does to its subject.
type Op string

// The four operations.
const (
	OpEvent Op = "event" // something happened
	OpSet   Op = "set"   // a state begins
	OpEnd   Op = "end"   // a state ends
	OpAmend Op = "amend" // a revisable event changed
)

// Valid reports whether o is one of the four.
func (o Op) Valid() bool { return o == OpEvent || o == OpSet || o == OpEnd || o == OpAmend }

// Basis says whose word a time is.
type Basis string

// The three bases.
const (
	BasisSource   Basis = "source"   // the source's own clock
	BasisClaimed  Basis = "claimed"  // somebody wrote it (a commit's dates)
	BasisObserved Basis = "observed" // we saw it then, it may have begun before
)

// Valid reports whether b is one of the three.
func (b Basis) Valid() bool {
	return b == BasisSource || b == BasisClaimed || b == BasisObserved
}

// Proof says how a source knew who a person is.
type Proof string

// The three proofs.
const (
	ProofClaimed       Proof = "claimed"       // a git header, a trailer, a label anybody can write
	ProofSigned        Proof = "signed"        // a signature by a configured signer
	ProofAuthenticated Proof = "authenticated" // the source logged them in
)

// Valid reports whether p is one of the three.
func (p Proof) Valid() bool {
	return p == ProofClaimed || p == ProofSigned || p == ProofAuthenticated
}

// Role is what a person did in a record.
type Role string

// The roles in use.
const (
	RoleAuthor    Role = "author"
	RoleCommitter Role = "committer"
	RoleReviewer  Role = "reviewer"
	RoleMerger    Role = "merger"
	RoleInitiator Role = "initiator"
	RoleReader    Role = "reader" // used a secret store, whatever the operation
	RoleHolder    Role = "holder" // has an access right
	RoleTagger    Role = "tagger"
	RoleSubject   Role = "subject" // the person a person record is about
	RoleActor     Role = "actor"   // acted on evidenced itself
	RoleApprover  Role = "approver"
	RoleMaker     Role = "maker" // of a statement
)

// valid reports whether the role is 1 to 32 of a-z and -, beginning with a
// letter.
func (r Role) valid() bool {
	if r == "" || len(r) > 32 || r[0] == '-' {
		return false
	}
	for i := 0; i < len(r); i++ {
		if c := r[i]; (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return true
}

// Person is one party of a draft, as the source knows it. Realm and NativeID
// together are the identity; Names are what people call it and go into the
// person record alone.
type Person struct {
	Role     Role
	Realm    string // "github:prod", "vault:prod/entity", "git:claimed"
	NativeID string // numeric id, entity id, mail address
	Names    Names
	Proof    Proof
}

// Names are the names of a person at one source. All are optional.
type Names struct {
	Login   string `json:"login,omitempty"`
	Display string `json:"display,omitempty"`
	Mail    string `json:"mail,omitempty"`
	Bot     bool   `json:"bot,omitempty"`    // a machine account
	Shared  bool   `json:"shared,omitempty"` // used by several people
}

// SourceID is the configured name of a source, such as "vault/prod".
type SourceID string

// Authority returns the last part of the name, "prod" of "velero/prod", which
// references of the source's things carry. Sources of one cluster or one server
// share it on purpose: things join by it.
func (s SourceID) Authority() string {
	return string(s)[strings.LastIndexByte(string(s), '/')+1:]
}

// Valid reports whether the name is 1 to 63 of a-z, 0-9, / and -, beginning
// with a letter or digit.
func (s SourceID) Valid() bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'; !letter && (i == 0 || c != '/' && c != '-') {
			return false
		}
	}
	return true
}

// SelfSource is the source of records that evidenced makes about itself.
const SelfSource SourceID = "evidenced"

// Request says how a draft was fetched.
type Request struct {
	Method   string `json:"method,omitempty"`
	URL      string `json:"url,omitempty"`      // without credentials, query kept
	Response string `json:"response,omitempty"` // SHA-256 of the response body, lower-case hex
	Agent    string `json:"agent,omitempty"`    // collector and its version, "github/1"
}

// Draft is one fact a collector hands over, before it is sealed. See
// docs/formats/record.md for the rules of each field.
type Draft struct {
	Kind       Kind
	Op         Op
	Source     SourceID
	Key        string // native stable identity at the source, without content
	Subject    Ref
	People     []Person
	OccurredAt time.Time
	Basis      Basis
	NotBefore  time.Time // the last look that did not show it; zero when unknown
	ObservedAt time.Time
	Links      []Ref // join keys
	Scope      []Ref // what tenancy rules look at: who owns it
	ActorScope []Ref // what tenancy rules look at: who acted; empty when nobody did
	Content    []byte
	Text       []byte   // free text a person wrote
	Raw        []byte   // this item's own bytes as received
	Removed    []string // JSON pointers taken out of Raw, the remover's version first
	Request    Request
	// Mentions say whose the elements of lists in Content are. They are for the
	// way into the logs and stand in no record.
	Mentions []Mention
}

// Mention tells tenancy rules whose the elements of one list of the facts are,
// so that the record of a thing that several tenants share names to each of
// them what is its own. Without a mention a list goes to all of them whole.
type Mention struct {
	// At is the JSON pointer (RFC 6901) of the list in Content, or of an object
	// whose members stand for elements, in ascending order of their names. Lists
	// within a mentioned list may be mentioned too. Without a pointer the elements
	// stand in Scope and Links, and by name in Text, Raw and sentences of Content.
	At string
	// Names are the members by which elements that are objects are called.
	// Elements that are strings are their own name.
	Names []string
	// Of are the references of each element, its own first. It is a tenant's when
	// one of them is, or is the platform's or all are nobody's. An element without
	// any is told to everyone: what the record is about stands on it.
	Of [][]Ref
	// Within, where it is set, is what holds the elements: who owns it owns them.
	Within Ref
	// InRaw says that Raw tells more of the elements than what they are called by:
	// who is not told all of them gets none of it.
	InRaw bool `json:",omitzero"`
	// Own leaves to each tenant its own elements alone: those of the platform and of
	// nobody go too, because that an element is there says something of its owner.
	Own bool `json:",omitzero"`
}

// Limits on what a draft may hold. Raw above MaxInlineRaw is cut by the log to
// its head, length and hash.
const (
	MaxContent   = 256 << 10 // bytes of Content
	MaxText      = 256 << 10 // bytes of Text; longer text is cut and says so
	MaxInlineRaw = 1 << 20   // bytes of Raw kept in the log
	MaxLinks     = 256
	MaxPeople    = 64
	MaxKey       = 512

	// maxStoredRef bounds a reference in a record. References up to MaxRef are
	// the rule; paths of repositories and secrets may be longer.
	maxStoredRef = 16 << 10
)

// Check reports the first rule the draft breaks. A draft that breaks one is
// refused whole: the collector that made it has a defect.
func (d *Draft) Check() error {
	info, ok := KindInfo(d.Kind)
	switch {
	case !ok:
		return fmt.Errorf("draft: unknown kind %q", d.Kind)
	case !d.Op.Valid():
		return fmt.Errorf("draft %s: unknown op %q", d.Kind, d.Op)
	case info.State && (d.Op == OpEvent || d.Op == OpAmend):
		return fmt.Errorf("draft %s: op %s on a kind that is a state", d.Kind, d.Op)
	case !info.State && (d.Op == OpSet || d.Op == OpEnd):
		return fmt.Errorf("draft %s: op %s on a kind that is an event", d.Kind, d.Op)
	case !d.Source.Valid():
		return fmt.Errorf("draft %s: bad source name %q", d.Kind, d.Source)
	case d.Key == "" && !info.State:
		return fmt.Errorf("draft %s: no key", d.Kind)
	case len(d.Key) > MaxKey:
		return fmt.Errorf("draft %s: key of %d bytes, at most %d", d.Kind, len(d.Key), MaxKey)
	case d.Subject.IsZero():
		return fmt.Errorf("draft %s: no subject", d.Kind)
	case d.OccurredAt.IsZero():
		return fmt.Errorf("draft %s: no time", d.Kind)
	case !d.Basis.Valid():
		return fmt.Errorf("draft %s: unknown basis %q", d.Kind, d.Basis)
	case d.ObservedAt.IsZero():
		return fmt.Errorf("draft %s: not observed at any time", d.Kind)
	case len(d.Links) > MaxLinks:
		return fmt.Errorf("draft %s: %d links, at most %d", d.Kind, len(d.Links), MaxLinks)
	case len(d.People) > MaxPeople:
		return fmt.Errorf("draft %s: %d people, at most %d", d.Kind, len(d.People), MaxPeople)
	case len(d.Content) > MaxContent:
		return fmt.Errorf("draft %s: content of %d bytes, at most %d", d.Kind, len(d.Content), MaxContent)
	case !validObject(d.Content):
		return fmt.Errorf("draft %s: content is not a JSON object in UTF-8", d.Kind)
	}
	for _, refs := range [][]Ref{{d.Subject}, d.Links, d.Scope, d.ActorScope} {
		for _, r := range refs {
			// Escaping makes three bytes of one at most.
			if worst := 3*(len(r.Scheme)+len(r.Authority)+len(r.Name)+len(r.UID)) + 3; worst <= maxStoredRef {
				continue
			}
			if n := len(r.String()); n > maxStoredRef {
				return fmt.Errorf("draft %s: reference of %d bytes, at most %d", d.Kind, n, maxStoredRef)
			}
		}
	}
	for _, p := range d.People {
		if !p.Role.valid() || !p.Proof.Valid() || p.Realm == "" || p.NativeID == "" {
			return fmt.Errorf("draft %s: person with role %q, proof %q, realm %q is incomplete", d.Kind, p.Role, p.Proof, p.Realm)
		}
	}
	return nil
}
