package mappings

import (
	"context"
	"slices"

	"evidenced/evidence"
)

var placesView = &view{
	View: View{
		Name: "places",
		Doc: "Where data is: one item for each node and each backup location that existed in the period, in each form, and one for each location that only backups name. " +
			"The places known at the begin of the period are the measure, since no list of allowed ones is configured.",
		Kinds: []evidence.Kind{evidence.RuntimeNode, evidence.BackupLocation},
		Fields: []Field{
			atEnd,
			{Name: "type", Type: "string", Doc: "node or backup-location"},
			{Name: "name", Type: "string", Doc: "name of the node or location"},
			{Name: "provider", Type: "string", Doc: "whose machine or storage it is"},
			{Name: "region", Type: "string", Optional: true, Doc: "region it is in; missing where it names none"},
			{Name: "known", Type: "bool", Optional: true, Doc: "something stood in its region when the period began; missing where that is not known"},
			{Name: "from_start", Type: "bool", Doc: "it was there, in this form, when the period began"},
		},
	},
	build:  buildPlaces,
	steady: true,
}

func buildPlaces(ctx context.Context, s *scene, yield func(*item) error) error {
	nodes, err := stretches[evidence.NodeFacts](ctx, s, evidence.RuntimeNode)
	if err != nil {
		return err
	}
	stores, err := stretches[evidence.LocationFacts](ctx, s, evidence.BackupLocation)
	if err != nil {
		return err
	}
	var its []*item
	for i := range nodes {
		f := &nodes[i].facts
		it := stateItem(&nodes[i], evidence.RuntimeNode, "node "+f.Name)
		its = append(its, it.set("type", "node").set("name", f.Name).set("provider", f.Provider).place(f.Region))
	}
	for i := range stores {
		f := &stores[i].facts
		it := stateItem(&stores[i], evidence.BackupLocation, "backup location "+f.Namespace+"/"+f.Name)
		its = append(its, it.set("type", "backup-location").set("name", f.Namespace+"/"+f.Name).set("provider", f.Provider).place(f.Region))
	}
	missing, err := s.untoldLocations(ctx, stores)
	if err != nil {
		return err
	}
	var start []string
	for _, it := range its {
		first := !it.at.After(s.period.From)
		it.set("from_start", first)
		if region, ok := it.fields["region"].(string); ok && first && !slices.Contains(start, region) {
			start = append(start, region)
		}
	}
	for _, it := range its {
		region, ok := it.fields["region"].(string)
		switch {
		case !ok:
			it.lacks("known", it.missing["region"].why)
		case slices.Contains(start, region):
			it.set("known", true)
		case len(start) == 0 && !s.cover.seen(it.kind, s.period.From):
			it.unseen("known", "nobody looked when the period began")
		case len(start) == 0:
			it.lacks("known", "no region was known when the period began")
		default:
			it.set("known", false)
			it.why["known"] = "nothing stood in " + region + " when the period began"
		}
	}
	for _, m := range missing {
		it := m.item().set("type", "backup-location").set("provider", "").set("from_start", false)
		its = append(its, it.unseen("region", untold).unseen("known", untold))
	}
	return yieldSorted(its, yield)
}

// place sets the region of an item.
func (it *item) place(region string) *item {
	if region == "" {
		return it.lacks("region", "the source does not say in which region it is")
	}
	return it.set("region", region)
}
