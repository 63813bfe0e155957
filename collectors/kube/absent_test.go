package kube

import (
	"context"
	"testing"
	"time"

	"evidenced/collectors/fetch"
)

// Of a cluster that lacks several resources each is asked for twice, a moment
// apart, and the moment is waited for once. One that comes up in it is found.
func TestManyAbsent(t *testing.T) {
	for name, late := range map[string]bool{"absent": false, "late": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			f := w.fake
			delete(f.served, "restores.velero.io")
			waited := 0
			c := w.collector()
			c.opts.fetch = func(o *fetch.Options) {
				o.Sleep = func(_ context.Context, d time.Duration) error {
					if waited++; d < betweenChecks {
						t.Errorf("waited %s", d)
					}
					if late {
						f.mu.Lock()
						f.served["restores.velero.io"] = true
						f.mu.Unlock()
					}
					return nil
				}
			}
			x, err := c.connect()
			if err != nil {
				t.Fatal(err)
			}
			d := x.discovery()
			for _, r := range []Resource{
				{Group: "velero.io", Resource: "restores", Versions: []string{"v1"}},
				{Group: "velero.io", Resource: "backups", Versions: []string{"v1"}},
				{Group: "nobody.example", Resource: "things", Versions: []string{"v1", "v2"}},
			} {
				version, absent, err := x.installed(t.Context(), &r, d)
				if is := late && r.Resource == "restores"; err != nil || absent == is || (version == "v1") != is {
					t.Errorf("%s: version %q, absent %t, %v", r.Resource, version, absent, err)
				}
			}
			if waited != 1 {
				t.Errorf("waited %d times, want once", waited)
			}
		})
	}
}
