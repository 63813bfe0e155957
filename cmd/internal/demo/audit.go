package demo

import (
	"bufio"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"evidenced/testdata/world"
)

// auditDevice is a file audit device: one JSON line for a request and one for
// its response, every string of the data hashed with the device's salt.
type auditDevice struct {
	path   string
	seed   uint64
	era    int
	salt   []byte
	on     bool
	file   *os.File
	buf    *bufio.Writer
	hashes map[string]string
	packed string // the rotated file that will be compressed
	lines  int
}

func newAuditDevice(path string, seed uint64) (*auditDevice, error) {
	d := &auditDevice{path: path, seed: seed}
	return d, d.enable()
}

// enable begins a new salt era and opens the file, keeping what is in it.
func (d *auditDevice) enable() error {
	d.era++
	d.salt = []byte(secret(d.seed, fmt.Sprintf("salt/%d", d.era)))
	d.hashes = map[string]string{}
	d.on = true
	return d.open()
}

// disable stops the device; its salt is lost.
func (d *auditDevice) disable() error {
	d.on = false
	return d.close()
}

func (d *auditDevice) open() error {
	f, err := os.OpenFile(d.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the audit file: %w", err)
	}
	d.file, d.buf = f, bufio.NewWriterSize(f, 64<<10)
	return nil
}

func (d *auditDevice) flush() error {
	if d.file == nil {
		return nil
	}
	return d.buf.Flush()
}

func (d *auditDevice) close() error {
	if d.file == nil {
		return nil
	}
	err := errors.Join(d.buf.Flush(), d.file.Close())
	d.file = nil
	return err
}

// hash is the device's hash of a value.
func (d *auditDevice) hash(s string) string {
	if h, ok := d.hashes[s]; ok {
		return h
	}
	m := hmac.New(sha256.New, d.salt)
	_, _ = io.WriteString(m, s)
	h := "hmac-sha256:" + hex.EncodeToString(m.Sum(nil))
	d.hashes[s] = h
	return h
}

// plain is a string that the device does not hash.
type plain string

// hashed copies a value with every string hashed.
func (d *auditDevice) hashed(v any) any {
	switch v := v.(type) {
	case string:
		return d.hash(v)
	case []string:
		out := make([]any, len(v))
		for i, s := range v {
			out[i] = d.hash(s)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = d.hashed(x)
		}
		return out
	case map[string]string:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = d.hash(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = d.hashed(x)
		}
		return out
	}
	return v
}

// The lines, in the order of fields that the server writes.

type auditLine struct {
	Time     string       `json:"time"`
	Type     string       `json:"type"`
	Auth     *auditAuth   `json:"auth,omitempty"`
	Request  auditRequest `json:"request"`
	Response *auditAnswer `json:"response,omitempty"`
	Error    string       `json:"error,omitempty"`
}

type auditAuth struct {
	ClientToken      string            `json:"client_token,omitempty"`
	Accessor         string            `json:"accessor,omitempty"`
	DisplayName      string            `json:"display_name,omitempty"`
	Policies         []string          `json:"policies,omitempty"`
	TokenPolicies    []string          `json:"token_policies,omitempty"`
	IdentityPolicies []string          `json:"identity_policies,omitempty"`
	PolicyResults    *auditResults     `json:"policy_results,omitempty"`
	Metadata         map[string]string `json:"metadata,omitempty"`
	EntityID         string            `json:"entity_id,omitempty"`
	TokenType        string            `json:"token_type,omitempty"`
	TokenTTL         int64             `json:"token_ttl,omitempty"`
	TokenIssueTime   string            `json:"token_issue_time,omitempty"`
}

type auditResults struct {
	Allowed  bool           `json:"allowed"`
	Granting []auditGranted `json:"granting_policies,omitempty"`
}

type auditGranted struct {
	Name        string `json:"name,omitempty"`
	NamespaceID string `json:"namespace_id,omitempty"`
	Type        string `json:"type"`
}

type auditRequest struct {
	ID            string         `json:"id,omitempty"`
	ClientID      string         `json:"client_id,omitempty"`
	Operation     string         `json:"operation"`
	MountPoint    string         `json:"mount_point,omitempty"`
	MountType     string         `json:"mount_type,omitempty"`
	MountAccessor string         `json:"mount_accessor,omitempty"`
	MountVersion  string         `json:"mount_running_version,omitempty"`
	MountClass    string         `json:"mount_class,omitempty"`
	ClientToken   string         `json:"client_token,omitempty"`
	TokenAccessor string         `json:"client_token_accessor,omitempty"`
	Namespace     map[string]any `json:"namespace,omitempty"`
	Path          string         `json:"path"`
	Data          any            `json:"data,omitempty"`
	RemoteAddress string         `json:"remote_address,omitempty"`
	RemotePort    int            `json:"remote_port,omitempty"`
}

type auditAnswer struct {
	Auth          *auditAuth `json:"auth,omitempty"`
	MountPoint    string     `json:"mount_point,omitempty"`
	MountType     string     `json:"mount_type,omitempty"`
	MountAccessor string     `json:"mount_accessor,omitempty"`
	PluginVersion string     `json:"mount_running_plugin_version,omitempty"`
	MountClass    string     `json:"mount_class,omitempty"`
	Data          any        `json:"data,omitempty"`
}

// auditTime writes nine digits of fraction without trailing zeros, as the
// server does.
func auditTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func (d *auditDevice) write(l auditLine) error {
	if !d.on {
		return nil
	}
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	d.lines++
	_, err = d.buf.Write(append(b, '\n'))
	return err
}

// act is what an operator does to the file.
func (d *auditDevice) act(a world.Act) error {
	day := a.At.Format("-20060102")
	switch a.Do {
	case world.Rotate:
		d.packed = d.path + day
		if err := errors.Join(d.close(), os.Rename(d.path, d.packed)); err != nil {
			return err
		}
		return d.open()
	case world.Pack:
		return pack(d.packed, a.At)
	case world.Copy:
		if err := d.flush(); err != nil {
			return err
		}
		return copyFile(d.path+day, d.path)
	case world.Truncate:
		return errors.Join(d.flush(), d.file.Truncate(0))
	}
	return fmt.Errorf("the audit file knows no %q", a.Do)
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

// pack compresses a file, as a log rotator does a day later.
func pack(path string, at time.Time) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+".gz", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	z.ModTime = at
	_, werr := z.Write(b)
	if err := errors.Join(werr, z.Close(), f.Close()); err != nil {
		return err
	}
	return os.Remove(path)
}
