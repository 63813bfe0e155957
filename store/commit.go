package store

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
)

// draftState is an item on its way to become a record.
type draftState struct {
	item    *Item
	info    evidence.Info
	ident   digest // identity of an event, or of a state
	digest  digest
	stored  []byte  // identity posting of the event in the stored index
	state   stateAt // newest state of the subject in the stored index at or before the draft's time
	stated  bool    // there is one
	parties []evidence.Party
	people  []PersonKey
	subject *PersonKey // of a person record: whose keys seal it

	amends      *evidence.At  // an earlier record of the log
	amendsBatch *draftState   // an earlier draft of this batch
	leaf        evidence.Hash // once encoded
	seq         uint64

	id       evidence.ID
	claims   []chain.Claim
	sealed   [][]byte
	unplaced chain.Unplaced
	ready    *[]byte // that unplaced stands in
	buf      *[]byte // that the content's ciphertext stands in

	// What most drafts have one of stands here: their claims and sealed.
	oneClaim  [1]chain.Claim
	oneSealed [1][]byte
}

// process makes a batch of items that goes to the disk as one transaction:
// filters, seals and places them. Only the committer calls it.
func (l *Log) process(items []Item) (Result, *batchMade, error) {
	res := Result{Fates: make([]Fate, len(items)), Seqs: make([]uint64, len(items))}
	m := &batchMade{memory: batchMemories.Get().(*batchMemory)}
	all := m.memory.take(len(items))
	// Before the index is read: what is forgotten now is found there.
	l.recent.forget(l.flushed.Load())
	if err := inOrder(len(items), identifyChunk, workOn(items, identifying), func(i int) error {
		all[i].item = &items[i]
		return l.identify(&all[i])
	})(len(items) - 1); err != nil {
		return res, nil, err
	}
	fresh, err := l.filter(all, res.Fates)
	if err != nil {
		return res, nil, err
	}
	if len(fresh) == 0 {
		m.head, m.edge = l.end()
		res.Size = m.head.Size
		return res, m, nil
	}
	withPeople, err := l.resolvePeople(fresh)
	if err == nil {
		err = l.place(m, withPeople, workOn(items, sealing)*time.Duration(len(fresh))/time.Duration(len(items)))
	}
	if err != nil {
		l.known = map[evidence.ID]evidence.Names{} // their person records were not kept
		return res, nil, err
	}
	for i := range all {
		res.Seqs[i] = all[i].seq
	}
	res.Size = m.head.Size
	return res, m, nil
}

// identifyChunk is how many drafts one core takes at a time to identify, at most:
// enough that taking them costs little beside, few enough that no core waits long
// for another's last.
const identifyChunk = 16

// identify works out what tells the draft apart from others, and reads from the
// stored index what the log has of it. The cores do it for a batch together.
func (l *Log) identify(d *draftState) error {
	draft := &d.item.Draft
	d.info, _ = evidence.KindInfo(draft.Kind)
	if d.item.restated != nil {
		return d.item.restated.adopt(l, d)
	}
	var err error
	if d.info.State {
		d.ident = l.names.state(draft.Source, draft.Kind, draft.Subject)
	} else {
		d.ident = l.names.identity(draft.Source, draft.Kind, draft.Key)
	}
	if d.info.State && draft.Op == evidence.OpSet || d.info.Revisable {
		if d.digest, err = l.names.factsDigest(d.info, draft); err != nil {
			return err
		}
	}
	if d.info.State {
		d.state, d.stated, err = l.storedState(d, timeKey(draft.OccurredAt))
		return err
	}
	d.stored, err = l.index.Get(BucketIdentity, d.ident[:])
	return err
}

// filter drops what the log has already. It returns the survivors in order.
// It asks three places: this batch, the records that the stored index may not
// have yet, and the stored index.
func (l *Log) filter(all []draftState, fates []Fate) (fresh []*draftState, err error) {
	f := filter{l: l, n: len(all)}
	fresh = make([]*draftState, 0, len(all))
	for i := range all {
		d := &all[i]
		old, oerr := f.expired(d)
		switch {
		case oerr != nil:
			return nil, oerr
		case old:
			l.ret.expired.Add(1)
			fates[i] = Expired
		case d.info.State:
			fates[i], err = f.state(d)
		default:
			fates[i], err = f.event(d)
		}
		if err != nil {
			return nil, err
		}
		if fates[i] == Appended || fates[i] == Amended {
			fresh = append(fresh, d)
		}
	}
	return fresh, nil
}

