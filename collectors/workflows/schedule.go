package workflows

import (
	"cmp"
	"context"
	"slices"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// schedule makes workflow.schedule of a CronWorkflow.
func (r *reader) schedule(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var c cronWorkflow
	if err := o.Decode(&c); err != nil {
		return nil, err
	}
	var spec runSpec
	unread := readSpec(c.Spec.WorkflowSpec, &spec)
	r.keep(o, l)
	f := evidence.WorkflowScheduleFacts{
		Cluster: r.authority, Namespace: o.Namespace, Name: o.Name, UID: o.UID, Zone: word(c.Spec.Timezone), Suspended: c.Spec.Suspend,
		Phase: word(c.Status.Phase), Concurrency: word(c.Spec.Concurrency), DeadlineSeconds: c.Spec.Deadline, LastScheduled: c.Status.LastScheduled.Time,
		ResourceVersion: o.ResourceVersion, SpecUnread: unread,
	}
	for _, cron := range append([]string{c.Spec.Schedule}, c.Spec.Schedules...) {
		if cron != "" && len(f.Crons) < maxParameters && !slices.Contains(f.Crons, word(cron)) {
			f.Crons = append(f.Crons, word(cron))
		}
	}
	kind, name := kindRun, ""
	if ref := spec.WorkflowTemplateRef; ref != nil {
		if kind, name = kindTemplate, word(ref.Name); ref.ClusterScope {
			kind = kindClusterTemplate
		}
		f.Template = kind + "/" + name
	} else {
		f.SHA256 = hashOf(c.Spec.WorkflowSpec)
	}
	// Its runs carry the labels that it gives them. What its template says stands
	// with each run.
	f.Purpose, f.PurposeFrom = r.setting(o.Namespace, o.Name, kind, name), "setting"
	if f.Purpose == "" {
		f.Purpose, f.PurposeFrom = cmp.Or(r.said(c.Spec.Metadata.Labels, c.Spec.Metadata.Annotations), r.said(o.Labels, o.Annotations)), "schedule"
	}
	if f.Purpose == "" {
		f.PurposeFrom = ""
	}
	for _, x := range c.Status.Conditions {
		if x.Status == "True" && len(f.Conditions) < maxParameters && !slices.Contains(f.Conditions, word(x.Type)) {
			f.Conditions = append(f.Conditions, word(x.Type))
		}
	}
	slices.Sort(f.Conditions)
	d, err := l.Draft(evidence.WorkflowSchedule, o, f)
	if err != nil {
		return nil, err
	}
	remove := removedOfCron
	if unread != "" {
		remove = append(slices.Clone(remove), "/spec/workflowSpec")
	}
	if d.Raw, d.Removed, err = withoutValues(o, remove); err != nil {
		return nil, err
	}
	switch kind {
	case kindTemplate:
		d.Links = append(d.Links, l.Ref(group, kindTemplate, o.Namespace, name))
	case kindClusterTemplate:
		d.Links = append(d.Links, l.Ref(group, kindClusterTemplate, "", name))
	}
	return []evidence.Draft{d}, nil
}

// scheduleGone ends the schedule.
func (r *reader) scheduleGone(ctx context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	ds, err := r.schedule(ctx, o, l)
	for i := range ds {
		d := &ds[i]
		d.Op, d.OccurredAt, d.Basis = evidence.OpEnd, d.ObservedAt, evidence.BasisObserved
		d.Content = []byte(`{"reason":"deleted"}`)
	}
	return ds, err
}
