package daemon

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
)

// An old pack verifies after the erasure, a new one says erased, and the act is
// sealed in _platform without a name.
func TestEraseAndPacks(t *testing.T) {
	ctx := context.Background()
	clock := &testClock{begin}
	src := &testSource{}
	e := newEngine(t, clock, src)
	src.emit = []evidence.Draft{mergeDraft("acme/one", 1, begin.Add(-time.Hour), true), mergeDraft("acme/two", 2, begin.Add(-time.Hour), true)}
	if _, err := e.Collect(ctx, "", false); err != nil {
		t.Fatal(err)
	}
	one, err := evidence.ParseTenant("tenant-1")
	if err != nil {
		t.Fatal(err)
	}
	issue := func() []byte {
		var b bytes.Buffer
		if _, err := e.Pack(ctx, api.PackRequest{Tenant: one, Period: evidence.Period{From: begin.AddDate(0, 0, -1), To: begin.AddDate(0, 0, 1)}, Progress: func(uint64, uint64) {}}, &b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	checked := func(stage string, zip []byte, erased bool) {
		t.Helper()
		sameVerdict(t, zip)
		rep, err := verifyBytes(zip, "")
		if err != nil {
			t.Fatalf("%s: %v", stage, err)
		}
		if got := rep.Erased > 0; got != erased {
			t.Errorf("%s: %d erased", stage, rep.Erased)
		}
	}
	old := issue()
	checked("before", old, false)

	res, err := e.Erase(ctx, store.EraseRequest{Subject: store.Identity{Realm: "github:prod", NativeID: "1"}, Authority: "file 7", By: "1000"})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Logs) != 2 || len(res.Logs[0].Packs) != 1 {
		t.Errorf("erased: %+v", res)
	}
	checked("the old pack", old, false)
	fresh := issue()
	checked("the new pack", fresh, true)

	platform, err := e.Reader(ctx, evidence.Platform)
	if err != nil {
		t.Fatal(err)
	}
	acts := 0
	for rec, err := range platform.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.PlatformAdmin}}) {
		if err != nil {
			t.Fatal(err)
		}
		acts++
		if f := string(rec.Facts); strings.Contains(f, "zuzanna") || !strings.Contains(f, `"act":"erase"`) || !strings.Contains(f, `"tenants":"2"`) {
			t.Errorf("the act: %s", f)
		}
	}
	if acts != 1 {
		t.Errorf("%d acts sealed", acts)
	}
	// The forge shows the same merge again: nobody comes back.
	clock.t = clock.t.Add(time.Minute)
	if _, err := e.Collect(ctx, "", false); err != nil {
		t.Fatal(err)
	}
	if found, _, err := e.FindPeople(ctx, "zuzanna"); err != nil || len(found) != 0 {
		t.Errorf("found again: %v, %v", found, err)
	}
	if found, _, err := e.FindPeople(ctx, "ÉLOÏSE"); err != nil || len(found) != 1 || len(found[0].Tenants) != 2 {
		t.Errorf("the other person: %v, %v", found, err)
	}
}

func TestKeyringActsAreSealed(t *testing.T) {
	ctx := context.Background()
	clock := &testClock{begin}
	e := newEngine(t, clock, &testSource{})
	one, err := evidence.ParseTenant("tenant-1")
	if err != nil {
		t.Fatal(err)
	}
	if id, err := e.RenewKeys(ctx, one); err != nil || id != "d1.2" {
		t.Errorf("renewed: %s, %v", id, err)
	}
	if err := e.BackupKeys(ctx, io.Discard, "a passphrase of a machine"); err != nil {
		t.Fatal(err)
	}
	if err := e.BackupKeys(ctx, io.Discard, "short"); !problem.Is(err, problem.Usage) {
		t.Errorf("a short passphrase: %v", err)
	}
	r, err := e.Reader(ctx, evidence.Platform)
	if err != nil {
		t.Fatal(err)
	}
	var acts []string
	for rec, err := range r.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.PlatformAdmin}}) {
		if err != nil {
			t.Fatal(err)
		}
		var f evidence.AdminFacts
		if err := rec.Decode(&f); err != nil {
			t.Fatal(err)
		}
		acts = append(acts, f.Act)
	}
	if got := strings.Join(acts, " "); !strings.HasPrefix(got, "keyring.rotate keyring.backup") {
		t.Errorf("sealed: %s", got)
	}
}
