package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"evidenced/collectors"
	"evidenced/evidence"
)

// effective is the canonical form. Tenants and sources stand by name, so that
// a change in their order is no change; lists that are sets are sorted.
type effective struct {
	Format     int                        `json:"format"`
	DataDir    string                     `json:"data_dir"`
	KeysDir    string                     `json:"keys_dir"`
	SignState  string                     `json:"sign_state_dir"`
	Wrapping   effectiveWrapping          `json:"wrapping"`
	TimeZone   string                     `json:"time_zone"`
	Checkpoint effectiveCheckpoint        `json:"checkpoint"`
	Verify     effectiveVerify            `json:"verify"`
	Segment    effectiveSegment           `json:"segment"`
	Retention  string                     `json:"retention"`
	Assess     effectiveAssess            `json:"assess"`
	Tenants    map[string]effectiveTenant `json:"tenants"`
	Platform   []map[string][]string      `json:"platform_owns"`
	Operator   []string                   `json:"platform_entity_types,omitempty"`
	Sources    map[string]effectiveSource `json:"sources"`
	Bots       []string                   `json:"bots"`
	Shared     []string                   `json:"shared_accounts"`
	Catalogs   string                     `json:"catalogs"`
	Pack       effectivePack              `json:"pack"`
	Holidays   string                     `json:"holidays,omitempty"`
	Signers    []string                   `json:"statement_signers,omitempty"`

	Anchors         map[string]map[string]any `json:"anchors"`
	AnchorsRequired bool                      `json:"anchors_required"`
	Alerts          effectiveAlerts           `json:"alerts"`
}

