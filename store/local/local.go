// Package local opens a data directory: its lock, keys, backend and Store.
//
//	DIR/lock            held by one process; names its socket
//	DIR/installation    what this directory is, and its clock
//	DIR/tenants/LOG/    segments and index of one log
//	DIR/intake/         batches for many logs, until the logs have them
//	DIR/cursors.db      sealed resume cursors
//	KEYS/               wrapping.key, keyring.db, log.key, pack.key; log.key.*
//	                    while the log key is being rotated
//	SIGN/               sign-state, to be kept out of backups
package local

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/bolt"
	"evidenced/store/durable"
	"evidenced/store/intake"
	"evidenced/store/keyring"
)

// Options says where things are. Only Dir is required.
type Options struct {
	Dir       string
	KeysDir   string // default DIR/keys
	SignDir   string // default DIR/sign-state
	Clock     func() time.Time
	Simulated bool // begins a simulated installation; refused on a real one
	// AllowSimulated opens a simulated installation for reading and
	// verifying. Without it, and without Simulated, one is refused.
	AllowSimulated bool
	// Accepting opens a directory that came from a backup to compare it and let
	// it go on. Without it such a directory can only be read.
	Accepting bool
	// Wrapping keeps the wrapping key of the keyring; nil is a file in KeysDir.
	Wrapping keyring.Wrapping
	// Patience is how long a process that holds the directory to answer a question
	// is waited for. A daemon, which has a socket, is not.
	Patience time.Duration
	Log      *slog.Logger
	Store    func(*store.Options) // last changes; may be nil
}

// Local is an open data directory.
type Local struct {
	Store     *store.Store
	Keys      *keyring.Keyring // nil when there is none: logs can only be verified
	LogKey    *keyring.Signer
	PackKey   *keyring.Signer
	Dir       string
	Simulated bool
	Restored  bool // the directory came from a backup and was not accepted yet
	lock      *os.File
	keysDir   string
	rotation  sync.Mutex // one rotation of the log key at a time
}

type installation struct {
	Format  int       `json:"format"`
	ID      string    `json:"installation"`
	Clock   string    `json:"clock"`
	Created time.Time `json:"created"`
}

// Exists reports whether the directory holds an installation.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "installation"))
	return err == nil
}

// Barred says why whoever asks may not look whether there is a data directory;
// nil when that can be seen.
func Barred(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "installation")); errors.Is(err, fs.ErrPermission) {
		return problem.Wrap(problem.Storage, err, "look into the data directory").WithHint("%s", asOwner)
	}
	return nil
}

const asOwner = "ask as the user that runs the daemon: the data directory belongs to it, and what is asked is recorded there"

// BackupManifest is the file that says what a backup holds (see store/backup).
// In a data directory it says that the directory came from one.
const BackupManifest = "backup.json"

// Restored reports whether the directory came from a backup and was not
// accepted yet.
func Restored(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, BackupManifest))
	return err == nil
}

// Accepted ends that the directory counts as restored: every log of it was
// compared, and goes on.
func (l *Local) Accepted() error {
	if err := os.Remove(filepath.Join(l.Dir, BackupManifest)); err != nil && !os.IsNotExist(err) {
		return problem.Wrap(problem.Storage, err, "end the restore")
	}
	return nil
}

// LockPath is the file that the process holding the directory has locked. It
// holds two lines: its process id and the path of its socket.
func LockPath(dir string) string { return filepath.Join(dir, "lock") }

