package kubeaudit

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/collectors/kube"
	"evidenced/evidence/problem"
)

// client asks the API server for one thing: the namespaces. The answer is our
// probe, since its Audit-Id must turn up in the log, and tells the labels by
// which tenancy places what happened.
type client struct {
	http   *fetch.Client
	labels []string
	// namespaces by name, as they were last; nil before the first answer. One
	// that is gone stays: what led to its end is still to be read.
	namespaces map[string]kube.Namespace
}

const (
	pageSize = "500"
	maxPages = 40

	maxNamespaces = 100_000 // known at a time, with those that are gone
)

func newClient(c Config, env collectors.Env, tune func(*fetch.Options)) (*client, error) {
	o := fetch.Options{
		Key: "server", BaseURL: c.Server, CAFile: c.CAFile, Clock: env.Clock, Log: env.Log, CacheBytes: -1,
		Header: fetch.Bearer(fetch.TokenFile(c.TokenFile)),
	}
	if tune != nil {
		tune(&o)
	}
	h, err := fetch.New(o)
	if err != nil {
		return nil, err
	}
	return &client{http: h, labels: c.TenantLabels}, nil
}

// probe lists the namespaces and returns the id under which the request must
// turn up in the log. What was known of namespaces stays when it fails.
func (c *client) probe(ctx context.Context) (id string, err error) {
	var list []kube.Namespace
	q := url.Values{"limit": {pageSize}}
	for page := 0; ; page++ {
		if page == maxPages {
			return "", problem.New(problem.Source, "the list of namespaces has no end")
		}
		r, err := c.http.Get(ctx, "/api/v1/namespaces", q)
		if err != nil {
			return "", err
		}
		if page == 0 {
			id = r.Header.Get("Audit-Id")
		}
		var v struct {
			Kind     string `json:"kind"`
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []struct {
				Metadata struct {
					Name   string            `json:"name"`
					UID    string            `json:"uid"`
					Labels map[string]string `json:"labels"`
				} `json:"metadata"`
			} `json:"items"`
		}
		if err := json.Unmarshal(r.Body, &v); err != nil || v.Kind != "NamespaceList" {
			return "", problem.New(problem.Source, "the answer to a list of namespaces is none")
		}
		for _, n := range v.Items {
			labels := n.Metadata.Labels
			if len(c.labels) > 0 {
				labels = map[string]string{}
				for k, v := range n.Metadata.Labels {
					if slices.Contains(c.labels, k) {
						labels[k] = v
					}
				}
			}
			list = append(list, kube.Namespace{Name: n.Metadata.Name, UID: n.Metadata.UID, Labels: labels})
		}
		if v.Metadata.Continue == "" {
			break
		}
		q.Set("continue", v.Metadata.Continue)
	}
	if id == "" || len(id) > 128 {
		return "", problem.New(problem.Source, "the API server's answer has no Audit-Id").
			WithHint("something between here and the API server takes the header away; name the server's own address in server")
	}
	if c.namespaces == nil || len(c.namespaces) > maxNamespaces {
		c.namespaces = map[string]kube.Namespace{}
	}
	for _, n := range list {
		c.namespaces[n.Name] = n
	}
	return id, nil
}
