package ran_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports"
	"evidenced/reports/ran"
)

func tenantLog(t testing.TB, name string) *evidencetest.Log {
	t.Helper()
	tenant, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return evidencetest.NewLog(tenant)
}

func askImage(t *testing.T, digest string, when time.Time, logs ...evidence.Reader) (*ran.ImageAnswer, string) {
	t.Helper()
	a := ran.NewImageAnswer(digest, when, nil)
	for _, l := range logs {
		if err := a.Family(context.Background(), l); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range logs {
		if err := a.Add(context.Background(), l); err != nil {
			t.Fatal(err)
		}
	}
	a.Done()
	var b bytes.Buffer
	if err := a.Text(&b, reports.Style{Width: 110}); err != nil {
		t.Fatal(err)
	}
	return a, b.String()
}

// platforms are the logs of the question: tenant-7 runs both images of the
// index, tenant-8 ran one and no longer does, tenant-9 was not seen, tenant-5
// has no cluster, and the registry stands in tenant-7's log alone.
func platforms(t testing.TB) []evidence.Reader {
	gone := tenantLog(t, "tenant-8")
	rec := addPod(gone, podSpec{name: "x-1", workload: "Deployment/x", owner: "uid-x", image: "x:1", digest: webAmd, started: at(12, 0, 0, 0)})
	end := evidence.Draft{Kind: evidence.RuntimePod, Op: evidence.OpEnd, Source: rec.Source, Subject: rec.Subject, OccurredAt: at(13, 0, 0, 0), ObservedAt: at(13, 0, 0, 0), Basis: evidence.BasisObserved, Content: []byte(`{"reason":"deleted"}`)}
	gone.AddDraft(end)
	coverCluster(gone)
	unseen := tenantLog(t, "tenant-9")
	addPod(unseen, podSpec{name: "y-1", workload: "Deployment/y", owner: "uid-y", image: "y:1", digest: webAmd, started: at(12, 0, 0, 0)})
	unseen.Cover("kubernetes/prod", evidence.Blind, evidence.Period{From: at(14, 12, 0, 0), To: at(14, 14, 0, 0)}, "watch expired", clusterKinds...)
	return []evidence.Reader{tenantLog(t, "tenant-5"), clusterLog(t), gone, unseen}
}

func TestWhoRanImage(t *testing.T) {
	a, text := askImage(t, webIndex, asked, platforms(t)...)
	evidencetest.Golden(t, "image.txt", []byte(text))
	if len(a.Holds) != 2 || len(a.Tenants) != 4 {
		t.Fatalf("holds %v, tenants %d", a.Holds, len(a.Tenants))
	}
	by := map[string]ran.ImageRun{}
	for _, x := range a.Tenants {
		by[x.Tenant.String()] = x
	}
	if x := by["tenant-7"]; len(x.Runs) != 2 || x.Runs[0].Pods != 1 || !x.Runs[0].Since.Equal(at(14, 12, 41, 0)) || x.Runs[0].Workload != "tenant-7/Deployment/web" || len(x.Listed) != 1 || x.FirstSeq == 0 {
		t.Errorf("tenant-7: %+v", x)
	}
	if x := by["tenant-8"]; len(x.Runs) != 0 || x.LastSeq == 0 || x.Pods != ran.SeenYes {
		t.Errorf("tenant-8 ran it only before: %+v", x)
	}
	if x := by["tenant-9"]; x.Pods != ran.NotSeenThen || x.Cause != "watch expired" || len(x.Runs) != 1 {
		t.Errorf("tenant-9 was not seen: %+v", x)
	}
	if x := by["tenant-5"]; x.Pods != ran.NotConfigured {
		t.Errorf("tenant-5 has no source: %+v", x)
	}

	// One platform's image is not the other's.
	a, text = askImage(t, webArm, asked, platforms(t)...)
	if len(a.HeldBy) != 1 || !strings.Contains(a.Sentence, "tenant-7 ran sha256:a2a2a2a2.. in 1 pod") || strings.Contains(a.Sentence, "tenant-8 ran") {
		t.Errorf("%s", text)
	}
	// An image nobody has.
	a, _ = askImage(t, hash(0xee), asked, platforms(t)...)
	if !strings.Contains(a.Sentence, "nobody of the 2 tenants whose pods were observed ran") || !strings.Contains(a.Sentence, "Not observed then: tenant-9") {
		t.Errorf("%s", a.Sentence)
	}
	// Nobody looked at all.
	a, _ = askImage(t, webIndex, asked, tenantLog(t, "tenant-5"))
	if !strings.HasPrefix(a.Sentence, "Not known") {
		t.Errorf("%s", a.Sentence)
	}
}

func TestWhoRanImageErrors(t *testing.T) {
	broken := errors.New("disk gone")
	for _, method := range []string{"Records", "States"} {
		l := clusterLog(t)
		l.Fail(method, broken)
		a := ran.NewImageAnswer(webIndex, asked, nil)
		if err := a.Add(context.Background(), l); !errors.Is(err, broken) {
			t.Errorf("%s fails: got %v, want %v", method, err, broken)
		}
	}
	l := clusterLog(t)
	l.Fail("Records", broken)
	if err := ran.NewImageAnswer(webIndex, asked, nil).Family(context.Background(), l); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestParseDigest(t *testing.T) {
	for in, want := range map[string]string{
		webIndex:                             webIndex,
		repo + "web@" + webIndex:             webIndex,
		strings.TrimPrefix(plain, "sha256:"): plain,
		"sha512:" + strings.Repeat("ab", 64): "sha512:" + strings.Repeat("ab", 64),
		"registry.example/acme/web:v7":       "",
		"sha256:abc":                         "",
		strings.ToUpper(webIndex):            "",
		"":                                   "",
	} {
		if got, err := ran.ParseDigest(in); got != want || (err != nil) != (want == "") {
			t.Errorf("ParseDigest(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}
