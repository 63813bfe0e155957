package terraform

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
)

// auditKept is how long the platform keeps its audit trail.
// See https://developer.hashicorp.com/terraform/cloud-docs/api-docs/audit-trails
const auditKept = 14 * 24 * time.Hour

// auditLap is how much of what was read before is read again: entries come in a
// little later than they say.
const auditLap = 10 * time.Minute

// auditEntry is one entry of the audit trail, which is no JSON:API.
type auditEntry struct {
	ID   string `json:"id"`
	At   moment `json:"timestamp"`
	Auth struct {
		Accessor string `json:"accessor_id"`
		Name     string `json:"description"`
		Type     string `json:"type"` // Client, Impersonated, System
		Behind   string `json:"impersonator_id"`
	} `json:"auth"`
	Resource struct {
		ID     string          `json:"id"`
		Type   string          `json:"type"`
		Action string          `json:"action"`
		Meta   json.RawMessage `json:"meta"`
	} `json:"resource"`
}

// readAudit reads the audit trail since it was last read.
func (l *look) readAudit() error {
	if l.audit == nil {
		return nil
	}
	from := l.cur.Audit
	seen := evidence.Seen{Kinds: []evidence.Kind{evidence.AccessAudit}, Class: evidence.Continuous, From: from, To: l.started}
	kept := l.started.Add(-auditKept)
	switch {
	case from.IsZero():
		seen.Class, seen.From, seen.Cause = evidence.Reconstructed, kept, firstLook
	case from.Before(kept):
		seen.From = kept
	}
	odd := ""
	err := l.auditPages(seen.From.Add(-auditLap), func(d *document, raw json.RawMessage) error {
		e := &auditEntry{}
		if json.Unmarshal(raw, e) != nil || !goodID(e.ID) || e.At.IsZero() {
			odd = "not all could be read: the platform lists an entry without an id or a time"
			return l.miss(d.odd("holds an entry without an id or a time"), "audit trail")
		}
		return l.emit(l.auditDraft(d, e, raw))
	})
	blind := func(from time.Time, cause string) {
		l.seen = append(l.seen, evidence.Seen{Kinds: seen.Kinds, Class: evidence.Blind, From: from, To: l.started, Cause: cause})
	}
	if from.IsZero() {
		from = l.started
	}
	if err != nil {
		blind(from, "the audit trail could not be read")
		return l.missAudit(err)
	}
	if from.Before(kept) {
		l.seen = append(l.seen, evidence.Seen{
			Kinds: seen.Kinds, Class: evidence.Blind, From: from, To: kept, Cause: "the platform keeps its audit trail for 14 days, and it was not read for longer",
		})
	}
	if odd != "" {
		blind(from, odd)
	} else {
		l.seen = append(l.seen, seen)
	}
	l.after = append(l.after, func() { l.cur.Audit = l.started })
	return nil
}

// missAudit remembers that the audit trail could not be read. It has a token of its
// own: that this one is dead costs nothing of what the other read.
func (l *look) missAudit(err error) error {
	if l.ctx.Err() != nil || collectors.EndOf(err) != nil {
		return err
	}
	l.missed.Add(err, "audit trail")
	return nil
}

// auditPages reads the pages of the audit trail from a moment on.
func (l *look) auditPages(since time.Time, each func(d *document, raw json.RawMessage) error) error {
	q := url.Values{"since": {since.UTC().Format("2006-01-02T15:04:05.000Z")}}
	for n := int64(1); n <= maxPages; {
		q.Set("page[number]", strconv.FormatInt(n, 10))
		r, err := l.audit.Get(l.ctx, "api/v2/organization/audit-trail", q)
		if err != nil {
			return err
		}
		d := &document{req: evidence.Request{Method: http.MethodGet, URL: r.URL, Response: r.SHA256, Agent: agent}}
		var page struct {
			Data       json.RawMessage `json:"data"`
			Pagination *struct {
				Current int64  `json:"current_page"`
				Next    *int64 `json:"next_page"`
			} `json:"pagination"`
		}
		if json.Unmarshal(r.Body, &page) != nil || page.Pagination == nil {
			return d.odd("is not what the API describes")
		}
		d.Data = page.Data
		if err := d.list(); err != nil {
			return err
		}
		if page.Pagination.Current != 0 && page.Pagination.Current != n {
			return d.odd("is another page than the one asked for")
		}
		for _, raw := range d.items {
			if err := each(d, raw); err != nil {
				return err
			}
		}
		next := page.Pagination.Next
		if next == nil || *next == 0 {
			return nil
		}
		if *next <= n {
			return d.odd("names a next page that was read already")
		}
		n = *next
	}
	return (&document{}).odd("has too many pages")
}

// auditDraft makes the draft of an entry. It is the tenant's whose workspace it
// names, else the organization's.
func (l *look) auditDraft(d *document, e *auditEntry, raw json.RawMessage) evidence.Draft {
	who := l.people()
	f := &evidence.AuditFacts{
		Platform: "terraform", ID: e.ID, Action: word(e.Resource.Action), Container: l.cfg.Organization, Resource: word(e.Resource.Type),
		Outcome: "ok", Who: -1, Behind: -1,
	}
	if goodID(e.Resource.ID) {
		f.Name = e.Resource.ID
	}
	if goodID(e.Auth.Accessor) && e.Auth.Type != "System" {
		if _, known := l.logins[e.Auth.Accessor]; !known && e.Auth.Name != "" {
			l.logins[e.Auth.Accessor] = evidence.Names{Login: text(e.Auth.Name)}
		}
		f.Who = who.add(evidence.RoleActor, identity{e.Auth.Accessor, "users"})
	}
	if goodID(e.Auth.Behind) {
		f.Behind = who.add(evidence.RoleActor, identity{e.Auth.Behind, "users"})
	}
	x := l.draft(evidence.AccessAudit, evidence.OpEvent, evidence.NewRef("line", l.authority, e.ID), f, d.req)
	x.Key, x.OccurredAt, x.Basis, x.People = e.ID, e.At.Time, evidence.BasisSource, who.List
	x.Scope = []evidence.Ref{l.project()}
	if w := l.concerned(e); w != nil {
		x.Scope = w.scope()
		x.Links = []evidence.Ref{w.subject()}
	}
	if f.Who >= 0 {
		x.ActorScope = l.sourceRef()
	}
	x.Raw, x.Removed = reduce(raw, auditShape)
	return x
}

// concerned is the workspace that an entry is about, where it names one by id.
func (l *look) concerned(e *auditEntry) *workspace {
	if w := l.runs[e.Resource.ID]; w != nil {
		return w
	}
	ids := []string{e.Resource.ID}
	var meta struct {
		ID        string   `json:"workspace_id"`
		Workspace identity `json:"workspace"`
		Payload   struct {
			Workspace identity `json:"workspace"`
		} `json:"payload"` // of an evaluation of policies
	}
	_ = json.Unmarshal(e.Resource.Meta, &meta) // of whatever form: then it names none
	ids = append(ids, meta.ID, meta.Workspace.ID, meta.Payload.Workspace.ID)
	for _, w := range l.workspaces {
		for _, id := range ids {
			if id == w.id {
				return w
			}
		}
	}
	return nil
}
