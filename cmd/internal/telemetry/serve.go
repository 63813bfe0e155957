package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Health is asked by the endpoints. A nil func is always well.
type Health struct {
	// Alive fails when only a restart helps.
	Alive func(ctx context.Context) error
	// Ready fails while questions cannot be answered: starting, stopping, a
	// stopped log. The text is shown; it must name no person.
	Ready func(ctx context.Context) error
}

// probeTimeout bounds one call of a health func.
const probeTimeout = 5 * time.Second

// Handler serves /metrics, /healthz and /readyz.
func Handler(m *Metrics, h Health) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		m.Write(w)
	})
	mux.HandleFunc("GET /healthz", probe("alive", h.Alive))
	mux.HandleFunc("GET /readyz", probe("ready", h.Ready))
	return mux
}

func probe(word string, f func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if f != nil {
			ctx, cancel := context.WithTimeout(r.Context(), probeTimeout)
			defer cancel()
			if err := f(ctx); err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprintf(w, "not %s: %v\n", word, err)
				return
			}
		}
		io.WriteString(w, word+"\n")
	}
}

// Local answers only requests for this host by its address or as localhost. It
// is for a listener on loopback: a page in a browser here can have its own name
// lead to loopback, and would read the answers as its own.
func Local(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		_, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if err != nil && !strings.EqualFold(host, "localhost") {
			http.Error(w, "ask by address or as localhost", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// OnLoopback reports whether only this host reaches the listener.
func OnLoopback(l net.Listener) bool {
	a, ok := l.Addr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

// Serve answers on the listener until ctx ends, then lets requests in flight
// finish for a few seconds. It closes the listener.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- srv.Shutdown(grace)
	})
	err := srv.Serve(l)
	if !stop() {
		// Shutdown has begun: wait for the requests in flight.
		if shut := <-stopped; errors.Is(err, http.ErrServerClosed) {
			return shut
		}
	}
	return err
}
