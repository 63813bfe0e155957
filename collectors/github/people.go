package github

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	gh "github.com/google/go-github/v60/github"

	"evidenced/evidence"
)

// claimedRealm is the realm of what git headers say.
const claimedRealm = "git:claimed"

const maxName = 256 // bytes of a name or mail address

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

// account adds a GitHub account; -1 when the source names none, as for a
// deleted one.
func (p *people) account(role evidence.Role, u *gh.User, proof evidence.Proof) int {
	if u.GetID() <= 0 {
		return -1
	}
	return p.add(evidence.Person{
		Role: role, Realm: "github:" + p.c.authority, NativeID: strconv.FormatInt(u.GetID(), 10), Proof: proof,
		Names: evidence.Names{
			Login: short(clean(u.GetLogin())), Display: short(clean(u.GetName())),
			Bot: u.GetType() == "Bot",
		},
	})
}

// claimed adds who a git header names. The mail address is the identity;
// without one the name is, and without both it is nobody.
func (p *people) claimed(role evidence.Role, a *gh.CommitAuthor) int {
	mail, name := short(clean(a.GetEmail())), short(clean(a.GetName()))
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
