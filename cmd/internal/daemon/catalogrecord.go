package daemon

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/mappings"
	"evidenced/reports/pack"
	"evidenced/store"
)

// ruleSeal records the rules in force in logs, each with what is other for it.
type ruleSeal struct {
	e     *Engine
	now   time.Time
	table evidence.Hash
	was   map[evidence.Hash]*mappings.Catalog // rules of before that were looked up; nil for such that nobody can read
}

func newRuleSeal(e *Engine) *ruleSeal {
	return &ruleSeal{e: e, now: e.Now().UTC(), table: e.catalog.Table().Hash(), was: map[evidence.Hash]*mappings.Catalog{}}
}

// seal records the rules that the log's tenant is judged by, unless the log says
// just that in a record at or after from.
func (s *ruleSeal) seal(ctx context.Context, log *store.Log, from uint64) error {
	last, seq, said, err := statedRules(ctx, log.Snapshot())
	if err != nil {
		return err
	}
	f, err := s.facts(log.Tenant())
	if err != nil {
		return err
	}
	if said && seq >= from && last.Catalog == f.Catalog && last.Table == f.Table && last.Tenancy.Equal(f.Tenancy) && slices.Equal(last.Entities, f.Entities) {
		return nil
	}
	if f.Before = last.Catalog; !said {
		_, platform, err := s.e.recordedRules(ctx, lastInstant)
		if err != nil {
			return err
		}
		f.Before = platform.Catalog // a log that began after these rules
	}
	if err := s.compare(ctx, &f, &last, said); err != nil {
		return err
	}
	// With the size, since a tenant can become something else within a moment.
	key := fmt.Sprintf("%s/%s/%d", f.Catalog, evidence.FormatTime(s.now), log.Size())
	d, err := ownEvent(evidence.PlatformCatalog, key, evidence.NewRef("config", "", f.Catalog.String()), f, s.now)
	if err != nil {
		return err
	}
	if log.Tenant() == evidence.Platform {
		if d.Raw, err = s.e.catalog.Bundle(); err != nil {
			return err
		}
	}
	if _, err := log.Append(ctx, []store.Item{{Draft: d}}); err != nil {
		return fmt.Errorf("seal the rules: %w", err)
	}
	return nil
}

// facts are what the log of the tenant is to say of the rules.
func (s *ruleSeal) facts(t evidence.Tenant) (evidence.CatalogFacts, error) {
	c := s.e.catalog
	f := evidence.CatalogFacts{
		Catalog: c.Hash(), Program: s.e.o.Program, By: fmt.Sprintf("uid %d", os.Getuid()),
		Controls: len(c.Controls()), Tests: len(c.Tests()), Table: s.table,
	}
	in, err := s.e.judging(t)
	if err != nil {
		return f, err
	}
	f.Entities = in.Entities
	if in.Tenancy != nil {
		f.Tenancy = &evidence.Tenancy{Tier: in.Tenancy.Tier, Tags: slices.Sorted(slices.Values(in.Tenancy.Tags))}
	}
	for _, file := range c.Files() {
		f.Files = append(f.Files, file.Name)
	}
	return f, nil
}

// compare says what of the rules, and of what the tenant is, changed since the
// log's last record of them.
func (s *ruleSeal) compare(ctx context.Context, f, last *evidence.CatalogFacts, said bool) error {
	if f.Before != f.Catalog && !f.Before.IsZero() {
		was, err := s.rulesOf(ctx, f.Before)
		if err != nil {
			return err
		}
		if was != nil {
			f.Diff, f.Loosen, f.Rewritten = mappings.Compare(was, s.e.catalog)
		} else {
			f.Rewritten = []string{fmt.Sprintf("all rules: those of before, catalog %s, cannot be read by this program", f.Before.String()[:12])}
		}
	}
	if !said {
		return nil
	}
	for _, id := range s.e.catalog.Fewer(last.Tenancy, f.Tenancy, last.Entities, f.Entities) {
		f.Loosen = append(f.Loosen, fmt.Sprintf("control %s is no longer judged, because the tenant is said to be something else", id))
	}
	return nil
}

