package vault

import (
	"bytes"
	"errors"

	"evidenced/collectors/tail"
)

// A device that writes to standard output has its lines wrapped by the
// container runtime, or by the shipper that reads them: one log line each of
// the form "time stream tag text" (CRI), or a JSON object whose member log or
// message is the text (Docker, Fluent Bit, Filebeat). Whole lines are taken out
// of that; the tail puts together what a runtime split. Pieces that a shipper
// wrapped anew are told as such.

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
		var w tail.Wrapped
		if w, wrapped = tail.Unwrap(line); w.Part {
			err = errPiece
		}
		text = w.Text
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
