package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A run is made of blocks of one size:
//
//	0  4  CRC-32C of the block's number (4 bytes) and of what follows
//	4  1  level: 0 holds postings, n the first keys of blocks of level n-1;
//	      or one of the two below
//	6  2  number of entries
//	8     entries: length of key, length of value (one byte each), key, value
//	end   where each entry stands, 2 bytes each, the first entry's last
//
// All integers are big-endian. A key begins with its bucket. The value of an
// entry above level 0 is the number of a block (4 bytes), which is smaller
// than that of its own. A block is whole from the first to the last byte, so
// its place in the file is its number times its size.
const (
	blockSize  = 4096
	blockHead  = 8
	levelBloom = 0xfe // lines of the filter
	levelEnd   = 0xff // what the run is
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func blockSum(b []byte, number uint32) uint32 {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], number)
	return crc32.Update(crc32.Update(0, castagnoli, n[:]), castagnoli, b[4:blockSize])
}

type block []byte

func (b block) level() byte { return b[4] }

func (b block) len() int { return int(binary.BigEndian.Uint16(b[6:])) }

func (b block) at(i int) int { return int(binary.BigEndian.Uint16(b[blockSize-2*(i+1):])) }

func (b block) key(i int) []byte {
	o := b.at(i)
	return b[o+2 : o+2+int(b[o])]
}

func (b block) entry(i int) (key, val []byte) {
	o := b.at(i)
	k, v := int(b[o]), int(b[o+1])
	return b[o+2 : o+2+k : o+2+k], b[o+2+k : o+2+k+v : o+2+k+v]
}

// child returns the block that the i-th entry leads to.
func (b block) child(i int) uint32 {
	_, v := b.entry(i)
	return binary.BigEndian.Uint32(v)
}

// notBefore returns the first entry at or after the key.
func (b block) notBefore(key []byte) int {
	i, j := 0, b.len()
	for i < j {
		if h := int(uint(i+j) >> 1); bytes.Compare(b.key(h), key) < 0 {
			i = h + 1
		} else {
			j = h
		}
	}
	return i
}

// leading returns the last entry at or before the key, or the first.
func (b block) leading(key []byte) int {
	i, j := 0, b.len()
	for i < j {
		if h := int(uint(i+j) >> 1); bytes.Compare(b.key(h), key) <= 0 {
			i = h + 1
		} else {
			j = h
		}
	}
	return max(i-1, 0)
}

// check looks at a block before anything else does: its sum, and that nothing
// in it leads out of it.
func (b block) check(number uint32) error {
	if binary.BigEndian.Uint32(b) != blockSum(b, number) {
		return fmt.Errorf("block %d is damaged", number)
	}
	if b.level() >= levelBloom {
		return nil
	}
	n := b.len()
	end := blockSize - 2*n
	if end < blockHead || n == 0 {
		return fmt.Errorf("block %d has %d entries", number, n)
	}
	for i := range n {
		o := b.at(i)
		if o < blockHead || o+2 > end || o+2+int(b[o])+int(b[o+1]) > end || b[o] == 0 {
			return fmt.Errorf("block %d: entry %d does not lie in it", number, i)
		}
		if b.level() > 0 && (b[o+1] != 4 || b.child(i) >= number) {
			return fmt.Errorf("block %d: entry %d leads nowhere", number, i)
		}
	}
	return nil
}

// blockWriter fills a block.
type blockWriter struct {
	b   block
	n   int
	end int // of the entries
}

func (w *blockWriter) reset(level byte) {
	if w.b == nil {
		w.b = make(block, blockSize)
	} else {
		clear(w.b)
	}
	w.b[4] = level
	w.n, w.end = 0, blockHead
}

func (w *blockWriter) fits(key, val []byte) bool {
	return w.end+2+len(key)+len(val)+2*(w.n+1) <= blockSize
}

func (w *blockWriter) add(key, val []byte) {
	o := w.end
	w.b[o], w.b[o+1] = byte(len(key)), byte(len(val))
	copy(w.b[o+2:], key)
	copy(w.b[o+2+len(key):], val)
	w.n++
	w.end = o + 2 + len(key) + len(val)
	binary.BigEndian.PutUint16(w.b[blockSize-2*w.n:], uint16(o))
}

// close makes the block whole.
func (w *blockWriter) close(number uint32) block {
	binary.BigEndian.PutUint16(w.b[6:], uint16(w.n))
	binary.BigEndian.PutUint32(w.b, blockSum(w.b, number))
	return w.b
}
