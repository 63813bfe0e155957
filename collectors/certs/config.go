package certs

import (
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/evidence/problem"
)

// Config configures a source of type certs.
type Config struct {
	// Authority names the network in references (cert:AUTHORITY/...); the last
	// part of the source's name when unset.
	Authority string     `yaml:"authority" loosens:"differs: what is seen does not join what was seen before"`
	Endpoints []Endpoint `yaml:"endpoints" loosens:"keeps"`
	// EndpointsFile names a file of further endpoints found by other tools:
	// host:port on each line, and the sni after a space. Only those whose
	// address and port are in Allow are connected to.
	EndpointsFile string  `yaml:"endpoints_file" loosens:"change: other endpoints are looked at"`
	Allow         []Allow `yaml:"allow" loosens:"keeps"`
	// Files are paths, directories and patterns of PEM files.
	Files []string `yaml:"files" loosens:"keeps"`
	// RootsFile holds certificates to trust beside the system's.
	RootsFile string `yaml:"roots_file" loosens:"differs: other authorities are trusted"`
	// Timeout is the time one attempt at one endpoint may take.
	Timeout time.Duration `yaml:"timeout" loosens:"less: slow endpoints are not seen"`
	// Concurrency is the number of endpoints looked at at the same time.
	Concurrency int `yaml:"concurrency" loosens:"none"`
}

// Endpoint is one TLS server. STARTTLS is not spoken.
type Endpoint struct {
	Address string `yaml:"address" loosens:"id"` // host:port; port 443 when left out
	SNI     string `yaml:"sni" loosens:"id"`     // name to ask for and to compare with; the host when unset
}

// Allow is a range of addresses and the ports in it that found endpoints may
// have.
type Allow struct {
	Net   string `yaml:"net" loosens:"id"` // 10.0.0.0/8, or one address
	Ports []int  `yaml:"ports" loosens:"keeps"`
}

func defaults() *Config {
	return &Config{Timeout: 10 * time.Second, Concurrency: 8}
}

// Spec describes the source type to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:   "certs",
		Says:   "certificates that TLS endpoints show and PEM files hold",
		Config: func() any { return defaults() },
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "source %s: configuration of type %T", env.Source, config)
			}
			return New(c, env)
		},
		Every: "@every 1h",
	}
}

// endpoint is a checked Endpoint.
type endpoint struct {
	host, port string
	sni        string // "" when the host is an address and no name is configured
	found      bool   // of the endpoints file: must be allowed
}

func (e endpoint) address() string { return net.JoinHostPort(e.host, e.port) }

// name is the endpoint in references: host:port, and @sni where one is sent.
func (e endpoint) name() string {
	if e.sni == "" {
		return e.address()
	}
	return e.address() + "@" + e.sni
}

// expects is the name or address that the certificate must be for.
func (e endpoint) expects() string {
	if e.sni != "" {
		return e.sni
	}
	return e.host
}

var hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?$`)

func parseEndpoint(e Endpoint) (endpoint, error) {
	host, port, err := net.SplitHostPort(e.Address)
	if err != nil {
		host, port = strings.Trim(e.Address, "[]"), "443"
	}
	host = strings.ToLower(host)
	p := endpoint{host: host, port: port, sni: strings.ToLower(strings.TrimSuffix(e.SNI, "."))}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port {
		return p, problem.New(problem.Config, "endpoint %q: the port is no number from 1 to 65535", e.Address)
	}
	_, ipErr := netip.ParseAddr(host)
	if ipErr != nil && (!hostName.MatchString(host) || len(host) > 253) {
		return p, problem.New(problem.Config, "endpoint %q: the host is neither a name nor an address", e.Address).
			WithHint("write host:port, without https://")
	}
	if p.sni != "" && (!hostName.MatchString(p.sni) || len(p.sni) > 253) {
		return p, problem.New(problem.Config, "endpoint %q: sni %q is no host name", e.Address, e.SNI)
	}
	if p.sni == "" && ipErr != nil {
		p.sni = strings.TrimSuffix(host, ".")
	}
	return p, nil
}

// allowed is a checked Allow.
type allowed struct {
	net   netip.Prefix
	ports []int
}

func parseAllow(a Allow) (allowed, error) {
	p, err := netip.ParsePrefix(a.Net)
	if err != nil {
		ip, ipErr := netip.ParseAddr(a.Net)
		if ipErr != nil {
			return allowed{}, problem.New(problem.Config, "allow: %q is no range of addresses", a.Net).WithHint("write 10.0.0.0/8")
		}
		p = netip.PrefixFrom(ip, ip.BitLen())
	}
	if len(a.Ports) == 0 {
		return allowed{}, problem.New(problem.Config, "allow: %s without ports", a.Net).WithHint("write ports: [443]")
	}
	return allowed{p.Masked(), a.Ports}, nil
}

func (a allowed) holds(ap netip.AddrPort) bool {
	return a.net.Contains(ap.Addr().Unmap()) && slices.Contains(a.ports, int(ap.Port()))
}

// check returns the checked endpoints and ranges or the first thing to mend.
func (c *Config) check() (es []endpoint, as []allowed, err error) {
	switch {
	case len(c.Endpoints)+len(c.Files) == 0 && c.EndpointsFile == "":
		return nil, nil, problem.New(problem.Config, "nothing to look at: endpoints and files are empty").
			WithHint(`add "endpoints: [{address: \"www.example.org:443\"}]"`)
	case c.Timeout <= 0:
		return nil, nil, problem.New(problem.Config, "timeout: %s, want more than zero", c.Timeout)
	case c.Concurrency < 1 || c.Concurrency > 256:
		return nil, nil, problem.New(problem.Config, "concurrency: %d, want 1 to 256", c.Concurrency)
	case c.EndpointsFile != "" && len(c.Allow) == 0:
		return nil, nil, problem.New(problem.Config, "endpoints_file is set and allow is empty").
			WithHint("say which addresses and ports found endpoints may have")
	}
	seen := map[string]bool{}
	for _, e := range c.Endpoints {
		p, err := parseEndpoint(e)
		if err != nil {
			return nil, nil, err
		}
		if seen[p.name()] {
			return nil, nil, problem.New(problem.Config, "endpoint %s is there twice", p.name())
		}
		seen[p.name()] = true
		es = append(es, p)
	}
	for _, a := range c.Allow {
		p, err := parseAllow(a)
		if err != nil {
			return nil, nil, err
		}
		as = append(as, p)
	}
	for _, f := range c.Files {
		if !filepath.IsAbs(f) {
			return nil, nil, problem.New(problem.Config, "files: %q is no absolute path", f)
		}
		if _, err := filepath.Match(f, ""); err != nil {
			return nil, nil, problem.New(problem.Config, "files: bad pattern %q", f)
		}
	}
	return es, as, nil
}
