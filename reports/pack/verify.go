package pack

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
)

// Options is what the auditor brings.
type Options struct {
	Trust  *Trust  // nil: the maker's identity is not established
	Policy *Policy // nil: nothing is asked for
	// TSARoots are the time-stamping authorities' roots that the auditor
	// trusts; nil: tokens are not checked. TSAIntermediates add no trust.
	TSARoots         *x509.CertPool
	TSAIntermediates *x509.CertPool
	// Sample asks for a sample of the auditor's own; nil for none.
	Sample *SampleRequest
}

// ErrSelection says that a pack does not claim to be complete.
var ErrSelection = errors.New("the pack is a selection, not complete")

// Verify checks a pack. The error names the first thing that is wrong; with
// ErrSelection alone the report is good for what the pack holds.
func Verify(r io.ReaderAt, size int64, o Options) (*Report, error) {
	v, err := open(r, size, o)
	if err != nil {
		return nil, err
	}
	if err := v.verify(); err != nil {
		return nil, err
	}
	if !v.m.Complete {
		return v.rep, ErrSelection
	}
	return v.rep, nil
}

// open reads the container's structure; nothing is verified yet.
func open(r io.ReaderAt, size int64, o Options) (*verifier, error) {
	c, err := openContainer(r, size)
	if err != nil {
		return nil, err
	}
	return &verifier{
		c: c, o: o, occurred: map[uint64]time.Time{}, proved: map[uint64]evidence.Hash{},
		recorded: map[uint64]time.Time{}, want: map[uint64]evidence.Hash{}, wantRoots: map[uint64]evidence.Hash{},
	}, nil
}

// steps are what a verification does, in this order.
func (v *verifier) steps() []func() error {
	return []func() error{
		v.manifest, v.digests, v.checkpoints, v.history, v.wantProofs, v.leaves, v.claimsAndRegisters, v.earlierPacks, v.receipts,
		v.findings, v.issued, v.enough,
	}
}

