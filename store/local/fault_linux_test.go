package local

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
)

// A fault is made in a child process by the kernel, so that bbolt, the intake,
// the sign-state and the keyring meet it where they really write.

// faultOutcome is what the child tells of its life.
type faultOutcome struct {
	Acked   []string // "tenant key", acknowledged
	Kept    []string // durable in the intake
	Refused []string // not promised; with the problem's code
	Stopped map[string]string
	Signing string // what a checkpoint of tenant-1 said
	Closing string
}

var faulted = []string{"tenant-1", "tenant-2", "tenant-3"}

// faults are the ways to harm the child, by name.
var faults = map[string]func(dir string, ids map[string]string) error{
	"sync of a journal": func(_ string, ids map[string]string) error {
		return failSync("tenants/" + ids["tenant-1"] + "/log/journal")
	},
	"sync of a segment": func(_ string, ids map[string]string) error {
		return failSync("tenants/" + ids["tenant-1"] + "/log/0001.db")
	},
	"sync of the intake":   func(string, map[string]string) error { return failSync("intake/00000001.intake") },
	"sync of a sign-state": func(_ string, ids map[string]string) error { return failSync("sign-state/" + ids["tenant-1"]) },
	"sync of the keyring":  func(string, map[string]string) error { return failSync("keys/keyring.db") },
	"sync of every file": func(string, map[string]string) error {
		return filter(unix.EIO, call{number: unix.SYS_FSYNC}, call{number: unix.SYS_FDATASYNC})
	},
	"no space left": func(dir string, _ map[string]string) error {
		// What is written to files that are open, and every file that is made.
		fds, err := openFiles(func(path string) bool { return strings.HasPrefix(path, dir+"/") })
		if err != nil {
			return err
		}
		calls := []call{{number: unix.SYS_PWRITE64}, {number: unix.SYS_FTRUNCATE}, {number: unix.SYS_FALLOCATE}, {number: unix.SYS_OPENAT, arg: 2, bits: unix.O_CREAT}}
		for _, fd := range fds {
			calls = append(calls, call{number: unix.SYS_WRITE, equal: fd})
		}
		return filter(unix.ENOSPC, calls...)
	},
	"limited file size": func(dir string, ids map[string]string) error {
		st, err := os.Stat(filepath.Join(dir, "tenants", ids["tenant-1"], "log", "0001.db"))
		if err != nil {
			return err
		}
		// Others may grow once.
		limit := uint64(st.Size()) * 3
		signal.Ignore(syscall.SIGXFSZ)
		return unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit})
	},
}

// failSync makes fsync and fdatasync of the open files whose path ends so
// return EIO from now on.
func failSync(suffix string) error {
	fds, err := openFiles(func(path string) bool { return strings.HasSuffix(path, "/"+suffix) })
	if err != nil {
		return err
	}
	var calls []call
	for _, fd := range fds {
		calls = append(calls, call{number: unix.SYS_FSYNC, equal: fd}, call{number: unix.SYS_FDATASYNC, equal: fd})
	}
	return filter(unix.EIO, calls...)
}

// call is a system call: all with the number, or those whose first argument is
// equal, or those whose argument has some of the bits.
type call struct {
	number, equal, arg int
	bits               uint32
}

// filter makes the calls return the error from now on, in all threads of the
// process.
func filter(errno syscall.Errno, calls ...call) error {
	const (
		load = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		jeq  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		jset = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		ret  = unix.BPF_RET | unix.BPF_K
		// Places in struct seccomp_data: the call's number, its arguments.
		number, args = 0, 16
	)
	if !slices.Contains([]string{"amd64", "arm64", "riscv64"}, runtime.GOARCH) {
		return fmt.Errorf("the filter is written for little-endian machines of 64 bits")
	}
	var prog []unix.SockFilter
	for _, c := range calls {
		prog = append(prog, unix.SockFilter{Code: load, K: number})
		fail := unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(errno)}
		switch {
		case c.bits != 0:
			prog = append(prog, unix.SockFilter{Code: jeq, K: uint32(c.number), Jf: 3},
				unix.SockFilter{Code: load, K: args + 8*uint32(c.arg)}, unix.SockFilter{Code: jset, K: c.bits, Jf: 1}, fail)
		case c.equal != 0:
			prog = append(prog, unix.SockFilter{Code: jeq, K: uint32(c.number), Jf: 3},
				unix.SockFilter{Code: load, K: args}, unix.SockFilter{Code: jeq, K: uint32(c.equal), Jf: 1}, fail)
		default:
			prog = append(prog, unix.SockFilter{Code: jeq, K: uint32(c.number), Jf: 1}, fail)
		}
	}
	prog = append(prog, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW})
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	f := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&f))); errno != 0 {
		return fmt.Errorf("filter system calls: %w", errno)
	}
	return nil
}

