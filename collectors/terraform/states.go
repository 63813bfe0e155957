package terraform

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// stateAttr is what of a state version's attributes is read: what the platform
// says about it, and nothing of what it holds.
// See https://developer.hashicorp.com/terraform/cloud-docs/api-docs/state-versions
type stateAttr struct {
	CreatedAt    moment         `json:"created-at"`
	Serial       int64          `json:"serial"`
	Status       string         `json:"status"`
	Format       int64          `json:"state-version"`
	Size         int64          `json:"size"`
	Version      string         `json:"terraform-version"`
	Commit       string         `json:"vcs-commit-sha"`
	Intermediate bool           `json:"intermediate"`
	Processed    bool           `json:"resources-processed"`
	Resources    []wireResource `json:"resources"`
}

// wireResource is one resource of a state, by its configuration.
type wireResource struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Count    int64  `json:"count"`
	Module   string `json:"module"`
	Provider string `json:"provider"`
}

// readStates reads the versions of the workspace's state that are new, or of which
// the platform had not yet found out what stands in them.
func (w *workspace) readStates() error {
	p := &w.st.States
	if w.told && w.current == w.st.Current && !p.Looked.IsZero() && len(p.Open) == 0 {
		return nil
	}
	floor := time.Time{}
	if p.Looked.IsZero() && w.cfg.History > 0 {
		floor = w.started.Add(-w.cfg.History)
	}
	made, told, open := map[string]time.Time{}, map[string]bool{}, []string{}
	tell := func(d *document, r *resource, a *stateAttr) error {
		made[r.ID] = a.CreatedAt.Time
		if told[r.ID] || p.knows(r.ID, a.CreatedAt.Time) {
			return nil
		}
		told[r.ID] = true
		if !w.finished(a) {
			open = append(open, r.ID)
		}
		return w.tellState(d, r, a)
	}
	query := url.Values{"filter[organization][name]": {w.cfg.Organization}, "filter[workspace][name]": {w.attr.Name}}
	_, _, err := w.pages(w.fetch, "state-versions", query, pageSize, func(d *document) (bool, error) {
		fresh := false
		for _, raw := range d.items {
			r, a, err := readState(raw)
			if err == nil && !w.owns(r) {
				return false, d.odd("holds a version of another workspace's state")
			}
			if err != nil {
				if err := w.odd(&w.states, d, "a version of a state without an id, a time or a known form"); err != nil {
					return false, err
				}
				fresh = true
				continue
			}
			// The current version is read however old it is.
			if a.CreatedAt.Before(floor) && r.ID != w.current {
				continue
			}
			fresh = fresh || !p.knows(r.ID, a.CreatedAt.Time)
			if err := tell(d, r, a); err != nil {
				return false, err
			}
		}
		return fresh, nil
	})
	if err == nil {
		err = w.reread(p, made, func(id string) error {
			d, err := w.get(w.ctx, w.fetch, "state-versions/"+id, nil)
			if err != nil {
				return err
			}
			r, a, err := readState(d.Data)
			if err != nil || r.ID != id || !w.owns(r) {
				return d.odd("is not the version that was asked for")
			}
			return tell(d, r, a)
		}, &w.states, &open)
	}
	if err != nil {
		w.states.spoil("the versions of a state could not be read")
		return w.miss(err, "versions of the state of workspace %s", w.id)
	}
	w.settle(p, made, open)
	if p.Newest.IsZero() {
		p.Newest = floor
	}
	w.st.Current = w.current
	return nil
}

// unfinished is how long the platform may take to find out what stands in a state.
const unfinished = 24 * time.Hour

// finished reports whether a version will not change any more. One that the
// platform cannot look into stays as it is.
func (w *workspace) finished(a *stateAttr) bool {
	return a.Processed && a.Status != "pending" || w.started.Sub(a.CreatedAt.Time) > unfinished
}

