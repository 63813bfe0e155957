package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
	"evidenced/evidence/problem"
)

// The reasons why a claim is closed.
const (
	closedErased  = "erased"
	closedRetired = "retired"
	closedMissing = "key missing"
)

// load reads a record and opens its content, and text and raw when asked.
func (s *Snapshot) load(seq uint64, text, raw bool) (evidence.Record, error) {
	if err := s.use(); err != nil {
		return evidence.Record{}, err
	}
	defer s.l.release()
	return s.loadHeld(seq, text, raw)
}

// loadHeld is load for a caller that has the log in use.
func (s *Snapshot) loadHeld(seq uint64, text, raw bool) (evidence.Record, error) {
	e, err := s.entry(seq)
	if err != nil {
		return evidence.Record{}, err
	}
	return s.opened(e, text, raw)
}

// entry reads a stored record; the caller has the log in use.
func (s *Snapshot) entry(seq uint64) (Entry, error) {
	e, err := s.l.file.Entry(seq)
	if errors.Is(err, ErrRetired) {
		return Entry{}, problem.Wrap(problem.NotFound, err, "record %d of %s", seq, s.l.tenant)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("read record %d of %s: %w", seq, s.l.tenant, err)
	}
	return e, nil
}

// opened opens a stored record.
func (s *Snapshot) opened(e Entry, text, raw bool) (evidence.Record, error) {
	lf, r, err := s.leaf(e)
	if err != nil {
		return r, err
	}
	return r, s.open(&r, lf, e, text, raw)
}

// openedFor opens a stored record unless the query does not ask for it.
func (s *Snapshot) openedFor(e Entry, q *evidence.Query) (r evidence.Record, want bool, err error) {
	var v chain.View
	if err := s.read(&v, e); err != nil || q.Op != "" && string(v.Op) != string(q.Op) {
		return r, false, err // most leaves are none that somebody asks for by what was done
	}
	lf, r := recordOf(&v, e)
	if !leafMatches(&r, q) {
		return r, false, nil
	}
	if err := s.open(&r, lf, e, q.WithText, q.WithRaw); err != nil {
		return r, false, err
	}
	return r, matches(&r, q), nil
}

// leaf reads what the leaf of a stored record says.
func (s *Snapshot) leaf(e Entry) (*chain.Leaf, evidence.Record, error) {
	var v chain.View
	if err := s.read(&v, e); err != nil {
		return nil, evidence.Record{}, err
	}
	lf, r := recordOf(&v, e)
	return lf, r, nil
}

func (s *Snapshot) read(v *chain.View, e Entry) error {
	if err := v.Read(e.Leaf); err != nil {
		return problem.Wrap(problem.Corrupt, err, "record %d of %s", e.Seq, s.l.tenant)
	}
	return nil
}

// recordOf copies what a leaf says.
func recordOf(v *chain.View, e Entry) (*chain.Leaf, evidence.Record) {
	lf := v.Leaf()
	return lf, evidence.Record{
		Seq: lf.Seq, Leaf: chain.LeafHash(e.Leaf), ID: lf.ID, Kind: lf.Kind, Version: lf.Version, Op: lf.Op,
		Source: lf.Source, Run: lf.Run, Occurred: lf.Occurred, Basis: lf.Basis, NotBefore: lf.NotBefore,
		Observed: lf.Observed, Recorded: lf.Recorded, People: lf.People, Amends: lf.Amends, Carries: lf.Carries, From: lf.From,
	}
}

// open opens the content of a record, and text and raw when asked.
func (s *Snapshot) open(r *evidence.Record, lf *chain.Leaf, e Entry, text, raw bool) error {
	for i, c := range lf.Claims {
		if c.Name == "text" && !text || c.Name == "raw" && !raw {
			continue
		}
		o, err := s.l.openClaim(lf, e, i)
		if errors.Is(err, ErrKeyMissing) {
			if r.Closed == nil {
				r.Closed = map[string]string{}
			}
			r.Closed[c.Name] = s.l.whyClosed(c.Keys)
			continue
		}
		if err != nil {
			return problem.Wrap(problem.Corrupt, err, "record %d of %s", e.Seq, s.l.tenant)
		}
		switch c.Name {
		case "text":
			r.Text = o.Plain
		case "raw":
			r.Raw = o.Plain
		default:
			if err := fillContent(r, o.Plain); err != nil {
				return problem.Wrap(problem.Corrupt, err, "record %d of %s", e.Seq, s.l.tenant)
			}
		}
	}
	return nil
}

