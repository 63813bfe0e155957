package bolt

import (
	"io"
	"os"
	"unsafe"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"evidenced/store"
)

var _ store.ReadAheader = (*logFile)(nil)

const (
	// aheadChunk is what one request asks for: the kernel cuts larger ones off
	// at the device's own limit without saying so.
	aheadChunk = 128 << 10
	// aheadMost bounds what one call brings in: pages that were freed and used
	// again can make the places of two neighbouring records lie far apart.
	aheadMost = 64 << 20
)

// ReadAhead implements store.ReadAheader. The files are mapped for access at
// random, so that a scan of a cold file would wait for the disk at every page.
// Records are appended, so those of a range lie side by side in the file; the
// stretch from the first to the last is asked for in order of the file.
func (f *logFile) ReadAhead(from, to uint64) {
	for i, s := range f.at(from, to) {
		first, last := max(from, s.info.First), to-1
		if i == 0 {
			first = from
		}
		begin, end, ok := s.stretch(first, last)
		if !ok {
			continue
		}
		file, err := os.Open(s.path)
		if err != nil {
			continue // the scan itself tells what is wrong with the file
		}
		readAhead(file, begin, min(end, begin+aheadMost))
		file.Close()
	}
}

// stretch finds the part of the file from the first record to the last, or to
// the segment's last if that is earlier.
func (s *segment) stretch(first, last uint64) (begin, end int64, ok bool) {
	err := s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(records)
		if b == nil {
			return nil
		}
		c := b.Cursor()
		_, v := c.Seek(seqKey(first))
		if len(v) == 0 {
			return nil
		}
		begin = place(tx, v)
		k, v := c.Seek(seqKey(last))
		if k == nil {
			_, v = c.Last()
		}
		if len(v) == 0 {
			return nil
		}
		end = place(tx, v) + int64(len(v))
		ok = begin >= 0 && begin < end
		return nil
	})
	return begin, end, ok && err == nil
}

// place is where in the file a value lies that bbolt handed out: values are
// parts of the mapped file, whose address the library tells.
func place(tx *bolt.Tx, v []byte) int64 {
	return int64(uintptr(unsafe.Pointer(unsafe.SliceData(v))) - tx.DB().Info().Data)
}

// readAhead asks the kernel to read the part of the file; where it cannot be
// asked the part is read and dropped, which has the same effect.
func readAhead(file *os.File, begin, end int64) {
	for at := begin; at < end; at += aheadChunk {
		n := min(aheadChunk, end-at)
		if unix.Fadvise(int(file.Fd()), at, n, unix.FADV_WILLNEED) != nil {
			io.Copy(io.Discard, io.NewSectionReader(file, at, end-at))
			return
		}
	}
}
