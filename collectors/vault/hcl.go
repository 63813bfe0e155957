package vault

import (
	"fmt"
	"strconv"
	"strings"
)

// hcl reads the part of HCL 1 that policies are written in: blocks with
// labels, assignments, strings, here-documents, lists, numbers, booleans and
// the three kinds of comments.
type hcl struct {
	s string
	i int
}

func (p *hcl) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: %s", 1+strings.Count(p.s[:min(p.i, len(p.s))], "\n"), fmt.Sprintf(format, args...))
}

// space skips white space, commas between items where allowed, and comments.
func (p *hcl) space() error {
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			p.i++
		case c == '#' || strings.HasPrefix(p.s[p.i:], "//"):
			if n := strings.IndexByte(p.s[p.i:], '\n'); n >= 0 {
				p.i += n
			} else {
				p.i = len(p.s)
			}
		case strings.HasPrefix(p.s[p.i:], "/*"):
			n := strings.Index(p.s[p.i+2:], "*/")
			if n < 0 {
				return p.errorf("comment without end")
			}
			p.i += n + 4
		default:
			return nil
		}
	}
	return nil
}

func (p *hcl) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

// body reads items up to the end of the text, or of the braces.
func (p *hcl) body(depth int, braces bool) ([]node, error) {
	if len(p.s) > maxPolicy {
		return nil, fmt.Errorf("policy of %d bytes", len(p.s))
	}
	if depth > maxPolicyDepth {
		return nil, p.errorf("nested too deep")
	}
	items := []node{}
	for {
		if err := p.space(); err != nil {
			return nil, err
		}
		switch {
		case p.i >= len(p.s):
			if braces {
				return nil, p.errorf("block without end")
			}
			return items, nil
		case p.peek() == '}' && braces:
			p.i++
			return items, nil
		case p.peek() == ',' && braces && len(items) > 0:
			p.i++
			continue
		}
		n, err := p.item(depth)
		if err != nil {
			return nil, err
		}
		items = append(items, n)
	}
}

func (p *hcl) item(depth int) (node, error) {
	var n node
	var err error
	if n.key, err = p.name(); err != nil {
		return n, err
	}
	for {
		if err := p.space(); err != nil {
			return n, err
		}
		switch p.peek() {
		case '"':
			l, err := p.str()
			if err != nil {
				return n, err
			}
			n.labels = append(n.labels, l)
			continue
		case '=':
			p.i++
			if err := p.space(); err != nil {
				return n, err
			}
			n.value, err = p.value(depth + 1)
			return n, err
		case '{':
			p.i++
			n.value, err = p.body(depth+1, true)
			return n, err
		}
		return n, p.errorf("no value after %q", n.key)
	}
}

func (p *hcl) name() (string, error) {
	if p.peek() == '"' {
		return p.str()
	}
	from := p.i
	for p.i < len(p.s) && wordByte(p.s[p.i]) {
		p.i++
	}
	if p.i == from {
		return "", p.errorf("unexpected %q", p.s[p.i:p.i+1])
	}
	return p.s[from:p.i], nil
}

func wordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.' || c >= 0x80
}

func (p *hcl) value(depth int) (any, error) {
	if depth > maxPolicyDepth {
		return nil, p.errorf("nested too deep")
	}
	switch c := p.peek(); {
	case c == '"':
		return p.str()
	case c == '{':
		p.i++
		return p.body(depth+1, true)
	case c == '[':
		p.i++
		return p.list(depth)
	case strings.HasPrefix(p.s[p.i:], "<<"):
		return p.heredoc()
	case c == '+' || wordByte(c):
		p.i++
		for p.i < len(p.s) && (wordByte(p.s[p.i]) || p.s[p.i] == '+') {
			p.i++
		}
		return nil, nil // a number or boolean: nothing that decides here
	}
	return nil, p.errorf("no value where one must stand")
}

func (p *hcl) list(depth int) (any, error) {
	list := []any{}
	for {
		if err := p.space(); err != nil {
			return nil, err
		}
		if p.peek() == ']' {
			p.i++
			return list, nil
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if err := p.space(); err != nil {
			return nil, err
		}
		switch p.peek() {
		case ',':
			p.i++
		case ']':
		default:
			return nil, p.errorf("list without comma or end")
		}
	}
}

// str reads a quoted string. What stands in ${...} is kept as it is: the
// server does not evaluate it.
func (p *hcl) str() (string, error) {
	from, braces := p.i, 0
	for p.i++; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '\n' && braces == 0:
			return "", p.errorf("string without end")
		case strings.HasPrefix(p.s[p.i:], "${"):
			braces++
			p.i++
		case c == '}' && braces > 0:
			braces--
		case c == '\\':
			p.i++
		case c == '"' && braces == 0:
			p.i++
			lit := p.s[from:p.i]
			if !strings.Contains(lit, `\`) {
				return lit[1 : len(lit)-1], nil
			}
			s, err := strconv.Unquote(lit)
			if err != nil {
				return "", p.errorf("bad escape in a string")
			}
			return s, nil
		}
	}
	return "", p.errorf("string without end")
}

func (p *hcl) heredoc() (any, error) {
	head, rest, ok := strings.Cut(p.s[p.i+2:], "\n")
	mark := strings.TrimSpace(strings.TrimPrefix(head, "-"))
	if !ok || mark == "" {
		return nil, p.errorf("here-document without end")
	}
	p.i += 2 + len(head) + 1
	var text strings.Builder
	for line := range strings.Lines(rest) {
		p.i += len(line)
		if strings.TrimSpace(line) == mark {
			return text.String(), nil
		}
		text.WriteString(line)
	}
	return nil, p.errorf("here-document without end")
}
