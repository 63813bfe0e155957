package api

import (
	"context"

	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
	"evidenced/mappings/deadline"
	"evidenced/reports/filing"
	"evidenced/reports/pdf"
	"evidenced/reports/xlsx"
)

// ExportParams ask for what is filed of an incident.
type ExportParams struct {
	Common
	ID        string `json:"id"`
	Stage     string `json:"stage"`
	Form      string `json:"form,omitempty"`       // text, json, csv, xlsx, dora-json, pdf
	Profile   string `json:"profile,omitempty"`    // of dora-json
	Scale     int64  `json:"scale,omitempty"`      // of amounts in dora-json: 1 or 1000
	Early     bool   `json:"early,omitempty"`      // fields that are not asked for yet
	HomeState bool   `json:"home_state,omitempty"` // in 2.6
}

// exportIncident writes a notification as the log stands. It sends nothing
// anywhere: who submits it records that with incident notify.
func exportIncident(ctx context.Context, c *call) error {
	var p ExportParams
	if err := c.decode(&p); err != nil {
		return err
	}
	profile, err := filing.NewProfile(deadline.Stage(p.Stage), p.Profile, p.Scale)
	if err != nil {
		return err
	}
	q, err := c.question(ctx, p.Common)
	if err != nil {
		return err
	}
	r, err := c.open(ctx, q, evidence.Period{}, p.Purpose)
	if err != nil {
		return err
	}
	inc, err := incident.Load(ctx, r, p.ID)
	if err != nil {
		return err
	}
	o := filing.Options{Now: q.now, Demo: r.Simulated(), Early: p.Early, HomeState: p.HomeState}
	if o.Contacts, err = filing.Contacts(ctx, r, inc); err != nil {
		return err
	}
	f, err := filing.Build(r, inc, deadline.Stage(p.Stage), o)
	if err != nil {
		return err
	}
	if p.JSON && p.Form == "" {
		p.Form = "json"
	}
	switch p.Form {
	case "", "text":
		return f.Text(c.begin(MediaText), q.style)
	case "json":
		return f.WriteJSON(c.begin(MediaJSON))
	case "csv":
		return f.CSV(c.begin(MediaCSV))
	case "xlsx":
		return xlsx.Write(c.begin(MediaXLSX), f.Book("evidenced"))
	case "dora-json":
		if law, _ := deadline.StageLaw(f.Stage); law != deadline.DORA {
			return problem.New(problem.Usage, "stage %s has no published JSON form", f.Stage).WithHint("use --form json, csv, xlsx, text or pdf")
		}
		return f.Published(c.begin(MediaJSON), profile)
	case "pdf":
		return pdf.Form(c.begin(MediaPDF), f.Document("evidenced"))
	}
	return problem.New(problem.Usage, "form %.20q is not known", p.Form).WithHint("use text, json, csv, xlsx, dora-json or pdf")
}
