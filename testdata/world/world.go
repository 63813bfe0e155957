// Package world is one coherent made-up history of a platform: its people,
// tenants, applications and everything that happened on it in four weeks, as a
// row of acts. The acts that matter are written by hand in story.yaml; the
// everyday traffic around them is made from a fixed seed, so the same files
// always give the same world. It does no I/O: a player (the demo's scripted
// platform, a test) turns acts into commits, requests and answers.
//
// Nothing in it is real; README.md tells the story.
package world

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

//go:embed people.yaml platform.yaml story.yaml
var files embed.FS

// Operator is the name of the service account with which the cluster's secret
// operator reads each tenant's secret Copied, below the tenant's folder, to
// write it into the Kubernetes Secret CopiedTo.
const (
	Operator = "external-secrets"
	Copied   = "db-proxy/upstream"
	CopiedTo = "db-proxy-upstream"
)

// World is the whole history. Acts are sorted by time.
type World struct {
	Seed       uint64            `yaml:"seed"`
	Start      time.Time         `yaml:"start"`   // acts before it are the past that a first look finds
	End        time.Time         `yaml:"end"`     // no act is later
	Instant    time.Time         `yaml:"instant"` // the moment worth asking about, in tenant-7
	Owner      string            `yaml:"owner"`
	Repo       string            `yaml:"repo"`
	RepoURL    string            `yaml:"repo_url"`
	ChartURL   string            `yaml:"chart_url"`
	Registry   string            `yaml:"registry"`
	Tenants    []Tenant          `yaml:"tenants"`
	Own        Tenant            `yaml:"own"`  // what the platform runs for itself
	Apps       []App             `yaml:"apps"` // every tenant runs each of them
	Multi      MultiSource       `yaml:"multi_source"`
	Endpoints  []Endpoint        `yaml:"endpoints"`
	Policies   map[string]string `yaml:"policies"` // name to HCL text, besides those of the tenants
	Machines   []Machine         `yaml:"machines"`
	RedPull    string            `yaml:"red_pull"` // everyday request that goes in although its tests failed
	People     []Person          `yaml:"-"`
	Acts       []Act             `yaml:"-"`
	automation map[string]bool
}

// Person is a person or a bot of the forge. Key names it in acts.
type Person struct {
	Key     string   `yaml:"key"`
	Name    string   `yaml:"name"`
	Login   string   `yaml:"login"` // at the forge
	ID      int64    `yaml:"id"`    // at the forge
	Admin   bool     `yaml:"admin"`
	Rights  []string `yaml:"rights"` // policies of the secret store beyond those of their tenants and office
	Bot     bool     `yaml:"bot"`
	Flow    bool     `yaml:"flow"` // the forge's own committer of merges
	Tenants []string `yaml:"tenants"`
}

// Email is the person's invented mail address; Argo CD shows it as the name of
// who started a sync.
func (p Person) Email() string { return p.Key + "@people.platform.example" }

// Human reports whether p is a person of flesh and blood.
func (p Person) Human() bool { return !p.Bot && !p.Flow }

// Machine logs in to the secret store by approle.
type Machine struct {
	Key      string        `yaml:"key"`
	Policies []string      `yaml:"policies"`
	IDLife   time.Duration `yaml:"id_life"` // of the secret id it logs in with; zero: without an end
}

// Tenant is one of the eight.
type Tenant struct {
	Name      string `yaml:"name"`
	Automated bool   `yaml:"automated"` // Argo CD syncs its applications by itself
	SelfHeal  bool   `yaml:"self_heal"`
}

// App is an application that every tenant runs.
type App struct {
	Name     string   `yaml:"name"`
	Version  string   `yaml:"version"` // at the start
	Replicas int      `yaml:"replicas"`
	Port     int      `yaml:"port"`
	Secrets  []string `yaml:"secrets"` // below the tenant's folder
}

// MultiSource names the one application with a chart source and a values
// source.
type MultiSource struct {
	Tenant       string `yaml:"tenant"`
	App          string `yaml:"app"`
	Chart        string `yaml:"chart"`
	ChartVersion string `yaml:"chart_version"`
}

