package pack

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"evidenced/evidence"
)

// The container is a zip of the plainest kind: local headers with sizes, in
// order from byte 0, then the central directory, then its end record, and not
// a byte more. Both writing and reading keep to that.

const (
	localMagic   = 0x04034b50
	centralMagic = 0x02014b50
	endMagic     = 0x06054b50
	dosTime      = 0x0000
	dosDate      = 0x0021 // 1 Jan 1980: a pack's times stand in its manifest
	maxMember    = 4<<30 - 2
	maxTotal     = 16 << 30 // uncompressed bytes of all members
	maxMembers   = 4096
	maxRatio     = 1100 // deflate cannot do better than about 1,030
)

// staged is a member in a temporary file, as it will stand in the zip.
type staged struct {
	Member
	path string
	crc  uint32
}

// plain reports whether a member stands uncompressed: the two that no other
// member names a hash of, so that no byte of them goes unchecked.
func plain(name string) bool { return name == memberManifest || name == memberIssued }

// stage writes a member to a temporary file below dir.
func stage(dir, name string, fill func(io.Writer) error) (staged, error) {
	s := staged{Member: Member{Name: name}}
	f, err := os.CreateTemp(dir, "member")
	if err != nil {
		return s, err
	}
	defer f.Close()
	s.path = f.Name()
	packedSum := sha256.New()
	packed := &countWriter{w: io.MultiWriter(f, packedSum)}
	var body io.Writer = packed
	var fl *flate.Writer
	if !plain(name) {
		if fl, err = flate.NewWriter(packed, flate.DefaultCompression); err != nil {
			return s, err
		}
		body = fl
	}
	sum, crc, count := sha256.New(), crc32.NewIEEE(), &countWriter{w: body}
	if err := fill(io.MultiWriter(count, sum, crc)); err != nil {
		return s, fmt.Errorf("member %s: %w", name, err)
	}
	if fl != nil {
		if err := fl.Close(); err != nil {
			return s, err
		}
	}
	s.Size, s.Packed, s.crc = count.n, packed.n, crc.Sum32()
	s.SHA256, s.PackedSHA256 = evidence.Hash(sum.Sum(nil)), evidence.Hash(packedSum.Sum(nil))
	if s.Size > maxMember || s.Packed > maxMember {
		return s, fmt.Errorf("member %s is larger than 4 GiB: make packs of shorter periods", name)
	}
	return s, nil
}

type countWriter struct {
	w io.Writer
	n uint64
}

func (c *countWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += uint64(n)
	return n, err
}

func header(s staged, central bool, offset uint64) []byte {
	var b []byte
	le := binary.LittleEndian
	if central {
		b = le.AppendUint32(b, centralMagic)
		b = le.AppendUint16(b, 20) // made by
	} else {
		b = le.AppendUint32(b, localMagic)
	}
	method := uint16(8) // deflate
	if plain(s.Name) {
		method = 0
	}
	for _, v := range []uint16{20, 0, method, dosTime, dosDate} { // version, flags
		b = le.AppendUint16(b, v)
	}
	b = le.AppendUint32(b, s.crc)
	b = le.AppendUint32(b, uint32(s.Packed))
	b = le.AppendUint32(b, uint32(s.Size))
	b = le.AppendUint16(b, uint16(len(s.Name)))
	b = le.AppendUint16(b, 0) // extra
	if central {
		for range 3 { // comment, disk, internal attributes
			b = le.AppendUint16(b, 0)
		}
		b = le.AppendUint32(b, 0) // external attributes
		b = le.AppendUint32(b, uint32(offset))
	}
	return append(b, s.Name...)
}

