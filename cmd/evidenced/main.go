// Command evidenced collects compliance evidence into one tamper-evident log
// for each tenant, and answers from it.
//
// One file holds one subcommand. A reading command asks the daemon over its
// socket, or takes the lock itself: see package api. Exit codes are in package
// cli.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"evidenced/cmd/internal/cli"
	"evidenced/cmd/internal/spelling"
	"evidenced/evidence/problem"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, wired(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// program is one run of the command: its parts, its streams and the flags that
// all commands share.
type program struct {
	parts
	getenv func(string) string
	stdout io.Writer
	stderr io.Writer

	configFile string
	dataDir    string
	started    bool // a command has begun: errors are its own, not the command line's
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, p parts, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	prog := &program{parts: p, getenv: getenv, stdout: stdout, stderr: stderr}
	root := prog.root()
	root.SetArgs(args)
	called, err := root, unknownAct(root, args)
	if err == nil {
		called, err = root.ExecuteContextC(ctx)
	}
	if err == nil {
		return cli.ExitOK
	}
	if !prog.started && problem.Of(err) == nil {
		err = problem.Wrap(problem.Usage, err, "cannot read the command line").WithHint("%s%s", meant(called, args, err), howTo(called))
	}
	cli.PrintError(stderr, "evidenced", err)
	return cli.ExitCode(err)
}

// unknownAct returns an error when args name a group of commands and, behind
// it, one that the group does not have. Cobra would show the group's help and
// call that done, so that a script with a slip of the pen in it went on as if
// something had happened.
func unknownAct(root *cobra.Command, args []string) error {
	group, rest, err := root.Find(args)
	if err != nil || group == root || group.Runnable() || group.ParseFlags(rest) != nil || group.Flags().NArg() == 0 {
		return nil
	}
	var acts []string
	for _, c := range group.Commands() {
		if c.IsAvailableCommand() {
			acts = append(acts, c.Name())
		}
	}
	word := group.Flags().Arg(0)
	return problem.New(problem.Usage, "cannot read the command line: unknown command %q for %q", word, group.CommandPath()).
		WithHint("%sthere are %s", didYouMean("", spelling.Nearest(word, acts)), strings.Join(acts, ", "))
}

// meant says which flag or command is most like the one that is not there.
func meant(called *cobra.Command, args []string, err error) string {
	var names []string
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		called.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		return didYouMean("--", spelling.Nearest(unknown.GetSpecifiedName(), names))
	}
	for _, c := range called.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	for _, word := range args {
		if strings.HasPrefix(err.Error(), fmt.Sprintf("unknown command %q for ", word)) {
			return didYouMean("", spelling.Nearest(word, names))
		}
	}
	return ""
}

func didYouMean(dashes, near string) string {
	if near == "" {
		return ""
	}
	return "did you mean " + dashes + near + "? "
}

// howTo says where the right command line stands.
func howTo(cmd *cobra.Command) string {
	if !cmd.Runnable() {
		return "evidenced --help lists the commands"
	}
	how := "write it as " + strings.TrimSuffix(cmd.UseLine(), " [flags]")
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			how += " or " + strings.TrimSuffix(sub.UseLine(), " [flags]")
		}
	}
	return how + "; " + cmd.CommandPath() + " --help tells more"
}

// countsArgs makes a command say in words that it was given too few or too
// many arguments. Which ones is not repeated: one may be a secret that slipped
// behind the wrong flag.
func countsArgs(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch err := check(cmd, args); {
		case err == nil:
			return nil
		case len(args) == 0:
			return errors.New("an argument is missing")
		case check(cmd, nil) == nil:
			return fmt.Errorf("it takes no argument, and %s given", were(len(args)))
		default:
			return fmt.Errorf("it takes another number of arguments: %s given", were(len(args)))
		}
	}
}

func were(n int) string {
	if n == 1 {
		return "1 is"
	}
	return strconv.Itoa(n) + " are"
}

// helpTemplate is cobra's, but with the summary in front of what is told at
// length, which does not say it again.
const helpTemplate = `{{.Short}}

{{with .Long}}{{. | trimTrailingWhitespaces}}

{{end}}{{.UsageString}}`

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "evidenced",
		Short: "Compliance evidence, collected and kept so that anybody can check it",
		Long: "evidenced reads forges, deployments, secret stores and certificates, keeps what it saw\n" +
			"in one tamper-evident log for each tenant, and answers from it.\n\n" +
			"Try it without any set-up: evidenced demo\n\n" + cli.ExitHelp(allCodes()...),
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		// Of what is not there the hint tells what it is most like.
		DisableSuggestions: true,
	}
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetHelpTemplate(helpTemplate)
	f := root.PersistentFlags()
	f.StringVarP(&p.configFile, "config", "c", "", "configuration file (default $EVIDENCED_CONFIG, else "+defaultConfig+")")
	f.StringVar(&p.dataDir, "data-dir", "", "data directory to read, in place of a configuration")
	root.AddGroup(&cobra.Group{ID: "ask", Title: "Ask:"}, &cobra.Group{ID: "run", Title: "Run:"}, &cobra.Group{ID: "check", Title: "Check:"})
	root.AddCommand(
		p.ranCommand(), p.recordsCommand(), p.timelineCommand(), p.traceCommand(), p.peopleCommand(), p.whoCommand(), p.coverageCommand(), p.assessCommand(), p.gapsCommand(), p.todayCommand(), p.packCommand(), p.receiptCommand(), p.tenantsCommand(),
		p.incidentCommand(), p.remedyCommand(),
		p.holdCommand(), p.retentionCommand(), p.tenantCommand(),
		p.serveCommand(), p.collectCommand(), p.configCommand(), p.versionCommand(),
		p.eraseCommand(), p.identityCommand(), p.keyringCommand(),
		p.controlsCommand(), p.doctorCommand(), p.verifyCommand(), p.fsckCommand(), p.anchorsCommand(), p.witnessCommand(),
		p.backupCommand(), p.restoreCommand(), p.keysCommand(),
	)
	root.AddCommand(p.statementCommands()...)
	if p.demo != nil {
		root.AddCommand(p.demoCommand())
	}
	p.noteStart(root)
	return root
}

// noteStart makes every command say that it has begun. What cobra finds wrong
// before that is the command line's fault.
func (p *program) noteStart(cmd *cobra.Command) {
	countsArgs(cmd)
	if f := cmd.RunE; f != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			p.started = true
			return f(cmd, args)
		}
	}
	for _, c := range cmd.Commands() {
		p.noteStart(c)
	}
}

func allCodes() []int {
	var codes []int
	for _, e := range cli.ExitCodes {
		codes = append(codes, e.Code)
	}
	return codes
}