// openFiles lists the descriptors of the process whose files have such a path.
func openFiles(such func(path string) bool) (fds []int, err error) {
	es, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	for _, e := range es {
		path, err := os.Readlink("/proc/self/fd/" + e.Name())
		var fd int
		if _, serr := fmt.Sscan(e.Name(), &fd); err == nil && serr == nil && such(path) {
			fds = append(fds, fd)
		}
	}
	if len(fds) == 0 {
		return nil, errors.New("no such file is open")
	}
	return fds, nil
}

// sufferFault is the child: it works, meets the fault, works on, and tells.
func sufferFault(dir string) error {
	name := os.Getenv(crashFault)
	out := faultOutcome{Stopped: map[string]string{}}
	l, err := Open(Options{Dir: dir})
	if err != nil {
		return err
	}
	ctx := context.Background()
	ids := map[string]string{}
	logs := map[string]*store.Log{}
	big := 0 // bytes a record of tenant-1 is larger
	one := func(tenant, key string, more ...evidence.Person) error {
		it := event(key, start, map[string]string{"v": key}, more...)
		if tenant == "tenant-1" {
			it.Draft.Raw = make([]byte, big)
			rand.Read(it.Draft.Raw) // nothing to be compressed
		}
		_, err := logs[tenant].Append(ctx, []store.Item{it})
		if err == nil {
			out.Acked = append(out.Acked, tenant+" "+key)
		} else {
			code := "none"
			if p := problem.Of(err); p != nil {
				code = string(p.Code)
			}
			out.Refused = append(out.Refused, tenant+" "+key+" "+code)
		}
		return err
	}
	many := func(key string) error {
		var ps []store.Part
		for _, n := range faulted {
			ps = append(ps, store.Part{Tenant: logs[n].Tenant(), Items: []store.Item{event(key, start, map[string]string{"v": key})}})
		}
		in, err := l.Store.Ingest(ctx, ps)
		if err != nil {
			return err
		}
		for i, n := range faulted {
			switch _, err := in.Wait(ctx, i); {
			case err == nil:
				out.Acked = append(out.Acked, n+" "+key)
			case errors.Is(err, store.ErrKept):
				out.Kept = append(out.Kept, n+" "+key)
			default:
				out.Refused = append(out.Refused, n+" "+key+" -")
			}
		}
		return nil
	}
	for _, n := range faulted {
		tn, err := evidence.ParseTenant(n)
		if err != nil {
			return err
		}
		if logs[n], err = l.Store.Create(tn); err != nil {
			return err
		}
		if err := one(n, "before", person("7", "login")); err != nil {
			return err
		}
		if _, _, err := logs[n].Checkpoint(); err != nil {
			return err
		}
		ids[n] = filepath.Base(logs[n].Origin())
	}
	if err := many("both before"); err != nil {
		return err
	}
	big = 100_000 // its file must grow soon
	if err := faults[name](dir, ids); err != nil {
		return fmt.Errorf("make the fault: %w", err)
	}
	_, _, err = logs["tenant-1"].Checkpoint()
	out.Signing = fmt.Sprint(err)
	for i := range 6 {
		_ = one("tenant-1", fmt.Sprint("alone", i))
		if i == 0 {
			_ = one("tenant-2", "beside")
			_ = one("tenant-3", "stranger", person("new", "login")) // needs a new key
		}
	}
	// Its segment takes what is in the journal, or does not.
	_ = logs["tenant-1"].Copy(ctx, func(string, func(io.Writer) error) error { return nil })
	if err := many("both after"); err != nil {
		return err
	}
	_ = one("tenant-2", "later")
	for _, n := range faulted {
		if err := logs[n].Failure(); err != nil {
			out.Stopped[n] = err.Error()
		}
	}
	out.Closing = fmt.Sprint(l.Close())
	return json.NewEncoder(os.Stdout).Encode(out)
}

