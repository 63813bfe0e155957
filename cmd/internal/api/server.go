package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"evidenced/evidence/problem"
)

// maxParams bounds the parameters of a call, in bytes; largeParams those of the
// operations that take a document along.
const maxParams = 64 << 10

var largeParams = map[string]int64{"statement": 2 << 20}

// Serve answers calls on the socket until ctx ends; calls at work then get ten
// seconds to finish. It closes the listener. Only the daemon's own user and
// root are answered, whatever the mode of the socket.
func Serve(ctx context.Context, l net.Listener, w World, log *slog.Logger) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/{op}", func(rw http.ResponseWriter, r *http.Request) {
		answer(rw, r, w, log)
	})
	srv := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       withPeer,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err := srv.Shutdown(grace)
		if err != nil {
			srv.Close()
		}
		stopped <- err
	})
	err := srv.Serve(l)
	if !stop() {
		if shut := <-stopped; errors.Is(err, http.ErrServerClosed) {
			return shut
		}
	}
	return err
}

func answer(rw http.ResponseWriter, r *http.Request, w World, log *slog.Logger) {
	uid := peer(r.Context())
	if uid != os.Getuid() && uid != 0 {
		http.Error(rw, "this socket answers its own user and root", http.StatusForbidden)
		return
	}
	params, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, max(maxParams, largeParams[r.PathValue("op")])))
	if err != nil {
		http.Error(rw, "parameters cannot be read", http.StatusBadRequest)
		return
	}
	rw.Header().Set("Content-Type", "application/x-evidenced-frames")
	s := newSending(rw)
	err = s.run(r.Context(), w, Caller{UID: uid, Via: "socket"}, r.PathValue("op"), params, log)
	if err := s.end(err); err != nil {
		log.WarnContext(r.Context(), "answer not sent", "op", r.PathValue("op"), "err", err)
	}
}

// sending frames a reply onto a response.
type sending struct {
	b     *bufio.Writer
	flush http.Flusher
	last  time.Time // of the last progress sent
}

func newSending(rw http.ResponseWriter) *sending {
	f, _ := rw.(http.Flusher)
	return &sending{b: bufio.NewWriterSize(rw, 64<<10), flush: f}
}

// run runs the operation; a panic is an internal error of this call alone.
func (s *sending) run(ctx context.Context, w World, who Caller, op string, params []byte, log *slog.Logger) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.ErrorContext(ctx, "operation panicked", "op", op, "stack", string(debug.Stack()))
			err = problem.New(problem.Internal, "%s failed by a mistake of ours: %v", op, p).
				WithHint("the daemon's log has the details; please report it")
		}
	}()
	out := &Out{
		Header: func(media string) error { return s.json(frameHeader, headerFrame{media}) },
		Body:   s,
		Step:   s.progress,
		Result: func(v json.RawMessage) error { return writeFrame(s.b, frameResult, v) },
	}
	return Run(ctx, w, who, op, params, out)
}

// Write frames a piece of the body.
func (s *sending) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 {
		piece := p[:min(len(p), maxFrame/2)]
		if err := writeFrame(s.b, frameBody, piece); err != nil {
			return n, err
		}
		n, p = n+len(piece), p[len(piece):]
	}
	return n, nil
}

func (s *sending) json(kind byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("frame: %w", err)
	}
	return writeFrame(s.b, kind, b)
}

// progress sends at most ten frames a second. A failure shows at the next
// write of the body.
func (s *sending) progress(done, total uint64) {
	if now := time.Now(); done >= total || now.Sub(s.last) >= 100*time.Millisecond {
		s.last = now
		if s.json(frameProgress, progressFrame{done, total}) == nil && s.b.Flush() == nil && s.flush != nil {
			s.flush.Flush()
		}
	}
}

func (s *sending) end(err error) error {
	if err := s.json(frameEnd, endOf(err)); err != nil {
		return err
	}
	return s.b.Flush()
}
