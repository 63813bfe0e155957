package gitlab

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

const (
	maxFiles     = 500       // changed files in the facts
	maxFileBytes = 128 << 10 // bytes of their JSON
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
		size += len(forge.Encode(c)) + 1
		if i >= maxFiles || size > maxFileBytes {
			return fs, len(l.files) - i
		}
		fs = append(fs, c)
	}
	return fs, 0
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
func commitLinks(shas ...string) []evidence.Ref { return forge.CommitLinks(8, shas...) }

func (c *Collector) pipelineRef(repo string, id int) evidence.Ref {
	return evidence.NewRef("pipeline", c.authority, repo+"/"+strconv.Itoa(id))
}

func (c *Collector) memberRef(container, id string) evidence.Ref {
	return evidence.NewRef("member", c.authority, container+"/"+id)
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

// date is a day, or a time, which older servers write in its place.
type date struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (d *date) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil || s == "" { // null is none
		return err
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t, err = time.Parse(time.RFC3339, s)
	}
	d.Time = t
	return err
}
