package workflows

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"evidenced/evidence"
)

// maxNodes bounds the nodes that are listed of one run: suspends and failures
// first.
const maxNodes = 200

// maxUnpacked bounds the packed nodes of one run, in bytes of JSON.
const maxUnpacked = 16 << 20

// maxObjects and maxMembers bound what the nodes of one run hold in JSON, by its
// braces and commas: read, the smallest are a hundred times as large as written.
const (
	maxObjects = 200_000
	maxMembers = 2_000_000
)

// Why the nodes of a run are not known.
const (
	offloaded   = "offloaded: the controller keeps them in its database, and the object does not hold them"
	packedOdd   = "they are packed in a way that is not understood"
	packedLarge = "packed, and larger than is opened"
	nodesMany   = "more than are read"
	nodesOdd    = "they cannot be read"
)

// readNodes returns the nodes of a workflow, or why they are not known. No nodes
// and no reason: it has none.
func readNodes(w *workflow) (nodes map[string]node, unread string) {
	raw := []byte(w.Status.Nodes)
	empty := len(raw) == 0 || string(raw) == "null" || string(raw) == "{}"
	switch {
	case !empty:
	case w.Status.CompressedNodes != "":
		var err error
		switch raw, err = unpack(w.Status.CompressedNodes, maxUnpacked); {
		case errors.Is(err, errLarge):
			return nil, packedLarge
		case err != nil:
			return nil, packedOdd
		}
	case w.Status.Offloaded != "":
		return nil, offloaded
	default:
		return nil, ""
	}
	if bytes.Count(raw, []byte("{")) > maxObjects || bytes.Count(raw, []byte(",")) > maxMembers {
		return nil, nodesMany
	}
	if json.Unmarshal(raw, &nodes) != nil {
		return nil, nodesOdd
	}
	return nodes, ""
}

var errLarge = errors.New("larger than the limit")

// unpack opens what the controller packed: base64 of gzip.
func unpack(s string, limit int64) ([]byte, error) {
	packed, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, errLarge
	}
	return b, nil
}

// acting are the types of nodes where something runs or somebody is waited for.
// The others (Steps, StepGroup, DAG, TaskGroup, Retry, Skipped) hold them together.
var acting = []string{"Pod", "Suspend", "HTTP", "Plugin", "Container"}

// nodes sets what a run's nodes tell. Over: it came to an end or is gone; until
// then its suspends alone are told, so that a run is not told anew with each step.
func (r *reader) nodes(f *evidence.WorkflowRunFacts, w *workflow, spec, stored *runSpec, over bool) {
	all, unread := readNodes(w)
	if unread != "" {
		f.NodesUnread = unread
		return
	}
	bad := func(n *node) bool { return n.Phase == "Failed" || n.Phase == "Error" }
	tries := triesOf(all)
	var own []node
	for id, n := range all {
		n.ID = cmp.Or(n.ID, id)
		if n.Type == "Suspend" || over && slices.Contains(acting, n.Type) {
			own = append(own, n)
		}
	}
	order := func(x, y node) int {
		return cmp.Or(x.StartedAt.Compare(y.StartedAt.Time), cmp.Compare(x.ID, y.ID))
	}
	slices.SortFunc(own, order)
	if over {
		for i := range own {
			switch n := &own[i]; {
			case bad(n) && mended(all, tries, n):
				f.Retried++
			case bad(n):
				f.Failed++
			}
		}
		for _, n := range all {
			if n.Memo.Hit {
				f.Cached++
			}
		}
		f.Images = r.images(own, w, spec, stored)
	}
	if len(own) > maxNodes {
		rank := func(n *node) int {
			switch {
			case n.Type == "Suspend":
				return 0
			case bad(n):
				return 1
			}
			return 2
		}
		f.NodesCut = len(own) - maxNodes
		slices.SortStableFunc(own, func(x, y node) int { return cmp.Compare(rank(&x), rank(&y)) })
		own = own[:maxNodes]
		slices.SortFunc(own, order)
	}
	for i := range own {
		n := &own[i]
		x := evidence.WorkflowNode{
			ID: word(n.ID), Name: nodeName(n.called(all)), Type: n.Type, Template: word(cmp.Or(n.TemplateName, n.refName())), Phase: phaseOf(n.Phase),
			StartedAt: n.StartedAt.Time, FinishedAt: n.FinishedAt.Time, Cached: n.Memo.Hit,
		}
		if code, err := strconv.Atoi(n.Outputs.ExitCode); err == nil {
			x.ExitCode = &code
		}
		x.Outputs, x.OutputsCut = r.params(n.Outputs.Parameters)
		f.Nodes = append(f.Nodes, x)
	}
}

