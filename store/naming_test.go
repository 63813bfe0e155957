package store

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"evidenced/evidence"
)

func TestNeedles(t *testing.T) {
	var ns needles
	ns.add(evidence.PersonFacts{Realm: "github:prod", NativeID: "4711", Names: evidence.Names{Login: "mk", Display: "Åsa Lind-Berg", Mail: "asa.lb@acme.example"}})
	for text, want := range map[string]string{
		"nothing of the kind":     "",
		"by mk.":                  "login",
		"by MK":                   "login",
		"amk mkb m.k":             "",
		"user=mk&x=1":             "login",
		"%3Dmk%26":                "login",
		`"line\nmk\tsaid"`:        "login",
		"4711":                    "native id",
		"14711 47110 4711a":       "",
		"åsa lind-berg":           "name",
		`"\u00c5sa Lind-Berg"`:    "name,a part of the name",
		"lind-berg":               "",
		"Lind-Berg":               "a part of the name",
		"asa.lb@acme.example":     "mail,a part of the mail address",
		"asa.lb%40ACME.example":   "mail,a part of the mail address",
		"asa.lb%2540acme.example": "mail,a part of the mail address",
		"%C3%85sa+Lind-Berg":      "name,a part of the name",
		`{"x":"{\"y\":\"asa.lb\\u0040acme.example\"}"}`: "mail,a part of the mail address",
	} {
		if got := strings.Join(ns.find([]byte(text)), ","); !sameWords(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// A short name put together is a common word, and does not count.
func TestShortNames(t *testing.T) {
	var ns needles
	ns.add(evidence.PersonFacts{Realm: "r", NativeID: "xx-1", Names: evidence.Names{Display: "Al Li"}})
	for text, want := range map[string]string{"alli": "", "a.li": "", "a-li": "", "al li": "name", "li, al": "the name, put together"} {
		if got := strings.Join(ns.find([]byte(text)), ","); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func sameWords(a, b string) bool {
	x, y := strings.Split(a, ","), strings.Split(b, ",")
	if len(x) != len(y) {
		return false
	}
	for _, w := range x {
		if !strings.Contains(","+b+",", ","+w+",") {
			return false
		}
	}
	return true
}

// A mail address is found in whatever it is wrapped, at any place.
func FuzzNeedles(f *testing.F) {
	var ns needles
	ns.add(evidence.PersonFacts{NativeID: "n", Names: evidence.Names{Mail: "asa.lindberg@acme.example"}})
	f.Add([]byte("a "), []byte(" b"), byte(0))
	f.Add([]byte{0xff, '%'}, []byte(`\u`), byte(1))
	f.Add([]byte("%4"), []byte("\\"), byte(2))
	f.Add([]byte("x"), []byte("yz"), byte(3))
	f.Fuzz(func(t *testing.T, before, after []byte, how byte) {
		_ = ns.find(append(before, after...)) // whatever it is, it ends
		s := string(before) + "asa.lindberg@acme.example" + string(after)
		switch how % 5 {
		case 1:
			s = url.QueryEscape(s)
		case 2:
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			s = string(b)
		case 3:
			s = base64.StdEncoding.EncodeToString([]byte(s))
		case 4:
			s = "t." + base64.RawURLEncoding.EncodeToString([]byte(s))
		}
		if len(ns.find([]byte(s))) == 0 {
			t.Errorf("not found in %q", s)
		}
	})
}