// Endpoint is a TLS endpoint; Issued and Days describe its first certificate.
type Endpoint struct {
	Host   string    `yaml:"host"`
	Tenant string    `yaml:"tenant"` // empty: the platform's own
	Issued time.Time `yaml:"issued"`
	Days   int       `yaml:"days"`
}

// Load reads the embedded files and makes the whole history.
func Load() (*World, error) {
	w := &World{}
	var people struct {
		People []Person `yaml:"people"`
	}
	var story struct {
		Acts []Act `yaml:"acts"`
	}
	for name, into := range map[string]any{"people.yaml": &people, "platform.yaml": w, "story.yaml": &story} {
		if err := load(name, into); err != nil {
			return nil, err
		}
	}
	w.People = people.People
	w.automation = map[string]bool{}
	for _, t := range w.Everybody() {
		w.automation[t.Name] = t.Automated
	}
	w.Acts = append(story.Acts, expand(w)...)
	w.Acts = append(w.Acts, traffic(w)...)
	w.Acts = append(w.Acts, nights(w)...)
	w.Acts = append(w.Acts, own(w)...)
	w.Acts = append(w.Acts, drills(w)...)
	finish(w)
	if err := w.check(); err != nil {
		return nil, err
	}
	return w, nil
}

func load(name string, into any) error {
	b, err := files.ReadFile(name)
	if err != nil {
		return fmt.Errorf("world: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("world: %s: %w", name, err)
	}
	return nil
}

// Begun is when the platform was set up: longer before the history than any
// finding looks back at its begin.
func (w *World) Begun() time.Time { return w.Start.AddDate(0, 0, -35) }

// Everybody returns the tenants and, last, the platform itself, which runs the
// same applications.
func (w *World) Everybody() []Tenant { return append(slices.Clone(w.Tenants), w.Own) }

// Person returns the person of a key.
func (w *World) Person(key string) (Person, bool) {
	for _, p := range w.People {
		if p.Key == key {
			return p, true
		}
	}
	return Person{}, false
}

// App returns the application of a name.
func (w *World) App(name string) (App, bool) {
	for _, a := range w.Apps {
		if a.Name == name {
			return a, true
		}
	}
	return App{}, false
}

// Automated reports whether Argo CD syncs a tenant's applications by itself.
func (w *World) Automated(tenant string) bool { return w.automation[tenant] }

// check refuses a script that names what does not exist.
func (w *World) check() error {
	pulls := map[string]bool{}
	hosts := map[string]bool{}
	for _, e := range w.Endpoints {
		hosts[e.Host] = true
	}
	for i, a := range w.Acts {
		bad := func(what string) error {
			return fmt.Errorf("world: act %d (%s at %s): %s", i, a.Do, a.At.Format(time.RFC3339), what)
		}
		if !a.Do.known() {
			return bad("unknown verb")
		}
		if a.At.IsZero() || a.At.After(w.End) {
			return bad("time is missing or after the end")
		}
		if a.Do == Open {
			pulls[a.Pull] = true
		}
		switch a.Do {
		case Push, Force, Open, Review, Merge, Close, Protect, Policy, Off, On, Build, Ship, Cluster, Silence:
			if _, ok := w.Person(a.By); !ok {
				return bad("unknown person " + a.By)
			}
		}
		if (a.Do == Review || a.Do == Verify || a.Do == Merge || a.Do == Close) && !pulls[a.Pull] {
			return bad("unknown pull " + a.Pull)
		}
		if a.Do == Renew && !hosts[a.Host] {
			return bad("unknown host " + a.Host)
		}
		switch a.Do {
		case Build, Ship, Backup, Restore, Bind, Unbind, Cluster, Workflow, Silence:
			if _, ok := w.automation[a.Tenant]; !ok {
				return bad("unknown tenant " + a.Tenant)
			}
		}
		for _, e := range a.Edits {
			if _, ok := w.App(e.App); !ok && e.File == "" {
				return bad("unknown application " + e.App)
			}
		}
	}
	return nil
}
