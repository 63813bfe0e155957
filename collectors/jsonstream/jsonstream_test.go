package jsonstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// read takes the names of members, the elements of "list" and "number", and passes
// over what else there is.
func read(s *Stream) (string, error) {
	var got []string
	err := s.Members(func(name string) error {
		got = append(got, name)
		switch name {
		case "list":
			return s.Elements(func() error {
				var v struct{ A json.Number }
				err := s.Decode(&v)
				got = append(got, v.A.String())
				return err
			})
		case "number":
			var n any
			err := s.Decode(&n)
			got = append(got, fmt.Sprint(n))
			return err
		}
		return s.Skip()
	})
	if err == nil {
		err = s.End()
	}
	return strings.Join(got, " "), err
}

func TestStream(t *testing.T) {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	broken := errors.New("the disk is broken")
	for _, tc := range []struct {
		doc, want string
		err       func(error) bool
	}{
		{`{"a":[1,{"b":[]},null],"list":[{"a":1},{"a":12345678901234567890}],"c":{}}`, "a list 1 12345678901234567890 c", nil},
		{` {"number":1e999} ` + "\n", "number 1e999", nil},
		{`{"list":[],"a":"x"}`, "list a", nil},
		{`{"list":null,"a":1}`, "list a", nil},
		{`{}`, "", nil},
		{`null`, "", nil},
		{`{"list":{}}`, "list", func(err error) bool { return errors.Is(err, ErrShape) }},
		{`{"list":7}`, "list", func(err error) bool { return errors.Is(err, ErrShape) }},
		{`[]`, "", func(err error) bool { return errors.Is(err, ErrShape) }},
		{`{} {}`, "", func(err error) bool { return errors.Is(err, ErrShape) }},
		{`{}]`, "", func(err error) bool { return errors.As(err, &syntax) }},
		{`{"list":["x"]}`, "list ", func(err error) bool { return errors.As(err, &typ) }},
		{`{"a":[1,`, "a", func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) }},
		{`{"a" 1}`, "a", func(err error) bool { return errors.As(err, &syntax) }},
		{``, "", func(err error) bool { return errors.Is(err, io.EOF) }},
		{`{"a":` + strings.Repeat("[", maxNested+1), "a", func(err error) bool { return errors.Is(err, ErrShape) }},
	} {
		got, err := read(New(iotest.OneByteReader(strings.NewReader(tc.doc)), nil))
		if got != tc.want || (tc.err == nil) != (err == nil) || tc.err != nil && !tc.err(err) {
			t.Errorf("%.40s: got %q, %v; want %q", tc.doc, got, err, tc.want)
		}
	}
	if _, err := read(New(io.MultiReader(strings.NewReader(`{"a":[`), iotest.ErrReader(broken)), nil)); !errors.Is(err, broken) {
		t.Errorf("an error of the reader became %v", err)
	}
}

// What is held between two marks is one part, however long the document is.
func TestBetween(t *testing.T) {
	doc := `{"a":[` + strings.Repeat(`"0123456789",`, 1000) + `1],"list":[` + strings.Repeat(`{"a":1},`, 1000) + `{"a":2}]}`
	last, most := int64(0), int64(0)
	if _, err := read(New(strings.NewReader(doc), func(at int64) { last, most = at, max(most, at-last) })); err != nil {
		t.Fatal(err)
	}
	if last != int64(len(doc)) || most > 16 {
		t.Errorf("the marks end at %d of %d bytes, the longest part has %d", last, len(doc), most)
	}
}

// A document that is read is one that encoding/json takes.
func FuzzStream(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":[]},null],"list":[{"a":1}],"number":-0.1e7}`))
	f.Add([]byte(`{"list":[{"a":"1"}]} `))
	f.Add([]byte(`{"a":[}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if _, err := read(New(bytes.NewReader(doc), nil)); err == nil && !json.Valid(doc) {
			t.Errorf("read what is no JSON: %q", doc)
		}
	})
}
