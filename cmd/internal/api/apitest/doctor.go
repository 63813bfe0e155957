package apitest

import (
	"context"
	"time"

	"evidenced/cmd/internal/doctor"
)

// Examine implements api.World: one source is read in full.
func (w *World) Examine(_ context.Context, names []string, _ time.Duration) (*doctor.Report, error) {
	return &doctor.Report{At: Now, Sources: []doctor.Examined{{Source: "gitrepo/gitops", Type: "git", Verdict: doctor.Readable, Requests: 3}}}, nil
}
