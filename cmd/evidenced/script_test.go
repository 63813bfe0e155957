package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// programEnv makes the test binary be the program.
const programEnv = "EVIDENCED_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programEnv) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"evidenced": main})
}

// The scripts run the real program: its main, its files, its socket. Beside
// testscript's own commands they may say:
//
//	exits CODE evidenced ARG...   the exit code, with stdout and stderr kept
//	appears PATTERN               wait until a background program made such a file
//	pen FILE..., sign PEN NAMESPACE FILE   keys and signatures, see script_sign_test.go
//	flip PATTERN TEXT             change a bit of the first file with the text, everywhere it begins:
//	                              a page that was written anew may still stand where it was
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "appears": appears, "flip": flip, "pen": pen, "sign": sign},
		Setup: func(e *testscript.Env) error {
			e.Setenv("GIT_CONFIG_GLOBAL", e.WorkDir+"/gitconfig")
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("TZ", "America/New_York") // answers must not depend on it
			return nil
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("%s exits with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

func appears(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: appears PATTERN")
	}
	pattern := ts.MkAbs(args[0])
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return
		}
	}
	ts.Fatalf("%s did not appear within 30 seconds", args[0])
}

func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip PATTERN TEXT")
	}
	found, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, path := range found {
		b, err := os.ReadFile(path)
		ts.Check(err)
		found := false
		for at := bytes.Index(b, []byte(args[1])); at >= 0; at = bytes.Index(b, []byte(args[1])) {
			b[at] ^= 1
			found = true
		}
		if found {
			ts.Check(os.WriteFile(path, b, 0o600))
			return
		}
	}
	ts.Fatalf("none of %d files holds %q", len(found), args[1])
}
