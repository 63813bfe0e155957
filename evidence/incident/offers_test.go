package incident_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/incident"
)

var web = evidence.NewRef("app", "prod", "argocd/web")

// sync is a sync of the application by somebody.
func (w *world) sync(when time.Time, p evidence.Person) {
	d := evidencetest.DraftFor(evidence.DeploySync, evidence.OpEvent, when, evidence.SyncFacts{App: "argocd/web", UID: "u", HistoryID: -1, StartedAt: when}, p)
	d.Links = append(d.Links, web)
	w.add(d)
}

func person(id string, proof evidence.Proof, bot bool) evidence.Person {
	return evidence.Person{Role: evidence.RoleInitiator, Realm: "argocd:prod", NativeID: id, Names: evidence.Names{Login: id, Bot: bot}, Proof: proof}
}

// The first finding and the first act of a person count; a machine, a claim
// and what came before or after do not.
func TestCandidates(t *testing.T) {
	w := begin(t, first) // occurred 15:00
	occurred := at(t, "2026-12-18T15:00:00Z")
	minute := func(n int) time.Time { return occurred.Add(time.Duration(n) * time.Minute) }
	finding := func(n int, s evidence.Status) {
		w.add(evidence.Draft{Kind: evidence.FindingState, Op: evidence.OpSet, Source: evidence.SelfSource, Subject: evidence.NewRef("finding", "", "c/t"),
			OccurredAt: minute(n), ObservedAt: minute(n), Basis: evidence.BasisSource, Content: evidencetest.Facts(evidence.FindingFacts{Control: "dora-9", Status: s})})
	}
	w.sync(minute(-5), person("early", evidence.ProofAuthenticated, false))
	w.sync(minute(5), person("bot", evidence.ProofAuthenticated, true))
	w.sync(minute(10), person("claimed", evidence.ProofClaimed, false))
	finding(12, evidence.Stale)
	finding(15, evidence.NotSatisfied)
	w.sync(minute(20), person("carol", evidence.ProofAuthenticated, false))
	w.sync(minute(30), person("dave", evidence.ProofAuthenticated, false))
	found, limits, err := incident.Candidates(t.Context(), w.log, w.load(), minute(60))
	if err != nil || len(limits) != 0 || len(found) != 2 {
		t.Fatalf("got %+v, %v, %v", found, limits, err)
	}
	if !found[0].At.Equal(minute(15)) || !strings.Contains(found[0].What, "dora-9 not-satisfied") || !found[1].At.Equal(minute(20)) || !strings.Contains(found[1].What, "app:prod/argocd/web") {
		t.Errorf("got %+v", found)
	}
	if found, _, err = incident.Candidates(t.Context(), w.log, w.load(), minute(15)); err != nil || len(found) != 0 {
		t.Errorf("before the first: %+v %v", found, err)
	}
	bare := begin(t, `{"nature": {"malicious": "no"}}`)
	if _, limits, err = incident.Candidates(t.Context(), bare.log, bare.load(), minute(60)); err != nil || len(limits) != 2 {
		t.Errorf("what was not looked at: %v %v", limits, err)
	}
	bare.log.Fail("Records", errors.New("disk"))
	if _, err := incident.Load(t.Context(), bare.log, bare.id); err == nil {
		t.Error("a log that cannot be read")
	}
}

// An alert counts from when it began to fire and people were told of it: not one
// that fired before, is hidden or asks for nobody, nor a silence, a rule or an end.
func TestCandidateAlert(t *testing.T) {
	w := begin(t, first) // occurred 15:00
	occurred := at(t, "2026-12-18T15:00:00Z")
	minute := func(n int) time.Time { return occurred.Add(time.Duration(n) * time.Minute) }
	alert := func(n int, print, severity, status string, began int) {
		w.log.Add(evidence.AlertInstance, evidence.OpSet, minute(n), evidence.AlertFacts{Fingerprint: print, Name: "Alert" + print, Severity: severity, Status: status, StartsAt: minute(began)})
	}
	w.log.Add(evidence.AlertRule, evidence.OpSet, minute(1), evidence.AlertRuleFacts{Group: "g", Name: "r", Blind: evidence.RuleErr})
	w.log.Add(evidence.AlertSilence, evidence.OpSet, minute(2), evidence.SilenceFacts{ID: "s", Author: -1})
	alert(-60, "1", "critical", "suppressed", -60)
	alert(3, "1", "critical", "active", -60)
	alert(4, "2", "none", "active", 4)
	alert(5, "3", "critical", "suppressed", 5)
	w.log.Add(evidence.AlertInstance, evidence.OpEnd, minute(6), map[string]any{"fingerprint": "1", "starts_at": minute(-60), "reason": "absent"})
	if found, _, err := incident.Candidates(t.Context(), w.log, w.load(), minute(60)); err != nil || len(found) != 0 {
		t.Errorf("before the first: %+v, %v", found, err)
	}
	alert(7, "4", "warning", "active", 7)
	alert(8, "5", "critical", "active", 8)
	found, _, err := incident.Candidates(t.Context(), w.log, w.load(), minute(60))
	if err != nil || len(found) != 1 || !found[0].At.Equal(minute(7)) || found[0].What != "the first alert: Alert4" {
		t.Errorf("got %+v, %v", found, err)
	}
}

