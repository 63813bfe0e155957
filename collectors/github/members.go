package github

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// members reads who has access to a repository: collaborators with what they
// may do in effect, teams, and deploy keys. States of the repository end only
// when all three lists were read.
func (r *repoLook) members() error {
	if !r.due(partMembers, r.st.Members) {
		return nil
	}
	whole := true
	for _, part := range []struct {
		path, says string
		take       func(*page, json.RawMessage) (evidence.Draft, error)
	}{
		{"/collaborators?affiliation=all&per_page=100", "collaborators are not visible to this credential (Metadata: read, and push access for some tokens)", r.collaborator},
		{"/teams?per_page=100", "teams are not visible to this credential (Administration: read)", r.team},
		{"/keys?per_page=100", "deploy keys are not visible to this credential (Administration: read)", r.deployKey},
	} {
		err := r.memberList(r.path+part.path, func(p *page, raw json.RawMessage) (evidence.Draft, error) {
			d, err := part.take(p, raw)
			d.Scope = append(d.Scope, r.labels...)
			return d, err
		}, func(err error) error { return r.spoil(partMembers, err) })
		if hidden(err) {
			whole = false
			r.note("repository %s: %s", r.name, part.says)
			continue
		}
		if err != nil {
			return err
		}
	}
	if r.spoilt(partMembers, r.st.Members, evidence.AccessMember) {
		// Nothing ends: it may be what could not be read.
	} else if whole {
		r.sink.Complete(evidence.AccessMember, r.project(r.name))
		r.claimPart(partMembers, evidence.Instants, r.started, "", evidence.AccessMember)
	} else {
		r.unseen(partMembers, r.st.Members, "who has access is not visible in full to this credential", evidence.AccessMember)
	}
	r.after = append(r.after, func() { r.st.Members = r.started })
	return nil
}

