package deadline_test

import (
	"strings"
	"testing"
	"time"

	"evidenced/evidence/problem"
	"evidenced/mappings/deadline"
)

func TestCalendars(t *testing.T) {
	c := deadline.Builtin()
	if n := len(deadline.States()); n != 30 {
		t.Errorf("%d states, want 30", n)
	}
	for _, s := range deadline.States() {
		if _, err := c.Zone(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
		for y := 2024; y < 2032; y++ {
			if _, free := c.Free(s, time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)); !free {
				t.Errorf("%s works on 1 January %d", s, y)
			}
			if why, free := c.Free(s, time.Date(y, 12, 25, 12, 0, 0, 0, time.UTC)); !free {
				t.Errorf("%s works on 25 December %d (%s)", s, y, why)
			}
		}
	}
	if _, err := c.Zone("XX"); !problem.Is(err, problem.Usage) {
		t.Errorf("XX: %v", err)
	}
}

// Days of states, and days that look like one: those that move with Easter of
// either calendar, that came newly, that ended, and that fall on a weekend.
func TestDaysOff(t *testing.T) {
	c := deadline.Builtin()
	for _, tc := range []struct {
		state, day string
		free       bool
	}{
		{"GR", "2026-02-23", true}, // Clean Monday
		{"GR", "2026-04-10", true}, {"GR", "2026-04-13", true}, {"GR", "2026-06-01", true},
		{"GR", "2026-04-03", false}, {"GR", "2026-04-06", false}, // the Western Easter
		{"CY", "2026-02-23", true}, {"CY", "2026-04-10", true}, {"CY", "2026-06-01", true}, {"CY", "2026-04-06", false}, {"CY", "2026-04-01", true},
		{"RO", "2026-04-10", true}, {"RO", "2026-04-13", true}, {"RO", "2026-01-06", true}, {"RO", "2026-01-07", true}, {"RO", "2026-04-06", false},
		{"BG", "2026-04-10", true}, {"BG", "2026-04-13", true}, {"BG", "2026-05-25", true}, {"BG", "2026-09-07", true}, {"BG", "2026-04-06", false}, // Mondays for Sundays
		{"BG", "2027-05-03", true}, {"BG", "2027-05-04", true}, // 1 May is Holy Saturday
		{"SK", "2026-09-01", false}, {"SK", "2026-11-17", false}, {"SK", "2026-05-08", false}, {"SK", "2026-09-15", false}, {"SK", "2027-09-15", true}, {"SK", "2023-09-01", true},
		{"PL", "2026-12-24", true}, {"PL", "2024-12-24", false}, {"PL", "2026-06-04", true},
		{"IT", "2027-10-04", true}, {"IT", "2024-10-04", false},
		{"DE", "2026-10-31", true}, {"DE", "2027-10-31", true}, {"DE", "2025-10-31", false}, // a region's, but a weekend in two of the years
		{"DE", "2026-08-15", true}, {"DE", "2028-08-15", false}, {"DE", "2026-06-04", false}, {"DE", "2026-12-24", false},
		{"AT", "2026-06-04", true}, {"ES", "2026-04-02", false}, {"FR", "2026-04-03", false}, {"NL", "2026-05-01", false},
		{"IE", "2026-02-02", true}, {"IE", "2026-04-03", false}, {"IE", "2026-10-26", true},
		{"SE", "2026-06-19", true}, {"LV", "2026-05-04", true}, {"HR", "2026-11-18", true}, {"SI", "2026-12-26", true},
		{"PT", "2026-06-04", true}, {"PT", "2026-12-08", true}, {"PT", "2026-02-17", false},
		{"HU", "2026-10-23", true}, {"HU", "2026-05-25", true}, {"HU", "2026-08-20", true},
		{"FI", "2026-05-14", true}, {"FI", "2027-12-06", true}, {"FI", "2026-01-06", true},
		{"EE", "2026-02-24", true}, {"EE", "2026-06-23", true}, {"EE", "2026-04-06", false},
		{"MT", "2026-06-29", true}, {"MT", "2026-04-06", false}, {"LU", "2028-05-09", true}, {"LU", "2026-06-23", true},
		{"LI", "2026-06-04", true}, {"IS", "2026-04-02", true}, {"IS", "2026-06-17", true},
	} {
		day, err := time.Parse(time.DateOnly, tc.day)
		if err != nil {
			t.Fatal(err)
		}
		if why, free := c.Free(tc.state, day); free != tc.free {
			t.Errorf("%s %s: off %t (%s), want %t", tc.state, tc.day, free, why, tc.free)
		}
	}
	if why, _ := c.Free("GR", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); why != "Πρωτοχρονιά" {
		t.Errorf("New Year in Greece is called %q", why)
	}
}

const ownDays = `
version: house-2026
states:
  DE:
    zone: Europe/Berlin
    add:
      - {date: 2026-12-24, name: banks closed}
      - {yearly: 12-31, name: banks closed, from: 2026, until: 2027}
    remove:
      - {yearly: 10-03}
  FI:
    add:
      - {easter: -3, name: Maundy Thursday}
      - {yearly: 12-07, name: the day after}
    remove:
      - {easter: 1}
  CY:
    add:
      - {orthodox: 2, name: Easter Tuesday}
`

