package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
)

// part is a tenant that a platform's incident hits.
type part struct {
	tenant evidence.Tenant
	id     string
	roles  []string
}

// declare begins an incident: in the tenant's own log, or with its home in
// _platform and a part in each affected tenant's.
func (a *acting) declare(ctx context.Context) (*Acted, error) {
	if a.p.Resume {
		return a.resume(ctx)
	}
	w, err := a.who()
	if err != nil {
		return nil, err
	}
	if a.p.ID != "" {
		return nil, problem.New(problem.Usage, "an incident is given its id").WithHint("leave it away; --resume ID declares the parts of one that are missing")
	}
	p, err := a.patch()
	if err == nil {
		p, err = a.first(p)
	}
	if err != nil {
		return nil, err
	}
	if a.p.Aware != "" && len(a.p.Affects) == 0 {
		return nil, problem.New(problem.Usage, "--aware belongs to --affects: it starts the customers' notice").
			WithHint("declare the incident; evidenced incident clock ID --law LAW --aware TIME then says since when the entity is aware, for each law")
	}
	home, err := a.at("--aware", a.p.Aware, a.q.now)
	if err != nil {
		return nil, err
	}
	parts, err := a.parts(ctx)
	if err != nil {
		return nil, err
	}
	facts := evidence.IncidentDeclaredFacts{}
	if len(parts) > 0 {
		if err := a.nameless(ctx, p); err != nil {
			return nil, err
		}
		facts.Home = home
		for _, x := range parts {
			facts.Affected = append(facts.Affected, evidence.IncidentPart{Tenant: x.tenant, ID: x.id})
		}
	}
	res := &Acted{Tenant: a.q.tenant, ID: incident.NewID()}
	res.Records, err = a.Act(ctx, a.q.tenant, func(evidence.Reader) ([]evidence.Draft, error) {
		return incident.Declare(res.ID, w, facts, p, a.p.Records, a.q.now)
	})
	if err != nil {
		return nil, err
	}
	if err := a.declareParts(ctx, res, parts, p, home); err != nil {
		return nil, err
	}
	res.Says, err = a.next(ctx, res.ID)
	return res, err
}

// atLeast is what a declaration must say: the first notice of every law asks for
// it, and without a role no clock runs.
var atLeast = []struct {
	what, flag string
	fields     []string // one of these says it; a flag sets the first
}{
	{"what happened", "--what TEXT", []string{"narrative.summary", "narrative.description", "threat.description"}},
	{"since when it is known", "--detected TIME", []string{"times.detected", "times.occurred"}},
	{"in which role the entity reports", "--role ROLE", []string{"reporter.roles"}},
}

// first adds what flags say to the fields of a declaration, and refuses one that
// says too little: what is sealed once stays, and an empty incident files nothing.
// Of an incident of many tenants each part has its own roles.
func (a *acting) first(p incident.Patch) (incident.Patch, error) {
	given := map[string]any{}
	if a.p.What != "" {
		given["narrative"] = map[string]any{"summary": a.p.What}
	}
	if a.p.Detected != "" {
		at, err := a.q.typed("--detected", a.p.Detected)
		if err != nil {
			return nil, err
		}
		given["times"] = map[string]any{"detected": evidence.FormatTime(at)}
	}
	if len(a.p.Roles) > 0 {
		given["reporter"] = map[string]any{"roles": a.p.Roles}
	}
	text, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	flags, err := incident.ParsePatch(text)
	if err != nil {
		return nil, problem.Wrap(problem.Usage, err, "--what, --detected and --role")
	}
	var lacks, ask []string
	for _, m := range atLeast {
		name, _, _ := strings.Cut(m.flag, " ")
		switch field := m.fields[0]; {
		case flags.Says(field) && p.Says(field):
			return nil, problem.New(problem.Usage, "%s and %s in the file both say %s", name, field, m.what).WithHint("leave one of them away")
		case flags.Says(field), slices.ContainsFunc(m.fields, p.Says), name == "--role" && len(a.p.Affects) > 0:
		default:
			lacks, ask = append(lacks, m.what), append(ask, m.flag+" (or "+field+" in --file)")
		}
	}
	if len(lacks) > 0 {
		hint := "give " + strings.Join(ask, ", ")
		if roles, _ := incident.Lists("reporter.roles"); slices.ContainsFunc(ask, func(s string) bool { return strings.HasPrefix(s, "--role") }) {
			hint += "; a ROLE is one of " + strings.Join(roles.Values, ", ")
		}
		return nil, problem.New(problem.Usage, "the declaration does not say %s", strings.Join(lacks, ", nor ")).WithHint("%s", hint)
	}
	return p.With(flags), nil
}

