package terraform

import (
	"encoding/json"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// user is an account as an answer includes it.
type user struct {
	Username string `json:"username"`
	Service  bool   `json:"is-service-account"`
}

// learn remembers the names of the accounts that came along with an answer. A
// team's or an organization's token acts as a service account.
func (c *Collector) learn(d *document) {
	for i := range d.Included {
		r := &d.Included[i]
		var u user
		if r.Type == "users" && goodID(r.ID) && json.Unmarshal(r.Attributes, &u) == nil && u.Username != "" {
			c.logins[r.ID] = evidence.Names{Login: forge.Short(forge.Clean(u.Username)), Bot: u.Service}
		}
	}
}

// crowd collects the people of one draft.
type crowd struct {
	forge.People
	c *Collector
}

func (c *Collector) people() *crowd { return &crowd{forge.People{Mark: c.env.Mark}, c} }

// add returns the index of an account in a role; -1 when none is named. Whoever
// acts at the platform was logged in by it.
func (p *crowd) add(role evidence.Role, of identity) int {
	if of.Type != "users" || !goodID(of.ID) {
		return -1
	}
	return p.Add(evidence.Person{
		Role: role, Realm: "terraform:" + p.c.authority, NativeID: of.ID, Names: p.c.logins[of.ID], Proof: evidence.ProofAuthenticated,
	})
}
