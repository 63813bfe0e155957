package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"evidenced/evidence/problem"
)

// Client asks for answers about one data directory.
type Client struct {
	// Socket returns the path of the socket named in the directory's lock
	// file; "" when none is named.
	Socket func() string
	// Open takes the lock and opens the directory in this process. A directory
	// that is held is a problem of code locked.
	Open func(ctx context.Context) (World, func() error, error)
	// Patience is how long a directory may stay locked by a process that does
	// not answer: a daemon that starts, or another command at work. Zero means
	// three seconds.
	Patience time.Duration
}

// retryEvery is how often a locked directory is tried again.
const retryEvery = 50 * time.Millisecond

// Call runs the operation: through the daemon's socket when one answers there,
// else in this process under the lock. Only a connection that cannot be made
// leads to the other way; once asked, a daemon's answer is the answer.
func (c *Client) Call(ctx context.Context, op string, params any, out *Out) error {
	if err := whole(params); err != nil {
		return err
	}
	body, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("parameters of %s: %w", op, err)
	}
	patience := c.Patience
	if patience == 0 {
		patience = 3 * time.Second
	}
	for until := time.Now().Add(patience); ; {
		conn, err := dial(ctx, c.Socket())
		if err != nil {
			return err
		}
		if conn != nil {
			return callOver(ctx, conn, op, body, out)
		}
		w, done, err := c.Open(ctx)
		if err == nil {
			return direct(ctx, w, done, op, body, out)
		}
		if !problem.Is(err, problem.Locked) || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryEvery):
		}
	}
}

func direct(ctx context.Context, w World, done func() error, op string, body []byte, out *Out) (err error) {
	defer func() {
		if cerr := done(); err == nil && cerr != nil {
			err = fmt.Errorf("close the data directory: %w", cerr)
		}
	}()
	return Run(ctx, w, Caller{UID: os.Getuid(), Via: "direct"}, op, body, out)
}

// dial connects to the socket; nil when nobody listens there.
func dial(ctx context.Context, path string) (net.Conn, error) {
	if path == "" {
		return nil, nil
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		return nil, nil
	case errors.Is(err, os.ErrPermission):
		return nil, problem.Wrap(problem.Refused, err, "the daemon's socket is closed to this user").
			WithHint("ask as the user that runs evidenced")
	}
	return nil, problem.Wrap(problem.Storage, err, "connect to the daemon")
}

func callOver(ctx context.Context, conn net.Conn, op string, body []byte, out *Out) error {
	used := false
	tr := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if used {
				return nil, errCut // never ask twice: a pack would be issued twice
			}
			used = true
			return conn, nil
		},
		DisableCompression: true,
		DisableKeepAlives:  true,
	}
	defer conn.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://evidenced/v1/"+op, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("call %s: %w", op, err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return problem.Wrap(problem.Incomplete, err, "no answer from the daemon").WithHint("ask again")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 512)) // only for the message
		return problem.New(problem.Refused, "the daemon answers %s: %s", resp.Status, bytes.TrimSpace(text)).
			WithHint("ask as the user that runs evidenced; compare evidenced version")
	}
	err = readReply(resp.Body, out)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
