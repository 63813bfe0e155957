package lineage_test

import (
	"fmt"
	"slices"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/lineage"
	"evidenced/evidence/lineage/lineagetest"
)

// TestShapes holds the links of single records that collectors shape in ways
// the story does not.
func TestShapes(t *testing.T) {
	change := newRef("change", "lab", "acme/shop!7")
	line := func(name string) evidence.Ref { return newRef("pipeline", "lab", "acme/shop/"+name) }
	minus, began := 412, true
	run := newRef("object", "prod", "Workflow.argoproj.io/tenant-7/drill-1").WithUID("wf-1")
	for _, tt := range []struct {
		name    string
		kind    evidence.Kind
		op      evidence.Op
		subject evidence.Ref
		facts   any
		links   []evidence.Ref
		start   evidence.Ref
		want    []string
	}{
		{"fast-forward merge lands as its head", evidence.ChangeMerge, evidence.OpEvent, change,
			evidence.MergeFacts{Number: 7, State: "merged", HeadSHA: head, MergedAt: at(9, 0), Author: -1, Merger: -1}, []evidence.Ref{commit(head)}, change,
			[]string{"commit:/" + head + " proposed in change:lab/acme/shop!7 /facts/head_sha", "change:lab/acme/shop!7 landed as commit:/" + head + " /facts/head_sha"}},
		{"a head that was pushed over, and the pipeline of the request", evidence.ChangeMerge, evidence.OpEvent, change,
			evidence.MergeFacts{Number: 7, State: "open", HeadSHA: head, Author: -1, Merger: -1}, []evidence.Ref{commit(head), commit(old), line("1")}, change,
			[]string{"change:lab/acme/shop!7 ran pipeline:lab/acme/shop/1 /links/2", "commit:/" + old + " proposed in change:lab/acme/shop!7 /links/1", "commit:/" + head + " proposed in change:lab/acme/shop!7 /facts/head_sha"}},
		{"a closed request landed nowhere", evidence.ChangeMerge, evidence.OpEvent, change,
			evidence.MergeFacts{Number: 7, State: "closed", HeadSHA: head, Author: -1, Merger: -1}, []evidence.Ref{commit(head)}, change,
			[]string{"commit:/" + head + " proposed in change:lab/acme/shop!7 /facts/head_sha"}},
		{"a pipeline between the one that started it and one it started", evidence.PipelineRun, evidence.OpEvent, line("2"),
			evidence.PipelineFacts{ID: "2", SHA: main, Parent: "1", Change: 7, Actor: -1, Trigger: -1}, []evidence.Ref{commit(main), change, line("1"), line("3")}, line("2"),
			[]string{"change:lab/acme/shop!7 ran pipeline:lab/acme/shop/2 /facts/change", "commit:/" + main + " ran pipeline:lab/acme/shop/2 /facts/sha",
				"pipeline:lab/acme/shop/1 ran pipeline:lab/acme/shop/2 /facts/parent", "pipeline:lab/acme/shop/2 ran pipeline:lab/acme/shop/3 /links/3"}},
		{"a report about a tag", evidence.PipelineReport, evidence.OpEvent, line("2"),
			evidence.ReportFacts{Pipeline: "2", SHA: main, Image: tag.Name, Type: "container_scanning"}, []evidence.Ref{commit(main), line("2"), tag}, line("2"),
			[]string{"pipeline:lab/acme/shop/2 reported in pipeline.report github/acme one /facts/pipeline"}},
		{"a signature that is told of one artifact of several", evidence.ArtifactSigned, evidence.OpSet, newRef("artifact", "main", "acme/web@sha256:5").WithUID(child),
			evidence.SignatureFacts{Subject: child, Digest: "sha256:5", Type: "signature.cosign"}, []evidence.Ref{image(child), newRef("artifact", "main", "acme/web@"+child), image("sha256:5")}, image(child),
			[]string{"image:/" + child + " signed artifact.signature harbor/main one /facts/subject"}},
		{"a failed sync deploys nothing", evidence.DeploySync, evidence.OpEvent, app,
			evidence.SyncFacts{App: "argocd/web", Phase: "Failed", Revisions: []string{main}, Initiator: -1}, []evidence.Ref{newRef("sync", "prod", "s"), commit(main)}, newRef("sync", "prod", "s"),
			[]string{"commit:/" + main + " synced sync:prod/s /facts/revisions/0"}},
		{"a revision that is only compared with", evidence.DeployState, evidence.OpSet, app,
			evidence.DeployFacts{App: "argocd/web", Sync: "OutOfSync", Revisions: []string{main}, SyncedRevisions: []string{old}}, []evidence.Ref{commit(main), commit(old)}, app,
			[]string{"commit:/" + old + " run by app:prod/argocd/web#app-1 /facts/synced_revisions/0", "commit:/" + main + " declared in app:prod/argocd/web#app-1 /facts/revisions/0"}},
		{"an artifact that says its commit", evidence.DeployState, evidence.OpSet, app,
			evidence.DeployFacts{App: "f/Kustomization/web", Sync: "Synced", Revisions: []string{"sha256:5"}, SyncedRevisions: []string{"sha256:5"}, Flux: &evidence.FluxState{OriginCommit: main}}, []evidence.Ref{image("sha256:5"), commit(main)}, app,
			[]string{"commit:/" + main + " run by app:prod/argocd/web#app-1 /facts/flux/origin_commit", "image:/sha256:5 run by app:prod/argocd/web#app-1 /facts/synced_revisions/0"}},
		{"a sync of a chart from a registry", evidence.DeploySync, evidence.OpEvent, app,
			evidence.SyncFacts{App: "f/HelmRelease/web", Phase: "Failed", Revisions: []string{"1.2.3"}, Initiator: -1, Flux: &evidence.FluxSync{OCIDigest: "sha256:5", OriginCommit: main}}, []evidence.Ref{newRef("sync", "prod", "s"), image("sha256:5"), commit(main)}, newRef("sync", "prod", "s"),
			[]string{"commit:/" + main + " synced sync:prod/s /facts/flux/origin_commit", "image:/sha256:5 synced sync:prod/s /facts/flux/oci_digest"}},
		{"a workflow that its schedule owns", evidence.WorkflowRun, evidence.OpEvent, run,
			evidence.WorkflowRunFacts{Name: "drill-1", UID: "wf-1", Phase: "Succeeded", Schedule: "drill", Account: "drill", Images: []string{child}, Creator: -1, Actor: -1},
			[]evidence.Ref{newRef("object", "prod", "CronWorkflow.argoproj.io/tenant-7/drill").WithUID("cron-1"), newRef("account", "prod", "tenant-7/drill"), image(child)}, run,
			[]string{"image:/" + child + " run by " + run.String() + " /facts/images/0", "object:prod/CronWorkflow.argoproj.io/tenant-7/drill#cron-1 made " + run.String() + " /facts/schedule",
				run.String() + " runs as account:prod/tenant-7/drill /facts/account"}},
		{"a restore test that a workflow checked", evidence.BackupTest, evidence.OpEvent, newRef("object", "prod", "Restore.velero.io/velero/r").WithUID("rs"),
			evidence.RestoreTestFacts{Restore: "velero/r", UID: "rs", Checks: []evidence.RestoreProof{{What: "workflow node", Name: "tenant-7/drill-1/verify", UID: "wf-1", Passed: true}}},
			[]evidence.Ref{newRef("object", "prod", "Restore.velero.io/velero/r").WithUID("rs"), run}, run,
			[]string{"backup.test velero/prod one checked by " + run.String() + " /facts/checks/0/uid"}},
		{"a denied request", evidence.SecretAccess, evidence.OpEvent, secret,
			evidence.AccessFacts{RequestID: "r", Secret: secret.Name, Outcome: "denied", Reading: true, Who: -1}, []evidence.Ref{newRef("request", "prod", "r"), secret}, secret,
			[]string{"secret:prod/kv/tenant-7/web/db denied in request:prod/r /facts/secret"}},
		{"a copy that was read in the cluster", evidence.AccessAudit, evidence.OpEvent, newRef("line", "prod", "l"),
			evidence.AuditFacts{ID: "l", Platform: "kubernetes", Action: "get", Resource: "secrets", Name: "web-db", Namespace: "tenant-7", Outcome: "ok", Who: -1, Behind: -1, Account: "tenant-7/web"}, []evidence.Ref{copyRef, account}, newRef("line", "prod", "l"),
			[]string{"account:prod/tenant-7/web read in line:prod/l /facts/account", "copy:prod/tenant-7/web-db read in line:prod/l /facts/name"}},
		{"a pod that a line knows by name and by uid", evidence.AccessAudit, evidence.OpEvent, pod,
			evidence.AuditFacts{ID: "l", Platform: "kubernetes", Action: "create", Resource: "pods", Subresource: "exec", Name: "web-7d9f-x2x", UID: "pod-1", Outcome: "ok", Who: -1, Behind: -1},
			[]evidence.Ref{newRef("line", "prod", "l"), pod, pod.WithUID(""), namespace}, newRef("line", "prod", "l"),
			[]string{"pod:prod/tenant-7/web-7d9f-x2x#pod-1 touched in line:prod/l /facts/uid"}},
		{"what an account asks of its cluster all day", evidence.AccessAudit, evidence.OpEvent, newRef("line", "prod", "l"),
			evidence.AuditFacts{ID: "l", Platform: "kubernetes", Action: "get", Resource: "configmaps", Name: "x", Outcome: "ok", Who: -1, Behind: -1, Account: "tenant-7/web"}, []evidence.Ref{account}, newRef("line", "prod", "l"), nil},
		{"a workload that another made", evidence.RuntimeWorkload, evidence.OpSet, newRef("workload", "prod", "t/ReplicaSet/web-1").WithUID("rs"),
			evidence.WorkloadFacts{Kind: "ReplicaSet", UID: "rs", Owner: &evidence.OwnerRef{Kind: "Deployment", Name: "web", UID: "dep-1"}}, []evidence.Ref{deploy}, deploy,
			[]string{"workload:prod/tenant-7/Deployment/web#dep-1 made workload:prod/t/ReplicaSet/web-1#rs /facts/owner/uid"}},
		{"a run of infrastructure that changed something", evidence.InfraRun, evidence.OpEvent, newRef("tfrun", "acme", "acme/run-1"),
			evidence.InfraRunFacts{ID: "run-1", Status: "failed", Commit: main, Began: &began, Creator: -1, Confirmer: -1}, []evidence.Ref{commit(main), newRef("workspace", "acme", "acme/net")}, newRef("tfrun", "acme", "acme/run-1"),
			[]string{"commit:/" + main + " applied by tfrun:acme/acme/run-1 /facts/commit"}},
		{"a run of infrastructure without an apply", evidence.InfraRun, evidence.OpEvent, newRef("tfrun", "acme", "acme/run-1"),
			evidence.InfraRunFacts{ID: "run-1", Status: "planned", Commit: main, Creator: -1, Confirmer: -1}, []evidence.Ref{commit(main)}, newRef("tfrun", "acme", "acme/run-1"),
			[]string{"commit:/" + main + " planned by tfrun:acme/acme/run-1 /facts/commit"}},
		{"a version of a state and the run that wrote it", evidence.InfraState, evidence.OpEvent, newRef("tfstate", "acme", "acme/sv-1"),
			evidence.InfraStateFacts{ID: "sv-1", Serial: 88, Run: "run-1", Commit: main, Creator: -1}, []evidence.Ref{newRef("tfrun", "acme", "acme/run-1"), commit(main)}, newRef("tfstate", "acme", "acme/sv-1"),
			[]string{"tfrun:acme/acme/run-1 wrote tfstate:acme/acme/sv-1 /facts/run"}},
		{"facts of another shape", evidence.DeployState, evidence.OpSet, app, map[string]any{"revisions": minus}, []evidence.Ref{commit(main)}, app, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLog(t)
			(&lineagetest.Story{Log: l}).Add("one", tt.kind, tt.op, at(9, 0), tt.subject, tt.facts, nil, tt.links...)
			tr := walk(t, l, tt.start, lineage.Options{})
			var got []string
			for _, k := range tr.Links {
				if k.From != tt.start.String() && k.To != tt.start.String() {
					continue // beyond the record's own thing
				}
				got = append(got, fmt.Sprint(k.From, " ", k.Step, " ", k.To, " ", k.Because[0].Field))
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}
