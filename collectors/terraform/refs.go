package terraform

import (
	"regexp"
	"slices"
	"strings"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// project is the scope of what has the path: an organization, one of its
// projects, a workspace of that.
func (c *Collector) project(path ...string) evidence.Ref {
	return evidence.NewRef("project", c.authority, strings.Join(append([]string{c.cfg.Organization}, path...), "/"))
}

func (c *Collector) runRef(id string) evidence.Ref {
	return evidence.NewRef("tfrun", c.authority, c.cfg.Organization+"/"+id)
}

func (c *Collector) stateRef(id string) evidence.Ref {
	return evidence.NewRef("tfstate", c.authority, c.cfg.Organization+"/"+id)
}

// sourceRef is the scope of an actor of whom it is not known whose they are.
func (c *Collector) sourceRef() []evidence.Ref {
	return []evidence.Ref{evidence.NewRef("source", "", string(c.env.Source))}
}

// links collects join keys without repeats.
type links []evidence.Ref

func (l *links) add(r evidence.Ref) {
	if !r.IsZero() && len(*l) < evidence.MaxLinks && !slices.Contains(*l, r) {
		*l = append(*l, r)
	}
}

func (l *links) commit(sha string) {
	if forge.ObjectID.MatchString(sha) {
		l.add(forge.Commit(sha))
	}
}

const maxText = 256 // bytes of one text in facts

// text makes a text of the platform fit for facts.
func text(s string) string { return forge.Fact(s) }

// segment is a name as it stands in a path: whoever may name a thing must not name
// it like another one's path.
func segment(s string) string { return strings.ReplaceAll(text(s), "/", "_") }

// word is a text that is one of a platform's own words; what is not stands as
// "other".
func word(s string) string {
	if s != "" && (len(s) > 64 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:+") != "") {
		return "other"
	}
	return s
}

// address is the address of a resource or a module without the keys of modules and
// instances, which are values: module.net["a"].aws_vpc.main[0] is
// module.net.aws_vpc.main. What is no address stands as "".
func address(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '[' {
			b.WriteByte(s[i])
			continue
		}
		if i = closing(s, i); i < 0 {
			return ""
		}
	}
	if a := b.String(); len(a) <= maxText && plainAddress.MatchString(a) {
		return a
	}
	return ""
}

// plainAddress is an address without keys: names as Terraform allows them, joined
// by points.
var plainAddress = regexp.MustCompile(`^[\p{L}_][\p{L}\p{M}\p{Nd}_-]*(\.[\p{L}_][\p{L}\p{M}\p{Nd}_-]*)*$`)

// closing finds the bracket that closes the one at i: a key is a number, or a text
// in quotes, in which a backslash takes the meaning of what follows. -1: none.
func closing(s string, i int) int {
	quoted := false
	for i++; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ']' && !quoted:
			return i
		}
	}
	return -1
}

// providerName is a provider's address, without its alias and what a state writes
// around it: provider["registry.terraform.io/hashicorp/aws"].west is
// registry.terraform.io/hashicorp/aws, and module.net.provider.aws.west, as
// Terraform before 0.13 wrote, is aws. What is none stands as "".
func providerName(s string) string {
	if _, rest, ok := strings.Cut(s, `provider["`); ok {
		if s, _, ok = strings.Cut(rest, `"]`); !ok {
			return ""
		}
	} else if s = oldProvider.ReplaceAllString(s, ""); !strings.Contains(s, "/") {
		s, _, _ = strings.Cut(s, ".")
	}
	if len(s) > maxText || !plainProvider.MatchString(s) {
		return ""
	}
	return s
}

// plainProvider lets the namespace be -, which stands for that of a provider of
// before 0.13 whose namespace is not known.
var (
	plainProvider = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]*(/(-|[A-Za-z0-9][A-Za-z0-9._-]*)){0,3}$`)
	oldProvider   = regexp.MustCompile(`^(module\.[^.]+\.)*provider\.`)
)
