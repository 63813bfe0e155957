package certs

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

const agent = "certs/1"

var kinds = []evidence.Kind{evidence.CertState}

// Collector looks at endpoints and files. Make one with New.
type Collector struct {
	cfg       *Config
	env       collectors.Env
	authority string
	endpoints []endpoint
	prober    *prober
}

var _ collectors.Collector = (*Collector)(nil)

// New checks the configuration and makes the collector. It connects to
// nothing.
func New(cfg *Config, env collectors.Env) (*Collector, error) {
	es, as, err := cfg.check()
	if err != nil {
		return nil, err
	}
	if env.Clock == nil {
		env.Clock = time.Now
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	c := &Collector{cfg: cfg, env: env, authority: cfg.Authority, endpoints: es}
	if c.authority == "" {
		c.authority = env.Source.Authority()
	}
	c.prober = &prober{timeout: cfg.Timeout, allow: as, clock: env.Clock,
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}}
	return c, nil
}

// Kinds implements collectors.Collector.
func (c *Collector) Kinds() []evidence.Kind { return slices.Clone(kinds) }

// resume is what a Commit keeps: the last good look at each subject.
type resume struct {
	V    int                 `json:"v"`
	Last map[string]lastLook `json:"last"` // by the name part of the subject
}

type lastLook struct {
	At          time.Time `json:"at"`
	Fingerprint string    `json:"fp"`
}

const resumeVersion = 1

func parseResume(b []byte) (*resume, error) {
	r := &resume{V: resumeVersion}
	if len(b) > 0 {
		err := json.Unmarshal(b, r)
		if err == nil && r.V != resumeVersion {
			err = fmt.Errorf("version %d, this program reads %d", r.V, resumeVersion)
		}
		if err != nil {
			return nil, problem.Wrap(problem.Corrupt, err, "the kept position of the certs source cannot be read").
				WithHint("reset the source's position; only the times of the last looks are lost")
		}
	}
	if r.Last == nil {
		r.Last = map[string]lastLook{}
	}
	return r, nil
}

// sighting is one look at one endpoint or file.
type sighting struct {
	name  string // name part of the subject
	scope evidence.Ref
	draft *evidence.Draft
	print string
	err   error // could not be looked at, or not whole when there is a draft
	none  bool  // a file without a certificate
	asked bool  // the endpoint wants a client certificate and broke off
}

// Poll looks at everything once. What cannot be looked at makes the run
// partial; a configured roots file that cannot be read fails it.
func (c *Collector) Poll(ctx context.Context, _ evidence.Period, kept []byte, s collectors.Sink) error {
	res, err := parseResume(kept)
	if err != nil {
		return err
	}
	roots, err := c.roots()
	if err != nil {
		return err
	}
	es, listErr := c.allEndpoints()
	all := c.probeAll(ctx, es, roots, res)
	if err := ctx.Err(); err != nil {
		return err
	}
	all = append(all, c.readFiles(ctx, roots, res)...)
	if err := ctx.Err(); err != nil {
		return err
	}
	if listErr != nil {
		all = append(all, sighting{name: c.cfg.EndpointsFile, scope: c.pathRef(c.cfg.EndpointsFile), err: listErr})
	}
	next := &resume{V: resumeVersion, Last: map[string]lastLook{}}
	for _, g := range all {
		last, ok := res.Last[g.name]
		if g.draft != nil {
			if err := s.Emit(ctx, *g.draft); err != nil {
				return err
			}
		}
		switch {
		case g.err != nil && ok:
			next.Last[g.name] = last // the last that saw all of it
		case g.err == nil && g.draft != nil:
			next.Last[g.name] = lastLook{g.draft.OccurredAt, g.print}
		}
	}
	o := c.observe(all, res, len(es))
	if o.Incomplete == "" {
		s.Complete(evidence.CertState, evidence.Ref{})
	}
	b, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode the resume: %w", err)
	}
	return s.Commit(ctx, b, o)
}

// roots are the system's and the configured ones.
func (c *Collector) roots() (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if c.cfg.RootsFile == "" {
		return pool, nil
	}
	b, err := os.ReadFile(c.cfg.RootsFile)
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "roots_file")
	}
	if !pool.AppendCertsFromPEM(b) {
		return nil, problem.New(problem.Config, "roots_file %s holds no certificate", c.cfg.RootsFile)
	}
	return pool, nil
}

const maxFound = 10_000

