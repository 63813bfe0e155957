package doctor

import (
	"fmt"
	"io"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/reports"
)

// Text writes the report for people: the answer first, then each source.
func (r *Report) Text(w io.Writer, style reports.Style) error {
	var b strings.Builder
	_ = style.Headline(&b, style.Bold, reports.Terminal(r.sentence())) // a builder takes all
	for _, x := range r.Sources {
		fmt.Fprintln(&b)
		x.text(&b, style)
	}
	if len(r.Files) > 0 {
		fmt.Fprintf(&b, "\n%s\n", style.Bold("files with secrets"))
	}
	for _, f := range r.Files {
		text := fmt.Sprintf("%s (%s) has mode %s: %s may read it. %s", f.File, f.Field, f.Mode, f.By, f.Hint)
		_ = style.Paragraph(&b, fmt.Sprintf("  %-10s ", "WARNING"), reports.Terminal(text))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// sentence is the answer in one line.
func (r *Report) sentence() string {
	needy := r.needy()
	warned, untold, paused := len(r.Files), 0, 0
	for _, x := range r.Sources {
		warned += len(x.Warnings)
		switch {
		case x.Paused != "":
			paused++
		case x.Verdict == Unasked:
			untold++
		}
	}
	s := fmt.Sprintf("%s read in full", allOf(len(r.Sources)-len(needy)-untold-paused, len(r.Sources), "source"))
	for i, x := range needy {
		switch {
		case i == 3:
			s += fmt.Sprintf("; %d more %s", len(needy)-i, verb(len(needy)-i))
		case i > 3:
		case x.Verdict == Partly:
			s += fmt.Sprintf("; %s cannot read %s", x.Source, x.firstMissing())
		case x.Verdict == Unusable:
			s += fmt.Sprintf("; %s cannot be used", x.Source)
		default:
			s += fmt.Sprintf("; %s is not reached", x.Source)
		}
	}
	if untold > 0 {
		s += fmt.Sprintf("; %d cannot be examined", untold)
	}
	if paused > 0 {
		s += fmt.Sprintf("; %d paused", paused)
	}
	if warned > 0 {
		s += "; " + reports.Count(warned, "warning")
	}
	return s + "."
}

func allOf(n, all int, what string) string {
	switch {
	case n == all && n == 1:
		return "The one " + what + " is"
	case n == all:
		return fmt.Sprintf("All %d %ss are", n, what)
	case n == 1:
		return fmt.Sprintf("1 of %d %ss is", all, what)
	}
	return fmt.Sprintf("%d of %d %ss are", n, all, what)
}

func (x *Examined) firstMissing() string {
	n := 0
	first := ""
	for _, r := range x.Rights {
		if r.Access == collectors.Missing {
			if n++; n == 1 {
				first = r.Name
			}
		}
	}
	if n > 1 {
		return fmt.Sprintf("%s and %d more", first, n-1)
	}
	return first
}

// words are what people read for each answer.
var words = map[collectors.Access]string{
	collectors.Readable: "reads", collectors.Missing: "MISSING", collectors.Absent: "not there", collectors.Excess: "TOO MUCH", collectors.Untold: "not told",
}

func (x *Examined) text(b *strings.Builder, style reports.Style) {
	head := fmt.Sprintf("%s  %s", x.Source, strings.ReplaceAll(string(x.Verdict), "-", " "))
	for _, more := range []string{x.Version, prefixed("as ", x.Identity), prefixed("paused: ", x.Paused)} {
		if more != "" {
			head += "  " + more
		}
	}
	switch x.Verdict {
	case Unreached, Unusable, Partly:
		fmt.Fprintln(b, style.Bad(reports.Terminal(head)))
	default:
		fmt.Fprintln(b, style.Bold(reports.Terminal(head)))
	}
	line := func(label, text string) {
		_ = style.Paragraph(b, fmt.Sprintf("  %-10s ", label), reports.Terminal(text))
	}
	if x.Why != "" {
		line("why", x.Why)
	}
	if x.Hint != "" {
		line("hint", x.Hint)
	}
	for _, warning := range x.Warnings {
		line("WARNING", warning)
	}
	for _, r := range x.Rights {
		text := r.Name
		if len(r.Kinds) > 0 && r.Access != collectors.Excess {
			text += " (" + joined(r.Kinds) + ")"
		}
		if r.Hint != "" && r.Access != collectors.Readable {
			text += ": " + r.Hint
		}
		line(words[r.Access], text)
	}
	if x.Expires != nil {
		line("credential", "ends "+reports.Stamp(*x.Expires, style.Zone))
	}
	if x.OffsetMS != nil {
		line("clock", off(time.Duration(*x.OffsetMS)*time.Millisecond))
	}
	for _, o := range x.Oldest {
		text := o.What + ": nothing there"
		if o.At != nil {
			text = o.What + ": since " + reports.Stamp(*o.At, style.Zone)
		}
		if o.Kept != "" {
			text += " (" + o.Kept + ")"
		}
		line("oldest", text)
	}
	if x.Requests > 0 {
		line("asked", reports.Count(x.Requests, "request"))
	}
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func joined(ks []evidence.Kind) string {
	ss := make([]string, len(ks))
	for i, k := range ks {
		ss[i] = string(k)
	}
	return strings.Join(ss, ", ")
}

// off says how a source's clock stands to ours.
func off(d time.Duration) string {
	switch {
	case d.Abs() < 1500*time.Millisecond: // Date headers have whole seconds
		return "agrees with ours"
	case d > 0:
		return short(d) + " ahead of ours"
	}
	return short(-d) + " behind ours"
}

// short spells a duration without seconds that are none.
func short(d time.Duration) string {
	s := d.Round(time.Second).String()
	if rest, ok := strings.CutSuffix(s, "m0s"); ok {
		s = rest + "m"
	}
	return s
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func verb(n int) string {
	if n == 1 {
		return "needs somebody"
	}
	return "need somebody"
}
