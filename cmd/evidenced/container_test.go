package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/modfile"
)

const (
	top           = "../../"
	containerfile = top + "deploy/container/Containerfile"
)

// stage is a stage of a Containerfile: FROM, and what follows it.
type stage struct {
	image, name string
	steps       []step
}

type step struct {
	do   string
	args []string
}

// copied is a COPY: sources, where from ("" for the build context), and where to.
type copied struct {
	sources []string
	from    string
	chown   string
	to      string
}

// stages reads the Containerfile.
func stages(t *testing.T) (out []stage) {
	t.Helper()
	b, err := os.ReadFile(containerfile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(strings.ReplaceAll(string(b), "\\\n", " ")) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(words[0], "#"):
		case words[0] == "FROM":
			s := stage{image: words[1]}
			if len(words) == 4 {
				s.name = words[3]
			}
			out = append(out, s)
		default:
			last := &out[len(out)-1]
			last.steps = append(last.steps, step{words[0], words[1:]})
		}
	}
	return out
}

// all returns what follows each instruction of the name.
func (s stage) all(do string) (out [][]string) {
	for _, x := range s.steps {
		if x.do == do {
			out = append(out, x.args)
		}
	}
	return out
}

func (s stage) copies() (out []copied) {
	for _, args := range s.all("COPY") {
		var c copied
		for _, a := range args {
			switch {
			case strings.HasPrefix(a, "--from="):
				c.from = a[len("--from="):]
			case strings.HasPrefix(a, "--chown="):
				c.chown = a[len("--chown="):]
			default:
				c.sources = append(c.sources, a)
			}
		}
		c.to = c.sources[len(c.sources)-1]
		c.sources = c.sources[:len(c.sources)-1]
		out = append(out, c)
	}
	return out
}

// The Containerfile builds what the repository holds, with the compiler that the
// module asks for, and its last stage runs nothing and is nobody's but a number's.
func TestContainerfile(t *testing.T) {
	ss := stages(t)
	if len(ss) != 2 || ss[0].name != "build" || ss[1].image != "scratch" {
		t.Fatalf("stages %+v, want one that builds and one from scratch", ss)
	}
	build, last := ss[0], ss[1]

	b, err := os.ReadFile(top + "go.mod")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.ParseLax("go.mod", b, nil)
	if err != nil {
		t.Fatal(err)
	}
	wanted := regexp.MustCompile(`^golang:` + regexp.QuoteMeta(strings.TrimSuffix(mod.Go.Version, ".0")) + `\.\d+-[a-z]+$`)
	if !wanted.MatchString(build.image) {
		t.Errorf("built with %s, go.mod asks for Go %s: want a tag with version and distribution", build.image, mod.Go.Version)
	}

	var context []string
	for _, c := range slices.Concat(build.copies(), last.copies()) {
		for _, source := range c.sources {
			if c.from != "" {
				continue
			}
			context = append(context, source)
			if _, err := os.Stat(top + source); err != nil {
				t.Errorf("COPY %s: %v", source, err)
			}
		}
	}
	// What is linked must have been copied.
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./cmd/evidenced", "./cmd/evidence-verify")
	cmd.Dir = top
	linked, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for pkg := range strings.FieldsSeq(string(linked)) {
		own, is := strings.CutPrefix(pkg, mod.Module.Mod.Path+"/")
		if folder, _, _ := strings.Cut(own, "/"); is && !slices.Contains(context, folder) {
			t.Errorf("%s is linked, and %s is not copied to where it is built", pkg, folder)
		}
	}
	if runs := build.all("RUN"); !slices.ContainsFunc(runs, func(r []string) bool { return strings.HasPrefix(strings.Join(r, " "), "make build ") }) {
		t.Errorf("it is not built by make build, which says how: %q", runs)
	}

	if runs := last.all("RUN"); len(runs) > 0 {
		t.Errorf("there is no shell to run %q", runs)
	}
	uid, gid := userOf(t, last)
	if uid < 1000 || gid < 1000 {
		t.Errorf("runs as %d:%d, want a user and a group of its own", uid, gid)
	}
	for _, c := range last.copies() {
		if c.chown != "" && c.chown != fmt.Sprintf("%d:%d", uid, gid) {
			t.Errorf("COPY to %s gives files to %s, the daemon is %d:%d", c.to, c.chown, uid, gid)
		}
	}
	for _, s := range ss {
		for _, x := range slices.Concat(s.all("ARG"), s.all("ENV")) {
			if regexp.MustCompile(`(?i)token|secret|passw|key|credential`).MatchString(strings.Join(x, " ")) {
				t.Errorf("%q looks like a secret: it would stay in the image", x)
			}
		}
	}
	if e := last.all("ENTRYPOINT"); len(e) != 1 || e[0][0] != `["evidenced"]` {
		t.Errorf("ENTRYPOINT %q, want the program itself", e)
	}
	if c := last.all("CMD"); len(c) != 1 || c[0][0] != `["serve"]` {
		t.Errorf("CMD %q, want serve", c)
	}
}