func runFault(t *testing.T, dir, name string) faultOutcome {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashHow+"=fault", crashFault+"="+name)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("the child: %v: %s", err, stderr.String())
	}
	var out faultOutcome
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return out
}

// An error of the disk stops the log that meets it, and says so; the others go
// on. Nothing acknowledged is lost, nothing stands twice, and after a restart
// without the fault everything goes on.
func TestDiskFaults(t *testing.T) {
	for _, tc := range []struct {
		name    string
		stopped []string // tenants whose log must stop
		refused []string // what must be refused, of what is tried
	}{
		{"sync of a journal", []string{"tenant-1"}, []string{"tenant-1 alone0 storage"}},
		// What is in the journal is durable: the log stops when it would take more.
		{"sync of a segment", []string{"tenant-1"}, nil},
		{"sync of the intake", nil, nil},
		{"sync of a sign-state", []string{"tenant-1"}, []string{"tenant-1 alone0 storage"}},
		{"sync of the keyring", nil, []string{"tenant-3 stranger storage"}},
		{"sync of every file", faulted, []string{"tenant-1 alone0 storage", "tenant-2 beside storage", "tenant-3 stranger storage"}},
		{"no space left", faulted, []string{"tenant-1 alone0 storage", "tenant-2 beside storage", "tenant-3 stranger storage"}},
		{"limited file size", []string{"tenant-1"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			out := runFault(t, dir, tc.name)
			t.Logf("%+v", out)
			for _, n := range faulted {
				if got := out.Stopped[n] != ""; got != slices.Contains(tc.stopped, n) {
					t.Errorf("%s is stopped: %q, want stopped %v", n, out.Stopped[n], tc.stopped)
				}
			}
			for _, r := range tc.refused {
				if !slices.Contains(out.Refused, r) {
					t.Errorf("refused are %q, want %q among them", out.Refused, r)
				}
			}
			if len(tc.stopped) < len(faulted) && !slices.Contains(out.Acked, "tenant-2 later") {
				t.Errorf("the other tenant did not go on: acknowledged %q", out.Acked)
			}
			checkAfterFault(t, dir, out)
		})
	}
}

// checkAfterFault opens the directory without the fault.
func checkAfterFault(t *testing.T, dir string, out faultOutcome) {
	t.Helper()
	l, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, n := range faulted {
		got := keysOf(t, l, n)
		for _, line := range append(slices.Clone(out.Acked), out.Kept...) {
			if tn, key, _ := strings.Cut(line, " "); tn == n && got[key] != 1 {
				t.Errorf("%q was promised and stands %d times", line, got[key])
			}
		}
		log, err := l.Store.Log(tenant(t, n))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := log.Append(t.Context(), []store.Item{event("restarted", start, map[string]int{}, person("new", "login"))}); err != nil {
			t.Errorf("%s does not go on after the restart: %v", n, err)
		}
		// Who was refused tries again, and nothing stands twice.
		for _, line := range out.Refused {
			tn, rest, _ := strings.Cut(line, " ")
			key := rest[:strings.LastIndex(rest, " ")]
			if tn != n {
				continue
			}
			it := event(key, start, map[string]string{"v": key})
			if _, err := log.Append(t.Context(), []store.Item{it}); err != nil {
				t.Errorf("%s, %s again: %v", n, key, err)
			}
		}
		for key, count := range keysOf(t, l, n) {
			if count != 1 {
				t.Errorf("%s: %s stands %d times", n, key, count)
			}
		}
		if rep, err := log.Verify(t.Context(), store.VerifyOptions{Deep: true}); err != nil || !rep.OK() {
			t.Errorf("%s after the restart: %v, %+v", n, err, rep)
		}
		if _, _, err := log.Checkpoint(); err != nil {
			t.Errorf("%s signs nothing after the restart: %v", n, err)
		}
	}
	checkSignState(t, dir)
}
