package trace

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/lineage"
	"evidenced/reports"
)

// Text writes the answer for people: the first line is the answer, then every
// thing with what it leads to and the records that say so.
func (a *Answer) Text(w io.Writer, style reports.Style) error {
	p := &printer{reports.NewPage(w, style)}
	paint := style.Bold
	if len(a.Missing) > 0 {
		paint = style.Warn
	}
	if len(a.Links) == 0 {
		paint = style.Bad
	}
	p.Sentence(paint, a.Sentence, a.Demo)
	p.Line("")
	from := map[string][]*lineage.Link{}
	for i := range a.Links {
		from[a.Links[i].From] = append(from[a.Links[i].From], &a.Links[i])
	}
	for i := range a.Items {
		p.item(a, &a.Items[i], from[a.Items[i].ID])
	}
	for i := range a.Missing {
		if i == 0 {
			p.Line("")
		}
		p.missing(a, &a.Missing[i])
	}
	p.Line("")
	for _, l := range a.Limits {
		p.PaintedPara("CUT        ", style.Warn, l)
	}
	p.Para("RECORDS    ", fmt.Sprintf("%s; as known at log size %d", a.cited(), a.Size))
	return p.Err()
}

// printer writes the answer in lines.
type printer struct{ *reports.Page }

const stageWidth = 20

func (p *printer) item(a *Answer, it *Item, links []*lineage.Link) {
	mark := "  "
	paint := reports.Plain
	switch {
	case it.Start:
		mark, paint = "> ", p.Style.Bold
	case it.Beside:
		paint = p.Style.Dim
	}
	p.PaintedPara(fmt.Sprintf("%s%-*s ", mark, stageWidth, strings.ToUpper(string(it.Stage))), paint, a.describe(it))
	for _, l := range links {
		text := string(l.Step) + " " + a.item(l.To).name()
		switch l.Proof {
		case lineage.ByClaim:
			text += " (claimed)"
		case lineage.ByName:
			text += " (by name)"
		case lineage.ByOrder:
			text += " (it landed later on the same branch)"
		}
		p.PaintedPara(strings.Repeat(" ", stageWidth+3)+"- ", p.Style.Dim, text+a.spans(l.Spans)+": "+because(l))
	}
}

// name is what a thing is called beside others: its stage and its title, unless
// the title says what it is by itself ("sync of argocd/web").
func (it *Item) name() string {
	stage := string(it.Stage)
	if it.Title == stage || strings.HasPrefix(it.Title, stage+" ") || strings.HasPrefix(it.Title, stage+".") || it.Stage == lineage.SBOM {
		return it.Title
	}
	return stage + " " + it.Title
}

// describe says a thing on one line: title, what it is, who, when, where it is
// recorded.
func (a *Answer) describe(it *Item) string {
	parts := []string{it.Title}
	if it.Detail != "" {
		parts = append(parts, it.Detail)
	}
	for _, p := range it.People {
		proof := ""
		if p.Proof == evidence.ProofClaimed {
			proof = " (claimed)"
		}
		parts = append(parts, string(p.Role)+" "+p.Label+proof)
	}
	if !it.Time.IsZero() {
		parts = append(parts, reports.Stamp(it.Time, a.zone))
	}
	if s := a.spans(it.Spans); s != "" && it.Time.IsZero() {
		parts = append(parts, strings.TrimSpace(s))
	}
	if len(it.Records) > 0 {
		parts = append(parts, recordWord(len(it.Records))+seqs(it.Records))
	}
	return strings.Join(parts, ", ")
}

func recordWord(n int) string {
	if n == 1 {
		return "record "
	}
	return "records "
}

func seqs(list []uint64) string {
	up := make([]uint64, len(list))
	for i, s := range list {
		up[len(list)-1-i] = s
	}
	return reports.Seqs(up, 4)
}

// because names the records that make a link, and their fields.
func because(l *lineage.Link) string {
	if len(l.Because) == 0 {
		return "the same thing, by its name"
	}
	var parts []string
	for _, c := range l.Because {
		parts = append(parts, fmt.Sprintf("record %d (%s) %s", c.Seq, c.Kind, c.Field))
	}
	s := strings.Join(parts, ", ")
	if l.More > 0 {
		s += fmt.Sprintf(" and %d more", l.More)
	}
	return s
}

// common reports whether all links hold at the same time, this one: then the
// sentence says it once.
func (a *Answer) common(list []lineage.Span) bool {
	for _, l := range a.Links {
		if !slices.Equal(l.Spans, list) {
			return false
		}
	}
	return len(a.Links) > 0
}

// spans says when something held, where that is not all of what was asked
// about.
func (a *Answer) spans(list []lineage.Span) string {
	if a.common(list) {
		return ""
	}
	var parts []string
	for i, s := range list {
		if i == 3 {
			parts = append(parts, fmt.Sprintf("and %d more", len(list)-3))
			break
		}
		switch {
		case s.From.IsZero():
			parts = append(parts, "until "+reports.Stamp(s.To, nil))
		case s.To.IsZero():
			parts = append(parts, "from "+reports.Stamp(s.From, nil)+" on")
		case s.To.Sub(s.From) <= 1:
			parts = append(parts, "at "+reports.Stamp(s.From, nil))
		default:
			parts = append(parts, reports.Span(s.From, s.To))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " [" + strings.Join(parts, "; ") + "]"
}

var whyWords = map[lineage.Why]string{
	lineage.NoRecord: "no record", lineage.NotObserved: "not observed", lineage.NotConfigured: "not configured", lineage.Ambiguous: "ambiguous",
}

func (p *printer) missing(a *Answer, m *lineage.Missing) {
	it := a.item(m.Node)
	text := fmt.Sprintf("%s: %s: %s", it.name(), m.What, m.Says)
	if !strings.HasPrefix(m.Says, whyWords[m.Why]) {
		text = fmt.Sprintf("%s: %s: %s: %s", it.name(), m.What, whyWords[m.Why], m.Says)
	}
	for i, id := range m.Among {
		if i == 0 {
			text += ":"
		}
		text += " " + id
	}
	p.PaintedPara("MISSING    ", p.Style.Warn, text)
}

// cited lists the records the answer stands on, by kind.
func (a *Answer) cited() string {
	var parts []string
	for _, k := range evidence.Kinds() {
		if s := a.Records[k.Kind]; len(s) > 0 {
			parts = append(parts, string(k.Kind)+" "+reports.Seqs(s, 6))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, "; ")
}
