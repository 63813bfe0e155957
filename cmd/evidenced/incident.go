package main

import (
	"context"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
	"evidenced/cmd/internal/fieldfile"
	"evidenced/evidence/problem"
)

func (p *program) incidentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "incident",
		GroupID: "run",
		Short:   "Incidents: declare, classify, watch the notification clocks, record what was sent",
		Long: "An incident is a row of records in a tenant's log: each act says who did what and when, and\n" +
			"nothing is changed afterwards. Clocks run by DORA, NIS-2, the GDPR and the Cyber Resilience\n" +
			"Act. evidenced prepares; the entity decides, submits and stays responsible.",
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(p.incidentDeclare(), p.incidentUpdate(), p.incidentClassify(), p.incidentClock(), p.incidentNotify(),
		p.incidentContact(), p.incidentClose(), p.incidentList(), p.incidentShow(), p.incidentExport(), p.incidentRegister())
	return cmd
}

// incidentAct makes the command of one act; read, when not nil, reads what is no
// flag's value.
func (p *program) incidentAct(cmd *cobra.Command, r *api.IncidentParams, read func(context.Context) error) *cobra.Command {
	return p.act(cmd, "incident", r, &r.Common, &r.ID, read, cli.ExitLocked, cli.ExitNotFound, cli.ExitRefused)
}

// decided adds the flags of acts that somebody answers for.
func decided(cmd *cobra.Command, r *api.IncidentParams) {
	f := cmd.Flags()
	f.StringVar(&r.Reason, "reason", "", "why, in words; sealed as text that can be erased")
	f.StringVar(&r.Decider, "decider", "", "whose decision it is: REALM|NATIVEID; sealed among the people, never in clear")
}

// filled adds the flags that give fields.
func filled(cmd *cobra.Command, file *string, records *[]string) {
	f := cmd.Flags()
	f.StringVar(file, "file", "", "fields in YAML or JSON, or what incident export --form json wrote; - for standard input")
	f.StringArrayVar(records, "from-record", nil, "FIELD=NUMBER,NUMBER: the field was filled from these records of the log; may be repeated")
}

func readFields(r *api.IncidentParams, file string, records []string) error {
	if file != "" {
		data, err := readLimited(file, fieldfile.MaxFile)
		if err != nil {
			return err
		}
		if r.Fields, err = fieldfile.Parse(file, data); err != nil {
			return err
		}
	}
	for _, text := range records {
		path, list, ok := strings.Cut(text, "=")
		if !ok {
			return problem.New(problem.Usage, "--from-record %.60q", text).WithHint("write it as times.occurred=4711,4712")
		}
		if r.Records == nil {
			r.Records = map[string][]uint64{}
		}
		for s := range strings.SplitSeq(list, ",") {
			n, err := strconv.ParseUint(s, 10, 53)
			if err != nil {
				return problem.New(problem.Usage, "--from-record %.60q: %.20q is no record's number", text, s)
			}
			r.Records[path] = append(r.Records[path], n)
		}
	}
	return nil
}

// readLimited reads a file, or standard input for "-", that must not be longer.
func readLimited(file string, most int64) ([]byte, error) {
	in, name := io.Reader(os.Stdin), "standard input"
	if file != "-" {
		name = file
		f, err := os.Open(file)
		if err != nil {
			return nil, problem.Wrap(problem.NotFound, err, "cannot read the file")
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, problem.Wrap(problem.NotFound, err, "cannot read %s", name)
	}
	if int64(len(data)) > most {
		return nil, problem.New(problem.Usage, "%s has more than %d bytes", name, most)
	}
	return data, nil
}

func (p *program) incidentDeclare() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "declare",
		Short: "Declare an incident",
		Long: "Begins an incident in the tenant's log and tells its id. It says at least what happened, since\n" +
			"when that is known and in which role the entity reports, by the flags or by --file, which gives\n" +
			"all that is known already. Who declares is recorded as the user that runs the command.\n\n" +
			"Roles decide on the laws whose clocks run: financial-entity (DORA), operator (NIS-2),\n" +
			"controller and processor (GDPR), manufacturer (CRA), ict-provider (the customers' notice).\n" +
			"Then evidenced incident clock says since when the entity is aware, for each law.\n\n" +
			"An incident of the platform that hits tenants has its home in _platform and, for each\n" +
			"--affects, a part in that tenant's log: an incident of its own that names no other tenant.\n" +
			"The parts begin with the same fields; identity and reporter are each entity's own.",
		Example: "  evidenced incident declare --tenant tenant-7 --what \"payments fail\" --detected \"2026-12-18 18:20\" --role financial-entity --role controller\n" +
			"  evidenced incident declare --tenant tenant-7 --file incident.yaml --reason \"pages fail since noon\"\n" +
			"  evidenced incident declare --tenant _platform --file incident.yaml --affects tenant-7=financial-entity,controller --affects tenant-8",
		Args: cobra.NoArgs,
	}
	var file, resume string
	var records []string
	r := &api.IncidentParams{Act: "declare"}
	decided(cmd, r)
	filled(cmd, &file, &records)
	f := cmd.Flags()
	f.StringVar(&r.What, "what", "", "what happened, in a sentence; sealed as text that can be erased (narrative.summary)")
	f.StringVar(&r.Detected, "detected", "", "when it was detected (times.detected)")
	f.StringSliceVar(&r.Roles, "role", nil, "role in which the entity reports (reporter.roles); may be repeated")
	f.StringArrayVar(&r.Affects, "affects", nil, "TENANT or TENANT=ROLE,ROLE: a tenant that is hit; may be repeated; with --tenant _platform")
	f.StringVar(&r.Aware, "aware", "", "with --affects: when the provider became aware, which starts the customers' notice (default: now)")
	f.StringVar(&resume, "resume", "", "declare the parts of this incident that a failure kept from being declared")
	return p.incidentAct(cmd, r, func(context.Context) error {
		if resume != "" {
			r.ID, r.Resume = resume, true
		}
		return readFields(r, file, records)
	})
}

