package main

import (
	"os"
	"testing"

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

// The scripts run the real program: its main, its files, its socket.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("GIT_CONFIG_GLOBAL", e.WorkDir+"/gitconfig")
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
	})
}
