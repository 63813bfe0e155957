package gitlab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// page is one answer of the API.
type page struct {
	body  []byte
	next  []gl.RequestOptionFunc // of the page after it; nil on the last one
	key   string                 // names the next page
	total int64                  // of the whole list as the source counts it; -1: it does not
	req   evidence.Request
}

// get reads one answer through go-gitlab's client, which builds addresses and
// queries; the body is kept whole, since the library's types drop fields that
// are newer than it.
func (c *Collector) get(ctx context.Context, path string, opt any, more ...gl.RequestOptionFunc) (*page, error) {
	req, err := c.gl.NewRequest(http.MethodGet, path, opt, append(more, gl.WithContext(ctx)))
	if err != nil {
		return nil, problem.New(problem.Source, "the address of a request cannot be built")
	}
	var buf bytes.Buffer
	resp, err := c.gl.Do(req, &buf)
	if err != nil {
		return nil, explain(ctx, req.URL, resp, err)
	}
	sum := sha256.Sum256(buf.Bytes())
	p := &page{
		body: buf.Bytes(), total: -1,
		req: evidence.Request{
			Method: http.MethodGet, URL: fetch.SafeURL(req.URL),
			Response: hex.EncodeToString(sum[:]), Agent: agent,
		},
	}
	if n, err := strconv.ParseInt(resp.Header.Get("X-Total"), 10, 64); err == nil && n >= 0 {
		p.total = n
	}
	return p, c.follow(p, resp.Header)
}

// follow finds the next page: by number, or by the link of a keyset, which has
// no numbers. A link is taken for its query only, and not at all when it leads
// to another server.
func (c *Collector) follow(p *page, h http.Header) error {
	if n := h.Get("X-Next-Page"); n != "" {
		if i, err := strconv.Atoi(n); err != nil || i < 1 {
			return problem.New(problem.Source, "the source names a next page that is no number")
		}
		p.key = "page=" + n
		p.next = []gl.RequestOptionFunc{gl.WithKeysetPaginationParameters("?" + p.key)}
		return nil
	}
	link := fetch.NextLink(h)
	if link == "" {
		return nil
	}
	u, err := url.Parse(link)
	if err != nil {
		return problem.New(problem.Source, "next link is not a URL")
	}
	if _, err := c.fetch.URL(link, nil); u.IsAbs() && err != nil {
		return err
	}
	p.key = u.Query().Encode()
	p.next = []gl.RequestOptionFunc{gl.WithKeysetPaginationParameters(link)}
	return nil
}

