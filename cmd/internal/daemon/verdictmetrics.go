package daemon

import (
	"slices"
	"sync"

	"evidenced/cmd/internal/telemetry"
	"evidenced/evidence"
)

// verdictMetrics shows verdicts as metrics: how many tests of each tenant have
// each status, and each test's control by name where somebody is needed. The
// latter are as many as things go wrong, so they are bounded.
type verdictMetrics struct {
	m *telemetry.Metrics

	mu    sync.Mutex
	open  map[evidence.Tenant]map[telemetry.Labels]bool
	shown int                     // of all tenants
	cut   map[evidence.Tenant]int // not shown, because there are too many
}

// maxOpenSeries bounds the series that name a tenant and a control.
const maxOpenSeries = 5000

// statuses are all, so that a status nobody has any more shows as 0.
var statuses = []evidence.Status{evidence.NotSatisfied, evidence.Undetermined, evidence.NotObserved, evidence.Stale, evidence.Gap, evidence.NotApplicable, evidence.Satisfied}

func newVerdictMetrics(m *telemetry.Metrics) *verdictMetrics {
	return &verdictMetrics{m: m, open: map[evidence.Tenant]map[telemetry.Labels]bool{}, cut: map[evidence.Tenant]int{}}
}

// judged shows the verdicts of a tenant, all as they are now. Tests that no
// collector answers are left out.
func (v *verdictMetrics) judged(t evidence.Tenant, fs []evidence.FindingFacts) {
	v.mu.Lock()
	defer v.mu.Unlock()
	counts := map[evidence.Status]int{}
	now := map[telemetry.Labels]bool{}
	for i := range fs {
		f := &fs[i]
		if f.Reason == evidence.ReasonNoCollector {
			continue
		}
		counts[f.Status]++
		if f.Status != evidence.Satisfied && f.Status != evidence.NotApplicable {
			now[telemetry.Labels{Tenant: t, Control: f.Control, Outcome: string(f.Status), Severity: f.Severity}] = true
		}
	}
	for _, s := range statuses {
		v.m.Set("evidenced_findings", telemetry.Labels{Tenant: t, Outcome: string(s)}, float64(counts[s]))
	}
	open := v.open[t]
	if open == nil {
		open = map[telemetry.Labels]bool{}
		v.open[t] = open
	}
	for l := range open {
		if !now[l] {
			delete(open, l)
			v.shown--
			v.m.Drop("evidenced_finding_open", l)
		}
	}
	v.cut[t] = 0
	for _, l := range sortedLabels(now) {
		switch {
		case open[l]:
		case v.shown >= maxOpenSeries:
			v.cut[t]++
		default:
			open[l] = true
			v.shown++
			v.m.Set("evidenced_finding_open", l, 1)
		}
	}
	cut := 0
	for _, n := range v.cut {
		cut += n
	}
	v.m.Set("evidenced_findings_not_shown", telemetry.Labels{}, float64(cut))
}

func sortedLabels(set map[telemetry.Labels]bool) []telemetry.Labels {
	var ls []telemetry.Labels
	for l := range set {
		ls = append(ls, l)
	}
	slices.SortFunc(ls, func(a, b telemetry.Labels) int {
		if a.Control != b.Control {
			if a.Control < b.Control {
				return -1
			}
			return 1
		}
		if a.Outcome < b.Outcome {
			return -1
		}
		return 1
	})
	return ls
}
