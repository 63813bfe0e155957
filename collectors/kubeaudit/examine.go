package kubeaudit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"evidenced/collectors"
	"evidenced/collectors/tail"
	"evidenced/evidence/problem"
)

// Examine implements collectors.Examiner: whether the files can be read and
// how far back they go, and what the probe's credential may do.
func (c *Collector) Examine(ctx context.Context) (collectors.Examination, error) {
	var x collectors.Examination
	paths, err := c.paths()
	if err != nil {
		return x, err
	}
	for _, p := range paths {
		if c.spool != nil {
			break
		}
		s := tail.New(p, tail.Options{MaxLine: c.cfg.MaxLine, Time: lineTime, Note: func(string, ...any) {}, Partial: func(string, ...any) {}})
		right := collectors.Right{Name: "read " + p, Access: collectors.Readable, Kinds: kinds}
		if err := s.Refresh(); err != nil {
			right.Access, right.Hint = collectors.Missing, "read permission on the file and its folder for the daemon's user"
		} else if s.Count() > 0 {
			x.Oldest = append(x.Oldest, collectors.Oldest{What: "audit log " + p, At: s.Oldest(), Kept: "--audit-log-maxage, --audit-log-maxbackup and --audit-log-maxsize of the API server"})
		}
		s.Stop()
		x.Rights = append(x.Rights, right)
	}
	if c.spool != nil {
		x.Rights = append(x.Rights, collectors.Right{Name: "events sent to " + c.cfg.Listen, Access: collectors.Untold, Kinds: kinds,
			Hint: "an API server must be started with --audit-webhook-config-file that names this listener"})
	}
	if c.api == nil {
		x.Rights = append(x.Rights, collectors.Right{Name: "probe", Access: collectors.Missing, Kinds: kinds,
			Hint: "without server and token_file nothing proves that no line is missing"})
		return x, nil
	}
	c.api.http.ResetStats()
	list := collectors.Right{Name: "list namespaces", Access: collectors.Readable, Kinds: kinds}
	switch _, err := c.api.probe(ctx); {
	case problem.Is(err, problem.Credential):
		list.Access, list.Hint = collectors.Missing, "get and list of namespaces (deploy/access/kubeaudit)"
	case err != nil:
		return x, err
	}
	x.Rights = append(x.Rights, list)
	err = c.api.excess(ctx, &x)
	st := c.api.http.Stats()
	x.Requests, x.Offset, x.OffsetOK = st.Requests, st.Offset, st.OffsetOK
	return x, err
}

// tooMuch are rights that a probe has no use for.
var tooMuch = []struct{ verb, group, resource string }{
	{"get", "", "secrets"}, {"create", "", "pods"}, {"delete", "", "namespaces"}, {"*", "*", "*"},
}

// excess asks the API server whether the credential may do more than a probe
// needs. The question (SelfSubjectAccessReview) is open to everybody and
// stores nothing.
func (c *client) excess(ctx context.Context, x *collectors.Examination) error {
	for _, q := range tooMuch {
		r := collectors.Right{Name: fmt.Sprintf("%s %s in all namespaces", q.verb, q.resource)}
		switch allowed, err := c.may(ctx, q.verb, q.group, q.resource); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			r.Access, r.Hint = collectors.Untold, "the API server did not answer a SelfSubjectAccessReview"
		case allowed:
			r.Access, r.Hint = collectors.Excess, "take it away: the account needs get and list of namespaces alone"
		default:
			continue
		}
		x.Rights = append(x.Rights, r)
	}
	return nil
}

// maxReview is the largest answer to a review, in bytes.
const maxReview = 1 << 20

func (c *client) may(ctx context.Context, verb, group, resource string) (bool, error) {
	body, err := json.Marshal(map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
		"spec": map[string]any{"resourceAttributes": map[string]string{"verb": verb, "group": group, "resource": resource}},
	})
	if err != nil {
		return false, err
	}
	u, err := c.http.URL("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", nil)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.HTTP().Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReview))
	if err != nil {
		return false, err
	}
	var v struct {
		Status *struct {
			Allowed bool `json:"allowed"`
		} `json:"status"`
	}
	if resp.StatusCode/100 != 2 || json.Unmarshal(b, &v) != nil || v.Status == nil {
		return false, problem.New(problem.Source, "no answer to a review")
	}
	return v.Status.Allowed, nil
}
