package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"evidenced/testdata/world"
)

// spec is what is declared of one application.
type spec struct {
	version  string
	replicas int
	env      map[string]string
}

// snapshot is the declared state at one commit. A snapshot is never changed
// once a commit holds it.
type snapshot struct {
	apps  map[string]spec   // tenant/app
	files map[string]string // path to content
}

func emptySnapshot() snapshot {
	return snapshot{apps: map[string]spec{}, files: map[string]string{}}
}

// with returns s with the edits applied.
func (s snapshot) with(w *world.World, edits []world.Edit) snapshot {
	out := snapshot{apps: maps.Clone(s.apps), files: maps.Clone(s.files)}
	for _, e := range edits {
		if e.File != "" {
			out.files[e.File] = e.Content
			continue
		}
		key := e.Tenant + "/" + e.App
		sp := out.apps[key]
		if e.Version != "" {
			sp.version = e.Version
		}
		if e.Replicas > 0 {
			sp.replicas = e.Replicas
		}
		if len(e.Env) > 0 {
			env := maps.Clone(sp.env)
			if env == nil {
				env = map[string]string{}
			}
			maps.Copy(env, e.Env)
			sp.env = env
		}
		out.apps[key] = sp
		for name, content := range render(w, e.Tenant, e.App, sp) {
			out.files[appPath(e.Tenant, e.App)+"/"+name] = content
		}
	}
	return out
}

// appPath is the folder of an application in the repository.
func appPath(tenant, app string) string { return "tenants/" + tenant + "/" + app }

// digest is the digest of an application's image of a version: any hash does,
// since no registry is asked, but one version has one digest.
func digest(tenant, app, version string) string {
	sum := sha256.Sum256([]byte("image/" + tenant + "/" + app + ":" + version))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func image(w *world.World, tenant, app, version string) string {
	return w.Registry + "/" + tenant + "/" + app + "@" + digest(tenant, app, version)
}

// render writes the files of one application.
func render(w *world.World, tenant, app string, sp spec) map[string]string {
	var env strings.Builder
	for _, k := range slices.Sorted(maps.Keys(sp.env)) {
		fmt.Fprintf(&env, "  %s: %q\n", k, sp.env[k])
	}
	if w.Multi.Tenant == tenant && w.Multi.App == app {
		return map[string]string{"values.yaml": fmt.Sprintf("image: %s # %s\nreplicas: %d\nenv:\n%s",
			image(w, tenant, app, sp.version), sp.version, sp.replicas, env.String())}
	}
	a, _ := w.App(app)
	shared := "../../../base, "
	if tenant == w.Own.Name { // what tenants share is not for the platform itself
		shared = ""
	}
	return map[string]string{
		"kustomization.yaml": fmt.Sprintf("namespace: %s\nresources: [%sdeployment.yaml, config.yaml]\n", tenant, shared),
		"config.yaml":        fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\ndata:\n%s", app, env.String()),
		"deployment.yaml": fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: %[1]s
  labels: {tenant: %[2]s}
spec:
  replicas: %[3]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s, tenant: %[2]s}}
    spec:
      serviceAccountName: %[1]s
      containers:
        - name: %[1]s
          image: %[4]s # %[5]s
          ports: [{containerPort: %[6]d}]
          envFrom: [{configMapRef: {name: %[1]s}}]
`, app, tenant, sp.replicas, image(w, tenant, app, sp.version), sp.version, a.Port),
	}
}

// fingerprints tells, for each application, a hash of everything that is
// declared of it: its folder, and what all share but the platform's own.
func (s snapshot) fingerprints(own string) map[string]string {
	out := make(map[string]string, len(s.apps))
	var shared strings.Builder
	for _, p := range slices.Sorted(maps.Keys(s.files)) {
		if strings.HasPrefix(p, "base/") {
			shared.WriteString(s.files[p])
		}
	}
	for key := range s.apps {
		h := sha256.New()
		if !strings.HasPrefix(key, own+"/") {
			fmt.Fprintln(h, shared.String())
		}
		dir := "tenants/" + key + "/"
		for _, name := range []string{"values.yaml", "kustomization.yaml", "config.yaml", "deployment.yaml"} {
			fmt.Fprintln(h, s.files[dir+name])
		}
		out[key] = hex.EncodeToString(h.Sum(nil)[:8])
	}
	return out
}

// fileChange is one path that differs between two snapshots.
type fileChange struct {
	path   string
	status string // added, modified, removed
	add    int    // lines
	del    int
}

// differences compares the files of two snapshots, sorted by path.
func differences(before, after snapshot) []fileChange {
	var out []fileChange
	for path, content := range after.files {
		old, was := before.files[path]
		switch {
		case !was:
			out = append(out, fileChange{path, "added", strings.Count(content, "\n"), 0})
		case old != content:
			add, del := lineChanges(old, content)
			out = append(out, fileChange{path, "modified", add, del})
		}
	}
	for path, content := range before.files {
		if _, still := after.files[path]; !still {
			out = append(out, fileChange{path, "removed", 0, strings.Count(content, "\n")})
		}
	}
	slices.SortFunc(out, func(a, b fileChange) int { return strings.Compare(a.path, b.path) })
	return out
}

// lineChanges counts lines that stand in only one of two texts.
func lineChanges(before, after string) (add, del int) {
	count := map[string]int{}
	for _, l := range strings.Split(before, "\n") {
		count[l]++
	}
	for _, l := range strings.Split(after, "\n") {
		if count[l] > 0 {
			count[l]--
			continue
		}
		add++
	}
	for _, n := range count {
		del += n
	}
	return add, del
}
