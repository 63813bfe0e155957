package vault

import (
	"strings"
	"time"

	"evidenced/evidence"
)

// caller is who made a request, as the line says. The zero caller is unknown.
type caller struct {
	person      *evidence.Person
	login       string
	entity      string
	method      string
	role        string
	saNamespace string
	saName      string
	policies    []string
	granting    []string
	tokenType   string
	accessor    string
	root        bool
	ttl         int64
	issued      time.Time
	endless     bool
}

// caller reads the identity of a request. Of the two lines the one that knows
// more decides; a login's identity stands in the response alone.
func (m *maker) caller(p *pair, pl *place) caller {
	a, login := pickAuth(p, pl)
	c := caller{
		entity: clean(a.entity), tokenType: clean(a.tokenType), accessor: saneHash(a.accessor),
		role: clean(a.meta.role), saNamespace: clean(a.meta.saNamespace), saName: clean(a.meta.saName),
		policies: cleanList(a.policies), granting: cleanList(a.granting),
	}
	if c.role == "" {
		c.role = clean(a.meta.roleName)
	}
	// Servers that say when a token was issued also say how long it lives; a
	// batch token always ends.
	c.ttl, c.issued = int64(max(a.ttl, 0)), a.issued
	c.endless = a.ttl == 0 && !a.issued.IsZero() && c.tokenType == "service"
	for _, pol := range c.policies {
		c.root = c.root || pol == "root"
	}
	display := clean(a.display)
	mountType := ""
	if login {
		mountType = pl.mountType
	}
	c.method, c.login = method(display, clean(a.meta.username), mountType, &c)
	switch {
	case c.entity != "":
		c.person = m.entityPerson(&c)
	case display != "":
		id := c.accessor
		if id == "" {
			id = saneHash(a.token)
		}
		if id != "" {
			c.person = m.tokenPerson(id, display, c.login)
		}
	}
	return c
}

// pickAuth returns the auth part that names the caller and whether it is that
// of a login's response.
func pickAuth(p *pair, pl *place) (*authPart, bool) {
	if p.resp != nil {
		if pl.login && p.resp.resp.auth.known() {
			return &p.resp.resp.auth, true
		}
		if p.resp.auth.known() || p.req == nil {
			return &p.resp.auth, false
		}
	}
	return &p.req.auth, false
}

func (m *maker) entityPerson(c *caller) *evidence.Person {
	n := names(c.login, "")
	switch {
	case c.saName != "":
		n.Login, n.Bot = c.saNamespace+"/"+c.saName, true
	case c.login == "" && machineMethod(c.method):
		n.Login, n.Bot = c.role, true
	}
	p := m.marked(evidence.Person{
		Role: evidence.RoleReader, Realm: entityRealm(m.authority), NativeID: c.entity,
		Names: n, Proof: evidence.ProofAuthenticated,
	})
	return &p
}

func (m *maker) tokenPerson(id, display, login string) *evidence.Person {
	p := m.marked(evidence.Person{
		Role: evidence.RoleReader, Realm: "vault:" + m.authority + "/token", NativeID: id,
		Names: names(login, display), Proof: evidence.ProofAuthenticated,
	})
	return &p
}

func entityRealm(authority string) string { return "vault:" + authority + "/entity" }

// authTypes are the auth methods whose default mount path is their type, so
// that it is the first word of display names.
var authTypes = []string{"token", "userpass", "approle", "kubernetes", "jwt", "oidc", "ldap", "github", "okta",
	"radius", "kerberos", "cert", "aws", "azure", "gcp", "oci", "alicloud", "cf", "saml", "root"}

// method tells the kind of login and the person's login name from a display
// name, which is the mount's path, a dash and the name at that mount. It never
// returns a part of a name as the method.
func method(display, username, mountType string, c *caller) (kind, login string) {
	login = username
	switch {
	case mountType != "":
		kind = mountType
	case username != "" && strings.HasSuffix(display, "-"+username):
		kind = strings.TrimSuffix(display, "-"+username)
	case c.saName != "":
		kind = "kubernetes"
	default:
		for _, t := range authTypes {
			if display == t || strings.HasPrefix(display, t+"-") {
				kind = t
				break
			}
		}
	}
	if login == "" && kind != "" && !machineMethod(kind) && kind != "token" {
		if rest, ok := strings.CutPrefix(display, kind+"-"); ok {
			login = rest
		}
	}
	return kind, login
}

// machineMethod reports whether an auth method logs machines in, never people.
// JWT is left out: pipelines and people both use it.
func machineMethod(t string) bool {
	switch t {
	case "approle", "kubernetes", "aws", "azure", "gcp", "cf", "oci", "alicloud", "cert":
		return true
	}
	return false
}

// humanMethod reports whether an auth method logs people in.
func humanMethod(t string) bool {
	switch t {
	case "userpass", "oidc", "ldap", "github", "okta", "radius", "kerberos", "saml":
		return true
	}
	return false
}

// maxPolicies is how many policies of one request are kept in the facts.
const maxPolicies = 256

func cleanList(bs [][]byte) []string {
	if len(bs) == 0 {
		return nil
	}
	out := make([]string, 0, min(len(bs), maxPolicies))
	for _, b := range bs {
		if len(out) == maxPolicies {
			break
		}
		out = append(out, cut(clean(b), 256))
	}
	return out
}

// hideUser takes logins out of a text of the server.
func hideUser(text string, logins ...string) string {
	for _, l := range logins {
		if len(l) > 1 && text != "" {
			text = strings.ReplaceAll(text, l, userToken)
		}
	}
	if strings.Contains(text, "@") {
		words := strings.Split(text, " ")
		for i, w := range words {
			if looksLikeMail(w) {
				words[i] = userToken
			}
		}
		text = strings.Join(words, " ")
	}
	return text
}
