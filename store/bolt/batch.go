package bolt

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"evidenced/evidence/chain"
	"evidenced/store"
)

// A batch in the journal is the head after it (4 bytes of length, JSON; nothing
// when it has no records), its checkpoints (4 bytes of count; 8 bytes size, 4 bytes of
// length and the note of each), its tiles (4 bytes of count; 1 byte level, 8 bytes
// index and the hashes of each) and its records (4 bytes of count, 8 bytes seq of the
// first; 4 bytes of length and the value of each, as the segment has it). Integers
// are big-endian.

// batch is what the segment gets at a time, cut out of such a body.
type batch struct {
	head    store.Head
	notes   []batchNote
	tiles   []batchTile
	first   uint64      // seq of the first record
	records []batchPart // the values, in order
}

// batchPart is a part of the body.
type batchPart struct{ at, size int }

type batchNote struct {
	of uint64 // size of the log that was signed
	batchPart
}

type batchTile struct {
	level int
	index uint64
	at    int // of the hashes
}

// end returns the seq after the last record; 0 when there are none.
func (b *batch) end() uint64 {
	if len(b.records) == 0 {
		return 0
	}
	return b.first + uint64(len(b.records))
}

const tileBytes = store.TileWidth * 32

// batchSize is about how long the body of an append becomes, at least.
func batchSize(entries []store.Entry, tiles []store.Tile) int {
	n := len(tiles) * (9 + tileBytes)
	for _, e := range entries {
		n += 4 + entrySize(e)
	}
	return n
}

// appendNote writes the body of a batch that is a checkpoint alone.
func appendNote(b []byte, n store.Note) []byte {
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint64(b, n.Size)
	b = binary.BigEndian.AppendUint32(b, uint32(len(n.Signed)))
	b = append(b, n.Signed...)
	return append(b, make([]byte, 4+4+8)...) // no tiles, no records
}

// appendBatch writes the body of an append behind b.
func appendBatch(b []byte, entries []store.Entry, tiles []store.Tile, head []byte) ([]byte, error) {
	b = binary.BigEndian.AppendUint32(b, uint32(len(head)))
	b = append(b, head...)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(tiles)))
	for _, t := range tiles {
		if len(t.Hashes) != tileBytes {
			return b, fmt.Errorf("a tile of %d bytes", len(t.Hashes))
		}
		b = append(b, byte(t.Level))
		b = binary.BigEndian.AppendUint64(b, t.Index)
		b = append(b, t.Hashes...)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(entries)))
	var first uint64
	if len(entries) > 0 {
		first = entries[0].Seq
	}
	b = binary.BigEndian.AppendUint64(b, first)
	for i, e := range entries {
		if e.Seq != first+uint64(i) {
			return b, fmt.Errorf("record %d at the place of record %d", e.Seq, first+uint64(i))
		}
		b = binary.BigEndian.AppendUint32(b, uint32(entrySize(e)))
		b = encodeEntry(b, e)
	}
	return b, nil
}

// readBatch cuts a body and reads the head in it.
func readBatch(body []byte) (batch, error) {
	b, head, err := cutBatch(body)
	if err != nil {
		return b, err
	}
	if len(head) > 0 {
		if err := json.Unmarshal(head, &b.head); err != nil {
			return b, fmt.Errorf("head of a batch: %w", err)
		}
	}
	if b.head.Size != b.end() {
		return b, fmt.Errorf("a batch that ends at %d has a head of size %d", b.end(), b.head.Size)
	}
	return b, nil
}

// follows reports what is wrong with the batch as the continuation of a log with
// the head; nothing when each leaf is chained to the one before.
func (b *batch) follows(head store.Head, body []byte) error {
	if len(b.records) == 0 {
		if head.Size == 0 {
			return errors.New("there is no record before it")
		}
		return nil
	}
	if b.first != head.Size || b.head.Segment != head.Segment {
		return fmt.Errorf("it has records from %d on for segment %d, and the log ends at %d in segment %d", b.first, b.head.Segment, head.Size, head.Segment)
	}
	last := head.Last
	for i, p := range b.records {
		seq := b.first + uint64(i)
		e, err := decodeEntry(seq, body[p.at:p.at+p.size], nil)
		if err != nil {
			return err
		}
		leaf, err := chain.Decode(e.Leaf)
		if err != nil {
			return fmt.Errorf("record %d: %w", seq, err)
		}
		if leaf.Seq != seq || leaf.Prev != last {
			return fmt.Errorf("record %d is not chained to the one before", seq)
		}
		last = chain.LeafHash(e.Leaf)
	}
	if last != b.head.Last {
		return errors.New("its head names another last record")
	}
	return nil
}

// cutBatch cuts a body. It leaves the head to the caller.
func cutBatch(body []byte) (b batch, head []byte, err error) {
	c := cutter{b: body}
	at, n := c.bytes(c.count(1))
	head = body[at : at+n]
	b.notes = make([]batchNote, c.count(8+4))
	for i := range b.notes {
		of := c.uint(8)
		at, n := c.bytes(c.count(1))
		b.notes[i] = batchNote{of, batchPart{at, n}}
	}
	b.tiles = make([]batchTile, c.count(1+8+tileBytes))
	for i := range b.tiles {
		t := batchTile{level: int(c.uint(1)), index: c.uint(8)}
		t.at, _ = c.bytes(tileBytes)
		b.tiles[i] = t
	}
	n = c.count(4)
	b.first = c.uint(8)
	b.records = make([]batchPart, n)
	for i := range b.records {
		at, n := c.bytes(c.count(1))
		b.records[i] = batchPart{at, n}
	}
	if c.failed || c.at != len(body) {
		return b, nil, fmt.Errorf("a batch of %d bytes does not end where its parts do", len(body))
	}
	return b, head, nil
}

// cutter walks through a body; beyond its end everything is 0.
type cutter struct {
	b      []byte
	at     int
	failed bool
}

func (c *cutter) bytes(n int) (at, size int) {
	if c.failed || n > len(c.b)-c.at {
		c.failed = true
		return 0, 0
	}
	at = c.at
	c.at += n
	return at, n
}

func (c *cutter) uint(size int) uint64 {
	at, n := c.bytes(size)
	var v uint64
	for _, x := range c.b[at : at+n] {
		v = v<<8 | uint64(x)
	}
	return v
}

// count reads a number of parts that take at least so many bytes each.
func (c *cutter) count(size int) int {
	n := int(c.uint(4))
	if n > (len(c.b)-c.at)/size {
		c.failed = true
		return 0
	}
	return n
}
