package api

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/reports"
	"evidenced/reports/people"
)

// PeopleParams ask which accounts are known and which of them are one person.
// Without a tenant all tenants are told, each by itself: nobody is one person
// across tenants.
type PeopleParams struct {
	Common
}

func tellPeople(ctx context.Context, c *call) error {
	var p PeopleParams
	if err := c.decode(&p); err != nil {
		return err
	}
	var all []*people.Register
	style, err := c.eachTenant(ctx, p.Common, evidence.Period{}, func(_ evidence.Reader, g *people.Register) error {
		all = append(all, g)
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case p.JSON && p.Tenant != "":
		return c.document(all[0])
	case p.JSON:
		return c.document(map[string]any{"tenants": all})
	}
	w := c.begin(MediaText)
	for i, g := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := g.Text(w, style); err != nil {
			return err
		}
	}
	return nil
}

// WhoParams ask what a person did. Without a tenant every tenant that knows the
// person is told.
type WhoParams struct {
	Common
	Span
	Person string `json:"person"` // a name, login, mail, token, or REALM|NATIVEID
}

func tellWho(ctx context.Context, c *call) error {
	var p WhoParams
	if err := c.decode(&p); err != nil {
		return err
	}
	if p.Person = strings.TrimSpace(p.Person); p.Person == "" || len(p.Person) > evidence.MaxKey {
		return problem.New(problem.Usage, "no person is given").WithHint("give a login, mail, name, token, or realm and native id such as \"github:prod|8231\"")
	}
	q, err := c.anyQuestion(p.Common)
	if err != nil {
		return err
	}
	period, err := q.period(p.Span)
	if err == nil {
		err = q.begun(period)
	}
	if err != nil {
		return err
	}
	answer := whoAnswer{Persons: []*people.Who{}}
	style, err := c.eachTenant(ctx, p.Common, period, func(r evidence.Reader, g *people.Register) error {
		return answer.tenant(ctx, r, g, p.Person, period, q.now)
	})
	if err != nil {
		return err
	}
	if len(answer.Persons) == 0 {
		return problem.New(problem.NotFound, "nobody is known as %s", reports.Terminal(p.Person)).
			WithHint("evidenced people lists who is known; who was erased is not found any more")
	}
	if p.JSON {
		return c.document(answer)
	}
	return answer.text(c.begin(MediaText), style)
}

// whoAnswer is what was asked about one name. Accounts that nobody linked are
// told each by itself.
type whoAnswer struct {
	Unlinked []string      `json:"undetermined,omitempty"` // says of which tenants the name is that of several
	Alike    []string      `json:"not_told,omitempty"`     // says of which tenants other accounts have a name like it
	Persons  []*people.Who `json:"persons"`
}

// maxAlike is how many accounts of a name like the one asked for are listed.
const maxAlike = 12

// maxPersons is how many unlinked accounts of one name are told.
const maxPersons = 12

func (a *whoAnswer) tenant(ctx context.Context, r evidence.Reader, g *people.Register, asked string, period evidence.Period, now time.Time) error {
	found := g.Find(asked)
	if len(found) > maxPersons {
		return problem.New(problem.Usage, "%s names %d accounts of %s that are not linked", reports.Terminal(asked), len(found), g.Tenant).
			WithHint("ask for one by realm and native id, as evidenced people lists them")
	}
	if len(found) > 1 {
		var names []string
		for _, tokens := range found {
			names = append(names, strings.Join(g.Names(tokens), " = "))
		}
		a.Unlinked = append(a.Unlinked, fmt.Sprintf("%s names %d accounts of %s that are not linked, each told by itself: %s. Whether they are one person is undetermined.",
			asked, len(found), g.Tenant, strings.Join(names, ", ")))
	}
	if alike := g.Alike(asked); len(found) > 0 && len(alike) > 0 {
		names := strings.Join(alike[:min(len(alike), maxAlike)], ", ")
		if n := len(alike) - maxAlike; n > 0 {
			names += fmt.Sprintf(" and %d more", n)
		}
		a.Alike = append(a.Alike, fmt.Sprintf("Not told, though %s of %s %s a name like %s: %s. Ask for each, or link those that are one person.",
			reports.Count(len(alike), "account"), g.Tenant, map[bool]string{true: "has", false: "have"}[len(alike) == 1], asked, names))
	}
	for _, tokens := range found {
		w, err := g.Did(ctx, r, tokens, period, now)
		if err != nil {
			return err
		}
		a.Persons = append(a.Persons, w)
	}
	return nil
}

func (a *whoAnswer) text(w io.Writer, style reports.Style) error {
	for _, s := range a.Unlinked {
		if err := style.Paragraph(w, "", reports.Terminal(s)); err != nil {
			return err
		}
	}
	for i, p := range a.Persons {
		if i > 0 || len(a.Unlinked) > 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if err := p.Text(w, style); err != nil {
			return err
		}
	}
	for i, s := range a.Alike {
		if i == 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if err := style.Paragraph(w, "", reports.Terminal(s)); err != nil {
			return err
		}
	}
	return nil
}

// eachTenant opens the log of the tenant that is asked about, or of each, and
// loads its people. That somebody read is sealed in each before.
func (c *call) eachTenant(ctx context.Context, p Common, period evidence.Period, do func(evidence.Reader, *people.Register) error) (reports.Style, error) {
	ts, err := c.tenantOrAll(ctx, p.Tenant)
	if err != nil {
		return reports.Style{}, err
	}
	var style reports.Style
	for _, t := range ts {
		p.Tenant = t.String()
		q, err := c.question(ctx, p)
		if err != nil {
			return style, err
		}
		style = q.style
		r, err := c.open(ctx, q, period, p.Purpose)
		if err != nil {
			return style, err
		}
		g, err := people.Load(ctx, r)
		if err != nil {
			return style, err
		}
		if err := do(r, g); err != nil {
			return style, err
		}
	}
	return style, nil
}
