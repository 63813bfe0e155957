package ran_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports/ran"
)

// The cluster of the story: web runs in two pods from an index whose platform
// images the registry knows, worker in one pod by digest, db-proxy by tag.

func hash(n int) string { return "sha256:" + strings.Repeat(fmt.Sprintf("%02x", n), 32) }

const repo = "registry.example/acme/"

var (
	webIndex = hash(0xa0)
	webAmd   = hash(0xa1)
	webArm   = hash(0xa2)
	oldImage = hash(0xb0)
	plain    = hash(0xc0)
)

// object drafts a state of a Kubernetes object.
func object(kind evidence.Kind, when time.Time, subject evidence.Ref, facts any, people ...evidence.Person) evidence.Draft {
	d := evidence.Draft{
		Kind: kind, Op: evidence.OpSet, Source: "kubernetes/prod", Subject: subject, OccurredAt: when, ObservedAt: when,
		Basis: evidence.BasisObserved, People: people, Content: encode(facts),
	}
	return d
}

type podSpec struct {
	name, workload, owner string // owner: the uid of the controller
	image, digest         string
	node                  string
	started               time.Time
	waiting               string // reason, when it does not run
	app                   string
	secrets               []string
	extra                 []evidence.ContainerFacts
}

func addPod(l *evidencetest.Log, s podSpec) evidence.Record {
	kind, name, _ := strings.Cut(s.workload, "/")
	c := evidence.ContainerFacts{Name: "main", Image: s.image, ImageID: repo + "x@" + s.digest, Digest: s.digest, DigestOf: "manifest", State: "running", StartedAt: s.started}
	if s.waiting != "" {
		c.State, c.Reason, c.StartedAt = "waiting", s.waiting, time.Time{}
	}
	f := evidence.PodFacts{
		Cluster: "prod", Namespace: "tenant-7", Name: s.name, UID: "uid-" + s.name, Node: s.node, Phase: "Running", Workload: s.workload,
		Containers: append([]evidence.ContainerFacts{c}, s.extra...), App: s.app, Secrets: s.secrets, StartedAt: s.started, CreatedAt: s.started,
	}
	if s.workload != "" {
		f.Owner = &evidence.OwnerRef{Kind: kind, Name: name, UID: s.owner}
	}
	d := object(evidence.RuntimePod, s.started, evidence.NewRef("pod", "prod", "tenant-7/"+s.name).WithUID(f.UID), f)
	d.Links = append(d.Links, evidence.NewRef("image", "", s.digest))
	for _, x := range s.secrets {
		d.Links = append(d.Links, evidence.NewRef("copy", "prod", "tenant-7/"+x))
	}
	return l.AddDraft(d)
}

func addWorkload(l *evidencetest.Log, when time.Time, kind, name, image, app string, replicas int32) {
	f := evidence.WorkloadFacts{
		Cluster: "prod", Kind: kind, Namespace: "tenant-7", Name: name, UID: "uid-" + name, App: app, Replicas: &replicas,
		Containers: []evidence.ContainerFacts{{Name: "main", Image: image}},
	}
	l.AddDraft(object(evidence.RuntimeWorkload, when, evidence.NewRef("workload", "prod", "tenant-7/"+kind+"/"+name).WithUID(f.UID), f))
}

func addArtifact(l *evidencetest.Log, when time.Time, f evidence.ArtifactFacts) {
	f.Registry, f.Project, f.Repository = "registry.example", "acme", cut(f.Repository, "web")
	d := object(evidence.ArtifactImage, when, evidence.NewRef("artifact", "prod", "acme/"+f.Repository+"@"+f.Digest), f)
	d.Source = "harbor/prod"
	d.Links = append(d.Links, evidence.NewRef("image", "", f.Digest))
	for _, c := range f.Children {
		d.Links = append(d.Links, evidence.NewRef("image", "", c.Digest))
	}
	l.AddDraft(d)
}

func cut(s, or string) string {
	if s == "" {
		return or
	}
	return s
}