// Open opens the directory, making it (0700) with new keys at the first start.
// A directory that another process holds is a problem of code locked.
func Open(o Options) (_ *Local, err error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.KeysDir == "" {
		o.KeysDir = filepath.Join(o.Dir, "keys")
	}
	if o.SignDir == "" {
		o.SignDir = filepath.Join(o.Dir, "sign-state")
	}
	files, err := allowedFiles()
	if err != nil {
		return nil, err
	}
	open, err := openLogs(files)
	if err != nil {
		return nil, err
	}
	if open < mostLogs {
		o.Log.Warn("few files may be open: logs are opened and closed more often", "files", files, "logs", open)
	}
	fresh := !Exists(o.Dir)
	if err := checkDir(o.Dir, fresh); err != nil {
		return nil, err
	}
	lock, err := takeLock(o.Dir, o.Patience)
	if err != nil {
		return nil, err
	}
	l := &Local{Dir: o.Dir, lock: lock, keysDir: o.KeysDir}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	inst, err := loadInstallation(o, fresh)
	if err != nil {
		return nil, err
	}
	l.Simulated = inst.Clock == "simulated"
	if l.Simulated && !o.Simulated && !o.AllowSimulated {
		return nil, problem.New(problem.Refused, "%s holds a simulated installation", o.Dir).
			WithHint("its evidence is a demonstration; give another data_dir")
	}
	if o.Simulated && !l.Simulated {
		return nil, problem.New(problem.Refused, "%s holds a real installation, a demonstration must not write there", o.Dir).
			WithHint("give another directory")
	}
	var keys store.Keyring = store.NoKeys{}
	l.Keys, err = keyring.OpenWith(context.Background(), keyring.Options{Dir: o.KeysDir, Wrapping: o.Wrapping, Create: fresh})
	switch {
	case err == nil:
		keys = l.Keys
	case errors.Is(err, keyring.ErrAbsent):
		o.Log.Warn("there is no keyring: the logs can be verified, not read and not continued", "dir", o.KeysDir)
	default:
		return nil, err
	}
	if err = keyring.FinishRotation(o.KeysDir); err != nil {
		return nil, err
	}
	// Keys are made only with the installation: later a missing key file is a
	// loss to be told, not a gap to be filled.
	if l.LogKey, err = keyring.OpenSigner(filepath.Join(o.KeysDir, "log.key"), inst.ID, fresh); err != nil {
		return nil, err
	}
	if l.PackKey, err = keyring.OpenSigner(filepath.Join(o.KeysDir, "pack.key"), inst.ID+"/pack", fresh); err != nil {
		return nil, err
	}
	if l.LogKey.Name() != inst.ID || l.PackKey.Name() != inst.ID+"/pack" {
		return nil, problem.New(problem.Corrupt, "the signing keys in %s are of another installation than %s", o.KeysDir, inst.ID).
			WithHint("bring the installation file or the keys back that belong together")
	}
	in, err := intake.Open(filepath.Join(o.Dir, "intake"))
	if err != nil {
		return nil, err
	}
	l.Restored = Restored(o.Dir)
	backend := bolt.New(o.Dir)
	if l.Keys != nil {
		if err = backend.SiftCursors(func(name string, v []byte) bool {
			_, err := store.SealedCursorsOf(kept{name, v}, l.Keys).Cursor(name)
			return err == nil
		}); err != nil {
			return nil, err
		}
	}
	so := store.Options{
		Restored: l.Restored && !o.Accepting,
		Backend:  backend, Intake: in, Keys: keys, LogKey: l.LogKey, LogVerifier: l.LogKey.Verifier, PackVerifier: l.PackKey.Verifier,
		SignDir: o.SignDir, Installation: inst.ID, Clock: o.Clock, Simulated: l.Simulated, Log: o.Log,
		OpenLogs: open,
	}
	if o.Store != nil {
		o.Store(&so)
	}
	if l.Store, err = store.New(so); err != nil {
		return nil, err
	}
	_, next, err := keyring.PendingRotation(o.KeysDir)
	if err != nil {
		return nil, err
	}
	if next != nil {
		if err = l.Store.AddLogKey(next.Verifier, next.Signer); err != nil {
			return nil, err
		}
	}
	return l, finish(o.Dir, inst, fresh)
}

// Close closes everything and lets go of the lock last.
func (l *Local) Close() error {
	var errs []error
	if l.Store != nil {
		errs = append(errs, l.Store.Close())
	}
	if l.Keys != nil {
		errs = append(errs, l.Keys.Close())
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
	}
	return errors.Join(errs...)
}

// SetSocket names the holder's socket in the lock file.
func (l *Local) SetSocket(path string) error {
	if err := l.lock.Truncate(0); err != nil {
		return err
	}
	_, err := l.lock.WriteAt(fmt.Appendf(nil, "%d\n%s\n", os.Getpid(), path), 0)
	return err
}

// Holder reads who holds the directory; an empty socket when it names none.
func Holder(dir string) (pid, socket string) {
	b, err := os.ReadFile(LockPath(dir))
	if err != nil {
		return "", ""
	}
	lines := strings.SplitN(string(b), "\n", 3)
	if len(lines) > 1 {
		socket = lines[1]
	}
	return lines[0], socket
}

func checkDir(dir string, fresh bool) error {
	if fresh {
		if es, err := os.ReadDir(dir); err == nil {
			for _, e := range es {
				switch e.Name() {
				case "lock", "keys", "sign-state", "tenants", "intake", "cursors.db", "installation.new":
				default:
					return problem.New(problem.Refused, "%s is not empty and holds no evidence: %s is in the way", dir, e.Name()).
						WithHint("give an empty directory as data_dir")
				}
			}
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return problem.Wrap(problem.Storage, err, "make data directory %s", dir)
		}
	}
	st, err := os.Stat(dir)
	if err != nil {
		return problem.Wrap(problem.Storage, err, "look at data directory %s", dir)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return problem.New(problem.Refused, "data directory %s has mode %#o: others may look into it", dir, st.Mode().Perm()).
			WithHint("chmod 700 %s", dir)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return problem.Wrap(problem.Storage, err, "look at the file system of %s", dir)
	}
	if name, bad := networkFS[int64(fs.Type)]; bad {
		return problem.New(problem.Refused, "data directory %s is on %s: locks and syncs cannot be trusted there", dir, name).
			WithHint("use a local disk or a block volume")
	}
	return nil
}

