package timeline_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports/timeline"
)

func page(t *testing.T, l *evidencetest.Log, opt timeline.Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := timeline.HTML(&b, timeline.HeadOf(l, period), timeline.Group(timeline.Build(context.Background(), l, period, opt))); err != nil {
		t.Fatal(err)
	}
	if name := os.Getenv("EVIDENCED_PAGE"); name != "" { // to be looked at
		if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// The page holds no script, loads nothing and names its one style by hash; text
// of sources is text in it.
func TestHTMLIsInert(t *testing.T) {
	l := world(t)
	// A source's text that would be markup, a comment, an attribute's end.
	evil := `</pre><script>alert(1)</script><img src=x onerror=alert(2)>"'--><!-- ` + "\u202egnp.exe"
	l.Add(evidence.ChangeTag, evidence.OpSet, at(15, 9, 30), evidence.RefFacts{Repo: evil, Ref: "refs/tags/" + evil, SHA: strings.Repeat("a", 40), Tagger: -1}, person(evidence.RoleAuthor, evil, evidence.ProofClaimed))
	text := page(t, l, timeline.Options{Kinds: nil})
	for _, never := range []string{"<script", "<img", "<link", "<iframe", "http://", "https://", " style=", "javascript:", "\u202e", "@import", "url("} {
		rest := strings.ReplaceAll(strings.ReplaceAll(text, `xmlns="http://www.w3.org/2000/svg"`, ""), `fill="url(#hatch)"`, "")
		if never == "http://" {
			rest = strings.ReplaceAll(rest, "http://evil", "") // in a commit's title, as text
		}
		if strings.Contains(rest, never) {
			t.Errorf("the page holds %q", never)
		}
	}
	if !strings.Contains(text, `content="default-src &#39;none&#39;; style-src &#39;sha256-`) {
		t.Error("the page has no policy")
	}
	// Every element is closed in order, so nothing of a source ended one.
	well := strings.Replace(text, "<!doctype html>", "", 1)
	well = regexp.MustCompile(`<(meta|input)([^>]*)>`).ReplaceAllString(well, "<$1$2/>")
	well = strings.ReplaceAll(well, " checked/>", ` checked="checked"/>`)
	dec := xml.NewDecoder(strings.NewReader(well))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if e, ok := token.(xml.StartElement); ok {
			for _, a := range e.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "style" || a.Name.Local == "src" {
					t.Errorf("<%s> has the attribute %s", e.Name.Local, a.Name.Local)
				}
			}
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
	}
}

func TestHTMLTellsAll(t *testing.T) {
	l := world(t)
	l.SetSimulated(true)
	text := page(t, l, timeline.Options{})
	for _, want := range []string{
		"<h2>Saturday 14 November 2026 (UTC)</h2>", `class="blind"`, "DEMONSTRATION", `id="r9"`, `href="#r9"`, "secrets and access (6)", "was not seen: ",
		"&#34;=HYPERLINK(&#34;", "18 records, 1 blind window",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestHTMLOfNothing(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-9")
	if err != nil {
		t.Fatal(err)
	}
	if text := page(t, evidencetest.NewLog(tenant), timeline.Options{}); !strings.Contains(text, "no source claims to have looked") {
		t.Error("the page does not say that nobody looked")
	}
}

func TestHTMLErrors(t *testing.T) {
	broken := errors.New("disk gone")
	l := world(t)
	l.Fail("Records", broken)
	var b bytes.Buffer
	err := timeline.HTML(&b, timeline.HeadOf(l, period), timeline.Build(context.Background(), l, period, timeline.Options{}))
	if !errors.Is(err, broken) || b.Len() != 0 {
		t.Errorf("got %v and %d bytes, want %v and none", err, b.Len(), broken)
	}
}
