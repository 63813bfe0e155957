package ran

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// Review says what is known of the review of a change.
type Review string

// The answers.
const (
	Reviewed        Review = "reviewed"     // somebody approved before the instant
	NobodyApproved  Review = "not-approved" // the reviews were read; none approved
	ReviewNotSeen   Review = "not-observed" // no merge record, or its reviews were not read
	ReviewUnrelated Review = "no-commit"    // the revision is no commit (a chart version)
)

// Change is the commit behind a revision, with how it came to land.
type Change struct {
	Revision  string          `json:"revision"`
	Title     string          `json:"title,omitempty"`
	Repo      string          `json:"repo,omitempty"`
	Request   int             `json:"request,omitempty"` // number of the merge request
	Author    *reports.Person `json:"author,omitempty"`
	Opener    *reports.Person `json:"opened_by,omitempty"`
	Review    Review          `json:"review"`
	Approvals []Approval      `json:"approvals,omitempty"`
	Merger    *reports.Person `json:"merged_by,omitempty"`
	MergedAt  time.Time       `json:"merged_at,omitzero"`
	Notes     []string        `json:"notes,omitempty"`
	Seqs      []uint64        `json:"records,omitempty"`
}

// Approval is one approval given before the instant.
type Approval struct {
	By    *reports.Person `json:"by,omitempty"`
	At    time.Time       `json:"at,omitzero"`
	Notes []string        `json:"notes,omitempty"` // after the merge, by the author, for an earlier commit
}

// changes tells the commit of each revision that ran, once.
func (b *builder) changes(ctx context.Context) error {
	var done []string
	for _, w := range b.a.Works {
		for _, rev := range w.Revisions {
			if rev == "" || slices.Contains(done, rev) {
				continue
			}
			done = append(done, rev)
			c, err := b.change(ctx, rev)
			if err != nil {
				return err
			}
			b.a.Changes = append(b.a.Changes, c)
		}
	}
	return nil
}

const changesRead = 256

func (b *builder) change(ctx context.Context, rev string) (Change, error) {
	c := Change{Revision: rev, Review: ReviewNotSeen}
	if !reports.IsCommit(rev) {
		c.Review = ReviewUnrelated
		c.Notes = append(c.Notes, "a version, not a commit: who wrote and reviewed it was not observed")
		return c, nil
	}
	recs, err := newest(b.r.Records(ctx, evidence.Query{
		Kinds: []evidence.Kind{evidence.ChangeCommit, evidence.ChangeMerge},
		Link:  evidence.NewRef("commit", "", rev), Limit: changesRead, WithText: true,
	}))
	if err != nil {
		return c, err
	}
	if err := b.commit(ctx, &c, recs); err != nil {
		return c, err
	}
	merge, facts := b.landing(&c, recs)
	if merge == nil {
		b.noMerge(&c)
		return c, nil
	}
	return c, b.merge(ctx, &c, merge, facts)
}

// commit fills what the commit itself says: its author is a claim unless it
// was signed.
func (b *builder) commit(ctx context.Context, c *Change, recs []evidence.Record) error {
	for i := range recs {
		rec := &recs[i]
		var f evidence.CommitFacts
		if rec.Kind != evidence.ChangeCommit || rec.Decode(&f) != nil || f.SHA != c.Revision {
			continue
		}
		author, err := b.who(ctx, rec, f.Author)
		if err != nil {
			return err
		}
		// Several sources may tell the same commit; the best proof is kept.
		if c.Author == nil || author != nil && rank(author.Proof) > rank(c.Author.Proof) {
			c.Author = author
		}
		if c.Title == "" {
			c.Title, c.Repo = reports.FirstLine(string(rec.Text), 200), f.Repo
		}
		b.cite(rec)
		c.Seqs = append(c.Seqs, rec.Seq)
	}
	if len(c.Seqs) == 0 {
		c.Notes = append(c.Notes, "this log has no such commit: it changed nothing that belongs to the tenant, or it was never seen")
	}
	return nil
}

