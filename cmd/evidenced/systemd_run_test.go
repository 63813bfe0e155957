package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine is a small machine whose first process is the real systemd. It has the
// programs of the machine under it, a root, a network and processes of its own.
type machine struct {
	t   *testing.T
	pid int
}

// boot starts one, with the program and what of the repository is installed.
func boot(t *testing.T) *machine {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can start a second systemd: run it as root, as CI does")
	}
	root, cgroup := t.TempDir(), "evidenced-test-"+strconv.Itoa(os.Getpid())
	var out bytes.Buffer
	cmd := exec.Command("sh", "testdata/systemd.sh", root, cgroup)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m := &machine{t, cmd.Process.Pid}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // and with the first process of the machine all of them
		_ = cmd.Wait()
		tidy := exec.Command("unshare", "--mount", "sh", "-c", `mount -t cgroup2 cgroup2 "$0" && find "$0/$1" -depth -type d -exec rmdir {} +`, root, cgroup)
		if b, err := tidy.CombinedOutput(); err != nil {
			t.Logf("cgroups stay behind: %v\n%s", err, b)
		}
		if t.Failed() {
			t.Logf("the machine said:\n%s", out.Bytes())
		}
	})
	m.until("systemd runs", func() bool {
		b, _ := m.command("systemctl", "is-system-running").Output()
		return strings.TrimSpace(string(b)) == "running"
	})
	return m
}

// command is one that root gives on the machine.
func (m *machine) command(args ...string) *exec.Cmd {
	enter := []string{"--target=" + strconv.Itoa(m.pid), "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--root", "--wd", "--",
		"sh", "-c", `cd /src && exec "$@"`, "sh"}
	cmd := exec.CommandContext(m.t.Context(), "nsenter", append(enter, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"}
	return cmd
}

// run gives a command that must do what it is to do, and returns what it says.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.command(args...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// put writes a file of the machine.
func (m *machine) put(path string, content []byte) {
	m.t.Helper()
	cmd := m.command("sh", "-ec", `mkdir -p "$(dirname "$0")"; cat > "$0"`, path)
	cmd.Stdin = bytes.NewReader(content)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v\n%s", path, err, out)
	}
}

// unit returns a property of the daemon's unit.
func (m *machine) unit(property string) string {
	m.t.Helper()
	return strings.TrimSpace(m.run("systemctl", "show", "--value", "--property="+property, "evidenced"))
}

func (m *machine) until(what string, is func() bool) {
	m.t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			m.t.Fatalf("not within 30 seconds: %s", what)
		}
	}
}

var plainBlock = regexp.MustCompile("(?s)```\n(.*?)```")