// allEndpoints are the configured ones and those of the endpoints file that
// are not configured. A line that cannot be read is an error beside them.
func (c *Collector) allEndpoints() ([]endpoint, error) {
	es := slices.Clone(c.endpoints)
	if c.cfg.EndpointsFile == "" {
		return es, nil
	}
	b, err := os.ReadFile(c.cfg.EndpointsFile)
	if err != nil {
		return es, fileCause(err)
	}
	seen := map[string]bool{}
	for _, e := range es {
		seen[e.name()] = true
	}
	var bad error
	sc := bufio.NewScanner(bytes.NewReader(b))
	for line := 1; sc.Scan(); line++ {
		f := strings.Fields(sc.Text())
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		e, err := parseEndpoint(Endpoint{Address: f[0], SNI: strings.Join(f[1:], " ")})
		if err != nil || len(es) >= maxFound {
			if bad == nil {
				bad = fmt.Errorf("its line %d is no endpoint, or one too many", line)
			}
			continue
		}
		e.found = true
		if !seen[e.name()] {
			seen[e.name()] = true
			es = append(es, e)
		}
	}
	if bad == nil {
		bad = sc.Err()
	}
	return es, bad
}

// probeAll looks at the endpoints, a few at a time, and returns the sightings
// in the endpoints' order.
func (c *Collector) probeAll(ctx context.Context, es []endpoint, roots *x509.CertPool, res *resume) []sighting {
	out := make([]sighting, len(es))
	work := make(chan int)
	var wg sync.WaitGroup
	for range min(c.cfg.Concurrency, len(es)) {
		wg.Go(func() {
			for i := range work {
				out[i] = c.look(ctx, es[i], roots, res)
			}
		})
	}
	for i := range es {
		work <- i
	}
	close(work)
	wg.Wait()
	return out
}

func (c *Collector) look(ctx context.Context, e endpoint, roots *x509.CertPool, res *resume) sighting {
	g := sighting{name: e.name(), scope: evidence.NewRef("host", c.authority, strings.TrimSuffix(e.host, "."))}
	s, err := c.prober.probe(ctx, e)
	if err != nil {
		g.err = err
		return g
	}
	f := certFacts(s.chain)
	f.Endpoint, f.SNI, f.Dialled = e.address(), e.sni, s.dialled
	f.Protocol, f.Cipher, f.LookedAt = s.protocol, s.cipher, s.at
	f.NameMatches = s.chain[0].VerifyHostname(e.expects()) == nil
	f.Trusted = "yes"
	if ok, why := trust(s.chain, roots, s.at, x509.ExtKeyUsageServerAuth); !ok {
		f.Trusted, f.TrustError = "no", why
	}
	scope := []evidence.Ref{g.scope}
	if e.sni != "" && e.sni != g.scope.Name {
		scope = append(scope, evidence.NewRef("host", c.authority, e.sni))
	}
	g.draft = c.draft(g.name, f, s.chain, s.at, scope, res)
	g.draft.Request = evidence.Request{Method: "TLS", URL: "tls://" + e.address(), Agent: agent}
	g.print, g.asked = f.Fingerprint, s.asked
	return g
}

// readFiles reads every configured file; a pattern that fails is a sighting
// that failed.
func (c *Collector) readFiles(ctx context.Context, roots *x509.CertPool, res *resume) []sighting {
	var all []sighting
	seen := map[string]bool{}
	for _, pattern := range c.cfg.Files {
		files, err := listFiles(pattern)
		if err != nil {
			all = append(all, sighting{name: pattern, scope: c.pathRef(pattern), err: err})
		}
		for _, f := range files {
			if seen[f.path] || ctx.Err() != nil {
				continue
			}
			seen[f.path] = true
			all = append(all, c.readFile(f, roots, res))
		}
	}
	return all
}

func (c *Collector) readFile(f pemFile, roots *x509.CertPool, res *resume) sighting {
	g := sighting{name: clean(f.path), scope: c.pathRef(f.path)}
	chain, bad, err := f.read()
	if len(bad) > 0 {
		err = fmt.Errorf("%d of its %d certificates cannot be read: %s", len(bad), len(chain)+len(bad), strings.Join(told(bad, maxTold), "; "))
	}
	g.err = err
	if len(chain) == 0 {
		g.none = err == nil
		return g
	}
	at := c.env.Clock().UTC()
	facts := certFacts(chain)
	facts.File, facts.LookedAt, facts.Unreadable = g.name, at, told(bad, maxSpoiled)
	facts.Trusted = "not-checked" // an authority's own file is trusted by being configured somewhere
	if !chain[0].IsCA {
		facts.Trusted = "yes"
		if ok, why := trust(chain, roots, at, x509.ExtKeyUsageAny); !ok {
			facts.Trusted, facts.TrustError = "no", why
		}
		if facts.Trusted == "no" && len(bad) > 0 && !strings.HasPrefix(facts.TrustError, theCertificate) {
			// What cannot be read may be the link that is missing.
			facts.Trusted, facts.TrustError = "not-checked", "a certificate of the file cannot be read"
		}
	}
	g.draft = c.draft(g.name, facts, chain, at, []evidence.Ref{g.scope}, res)
	g.draft.Request = evidence.Request{Method: "file", URL: "file://" + g.name, Agent: agent}
	g.print = facts.Fingerprint
	return g
}

