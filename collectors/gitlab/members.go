package gitlab

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// container is a group or project whose members are read.
type container struct {
	*look
	name  string // "project 311"
	path  string
	api   string
	level string // project or group
	ref   evidence.Ref
	scope []evidence.Ref
	lists *[]string // that were readable once
	short bool      // fewer members came than the source counts
	last  time.Time // that all was seen

	spoilt string // why one of the items could not be read
}

// each makes of what takes an item one that goes on after an odd one.
func (c *container) each(take func(*page, json.RawMessage) error) func(*page, json.RawMessage) error {
	return func(p *page, raw json.RawMessage) error {
		err := take(p, raw)
		if e := forge.Odd(err); e != nil {
			c.spoilt = e.Cause()
			c.missing = forge.AddOnce(c.missing, c.name+": "+err.Error())
			return nil
		}
		return err
	}
}

func (r *projectLook) members() error {
	c := &container{
		look: r.look, name: "project " + strconv.Itoa(r.id), path: r.path, api: r.api, level: "project",
		ref: r.ref, scope: r.scope(), lists: &r.st.Lists, last: r.st.Settings,
	}
	return c.read(true)
}

// group looks at the members and audit events of a configured group.
func (l *look) group(g group) error {
	st := l.cur.group(g.id)
	if st.Path == "" {
		st.Path = g.path
	}
	seen, after, settings := len(l.seen), len(l.after), l.settings
	err := l.groupLook(g, st)
	if err == nil {
		err = l.progress()
	}
	if err != nil {
		l.seen, l.after = l.seen[:seen], l.after[:after]
		if due(st.Settings, l) {
			l.claim(l.project(g.path), evidence.Blind, l.blindFrom(st.Settings), notRead, 0, evidence.AccessMember)
			if l.settings == settings {
				l.settings++
			}
		}
		if !l.cfg.InstanceAudit {
			l.claim(l.project(g.path), evidence.Blind, l.blindFrom(st.Audit.Looked), notRead, 0, evidence.AccessAudit)
		}
	}
	return err
}

func (l *look) groupLook(g group, st *groupState) error {
	api, ref := "groups/"+strconv.Itoa(g.id), l.project(g.path)
	if due(st.Settings, l) || st.Path != g.path {
		c := &container{
			look: l, name: "group " + strconv.Itoa(g.id), path: g.path, api: api, level: "group",
			ref: ref, scope: []evidence.Ref{ref}, lists: &st.Lists, last: st.Settings,
		}
		if err := c.read(false); err != nil {
			return err
		}
		// Guards stand in projects: of a group there are none to see.
		l.claim(ref, evidence.Instants, l.started, "", l.cfg.SettingsEvery, evidence.ChangeProtection)
		l.settings++
		l.after = append(l.after, func() {
			st.Settings = l.started
			if st.Path != g.path {
				st.Path = g.path
			}
		})
		if st.Path != g.path {
			l.sink.Complete(evidence.AccessMember, l.project(st.Path))
		}
	}
	if l.cfg.InstanceAudit {
		return nil
	}
	return l.audit(&auditLook{look: l, name: "group " + strconv.Itoa(g.id), api: api + "/audit_events", ref: ref, st: &st.Audit})
}

// read records members, tokens and deploy keys. The kind is complete only when
// every list that could be read before was read now: a list that is hidden ends
// nothing.
func (c *container) read(keys bool) error {
	whole := true
	lists := []struct {
		name string
		read func() error
	}{{"members", c.people}, {"access tokens", c.tokens}}
	if keys {
		lists = append(lists, struct {
			name string
			read func() error
		}{"deploy keys", c.keys})
	}
	for _, l := range lists {
		err := l.read()
		known := slices.Contains(*c.lists, l.name)
		switch {
		case refused(err):
			c.note("%s: %s are hidden from this credential", c.name, l.name)
			if known {
				whole = false
				c.missing = append(c.missing, l.name+" of "+c.name+" can be read no longer")
			}
		case err != nil:
			return err
		case !known:
			*c.lists = append(*c.lists, l.name)
		}
	}
	if !slices.Contains(*c.lists, "members") {
		c.claim(c.ref, evidence.Blind, c.blindFrom(time.Time{}), "members are hidden from the credential", c.cfg.SettingsEvery, evidence.AccessMember)
		return nil
	}
	if c.spoilt != "" {
		c.claim(c.ref, evidence.Blind, c.blindFrom(c.last), c.spoilt, c.cfg.SettingsEvery, evidence.AccessMember)
		return nil
	}
	if whole && !c.short {
		c.sink.Complete(evidence.AccessMember, c.ref)
		c.claim(c.ref, evidence.Instants, c.started, "", c.cfg.SettingsEvery, evidence.AccessMember)
	}
	return nil
}

