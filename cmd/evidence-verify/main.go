// Command evidence-verify checks an evidence pack offline, without trusting
// the company that made it. It links the format packages and nothing else: no
// store, no client library, no PDF writer.
//
// Exit codes: 0 the pack verifies and is complete (and, with --extends, goes on
// from the earlier one); 2 it does not; 3 it
// verifies but is a selection; 64 the command line is off, or a file that it
// names cannot be read: that says nothing about a pack.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"evidenced/evidence"
	"evidenced/reports/pack"
)

// The exit codes.
const (
	exitOK        = 0
	exitFailed    = 2
	exitSelection = 3
	exitUsage     = 64
)

const usage = `Verify an evidence pack offline.

  evidence-verify PACK.zip [--extends OLD.zip] [--trust FILE] [--policy FILE]
                  [--tsa-roots FILE] [--json]
  evidence-verify PACK.zip --sample CONTROL/TEST --nonce TEXT [--size N |
                  --confidence 95 --tolerable 5]
  evidence-verify PACK.zip --sample CONTROL/TEST --items RECORD,RECORD,...

  --extends OLD.zip  an earlier pack of the same log: show from the two packs
                     alone that they tell one history, of which the earlier is
                     the beginning. A log that was rewritten, cut, reordered or
                     brought back from an older copy fails.
  --trust FILE       what you know of the makers of packs from elsewhere: lines
                     of "tenant origin log-key pack-key [from-to] [# note]".
                     Without it the pack's keys are printed and its maker is not
                     established.
  --policy FILE      what you ask for, JSON: {"min_rung": 4, "witnesses":
                     [{"operator": "...", "key": "..."}], "quorum": 2,
                     "tsa_policies": ["1.2.3"]}; each name may be left away.
  --tsa-roots FILE   roots of the time-stamping authorities that you trust, PEM,
                     perhaps with intermediate certificates. Without it no
                     time-stamp is checked, and none counts.
  --sample CONTROL/TEST
                     verify, then print a sample of the items of one finding to
                     look at yourself: drawn by a nonce that you choose now that
                     you hold the pack, or the items you name by record. The
                     size follows from --confidence and --tolerable (per cent)
                     unless --size says it
  --json             print the report as JSON

Example:
  evidence-verify tenant-7-2026.zip --extends tenant-7-2025.zip --trust auditors.trust

Exit codes: 0 verified and complete, 2 failed, 3 verified but a selection,
64 wrong command line, or a file that it names cannot be read.
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("evidence-verify", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	trustFile := fs.String("trust", "", "")
	policyFile := fs.String("policy", "", "")
	rootsFile := fs.String("tsa-roots", "", "")
	earlier := fs.String("extends", "", "")
	asJSON := fs.Bool("json", false, "")
	var own ownSample
	own.flags(fs)
	var packs []string
	for rest := args; ; {
		if err := fs.Parse(rest); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				fmt.Fprint(stdout, usage)
				return exitOK
			}
			return misuse(stderr, err.Error())
		}
		if fs.NArg() == 0 {
			break
		}
		packs, rest = append(packs, fs.Arg(0)), fs.Args()[1:]
	}
	if len(packs) != 1 {
		return misuse(stderr, fmt.Sprintf("name one pack, not %d", len(packs)))
	}
	o, err := options(*trustFile, *policyFile, *rootsFile)
	if err == nil {
		o.Sample, err = own.request()
	}
	if err == nil && o.Sample != nil && *earlier != "" {
		err = errors.New("--sample and --extends are two questions")
	}
	for _, file := range append(packs, *earlier) {
		if err == nil && file != "" {
			err = there(file)
		}
	}
	if errors.As(err, new(*os.PathError)) {
		// A file that cannot be read says nothing about the evidence in it.
		fmt.Fprintf(stderr, "evidence-verify: %s\nevidence-verify --help tells what to give it.\n", printable(err.Error()))
		return exitUsage
	}
	if err != nil {
		return misuse(stderr, err.Error())
	}
	verify := func() (*pack.Report, error) { return pack.VerifyFile(packs[0], o) }
	if *earlier != "" {
		verify = func() (*pack.Report, error) { return pack.ExtendsFile(packs[0], *earlier, o) }
	}
	rep, err := verify()
	if err != nil && !errors.Is(err, pack.ErrSelection) {
		if *asJSON {
			_ = json.NewEncoder(spelledOut{stdout}).Encode(map[string]string{"verdict": "FAILED", "why": err.Error()})
		} else {
			fmt.Fprintf(stdout, "FAILED    %s\n", printable(err.Error()))
		}
		return exitFailed
	}
	code, verdict := exitOK, "OK"
	if err != nil {
		code, verdict = exitSelection, "SELECTION"
	}
	if *asJSON {
		enc := json.NewEncoder(spelledOut{stdout})
		enc.SetIndent("", " ")
		if err := enc.Encode(struct {
			Verdict string `json:"verdict"`
			*pack.Report
		}{verdict, rep}); err != nil {
			fmt.Fprintln(stderr, "evidence-verify:", err)
			return exitFailed
		}
		return code
	}
	print(stdout, verdict, rep)
	if rep.Sample != nil {
		printSample(stdout, rep.Sample)
	}
	return code
}

func misuse(w io.Writer, why string) int {
	fmt.Fprintf(w, "evidence-verify: %s\n\n%s", why, usage)
	return exitUsage
}

// there says whether a pack can be opened at all.
func there(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return &os.PathError{Op: "read", Path: path, Err: errors.New("it is a directory, not a pack")}
	}
	return nil
}

// maxFile bounds what the auditor brings along, in bytes.
const maxFile = 1 << 20

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: more than %d bytes", path, maxFile)
	}
	return b, err
}

// options reads the files that the auditor brings along.
func options(trustFile, policyFile, rootsFile string) (pack.Options, error) {
	var o pack.Options
	for _, in := range []struct {
		path string
		take func([]byte) error
	}{
		{trustFile, func(b []byte) (err error) { o.Trust, err = pack.ParseTrust(bytes.NewReader(b)); return err }},
		{policyFile, func(b []byte) (err error) { o.Policy, err = pack.ParsePolicy(b); return err }},
		{rootsFile, func(b []byte) (err error) { o.TSARoots, o.TSAIntermediates, err = pack.ParseRoots(b); return err }},
	} {
		if in.path == "" {
			continue
		}
		b, err := readFile(in.path)
		if err != nil {
			return o, err
		}
		if err := in.take(b); err != nil {
			return o, fmt.Errorf("%s: %w", in.path, err)
		}
	}
	return o, nil
}

func print(w io.Writer, verdict string, r *pack.Report) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-9s %s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	if r.Simulated {
		fmt.Fprintln(w, "DEMONSTRATION: this pack was made from a simulated platform; it is evidence of nothing")
	}
	whole := "complete"
	left := "nothing left out"
	if !r.Complete {
		whole, left = "a selection", "other records are not in it"
	}
	line(verdict, "%s, %s to %s, %s: %s records, seq %s to %s, %s", r.Tenant,
		evidence.FormatTime(r.Period.From), evidence.FormatTime(r.Period.To), whole, group(r.Records), group(r.First), group(r.Last), left)
	if r.Interim {
		line("interim", "when the pack was made, records of the period could still come in")
	}
	line("maker", "%s", r.Maker)
	if !r.Known {
		line("", "log key   %s", r.LogKey)
		line("", "pack key  %s", r.PackKey)
		line("", "origin    %s", r.Origin)
	}
	line("anchored", "rung %d: %s", r.Anchor.Rung, r.Anchor.What)
	line("", "leaves open: %s", r.Anchor.Open)
	if r.Claimed > r.Anchor.Rung {
		line("", "the maker says rung %d; what is above rung %d was not verified here", r.Claimed, r.Anchor.Rung)
	}
	for _, v := range r.Receipts {
		line("receipt", "%s (%s, size %s): %s", v.Name, v.Kind, group(v.Size), told(v))
	}
	line("bracket", "%s", bracket(r))
	if a := r.Ahead; a != nil {
		line("ahead", "record %s says that it was recorded at %s, and others vouch that it was there by %s: the clock of the log ran ahead, or times were written before they came", group(a.Record), evidence.FormatTime(a.Recorded), evidence.FormatTime(a.By))
	}
	if e := r.Extends; e != nil {
		line("extends", "the earlier pack, which closed at size %s with root %s: one history, shown by %s", group(e.Size), e.Root, e.How)
		if e.Sealed {
			line("", "record %s, which sealed the earlier pack, stands in it", group(e.Issued))
		} else {
			line("", "the earlier pack was sealed after this one had closed")
		}
	}
	line("withheld", "%s", withheld(r))
	line("claims", "%s opened and matched to their commitments", group(uint64(r.Disclosed)))
	line("counted", "%s", counts(r.Counts))
	line("rules", "record %s of the range states catalog %s, of %s controls, for %s", group(r.Rules.Record), short(r.Rules.Catalog), group(uint64(r.Rules.Controls)), who(r.Rules))
	line("judged", "%s of %s and %s, each with its one finding; %s; the catalog has no others", many(r.Judged.Pairs, "pair"), many(r.Judged.Controls, "control"), many(r.Judged.Tests, "test"), leftOut(r.Judged.LeftOut))
	line("findings", "%s; %s cited records, all in the pack; which records a test looked at, and how it judged them, is as issued and not judged again", counts(r.Findings), group(uint64(r.Cited)))
	if x := r.Waived; x != nil {
		line("waived", "of the findings that failed, %s in whole and %s in part are accepted for a while, by the waivers in %s; they stand above by their status all the same", group(uint64(x.Whole)), group(uint64(x.Partly)), records(x.Waivers))
	}
	if x := r.Remedies; x != nil {
		line("remedies", "%s", remedies(x))
	}
	for i, l := range r.Loosened {
		line(nth("loosened", i), "%s, record %s: %s", evidence.FormatTime(l.At), group(l.Seq), strings.Join(append(slices.Clone(l.Says), l.Rewritten...), "; "))
	}
	for i, d := range r.Differs {
		line(nth("differs", i), "%s/%s: by record %s, the log's own verdict, %s failed; the finding does not count that as failed: healed since, or left away", d.Control, d.Test, group(d.Record), records(d.Failed))
	}
	for i, x := range r.Incidents {
		line(nth("incident", i), "%s", incident(x))
	}
	if r.Sampled > 0 {
		line("sampled", "%s in the samples of findings, all drawn again; %s", group(uint64(r.Sampled)), r.SampleSeed)
	}
	line("issued", "record %s seals this pack's manifest, %s records after the range, as pack number %s of the log", group(r.Issued), group(r.Between), group(r.Number))
	if r.Unshown > 0 {
		line("", "of the first %s packs it shows no record: dropped under retention, or left out", group(r.Unshown))
	}
	line("data", "digest %s", r.Data)
	line("coverage", "as the coverage records of the pack tell it; whether a finding had enough of it is as issued, but for kinds that the log's own verdicts call uncovered")
	pdf := "there is none"
	if r.PDF {
		pdf = "bytes as issued"
	}
	line("PDF", "%s; its wording is not checked, nor that of VERIFY.txt, and of titles, labels and sentences in findings", pdf)
}

// nth names the first line of a list alone.
func nth(name string, i int) string {
	if i > 0 {
		return ""
	}
	return name
}

// incident tells what the records say of an incident.
func incident(x pack.IncidentSeen) string {
	s := x.Incident + ", declared before the range"
	if !x.Declared.IsZero() {
		s = x.Incident + ", declared " + evidence.FormatTime(x.Declared)
	}
	for _, n := range x.Notices {
		s += fmt.Sprintf("; %s %s %s (record %s)", n.Stage, n.Act, evidence.FormatTime(n.At), group(n.Record))
	}
	if x.Closed.IsZero() {
		return s + "; open at the end of the range"
	}
	return s + "; closed " + evidence.FormatTime(x.Closed)
}

// short is enough of a hash to tell two apart by eye.
func short(h evidence.Hash) string { return h.String()[:12] }

// who says what the tenant is said to be, by which its controls are chosen.
func who(r pack.RulesInForce) string {
	of := "a tenant that the configuration does not name"
	if t := r.Tenancy; t != nil {
		of = fmt.Sprintf("a tenant of tier %s with tags %s", orNone(t.Tier), orNone(strings.Join(t.Tags, ", ")))
	}
	if len(r.Entities) == 0 {
		return of + ", of whom every duty is judged"
	}
	return of + ", said to be " + strings.Join(r.Entities, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// remedies tells what is planned for what failed.
func remedies(x *pack.RemedyCount) string {
	s := fmt.Sprintf("of %s failed items, each counted once for its test, %s without a plan", group(uint64(x.Failed)), group(uint64(x.Without)))
	for _, part := range []struct {
		what string
		seqs []uint64
	}{{"planned by", x.Plans}, {"overdue when the pack was made:", x.Overdue}, {"closed since:", x.Closed}} {
		if len(part.seqs) > 0 {
			s += fmt.Sprintf("; %s %s", part.what, records(part.seqs))
		}
	}
	return s + "; no plan changes a status"
}

// records names records, not too many.
func records(seqs []uint64) string {
	const most = 12
	var parts []string
	for i, n := range seqs {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d more", len(seqs)-most))
			break
		}
		parts = append(parts, group(n))
	}
	if len(parts) == 1 {
		return "record " + parts[0]
	}
	return "records " + strings.Join(parts, ", ")
}

// told is the verdict on a receipt in words.
func told(v pack.Vouched) string {
	s := v.Verdict + ", " + v.Why
	if !v.Time.IsZero() {
		s += ", " + evidence.FormatTime(v.Time)
	}
	return s
}

// bracket says between which times others vouch for the range.
func bracket(r *pack.Report) string {
	b := r.Bracket
	var parts []string
	if !b.From.IsZero() {
		parts = append(parts, fmt.Sprintf("the log stood at size %s by %s", group(b.FromSize), evidence.FormatTime(b.From)))
	}
	if !b.To.IsZero() {
		parts = append(parts, fmt.Sprintf("its last record was there by %s", evidence.FormatTime(b.To)))
	}
	if len(parts) == 0 {
		return "nobody but the maker vouches for the times"
	}
	return strings.Join(parts, "; ")
}

func withheld(r *pack.Report) string {
	var parts []string
	for _, name := range []string{"content", "text", "raw"} {
		if n := r.Withheld[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s claims", group(uint64(n)), name))
		}
	}
	if r.Erased > 0 {
		parts = append(parts, fmt.Sprintf("%s erased claims", group(uint64(r.Erased))))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func counts(m map[string]int) string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	sort.Strings(names)
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = fmt.Sprintf("%s %s", group(uint64(m[n])), n)
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// group writes a number with commas.
// many gives a number with its noun.
func many(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return group(uint64(n)) + " " + noun + "s"
}

func leftOut(n int) string {
	if n == 1 {
		return "1 pair more does not apply to such a tenant or period"
	}
	return many(n, "pair") + " more do not apply to such a tenant or period"
}

func group(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// printable keeps control and direction characters of a pack out of the
// terminal, and its line feeds: a pack could write lines of a report itself.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == 0x2028 || r == 0x2029 {
			return '\uFFFD'
		}
		return r
	}, s)
}

// spelledOut writes JSON, a whole document at a time, with what printable keeps
// from a terminal as \u escapes: encoding/json escapes C0 alone.
type spelledOut struct{ w io.Writer }

func (s spelledOut) Write(b []byte) (int, error) {
	var out []byte
	for _, r := range string(b) {
		if r < 0x7f || printable(string(r)) == string(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, "\\u%04x", u)
		}
	}
	if _, err := s.w.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}
