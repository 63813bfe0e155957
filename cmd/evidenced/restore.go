package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/cli"
	"evidenced/cmd/internal/daemon"
	"evidenced/evidence/problem"
	"evidenced/reports"
	"evidenced/store/backup"
)

// maxNote bounds a checkpoint file, in bytes.
const maxNote = 64 << 10

type restoreFlags struct {
	check       bool
	accept      bool
	keys        string
	checkpoints []string
	lostTail    bool
	reason      string
	authority   string
	json        bool
}

func (p *program) restoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "restore",
		GroupID: "run",
		Short:   "Check a backup, or let a restored data directory go on",
		Long: "To restore, copy the backup to the data directory and put the keys back. Such a directory\n" +
			"can be verified, but takes and signs nothing until it is accepted.\n\n" +
			"--check DIR verifies every log of the backup and writes nothing: files, chain, tree and\n" +
			"checkpoints, and with --keys every claim. With --checkpoint it is compared with what\n" +
			"somebody else kept.\n\n" +
			"--accept compares the data directory with its sign-state and the checkpoints given, and\n" +
			"seals reason and authority. A log that has everything known to be signed goes on. For one\n" +
			"that has not, or of which nothing outside the copy tells, --lost-tail begins a new log that\n" +
			"names the old one and what was lost; the old one can be read and is never signed again.\n" +
			"Stop the daemon first.\n\n" + cli.ExitHelp(cli.ExitVerify, cli.ExitLocked, cli.ExitNotFound, cli.ExitRefused),
		Example: "  evidenced restore --check /mnt/backup/evidenced --checkpoint auditor-tenant-7.txt\n" +
			"  evidenced restore --accept --checkpoint newest.txt --reason \"disk failed\" --authority \"head of operations\"",
		Args: cobra.MaximumNArgs(1),
	}
	var r restoreFlags
	f := cmd.Flags()
	f.BoolVar(&r.check, "check", false, "verify the backup in the directory named")
	f.BoolVar(&r.accept, "accept", false, "let the data directory go on")
	f.StringVar(&r.keys, "keys", "", "with --check: key directory, to open every claim")
	f.StringArrayVar(&r.checkpoints, "checkpoint", nil, "file with a signed checkpoint kept elsewhere; may be given again")
	f.BoolVar(&r.lostTail, "lost-tail", false, "with --accept: begin new logs where something signed is lost")
	f.StringVar(&r.reason, "reason", "", "with --accept: what happened")
	f.StringVar(&r.authority, "authority", "", "with --accept: on whose word")
	f.BoolVar(&r.json, "json", false, "write JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case r.check == r.accept:
			return problem.New(problem.Usage, "give --check DIR or --accept").WithHint("evidenced restore --help says which does what")
		case r.check && len(args) != 1:
			return problem.New(problem.Usage, "no backup is named").WithHint("evidenced restore --check DIR")
		case r.accept && len(args) != 0:
			return problem.New(problem.Usage, "--accept takes no directory").WithHint("the configuration names it")
		}
		notes, err := readNotes(r.checkpoints)
		if err != nil {
			return err
		}
		if r.check {
			return p.checkBackup(cmd, args[0], r, notes)
		}
		return p.accept(cmd, r, notes)
	}
	return cmd
}

func readNotes(paths []string) (map[string][]byte, error) {
	notes := map[string][]byte{}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return nil, problem.Wrap(problem.Usage, err, "checkpoint")
		}
		b, err := io.ReadAll(io.LimitReader(f, maxNote+1))
		f.Close()
		if err != nil {
			return nil, problem.Wrap(problem.Usage, err, "read checkpoint %s", path)
		}
		if len(b) > maxNote {
			return nil, problem.New(problem.Usage, "checkpoint %s is larger than %d bytes", path, maxNote)
		}
		notes[path] = b
	}
	return notes, nil
}

func (p *program) checkBackup(cmd *cobra.Command, dir string, r restoreFlags, notes map[string][]byte) error {
	bar := cli.NewProgress(p.stderr, cli.Look(p.stderr, p.getenv), "restore --check")
	rep, err := daemon.CheckBackup(cmd.Context(), dir, r.keys, notes, bar.Set)
	bar.Done()
	if err != nil {
		return err
	}
	t := cli.Look(p.stdout, p.getenv)
	if r.json {
		err = p.document(rep)
	} else {
		err = tellBackup(p.stdout, rep, r, reports.Style{Width: t.Width, Colour: t.Colour})
	}
	if err != nil || rep.OK {
		return err
	}
	return problem.New(problem.Corrupt, "the backup in %s does not verify", dir).WithHint("keep it as it is, and look at an older one")
}