func TestFile(t *testing.T) {
	c, err := deadline.Builtin().WithFile("days.yaml", []byte(ownDays))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		state, day, why string
	}{
		{"DE", "2026-12-24", "banks closed"},
		{"DE", "2027-12-31", "banks closed"},
		{"DE", "2025-12-31", ""},
		{"DE", "2029-12-31", ""},
		{"DE", "2028-10-03", ""},
		{"DE", "2026-12-25", "Weihnachtstag"},
		{"FI", "2026-04-02", "Maundy Thursday"},
		{"FI", "2026-04-03", "pitkäperjantai"},
		{"FI", "2027-12-07", "the day after"},
		{"FI", "2026-04-06", ""},
		{"CY", "2026-04-13", "Δευτέρα του Πάσχα"},
		{"CY", "2026-04-14", "Easter Tuesday"},
		{"CY", "2026-04-06", ""},
		{"CY", "2026-04-12", "Sunday"},
	} {
		day, err := time.Parse(time.DateOnly, tc.day)
		if err != nil {
			t.Fatal(err)
		}
		if why, free := c.Free(tc.state, day); why != tc.why || free != (tc.why != "") {
			t.Errorf("%s %s: got %q %v, want %q", tc.state, tc.day, why, free, tc.why)
		}
	}
	if v := c.Version(); !strings.Contains(v, "house-2026") || !strings.Contains(v, "rickar/cal") || v == deadline.Builtin().Version() {
		t.Errorf("version %q", v)
	}
	if next := c.NextWorkingDay("DE", time.Date(2026, 12, 23, 18, 0, 0, 0, time.UTC)); next.Format(time.DateOnly) != "2026-12-28" {
		t.Errorf("next working day: %s", next)
	}
	if _, free := deadline.Builtin().Free("DE", time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)); free {
		t.Error("the file changed the calendars it stands on")
	}
}

func TestBadFiles(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "EOF",
		"version: a\nversion: b\n":      "already defined",
		"states: {}\n":                  "version",
		"version: a\nstates: {XX: {}}":  `"XX" is no state`,
		"version: a\ncountry: {}":       "country",
		"version: a\n---\nversion: b\n": "more than one",
		"version: &a x\nstates: {}":     "anchors",
		"version: a\nstates: {DE: {zone: Nowhere/Here}}":                                       "IANA",
		"version: a\nstates: {DE: {zone: Local}}":                                              "IANA",
		"version: a\nstates: {DE: {add: [{date: 2026-02-30, name: x}]}}":                       "exists",
		"version: a\nstates: {DE: {add: [{yearly: 02-30, name: x}]}}":                          "month and day",
		"version: a\nstates: {DE: {add: [{date: 2026-02-01}]}}":                                "name",
		"version: a\nstates: {DE: {add: [{date: 2026-02-01, yearly: 02-01, name: x}]}}":        "exactly one",
		"version: a\nstates: {DE: {remove: [{}]}}":                                             "exactly one",
		"version: a\nstates: {DE: {add: [{easter: 900, name: x}]}}":                            "at most 100",
		"version: a\nstates: {DE: {add: [{yearly: 02-01, from: 2027, until: 2026, name: x}]}}": "in order",
		"version: \"\\u202ea\"\nstates: {}":                                                    "version",
		strings.Repeat("[", 40) + strings.Repeat("]", 40):                                      "deep",
		"version: a # " + strings.Repeat("x", 1<<20):                                           "more than 1048576",
	} {
		_, err := deadline.Builtin().WithFile("days.yaml", []byte(text))
		if !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "days.yaml") {
			t.Errorf("%.60q: got %v, want %q", text, err, want)
		}
	}
}

// alwaysOff is a file by which nobody ever works.
func alwaysOff() string {
	var b strings.Builder
	b.WriteString("version: a\nstates:\n  DE:\n    add:\n")
	for day := time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() == 2028; day = day.AddDate(0, 0, 1) {
		b.WriteString("      - {yearly: " + day.Format("01-02") + ", name: off}\n")
	}
	return b.String()
}

// Whatever the file, days off end: every state works on some day of any
// fortnight or the file is refused.
func FuzzFile(f *testing.F) {
	f.Add([]byte(ownDays))
	f.Add([]byte("version: a\nstates: {DE: {remove: [{easter: 1}]}}"))
	f.Add([]byte("version: a\nstates: {LI: {add: [{orthodox: -100, name: \"\\u202e=cmd\"}]}}"))
	f.Add([]byte(alwaysOff()))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := deadline.Builtin().WithFile("x", data)
		if err != nil {
			return
		}
		for _, s := range deadline.States() {
			day := time.Date(2026, 12, 18, 12, 0, 0, 0, time.UTC)
			if next := c.NextWorkingDay(s, day); !next.After(day.AddDate(0, 0, -1)) {
				t.Errorf("%s: next working day %s", s, next)
			}
		}
	})
}
