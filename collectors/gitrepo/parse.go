package gitrepo

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// The parsers below read git's object formats (gitformat-commit, git-mktag,
// git-ls-tree in git's own documentation). They are lenient where real
// histories are wild (dates, names, message bytes, order of further headers)
// and strict where structure would be guessed (ids, tree entries).

// identity is an author, committer or tagger line.
type identity struct {
	name, mail string
	seconds    int64 // since 1970, as claimed
	dated      bool  // the line held a number of seconds
}

// when returns the claimed time, and false when there is none or it lies
// outside the years 1 to 9999, which neither RFC 3339 nor a reader can take.
func (p identity) when() (time.Time, bool) {
	const first, last = -62135596800, 253402300799 // 0001-01-01, 9999-12-31T23:59:59
	// The first instant of year 1 is Go's zero time, which means "not said".
	if !p.dated || p.seconds <= first || p.seconds > last {
		return time.Time{}, false
	}
	return time.Unix(p.seconds, 0).UTC(), true
}

// commit is a parsed commit object.
type commit struct {
	tree      plumbing.Hash
	parents   []plumbing.Hash
	author    identity
	committer identity
	encoding  string
	signature string // none, openpgp, ssh, x509, unknown
	message   []byte
}

var errNoTree = errors.New("commit without a tree")

// parseCommit reads the bytes of a commit object. Of a header that stands there
// twice git takes the first, and parents before the author alone.
func parseCommit(raw []byte) (*commit, error) {
	c := &commit{signature: "none"}
	head, message, _ := bytes.Cut(raw, []byte("\n\n"))
	c.message = message
	saw := map[string]bool{}
	for key, value := range headers(head) {
		if saw[key] && key != "parent" {
			continue
		}
		saw[key] = true
		switch key {
		case "tree":
			h, err := parseID(value)
			if err != nil {
				return nil, fmt.Errorf("tree of the commit: %w", err)
			}
			c.tree = h
		case "parent":
			if saw["author"] {
				continue
			}
			h, err := parseID(value)
			if err != nil {
				return nil, fmt.Errorf("parent of the commit: %w", err)
			}
			c.parents = append(c.parents, h)
		case "author":
			c.author = parseIdentity(value)
		case "committer":
			c.committer = parseIdentity(value)
		case "encoding":
			c.encoding = string(value)
		case "gpgsig", "gpgsig-sha256":
			c.signature = signatureKind(value)
		}
	}
	if !saw["tree"] {
		return nil, errNoTree
	}
	for _, p := range []*identity{&c.author, &c.committer} {
		p.name, p.mail = decoded(p.name, c.encoding), decoded(p.mail, c.encoding)
	}
	return c, nil
}

// tag is a parsed annotated tag object.
type tag struct {
	object  plumbing.Hash
	kind    string // commit, tree, blob, tag
	tagger  identity
	tagged  bool // a tagger line was there
	message []byte
}

// parseTag reads the bytes of a tag object.
func parseTag(raw []byte) (*tag, error) {
	t := &tag{}
	head, message, _ := bytes.Cut(raw, []byte("\n\n"))
	t.message = message
	saw := map[string]bool{}
	for key, value := range headers(head) {
		if saw[key] {
			continue
		}
		saw[key] = true
		switch key {
		case "object":
			h, err := parseID(value)
			if err != nil {
				return nil, fmt.Errorf("object of the tag: %w", err)
			}
			t.object = h
		case "type":
			t.kind = string(value)
		case "tagger":
			t.tagger, t.tagged = parseIdentity(value), true
		}
	}
	if t.object.IsZero() {
		return nil, errors.New("tag without an object")
	}
	return t, nil
}

