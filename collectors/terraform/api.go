package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// What the API speaks. See https://jsonapi.org/format/ and
// https://developer.hashicorp.com/terraform/cloud-docs/api-docs
const mediaType = "application/vnd.api+json"

// document is one answer of the API.
type document struct {
	Data     json.RawMessage `json:"data"`
	Included []resource      `json:"included"`
	Meta     struct {
		Pagination *pagination `json:"pagination"`
	} `json:"meta"`

	items []json.RawMessage // of a list
	first bool              // its first page: the list is read anew
	req   evidence.Request
	head  http.Header
}

type pagination struct {
	Current int64  `json:"current-page"`
	Next    *int64 `json:"next-page"`
	Total   *int64 `json:"total-count"`
}

// resource is one object of an answer.
type resource struct {
	ID            string                  `json:"id"`
	Type          string                  `json:"type"`
	Attributes    json.RawMessage         `json:"attributes"`
	Relationships map[string]relationship `json:"relationships"`

	raw json.RawMessage
}

// relationship names other objects; without data the answer does not say which.
type relationship struct {
	Data json.RawMessage `json:"data"`
}

type identity struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// one returns the object that a relationship names; zero for none.
func (r *resource) one(name string) (i identity) {
	_ = json.Unmarshal(r.Relationships[name].Data, &i) // null, absent or a list: none
	return i
}

// many returns the objects that a relationship names; false when the answer does
// not say.
func (r *resource) many(name string) (list []identity, told bool) {
	raw := r.Relationships[name].Data
	if len(raw) == 0 || json.Unmarshal(raw, &list) != nil {
		return nil, false
	}
	return list, true
}

// included returns an object that came along.
func (d *document) included(i identity) *resource {
	for n := range d.Included {
		if r := &d.Included[n]; i.ID != "" && r.ID == i.ID && r.Type == i.Type {
			return r
		}
	}
	return nil
}

// get reads one answer. The path is below /api/v2 and escaped.
func (c *Collector) get(ctx context.Context, f *fetch.Client, path string, query url.Values) (*document, error) {
	r, err := f.GetAs(ctx, "api/v2/"+path, query, mediaType)
	if err != nil {
		return nil, err
	}
	d := &document{req: evidence.Request{Method: http.MethodGet, URL: r.URL, Response: r.SHA256, Agent: agent}, head: r.Header}
	if json.Unmarshal(r.Body, d) != nil || len(d.Data) == 0 {
		return nil, d.odd("is not what the API describes").WithHint("check that url is the address of the platform and not of a web page or a login proxy")
	}
	return d, nil
}

func (d *document) odd(what string) *problem.Problem {
	return problem.New(problem.Source, "the answer of %s %s", d.req.URL, what).
		WithHint("report it with the platform's version; nothing after it was read")
}

// list splits an answer into the bytes of its items.
func (d *document) list() error {
	if json.Unmarshal(d.Data, &d.items) != nil || d.items == nil {
		return d.odd("is no list")
	}
	return nil
}

// object reads one object of an answer. It has an id and is of the type.
func object(raw json.RawMessage, kind string) (*resource, error) {
	r := &resource{raw: raw}
	if json.Unmarshal(raw, r) != nil || !goodID(r.ID) || r.Type != kind {
		return nil, errShape
	}
	return r, nil
}

// goodID reports whether an id is one that the platform gives: it stands in paths,
// keys and references.
func goodID(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

var (
	errShape = errors.New("it is not of the form that the API describes")
	errShift = errors.New("the list grew shorter while it was read")
)

// pageSize is that of long lists, of which the first page is most often enough;
// wholePage that of lists that are read to their end, the most that the API gives.
const (
	pageSize  = 20
	wholePage = 100
)

// maxPages bounds each walk over pages.
const maxPages = 5000

// walks is how often a list is read anew that grew shorter meanwhile.
const walks = 3

// pages reads a list page by page until each wants no more. Pages go by number:
// what is added in front meanwhile makes items come twice, which each must bear;
// what is removed would make one be skipped. So a list that grew shorter is read
// anew, from the first page.
//
// The count sets the list's own total, -1 where it tells none, beside how many
// different items came; it means something of a list that was read to its end.
func (l *look) pages(f *fetch.Client, path string, query url.Values, size int, each func(d *document) (more bool, err error)) (source, ours int64, err error) {
	for range walks {
		if source, ours, err = l.walk(f, path, query, size, each); !errors.Is(err, errShift) {
			return source, ours, err
		}
	}
	return source, ours, problem.Wrap(problem.Source, errShift, "read %s", path).WithHint("the next run tries again")
}

func (l *look) walk(f *fetch.Client, path string, query url.Values, size int, each func(d *document) (more bool, err error)) (source, ours int64, err error) {
	q := maps.Clone(query)
	if q == nil {
		q = url.Values{}
	}
	q.Set("page[size]", strconv.Itoa(size))
	guard, seen := fetch.NewPages(maxPages), map[string]bool{}
	source = -1
	for n := int64(1); ; {
		number := strconv.FormatInt(n, 10)
		if err := guard.Visit(number); err != nil {
			return source, ours, err
		}
		q.Set("page[number]", number)
		d, err := l.get(l.ctx, f, path, q)
		if err == nil {
			err = d.list()
		}
		if err != nil {
			return source, ours, err
		}
		d.first = n == 1
		p := d.Meta.Pagination
		if p != nil && p.Current != 0 && p.Current != n {
			return source, ours, d.odd("is another page than the one asked for")
		}
		if p != nil && p.Total != nil {
			if *p.Total < source {
				return source, ours, errShift
			}
			source = *p.Total
		}
		fresh := 0
		for _, raw := range d.items {
			var i identity
			if json.Unmarshal(raw, &i) == nil && !seen[i.ID] {
				seen[i.ID] = true
				fresh++
			}
		}
		ours += int64(fresh)
		more, err := each(d)
		if err != nil || !more || p == nil || p.Next == nil || *p.Next == 0 {
			return source, ours, err
		}
		if fresh == 0 && len(d.items) > 0 {
			return source, ours, d.odd("repeats a page that was read already")
		}
		if n = *p.Next; n < 1 {
			return source, ours, d.odd("names a next page that cannot be")
		}
	}
}

// moment is a time of the API; null, "None", the year 1 and what cannot be read
// are no time.
type moment struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (m *moment) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return nil
	}
	if t = t.UTC(); t.Year() > 1 && t.Year() <= 9999 {
		m.Time = t
	}
	return nil
}

// throttle reads how long the platform wants to be left alone: the seconds of
// X-RateLimit-Reset, with a fraction, of a 429.
func throttle(resp *http.Response, _ []byte) (time.Duration, bool) {
	if resp.StatusCode != http.StatusTooManyRequests {
		return 0, false
	}
	s, err := strconv.ParseFloat(resp.Header.Get("X-RateLimit-Reset"), 64)
	if err != nil || !(s > 0) || s > 86400 || resp.Header.Get("Retry-After") != "" {
		return 0, resp.Header.Get("Retry-After") == ""
	}
	return time.Duration(s * float64(time.Second)), true
}

// status returns the status that err tells, 0 for none.
func status(err error) int { return fetch.Status(err) }
