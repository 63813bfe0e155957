package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
)

// ErrOldKeyring says that the keyring is older than the log. The log is not
// continued with it; and when it does not open the erasure records, the log is
// not read either, for what was erased since is not known.
var ErrOldKeyring = errors.New("the keyring is older than the log")

// checkKeyring holds the keyring against the log. What the log says is erased
// and the keyring has again (an old copy was brought back) is destroyed anew,
// before anybody reads. It runs while the log is opened.
func (l *Log) checkKeyring() error {
	if l.former() {
		return nil // the log that continues it has the erasures
	}
	if err := l.hasNewestKey(); err != nil {
		return err
	}
	seqs, err := l.erasures()
	if err != nil || len(seqs) == 0 {
		return err
	}
	var erased []string
	for _, seq := range seqs {
		ids, err := l.erasedKeys(seq)
		if err != nil {
			return err
		}
		erased = append(erased, ids...)
	}
	d, err := l.st.o.Keys.Destroy(context.Background(), []Destruction{{Tenant: l.tenant, Keys: erased}}, nil)
	if err != nil {
		return fmt.Errorf("carry erasures out anew in the keyring of %s: %w", l.tenant, err)
	}
	if back := len(d.Keys[l.tenant]); back > 0 {
		l.st.o.Log.Warn("an old keyring was brought back: what was erased since is destroyed again",
			"tenant", l.tenant.String(), "keys", back, "level", string(d.Level))
	}
	return nil
}

// hasNewestKey looks for the data keys of the newest record and stops the log
// without them: a new key of the same id would be made for the next record.
func (l *Log) hasNewestKey() error {
	size := l.size()
	if size == 0 {
		return nil
	}
	e, err := l.file.Entry(size - 1)
	if errors.Is(err, ErrNoEntry) {
		return nil
	}
	if err != nil {
		return err
	}
	lf, err := chain.Decode(e.Leaf)
	if err != nil {
		return nil // verification tells what is wrong with it
	}
	for _, c := range lf.Claims {
		for _, id := range c.Keys {
			if id[0] != 'd' {
				continue
			}
			if _, err := l.keys.Key(id); errors.Is(err, ErrKeyMissing) {
				old := l.oldKeyring(fmt.Sprintf("it lacks key %s of the newest record", id))
				l.mu.Lock()
				if l.stopped == nil {
					l.stopped = old
				}
				l.mu.Unlock()
				l.st.o.Log.Error("log stopped", "tenant", l.tenant.String(), "err", old)
				return nil
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Log) oldKeyring(why string) error {
	return problem.Wrap(problem.Refused, fmt.Errorf("%w: %s", ErrOldKeyring, why), "log of %s", l.tenant).
		WithHint("bring back the newest keyring; evidenced verify works without one")
}

// erasures lists the erasure records.
func (l *Log) erasures() ([]uint64, error) {
	v, err := l.openView()
	if err != nil {
		return nil, err
	}
	var seqs []uint64
	prefix := append([]byte(evidence.Erasure), 0)
	for next := prefix; ; {
		k, _ := v.SeekGE(bucketTime, next)
		if !bytes.HasPrefix(k, prefix) {
			break
		}
		if len(k) == len(prefix)+16 {
			seqs = append(seqs, binary.BigEndian.Uint64(k[len(prefix)+8:]))
		}
		next = append(slices.Clone(k), 0)
	}
	return seqs, v.Close()
}

// erasedKeys reads an erasure record.
func (l *Log) erasedKeys(seq uint64) ([]string, error) {
	e, err := l.file.Entry(seq)
	if errors.Is(err, ErrNoEntry) {
		return nil, nil // retired with what it closed
	}
	if err != nil {
		return nil, fmt.Errorf("erasure record %d of %s: %w", seq, l.tenant, err)
	}
	lf, err := chain.Decode(e.Leaf)
	if err != nil {
		return nil, problem.Wrap(problem.Corrupt, err, "erasure record %d of %s", seq, l.tenant)
	}
	c, err := l.openContent(lf, e)
	if errors.Is(err, ErrKeyMissing) {
		return nil, l.oldKeyring(fmt.Sprintf("it does not open erasure record %d", seq))
	}
	if err != nil {
		return nil, problem.Wrap(problem.Corrupt, err, "erasure record %d of %s", seq, l.tenant)
	}
	var f evidence.ErasureFacts
	if err := json.Unmarshal(c.Facts, &f); err != nil {
		return nil, problem.Wrap(problem.Corrupt, err, "erasure record %d of %s", seq, l.tenant)
	}
	return f.Keys, nil
}
