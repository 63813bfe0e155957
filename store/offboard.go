package store

import (
	"errors"
	"fmt"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
)

// TenantDestroyer is a Keyring that can forget a tenant.
type TenantDestroyer interface {
	// DestroyTenantKeys removes every key of the tenant's log and of those that
	// it continues, its root key and its people, durably. It does so only while the tenant's log is the named
	// one: a tenant that was begun anew keeps its keys. Keys that are not there
	// are no error.
	DestroyTenantKeys(t evidence.Tenant, logID string) error
}

// CloseLog closes the tenant's log of this origin for good, signing what has
// grown: it is not handed out again, and whoever still holds it gets errors. A
// log that is not open is no error.
func (s *Store) CloseLog(t evidence.Tenant, origin string) error {
	id, err := s.logID(origin)
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.ending == nil {
		s.ending = map[string]bool{}
	}
	s.ending[id] = true
	l := s.prior[id]
	delete(s.prior, id)
	if now := s.logs[t]; now != nil && now.keys.LogID() == id {
		l = now
		delete(s.logs, t)
	}
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.finish(problem.New(problem.Refused, "tenant %s was offboarded", t))
}

// DestroyTenant destroys the keys of the tenant's log of this origin and of the
// earlier ones that it continues: nothing in them can be read any more,
// wherever a copy is. It closes the logs first, and may be repeated. What the
// intake has of them goes from the disk too.
func (s *Store) DestroyTenant(t evidence.Tenant, origin string, earlier []string) error {
	id, err := s.logID(origin)
	if err != nil {
		return err
	}
	keys, ok := s.o.Keys.(TenantDestroyer)
	if !ok {
		return fmt.Errorf("the keyring cannot destroy the keys of a tenant")
	}
	ids := map[string]bool{}
	for _, o := range append([]string{origin}, earlier...) {
		if err := s.CloseLog(t, o); err != nil {
			return err
		}
		id, err := s.logID(o)
		if err != nil {
			return err
		}
		ids[id] = true
	}
	if err := keys.DestroyTenantKeys(t, id); err != nil {
		return fmt.Errorf("destroy the keys of %s: %w", t, err)
	}
	return s.dropKept(ids)
}

// End drops the segments of a log whose keys are destroyed, the newest too;
// hashes and checkpoints stay. It may be repeated.
func (s *Store) End(origin string) error {
	id, err := s.logID(origin)
	if err != nil {
		return err
	}
	return s.o.Backend.End(id)
}

// Ended returns the end of a log that was ended and its newest signed
// checkpoint; false when the log was not ended.
func (s *Store) Ended(origin string) (Head, []byte, bool, error) {
	id, err := s.logID(origin)
	if err != nil {
		return Head{}, nil, false, err
	}
	h, n, ok, err := s.o.Backend.Ended(id)
	return h, n.Signed, ok, err
}

// CheckEnded verifies what is left of a log that was ended: its last checkpoint
// is signed by one of the keys and over the tree that its hashes make, and last,
// what is known of its end from elsewhere, is that checkpoint; nil when nothing
// is. False when the log was not ended.
func (s *Store) CheckEnded(origin string, keys []string, last *evidence.LogHead) (*Report, bool, error) {
	head, signed, ended, err := s.Ended(origin)
	if err != nil || !ended {
		return nil, false, err
	}
	r := &Report{Origin: origin, Size: head.Size, From: head.Size, Clock: "real"}
	if s.o.Simulated {
		r.Clock = "simulated"
	}
	f, err := chain.NewFrontier(head.Size, head.Frontier)
	if err != nil {
		r.fail(ofIntegrity, "its tree is damaged: %v", err)
		return r, true, nil
	}
	r.Root = f.Root()
	if last != nil && (last.Size != r.Size || last.Root != r.Root) {
		r.fail(ofIntegrity, "it ended at size %d with root %s, here is size %d, root %s", last.Size, last.Root, r.Size, r.Root)
	}
	c, err := openBy(keys, signed)
	if _, none := s.o.Keys.(NoKeys); none && err != nil {
		// Another key may have signed it, which only the records of others tell.
		c, err = chain.UnverifiedCheckpoint(signed)
		r.Unchecked = 1
	}
	switch {
	case err != nil:
		r.fail(ofSignatures, "its last checkpoint: %v", err)
	case c.Origin != origin || c.Size != r.Size || c.Root != r.Root:
		r.fail(ofIntegrity, "its last checkpoint is of log %s, size %d, root %s; here is size %d, root %s", c.Origin, c.Size, c.Root, r.Size, r.Root)
	default:
		r.Checkpoints, r.Signed = 1-r.Unchecked, c.Size
	}
	return r, true, nil
}

// openBy opens a checkpoint that one of the keys must have signed: which of them
// signed at its size only the records told.
func openBy(keys []string, signed []byte) (c chain.Checkpoint, err error) {
	err = errors.New("no log key is known")
	for _, key := range keys {
		var ks chain.LogKeys
		if ks, err = chain.NewLogKeys(key); err == nil {
			c, err = ks.Open(signed)
		}
		if err == nil {
			return c, nil
		}
	}
	return c, err
}

// logID returns the log id in an origin of this installation.
func (s *Store) logID(origin string) (string, error) {
	id, ok := strings.CutPrefix(origin, s.o.Installation+"/")
	if !ok || id == "" {
		return "", problem.New(problem.Refused, "log %s is not of this installation", origin)
	}
	return id, nil
}

// Has reports whether the tenant has a log, and of which origin.
func (s *Store) Has(t evidence.Tenant) (origin string, ok bool, err error) {
	keys, err := s.o.Keys.Tenant(t, false)
	if errors.Is(err, ErrKeyMissing) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	return s.o.Installation + "/" + keys.LogID(), true, nil
}
