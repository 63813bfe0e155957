package alert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/wneessen/go-mail"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// MailOptions set up a Mail.
type MailOptions struct {
	Address  string // host:port
	TLS      string // starttls (required, not tried), tls from the first byte, or none: for a relay on this machine
	CAFile   string // PEM; when set these alone are trusted
	From     string
	To       []string
	User     string
	Password func() (evidence.Secret, error) // nil: no login
}

// Mail sends one mail for all that is new, through a mail server.
type Mail struct{ o MailOptions }

// NewMail makes the destination and checks what can be checked without the
// server.
func NewMail(o MailOptions) (*Mail, error) {
	m := &Mail{o}
	if _, err := m.message(Message{}); err != nil {
		return nil, err
	}
	if _, err := m.client(); err != nil {
		return nil, err
	}
	return m, nil
}

// Send implements Destination. A mail without news is not sent.
func (m *Mail) Send(ctx context.Context, news Message) error {
	if len(news.Changed) == 0 {
		return nil
	}
	msg, err := m.message(news)
	if err != nil {
		return err
	}
	client, err := m.client()
	if err != nil {
		return err
	}
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		// What a server answers may repeat addresses of people.
		return problem.New(problem.Source, "the mail server %s did not take the mail", m.o.Address).
			WithHint("%s", mailHint(err))
	}
	return nil
}

func mailHint(err error) string {
	text := strings.ToLower(err.Error())
	switch {
	case strings.Contains(text, "auth"):
		return "it refused the login: look at user and password_file"
	case strings.Contains(text, "certificate"), strings.Contains(text, "x509"):
		return "its certificate is not trusted: name the authority in ca_file"
	case strings.Contains(text, "starttls"):
		return "it offers no STARTTLS: use tls: tls, or tls: none for a relay on this machine"
	}
	return "see whether it can be reached from here and accepts these addresses"
}

func (m *Mail) client() (*mail.Client, error) {
	host, portText, err := net.SplitHostPort(m.o.Address)
	port, perr := strconv.Atoi(portText)
	if err != nil || perr != nil {
		return nil, problem.New(problem.Config, "address %q is not HOST:PORT", m.o.Address)
	}
	tc := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if m.o.CAFile != "" {
		pem, err := os.ReadFile(m.o.CAFile)
		if err != nil {
			return nil, problem.Wrap(problem.Config, err, "ca_file")
		}
		tc.RootCAs = x509.NewCertPool()
		if !tc.RootCAs.AppendCertsFromPEM(pem) {
			return nil, problem.New(problem.Config, "ca_file %s holds no certificate", m.o.CAFile)
		}
	}
	opts := []mail.Option{mail.WithPort(port), mail.WithTimeout(20 * time.Second), mail.WithTLSConfig(tc), mail.WithHELO("localhost")}
	switch m.o.TLS {
	case "tls":
		opts = append(opts, mail.WithSSL())
	case "none":
		opts = append(opts, mail.WithTLSPolicy(mail.NoTLS))
	default:
		opts = append(opts, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if m.o.Password != nil {
		secret, err := m.o.Password()
		if err != nil {
			return nil, err
		}
		opts = append(opts, mail.WithSMTPAuth(mail.SMTPAuthPlain), mail.WithUsername(m.o.User), mail.WithPassword(secret.Reveal()))
	}
	client, err := mail.NewClient(host, opts...)
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "mail server %s", m.o.Address)
	}
	return client, nil
}

// message writes the mail. Its id follows from the news, so that a mail that
// was sent twice, because an answer was lost, can be known for one.
func (m *Mail) message(news Message) (*mail.Msg, error) {
	msg := mail.NewMsg()
	if err := msg.From(m.o.From); err != nil {
		return nil, problem.New(problem.Config, "from is no mail address")
	}
	if err := msg.To(m.o.To...); err != nil || len(m.o.To) == 0 {
		return nil, problem.New(problem.Config, "to holds no mail address, or one that is none")
	}
	msg.Subject(subject(news))
	msg.SetDateWithValue(news.At)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	msg.SetBodyString(mail.TypeTextPlain, body(news))
	return msg, nil
}

func subject(m Message) string {
	fired, ended := 0, 0
	var worst *Alert
	for i := range m.Changed {
		if a := &m.Changed[i]; a.State == Resolved {
			ended++
		} else {
			fired++
			if worst == nil {
				worst = a // the list begins with the worst
			}
		}
	}
	switch {
	case fired == 1 && ended == 0:
		return plain(fmt.Sprintf("[%s] %s", worst.Severity, worst.Says), 120)
	case fired == 0:
		return fmt.Sprintf("[resolved] %s over", count(ended, "alert"))
	}
	return plain(fmt.Sprintf("[%s] %s, %d over: %s", worst.Severity, count(fired, "alert"), ended, worst.Says), 120)
}

func body(m Message) string {
	var b strings.Builder
	for i := range m.Changed {
		a := &m.Changed[i]
		if a.State == Resolved {
			fmt.Fprintf(&b, "OVER      %s\n", plain(a.Says, 400))
			fmt.Fprintf(&b, "          from %s to %s\n\n", evidence.FormatTime(a.Fired), evidence.FormatTime(a.Ended))
			continue
		}
		fmt.Fprintf(&b, "%-9s %s\n", strings.ToUpper(string(a.Severity)), plain(a.Says, 400))
		fmt.Fprintf(&b, "          since     %s\n", evidence.FormatTime(a.Since))
		fmt.Fprintf(&b, "          tenants   %s\n", tenantList(a.Tenants))
		if len(a.Controls) > 0 {
			fmt.Fprintf(&b, "          controls  %s\n", controlList(a.Controls))
		}
		fmt.Fprintf(&b, "          look at   %s\n\n", next(a))
	}
	fmt.Fprintf(&b, "%s firing now. Sent by evidenced at %s.\n", count(m.Firings, "alert"), evidence.FormatTime(m.At))
	return b.String()
}

// plain keeps one line of at most n runes: no control or bidirectional
// character of a name reaches a header or a mail reader.
func plain(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)
	if rs := []rune(s); len(rs) > n {
		s = string(rs[:n-1]) + "…"
	}
	return s
}
