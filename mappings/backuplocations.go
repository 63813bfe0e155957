package mappings

import (
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

var locationsView = &view{
	View: View{
		Name:  "backup_locations",
		Doc:   "Places backups are kept in: one item for each that existed in the period, and one for each that only backups of the period name.",
		Kinds: []evidence.Kind{evidence.BackupLocation},
		Fields: []Field{
			atEnd,
			{Name: "name", Type: "string", Doc: "namespace and name of the location"},
			{Name: "provider", Type: "string", Doc: "whose storage it is"},
			{Name: "bucket", Type: "string", Doc: "bucket, and the prefix in it"},
			{Name: "read_only", Type: "bool", Doc: "nothing can be written there, at the end"},
			{Name: "region", Type: "string", Optional: true, Doc: "region it names, at the end"},
			{Name: "reachable", Type: "bool", Optional: true, Doc: "it could be reached, at the end of the period or when it went"},
			{Name: "longest_unreachable", Type: "duration", Doc: "longest stretch in which it was seen out of reach, without a blind window in it"},
			{Name: "blind", Type: "bool", Doc: "for some of the time that it existed in the period nobody looked at it"},
			{Name: "longest_possible_unreachable", Type: "duration", Doc: "as longest_unreachable, counting blind windows and unknown states as out of reach"},
			{Name: "other_region", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.RuntimeNode}, Doc: "no node of the cluster was in its region in the period; missing where a region is not known"},
		},
	},
	build: buildLocations,
}

func buildLocations(ctx context.Context, s *scene, yield func(*item) error) error {
	flat, err := stretches[evidence.LocationFacts](ctx, s, evidence.BackupLocation)
	if err != nil {
		return err
	}
	missing, err := s.untoldLocations(ctx, flat)
	if err != nil || len(flat)+len(missing) == 0 {
		return err
	}
	nodes, err := s.nodeRegions(ctx)
	if err != nil {
		return err
	}
	var its []*item
	for sts := range perSubject(flat) {
		its = append(its, s.locationItem(sts, nodes))
	}
	for _, m := range missing {
		it := m.item()
		it.set("provider", "").set("bucket", "").set("read_only", false).set("blind", true)
		it.set("longest_unreachable", time.Duration(0)).set("longest_possible_unreachable", s.period.Duration())
		its = append(its, it.unseen("region", untold).unseen("reachable", untold).unseen("other_region", untold))
	}
	return yieldSorted(its, yield)
}

// untold says of a location why nothing is known of it.
const untold = "backups name it, and no record of it reached this log: no tenancy rule gives it to the tenant"

// untoldLocation is a storage location that backups of the period name and of
// which the log has no record.
type untoldLocation struct {
	name   string // namespace/name
	seq    uint64 // of the first backup that names it
	source evidence.SourceID
	at     time.Time
}

func (u *untoldLocation) item() *item {
	it := &item{
		seqs: []uint64{u.seq}, kind: evidence.BackupRun, at: u.at, label: "backup location " + u.name,
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	return it.set("source", string(u.source)).set("happened", u.at).set("at_end", true).set("name", u.name)
}

// untoldLocations finds them, in the order of their first backup.
func (s *scene) untoldLocations(ctx context.Context, told []stretch[evidence.LocationFacts]) (out []*untoldLocation, err error) {
	known := map[string]bool{}
	for i := range told {
		f := &told[i].facts
		known[scheduleKey(f.Cluster, f.Namespace, f.Name)] = true
	}
	err = events(ctx, s, func(r *evidence.Record, seqs []uint64) error {
		var f evidence.BackupFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		key := scheduleKey(f.Cluster, f.Namespace, f.Location)
		if f.Location == "" || known[key] {
			return nil
		}
		known[key] = true
		out = append(out, &untoldLocation{f.Namespace + "/" + f.Location, seqs[0], r.Source, r.Occurred})
		return nil
	}, evidence.BackupRun)
	return out, err
}

// regions is where the nodes of one cluster stood in the period.
type regions struct {
	names   []string
	unnamed int // nodes whose region is not known
}

// nodeRegions returns the regions of nodes by cluster.
func (s *scene) nodeRegions(ctx context.Context) (map[string]*regions, error) {
	flat, err := stretches[evidence.NodeFacts](ctx, s, evidence.RuntimeNode)
	if err != nil {
		return nil, err
	}
	by := map[string]*regions{}
	for i := range flat {
		f := &flat[i].facts
		r := by[f.Cluster]
		if r == nil {
			r = &regions{}
			by[f.Cluster] = r
		}
		switch {
		case f.Region == "":
			r.unnamed++
		case !slices.Contains(r.names, f.Region):
			r.names = append(r.names, f.Region)
		}
	}
	return by, nil
}

func (s *scene) locationItem(sts []stretch[evidence.LocationFacts], nodes map[string]*regions) *item {
	last, _ := newestOf(sts)
	f := &last.facts
	it := subjectItem(sts, evidence.BackupLocation, "backup location "+f.Namespace+"/"+f.Name)
	bucket := f.Bucket
	if f.Prefix != "" {
		bucket += "/" + f.Prefix
	}
	it.set("name", f.Namespace+"/"+f.Name).set("provider", f.Provider).set("bucket", bucket).set("read_only", f.AccessMode == "ReadOnly")
	switch f.Phase {
	case "Available", "Unavailable":
		it.set("reachable", f.Phase == "Available")
		if f.Phase == "Unavailable" {
			it.why["reachable"] = "it is out of reach"
		}
	default:
		it.lacks("reachable", "the source does not say whether it can be reached")
	}
	out := longest(s, evidence.BackupLocation, sts, func(f *evidence.LocationFacts) tri {
		switch f.Phase {
		case "Available":
			return no
		case "Unavailable":
			return yes
		}
		return unknown
	})
	it.set("blind", out.blind).set("longest_unreachable", out.sure).set("longest_possible_unreachable", out.possible)
	if out.sure > 0 {
		it.why["longest_unreachable"] = fmt.Sprintf("out of reach for %s from %s", human(out.sure), evidence.FormatTime(out.from))
		it.front(out.seqs...)
	}
	apart(it, sts, nodes[f.Cluster])
	return it
}

// apart says whether the location, in every form it had in the period, is in
// another region than all nodes of its cluster.
func apart(it *item, sts []stretch[evidence.LocationFacts], nodes *regions) {
	last, _ := newestOf(sts)
	if last.facts.Region == "" {
		it.lacks("region", "the location names no region")
	} else {
		it.set("region", last.facts.Region)
	}
	unnamed := false
	for i := range sts {
		region := sts[i].facts.Region
		unnamed = unnamed || region == ""
		if nodes != nil && slices.Contains(nodes.names, region) {
			it.set("other_region", false)
			it.why["other_region"] = "it is in " + region + ", as nodes of the cluster are"
			return
		}
	}
	switch {
	case unnamed:
		it.lacks("other_region", "the location names no region")
	case nodes == nil:
		it.unseen("other_region", "no node of its cluster was seen")
	case nodes.unnamed > 0:
		it.lacks("other_region", plural(nodes.unnamed, "node")+" without a region")
	default:
		it.set("other_region", true)
	}
}
