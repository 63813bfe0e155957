package gitrepo

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"evidenced/collectors"
)

// pushes stands before a server and answers the question whether one may push.
func pushes(t *testing.T, s *httptest.Server, status int) *httptest.Server {
	t.Helper()
	to, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := httputil.NewSingleHostReverseProxy(to)
	p.Transport = s.Client().Transport
	front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Query().Get("service") != "git-receive-pack" {
			p.ServeHTTP(w, req)
			return
		}
		if status == http.StatusOK {
			w.Header().Set("Content-Type", "application/x-git-receive-pack-advertisement")
		}
		w.WriteHeader(status)
		fmt.Fprint(w, "001f# service=git-receive-pack\n")
	}))
	t.Cleanup(front.Close)
	return front
}

func TestExamine(t *testing.T) {
	ck, r := start(), newRepo(t)
	r.ref("refs/heads/main", r.chain(1, "x")[0])
	for status, want := range map[int]collectors.Access{
		http.StatusOK: collectors.Excess, http.StatusForbidden: collectors.Readable, http.StatusUnauthorized: collectors.Readable, http.StatusBadGateway: collectors.Untold,
	} {
		front := pushes(t, smart(t, r.dir, nil), status)
		x, err := collect(t, ck, httpsConfig(t, front, "/r.git")).Examine(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(x.Rights) != 2 || x.Rights[0].Access != collectors.Readable || x.Rights[1].Access != want || !x.OffsetOK || x.Requests != 2 {
			t.Errorf("%d: %+v", status, x)
		}
		if strings.Contains(fmt.Sprintf("%+v", x), token) {
			t.Error("the examination holds the token")
		}
	}

	// Local repositories: one that is read, one that is empty, one that is gone.
	gone := newRepo(t)
	gone.dir += "-gone"
	x, err := collect(t, ck, nil, r, newRepo(t), gone).Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []collectors.Access{collectors.Readable, collectors.Absent, collectors.Missing} {
		if x.Rights[i].Access != want {
			t.Errorf("%+v, want %s", x.Rights[i], want)
		}
	}
	if _, err := collect(t, ck, func(c *Config) { c.SignerFiles = []string{"none"} }, r).Examine(t.Context()); err == nil {
		t.Error("signers that cannot be read were not noticed")
	}
}
