package gitlab

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// note is what of a note is read, with its own bytes.
type note struct {
	gl.Note
	raw json.RawMessage
	req evidence.Request
}

// says tells what a system note is about: approved, unapproved, reset,
// changes-requested, merged, closed, or "" for all others. The server writes these in English
// whatever the language of its pages.
func (n *note) says() string {
	if !n.System {
		return ""
	}
	switch body := strings.TrimSpace(n.Body); {
	case strings.HasPrefix(body, "approved this merge request"):
		return "approved"
	case strings.HasPrefix(body, "unapproved this merge request"):
		return "unapproved"
	case strings.HasPrefix(body, "requested changes"):
		return "changes-requested"
	case strings.HasPrefix(body, "reset approvals from "):
		return "reset"
	case body == "merged" || body == "closed":
		return body
	}
	return ""
}

// mention is how a system note names an account.
var mention = regexp.MustCompile(`@([A-Za-z0-9_][A-Za-z0-9_.-]*)`)

// names reports whether a system note names an account.
func (n *note) names(u *gl.BasicUser) bool {
	for _, m := range mention.FindAllStringSubmatch(n.Body, -1) {
		if u.Username != "" && strings.EqualFold(strings.TrimRight(m[1], "."), u.Username) {
			return true
		}
	}
	return false
}

// by is who wrote a note.
func (n *note) by() *gl.BasicUser {
	return &gl.BasicUser{ID: n.Author.ID, Username: n.Author.Username, Name: n.Author.Name}
}

// notes reads the notes, oldest first, and keeps those about approval, since the
// server shows approvals as they stand now and their history stands here only,
// and those about how the request ended.
func (r *projectLook) notes(base string, q *request) error {
	_, err := r.list(r.ctx, base+"/notes", &gl.ListMergeRequestNotesOptions{
		ListOptions: gl.ListOptions{PerPage: perPage}, OrderBy: gl.Ptr("created_at"), Sort: gl.Ptr("asc"),
	}, func(p *page, raw json.RawMessage) error {
		n, err := readNote(p, raw)
		if err == nil && n.says() != "" {
			q.notes = append(q.notes, n)
		}
		return err
	})
	return err
}

func readNote(p *page, raw json.RawMessage) (note, error) {
	n := note{raw: raw, req: p.req}
	if err := decodeItem(p, raw, &n.Note); err != nil {
		return n, err
	}
	if n.ID <= 0 || n.CreatedAt == nil {
		return n, odd(p, "a note without an id or time")
	}
	return n, nil
}

// ending finds in the notes when a request was merged or closed, and by whom,
// where the request does not tell: one that was imported, or that ended before
// the server kept it.
func (q *request) ending() {
	merged, closed := q.mr.State == "merged" && q.mr.MergedAt == nil, q.mr.State == "closed" && q.mr.ClosedAt == nil
	for i := range q.notes {
		switch n := &q.notes[i]; {
		case merged && n.says() == "merged":
			q.mr.MergedAt, q.merger = n.CreatedAt, n.by()
		case closed && n.says() == "closed": // the last one: it may have been opened again
			q.mr.ClosedAt, q.mr.ClosedBy = n.CreatedAt, n.by()
		}
	}
}

// review is one approval, or request for changes, with what became of it.
type review struct {
	id      string
	by      *gl.BasicUser
	state   string // as last seen: approved, dismissed, changes-requested
	given   string // approved or changes-requested
	commit  string // that it was given on
	at      time.Time
	ended   time.Time // when it was withdrawn, where a note tells
	note    *note     // nil: the server told no time and wrote no note
	endNote *note
	reset   *gl.BasicUser // whose push took it away, where a note tells
}