// next says what starts the clocks of an incident that was just declared.
func (a *acting) next(ctx context.Context, id string) ([]string, error) {
	r, err := a.Reader(ctx, a.q.tenant)
	if err != nil {
		return nil, err
	}
	inc, err := incident.Load(ctx, r, id)
	if err != nil {
		return nil, err
	}
	says := []string{"declared as " + id}
	for _, law := range notice.Laws(inc) {
		if law != deadline.Contract {
			says = append(says, fmt.Sprintf("next: evidenced incident clock %s --tenant %s --law %s --aware TIME starts the clocks of %s", inc.ID, a.q.tenant, law, law))
		}
	}
	return says, nil
}

// parts reads --affects.
func (a *acting) parts(ctx context.Context) ([]part, error) {
	if len(a.p.Affects) > 0 && a.q.tenant != evidence.Platform {
		return nil, problem.New(problem.Refused, "an incident of several tenants has its home in %s: no tenant's log names another", evidence.Platform).
			WithHint("give --tenant %s", evidence.Platform)
	}
	var out []part
	for _, text := range a.p.Affects {
		name, roles, _ := strings.Cut(text, "=")
		t, err := a.tenant(ctx, name)
		if err != nil {
			return nil, err
		}
		if t.IsPseudo() || slices.ContainsFunc(out, func(p part) bool { return p.tenant == t }) {
			return nil, problem.New(problem.Usage, "--affects %s: want each affected tenant once", t)
		}
		x := part{tenant: t, id: incident.NewID()}
		if roles != "" {
			x.roles = strings.Split(roles, ",")
		}
		l, _ := incident.Lists("reporter.roles")
		for _, r := range x.roles {
			if !slices.Contains(l.Values, r) {
				return nil, problem.New(problem.Usage, "--affects %s: %.40q is no role", t, r).WithHint("use %s", strings.Join(l.Values, ", "))
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// declareParts declares the incident in the tenants' logs, with what the home
// begins with and nothing of another tenant's.
func (a *acting) declareParts(ctx context.Context, res *Acted, parts []part, p incident.Patch, home time.Time) error {
	w := incident.Who{By: a.by()}
	for _, x := range parts {
		mine := shared(p)
		if len(x.roles) > 0 {
			roles := make([]any, len(x.roles))
			for i, r := range x.roles {
				roles[i] = r
			}
			mine["reporter"] = map[string]any{"roles": roles}
		}
		seqs, err := a.Act(ctx, x.tenant, func(evidence.Reader) ([]evidence.Draft, error) {
			return incident.Declare(x.id, w, evidence.IncidentDeclaredFacts{Part: true, Home: home}, mine, nil, a.q.now)
		})
		if err != nil {
			return problem.Wrap(problem.Incomplete, err, "incident %s is declared, its part in %s is not", res.ID, x.tenant).
				WithHint("evidenced incident declare --tenant %s --resume %s declares what is missing", evidence.Platform, res.ID)
		}
		res.Parts = append(res.Parts, Acted{Tenant: x.tenant, ID: x.id, Act: "declare", Records: seqs})
	}
	return nil
}

// resume declares the parts that a failure kept from being declared, under the
// ids that the home names.
func (a *acting) resume(ctx context.Context) (*Acted, error) {
	r, err := a.Reader(ctx, a.q.tenant)
	if err != nil {
		return nil, err
	}
	inc, err := incident.Load(ctx, r, a.p.ID)
	if err != nil {
		return nil, err
	}
	p, err := inc.Handed()
	if err == nil {
		err = a.nameless(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	var missing []part
	for _, x := range inc.Affected {
		tr, err := a.Reader(ctx, x.Tenant)
		if err != nil {
			return nil, err
		}
		_, err = incident.Load(ctx, tr, x.ID)
		switch {
		case problem.Is(err, problem.NotFound):
			missing = append(missing, part{tenant: x.Tenant, id: x.ID})
		case err != nil:
			return nil, err
		}
	}
	res := &Acted{Tenant: a.q.tenant, ID: inc.ID, Says: []string{plural(len(missing), "part") + " was missing"}}
	if len(missing) != 1 {
		res.Says = []string{plural(len(missing), "part") + " were missing"}
	}
	return res, a.declareParts(ctx, res, missing, p, inc.Home)
}
