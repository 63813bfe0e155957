package bolt

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sync"

	bolt "go.etcd.io/bbolt"

	"evidenced/store"
)

// writer is a transaction of a segment that takes records.
type writer struct {
	records, tiles, notes *bolt.Bucket
	key                   [8]byte
}

// writer begins the taking of batches up to the number, after which the head is
// the one given, or as before when that has no size.
func (f *logFile) writer(tx *bolt.Tx, s *segment, head store.Head, number uint64) (*writer, error) {
	var w writer
	var hb *bolt.Bucket
	for _, b := range []struct {
		name []byte
		to   **bolt.Bucket
	}{{records, &w.records}, {tiles, &w.tiles}, {notes, &w.notes}, {heads, &hb}} {
		var err error
		if *b.to, err = bucket(tx, b.name); err != nil {
			return nil, err
		}
	}
	if err := f.begin(hb, s); err != nil {
		return nil, err
	}
	if head.Size > 0 {
		v, err := json.Marshal(head)
		if err != nil {
			return nil, err
		}
		if err := hb.Put(headKey, v); err != nil {
			return nil, err
		}
	}
	return &w, hb.Put(takenKey, seqKey(number))
}

// record puts a record, whose value must stay as it is until the transaction
// ends.
func (w *writer) record(seq uint64, value []byte) error {
	binary.BigEndian.PutUint64(w.key[:], seq) // bbolt copies a key at once
	if err := w.records.Put(w.key[:], value); err != nil {
		return fmt.Errorf("record %d: %w", seq, err)
	}
	return nil
}

// values are buffers for bodies; one larger than maxValues is not kept.
var values = sync.Pool{New: func() any { return new([]byte) }}

// Sizes of such buffers, in bytes.
const (
	maxValues  = 4 << 20
	valuesStep = 64 << 10
)

// getValues returns a buffer with room for so many bytes.
func getValues(size int) *[]byte {
	buf := values.Get().(*[]byte)
	if cap(*buf) < size {
		// Somewhat more, so that the next batch fits too.
		*buf = make([]byte, 0, (size/valuesStep+1)*valuesStep)
	}
	return buf
}

func putValues(buf *[]byte) {
	if cap(*buf) <= maxValues {
		values.Put(buf)
	}
}
