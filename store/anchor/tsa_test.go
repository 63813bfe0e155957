package anchor

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/timestamp"
	"evidenced/evidence/timestamp/timestamptest"
)

var _ Anchor = (*TSA)(nil)

func stampKey(t *testing.T) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, "0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

func stampCheckpoint(t *testing.T, s note.Signer) Checkpoint {
	t.Helper()
	c := chain.Checkpoint{Origin: "0123456789abcdef/0123456789abcdef", Size: 7, Root: evidence.Hash{1}}
	signed, err := c.Sign(s)
	if err != nil {
		t.Fatal(err)
	}
	return Checkpoint{Origin: c.Origin, Size: c.Size, Root: c.Root, Signed: signed}
}

var stampTime = time.Date(2026, 11, 14, 13, 0, 0, 0, time.UTC)

func stampClock() time.Time { return stampTime }

// A real authority, not our code, stamps a checkpoint.
func TestTSAReal(t *testing.T) {
	url, roots, _ := timestamptest.Real(t)
	s, v := stampKey(t)
	a, err := NewTSA(TSAOptions{Name: "clock", URL: url, Roots: roots, LogKey: v, Policy: timestamptest.Policy, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	c := stampCheckpoint(t, s)
	_, err = a.Put(t.Context(), c, nil)
	// Asked for no chain the authority sends its own certificate alone, and
	// nothing leads from there to the root.
	if err == nil || !strings.Contains(err.Error(), "does not lead to a trusted root") {
		t.Errorf("without the intermediate certificate: %v", err)
	}
	url, roots, _ = timestamptest.Real(t, "chain")
	if a, err = NewTSA(TSAOptions{Name: "clock", URL: url, Roots: roots, LogKey: v, Policy: timestamptest.Policy, Clock: time.Now}); err != nil {
		t.Fatal(err)
	}
	r, err := a.Put(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	imprint, err := timestamp.Imprint(r.Note, v)
	if err != nil {
		t.Fatal(err)
	}
	token, err := timestamp.Verify(r.Token, imprint, timestamp.Options{Roots: roots})
	if err != nil || !r.Vouched.Equal(token.NotAfter()) || r.Rung != 4 || r.Type != "rfc3161" || r.Size != 7 || r.Done.Before(r.Sent) {
		t.Errorf("receipt %+v, token %+v, %v", r, token, err)
	}
}

func TestTSAAnswers(t *testing.T) {
	good := timestamptest.New(t, timestamptest.Options{})
	good.Clock = stampClock
	other := timestamptest.New(t, timestamptest.Options{})
	expired := timestamptest.New(t, timestamptest.Options{To: stampTime.Add(-time.Hour)})
	expired.Clock = stampClock
	s, v := stampKey(t)
	otherSigner, _ := stampKey(t)
	c := stampCheckpoint(t, s)
	imprint, err := timestamp.Imprint(c.Signed, v)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := timestamp.Request(imprint, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := good.Answer(plain)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := httptest.NewServer(good)
	defer elsewhere.Close()
	answer := func(status int, kind string, b []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write(b)
		}
	}
	const reply = "application/timestamp-reply"
	for _, tc := range []struct {
		name    string
		handler http.Handler
		roots   *x509.CertPool
		policy  asn1.ObjectIdentifier
		want    string // "": accepted
	}{
		{"good", good, nil, nil, ""},
		{"good, with a policy", good, nil, asn1.ObjectIdentifier{2, 999, 8}, ""},
		{"recorded before", answer(200, reply, recorded), nil, nil, "its nonce is not the one that was asked for"},
		{"other authority", other, nil, nil, "does not lead to a trusted root"},
		{"expired", expired, expired.Roots(), nil, "not at the token's time"},
		{"other policy", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(string(b), "\x06\x03\x88\x37\x08", "\x06\x03\x88\x37\x09", 1)))
			good.ServeHTTP(w, r)
		}), nil, asn1.ObjectIdentifier{2, 999, 8}, "its policy 2.999.9 is not one of those accepted"},
		{"refused", answer(503, reply, []byte("token=secret")), nil, nil, "ask the time-stamping authority: status 503"},
		{"a page", answer(200, "text/html", []byte("<html>secret")), nil, nil, "not of type application/timestamp-reply"},
		{"nonsense", answer(200, reply, []byte("secret")), nil, nil, "time-stamp response: not DER"},
		{"endless", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", reply)
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}), nil, nil, "the answer is larger than 69632 bytes"},
		{"redirect elsewhere", http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect), nil, nil, "redirected to another host"},
		{"redirect that drops the request", http.RedirectHandler("/there", http.StatusFound), nil, nil, "redirected away from the request"},
		{"redirect in a circle", http.RedirectHandler("/there", http.StatusTemporaryRedirect), nil, nil, "redirected away from the request"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := httptest.NewServer(tc.handler)
			defer srv.Close()
			o := TSAOptions{Name: "clock", URL: srv.URL, Roots: tc.roots, LogKey: v, Policy: tc.policy, Clock: stampClock}
			if o.Roots == nil {
				o.Roots = good.Roots()
			}
			a, err := NewTSA(o)
			if err != nil {
				t.Fatal(err)
			}
			r, err := a.Put(t.Context(), c, nil)
			if tc.want == "" {
				if err != nil || !r.Vouched.Equal(stampTime.Add(time.Second)) || len(r.Token) == 0 {
					t.Errorf("receipt %+v, %v", r, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
	srv := httptest.NewServer(good)
	defer srv.Close()
	a, err := NewTSA(TSAOptions{Name: "clock", URL: srv.URL, Roots: good.Roots(), LogKey: v, Clock: stampClock})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Put(t.Context(), stampCheckpoint(t, otherSigner), nil); err == nil || !strings.Contains(err.Error(), "imprint of a checkpoint") {
		t.Errorf("a checkpoint of another key: %v", err)
	}
	if _, _, ok, err := a.Newest(t.Context(), c.Origin); ok || err != nil {
		t.Errorf("newest: %v, %v", ok, err)
	}
}

func TestTSAOptions(t *testing.T) {
	_, v := stampKey(t)
	roots := x509.NewCertPool()
	for _, tc := range []struct{ url, want string }{
		{"ftp://tsa.example", "not an http or https URL"},
		{"tsa.example", "not an http or https URL"},
		{"https://user:secret@tsa.example/", "holds a user name or password"},
	} {
		_, err := NewTSA(TSAOptions{Name: "clock", URL: tc.url, Roots: roots, LogKey: v, Clock: stampClock})
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", tc.url, err)
		}
	}
	if _, err := NewTSA(TSAOptions{Name: "clock", URL: "https://tsa.example", LogKey: v, Clock: stampClock}); err == nil || !strings.Contains(err.Error(), "no roots") {
		t.Errorf("without roots: %v", err)
	}
	a, err := NewTSA(TSAOptions{Name: "clock", URL: "http://127.0.0.1:1/stamp?key=secret", Roots: roots, LogKey: v, Clock: stampClock})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.post(t.Context(), nil); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(a.place, "secret") {
		t.Errorf("at a closed port, place %s: %v", a.place, err)
	}
	a, err = NewTSA(TSAOptions{Name: "clock", URL: "http://169.254.169.254/stamp", Roots: roots, LogKey: v, Clock: stampClock})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.post(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "never dialled") {
		t.Errorf("the metadata service is dialled: %v", err)
	}
}
