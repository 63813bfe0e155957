package gitlab

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
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
		return n, oddItem(p, "a note without an id or time")
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
//
// What deleted accounts did stands under one account for all of them, so that its
// approvals are nobody's, each for itself: one takes away no other. One that was
// withdrawn is that of the only one who approved; of several it is not known
// which, and the withdrawal is a review of its own. The others are told as given,
// by nobody: that a deleted account approves no longer withdraws nothing.
func (r *projectLook) reviews(q *request) []review {
	var vs []review
	open := map[int]int{} // account: index of the approval that may stand
	var gone []int        // those of deleted accounts
	for i := range q.notes {
		n := &q.notes[i]
		by, at := n.by(), when(n.CreatedAt)
		switch says := n.says(); says {
		case "approved", "changes-requested":
			if says == "approved" && !named(by) {
				gone = append(gone, len(vs))
			} else if says == "approved" {
				if j, ok := open[by.ID]; ok {
					vs[j].state = "dismissed"
				}
				open[by.ID] = len(vs)
			}
			vs = append(vs, review{id: strconv.Itoa(n.ID), by: by, state: says, given: says, commit: q.headAt(at), at: at, note: n})
		case "unapproved":
			if !named(by) {
				if len(gone) == 1 {
					v := &vs[gone[0]]
					v.state, v.ended, v.endNote, gone = "dismissed", at, n, nil
				} else if len(gone) > 1 {
					vs = append(vs, review{id: strconv.Itoa(n.ID), by: by, state: "dismissed", given: "dismissed", at: at, note: n})
				}
				continue
			}
			if j, ok := open[by.ID]; ok {
				vs[j].state, vs[j].ended, vs[j].endNote = "dismissed", at, n
				delete(open, by.ID)
			}
		case "reset":
			gone = slices.DeleteFunc(gone, func(j int) bool {
				taken := n.names(vs[j].by)
				if taken {
					vs[j].state, vs[j].ended, vs[j].endNote, vs[j].reset = "dismissed", at, n, by
				}
				return taken
			})
			for id, j := range open {
				if n.names(vs[j].by) {
					vs[j].state, vs[j].ended, vs[j].endNote, vs[j].reset = "dismissed", at, n, by
					delete(open, id)
				}
			}
		}
	}
	now := map[int]approval{}
	var ghosts []approval
	for _, a := range q.approved {
		switch {
		case named(a.User):
			now[a.User.ID] = a
		case a.User != nil && a.User.ID > 0:
			ghosts = append(ghosts, a)
		}
	}
	if len(gone) > 1 {
		r.note("project %d: request %d was approved %d times by accounts that were deleted since: who they were, and whether they were several, is not known", r.id, q.mr.IID, len(gone))
	}
	for i := len(gone); i < len(ghosts); i++ { // there is no note of them
		v := ghosts[i].review(q)
		if i > len(gone) {
			v.id += "-" + strconv.Itoa(i)
		}
		vs = append(vs, v)
	}
	for id, j := range open {
		if _, ok := now[id]; !ok {
			vs[j].state = "dismissed"
		}
	}
	for _, a := range q.approved {
		if !named(a.User) {
			continue
		}
		if _, ok := open[a.User.ID]; ok {
			continue
		}
		vs = append(vs, a.review(q))
		open[a.User.ID] = len(vs) - 1
	}
	return vs
}

// review is an approval that stands and that no note tells of.
func (a approval) review(q *request) review {
	v := review{id: "user-" + strconv.Itoa(a.User.ID), by: a.User, state: "approved", given: "approved", at: when(a.At)}
	if !v.at.IsZero() {
		v.id += "-" + strconv.FormatInt(v.at.Unix(), 10)
		v.commit = q.headAt(v.at)
	}
	return v
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
