// Package people tells which accounts a tenant's log knows and which of them
// are one person: the register, and what one person did.
//
// Accounts are one person by an approved identity.link record alone. A shared
// name is told as a reason to ask, and never counts.
package people

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// Sort says what an account is.
type Sort string

// The sorts, in the order of the register. An account of a machine or of
// several people is that even when it is linked.
const (
	Linked   Sort = "linked"
	Unlinked Sort = "not linked"
	Shared   Sort = "shared"
	Bot      Sort = "machine"
	Erased   Sort = "erased"
)

var sorts = []Sort{Linked, Unlinked, Shared, Bot, Erased}

// Account is one account that the log knows.
type Account struct {
	Token    evidence.ID `json:"token"`
	Realm    string      `json:"realm,omitempty"`
	NativeID string      `json:"native_id,omitempty"`
	Label    string      `json:"name"`
	Sort     Sort        `json:"sort"`
	Group    int         `json:"person"` // accounts of one person have one number
	Since    time.Time   `json:"known_since"`
	Seq      uint64      `json:"record"`                       // its person record, the newest
	Links    []Link      `json:"links,omitempty"`              // in force, and those that ended
	Maybe    []string    `json:"shares_a_name_with,omitempty"` // accounts it is not linked with
}

// ID gives realm and native id, as commands take them.
func (a *Account) ID() string {
	if a.Sort == Erased {
		return a.Label
	}
	return a.Realm + "|" + a.NativeID
}

// Link is a link of an account with another, as somebody approved.
type Link struct {
	With     string    `json:"with"`
	Approver string    `json:"approved_by"`
	By       string    `json:"asked_by_uid"`
	At       time.Time `json:"at"`
	Seq      uint64    `json:"record"`
	End      bool      `json:"ended,omitempty"` // this record ended the link
	Force    bool      `json:"in_force"`
}

// Register is all of them; as JSON it is the document of the command.
type Register struct {
	Sentence string          `json:"answer"`
	Tenant   evidence.Tenant `json:"tenant"`
	Origin   string          `json:"origin"`
	Size     uint64          `json:"as_known_at_size"`
	Demo     bool            `json:"demonstration,omitempty"`
	Persons  int             `json:"persons"` // groups of accounts, neither shared nor of machines nor erased
	Accounts []Account       `json:"accounts"`

	identities map[evidence.ID]evidence.Identity
	links      *evidence.PersonLinks
}

// Load reads the register of a log as it stands.
func Load(ctx context.Context, r evidence.Reader) (*Register, error) {
	g := &Register{
		Tenant: r.Tenant(), Origin: r.Origin(), Size: r.Size(), Demo: r.Simulated(), Accounts: []Account{}, identities: map[evidence.ID]evidence.Identity{},
	}
	var err error
	if g.links, err = evidence.LoadPersonLinks(ctx, r); err != nil {
		return nil, fmt.Errorf("people of %s: %w", g.Tenant, err)
	}
	place := map[evidence.ID]int{}
	for rec, err := range r.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.PersonKnown}}) {
		if err != nil {
			return nil, fmt.Errorf("people of %s: %w", g.Tenant, err)
		}
		token, ok := tokenOf(&rec)
		if !ok {
			continue
		}
		i, known := place[token]
		if !known {
			id, err := r.Identity(ctx, token)
			if err != nil {
				return nil, fmt.Errorf("people of %s: %w", g.Tenant, err)
			}
			g.identities[token] = id
			i = len(g.Accounts)
			place[token] = i
			g.Accounts = append(g.Accounts, Account{Token: token, Realm: id.Realm, NativeID: id.NativeID, Label: id.Label(), Since: rec.Occurred})
		}
		g.Accounts[i].Seq = max(g.Accounts[i].Seq, rec.Seq)
	}
	g.sort()
	g.maybe()
	g.speak()
	return g, nil
}

// tokenOf returns whom a person record is about. Of an erased person the
// content is closed, and the party in the leaf alone is left.
func tokenOf(rec *evidence.Record) (evidence.ID, bool) {
	if token, err := evidence.ParseID(rec.Subject.Name); err == nil {
		return token, true
	}
	if len(rec.People) == 1 {
		return rec.People[0].Token, true
	}
	return evidence.ID{}, false
}

// sort says what each account is, numbers the persons and puts accounts in
// order.
func (g *Register) sort() {
	number := map[evidence.ID]int{}
	next := 1
	for i := range g.Accounts {
		a := &g.Accounts[i]
		id := g.identities[a.Token]
		all := g.links.All(a.Token, time.Time{})
		switch {
		case id.Erased:
			a.Sort = Erased
		case id.Names.Bot:
			a.Sort = Bot
		case id.Names.Shared:
			a.Sort = Shared
		case len(all) > 1:
			a.Sort = Linked
		default:
			a.Sort = Unlinked
		}
		if number[a.Token] == 0 {
			for _, t := range all {
				number[t] = next
			}
			if a.Sort == Linked || a.Sort == Unlinked {
				g.Persons++
			}
			next++
		}
		a.Group = number[a.Token]
		a.Links = g.linksOf(a.Token)
	}
	slices.SortStableFunc(g.Accounts, func(x, y Account) int {
		return cmp.Or(cmp.Compare(slices.Index(sorts, x.Sort), slices.Index(sorts, y.Sort)), groupOrder(x, y), strings.Compare(x.Realm, y.Realm),
			strings.Compare(x.Label, y.Label), strings.Compare(x.NativeID, y.NativeID))
	})
}

