package gitlab

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// Audit events may be written late, and the server answers for 30 days at most.
const (
	auditLag    = 15 * time.Minute
	auditWindow = 30 * day
)

// auditLook is the look at the audit events of one level. A group's do not hold
// those of its projects: each level is read by itself.
type auditLook struct {
	*look
	name    string // "project 311"
	api     string
	ref     evidence.Ref // zero: the whole source
	scope   []evidence.Ref
	st      *position
	created time.Time
	oldest  time.Time
	seen    map[int]bool
}

func (r *projectLook) auditOf() error {
	if r.cfg.InstanceAudit {
		return nil
	}
	return r.audit(&auditLook{
		look: r.look, name: "project " + strconv.Itoa(r.id), api: r.api + "/audit_events", ref: r.ref,
		scope: r.scope(), st: &r.st.Audit, created: r.created,
	})
}

func (l *look) instanceAudit() error {
	if l.cur.Instance == nil {
		l.cur.Instance = &position{}
	}
	if err := l.audit(&auditLook{look: l, name: "the server", api: "audit_events", st: l.cur.Instance}); err != nil {
		return err
	}
	return l.progress()
}

// audit reads the events since the last look in windows that the server
// answers, oldest window first.
func (l *look) audit(a *auditLook) error {
	a.seen = map[int]bool{}
	if a.scope == nil && !a.ref.IsZero() {
		a.scope = []evidence.Ref{a.ref}
	}
	from := a.st.At.Add(-auditLag)
	if a.st.At.IsZero() {
		if from = l.horizon(l.cfg.History); from.IsZero() {
			from = newer(a.created, l.started.Add(-10*365*day))
		}
		from = newer(from, a.created.Add(-time.Minute))
	}
	for from.Before(l.started) {
		to := from.Add(auditWindow)
		if to.After(l.started) {
			to = l.started.Add(time.Minute) // the server's clock may be ahead of ours
		}
		err := a.window(from, to)
		if refused(err) {
			l.without(a.name, a.ref, "audit events", a.st.Looked, err, evidence.AccessAudit)
			return nil
		}
		if err != nil {
			return err
		}
		// The next window begins where this one ended; its last minutes are
		// read again by the next look.
		a.st.At = newer(a.st.At, to)
		if a.st.At.After(l.started) {
			a.st.At = l.started
		}
		from = to
		if from.Before(l.started) {
			if err := l.progress(); err != nil {
				return err
			}
		}
	}
	l.claimList(a.ref, a.st, l.cfg.History, a.oldest, a.created, "", evidence.AccessAudit)
	return nil
}

// window reads the events of one window, newest first. Keyset pages end without
// a number: a full page that names no next one is asked again from its oldest
// event on, so that a lost link is not taken for the end of the list.
func (a *auditLook) window(from, to time.Time) error {
	guard := fetch.NewPages(maxPages)
	for {
		if err := guard.Visit(evidence.FormatTime(to)); err != nil {
			return err
		}
		var last time.Time
		fresh, n, cut := 0, 0, false
		_, err := a.pages(a.ctx, a.api, &gl.ListAuditEventsOptions{
			ListOptions:  gl.ListOptions{Pagination: "keyset", OrderBy: "id", Sort: "desc", PerPage: perPage},
			CreatedAfter: after(from), CreatedBefore: gl.Ptr(to.UTC().Truncate(time.Second)),
		}, nil, func(p *page) (bool, error) {
			list, err := items(p)
			if err != nil {
				return false, err
			}
			for _, raw := range list {
				e, err := readAudit(p, raw)
				if err != nil {
					if err = a.spoil(a.name, a.st, err); err != nil {
						return false, err
					}
					continue
				}
				last = when(e.CreatedAt)
				if a.seen[e.ID] {
					continue
				}
				a.seen[e.ID] = true
				fresh++
				if a.oldest.IsZero() || last.Before(a.oldest) {
					a.oldest = last
				}
				if err := a.emit(a.auditDraft(e)); err != nil {
					return false, err
				}
			}
			n, cut = len(list), p.next == nil
			return true, nil
		})
		if err != nil {
			return err
		}
		if !cut || n < perPage || fresh == 0 || last.IsZero() {
			return nil
		}
		next := last.Add(time.Second) // inclusive to the second
		if !next.Before(to) {
			next = to.Add(-time.Second)
		}
		if !next.After(from) {
			return nil
		}
		to = next
	}
}

