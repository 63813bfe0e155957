package kube

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/evidence/problem"
)

const (
	// maxBehind bounds the messages that wait for the session. A feed that
	// finds no room waits, and so does the server; nothing is dropped.
	maxBehind = 64
	// maxFirstLists is how many lists are read at a time.
	maxFirstLists = 2
	// maxBackoff is the longest pause before a feed is tried again.
	maxBackoff = time.Minute
	// maxWatchFailures in a row, from a server that calls itself ready, mean
	// that it will not go on from our place: its data was restored from a copy.
	maxWatchFailures = 5
	// lastCommit bounds the commit that is made when ctx has ended.
	lastCommit = 5 * time.Second
)

// Follow implements collectors.Follower: every resource is listed unless its
// watch can go on from where it was, and then watched.
func (c *Collector) Follow(ctx context.Context, kept []byte, sink collectors.Sink) error {
	s, err := c.session(kept, sink)
	if err != nil {
		return fmt.Errorf("collector %s: %w", c.env.Source, err)
	}
	s.follows = true
	if err := s.follow(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("collector %s: %w", c.env.Source, err)
	}
	return nil
}

// follow starts the feeds, works off what they find and waits for them.
func (s *session) follow(ctx context.Context) error {
	if err := s.reachable(ctx); err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	in := make(chan message, maxBehind)
	fw := &following{session: s, in: in, placed: make(chan struct{}), lists: make(chan struct{}, maxFirstLists), waiting: map[*feed]chan struct{}{}}
	var feeds sync.WaitGroup
	start := func(f *feed, gate <-chan struct{}) {
		feeds.Go(func() { fw.stay(reading, f, gate) })
	}
	for _, f := range s.spaces {
		start(f, nil)
	}
	for _, f := range s.feeds {
		start(f, fw.gateOf(f))
	}
	err := fw.run(ctx)
	stop()
	feeds.Wait()
	return err
}

