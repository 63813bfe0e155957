package github

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
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// page is one answer of the API.
type page struct {
	body []byte
	next string // absolute next link, "" on the last page
	from string // path of who answered, after redirects
	req  evidence.Request

	entry bool // body is one entry of a list
}

// item gives one entry of a list that the page holds, to be read by itself.
func (p *page) item(raw []byte) *page { return &page{body: raw, req: p.req, entry: true} }

// refusal is an answer of the API that is an error, with what GitHub meant by
// it. What it said is left out: that may quote anything.
type refusal struct {
	error
	meaning
}

func (e *refusal) Unwrap() error { return e.error }

// meaning is what GitHub tells in words alone, beside a status that stands for
// more than one thing.
type meaning int

const (
	unclear     meaning = iota
	unprotected         // 404: the branch has no classic protection
	lacking             // 403: the plan of a private repository's owner does not have the feature, so that nothing of it is in force
	unrelated           // 404: two commits have no ancestor in common
	tooMuch             // 422 or 500: a change is too large to be told file by file, each time it is asked for
)

func meaningOf(status int, message string) meaning {
	text := strings.ToLower(message)
	switch {
	case status == http.StatusNotFound && text == "branch not protected":
		return unprotected
	case status == http.StatusForbidden && strings.HasPrefix(text, "upgrade to github "):
		return lacking
	case status == http.StatusNotFound && strings.HasPrefix(text, "no common ancestor"):
		return unrelated
	case (status == http.StatusUnprocessableEntity || status >= 500) && strings.Contains(text, "diff") &&
		(strings.Contains(text, "too long to generate") || strings.Contains(text, "problem generating")):
		return tooMuch
	}
	return unclear
}

// tells is for the answers that are a failure by their status alone.
func tells(resp *http.Response, body []byte) bool {
	var m struct {
		Message string `json:"message"`
	}
	return json.Unmarshal(body, &m) == nil && meaningOf(resp.StatusCode, m.Message) != unclear
}

// means reports whether GitHub meant that by an error.
func means(err error, m meaning) bool {
	var e *refusal
	return errors.As(err, &e) && e.meaning == m
}

// get reads one answer through go-github's client, which knows the API's
// headers; the body is kept whole, since the library's types drop fields that
// are newer than it. path is relative to the API base, or a next link.
func (c *Collector) get(ctx context.Context, path string) (*page, error) {
	req, err := c.gh.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return nil, problem.New(problem.Source, "next link is not a URL")
	}
	var buf bytes.Buffer
	resp, err := c.gh.Do(ctx, req, &buf)
	if err != nil {
		return &page{}, c.explain(ctx, req, err)
	}
	sum := sha256.Sum256(buf.Bytes())
	if e := resp.Header.Get("GitHub-Authentication-Token-Expiration"); e != "" {
		c.expires = e
	}
	from := req.URL.Path
	if resp.Request != nil && resp.Request.URL != nil {
		from = resp.Request.URL.Path
	}
	return &page{
		body: buf.Bytes(), next: fetch.NextLink(resp.Header), from: from,
		req: evidence.Request{
			Method: http.MethodGet, URL: fetch.SafeURL(req.URL),
			Response: hex.EncodeToString(sum[:]), Agent: agent,
		},
	}, nil
}