func (c *Collector) pathRef(path string) evidence.Ref {
	return c.ref("path", clean(path))
}

// ref makes a reference; a name that is too long stands as its hash.
func (c *Collector) ref(scheme, name string) evidence.Ref {
	r := evidence.NewRef(scheme, c.authority, name)
	if len(r.String()) > evidence.MaxRef {
		sum := sha256.Sum256([]byte(name))
		r.Name = "~" + hex.EncodeToString(sum[:])
	}
	return r
}

func (c *Collector) draft(name string, f evidence.CertFacts, chain []*x509.Certificate, at time.Time, scope []evidence.Ref, res *resume) *evidence.Draft {
	content, err := evidence.EncodeFacts(f)
	if err != nil {
		panic("certs: facts do not encode: " + err.Error()) // strings and checked times only
	}
	d := &evidence.Draft{
		Kind: evidence.CertState, Op: evidence.OpSet, Source: c.env.Source,
		Key:     name,
		Subject: c.ref("cert", name),
		People:  c.mentioned(chain),
		// It may have been shown since just after the last look.
		OccurredAt: at, Basis: evidence.BasisObserved, NotBefore: res.Last[name].At, ObservedAt: at,
		Scope: scope, Links: scope,
		Content: content, Raw: rawPEM(chain),
	}
	if slices.ContainsFunc(chain, holdsCredential) {
		d.Raw, d.Removed = nil, []string{agent, ""}
	}
	return d
}

const (
	maxNamed = 50 // failures named in one observation
	maxTold  = 3  // certificates named in one failure
)

// observe sums the look up.
func (c *Collector) observe(all []sighting, res *resume, probes int) evidence.Observation {
	at := c.env.Clock().UTC()
	o := evidence.Observation{At: at, Total: -1, Requests: probes}
	var failed []string
	bare, asked := 0, 0
	for _, g := range all {
		switch {
		case g.err != nil:
			failed = append(failed, g.name+": "+g.err.Error())
		case g.none:
			bare++
		case g.asked:
			asked++
		}
	}
	if asked > 0 {
		o.Notes = append(o.Notes, fmt.Sprintf("%d endpoints ask for a client certificate and broke the handshake off after showing theirs", asked))
	}
	if bare > 0 {
		o.Notes = append(o.Notes, fmt.Sprintf("%d files hold no certificate", bare))
	}
	if len(failed) == 0 {
		o.Seen = []evidence.Seen{{Kinds: kinds, Class: evidence.Instants, From: at, To: at}}
		return o
	}
	c.env.Log.Warn("not everything answered", slog.String("source", string(c.env.Source)), slog.Int("failed", len(failed)), slog.Int("of", len(all)))
	o.Incomplete = fmt.Sprintf("%d of %d could not be looked at: %s", len(failed), len(all), strings.Join(failed[:min(len(failed), maxNamed)], "; "))
	// Each endpoint or file is a part of the source, told apart, so that what
	// failed takes coverage from its owner alone.
	var blinds []evidence.Seen
	for _, g := range all {
		switch {
		case g.err != nil:
			blind := evidence.Seen{Kinds: kinds, Scope: g.scope, Class: evidence.Blind, From: at, To: at, Cause: g.name + ": " + g.err.Error()}
			if last, ok := res.Last[g.name]; ok && last.At.Before(blind.From) {
				blind.From = last.At
			}
			blinds = append(blinds, blind)
		case g.draft != nil: // and all of it was seen
			when := g.draft.OccurredAt
			o.Seen = append(o.Seen, evidence.Seen{Kinds: kinds, Scope: g.scope, Class: evidence.Instants, From: when, To: when})
		}
	}
	o.Seen = append(o.Seen, blinds...)
	return o
}
