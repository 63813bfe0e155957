package mappings

import (
	"context"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Reviewed is a commit that came to a watched branch by a request that another
// person than its authors approved, at the commit that was merged.
type Reviewed struct {
	Records  []uint64 // of the request, the newest version first
	Source   evidence.SourceID
	Repo     string // as the source of the request calls it
	Commit   string // that was asked about
	Head     string // that was approved; the commit itself, or what was merged as it
	Merged   time.Time
	Author   evidence.Party // of the request
	Approver evidence.Party
	At       time.Time // when it was approved; zero: the source does not say
}

// ReviewOf finds the request that brought a commit and the person who approved
// it. Commits without one, and approvals that do not count as four-eyes tests
// count, are a problem of code refused that says why.
func ReviewOf(ctx context.Context, r evidence.Reader, p *Persons, commit string, now time.Time) (Reviewed, error) {
	refuse := func(format string, args ...any) (Reviewed, error) {
		return Reviewed{}, problem.New(problem.Refused, format, args...)
	}
	if !objectID.MatchString(commit) {
		return Reviewed{}, problem.New(problem.Usage, "%.80q is no commit id", commit).WithHint("give all 40 or 64 digits, as git rev-parse prints them")
	}
	s := &scene{reader: r, period: evidence.Period{To: now}, people: p.p, book: &notebook{}}
	x, err := s.joinChanges(ctx)
	if err != nil {
		return Reviewed{}, err
	}
	i, known := x.bySHA[commit]
	if !known || x.commits[i].seq == 0 {
		return refuse("no source saw commit %s", shortSHA(commit))
	}
	q := x.carried[i]
	if q == nil {
		return refuse("no merged request brought commit %s to a watched branch", shortSHA(commit))
	}
	a := q.approved(ctx, p.p, askHead)
	if a.is != yes {
		return refuse("request %s, which brought commit %s, was not approved by another person: %s", q.subject.Name, shortSHA(commit), a.why)
	}
	n := slices.IndexFunc(q.standing(), func(v review) bool { return q.counts(ctx, p.p, v, askHead, nil).is == yes })
	v := q.standing()[n]
	author, _ := q.party(q.facts.Author) // an approval counts only where it is known
	return Reviewed{
		Records: slices.Clone(q.seqs), Source: q.source, Repo: q.facts.Repo, Commit: commit, Head: q.facts.HeadSHA,
		Merged: q.merged, Author: author, Approver: v.person, At: v.at,
	}, nil
}