// filter is the filtering of one batch.
type filter struct {
	l      *Log
	n      int // drafts in it
	events map[digest]*draftState
	states map[digest][]stateAt
}

func (f *filter) event(d *draftState) (Fate, error) {
	if prev := f.events[d.ident]; prev != nil {
		return f.again(d, prev.digest, nil, prev), nil
	}
	e, ok := f.l.recent.event(d.ident)
	if !ok {
		v := d.stored
		if v == nil {
			f.remember(d)
			return Appended, nil
		}
		if len(v) != 8+16 {
			return 0, fmt.Errorf("identity posting of %d bytes", len(v))
		}
		e = eventAt{binary.BigEndian.Uint64(v), digest(v[8:])}
	}
	if !d.info.Revisable || e.digest == d.digest {
		return f.again(d, e.digest, nil, nil), nil
	}
	if e.seq >= f.l.size() {
		f.l.settle() // it is on its way to the disk
	}
	en, err := f.l.file.Entry(e.seq)
	if err != nil {
		return 0, fmt.Errorf("read record %d to amend: %w", e.seq, err)
	}
	return f.again(d, e.digest, &evidence.At{Seq: e.seq, Leaf: chain.LeafHash(en.Leaf)}, nil), nil
}

func (f *filter) remember(d *draftState) {
	if f.events == nil {
		f.events = make(map[digest]*draftState, f.n)
	}
	f.events[d.ident] = d
}

// again decides about an event whose identity is known.
func (f *filter) again(d *draftState, before digest, at *evidence.At, prev *draftState) Fate {
	if !d.info.Revisable || before == d.digest {
		return Repeated
	}
	d.amends, d.amendsBatch = at, prev
	f.remember(d)
	return Amended
}

// state compares a state with its neighbour before it in time.
func (f *filter) state(d *draftState) (Fate, error) {
	at := timeKey(d.item.Draft.OccurredAt)
	newest, ok := d.state, d.stated
	if r, found := f.l.recent.state(d.ident, at); found && (!ok || r.notBefore(newest)) {
		newest, ok = r, true
	}
	for _, s := range f.states[d.ident] {
		if string(s.at[:]) <= string(at[:]) && (!ok || s.notBefore(newest)) {
			newest, ok = s, true
		}
	}
	switch {
	case d.item.Carries != nil:
	case d.item.Draft.Op == evidence.OpSet && ok && newest.op == evidence.OpSet && newest.digest == d.digest:
		return Unchanged, nil
	case d.item.Draft.Op == evidence.OpEnd && (!ok || newest.op == evidence.OpEnd):
		return Unchanged, nil
	}
	if f.states == nil {
		f.states = map[digest][]stateAt{}
	}
	f.states[d.ident] = append(f.states[d.ident], stateAt{at, math.MaxUint64, d.item.Draft.Op, d.digest})
	return Appended, nil
}

// storedState finds the newest state of the draft's subject at or before the
// time in the stored index.
func (l *Log) storedState(d *draftState, at [8]byte) (s stateAt, ok bool, err error) {
	limit := When{8: 0xff, 9: 0xff, 10: 0xff, 11: 0xff, 12: 0xff, 13: 0xff, 14: 0xff, 15: 0xff}
	copy(limit[:], at[:])
	when, v, ok, err := l.index.Last(BucketState, stateKey(d.item.Draft.Kind, d.ident), limit)
	if err != nil || !ok {
		return s, false, err
	}
	op, dig := decodeState(v)
	return stateAt{[8]byte(when[:]), binary.BigEndian.Uint64(when[8:]), op, dig}, true, nil
}

func stateKey(kind evidence.Kind, ident digest) []byte {
	k := append(make([]byte, 0, len(kind)+1+32), kind...)
	k = append(k, 0)
	return append(k, ident[:]...)
}

