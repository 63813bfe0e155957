package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in, out string
		remove  []string
		took    []string
	}{
		{in: `{"metadata":{"name":"a"}}`, out: `{"metadata":{"name":"a"}}`},
		{in: `{"metadata":{"managedFields":[{"x":[1,"]}"]}],"name":"a"}}`, out: `{"metadata":{"name":"a"}}`, took: []string{"/metadata/managedFields"}},
		{in: `{ "metadata" : { "name" : "a" , "managedFields" : [ ] } , "z" : 1 }`, out: `{ "metadata" : { "name" : "a" } , "z" : 1 }`, took: []string{"/metadata/managedFields"}},
		{in: `{"metadata":{"managedFields":null}}`, out: `{"metadata":{}}`, took: []string{"/metadata/managedFields"}},
		{in: `{"metadata":{"m\u0061nagedFields":[1],"a":2}}`, out: `{"metadata":{"a":2}}`, took: []string{"/metadata/managedFields"}},
		{in: `{"spec":{"managedFields":1}}`, out: `{"spec":{"managedFields":1}}`},
		{
			in:     `{"spec":{"containers":[{"env":[{"name":"A","value":"s\"1"},{"value":"s2","name":"B"}]},{"env":null},{}]}}`,
			out:    `{"spec":{"containers":[{"env":[{"name":"A"},{"name":"B"}]},{"env":null},{}]}}`,
			remove: []string{"/spec/containers/*/env/*/value"}, took: []string{"/spec/containers/*/env/*/value"},
		},
		{in: `{"data":{"a":1,"b":2,"c":3}}`, out: `{"data":{}}`, remove: []string{"/data/a", "/data/b", "/data/c"}, took: []string{"/data/a", "/data/b", "/data/c"}},
		{in: `{"data":{"a":1,"b":{"x":2},"c":3}}`, out: `{"data":{"b":{}}}`, remove: []string{"/data/a", "/data/b/x", "/data/c"}, took: []string{"/data/a", "/data/b/x", "/data/c"}},
		{in: `{"a/b":{"~":1},"c":2}`, out: `{"a/b":{},"c":2}`, remove: []string{"/a~1b/~0"}, took: []string{"/a~1b/~0"}},
	} {
		cuts, err := parseCuts(c.remove)
		if err != nil {
			t.Fatal(err)
		}
		out, took, err := cuts.cut([]byte(c.in))
		if err != nil || string(out) != c.out || !slices.Equal(took, c.took) {
			t.Errorf("cut(%s) = %s, %q, %v; want %s, %q", c.in, out, took, err, c.out, c.took)
		}
	}
	for _, in := range []string{`{"metadata":{},"metadata":{}}`, `{"metadata":{"a":1,"a":2}}`, `{"metadata":{"a":1,"\u0061":2}}`} {
		cuts, _ := parseCuts(nil)
		if _, _, err := cuts.cut([]byte(in)); err == nil {
			t.Errorf("cut(%s): a member twice is taken", in)
		}
	}
	for _, p := range []string{"", "spec", "/", "/spec/*", "/spec/"} {
		if _, err := parseCuts([]string{p}); err == nil {
			t.Errorf("pointer %q is taken", p)
		}
	}
}

func TestParseObject(t *testing.T) {
	at := time.Date(2026, 11, 14, 14, 0, 0, 0, time.UTC)
	raw := []byte(`{"metadata":{"name":"web","namespace":"shop","uid":"u1","resourceVersion":"7","generation":3,"creationTimestamp":"2026-11-14T13:00:00+01:00",
		"labels":{"a":"b"},"managedFields":[1],"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"r","uid":"u0","controller":true}]},
		"apiVersion":"apps/v1","kind":"Deployment","Metadata":{"namespace":"someone-else"},"KIND":"Secret"}`)
	o, err := ParseObject(raw, at)
	if err != nil {
		t.Fatal(err)
	}
	if got := o.Ref("prod").String(); got != "workload:prod/shop/Deployment/web#u1" {
		t.Errorf("reference %s", got)
	}
	if o.Namespace != "shop" || o.Kind != "Deployment" || o.Generation != 3 || !o.CreatedAt.Equal(at.Add(-2*time.Hour)) || o.Labels["a"] != "b" {
		t.Errorf("object %+v", o)
	}
	if c := o.Controller(); c == nil || c.UID != "u0" {
		t.Errorf("controller %+v", c)
	}
	if bytes.Contains(o.Raw, []byte("managedFields")) || !slices.Equal(o.Removed, []string{"kube/1", "/metadata/managedFields"}) {
		t.Errorf("raw %s, removed %q", o.Raw, o.Removed)
	}
	for _, bad := range []string{``, `[]`, `null`, `{}`, `{"metadata":{"name":"a"}}`, `{"metadata":{"uid":"a"}}`, `{"metadata":[]}`, `{"metadata":{"name":"a","uid":"b","labels":7}}`, `{"a":`} {
		if _, err := ParseObject([]byte(bad), at); err == nil {
			t.Errorf("%s is taken for an object", bad)
		}
	}
	if err := o.Decode(&struct {
		Metadata struct{ Labels []string }
	}{}); err == nil || strings.Contains(err.Error(), `"b"`) {
		t.Errorf("decode into the wrong type: %v", err)
	}
}

