package github

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// people collects the people of one draft; facts hold their index.
type people struct {
	forge.People
	c *Collector
}

func newPeople(c *Collector) *people {
	return &people{forge.People{Mark: c.env.Mark}, c}
}

// ghost is the account under which GitHub shows what deleted accounts did: all
// of them, so that it is nobody. The login is reserved, its number differs from
// server to server.
const ghost = "ghost"

// named reports whether an account stands for somebody.
func named(u *gh.User) bool { return u.GetID() > 0 && !strings.EqualFold(u.GetLogin(), ghost) }

// account adds a GitHub account; -1 when the source names none, as for a
// deleted one. A mannequin holds the place of somebody at the forge that a
// repository was imported from: GitHub never logged it in.
func (p *people) account(role evidence.Role, u *gh.User, proof evidence.Proof) int {
	if !named(u) {
		return -1
	}
	if u.GetType() == "Mannequin" {
		proof = evidence.ProofClaimed
	}
	return p.Add(evidence.Person{
		Role: role, Realm: "github:" + p.c.authority, NativeID: strconv.FormatInt(u.GetID(), 10), Proof: proof,
		Names: evidence.Names{
			Login: forge.Short(forge.Clean(u.GetLogin())), Display: forge.Short(forge.Clean(u.GetName())),
			Bot: u.GetType() == "Bot",
		},
	})
}

// also adds accounts that the bytes of a record name beside those that its facts
// do, so that erasing one of them reaches the bytes; false when a draft holds no
// more people.
func (p *people) also(users ...*gh.User) bool {
	whole := true
	for _, u := range users {
		if u.GetType() != "Organization" && named(u) && !p.has(u) {
			whole = p.account(evidence.RoleSubject, u, evidence.ProofAuthenticated) >= 0 && whole
		}
	}
	return whole
}

// has reports whether an account is among the people, in whatever role.
func (p *people) has(u *gh.User) bool {
	return slices.ContainsFunc(p.List, func(o evidence.Person) bool {
		return o.Realm == "github:"+p.c.authority && o.NativeID == strconv.FormatInt(u.GetID(), 10)
	})
}

// owner is who owns an app: an account, or an enterprise, which has no login and
// is no account.
func owner(a *gh.App) *gh.User {
	if a.GetOwner().GetLogin() == "" {
		return nil
	}
	return a.GetOwner()
}

// owners are those of some apps.
func owners(apps []*gh.App) []*gh.User {
	var us []*gh.User
	for _, a := range apps {
		us = append(us, owner(a))
	}
	return us
}

var loginLike = regexp.MustCompile(`[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?`)

// hide takes the logins, names and mail addresses of these people out of words
// that may have been made of them.
func (p *people) hide(s string) string {
	s = p.Mask()(s)
	for _, q := range p.List {
		if q.Names.Display != "" {
			s = strings.ReplaceAll(s, q.Names.Display, "{name}")
		}
	}
	return loginLike.ReplaceAllStringFunc(s, func(w string) string {
		if slices.ContainsFunc(p.List, func(q evidence.Person) bool { return strings.EqualFold(q.Names.Login, w) }) {
			return "{login}"
		}
		return w
	})
}

// claimed adds who a git header names; -1 for nobody.
func (p *people) claimed(role evidence.Role, a *gh.CommitAuthor) int {
	return p.Claimed(role, a.GetName(), a.GetEmail())
}
