package github

import (
	"net/http"
	"slices"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

// The parts of a look that can be left out, and how often each is read when
// nothing else is configured; zero is at every look.
const (
	partPipelines   = "pipelines"   // workflow runs and their jobs
	partChecks      = "checks"      // check runs and commit statuses
	partDeployments = "deployments" // deployments, their statuses and approvals
	partPushes      = "pushes"      // who moved which branch, and rules passed by
	partMembers     = "members"     // collaborators, teams, deploy keys; of organisations members and apps
	partAudit       = "audit-log"   // of organisations whose plan has one
	partGuards      = "guards"      // branch protection and rulesets
)

var partEvery = map[string]time.Duration{
	partPipelines: 0, partChecks: 0, partDeployments: 0, partPushes: 0, partMembers: time.Hour, partAudit: 0,
	partGuards: 15 * time.Minute,
}

// reads reports whether a part is configured to be read.
func (c *Collector) reads(part string) bool { return !slices.Contains(c.cfg.Skip, part) }

// every is how often a part is read.
func (c *Collector) every(part string) time.Duration {
	if d, ok := c.cfg.Every[part]; ok {
		return d
	}
	return partEvery[part]
}

// due reports whether a part that was last read at a time is to be read now. A
// minute of grace keeps a schedule of the same length from skipping every other
// slot.
func (l *look) due(part string, last time.Time) bool {
	return l.reads(part) && (last.IsZero() || l.started.Sub(last) >= l.every(part)-time.Minute)
}

// hidden reports whether an error says that the credential may not see
// something, or that this GitHub does not have it: both answer 403 or 404.
func hidden(err error) bool {
	s := fetch.Status(err)
	return s == http.StatusForbidden || s == http.StatusNotFound || s == http.StatusGone
}

// unseen claims that a kind was not seen since the last look, and why.
func (r *repoLook) unseen(part string, last time.Time, cause string, kinds ...evidence.Kind) {
	from := last
	if from.IsZero() {
		from = r.started
	}
	r.seen = append(r.seen, evidence.Seen{Kinds: kinds, Scope: r.project(r.name), Class: evidence.Blind, From: from, To: r.started, Cause: cause, Every: r.every(part)})
	r.note("repository %s: %s", r.name, cause)
}

// notRead is the cause of a repository or organisation that could not be read,
// in words that name nothing of it.
const notRead = "a repository or organisation could not be read"

// unread claims that nothing of a repository was seen since it was last read:
// what the look claims of the others is not for its owners.
func (l *look) unread(name string) {
	st := l.cur.repo(name)
	commits := time.Time{}
	for _, b := range st.Branches {
		if commits.IsZero() || b.Looked.Before(commits) {
			commits = b.Looked
		}
	}
	for _, c := range []struct {
		part  string // "" is read by every look
		since time.Time
		kinds []evidence.Kind
	}{
		{"", commits, []evidence.Kind{evidence.ChangeCommit}},
		{"", commits, []evidence.Kind{evidence.ChangeRef, evidence.ChangeRewrite}},
		{"", st.PullsLooked, []evidence.Kind{evidence.ChangeMerge, evidence.ChangeReview}},
		{partGuards, st.Protection, []evidence.Kind{evidence.ChangeProtection}},
		{partPipelines, st.Runs.Looked, []evidence.Kind{evidence.PipelineRun}},
		{partChecks, st.Checks.Looked, []evidence.Kind{evidence.PipelineCheck}},
		{partDeployments, st.Deployments.Looked, []evidence.Kind{evidence.DeployRelease}},
		{partPushes, st.Pushes.Looked, []evidence.Kind{evidence.AccessAudit}},
		{partMembers, st.Members, []evidence.Kind{evidence.AccessMember}},
	} {
		if c.part == "" || l.due(c.part, c.since) {
			l.blind(name, c.since, l.every(c.part), c.kinds...)
		}
	}
}

// unreadOrg is unread for an organisation.
func (l *look) unreadOrg(name string) {
	st := l.cur.org(name)
	if l.due(partMembers, st.Members) {
		l.blind(name, st.Members, l.every(partMembers), evidence.AccessMember)
	}
	if l.due(partAudit, st.Looked) {
		l.blind(name, st.Looked, l.every(partAudit), evidence.AccessAudit)
	}
}

func (l *look) blind(name string, since time.Time, every time.Duration, kinds ...evidence.Kind) {
	if since.IsZero() {
		since = l.started
	}
	l.seen = append(l.seen, evidence.Seen{Kinds: kinds, Scope: l.project(name), Class: evidence.Blind, From: since, To: l.started, Cause: notRead, Every: every})
}

// claimPart claims what a part saw, as claim does, with the part's own period.
func (r *repoLook) claimPart(part string, class evidence.Class, from time.Time, cause string, kinds ...evidence.Kind) {
	r.claim(class, from, cause, kinds...)
	r.seen[len(r.seen)-1].Every = r.every(part)
}

// walked claims a list that was read down to where the last look ended; the
// first look read it from history.
func (r *repoLook) walked(part string, last, oldest time.Time, kinds ...evidence.Kind) {
	if r.spoilt(part, last, kinds...) {
		return
	}
	if !last.IsZero() {
		r.claimPart(part, evidence.Continuous, last, "", kinds...)
		return
	}
	r.claimFirst(oldest, kinds...)
	r.seen[len(r.seen)-1].Every = r.every(part)
}

// status is a state in the words of the facts: GitHub tells whether something
// is over (status) apart from how it ended (conclusion).
func status(state, conclusion string) string {
	if state != "completed" {
		switch state {
		case "queued", "waiting", "pending", "requested", "expected":
			return "waiting"
		case "in_progress":
			return "running"
		}
		return "unknown"
	}
	switch conclusion {
	case "success", "neutral", "skipped", "cancelled":
		return conclusion
	case "failure", "timed_out", "startup_failure", "action_required", "stale", "error":
		return "failure"
	}
	return "unknown"
}

// native is the same in GitHub's words.
func native(state, conclusion string) string {
	if conclusion != "" {
		return word(state) + "/" + word(conclusion)
	}
	return word(state)
}

// word keeps what looks like one of the API's words.
func word(s string) string {
	if s == "" || len(s) > 40 {
		return "other"
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return "other"
		}
	}
	return s
}