// headers yields key and value of each header; continuation lines (a leading
// space) are joined to their value with a line feed.
func headers(head []byte) func(yield func(string, []byte) bool) {
	return func(yield func(string, []byte) bool) {
		var key string
		var value []byte
		have := false
		for line := range bytes.SplitSeq(head, []byte("\n")) {
			if have && len(line) > 0 && line[0] == ' ' {
				value = append(append(value[:len(value):len(value)], '\n'), line[1:]...)
				continue
			}
			if have && !yield(key, value) {
				return
			}
			k, v, _ := bytes.Cut(line, []byte(" "))
			key, value, have = string(k), v, true
		}
		if have {
			yield(key, value)
		}
	}
}

func parseID(b []byte) (plumbing.Hash, error) {
	var h plumbing.Hash
	if len(b) != 2*len(h) {
		return h, fmt.Errorf("object id of %d digits, want %d", len(b), 2*len(h))
	}
	if _, err := hex.Decode(h[:], b); err != nil {
		return plumbing.ZeroHash, errors.New("object id is not hex")
	}
	return h, nil
}

// parseIdentity reads "Name <mail> seconds zone". Anything may be missing; the
// zone says nothing about the instant and is left out. As git does, it ends the
// address at its first bracket and looks for the time behind the last one.
func parseIdentity(b []byte) identity {
	var p identity
	open := bytes.IndexByte(b, '<')
	last := bytes.LastIndexByte(b, '>')
	if open < 0 || last < open {
		p.name = strings.TrimSpace(string(b))
		return p
	}
	shut := open + bytes.IndexByte(b[open:], '>')
	p.name = strings.TrimSpace(string(b[:open]))
	p.mail = strings.TrimSpace(string(b[open+1 : shut]))
	fields := bytes.Fields(b[last+1:])
	if len(fields) == 0 {
		return p
	}
	n, err := strconv.ParseInt(string(fields[0]), 10, 64)
	var num *strconv.NumError
	if errors.As(err, &num) && errors.Is(num.Err, strconv.ErrRange) {
		n, err = math.MaxInt64, nil // far outside; when refuses it
	}
	if err == nil {
		p.seconds, p.dated = n, true
	}
	return p
}

func signatureKind(value []byte) string {
	v := bytes.TrimSpace(value)
	switch {
	case bytes.HasPrefix(v, []byte("-----BEGIN PGP")):
		return "openpgp"
	case bytes.HasPrefix(v, []byte("-----BEGIN SSH SIGNATURE")):
		return "ssh"
	case bytes.HasPrefix(v, []byte("-----BEGIN SIGNED MESSAGE")):
		return "x509"
	}
	return "unknown"
}

// treeEntry is one line of a tree.
type treeEntry struct {
	mode uint32
	name string
	id   plumbing.Hash
}

const (
	modeTree = 0o40000
	modeLink = 0o120000
	modeSub  = 0o160000
	modeType = 0o170000
)

func (e treeEntry) isTree() bool { return e.mode&modeType == modeTree }

// sortName is the name as git orders trees: a tree's name ends in a slash.
func (e treeEntry) sortName() string {
	if e.isTree() {
		return e.name + "/"
	}
	return e.name
}

// parseTree reads the bytes of a tree object.
func parseTree(raw []byte) ([]treeEntry, error) {
	es := make([]treeEntry, 0, len(raw)/36+1)
	for len(raw) > 0 {
		sp := bytes.IndexByte(raw, ' ')
		if sp < 1 || sp > 7 {
			return nil, errors.New("tree entry without a mode")
		}
		mode, err := strconv.ParseUint(string(raw[:sp]), 8, 32)
		if err != nil {
			return nil, errors.New("tree entry with a mode that is not octal")
		}
		raw = raw[sp+1:]
		nul := bytes.IndexByte(raw, 0)
		if nul < 1 {
			return nil, errors.New("tree entry without a name")
		}
		e := treeEntry{mode: uint32(mode), name: string(raw[:nul])}
		raw = raw[nul+1:]
		if len(raw) < len(e.id) {
			return nil, errors.New("tree entry without an object id")
		}
		copy(e.id[:], raw)
		raw = raw[len(e.id):]
		if strings.Contains(e.name, "/") {
			return nil, errors.New("tree entry with a slash in its name")
		}
		es = append(es, e)
	}
	return es, nil
}
