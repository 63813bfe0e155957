package harbor

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

func description(t *testing.T) routers.Router {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("testdata/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// invalid says what of a request the description does not allow; "" for none.
// It returns the path as the description writes it.
func invalid(t *testing.T, router routers.Router, r *http.Request) (path, why string) {
	t.Helper()
	route, params, err := router.FindRoute(r)
	if err != nil {
		return "", err.Error()
	}
	var known []string
	for _, p := range route.Operation.Parameters {
		if p.Value.In == "query" {
			known = append(known, p.Value.Name)
		}
	}
	for name := range r.URL.Query() {
		if !slices.Contains(known, name) {
			return route.Path, "parameter " + name + " does not exist"
		}
	}
	err = openapi3filter.ValidateRequest(t.Context(), &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route})
	if err != nil {
		return route.Path, err.Error()
	}
	return route.Path, ""
}

// Every request that a look and an examination make is one that the registry's
// API describes.
func TestRequestsAreDescribed(t *testing.T) {
	router := description(t)
	l := newLab(t, nil)
	var mu sync.Mutex
	asked := map[string]bool{}
	old := false // it lists artifacts by repository alone
	l.SetFault(func(_ int, line string, w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		path, why := invalid(t, router, r)
		if why != "" {
			t.Errorf("%s: %s", line, why)
		}
		asked[path] = true
		switch {
		case old && path == "/projects/{project}/artifacts":
			w.WriteHeader(http.StatusNotFound)
		case old && path == "/projects/{project}/repositories":
			project := strings.Split(r.URL.Path, "/")[5]
			fmt.Fprintf(w, `[{"id": 1, "name": %q}]`, project+"/a/b")
		case old && path == "/projects/{project}/repositories/{repository}/artifacts":
			fmt.Fprint(w, `[]`)
		default:
			return false
		}
		return true
	})
	rec := l.must(nil)
	l.clock = l.clock.Add(time.Hour)
	l.must(rec.Resume())
	if _, err := l.c.Examine(t.Context()); err != nil {
		t.Fatal(err)
	}
	narrow(l)
	l.restart()
	l.must(nil)
	old = true
	l.must(nil)
	doc, err := openapi3.NewLoader().LoadFromFile("testdata/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for path := range doc.Paths.Map() {
		if !asked[path] {
			t.Errorf("%s is described and was never asked", path)
		}
	}
}

// The description refuses what the registry would.
func TestDescriptionRefuses(t *testing.T) {
	router := description(t)
	for target, want := range map[string]string{
		"/registry/api/v2.0/robots?page_size=101":                           "maximum",
		"/registry/api/v2.0/projects?with_detail=perhaps":                   "with_detail",
		"/registry/api/v2.0/replication/executions?q=id%3D1":                "does not exist",
		"/registry/api/v2.0/retentions/four":                                "id",
		"/registry/api/v2.0/projects/a/repositories/b/artifacts/latest/x":   "no matching",
		"/registry/api/v2.0/auditlog-exts?page=0":                           "minimum",
		"/registry/api/v2.0/projects/a/repositories/b/c/artifacts/sha256:0": "no matching",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://registry.example"+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, why := invalid(t, router, r); !strings.Contains(why, want) {
			t.Errorf("%s: got %q, want it to hold %q", target, why, want)
		}
	}
}
