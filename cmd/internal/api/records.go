package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/reports"
)

// RecordsParams ask for records. Without a period all are meant.
type RecordsParams struct {
	Common
	Span
	Kinds    []string `json:"kinds,omitempty"`
	Source   string   `json:"source,omitempty"`
	Subject  string   `json:"subject,omitempty"`
	Link     string   `json:"link,omitempty"`
	Person   string   `json:"person,omitempty"`
	Seqs     []uint64 `json:"seqs,omitempty"` // these records alone, all claims opened
	ByLog    bool     `json:"by_log,omitempty"`
	Backward bool     `json:"backward,omitempty"`
	Limit    int      `json:"limit,omitempty"`
	Raw      bool     `json:"raw,omitempty"`
}

// filter is what records and timelines may be narrowed by.
type filter struct {
	kinds         []evidence.Kind
	source        evidence.SourceID
	subject, link evidence.Ref
	person        evidence.ID
}

func parseFilter(kinds []string, source, link, person string) (f filter, err error) {
	for _, k := range kinds {
		if _, ok := evidence.KindInfo(evidence.Kind(k)); !ok {
			return f, problem.New(problem.Usage, "there is no kind of record %q", k).WithHint("there are %s", kindNames())
		}
		f.kinds = append(f.kinds, evidence.Kind(k))
	}
	if f.source = evidence.SourceID(source); source != "" && !f.source.Valid() {
		return f, problem.New(problem.Usage, "%q is no source name", source).WithHint("give it as configured, such as vault/prod")
	}
	if link != "" {
		if f.link, err = evidence.ParseRef(link); err != nil {
			return f, problem.Wrap(problem.Usage, err, "--link").WithHint("give a reference as records show it, such as commit:/OBJECT-ID")
		}
	}
	if person != "" {
		if f.person, err = evidence.ParseID(person); err != nil {
			return f, problem.Wrap(problem.Usage, err, "--person").WithHint("give the person's token as records show it")
		}
	}
	return f, nil
}

// knownSource refuses the name of a source that never told the log anything and
// never looked: "no records" of a name with a slip in it would read as if
// nothing had happened.
// It asks before the log is opened for the answer: a question that is refused
// is no read.
func (c *call) knownSource(ctx context.Context, t evidence.Tenant, source evidence.SourceID) error {
	if source == "" {
		return nil
	}
	r, err := c.Reader(ctx, t)
	if err != nil {
		return err
	}
	for _, err := range r.Records(ctx, evidence.Query{Source: source, Limit: 1}) {
		return err
	}
	names := map[string]bool{}
	for rec, err := range r.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.CollectionCoverage}}) {
		if err != nil {
			return err
		}
		var f evidence.CoverageFacts
		if err := rec.Decode(&f); err != nil {
			return err
		}
		if f.Source == source {
			return nil
		}
		names[string(f.Source)] = true
	}
	e := problem.New(problem.NotFound, "the log of %s knows no source %s", r.Tenant(), source)
	if len(names) == 0 {
		return e.WithHint("no source has looked at %s yet", r.Tenant())
	}
	return e.WithHint("there are %s", strings.Join(slices.Sorted(maps.Keys(names)), ", "))
}

func kindNames() string {
	var names []string
	for _, i := range evidence.Kinds() {
		names = append(names, string(i.Kind))
	}
	return strings.Join(names, ", ")
}

func records(ctx context.Context, c *call) error {
	var p RecordsParams
	if err := c.decode(&p); err != nil {
		return err
	}
	q, err := c.question(ctx, p.Common)
	if err != nil {
		return err
	}
	f, err := parseFilter(p.Kinds, p.Source, p.Link, p.Person)
	if err != nil {
		return err
	}
	if p.Subject != "" {
		if f.subject, err = evidence.ParseRef(p.Subject); err != nil {
			return problem.Wrap(problem.Usage, err, "--subject").WithHint("give a reference as records show it")
		}
	}
	if p.Limit < 0 {
		return problem.New(problem.Usage, "--limit %d", p.Limit).WithHint("give a number from 1, or 0 for all")
	}
	var period evidence.Period
	if !p.Span.isZero() {
		if period, err = q.period(p.Span); err != nil {
			return err
		}
	}
	if err := c.knownSource(ctx, q.tenant, f.source); err != nil {
		return err
	}
	r, err := c.open(ctx, q, period, p.Purpose)
	if err != nil {
		return err
	}
	seq := r.Records(ctx, evidence.Query{
		Kinds: f.kinds, Source: f.source, Period: period, Subject: f.subject, Link: f.link, Person: f.person,
		BySeq: p.ByLog, Backward: p.Backward, Limit: p.Limit, WithText: true, WithRaw: p.Raw,
	})
	if len(p.Seqs) > 0 {
		seq = bySeqs(ctx, r, p.Seqs)
	}
	if p.JSON {
		return recordLines(ctx, c.begin(MediaLines), r, seq)
	}
	return recordTable(ctx, c.begin(MediaText), r, seq, q.style)
}

