package index

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"evidenced/store"
)

// full is a file system that refuses writes to files of a kind once told to.
type full struct {
	vfs.FS
	kind string
	on   atomic.Bool
}

type fullFile struct {
	vfs.File
	fs *full
}

func (f *full) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if f.on.Load() && strings.Contains(filepath.Base(name), f.kind) {
		return nil, syscall.ENOSPC
	}
	file, err := f.FS.Create(name, c)
	if err != nil || !strings.Contains(filepath.Base(name), f.kind) {
		return file, err
	}
	return &fullFile{file, f}, nil
}

func (f *fullFile) Write(p []byte) (int, error) {
	if f.fs.on.Load() {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(p)
}

func (f *fullFile) Sync() error {
	if f.fs.on.Load() {
		return syscall.EIO
	}
	return f.File.Sync()
}

// Whatever of an index cannot be written, the process lives, the index says so,
// what it took before can still be read, closing does not wait for ever, and
// the next start begins an empty one.
func TestFullDisk(t *testing.T) {
	for _, kind := range []string{"MANIFEST-", ".sst"} {
		t.Run(kind, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "index")
			fs := &full{FS: vfs.Default, kind: kind}
			var p Pool
			p.fs = fs
			x, err := p.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := x.Apply([]store.Posting{{Bucket: 'a', Key: []byte("k"), Value: []byte("v")}}, 1); err != nil {
				t.Fatal(err)
			}
			fs.on.Store(true)
			if _, err := x.(*index).db.AsyncFlush(); err != nil {
				t.Fatal(err)
			}
			<-x.(*index).disk.failed
			if err := x.Apply(nil, 2); !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EIO) {
				t.Errorf("apply to a full disk: %v", err)
			}
			if v, err := x.Get('a', []byte("k")); err != nil || string(v) != "v" {
				t.Errorf("reading on: %q, %v", v, err)
			}
			if err := x.Close(); err == nil {
				t.Error("closing says nothing")
			}
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("the index is kept: %v", err)
			}
			fs.on.Store(false)
			if x, err = p.Open(dir); err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			if mark, err := x.Watermark(); err != nil || mark != 0 {
				t.Errorf("watermark of the new index: %d, %v", mark, err)
			}
		})
	}
}
