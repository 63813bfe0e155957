package anchor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// FileOptions configure a [File].
type FileOptions struct {
	Name string
	Dir  string // made when it is missing, its parent is not
	Data string // the log's data directory, to tell whether Dir lies elsewhere
	Open Opener
	Now  func() time.Time
}

// File is a folder with one file for each log, INSTALLATION/LOG.checkpoints, to
// which each checkpoint is appended as a line (see Checkpoint.line) and synced.
// Nothing in it is ever changed, so the files may be made append-only by the
// system that holds them. It reaches rung 2 only on another device than the
// data; on the same one whoever can write the log can write it as well.
type File struct {
	o  FileOptions
	mu sync.Mutex
}

// NewFile makes the anchor. It touches nothing yet.
func NewFile(o FileOptions) *File { return &File{o: o} }

// Name implements Anchor.
func (f *File) Name() string { return f.o.Name }

// Rung implements Anchor: 2 on another device than the data, else 0.
func (f *File) Rung() int {
	if onOtherDevice(f.o.Dir, f.o.Data) {
		return 2
	}
	return 0
}

// Put implements Anchor.
func (f *File) Put(_ context.Context, c Checkpoint, prove func(uint64) ([]evidence.Hash, error)) (Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := c.receipt(f, "file", f.o.Dir, f.o.Now())
	old, _, err := f.newest(c.Origin)
	if err != nil {
		return r, err
	}
	same, err := held(f.o.Name, old, c, prove)
	if err != nil {
		return r, err
	}
	if !same {
		if err := f.append(c); err != nil {
			return r, fmt.Errorf("anchor %s: %w", f.o.Name, err)
		}
	}
	r.Done = f.o.Now().UTC()
	return r, nil
}

// Newest implements Anchor.
func (f *File) Newest(_ context.Context, origin string) (uint64, evidence.Hash, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok, err := f.newest(origin)
	return c.Size, c.Root, ok, err
}

// tailBytes is how much of the end of a file is read for its newest line: more
// than the longest lines of several torn writes.
const tailBytes = 256 << 10

// newest reads the end of the file of the log. Lines that cannot be read are
// passed over, for a write may have been cut off; when there is none that can,
// the file is damaged.
func (f *File) newest(origin string) (chain.Checkpoint, bool, error) {
	inst, log, err := originPath(origin)
	if err != nil {
		return chain.Checkpoint{}, false, err
	}
	tail, err := f.tail(inst, log)
	if err != nil || tail == "" {
		return chain.Checkpoint{}, false, err
	}
	var best chain.Checkpoint
	var last error
	var strange uint64
	for _, text := range strings.Split(tail, "\n") {
		if text == "" {
			continue
		}
		c, err := parseLine(text, origin, f.o.Open)
		if err != nil {
			last, strange = err, max(strange, claimedSize(text, origin))
			continue
		}
		if c.Size == best.Size && best.Size > 0 && c.Root != best.Root {
			return best, true, &Conflict{Anchor: f.o.Name, Origin: origin, Size: c.Size, Known: best.Size, Root: best.Root, Why: "it holds two trees of one size"}
		}
		if c.Size > best.Size {
			best = c
		}
	}
	if strange > best.Size {
		// Ours before the log key was changed, or somebody's noise: what is
		// known of the log cannot be told.
		return best, false, fmt.Errorf("anchor %s: the file of log %s holds a checkpoint of size %d that no known key of the log signed", f.o.Name, origin, strange)
	}
	if best.Size == 0 {
		return best, false, fmt.Errorf("anchor %s: no checkpoint in the file of log %s can be read: %w", f.o.Name, origin, last)
	}
	return best, true, nil
}

// tail returns the whole lines at the end of the file, and the torn one after
// them; "" when there is no file.
func (f *File) tail(inst, log string) (string, error) {
	root, err := os.OpenRoot(f.o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("anchor %s: %w", f.o.Name, err)
	}
	defer root.Close()
	file, err := root.Open(inst + "/" + log + ".checkpoints")
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("anchor %s: %w", f.o.Name, err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("anchor %s: %w", f.o.Name, err)
	}
	from := max(0, st.Size()-tailBytes)
	b, err := io.ReadAll(io.NewSectionReader(file, from, tailBytes))
	if err != nil {
		return "", fmt.Errorf("anchor %s: %w", f.o.Name, err)
	}
	text := string(b)
	if from > 0 {
		_, text, _ = strings.Cut(text, "\n") // begins inside a line
	}
	return text, nil
}

// append writes the line and returns when it is on the disk. What a write cut
// off left behind is ended first, so that it spoils no later line.
func (f *File) append(c Checkpoint) error {
	inst, log, err := originPath(c.Origin)
	if err != nil {
		return err
	}
	if err := makeDir(f.o.Dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(f.o.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Mkdir(inst, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	name := inst + "/" + log + ".checkpoints"
	_, statErr := root.Stat(name)
	file, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	text := c.line(f.o.Now()) + "\n"
	st, err := file.Stat()
	if err != nil {
		return err
	}
	if st.Size() > 0 {
		var end [1]byte
		if _, err := file.ReadAt(end[:], st.Size()-1); err != nil {
			return err
		}
		if end[0] != '\n' {
			text = "\n" + text
		}
	}
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if statErr == nil {
		return nil
	}
	for _, dir := range []string{inst, "."} { // the names are new too
		if err := syncDir(root, dir); err != nil {
			return err
		}
	}
	return nil
}

func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

func syncDir(root *os.Root, name string) error {
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
