// Package kubetest starts a real Kubernetes API server for tests: custom
// resources, plain stores for core types, and an etcd that outlives a restart.
// The server is a Go module of its own below collectors/kube/testdata, so that
// its weight stays out of the product; the first test that needs it builds it,
// which takes some two minutes with an empty build cache and seconds later.
//
// The server has no controllers: objects stay as they are written, and a
// collector sees what a test wrote. It knows three tokens: admin may do
// anything, reader may read anything but Secrets, nobody may do nothing.
//
// Beside it stands what tests of several collectors share without a server:
// archives of objects, a crowd of them, and the views that tenants get. looktest has
// what needs collectors/kube itself, whose own tests use this package.
package kubetest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is the server's program, built once for each test binary.
var program struct {
	once sync.Once
	dir  string // where it is; "" before it was built
	err  error
}

// built returns the program.
func built() (string, error) {
	program.once.Do(func() {
		program.dir, program.err = build()
	})
	return filepath.Join(program.dir, "apiserver"), program.err
}

func build() (string, error) {
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		return "", fmt.Errorf("no source path: do not build tests with -trimpath")
	}
	dir, err := os.MkdirTemp("", "kubetest")
	if err != nil {
		return "", err
	}
	// What go run has linked it keeps, which go build does not: the next package's
	// tests copy it. Half the time of linking is the debugger's.
	cmd := exec.Command("go", "run", "-exec", "cp", "-ldflags", "-s -w", ".", filepath.Join(dir, "apiserver"))
	cmd.Dir = filepath.Join(filepath.Dir(here), "..", "testdata", "apiserver")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("%w\n%s", err, out)
	}
	return dir, nil
}

// Main runs the tests of a package and removes the program that Start built, if
// it did. It returns the code to exit with:
//
//	func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }
func Main(m *testing.M) int {
	defer Clean()
	return m.Run()
}

// Clean removes the program that Start built, if it did, for packages whose
// tests have a main of their own.
func Clean() {
	if program.dir != "" {
		os.RemoveAll(program.dir)
	}
}

// Server is a running API server.
type Server struct {
	URL    string
	CAFile string // trust it alone

	t      testing.TB
	dir    string
	client *http.Client
	cmd    *exec.Cmd
	in     io.Closer
}

// patience bounds the wait for the server; a slow machine is no failure.
const patience = 2 * time.Minute

// Start runs a server with an empty store until the test ends, and returns
// when it is ready.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir()}
	s.CAFile = filepath.Join(s.dir, "pki", "apiserver.crt")
	t.Cleanup(s.Stop)
	s.run("127.0.0.1:0")
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	s.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	s.Ready()
	return s
}

// run starts the process and returns when it listens, which is before it is
// ready.
func (s *Server) run(listen string) {
	s.t.Helper()
	bin, err := built()
	if err != nil {
		s.t.Fatalf("build the API server: %v", err)
	}
	cmd := exec.Command(bin, "-dir", s.dir, "-listen", listen)
	errs, err := os.OpenFile(filepath.Join(s.dir, "stderr"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer errs.Close() // the process has its own
	cmd.Stderr = errs
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.cmd, s.in = cmd, in
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		text, _ := os.ReadFile(filepath.Join(s.dir, "stderr"))
		s.t.Fatalf("the API server did not start: %v\n%s", err, text[max(0, len(text)-4000):])
	}
	s.URL = strings.TrimSpace(line)
}

// Stop ends the server; its store stays. Stopping twice is harmless.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	s.in.Close() // it goes down with its standard input
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Kill ends the server as a crash does.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Again starts a stopped server at its old address and returns at once: for a
// moment it answers as a server that is starting does. See [Server.Ready].
func (s *Server) Again() {
	s.t.Helper()
	s.run(strings.TrimPrefix(s.URL, "https://"))
}

// Ready waits until the server calls itself ready.
func (s *Server) Ready() {
	s.t.Helper()
	s.wait("it is ready", func() bool {
		code, body := s.ask(http.MethodGet, "/readyz", "", nil)
		return code == http.StatusOK && string(body) == "ok"
	})
}

// wait asks again and again until the condition holds.
func (s *Server) wait(what string, ok func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("the API server: waited in vain until %s", what)
		}
	}
}