// reviews joins notes and current approvals: each note begins a review, an
// "unapproved" of the same account ends it, as does a note of who pushed that
// names the accounts whose approvals the push took away, and of what is left
// only that of an account that approves now still stands. Older servers write no
// note of what a push took away.
func (r *projectLook) reviews(q *request) []review {
	var vs []review
	open := map[int]int{} // account: index of the approval that may stand
	for i := range q.notes {
		n := &q.notes[i]
		by, at := n.by(), when(n.CreatedAt)
		switch says := n.says(); says {
		case "approved", "changes-requested":
			if j, ok := open[by.ID]; ok && says == "approved" {
				vs[j].state = "dismissed"
			}
			if says == "approved" {
				open[by.ID] = len(vs)
			}
			vs = append(vs, review{id: strconv.Itoa(n.ID), by: by, state: says, given: says, commit: q.headAt(at), at: at, note: n})
		case "unapproved":
			if j, ok := open[by.ID]; ok {
				vs[j].state, vs[j].ended, vs[j].endNote = "dismissed", at, n
				delete(open, by.ID)
			}
		case "reset":
			for id, j := range open {
				if n.names(vs[j].by) {
					vs[j].state, vs[j].ended, vs[j].endNote, vs[j].reset = "dismissed", at, n, by
					delete(open, id)
				}
			}
		}
	}
	now := map[int]approval{}
	for _, a := range q.approved {
		if a.User != nil && a.User.ID > 0 {
			now[a.User.ID] = a
		}
	}
	for id, j := range open {
		if _, ok := now[id]; !ok {
			vs[j].state = "dismissed"
		}
	}
	for _, a := range q.approved {
		if a.User == nil || a.User.ID <= 0 {
			continue
		}
		if _, ok := open[a.User.ID]; ok {
			continue
		}
		v := review{id: "user-" + strconv.Itoa(a.User.ID), by: a.User, state: "approved", given: "approved", at: when(a.At)}
		if !v.at.IsZero() {
			v.id += "-" + strconv.FormatInt(v.at.Unix(), 10)
			v.commit = q.headAt(v.at)
		}
		vs = append(vs, v)
		open[a.User.ID] = len(vs) - 1
	}
	return vs
}

// headAt is the head of the request at a time, by its versions: what was on the
// screen of who approved then. "" when no version is that old.
func (q *request) headAt(at time.Time) string {
	var best time.Time
	head := ""
	for _, v := range q.versions {
		if t := when(v.CreatedAt); !t.IsZero() && !t.After(at) && (head == "" || t.After(best)) {
			best, head = t, forge.ObjectOrNone(v.HeadCommitSHA)
		}
	}
	return head
}

// reviewDrafts gives each state of a review that is known: one that was
// withdrawn has two.
func (r *projectLook) reviewDrafts(q *request, v review, scope []evidence.Ref) []evidence.Draft {
	ds := []evidence.Draft{r.reviewDraft(q, v, scope, v.given, v.at, v.note)}
	if v.state == "dismissed" {
		ds = append(ds, r.reviewDraft(q, v, scope, "dismissed", v.ended, v.endNote))
	}
	return ds
}

// reviewDraft makes the draft of one state. at is the source's time of it, zero
// when the source does not say.
func (r *projectLook) reviewDraft(q *request, v review, scope []evidence.Ref, state string, at time.Time, n *note) evidence.Draft {
	who := newPeople(r.Collector)
	f := evidence.ReviewFacts{
		Repo: r.path, Number: q.mr.IID, ID: v.id, State: state, Commit: v.commit,
		Person: who.user(evidence.RoleReviewer, v.by),
	}
	d := r.draft(evidence.ChangeReview, evidence.OpEvent, q.page.req, f)
	if n != nil {
		d.Request, d.Raw = n.req, n.raw
	}
	if !at.IsZero() {
		d.OccurredAt, d.Basis = at, evidence.BasisSource
	} else {
		d.NotBefore = newer(r.st.Merges.Looked, v.at)
	}
	d.Key = r.key("!%d/%s/%s", f.Number, f.ID, state)
	d.Subject = evidence.NewRef("review", r.authority, fmt.Sprintf("%s!%d/%s", r.path, f.Number, f.ID))
	d.People = who.List
	d.Links = append([]evidence.Ref{r.changeRef(r.path, f.Number)}, commitLinks(f.Commit)...)
	d.Scope = scope
	d.ActorScope = r.actor(v.by, d.OccurredAt)
	switch {
	case state == "dismissed" && n == nil:
		d.ActorScope = r.actor(nil, d.OccurredAt) // a push took it away, and no note says whose
	case state == "dismissed" && v.reset != nil:
		who.user(evidence.RoleInitiator, v.reset)
		d.People, d.ActorScope = who.List, r.actor(v.reset, d.OccurredAt)
		d.Raw = nil // it names the other approvers by their logins alone
	}
	return d
}
