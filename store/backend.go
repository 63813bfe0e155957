package store

import (
	"errors"
	"fmt"
	"time"

	"evidenced/evidence"
)

// ErrKeyMissing says that a key is not in the keyring. Whether it was erased
// or lost is for the log to say: erased only with an erasure record.
var ErrKeyMissing = errors.New("key is not in the keyring")

// Entry is a record as stored: the leaf and the ciphertexts of its claims, in
// the leaf's order.
type Entry struct {
	Seq    uint64
	Leaf   []byte
	Claims [][]byte
}

// Head is the end of a log.
type Head struct {
	Size     uint64
	Last     evidence.Hash   // leaf hash of the newest record
	Recorded time.Time       // of the newest record
	Frontier []evidence.Hash // roots of the full subtrees, the largest first
	Segment  int             // number of the segment the next record goes to
	Intake   IntakeMark      // parts of the intake up to here are in the log
}

// IntakeMark is a position in an intake. Positions rise within an epoch; an
// intake that was begun anew has another epoch.
type IntakeMark struct {
	Epoch string `json:"epoch,omitempty"`
	Pos   uint64 `json:"pos,omitempty"`
}

// Tile is 256 complete hashes of one level (a multiple of 8) of the tree.
type Tile struct {
	Level  int // of the hashes, divided by 8
	Index  uint64
	Hashes []byte // 256 * 32 bytes
}

// TileWidth is the number of hashes in a tile.
const TileWidth = 256

// Note is a stored checkpoint.
type Note struct {
	Size   uint64
	Signed []byte
}

// LogFile is the storage of one log. Append is called by one goroutine;
// reading may go on beside it. Writes are durable once they return; after a
// failed write only reading is allowed.
type LogFile interface {
	// Head returns the stored head; the zero Head for a new log.
	Head() (Head, error)
	// First returns the seq from which on every record is kept: 0 until a
	// segment is retired.
	First() uint64
	// Segments lists the segments that are kept, the oldest first. All but the
	// last are sealed.
	Segments() []SegmentInfo
	// Keep stores what outlives the oldest segment before it is retired. It may
	// be called several times; storing the same again changes nothing.
	Keep(r Remains) error
	// Retire drops the oldest segment, which must be sealed: tiles, checkpoints
	// and the leaf hashes after the last complete tile stay readable, records
	// do not but for those given to Keep. A retired segment is retired again
	// without effect, and a retirement that was cut off is completed when the
	// log is opened.
	Retire(number int) error
	// Retired lists the retired segments, the oldest first.
	Retired() []SegmentInfo
	// RetiredHashes returns the leaf hashes of the retired records [from,
	// First()), of which those after the last complete tile are kept.
	RetiredHashes(from uint64) ([]evidence.Hash, error)
	// KeptRecords calls fn for each record that outlives its segment, in order,
	// with what Keep was given to open it.
	KeptRecords(fn func(e Entry, opening []byte) error) error
	// KeptPostings calls fn for the postings given to Keep, sorted by bucket
	// and key.
	KeptPostings(fn func(Posting) error) error
	// Append stores entries, complete tiles and the new head in one
	// transaction. A head naming a new segment opens it. The list of entries and
	// what they hold are used again once it returns.
	Append(entries []Entry, tiles []Tile, head Head) error
	// Drain returns when what was appended is where it stays. It is durable
	// before; this is for those who measure or copy.
	Drain() error
	// Entry reads one record; ErrNoEntry when it is not there, ErrRetired when
	// it went with its segment.
	Entry(seq uint64) (Entry, error)
	// Entries calls fn for the records with the seqs, which rise. The entry's
	// slices are valid only during the call. A record that is not there ends it
	// with ErrNoEntry or ErrRetired.
	Entries(seqs []uint64, fn func(i int, e Entry) error) error
	// Scan calls fn for the records [from, to) in order. The entry's slices
	// are valid only during the call.
	Scan(from, to uint64, fn func(Entry) error) error
	// Tile reads the hashes of a complete tile.
	Tile(level int, index uint64) ([]byte, error)
	// PutNote stores a signed checkpoint.
	PutNote(n Note) error
	// NoteAt returns the newest stored checkpoint of at most the size; a zero
	// Note when there is none.
	NoteAt(size uint64) (Note, error)
	// Bytes returns the size on disk of the current segment.
	Bytes() int64
	Close() error
}

// ErrNoEntry says that a record is not in the log.
var ErrNoEntry = errors.New("no such record")

// ErrIndexDamaged says that a part of an index is not what was stored. The
// index can be derived again.
var ErrIndexDamaged = errors.New("the index is damaged")

// ErrRetired says that a record was in the log and went with its segment. It
// is an ErrNoEntry.
var ErrRetired = fmt.Errorf("%w any more: it was retired under retention", ErrNoEntry)

// SegmentInfo describes a segment: the records [First, Next), recorded from
// Oldest to Newest.
type SegmentInfo struct {
	Number int       `json:"number"`
	First  uint64    `json:"first"`
	Next   uint64    `json:"next"`
	Oldest time.Time `json:"oldest"`
	Newest time.Time `json:"newest"`
	Sealed bool      `json:"sealed"` // read-only: nothing is added any more
	Bytes  int64     `json:"bytes"`  // on disk; of a retired segment, before it was dropped
}

