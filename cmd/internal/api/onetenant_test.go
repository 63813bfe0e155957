package api_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/api/apitest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
)

// ofOneTenant are operations about one tenant, with the parameters they take
// beside it.
var ofOneTenant = map[string]string{
	"records": ``, "coverage": ``, "gaps": ``, "today": ``, "people": ``, "assess": `,"last":"1d"`, "timeline": `,"last":"1d"`, "verify": ``, "anchors": ``,
	"who": `,"person":"alice","last":"1d"`, "trace": `,"ref":"v1","last":"1d"`, "ran": `,"at":"13:00"`, "pack": `,"last":"1d"`, "receipt": `,"seq":1`,
	"hold": `,"act":"list"`, "incident": `,"act":"list"`, "incident-register": ``, "remedy": `,"act":"list"`, "statement": `,"type":"waiver","act":"list"`,
	"keyring-rotate": ``,
}

func askRaw(t *testing.T, w *apitest.World, op, params string) (string, error) {
	t.Helper()
	var c collected
	err := api.Run(t.Context(), w, api.Caller{UID: 1000, Via: "direct"}, op, []byte(params), c.out())
	return c.String() + c.result, err
}

// A tenant is asked for by its name, letter for letter, and by no other way of
// writing it; parameters that two readers could read differently are refused.
// Nothing is answered then, and nobody is said to have read.
func TestTenantByItsNameAlone(t *testing.T) {
	var tricks []string
	for _, name := range []string{
		"Tenant-7", "TENANT-7", "tenant-7/", "./tenant-7", "../tenant-7", "tenant-8/../tenant-7", `tenant-7\u0000`, " tenant-7", "tenant-7 ", `tenant-7\n`, `\ttenant-7`,
		"tenant%2d7", "tenant%2D7", "tenant+7", "tenant_7", "tenant-7,tenant-8", "tenant-7 tenant-8", "tenant-7;", "tenant-7?", "tenant-7#", "tenant-*", "tenant-?", "*", ".", "..", "-",
		"tenant‐7", "tеnant-7", "tenant-７", "ｔenant-7", `\ufefftenant-7`, `tenant-7\u200b`, "_Platform", "_PLATFORM", "platform", "_platform/", "__platform", "_all", "ALL", "tenant-70", "tenant-",
	} {
		tricks = append(tricks, `{"tenant":"`+name+`"%s}`)
	}
	tricks = append(tricks,
		`{"tenant":"tenant-8","tenant":"tenant-7"%s}`, `{"tenant":"tenant-7"%s,"tenant":"tenant-8"}`, `{"tenant":"tenant-8","Tenant":"tenant-7"%s}`, `{"TENANT":"tenant-7"%s}`,
		`{"tenant":"tenant-8","\u0074enant":"tenant-7"%s}`, `{"tenant":["tenant-7"]%s}`, `{"tenant":["tenant-8","tenant-7"]%s}`, `{"tenant":{"name":"tenant-7"}%s}`, `{"tenant":true%s}`,
		`{"tenant":"tenant-7"%s}{"tenant":"tenant-8"}`, `{"tenant":"tenant-7"%s} x`, `[{"tenant":"tenant-7"%s}]`, `{"tenant":"tenant-7","tenants":["tenant-8"]%s}`, `{"tenant":"tenant-7","common":{"tenant":"tenant-8"}%s}`,
		`{"tenant":"tenant-7","Common":{"tenant":"tenant-8"}%s}`, `null`, ``, `"tenant-7"`,
	)
	w := apitest.New()
	for op, more := range ofOneTenant {
		for _, trick := range tricks {
			if strings.Contains(trick, "%s") {
				trick = fmt.Sprintf(trick, more)
			}
			got, err := askRaw(t, w, op, trick)
			if p := problem.Of(err); p == nil || p.Code != problem.Usage && p.Code != problem.NotFound || got != "" {
				t.Errorf("%s of %s: %v, %q", op, trick, err, got)
			}
		}
	}
	if reads, _ := w.Reads(); len(reads) > 0 {
		t.Errorf("sealed though nothing was answered: %v", reads)
	}
	// The same with the name as it is.
	for op, more := range ofOneTenant {
		if _, err := askRaw(t, w, op, `{"tenant":"tenant-7"`+more+`}`); problem.Is(err, problem.Usage) {
			t.Errorf("%s: %v", op, err)
		}
	}
	reads, _ := w.Reads()
	for _, r := range reads {
		if !strings.HasPrefix(r, "tenant-7 ") {
			t.Errorf("of tenant-7 was asked and read was %s", r)
		}
	}
	if len(reads) < 10 {
		t.Errorf("sealed: %v", reads)
	}
}

