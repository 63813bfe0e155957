package evidence

import "time"

// Period is a half-open interval of time [From, To), in UTC.
type Period struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// IsZero reports whether both ends are unset.
func (p Period) IsZero() bool { return p.From.IsZero() && p.To.IsZero() }

// Contains reports whether t lies in [From, To).
func (p Period) Contains(t time.Time) bool { return !t.Before(p.From) && t.Before(p.To) }

// Overlaps reports whether p and q share an instant.
func (p Period) Overlaps(q Period) bool { return p.From.Before(q.To) && q.From.Before(p.To) }

// Intersect returns the common part, and false when there is none.
func (p Period) Intersect(q Period) (Period, bool) {
	r := p
	if q.From.After(r.From) {
		r.From = q.From
	}
	if q.To.Before(r.To) {
		r.To = q.To
	}
	return r, r.From.Before(r.To)
}

// Duration returns To - From.
func (p Period) Duration() time.Duration { return p.To.Sub(p.From) }

// String gives both ends in RFC 3339.
func (p Period) String() string { return FormatTime(p.From) + "/" + FormatTime(p.To) }

// Subtract returns what of p no period of qs covers, in time order. The
// periods of qs may overlap and need no order.
func (p Period) Subtract(qs []Period) []Period {
	rest := []Period{p}
	for _, q := range qs {
		var next []Period
		for _, r := range rest {
			i, ok := r.Intersect(q)
			if !ok {
				next = append(next, r)
				continue
			}
			if r.From.Before(i.From) {
				next = append(next, Period{r.From, i.From})
			}
			if i.To.Before(r.To) {
				next = append(next, Period{i.To, r.To})
			}
		}
		rest = next
	}
	if len(rest) == 1 && rest[0].Duration() == 0 {
		return nil
	}
	return rest
}

// FormatTime prints t in UTC as RFC 3339 with as many fraction digits as it
// needs; the zero time prints as "".
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
