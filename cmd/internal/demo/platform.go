// Package demo serves a scripted platform on loopback: a forge with GitHub's
// API and a real git repository behind it, Argo CD's API, a Vault with its API
// and a real audit file, and TLS endpoints with real handshakes. What happens
// on it is the history of package world; when it happens is the business of
// whoever holds the clock: nothing moves until Advance is called.
//
// The same world gives the same commits, answers and audit lines each time.
// Only ports differ, and lines that an asking client itself causes.
package demo

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"evidenced/testdata/world"
)

// Platform is a running scripted platform. Its methods may be called from
// several goroutines.
type Platform struct {
	world  *world.World
	dir    string
	tokens map[string]string // by server: github, argocd, vault

	mu        sync.Mutex // guards everything below
	now       time.Time
	next      int // index of the next act
	git       *gitRepo
	forge     *forge
	argo      *argo
	vault     *vault
	tls       *endpoints
	cluster   *cluster
	builds    *builds
	registry  *registry
	silences  []world.Act
	faults    map[string]world.Act
	followers []*follower
	shown     map[string]verdict // what streams know of each application
	live      bool               // the story is over: answers have the wall clock's date
	rateHour  time.Time
	rateUsed  int

	servers []*http.Server
	urls    map[string]string
	done    sync.WaitGroup
}

// New writes the platform's files below dir, which is made, starts its servers
// on 127.0.0.1 and plays every act up to start; a zero start is the world's
// own. Close stops the servers and leaves the files.
func New(dir string, w *world.World, start time.Time) (*Platform, error) {
	if start.IsZero() {
		start = w.Start
	}
	p := &Platform{world: w, dir: dir, faults: map[string]world.Act{}, shown: map[string]verdict{},
		tokens: map[string]string{}, urls: map[string]string{}}
	if err := p.prepare(); err != nil {
		return nil, err
	}
	if err := p.Advance(start); err != nil {
		p.Close()
		return nil, err
	}
	if err := p.serve(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Platform) prepare() error {
	if err := os.MkdirAll(filepath.Join(p.dir, "tokens"), 0o700); err != nil {
		return fmt.Errorf("make the platform's directory: %w", err)
	}
	for _, s := range append(slices.Clone(servers), clusterAdmin, argoExpired) {
		p.tokens[s] = secret(p.world.Seed, s+"/token")
		if s == "vault" {
			p.tokens[s] = "hvs." + p.tokens[s]
		}
		if err := os.WriteFile(p.tokenFile(s), []byte(p.tokens[s]+"\n"), 0o600); err != nil {
			return fmt.Errorf("write a token file: %w", err)
		}
	}
	var err error
	if p.git, err = newGitRepo(p.RepoDir(), p.world); err != nil {
		return err
	}
	p.forge = newForge(p.world, p.git)
	p.argo = newArgo(p.world, p.git)
	if p.vault, err = newVault(p.world, filepath.Dir(p.AuditFile()), p.tokens["vault"]); err != nil {
		return err
	}
	if p.tls, err = newEndpoints(p.world, p.RootsFile(), p.Now); err != nil {
		return err
	}
	if p.cluster, err = newCluster(p.world, p.git, p.tls, p.dir); err != nil {
		return err
	}
	p.registry = newRegistry(p.world)
	p.builds = newBuilds(p.world, p.git, p.registry)
	return nil
}

// servers are those that ask for a token.
var servers = []string{"github", "argocd", "vault", "kubernetes", "harbor"}

// Two credentials more, which nobody should configure: one that may do
// everything in the cluster, and one of Argo CD that has expired.
const (
	clusterAdmin = "kubernetes-admin"
	argoExpired  = "argocd-expired"
)

// secret makes a secret-looking value that is the same for the same seed and
// name. It opens nothing but this platform.
func secret(seed uint64, name string) string {
	sum := sha256.Sum256([]byte("demonstration/" + strconv.FormatUint(seed, 10) + "/" + name))
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}

func (p *Platform) tokenFile(server string) string { return filepath.Join(p.dir, "tokens", server) }

// RepoDir is the bare git repository.
func (p *Platform) RepoDir() string { return filepath.Join(p.dir, p.world.Repo+".git") }

// AuditFile is the file the Vault audit device writes to.
func (p *Platform) AuditFile() string { return filepath.Join(p.dir, "vault", "audit.log") }

// RootsFile holds the root certificate of the TLS endpoints, as PEM.
func (p *Platform) RootsFile() string { return filepath.Join(p.dir, "roots.pem") }

// World is the history that is played.
func (p *Platform) World() *world.World { return p.world }

// Now is the platform's clock: the last time given to Advance. It is fit to be
// the daemon's clock.
func (p *Platform) Now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// Next returns the time of the next act; false when the story is over.
func (p *Platform) Next() (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next >= len(p.world.Acts) {
		return time.Time{}, false
	}
	return p.world.Acts[p.next].At, true
}

// Played counts the acts that were played and all there are.
func (p *Platform) Played() (done, all int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next, len(p.world.Acts)
}

// Advance plays every act up to and including a time, in order, and moves the
// clock there. Time never goes back: an earlier time is refused.
func (p *Platform) Advance(to time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if to.Before(p.now) {
		return fmt.Errorf("the platform's clock is at %s and cannot go back to %s", p.now.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	for p.next < len(p.world.Acts) && !p.world.Acts[p.next].At.After(to) {
		a := p.world.Acts[p.next]
		p.now = a.At
		if err := p.play(a); err != nil {
			return fmt.Errorf("play %s at %s: %w", a.Do, a.At.Format(time.RFC3339), err)
		}
		p.next++
		p.broadcast()
	}
	p.now = to.UTC()
	p.tell()
	return p.vault.audit.flush()
}

// play does one act.
func (p *Platform) play(a world.Act) error {
	switch a.Do {
	case world.Push:
		return p.forge.push(a)
	case world.Force:
		return p.forge.force(a)
	case world.Open:
		return p.forge.open(a)
	case world.Review:
		return p.forge.review(a)
	case world.Merge:
		return p.forge.merge(a)
	case world.Close:
		return p.forge.close(a)
	case world.Protect:
		return p.forge.protect(a)
	case world.Sync:
		return p.argo.sync(a)
	case world.SyncDone:
		return p.landed(a)
	case world.Drift:
		return p.drift(a)
	case world.Health:
		return p.argo.healthAct(a)
	case world.Vault:
		if tenant, who, _ := strings.Cut(a.By, "/"); who == world.Operator {
			if err := p.cluster.refreshed(tenant, a.At); err != nil {
				return err
			}
		}
		return p.vault.request(a)
	case world.Policy:
		return p.vault.writePolicy(a)
	case world.Off, world.On:
		return p.vault.device(a)
	case world.Rotate, world.Pack, world.Copy, world.Truncate:
		return p.vault.audit.act(a)
	case world.Renew:
		if err := p.tls.renew(a.Host, a.At, a.Days); err != nil {
			return err
		}
		return p.cluster.issued(a.Host, a.At)
	case world.Build:
		return p.builds.build(a)
	case world.Verify:
		return p.builds.verify(a, p.forge.byKey[a.Pull])
	case world.Ship:
		return p.builds.ship(a)
	case world.Backup:
		return p.cluster.backup(a)
	case world.Restore:
		return p.cluster.restore(a)
	case world.Bind, world.Unbind:
		return p.cluster.bind(a)
	case world.Workflow:
		return p.cluster.workflow(a)
	case world.Silence:
		return p.silence(a)
	case world.Cluster:
		return p.cluster.request(a)
	case world.Fault:
		p.faults[a.Target] = a
		if a.Status != 0 && a.Target == "argocd" {
			p.cut()
		}
		return nil
	}
	return fmt.Errorf("nobody plays %q", a.Do)
}

// landed ends a sync: what it put there runs.
func (p *Platform) landed(a world.Act) error {
	if err := p.argo.syncDone(a); err != nil || a.State != "Succeeded" || a.Only != "" {
		return err
	}
	app := p.argo.by[a.Tenant+"/"+a.App]
	p.cluster.synced(app, a.At)
	p.registry.pulled(a.Tenant, a.App, app.live.version, a.At)
	return nil
}

// drift is a hand reaching into the cluster, past what is declared.
func (p *Platform) drift(a world.Act) error {
	if err := p.argo.driftAct(a); err != nil || a.Object != "Deployment" {
		return err
	}
	p.cluster.drifted(p.argo.by[a.Tenant+"/"+a.App], a.At)
	return nil
}

// tell sends open streams what the controller found by itself since it last
// spoke; the lock is held.
func (p *Platform) tell() {
	if len(p.followers) == 0 {
		return
	}
	for _, a := range p.argo.apps {
		key := a.tenant + "/" + a.app
		v := p.argo.verdict(a, p.now)
		if old := p.shown[key]; old.revision == v.revision && old.synced == v.synced {
			continue
		}
		p.shown[key] = v
		for _, f := range p.followers {
			p.send(f, "MODIFIED", a)
		}
	}
}

// serve starts all servers.
func (p *Platform) serve() error {
	for name, h := range map[string]http.Handler{"github": p.forgeHandler(), "argocd": p.argoHandler(), "vault": p.vaultHandler(),
		"kubernetes": p.clusterHandler(), "harbor": p.registryHandler(), "alertmanager": p.alertmanagerHandler(), "prometheus": p.prometheusHandler()} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("listen on loopback: %w", err)
		}
		p.urls[name] = "http://" + l.Addr().String()
		p.run(l, h)
	}
	return p.tls.listen(p)
}

// run serves until Close.
func (p *Platform) run(l net.Listener, h http.Handler) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	p.servers = append(p.servers, s)
	p.done.Add(1)
	go func() {
		defer p.done.Done()
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			l.Close()
		}
	}()
}

