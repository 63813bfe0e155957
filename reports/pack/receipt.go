package pack

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/timestamp"
	"evidenced/evidence/witness"
)

// Rungs that a pack can show. Those between receipt and time-stamp are places
// that must be asked; a pack can only say where.
const (
	rungReceipt   = 1
	rungElsewhere = 2
	rungLocked    = 3
	rungStamped   = 4
	rungWitnessed = 5
)

// ReceiptKind says what a receipt is made of.
type ReceiptKind string

const (
	// TimeStamp is an RFC 3161 token over the checkpoint.
	TimeStamp ReceiptKind = "time-stamp"
	// Cosigned is a checkpoint with witnesses' signatures on it.
	Cosigned ReceiptKind = "witness"
	// Elsewhere is a checkpoint that a place outside holds, which can be asked.
	Elsewhere ReceiptKind = "elsewhere"
	// Inclusion is a C2SP tlog-proof of a record of the range.
	Inclusion ReceiptKind = "proof"
)

// Receipt is what somebody outside gave for a checkpoint of the log, as a
// maker hands it to [Write]: of the closing checkpoint, or of an earlier one of
// the same log (the newest at or before the range's begin bounds it from below).
type Receipt struct {
	Kind  ReceiptKind
	Name  string // of the anchor, as configured: shown, and proof of nothing
	Rung  int    // for Elsewhere: 2 or 3; else ignored
	Size  uint64 // of the log
	Note  []byte // signed checkpoint, with cosignatures; of Inclusion: nil
	Token []byte // DER of a time-stamp token, or text of a tlog-proof
}

// listed is an entry of anchors.json.
type listed struct {
	Kind    ReceiptKind   `json:"kind"`
	Name    string        `json:"name"`
	Rung    int           `json:"rung"`
	Size    uint64        `json:"size"`
	Root    evidence.Hash `json:"root"`
	Members []string      `json:"members"`
}

// Claim is what a maker may say of the closing checkpoint, of the given size,
// with the receipts: the highest rung that one of them reaches if all of it
// verifies. It goes into the manifest; a verifier reaches its own verdict.
func Claim(receipts []Receipt, size uint64) Anchor {
	best := sealedInLog
	for _, r := range receipts {
		rung := listed{Kind: r.Kind, Rung: r.Rung}.reaches()
		if r.Size != size || rung <= best.Rung {
			continue
		}
		best = Anchor{Rung: rung}
		switch rung {
		case rungElsewhere:
			best.What, best.Open = "kept elsewhere: "+r.Name+" holds the closing checkpoint",
				"whoever holds the log's signing key and can write there as well could rewrite both"
		case rungLocked:
			best.What, best.Open = "kept elsewhere: "+r.Name+" holds the closing checkpoint and lets nobody delete it",
				"a second history beside the first, shown to somebody else; whoever runs that place"
		case rungStamped:
			best.What, best.Open = "time-stamped: a token of "+r.Name+" is in the pack", openStamped
		case rungWitnessed:
			best.What, best.Open = "witnessed: the closing checkpoint carries cosignatures", openWitnessed
		}
	}
	return best
}

// What each rung leaves open.
const (
	openSealed    = "whoever holds the signing key could rewrite the log and make another pack; compare with a pack or checkpoint you received earlier"
	openStamped   = "whoever holds the signing key could have kept a second history and had it stamped as well; compare with a pack or checkpoint you received earlier"
	openWitnessed = "the signing key together with the keys of as many witnesses as are asked for"
)

// sealedInLog is what every pack shows.
var sealedInLog = Anchor{rungReceipt, "receipt: the pack carries a signed proof that its manifest was sealed in the log", openSealed}

const anchorsFolder = "anchors/"

// maxReceipts keeps the numbers in member names at three digits.
const maxReceipts = 999

// maxReceipt bounds a member of a receipt, in bytes.
const maxReceipt = 128 << 10

