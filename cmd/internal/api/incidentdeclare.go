package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
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
	if err != nil {
		return nil, err
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
	res.Says = []string{"declared as " + res.ID}
	return res, a.declareParts(ctx, res, parts, p, home)
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