// userOf returns the user and the group that a stage ends with, as numbers.
func userOf(t *testing.T, s stage) (uid, gid int) {
	t.Helper()
	users := s.all("USER")
	if len(users) == 0 {
		t.Fatal("the image runs as root")
	}
	user, group, _ := strings.Cut(users[len(users)-1][0], ":")
	uid, err := strconv.Atoi(user)
	if err != nil {
		t.Fatalf("USER %s: Kubernetes cannot tell whether a name is root", user)
	}
	if gid, err = strconv.Atoi(group); err != nil {
		t.Fatalf("USER %s: want a numeric group", users[len(users)-1][0])
	}
	return uid, gid
}

// image is a root directory with what the last stage of the Containerfile copies
// and nothing else. The daemon's user can write to nothing but the folders that
// are copied for it.
type image struct {
	dir      string
	uid, gid int
	env      []string
}

// newImage lays it out. roots are the authorities that the stage that builds has.
func newImage(t *testing.T, roots []byte) *image {
	t.Helper()
	ss := stages(t)
	build, last := ss[0], ss[len(ss)-1]
	im := &image{dir: filepath.Join(t.TempDir(), "root"), env: []string{programEnv + "=1"}}
	im.uid, im.gid = userOf(t, last)
	for _, e := range last.all("ENV") {
		im.env = append(im.env, strings.Join(e, " "))
	}
	im.folder(t, "/", 0o755)
	for _, c := range last.copies() {
		for _, source := range c.sources {
			to := c.to
			if strings.HasSuffix(to, "/") && source != "/rootfs/" {
				to += path.Base(source)
			}
			switch {
			case c.from == "":
				b, err := os.ReadFile(top + source)
				if err != nil {
					t.Fatal(err)
				}
				im.file(t, to, b, 0o644)
			case source == "/src/bin/evidenced":
				im.program(t, to)
			case source == "/src/bin/evidence-verify":
			case source == "/etc/ssl/certs/ca-certificates.crt":
				im.file(t, to, roots, 0o644)
			case source == "/rootfs/":
				for _, r := range build.all("RUN") {
					for _, word := range r {
						if folder, ok := strings.CutPrefix(word, "/rootfs/"); ok {
							im.given(t, "/"+folder, 0o700, im.uid)
						}
					}
				}
			default:
				t.Fatalf("COPY --from=%s %s: what is it here?", c.from, source)
			}
		}
	}
	return im
}

