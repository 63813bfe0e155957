package github

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// pushesState is how far the activity and the rule suites of a repository were
// read.
type pushesState struct {
	Activity time.Time `json:"activity,omitzero"` // newest that was read
	Suites   time.Time `json:"suites,omitzero"`
	Looked   time.Time `json:"looked,omitzero"`
	// Moves and Results are those of either that the next look will list again.
	Moves   forge.Recent `json:"moves,omitempty"`
	Results forge.Recent `json:"results,omitempty"`
}

// pushes reads who moved which branch (activity), and which pushes the rules
// let pass, stopped, or were bypassed for (rule suites). go-github has neither.
func (r *repoLook) pushes() error {
	st := &r.st.Pushes
	if !r.due(partPushes, st.Looked) {
		return nil
	}
	oldest := time.Time{}
	next := *st
	next.Moves, next.Results = maps.Clone(st.Moves), maps.Clone(st.Results)
	err := r.pushLog(r.path+"/activity?per_page=100", st.Activity, &next.Activity, &oldest, &next.Moves, r.activity)
	if hidden(err) {
		r.unseen(partPushes, st.Looked, "who pushed is not visible to this credential, or this GitHub does not tell (Contents: read)", evidence.AccessAudit)
		return nil
	}
	if err != nil {
		return err
	}
	// The source keeps rule suites for a month at most.
	err = r.pushLog(r.path+"/rulesets/rule-suites?time_period=month&per_page=100", st.Suites, &next.Suites, &oldest, &next.Results, r.suite)
	blind := hidden(err)
	if blind {
		r.note("repository %s: whether rules were bypassed is not visible to this credential (Administration: read), or this GitHub does not tell", r.name)
	} else if err != nil {
		return err
	}
	r.walked(partPushes, st.Looked, oldest, evidence.AccessAudit)
	if s := &r.seen[len(r.seen)-1]; blind && s.Class == evidence.Continuous {
		// Pushes were seen and bypassed rules were not: it is not all there was.
		s.Class, s.Cause = evidence.Reconstructed, "pushes alone: whether rules were bypassed is not visible"
	}
	next.Looked = r.started
	r.after = append(r.after, func() { *st = next })
	return nil
}

// pushLog walks a list, newest first, down to what was read before. What stands
// in it never changes, so what is remembered in recent is not made again.
func (r *repoLook) pushLog(path string, until time.Time, newest, oldest *time.Time, recent *forge.Recent, draft func(*page, json.RawMessage) (evidence.Draft, error)) error {
	floor := r.horizon()
	if !until.IsZero() {
		floor = until.Add(-r.cfg.Overlap)
	}
	listed := map[int64]time.Time{}
	err := r.pages(r.ctx, path, func(p *page) (bool, error) {
		list, err := items(p)
		if err != nil {
			return false, err
		}
		for _, raw := range list {
			var it struct {
				ID int64        `json:"id"`
				At gh.Timestamp `json:"timestamp"` // of an activity
				By gh.Timestamp `json:"pushed_at"` // of a rule suite
			}
			if err := decode(p.item(raw), &it); err != nil {
				if err = r.spoil(partPushes, err); err != nil {
					return false, err
				}
				continue
			}
			at := when(it.At)
			if at.IsZero() {
				at = when(it.By)
			}
			listed[it.ID] = at
			if recent.Settled(it.ID, at) {
				continue
			}
			d, err := draft(p, raw)
			if err != nil {
				if err = r.spoil(partPushes, err); err != nil {
					return false, err
				}
				continue
			}
			if d.OccurredAt.Before(floor) {
				return false, nil
			}
			if err := r.emit(d); err != nil {
				return false, err
			}
			if d.OccurredAt.After(*newest) {
				*newest = d.OccurredAt
			}
			if oldest.IsZero() || d.OccurredAt.Before(*oldest) {
				*oldest = d.OccurredAt
			}
			recent.Read(it.ID, at, r.started)
		}
		return true, nil
	})
	again := map[int64]bool{}
	for id, at := range listed {
		again[id] = !at.Before(newest.Add(-r.cfg.Overlap))
	}
	recent.Keep(again)
	return err
}

