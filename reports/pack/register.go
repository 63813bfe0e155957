package pack

import (
	"context"
	"encoding/csv"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// A register lists every record of one kind that occurred in the period, in
// log order. It is made from leaves and disclosed claims alone, so that the
// verifier can make it again and compare.

var registerColumns = []string{"seq", "occurred", "basis", "op", "observed", "recorded", "source", "subject", "people", "facts", "leaf"}

// registerKind reports whether a kind has a register: what collectors make.
func registerKind(k evidence.Kind) bool {
	info, ok := evidence.KindInfo(k)
	return !ok || !info.Own
}

func registerName(k evidence.Kind) string { return registersFolder + string(k) + ".csv" }

type register struct{ w *csv.Writer }

func newRegister(w io.Writer) (*register, error) {
	r := &register{csv.NewWriter(w)}
	return r, r.w.Write(registerColumns)
}

// add writes a record. c is nil when its content is withheld or erased.
func (r *register) add(leaf *chain.Leaf, hash evidence.Hash, c *content, label func(evidence.ID) string) error {
	subject, facts := "(closed)", "(closed)"
	if c != nil {
		subject, facts = c.Subject.String(), string(c.Facts)
	}
	var people []string
	for _, p := range leaf.People {
		people = append(people, string(p.Role)+" "+label(p.Token)+" ("+string(p.Proof)+")")
	}
	row := []string{
		strconv.FormatUint(leaf.Seq, 10), stamp(leaf.Occurred), string(leaf.Basis), string(leaf.Op), stamp(leaf.Observed),
		stamp(leaf.Recorded), string(leaf.Source), subject, strings.Join(people, "; "), facts, hash.String(),
	}
	for i := range row {
		row[i] = cell(row[i])
	}
	return r.w.Write(row)
}

func (r *register) close() error {
	r.w.Flush()
	return r.w.Error()
}

// registers stages the register of every kind, all in one walk: the rows of a
// kind go to a file of their own first, because members are made one by one.
func (w *writer) registers(ctx context.Context) error {
	files := map[evidence.Kind]*registerFile{}
	defer func() {
		for _, f := range files {
			f.file.Close()
		}
	}()
	for e, err := range w.in.Log.Entries(ctx, w.m.Start.Size, w.m.Closing.Size, []string{"content"}) {
		if err != nil {
			return err
		}
		lf, err := chain.Decode(e.Leaf)
		if err != nil {
			return err
		}
		if !registerKind(lf.Kind) || !w.in.Period.Contains(lf.Occurred) {
			continue
		}
		f := files[lf.Kind]
		if f == nil {
			if f, err = newRegisterFile(w.dir); err != nil {
				return err
			}
			files[lf.Kind] = f
		}
		var c *content
		if o, ok := e.Openings["content"]; ok {
			if c, err = contentOf(lf.Seq, o.Plain); err != nil {
				return err
			}
		}
		if err := f.add(lf, chain.LeafHash(e.Leaf), c, w.names.of); err != nil {
			return err
		}
	}
	for _, k := range slices.Sorted(maps.Keys(files)) {
		if err := w.add(registerName(k), files[k].copyTo); err != nil {
			return err
		}
	}
	return nil
}

// registerFile is a register in a temporary file.
type registerFile struct {
	*register
	file *os.File
}

func newRegisterFile(dir string) (*registerFile, error) {
	file, err := os.CreateTemp(dir, "register")
	if err != nil {
		return nil, err
	}
	r, err := newRegister(file)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &registerFile{r, file}, nil
}

func (f *registerFile) copyTo(out io.Writer) error {
	if err := f.close(); err != nil {
		return err
	}
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(out, f.file)
	return err
}

func stamp(t time.Time) string { return evidence.FormatTime(t) }

// cell keeps a spreadsheet from taking evidence for a formula, and control
// bytes from anything at all.
func cell(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\uFFFD'
		}
		return r
	}, s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}

// labels remembers who tokens stand for, from disclosed person records; the
// newest name wins.
type labels map[evidence.ID]evidence.Names

// read learns the name in the content of a person record.
func (l labels) read(leaf *chain.Leaf, plain []byte) (weight int, err error) {
	var f personFacts
	if weight, err = weighFacts(plain, &f); err != nil || len(leaf.People) != 1 {
		return weight, err
	}
	if f.Names == (evidence.Names{}) {
		f.Names.Display = f.NativeID
	}
	l[leaf.People[0].Token] = f.Names
	return weight, nil
}

func (l labels) of(token evidence.ID) string {
	n, ok := l[token]
	id := evidence.Identity{Token: token, Names: n}
	if !ok {
		return "person " + token.String()
	}
	return id.Label()
}
