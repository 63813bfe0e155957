package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/cli"
	"evidenced/cmd/internal/telemetry"
	"evidenced/evidence/problem"
	"evidenced/evidence/witness"
	"evidenced/store/cosigner"
)

func (p *program) witnessCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "witness",
		GroupID: "run",
		Short:   "Cosign the checkpoints of other people's logs",
		Args:    cobra.NoArgs,
	}
	cmd.AddCommand(p.witnessKeyCommand(), p.witnessServeCommand())
	return cmd
}

func (p *program) witnessKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key --key FILE [--name NAME]",
		Short: "Print a witness's verifier key; with --name make a new key",
		Long: "The file holds the private key, mode 0600. The verifier key goes to everybody who shall\n" +
			"believe the witness.\n\n" + cli.ExitHelp(cli.ExitVerify, cli.ExitNotFound, cli.ExitRefused),
		Example: "  evidenced witness key --key /etc/evidenced/witness.key --name witness.acme.example/w1\n" +
			"  evidenced witness key --key /etc/evidenced/witness.key",
		Args: cobra.NoArgs,
	}
	var file, name string
	cmd.Flags().StringVar(&file, "key", "", "key file")
	cmd.Flags().StringVar(&name, "name", "", "make a new key of this name: a host name and path of your own")
	needs(cmd, "key")
	cmd.RunE = func(*cobra.Command, []string) error {
		var s *witness.Signer
		var err error
		if name != "" {
			s, err = cosigner.MakeKey(file, name)
		} else {
			s, err = cosigner.LoadKey(file)
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(p.stdout, s.Key())
		return nil
	}
	return cmd
}

// witnessOptions are the flags of witness serve.
type witnessOptions struct {
	listen, key, logs, state string
	newState                 bool
	tlsCert, tlsKey          string
	rate                     float64
}

func (p *program) witnessServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve --key FILE --logs FILE --state DIR",
		Short: "Run a witness (C2SP tlog-witness)",
		Long: "Remembers the newest checkpoint of each log and cosigns a newer one only when that extends\n" +
			"it. A line of the file of logs is ORIGIN VERIFIER-KEY; INSTALLATION/* stands for all logs of\n" +
			"one evidenced. Keep the state out of backups: brought back older, it makes the witness\n" +
			"forget what it cosigned. Runs until SIGTERM or SIGINT, then ends with 0.\n\n" +
			cli.ExitHelp(cli.ExitVerify, cli.ExitLocked, cli.ExitNotFound, cli.ExitRefused),
		Example: "  evidenced witness serve --key witness.key --logs logs --state /var/lib/evidenced-witness --new-state\n" +
			"  evidenced witness serve --listen :9321 --tls-cert w.pem --tls-key w.key --key witness.key --logs logs --state /var/lib/evidenced-witness",
		Args: cobra.NoArgs,
	}
	var o witnessOptions
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:9321", "address to serve on")
	f.StringVar(&o.key, "key", "", "key file, see witness key")
	f.StringVar(&o.logs, "logs", "", "file of logs to follow")
	f.StringVar(&o.state, "state", "", "directory of the state")
	f.BoolVar(&o.newState, "new-state", false, "begin the state; only for a key that has cosigned nothing yet")
	f.StringVar(&o.tlsCert, "tls-cert", "", "certificate chain, PEM; without it serve plain HTTP, for a proxy in front")
	f.StringVar(&o.tlsKey, "tls-key", "", "its key, PEM")
	f.Float64Var(&o.rate, "rate", 10, "checkpoints a second from each line of the file of logs")
	needs(cmd, "key", "logs", "state")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.serveWitness(cmd.Context(), o) }
	return cmd
}

// needs marks flags without which the command line is off.
func needs(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		if err := cmd.MarkFlagRequired(f); err != nil {
			panic(err) // a flag that was not defined
		}
	}
}

func (p *program) serveWitness(ctx context.Context, o witnessOptions) (err error) {
	if o.rate <= 0 || o.rate > 1e6 {
		return problem.New(problem.Usage, "--rate %v is not above 0", o.rate).WithHint("leave it away for 10 a second")
	}
	log, err := telemetry.NewLogger(p.stderr, "info", "json")
	if err != nil {
		return err
	}
	key, err := cosigner.LoadKey(o.key)
	if err != nil {
		return err
	}
	logs, err := cosigner.LoadLogs(o.logs)
	if err != nil {
		return err
	}
	tlsConfig, err := witnessTLS(o)
	if err != nil {
		return err
	}
	// The state comes last: what is begun in vain could not be begun again.
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return problem.Wrap(problem.Usage, err, "serve on %s", o.listen).WithHint("give another address with --listen")
	}
	c, err := cosigner.Open(cosigner.Options{Dir: o.state, New: o.newState, Key: key, Logs: logs, Rate: o.rate, Clock: p.now, Log: log})
	if err != nil {
		l.Close()
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	log.Info("witness serving", "addr", l.Addr().String(), "tls", tlsConfig != nil, "key", c.Key(), "logs", logs.Len())
	if tlsConfig != nil {
		l = tls.NewListener(l, tlsConfig)
	}
	if err := telemetry.Serve(ctx, l, c.Handler(), log); err != nil {
		return err
	}
	log.Info("witness stopped")
	return nil
}

// witnessTLS reads the certificate; nil without one.
func witnessTLS(o witnessOptions) (*tls.Config, error) {
	if o.tlsCert == "" && o.tlsKey == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return nil, problem.Wrap(problem.Usage, err, "cannot use --tls-cert and --tls-key").WithHint("give both, as PEM files that belong together")
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}
