package pack

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
	"evidenced/evidence/problem"
)

// Entry is a record as a pack takes it from a log.
type Entry struct {
	Seq      uint64
	Leaf     []byte
	Openings map[string]claim.Opening // claims that could be opened
	Closed   map[string]string        // the others, and why: "erased" or "key missing"
}

// Log is the log a pack is made of, as it stands at the closing checkpoint.
type Log interface {
	evidence.Reader
	// Entries yields the records [from, to) in order, opening the named claims.
	Entries(ctx context.Context, from, to uint64, claims []string) iter.Seq2[Entry, error]
	ProveInclusion(size, seq uint64) ([]evidence.Hash, error)
	ProveConsistency(oldSize, newSize uint64) ([]evidence.Hash, error)
	Frontier(size uint64) (*chain.Frontier, error)
	// CheckpointBefore returns the newest signed checkpoint all of whose
	// records were recorded at or before t; nil when there is none.
	CheckpointBefore(t time.Time) (chain.Checkpoint, []byte, error)
	// Seal appends the pack.issued record and returns the signed checkpoint
	// that covers it and its seq.
	Seal(ctx context.Context, f evidence.PackFacts) (seq uint64, size uint64, signed []byte, err error)
}

// Lag is how long after the end of a period a record of it may still come in:
// until then a pack of it is interim.
const Lag = 24 * time.Hour

// final is when no record of the period comes in any more.
func final(p evidence.Period) time.Time { return p.To.Add(Lag) }

// Input is what a pack is made of.
type Input struct {
	Log     Log
	Closing []byte // signed checkpoint of Log.Size()
	Period  evidence.Period
	Now     time.Time
	Program string
	LogKey  string // note verifier keys; of the log the one for the closing size
	PackKey note.Signer
	PackPub string
	Anchor  Anchor
	// Keys are the log's keys by size and KeyChanges how they changed up to
	// the closing size; both empty when LogKey was the only one.
	Keys       chain.LogKeys
	KeyChanges []KeyChange

	// Findings are one for each pair of control and test of the catalog in force
	// that applies to the tenant.
	Findings []Finding
	Rules    any // written as rules.json
	// Scopes are the records of scope statements that findings rest on.
	Scopes []uint64
	// Catalog is the table of the catalog in force, as the newest
	// platform.catalog record of the range has it.
	Catalog  *evidence.RuleTable
	Coverage any // written as coverage.json
	Config   string
	// Earlier are all packs of the log that were issued before. Those of an
	// overlapping period are listed in packs.json.
	Earlier []Earlier
	// Receipts of others for the closing checkpoint and earlier ones.
	Receipts []Receipt
	// PDF writes report.pdf; it is told the digest of the data members.
	PDF func(w io.Writer, m *Manifest) error

	Purpose, Recipient string
	Pseudonymous       bool     // withhold names and texts
	Raw                string   // none, exceptions or all
	RawOf              []uint64 // for exceptions: records whose raw is disclosed
	TempDir            string
}

// Result says what was written.
type Result struct {
	Manifest *Manifest
	Hash     evidence.Hash // of the signed manifest
	Issued   uint64        // seq of pack.issued
}

// Made is a complete pack in temporary files.
type Made struct {
	Result
	dir     string
	members []staged
}

// Make makes a complete pack. The log grows by one pack.issued record. The
// caller closes what it gets.
func Make(ctx context.Context, in Input) (*Made, error) {
	dir, err := os.MkdirTemp(in.TempDir, "pack")
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "make a temporary directory for the pack")
	}
	pw := &writer{in: in, dir: dir}
	res, err := pw.make(ctx)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return &Made{*res, dir, pw.members}, nil
}

// Send writes the zip. How long that takes is the reader's to say, so hold no
// lock meanwhile.
func (m *Made) Send(w io.Writer) error { return assemble(w, m.members) }

// Close removes the temporary files.
func (m *Made) Close() error { return os.RemoveAll(m.dir) }

func (w *writer) make(ctx context.Context) (*Result, error) {
	if err := w.prepare(); err != nil {
		return nil, err
	}
	if err := w.data(ctx); err != nil {
		return nil, fmt.Errorf("write pack of %s: %w", w.in.Log.Tenant(), err)
	}
	res, err := w.finish(ctx)
	if err != nil {
		return nil, fmt.Errorf("write pack of %s: %w", w.in.Log.Tenant(), err)
	}
	return res, nil
}

type writer struct {
	in        Input
	dir       string
	m         Manifest
	members   []staged
	start     chain.Checkpoint
	startNote []byte
	learned   // from what is disclosed
	tokens    map[evidence.ID]bool
	receipts  []listed
	// lastRecorded is when the newest record of the range was recorded: nothing
	// shows that the log was there any later.
	lastRecorded time.Time
}

