package github

import (
	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

const (
	maxFiles     = 500       // changed files in the facts
	maxFileBytes = 128 << 10 // bytes of their JSON
)

// files turns the API's list into facts and counts the rest; total is how many
// the source says there are, 0 when it does not.
func files(list []*gh.CommitFile, total int, mask func(string) string) (fs []evidence.FileChange, cut int) {
	size := 0
	for i, f := range list {
		c := evidence.FileChange{Path: mask(f.GetFilename()), Status: fileStatus(f.GetStatus())}
		if f.GetPreviousFilename() != "" {
			c.From = mask(f.GetPreviousFilename())
		}
		size += len(forge.Encode(c)) + 1
		if i >= maxFiles || size > maxFileBytes {
			return fs, max(len(list), total) - i
		}
		fs = append(fs, c)
	}
	return fs, max(total-len(list), 0)
}

func fileStatus(s string) string {
	switch s {
	case "added", "copied":
		return "added"
	case "removed", "renamed":
		return s
	case "changed":
		return "type"
	}
	return "modified"
}

func (c *Collector) project(path string) evidence.Ref { return forge.Project(c.authority, path) }

func (c *Collector) branchRef(repo, branch string) evidence.Ref {
	return forge.Branch(c.authority, repo, branch)
}

func (c *Collector) changeRef(repo string, number int) evidence.Ref {
	return forge.Change(c.authority, repo, number)
}

// commitLinks makes references of object ids and leaves room for what else a
// draft links to.
func commitLinks(shas ...string) []evidence.Ref { return forge.CommitLinks(1, shas...) }
