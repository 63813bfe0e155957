// Package api is how a command asks for an answer, whether or not a daemon
// holds the data directory.
//
// An [Op] is a named operation: JSON parameters in, a streamed reply out. The
// daemon serves the operations on a unix socket; a command that finds no daemon
// takes the lock and runs the same operation in its own process (see [Client]),
// so both give the same answer, the same errors and the same record of who
// asked.
//
// # Wire
//
// A call is POST /v1/NAME with the parameters as its body. The reply has status
// 200 and is a row of frames, each a type byte, a length (4 bytes, big-endian)
// and so many bytes:
//
//	h  header, JSON {"media": type}; before the first b
//	b  a piece of the body
//	p  progress, JSON {"done": n, "total": n}
//	r  what the body cannot say of itself, JSON; at most one, after the body
//	e  the end, JSON {} or a problem {"code", "text", "hints"}
//
// A reply without its e was cut off: what came of the body is not the answer.
//
// Times in parameters stay as the person typed them and are read here, by the
// clock of the installation: a simulated one has its own "yesterday".
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings"
	"evidenced/reports"
	"evidenced/store"
)

// World is what the operations run against: an open data directory, with a
// daemon around it or not. Its methods may be called by several goroutines.
type World interface {
	// Now is the clock of the installation. A simulated one that is at rest
	// stands at its newest instant.
	Now() time.Time
	// Zone is the configured zone of answers; UTC when there is none.
	Zone() *time.Location
	// Tenants lists the tenants that have a log, the pseudo-tenants among
	// them, in order of name. Without a keyring it is store.ErrNoKeyring.
	Tenants(ctx context.Context) ([]evidence.Tenant, error)
	// Stopped returns why the tenant's log takes nothing more; "" while it does.
	Stopped(ctx context.Context, t evidence.Tenant) string
	// Reader opens the tenant's log as it stands. A tenant without a log is a
	// problem of code not-found.
	Reader(ctx context.Context, t evidence.Tenant) (evidence.Reader, error)
	// Flush writes what was seen so far, and not yet told, as coverage into the
	// logs, so that an answer about now knows it. An error tells of the logs of
	// the tenants, of all when none is named: another one that is stopped holds
	// up no answer. Without a daemon it does nothing.
	Flush(ctx context.Context, of ...evidence.Tenant) error
	// Read seals an access.read record before an answer is given. The world
	// sets no field; an error means that the answer must not be given.
	Read(ctx context.Context, t evidence.Tenant, f evidence.ReadFacts) error
	// Judging returns what an assessment of the tenant stands on; the
	// operation sets Period, Now and Controls.
	Judging(ctx context.Context, t evidence.Tenant) (mappings.Input, error)
	// Verify verifies the tenant's log. An error means that it could not be
	// read; what is wrong stands in the report.
	Verify(ctx context.Context, t evidence.Tenant, r VerifyRequest) (*store.Report, error)
	// VerifyEarlier verifies those of the logs that the tenant's log continues of
	// which a checkpoint is given, by origin.
	VerifyEarlier(ctx context.Context, t evidence.Tenant, kept map[string][]store.Kept) ([]*store.Report, error)
	// Fsck looks at everything around the logs: installation, keys, sign-state,
	// index, cursors. RepairIndex allows it to derive an index again from the
	// records; nothing else is ever repaired.
	Fsck(ctx context.Context, repairIndex bool) ([]Check, error)
	// Anchors says who outside holds checkpoints of the tenant's log.
	Anchors(ctx context.Context, t evidence.Tenant) (*Anchors, error)
	// Receipt returns a C2SP tlog-proof that the record is in the tenant's log,
	// with the record's leaf as extra data.
	Receipt(ctx context.Context, t evidence.Tenant, seq uint64) ([]byte, error)
	// Pack writes an evidence pack and seals pack.issued.
	Pack(ctx context.Context, r PackRequest, w io.Writer) (PackResult, error)
	Judge
	Keeper
	Doctor
	Retainer
	Privacy
	Incidents
	Statements
}

// VerifyRequest says what of a log is verified, and against what.
type VerifyRequest struct {
	Deep      bool         // open every claim too
	SinceLast bool         // read only what came after the last verification
	Kept      []store.Kept // checkpoints of this log that somebody kept
	Progress  func(done, total uint64)
}

// Check is one thing that was looked at beside the logs.
type Check struct {
	What     string `json:"what"` // "keyring", "index of tenant-7"
	OK       bool   `json:"ok"`
	Says     string `json:"says"`
	Repaired bool   `json:"repaired,omitempty"`
}

// PackRequest asks for an evidence pack. Times are read already.
type PackRequest struct {
	Tenant       evidence.Tenant
	Period       evidence.Period
	Raw          string // none, exceptions, all; "" is the configured default
	Pseudonymous bool
	Purpose      string
	Recipient    string
	By           Caller
	Progress     func(done, total uint64) // never nil
}

