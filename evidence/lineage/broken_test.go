package lineage_test

import (
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/lineage"
	"evidenced/evidence/lineage/lineagetest"
)

// TestBrokenChains leaves something out of the story: the trace says which link
// is missing and why.
func TestBrokenChains(t *testing.T) {
	for _, tt := range []struct {
		name    string
		without []string
		start   evidence.Ref
		opt     lineage.Options
		node    string
		what    string
		why     lineage.Why
		says    string
	}{
		{"no request though the forge was looked at", []string{"merge", "review"}, pod, lineage.Options{At: at(13, 0)}, commit(main).String(),
			"the request that brought it", lineage.NoRecord, "github/acme was looked at throughout"},
		{"requests not observed", []string{"merge", "review", "cover change.merge"}, pod, lineage.Options{At: at(13, 0)}, commit(main).String(),
			"the request that brought it", lineage.NotConfigured, "no source of this log tells change.merge"},
		{"no pipeline", []string{"pipeline", "check"}, commit(main), lineage.Options{Direction: lineage.Forward}, commit(main).String(),
			"the pipeline that ran on it", lineage.NoRecord, "looked at throughout"},
		{"image without a label", []string{"revision"}, pod, lineage.Options{At: at(13, 0)}, image(index).String(),
			"the commit it was built from", lineage.NoRecord, "bears no label that names a commit"},
		{"no scan", []string{"scan"}, image(child), lineage.Options{At: at(13, 0)}, image(child).String(), "a scan of it", lineage.NoRecord, "harbor/main"},
		{"no registry", []string{"image", "scan", "signature", "pull", "cover artifact.image", "cover artifact.scan", "cover artifact.signature"}, pod,
			lineage.Options{At: at(13, 0)}, image(child).String(), "the commit it was built from", lineage.NotConfigured, "no source of this log tells artifact.image"},
		{"nothing fills the copy", []string{"secret-sync"}, pod, lineage.Options{At: at(13, 0)}, copyRef.String(), "what fills it", lineage.NoRecord, "kubernetes/prod"},
		{"nobody looked at reads", []string{"read-operator", "read-pod", "read-old", "cover secret.access"}, pod, lineage.Options{At: at(13, 0)}, secret.String(),
			"an access to it", lineage.NotConfigured, "secret.access"},
		{"no probe", []string{"probe"}, cert, lineage.Options{At: at(13, 0)}, host.String(), "what the endpoint showed", lineage.NoRecord, "certs/edge"},
		{"no request for the certificate", []string{"request"}, cert, lineage.Options{At: at(13, 0)}, cert.String(), "a request for it", lineage.NoRecord, "certmanager/prod"},
		{"restore without a verdict", []string{"restore-test"}, backup, lineage.Options{}, restore.String(), "the verdict on it as a test", lineage.NoRecord, "velero/prod"},
		{"backup never restored", []string{"restore", "restore-test"}, schedule, lineage.Options{}, backup.String(), "a restore of it", lineage.NoRecord, "velero/prod"},
		{"a pod that nobody owns", []string{"workload", "workload-old", "state", "state-old", "sync"}, pod, lineage.Options{At: at(13, 0)}, "app:prod/argocd/web",
			"the commit it runs", lineage.NoRecord, "argocd/prod"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := lineagetest.Tell(tt.without...)
			tr := walk(t, l, tt.start, tt.opt)
			for _, m := range tr.Missing {
				if m.Node == tt.node && strings.Contains(m.What, tt.what) {
					if m.Why != tt.why || !strings.Contains(m.Says, tt.says) {
						t.Errorf("got %s, %q, want %s, %q", m.Why, m.Says, tt.why, tt.says)
					}
					return
				}
			}
			t.Errorf("nothing is missing at %s that is %q:\n%s", tt.node, tt.what, print(tr))
		})
	}
}

// A blind window where the record would lie is said with its cause.
func TestMissingNamesBlindWindows(t *testing.T) {
	l := lineagetest.Tell("pipeline", "check", "cover pipeline.run", "cover pipeline.check")
	kinds := []evidence.Kind{evidence.PipelineRun, evidence.PipelineCheck}
	l.Cover("github/acme", evidence.Continuous, evidence.Period{From: at(5, 0), To: at(10, 0)}, "", kinds...)
	l.Cover("github/acme", evidence.Blind, evidence.Period{From: at(10, 0), To: at(11, 30)}, "503 from server", kinds...)
	l.Cover("github/acme", evidence.Continuous, evidence.Period{From: at(11, 30), To: at(15, 0)}, "", kinds...)
	tr := walk(t, l, image(index), lineage.Options{Direction: lineage.Backward, At: at(13, 0)})
	for _, m := range tr.Missing {
		if m.Node == commit(main).String() && m.What == "the pipeline that ran on it" {
			if m.Why != lineage.NotObserved || len(m.Windows) == 0 || !m.Windows[0].Period.From.Equal(at(10, 0)) || !strings.Contains(m.Says, "503 from server") {
				t.Errorf("got %+v", m)
			}
			return
		}
	}
	t.Errorf("no missing pipeline:\n%s", print(tr))
}

// A name that two things bore within the time asked about is ambiguous; a tag
// that was moved is too.
func TestAmbiguousNames(t *testing.T) {
	l := lineagetest.Tell()
	s := &lineagetest.Story{Log: l}
	again := pod.WithUID("pod-2")
	s.Add("pod-end", evidence.RuntimePod, evidence.OpEnd, at(13, 20), pod, podFacts("web-7d9f-x2x", "pod-1", child), nil)
	s.Add("pod-again", evidence.RuntimePod, evidence.OpSet, at(13, 21), again, podFacts("web-7d9f-x2x", "pod-2", oldImage), nil, image(oldImage), tag, copyRef)
	s.Add("moved", evidence.ArtifactImage, evidence.OpSet, at(13, 30), newRef("artifact", "main", "acme/web@"+oldImage), evidence.ArtifactFacts{
		Registry: "registry.example", Project: "acme", Repository: "web", Digest: oldImage, Tags: []evidence.ArtifactTag{{Name: "1.4"}}}, nil, image(oldImage), tag)
	find := func(tr *lineage.Trace, node string) *lineage.Missing {
		for i, m := range tr.Missing {
			if m.Why == lineage.Ambiguous && m.Node == node {
				return &tr.Missing[i]
			}
		}
		return nil
	}
	window := lineage.Options{Window: evidence.Period{From: at(13, 0), To: at(14, 0)}}
	tr := walk(t, l, pod.WithUID(""), window)
	if m := find(tr, pod.WithUID("").String()); m == nil || len(m.Among) != 2 {
		t.Errorf("the name of two pods: %+v\n%s", m, print(tr))
	}
	if m := find(tr, tag.String()); m == nil || len(m.Among) != 2 {
		t.Errorf("the tag of two images: %+v", m)
	}
	// At an instant one of them bears the name.
	tr = walk(t, l, pod.WithUID(""), lineage.Options{At: at(13, 10)})
	if m := find(tr, pod.WithUID("").String()); m != nil {
		t.Errorf("at an instant the name is ambiguous: %+v", m)
	}
	if n, ok := tr.Node(pod.String()); !ok || !n.Start {
		t.Errorf("the name does not start at its one bearer:\n%s", print(tr))
	}
}
