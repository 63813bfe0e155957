package certs

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"evidenced/collectors"
)

func TestExamine(t *testing.T) {
	ck := start()
	ca := newCA(t, "Test Root", nil, ck.t)
	alive := listenTLS(t, serve(issue(t, ca, leafOf("www.example.org", ck.t))))
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused.Close()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config(writeRoots(t, ca), Endpoint{alive, "www.example.org"}, Endpoint{Address: refused.Addr().String()})
	cfg.Files = []string{empty}
	c := collector(t, cfg, ck.now)
	x, err := c.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Rights) != 3 || x.Requests != 2 {
		t.Fatalf("%+v", x)
	}
	for i, want := range []struct {
		access collectors.Access
		hint   string
	}{{collectors.Missing, "the connection was refused"}, {collectors.Missing, "holds no certificate"}, {collectors.Readable, ""}} {
		if r := x.Rights[i]; r.Access != want.access || !strings.Contains(r.Hint, want.hint) {
			t.Errorf("right %d: %+v, want %s %q", i, r, want.access, want.hint)
		}
	}
	// An examination leaves nothing behind: the next look is a first one.
	if r := poll(t, c, nil); len(r.Drafts) != 1 {
		t.Errorf("%d drafts after an examination", len(r.Drafts))
	}
	cfg.RootsFile = filepath.Join(t.TempDir(), "none.pem")
	if _, err := collector(t, cfg, ck.now).Examine(t.Context()); err == nil {
		t.Error("a roots file that is not there was not noticed")
	}
	var _ collectors.Examiner = c
}
