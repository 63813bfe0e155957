package index

import (
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is the file system under one index. Pebble ends the process when it
// cannot write its manifest, and tries a table again at once, for ever, when it
// cannot write that. An index may not do either: it holds no truth, and other
// tenants live in the process. So errors of the manifest and of directory syncs
// are kept from Pebble, a failed write makes it wait, and the index says of
// itself from then on that it cannot be written. What the files hold is thrown
// away when the index is closed; after a crash the files are as of an earlier
// moment, or damaged, and Pebble tells.
type disk struct {
	vfs.FS
	failed chan struct{} // closed by the first failure
	once   sync.Once
	mu     sync.Mutex
	err    error // the first
}

func newDisk(fs vfs.FS) *disk { return &disk{FS: fs, failed: make(chan struct{})} }

// pause is how long a failed write waits before Pebble hears of it and tries
// again.
const pause = time.Second

// fail notes a failure.
func (d *disk) fail(err error) {
	if err == nil {
		return
	}
	d.once.Do(func() {
		d.mu.Lock()
		d.err = err
		d.mu.Unlock()
		close(d.failed)
	})
}

// failure is the first failure; nil while there was none.
func (d *disk) failure() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// slow notes a failure and holds the caller up.
func (d *disk) slow(err error) error {
	if err != nil {
		d.fail(err)
		time.Sleep(pause)
	}
	return err
}

// fatal reports whether Pebble ends the process when it cannot write the file.
func (d *disk) fatal(name string) bool {
	base := d.PathBase(name)
	return strings.HasPrefix(base, "MANIFEST-") || strings.HasPrefix(base, "marker.")
}

// Create implements vfs.FS.
func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	if err == nil {
		return &diskFile{f, d, d.fatal(name)}, nil
	}
	if d.fatal(name) {
		d.fail(err)
		f, err = vfs.NewMem().Create("lost", c)
		return &diskFile{f, d, true}, err
	}
	return nil, d.slow(err)
}

// OpenReadWrite implements vfs.FS.
func (d *disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name, c, o...)
	if err != nil {
		return nil, err
	}
	return &diskFile{f, d, d.fatal(name)}, nil
}

// OpenDir implements vfs.FS.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &diskFile{f, d, true}, nil
}

// diskFile is a file that is written.
type diskFile struct {
	vfs.File
	d *disk
	// hidden says that Pebble is not told of failures. After the first nothing
	// more is written, so that the file is as of that moment.
	hidden bool
}

func (f *diskFile) told(err error) error {
	if f.hidden {
		f.d.fail(err)
		return nil
	}
	return f.d.slow(err)
}

// Write implements vfs.File.
func (f *diskFile) Write(p []byte) (int, error) {
	if f.hidden && f.d.failure() != nil {
		return len(p), nil
	}
	n, err := f.File.Write(p)
	if err = f.told(err); err == nil {
		n = len(p)
	}
	return n, err
}

// Sync implements vfs.File.
func (f *diskFile) Sync() error {
	if f.hidden && f.d.failure() != nil {
		return nil
	}
	return f.told(f.File.Sync())
}

// SyncData implements vfs.File.
func (f *diskFile) SyncData() error {
	if f.hidden && f.d.failure() != nil {
		return nil
	}
	return f.told(f.File.SyncData())
}

// Close implements vfs.File.
func (f *diskFile) Close() error {
	err := f.File.Close()
	if f.hidden {
		f.d.fail(err)
		return nil
	}
	return err
}
