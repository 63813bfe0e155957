package forge

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
)

// A file is whoever's its path is, now and before.
func TestMentionFiles(t *testing.T) {
	path := func(p string) evidence.Ref { return evidence.NewRef("path", "prod/acme/gitops", p) }
	want := []evidence.Mention{{
		At: "/files", Names: []string{"path", "from"}, Within: evidence.NewRef("project", "prod", "acme/gitops"),
		Of: [][]evidence.Ref{{path("apps/a/x")}, {path("apps/b/y"), path("apps/a/y")}},
	}}
	got := MentionFiles("prod", "acme/gitops", []evidence.FileChange{{Path: "apps/a/x"}, {Path: "apps/b/y", From: "apps/a/y"}})
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := MentionFiles("prod", "acme/gitops", nil); got != nil {
		t.Errorf("of no files: %v", got)
	}
}
