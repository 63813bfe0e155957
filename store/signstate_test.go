package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

func signedLine(size uint64, b byte) string {
	return fmt.Sprintf("%d %s\n", size, evidence.Hash(bytes.Repeat([]byte{b}, 32)))
}

// What a crash leaves is told from damage: a torn line is forgotten, a damaged
// one never.
func TestReadSigned(t *testing.T) {
	two := signedLine(10, 0xa1) + signedLine(18, 0xb2)
	for _, tc := range []struct {
		name, text string
		size       uint64
		bytes      int64
		noEnd      bool
		bad        bool
	}{
		{name: "empty"},
		{name: "two lines", text: two, size: 18, bytes: int64(len(two))},
		{name: "torn in the size", text: two + "2", size: 18, bytes: int64(len(two))},
		{name: "torn after the size", text: two + "20 ", size: 18, bytes: int64(len(two))},
		{name: "torn in the root", text: two + "20 " + strings.Repeat("c", 63), size: 18, bytes: int64(len(two))},
		{name: "zeros for a line", text: two + strings.Repeat("\x00", 70), size: 18, bytes: int64(len(two))},
		{name: "zeros after a torn line", text: two + "20 ab" + strings.Repeat("\x00", 70), size: 18, bytes: int64(len(two))},
		{name: "only the line end is torn", text: strings.TrimSuffix(two, "\n"), size: 18, bytes: int64(len(two)) - 1, noEnd: true},
		{name: "zero for the line end", text: strings.TrimSuffix(two, "\n") + "\x00", size: 18, bytes: int64(len(two)) - 1, noEnd: true},
		{name: "another byte for the line end", text: strings.TrimSuffix(two, "\n") + "\x0b", bad: true},
		{name: "a whole last line that is damaged", text: strings.Replace(two, "18 b", "1x b", 1), bad: true},
		{name: "a whole last line that is short", text: signedLine(10, 1) + "18 abc\n", bad: true},
		{name: "upper case", text: signedLine(10, 1) + strings.ToUpper(signedLine(18, 0xb2)), bad: true},
		{name: "damage in the middle", text: strings.Replace(two, "10", "1\x10", 1), bad: true},
		{name: "a line end lost in the middle", text: strings.Replace(two, "\n", "\x0b", 1), bad: true},
		{name: "a smaller size", text: two + signedLine(9, 3), bad: true},
		{name: "two roots of one size", text: two + signedLine(18, 3), bad: true},
		{name: "a blank line", text: two + "\n", bad: true},
		{name: "a leading zero", text: two + "0" + signedLine(20, 3), bad: true},
		{name: "larger than any log", text: two + signedLine(1<<60, 3), bad: true},
	} {
		got, err := readSigned(strings.NewReader(tc.text))
		if (err != nil) != tc.bad {
			t.Errorf("%s: error %v", tc.name, err)
		}
		if err == nil && (got.size != tc.size || got.bytes != tc.bytes || got.noEnd != tc.noEnd) {
			t.Errorf("%s: got %+v", tc.name, got)
		}
	}
}

// A line that lacks its end gets it, so that the next one stands alone.
func TestSignStateMendsItsEnd(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	if err := os.WriteFile(path, []byte(strings.TrimSuffix(signedLine(5, 7), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := openSignState(dir, "log", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.claim(5, evidence.Hash{1}); !problem.Is(err, problem.Refused) {
		t.Errorf("another root of size 5: got %v, want refused", err)
	}
	if err := s.claim(6, evidence.Hash(bytes.Repeat([]byte{8}, 32))); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); string(b) != signedLine(5, 7)+signedLine(6, 8) {
		t.Errorf("the file is %q", b)
	}
}

func FuzzReadSigned(f *testing.F) {
	f.Add([]byte(signedLine(10, 1) + signedLine(18, 2)))
	f.Add([]byte(signedLine(10, 1) + "18 "))
	f.Add([]byte("\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readSigned(bytes.NewReader(b))
		if err != nil {
			return
		}
		if got.bytes > int64(len(b)) {
			t.Fatalf("%d bytes of %d", got.bytes, len(b))
		}
		// What was taken in reads the same alone.
		again, err := readSigned(bytes.NewReader(b[:got.bytes]))
		if err != nil || again != got {
			t.Fatalf("read again: %+v, %v, first %+v", again, err, got)
		}
	})
}
