package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/daemon"
	"evidenced/cmd/internal/schedule"
	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/testdata/world"
)

// RunOptions says how a demonstration runs.
type RunOptions struct {
	Dir      string // where everything goes; new, empty, or of a former demonstration
	Specs    []collectors.Spec
	Program  string
	Log      *slog.Logger
	Progress func(day time.Time, done, total int) // may be nil
	// Then is called when all is written and closed, with the platform and its
	// clock as the story left them, to go on from there; may be nil.
	Then func(ctx context.Context, p *Platform, s *Summary) error
	// Stay is called when all is written, while the platform's servers still
	// answer; may be nil.
	Stay func(ctx context.Context, s *Summary) error
}

// Summary says what a demonstration left behind.
type Summary struct {
	Dir     string
	Config  string // configuration file
	Pack    string // evidence pack of Tenant
	Trust   string // trust file for the pack
	Tenant  evidence.Tenant
	Instant time.Time
	Period  evidence.Period // of the pack
	Records uint64          // over all logs
	Runs    int
	Sources int
	Doctor  string // configuration for evidenced doctor, while the platform stays
	Broken  string // image of Tenant whose chain to a commit is broken
	Access  uint64 // record of a secret that Tenant's own workload read, just before Instant
	// Incidents are the ids of the platform's incident, by tenant.
	Incidents map[string]string
	Tenants   int
	Took      time.Duration
	Result    api.PackResult
}

// marker is the file that shows a directory to be a demonstration's.
const marker = "DEMONSTRATION"

// slots are how often the demonstration looks at each source: coarse over the
// weeks, so that they pass quickly, and fine over the last
// hours.
var slots = []struct{ source, weeks, lastHours string }{
	{SourceForge, "@every 2h", "@every 5m"},
	{SourceGit, "@every 4h", "@every 10m"},
	{SourceArgoCD, "@every 1h", "@every 3m"},
	{SourceVault, "@every 20m", "@every 5m"},
	{SourceCerts, "@every 6h", "@every 1h"},
	{SourceRegistry, "@every 8h", "@every 10m"},
	{SourceCluster, "@every 4h", "@every 5m"},
	{SourceKubeLog, "@every 6h", "@every 10m"},
	{SourceBackups, "@every 12h", "@every 30m"},
	{SourceIssuing, "@every 12h", "@every 1h"},
	{SourceCopies, "@every 12h", "@every 30m"},
	{SourceNetwork, "@every 12h", "@every 30m"},
	{SourcePolicies, "@every 12h", "@every 30m"},
	{SourceRuns, "@every 12h", "@every 30m"},
	{SourceAlerts, "@every 50m", "@every 5m"},
	{SourceRules, "@every 50m", "@every 5m"},
}

// Run plays the whole history against the real store, collectors and reports,
// and leaves a pack. The clock is the platform's: weeks pass in seconds.
func Run(ctx context.Context, o RunOptions) (*Summary, error) {
	began := time.Now()
	if err := makeReady(o.Dir); err != nil {
		return nil, err
	}
	w, err := world.Load()
	if err != nil {
		return nil, err
	}
	p, err := New(filepath.Join(o.Dir, "platform"), w, time.Time{})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	s := &Summary{Dir: o.Dir, Config: filepath.Join(o.Dir, "evidenced.yaml"), Instant: w.Instant}
	if err := writeConfig(s.Config, p); err != nil {
		return nil, err
	}
	cfg, err := config.Load(s.Config, o.Specs)
	if err != nil {
		return nil, fmt.Errorf("the demonstration's own configuration: %w", err)
	}
	e, err := daemon.Open(ctx, daemon.Options{Config: cfg, Program: o.Program, Clock: p.Now, Simulated: true, Log: o.Log})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	s.Sources = len(cfg.Sources)
	s.Broken = digest("tenant-7", "web", "3.9.1-hotfix.1")
	if err := drive(ctx, e, p, o, s); err != nil {
		return nil, err
	}
	if err := s.pack(ctx, e, p); err != nil {
		return nil, err
	}
	if err := s.count(e); err != nil {
		return nil, err
	}
	if err := s.read(ctx, e); err != nil {
		return nil, err
	}
	s.Took = time.Since(began)
	if err := e.Close(); err != nil {
		return s, err
	}
	if o.Then != nil {
		if err := o.Then(ctx, p, s); err != nil {
			return s, err
		}
	}
	if o.Stay == nil {
		return s, nil
	}
	b, err := p.doctorYAML()
	if err != nil {
		return nil, err
	}
	s.Doctor = filepath.Join(o.Dir, "doctor.yaml")
	if err := os.WriteFile(s.Doctor, b, 0o600); err != nil {
		return nil, problem.Wrap(problem.Storage, err, "write %s", s.Doctor)
	}
	p.Stay()
	return s, o.Stay(ctx, s)
}