// members are the names of the members of receipt i, counted from 0.
func (k ReceiptKind) members(i int) []string {
	stem := fmt.Sprintf("%s%03d", anchorsFolder, i+1)
	switch k {
	case TimeStamp:
		return []string{stem + ".checkpoint", stem + ".tst"}
	case Cosigned, Elsewhere:
		return []string{stem + ".checkpoint"}
	case Inclusion:
		return []string{stem + ".tlog-proof"}
	}
	return nil
}

// reaches is what a receipt of the kind can reach when all of it is verified.
func (l listed) reaches() int {
	switch l.Kind {
	case TimeStamp:
		return rungStamped
	case Cosigned:
		return rungWitnessed
	case Elsewhere:
		return l.Rung
	}
	return rungReceipt
}

func (l listed) check() error {
	ok := l.Rung == l.reaches()
	if l.Kind == Elsewhere {
		ok = l.Rung == rungElsewhere || l.Rung == rungLocked
	}
	if !ok || l.Name == "" || len(l.Name) > 128 || l.Kind.members(0) == nil {
		return fmt.Errorf("receipt %q of kind %q and rung %d", l.Name, l.Kind, l.Rung)
	}
	return nil
}

// prepareReceipts checks the receipts before they are packed: what does not
// hold together here would make the pack fail later.
func (w *writer) prepareReceipts() error {
	if len(w.in.Receipts) > maxReceipts {
		return fmt.Errorf("%d receipts, at most %d", len(w.in.Receipts), maxReceipts)
	}
	for i, r := range w.in.Receipts {
		vkey := w.in.LogKey
		if len(w.in.Keys) > 0 { // a receipt may be older than the key
			vkey = w.in.Keys.At(r.Size).Key
		}
		key, err := note.NewVerifier(vkey)
		if err != nil {
			return fmt.Errorf("log key: %w", err)
		}
		l := listed{Kind: r.Kind, Name: r.Name, Rung: r.Rung, Size: r.Size, Members: r.Kind.members(i)}
		if r.Kind != Elsewhere {
			l.Rung = l.reaches()
		}
		if err := l.check(); err != nil {
			return err
		}
		h, err := holdReceipt(l, r.Note, r.Token, key, vkey, nil)
		if err != nil {
			return fmt.Errorf("receipt of anchor %s: %w", r.Name, err)
		}
		if h.checkpoint.Origin != w.m.Origin || h.checkpoint.Size != r.Size {
			return fmt.Errorf("receipt of anchor %s is of another log or size", r.Name)
		}
		l.Root = h.checkpoint.Root
		w.receipts = append(w.receipts, l)
	}
	return nil
}

func (w *writer) writeReceipts() error {
	for i, l := range w.receipts {
		r := w.in.Receipts[i]
		parts := [][]byte{r.Note, r.Token}
		if l.Kind == Inclusion {
			parts = [][]byte{r.Token}
		}
		for j, name := range l.Members {
			if err := w.bytes(name, parts[j]); err != nil {
				return err
			}
		}
	}
	if w.receipts == nil {
		w.receipts = []listed{}
	}
	return w.json(memberAnchors, w.receipts)
}

// held is a receipt that holds together.
type held struct {
	checkpoint chain.Checkpoint
	cosigned   []witness.Cosignature
	lines      int // signatures beside the log's own
	imprint    [32]byte
	token      *timestamp.Token
	proof      witness.Proof
}

// holdReceipt reads a receipt and checks all that needs nobody's trust: the
// log's own signature, and that a token is for that note. Cosignatures are
// those by the given witnesses.
func holdReceipt(l listed, signed, token []byte, key note.Verifier, logKey string, ws []witness.Witness) (held, error) {
	var h held
	var err error
	if l.Kind == Inclusion {
		if h.proof, err = witness.ParseProof(token); err != nil {
			return h, err
		}
		signed = h.proof.Signed
	}
	if h.checkpoint, h.cosigned, err = witness.Open(signed, logKey, ws); err != nil {
		return h, err
	}
	h.lines = bytes.Count(signed, []byte("\n\u2014 ")) - 1
	if l.Kind == Cosigned && h.lines == 0 {
		return h, fmt.Errorf("no witness signed the checkpoint")
	}
	if l.Kind == TimeStamp {
		if h.imprint, err = timestamp.Imprint(signed, key); err != nil {
			return h, err
		}
		h.token, err = timestamp.Inspect(token, h.imprint)
	}
	return h, err
}

