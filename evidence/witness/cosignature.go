package witness

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence/chain"
)

// MaxNote is the largest signed checkpoint that is read, in bytes: room for the
// 16 signatures that C2SP signed-note asks for, and for some of the larger kinds.
const MaxNote = 64 << 10

// Cosignature is a witness's good signature on a checkpoint.
type Cosignature struct {
	Name     string    // of the witness's key
	Operator string    // who runs it, as the reader's own list says
	Time     time.Time // UTC, whole seconds, by the witness's clock
	Line     string    // the signature line with its line end, in canonical form
}

// Verify returns the cosignatures of the given witnesses on a signed checkpoint,
// in the order of the note, one for each key; none is no error. Signatures by
// other keys are passed over. A signature in a given witness's name that is not
// good makes the whole note an error, as C2SP signed-note says.
//
// It says nothing of the log's own signature: a checkpoint that only witnesses
// signed is nobody's. [Open] checks both.
func Verify(signed []byte, ws []Witness) ([]Cosignature, error) {
	if len(signed) > MaxNote {
		return nil, fmt.Errorf("checkpoint of %d bytes, at most %d", len(signed), MaxNote)
	}
	if err := distinct(ws); err != nil {
		return nil, err
	}
	verifiers := make([]note.Verifier, len(ws))
	for i, w := range ws {
		verifiers[i] = w
	}
	n, err := note.Open(signed, note.VerifierList(verifiers...))
	var none *note.UnverifiedNoteError
	if errors.As(err, &none) {
		n, err = none.Note, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cosignatures: %w", err)
	}
	if _, err := chain.ParseCheckpoint(n.Text); err != nil {
		return nil, err
	}
	var cs []Cosignature
	for _, sig := range n.Sigs {
		i := slices.IndexFunc(ws, func(w Witness) bool { return w.name == sig.Name && w.hash == sig.Hash })
		raw, err := base64.StdEncoding.DecodeString(sig.Base64)
		if i < 0 || err != nil {
			return nil, fmt.Errorf("cosignatures: signature of %s cannot be read", sig.Name)
		}
		at, _ := cosignedAt(raw[4:])
		cs = append(cs, Cosignature{
			Name: sig.Name, Operator: ws[i].operator, Time: time.Unix(int64(at), 0).UTC(),
			Line: "\u2014 " + sig.Name + " " + base64.StdEncoding.EncodeToString(raw) + "\n",
		})
	}
	return cs, nil
}

// Open verifies a checkpoint by the log's own key (a note verifier key) first,
// and then the cosignatures of the given witnesses as [Verify] does. A witness
// that holds the log's own key is refused: a log is not its own witness.
func Open(signed []byte, logKey string, ws []Witness) (chain.Checkpoint, []Cosignature, error) {
	key, err := note.NewVerifier(logKey)
	if err != nil {
		return chain.Checkpoint{}, nil, fmt.Errorf("log key: %w", err)
	}
	if len(signed) > MaxNote {
		return chain.Checkpoint{}, nil, fmt.Errorf("checkpoint of %d bytes, at most %d", len(signed), MaxNote)
	}
	c, err := chain.OpenCheckpoint(signed, key)
	if err != nil {
		return chain.Checkpoint{}, nil, err
	}
	for _, w := range ws {
		if w.holds(logKey) {
			return chain.Checkpoint{}, nil, fmt.Errorf("witness %s holds the log's own key", w.name)
		}
	}
	cs, err := Verify(signed, ws)
	if err != nil {
		return chain.Checkpoint{}, nil, err
	}
	return c, cs, nil
}

// holds reports whether the witness's public key is that of a log's verifier
// key, which [note.NewVerifier] has read.
func (w Witness) holds(logKey string) bool {
	parts := strings.Split(logKey, "+") // name, hash, key, which may hold more of them
	raw, err := base64.StdEncoding.DecodeString(strings.Join(parts[2:], "+"))
	return err == nil && len(raw) > 0 && bytes.Equal(raw[1:], w.key[:])
}

// distinct refuses witnesses that note.Open could not tell apart, and a key that
// stands twice: a cosignature does not cover the witness's name, so one key under
// two names would count twice.
func distinct(ws []Witness) error {
	for i, w := range ws {
		if !w.set {
			return fmt.Errorf("witnesses: entry %d is empty", i)
		}
		for _, v := range ws[:i] {
			if v.key == w.key {
				return fmt.Errorf("witnesses: %s and %s have the same key", v.name, w.name)
			}
			if v.name == w.name && v.hash == w.hash {
				return fmt.Errorf("witnesses: two keys of %s have the hash %08x", w.name, w.hash)
			}
		}
	}
	return nil
}

// Attach returns the signed checkpoint with the signature lines added that it
// does not have yet. The lines are those of [Cosignature]; nothing is verified.
func Attach(signed []byte, lines ...string) ([]byte, error) {
	if !bytes.HasSuffix(signed, []byte("\n")) {
		return nil, fmt.Errorf("attach: not a signed checkpoint")
	}
	out := bytes.Clone(signed)
	for _, l := range lines {
		if !strings.HasPrefix(l, "\u2014 ") || strings.IndexByte(l, '\n') != len(l)-1 {
			return nil, fmt.Errorf("attach: not a signature line")
		}
		if !bytes.Contains(out, []byte("\n"+l)) {
			out = append(out, l...)
		}
	}
	if len(out) > MaxNote {
		return nil, fmt.Errorf("attach: checkpoint of %d bytes, at most %d", len(out), MaxNote)
	}
	return out, nil
}

// Policy says which witnesses are enough: Quorum different operators among those
// of Witnesses. The zero value is refused by Check.
type Policy struct {
	Witnesses []Witness
	Quorum    int
}

// Check says why the policy cannot be used: no quorum, one that its operators
// could never reach, or a key that stands twice.
func (p Policy) Check() error {
	if err := distinct(p.Witnesses); err != nil {
		return err
	}
	operators := map[string]bool{}
	for _, w := range p.Witnesses {
		operators[w.operator] = true
	}
	if p.Quorum < 1 || p.Quorum > len(operators) {
		return fmt.Errorf("witnesses: quorum of %d with %d operators", p.Quorum, len(operators))
	}
	return nil
}

// Reached returns the time at which the quorum was there: each operator counts
// once, at its earliest cosignature, and the last one needed gives the time. It
// returns false when the cosignatures are too few, or the policy is none. Cs are
// those that [Verify] or [Open] returned for p.Witnesses.
func (p Policy) Reached(cs []Cosignature) (time.Time, bool) {
	if p.Check() != nil {
		return time.Time{}, false
	}
	earliest := map[string]time.Time{}
	for _, c := range cs {
		known := slices.ContainsFunc(p.Witnesses, func(w Witness) bool { return w.name == c.Name && w.operator == c.Operator })
		if at, seen := earliest[c.Operator]; known && (!seen || c.Time.Before(at)) {
			earliest[c.Operator] = c.Time
		}
	}
	if len(earliest) < p.Quorum {
		return time.Time{}, false
	}
	var times []time.Time
	for _, at := range earliest {
		times = append(times, at)
	}
	slices.SortFunc(times, time.Time.Compare)
	return times[p.Quorum-1], true
}
