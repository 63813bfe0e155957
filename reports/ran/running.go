package ran

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// Running is one workload of a cluster as it really was at the instant: its
// pods and the digests they ran, beside what was declared.
type Running struct {
	Cluster   string         `json:"cluster"`
	Namespace string         `json:"namespace"`
	Workload  string         `json:"workload"` // Kind/name at the top of the pods' owners; Pod/name of a bare pod
	App       string         `json:"app,omitempty"`
	Declared  []Declared     `json:"declared,omitempty"` // by the workload itself
	Images    []RunningImage `json:"images,omitempty"`
	Pods      int            `json:"pods"`         // that ran
	Waiting   int            `json:"waiting_pods"` // that were there and did not run
	Why       []string       `json:"waiting_for,omitempty"`
	Nodes     []string       `json:"nodes,omitempty"`
	Regions   []string       `json:"regions,omitempty"`
	Since     time.Time      `json:"since,omitzero"` // start of the oldest pod that ran
	Fit       Fit            `json:"fit"`
	Seqs      []uint64       `json:"records"`

	decl *declared
	pods []*pod
	keys map[string]int // of Images, by container, reference and digest
}

// Declared is one container that a workload asks for.
type Declared struct {
	Container string `json:"container"`
	Image     string `json:"image"`
}

// RunningImage is what one container of a workload's pods ran.
type RunningImage struct {
	Container string    `json:"container"`
	Asked     string    `json:"asked"`            // the reference the pod asked for
	Digest    string    `json:"digest,omitempty"` // as the node reports it
	Unjoined  bool      `json:"unjoined,omitempty"`
	Index     string    `json:"index,omitempty"` // digest of the index that holds it, where the registry says
	Pods      int       `json:"pods"`
	Since     time.Time `json:"since,omitzero"` // start of the oldest of these pods
	Newest    time.Time `json:"newest,omitzero"`

	seqs []uint64
}

// Fit says how what ran compares with what was declared.
type Fit string

// The answers, the worst last.
const (
	FitsDeclared Fit = "as-declared"
	FitRolling   Fit = "rolling-out" // it differs, and a change just before the instant explains it
	FitUnknown   Fit = "not-known"   // nothing observed says what was declared, or the digests cannot be joined
	FitDiffers   Fit = "differs"
)

var fits = []Fit{FitsDeclared, FitRolling, FitUnknown, FitDiffers}

func (r *Running) worsen(f Fit) {
	if slices.Index(fits, f) > slices.Index(fits, r.Fit) {
		r.Fit = f
	}
}

func (r *Running) name() string { return r.Namespace + "/" + r.Workload }

// pod is one pod in force.
type pod struct {
	rec   evidence.Record
	facts evidence.PodFacts
}

// declared is one workload object in force.
type declared struct {
	rec   evidence.Record
	facts evidence.WorkloadFacts
	past  *templates // filled when asked for
}

// fleet is what the clusters of the tenant held at the instant.
type fleet struct {
	pods   []*pod
	works  []*declared
	byUID  map[string]*declared
	byName map[string]*declared
	region map[string]string // of a node
	app    map[string]string // of an object that an application lists
	podsIn map[string]bool   // clusters whose pods were seen at the instant
	declIn map[string]bool   // clusters whose workloads were
}

func key(parts ...string) string { return strings.Join(parts, "\x00") }

