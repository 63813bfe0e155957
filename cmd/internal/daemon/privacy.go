package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/config"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/keyring"
	"evidenced/store/keyring/transit"
	"evidenced/store/local"
)

// wrappingOf makes what keeps the wrapping key, as the configuration says.
func wrappingOf(c *config.Config) (keyring.Wrapping, error) {
	t := c.Keys.Wrapping.Transit
	if t.IsZero() {
		if w := c.Keys.Wrapping.File; w != "" {
			return keyring.LocalFile(w), nil
		}
		return keyring.LocalFile(filepath.Join(c.Keys.Dir, keyring.WrappingFile)), nil
	}
	return transit.New(transit.Config{
		Address: t.Address, Mount: t.Mount, Key: t.Key, TokenFile: t.TokenFile, CAFile: t.CAFile, Namespace: t.Namespace, Destroy: t.Destroy,
	})
}

// wrappingBefore makes what keeps the wrapping key, as the keyring says.
func wrappingBefore(d keyring.Description, file string) (keyring.Wrapping, error) {
	switch d.Kind {
	case keyring.KindFile:
		return keyring.LocalFile(file), nil
	case keyring.KindTransit:
		return transit.FromDescription(d)
	}
	return nil, problem.New(problem.Refused, "the keyring is wrapped by %q, which this program does not know", d.Kind)
}

// Rewrap changes how the wrapping key is kept to what the configuration says,
// under a new wrapping key. Nothing else may have the data directory open. Gone
// says whether the old key cannot be used by anybody any more, and why not.
func Rewrap(ctx context.Context, c *config.Config) (before, now string, gone bool, why string, err error) {
	w, err := wrappingOf(c)
	if err != nil {
		return "", "", false, "", err
	}
	now = w.Describe().Kind
	before, gone, why, err = local.Rewrap(ctx, c.DataDir, c.Keys.Dir, wrappingBefore, w)
	return before, now, gone, why, err
}

// RestoreKeys brings a keyring back from a backup.
func RestoreKeys(ctx context.Context, c *config.Config, r io.Reader, passphrase string) error {
	w, err := wrappingOf(c)
	if err != nil {
		return err
	}
	return local.RestoreKeys(ctx, c.DataDir, c.Keys.Dir, r, passphrase, w)
}

// FindPeople implements api.Privacy.
func (e *Engine) FindPeople(ctx context.Context, text string) ([]store.Candidate, bool, error) {
	return e.local.Store.FindPeople(ctx, text)
}

// Erase implements api.Privacy.
func (e *Engine) Erase(ctx context.Context, rq store.EraseRequest) (*store.Erased, error) {
	res, err := e.local.Store.Erase(ctx, rq)
	if res == nil || rq.DryRun {
		return res, err
	}
	// The keys are gone, also when the search for what is left was broken off.
	still := 0
	for _, l := range slices.Concat(res.Logs, res.Elsewhere) {
		still += len(l.Still) + int(l.More)
	}
	return res, errors.Join(err, e.admin(context.WithoutCancel(ctx), "erase", map[string]string{
		"tenants": strconv.Itoa(len(res.Logs)), "level": string(res.Level), "by": rq.By, "claims_still_naming": strconv.Itoa(still),
	}))
}

// Link implements api.Privacy.
func (e *Engine) Link(ctx context.Context, t evidence.Tenant, rq store.LinkRequest) error {
	log, err := e.local.Store.Log(t)
	if err != nil {
		return err
	}
	if err := log.Link(ctx, rq); err != nil {
		return err
	}
	// Whom it links stands in the tenant's log alone.
	return e.admin(context.WithoutCancel(ctx), "identity.link", map[string]string{"tenant": t.String(), "by": rq.By, "end": strconv.FormatBool(rq.End)})
}

// BackupKeys implements api.Privacy.
func (e *Engine) BackupKeys(ctx context.Context, w io.Writer, passphrase string) error {
	if e.local.Keys == nil {
		return problem.New(problem.NotFound, "there is no keyring to back up")
	}
	if err := e.admin(ctx, "keyring.backup", nil); err != nil {
		return err
	}
	return e.local.Keys.Backup(w, passphrase)
}