func (v *verifier) verify() error {
	for _, step := range v.steps() {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// VerifyFile verifies the pack in a file.
func VerifyFile(path string, o Options) (*Report, error) {
	f, size, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Verify(f, size, o)
}

type verifier struct {
	c        *container
	o        Options
	m        *Manifest
	rep      *Report
	hash     evidence.Hash // of the manifest
	logKey   note.Verifier
	keys     chain.LogKeys
	trusted  *trusted // what the auditor knows; nil without a trust file
	closing  chain.Checkpoint
	before   evidence.Hash        // prev of the first record of the range
	seqs     present              // records in it
	learned                       // from what is disclosed
	occurred map[uint64]time.Time // of the records of the range that verdicts of the log name as failed
	recorded map[uint64]time.Time // of the last records in the trees of receipts
	gone     int                  // claims whose keys were destroyed
	genesis  genesisFacts
	proved   map[uint64]evidence.Hash // roots of trees that the closing one extends, by size
	catalog  ruling                   // what the catalog in force says
	rows     map[seen]*chartRow       // of coverage.json
	byKind   map[evidence.Kind][]seen // of the same, made when it is asked for

	// What several findings ask, answered once.
	newest map[seen]time.Time
	seen   map[lookedAt]bool
	aside  map[evidence.ControlID]time.Time // what does not apply, and since when
	counts map[uint64]bool                  // waivers that are counted

	// want and wantRoots are filled as the leaves go by: hashes of the leaves
	// whose seq is in want, roots of the sizes in wantRoots.
	want      map[uint64]evidence.Hash
	wantRoots map[uint64]evidence.Hash
	index     uint64        // of this pack's own pack.issued record
	indexLeaf evidence.Hash // and the hash of its leaf
}

func (v *verifier) manifest() error {
	signed, err := v.small(memberManifest)
	if err != nil {
		return err
	}
	if v.m, err = openManifest(signed, nil); err != nil {
		return err
	}
	v.hash = sha256.Sum256(signed)
	m := v.m
	v.learned, v.seqs = newLearned(m.Start.Size), newPresent(m.Start.Size)
	v.rep = &Report{
		Tenant: m.Tenant, Origin: m.Origin, Simulated: m.Simulated, Period: m.Period, Complete: m.Complete, Interim: m.Interim,
		LogKey: m.LogKey, PackKey: m.PackKey, Claimed: m.Anchor.Rung, Receipts: []Vouched{}, Maker: "identity of the maker not established",
		Withheld: map[string]int{}, Counts: map[string]int{}, Findings: map[string]int{},
	}
	if v.o.Trust != nil {
		e, err := v.o.Trust.lookup(m.Tenant, m.Origin, m.Closing.Size)
		if err != nil {
			return err
		}
		v.trusted = e // whether its log key reaches the pack's: see keyChain
		if e.packKey != m.PackKey {
			return fmt.Errorf("the pack is signed by other keys than your trust file gives for %s", m.Tenant)
		}
		v.rep.Known, v.rep.Maker = true, "keys known to your trust file"
		if e.comment != "" {
			v.rep.Maker += " (" + e.comment + ")"
		}
	}
	if v.logKey, err = chain.ParseKey(m.LogKey); err != nil {
		return fmt.Errorf("manifest: log key: %w", err)
	}
	if m.Period.From.IsZero() || !m.Period.From.Before(m.Period.To) {
		return fmt.Errorf("manifest: period %s is none", m.Period)
	}
	if m.Closing.Size <= m.Start.Size || m.Closing.Size >= 1<<53 {
		return fmt.Errorf("manifest: range from %d to %d", m.Start.Size, m.Closing.Size)
	}
	return nil
}

func (v *verifier) checkpoints() error {
	b, err := v.small(memberClosing)
	if err != nil {
		return err
	}
	if v.closing, err = openCheckpoint(b, v.logKey); err != nil {
		return fmt.Errorf("closing checkpoint: %w", err)
	}
	if v.closing.Origin != v.m.Origin || v.closing.Size != v.m.Closing.Size || v.closing.Root != v.m.Closing.Root {
		return fmt.Errorf("closing checkpoint is not the manifest's")
	}
	if err := v.openGenesis(); err != nil {
		return err
	}
	if err := v.keyChain(); err != nil {
		return err
	}
	if v.m.Start.Size == 0 {
		return nil
	}
	if b, err = v.small(memberStart); err != nil {
		return err
	}
	key, err := v.keyFor(v.m.Start.Size)
	if err != nil {
		return fmt.Errorf("starting checkpoint: %w", err)
	}
	start, err := openCheckpoint(b, key)
	if err != nil {
		return fmt.Errorf("starting checkpoint: %w", err)
	}
	if start.Origin != v.m.Origin || start.Size != v.m.Start.Size || start.Root != v.m.Start.Root {
		return fmt.Errorf("starting checkpoint is not the manifest's")
	}
	return nil
}

// leaves recomputes the range from one root to the other.
func (v *verifier) leaves() error {
	var ff frontierFile
	if err := v.readMember(memberFrontier, &ff); err != nil {
		return err
	}
	fr, err := chain.NewFrontier(ff.Size, ff.Hashes)
	if err != nil {
		return err
	}
	if fr.Size() != v.m.Start.Size || fr.Root() != v.m.Start.Root {
		return fmt.Errorf("frontier is not that of the starting checkpoint")
	}
	var prev evidence.Hash
	var last *chain.Leaf
	seq := v.m.Start.Size
	v.noteRoot(fr)
	err = v.lines(memberLeaves, chain.MaxLeaf+1, func(line []byte) error {
		lf, err := chain.Decode(line)
		if err != nil {
			return fmt.Errorf("record %d: %w", seq, err)
		}
		switch {
		case lf.Origin != v.m.Origin:
			return fmt.Errorf("record %d belongs to log %s", seq, lf.Origin)
		case lf.Seq != seq:
			return fmt.Errorf("record %d stands where record %d must", lf.Seq, seq)
		case seq == 0 && lf.Prev != chain.GenesisPrev(lf.Origin), last != nil && lf.Prev != prev:
			return fmt.Errorf("record %d does not follow its predecessor", seq)
		case last != nil && lf.Recorded.Before(last.Recorded):
			return fmt.Errorf("record %d was recorded before its predecessor", seq)
		}
		if last == nil {
			v.before = lf.Prev
		}
		prev, last = chain.LeafHash(line), lf
		fr.Append(prev, nil)
		v.noteRoot(fr)
		if _, wanted := v.want[seq]; wanted {
			v.want[seq] = prev
		}
		if _, wanted := v.recorded[seq]; wanted {
			v.recorded[seq] = lf.Recorded
		}
		if v.m.Period.Contains(lf.Occurred) {
			v.rep.Counts[string(lf.Kind)]++
		}
		seq++
		return v.seqs.add(lf.Seq, lf.Kind)
	})
	if err != nil {
		return err
	}
	if seq != v.m.Closing.Size || fr.Root() != v.m.Closing.Root {
		return fmt.Errorf("the %d records do not make the tree that the closing checkpoint signs", seq-v.m.Start.Size)
	}
	v.rep.First, v.rep.Last, v.rep.Records = v.m.Start.Size, seq-1, seq-v.m.Start.Size
	if last.Recorded.Before(final(v.m.Period)) && !v.m.Interim {
		return fmt.Errorf("the pack claims to be final, but its newest record is of %s: records of the period could still come in until %s", evidence.FormatTime(last.Recorded), evidence.FormatTime(final(v.m.Period)))
	}
	if v.m.Made.Before(last.Recorded) {
		return fmt.Errorf("the pack says that it was made at %s, but its newest record is of %s", evidence.FormatTime(v.m.Made), evidence.FormatTime(last.Recorded))
	}
	if v.rep.Records != v.m.Records || !sameCounts(v.rep.Counts, v.m.Counts) {
		return fmt.Errorf("the manifest counts other records than there are")
	}
	return v.checkGenesis()
}

// noteRoot keeps the root if somebody wants it.
func (v *verifier) noteRoot(fr *chain.Frontier) {
	if _, wanted := v.wantRoots[fr.Size()]; wanted {
		v.wantRoots[fr.Size()] = fr.Root()
	}
}

func sameCounts(a, b map[string]int) bool {
	if len(a) != len(b) {
		return false
	}
	for k, n := range a {
		if b[k] != n {
			return false
		}
	}
	return true
}

// checkSingle verifies a leaf that stands alone and its disclosed claims.
func (v *verifier) checkSingle(s single) (*chain.Leaf, error) {
	lf, err := chain.Decode([]byte(s.Leaf))
	if err != nil {
		return nil, err
	}
	if lf.Origin != v.m.Origin {
		return nil, fmt.Errorf("record %d belongs to log %s", lf.Seq, lf.Origin)
	}
	if err := chain.CheckInclusion(s.Proof, v.closing.Size, v.closing.Root, lf.Seq, chain.LeafHash([]byte(s.Leaf))); err != nil {
		return nil, fmt.Errorf("record %d is not in the log: %w", lf.Seq, err)
	}
	for i, d := range s.Claims {
		if d.Seq != lf.Seq {
			return nil, fmt.Errorf("record %d: claim of record %d", lf.Seq, d.Seq)
		}
		if opened(d.Name, s.Claims[:i]) {
			return nil, fmt.Errorf("record %d: claim %s stands twice", lf.Seq, d.Name)
		}
		if err := checkClaim(lf, d); err != nil {
			return nil, err
		}
		v.rep.Disclosed++
	}
	return lf, nil
}

func checkClaim(lf *chain.Leaf, d disclosed) error {
	o, err := d.opening()
	if err != nil {
		return err
	}
	for _, c := range lf.Claims {
		if c.Name == d.Name {
			if err := o.Check(d.Name, c.Commit); err != nil {
				return fmt.Errorf("record %d (%s, %s): %s %w", lf.Seq, lf.Kind, evidence.FormatTime(lf.Occurred), d.Name, claim.ErrCommitment)
			}
			return nil
		}
	}
	return fmt.Errorf("record %d has no claim %s", lf.Seq, d.Name)
}

// openGenesis reads the first leaf of the log, by the root that the closing
// checkpoint signs.
func (v *verifier) openGenesis() error {
	var s single
	if err := v.readMember(memberGenesis, &s); err != nil {
		return err
	}
	seq, err := v.factsOf(s, evidence.LogGenesis, &v.genesis)
	if err != nil {
		return fmt.Errorf("genesis: %w", err)
	}
	if seq != 0 {
		return fmt.Errorf("genesis: record %d is not the first", seq)
	}
	return nil
}

// checkGenesis ties tenant and keys to the log: they stand in its first leaf.
func (v *verifier) checkGenesis() error {
	g := v.genesis
	switch {
	case g.Tenant != v.m.Tenant || g.Origin != v.m.Origin:
		return fmt.Errorf("the log is that of %s, the manifest says %s", g.Tenant, v.m.Tenant)
	case g.PackKey != v.m.PackKey:
		return fmt.Errorf("the keys are not those the log began with")
	case g.Clock != "simulated" && g.Clock != "real", (g.Clock == "simulated") != v.m.Simulated:
		return fmt.Errorf("the log's clock is %s, the manifest says otherwise", g.Clock)
	}
	return nil
}

// issued checks that the manifest's hash was sealed in the log after the
// closing checkpoint.
func (v *verifier) issued() error {
	b, err := v.small(memberIssued)
	if err != nil {
		return err
	}
	extra, index, proof, signed, err := parseProof(b)
	if err != nil {
		return err
	}
	cp, err := openCheckpoint(signed, v.logKey)
	if err != nil {
		return fmt.Errorf("%s: checkpoint: %w", memberIssued, err)
	}
	var x issued
	if err := strict(memberIssued, extra, &x); err != nil {
		return err
	}
	if again, err := json.Marshal(x); err != nil || !bytes.Equal(again, extra) {
		return fmt.Errorf("%s: not in canonical form", memberIssued)
	}
	lf, err := chain.Decode([]byte(x.Leaf))
	if err != nil {
		return fmt.Errorf("%s: %w", memberIssued, err)
	}
	if cp.Origin != v.m.Origin || lf.Origin != v.m.Origin || lf.Kind != evidence.PackIssued || lf.Seq != index || index < v.closing.Size || x.Claim.Seq != index {
		return fmt.Errorf("%s is of another record", memberIssued)
	}
	if err := chain.CheckInclusion(proof, cp.Size, cp.Root, index, chain.LeafHash([]byte(x.Leaf))); err != nil {
		return fmt.Errorf("%s: %w", memberIssued, err)
	}
	if err := chain.CheckConsistency(x.Consistency, v.closing.Size, v.closing.Root, cp.Size, cp.Root); err != nil {
		return fmt.Errorf("%s: the log it was sealed in does not extend the pack's: %w", memberIssued, err)
	}
	if err := checkClaim(lf, x.Claim); err != nil {
		return fmt.Errorf("%s: %w", memberIssued, err)
	}
	var f evidence.PackFacts
	if err := openFacts(x.Claim.Plain, &f); err != nil {
		return fmt.Errorf("%s: %w", memberIssued, err)
	}
	if f.Manifest != v.hash {
		return fmt.Errorf("%s: another manifest was sealed", memberIssued)
	}
	f.Disclosed = nil // tokens: who is named shows in the pack
	if want := v.m.facts(v.hash); !sameFacts(f, want) {
		return fmt.Errorf("%s: what was sealed says otherwise of the pack than its manifest: later packs would not know it again", memberIssued)
	}
	v.rep.Issued, v.rep.Between = index, index-v.closing.Size
	v.index, v.indexLeaf = index, chain.LeafHash([]byte(x.Leaf))
	return nil
}
