package config

import (
	"testing"
	"time"

	"evidenced/evidence"
)

func TestKeep(t *testing.T) {
	now := time.Date(2026, 11, 14, 9, 0, 0, 0, time.FixedZone("", 3600))
	for _, tc := range []struct{ text, says, horizon string }{
		{"", "forever", ""},
		{"forever", "forever", ""},
		{"36 months", "36 months", "2023-11-14T08:00:00Z"},
		{"1 year", "1 year", "2025-11-14T08:00:00Z"},
		{"3 years", "3 years", "2023-11-14T08:00:00Z"},
		{"400 days", "400 days", "2025-10-10T08:00:00Z"},
	} {
		k, err := ParseKeep(tc.text)
		if err != nil {
			t.Errorf("%q: %v", tc.text, err)
			continue
		}
		h, ok := k.Horizon(now)
		got := ""
		if ok {
			got = h.Format(time.RFC3339)
		}
		if k.String() != tc.says || got != tc.horizon {
			t.Errorf("%q: got %s and %q, want %s and %q", tc.text, k, got, tc.says, tc.horizon)
		}
	}
	for _, bad := range []string{"36", "36months", "0 months", "-1 years", "29 days", "1.5 years", "12 weeks", "101 years", "36 Months"} {
		if k, err := ParseKeep(bad); err == nil {
			t.Errorf("%q was read as %s", bad, k)
		}
	}
}

func TestKeepOfTenant(t *testing.T) {
	c := parse(t, "retention: {keep: 36 months}\ntenants:\n  - name: own\n    keep: 5 years\n  - name: ever\n    keep: forever\n  - name: plain\n")
	for name, want := range map[string]string{"own": "5 years", "ever": "forever", "plain": "36 months", "gone": "36 months", "_platform": "36 months"} {
		tn, err := evidence.ParseTenant(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Keep(tn).String(); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
