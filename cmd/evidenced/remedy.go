package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/fieldfile"
	"evidenced/evidence/remedy"
)

func (p *program) remedyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remedy",
		GroupID: "run",
		Short:   "Remedies: who puts right what failed, why it failed, and by when",
		Long: "A remedy is a plan for items that failed: an owner, a root cause, what is done and a day. It\n" +
			"accepts nothing and changes no status, so nobody has to approve it. It closes by itself when the\n" +
			"findings no longer name its items; evidenced gaps and today show what is due and what is overdue.",
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(p.remedySet(), p.remedyDone(), p.remedyEnd(), p.remedyList(), p.remedyShow())
	return cmd
}

// remedyAct makes the command of one act; read, when not nil, reads what is no
// flag's value.
func (p *program) remedyAct(cmd *cobra.Command, r *api.RemedyParams, read func(context.Context) error) *cobra.Command {
	return p.act(cmd, "remedy", r, &r.Common, &r.Name, read, actCodes(r.Act)...)
}

// remedyFile says what a file of fields may hold.
const remedyFile = "write fields such as\n  tests: [chg-approved]\n  records: [40101]\n  owner: github:prod|8231\n  cause: process-not-followed\n  remedy: the guard binds administrators too\n  due: 2026-11-30\n" +
	"the others are controls, team, cause_detail, ticket and reason"

func (p *program) remedySet() *cobra.Command {
	var causes []string
	for _, c := range remedy.Causes {
		causes = append(causes, "  "+c.ID+strings.Repeat(" ", max(1, 22-len(c.ID)))+c.Says)
	}
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Plan a remedy, or say anew what of one is another now",
		Long: "Records a plan for what fails now: all of it that the named controls or tests name, or with\n" +
			"--record these items alone, which may also have failed before. What fails later has no plan.\n" +
			"Of a plan that there is, what is left away stays as it was; every record of it stays in the log,\n" +
			"and so does each day that was given. Where several plans are for one item the newest counts.\n\n" +
			"Root causes:\n" + strings.Join(causes, "\n"),
		Example: "  evidenced remedy set guard-admins --tenant tenant-7 --test chg-approved --owner \"github:prod|8231\" --cause process-not-followed --remedy \"the guard binds administrators too\" --due 2026-11-30\n" +
			"  evidenced remedy set guard-admins --tenant tenant-7 --due 2026-12-15 --reason \"the forge has to be updated first\"",
		Args: cobra.ExactArgs(1),
	}
	var file string
	var records []string
	var fields api.RemedyFields
	r := &api.RemedyParams{Act: "set"}
	f := cmd.Flags()
	f.StringVar(&file, "file", "", "fields in YAML or JSON; - for standard input; flags stand above them")
	f.StringSliceVar(&fields.Controls, "control", nil, "a control, for what fails of its tests; may be repeated")
	f.StringSliceVar(&fields.Tests, "test", nil, "a test, for what fails it; may be repeated")
	f.StringSliceVar(&records, "record", nil, "these items alone, such as 40101,40107; may be repeated")
	f.StringVar(&fields.Owner, "owner", "", "the person who answers for it: REALM|NATIVEID, as evidenced people lists accounts")
	f.StringVar(&fields.Team, "team", "", "the role or team that answers for it, in place of --owner")
	f.StringVar(&fields.Cause, "cause", "", "the root cause, one of those above")
	f.StringVar(&fields.Detail, "cause-detail", "", "more about the cause, in words; sealed as text that can be erased")
	f.StringVar(&fields.Remedy, "remedy", "", "what is done about it, in words; sealed as text that can be erased")
	f.StringVar(&fields.Ticket, "ticket", "", "where the work is followed; sealed as text that can be erased")
	f.StringVar(&fields.Due, "due", "", "the day by which it is to be done; it is overdue when that day is over")
	f.StringVar(&fields.Reason, "reason", "", "why it is said anew, in words; sealed as text that can be erased")
	remedyMaker(cmd, r)
	return p.remedyAct(cmd, r, func(context.Context) error {
		var err error
		if fields.Records, err = recordNumbers(records); err != nil {
			return err
		}
		if file != "" {
			data, err := readLimited(file, fieldfile.MaxFile)
			if err != nil {
				return err
			}
			if err := fieldfile.Into(file, data, &r.RemedyFields, remedyFile); err != nil {
				return err
			}
		}
		r.RemedyFields = r.RemedyFields.Over(fields)
		return nil
	})
}

func remedyMaker(cmd *cobra.Command, r *api.RemedyParams) {
	cmd.Flags().StringVar(&r.Maker, "maker", "", "who says it: REALM|NATIVEID; sealed among the people, never in clear")
}

func (p *program) remedyDone() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "done NAME",
		Short: "Say that a remedy is done",
		Long: "Records that somebody says so. It closes nothing: until the findings no longer name its items it\n" +
			"is shown as said done and still failing, and its day still counts.",
		Example: "  evidenced remedy done guard-admins --tenant tenant-7 --reason \"switched on, merged as !412\"",
		Args:    cobra.ExactArgs(1),
	}
	r := &api.RemedyParams{Act: "done"}
	cmd.Flags().StringVar(&r.Reason, "reason", "", "what was done, in words; sealed as text that can be erased")
	remedyMaker(cmd, r)
	return p.remedyAct(cmd, r, nil)
}

func (p *program) remedyEnd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "end NAME --reason TEXT",
		Short:   "Withdraw a remedy that nobody will carry out",
		Long:    "Withdraws it, and says why. What it was for has no plan then, unless an older one is for it.",
		Example: "  evidenced remedy end guard-admins --tenant tenant-7 --reason \"the repository is given up\"",
		Args:    cobra.ExactArgs(1),
	}
	r := &api.RemedyParams{Act: "end"}
	cmd.Flags().StringVar(&r.Reason, "reason", "", "why, in words; sealed as text that can be erased")
	remedyMaker(cmd, r)
	return p.remedyAct(cmd, r, nil)
}

func (p *program) remedyList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the remedies that somebody has to carry out",
		Long:    "Lists them by tenant, what is overdue first. Without --tenant every tenant is asked.",
		Example: "  evidenced remedy list --tenant tenant-7\n  evidenced remedy list --all --json",
		Args:    cobra.NoArgs,
	}
	r := &api.RemedyParams{Act: "list"}
	cmd.Flags().BoolVar(&r.All, "all", false, "list those that are over too")
	return p.remedyAct(cmd, r, nil)
}

func (p *program) remedyShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Tell everything about one",
		Long:    "Tells what it is for, how each of its items stands, and every record of it.",
		Example: "  evidenced remedy show guard-admins --tenant tenant-7",
		Args:    cobra.ExactArgs(1),
	}
	return p.remedyAct(cmd, &api.RemedyParams{Act: "show"}, nil)
}
