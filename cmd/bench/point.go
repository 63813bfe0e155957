package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// askEach is how many subjects are asked for one by one in a round.
const askEach = 200

// point measures questions about a moment, at three quarters of the large
// log's time.
func (b *bench) point(ctx context.Context) error {
	g, err := b.grow(ctx)
	if err != nil {
		return err
	}
	q := newQuestions(g.size)
	if _, err := q.all(ctx, g); err != nil { // reads states and their records into memory
		return err
	}
	// Warm: each question was asked before. Asking for all subjects walks other
	// postings than asking for one, and where a section before this one had the
	// files dropped from memory, those of one would come from the disk.
	var warm []float64
	for round := range b.o.rounds {
		if _, err := q.some(ctx, g, round*askEach, askEach); err != nil {
			return err
		}
		ts, err := q.some(ctx, g, round*askEach, askEach)
		if err != nil {
			return err
		}
		warm = append(warm, ts...)
	}
	every, err := repeat(b.o.rounds, func() (float64, error) { return q.all(ctx, g) })
	if err != nil {
		return err
	}
	// Cold: only the first questions after the files were dropped count, each
	// about another subject.
	const first = 4
	var cold, coldEvery, left []float64
	for round := range b.o.rounds {
		resident, err := g.reopenCold(b)
		if err != nil {
			return err
		}
		ts, err := q.some(ctx, g, (round+b.o.rounds)*askEach, first)
		if err != nil {
			return err
		}
		cold, left = append(cold, ts...), append(left, resident)
	}
	for range min(b.o.rounds, 3) {
		if _, err := g.reopenCold(b); err != nil {
			return err
		}
		t, err := q.all(ctx, g)
		if err != nil {
			return err
		}
		coldEvery = append(coldEvery, t)
	}
	proof, err := b.proof(g)
	if err != nil {
		return err
	}
	at := thousands(g.size) + " records"
	b.rep.add(
		figure{Name: "point/one-warm", Unit: inSeconds, Measured: median(warm), Note: fmt.Sprintf("%s; slowest of %d: %s", at, len(warm), show(slices.Max(warm), inSeconds))}.atMost(0.1e-3),
		figure{Name: "point/one-cold", Unit: inSeconds, Measured: median(cold), Note: fmt.Sprintf("%s; slowest of %d: %s; %.1f %% of the pages were left in memory", at, len(cold), show(slices.Max(cold), inSeconds), 100*median(left))}.atMost(2e-3),
		figure{Name: "point/all", Unit: inSeconds, Measured: every, Note: fmt.Sprintf("%s; %s subjects, content opened", at, thousands(q.subjects))}.atMost(1.5),
		figure{Name: "point/all-cold", Unit: inSeconds, Measured: median(coldEvery), Note: at},
		proof,
	)
	return nil
}

// questions are about the states in force at a moment, with the answers.
type questions struct {
	at       time.Time
	known    int // states that began at or before it
	subjects int // that have one of them
}

func newQuestions(size int) questions {
	n := size * 3 / 4
	known := (n + stateEvery - 1) / stateEvery
	return questions{occurred(n).Add(-time.Nanosecond), known, min(known, subjects)}
}

// answer returns the number of the state in force of the application that the
// i-th state is of; i is below the number of subjects.
func (q questions) answer(i int) int { return i + (q.known-1-i)/subjects*subjects }

// some asks for n subjects one by one, each in a snapshot of its own, and
// returns the seconds of each.
func (q questions) some(ctx context.Context, g *large, from, n int) ([]float64, error) {
	var ts []float64
	for k := range n {
		// Far apart, so that neighbours do not warm each other's pages.
		i := (from + k) * 7919 % q.subjects
		begun := time.Now()
		revision, err := q.one(ctx, g, i)
		if err != nil {
			return nil, err
		}
		ts = append(ts, time.Since(begun).Seconds())
		if want := digits(uint64(q.answer(i)), 40); revision != want {
			return nil, fmt.Errorf("application %d ran %s, the answer was %s: the figure would be false", appOf(i), want, revision)
		}
	}
	return ts, nil
}

// one returns the revision that the application of the i-th state ran.
func (q questions) one(ctx context.Context, g *large, i int) (string, error) {
	query := evidence.Query{
		Kinds: []evidence.Kind{evidence.DeployState}, Subject: appRef(appOf(i)),
		Period: evidence.Period{To: q.at.Add(time.Nanosecond)}, Backward: true, Limit: 1,
	}
	for rec, err := range g.log.Snapshot().Records(ctx, query) {
		if err != nil {
			return "", err
		}
		for _, l := range rec.Links {
			if l.Scheme == "commit" && rec.Op == evidence.OpSet {
				return l.Name, nil
			}
		}
	}
	return "", nil
}

// all asks for every subject at once and returns the seconds.
func (q questions) all(ctx context.Context, g *large) (float64, error) {
	n := 0
	begun := time.Now()
	for rec, err := range g.log.Snapshot().States(ctx, evidence.DeployState, q.at) {
		if err != nil {
			return 0, err
		}
		if len(rec.Facts) == 0 {
			return 0, fmt.Errorf("record %d has no facts", rec.Seq)
		}
		n++
	}
	took := time.Since(begun).Seconds()
	if n != q.subjects {
		return 0, fmt.Errorf("%d subjects have a state, the answer was %d: the figure would be false", q.subjects, n)
	}
	return took, nil
}

// proof measures an inclusion proof in the large log.
func (b *bench) proof(g *large) (figure, error) {
	size := g.log.Size()
	f, err := g.log.Frontier(size)
	if err != nil {
		return figure{}, err
	}
	n, length := b.scaled(2000, 100), 0
	t, err := repeat(b.o.rounds, func() (float64, error) {
		return each(n, func(i int) error {
			p, err := g.log.ProveInclusion(size, uint64(i)*7919%size)
			length = len(p) * 32
			return err
		})
	})
	if err != nil {
		return figure{}, err
	}
	// One of them is checked: a fast proof of nothing is no figure.
	seq := size / 3
	p, err := g.log.ProveInclusion(size, seq)
	if err != nil {
		return figure{}, err
	}
	var leaf evidence.Hash
	rec, err := g.log.Snapshot().Record(context.Background(), seq)
	if err == nil {
		leaf = rec.Leaf
		err = chain.CheckInclusion(p, size, f.Root(), seq, leaf)
	}
	return figure{Name: "point/inclusion-proof", Unit: inSeconds, Measured: t, Note: fmt.Sprintf("%s records; %d bytes", thousands(int(size)), length)}, err
}