func (w *writer) prepare() error {
	key, err := note.NewVerifier(w.in.LogKey)
	if err != nil {
		return fmt.Errorf("log key: %w", err)
	}
	// A handover carries two signatures; a pack takes the one by its own key.
	if w.in.Closing, err = chain.OnlyBy(w.in.Closing, w.in.LogKey); err != nil {
		return fmt.Errorf("closing checkpoint: %w", err)
	}
	closing, err := openCheckpoint(w.in.Closing, key)
	if err != nil {
		return fmt.Errorf("closing checkpoint: %w", err)
	}
	if closing.Size != w.in.Log.Size() || closing.Origin != w.in.Log.Origin() {
		return fmt.Errorf("closing checkpoint is of another log or size")
	}
	if w.start, w.startNote, err = w.in.Log.CheckpointBefore(w.in.Period.From); err != nil {
		return err
	}
	if w.startNote != nil {
		if w.startNote, err = chain.OnlyBy(w.startNote, w.keyAt(w.start.Size)); err != nil {
			return fmt.Errorf("starting checkpoint: %w", err)
		}
	}
	fr, err := w.in.Log.Frontier(w.start.Size)
	if err != nil {
		return err
	}
	last, err := w.in.Log.Record(context.Background(), closing.Size-1)
	if err != nil {
		return err
	}
	w.lastRecorded = last.Recorded
	w.learned, w.tokens = newLearned(w.start.Size), map[evidence.ID]bool{}
	w.in.Earlier = slices.Clone(w.in.Earlier)
	slices.SortFunc(w.in.Earlier, func(a, b Earlier) int { return cmp.Compare(a.Seq, b.Seq) })
	w.m = Manifest{
		Tenant: w.in.Log.Tenant(), Origin: w.in.Log.Origin(), Simulated: w.in.Log.Simulated(), Number: 1, Period: w.in.Period,
		Start: Tree{w.start.Size, fr.Root()}, Closing: Tree{closing.Size, closing.Root}, Complete: true,
		Interim: w.in.Now.Before(final(w.in.Period)) || w.lastRecorded.Before(final(w.in.Period)), Purpose: w.in.Purpose, Recipient: w.in.Recipient,
		Made: w.in.Now.UTC(), Program: w.in.Program, LogKey: w.in.LogKey, PackKey: w.in.PackPub, Anchor: w.in.Anchor,
		Withheld: map[string]int{}, Counts: map[string]int{}, Records: closing.Size - w.start.Size, Config: w.in.Config,
	}
	if n := len(w.in.Earlier); n > 0 {
		w.m.Number = w.in.Earlier[n-1].Facts.Number + 1
	}
	if err := w.prepareReceipts(); err != nil {
		return err
	}
	return w.json(memberFrontier, frontierFile{fr.Size(), fr.Roots()})
}

type frontierFile struct {
	Size   uint64          `json:"size"`
	Hashes []evidence.Hash `json:"hashes"`
}

func (w *writer) add(name string, fill func(io.Writer) error) error {
	s, err := stage(w.dir, name, func(out io.Writer) error {
		b := bufio.NewWriterSize(out, 64<<10)
		if err := fill(b); err != nil {
			return err
		}
		return b.Flush()
	})
	if err == nil {
		w.members = append(w.members, s)
	}
	return err
}

func (w *writer) json(name string, v any) error {
	return w.add(name, func(out io.Writer) error {
		b, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			return err
		}
		if len(b) >= maxSmall {
			return problem.New(problem.Refused, "%s would have %d bytes, at most %d", name, len(b), maxSmall).
				WithHint("make packs of shorter periods")
		}
		if _, err := checkNames(b, false, elementsIn(name)); err != nil {
			return problem.New(problem.Refused, "%s cannot be packed: %v", name, err).WithHint("make packs of shorter periods")
		}
		_, err = out.Write(append(b, '\n'))
		return err
	})
}

func (w *writer) bytes(name string, b []byte) error {
	return w.add(name, func(out io.Writer) error {
		_, err := out.Write(b)
		return err
	})
}

// data stages all members but manifest, PDF and proof of issue.
func (w *writer) data(ctx context.Context) error {
	if w.startNote != nil {
		if err := w.bytes(memberStart, w.startNote); err != nil {
			return err
		}
	}
	if err := w.bytes(memberClosing, w.in.Closing); err != nil {
		return err
	}
	if err := w.genesis(ctx); err != nil {
		return err
	}
	if err := w.keys(ctx); err != nil {
		return err
	}
	if err := w.leaves(ctx); err != nil {
		return err
	}
	if err := w.earlier(ctx); err != nil { // before the claims: a name of the range is newer
		return err
	}
	if err := w.claims(ctx); err != nil {
		return err
	}
	if err := w.registers(ctx); err != nil {
		return err
	}
	if err := w.json(memberFindings, w.in.Findings); err != nil {
		return err
	}
	if err := w.json(memberRules, w.in.Rules); err != nil {
		return err
	}
	w.m.Rules = w.members[len(w.members)-1].SHA256
	if err := w.writeCatalog(); err != nil {
		return err
	}
	if err := w.json(memberCoverage, w.in.Coverage); err != nil {
		return err
	}
	if err := w.json(memberPacks, w.overlapping()); err != nil {
		return err
	}
	if err := w.writeLoosened(); err != nil {
		return err
	}
	if err := w.history(); err != nil {
		return err
	}
	if err := w.writeReceipts(); err != nil {
		return err
	}
	return w.bytes(memberHowTo, []byte(howTo))
}