// PackResult says what a pack holds. It goes to the person who made it.
type PackResult struct {
	Tenant   evidence.Tenant `json:"tenant"`
	Period   evidence.Period `json:"period"`
	Manifest evidence.Hash   `json:"manifest"`
	Size     uint64          `json:"closing_size"`
	Records  uint64          `json:"records"`
	Complete bool            `json:"complete"`
	Interim  string          `json:"interim,omitempty"` // why it is interim
	Withheld int             `json:"withheld_claims"`
	Issued   uint64          `json:"issued_record"` // the pack.issued record
	Demo     bool            `json:"demonstration,omitempty"`
}

// Caller is who asks.
type Caller struct {
	UID int    `json:"uid"` // user id of the asking process
	Via string `json:"via"` // socket or direct
}

// by names the caller in a record of an act.
func (c Caller) by() string { return fmt.Sprintf("uid %d", c.UID) }

// Op is a named operation.
type Op struct {
	Name string
	run  func(ctx context.Context, c *call) error
}

// Ops are all operations.
var Ops = []Op{
	{"tenants", tenants},
	{"ran", whatRan},
	{"records", records},
	{"timeline", tellTimeline},
	{"trace", tellTrace},
	{"people", tellPeople},
	{"who", tellWho},
	{"coverage", tellCoverage},
	{"assess", assess},
	{"gaps", tellGaps},
	{"today", tellToday},
	{"pack", makePack},
	{"verify", verify},
	{"fsck", fsck},
	{"doctor", examine},
	{"anchors", tellAnchors},
	{"receipt", giveReceipt},
	{"backup", makeBackup},
	{"rotate-log-key", rotateLogKey},
	{"hold", hold},
	{"retention", retention},
	{"offboard-export", offboardExport},
	{"offboard", offboard},
	{"erase", erase},
	{"identity-link", linkPeople},
	{"incident", incidents},
	{"incident-export", exportIncident},
	{"incident-register", breachRegister},
	{"statement", statements},
	{"remedy", remedies},
	{"keyring-backup", backupKeys},
	{"keyring-rotate", renewKeys},
}

// Run runs the operation on the world and streams its reply to out. The
// returned error is the operation's; out has not been told it.
func Run(ctx context.Context, w World, who Caller, name string, params []byte, out *Out) error {
	for _, op := range Ops {
		if op.Name == name {
			err := op.run(ctx, &call{World: w, Caller: who, op: name, raw: params, Out: out})
			if err == nil {
				err = out.err
			}
			return err
		}
	}
	return problem.New(problem.Usage, "unknown operation %q", name).
		WithHint("the daemon may be of another version than this command: compare evidenced version")
}

// call is one operation at work.
type call struct {
	World
	Caller
	*Out
	op  string
	raw []byte
}

// decode reads the parameters strictly.
func (c *call) decode(into any) error {
	dec := json.NewDecoder(bytes.NewReader(c.raw))
	dec.DisallowUnknownFields()
	err := oneMeaning(c.raw)
	if err == nil {
		err = dec.Decode(into)
	}
	if err != nil {
		return problem.Wrap(problem.Usage, err, "parameters of %s", c.op).
			WithHint("the daemon may be of another version than this command: compare evidenced version")
	}
	return nil
}

// oneMeaning refuses parameters that two readers could read differently: with a
// name twice or in another case, or with more behind them. Whoever decides by
// the tenant's name whether to answer reads the one that is answered.
func oneMeaning(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("want one JSON object")
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string) // the decoder takes nothing else for a name
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return fmt.Errorf("name %.40q: names are of a-z, 0-9 and _", name)
		}
		if seen[name] {
			return fmt.Errorf("name %q stands there twice", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more stands behind the object")
	}
	return nil
}

// Out is where a reply goes. It is used by one goroutine.
type Out struct {
	// Header is told the media type before the first byte of the body.
	Header func(media string) error
	Body   io.Writer
	// Step is told progress; may be nil.
	Step func(done, total uint64)
	// Result is told what the body cannot say of itself; may be nil.
	Result func(v json.RawMessage) error

	begun bool
	err   error
}

// begin names the media type and returns the body's writer.
func (o *Out) begin(media string) io.Writer {
	if !o.begun {
		o.begun = true
		o.err = o.Header(media)
	}
	if media == MediaJSON || media == MediaLines {
		return reports.JSON(o) // people look at it on terminals too
	}
	return o
}

// Write implements io.Writer on the body; it fails for good after an error.
func (o *Out) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.Body.Write(b)
	if err != nil {
		o.err = fmt.Errorf("write the answer: %w", err)
	}
	return n, o.err
}

func (o *Out) progress(done, total uint64) {
	if o.Step != nil {
		o.Step(done, total)
	}
}

// finish tells the result.
func (o *Out) finish(v any) error {
	if o.Result == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	return o.Result(b)
}

// document writes v as the one JSON document of an answer.
func (o *Out) document(v any) error {
	enc := json.NewEncoder(o.begin(MediaJSON))
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Media types of replies.
const (
	MediaText  = "text/plain; charset=utf-8"
	MediaJSON  = "application/json"
	MediaLines = "application/jsonl"
	MediaCSV   = "text/csv; charset=utf-8"
	MediaHTML  = "text/html; charset=utf-8"
	MediaPDF   = "application/pdf"
	MediaXLSX  = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	MediaZip   = "application/zip"
)
