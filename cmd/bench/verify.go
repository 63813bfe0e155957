package main

import (
	"context"
	"fmt"
	"time"

	"evidenced/store"
)

// verify measures a verification of the large log, warm, cold and deep.
func (b *bench) verify(ctx context.Context) error {
	g, err := b.grow(ctx)
	if err != nil {
		return err
	}
	s, err := b.takeSample(ctx, b.scaled(16_000, 1000))
	if err != nil {
		return err
	}
	of := func(o store.VerifyOptions) func() (float64, error) {
		return func() (float64, error) { return g.verifyRate(ctx, o) }
	}
	if _, err := g.verifyRate(ctx, store.VerifyOptions{}); err != nil { // reads the files into memory
		return err
	}
	limit := func() (float64, error) { return s.hashAll(), nil }
	warm, err := interleave(b.o.rounds, limit, of(store.VerifyOptions{}))
	if err != nil {
		return err
	}
	deep, err := interleave(min(b.o.rounds, 3), limit, of(store.VerifyOptions{Deep: true}))
	if err != nil {
		return err
	}
	var left []float64
	cold, err := interleave(min(b.o.rounds, 3), limit, func() (float64, error) {
		resident, err := g.reopenCold(b)
		if err != nil {
			return 0, err
		}
		left = append(left, resident)
		return g.verifyRate(ctx, store.VerifyOptions{})
	})
	if err != nil {
		return err
	}
	at := thousands(g.size) + " records"
	b.rep.add(
		figure{Name: "verify/warm", Unit: perSecond, Note: at}.against(warm, "SHA-256").ratioAtLeast(0.60),
		figure{Name: "verify/cold", Unit: perSecond, Note: fmt.Sprintf("%s; %.1f %% of the pages were left in memory", at, 100*median(left))}.against(cold, "SHA-256").atLeast(300_000),
		figure{Name: "verify/deep", Unit: perSecond, Note: at + "; every claim opened"}.against(deep, "SHA-256").atLeast(200_000),
	)
	return nil
}

// verifyRate verifies the whole log and returns records a second. A log that
// does not verify is an error.
func (g *large) verifyRate(ctx context.Context, o store.VerifyOptions) (float64, error) {
	begun := time.Now()
	rep, err := g.log.Verify(ctx, o)
	if err != nil {
		return 0, err
	}
	took := time.Since(begun)
	if !rep.OK() || rep.Records < uint64(g.size) || o.Deep && rep.Opened < rep.Records {
		return 0, fmt.Errorf("the log does not verify: %d of %d records, %d claims opened, %v", rep.Records, g.size, rep.Opened, rep.Failures)
	}
	return float64(rep.Records) / took.Seconds(), nil
}
