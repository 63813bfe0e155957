package demo

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// rule is one path of a policy.
type rule struct {
	path string
	can  []string
}

var (
	stanza = regexp.MustCompile(`(?s)path\s+"([^"]+)"\s*\{\s*capabilities\s*=\s*\[([^\]]*)\]\s*\}`)
	quoted = regexp.MustCompile(`"([^"]+)"`)
)

// parseRules reads the policies of this world, which are all of one form.
func parseRules(text string) []rule {
	var out []rule
	for _, m := range stanza.FindAllStringSubmatch(text, -1) {
		r := rule{path: m[1]}
		for _, q := range quoted.FindAllStringSubmatch(m[2], -1) {
			r.can = append(r.can, q[1])
		}
		out = append(out, r)
	}
	return out
}

// opens reports whether the rule allows a capability on a path: + stands for
// one segment, a * at the end for anything.
func (r rule) opens(path, capability string) bool {
	if !slices.Contains(r.can, capability) {
		return false
	}
	want, prefix := strings.CutSuffix(r.path, "*")
	ws, ps := strings.Split(want, "/"), strings.Split(path, "/")
	for i, w := range ws {
		last := i == len(ws)-1
		switch {
		case i >= len(ps):
			return false
		case last && prefix:
			return strings.HasPrefix(ps[i], w)
		case w != "+" && w != ps[i]:
			return false
		}
	}
	return len(ws) == len(ps)
}

// granting names the policies of an identity that allow a request.
func (v *vault) granting(i *identity, op, path string) []string {
	var out []string
	for _, name := range append(slices.Clone(i.policies), i.group...) {
		for _, r := range v.rules[name] {
			if r.opens(path, op) || op == "list" && r.opens(path+"/", op) {
				out = append(out, name)
				break
			}
		}
	}
	return out
}

// do decides a request and does what it asks for.
func (v *vault) do(x exchange) exchange {
	x.granted = v.granting(x.tok.of, x.op, x.path)
	if len(x.granted) == 0 {
		x.denied = true
		return x
	}
	switch {
	case strings.HasPrefix(x.path, "kv/data/"):
		x.out = v.kvData(x, strings.TrimPrefix(x.path, "kv/data/"))
	case strings.HasPrefix(x.path, "kv/metadata/"):
		x.out = v.kvMetadata(x, strings.TrimPrefix(x.path, "kv/metadata/"))
	case x.path == "auth/token/renew-self":
		t := x.tok
		if end := t.issued.Add(t.of.max); end.Before(x.at.Add(t.of.ttl)) {
			t.until = end
		} else {
			t.until = x.at.Add(t.of.ttl)
		}
		x.auth = t
	}
	return x
}

// kvData reads or writes a secret; nil when there is none.
func (v *vault) kvData(x exchange, name string) any {
	s := v.kv[name]
	if x.op == "update" {
		if s == nil {
			s = &stored{}
			v.kv[name] = s
		}
		s.version++
		s.created = x.at
		return s.metadata()
	}
	if s == nil {
		return nil
	}
	return map[string]any{"data": map[string]any{"username": name, "password": secret(v.w.Seed, "kv/"+name+"/"+itoa(s.version))},
		"metadata": s.metadata()}
}

func (s *stored) metadata() map[string]any {
	return map[string]any{"created_time": plain(s.created.UTC().Format(time.RFC3339Nano)), "custom_metadata": nil,
		"deletion_time": "", "destroyed": false, "version": s.version}
}

func (v *vault) kvMetadata(x exchange, name string) any {
	if x.op == "list" {
		var keys []string
		below := strings.TrimPrefix(strings.TrimSuffix(name, "/")+"/", "/")
		for k := range v.kv {
			rest, ok := strings.CutPrefix(k, below)
			if !ok {
				continue
			}
			if i := strings.IndexByte(rest, '/'); i >= 0 {
				rest = rest[:i+1]
			}
			if !slices.Contains(keys, rest) {
				keys = append(keys, rest)
			}
		}
		slices.Sort(keys)
		if keys == nil {
			return nil
		}
		return map[string]any{"keys": keys}
	}
	s := v.kv[name]
	if s == nil {
		return nil
	}
	return map[string]any{"current_version": s.version, "oldest_version": 1, "max_versions": 0, "cas_required": false,
		"created_time": plain(s.created.UTC().Format(time.RFC3339Nano)), "updated_time": plain(s.created.UTC().Format(time.RFC3339Nano)),
		"delete_version_after": "0s"}
}