// What the page about installing says under systemd, typed word by word on a machine
// where the real systemd is the first process: the daemon runs as its user within
// what the unit allows it, comes back after a kill, stays down after what does not
// pass by itself, and ends when it is told to.
func TestInstallUnderSystemd(t *testing.T) {
	m := boot(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	// Both programs are this one here; it is named as one of them.
	m.put("/src/bin/evidenced", program)
	m.put("/src/bin/evidence-verify", program)
	for _, path := range []string{"sysusers.d/evidenced.conf", "tmpfiles.d/evidenced.conf", "evidenced.service"} {
		b, err := os.ReadFile(units + path)
		if err != nil {
			t.Fatal(err)
		}
		m.put("/src/deploy/systemd/"+path, b)
	}
	// No quarter of a minute is waited for here.
	m.put("/etc/systemd/system/evidenced.service.d/test.conf", []byte("[Service]\nRestartSec=200ms\n"))
	m.serveTLS()

	page, err := os.ReadFile(top + "docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "\n## Systemd\n")
	section, _, _ := strings.Cut(rest, "\n## ")
	typed := plainBlock.FindAllStringSubmatch(yamlBlock.ReplaceAllString(section, ""), -1)
	if len(typed) != 2 {
		t.Fatalf("%d blocks of commands, want that which installs and that which starts", len(typed))
	}
	config := yamlBlock.FindStringSubmatch(section)[1]
	m.run("sh", "-euc", strings.Replace(typed[0][1], "make build\n", "", 1))
	m.put("/src/evidenced.yaml", []byte(config))
	said := m.run("sh", "-euc", typed[1][1])
	if !strings.Contains(said, "certs/edge  readable") {
		t.Errorf("doctor says\n%s", said)
	}

	m.serves()
	asks := func(args ...string) string {
		t.Helper()
		return m.run(append([]string{"runuser", "-u", "evidenced", "--", "evidenced"}, args...)...)
	}
	m.until("a certificate is recorded", func() bool {
		out, _ := m.command("runuser", "-u", "evidenced", "--", "evidenced", "records", "--tenant", "tenant-1", "--kind", "cert.state").Output()
		return strings.Contains(string(out), "www.tenant-1.example")
	})
	if out, err := m.command("runuser", "-u", "nobody", "--", "evidenced", "tenants").CombinedOutput(); err == nil {
		t.Errorf("another user asked and was told:\n%s", out)
	}
	t.Run("sandbox", m.confined)

	t.Run("killed", func(t *testing.T) {
		first := m.unit("MainPID")
		m.run("kill", "-KILL", first)
		m.until("it is started again", func() bool { return m.unit("ActiveState") == "active" && m.unit("MainPID") != first })
		m.serves()
		asks("verify")
		if n := m.unit("NRestarts"); n != "1" {
			t.Errorf("it was started again %s times after one kill", n)
		}
	})
	t.Run("configuration that is off", func(t *testing.T) {
		m.put("/etc/evidenced/evidenced.yaml", []byte(config+"nonsense: 1\n"))
		_ = m.command("systemctl", "restart", "evidenced").Run()
		m.until("it fails", func() bool { return m.unit("ActiveState") == "failed" })
		time.Sleep(time.Second) // five times what it waits before it would start again
		if state, code := m.unit("ActiveState"), m.unit("ExecMainStatus"); state != "failed" || code != "2" {
			t.Errorf("%s with code %s, want it to stay down with 2", state, code)
		}
		m.put("/etc/evidenced/evidenced.yaml", []byte(config))
		m.run("systemctl", "restart", "evidenced")
		m.serves()
	})
	t.Run("stopped", func(t *testing.T) {
		asks("tenants")
		m.run("systemctl", "stop", "evidenced")
		if state, result := m.unit("ActiveState"), m.unit("Result"); state != "inactive" || result != "success" {
			t.Errorf("%s, %s with code %s after it was told to end", state, result, m.unit("ExecMainStatus"))
		}
		asks("verify")
	})
}

// serves waits until the daemon is up. Asked for evidence before it is, the program
// would read the data directory itself, and keep the daemon out meanwhile.
func (m *machine) serves() {
	m.t.Helper()
	m.until("the daemon is up", func() bool {
		return m.command("python3", "-c", `import socket; socket.create_connection(("127.0.0.1", 9320))`).Run() == nil
	})
}

// serveTLS has the endpoint of the page's configuration answer.
func (m *machine) serveTLS() {
	m.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=www.tenant-1.example",
		"-addext", "subjectAltName=DNS:www.tenant-1.example", "-keyout", "/tmp/key.pem", "-out", "/tmp/cert.pem")
	server := m.command("openssl", "s_server", "-accept", "443", "-key", "/tmp/key.pem", "-cert", "/tmp/cert.pem", "-quiet")
	if err := server.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	m.until("the endpoint answers", func() bool {
		return m.command("openssl", "s_client", "-connect", "127.0.0.1:443").Run() == nil
	})
}

// confined looks at the running daemon as the kernel sees it.
func (m *machine) confined(t *testing.T) {
	pid := m.unit("MainPID")
	status := m.run("cat", "/proc/"+pid+"/status")
	uid := strings.TrimSpace(m.run("id", "-u", "evidenced"))
	for _, want := range []string{
		fmt.Sprintf("Uid:\t%[1]s\t%[1]s\t%[1]s\t%[1]s\n", uid), "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n",
	} {
		if !strings.Contains(status, want) {
			t.Errorf("its status lacks %q:\n%s", want, status)
		}
	}
	for dir, mode := range map[string]string{"/var/lib/evidenced": "700 evidenced", "/var/lib/evidenced-anchors": "700 evidenced", "/etc/evidenced": "750 root"} {
		if got := strings.TrimSpace(m.run("stat", "-c", "%a %U", dir)); got != mode {
			t.Errorf("%s is %s, want %s", dir, got, mode)
		}
	}
	// In its own view of the files even root may write nowhere else.
	seen := func(args ...string) error {
		return m.command(append([]string{"nsenter", "--target=" + pid, "--mount", "--root", "--"}, args...)...).Run()
	}
	for _, dir := range []string{"/", "/etc", "/etc/evidenced", "/usr/local/bin", "/var"} {
		if seen("touch", filepath.Join(dir, "x")) == nil {
			t.Errorf("its view of %s can be written", dir)
		}
	}
	if err := seen("test", "-w", "/var/lib/evidenced"); err != nil {
		t.Errorf("its view of /var/lib/evidenced cannot be written: %v", err)
	}
}