// Remains is what outlives a segment: records, each with a sealed value that opens
// its content without the segment's data key (empty for one whose leaf alone is
// kept), and postings by which
// de-duplication knows the dropped ones.
type Remains struct {
	Entries  []Entry
	Openings [][]byte // by entry
	Postings []Posting
}

// Posting is one entry of a derived index.
type Posting struct {
	Bucket byte
	Key    []byte
	Value  []byte
}

// When is the end of most keys of an index: a time and a seq, 8 bytes each.
type When [16]byte

// Index is an ordered map that can be thrown away and rebuilt.
type Index interface {
	// Watermark returns how many records of the log are indexed.
	Watermark() (uint64, error)
	// What is found damaged, here and below, is ErrIndexDamaged.
	//
	// Apply stores postings and then the watermark; of two with the same key
	// the later one holds. The watermark never survives without the postings.
	Apply(ps []Posting, watermark uint64) error
	// Get returns the value of one posting as the index stands now; nil when
	// there is none.
	Get(bucket byte, key []byte) ([]byte, error)
	// Last returns the last posting whose key is the prefix and something at or
	// before the limit, as the index stands now; false when there is none. It is
	// for buckets whose keys all end with a When, behind prefixes of which none
	// begins another.
	Last(bucket byte, prefix []byte, limit When) (When, []byte, bool, error)
	// View opens a snapshot; it must be closed.
	View() (IndexView, error)
	// Reset empties the index.
	Reset() error
	Close() error
}

// IndexView is a snapshot of an Index, for one goroutine. A posting that
// cannot be read counts as not there until Close says why; an answer stands
// only when Close returns nil.
type IndexView interface {
	// SeekGE returns the first posting of the bucket at or after key; nil when
	// there is none.
	SeekGE(bucket byte, key []byte) (k, v []byte)
	// SeekLT returns the last posting of the bucket before key.
	SeekLT(bucket byte, key []byte) (k, v []byte)
	// From returns the first posting whose key is the prefix and something at
	// or after the limit, Before the last one with something before it; false
	// when there is none. They are for the same buckets as Last, and look only at
	// what is of the time.
	From(bucket byte, prefix []byte, limit When) (When, []byte, bool)
	Before(bucket byte, prefix []byte, limit When) (When, []byte, bool)
	Close() error
}

// Cursors keeps small sealed values by name: resume cursors of sources.
type Cursors interface {
	Cursor(name string) ([]byte, error) // nil when there is none
	PutCursor(name string, value []byte) error
}

// IntakeFrame is one log's part of a batch, as an intake keeps it.
type IntakeFrame struct {
	Log  string // log id
	Pos  uint64 // given by the intake
	Body []byte // sealed
}

// Intake keeps batches for many logs durable until the logs have taken them.
// It may be used by several goroutines.
type Intake interface {
	// Epoch names the row of positions.
	Epoch() string
	// Put makes the frames durable with one sync and gives them their
	// positions; then it calls accepted, in order of positions across all
	// callers. Accepted must not wait for anything.
	Put(frames []IntakeFrame, accepted func([]IntakeFrame)) error
	// Taken says that the logs have the frames now.
	Taken(positions ...uint64) error
	// Waiting lists the frames not taken, without bodies, in order.
	Waiting() []IntakeFrame
	// Body reads the body of a frame that is not taken.
	Body(pos uint64) ([]byte, error)
	// Bytes says how much is kept for a log.
	Bytes(log string) int64
	Close() error
}

// Backend makes the storage of logs, by log id.
type Backend interface {
	Open(logID string, create bool) (LogFile, Index, error)
	Logs() ([]string, error)
	// End retires every segment of a log that is not open, the newest too, and
	// removes its index: hashes and checkpoints stay. It may be repeated.
	End(logID string) error
	// Ended returns the end of a log that was ended and its newest checkpoint;
	// false when it was not.
	Ended(logID string) (Head, Note, bool, error)
	Cursors
	Close() error
}

// Keyring holds the keys of all tenants.
type Keyring interface {
	// Tenants lists the tenants that have a log.
	Tenants() ([]evidence.Tenant, error)
	// Tenant returns the keys of a tenant's log; with create it makes them
	// durable first. Without, an unknown tenant is ErrKeyMissing.
	Tenant(t evidence.Tenant, create bool) (TenantKeys, error)
	// Seal and Open protect the daemon's own small values, bound to a name.
	Seal(name string, plain []byte) ([]byte, error)
	Open(name string, sealed []byte) ([]byte, error)
	Destroyer
}

// TenantKeys are the keys of one tenant's log. It may be used by several
// goroutines.
type TenantKeys interface {
	LogID() string
	// DataKey returns the data key of a segment, made durable if it is new.
	DataKey(segment int) (id string, key []byte, err error)
	// Derived returns the key for the purpose: lookup, index or dedup.
	Derived(purpose string) ([]byte, error)
	// People returns the token and key of each identity, allotting and making
	// durable what is new, in one transaction.
	People(ids []Identity) ([]PersonKey, error)
	// Key returns a key by id; ErrKeyMissing when it is gone.
	Key(id string) ([]byte, error)
	PersonLookup
	DataKeys
}

// Identity is a person at a source.
type Identity struct{ Realm, NativeID string }

// PersonKey is the token and key of a person in one tenant.
type PersonKey struct {
	Token evidence.ID
	KeyID string
	Key   []byte
}
