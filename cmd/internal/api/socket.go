package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"evidenced/evidence/problem"
)

// SocketName is the name of the socket in the data directory.
const SocketName = "evidenced.sock"

// maxSocketPath is the longest path a unix socket can have on Linux: 108 bytes
// with the terminating zero (unix(7)).
const maxSocketPath = 107

// Listen opens the socket of a data directory, mode 0600. A path that is too
// long for a socket moves to a directory of its own, mode 0700, below
// runtimeDir ("" means $XDG_RUNTIME_DIR, else the temporary directory). The
// caller holds the directory's lock, names the returned path in the lock file,
// and calls done after the listener is closed. A socket left behind by a
// process that was killed is replaced.
func Listen(dir, runtimeDir string) (l net.Listener, path string, done func(), err error) {
	done = func() {}
	path = filepath.Join(dir, SocketName)
	if len(path) > maxSocketPath {
		if path, done, err = shortPath(runtimeDir); err != nil {
			return nil, "", nil, err
		}
	}
	if err := removeSocket(path); err != nil {
		done()
		return nil, "", nil, err
	}
	l, err = net.Listen("unix", path)
	if err != nil {
		done()
		return nil, "", nil, problem.Wrap(problem.Storage, err, "open the socket")
	}
	// Both directories are closed to others, so nobody came in between.
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		done()
		return nil, "", nil, problem.Wrap(problem.Storage, err, "close the socket to others")
	}
	return l, path, done, nil
}

func shortPath(base string) (path string, done func(), err error) {
	if base == "" {
		base = os.Getenv("XDG_RUNTIME_DIR")
	}
	if base == "" {
		base = os.TempDir()
	}
	dir, err := os.MkdirTemp(base, "evidenced-") // mode 0700
	if err != nil {
		return "", nil, problem.Wrap(problem.Storage, err, "make a directory for the socket")
	}
	done = func() { os.RemoveAll(dir) }
	path = filepath.Join(dir, SocketName)
	if len(path) > maxSocketPath {
		done()
		return "", nil, problem.New(problem.Config, "no directory for the socket: %s is too long a path", path).
			WithHint("set XDG_RUNTIME_DIR to a directory with a short path")
	}
	return path, done, nil
}

// removeSocket removes a socket nobody listens on; anything else in its place
// is left alone and is an error.
func removeSocket(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return problem.Wrap(problem.Storage, err, "look at the socket")
	case st.Mode().Type() != os.ModeSocket:
		return problem.New(problem.Refused, "%s is there and is no socket", path).WithHint("move it out of the data directory")
	}
	if err := os.Remove(path); err != nil {
		return problem.Wrap(problem.Storage, err, "remove the old socket")
	}
	return nil
}

type peerKey struct{}

// peerOf returns the user id of the process at the other end of a unix
// socket, as the kernel knows it.
func peerOf(conn net.Conn) (uid int, err error) {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, fmt.Errorf("connection of type %T", conn)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var cerr error
	if err := raw.Control(func(fd uintptr) {
		cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if cerr != nil {
		return 0, cerr
	}
	return int(cred.Uid), nil
}

// withPeer keeps the peer's user id beside the connection; -1 when the kernel
// would not say.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	uid, err := peerOf(conn)
	if err != nil {
		uid = -1
	}
	return context.WithValue(ctx, peerKey{}, uid)
}

// peer returns what withPeer kept.
func peer(ctx context.Context) int {
	if uid, ok := ctx.Value(peerKey{}).(int); ok {
		return uid
	}
	return -1
}