func fillContent(r *evidence.Record, plain []byte) error {
	var c content
	if err := c.decode(plain); err != nil {
		return fmt.Errorf("content: %w", err)
	}
	r.Key, r.Subject, r.Links, r.Scope = c.Key, c.Subject, c.Links, c.Scope
	r.Actor, r.Facts, r.Request = c.Actor, c.Facts, c.Request
	return nil
}

// openClaim opens the i-th claim of a record.
func (l *Log) openClaim(lf *chain.Leaf, e Entry, i int) (claim.Opening, error) {
	if l.leafOnly(e) {
		return claim.Opening{}, ErrKeyMissing
	}
	if i >= len(e.Claims) {
		return claim.Opening{}, fmt.Errorf("claim %s is not stored", lf.Claims[i].Name)
	}
	c := lf.Claims[i]
	ci, err := l.claimCipher(c.Keys)
	if errors.Is(err, ErrKeyMissing) {
		if o, ok, kerr := l.openKept(lf, c); ok || kerr != nil {
			return o, kerr
		}
	}
	if err != nil {
		return claim.Opening{}, err
	}
	return ci.Open(lf.Origin, lf.ID, c.Name, e.Claims[i], c.Commit)
}

// claimCipher returns the cipher of a claim that needs the keys. One that is gone
// is ErrKeyMissing.
func (l *Log) claimCipher(ids []string) (*claim.Cipher, error) {
	return l.cipher(ids, func() ([][]byte, error) {
		ks := make([][]byte, len(ids))
		for j, id := range ids {
			var err error
			if ks[j], err = l.keys.Key(id); err != nil {
				return nil, fmt.Errorf("key %s: %w", id, err)
			}
		}
		return ks, nil
	})
}

func (l *Log) openContent(lf *chain.Leaf, e Entry) (*content, error) {
	for i, c := range lf.Claims {
		if c.Name != "content" {
			continue
		}
		o, err := l.openClaim(lf, e, i)
		if err != nil {
			return nil, err
		}
		var out content
		if err := out.decode(o.Plain); err != nil {
			return nil, fmt.Errorf("content: %w", err)
		}
		return &out, nil
	}
	return nil, fmt.Errorf("record %d has no content claim", e.Seq)
}

// whyClosed tells an erased key from a lost one: erased only when an erasure
// record of this log names the key.
func (l *Log) whyClosed(keys []string) string {
	for _, id := range keys {
		if _, err := l.keys.Key(id); err == nil {
			continue
		}
		if l.retiredKey(id) {
			return closedRetired
		}
		erased, err := l.erasureNames(evidence.NewRef("key", "", id))
		if err != nil || !erased && !l.erasedLater(id) {
			return closedMissing
		}
	}
	return closedErased
}

// erasureNames reports whether an erasure record of this log names the key. The
// index only says where to look: it is not sealed, so the record is read.
func (l *Log) erasureNames(key evidence.Ref) (bool, error) {
	v, err := l.openView()
	if err != nil {
		return false, err
	}
	h := l.names.ref(key)
	ls := layers{l.tail.postings(), v}
	var seqs []uint64
	for next := h[:]; ; {
		k, kind := ls.seekGE(bucketLink, next)
		if !bytes.HasPrefix(k, h[:]) {
			break
		}
		if evidence.Kind(kind) == evidence.Erasure {
			seqs = append(seqs, seqOf(k))
		}
		next = append(bytes.Clone(k), 0)
	}
	if err := v.Close(); err != nil {
		return false, err
	}
	for _, seq := range seqs {
		e, err := l.file.Entry(seq)
		if errors.Is(err, ErrRetired) {
			return true, nil // the index is all that is left of it
		}
		if err != nil {
			return false, err
		}
		lf, err := chain.Decode(e.Leaf)
		if err != nil || lf.Kind != evidence.Erasure {
			continue
		}
		c, err := l.openContent(lf, e)
		if errors.Is(err, ErrKeyMissing) || err == nil && (c.Subject == key || slices.Contains(c.Links, key)) {
			return true, nil // of a segment whose key was destroyed the leaf is left
		}
	}
	return false, nil
}

// erasedLater reports whether a log that continues this one says that the key
// is erased: nothing is appended to a log that was given up.
func (l *Log) erasedLater(id string) bool {
	if !l.former() {
		return false
	}
	now, err := l.st.Log(l.tenant)
	if err != nil || now == l || now.use() != nil {
		return false
	}
	defer now.release()
	if _, err := l.keys.Key(id); !errors.Is(err, ErrKeyMissing) {
		return false
	}
	return id[0] == 'p' && now.whyClosed([]string{id}) == closedErased
}