// memberList emits what take makes of each item; odd decides about the errors of
// items.
func (l *look) memberList(path string, take func(*page, json.RawMessage) (evidence.Draft, error), odd func(error) error) error {
	return l.pages(l.ctx, path, func(p *page) (bool, error) {
		list, err := items(p)
		if err != nil {
			return false, err
		}
		for _, raw := range list {
			d, err := take(p, raw)
			if err != nil {
				if err = odd(err); err != nil {
					return false, err
				}
				continue
			}
			if err := l.emit(d); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// rankOf orders GitHub's permissions; a custom role stands by its base.
func rankOf(perms map[string]bool) string {
	for _, p := range []struct{ perm, rank string }{{"admin", "admin"}, {"maintain", "maintain"}, {"push", "write"}, {"triage", "read"}, {"pull", "read"}} {
		if perms[p.perm] {
			return p.rank
		}
	}
	return "none"
}

func (r *repoLook) collaborator(p *page, raw json.RawMessage) (evidence.Draft, error) {
	var u struct {
		gh.User
		Permissions map[string]bool `json:"permissions"`
		Role        string          `json:"role_name"`
	}
	if err := decode(p.item(raw), &u); err != nil {
		return evidence.Draft{}, err
	}
	if u.GetID() <= 0 {
		return evidence.Draft{}, oddItem(p, "a collaborator without an id")
	}
	f := evidence.MemberFacts{Container: r.name, Level: "repository", Type: "user", Role: forge.Short(forge.Clean(u.Role)), Rank: rankOf(u.Permissions)}
	return r.memberDraft(p, raw, r.name, "user-"+strconv.FormatInt(u.GetID(), 10), f, &u.User), nil
}

func (r *repoLook) team(p *page, raw json.RawMessage) (evidence.Draft, error) {
	var t struct {
		ID          int64           `json:"id"`
		Slug        string          `json:"slug"`
		Permission  string          `json:"permission"`
		Permissions map[string]bool `json:"permissions"`
	}
	if err := decode(p.item(raw), &t); err != nil {
		return evidence.Draft{}, err
	}
	if t.ID <= 0 {
		return evidence.Draft{}, oddItem(p, "a team without an id")
	}
	f := evidence.MemberFacts{Container: r.name, Level: "repository", Type: "team", Name: forge.Short(forge.Clean(t.Slug)), Role: word(t.Permission), Rank: rankOf(t.Permissions), Holder: -1}
	return r.memberDraft(p, raw, r.name, "team-"+strconv.FormatInt(t.ID, 10), f, nil), nil
}

func (r *repoLook) deployKey(p *page, raw json.RawMessage) (evidence.Draft, error) {
	var k struct {
		ID       int64 `json:"id"`
		ReadOnly *bool `json:"read_only"`
		Enabled  *bool `json:"enabled"`
	}
	if err := decode(p.item(raw), &k); err != nil {
		return evidence.Draft{}, err
	}
	if k.ID <= 0 {
		return evidence.Draft{}, oddItem(p, "a deploy key without an id")
	}
	// Its title is what somebody wrote, often a name, and who added it stands by
	// login alone: neither is kept, since erasing a person could not reach it.
	f := evidence.MemberFacts{Container: r.name, Level: "repository", Type: "deploy-key", Name: "key " + strconv.FormatInt(k.ID, 10), Role: "unknown", Rank: "unknown", Holder: -1,
		Disabled: k.Enabled != nil && !*k.Enabled}
	if k.ReadOnly != nil {
		f.Role, f.Rank = "read-write", "write"
		if *k.ReadOnly {
			f.Role, f.Rank = "read-only", "read"
		}
	}
	d := r.memberDraft(p, raw, r.name, "key-"+strconv.FormatInt(k.ID, 10), f, nil)
	d.Raw, d.Removed = forge.Without(agent, raw, "title", "added_by")
	return d, nil
}

// memberDraft makes the state of one holder of a role on a repository or
// organisation.
func (l *look) memberDraft(p *page, raw []byte, container, holder string, f evidence.MemberFacts, u *gh.User) evidence.Draft {
	who := newPeople(l.Collector)
	if u != nil {
		f.Holder = who.account(evidence.RoleHolder, u, evidence.ProofAuthenticated)
	}
	return evidence.Draft{
		Kind: evidence.AccessMember, Op: evidence.OpSet, Source: l.env.Source, Key: container + "/" + holder,
		Subject: evidence.NewRef("member", l.authority, container+"/"+holder), People: who.List,
		OccurredAt: l.started, Basis: evidence.BasisObserved, ObservedAt: l.env.Clock().UTC(),
		Links: []evidence.Ref{l.project(container)}, Scope: []evidence.Ref{l.project(container)}, Content: forge.Encode(f), Raw: raw, Request: p.req,
	}
}

// orgState is how far an organisation was read.
type orgState struct {
	Members time.Time `json:"members,omitzero"`
	Audit   time.Time `json:"audit,omitzero"`   // newest entry that was read
	Looked  time.Time `json:"looked,omitzero"`  // begin of the last complete look at the audit log
	Spoilt  string    `json:"spoilt,omitempty"` // why not every entry since then could be read
}

// organisations are the owners of the configured repositories, once each.
func (c *Collector) organisations() []string {
	owners := map[string]bool{}
	for _, r := range c.cfg.Repos {
		for i := range r {
			if r[i] == '/' {
				owners[r[:i]] = true
				break
			}
		}
	}
	return forge.Sorted(owners)
}

// org looks at one organisation that owns repositories: who is a member, which
// apps are installed, and the audit log.
func (l *look) org(name string) error {
	st := l.cur.org(name)
	if l.due(partMembers, st.Members) {
		if err := l.orgMembers(name, st); err != nil {
			return err
		}
	}
	if l.due(partAudit, st.Looked) {
		if err := l.auditLog(name, st); err != nil {
			return err
		}
	}
	return l.progress()
}

func (l *look) orgMembers(name string, st *orgState) error {
	whole, spoilt := true, ""
	base := "orgs/" + name
	spoil := func(err error) error {
		e := forge.Odd(err)
		if e == nil {
			return err
		}
		spoilt = e.Cause()
		l.missing = forge.AddOnce(l.missing, "organisation "+name+": "+err.Error())
		return nil
	}
	user := func(role, rank string, outside bool) func(*page, json.RawMessage) (evidence.Draft, error) {
		return func(p *page, raw json.RawMessage) (evidence.Draft, error) {
			if strings.HasSuffix(p.from, "/public_members") {
				// Who is no member is sent to the list of those who show that they
				// are, whatever role was asked for.
				return evidence.Draft{}, fetch.StatusProblem(http.MethodGet, l.fetch.Base(), http.StatusForbidden)
			}
			var u gh.User
			if err := decode(p.item(raw), &u); err != nil {
				return evidence.Draft{}, err
			}
			if u.GetID() <= 0 {
				return evidence.Draft{}, oddItem(p, "a member without an id")
			}
			f := evidence.MemberFacts{Container: name, Level: "organisation", Type: "user", Role: role, Rank: rank, Outside: outside}
			return l.memberDraft(p, raw, name, "user-"+strconv.FormatInt(u.GetID(), 10), f, &u), nil
		}
	}
	for _, part := range []struct {
		path string
		take func(*page, json.RawMessage) (evidence.Draft, error)
	}{
		{"/members?role=admin&per_page=100", user("owner", "admin", false)},
		{"/members?role=member&per_page=100", user("member", "read", false)},
		{"/outside_collaborators?per_page=100", user("outside collaborator", "unknown", true)},
	} {
		err := l.memberList(base+part.path, part.take, spoil)
		if hidden(err) {
			whole = false
			continue
		}
		if err != nil {
			return err
		}
	}
	err := l.installations(base+"/installations?per_page=100", name, spoil)
	if hidden(err) {
		whole = false
	} else if err != nil {
		return err
	}
	seen := evidence.Seen{Kinds: []evidence.Kind{evidence.AccessMember}, Scope: l.project(name), Class: evidence.Instants, From: l.started, To: l.started, Every: l.every(partMembers)}
	if whole && spoilt == "" {
		l.sink.Complete(evidence.AccessMember, l.project(name))
	} else {
		seen.Class, seen.Cause = evidence.Blind, spoilt
	}
	if !whole {
		seen.Cause = "members, outside collaborators and apps are not visible in full to this credential (Members: read, Administration: read of the organisation)"
		l.note("organisation %s: %s", name, seen.Cause)
	}
	if seen.Class == evidence.Blind && !st.Members.IsZero() {
		seen.From = st.Members
	}
	l.seen = append(l.seen, seen)
	l.after = append(l.after, func() { st.Members = l.started })
	return nil
}

// installations reads which apps are installed and what they may do.
func (l *look) installations(path, org string, spoil func(error) error) error {
	total, ours := -1, 0
	err := l.pages(l.ctx, path, func(p *page) (bool, error) {
		var body struct {
			Total *int              `json:"total_count"`
			Apps  []json.RawMessage `json:"installations"`
		}
		if err := decode(p, &body); err != nil {
			return false, err
		}
		if body.Total == nil {
			return false, odd(p, "no list of installations")
		}
		total = *body.Total
		for _, raw := range body.Apps {
			var a struct {
				ID          int64             `json:"id"`
				Slug        string            `json:"app_slug"`
				Selection   string            `json:"repository_selection"`
				Permissions map[string]string `json:"permissions"`
				Suspended   *gh.Timestamp     `json:"suspended_at"`
			}
			err := decode(p.item(raw), &a)
			if err == nil && a.ID <= 0 {
				err = oddItem(p, "an installation without an id")
			}
			if err != nil {
				if err = spoil(err); err != nil {
					return false, err
				}
				continue
			}
			ours++
			f := evidence.MemberFacts{Container: org, Level: "organisation", Type: "app", Name: forge.Short(forge.Clean(a.Slug)), Role: word(a.Selection) + " repositories", Rank: "read", Holder: -1, Disabled: a.Suspended != nil}
			for name, level := range a.Permissions {
				f.Scopes = append(f.Scopes, word(name)+":"+word(level))
				if level == "write" && f.Rank == "read" {
					f.Rank = "write"
				}
				if level == "admin" {
					f.Rank = "admin"
				}
			}
			sortWords(f.Scopes)
			d := l.memberDraft(p, raw, org, "app-"+strconv.FormatInt(a.ID, 10), f, nil)
			d.Raw, d.Removed = forge.Without(agent, raw, "suspended_by")
			if err := l.emit(d); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	if err == nil {
		l.count("installed apps of "+org, fmt.Sprintf("orgs/%s/installations", org), int64(total), int64(ours))
	}
	return err
}
