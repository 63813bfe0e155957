package api_test

import (
	"strings"
	"testing"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/api/apitest"
	"evidenced/evidence/problem"
)

// A text that is no UTF-8 is refused by its name, wherever it stands in the
// parameters, and nothing is recorded.
func TestTextIsWhole(t *testing.T) {
	d := desk{t, apitest.New()}
	p := least("tenant-7")
	for name, change := range map[string]func(p *api.IncidentParams){
		"--reason":  func(p *api.IncidentParams) { p.Reason = "bad \xff\xfe bytes" },
		"--tenant":  func(p *api.IncidentParams) { p.Tenant = "tenant-\xc3" },
		"--affects": func(p *api.IncidentParams) { p.Affects = []string{"tenant-7", "\xf0\x9f"} },
		"--records": func(p *api.IncidentParams) { p.Records = map[string][]uint64{"\xff": {1}} },
	} {
		q := p
		change(&q)
		if _, err := d.ask(q); !problem.Is(err, problem.Usage) || !strings.Contains(err.Error(), name+" is not UTF-8") {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.Reason = "\u202e=1+1 漢字 \U0001F600 \ufffd"
	id, _ := d.declared(p)
	q := in("tenant-7", "show")
	q.ID, q.JSON = id, true
	if s := d.must(q); !strings.Contains(s, "漢字 \U0001F600 \ufffd") {
		t.Errorf("the reason did not come back as it was:\n%s", s)
	}
}
