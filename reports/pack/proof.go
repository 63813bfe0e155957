package pack

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"evidenced/evidence"
)

const proofHeader = "c2sp.org/tlog-proof@v1"

// formatProof writes a C2SP tlog-proof: header, extra data, index, hashes, an
// empty line and the signed checkpoint.
func formatProof(extra []byte, index uint64, proof []evidence.Hash, checkpoint []byte) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", proofHeader, base64.StdEncoding.EncodeToString(extra), index)
	for _, h := range proof {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteByte('\n')
	b.Write(checkpoint)
	return []byte(b.String())
}

// parseProof reads what formatProof writes, and nothing else.
func parseProof(b []byte) (extra []byte, index uint64, proof []evidence.Hash, checkpoint []byte, err error) {
	bad := func(what string) error { return fmt.Errorf("%s: bad %s", memberIssued, what) }
	head, rest, ok := strings.Cut(string(b), "\n\n")
	if !ok {
		return nil, 0, nil, nil, bad("form")
	}
	lines := strings.Split(head, "\n")
	if len(lines) < 3 || lines[0] != proofHeader {
		return nil, 0, nil, nil, bad("header")
	}
	x, ok := strings.CutPrefix(lines[1], "extra ")
	if extra, err = base64.StdEncoding.Strict().DecodeString(x); !ok || err != nil {
		return nil, 0, nil, nil, bad("extra data")
	}
	n, ok := strings.CutPrefix(lines[2], "index ")
	if index, err = strconv.ParseUint(n, 10, 53); !ok || err != nil || strconv.FormatUint(index, 10) != n {
		return nil, 0, nil, nil, bad("index")
	}
	for _, l := range lines[3:] {
		h, err := base64.StdEncoding.Strict().DecodeString(l)
		if err != nil || len(h) != 32 {
			return nil, 0, nil, nil, bad("hash")
		}
		proof = append(proof, evidence.Hash(h))
	}
	// The decoder of base64 skips line breaks: only the one spelling counts.
	if !bytes.Equal(formatProof(extra, index, proof, []byte(rest)), b) {
		return nil, 0, nil, nil, bad("form")
	}
	return extra, index, proof, []byte(rest), nil
}
