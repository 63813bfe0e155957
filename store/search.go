package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// What of a person is left after an erasure: claims of others that name them.

// Naming is a claim that names the person and opens without the person's keys.
type Naming struct {
	Seq   uint64        `json:"record"`
	Kind  evidence.Kind `json:"kind"`
	Claim string        `json:"claim"`
	What  []string      `json:"what"` // login, mail, name, a part of one, native id
}

const maxNamings = 1000

// searchAll looks for the person's names in what opens still, in every log.
func (s *Store) searchAll(ctx context.Context, rq EraseRequest, traces []*trace, out *Erased) error {
	logs, err := s.everyLog()
	if err != nil {
		return err
	}
	all := slices.Clone(traces)
	for _, l := range logs {
		if !slices.ContainsFunc(traces, func(t *trace) bool { return t.log == l }) {
			all = append(all, &trace{log: l, names: traces[0].names, out: ErasedLog{Tenant: l.tenant, Former: l.former()}})
		}
	}
	for i, t := range all {
		err := t.search(ctx, func(done, total uint64) {
			if rq.Progress != nil {
				rq.Progress(uint64(i)*1000+done*1000/max(total, 1), uint64(len(all))*1000)
			}
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			// What was erased is erased: what cannot be searched is told beside it.
			s.o.Log.Error("log not searched", "tenant", t.log.tenant.String(), "err", err)
			if !slices.Contains(out.Unsearched, t.log.tenant) {
				out.Unsearched = append(out.Unsearched, t.log.tenant)
			}
		}
		switch {
		case i < len(traces):
			out.Logs = append(out.Logs, t.out)
		case len(t.out.Still) > 0:
			out.Elsewhere = append(out.Elsewhere, t.out)
		}
	}
	return nil
}

// search opens every claim of the log that opens without the person's keys and
// looks for their names.
func (t *trace) search(ctx context.Context, progress func(done, total uint64)) error {
	l := t.log
	if err := l.use(); err != nil {
		return err
	}
	defer l.release()
	own := map[string]bool{}
	for _, p := range t.people {
		own[p.KeyID] = true
	}
	defer l.pin()()
	size := l.size()
	one := func(e Entry) error {
		if e.Seq%1024 == 0 {
			progress(e.Seq, size)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return t.searchOne(e, own)
	}
	kept, first := l.keptSeqs() // what outlives its segment
	for _, seq := range kept {
		e, err := l.file.Entry(seq)
		if err == nil {
			err = one(e)
		}
		if err != nil {
			return fmt.Errorf("record %d: %w", seq, err)
		}
	}
	return l.file.Scan(first, size, one)
}

// searchOne looks through a record, but for claims that need one of the
// person's own keys: they close with the erasure.
func (t *trace) searchOne(e Entry, own map[string]bool) error {
	lf, err := chain.Decode(e.Leaf)
	if err != nil {
		t.out.Damaged++
		return nil
	}
	for i, c := range lf.Claims {
		if t.log.leafOnly(e) || slices.ContainsFunc(c.Keys, func(id string) bool { return own[id] }) {
			continue
		}
		o, err := t.log.openClaim(lf, e, i)
		if errors.Is(err, ErrKeyMissing) {
			continue
		}
		if err != nil {
			t.out.Damaged++
			continue
		}
		t.out.Searched++
		if what := t.names.find(o.Plain); len(what) > 0 {
			t.still(Naming{e.Seq, lf.Kind, c.Name, what})
		}
	}
	return nil
}

func (t *trace) still(n Naming) {
	if len(t.out.Still) == maxNamings {
		t.out.More++
		return
	}
	t.out.Still = append(t.out.Still, n)
}
