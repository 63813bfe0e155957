package collectors

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/pointer"
)

// cleaner names who took credentials out of raw bytes.
const cleaner = "credentials/1"

// credential finds what opens something to whoever reads it, by forms that nothing
// else has. Sources keep such things out of most fields, and people put them into
// any: a token in the message of a commit, a login in the address of an error. The
// forms are those of the makers' own documentation: tokens of Vault
// (developer.hashicorp.com/vault/docs/concepts/tokens), GitHub (its post "Behind
// GitHub's new authentication token formats") and GitLab
// (docs.gitlab.com/security/tokens), ids of keys of AWS (its reference of IAM
// identifiers), private keys (RFC 7468), JSON web tokens (RFC 7519) and the header
// Authorization (RFC 9110). Collectors cut long texts: the beginning of one counts.
var credential = regexp.MustCompile(strings.Join([]string{
	`\bhv[sbr]\.(?:[\w-]{20,}|[\w-]{4,}$)`,
	`\bgh[pousr]_\w{4,}`,
	`\bgithub_pat_\w{4,}`,
	`\bgl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|wt|soat|ffct)-[\w.-]{4,}`,
	`\b(?:AKIA|ASIA)[A-Z0-9]{16}\b`,
	`\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?`,
	`-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|[\s\S]*)`,
	`(?i:authorization["']?\s*[:=]\s*["']?(?:bearer|basic|token)\s+)([^\s"'\\,;]+)`,
}, "|"))

// marks are what every credential holds something of. Nearly nothing that a source
// tells does, and looking for them costs little: what the first of a row is not in,
// the others are not either.
var marks = [][]string{
	{"hv", "hvs.", "hvb.", "hvr."},
	{"gh", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"},
	{"gl", "glpat-", "gloas-", "gldt-", "glrt-", "glrtr-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-", "glwt-", "glsoat-", "glffct-"},
	{"github_pat_"}, {"AKIA"}, {"ASIA"}, {"eyJ"}, {"PRIVATE KEY"}, {"uthorization"}, {"UTHORIZATION"},
	{"ass", "assw", "assphrase", "asscode"}, {"ASS", "ASSW", "ASSPHRASE", "ASSCODE"}, {"pwd"}, {"PWD"}, {"Pwd"},
}

// marked reports whether something holds one of the marks.
func marked(holds func(mark string) bool) bool {
	return slices.ContainsFunc(marks, func(row []string) bool {
		return holds(row[0]) && (len(row) == 1 || slices.ContainsFunc(row[1:], holds))
	})
}

// suspect reports whether bytes may hold a credential, in a form that JSON may have
// escaped.
func suspect(b []byte) bool {
	return marked(func(m string) bool { return bytes.Contains(b, []byte(m)) }) || HoldsUser(b) || bytes.IndexByte(b, '@') >= 0 && dials(b)
}

// digestAt begins what stands behind the @ of an image, and of no host.
var digestAt = regexp.MustCompile(`^sha(?:256|512):[0-9a-f]{12}`)

// logins takes out what stands before the host of an address. The git of
// ssh://git@host is none, and docker://image@sha256:... has a digest there.
func logins(s string) string {
	at, done := userPart.FindAllStringSubmatchIndex(s, -1), 0
	var out strings.Builder
	for _, m := range at {
		scheme, login, rest := strings.ToLower(s[m[2]:m[3]]), s[m[3]:m[1]], s[m[1]:]
		if digestAt.MatchString(rest) || strings.Contains(scheme, "ssh:") && !strings.Contains(login, ":") {
			continue
		}
		out.WriteString(s[done:m[3]])
		done = m[1]
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// WithoutCredentials puts [removed] where a credential stands in a text; the logins
// of addresses go without it.
func WithoutCredentials(s string) string {
	if strings.Contains(s, "://") {
		s = logins(s)
	}
	if strings.IndexByte(s, '@') >= 0 && dials(s) {
		s = withoutDialled(s)
	}
	if !marked(func(m string) bool { return strings.Contains(s, m) }) {
		return s // nearly all
	}
	s = replaceParts(s, credential, func(m []int) (begin, end int) {
		begin, end = m[0], m[1]
		for i := 2; i < len(m); i += 2 { // what goes of it, where that is not all
			if m[i] >= 0 {
				begin, end = m[i], m[i+1]
			}
		}
		return begin, end
	})
	return withoutPasswords(s)
}

// holdsCredential reports whether one stands in a text, be it escaped once more: an
// escape may hide one, and may keep apart what then looks like a path.
func holdsCredential(s string) bool {
	if WithoutCredentials(s) != s {
		return true
	}
	for _, plain := range []string{strings.ReplaceAll(s, `\/`, "/"), unescaped(s)} {
		if plain != s && WithoutCredentials(plain) != plain { // most hold no escape
			return true
		}
	}
	return false
}

// withoutCredentials takes them out of what a draft tells: of its facts, its text
// and the names of people, and each string of its raw bytes that holds one. What
// a thing is called stays: key, subject, links and scope.
func withoutCredentials(d *evidence.Draft) {
	if suspect(d.Content) {
		if facts, err := decode(d.Content); err == nil {
			was := encode(facts)
			cleanNames(facts, "", d)
			if now := encode(eachString(facts, WithoutCredentials)); !bytes.Equal(was, now) {
				d.Content = now // else as they came
			}
		}
	}
	if suspect(d.Text) {
		d.Text = []byte(WithoutCredentials(string(d.Text)))
	}
	for i, p := range d.People {
		if name := WithoutCredentials(p.Names.Display); name != p.Names.Display {
			d.People = slices.Clone(d.People)
			d.People[i].Names.Display = name
		}
	}
	if suspect(d.Raw) {
		takeOut(d, cleaner, holdsCredential)
	}
	d.Removed = untell(d.Removed, holdsCredential)
}

// cleanNames takes credentials out of the names of members in decoded facts. Members
// that are mentioned are counted in the order of their names: where that changes,
// they are counted anew.
func cleanNames(v any, at string, d *evidence.Draft) {
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			cleanNames(x, at+"/"+strconv.Itoa(i), d)
		}
	case map[string]any:
		names := slices.Sorted(maps.Keys(v))
		for _, k := range names {
			cleanNames(v[k], at+"/"+pointer.Escape(k), d)
		}
		was := map[string]string{} // by what it is called now
		for _, k := range names {
			clean := WithoutCredentials(k)
			now := clean
			for n := 2; now != k; n++ {
				if _, taken := v[now]; !taken {
					break
				}
				now = clean + " " + strconv.Itoa(n) // two that it told apart
			}
			was[now] = k
			if now != k {
				v[now] = v[k]
				delete(v, k)
			}
		}
		order := slices.Sorted(maps.Keys(was))
		for i, m := range d.Mentions {
			if m.At != at || len(m.Of) < len(names) {
				continue
			}
			of := slices.Clone(m.Of)
			for j, now := range order {
				k, _ := slices.BinarySearch(names, was[now])
				of[j] = m.Of[k]
			}
			d.Mentions = slices.Clone(d.Mentions)
			d.Mentions[i].Of = of
		}
	}
}

// eachString replaces the strings in a decoded JSON value.
func eachString(v any, with func(string) string) any {
	switch v := v.(type) {
	case string:
		return with(v)
	case []any:
		for i := range v {
			v[i] = eachString(v[i], with)
		}
	case map[string]any:
		for k := range v {
			v[k] = eachString(v[k], with)
		}
	}
	return v
}
