package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"evidenced/evidence/problem"
)

// listHead is what a page of a list says of the list.
type listHead struct {
	ResourceVersion    string `json:"resourceVersion"`
	Continue           string `json:"continue"`
	RemainingItemCount *int64 `json:"remainingItemCount"`
}

// budget is a reader that gives at most a number of bytes between two calls of
// refill, so that one object cannot fill the memory.
type budget struct {
	r    io.Reader
	max  int
	left int
}

var errObjectSize = errors.New("an object is larger than max_object_bytes")

// readAhead is what the decoder may take beyond the object it reads.
const readAhead = 64 << 10

func newBudget(r io.Reader, max int) *budget { return &budget{r: r, max: max, left: max + readAhead} }

func (b *budget) refill() { b.left = b.max + readAhead }

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errObjectSize
	}
	n, err := b.r.Read(p[:min(len(p), b.left, readAhead)])
	b.left -= n
	return n, err
}

// decodeList reads one page of a list as it arrives and hands over the bytes
// of each item, which the callee may keep. Nothing counts as a list but a
// whole object with items and the resource version of the list. Errors of each
// are returned as they are; others are problem.Source and hold no content.
func decodeList(r io.Reader, max int, each func(raw []byte) error) (listHead, error) {
	b := newBudget(r, max)
	d := &listDecoder{dec: json.NewDecoder(b), budget: b, each: each}
	if err := d.read(); err != nil {
		var own *calleeError
		if errors.As(err, &own) {
			return d.head, own.err
		}
		return d.head, badAnswer(err, "list")
	}
	return d.head, nil
}

type listDecoder struct {
	dec    *json.Decoder
	budget *budget
	each   func(raw []byte) error
	head   listHead
}

// calleeError marks an error of the callback.
type calleeError struct{ err error }

func (e *calleeError) Error() string { return e.err.Error() }

var errNoList = errors.New("not a list of Kubernetes objects")

func (d *listDecoder) read() error {
	if err := d.delim('{'); err != nil {
		return err
	}
	items, meta := false, false
	for d.dec.More() {
		t, err := d.dec.Token()
		if err != nil {
			return err
		}
		d.budget.refill()
		switch t {
		case "items":
			if items {
				return errNoList
			}
			items = true
			err = d.items()
		case "metadata":
			if meta {
				return errNoList
			}
			meta = true
			err = d.dec.Decode(&d.head)
		default:
			var skip json.RawMessage
			err = d.dec.Decode(&skip)
		}
		if err != nil {
			return err
		}
	}
	if err := d.delim('}'); err != nil {
		return err
	}
	if _, err := d.dec.Token(); err != io.EOF {
		return errNoList
	}
	if !items || d.head.ResourceVersion == "" {
		return errNoList
	}
	return nil
}

func (d *listDecoder) delim(want json.Delim) error {
	t, err := d.dec.Token()
	if err != nil {
		return err
	}
	if t != want {
		return errNoList
	}
	return nil
}

func (d *listDecoder) items() error {
	t, err := d.dec.Token()
	if err != nil {
		return err
	}
	if t == nil {
		return nil // an empty list, as Go writes a nil slice
	}
	if t != json.Delim('[') {
		return errNoList
	}
	for d.dec.More() {
		d.budget.refill()
		var raw json.RawMessage
		if err := d.dec.Decode(&raw); err != nil {
			return err
		}
		if len(raw) > d.budget.max {
			return errObjectSize
		}
		if err := d.each(raw); err != nil {
			return &calleeError{err}
		}
	}
	return d.delim(']')
}

// badAnswer is the problem of an answer that could not be read. A decoder's
// own text may quote the answer, so only its kind is told.
func badAnswer(err error, what string) error {
	var p *problem.Problem
	switch {
	case errors.As(err, &p):
		return err
	case errors.Is(err, errObjectSize):
		return problem.New(problem.Source, "%v", errObjectSize).WithHint("raise max_object_bytes, or find out what is stored there")
	case errors.Is(err, errNoList):
		return problem.New(problem.Source, "the answer is %v", errNoList).
			WithHint("check that the address leads to a Kubernetes API server and not to a login page")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return problem.New(problem.Source, "the %s stopped before its end", what)
	}
	return problem.New(problem.Source, "the %s cannot be read (%T)", what, err)
}

// event is one line of a watch.
type event struct {
	Type   string          `json:"type"` // ADDED, MODIFIED, DELETED, BOOKMARK, ERROR
	Object json.RawMessage `json:"object"`
}

// watchDecoder reads the events of a watch.
type watchDecoder struct {
	dec    *json.Decoder
	budget *budget
}

func newWatchDecoder(r io.Reader, max int) *watchDecoder {
	b := newBudget(r, max)
	return &watchDecoder{json.NewDecoder(b), b}
}

// next returns the next event; io.EOF when the server ended the watch between
// two events. The object's bytes are the caller's.
func (d *watchDecoder) next() (event, error) {
	d.budget.refill()
	var e event
	if err := d.dec.Decode(&e); err != nil {
		if err == io.EOF {
			return e, io.EOF
		}
		return e, badAnswer(err, "watch")
	}
	if len(e.Object) > d.budget.max {
		return e, badAnswer(errObjectSize, "watch")
	}
	return e, nil
}

// statusError is what an ERROR event tells: the server's code and reason.
type statusError struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the server ended the watch with %d %s", e.Code, word(e.Reason))
}

// word keeps a reason only when it is one word, as Kubernetes' reasons are.
func word(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return ""
		}
	}
	if len(s) > 40 {
		return ""
	}
	return s
}

// position reads the resource version out of a bookmark.
func position(raw []byte) (string, error) {
	_, _, meta, err := top(raw)
	if err != nil {
		return "", err
	}
	var m struct {
		ResourceVersion string `json:"resourceVersion"`
	}
	if err := json.Unmarshal(meta, &m); err != nil || m.ResourceVersion == "" {
		return "", errors.New("bookmark without a resource version")
	}
	return m.ResourceVersion, nil
}

// unmarshal decodes without passing on the decoder's text, which may quote.
func unmarshal(raw []byte, v any) error {
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("cannot be read (%T)", err)
	}
	return nil
}
