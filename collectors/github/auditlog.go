package github

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

const (
	auditOverlap = 15 * time.Minute     // entries arrive late
	auditKept    = 180 * 24 * time.Hour // GitHub keeps entries for so long, those of git for 7 days
)

// sortWords sorts in place.
func sortWords(s []string) { slices.Sort(s) }

// auditLog reads an organisation's audit log from where the last look ended.
// Organisations have one on GitHub Enterprise alone: elsewhere the answer is 404
// (or 403), which is told as "we were not looking" and never as "nothing
// happened".
func (l *look) auditLog(org string, st *orgState) error {
	from := l.started.Add(-auditKept)
	// The configured history is of the first look alone: a later one reads on
	// from where the last one ended, however long ago that was.
	if h := l.cfg.History; st.Looked.IsZero() && h > 0 && h < auditKept {
		from = l.started.Add(-h)
	}
	seen := evidence.Seen{Kinds: []evidence.Kind{evidence.AccessAudit}, Scope: l.project(org), Class: evidence.Reconstructed, From: from, To: l.started, Cause: firstLook, Every: l.every(partAudit)}
	read, lost := st.Audit, false // read is what was read, also by a first look that was cut
	if !st.Looked.IsZero() {
		lost = st.Looked.Before(from)
		seen.Class, seen.From, seen.Cause = evidence.Continuous, st.Looked, ""
		if read.IsZero() {
			read = st.Looked // there was nothing
		}
	}
	if at := read.Add(-auditOverlap); at.After(from) {
		from = at
	}
	newest := st.Audit
	// Whole hours keep the question the same from look to look, so that a quiet
	// log answers 304.
	from = from.Truncate(time.Hour)
	// Git events are kept for a week and are not asked for: pushes are read from
	// each repository's activity.
	path := "orgs/" + org + "/audit-log?order=asc&per_page=100&phrase=" + url.QueryEscape("created:>="+from.Format(time.RFC3339))
	err := l.pages(l.ctx, path, func(p *page) (bool, error) {
		list, err := items(p)
		if err != nil {
			return false, err
		}
		for _, raw := range list {
			d, err := l.auditDraft(p, raw, org, st)
			if e := forge.Odd(err); e != nil {
				st.Spoilt = e.Cause()
				l.missing = forge.AddOnce(l.missing, "organisation "+org+": "+err.Error())
				continue
			}
			if err != nil {
				return false, err
			}
			if err := l.emit(d); err != nil {
				return false, err
			}
			if d.OccurredAt.After(newest) {
				newest = d.OccurredAt
			}
		}
		st.Audit = newest
		return true, l.progress()
	})
	if hidden(err) {
		seen.Class, seen.Cause = evidence.Blind, "the organisation's audit log is not available on this plan or to this credential (Administration: read of the organisation)"
		seen.From = l.started
		if !st.Looked.IsZero() {
			seen.From = st.Looked
		}
		l.note("organisation %s: %s", org, seen.Cause)
		l.seen = append(l.seen, seen)
		return nil
	}
	if err != nil {
		return err
	}
	if lost {
		l.seen = append(l.seen, evidence.Seen{Kinds: seen.Kinds, Scope: seen.Scope, Class: evidence.Blind, From: st.Looked, To: from, Every: seen.Every,
			Cause: "the audit log keeps entries for 180 days: what is older was dropped unread"})
		seen.From = from
	}
	if st.Spoilt != "" {
		seen.Class, seen.Cause = evidence.Blind, st.Spoilt
	}
	l.seen = append(l.seen, seen)
	l.after = append(l.after, func() { st.Looked, st.Spoilt = l.started, "" })
	return nil
}

