package config

import (
	"fmt"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"evidenced/cmd/internal/schedule"
	"evidenced/cmd/internal/spelling"
	"evidenced/collectors"
	"evidenced/evidence"
)

// checker looks at fields and across them, once all are decoded.
type checker struct {
	*reading
	c    *Config
	root *yaml.Node
}

// no reports an issue at the place of the path.
func (k *checker) no(path []any, format string, args ...any) {
	k.at(find(k.root, path...), format, args...)
}

func (k *checker) check(specs []collectors.Spec) {
	k.general()
	k.verification()
	k.retention()
	k.assessment()
	k.wrapping()
	k.tenants()
	k.sources(specs)
	k.accounts()
	k.anchors()
	k.alerts()
	k.statements()
}

func (k *checker) general() {
	c := k.c
	if c.DataDir == "" {
		k.no([]any{"data_dir"}, "data_dir is empty")
	}
	k.oneOf([]any{"log", "level"}, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf([]any{"log", "format"}, "log.format", c.Log.Format, "json", "text")
	k.oneOf([]any{"pack", "raw"}, "pack.raw", c.Pack.Raw, "none", "exceptions", "all")
	if c.Listen != "" && !validListen(c.Listen) {
		k.no([]any{"listen"}, "listen: %q is no address such as 127.0.0.1:9320", c.Listen)
	}
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil || c.TimeZone == "" || c.TimeZone == "Local" {
		k.no([]any{"time_zone"}, "time_zone: %q is no zone such as Europe/Berlin or UTC", c.TimeZone)
	}
	c.zone = zone
	if c.Checkpoint.Every < time.Second || c.Checkpoint.Every > 24*time.Hour {
		k.no([]any{"checkpoint", "every"}, "checkpoint.every: %s is not between 1s and 24h", c.Checkpoint.Every)
	}
	if c.Checkpoint.Records < 1 || c.Checkpoint.Records > 1_000_000 {
		k.no([]any{"checkpoint", "records"}, "checkpoint.records: %d is not between 1 and 1000000", c.Checkpoint.Records)
	}
}

// wrapping checks what must be there together; what an address or a name may
// be is for the one that uses it to say.
func (k *checker) wrapping() {
	w := &k.c.Keys.Wrapping
	if w.Transit.IsZero() {
		return
	}
	at := []any{"keys", "wrapping", "transit"}
	if w.File != "" {
		k.no(at, "keys.wrapping: file and transit exclude each other")
	}
	for _, f := range []struct{ name, value string }{{"address", w.Transit.Address}, {"key", w.Transit.Key}, {"token_file", w.Transit.TokenFile}} {
		if f.value == "" {
			k.no(at, "keys.wrapping.transit has no %s", f.name)
		}
	}
	if w.Transit.Mount == "" {
		w.Transit.Mount = "transit"
	}
	if hasPassword(w.Transit.Address) {
		k.no(append(at, "address"), "keys.wrapping.transit.address: a URL with a password: a secret never stands in the configuration")
	}
}

// verification checks how often and how fast logs are verified.
func (k *checker) verification() {
	v := k.c.Verify
	if v.ScrubEvery < time.Minute || v.ScrubEvery > 31*24*time.Hour {
		k.no([]any{"verify", "scrub_every"}, "verify.scrub_every: %s is not between 1m and 744h", v.ScrubEvery)
	}
	if v.BytesPerSecond < 64<<10 || v.BytesPerSecond > 1<<40 {
		k.no([]any{"verify", "bytes_per_second"}, "verify.bytes_per_second: %d is not between 65536 and 1099511627776", v.BytesPerSecond)
	}
}

// assessment checks how tenants are judged.
func (k *checker) assessment() {
	a := k.c.Assess
	const day = 24 * time.Hour
	if a.Period < day || a.Period > 400*day || a.Period%day != 0 {
		k.no([]any{"assess", "period"}, "assess.period: %s is not a number of whole days between 24h and 9600h", a.Period)
	}
	if a.Every < 10*time.Second || a.Every > day {
		k.no([]any{"assess", "every"}, "assess.every: %s is not between 10s and 24h", a.Every)
	}
	if a.Delay < 0 || a.Delay > time.Hour {
		k.no([]any{"assess", "delay"}, "assess.delay: %s is not between 0s and 1h", a.Delay)
	}
}

func (k *checker) oneOf(at []any, name, got string, want ...string) {
	if slices.Contains(want, got) {
		return
	}
	k.no(at, "%s: %q is not one of %s%s", name, got, strings.Join(want, ", "), didYouMean(got, want))
}

func didYouMean(got string, known []string) string {
	if near := spelling.Nearest(got, known); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}

var tagForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9=./-]{0,61}[a-z0-9])?$`)

func (k *checker) tenants() {
	seen := map[evidence.Tenant]int{}
	for i, t := range k.c.Tenants {
		at := []any{"tenants", i}
		switch first, dup := seen[t.Name]; {
		case t.Name.IsZero():
			if child(find(k.root, at...), "name") == nil {
				k.no(at, "tenants[%d] has no name", i)
			}
			continue // a name of the wrong form was reported where it stands
		case t.Name.IsPseudo():
			k.no(append(at, "name"), "tenant %s is made by evidenced itself; what the platform owns stands under platform", t.Name)
		case dup:
			k.no(append(at, "name"), "tenant %s is there twice, first as tenants[%d]", t.Name, first)
		default:
			seen[t.Name] = i
		}
		if t.Tier != "" {
			k.oneOf(append(at, "tier"), fmt.Sprintf("tenants[%d].tier", i), t.Tier, tiers...)
		}
		for j, tag := range t.Tags {
			if !tagForm.MatchString(tag) {
				k.no(append(at, "tags", j), "tenant %s: tag %q: want 1 to 63 of a-z, 0-9, =, ., / and -", t.Name, tag)
			}
		}
		k.entityTypes(at, "tenant "+t.Name.String(), t.EntityTypes)
		if len(t.EntityTypes) > 0 && len(k.c.Platform.EntityTypes) == 0 {
			k.no(append(at, "entity_types"), "tenant %s says what it is and the platform does not: set platform.entity_types too, [none] when no law binds its operator, so that no duty of its is put aside", t.Name)
		}
		k.owns(append(at, "owns"), "tenant "+t.Name.String(), t.Owns)
	}
	k.entityTypes([]any{"platform"}, "platform", k.c.Platform.EntityTypes)
	k.owns([]any{"platform", "owns"}, "platform", k.c.Platform.Owns)
}

var entityForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// entityTypes checks the form of the words; whether a catalog knows them is
// checked where the catalogs are.
func (k *checker) entityTypes(at []any, who string, words []string) {
	at = slices.Clip(append(slices.Clone(at), "entity_types"))
	for i, w := range words {
		switch {
		case !entityForm.MatchString(w) || len(w) > 63:
			k.no(append(at, i), "%s: entity type %q: want words of a-z and 0-9 with hyphens between, such as financial-entity", who, w)
		case slices.Contains(words[:i], w):
			k.no(append(at, i), "%s: entity type %s is there twice", who, w)
		case w == "none" && len(words) > 1:
			k.no(append(at, i), "%s: none stands alone: it says that no law binds it by its sort", who)
		}
	}
}

// EntityTypesOf returns the sorts of entities whose duties count in the
// tenant's log: its own and those of the platform that serves it. Nil: it is
// not said what the tenant is.
func (c *Config) EntityTypesOf(t evidence.Tenant) []string {
	platform := slices.Clone(c.Platform.EntityTypes)
	if t == evidence.Platform {
		return platform
	}
	for _, x := range c.Tenants {
		if x.Name == t && len(x.EntityTypes) > 0 {
			all := append(platform, x.EntityTypes...)
			slices.Sort(all)
			return slices.Compact(all)
		}
	}
	return nil
}

// patternsOf returns the pattern lists of a block by key.
func patternsOf(o collectors.Owns) map[string][]string {
	return map[string][]string{
		"namespaces": o.Namespaces, "projects": o.Projects, "paths": o.Paths, "labels": o.Labels,
		"hosts": o.Hosts, "mounts": o.Mounts, "policies": o.Policies, "entities": o.Entities,
	}
}

func (k *checker) owns(at []any, who string, blocks []collectors.Owns) {
	at = slices.Clip(at)
	for i, o := range blocks {
		for j, s := range o.Sources {
			if k.c.Source(s) == nil {
				k.no(append(at, i, "sources", j), "%s: no source %q is configured%s", who, s, didYouMean(string(s), k.sourceNames()))
			}
		}
		n := 0
		for key, list := range patternsOf(o) {
			for j, p := range list {
				n++
				if why := badPattern(key, p); why != "" {
					k.no(append(at, i, key, j), "%s: %s: %s", who, key, why)
				}
			}
		}
		if n == 0 {
			k.no(append(at, i), "%s: owns[%d] has no pattern, so nothing can match it", who, i)
		}
	}
}

// badPattern says what is wrong with a pattern; "" when nothing is.
func badPattern(key, p string) string {
	_, bad := path.Match(p, "")
	switch {
	case p == "":
		return "an empty pattern"
	case key == "paths" && (strings.Trim(p, "/") == "" || strings.ContainsAny(p, "*+")):
		return fmt.Sprintf("path %q must be a prefix such as kv/tenant-7/, without * or +", p)
	case key != "paths" && bad != nil:
		return fmt.Sprintf("pattern %q cannot be read (an open [ or a \\ at the end)", p)
	case key == "labels" && !strings.Contains(p, "="):
		return fmt.Sprintf("label %q must be key=value", p)
	case strings.Trim(p, "*/") == "":
		return fmt.Sprintf("pattern %q would own everything", p)
	}
	return ""
}

func (k *checker) sourceNames() []string {
	var names []string
	for _, s := range k.c.Sources {
		names = append(names, string(s.Name))
	}
	return names
}

func (k *checker) sources(specs []collectors.Spec) {
	seen := map[evidence.SourceID]int{}
	for i := range k.c.Sources {
		s := &k.c.Sources[i]
		at := []any{"sources", i}
		switch first, dup := seen[s.Name]; {
		case s.Name == "":
			k.no(at, "sources[%d] has no name", i)
		case !s.Name.Valid():
			k.no(append(at, "name"), "source name %q: want 1 to 63 of a-z, 0-9, / and -, such as vault/prod", s.Name)
		case s.Name == evidence.SelfSource:
			k.no(append(at, "name"), "source name %q is kept for evidenced itself", s.Name)
		case dup:
			k.no(append(at, "name"), "source %s is there twice, first as sources[%d]", s.Name, first)
		default:
			seen[s.Name] = i
		}
		k.source(at, s, specs)
	}
}

func (k *checker) source(at []any, s *Source, specs []collectors.Spec) {
	at = slices.Clip(at)
	var types []string
	for _, spec := range specs {
		types = append(types, spec.Type)
		if spec.Type == s.Type {
			s.Spec = spec
		}
	}
	switch {
	case s.Type == "":
		k.no(at, "source %s has no type (known: %s)", s.Name, strings.Join(types, ", "))
		return
	case s.Spec.Type == "":
		k.no(append(at, "type"), "source %s: unknown type %q (known: %s)%s", s.Name, s.Type, strings.Join(types, ", "), didYouMean(s.Type, types))
		return
	}
	if s.Schedule == "" {
		s.Schedule = s.Spec.Every
	}
	due, err := schedule.Parse(s.Schedule)
	if err != nil {
		k.no(append(at, "schedule"), "source %s: %v", s.Name, err)
	} else {
		s.Due, s.Schedule = due, due.String()
	}
	k.sourceConfig(at, s)
}

// sourceConfig decodes config: into the struct of the source's type.
func (k *checker) sourceConfig(at []any, s *Source) {
	s.Config = s.Spec.Config()
	scalars(&s.Raw, func(n *yaml.Node) {
		if hasPassword(n.Value) {
			k.at(n, "source %s: a URL with a password: a secret never stands in the configuration; use a key that ends in _file", s.Name)
		}
	})
	if s.Raw.Kind == 0 {
		s.Raw = *find(k.root, at...) // for the place of later issues
		return
	}
	k.decode(&s.Raw, reflect.ValueOf(s.Config).Elem(), fmt.Sprintf("%s.config", s.Name))
}

func (k *checker) accounts() {
	for _, list := range []struct {
		name     string
		accounts []Account
	}{{"bots", k.c.Accounts.Bots}, {"shared", k.c.Accounts.Shared}} {
		for i, a := range list.accounts {
			at := []any{"accounts", list.name, i}
			switch _, err := path.Match(a.Realm, ""); {
			case a.Realm == "":
				k.no(at, "accounts.%s[%d] has no realm, such as github:prod", list.name, i)
			case err != nil:
				k.no(append(at, "realm"), "accounts.%s[%d]: realm %q cannot be read as a pattern", list.name, i, a.Realm)
			case len(a.IDs)+len(a.Logins) == 0:
				k.no(at, "accounts.%s[%d] names no account: give ids or logins", list.name, i)
			}
		}
	}
}

// Mark tells whether the account is marked as a bot or as shared. It is made
// for collectors.Env.
func (a Accounts) Mark(realm, nativeID, login string) (bot, shared bool) {
	return marks(a.Bots, realm, nativeID, login), marks(a.Shared, realm, nativeID, login)
}

func marks(list []Account, realm, nativeID, login string) bool {
	for _, a := range list {
		if ok, err := path.Match(a.Realm, realm); err != nil || !ok {
			continue
		}
		if nativeID != "" && slices.Contains(a.IDs, nativeID) || login != "" && slices.Contains(a.Logins, login) {
			return true
		}
	}
	return false
}

// Notes says what is allowed but worth a look, in a sentence each.
func (c *Config) Notes() []string {
	var notes []string
	if len(c.Sources) == 0 {
		notes = append(notes, "no source is configured: nothing is collected")
	}
	if len(c.Tenants) == 0 {
		notes = append(notes, "no tenant is configured: everything goes to "+evidence.Unassigned.String())
	}
	for _, t := range c.Tenants {
		if len(t.Owns) == 0 {
			notes = append(notes, fmt.Sprintf("tenant %s owns nothing: no evidence reaches its log", t.Name))
		}
	}
	for _, s := range c.Sources {
		if s.Paused != "" {
			notes = append(notes, fmt.Sprintf("source %s is paused (%s): each of its slots counts as missed", s.Name, s.Paused))
		}
	}
	return notes
}