// activity makes a draft of one movement of a branch. Servers from when the list
// was new tell it in other members.
func (r *repoLook) activity(p *page, raw json.RawMessage) (evidence.Draft, error) {
	var a struct {
		ID        int64        `json:"id"`
		Before    string       `json:"before"`
		After     string       `json:"after"`
		Ref       string       `json:"ref"`
		Timestamp gh.Timestamp `json:"timestamp"`
		Type      string       `json:"activity_type"`
		Actor     *gh.User     `json:"actor"`

		Pushed   gh.Timestamp `json:"pushed_at"`
		PushType string       `json:"push_type"` // normal, force, ...
		Pusher   *gh.User     `json:"pusher"`
	}
	if err := decode(p.item(raw), &a); err != nil {
		return evidence.Draft{}, err
	}
	at := when(a.Timestamp)
	if at.IsZero() {
		at = when(a.Pushed)
	}
	if a.ID <= 0 || at.IsZero() {
		return evidence.Draft{}, oddItem(p, "an activity without an id or a time")
	}
	if a.Type == "" {
		a.Type = pushType(a.PushType)
	}
	if a.Actor == nil {
		a.Actor = a.Pusher
	}
	f := evidence.AuditFacts{ID: strconv.FormatInt(a.ID, 10), Action: "ref." + word(a.Type), Outcome: "ok"}
	return r.pushDraft(p, raw, f, "activity", at, a.Actor, a.Ref, a.Before, a.After)
}

// pushType gives the older words for a push in the newer ones.
func pushType(s string) string {
	switch s {
	case "normal":
		return "push"
	case "force":
		return "force_push"
	}
	return s
}

// suite makes a draft of one evaluation of the rules. Its actor is named by
// login alone; without an id nobody is named.
func (r *repoLook) suite(p *page, raw json.RawMessage) (evidence.Draft, error) {
	var s struct {
		ID      int64        `json:"id"`
		ActorID int64        `json:"actor_id"`
		Actor   string       `json:"actor_name"`
		Before  string       `json:"before_sha"`
		After   string       `json:"after_sha"`
		Ref     string       `json:"ref"`
		Pushed  gh.Timestamp `json:"pushed_at"`
		Result  string       `json:"result"`
	}
	if err := decode(p.item(raw), &s); err != nil {
		return evidence.Draft{}, err
	}
	if s.ID <= 0 || when(s.Pushed).IsZero() {
		return evidence.Draft{}, oddItem(p, "a rule suite without an id or a time")
	}
	f := evidence.AuditFacts{ID: strconv.FormatInt(s.ID, 10), Action: "rules." + word(s.Result), Decision: word(s.Result)}
	switch s.Result {
	case "pass", "bypass":
		f.Outcome = "ok"
	case "fail":
		f.Outcome = "denied"
	default:
		f.Outcome = "unknown"
	}
	var who *gh.User
	if s.ActorID > 0 {
		who = &gh.User{ID: &s.ActorID, Login: &s.Actor}
	} else {
		raw, _ = forge.Without(agent, raw, "actor_name")
	}
	return r.pushDraft(p, raw, f, "suite", when(s.Pushed), who, s.Ref, s.Before, s.After)
}

func (r *repoLook) pushDraft(p *page, raw []byte, f evidence.AuditFacts, form string, at time.Time, actor *gh.User, ref, before, after string) (evidence.Draft, error) {
	who := newPeople(r.Collector)
	f.Platform, f.Container, f.Resource, f.Behind = "github", r.name, "ref", -1
	f.Who = who.account(evidence.RoleInitiator, actor, evidence.ProofAuthenticated)
	branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
	if isBranch {
		f.Name = "refs/heads/" + r.public(branch)
	} else if ref != "" {
		f.Name = "other-" + forge.HashID(r.name+"@"+ref)
	}
	f.Changed = []string{"from " + commitOrNone(before), "to " + commitOrNone(after)}
	d := r.draft(evidence.AccessAudit, evidence.OpEvent, p.req, f)
	d.OccurredAt, d.Basis, d.NotBefore = at, evidence.BasisSource, r.st.Pushes.Looked
	d.Key = r.key("/%s/%s", form, f.ID)
	d.Subject = evidence.NewRef("line", r.authority, r.name+"/"+form+"-"+f.ID)
	d.People, d.Raw = who.List, raw
	d.ActorScope = r.actor(actor, at)
	d.Links = commitLinks(before, after)
	if isBranch {
		d.Links = append(d.Links, r.branchRef(r.name, r.public(branch)))
	}
	if at.Before(r.horizon()) {
		return d, nil // it is not kept
	}
	var err error
	if isBranch {
		r.st.Origins.Moved(before, after, at)
	}
	d.Scope, err = r.scopeAt(after, 0)
	return d, err
}

// commitOrNone is an object id, or the word none for the zero id of a branch
// that is made or deleted.
func commitOrNone(sha string) string {
	if !forge.ObjectID.MatchString(sha) || strings.Trim(sha, "0") == "" {
		return "none"
	}
	return sha
}
