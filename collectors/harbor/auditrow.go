package harbor

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// parseAuditRow reads one row of either form. A row has an id; everything else
// may be missing, and what is of another form than the API describes is left empty.
func parseAuditRow(raw []byte) (*auditRow, error) {
	r := &auditRow{}
	odd, err := partly(json.Unmarshal(raw, r))
	if err != nil || r.ID <= 0 {
		return nil, errShape
	}
	r.odd = odd != ""
	if strings.EqualFold(r.Operation, "login") {
		r.Username, r.Resource = typed(r.Username), typed(r.Resource)
	}
	return r, nil
}

// typed is the name that was typed into the login form. Harbor writes it into
// the row as the form sent it, percent-encoded, and lets no name of a user hold
// a percent sign: left so, who logs in as a mail address would be another
// person than whoever acts afterwards.
func typed(name string) string {
	if !strings.Contains(name, "%") {
		return name
	}
	plain, err := url.QueryUnescape(name)
	if err != nil {
		return name
	}
	return plain
}

var (
	// scannerRobot matches the short-lived robots by which a scan pulls.
	scannerRobot = regexp.MustCompile(`-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	// byDigest matches the end of a resource that names a digest: behind an at
	// sign, or behind a colon, as Harbor wrote it before 2.11.
	byDigest = regexp.MustCompile(`[@:](sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)
	inText   = regexp.MustCompile(`@(sha256:[0-9a-f]{64})`)
	// ofProject matches how the description of a change of members ends: the
	// only place that names the project.
	ofProject = regexp.MustCompile(`(?:in|from) project ([a-z0-9][a-z0-9._-]*)$`)
)

// plain are the types of resources whose names are no names of people.
var plain = map[string]bool{"artifact": true, "tag": true, "repository": true, "project": true, "robot": true, "configuration": true, "chart": true}

// target is what a row is about, as far as its resource tells.
type target struct {
	project    string
	repository string // with the project
	digest     string
	tag        string
	resource   string // as facts may hold it
	person     string // whom a row about an account is about
}

// targetOf takes a row's resource apart: project/repository:tag,
// project/repository@digest, a project, a robot, an account.
func (c *Collector) targetOf(r *auditRow, p *project) (t target) {
	if p != nil {
		t.project = p.Name
	}
	kind := strings.ToLower(r.Type)
	t.resource = text(r.Resource)
	if !plain[kind] {
		// An account, a member, or what we do not know: its name may be a
		// person's and stands in the raw row alone.
		t.resource, t.person = "", r.Resource
		if m := ofProject.FindStringSubmatch(r.Description); kind == "member" && m != nil && p == nil {
			t.project = m[1]
		}
		// Of a member whom the registry could not look up, as of one that was
		// gone, the row has the number of the membership: that is no account.
		if kind != "user" && (kind != "member" || !strings.Contains(r.Description, " user member ")) {
			t.person = ""
		}
		return t
	}
	name := r.Resource
	switch kind {
	case "artifact", "tag", "repository", "chart":
		name, t.tag, t.digest = cutName(name)
		if m := inText.FindStringSubmatch(r.Description); t.digest == "" && m != nil {
			t.digest = m[1]
		}
		if project, repository, ok := strings.Cut(name, "/"); ok && repository != "" {
			t.repository = name
			if p == nil {
				t.project = project
			}
		}
	case "project":
		if p == nil {
			// A log that began before Harbor 2.0 has a slash or more behind the name.
			t.project, _, _ = strings.Cut(name, "/")
		}
	case "robot":
		if p == nil {
			t.project = c.robotProject(name)
		}
	}
	return t
}

// cutName cuts the tag or the digest off the name of an artifact. What follows
// the repository and is neither is dropped: it names nothing.
func cutName(name string) (repository, tag, digest string) {
	if m := byDigest.FindStringSubmatchIndex(name); m != nil {
		return name[:m[0]], "", name[m[2]:]
	}
	last := strings.LastIndexByte(name, '/') + 1
	if i := strings.IndexAny(name[last:], ":@"); i >= 0 {
		if rest := name[last+i+1:]; name[last+i] == ':' && !strings.ContainsAny(rest, ":@") {
			tag = rest
		}
		return name[:last+i], tag, ""
	}
	return name, "", ""
}

// auditDraft makes the draft of a row. The row's time decides when it happened;
// a row without one happened when it was seen.
func (l *look) auditDraft(a *auditLog, r *auditRow, raw json.RawMessage, at time.Time, req evidence.Request) evidence.Draft {
	id := number(r.ID)
	if a.form == formLegacy {
		id = "legacy/" + id
	}
	if a.state.Era > 0 {
		id = "era-" + number(int64(a.state.Era)) + "/" + id
	}
	t := l.targetOf(r, a.project)
	f := &evidence.RegistryAuditFacts{
		Registry: l.cfg.Registry, ID: number(r.ID), Form: a.form, Operation: text(r.Operation), ResourceType: text(r.Type),
		Resource: t.resource, Project: text(t.project), Digest: t.digest, Tag: text(t.tag), Succeeded: r.Result, Who: -1,
	}
	d := l.draft(evidence.RegistryAudit, evidence.OpEvent, evidence.NewRef("line", l.authority, id), f, req)
	d.Raw = raw
	if !at.IsZero() {
		d.OccurredAt, d.Basis = at, evidence.BasisSource
	}
	if t.project != "" {
		d.Scope = []evidence.Ref{l.projectRef(t.project)}
	} else {
		d.Scope = []evidence.Ref{l.hostRef()}
	}
	d.ActorScope = []evidence.Ref{l.sourceRef()} // somebody acted; whose they are is not told
	switch {
	case l.machine(r.Username):
		f.Robot = text(r.Username)
		d.ActorScope = []evidence.Ref{l.hostRef()}
		if of := l.robotProject(r.Username); of != "" {
			d.ActorScope = []evidence.Ref{l.projectRef(of)}
		}
	case r.Username != "" && r.Username != "anonymous":
		proof := evidence.ProofAuthenticated
		if r.Result != nil && !*r.Result && r.Operation == "login" {
			proof = evidence.ProofClaimed // the name that was tried
		}
		f.Who = 0
		d.People = append(d.People, l.person(evidence.RoleInitiator, r.Username, proof))
	}
	if t.person != "" && t.person != r.Username && !l.machine(t.person) {
		d.People = append(d.People, l.person(evidence.RoleHolder, t.person, evidence.ProofClaimed))
	}
	var ls links
	ls.image(t.digest)
	if t.repository != "" {
		if t.tag != "" {
			ls.add(l.tagRef(t.repository, t.tag))
		}
		if t.digest != "" {
			ls.add(evidence.NewRef("artifact", l.authority, t.repository+"@"+t.digest))
		}
	}
	d.Links = slices.Clip(ls)
	d.Content = forge.Encode(f)
	return d
}
