package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"evidenced/cmd/internal/config"
	"evidenced/evidence"
	"evidenced/store"
)

// untold is the cursor that keeps, for a tenant whose log is stopped, the
// configuration its log knows: what changed since is told when it goes on.
func untold(t evidence.Tenant) string { return "config/untold/" + t.String() }

// noConfig stands in that cursor for no configuration at all.
const noConfig = "none"

// sealConfig records the effective configuration in every log it concerns when
// it differs from the one that log knows, and reports whether it is another than
// that of before.
func (e *Engine) sealConfig(ctx context.Context) (changed bool, err error) {
	effective := e.o.Config.Effective()
	cursors := e.local.Store.Cursors()
	before, err := cursors.Cursor("config")
	if err != nil {
		return false, fmt.Errorf("read the configuration before: %w", err)
	}
	now := e.o.Clock().UTC()
	for _, t := range e.ledgerTenants() {
		known, err := cursors.Cursor(untold(t))
		if err != nil {
			return false, fmt.Errorf("read the configuration %s knows: %w", t, err)
		}
		waiting := len(known) > 0
		switch {
		case !waiting:
			known = before
		case string(known) == noConfig:
			known = nil
		}
		if string(known) != string(effective) {
			told, err := e.sealConfigIn(ctx, t, known, effective, now)
			if err != nil {
				return false, err
			}
			if !told && !waiting {
				if known == nil {
					known = []byte(noConfig)
				}
				if err := cursors.PutCursor(untold(t), known); err != nil {
					return false, err
				}
			}
			if !told {
				continue
			}
		}
		if waiting {
			if err := cursors.PutCursor(untold(t), nil); err != nil {
				return false, err
			}
		}
	}
	if string(before) == string(effective) {
		return false, nil
	}
	return true, cursors.PutCursor("config", effective)
}

// sealConfigIn records the configuration in one tenant's log. It reports false
// when that log takes nothing; only _platform's must.
func (e *Engine) sealConfigIn(ctx context.Context, t evidence.Tenant, before, effective []byte, now time.Time) (bool, error) {
	l, err := e.local.Store.Create(t)
	if err != nil && e.openRefused(t, err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if l.Stopped() != nil && t != evidence.Platform {
		return false, nil
	}
	f := evidence.ConfigFacts{SHA256: e.o.Config.Hash().String(), By: fmt.Sprintf("uid %d", os.Getuid()), Config: string(effective)}
	if before != nil {
		loosenings, err := config.Loosens(before, effective, e.o.Config.Specs())
		if err != nil {
			return false, err
		}
		f.Before, f.Diff, f.Loosen = hashOf(before).String(), config.Diff(before, effective), config.Sentences(loosenings, t)
	}
	if t != evidence.Platform {
		// Another tenant's log tells that the configuration changed and what of
		// it loosens its own evidence, not what it says of others.
		f.Config, f.Diff = "", nil
	}
	content, err := json.Marshal(f)
	if err != nil {
		return false, err
	}
	if _, err := l.Append(ctx, []store.Item{{Draft: evidence.Draft{
		Kind: evidence.PlatformConfig, Op: evidence.OpEvent, Source: evidence.SelfSource,
		Key: f.SHA256 + "/" + evidence.FormatTime(now), Subject: evidence.NewRef("config", "", f.SHA256),
		OccurredAt: now, Basis: evidence.BasisSource, ObservedAt: now, Content: content,
	}}}); err != nil {
		return false, fmt.Errorf("seal the configuration: %w", err)
	}
	return true, nil
}
