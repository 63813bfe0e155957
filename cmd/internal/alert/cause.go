package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// staleSoon is the share of a test's freshness limit after which its evidence
// is about to go stale.
const staleSoon = 0.8

// blindFor is how long a blind window that is over is told. It cannot heal, so
// without an end it would fire for as long as the judged period reaches back;
// the finding stays, and evidenced gaps shows it.
const blindFor = 24 * time.Hour

// lately is how far before now a window may end and still reach up to it: an
// assessment takes a while.
const lately = time.Minute

// Freshness says how old the newest look of a test may be; 0 for a test it
// does not know.
type Freshness func(test string) time.Duration

// causes says what of a finding somebody must be told, as of now.
func causes(t evidence.Tenant, f *verdict, fresh time.Duration, now time.Time) []Cause {
	own := func(name string) []Cause { return []Cause{{Name: name, Tenant: t, Test: f.Test}} }
	switch f.Status {
	case evidence.NotSatisfied:
		return own(NotSatisfied)
	case evidence.Gap:
		return own(Gap)
	case evidence.Undetermined:
		return own(Undetermined)
	case evidence.NotObserved:
		return unobserved(t, f, now)
	case evidence.Stale:
		return bySource(t, f, Stale)
	case evidence.Satisfied:
		if fresh > 0 && !f.Newest.IsZero() && now.Sub(f.Newest) >= soon(fresh) {
			return bySource(t, f, GoingStale)
		}
	}
	return nil
}

func soon(fresh time.Duration) time.Duration { return time.Duration(float64(fresh) * staleSoon) }

// unobserved tells the reasons of a not-observed finding apart.
func unobserved(t evidence.Tenant, f *verdict, now time.Time) []Cause {
	var cs []Cause
	add := func(c Cause) {
		if !slices.Contains(cs, c) {
			cs = append(cs, c)
		}
	}
	switch f.Reason {
	case evidence.ReasonNotConfigured:
		for _, w := range f.Uncovered {
			if w.Source == "" {
				add(Cause{Name: Unconfigured, Kind: w.Kind})
			}
		}
	case evidence.ReasonClass:
		for _, w := range f.Uncovered {
			if w.Class.Rank() > 0 {
				add(Cause{Name: TooWeak, Kind: w.Kind, Source: w.Source})
			}
		}
	default:
		seen := false // windows that were told long ago
		for _, w := range f.Uncovered {
			switch {
			case w.Source == "" || w.Class.Rank() > 0:
			case w.To.IsZero() || now.Sub(w.To) < lately:
				add(Cause{Name: SourceUnseen, Source: w.Source, Reason: f.Reason})
			case now.Sub(w.To) < blindFor:
				add(Cause{Name: BlindWindow, Source: w.Source, Key: evidence.FormatTime(w.To)})
			default:
				seen = true
			}
		}
		if len(cs) == 0 && seen {
			return nil
		}
	}
	if len(cs) == 0 {
		cs = append(cs, Cause{Name: SourceUnseen, Reason: f.Reason, Tenant: t, Test: f.Test})
	}
	return cs
}

// bySource names the source that was looked at longest ago; when the finding
// names none, the test itself.
func bySource(t evidence.Tenant, f *verdict, name string) []Cause {
	if f.NewestOf != "" {
		return []Cause{{Name: name, Source: f.NewestOf}}
	}
	return []Cause{{Name: name, Tenant: t, Test: f.Test}}
}

// sentence tells an alert to a person.
func sentence(a *Alert, effects []effect) string {
	c := a.Cause
	touched := fmt.Sprintf("%s of %s", count(len(a.Controls), "control"), tenants(a.Tenants))
	switch c.Name {
	case SourceUnseen:
		what := "what a test needs"
		if c.Source != "" {
			what = string(c.Source)
		}
		return fmt.Sprintf("%s cannot be seen now (%s): %s cannot be told", what, c.Reason, touched)
	case BlindWindow:
		return fmt.Sprintf("%s was not seen for a while, up to %s: %s cannot be told for that time", c.Source, c.Key, touched)
	case Unconfigured:
		return fmt.Sprintf("no configured source gives %s: %s cannot be told", c.Kind, touched)
	case TooWeak:
		return fmt.Sprintf("%s is seen in a weaker way than a test accepts: %s cannot be told", c.Kind, touched)
	case Stale:
		return fmt.Sprintf("the newest look at %s is too old for %s", orTest(c), touched)
	case GoingStale:
		return fmt.Sprintf("the newest look at %s will soon be too old for %s", orTest(c), touched)
	}
	if len(effects) > 0 && effects[0].says != "" {
		return fmt.Sprintf("%s: %s", tenants(a.Tenants), strings.TrimSuffix(effects[0].says, "."))
	}
	return fmt.Sprintf("%s: %s needs somebody", tenants(a.Tenants), orTest(c))
}

func orTest(c Cause) string {
	if c.Source != "" {
		return string(c.Source)
	}
	return "what test " + c.Test + " needs"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// tenants names up to three and counts the rest.
func tenants(ts []evidence.Tenant) string {
	var names []string
	for _, t := range ts[:min(3, len(ts))] {
		names = append(names, t.String())
	}
	text := strings.Join(names, ", ")
	if more := len(ts) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
