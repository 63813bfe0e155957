package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/store"
	"evidenced/store/intake"
)

var ground = []string{"tenant-1", "tenant-2", "tenant-3"}

// crowded leaves room for nothing: segments of some dozen records, intake files
// of a few batches, one open log for three tenants.
func crowded(dir string) (func(*store.Options), *error) {
	var failed error
	return func(o *store.Options) {
		o.SegmentBytes, o.OpenLogs = 200_000, 1
		if failed = o.Intake.Close(); failed == nil {
			o.Intake, failed = intake.OpenSized(filepath.Join(dir, "intake"), 100_000)
		}
	}, &failed
}

// grindUntilKilled does everything that writes, in a random order: appends,
// batches for many logs, checkpoints, index flushes and rebuilds, the closing of
// idle logs, cursors. It tells what is durable.
func grindUntilKilled(dir string) error {
	so, failed := crowded(dir)
	l, err := Open(Options{Dir: dir, Store: so})
	if err = errors.Join(err, *failed); err != nil {
		return err
	}
	ctx := context.Background()
	out := bufio.NewWriter(os.Stdout)
	tell := func(lines ...string) error {
		for _, line := range lines {
			fmt.Fprintln(out, line)
		}
		return out.Flush()
	}
	// Each life has keys of its own.
	life := fmt.Sprint(rand.Uint64())
	item := func(key string) store.Item {
		it := event(key, start, map[string]string{"v": key}, person(fmt.Sprint(rand.IntN(50)), "login"))
		it.Draft.Raw = make([]byte, rand.IntN(9000))
		for i := range it.Draft.Raw {
			it.Draft.Raw[i] = byte(rand.Uint32())
		}
		return it
	}
	for n := 0; ; n++ {
		tn, err := evidence.ParseTenant(ground[rand.IntN(len(ground))])
		if err != nil {
			return err
		}
		log, err := l.Store.Create(tn)
		if err != nil {
			return err
		}
		key := fmt.Sprint(life, ".", n)
		switch rand.IntN(9) {
		case 0, 1, 2:
			var items []store.Item
			var lines []string
			for i := range 1 + rand.IntN(6) {
				k := fmt.Sprint(key, ".", i)
				items, lines = append(items, item(k)), append(lines, tn.String()+" "+k)
			}
			if _, err = log.Append(ctx, items); err == nil {
				err = tell(lines...)
			}
		case 3, 4, 5:
			var ps []store.Part
			var lines []string
			for _, name := range ground {
				t, err := evidence.ParseTenant(name)
				if err != nil {
					return err
				}
				ps, lines = append(ps, store.Part{Tenant: t, Items: []store.Item{item(key)}}), append(lines, name+" "+key)
			}
			if _, err = l.Store.Ingest(ctx, ps); err == nil {
				err = tell(lines...)
			}
		case 6:
			_, _, err = log.Checkpoint()
		case 7:
			if err = log.WaitIndexed(ctx); err == nil && rand.IntN(8) == 0 {
				err = log.RebuildIndex()
			}
		case 8:
			l.Store.Rest(ctx, 0)
			err = l.Store.Cursors().PutCursor("grind", []byte(key))
		}
		if err != nil {
			return err
		}
	}
}

// Killed at any moment of whatever is written, also after having been stopped
// in the middle of it and sent on, the directory opens; every log verifies and
// holds once what was durable; nothing is signed twice.
func TestKilledWhileGrinding(t *testing.T) {
	var dir string
	var acked map[string]bool
	total := 0
	for i := range cycles(15) {
		if i%lives == 0 {
			dir, acked = filepath.Join(t.TempDir(), "data"), map[string]bool{}
		}
		total += grindAndKill(t, dir, acked)
		checkGround(t, dir, acked, i)
		if t.Failed() {
			return
		}
	}
	if total < 3*cycles(15) {
		t.Errorf("only %d keys were acknowledged: the test tests nothing", total)
	}
}

// grindAndKill lets a child live for a moment and returns how much it told.
func grindAndKill(t *testing.T, dir string, acked map[string]bool) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashHow+"=grind")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(out)
	told := 0
	take := func() bool {
		line, err := br.ReadString('\n')
		if err != nil { // the last line may be cut in the pipe
			return false
		}
		acked[strings.TrimSuffix(line, "\n")] = true
		told++
		return true
	}
	if take() { // it is at work: from here on the moment is random
		moment := func(ms int) time.Duration { return time.Duration(rand.IntN(ms)) * time.Millisecond }
		time.AfterFunc(5*time.Millisecond+moment(100), func() {
			for range rand.IntN(4) {
				_ = cmd.Process.Signal(syscall.SIGSTOP)
				time.Sleep(moment(5))
				if rand.IntN(4) == 0 {
					break // killed while it is stopped
				}
				_ = cmd.Process.Signal(syscall.SIGCONT)
				time.Sleep(moment(20))
			}
			_ = cmd.Process.Kill()
		})
	}
	for take() {
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v: %s", err, stderr.String())
	}
	return told
}

func checkGround(t *testing.T, dir string, acked map[string]bool, cycle int) {
	t.Helper()
	l, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatalf("cycle %d: %v", cycle, err)
	}
	defer l.Close()
	if _, err := l.Store.Cursors().Cursor("grind"); err != nil {
		t.Errorf("cycle %d: cursor: %v", cycle, err)
	}
	for _, name := range ground {
		tn := tenant(t, name)
		log, err := l.Store.Create(tn)
		if err != nil {
			t.Fatalf("cycle %d: %v", cycle, err)
		}
		got := keysOf(t, l, name)
		for line := range acked {
			if of, key, _ := strings.Cut(line, " "); of == name && got[key] != 1 {
				t.Errorf("cycle %d: %s was acknowledged and stands %d times", cycle, line, got[key])
			}
		}
		for key, n := range got {
			if n != 1 {
				t.Errorf("cycle %d: %s has %s %d times", cycle, name, key, n)
			}
		}
		if rep, err := log.Verify(t.Context(), store.VerifyOptions{Deep: true}); err != nil || !rep.OK() {
			t.Fatalf("cycle %d, %s: %v, %+v", cycle, name, err, rep)
		}
		if missing, err := log.CheckIndex(t.Context()); err != nil || missing > 0 {
			t.Errorf("cycle %d, %s: %d records are not indexed, %v", cycle, name, missing, err)
		}
		// A log that came back without records it had acknowledged would say so.
		for rec, err := range log.Snapshot().Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.LogRecovered}}) {
			t.Errorf("cycle %d, %s: a recovery was recorded: %s, %v", cycle, name, rec.Facts, err)
		}
	}
	checkSignState(t, dir)
}
