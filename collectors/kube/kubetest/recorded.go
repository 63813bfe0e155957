package kubetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// Objects reads an archive of objects. Each file of it is named
// RESOURCE.GROUP/VERSION ("certificates.cert-manager.io/v1") and holds a JSON
// list of objects as a list answers them; the map has that name without the
// version.
func Objects(t testing.TB, file string) map[string][]json.RawMessage {
	t.Helper()
	objects := map[string][]json.RawMessage{}
	for _, f := range archive(t, file) {
		name, _, _ := strings.Cut(f.Name, "/")
		objects[name] = items(t, f)
	}
	return objects
}

func archive(t testing.TB, file string) []txtar.File {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return txtar.Parse(b).Files
}

func items(t testing.TB, f txtar.File) []json.RawMessage {
	t.Helper()
	var list []json.RawMessage
	if err := json.Unmarshal(f.Data, &list); err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	return list
}

// Conversation writes the conversation of a server that serves the objects of
// an archive in one page each, and the namespaces with these labels, for
// collectortest. It returns the file's name.
func Conversation(t testing.TB, file string, namespaces map[string]map[string]string) string {
	t.Helper()
	var out txtar.Archive
	add := func(line string, v any) {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Files = append(out.Files, txtar.File{Name: line, Data: append(b, '\n')})
	}
	groups := map[string][]string{} // resources by group/version
	var order []string
	for _, f := range archive(t, file) {
		name, version, _ := strings.Cut(f.Name, "/")
		resource, group, _ := strings.Cut(name, ".")
		gv := group + "/" + version
		if groups[gv] == nil {
			order = append(order, gv)
		}
		groups[gv] = append(groups[gv], resource)
		add(fmt.Sprintf("GET /apis/%s/%s?limit=500", gv, resource), map[string]any{
			"kind": "List", "apiVersion": gv, "metadata": map[string]string{"resourceVersion": "1000"}, "items": items(t, f)})
	}
	type served struct {
		Name string `json:"name"`
	}
	type version struct {
		GroupVersion string `json:"groupVersion"`
		Version      string `json:"version"`
	}
	type apiGroup struct {
		Name     string    `json:"name"`
		Versions []version `json:"versions"`
	}
	var all []apiGroup
	for _, gv := range order {
		var list []served
		for _, r := range groups[gv] {
			list = append(list, served{r})
		}
		add("GET /apis/"+gv, map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": gv, "resources": list})
		group, v, _ := strings.Cut(gv, "/")
		i := slices.IndexFunc(all, func(g apiGroup) bool { return g.Name == group })
		if i < 0 {
			i, all = len(all), append(all, apiGroup{Name: group})
		}
		all[i].Versions = append(all[i].Versions, version{gv, v})
	}
	add("GET /apis", map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": all})
	add("GET /readyz", "ok")
	out.Files[len(out.Files)-1].Data = []byte("ok") // no JSON, no line end
	add("GET /api/v1/namespaces?limit=500", map[string]any{"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
		"metadata": map[string]string{"resourceVersion": "1000"}, "items": namespaceItems(namespaces)})
	name := filepath.Join(t.TempDir(), "conversation.txtar")
	if err := os.WriteFile(name, txtar.Format(&out), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func namespaceItems(namespaces map[string]map[string]string) []any {
	out := []any{}
	for name, labels := range namespaces {
		out = append(out, map[string]any{"metadata": map[string]any{
			"name": name, "uid": "uid-of-" + name, "resourceVersion": "5", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": labels}})
	}
	return out
}

// Fill makes, on a real server, the namespaces and the objects of an archive
// but those named in skip. Kinds has the kind of each resource by its name with
// the group. Where the server keeps a status apart it is written apart, as the
// operator would.
func (s *Server) Fill(file string, kinds map[string]string, skip ...string) {
	s.t.Helper()
	made := map[string]bool{}
	for _, f := range archive(s.t, file) {
		name, version, _ := strings.Cut(f.Name, "/")
		resource, group, _ := strings.Cut(name, ".")
		for _, raw := range items(s.t, f) {
			var o map[string]any
			if err := json.Unmarshal(raw, &o); err != nil {
				s.t.Fatalf("%s: %v", f.Name, err)
			}
			meta, ok := o["metadata"].(map[string]any)
			if !ok || slices.Contains(skip, fmt.Sprint(meta["name"])) {
				continue
			}
			o["apiVersion"], o["kind"] = group+"/"+version, kinds[name]
			for _, own := range []string{"uid", "resourceVersion", "generation", "creationTimestamp"} {
				delete(meta, own)
			}
			path := "/apis/" + group + "/" + version
			if ns, ok := meta["namespace"].(string); ok {
				if path += "/namespaces/" + ns; !made[ns] {
					made[ns] = true
					s.Create("/api/v1/namespaces", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": ns}})
				}
			}
			path += "/" + resource
			there := s.Create(path, o)
			if status, ok := o["status"]; ok && unwritten(there["status"]) {
				there["status"] = status
				s.Do(http.MethodPut, fmt.Sprintf("%s/%s/status", path, meta["name"]), there)
			}
		}
	}
}

// unwritten reports whether a status is what a definition gives to a new object,
// whose status is kept apart: nothing, or a generation that cannot be.
func unwritten(status any) bool {
	m, ok := status.(map[string]any)
	return status == nil || ok && len(m) == 1 && m["observedGeneration"] == float64(-1)
}