func TestRefOf(t *testing.T) {
	for _, c := range []struct{ group, kind, ns, name, want string }{
		{"", "Pod", "shop", "web-1", "pod:prod/shop/web-1"},
		{"", "Node", "", "node-a", "node:prod/node-a"},
		{"", "Namespace", "", "shop", "namespace:prod/shop"},
		{"", "ServiceAccount", "shop", "web", "account:prod/shop/web"},
		{"", "Secret", "shop", "db", "copy:prod/shop/db"},
		{"batch", "CronJob", "shop", "dump", "workload:prod/shop/CronJob/dump"},
		{"argoproj.io", "Application", "argocd", "web", "app:prod/argocd/web"},
		{"velero.io", "Restore", "velero", "drill", "object:prod/Restore.velero.io/velero/drill"},
		{"", "ConfigMap", "shop", "c", "object:prod/ConfigMap/shop/c"},
		{"rbac.authorization.k8s.io", "ClusterRole", "", "view", "object:prod/ClusterRole.rbac.authorization.k8s.io//view"},
	} {
		if got := RefOf("prod", c.group, c.kind, c.ns, c.name).String(); got != c.want {
			t.Errorf("RefOf(%s, %s, %s, %s) = %s, want %s", c.group, c.kind, c.ns, c.name, got, c.want)
		}
	}
}

func TestLookDraft(t *testing.T) {
	l := NewLook("kubernetes/prod", "tiny/1", worldBegin, Namespace{Name: "shop", UID: "n1", Labels: map[string]string{"team": "x", "kubernetes.io/metadata.name": "shop", "pod-security.kubernetes.io/enforce": "baseline"}})
	o, err := ParseObject([]byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"shop","uid":"u1"}}`), worldBegin)
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Draft(evidence.RuntimePod, o, evidence.PodFacts{Name: "web"})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(d.Scope); got != "[ns:prod/shop label:prod/team=x]" {
		t.Errorf("scope %s", got)
	}
	if d.Op != evidence.OpSet || d.Key != "" || d.Subject.String() != "pod:prod/shop/web#u1" || d.Request.Agent != "tiny/1" {
		t.Errorf("draft %+v", d)
	}
	ns, err := ParseObject([]byte(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"new","uid":"u2","labels":{"team":"y"}}}`), worldBegin)
	if err != nil {
		t.Fatal(err)
	}
	if d, err = l.Draft(evidence.RuntimeNamespace, ns, evidence.NamespaceFacts{Name: "new"}); err != nil || fmt.Sprint(d.Scope) != "[ns:prod/new label:prod/team=y]" {
		t.Errorf("scope of a namespace %s, %v", d.Scope, err)
	}
}

func TestDecodeList(t *testing.T) {
	for _, c := range []struct {
		name, in string
		items    int
		ok       bool
	}{
		{"items first", `{"apiVersion":"v1","items":[{"a":1},{"b":2}],"kind":"L","metadata":{"resourceVersion":"5","continue":"c","remainingItemCount":7}}`, 2, true},
		{"metadata first", `{"kind":"L","metadata":{"resourceVersion":"5"},"items":[{"a":1}]}`, 1, true},
		{"null items", `{"metadata":{"resourceVersion":"5"},"items":null}`, 0, true},
		{"unknown members", `{"x":{"items":[1]},"metadata":{"resourceVersion":"5"},"items":[]}` + "\n", 0, true},
		{"no items", `{"metadata":{"resourceVersion":"5"}}`, 0, false},
		{"no version", `{"metadata":{},"items":[]}`, 0, false},
		{"items twice", `{"metadata":{"resourceVersion":"5"},"items":[],"items":[]}`, 0, false},
		{"something behind", `{"metadata":{"resourceVersion":"5"},"items":[]}{}`, 0, false},
		{"cut in an item", `{"metadata":{"resourceVersion":"5"},"items":[{"a":1},{"b"`, 1, false},
		{"cut before the end", `{"metadata":{"resourceVersion":"5"},"items":[]`, 0, false},
		{"not an object", `[1]`, 0, false},
		{"a page", `<html>`, 0, false},
		{"empty", ``, 0, false},
		{"items are an object", `{"metadata":{"resourceVersion":"5"},"items":{}}`, 0, false},
		{"a large item", `{"metadata":{"resourceVersion":"5"},"items":["` + strings.Repeat("x", 200<<10) + `"]}`, 0, false},
	} {
		n := 0
		head, err := decodeList(strings.NewReader(c.in), 100<<10, func([]byte) error { n++; return nil })
		if (err == nil) != c.ok || n != c.items || c.ok && head.ResourceVersion != "5" {
			t.Errorf("%s: %d items, head %+v, %v", c.name, n, head, err)
		}
	}
	own := errors.New("full")
	if _, err := decodeList(strings.NewReader(`{"items":[1]}`), 1<<20, func([]byte) error { return own }); err != own {
		t.Errorf("got %v, want the callee's error", err)
	}
}