// member is a member as projects and groups list them.
type member struct {
	gl.GroupMember
	ExpiresAt date `json:"expires_at"`

	raw json.RawMessage
	req evidence.Request
}

// people records everybody with a role, inherited ones too.
func (c *container) people() error {
	direct := map[int]bool{}
	_, err := c.list(c.ctx, c.api+"/members", &gl.ListProjectMembersOptions{ListOptions: gl.ListOptions{PerPage: perPage}}, c.each(func(p *page, raw json.RawMessage) error {
		m, err := readMember(p, raw)
		direct[m.ID] = true
		return err
	}))
	if err != nil {
		return err
	}
	seen := map[int]bool{}
	var req evidence.Request
	total, err := c.list(c.ctx, c.api+"/members/all", &gl.ListProjectMembersOptions{ListOptions: gl.ListOptions{PerPage: perPage}}, c.each(func(p *page, raw json.RawMessage) error {
		m, err := readMember(p, raw)
		if err != nil {
			return err
		}
		if req.URL == "" {
			req = p.req
		}
		if seen[m.ID] {
			return nil
		}
		seen[m.ID] = true
		return c.emit(c.memberDraft(m, !direct[m.ID]))
	}))
	if err == nil {
		c.count("members of "+c.name, req, total, len(seen))
		c.short = int64(len(seen)) < total
	}
	return err
}

func readMember(p *page, raw json.RawMessage) (member, error) {
	m := member{raw: raw, req: p.req}
	if err := decodeItem(p, raw, &m); err != nil {
		return m, err
	}
	if m.ID <= 0 {
		return m, oddItem(p, "a member without an id")
	}
	return m, nil
}

// roleName names an access level in GitLab's words.
func roleName(l gl.AccessLevelValue) string {
	switch l {
	case 0:
		return "none"
	case 5:
		return "minimal"
	case 10:
		return "guest"
	case 15:
		return "planner"
	case 20:
		return "reporter"
	case 25:
		return "security-manager"
	case 30:
		return "developer"
	case 40:
		return "maintainer"
	case 50:
		return "owner"
	case 60:
		return "administrator"
	}
	return "level-" + strconv.Itoa(int(l))
}

func rank(l gl.AccessLevelValue) string {
	switch l {
	case 0, 5:
		return "none"
	case 10, 15, 20, 25:
		return "read"
	case 30:
		return "write"
	case 40:
		return "maintain"
	case 50, 60:
		return "admin"
	}
	return "unknown"
}

func (c *container) memberFacts(kind string, level gl.AccessLevelValue) evidence.MemberFacts {
	return evidence.MemberFacts{Container: c.path, Level: c.level, Type: kind, Role: roleName(level), Rank: rank(level), Holder: -1}
}

func (c *container) memberDraft(m member, inherited bool) evidence.Draft {
	who := newPeople(c.Collector)
	f := c.memberFacts("user", m.AccessLevel)
	f.Holder = who.account(evidence.RoleHolder, m.ID, m.Username, m.Name, m.Email)
	f.Inherited, f.ExpiresAt = inherited, when(&m.ExpiresAt.Time)
	f.Disabled = m.State != "" && m.State != "active"
	if r := m.MemberRole; r != nil && r.ID > 0 {
		f.Role += "+custom-" + strconv.Itoa(r.ID) // a custom role adds rights to its base
	}
	d := c.state(strconv.Itoa(m.ID), f, m.req)
	d.People = who.List
	d.Raw, d.Removed = without(m.raw, []string{"created_by"}) // who let the member in is no party of the role
	return d
}

