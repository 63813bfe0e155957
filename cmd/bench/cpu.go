package main

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// stages say which functions belong to which part of an append. Of a sample's
// stack the innermost frame that belongs anywhere decides, so a hash counts for
// the one who asked for it.
var stages = []struct {
	name  string
	match []string // parts of the full names of functions
}{
	{"garbage collection", []string{"runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcStart", "runtime.gcMarkDone"}},
	{"fdatasync", []string{"bbolt.fdatasync", "syscall.Fdatasync"}},
	{"seal (AES-GCM, nonce, salt)", []string{"fips140/aes", "claim.(*Cipher).", "claim.NewCipher", "drbg.", "crypto/rand."}},
	{"commit (HMAC of the plaintext)", []string{"claim.Commit"}},
	{hashStage, []string{"chain.LeafHash", "chain.(*Frontier)", "store.(*edge)", "tlog."}},
	{"encode (content, leaf)", []string{"store.(*content).", "store.appendString", "store.appendRefs", "chain.(*Leaf).", "chain.(*Unplaced).", "chain.Unplaced.", "store.(*Log).seal", "store.(*Log).prepare"}},
	{"check the draft", []string{"evidence.(*Draft).Check", "store.(*Log).check"}},
	{"de-duplication", []string{"store.(*Log).filter", "store.(*recents)"}},
	{"people", []string{"store.(*Log).resolvePeople", "store.(*Log).personDraft", "store/keyring."}},
	{"bbolt", []string{"go.etcd.io/bbolt", "store/bolt."}},
	{"index", []string{"evidenced/store/index.", "store.(*names).postings", "store.names.postings", "store.(*Log).flushIndex", "store.(*Log).storePostings", "store.(*Log).indexLoop", "store.(*tail)"}},
	{"make the drafts (this program)", []string{"main.item", "main.state", "main.request", "main.digits"}},
	{"committer, the rest", []string{"store.(*Log).commit", "store.(*Log).process", "store.(*Log).store", "store.(*Log).publish", "store.(*Log).Append", "store.inOrder"}},
	{"scheduling", []string{"runtime.mcall", "runtime.mstart", "runtime.park_m", "runtime.schedule", "runtime.findRunnable", "runtime.sysmon", "runtime.morestack", "runtime.goexit0"}},
}

const (
	hashStage  = "hash (ciphertext, leaf, tree)"
	otherStage = "other"
)

// whole are stages that take all they call with them: a look-up in the index
// that de-duplication asks for is de-duplication.
var whole = map[string]string{
	"store.(*Log).identify": "de-duplication",
	"store.(*filter).":      "de-duplication",
	"runtime.gcAssistAlloc": "garbage collection",
}

// stageOf classifies a stack, innermost function first.
func stageOf(stack []string) string {
	for _, fn := range stack {
		for m, stage := range whole {
			if strings.Contains(fn, m) {
				return stage
			}
		}
	}
	for i, fn := range stack {
		// The ciphertext is hashed by the function that seals.
		if i+1 < len(stack) && fn == "crypto/sha256.Sum256" && strings.Contains(stack[i+1], "claim.(*Cipher).") {
			return hashStage
		}
		for _, st := range stages {
			if slices.ContainsFunc(st.match, func(m string) bool { return strings.Contains(fn, m) }) {
				return st.name
			}
		}
	}
	return otherStage
}

// cpu says where the CPU time of an acknowledged record goes, at two batch
// sizes: it takes the profile of appends and sorts its samples by stage. The
// index works beside the appends and stands in the table too.
func (b *bench) cpu(ctx context.Context) (err error) {
	if b.o.profile != "" {
		fmt.Fprintln(b.stderr, "cpu: left out, the whole run is being profiled")
		return nil
	}
	for _, c := range []struct{ batch, records int }{{1, 8000}, {100, 200_000}, {1000, 400_000}} {
		if err := b.cpuOf(ctx, c.batch, b.scaled(c.records, 2*c.batch)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) cpuOf(ctx context.Context, batch, records int) (err error) {
	l, done, err := b.open("cpu")
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, done()) }()
	log, err := firstLog(l)
	if err != nil {
		return err
	}
	warm := 4 * people
	if _, err := appendRate(ctx, log, items(0, warm), batchSize); err != nil {
		return err
	}
	var buf bytes.Buffer
	if err := pprof.StartCPUProfile(&buf); err != nil {
		return err
	}
	for n := 0; n < records && err == nil; n += batch {
		_, err = appendRate(ctx, log, items(warm+n, batch), batch)
	}
	if err == nil {
		err = log.WaitIndexed(ctx)
	}
	pprof.StopCPUProfile()
	if err != nil {
		return err
	}
	p, err := profile.Parse(&buf)
	if err != nil {
		return fmt.Errorf("read the profile: %w", err)
	}
	b.rep.Breakdowns = append(b.rep.Breakdowns, breakDown(p, fmt.Sprintf("batches of %d", batch), records))
	return nil
}

// breakDown sums a CPU profile by stage, the largest first, the whole last.
func breakDown(p *profile.Profile, of string, records int) breakdown {
	sums := map[string]int64{}
	var all int64
	for _, s := range p.Sample {
		var stack []string
		for _, loc := range s.Location {
			for _, line := range loc.Line {
				stack = append(stack, line.Function.Name)
			}
		}
		ns := s.Value[len(s.Value)-1] // samples, then nanoseconds
		sums[stageOf(stack)] += ns
		all += ns
	}
	d := breakdown{Of: of, Records: records}
	for name, ns := range sums {
		d.Shares = append(d.Shares, share{name, float64(ns) / 1e3 / float64(records), float64(ns) / float64(all)})
	}
	slices.SortFunc(d.Shares, func(a, b share) int {
		switch {
		case a.Micros != b.Micros && a.Micros > b.Micros:
			return -1
		case a.Micros != b.Micros:
			return 1
		}
		return strings.Compare(a.Stage, b.Stage)
	})
	if all > 0 {
		d.Shares = append(d.Shares, share{"all", float64(all) / 1e3 / float64(records), 1})
	}
	return d
}
