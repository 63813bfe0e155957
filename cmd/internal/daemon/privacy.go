package daemon

import (
	"context"
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
	if err != nil || rq.DryRun {
		return res, err
	}
	still := 0
	for _, l := range res.Logs {
		still += len(l.Still) + int(l.More)
	}
	return res, e.admin(context.WithoutCancel(ctx), "erase", map[string]string{
		"tenants": strconv.Itoa(len(res.Logs)), "level": string(res.Level), "by": rq.By, "claims_still_naming": strconv.Itoa(still),
	})
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
	says := "the keyring has no keys of it: verified, not read"
	if e.local.Keys == nil {
		says = "there is no keyring: verified, not read"
	}
	var out []api.SealedLog
	for _, id := range ids {
		rep, err := e.local.Store.VerifySealed(ctx, id, store.VerifyOptions{})
		if err != nil {
			return nil, err
		}
		out = append(out, api.SealedLog{Log: id, Says: says, Report: rep})
	}
	return out, nil
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
