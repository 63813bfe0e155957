package store

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// draftState is an item on its way to become a record.
type draftState struct {
	item    *Item
	info    evidence.Info
	ident   digest // identity of an event, or of a state
	digest  digest
	parties []evidence.Party
	people  []PersonKey
	subject *PersonKey // of a person record: whose keys seal it

	amends      *evidence.At  // an earlier record of the log
	amendsBatch *draftState   // an earlier draft of this batch
	leaf        evidence.Hash // once encoded
	seq         uint64

	id     evidence.ID
	claims []chain.Claim
	sealed [][]byte
}

// process filters, seals and stores items as one transaction. Only the
// committer calls it.
func (l *Log) process(items []Item) (Result, error) {
	res := Result{Fates: make([]Fate, len(items)), Seqs: make([]uint64, len(items)), Size: l.Size()}
	all := make([]draftState, len(items))
	if err := parallel(len(items), func(i int) error {
		all[i].item = &items[i]
		return l.identify(&all[i])
	}); err != nil {
		return res, err
	}
	fresh, err := l.filter(all, res.Fates)
	if err != nil || len(fresh) == 0 {
		return res, err
	}
	withPeople, err := l.resolvePeople(fresh)
	if err != nil {
		return res, err
	}
	if err := l.store(withPeople); err != nil {
		l.known = map[evidence.ID]evidence.Names{} // their person records were not kept
		return res, err
	}
	for i := range all {
		res.Seqs[i] = all[i].seq
	}
	res.Size = l.Size()
	return res, nil
}