func (p *program) incidentUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "update ID",
		Short: "Set fields of an incident",
		Long: "Sets the fields of the file, and takes back those that are null. The fields before stay in the\n" +
			"log. docs/incidents.md lists every field. A field that is not set is not known: it is never\n" +
			"taken for no or zero.",
		Example: "  evidenced incident update k3jq --tenant tenant-7 --file more.yaml\n" +
			"  evidenced incident update k3jq --tenant tenant-7 --file down.yaml --from-record duration.downtime_minutes=40213,40220",
		Args: cobra.ExactArgs(1),
	}
	var file string
	var records []string
	r := &api.IncidentParams{Act: "update"}
	decided(cmd, r)
	filled(cmd, &file, &records)
	cmd.Flags().BoolVar(&r.PassOn, "pass-on", false, "set the fields in the parts of affected tenants too; refused when they name a tenant")
	return p.incidentAct(cmd, r, func(context.Context) error {
		if file == "" {
			return problem.New(problem.Usage, "no fields are given").WithHint("give --file FILE, or --file - for standard input")
		}
		return readFields(r, file, records)
	})
}

func (p *program) incidentClassify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "classify ID --law LAW",
		Short: "Run the procedure of a law, show its working, record the decision",
		Long: "Runs the procedure on the incident's fields and records the look: every question with its\n" +
			"rule, answer and reason, the inputs that are missing, and what the evidence shows beside.\n" +
			"--decide records a person's decision; one that differs from the procedure needs a reason.\n\n" +
			"  dora  major, not-major (Delegated Regulation (EU) 2024/1772)\n" +
			"  nis2  significant, not-significant (NIS-2 Art 23(3), Implementing Regulation (EU) 2024/2690)\n" +
			"  gdpr  no-breach, risk-unlikely, risk, high-risk: a person's decision always\n" +
			"  cra   exploited-vulnerability, severe-incident, not-severe (Art 14)",
		Example: "  evidenced incident classify k3jq --tenant tenant-7 --law dora --dry-run\n" +
			"  evidenced incident classify k3jq --tenant tenant-7 --law dora --decide major --at \"2026-12-19 09:40\" --decider \"oidc:prod|812\"",
		Args: cobra.ExactArgs(1),
	}
	r := &api.IncidentParams{Act: "classify"}
	decided(cmd, r)
	f := cmd.Flags()
	f.StringVar(&r.Law, "law", "", "dora, nis2, gdpr or cra")
	f.StringVar(&r.Decide, "decide", "", "what was decided")
	f.StringVar(&r.At, "at", "", "when it was decided (default: now)")
	f.StringArrayVar(&r.Recurring, "recurring", nil, "id of an incident with the same apparent root cause, looked at together; may be repeated")
	f.BoolVar(&r.DryRun, "dry-run", false, "record nothing")
	return p.incidentAct(cmd, r, nil)
}

func (p *program) incidentClock() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clock ID",
		Short: "The notification clocks; with --aware, since when the entity is aware",
		Long: "Shows each clock: safe (the number of the law, never moved), latest (the most that is allowed),\n" +
			"what remains and the rules. Lateness is decided on latest when something is first recorded as\n" +
			"sent, and stays. A stage is met by a recorded receipt alone.\n\n" +
			"With --aware it records since when the entity is aware, for one law. An earlier candidate in\n" +
			"the evidence, or one declared before, needs a reason.",
		Example: "  evidenced incident clock k3jq --tenant tenant-7\n" +
			"  evidenced incident clock k3jq --tenant tenant-7 --law dora --aware \"2026-12-18 18:20\" --tz Europe/Berlin",
		Args: cobra.ExactArgs(1),
	}
	r := &api.IncidentParams{Act: "clock"}
	decided(cmd, r)
	f := cmd.Flags()
	f.StringVar(&r.Law, "law", "", "dora, nis2, gdpr or cra; with --aware")
	f.StringVar(&r.Aware, "aware", "", "since when the entity is aware")
	return p.incidentAct(cmd, r, nil)
}

