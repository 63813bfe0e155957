package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/evidence/problem"
)

// Examine implements collectors.Examiner. It lists one object of each resource
// and asks the server what else the credential may do; the question is a POST
// that stores nothing and that everybody may ask.
func (c *Collector) Examine(ctx context.Context) (collectors.Examination, error) {
	s, err := c.session(nil, nil)
	if err != nil {
		return collectors.Examination{}, fmt.Errorf("collector %s: %w", c.env.Source, err)
	}
	e := collectors.Examination{Oldest: []collectors.Oldest{{What: "objects that are gone, and earlier forms of those that are there",
		Kept: "nothing: the API tells what is there now, and a watch can go back about five minutes"}}}
	e.Identity, e.Expires = s.x.identity()
	if e.Version, err = s.version(ctx); err != nil {
		return e, fmt.Errorf("collector %s: %w", c.env.Source, err)
	}
	rules, whole, rulesErr := s.rules(ctx)
	if ctx.Err() != nil {
		return e, ctx.Err()
	}
	d := s.x.discovery()
	for _, f := range slices.Concat(s.spaces, s.feeds) {
		r, err := s.try1(ctx, f, d)
		if err != nil {
			return e, err
		}
		if r.Access == collectors.Readable && rulesErr == nil && whole && !allows(rules, "watch", f.res) {
			e.Rights = append(e.Rights, collectors.Right{Name: "watch " + feedName(f), Access: collectors.Missing, Kinds: f.res.Kinds, Hint: hint(f.res)})
		}
		e.Rights = append(e.Rights, r)
	}
	switch {
	case rulesErr != nil:
		e.Rights = append(e.Rights, collectors.Right{Name: "rights beyond reading", Access: collectors.Untold, Hint: "the server did not answer a SelfSubjectRulesReview"})
	default:
		e.Rights = append(e.Rights, excess(rules, c.resources)...)
		if !whole {
			e.Rights = append(e.Rights, collectors.Right{Name: "rights beyond reading, in full", Access: collectors.Untold, Hint: "an authorizer of the server cannot list rights"})
		}
	}
	st := s.x.client.Stats()
	e.Offset, e.OffsetOK, e.Requests = st.Offset, st.OffsetOK, st.Requests
	if c.opts.examine != nil {
		err = c.opts.examine(ctx, &e)
	}
	return e, err
}

func (s *session) version(ctx context.Context) (string, error) {
	resp, err := s.x.get(ctx, "/version", "")
	if err != nil {
		if refusal(err) && fetch.Status(err) == http.StatusForbidden {
			return "", nil // a cluster may hide it; the lists will tell
		}
		return "", err
	}
	var v struct {
		GitVersion string `json:"gitVersion"`
	}
	if json.Unmarshal(resp.Body, &v) != nil || len(v.GitVersion) > 64 || strings.ContainsAny(v.GitVersion, " \n<>") {
		return "", problem.New(problem.Source, "the answer of /version is not that of a Kubernetes API server").
			WithHint("check that the address leads to a Kubernetes API server")
	}
	return v.GitVersion, nil
}

// try1 lists one object of the resource.
func (s *session) try1(ctx context.Context, f *feed, d *discovery) (collectors.Right, error) {
	r := collectors.Right{Name: "list " + feedName(f), Kinds: f.res.Kinds, Hint: hint(f.res)}
	version, err := d.version(ctx, f.res)
	if err == nil && version == "" {
		r.Access, r.Hint = collectors.Absent, "the cluster serves none of the versions "+strings.Join(f.res.Versions, ", ")
		return r, nil
	}
	if err == nil {
		f.version = version
		var body io.ReadCloser
		q := url.Values{"limit": {"1"}}
		if s := f.res.chosen(); s != "" {
			q.Set("fieldSelector", s)
		}
		body, _, err = s.x.open(ctx, f.res.path(version, f.ns), q, f.accept("List"), s.x.idle)
		if err == nil {
			_, err = decodeList(body, s.x.maxObj, func([]byte) error { return nil })
			body.Close()
		}
	}
	switch {
	case ctx.Err() != nil:
		return r, ctx.Err()
	case err == nil:
		r.Access, r.Hint = collectors.Readable, ""
	case refusal(err):
		r.Access = collectors.Missing
	default:
		r.Access, r.Hint = collectors.Untold, plain(f, err)
	}
	return r, nil
}