// assemble writes the staged members as one zip.
func assemble(w io.Writer, members []staged) error {
	out := &countWriter{w: w}
	var central []byte
	for _, s := range members {
		if out.n > maxMember {
			return fmt.Errorf("pack is larger than 4 GiB: make packs of shorter periods")
		}
		central = append(central, header(s, true, out.n)...)
		if _, err := out.Write(header(s, false, 0)); err != nil {
			return err
		}
		f, err := os.Open(s.path)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	le := binary.LittleEndian
	at := out.n
	var end []byte
	end = le.AppendUint32(end, endMagic)
	end = le.AppendUint32(end, 0) // disks
	end = le.AppendUint16(end, uint16(len(members)))
	end = le.AppendUint16(end, uint16(len(members)))
	end = le.AppendUint32(end, uint32(len(central)))
	end = le.AppendUint32(end, uint32(at))
	end = le.AppendUint16(end, 0)
	if _, err := out.Write(central); err != nil {
		return err
	}
	_, err := out.Write(end)
	return err
}

// container is an opened zip.
type container struct {
	r       io.ReaderAt
	members map[string]entry
	order   []string
}

type entry struct {
	offset uint64 // of the data
	packed uint64
	size   uint64
	crc    uint32
}

// openContainer reads the structure and refuses everything that stage and
// assemble would not have written.
func openContainer(r io.ReaderAt, size int64) (*container, error) {
	const endLen = 22
	if size < endLen || size > 4<<30 {
		return nil, fmt.Errorf("not a pack: %d bytes", size)
	}
	end := make([]byte, endLen)
	if _, err := r.ReadAt(end, size-endLen); err != nil {
		return nil, fmt.Errorf("read end record: %w", err)
	}
	le := binary.LittleEndian
	n, cdLen, cdAt := int(le.Uint16(end[10:])), uint64(le.Uint32(end[12:])), uint64(le.Uint32(end[16:]))
	switch {
	case le.Uint32(end) != endMagic || le.Uint32(end[4:]) != 0 || le.Uint16(end[8:]) != uint16(n) || le.Uint16(end[20:]) != 0:
		return nil, fmt.Errorf("not a pack: the end record is not where it must be, or carries a comment")
	case cdAt+cdLen != uint64(size)-endLen:
		return nil, fmt.Errorf("bytes outside the members")
	case n == 0 || n > maxMembers || cdLen > maxMembers*300:
		return nil, fmt.Errorf("%d members", n)
	}
	cd := make([]byte, cdLen)
	if _, err := r.ReadAt(cd, int64(cdAt)); err != nil {
		return nil, fmt.Errorf("read central directory: %w", err)
	}
	c := &container{r: r, members: map[string]entry{}}
	folded := map[string]bool{}
	var next, total uint64
	for range n {
		s, offset, rest, err := parseCentral(cd)
		if err != nil {
			return nil, err
		}
		cd = rest
		if err := checkName(s.Name); err != nil {
			return nil, err
		}
		if f := strings.ToLower(s.Name); folded[f] {
			return nil, fmt.Errorf("member %q stands twice", s.Name)
		} else {
			folded[f] = true
		}
		if offset != next {
			return nil, fmt.Errorf("member %q does not follow the one before it", s.Name)
		}
		want := header(s, false, 0)
		local := make([]byte, len(want))
		if _, err := r.ReadAt(local, int64(offset)); err != nil || !bytes.Equal(local, want) {
			return nil, fmt.Errorf("member %q: local header differs from the central one", s.Name)
		}
		e := entry{offset + uint64(len(want)), s.Packed, s.Size, s.crc}
		next = e.offset + e.packed
		total += e.size
		if plain(s.Name) && e.size != e.packed || next > cdAt || total > maxTotal || e.size > (e.packed+64)*maxRatio {
			return nil, fmt.Errorf("member %q: sizes that cannot be", s.Name)
		}
		c.members[s.Name] = e
		c.order = append(c.order, s.Name)
	}
	if len(cd) != 0 || next != cdAt {
		return nil, fmt.Errorf("bytes outside the members")
	}
	return c, nil
}

func parseCentral(cd []byte) (s staged, offset uint64, rest []byte, err error) {
	const fixed = 46
	le := binary.LittleEndian
	if len(cd) < fixed || le.Uint32(cd) != centralMagic {
		return s, 0, nil, fmt.Errorf("central directory is damaged")
	}
	nameLen := int(le.Uint16(cd[28:]))
	if nameLen > 200 || len(cd) < fixed+nameLen {
		return s, 0, nil, fmt.Errorf("central directory is damaged")
	}
	s.crc, s.Packed, s.Size = le.Uint32(cd[16:]), uint64(le.Uint32(cd[20:])), uint64(le.Uint32(cd[24:]))
	s.Name = string(cd[fixed : fixed+nameLen])
	offset = uint64(le.Uint32(cd[42:]))
	// Encryption, other methods, comments, extra fields and data descriptors
	// would all make another header.
	if !bytes.Equal(header(s, true, offset), cd[:fixed+nameLen]) {
		return s, 0, nil, fmt.Errorf("member %q: unexpected header (encryption, comment, extra field or other method): the pack was zipped anew; ask for the file as it was issued", s.Name)
	}
	return s, offset, cd[fixed+nameLen:], nil
}

// checkName allows a-z, A-Z, 0-9, - _ . and one level of folder.
func checkName(name string) error {
	parts := strings.Split(name, "/")
	if len(parts) > 2 {
		return fmt.Errorf("member name %q is not allowed", name)
	}
	for _, p := range parts {
		if p == "" || p == "." || p == ".." {
			return fmt.Errorf("member name %q is not allowed", name)
		}
		for _, c := range p {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
				return fmt.Errorf("member name %q is not allowed", name)
			}
		}
	}
	return nil
}

