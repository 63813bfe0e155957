package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
	"evidenced/cmd/internal/config"
	"evidenced/evidence/problem"
	"evidenced/reports"
)

func (p *program) keyringCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "keyring",
		GroupID: "run",
		Short:   "Care for the keys: wrap them elsewhere, renew, back up and restore them",
		Args:    cobra.NoArgs,
	}
	cmd.AddCommand(p.keyringRewrapCommand(), p.keyringRotateCommand(), p.keyringBackupCommand(), p.keyringRestoreCommand())
	return cmd
}

func (p *program) keyringRewrapCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rewrap -c FILE",
		Short: "Seal the keyring under a new wrapping key, kept as the configuration says",
		Long: "Changes between a local file and transit, both ways, or renews the wrapping key where it is.\n" +
			"Set keys.wrapping first, stop the daemon, then run this. A cut leaves the old or the new.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitRefused),
		Example: "  evidenced keyring rewrap -c evidenced.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.ownConfig("keyring rewrap")
			if err != nil {
				return err
			}
			before, now, gone, why, err := p.rewrap(cmd.Context(), c)
			if err != nil {
				return err
			}
			says := "the old wrapping key is destroyed"
			if !gone {
				says = "the old wrapping key is not destroyed for everybody: " + why
			}
			_, err = fmt.Fprintf(p.stdout, "The keyring was wrapped by %s and is wrapped by %s, under a new key; %s.\n", before, now, reports.Terminal(says))
			return err
		},
	}
}

func (p *program) keyringRotateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate [--tenant TENANT]",
		Short: "Begin a new data key; records sealed before stay as they are",
		Long: "From the next record on each tenant's log, or one tenant's, is sealed under a new data key.\n" +
			"The old ones stay for reading.\n\n" + cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced keyring rotate\n  evidenced keyring rotate --tenant tenant-7",
		Args:    cobra.NoArgs,
	}
	var r api.RenewParams
	cmd.Flags().StringVarP(&r.Tenant, "tenant", "t", "", "this tenant's log alone (default: all)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.call(cmd.Context(), "keyring-rotate", r, nil) }
	return cmd
}

func (p *program) keyringBackupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE --passphrase-file FILE",
		Short: "A sealed copy of the keyring and the signing keys",
		Long: "Writes a consistent copy, beside a running daemon too, sealed under a passphrase: the wrapping\n" +
			"key of today may be destroyed tomorrow. Keep it apart from backups of the logs: whoever has\n" +
			"both and the passphrase can read and sign everything.\n\n" +
			"A copy older than an erasure brings nobody back: the logs carry the erasure out anew in it.\n" +
			"But whoever reads the copy itself has the keys, so erasures of what it holds are logical.\n" +
			"- for FILE is standard output: look at the exit code, what was cut off is no backup.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitRefused),
		Example: "  evidenced keyring backup /mnt/safe/keyring-2026-11-14 --passphrase-file /etc/evidenced/backup.pass\n" +
			"  evidenced keyring backup - --passphrase-file /etc/evidenced/backup.pass",
		Args: cobra.ExactArgs(1),
	}
	var pass string
	cmd.Flags().StringVar(&pass, "passphrase-file", "", "file with the passphrase, mode 0600")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.config()
		if err != nil {
			return err
		}
		if args[0] != stdoutName {
			if err := outside(args[0], c); err != nil {
				return err
			}
		}
		phrase, err := readPassphrase(pass)
		if err != nil {
			return err
		}
		if args[0] == stdoutName {
			return p.sendBackup(cmd.Context(), p.stdout, phrase)
		}
		if err := p.writeBackup(cmd.Context(), args[0], phrase); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.stdout, "%s  keyring and signing keys, sealed. Who is erased from now on is not brought back by it:\nthe logs carry the erasure out anew when it is restored.\n", args[0])
		return err
	}
	return cmd
}

// outside refuses a place that a backup of the logs, or whoever steals the
// directory, takes along.
func outside(file string, c *config.Config) error {
	dir, err := resolved(filepath.Dir(file))
	if err != nil {
		return problem.Wrap(problem.Usage, err, "cannot write to %s", file)
	}
	for _, no := range []string{c.DataDir, c.Keys.Dir} {
		no, err := resolved(no)
		if err != nil {
			continue // not there, so nothing lies in it
		}
		if rel, err := filepath.Rel(no, dir); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return problem.New(problem.Refused, "%s lies in %s: the copy would be lost, or found, with what it is for", file, no).
				WithHint("write it to another disk or machine")
		}
	}
	return nil
}

func resolved(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// maxPassphrase bounds a passphrase file, in bytes.
const maxPassphrase = 4 << 10

func readPassphrase(path string) (string, error) {
	if path == "" {
		return "", problem.New(problem.Usage, "no passphrase is given").WithHint("give --passphrase-file FILE")
	}
	st, err := os.Stat(path)
	if err != nil {
		return "", problem.Wrap(problem.Usage, err, "passphrase file")
	}
	if !config.Private(st) {
		return "", problem.New(problem.Refused, "passphrase file %s has mode %#o: others may read it", path, st.Mode().Perm()).WithHint("chmod 600 %s", path)
	}
	if st.Size() > maxPassphrase {
		return "", problem.New(problem.Usage, "passphrase file %s has %d bytes", path, st.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", problem.Wrap(problem.Usage, err, "passphrase file")
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// writeBackup writes a sealed copy of the keys to a file that is not there yet.
func (p *program) writeBackup(ctx context.Context, file, passphrase string) error {
	if _, err := os.Lstat(file); err == nil {
		return problem.New(problem.Refused, "%s is there already", file).WithHint("give another name")
	}
	return writeWhole(file, "write the backup", "", func(w io.Writer) error { return p.sendBackup(ctx, w, passphrase) })
}

// sendBackup writes a sealed copy of the keys.
func (p *program) sendBackup(ctx context.Context, w io.Writer, passphrase string) error {
	return p.callTo(ctx, "keyring-backup", api.KeyBackupParams{Passphrase: passphrase}, w, nil)
}

func (p *program) keyringRestoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE --passphrase-file FILE -c FILE",
		Short: "Bring the keyring and the signing keys back from a backup",
		Long: "Writes them into keys.dir, which must have no keyring, under a new wrapping key. When the logs\n" +
			"are opened next, they carry out anew what was erased since. A keyring older than a log is\n" +
			"found out: that log is verified only.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitRefused, cli.ExitVerify),
		Example: "  evidenced keyring restore /mnt/safe/keyring-2026-11-14 --passphrase-file backup.pass -c evidenced.yaml",
		Args:    cobra.ExactArgs(1),
	}
	var pass string
	cmd.Flags().StringVar(&pass, "passphrase-file", "", "file with the passphrase, mode 0600")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.config()
		if err != nil {
			return err
		}
		phrase, err := readPassphrase(pass)
		if err != nil {
			return err
		}
		f, err := os.Open(args[0])
		if err != nil {
			return problem.Wrap(problem.Usage, err, "open the backup")
		}
		defer f.Close()
		if err := p.restoreKeys(cmd.Context(), c, f, phrase); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.stdout, "%s has its keyring and signing keys again. Check with: evidenced fsck, evidenced verify --deep\n", c.Keys.Dir)
		return err
	}
	return cmd
}
