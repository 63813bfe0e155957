package vault

import (
	"bytes"
	"errors"
	"time"
)

// A device that writes to standard output has its lines wrapped by the
// container runtime, or by the shipper that reads them: one log line each of
// the form "time stream tag text" (CRI), or a JSON object whose member log or
// message is the text (Docker, Fluent Bit, Filebeat). Whole lines are taken out
// of that; a runtime splits what is longer than 16 KiB, and the pieces are not
// put together.

var (
	errPiece = errors.New("a piece of a line that the container runtime split; let the device write to a file")
	errOther = errors.New("a line of the server's own log")
)

// unwrap returns the text inside a wrapped line, without the device's prefix;
// false when the line is not wrapped. An audit line with a prefix that is not
// configured does not pass for a line of the server's own log.
func unwrap(line, prefix []byte) (text []byte, wrapped bool, err error) {
	if len(line) > 0 && line[0] == '{' {
		text, wrapped = unwrapObject(line)
	} else {
		text, wrapped, err = unwrapCRI(line)
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, prefix))
	if wrapped && err == nil && ownLog(text) {
		err = errOther
	}
	return text, wrapped, err
}

// ownLog tells a line of the server's own log, plain or JSON, from an audit line
// and from the beginning of one.
func ownLog(text []byte) bool {
	if len(text) > 0 && text[0] == '{' {
		return bytes.HasPrefix(text, []byte(`{"@`))
	}
	return !bytes.Contains(text, []byte(`"request":{`))
}

// unwrapCRI reads "2026-03-02T14:00:00.5Z stdout F text"; the tag P marks a
// piece.
func unwrapCRI(line []byte) (text []byte, wrapped bool, err error) {
	at, rest, _ := bytes.Cut(line, []byte(" "))
	stream, rest, _ := bytes.Cut(rest, []byte(" "))
	tag, text, ok := bytes.Cut(rest, []byte(" "))
	if _, bad := time.Parse(time.RFC3339Nano, string(at)); bad != nil || !ok || string(stream) != "stdout" && string(stream) != "stderr" {
		return nil, false, nil
	}
	if tag, _, _ = bytes.Cut(tag, []byte(":")); string(tag) != "F" {
		return nil, true, errPiece
	}
	return text, true, nil
}

// unwrapObject looks for the text among the members of a JSON object that is no
// audit line.
func unwrapObject(line []byte) (text []byte, wrapped bool) {
	s := scan{b: line}
	s.enter('{')
	for k, ok := s.key(); ok; k, ok = s.key() {
		switch string(k) {
		case "request", "type":
			return nil, false
		case "log", "message":
			if wrapped = s.peek() == '"'; wrapped {
				text = s.text()
				continue
			}
		}
		s.skip()
	}
	return text, wrapped && s.end() == nil
}

// read decodes a line, wrapped or not, and returns the audit line itself.
func (e *entry) read(line, prefix []byte) ([]byte, error) {
	bare := bytes.TrimPrefix(line, prefix)
	err := e.decode(bare)
	if err == nil {
		return bare, nil
	}
	text, wrapped, inside := unwrap(line, prefix)
	switch {
	case !wrapped:
		return line, err
	case inside != nil:
		return line, inside
	}
	if err = e.decode(text); errors.Is(err, errCut) {
		err = errPiece
	}
	return text, err
}
