package kubeaudit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/evidence/problem"
)

// Limits on what a sender may do. An API server sends up to 400 events in a
// batch, one batch after another.
const (
	maxBatch   = 32 << 20 // bytes of one body
	maxSenders = 4        // requests at a time
	bodyTime   = time.Minute
)

// listener receives batches of events (audit.k8s.io/v1 EventList) and answers
// 200 only when all of a batch is durable in the spool.
type listener struct {
	c      *Collector
	server *http.Server
	token  func() ([]byte, error) // nil: none is asked for
	open   bool                   // senders prove nothing
	slots  chan struct{}
	failed chan error
	done   chan struct{}
}

// listen opens the port.
func (c *Collector) listen(ctx context.Context) (*listener, error) {
	if err := os.MkdirAll(c.spool.dir, 0o700); err != nil {
		return nil, problem.Wrap(problem.Source, err, "make the spool folder")
	}
	if _, err := c.spool.key(); err != nil {
		return nil, err
	}
	l := &listener{
		c: c, open: c.cfg.ListenTokenFile == "" && c.cfg.ClientCAFile == "",
		slots: make(chan struct{}, maxSenders), failed: make(chan error, 1), done: make(chan struct{}),
	}
	if f := c.cfg.ListenTokenFile; f != "" {
		read := fetch.TokenFile(f)
		l.token = func() ([]byte, error) {
			s, err := read()
			if err != nil {
				return nil, err
			}
			return []byte(s.Reveal()), nil
		}
		if _, err := l.token(); err != nil {
			return nil, err
		}
	}
	conf, err := c.cfg.tls()
	if err != nil {
		return nil, err
	}
	port, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.cfg.Listen)
	if err != nil {
		return nil, problem.Wrap(problem.Source, err, "listen on %s", c.cfg.Listen)
	}
	if c.bound != nil {
		c.bound(port.Addr().String())
	}
	if conf != nil {
		port = tls.NewListener(port, conf)
	}
	l.server = &http.Server{
		Handler: l, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: bodyTime, WriteTimeout: 2 * bodyTime,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(io.Discard, "", 0), // it would tell what senders sent
	}
	// Ends with close.
	go func() {
		defer close(l.done)
		if err := l.server.Serve(port); !errors.Is(err, http.ErrServerClosed) {
			l.failed <- problem.Wrap(problem.Source, err, "listener for audit events")
		}
	}()
	return l, nil
}

// close ends the listener; batches that are being taken are finished.
func (l *listener) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := l.server.Shutdown(ctx); err != nil {
		l.server.Close()
	}
	<-l.done
	l.c.spool.mu.Lock()
	defer l.c.spool.mu.Unlock()
	l.c.spool.close()
}

// tls makes the listener's settings; nil for plain HTTP.
func (c *Config) tls() (*tls.Config, error) {
	if c.TLSCertFile == "" {
		return nil, nil
	}
	if _, err := tls.LoadX509KeyPair(c.TLSCertFile, c.TLSKeyFile); err != nil {
		return nil, problem.New(problem.Config, "tls_cert_file and tls_key_file do not make a certificate").
			WithHint("both must be PEM, and the key must belong to the certificate")
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		// Anew for each connection: certificates are renewed.
		pair, err := tls.LoadX509KeyPair(c.TLSCertFile, c.TLSKeyFile)
		return &pair, err
	}}
	if c.ClientCAFile != "" {
		pem, err := os.ReadFile(c.ClientCAFile)
		if err != nil {
			return nil, problem.Wrap(problem.Config, err, "read client_ca_file")
		}
		conf.ClientCAs, conf.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !conf.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, problem.New(problem.Config, "client_ca_file holds no certificate")
		}
	}
	return conf, nil
}

// ServeHTTP implements http.Handler. Answers say nothing but their status.
func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Whoever is not known takes no place of those who are.
	if !l.known(r) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	default:
		later(w)
		return
	}
	lines, err := readBatch(http.MaxBytesReader(w, r.Body, maxBatch), l.c.env.Clock())
	var large *http.MaxBytesError
	if err != nil {
		status := http.StatusBadRequest
		if errors.As(err, &large) {
			status = http.StatusRequestEntityTooLarge
		}
		l.c.spool.mu.Lock()
		l.c.spool.refuse() // a sender does not send it again
		l.c.spool.mu.Unlock()
		w.WriteHeader(status)
		return
	}
	if err := l.c.spool.append(lines, l.open); err != nil {
		if !errors.Is(err, errFull) {
			l.c.spool.mu.Lock()
			l.c.spool.refuse() // it comes again a few times only
			l.c.spool.mu.Unlock()
			l.c.env.Log.WarnContext(r.Context(), "audit events could not be spooled", "source", string(l.c.env.Source))
		}
		later(w)
	}
}

