package main

import (
	"context"
	"crypto/sha256"
	"io"
	"mime"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings/statement"
)

// statementWords are what the three groups of commands say of themselves.
type statementWords struct {
	typ         statement.Type
	use         string
	short, long string
	draft       string // example of draft
}

var statementCommands = []statementWords{
	{statement.Waiver, "waiver", "Waivers: failures that are accepted for a while",
		"A waiver accepts failures of a control's tests for a while. It stands beside the finding: the\n" +
			"status stays what the evidence says, evidenced gaps lists it apart, and nobody is alerted until\n" +
			"it ends. It ends by itself, and when the rule of a test changes.",
		"evidenced waiver draft --tenant tenant-7 --name late-cert --maker \"github:prod|1001\" --control gdpr-art-32-1-a --until 2026-12-31 --reason \"the authority is late\" > late-cert.txt"},
	{statement.Scope, "scope", "Scope statements: controls that do not apply",
		"A scope statement says that a control does not apply to the tenant. Where a test looked\n" +
			"everywhere and found nothing to look at, its finding is then not-applicable in place of gap, for\n" +
			"as long as the statement is in force. What is there is judged, whatever is stated.",
		"evidenced scope draft --tenant tenant-7 --name no-cards --maker \"github:prod|1001\" --control gdpr-art-32-1-a --reason \"no endpoint of its own\" > no-cards.txt"},
	{statement.Attestation, "attest", "Attestations: a person's word on what no source shows",
		"An attestation is a person's word on a control that no source answers, perhaps with a document.\n" +
			"It is shown beside the control as a person's word, and no verdict stands on it.",
		"evidenced attest draft --tenant tenant-7 --name register --maker \"github:prod|1001\" --control gdpr-art-30-1-g --document register.pdf --until 2027-06-30 --reason \"approved by the board\" > register.txt"},
}

func (p *program) statementCommands() []*cobra.Command {
	var out []*cobra.Command
	for _, w := range statementCommands {
		cmd := &cobra.Command{
			Use: w.use, GroupID: "run", Short: w.short,
			Long: w.long + "\n\nTwo persons stand behind it: draft writes a text, its maker and another person sign exactly these\n" +
				"bytes, or it is merged as a file by a request that another person approved. add records it.",
			Args: cobra.NoArgs,
		}
		cmd.AddCommand(p.statementDraft(w), p.statementAdd(w), p.statementList(w), p.statementShow(w), p.statementEnd(w))
		out = append(out, cmd)
	}
	return out
}

// statementAct makes the command of one act; read, when not nil, reads what is no
// flag's value.
func (p *program) statementAct(cmd *cobra.Command, r *api.StatementParams, read func(context.Context) error) *cobra.Command {
	return p.act(cmd, "statement", r, &r.Common, &r.Name, read, actCodes(r.Act)...)
}

func (p *program) statementDraft(w statementWords) *cobra.Command {
	var document, media string
	var records []string
	cmd := &cobra.Command{
		Use:   "draft --name NAME --maker ACCOUNT --control ID",
		Short: "Write the exact text that is to be approved",
		Long: "Writes the text to standard output and records nothing. What could not be recorded is refused\n" +
			"here already. The maker and another person sign exactly these bytes:\n\n" +
			"  ssh-keygen -Y sign -n " + statement.Namespace + " -f KEY FILE    writes FILE.sig\n" +
			"  gpg --armor --detach-sign FILE                         writes FILE.asc\n\n" +
			"or the file is merged by a request that its maker opens and another person approves.",
		Example: "  " + w.draft,
		Args:    cobra.NoArgs,
	}
	r := &api.StatementParams{Type: w.typ, Act: "draft"}
	f := cmd.Flags()
	f.StringVar(&r.Name, "name", "", "what it is called: 1 to 63 of a-z, 0-9 and -")
	f.StringVar(&r.Maker, "maker", "", "who makes it: REALM|NATIVEID, as evidenced people lists accounts")
	f.StringVar(&r.From, "from", "", "when it begins, never in the past (default: when it is recorded)")
	f.StringVar(&r.Until, "until", "", map[statement.Type]string{
		statement.Waiver:      "when it ends, at most 366 days ahead; a date includes that day",
		statement.Scope:       "when it ends; a date includes that day (default: no end)",
		statement.Attestation: "when it ends, at most 732 days ahead; a date includes that day",
	}[w.typ])
	f.StringVar(&r.Reason, "reason", "", "why, in words; sealed as text that can be erased")
	switch w.typ {
	case statement.Waiver:
		f.StringSliceVar(&r.Controls, "control", nil, "a control whose failures are accepted; may be repeated")
		f.StringSliceVar(&r.Tests, "test", nil, "these tests alone (default: all of the controls)")
		f.StringSliceVar(&records, "record", nil, "failures of these records alone, such as 40101,40107; may be repeated")
		f.StringArrayVar(&r.Subjects, "subject", nil, "failures of things of this reference alone, such as app:prod/argocd/web; may be repeated")
	case statement.Scope:
		f.StringSliceVar(&r.Controls, "control", nil, "the control that does not apply")
	default:
		f.StringSliceVar(&r.Controls, "control", nil, "a control that no source answers; may be repeated")
		f.StringVar(&document, "document", "", "file whose SHA-256, size and type go into the statement; of any size")
		f.StringVar(&media, "type", "", "its media type (default: by the end of its name)")
	}
	return p.statementAct(cmd, r, func(ctx context.Context) (err error) {
		if r.Records, err = recordNumbers(records); err != nil || document == "" {
			return err
		}
		r.Media = media
		if media == "" {
			r.Media, _, _ = strings.Cut(mime.TypeByExtension(filepath.Ext(document)), ";")
		}
		if r.Media == "" {
			return problem.New(problem.Usage, "the type of %s is not known by its name", document).WithHint("give --type, such as --type application/pdf")
		}
		r.Document, r.Size, err = hashFile(ctx, "document", document)
		return err
	})
}

