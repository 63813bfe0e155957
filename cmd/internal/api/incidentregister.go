package api

import (
	"context"

	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
	"evidenced/reports/filing"
)

// RegisterParams ask for the register of a tenant's breaches of personal data.
type RegisterParams struct {
	Common
	Form string `json:"form,omitempty"` // text, json, csv
}

// breachRegister tells every breach of the tenant's log, closed ones too.
func breachRegister(ctx context.Context, c *call) error {
	var p RegisterParams
	if err := c.decode(&p); err != nil {
		return err
	}
	q, err := c.question(ctx, p.Common)
	if err != nil {
		return err
	}
	if p.JSON && p.Form == "" {
		p.Form = "json"
	}
	if p.Form != "" && p.Form != "text" && p.Form != "json" && p.Form != "csv" {
		return problem.New(problem.Usage, "form %.20q is not known", p.Form).WithHint("use text, json or csv")
	}
	r, err := c.open(ctx, q, evidence.Period{}, p.Purpose)
	if err != nil {
		return err
	}
	incs, err := incident.List(ctx, r)
	if err != nil {
		return err
	}
	reg, err := filing.NewRegister(r, incs, c.Calendars(), q.now)
	if err != nil {
		return err
	}
	switch p.Form {
	case "json":
		return reg.WriteJSON(c.begin(MediaJSON))
	case "csv":
		return reg.CSV(c.begin(MediaCSV))
	}
	return reg.Text(c.begin(MediaText), q.style)
}
