package kubernetes

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

func podFacts(t *testing.T, cfg Config, raw string) (f evidence.PodFacts, d evidence.Draft) {
	t.Helper()
	d, err := draftOf(t, cfg, "pods", []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(d.Content, &f); err != nil {
		t.Fatal(err)
	}
	return f, d
}

// A container that never started has the first second of Unix time as its
// start: it did not run since then.
func TestNeverStarted(t *testing.T) {
	f, _ := podFacts(t, testConfig(), `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"tenant-7","uid":"u"},
		"spec":{"containers":[{"name":"c","image":"registry.example/c:1"}]},
		"status":{"phase":"Failed","containerStatuses":[{"name":"c","imageID":"","state":{"terminated":{"exitCode":128,"reason":"StartError","startedAt":"1970-01-01T00:00:00Z","finishedAt":"2026-03-02T13:59:00Z"}}}]}}`)
	c := f.Containers[0]
	if !c.StartedAt.IsZero() || !c.EndedAt.Equal(time.Date(2026, 3, 2, 13, 59, 0, 0, time.UTC)) || c.State != "terminated" || c.Reason != "StartError" {
		t.Errorf("got %+v, want a container that ended and never started", c)
	}
}

// Files of an image may be mounted without any container that runs it; and a
// volume of a repository's files may have a password in its address.
func TestVolumesOfFiles(t *testing.T) {
	const spec = `{"containers":[{"name":"c","image":"registry.example/c:1"}],"volumes":[{"name":"a","image":{"reference":"registry.example/model:2","pullPolicy":"Always"}},
		{"name":"b","image":{"reference":"registry.example/data@sha256:00"}},{"name":"d","image":{"reference":"registry.example/model:2"}},{"name":"e","image":{}},
		{"name":"g","gitRepo":{"repository":"https://u:planted@forge.example/a.git","revision":"1"}}]}`
	want := []string{"registry.example/data@sha256:00", "registry.example/model:2"}
	f, d := podFacts(t, testConfig(), `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"tenant-7","uid":"u"},"spec":`+spec+`,"status":{"phase":"Running"}}`)
	if !slices.Equal(f.ImageVolumes, want) || len(f.Containers) != 1 {
		t.Errorf("got %q of %d containers, want %q", f.ImageVolumes, len(f.Containers), want)
	}
	w, err := draftOf(t, testConfig(), "deployments", []byte(`{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","namespace":"tenant-7","uid":"u"},"spec":{"template":{"spec":`+spec+`}}}`))
	if err != nil {
		t.Fatal(err)
	}
	var g evidence.WorkloadFacts
	if err := json.Unmarshal(w.Content, &g); err != nil || !slices.Equal(g.ImageVolumes, want) {
		t.Errorf("got %q of a template, want %q (%v)", g.ImageVolumes, want, err)
	}
	if strings.Contains(string(d.Raw)+string(w.Raw), "planted") {
		t.Error("the password in an address is kept")
	}
}

// A Rollout of Argo stands in a Deployment's place, and copies its annotations
// to its ReplicaSets too.
func TestTrackedRollout(t *testing.T) {
	for owner, app := range map[string]string{
		`{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","name":"web","uid":"r","controller":true}`:  "argocd/shop",
		`{"apiVersion":"apps/v1","kind":"Deployment","name":"web","uid":"r","controller":true}`:            "",
		`{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","name":"web","uid":"r","controller":false}`: "",
	} {
		d, err := draftOf(t, testConfig(), "replicasets", []byte(`{"kind":"ReplicaSet","apiVersion":"apps/v1","metadata":{"name":"web-6c9f","namespace":"tenant-7","uid":"u",
			"annotations":{"argocd.argoproj.io/tracking-id":"shop:argoproj.io/Rollout:tenant-7/web"},"ownerReferences":[`+owner+`]},"spec":{}}`))
		if err != nil {
			t.Fatal(err)
		}
		var f evidence.WorkloadFacts
		if err := json.Unmarshal(d.Content, &f); err != nil || f.App != app {
			t.Errorf("%s: app %q, want %q (%v)", owner, f.App, app, err)
		}
	}
}

// Flux marks what it puts there by labels, a HelmRelease's before a Kustomization's.
func TestFluxTracks(t *testing.T) {
	for labels, app := range map[string]string{
		`"kustomize.toolkit.fluxcd.io/name":"apps","kustomize.toolkit.fluxcd.io/namespace":"flux-system"`:                                                                                  "flux-system/Kustomization/apps",
		`"helm.toolkit.fluxcd.io/name":"db","helm.toolkit.fluxcd.io/namespace":"tenant-7","kustomize.toolkit.fluxcd.io/name":"apps","kustomize.toolkit.fluxcd.io/namespace":"flux-system"`: "tenant-7/HelmRelease/db",
		`"kustomize.toolkit.fluxcd.io/name":"apps"`: "",
	} {
		d, err := draftOf(t, testConfig(), "deployments", []byte(`{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","namespace":"tenant-7","uid":"u","labels":{`+labels+`}},"spec":{}}`))
		if err != nil {
			t.Fatal(err)
		}
		var f evidence.WorkloadFacts
		if err := json.Unmarshal(d.Content, &f); err != nil || f.App != app {
			t.Errorf("%s: app %q, want %q (%v)", labels, f.App, app, err)
		}
		if linked := slices.Contains(d.Links, evidence.NewRef("app", "prod", app)); linked != (app != "") {
			t.Errorf("%s: links %v", labels, d.Links)
		}
	}
}

// CRI-O reports its own id of an image, without an algorithm; the image's name
// may hold the digest by which a registry knows it.
func TestOwnIDOfImage(t *testing.T) {
	own, manifest := strings.Repeat("0c", 32), "sha256:"+strings.Repeat("4b", 32)
	for _, c := range []struct{ image, id, digest, of string }{
		{"registry.example/c:1", own, "sha256:" + own, ofUnknown},
		{"registry.example/c@" + manifest, own, manifest, ofManifest},
		{"sha256:" + own, "sha256:" + own, "sha256:" + own, ofUnknown},
		{"registry.example/c@" + manifest, "registry.example/c@sha256:" + own, "sha256:" + own, ofManifest},
		{"registry.example/c@" + manifest, "", "", ""}, // not there yet
		{"registry.example/c:1", own[2:], "", ""},
	} {
		f, d := podFacts(t, testConfig(), `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"tenant-7","uid":"u"},"spec":{"containers":[{"name":"c","image":"registry.example/c:1"}]},
			"status":{"containerStatuses":[{"name":"c","image":"`+c.image+`","imageID":"`+c.id+`","state":{"running":{"startedAt":"2026-03-02T13:00:00Z"}}}]}}`)
		if got := f.Containers[0]; got.Digest != c.digest || got.DigestOf != c.of || got.ImageID != c.id {
			t.Errorf("image %s, id %s: got digest %q of %q, want %q of %q", c.image, c.id, got.Digest, got.DigestOf, c.digest, c.of)
		}
		if c.digest != "" && !slices.Contains(d.Links, evidence.NewRef("image", "", c.digest)) {
			t.Errorf("image %s, id %s: links %v", c.image, c.id, d.Links)
		}
	}
}

// An application may declare a pod itself; what was copied from another object
// counts for nothing.
func TestTrackedPod(t *testing.T) {
	for id, app := range map[string]string{
		"shop:/Pod:tenant-7/p":             "argocd/shop",
		"apps_shop:/Pod:tenant-7/p":        "apps/shop",
		"shop:apps/Deployment:tenant-7/p":  "",
		"shop:/Pod:tenant-7/somebody-else": "",
	} {
		f, d := podFacts(t, testConfig(), `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"tenant-7","uid":"u","annotations":{"argocd.argoproj.io/tracking-id":"`+id+`"}},"spec":{}}`)
		linked := false
		for _, l := range d.Links {
			linked = linked || l.Scheme == "app" && strings.HasSuffix(l.Name, app)
		}
		if f.App != app || linked != (app != "") {
			t.Errorf("%s: app %q, linked %t; want %q", id, f.App, linked, app)
		}
	}
}