// hashFile reads a file in pieces, whatever its size, until ctx ends. What says
// in errors what it is.
func hashFile(ctx context.Context, what, name string) (evidence.Hash, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return evidence.Hash{}, 0, problem.Wrap(problem.NotFound, err, "cannot read the %s", what)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, stoppable{ctx, f})
	if ctx.Err() != nil {
		return evidence.Hash{}, 0, ctx.Err()
	}
	if err != nil {
		return evidence.Hash{}, 0, problem.Wrap(problem.NotFound, err, "cannot read the %s", what)
	}
	if n == 0 {
		return evidence.Hash{}, 0, problem.New(problem.Usage, "%s is empty: no %s", name, what)
	}
	return evidence.Hash(h.Sum(nil)), n, nil
}

// stoppable is a reader that ends with a context.
type stoppable struct {
	ctx context.Context
	io.Reader
}

func (s stoppable) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.Reader.Read(b)
}

func (p *program) statementAdd(w statementWords) *cobra.Command {
	var file, keep string
	var signatures []string
	cmd := &cobra.Command{
		Use:   "add --file FILE",
		Short: "Record a statement that two persons stand behind",
		Long: "Records the text that draft wrote, with what proves who made it and who approved it:\n\n" +
			"  --signature twice     detached signatures of the maker and of one other person, by keys that\n" +
			"                        statements.signers of the configuration names\n" +
			"  --commit and --path   the text stands in a commit that a merged request brought, which its\n" +
			"                        maker opened and another person approved, both as merged and as\n" +
			"                        approved; a source of type git must have the commit\n\n" +
			"The approver is another person than the maker and, of a waiver, than everybody who did what it\n" +
			"accepts. Accounts that cannot be told apart are refused: evidenced people link links those of one\n" +
			"person. It acts from its record on.",
		Example: "  evidenced " + w.use + " add --tenant tenant-7 --file a.txt --signature maker.sig --signature other.sig\n" +
			"  evidenced " + w.use + " add --tenant tenant-7 --file a.txt --commit 0123456789abcdef0123456789abcdef01234567 --path statements/a.txt",
		Args: cobra.NoArgs,
	}
	r := &api.StatementParams{Type: w.typ, Act: "add"}
	f := cmd.Flags()
	f.StringVar(&file, "file", "", "the text that draft wrote; - for standard input")
	f.StringArrayVar(&signatures, "signature", nil, "file of a detached signature over it, OpenPGP or SSH, armored; may be repeated")
	f.StringVar(&r.Commit, "commit", "", "a reviewed commit that holds it, all digits")
	f.StringVar(&r.Path, "path", "", "where in the commit")
	if w.typ == statement.Attestation {
		f.StringVar(&keep, "keep", "", "the document itself, to be kept in the log; at most 1 MiB")
	}
	return p.statementAct(cmd, r, func(context.Context) (err error) {
		if file == "" {
			return problem.New(problem.Usage, "no statement is given").WithHint("give --file with what evidenced %s draft wrote", w.use)
		}
		if r.Text, err = readLimited(file, statement.MaxText); err != nil {
			return err
		}
		for _, name := range signatures {
			sig, err := readLimited(name, maxSignature)
			if err != nil {
				return err
			}
			r.Signatures = append(r.Signatures, sig)
		}
		if keep != "" {
			r.Keep, err = readDocument(keep)
		}
		return err
	})
}

// maxSignature is longer than any armored signature, in bytes.
const maxSignature = 64 << 10

// readDocument reads a document that is to be kept in the log.
func readDocument(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, problem.Wrap(problem.NotFound, err, "cannot read the document")
	case info.Size() > statement.MaxKept:
		return nil, problem.New(problem.Usage, "%s has %d bytes, at most %d are kept in the log", name, info.Size(), statement.MaxKept).
			WithHint("leave --keep away: the log then holds its hash, size and type, and you keep the file")
	}
	return readLimited(name, statement.MaxKept)
}

func (p *program) statementList(w statementWords) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List those that are in force or to come",
		Long:    "Lists them by tenant, with those that have no effect and why. Without --tenant every tenant is\nasked.",
		Example: "  evidenced " + w.use + " list --tenant tenant-7\n  evidenced " + w.use + " list --all --json",
		Args:    cobra.NoArgs,
	}
	r := &api.StatementParams{Type: w.typ, Act: "list"}
	cmd.Flags().BoolVar(&r.All, "all", false, "list those that are over too")
	return p.statementAct(cmd, r, nil)
}

func (p *program) statementShow(w statementWords) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Tell everything about one",
		Long:    "Tells everything about the statement, and about earlier ones of the name.",
		Example: "  evidenced " + w.use + " show late --tenant tenant-7",
		Args:    cobra.ExactArgs(1),
	}
	return p.statementAct(cmd, &api.StatementParams{Type: w.typ, Act: "show"}, nil)
}

func (p *program) statementEnd(w statementWords) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "end NAME --reason TEXT",
		Short: "End one before its time",
		Long: "Ends it now. That brings back what it accepted, so nobody has to approve it. It does not come\n" +
			"back: a new one is drafted and approved anew.",
		Example: "  evidenced " + w.use + " end late --tenant tenant-7 --reason \"it is done\"",
		Args:    cobra.ExactArgs(1),
	}
	r := &api.StatementParams{Type: w.typ, Act: "end"}
	cmd.Flags().StringVar(&r.Reason, "reason", "", "why, in words; sealed as text that can be erased")
	return p.statementAct(cmd, r, nil)
}
