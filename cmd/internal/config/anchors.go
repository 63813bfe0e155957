package config

import (
	"encoding/asn1"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/witness"
	"evidenced/store/anchor"
)

// Anchor is one place outside the data directory that gets checkpoints. Which
// keys a type takes stands in anchorTypes.
type Anchor struct {
	Name  string        `yaml:"name"`
	Type  string        `yaml:"type"`
	Every time.Duration `yaml:"every"` // default: the type's own

	Dir        string `yaml:"dir"`        // file: a folder; made when its parent is there
	Address    string `yaml:"address"`    // syslog: path of a socket, udp://HOST:PORT or tcp://HOST:PORT
	Forwarded  bool   `yaml:"forwarded"`  // syslog: the operator's word that another host keeps what arrives
	Repository string `yaml:"repository"` // git: path or https URL
	Branch     string `yaml:"branch"`     // git; default evidenced-checkpoints
	User       string `yaml:"user"`       // git over https; default git
	TokenFile  string `yaml:"token_file"` // git over https
	CAFile     string `yaml:"ca_file"`    // git over https, witness: trusted beside the system's authorities
	URL        string `yaml:"url"`        // rfc3161: http or https; witness: https
	RootsFile  string `yaml:"roots_file"` // rfc3161: certificates of the authority, PEM
	Policy     string `yaml:"policy"`     // rfc3161: object identifier that is asked for; "" is the authority's own
	Key        string `yaml:"key"`        // witness: its verifier key
	Operator   string `yaml:"operator"`   // witness: who runs it
	PlainHTTP  bool   `yaml:"plain_http"` // witness: http is allowed beyond this machine
}

// anchorType says what a type of anchor takes.
type anchorType struct {
	every time.Duration
	needs []string // required keys, first the one that names the place
	takes []string // other keys of its own
	mute  bool     // it cannot be asked what it knows
}

var anchorTypes = map[string]anchorType{
	"file":    {every: 5 * time.Minute, needs: []string{"dir"}},
	"syslog":  {every: 5 * time.Minute, needs: []string{"address"}, takes: []string{"forwarded"}, mute: true},
	"git":     {every: 15 * time.Minute, needs: []string{"repository"}, takes: []string{"branch", "user", "token_file", "ca_file"}},
	"witness": {every: 5 * time.Minute, needs: []string{"url", "key", "operator"}, takes: []string{"ca_file", "plain_http"}},
	"rfc3161": {every: time.Hour, needs: []string{"url", "roots_file"}, takes: []string{"policy"}, mute: true},
}

func (t anchorType) has(key string) bool {
	return slices.Contains(t.needs, key) || slices.Contains(t.takes, key)
}

// Bounds of every.
const (
	minAnchorEvery = 10 * time.Second
	maxAnchorEvery = 24 * time.Hour
)

// Place is where the anchor is, as configured.
func (a *Anchor) Place() string {
	switch a.Type {
	case "file":
		return a.Dir
	case "syslog":
		return a.Address
	case "rfc3161", "witness":
		return a.URL
	}
	return a.Repository
}

func (k *checker) anchors() {
	seen := map[string]int{}
	for i := range k.c.Anchors {
		a := &k.c.Anchors[i]
		at := []any{"anchors", i}
		switch first, dup := seen[a.Name]; {
		case a.Name == "":
			k.no(at, "anchors[%d] has no name", i)
		case !evidence.SourceID(a.Name).Valid():
			k.no(append(at, "name"), "anchor name %q: want 1 to 63 of a-z, 0-9, / and -, such as git/elsewhere", a.Name)
		case dup:
			k.no(append(at, "name"), "anchor %s is there twice, first as anchors[%d]", a.Name, first)
		default:
			seen[a.Name] = i
		}
		k.anchor(at, a)
	}
	if k.c.AnchorsRequired && k.c.Anchors != nil && !slices.ContainsFunc(k.c.Anchors, func(a Anchor) bool { return !anchorTypes[a.Type].mute }) {
		k.no([]any{"anchors_required"}, "anchors_required: no anchor is configured that can be asked")
	}
}

func (k *checker) anchor(at []any, a *Anchor) {
	at = slices.Clip(at)
	types := slices.Sorted(maps.Keys(anchorTypes))
	typ, ok := anchorTypes[a.Type]
	switch {
	case a.Type == "":
		k.no(at, "anchor %s has no type (known: %s)", a.Name, strings.Join(types, ", "))
		return
	case !ok:
		k.no(append(at, "type"), "anchor %s: unknown type %q (known: %s)%s", a.Name, a.Type, strings.Join(types, ", "), didYouMean(a.Type, types))
		return
	}
	k.anchorKeys(at, a, typ)
	if a.Every == 0 {
		a.Every = typ.every
	}
	if a.Every < minAnchorEvery || a.Every > maxAnchorEvery {
		k.no(append(at, "every"), "anchor %s: every: %s is not between %s and %s", a.Name, a.Every, minAnchorEvery, maxAnchorEvery)
	}
	n := find(k.root, at...)
	for _, key := range typ.needs {
		if v := child(n, key); v == nil || v.Value == "" {
			k.no(at, "anchor %s has no %s", a.Name, key)
			return
		}
	}
	switch place := a.Place(); {
	case a.Type == "syslog":
		if _, _, err := anchor.ParseSyslogAddress(place); err != nil {
			k.no(append(at, "address"), "anchor %s: address: %v", a.Name, err)
		}
	case a.Type == "git":
		if why := badRepository(a); why != "" {
			k.no(append(at, "repository"), "anchor %s: repository: %s", a.Name, why)
		}
	case a.Type == "witness":
		u, err := url.Parse(place)
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && u.Scheme != "http" {
			k.no(append(at, "url"), "anchor %s: url: %q is no https URL without a user", a.Name, place)
		} else if u.Scheme == "http" && !a.PlainHTTP && anchor.OtherHost(u.Hostname()) {
			k.no(append(at, "url"), "anchor %s: url: not https; plain_http: true allows it", a.Name)
		}
		if _, err := witness.ParseWitness(a.Operator, a.Key); err != nil {
			k.no(append(at, "key"), "anchor %s: key: %v", a.Name, err)
		}
	case a.Type == "rfc3161":
		u, err := url.Parse(place)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			k.no(append(at, "url"), "anchor %s: url: %q is no http or https URL without a user", a.Name, place)
		}
		if _, err := ParseOID(a.Policy); a.Policy != "" && err != nil {
			k.no(append(at, "policy"), "anchor %s: policy: %v", a.Name, err)
		}
	}
}

