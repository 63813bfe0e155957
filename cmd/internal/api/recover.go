package api

import (
	"context"
	"fmt"
	"strings"

	"evidenced/evidence/problem"
	"evidenced/reports"
)

// BackupParams ask for a backup.
type BackupParams struct {
	Dir  string `json:"dir"` // absolute, as the daemon sees it
	JSON bool   `json:"json,omitempty"`
}

// BackupResult says what a backup holds.
type BackupResult struct {
	Dir     string `json:"dir"`
	Logs    int    `json:"logs"`
	Records uint64 `json:"records"`
	Bytes   int64  `json:"bytes"`
	Copied  int64  `json:"copied"`
}

// RotateParams ask for a new log key.
type RotateParams struct {
	Reason      string `json:"reason"`
	Compromised bool   `json:"compromised,omitempty"`
	JSON        bool   `json:"json,omitempty"`
}

// Keeper is the part of a World that keeps the installation itself.
type Keeper interface {
	// Backup copies every log into the directory while they go on.
	Backup(ctx context.Context, dir string, progress func(done, total uint64)) (BackupResult, error)
	// RotateLogKey replaces the key that signs checkpoints and returns the
	// verifier key now in force.
	RotateLogKey(ctx context.Context, reason string, compromised bool) (string, error)
}

func makeBackup(ctx context.Context, c *call) error {
	var p BackupParams
	if err := c.decode(&p); err != nil {
		return err
	}
	if !strings.HasPrefix(p.Dir, "/") {
		return problem.New(problem.Usage, "no directory is given for the backup").WithHint("evidenced backup DIR")
	}
	res, err := c.Backup(ctx, p.Dir, c.progress)
	if err != nil {
		return err
	}
	if p.JSON {
		return c.document(res)
	}
	return res.text(c.page(reports.Style{}))
}

func (r *BackupResult) text(p *page) error {
	p.Line(fmt.Sprintf("Backed up %s with %s to %s: %s, %s of it copied now.", reports.Count(r.Logs, "log"),
		reports.Count(int(r.Records), "record"), reports.Terminal(r.Dir), reports.Count(int(r.Bytes), "byte"), reports.Count(int(r.Copied), "byte")))
	p.Line("Keys and sign-state are not in it. Check it with: evidenced restore --check " + reports.Terminal(r.Dir))
	return p.Err()
}

func rotateLogKey(ctx context.Context, c *call) error {
	var p RotateParams
	if err := c.decode(&p); err != nil {
		return err
	}
	if strings.TrimSpace(p.Reason) == "" {
		return problem.New(problem.Usage, "no reason is given").WithHint("give --reason TEXT: it is sealed in every log")
	}
	key, err := c.RotateLogKey(ctx, p.Reason, p.Compromised)
	if err != nil {
		return err
	}
	if p.JSON {
		return c.document(map[string]any{"log_key": key, "after_compromise": p.Compromised})
	}
	page := c.page(reports.Style{})
	page.Line("New log key: " + reports.Terminal(key))
	if p.Compromised {
		page.Line("The old key vouches for nothing any more. Give auditors the new key yourself, with the log sizes each key signs:")
		page.Line("only their trust file moves their trust.")
	} else {
		page.Line("Every log has recorded it under a checkpoint signed by both keys; verifiers that trust the old key follow.")
	}
	page.Line("The old private key is destroyed.")
	return page.Err()
}
