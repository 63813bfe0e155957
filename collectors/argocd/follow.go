package argocd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

const (
	// maxBehind bounds the events that wait for us. The server keeps about as
	// many and then drops them without a word, so falling further behind is a
	// broken stream.
	maxBehind = 2048
	// maxBackoff is the longest pause before the stream is opened again.
	maxBackoff = time.Minute
	// maxListFailures in a row end Follow; the daemon calls it again.
	maxListFailures = 3
	// lastCommit bounds the commit that is made when ctx has ended.
	lastCommit = 5 * time.Second
)

// delivery is what the stream's reader hands over: an event, or the end of the
// stream. An event without an application is of one that could not be read.
type delivery struct {
	ev  event
	req evidence.Request
	err error
}

var errBehind = problem.New(problem.Source, "we fell behind the stream: events may have been dropped")

// follow is a session with the stream open.
type follow struct {
	*session
	in chan delivery
	// subscribed is when the stream proved to be subscribed. The server sends
	// the list of applications first and subscribes to changes afterwards, so
	// only a change proves it.
	subscribed time.Time
	refusal    error // the stream's word that the credential is refused
	failures   int   // of the list, in a row
	events     int   // since the last commit
}

// Follow implements collectors.Follower: a full list every poll_every, and the
// stream in between.
func (c *Collector) Follow(ctx context.Context, kept []byte, sink collectors.Sink) error {
	res, err := loadResume(kept)
	if err != nil {
		return err
	}
	c.client.ResetStats()
	f := &follow{session: c.session(res, sink), in: make(chan delivery, maxBehind)}
	f.identify()
	if err := f.version(ctx); err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.watch(reading, f.in)
	}()
	err = f.run(ctx)
	stop()
	<-done
	return err
}

func (f *follow) run(ctx context.Context) error {
	if err := f.round(ctx); err != nil {
		return err
	}
	poll := time.NewTicker(f.cfg.PollEvery)
	defer poll.Stop()
	idle := time.NewTicker(f.idleCommit)
	defer idle.Stop()
	var due <-chan time.Time // runs while something waits for a commit
	for {
		var err error
		select {
		case <-ctx.Done():
			return f.leave(ctx)
		case d := <-f.in:
			err = f.handle(ctx, d)
		case <-poll.C:
			err = f.round(ctx)
		case <-due:
			err = f.commit(ctx, f.between())
		case <-idle.C:
			err = f.commit(ctx, f.between())
		}
		if err != nil {
			if ctx.Err() != nil {
				return f.leave(ctx)
			}
			return err
		}
		if f.kept {
			f.kept = false
			idle.Reset(f.idleCommit)
		}
		switch {
		case f.emitted == 0:
			due = nil
		case due == nil:
			due = time.After(f.commitEvery)
		}
	}
}

// between is the observation of a commit between two lists: what it saw is
// claimed by the next list.
func (f *follow) between() evidence.Observation {
	o := f.observation(f.env.Clock().UTC())
	if f.events > 0 {
		o.Notes = append(o.Notes, fmt.Sprintf("%d events from the stream", f.events))
	}
	f.events = 0
	return o
}

