package trace_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/lineage"
	"evidenced/evidence/lineage/lineagetest"
	"evidenced/reports"
	"evidenced/reports/trace"
)

func build(t testing.TB, l evidence.Reader, asked string, opt trace.Options) *trace.Answer {
	t.Helper()
	w, err := lineage.Parse(asked)
	if err != nil {
		t.Fatal(err)
	}
	found, err := lineage.Resolve(t.Context(), l, w, opt.At)
	if err != nil || len(found) != 1 {
		t.Fatalf("%q: found %+v, %v", asked, found, err)
	}
	a, err := trace.Build(t.Context(), l, asked, found[0], opt)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func text(t testing.TB, a *trace.Answer) string {
	t.Helper()
	var b bytes.Buffer
	if err := a.Text(&b, reports.Style{Width: 120}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func drawn(t testing.TB, draw func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := draw(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestAnswers compares whole answers. The chains go from a secret access back
// to who approved the commit, and from a commit to the running pod; one is
// broken in two places.
func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		without []string
		asked   string
		opt     trace.Options
	}{
		{"access-backward", nil, lineagetest.RequestRef("read-operator").String(), trace.Options{Options: lineage.Options{Direction: lineage.Backward}}},
		{"commit-forward", nil, lineagetest.Head, trace.Options{Options: lineage.Options{Direction: lineage.Forward, At: lineagetest.At(13, 0)}}},
		{"broken", []string{"revision", "secret-sync", "cover secret.sync"}, "pod tenant-7/web-7d9f-x2x", trace.Options{Options: lineage.Options{At: lineagetest.At(13, 0)}}},
		{"certificate", nil, "certificate tenant-7/web-tls", trace.Options{Options: lineage.Options{Window: evidence.Period{From: lineagetest.At(8, 0), To: lineagetest.At(14, 0)}}}},
		{"backup", nil, "velero/daily-1 backup", trace.Options{}},
		{"scan", nil, "record 14", trace.Options{Options: lineage.Options{Direction: lineage.Backward}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := build(t, lineagetest.Tell(tt.without...), tt.asked, tt.opt)
			evidencetest.Golden(t, tt.name+".txt", []byte(text(t, a)))
			doc, err := json.MarshalIndent(a, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			evidencetest.Golden(t, tt.name+".json", append(doc, '\n'))
			evidencetest.Golden(t, tt.name+".dot", drawn(t, a.DOT))
			svg := drawn(t, a.SVG)
			evidencetest.Golden(t, tt.name+".svg", svg)
			wellFormed(t, svg)
		})
	}
}

func wellFormed(t testing.TB, doc []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(doc)); ; {
		tok, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("the drawing is no XML: %v\n%s", err, doc)
		}
		if e, ok := tok.(xml.StartElement); ok {
			switch e.Name.Local {
			case "svg", "title", "rect", "defs", "marker", "path", "g", "text":
			default:
				t.Errorf("the drawing has an element %s", e.Name.Local)
			}
			for _, a := range e.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "href" {
					t.Errorf("the drawing has an attribute %s", a.Name.Local)
				}
			}
		}
	}
}

// Names of people come from the log alone: of an erased person nothing is left.
func TestErasedPeople(t *testing.T) {
	l := lineagetest.Tell()
	l.Erase(evidencetest.Token(l.Tenant(), "github:acme", "id-bob"))
	got := text(t, build(t, l, lineagetest.Head, trace.Options{}))
	if strings.Contains(got, "bob") || !strings.Contains(got, "erased person") {
		t.Errorf("got\n%s", got)
	}
}

func TestUnlinked(t *testing.T) {
	l := lineagetest.Tell()
	// What no chain goes through is said to be that.
	o, err := trace.Build(t.Context(), l, "x", lineage.Found{Ref: evidence.NewRef("alert", "prod", "de6c")}, trace.Options{})
	if want := "linked with alert:prod/de6c: it is none of the things that are traced."; err != nil || !strings.HasSuffix(o.Sentence, want) {
		t.Errorf("got %+v, %v, want %q", o, err, want)
	}
	a, err := trace.Build(t.Context(), l, "x", lineage.Found{Ref: lineagetest.Commit(strings.Repeat("1", 40))}, trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(a.Sentence, "Nothing in the log of tenant-7 is linked with commit 1111111") {
		t.Errorf("got %q", a.Sentence)
	}
}

func TestDemonstrationIsMarked(t *testing.T) {
	l := lineagetest.Tell()
	l.SetSimulated(true)
	a := build(t, l, lineagetest.Head, trace.Options{})
	for name, got := range map[string]string{"text": strings.Join(strings.Fields(text(t, a)), " "), "dot": string(drawn(t, a.DOT)), "svg": string(drawn(t, a.SVG))} {
		if !strings.Contains(got, "DEMONSTRATION") {
			t.Errorf("%s does not say that it is a demonstration", name)
		}
	}
}

func TestBuildFailsWithItsReader(t *testing.T) {
	l := lineagetest.Tell()
	for _, method := range []string{"Records", "Record"} {
		boom := errors.New("boom")
		l.Fail(method, boom)
		_, err := trace.Build(t.Context(), l, "x", lineage.Found{Ref: lineagetest.Commit(lineagetest.Main)}, trace.Options{})
		if !errors.Is(err, boom) {
			t.Errorf("%s: got %v", method, err)
		}
		l.Fail(method, nil)
	}
}

// FuzzDrawings puts foreign text wherever a source may: the drawings stay well
// formed and hold nothing that a viewer would run or a terminal obey.
func FuzzDrawings(f *testing.F) {
	for _, s := range []string{"plain", `"]; evil [label="`, `\`, `\n"`, "</text><script>alert(1)</script>", "a\x1b[31mb", "\u202eabc", "\xff\xfe", "]]>", "&amp;", "\ufffe", "--> <!--", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l := lineagetest.NewLog()
		st := &lineagetest.Story{Log: l}
		name := evidence.NewRef("pod", "prod", "t/"+s).WithUID("u")
		st.Add("pod", evidence.RuntimePod, evidence.OpSet, lineagetest.At(9, 0), name,
			evidence.PodFacts{Namespace: "t", Name: s, UID: "u", Phase: s}, nil, lineagetest.Image(lineagetest.Child), evidence.NewRef("copy", "prod", s+"/x"))
		a, err := trace.Build(t.Context(), l, s, lineage.Found{Ref: name}, trace.Options{})
		if err != nil {
			t.Fatal(err)
		}
		svg := drawn(t, a.SVG)
		wellFormed(t, svg)
		dot := string(drawn(t, a.DOT))
		balanced(t, dot)
		for _, out := range []string{string(svg), dot, text(t, a)} {
			for _, r := range out {
				if r < ' ' && r != '\n' || r == 0x202e || r == 0x7f || r >= 0x80 && r < 0xa0 {
					t.Fatalf("%q draws the rune %U", s, r)
				}
			}
		}
	})
}

// balanced checks that every line of DOT is one statement whose quoted strings
// are closed, and that only labels hold foreign text.
func balanced(t *testing.T, dot string) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(dot), "\n") {
		open, bare := false, ""
		for i := 0; i < len(line); i++ {
			switch {
			case open && line[i] == '\\':
				i++
			case line[i] == '"':
				open = !open
			case !open:
				bare += string(line[i])
			}
		}
		if open {
			t.Fatalf("a string is not closed: %s", line)
		}
		if strings.Trim(bare, "abcdefghijklmnopqrstuvwxyzLR0123456789 =[]{}<>;,-") != "" {
			t.Fatalf("foreign text outside of strings: %q in %s", bare, line)
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	l := lineagetest.Tell()
	for b.Loop() {
		a := build(b, l, lineagetest.Head, trace.Options{})
		if err := a.SVG(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
