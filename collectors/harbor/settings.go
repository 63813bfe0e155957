package harbor

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// settings reads, when it is due, what says how the registry is set up: the
// projects and their rules, robots and members, the rules of the whole
// registry, and what ran under them.
func (l *look) settings() error {
	now := l.env.Clock().UTC()
	if !l.cur.Settings.IsZero() && now.Sub(l.cur.Settings) < l.cfg.SettingsEvery || now.Before(l.Collector.retry.at) {
		return nil
	}
	s := &settingsLook{look: l, failed: map[evidence.Kind][]*project{}, broken: map[evidence.Kind]bool{}, reach: map[int64][]evidence.Ref{}}
	before := l.missed.N
	if err := s.registry(); err != nil {
		return err
	}
	quotas, err := l.quotas()
	if err := s.part(evidence.RegistryProject, err, "quotas"); err != nil {
		return err
	}
	for _, p := range l.projects {
		if err := s.project(p, quotas); err != nil {
			return err
		}
		if err := l.progress(); err != nil {
			return err
		}
	}
	s.conclude()
	full := l.missed.N == before
	l.Collector.retry.next(now, full, l.cfg.SettingsEvery)
	if full {
		l.after = append(l.after, func() { l.cur.Settings = l.started })
	}
	return nil
}

// settingsLook is one look at the settings.
type settingsLook struct {
	*look
	failed map[evidence.Kind][]*project // projects of which the kind was not read in full
	broken map[evidence.Kind]bool       // the registry's own part was not read in full
	reach  map[int64][]evidence.Ref     // projects that a replication policy concerns
}

// part remembers a list of the whole registry that could not be read.
func (s *settingsLook) part(kind evidence.Kind, err error, what string) error {
	if err == nil {
		return nil
	}
	s.broken[kind] = true
	return s.miss(err, "%s", what)
}

// of remembers a list of a project that could not be read.
func (s *settingsLook) of(p *project, kind evidence.Kind, err error, what string) error {
	if err == nil {
		return nil
	}
	if !slices.Contains(s.failed[kind], p) {
		s.failed[kind] = append(s.failed[kind], p)
	}
	return s.miss(err, "%s of project %s", what, p.Name)
}

// project reads what belongs to one project.
func (s *settingsLook) project(p *project, quotas quotas) error {
	if !s.broken[evidence.RegistryProject] {
		if err := s.of(p, evidence.RegistryProject, s.projectSettings(p, quotas), "settings"); err != nil {
			return err
		}
	}
	for _, step := range []struct {
		kind evidence.Kind
		what string
		do   func(*project) error
	}{
		{evidence.AccessMember, "members", s.members},
		{evidence.RegistryRobot, "robots", s.projectRobots},
		{evidence.RegistryRule, "immutability rules", s.immutability},
		{evidence.RegistryRule, "webhooks", s.webhooks},
		{evidence.RegistryRule, "retention rules", s.retention},
		{evidence.RegistryRun, "retention runs", s.retentionRuns},
	} {
		if err := s.of(p, step.kind, step.do(p), step.what); err != nil {
			return err
		}
	}
	return nil
}

// registry reads what belongs to the registry as a whole.
func (s *settingsLook) registry() error {
	for _, step := range []struct {
		kind evidence.Kind
		what string
		do   func() error
	}{
		{evidence.RegistryRobot, "robots of the system", s.systemRobots},
		{evidence.RegistryRule, "replication policies", s.replication},
		{evidence.RegistryRun, "replication runs", s.replicationRuns},
		{evidence.RegistryRule, "schedules", s.schedules},
		{evidence.RegistryRule, "scanners", s.scanners},
		{evidence.RegistryRule, "settings of the audit log", s.auditSettings},
		{evidence.RegistryRun, "garbage collections", func() error { return s.jobs(ruleGC, "system/gc") }},
		{evidence.RegistryRun, "purges of the audit log", func() error { return s.jobs(rulePurge, "system/purgeaudit") }},
	} {
		if err := s.part(step.kind, step.do(), step.what); err != nil {
			return err
		}
	}
	return nil
}

