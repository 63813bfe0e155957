package cosigner

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"evidenced/evidence/problem"
	"evidenced/evidence/witness"
)

// MakeKey makes a new key of the name and writes it to a new file, 0600 and
// synced: a line with the private key and one with the verifier key. A file that
// is there already is a problem of code refused.
func MakeKey(path, name string) (*witness.Signer, error) {
	skey, vkey, err := witness.GenerateKey(name)
	if err != nil {
		return nil, problem.Wrap(problem.Usage, err, "make witness key").
			WithHint("name it like a page of your own: witness.example.org/w1")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if os.IsExist(err) {
		return nil, problem.New(problem.Refused, "there is a file at %s already", path).
			WithHint("leave --name away to print its verifier key")
	}
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "make witness key")
	}
	_, err = f.WriteString(skey + "\n" + vkey + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		var d *os.File
		if d, err = os.Open(filepath.Dir(path)); err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
	}
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "write witness key %s", path)
	}
	return LoadKey(path)
}

// LoadKey reads a key file. One that group or others may touch is refused.
func LoadKey(path string) (*witness.Signer, error) {
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, problem.New(problem.NotFound, "there is no witness key at %s", path).
			WithHint("evidenced witness key --key %s --name NAME makes one", path)
	}
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "read witness key")
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "look at witness key")
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, problem.New(problem.Refused, "witness key %s has mode %#o: others may read it", path, st.Mode().Perm()).
			WithHint("chmod 600 %s, and ask who read it", path)
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) == 3 && lines[2] == "" {
		if s, err := witness.NewSigner(lines[0]); err == nil && s.Key() == lines[1] {
			return s, nil
		}
	}
	return nil, problem.New(problem.Corrupt, "witness key %s is damaged", path).WithHint("bring back the file")
}