// open returns a reader of a member that gives exactly the announced bytes or
// an error, and an error when the checksum differs.
func (c *container) open(name string) (io.Reader, error) {
	e, ok := c.members[name]
	if !ok {
		return nil, fmt.Errorf("member %s is missing", name)
	}
	in := &byteCounter{r: io.NewSectionReader(c.r, int64(e.offset), int64(e.packed))}
	m := &memberReader{name: name, in: in, r: in, left: e.size, packed: e.packed, crc: e.crc, sum: crc32.NewIEEE()}
	if !plain(name) {
		m.r = flate.NewReader(in)
	}
	return m, nil
}

// byteCounter counts what the inflater takes. It is an io.ByteReader so that
// the inflater takes no byte beyond its stream.
type byteCounter struct {
	r   *io.SectionReader
	buf [4096]byte
	at  int
	end int
	n   uint64
}

func (b *byteCounter) ReadByte() (byte, error) {
	if b.at == b.end {
		n, err := b.r.Read(b.buf[:])
		if n == 0 {
			return 0, err
		}
		b.at, b.end = 0, n
	}
	c := b.buf[b.at]
	b.at++
	b.n++
	return c, nil
}

func (b *byteCounter) Read(p []byte) (int, error) {
	for i := range p {
		c, err := b.ReadByte()
		if err != nil {
			if i > 0 {
				return i, nil
			}
			return 0, err
		}
		p[i] = c
	}
	return len(p), nil
}

type memberReader struct {
	name   string
	in     *byteCounter
	r      io.Reader
	left   uint64
	packed uint64
	crc    uint32
	sum    interface {
		io.Writer
		Sum32() uint32
	}
}

func (m *memberReader) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if uint64(n) > m.left {
		return 0, fmt.Errorf("member %s is longer than announced", m.name)
	}
	m.left -= uint64(n)
	m.sum.Write(p[:n])
	if err == io.EOF {
		switch {
		case m.left > 0:
			return n, fmt.Errorf("member %s is shorter than announced", m.name)
		case m.in.n != m.packed:
			return n, fmt.Errorf("member %s has bytes after its end", m.name)
		case m.sum.Sum32() != m.crc:
			return n, fmt.Errorf("member %s does not match its checksum", m.name)
		}
		return n, io.EOF
	}
	if err != nil {
		return n, fmt.Errorf("member %s: %w", m.name, err)
	}
	return n, nil
}
