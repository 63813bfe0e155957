package local

import (
	"context"
	"errors"
	"fmt"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store/keyring"
)

// RotateLogKey replaces the log key of the installation: every log records the
// new key and is signed by both, then the old private key is destroyed. After a
// compromise the new key signs alone. A rotation under way, cut by a crash or
// held up by a stopped log, is taken up as it was asked for. The verifier key
// now in force is returned.
func (l *Local) RotateLogKey(ctx context.Context, want keyring.Rotation) (string, error) {
	l.rotation.Lock()
	defer l.rotation.Unlock()
	r, next, err := keyring.BeginRotation(l.keysDir, want)
	if err != nil {
		return "", err
	}
	if err := l.Store.AddLogKey(next.Verifier, next.Signer); err != nil {
		return "", err
	}
	// Logs begun from here on name the new key, so the list is whole.
	ts, err := l.Store.Tenants()
	if err != nil {
		return "", err
	}
	var errs []error
	for _, t := range ts {
		if err := l.rotateIn(ctx, t, r); err != nil {
			errs = append(errs, fmt.Errorf("log of %s: %w", t, err))
		}
	}
	if len(errs) > 0 {
		return "", problem.Wrap(problem.Incomplete, errors.Join(errs...), "%d of %d logs could not take the new log key", len(errs), len(ts)).
			WithHint("the old key stays until they can; put them right, then run the rotation again")
	}
	if err := keyring.EndRotation(l.keysDir); err != nil {
		return "", err
	}
	l.Store.DropOldLogKeys()
	l.LogKey = next
	return next.Verifier, nil
}

func (l *Local) rotateIn(ctx context.Context, t evidence.Tenant, r keyring.Rotation) error {
	log, err := l.Store.Log(t)
	if err != nil {
		return err
	}
	return log.RotateKey(ctx, r.Reason, r.Compromised)
}

// ResumeRotation ends a rotation of the log key that a crash cut. It reports
// whether there was one.
func (l *Local) ResumeRotation(ctx context.Context) (bool, error) {
	r, next, err := keyring.PendingRotation(l.keysDir)
	if err != nil || next == nil {
		return false, err
	}
	_, err = l.RotateLogKey(ctx, r)
	return true, err
}
