package gitlab

import (
	"regexp"
	"strconv"
	"strings"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// botLogin is how GitLab calls the account behind a project's or group's token,
// and a service account that nobody named.
var botLogin = regexp.MustCompile(`^((project|group)_\d+_bot(_|\d|$)|service_account_)`)

var ghostLogin = regexp.MustCompile(`^ghost\d*$`)

// ghost reports whether an account is the one to which GitLab moves what
// deleted accounts did: all of theirs, so that it is nobody.
func ghost(login, name string) bool { return name == "Ghost User" && ghostLogin.MatchString(login) }

// named reports whether an account stands for somebody.
func named(u *gl.BasicUser) bool { return u != nil && u.ID > 0 && !ghost(u.Username, u.Name) }

// people collects the people of one draft; facts hold their index.
type people struct {
	forge.People
	c *Collector
}

func newPeople(c *Collector) *people {
	return &people{forge.People{Mark: c.env.Mark}, c}
}

// account adds a GitLab account by its numeric id; -1 when the source names
// none, or one that was deleted.
func (p *people) account(role evidence.Role, id int, login, name, mail string) int {
	if id <= 0 || ghost(login, name) {
		return -1
	}
	login = forge.Short(forge.Clean(login))
	return p.Add(evidence.Person{
		Role: role, Realm: "gitlab:" + p.c.authority, NativeID: strconv.Itoa(id), Proof: evidence.ProofAuthenticated,
		Names: evidence.Names{Login: login, Display: forge.Short(forge.Clean(name)), Mail: forge.Short(forge.Clean(mail)), Bot: botLogin.MatchString(login)},
	})
}

// has reports whether an account is among the people, in whatever role.
func (p *people) has(id int) bool {
	for _, o := range p.List {
		if o.Realm == "gitlab:"+p.c.authority && o.NativeID == strconv.Itoa(id) {
			return true
		}
	}
	return false
}

func (p *people) user(role evidence.Role, u *gl.BasicUser) int {
	if u == nil {
		return -1
	}
	return p.account(role, u.ID, u.Username, u.Name, "")
}

var mailLike = regexp.MustCompile(`[^\s@<>"',;]+@[^\s@<>"',;]+`)

// label makes a name that somebody gave to a thing fit for facts: short,
// without control characters, credentials and mail addresses.
func label(s string) string {
	if s = forge.Clean(collectors.WithoutCredentials(s)); strings.Contains(s, "@") {
		s = mailLike.ReplaceAllString(s, "{mail}")
	}
	return forge.Short(s)
}

// word keeps a word of one of the source's own lists; anything else is "other".
func word(s string) string {
	if len(s) > 60 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return "other"
	}
	return s
}
