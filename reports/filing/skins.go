package filing

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"evidenced/evidence"
	"evidenced/mappings/deadline"
	"evidenced/reports"
)

// CSVHeader names the columns of CSV.
var CSVHeader = []string{"number", "field", "need", "value", "open", "property", "set_by", "evidence"}

// CSV writes a row for each field, by its number, for portals and forms that
// are filled by hand.
func (f *Filing) CSV(w io.Writer) error {
	rows := [][]string{CSVHeader}
	for i := range f.Fields {
		x := &f.Fields[i]
		rows = append(rows, []string{x.Number, x.Name, x.Need, reports.CSV(Words(x.Value)), f.openBecause(x.Number, x.Name), x.Property, numbers(x.Set), numbers(x.Evidence)})
	}
	return csv.NewWriter(w).WriteAll(rows)
}

func (f *Filing) openBecause(number, name string) string {
	for _, o := range f.Open {
		if o.Number == number && o.Name == name {
			return o.Why
		}
	}
	return ""
}

// recordsOf names records in a sentence.
func recordsOf(seqs []uint64) string {
	if len(seqs) == 1 {
		return "record " + numbers(seqs)
	}
	return "records " + strings.ReplaceAll(numbers(seqs), " ", ", ")
}

func numbers(seqs []uint64) string {
	var out []string
	for _, s := range seqs {
		out = append(out, strconv.FormatUint(s, 10))
	}
	return strings.Join(out, " ")
}

// Text writes the filing for people at a terminal.
func (f *Filing) Text(w io.Writer, style reports.Style) error {
	p := &lines{reports.NewPage(w, style)}
	p.head(style.Bold, "%s of %s, for %s (%s)", f.Stage, reports.Terminal(f.Incident), f.Tenant, f.Article)
	p.head(reports.Plain, "%s; as known at log size %d", f.Says, f.Size)
	if f.Demo {
		p.head(style.Bad, "%s", reports.Demonstration)
	}
	p.put("")
	group, numbers := "", 6
	for i := range f.Fields {
		numbers = max(numbers, len(f.Fields[i].Number))
	}
	for i := range f.Fields {
		x := &f.Fields[i]
		value, mark, paint := reports.Terminal(Words(x.Value)), " ", reports.Plain
		if x.Value == nil {
			why := f.openBecause(x.Number, x.Name)
			if why == "" {
				continue
			}
			value, mark, paint = "OPEN: "+why, "!", style.Warn
		}
		if g := f.part(x.Number); g != group {
			if group != "" {
				p.put("")
			}
			group = g
		}
		name := max(16, min(42, style.Columns()-40-numbers)) // a narrow terminal leaves room for the values
		number := fmt.Sprintf("%s%-*s ", mark, numbers, x.Number)
		names := reports.Wrap(x.Name, name)
		values := reports.Wrap(value, max(30, style.Columns()-len(number)-name-1))
		for k := range max(len(names), len(values)) {
			var l, v string
			if k < len(names) {
				l = names[k]
			}
			if k < len(values) {
				v = paint(values[k])
			}
			l += strings.Repeat(" ", max(0, name-reports.TextWidth(l)))
			p.put("%s", strings.TrimRight(number+l+" "+v, " "))
			number = strings.Repeat(" ", len(number))
		}
	}
	p.put("")
	for _, c := range f.Checks {
		p.head(reports.Plain, "%-8s %-5s %s", strings.ToUpper(c.Grade), c.Number, reports.Terminal(c.Says))
	}
	p.head(reports.Plain, "%s open, %s. The entity decides, submits and stays responsible; no authority's acceptance is promised.", reports.Count(len(f.Open), "item"), checkCount(f.Checks))
	p.head(reports.Plain, "copy %s, made %s", f.Copy, evidence.FormatTime(f.Made))
	return p.Err()
}

func checkCount(cs []Check) string {
	errs := 0
	for _, c := range cs {
		if c.Grade == Error {
			errs++
		}
	}
	return fmt.Sprintf("%s, %s", reports.Count(errs, "error"), reports.Count(len(cs)-errs, "warning"))
}

// lines writes a page by formats.
type lines struct{ *reports.Page }

// head writes a sentence, wrapped to a terminal.
func (l *lines) head(paint func(string) string, format string, args ...any) {
	l.Head(paint, fmt.Sprintf(format, args...))
}

func (l *lines) put(format string, args ...any) { l.Line(fmt.Sprintf(format, args...)) }

// groupTitles name the parts of the annexes to 2025/302.
var groupTitles = map[string]string{
	"1": "General information", "2": "Initial notification", "3": "Intermediate report", "4": "Final report",
	"who": "Who notifies", "threat": "The cyber threat",
}

// part is where a field stands: the chapter of the annex, or which half of a
// threat's template.
func (f *Filing) part(number string) string {
	if f.Stage == deadline.DORAThreat {
		if n, err := strconv.Atoi(number); err == nil && n >= 12 {
			return "threat"
		}
		return "who"
	}
	head, _, _ := strings.Cut(number, ".")
	return head
}

// Document returns the filing as a document of numbered fields, to be drawn.
func (f *Filing) Document(program string) *reports.FormDoc {
	d := &reports.FormDoc{
		Title: fmt.Sprintf("%s, incident %s", f.Stage, f.Incident), Lead: f.Says + " (" + f.Article + ")", Owner: f.Tenant.String(), Program: program, Generated: f.Made,
		Facts: [][2]string{
			{"Incident", f.Incident}, {"Made", evidence.FormatTime(f.Made)}, {"As known at", fmt.Sprintf("log size %d of %s", f.Size, f.Origin)}, {"Copy (SHA-256)", f.Copy.String()},
		},
		Marks: f.marks(), Foot: foot,
	}
	for _, c := range f.Checks {
		d.Checks = append(d.Checks, reports.FormCheck{Number: c.Number, Bad: c.Grade == Error, Says: c.Says})
	}
	for i := range f.Fields {
		x := &f.Fields[i]
		title, ok := groupTitles[f.part(x.Number)]
		if !ok || f.Law != deadline.DORA {
			title = "What the article asks for"
		}
		if n := len(d.Groups); n == 0 || d.Groups[n-1].Title != title {
			d.Groups = append(d.Groups, reports.FormGroup{Title: title})
		}
		row := reports.FormRow{Number: x.Number, Name: x.Name, Value: Words(x.Value)}
		if x.Value == nil {
			row.Open = f.openBecause(x.Number, x.Name)
			if row.Open == "" && x.Need == "not asked for" {
				continue
			}
			row.Why = x.Why
		}
		if len(x.Evidence) > 0 {
			row.From = "filled from " + recordsOf(x.Evidence)
		} else if len(x.Set) > 0 {
			row.From = "set by " + recordsOf(x.Set)
		}
		g := &d.Groups[len(d.Groups)-1]
		g.Rows = append(g.Rows, row)
	}
	d.Groups = slices.DeleteFunc(d.Groups, func(g reports.FormGroup) bool { return len(g.Rows) == 0 })
	return d
}
