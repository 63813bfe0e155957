package mapped

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"

	"evidenced/evidence/problem"
)

// The layout of a bbolt file (version 2), in the byte order of the machine. A
// page begins with its number (8 bytes), kind and count of elements (2 each)
// and how many pages follow that belong to it (4). An element of a branch page
// is where its key is, from the element on, the key's length (4 each) and the
// page below (8); one of a leaf page flags, where its key is, and the lengths
// of key and value (4 each). A bucket's value begins with the number of its
// root page, zero when its only page follows inline. The first two pages are
// meta pages: magic, version, page size, flags (4 each), root page and
// sequence, page of the free list, count of pages, transaction (8 each), and
// FNV-1a of these.
const (
	pageHeader  = 16
	element     = 16
	metaLength  = 56
	bucketValue = 16

	boltMagic   = 0xED0CDAED
	boltVersion = 2

	branchPage   = 0x01
	leafPage     = 0x02
	freePage     = 0x10
	bucketFlag   = 0x01
	noFreeList   = ^uint64(0)
	maxPageSize  = 16 << 20
	firstPayload = 2 // pages 0 and 1 are the meta pages
)

type meta struct {
	root, free, pages, tx uint64
	pageSize              int64
}

// readMeta reads the meta page at the offset; false when it is damaged.
func readMeta(r io.ReaderAt, off int64) (m meta, ok bool) {
	var b [pageHeader + metaLength + 8]byte
	if _, err := r.ReadAt(b[:], off); err != nil {
		return m, false
	}
	e, v := binary.NativeEndian, b[pageHeader:]
	sum := fnv.New64a()
	sum.Write(v[:metaLength])
	if e.Uint32(v) != boltMagic || e.Uint32(v[4:]) != boltVersion || e.Uint64(v[metaLength:]) != sum.Sum64() {
		return m, false
	}
	m = meta{root: e.Uint64(v[16:]), free: e.Uint64(v[32:]), pages: e.Uint64(v[40:]), tx: e.Uint64(v[48:]), pageSize: int64(e.Uint32(v[8:]))}
	return m, m.pageSize >= 1024 && m.pageSize <= maxPageSize
}

// newestMeta finds the meta page that holds: the newer of the two that are
// whole.
func newestMeta(r io.ReaderAt, size int64) (meta, bool) {
	first, ok := readMeta(r, 0)
	if ok {
		if second, ok := readMeta(r, first.pageSize); ok && second.tx > first.tx {
			return second, true
		}
		return first, true
	}
	for at := int64(1024); at <= maxPageSize && at < size; at *= 2 {
		if m, ok := readMeta(r, at); ok && m.pageSize == at {
			return m, true
		}
	}
	return meta{}, false
}

// Check looks whether the pages hang together before bbolt maps the file:
// it has all its pages, the branch pages make a tree without a circle, in which
// bbolt would walk until its stack ends the process, and no page of the tree is
// in the free list, from where bbolt would write over it. Leaf pages are not
// read, but for the few that hold buckets: a file of a gigabyte has about a
// hundred branch pages. A file that is not there, or empty, is fine: bbolt
// makes it. What it finds wrong is ErrDamaged, of code corrupt.
func Check(path string) error { return check(path, true) }

func check(path string, writes bool) error {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return problem.Wrap(problem.Storage, err, "look at the pages")
	}
	defer f.Close()
	err = checkFile(f, writes)
	var at *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &at):
		return problem.Wrap(problem.Storage, err, "look at the pages")
	}
	return damaged(path, err.Error())
}

func checkFile(f *os.File, writes bool) error {
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return err
	}
	m, ok := newestMeta(f, st.Size())
	if !ok {
		return errNoMeta
	}
	if m.pages > uint64(st.Size()/m.pageSize) {
		return fmt.Errorf("%d bytes, want %d pages of %d", st.Size(), m.pages, m.pageSize)
	}
	c := checker{f: f, m: m, seen: make(map[uint64]bool), few: m.pages > allLeaves, none: !writes}
	if err := c.readFree(); err != nil {
		return err
	}
	return c.bucket(m.root, 0)
}

