package argocd

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"evidenced/evidence/problem"
)

// answer is what the server says about a right of our credential.
type answer int

const (
	unasked answer = iota // it could not say
	yes
	no
)

// canSee asks the server whether our credential may read applications that
// match object, such as "tenant-1/web" or "tenant-1/*". Argo CD leaves what we
// may not see silently out of a list, so an application that is gone and one
// that is hidden look alike there.
func (s *session) canSee(ctx context.Context, object string) (answer, error) {
	return s.mayGet(ctx, "applications", object)
}

// mayGet asks whether our credential may read what matches object.
func (c *Collector) mayGet(ctx context.Context, resource, object string) (answer, error) {
	return c.canI(ctx, resource, "get", object)
}

// canI asks the server about one right of our credential.
func (c *Collector) canI(ctx context.Context, resource, action, object string) (answer, error) {
	parts := append([]string{resource, action}, strings.Split(object, "/")...)
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	r, err := c.client.Get(ctx, "/api/v1/account/can-i/"+strings.Join(parts, "/"), nil)
	if ctx.Err() != nil {
		return unasked, ctx.Err()
	}
	if err != nil {
		return unasked, nil
	}
	var v struct {
		Value string `json:"value"`
	}
	if json.Unmarshal(r.Body, &v) != nil {
		return unasked, nil
	}
	switch v.Value {
	case "yes":
		return yes, nil
	case "no":
		return no, nil
	}
	return unasked, nil
}

// missing decides what it means that known projects and applications are not
// in the list: gone, or hidden from our credential.
func (s *session) missing(ctx context.Context, l *look) error {
	asked := 0
	ask := func(object string) (answer, error) {
		if asked >= maxQuestions {
			return unasked, nil
		}
		asked++
		return s.canSee(ctx, object)
	}
	if err := s.missingProjects(l, ask); err != nil {
		return err
	}
	if err := s.missingApps(l, ask); err != nil {
		return err
	}
	slices.Sort(l.hidden)
	l.hidden = slices.Compact(l.hidden)
	if len(l.apps) == 0 && l.bad == 0 && s.whole(l) {
		return s.nothing(ask)
	}
	return nil
}

// nothing decides what an empty list means: an account without rights gets
// one too, with a good status.
func (s *session) nothing(ask func(string) (answer, error)) error {
	a, err := ask("*/*")
	switch {
	case err != nil:
		return err
	case a == no:
		return &sourceError{problem.New(problem.Credential, "collector %s: the list is empty because the account may not read all applications", s.env.Source).
			WithHint("give the account the rights in deploy/access/argocd, or name the projects it may read in projects")}
	case a == unasked:
		s.note("no application is visible, and the server does not say whether the account may read any")
	}
	return nil
}

// missingProjects sorts known projects without a visible application into
// vacant and hidden. A server that does not answer leaves a project that had
// applications hidden.
func (s *session) missingProjects(l *look, ask func(string) (answer, error)) error {
	known := slices.Clone(s.res.Offered)
	for _, p := range s.cfg.Projects {
		if !slices.Contains(known, p) {
			known = append(known, p)
		}
	}
	for _, p := range known {
		if slices.Contains(l.visible, p) {
			continue
		}
		a, err := ask(p + "/*")
		if err != nil {
			return err
		}
		had := slices.Contains(s.res.Lost, p)
		for _, uid := range s.absent(l) {
			had = had || s.res.Apps[uid].Project == p
		}
		if a == yes || a == unasked && !had {
			l.vacant = append(l.vacant, p)
		} else {
			l.hidden = append(l.hidden, p)
		}
	}
	return nil
}

// missingApps looks at applications that left a project of which others are
// still visible. Here only a clear "no" hides the project: a list that still
// shows part of a project is believed otherwise.
func (s *session) missingApps(l *look, ask func(string) (answer, error)) error {
	names := map[string]bool{} // an application made anew under its name
	for _, a := range l.apps {
		names[a.fullName()] = true
	}
	for _, uid := range s.absent(l) {
		m := s.res.Apps[uid]
		if names[m.Name] || !slices.Contains(l.visible, m.Project) || slices.Contains(l.hidden, m.Project) {
			continue
		}
		a, err := ask(m.rbacName())
		if err != nil {
			return err
		}
		if a == no {
			l.hidden = append(l.hidden, m.Project)
		}
	}
	return nil
}

// rbacName is how Argo CD's policies name the application: with its namespace
// when that is not the controller's own.
func (m *memory) rbacName() string {
	if m.Apart {
		return m.Project + "/" + m.Name
	}
	return m.Project + m.Name[strings.IndexByte(m.Name, '/'):]
}

// projectToken returns the project of a project token's subject,
// "proj:PROJECT:ROLE".
func projectToken(username string) (string, bool) {
	parts := strings.Split(username, ":")
	if len(parts) == 3 && parts[0] == "proj" && parts[1] != "" {
		return parts[1], true
	}
	return "", false
}

// version notes which server answers. Its fields tell what the types of this
// collector can know: servers from v3 on say things that v2 does not.
func (s *session) version(ctx context.Context) error {
	r, err := s.client.Get(ctx, "/api/version", nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var v struct {
		Version string
	}
	switch {
	case problem.Is(err, problem.NotFound):
		s.note("the server does not tell its version")
	case err != nil:
		s.doubt = "the server's version could not be read: " + err.Error()
	case json.Unmarshal(r.Body, &v) != nil || v.Version == "" || len(v.Version) > 64:
		s.doubt = "the server's version could not be read: the answer is not a version"
	default:
		s.note("Argo CD %s", v.Version)
	}
	return nil
}

// identify names the credential by its token id, never by its account, which
// may be a person's, and notes when it ends.
func (s *session) identify() {
	if _, err := s.token(); err != nil {
		return // the first request says so
	}
	s.identity = "token of unknown id"
	claims, ok := s.tokenClaims()
	if !ok {
		return
	}
	if claims.ID != "" && len(claims.ID) <= 64 && !strings.Contains(claims.ID, "@") {
		s.identity = "token " + claims.ID
	}
	if claims.Expires == 0 {
		s.note("the token never expires: issue one with an expiry")
	} else if end := time.Unix(claims.Expires, 0).UTC(); end.Before(s.env.Clock().Add(14 * 24 * time.Hour)) {
		s.note("the token expires on %s", end.Format(time.DateOnly))
	}
}

// claims is what a token says of itself, RFC 7519.
type claims struct {
	ID      string `json:"jti"`
	Expires int64  `json:"exp"`
}

// tokenClaims reads the token's own claims; false when it is no such token.
func (c *Collector) tokenClaims() (out claims, ok bool) {
	t, err := c.token()
	if err != nil {
		return claims{}, false
	}
	parts := strings.Split(t.Reveal(), ".")
	if len(parts) != 3 {
		return claims{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(b, &out) != nil {
		return claims{}, false
	}
	return out, true
}

// lossCause joins the reasons for lost operations, naming no application.
func lossCause(reasons []string) string {
	slices.Sort(reasons)
	all := len(reasons)
	reasons = slices.Compact(reasons)
	const show = 3
	text := strings.Join(reasons[:min(len(reasons), show)], "; ")
	if all > 1 {
		text = fmt.Sprintf("%s (%d applications)", text, all)
	}
	return text
}
