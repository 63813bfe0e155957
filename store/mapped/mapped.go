// Package mapped opens bbolt files so that damage in them is an error. bbolt
// maps the file and trusts its pages: only the two meta pages have a checksum.
// A page that is not what its number says ends in a panic, and one that leads
// out of the file in a memory fault, which would end the process. Here both
// come back as a problem of code corrupt that names the file, so that one
// damaged file stops one log and not the daemon.
//
// Before a file is mapped its branch pages are looked at: see Check.
//
// What neither notices (changed bytes within a page that still hangs
// together) is for the hashes and seals above to find.
package mapped

import (
	"cmp"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"evidenced/evidence/problem"
)

// DB is an open file. View and Update replace those of bbolt; the other ways
// of bbolt to a transaction are not guarded.
type DB struct {
	*bbolt.DB
	path string
	// stuck says that a panic may have left bbolt's locks held: closing would
	// wait for them for ever.
	stuck atomic.Bool
}

// ErrDamaged says that a file is no whole bbolt file.
var ErrDamaged = errors.New("the file is damaged")

// Open opens the file, making it when it is not there. The options must not
// ask for NoFreelistSync: with it bbolt walks every page of the file when it
// opens it, in a goroutine whose panics nobody can take back.
func Open(path string, o *bbolt.Options) (*DB, error) {
	if o.NoFreelistSync {
		return nil, fmt.Errorf("open %s: a file without a free list cannot be opened safely", path)
	}
	d := &DB{path: path}
	if err := check(path, !o.ReadOnly); err != nil {
		return nil, err
	}
	err := d.guard(func() (err error) {
		d.DB, err = bbolt.Open(path, 0o600, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// View is bbolt's View.
func (d *DB) View(fn func(*bbolt.Tx) error) (err error) {
	tx, err := d.begin(false)
	if err != nil {
		return err
	}
	defer func() { err = first(err, d.end(tx)) }()
	return d.guard(func() error { return fn(tx) })
}

// Update is bbolt's Update. After a panic nothing of it is stored, unless it
// came so late that the new meta page was written; the error does not tell.
func (d *DB) Update(fn func(*bbolt.Tx) error) (err error) {
	tx, err := d.begin(true)
	if err != nil {
		return err
	}
	defer func() { err = first(err, d.end(tx)) }()
	return d.guard(func() error {
		if err := fn(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}

func (d *DB) begin(writable bool) (tx *bbolt.Tx, err error) {
	if d.stuck.Load() {
		return nil, d.damaged("an earlier transaction did not end")
	}
	entered := false
	defer func() {
		if !entered {
			d.stuck.Store(true)
		}
	}()
	err = d.guard(func() (err error) {
		tx, err = d.DB.Begin(writable)
		entered = true
		return err
	})
	return tx, err
}

// end rolls a transaction back that was not committed.
func (d *DB) end(tx *bbolt.Tx) error {
	ended := false
	err := d.guard(func() error {
		if err := tx.Rollback(); err != nil && !errors.Is(err, berrors.ErrTxClosed) {
			return err
		}
		ended = true
		return nil
	})
	if !ended {
		d.stuck.Store(true)
	}
	return err
}

// first keeps an error as it is when it is the only one: callers compare.
func first(err, end error) error {
	if err == nil || end == nil {
		return cmp.Or(err, end)
	}
	return errors.Join(err, end)
}

// Close closes the file. One whose transaction did not end stays open until
// the process ends.
func (d *DB) Close() error {
	if d.stuck.Load() {
		return nil
	}
	return d.guard(d.DB.Close)
}

// outside carries a panic of the caller's own code through bbolt.
type outside struct{ value any }

// Outside runs code that is not about the file, within a transaction: its
// panics are its own. A memory fault is still the file's: the code may read
// bytes that lie in it.
func Outside(fn func() error) error {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case fault:
			panic(p)
		default:
			panic(outside{p})
		}
	}()
	return fn()
}

// fault is the panic of a memory fault at an address outside the process.
type fault interface {
	error
	Addr() uintptr
}

// guard runs fn and makes panics and memory faults problems.
func (d *DB) guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch p := recover().(type) {
		case nil:
		case outside:
			panic(p.value)
		case fault:
			err = d.damaged("a page lies beyond its end")
		default:
			err = d.damaged(fmt.Sprint(p))
		}
	}()
	return fn()
}

// maxWhy bounds what is told of a panic, in bytes.
const maxWhy = 200

func (d *DB) damaged(why string) error {
	if len(why) > maxWhy {
		why = why[:maxWhy]
	}
	return damaged(d.path, why)
}

func damaged(path, why string) error {
	return problem.Wrap(problem.Corrupt, fmt.Errorf("%w: %s", ErrDamaged, why), "%s", path).
		WithHint("keep a copy of the file, look at the disk, and bring the newest good copy back")
}
