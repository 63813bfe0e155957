package pack

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
)

// said is a record of a log that was never kept, and its content.
type said struct {
	kind    evidence.Kind
	op      evidence.Op // event when empty
	subject string      // a reference
	facts   string      // JSON
	late    bool        // it occurred before the period
	people  []evidence.Party
}

// forge makes packs of logs that a maker with all keys invents, of any size:
// all that a verifier asks for is right, but what is put in its place.
type forge struct {
	records iter.Seq[said]
	// members replace those that are made; catalog.json does so before its hash is
	// stated.
	members map[string][]byte
	tenancy string // JSON, in the record that states the rules; "" for none
}

// forgedFrom is when the period of a forged pack begins, and its log.
var forgedFrom = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// forgedLog is a log while it grows.
type forgedLog struct {
	t      testing.TB
	key    note.Signer
	vkey   string
	at     time.Time
	tree   chain.Frontier
	hashes []evidence.Hash // of the tree, by stored index
	prev   evidence.Hash
}

const forgedOrigin = "forge/1"

// add seals a record and returns its leaf and its open content.
func (l *forgedLog) add(s said) ([]byte, disclosed) {
	l.t.Helper()
	op := s.op
	if op == "" {
		op = evidence.OpEvent
	}
	subject := s.subject
	if subject == "" {
		subject = "log:/forge"
	}
	plain := []byte(`{"key":"k","subject":"` + subject + `","facts":` + s.facts + `}`)
	d := disclosed{Seq: l.tree.Size(), Name: "content", Salt: make([]byte, claim.SaltSize), Plain: plain}
	lf := chain.Leaf{
		Origin: forgedOrigin, Seq: d.Seq, Prev: l.prev, Kind: s.kind, Version: 1, Op: op, Source: "forge/prod",
		Occurred: l.at, Basis: evidence.BasisObserved, Observed: l.at, Recorded: l.at, People: s.people,
		Claims: []chain.Claim{{Name: "content", Commit: claim.Commit("content", [claim.SaltSize]byte(d.Salt), plain), Size: 64, Keys: []string{"d/1"}}},
	}
	if s.late {
		lf.Occurred = forgedFrom.AddDate(0, 0, -1)
	}
	b, err := lf.Encode()
	if err != nil {
		l.t.Fatal(err)
	}
	l.prev = chain.LeafHash(b)
	l.tree.Append(l.prev, func(level int, i uint64, h evidence.Hash) {
		at := int(chain.StoredIndex(level, i))
		l.hashes = append(l.hashes, make([]evidence.Hash, max(0, at+1-len(l.hashes)))...)
		l.hashes[at] = h
	})
	return b, d
}

func (l *forgedLog) checkpoint() (chain.Checkpoint, []byte) {
	l.t.Helper()
	c := chain.Checkpoint{Origin: forgedOrigin, Size: l.tree.Size(), Root: l.tree.Root()}
	signed, err := note.Sign(&note.Note{Text: c.Text()}, l.key)
	if err != nil {
		l.t.Fatal(err)
	}
	return c, signed
}

func (l *forgedLog) prove(seq uint64) []evidence.Hash {
	l.t.Helper()
	proof, err := chain.ProveInclusion(l.tree.Size(), seq, chain.HashReaderFunc(l.read))
	if err != nil {
		l.t.Fatal(err)
	}
	return proof
}

func (l *forgedLog) read(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		out[i] = tlog.Hash(l.hashes[at])
	}
	return out, nil
}