func hint(r *Resource) string {
	group := r.Group
	if group == "" {
		group = `""`
	}
	h := fmt.Sprintf("add verbs [list, watch] on resources [%s] of apiGroups [%s]", r.Resource, group)
	if r.Named != "" {
		h += fmt.Sprintf(", resourceNames [%s], in namespace %s", r.Named, r.In)
	}
	return h
}

// rule is one thing that the server says the credential may do.
type rule struct {
	Verbs         []string `json:"verbs"`
	APIGroups     []string `json:"apiGroups"`
	Resources     []string `json:"resources"`
	ResourceNames []string `json:"resourceNames"`
}

// rules asks what the credential may do in one namespace, which includes what
// it may do everywhere. Whole is false when the server cannot list everything.
func (s *session) rules(ctx context.Context) (rules []rule, whole bool, err error) {
	ns := "default"
	if len(s.c.cfg.Namespaces) > 0 {
		ns = s.c.cfg.Namespaces[0]
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": map[string]string{"namespace": ns},
	})
	if err != nil {
		return nil, false, err
	}
	u, err := s.x.client.URL("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", nil)
	if err != nil {
		return nil, false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Content-Type", "application/json")
	if err := s.x.limiter.Wait(ctx); err != nil {
		return nil, false, err
	}
	resp, err := s.x.client.HTTP().Do(req)
	if err != nil {
		return nil, false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, false, fetch.StatusProblem(http.MethodPost, u, resp.StatusCode)
	}
	var v struct {
		Status struct {
			Incomplete    bool   `json:"incomplete"`
			ResourceRules []rule `json:"resourceRules"`
		} `json:"status"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		return nil, false, problem.New(problem.Source, "the answer about rights cannot be read (%T)", err)
	}
	return v.Status.ResourceRules, !v.Status.Incomplete, nil
}

func has(list []string, s string) bool { return slices.Contains(list, s) || slices.Contains(list, "*") }

// allows reports whether a rule gives the verb on all objects of the resource.
func allows(rules []rule, verb string, r *Resource) bool {
	return slices.ContainsFunc(rules, func(x rule) bool {
		named := len(x.ResourceNames) == 0 || r.Named != "" && slices.Contains(x.ResourceNames, r.Named)
		return named && has(x.Verbs, verb) && has(x.APIGroups, r.Group) && has(x.Resources, r.Resource)
	})
}

// granted to everybody: questions about oneself, which store nothing.
var granted = []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}

// maxExcess bounds the rights listed as too much.
const maxExcess = 20

// excess lists what the rules give beyond reading, and the reading of secrets
// that no resource asks for: whoever may list Secrets may read them.
func excess(rules []rule, rs []Resource) (out []collectors.Right) {
	wantsSecrets := slices.ContainsFunc(rs, func(r Resource) bool { return r.Group == "" && r.Resource == "secrets" })
	add := func(name, hint string) {
		if len(out) < maxExcess && !slices.ContainsFunc(out, func(r collectors.Right) bool { return r.Name == name }) {
			out = append(out, collectors.Right{Name: name, Access: collectors.Excess, Hint: hint})
		}
	}
	for _, x := range rules {
		resources := slices.DeleteFunc(slices.Clone(x.Resources), func(s string) bool { return slices.Contains(granted, s) })
		if len(resources) == 0 {
			continue
		}
		what := strings.Join(resources, ", ")
		var writes []string
		for _, v := range x.Verbs {
			if v != "get" && v != "list" && v != "watch" {
				writes = append(writes, v)
			}
		}
		if len(writes) > 0 {
			add(strings.Join(writes, ", ")+" "+what, "take these verbs away: reading needs get, list and watch")
		}
		reads := has(x.Verbs, "get") || has(x.Verbs, "list") || has(x.Verbs, "watch")
		if reads && has(x.APIGroups, "") && has(resources, "secrets") && !wantsSecrets {
			add("read secrets", "name the resources one by one and leave secrets out")
		}
	}
	return out
}