func addRegistry(l *evidencetest.Log) {
	built := at(14, 12, 20, 0)
	index := evidence.ArtifactFacts{
		Digest: webIndex, Type: "IMAGE", PushedAt: built, Revision: shaNew, Scan: "success", Severity: "High", Tags: []evidence.ArtifactTag{{Name: "v7"}},
		Children: []evidence.ArtifactChild{{Digest: webAmd, Platform: "linux/amd64"}, {Digest: webArm, Platform: "linux/arm64"}},
	}
	addArtifact(l, built, index)
	addArtifact(l, built, evidence.ArtifactFacts{Digest: webAmd, Scan: "never"})
	addArtifact(l, built, evidence.ArtifactFacts{Digest: webArm, Scan: "never"})
	addArtifact(l, at(1, 0, 0, 0), evidence.ArtifactFacts{Digest: oldImage, Scan: "running"})
	addArtifact(l, at(1, 0, 0, 0), evidence.ArtifactFacts{Digest: plain, Repository: "db-proxy", Scan: "never"})
	scan := func(ended time.Time, high int) {
		f := evidence.ScanFacts{
			Registry: "registry.example", Project: "acme", Repository: "web", Digest: webIndex, ReportID: ended.String(), Status: "success", Severity: "High",
			Scanner: evidence.ScannerFacts{Name: "Trivy"}, FinishedAt: ended, Total: high, Fixable: 1, BySeverity: map[string]int{"High": high},
		}
		d := object(evidence.ArtifactScan, ended, evidence.NewRef("artifact", "prod", "acme/web@"+webIndex), f)
		d.Op, d.Key, d.Source = evidence.OpEvent, f.ReportID, "harbor/prod"
		d.Links = []evidence.Ref{evidence.NewRef("image", "", webIndex)}
		l.AddDraft(d)
	}
	scan(at(14, 12, 25, 0), 5)
	scan(at(14, 15, 0, 0), 9) // after the instant
	signed := object(evidence.ArtifactSigned, built, evidence.NewRef("artifact", "prod", "acme/web@"+hash(0xaf)), evidence.SignatureFacts{Subject: webIndex, Digest: hash(0xaf), Type: "signature.cosign"})
	signed.Source, signed.Links = "harbor/prod", []evidence.Ref{evidence.NewRef("image", "", webIndex)}
	l.AddDraft(signed)
	run := object(evidence.PipelineRun, at(14, 12, 10, 0), evidence.NewRef("pipeline", "acme", "acme/gitops/812"), evidence.PipelineFacts{
		Repo: "acme/gitops", ID: "812", Name: "build", SHA: shaNew, Status: "success", Native: "success", FinishedAt: at(14, 12, 19, 0), Actor: -1, Trigger: -1,
	})
	run.Op, run.Key, run.Source = evidence.OpEvent, "acme/gitops/812", "github/acme"
	run.Links = []evidence.Ref{evidence.NewRef("commit", "", shaNew)}
	l.AddDraft(run)
	l.CoverLooks("harbor/prod", looks(at(14, 12, 0, 0), at(14, 15, 0, 0), 10*time.Minute), evidence.ArtifactImage, evidence.ArtifactScan, evidence.ArtifactSigned)
}

var clusterKinds = []evidence.Kind{evidence.RuntimePod, evidence.RuntimeWorkload, evidence.RuntimeNode}

func coverCluster(l *evidencetest.Log) {
	day := evidence.Period{From: at(14, 0, 0, 0), To: at(15, 0, 0, 0)}
	l.Cover("kubernetes/prod", evidence.Continuous, day, "", clusterKinds...)
}

func addNodes(l *evidencetest.Log) {
	for name, region := range map[string]string{"node-a": "eu-central", "node-b": "eu-west"} {
		f := evidence.NodeFacts{Cluster: "prod", Name: name, UID: "uid-" + name, Region: region}
		l.AddDraft(object(evidence.RuntimeNode, at(1, 0, 0, 0), evidence.NewRef("node", "prod", name).WithUID(f.UID), f))
	}
}

// putWeb states web's application and the images that it lists.
func putWeb(l *evidencetest.Log, when time.Time, images ...string) {
	f := state("web", shaNew, "Healthy", "Synced", at(14, 12, 40, 0), 7)
	f.Images = images
	l.Add(evidence.DeployState, evidence.OpSet, when, f)
}