// Downtime runs from a state in force at the begin, over several stretches, to
// the end; reads by the tenant's own are none by others.
func TestOffers(t *testing.T) {
	w := begin(t, first)
	occurred := at(t, "2026-12-18T15:00:00Z")
	state := func(n int, app, health string) {
		w.log.Add(evidence.DeployState, evidence.OpSet, occurred.Add(time.Duration(n)*time.Minute), evidence.DeployFacts{App: app, UID: app, Health: health, HistoryID: -1})
	}
	state(-30, "argocd/web", "Degraded")
	state(10, "argocd/web", "Healthy")
	state(20, "argocd/web", "Missing")
	state(25, "argocd/web", "Progressing")
	state(50, "argocd/web", "Degraded") // still at the end
	state(5, "argocd/other", "Degraded")
	for i, x := range []struct {
		actor, operation, path, outcome, answer string
		reading                                 bool
	}{
		{"tenant-7", "read", "kv/data/tenant-7/web/db", "ok", "", true},
		{"tenant-8", "read", "kv/data/tenant-7/web/db", "ok", "", true},
		{"_platform", "read", "kv/data/tenant-7/web/db", "ok", "", true},
		{"tenant-8", "read", "kv/data/tenant-7/web/db", "no-request", "ok", true},
		// Nothing was given away by these:
		{"tenant-8", "read", "kv/data/tenant-7/web/db", "denied", "", true},
		{"tenant-8", "read", "kv/data/tenant-7/web/gone", "missing", "", true},
		{"tenant-8", "update", "kv/data/tenant-7/web/db", "no-response", "", false},
		{"_platform", "read", "sys/policies/acl/tenant-7-read", "ok", "", false},
		{"_platform", "read", "kv/metadata/tenant-7/web/db", "ok", "", false},
		{"_platform", "list", "kv/metadata/tenant-7", "ok", "", false},
		// Of these nobody knows:
		{"tenant-8", "read", "kv/data/tenant-7/web/db", "no-response", "", true},
		{"tenant-8", "read", "kv/data/tenant-7/web/db", "no-request", "", true},
	} {
		f := evidence.AccessFacts{RequestID: fmt.Sprint(i), Operation: x.operation, Path: x.path, Outcome: x.outcome, Reading: x.reading, Who: -1}
		if x.answer != "" {
			f.Extra = map[string]string{"answer": x.answer}
		}
		d := evidencetest.DraftFor(evidence.SecretAccess, evidence.OpEvent, occurred.Add(time.Duration(i)*time.Minute), f)
		d.ActorScope = []evidence.Ref{evidence.NewRef("tenant", "", x.actor)}
		w.add(d)
	}
	w.log.Cover("argocd/prod", evidence.Continuous, evidence.Period{From: occurred.Add(-time.Hour), To: occurred.Add(30 * time.Minute)}, "", evidence.DeployState)
	w.log.Cover("vault/prod", evidence.Continuous, evidence.Period{From: occurred.Add(-time.Hour), To: occurred.Add(2 * time.Hour)}, "", evidence.SecretAccess)
	offers, err := incident.Offers(t.Context(), w.log, w.load(), occurred.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, o := range offers {
		got[o.What] = o.Value
		if strings.HasPrefix(o.What, "secrets read") && (len(o.Records) != 3 || !strings.Contains(o.Limits, "of 2 more it is not known")) {
			t.Errorf("%s: records %v, %s", o.What, o.Records, o.Limits)
		}
	}
	for what, want := range map[string]string{
		"not healthy: app:prod/argocd/web":       "25 min",
		"secrets read by others than the tenant": "3",
		"not observed: deploy.state":             "30 min",
	} {
		if got[what] != want {
			t.Errorf("%s: got %q, want %q (of %v)", what, got[what], want, got)
		}
	}
	if len(got) != 3 {
		t.Errorf("offers: %v", got)
	}
}