// conclude says which lists were full and what was seen.
func (s *settingsLook) conclude() {
	for _, kind := range settingKinds {
		failed := s.failed[kind]
		info, _ := evidence.KindInfo(kind)
		switch {
		case !info.State:
		case len(failed) == 0 && !s.broken[kind] && s.whole():
			s.sink.Complete(kind, evidence.Ref{})
		case !s.broken[kind]:
			// What belongs to the registry and reaches a project was read too.
			s.sink.Complete(kind, s.hostRef())
			for _, p := range s.projects {
				if !slices.Contains(failed, p) {
					s.sink.Complete(kind, s.projectRef(p.Name))
				}
			}
		}
		since := s.cur.Settings
		if since.IsZero() {
			since = s.started
		}
		if len(failed) == len(s.projects) && s.broken[kind] || kind == evidence.RegistryProject && s.broken[kind] {
			s.seen = append(s.seen, evidence.Seen{Kinds: []evidence.Kind{kind}, Class: evidence.Blind, From: since, To: s.started, Cause: "none of it could be read"})
			continue
		}
		s.claim(s.cfg.SettingsEvery, kind)
		for _, p := range slices.Concat(failed, s.strays) {
			s.blind(p, s.cur.Settings, kind)
		}
		if s.broken[kind] {
			s.seen = append(s.seen, evidence.Seen{
				Kinds: []evidence.Kind{kind}, Scope: s.hostRef(), Class: evidence.Blind, From: since, To: s.started,
				Cause: "a part that belongs to the registry as a whole could not be read",
			})
		}
	}
}

// state fills what drafts of settings share.
func (s *settingsLook) state(kind evidence.Kind, subject evidence.Ref, scope []evidence.Ref, facts any, req evidence.Request) evidence.Draft {
	d := s.draft(kind, evidence.OpSet, subject, facts, req)
	d.NotBefore, d.Scope = s.cur.Settings, scope
	return d
}

// members reads who has a role in a project.
func (s *settingsLook) members(p *project) error {
	return s.list("members of "+p.Name, projectPath(p.Name)+"/members", nil, func(a *answer, raw json.RawMessage) error {
		m, err := parseMember(raw)
		if err != nil {
			return a.oddItem("a member of an unknown form")
		}
		f := evidence.MemberFacts{Container: p.Name, Level: "project", Type: "user", Role: text(m.Role), Rank: rankOf(m.RoleID), Holder: -1}
		var people []evidence.Person
		switch m.Type {
		case "u":
			f.Holder = 0
			people = append(people, s.person(evidence.RoleHolder, m.Name, evidence.ProofAuthenticated))
		case "g":
			f.Type, f.Name = "group", text(m.Name)
		default:
			f.Type, f.Name = "unknown", ""
		}
		d := s.state(evidence.AccessMember, evidence.NewRef("member", s.authority, p.Name+"/"+text(m.Type)+number(m.Entity)), []evidence.Ref{s.projectRef(p.Name)}, f, a.req)
		d.People = people
		if m.Type == "u" || m.Type == "g" {
			d.Raw = raw
		}
		return s.emit(d)
	})
}

// member is one row of a project's members.
type member struct {
	Entity int64  `json:"entity_id"`
	Name   string `json:"entity_name"`
	Type   string `json:"entity_type"` // u or g
	Role   string `json:"role_name"`
	RoleID int    `json:"role_id"`
}

func parseMember(raw []byte) (*member, error) {
	m := &member{}
	if err := json.Unmarshal(raw, m); err != nil || m.Entity <= 0 || m.Name == "" || len(m.Type) > 8 {
		return nil, errShape
	}
	return m, nil
}

// rankOf orders Harbor's roles, which are numbered.
// See https://goharbor.io/docs/latest/administration/managing-users/
func rankOf(role int) string {
	switch role {
	case 1:
		return "admin"
	case 4:
		return "maintain"
	case 2:
		return "write"
	case 3, 5:
		return "read"
	}
	return "unknown"
}

// robot is a machine account.
type robot struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Level       string `json:"level"`
	Disable     bool   `json:"disable"`
	Expires     int64  `json:"expires_at"`
	Created     string `json:"creation_time"`
	Permissions []struct {
		Kind      string `json:"kind"`
		Namespace string `json:"namespace"`
		Access    []struct {
			Resource string `json:"resource"`
			Action   string `json:"action"`
			Effect   string `json:"effect"`
		} `json:"access"`
	} `json:"permissions"`
}

// parseRobot reads one robot of a list.
func parseRobot(raw []byte) (*robot, error) {
	r := &robot{}
	if err := json.Unmarshal(raw, r); err != nil || r.ID <= 0 || r.Name == "" {
		return nil, errShape
	}
	return r, nil
}

// maxGrants bounds the projects and levels in the facts of one robot.
const maxGrants = 2000

func (r *robot) facts(registry string) evidence.RobotFacts {
	f := evidence.RobotFacts{
		Registry: registry, ID: number(r.ID), Name: text(r.Name), Level: text(r.Level), Disabled: r.Disable,
		ExpiresAt: epoch(r.Expires), CreatedAt: when(r.Created),
	}
	f.Grants = r.grants()
	f.GrantsCut = bound(&f.Grants, maxGrants)
	return f
}

