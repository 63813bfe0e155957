package anchor

import (
	"encoding/pem"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
)

// run runs git, the real one, on a repository.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@t.invalid", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@t.invalid")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func bare(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "anchor.git")
	if _, err := git.PlainInit(dir, true); err != nil {
		t.Fatal(err)
	}
	return dir
}

// wantHistory asks git itself: the repository is sound, and the branch tells
// the checkpoints in order.
func wantHistory(t *testing.T, dir string, h *history) {
	t.Helper()
	run(t, dir, "fsck", "--strict", "--full")
	got := strings.Fields(run(t, dir, "log", "--reverse", "--format=%s", DefaultBranch))
	want := strings.Fields("checkpoint " + origin + " 3 checkpoint " + origin + " 7 checkpoint " + other + " 4 checkpoint " + origin + " 12")
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("commits %q, want %q", got, want)
	}
	if note := run(t, dir, "show", DefaultBranch+":"+origin); note != string(h.at(12).Signed) {
		t.Errorf("the file holds %q", note)
	}
}

func TestGitRemembers(t *testing.T) {
	w := newWorld(t)
	dir := bare(t)
	g := NewGit(GitOptions{Name: "repo", Repository: dir, Data: dir, Open: w.open, Now: clock})
	remembers(t, w, g)
	if g.Rung() != 0 {
		t.Errorf("on the same disk: rung %d, want 0", g.Rung())
	}
	wantHistory(t, dir, w.history(t, origin).grow(12, "a"))
	r := w.history(t, origin).grow(12, "a").mustPut(g, 12)
	if tip := strings.TrimSpace(run(t, dir, "rev-parse", DefaultBranch)); r.Answer != "commit "+tip {
		t.Errorf("the receipt says %q, the branch is at %s", r.Answer, tip)
	}
}

// A repository that people work in keeps its files and its other branches; the
// branch they stand on is left alone.
func TestGitWorkingRepository(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	run(t, dir, "init", "-q", "-b", "main")
	if err := os.WriteFile(filepath.Join(dir, "README"), []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "add", "README")
	run(t, dir, "commit", "-q", "-m", "begin")
	main := run(t, dir, "rev-parse", "main")
	h := w.history(t, origin).grow(2, "a")
	g := NewGit(GitOptions{Name: "repo", Repository: dir, Data: dir, Open: w.open, Now: clock})
	h.mustPut(g, 1)
	if got := run(t, dir, "rev-parse", "main"); got != main {
		t.Error("main was moved")
	}
	if got := run(t, dir, "status", "--porcelain"); got != "" {
		t.Errorf("the work tree became %q", got)
	}
	on := NewGit(GitOptions{Name: "repo", Repository: dir, Branch: "main", Data: dir, Open: w.open, Now: clock})
	if _, err := h.put(on, 2); err == nil || !strings.Contains(err.Error(), "checked out") {
		t.Errorf("the branch that is checked out was moved: %v", err)
	}
	// A branch that holds other files keeps them.
	run(t, dir, "branch", "shared", "main")
	sh := NewGit(GitOptions{Name: "repo", Repository: dir, Branch: "shared", Data: dir, Open: w.open, Now: clock})
	h.mustPut(sh, 2)
	if got := run(t, dir, "show", "shared:README"); got != "hello\n" {
		t.Errorf("README on the branch is %q", got)
	}
	run(t, dir, "fsck", "--strict", "--full")
}

func TestGitDamage(t *testing.T) {
	w := newWorld(t)
	dir := bare(t)
	g := NewGit(GitOptions{Name: "repo", Repository: dir, Data: dir, Open: w.open, Now: clock})
	// Another installation's key signed the note under our log's name.
	stranger := newWorld(t)
	theirs := NewGit(GitOptions{Name: "repo", Repository: dir, Data: dir, Open: stranger.open, Now: clock})
	stranger.history(t, origin).grow(9, "a").mustPut(theirs, 9)
	h := w.history(t, origin).grow(3, "a")
	if _, _, _, err := g.Newest(t.Context(), origin); err == nil {
		t.Error("a note by another key was taken")
	}
	if _, err := h.put(g, 3); err == nil {
		t.Error("a note by another key was overwritten")
	}
	if _, err := h.put(NewGit(GitOptions{Name: "repo", Repository: filepath.Join(dir, "no"), Open: w.open, Now: clock}), 3); err == nil {
		t.Error("a repository that is not there took a checkpoint")
	}
}

