package daemon

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"evidenced/cmd/internal/alert"
	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/telemetry"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// alerts are the destinations at work, and what they are told.
type alerts struct {
	board   *alert.Board
	senders []*alert.Sender
	dated   time.Time // when the clocks of incidents and the days of remedies were read last

	remedies remedyDays
}

// alertStep is how often it is looked whether somebody must be told.
const alertStep = 5 * time.Second

// datedEvery is how often the clocks of incidents and the days of remedies are
// read.
const datedEvery = time.Minute

// openAlerts makes the board and its destinations. Without a destination there
// are none: verdicts are asked for then.
func (e *Engine) openAlerts() (*alerts, error) {
	c := &e.o.Config.Alerts
	if len(c.To) == 0 {
		return nil, nil
	}
	var names []string
	for _, t := range c.To {
		names = append(names, t.Name)
	}
	known := e.o.Config.TenantNames()
	fresh := map[string]time.Duration{}
	for _, t := range e.catalog.Tests() {
		fresh[t.ID] = t.Freshness
	}
	board, err := alert.Open(alert.Options{
		File: filepath.Join(e.local.Dir, "alerts.json"), Hold: c.Hold, Release: c.Release,
		Least:        map[string]alert.Severity{"low": alert.Info, "medium": alert.Warning, "high": alert.Critical}[c.Least],
		Freshness:    func(test string) time.Duration { return fresh[test] },
		Known:        func(t evidence.Tenant) bool { return slices.Contains(known, t) },
		Destinations: names,
	})
	if err != nil {
		return nil, err
	}
	a := &alerts{board: board}
	for i := range c.To {
		to := &c.To[i]
		s := &alert.Sender{Name: to.Name, Board: board, Log: e.o.Log}
		if s.To, err = e.destination(to); err != nil {
			return nil, problem.Wrap(problem.Config, err, "alerts.to %s", to.Name)
		}
		if to.Type == "alertmanager" {
			s.Every = to.Every
		} else {
			s.Least, s.Beat = to.Every, to.Heartbeat
		}
		a.senders = append(a.senders, s)
	}
	return a, nil
}

func (e *Engine) destination(to *config.AlertTo) (alert.Destination, error) {
	if to.Type == "smtp" {
		o := alert.MailOptions{Address: to.Address, TLS: to.TLS, CAFile: to.CAFile, From: to.From, To: to.Recipients, User: to.User}
		if to.PasswordFile != "" {
			o.Password = fetch.TokenFile(to.PasswordFile)
		}
		return alert.NewMail(o)
	}
	o := fetch.Options{BaseURL: to.URL, CAFile: to.CAFile, Clock: e.o.Clock, Log: e.o.Log, Retries: -1, CacheBytes: -1, AllowLoopback: true}
	if to.TokenFile != "" {
		o.Header = fetch.Bearer(fetch.TokenFile(to.TokenFile))
	}
	client, err := fetch.New(o)
	if err != nil {
		return nil, err
	}
	if to.Type == "webhook" {
		return alert.NewWebhook(client, fetch.TokenFile(to.SecretFile)), nil
	}
	return alert.NewAlertmanager(client, to.Every), nil
}

// judged hands the verdicts of a tenant over, all as they are now.
func (a *alerts) judged(t evidence.Tenant, fs []evidence.FindingFacts) {
	if a != nil {
		a.board.Findings(t, fs)
	}
}

// run tells the destinations until ctx ends. A destination that does not
// answer delays no other.
func (a *alerts) run(ctx context.Context, e *Engine) error {
	tick := time.NewTicker(alertStep)
	defer tick.Stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	busy := make([]chan struct{}, len(a.senders))
	for i := range busy {
		busy[i] = make(chan struct{}, 1)
	}
	for {
		now := e.Now()
		a.bring(ctx, e, now)
		for i, s := range a.senders {
			select {
			case busy[i] <- struct{}{}:
				wg.Go(func() {
					defer func() { <-busy[i] }()
					_ = a.send(ctx, e, s, now) // told to the log; tried again
				})
			default: // still at the message before
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// bring brings the board up to date with what was judged and with the clocks
// of incidents.
func (a *alerts) bring(ctx context.Context, e *Engine, now time.Time) {
	if now.Sub(a.dated) >= datedEvery || a.dated.After(now) { // or the clock was set back
		e.dateAlerts(ctx, a, now)
		a.dated = now
	}
	if _, err := a.board.Step(now); err != nil {
		e.o.Log.Error("alerts not kept", "code", codeOf(err))
	}
	a.count(e.o.Metrics)
}

// send tells one destination what is due.
func (a *alerts) send(ctx context.Context, e *Engine, s *alert.Sender, now time.Time) error {
	outcome, err := s.Step(ctx, now)
	if outcome != alert.Quiet {
		e.o.Metrics.Add("evidenced_alert_messages_total", telemetry.Labels{Destination: s.Name, Outcome: string(outcome)}, 1)
	}
	if outcome == alert.Taken {
		e.o.Metrics.Time("evidenced_alert_last_success_timestamp_seconds", telemetry.Labels{Destination: s.Name}, now)
		if err != nil {
			e.o.Log.Error("alerts told but not kept", "destination", s.Name, "code", codeOf(err))
		}
	}
	return err
}

func (a *alerts) count(m *telemetry.Metrics) {
	n := map[alert.Severity]int{}
	for _, x := range a.board.Alerts() {
		n[x.Severity]++
	}
	for _, s := range []alert.Severity{alert.Critical, alert.Warning, alert.Info} {
		m.Set("evidenced_alerts_firing", telemetry.Labels{Severity: string(s)}, float64(n[s]))
	}
}