// auditEvent is one event with its own bytes.
type auditEvent struct {
	ID         int          `json:"id"`
	AuthorID   int          `json:"author_id"`
	EntityID   int          `json:"entity_id"`
	EntityType string       `json:"entity_type"`
	EventName  string       `json:"event_name"`
	EventType  string       `json:"event_type"`
	CreatedAt  *time.Time   `json:"created_at"`
	Details    auditDetails `json:"details"`

	raw json.RawMessage
	req evidence.Request
}

// auditDetails is what of an event's details is read. The server keeps whatever
// the code that made an event put there, so that the same member has another
// form from event to event.
type auditDetails struct {
	Add           plainText `json:"add"`
	As            plainText `json:"as"`
	Change        plainText `json:"change"`
	From          plainText `json:"from"`
	To            plainText `json:"to"`
	Remove        plainText `json:"remove"`
	AuthorName    plainText `json:"author_name"`
	AuthorEmail   plainText `json:"author_email"`
	TargetID      any       `json:"target_id"`
	TargetType    plainText `json:"target_type"`
	TargetDetails plainText `json:"target_details"`
	IPAddress     plainText `json:"ip_address"`
	EntityPath    plainText `json:"entity_path"`
	FailedLogin   plainText `json:"failed_login"`
	EventName     plainText `json:"event_name"`
}

// plainText is a text, a number or a truth as text; what is of another form says
// nothing.
type plainText string

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (t *plainText) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case json.Unmarshal(b, &s) == nil: // null is no text
	case len(b) > 0 && (scalar(b[0]) || b[0] == 't' || b[0] == 'f'):
		s = string(b)
	}
	*t = plainText(s)
	return nil
}

func scalar(c byte) bool { return c == '-' || '0' <= c && c <= '9' }

func readAudit(p *page, raw json.RawMessage) (*auditEvent, error) {
	e := &auditEvent{raw: raw, req: p.req}
	if err := decodeItem(p, raw, e); err != nil {
		return nil, err
	}
	if e.ID <= 0 || when(e.CreatedAt).IsZero() {
		return nil, oddItem(p, "an audit event without an id or time")
	}
	return e, nil
}

func (a *auditLook) auditDraft(e *auditEvent) evidence.Draft {
	who, det := newPeople(a.Collector), e.Details
	f := evidence.AuditFacts{
		Platform: "gitlab", ID: strconv.Itoa(e.ID), Action: action(e), Resource: word(e.EntityType), Name: strconv.Itoa(e.EntityID),
		Outcome: "ok", Who: -1, Behind: -1,
	}
	if det.FailedLogin != "" {
		f.Outcome = "denied"
	}
	name, mail := string(det.AuthorName), string(det.AuthorEmail)
	if strings.Contains(mail, "[") || !strings.Contains(mail, "@") {
		mail = ""
	}
	f.Who = who.account(evidence.RoleActor, e.AuthorID, "", name, mail)
	if login := forge.Short(forge.Clean(string(det.TargetDetails))); e.AuthorID <= 0 && det.FailedLogin != "" && login != "" {
		// Who tried to log in is known by the name that was tried alone.
		f.Who = who.Add(evidence.Person{
			Role: evidence.RoleActor, Realm: "gitlab:" + a.authority, NativeID: "login:" + strings.ToLower(login),
			Names: evidence.Names{Login: login, Display: forge.Short(forge.Clean(name)), Mail: forge.Short(forge.Clean(mail))}, Proof: evidence.ProofClaimed,
		})
	}
	// Who the event is about stands in the details, and in Raw: a user by id.
	target := targetID(det.TargetID)
	if det.TargetType == "User" || det.TargetType == "Member" {
		who.account(evidence.RoleSubject, target, "", string(det.TargetDetails), "")
	}
	if e.EntityType != "User" {
		f.Container = label(string(det.EntityPath))
	} else {
		who.account(evidence.RoleSubject, e.EntityID, label(string(det.EntityPath)), "", "")
	}
	if det.TargetType != "" && target > 0 {
		f.Subresource, f.UID = word(string(det.TargetType)), strconv.Itoa(target)
	}
	if ip, err := netip.ParseAddr(string(det.IPAddress)); err == nil {
		f.Remote = []string{ip.String()}
	}
	f.Changed = changed(det)

	d := a.draft(evidence.AccessAudit, evidence.OpEvent, e.req, f)
	d.OccurredAt, d.Basis = when(e.CreatedAt), evidence.BasisSource
	d.Key = f.ID
	d.Subject = evidence.NewRef("line", a.authority, f.ID)
	d.People = who.List
	d.Scope = a.scopeOfEvent(e)
	d.Links = d.Scope[:min(len(d.Scope), 1)] // the group or project
	d.Raw = e.raw
	d.ActorScope = a.homes.Scope(int64(e.AuthorID), d.OccurredAt)
	return d
}