// makeReady makes the directory ready and refuses one that holds anything but a
// former demonstration.
func makeReady(dir string) error {
	es, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return problem.Wrap(problem.Storage, err, "look into %s", dir)
	}
	if len(es) > 0 {
		if _, err := os.Stat(filepath.Join(dir, marker)); err != nil {
			return problem.New(problem.Refused, "%s is not empty and no demonstration's", dir).WithHint("give another --dir")
		}
		if err := os.RemoveAll(dir); err != nil {
			return problem.Wrap(problem.Storage, err, "remove the former demonstration")
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return problem.Wrap(problem.Storage, err, "make %s", dir)
	}
	text := "Everything below this directory was made from a simulated platform. It is evidence of nothing.\n"
	if err := os.WriteFile(filepath.Join(dir, marker), []byte(text), 0o600); err != nil {
		return problem.Wrap(problem.Storage, err, "write into %s", dir)
	}
	return nil
}

// writeConfig writes the configuration a platform engineer would write for
// this platform.
func writeConfig(file string, p *Platform) error {
	var tenants, sources []any
	for _, t := range p.Tenants() {
		tenants = append(tenants, map[string]any{"name": t.Name, "owns": t.owns()})
	}
	for _, s := range p.Sources() {
		one := map[string]any{"name": s.Name, "type": s.Type, "config": s.Values}
		for _, sl := range slots {
			if sl.source == s.Name {
				one["schedule"] = sl.weeks
			}
		}
		if s.Name == SourceVault {
			// On this clock a probe comes back at the next look, and the state
			// walk of a server on loopback needs no pauses.
			s.Values["probe_limit"], s.Values["pace"], s.Values["state_every"] = "50m", "1us", "4h"
		}
		sources = append(sources, one)
	}
	platform := p.PlatformOwns()
	platform.Mounts = slices.DeleteFunc(append(platform.Mounts, "file"), func(m string) bool { return m == "kv" })
	b, err := encode(map[string]any{
		"data_dir": "data", "listen": "", "time_zone": "Europe/Berlin", "tenants": tenants, "sources": sources,
		"platform": map[string]any{"owns": platform.owns()},
	})
	if err != nil {
		return err
	}
	head := []byte("# Made by evidenced demo. The servers named here live only while it runs.\n")
	if err := os.WriteFile(file, append(head, b...), 0o600); err != nil {
		return problem.Wrap(problem.Storage, err, "write %s", file)
	}
	return nil
}

// drive passes the time: coarse to the last hours, then fine.
func drive(ctx context.Context, e *daemon.Engine, p *Platform, o RunOptions, s *Summary) error {
	w := p.World()
	steps, err := ParseIncidentSteps(incidentSteps)
	if err != nil {
		return err
	}
	play := NewIncidentPlayer(e, nil, steps)
	s.Incidents = play.IDs
	players := []player{play, &RemedyPlayer{World: e, Steps: RemedySteps()}}
	fine := w.End.Add(-4 * time.Hour)
	total := int(w.End.Sub(w.Start) / time.Hour)
	var day time.Time
	set := func(to time.Time) error {
		for next, at := soonest(players); next != nil && !at.After(to); next, at = soonest(players) {
			if err := p.Advance(at); err != nil {
				return err
			}
			if err := next.Step(ctx); err != nil {
				return err
			}
		}
		if err := p.Advance(to); err != nil {
			return err
		}
		if d := to.Truncate(24 * time.Hour); d.After(day) {
			day = d
			if err := e.Checkpoints(ctx); err != nil {
				return err
			}
			if judgedOn(w, day) {
				if err := e.Judge(ctx); err != nil {
					return err
				}
			}
		}
		if o.Progress != nil {
			o.Progress(day, int(to.Sub(w.Start)/time.Hour), total)
		}
		return nil
	}
	for _, stage := range []struct {
		period evidence.Period
		every  func(i int) string
	}{
		{evidence.Period{From: w.Start, To: fine}, func(i int) string { return slots[i].weeks }},
		{evidence.Period{From: fine, To: w.End.Add(time.Minute)}, func(i int) string { return slots[i].lastHours }},
	} {
		var entries []schedule.Entry
		var failed error
		for i, sl := range slots {
			due, err := schedule.Parse(stage.every(i))
			if err != nil {
				return err
			}
			id := evidence.SourceID(sl.source)
			entries = append(entries, schedule.Entry{Source: id, Schedule: due, Job: func(ctx context.Context, slot time.Time) error {
				if failed != nil {
					return failed
				}
				s.Runs++
				_, err := e.Look(ctx, id, slot)
				return err
			}})
		}
		if err := schedule.Drive(ctx, stage.period, entries, func(t time.Time) {
			if err := set(t); err != nil && failed == nil {
				failed = err
			}
		}); err != nil {
			return err
		}
		if failed != nil {
			return failed
		}
	}
	return errors.Join(e.Flush(ctx), e.Judge(ctx), e.Checkpoints(ctx))
}

