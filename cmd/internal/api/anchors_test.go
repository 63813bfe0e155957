package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/api/apitest"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

func runOp(t *testing.T, w api.World, op string, params any) (*collected, error) {
	t.Helper()
	b, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	c := &collected{}
	return c, api.Run(t.Context(), w, api.Caller{UID: 1000, Via: "direct"}, op, b, c.out())
}

func TestAnchorsText(t *testing.T) {
	w := apitest.New()
	c, err := runOp(t, w, "anchors", api.AnchorsParams{Tenant: "tenant-7"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"tenant-7: ", "are anchored, at rung 2 or higher; the newest 1 not yet\n",
		"RECORDS", "HELD BY", "repo", "nobody outside",
		"asked now, through _platform", "nothing was sent yet",
		"FAILING  journal: 2 failures in a row: connection \\x1b[31mrefused", "\n5        14 Nov",
		"GAP  repo: records waited 14 Nov 2026 05:00 to 07:00\n",
		"RUNG 2  elsewhere\n        leaves open: who can write there\n",
	} {
		if !strings.Contains(c.String(), want) {
			t.Errorf("the answer lacks %q:\n%s", want, c)
		}
	}
	if strings.Contains(c.String(), "\x1b") {
		t.Errorf("an escape reached the terminal:\n%q", c)
	}
}

func TestAnchorsJSON(t *testing.T) {
	c, err := runOp(t, apitest.New(), "anchors", api.AnchorsParams{JSON: true})
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Logs []api.Anchors }
	if err := json.Unmarshal(c.Bytes(), &got); err != nil || len(got.Logs) != 4 {
		t.Errorf("got %d logs, %v", len(got.Logs), err)
	}
}

// That somebody outside holds another log is said first and fails the command.
func TestAnchorsContradiction(t *testing.T) {
	w := apitest.New()
	w.BadLog = seven(t)
	c, err := runOp(t, w, "anchors", api.AnchorsParams{Tenant: "tenant-7"})
	if !problem.Is(err, problem.Corrupt) {
		t.Errorf("got %v, want a problem of code corrupt", err)
	}
	if !strings.HasPrefix(c.String(), "tenant-7: somebody outside knows of another log than this one\n") || !strings.Contains(c.String(), "CONTRADICTS  repo: ") {
		t.Errorf("the answer:\n%s", c)
	}
	if _, err := runOp(t, w, "anchors", api.AnchorsParams{Tenant: "tenant-8"}); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	if _, err := runOp(t, w, "anchors", api.AnchorsParams{Tenant: "tenant-9"}); !problem.Is(err, problem.NotFound) {
		t.Errorf("no such tenant: %v", err)
	}
}

// A receipt is handed out only after it was sealed that somebody asked.
func TestReceiptOp(t *testing.T) {
	w := apitest.New()
	c, err := runOp(t, w, "receipt", api.ReceiptParams{Common: api.Common{Tenant: "tenant-7", Purpose: "audit"}, Seq: 1})
	if err != nil || c.String() != "receipt of record 1 of tenant-7\n" {
		t.Errorf("got %q, %v", c, err)
	}
	reads, _ := w.Reads()
	if len(reads) != 1 || reads[0] != `tenant-7 receipt via direct for "audit"` {
		t.Errorf("sealed %q", reads)
	}
	if c, err = runOp(t, w, "receipt", api.ReceiptParams{Common: api.Common{Tenant: "tenant-7", JSON: true}, Seq: 1}); err != nil || !strings.Contains(c.String(), `"receipt": "receipt of record 1 of tenant-7\n"`) {
		t.Errorf("got %q, %v", c, err)
	}
	if _, err := runOp(t, w, "receipt", api.ReceiptParams{Common: api.Common{Tenant: "tenant-7"}, Seq: 1 << 40}); !problem.Is(err, problem.NotFound) {
		t.Errorf("no such record: %v", err)
	}
}

func seven(t *testing.T) evidence.Tenant {
	t.Helper()
	tn, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	return tn
}
