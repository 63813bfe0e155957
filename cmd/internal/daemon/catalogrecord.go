package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings"
	"evidenced/store"
)

// sealCatalog records the rules that tenants are judged by when they are others
// than those recorded last, so that a past period can be judged by the rules of
// then: in _platform with all their files, in the tenants' logs what changed.
func (e *Engine) sealCatalog(ctx context.Context) error {
	was, before, err := e.recordedRules(ctx, lastInstant)
	if err != nil {
		return err
	}
	if before.Catalog == e.catalog.Hash() {
		return nil
	}
	f := evidence.CatalogFacts{
		Catalog: e.catalog.Hash(), Before: before.Catalog, Program: e.o.Program, By: fmt.Sprintf("uid %d", os.Getuid()),
		Controls: len(e.catalog.Controls()), Tests: len(e.catalog.Tests()),
	}
	for _, file := range e.catalog.Files() {
		f.Files = append(f.Files, file.Name)
	}
	if was != nil {
		f.Diff, f.Loosen, f.Rewritten = mappings.Compare(was, e.catalog)
	}
	content, err := json.Marshal(f)
	if err != nil {
		return err
	}
	raw, err := e.catalog.Bundle()
	if err != nil {
		return err
	}
	now := e.Now().UTC()
	for _, t := range e.ledgerTenants() {
		log, err := e.local.Store.Create(t)
		if err != nil && e.openRefused(t, err) {
			continue
		}
		if err != nil {
			return err
		}
		if log.Stopped() != nil && t != evidence.Platform {
			continue
		}
		d := evidence.Draft{
			Kind: evidence.PlatformCatalog, Op: evidence.OpEvent, Source: evidence.SelfSource,
			Key: f.Catalog.String() + "/" + evidence.FormatTime(now), Subject: evidence.NewRef("config", "", f.Catalog.String()),
			OccurredAt: now, Basis: evidence.BasisSource, ObservedAt: now, Content: content,
		}
		if t == evidence.Platform {
			d.Raw = raw
		}
		if _, err := log.Append(ctx, []store.Item{{Draft: d}}); err != nil {
			return fmt.Errorf("seal the rules: %w", err)
		}
	}
	return nil
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
