package lineage

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"evidenced/evidence"
)

// beside are the steps that belong to a node whichever way the walk went: how a
// commit was reviewed and built, what is known of an image. The other way their
// far ends are told too, and not gone on from.
var beside = []Step{StepProposed, StepPushed, StepRan, StepChecked, StepReported, StepScanned, StepDescribed, StepSigned, StepThrough}

// trace walks and puts the answer together.
func (w *walker) trace(ctx context.Context, start end) (*Trace, error) {
	if start.ref.Scheme == "artifact" {
		if d := last(start.ref.Name, "@"); d != start.ref.Name {
			start = thing(evidence.NewRef("image", "", d))
		}
	}
	b := &assembly{w: w, start: start.id, nodes: map[string]*Node{}, spans: map[string]spans{}, index: map[linkKey]*Link{}}
	for _, dir := range []Direction{Forward, Backward} {
		if w.opt.Direction != "" && w.opt.Direction != Both && w.opt.Direction != dir {
			continue
		}
		found, err := w.run(ctx, start, dir == Forward)
		if err != nil {
			return nil, err
		}
		b.reached(found, dir == Forward)
	}
	all := map[string]bool{}
	for id := range b.nodes {
		all[id] = true
	}
	if err := b.asides(ctx); err != nil {
		return nil, err
	}
	b.contract()
	if err := b.records(ctx); err != nil {
		return nil, err
	}
	t := b.finish()
	t.reached = all
	if err := w.missing(ctx, t); err != nil {
		return nil, err
	}
	if w.full {
		t.Limits = append(t.Limits, fmt.Sprintf("only the first %d things were followed", w.opt.MaxNodes))
	}
	for _, what := range slices.Sorted(maps.Keys(w.cut)) {
		s := what
		if n := w.cut[what]; n > 1 {
			s = fmt.Sprintf("%s (%d times)", what, n)
		}
		t.Limits = append(t.Limits, s)
	}
	t.Reads = w.reads
	return t, nil
}

// assembly is a trace in the making.
type assembly struct {
	w     *walker
	start string
	nodes map[string]*Node
	spans map[string]spans
	links []*Link
	index map[linkKey]*Link
}

// linkKey is what makes two links one.
type linkKey struct {
	from, to string
	step     Step
}

// reached adds what a walk in one direction found, and the links between.
func (b *assembly) reached(found map[string]*reached, forward bool) {
	for id, f := range found {
		n := b.nodes[id]
		if n == nil {
			n = &Node{ID: id, Ref: f.ref, Stage: f.stage, Start: id == b.start, Steps: f.steps}
			b.nodes[id] = n
		}
		n.Steps = min(n.Steps, f.steps)
		if !n.Start {
			n.Forward, n.Back = n.Forward || forward, n.Back || !forward
		}
		b.spans[id] = b.spans[id].or(f.spans)
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		v := b.w.nodes[id]
		if v == nil {
			continue
		}
		for _, l := range v.links {
			to, ok := l.other(id, forward)
			if !ok {
				continue
			}
			far, there := found[to.id]
			if !there {
				continue
			}
			if held := found[id].spans.and(l.spans).and(far.spans); len(held) > 0 {
				b.link(l, held, false)
			}
		}
	}
}

// link adds a link once; spans add up.
func (b *assembly) link(l *link, held spans, aside bool) {
	key := linkKey{l.from.id, l.to.id, l.step}
	if k := b.index[key]; k != nil {
		k.spans = k.spans.or(held)
		k.Beside = k.Beside && aside
		return
	}
	var causes []Cause
	for _, c := range l.causes {
		if len(c.spans.and(held)) > 0 {
			causes = append(causes, c.Cause)
		}
	}
	slices.SortFunc(causes, func(a, c Cause) int { return cmp.Compare(c.Seq, a.Seq) })
	n := &Link{From: l.from.id, To: l.to.id, Step: l.step, Proof: l.proof, Beside: aside, spans: held}
	n.Because, n.More = causes[:min(len(causes), MaxCauses)], max(0, len(causes)-MaxCauses)
	b.links, b.index[key] = append(b.links, n), n
}

// asides adds what belongs to a node though it lies the other way: the request
// that a commit came with, the scans of an image.
func (b *assembly) asides(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(b.nodes)) {
		n, v := b.nodes[id], b.w.nodes[id]
		if n.Beside || v == nil {
			continue // v is nil behind the limit
		}
		count := map[Step]int{}
		for _, l := range v.links {
			far, there := l.aside(id)
			if !there || b.index[linkKey{l.from.id, l.to.id, l.step}] != nil {
				continue
			}
			if count[l.step]++; count[l.step] > besidePer {
				b.w.cut[fmt.Sprintf("only %d things beside one were told", besidePer)]++
				continue
			}
			if !b.aside(n, l, far) {
				continue
			}
			of, err := b.w.visit(ctx, far)
			if err != nil {
				return err
			}
			for _, r := range of.links {
				switch {
				case far.stage == Change && r.step == StepReviews:
					b.aside(b.nodes[far.id], r, r.from)
				case r.step == StepSame && r.from.id == far.id:
					b.aside(b.nodes[far.id], r, r.to) // who bears the name
				}
			}
		}
	}
	return nil
}

// aside returns the far end of a link that belongs to the node whichever way
// the walk went.
func (l *link) aside(id string) (end, bool) {
	switch {
	case l.from.id == id && slices.Contains(beside, l.step):
		return l.to, true
	case l.to.id == id && (l.step == StepLanded || l.step == StepReviews):
		return l.from, true
	}
	return end{}, false
}

