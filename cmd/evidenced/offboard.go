package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

func (p *program) tenantCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "tenant", GroupID: "run", Short: "Take a tenant off"}
	cmd.AddCommand(p.offboardCommand())
	return cmd
}

func (p *program) offboardCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "offboard TENANT",
		Short: "Take a tenant off: export, last checkpoint, keys destroyed, records dropped",
		Long: "Takes off a tenant that the configuration does not name any more, in this order, each step\n" +
			"a record: access cut; a pack of everything handed over, or the reason why not; the last\n" +
			"checkpoint; keys destroyed; segments dropped. Hashes and checkpoints stay, so that packs\n" +
			"issued before still verify. It cannot be undone. Cut off in the middle it goes on when it\n" +
			"is called again. A legal hold forbids it.\n\n" + cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound, cli.ExitRefused),
		Example: "  evidenced tenant offboard tenant-7 --reason \"contract ended\" --authority \"ticket 4711\" --export /srv/handover\n" +
			"  evidenced tenant offboard tenant-7 --reason \"contract ended\" --authority \"ticket 4711\" --no-export \"waived in writing\"",
		Args: cobra.ExactArgs(1),
	}
	var r api.OffboardParams
	var dir string
	f := cmd.Flags()
	f.StringVar(&r.Reason, "reason", "", "why; sealed")
	f.StringVar(&r.Authority, "authority", "", "who orders it; sealed")
	f.StringVar(&dir, "export", "", "directory to write the last pack into, as TENANT-offboarding.zip")
	f.StringVar(&r.NoExport, "no-export", "", "why nothing is handed over; sealed")
	f.BoolVar(&r.JSON, "json", false, "write JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.Tenant = args[0]
		t, err := evidence.ParseTenant(r.Tenant) // it becomes part of a file name
		if err != nil {
			return problem.Wrap(problem.Usage, err, "cannot read the tenant")
		}
		if (dir == "") == (r.NoExport == "") {
			return problem.New(problem.Usage, "an offboarding exports the evidence, or says why it does not").
				WithHint("give one of --export DIR and --no-export REASON")
		}
		if dir != "" {
			if r.Manifest, err = p.export(cmd.Context(), r, filepath.Join(dir, t.String()+"-offboarding.zip")); err != nil {
				return err
			}
		}
		return p.call(cmd.Context(), "offboard", r, nil)
	}
	return cmd
}

// export writes the last pack durably: only then may its source be destroyed.
// A file that is there already is left alone: an offboarding that was cut off
// after its export goes on with the one that it told of.
func (p *program) export(ctx context.Context, r api.OffboardParams, file string) (evidence.Hash, error) {
	if _, err := os.Lstat(file); err == nil {
		return evidence.Hash{}, nil
	}
	res, err := p.writePack(ctx, "offboard-export", r, file)
	if err != nil {
		return evidence.Hash{}, err
	}
	d, err := os.Open(filepath.Dir(file))
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err != nil {
		return evidence.Hash{}, problem.Wrap(problem.Storage, err, "write the export")
	}
	if r.JSON {
		return res.Manifest, nil
	}
	return res.Manifest, tellPack(p.stdout, res, file)
}
