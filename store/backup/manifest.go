// Package backup copies the logs of an installation while it is in use, and
// verifies such a copy by itself.
//
// A backup is a directory that looks like a data directory without its keys,
// its sign-state and what can be derived:
//
//	DIR/backup.json           the manifest, written last: without it a backup
//	                          was not finished
//	DIR/installation          what the data directory is
//	DIR/cursors.db            resume cursors, sealed
//	DIR/tenants/LOG/log/*.db  the segments of a log, and retired.db
//
// No tenant, person or source is named in it. Keys and sign-state are left out
// on purpose: keys must be destroyable, and a copy that brings the sign-state
// along could sign a second tree of a size. A data directory that holds a
// manifest counts as restored, and signs nothing until it is accepted.
package backup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
)

// ManifestName is the name of the manifest in a backup.
const ManifestName = "backup.json"

// Format is the version of the manifest.
const Format = 1

// maxManifest bounds what is read of a manifest, in bytes.
const maxManifest = 64 << 20

// Manifest says what a backup holds.
type Manifest struct {
	Format  int       `json:"format"`
	Program string    `json:"program"` // name and version that made it
	Made    time.Time `json:"made"`
	Files   []File    `json:"files"` // beside the logs: installation, cursors
	Logs    []Log     `json:"logs"`
}

// File is one file of a backup.
type File struct {
	Name   string        `json:"name"` // below the backup's directory, with slashes
	Bytes  int64         `json:"bytes"`
	SHA256 evidence.Hash `json:"sha256"`
}

// Log is the copy of one log.
type Log struct {
	ID         string        `json:"log"`
	Origin     string        `json:"origin"`
	Size       uint64        `json:"size"`
	Root       evidence.Hash `json:"root"`
	Keys       chain.LogKeys `json:"log_keys"`             // that its checkpoints are signed by
	Checkpoint string        `json:"checkpoint,omitempty"` // newest signed note in the copy
	Files      []File        `json:"files"`
}

var (
	logID    = regexp.MustCompile(`^[0-9a-f]{1,64}$`)
	fileName = regexp.MustCompile(`^(installation|cursors\.db|log/[0-9]{4,9}\.[a-z]{2,8}|log/retired\.db)$`)
)

// ParseManifest reads a manifest strictly: no unknown names, nothing after it,
// and no file name that leads out of the backup.
func ParseManifest(b []byte) (*Manifest, error) {
	var m Manifest
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("manifest: bytes after its end")
	}
	if m.Format != Format {
		return nil, fmt.Errorf("manifest: format %d, want %d", m.Format, Format)
	}
	seen := map[string]bool{}
	for _, f := range m.Files {
		if !fileName.MatchString(f.Name) || f.Bytes < 0 || seen[f.Name] {
			return nil, fmt.Errorf("manifest: bad file %q", f.Name)
		}
		seen[f.Name] = true
	}
	for _, l := range m.Logs {
		if !logID.MatchString(l.ID) || seen[l.ID] || l.Origin == "" || l.Size >= 1<<53 {
			return nil, fmt.Errorf("manifest: bad log %q", l.ID)
		}
		seen[l.ID] = true
		for _, f := range l.Files {
			if !fileName.MatchString(f.Name) || f.Bytes < 0 || seen[l.ID+"/"+f.Name] {
				return nil, fmt.Errorf("manifest: bad file %q of log %s", f.Name, l.ID)
			}
			seen[l.ID+"/"+f.Name] = true
		}
	}
	return &m, nil
}

// Load reads the manifest of the backup in dir.
func Load(dir string) (*Manifest, error) {
	f, err := os.Open(filepath.Join(dir, ManifestName))
	if os.IsNotExist(err) {
		return nil, problem.New(problem.NotFound, "%s holds no finished backup: there is no %s", dir, ManifestName).
			WithHint("make one with evidenced backup DIR; one that was cut off is finished by running it again")
	}
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "open the manifest")
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "read the manifest")
	}
	if len(b) > maxManifest {
		return nil, problem.New(problem.Corrupt, "the manifest is larger than %d bytes", maxManifest)
	}
	m, err := ParseManifest(b)
	if err != nil {
		return nil, problem.Wrap(problem.Corrupt, err, "backup in %s", dir)
	}
	return m, nil
}

// path is where a file of a log stands in the backup.
func (l *Log) path(f File) string { return filepath.Join("tenants", l.ID, filepath.FromSlash(f.Name)) }
