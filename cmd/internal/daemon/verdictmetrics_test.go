package daemon

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"evidenced/cmd/internal/telemetry"
	"evidenced/evidence"
)

func exposed(m *telemetry.Metrics) string {
	var b bytes.Buffer
	m.Write(&b)
	return b.String()
}

func TestVerdictMetrics(t *testing.T) {
	m := telemetry.NewMetrics()
	v := newVerdictMetrics(m)
	seven := mustTenant(t, "tenant-7")
	verdict := func(control string, s evidence.Status, r evidence.Reason) evidence.FindingFacts {
		return evidence.FindingFacts{Control: evidence.ControlID(control), Test: "a-b", Status: s, Reason: r, Severity: "high"}
	}
	want := func(lines ...string) {
		t.Helper()
		text := exposed(m)
		for _, l := range lines {
			if !strings.Contains(text, l+"\n") {
				t.Errorf("no %s in\n%s", l, text)
			}
		}
	}
	v.judged(seven, []evidence.FindingFacts{
		verdict("dora-art-1", evidence.NotSatisfied, ""), verdict("dora-art-2", evidence.Satisfied, ""),
		verdict("dora-art-3", evidence.NotObserved, evidence.ReasonNoCollector), verdict("dora-art-4", evidence.NotObserved, evidence.ReasonBlind),
	})
	want(`evidenced_findings{tenant="tenant-7",outcome="not-satisfied"} 1`, `evidenced_findings{tenant="tenant-7",outcome="not-observed"} 1`,
		`evidenced_findings{tenant="tenant-7",outcome="satisfied"} 1`, `evidenced_findings{tenant="tenant-7",outcome="stale"} 0`,
		`evidenced_finding_open{tenant="tenant-7",outcome="not-satisfied",control="dora-art-1",severity="high"} 1`, `evidenced_findings_not_shown 0`)
	v.judged(seven, []evidence.FindingFacts{verdict("dora-art-1", evidence.Satisfied, ""), verdict("dora-art-2", evidence.Gap, "")})
	want(`evidenced_findings{tenant="tenant-7",outcome="not-satisfied"} 0`, `evidenced_finding_open{tenant="tenant-7",outcome="gap",control="dora-art-2",severity="high"} 1`)
	if text := exposed(m); strings.Contains(text, "dora-art-1") {
		t.Errorf("a healed finding is still shown:\n%s", text)
	}

	// However much goes wrong, the number of series is bounded, and what is not shown is counted.
	for i := range 100 {
		var fs []evidence.FindingFacts
		for j := range 100 {
			fs = append(fs, verdict(fmt.Sprintf("dora-art-%d", j), evidence.Gap, ""))
		}
		v.judged(mustTenant(t, fmt.Sprintf("tenant-%d", 100+i)), fs)
	}
	if n := strings.Count(exposed(m), "evidenced_finding_open{"); n != maxOpenSeries {
		t.Errorf("%d series, want %d", n, maxOpenSeries)
	}
	want(fmt.Sprintf("evidenced_findings_not_shown %d", 100*100+1-maxOpenSeries))
	// A tenant that is judged again finds room that another one left.
	v.judged(mustTenant(t, "tenant-100"), nil)
	v.judged(mustTenant(t, "tenant-199"), []evidence.FindingFacts{verdict("dora-art-1", evidence.Gap, "")})
	want(`evidenced_finding_open{tenant="tenant-199",outcome="gap",control="dora-art-1",severity="high"} 1`)
}
