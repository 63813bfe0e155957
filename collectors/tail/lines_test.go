package tail

import (
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// endless gives n bytes of the same line.
type endless struct {
	line string
	n, i int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n <= 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), e.n)], e.line[e.i:])
	e.i = (e.i + n) % len(e.line)
	e.n -= n
	return n, nil
}

// TestLineReaderFlat: a gigabyte of lines, some of them long, takes no more
// memory than the longest line.
func TestLineReaderFlat(t *testing.T) {
	text := strings.Repeat(strings.Repeat("a", 1500)+"\n", 900) + strings.Repeat("b", 3<<20) + "\n" + strings.Repeat("c", 5<<20) + "\n"
	src := &endless{line: text, n: 1 << 30}
	l := newLineReader(src, 0, 4<<20, nil)
	defer debug.SetGCPercent(debug.SetGCPercent(100)) // as of a daemon, whatever the tests are run with
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	lines, over := 0, 0
	off := int64(0)
	for {
		line, n, o, err := l.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		off += n
		if off != l.off {
			t.Fatalf("offset %d, want %d", l.off, off)
		}
		if lines++; o != nil {
			if over++; o.size != 5<<20 {
				t.Fatalf("overlong line of %d bytes", o.size)
			}
		} else if line[0] != 'a' && line[0] != 'b' {
			t.Fatal("line was not cut where it begins")
		}
	}
	runtime.ReadMemStats(&after)
	if lines < 90000 || over < 100 || cap(l.buf) > 9<<20 {
		t.Errorf("%d lines, %d overlong, buffer of %d bytes", lines, over, cap(l.buf))
	}
	if live := int64(after.HeapInuse) - int64(before.HeapInuse); live > 64<<20 {
		t.Errorf("heap grew by %d bytes", live)
	}
}