// The word for every tenant is no way to the others for who may ask of one that
// is called so.
func TestTenantCalledAll(t *testing.T) {
	w := apitest.New()
	for _, op := range []string{"gaps", "today"} {
		if got, err := askRaw(t, w, op, `{"tenant":"all","json":true}`); err != nil || !strings.Contains(got, "tenant-8") {
			t.Fatalf("%s of all: %v, %s", op, err, got)
		}
	}
	all, err := evidence.ParseTenant("all")
	if err != nil {
		t.Fatal(err)
	}
	w = apitest.New()
	w.Logs[all] = evidencetest.NewLog(all)
	for op, more := range map[string]string{"gaps": ``, "today": ``, "remedy": `,"act":"list"`, "statement": `,"type":"waiver","act":"list"`} {
		got, err := askRaw(t, w, op, `{"tenant":"all","json":true`+more+`}`)
		if err != nil || strings.Contains(got, "tenant-") || !strings.Contains(got, `"all"`) {
			t.Errorf("%s of the tenant called all: %v, %s", op, err, got)
		}
	}
	reads, _ := w.Reads()
	for _, r := range reads {
		if !strings.HasPrefix(r, "all ") {
			t.Errorf("read was %s", r)
		}
	}
}

// On the socket the body alone says whom it is about: no path, query, header or
// method leads elsewhere.
func TestSocketTakesTheBodyAlone(t *testing.T) {
	const body = `{"tenant":"tenant-7","json":true,"last":"1d"}`
	for _, tc := range []struct {
		name, head string
		status     int
	}{
		{"as it is meant", "POST /v1/timeline HTTP/1.1", 200},
		{"a query", "POST /v1/timeline?tenant=tenant-8 HTTP/1.1", 200},
		{"a query twice", "POST /v1/timeline?tenant=tenant-7&tenant=tenant-8&op=pack HTTP/1.1", 200},
		{"an encoded name", "POST /v1/%74imeline HTTP/1.1", 200},
		{"an absolute address", "POST http://tenant-8/v1/timeline HTTP/1.1", 200},
		{"headers", "POST /v1/timeline HTTP/1.1\r\nX-Tenant: tenant-8\r\nTenant: tenant-8\r\nX-Forwarded-User: root\r\nX-Original-URL: /v1/pack\r\nX-Rewrite-URL: /v1/pack\r\nX-HTTP-Method-Override: GET\r\nForwarded: for=127.0.0.1\r\nCookie: tenant=tenant-8\r\nAuthorization: Basic dGVuYW50LTg6", 200},
		{"a stream", "POST /v1/timeline HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", 200},
		{"another case", "POST /v1/Timeline HTTP/1.1", 200}, // frames that say it is unknown
		{"an unknown operation", "POST /v1/timeline%2f..%2fpack HTTP/1.1", 200},
		{"an encoded slash before", "POST /v1%2ftimeline HTTP/1.1", 404},
		{"dots", "POST /v1/x/../timeline HTTP/1.1", 307},
		{"two slashes", "POST //v1/timeline HTTP/1.1", 307},
		{"a slash behind", "POST /v1/timeline/ HTTP/1.1", 404},
		{"a tenant in the path", "POST /v1/tenant-8/timeline HTTP/1.1", 404},
		{"another version", "POST /V1/timeline HTTP/1.1", 404},
		{"another method", "GET /v1/timeline HTTP/1.1", 405},
		{"one of its own", "REPORT /v1/timeline HTTP/1.1", 405},
		{"a tunnel", "CONNECT /v1/timeline HTTP/1.1", 405},
		{"two lengths", "POST /v1/timeline HTTP/1.1\r\nContent-Length: 5", 400},
	} {
		w := apitest.New()
		conn, err := net.Dial("unix", serve(t, w))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "%s\r\nHost: evidenced\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", tc.head, len(body), body); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		got, err := io.ReadAll(resp.Body)
		conn.Close()
		if err != nil || resp.StatusCode != tc.status {
			t.Errorf("%s: status %d, want %d (%v)", tc.name, resp.StatusCode, tc.status, err)
		}
		if bytes.Contains(got, []byte("tenant-8")) && resp.StatusCode == 200 {
			t.Errorf("%s: %q", tc.name, got)
		}
		reads, _ := w.Reads()
		for _, r := range reads {
			if !strings.HasPrefix(r, "tenant-7 timeline ") {
				t.Errorf("%s: read was %s", tc.name, r)
			}
		}
		if tc.name == "as it is meant" && len(reads) != 1 {
			t.Errorf("sealed: %v", reads)
		}
	}
}
