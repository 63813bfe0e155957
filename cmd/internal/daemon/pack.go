package daemon

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/remedy"
	"evidenced/mappings"
	"evidenced/mappings/statement"
	"evidenced/reports"
	"evidenced/reports/coverage"
	"evidenced/reports/pack"
	"evidenced/reports/pdf"
	"evidenced/store"
)

// receiptsFor gathers what others gave for checkpoints of a log: for the closing
// one of a pack, and perhaps for earlier ones, above all for the newest at or
// before start, the size at the range's begin. What it cannot have soon it
// leaves away.
type receiptsFor func(ctx context.Context, log *store.Log, start uint64, closing chain.Checkpoint, signed []byte) ([]pack.Receipt, error)

// packLog gives a snapshot to package pack. It implements pack.Log.
type packLog struct {
	*store.Snapshot
	clock func() time.Time
}

func (l packLog) Entries(ctx context.Context, from, to uint64, claims []string) iter.Seq2[pack.Entry, error] {
	return func(yield func(pack.Entry, error) bool) {
		snap := l.Snapshot
		if to > snap.Size() { // the proof of issue reads the record it has just made
			snap = l.Log().Snapshot()
		}
		stop := errors.New("stop")
		err := snap.Export(ctx, from, to, claims, func(o store.Opened) error {
			if !yield(pack.Entry{Seq: o.Seq, Leaf: o.Leaf, Openings: o.Openings, Closed: o.Closed}, nil) {
				return stop
			}
			return nil
		})
		if err != nil && err != stop {
			yield(pack.Entry{}, err)
		}
	}
}

func (l packLog) ProveInclusion(size, seq uint64) ([]evidence.Hash, error) {
	return l.Log().ProveInclusion(size, seq)
}

func (l packLog) ProveConsistency(oldSize, newSize uint64) ([]evidence.Hash, error) {
	return l.Log().ProveConsistency(oldSize, newSize)
}

func (l packLog) Frontier(size uint64) (*chain.Frontier, error) { return l.Log().Frontier(size) }

func (l packLog) Seal(ctx context.Context, f evidence.PackFacts) (uint64, uint64, []byte, error) {
	manifest := f.Manifest.String()
	d, err := ownEvent(evidence.PackIssued, manifest, evidence.NewRef("pack", "", manifest), f, l.clock().UTC())
	if err != nil {
		return 0, 0, nil, err
	}
	seq, c, signed, err := l.Log().AppendAt(ctx, []store.Item{{Draft: d}})
	return seq, c.Size, signed, err
}

// Pack implements api.World.
func (e *Engine) Pack(ctx context.Context, q api.PackRequest, w io.Writer) (api.PackResult, error) {
	res, interim, err := e.makePack(ctx, q)
	if err != nil {
		return api.PackResult{}, err
	}
	defer res.Close()
	out := api.PackResult{
		Tenant: q.Tenant, Period: q.Period, Manifest: res.Hash, Size: res.Manifest.Closing.Size, Records: res.Manifest.Records,
		Complete: res.Manifest.Complete, Interim: interim, Issued: res.Issued, Demo: res.Manifest.Simulated,
	}
	for _, n := range res.Manifest.Withheld {
		out.Withheld += n
	}
	return out, res.Send(w)
}

// makePack makes a pack under the lock and hands it over without: somebody who
// stops reading must not hold up the next pack, nor a rotation of the log key.
func (e *Engine) makePack(ctx context.Context, q api.PackRequest) (*pack.Made, string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, err := e.newPackBuild(ctx, q)
	if err != nil {
		return nil, "", err
	}
	made, err := pack.Make(ctx, b.in)
	return made, b.interim, err
}

// packBuild gathers what a pack and its document are made of.
type packBuild struct {
	e        *Engine
	q        api.PackRequest
	snap     *store.Snapshot
	now      time.Time
	interim  string
	in       pack.Input
	controls []mappings.ControlResult
	findings []evidence.Finding
	scopes   []mappings.ScopeStatement          // that were ever in force
	book     *statement.Book                    // what people said, as of the end of what is judged
	waived   map[evidence.Ref]*statement.Waived // by finding
	plans    *remedy.Book                       // remedies, as of now: what failed in the period may have been planned since
	chart    *reports.CoverageChart
	people   *reports.People
	names    map[evidence.ID]string
}

