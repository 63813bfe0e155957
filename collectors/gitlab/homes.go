package gitlab

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// homeKey is the key of the label that says in which group an account is at
// home.
const homeKey = "gitlab-group"

// readHomes reads who is at home where: the direct members of the configured
// groups, since those inherited from above are at home there. When one group
// cannot be read nobody's home is told in this look, since a person may be at
// home in that one; failed then says which.
func (l *look) readHomes() (failed []string, err error) {
	l.homes = forge.NewHomes(l.env.Source, l.authority, homeKey)
	members := map[int64][]string{}
	var names []string
	for _, home := range l.cfg.Homes {
		home = strings.TrimSuffix(home, "/")
		names = append(names, home)
		_, err := l.list(l.ctx, homeAPI(home), &gl.ListOptions{PerPage: perPage}, func(p *page, raw json.RawMessage) error {
			m, err := readMember(p, raw)
			awaited := m.State != "" && m.State != "active" // or blocked
			if id := int64(m.ID); err == nil && !awaited && !slices.Contains(members[id], home) {
				members[id] = append(members[id], home)
			}
			return err
		})
		if err != nil && forge.Ends(l.ctx, err) {
			return nil, fmt.Errorf("home %s: %w", home, err)
		}
		if err != nil {
			failed = append(failed, fmt.Sprintf("home %s: %v", home, err))
		}
	}
	if len(failed) > 0 {
		l.note("whose people act is not known in this look: the members of a home could not be read (a role in the group)")
		return failed, nil
	}
	l.homes.Fill(names, members, &l.cur.Homes, l.started)
	return nil, nil
}

func homeAPI(home string) string { return "groups/" + gl.PathEscape(home) + "/members" }

// actor is what tenancy rules look at to tell whose the account is that acted;
// nil is somebody whom the source does not name.
func (l *look) actor(u *gl.BasicUser, at time.Time) []evidence.Ref {
	if !named(u) {
		return l.homes.Scope(0, at)
	}
	return l.homes.Scope(int64(u.ID), at)
}