// player gives commands to the world, each at its time.
type player interface {
	// Next returns when the next command is; false when there is none.
	Next() (time.Time, bool)
	// Step gives it.
	Step(ctx context.Context) error
}

// soonest returns the player whose next command comes first, and when; nil when
// none has any.
func soonest(players []player) (next player, at time.Time) {
	for _, p := range players {
		if t, more := p.Next(); more && (next == nil || t.Before(at)) {
			next, at = p, t
		}
	}
	return next, at
}

// judgedOn reports whether the findings are judged at the begin of a day: each
// third and the last, and after each on which something went wrong, so that it is
// known since when. A new day is judged whole, which is what takes the longest.
func judgedOn(w *world.World, day time.Time) bool {
	before := day.Add(-24 * time.Hour)
	return day.Sub(w.Start)%(3*24*time.Hour) == 0 || w.End.Sub(day) < 24*time.Hour || slices.ContainsFunc(Planted(), func(p Plant) bool {
		return !p.Since.Before(before) && p.Since.Before(day)
	})
}

// pack leaves an evidence pack of the tenant that the story is about, and a
// trust file as its auditor would keep it.
func (s *Summary) pack(ctx context.Context, e *daemon.Engine, p *Platform) error {
	var err error
	if s.Tenant, err = evidence.ParseTenant("tenant-7"); err != nil {
		return err
	}
	w := p.World()
	s.Period = evidence.Period{From: w.End.Add(-14 * 24 * time.Hour).Truncate(24 * time.Hour), To: w.End.Truncate(24 * time.Hour)}
	var b bytes.Buffer
	if s.Result, err = e.Pack(ctx, api.PackRequest{
		Tenant: s.Tenant, Period: s.Period, Raw: "exceptions", Purpose: "demonstration", Recipient: "whoever tries evidenced",
		Progress: func(_, _ uint64) {},
	}, &b); err != nil {
		return err
	}
	s.Pack = filepath.Join(s.Dir, "tenant-7.zip")
	if err := os.WriteFile(s.Pack, b.Bytes(), 0o600); err != nil {
		return problem.Wrap(problem.Storage, err, "write the pack")
	}
	log, err := e.Local().Store.Log(s.Tenant)
	if err != nil {
		return err
	}
	s.Trust = filepath.Join(s.Dir, "auditor.trust")
	line := fmt.Sprintf("%s %s %s %s # handed over when the demonstration began\n", s.Tenant, log.Origin(), e.Local().LogKey.Verifier, e.Local().PackKey.Verifier)
	if err := os.WriteFile(s.Trust, []byte(line), 0o600); err != nil {
		return problem.Wrap(problem.Storage, err, "write the trust file")
	}
	return nil
}

func (s *Summary) count(e *daemon.Engine) error {
	ts, err := e.Local().Store.Tenants()
	if err != nil {
		return err
	}
	for _, t := range ts {
		l, err := e.Local().Store.Log(t)
		if err != nil {
			return err
		}
		s.Records += l.Size()
		if !t.IsPseudo() {
			s.Tenants++
		}
	}
	return nil
}

// read finds the newest read of a secret by Tenant's own workload before
// Instant: the end of a chain that begins with a commit.
func (s *Summary) read(ctx context.Context, e *daemon.Engine) error {
	r, err := e.Reader(ctx, s.Tenant)
	if err != nil {
		return err
	}
	q := evidence.Query{Kinds: []evidence.Kind{evidence.SecretAccess}, Period: evidence.Period{From: s.Instant.Add(-10 * time.Minute), To: s.Instant}}
	for rec, err := range r.Records(ctx, q) {
		if err != nil {
			return err
		}
		var f evidence.AccessFacts
		if rec.Decode(&f) == nil && f.Outcome == "ok" && f.SAName == "web" && f.Secret != "" {
			s.Access = rec.Seq
		}
	}
	if s.Access == 0 {
		return fmt.Errorf("the demonstration's own story is broken: no workload of %s read a secret", s.Tenant)
	}
	return nil
}