// scopeOfEvent is whose event it is: the container it was read from, or, of the
// whole server's, the one it names.
func (a *auditLook) scopeOfEvent(e *auditEvent) []evidence.Ref {
	if !a.ref.IsZero() {
		return a.scope
	}
	if e.EntityType == "Project" {
		if path := a.pathOf(e.EntityID); path != "" {
			return []evidence.Ref{a.project(path)}
		}
	}
	if p := string(e.Details.EntityPath); (e.EntityType == "Project" || e.EntityType == "Group") && fullPath.MatchString(p) && len(p) <= maxPath {
		return []evidence.Ref{a.project(p)}
	}
	return nil
}

// action is the server's name of the event. Older events have none: what they
// say of a change stands in for it.
func action(e *auditEvent) string {
	for _, s := range []string{e.EventName, string(e.Details.EventName), e.EventType} {
		if s != "" {
			return word(s)
		}
	}
	for _, v := range []struct {
		verb string
		what plainText
	}{{"add", e.Details.Add}, {"remove", e.Details.Remove}, {"change", e.Details.Change}} {
		if v.what != "" {
			return v.verb + "_" + word(strings.ReplaceAll(string(v.what), " ", "_"))
		}
	}
	if e.Details.FailedLogin != "" {
		return "failed_login"
	}
	return "other"
}

// changed tells what of a setting changed, from and to. Values that are not of
// a few plain forms may be names and stand as "...".
func changed(d auditDetails) []string {
	if d.Change == "" && d.Add == "" && d.Remove == "" {
		return nil
	}
	verb, what := "change", d.Change
	switch {
	case d.Add != "":
		verb, what = "add", d.Add
	case d.Remove != "":
		verb, what = "remove", d.Remove
	}
	s := verb + " " + word(strings.ReplaceAll(string(what), " ", "_"))
	if d.As != "" {
		s += " as " + plain(string(d.As))
	}
	if d.From != "" || d.To != "" {
		s += ": " + plain(string(d.From)) + " -> " + plain(string(d.To))
	}
	return []string{s}
}

// plainValues are values that settings take and people are not called.
var plainValues = []string{
	"true", "false", "enabled", "disabled", "private", "internal", "public", "none", "nil",
	"guest", "planner", "reporter", "developer", "maintainer", "owner", "administrator", "no one", "no access", "minimal access",
	"developers + maintainers", "default role: guest", "default role: reporter", "default role: developer", "default role: maintainer", "default role: owner",
}

func plain(s string) string {
	if s == "" {
		return "(empty)"
	}
	low := strings.ToLower(strings.TrimSpace(s))
	if _, err := strconv.Atoi(low); err == nil || slices.Contains(plainValues, low) {
		return low
	}
	return "..."
}

// targetID reads an id that the server writes as a number or as text.
func targetID(v any) int {
	switch v := v.(type) {
	case float64:
		if v > 0 && v < 1<<53 {
			return int(v)
		}
	case string:
		if n, err := strconv.Atoi(v); err == nil {
			return n
		}
	}
	return 0
}
