package api

import (
	"context"
	"fmt"
	"time"

	"evidenced/cmd/internal/cli"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/reports"
	"evidenced/reports/coverage"
	"evidenced/reports/pdf"
	"evidenced/reports/ran"
	"evidenced/reports/timeline"
)

// TenantsParams ask for the tenants.
type TenantsParams struct {
	JSON bool `json:"json,omitempty"`
}

func tenants(ctx context.Context, c *call) error {
	var p TenantsParams
	if err := c.decode(&p); err != nil {
		return err
	}
	all, err := c.Tenants(ctx)
	if err != nil {
		return err
	}
	stopped := map[string]string{}
	for _, t := range all {
		if why := c.Stopped(ctx, t); why != "" {
			stopped[t.String()] = why
		}
	}
	if p.JSON {
		doc := map[string]any{"tenants": all}
		if len(stopped) > 0 {
			doc["stopped"] = stopped
		}
		return c.document(doc)
	}
	for _, t := range all {
		line := t.String()
		if why := stopped[line]; why != "" {
			line += "  STOPPED: " + reports.Terminal(why)
		}
		fmt.Fprintln(c.begin(MediaText), line)
	}
	return nil
}

// RanParams ask what ran in a tenant, or, with Image, who ran an image.
type RanParams struct {
	Common
	At     string `json:"at"`
	Window string `json:"window,omitempty"` // around the instant; "" is one hour
	Image  string `json:"image,omitempty"`  // digest; without a tenant all are asked
}

func whatRan(ctx context.Context, c *call) error {
	var p RanParams
	if err := c.decode(&p); err != nil {
		return err
	}
	if p.Image != "" {
		return whoRanImage(ctx, c, p)
	}
	q, err := c.question(ctx, p.Common)
	if err != nil {
		return err
	}
	if p.At == "" {
		return problem.New(problem.Usage, "no time is given").WithHint("give --at, such as --at %q", cli.TimeForms[2][1:17])
	}
	at, err := cli.ParseTime(p.At, q.now, q.zone)
	if err != nil {
		return err
	}
	if at.After(q.now) {
		return problem.New(problem.Usage, "%s lies ahead: it is %s", cli.SayTime(at, q.zone), cli.SayTime(q.now, q.zone)).
			WithHint("ask for a time that has passed")
	}
	window := time.Hour
	if p.Window != "" {
		if window, err = cli.ParseSpan(p.Window); err != nil {
			return err
		}
	}
	r, err := c.open(ctx, q, evidence.Period{From: at.Add(-window / 2), To: at.Add(window / 2)}, p.Purpose)
	if err != nil {
		return err
	}
	a, err := ran.Build(ctx, r, at, ran.Options{Window: window, Zone: q.zone})
	if err != nil {
		return err
	}
	if p.JSON {
		return c.document(a)
	}
	return a.Text(c.begin(MediaText), q.style)
}

// TimelineParams ask for a timeline.
type TimelineParams struct {
	Common
	Span
	Kinds  []string `json:"kinds,omitempty"`
	Source string   `json:"source,omitempty"`
	Link   string   `json:"link,omitempty"`
	Person string   `json:"person,omitempty"`
	CSV    bool     `json:"csv,omitempty"`
	HTML   bool     `json:"html,omitempty"`
	PDF    bool     `json:"pdf,omitempty"`
	Each   bool     `json:"each,omitempty"` // every record by itself, also in text, HTML and PDF
}

func tellTimeline(ctx context.Context, c *call) error {
	var p TimelineParams
	if err := c.decode(&p); err != nil {
		return err
	}
	q, period, err := c.questionOver(ctx, p.Common, p.Span, "")
	if err != nil {
		return err
	}
	f, err := parseFilter(p.Kinds, p.Source, p.Link, p.Person)
	if err != nil {
		return err
	}
	if err := c.knownSource(ctx, q.tenant, f.source); err != nil {
		return err
	}
	r, err := c.open(ctx, q, period, p.Purpose)
	if err != nil {
		return err
	}
	opt := timeline.Options{Kinds: f.kinds, Source: f.source, Link: f.link, Person: f.person, Now: q.now}
	lines := timeline.Build(ctx, r, period, opt)
	switch {
	case p.JSON:
		return timeline.JSON(c.begin(MediaLines), lines)
	case p.CSV:
		return timeline.CSV(c.begin(MediaCSV), lines)
	}
	if !p.Each {
		lines = timeline.Group(lines)
	}
	switch {
	case p.HTML:
		return timeline.HTML(c.begin(MediaHTML), timeline.HeadOf(r, period), lines)
	case p.PDF:
		doc, err := timeline.Document(timeline.HeadOf(r, period), opt, lines, timeline.DocumentLines, "evidenced", q.now)
		if err != nil {
			return err
		}
		return pdf.Timeline(c.begin(MediaPDF), doc)
	}
	return timeline.Text(c.begin(MediaText), timeline.HeadOf(r, period), lines, q.style)
}

// CoverageParams ask what was seen.
type CoverageParams struct {
	Common
	Span
}

func tellCoverage(ctx context.Context, c *call) error {
	var p CoverageParams
	if err := c.decode(&p); err != nil {
		return err
	}
	q, period, err := c.questionOver(ctx, p.Common, p.Span, "7d")
	if err != nil {
		return err
	}
	r, err := c.open(ctx, q, period, p.Purpose)
	if err != nil {
		return err
	}
	chart, err := coverage.Build(ctx, r, q.passed(period))
	if err != nil {
		return err
	}
	if p.JSON {
		return c.document(chart)
	}
	return coverage.Text(c.begin(MediaText), chart, q.style)
}

// PackParams ask for an evidence pack.
type PackParams struct {
	Common
	Span
	Raw          string `json:"raw,omitempty"`
	Pseudonymous bool   `json:"pseudonymous,omitempty"`
	Recipient    string `json:"recipient,omitempty"`
}

// makePack streams the zip; the result is a PackResult.
func makePack(ctx context.Context, c *call) error {
	var p PackParams
	if err := c.decode(&p); err != nil {
		return err
	}
	q, period, err := c.questionOver(ctx, p.Common, p.Span, "")
	if err != nil {
		return err
	}
	switch p.Raw {
	case "", "none", "exceptions", "all":
	default:
		return problem.New(problem.Usage, "--raw %q", p.Raw).WithHint("use none, exceptions or all")
	}
	// A pack that is sealed today claims nothing of tomorrow.
	period = q.passed(period)
	if err := c.Flush(ctx, q.tenant); err != nil {
		return fmt.Errorf("write coverage before the pack: %w", err)
	}
	res, err := c.Pack(ctx, PackRequest{
		Tenant: q.tenant, Period: period, Raw: p.Raw, Pseudonymous: p.Pseudonymous,
		Purpose: p.Purpose, Recipient: p.Recipient, By: c.Caller, Progress: c.progress,
	}, c.begin(MediaZip))
	if err != nil {
		return err
	}
	return c.finish(res)
}
