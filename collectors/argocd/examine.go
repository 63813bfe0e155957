package argocd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

var _ collectors.Examiner = (*Collector)(nil)

// excess are rights that a collector has no use for, RBAC resource, action and
// object as Argo CD names them
// (https://argo-cd.readthedocs.io/en/stable/operator-manual/rbac/).
var excess = []struct{ resource, action, object string }{
	{"applications", "create", "*/*"}, {"applications", "update", "*/*"}, {"applications", "delete", "*/*"},
	{"applications", "sync", "*/*"}, {"applications", "override", "*/*"}, {"applications", "action", "*/*"},
	{"projects", "create", "*"}, {"projects", "update", "*"}, {"projects", "delete", "*"},
	{"repositories", "create", "*"}, {"clusters", "create", "*"}, {"accounts", "update", "*"},
	{"exec", "create", "*/*"},
}

// Examine implements collectors.Examiner: it lists the names of applications
// and the projects, and asks the server which rights the account has. It
// changes nothing and keeps nothing.
func (c *Collector) Examine(ctx context.Context) (collectors.Examination, error) {
	c.client.ResetStats()
	s := c.session(&resume{Apps: map[string]*memory{}}, nil)
	s.identify()
	x := collectors.Examination{Identity: s.identity, Expires: c.expires()}
	var err error
	if x.Version, err = c.serverVersion(ctx); err != nil && !problem.Is(err, problem.NotFound) {
		return x, explain(err)
	}
	if err := c.loggedIn(ctx); err != nil {
		return x, err
	}
	for _, step := range []func(context.Context, *collectors.Examination) error{c.examineApplications, c.examineProjects, c.examineExcess} {
		if err := step(ctx, &x); err != nil {
			return x, err
		}
	}
	st := c.client.Stats()
	x.Offset, x.OffsetOK, x.Requests = st.Offset, st.OffsetOK, int(st.Requests)
	return x, nil
}

// serverVersion asks which server answers; empty when it does not say.
func (c *Collector) serverVersion(ctx context.Context) (string, error) {
	r, err := c.client.Get(ctx, "/api/version", nil)
	if err != nil {
		return "", err
	}
	var v struct {
		Version string
	}
	if json.Unmarshal(r.Body, &v) != nil || len(v.Version) > 64 {
		return "", nil
	}
	return v.Version, nil
}

// loggedIn reports an error when the server does not know the token. Who the
// account is stays in the answer: it may be a person.
func (c *Collector) loggedIn(ctx context.Context) error {
	r, err := c.client.Get(ctx, "/api/v1/session/userinfo", nil)
	if err != nil {
		return explain(err)
	}
	var v struct {
		LoggedIn bool `json:"loggedIn"`
	}
	if err := json.Unmarshal(r.Body, &v); err != nil {
		return problem.New(problem.Source, "argocd: the answer about the session cannot be read").
			WithHint("check that url leads to the Argo CD API server and not to a login page or an ingress")
	}
	if !v.LoggedIn {
		return problem.New(problem.Credential, "argocd: the server does not know the token").
			WithHint("issue a new token for an account with the rights in deploy/access/argocd and put it into token_file")
	}
	return nil
}

// examineApplications tries the list, with the members that say how far back
// the history goes and no others.
func (c *Collector) examineApplications(ctx context.Context, x *collectors.Examination) error {
	q := url.Values{"fields": {"items.metadata.name,items.status.history"}}
	right := collectors.Right{Name: "list applications", Access: collectors.Readable,
		Kinds: []evidence.Kind{evidence.DeploySync, evidence.DeployState}}
	const hint = "p, role:evidence, applications, get, */*, allow"
	r, err := c.client.Get(ctx, listPath, q)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		right.Access, right.Hint = collectors.Untold, err.Error()
		if refused(err) {
			right.Access, right.Hint = collectors.Missing, hint
		}
		x.Rights = append(x.Rights, right)
		return nil
	}
	var l struct {
		Items []struct {
			Status struct {
				History []struct {
					DeployedAt time.Time `json:"deployedAt"`
				} `json:"history"`
			} `json:"status"`
		} `json:"items"`
	}
	if json.Unmarshal(r.Body, &l) != nil {
		right.Access = collectors.Untold
	} else {
		oldest := collectors.Oldest{What: "successful syncs in the applications' history", Kept: "last 10 of each application, unless revisionHistoryLimit says otherwise"}
		for _, i := range l.Items {
			for _, h := range i.Status.History {
				if at := h.DeployedAt.UTC(); !at.IsZero() && (oldest.At.IsZero() || at.Before(oldest.At)) {
					oldest.At = at
				}
			}
		}
		x.Oldest = append(x.Oldest, oldest)
	}
	// The list leaves out silently what the account may not see, so the rights
	// are asked for too.
	objects := []string{"*/*"}
	if len(c.cfg.Projects) > 0 {
		objects = nil
		for _, p := range c.cfg.Projects {
			objects = append(objects, p+"/*")
		}
	}
	for _, o := range objects {
		a, err := c.mayGet(ctx, "applications", o)
		if err != nil {
			return err
		}
		switch a {
		case no:
			right.Access, right.Hint = collectors.Missing, "p, role:evidence, applications, get, "+o+", allow"
		case unasked:
			if right.Access == collectors.Readable && len(l.Items) == 0 {
				right.Access = collectors.Untold
			}
		}
	}
	x.Rights = append(x.Rights, right)
	return nil
}

func (c *Collector) examineProjects(ctx context.Context, x *collectors.Examination) error {
	right := collectors.Right{Name: "list projects", Access: collectors.Readable, Kinds: []evidence.Kind{evidence.DeployProject}}
	const hint = "p, role:evidence, projects, get, *, allow"
	r, err := c.client.Get(ctx, projectsPath, nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case err != nil && refused(err):
		right.Access, right.Hint = collectors.Missing, hint
	case err != nil:
		right.Access, right.Hint = collectors.Untold, err.Error()
	default:
		ps, _, err := decodeProjects(r.Body)
		a, asked := c.mayGet(ctx, "projects", "*")
		if asked != nil {
			return asked
		}
		// There is always a default project: none at all means none to see.
		if err != nil {
			right.Access = collectors.Untold
		} else if len(ps) == 0 || a == no && len(c.cfg.Projects) == 0 {
			right.Access, right.Hint = collectors.Missing, hint
		}
	}
	x.Rights = append(x.Rights, right)
	return nil
}

// examineExcess asks for what the account should not be able to do.
func (c *Collector) examineExcess(ctx context.Context, x *collectors.Examination) error {
	for _, e := range excess {
		a, err := c.canI(ctx, e.resource, e.action, e.object)
		if err != nil {
			return err
		}
		if a == yes {
			x.Rights = append(x.Rights, collectors.Right{
				Name: fmt.Sprintf("%s %s", e.action, e.resource), Access: collectors.Excess,
				Hint: fmt.Sprintf("take %s on %s away from the account's role", e.action, e.resource),
			})
		}
	}
	return nil
}

// expires is when the token ends; zero when it does not, or does not say.
func (c *Collector) expires() time.Time {
	if claims, ok := c.tokenClaims(); ok && claims.Expires > 0 {
		return time.Unix(claims.Expires, 0).UTC()
	}
	return time.Time{}
}
