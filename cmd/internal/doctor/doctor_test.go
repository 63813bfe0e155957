package doctor_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/doctor"
	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
	"evidenced/reports"
)

var now = time.Date(2026, 11, 14, 14, 0, 0, 0, time.UTC)

// asked is a collector that answers an examination.
type asked struct {
	found collectors.Examination
	err   error
	do    func(ctx context.Context) error
}

func (a *asked) Kinds() []evidence.Kind { return []evidence.Kind{evidence.SecretAccess} }
func (a *asked) Poll(context.Context, evidence.Period, []byte, collectors.Sink) error {
	panic("an examination collects nothing")
}

func (a *asked) Examine(ctx context.Context) (collectors.Examination, error) {
	if a.do != nil {
		return a.found, a.do(ctx)
	}
	return a.found, a.err
}

// silent cannot be examined.
type silent struct{ collectors.Collector }

func examine(sources ...doctor.Source) *doctor.Report {
	return doctor.Examine(context.Background(), func() time.Time { return now }, sources, 200*time.Millisecond)
}

func text(t *testing.T, r *doctor.Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.Text(&b, reports.Style{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var (
	readOnly = doctor.Source{Name: "github/prod", Type: "github", Schedule: "@every 5m", Collector: &asked{found: collectors.Examination{
		Identity: "app 4711", Version: "github.com", Expires: now.Add(90 * 24 * time.Hour), Offset: 300 * time.Millisecond, OffsetOK: true, Requests: 6,
		Rights: []collectors.Right{
			{Name: "pull requests of acme/web", Access: collectors.Readable, Kinds: []evidence.Kind{evidence.ChangeMerge, evidence.ChangeReview}},
			{Name: "organisation audit log of acme", Access: collectors.Absent, Kinds: []evidence.Kind{evidence.AccessAudit}, Hint: "the plan does not have it"}},
		Oldest: []collectors.Oldest{{What: "workflow runs of acme/web", At: now.AddDate(0, 0, -400), Kept: "400 days"}, {What: "rule suites of acme/web"}}}}}
	powerful = doctor.Source{Name: "vault/prod", Type: "vault", Collector: &asked{found: collectors.Examination{
		Identity: "entity 2c1e", Version: "1.20.4", Expires: now.Add(30 * time.Hour), Offset: -6 * time.Minute, OffsetOK: true, Requests: 9,
		Rights: []collectors.Right{
			{Name: "audit devices", Access: collectors.Readable, Kinds: []evidence.Kind{evidence.SecretDevice}},
			{Name: "create tokens", Access: collectors.Excess, Hint: `take away path "auth/token/create"`},
			{Name: "policies", Access: collectors.Missing, Kinds: []evidence.Kind{evidence.SecretPolicy}, Hint: `add path "sys/policies/acl/*" { capabilities = ["read"] }`},
			{Name: "leases", Access: collectors.Untold}}}}}
	expired = doctor.Source{Name: "harbor/prod", Type: "harbor", Collector: &asked{
		err: problem.New(problem.Credential, "token refused (401 from https://harbor.example/api/v2.0/projects)").WithHint("make a new robot secret and put it into the file named by token_file")}}
	unreachable = doctor.Source{Name: "argocd/prod", Type: "argocd", Collector: &asked{do: func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}}}
	unusable = doctor.Source{Name: "certs/edge", Type: "certs", Err: problem.New(problem.Config, "source certs/edge cannot be used").WithHint("name an endpoint")}
	untold   = doctor.Source{Name: "git/prod", Type: "git", Collector: silent{}}
	broken   = doctor.Source{Name: "velero/prod", Type: "velero", Collector: &asked{do: func(context.Context) error { panic("secret value") }}}
	paused   = doctor.Source{Name: "certs/old", Type: "certs", Paused: "moved", Collector: &asked{err: errors.New("connection refused")}}
)

func TestReport(t *testing.T) {
	r := examine(readOnly, powerful, expired, unreachable, unusable, untold, broken, paused)
	got := text(t, r)
	evidencetest.Golden(t, "report.txt", []byte(got))
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, "report.json", append(b, '\n'))
	if strings.Contains(got+string(b), "secret value") {
		t.Error("a panic's value stands in the report")
	}
	if r.Whole() || !problem.Is(r.Err(), problem.Incomplete) || !strings.Contains(r.Err().Error(), "5 of 8") {
		t.Errorf("whole %v, %v", r.Whole(), r.Err())
	}
}

func TestVerdicts(t *testing.T) {
	for _, tc := range []struct {
		name    string
		source  doctor.Source
		verdict doctor.Verdict
		whole   bool
		first   string
	}{
		{"all readable", readOnly, doctor.Readable, true, "The one source is read in full."},
		{"a right is missing", powerful, doctor.Partly, false, "0 of 1 sources are read in full; vault/prod cannot read policies; 3 warnings."},
		{"expired", expired, doctor.Unreached, false, "0 of 1 sources are read in full; harbor/prod is not reached."},
		{"no answer in time", unreachable, doctor.Unreached, false, "0 of 1 sources are read in full; argocd/prod is not reached."},
		{"cannot be made", unusable, doctor.Unusable, false, "0 of 1 sources are read in full; certs/edge cannot be used."},
		{"cannot be examined", untold, doctor.Unasked, true, "0 of 1 sources are read in full; 1 cannot be examined."},
		{"paused and unreachable", paused, doctor.Unreached, true, "0 of 1 sources are read in full; 1 paused."},
		{"panics", broken, doctor.Unreached, false, "0 of 1 sources are read in full; velero/prod is not reached."},
	} {
		r := examine(tc.source)
		if x := r.Sources[0]; x.Verdict != tc.verdict || r.Whole() != tc.whole || (r.Err() == nil) != tc.whole {
			t.Errorf("%s: %s, whole %v", tc.name, x.Verdict, r.Whole())
		}
		if first, _, _ := strings.Cut(text(t, r), "\n"); first != tc.first {
			t.Errorf("%s: %q, want %q", tc.name, first, tc.first)
		}
	}
}

// Files with secrets that others may read are warnings: they are counted and told
// with what to do, and the sources are read all the same.
func TestExposedFiles(t *testing.T) {
	r := examine(readOnly)
	r.Files = []doctor.File{{Field: "sources.github/prod.token_file", File: "/etc/evidenced/github.token", Mode: "0644", By: "everybody on this machine", Hint: "chmod 600 /etc/evidenced/github.token"}}
	got := strings.Join(strings.Fields(text(t, r)), " ")
	for _, want := range []string{"The one source is read in full; 1 warning.", "WARNING /etc/evidenced/github.token (sources.github/prod.token_file) has mode 0644: everybody on this machine may read it. chmod 600"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	if !r.Whole() || r.Err() != nil {
		t.Errorf("whole %v, %v", r.Whole(), r.Err())
	}
}

// What stands in an answer of a source never reaches the terminal raw.
func TestReportIsEscaped(t *testing.T) {
	s := readOnly
	s.Collector = &asked{found: collectors.Examination{Identity: "x\x1b[31m", Rights: []collectors.Right{{Name: "a\nb", Access: collectors.Missing, Hint: "\u202e"}}}}
	if got := text(t, examine(s)); strings.ContainsAny(got, "\x1b\u202e") {
		t.Errorf("%q", got)
	}
}