func (e *Engine) newPackBuild(ctx context.Context, q api.PackRequest) (*packBuild, error) {
	// The configuration's defaults; withholding names is never turned off by
	// leaving a flag away.
	defaults := e.o.Config.Pack
	q.Pseudonymous = q.Pseudonymous || defaults.Pseudonymous
	if q.Recipient == "" {
		q.Recipient = defaults.Recipient
	}
	if q.Raw == "" {
		q.Raw = defaults.Raw
	}
	log, err := e.local.Store.Log(q.Tenant)
	if err != nil {
		return nil, err
	}
	if err := log.Keeps(q.Period); err != nil {
		return nil, err
	}
	cp, signed, err := e.restateRules(ctx, log, q.Period)
	if err != nil {
		return nil, err
	}
	b := &packBuild{e: e, q: q, now: e.Now().UTC(), names: map[evidence.ID]string{}}
	if b.snap, err = log.SnapshotAt(cp.Size); err != nil {
		return nil, err
	}
	last, err := b.snap.Record(ctx, cp.Size-1)
	if err != nil {
		return nil, err
	}
	if last.Recorded.After(b.now) { // a clock that was put back since
		b.now = last.Recorded
	}
	b.people = reports.NewPeople(b.snap)
	if b.now.Before(q.Period.To.Add(pack.Lag)) {
		b.interim = "the period ends " + reports.Stamp(q.Period.To, nil) + "; records of it may come in until a day later"
	}
	if err := b.judge(ctx); err != nil {
		return nil, err
	}
	if err := b.hear(ctx); err != nil {
		return nil, err
	}
	if b.plans, err = remedy.Load(ctx, b.snap, b.now); err != nil {
		return nil, err
	}
	if b.chart, err = coverage.Build(ctx, b.snap, q.Period); err != nil {
		return nil, err
	}
	keys, changes, err := keyChanges(log, cp.Size)
	if err != nil {
		return nil, err
	}
	b.in = pack.Input{
		Log: packLog{b.snap, e.Now}, Closing: signed, Period: q.Period, Now: b.now, Program: e.o.Program,
		LogKey: keys.At(cp.Size).Key, Keys: keys, KeyChanges: changes, PackKey: e.local.PackKey, PackPub: e.local.PackKey.Verifier,
		Coverage: b.chart, Config: e.o.Config.Hash().String(), Rules: judgedBy(e.catalog, b.findings), Catalog: e.catalog.Table(), Scopes: b.packScopes(),
		Purpose: q.Purpose, Recipient: q.Recipient, Pseudonymous: q.Pseudonymous, Raw: q.Raw, PDF: b.pdf(ctx),
	}
	for _, f := range b.findings {
		b.in.Findings = append(b.in.Findings, pack.Finding{Finding: f, Items: f.Items, Waived: b.packWaived(&f), Remedies: b.packRemedies(&f)})
		for _, it := range append(append([]evidence.Item{}, f.Failed...), f.Unknown...) {
			b.in.RawOf = append(append(b.in.RawOf, it.Seq), it.Also...)
		}
	}
	if b.in.Earlier, err = b.earlier(ctx); err != nil {
		return nil, err
	}
	if err := b.receipts(ctx, log, cp, signed); err != nil {
		return nil, err
	}
	return b, b.sample(cp)
}

// judgedBy returns the tests that the findings are of, in the order of the
// catalog: controls that do not apply to a tenant leave theirs out.
func judgedBy(c *mappings.Catalog, findings []evidence.Finding) []*mappings.Test {
	return slices.DeleteFunc(c.Tests(), func(t *mappings.Test) bool {
		return !slices.ContainsFunc(findings, func(f evidence.Finding) bool { return f.Test == t.ID })
	})
}

// sample draws a sample of each finding's population, for people to look at,
// and discloses the source bytes of its items as those of exceptions.
func (b *packBuild) sample(closing chain.Checkpoint) error {
	source, random := pack.Randomness(b.in.Receipts, closing.Size)
	for i := range b.in.Findings {
		f := &b.in.Findings[i]
		var err error
		if f.Sample, err = pack.DrawSample(&f.Finding, pack.NoteHash(closing), source, random); err != nil {
			return err
		}
		if f.Sample == nil {
			continue
		}
		for _, k := range f.Sample.Items {
			b.in.RawOf = append(append(b.in.RawOf, f.Items[k].Seq), f.Items[k].Also...)
		}
	}
	return nil
}

