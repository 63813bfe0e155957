package main

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
	"evidenced/evidence/problem"
	"evidenced/store"
)

func (p *program) verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "verify",
		GroupID: "check",
		Short:   "Verify the logs: every leaf, the chain, the tree, every checkpoint",
		Long: "Reads the logs as they stand, beside a running daemon too. --deep opens every claim and\n" +
			"checks it against its commitment. --since-last reads only what came after the last\n" +
			"verification. --checkpoint compares with a signed checkpoint kept elsewhere: without one,\n" +
			"nothing shows that a log is complete.\n\n" + cli.ExitHelp(cli.ExitVerify, cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced verify\n  evidenced verify --tenant tenant-7 --deep\n  evidenced verify --tenant tenant-7 --checkpoint kept-in-june.note",
		Args:    cobra.NoArgs,
	}
	var r api.VerifyParams
	var files []string
	f := cmd.Flags()
	f.StringVarP(&r.Tenant, "tenant", "t", "", "this tenant's log alone (default: all)")
	f.BoolVar(&r.Deep, "deep", false, "open every claim")
	f.BoolVar(&r.SinceLast, "since-last", false, "read only the records after the last verification")
	f.StringArrayVar(&files, "checkpoint", nil, "compare with the signed checkpoint in this file; may be repeated")
	p.form(cmd, &r.JSON, &r.Width, &r.Colour)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, name := range files {
			kept, err := readKept(name)
			if err != nil {
				return err
			}
			r.Checkpoints = append(r.Checkpoints, kept)
		}
		return p.call(cmd.Context(), "verify", r, nil)
	}
	return cmd
}

// maxCheckpoint is more than a checkpoint with the signatures of many witnesses
// takes.
const maxCheckpoint = 64 << 10

// readKept reads a checkpoint that somebody kept. What stands in it is judged
// with the log that it names.
func readKept(name string) (store.Kept, error) {
	f, err := os.Open(name)
	if err != nil {
		code := problem.Usage
		if errors.Is(err, os.ErrNotExist) {
			code = problem.NotFound
		}
		return store.Kept{}, problem.Wrap(code, err, "cannot read the checkpoint")
	}
	defer f.Close()
	signed, err := io.ReadAll(io.LimitReader(f, maxCheckpoint+1))
	if err != nil {
		return store.Kept{}, problem.Wrap(problem.Usage, err, "cannot read the checkpoint")
	}
	if len(signed) > maxCheckpoint {
		return store.Kept{}, problem.New(problem.Usage, "%s is no checkpoint: it has more than %d bytes", name, maxCheckpoint)
	}
	return store.Kept{Name: name, Signed: signed}, nil
}
