package store

import (
	"time"

	"evidenced/evidence"
)

// File is the storage below the log.
func (l *Log) File() LogFile { return l.file }

// BreakSignState lets the next write to the sign-state fail.
func (l *Log) BreakSignState() { _ = l.sign.f.Close() }

// ForgeErasure makes the index say that record seq erased the key.
func (l *Log) ForgeErasure(seq uint64, at time.Time, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail.add([]indexed{{seq: seq, kind: evidence.Erasure, at: at, op: evidence.OpEvent, links: []evidence.Ref{evidence.NewRef("key", "", id)}}})
}

// WhyClosed tells an erased key from a lost one.
func (l *Log) WhyClosed(id string) string { return l.whyClosed([]string{id}) }

// Waiting is how many items wait for the committer.
func (l *Log) Waiting() int { return l.queue.ahead() }

// Piece says how many of n items are made durable at a time while others wait.
func Piece(n, others int, making, writing time.Duration) int {
	return pace{making, writing}.piece(n, others)
}
