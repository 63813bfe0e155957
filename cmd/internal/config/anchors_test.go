package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A configuration that says nothing of anchors has a folder beside the data;
// one that says there are none has none.
func TestAnchorsResolved(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []Anchor
	}{
		"left out": {"", []Anchor{{Name: "folder", Type: "file", Every: 5 * time.Minute, Dir: "/etc/evidenced/data-anchors"}}},
		"empty":    {"anchors: []\n", []Anchor{}},
		"given": {`anchors:
  - {name: disk, type: file, dir: ../backup, every: 1m}
  - {name: repo, type: git, repository: repo.git}
  - {name: far, type: git, repository: "https://git.example/a.git", token_file: token, ca_file: /ca.pem, branch: b, user: u}
  - {name: log, type: syslog, address: "tcp://logs.example:601", forwarded: true}
`, []Anchor{
			{Name: "disk", Type: "file", Every: time.Minute, Dir: "/etc/backup"},
			{Name: "repo", Type: "git", Every: 15 * time.Minute, Repository: "/etc/evidenced/repo.git"},
			{Name: "far", Type: "git", Every: 15 * time.Minute, Repository: "https://git.example/a.git", TokenFile: "/etc/evidenced/token", CAFile: "/ca.pem", Branch: "b", User: "u"},
			{Name: "log", Type: "syslog", Every: 5 * time.Minute, Address: "tcp://logs.example:601", Forwarded: true},
		}},
	} {
		if d := cmp.Diff(c.want, parse(t, "data_dir: data\n"+c.text).Anchors); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	c, err := ForDirectory("/srv/data")
	if err != nil || len(c.Anchors) != 1 || c.Anchors[0].Dir != "/srv/data-anchors" {
		t.Errorf("of a directory alone: %+v, %v", c.Anchors, err)
	}
}