// explain makes a problem of go-github's errors. The library's own texts are
// left out: they repeat what the server wrote.
func (c *Collector) explain(ctx context.Context, req *http.Request, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var er *gh.ErrorResponse
	var ae *gh.AcceptedError
	var rl *gh.RateLimitError
	var ab *gh.AbuseRateLimitError
	switch {
	case errors.As(err, &er) && er.Response != nil:
		status := er.Response.StatusCode
		return &refusal{fetch.StatusProblem(req.Method, req.URL, status), meaningOf(status, er.Message)}
	case errors.As(err, &ae):
		return problem.New(problem.Source, "the source is still preparing %s", fetch.SafeURL(req.URL)).WithHint("nothing to do: the next run asks again")
	case errors.As(err, &rl), errors.As(err, &ab):
		return fetch.StatusProblem(req.Method, req.URL, http.StatusTooManyRequests)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if problem.Of(err) != nil {
		return err
	}
	return problem.Wrap(problem.Source, err, "read %s", fetch.SafeURL(req.URL))
}

// maxPages bounds each walk over pages: 1,000,000 items.
const maxPages = 10000

// pages walks a list from path on and hands over each page, until each says
// that it has enough.
func (c *Collector) pages(ctx context.Context, path string, each func(*page) (more bool, err error)) error {
	guard := fetch.NewPages(maxPages)
	for next := path; next != ""; {
		if err := guard.Visit(pageKey(c.gh.BaseURL, next)); err != nil {
			return err
		}
		p, err := c.get(ctx, next)
		if err != nil {
			return err
		}
		more, err := each(p)
		if err != nil || !more {
			return err
		}
		next = p.next
	}
	return nil
}

// pageKey is the same for a path and for its absolute form.
func pageKey(base *url.URL, path string) string {
	u, err := base.Parse(path)
	if err != nil {
		return path
	}
	q := u.Query()
	if q.Get("page") == "1" {
		q.Del("page")
	}
	return u.Path + "?" + q.Encode()
}

// unread are members that the library's types have and that nothing here reads.
// Some have forms that are newer than the library, such as a custom property with
// several values on each repository that an item names.
var unread = []string{
	"custom_properties", "labels", "license", "code_of_conduct", "security_and_analysis", "template_repository", "output", "steps", "stats", "plan",
	"referenced_workflows", "reactions",
}

// decode reads a body, or an item of one, into v. The error of one that is of an
// unknown form is that of an odd item.
func decode(p *page, v any) error {
	if err := forge.Decode(p.body, v, unread); err != nil {
		form := forge.OddForm
		if p.entry {
			form = forge.OddEntry
		}
		if what := form(p.body, err); what != "" {
			return oddItem(p, what)
		}
		return problem.Wrap(problem.Source, err, "the answer of %s is not what the API describes", p.req.URL).
			WithHint("check that url is the base of a GitHub REST API and not a web page or a login proxy")
	}
	return nil
}

// unlimited hides the rate limit headers from go-github. It would answer later
// requests by itself, with a 403 that nobody sent, until the reset time by the
// local clock; fetch and throttle do the waiting here.
type unlimited struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t unlimited) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	for k := range resp.Header {
		if strings.HasPrefix(strings.ToLower(k), "x-ratelimit-") {
			resp.Header.Del(k)
		}
	}
	return resp, nil
}

// throttle tells a rate limit from a refusal. GitHub answers a limit with 403
// or 429: the primary one with x-ratelimit-remaining 0 and a reset time in
// epoch seconds of its own clock; the secondary one with Retry-After, or with
// nothing but a message, when at least a minute is asked for.
// See https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
func throttle(resp *http.Response, body []byte) (time.Duration, bool) {
	if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusTooManyRequests {
		return 0, false
	}
	if resp.Header.Get("Retry-After") != "" {
		return 0, true
	}
	if resp.Header.Get("X-RateLimit-Remaining") == "0" {
		if reset, err := strconv.ParseInt(resp.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			return untilReset(resp.Header, reset), true
		}
		return time.Minute, true
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		return time.Minute, true
	}
	var m struct {
		Message string `json:"message"`
		Doc     string `json:"documentation_url"`
	}
	json.Unmarshal(body, &m) // a body that is no JSON has no message
	text := strings.ToLower(m.Message)
	if strings.Contains(text, "secondary rate limit") || strings.Contains(text, "abuse detection") ||
		strings.HasSuffix(m.Doc, "#abuse-rate-limits") || strings.HasSuffix(m.Doc, "secondary-rate-limits") {
		return time.Minute, true
	}
	return 0, false
}

// untilReset measures the reset time against the answer's own Date. A reset in
// the past or without a Date asks for a minute.
func untilReset(h http.Header, reset int64) time.Duration {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || reset <= date.Unix() {
		return time.Minute
	}
	return min(time.Duration(reset-date.Unix()+1)*time.Second, 24*time.Hour)
}
