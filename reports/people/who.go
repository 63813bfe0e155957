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
	"evidenced/reports/timeline"
)

// Find returns the accounts that a text names, by token, by realm and native id
// (REALM|ID), or by login, mail, display name or native id, upper and lower
// case alike. Accounts of one person come as one list; a text that names
// several persons gives several.
func (g *Register) Find(text string) [][]evidence.ID {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	var found [][]evidence.ID
	groups := map[int]bool{}
	for i := range g.Accounts {
		a := &g.Accounts[i]
		if !g.named(a, text) || groups[a.Group] {
			continue
		}
		groups[a.Group] = true
		found = append(found, g.links.All(a.Token, time.Time{}))
	}
	return found
}

func (g *Register) named(a *Account, text string) bool {
	if a.Token.String() == text {
		return true
	}
	id := g.identities[a.Token]
	if id.Erased {
		return false
	}
	if realm, native, ok := strings.Cut(text, "|"); ok {
		return realm == id.Realm && native == id.NativeID
	}
	return slices.ContainsFunc([]string{id.Names.Login, id.Names.Mail, id.Names.Display, id.NativeID}, func(n string) bool {
		return n != "" && strings.EqualFold(n, text)
	})
}

// Alike names the accounts that a text does not name and that somebody who asked
// for it may mean too: of the same name before the @, or with more words behind
// it, such as joerg@example.org and joerg-smith where joerg was asked for.
func (g *Register) Alike(text string) []string {
	asked := stem(strings.TrimSpace(text))
	if asked == "" {
		return nil
	}
	told := map[int]bool{}
	for i := range g.Accounts {
		if a := &g.Accounts[i]; g.named(a, strings.TrimSpace(text)) {
			told[a.Group] = true
		}
	}
	var alike []string
	for i := range g.Accounts {
		a := &g.Accounts[i]
		if id := g.identities[a.Token]; id.Erased || told[a.Group] || !slices.ContainsFunc(evidence.KnownAs(id), func(n string) bool {
			rest, ok := strings.CutPrefix(stem(n), asked)
			return ok && (rest == "" || strings.ContainsAny(rest[:1], "-._ "))
		}) {
			continue
		}
		alike = append(alike, a.ID())
	}
	return alike
}

// stem is a name, or what stands before the @ of a mail address, in lower case.
func stem(name string) string {
	local, _, _ := strings.Cut(strings.ToLower(name), "@")
	return local
}

// Names gives the accounts of a list as commands take them.
func (g *Register) Names(tokens []evidence.ID) []string {
	var names []string
	for _, t := range tokens {
		names = append(names, g.name(t))
	}
	return names
}

// Deed is one thing that the person did.
type Deed struct {
	timeline.Line
	Roles   []evidence.Role `json:"roles"`
	Claimed bool            `json:"only_claimed,omitempty"` // nobody logged the person in
	Account string          `json:"account"`                // the first of the person's accounts in the record
}

// Who is what one person did over a period; as JSON it is the document of the
// command.
type Who struct {
	Sentence string                `json:"answer"`
	Tenant   evidence.Tenant       `json:"tenant"`
	Period   evidence.Period       `json:"period"`
	Origin   string                `json:"origin"`
	Size     uint64                `json:"as_known_at_size"`
	Demo     bool                  `json:"demonstration,omitempty"`
	Accounts []Account             `json:"accounts"`            // of the person
	Maybe    []string              `json:"not_counted"`         // accounts that share a name and are not linked
	Roles    map[evidence.Role]int `json:"roles"`               // records by role
	Deeds    []Deed                `json:"deeds"`               // in order of time
	Cut      bool                  `json:"cut,omitempty"`       // there are more than MaxDeeds
	Blind    []timeline.Line       `json:"blind,omitempty"`     // what was not seen meanwhile
	Silent   bool                  `json:"unwatched,omitempty"` // no source claims to have looked
}

// MaxDeeds is how many records one answer tells.
const MaxDeeds = 5000

// Did tells what the person with these accounts did in the period, whichever
// account and role it was. What is recorded about the accounts themselves (their
// names) is no deed. What was not seen is told up to now alone.
func (g *Register) Did(ctx context.Context, r evidence.Reader, tokens []evidence.ID, p evidence.Period, now time.Time) (*Who, error) {
	w := &Who{
		Tenant: g.Tenant, Period: p, Origin: g.Origin, Size: g.Size, Demo: g.Demo, Accounts: []Account{}, Maybe: []string{}, Roles: map[evidence.Role]int{}, Deeds: []Deed{},
	}
	seen := map[uint64]bool{}
	for i, token := range tokens {
		if j := slices.IndexFunc(g.Accounts, func(a Account) bool { return a.Token == token }); j >= 0 {
			w.Accounts = append(w.Accounts, g.Accounts[j])
		}
		n := 0
		for l, err := range timeline.Build(ctx, r, p, timeline.Options{Person: token, NoGaps: i > 0, Kinds: kinds(), Now: now}) {
			if err != nil {
				return nil, fmt.Errorf("what a person did: %w", err)
			}
			if l.Gap {
				w.Silent = w.Silent || l.Source == ""
				w.Blind = append(w.Blind, l)
				continue
			}
			if seen[l.Seq] {
				continue
			}
			if n++; n > MaxDeeds {
				w.Cut = true
				break
			}
			seen[l.Seq] = true
			if d := g.deed(l, tokens); len(d.Roles) > 0 {
				w.Deeds = append(w.Deeds, d)
			}
		}
	}
	slices.SortFunc(w.Deeds, func(x, y Deed) int { return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.Seq, y.Seq)) })
	if len(w.Deeds) > MaxDeeds {
		w.Deeds, w.Cut = w.Deeds[:MaxDeeds], true
	}
	for _, d := range w.Deeds {
		for _, role := range d.Roles {
			w.Roles[role]++
		}
	}
	for _, a := range w.Accounts {
		for _, m := range a.Maybe {
			if !slices.Contains(w.Maybe, m) {
				w.Maybe = append(w.Maybe, m)
			}
		}
	}
	slices.Sort(w.Maybe)
	w.speak()
	return w, nil
}