// clusterLog is a log in which all is as declared: an index is declared and
// its two platforms' images run.
func clusterLog(t testing.TB) *evidencetest.Log {
	l := newLog(t)
	putWeb(l, at(14, 12, 40, 0), repo+"web@"+webIndex)
	addChange(l)
	addRegistry(l)
	addNodes(l)
	addWorkload(l, at(14, 12, 40, 0), "Deployment", "web", repo+"web@"+webIndex, "argocd/web", 2)
	addPod(l, podSpec{name: "web-1", workload: "Deployment/web", owner: "uid-web", image: repo + "web@" + webIndex, digest: webAmd, node: "node-a", started: at(14, 12, 41, 0)})
	addPod(l, podSpec{name: "web-2", workload: "Deployment/web", owner: "uid-web", image: repo + "web@" + webIndex, digest: webArm, node: "node-b", started: at(14, 12, 42, 0)})
	coverCluster(l)
	addCoverage(l)
	return l
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func TestRunning(t *testing.T) {
	type world func(l *evidencetest.Log)
	later := at(14, 12, 57, 0) // just before the instant
	other := podSpec{name: "web-3", workload: "Deployment/web", owner: "uid-web", image: repo + "web@" + oldImage, digest: oldImage, node: "node-a", started: at(13, 0, 0, 0)}
	cases := []struct {
		name    string
		add     world
		verdict ran.Verdict
		says    []string // in the text
		never   []string
	}{
		{"fits", nil, ran.Known, []string{"Its 2 pods ran 1 workload, with the images declared", "eu-central, eu-west", "by web", "held by index sha256:a0a0a0a0..", "scan success at 12:25 UTC: 5 High, 1 with a fix", "signature.cosign present, not verified", "pipeline build ended success"}, []string{"DIFFERS", "9 High"}},
		{"another digest", func(l *evidencetest.Log) { addPod(l, other) }, ran.Contradicted,
			[]string{"Contradicted: what ran was not what was declared (tenant-7: Deployment/web runs web@sha256:b0b0b0b0.. in 1 pod, though web@sha256:a0a0a0a0.. is declared)", "differs"}, nil},
		{"rolling out", func(l *evidencetest.Log) {
			addWorkload(l, later, "Deployment", "web", repo+"web@"+oldImage, "argocd/web", 2)
			putWeb(l, later, repo+"web@"+oldImage)
			addPod(l, podSpec{name: "web-3", workload: "Deployment/web", owner: "uid-web", image: repo + "web@" + oldImage, digest: oldImage, node: "node-a", started: later})
		}, ran.Known, []string{"rolling out: Deployment/web was rolling out: 1 pod still ran", "web rolling out"}, []string{"Contradicted"}},
		{"stuck", func(l *evidencetest.Log) {
			stuck := at(14, 12, 45, 0)
			addWorkload(l, stuck, "Deployment", "web", repo+"web@"+oldImage, "argocd/web", 2)
			putWeb(l, stuck, repo+"web@"+oldImage)
		}, ran.Contradicted, []string{"is declared since 12:45 UTC"}, nil},
		{"debug container", func(l *evidencetest.Log) {
			addPod(l, podSpec{name: "web-3", workload: "Deployment/web", owner: "uid-web", image: repo + "web@" + webIndex, digest: webAmd, started: later,
				extra: []evidence.ContainerFacts{{Name: "debugger", Image: "busybox:1", State: "running"}}})
		}, ran.Known, []string{"runs a container debugger (busybox:1 (no digest)) that it does not declare"}, []string{"Contradicted"}},
		{"bare pod", func(l *evidencetest.Log) {
			addPod(l, podSpec{name: "shell", image: "busybox:1", digest: plain, started: later})
		}, ran.Contradicted, []string{"Pod/shell runs as a pod that no workload and no application declares"}, nil},
		{"orphan", func(l *evidencetest.Log) {
			addPod(l, podSpec{name: "gone-1", workload: "Deployment/gone", owner: "uid-gone", image: "x:1", digest: plain, started: later})
		}, ran.Contradicted, []string{"Deployment/gone has 1 pod running, and the workload itself is not there"}, nil},
		{"custom owner", func(l *evidencetest.Log) {
			addPod(l, podSpec{name: "db-1", workload: "Postgres/db", owner: "uid-db", image: "x:1", digest: plain, started: later})
		}, ran.Known, []string{"Postgres/db owns pods, and what declares it is of a kind that is not observed"}, nil},
		{"replica set that is not read", func(l *evidencetest.Log) {
			addPod(l, podSpec{name: "rs-1", workload: "ReplicaSet/rs", owner: "uid-rs", image: "x:1", digest: plain, started: later})
		}, ran.Known, []string{"ReplicaSet/rs owns pods, and what declares it is of a kind that is not observed"}, nil},
		{"through a replica set", func(l *evidencetest.Log) {
			f := evidence.WorkloadFacts{Cluster: "prod", Kind: "ReplicaSet", Namespace: "tenant-7", Name: "web-77", UID: "uid-rs", Owner: &evidence.OwnerRef{Kind: "Deployment", Name: "web", UID: "uid-web"}}
			l.AddDraft(object(evidence.RuntimeWorkload, at(10, 0, 0, 0), evidence.NewRef("workload", "prod", "tenant-7/ReplicaSet/web-77").WithUID("uid-rs"), f))
			addPod(l, podSpec{name: "web-3", workload: "ReplicaSet/web-77", owner: "uid-rs", image: repo + "web@" + webIndex, digest: webAmd, node: "node-a", started: later})
		}, ran.Known, []string{"Its 3 pods ran 1 workload, with the images declared"}, []string{"DIFFERS", "web-77"}},
		{"unmanaged", func(l *evidencetest.Log) {
			addWorkload(l, at(10, 0, 0, 0), "StatefulSet", "db", "db:1", "", 1)
			addPod(l, podSpec{name: "db-0", workload: "StatefulSet/db", owner: "uid-db", image: "db:1", digest: plain, started: at(10, 0, 0, 0)})
		}, ran.Known, []string{"StatefulSet/db", "by no application"}, []string{"DIFFERS"}},
		{"none runs", func(l *evidencetest.Log) {
			addWorkload(l, at(10, 0, 0, 0), "Deployment", "api", "api:1", "", 3)
			addPod(l, podSpec{name: "api-1", workload: "Deployment/api", owner: "uid-api", image: "api:1", digest: "", started: at(14, 12, 0, 0), waiting: "ImagePullBackOff"})
		}, ran.Contradicted, []string{"Deployment/api is declared with 3 replicas, and none of its 1 pod runs: ImagePullBackOff"}, nil},
		{"scaled to nothing", func(l *evidencetest.Log) {
			addWorkload(l, at(10, 0, 0, 0), "Deployment", "api", "api:1", "", 0)
		}, ran.Known, nil, []string{"api", "DIFFERS"}},
		{"starting", func(l *evidencetest.Log) {
			addWorkload(l, later, "Deployment", "api", "api:1", "", 3)
		}, ran.Known, []string{"rolling out: Deployment/api is declared with 3 replicas, and no pod of it is there"}, []string{"Contradicted"}},
		{"one tag, two images", func(l *evidencetest.Log) {
			addWorkload(l, at(10, 0, 0, 0), "Deployment", "db", "db:1", "", 2)
			for i, d := range []string{plain, oldImage} {
				addPod(l, podSpec{name: fmt.Sprint("db-", i), workload: "Deployment/db", owner: "uid-db", image: "db:1", digest: d, started: at(10+i, 0, 0, 0)})
			}
		}, ran.Contradicted, []string{"Deployment/db runs tag db:1 as 2 images"}, nil},
		{"one tag, two platforms", func(l *evidencetest.Log) {
			addWorkload(l, at(10, 0, 0, 0), "Deployment", "db", "db:1", "", 2)
			for i, d := range []string{webAmd, webArm} {
				addPod(l, podSpec{name: fmt.Sprint("db-", i), workload: "Deployment/db", owner: "uid-db", image: "db:1", digest: d, started: at(10+i, 0, 0, 0)})
			}
		}, ran.Known, nil, []string{"DIFFERS"}},
		{"unknown index", func(l *evidencetest.Log) {
			addWorkload(l, at(10, 0, 0, 0), "Deployment", "db", "db@"+hash(0xd0), "", 1)
			addPod(l, podSpec{name: "db-0", workload: "Deployment/db", owner: "uid-db", image: "db@" + hash(0xd0), digest: hash(0xd1), started: at(10, 0, 0, 0)})
		}, ran.Known, []string{"not known: Deployment/db declares db@sha256:d0d0d0d0.. and runs sha256:d1d1d1d1..: no registry record says whether the one holds the other"}, []string{"Contradicted"}},
		{"application lists another", func(l *evidencetest.Log) { putWeb(l, at(14, 12, 44, 0), repo+"web@"+oldImage) }, ran.Contradicted,
			[]string{"which application web does not list", "application web lists web@sha256:b0b0b0b0.., which no pod or workload of it has"}, nil},
		{"listed, nothing there", func(l *evidencetest.Log) {
			f := state("ghost", shaNew, "Healthy", "Synced", at(10, 0, 0, 0), 1)
			f.Namespace = "tenant-7-ghost"
			l.Add(evidence.DeployState, evidence.OpSet, at(10, 0, 0, 0), f)
		}, ran.Contradicted, []string{"application ghost lists 1 image, and no pod of it was seen"}, nil},
		{"job of an older schedule", func(l *evidencetest.Log) {
			addWorkload(l, at(10, 0, 0, 0), "CronJob", "report", "report:1", "", 1)
			addWorkload(l, at(14, 12, 30, 0), "CronJob", "report", "report:2", "", 1)
			addPod(l, podSpec{name: "report-1", workload: "CronJob/report", owner: "uid-report", image: "report:1", digest: plain, started: at(14, 12, 0, 0)})
		}, ran.Known, []string{"rolling out: CronJob/report was rolling out"}, []string{"Contradicted"}},
		{"finished", func(l *evidencetest.Log) {
			f := evidence.PodFacts{Cluster: "prod", Namespace: "tenant-7", Name: "job-1", UID: "j", Phase: "Succeeded", Workload: "Job/job"}
			l.AddDraft(object(evidence.RuntimePod, later, evidence.NewRef("pod", "prod", "tenant-7/job-1").WithUID("j"), f))
		}, ran.Known, nil, []string{"job"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l := clusterLog(t)
			if c.add != nil {
				c.add(l)
			}
			a, text := build(t, l, asked, ran.Options{})
			flat := strings.Join(strings.Fields(text), " ")
			if a.Verdict != c.verdict {
				t.Errorf("verdict %s, want %s", a.Verdict, c.verdict)
			}
			for _, s := range c.says {
				if !strings.Contains(flat, s) {
					t.Errorf("the text does not say %q", s)
				}
			}
			for _, s := range c.never {
				if strings.Contains(flat, s) {
					t.Errorf("the text says %q", s)
				}
			}
			for _, d := range a.Differ {
				if len(d.Seqs) == 0 {
					t.Errorf("difference %q names no records", d.Says)
				}
			}
			if t.Failed() {
				t.Log(text)
			}
			if c.name == "fits" || c.name == "another digest" {
				evidencetest.Golden(t, "cluster-"+strings.ReplaceAll(c.name, " ", "-")+".txt", []byte(text))
			}
		})
	}
}

// TestPodsAlone: without a deployer the pods are the answer.
func TestPodsAlone(t *testing.T) {
	l := newLog(t)
	addWorkload(l, at(10, 0, 0, 0), "StatefulSet", "db", "db:1", "", 1)
	addPod(l, podSpec{name: "db-0", workload: "StatefulSet/db", owner: "uid-db", image: "db:1", digest: plain, started: at(10, 0, 0, 0)})
	coverCluster(l)
	a, text := build(t, l, asked, ran.Options{})
	if a.Verdict != ran.Known || !strings.Contains(a.Sentence, "tenant-7 ran 1 workload in 1 pod, as declared") {
		t.Errorf("verdict %s:\n%s", a.Verdict, text)
	}
	if !strings.Contains(text, "registry not observed (not-configured)") {
		t.Errorf("the missing registry is not said:\n%s", text)
	}
}

// TestPodsNotSeen: what was last seen is told as such, and nothing that is
// missing then is called a contradiction.
func TestPodsNotSeen(t *testing.T) {
	l := newLog(t)
	addWorkload(l, at(10, 0, 0, 0), "Deployment", "api", "api:1", "", 3)
	addPod(l, podSpec{name: "web-0", workload: "Deployment/web", owner: "uid-web", image: repo + "web@" + oldImage, digest: oldImage, started: at(14, 11, 0, 0), app: "argocd/web"})
	putWeb(l, at(14, 12, 40, 0), repo+"web@"+webIndex)
	addCoverage(l)
	l.Cover("kubernetes/prod", evidence.Blind, evidence.Period{From: at(14, 12, 0, 0), To: at(14, 14, 0, 0)}, "watch expired", clusterKinds...)
	a, text := build(t, l, asked, ran.Options{})
	if a.Verdict != ran.Known || a.PodsSeen || len(a.Differ) > 0 {
		t.Errorf("verdict %s, pods seen %v, differences %v:\n%s", a.Verdict, a.PodsSeen, a.Differ, text)
	}
	if len(a.Running) != 1 || a.Running[0].Fit != ran.FitUnknown {
		t.Errorf("what was last seen is told as %+v", a.Running)
	}
	if !strings.Contains(text, "not observed at the instant: watch expired") {
		t.Errorf("the blindness is not said:\n%s", text)
	}
}

// TestRunningErrors: an error of the reader in any of the new reads is the
// answer's error.
func TestRunningErrors(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := ran.Build(ctx, clusterLog(t), asked, ran.Options{}); err == nil {
		t.Error("cancelled: no error")
	}
}
