package anchor

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"evidenced/evidence"
)

// SyslogOptions configure a [Syslog].
type SyslogOptions struct {
	Name string
	// Address is a path of a socket such as /dev/log, udp://HOST:PORT or
	// tcp://HOST:PORT.
	Address string
	// Forwarded is the operator's word that what arrives there is kept on
	// another host; the program cannot see it.
	Forwarded bool
	Now       func() time.Time
}

// Syslog sends each checkpoint as a syslog message (RFC 5424), facility 13 (log
// audit), severity notice, APP-NAME evidenced, MSGID CHECKPOINT, the text
//
//	origin=ORIGIN size=SIZE root=ROOT note=BASE64
//
// over a local socket, UDP (RFC 5426) or TCP with octet counting (RFC 6587). A
// receiver answers nothing, so that the message arrived is not known, and it
// can never be asked: what it shows is for the one who keeps those logs.
type Syslog struct{ o SyslogOptions }

// NewSyslog makes the anchor. It sends nothing yet.
func NewSyslog(o SyslogOptions) (*Syslog, error) {
	if _, _, err := ParseSyslogAddress(o.Address); err != nil {
		return nil, err
	}
	return &Syslog{o}, nil
}

// ParseSyslogAddress splits an address into a network of package net ("unix"
// for a local socket) and what to dial there.
func ParseSyslogAddress(s string) (network, address string, err error) {
	if filepath.IsAbs(s) {
		return "unix", s, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "udp" && u.Scheme != "tcp" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", "", fmt.Errorf("%q is neither a path nor udp://HOST:PORT nor tcp://HOST:PORT", s)
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || port == 0 || u.Hostname() == "" {
		return "", "", fmt.Errorf("%q names no host and port", s)
	}
	return u.Scheme, u.Host, nil
}

// Name implements Anchor.
func (s *Syslog) Name() string { return s.o.Name }

// Rung implements Anchor: 2 when the address is another host's, or the
// operator says that messages are forwarded to one; else 0.
func (s *Syslog) Rung() int {
	network, address, err := ParseSyslogAddress(s.o.Address)
	if err != nil {
		return 0
	}
	host, _, err := net.SplitHostPort(address)
	if s.o.Forwarded || network != "unix" && err == nil && onOtherHost(host) {
		return 2
	}
	return 0
}

// syslogTimeout bounds connecting and sending.
const syslogTimeout = 10 * time.Second

// Put implements Anchor. It returns when the message was handed to the system.
func (s *Syslog) Put(ctx context.Context, c Checkpoint, _ func(uint64) ([]evidence.Hash, error)) (Receipt, error) {
	r := c.receipt(s, "syslog", s.o.Address, s.o.Now())
	ctx, cancel := context.WithTimeout(ctx, syslogTimeout)
	defer cancel()
	conn, framed, err := s.dial(ctx)
	if err != nil {
		return r, fmt.Errorf("anchor %s: %w", s.o.Name, err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return r, fmt.Errorf("anchor %s: %w", s.o.Name, err)
	}
	msg := s.message(c)
	if framed {
		msg = fmt.Sprintf("%d %s", len(msg), msg)
	}
	if _, err := conn.Write([]byte(msg)); err != nil {
		return r, fmt.Errorf("anchor %s: %w", s.o.Name, err)
	}
	r.Done = s.o.Now().UTC()
	return r, nil
}

// dial connects; framed means that the connection is a stream, on which each
// message says its length. A local socket may be of either kind.
func (s *Syslog) dial(ctx context.Context) (conn net.Conn, framed bool, err error) {
	network, address, err := ParseSyslogAddress(s.o.Address)
	if err != nil {
		return nil, false, err
	}
	var d net.Dialer
	if network != "unix" {
		conn, err = d.DialContext(ctx, network, address)
		return conn, network == "tcp", err
	}
	if conn, err = d.DialContext(ctx, "unixgram", address); err == nil {
		return conn, false, nil
	}
	conn, err2 := d.DialContext(ctx, "unix", address)
	if err2 != nil {
		return nil, false, err
	}
	return conn, true, nil
}

// message renders the checkpoint: HEADER, no structured data, text.
func (s *Syslog) message(c Checkpoint) string {
	const priority = 13*8 + 5
	return fmt.Sprintf("<%d>1 %s %s evidenced %d CHECKPOINT - origin=%s size=%d root=%s note=%s", priority,
		s.o.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), hostname(), os.Getpid(),
		c.Origin, c.Size, c.Root, base64.StdEncoding.EncodeToString(c.Signed))
}

// hostname is the HOSTNAME field: printable ASCII, at most 255, else "-".
func hostname() string {
	name, err := os.Hostname()
	if err != nil || name == "" || len(name) > 255 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "-"
	}
	return name
}

// Newest implements Anchor: a syslog receiver cannot be asked.
func (s *Syslog) Newest(context.Context, string) (uint64, evidence.Hash, bool, error) {
	return 0, evidence.Hash{}, false, nil
}