// running tells what the pods ran. Without a source that observes pods it
// leaves the list empty and Observed false.
func (b *builder) running(ctx context.Context) error {
	b.a.Running = []Running{}
	b.a.PodsSeen = anyCovered(b.cov, evidence.RuntimePod, b.at)
	f, err := b.fleet(ctx)
	if err != nil {
		return err
	}
	b.fl = f
	groups := map[string]*Running{}
	var order []*Running
	group := func(cluster, ns, workload string) *Running {
		k := key(cluster, ns, workload)
		if groups[k] == nil {
			groups[k] = &Running{Cluster: cluster, Namespace: ns, Workload: workload, Fit: FitsDeclared, keys: map[string]int{}}
			order = append(order, groups[k])
		}
		return groups[k]
	}
	for _, d := range f.works {
		if _, up := f.owner(d); up != "" {
			continue
		}
		r := group(d.facts.Cluster, d.facts.Namespace, d.facts.Kind+"/"+d.facts.Name)
		r.declare(d)
	}
	for _, p := range f.pods {
		d, name := f.top(p)
		r := group(p.facts.Cluster, p.facts.Namespace, name)
		if d != nil && r.decl == nil {
			r.declare(d)
		}
		r.add(p, f.region[key(p.facts.Cluster, p.facts.Node)])
		b.cite(&p.rec)
	}
	for _, r := range order {
		if r.decl != nil {
			b.cite(&r.decl.rec)
		}
		r.App = f.appOf(r)
		r.sort()
		if err := b.index(ctx, r); err != nil {
			return err
		}
	}
	slices.SortFunc(order, func(x, y *Running) int {
		return cmp.Or(strings.Compare(x.Cluster, y.Cluster), strings.Compare(x.Namespace, y.Namespace), strings.Compare(x.Workload, y.Workload))
	})
	if err := b.differences(ctx, order); err != nil {
		return err
	}
	for _, r := range order {
		// A workload without a pod that is in order (a schedule, one scaled to
		// nothing) is no thing that ran.
		if len(r.pods) > 0 || r.Fit == FitDiffers || r.Fit == FitRolling {
			b.a.Running = append(b.a.Running, *r)
		}
	}
	return nil
}

// fleet reads the states of the clusters at the instant.
func (b *builder) fleet(ctx context.Context) (*fleet, error) {
	f := &fleet{
		byUID: map[string]*declared{}, byName: map[string]*declared{}, region: map[string]string{}, app: map[string]string{},
		podsIn: b.clusters(evidence.RuntimePod), declIn: b.clusters(evidence.RuntimeWorkload),
	}
	err := states(ctx, b, evidence.RuntimeWorkload, func(rec *evidence.Record, w evidence.WorkloadFacts) {
		d := &declared{rec: *rec, facts: w}
		if f.byUID[w.UID] == nil || w.UID == "" {
			f.works = append(f.works, d)
			f.byUID[w.UID] = d
			f.byName[key(w.Cluster, w.Namespace, w.Kind+"/"+w.Name)] = d
		}
	})
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	err = states(ctx, b, evidence.RuntimePod, func(rec *evidence.Record, p evidence.PodFacts) {
		// Two sources may watch one cluster.
		if k := key(p.Cluster, p.Namespace, p.Name, p.UID); !seen[k] {
			seen[k] = true
			f.pods = append(f.pods, &pod{*rec, p})
		}
	})
	if err != nil || len(f.pods) == 0 {
		return f, err
	}
	err = states(ctx, b, evidence.RuntimeNode, func(rec *evidence.Record, n evidence.NodeFacts) {
		f.region[key(n.Cluster, n.Name)] = n.Region
		b.cite(rec)
	})
	for i := range b.deploys {
		d := &b.deploys[i]
		if d.facts.Flux != nil && d.facts.Flux.Remote != "" {
			continue // its objects are in another cluster, which bears no name
		}
		for _, o := range d.facts.Resources {
			f.app[key(d.rec.Source.Authority(), o.Namespace, o.Kind+"/"+o.Name)] = d.facts.App
		}
	}
	return f, err
}

// states hands on every state of a kind in force at the instant. A record that
// cannot be opened is counted.
func states[F any](ctx context.Context, b *builder, kind evidence.Kind, each func(*evidence.Record, F)) error {
	for rec, err := range b.r.States(ctx, kind, b.at) {
		if err != nil {
			return err
		}
		var f F
		if rec.Decode(&f) != nil {
			b.a.Closed = append(b.a.Closed, rec.Seq)
			b.cite(&rec)
			continue
		}
		each(&rec, f)
	}
	return nil
}

// clusters lists the authorities whose things of the kind were seen at the
// instant.
func (b *builder) clusters(kind evidence.Kind) map[string]bool {
	in := map[string]bool{}
	for _, id := range b.cov.Sources(kind) {
		if sighting(b.cov, id, kind, b.at).Covered() {
			in[id.Authority()] = true
		}
	}
	return in
}

