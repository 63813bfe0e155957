package mappings

import (
	"context"
	"slices"
	"strings"

	"evidenced/evidence"
)

// answer is the answer to a question about a review, with the reason for
// anything but yes.
type answer struct {
	is         tri
	why        string
	unobserved bool // unknown because nobody looked
}

// The questions a change is asked.
const (
	askAny         = "reviewed_by_other"       // approved by another person, at whatever commit
	askHead        = "reviewed_head_by_other"  // approved by another person at the commit that was merged
	askIndependent = "reviewed_by_independent" // as askHead, and the approver did not merge either
)

// approved answers a question about a request. An approval counts when
//
//   - it stands: it was not dismissed, and the same person did not ask for
//     changes later;
//   - it was given before the merge, and for askHead and askIndependent at the
//     merged head;
//   - the source logged the reviewer in or verified a signature, and the
//     account is no machine's;
//   - the reviewer is another person than the request's author, its commits'
//     authors and, for askIndependent, the merger.
//
// One approval that counts is enough. Without one, an approval that could not
// be decided leaves the answer unknown.
func (q *request) approved(ctx context.Context, p *people, ask string) answer {
	if a, ok := q.verdicts[ask]; ok {
		return a
	}
	a := q.decide(ctx, p, ask)
	q.verdicts[ask] = a
	return a
}

// decide answers as approved does. An approval of one of apart counts as one of
// somebody who made the change.
func (q *request) decide(ctx context.Context, p *people, ask string, apart ...evidence.Party) answer {
	best := answer{is: no, why: "no approval was given"}
	if !q.facts.ReviewsSeen {
		best = answer{is: unknown, why: "the reviews of the request were not read", unobserved: true}
	}
	unsure := answer{}
	for _, v := range q.standing() {
		switch a := q.counts(ctx, p, v, ask, apart); a.is {
		case yes:
			return a
		case unknown:
			unsure = a
		default:
			if q.facts.ReviewsSeen {
				best = a
			}
		}
	}
	if unsure.why != "" {
		return unsure
	}
	return best
}

// standing returns the last word of every reviewer before the merge, as far as
// it bears on approval, and approvals that came too late, which explain a
// refusal.
func (q *request) standing() []review {
	last := map[evidence.ID]review{}
	var order []evidence.ID
	var late, vs []review
	for _, v := range q.reviews {
		if !slices.Contains([]string{"approved", "changes-requested", "dismissed"}, v.state) {
			continue
		}
		if !v.at.IsZero() && v.at.After(q.merged) {
			if v.state == "approved" {
				late = append(late, v) // what came after the merge undoes nothing
			}
			continue
		}
		if !v.named {
			vs = append(vs, v)
			continue
		}
		if _, ok := last[v.person.Token]; !ok {
			order = append(order, v.person.Token)
		}
		last[v.person.Token] = v
	}
	for _, token := range order {
		vs = append(vs, last[token])
	}
	return append(late, vs...)
}

// counts decides one approval.
func (q *request) counts(ctx context.Context, p *people, v review, ask string, apart []evidence.Party) answer {
	refuse := func(why string) answer { return answer{is: no, why: why} }
	switch {
	case v.state == "dismissed":
		return refuse("the approval was dismissed")
	case v.state == "changes-requested":
		return refuse("the reviewer asked for changes")
	case !v.at.IsZero() && v.at.After(q.merged):
		return refuse("the approval came after the merge")
	case !v.named:
		return answer{is: unknown, why: "the source did not name the reviewer"}
	case !proven(v.person):
		return refuse("the approval is only claimed")
	case p.bot(ctx, v.person) == yes:
		return refuse("the only approval is a machine's")
	}
	if ask != askAny {
		switch {
		case v.commit == "" || q.facts.HeadSHA == "":
			return answer{is: unknown, why: "the source did not say which commit was approved"}
		case v.commit != q.facts.HeadSHA:
			return refuse("the approval was given before the last push")
		}
	}
	return q.isOther(ctx, p, v.person, ask, apart)
}

