package forge

import (
	"encoding/json"
	"testing"
	"time"
)

func TestRecent(t *testing.T) {
	now := time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	var r Recent
	r.Read(1, now.Add(-time.Hour), now)
	r.Read(2, now.Add(-time.Minute), now)
	r.Read(3, time.Time{}, now)
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	r = nil
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	check := func(when string, id int64, updated time.Time, want bool) {
		t.Helper()
		if got := r.Settled(id, updated); got != want {
			t.Errorf("%s: item %d settled %v, want %v", when, id, got, want)
		}
	}
	check("read an hour after its update", 1, now.Add(-time.Hour), true)
	check("updated since", 1, now, false)
	check("read within the hour", 2, now.Add(-time.Minute), false)
	check("without a time", 3, time.Time{}, false)
	check("never read", 4, now, false)
	r.Read(2, now.Add(-time.Minute), now)
	check("read twice", 2, now.Add(-time.Minute), true)
	r.Read(2, now, now)
	check("read once after another update", 2, now, false)
	r.Keep(map[int64]bool{1: true, 9: true})
	check("kept", 1, now.Add(-time.Hour), true)
	if len(r) != 1 {
		t.Errorf("kept %v", r)
	}
	if r.Keep(nil); r != nil {
		t.Errorf("of nothing there is %v", r)
	}
}