// rulesOf finds recorded rules by their hash; nil when there are none that this
// program can read.
func (s *ruleSeal) rulesOf(ctx context.Context, hash evidence.Hash) (*mappings.Catalog, error) {
	if cat, known := s.was[hash]; known {
		return cat, nil
	}
	log, err := s.e.local.Store.Log(evidence.Platform)
	if problem.Is(err, problem.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s.was[hash] = nil
	q := evidence.Query{Kinds: []evidence.Kind{evidence.PlatformCatalog}, Subject: evidence.NewRef("config", "", hash.String()), WithRaw: true}
	for rec, err := range log.Snapshot().Records(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("rules %s: %w", hash.String()[:12], err)
		}
		if cat, err := mappings.ParseBundle(rec.Raw); err == nil && cat.Hash() == hash {
			s.was[hash] = cat
			break
		}
	}
	return s.was[hash], nil
}

// statedRules returns what a log's newest record of the rules says, and its
// seq; said is false when it has none.
func statedRules(ctx context.Context, r evidence.Reader) (f evidence.CatalogFacts, seq uint64, said bool, err error) {
	rec, said, err := evidence.Newest(ctx, r, evidence.PlatformCatalog, r.Size())
	if err != nil {
		return f, 0, false, fmt.Errorf("rules that %s was judged by: %w", r.Tenant(), err)
	}
	if said {
		err = rec.Decode(&f)
	}
	return f, rec.Seq, said, err
}

// restateRules makes sure that what a pack of the period holds says by which
// rules it is judged: nothing could show that a record of before its range is
// still the newest. When the period is over and nothing was recorded since, the
// record shows that too. It returns the newest checkpoint, which covers it.
func (e *Engine) restateRules(ctx context.Context, log *store.Log, p evidence.Period) (chain.Checkpoint, []byte, error) {
	snap := log.Snapshot()
	start, _, err := snap.CheckpointBefore(p.From)
	if err != nil {
		return chain.Checkpoint{}, nil, err
	}
	last, err := snap.Record(ctx, snap.Size()-1)
	if err != nil {
		return chain.Checkpoint{}, nil, err
	}
	from := start.Size
	if over := p.To.Add(pack.Lag); last.Recorded.Before(over) && !e.Now().Before(over) {
		from = snap.Size()
	}
	if err := newRuleSeal(e).seal(ctx, log, from); err != nil {
		return chain.Checkpoint{}, nil, err
	}
	return log.Checkpoint()
}

// recordedRules returns the rules that were recorded last at or before the
// instant, and what was said of them. Rules that this program cannot compile
// are nil; no record at all gives zero facts.
func (e *Engine) recordedRules(ctx context.Context, at time.Time) (*mappings.Catalog, evidence.CatalogFacts, error) {
	var f evidence.CatalogFacts
	log, err := e.local.Store.Log(evidence.Platform)
	if problem.Is(err, problem.NotFound) {
		return nil, f, nil
	}
	if err != nil {
		return nil, f, err
	}
	q := evidence.Query{
		Kinds: []evidence.Kind{evidence.PlatformCatalog}, Period: evidence.Period{To: at.Add(time.Nanosecond)},
		Backward: true, Limit: 1, WithRaw: true,
	}
	for rec, err := range log.Snapshot().Records(ctx, q) {
		if err != nil {
			return nil, f, fmt.Errorf("rules of %s: %w", evidence.FormatTime(at), err)
		}
		if err := rec.Decode(&f); err != nil {
			return nil, f, err
		}
		if f.Catalog == e.catalog.Hash() {
			return e.catalog, f, nil // those in force, and compiled already
		}
		cat, err := mappings.ParseBundle(rec.Raw)
		if err != nil {
			e.o.Log.Warn("recorded rules cannot be used", "seq", rec.Seq, "code", codeOf(err))
			return nil, f, nil
		}
		return cat, f, nil
	}
	return nil, f, nil
}

// Rules implements api.World.
func (e *Engine) Rules(ctx context.Context, at time.Time) (*mappings.Catalog, error) {
	cat, f, err := e.recordedRules(ctx, at)
	switch {
	case err != nil:
		return nil, err
	case f.Catalog.IsZero():
		return nil, problem.New(problem.NotFound, "no rules are recorded from %s or before", evidence.FormatTime(at)).
			WithHint("rules are recorded since evidenced judges all the time; --rules now judges by those in force")
	case cat == nil || cat.Hash() != f.Catalog:
		return nil, problem.New(problem.Refused, "the rules of %s, catalog %s of %s, cannot be compiled by this program", evidence.FormatTime(at), f.Catalog.String()[:12], f.Program).
			WithHint("they use views or fields that changed since; judge with that program, or by --rules now")
	}
	return cat, nil
}
