package demo

import (
	"fmt"
	"time"

	"evidenced/testdata/world"
)

// Play does one act that is not in the story, at the act's time, after what the
// story has up to then. An act before the platform's clock is refused.
func (p *Platform) Play(a world.Act) error {
	if now := p.Now(); a.At.Before(now) {
		return fmt.Errorf("the platform's clock is at %s, an act of %s comes too late", now.Format(time.RFC3339), a.At.Format(time.RFC3339))
	}
	if err := p.Advance(a.At); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.play(a); err != nil {
		return fmt.Errorf("play %s at %s: %w", a.Do, a.At.Format(time.RFC3339), err)
	}
	p.broadcast()
	return p.vault.audit.flush()
}