var errNoMeta = errors.New("no whole meta page")

// CheckSealed is Check for a file that nobody writes to any more: both its meta
// pages must be whole. In a file that is written to, one may be torn by a crash,
// and the transaction before it holds; here that would silently take the last
// one away.
func CheckSealed(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return problem.Wrap(problem.Storage, err, "look at the pages")
	}
	defer f.Close()
	m, ok := readMeta(f, 0)
	if ok {
		_, ok = readMeta(f, m.pageSize)
	}
	if !ok {
		return damaged(path, "a meta page is not whole")
	}
	return nil
}

type checker struct {
	f    *os.File
	m    meta
	seen map[uint64]bool // pages of the tree, of the free list, and free ones
	few  bool            // not every leaf is looked at
	none bool            // none of them is, but for its kind
}

// take notes that a page has a use; each has one.
func (c *checker) take(id uint64) error {
	if id < firstPayload || id >= c.m.pages {
		return fmt.Errorf("page %d of %d is referred to", id, c.m.pages)
	}
	if c.seen[id] {
		return fmt.Errorf("page %d has two uses", id)
	}
	c.seen[id] = true
	return nil
}

// page reads a page and those that belong to it.
func (c *checker) page(id uint64) (kind uint16, count int, b []byte, err error) {
	b = make([]byte, c.m.pageSize)
	if _, err := c.f.ReadAt(b, int64(id)*c.m.pageSize); err != nil {
		return 0, 0, nil, err
	}
	e := binary.NativeEndian
	if n := e.Uint64(b); n != id {
		return 0, 0, nil, fmt.Errorf("page %d says that it is page %d", id, n)
	}
	over := uint64(e.Uint32(b[12:]))
	if err := c.takeRest(id, over); err != nil {
		return 0, 0, nil, err
	}
	if over > 0 {
		rest := make([]byte, int64(over)*c.m.pageSize)
		if _, err := c.f.ReadAt(rest, int64(id+1)*c.m.pageSize); err != nil {
			return 0, 0, nil, err
		}
		b = append(b, rest...)
	}
	return e.Uint16(b[8:]), int(e.Uint16(b[10:])), b, nil
}

// readFree takes the free pages and those of the free list.
func (c *checker) readFree() error {
	if c.m.free == noFreeList {
		return nil
	}
	if err := c.take(c.m.free); err != nil {
		return err
	}
	kind, count, b, err := c.page(c.m.free)
	if err != nil {
		return err
	}
	e, ids := binary.NativeEndian, b[pageHeader:]
	if kind != freePage {
		return fmt.Errorf("page %d is not the free list", c.m.free)
	}
	if count == 0xffff { // the true count stands before the list
		n := e.Uint64(ids)
		if ids = ids[8:]; n > uint64(len(ids)/8) {
			return fmt.Errorf("the free list has %d pages in %d bytes", n, len(ids))
		}
		count = int(n)
	}
	if count > len(ids)/8 {
		return fmt.Errorf("the free list has %d pages in %d bytes", count, len(ids))
	}
	for i := range count {
		if err := c.take(e.Uint64(ids[i*8:])); err != nil {
			return fmt.Errorf("free list: %w", err)
		}
	}
	return nil
}

// maxDepth bounds buckets in buckets and branches below branches; both have a
// handful in a sound file.
const maxDepth = 64

// bucket checks the tree of a bucket. Of the pages below a branch page the
// first tells whether all of them are leaf pages: bbolt's trees are even.
func (c *checker) bucket(id uint64, depth int) error {
	if err := c.take(id); err != nil {
		return err
	}
	return c.below(id, depth)
}

