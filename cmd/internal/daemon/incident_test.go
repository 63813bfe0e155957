package daemon

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence/problem"
	"evidenced/store"
)

// incidentAct runs the operation on the engine.
func incidentAct(t *testing.T, e *Engine, p api.IncidentParams) (string, error) {
	t.Helper()
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err = api.Run(t.Context(), e, api.Caller{UID: 1000, Via: "direct"}, "incident", raw, &api.Out{Header: func(string) error { return nil }, Body: &b})
	return b.String(), err
}

func declareIn(t *testing.T, e *Engine, tenant string) string {
	t.Helper()
	s, err := incidentAct(t, e, api.IncidentParams{Common: api.Common{Tenant: tenant, JSON: true}, Act: "declare", Reason: "alarm",
		Fields: json.RawMessage(`{"reporter": {"roles": ["controller"], "state": "DE"}, "times": {"occurred": "2026-10-20T00:00:00Z"}, "narrative": {"summary": "words of somebody"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	var a api.Acted
	if err := json.Unmarshal([]byte(s), &a); err != nil {
		t.Fatal(err)
	}
	return a.ID
}

// On the real store: the acts survive a restart and verify, an erased contact
// is named as missing, and no other text goes with it.
func TestIncidentIsKept(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	e, src := mustEngine(t, dir, clock, "tenant-1 tenant-2", "", nil)
	src.emit = nil
	if _, err := e.Collect(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	id := declareIn(t, e, "tenant-1")
	common := api.Common{Tenant: "tenant-1"}
	if _, err := incidentAct(t, e, api.IncidentParams{Common: common, Act: "contact", ID: id, Place: "primary", Name: "Planted Person", Mail: "Planted@bank.example", Phone: "+49 30 5550100"}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e, _ = mustEngine(t, dir, clock, "tenant-1 tenant-2", "", nil)
	s, err := incidentAct(t, e, api.IncidentParams{Common: common, Act: "show", ID: id[:6]})
	if err != nil || !strings.Contains(s, "Planted Person, Planted@bank.example, +49 30 5550100") || !strings.Contains(s, "words of somebody") {
		t.Fatalf("after a restart: %v\n%s", err, s)
	}
	if _, err := incidentAct(t, e, api.IncidentParams{Common: api.Common{Tenant: "tenant-2"}, Act: "show", ID: id}); !problem.Is(err, problem.NotFound) {
		t.Errorf("seen from another tenant: %v", err)
	}
	res, err := e.Erase(t.Context(), store.EraseRequest{Subject: store.Identity{Realm: "incident:contact", NativeID: "planted@bank.example"}, Authority: "file 7", By: "1000"})
	if err != nil || len(res.Logs) != 1 {
		t.Fatalf("erase: %+v %v", res, err)
	}
	for _, l := range res.Logs {
		if len(l.Still) > 0 || l.More > 0 {
			t.Errorf("claims still name the contact: %+v", l.Still)
		}
	}
	s, err = incidentAct(t, e, api.IncidentParams{Common: common, Act: "show", ID: id})
	if err != nil || strings.Contains(s, "Planted Person") || strings.Contains(s, "5550100") || !strings.Contains(s, "erased, name another contact") || !strings.Contains(s, "words of somebody") {
		t.Errorf("after the erasure: %v\n%s", err, s)
	}
	rep, err := e.Verify(t.Context(), mustTenant(t, "tenant-1"), api.VerifyRequest{Deep: true, Progress: quiet})
	if err != nil || !rep.OK() {
		t.Errorf("verify: %+v %v", rep, err)
	}
}

// Two at once: one closes, the other learns that it is closed.
func TestActsComeOneByOne(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	e, _ := mustEngine(t, dir, clock, "tenant-1", "", nil)
	if _, err := e.Collect(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	id := declareIn(t, e, "tenant-1")
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = incidentAct(t, e, api.IncidentParams{Common: api.Common{Tenant: "tenant-1"}, Act: "close", ID: id, Reason: "over"})
		})
	}
	wg.Wait()
	done := 0
	for _, err := range errs {
		switch {
		case err == nil:
			done++
		case !problem.Is(err, problem.Refused):
			t.Errorf("got %v, want that it is closed", err)
		}
	}
	if done != 1 {
		t.Errorf("%d closed it, want 1", done)
	}
}

// The file of holidays is read at the start; a bad one keeps the daemon from
// counting with others than it was told.
func TestHolidays(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	file := filepath.Join(dir, "days.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("version: house-1\nstates: {DE: {add: [{date: 2026-12-24, name: off}]}}\n")
	e, _ := mustEngine(t, dir, clock, "tenant-1", "incidents: {holidays: days.yaml}\n", nil)
	if _, free := e.Calendars().Free("DE", time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)); !free || !strings.Contains(e.Calendars().Version(), "house-1") {
		t.Errorf("calendars: %s", e.Calendars().Version())
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	write("version: house-2\nstates: {XX: {}}\n")
	if _, _, err := engineIn(t, dir, clock, "tenant-1", "incidents: {holidays: days.yaml}\n", nil); !problem.Is(err, problem.Config) {
		t.Errorf("a bad file: %v", err)
	}
	if err := os.Truncate(file, 1<<40); err != nil { // sparse: reading it whole would end the process
		t.Fatal(err)
	}
	if _, _, err := engineIn(t, dir, clock, "tenant-1", "incidents: {holidays: days.yaml}\n", nil); !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("a file without end: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, _, err := engineIn(t, dir, clock, "tenant-1", "incidents: {holidays: days.yaml}\n", nil); !problem.Is(err, problem.Config) {
		t.Errorf("no file: %v", err)
	}
}
