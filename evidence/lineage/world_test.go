package lineage_test

import (
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/lineage/lineagetest"
)

// The story's things, by short names.
const (
	head, main, old        = lineagetest.Head, lineagetest.Main, lineagetest.Old
	index, child, oldImage = lineagetest.Index, lineagetest.Child, lineagetest.OldImage
)

var (
	at, commit, image, object, requestRef, podFacts = lineagetest.At, lineagetest.Commit, lineagetest.Image, lineagetest.Object, lineagetest.RequestRef, lineagetest.PodFacts

	newRef                       = evidence.NewRef
	change, pipeline, tag        = lineagetest.Change, lineagetest.Pipeline, lineagetest.Tag
	app, appNamed, namespace     = lineagetest.App, lineagetest.AppNamed, lineagetest.Namespace
	deploy, pod, oldPod          = lineagetest.Workload, lineagetest.Pod, lineagetest.OldPod
	copyRef, account, secret     = lineagetest.Copy, lineagetest.Account, lineagetest.Secret
	cert, issuer, host, hostEdge = lineagetest.Certificate, lineagetest.Issuer, lineagetest.Host, lineagetest.HostEdge
	schedule, backup, restore    = lineagetest.Schedule, lineagetest.Backup, lineagetest.Restore
)

func newLog(testing.TB) *evidencetest.Log { return lineagetest.NewLog() }