// readState reads one version, which has an id and a time.
func readState(raw json.RawMessage) (*resource, *stateAttr, error) {
	r, err := object(raw, "state-versions")
	if err != nil {
		return nil, nil, err
	}
	a := &stateAttr{}
	if json.Unmarshal(r.Attributes, a) != nil || a.CreatedAt.IsZero() {
		return nil, nil, errShape
	}
	return r, a, nil
}

// Limits on what the facts of one version list.
const (
	maxResources = 1000
	maxProviders = 200
)

// tellState records a version.
func (w *workspace) tellState(d *document, r *resource, a *stateAttr) error {
	who := w.people()
	f := &evidence.InfraStateFacts{
		Organization: w.cfg.Organization, Workspace: text(w.attr.Name), WorkspaceID: w.id, ID: r.ID, Serial: a.Serial,
		Status: word(a.Status), Format: a.Format, Size: a.Size, TerraformVersion: text(a.Version), CreatedAt: a.CreatedAt.Time,
		Commit: forge.ObjectOrNone(strings.ToLower(a.Commit)), Intermediate: a.Intermediate, Processed: a.Processed,
	}
	f.Creator = who.add(evidence.RoleInitiator, r.one("created-by"))
	var ls links
	ls.add(w.subject())
	if run := r.one("run"); goodID(run.ID) {
		f.Run = run.ID
		ls.add(w.runRef(run.ID))
	}
	ls.commit(f.Commit)
	if a.Processed {
		holds(f, resourcesOf(a.Resources))
	}
	x := w.draft(evidence.InfraState, evidence.OpEvent, w.stateRef(r.ID), f, d.req)
	x.Key, x.OccurredAt, x.Basis = r.ID, a.CreatedAt.Time, evidence.BasisSource
	x.People, x.Links, x.Scope = who.List, slices.Clip(ls), w.scope()
	if len(who.List) > 0 {
		x.ActorScope = w.sourceRef()
	}
	fit(&x, f)
	x.Raw, x.Removed = reduce(r.raw, stateShape)
	return w.emit(x)
}

// resourcesOf are the resources of a state by their addresses. A name that is none
// of Terraform's stands as "_": it may be anything.
func resourcesOf(wire []wireResource) (rs []evidence.InfraResource) {
	for _, w := range wire {
		rs = append(rs, evidence.InfraResource{Address: resourceAddress(w.Module, w.Type, w.Name), Type: address(w.Type), Provider: providerName(w.Provider), Count: w.Count})
	}
	return rs
}

// holds tells the resources of a state, in order, and the providers that hold
// them: those of the first resources where there are too many.
func holds(f *evidence.InfraStateFacts, rs []evidence.InfraResource) {
	slices.SortFunc(rs, compareResources)
	for _, r := range rs {
		if len(f.Providers) < maxProviders && r.Provider != "" && !slices.Contains(f.Providers, r.Provider) {
			f.Providers = append(f.Providers, r.Provider)
		}
	}
	slices.Sort(f.Providers)
	f.Resources = rs
	f.ResourcesCut += cut(&f.Resources, maxResources)
}

// fit leaves out resources until a version fits a record: addresses may be very
// long.
func fit(d *evidence.Draft, f *evidence.InfraStateFacts) {
	for len(d.Content) > evidence.MaxContent && len(f.Resources) > 0 {
		f.ResourcesCut += cut(&f.Resources, len(f.Resources)/2)
		d.Content = forge.Encode(f)
	}
}

func compareResources(a, b evidence.InfraResource) int {
	return cmp.Or(strings.Compare(a.Address, b.Address), strings.Compare(a.Provider, b.Provider), cmp.Compare(a.Count, b.Count))
}

// resourceAddress joins what the platform takes apart.
func resourceAddress(module, kind, name string) string {
	parts := []string{kind, name}
	if module != "" && module != "root" {
		parts = []string{module, kind, name}
	}
	for i, p := range parts {
		if parts[i] = address(p); parts[i] == "" {
			parts[i] = "_"
		}
	}
	return strings.Join(parts, ".")
}
