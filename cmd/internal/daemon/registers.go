package daemon

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
	"evidenced/reports/pack"
)

// maxRegisterRows bounds a register in the document; the CSV has all rows.
const maxRegisterRows = 400

// registers makes the tables of the document: the populations an auditor reads
// by eye. Large ones, such as single reads of secrets, are in the CSVs alone.
func (b *packBuild) registers(ctx context.Context, m *pack.Manifest) ([]reports.Register, error) {
	var out []reports.Register
	for _, spec := range []struct {
		kind    evidence.Kind
		title   string
		columns []reports.RegisterColumn
		row     func(context.Context, *evidence.Record) ([]string, error)
	}{
		{evidence.ChangeMerge, "Changes", columns("Title", 4, "Opened by", 2, "Reviewed by", 2, "Merged by", 2), b.mergeRow},
		{evidence.DeploySync, "Deployments", columns("Application", 3, "Revision", 2, "Outcome", 2, "Started by", 3), b.syncRow},
		{evidence.CertState, "Certificates", columns("Endpoint", 4, "Issuer", 3, "Ends", 3), b.certRow},
		{evidence.ChangeProtection, "Branch protection", columns("Branch", 4, "Protected", 1, "Approvals", 1, "Force push", 2), b.protectionRow},
	} {
		n := m.Counts[string(spec.kind)]
		if n == 0 {
			continue
		}
		reg := reports.Register{
			Title: spec.title, Member: "registers/" + string(spec.kind) + ".csv",
			Note:    fmt.Sprintf("%d records of kind %s occurred in the period.", n, spec.kind),
			Columns: append(columns("Record", 1, "Time (UTC)", 2), spec.columns...),
		}
		q := evidence.Query{Kinds: []evidence.Kind{spec.kind}, Period: b.q.Period, WithText: !b.q.Pseudonymous}
		for rec, err := range b.snap.Records(ctx, q) {
			if err != nil {
				return nil, err
			}
			if len(reg.Rows) == maxRegisterRows {
				reg.Note += fmt.Sprintf(" The first %d stand here, all of them in the CSV.", maxRegisterRows)
				break
			}
			cells := []string{"(closed)"}
			if len(rec.Facts) > 0 && rec.Op != evidence.OpEnd {
				if cells, err = spec.row(ctx, &rec); err != nil {
					return nil, err
				}
			} else if rec.Op == evidence.OpEnd {
				cells = []string{"ended: " + rec.Subject.Name}
			}
			for len(cells) < len(spec.columns) {
				cells = append(cells, "")
			}
			reg.Rows = append(reg.Rows, append([]string{strconv.FormatUint(rec.Seq, 10), rec.Occurred.UTC().Format("2 Jan 15:04")}, cells...))
		}
		out = append(out, reg)
	}
	return out, nil
}

func columns(pairs ...any) []reports.RegisterColumn {
	var cs []reports.RegisterColumn
	for i := 0; i < len(pairs); i += 2 {
		cs = append(cs, reports.RegisterColumn{Title: pairs[i].(string), Weight: float64(pairs[i+1].(int)), Right: pairs[i] == "Record"})
	}
	return cs
}

// who names the person of an index, by proof; pseudonymous packs show tokens.
func (b *packBuild) who(ctx context.Context, rec *evidence.Record, i int) (string, error) {
	if i < 0 || i >= len(rec.People) {
		return "not observed", nil
	}
	p := rec.People[i]
	if b.q.Pseudonymous {
		return "person " + p.Token.String()[:6], nil
	}
	id, err := b.snap.Identity(ctx, p.Token)
	if err != nil {
		return "", fmt.Errorf("person of record %d: %w", rec.Seq, err)
	}
	if p.Proof == evidence.ProofClaimed {
		return id.Label() + " (claimed)", nil
	}
	return id.Label(), nil
}

func (b *packBuild) mergeRow(ctx context.Context, rec *evidence.Record) ([]string, error) {
	var f evidence.MergeFacts
	if err := rec.Decode(&f); err != nil {
		return nil, err
	}
	title, _, _ := strings.Cut(string(rec.Text), "\n")
	author, err := b.who(ctx, rec, f.Author)
	if err != nil {
		return nil, err
	}
	merger := "not merged"
	if !f.MergedAt.IsZero() {
		if merger, err = b.who(ctx, rec, f.Merger); err != nil {
			return nil, err
		}
	}
	var reviewers []string
	for _, r := range f.Reviews {
		if r.State != "approved" {
			continue
		}
		name, err := b.who(ctx, rec, r.Person)
		if err != nil {
			return nil, err
		}
		reviewers = append(reviewers, name)
	}
	reviewed := strings.Join(reviewers, ", ")
	switch {
	case reviewed == "" && !f.ReviewsSeen:
		reviewed = "not observed"
	case reviewed == "":
		reviewed = "nobody"
	}
	return []string{fmt.Sprintf("#%d %s", f.Number, title), author, reviewed, merger}, nil
}

func (b *packBuild) syncRow(ctx context.Context, rec *evidence.Record) ([]string, error) {
	var f evidence.SyncFacts
	if err := rec.Decode(&f); err != nil {
		return nil, err
	}
	by := "automated"
	if !f.Automated || f.Initiator >= 0 {
		var err error
		if by, err = b.who(ctx, rec, f.Initiator); err != nil {
			return nil, err
		}
	}
	var revs []string
	for _, r := range f.Revisions {
		if len(r) > 10 {
			r = r[:10]
		}
		revs = append(revs, r)
	}
	return []string{f.App, strings.Join(revs, " "), f.Phase, by}, nil
}

func (b *packBuild) certRow(_ context.Context, rec *evidence.Record) ([]string, error) {
	var f evidence.CertFacts
	if err := rec.Decode(&f); err != nil {
		return nil, err
	}
	where := f.SNI
	if where == "" {
		where = f.Endpoint + f.File
	}
	return []string{where, f.Issuer, f.NotAfter.UTC().Format("2 Jan 2006 15:04")}, nil
}

func (b *packBuild) protectionRow(_ context.Context, rec *evidence.Record) ([]string, error) {
	var f evidence.ProtectionFacts
	if err := rec.Decode(&f); err != nil {
		return nil, err
	}
	said := func(p *bool) string {
		switch {
		case p == nil:
			return "not said"
		case *p:
			return "allowed"
		}
		return "refused"
	}
	protected := "no"
	if f.Protected {
		protected = "yes"
	}
	return []string{f.Repo + " " + f.Branch, protected, strconv.Itoa(f.RequiredApprovals), said(f.AllowForcePush)}, nil
}
