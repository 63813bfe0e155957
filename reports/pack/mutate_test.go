package pack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mutable are the members that a maker writes as he likes.
var mutable = []string{
	memberFindings, memberRules, memberCatalog, memberJudged, memberCoverage, memberPacks, memberLoosened, memberConsistency, memberAnchors, memberFrontier,
	memberGenesis, memberEarlier, memberClaims,
}

// oddities are values that readers of JSON like to take for something else.
var oddities = []string{
	`null`, `0`, `-1`, `-0`, `1.0`, `1e0`, `1e-0`, `1E+0`, `1.5`, `9007199254740993`, `18446744073709551615`, `18446744073709551616`, `1e400`, `true`, `false`, `""`, `" "`, `"0"`,
	`"\ufffd"`, `"\ud83d\ude00"`, `"A"`, `"\u0000"`, `[]`, `[null]`, `[{}]`, `{}`, `{"a":null}`, `"0001-01-01T00:00:00Z"`, `"0000-01-01T00:00:00Z"`,
	`"2026-11-01T18:00:00.000Z"`, `"2026-11-01T19:00:00+01:00"`, `"2026-11-01T18:00:00z"`, `"2026-11-01T18:00:60Z"`, `"9999-12-31T23:59:59.9999999999Z"`,
	`"2026-11-01T18:00:00-00:00"`, `"` + strings.Repeat("0", 64) + `"`, `"` + strings.Repeat("A", 64) + `"`, `"AA=="`, `"AB=="`, `"pass"`, `"satisfied"`, `"entity"`, `"blind"`,
}

// mutation replaces, repeats or takes out one value of JSON, as it is written.
func mutation(r *rand.Rand, b []byte) []byte {
	spans := values(b)
	if len(spans) == 0 {
		return b
	}
	s := spans[r.IntN(len(spans))]
	var with string
	switch old := string(b[s[0]:s[1]]); r.IntN(6) {
	case 0:
		other := spans[r.IntN(len(spans))]
		with = string(b[other[0]:other[1]])
	case 1:
		with = old + "," + old
	case 2:
		if n, err := strconv.ParseInt(old, 10, 64); err == nil {
			with = strconv.FormatInt(n+int64(r.IntN(3))-1, 10)
		} else {
			with = "[" + old + "]"
		}
	default:
		with = oddities[r.IntN(len(oddities))]
	}
	return slices.Concat(b[:s[0]], []byte(with), b[s[1]:])
}

// values are the spans of all values of JSON that stand in it, but names.
func values(b []byte) (spans [][2]int) {
	var open []int
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '{' || c == '[':
			open = append(open, i)
		case c == '}' || c == ']':
			spans, open = append(spans, [2]int{open[len(open)-1], i + 1}), open[:len(open)-1]
		case c == '"':
			end := stringEnd(b, i+1)
			if rest := bytes.TrimLeft(b[end+1:], " "); len(rest) == 0 || rest[0] != ':' {
				spans = append(spans, [2]int{i, end + 1})
			}
			i = end
		case c == '-' || c >= '0' && c <= '9' || c == 't' || c == 'f' || c == 'n':
			end := i
			for end < len(b) && bytes.IndexByte([]byte(",]} \n"), b[end]) < 0 {
				end++
			}
			spans = append(spans, [2]int{i, end})
			i = end - 1
		}
	}
	return spans
}

// Whatever is changed in a member, both verifiers take the pack, or neither does.
func TestBothJudgeMutationsAlike(t *testing.T) {
	n := 25
	if os.Getenv("EVIDENCED_FULL") != "" {
		n = 2000
	}
	key, vkey := attacker(t)
	for seed := range n {
		r := rand.New(rand.NewPCG(uint64(seed), 0))
		u := unpack(t)
		name := mutable[r.IntN(len(mutable))]
		was := u.members[name]
		now := was
		if strings.HasSuffix(name, ".jsonl") {
			lines := bytes.SplitAfter(was, []byte("\n"))
			k := r.IntN(len(lines) - 1)
			lines[k] = append(mutation(r, bytes.TrimSuffix(lines[k], []byte("\n"))), '\n')
			now = bytes.Join(lines, nil)
		} else {
			now = mutation(r, was)
		}
		if bytes.Equal(now, was) || !json.Valid(now) && !strings.HasSuffix(name, ".jsonl") {
			continue
		}
		u.members[name] = now
		b := u.pack(t, key, func(m *Manifest) { m.PackKey = vkey })
		_, err := stepsOf(b, Options{})
		file := filepath.Join(t.TempDir(), "pack.zip")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		said := secondOpinion(t, file)
		if (err == nil) != (said == "") {
			t.Errorf("seed %d, %s: verify.py says %q, evidence-verify %v%s", seed, name, said, err, difference(was, now))
		}
	}
}

// difference shows where two texts part.
func difference(a, b []byte) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	from := max(0, i-60)
	return fmt.Sprintf("\n\twas %.160s\n\tnow %.160s", a[from:], b[from:])
}