// receipts adds what others gave, and says which rung that can reach.
func (b *packBuild) receipts(ctx context.Context, log *store.Log, closing chain.Checkpoint, signed []byte) error {
	if b.e.receipts != nil {
		start, _, err := b.snap.CheckpointBefore(b.q.Period.From)
		if err != nil {
			return err
		}
		if b.in.Receipts, err = b.e.receipts(ctx, log, start.Size, closing, signed); err != nil {
			return err
		}
	}
	b.in.Anchor = pack.Claim(b.in.Receipts, closing.Size)
	return nil
}

func (b *packBuild) judge(ctx context.Context) error {
	in, err := b.e.Judging(ctx, b.q.Tenant)
	if err != nil {
		return err
	}
	in.Reader, in.Period, in.Now = b.snap, b.q.Period, b.now
	b.findings, b.controls, err = mappings.Assess(ctx, in)
	b.scopes = in.Scope
	return err
}

// earlier lists the packs of the log that were issued before, oldest first.
func (b *packBuild) earlier(ctx context.Context) ([]pack.Earlier, error) {
	list := []pack.Earlier{}
	for rec, err := range b.snap.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.PackIssued}}) {
		if err != nil {
			return nil, err
		}
		var f evidence.PackFacts
		if err := rec.Decode(&f); err != nil {
			return nil, err
		}
		list = append(list, pack.Earlier{Seq: rec.Seq, Facts: f})
	}
	return list, nil
}

// pdf returns what draws the document once the data members are fixed.
func (b *packBuild) pdf(ctx context.Context) func(io.Writer, *pack.Manifest) error {
	return func(w io.Writer, m *pack.Manifest) error {
		doc, err := b.document(ctx, m)
		if err != nil {
			return err
		}
		return pdf.Write(w, doc)
	}
}

func (b *packBuild) document(ctx context.Context, m *pack.Manifest) (*reports.PackDoc, error) {
	key := hashOf([]byte(m.PackKey))
	doc := &reports.PackDoc{
		Tenant: m.Tenant, Origin: m.Origin, Period: m.Period, FirstSeq: m.Start.Size, Size: m.Closing.Size, Root: m.Closing.Root,
		Generated: b.now, Program: m.Program, Purpose: m.Purpose, Recipient: m.Recipient, Complete: m.Complete,
		Interim: b.interim, Demonstration: m.Simulated,
		Maker:      reports.MakerKey{Name: b.e.local.PackKey.Name(), Fingerprint: hex.EncodeToString(key[:])},
		Anchor:     reports.Anchor{Rung: m.Anchor.Rung, Says: m.Anchor.What, LeavesOpen: m.Anchor.Open},
		DataDigest: m.Data, Coverage: *b.chart, Names: b.names,
	}
	b.describeControls(doc)
	var err error
	if err = b.story(ctx, doc); err != nil {
		return nil, err
	}
	if doc.Registers, err = b.registers(ctx, m); err != nil {
		return nil, err
	}
	if doc.Changes, err = b.changes(ctx); err != nil {
		return nil, err
	}
	if doc.Loosened, err = b.loosened(ctx, m.Start.Size); err != nil {
		return nil, err
	}
	if err := b.custody(ctx, doc, m); err != nil {
		return nil, err
	}
	for _, name := range chain.ClaimNames {
		if n := m.Withheld[name]; n > 0 {
			doc.Withheld = append(doc.Withheld, reports.WithheldClaims{Claim: name, Count: n, Reason: withheldBecause(name, b.q.Pseudonymous)})
		}
	}
	if m.Erased > 0 {
		doc.Withheld = append(doc.Withheld, reports.WithheldClaims{Claim: "all", Count: m.Erased, Reason: "erased: the keys were destroyed, an erasure record says so"})
	}
	return doc, b.openNames(ctx)
}

func withheldBecause(name string, pseudonymous bool) string {
	switch {
	case name == "raw":
		return "bytes as received; disclosed for exceptions or on request"
	case pseudonymous:
		return "the pack was asked to be pseudonymous"
	}
	return "not disclosed"
}

// judged is what of the period lies before the moment of judging.
func (b *packBuild) judged() evidence.Period {
	p := b.q.Period
	if b.now.Before(p.To) {
		p.To = b.now
	}
	return p
}

