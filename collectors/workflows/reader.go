package workflows

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

const (
	group = "argoproj.io"

	kindRun             = "Workflow"
	kindCron            = "CronWorkflow"
	kindTemplate        = "WorkflowTemplate"
	kindClusterTemplate = "ClusterWorkflowTemplate"
)

// resourceOf has the resources of the kinds, with their group.
var resourceOf = map[string]string{
	kindRun: "workflows." + group, kindCron: "cronworkflows." + group,
	kindTemplate: "workflowtemplates." + group, kindClusterTemplate: "clusterworkflowtemplates." + group,
}

// reader makes drafts of Argo's objects. It is used by one goroutine at a time.
type reader struct {
	cfg       Config
	authority string
	realm     string // of its people
	memory    memory
	archive   *archive // nil: none configured

	// Look.Whole, Look.ListedAt and Look.Again, but in tests.
	complete func(l *kube.Look, resource string) bool
	listed   func(l *kube.Look, resource string) time.Time
	again    func(l *kube.Look, resource, namespace string)
}

func newReader(cfg Config, env collectors.Env) *reader {
	r := &reader{cfg: cfg, authority: env.Source.Authority(), complete: (*kube.Look).Whole, listed: (*kube.Look).ListedAt, again: (*kube.Look).Again}
	r.realm = "argo:" + r.authority
	return r
}

// resources lists what is read, templates and schedules first: they say what runs
// are for. What may hold secrets is taken out of a run after what ran was hashed,
// see [withoutValues].
func (r *reader) resources() []kube.Resource {
	v1 := []string{"v1alpha1"}
	needs := []string{resourceOf[kindClusterTemplate], resourceOf[kindTemplate], resourceOf[kindCron]}
	return []kube.Resource{
		{Group: group, Resource: "clusterworkflowtemplates", Kind: kindClusterTemplate, Versions: v1, Cluster: true, Optional: true, Metadata: true,
			Drafts: r.purposeOf, Gone: r.purposeGone},
		{Group: group, Resource: "workflowtemplates", Kind: kindTemplate, Versions: v1, Metadata: true, Drafts: r.purposeOf, Gone: r.purposeGone},
		{Group: group, Resource: "cronworkflows", Kind: kindCron, Versions: v1, Kinds: []evidence.Kind{evidence.WorkflowSchedule},
			Drafts: r.schedule, Gone: r.scheduleGone},
		{Group: group, Resource: "workflows", Kind: kindRun, Versions: v1, Kinds: []evidence.Kind{evidence.WorkflowRun}, Needs: needs,
			Drafts: r.run, Gone: r.runGone},
	}
}

// ended reports whether a run of the phase came to an end. It may begin again:
// a retry goes on under the same uid.
func ended(phase string) bool { return phase == "Succeeded" || phase == "Failed" || phase == "Error" }

func (r *reader) run(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	d, f, err := r.draft(o, l, false)
	if err != nil {
		return nil, err
	}
	if !ended(f.Phase) {
		r.memory.see(o.UID, o.Namespace, o.ObservedAt)
		return []evidence.Draft{d}, nil
	}
	delete(r.memory.Open, o.UID)
	if r.archive == nil {
		return []evidence.Draft{d}, nil
	}
	if f.NodesUnread != "" && r.memory.told(o.UID, f.FinishedAt) {
		return nil, nil // the archive told more of it
	}
	if f.NodesUnread == "" {
		r.memory.tell(o.UID, f.FinishedAt)
	}
	return []evidence.Draft{d}, nil
}

// runGone makes the draft of a run that was deleted: its last form. That one was
// deleted after its end is no news, the controller does it.
func (r *reader) runGone(ctx context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	d, f, err := r.draft(o, l, true)
	if err != nil {
		if _, ok := r.memory.Open[o.UID]; ok {
			r.memory.lose(o.UID, o.ObservedAt) // nobody tells of it again
		}
		return nil, err
	}
	if ended(f.Phase) {
		return r.run(ctx, o, l)
	}
	delete(r.memory.Open, o.UID)
	return []evidence.Draft{d}, nil
}

