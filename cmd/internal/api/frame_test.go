package api

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"evidenced/evidence/problem"
)

func reply(frames ...any) []byte {
	var b bytes.Buffer
	for i := 0; i < len(frames); i += 2 {
		writeFrame(&b, frames[i].(string)[0], []byte(frames[i+1].(string))) // a Buffer never fails
	}
	return b.Bytes()
}

func read(b []byte) (string, error) {
	var body bytes.Buffer
	err := readReply(bytes.NewReader(b), &Out{Header: func(string) error { return nil }, Body: &body})
	return body.String(), err
}

// A reply that is cut anywhere must never pass as an answer.
func TestCutReplyIsIncomplete(t *testing.T) {
	whole := reply("h", `{"media":"text/plain"}`, "b", "satisfied", "p", `{"done":1,"total":2}`, "b", " not", "e", `{}`)
	if body, err := read(whole); err != nil || body != "satisfied not" {
		t.Fatalf("whole reply: %q, %v", body, err)
	}
	for n := range len(whole) {
		if _, err := read(whole[:n]); !problem.Is(err, problem.Incomplete) {
			t.Fatalf("cut after %d bytes: got %v, want incomplete", n, err)
		}
	}
}

func TestProblemsTravel(t *testing.T) {
	inner := problem.Wrap(problem.Storage, io.ErrShortWrite, "disk").WithHint("make room")
	for _, err := range []error{
		inner,
		problem.Wrap(problem.Corrupt, inner, "log").WithHint("copy first"),
		problem.New(problem.Locked, "held"),
	} {
		e := endOf(err)
		if got, want := problem.Text("x", e.err()), problem.Text("x", err); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		if got, want := problem.Of(e.err()).Code, problem.Of(err).Code; got != want {
			t.Errorf("code %s, want %s", got, want)
		}
	}
	if e := endOf(errors.New("plain")); e.Code != problem.Internal {
		t.Errorf("a plain error travels as %s", e.Code)
	}
	if endOf(nil).err() != nil {
		t.Error("no error became one")
	}
}

func FuzzReadReply(f *testing.F) {
	f.Add(reply("h", `{"media":"x"}`, "b", "x", "e", `{}`))
	f.Add(reply("e", `{"code":"usage","text":"x","hints":["a","b"]}`))
	f.Add([]byte("b\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) { read(b) })
}