// aside adds a link that belongs to a node; false when it does not hold then.
func (b *assembly) aside(n *Node, l *link, far end) bool {
	held := b.spans[n.ID].and(l.spans)
	if len(held) == 0 {
		return false
	}
	if b.nodes[far.id] == nil {
		b.nodes[far.id] = &Node{ID: far.id, Ref: far.ref, Stage: far.stage, Beside: true, Steps: n.Steps + 1}
	}
	b.spans[far.id] = b.spans[far.id].or(held)
	b.link(l, held, true)
	return true
}

// contract joins a thing known by name with the one that bears the name, where
// there is one alone. A name that nothing else holds is left out.
func (b *assembly) contract() {
	bearers := map[string][]string{}
	used := map[string]bool{}
	for _, l := range b.links {
		if l.Step != StepSame {
			used[l.From], used[l.To] = true, true
		} else if b.nodes[l.To].Ref.UID != "" {
			bearers[l.From] = append(bearers[l.From], l.To)
		}
	}
	into := map[string]string{}
	for name, of := range bearers {
		switch {
		case len(of) == 1:
			into[name] = of[0]
		case !used[name] && !b.nodes[name].Start:
			into[name] = ""
		}
	}
	for _, name := range slices.Sorted(maps.Keys(into)) {
		from, to := b.nodes[name], b.nodes[into[name]]
		delete(b.nodes, name)
		if to == nil {
			continue
		}
		to.Steps = min(to.Steps, from.Steps)
		to.Start, to.Forward, to.Back = to.Start || from.Start, to.Forward || from.Forward, to.Back || from.Back
		to.Beside = to.Beside && from.Beside
		if to.Start {
			to.Forward, to.Back = false, false
		}
	}
	var links []*Link
	index := map[linkKey]*Link{}
	for _, l := range b.links {
		from, to := l.From, l.To
		if x, ok := into[from]; ok {
			from = x
		}
		if x, ok := into[to]; ok {
			to = x
		}
		if from == "" || to == "" || from == to {
			continue
		}
		l.From, l.To = from, to
		key := linkKey{from, to, l.Step}
		k := index[key]
		if k == nil {
			links, index[key] = append(links, l), l
			continue
		}
		k.spans = k.spans.or(l.spans)
		k.Beside = k.Beside && l.Beside
		for _, c := range l.Because {
			if !slices.Contains(k.Because, c) {
				k.Because = append(k.Because, c)
			}
		}
	}
	b.links = links
}

// records notes what records are about each node, within its time.
func (b *assembly) records(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(b.nodes)) {
		n := b.nodes[id]
		v, err := b.w.visit(ctx, end{n.ID, n.Ref, n.Stage})
		if err != nil {
			return err
		}
		n.Records = b.w.inForce(v.records, b.spans[id])
	}
	return nil
}

// maxAbout is how many records about itself a node lists.
const maxAbout = 8

// inForce keeps the records of events, and of states those that may have held
// in the spans; newest first.
func (w *walker) inForce(seqs []uint64, within spans) []uint64 {
	var out []uint64
	successor := map[string]spans{}
	slices.SortFunc(seqs, func(a, b uint64) int {
		x, y := w.records[a], w.records[b]
		return cmp.Or(y.Occurred.Compare(x.Occurred), cmp.Compare(b, a))
	})
	for _, seq := range seqs {
		rec := w.records[seq]
		if info, _ := evidence.KindInfo(rec.Kind); info.State {
			k := string(rec.Kind) + " " + string(rec.Source)
			until := ever
			if s, ok := successor[k]; ok {
				until = s[0].From
			}
			successor[k] = spans{{From: rec.Occurred}}
			if len(within.and(spans{{From: begin(&rec), To: until}})) == 0 {
				continue
			}
		}
		if len(out) < maxAbout {
			out = append(out, seq)
		}
	}
	return out
}

// finish orders nodes and links: by distance from the start, then by stage.
func (b *assembly) finish() *Trace {
	t := &Trace{Nodes: []Node{}, Links: []Link{}, Records: map[uint64]evidence.Record{}}
	cite := func(seq uint64) {
		if rec, ok := b.w.records[seq]; ok {
			t.Records[seq] = rec
		}
	}
	for id, n := range b.nodes {
		if !b.spans[id].has(b.w.b.hold) {
			n.Spans = b.spans[id].told()
		}
		for _, seq := range n.Records {
			cite(seq)
		}
		t.Nodes = append(t.Nodes, *n)
	}
	slices.SortFunc(t.Nodes, func(x, y Node) int {
		return cmp.Or(cmp.Compare(slices.Index(Stages, x.Stage), slices.Index(Stages, y.Stage)), cmp.Compare(x.Steps, y.Steps), cmp.Compare(x.ID, y.ID))
	})
	place := map[string]int{}
	for i, n := range t.Nodes {
		place[n.ID] = i
	}
	for _, l := range b.links {
		if !l.spans.has(b.w.b.hold) {
			l.Spans = l.spans.told()
		}
		for _, c := range l.Because {
			cite(c.Seq)
		}
		t.Links = append(t.Links, *l)
	}
	slices.SortFunc(t.Links, func(x, y Link) int {
		return cmp.Or(cmp.Compare(place[x.From], place[y.From]), cmp.Compare(place[x.To], place[y.To]), cmp.Compare(x.Step, y.Step))
	})
	return t
}
