package tail

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// damaged rotates the active file into a compressed one and lets harm at it.
func (w *world) damaged(name string, harm func(b []byte) []byte) {
	w.t.Helper()
	w.do(os.Rename(w.path, w.path+"."+name))
	w.pack(w.path+"."+name, w.path+"."+name+".gz")
	b, err := os.ReadFile(w.path + "." + name + ".gz")
	w.do(err)
	w.do(os.WriteFile(w.path+"."+name+".gz", harm(b), 0o600))
}

func half(b []byte) []byte    { return b[:len(b)-len(b)/4] }
func nothing(b []byte) []byte { return nil }
func noHeader(b []byte) []byte {
	return append([]byte("not gzip"), b[8:]...)
}
func badSum(b []byte) []byte { b[len(b)-6] ^= 0xff; return b }

// A compressed file that was damaged before its lines were taken is a loss,
// once, from the last line that is known to the next.
func TestDamagedCompressedFile(t *testing.T) {
	for name, harm := range map[string]func([]byte) []byte{"cut off": half, "empty": nothing, "no header": noHeader, "wrong sum": badSum} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.once = true
			w.add(1, 4)
			w.mustRead("first", "1 2 3")
			kept := w.keep()
			// More than one block of the decompressor, so that some of it can be read.
			w.add(4, 30_000)
			w.damaged("1", harm)
			w.add(40_000, 40_002)
			w.restart(kept)
			w.s.opt.Silence = 24 * time.Hour
			got := w.read()
			if !strings.Contains(got, "-") || !strings.HasSuffix(got, "s 40000 40001") || strings.Count(got, "-") != 1 {
				t.Errorf("read %.60q ... %q: want one loss before 40000", got, got[max(0, len(got)-60):])
			}
			if len(w.partial) == 0 {
				t.Error("nobody was told")
			}
			w.add(40_002, 40_003)
			w.restart(w.keep())
			w.partial = nil
			w.mustRead("later", "40002")
			if len(w.partial) > 0 {
				t.Errorf("told again: %q", w.partial)
			}
		})
	}
}

// What was read before it was compressed is not lost with the compressed file,
// and one that is still being written is none.
func TestDamagedButRead(t *testing.T) {
	w := newWorld(t)
	w.add(1, 4)
	w.mustRead("first", "1 2 3")
	w.do(os.Rename(w.path, w.path+".1"))
	w.add(4, 5)
	w.mustRead("rotated", "4")
	w.do(os.WriteFile(w.path+".1.gz", []byte{0x1f, 0x8b}, 0o600))
	w.mustRead("being compressed", "")
	w.do(os.Remove(w.path + ".1"))
	w.do(os.WriteFile(w.path+".1.gz", []byte("no gzip at all"), 0o600))
	w.do(os.Chtimes(w.path+".1.gz", time.Unix(3, 0), time.Unix(3, 0))) // gzip keeps the time of what it packed
	w.restart(w.keep())
	w.mustRead("compressed into something damaged", "")
	w.add(5, 6)
	w.mustRead("after it", "5")
}

// sealing turns lines into hex and back, as a spool seals them.
func sealing(b []byte) ([]byte, error) {
	line, err := hex.DecodeString(string(b))
	if err != nil {
		return nil, errors.New("it does not open")
	}
	return line, nil
}

// Lines that stand sealed are opened on the way; what does not open is a loss.
func TestSealedLines(t *testing.T) {
	w := newWorld(t)
	seal := func(lines ...string) {
		w.t.Helper()
		f, err := os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		w.do(err)
		for _, l := range lines {
			_, err := f.WriteString(hex.EncodeToString([]byte(l)) + "\n")
			w.do(err)
		}
		w.do(f.Close())
	}
	restart := func(kept []byte) {
		w.restart(kept)
		opt := w.s.opt
		opt.Open, opt.Final = sealing, true
		st := w.s.State
		w.s = New(w.path, opt)
		w.s.Use(st)
	}
	restart(nil)
	seal("1 line", "2 line")
	w.mustRead("sealed", "1 2")
	if b, err := os.ReadFile(w.path); err != nil || bytes.Contains(b, []byte("line")) {
		t.Fatal("the test does not seal", err)
	}
	w.do(appendText(w.path, "3 in clear\n"))
	seal("9 line")
	w.mustRead("a line that does not open", "-7s 9")

	// The owner puts a file aside when it was taken whole, and is told when it
	// may go: without waiting for the next one to begin.
	w.do(w.s.Refresh())
	if !w.s.Drained() {
		t.Error("the active file was taken and is not said to be")
	}
	seal("10 line")
	if w.s.Drained() {
		t.Error("a line waits")
	}
	w.do(os.Rename(w.path, w.path+".1"))
	w.mustRead("put aside", "10")
	w.do(w.s.Refresh())
	if l, err := w.s.Next(t.Context()); l != nil || err != nil {
		t.Fatal(l, err)
	}
	if got := w.s.Finished(); len(got) != 1 || got[0] != w.path+".1" {
		t.Errorf("may be deleted: %q", got)
	}
	kept := w.keep()
	w.do(os.Remove(w.path + ".1"))
	restart(kept)
	seal("20 line")
	w.mustRead("deleted by its owner", "20")
}
