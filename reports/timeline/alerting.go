package timeline

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

func (t *teller) alert(f evidence.AlertFacts) string {
	s := "alert " + cmp.Or(f.Name, f.Fingerprint) + " fires"
	if f.Severity != "" {
		s += " (" + f.Severity + ")"
	}
	if !f.StartsAt.IsZero() && f.StartsAt.Before(t.rec.Occurred) {
		s += ", since " + reports.Stamp(f.StartsAt, nil)
	}
	if f.Status == "suppressed" {
		s += ", hidden by " + hiders(f)
	}
	return s
}

// hiders says what hides an alert.
func hiders(f evidence.AlertFacts) string {
	var by []string
	if n := len(f.SilencedBy); n > 0 {
		by = append(by, reports.Count(n, "silence"))
	}
	if n := len(f.InhibitedBy); n > 0 {
		by = append(by, reports.Count(n, "other alert"))
	}
	if n := len(f.MutedBy); n > 0 {
		by = append(by, reports.Count(n, "time interval"))
	}
	return cmp.Or(strings.Join(by, " and "), "what is not told")
}

// alertName returns what an alert that ended is called by the record of its
// start; "" when that cannot be read any more.
func alertName(ctx context.Context, r evidence.Reader, end *evidence.Record) (string, error) {
	q := evidence.Query{Kinds: []evidence.Kind{evidence.AlertInstance}, Subject: end.Subject, Op: evidence.OpSet, Backward: true}
	for rec, err := range r.Records(ctx, q) {
		if err != nil {
			return "", fmt.Errorf("the alert that ended in record %d: %w", end.Seq, err)
		}
		if rec.Occurred.After(end.Occurred) {
			continue
		}
		var f evidence.AlertFacts
		if len(rec.Facts) == 0 || rec.Decode(&f) != nil {
			return "", nil
		}
		return f.Name, nil
	}
	return "", nil
}

// alertGone tells the end of an alert: that it is not listed is all that is known.
func alertGone(print, reason string) string {
	switch reason {
	case evidence.AlertGoneRestart:
		return "alert " + print + " is listed no more after the Alertmanager began anew; whether it was resolved was not observed"
	case evidence.AlertFiredAgain:
		return "alert " + print + " ended, and fires again"
	}
	return "alert " + print + " is listed no more: it was resolved, or nobody tells of it any more"
}

func (t *teller) silence(f evidence.SilenceFacts) string {
	var of []string
	for _, m := range f.Matchers {
		if m.Left {
			of = append(of, m.Name)
			continue
		}
		of = append(of, m.Name+m.Op+strings.Join(m.Values, "|"))
	}
	s := fmt.Sprintf("a silence hides alerts of %s from %s to %s", cmp.Or(few(of), "everything"), reports.Stamp(f.StartsAt, nil), reports.Stamp(f.EndsAt, nil))
	if f.Author >= 0 {
		s += ", made by " + t.name(f.Author)
	}
	if f.CommentLetters == 0 {
		s += ", without a comment"
	}
	return s
}

var ruleBlind = map[string]string{
	evidence.RuleErr: "its evaluation fails", evidence.RuleStale: "it is evaluated no more", evidence.RuleNever: "it was not evaluated since the server began",
}

func (t *teller) alertRule(f evidence.AlertRuleFacts) string {
	s := fmt.Sprintf("%s rule %s of group %s is evaluated", f.Type, f.Name, f.Group)
	if f.Blind != "" {
		s = fmt.Sprintf("%s rule %s of group %s sees nothing: %s", f.Type, f.Name, f.Group, cmp.Or(ruleBlind[f.Blind], f.Blind))
	}
	return s
}