// RenewKeys implements api.Privacy.
func (e *Engine) RenewKeys(ctx context.Context, t evidence.Tenant) (string, error) {
	log, err := e.local.Store.Log(t)
	if err != nil {
		return "", err
	}
	id, err := log.RenewDataKey()
	if err != nil {
		return "", err
	}
	return id, e.admin(ctx, "keyring.rotate", map[string]string{"tenant": t.String(), "key": id})
}

// VerifySealed implements api.Privacy.
func (e *Engine) VerifySealed(ctx context.Context) ([]api.SealedLog, error) {
	ids, err := e.local.Store.SealedLogs()
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	var out []api.SealedLog
	for _, id := range ids {
		sealed, err := e.verifySealed(ctx, id)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			// One that cannot be read keeps no other from being verified.
			sealed.Report = &store.Report{Failures: []string{err.Error()}}
		}
		out = append(out, sealed)
	}
	return out, nil
}

// verifySealed verifies one of them. With a keyring, a log that it has no keys for
// is one whose tenant was taken off; any other has lost them, which is a failure.
func (e *Engine) verifySealed(ctx context.Context, id string) (api.SealedLog, error) {
	s := api.SealedLog{Log: id, Says: "there is no keyring: verified, not read"}
	origin := e.local.Store.Origin(id)
	keys, o, err := e.endOf(ctx, origin)
	if err != nil {
		return s, err
	}
	var last *evidence.LogHead
	if o != nil && o.origin == origin {
		last = o.facts[evidence.OffboardClosed].Checkpoint
	}
	if s.Report, s.Ended, err = e.local.Store.CheckEnded(origin, keys, last); err == nil && !s.Ended {
		s.Report, err = e.local.Store.VerifySealed(ctx, id, store.VerifyOptions{})
	}
	switch {
	case err != nil:
	case o != nil && s.Ended:
		s.Says = fmt.Sprintf("the log of %s, which was taken off: its %d records are gone, its last checkpoint is here", o.tenant, s.Report.Size)
	case o != nil:
		s.Says = fmt.Sprintf("the log of %s, which is being taken off: its keys are gone, its records go at the next start", o.tenant)
	case e.local.Keys == nil && s.Ended:
		s.Says = fmt.Sprintf("its %d records are gone, its last checkpoint is here; why, only the keyring shows", s.Report.Size)
	case e.local.Keys != nil:
		s.Says = "verified, not read"
		s.Report.Failures = append(s.Report.Failures, "the keyring has no keys of it, and no record of _platform says that its tenant was taken off")
	}
	return s, err
}

// endOf returns the log keys that this installation has had, as far as they can
// be known, and the offboarding that ended the log; nil for none.
func (e *Engine) endOf(ctx context.Context, origin string) (keys []string, o *offboarded, err error) {
	keys = []string{e.local.LogKey.Verifier}
	if e.local.Keys == nil {
		return keys, nil, nil
	}
	all, err := e.offboardings(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, told := range all {
		if told.done(evidence.OffboardClosed) && (told.origin == origin || slices.Contains(told.facts[evidence.OffboardClosed].Earlier, origin)) {
			o = told
		}
	}
	log, err := e.local.Store.Log(evidence.Platform)
	if err != nil {
		return keys, o, nil // told where _platform is verified
	}
	for _, k := range log.LogKeys() {
		keys = append(keys, k.Key)
	}
	return keys, o, nil
}

// verifyOld verifies a log that cannot be opened because the keyring is older
// than it; false when that is not so. The report says it as a failure: the log
// is neither read nor continued.
func (e *Engine) verifyOld(ctx context.Context, log *store.Log, progress func(done, total uint64)) (*store.Report, bool, error) {
	old := log.Unreadable()
	if old == nil {
		return nil, false, nil
	}
	rep, err := e.local.Store.VerifySealed(ctx, log.LogID(), store.VerifyOptions{Progress: progress})
	if err == nil {
		rep.Tenant = log.Tenant()
		rep.Failures = append(rep.Failures, old.Error())
	}
	return rep, true, err
}
