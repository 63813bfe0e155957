package daemon

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"evidenced/cmd/internal/config"
	"evidenced/evidence"
	"evidenced/store"
)

// configCursor keeps the configuration that the logs know.
const configCursor = "config"

// untold is the cursor that keeps, for a tenant whose log is stopped, the
// configuration its log knows: what changed since is told when it goes on.
func untold(t evidence.Tenant) string { return "config/untold/" + t.String() }

// noConfig stands in that cursor for no configuration at all.
const noConfig = "none"

// configSeal records the effective configuration in logs that know another one.
type configSeal struct {
	e         *Engine
	cursors   store.SealedCursors
	effective []byte
	before    []byte // what the logs know; nil for none
	now       time.Time
}

// knownConfig is what one tenant's log knows.
type knownConfig struct {
	config  []byte // nil for none
	now     bool   // it is the effective one
	waiting bool   // it is kept in a cursor of the tenant's own, since the log took nothing
}

func newConfigSeal(e *Engine) (*configSeal, error) {
	s := &configSeal{e: e, cursors: e.local.Store.Cursors(), effective: e.o.Config.Effective(), now: e.Now().UTC()}
	var err error
	if s.before, err = s.cursors.Cursor(configCursor); err != nil {
		return nil, fmt.Errorf("read the configuration before: %w", err)
	}
	return s, nil
}

// changed reports whether the configuration is another than that of before.
func (s *configSeal) changed() bool { return !bytes.Equal(s.before, s.effective) }

// knownTo returns the configuration that the tenant's log knows.
func (s *configSeal) knownTo(t evidence.Tenant) (knownConfig, error) {
	own, err := s.cursors.Cursor(untold(t))
	if err != nil {
		return knownConfig{}, fmt.Errorf("read the configuration %s knows: %w", t, err)
	}
	k := knownConfig{config: s.before}
	if len(own) > 0 {
		k.config, k.waiting = own, true
	}
	if k.waiting && string(own) == noConfig {
		k.config = nil
	}
	k.now = bytes.Equal(k.config, s.effective)
	return k, nil
}

// wait keeps what the tenant's log knows until it takes records again.
func (s *configSeal) wait(t evidence.Tenant, k knownConfig) error {
	if k.now || k.waiting {
		return nil
	}
	if k.config == nil {
		k.config = []byte(noConfig)
	}
	return s.cursors.PutCursor(untold(t), k.config)
}

// told ends the wait: the tenant's log knows the effective configuration.
func (s *configSeal) told(t evidence.Tenant, k knownConfig) error {
	if !k.waiting {
		return nil
	}
	return s.cursors.PutCursor(untold(t), nil)
}

// finish notes that the logs know the effective configuration, but for those
// that wait.
func (s *configSeal) finish() error {
	if !s.changed() {
		return nil
	}
	return s.cursors.PutCursor(configCursor, s.effective)
}

// seal records the configuration in one tenant's log, unless it knows it.
func (s *configSeal) seal(ctx context.Context, log *store.Log, known knownConfig) error {
	if known.now {
		return nil
	}
	c, t := s.e.o.Config, log.Tenant()
	f := evidence.ConfigFacts{SHA256: c.Hash().String(), By: fmt.Sprintf("uid %d", os.Getuid()), Config: string(s.effective)}
	if known.config != nil {
		loosenings, err := config.Loosens(known.config, s.effective, c.Specs())
		if err != nil {
			return err
		}
		f.Before, f.Diff, f.Loosen = hashOf(known.config).String(), config.Diff(known.config, s.effective), config.Sentences(loosenings, t)
	}
	if t != evidence.Platform {
		// Another tenant's log tells that the configuration changed and what of
		// it loosens its own evidence, not what it says of others.
		f.Config, f.Diff = "", nil
	}
	key := f.SHA256 + "/" + evidence.FormatTime(s.now)
	if err := tell(ctx, log, evidence.PlatformConfig, key, evidence.NewRef("config", "", f.SHA256), f, s.now); err != nil {
		return fmt.Errorf("seal the configuration: %w", err)
	}
	return nil
}