// owner returns the workload that owns d, and its Kind/name; nil and a name
// when that was not seen.
func (f *fleet) owner(d *declared) (*declared, string) {
	o := d.facts.Owner
	if o == nil {
		return nil, ""
	}
	return f.byUID[o.UID], o.Kind + "/" + o.Name
}

// top follows the owners of a pod to the workload that nobody else made, and
// returns it, as far as it was seen, with its Kind/name.
func (f *fleet) top(p *pod) (*declared, string) {
	o := p.facts.Owner
	if o == nil {
		return nil, "Pod/" + p.facts.Name
	}
	d, name := f.byUID[o.UID], o.Kind+"/"+o.Name
	for range 8 { // no chain of owners is that long
		if d == nil {
			break
		}
		name = d.facts.Kind + "/" + d.facts.Name
		up, upName := f.owner(d)
		if upName == "" {
			return d, name
		}
		d, name = up, upName
	}
	if w := p.facts.Workload; w != "" {
		name = w
	}
	return f.byName[key(p.facts.Cluster, p.facts.Namespace, name)], name
}

// appOf says which application declares a workload, "" when none is known to.
func (f *fleet) appOf(r *Running) string {
	if r.decl != nil && r.decl.facts.App != "" {
		return r.decl.facts.App
	}
	for _, p := range r.pods {
		if p.facts.App != "" {
			return p.facts.App
		}
	}
	return f.app[key(r.Cluster, r.Namespace, r.Workload)]
}

func (r *Running) declare(d *declared) {
	r.decl = d
	r.Seqs = append(r.Seqs, d.rec.Seq)
	for _, c := range d.facts.Containers {
		if !c.Init {
			r.Declared = append(r.Declared, Declared{c.Name, c.Image})
		}
	}
}

// add counts a pod in. One that is over no longer runs and is left out.
func (r *Running) add(p *pod, region string) {
	if p.facts.Phase == "Succeeded" || p.facts.Phase == "Failed" {
		return
	}
	r.pods = append(r.pods, p)
	r.Seqs = append(r.Seqs, p.rec.Seq)
	runs := false
	start := cmp.Or(p.facts.StartedAt, p.facts.CreatedAt, p.rec.Occurred)
	for i := range p.facts.Containers {
		c := &p.facts.Containers[i]
		if c.State != "running" {
			if why := cmp.Or(c.Reason, c.State); c.State == "waiting" && !slices.Contains(r.Why, why) {
				r.Why = append(r.Why, why)
			}
			continue
		}
		runs = true
		r.image(c, p, start)
	}
	if !runs {
		r.Waiting++
		return
	}
	r.Pods++
	if r.Since.IsZero() || start.Before(r.Since) {
		r.Since = start
	}
	r.Nodes, r.Regions = with(r.Nodes, p.facts.Node), with(r.Regions, region)
}

func with(list []string, s string) []string {
	if s == "" || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func (r *Running) image(c *evidence.ContainerFacts, p *pod, start time.Time) {
	k := key(c.Name, c.Image, c.Digest)
	i, ok := r.keys[k]
	if !ok {
		i = len(r.Images)
		r.keys[k] = i
		r.Images = append(r.Images, RunningImage{Container: c.Name, Asked: c.Image, Digest: c.Digest, Since: start, Unjoined: c.DigestOf != "manifest"})
	}
	m := &r.Images[i]
	m.Pods++
	m.seqs = append(m.seqs, p.rec.Seq)
	if start.Before(m.Since) {
		m.Since = start
	}
	if start.After(m.Newest) {
		m.Newest = start
	}
}

func (r *Running) sort() {
	slices.Sort(r.Nodes)
	slices.Sort(r.Regions)
	slices.Sort(r.Why)
	slices.SortStableFunc(r.Images, func(x, y RunningImage) int {
		return cmp.Or(strings.Compare(x.Container, y.Container), strings.Compare(x.Asked, y.Asked), strings.Compare(x.Digest, y.Digest))
	})
}