// groupOrder keeps the accounts of one person together where they are linked.
func groupOrder(x, y Account) int {
	if x.Sort == Linked {
		return cmp.Compare(x.Group, y.Group)
	}
	return 0
}

func (g *Register) linksOf(token evidence.ID) []Link {
	var out []Link
	for _, l := range g.links.Records(token) {
		with := l.A
		if with == token {
			with = l.B
		}
		force, ok := g.links.Between(l.A, l.B, time.Time{})
		out = append(out, Link{
			With: g.name(with), Approver: g.name(l.Approver), By: l.By, At: l.At, Seq: l.Seq, End: l.End, Force: ok && force.Seq == l.Seq,
		})
	}
	return out
}

// name gives an account as commands take it, an erased one by its mark.
func (g *Register) name(token evidence.ID) string {
	id, ok := g.identities[token]
	if !ok || id.Erased {
		return evidence.Identity{Token: token, Erased: true}.Label()
	}
	return id.Realm + "|" + id.NativeID
}

// maxMaybe bounds how many unlinked accounts of a shared name are told of one.
const maxMaybe = 8

// maybe finds accounts of different realms that share a name and are not
// linked.
func (g *Register) maybe() {
	named := map[string][]int{}
	for i := range g.Accounts {
		if g.Accounts[i].Sort == Erased {
			continue
		}
		for _, n := range evidence.KnownAs(g.identities[g.Accounts[i].Token]) {
			n = strings.ToLower(n)
			if !slices.Contains(named[n], i) {
				named[n] = append(named[n], i)
			}
		}
	}
	for i := range g.Accounts {
		a := &g.Accounts[i]
		if a.Sort != Linked && a.Sort != Unlinked {
			continue
		}
		for _, n := range evidence.KnownAs(g.identities[a.Token]) {
			for _, j := range named[strings.ToLower(n)] {
				o := &g.Accounts[j]
				if o.Group != a.Group && o.Realm != a.Realm && !slices.Contains(a.Maybe, o.ID()) && len(a.Maybe) < maxMaybe {
					a.Maybe = append(a.Maybe, o.ID())
				}
			}
		}
		slices.Sort(a.Maybe)
	}
}

func (g *Register) count(s Sort) int {
	n := 0
	for _, a := range g.Accounts {
		if a.Sort == s {
			n++
		}
	}
	return n
}

func (g *Register) speak() {
	if len(g.Accounts) == 0 {
		g.Sentence = fmt.Sprintf("The log of %s knows nobody yet.", g.Tenant)
		return
	}
	parts := []string{}
	for _, s := range sorts {
		if n := g.count(s); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", reports.Number(int64(n)), s))
		}
	}
	maybe := 0
	for _, a := range g.Accounts {
		if len(a.Maybe) > 0 {
			maybe++
		}
	}
	g.Sentence = fmt.Sprintf("The log of %s knows %s: %s; at most %s.", g.Tenant, reports.Count(len(g.Accounts), "account"), strings.Join(parts, ", "), reports.Count(g.Persons, "person"))
	if maybe > 0 {
		g.Sentence += fmt.Sprintf(" %s a name with another and %s not linked: whether they are one person is undetermined.", verb(maybe, "account shares", "accounts share"), reports.Are(maybe))
	}
}

func verb(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return reports.Number(int64(n)) + " " + more
}

// Text writes the register for people.
func (g *Register) Text(w io.Writer, style reports.Style) error {
	p := reports.NewPage(w, style)
	p.Sentence(style.Bold, g.Sentence, g.Demo)
	if len(g.Accounts) == 0 {
		return p.Err()
	}
	p.Line("")
	t := &reports.Table{Columns: []reports.Column{{Title: "PERSON", Right: true}, {Title: "RECORD", Right: true}, {Title: "KNOWN SINCE (UTC)", Keep: true}, {Title: "IS", Keep: true}, {Title: "NAME"}, {Title: "ACCOUNT"}}}
	for i := range g.Accounts {
		a := &g.Accounts[i]
		paint := reports.Plain
		if a.Sort == Erased {
			paint = style.Dim
		}
		t.PaintedRow(paint, fmt.Sprint(a.Group), fmt.Sprint(a.Seq), a.Since.UTC().Format("2 Jan 2006 15:04"), string(a.Sort), a.Label, a.ID())
	}
	p.Table(t)
	g.textLinks(p)
	return p.Err()
}

func (g *Register) textLinks(p *reports.Page) {
	told := map[uint64]bool{}
	head := "\nLINKS"
	for i := range g.Accounts {
		a := &g.Accounts[i]
		for _, l := range a.Links {
			if told[l.Seq] {
				continue
			}
			told[l.Seq] = true
			if head != "" {
				p.Line(head)
				head = ""
			}
			what := "is one person with"
			if l.End {
				what = "is not one person any more with"
			}
			text := fmt.Sprintf("%s %s %s, approved by %s, asked for by user %s, %s UTC, record %d", a.ID(), what, l.With, l.Approver, l.By, l.At.UTC().Format("2 Jan 2006 15:04"), l.Seq)
			p.Para("  ", text)
		}
	}
	head = "\nNOT LINKED, THOUGH THEY SHARE A NAME"
	for i := range g.Accounts {
		a := &g.Accounts[i]
		others := slices.DeleteFunc(slices.Clone(a.Maybe), func(o string) bool { return o < a.ID() }) // a pair once
		if len(others) == 0 {
			continue
		}
		if head != "" {
			p.Line(head)
			head = ""
		}
		p.PaintedPara("  ", p.Style.Warn, a.ID()+" with "+strings.Join(others, ", "))
	}
}