// triesOf returns the ids of the tries of steps that came to a good end. Hooks of
// such a step are its children too and no tries of it.
func triesOf(all map[string]node) map[string]bool {
	out := map[string]bool{}
	for _, n := range all {
		if n.Type != "Retry" || n.Phase != "Succeeded" {
			continue
		}
		for _, c := range n.Children {
			if !all[c].Flag.Hooked {
				out[c] = true
			}
		}
	}
	return out
}

// maxDepth bounds how many templates one within another are looked through.
const maxDepth = 100

// mended reports whether a node that failed was one of the tries, or a part of one
// that failed as a whole.
func mended(all map[string]node, tries map[string]bool, n *node) bool {
	if tries[n.ID] {
		return true
	}
	for at, depth := n.BoundaryID, 0; at != "" && depth < maxDepth; depth++ {
		whole := all[at]
		if tries[at] && whole.Phase != "Succeeded" {
			return true
		}
		at = whole.BoundaryID
	}
	return false
}

// separator stands between the name of a node and that of the one it is a part of.
var separator = regexp.MustCompile(`^(?:\[\d+\])?\.`)

// called is what a node is called within the template that it is a part of. A
// template may have its nodes shown under another name, made of parameters'
// values: that one is not taken.
func (n *node) called(all map[string]node) string {
	if n.Name == "" || strings.HasSuffix(n.Name, n.DisplayName) {
		return n.DisplayName
	}
	return separator.ReplaceAllString(strings.TrimPrefix(n.Name, all[n.BoundaryID].Name), "")
}

func (n *node) refName() string {
	if n.TemplateRef == nil {
		return ""
	}
	return n.TemplateRef.Name + "/" + n.TemplateRef.Template
}

// maxImages bounds the images that are listed of one run.
const maxImages = 50

// pinned is an image by its digest.
var pinned = regexp.MustCompile(`^[^\s{}@]+@(sha256:[0-9a-f]{64})$`)

// images lists the digests that pods of a run surely ran: those that the template
// that ran pins, of nodes whose container came to an end of its own. A patch of
// the pod may replace an image, a parameter may stand in its name: then nothing is
// sure.
func (r *reader) images(nodes []node, w *workflow, spec, stored *runSpec) (out []string) {
	in := spec
	if spec.WorkflowTemplateRef != nil {
		in = stored
	}
	if spec.PodSpecPatch != "" || stored.PodSpecPatch != "" || in.TemplateDefaults != nil {
		return nil
	}
	for i := range nodes {
		n := &nodes[i]
		if n.Type != "Pod" || n.Memo.Hit || n.Outputs.ExitCode == "" && n.Phase != "Succeeded" {
			continue
		}
		t := templateOfNode(n, w, in)
		if t == nil || t.PodSpecPatch != "" {
			continue
		}
		var images []image
		for _, one := range []*image{t.Container, t.Script} {
			if one != nil {
				images = append(images, *one)
			}
		}
		if t.ContainerSet != nil && n.Phase == "Succeeded" {
			images = append(images, t.ContainerSet.Containers...)
		}
		for _, one := range images {
			if m := pinned.FindStringSubmatch(one.Image); m != nil && !slices.Contains(out, m[1]) && len(out) < maxImages {
				out = append(out, m[1])
			}
		}
	}
	slices.Sort(out)
	return out
}

// templateOfNode finds the template that a node was made by: of the workflow's own
// spec, or stored under SCOPE/NAME/TEMPLATE; nil when that is not sure.
func templateOfNode(n *node, w *workflow, in *runSpec) *template {
	key := ""
	switch scope := n.TemplateScope; {
	case n.TemplateRef != nil && n.TemplateRef.ClusterScope:
		key = "cluster/" + n.TemplateRef.Name + "/" + n.TemplateRef.Template
	case n.TemplateRef != nil:
		key = "namespaced/" + n.TemplateRef.Name + "/" + n.TemplateRef.Template
	case strings.HasPrefix(scope, "namespaced/"), strings.HasPrefix(scope, "cluster/"):
		key = scope + "/" + n.TemplateName
	}
	if raw, ok := w.Status.StoredTemplates[key]; ok {
		var t template
		if json.Unmarshal(raw, &t) != nil {
			return nil
		}
		return &t
	}
	if n.TemplateRef != nil {
		return nil
	}
	var found *template
	for i := range in.Templates {
		if t := &in.Templates[i]; t.Name == n.TemplateName && t.Name != "" {
			if found != nil {
				return nil
			}
			found = t
		}
	}
	return found
}
