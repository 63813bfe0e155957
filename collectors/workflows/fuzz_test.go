package workflows

import (
	"bytes"
	"context"
	"testing"
	"time"

	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
)

// FuzzRun reads any bytes as a workflow: nothing breaks, what comes of it is a
// draft by the rules, twice the same, and no value of a parameter is in it.
func FuzzRun(f *testing.F) {
	objects := kubetest.Objects(f, objectsFile)
	for _, kind := range []string{kindRun, kindCron} {
		for _, raw := range objects[resourceOf[kind]] {
			f.Add([]byte(raw))
		}
	}
	f.Add(aRun("1", `{"phase":"Succeeded","compressedNodes":"`+packed([]byte(`{"a":{"type":"Pod"}}`))+`"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, kind := range []string{kindRun, kindCron} {
			var first [][]byte
			for range 2 {
				r := testReader()
				rs := r.resources()
				res := rs[map[string]int{kindCron: 2, kindRun: 3}[kind]]
				o, err := kube.ParseObject(raw, now, res.Remove...)
				if err != nil {
					return
				}
				o.APIVersion, o.Kind = group+"/v1alpha1", kind
				ds, err := res.Drafts(context.Background(), o, testLook(now))
				if err != nil {
					break
				}
				var got [][]byte
				for _, d := range ds {
					if err := d.Check(); err != nil && len(o.Namespace)+len(o.Name) < 300 {
						t.Error(err)
					}
					if d.OccurredAt.After(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)) {
						t.Errorf("occurred at %s", d.OccurredAt)
					}
					got = append(got, d.Content)
				}
				if first != nil && !bytes.Equal(bytes.Join(first, nil), bytes.Join(got, nil)) {
					t.Errorf("read twice:\n%s\n%s", first, got)
				}
				first = got
			}
		}
	})
}

// FuzzUnpack opens any text as packed nodes, within its limit.
func FuzzUnpack(f *testing.F) {
	f.Add(packed([]byte(`{}`)))
	f.Add("H4sIAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		const limit = 1000
		if b, err := unpack(s, limit); err == nil && len(b) > limit {
			t.Errorf("%d bytes", len(b))
		}
	})
}
