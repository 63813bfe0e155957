package vault

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"evidenced/evidence/problem"
)

// receiver takes what a socket device writes and puts it into the spool. A
// server waits for its audit devices, so a receiver always drains: whoever
// reads a connection never waits for a disk or for the rest of the daemon, and
// what cannot be kept is dropped, counted and told.
//
// Nothing on the socket proves who is writing.
type receiver struct {
	spool *spool
	ln    net.Listener
	peers []netip.Prefix // who may connect over TCP; none: this host only
	max   int            // longest line
	clock func() time.Time

	queue   chan item
	held    atomic.Int64 // bytes in the queue
	refused atomic.Int64 // connections that were not allowed
	readers sync.WaitGroup
	writer  sync.WaitGroup
	mu      sync.Mutex
	conns   map[net.Conn]bool
	away    time.Time // since when nobody is connected; zero at first
	had     bool      // somebody was
	closed  bool
}

// item is a line for the spool, or a mark.
type item struct {
	line []byte
	mark mark
}

const (
	maxConns   = 8
	queueLines = 16384
	queueBytes = 64 << 20
	firstLine  = time.Minute // within which a new connection must write one
)

// address is where to listen.
type address struct {
	network string // unix or tcp
	at      string
	peers   []netip.Prefix
}

// parseListen reads "unix:///run/evidenced/vault.sock" or
// "tcp://127.0.0.1:9200", and who may connect.
func parseListen(text string, peers []string) (address, error) {
	var a address
	bad := func(format string, args ...any) (address, error) {
		return address{}, problem.New(problem.Config, "listen: "+format, args...).WithHint("set it to unix:///run/evidenced/vault.sock or tcp://127.0.0.1:9200")
	}
	u, err := url.Parse(text)
	if err != nil || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return bad("%q is not an address", text)
	}
	for _, p := range peers {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			ip, err := netip.ParseAddr(p)
			if err != nil {
				return bad("peers: %q is neither an address nor a network", p)
			}
			prefix = netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen())
		}
		a.peers = append(a.peers, prefix.Masked())
	}
	switch u.Scheme {
	case "unix":
		switch {
		case u.Host != "" || !filepath.IsAbs(u.Path):
			return bad("%q is not an absolute path", text)
		case len(u.Path) > 107:
			return bad("the path has %d bytes, at most 107 can be used", len(u.Path))
		case len(peers) > 0:
			return bad("peers are for tcp; a unix socket is guarded by its group")
		}
		a.network, a.at = "unix", u.Path
	case "tcp":
		ap, err := netip.ParseAddrPort(u.Host)
		if err != nil || u.Path != "" {
			return bad("%q is not an IP address and a port", text)
		}
		if !ap.Addr().IsLoopback() && len(peers) == 0 {
			return bad("%s can be reached from other hosts and no peers are listed", ap.Addr())
		}
		a.network, a.at = "tcp", ap.String()
	default:
		return bad("%q is neither unix:// nor tcp://", text)
	}
	return a, nil
}

// listen opens the socket. A unix socket that nobody listens on is a rest of an
// earlier process and is replaced.
func (a address) listen(ctx context.Context) (net.Listener, error) {
	if a.network == "unix" {
		fi, err := os.Lstat(a.at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, problem.Wrap(problem.Config, err, "look at the socket")
		case fi.Mode()&fs.ModeSocket == 0:
			return nil, problem.New(problem.Config, "listen: %s is there and is no socket", a.at)
		default:
			if c, err := net.Dial("unix", a.at); err == nil {
				c.Close()
				return nil, problem.New(problem.Config, "listen: somebody else listens on %s", a.at)
			}
			if err := os.Remove(a.at); err != nil {
				return nil, problem.Wrap(problem.Config, err, "replace the socket")
			}
		}
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, a.network, a.at)
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "listen on %s", a.at)
	}
	if a.network == "unix" {
		if err := os.Chmod(a.at, 0o660); err != nil {
			ln.Close()
			return nil, problem.Wrap(problem.Config, err, "guard the socket")
		}
	}
	return ln, nil
}

// receive opens the socket and begins to drain it. It ends with stop.
func (c *Collector) receive(ctx context.Context) (*receiver, error) {
	a, err := parseListen(c.cfg.Listen, c.cfg.Peers)
	if err != nil {
		return nil, err
	}
	old, err := c.spool.open()
	if err != nil {
		return nil, err
	}
	ln, err := a.listen(ctx)
	if err != nil {
		return nil, err
	}
	r := &receiver{spool: c.spool, ln: ln, peers: a.peers, max: c.cfg.MaxLine, clock: c.env.Clock,
		queue: make(chan item, queueLines), conns: map[net.Conn]bool{}}
	if old {
		r.spool.mark(mark{Lost: "the listener was not running: what was written meanwhile is not here"})
	}
	r.writer.Add(1)
	go r.write()
	r.readers.Add(1)
	go r.accept()
	return r, nil
}