// gitServer serves the repositories below dir by git's own http-backend, over
// TLS, with a token.
func gitServer(t *testing.T, dir, token string) (url, caFile string) {
	t.Helper()
	backend := strings.TrimSpace(run(t, dir, "--exec-path")) + "/git-http-backend"
	h := &cgi.Handler{Path: backend, Dir: dir, Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=git", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null"}}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pass, _ := r.BasicAuth(); pass != token {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return srv.URL, caFile
}

func TestGitOverHTTPS(t *testing.T) {
	w := newWorld(t)
	dir := bare(t)
	run(t, dir, "config", "http.receivepack", "true")
	run(t, dir, "config", "receive.denyNonFastForwards", "true")
	run(t, dir, "config", "receive.fsckObjects", "true")
	url, ca := gitServer(t, filepath.Dir(dir), "token-1")
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte("token-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := GitOptions{Name: "repo", Repository: url + "/anchor.git", TokenFile: tokenFile, CAFile: ca, Data: t.TempDir(), Open: w.open, Now: clock}
	g := NewGit(o)
	remembers(t, w, g)
	wantHistory(t, dir, w.history(t, origin).grow(12, "a"))
	if g.Rung() != 0 {
		t.Errorf("a server on this host: rung %d, want 0", g.Rung())
	}

	if err := os.WriteFile(tokenFile, []byte("stale"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, _, err := g.Newest(t.Context(), origin)
	if err == nil || strings.Contains(err.Error(), "stale") {
		t.Errorf("with another token: %v", err)
	}
	o.CAFile = ""
	if _, _, _, err := NewGit(o).Newest(t.Context(), origin); err == nil {
		t.Error("a server of an unknown authority was trusted")
	}
	for _, bad := range []string{strings.Replace(url, "https", "http", 1) + "/anchor.git", "ssh://git@host/x", "https://u:p@host/x", "relative"} {
		o.Repository = bad
		if _, _, _, err := NewGit(o).Newest(t.Context(), origin); err == nil {
			t.Errorf("%s was used", bad)
		}
	}
}

// Somebody moved the branch between reading and publishing: nothing is forced.
// A host name that leads to a cloud's metadata service never gets the token.
func TestGitRefusesMetadata(t *testing.T) {
	w := newWorld(t)
	for _, host := range []string{"169.254.169.254", "100.100.100.200"} {
		g := NewGit(GitOptions{Name: "repo", Repository: "https://" + host + "/x.git", Data: t.TempDir(), Open: w.open, Now: clock})
		if _, _, _, err := g.Newest(t.Context(), origin); err == nil || !strings.Contains(err.Error(), "never dialled") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestGitNeverForces(t *testing.T) {
	w := newWorld(t)
	dir := bare(t)
	run(t, dir, "config", "http.receivepack", "true")
	url, ca := gitServer(t, filepath.Dir(dir), "")
	h := w.history(t, origin).grow(9, "a")
	local := GitOptions{Name: "repo", Repository: dir, Data: dir, Open: w.open, Now: clock}
	remote := GitOptions{Name: "repo", Repository: url + "/anchor.git", CAFile: ca, Data: dir, Open: w.open, Now: clock}
	h.mustPut(NewGit(local), 1)
	for i, o := range []GitOptions{local, remote} {
		g := NewGit(o)
		b, err := g.read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		between := h.mustPut(NewGit(local), uint64(3+2*i))
		commit, objects, err := g.commit(b, h.at(uint64(4+2*i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.publish(t.Context(), commit, objects); err == nil {
			t.Errorf("%s: a branch that was moved meanwhile was moved again", o.Repository)
		}
		repo, err := git.PlainOpen(dir)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := repo.Reference(plumbing.NewBranchReferenceName(DefaultBranch), true)
		if err != nil || "commit "+ref.Hash().String() != between.Answer {
			t.Errorf("the branch is at %v %v, want %s", ref, err, between.Answer)
		}
	}
}
