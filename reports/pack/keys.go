package pack

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// memberKeys holds the changes of the log key before the closing checkpoint,
// the oldest first; it is absent when there was none.
const memberKeys = "keys.json"

// KeyChange is a change of the log key as a log tells it.
type KeyChange struct {
	Seq      uint64 // of the log.key record
	Size     uint64 // of the handover
	Handover []byte // oldest signed checkpoint that holds the record
}

// keyChange is an entry of keys.json: the log.key record, and the handover with
// the proof that the closing tree extends it.
type keyChange struct {
	single
	Handover    string          `json:"handover"`
	Consistency []evidence.Hash `json:"consistency"`
}

// keys stages keys.json.
func (w *writer) keys(ctx context.Context) error {
	if len(w.in.KeyChanges) == 0 {
		return nil
	}
	changes := make([]keyChange, len(w.in.KeyChanges))
	for i, c := range w.in.KeyChanges {
		s, err := w.single(ctx, c.Seq, []string{"content"})
		if err != nil {
			return err
		}
		changes[i] = keyChange{single: s, Handover: string(c.Handover)}
		if c.Size < w.m.Closing.Size {
			if changes[i].Consistency, err = w.in.Log.ProveConsistency(c.Size, w.m.Closing.Size); err != nil {
				return err
			}
		}
	}
	return w.json(memberKeys, changes)
}

// keyAt returns the log key for checkpoints of the size.
func (w *writer) keyAt(size uint64) string {
	if len(w.in.Keys) == 0 {
		return w.in.LogKey
	}
	return w.in.Keys.At(size).Key
}

// keyChain follows the log key from the genesis through every change to the
// closing checkpoint. Each change stands in a record of the log, under a
// checkpoint that the key before signed too; a key that was broken hands
// nothing over, and trust in it ends there.
func (v *verifier) keyChain() error {
	counted := v.rep.Disclosed // these claims are counted with the others
	defer func() { v.rep.Disclosed = counted }()
	var err error
	if v.keys, err = chain.NewLogKeys(v.genesis.LogKey); err != nil {
		return fmt.Errorf("genesis: %w", err)
	}
	var changes []keyChange
	if _, there := v.c.members[memberKeys]; there {
		if err := v.readMember(memberKeys, &changes); err != nil {
			return err
		}
	}
	for i := range changes {
		if err := v.keyChange(&changes[i]); err != nil {
			return fmt.Errorf("%s: %w", memberKeys, err)
		}
	}
	if last := v.keys[len(v.keys)-1]; last.Key != v.m.LogKey || v.closing.Size < last.From {
		return fmt.Errorf("the log key is not the one the log began with, nor one it was handed over to")
	}
	return v.trusts()
}

func (v *verifier) keyChange(c *keyChange) error {
	var f keyFacts
	seq, err := v.factsOf(c.single, evidence.LogKey, &f)
	if err != nil {
		return err
	}
	if v.keys, err = v.keys.Change(seq, f.Old, f.New, f.Compromised); err != nil {
		return err
	}
	h, err := v.keys.OpenHandover([]byte(c.Handover), len(v.keys)-1)
	if err != nil {
		return err
	}
	switch {
	case h.Origin != v.m.Origin || h.Size > v.closing.Size:
		return fmt.Errorf("handover of record %d is of log %s, size %d", seq, h.Origin, h.Size)
	case h.Size == v.closing.Size:
		if h.Root != v.closing.Root || len(c.Consistency) != 0 {
			return fmt.Errorf("handover of record %d is of another tree", seq)
		}
		return nil
	}
	if err := chain.CheckConsistency(c.Consistency, h.Size, h.Root, v.closing.Size, v.closing.Root); err != nil {
		return fmt.Errorf("the log does not extend the handover of record %d: %w", seq, err)
	}
	return nil
}

// factsOf verifies a leaf that stands alone with its content, of the kind, and
// decodes the facts.
func (v *verifier) factsOf(s single, kind evidence.Kind, into any) (uint64, error) {
	lf, err := v.checkSingle(s)
	if err != nil {
		return 0, err
	}
	if lf.Kind != kind || len(s.Claims) != 1 || s.Claims[0].Name != "content" {
		return 0, fmt.Errorf("record %d is not a %s with its content", lf.Seq, kind)
	}
	if err := openFacts(s.Claims[0].Plain, into); err != nil {
		return 0, fmt.Errorf("record %d: %w", lf.Seq, err)
	}
	return lf.Seq, nil
}

// trusts decides whether the auditor's trust reaches the key that signs.
func (v *verifier) trusts() error {
	if v.trusted == nil {
		return nil
	}
	known := -1
	for i, k := range v.keys {
		if k.Key == v.trusted.logKey {
			known = i
		}
	}
	if known < 0 {
		return fmt.Errorf("the pack is signed by other keys than your trust file gives for %s", v.m.Tenant)
	}
	for _, k := range v.keys[known+1:] {
		if k.Broken {
			return fmt.Errorf("the log key you trust for %s was given up as compromised at size %d; its maker must give you the new one", v.m.Tenant, k.From)
		}
	}
	if n := len(v.keys) - 1 - known; n > 0 {
		v.rep.Maker += fmt.Sprintf("; the log key changed %d times since, each time vouched for by the one before", n)
	}
	return nil
}

// keyFor is the verifier of checkpoints of the size.
func (v *verifier) keyFor(size uint64) (note.Verifier, error) {
	return note.NewVerifier(v.keys.At(size).Key)
}
