package reports_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports"
)

func TestTerminal(t *testing.T) {
	for _, c := range [][2]string{
		{"plain text", "plain text"},
		{"Grüße, Żółć, Ελένη, 漢字, 🚀", "Grüße, Żółć, Ελένη, 漢字, 🚀"},
		{"\x1b[31mred\x07", `\x1b[31mred\x07`},
		{"a\nb\tc\rd", `a\nb\tc\rd`},
		{"\u009b31m", `\x9b31m`},
		{"\xff\xfe", `\xff\xfe`},
		{"evil\u202egnp.exe", `evil\u202egnp.exe`},
		{"zero\u200bwidth\ufeff", `zero\u200bwidth\ufeff`},
		{"tag\U000e0041", `tag\U000e0041`},
		{`it already says \x1b`, `it already says \\x1b`},
		{`C:\temp`, `C:\\temp`},
		{`50 \% off`, `50 \% off`},
	} {
		if got := reports.Terminal(c[0]); got != c[1] {
			t.Errorf("Terminal(%q) = %q, want %q", c[0], got, c[1])
		}
	}
}

func TestCSV(t *testing.T) {
	for _, c := range [][2]string{
		{"plain", "plain"}, {"", ""}, {"1-2", "1-2"},
		{`=HYPERLINK("http://evil")`, `'=HYPERLINK("http://evil")`},
		{"+1", "'+1"}, {"-1", "'-1"}, {"@SUM", "'@SUM"}, {"\t=1", "'\t=1"}, {"\r=1", "'\r=1"}, {"\n=1", "'\n=1"},
		{"＝1", "'＝1"}, {"'quoted", "''quoted"}, {"two\nlines", "two\nlines"}, {"\x1b[2J", `\x1b[2J`},
	} {
		if got := reports.CSV(c[0]); got != c[1] {
			t.Errorf("CSV(%q) = %q, want %q", c[0], got, c[1])
		}
	}
}

func TestPDF(t *testing.T) {
	latin := func(r rune) bool { return r < 0x250 }
	for _, c := range [][2]string{
		{"plain", "plain"}, {"Grüße", "Grüße"},
		{"🚀", "[U+1F680]"}, {"漢", "[U+6F22]"}, {"\x00\x1b", "[U+0000][U+001B]"}, {"\u202e", "[U+202E]"},
		{"\xff", "[0xFF]"}, {"a\r\nb", "a\nb"}, {"a\tb", "a b"}, {"a\rb", "a[U+000D]b"},
	} {
		if got := reports.PDF(c[0], latin); got != c[1] {
			t.Errorf("PDF(%q) = %q, want %q", c[0], got, c[1])
		}
	}
}

func FuzzSinks(f *testing.F) {
	for _, s := range []string{"", "plain", "\x1b[31m", "=1", "🚀\u202e", "\xff\\x1b"} {
		f.Add(s, s+"!")
	}
	f.Fuzz(func(t *testing.T, s, other string) {
		out := reports.Terminal(s)
		for _, r := range out {
			if unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r == 0x2066 {
				t.Errorf("Terminal(%q) = %q holds %U", s, out, r)
			}
		}
		if !utf8.ValidString(out) || s != other && out == reports.Terminal(other) {
			t.Errorf("Terminal(%q) = %q, not valid or the same as of %q", s, out, other)
		}
		cell := reports.CSV(s)
		if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
			t.Errorf("CSV(%q) = %q begins like a formula", s, cell)
		}
		if s != other && cell == reports.CSV(other) {
			t.Errorf("CSV of %q and %q are both %q", s, other, cell)
		}
		for _, r := range reports.PDF(s, func(rune) bool { return true }) {
			if r > 0xffff || r < 0x20 && r != '\n' {
				t.Errorf("PDF(%q) holds %U", s, r)
			}
		}
		for _, l := range reports.Wrap(out, 20) {
			if w := reports.TextWidth(l); w > 21 {
				t.Errorf("Wrap(%q, 20) has a line of %d columns", out, w)
			}
		}
	})
}

