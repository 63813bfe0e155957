package anchor

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// maxNote bounds a signed checkpoint from outside: a dozen cosignatures fit.
const maxNote = 16 << 10

// line renders a checkpoint as one line of text:
//
//	SIZE ROOT TIME NOTE
//
// the root in hex, the time of writing in RFC 3339 and the signed note in
// padded base64, so that an auditor can read the first three and check the
// fourth with common tools.
func (c Checkpoint) line(at time.Time) string {
	return fmt.Sprintf("%d %s %s %s", c.Size, c.Root, evidence.FormatTime(at.UTC()), base64.StdEncoding.EncodeToString(c.Signed))
}

// parseLine reads a line of the log of the origin. The note counts; what the
// line says beside it must agree.
func parseLine(text, origin string, open Opener) (chain.Checkpoint, error) {
	fields := strings.Split(text, " ")
	if len(fields) != 4 || len(fields[3]) > 2*maxNote {
		return chain.Checkpoint{}, fmt.Errorf("want size, root, time and note")
	}
	signed, err := base64.StdEncoding.Strict().DecodeString(fields[3])
	if err != nil {
		return chain.Checkpoint{}, fmt.Errorf("the note is no base64")
	}
	c, err := openOf(signed, origin, open)
	if err != nil {
		return chain.Checkpoint{}, err
	}
	if fmt.Sprint(c.Size) != fields[0] || c.Root.String() != fields[1] {
		return chain.Checkpoint{}, fmt.Errorf("the note is of another size or root than its line")
	}
	return c, nil
}

// claimedSize is the size that the note of a line names for the log of the
// origin, whoever signed it; 0 for what is no whole note of it.
func claimedSize(text, origin string) uint64 {
	fields := strings.Split(text, " ")
	signed, err := base64.StdEncoding.Strict().DecodeString(fields[len(fields)-1])
	if err != nil || len(signed) > maxNote {
		return 0
	}
	head, signatures, _ := strings.Cut(string(signed), "\n\n")
	c, err := chain.ParseCheckpoint(head + "\n")
	if !strings.HasSuffix(signatures, "\n") || err != nil || c.Origin != origin {
		return 0
	}
	return c.Size
}

// openOf verifies a note and that it is of the log of the origin.
func openOf(signed []byte, origin string, open Opener) (chain.Checkpoint, error) {
	c, err := open(signed)
	if err != nil {
		return chain.Checkpoint{}, err
	}
	if c.Origin != origin {
		return chain.Checkpoint{}, fmt.Errorf("the note is of another log")
	}
	return c, nil
}

// originPath splits an origin, INSTALLATION/LOG, into names that are safe as
// file names.
func originPath(origin string) (installation, log string, err error) {
	installation, log, ok := strings.Cut(origin, "/")
	if !ok || !safeName(installation) || !safeName(log) {
		return "", "", fmt.Errorf("origin %q cannot name a file", origin)
	}
	return installation, log, nil
}

func safeName(s string) bool {
	if s == "" || len(s) > 100 || s[0] == '.' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}