// effectiveWrapping leaves out where the token and the certificate lie.
type effectiveWrapping struct {
	Kind      string `json:"kind"`
	File      string `json:"file,omitempty"`
	Address   string `json:"address,omitempty"`
	Mount     string `json:"mount,omitempty"`
	Key       string `json:"key,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Destroy   bool   `json:"destroy,omitempty"`
}

func (w Wrapping) effective() effectiveWrapping {
	if w.Transit.IsZero() {
		return effectiveWrapping{Kind: "file", File: w.File}
	}
	t := w.Transit
	return effectiveWrapping{Kind: "transit", Address: t.Address, Mount: t.Mount, Key: t.Key, Namespace: t.Namespace, Destroy: t.Destroy}
}

type effectiveCheckpoint struct {
	Every   string `json:"every"`
	Records int    `json:"records"`
}

type effectiveVerify struct {
	ScrubEvery     string `json:"scrub_every"`
	BytesPerSecond int    `json:"bytes_per_second"`
}

type effectiveSegment struct {
	Bytes   int64 `json:"bytes"`
	Records int   `json:"records"`
	Monthly bool  `json:"monthly"`
}

type effectiveAssess struct {
	Period string `json:"period"`
	Every  string `json:"every"`
	Delay  string `json:"delay"`
}

type effectiveTenant struct {
	Tier string                `json:"tier"`
	Tags []string              `json:"tags"`
	Are  []string              `json:"entity_types,omitempty"`
	Keep string                `json:"keep"`
	Owns []map[string][]string `json:"owns"`
}

type effectiveSource struct {
	Type     string `json:"type"`
	Schedule string `json:"schedule"`
	Paused   string `json:"paused"`
	Config   any    `json:"config"`
}

type effectivePack struct {
	Raw          string `json:"raw"`
	Pseudonymous bool   `json:"pseudonymous"`
}

// Effective renders what is in force as indented JSON with sorted keys and
// every default spelled out. It holds no secret (secrets are in files, whose
// names stand here) and no login or account id: an account is shown as the
// begin of a hash, enough to see that one was added or removed. How the daemon
// logs and where it listens is left out: it changes nothing about the evidence.
func (c *Config) Effective() []byte {
	e := effective{
		Format: 1, DataDir: c.DataDir, KeysDir: c.Keys.Dir, SignState: c.Keys.SignStateDir, Wrapping: c.Keys.Wrapping.effective(), TimeZone: c.TimeZone,
		Checkpoint: effectiveCheckpoint{c.Checkpoint.Every.String(), c.Checkpoint.Records},
		Verify:     effectiveVerify{c.Verify.ScrubEvery.String(), c.Verify.BytesPerSecond},
		Segment:    effectiveSegment(c.Segment),
		Retention:  canonicalKeep(c.Retention.Keep, "forever"),
		Assess:     effectiveAssess{c.Assess.Period.String(), c.Assess.Every.String(), c.Assess.Delay.String()},
		Tenants:    map[string]effectiveTenant{},
		Platform:   canonicalOwns(c.Platform.Owns),
		Operator:   sorted(c.Platform.EntityTypes),
		Sources:    map[string]effectiveSource{},
		Bots:       hashedAccounts(c.Accounts.Bots),
		Shared:     hashedAccounts(c.Accounts.Shared),
		Catalogs:   c.Catalogs,
		Pack:       effectivePack{c.Pack.Raw, c.Pack.Pseudonymous},
		Holidays:   c.Incidents.Holidays,
		Signers:    c.Statements.effective(),

		Anchors:         effectiveAnchors(c.Anchors),
		AnchorsRequired: c.AnchorsRequired,
		Alerts:          c.Alerts.effective(),
	}
	for _, t := range c.Tenants {
		e.Tenants[t.Name.String()] = effectiveTenant{t.Tier, sorted(t.Tags), sorted(t.EntityTypes), canonicalKeep(t.Keep, ""), canonicalOwns(t.Owns)}
	}
	for _, s := range c.Sources {
		e.Sources[string(s.Name)] = effectiveSource{s.Type, s.Schedule, s.Paused, plain(s.Config)}
	}
	return marshal(e)
}

// Hash returns the SHA-256 of the effective form.
func (c *Config) Hash() evidence.Hash { return sha256.Sum256(c.Effective()) }

func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		// Everything in v came through a YAML document of plain values.
		panic(fmt.Sprintf("config: effective form: %v", err))
	}
	return b.Bytes()
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	list = slices.Compact(list)
	if list == nil {
		list = []string{}
	}
	return list
}

func canonicalOwns(blocks []collectors.Owns) []map[string][]string {
	out := []map[string][]string{}
	for _, o := range blocks {
		m := map[string][]string{}
		for key, list := range patternsOf(o) {
			if len(list) > 0 {
				m[key] = sorted(list)
			}
		}
		var sources []string
		for _, s := range o.Sources {
			sources = append(sources, string(s))
		}
		if len(sources) > 0 {
			m["sources"] = sorted(sources)
		}
		out = append(out, m)
	}
	return out
}

func hashedAccounts(list []Account) []string {
	var out []string
	for _, a := range list {
		for _, id := range a.IDs {
			out = append(out, hashedAccount(a.Realm, "id", id))
		}
		for _, login := range a.Logins {
			out = append(out, hashedAccount(a.Realm, "login", login))
		}
	}
	return sorted(out)
}

func hashedAccount(realm, what, value string) string {
	h := sha256.Sum256([]byte("evidenced/account/v1\x00" + realm + "\x00" + what + "\x00" + value))
	return fmt.Sprintf("%s %x", realm, h[:8])
}

// plain turns a source's config into maps, lists and plain values under its
// YAML names. Secrets print as <secret>.
func plain(config any) any {
	text, err := yaml.Marshal(config)
	if err != nil {
		panic(fmt.Sprintf("config: %T cannot be rendered: %v", config, err))
	}
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		panic(fmt.Sprintf("config: %T cannot be read back: %v", config, err))
	}
	return stringKeys(v)
}

// stringKeys makes what YAML gave fit for JSON.
func stringKeys(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = stringKeys(x)
		}
		return v
	case map[any]any:
		m := map[string]any{}
		for k, x := range v {
			m[fmt.Sprint(k)] = stringKeys(x)
		}
		return m
	case []any:
		for i, x := range v {
			v[i] = stringKeys(x)
		}
	}
	return v
}

// Diff compares two effective forms. It gives a line for each value that is
// gone ("- path: value") and each that is new ("+ path: value"), in order of
// the path, gone before new. A nil old form is that of no configuration.
func Diff(before, after []byte) []string {
	old, young := flatten(before), flatten(after)
	var lines []line
	for l := range old {
		if !young[l] {
			lines = append(lines, line{l.path, "-", l.value})
		}
	}
	for l := range young {
		if !old[l] {
			lines = append(lines, line{l.path, "+", l.value})
		}
	}
	slices.SortFunc(lines, func(a, b line) int {
		if c := strings.Compare(a.path, b.path); c != 0 {
			return c
		}
		if a.sign != b.sign {
			return strings.Compare(b.sign, a.sign) // "-" (0x2d) sorts after "+" (0x2b)
		}
		return strings.Compare(a.value, b.value)
	})
	var out []string
	for _, l := range lines {
		out = append(out, l.sign+" "+l.path+": "+l.value)
	}
	return out
}

type line struct{ path, sign, value string }

type leaf struct{ path, value string }

// flatten gives each plain value with its path. Items of a list of plain
// values share one path, for such lists are sets here.
func flatten(form []byte) map[leaf]bool {
	out := map[leaf]bool{}
	if len(form) == 0 {
		return out
	}
	dec := json.NewDecoder(bytes.NewReader(form))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		out[leaf{"unreadable", err.Error()}] = true
		return out
	}
	flattenInto(out, "", v)
	return out
}

func flattenInto(out map[leaf]bool, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			p := join(path, k)
			if path == "tenants" || path == "sources" || path == "anchors" {
				p = path + "[" + k + "]"
			}
			flattenInto(out, p, x)
		}
	case []any:
		for i, x := range v {
			switch x.(type) {
			case map[string]any, []any:
				flattenInto(out, fmt.Sprintf("%s[%d]", path, i), x)
			default:
				flattenInto(out, path, x)
			}
		}
	case nil:
	default:
		text, _ := json.Marshal(v) // plain values always marshal
		if string(text) != `""` {
			out[leaf{path, string(text)}] = true
		}
	}
}
