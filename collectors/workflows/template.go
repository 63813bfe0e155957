package workflows

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// templateOf says what ran. A workflow that names a template holds what that was
// when it began; one that names none holds its own.
func templateOf(o *kube.Object, w *workflow, spec *runSpec) *evidence.WorkflowTemplate {
	t := &evidence.WorkflowTemplate{Kind: kindRun}
	ran := w.Spec
	switch ref := spec.WorkflowTemplateRef; {
	case ref != nil && ref.ClusterScope:
		t.Kind, t.Name, ran = kindClusterTemplate, word(ref.Name), w.Status.StoredSpec
	case ref != nil:
		t.Kind, t.Name, ran = kindTemplate, word(ref.Name), w.Status.StoredSpec
	case o.Labels[labelTemplate] != "": // submitted from one, with a copy of it
		t.Kind, t.Name = kindTemplate, word(o.Labels[labelTemplate])
	case o.Labels[labelClusterTemplate] != "":
		t.Kind, t.Name = kindClusterTemplate, word(o.Labels[labelClusterTemplate])
	}
	t.SHA256 = hashOf(ran)
	return t
}

// patched are the members of a spec that a run has for itself, or that change
// while it runs.
var patched = []string{"arguments", "suspend", "shutdown", "activeDeadlineSeconds", "workflowTemplateRef"}

// hashOf is the SHA-256 of a spec or template in JSON with sorted keys; "" of
// what is not there.
func hashOf(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return ""
	}
	if m, ok := v.(map[string]any); ok {
		for _, k := range patched {
			delete(m, k)
		}
	}
	b, err := json.Marshal(withoutNulls(v))
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// withoutNulls leaves out members that are null: one writer leaves them out and
// another does not.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if x == nil {
				delete(v, k)
				continue
			}
			v[k] = withoutNulls(x)
		}
	case []any:
		for i, x := range v {
			v[i] = withoutNulls(x)
		}
	}
	return v
}

// maxTemplates bounds the templates that are listed of one run.
const maxTemplates = 50

// storedOf lists the templates that steps took from elsewhere. Keys are
// namespaced/NAME/TEMPLATE and cluster/NAME/TEMPLATE.
func storedOf(stored map[string]json.RawMessage) (out []evidence.WorkflowTemplate, cut int) {
	for _, key := range slices.Sorted(maps.Keys(stored)) {
		scope, name, _ := strings.Cut(key, "/")
		t := evidence.WorkflowTemplate{Name: word(name), SHA256: hashOf(stored[key])}
		switch scope {
		case "namespaced":
			t.Kind = kindTemplate
		case "cluster":
			t.Kind = kindClusterTemplate
		default:
			t.Kind, t.Name = kindRun, word(key)
		}
		if len(out) == maxTemplates {
			cut++
			continue
		}
		out = append(out, t)
	}
	return out, cut
}