// parallel runs fn for 0..n-1 on all cores, in chunks.
func parallel(n int, fn func(i int) error) error {
	workers := runtime.GOMAXPROCS(0)
	if n < 64 || workers < 2 {
		for i := range n {
			if err := fn(i); err != nil {
				return err
			}
		}
		return nil
	}
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := w * n / workers; i < (w+1)*n/workers; i++ {
				if err := fn(i); err != nil {
					errs[w] = err
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) identify(d *draftState) error {
	draft := &d.item.Draft
	d.info, _ = evidence.KindInfo(draft.Kind)
	var err error
	if d.info.State {
		d.ident = l.names.state(draft.Source, draft.Kind, draft.Subject)
	} else {
		d.ident = l.names.identity(draft.Source, draft.Kind, draft.Key)
	}
	if d.info.State && draft.Op == evidence.OpSet || d.info.Revisable {
		d.digest, err = l.names.factsDigest(d.info, draft)
	}
	return err
}

// stateAt is a state of a subject inside the batch.
type stateAt struct {
	at     [8]byte
	op     evidence.Op
	digest digest
}

// filter drops what the log has already. It returns the survivors in order.
func (l *Log) filter(all []draftState, fates []Fate) ([]*draftState, error) {
	ls, _, err := l.snapshot()
	if err != nil {
		return nil, err
	}
	defer ls.view.Close()
	events := map[digest]*draftState{}
	states := map[digest][]stateAt{}
	var fresh []*draftState
	for i := range all {
		d := &all[i]
		if d.info.State {
			fates[i] = l.judgeState(ls, states, d)
		} else if fates[i], err = l.judgeEvent(ls, events, d); err != nil {
			return nil, err
		}
		if fates[i] == Appended || fates[i] == Amended {
			fresh = append(fresh, d)
		}
	}
	return fresh, nil
}

func (l *Log) judgeEvent(ls layers, batch map[digest]*draftState, d *draftState) (Fate, error) {
	if prev := batch[d.ident]; prev != nil {
		return l.judgeAgain(batch, d, prev.digest, nil, prev), nil
	}
	v, ok := ls.get(bucketIdentity, d.ident[:])
	if !ok {
		batch[d.ident] = d
		return Appended, nil
	}
	if len(v) != 8+16 {
		return 0, fmt.Errorf("identity posting of %d bytes", len(v))
	}
	seq := binary.BigEndian.Uint64(v)
	if !d.info.Revisable || digest(v[8:]) == d.digest {
		return l.judgeAgain(batch, d, digest(v[8:]), nil, nil), nil
	}
	e, err := l.file.Entry(seq)
	if err != nil {
		return 0, fmt.Errorf("read record %d to amend: %w", seq, err)
	}
	return l.judgeAgain(batch, d, digest(v[8:]), &evidence.At{Seq: seq, Leaf: chain.LeafHash(e.Leaf)}, nil), nil
}

// judgeAgain decides about an event whose identity is known.
func (l *Log) judgeAgain(batch map[digest]*draftState, d *draftState, before digest, at *evidence.At, prev *draftState) Fate {
	switch {
	case !d.info.Revisable:
		return Repeated
	case before == d.digest:
		return Repeated
	}
	d.amends, d.amendsBatch = at, prev
	batch[d.ident] = d
	return Amended
}

// judgeState compares a state with its neighbour before it in time.
func (l *Log) judgeState(ls layers, batch map[digest][]stateAt, d *draftState) Fate {
	at := timeKey(d.item.Draft.OccurredAt)
	op, dig, found := d.stored(ls, at)
	var newest *stateAt
	for i := range batch[d.ident] {
		s := &batch[d.ident][i]
		if string(s.at[:]) <= string(at[:]) && (newest == nil || string(s.at[:]) >= string(newest.at[:])) {
			newest = s
		}
	}
	if newest != nil && (!found.ok || string(newest.at[:]) >= string(found.at[:])) {
		op, dig, found.ok = newest.op, newest.digest, true
	}
	switch {
	case d.item.Carries != nil:
	case d.item.Draft.Op == evidence.OpSet && found.ok && op == evidence.OpSet && dig == d.digest:
		return Unchanged
	case d.item.Draft.Op == evidence.OpEnd && (!found.ok || op == evidence.OpEnd):
		return Unchanged
	}
	batch[d.ident] = append(batch[d.ident], stateAt{at, d.item.Draft.Op, d.digest})
	return Appended
}

type storedAt struct {
	ok bool
	at [8]byte
}

// stored returns the state of the subject at or before the instant.
func (d *draftState) stored(ls layers, at [8]byte) (evidence.Op, digest, storedAt) {
	prefix := stateKey(d.item.Draft.Kind, d.ident)
	end := append(append(append([]byte{}, prefix...), at[:]...), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	k, v := ls.seekLT(bucketState, end)
	if len(k) != len(prefix)+16 || string(k[:len(prefix)]) != string(prefix) {
		return "", digest{}, storedAt{}
	}
	op, dig := decodeState(v)
	return op, dig, storedAt{true, [8]byte(k[len(prefix):])}
}

func stateKey(kind evidence.Kind, ident digest) []byte {
	k := append(make([]byte, 0, len(kind)+1+32), kind...)
	k = append(k, 0)
	return append(k, ident[:]...)
}

func encodeState(op evidence.Op, d digest) []byte {
	b := []byte{'s'}
	if op == evidence.OpEnd {
		b[0] = 'e'
	}
	return append(b, d[:]...)
}

func decodeState(v []byte) (evidence.Op, digest) {
	if len(v) != 17 {
		return "", digest{}
	}
	if v[0] == 'e' {
		return evidence.OpEnd, digest(v[1:])
	}
	return evidence.OpSet, digest(v[1:])
}

// resolvePeople gives everybody in the batch a token and puts a person record
// before the first record that names somebody new or newly named.
func (l *Log) resolvePeople(fresh []*draftState) ([]*draftState, error) {
	var ids []Identity
	for _, d := range fresh {
		for _, p := range d.item.Draft.People {
			ids = append(ids, Identity{p.Realm, p.NativeID})
		}
	}
	if len(ids) == 0 {
		return fresh, nil
	}
	keys, err := l.keys.People(ids)
	if err != nil {
		return nil, err
	}
	var persons []draftState
	at := 0
	for _, d := range fresh {
		for _, p := range d.item.Draft.People {
			k := keys[at]
			at++
			d.parties = append(d.parties, evidence.Party{Role: p.Role, Token: k.Token, Proof: p.Proof})
			if !slices.ContainsFunc(d.people, func(o PersonKey) bool { return o.Token == k.Token }) {
				d.people = append(d.people, k)
			}
			if names, ok := l.known[k.Token]; ok && (names == p.Names || p.Names == (evidence.Names{})) {
				continue
			}
			l.known[k.Token] = p.Names
			pd, err := l.personDraft(d.item, p, k)
			if err != nil {
				return nil, err
			}
			persons = append(persons, pd)
		}
	}
	fates := make([]Fate, len(persons))
	out, err := l.filter(persons, fates)
	if err != nil {
		return nil, err
	}
	return append(out, fresh...), nil
}

func (l *Log) personDraft(item *Item, p evidence.Person, k PersonKey) (draftState, error) {
	facts, err := json.Marshal(evidence.PersonFacts{Realm: p.Realm, NativeID: p.NativeID, Names: p.Names})
	if err != nil {
		return draftState{}, err
	}
	d := draftState{subject: &k, item: &Item{Run: item.Run, Draft: evidence.Draft{
		Kind: evidence.PersonKnown, Op: evidence.OpSet, Source: evidence.SelfSource,
		Subject:    evidence.NewRef("person", "", k.Token.String()),
		OccurredAt: item.Draft.ObservedAt, Basis: evidence.BasisObserved, ObservedAt: item.Draft.ObservedAt,
		Content: facts,
	}}}
	d.parties = []evidence.Party{{Role: evidence.RoleSubject, Token: k.Token, Proof: p.Proof}}
	return d, l.identify(&d)
}

// seal makes the claims of a draft.
func (l *Log) seal(d *draftState, dataID string, dataKey []byte) error {
	draft := &d.item.Draft
	rand.Read(d.id[:])
	c := content{
		Key: draft.Key, Subject: draft.Subject, Links: draft.Links, Scope: draft.Scope, Actor: d.item.Actor,
		Digest: d.digest, Facts: draft.Content, Removed: draft.Removed,
	}
	if draft.Request != (evidence.Request{}) {
		c.Request = &draft.Request
	}
	text, raw := draft.Text, draft.Raw
	if len(text) > evidence.MaxText {
		c.TextCut = &cut{len(text), l.names.index.sum("text", string(text))}
		text = text[:evidence.MaxText]
	}
	if len(raw) > evidence.MaxInlineRaw {
		c.RawCut = &cut{len(raw), l.names.index.sum("raw", string(raw))}
		raw = raw[:evidence.MaxInlineRaw]
	}
	plain, err := c.encode()
	if err != nil {
		return err
	}
	own := []PersonKey{}
	if d.subject != nil {
		own = append(own, *d.subject)
	}
	if err := l.sealClaim(d, "content", plain, dataID, dataKey, own); err != nil {
		return err
	}
	if len(text) > 0 {
		if err := l.sealClaim(d, "text", text, dataID, dataKey, d.people); err != nil {
			return err
		}
	}
	if len(raw) > 0 {
		return l.sealClaim(d, "raw", raw, dataID, dataKey, d.people)
	}
	return nil
}

func (l *Log) sealClaim(d *draftState, name string, plain []byte, dataID string, dataKey []byte, people []PersonKey) error {
	ids := []string{dataID}
	for _, p := range people {
		ids = append(ids, p.KeyID)
	}
	c, err := l.cipher(ids, func() ([][]byte, error) {
		ks := [][]byte{dataKey}
		for _, p := range people {
			ks = append(ks, p.Key)
		}
		return ks, nil
	})
	if err != nil {
		return err
	}
	s, err := c.Seal(l.origin, d.id, name, plain)
	if err != nil {
		return err
	}
	d.claims = append(d.claims, chain.Claim{Name: name, Commit: s.Commit, Sealed: s.Hash, Size: len(s.Ciphertext), Keys: c.Keys()})
	d.sealed = append(d.sealed, s.Ciphertext)
	return nil
}

// store seals in parallel, chains in order, and makes all of it durable in one
// transaction.
func (l *Log) store(ds []*draftState) error {
	l.mu.RLock()
	head, edge := l.head, l.edge.clone()
	l.mu.RUnlock()
	now := l.st.o.Clock().UTC().Truncate(time.Microsecond)
	if now.Before(head.Recorded) {
		now = head.Recorded
	}
	if head.Segment == 0 || l.file.Bytes() > l.st.o.SegmentBytes {
		head.Segment++
	}
	dataID, dataKey, err := l.keys.DataKey(head.Segment)
	if err != nil {
		return fmt.Errorf("data key of segment %d: %w", head.Segment, err)
	}
	if err := parallel(len(ds), func(i int) error { return l.seal(ds[i], dataID, dataKey) }); err != nil {
		return err
	}
	entries := make([]Entry, len(ds))
	prev := head.Last
	if head.Size == 0 {
		prev = chain.GenesisPrev(l.origin)
	}
	var tiles []Tile
	for i, d := range ds {
		d.seq = head.Size + uint64(i)
		if entries[i], err = l.encode(d, prev, now); err != nil {
			return err
		}
		prev = d.leaf
		edge.append(d.leaf, func(t Tile) { tiles = append(tiles, t) })
	}
	head = Head{Size: head.Size + uint64(len(ds)), Last: prev, Recorded: now, Frontier: edge.frontier.Roots(), Segment: head.Segment}
	if err := l.file.Append(entries, tiles, head); err != nil {
		return l.stop(err)
	}
	l.publish(ds, head, edge)
	return nil
}

func (l *Log) encode(d *draftState, prev evidence.Hash, now time.Time) (Entry, error) {
	draft := &d.item.Draft
	op := draft.Op
	if d.amendsBatch != nil {
		d.amends = &evidence.At{Seq: d.amendsBatch.seq, Leaf: d.amendsBatch.leaf}
	}
	if d.amends != nil {
		op = evidence.OpAmend
	}
	lf := chain.Leaf{
		Origin: l.origin, Seq: d.seq, Prev: prev, ID: d.id, Kind: draft.Kind, Version: d.info.Version, Op: op,
		Source: draft.Source, Run: d.item.Run, Occurred: draft.OccurredAt, Basis: draft.Basis,
		NotBefore: draft.NotBefore, Observed: draft.ObservedAt, Recorded: now,
		People: d.parties, Claims: d.claims, Amends: d.amends, Carries: d.item.Carries, From: d.item.From,
	}
	b, err := lf.Append(make([]byte, 0, 1024))
	if err != nil {
		return Entry{}, fmt.Errorf("encode %s: %w", draft.Kind, err)
	}
	d.leaf = chain.LeafHash(b)
	return Entry{d.seq, b, d.sealed}, nil
}

// publish shows what is durable now to readers, and wakes the indexer.
func (l *Log) publish(ds []*draftState, head Head, e *edge) {
	var ps []Posting
	for _, d := range ds {
		draft := &d.item.Draft
		ps = l.postings(ps, d.seq, draft.Kind, draft.OccurredAt, draft.Op, d.ident, d.digest, draft.Subject, draft.Links, d.parties)
	}
	l.mu.Lock()
	l.head, l.edge = head, e
	for _, p := range ps {
		l.active.Set(p)
	}
	l.activeN += len(ds)
	wake := l.activeN >= flushAt
	l.mu.Unlock()
	if wake {
		select {
		case l.flush <- struct{}{}:
		default:
		}
	}
}

// postings derives the index entries of a record.
func (l *Log) postings(ps []Posting, seq uint64, kind evidence.Kind, at time.Time, op evidence.Op, ident, dig digest, subject evidence.Ref, links []evidence.Ref, people []evidence.Party) []Posting {
	tk := timeKey(at)
	var when [16]byte
	copy(when[:], tk[:])
	binary.BigEndian.PutUint64(when[8:], seq)
	key := func(parts ...[]byte) []byte { return slices.Concat(append(parts, when[:])...) }
	kz := append([]byte(kind), 0)
	ps = append(ps, Posting{bucketTime, key(kz), nil})
	if info, _ := evidence.KindInfo(kind); info.State {
		ps = append(ps, Posting{bucketState, key(kz, ident[:]), encodeState(op, dig)})
	} else {
		v := binary.BigEndian.AppendUint64(make([]byte, 0, 24), seq)
		ps = append(ps, Posting{bucketIdentity, ident[:], append(v, dig[:]...)})
	}
	seen := map[digest]bool{}
	add := func(r evidence.Ref) {
		if h := l.names.ref(r); !seen[h] {
			seen[h] = true
			ps = append(ps, Posting{bucketLink, key(h[:]), []byte(kind)})
		}
	}
	add(subject)
	for _, r := range links {
		add(r)
	}
	for i, p := range people {
		if !slices.ContainsFunc(people[:i], func(o evidence.Party) bool { return o.Token == p.Token }) {
			ps = append(ps, Posting{bucketPerson, key(p.Token[:]), []byte(kind)})
		}
	}
	return ps
}
