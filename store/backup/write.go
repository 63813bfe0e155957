package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/bolt"
	"evidenced/store/durable"
)

// Source is what a backup is made of.
type Source struct {
	Dir     string // data directory
	Store   *store.Store
	Program string
	Now     time.Time
}

// Result says what was done.
type Result struct {
	Logs    int    `json:"logs"`
	Records uint64 `json:"records"`
	Bytes   int64  `json:"bytes"`  // of the whole backup
	Copied  int64  `json:"copied"` // of it now; the rest was there with the same content
}

// Write makes a backup in the directory, or brings the one there up to date: a
// file that is there with the same content is left as it is. The logs go on
// meanwhile; each is copied as it stands at one moment. The directory must be
// empty, new, or hold an earlier backup of the same installation. Progress is
// told logs done and all.
func Write(ctx context.Context, dir string, src Source, progress func(done, total uint64)) (*Result, error) {
	if err := prepare(dir, src.Dir); err != nil {
		return nil, err
	}
	ts, err := src.Store.Tenants()
	if err != nil {
		return nil, err
	}
	// While files change, the directory holds no backup.
	if err := os.Remove(filepath.Join(dir, ManifestName)); err != nil && !os.IsNotExist(err) {
		return nil, problem.Wrap(problem.Storage, err, "begin the backup")
	}
	w := &writer{dir: dir, m: Manifest{Format: Format, Program: src.Program, Made: src.Now.UTC(), Logs: []Log{}}, res: &Result{}}
	if err := w.copyInstallation(src.Dir); err != nil {
		return nil, err
	}
	if err := src.Store.CopyCursors(w.loose); err != nil {
		return nil, fmt.Errorf("copy the cursors: %w", err)
	}
	// _platform knows checkpoints of the others; it comes first, so that the
	// copy of a log does not lack what the copy of _platform knows of it.
	slices.SortStableFunc(ts, func(a, b evidence.Tenant) int {
		switch {
		case a == evidence.Platform:
			return -1
		case b == evidence.Platform:
			return 1
		}
		return 0
	})
	for i, t := range ts {
		if err := w.tenant(ctx, src.Store, t); err != nil {
			return nil, fmt.Errorf("back up the log of %s: %w", t, err)
		}
		progress(uint64(i+1), uint64(len(ts)))
	}
	return w.res, w.finish()
}

// prepare refuses a place that is in use for something else.
func prepare(dir, dataDir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return problem.Wrap(problem.Usage, err, "backup directory %s", dir)
	}
	data, err := filepath.Abs(dataDir)
	if err != nil {
		return problem.Wrap(problem.Usage, err, "data directory %s", dataDir)
	}
	if rel, err := filepath.Rel(data, abs); err == nil && filepath.IsLocal(rel) {
		return problem.New(problem.Refused, "%s lies within the data directory", dir).WithHint("give a directory on another disk")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return problem.Wrap(problem.Storage, err, "make backup directory %s", dir)
	}
	es, err := os.ReadDir(dir)
	if err != nil {
		return problem.Wrap(problem.Storage, err, "look at backup directory %s", dir)
	}
	for _, e := range es {
		switch e.Name() {
		case ManifestName, ManifestName + ".new", "installation", "installation.new", "cursors.db", "cursors.db.new", "tenants", "lost+found":
		default:
			return problem.New(problem.Refused, "%s is not empty and holds no backup: %s is in the way", dir, e.Name()).
				WithHint("give an empty directory, or one that holds an earlier backup")
		}
	}
	old, err := os.ReadFile(filepath.Join(dir, "installation"))
	if os.IsNotExist(err) {
		return nil
	}
	own, err2 := os.ReadFile(filepath.Join(dataDir, "installation"))
	if err != nil || err2 != nil || string(old) != string(own) {
		return problem.New(problem.Refused, "%s holds a backup of another installation", dir).WithHint("give another directory")
	}
	return nil
}

type writer struct {
	dir string
	m   Manifest
	res *Result
}

func (w *writer) copyInstallation(dataDir string) error {
	b, err := os.ReadFile(filepath.Join(dataDir, "installation"))
	if err != nil {
		return problem.Wrap(problem.Storage, err, "read the installation file")
	}
	return w.loose("installation", func(out io.Writer) error {
		_, err := out.Write(b)
		return err
	})
}

// loose copies a file that belongs to no log.
func (w *writer) loose(name string, write func(io.Writer) error) error {
	f, err := w.file(name, name, write)
	w.m.Files = append(w.m.Files, f)
	return err
}