// TokenFile writes the token of one of the three accounts into a file.
func (s *Server) TokenFile(account string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, "token-"+account)
	if err := os.WriteFile(path, []byte(account+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// ask sends a request as an administrator; 0 when there is no answer.
func (s *Server) ask(method, path, contentType string, body []byte) (int, []byte) {
	req, err := http.NewRequest(method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer admin")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, b
}

// Do sends a request as an administrator and returns the answer; any status
// but success fails the test. A body of bytes is sent as YAML, anything else
// as JSON.
func (s *Server) Do(method, path string, body any) map[string]any {
	s.t.Helper()
	b, contentType := []byte(nil), "application/json"
	switch v := body.(type) {
	case nil:
	case []byte:
		b, contentType = v, "application/yaml"
	default:
		var err error
		if b, err = json.Marshal(v); err != nil {
			s.t.Fatal(err)
		}
	}
	code, answer := s.ask(method, path, contentType, b)
	if code < 200 || code > 299 {
		s.t.Fatalf("%s %s: %d %s", method, path, code, answer)
	}
	var m map[string]any
	if err := json.Unmarshal(answer, &m); err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return m
}

// Create makes an object in the collection at path.
func (s *Server) Create(path string, o any) map[string]any {
	s.t.Helper()
	return s.Do(http.MethodPost, path, o)
}

// Change reads the object at path, lets edit change it, and writes it back.
func (s *Server) Change(path string, edit func(o map[string]any)) map[string]any {
	s.t.Helper()
	o := s.Do(http.MethodGet, path, nil)
	edit(o)
	return s.Do(http.MethodPut, path, o)
}

// Delete deletes the object at path.
func (s *Server) Delete(path string) {
	s.t.Helper()
	s.Do(http.MethodDelete, path, nil)
}

// Busy writes the object at path again and again until the returned function is
// called. A real cluster is never at rest, and bookmarks stand on that: they
// tell nothing while the store as a whole does not move.
func (s *Server) Busy(path string) (stop func()) {
	s.t.Helper()
	o := s.Do(http.MethodGet, path, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ctx.Err() == nil; n++ {
			meta := o["metadata"].(map[string]any)
			delete(meta, "resourceVersion") // whatever it is now
			meta["annotations"] = map[string]any{"beat": fmt.Sprint(n)}
			if b, err := json.Marshal(o); err == nil {
				s.ask(http.MethodPut, path, "application/json", b)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	return func() { cancel(); <-done }
}

// Install makes a custom resource definition, given in YAML, and returns when
// its objects can be listed.
func (s *Server) Install(crd []byte) {
	s.t.Helper()
	o := s.Create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
	spec := o["spec"].(map[string]any)
	version := spec["versions"].([]any)[0].(map[string]any)["name"]
	path := fmt.Sprintf("/apis/%s/%s/%s", spec["group"], version, spec["names"].(map[string]any)["plural"])
	s.wait("custom resources of "+path+" are served", func() bool {
		code, _ := s.ask(http.MethodGet, path, "", nil)
		return code == http.StatusOK
	})
}

// CRDs returns the files of a Go module, given as path@version, that match a
// pattern: many projects ship their custom resource definitions in their
// module. The module comes through the Go command, and its checksum is checked.
func CRDs(t testing.TB, module, pattern string) [][]byte {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("download %s: %v\n%s", module, err, out)
	}
	var m struct{ Dir string }
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(m.Dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s has no %s (%v)", module, pattern, err)
	}
	var files [][]byte
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, b)
	}
	return files
}
