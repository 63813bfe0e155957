package main

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
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
	{"fdatasync", []string{"unix.Fdatasync"}},
	{sealStage, []string{"fips140/aes", "claim.(*Cipher).", "claim.NewCipher", "drbg.", "crypto/rand."}},
	{commitStage, []string{"claim.Commit"}},
	{hashStage, []string{"chain.LeafHash", "chain.(*Hasher)", "chain.(*Frontier)", "store.(*edge)", "tlog."}},
	{encodeStage, []string{"store.(*content).", "store.appendString", "store.appendRefs", "chain.(*Leaf).", "chain.(*Unplaced).", "chain.Unplaced.", "store.(*Log).seal", "store.(*Log).prepare"}},
	{"check the draft", []string{"evidence.(*Draft).Check", "store.(*Log).check"}},
	{"de-duplication", []string{"store.(*Log).filter", "store.(*recents)"}},
	{"people", []string{"store.(*Log).resolvePeople", "store.(*Log).personDraft", "store/keyring."}},
	{"journal", []string{"store/journal.", "bolt.(*logFile)", "bolt.appendBatch", "bolt.cutBatch"}},
	{indexStage, []string{"evidenced/store/index.", "store.(*names).postings", "store.names.postings", "store.(*postingList)", "store.(*Log).flushIndex", "store.(*Log).storePostings", "store.(*Log).indexLoop", "store.(*tail)"}},
	{draftStage, []string{"main.item", "main.state", "main.request", "main.digits"}},
	{"committer, the rest", []string{"store.(*Log).commit", "store.(*Log).process", "store.(*Log).batch", "store.(*Log).place", "store.(*Log).write", "store.(*Log).publish", "store.(*Log).Append", "store.inOrder"}},
	{"scheduling", []string{"runtime.mcall", "runtime.mstart", "runtime.park_m", "runtime.schedule", "runtime.findRunnable", "runtime.sysmon", "runtime.morestack", "runtime.goexit0"}},
}

const (
	sealStage   = "seal (AES-GCM, nonce, salt)"
	commitStage = "commit (HMAC of the plaintext)"
	hashStage   = "hash (ciphertext, leaf, tree)"
	encodeStage = "encode (content, leaf)"
	indexStage  = "index"
	takeStage   = "segment (bbolt, its syncs)"
	draftStage  = "make the drafts (this program)"
	otherStage  = "other"
	allStages   = "all"
)

// sealing are the stages that no log of sealed records can do without: what
// format and law ask of each record, whatever it is stored in.
var sealing = []string{sealStage, commitStage, hashStage, encodeStage}

// whole are stages that take all they call with them: a look-up in the index
// that de-duplication asks for is de-duplication.
var whole = map[string]string{
	"store.(*Log).identify":  "de-duplication",
	"store.(*filter).":       "de-duplication",
	"runtime.gcAssistAlloc":  "garbage collection",
	"bolt.(*logFile).take":   takeStage,
	"go.etcd.io/bbolt.(*DB)": takeStage, // the first batch of a segment
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

// cpu says where the CPU time of an acknowledged record goes, at three batch
// sizes: it takes the profile of appends and sorts its samples by stage. The
// index works beside the appends and stands in the table too. Beside it stands
// how fast that time lets appends be at best, against a plain file that is
// written in the same run.
func (b *bench) cpu(ctx context.Context) (err error) {
	if b.o.profile != "" {
		fmt.Fprintln(b.stderr, "cpu: left out, the whole run is being profiled")
		return nil
	}
	s, err := b.takeSample(ctx, b.scaled(16_000, 1000))
	if err != nil {
		return err
	}
	records := map[int]int{1: 8000, 100: 200_000, 1000: 400_000}
	for _, c := range batchSizes {
		d, err := b.cpuOf(ctx, c.batch, b.scaled(records[c.batch], 2*c.batch))
		if err != nil {
			return err
		}
		d.Wanted = c.want
		if d.Plain, err = repeat(b.o.rounds, func() (float64, error) { return plainRate(b.dir, s, c.batch, b.batches(c.batch), false) }); err != nil {
			return err
		}
		d.bind(runtime.GOMAXPROCS(0))
		b.rep.Breakdowns = append(b.rep.Breakdowns, d)
	}
	return nil
}

// bind says how many records a second the stages allow on so many cores: the
// sealing alone; the sealing, and then the plain file's write of what was
// sealed, as it is where nothing is written before all of a batch is sealed;
// all but the index and the segment, which follow behind; and all that the log
// does. What one core waits for the other, and the disk beyond that one write, come
// on top.
func (d *breakdown) bind(cores int) {
	if d.Plain <= 0 {
		return
	}
	add := func(of string, written float64, in func(stage string) bool) {
		us := 0.0
		for _, sh := range d.Shares {
			if in(sh.Stage) {
				us += sh.Micros
			}
		}
		if us > 0 {
			most := 1 / (us/1e6/float64(cores) + written)
			d.Bounds = append(d.Bounds, bound{of, us, most, most / d.Plain})
		}
	}
	seals := func(stage string) bool { return slices.Contains(sealing, stage) }
	add("sealing alone", 0, seals)
	add("sealing, then one write and one sync", 1/d.Plain, seals)
	add("all that an append waits for", 0, func(stage string) bool {
		return stage != draftStage && stage != indexStage && stage != takeStage && stage != allStages
	})
	add("all that the log does, its index too", 0, func(stage string) bool { return stage != draftStage && stage != allStages })
}

func (b *bench) cpuOf(ctx context.Context, batch, records int) (d breakdown, err error) {
	l, done, err := b.open("cpu")
	if err != nil {
		return d, err
	}
	defer func() { err = firstError(err, done()) }()
	log, err := firstLog(l)
	if err != nil {
		return d, err
	}
	warm := 4 * people
	if _, err := appendRate(ctx, log, items(0, warm), batchSize); err != nil {
		return d, err
	}
	var buf bytes.Buffer
	if err := pprof.StartCPUProfile(&buf); err != nil {
		return d, err
	}
	for n := 0; n < records && err == nil; n += batch {
		_, err = appendRate(ctx, log, items(warm+n, batch), batch)
	}
	if err == nil {
		err = log.WaitStored(ctx)
	}
	pprof.StopCPUProfile()
	if err != nil {
		return d, err
	}
	p, err := profile.Parse(&buf)
	if err != nil {
		return d, fmt.Errorf("read the profile: %w", err)
	}
	return breakDown(p, fmt.Sprintf("batches of %d", batch), records), nil
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
		d.Shares = append(d.Shares, share{allStages, float64(all) / 1e3 / float64(records), 1})
	}
	return d
}
