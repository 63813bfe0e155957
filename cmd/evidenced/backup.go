package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
	"evidenced/evidence/problem"
)

func (p *program) backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "backup DIR",
		GroupID: "run",
		Short:   "Copy all logs into a directory while the daemon goes on",
		Long: "The copy holds every record, hash and checkpoint, and the resume cursors: no key and no\n" +
			"sign-state. Into a directory that holds an earlier backup only what has changed is copied.\n" +
			"A backup that was cut off is none until the command has run again, so take turns between\n" +
			"two directories. See evidenced restore.\n\n" + cli.ExitHelp(cli.ExitLocked, cli.ExitRefused),
		Example: "  evidenced backup /mnt/backup/evidenced",
		Args:    cobra.ExactArgs(1),
	}
	var r api.BackupParams
	cmd.Flags().BoolVar(&r.JSON, "json", false, "write JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if r.Dir, err = filepath.Abs(args[0]); err != nil {
			return problem.Wrap(problem.Usage, err, "backup directory %s", args[0])
		}
		return p.call(cmd.Context(), "backup", r, nil)
	}
	return cmd
}
