package local

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"

	"evidenced/evidence"
	"evidenced/store"
)

// crashDir is set for the child that is to be killed, crashHow says what it
// does until then.
const (
	crashDir   = "EVIDENCED_CRASH_DIR"
	crashHow   = "EVIDENCED_CRASH_HOW"
	crashFault = "EVIDENCED_CRASH_FAULT" // of how "fault"
)

// cycles is how often a process is killed: 1,000 times in full (EVIDENCED_FULL
// is set), some times otherwise.
func cycles(some int) int {
	switch {
	case os.Getenv("EVIDENCED_FULL") != "":
		return 1000
	case testing.Short():
		return 3
	}
	return some
}

// lives is how many kills one directory goes through: everything in it is
// verified after each, so that more would take the square of the time.
const lives = 40

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		run := appendUntilKilled
		switch os.Getenv(crashHow) {
		case "ingest":
			run = ingestUntilKilled
		case "grind":
			run = grindUntilKilled
		case "fault":
			run = sufferFault
		case "few files":
			run = fewFiles
		}
		if err := run(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// appendUntilKilled appends batches and tells each key once it is durable.
func appendUntilKilled(dir string) error {
	l, err := Open(Options{Dir: dir})
	if err != nil {
		return err
	}
	tn, err := evidence.ParseTenant("tenant-1")
	if err != nil {
		return err
	}
	log, err := l.Store.Create(tn)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for n := log.Size(); ; {
		var items []store.Item
		for range 1 + rand.IntN(40) {
			n++
			items = append(items, event(fmt.Sprint(n), start, map[string]uint64{"v": n}, person(fmt.Sprint(n%7), "login")))
		}
		if _, err := log.Append(context.Background(), items); err != nil {
			return err
		}
		for _, it := range items {
			fmt.Fprintln(out, it.Draft.Key)
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if rand.IntN(4) == 0 {
			if _, _, err := log.Checkpoint(); err != nil {
				return err
			}
		}
	}
}

// Killed at any moment, the log verifies, holds everything acknowledged, holds
// nothing twice, and never signs two trees of one size.
func TestKilledWhileAppending(t *testing.T) {
	var dir string
	var acked map[string]bool
	total := 0
	for i := range cycles(30) {
		if i%lives == 0 {
			dir, acked = filepath.Join(t.TempDir(), "data"), map[string]bool{}
		}
		before := len(acked)
		runAndKill(t, dir, time.Duration(5+rand.IntN(80))*time.Millisecond, acked)
		total += len(acked) - before
		checkAfterKill(t, dir, acked, i)
	}
	if total < cycles(30) {
		t.Errorf("only %d keys were acknowledged: the test tests nothing", total)
	}
}

func runAndKill(t *testing.T, dir string, after time.Duration, acked map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(out)
	if sc.Scan() { // it is appending: from here on the moment is random
		acked[sc.Text()] = true
		time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	}
	var lines []string
	for sc.Scan() {
		lines = append(lines, sc.Text())
	}
	for i, l := range lines {
		// The last line may be cut in the pipe.
		if _, err := strconv.Atoi(l); err == nil && i < len(lines)-1 {
			acked[l] = true
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v: %s", err, stderr.String())
	}
}

func checkAfterKill(t *testing.T, dir string, acked map[string]bool, cycle int) {
	t.Helper()
	l, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatalf("cycle %d: %v", cycle, err)
	}
	defer l.Close()
	log, err := l.Store.Log(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatalf("cycle %d: %v", cycle, err)
	}
	rep, err := log.Verify(context.Background(), store.VerifyOptions{Deep: true})
	if err != nil || !rep.OK() {
		t.Fatalf("cycle %d: %v, %+v", cycle, err, rep)
	}
	seen := map[string]int{}
	for rec, err := range log.Snapshot().Records(context.Background(), evidence.Query{Kinds: []evidence.Kind{evidence.ChangeMerge}}) {
		if err != nil {
			t.Fatal(err)
		}
		seen[rec.Key]++
	}
	for k := range acked {
		if seen[k] == 0 {
			t.Errorf("cycle %d: key %s was acknowledged and is lost", cycle, k)
		}
	}
	for k, n := range seen {
		if n > 1 {
			t.Errorf("cycle %d: key %s stands %d times", cycle, k, n)
		}
	}
	if missing, err := log.CheckIndex(context.Background()); err != nil || missing > 0 {
		t.Errorf("cycle %d: %d records are not indexed, %v", cycle, missing, err)
	}
	checkSignState(t, dir)
}

func checkSignState(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "sign-state", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sign-state: %v", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 {
			continue // killed before the first checkpoint
		}
		roots, last := map[uint64]string{}, uint64(0)
		for _, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
			size, root, _ := strings.Cut(line, " ")
			n, err := strconv.ParseUint(size, 10, 64)
			if err != nil || n <= last && last > 0 || roots[n] != "" && roots[n] != root {
				t.Errorf("sign-state line %q after size %d", line, last)
			}
			roots[n], last = root, n
		}
	}
}