// Verdicts on receipts.
const (
	ReceiptVerified   = "verified"
	ReceiptNotChecked = "not checked"
	ReceiptRefused    = "refused"
	ReceiptWord       = "the maker's word"
)

// Vouched is what a verification found of one receipt.
type Vouched struct {
	Kind    ReceiptKind `json:"kind"`
	Name    string      `json:"name"`
	Size    uint64      `json:"size"`
	Verdict string      `json:"verdict"`
	Why     string      `json:"why"`               // in words
	Rung    int         `json:"rung"`              // reached; 0 unless verified
	By      string      `json:"by,omitempty"`      // who vouches
	Time    time.Time   `json:"time,omitzero"`     // the checkpoint existed then, by that clock
	Quorum  int         `json:"quorum,omitempty"`  // operators asked for
	Signers []string    `json:"signers,omitempty"` // witnesses known to the policy
}

// Bracket is the time that others vouch for. Zero times: nobody does.
type Bracket struct {
	FromSize uint64    `json:"from_size,omitempty"`
	From     time.Time `json:"from,omitzero"` // the log stood at FromSize, at or before the range, by then
	To       time.Time `json:"to,omitzero"`   // the closing checkpoint existed by then
}

// Ahead is a record that claims a later time than the one by which others vouch
// that the log held it: the log's clock ran ahead, or somebody set it so.
type Ahead struct {
	Record   uint64    `json:"record"`
	Recorded time.Time `json:"recorded"` // as it says
	By       time.Time `json:"by"`       // it was there, by another's clock
}

// by is how far the record is ahead.
func (a *Ahead) by() time.Duration {
	if a == nil {
		return 0
	}
	return a.Recorded.Sub(a.By)
}

// parseReceipts reads anchors.json.
func parseReceipts(b []byte) ([]listed, error) {
	var list []listed
	if err := strict(memberAnchors, b, &list); err != nil {
		return nil, err
	}
	if len(list) > maxReceipts {
		return nil, fmt.Errorf("%s: %d receipts, at most %d", memberAnchors, len(list), maxReceipts)
	}
	for i, l := range list {
		if err := l.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", memberAnchors, err)
		}
		if !slices.Equal(l.Members, l.Kind.members(i)) {
			return nil, fmt.Errorf("%s: receipt %d names other members", memberAnchors, i+1)
		}
	}
	return list, nil
}

// receipts verifies anchors.json and the members it names.
func (v *verifier) receipts() error {
	b, err := v.small(memberAnchors)
	if err != nil {
		return err
	}
	list, err := parseReceipts(b)
	if err != nil {
		return err
	}
	named := map[string]bool{}
	claimable := rungReceipt
	for i, l := range list {
		for _, m := range l.Members {
			named[m] = true
		}
		if l.Size == v.closing.Size {
			claimable = max(claimable, l.reaches())
		}
		vouched, err := v.receipt(l)
		if err != nil {
			return fmt.Errorf("receipt %d (%s): %w", i+1, l.Name, err)
		}
		v.rep.Receipts = append(v.rep.Receipts, vouched)
	}
	for _, name := range v.c.order {
		if strings.HasPrefix(name, anchorsFolder) && !named[name] {
			return fmt.Errorf("member %s is no receipt that %s names", name, memberAnchors)
		}
	}
	if v.m.Anchor.Rung < 0 || v.m.Anchor.Rung > claimable {
		return fmt.Errorf("the manifest claims anchor rung %d, but nothing in the pack shows more than rung %d", v.m.Anchor.Rung, claimable)
	}
	return v.conclude()
}