func tellBackup(w io.Writer, rep *backup.Report, r restoreFlags, style reports.Style) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Backup made %s by %s\n", rep.Made.UTC().Format("2006-01-02 15:04:05 UTC"), reports.Terminal(rep.Program))
	for _, f := range rep.Failures {
		fmt.Fprintf(&b, "%s  %s\n", style.Bad("FAILED"), reports.Terminal(f))
	}
	for _, l := range rep.Logs {
		word := style.Bold("OK    ")
		if len(l.Failures) > 0 {
			word = style.Bad("FAILED")
		}
		fmt.Fprintf(&b, "%s  log %s: %s verified, %s, the newest at size %d\n", word, reports.Terminal(l.Origin),
			reports.Count(int(l.Records), "record"), reports.Count(l.Checkpoints, "checkpoint"), l.Signed)
		for _, f := range l.Failures {
			fmt.Fprintf(&b, "        %s\n", style.Bad(reports.Terminal(f)))
		}
		if len(l.Compared) > 0 {
			fmt.Fprintf(&b, "        holds %s\n", reports.Terminal(strings.Join(l.Compared, ", ")))
		} else {
			b.WriteString("        compared with no checkpoint from elsewhere: nothing shows that it is the newest, or the only history\n")
		}
		if e := l.Continues; e != nil {
			fmt.Fprintf(&b, "        continues log %s, whose records hold up to size %d", reports.Terminal(e.Origin), e.Size)
			if e.Lost != nil {
				fmt.Fprintf(&b, " and not at size %d, which was signed", e.Lost.Size)
			}
			b.WriteString("\n")
		}
		if r.keys != "" {
			fmt.Fprintf(&b, "        %s opened and matched, %d closed: erased or without their key\n", reports.Count(int(l.Opened), "claim"), l.Closed)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *program) accept(cmd *cobra.Command, r restoreFlags, notes map[string][]byte) error {
	if strings.TrimSpace(r.reason) == "" || strings.TrimSpace(r.authority) == "" {
		return problem.New(problem.Usage, "reason or authority is missing").WithHint("give --reason and --authority: they are sealed in every log")
	}
	c, err := p.config()
	if err != nil {
		return err
	}
	got, err := daemon.Accept(cmd.Context(), daemon.Options{Config: c, Program: programName(), Clock: p.clock(), Log: slog.New(slog.DiscardHandler)},
		daemon.Acceptance{Notes: notes, LostTail: r.lostTail, Reason: r.reason, Authority: r.authority})
	if r.json {
		if jerr := p.document(map[string]any{"accepted": err == nil, "logs": got}); jerr != nil {
			return jerr
		}
		return err
	}
	if terr := tellAccepted(p.stdout, got); terr != nil {
		return terr
	}
	return err
}

func tellAccepted(w io.Writer, got []daemon.Accepted) error {
	var b strings.Builder
	begun := false
	for _, a := range got {
		fmt.Fprintf(&b, "%-13s  %s: %s", a.Outcome, a.Tenant, reports.Count(int(a.Size), "record"))
		for _, k := range a.Known {
			fmt.Fprintf(&b, ", %s knows %d", reports.Terminal(k.From), k.Size)
		}
		b.WriteString("\n")
		if a.Why != "" {
			fmt.Fprintf(&b, "               %s\n", reports.Terminal(a.Why))
		}
		if a.Hint != "" {
			fmt.Fprintf(&b, "               hint: %s\n", reports.Terminal(a.Hint))
		}
		if a.Log != "" && a.Log != a.Origin {
			begun = true
			fmt.Fprintf(&b, "               goes on in log %s; log %s stays for reading and is never signed again\n", reports.Terminal(a.Log), reports.Terminal(a.Origin))
		}
	}
	if begun {
		b.WriteString("A new log reads its sources from the start: whoever was erased and still stands in one is known again. Go through your requests for erasure.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