func (w *writer) tenant(ctx context.Context, s *store.Store, t evidence.Tenant) error {
	prior, err := s.Prior(t)
	if err != nil {
		return err
	}
	l, err := s.Log(t)
	if err != nil {
		return err
	}
	for _, l := range append(prior, l) {
		if l.Size() == 0 {
			continue // lost: there is nothing to copy
		}
		if err := w.log(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) log(ctx context.Context, l *store.Log) error {
	c := Log{ID: l.ID(), Origin: l.Origin(), Keys: l.LogKeys()}
	home := filepath.Join("tenants", c.ID)
	if err := os.MkdirAll(filepath.Join(w.dir, home, "log"), 0o700); err != nil {
		return problem.Wrap(problem.Storage, err, "make log directory")
	}
	if err := l.Copy(ctx, func(name string, write func(io.Writer) error) error {
		f, err := w.file(filepath.Join(home, filepath.FromSlash(name)), name, write)
		c.Files = append(c.Files, f)
		return err
	}); err != nil {
		return err
	}
	if err := w.removeOthers(filepath.Join(home, "log"), c.Files); err != nil {
		return err
	}
	for _, dir := range []string{filepath.Join(home, "log"), home, "tenants"} {
		if err := durable.SyncDir(filepath.Join(w.dir, dir)); err != nil {
			return problem.Wrap(problem.Storage, err, "make the copy durable")
		}
	}
	if err := w.describe(&c, filepath.Join(w.dir, home)); err != nil {
		return err
	}
	w.m.Logs = append(w.m.Logs, c)
	w.res.Logs++
	w.res.Records += c.Size
	return nil
}

// describe reads size, root and newest checkpoint from the copy itself.
func (w *writer) describe(c *Log, home string) error {
	f, err := bolt.OpenCopy(home)
	if err != nil {
		return err
	}
	defer f.Close()
	head, err := f.Head()
	if err != nil {
		return err
	}
	fr, err := chain.NewFrontier(head.Size, head.Frontier)
	if err != nil {
		return fmt.Errorf("head of the copy: %w", err)
	}
	note, err := f.NoteAt(head.Size)
	if err != nil {
		return err
	}
	c.Size, c.Root, c.Checkpoint = head.Size, fr.Root(), string(note.Signed)
	for len(c.Keys) > 1 && c.Keys[len(c.Keys)-1].From > c.Size {
		c.Keys = c.Keys[:len(c.Keys)-1] // came after the copy
	}
	return nil
}

// removeOthers removes files of an earlier backup that the log has no more:
// retired segments must not live on in it.
func (w *writer) removeOthers(dir string, keep []File) error {
	es, err := os.ReadDir(filepath.Join(w.dir, dir))
	if err != nil {
		return problem.Wrap(problem.Storage, err, "look at the earlier backup")
	}
	for _, e := range es {
		if !slices.ContainsFunc(keep, func(f File) bool { return filepath.Base(f.Name) == e.Name() }) {
			if err := os.Remove(filepath.Join(w.dir, dir, e.Name())); err != nil {
				return problem.Wrap(problem.Storage, err, "remove what the log has no more")
			}
		}
	}
	return nil
}

// file writes one file below the backup, unless it is there with the same
// content already.
func (w *writer) file(path, name string, write func(io.Writer) error) (File, error) {
	f := File{Name: name}
	full := filepath.Join(w.dir, path)
	if old, err := hashFile(full); err == nil {
		h := sha256.New()
		if err := write(h); err != nil {
			return f, err
		}
		if evidence.Hash(h.Sum(nil)) == old.SHA256 {
			f.Bytes, f.SHA256 = old.Bytes, old.SHA256
			w.res.Bytes += f.Bytes
			return f, nil
		}
	}
	tmp := full + ".new"
	out, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return f, problem.Wrap(problem.Storage, err, "write the backup")
	}
	h := sha256.New()
	n := &counter{}
	buf := bufio.NewWriterSize(io.MultiWriter(out, h, n), 1<<20)
	if err = write(buf); err == nil {
		err = buf.Flush()
	}
	if err == nil {
		err = out.Sync()
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, full)
	}
	if err != nil {
		return f, problem.Wrap(problem.Storage, err, "write the backup")
	}
	f.Bytes, f.SHA256 = n.n, evidence.Hash(h.Sum(nil))
	w.res.Bytes += f.Bytes
	w.res.Copied += f.Bytes
	return f, nil
}

// finish writes the manifest: from then on the backup is one.
func (w *writer) finish() error {
	b, err := json.MarshalIndent(w.m, "", " ")
	if err != nil {
		return err
	}
	if err := durable.SyncDir(w.dir); err != nil {
		return problem.Wrap(problem.Storage, err, "make the backup durable")
	}
	sum := *w.res // the manifest is not counted: it is written each time
	defer func() { *w.res = sum }()
	if _, err := w.file(ManifestName, ManifestName, func(out io.Writer) error {
		_, err := out.Write(append(b, '\n'))
		return err
	}); err != nil {
		return err
	}
	if err := durable.SyncDir(w.dir); err != nil {
		return problem.Wrap(problem.Storage, err, "make the backup durable")
	}
	return nil
}

type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return len(b), nil
}

func hashFile(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return File{Bytes: n, SHA256: evidence.Hash(h.Sum(nil))}, err
}
