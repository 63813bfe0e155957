package store

import (
	"encoding/json"
	"reflect"
	"testing"

	"evidenced/evidence"
)

var sampleContent = content{
	Key: "acme/app!7", Subject: evidence.NewRef("change", "prod", "acme/app!7"),
	Links: []evidence.Ref{evidence.NewRef("commit", "", "aa11"), evidence.NewRef("app", "prod", "web")},
	Scope: []evidence.Ref{evidence.NewRef("ns", "prod", "tenant-7")}, Actor: evidence.ActorOwn, Digest: digest{1, 2},
	Facts: json.RawMessage(`{"a":[1,{"b":"}\""}]}`), Request: &evidence.Request{Method: "GET", URL: "https://h/x?y=1"},
}

// FuzzContentDecode holds the reading by hand against encoding/json.
func FuzzContentDecode(f *testing.F) {
	for _, c := range []content{sampleContent, {Subject: sampleContent.Subject, Facts: json.RawMessage(`{}`)}, {Key: "k\xffé", Subject: sampleContent.Subject, Facts: json.RawMessage(`{}`), Removed: []string{"/a"}}} {
		b, err := c.encode(nil)
		if err != nil {
			f.Fatal(err)
		}
		var got content
		if err := got.decode(b); err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			var c content
			_ = c.decode(b) // must not panic
			return
		}
		var fast, slow content
		if !fast.decodePlain(b) {
			return
		}
		if err := json.Unmarshal(b, &slow); err != nil {
			t.Fatalf("%q is read by hand, encoding/json says %v", b, err)
		}
		if !reflect.DeepEqual(fast, slow) {
			t.Fatalf("%q:\n by hand %+v\nby json %+v", b, fast, slow)
		}
	})
}

func TestContentSurvives(t *testing.T) {
	b, err := sampleContent.encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got content
	if !got.decodePlain(b) {
		t.Fatalf("%s is not read by hand", b)
	}
	if !reflect.DeepEqual(got, sampleContent) {
		t.Errorf("got %+v, want %+v", got, sampleContent)
	}
}

func BenchmarkContentDecode(b *testing.B) {
	plain, err := sampleContent.encode(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var c content
		if err := c.decode(plain); err != nil {
			b.Fatal(err)
		}
	}
}

// What is written by hand reads back through encoding/json, whatever stands in
// it.
func TestContentEncodes(t *testing.T) {
	for _, c := range []content{
		{Subject: sampleContent.Subject, Facts: json.RawMessage(`{}`), Request: &evidence.Request{Agent: "github/1"}},
		{Subject: sampleContent.Subject, Facts: json.RawMessage(`{}`), Request: &evidence.Request{
			Method: "GET", URL: `https://h.example/a?b=<c>&d="e"\f`, Response: "00ff", Agent: "x\n\u2028é",
		}},
		{Subject: evidence.NewRef("path", "a/b", "a b#c%\"\\é").WithUID("u#1"), Links: []evidence.Ref{evidence.NewRef("ns", "", "")}, Facts: json.RawMessage(`{"a":1}`), Removed: []string{"/a", "/b"}},
	} {
		b, err := c.encode([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		var slow, either content
		if err := json.Unmarshal(b[len("before"):], &slow); err != nil || !reflect.DeepEqual(slow, c) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", b, slow, err, c)
		}
		if err := either.decode(b[len("before"):]); err != nil || !reflect.DeepEqual(either, c) {
			t.Errorf("%s is read as %+v, %v, want %+v", b, either, err, c)
		}
	}
}
