package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"evidenced/evidence"
	"evidenced/evidence/claim"
	"evidenced/evidence/problem"
)

// NoKeys is the keyring of an installation whose keyring is lost or kept
// elsewhere: it knows no tenant and opens nothing. Logs can be verified.
type NoKeys struct{}

// Tenants implements Keyring.
func (NoKeys) Tenants() ([]evidence.Tenant, error) { return nil, nil }

// Tenant implements Keyring.
func (NoKeys) Tenant(_ evidence.Tenant, create bool) (TenantKeys, error) {
	if !create {
		return nil, ErrKeyMissing // no tenant is known
	}
	return nil, ErrNoKeyring
}

// Seal implements Keyring.
func (NoKeys) Seal(string, []byte) ([]byte, error) { return nil, ErrNoKeyring }

// Open implements Keyring.
func (NoKeys) Open(string, []byte) ([]byte, error) { return nil, ErrNoKeyring }

// Destroy implements Destroyer.
func (NoKeys) Destroy(context.Context, []Destruction, []byte) (Destroyed, error) {
	return Destroyed{}, ErrNoKeyring
}

// Unsettled implements Destroyer.
func (NoKeys) Unsettled(context.Context) ([]Unsettled, error) { return nil, nil }

// Settle implements Destroyer.
func (NoKeys) Settle(string) error { return ErrNoKeyring }

// SealedLogs lists the ids of logs for which the keyring has no keys. They can
// be verified, not read and not continued.
func (s *Store) SealedLogs() ([]string, error) {
	ids, err := s.o.Backend.Logs()
	if err != nil {
		return nil, err
	}
	if _, none := s.o.Keys.(NoKeys); none {
		return ids, nil
	}
	logs, err := s.everyLog()
	if err != nil {
		return nil, err
	}
	for _, l := range logs {
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == l.keys.LogID() })
	}
	return ids, nil
}

// ErrKeysLost says that the keyring has no keys for a log that is there.
var ErrKeysLost = errors.New("the keyring has no keys for a log that is there")

// refuseSecond refuses to begin a log for the tenant while there is one that the
// keyring has no keys for and that was not ended: an older keyring, or one from
// which the tenant was taken, would else begin a second history in silence. That
// there is none is looked for once: none comes while the directory is held.
func (s *Store) refuseSecond(t evidence.Tenant) error {
	if _, none := s.o.Keys.(NoKeys); none || s.noStrays.Load() {
		return nil
	}
	ids, err := s.SealedLogs()
	if err != nil {
		return err
	}
	for _, id := range ids {
		_, _, ended, err := s.o.Backend.Ended(id)
		if err != nil || !ended {
			return problem.Wrap(problem.Refused, ErrKeysLost, "no log is begun for %s beside log %s, which may be the one it had", t, id).
				WithHint("bring back the newest keyring (evidenced keyring restore); if its keys are lost for good, keep tenants/%s elsewhere and take it out of the data directory", id)
		}
	}
	s.noStrays.Store(true)
	return nil
}

// VerifySealed verifies a log by its id without opening a claim: leaves,
// chain, tree, ciphertexts, checkpoints and sign-state. Which tenant's it is
// and whether claims are erased or missing stays unknown.
func (s *Store) VerifySealed(ctx context.Context, id string, o VerifyOptions) (*Report, error) {
	l := &Log{st: s, keys: lostKeys{id: id}, origin: s.Origin(id), simulated: s.o.Simulated, names: names{newMACPool(nil), newMACPool(nil)}}
	l.lifeChanged.L = &l.life
	l.ciphers, l.resident, l.opened, l.users = map[string]*claim.Cipher{}, true, true, 1
	var err error
	if l.file, l.index, err = s.o.Backend.Open(id, false); err != nil {
		return nil, err
	}
	defer l.file.Close()
	defer l.index.Close()
	if l.head, err = l.file.Head(); err != nil {
		return nil, err
	}
	if l.edge, err = loadEdge(l.file, l.head); err != nil {
		return nil, err
	}
	l.tail = newTail(&l.names, l.head.Size)
	if l.sign, err = openSignState(s.o.SignDir, id, false); err != nil {
		return nil, err
	}
	defer l.sign.close()
	l.stopped = l.checkSignState()
	if err := l.loadSigned(); err != nil {
		return nil, err
	}
	o.Deep = false
	rep, err := l.Verify(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("verify log %s without its keys: %w", id, err)
	}
	return rep, nil
}

// Origin is the origin of the log with the id.
func (s *Store) Origin(id string) string { return s.o.Installation + "/" + id }

// LogID is the opaque name of the tenant's log, the second part of its origin.
func (l *Log) LogID() string { return l.keys.LogID() }

// lostKeys are the keys of a log that nobody has.
type lostKeys struct {
	TenantKeys
	id string
}

func (k lostKeys) LogID() string              { return k.id }
func (k lostKeys) Key(string) ([]byte, error) { return nil, ErrKeyMissing }

// keyless reports whether nobody has keys for the log: it can be verified only.
func (l *Log) keyless() bool {
	_, ok := l.keys.(lostKeys)
	return ok
}

// ErrNoKeyring is what everything but verifying answers without a keyring.
var ErrNoKeyring = problem.New(problem.Refused, "there is no keyring: the evidence can be verified, not read and not continued").
	WithHint("bring the keyring back, or restore it from a backup: evidenced keyring restore; evidenced verify without --tenant checks what needs no keys")

// Unreadable returns why the log can only be verified: the keyring is older
// than it. Nil when it is not so, whatever else may be wrong.
func (l *Log) Unreadable() error {
	err := l.use()
	if err == nil {
		l.release()
		return nil
	}
	if !errors.Is(err, ErrOldKeyring) {
		return nil
	}
	return err
}