func TestTimes(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	at := time.Date(2026, 11, 14, 13, 0, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{reports.Spoken(at, nil), "13:00 UTC on 14 Nov 2026"},
		{reports.Spoken(at, berlin), "14:00 (13:00 UTC) on 14 Nov 2026"},
		{reports.Spoken(at.Add(10*time.Hour), berlin), "00:00 (14 Nov 23:00 UTC) on 15 Nov 2026"},
		{reports.Stamp(at, nil), "14 Nov 2026 13:00 UTC"},
		{reports.Stamp(at.Add(4*time.Second), berlin), "14 Nov 2026 14:00:04 CET (13:00:04 UTC)"},
		{reports.Stamp(time.Time{}, nil), "never"},
		{reports.Near(at, at.Add(time.Hour)), "13:00"},
		{reports.Near(at.AddDate(0, 0, -12), at), "2 Nov 13:00"},
		{reports.Near(at.AddDate(-1, 0, 0), at), "14 Nov 2025 13:00"},
		{reports.Span(at, at.Add(2*time.Hour)), "14 Nov 2026 13:00 to 15:00"},
		{reports.Span(time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)), "1 Oct to 31 Dec 2026"},
		{reports.Span(time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 2, 0, 0, 0, 0, time.UTC)), "1 Oct 2026"},
		{reports.Lasting(0), "less than a second"},
		{reports.Lasting(76 * time.Second), "76 seconds"},
		{reports.Lasting(-2 * time.Minute), "2 minutes"},
		{reports.Lasting(59 * 24 * time.Hour), "59 days"},
		{reports.Spell(-80 * time.Minute), "80 minutes"},
		{reports.Spell(2*time.Hour + 40*time.Minute), "2 hours 40 minutes"},
		{reports.Spell(3*time.Hour - time.Second), "3 hours"},
		{reports.Spell(48*time.Hour - time.Second), "2 days"},
		{reports.Spell(49*time.Hour + 29*time.Minute), "2 days 1 hour"},
		{reports.Spell(30 * time.Second), "30 seconds"},
		{reports.Count(1, "identity"), "1 identity"},
		{reports.Count(0, "identity"), "0 identities"},
		{reports.Count(2000, "day"), "2,000 days"},
		{reports.Number(-1234567), "-1,234,567"},
		{reports.Seqs([]uint64{5}, 0), "5"},
		{reports.Seqs([]uint64{1, 2, 5, 6, 7, 9}, 0), "1, 2, 5..7, 9"},
		{reports.Seqs([]uint64{1, 3, 5, 7, 9}, 2), "1, 3, and 3 more"},
		{reports.ShortID(strings.Repeat("a", 40)), "aaaaaaa"},
		{reports.ShortID("sha256:" + strings.Repeat("b", 64)), "sha256:bbbbbbbb.."},
		{reports.ShortID("v1.2.3"), "v1.2.3"},
		{reports.FirstLine("\n title \nbody", 100), "title"},
		{reports.FirstLine("Grüße an alle", 6), "Grüße…"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// A headline fits a terminal, painted line by line, and is one line for a program.
func TestHeadline(t *testing.T) {
	text := strings.TrimSpace(strings.Repeat("needs someone ", 12))
	for _, tc := range []struct {
		style reports.Style
		lines int
	}{{reports.Style{}, 1}, {reports.Style{Width: 80, Colour: true}, 3}} {
		var b bytes.Buffer
		if err := tc.style.Headline(&b, tc.style.Bold, text); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		if len(lines) != tc.lines {
			t.Errorf("%d lines, want %d: %q", len(lines), tc.lines, lines)
		}
		for _, l := range lines {
			bare := strings.TrimSuffix(strings.TrimPrefix(l, "\x1b[1m"), "\x1b[0m")
			if tc.style.Colour && (len(bare) > 80 || bare == l) {
				t.Errorf("line %q", l)
			}
		}
	}
}

func TestOpenNames(t *testing.T) {
	carol, dave := evidence.ID{1}, evidence.ID{2}
	names := map[evidence.ID]string{carol: "carol"}
	in := "by person:/" + carol.String() + " and " + carol.String() + ", person:/" + dave.String() + " and " + dave.String() + ", " + strings.Repeat("a", 40)
	want := "by carol and carol, person " + dave.String()[:6] + " and " + dave.String() + ", " + strings.Repeat("a", 40)
	if got := reports.OpenNames(in, names); got != want {
		t.Errorf("OpenNames gives %q, want %q", got, want)
	}
}

func TestPeople(t *testing.T) {
	tenant, err := evidence.ParseTenant("t")
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(tenant)
	rec := l.Add(evidence.ChangeCommit, evidence.OpEvent, evidencetest.Start, evidence.CommitFacts{Repo: "r", SHA: "s"},
		evidence.Person{Role: evidence.RoleAuthor, Realm: "git", NativeID: "c@x", Names: evidence.Names{Login: "carol"}, Proof: evidence.ProofClaimed})
	people := reports.NewPeople(l)
	who, ok, err := people.At(context.Background(), &rec, 0)
	if err != nil || !ok || who.Label != "carol" || who.Proof != evidence.ProofClaimed {
		t.Errorf("got %+v, %v, %v", who, ok, err)
	}
	for _, i := range []int{-1, 1} {
		if _, ok, err := people.At(context.Background(), &rec, i); ok || err != nil {
			t.Errorf("index %d: found somebody (%v)", i, err)
		}
	}
	l.Fail("Identity", errors.New("no such person"))
	who, err = reports.NewPeople(l).Party(context.Background(), rec.People[0])
	if err != nil || !strings.HasPrefix(who.Label, "unknown person") {
		t.Errorf("an unknown token gives %+v, %v", who, err)
	}
}

// TestStripsSeam: two days of polling are one stretch; a day without is not.
func TestStripsSeam(t *testing.T) {
	tenant, err := evidence.ParseTenant("t")
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(tenant)
	start := evidencetest.Start
	for _, day := range []int{1, 2, 4} {
		var looks []time.Time
		for h := range 24 {
			looks = append(looks, start.AddDate(0, 0, day).Add(time.Duration(h)*time.Hour))
		}
		l.CoverLooks("certs/edge", looks, evidence.CertState)
	}
	// The look after the last one is overdue.
	p := evidence.Period{From: start.AddDate(0, 0, 1), To: start.AddDate(0, 0, 5).Add(40 * time.Minute)}
	cov, err := evidence.LoadCoverage(context.Background(), l, p)
	if err != nil {
		t.Fatal(err)
	}
	var classes []evidence.Class
	for _, s := range reports.Strips(cov, "certs/edge", evidence.CertState, p) {
		classes = append(classes, s.Class)
	}
	if want := []evidence.Class{evidence.Instants, "", evidence.Instants, ""}; !slices.Equal(classes, want) {
		t.Errorf("classes %q, want %q", classes, want)
	}
	if ws := reports.AllBlind(cov, p); len(ws) != 2 || ws[0].Looked {
		t.Errorf("blind windows %+v, want the day without looks and the end", ws)
	}
}
