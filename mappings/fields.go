package mappings

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// Number is one number that stands in a test's rule, and whose it is. A chosen
// number is never shown as one of the law.
type Number struct {
	Value  string `json:"value"`            // as it is written in the test: "60m", "92d", "720h"
	Origin string `json:"origin"`           // law or default
	Source string `json:"source,omitempty"` // of a number of the law: act and article
	Says   string `json:"says"`             // what it limits
}

// Whose a number is.
const (
	OriginLaw     = "law"     // it stands in the text of a law
	OriginDefault = "default" // this program chose it; a test of one's own may choose another
)

type yamlNumber struct {
	At     place
	Value  text `yaml:"value"`
	Origin text `yaml:"origin"`
	Source text `yaml:"source"`
	Says   text `yaml:"says"`
}

// An article is a row of references: Art. 9(4)(e); Art. 8(4), 8(6); Annex
// 3.2.5, 3.2.6; Annex I, Part II (7), (8); Art. 13, first subparagraph, point (h).
var (
	articlePoint = `(\([0-9]{1,3}[a-z]?\)|\([a-z]{1,5}\))`
	articleRef   = `([1-9][0-9]*[a-z]?(\.[0-9]+)*` + articlePoint + `*|[IVX]+|Part [IVX]+|` + articlePoint + `+|(first|second|third|fourth|fifth|sixth) subparagraph|points? ` + articlePoint + `+)`
	articleForm  = regexp.MustCompile(`^(Art\.|Annex|Recital) ` + articleRef + `((,| to| and|) ` + articleRef + `)*( ff\.)?$|^SOV-[1-9]( [a-z -]+)?$`)

	languageForm = regexp.MustCompile(`^[a-z]{2}$`)
	entityForm   = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
)

const articleHint = `write it as in "Art. 9(4)(e)", "Art. 8(4), 8(6)", "Annex 3.2.5", "Annex I, Part II (7)" or "Recital 12"`

// ParseDuration reads a duration as catalogs write it: 15m, 24h or 90d.
func ParseDuration(s string) (time.Duration, error) { return parseDuration(s) }

// day reports whether an optional text is a date.
func (b *builder) day(key string, t text) bool {
	if t.s == "" {
		return false
	}
	if _, err := time.Parse(time.DateOnly, t.s); err != nil {
		b.fault(t.at, "%s: %q is no date: write 2025-01-17", key, t.s)
		return false
	}
	return true
}

func (b *builder) textRead(y *yamlAct) {
	b.day("text_read", y.TextRead)
	if y.Language.s != "" && !languageForm.MatchString(y.Language.s) {
		b.fault(y.Language.at, "language: %q is no language such as en", y.Language.s)
	}
}

func (b *builder) entities(key string, l list) []string {
	for _, e := range l {
		if !entityForm.MatchString(e.s) {
			b.fault(e.at, "%s: %q: want words of lower-case letters and digits with hyphens between", key, e.s)
		}
	}
	return l.strings()
}

// numbers reads whose the numbers of a test are. Each must stand in the test.
func (b *builder) numbers(y *yamlTest) []Number {
	var ns []Number
	for i := range y.Numbers {
		n := &y.Numbers[i]
		if !b.need(n.At, "value", n.Value) || !b.need(n.At, "says", n.Says) || !b.oneOf(n.At, "origin", n.Origin, OriginDefault, OriginLaw) {
			continue
		}
		switch stands := y.Window.s == n.Value.s || y.Freshness.text == n.Value.s || standsIn(y.Assert.s, n.Value.s) || standsIn(y.Population.s, n.Value.s); {
		case !stands:
			b.fault(n.Value.at, "number %q stands neither in assert, population, window nor freshness", n.Value.s)
		case n.Origin.s == OriginLaw && strings.TrimSpace(n.Source.s) == "":
			b.fault(n.At, "a number of the law names its source: act and article")
		case n.Origin.s == OriginDefault && n.Source.s != "":
			b.fault(n.Source.at, "a chosen number has no source in the law: leave source away or say origin: law")
		case slices.ContainsFunc(ns, func(x Number) bool { return x.Value == n.Value.s && x.Says == n.Says.s }):
			b.fault(n.At, "number %q stands twice", n.Value.s)
		}
		b.short("source", n.Source)
		ns = append(ns, Number{n.Value.s, n.Origin.s, n.Source.s, n.Says.s})
	}
	return ns
}

// standsIn reports whether a rule holds the number as a word of its own.
func standsIn(rule, number string) bool {
	word := func(i int) bool {
		return i >= 0 && i < len(rule) && (rule[i] == '.' || rule[i] >= '0' && rule[i] <= '9' || rule[i] >= 'a' && rule[i] <= 'z')
	}
	for i := 0; i+len(number) <= len(rule); i++ {
		if rule[i:i+len(number)] == number && !word(i-1) && !word(i+len(number)) {
			return true
		}
	}
	return false
}

// validity reads from when to when a wording stands.
func (b *builder) validity(y *yamlControl, c *Control) {
	from, to := b.day("valid_from", y.ValidFrom), b.day("valid_to", y.ValidTo)
	if from && to && y.ValidFrom.s >= y.ValidTo.s {
		b.fault(y.ValidTo.at, "valid_to %s is not after valid_from %s", y.ValidTo.s, y.ValidFrom.s)
	}
	if y.Replaces.s != "" && y.ValidFrom.s == "" {
		b.fault(y.Replaces.at, "a control that replaces another has valid_from, the day it does")
	}
	c.ValidFrom, c.ValidTo, c.Replaces = y.ValidFrom.s, y.ValidTo.s, evidence.ControlID(y.Replaces.s)
}

// replaced checks, once all controls are known, that the duty of a replaced
// one ended: no day has two wordings.
func (b *builder) replaced(y *yamlControl) {
	if y.Replaces.s == "" {
		return
	}
	old, ok := b.cat.Control(evidence.ControlID(y.Replaces.s))
	switch {
	case !ok:
		b.fault(y.Replaces.at, "replaces an unknown control %q", y.Replaces.s)
	case old.ValidTo == "" || old.ValidTo > y.ValidFrom.s:
		b.fault(y.Replaces.at, "control %s stands beyond %s: give it valid_to: %s", old.ID, y.ValidFrom.s, y.ValidFrom.s)
	}
}