func (v *verifier) receipt(l listed) (Vouched, error) {
	out := Vouched{Kind: l.Kind, Name: l.Name, Size: l.Size}
	var signed, token []byte
	var err error
	for _, m := range l.Members {
		if v.c.members[m].size > maxReceipt {
			return out, fmt.Errorf("member %s is too large", m)
		}
		b, err := v.small(m)
		if err != nil {
			return out, err
		}
		if strings.HasSuffix(m, ".checkpoint") {
			signed = b
		} else {
			token = b
		}
	}
	p := v.policy()
	key, err := v.keyFor(l.Size)
	if err != nil {
		return out, err
	}
	h, err := holdReceipt(l, signed, token, key, v.keys.At(l.Size).Key, p.Witnesses.Witnesses)
	if err != nil {
		return out, err
	}
	if h.checkpoint.Origin != v.m.Origin || h.checkpoint.Size != l.Size || h.checkpoint.Root != l.Root {
		return out, fmt.Errorf("its checkpoint is of another log or size")
	}
	// A root of zeros is no tree's, and it is what a size without proof gives.
	if root, ok := v.proved[l.Size]; !ok || root != l.Root {
		return out, fmt.Errorf("%s: no proof from its checkpoint of size %d", memberConsistency, l.Size)
	}
	switch l.Kind {
	case TimeStamp:
		v.judgeToken(&out, h, token)
	case Cosigned:
		v.judgeCosigned(&out, h, p)
	case Inclusion:
		err = v.judgeProof(&out, h)
	default:
		out.Verdict, out.Why = ReceiptWord, "a place outside holds this checkpoint, says the maker; ask there"
	}
	return out, err
}

func (v *verifier) policy() *Policy {
	if v.o.Policy != nil {
		return v.o.Policy
	}
	return &Policy{}
}

func (v *verifier) judgeToken(out *Vouched, h held, token []byte) {
	if v.o.TSARoots == nil {
		out.Verdict, out.Why = ReceiptNotChecked, "no roots of time-stamping authorities were given (--tsa-roots)"
		return
	}
	t, err := timestamp.Verify(token, h.imprint, timestamp.Options{Roots: v.o.TSARoots, Intermediates: v.o.TSAIntermediates, Policies: v.policy().TSAPolicies})
	if err != nil {
		out.Verdict, out.Why = ReceiptRefused, err.Error()
		return
	}
	out.Verdict, out.Rung, out.By, out.Time = ReceiptVerified, rungStamped, t.Authority, t.NotAfter()
	out.Why = "signed by " + t.Authority
}

func (v *verifier) judgeCosigned(out *Vouched, h held, p *Policy) {
	if len(p.Witnesses.Witnesses) == 0 {
		out.Verdict, out.Why = ReceiptNotChecked, fmt.Sprintf("%d cosignatures; your policy names no witnesses", h.lines)
		return
	}
	var operators []string
	for _, c := range h.cosigned {
		out.Signers = append(out.Signers, c.Name)
		if !slices.Contains(operators, c.Operator) {
			operators = append(operators, c.Operator)
		}
	}
	out.Quorum = p.Witnesses.Quorum
	at, reached := p.Witnesses.Reached(h.cosigned)
	if !reached {
		out.Verdict, out.Why = ReceiptRefused, fmt.Sprintf("cosigned by %d of the %d operators that your policy asks for", len(operators), out.Quorum)
		return
	}
	out.Verdict, out.Rung, out.Time, out.By = ReceiptVerified, rungWitnessed, at, strings.Join(operators, ", ")
	out.Why = fmt.Sprintf("cosigned by %d operators, your policy asks for %d", len(operators), out.Quorum)
}

