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
	s, err := c.session(kept, sink)
	if err != nil {
		return fmt.Errorf("collector %s: %w", c.env.Source, err)
	}
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
		if err != nil {
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
	f.version = version
	return f.list(ctx, s.handle)
}

// try takes the outcome of a feed's look: a fault of the source is kept with
// the feed, everything else ends the run.
func (s *session) try(ctx context.Context, f *feed, err error) error {
	var own *sinkError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &own):
		return own.error
	case fetch.Status(err) == http.StatusUnauthorized:
		return err
	}
	return s.handle(ctx, message{f: f, what: fault, at: s.c.env.Clock().UTC(), err: err})
}
