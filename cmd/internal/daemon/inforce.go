package daemon

import (
	"context"

	"evidenced/evidence"
	"evidenced/store"
)

// sealInForce records in the logs what is in force from now on: the configuration
// in every log that it concerns and that knows another one, and the rules where
// they are others than those recorded last. After a change of the configuration
// the rules are held against each log, since what a tenant is decides which
// controls apply to it. A log is opened once for both.
//
// That the configuration is known to all is noted last, so that a start that is
// cut short leaves nothing untold.
func (e *Engine) sealInForce(ctx context.Context) error {
	conf, err := newConfigSeal(e)
	if err != nil {
		return err
	}
	_, stated, err := e.recordedRules(ctx, lastInstant)
	if err != nil {
		return err
	}
	rules := newRuleSeal(e)
	all := conf.changed() || stated.Catalog != e.catalog.Hash()
	for _, t := range e.ledgerTenants() {
		known, err := conf.knownTo(t)
		if err != nil {
			return err
		}
		if all || !known.now {
			log, err := e.taking(t)
			if err != nil {
				return err
			}
			if log == nil {
				if err := conf.wait(t, known); err != nil {
					return err
				}
				continue
			}
			if err := conf.seal(ctx, log, known); err != nil {
				return err
			}
			if err := rules.seal(ctx, log, 0); err != nil {
				return err
			}
		}
		if err := conf.told(t, known); err != nil {
			return err
		}
	}
	return conf.finish()
}

// taking opens a tenant's log to append to it; nil when it takes nothing. Only
// _platform's must.
func (e *Engine) taking(t evidence.Tenant) (*store.Log, error) {
	l, err := e.local.Store.Create(t)
	if err != nil && e.openRefused(t, err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if l.Stopped() != nil && t != evidence.Platform {
		return nil, nil
	}
	return l, nil
}
