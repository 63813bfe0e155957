package tail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
)

const firstBuffer = 256 << 10

// lineReader splits a stream into lines within one reused buffer. Memory is
// bounded by the longest allowed line, however long the stream is.
type lineReader struct {
	src  io.Reader
	buf  []byte
	r, w int
	off  int64 // of buf[r] in the stream
	max  int   // longest line in bytes, newline not counted
}

// overlong is a line longer than allowed: what is kept of it.
type overlong struct {
	size int64
	sum  string // SHA-256, lower-case hex
}

func newLineReader(src io.Reader, off int64, max int, buf []byte) *lineReader {
	if cap(buf) == 0 {
		buf = make([]byte, firstBuffer)
	}
	return &lineReader{src: src, buf: buf[:cap(buf)], off: off, max: max}
}

// next returns the next whole line without its newline, valid until the
// following call, and how many bytes of the stream it took. At the end it
// returns io.EOF; a half line is then left unread. For a line that is too long
// it returns over instead of a line.
func (l *lineReader) next() (line []byte, n int64, over *overlong, err error) {
	scanned := l.r
	for {
		if i := bytes.IndexByte(l.buf[scanned:l.w], '\n'); i >= 0 {
			end := scanned + i
			line = l.buf[l.r:end]
			n = int64(end + 1 - l.r)
			l.r, l.off = end+1, l.off+n
			if len(line) > l.max {
				sum := sha256.Sum256(line)
				return nil, n, &overlong{int64(len(line)), hex.EncodeToString(sum[:])}, nil
			}
			return line, n, nil, nil
		}
		scanned = l.w
		if l.w-l.r > l.max {
			return l.overflow()
		}
		if l.w == len(l.buf) {
			scanned -= l.r
			l.grow()
		}
		if err := l.fill(); err != nil {
			return nil, 0, nil, err
		}
	}
}

// fill reads some bytes into the free end of the buffer.
func (l *lineReader) fill() error {
	for range 100 {
		n, err := l.src.Read(l.buf[l.w:])
		l.w += n
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// grow makes room behind the half line at the end of the buffer.
func (l *lineReader) grow() {
	half := l.buf[l.r:l.w]
	switch {
	case l.r > 0 && len(half) <= len(l.buf)/2 && len(l.buf) > firstBuffer && len(half) < firstBuffer/2:
		l.buf = append(make([]byte, 0, firstBuffer), half...)[:firstBuffer] // a long line has passed
	case l.r > 0 && len(half) <= len(l.buf)/2:
		copy(l.buf, half)
	default:
		n := min(2*len(l.buf), max(l.max, firstBuffer)+2)
		l.buf = append(make([]byte, 0, n), half...)[:n]
	}
	l.r, l.w = 0, len(half)
}

// overflow hashes a line that is too long up to its newline.
func (l *lineReader) overflow() ([]byte, int64, *overlong, error) {
	h := sha256.New()
	h.Write(l.buf[l.r:l.w])
	size := int64(l.w - l.r)
	l.r, l.w = 0, 0
	for {
		if err := l.fill(); err != nil {
			return nil, 0, nil, err
		}
		if i := bytes.IndexByte(l.buf[:l.w], '\n'); i >= 0 {
			h.Write(l.buf[:i])
			size += int64(i)
			l.r, l.off = i+1, l.off+size+1
			return nil, size + 1, &overlong{size, hex.EncodeToString(h.Sum(nil))}, nil
		}
		h.Write(l.buf[:l.w])
		size += int64(l.w)
		l.w = 0
	}
}

// rest returns the half line left at the end of the stream.
func (l *lineReader) rest() []byte { return l.buf[l.r:l.w] }
