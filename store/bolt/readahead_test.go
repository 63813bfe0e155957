package bolt

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"evidenced/store"
)

// The stretch of a range holds the first and the last of its records, where it
// says, in every segment.
func TestStretch(t *testing.T) {
	lf, ix, err := New(t.TempDir()).Open("00aa", true)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	defer lf.Close()
	f := lf.(*logFile)
	leaf := func(n uint64) []byte { return bytes.Repeat(fmt.Appendf(nil, "<leaf %d>", n), 60) }
	const each = 500
	for seg := range 3 {
		for batch := range 5 {
			var es []store.Entry
			from := uint64(seg*each + batch*each/5)
			for n := from; n < from+each/5; n++ {
				es = append(es, store.Entry{Seq: n, Leaf: leaf(n)})
			}
			if err := f.Append(es, nil, store.Head{Size: from + each/5, Segment: seg + 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Drain(); err != nil { // what is read ahead are segments
		t.Fatal(err)
	}
	for _, tc := range []struct{ from, to uint64 }{{0, 1}, {0, each}, {17, 333}, {each, each + 1}, {each + 3, 2*each - 1}, {3*each - 1, 3 * each}} {
		segs := f.at(tc.from, tc.to)
		file, err := os.ReadFile(segs[0].path)
		if err != nil {
			t.Fatal(err)
		}
		begin, end, ok := segs[0].stretch(tc.from, tc.to-1)
		if !ok || end > int64(len(file)) {
			t.Fatalf("records %d to %d: from byte %d to %d of %d, %t", tc.from, tc.to, begin, end, len(file), ok)
		}
		part := file[begin:end]
		if !bytes.Contains(part[:min(len(part), 700)], leaf(tc.from)) || !bytes.Contains(part, leaf(tc.to-1)) {
			t.Errorf("records %d to %d: %d bytes without the first or the last record", tc.from, tc.to, len(part))
		}
		if whole := int64(tc.to-tc.from) * 2000; end-begin > whole {
			t.Errorf("records %d to %d: %d bytes, want at most %d", tc.from, tc.to, end-begin, whole)
		}
	}
	// A hint never fails, however wrong it is.
	for _, r := range [][2]uint64{{0, 3 * each}, {each - 1, each + 1}, {3 * each, 4 * each}, {5, 5}, {0, 1 << 40}} {
		f.ReadAhead(r[0], r[1])
	}
}
