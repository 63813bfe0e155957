package storetest

import (
	"errors"
	"sync"

	"evidenced/evidence"
	"evidenced/store"
)

// ErrCrash is what every write gives after the machine went down.
var ErrCrash = errors.New("the machine went down")

// Crash takes a machine down at a chosen durable write of a backend or a
// keyring: after it nothing is written any more. The zero value never does.
type Crash struct {
	// Done says that the last write still reaches the disk, and only its
	// acknowledgement is lost.
	Done bool

	mu    sync.Mutex
	armed bool
	left  int
	down  bool
}

// After lets so many writes happen; the next takes the machine down.
func (c *Crash) After(writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed, c.left = true, writes
}

// Never lets all further writes happen.
func (c *Crash) Never() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = false
}

// Options puts the crash between a store and what it is made of.
func (c *Crash) Options(o *store.Options) {
	o.Backend, o.Keys = crashBackend{o.Backend, c}, crashRing{o.Keys, c}
}

func (c *Crash) write(do func() error) error {
	c.mu.Lock()
	if c.down {
		c.mu.Unlock()
		return ErrCrash
	}
	last := c.armed && c.left == 0
	c.left--
	c.down = last
	c.mu.Unlock()
	if !last {
		return do()
	}
	if c.Done {
		if err := do(); err != nil {
			return err
		}
	}
	return ErrCrash
}

type crashBackend struct {
	store.Backend
	c *Crash
}

func (b crashBackend) Open(id string, create bool) (store.LogFile, store.Index, error) {
	f, ix, err := b.Backend.Open(id, create)
	if err != nil {
		return nil, nil, err
	}
	return crashFile{f, b.c}, ix, nil
}

func (b crashBackend) End(id string) error {
	return b.c.write(func() error { return b.Backend.End(id) })
}

type crashFile struct {
	store.LogFile
	c *Crash
}

func (f crashFile) Append(es []store.Entry, ts []store.Tile, h store.Head) error {
	return f.c.write(func() error { return f.LogFile.Append(es, ts, h) })
}

func (f crashFile) PutNote(n store.Note) error {
	return f.c.write(func() error { return f.LogFile.PutNote(n) })
}

func (f crashFile) Keep(k store.Remains) error {
	return f.c.write(func() error { return f.LogFile.Keep(k) })
}

func (f crashFile) Retire(n int) error {
	return f.c.write(func() error { return f.LogFile.Retire(n) })
}

type crashRing struct {
	store.Keyring
	c *Crash
}

func (k crashRing) Tenant(t evidence.Tenant, create bool) (store.TenantKeys, error) {
	keys, err := k.Keyring.Tenant(t, create)
	if err != nil {
		return nil, err
	}
	return crashKeys{keys, k.c}, nil
}

func (k crashRing) DestroyTenantKeys(t evidence.Tenant, id string) error {
	return k.c.write(func() error { return k.Keyring.(store.TenantDestroyer).DestroyTenantKeys(t, id) })
}

type crashKeys struct {
	store.TenantKeys
	c *Crash
}

func (k crashKeys) DestroyDataKey(segment int) error {
	return k.c.write(func() error { return k.TenantKeys.(store.SegmentKeys).DestroyDataKey(segment) })
}