// explain makes a problem of go-gitlab's errors. The library's own texts are
// left out: they repeat what the server wrote.
func explain(ctx context.Context, u *url.URL, resp *gl.Response, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if resp != nil && resp.Response != nil && (resp.StatusCode < 200 || resp.StatusCode > 299) {
		return fetch.StatusProblem(http.MethodGet, u, resp.StatusCode)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if problem.Of(err) != nil {
		return err
	}
	return problem.Wrap(problem.Source, err, "read %s", fetch.SafeURL(u))
}

// refused reports whether the source does not have it or hides it: 403 or 404.
// Which of the two, and whether for the edition or for the credential's sake,
// it does not say.
func refused(err error) bool {
	s := fetch.Status(err)
	return s == http.StatusForbidden || s == http.StatusNotFound
}

// maxPages bounds each walk over pages: 1,000,000 items.
const maxPages = 10000

const perPage = 100

// pages walks a list and hands over each page, until each says that it has
// enough. It returns the total the source gave, -1 for none. A list beyond
// 10,000 items has none, and lists of commits never have one.
func (c *Collector) pages(ctx context.Context, path string, opt any, first []gl.RequestOptionFunc, each func(*page) (more bool, err error)) (int64, error) {
	guard, key, total := fetch.NewPages(maxPages), "page=1", int64(-1)
	for next := first; ; {
		if err := guard.Visit(key); err != nil {
			return total, err
		}
		p, err := c.get(ctx, path, opt, next...)
		if err != nil {
			return total, err
		}
		if p.total >= 0 {
			total = p.total
		}
		more, err := each(p)
		if err != nil || !more || p.next == nil {
			return total, err
		}
		next, key = p.next, p.key
	}
}

// list reads all items of a list, each with its own bytes.
func (c *Collector) list(ctx context.Context, path string, opt any, each func(p *page, raw json.RawMessage) error) (int64, error) {
	return c.pages(ctx, path, opt, nil, func(p *page) (bool, error) {
		raws, err := items(p)
		if err != nil {
			return false, err
		}
		for _, raw := range raws {
			if err := each(p, raw); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// items splits a JSON list into its items' own bytes.
func items(p *page) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if err := decode(p, &list); err != nil {
		return nil, err
	}
	if list == nil {
		return nil, odd(p, "no list")
	}
	return list, nil
}

// decode reads a body into v.
func decode(p *page, v any) error { return read(p, p.body, v, forge.OddForm) }

// unread are members that the library's types have and that nothing here reads.
// Servers give some of them in more than one form: a duration whole or with a
// fraction, an illustration or none. Of others the library has the wrong one: what a
// commit's trailers say is a list for each of their keys, since one may come twice
// (https://docs.gitlab.com/api/commits/). They must not keep an item from being read.
var unread = []string{
	"duration", "queued_duration", "coverage", "detailed_status", "tag_list", "runner", "position", "suggestions", "attachment", "time_stats",
	"task_completion_status", "milestone", "labels", "references", "weight", "statistics", "container_expiration_policy", "_links", "permissions",
	"shared_with_groups", "forked_from_project", "license", "yaml_errors",
	"trailers", "extended_trailers", "stats", "last_pipeline", "last_deployment", "cluster_agent", "diff_refs", "group_saml_identity", "resolved_by",
	"suggested_approvers", "approvers", "approver_groups", "approval_rules_left", "source_rule", "eligible_approvers", "groups", "artifacts_file", "project",
}

// decodeItem reads one item of a page into v. The error of one that is of an unknown
// form is that of an odd item.
func decodeItem(p *page, raw []byte, v any) error { return read(p, raw, v, forge.OddEntry) }

func read(p *page, raw []byte, v any, form func([]byte, error) string) error {
	if err := forge.Decode(raw, v, unread); err != nil {
		if what := form(raw, err); what != "" {
			return oddItem(p, what)
		}
		return problem.Wrap(problem.Source, errors.New("not the expected JSON"), "the answer of %s is not what the API describes", p.req.URL).
			WithHint("check that url is the address of a GitLab and not of a login proxy")
	}
	return nil
}

// oddItem is the error of an item of a list without what tells it from others, or
// of an unknown form.
func oddItem(p *page, what string) error {
	return &forge.OddItem{What: what, Err: problem.New(problem.Source, "the answer of %s holds %s", p.req.URL, what).
		WithHint("report it with the program's version; the rest was read")}
}

// spoil takes note of an item of a container that could not be read, and goes on:
// of the list that the position stands for not all was seen since it was claimed
// last. Any other error stays one.
func (l *look) spoil(container string, st *position, err error) error {
	e := forge.Odd(err)
	if e == nil {
		return err
	}
	st.Spoilt = e.Cause()
	l.missing = forge.AddOnce(l.missing, container+": "+err.Error())
	return nil
}

func odd(p *page, what string) error {
	return problem.New(problem.Source, "the answer of %s holds %s", p.req.URL, what).
		WithHint("report it with the program's version; nothing after it was read")
}

// throttle tells how long GitLab wants to be left alone: a 429 may come with
// Retry-After, with RateLimit-Reset in epoch seconds of the server's clock, or
// with neither. The wait is bounded, and measured against the answer's own
// Date: a wrong clock on either side must not park the collector.
func throttle(resp *http.Response, _ []byte) (time.Duration, bool) {
	if resp.StatusCode != http.StatusTooManyRequests {
		return 0, false
	}
	if resp.Header.Get("Retry-After") != "" {
		return 0, true
	}
	reset, err := strconv.ParseInt(resp.Header.Get("RateLimit-Reset"), 10, 64)
	date, derr := http.ParseTime(resp.Header.Get("Date"))
	if err != nil || derr != nil || reset <= date.Unix() {
		return time.Minute, true
	}
	return min(time.Duration(min(reset-date.Unix()+1, 86400))*time.Second, day), true
}

// noLimit is go-gitlab's limiter. The library would set one of its own from the
// first answer's headers; fetch and throttle do the waiting here.
type noLimit struct{}

// Wait implements gitlab.RateLimiter.
func (noLimit) Wait(ctx context.Context) error { return ctx.Err() }
