package api

import (
	"context"
	"time"

	"evidenced/cmd/internal/cli"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/reports/ran"
)

// whoRanImage tells which tenants ran an image. Each log is read through its
// own reader, one after the other, and each keeps the record that it was read.
func whoRanImage(ctx context.Context, c *call, p RanParams) error {
	q, err := c.anyQuestion(p.Common)
	if err != nil {
		return err
	}
	digest, err := ran.ParseDigest(p.Image)
	if err != nil {
		return problem.Wrap(problem.Usage, err, "cannot read the image").WithHint("give the digest, not a tag: tags move")
	}
	if p.Window != "" {
		return problem.New(problem.Usage, "a window is not asked for with an image").WithHint("leave --window out")
	}
	at := q.now
	if p.At != "" {
		if at, err = cli.ParseTime(p.At, q.now, q.zone); err != nil {
			return err
		}
	}
	if at.After(q.now) {
		return problem.New(problem.Usage, "%s lies ahead: it is %s", cli.SayTime(at, q.zone), cli.SayTime(q.now, q.zone)).
			WithHint("ask for a time that has passed")
	}
	ts, err := c.tenantOrAll(ctx, p.Tenant)
	if err != nil {
		return err
	}
	a := ran.NewImageAnswer(digest, at, q.zone)
	period := evidence.Period{From: at, To: at.Add(time.Nanosecond)}
	var told []evidence.Tenant
	for _, q.tenant = range ts {
		r, err := c.open(ctx, q, period, p.Purpose)
		if p.Tenant == "" && problem.Is(err, problem.NotFound) {
			a.Closed(q.tenant, "what was recorded then was retired under retention")
			continue
		}
		if err != nil {
			return err
		}
		if err := a.Family(ctx, r); err != nil {
			return err
		}
		told = append(told, q.tenant)
	}
	for _, t := range told {
		r, err := c.Reader(ctx, t)
		if err != nil {
			return err
		}
		if err := a.Add(ctx, r); err != nil {
			return err
		}
	}
	a.Done()
	if p.JSON {
		return c.document(a)
	}
	return a.Text(c.begin(MediaText), q.style)
}
