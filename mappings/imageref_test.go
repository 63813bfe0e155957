package mappings

import (
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

func TestImageReferences(t *testing.T) {
	for _, tt := range []struct{ image, repository, tag, digest string }{
		{"registry.example/shop/web:1.4.2", "registry.example/shop/web", "1.4.2", ""},
		{"registry.example/shop/web@sha256:aa", "registry.example/shop/web", "", "sha256:aa"},
		{"registry.example/shop/web:1.4.2@sha256:aa", "registry.example/shop/web", "1.4.2", "sha256:aa"},
		{"registry.example:5000/web", "registry.example:5000/web", "latest", ""},
		{"registry.example:5000/a/b/web:x", "registry.example:5000/a/b/web", "x", ""},
		{"localhost/web", "localhost/web", "latest", ""},
		{"redis:7", "docker.io/library/redis", "7", ""},
		{"envoyproxy/envoy:1.30", "docker.io/envoyproxy/envoy", "1.30", ""},
		{"index.docker.io/library/redis", "docker.io/library/redis", "latest", ""},
		{"", "", "latest", ""},
	} {
		if r, tag, d := repositoryOf(tt.image), tagOf(tt.image), pinnedTo(tt.image); r != tt.repository || tag != tt.tag || d != tt.digest {
			t.Errorf("%q: got %q, %q, %q, want %q, %q, %q", tt.image, r, tag, d, tt.repository, tt.tag, tt.digest)
		}
	}
}

// FuzzImageReference holds that an image reference of any form is read without
// harm, and that its repository names itself.
func FuzzImageReference(f *testing.F) {
	for _, s := range []string{"a", "a:b", "a/b:c@sha256:d", "h:5/x", "@", ":", "a:b:c", "//", "\x00/é:ß"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := repositoryOf(s)
		if again := repositoryOf(r); strings.Contains(r, "/") && !strings.ContainsAny(s, "@:") && again != r {
			t.Errorf("%q: got %q, and of that %q", s, r, again)
		}
		tagOf(s)
		pinnedTo(s)
		imageLabel(s, "sha256:"+s)
	})
}

func TestVersionTags(t *testing.T) {
	for tag, want := range map[string]bool{
		"1.4.2": true, "v1.4": true, "V2.0.0": true, "2026.11": true, "1.4.2-rc.1": true, "1.4.2+build.7": true, "1.2.3.4": true, "1.4.2_r1": true,
		"latest": false, "main": false, "1": false, "v2": false, "a41c9e2": false, "20261114": false, "feature-1.2": false, "1.": false, "1.2.": false, "stable-1.2.3": false,
	} {
		if got := isVersion(evidence.ArtifactTag{Name: tag}); got != want {
			t.Errorf("%s: got %v, want %v", tag, got, want)
		}
	}
	if !isVersion(evidence.ArtifactTag{Name: "gold", Immutable: true}) {
		t.Error("a tag that the registry keeps immutable does not count")
	}
}

func TestWorkloadNames(t *testing.T) {
	for name, want := range map[string]string{
		"Job/report-29401920": "Job/report", "Job/report-2940192012": "Job/report", "Job/migrate-2": "Job/migrate-2", "Job/report": "Job/report",
		"Deployment/web-29401920": "Deployment/web-29401920",
	} {
		if got := workloadName(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	bare := &evidence.PodFacts{Name: "web"}
	owned := &evidence.PodFacts{Name: "web-1", Owner: &evidence.OwnerRef{Kind: "ReplicaSet", Name: "web"}}
	if a, b := podWorkload(bare), podWorkload(owned); a != "Pod/web" || b != "ReplicaSet/web" {
		t.Errorf("got %s and %s", a, b)
	}
}

func TestJoined(t *testing.T) {
	at := func(h int) time.Time { return time.Date(2026, 11, 1, h, 0, 0, 0, time.UTC) }
	p := func(a, b int) evidence.Period { return evidence.Period{From: at(a), To: at(b)} }
	got := joined([]evidence.Period{p(5, 6), p(1, 2), p(2, 3), p(8, 9), p(1, 4), p(8, 8)})
	if want := []evidence.Period{p(1, 4), p(5, 6), p(8, 9)}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestSameImage holds when two digests count as one image: never on a guess.
func TestSameImage(t *testing.T) {
	x := &shelf{byDigest: map[string][]*shelved{}, parents: map[string][]string{}, places: map[string]bool{}, tags: map[string][]tagSpan{}, sources: map[string]evidence.SourceID{}}
	x.put(&shelved{digest: "index", children: []string{"amd64", "arm64"}})
	x.put(&shelved{digest: "plain"})
	x.put(&shelved{digest: "cut", children: []string{"c1"}, cut: true})
	for _, tt := range []struct {
		a, b string
		want tri
	}{
		{"index", "index", yes}, {"amd64", "index", yes}, {"index", "arm64", yes}, {"plain", "index", no},
		{"other", "index", no}, // the index lists all it holds
		{"other", "plain", unknown}, {"other", "cut", unknown}, {"c1", "cut", yes}, {"other", "another", unknown}, {"plain", "cut", unknown},
	} {
		if got := x.same(tt.a, tt.b); got != tt.want {
			t.Errorf("%s and %s: got %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := x.same(tt.b, tt.a); got != tt.want {
			t.Errorf("%s and %s: got %d, want %d", tt.b, tt.a, got, tt.want)
		}
	}
}