// leave keeps what was emitted when the run is asked to end: an operation seen
// in the stream alone would not be seen again.
func (f *follow) leave(ctx context.Context) error {
	if f.emitted > 0 {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCommit)
		defer cancel()
		if err := f.commit(last, f.between()); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// round makes a full list. A list that fails for a while costs a partial
// commit, a refused credential ends the run.
func (f *follow) round(ctx context.Context) error {
	err := f.list(ctx, f.drain)
	if err == nil {
		f.failures = 0
		return f.refusal // the list was still good, and is kept
	}
	f.failures++
	var wrong *sourceError
	if ctx.Err() != nil || !errors.As(err, &wrong) || refused(err) || f.failures >= maxListFailures {
		return err
	}
	o := f.between()
	o.Incomplete = "the list of applications could not be read: " + err.Error()
	return f.commit(ctx, o)
}

// drain takes what the stream has delivered so far, so that a list is not
// taken for newer than it is. It returns since when the stream is known to be
// unbroken; zero when it is not.
func (f *follow) drain(ctx context.Context) (time.Time, error) {
	for {
		select {
		case d := <-f.in:
			if err := f.handle(ctx, d); err != nil && f.refusal == nil {
				return time.Time{}, err
			}
		default:
			return f.subscribed, nil
		}
	}
}

// handle takes one delivery.
func (f *follow) handle(ctx context.Context, d delivery) error {
	if d.err != nil {
		f.subscribed = time.Time{}
		if refused(d.err) {
			f.refusal = fmt.Errorf("collector %s: watch applications: %w", f.env.Source, explain(d.err))
			return f.refusal
		}
		f.note("the stream ended and is opened again: %v", d.err)
		return nil
	}
	now := f.env.Clock().UTC()
	f.events++
	if d.ev.App == nil {
		// The others are still told; but of what happened to this one, nobody
		// knows whose it is.
		f.subscribed = time.Time{}
		f.note("an application in the stream could not be read")
		return nil
	}
	if d.ev.Type != eventAdded && f.subscribed.IsZero() {
		f.subscribed = now
	}
	if !f.wanted(d.ev.App) {
		return nil
	}
	if d.ev.Type == eventDeleted {
		return f.deleted(ctx, d, now)
	}
	return f.take(ctx, d.ev.App, now, f.res.Listed, d.req, false)
}

func (f *follow) wanted(a *app) bool {
	if len(f.cfg.Projects) == 0 {
		return true
	}
	for _, p := range f.cfg.Projects {
		if p == a.project() {
			return true
		}
	}
	return false
}

// deleted ends the state of an application on the server's word.
func (f *follow) deleted(ctx context.Context, d delivery, now time.Time) error {
	a := d.ev.App
	if err := f.ended(ctx, a, now, d.req); err != nil {
		return err
	}
	delete(f.newer, a.uid())
	f.gone[a.uid()] = true
	return nil
}

// ended emits what the last form of a deleted application shows, and its end,
// and forgets it.
func (s *session) ended(ctx context.Context, a *app, now time.Time, req evidence.Request) error {
	m := s.res.Apps[a.uid()]
	if m == nil {
		m = &memory{Hist: -1}
	}
	for _, g := range m.operations(a, false, a.Generation < m.Gen).sights {
		if err := s.emit(ctx, s.syncDraft(a, g, now, m.Seen, req)); err != nil {
			return err
		}
	}
	if !m.Seen.IsZero() {
		if err := s.emit(ctx, s.endDraft(a, later(now, m.State.Since), m.Seen, req)); err != nil {
			return err
		}
	}
	delete(s.res.Apps, a.uid())
	return nil
}

// later returns now, or the instant after since when our clock says less.
func later(now, since time.Time) time.Time {
	if now.After(since) {
		return now
	}
	return since.Add(time.Nanosecond)
}

// watch keeps the stream open until ctx ends or the credential is refused,
// handing over each event and each break.
func (c *Collector) watch(ctx context.Context, out chan<- delivery) {
	wait := c.backoff
	for {
		got, err := c.stream(ctx, out)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = problem.New(problem.Source, "the server closed the stream")
		}
		select {
		case out <- delivery{err: err}:
		case <-ctx.Done():
			return
		}
		if refused(err) {
			return
		}
		if got > 0 {
			wait = c.backoff
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		wait = min(2*wait, maxBackoff)
	}
}

// stream opens the stream once and reads it to its end. It returns the number
// of events handed over.
func (c *Collector) stream(ctx context.Context, out chan<- delivery) (n int, err error) {
	q := url.Values{}
	if len(c.cfg.Projects) > 0 {
		q["projects"] = c.cfg.Projects
	}
	u, err := c.client.URL(streamPath, q)
	if err != nil {
		return 0, err
	}
	body, _, err := c.client.Stream(ctx, streamPath, q)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	for line, err := range fetch.Lines(body, c.cfg.MaxLineBytes) {
		if err != nil {
			return n, err
		}
		if len(line) == 0 {
			continue
		}
		ev, err := decodeLine(line)
		var said *apiError
		if errors.As(err, &said) && said.refused() {
			return n, problem.Wrap(problem.Credential, said, "the server no longer takes the token")
		}
		if err != nil && !errors.Is(err, errOddItem) {
			return n, problem.Wrap(problem.Source, err, "line %d of the stream", n+1)
		}
		d := delivery{ev: ev, req: evidence.Request{Method: http.MethodGet, URL: fetch.SafeURL(u), Response: sum(line), Agent: agent}}
		if err := hand(ctx, out, d); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// hand gives an event to the main loop. The first list of a stream may wait,
// since the server has not subscribed yet; a change may not.
func hand(ctx context.Context, out chan<- delivery, d delivery) error {
	if d.ev.Type != eventAdded {
		select {
		case out <- d:
			return nil
		default:
			return errBehind
		}
	}
	select {
	case out <- d:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
