package harbor

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// project is a project of the registry as its list gives it.
type project struct {
	ID       int64           `json:"project_id"`
	Name     string          `json:"name"`
	Owner    string          `json:"owner_name"`
	Registry int64           `json:"registry_id"` // of what a proxy cache stands for
	Created  string          `json:"creation_time"`
	Updated  string          `json:"update_time"`
	Deleted  bool            `json:"deleted"`
	Meta     map[string]word `json:"metadata"` // every value is a string, truths too
	Allow    *struct {
		Items []struct {
			ID string `json:"cve_id"`
		} `json:"items"`
		Expires *int64 `json:"expires_at"` // epoch seconds
	} `json:"cve_allowlist"`

	raw   json.RawMessage
	req   evidence.Request
	state *projectState
	odd   error // some of it is of another form than the API describes

	bills   fingerprints   // that the list shows
	tries   map[string]int // of those that are owed
	owed    int            // bills that could not be read just now
	why     error          // the first of them
	refused bool           // bills may not be read
	loose   error          // something attached that has no digest, or whose artifact has none
}

// word is a value of a project's metadata. A truth or a number that JSON has as
// such says the same as in quotes; what is neither makes its project odd.
type word string

// UnmarshalJSON implements json.Unmarshaler.
func (w *word) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '"':
		return json.Unmarshal(b, (*string)(w))
	case '{', '[':
		return errShape
	case 'n': // null: not said
	default:
		*w = word(b)
	}
	return nil
}

// parseProject reads one project of the list. Of one of an unknown form it reads no
// more than what it can be asked for by: the rest would read as what is not set.
func parseProject(raw []byte) (p *project, odd bool) {
	p = &project{}
	if json.Unmarshal(raw, p) == nil {
		return p, false
	}
	var m map[string]json.RawMessage
	_ = json.Unmarshal(raw, &m) // no object: it has none of them
	p = &project{}
	_ = json.Unmarshal(m["project_id"], &p.ID)
	_ = json.Unmarshal(m["name"], &p.Name)
	_ = json.Unmarshal(m["deleted"], &p.Deleted)
	return p, true
}

// stray takes in a project of the list that nothing can be asked of, since it has
// no name or no id. Which one it is may be known from before.
func (l *look) stray(p *project) {
	for name, st := range l.cur.Projects {
		if p.Name == "" && st.ID == p.ID && p.ID > 0 {
			p.Name = name
		}
	}
	if p.Name == "" {
		l.nameless = true
		return
	}
	p.state = l.cur.Projects[p.Name]
	if p.state == nil {
		p.state = &projectState{}
	}
	p.ID = p.state.ID
	l.strays = append(l.strays, p)
}

// listProjects lists the projects that the credential may see.
func (l *look) listProjects() ([]*project, error) {
	var ps []*project
	var odd oddItems
	source, ours, err := l.walk("projects", "project_id", url.Values{"with_detail": {"true"}}, 1, 0, func(a *answer, items []json.RawMessage) (bool, error) {
		for _, raw := range items {
			p, strange := parseProject(raw)
			p.raw, p.req = raw, a.req
			if strange {
				p.odd = a.oddItem("a project of an unknown form")
			}
			if p.Name == "" || p.ID <= 0 {
				odd.add(a.oddItem("a project without a name or an id"))
				l.stray(p)
				continue
			}
			if p.Deleted || slices.ContainsFunc(ps, func(o *project) bool { return o.ID == p.ID }) {
				continue
			}
			ps = append(ps, p)
		}
		return true, nil
	})
	if err == nil && ours < source {
		err = errShort
	}
	if err != nil {
		return nil, err
	}
	l.counts = append(l.counts, evidence.SourceCount{What: "projects", Query: "projects", Source: source, Ours: ours})
	if err := odd.err(); err != nil {
		l.missed.Add(err, "projects")
	}
	return ps, nil
}

// flag reads one of a project's truths, which are the words true and false; nil
// when neither is said.
func (p *project) flag(name string) *bool {
	switch strings.ToLower(string(p.Meta[name])) {
	case "true":
		return on(true)
	case "false":
		return on(false)
	}
	return nil
}

// maxAllowed bounds the accepted weaknesses in facts.
const maxAllowed = 2000

