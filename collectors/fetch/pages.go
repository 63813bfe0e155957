package fetch

import (
	"net/http"
	"strings"

	"evidenced/evidence/problem"
)

// Pages watches a walk over pages: a page that comes twice or a walk without
// end is an error instead of a loop.
type Pages struct {
	max  int
	seen map[string]bool
}

// NewPages allows at most max pages.
func NewPages(max int) *Pages { return &Pages{max: max, seen: map[string]bool{}} }

// Visit is called before each page with its address, number or cursor. Its
// error is a problem.Source.
func (p *Pages) Visit(key string) error {
	if p.seen[key] {
		return problem.New(problem.Source, "the source's next link leads back to a page already read").
			WithHint("report it to the source's operator; the list cannot be read in full")
	}
	if len(p.seen) >= p.max {
		return problem.New(problem.Source, "the list has more than %d pages", p.max).
			WithHint("narrow what is collected")
	}
	p.seen[key] = true
	return nil
}

// NextLink returns the target of rel="next" in the Link header (RFC 8288), or
// "" on the last page.
func NextLink(h http.Header) string {
	for _, line := range h.Values("Link") {
		for line != "" {
			start := strings.IndexByte(line, '<')
			if start < 0 {
				break
			}
			end := strings.IndexByte(line[start:], '>')
			if end < 0 {
				break
			}
			target := line[start+1 : start+end]
			line = line[start+end+1:]
			params := line
			if i := strings.IndexByte(line, '<'); i >= 0 {
				params = line[:i]
			}
			for _, p := range strings.Split(params, ";") {
				k, v, _ := strings.Cut(strings.Trim(p, " ,\t"), "=")
				if strings.EqualFold(strings.TrimSpace(k), "rel") {
					for _, rel := range strings.Fields(strings.Trim(strings.TrimSpace(v), `"`)) {
						if strings.EqualFold(rel, "next") {
							return target
						}
					}
				}
			}
		}
	}
	return ""
}