func appendState(b []byte, op evidence.Op, d digest) []byte {
	mark := byte('s')
	if op == evidence.OpEnd {
		mark = 'e'
	}
	return append(append(b, mark), d[:]...)
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
	ids := make([]Identity, 0, len(fresh))
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
	// Those of all drafts stand in one piece of memory each.
	parties, people := make([]evidence.Party, 0, len(ids)), make([]PersonKey, 0, len(ids))
	at := 0
	for _, d := range fresh {
		n := len(d.item.Draft.People)
		if n == 0 {
			continue
		}
		d.parties, parties = parties[:0:n], parties[n:cap(parties)][:0]
		d.people, people = people[:0:n], people[n:cap(people)][:0]
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

// seal makes the claims of a draft; alone is the cipher of claims that need the
// data key alone.
func (l *Log) seal(d *draftState, dataID string, dataKey []byte, alone *claim.Cipher) error {
	draft := &d.item.Draft
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
	buf := plaintexts.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= 64<<10 { // a rare long one must not be kept for good
			plaintexts.Put(buf)
		}
	}()
	plain, err := c.encode((*buf)[:0])
	if err != nil {
		return err
	}
	*buf = plain
	d.claims, d.sealed = d.oneClaim[:0], d.oneSealed[:0]
	if n := 1 + min(len(text), 1) + min(len(raw), 1); n > 1 {
		d.claims, d.sealed = make([]chain.Claim, 0, n), make([][]byte, 0, n)
	}
	if d.subject != nil {
		alone, err = l.cipherFor(dataID, dataKey, []PersonKey{*d.subject})
		if err != nil {
			return err
		}
	}
	d.buf = ciphertexts.Get().(*[]byte)
	if err := l.sealClaim(d, "content", plain, alone, *d.buf); err != nil {
		return err
	}
	if c := d.sealed[0]; cap(c) <= maxCiphertext {
		*d.buf = c
	}
	if len(text) == 0 && len(raw) == 0 {
		return nil
	}
	shared, err := l.cipherFor(dataID, dataKey, d.people)
	if err != nil {
		return err
	}
	if len(text) > 0 {
		if err := l.sealClaim(d, "text", text, shared, nil); err != nil {
			return err
		}
	}
	if len(raw) > 0 {
		return l.sealClaim(d, "raw", raw, shared, nil)
	}
	return nil
}

// cipherFor returns the cipher of claims that need the data key and those of
// the people.
func (l *Log) cipherFor(dataID string, dataKey []byte, people []PersonKey) (*claim.Cipher, error) {
	ids := []string{dataID}
	for _, p := range people {
		ids = append(ids, p.KeyID)
	}
	return l.cipher(ids, func() ([][]byte, error) {
		ks := [][]byte{dataKey}
		for _, p := range people {
			ks = append(ks, p.Key)
		}
		return ks, nil
	})
}

func (l *Log) sealClaim(d *draftState, name string, plain []byte, c *claim.Cipher, buf []byte) error {
	s, err := c.SealTo(buf, l.origin, d.id, name, plain)
	if err != nil {
		return err
	}
	d.claims = append(d.claims, chain.Claim{Name: name, Commit: s.Commit, Sealed: s.Hash, Size: len(s.Ciphertext), Keys: c.Keys()})
	d.sealed = append(d.sealed, s.Ciphertext)
	return nil
}

// sealChunk is how many drafts one core seals before it looks for more.
const sealChunk = 16

// place seals in parallel and places in order, as drafts become ready, what
// is then stored in one transaction. Work is what sealing takes one core.
func (l *Log) place(m *batchMade, ds []*draftState, work time.Duration) error {
	head, edge := l.end()
	now := l.st.o.Clock().UTC().Truncate(time.Microsecond)
	if now.Before(head.Recorded) {
		now = head.Recorded
	}
	ds, segment, err := l.nextSegment(ds, head, edge, now)
	if err != nil {
		return err
	}
	head.Segment = segment
	dataID, dataKey, err := l.keys.DataKey(head.Segment)
	if err != nil {
		return fmt.Errorf("data key of segment %d: %w", head.Segment, err)
	}
	alone, err := l.cipherFor(dataID, dataKey, nil)
	if err != nil {
		return err
	}
	drawIDs(ds)
	m.drafts, m.entries, m.indexed = ds, m.memory.takeEntries(len(ds)), make([]indexed, len(ds))
	ready := inOrder(len(ds), sealChunk, work, func(i int) error {
		d := ds[i]
		d.seq = head.Size + uint64(i)
		m.indexed[i] = d.indexed()
		if err := l.seal(d, dataID, dataKey, alone); err != nil {
			return err
		}
		if d.amendsBatch != nil {
			return nil // names a leaf of this batch: made ready in its turn
		}
		return l.prepare(d)
	})
	prev := head.Last
	if head.Size == 0 {
		prev = chain.GenesisPrev(l.origin)
	}
	for i, d := range ds {
		if err := ready(i); err != nil {
			return err
		}
		if d.amendsBatch != nil {
			d.amends = &evidence.At{Seq: d.amendsBatch.seq, Leaf: d.amendsBatch.leaf}
			if err := l.prepare(d); err != nil {
				return err
			}
		}
		leaves := m.memory.room(d.unplaced.PlacedSize())
		begin := len(*leaves)
		*leaves = d.unplaced.Place(*leaves, d.seq, prev, now)
		b := (*leaves)[begin:len(*leaves):len(*leaves)]
		readyLeaves.Put(d.ready)
		if len(b) > chain.MaxLeaf {
			return fmt.Errorf("encode %s: leaf of %d bytes, at most %d", d.item.Draft.Kind, len(b), chain.MaxLeaf)
		}
		d.leaf = m.memory.hasher.LeafHash(b)
		m.entries[i] = Entry{d.seq, b, d.sealed}
		prev = d.leaf
		edge.append(d.leaf, func(t Tile) { m.tiles = append(m.tiles, t) })
	}
	head.Size += uint64(len(ds))
	head.Last, head.Recorded, head.Frontier = prev, now, edge.frontier.Roots()
	if l.intake.Epoch != "" {
		head.Intake = l.intake
	}
	m.head, m.edge = head, edge
	return nil
}

// remember has what comes next be compared with the batch, also before it is
// durable: the log stops when it does not become so.
func (l *Log) remember(m *batchMade) {
	for _, d := range m.drafts {
		l.recent.add(d, timeKey(d.item.Draft.OccurredAt))
	}
}

// drawIDs gives the drafts their ids. Random bytes for many cost hardly more
// than for one.
func drawIDs(ds []*draftState) {
	var raw [1024]byte
	const size = len(evidence.ID{})
	for some := range slices.Chunk(ds, len(raw)/size) {
		rand.Read(raw[:size*len(some)])
		for i, d := range some {
			d.id = evidence.ID(raw[size*i:])
		}
	}
}

// prepare makes the leaf ready, but for its place.
func (l *Log) prepare(d *draftState) error {
	draft := &d.item.Draft
	op := draft.Op
	if d.amends != nil {
		op = evidence.OpAmend
	}
	lf := chain.Leaf{
		Origin: l.origin, ID: d.id, Kind: draft.Kind, Version: d.info.Version, Op: op,
		Source: draft.Source, Run: d.item.Run, Occurred: draft.OccurredAt, Basis: draft.Basis,
		NotBefore: draft.NotBefore, Observed: draft.ObservedAt,
		People: d.parties, Claims: d.claims, Amends: d.amends, Carries: d.item.Carries, From: d.item.From,
	}
	var err error
	d.ready = readyLeaves.Get().(*[]byte)
	if d.unplaced, err = lf.Unplaced(*d.ready); err != nil {
		return fmt.Errorf("encode %s: %w", draft.Kind, err)
	}
	*d.ready = d.unplaced.Buffer()
	return nil
}

// indexed says what the index needs of a draft that has its place.
func (d *draftState) indexed() indexed {
	draft := &d.item.Draft
	return indexed{
		seq: d.seq, kind: draft.Kind, at: draft.OccurredAt, op: draft.Op, ident: d.ident, digest: d.digest,
		subject: draft.Subject, links: draft.Links, people: d.parties,
	}
}

// publish shows what is durable now to readers, and wakes the indexer when
// much waits for it.
func (l *Log) publish(recs []indexed, head Head, e *edge) {
	l.mu.Lock()
	l.head, l.edge = head, e
	l.tail.add(recs)
	l.mu.Unlock()
	if l.tail.len() >= flushAt {
		l.wakeIndexer()
	}
}
