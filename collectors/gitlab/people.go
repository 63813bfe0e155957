package gitlab

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/evidence"
)

// claimedRealm is the realm of what git headers say.
const claimedRealm = "git:claimed"

const maxName = 256 // bytes of a name or mail address

// botLogin is how GitLab calls the account behind a project's or group's token.
var botLogin = regexp.MustCompile(`^(project|group)_\d+_bot(_|\d|$)`)

// people collects the people of one draft; facts hold their index.
type people struct {
	c    *Collector
	list []evidence.Person
}

func (p *people) add(n evidence.Person) int {
	for i, o := range p.list {
		if o.Role == n.Role && o.Realm == n.Realm && o.NativeID == n.NativeID {
			return i
		}
	}
	if len(p.list) >= evidence.MaxPeople {
		return -1
	}
	if p.c.env.Mark != nil {
		bot, shared := p.c.env.Mark(n.Realm, n.NativeID, n.Names.Login)
		n.Names.Bot, n.Names.Shared = n.Names.Bot || bot, n.Names.Shared || shared
	}
	p.list = append(p.list, n)
	return len(p.list) - 1
}

// account adds a GitLab account by its numeric id; -1 when the source names
// none. A deleted user's acts stand under the server's ghost account.
func (p *people) account(role evidence.Role, id int, login, name, mail string) int {
	if id <= 0 {
		return -1
	}
	login = short(clean(login))
	return p.add(evidence.Person{
		Role: role, Realm: "gitlab:" + p.c.authority, NativeID: strconv.Itoa(id), Proof: evidence.ProofAuthenticated,
		Names: evidence.Names{Login: login, Display: short(clean(name)), Mail: short(clean(mail)), Bot: botLogin.MatchString(login)},
	})
}

// has reports whether an account is among the people, in whatever role.
func (p *people) has(id int) bool {
	for _, o := range p.list {
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

// claimed adds who a git header names. The mail address is the identity;
// without one the name is, and without both it is nobody.
func (p *people) claimed(role evidence.Role, name, mail string) int {
	mail, name = short(clean(mail)), short(clean(name))
	id := strings.ToLower(mail)
	if id == "" && name != "" {
		id = "name:" + strings.ToLower(name)
	}
	if id == "" {
		return -1
	}
	return p.add(evidence.Person{
		Role: role, Realm: claimedRealm, NativeID: id, Proof: evidence.ProofClaimed,
		Names: evidence.Names{Display: name, Mail: mail},
	})
}

// mask replaces the mail addresses of these people, which a path may hold.
func (p *people) mask() func(string) string {
	var pairs []string
	for _, q := range p.list {
		for _, m := range []string{q.Names.Mail, q.NativeID} {
			if strings.Contains(m, "@") && len(m) > 2 {
				pairs = append(pairs, m, "{mail}")
			}
		}
	}
	r := strings.NewReplacer(pairs...)
	return func(s string) string { return r.Replace(clean(s)) }
}

// clean drops control characters and what is no UTF-8.
func clean(s string) string {
	ok := utf8.ValidString(s)
	for i := 0; ok && i < len(s); i++ {
		ok = s[i] >= 0x20 && s[i] != 0x7f
	}
	if ok {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func short(s string) string {
	if len(s) <= maxName {
		return s
	}
	return strings.ToValidUTF8(s[:maxName-3], "") + "..."
}

var mailLike = regexp.MustCompile(`[^\s@<>"',;]+@[^\s@<>"',;]+`)

// label makes a name that somebody gave to a thing fit for facts: short,
// without control characters and without mail addresses.
func label(s string) string {
	if s = clean(s); strings.Contains(s, "@") {
		s = mailLike.ReplaceAllString(s, "{mail}")
	}
	return short(s)
}

// word keeps a word of one of the source's own lists; anything else is "other".
func word(s string) string {
	if len(s) > 60 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return "other"
	}
	return s
}

// text makes a draft's Text: what people wrote, cut at the limit with a mark.
func text(parts ...string) []byte {
	var some []string
	for _, p := range parts {
		if p != "" {
			some = append(some, strings.ToValidUTF8(p, "\uFFFD"))
		}
	}
	s := strings.Join(some, "\n\n")
	if s == "" {
		return nil
	}
	if len(s) <= evidence.MaxText {
		return []byte(s)
	}
	mark := "\n[cut here: the text has " + strconv.Itoa(len(s)) + " bytes]"
	return []byte(strings.ToValidUTF8(s[:evidence.MaxText-len(mark)], "") + mark)
}

// hashID stands for a name that facts must not hold: 16 hex digits.
func hashID(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
