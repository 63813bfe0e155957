package terraform

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"evidenced/collectors"
	"evidenced/evidence"
)

// Examine implements collectors.Examiner. It reads whose token it is, the
// workspaces with what the token may do in each, and one entry of the audit trail.
func (c *Collector) Examine(ctx context.Context) (collectors.Examination, error) {
	c.fetch.ResetStats()
	if c.audit != nil {
		c.audit.ResetStats()
	}
	l := &look{Collector: c, ctx: ctx, cur: &cursor{}, started: c.env.Clock().UTC()}
	x := collectors.Examination{}
	err := l.examine(&x)
	st := c.fetch.Stats()
	x.Offset, x.OffsetOK, x.Requests = st.Offset, st.OffsetOK, st.Requests
	if c.audit != nil {
		x.Requests += c.audit.Stats().Requests
	}
	return x, err
}

func (l *look) examine(x *collectors.Examination) error {
	d, err := l.get(l.ctx, l.fetch, "account/details", nil)
	if err == nil {
		if r, err := object(d.Data, "users"); err == nil {
			x.Identity = r.ID
		}
		x.Version = version(d.head)
	} else if status(err) != http.StatusNotFound {
		return err
	}
	may := map[string][]string{} // permission: workspaces
	var denied []string
	n := 0
	_, _, err = l.pages(l.fetch, l.workspacesPath(), nil, wholePage, func(d *document) (bool, error) {
		if d.first {
			n, denied, may = 0, nil, map[string][]string{}
		}
		for _, raw := range d.items {
			r, err := object(raw, "workspaces")
			var a struct {
				Name        string          `json:"name"`
				Permissions map[string]bool `json:"permissions"`
			}
			if err != nil || json.Unmarshal(r.Attributes, &a) != nil {
				continue
			}
			n++
			for p, granted := range a.Permissions {
				if granted {
					may[p] = append(may[p], a.Name)
				}
			}
			if yes, told := a.Permissions["can-read-state-versions"]; told && !yes {
				denied = append(denied, a.Name)
			}
		}
		return true, nil
	})
	workspaces := collectors.Right{
		Name: "workspaces and runs of " + l.cfg.Organization, Access: collectors.Readable, Kinds: []evidence.Kind{evidence.InfraWorkspace, evidence.InfraRun},
	}
	switch {
	case status(err) == http.StatusNotFound || err == nil && n == 0:
		workspaces.Access = collectors.Missing
		workspaces.Hint = "give the token's team the right to read each workspace, or to view all workspaces of the organization"
	case err != nil:
		return err
	default:
		workspaces.Name += ", " + strconv.Itoa(n) + " seen"
	}
	x.Rights = append(x.Rights, workspaces)
	if l.cfg.States {
		states := collectors.Right{Name: "versions of states", Access: collectors.Readable, Kinds: []evidence.Kind{evidence.InfraState}}
		switch {
		case n == 0:
			states.Access, states.Hint = collectors.Untold, "there is no workspace to try it with"
		case len(denied) > 0:
			states.Name += " of " + few(denied)
			states.Access = collectors.Missing
			states.Hint = "the right to read versions of a state is also the right to download it: give it, or set states: false"
		}
		x.Rights = append(x.Rights, states)
	}
	l.examineExcess(x, may)
	return l.examineAudit(x)
}

// reading are the permissions that change nothing. See the permissions of
// https://developer.hashicorp.com/terraform/cloud-docs/api-docs/workspaces
var reading = []string{"can-read-settings", "can-read-run", "can-read-state-versions", "can-read-state-outputs", "can-read-assessment-results", "can-read-change-requests"}

// examineExcess tells what the token may do beyond reading.
func (l *look) examineExcess(x *collectors.Examination, may map[string][]string) {
	var names []string
	for p := range may {
		if strings.HasPrefix(p, "can-") && !slices.Contains(reading, p) {
			names = append(names, p)
		}
	}
	if !l.cfg.States && len(may["can-read-state-versions"]) > 0 {
		names = append(names, "can-read-state-versions")
	}
	slices.Sort(names)
	if len(names) == 0 {
		return
	}
	var in []string
	for _, p := range names {
		for _, w := range may[p] {
			if !slices.Contains(in, w) {
				in = append(in, w)
			}
		}
	}
	slices.Sort(in)
	x.Rights = append(x.Rights, collectors.Right{
		Name: few(names) + " in " + few(in), Access: collectors.Excess,
		Hint: "give the token's team the right to read runs, and no more; reading variables is not needed either",
	})
}

// few names the first of a list.
func few(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + " and " + strconv.Itoa(len(names)-most) + " more"
}

func (l *look) examineAudit(x *collectors.Examination) error {
	if l.audit == nil {
		return nil
	}
	right := collectors.Right{Name: "audit trail of the organization", Access: collectors.Readable, Kinds: []evidence.Kind{evidence.AccessAudit}}
	_, err := l.audit.Get(l.ctx, "api/v2/organization/audit-trail", url.Values{"page[size]": {"1"}, "page[number]": {"1"}})
	switch code := status(err); {
	case err == nil:
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		right.Access, right.Hint = collectors.Missing, "put an audit trail token or an organization token into the file that audit_token_file names"
	case code == http.StatusNotFound:
		right.Access, right.Hint = collectors.Absent, "the edition has no audit trail (Terraform Enterprise writes it to its own log), or the token may not read it"
	default:
		return err
	}
	x.Rights = append(x.Rights, right)
	x.Oldest = append(x.Oldest, collectors.Oldest{What: "audit trail", Kept: "14 days"})
	return nil
}

// version is what an answer's head says of the platform: Terraform Enterprise
// names its release, HCP Terraform the version of its API.
func version(h http.Header) string {
	for _, name := range []string{"X-TFE-Version", "TFP-API-Version"} {
		if v := h.Get(name); v != "" {
			return strings.TrimSpace(h.Get("TFP-AppName") + " " + text(v))
		}
	}
	return ""
}
