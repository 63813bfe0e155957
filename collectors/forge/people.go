package forge

import (
	"slices"
	"strings"

	"evidenced/evidence"
)

// claimedRealm is the realm of what git headers say.
const claimedRealm = "git:claimed"

// People collects the people of one draft, each once in each role; facts hold
// their index.
type People struct {
	List []evidence.Person
	// Mark says what the configuration knows of an account: that it is a bot, or
	// shared by several people. It may be nil.
	Mark func(realm, nativeID, login string) (bot, shared bool)
}

// Add returns the index of a person, who is added when not there yet; -1 when a
// draft holds as many as it may.
func (p *People) Add(n evidence.Person) int {
	for i, o := range p.List {
		if o.Role == n.Role && o.Realm == n.Realm && o.NativeID == n.NativeID {
			return i
		}
	}
	if len(p.List) >= evidence.MaxPeople {
		return -1
	}
	if p.Mark != nil {
		bot, shared := p.Mark(n.Realm, n.NativeID, n.Names.Login)
		n.Names.Bot, n.Names.Shared = n.Names.Bot || bot, n.Names.Shared || shared
	}
	p.List = append(p.List, n)
	return len(p.List) - 1
}

// Claimed adds who a git header names. The mail address is the identity;
// without one the name is, and without both it is nobody, -1.
func (p *People) Claimed(role evidence.Role, name, mail string) int {
	mail, name = Short(Clean(mail)), Short(Clean(name))
	id := strings.ToLower(mail)
	if id == "" && name != "" {
		id = "name:" + strings.ToLower(name)
	}
	if id == "" {
		return -1
	}
	return p.Add(evidence.Person{
		Role: role, Realm: claimedRealm, NativeID: id, Proof: evidence.ProofClaimed,
		Names: evidence.Names{Display: name, Mail: mail},
	})
}

// Mask returns what cleans a path and replaces the mail addresses of these
// people in it.
func (p *People) Mask() func(string) string {
	var pairs []string
	for _, q := range p.List {
		for _, m := range []string{q.Names.Mail, q.NativeID} {
			if strings.Contains(m, "@") && len(m) > 2 {
				pairs = append(pairs, m, "{mail}")
			}
		}
	}
	r := strings.NewReplacer(pairs...)
	return func(s string) string { return r.Replace(Clean(s)) }
}

// AddIndex adds an index to a list that has it not; -1 is nobody.
func AddIndex(list []int, i int) []int {
	if i < 0 || slices.Contains(list, i) {
		return list
	}
	return append(list, i)
}