func later(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	w.WriteHeader(http.StatusServiceUnavailable)
}

// known reports whether the sender showed the token, when one is asked for;
// certificates are checked below.
func (l *listener) known(r *http.Request) bool {
	if l.token == nil {
		return true
	}
	want, err := l.token()
	if err != nil {
		return false
	}
	scheme, got, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	// Equal lengths for the comparison, whatever was sent.
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256(want)
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// readBatch reads an EventList and returns its events as lines, without what
// must not be kept. For items that cannot be read a mark stands in their place:
// an API server that is refused drops the whole batch, or sends it again for
// ever, so one odd item must not cost the others. A body that is no EventList is
// an error. An event that is longer than max_line is left to the reader of the
// spool, which tells it and goes on: a client may make its own as long as it
// likes, and others' stand beside it. now is the time that marks have.
func readBatch(r io.Reader, now time.Time) ([]byte, error) {
	dec := json.NewDecoder(r)
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, orErr(err)
	}
	var out bytes.Buffer
	var kind, version string
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		switch key, _ := t.(string); key {
		case "kind":
			err = dec.Decode(&kind)
		case "apiVersion":
			err = dec.Decode(&version)
		case "items":
			err = readItems(dec, &out, now)
		default:
			var skip json.RawMessage
			err = dec.Decode(&skip)
		}
		if err != nil {
			return nil, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errNotEvent
	}
	if kind != "EventList" || !strings.HasPrefix(version, "audit.k8s.io/") {
		return nil, errNotEvent
	}
	return out.Bytes(), nil
}

func orErr(err error) error {
	if err != nil {
		return err
	}
	return errNotEvent
}

func readItems(dec *json.Decoder, out *bytes.Buffer, now time.Time) error {
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		if err == nil && t == nil {
			return nil // null: an empty list
		}
		return orErr(err)
	}
	var odd mark // of items in a row that cannot be read
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		line, err := itemLine(raw)
		if err != nil {
			odd.add(len(raw), err)
			continue
		}
		odd.write(out, now)
		out.Write(line)
		out.WriteByte('\n')
	}
	odd.write(out, now)
	_, err := dec.Token()
	return err
}

// A mark stands in the spool for events that were sent and cannot be read. No
// line of an event begins like one.
var markBegin = []byte("\x1eevidenced ")

type mark struct {
	Time  time.Time `json:"timestamp"` // when they came, where lineTime finds it
	Items int       `json:"items"`
	Bytes int       `json:"bytes"`
	Why   string    `json:"why"` // of the first; nothing of its content
}

func (m *mark) add(bytes int, err error) {
	if m.Items == 0 {
		m.Why = err.Error()
	}
	m.Items++
	m.Bytes += bytes
}

// write writes the mark, if it stands for anything, and begins anew.
func (m *mark) write(out *bytes.Buffer, now time.Time) {
	if m.Items == 0 {
		return
	}
	m.Time = now.UTC()
	b, err := json.Marshal(m)
	if err != nil {
		panic("kubeaudit: a mark does not encode: " + err.Error()) // a clock beyond the year 9999
	}
	out.Write(markBegin)
	out.Write(b)
	out.WriteByte('\n')
	*m = mark{}
}

// readMark reads a line of the spool that is a mark.
func readMark(line []byte) (m mark, ok bool) {
	b, ok := bytes.CutPrefix(line, markBegin)
	return m, ok && json.Unmarshal(b, &m) == nil
}

// itemLine makes the line of an item of a list. Items of a list leave out kind
// and apiVersion; a line of a log has them.
func itemLine(raw []byte) ([]byte, error) {
	var head struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, unreadable(err)
	}
	if head.Kind == "" {
		raw = bytes.TrimSpace(raw)
		if len(raw) < 3 || raw[0] != '{' {
			return nil, errNotEvent
		}
		raw = append([]byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1",`), raw[1:]...)
	}
	e, err := parse(raw)
	if err != nil {
		return nil, err
	}
	line, _, err := sanitize(raw, e)
	return line, err
}
