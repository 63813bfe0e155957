package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"evidenced/cmd/internal/cli"
	"evidenced/cmd/internal/config"
	"evidenced/collectors/all"
)

const units = top + "deploy/systemd/"

// settings returns what a unit sets, section by section; what is set twice adds up.
func settings(t *testing.T) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(units + "evidenced.service")
	if err != nil {
		t.Fatal(err)
	}
	set, section := map[string][]string{}, ""
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		default:
			key, value, _ := strings.Cut(line, "=")
			set[section+"."+key] = append(set[section+"."+key], strings.Fields(value)...)
		}
	}
	return set
}

// The real systemd-analyze takes the unit.
func TestUnitBySystemd(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatalf("Debian's systemd is needed (sh deploy/test-tools.sh installs it): %v", err)
	}
	root := t.TempDir()
	unit := filepath.Join(root, "etc/systemd/system/evidenced.service")
	b, err := os.ReadFile(units + "evidenced.service")
	if err != nil {
		t.Fatal(err)
	}
	program := settings(t)["Service.ExecStart"][0]
	for file, mode := range map[string]os.FileMode{unit: 0o644, filepath.Join(root, program): 0o755} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"verify", "--man=no", "--recursive-errors=no", "--root=" + root, "evidenced.service"},
		// Out of 100; 100 is a service with no hardening.
		{"security", "--offline=yes", "--no-pager", "--threshold=20", unit},
	} {
		out, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}

// The unit starts what the program has, knows its exit codes, and lets it write
// where it writes by default, as its user alone.
func TestUnit(t *testing.T) {
	set := settings(t)
	if got := set["Service.ExecStart"]; !slices.Equal(got, []string{"/usr/local/bin/evidenced", "serve"}) {
		t.Errorf("ExecStart=%v", got)
	}
	// What passes by itself is tried again; what does not wants somebody to look.
	again := map[int]bool{cli.ExitError: true, cli.ExitLocked: true, cli.ExitStopped: false}
	prevented := set["Service.RestartPreventExitStatus"]
	for _, code := range []int{cli.ExitError, cli.ExitUsage, cli.ExitVerify, cli.ExitLocked, cli.ExitNotFound, cli.ExitRefused} {
		if slices.Contains(prevented, strconv.Itoa(code)) == again[code] {
			t.Errorf("RestartPreventExitStatus=%v, and %d", prevented, code)
		}
	}
	if after, err := strconv.Atoi(set["Service.RestartSec"][0]); err != nil || after < 10 || set["Service.Restart"][0] != "on-failure" {
		t.Errorf("tried again %v after %v", set["Service.Restart"], set["Service.RestartSec"])
	}
	if got := set["Service.SuccessExitStatus"]; !slices.Equal(got, []string{strconv.Itoa(cli.ExitStopped)}) {
		t.Errorf("SuccessExitStatus=%v", got)
	}

	c, err := config.Load(top+"deploy/evidenced.yaml", all.Specs())
	if err != nil {
		t.Fatal(err)
	}
	writable := func(dir string) bool {
		return slices.ContainsFunc(set["Service.StateDirectory"], func(s string) bool {
			s = "/var/lib/" + s
			return dir == s || strings.HasPrefix(dir, s+"/")
		})
	}
	for _, dir := range []string{config.Default().DataDir, config.Default().DataDir + "-anchors", c.DataDir, c.Keys.Dir, c.Keys.SignStateDir, "/var/lib/evidenced-mirrors", "/var/lib/evidenced-spool/prod"} {
		if !writable(dir) {
			t.Errorf("the daemon may not write to %s: StateDirectory=%v", dir, set["Service.StateDirectory"])
		}
	}
	if files, err := strconv.Atoi(set["Service.LimitNOFILE"][0]); err != nil || files < 4864 {
		t.Errorf("LimitNOFILE=%v: fewer logs stay open, see docs/recovery.md", set["Service.LimitNOFILE"])
	}
	for key, want := range map[string]string{
		"StateDirectoryMode": "0700", "UMask": "0077", "NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "ProtectSystem": "strict", "ProtectHome": "yes", "LimitCORE": "0",
	} {
		if got, there := set["Service."+key]; !there || strings.Join(got, " ") != want {
			t.Errorf("%s=%v, want %q", key, got, want)
		}
	}
	user := set["Service.User"][0]
	for file, want := range map[string]string{"sysusers.d/evidenced.conf": "u " + user + " ", "tmpfiles.d/evidenced.conf": "d /etc/evidenced 0750 root " + set["Service.Group"][0]} {
		b, err := os.ReadFile(units + file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains("\n"+string(b), "\n"+want) {
			t.Errorf("%s lacks %q", file, want)
		}
	}
}