func (c *container) state(id string, f evidence.MemberFacts, req evidence.Request) evidence.Draft {
	d := c.draft(evidence.AccessMember, evidence.OpSet, req, f)
	d.Key = c.level + "/" + c.name[strings.LastIndexByte(c.name, ' ')+1:] + "/" + id
	d.Subject = c.memberRef(c.path, id)
	d.Links = []evidence.Ref{c.ref}
	d.Scope = c.scope
	return d
}

// tokens records access tokens of the container; their bot accounts are members
// too.
func (c *container) tokens() error {
	_, err := c.list(c.ctx, c.api+"/access_tokens", &gl.ListProjectAccessTokensOptions{PerPage: perPage}, c.each(func(p *page, raw json.RawMessage) error {
		d, err := c.tokenDraft(p, raw)
		if err != nil {
			return err
		}
		return c.emit(d)
	}))
	return err
}

func (c *container) tokenDraft(p *page, raw json.RawMessage) (evidence.Draft, error) {
	var t struct {
		gl.ProjectAccessToken
		ExpiresAt date `json:"expires_at"`
	}
	if err := decodeItem(p, raw, &t); err != nil {
		return evidence.Draft{}, err
	}
	if t.ID <= 0 {
		return evidence.Draft{}, oddItem(p, "an access token without an id")
	}
	f := c.memberFacts("token", t.AccessLevel)
	f.Name, f.ExpiresAt, f.Disabled = label(t.Name), when(&t.ExpiresAt.Time), t.Revoked || !t.Active
	for _, s := range t.Scopes {
		if len(f.Scopes) < 50 {
			f.Scopes = append(f.Scopes, word(s))
		}
	}
	slices.Sort(f.Scopes)
	if rank(t.AccessLevel) != "none" && !slices.ContainsFunc(f.Scopes, writes) {
		f.Rank = "read" // whatever the role of its account
	}
	d := c.state("token-"+strconv.Itoa(t.ID), f, p.req)
	return d, nil
}

// writes reports whether a scope lets a token change something.
// See https://docs.gitlab.com/ee/user/profile/personal_access_tokens.html
func writes(scope string) bool {
	switch scope {
	case "read_api", "read_user", "read_repository", "read_registry", "read_virtual_registry", "read_observability", "read_service_ping", "openid", "profile", "email":
		return false
	}
	return true
}

// keys records deploy keys. Their titles and comments are mostly somebody's
// name and machine: a key stands under its fingerprint.
func (c *container) keys() error {
	_, err := c.list(c.ctx, c.api+"/deploy_keys", &gl.ListProjectDeployKeysOptions{PerPage: perPage}, c.each(func(p *page, raw json.RawMessage) error {
		d, err := c.keyDraft(p, raw)
		if err != nil {
			return err
		}
		return c.emit(d)
	}))
	return err
}

func (c *container) keyDraft(p *page, raw json.RawMessage) (evidence.Draft, error) {
	var k gl.ProjectDeployKey
	if err := decodeItem(p, raw, &k); err != nil {
		return evidence.Draft{}, err
	}
	if k.ID <= 0 {
		return evidence.Draft{}, oddItem(p, "a deploy key without an id")
	}
	f := c.memberFacts("deploy-key", 0)
	f.Name, f.Role, f.Rank, f.ExpiresAt = fingerprint(k.Key), "pull", "read", when(k.ExpiresAt)
	if k.CanPush {
		f.Role, f.Rank = "push", "write"
	}
	return c.state("deploy-key-"+strconv.Itoa(k.ID), f, p.req), nil
}

// fingerprint is the key's SHA-256 as OpenSSH writes it; "" for what is no key.
func fingerprint(key string) string {
	fields := strings.Fields(key)
	if len(fields) < 2 {
		return ""
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
