package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
	"evidenced/evidence/problem"
	"evidenced/reports"
)

func (p *program) packCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "pack --tenant TENANT --from TIME --to TIME -o FILE",
		GroupID: "ask",
		Short:   "An evidence pack that an auditor can check without you",
		Long: "Writes a zip with every record of the period, the findings, a PDF and the proofs, and seals\n" +
			"in the log that it was issued. The file appears when it is whole. -o - writes to standard\n" +
			"output: look at the exit code, what was cut off is no pack.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound, cli.ExitRefused),
		Example: "  evidenced pack --tenant tenant-7 --from 2026-10-01 --to 2026-12-31 -o pack.zip --recipient \"Auditors\"\n" +
			"  evidence-verify pack.zip",
		Args: cobra.NoArgs,
	}
	var r api.PackParams
	p.question(cmd, &r.Common)
	var file string
	var force bool
	span(cmd, &r.Span)
	f := cmd.Flags()
	f.StringVarP(&file, "output", "o", "", "file to write; - for standard output")
	f.BoolVar(&force, "force", false, "replace the file when it is there")
	f.StringVar(&r.Raw, "raw", "", "disclose source bytes: none, exceptions, all (default: as configured)")
	f.BoolVar(&r.Pseudonymous, "pseudonymous", false, "withhold names and texts")
	f.StringVar(&r.Recipient, "recipient", "", "who the pack is for; sealed with it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if file == "" {
			return problem.New(problem.Usage, "no file is given").WithHint("give -o pack.zip")
		}
		asJSON := r.JSON
		r.JSON = false // the reply is the zip
		if file == stdoutName {
			if asJSON {
				return problem.New(problem.Usage, "the pack and --json both go to standard output").WithHint("leave one out, or give -o pack.zip")
			}
			var res api.PackResult
			if err := p.callTo(cmd.Context(), "pack", r, p.stdout, &res); err != nil {
				return err
			}
			return tellPack(p.stderr, res, "PACK")
		}
		if is, err := os.Stat(file); err == nil && is.IsDir() {
			return problem.New(problem.Usage, "%s is a directory", file).WithHint("give -o a file in it, such as %s", filepath.Join(file, "pack.zip"))
		}
		if _, err := os.Lstat(file); err == nil && !force {
			return problem.New(problem.Refused, "%s is there already", file).WithHint("give another name, or --force to replace it")
		}
		res, err := p.writePack(cmd.Context(), "pack", r, file)
		if err != nil {
			return err
		}
		if asJSON {
			return p.document(struct {
				File string `json:"file"`
				api.PackResult
			}{file, res})
		}
		return tellPack(p.stdout, res, file)
	}
	return cmd
}

// stdoutName in place of a file is standard output: where the program has a file
// system to itself, as in a container, nothing else could fetch the file.
const stdoutName = "-"

// writePack writes the pack that the operation replies with to the file.
func (p *program) writePack(ctx context.Context, op string, params any, file string) (res api.PackResult, err error) {
	err = writeWhole(file, "write the pack", "give -o a file in a directory you may write to", func(w io.Writer) error {
		return p.callTo(ctx, op, params, w, &res)
	})
	return res, err
}

// writeWhole lets write fill a file beside the one that is named, and renames it
// when it is whole: an error or a kill leaves no half file under the name.
// Errors say what was being done; hint helps where no file can be made.
func writeWhole(file, doing, hint string, write func(io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return problem.Wrap(problem.Storage, err, "%s", doing).WithHint("%s", hint)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tmp.Close(), os.Remove(tmp.Name()))
		}
	}()
	if err := write(tmp); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return problem.Wrap(problem.Storage, err, "%s", doing)
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return problem.Wrap(problem.Storage, err, "%s", doing)
	}
	tmp.Close() // synced and in place
	return nil
}

func tellPack(w io.Writer, res api.PackResult, file string) error {
	var b strings.Builder
	kind := "complete pack"
	if !res.Complete {
		kind = "selection"
	}
	fmt.Fprintf(&b, "%s  %s of %s, %s: %s up to log size %s, sealed as record %d\n", file, kind, res.Tenant,
		reports.Span(res.Period.From, res.Period.To), reports.Count(int(res.Records), "record"), reports.Number(int64(res.Size)), res.Issued)
	if res.Interim != "" {
		fmt.Fprintf(&b, "INTERIM: %s\n", reports.Terminal(res.Interim))
	}
	if res.Withheld > 0 {
		fmt.Fprintf(&b, "%s withheld\n", reports.Count(res.Withheld, "claim"))
	}
	if res.Demo {
		fmt.Fprintln(&b, reports.Demonstration)
	}
	fmt.Fprintf(&b, "manifest %s\ncheck it with: evidence-verify %s\n", res.Manifest, file)
	_, err := io.WriteString(w, b.String())
	return err
}
