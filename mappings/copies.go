package mappings

import (
	"context"
	"slices"
	"strings"

	"evidenced/evidence"
)

// platformKubernetes is how an audit line says that a cluster wrote it.
const platformKubernetes = "kubernetes"

var copyReadsView = &view{
	View: View{
		Name: "secret_copy_reads",
		Doc: "Requests for Kubernetes Secrets of the tenant that the cluster's audit log holds, whatever came of them. " +
			"Where no line of a cluster's log was seen in the period, one item stands for it.",
		Kinds: []evidence.Kind{evidence.AccessAudit},
		Fields: []Field{
			{Name: "verb", Type: "string", Doc: "verb of the request"},
			{Name: "namespace", Type: "string", Doc: "namespace asked for; empty for all"},
			{Name: "name", Type: "string", Doc: "name of the Secret; empty for a list"},
			{Name: "reading", Type: "bool", Doc: "the answer holds the content: get, list, watch, or a patch or delete, a dry run too"},
			{Name: "outcome", Type: "string", Doc: "ok, denied, failed, unchanged or unknown"},
			{Name: "machine", Type: "bool", Doc: "a service account or a part of Kubernetes asked, in its own name"},
			{Name: "component", Type: "bool", Doc: "a part of Kubernetes asked: a user system:..., or an account of kube-system"},
			{Name: "account_namespace", Type: "string", Doc: "namespace of the service account that asked; empty for others"},
			{Name: "impersonated", Type: "bool", Doc: "somebody asked in another's name"},
			{Name: "masters", Type: "bool", Doc: "passed every check as a member of system:masters"},
			{Name: "caller", Type: "string", Optional: true, Doc: "whose identity asked: own, other or platform; missing where no tenancy rule knows, or where it is borrowed"},
		},
	},
	build:  buildCopyReads,
	steady: true,
}

func buildCopyReads(ctx context.Context, s *scene, yield func(*item) error) error {
	kept := false
	err := events(ctx, s, func(r *evidence.Record, seqs []uint64) error {
		var f evidence.AuditFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		kept = kept || f.Platform == platformKubernetes
		if f.Platform != platformKubernetes || f.Resource != "secrets" || f.Group != "" || f.Stage == "ResponseStarted" && f.Action != "watch" {
			return nil
		}
		return yield(s.copyRead(ctx, r, seqs, &f))
	}, evidence.AccessAudit)
	if err != nil || kept {
		return err
	}
	it := &item{
		seqs: []uint64{0}, kind: evidence.AccessAudit, at: s.period.From, label: "audit log of a cluster",
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	it.set("source", string(evidence.SelfSource)).set("happened", s.period.From)
	for _, name := range []string{"verb", "namespace", "name", "account_namespace"} {
		it.set(name, "")
	}
	for _, name := range []string{"machine", "component", "impersonated", "masters"} {
		it.set(name, false)
	}
	it.set("reading", true).set("outcome", "ok")
	return yield(it.unseen("caller", "no line of a cluster's audit log was seen in the period"))
}

func (s *scene) copyRead(ctx context.Context, r *evidence.Record, seqs []uint64, f *evidence.AuditFacts) *item {
	what := f.Namespace + "/" + f.Name
	if f.Name == "" {
		what = strings.TrimSuffix("every Secret of "+f.Namespace, " of ")
	}
	it := newItem(r, r.Occurred, f.Action+" "+what)
	it.seqs = seqs
	if f.Unauthenticated {
		it.weak = "whoever sent the line did not prove to be the cluster"
	}
	ns, _, _ := strings.Cut(f.Account, "/")
	person := f.Who >= 0 && f.Who < len(r.People)
	bot := person && s.people.bot(ctx, r.People[f.Who]) == yes
	borrowed := f.Behind >= 0 || f.BehindAccount != ""
	it.set("source", string(r.Source)).set("happened", r.Occurred).set("verb", f.Action).set("namespace", f.Namespace).set("name", f.Name)
	gives := slices.Contains([]string{"get", "list", "watch", "patch", "delete", "deletecollection"}, f.Action)
	it.set("reading", gives && f.Code < 300) // a dry run gives the content too, a conflict does not
	it.set("outcome", f.Outcome).set("impersonated", borrowed).set("masters", f.Masters).set("account_namespace", ns)
	it.set("machine", (f.Account != "" || bot) && !borrowed)
	it.set("component", (ns == "kube-system" || bot && f.Account == "") && !borrowed)
	if f.Masters {
		it.why["masters"] = "it passed every check as a member of system:masters"
	}
	switch {
	case borrowed:
		it.lacks("caller", "somebody asked in another's name, and who that serves is not told")
	case r.Actor == evidence.ActorOwn, r.Actor == evidence.ActorOther, r.Actor == evidence.ActorPlatform:
		it.set("caller", string(r.Actor))
		switch {
		case r.Actor == evidence.ActorOther:
			it.why["caller"] = "read by an identity of another tenant"
		case r.Actor == evidence.ActorPlatform && f.Account == "":
			it.why["caller"] = "read by a person of the platform"
		}
	default:
		it.lacks("caller", "no tenancy rule knows whose identity it is")
	}
	return it
}
