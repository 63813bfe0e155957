package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// StatusError says which status an answer had. It is the cause of the problem
// made of it. Its text never holds the body.
type StatusError struct {
	Method string
	URL    string // without credentials
	Status int
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%d %s from %s %s", e.Status, http.StatusText(e.Status), e.Method, e.URL)
}

// StatusProblem makes the problem of a status that is no success: Credential
// for 401 and 403, NotFound for 404 and 410, Throttled for 429, else Source.
func StatusProblem(method string, u *url.URL, status int) *problem.Problem {
	cause := &StatusError{method, SafeURL(u), status}
	switch status {
	case http.StatusUnauthorized:
		return problem.Wrap(problem.Credential, cause, "the source refused the credential").
			WithHint("check that the source has a credential in its configuration, and that its file holds a valid, unexpired token")
	case http.StatusForbidden:
		return problem.Wrap(problem.Credential, cause, "the credential may not read this").
			WithHint("grant the credential the read permissions listed in deploy/access")
	case http.StatusNotFound, http.StatusGone:
		return problem.Wrap(problem.NotFound, cause, "the source does not have it, or hides it from this credential").
			WithHint("check the name, and that the credential may see it")
	case http.StatusTooManyRequests:
		return problem.Wrap(problem.Throttled, cause, "the source asked us to come back later").
			WithHint("look less often")
	}
	return problem.Wrap(problem.Source, cause, "the source gave no usable answer").
		WithHint("check the health of the source; the next run tries again")
}

// Status returns the status of the first StatusError in err's chain, or 0.
func Status(err error) int {
	var e *StatusError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// LaterError says when a source wants to be asked again.
type LaterError struct{ Until time.Time }

// Error implements error.
func (e *LaterError) Error() string {
	return "come back at " + evidence.FormatTime(e.Until.Truncate(time.Second))
}

// RetryAt returns when the source of a Throttled error wants to be asked
// again; false when err names no time.
func RetryAt(err error) (time.Time, bool) {
	var e *LaterError
	if errors.As(err, &e) {
		return e.Until, true
	}
	return time.Time{}, false
}

func throttled(u *url.URL, status int, until time.Time) error {
	cause := errors.Join(&LaterError{until}, &StatusError{"GET", SafeURL(u), status})
	return &problem.Problem{
		Code:    problem.Throttled,
		Message: "the source asked us to come back at " + evidence.FormatTime(until.Truncate(time.Second)),
		Hint:    "look less often, or give the credential a higher limit; the next run resumes where this one stopped",
		Cause:   joined{cause},
	}
}

// joined prints errors.Join's parts on one line.
type joined struct{ error }

func (j joined) Error() string { return strings.ReplaceAll(j.error.Error(), "\n", ", ") }
func (j joined) Unwrap() error { return j.error }

var secretParam = regexp.MustCompile(`(?i)token|secret|passw|signature|^sig$|^key$|api_?key|credential`)

// SafeURL prints u without user, password and fragment, and with the values of
// query parameters that carry credentials replaced.
func SafeURL(u *url.URL) string {
	if u == nil {
		return ""
	}
	v := *u
	v.User, v.Fragment, v.RawFragment = nil, "", ""
	if v.RawQuery != "" {
		q := v.Query()
		changed := false
		for k := range q {
			if secretParam.MatchString(k) {
				q[k] = []string{"<secret>"}
				changed = true
			}
		}
		if changed {
			v.RawQuery = q.Encode()
		}
	}
	return v.String()
}

// scrub returns err without any of the header values that were sent.
func scrub(err error, sent http.Header) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	clean := text
	for name, vs := range sent {
		if name == "User-Agent" || name == "Accept" || name == "Content-Type" {
			continue
		}
		for _, v := range vs {
			for _, part := range append(strings.Fields(v), v) {
				if len(part) >= 8 {
					clean = strings.ReplaceAll(clean, part, "<secret>")
				}
			}
		}
	}
	if clean == text {
		return err
	}
	return errors.New(clean)
}
