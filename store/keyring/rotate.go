package keyring

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence/problem"
	"evidenced/store/durable"
)

// A log key is rotated in steps, each of which may be the last before a crash:
//
//	log.key.why    what was asked for
//	log.key.next   the new key; from here on every log is to get it
//	log.key.old    the former key, once every log has handed over
//	log.key        the new key
//
// then log.key.old is overwritten and removed, and log.key.why is.
const (
	logKeyFile  = "log.key"
	nextKeyFile = "log.key.next"
	oldKeyFile  = "log.key.old"
	whyFile     = "log.key.why"
)

// Rotation is a change of the log key that was asked for.
type Rotation struct {
	Reason      string `json:"reason"`
	Compromised bool   `json:"compromised"`
}

// BeginRotation makes the new log key durable beside the old one, or returns
// the rotation and the key of one that is under way.
func BeginRotation(dir string, want Rotation) (Rotation, *Signer, error) {
	if r, s, err := PendingRotation(dir); err != nil || s != nil {
		return r, s, err
	}
	now, err := OpenSigner(filepath.Join(dir, logKeyFile), "", false)
	if err != nil {
		return want, nil, err
	}
	b, err := json.Marshal(want)
	if err != nil {
		return want, nil, err
	}
	// A reason left by a start that got no further is replaced.
	if err := os.Remove(filepath.Join(dir, whyFile)); err != nil && !os.IsNotExist(err) {
		return want, nil, problem.Wrap(problem.Storage, err, "begin the rotation")
	}
	if err := writePrivate(filepath.Join(dir, whyFile), append(b, '\n')); err != nil {
		return want, nil, err
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, now.Name())
	if err != nil {
		return want, nil, fmt.Errorf("make log key: %w", err)
	}
	// The key gets its name only when it is whole.
	tmp := filepath.Join(dir, nextKeyFile+".new")
	if err := os.Remove(tmp); err != nil && !os.IsNotExist(err) {
		return want, nil, problem.Wrap(problem.Storage, err, "begin the rotation")
	}
	if err := writePrivate(tmp, []byte(skey+"\n"+vkey+"\n")); err != nil {
		return want, nil, err
	}
	if err := rename(dir, nextKeyFile+".new", nextKeyFile); err != nil {
		return want, nil, err
	}
	return PendingRotation(dir)
}

// PendingRotation returns the rotation under way and its new key; a nil key
// when there is none.
func PendingRotation(dir string) (Rotation, *Signer, error) {
	var r Rotation
	path := filepath.Join(dir, nextKeyFile)
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return r, nil, nil
	}
	s, err := OpenSigner(path, "", false)
	if err != nil {
		return r, nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, whyFile))
	if err != nil {
		return r, nil, problem.Wrap(problem.Storage, err, "read why the log key is rotated")
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, nil, problem.New(problem.Corrupt, "%s in %s is damaged", whyFile, dir)
	}
	return r, s, nil
}

// EndRotation puts the new log key in the place of the old one and destroys the
// old one's private half. Every log must have handed over.
func EndRotation(dir string) error {
	if err := rename(dir, logKeyFile, oldKeyFile); err != nil {
		return err
	}
	return FinishRotation(dir)
}

// FinishRotation does what a crash within EndRotation left undone. It does
// nothing at other times.
func FinishRotation(dir string) error {
	old := filepath.Join(dir, oldKeyFile)
	if _, err := os.Stat(old); os.IsNotExist(err) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, logKeyFile)); os.IsNotExist(err) {
		if err := rename(dir, nextKeyFile, logKeyFile); err != nil {
			return err
		}
	}
	if err := wipe(old); err != nil {
		return problem.Wrap(problem.Storage, err, "destroy the old log key")
	}
	if err := os.Remove(filepath.Join(dir, whyFile)); err != nil && !os.IsNotExist(err) {
		return problem.Wrap(problem.Storage, err, "end the rotation")
	}
	return durable.SyncDir(dir)
}

// wipe overwrites a file in place and removes it. On a disk or file system
// that writes elsewhere instead, old bytes may stay until they are reused.
func wipe(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil {
		_, err = f.Write(make([]byte, st.Size()))
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Remove(path)
	}
	return err
}

func rename(dir, from, to string) error {
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		return problem.Wrap(problem.Storage, err, "rename %s", from)
	}
	if err := durable.SyncDir(dir); err != nil {
		return problem.Wrap(problem.Storage, err, "rename %s", from)
	}
	return nil
}