func TestWatchDecoder(t *testing.T) {
	d := newWatchDecoder(strings.NewReader(`{"type":"ADDED","object":{"a":1}}`+"\n"+`{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}`+"\n"), 1<<20)
	for _, want := range []string{"ADDED", "BOOKMARK"} {
		if e, err := d.next(); err != nil || e.Type != want {
			t.Fatalf("got %q, %v; want %q", e.Type, err, want)
		} else if want == "BOOKMARK" {
			if rv, err := position(e.Object); err != nil || rv != "9" {
				t.Errorf("position %q, %v", rv, err)
			}
		}
	}
	if _, err := d.next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for name, in := range map[string]string{"cut": `{"type":"ADD`, "a page": `<html>`, "large": `{"type":"ADDED","object":"` + strings.Repeat("x", 300<<10) + `"}`} {
		if _, err := newWatchDecoder(strings.NewReader(in), 100<<10).next(); err == nil || err == io.EOF {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Nothing that a relist of a namespace has shown is overtaken by an older form
// that the watch still had to tell.
func TestStale(t *testing.T) {
	f := &feed{fresh: map[string]uint64{"shop": 50}}
	for rv, want := range map[string]bool{"49": true, "50": true, "51": false, "opaque": false} {
		if got := f.stale([]byte(`{"metadata":{"namespace":"shop"}}`), rv); got != want {
			t.Errorf("version %s: stale %t, want %t", rv, got, want)
		}
	}
	if f.stale([]byte(`{"metadata":{"namespace":"desk"}}`), "10") {
		t.Error("an event of another namespace is dropped")
	}
	f.fresh[""] = 40 // all were read, some time before that one
	for rv, want := range map[string]bool{"40": true, "41": false} {
		if got := f.stale([]byte(`{"metadata":{"namespace":"desk"}}`), rv); got != want {
			t.Errorf("after all were read, version %s: stale %t, want %t", rv, got, want)
		}
	}
	if !f.stale([]byte(`{"metadata":{"namespace":"shop"}}`), "50") {
		t.Error("an earlier reading of all counts for more than the one of a namespace")
	}
	f.pass("51")
	if len(f.fresh) != 0 {
		t.Error("a reading that the watch has come past is kept")
	}
}

func FuzzDecodeList(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"v1","items":[{"metadata":{"name":"a","uid":"b"}}],"kind":"L","metadata":{"resourceVersion":"5","continue":"c","remainingItemCount":7}}`))
	f.Add([]byte(`{"metadata":{"resourceVersion":"5"},"items":null}`))
	f.Add([]byte(`{"items":[{"metadata":{"managedFields":[{}],"name":"a"}},[],1,"x"]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		n := 0
		_, err := decodeList(bytes.NewReader(in), 1<<20, func(raw []byte) error {
			n++
			if !json.Valid(raw) {
				t.Fatalf("item %q is not JSON", raw)
			}
			parseAny(t, raw)
			return nil
		})
		if err != nil {
			return
		}
		var v map[string]json.RawMessage
		if json.Unmarshal(in, &v) != nil {
			t.Fatalf("%q was taken for a list", in)
		}
	})
}

func FuzzDecodeWatch(f *testing.F) {
	f.Add([]byte(`{"type":"ADDED","object":{"metadata":{"name":"a","uid":"b","resourceVersion":"1"}}}` + "\n"))
	f.Add([]byte(`{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}{"type":"ERROR","object":{"code":410}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		d := newWatchDecoder(bytes.NewReader(in), 1<<20)
		for {
			e, err := d.next()
			if err != nil {
				return
			}
			if e.Object == nil {
				continue
			}
			_, _ = position(e.Object)
			_ = (&feed{}).ended(e.Object)
			_ = (&feed{fresh: map[string]uint64{"": 1}}).stale(e.Object, "1")
			parseAny(t, e.Object)
		}
	})
}

// parseAny parses what may be an object and checks that what is left of it is
// JSON without the removed member.
func parseAny(t *testing.T, raw []byte) {
	o, err := ParseObject(raw, worldBegin, "/spec/*/secret")
	if err != nil {
		return
	}
	var v, meta map[string]json.RawMessage
	if json.Unmarshal(o.Raw, &v) != nil || json.Unmarshal(v["metadata"], &meta) != nil {
		t.Fatalf("of %q is left %q", raw, o.Raw)
	}
	if _, there := meta["managedFields"]; there {
		t.Fatalf("managed fields are left in %q", o.Raw)
	}
}
