package lineage_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/lineage"
	"evidenced/evidence/lineage/lineagetest"
)

// random fills a log with states and events over few names, so that they meet:
// things come and go, are replaced under the same name and known by name alone.
func random(rt *rapid.T, l *evidencetest.Log) []evidence.Ref {
	shas := []string{head, main, old}
	digests := []string{index, child, oldImage}
	hour := func(label string) time.Time {
		return at(6, 0).Add(time.Duration(rapid.IntRange(0, 7).Draw(rt, label)) * time.Hour)
	}
	pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, label) }
	s := &lineagetest.Story{Log: l}
	var refs []evidence.Ref
	note := func(rs ...evidence.Ref) {
		for _, r := range rs {
			if !slices.Contains(refs, r) {
				refs = append(refs, r)
			}
		}
	}
	for i := range rapid.IntRange(3, 14).Draw(rt, "records") {
		name, when := fmt.Sprint("r", i), hour("hour")
		uid := pick("uid", "1", "2")
		op := evidence.OpSet
		if rapid.IntRange(0, 3).Draw(rt, "ends") == 0 {
			op = evidence.OpEnd
		}
		digest, sha := pick("digest", digests...), pick("sha", shas...)
		application := newRef("app", "prod", "argocd/"+pick("app", "a", "b")).WithUID(uid)
		deployment := newRef("workload", "prod", "t/Deployment/"+pick("workload", "a", "b")).WithUID(uid)
		running := newRef("pod", "prod", "t/"+pick("pod", "p", "q")).WithUID(uid)
		given := newRef("copy", "prod", "t/"+pick("copy", "x", "y"))
		sec := newRef("secret", "prod", "kv/"+pick("secret", "x", "y"))
		es := object("ExternalSecret.external-secrets.io/t/"+given.Name[2:], uid)
		switch rapid.IntRange(0, 6).Draw(rt, "kind") {
		case 0:
			s.Add(name, evidence.DeployState, op, when, application, evidence.DeployFacts{App: application.Name, UID: uid, SyncedRevisions: []string{sha}, Sync: "Synced", Images: []string{"r/i@" + digest}}, nil, commit(sha), image(digest))
			note(application, commit(sha), image(digest))
		case 1:
			s.Add(name, evidence.RuntimeWorkload, op, when, deployment, map[string]any{"n": i, "app": application.Name}, nil, application.WithUID(""), given)
			note(deployment, application.WithUID(""), given)
		case 2:
			s.Add(name, evidence.RuntimePod, op, when, running, map[string]any{"n": i}, nil, image(digest), deployment, given, account)
			note(running, image(digest), given, account)
		case 3:
			s.Add(name, evidence.SecretSync, op, when, es, map[string]any{"n": i}, nil, given, sec)
			note(es, given, sec)
		case 4:
			q := newRef("request", "prod", name)
			s.Add(name, evidence.SecretAccess, evidence.OpEvent, when, sec, evidence.AccessFacts{RequestID: name, Outcome: "ok", Reading: true, Who: -1}, nil, q, sec, account)
			note(q, sec, account)
		case 5:
			s.Add(name, evidence.DeploySync, evidence.OpEvent, when, application, evidence.SyncFacts{App: application.Name, UID: uid, Phase: "Succeeded", Revisions: []string{sha}, Initiator: -1}, nil, newRef("sync", "prod", name), commit(sha))
			note(application, commit(sha), newRef("sync", "prod", name))
		case 6:
			line := newRef("line", "prod", name)
			s.Add(name, evidence.AccessAudit, evidence.OpEvent, when, line, evidence.AuditFacts{ID: name, Platform: "kubernetes", Outcome: "ok", Who: -1, Behind: -1}, nil, running.WithUID(""))
			note(line, running.WithUID(""))
		}
	}
	return refs
}

// TestForwardIsBackward: what a thing leads to leads back to it, at whatever
// time is asked about.
func TestForwardIsBackward(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := newLog(t)
		refs := random(rt, l)
		var opt lineage.Options
		switch rapid.IntRange(0, 2).Draw(rt, "time") {
		case 1:
			opt.At = at(6+rapid.IntRange(0, 8).Draw(rt, "at"), 30)
		case 2:
			opt.Window.From = at(6+rapid.IntRange(0, 7).Draw(rt, "from"), 0)
			opt.Window.To = opt.Window.From.Add(time.Duration(rapid.IntRange(1, 4).Draw(rt, "hours")) * time.Hour)
		}
		type pair struct{ a, b string }
		lead := map[lineage.Direction]map[pair]bool{}
		for _, dir := range []lineage.Direction{lineage.Forward, lineage.Backward} {
			lead[dir] = map[pair]bool{}
			for _, a := range refs {
				o := opt
				o.Direction = dir
				tr, err := lineage.Walk(t.Context(), l, a, o)
				if err != nil {
					rt.Fatal(err)
				}
				for id := range lineage.Reached(tr) {
					p := pair{a.String(), id}
					if dir == lineage.Backward {
						p = pair{id, a.String()}
					}
					lead[dir][p] = true
				}
			}
		}
		for _, a := range refs {
			for _, b := range refs {
				p := pair{a.String(), b.String()}
				if lead[lineage.Forward][p] != lead[lineage.Backward][p] {
					rt.Fatalf("%s leads to %s: forward says %v, backward %v", a, b, lead[lineage.Forward][p], lead[lineage.Backward][p])
				}
			}
		}
	})
}
