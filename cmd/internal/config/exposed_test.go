package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"evidenced/cmd/internal/config/configtest"
)

func secret(t *testing.T, path string, mode fs.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("planted-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func link(t *testing.T, to, from string) string {
	t.Helper()
	if err := os.Symlink(to, from); err != nil {
		t.Fatal(err)
	}
	return from
}

// Who may read a file is told by what its mode, the folders above it and links
// come to, and not where they come to nothing.
func TestReaders(t *testing.T) {
	mask := syscall.Umask(0o022) // of whoever runs the test
	t.Cleanup(func() { syscall.Umask(mask) })
	dir := configtest.OpenDir(t)
	closed := filepath.Join(dir, "closed")
	for path, mode := range map[string]fs.FileMode{"0600": 0o600, "0400": 0o400, "0640": 0o640, "0604": 0o604, "0644": 0o644, "closed/0644": 0o644, "closed/deep/0640": 0o640,
		"vol/..2026_11_14/token": 0o644, "vol/loose": 0o644, "fake/..2026/token": 0o644} {
		secret(t, filepath.Join(dir, path), mode)
	}
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	link(t, "..2026_11_14", dir+"/vol/..data")
	link(t, "..data/token", dir+"/vol/token")
	link(t, "vol/token", dir+"/to-volume")
	link(t, "..2026/token", dir+"/fake/token")
	for path, want := range map[string]string{
		"0600": "", "0400": "", "0640": "the group", "0604": "everybody", "0644": "everybody",
		"closed/0644": "", "closed/deep/0640": "",
		"vol/token": "", "vol/loose": "everybody", "fake/token": "everybody", "none": "", "vol": "",
		link(t, "0644", dir+"/link")[len(dir)+1:]:           "everybody",
		link(t, "0600", dir+"/link-shut")[len(dir)+1:]:      "",
		link(t, "closed/0644", dir+"/link-in")[len(dir)+1:]: "",
		link(t, "nowhere", dir+"/link-none")[len(dir)+1:]:   "",
	} {
		mode, by := readers(filepath.Join(dir, path))
		if (by == "") != (want == "") || !strings.HasPrefix(by, want) {
			t.Errorf("%s: mode %o, read by %q, want %q", path, mode, by, want)
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	// Root gives a file to a group so that the daemon may read it.
	if err := os.Chown(dir+"/0640", 0, 54321); err != nil {
		t.Fatal(err)
	}
	if _, by := readers(dir + "/0640"); by != "" {
		t.Errorf("a file that root gave to a group is read by %s", by)
	}
	if err := os.Chown(dir+"/0640", 54321, 54321); err != nil {
		t.Fatal(err)
	}
	if _, by := readers(dir + "/0640"); by != "the group with id 54321" {
		t.Errorf("a file whose owner lets the group read it is read by %q", by)
	}
}

// A secret is ours alone with mode 0600, or where root gave it to our group to read.
func TestPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o660: false}
	if os.Getuid() == 0 {
		if err := os.Chown(file, 0, 65532); err != nil {
			t.Fatal(err)
		}
		want[0o440], want[0o640] = true, true
	}
	for mode, private := range want {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := Private(fi); got != private {
			t.Errorf("mode %04o: %t, want %t", mode, got, private)
		}
	}
}

// Every key that names a file with a secret is looked at, wherever it stands, and
// no other.
func TestExposed(t *testing.T) {
	dir := configtest.OpenDir(t)
	c := Default()
	c.Keys.Wrapping.Transit.TokenFile = secret(t, dir+"/transit", 0o600)
	c.Keys.Wrapping.Transit.CAFile = secret(t, dir+"/ca", 0o644)
	type nested struct {
		KeyFile        string `yaml:"key_file"`
		KnownHostsFile string `yaml:"known_hosts_file"`
	}
	type source struct {
		TokenFile   string            `yaml:"token_file"`
		TLSKeyFile  string            `yaml:"tls_key_file"`
		TLSCertFile string            `yaml:"tls_cert_file"`
		Repos       []nested          `yaml:"repos"`
		Named       map[string]nested `yaml:"named"`
		Other       string            `yaml:"secret"`
	}
	c.Sources = []Source{
		{Name: "git/a", Config: &source{TokenFile: secret(t, dir+"/token", 0o644), TLSKeyFile: secret(t, dir+"/tls", 0o600), TLSCertFile: secret(t, dir+"/cert", 0o644),
			Repos: []nested{{KeyFile: secret(t, dir+"/key", 0o604), KnownHostsFile: dir + "/ca"}}, Named: map[string]nested{"x": {KeyFile: dir + "/token"}}, Other: dir + "/token"}},
		{Name: "git/b", Config: &source{TokenFile: dir + "/none"}},
		{Name: "git/c"},
	}
	var got []string
	for _, e := range c.Exposed() {
		got = append(got, string(e.Source)+" "+e.Field+" "+filepath.Base(e.File)+" "+e.Mode.String())
		if !strings.Contains(e.Hint(), "chmod 600 "+e.File) || strings.Contains(e.Hint()+e.By, "planted") {
			t.Errorf("hint %q", e.Hint())
		}
	}
	want := "git/a sources.git/a.token_file token -rw-r--r--|git/a sources.git/a.repos[0].key_file key -rw----r--|git/a sources.git/a.named.x.key_file token -rw-r--r--"
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
}
