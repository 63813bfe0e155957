package alert

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"evidenced/evidence"
)

// mailServer is a mail server that keeps what it takes.
type mailServer struct {
	mu    sync.Mutex
	mails []string
	to    [][]string
}

type mailSession struct {
	server *mailServer
	login  bool
	to     []string
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "evidenced" || password != secret.Reveal() {
			return errors.New("wrong user or password")
		}
		s.login = true
		return nil
	}), nil
}
func (s *mailSession) Reset()        {}
func (s *mailSession) Logout() error { return nil }

func (s *mailSession) Mail(string, *smtp.MailOptions) error {
	if !s.login {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.mails, s.server.to = append(s.server.mails, string(b)), append(s.server.to, s.to)
	return err
}

// startMailServer starts one with STARTTLS and a certificate of its own, and
// returns its address and the file of the certificate.
func startMailServer(t *testing.T) (m *mailServer, address, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	m = &mailServer{}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{server: m}, nil }))
	srv.Domain = "localhost"
	srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	srv.ErrorLog = nopLogger{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return m, l.Addr().String(), ca
}

type nopLogger struct{}

func (nopLogger) Printf(string, ...any) {}
func (nopLogger) Println(...any)        {}

func TestMail(t *testing.T) {
	server, address, ca := startMailServer(t)
	o := MailOptions{Address: address, TLS: "starttls", CAFile: ca, From: "evidenced@platform.example", To: []string{"officer@platform.example", "oncall@platform.example"},
		User: "evidenced", Password: func() (evidence.Secret, error) { return secret, nil }}
	m, err := NewMail(o)
	if err != nil {
		t.Fatal(err)
	}
	x := newBench(t)
	// A name from outside that would be a header, a line of its own, or turn the text around.
	x.give("tenant-7", finding(evidence.NotSatisfied, func(f *evidence.FindingFacts) {
		f.Summary = "1 change\r\nBcc: everybody@platform.example\r\n\r\nby \u202eevil"
	}))
	if _, err := x.b.Step(t0); err != nil {
		t.Fatal(err)
	}
	s := x.sender(m)
	if o, err := s.Step(t.Context(), t0); o != Taken || err != nil {
		t.Fatalf("got %q, %v; want it taken", o, err)
	}
	if len(server.mails) != 1 || len(server.to[0]) != 2 {
		t.Fatalf("%d mails arrived, to %v", len(server.mails), server.to)
	}
	got, err := mail.ReadMessage(strings.NewReader(server.mails[0]))
	if err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("Bcc") != "" || strings.Contains(server.mails[0], "\nBcc:") {
		t.Errorf("a name made a header:\n%s", server.mails[0])
	}
	if got.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Error("the mail does not say that a program made it")
	}
	if want := "[critical] tenant-7: 1 change"; !strings.HasPrefix(got.Header.Get("Subject"), want) {
		t.Errorf("subject %q, want it to begin with %q", got.Header.Get("Subject"), want)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(quotedprintable.NewReader(got.Body)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CRITICAL", "since     2026-11-14T12:00:00Z", "tenants   tenant-7", "controls  dora-art-9-4-e", "evidenced gaps --tenant tenant-7", "1 alert firing now"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the mail does not say %q:\n%s", want, text.String())
		}
	}
	x.give("tenant-7", finding(evidence.Satisfied))
	for _, d := range []time.Duration{time.Minute, time.Hour} {
		if _, err := x.b.Step(at(d)); err != nil {
			t.Fatal(err)
		}
	}
	if o, err := s.Step(t.Context(), at(time.Hour)); o != Taken || err != nil || len(server.mails) != 2 || !strings.Contains(server.mails[1], "Subject: [resolved] 1 alert over") {
		t.Errorf("got %q, %v and %d mails; want a second that says it is over", o, err, len(server.mails))
	}
}

// What goes wrong names the server and what to do, and neither the password
// nor an address of a person.
func TestMailThatFails(t *testing.T) {
	_, address, ca := startMailServer(t)
	good := MailOptions{Address: address, TLS: "starttls", CAFile: ca, From: "evidenced@platform.example", To: []string{"officer@platform.example"},
		User: "evidenced", Password: func() (evidence.Secret, error) { return secret, nil }}
	for name, change := range map[string]func(*MailOptions){
		"wrong password": func(o *MailOptions) {
			o.Password = func() (evidence.Secret, error) { return evidence.NewSecret("other"), nil }
		},
		"no login":          func(o *MailOptions) { o.Password = nil },
		"untrusted":         func(o *MailOptions) { o.CAFile = "" },
		"nobody there":      func(o *MailOptions) { o.Address = "127.0.0.1:1" },
		"tls at first byte": func(o *MailOptions) { o.TLS = "tls" },
	} {
		o := good
		change(&o)
		m, err := NewMail(o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		err = m.Send(t.Context(), Message{At: t0, Changed: []Alert{{State: Firing, Severity: Warning}}})
		if err == nil || !strings.Contains(err.Error(), o.Address) {
			t.Errorf("%s: got error %v, want one that names the server", name, err)
			continue
		}
		for _, never := range []string{secret.Reveal(), "officer@", "other"} {
			if strings.Contains(err.Error(), never) {
				t.Errorf("%s: the error holds %q: %v", name, never, err)
			}
		}
	}
	for name, change := range map[string]func(*MailOptions){
		"no port":  func(o *MailOptions) { o.Address = "mail" },
		"bad from": func(o *MailOptions) { o.From = "nobody" },
		"bad to":   func(o *MailOptions) { o.To = []string{"x y"} },
		"nobody":   func(o *MailOptions) { o.To = nil },
		"no ca":    func(o *MailOptions) { o.CAFile = filepath.Join(t.TempDir(), "none") },
		"no password": func(o *MailOptions) {
			o.Password = func() (evidence.Secret, error) { return evidence.Secret{}, errors.New("no file") }
		},
	} {
		o := good
		change(&o)
		if _, err := NewMail(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