// kinds are those in which people act.
func kinds() []evidence.Kind {
	var ks []evidence.Kind
	for _, k := range evidence.Kinds() {
		switch k.Kind {
		case evidence.PersonKnown, evidence.CollectionRun, evidence.CollectionCoverage, evidence.LogCheckpoints:
		default:
			ks = append(ks, k.Kind)
		}
	}
	return ks
}

// deed says in which roles the person stands in a record.
func (g *Register) deed(l timeline.Line, tokens []evidence.ID) Deed {
	d := Deed{Line: l, Claimed: true}
	for _, p := range l.Who {
		if !slices.Contains(tokens, p.Token) {
			continue
		}
		if d.Account == "" {
			d.Account = g.name(p.Token)
		}
		if p.Role != evidence.RoleSubject && !slices.Contains(d.Roles, p.Role) {
			d.Roles = append(d.Roles, p.Role)
		}
		d.Claimed = d.Claimed && p.Proof == evidence.ProofClaimed
	}
	return d
}

func (w *Who) speak() {
	name := "nobody"
	if len(w.Accounts) > 0 {
		name = w.Accounts[0].Label
	}
	var roles []string
	for _, role := range sortedRoles(w.Roles) {
		roles = append(roles, fmt.Sprintf("%s %s", role, reports.Number(int64(w.Roles[role]))))
	}
	accounts := reports.Count(len(w.Accounts), "account")
	if len(w.Accounts) > 1 {
		accounts = fmt.Sprintf("%d linked accounts", len(w.Accounts))
	}
	if len(w.Deeds) == 0 {
		w.Sentence = fmt.Sprintf("No record of %s names %s (%s) between %s.", w.Tenant, name, accounts, reports.Span(w.Period.From, w.Period.To))
	} else {
		w.Sentence = fmt.Sprintf("%s (%s) stands in %s of %s, %s: %s.", name, accounts, reports.Count(len(w.Deeds), "record"), w.Tenant, reports.Span(w.Period.From, w.Period.To), strings.Join(roles, ", "))
	}
	claimed := 0
	for _, d := range w.Deeds {
		if d.Claimed {
			claimed++
		}
	}
	if claimed > 0 {
		w.Sentence += fmt.Sprintf(" %s on a claim alone.", verb(claimed, "of them rests", "of them rest"))
	}
	if len(w.Maybe) > 0 {
		w.Sentence += fmt.Sprintf(" Not counted: %s, which %s a name and %s not linked.", strings.Join(w.Maybe, ", "), map[bool]string{true: "shares", false: "share"}[len(w.Maybe) == 1], reports.Are(len(w.Maybe)))
	}
	if w.Silent {
		w.Sentence += " No source claims to have looked in this period."
	} else if n := len(w.Blind); n > 0 {
		w.Sentence += fmt.Sprintf(" Not seen meanwhile: %s.", reports.Count(n, "blind window"))
	}
	if w.Cut {
		w.Sentence += fmt.Sprintf(" Only the first %s are told.", reports.Count(MaxDeeds, "record"))
	}
}

func sortedRoles(m map[evidence.Role]int) []evidence.Role {
	var roles []evidence.Role
	for r := range m {
		roles = append(roles, r)
	}
	slices.SortFunc(roles, func(a, b evidence.Role) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
	return roles
}

// Text writes the answer for people.
func (w *Who) Text(out io.Writer, style reports.Style) error {
	p := reports.NewPage(out, style)
	p.Sentence(style.Bold, w.Sentence, w.Demo)
	p.Line("")
	for i := range w.Accounts {
		a := &w.Accounts[i]
		text := a.ID() + ", " + a.Label + ", " + string(a.Sort)
		for _, l := range a.Links {
			if l.Force {
				text += fmt.Sprintf("; one with %s as %s approved %s UTC, record %d", l.With, l.Approver, l.At.UTC().Format("2 Jan 2006 15:04"), l.Seq)
			}
		}
		p.Para("ACCOUNT    ", text)
	}
	for _, m := range w.Maybe {
		p.PaintedPara("UNLINKED   ", style.Warn, m+" shares a name: whether it is the same person is undetermined")
	}
	for _, b := range w.Blind {
		p.PaintedPara("BLIND      ", style.Warn, reports.Span(b.At, b.Until)+": "+b.Says)
	}
	p.Line("")
	t := &reports.Table{Columns: []reports.Column{{Title: "TIME (UTC)"}, {Title: "RECORD", Right: true, Keep: true}, {Title: "AS"}, {Title: "SOURCE", Keep: true}, {Title: "WHAT"}}}
	for _, d := range w.Deeds {
		var roles []string
		for _, r := range d.Roles {
			roles = append(roles, string(r))
		}
		as := strings.Join(roles, ", ")
		if d.Claimed {
			as += " (claimed)"
		}
		t.Row(d.At.UTC().Format("2 Jan 2006 15:04:05"), fmt.Sprint(d.Seq), as, string(d.Source), d.Says)
	}
	if t.Len() > 0 {
		p.Table(t)
	}
	return p.Err()
}
