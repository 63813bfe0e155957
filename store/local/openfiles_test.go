package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
)

func TestOpenLogs(t *testing.T) {
	for _, tc := range []struct {
		files uint64
		want  int // 0: refused
	}{
		{100, 0}, {399, 0}, {400, 16}, {1024, 85}, {4863, 511}, {4864, 512}, {1 << 20, 512}, {1<<64 - 1, 512},
	} {
		got, err := openLogs(tc.files)
		if got != tc.want || (tc.want == 0) != problem.Is(err, problem.Refused) {
			t.Errorf("%d files: %d logs, %v; want %d", tc.files, got, err, tc.want)
		}
	}
}

// fewFiles is the child: it uses more logs than it may have files open.
func fewFiles(dir string) error {
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 410, Max: 410}); err != nil {
		return err
	}
	l, err := Open(Options{Dir: dir})
	if err != nil {
		return err
	}
	for round := range 2 {
		for i := range 150 {
			tn, err := evidence.ParseTenant(fmt.Sprint("tenant-", i))
			if err != nil {
				return err
			}
			log, err := l.Store.Create(tn)
			if err != nil {
				return err
			}
			if _, err := log.Append(context.Background(), []store.Item{event(fmt.Sprint(round), start, map[string]int{"v": i})}); err != nil {
				return err
			}
		}
	}
	return l.Close()
}

// More logs than files may be open are opened and closed in turn; with too few
// files for any the directory is not opened.
func TestFewFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashHow+"=few files")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the child: %v: %s", err, b)
	}
	l, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range 150 {
		if got := keysOf(t, l, fmt.Sprint("tenant-", i)); got["0"] != 1 || got["1"] != 1 {
			t.Errorf("tenant-%d has %v", i, got)
		}
	}
}