// auditDraft makes a draft of one entry. Entries have one set of fields for each
// action; what is not named here stays in the raw bytes.
func (l *look) auditDraft(p *page, raw json.RawMessage, org string, st *orgState) (evidence.Draft, error) {
	var e struct {
		ID      string      `json:"_document_id"`
		At      json.Number `json:"@timestamp"`
		Created json.Number `json:"created_at"`
		Action  string      `json:"action"`
		Actor   loose       `json:"actor"`
		ActorID loose       `json:"actor_id"`
		IsBot   loose       `json:"actor_is_bot"`
		User    loose       `json:"user"`
		UserID  loose       `json:"user_id"`
		Repo    loose       `json:"repo"`
		TokenID loose       `json:"token_id"`
		IP      loose       `json:"actor_ip"`
		Agent   loose       `json:"user_agent"`
	}
	if err := decode(p.item(raw), &e); err != nil {
		return evidence.Draft{}, err
	}
	at := millis(e.At)
	if at.IsZero() {
		at = millis(e.Created)
	}
	if e.ID == "" {
		e.ID = entryID(raw)
	}
	if e.ID == "" || len(e.ID) > 200 || at.IsZero() {
		return evidence.Draft{}, oddItem(p, "an audit entry without an id or a time")
	}
	who := newPeople(l.Collector)
	f := evidence.AuditFacts{Platform: "github", ID: forge.Clean(e.ID), Action: word(e.Action), Container: org, Outcome: auditOutcome(e.Action), Who: -1, Behind: -1,
		Credential: forge.Short(forge.Clean(e.TokenID.one())), Agent: forge.Short(forge.Clean(e.Agent.one()))}
	actor, actorID := e.Actor.one(), e.ActorID.id(0)
	if actorID > 0 || actor != "" {
		f.Who = who.Add(l.auditPerson(evidence.RoleInitiator, actorID, actor, e.IsBot.one() == "true"))
	}
	for i := range max(len(e.User), len(e.UserID)) {
		id, login := e.UserID.id(i), e.User.at(i)
		if id > 0 && id != actorID || id == 0 && login != "" && login != actor {
			who.Add(l.auditPerson(evidence.RoleHolder, id, login, false))
		}
	}
	if ip := e.IP.one(); ip != "" {
		f.Remote = []string{forge.Short(forge.Clean(ip))}
	}
	scope := []evidence.Ref{l.project(org)}
	if repos := e.Repo.repos(org); len(repos) > 0 {
		scope = nil
		for _, r := range repos {
			scope = append(scope, l.project(r))
		}
		if len(repos) == 1 {
			f.Container = repos[0]
		}
	}
	if kind, _, ok := strings.Cut(f.Action, "."); ok {
		f.Resource = kind
	}
	d := evidence.Draft{
		Kind: evidence.AccessAudit, Op: evidence.OpEvent, Source: l.env.Source, Key: "audit/" + forge.Clean(e.ID),
		Subject: evidence.NewRef("line", l.authority, org+"/audit-"+forge.Clean(e.ID)), People: who.List,
		OccurredAt: at, Basis: evidence.BasisSource, NotBefore: st.Looked, ObservedAt: l.env.Clock().UTC(),
		Links: slices.Clone(scope), Scope: scope, Content: forge.Encode(f), Request: p.req,
	}
	d.ActorScope = l.homes.Scope(actorID, at)
	d.Raw, d.Removed = forge.Without(agent, raw, withheld(raw)...)
	return d, nil
}

// keptOut are the members that an entry's bytes go without: what an identity provider calls a person, which
// no account here is, and how a webhook was set, whose address may be all that it
// takes to write to another system.
var keptOut = []string{"external_identity_nameid", "external_identity_username", "config", "config_was"}

// withheld names the members of an entry that are kept out. Some entries have
// theirs below data, which then goes as a whole.
func withheld(raw json.RawMessage) []string {
	var e struct {
		Data map[string]json.RawMessage `json:"data"`
	}
	if json.Unmarshal(raw, &e) == nil && slices.ContainsFunc(keptOut, func(n string) bool { return e.Data[n] != nil }) {
		return append(slices.Clone(keptOut), "data")
	}
	return keptOut
}

// entryID stands for the id of an entry: an Enterprise Server may give none. An
// entry never changes, so it is known by what it says, in whatever order.
func entryID(raw json.RawMessage) string {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v map[string]any
	if dec.Decode(&v) != nil {
		return ""
	}
	return "said-" + forge.HashID(string(forge.Encode(v)))
}

// loose is a member of an entry that is a text, a number, a truth, or a list of
// them: GitHub gives the same member another form from action to action. What
// is of another form still says nothing.
type loose []string

// UnmarshalJSON implements json.Unmarshaler. It never fails: one member of a new
// form must not hide the log behind it.
func (l *loose) UnmarshalJSON(b []byte) error {
	*l = nil
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, v := range list[:min(len(list), maxLoose)] {
		switch v := v.(type) {
		case string:
			*l = append(*l, v)
		case json.Number:
			*l = append(*l, v.String())
		case bool:
			*l = append(*l, strconv.FormatBool(v))
		default: // keeps its place among its like
			*l = append(*l, "")
		}
	}
	return nil
}

// maxLoose bounds what is read of one list.
const maxLoose = 100

func (l loose) at(i int) string {
	if i >= len(l) {
		return ""
	}
	return l[i]
}

func (l loose) one() string { return l.at(0) }

// id is a number of an account; 0 for none.
func (l loose) id(i int) int64 {
	n, err := strconv.ParseInt(l.at(i), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// repos are the repositories of the organisation among the values.
func (l loose) repos(org string) (names []string) {
	for _, r := range l {
		if owner, _, ok := strings.Cut(r, "/"); ok && repoName.MatchString(r) && strings.EqualFold(owner, org) && !slices.Contains(names, r) {
			names = append(names, r)
		}
	}
	return names
}

// auditOutcome tells the few actions that are of something that did not happen;
// all others are logged because they did.
func auditOutcome(action string) string {
	if strings.HasSuffix(action, ".rejected_ref_update") || strings.HasSuffix(action, ".failed_login") {
		return "denied"
	}
	return "ok"
}

// auditPerson is a person of an entry. Some entries tell a login without its
// number: that is an identity of its own, never taken for the account that has
// the login today.
func (l *look) auditPerson(role evidence.Role, id int64, login string, bot bool) evidence.Person {
	native := strconv.FormatInt(id, 10)
	if id <= 0 {
		native = "login:" + strings.ToLower(forge.Short(forge.Clean(login)))
	}
	return evidence.Person{Role: role, Realm: "github:" + l.authority, NativeID: native, Proof: evidence.ProofAuthenticated,
		Names: evidence.Names{Login: forge.Short(forge.Clean(login)), Bot: bot || strings.HasSuffix(login, "[bot]")}}
}

// millis reads a time in milliseconds since 1970.
func millis(n json.Number) time.Time {
	ms, err := n.Int64()
	if err != nil || ms <= 0 || ms > 253402300799999 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