// isOther reports whether the reviewer is another person than those who made
// the change.
func (q *request) isOther(ctx context.Context, p *people, reviewer evidence.Party, ask string, apart []evidence.Party) answer {
	author, ok := q.party(q.facts.Author)
	if !ok || !proven(author) {
		if ok && author.Token == reviewer.Token {
			return answer{is: no, why: "the only approval is the author's own"}
		}
		return answer{is: unknown, why: "the source did not say who opened the request"}
	}
	makers := []evidence.Party{author}
	for _, i := range q.facts.CommitAuthors {
		if c, ok := q.party(i); ok {
			makers = append(makers, c)
		}
	}
	own := "the only approval is the author's own"
	if ask == askIndependent {
		merger, ok := q.party(q.facts.Merger)
		if !ok {
			return answer{is: unknown, why: "the source did not say who merged"}
		}
		makers = append(makers, merger)
	}
	makers = append(makers, apart...)
	unsure := answer{}
	for i, m := range makers {
		switch is, why := p.same(ctx, reviewer, m, q.merged); {
		case is == yes && i == 0:
			return answer{is: no, why: own + why}
		case is == yes && m.Role == evidence.RoleMerger:
			return answer{is: no, why: "the only reviewer merged the change" + why}
		case is == yes && m.Role == evidence.RoleInitiator:
			return answer{is: no, why: "the only reviewer started the deployment" + why}
		case is == yes:
			return answer{is: no, why: "the only reviewer is an author of its commits" + why}
		case is == unknown:
			unsure = answer{is: unknown, why: why}
		}
	}
	if unsure.why != "" {
		return unsure
	}
	return answer{is: yes}
}

func (q *request) party(i int) (evidence.Party, bool) {
	if i < 0 || i >= len(q.people) {
		return evidence.Party{}, false
	}
	return q.people[i], true
}

// changeOf answers a question about a commit: as the request that carried it,
// else as a direct push, which nobody reviewed. A commit that only plain git
// saw may have been reviewed at a forge nobody looked at, so it is unknown.
func (s *scene) changeOf(ctx context.Context, x *changeIndex, i int, ask string) answer {
	if q := x.carried[i]; q != nil {
		return q.approved(ctx, s.people, ask)
	}
	c := &x.commits[i]
	switch {
	case c.seq == 0:
		return answer{is: unknown, why: "no source saw commit " + shortSHA(c.sha), unobserved: true}
	case !slices.ContainsFunc(c.sources, func(id evidence.SourceID) bool { return x.forges[id] }):
		return answer{is: unknown, why: "no forge that holds commit " + shortSHA(c.sha) + " was looked at", unobserved: true}
	case !s.cover.seen(evidence.ChangeMerge, c.landed.at):
		return answer{is: unknown, why: "requests were not observed when commit " + shortSHA(c.sha) + " came", unobserved: true}
	case c.landed.branch == "":
		return answer{is: no, why: "commit " + shortSHA(c.sha) + " belongs to no merged request"}
	}
	return answer{is: no, why: "pushed to " + c.landed.branch + " without a request"}
}

// changeBy answers as changeOf does. Who started a deployment by hand is, for
// askIndependent, one of those who made the change.
func (s *scene) changeBy(ctx context.Context, x *changeIndex, i int, ask string, by starter) answer {
	a := s.changeOf(ctx, x, i, ask)
	q := x.carried[i]
	switch {
	case ask != askIndependent || !by.manual || q == nil || a.is == no:
		return a
	case !by.known:
		return worse(a, answer{is: unknown, why: "the source did not say who started the deployment"})
	}
	return q.decide(ctx, s.people, ask, by.who)
}

func shortSHA(sha string) string {
	if len(sha) > 10 {
		return sha[:10]
	}
	return sha
}

// answerField sets a field from an answer.
func (it *item) answerField(name string, a answer) {
	switch a.is {
	case unknown:
		it.missing[name] = lack{a.why, a.unobserved}
	default:
		it.set(name, a.is == yes)
		it.why[name] = a.why
	}
}

var changesView = &view{
	View: View{
		Name: "changes",
		Doc: "Changes that came to a branch: every merged request, and every commit on a watched branch that no merged request brought. " +
			"A branch is watched when a guard was observed on it or a deployed application follows it; main and master where neither is known. " +
			"A commit counts from when a look first showed it on the branch; where nobody had looked before, from the date it claims itself.",
		Kinds: []evidence.Kind{evidence.ChangeCommit, evidence.ChangeMerge},
		Fields: []Field{
			{Name: "type", Type: "string", Doc: "request (merged) or direct (a commit without one)"},
			{Name: "repo", Type: "string", Doc: "repository, owner/name in lower case"},
			{Name: "branch", Type: "string", Doc: "branch it came to"},
			{Name: "watched", Type: "bool", Doc: "the branch is watched"},
			{Name: "dated", Type: "string", Doc: "whose word the time is: source, look or claimed"},
			{Name: askAny, Type: "bool", Optional: true, Doc: "approved by another person than the author, at whatever commit"},
			{Name: askHead, Type: "bool", Optional: true, Doc: "approved by another person than the author, at the commit that was merged"},
			{Name: askIndependent, Type: "bool", Optional: true, Doc: "approved at the merged commit by a person who neither wrote nor merged it"},
			{Name: "author_bot", Type: "bool", Optional: true, Doc: "the author's account is a machine's"},
			{Name: "author_known", Type: "bool", Doc: "the source logged the author in or verified a signature"},
			{Name: "merger_known", Type: "bool", Doc: "the source says who merged; never for a direct commit"},
			{Name: "auto_merge", Type: "bool", Doc: "merged by the forge when its conditions were met"},
			{Name: "commits", Type: "int", Doc: "number of commits; 1 for a direct one"},
		},
	},
	build:  buildChanges,
	steady: true,
}

