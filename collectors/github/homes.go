package github

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// homeKey is the key of the label that says in which team an account is at
// home.
const homeKey = "github-team"

var teamName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[a-z0-9][a-z0-9_.-]{0,99}$`)

func (c *Config) checkHomes() error {
	for i, h := range c.Homes {
		if !teamName.MatchString(h) {
			return problem.New(problem.Config, "homes holds %q", h).WithHint("write each team as organisation/slug, as the address of its page shows it")
		}
		if slices.ContainsFunc(c.Homes[:i], func(o string) bool { return strings.EqualFold(o, h) }) {
			return problem.New(problem.Config, "homes names %q twice", h).WithHint("take one of them out")
		}
	}
	if len(c.Homes) > forge.MaxHomes {
		return problem.New(problem.Config, "homes names %d teams", len(c.Homes)).WithHint("name %d at most: a team holds those of the teams below it", forge.MaxHomes)
	}
	return nil
}

// teamPath is the list of who is in a team, or in one below it.
func teamPath(home string) string {
	org, slug, _ := strings.Cut(home, "/")
	return "orgs/" + org + "/teams/" + slug + "/members"
}

// readHomes reads who is at home where. When one team cannot be read nobody's
// home is told in this look, since a person may be at home in that one; failed
// then says which.
func (l *look) readHomes() (failed []string, err error) {
	l.homes = forge.NewHomes(l.env.Source, l.authority, homeKey)
	members := map[int64][]string{}
	for _, home := range l.cfg.Homes {
		err := l.pages(l.ctx, teamPath(home)+"?per_page=100", func(p *page) (bool, error) {
			list, err := items(p)
			if err != nil {
				return false, err
			}
			for _, raw := range list {
				if err := member(p, raw, home, members); err != nil {
					return false, err
				}
			}
			return true, nil
		})
		if err != nil && forge.Ends(l.ctx, err) {
			return nil, fmt.Errorf("home %s: %w", home, err)
		}
		if err != nil {
			failed = append(failed, fmt.Sprintf("home %s: %v", home, err))
		}
	}
	if len(failed) > 0 {
		l.note("whose people act is not known in this look: the members of a home could not be read (organisation Members: read)")
		return failed, nil
	}
	l.homes.Fill(l.cfg.Homes, members, &l.cur.Homes, l.started)
	return nil, nil
}

func member(p *page, raw json.RawMessage, home string, members map[int64][]string) error {
	var u gh.User
	if err := decode(p.item(raw), &u); err != nil {
		return err
	}
	if u.GetID() <= 0 {
		return odd(p, "a member without an id")
	}
	if !slices.Contains(members[u.GetID()], home) {
		members[u.GetID()] = append(members[u.GetID()], home)
	}
	return nil
}

// actor is what tenancy rules look at to tell whose the account is that acted;
// nil is somebody whom the source does not name.
func (l *look) actor(u *gh.User, at time.Time) []evidence.Ref {
	if !named(u) {
		return l.homes.Scope(0, at)
	}
	return l.homes.Scope(u.GetID(), at)
}
