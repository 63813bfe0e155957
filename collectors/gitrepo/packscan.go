package gitrepo

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"

	"evidenced/evidence/problem"
)

// maxUnpacked is the largest object of a pack, unpacked, in bytes. The library
// holds each object of a pack in memory when it makes the index, and a few
// kilobytes of a pack can say "so much of that again" up to any size. Git itself
// makes no deltas of larger files (core.bigFileThreshold).
const maxUnpacked = 512 << 20

// keepPack writes a pack to a file in the mirror, where it is looked at before
// the library takes it.
func keepPack(fs billy.Filesystem, r io.Reader) (f billy.File, remove func(), err error) {
	if f, err = fs.TempFile("objects/pack", "tmp_pack_"); err != nil {
		return nil, nil, problem.Wrap(problem.Storage, err, "write to the mirror")
	}
	remove = func() {
		_ = f.Close()
		_ = fs.Remove(f.Name()) // else the next sweep does
	}
	if _, err = io.Copy(f, r); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	return f, remove, nil
}

// scanPack reads a pack from end to end, holding nothing, and refuses objects
// that would not fit. What else is wrong with it the library finds.
func scanPack(r io.Reader) error {
	s := packfile.NewScanner(r)
	_, n, err := s.Header()
	if err != nil {
		return err
	}
	for range n {
		h, err := s.NextObjectHeader()
		if err != nil {
			return err
		}
		size := uint64(h.Length)
		var head headWriter
		if size <= maxUnpacked {
			if _, _, err := s.NextObject(&head); err != nil {
				return err
			}
		}
		if h.Type == plumbing.OFSDeltaObject || h.Type == plumbing.REFDeltaObject {
			size = max(size, head.deltaSize())
		}
		if size > maxUnpacked {
			return problem.New(problem.Refused, "the server's pack holds an object of %d bytes, at most %d are taken", size, maxUnpacked).
				WithHint("keep files of that size outside the repository, for example with git lfs")
		}
	}
	return nil
}

// headWriter keeps the first bytes that are written to it.
type headWriter struct {
	buf [2 * binary.MaxVarintLen64]byte
	n   int
}

func (h *headWriter) Write(p []byte) (int, error) {
	h.n += copy(h.buf[h.n:], p)
	return len(p), nil
}

// deltaSize is the size that a delta unpacks to: the second of the two numbers
// that it begins with (gitformat-pack).
func (h *headWriter) deltaSize() uint64 {
	_, n := binary.Uvarint(h.buf[:h.n])
	if n <= 0 {
		return 0 // damaged: the library says how
	}
	size, n := binary.Uvarint(h.buf[n:h.n])
	if n < 0 {
		return 1<<64 - 1
	}
	return size
}

// notWhole makes the error of a pack that cannot be read.
func (l *look) notWhole(err error) error {
	if p := problem.Of(err); p != nil {
		return p
	}
	if l.ctx.Err() != nil {
		return l.ctx.Err()
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return problem.Wrap(problem.Source, err, "the server's pack is cut or damaged")
}