func (w *writer) genesis(ctx context.Context) error {
	s, err := w.single(ctx, 0, []string{"content"})
	if err != nil {
		return err
	}
	return w.json(memberGenesis, s)
}

func (w *writer) leaves(ctx context.Context) error {
	return w.add(memberLeaves, func(out io.Writer) error {
		for e, err := range w.in.Log.Entries(ctx, w.m.Start.Size, w.m.Closing.Size, nil) {
			if err != nil {
				return err
			}
			lf, err := chain.Decode(e.Leaf)
			if err != nil {
				return err
			}
			for _, p := range lf.People {
				w.tokens[p.Token] = true
			}
			if w.in.Period.Contains(lf.Occurred) {
				w.m.Counts[string(lf.Kind)]++
			}
			if _, err := out.Write(append(e.Leaf, '\n')); err != nil {
				return err
			}
		}
		return nil
	})
}

// finish writes PDF, manifest and proof of issue.
func (w *writer) finish(ctx context.Context) (*Result, error) {
	w.m.Data = dataDigest(w.members)
	if w.in.PDF != nil {
		if err := w.add(memberPDF, func(out io.Writer) error { return w.in.PDF(out, &w.m) }); err != nil {
			return nil, err
		}
	}
	sort.Slice(w.members, func(i, j int) bool { return w.members[i].Name < w.members[j].Name })
	for _, s := range w.members {
		w.m.Members = append(w.m.Members, s.Member)
	}
	text, err := w.m.Text()
	if err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: text}, w.in.PackKey)
	if err != nil {
		return nil, fmt.Errorf("sign manifest: %w", err)
	}
	rest := w.members
	w.members = nil
	if err := w.bytes(memberManifest, signed); err != nil {
		return nil, err
	}
	w.members = append(w.members, rest...)
	res := &Result{Manifest: &w.m, Hash: sha256.Sum256(signed)}
	return res, w.issue(ctx, res)
}

// facts are what the record that seals a pack says of it, but for the people it
// names.
func (m *Manifest) facts(hash evidence.Hash) evidence.PackFacts {
	withheld := m.Erased
	for _, n := range m.Withheld {
		withheld += n
	}
	return evidence.PackFacts{
		Manifest: hash, Number: m.Number, Period: m.Period, Size: m.Closing.Size, Root: m.Closing.Root, Records: m.Records,
		Complete: m.Complete, Interim: m.Interim, Purpose: m.Purpose, Recipient: m.Recipient, Withheld: withheld, Issued: m.Made,
	}
}

// issue seals the manifest's hash in the log and adds the proof.
func (w *writer) issue(ctx context.Context, res *Result) error {
	f := w.m.facts(res.Hash)
	if !w.in.Pseudonymous {
		for t := range w.names {
			f.Disclosed = append(f.Disclosed, t)
		}
		slices.SortFunc(f.Disclosed, func(a, b evidence.ID) int { return strings.Compare(a.String(), b.String()) })
	}
	seq, size, signed, err := w.in.Log.Seal(ctx, f)
	if err != nil {
		return fmt.Errorf("seal pack.issued: %w", err)
	}
	res.Issued = seq
	var x issued
	for e, err := range w.in.Log.Entries(ctx, seq, seq+1, []string{"content"}) {
		if err != nil {
			return err
		}
		o := e.Openings["content"]
		x.Leaf, x.Claim = string(e.Leaf), disclosed{seq, "content", o.Salt[:], o.Plain}
	}
	proof, err := w.in.Log.ProveInclusion(size, seq)
	if err != nil {
		return err
	}
	if x.Consistency, err = w.in.Log.ProveConsistency(w.m.Closing.Size, size); err != nil {
		return err
	}
	extra, err := json.Marshal(x)
	if err != nil {
		return err
	}
	if signed, err = chain.OnlyBy(signed, w.in.LogKey); err != nil {
		return fmt.Errorf("checkpoint of pack.issued: %w", err)
	}
	return w.bytes(memberIssued, formatProof(extra, seq, proof, signed))
}

// dataDigest is SHA-256 over "name size sha256" lines of the members, by name,
// without report.pdf.
func dataDigest(ms []staged) evidence.Hash {
	var lines []string
	for _, m := range ms {
		if m.Name != memberPDF {
			lines = append(lines, digestLine(m.Member))
		}
	}
	return digestLines(lines)
}

func digestLine(m Member) string { return fmt.Sprintf("%s %d %s\n", m.Name, m.Size, m.SHA256) }

func digestLines(lines []string) evidence.Hash {
	slices.Sort(lines)
	h := sha256.New()
	for _, l := range lines {
		io.WriteString(h, l)
	}
	return evidence.Hash(h.Sum(nil))
}