// Stay lets the servers go on after the story, by the wall clock: for commands
// that ask the sources themselves.
func (p *Platform) Stay() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live = true
}

// Close stops the servers and waits for them.
func (p *Platform) Close() error {
	p.mu.Lock()
	p.cut()
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var first error
	for _, s := range p.servers {
		if err := s.Shutdown(ctx); err != nil {
			first = errors.Join(first, s.Close())
		}
	}
	p.done.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.vault != nil {
		first = errors.Join(first, p.vault.audit.close())
	}
	return first
}

// gate puts the simulated Date on every answer, plays scripted faults and
// refuses who has no token.
func (p *Platform) gate(server string, allowed func(*http.Request) bool, refuse func(http.ResponseWriter), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		now, fault := p.now, p.faults[server]
		if p.live {
			now = time.Now()
		}
		p.mu.Unlock()
		w.Header().Set("Date", httpDate(now))
		if fault.Status != 0 {
			if fault.Wait > 0 {
				w.Header().Set("Retry-After", itoa(int(fault.Wait/time.Second)))
			}
			http.Error(w, fault.Message, fault.Status)
			return
		}
		if !allowed(r) {
			refuse(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(mustJSON(body))
}

// mustJSON encodes what this package made itself: it cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("demo: " + err.Error())
	}
	return b
}

func itoa(n int) string { return strconv.Itoa(n) }