func (c *checker) below(id uint64, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d lies too deep", id)
	}
	kind, count, b, err := c.page(id)
	if err != nil {
		return err
	}
	if pageHeader+count*element > len(b) {
		return fmt.Errorf("page %d has %d elements", id, count)
	}
	switch kind {
	case leafPage:
		return c.buckets(b[pageHeader:], count, depth)
	case branchPage:
	default:
		return fmt.Errorf("page %d is of kind %#x", id, kind)
	}
	e := binary.NativeEndian
	for i := range count {
		el := b[pageHeader+i*element:]
		if at := uint64(e.Uint32(el)) + uint64(e.Uint32(el[4:])); at > uint64(len(el)) {
			return fmt.Errorf("page %d: a key lies outside", id)
		}
		if err := c.take(e.Uint64(el[8:])); err != nil {
			return err
		}
	}
	leaves := false
	for i := range count {
		child := e.Uint64(b[pageHeader+i*element+8:])
		if leaves && (c.none || c.few && i < count-1) {
			continue
		}
		kind, err := c.header(child)
		if err != nil {
			return err
		}
		if i == 0 {
			leaves = kind == leafPage
		}
		if leaves != (kind == leafPage) {
			return fmt.Errorf("page %d: branches and leaves lie side by side", id)
		}
		if leaves {
			continue
		}
		if err := c.below(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// allLeaves is how many pages a file has at most of which all leaves are looked
// at.
const allLeaves = 4 << 10

// header reads the header of a page alone, and takes what belongs to a leaf
// page. The root bucket, whose leaves hold buckets, is never so large that it
// has branches here.
func (c *checker) header(id uint64) (kind uint16, err error) {
	var b [pageHeader]byte
	if _, err := c.f.ReadAt(b[:], int64(id)*c.m.pageSize); err != nil {
		return 0, err
	}
	e := binary.NativeEndian
	if n := e.Uint64(b[:]); n != id {
		return 0, fmt.Errorf("page %d says that it is page %d", id, n)
	}
	if kind = e.Uint16(b[8:]); kind != leafPage {
		return kind, nil
	}
	return kind, c.takeRest(id, uint64(e.Uint32(b[12:])))
}

// takeRest takes the pages that belong to a page.
func (c *checker) takeRest(id, over uint64) error {
	if id+over >= c.m.pages {
		return fmt.Errorf("page %d reaches beyond the end", id)
	}
	for n := id + 1; n <= id+over; n++ {
		if err := c.take(n); err != nil {
			return err
		}
	}
	return nil
}

// buckets checks the buckets that the elements of a leaf page hold.
func (c *checker) buckets(els []byte, count, depth int) error {
	e := binary.NativeEndian
	for i := range count {
		el := els[i*element:]
		pos, ksize, vsize := uint64(e.Uint32(el[4:])), uint64(e.Uint32(el[8:])), uint64(e.Uint32(el[12:]))
		if pos+ksize+vsize > uint64(len(el)) {
			return fmt.Errorf("an element lies outside its page")
		}
		if e.Uint32(el)&bucketFlag == 0 {
			continue
		}
		if vsize < bucketValue {
			return fmt.Errorf("a bucket has %d bytes", vsize)
		}
		v := el[pos+ksize:]
		root := e.Uint64(v)
		if root == 0 {
			if err := inline(v[bucketValue:vsize]); err != nil {
				return err
			}
			continue
		}
		if err := c.bucket(root, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// inline checks the page of a bucket that has no page of its own.
func inline(b []byte) error {
	e := binary.NativeEndian
	if len(b) < pageHeader {
		return fmt.Errorf("a bucket's page has %d bytes", len(b))
	}
	count := int(e.Uint16(b[10:]))
	if e.Uint16(b[8:]) != leafPage || pageHeader+count*element > len(b) {
		return fmt.Errorf("a bucket's page is of kind %#x with %d elements", e.Uint16(b[8:]), count)
	}
	for i := range count {
		el := b[pageHeader+i*element:]
		if uint64(e.Uint32(el[4:]))+uint64(e.Uint32(el[8:]))+uint64(e.Uint32(el[12:])) > uint64(len(el)) {
			return fmt.Errorf("an element lies outside its bucket")
		}
	}
	return nil
}
