package pack

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"evidenced/evidence"
)

// How a verifier reads the members of a pack: whole or by line, strictly, and each
// against its digest in the manifest.

const (
	maxSmall = 64 << 20 // largest JSON member held in memory, bytes
	maxNote  = 8 << 20  // largest manifest and proof of issue, bytes: both are read before anything is known of their maker
)

// small reads a member whole.
func (v *verifier) small(name string) ([]byte, error) {
	most := uint64(maxSmall)
	if plain(name) {
		most = maxNote
	}
	if v.c.members[name].size > most {
		return nil, fmt.Errorf("member %s is too large", name)
	}
	r, err := v.c.open(name)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// strict decodes JSON, refusing unknown names, names that stand twice or in
// another case, and anything after the value.
func strict(name string, b []byte, dst any) error {
	if _, err := checkNames(b, true, elementsIn(name)); err != nil {
		return fmt.Errorf("member %s: %w", name, err)
	}
	return decode(name, b, dst)
}

// decode is strict for JSON of which the names were checked.
func decode(name string, b []byte, dst any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(dst); err != nil {
		return fmt.Errorf("member %s: %w", name, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("member %s: bytes after its end", name)
	}
	if err := inUTC(dst); err != nil {
		return fmt.Errorf("member %s: %w", name, err)
	}
	return nil
}

// readMember reads a member that is one JSON value, strictly.
func (v *verifier) readMember(name string, dst any) error {
	b, err := v.small(name)
	if err != nil {
		return err
	}
	return strict(name, b, dst)
}

// mostFindings bounds the findings of a pack: each takes much more memory than
// what stands for it in a file.
const mostFindings = 1 << 16

// readFindings reads findings.json.
func (v *verifier) readFindings() ([]Finding, error) {
	var texts []json.RawMessage
	if err := v.readMember(memberFindings, &texts); err != nil {
		return nil, err
	}
	if len(texts) > mostFindings {
		return nil, fmt.Errorf("member %s: more than %d findings", memberFindings, mostFindings)
	}
	fs := make([]Finding, len(texts))
	for i, text := range texts {
		if err := decode(memberFindings, text, &fs[i]); err != nil {
			return nil, err
		}
	}
	return fs, nil
}

// readLoose reads a member of which a verifier needs a part alone; no name
// stands twice in it.
func (v *verifier) readLoose(name string, dst any) error {
	b, err := v.small(name)
	if err != nil {
		return err
	}
	if _, err = checkNames(b, false, elementsIn(name)); err == nil {
		err = json.Unmarshal(b, dst)
	}
	if err == nil {
		err = inUTC(dst)
	}
	if err != nil {
		return fmt.Errorf("member %s: %w", name, err)
	}
	return nil
}

// lines calls fn for every line of a member.
func (v *verifier) lines(name string, max int, fn func(line []byte) error) error {
	r, err := v.c.open(name)
	if err != nil {
		return err
	}
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), max)
	sc.Split(wholeLines)
	for sc.Scan() {
		if err := fn(sc.Bytes()); err != nil {
			return err
		}
	}
	if err := sc.Err(); err != nil {
		return badLine(name, max, err)
	}
	return nil
}

// badLine says why the lines of a member cannot be read.
func badLine(name string, max int, err error) error {
	if errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("member %s: a line has more than %d bytes", name, max)
	}
	return fmt.Errorf("member %s: %w", name, err)
}

// wholeLines splits at line feeds and refuses a last line without one.
func wholeLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, fmt.Errorf("last line has no end")
	}
	return 0, nil, nil
}

// needed are the members of every pack, beside manifest and proof of issue.
var needed = []string{
	memberClosing, memberFrontier, memberGenesis, memberLeaves, memberClaims, memberEarlier, memberFindings, memberRules, memberCatalog, memberJudged,
	memberCoverage, memberPacks, memberLoosened, memberConsistency, memberAnchors, memberHowTo,
}

// holds reports whether a pack of this range has a member of the name. Any other
// would be signed with the rest and read by nobody, and who unpacks the file
// could take it for verified. Registers and receipts are named one by one later.
func (v *verifier) holds(name string) bool {
	switch name {
	case memberStart:
		return v.m.Start.Size > 0
	case memberKeys, memberPDF:
		return true
	}
	return slices.Contains(needed, name) || strings.HasPrefix(name, registersFolder) || strings.HasPrefix(name, anchorsFolder)
}

// digests compares every member with the manifest.
func (v *verifier) digests() error {
	listed := map[string]bool{memberManifest: true, memberIssued: true}
	var lines []string
	for _, m := range v.m.Members {
		if listed[m.Name] {
			return fmt.Errorf("manifest names %s twice", m.Name)
		}
		listed[m.Name] = true
		if !v.holds(m.Name) {
			return fmt.Errorf("member %s is none that such a pack holds: nothing says that it is true", m.Name)
		}
		e, ok := v.c.members[m.Name]
		if !ok {
			return fmt.Errorf("member %s is missing", m.Name)
		}
		if e.size != m.Size {
			return fmt.Errorf("member %s was changed: it has %d bytes, the manifest says %d", m.Name, e.size, m.Size)
		}
		if e.packed != m.Packed {
			return fmt.Errorf("member %s was changed, or the pack was zipped anew: its packed form has %d bytes, the manifest says %d; ask for the file as it was issued", m.Name, e.packed, m.Packed)
		}
		if err := v.digest(m, e); err != nil {
			return err
		}
		if m.Name != memberPDF {
			lines = append(lines, digestLine(m))
		}
		if m.Name == memberRules && m.SHA256 != v.m.Rules {
			return fmt.Errorf("the rules are not those the manifest names")
		}
	}
	for _, name := range v.c.order {
		if !listed[name] {
			return fmt.Errorf("member %s is not in the manifest", name)
		}
	}
	for _, name := range needed {
		if !listed[name] {
			return fmt.Errorf("member %s is missing", name)
		}
	}
	v.rep.PDF = listed[memberPDF]
	if v.rep.Data = digestLines(lines); v.rep.Data != v.m.Data {
		return fmt.Errorf("the digest of the data members is not the manifest's")
	}
	return nil
}

func (v *verifier) digest(m Member, e entry) error {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(v.c.r, int64(e.offset), int64(e.packed))); err != nil {
		return fmt.Errorf("member %s: %w", m.Name, err)
	}
	if evidence.Hash(h.Sum(nil)) != m.PackedSHA256 {
		return fmt.Errorf("member %s was changed", m.Name)
	}
	r, err := v.c.open(m.Name)
	if err != nil {
		return err
	}
	h.Reset()
	if _, err := io.Copy(h, r); err != nil {
		return err
	}
	if evidence.Hash(h.Sum(nil)) != m.SHA256 {
		return fmt.Errorf("member %s was changed", m.Name)
	}
	return nil
}
