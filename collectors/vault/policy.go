package vault

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"evidenced/evidence"
)

// parsePolicy reads an access policy in HCL or JSON into its path rules, in
// order of appearance. Only what decides about access is kept: path and
// capabilities; parameter limits are read over, so a rule may open less than
// it shows. Errors mean that what the policy opens is unknown.
func parsePolicy(text string) ([]evidence.PolicyRule, error) {
	if t := strings.TrimSpace(text); strings.HasPrefix(t, "{") {
		return parseJSONPolicy(t)
	}
	p := &hcl{s: text}
	body, err := p.body(0, false)
	if err != nil {
		return nil, err
	}
	return rulesOf(body)
}

// node is one item of an HCL body: key, labels, and a value that is a string,
// a list of values, a body, or something without meaning for us (nil).
type node struct {
	key    string
	labels []string
	value  any // string, []any, []node or nil
}

const (
	maxPolicy      = 4 << 20
	maxPolicyDepth = 32
	maxRules       = 10000
)

func rulesOf(body []node) ([]evidence.PolicyRule, error) {
	var rules []evidence.PolicyRule
	add := func(path string, v any) error {
		items, ok := v.([]node)
		if !ok {
			return fmt.Errorf("path %q has no body", path)
		}
		r, err := ruleOf(path, items)
		if err != nil {
			return err
		}
		if rules = append(rules, r); len(rules) > maxRules {
			return fmt.Errorf("more than %d rules", maxRules)
		}
		return nil
	}
	for _, n := range body {
		switch {
		case n.key == "name" && len(n.labels) == 0: // the policy's own name
		case n.key != "path":
			return nil, fmt.Errorf("unknown key %q", n.key)
		case len(n.labels) == 1:
			if err := add(n.labels[0], n.value); err != nil {
				return nil, err
			}
		case len(n.labels) == 0:
			// path = { "kv/*" = {...} } and the JSON form.
			for _, items := range bodies(n.value) {
				for _, it := range items {
					for _, v := range bodies(it.value) {
						if err := add(it.key, v); err != nil {
							return nil, err
						}
					}
				}
			}
			if bodies(n.value) == nil {
				return nil, fmt.Errorf("path has no body")
			}
		default:
			return nil, fmt.Errorf("path with %d labels", len(n.labels))
		}
	}
	return rules, nil
}

// bodies returns a body, or each body of a list of them; nil for anything
// else.
func bodies(v any) [][]node {
	switch v := v.(type) {
	case []node:
		return [][]node{v}
	case []any:
		var out [][]node
		for _, x := range v {
			if b, ok := x.([]node); ok {
				out = append(out, b)
			}
		}
		return out
	}
	return nil
}

// oldPolicies maps the one-word form of the first versions to capabilities.
var oldPolicies = map[string][]string{
	"deny":  {"deny"},
	"read":  {"list", "read"},
	"write": {"create", "delete", "list", "patch", "read", "update"},
	"sudo":  {"create", "delete", "list", "patch", "read", "sudo", "update"},
}

func ruleOf(path string, items []node) (evidence.PolicyRule, error) {
	r := evidence.PolicyRule{Path: clean([]byte(path))}
	caps := map[string]bool{}
	for _, it := range items {
		switch it.key {
		case "capabilities":
			list, ok := it.value.([]any)
			if !ok {
				return r, fmt.Errorf("capabilities of %q are no list", path)
			}
			for _, c := range list {
				s, ok := c.(string)
				if !ok {
					return r, fmt.Errorf("a capability of %q is no string", path)
				}
				caps[clean([]byte(s))] = true
			}
		case "policy":
			old, _ := it.value.(string)
			if oldPolicies[old] == nil {
				return r, fmt.Errorf("policy of %q is none of deny, read, write, sudo", path)
			}
			for _, c := range oldPolicies[old] {
				caps[c] = true
			}
		}
	}
	for c := range caps {
		r.Capabilities = append(r.Capabilities, c)
	}
	slices.Sort(r.Capabilities)
	if caps["deny"] {
		r.Capabilities = []string{"deny"} // it overrides all others
	}
	return r, nil
}

func parseJSONPolicy(text string) ([]evidence.PolicyRule, error) {
	if len(text) > maxPolicy {
		return nil, fmt.Errorf("policy of %d bytes", len(text))
	}
	dec := json.NewDecoder(strings.NewReader(text))
	body, err := jsonBody(dec, 0)
	if err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, fmt.Errorf("text after the policy")
	}
	return rulesOf(body)
}

// jsonBody reads an object in the order of its keys.
func jsonBody(dec *json.Decoder, depth int) ([]node, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if t != json.Delim('{') {
		return nil, fmt.Errorf("no object where one must stand")
	}
	return jsonMembers(dec, depth)
}

func jsonMembers(dec *json.Decoder, depth int) ([]node, error) {
	if depth > maxPolicyDepth {
		return nil, fmt.Errorf("nested too deep")
	}
	body := []node{}
	for dec.More() {
		k, err := dec.Token()
		if err != nil {
			return nil, err
		}
		v, err := jsonValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		key, _ := k.(string)
		body = append(body, node{key: key, value: v})
	}
	_, err := dec.Token()
	return body, err
}

func jsonValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxPolicyDepth {
		return nil, fmt.Errorf("nested too deep")
	}
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case string:
		return t, nil
	case json.Delim:
		if t == '{' {
			return jsonMembers(dec, depth)
		}
		list := []any{}
		for dec.More() {
			v, err := jsonValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return nil, nil
}
