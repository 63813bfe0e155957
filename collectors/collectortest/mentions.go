package collectortest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"evidenced/evidence"
)

// checkMentions reports a mention that does not fit the facts it is about: what
// it points at is no list, or has elements of which it does not say whose they
// are, which every tenant would then be told.
func checkMentions(d *evidence.Draft) error {
	if len(d.Mentions) == 0 {
		return nil
	}
	var facts any
	if err := json.Unmarshal(d.Content, &facts); err != nil {
		return err
	}
	for _, m := range d.Mentions {
		for i, refs := range m.Of {
			for _, ref := range refs {
				if ref.IsZero() {
					return fmt.Errorf("draft %s: element %d of %q is mentioned by an empty reference", d.Kind, i, m.At)
				}
			}
		}
		if m.At == "" {
			continue
		}
		n := 0
		switch v := at(facts, strings.Split(strings.TrimPrefix(m.At, "/"), "/")).(type) {
		case nil: // left out when empty, or when the facts were too large
		case []any:
			n = len(v)
		case map[string]any:
			n = len(v)
		default:
			return fmt.Errorf("draft %s: %q is mentioned and is no list", d.Kind, m.At)
		}
		if n > len(m.Of) {
			return fmt.Errorf("draft %s: %q has %d elements, %d are mentioned", d.Kind, m.At, n, len(m.Of))
		}
	}
	return nil
}

// sourceWords are what words of a source or of its client hold: an address, the
// status of an answer, a request.
var sourceWords = regexp.MustCompile(`://|\b(127\.0\.0\.1|localhost)\b|\b[45]\d\d\b|\b(GET|POST|PUT|LIST) `)

// checkCauses reports a claim about the whole source whose cause is not in words
// of ours: every tenant's log tells it (see evidence.Seen).
func checkCauses(seen []evidence.Seen) error {
	for _, s := range seen {
		if w := sourceWords.FindString(s.Cause); w != "" && s.Scope.IsZero() {
			return fmt.Errorf("a claim about the whole source, which every tenant is told, says %q: %q", w, s.Cause)
		}
	}
	return nil
}

// at returns what stands at a path of a decoded JSON value, nil for nothing.
func at(v any, path []string) any {
	for _, p := range path {
		switch x := v.(type) {
		case map[string]any:
			v = x[p]
		case []any:
			i, err := strconv.Atoi(p)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}
