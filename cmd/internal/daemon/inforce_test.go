package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"evidenced/evidence"
)

// A log that takes nothing when the configuration changes keeps nobody waiting.
// It is told of the change, and of what its tenant is judged by since, when it
// takes records again, and once.
func TestWaitingLogIsTold(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	e := withRules(t, dir, clock, tieredRules)
	one, two := mustTenant(t, "tenant-1"), mustTenant(t, "tenant-2")
	log, err := e.local.Store.Log(one)
	if err != nil {
		t.Fatal(err)
	}
	files := filepath.Join(e.o.Config.DataDir, "tenants", log.LogID())
	// put has the directory of the log be what it was when it was kept.
	put := func(from, to string) {
		t.Helper()
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	closed := func() {
		t.Helper()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		clock.t = clock.t.Add(time.Hour)
	}
	opened := func() {
		t.Helper()
		if e, err = again(t, e); err != nil {
			t.Fatal(err)
		}
	}
	count := func(tn evidence.Tenant) (configs, rules int) {
		t.Helper()
		r, err := e.Reader(t.Context(), tn)
		if err != nil {
			t.Fatal(err)
		}
		for rec, err := range r.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.PlatformConfig, evidence.PlatformCatalog}}) {
			if err != nil {
				t.Fatal(err)
			}
			if rec.Kind == evidence.PlatformConfig {
				configs++
			} else {
				rules++
			}
		}
		return configs, rules
	}

	young, whole := filepath.Join(t.TempDir(), "young"), filepath.Join(t.TempDir(), "whole")
	closed()
	put(files, young)
	opened()
	if log, err = e.local.Store.Log(one); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(t.Context(), merged(1, clock.t)); err != nil {
		t.Fatal(err)
	}
	configs, rules := count(one)
	others, _ := count(two)
	closed() // which signs
	put(files, whole)

	put(young, files) // an older copy than was signed: the log is stopped
	c := *e.o.Config
	c.Tenants = slices.Clone(c.Tenants)
	c.Tenants[0].Tier = "premium"
	e.o.Config = &c
	opened()
	if log, err = e.local.Store.Log(one); err != nil || log.Stopped() == nil {
		t.Fatalf("the log goes on: %v", err)
	}
	if n, m := count(one); n != configs || m != rules {
		t.Errorf("a log that takes nothing has %d and %d records of what is in force, had %d and %d", n, m, configs, rules)
	}
	if n, _ := count(two); n != others+1 {
		t.Errorf("another's log has %d records of the configuration, want %d", n, others+1)
	}
	closed()
	put(whole, files)
	for _, when := range []string{"when it goes on", "and once"} {
		opened()
		if n, m := count(one); n != configs+1 || m != rules+1 {
			t.Errorf("%s: %d and %d records of what is in force, want %d and %d", when, n, m, configs+1, rules+1)
		}
		var f evidence.CatalogFacts
		recs := rulesRecords(t, e, one)
		if err := recs[len(recs)-1].Decode(&f); err != nil {
			t.Fatal(err)
		}
		if f.Tenancy == nil || f.Tenancy.Tier != "premium" {
			t.Errorf("%s: judged as %+v", when, f.Tenancy)
		}
		if n, _ := count(two); n != others+1 {
			t.Errorf("%s: another's log has %d records of the configuration, want %d", when, n, others+1)
		}
		closed()
	}
}
