package config

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"evidenced/evidence"
)

// Segment says when a segment of a log is full. What is kept and dropped is
// always a whole segment.
type Segment struct {
	Bytes   int64 `yaml:"bytes"`   // on disk
	Records int   `yaml:"records"` // 0: no limit
	Monthly bool  `yaml:"monthly"` // each UTC month begins one
}

// Retention says how long records are kept.
type Retention struct {
	Keep string `yaml:"keep"` // "36 months"; "" or forever keeps all
}

// Keep is a span of the calendar for which records are kept; the zero value
// keeps them for ever.
type Keep struct{ Years, Months, Days int }

var keepForm = regexp.MustCompile(`^([1-9][0-9]{0,3}) (day|month|year)s?$`)

// ParseKeep reads "36 months", "3 years", "400 days" or "forever". Less than
// 30 days is refused: segments end with the month at the soonest, and evidence
// of less than a month answers no question.
func ParseKeep(s string) (Keep, error) {
	var k Keep
	if s == "" || s == "forever" {
		return k, nil
	}
	m := keepForm.FindStringSubmatch(s)
	if m == nil {
		return k, fmt.Errorf("%q is no span such as 36 months, 3 years, 400 days or forever", s)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return k, err
	}
	switch m[2] {
	case "day":
		k.Days = n
	case "month":
		k.Months = n
	case "year":
		k.Years = n
	}
	if k.about() < 30 {
		return k, fmt.Errorf("%q is less than 30 days", s)
	}
	if k.about() > 100*366 {
		return k, fmt.Errorf("%q is more than 100 years: say forever", s)
	}
	return k, nil
}

// about is the span in days, for comparing.
func (k Keep) about() int { return k.Years*365 + k.Months*365/12 + k.Days }

// IsForever reports whether nothing is ever dropped.
func (k Keep) IsForever() bool { return k == Keep{} }

// Horizon returns the time before which records are not kept any more; false
// when all are.
func (k Keep) Horizon(now time.Time) (time.Time, bool) {
	if k.IsForever() {
		return time.Time{}, false
	}
	return now.UTC().AddDate(-k.Years, -k.Months, -k.Days), true
}

// String returns the form that ParseKeep reads.
func (k Keep) String() string {
	for _, p := range []struct {
		n    int
		unit string
	}{{k.Years, "year"}, {k.Months, "month"}, {k.Days, "day"}} {
		switch {
		case p.n == 1:
			return "1 " + p.unit
		case p.n > 1:
			return fmt.Sprintf("%d %ss", p.n, p.unit)
		}
	}
	return "forever"
}

// Keep returns how long the records of the tenant are kept: its own span, else
// the one for all.
func (c *Config) Keep(t evidence.Tenant) Keep {
	text := c.Retention.Keep
	for _, own := range c.Tenants {
		if own.Name == t && own.Keep != "" {
			text = own.Keep
		}
	}
	k, err := ParseKeep(text)
	if err != nil {
		return Keep{} // Parse let no such text through
	}
	return k
}

// canonicalKeep gives one form to spans that mean the same.
func canonicalKeep(text, none string) string {
	k, err := ParseKeep(text)
	if err != nil || text == "" {
		return none
	}
	return k.String()
}

func (k *checker) retention() {
	s := k.c.Segment
	if s.Bytes < 1<<20 || s.Bytes > 1<<40 {
		k.no([]any{"segment", "bytes"}, "segment.bytes: %d is not between 1 MiB (1048576) and 1 TiB (1099511627776)", s.Bytes)
	}
	if s.Records < 0 || s.Records > 1_000_000_000 {
		k.no([]any{"segment", "records"}, "segment.records: %d is not between 0 (no limit) and 1000000000", s.Records)
	}
	keeps := false
	check := func(text, name string, at ...any) {
		keep, err := ParseKeep(text)
		if err != nil {
			k.no(at, "%s: %v", name, err)
		}
		keeps = keeps || !keep.IsForever()
	}
	check(k.c.Retention.Keep, "retention.keep", "retention", "keep")
	for i, t := range k.c.Tenants {
		check(t.Keep, fmt.Sprintf("tenants[%d].keep", i), "tenants", i, "keep")
	}
	if keeps && !s.Monthly {
		k.no([]any{"segment", "monthly"}, "segment.monthly: false cannot be used with a retention: a segment that ends by size alone may keep records far beyond it")
	}
}

// keeps judges changes of what is kept.
func (l *loosener) keeps() {
	for _, name := range l.everybody {
		old, young := l.old.keep(name), l.young.keep(name)
		if young.IsForever() || !old.IsForever() && young.about() >= old.about() {
			continue
		}
		if _, was := l.old.Tenants[name.String()]; !was && !name.IsPseudo() {
			continue // nothing of it was kept
		}
		l.one(name.String(), "records of %s are kept for %s instead of %s", name, young, old)
	}
}

func (e effective) keep(t evidence.Tenant) Keep {
	text := e.Retention
	if own := e.Tenants[t.String()].Keep; own != "" {
		text = own
	}
	k, err := ParseKeep(text)
	if err != nil {
		return Keep{} // a form of another version
	}
	return k
}
