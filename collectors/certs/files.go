package certs

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	maxFileBytes = 4 << 20 // of one PEM file
	maxFiles     = 10_000
	maxDepth     = 8 // directories below the named one
)

// pemFile is one file to read: rel beneath root.
type pemFile struct {
	root, rel string
	path      string // for people and references
	named     bool   // the configuration names this very file: it must hold a certificate
}

// listFiles finds what a path, directory or pattern means. The root is the
// directory before the first wildcard.
func listFiles(pattern string) ([]pemFile, error) {
	pattern = filepath.Clean(pattern)
	if !strings.ContainsAny(pattern, `*?[\`) {
		fi, err := os.Stat(pattern)
		if err != nil {
			return nil, fileCause(err)
		}
		if fi.IsDir() {
			return walkDir(pattern)
		}
		dir, base := filepath.Split(pattern)
		return []pemFile{{filepath.Clean(dir), base, pattern, true}}, nil
	}
	root := filepath.Dir(pattern[:strings.IndexAny(pattern, `*?[\`)+1])
	if _, err := os.Stat(root); err != nil {
		return nil, fileCause(err)
	}
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return nil, errors.New("the pattern cannot be read")
	}
	var files []pemFile
	for _, p := range paths {
		fi, err := os.Stat(p)
		if err == nil && fi.IsDir() {
			continue
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return nil, fileCause(err)
		}
		files = append(files, pemFile{root, rel, p, false})
	}
	return files, nil
}

var certNames = []string{".pem", ".crt", ".cer", ".cert"}

// walkDir lists the certificate files beneath a directory, by their names.
func walkDir(dir string) ([]pemFile, error) {
	var files []pemFile
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if d.IsDir() {
			// Kubernetes keeps each version of a mounted secret in such a
			// directory and links to the present one.
			if rel != "." && (strings.HasPrefix(d.Name(), "..") || strings.Count(rel, string(filepath.Separator)) >= maxDepth) {
				return fs.SkipDir
			}
			return nil
		}
		if slices.Contains(certNames, strings.ToLower(filepath.Ext(p))) {
			files = append(files, pemFile{dir, rel, p, false})
		}
		if len(files) > maxFiles {
			return fmt.Errorf("more than %d files", maxFiles)
		}
		return nil
	})
	if err != nil {
		return nil, fileCause(err)
	}
	return files, nil
}

// read returns the certificates of a file, and what stands in it for one and
// cannot be read; none of either is an error only for a file that the
// configuration names.
func (f pemFile) read() (chain []*x509.Certificate, bad []spoiled, err error) {
	root, err := os.OpenRoot(f.root)
	if err != nil {
		return nil, nil, fileCause(err)
	}
	defer root.Close()
	fi, err := root.Stat(f.rel)
	if err != nil {
		return nil, nil, fileCause(err)
	}
	if !fi.Mode().IsRegular() {
		return nil, nil, errors.New("it is no regular file") // opening a pipe would wait
	}
	fd, err := root.Open(f.rel)
	if err != nil {
		return nil, nil, fileCause(err)
	}
	defer fd.Close()
	data := make([]byte, maxFileBytes+1)
	n, err := io.ReadFull(fd, data)
	defer clear(data[:n]) // it may hold private keys
	switch {
	case err == nil:
		return nil, nil, fmt.Errorf("it is larger than %d bytes", maxFileBytes)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, nil, fileCause(err)
	}
	chain, bad, err = parsePEM(data[:n])
	if err == nil && len(chain)+len(bad) == 0 && f.named {
		err = errors.New("it holds no certificate")
	}
	return chain, bad, err
}

// fileCause drops the path from an error; the caller names it.
func fileCause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("it is not there")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("the daemon's user may not read it")
	case strings.Contains(err.Error(), "path escapes"):
		return errors.New("it is a link that leads out of the named directory, which is not followed")
	}
	return err
}

// maxRSA bounds the modulus of a key in a file, in bits. A signature by one that
// fills the file takes hours to check; of what servers show, the TLS library
// takes 8,192.
const maxRSA = 16384

func keyBounded(c *x509.Certificate) error {
	if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > maxRSA {
		return fmt.Errorf("has an RSA key of %d bits, at most %d are looked at", k.N.BitLen(), maxRSA)
	}
	return nil
}

// spoiled is a certificate of a file that cannot be read.
type spoiled struct {
	at  int    // its place among the certificates of the file, from 1
	why string // for people, without names of persons
}

func (b spoiled) String() string { return fmt.Sprintf("certificate %d %s", b.at, b.why) }

// told lists what cannot be read, at most n of them.
func told(bad []spoiled, n int) []string {
	var list []string
	for _, b := range bad[:min(len(bad), n)] {
		list = append(list, b.String())
	}
	if more := len(bad) - n; more > 0 {
		list = append(list, fmt.Sprintf("(%d more)", more))
	}
	return list
}

const pemBegin = "-----BEGIN "

// parsePEM reads the certificates of a PEM file, the one the file is about
// first. Blocks of other types are passed over unread. What cannot be read is
// told beside the others: a file of many authorities is not unread for one. A
// file without any PEM block may be one DER certificate.
func parsePEM(data []byte) (chain []*x509.Certificate, bad []spoiled, err error) {
	blocks := 0
	for at, next := begin(data, 0), 0; at < len(data); at = next {
		next = begin(data, at+1)
		blocks++
		if !isCertificate(data[at:next]) {
			continue
		}
		c, why := parseBlock(data, at, next)
		if why != "" {
			bad = append(bad, spoiled{len(chain) + len(bad) + 1, why})
			continue
		}
		chain = append(chain, c)
	}
	if blocks == 0 && len(data) > 0 && data[0] == 0x30 {
		c, err := x509.ParseCertificate(bytes.Clone(data)) // it keeps what it is given, and data is wiped
		if err != nil {
			return nil, nil, errors.New("it is neither PEM nor a DER certificate")
		}
		if err := keyBounded(c); err != nil {
			return nil, nil, fmt.Errorf("its certificate %w", err)
		}
		return []*x509.Certificate{c}, nil, nil
	}
	if i := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return !c.IsCA }); i > 0 {
		leaf := chain[i]
		chain = slices.Insert(slices.Delete(chain, i, i+1), 0, leaf)
	}
	return chain, bad, nil
}

// begin finds the next begin of a block, the end of data when there is none.
func begin(data []byte, from int) int {
	i := bytes.Index(data[from:], []byte(pemBegin))
	if i < 0 {
		return len(data)
	}
	return from + i
}

func isCertificate(block []byte) bool {
	return bytes.HasPrefix(block, []byte(pemBegin+"CERTIFICATE-----")) || bytes.HasPrefix(block, []byte(pemBegin+"X509 CERTIFICATE-----"))
}

// parseBlock reads the block of a certificate that begins at one offset of data
// and ends before another, or says why it cannot.
func parseBlock(data []byte, at, end int) (c *x509.Certificate, why string) {
	b, _ := pem.Decode(data[at:end])
	if b == nil || at > 0 && data[at-1] != '\n' {
		return nil, "is damaged: its PEM block cannot be decoded"
	}
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		// The library quotes names that it does not like.
		return nil, "cannot be parsed: " + unquoted(strings.TrimPrefix(err.Error(), "x509: "))
	}
	if err := keyBounded(c); err != nil {
		return nil, err.Error()
	}
	return c, ""
}
