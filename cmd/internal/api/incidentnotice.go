package api

import (
	"context"
	"fmt"
	"strings"
	"time"

	"evidenced/cmd/internal/cli"
	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
)

func (a *acting) notify(ctx context.Context) (*Acted, error) {
	f, err := a.noticeFacts()
	if err != nil {
		return nil, err
	}
	var before []incident.Filing // of the same stage
	res, err := a.act(ctx, func(r evidence.Reader, inc *incident.Incident, w incident.Who) ([]evidence.Draft, error) {
		if before = nil; f.Act == incident.NoticeSent {
			before = inc.Sent(f.Stage)
			if err := a.fix(ctx, r, inc, &f); err != nil {
				return nil, err
			}
		}
		d, err := inc.Notify(w, f, a.q.now)
		return []evidence.Draft{d}, err
	})
	if err != nil {
		return nil, err
	}
	res.Says = a.saysNotice(&f)
	if n := len(before); n > 0 {
		first := before[0]
		says := fmt.Sprintf("it was sent before, %s (record %d)", cli.SayTime(first.At, a.q.zone), first.Seq)
		if n > 1 {
			says += fmt.Sprintf(", and %s since", plural(n-1, "time"))
		}
		res.Says = append(res.Says, says+": that first sending decides whether the limit was kept")
	}
	return res, nil
}

// noticeFacts reads which act on which stage is meant.
func (a *acting) noticeFacts() (evidence.IncidentNoticeFacts, error) {
	f := evidence.IncidentNoticeFacts{Stage: a.p.Stage, Channel: a.p.Channel, Reference: a.p.Reference, File: a.p.File, Of: a.p.Of}
	if _, ok := deadline.StageLaw(deadline.Stage(f.Stage)); !ok {
		var names []string
		for _, s := range deadline.Stages {
			names = append(names, string(s))
		}
		return f, problem.New(problem.Usage, "--stage %.40q is no stage", f.Stage).WithHint("give one of %s", strings.Join(names, ", "))
	}
	n := 0
	for _, x := range []struct{ act, flag, text string }{
		{incident.NoticeSent, "--sent", a.p.Sent}, {incident.NoticeReceipt, "--received", a.p.Received},
		{incident.NoticeDelay, "--delayed", a.p.Delayed}, {incident.NoticeRequest, "--requested", a.p.Requested},
	} {
		if x.text == "" {
			continue
		}
		n++
		var err error
		if f.At, err = a.at(x.flag, x.text, time.Time{}); err != nil {
			return f, err
		}
		f.Act = x.act
	}
	if n != 1 {
		return f, problem.New(problem.Usage, "want exactly one of --sent, --received, --delayed and --requested").WithHint("each is an act of its own; a receipt comes after what was sent")
	}
	if f.Act != incident.NoticeReceipt && (f.Reference != "" || !f.File.IsZero() || f.Of != 0) {
		return f, problem.New(problem.Usage, "--reference, --receipt and --of belong to --received")
	}
	return f, nil
}

// fix puts into the facts what the clock says, the copy and the items that
// were open.
func (a *acting) fix(ctx context.Context, r evidence.Reader, inc *incident.Incident, f *evidence.IncidentNoticeFacts) error {
	stage := deadline.Stage(f.Stage)
	if len(inc.Sent(f.Stage)) == 0 { // the first filing decides
		cals := a.Calendars()
		candidate, err := incident.FirstSign(ctx, r, inc, a.q.now)
		if err != nil {
			return err
		}
		c, _, err := notice.Case(inc, cals, candidate)
		if err != nil {
			return err
		}
		// The clock is that of a stage which is sent: one that waits while
		// nothing is sent (for the end of handling) is decided too.
		c.Filings = append(c.Filings, deadline.Filing{Stage: stage, Sent: f.At})
		for _, k := range deadline.Clocks(c, a.q.now) {
			if k.Stage == stage && !k.From.IsZero() {
				f.Clock = notice.Fix(k, f.At, cals)
			}
		}
	}
	f.Open, f.Size = len(notice.OpenItems(inc, stage)), inc.Size
	var err error
	_, f.Copy, err = inc.Copy()
	return err
}

func (a *acting) saysNotice(f *evidence.IncidentNoticeFacts) []string {
	at := cli.SayTime(f.At, a.q.zone)
	switch f.Act {
	case incident.NoticeReceipt:
		return []string{fmt.Sprintf("%s is met: its receipt came %s", f.Stage, at)}
	case incident.NoticeDelay:
		return []string{fmt.Sprintf("recorded: the authority was told %s that %s cannot keep its limit", at, f.Stage)}
	case incident.NoticeRequest:
		return []string{fmt.Sprintf("recorded: %s was asked for %s", f.Stage, at)}
	}
	says := []string{fmt.Sprintf("%s was sent %s; it is met when a receipt is recorded", f.Stage, at)}
	switch k := f.Clock; {
	case k == nil, k.Latest.IsZero():
	case k.Late:
		says = append(says, "LATE: the limit was "+cli.SayTime(k.Latest, a.q.zone)+"; this verdict stays")
	default:
		says = append(says, "in time: the limit was "+cli.SayTime(k.Latest, a.q.zone))
	}
	if f.Open > 0 {
		says = append(says, plural(f.Open, "mandatory item")+" open when it was sent: evidenced incident show lists them")
	}
	return says
}
