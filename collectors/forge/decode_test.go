package forge

import (
	"reflect"
	"testing"
	"time"
)

// TestDecode: members that nothing reads do not keep the others from being read.
func TestDecode(t *testing.T) {
	type place struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	}
	type Base struct {
		ID     int64   `json:"id"`
		Labels string  `json:"labels"`
		Places []place `json:"places"`
	}
	type item struct {
		Base
		Home place `json:"home"`
	}
	unread := []string{"labels", "notes"}
	whole := item{Base{ID: 9007199254740993, Places: []place{{Name: "a"}, {Name: "b"}}}, place{Name: "c"}}
	for _, tt := range []struct {
		raw  string
		want *item // nil: an error
	}{
		{`{"id":9007199254740993,"places":[{"name":"a"},{"name":"b"}],"home":{"name":"c"}}`, &whole},
		{`{"labels":["x"],"id":9007199254740993,"places":[{"name":"a"},{"name":"b"}],"home":{"name":"c"}}`, &whole},
		{`{"labels":7,"home":{"labels":{"k":[1]},"name":"c"},"id":9007199254740993,"places":[{"name":"a"},{"name":"b"}]}`, &whole},
		{`{"id":9007199254740993,"places":[{"labels":"none","name":"a"},{"labels":[],"name":"b"}],"home":{"name":"c"}}`, &whole},
		{`{"id":"9","labels":7}`, nil},
		{`{"labels":7,"id":"9"}`, nil},
		{`{"home":"c"}`, nil},
		{`[{"id":1}]`, nil},
		{`{"labels":7`, nil},
	} {
		var got item
		err := Decode([]byte(tt.raw), &got, unread)
		if (err == nil) != (tt.want != nil) {
			t.Errorf("%s: %v", tt.raw, err)
			continue
		}
		got.Labels, got.Home.Labels = "", nil // whatever stood there is not read
		for i := range got.Places {
			got.Places[i].Labels = nil
		}
		if tt.want != nil && !reflect.DeepEqual(got, *tt.want) {
			t.Errorf("%s:\n%+v\nwant\n%+v", tt.raw, got, *tt.want)
		}
	}
}

// TestDecodeFar: a time beyond the year 9999 is left out, and hides nothing beside it.
func TestDecodeFar(t *testing.T) {
	type commit struct {
		ID      string     `json:"id"`
		Title   string     `json:"title"`
		At      *time.Time `json:"at"`
		Parents []struct {
			At *time.Time `json:"at"`
		} `json:"parents"`
		Stats string `json:"stats"`
	}
	for raw, want := range map[string]bool{
		`{"id":"a","title":"99999-12-31 is far","at":"292278994-08-17T07:12:55Z","parents":[{"at":"33658-09-27T01:46:39.000+02:00"}],"stats":{"n":1}}`: true,
		`{"id":"a","at":"292278994-08-17T07:12:55Z","parents":[{"at":"today"}]}`:                                                                       false,
		`{"id":"a","at":"today"}`:                   false,
		`{"id":7,"at":"292278994-08-17T07:12:55Z"}`: false,
	} {
		var c commit
		err := Decode([]byte(raw), &c, []string{"stats"})
		if (err == nil) != want || want && (c.ID != "a" || c.Title == "" || c.At != nil && !c.At.IsZero() || len(c.Parents) != 1) {
			t.Errorf("%s: %v, %+v", raw, err, c)
		}
	}
}

// TestOddForm: an object with a member of another form is an odd item; what is no
// object is another answer than was asked for.
func TestOddForm(t *testing.T) {
	type Base struct {
		ID int64 `json:"id"`
	}
	type item struct {
		Base
		At   *time.Time `json:"at"`
		Home struct {
			Name string `json:"name"`
		} `json:"home"`
	}
	for raw, want := range map[string]string{
		`{"id":"geheim"}`:            "something of an unknown form (id)",
		` {"home":{"name":["x"]}}`:   "something of an unknown form (home.name)",
		`{"at":"geheim"}`:            "something of an unknown form",
		`{"id":1}`:                   "",
		`[{"id":"1"}]`:               "",
		`"geheim"`:                   "",
		`<html>`:                     "",
		`{"id":"1"`:                  "",
		`{"id":"1"} {"id":"geheim"}`: "",
	} {
		var v item
		if got := OddForm([]byte(raw), Decode([]byte(raw), &v, nil)); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
	var list []item
	if got := OddForm([]byte(`{"id":1}`), Decode([]byte(`{"id":1}`), &list, nil)); got != "" {
		t.Errorf("an object where a list was asked for: %q", got)
	}
}