func bySeqs(ctx context.Context, r evidence.Reader, seqs []uint64) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		for _, n := range seqs {
			if n >= r.Size() {
				yield(evidence.Record{}, problem.New(problem.NotFound, "%s has no record %d", r.Tenant(), n).
					WithHint("its log has %s", reports.Count(int(r.Size()), "record")))
				return
			}
			rec, err := r.Record(ctx, n)
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// OpenRecord is one line of evidenced records --json: the record with its
// claims opened and the people named.
type OpenRecord struct {
	Tenant evidence.Tenant `json:"tenant"`
	Demo   bool            `json:"demonstration,omitempty"`
	evidence.Record
	Who  []reports.Person `json:"who,omitempty"`
	Text string           `json:"text,omitempty"`
	Raw  []byte           `json:"raw,omitempty"` // base64
}

func recordLines(ctx context.Context, w io.Writer, r evidence.Reader, seq iter.Seq2[evidence.Record, error]) error {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	people := reports.NewPeople(r)
	for rec, err := range seq {
		if err != nil {
			return flushed(b, err)
		}
		who, err := people.All(ctx, &rec)
		if err != nil {
			return flushed(b, err)
		}
		line := OpenRecord{Tenant: r.Tenant(), Demo: r.Simulated(), Record: rec, Who: who, Text: string(rec.Text), Raw: rec.Raw}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return b.Flush()
}

// flushed writes what is there and returns err.
func flushed(b *bufio.Writer, err error) error {
	if ferr := b.Flush(); ferr != nil {
		return ferr
	}
	return err
}

func recordTable(ctx context.Context, w io.Writer, r evidence.Reader, seq iter.Seq2[evidence.Record, error], style reports.Style) error {
	b := bufio.NewWriter(w)
	p, people := reports.NewPage(b, style), reports.NewPeople(r)
	if r.Simulated() {
		p.Head(style.Bad, reports.Demonstration)
		p.Line("")
	}
	n := 0
	for rec, err := range seq {
		if err != nil {
			return flushed(b, err)
		}
		if n++; n == 1 {
			recordRow(p, style.Dim, "RECORD", "OCCURRED (UTC)", "KIND", "OP", "SUBJECT, PEOPLE, TEXT")
		}
		who, err := people.All(ctx, &rec)
		if err != nil {
			return flushed(b, err)
		}
		recordRow(p, reports.Plain, fmt.Sprint(rec.Seq), rec.Occurred.UTC().Format("2006-01-02T15:04:05.000Z"), string(rec.Kind), string(rec.Op), recordSays(&rec, who))
	}
	p.Para("", fmt.Sprintf("%s of %s, log size %s; --json opens them", reports.Count(n, "record"), r.Tenant(), reports.Number(int64(r.Size()))))
	return flushed(b, p.Err())
}

// recordRow writes one row of a list that is too long to be measured first. What
// a record says stands beside its kind or, on a narrow terminal, below it.
func recordRow(p *reports.Page, paint func(string) string, seq, occurred, kind, op, says string) {
	head := fmt.Sprintf("%7s  %-24s %-20s %-5s", seq, occurred, kind, op)
	if p.Style.Width > 0 && p.Style.Columns() < len(head)+36 {
		p.PaintedPara("", paint, strings.TrimRight(head, " "))
		p.PaintedPara("    ", paint, says)
		return
	}
	p.PaintedPara(paint(head+"  "), paint, says)
}

// recordSays is what a record is about, who is in it and what it quotes.
func recordSays(rec *evidence.Record, who []reports.Person) string {
	parts := []string{rec.Subject.String()}
	var names []string
	for _, p := range who {
		name := fmt.Sprintf("%s %s (%s)", p.Role, p.Label, p.Proof)
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		parts = append(parts, strings.Join(names, ", "))
	}
	if len(rec.Text) > 0 {
		parts = append(parts, `"`+reports.FirstLine(string(rec.Text), 60)+`"`)
	}
	for _, name := range slices.Sorted(maps.Keys(rec.Closed)) {
		parts = append(parts, fmt.Sprintf("%s closed: %s", name, rec.Closed[name]))
	}
	return strings.Join(parts, "  ")
}