// reachable fails the run at once when the server is not there, or does not
// know the credential. A single resource that cannot be found out about (an
// extension server is away, its version is not understood) costs itself: its
// feed says so and tries again.
func (s *session) reachable(ctx context.Context) error {
	d := s.x.discovery()
	var first error
	for _, f := range s.feeds {
		_, err := d.version(ctx, f.res)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if fetch.Status(err) == http.StatusUnauthorized {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// following is a session with feeds that run by themselves.
type following struct {
	*session
	in     chan message
	placed chan struct{} // closed when the namespaces are known
	opened bool          // placed is closed
	lists  chan struct{} // holds a value for each list under way
	// waiting are the gates of feeds that need others to be read first.
	waiting map[*feed]chan struct{}
}

func (fw *following) run(ctx context.Context) error {
	idle := time.NewTicker(fw.c.idleCommit)
	defer idle.Stop()
	var due <-chan time.Time // runs while something waits for a commit
	for {
		fw.open()
		var err error
		select {
		case <-ctx.Done():
			return fw.leave(ctx)
		case m := <-fw.in:
			if err = fw.take(ctx, m); err == nil && fw.emitted >= mostDrafts {
				err = fw.keep(ctx)
			}
		case <-due:
			err = fw.keep(ctx)
		case <-idle.C:
			err = fw.keep(ctx)
		}
		if err != nil {
			if ctx.Err() != nil {
				return fw.leave(ctx)
			}
			return err
		}
		if fw.kept {
			fw.kept = false
			idle.Reset(fw.c.idleCommit)
		}
		switch {
		case fw.emitted == 0:
			due = nil
		case due == nil:
			due = time.After(fw.c.commitEvery)
		}
	}
}

// open lets the feeds begin that need the namespaces.
func (fw *following) open() {
	if fw.known && !fw.opened {
		close(fw.placed)
		fw.opened = true
	}
	fw.release()
}

// take handles a message. A credential that the server does not know at all
// ends the run; a right that is missing costs one resource.
func (fw *following) take(ctx context.Context, m message) error {
	if m.what == fault && (fetch.Status(m.err) == http.StatusUnauthorized || problem.Is(m.err, problem.Internal)) {
		return m.err
	}
	err := fw.handle(ctx, m)
	if end := collectors.EndOf(err); end != nil {
		return end
	}
	return err
}

func (fw *following) keep(ctx context.Context) error {
	err := fw.commit(ctx, fw.followed(), fw.incomplete(fw.c.env.Clock().UTC(), fw.c.patience))
	if end := collectors.EndOf(err); end != nil {
		return end
	}
	return err
}

// leave keeps what was emitted when the run is asked to end.
func (fw *following) leave(ctx context.Context) error {
	if fw.torn {
		return ctx.Err()
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCommit)
	defer cancel()
	if err := fw.keep(last); err != nil {
		return err
	}
	return ctx.Err()
}

// tell hands a message to the session.
func (fw *following) tell(ctx context.Context, m message) error {
	select {
	case fw.in <- m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stay reads one resource until ctx ends. It begins when the gate is open.
func (fw *following) stay(ctx context.Context, f *feed, gate <-chan struct{}) {
	defer func() {
		if p := recover(); p != nil {
			// The value may hold what was being read; its type and place do not.
			if fw.c.env.Log != nil {
				fw.c.env.Log.Error("a watch panicked", "source", string(fw.c.env.Source), "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			}
			_ = fw.tell(ctx, message{f: f, what: fault, at: f.clock().UTC(), err: problem.New(problem.Internal, "the watch of %s panicked (%T)", f.name(), p)})
		}
	}()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return
		}
	}
	l := &loop{fw: fw, f: f, find: true}
	for wait := time.Duration(0); ctx.Err() == nil; {
		pause, progress, err := l.step(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && fw.tell(ctx, message{f: f, what: fault, at: f.clock().UTC(), err: err}) != nil {
			return
		}
		if progress {
			wait = 0
		}
		if err != nil || pause < 0 {
			wait = min(max(2*wait, fw.c.backoff), maxBackoff)
			pause = wait/2 + rand.N(wait/2+1)
		}
		if pause > 0 && fw.x.sleep(ctx, pause) != nil {
			return
		}
	}
}

// loop is where a feed that stays with its resource stands.
type loop struct {
	fw     *following
	f      *feed
	find   bool // the served version has to be looked up
	failed int  // watches in a row that the server did not open
}

// step does the next thing: look the version up, list, or watch. It returns
// how long to pause; below zero: as long as after an error.
func (l *loop) step(ctx context.Context) (pause time.Duration, progress bool, err error) {
	switch {
	case l.find:
		return l.lookUp(ctx)
	case l.f.rv == "":
		return l.list(ctx)
	}
	return l.watch(ctx)
}

func (l *loop) lookUp(ctx context.Context) (time.Duration, bool, error) {
	version, absent, err := l.fw.x.installed(ctx, l.f.res, l.fw.x.discovery())
	if err != nil {
		return 0, false, err
	}
	if absent {
		l.f.rv = ""
		return l.fw.c.recheck, true, l.fw.tell(ctx, message{f: l.f, what: missing, at: l.f.clock().UTC()})
	}
	l.f.version, l.find = version, false
	return 0, true, nil
}

func (l *loop) list(ctx context.Context) (time.Duration, bool, error) {
	select {
	case l.fw.lists <- struct{}{}:
	case <-ctx.Done():
		return 0, false, ctx.Err()
	}
	err := l.f.list(ctx, l.fw.tell)
	<-l.fw.lists
	if err != nil {
		// 404 comes from a server that is starting, and when the version or the
		// whole resource was taken away: discovery tells.
		l.find = fetch.Status(err) == http.StatusNotFound
		return 0, false, err
	}
	return 0, true, nil
}

func (l *loop) watch(ctx context.Context) (time.Duration, bool, error) {
	before := l.f.rv
	err := l.f.watch(ctx, l.fw.tell)
	progress := l.f.rv != before
	if err == nil {
		// The server ends each watch after half an hour or more.
		l.failed = 0
		return -1, progress, nil
	}
	if ctx.Err() != nil {
		return 0, false, ctx.Err()
	}
	if l.lost(ctx, err) {
		l.f.rv, l.failed = "", 0
		return 0, true, l.fw.tell(ctx, message{f: l.f, what: gap, at: l.f.clock().UTC(), err: errExpired})
	}
	l.find = fetch.Status(err) == http.StatusNotFound
	return 0, progress, err
}

// lost reports whether the watch cannot go on from its place any more.
func (l *loop) lost(ctx context.Context, err error) bool {
	if errors.Is(err, errExpired) {
		return true
	}
	switch s := fetch.Status(err); {
	case s == http.StatusBadRequest, s >= 500:
		l.failed++
	default:
		l.failed = 0
	}
	if l.failed < maxWatchFailures || l.fw.x.ready(ctx) != nil {
		return false
	}
	return true
}
