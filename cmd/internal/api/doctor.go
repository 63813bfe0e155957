package api

import (
	"context"
	"time"

	"evidenced/cmd/internal/doctor"
	"evidenced/reports"
)

// Doctor examines the configured sources: the daemon does it with its own
// credentials.
type Doctor interface {
	// Examine examines the named sources, all when none is named. A name that
	// is not configured is a problem of code not-found.
	Examine(ctx context.Context, names []string, limit time.Duration) (*doctor.Report, error)
}

// DoctorParams ask for an examination.
type DoctorParams struct {
	Sources []string `json:"sources,omitempty"`
	Seconds int      `json:"seconds,omitempty"` // for each source; 0: 30
	JSON    bool     `json:"json,omitempty"`
	Width   int      `json:"width,omitempty"`
	Colour  bool     `json:"colour,omitempty"`
}

func examine(ctx context.Context, c *call) error {
	var p DoctorParams
	if err := c.decode(&p); err != nil {
		return err
	}
	limit := 30 * time.Second
	if p.Seconds > 0 {
		limit = time.Duration(p.Seconds) * time.Second
	}
	r, err := c.Examine(ctx, p.Sources, limit)
	if err != nil {
		return err
	}
	if p.JSON {
		err = c.document(r)
	} else {
		err = r.Text(c.begin(MediaText), reports.Style{Width: p.Width, Colour: p.Colour, Zone: c.Zone()})
	}
	if err != nil {
		return err
	}
	return r.Err()
}
