package api_test

import (
	"strings"
	"testing"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/api/apitest"
)

// A timeline as pages is the same both ways, and the same twice.
func TestTimelinePages(t *testing.T) {
	p := api.TimelineParams{Common: common("tenant-7", false), Span: api.Span{From: "2026-11-14", To: "2026-11-14"}, PDF: true}
	first, err := both(t, apitest.New(), "timeline", p)
	if err != nil || first.media != api.MediaPDF || !strings.HasPrefix(first.String(), "%PDF-") || !strings.HasSuffix(first.String(), "%%EOF\n") {
		t.Fatalf("%s of %d bytes, %v", first.media, first.Len(), err)
	}
	p.Source = "github/acme"
	narrow, err := both(t, apitest.New(), "timeline", p)
	if err != nil || narrow.String() == first.String() {
		t.Errorf("narrowed to a source it is the same document (%v)", err)
	}
}