// grants are all that the robot may do, in order.
func (r *robot) grants() (grants []evidence.RobotGrant) {
	for _, p := range r.Permissions {
		g := evidence.RobotGrant{Kind: text(p.Kind), Project: text(p.Namespace), May: []string{}}
		if p.Kind == "system" {
			g.Project = ""
		}
		for _, a := range p.Access {
			may := text(a.Resource) + ":" + text(a.Action)
			if a.Effect == "deny" {
				may = "!" + may
			}
			g.May = append(g.May, may)
		}
		slices.Sort(g.May)
		grants = append(grants, g)
	}
	slices.SortFunc(grants, func(a, b evidence.RobotGrant) int {
		return strings.Compare(a.Kind+"\x00"+a.Project, b.Kind+"\x00"+b.Project)
	})
	return grants
}

func (s *settingsLook) systemRobots() error {
	return s.robots("robots of the system", nil, func(r *robot) []evidence.Ref {
		scope := []evidence.Ref{s.hostRef()}
		for _, p := range r.Permissions {
			if p.Kind == "project" {
				scope = append(scope, s.projectsNamed(p.Namespace, scope)...)
			}
		}
		return scope
	})
}

func (s *settingsLook) projectRobots(p *project) error {
	q := url.Values{"q": {"Level=project,ProjectID=" + number(p.ID)}}
	return s.robots("robots of "+p.Name, q, func(r *robot) []evidence.Ref {
		if !r.of(p.Name) {
			s.note("listed among the robots of %s, and not recorded there: robot %d, which is not its own", p.Name, r.ID)
			return nil
		}
		return []evidence.Ref{s.projectRef(p.Name)}
	})
}

// of reports whether the robot is one of the project's own. That the list was
// asked for by project is not relied on: a registry that passes the question
// over would give each tenant the robots of all.
func (r *robot) of(project string) bool {
	for _, p := range r.Permissions {
		if p.Namespace != project {
			return false
		}
	}
	// Names are robot$project+name, with a prefix that an administrator chooses.
	return r.Level == "project" && (len(r.Permissions) > 0 || strings.Contains(r.Name, project+"+"))
}

// robots records the robots of a list, each with its scope; one without is left
// out.
func (s *settingsLook) robots(what string, q url.Values, scope func(*robot) []evidence.Ref) error {
	return s.list(what, "robots", q, func(a *answer, raw json.RawMessage) error {
		r, err := parseRobot(raw)
		if err != nil {
			return a.oddItem("a robot of an unknown form")
		}
		within := scope(r)
		if len(within) == 0 {
			return nil
		}
		f := r.facts(s.cfg.Registry)
		d := s.state(evidence.RegistryRobot, evidence.NewRef("robot", s.authority, number(r.ID)), within, f, a.req)
		d.Mentions = s.mentionGrants(r.grants()) // also those that stand in its bytes alone
		if r.Level != "project" {
			d.Mentions = append(d.Mentions, s.mentionSpelled())
		}
		d.Raw, d.Removed = forge.Without(agent, raw, "secret", "description", "creator_ref", "update_time")
		if r.Description != "" {
			d.Text = []byte(strings.ToValidUTF8(r.Description, "\uFFFD"))
		}
		if r.Name == s.cfg.User && !epoch(r.Expires).IsZero() && epoch(r.Expires).Sub(s.started) < 14*24*time.Hour {
			s.note("the robot that reads expires at %s", evidence.FormatTime(epoch(r.Expires)))
		}
		return s.emit(d)
	})
}

// mentionGrants says whose the projects are in which a robot may do something. A
// grant in all of them is told to each.
func (s *settingsLook) mentionGrants(grants []evidence.RobotGrant) []evidence.Mention {
	of := make([][]evidence.Ref, len(grants))
	for i, g := range grants {
		if g.Kind == "project" && g.Project != "*" && g.Project != "/" {
			of[i] = []evidence.Ref{s.projectRef(g.Project)}
		}
	}
	return []evidence.Mention{{At: "/grants", Names: []string{"project"}, Of: of}}
}

// projectsNamed are the known projects that a name stands for; * and / stand
// for all. What have holds already is left out.
func (s *settingsLook) projectsNamed(name string, have []evidence.Ref) (refs []evidence.Ref) {
	for _, p := range slices.Concat(s.projects, s.strays) {
		if r := s.projectRef(p.Name); (name == p.Name || name == "*" || name == "/") && !slices.Contains(have, r) {
			refs = append(refs, r)
		}
	}
	return refs
}
