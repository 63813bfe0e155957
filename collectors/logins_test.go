package collectors

import (
	"testing"

	"evidenced/evidence"
)

func TestUsersInAddresses(t *testing.T) {
	for _, tc := range []struct {
		text, want string
		holds      bool
	}{
		{"https://u:p@host/x and ssh://git@h:22/y", "https://host/x and ssh://h:22/y", true},
		{"https://u:p@ss@host/x", "https://host/x", true},
		{`https:\/\/u:p@host\/x`, `https:\/\/u:p@host\/x`, true}, // in JSON alone
		{`https://u:p\\w@host`, `https://host`, true},            // a backslash, as JSON writes it
		{`https://u:p\u0026w@host`, `https://host`, true},
		{`see https://host\nmail:a@b.example`, `see https://b.example`, false}, // in JSON two lines
		{`\"https://host\" of a@b.example`, `\"https://host\" of a@b.example`, false},
		{"https://host/x@y", "https://host/x@y", false},
		{"mail a@b.example, see https://host", "mail a@b.example, see https://host", false},
		{"a@b.example", "a@b.example", false},
		{"", "", false},
	} {
		if got := WithoutUser(tc.text); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.text, got, tc.want)
		}
		if got := HoldsUser([]byte(`{"a":"` + tc.text + `"}`)); got != tc.holds {
			t.Errorf("%s: holds a user: %t, want %t", tc.text, got, tc.holds)
		}
	}
}

// What names a repository stays, and what opens it does not.
func TestWithoutLogins(t *testing.T) {
	for raw, stays := range map[string]bool{
		`{"url":"ssh://git@git.example.test/acme/shop"}`:                        true,
		`{"url":"https://git.example.test/acme/shop","by":"a@b.example"}`:       true,
		`{"image":"docker://alpine:3.20@sha256:0123456789ab"}`:                  true,
		`{"image":"docker://sha@sha256:0123"}`:                                  false,
		`{"url":"nats://planted@host.example.test:4222"}`:                       false,
		`{"url":"git+https://planted@git.example.test/x"}`:                      false,
		`{"url":"redis://:planted@shared.example.test/0"}`:                      false,
		`{"url":"mongodb://app:planted@shard-0.example.test"}`:                  false,
		`{"url":"https://user:abc%2Fplanted@git.example.test/x"}`:               false,
		`{"url":"https://user:abc%20planted@git.example.test/x"}`:               false,
		`{"in":["{\"url\":\"https:\\/\\/u:abc%2Fplanted@git.example.test\"}"]}`: false,
		`{"url":"ssh://git:planted@git.example.test/acme/shop"}`:                false,
		`{"url":"https://planted@git.example.test/acme/shop"}`:                  false,
		`{"in":["{\"url\":\"https:\\/\\/u:planted@git.example.test\"}"]}`:       false,
		`{"url":"https://u:planted@git.example.test`:                            false, // cut off
	} {
		d := evidence.Draft{Raw: []byte(raw)}
		if WithoutLogins(&d, "x/1"); (string(d.Raw) == raw) != stays || (len(d.Removed) == 0) != stays {
			t.Errorf("%s became %s, removed %q", raw, d.Raw, d.Removed)
		}
	}
}
