package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"evidenced/evidence"
)

// Exposed is a file with a secret, named by the configuration, that somebody
// beside the daemon may read.
type Exposed struct {
	Source evidence.SourceID // that uses it; "" for the daemon itself
	Field  string            // as written in the file: alerts.receivers[0].token_file
	File   string
	Mode   fs.FileMode // of the file that a link leads to
	By     string      // who may read it, for people
}

// Hint says what to do about it.
func (e Exposed) Hint() string {
	return fmt.Sprintf("chmod 600 %s, owned by the daemon's user; whoever read it may have the secret: issue a new one", e.File)
}

// Exposed looks at the files with secrets that the configuration names, and
// returns those that others may read, in the order of their fields. Files that
// are not there are left to those who read them. Access lists beyond the mode
// are not looked at.
func (c *Config) Exposed() []Exposed {
	var out []Exposed
	add := func(source evidence.SourceID) func(field, path string) {
		return func(field, path string) {
			if mode, by := readers(path); by != "" {
				out = append(out, Exposed{source, field, path, mode, by})
			}
		}
	}
	secretFiles(reflect.ValueOf(c), "", "", add(""))
	for i := range c.Sources {
		s := &c.Sources[i]
		secretFiles(reflect.ValueOf(s.Config), "sources."+string(s.Name), "", add(s.Name))
	}
	return out
}

// secretKey reports whether a key names a file that holds a secret.
func secretKey(key string) bool {
	stem, ok := strings.CutSuffix(key, "_file")
	return ok && slices.Contains([]string{"token", "secret", "password", "passphrase", "key", "kubeconfig", "credentials"}, stem[strings.LastIndexByte(stem, '_')+1:])
}

// secretFiles calls f for each file with a secret that stands below v.
func secretFiles(v reflect.Value, field, key string, f func(field, path string)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			secretFiles(v.Elem(), field, key, f)
		}
	case reflect.Struct:
		fs := fieldsOf(v)
		for _, name := range fs.names {
			secretFiles(fs.byName[name], strings.TrimPrefix(field+"."+name, "."), name, f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			secretFiles(v.Index(i), fmt.Sprintf("%s[%d]", field, i), key, f)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			secretFiles(v.MapIndex(k), fmt.Sprintf("%s.%v", field, k), key, f)
		}
	case reflect.String:
		if v.String() != "" && secretKey(key) {
			f(field, v.String())
		}
	}
}

// readers says who beside the daemon may read a file; "" for nobody. A mode that
// lets others read is nothing where they cannot come to the file, and a group
// that the file is given to for the daemon's sake is the daemon's.
func readers(path string) (mode fs.FileMode, by string) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil || inVolume(path, real) {
		return 0, ""
	}
	fi, err := os.Stat(real)
	if err != nil || !fi.Mode().IsRegular() {
		return 0, ""
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, ""
	}
	mode = fi.Mode().Perm()
	dir := filepath.Dir(real)
	switch {
	case mode&0o004 != 0 && reached(dir, func(fs.FileMode, *syscall.Stat_t) fs.FileMode { return 0o001 }):
		return mode, "everybody on this machine"
	case mode&0o040 != 0 && !given(st) && reached(dir, func(_ fs.FileMode, d *syscall.Stat_t) fs.FileMode {
		if d.Gid == st.Gid {
			return 0o010
		}
		return 0o001
	}):
		return mode, fmt.Sprintf("the group with id %d", st.Gid)
	}
	return mode, ""
}

// given reports whether the group of a file is how the daemon itself reads it: it
// is another's, who gave it to a group, as root does with mode 0640.
func given(st *syscall.Stat_t) bool {
	if st.Uid == 0 && st.Gid != 0 {
		return true
	}
	groups, err := os.Getgroups()
	ours := err == nil && slices.Contains(groups, int(st.Gid)) || os.Getegid() == int(st.Gid)
	return int(st.Uid) != os.Geteuid() && ours
}

// Private reports whether a file with a secret is for this process alone: group and
// others may do nothing with it, or the group may read it and that is how root gave
// it to us, as Kubernetes does with a Secret for the group of a pod. Access lists
// beyond the mode are not looked at.
func Private(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	others := fi.Mode().Perm() & 0o077
	return others == 0 || others == 0o040 && ok && given(st)
}

// reached reports whether every folder from the root to dir lets pass whom need
// asks for.
func reached(dir string, need func(fs.FileMode, *syscall.Stat_t) fs.FileMode) bool {
	for {
		fi, err := os.Stat(dir)
		if err != nil {
			return false
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		if !ok || fi.Mode().Perm()&need(fi.Mode(), st) == 0 {
			return false
		}
		up := filepath.Dir(dir)
		if up == dir {
			return true
		}
		dir = up
	}
}

// inVolume reports whether a file stands in a volume that Kubernetes projects a
// Secret into: each version in a folder of its own, to which ..data leads. Its
// files have the mode 0644 unless the pod says otherwise, and are seen by the
// containers of the pod alone.
func inVolume(path, real string) bool {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if to, err := os.Readlink(filepath.Join(dir, "..data")); err == nil && strings.HasPrefix(to, "..") && !strings.ContainsRune(to, filepath.Separator) {
			if base, err := filepath.EvalSymlinks(dir); err == nil && strings.HasPrefix(real, filepath.Join(base, to)+string(filepath.Separator)) {
				return true
			}
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}
