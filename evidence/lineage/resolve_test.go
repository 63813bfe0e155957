package lineage_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/lineage"
	"evidenced/evidence/lineage/lineagetest"
)

func TestResolve(t *testing.T) {
	l := lineagetest.Tell()
	for _, tt := range []struct {
		text string
		at   time.Time
		want []string
	}{
		{main, time.Time{}, []string{commit(main).String()}},
		{strings.Repeat("0", 40), time.Time{}, nil},
		{child, time.Time{}, []string{image(child).String()}},
		{"registry.example/acme/web@" + child, time.Time{}, []string{image(child).String()}},
		{"registry.example/acme/web:1.4", time.Time{}, []string{tag.String()}},
		{pod.String(), time.Time{}, []string{pod.String()}},
		{pod.WithUID("other").String(), time.Time{}, nil},
		{"tenant-7/web-7d9f-x2x", time.Time{}, []string{pod.WithUID("").String()}},
		{"tenant-7/web-db", time.Time{}, []string{copyRef.String()}},
		{"pod tenant-7/web-db", time.Time{}, nil},
		{"tenant-7/web-db copy", time.Time{}, []string{copyRef.String()}},
		{"tenant-7/web app", time.Time{}, []string{app.String()}},
		{"app tenant-7/web", at(13, 0), []string{app.String()}},
		{"web", at(13, 0), []string{app.String()}},
		{"web", at(6, 0), nil},
		{"argocd/web", time.Time{}, []string{appNamed.String()}},
		{"tenant-7/web", time.Time{}, []string{account.String()}},
		{"tenant-7/Deployment/web", time.Time{}, []string{deploy.WithUID("").String()}},
		{"tenant-7", time.Time{}, []string{namespace.String()}},
		{"kv/tenant-7/web/db", time.Time{}, []string{secret.String()}},
		{"kv/data/tenant-7/web/db", time.Time{}, []string{secret.String()}},
		{"web.tenant-7.example", time.Time{}, []string{host.String()}},
		{"https://web.tenant-7.example:8443/login", time.Time{}, []string{host.String()}},
		{"certificate tenant-7/web-tls", time.Time{}, []string{cert.WithUID("").String()}},
		{"clusterissuer corporate", time.Time{}, []string{issuer.WithUID("").String()}},
		{"acme/shop!412", time.Time{}, []string{change.String()}},
		{"acme/shop/77/1", time.Time{}, []string{pipeline.String()}},
		{"req-read-pod", time.Time{}, []string{requestRef("read-pod").String()}},
		{"velero/daily-1 backup", time.Time{}, []string{backup.WithUID("").String()}},
		{"Backup.velero.io/velero/daily-1", time.Time{}, []string{backup.WithUID("").String()}},
		{"record 25", time.Time{}, []string{pod.String()}},
		{"#22", time.Time{}, []string{app.String()}},
		{"14", time.Time{}, []string{""}}, // a scan has no reference of its own
		{"record 99999", time.Time{}, nil},
	} {
		w, err := lineage.Parse(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		found, err := lineage.Resolve(t.Context(), l, w, tt.at)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
		}
		var got []string
		for _, f := range found {
			got = append(got, f.Ref.String())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

// A name of several things lists them all.
func TestResolveListsCandidates(t *testing.T) {
	l := lineagetest.Tell()
	s := &lineagetest.Story{Log: l}
	s.Add("twin", evidence.RuntimePod, evidence.OpSet, at(13, 0), newRef("pod", "prod", "tenant-7/web").WithUID("p"), podFacts("web", "p", child), nil, image(child))
	w, err := lineage.Parse("tenant-7/web")
	if err != nil {
		t.Fatal(err)
	}
	found, err := lineage.Resolve(t.Context(), l, w, time.Time{})
	if err != nil || len(found) != 2 {
		t.Fatalf("got %+v, %v, want a pod and an account", found, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "nothing is named",
		"  ":                                   "nothing is named",
		"a\x00b":                               "characters",
		"\xff":                                 "characters",
		strings.Repeat("x", 4000):              "4000 bytes",
		"person:/AAAAAAAAAAAAAAAAAAAAAA":       "a person",
		"pack:/abc":                            "no chain passes a pack",
		"commit tenant-7":                      "names nothing",
		"pod ":                                 "",
		"policy:prod/x":                        "no chain passes a policy",
		"app:prod/argocd/web with a space#uid": "",
	} {
		_, err := lineage.Parse(text)
		if want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// FuzzParse: whatever is typed is understood or refused, and what is asked for
// with it is a proper reference.
func FuzzParse(f *testing.F) {
	for _, s := range []string{main, child, "tenant-7/web app", "app:prod/argocd/web#u", "#12", "record 7", "https://h.example/x", "kv/data/a/b", "x!1", "certificate a/b", "a@sha256:00", "ns  x", "\u202eapp x/y", "99999999999999999999"} {
		f.Add(s)
	}
	l := lineagetest.Tell()
	f.Fuzz(func(t *testing.T, text string) {
		w, err := lineage.Parse(text)
		if err != nil {
			return
		}
		found, err := lineage.Resolve(t.Context(), l, w, time.Time{})
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for _, x := range found {
			if x.Ref.IsZero() {
				continue
			}
			if back, err := evidence.ParseRef(x.Ref.String()); err != nil || back != x.Ref {
				t.Errorf("%q found %q, which reads back as %q (%v)", text, x.Ref, back, err)
			}
		}
	})
}
