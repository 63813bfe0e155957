package gitrepo

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-git/v5/plumbing"

	"evidenced/evidence/problem"
)

// refList is what the files of a repository say of its refs. The library refuses all
// of them for one empty file, as a crash leaves it, and takes any other text for an
// object id.
type refList struct {
	at    map[string]plumbing.Hash
	links map[string]string // symbolic ones
	odd   map[string]bool   // there, and where they point cannot be read
}

// maxRefFile bounds the file of one ref, in bytes.
const maxRefFile = 4 << 10

// listRefs reads the refs below some prefixes. See gitrepository-layout(5) and
// git-pack-refs(1).
func listRefs(fs billy.Filesystem, prefixes ...string) (*refList, error) {
	l := &refList{map[string]plumbing.Hash{}, map[string]string{}, map[string]bool{}}
	for _, p := range prefixes {
		if err := l.walk(fs, strings.TrimSuffix(p, "/")); err != nil {
			return nil, err
		}
	}
	// Behind the loose ones: what is packed meanwhile stands in both.
	return l, l.packed(fs, prefixes)
}

func (l *refList) walk(fs billy.Filesystem, dir string) error {
	files, err := fs.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range files {
		name := dir + "/" + f.Name()
		switch mode := f.Mode(); {
		case f.IsDir():
			if err := l.walk(fs, name); err != nil {
				return err
			}
		case strings.HasSuffix(name, ".lock"): // what git is writing
		case !mode.IsRegular() && mode&os.ModeSymlink == 0:
			l.odd[name] = true
		default:
			b, err := readRefFile(fs, name)
			if errors.Is(err, os.ErrNotExist) {
				continue // gone or packed since
			}
			if err != nil {
				l.odd[name] = true
				continue
			}
			l.add(name, b)
		}
	}
	return nil
}

func readRefFile(fs billy.Filesystem, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxRefFile))
}

// add takes in what the file of a ref holds, or a line of the packed ones.
func (l *refList) add(name string, b []byte) {
	if to, ok := bytes.CutPrefix(b, []byte("ref:")); ok && len(bytes.TrimSpace(to)) > 0 {
		l.links[name] = string(bytes.TrimSpace(to))
		return
	}
	if h, err := parseID(bytes.TrimSpace(b)); err == nil && !h.IsZero() {
		l.at[name] = h
		return
	}
	l.odd[name] = true
}

// packed reads the refs that have no file of their own.
func (l *refList) packed(fs billy.Filesystem, prefixes []string) error {
	f, err := fs.Open("packed-refs")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		line := sc.Text()
		if line == "" || line[0] == '#' || line[0] == '^' {
			continue
		}
		id, name, ok := strings.Cut(line, " ")
		if !ok || name == "" {
			return problem.New(problem.Source, "packed-refs holds a line that is none of its format").WithHint("run \"git pack-refs --all\" in it, or repair the file")
		}
		_, own := l.at[name]
		if own || l.odd[name] || l.links[name] != "" {
			continue
		}
		for _, p := range prefixes {
			if strings.HasPrefix(name, p) {
				l.add(name, []byte(id))
			}
		}
	}
	return sc.Err()
}

// follow gives symbolic refs what they name.
func (l *refList) follow() {
	for name := range l.links {
		to := name
		for range 5 {
			if to = l.links[to]; to == "" {
				break
			}
			if l.odd[to] {
				l.odd[name] = true
				break
			}
			if h, ok := l.at[to]; ok {
				l.at[name] = h
				break
			}
		}
	}
}