// draft makes workflow.run of an object. Gone: it was deleted, which is told of a
// run that had not ended.
func (r *reader) draft(o *kube.Object, l *kube.Look, gone bool) (evidence.Draft, *evidence.WorkflowRunFacts, error) {
	var w workflow
	if err := o.Decode(&w); err != nil {
		return evidence.Draft{}, nil, err
	}
	var spec, stored runSpec
	specUnread := ""
	for _, part := range []struct {
		raw json.RawMessage
		to  *runSpec
	}{{w.Spec, &spec}, {w.Status.StoredSpec, &stored}} {
		specUnread = cmp.Or(specUnread, readSpec(part.raw, part.to))
	}
	f := &evidence.WorkflowRunFacts{
		Cluster: r.authority, Namespace: o.Namespace, Name: o.Name, UID: o.UID, Phase: phaseOf(w.Status.Phase),
		CreatedAt: o.CreatedAt, StartedAt: w.Status.StartedAt.Time, FinishedAt: w.Status.FinishedAt.Time,
		Entrypoint: word(cmp.Or(spec.Entrypoint, stored.Entrypoint)), Schedule: word(o.Labels[labelCron]), DueAt: instant(o.Annotations[annotationDue]),
		ResubmittedFrom: word(o.Labels[labelResubmitted]), Binding: word(o.Labels[labelBinding]), Creator: -1, Actor: -1, Action: word(o.Labels[labelAction]),
		Account: word(cmp.Or(spec.ServiceAccountName, stored.ServiceAccountName)), Suspended: spec.Suspend, Shutdown: word(cmp.Or(spec.Shutdown, stored.Shutdown)),
		Fired: fired(o.Labels), SpecUnread: specUnread,
	}
	cron := ownerCron(o)
	if cron != nil {
		f.Schedule = word(cron.Name)
	}
	f.Template = templateOf(o, &w, &spec)
	f.Templates, f.TemplatesCut = storedOf(w.Status.StoredTemplates)
	f.Purpose, f.PurposeFrom, f.Unread = r.forWhat(l, o.Namespace, r.said(o.Labels, o.Annotations), f.Schedule, f.Template.Kind, f.Template.Name)
	arguments := slices.Concat(spec.Arguments.Parameters, stored.Arguments.Parameters)
	f.Parameters, f.ParametersCut = r.params(arguments)
	f.Outputs, f.OutputsCut = r.params(w.Status.Outputs.Parameters)
	over := ended(f.Phase)
	if gone && !over {
		f.DeletedAt = o.ObservedAt
	}
	r.nodes(f, &w, &spec, &stored, over || gone)

	d, err := r.fit(o, l, f)
	if err != nil {
		return d, nil, err
	}
	remove := removedOfRun
	if f.NodesUnread == nodesOdd {
		remove = append(slices.Clone(remove), "/status/nodes")
	}
	if f.SpecUnread != "" {
		remove = append(slices.Clone(remove), "/spec") // what in it is a value is not known
	}
	if d.Raw, d.Removed, err = withoutValues(o, remove); err != nil {
		return d, nil, err
	}
	happened(&d, f.FinishedAt, f.StartedAt, f.CreatedAt)
	if gone && !over {
		d.OccurredAt, d.Basis, d.NotBefore = o.ObservedAt, evidence.BasisObserved, time.Time{}
	}
	d.People = r.people(o.Labels, f)
	if d.Content, err = evidence.EncodeFacts(f); err != nil {
		return d, nil, err
	}
	d.Links = r.links(o, l, f, cron)
	return d, f, nil
}

// fit makes the draft with as many nodes as its limit allows.
func (r *reader) fit(o *kube.Object, l *kube.Look, f *evidence.WorkflowRunFacts) (evidence.Draft, error) {
	const room = 8 << 10 // for the places of people
	for all, cut, keep := f.Nodes, f.NodesCut, len(f.Nodes); ; keep /= 2 {
		f.Nodes, f.NodesCut = all[:keep], cut+len(all)-keep
		d, err := l.Draft(evidence.WorkflowRun, o, f)
		if err != nil || len(d.Content) <= evidence.MaxContent-room || keep == 0 {
			return d, err
		}
	}
}

func phaseOf(s string) string {
	if s == "" {
		return "Unknown" // the controller has not come to it
	}
	return word(s)
}

// happened dates a draft by the source's own time, where it has one.
func happened(d *evidence.Draft, times ...time.Time) {
	for _, t := range times {
		if !t.IsZero() {
			d.OccurredAt, d.Basis, d.NotBefore = t.UTC(), evidence.BasisSource, time.Time{}
			return
		}
	}
}

// fired reads what Argo Events writes on what it makes; nil when it did not.
func fired(labels map[string]string) *evidence.WorkflowFiring {
	if labels[labelSensor] == "" {
		return nil
	}
	f := &evidence.WorkflowFiring{Sensor: word(labels[labelSensor]), Trigger: word(labels[labelTrigger])}
	if ms, err := strconv.ParseInt(labels[labelFiredAt], 10, 64); err == nil && ms > 0 {
		if t := time.UnixMilli(ms).UTC(); t.Year() <= 9999 {
			f.At = t
		}
	}
	return f
}

