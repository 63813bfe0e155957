package flux

import (
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// verdict is what a reconciliation that came to an end said.
type verdict struct {
	Sync   string `json:"s,omitempty"`
	Health string `json:"h,omitempty"`
	Ready  string `json:"r,omitempty"`
	Reason string `json:"w,omitempty"`
	// Conditions are those that were true; the controller takes some back while
	// it works.
	Conditions []string `json:"c,omitempty"`
}

// settle sets the verdict. While the controller is at work on what it has been at
// work on before, the verdict before holds.
func (a *app) settle(o *kube.Object, f *evidence.DeployFacts, judge func() (sync, health string)) {
	x := f.Flux
	atWork := x.Ready == "Unknown" && !x.Stale
	if atWork && a.Verdict.Sync != "" && a.Gen == o.Generation && a.Attempted == x.Attempted {
		f.Sync, f.Health, x.Ready, x.Reason, f.Conditions = a.Verdict.Sync, a.Verdict.Health, a.Verdict.Ready, a.Verdict.Reason, a.Verdict.Conditions
		return
	}
	f.Sync, f.Health = judge()
	switch {
	case x.Suspended: // nobody compares
		f.Sync = "Unknown"
	case x.Stale && x.Ready != "Unknown":
		f.Sync = "OutOfSync" // what is declared now was not looked at
	}
	if !atWork {
		a.Verdict, a.Gen, a.Attempted = verdict{f.Sync, f.Health, x.Ready, x.Reason, f.Conditions}, o.Generation, x.Attempted
	}
}

// judgeKustomization is the verdict of a Kustomization. The conditions and reasons
// are those of https://fluxcd.io/flux/components/kustomize/kustomizations/.
func judgeKustomization(c *common, f *evidence.DeployFacts) func() (string, string) {
	return func() (sync, health string) {
		x := f.Flux
		health = "Unknown"
		switch c.Status.Conditions.Of("Healthy").Status {
		case "True":
			health = "Healthy"
		case "False":
			health = "Degraded"
		case "Unknown":
			health = "Progressing"
		default:
			if x.Reason == "HealthCheckFailed" {
				health = "Degraded"
			}
		}
		differs := x.Attempted != "" && x.Attempted != x.Applied
		switch {
		case differs:
			return "OutOfSync", health
		case x.Ready == "True":
			return "Synced", health
		}
		return "Unknown", health
	}
}

// judgeRelease is the verdict of a HelmRelease. The conditions and reasons are
// those of https://fluxcd.io/flux/components/helm/helmreleases/.
func judgeRelease(c *common, f *evidence.DeployFacts) func() (string, string) {
	return func() (sync, health string) {
		x, cs := f.Flux, c.Status.Conditions
		health = "Unknown"
		switch {
		case x.Ready == "True" && x.Wait, x.Ready == "True" && cs.Is("TestSuccess"):
			health = "Healthy"
		case x.Reason == "TestFailed":
			health = "Degraded"
		case x.Ready == "False" && cs.Of("Released").Status == "False" && !cs.Is("Remediated"):
			health = "Degraded"
		}
		switch {
		case cs.Is("Drifted"):
			sync = "OutOfSync"
		case x.Ready == "True", x.Reason == "TestFailed":
			sync = "Synced"
		case cs.Of("Released").Status == "False", x.Attempted != "" && x.Applied != "" && x.Attempted != x.Applied:
			sync = "OutOfSync" // the last attempt did not come to stand
		default:
			sync = "Unknown"
		}
		return sync, health
	}
}

// waits reports whether Helm waited for the objects of its last action, so that
// its success says that they work.
func (h *helmRelease) waits() bool {
	switch h.Status.LastAction {
	case "upgrade":
		return !h.Spec.Upgrade.DisableWait
	case "rollback":
		return !h.Spec.Rollback.DisableWait
	}
	return !h.Spec.Install.DisableWait && (h.Status.LastAction != "" || !h.Spec.Upgrade.DisableWait)
}
