package terraform

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"evidenced/collectors"
)

func right(t *testing.T, x collectors.Examination, name string) collectors.Right {
	t.Helper()
	i := slices.IndexFunc(x.Rights, func(r collectors.Right) bool { return strings.HasPrefix(r.Name, name) })
	if i < 0 {
		t.Fatalf("no right %q in %+v", name, x.Rights)
	}
	return x.Rights[i]
}

func TestExamine(t *testing.T) {
	l := newLab(t, nil)
	x, err := l.c.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if x.Identity != "user-Read3rXc5vBn7mLk" || x.Requests != 3 || !x.OffsetOK {
		t.Errorf("%+v", x)
	}
	if r := right(t, x, "workspaces and runs of acme, 2 seen"); r.Access != collectors.Readable || len(r.Kinds) != 2 {
		t.Errorf("%+v", r)
	}
	if r := right(t, x, "versions of states of platform-dns"); r.Access != collectors.Missing || !strings.Contains(r.Hint, "states: false") {
		t.Errorf("%+v", r)
	}
	if r := right(t, x, "audit trail"); r.Access != collectors.Readable {
		t.Errorf("%+v", r)
	}
	if len(x.Rights) != 3 || len(x.Oldest) != 1 {
		t.Errorf("%+v", x)
	}
	for _, line := range l.Requests() {
		if strings.Contains(line, "/runs") || strings.Contains(line, "state-versions") {
			t.Errorf("an examination reads evidence: %s", line)
		}
	}
}

// Too much is told, and what is not there or refused.
func TestExamineFaults(t *testing.T) {
	p := newPlatform(t, func(c *Config) { c.AuditTokenFile = c.TokenFile })
	ws := wsRow("ws-1", "net", "")
	ws["attributes"].(row)["permissions"] = row{"can-queue-apply": true, "can-read-run": true, "can-update": true, "can-read-variable": false, "can-read-state-versions": true}
	p.workspaces = []row{ws}
	p.before = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "audit-trail") {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		w.Header().Set("TFP-AppName", "Terraform Enterprise")
		w.Header().Set("X-TFE-Version", "v202507-1")
		if strings.HasSuffix(r.URL.Path, "account/details") {
			p.write(w, row{"data": row{"id": "user-1", "type": "users"}})
			return true
		}
		return false
	}
	x, err := p.c.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r := right(t, x, "can-queue-apply, can-update in net"); r.Access != collectors.Excess {
		t.Errorf("%+v", r)
	}
	if r := right(t, x, "audit trail"); r.Access != collectors.Absent || r.Hint == "" {
		t.Errorf("%+v", r)
	}
	if x.Version != "Terraform Enterprise v202507-1" {
		t.Errorf("version %q", x.Version)
	}
	p.workspaces, p.before = nil, nil
	if x, err = p.c.Examine(t.Context()); err != nil || right(t, x, "workspaces").Access != collectors.Missing || right(t, x, "versions of states").Access != collectors.Untold {
		t.Errorf("%v, %+v", err, x)
	}
}