func (p *program) incidentNotify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify ID --stage STAGE",
		Short: "Record that a notification was sent, received, delayed or asked for",
		Long: "evidenced sends nothing. --sent fixes the clock: the limit of that moment and whether it was\n" +
			"kept. --received with the authority's reference or its file meets the stage; sent without a\n" +
			"receipt stays open. Of the file its SHA-256 is kept, not the file.",
		Example: "  evidenced incident notify k3jq --tenant tenant-7 --stage dora.initial --sent \"2026-12-19 13:05\" --channel portal\n" +
			"  evidenced incident notify k3jq --tenant tenant-7 --stage dora.initial --received \"2026-12-19 13:06\" --reference 2026I0000001",
		Args: cobra.ExactArgs(1),
	}
	var receipt string
	r := &api.IncidentParams{Act: "notify"}
	decided(cmd, r)
	f := cmd.Flags()
	f.StringVar(&r.Stage, "stage", "", "which notification, as evidenced incident clock names it")
	f.StringVar(&r.Sent, "sent", "", "when it was sent")
	f.StringVar(&r.Received, "received", "", "when its receipt came")
	f.StringVar(&r.Delayed, "delayed", "", "when the authority was told that the limit cannot be kept; with --reason")
	f.StringVar(&r.Requested, "requested", "", "when the authority asked for it")
	f.StringVar(&r.Channel, "channel", "", "how it was sent: a portal, a mailbox of the authority; recorded, so it must not name a person")
	f.StringVar(&r.Reference, "reference", "", "what the authority gave as a receipt; recorded, so it must not name a person")
	f.StringVar(&receipt, "receipt", "", "file of the receipt; its SHA-256 is kept")
	f.Uint64Var(&r.Of, "of", 0, "record of the sending that the receipt is of (default: the newest)")
	return p.incidentAct(cmd, r, func(ctx context.Context) error {
		if receipt == "" {
			return nil
		}
		var err error
		r.File, _, err = hashFile(ctx, "receipt", receipt)
		return err
	})
}

func (p *program) incidentContact() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "contact ID --place PLACE",
		Short: "Record whom an authority may call",
		Long: "The person stands among the log's people and the number in a text, so both can be erased;\n" +
			"the contact is then named as missing.",
		Example: "  evidenced incident contact k3jq --tenant tenant-7 --place secondary --team --name \"Incident desk\" --mail desk@bank.example --phone \"+49 30 5550100\"",
		Args:    cobra.ExactArgs(1),
	}
	r := &api.IncidentParams{Act: "contact"}
	f := cmd.Flags()
	f.StringVar(&r.Place, "place", "", "primary, secondary or dpo")
	f.StringVar(&r.Name, "name", "", "name of the person or team")
	f.StringVar(&r.Mail, "mail", "", "mail address")
	f.StringVar(&r.Phone, "phone", "", "telephone number with the international prefix")
	f.BoolVar(&r.Team, "team", false, "a team, not one person")
	return p.incidentAct(cmd, r, nil)
}

func (p *program) incidentClose() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "close ID",
		Short: "Close an incident, or open it again",
		Long: "Receipts and reports can be recorded on a closed incident; nothing else. Stages that are not\n" +
			"met need a reason, and are named in the record. Closing ends no limit of a law.",
		Example: "  evidenced incident close k3jq --tenant tenant-7 --at \"2027-01-25 12:00\"",
		Args:    cobra.ExactArgs(1),
	}
	r := &api.IncidentParams{Act: "close"}
	decided(cmd, r)
	f := cmd.Flags()
	f.StringVar(&r.At, "at", "", "when it was closed (default: now)")
	f.BoolVar(&r.Reopen, "reopen", false, "open it again; with --reason")
	return p.incidentAct(cmd, r, nil)
}

func (p *program) incidentList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "The incidents that are open or have a limit ahead, with what each needs next",
		Example: "  evidenced incident list\n  evidenced incident list --tenant tenant-7 --closed --json",
		Args:    cobra.NoArgs,
	}
	r := &api.IncidentParams{Act: "list"}
	cmd.Flags().BoolVar(&r.Closed, "closed", false, "all closed ones too")
	return p.incidentAct(cmd, r, nil)
}

func (p *program) incidentShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "All that is known of an incident: moments, clocks, open items of each stage, acts",
		Long: "ID may be cut after four characters when that names one incident. Items that a notification\n" +
			"must have and that nobody gave are listed, never filled in.",
		Example: "  evidenced incident show k3jq --tenant tenant-7",
		Args:    cobra.ExactArgs(1),
	}
	return p.incidentAct(cmd, &api.IncidentParams{Act: "show"}, nil)
}
