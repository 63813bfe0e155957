package anchor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newFile(t *testing.T, w *world) (*File, string) {
	dir := filepath.Join(t.TempDir(), "anchors")
	return NewFile(FileOptions{Name: "files", Dir: dir, Data: filepath.Dir(dir), Open: w.open, Now: clock}), filepath.Join(dir, origin+".checkpoints")
}

func TestFileRemembers(t *testing.T) {
	w := newWorld(t)
	f, path := newFile(t, w)
	remembers(t, w, f)
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	b, err := os.ReadFile(path)
	if err != nil || strings.Count(string(b), "\n") != 3 {
		t.Errorf("want three lines, got %q, %v", b, err)
	}
}

func TestFileOnTheSameDiskClaimsNothing(t *testing.T) {
	w := newWorld(t)
	f, _ := newFile(t, w)
	if got := f.Rung(); got != 0 {
		t.Errorf("beside the data: rung %d, want 0", got)
	}
	f.o.Dir = "/proc/anchors" // a file system of its own on every Linux
	if got := f.Rung(); got != 2 {
		t.Errorf("on another device: rung %d, want 2", got)
	}
	f.o.Data = "/dev/null/nowhere"
	if got := f.Rung(); got != 0 {
		t.Errorf("when the data cannot be looked at: rung %d, want 0", got)
	}
}

// A write that was cut off spoils neither the lines before it nor those after.
func TestFileTornLine(t *testing.T) {
	w := newWorld(t)
	for _, keep := range []int{1, 20, 100, 200} {
		f, path := newFile(t, w)
		h := w.history(t, origin).grow(9, "a")
		h.mustPut(f, 3)
		whole := h.at(5).line(noon)
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(whole[:keep]); err != nil {
			t.Fatal(err)
		}
		file.Close()
		if size, _, ok, err := f.Newest(t.Context(), origin); size != 3 || !ok || err != nil {
			t.Fatalf("after %d bytes of a line: got %d %t %v, want 3", keep, size, ok, err)
		}
		h.mustPut(f, 5)
		h.mustPut(f, 9)
		if size, _, _, err := f.Newest(t.Context(), origin); size != 9 || err != nil {
			t.Errorf("got %d %v, want 9", size, err)
		}
	}
}

func TestFileDamage(t *testing.T) {
	w := newWorld(t)
	h := w.history(t, origin).grow(4, "a")
	fork := w.history(t, origin).grow(4, "b")
	stranger := newWorld(t).history(t, origin).grow(9, "a")
	elsewhere := w.history(t, other).grow(9, "a")
	good := h.at(4).line(noon)
	for name, c := range map[string]struct {
		text string
		size uint64
		err  string
	}{
		"only noise":            {"noise\nmore noise\n", 0, "no checkpoint in the file"},
		"another's key":         {stranger.at(9).line(noon) + "\n", 0, "size 9 that no known key of the log signed"},
		"another's, then ours":  {stranger.at(9).line(noon) + "\n" + good + "\n", 4, "size 9 that no known key of the log signed"},
		"another's smaller one": {stranger.at(3).line(noon) + "\n" + good + "\n", 4, ""},
		"another log":           {good + "\n" + elsewhere.at(9).line(noon) + "\n", 4, ""},
		"line lies":             {good + "\n" + strings.Replace(h.at(3).line(noon), "3 ", "7 ", 1) + "\n", 4, ""},
		"older line last":       {good + "\n" + h.at(2).line(noon) + "\n", 4, ""},
		"two trees":             {good + "\n" + fork.at(4).line(noon) + "\n", 4, "two trees of one size"},
	} {
		f, path := newFile(t, w)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		size, _, _, err := f.Newest(t.Context(), origin)
		if size != c.size || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %d %v, want %d %q", name, size, err, c.size, c.err)
		}
	}
}

// The newest line is found behind more than is read at once.
func TestFileLong(t *testing.T) {
	w := newWorld(t)
	f, path := newFile(t, w)
	h := w.history(t, origin).grow(900, "a")
	var all strings.Builder
	for size := uint64(1); size < 900; size++ {
		all.WriteString(h.at(size).line(noon) + "\n")
	}
	if all.Len() < tailBytes {
		t.Fatalf("only %d bytes", all.Len())
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(all.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if size, root, ok, err := f.Newest(t.Context(), origin); size != 899 || root != h.roots[899] || !ok || err != nil {
		t.Errorf("got %d %t %v", size, ok, err)
	}
}

func TestFileDown(t *testing.T) {
	w := newWorld(t)
	f, _ := newFile(t, w)
	f.o.Dir = filepath.Join(t.TempDir(), "not", "mounted")
	if _, err := w.history(t, origin).grow(1, "a").put(f, 1); err == nil {
		t.Error("a folder whose parent is missing was made")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.o.Dir = file
	if _, _, _, err := f.Newest(t.Context(), origin); err == nil {
		t.Error("a file in place of the folder was asked")
	}
}

// What stands in the folder of others must not lead the reader out of it.
func TestFileStaysInItsFolder(t *testing.T) {
	w := newWorld(t)
	f, path := newFile(t, w)
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(outside, []byte("kept\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, path); err != nil {
		t.Fatal(err)
	}
	if _, err := w.history(t, origin).grow(1, "a").put(f, 1); err == nil {
		t.Error("a link out of the folder was followed")
	}
	if b, _ := os.ReadFile(outside); string(b) != "kept\n" {
		t.Errorf("the file outside became %q", b)
	}
}

func FuzzLine(fz *testing.F) {
	w := newWorld(fz)
	h := w.history(fz, origin).grow(3, "a")
	for size := range uint64(4) {
		fz.Add(h.at(size).line(noon))
	}
	fz.Add("3 x y z")
	fz.Fuzz(func(t *testing.T, text string) {
		c, err := parseLine(text, origin, w.open)
		if err != nil {
			return
		}
		if c.Origin != origin || c.Size > 3 || c.Root != h.roots[c.Size] {
			t.Errorf("line %q was taken as %+v", text, c)
		}
	})
}