// anchorKeys reports keys that belong to another type: they would do nothing.
func (k *checker) anchorKeys(at []any, a *Anchor, typ anchorType) {
	n := find(k.root, at...)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		if typ.has(key) || slices.Contains([]string{"name", "type", "every"}, key) {
			continue
		}
		if slices.ContainsFunc(slices.Collect(maps.Values(anchorTypes)), func(t anchorType) bool { return t.has(key) }) {
			k.at(n.Content[i], "anchor %s: type %s has no key %q", a.Name, a.Type, key)
		}
	}
}

// badRepository says what is wrong with the repository of a git anchor.
func badRepository(a *Anchor) string {
	r := a.Repository
	if hasPassword(r) {
		return "a URL with a password: a secret never stands in the configuration; use token_file"
	}
	if !strings.Contains(r, "://") {
		if head, _, found := strings.Cut(r, ":"); found && !strings.Contains(head, "/") {
			return fmt.Sprintf("%q is for ssh; give a path or an https URL", r)
		}
		if a.TokenFile+a.CAFile+a.User != "" {
			return "user, token_file and ca_file are for https URLs; this is a path"
		}
		return ""
	}
	u, err := url.Parse(r)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Sprintf("%q is neither a path nor an https URL without a user", r)
	}
	return ""
}

// ParseOID reads an object identifier in dotted decimals.
func ParseOID(s string) (asn1.ObjectIdentifier, error) {
	var oid asn1.ObjectIdentifier
	for _, part := range strings.Split(s, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || strconv.Itoa(n) != part || n < 0 {
			return nil, fmt.Errorf("%q is no object identifier such as 1.2.3.4", s)
		}
		oid = append(oid, n)
	}
	if len(oid) < 2 {
		return nil, fmt.Errorf("%q is no object identifier such as 1.2.3.4", s)
	}
	return oid, nil
}

// resolveAnchors sets the default anchor and makes paths absolute.
func (c *Config) resolveAnchors(base string) {
	if c.Anchors == nil {
		c.Anchors = []Anchor{{Name: "folder", Type: "file", Every: anchorTypes["file"].every, Dir: filepath.Clean(c.DataDir) + "-anchors"}}
	}
	for i := range c.Anchors {
		a := &c.Anchors[i]
		for _, p := range []*string{&a.Dir, &a.TokenFile, &a.CAFile, &a.RootsFile} {
			*p = under(base, *p)
		}
		if !strings.Contains(a.Repository, "://") {
			a.Repository = under(base, a.Repository)
		}
	}
}

// effectiveAnchors renders the anchors by name, keys that are not set left out.
func effectiveAnchors(list []Anchor) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, a := range list {
		m, _ := plain(a).(map[string]any)
		delete(m, "name")
		maps.DeleteFunc(m, func(_ string, v any) bool { return v == "" || v == false })
		out[a.Name] = m
	}
	return out
}

func (l *loosener) anchors() {
	for _, name := range slices.Sorted(maps.Keys(l.old.Anchors)) {
		old := l.old.Anchors[name]
		young, ok := l.young.Anchors[name]
		if !ok {
			l.all("anchor %s was removed: checkpoints no longer go there", name)
			continue
		}
		if o, y := anchorPlace(old), anchorPlace(young); o != y {
			l.detail(fmt.Sprintf("anchor %s moved: a log rolled back to before the move is not noticed by it", name),
				fmt.Sprintf("anchor %s moved from %s to %s: a log rolled back to before the move is not noticed by it", name, o, y))
		}
		od, err1 := time.ParseDuration(fmt.Sprint(old["every"]))
		yd, err2 := time.ParseDuration(fmt.Sprint(young["every"]))
		if err1 == nil && err2 == nil && yd > od {
			l.all("anchor %s gets a checkpoint every %s instead of %s", name, yd, od)
		}
	}
	if l.old.AnchorsRequired && !l.young.AnchorsRequired {
		l.all("logs are signed after a start although no anchor answers")
	}
}

// anchorPlace is the type and place of an anchor in the effective form.
func anchorPlace(m map[string]any) string {
	typ := fmt.Sprint(m["type"])
	place := typ
	for _, key := range anchorTypes[typ].needs {
		place += fmt.Sprintf(" %v", m[key])
	}
	if b, ok := m["branch"]; ok {
		place += fmt.Sprintf(" branch %v", b)
	}
	return place
}
