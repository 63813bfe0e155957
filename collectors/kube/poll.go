package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// mostDrafts may wait for a commit.
const mostDrafts = 5000

// Poll implements collectors.Collector: everything is listed once. A resource
// that cannot be read does not keep the others from being; when none can, the
// run fails.
func (c *Collector) Poll(ctx context.Context, _ evidence.Period, kept []byte, sink collectors.Sink) error {
	return c.pollFrom(ctx, kept, sink, false)
}

// pollFrom is Poll. With resumes a long list is not read again while the server
// still has what happened since.
func (c *Collector) pollFrom(ctx context.Context, kept []byte, sink collectors.Sink, resumes bool) error {
	s, err := c.session(kept, sink)
	if err != nil {
		return fmt.Errorf("collector %s: %w", c.env.Source, err)
	}
	s.resumes = resumes
	if err := s.poll(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("collector %s: %w", c.env.Source, err)
	}
	return nil
}

func (s *session) poll(ctx context.Context) error {
	for _, f := range s.spaces {
		if err := s.try(ctx, f, f.list(ctx, s.handle)); err != nil {
			return err
		}
	}
	d := s.x.discovery()
	var first error
	failed := 0
	for _, f := range s.feeds {
		err := s.pollFeed(ctx, f, d)
		if err := s.try(ctx, f, err); err != nil {
			return err
		}
		if err != nil && !s.st[f].Refused {
			failed++
			if first == nil {
				first = err
			}
		}
		if s.emitted >= mostDrafts {
			if err := s.commit(ctx, nil, ""); err != nil {
				return err
			}
		}
	}
	if failed > 0 && failed == len(s.feeds) {
		return first
	}
	now := s.c.env.Clock().UTC()
	if failed == 0 {
		s.settleLabels()
	}
	if len(s.asked) > 0 {
		// Objects were placed without the labels of their namespace: the next
		// look lists them all again.
		for _, f := range s.feeds {
			s.st[f].Count = 0
		}
	}
	return s.commit(ctx, s.polled(now), s.incomplete(now, 0))
}

// pollFeed lists one resource, in the version that the server serves now.
func (s *session) pollFeed(ctx context.Context, f *feed, d *discovery) error {
	version, absent, err := s.x.installed(ctx, f.res, d)
	switch {
	case err != nil:
		return err
	case absent:
		return s.handle(ctx, message{f: f, what: missing, at: s.c.env.Clock().UTC()})
	case !f.res.Cluster && !s.known:
		return problem.New(problem.Source, "the namespaces could not be read, and without their labels nobody can tell whose its objects are").
			WithHint("let the credential list and watch namespaces (deploy/access/kubernetes), or set namespace_labels: false")
	}
	if s.resumes && version == f.version {
		if done, err := s.goOn(ctx, f); done || err != nil {
			return err
		}
	}
	f.version = version
	return f.list(ctx, s.handle)
}

// goOn takes what happened since the last look from the server's history, in
// place of a list that would tell everything again. It reports false when that
// cannot be: then the resource is listed, and what was told already is told
// again.
func (s *session) goOn(ctx context.Context, f *feed) (bool, error) {
	st := s.st[f]
	gap := s.c.env.Clock().Sub(st.To)
	// Waiting for the server's bookmark takes longer than a list of one page.
	if f.rv == "" || st.Absent || s.relabelled || st.Count <= int64(f.size) || st.Short > 0 && gap > st.Short/2 {
		return false, nil
	}
	err := f.catchUp(ctx, s.handle)
	switch {
	case err == nil:
		st.whole, st.resumed, st.fault = true, true, nil
		return true, nil
	case ctx.Err() != nil, collectors.EndOf(err) != nil, fetch.Status(err) == http.StatusUnauthorized:
		return false, err
	case errors.Is(err, errExpired), errors.Is(err, errNoBookmark):
		st.Short = gap
	}
	return false, nil
}

// try takes the outcome of a feed's look: a fault of the source is kept with
// the feed, everything else ends the run.
func (s *session) try(ctx context.Context, f *feed, err error) error {
	end := collectors.EndOf(err)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case end != nil:
		return end
	case fetch.Status(err) == http.StatusUnauthorized:
		return err
	}
	return s.handle(ctx, message{f: f, what: fault, at: s.c.env.Clock().UTC(), err: err})
}
