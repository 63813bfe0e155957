package store

import (
	"time"
)

// The committer makes a batch (filters, seals and places it) and has it
// written. While one batch is on its way to the disk it may make the next:
// making needs the processor, writing the disk. At most one batch is on its
// way, and nothing of a later one is written before it is durable. A record
// that is placed behind others that are not durable yet is never told of
// before they are, and neither is a draft that was found to repeat one of
// them: whatever a request is answered comes after the writing.

// batchMade is a batch that is ready to be stored.
type batchMade struct {
	drafts  []*draftState // that become records; none when the log has all of it
	entries []Entry
	tiles   []Tile
	indexed []indexed    // what the index needs of the drafts
	head    Head         // once it is stored
	edge    *edge        // once it is stored
	memory  *batchMemory // that the above stand in
}

// flight is a batch on its way to the disk.
type flight struct {
	head Head
	edge *edge
	took time.Duration // of the writing
	done chan struct{} // closed when it is durable and shown, or the log stopped
}

// pace is how fast the log went last.
type pace struct {
	making  time.Duration // of one item
	writing time.Duration // of one transaction
}

// pieceItems is how many items of a large request are made durable at a time
// when the disk is fast: large enough that a further transaction costs little
// beside them.
const pieceItems = 256

// crowdedItems is the same while others wait: what is written then has their
// items made beside it, and smaller pieces would only add syncs.
const crowdedItems = 4 * pieceItems

// piece says how many of n items are made durable next while so many others
// wait. Where a transaction takes longer than making twice as many items,
// smaller ones would only add syncs.
func (p pace) piece(n, others int) int {
	size := pieceItems
	if others >= aheadItems {
		size = crowdedItems
	}
	for size < n && 2*time.Duration(size)*p.making < p.writing {
		size *= 2
	}
	if n < size+size/2 {
		return n // no small rest
	}
	return size
}

// end returns where the next record goes: behind what is on its way, or behind
// what is durable.
func (l *Log) end() (Head, *edge) {
	if l.flight != nil {
		return l.flight.head, l.flight.edge.clone()
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.head, l.edge.clone()
}

// settle waits until nothing is on its way. Only the committer calls it.
func (l *Log) settle() {
	if l.flight == nil {
		return
	}
	<-l.flight.done
	l.pace.writing = l.flight.took
	l.flight = nil
}

// rememberBeside is how many drafts are worth being remembered beside the writing.
const rememberBeside = 32

// write makes a batch durable behind the one on its way, shows it to readers
// and calls then; beside what the committer goes on to do, or before it
// returns. Nothing is written behind a batch that was not: then is given why
// the log has stopped.
func (l *Log) write(m *batchMade, beside bool, then func(error)) {
	l.settle()
	if err := l.stoppedBy(); err != nil {
		m.done()
		then(err)
		return
	}
	if len(m.drafts) == 0 {
		m.done()
		then(nil)
		return
	}
	f := &flight{head: m.head, edge: m.edge, done: make(chan struct{})}
	remembered := make(chan struct{})
	remember := func() { l.remember(m); close(remembered) }
	run := func() {
		defer close(f.done)
		begun := time.Now()
		err := l.file.Append(m.entries, m.tiles, m.head)
		f.took = time.Since(begun)
		<-remembered
		if err != nil {
			err = l.stop(err)
		} else {
			l.publish(m.indexed, m.head, m.edge)
		}
		m.done()
		then(err)
	}
	l.flight = f
	if beside {
		go run() // ends with the transaction; the committer settles before it ends
		remember()
		return
	}
	if len(m.drafts) < rememberBeside {
		remember()
	} else {
		go remember()
	}
	run()
	l.settle()
}