func (b *packBuild) describeControls(doc *reports.PackDoc) {
	told := map[*mappings.Act]bool{}
	for _, c := range b.controls {
		if a := c.Control.Act; !told[a] {
			told[a] = true
			l := reports.Law{Name: a.Name, Title: a.Title, CELEX: a.CELEX, Since: a.InForceSince, Read: a.TextRead, Binds: a.Addressee, Unverified: a.Unverified}
			if l.Read != "" && a.Language != "" {
				l.Read += " (" + a.Language + ")"
			}
			doc.Laws = append(doc.Laws, l)
		}
		r := reports.ControlResult{
			ID: c.Control.ID, Law: c.Control.Act.Name, Article: c.Control.Article, Title: c.Control.Title, Objective: c.Control.Objective,
			Status: c.Status, Reason: c.Reason, Limits: c.Control.CannotProve, AnsweredBy: c.Control.AnsweredBy, Unverified: c.Control.Unverified,
		}
		if c.Control.ForceOver(b.judged()) == mappings.Preparing {
			r.Preparing = c.Control.InForceSince
		}
		var kinds []evidence.Kind
		for _, i := range c.Findings {
			r.Findings = append(r.Findings, b.findings[i])
			r.Samples = append(r.Samples, sampled(b.in.Findings[i].Sample, b.findings[i].Items))
		}
		for _, t := range c.Control.Tests {
			kinds = append(kinds, t.Test.Needs()...)
		}
		if len(kinds) > 0 {
			r.Coverage = coverage.ForKinds(b.chart, kinds...)
		}
		b.describeSaid(&r)
		b.describeRemedies(&r)
		doc.Controls = append(doc.Controls, r)
	}
}

// openNames opens every person of the log for labels and reasons, unless the
// pack is pseudonymous.
func (b *packBuild) openNames(ctx context.Context) error {
	if b.q.Pseudonymous {
		return nil
	}
	for rec, err := range b.snap.States(ctx, evidence.PersonKnown, b.now.AddDate(100, 0, 0)) {
		if err != nil {
			return err
		}
		if len(rec.People) != 1 {
			continue
		}
		id, err := b.snap.Identity(ctx, rec.People[0].Token)
		if err != nil {
			return fmt.Errorf("person of record %d: %w", rec.Seq, err)
		}
		b.names[id.Token] = id.Label()
	}
	return nil
}

func (b *packBuild) changes(ctx context.Context) ([]reports.SystemChange, error) {
	var out []reports.SystemChange
	q := evidence.Query{Kinds: []evidence.Kind{evidence.PlatformConfig}, Period: evidence.Period{To: b.q.Period.To}}
	for rec, err := range b.snap.Records(ctx, q) {
		if err != nil {
			return nil, err
		}
		var f evidence.ConfigFacts
		if err := rec.Decode(&f); err != nil {
			return nil, err
		}
		c := reports.SystemChange{At: rec.Occurred, Seq: rec.Seq, Kind: rec.Kind, By: f.By, Diff: f.Diff, Loosens: f.Loosen}
		c.Summary = "configuration " + f.SHA256[:12] + " loaded"
		if f.Before == "" {
			c.Summary = "first configuration " + f.SHA256[:12] + " loaded"
		}
		out = append(out, c)
	}
	return out, nil
}

func (b *packBuild) custody(ctx context.Context, doc *reports.PackDoc, m *pack.Manifest) error {
	first, err := b.snap.Record(ctx, 0)
	if err != nil {
		return err
	}
	add := func(at time.Time, step string, seq uint64, hash string) {
		doc.Custody = append(doc.Custody, reports.CustodyStep{At: at, Step: step, By: m.Program, Seq: seq, Hash: hash})
	}
	add(first.Recorded, "log begun", 0, first.Leaf.String())
	if m.Start.Size > 0 {
		rec, err := b.snap.Record(ctx, m.Start.Size-1)
		if err != nil {
			return err
		}
		add(rec.Recorded, fmt.Sprintf("last signed checkpoint before the period, size %d", m.Start.Size), rec.Seq, m.Start.Root.String())
	}
	last, err := b.snap.Record(ctx, m.Closing.Size-1)
	if err != nil {
		return err
	}
	add(last.Recorded, fmt.Sprintf("closing checkpoint signed, size %d", m.Closing.Size), last.Seq, m.Closing.Root.String())
	add(b.now, "pack made; its manifest is sealed in the log next", 0, "")
	for _, p := range b.in.Earlier {
		if !p.Facts.Period.Overlaps(b.q.Period) {
			continue
		}
		doc.Earlier = append(doc.Earlier, reports.EarlierPack{Manifest: p.Facts.Manifest, Period: p.Facts.Period, Issued: p.Facts.Issued, Records: p.Facts.Records, Seq: p.Seq})
	}
	return nil
}