func rank(p evidence.Proof) int {
	switch p {
	case evidence.ProofAuthenticated:
		return 2
	case evidence.ProofSigned:
		return 1
	}
	return 0
}

// landing picks the merge request that landed the commit by the instant: one
// whose merge is the commit before one that only contains it, the earliest of
// several.
func (b *builder) landing(c *Change, recs []evidence.Record) (*evidence.Record, evidence.MergeFacts) {
	var best *evidence.Record
	var facts evidence.MergeFacts
	score := 0
	for i := range recs {
		rec := &recs[i]
		var f evidence.MergeFacts
		if rec.Kind != evidence.ChangeMerge || rec.Decode(&f) != nil || f.State != "merged" && f.MergedAt.IsZero() {
			continue
		}
		if f.MergedAt.After(b.at) {
			c.Notes = append(c.Notes, fmt.Sprintf("request #%d holding this commit was merged only later, at %s UTC", f.Number, reports.Near(f.MergedAt, b.at)))
			continue
		}
		s := 0
		switch {
		case f.MergeSHA == c.Revision:
			s = 3
		case f.HeadSHA == c.Revision:
			s = 2
		case slices.Contains(f.Commits, c.Revision):
			s = 1
		}
		if s > score || s == score && s > 0 && f.MergedAt.Before(facts.MergedAt) {
			best, facts, score = rec, f, s
		}
	}
	return best, facts
}

// noMerge says what the missing merge record means: whether anybody would have
// seen one.
func (b *builder) noMerge(c *Change) {
	var looked []string
	for _, l := range b.a.Looked {
		if slices.Contains(l.Kinds, evidence.ChangeMerge) && l.Covered() {
			looked = append(looked, string(l.Source))
		}
	}
	if len(looked) == 0 {
		c.Notes = append(c.Notes, "no source observed merge requests then")
		return
	}
	c.Notes = append(c.Notes, "no merge request with this commit was seen, though "+strings.Join(looked, ", ")+" was looked at")
}

func (b *builder) merge(ctx context.Context, c *Change, rec *evidence.Record, f evidence.MergeFacts) error {
	b.cite(rec)
	c.Seqs = append(c.Seqs, rec.Seq)
	c.Repo, c.Request, c.MergedAt = f.Repo, f.Number, f.MergedAt
	if c.Title == "" {
		c.Title = reports.FirstLine(string(rec.Text), 200)
	}
	var err error
	if c.Opener, err = b.who(ctx, rec, f.Author); err != nil {
		return err
	}
	if c.Merger, err = b.who(ctx, rec, f.Merger); err != nil {
		return err
	}
	if f.AutoMerge {
		c.Notes = append(c.Notes, "merged by auto-merge")
	}
	for _, r := range f.Reviews {
		if r.State != "approved" || r.At.After(b.at) {
			continue
		}
		by, err := b.who(ctx, rec, r.Person)
		if err != nil {
			return err
		}
		c.Approvals = append(c.Approvals, approval(c, by, r, f))
	}
	switch {
	case len(c.Approvals) > 0:
		c.Review = Reviewed
	case f.ReviewsSeen:
		c.Review = NobodyApproved
	}
	return nil
}

func approval(c *Change, by *reports.Person, r evidence.ReviewState, f evidence.MergeFacts) Approval {
	a := Approval{By: by, At: r.At}
	if !f.MergedAt.IsZero() && r.At.After(f.MergedAt) {
		a.Notes = append(a.Notes, "after the merge")
	}
	if by != nil && c.Opener != nil && by.Token == c.Opener.Token {
		a.Notes = append(a.Notes, "opened the request themself")
	}
	if r.Commit != "" && f.HeadSHA != "" && r.Commit != f.HeadSHA {
		a.Notes = append(a.Notes, "for an earlier commit, "+reports.ShortID(r.Commit))
	}
	return a
}