// judgeProof verifies a tlog-proof: its record is one of the range.
func (v *verifier) judgeProof(out *Vouched, h held) error {
	leaf, ok := v.want[h.proof.Index]
	if !ok || leaf.IsZero() {
		return fmt.Errorf("it is of record %d, which is not in the range", h.proof.Index)
	}
	if err := chain.CheckInclusion(h.proof.Path, h.checkpoint.Size, h.checkpoint.Root, h.proof.Index, leaf); err != nil {
		return fmt.Errorf("record %d: %w", h.proof.Index, err)
	}
	out.Verdict, out.Rung, out.Why = ReceiptVerified, rungReceipt, fmt.Sprintf("record %d is in the log", h.proof.Index)
	return nil
}

// conclude says which rung the closing checkpoint reaches, as far as it was
// verified, and between which times the range lies. A pack that was there before
// its period ended is not final, whatever times its records have.
func (v *verifier) conclude() error {
	best := sealedInLog
	for _, r := range v.rep.Receipts {
		if r.Verdict != ReceiptVerified || r.Time.IsZero() {
			continue
		}
		if at := v.recorded[r.Size-1]; at.Sub(r.Time) > v.rep.Ahead.by() {
			v.rep.Ahead = &Ahead{Record: r.Size - 1, Recorded: at, By: r.Time}
		}
		b := &v.rep.Bracket
		if r.Size <= v.m.Start.Size && r.Size >= b.FromSize && (r.Size > b.FromSize || r.Time.Before(b.From)) {
			b.FromSize, b.From = r.Size, r.Time
		}
		if r.Size != v.closing.Size {
			continue
		}
		if b.To.IsZero() || r.Time.Before(b.To) {
			b.To = r.Time
		}
		if r.Rung <= best.Rung {
			continue
		}
		best.Rung = r.Rung
		switch r.Rung {
		case rungStamped:
			best.What = fmt.Sprintf("time-stamped by %s, no later than %s", r.By, evidence.FormatTime(r.Time))
			best.Open = openStamped
		case rungWitnessed:
			best.What = fmt.Sprintf("cosigned by witnesses of %s, at the latest at %s", r.By, evidence.FormatTime(r.Time))
			best.Open = openWitnessed
		}
	}
	v.rep.Anchor = best
	if to := v.rep.Bracket.To; !v.m.Interim && !to.IsZero() && to.Before(v.m.Period.To) {
		return fmt.Errorf("the pack claims to be final, but others vouch that its closing checkpoint was there by %s, before the period's end: what it says of the time after that was written ahead", evidence.FormatTime(to))
	}
	return nil
}

// enough holds the verified rung against the policy.
func (v *verifier) enough() error {
	if least := v.policy().MinRung; v.rep.Anchor.Rung < least {
		return fmt.Errorf("the closing checkpoint reaches anchor rung %d, your policy asks for %d", v.rep.Anchor.Rung, least)
	}
	return nil
}

// wantProofs notes which records the tlog-proofs among the receipts are of, and
// which stand last in the trees of receipts, so that hashes and times are kept
// when the leaves go by.
func (v *verifier) wantProofs() error {
	b, err := v.small(memberAnchors)
	if err != nil {
		return err
	}
	list, err := parseReceipts(b)
	if err != nil {
		return err
	}
	for _, l := range list {
		if l.Size > 0 {
			v.recorded[l.Size-1] = time.Time{}
		}
	}
	for _, name := range v.c.order {
		if !strings.HasPrefix(name, anchorsFolder) || !strings.HasSuffix(name, ".tlog-proof") {
			continue
		}
		if v.c.members[name].size > maxReceipt {
			return fmt.Errorf("member %s is too large", name)
		}
		b, err := v.small(name)
		if err != nil {
			return err
		}
		p, err := witness.ParseProof(b)
		if err != nil {
			return fmt.Errorf("member %s: %w", name, err)
		}
		if _, ok := v.want[p.Index]; !ok {
			v.want[p.Index] = evidence.Hash{}
		}
	}
	return nil
}