// networkFS are the magic numbers of file systems across a network, from
// statfs(2).
var networkFS = map[int64]string{
	0x6969: "NFS", 0xff534d42: "CIFS", 0xfe534d42: "SMB", 0x517b: "SMB", 0x01021997: "9p", 0x00c36400: "Ceph", 0x5346414f: "AFS",
}

// lockEvery is how often a lock that somebody holds is tried again.
const lockEvery = 20 * time.Millisecond

func takeLock(dir string, patience time.Duration) (*os.File, error) {
	f, err := os.OpenFile(LockPath(dir), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		p := problem.Wrap(problem.Storage, err, "open lock file")
		if errors.Is(err, fs.ErrPermission) {
			p = p.WithHint("%s", asOwner)
		}
		return nil, p
	}
	for until := time.Now().Add(patience); unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil; time.Sleep(lockEvery) {
		pid, socket := Holder(dir)
		if socket == "" && time.Now().Before(until) {
			continue
		}
		f.Close()
		return nil, problem.New(problem.Locked, "data directory %s is held by process %s", dir, pid).
			WithHint("ask the running daemon, or stop it first")
	}
	if err := f.Truncate(0); err != nil {
		f.Close()
		return nil, problem.Wrap(problem.Storage, err, "write lock file")
	}
	if _, err := fmt.Fprintf(f, "%d\n", os.Getpid()); err != nil {
		f.Close()
		return nil, problem.Wrap(problem.Storage, err, "write lock file")
	}
	return f, nil
}

func loadInstallation(o Options, fresh bool) (installation, error) {
	var inst installation
	if fresh {
		var id [8]byte
		rand.Read(id[:])
		inst = installation{Format: 1, ID: hex.EncodeToString(id[:]), Clock: "real", Created: o.Clock().UTC()}
		if o.Simulated {
			inst.Clock = "simulated"
		}
		// Keys left by a start that was cut short carry the name of that
		// start; take it up instead of making the keys useless.
		if b, err := os.ReadFile(filepath.Join(o.KeysDir, "log.key")); err == nil {
			if parts := strings.Split(string(b), "+"); len(parts) > 3 {
				inst.ID = parts[2]
			}
		}
		return inst, nil
	}
	path := filepath.Join(o.Dir, "installation")
	b, err := os.ReadFile(path)
	if err != nil {
		return inst, problem.Wrap(problem.Storage, err, "read %s", path)
	}
	if inst, err = parseInstallation(b); err != nil {
		return inst, problem.Wrap(problem.Corrupt, err, "%s is damaged", path).WithHint("bring it back from a backup")
	}
	if inst.Format != 1 {
		return inst, problem.New(problem.Refused, "%s has format %d, this program reads format 1", o.Dir, inst.Format).
			WithHint("use the newer evidenced that wrote it")
	}
	return inst, nil
}

// parseInstallation reads the installation file strictly: what it says is the
// begin of every origin, and whether the evidence is a demonstration. A file of
// another format is read as far as its number.
func parseInstallation(b []byte) (inst installation, err error) {
	if err := json.Unmarshal(b, &inst); err != nil || inst.ID == "" {
		return inst, errors.New("it does not name an installation")
	}
	if inst.Format != 1 {
		return inst, nil
	}
	if inst.Clock != "real" && inst.Clock != "simulated" {
		return inst, fmt.Errorf("clock %q", inst.Clock)
	}
	again, err := inst.bytes()
	if err != nil || string(again) != string(b) {
		return inst, errors.New("it is not as it was written")
	}
	return inst, nil
}

// bytes is the file's content.
func (i installation) bytes() ([]byte, error) {
	b, err := json.MarshalIndent(i, "", "  ")
	return append(b, '\n'), err
}

// finish writes the installation file last: before it stands, the next start
// begins again and takes up what the cut start left.
func finish(dir string, inst installation, fresh bool) error {
	if !fresh {
		return nil
	}
	b, err := inst.bytes()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "installation")
	if err := durable.Replace(path, b); err != nil {
		return problem.Wrap(problem.Storage, err, "write %s", path)
	}
	return nil
}

// Damaged lists the files of the directory that were moved aside because they
// could not be read.
func (l *Local) Damaged() []string { return bolt.Damaged(l.Dir) }

// kept is one cursor as it is stored.
type kept struct {
	name  string
	value []byte
}

// Cursor implements store.Cursors.
func (k kept) Cursor(string) ([]byte, error) { return k.value, nil }

// PutCursor implements store.Cursors.
func (k kept) PutCursor(string, []byte) error { return errors.New("a cursor that is only looked at") }
