package gitrepo

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/evidence/problem"
)

// Config configures a source of type git.
type Config struct {
	// Authority names the place the repositories live at in references
	// (project:AUTHORITY/REPO); the last part of the source's name when unset.
	// Give it the same value as the forge's source and references join.
	Authority string `yaml:"authority" loosens:"differs: what is seen does not join what was seen before"`
	Repos     []Repo `yaml:"repos" loosens:"keeps"`
	// Branches are patterns of the branches looked at, without refs/heads/.
	// A * stands for anything, slashes too. Unset: all.
	Branches []string `yaml:"branches" loosens:"limits"`
	// Named are patterns of the branches and tags whose names are written as
	// they are; all others stand as a hash, since names hold logins.
	Named []string `yaml:"named" loosens:"keeps"`
	// SignerFiles hold the keys of those whose signatures count: armored
	// OpenPGP public keys, or allowed signers files of ssh. They are read anew
	// at each look. Unset: signatures are named and not checked.
	SignerFiles []string `yaml:"signer_files" loosens:"keeps"`
	// MirrorDir is the directory for bare mirrors of remote repositories.
	MirrorDir string `yaml:"mirror_dir" loosens:"none"`
	// Timeout is the time one look at one repository may take. A look that
	// runs out keeps what it committed and the next one goes on from there.
	Timeout time.Duration `yaml:"timeout" loosens:"less: a look at a large repository takes several runs"`
	// MaxObjects is the most objects one fetch may bring and the most commits
	// one look may walk.
	MaxObjects int64 `yaml:"max_objects" loosens:"less: larger fetches are refused"`
	// MaxPackBytes is the largest pack one fetch may bring.
	MaxPackBytes int64 `yaml:"max_pack_bytes" loosens:"less: larger fetches are refused"`
	// MaxObjectBytes is the largest commit, tag or tree that is read. File
	// contents are never read.
	MaxObjectBytes int64 `yaml:"max_object_bytes" loosens:"less: larger objects are refused"`
}

// Repo is one repository.
type Repo struct {
	Name string `yaml:"name" loosens:"id"` // in facts and references; letters, digits and . _ - /
	// URL is a local path, file://, https:// or ssh:// (also user@host:path).
	URL string `yaml:"url" loosens:"change: another repository is read"`
	// For https: the user name sent with the token ("git" when unset), the
	// file holding the token, and the authorities to trust beside the system's.
	User      string `yaml:"user" loosens:"none"`
	TokenFile string `yaml:"token_file" loosens:"none"`
	CAFile    string `yaml:"ca_file" loosens:"change: another authority vouches for the server"`
	// For ssh, both required.
	KeyFile        string `yaml:"key_file" loosens:"none"`
	KnownHostsFile string `yaml:"known_hosts_file" loosens:"change: another list vouches for the server"`
}

// defaultNamed are names that say what a branch or a tag is for and not whose
// it is.
var defaultNamed = []string{
	"main", "master", "trunk", "develop", "development", "staging", "production", "prod",
	"release/*", "releases/*", "env/*", "environments/*", "v[0-9]*", "[0-9]*", "release-*",
}

func defaults() *Config {
	return &Config{
		Named:          defaultNamed,
		Timeout:        10 * time.Minute,
		MaxObjects:     5_000_000,
		MaxPackBytes:   4 << 30,
		MaxObjectBytes: 16 << 20,
	}
}

// Spec describes the source type to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:   "git",
		Says:   "commits, branches, tags and rewrites of any git repository (path, file, https, ssh)",
		Config: func() any { return defaults() },
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "source %s: configuration of type %T", env.Source, config)
			}
			return New(c, env)
		},
		Every: "@every 5m",
	}
}

// place says how a repository is reached.
type place int

const (
	placeLocal place = iota
	placeHTTPS
	placeSSH
)

// target is a checked Repo.
type target struct {
	Repo
	place place
	path  string // local: absolute directory
	show  string // URL without user and password, for people and requests
	dial  string // URL to connect to
}

var repoName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)

// scpForm is user@host:path, the short form of an ssh URL.
var scpForm = regexp.MustCompile(`^([A-Za-z0-9._-]+@)?([A-Za-z0-9.-]+):([^/\\].*|/.*)$`)

