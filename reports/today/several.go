package today

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"evidenced/reports"
)

// Several is the answer for many tenants, all asked at one moment.
type Several struct {
	At      time.Time `json:"at"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Tenants []*Report `json:"tenants"`
}

// Text writes the answer for people: the sum, then every tenant of which there
// is something to say, those with the most that came to need somebody first.
func (s *Several) Text(w io.Writer, style reports.Style) error {
	var fresh, healed, blind, due, over int
	var demo bool
	var quiet, never []string
	for _, r := range s.Tenants {
		fresh, healed, blind, due, over = fresh+len(r.New), healed+len(r.Healed), blind+len(r.Blind), due+len(r.Due), over+r.over()
		demo = demo || r.Demo
		switch name := r.Tenant.String(); {
		case r.Judged.IsZero():
			never = append(never, name)
		case r.silent():
			quiet = append(quiet, name)
		}
	}
	head := fmt.Sprintf("%s: %d new and %d healed since %s, %d blind now, %s.",
		reports.Count(len(s.Tenants), "tenant"), fresh, healed, reports.Near(s.Since, s.At), blind, dueWords(due-over, over, reports.Near(s.Until, s.At)))
	p := reports.NewPage(w, style)
	p.Headline(head, demo)
	for _, r := range s.byNeed() {
		if r.silent() {
			continue
		}
		p.Line("")
		p.Line(style.Bold(r.Tenant.String()))
		r.table(p)
	}
	for _, say := range []struct {
		what  string
		names []string
	}{{"nothing new, healed, blind or due", quiet}, {"not judged yet, evidenced serve judges all the time, evidenced collect once", never}} {
		if len(say.names) == 0 {
			continue
		}
		p.Line("")
		p.Para("", say.what+": "+strings.Join(say.names, ", "))
	}
	return p.Err()
}

// silent reports whether there is nothing to say.
func (r *Report) silent() bool {
	return len(r.New)+len(r.Healed)+len(r.Blind)+len(r.Due) == 0
}

func (s *Several) byNeed() []*Report {
	return slices.SortedStableFunc(slices.Values(s.Tenants), func(a, b *Report) int {
		return cmp.Or(cmp.Compare(len(b.New), len(a.New)), cmp.Compare(len(b.Blind), len(a.Blind)))
	})
}