// stop ends the listener and every connection, and returns when what was read
// stands in the spool.
func (r *receiver) stop() {
	r.mu.Lock()
	r.closed = true
	r.ln.Close()
	for c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.readers.Wait()
	close(r.queue)
	r.writer.Wait()
	r.spool.flush()
	r.spool.stop()
}

func (r *receiver) accept() {
	defer r.readers.Done()
	for {
		conn, err := r.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors, or the peer has gone again: the listener stays.
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if !r.begin(conn) {
			r.refused.Add(1)
			conn.Close()
			continue
		}
		go r.drain(conn)
	}
}

// begin takes a connection, unless its peer may not connect or there are too
// many.
func (r *receiver) begin(conn net.Conn) bool {
	if !r.allowed(conn.RemoteAddr()) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || len(r.conns) >= maxConns {
		return false
	}
	if len(r.conns) == 0 && r.had {
		r.put(item{mark: mark{Lost: fmt.Sprintf("nobody was connected for %s: what the server could not deliver meanwhile is not here",
			r.clock().Sub(r.away).Round(time.Millisecond))}})
	}
	r.conns[conn] = true
	r.readers.Add(1)
	return true
}

func (r *receiver) allowed(peer net.Addr) bool {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return true // a unix socket: its mode decides
	}
	ip := tcp.AddrPort().Addr().Unmap()
	if len(r.peers) == 0 {
		return ip.IsLoopback()
	}
	for _, p := range r.peers {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// drain reads one connection to its end.
func (r *receiver) drain(conn net.Conn) {
	defer r.readers.Done()
	wrote := false
	defer func() {
		conn.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		if delete(r.conns, conn); len(r.conns) == 0 && (wrote || r.had) {
			r.away, r.had = r.clock(), true
		}
	}()
	_ = conn.SetReadDeadline(time.Now().Add(firstLine))
	lines := bufio.NewReaderSize(conn, 64<<10)
	for {
		l, err := readLine(lines, r.max)
		if err != nil {
			r.ended(err, l.size, wrote)
			return
		}
		switch {
		case l.sum != "":
			r.put(item{mark: mark{Long: fmt.Sprintf("a line of %d bytes is longer than max_line and was not kept (SHA-256 %s)", l.size, l.sum)}})
		case len(l.text) == 0:
		case l.text[0] == markBegin[0]:
			r.spool.drop(len(l.text), "a line began like one of our own marks")
		default:
			r.put(item{line: l.text})
		}
		if !wrote {
			wrote = true
			_ = conn.SetReadDeadline(time.Time{})
		}
	}
}

// received is one line as it came, without its newline; of one that is too long
// only size and hash.
type received struct {
	text []byte
	size int64
	sum  string // SHA-256, lower-case hex
}

// readLine reads the next line. At an error it tells the size of the half line
// before it. It never holds more than max bytes and a buffer.
func readLine(src *bufio.Reader, max int) (received, error) {
	var l received
	var h hash.Hash
	for {
		part, err := src.ReadSlice('\n')
		end := err == nil
		if end {
			part = part[:len(part)-1]
		}
		l.size += int64(len(part))
		switch {
		case h != nil:
			h.Write(part)
		case len(l.text)+len(part) > max:
			h = sha256.New()
			h.Write(l.text)
			h.Write(part)
			l.text = nil
		default:
			l.text = append(l.text, part...)
		}
		switch {
		case end && h != nil:
			l.sum = hex.EncodeToString(h.Sum(nil))
			return l, nil
		case end:
			return l, nil
		case err != bufio.ErrBufferFull:
			return l, err
		}
	}
}

// ended tells how a connection ended when that lost something.
func (r *receiver) ended(err error, half int64, wrote bool) {
	switch {
	case half > 0:
		r.put(item{mark: mark{Lost: fmt.Sprintf("a connection ended in a half line of %d bytes", half)}})
	case wrote && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed):
		r.put(item{mark: mark{Lost: "a connection broke"}})
	}
}

// put queues without waiting.
func (r *receiver) put(it item) {
	n := int64(len(it.line))
	if r.held.Add(n) > queueBytes {
		r.held.Add(-n)
		r.spool.drop(int(n), "lines came faster than the disk takes them")
		return
	}
	select {
	case r.queue <- it:
	default:
		r.held.Add(-n)
		r.spool.drop(int(n), "lines came faster than the disk takes them")
	}
}

func (r *receiver) write() {
	defer r.writer.Done()
	for it := range r.queue {
		if it.line == nil {
			r.spool.mark(it.mark)
			continue
		}
		r.spool.write(it.line)
		r.held.Add(-int64(len(it.line)))
	}
}
