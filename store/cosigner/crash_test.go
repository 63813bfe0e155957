package cosigner

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/witness"
)

// A child of the test binary is a witness over HTTP; it may be told to die by
// SIGKILL after so many writes, before the answer.
const (
	crashDir   = "EVIDENCED_WITNESS_DIR"
	crashAfter = "EVIDENCED_WITNESS_DIES_AFTER"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := serveUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveUntilKilled(dir string) error {
	key, err := LoadKey(filepath.Join(dir, "key"))
	if err != nil {
		return err
	}
	logs, err := LoadLogs(filepath.Join(dir, "logs"))
	if err != nil {
		return err
	}
	left, err := strconv.Atoi(os.Getenv(crashAfter))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	o := Options{Dir: filepath.Join(dir, "state"), Key: key, Logs: logs, Rate: 1e6, afterWrite: func() {
		mu.Lock()
		defer mu.Unlock()
		if left--; left == 0 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}}
	c, err := Open(o)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, c.Handler())
}

// child starts a witness that dies after so many writes (0: never).
func child(t *testing.T, dir string, after int) (url string, stop func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir, fmt.Sprintf("%s=%d", crashAfter, after))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	if err != nil {
		stop()
		t.Fatalf("the child says nothing: %v", err)
	}
	return "http://" + strings.TrimSpace(addr), stop
}

// ask returns the size that the witness knows when it refuses, and whether it
// cosigned. A witness that died is an error.
func ask(t *testing.T, client *http.Client, url string, w witness.Witness, h *history, old, size uint64) (known uint64, cosigned bool, err error) {
	t.Helper()
	b, err := h.request(t, old, size).Encode()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Post(url+witness.AddPath, "", bytes.NewReader(b))
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		return 0, false, err
	}
	switch resp.StatusCode {
	case 200:
		if _, err := witness.ParseAnswer(body.Bytes(), h.checkpoint(size), w); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
		return size, true, nil
	case 409:
		known, err := witness.ParseSize(body.Bytes())
		return known, false, err
	case 422:
		return old, false, nil
	}
	t.Fatalf("size %d: status %d", size, resp.StatusCode)
	return 0, false, nil
}

func crashWorld(t *testing.T) (dir string, key installed, w witness.Witness) {
	t.Helper()
	dir, key = t.TempDir(), install(t, installation)
	s, err := MakeKey(filepath.Join(dir, "key"), "witness.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "logs"), []byte(installation+"/* "+key.vkey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	logs, err := LoadLogs(filepath.Join(dir, "logs"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(Options{Dir: filepath.Join(dir, "state"), New: true, Key: s, Logs: logs})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if w, err = witness.ParseWitness("x", s.Key()); err != nil {
		t.Fatal(err)
	}
	return dir, key, w
}

// Killed between the write and the answer, the witness knows the checkpoint
// whose answer nobody got: it cosigns that again and no other of its size.
func TestKilledBeforeTheAnswer(t *testing.T) {
	dir, key, w := crashWorld(t)
	h := key.history(installation+"/1").grow(20, "a")
	forked := key.history(installation+"/1").grow(20, "b")
	url, stop := child(t, dir, 2)
	client := &http.Client{Transport: &http.Transport{}}
	if _, ok, err := ask(t, client, url, w, h, 0, 5); !ok || err != nil {
		t.Fatalf("the first: %v", err)
	}
	if _, _, err := ask(t, client, url, w, h, 5, 11); err == nil {
		t.Fatal("the witness did not die")
	}
	stop()
	url, stop = child(t, dir, 0)
	defer stop()
	if known, ok, err := ask(t, client, url, w, h, 5, 11); ok || known != 11 || err != nil {
		t.Errorf("after the start it knows %d (%v, %v), want 11", known, ok, err)
	}
	for _, old := range []uint64{0, 5, 11} {
		if _, ok, err := ask(t, client, url, w, forked, old, 11); ok || err != nil {
			t.Errorf("another tree of the size that was durable, from %d: %v, %v", old, ok, err)
		}
	}
	if _, ok, err := ask(t, client, url, w, h, 11, 11); !ok || err != nil {
		t.Errorf("the same again: %v, %v", ok, err)
	}
}

// Killed over and over while two histories of one log are handed in at the same
// time, it never cosigns two roots of a size, and never goes back.
func TestKilledOverAndOver(t *testing.T) {
	dir, key, w := crashWorld(t)
	const end = 400
	histories := []*history{key.history(installation+"/1").grow(3, "a").grow(end, "b"), key.history(installation+"/1").grow(3, "a").grow(end, "c")}
	cosigned := map[uint64]evidence.Hash{}
	highest := uint64(0) // that was cosigned before the newest start
	next := uint64(1)
	for cycle := range 12 {
		url, stop := child(t, dir, 1+cycle%5*3)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, h := range histories {
			wg.Go(func() {
				client := &http.Client{Transport: &http.Transport{}}
				old := uint64(0)
				mu.Lock()
				size := next
				mu.Unlock()
				for size < end {
					known, ok, err := ask(t, client, url, w, h, old, size)
					if err != nil {
						return // it has died
					}
					mu.Lock()
					if ok {
						if was, seen := cosigned[size]; seen && was != h.roots[size] {
							t.Errorf("cycle %d: two roots of size %d are cosigned", cycle, size)
						}
						if size < highest {
							t.Errorf("cycle %d: size %d is cosigned after %d", cycle, size, highest)
						}
						cosigned[size] = h.roots[size]
						next = max(next, size)
					}
					mu.Unlock()
					if !ok && known == old {
						return // the other history has won
					}
					old, size = known, max(size, known)
					if ok {
						size++
					}
				}
			})
		}
		wg.Wait()
		stop()
		highest = next
	}
	winner := histories[0]
	if cosigned[highest] != winner.roots[highest] {
		winner = histories[1]
	}
	for size, root := range cosigned {
		if root != winner.roots[size] {
			t.Errorf("size %d is not of the history that won", size)
		}
	}
	if len(cosigned) < 12 {
		t.Errorf("only %d checkpoints were cosigned", len(cosigned))
	}
}