// ownerCron is the CronWorkflow that owns the run, nil when none does.
func ownerCron(o *kube.Object) *kube.Owner {
	for i := range o.Owners {
		if w := &o.Owners[i]; w.Kind == kindCron && w.Group() == group {
			return w
		}
	}
	return nil
}

// maxParameters bounds the parameters that are listed of one run or node.
const maxParameters = 50

// params lists parameters by name, each once; the first that has a value counts.
func (r *reader) params(list []parameter) (out []evidence.WorkflowParameter, cut int) {
	for _, p := range list {
		if p.Name == "" {
			continue
		}
		x := evidence.WorkflowParameter{Name: word(p.Name)}
		if slices.Contains(r.cfg.KeepValues, p.Name) {
			x.Value = valueOf(p.Value)
			if x.Value == "" {
				x.Value = valueOf(p.Default)
			}
		}
		i := slices.IndexFunc(out, func(o evidence.WorkflowParameter) bool { return o.Name == x.Name })
		switch {
		case i >= 0:
			out[i].Value = cmp.Or(out[i].Value, x.Value)
		case len(out) == maxParameters:
			cut++
		default:
			out = append(out, x)
		}
	}
	return out, cut
}

func valueOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return word(s)
	}
	if s := string(raw); s != "null" {
		return word(s)
	}
	return ""
}

// people makes persons of the labels. They are claims: the server writes them,
// shortened to their last 63 characters and with other characters replaced, and
// so may anybody else who may write workflows.
func (r *reader) people(labels map[string]string, f *evidence.WorkflowRunFacts) (out []evidence.Person) {
	for _, who := range []struct {
		label string
		role  evidence.Role
		at    *int
	}{{labelCreator, evidence.RoleInitiator, &f.Creator}, {labelActor, evidence.RoleActor, &f.Actor}} {
		names := evidence.Names{Login: labels[who.label+suffixName], Mail: mailOf(labels[who.label+suffixMail])}
		id := cmp.Or(labels[who.label], names.Mail, names.Login)
		if id == "" {
			continue
		}
		names.Login = cmp.Or(names.Login, labels[who.label])
		names.Bot = strings.HasPrefix(labels[who.label], "system-serviceaccount-")
		*who.at = len(out)
		out = append(out, evidence.Person{Role: who.role, Realm: r.realm, NativeID: id, Names: names, Proof: evidence.ProofClaimed})
	}
	return out
}

// mailOf undoes what the server does to an address for a label to hold it.
func mailOf(label string) string {
	if i := strings.LastIndex(label, ".at."); i > 0 {
		return label[:i] + "@" + label[i+len(".at."):]
	}
	return ""
}

func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return kube.Time(&t)
}

// links names what a run is joined with.
func (r *reader) links(o *kube.Object, l *kube.Look, f *evidence.WorkflowRunFacts, cron *kube.Owner) (out []evidence.Ref) {
	add := func(ref evidence.Ref) {
		if len(out) < evidence.MaxLinks && len(ref.String()) <= evidence.MaxRef && !slices.Contains(out, ref) {
			out = append(out, ref)
		}
	}
	switch {
	case cron != nil:
		add(l.Ref(group, kindCron, o.Namespace, cron.Name).WithUID(cron.UID))
	case f.Schedule != "":
		add(l.Ref(group, kindCron, o.Namespace, f.Schedule))
	}
	switch f.Template.Kind {
	case kindTemplate:
		add(l.Ref(group, kindTemplate, o.Namespace, f.Template.Name))
	case kindClusterTemplate:
		add(l.Ref(group, kindClusterTemplate, "", f.Template.Name))
	}
	if f.ResubmittedFrom != "" {
		add(l.Ref(group, kindRun, o.Namespace, f.ResubmittedFrom))
	}
	if f.Fired != nil {
		add(l.Ref(group, "Sensor", o.Namespace, f.Fired.Sensor))
	}
	if f.Account != "" {
		add(l.Ref("", "ServiceAccount", o.Namespace, f.Account))
	}
	for _, digest := range f.Images {
		add(evidence.NewRef("image", "", digest))
	}
	return out
}

// specOdd is why a spec is not known. Argo's definitions let any through; the
// controller refuses such a one, and the run has come to its end.
const specOdd = "it is not of the form that Argo Workflows describes"

// readSpec takes from a spec what can be read, and says why that is not all.
func readSpec(raw json.RawMessage, to *runSpec) (unread string) {
	if len(raw) > 0 && json.Unmarshal(raw, to) != nil {
		return specOdd
	}
	return ""
}