func (im *image) folder(t *testing.T, name string, mode os.FileMode) {
	t.Helper()
	dir := filepath.Join(im.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
}

// given makes a folder that belongs to a user and the daemon's group.
func (im *image) given(t *testing.T, name string, mode os.FileMode, uid int) {
	t.Helper()
	im.folder(t, name, 0o700)
	im.give(t, name, uid)
	if err := os.Chmod(filepath.Join(im.dir, name), mode); err != nil {
		t.Fatal(err)
	}
}

// give gives a file to a user and the daemon's group. Who is not root gives nothing
// away: everything is the daemon's own then, and nobody else's to read.
func (im *image) give(t *testing.T, name string, uid int) {
	t.Helper()
	file := filepath.Join(im.dir, name)
	if os.Getuid() == 0 {
		if err := os.Chown(file, uid, im.gid); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.Chmod(file, 0o700); err != nil {
		t.Fatal(err)
	}
}

func (im *image) file(t *testing.T, name string, b []byte, mode os.FileMode) {
	t.Helper()
	im.folder(t, path.Dir(name), 0o755)
	file := filepath.Join(im.dir, name)
	if err := os.WriteFile(file, b, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

// program puts this program there, built without cgo as make build does: the test
// binary, or where that was built with cgo one that is made for it.
func (im *image) program(t *testing.T, name string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	im.folder(t, path.Dir(name), 0o755)
	to := filepath.Join(im.dir, name)
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", to, ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build without cgo: %v\n%s", err, out)
		}
		return
	}
	if os.Link(exe, to) == nil {
		return
	}
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	im.file(t, name, b, 0o755)
}

// command is a command line in the image, as the image's user: root changes to
// it, everybody else is it in a user namespace of their own.
func (im *image) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/usr/local/bin/evidenced", args...)
	cmd.Dir, cmd.Env = "/", slices.Concat(im.env, env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: im.dir, Credential: &syscall.Credential{Uid: uint32(im.uid), Gid: uint32(im.gid)}}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: im.uid, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: im.gid, HostID: os.Getgid(), Size: 1}}
		cmd.SysProcAttr.Credential.NoSetGroups = true
	}
	return cmd
}

// run runs a command line that must end with 0, and returns its output.
func (im *image) run(t *testing.T, env []string, args ...string) string {
	t.Helper()
	out, err := im.command(t.Context(), env, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("evidenced %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The program needs nothing that the image does not have: time zones are in it, the
// authorities are found where they are copied to, and it writes to its volumes.
func TestRunsInAnEmptyRoot(t *testing.T) {
	cert, key := selfSigned(t)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	go srv.Serve(l)
	defer srv.Close()

	im := newImage(t, cert)
	im.file(t, "/etc/evidenced/evidenced.yaml", fmt.Appendf(nil, `
data_dir: /var/lib/evidenced/data
keys: {dir: /var/lib/evidenced-keys/keys, sign_state_dir: /var/lib/evidenced-sign-state/sign-state}
listen: ""
time_zone: Europe/Berlin
tenants: [{name: tenant-7, owns: [{hosts: [127.0.0.1]}]}]
sources: [{name: certs/edge, type: certs, config: {endpoints: [{address: %q}]}}]
`, l.Addr()), 0o644)

	if out := im.run(t, nil, "version"); !strings.Contains(out, "evidenced") {
		t.Errorf("version says %q", out)
	}
	if out := im.run(t, nil, "config", "check"); !strings.HasPrefix(out, "ok ") {
		t.Errorf("config check says %q", out)
	}
	im.run(t, nil, "collect")
	out := im.run(t, nil, "records", "--tenant", "tenant-7", "--kind", "cert.state", "--json", "--last", "1h")
	if !strings.Contains(out, `"trusted":"yes"`) {
		t.Errorf("the authority in the image is not known: %s", out)
	}
}

// served is a daemon that serves in an image.
type served struct {
	cmd     *exec.Cmd
	log     strings.Builder // what it said until it told its address, and at its end
	address string
	rest    *bufio.Reader
}

// serve starts the daemon there and waits for the address of its health.
func (im *image) serve(t *testing.T, env ...string) *served {
	t.Helper()
	d := &served{cmd: im.command(t.Context(), env, "serve")}
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatalf("start in an empty root (user namespaces are needed, or root): %v", err)
	}
	d.rest = bufio.NewReader(stderr)
	for d.address == "" {
		line, err := d.rest.ReadString('\n')
		d.log.WriteString(line)
		if err != nil {
			t.Fatalf("it ended before it served: %v\n%s", d.cmd.Wait(), d.log.String())
		}
		var said struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "telemetry ready" {
			d.address = said.Address
		}
	}
	return d
}

// healthy fails the test unless the page answers with 200 in the end.
func (d *served) healthy(t *testing.T, page string) {
	t.Helper()
	_, port, err := net.SplitHostPort(d.address)
	if err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get("http://127.0.0.1:" + port + page)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(until) {
			t.Fatalf("%s: %v, %+v", page, err, resp)
		}
	}
}

// stop ends the daemon as an engine does, and returns how long that took.
func (d *served) stop(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(&d.log, d.rest); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		t.Fatalf("it ends with %v\n%s", err, d.log.String())
	}
	return time.Since(began)
}
