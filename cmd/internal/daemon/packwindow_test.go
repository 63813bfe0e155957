package daemon

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"testing"
	"testing/fstest"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/mappings"
	"evidenced/reports/pack"
)

// windowed has a test that looks back beyond a short period, one that looks at
// its end alone, one that no control uses, and a law that does not apply yet.
const windowed = `version: 1
acts:
  - {id: house, name: House rules, title: Rules of our own house, in_force_since: 2027-06-01, addressee: us}
tests:
  - {id: look-back, title: T, says: all is well, view: changes, assert: item.reviewed_head_by_other, window: 50h, freshness: 24h, least: reconstructed, empty: gap}
  - {id: look-near, title: T, says: all is well, view: changes, assert: item.reviewed_head_by_other, window: 3h, freshness: 24h, least: reconstructed, empty: gap}
  - {id: look-never, title: T, says: all is well, view: changes, assert: item.watched, window: period, freshness: 24h, least: reconstructed, empty: gap}
controls:
  - {id: house-art-1, act: house, article: Art. 1, title: T, objective: O, severity: low, cannot_prove: much, tests: [{test: look-back, strength: direct}, {test: look-near, strength: direct}]}
  - {id: house-art-2, act: house, article: Art. 2, title: T, objective: O, severity: low, cannot_prove: much, answered_by: nobody yet}
`

// A pack verifies whose tests look back beyond its period: the records they
// cite from before stand in it one by one.
func TestPackOfWindows(t *testing.T) {
	clock, src := &testClock{begin}, &testSource{}
	e := newEngine(t, clock, src)
	var err error
	if e.catalog, err = mappings.LoadOnly(fstest.MapFS{"own.yaml": {Data: []byte(windowed)}}); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		src.emit = []evidence.Draft{mergeDraft("acme/one", i, clock.t.Add(-time.Minute), true)}
		if _, err := e.Collect(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
		clock.t = clock.t.Add(time.Hour)
	}
	tenant := mustTenant(t, "tenant-1")
	for name, to := range map[string]time.Time{"over": begin.Add(56 * time.Hour), "running": begin.Add(80 * time.Hour)} {
		var buf bytes.Buffer
		period := evidence.Period{From: begin.Add(40 * time.Hour), To: to}
		if _, err := e.Pack(t.Context(), api.PackRequest{Tenant: tenant, Period: period, Raw: "none", Progress: func(_, _ uint64) {}}, &buf); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sameVerdict(t, buf.Bytes())
		if _, err := verifyBytes(buf.Bytes(), ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var fs []pack.Finding
		member(t, buf.Bytes(), "findings.json", &fs)
		far := 0
		for _, f := range fs {
			if f.Preparing != "2027-06-01" {
				t.Errorf("%s: finding of %s says preparing %q, want the date from which the law applies", name, f.Test, f.Preparing)
			}
			for _, it := range f.Items {
				if it.At.Before(period.From) {
					far++
				}
			}
		}
		if len(fs) != 2 || far == 0 {
			t.Errorf("%s: %d findings, %d items from before the period; want 2 and some", name, len(fs), far)
		}
		var rules []mappings.Test
		member(t, buf.Bytes(), "rules.json", &rules)
		if len(rules) != 2 {
			t.Errorf("%s: %d rules in the pack, want those of the controls alone", name, len(rules))
		}
		var judged []pack.Judged
		member(t, buf.Bytes(), "judged.json", &judged)
		want := []pack.Judged{{Test: "look-back", Controls: []evidence.ControlID{"house-art-1"}}, {Test: "look-near", Controls: []evidence.ControlID{"house-art-1"}}}
		if !reflect.DeepEqual(judged, want) {
			t.Errorf("%s: judged %v, want %v", name, judged, want)
		}
	}
}

// member reads a JSON member of a pack.
func member(t *testing.T, data []byte, name string, into any) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}