// projectFacts are what a project's settings say; quota and scanner come from
// lists of their own.
func (c *Collector) projectFacts(p *project) *evidence.RegistryProjectFacts {
	f := &evidence.RegistryProjectFacts{
		Registry: c.cfg.Registry, Project: p.Name, ID: number(p.ID),
		Public: p.flag("public"), ScanOnPush: p.flag("auto_scan"), SBOMOnPush: p.flag("auto_sbom_generation"),
		PreventVulnerable: p.flag("prevent_vul"), PreventSeverity: text(string(p.Meta["severity"])),
		RequireCosign: p.flag("enable_content_trust_cosign"), RequireNotation: p.flag("enable_content_trust"),
		ProxyCache: p.Registry > 0, SystemAllowlist: p.flag("reuse_sys_cve_allowlist"),
		CreatedAt: when(p.Created), UpdatedAt: when(p.Updated),
	}
	if p.Allow != nil {
		for _, it := range p.Allow.Items {
			f.Allowlist = append(f.Allowlist, text(it.ID))
		}
		slices.Sort(f.Allowlist)
		bound(&f.Allowlist, maxAllowed)
		if p.Allow.Expires != nil {
			f.AllowlistExpires = epoch(*p.Allow.Expires)
		}
	}
	return f
}

// epoch reads seconds since 1970; zero for none and for never, which is -1.
func epoch(s int64) time.Time {
	if s <= 0 || s > 253402300799 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

// quota is what a project may take and takes, in bytes.
type quota struct{ hard, used int64 }

// quotas are the storage quotas of all projects by project id; none when this
// credential may not. One of an unknown form leaves its error: under the id of its
// project, or under 0, where it may be that of any project that has no other.
type quotas struct {
	of  map[int64]quota
	odd map[int64]error
}

// find gives the quota of a project.
func (qs quotas) find(id int64) (quota, error) {
	q, ok := qs.of[id]
	if err := qs.odd[id]; err != nil || ok {
		return q, err
	}
	return q, qs.odd[0]
}

func (l *look) quotas() (quotas, error) {
	qs := quotas{map[int64]quota{}, map[int64]error{}}
	err := l.list("quotas", "quotas", url.Values{"reference": {"project"}}, func(a *answer, item json.RawMessage) error {
		var q struct {
			Ref struct {
				ID int64 `json:"id"`
			} `json:"ref"`
			Hard map[string]int64 `json:"hard"`
			Used map[string]int64 `json:"used"`
		}
		if json.Unmarshal(item, &q) != nil || q.Ref.ID <= 0 {
			qs.odd[max(q.Ref.ID, 0)] = a.oddItem("a quota of an unknown form")
			return nil
		}
		qs.of[q.Ref.ID] = quota{q.Hard["storage"], q.Used["storage"]}
		return nil
	})
	if s := status(err); s == http.StatusForbidden {
		l.note("quotas may not be read: add quota:list to the robot's system permissions")
		return quotas{}, nil
	}
	return qs, err
}

// projectSettings hands over one project.
func (l *look) projectSettings(p *project, quotas quotas) error {
	q, err := quotas.find(p.ID)
	if err := cmp.Or(p.odd, err); err != nil {
		return err
	}
	f := l.projectFacts(p)
	f.QuotaBytes, f.UsedBytes = q.hard, q.used
	var s struct {
		Name string `json:"name"`
	}
	_, err = l.read(projectPath(p.Name)+"/scanner", nil, &s)
	switch code := status(err); {
	case code == http.StatusNotFound:
	case code == http.StatusForbidden:
		l.note("scanners of projects may not be read: add scanner:read to the robot's project permissions")
	case err != nil:
		return err
	}
	f.Scanner = text(s.Name)
	d := l.draft(evidence.RegistryProject, evidence.OpSet, l.projectRef(p.Name).WithUID(number(p.ID)), f, p.req)
	d.Scope = []evidence.Ref{l.projectRef(p.Name)}
	d.NotBefore = l.cur.Settings
	d.Raw, d.Removed = forge.Without(agent, p.raw, "owner_name", "owner_id", "current_user_role_id", "current_user_role_ids")
	return l.emit(d)
}