// check returns the checked repositories or the first thing to mend.
func (c *Config) check() ([]target, error) {
	bad := func(format string, args ...any) *problem.Problem {
		return problem.New(problem.Config, format, args...)
	}
	switch {
	case len(c.Repos) == 0:
		return nil, bad("repos: no repository").WithHint(`add "repos: [{name: platform, url: /srv/git/platform.git}]"`)
	case c.Timeout <= 0:
		return nil, bad("timeout: %s, want more than zero", c.Timeout)
	case c.MaxObjects <= 0, c.MaxPackBytes <= 0, c.MaxObjectBytes <= 0:
		return nil, bad("max_objects, max_pack_bytes, max_object_bytes: want more than zero")
	}
	for _, list := range [][]string{c.Branches, c.Named} {
		for _, p := range list {
			if _, err := compileGlob(p); err != nil {
				return nil, problem.Wrap(problem.Config, err, "pattern %q", p)
			}
		}
	}
	seen := map[string]bool{}
	var ts []target
	for i, r := range c.Repos {
		if !repoName.MatchString(r.Name) || len(r.Name) > 128 {
			return nil, bad("repos[%d].name: %q is no name", i, r.Name).WithHint("use letters, digits, dots, dashes and slashes, at most 128")
		}
		if seen[r.Name] {
			return nil, bad("repos[%d].name: %q is there twice", i, r.Name).WithHint("give each repository a name of its own")
		}
		seen[r.Name] = true
		t, err := r.target()
		if err != nil {
			return nil, err
		}
		if t.place != placeLocal && c.MirrorDir == "" {
			return nil, bad("mirror_dir: not set, and repository %s is remote", r.Name).WithHint("name a directory that evidenced may write to")
		}
		ts = append(ts, t)
	}
	return ts, nil
}

func (r Repo) target() (target, error) {
	bad := func(hint, format string, args ...any) error {
		return problem.New(problem.Config, "repository "+r.Name+": "+format, args...).WithHint("%s", hint)
	}
	if r.URL == "" {
		return target{}, bad("give a path or an https, ssh or file URL", "url: not set")
	}
	if !strings.Contains(r.URL, "://") {
		if m := scpForm.FindStringSubmatch(r.URL); m != nil && !filepath.IsAbs(r.URL) && m[1] != "" {
			r.URL = "ssh://" + m[1] + m[2] + "/" + strings.TrimPrefix(m[3], "/")
		} else {
			return r.local(r.URL)
		}
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		// The text of the error holds the URL, which may hold a password.
		return target{}, bad("give a path or an https, ssh or file URL", "url: cannot be read")
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" && u.Host != "localhost" {
			return target{}, bad("use file:///path", "url: a file URL with a host")
		}
		return r.local(u.Path)
	case "https":
		if u.User != nil {
			return target{}, bad("take it out and put the token into the file named by token_file", "url: holds a user or password")
		}
		if u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return target{}, bad("use https://host/path", "url: no host, or a query")
		}
		return target{Repo: r, place: placeHTTPS, show: u.String(), dial: u.String()}, nil
	case "ssh":
		if _, has := u.User.Password(); has {
			return target{}, bad("take it out and use key_file", "url: holds a password")
		}
		if u.Host == "" {
			return target{}, bad("use ssh://git@host/path", "url: no host")
		}
		if r.KeyFile == "" || r.KnownHostsFile == "" {
			return target{}, bad("set both; ssh-keyscan prints a host's keys, compare them with the ones its owner publishes", "key_file and known_hosts_file: both are needed for ssh")
		}
		show := *u
		show.User = nil
		return target{Repo: r, place: placeSSH, show: show.String(), dial: u.String()}, nil
	case "http", "git":
		return target{}, bad("use https, ssh or a local path", "url: %s is not encrypted", u.Scheme)
	}
	return target{}, bad("use a path, file://, https:// or ssh://", "url: scheme %q is not known", u.Scheme)
}

func (r Repo) local(path string) (target, error) {
	if !filepath.IsAbs(path) {
		abs, err := filepath.Abs(path)
		if err != nil {
			return target{}, problem.Wrap(problem.Config, err, "repository %s: url", r.Name)
		}
		path = abs
	}
	path = filepath.Clean(path)
	return target{Repo: r, place: placeLocal, path: path, show: "file://" + path}, nil
}
