package pack

import (
	"encoding/csv"
	"io"
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

func (l labels) learn(leaf *chain.Leaf, facts evidence.PersonFacts) {
	if len(leaf.People) == 1 {
		n := facts.Names
		if n == (evidence.Names{}) {
			n.Display = facts.NativeID
		}
		l[leaf.People[0].Token] = n
	}
}

func (l labels) of(token evidence.ID) string {
	n, ok := l[token]
	id := evidence.Identity{Token: token, Names: n}
	if !ok {
		return "person " + token.String()
	}
	return id.Label()
}