func buildChanges(ctx context.Context, s *scene, yield func(*item) error) error {
	x, err := s.index(ctx)
	if err != nil {
		return err
	}
	var its []*item
	for _, q := range x.requests {
		s.later(q.merged)
		if !q.merged.IsZero() && s.period.Contains(q.merged) {
			its = append(its, s.requestItem(ctx, x, q))
		}
	}
	for i := range x.commits {
		c := &x.commits[i]
		s.later(c.landed.at)
		if c.seq != 0 && c.landed.branch != "" && x.carried[i] == nil && s.period.Contains(c.landed.at) {
			its = append(its, s.directItem(ctx, x, i))
		}
	}
	return yieldSorted(its, yield)
}

// yieldSorted yields items in order of time, then of records.
func yieldSorted(its []*item, yield func(*item) error) error {
	slices.SortFunc(its, func(a, b *item) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		if a.seqs[0] != b.seqs[0] {
			if a.seqs[0] < b.seqs[0] {
				return -1
			}
			return 1
		}
		return strings.Compare(a.label, b.label)
	})
	for _, it := range its {
		if err := yield(it); err != nil {
			return err
		}
	}
	return nil
}

func (s *scene) requestItem(ctx context.Context, x *changeIndex, q *request) *item {
	it := &item{
		seqs: slices.Clone(q.seqs), kind: evidence.ChangeMerge, at: q.merged,
		label:  q.subject.Name + " to " + branchName(q.facts.Base),
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	it.set("type", "request").set("dated", "source").set("source", string(q.source)).set("happened", q.merged)
	it.set("repo", q.repo).set("branch", branchName(q.facts.Base)).set("watched", x.isWatched(q.repo, q.facts.Base))
	it.set("auto_merge", q.facts.AutoMerge).set("commits", len(q.facts.Commits))
	_, merger := q.party(q.facts.Merger)
	it.set("merger_known", merger)
	for _, ask := range []string{askAny, askHead, askIndependent} {
		it.answerField(ask, q.approved(ctx, s.people, ask))
	}
	author, ok := q.party(q.facts.Author)
	it.set("author_known", ok && proven(author))
	s.botField(ctx, it, author, ok)
	return it
}

func (s *scene) botField(ctx context.Context, it *item, author evidence.Party, ok bool) {
	is := unknown
	if ok && proven(author) {
		is = s.people.bot(ctx, author)
	}
	if is == unknown {
		it.lacks("author_bot", "the source does not say whose account the author's is")
		return
	}
	it.set("author_bot", is == yes)
}

func (s *scene) directItem(ctx context.Context, x *changeIndex, i int) *item {
	c := &x.commits[i]
	it := &item{
		seqs: append([]uint64{c.seq}, c.also...), kind: evidence.ChangeCommit, at: c.landed.at,
		label:  "commit " + shortSHA(c.sha) + " on " + c.landed.branch + " of " + c.repo,
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	if c.landed.ref != 0 {
		it.also(c.landed.ref)
	}
	dated := "look"
	if c.landed.claimed {
		dated = "claimed"
	}
	it.set("type", "direct").set("dated", dated).set("source", string(c.sources[0])).set("happened", c.landed.at)
	it.set("repo", c.repo).set("branch", c.landed.branch).set("watched", true)
	it.set("auto_merge", false).set("commits", 1).set("merger_known", false).set("author_known", false)
	it.lacks("author_bot", "a commit's author is only claimed")
	for _, ask := range []string{askAny, askHead, askIndependent} {
		it.answerField(ask, s.changeOf(ctx, x, i, ask))
	}
	return it
}
