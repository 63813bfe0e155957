package harbor

import (
	"strings"

	"evidenced/evidence"
)

// person makes a party of what the registry calls a user. The audit log tells
// no number of an account, only its name, which cannot be changed at Harbor; so
// the name is the identity everywhere.
func (c *Collector) person(role evidence.Role, name string, proof evidence.Proof) evidence.Person {
	id := clip(name)
	p := evidence.Person{Role: role, Realm: "harbor:" + c.authority, NativeID: id, Names: evidence.Names{Login: id}, Proof: proof}
	if c.env.Mark != nil {
		p.Names.Bot, p.Names.Shared = c.env.Mark(p.Realm, p.NativeID, p.Names.Login)
	}
	return p
}

// clip makes a name fit to be an identity: control characters out, not long.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}

// parts are accounts of the registry's own parts, which log in like users.
var parts = map[string]bool{"harbor-core": true, "harbor-jobservice": true, "harbor-registryctl": true, "harbor-scanner": true}

// machine reports whether a name is of a robot or of a part of the registry.
func (c *Collector) machine(name string) bool {
	return strings.HasPrefix(name, c.cfg.RobotPrefix) || parts[name]
}

// robotProject returns the project of a project robot's name, "" for others:
// robot$tenant-7+ci is of tenant-7.
func (c *Collector) robotProject(name string) string {
	project, _, of := strings.Cut(strings.TrimPrefix(name, c.cfg.RobotPrefix), "+")
	if !of {
		return ""
	}
	return project
}
