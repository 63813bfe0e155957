package github

import (
	"encoding/json"
	"net/http"
	"slices"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// comparison is what of a compare answer is read.
type comparison struct {
	Status  string            `json:"status"` // ahead, behind, diverged, identical
	Total   int               `json:"total_commits"`
	Commits []json.RawMessage `json:"commits"`
}

func (r *repoLook) comparePath(base, head string) string {
	return r.path + "/compare/" + base + "..." + head + "?per_page=100"
}

// rewritten reports whether the branch no longer descends from the stored
// head, whether that head is gone from the source, and whether the two have
// nothing in common; it records each.
func (r *repoLook) rewritten(name string, st *forge.BranchState, head string) (gone, rewritten, apart bool, err error) {
	p, err := r.get(r.ctx, r.comparePath(st.Head, head))
	f := evidence.RewriteFacts{Repo: r.name, Ref: "refs/heads/" + name, Before: st.Head, After: head}
	switch {
	case means(err, unrelated):
		// Another history was put in its place; the old head may still be there.
		if p, err = r.get(r.ctx, r.path+"/commits/"+head); err != nil {
			return false, false, false, err
		}
		f.Lost, f.LostCut, err = r.past(st.Head)
		if s := fetch.Status(err); s == http.StatusNotFound || s == http.StatusUnprocessableEntity {
			return true, true, false, r.emit(r.rewriteDraft(name, st, p, f))
		}
		if err != nil {
			return false, false, false, err
		}
		return false, true, true, r.emit(r.rewriteDraft(name, st, p, f))
	case fetch.Status(err) == http.StatusNotFound:
		// Either the old head is gone or commits are hidden; the new head tells.
		if p, err = r.get(r.ctx, r.path+"/commits/"+head); err != nil {
			return false, false, false, err
		}
		return true, true, false, r.emit(r.rewriteDraft(name, st, p, f))
	case means(err, tooMuch):
		_, descends, err := r.beyond(st.Head, head, maxHistory)
		if err != nil || descends {
			return false, false, false, err
		}
		if p, err = r.get(r.ctx, r.path+"/commits/"+head); err != nil {
			return false, false, false, err
		}
	case err != nil:
		return false, false, false, err
	default:
		var c comparison
		if err := decode(p, &c); err != nil {
			return false, false, false, err
		}
		switch c.Status {
		case "ahead", "identical":
			return false, false, false, nil
		case "behind", "diverged":
		default:
			return false, false, false, odd(p, "a comparison without a status")
		}
	}
	if f.Lost, f.LostCut, err = r.lost(head, st.Head); err != nil {
		return false, false, false, err
	}
	return false, true, false, r.emit(r.rewriteDraft(name, st, p, f))
}

// past lists, newest first, what a head reaches.
func (r *repoLook) past(head string) (shas []string, cut int, err error) {
	err = r.pages(r.ctx, r.path+"/commits?sha="+head+"&per_page=100", func(p *page) (bool, error) {
		list, err := items(p)
		if err != nil {
			return false, err
		}
		for _, raw := range list {
			if it, err := readPedigree(p, raw); err == nil && len(shas) < maxLost {
				shas = append(shas, it.SHA)
			} else {
				cut++
			}
		}
		return true, nil
	})
	return shas, cut, err
}

const maxLost = 200

// lost lists, newest first, what the old head reaches and the new one does not.
func (r *repoLook) lost(head, old string) (shas []string, cut int, err error) {
	total := 0
	err = r.pages(r.ctx, r.comparePath(head, old), func(p *page) (bool, error) {
		var c comparison
		if err := decode(p, &c); err != nil {
			return false, err
		}
		total = c.Total
		for _, raw := range c.Commits {
			if it, err := readPedigree(p, raw); err == nil { // else it is among those cut
				shas = append(shas, it.SHA)
			}
		}
		return true, nil
	})
	if means(err, tooMuch) {
		var list []node
		list, _, err = r.beyond(head, old, maxHistory)
		shas, total = nil, 0
		for _, l := range list {
			shas = append(shas, l.sha)
		}
	}
	slices.Reverse(shas)
	total = max(total, len(shas))
	shas = shas[:min(len(shas), maxLost)]
	return shas, total - len(shas), err
}

func (r *repoLook) rewriteDraft(branch string, st *forge.BranchState, p *page, f evidence.RewriteFacts) evidence.Draft {
	d := r.draft(evidence.ChangeRewrite, evidence.OpEvent, p.req, f)
	d.NotBefore = st.Looked
	// The last look is part of the key: the same rewrite may happen again.
	d.Key = r.key("@%s:%s..%s#%d", branch, f.Before, f.After, st.Looked.Unix())
	d.Subject = r.branchRef(r.name, branch)
	d.Links = commitLinks(append([]string{f.Before, f.After}, f.Lost...)...)
	return d
}
