package api

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"evidenced/evidence/problem"
)

// Frame types.
const (
	frameHeader   = 'h'
	frameBody     = 'b'
	frameProgress = 'p'
	frameResult   = 'r'
	frameEnd      = 'e'
)

// maxFrame bounds a frame, in bytes. Writers keep far below it.
const maxFrame = 1 << 20

func writeFrame(w io.Writer, kind byte, payload []byte) error {
	var head [5]byte
	head[0] = kind
	binary.BigEndian.PutUint32(head[1:], uint32(len(payload)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(payload)
	return err
}

// readFrame reads the next frame. The payload is valid until the next call
// with the same buffer.
func readFrame(r io.Reader, buf []byte) (kind byte, payload, next []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, buf, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, buf, fmt.Errorf("frame of %d bytes", n)
	}
	if int(n) > cap(buf) {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		return 0, nil, buf, io.ErrUnexpectedEOF
	}
	return head[0], buf, buf, nil
}

type headerFrame struct {
	Media string `json:"media"`
}

type progressFrame struct {
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"`
}

// endFrame ends a reply; without a code all went well.
type endFrame struct {
	Code  problem.Code `json:"code,omitempty"`
	Text  string       `json:"text,omitempty"`
	Hints []string     `json:"hints,omitempty"`
}

// endOf packs an error for the way to the client.
func endOf(err error) endFrame {
	if err == nil {
		return endFrame{}
	}
	e := endFrame{Code: problem.Internal, Text: err.Error()}
	for i, p := 0, problem.Of(err); p != nil; i, p = i+1, problem.Of(p.Cause) {
		if i == 0 {
			e.Code = p.Code
		}
		if p.Hint != "" {
			e.Hints = append(e.Hints, p.Hint)
		}
	}
	return e
}

// err makes the problem of an end frame again; it prints as the original did.
func (e endFrame) err() error {
	if e.Code == "" {
		return nil
	}
	p := problem.New(e.Code, "%s", e.Text)
	for i, h := range e.Hints {
		if i == 0 {
			p.Hint = h
			continue
		}
		p.Hint += "\n  hint: " + h
	}
	return p
}

// errCut is a reply without its end: the daemon died or was stopped.
var errCut = errors.New("the answer was cut off: the daemon stopped in the middle of it")

// readReply hands a reply to out and returns the operation's error.
func readReply(r io.Reader, out *Out) error {
	var buf []byte
	for {
		kind, payload, next, err := readFrame(r, buf)
		buf = next
		if err != nil {
			return problem.Wrap(problem.Incomplete, errCut, "no whole answer").WithHint("ask again")
		}
		switch kind {
		case frameHeader:
			var h headerFrame
			if err := json.Unmarshal(payload, &h); err != nil {
				return fmt.Errorf("reply header: %w", err)
			}
			out.begin(h.Media)
		case frameBody:
			if _, err := out.Write(payload); err != nil {
				return err
			}
		case frameProgress:
			var p progressFrame
			if err := json.Unmarshal(payload, &p); err != nil {
				return fmt.Errorf("reply progress: %w", err)
			}
			out.progress(p.Done, p.Total)
		case frameResult:
			if err := out.finish(json.RawMessage(payload)); err != nil {
				return err
			}
		case frameEnd:
			var e endFrame
			if err := json.Unmarshal(payload, &e); err != nil {
				return fmt.Errorf("reply end: %w", err)
			}
			if err := e.err(); err != nil {
				return err
			}
			return out.err
		default:
			return fmt.Errorf("reply: unknown frame %q", kind)
		}
	}
}
