package witness

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// proofHeader is the first line of a C2SP tlog-proof.
const proofHeader = "c2sp.org/tlog-proof@v1\n"

// MaxExtra is the most extra data a proof may carry, in bytes: a whole leaf and
// some more.
const MaxExtra = 32 << 10

// MaxProofText is the largest proof that is read, in bytes.
const MaxProofText = 128 << 10

// Proof is a receipt: that the record with the number Index is in the log that
// the checkpoint is of. It is verified without asking anybody.
type Proof struct {
	Extra  []byte          // application data, not authenticated; nil for none
	Index  uint64          // the record's number
	Path   []evidence.Hash // inclusion proof, from the leaf's sibling upwards
	Signed []byte          // the checkpoint with the log's signature and cosignatures
}

// Encode returns the proof's text; files with it end in .tlog-proof.
func (p Proof) Encode() ([]byte, error) {
	switch {
	case len(p.Extra) > MaxExtra:
		return nil, fmt.Errorf("proof: extra data of %d bytes, at most %d", len(p.Extra), MaxExtra)
	case p.Index >= maxSize:
		return nil, fmt.Errorf("proof: record %d", p.Index)
	case len(p.Path) > MaxProof:
		return nil, fmt.Errorf("proof of %d hashes, at most %d", len(p.Path), MaxProof)
	case len(p.Signed) == 0 || len(p.Signed) > MaxNote:
		return nil, fmt.Errorf("proof: checkpoint of %d bytes, at most %d", len(p.Signed), MaxNote)
	}
	b := []byte(proofHeader)
	if len(p.Extra) > 0 {
		b = append(b, "extra "...)
		b = base64.StdEncoding.AppendEncode(b, p.Extra)
		b = append(b, '\n')
	}
	b = fmt.Appendf(b, "index %d\n", p.Index)
	b = appendHashes(b, p.Path)
	b = append(b, '\n')
	return append(b, p.Signed...), nil
}

// ParseProof reads a proof's text. It verifies nothing: see [Proof.Verify].
func ParseProof(b []byte) (Proof, error) {
	var p Proof
	rest, ok := bytes.CutPrefix(b, []byte(proofHeader))
	if !ok || len(b) > MaxProofText {
		return p, fmt.Errorf("proof: want %q and at most %d bytes", strings.TrimSpace(proofHeader), MaxProofText)
	}
	line, rest, _ := bytes.Cut(rest, []byte("\n"))
	if extra, is := bytes.CutPrefix(line, []byte("extra ")); is {
		raw, err := base64.StdEncoding.Strict().DecodeString(string(extra))
		if err != nil || len(raw) == 0 || len(raw) > MaxExtra {
			return Proof{}, fmt.Errorf("proof: bad extra data")
		}
		p.Extra = raw
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
	}
	index, is := bytes.CutPrefix(line, []byte("index "))
	if !is {
		return Proof{}, fmt.Errorf("proof: no line with the index")
	}
	var err error
	if p.Index, err = parseDecimal(string(index)); err != nil {
		return Proof{}, fmt.Errorf("proof: index: %w", err)
	}
	if p.Path, p.Signed, err = parseHashes(rest); err != nil {
		return Proof{}, err
	}
	if again, err := p.Encode(); err != nil || !bytes.Equal(again, b) {
		return Proof{}, fmt.Errorf("proof: not in canonical form")
	}
	return p, nil
}

// Verify verifies that a leaf with the hash is record Index of the log whose
// origin and key the caller trusts, and returns the checkpoint with the
// cosignatures of the given witnesses on it. Whether those are enough is for a
// [Policy] to say. Origin and leaf hash come from the caller, never from the
// proof: extra data is authenticated by nothing but the leaf hash computed of it.
func (p Proof) Verify(origin, logKey string, leaf evidence.Hash, ws []Witness) (chain.Checkpoint, []Cosignature, error) {
	c, cs, err := Open(p.Signed, logKey, ws)
	if err != nil {
		return chain.Checkpoint{}, nil, err
	}
	if c.Origin != origin {
		return chain.Checkpoint{}, nil, fmt.Errorf("proof: the checkpoint is of log %s, not of %s", c.Origin, origin)
	}
	if err := chain.CheckInclusion(p.Path, c.Size, c.Root, p.Index, leaf); err != nil {
		return chain.Checkpoint{}, nil, fmt.Errorf("proof: record %d is not shown to be in the log of size %d: %w", p.Index, c.Size, err)
	}
	return c, cs, nil
}
