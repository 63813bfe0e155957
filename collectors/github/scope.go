package github

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"evidenced/evidence"
)

const (
	maxFiles     = 500       // changed files in the facts
	maxFileBytes = 128 << 10 // bytes of their JSON
	maxPaths     = 200       // path references in a scope
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
		size += len(encode(c)) + 1
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

// scopeOf gives what tenancy rules look at: the repository, and the changed
// paths so that a mono-repository can belong to many. Past maxPaths, paths are
// cut to the deepest directories that are few enough, written dir/*; a list of
// files that is not whole reaches everywhere.
func (c *Collector) scopeOf(repo string, list []*gh.CommitFile, whole bool, mask func(string) string) []evidence.Ref {
	set := map[string]bool{}
	for _, f := range list {
		for _, p := range []string{f.GetFilename(), f.GetPreviousFilename()} {
			if p != "" {
				set[strings.TrimPrefix(mask(p), "/")] = true
			}
		}
	}
	paths := sorted(set)
	if len(paths) > maxPaths {
		paths = directories(set)
	}
	if !whole {
		paths = []string{"*"}
	}
	refs := []evidence.Ref{c.project(repo)}
	for _, p := range paths {
		if r := c.pathRef(repo, p); !slices.Contains(refs, r) {
			refs = append(refs, r)
		}
	}
	return refs
}

func directories(set map[string]bool) []string {
	depth := 0
	for p := range set {
		depth = max(depth, strings.Count(p, "/"))
	}
	for depth = min(depth, 32); depth > 0; depth-- {
		dirs := map[string]bool{}
		for p := range set {
			parts := strings.Split(p, "/")
			if len(parts) > 1 {
				p = strings.Join(parts[:min(depth, len(parts)-1)], "/") + "/*"
			}
			dirs[p] = true
		}
		if len(dirs) <= maxPaths {
			return sorted(dirs)
		}
	}
	return []string{"*"}
}

func sorted(set map[string]bool) []string {
	s := make([]string, 0, len(set))
	for k := range set {
		s = append(s, k)
	}
	slices.Sort(s)
	return s
}

func (c *Collector) project(repo string) evidence.Ref {
	return evidence.NewRef("project", c.authority, repo)
}

// pathRef names a path inside a repository; one too long for a reference
// stands as its deepest directory that fits.
func (c *Collector) pathRef(repo, p string) evidence.Ref {
	ref := evidence.NewRef("path", c.authority+"/"+repo, p)
	for len(ref.String()) > evidence.MaxRef {
		i := strings.LastIndexByte(strings.TrimSuffix(ref.Name, "/*"), '/')
		if i < 0 {
			ref.Name = "*"
			break
		}
		ref.Name = ref.Name[:i] + "/*"
	}
	return ref
}

func (c *Collector) branchRef(repo, branch string) evidence.Ref {
	ref := evidence.NewRef("branch", c.authority, repo+"@"+branch)
	if len(ref.String()) > evidence.MaxRef {
		ref.Name = repo + "@long-" + hashID(branch)
	}
	return ref
}

func (c *Collector) changeRef(repo string, number int) evidence.Ref {
	return evidence.NewRef("change", c.authority, fmt.Sprintf("%s!%d", repo, number))
}

func commitRef(sha string) evidence.Ref { return evidence.NewRef("commit", "", sha) }

// commitLinks makes references of object ids, each once, within the limit.
func commitLinks(shas ...string) []evidence.Ref {
	var refs []evidence.Ref
	for _, sha := range shas {
		r := commitRef(sha)
		if objectID.MatchString(sha) && len(refs) < evidence.MaxLinks-1 && !slices.Contains(refs, r) {
			refs = append(refs, r)
		}
	}
	return refs
}

// encode writes facts as JSON without HTML escaping.
func encode(facts any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(facts); err != nil {
		return nil // a year beyond 9999: the sink refuses a draft without content
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
