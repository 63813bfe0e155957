package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// unit says how a number reads.
type unit string

// The units.
const (
	perSecond unit = "/s"
	inSeconds unit = "s"
	inBytes   unit = "B"
	asTimes   unit = "x"
	asCount   unit = ""
)

// figure is one row: what was measured, the machine's limit beside it, and
// what is wanted.
type figure struct {
	Name     string  `json:"name"` // section/what; docs/benchmarks.md has a row for each
	Measured float64 `json:"measured"`
	Unit     unit    `json:"unit"`
	Limit    float64 `json:"limit,omitempty"` // same unit
	LimitOf  string  `json:"limit_of,omitempty"`
	Ratio    float64 `json:"ratio,omitempty"`
	Wanted   string  `json:"wanted,omitempty"`
	Reached  *bool   `json:"reached,omitempty"` // nil: nothing is wanted
	Note     string  `json:"note,omitempty"`
}

// atLeast and atMost judge the measured number, ratioAtLeast the ratio.
func (f figure) atLeast(v float64) figure {
	return f.judge(">= "+show(v, f.Unit), f.Measured >= v)
}

func (f figure) atMost(v float64) figure {
	return f.judge("<= "+show(v, f.Unit), f.Measured <= v)
}

func (f figure) ratioAtLeast(v float64) figure {
	return f.judge(fmt.Sprintf("ratio >= %.2f", v), f.Ratio >= v)
}

func (f figure) judge(wanted string, ok bool) figure {
	f.Wanted, f.Reached = wanted, &ok
	return f
}

func (f figure) against(b beside, of string) figure {
	f.Measured, f.Limit, f.Ratio, f.LimitOf = b.measured, b.limit, b.ratio, of
	return f
}

// share is a part of the CPU time of an appended record.
type share struct {
	Stage  string  `json:"stage"`
	Micros float64 `json:"us_per_record"` // CPU time, both cores together
	Part   float64 `json:"part"`          // of the whole
}

// bound is the most that the CPU time of some stages allows: records a second
// when every core does nothing else all the time.
type bound struct {
	Of     string  `json:"of"`
	Micros float64 `json:"us_per_record"`
	Most   float64 `json:"records_per_second"`
	Ratio  float64 `json:"ratio"` // of it to the plain file of the same run
}

// breakdown says where the CPU time of one way to append goes, and how fast
// that lets it be.
type breakdown struct {
	Of      string  `json:"of"`
	Records int     `json:"records"`
	Shares  []share `json:"shares"`

	Plain  float64 `json:"plain_file,omitempty"` // records a second, measured beside it
	Wanted float64 `json:"wanted,omitempty"`     // ratio to the plain file
	Bounds []bound `json:"bounds,omitempty"`
}

// told is a bound in words.
func (b bound) told(d breakdown) string {
	word := "within"
	if b.Ratio < d.Wanted {
		word = "out of"
	}
	return fmt.Sprintf("%s: %.2f us, at most %s on all cores, %.2f of the plain file's %s: %.2f is %s its reach",
		b.Of, b.Micros, show(b.Most, perSecond), b.Ratio, show(d.Plain, perSecond), d.Wanted, word)
}

// report is all that one run has to say.
type report struct {
	Machine    machine       `json:"machine"`
	Begun      time.Time     `json:"begun"`
	Took       time.Duration `json:"took_ns"`
	Records    int           `json:"records"`
	Rounds     int           `json:"rounds"`
	Figures    []figure      `json:"figures"`
	Breakdowns []breakdown   `json:"breakdowns,omitempty"`
}

func (r *report) add(fs ...figure) { r.Figures = append(r.Figures, fs...) }

func (r *report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

var heading = []string{"figure", "measured", "limit", "ratio", "wanted", "reached", "note"}

func (f figure) cells() []string {
	c := []string{f.Name, show(f.Measured, f.Unit), "-", "-", "-", "-", f.Note}
	if f.Limit != 0 {
		c[2] = show(f.Limit, f.Unit) + " " + f.LimitOf
	}
	if f.Ratio != 0 {
		c[3] = fmt.Sprintf("%.2f", f.Ratio)
	}
	if f.Reached != nil {
		c[4], c[5] = f.Wanted, map[bool]string{true: "yes", false: "NO"}[*f.Reached]
	}
	return c
}

func (r *report) summary() string {
	return fmt.Sprintf("%s records in the large log, medians of %d rounds, %s, took %s",
		thousands(r.Records), r.Rounds, r.Begun.Format("2 Jan 2006 15:04 UTC"), r.Took.Round(time.Second))
}

func (r *report) text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n\n", r.Machine, r.summary())
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(heading, "\t"))
	for _, f := range r.Figures {
		fmt.Fprintln(t, strings.TrimRight(strings.Join(f.cells(), "\t"), "\t"))
	}
	t.Flush()
	for _, d := range r.Breakdowns {
		fmt.Fprintf(&b, "\nCPU time of a record, %s (%s records)\n", d.Of, thousands(d.Records))
		for _, s := range d.Shares {
			fmt.Fprintf(t, "  %s\t%.2f us\t%.0f %%\n", s.Stage, s.Micros, 100*s.Part)
		}
		t.Flush()
		for _, w := range d.Bounds {
			fmt.Fprintf(&b, "  %s\n", w.told(d))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// markdown prints what stands in docs/benchmarks.md below its mark.
func (r *report) markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n\n%s.\n\n", r.Machine, strings.ToUpper(r.summary()[:1])+r.summary()[1:])
	row := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	row(heading)
	row([]string{"---", "--:", "--:", "--:", "---", "---", "---"})
	for _, f := range r.Figures {
		c := f.cells()
		c[0] = "`" + c[0] + "`"
		row(c)
	}
	for _, d := range r.Breakdowns {
		fmt.Fprintf(&b, "\nCPU time of a record, %s (%s records):\n\n", d.Of, thousands(d.Records))
		row([]string{"stage", "us", "part"})
		row([]string{"---", "--:", "--:"})
		for _, s := range d.Shares {
			row([]string{s.Stage, fmt.Sprintf("%.2f", s.Micros), fmt.Sprintf("%.0f %%", 100*s.Part)})
		}
		for i, w := range d.Bounds {
			if i == 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "- %s.\n", w.told(d))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// show prints three digits of a number in the unit's natural size.
func show(v float64, u unit) string {
	scaled := func(steps []string, by float64) string {
		i := 0
		for v >= by*0.9995 && i < len(steps)-1 {
			v, i = v/by, i+1
		}
		return digits3(v) + steps[i]
	}
	switch u {
	case perSecond:
		return scaled([]string{"", "k", "M", "G"}, 1000) + "/s"
	case inBytes:
		return scaled([]string{" B", " KiB", " MiB", " GiB"}, 1024)
	case asTimes:
		return digits3(v) + "x"
	case inSeconds:
		switch {
		case v < 0.9995e-6:
			return digits3(v*1e9) + " ns"
		case v < 0.9995e-3:
			return digits3(v*1e6) + " us"
		case v < 0.9995:
			return digits3(v*1e3) + " ms"
		}
		return digits3(v) + " s"
	}
	return digits3(v)
}

func digits3(v float64) string {
	switch {
	case v == float64(int(v)), v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// thousands prints 1000000 as 1,000,000.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