// A log restored without its sign-state, as a backup leaves it, signs nothing.
func TestRestoredWithoutSignState(t *testing.T) {
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	l := openDir(t, dir, c)
	log, err := l.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, log, event("1", start, map[string]int{"v": 1}))
	l.Close()
	if err := os.RemoveAll(filepath.Join(dir, "sign-state")); err != nil {
		t.Fatal(err)
	}
	l = openDir(t, dir, c)
	if log, err = l.Store.Log(tenant(t, "tenant-1")); err != nil {
		t.Fatal(err)
	}
	if log.Stopped() == nil {
		t.Error("a copy without its sign-state goes on")
	}
	if _, _, err := log.Checkpoint(); err == nil {
		t.Error("a copy without its sign-state signed a checkpoint")
	}
	if rep, err := log.Verify(context.Background(), store.VerifyOptions{}); err != nil || rep.Records != 2 {
		t.Errorf("it cannot be verified any more: %+v %v", rep, err)
	}
}

// A torn last line of the sign-state is a signature that was never made.
func TestTornSignState(t *testing.T) {
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	l := openDir(t, dir, c)
	log, err := l.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, log, event("1", start, map[string]int{"v": 1}))
	l.Close()
	files, _ := filepath.Glob(filepath.Join(dir, "sign-state", "*"))
	for _, torn := range []string{"9", "99 ab", "99 " + strings.Repeat("0", 63)} {
		f, err := os.OpenFile(files[0], os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString(torn)
		f.Close()
		l := openDir(t, dir, c)
		log, err := l.Store.Log(tenant(t, "tenant-1"))
		if err != nil {
			t.Fatalf("torn line %q: %v", torn, err)
		}
		mustAppend(t, log, event("after "+torn, start, map[string]int{"v": 1}))
		if _, _, err := log.Checkpoint(); err != nil {
			t.Errorf("torn line %q: %v", torn, err)
		}
		l.Close()
		checkSignState(t, dir)
	}
}

// Any changed byte of a stored record is found, and the record is named.
func TestChangedBytesAreFound(t *testing.T) {
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	l := openDir(t, dir, c)
	log, err := l.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		mustAppend(t, log, event(fmt.Sprint(i), start, map[string]int{"v": i}, person("7", "mira")))
	}
	l.Close()
	seg, err := filepath.Glob(filepath.Join(dir, "tenants", "*", "log", "0001.db"))
	if err != nil || len(seg) != 1 {
		t.Fatal(seg, err)
	}
	key := binary.BigEndian.AppendUint64(nil, 9)
	var value []byte
	edit := func(change func([]byte)) {
		db, err := bbolt.Open(seg[0], 0o600, &bbolt.Options{Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("r"))
			if value == nil {
				value = bytes.Clone(b.Get(key))
			}
			v := bytes.Clone(value)
			change(v)
			return b.Put(key, v)
		}); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	edit(func([]byte) {})
	for off := 0; off < len(value); off += 11 {
		edit(func(v []byte) { v[off] ^= 1 << (off % 8) })
		if err := verifyDir(t, dir, c); err == nil {
			t.Errorf("byte %d of %d of record 9 changed, and the log verifies", off, len(value))
		} else if !strings.Contains(err.Error(), "9") {
			t.Errorf("byte %d of record 9 changed, and the record is not named: %v", off, err)
		}
	}
	edit(func([]byte) {})
	if err := verifyDir(t, dir, c); err != nil {
		t.Errorf("after putting the record back: %v", err)
	}
}

func verifyDir(t *testing.T, dir string, c *clock) error {
	t.Helper()
	l, err := Open(Options{Dir: dir, Clock: c.now})
	if err != nil {
		return err
	}
	defer l.Close()
	log, err := l.Store.Log(tenant(t, "tenant-1"))
	if err != nil {
		return err
	}
	rep, err := log.Verify(context.Background(), store.VerifyOptions{})
	if err == nil && !rep.OK() {
		err = errors.New(strings.Join(rep.Failures, "; "))
	}
	return err
}
