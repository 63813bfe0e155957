package forge

import (
	"context"
	"fmt"
	"strings"
)

// maxMissed is how many causes a partial run spells out.
const maxMissed = 20

// Missed is what one look could not read. The zero value missed nothing.
type Missed struct {
	First error // what a look fails with that saw nothing at all
	N     int

	causes []string
}

// Miss takes in what could not be read, and why; it returns the error when that
// is the end of the run.
func (m *Missed) Miss(ctx context.Context, err error, format string, args ...any) error {
	if Ends(ctx, err) {
		return err
	}
	m.Add(err, fmt.Sprintf(format, args...))
	return nil
}

// Add takes in what could not be read, and why, whatever the error means.
func (m *Missed) Add(err error, what string) {
	if m.First == nil {
		m.First = fmt.Errorf("%s: %w", what, err)
	}
	m.N++
	switch {
	case len(m.causes) < maxMissed:
		m.causes = append(m.causes, fmt.Sprintf("%s: %v", what, err))
	case len(m.causes) == maxMissed:
		m.causes = append(m.causes, "and more")
	}
}

// String tells people what was missed; "" when nothing was.
func (m *Missed) String() string { return strings.Join(m.causes, "; ") }
