package gitlab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/evidence"
)

const (
	maxFiles     = 500       // changed files in the facts
	maxFileBytes = 128 << 10 // bytes of their JSON
	maxPaths     = 200       // path references in a scope
)

// fileList is the changed files of a commit or request.
type fileList struct {
	files []*gl.Diff
	whole bool
}

// facts turns the list into facts and counts the rest.
func (l fileList) facts(mask func(string) string) (fs []evidence.FileChange, cut int) {
	size := 0
	for i, f := range l.files {
		c := evidence.FileChange{Path: mask(f.NewPath), Status: "modified"}
		switch {
		case f.RenamedFile:
			c.Status, c.From = "renamed", mask(f.OldPath)
		case f.NewFile:
			c.Status = "added"
		case f.DeletedFile:
			c.Status, c.Path = "removed", mask(f.OldPath)
		case f.AMode != f.BMode:
			c.Status = "type"
		}
		size += len(encode(c)) + 1
		if i >= maxFiles || size > maxFileBytes {
			return fs, len(l.files) - i
		}
		fs = append(fs, c)
	}
	return fs, 0
}

// scopeOf gives what tenancy rules look at: the project, and the changed paths
// so that a mono-repository can belong to many. Past maxPaths, paths are cut to
// the deepest directories that are few enough, written dir/*; a list of files
// that is not whole reaches everywhere.
func (c *Collector) scopeOf(repo string, l fileList, mask func(string) string) []evidence.Ref {
	set := map[string]bool{}
	for _, f := range l.files {
		for _, p := range []string{f.NewPath, f.OldPath} {
			if p != "" {
				set[strings.TrimPrefix(mask(p), "/")] = true
			}
		}
	}
	paths := sorted(set)
	if len(paths) > maxPaths {
		paths = directories(set)
	}
	if !l.whole {
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

func (c *Collector) project(path string) evidence.Ref {
	return evidence.NewRef("project", c.authority, path)
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

func (c *Collector) changeRef(repo string, iid int) evidence.Ref {
	return evidence.NewRef("change", c.authority, fmt.Sprintf("%s!%d", repo, iid))
}

func (c *Collector) pipelineRef(repo string, id int) evidence.Ref {
	return evidence.NewRef("pipeline", c.authority, repo+"/"+strconv.Itoa(id))
}

func (c *Collector) memberRef(container, id string) evidence.Ref {
	return evidence.NewRef("member", c.authority, container+"/"+id)
}

func commitRef(sha string) evidence.Ref { return evidence.NewRef("commit", "", sha) }

// commitLinks makes references of object ids, each once, within the limit.
func commitLinks(shas ...string) []evidence.Ref {
	var refs []evidence.Ref
	for _, sha := range shas {
		r := commitRef(sha)
		if objectID.MatchString(sha) && len(refs) < evidence.MaxLinks-8 && !slices.Contains(refs, r) {
			refs = append(refs, r)
		}
	}
	return refs
}

var digestIn = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// imageLinks names an image that a report is about: by digest when it has one,
// else by its tag.
func imageLinks(image, digest string) []evidence.Ref {
	switch {
	case digest != "":
		return []evidence.Ref{evidence.NewRef("image", "", digest)}
	case image != "" && strings.Contains(image, ":"):
		return []evidence.Ref{evidence.NewRef("imagetag", "", image)}
	}
	return nil
}

// when gives a source's time in UTC, zero for none and for one that JSON cannot
// hold.
func when(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	u := t.UTC()
	if y := u.Year(); u.IsZero() || y < 1 || y > 9999 {
		return time.Time{}
	}
	return u
}

func whenDay(t *gl.ISOTime) time.Time {
	if t == nil {
		return time.Time{}
	}
	u := time.Time(*t)
	return when(&u)
}

func objectOrNone(s string) string {
	if objectID.MatchString(s) {
		return s
	}
	return ""
}

func addIndex(list []int, i int) []int {
	if i < 0 || slices.Contains(list, i) {
		return list
	}
	return append(list, i)
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