func compact(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// write makes the pack and returns its file.
func (f *forge) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	key, vkey := attacker(t)
	l := &forgedLog{t: t, key: key, vkey: vkey, at: forgedFrom.Add(time.Hour), prev: chain.GenesisPrev(forgedOrigin)}
	tenant, err := evidence.ParseTenant("tenant-1")
	if err != nil {
		t.Fatal(err)
	}
	m := Manifest{
		Tenant: tenant, Origin: forgedOrigin, Number: 1, Period: evidence.Period{From: forgedFrom, To: forgedFrom.AddDate(0, 0, 1)}, Complete: true, Interim: true,
		Made: l.at, Program: "forge", LogKey: vkey, PackKey: vkey, Anchor: sealedInLog, Withheld: map[string]int{}, Counts: map[string]int{},
	}
	body := func(name string, otherwise any) []byte {
		if b, ok := f.members[name]; ok {
			return b
		}
		return []byte(compact(t, otherwise) + "\n")
	}
	catalog := body(memberCatalog, evidence.RuleTable{Controls: []evidence.TableControl{}, Tests: []evidence.TableTest{}})
	table, err := textHash(catalog)
	if err != nil {
		t.Fatal(err)
	}
	rules := `{"table":"` + table.String() + `"`
	if f.tenancy != "" {
		rules += `,"tenancy":` + f.tenancy
	}
	genesis := evidence.GenesisFacts{Format: 1, Origin: forgedOrigin, Tenant: tenant, Created: l.at, LogKey: vkey, PackKey: vkey, Clock: "real"}
	first := []said{{kind: evidence.LogGenesis, facts: compact(t, genesis)}, {kind: evidence.PlatformCatalog, facts: rules + "}"}}
	var first0 single
	registers := map[evidence.Kind]*register{}
	files := map[evidence.Kind]*bytes.Buffer{}
	claims, err := os.CreateTemp(dir, "claims")
	if err != nil {
		t.Fatal(err)
	}
	defer claims.Close()
	claimLines := json.NewEncoder(claims)
	var members []staged
	put := func(name string, fill func(io.Writer) error) {
		s, err := stage(dir, name, func(w io.Writer) error {
			b := bufio.NewWriter(w)
			if err := fill(b); err != nil {
				return err
			}
			return b.Flush()
		})
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, s)
	}
	bytesOf := func(b []byte) func(io.Writer) error {
		return func(w io.Writer) error { _, err := w.Write(b); return err }
	}
	put(memberLeaves, func(w io.Writer) error {
		one := func(s said) error {
			leaf, d := l.add(s)
			if d.Seq == 0 {
				first0 = single{Leaf: string(leaf), Claims: []disclosed{d}}
			}
			if s.late {
				_, err := w.Write(append(leaf, '\n'))
				return errors.Join(err, claimLines.Encode(d))
			}
			m.Counts[string(s.kind)]++
			if registerKind(s.kind) {
				if registers[s.kind] == nil {
					files[s.kind] = &bytes.Buffer{}
					if registers[s.kind], err = newRegister(files[s.kind]); err != nil {
						return err
					}
				}
				lf, err := chain.Decode(leaf)
				if err != nil {
					return err
				}
				c, err := contentOf(d.Seq, d.Plain)
				if err != nil {
					return err
				}
				if err := registers[s.kind].add(lf, chain.LeafHash(leaf), c, labels{}.of); err != nil {
					return err
				}
			}
			if _, err := w.Write(append(leaf, '\n')); err != nil {
				return err
			}
			return claimLines.Encode(d)
		}
		for _, s := range first {
			if err := one(s); err != nil {
				return err
			}
		}
		if f.records != nil {
			for s := range f.records {
				if err := one(s); err != nil {
					return err
				}
			}
		}
		return nil
	})
	put(memberClaims, func(w io.Writer) error {
		if _, err := claims.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := io.Copy(w, claims)
		return err
	})
	for k, r := range registers {
		if err := r.close(); err != nil {
			t.Fatal(err)
		}
		put(registerName(k), bytesOf(files[k].Bytes()))
	}
	closing, closingNote := l.checkpoint()
	m.Closing, m.Start, m.Records = Tree{closing.Size, closing.Root}, Tree{0, (&chain.Frontier{}).Root()}, closing.Size
	first0.Proof = l.prove(0)
	put(memberClosing, bytesOf(closingNote))
	put(memberGenesis, bytesOf([]byte(compact(t, first0)+"\n")))
	put(memberHowTo, bytesOf([]byte(howTo)))
	put(memberCatalog, bytesOf(catalog))
	for name, v := range map[string]any{
		memberFrontier: frontierFile{0, []evidence.Hash{}}, memberFindings: []Finding{}, memberRules: []int{}, memberJudged: []Judged{},
		memberPacks: []Earlier{}, memberLoosened: []Loosened{}, memberConsistency: []ancestor{}, memberAnchors: []listed{},
		memberCoverage: chart{Tenant: tenant, Origin: forgedOrigin, Size: closing.Size, Period: m.Period, Rows: []chartRow{}, Sources: map[evidence.SourceID]evidence.RunCounts{}, Blind: []chartBlind{}},
	} {
		put(name, bytesOf(body(name, v)))
	}
	put(memberEarlier, bytesOf(f.members[memberEarlier]))
	slices.SortFunc(members, func(a, b staged) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	for _, s := range members {
		m.Members = append(m.Members, s.Member)
		if s.Name == memberRules {
			m.Rules = s.SHA256
		}
	}
	m.Data = dataDigest(members)
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: text}, key)
	if err != nil {
		t.Fatal(err)
	}
	facts := m.facts(sha256.Sum256(signed))
	leaf, d := l.add(said{kind: evidence.PackIssued, facts: compact(t, facts)})
	x := issued{Leaf: string(leaf), Claim: d}
	if x.Consistency, err = chain.ProveConsistency(closing.Size, l.tree.Size(), chain.HashReaderFunc(l.read)); err != nil {
		t.Fatal(err)
	}
	_, issuedNote := l.checkpoint()
	proof := formatProof([]byte(compact(t, x)), d.Seq, l.prove(d.Seq), issuedNote)
	all := members
	members = nil
	put(memberManifest, bytesOf(signed))
	all = append(members, all...)
	put(memberIssued, bytesOf(proof))
	all = append(all, members[len(members)-1])
	file := filepath.Join(dir, "forged.zip")
	out, err := os.Create(file)
	if err == nil {
		err = assemble(out, all)
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// A forged pack that hides nothing verifies, with both verifiers.
func TestForgedPackVerifies(t *testing.T) {
	f := forge{records: func(yield func(said) bool) {
		for i := range 20 {
			if !yield(said{kind: evidence.ChangeMerge, subject: fmt.Sprintf("change:forge/one!%d", i), facts: `{"n":1}`}) {
				return
			}
		}
	}}
	file := f.write(t)
	if _, err := VerifyFile(file, Options{}); err != nil {
		t.Error(err)
	}
	if said := secondOpinion(t, file); said != "" {
		t.Error(said)
	}
}

// repeated is a list in JSON of the same element many times.
func repeated(n int, one string) string {
	return "[" + strings.Repeat(one+",", n-1) + one + "]"
}

// What is small in a file and takes much memory, or much time, has its bound, and
// both verifiers keep to it.
func TestForgedPacksHaveBounds(t *testing.T) {
	const day = `"from":"2026-11-01T00:00:00Z","to":"2026-11-02T00:00:00Z"`
	coverage := func(spans string) said {
		return said{kind: evidence.CollectionCoverage, facts: `{"source":"s","period":{` + day + `},"runs":{},"spans":` + spans + `}`}
	}
	times := func(n int, s said) iter.Seq[said] {
		return func(yield func(said) bool) {
			for range n {
				if !yield(s) {
					return
				}
			}
		}
	}
	names := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"s%d":{}`, i)
		}
		return b.String()[1:]
	}
	chartOf := func(rest string) map[string][]byte {
		return map[string][]byte{memberCoverage: []byte(`{"tenant":"tenant-1","origin":"forge/1","size":2,"period":{` + day + `},` + rest + `}`)}
	}
	strips := func() string {
		var b strings.Builder
		for i := range 10_000 {
			from := forgedFrom.Add(time.Duration(i) * 8640 * time.Millisecond)
			fmt.Fprintf(&b, `,{"from":"%s","to":"%s","class":"continuous"}`, evidence.FormatTime(from), evidence.FormatTime(from.Add(8640*time.Millisecond)))
		}
		return b.String()[1:]
	}
	for _, tc := range []struct {
		name string
		full bool // takes its time
		f    forge
		want string
	}{
		{"looks at a source", false, forge{records: times(5, coverage(`[{"kinds":["a"],`+day+`,"class":"instants","looks_ms":`+repeated(900_000, "0")+`}]`))},
			"record 6: the coverage records up to here tell of more than 4194304 looks at s, a, which is more than a pack is checked for"},
		{"what is kept of contents", true, forge{records: times(150, said{kind: evidence.Waiver, facts: `{"tests":` + repeated(100_000, "{}") + `}`})},
			"record 78: what a verifier must keep of the records up to here weighs more than 268435456: make packs of shorter periods"},
		{"stretches that nobody looked at", true, forge{records: times(12, coverage(repeated(2000, `{"kinds":`+repeated(200, `"a"`)+`,"class":"blind"}`)))},
			"record 12: what a verifier must keep of the records up to here weighs more than 268435456: make packs of shorter periods"},
		{"findings", false, forge{members: map[string][]byte{memberFindings: []byte(repeated(mostFindings+1, "{}"))}}, "member findings.json: more than 65536 findings"},
		{"names in an object", false, forge{members: chartOf(`"runs_by_source":{` + names(maxNames+1) + `}`)}, "member coverage.json: an object of more than 65536 names"},
		{"controls", false, forge{members: map[string][]byte{memberCatalog: []byte(`{"controls":` + repeated(fewElements+1, "{}") + `}`)}}, "member catalog.json: more than 131072 elements"},
		{"tags of the tenant", false, forge{tenancy: `{"tags":` + repeated(mostSaid+1, `"a"`) + `}`}, "record 1: it says more than 1000 things of what the tenant is"},
		{"stretches of many kinds", false, forge{members: chartOf(`"rows":[{"source":"s","kinds":` + repeated(7000, `"a"`) + `,"strips":[` + strips() + `]}]`)},
			"coverage.json has more than 67108864 stretches of all kinds, which is more than a pack is checked for"},
		{"kinds", false, forge{records: func(yield func(said) bool) {
			for i := range mostKinds {
				kind := "x." + string(rune('a'+i/676%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26))
				if !yield(said{kind: evidence.Kind(kind), facts: "{}", late: true}) {
					return
				}
			}
		}}, "record 4096 is of one more kind than the 4096 that a pack may hold"},
	} {
		if tc.full && os.Getenv("EVIDENCED_FULL") == "" {
			continue
		}
		file := tc.f.write(t)
		_, err := VerifyFile(file, Options{})
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s: got %.300v, want %q", tc.name, err, tc.want)
		}
		agrees(t, tc.name, file, err)
	}
}

// A pack of many records verifies in memory that does not grow with them.
func TestPackOfManyRecords(t *testing.T) {
	many := 20_000
	if os.Getenv("EVIDENCED_FULL") != "" {
		many = 300_000
	}
	f := forge{records: func(yield func(said) bool) {
		for i := range many {
			if !yield(said{kind: evidence.ChangeMerge, subject: fmt.Sprintf("change:forge/one!%d", i), facts: `{"n":1}`}) {
				return
			}
		}
	}}
	file := f.write(t)
	var before, after runtime.MemStats
	r, size, err := openFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	v, err := open(r, size, Options{})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := v.verify(); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(v)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > int64(4*many+256<<10) {
		t.Errorf("%d bytes are kept of %d records", kept, many)
	}
}
