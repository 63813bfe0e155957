package gitrepo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// look is one look at one repository.
type look struct {
	*run
	t     target
	old   *repoState
	ctx   context.Context // with the time limit, for reading
	outer context.Context // the run's, for the sink

	objs      *objects
	graph     *graph
	heads     []branch        // watched, in order of importance
	there     map[string]bool // refIDs of all branches, watched or not
	every     []plumbing.Hash // where all branches point
	tags      []tagRef        // sorted by name
	odd       map[string]bool // refs that are there, and where they point cannot be read
	seenAt    time.Time       // when the refs were read
	next      *repoState      // becomes the kept state
	tips      map[plumbing.Hash]bool
	rewritten map[string]bool // refIDs of branches that were rewritten or went
	since     time.Time       // earliest plausible date seen
	notes     []string
}

// branch is a branch at this look.
type branch struct {
	full, id, public string
	sha              plumbing.Hash
}

// tagRef is a tag at this look.
type tagRef struct {
	full, public string
	sha          plumbing.Hash // the tag object, or the target of a lightweight tag
	target       plumbing.Hash // the commit; zero when it points at something else
	obj          *tag          // nil for a lightweight tag
	raw          []byte
}

// maxBroken bounds the unreadable commits that are remembered by name.
const maxBroken = 100

// all does the look. On success the run's resume holds the new state.
func (l *look) all() error {
	snap, err := l.open()
	if err != nil {
		return err
	}
	defer l.objs.close()
	l.graph = &graph{objs: l.objs, max: l.cfg.MaxObjects, broken: map[plumbing.Hash]string{}}
	l.seenAt = l.now()
	l.readRefs(snap)
	l.begin()
	if err := l.commits(); err != nil {
		l.keepTips() // what was emitted stays, and the next look goes on from it
		return err
	}
	rewrites, err := l.rewrites()
	if err != nil {
		return err
	}
	for _, d := range rewrites {
		if err := l.emit(l.outer, d); err != nil {
			return err
		}
	}
	if err := l.refs(); err != nil {
		return err
	}
	if l.t.place != placeLocal {
		if err := l.unpin(); err != nil {
			return err
		}
	}
	l.finish()
	return nil
}

// open opens the repository, or brings its mirror up to date and opens that,
// and returns the refs.
func (l *look) open() (refs map[string]plumbing.Hash, err error) {
	if l.t.place != placeLocal {
		return l.openRemote()
	}
	dir, err := gitDir(l.t.path)
	if err != nil {
		return nil, err
	}
	if l.objs, err = openObjects(dir, l.t.path, l.cfg.MaxObjectBytes); err != nil {
		return nil, err
	}
	list, err := listRefs(l.objs.stores[0].Filesystem(), headPrefix, tagPrefix)
	if err != nil {
		l.objs.close()
		return nil, problem.Wrap(problem.Source, err, "read the refs")
	}
	list.follow()
	l.odd = list.odd
	return list.at, nil
}

func (l *look) readRefs(refs map[string]plumbing.Hash) {
	l.there = map[string]bool{}
	for full, sha := range refs {
		if short, ok := strings.CutPrefix(full, headPrefix); ok {
			id := refID(l.t.Name, full)
			l.there[id] = true
			l.every = append(l.every, sha)
			if l.branches == nil || matchAny(l.branches, short) {
				l.heads = append(l.heads, branch{full, id, l.public(headPrefix, full), sha})
			}
			continue
		}
		l.tags = append(l.tags, l.readTag(full, sha))
	}
	for full := range l.odd {
		// It is no less there for that, nor is what it reached.
		id := refID(l.t.Name, full)
		l.there[id] = true
		if was, ok := l.old.Heads[id]; ok {
			l.every = append(l.every, plumbing.NewHash(was.SHA))
		}
	}
	slices.SortFunc(l.heads, func(a, b branch) int {
		if ra, rb := l.rank(a.full), l.rank(b.full); ra != rb {
			return ra - rb
		}
		return strings.Compare(a.full, b.full)
	})
	slices.SortFunc(l.tags, func(a, b tagRef) int { return strings.Compare(a.full, b.full) })
	slices.SortFunc(l.every, func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) })
	l.every = slices.Compact(l.every)
}

// rank orders branches for "first seen at": those of the first named patterns
// come first.
func (l *look) rank(full string) int {
	short := strings.TrimPrefix(full, headPrefix)
	for i, g := range l.named {
		if g.re.MatchString(short) {
			return i
		}
	}
	return len(l.named)
}

// public is the name of a ref that facts and references may hold.
func (l *look) public(prefix, full string) string {
	if matchAny(l.named, strings.TrimPrefix(full, prefix)) {
		return cleanText(full)
	}
	return hiddenRef(prefix, refID(l.t.Name, full))
}

// readTag reads what a tag points at; tags of tags are followed.
func (l *look) readTag(full string, sha plumbing.Hash) tagRef {
	t := tagRef{full: full, public: l.public(tagPrefix, full), sha: sha}
	for id, depth := sha, 0; depth < 8; depth++ {
		kind, raw, err := l.objs.kind(l.ctx, id)
		if err != nil {
			// A tag of a tree or a file is read as neither commit nor tag.
			var ce corruptError
			if errors.Is(err, errMissing) || errors.As(err, &ce) && !strings.HasPrefix(ce.why.Error(), "it is a ") {
				l.notes = append(l.notes, fmt.Sprintf("repository %s: object %s of tag %s: %v", l.t.Name, id, t.public, err))
			}
			return t
		}
		if kind == plumbing.CommitObject {
			t.target = id
			return t
		}
		obj, err := parseTag(raw)
		if err != nil {
			l.notes = append(l.notes, fmt.Sprintf("repository %s: tag object %s: %v", l.t.Name, id, err))
			return t
		}
		if t.obj == nil {
			t.obj, t.raw = obj, raw
		}
		id = obj.object
	}
	return t
}

// begin decides where the walk starts: on top of what is known, or, when
// history that could not be read now can, from nothing.
func (l *look) begin() {
	st := *l.old
	l.next = &st
	shallow := shallowHash(l.objs.shallows)
	if shallow != st.Shallow && !st.Looked.IsZero() {
		l.redo()
	}
	l.next.Shallow = shallow
	for _, id := range hashes(st.Broken) {
		if _, _, err := l.whole(id); err == nil {
			l.redo()
			break
		}
	}
	l.since = st.Since
	l.tips = map[plumbing.Hash]bool{}
	for _, id := range hashes(l.next.Tips) {
		l.tips[id] = true
	}
}

func (l *look) redo() {
	l.next.Redo, l.next.Tips, l.next.Broken, l.next.BrokenAll = true, nil, nil, 0
}

func shallowHash(set map[plumbing.Hash]bool) string {
	if len(set) == 0 {
		return ""
	}
	ids := make([]string, 0, len(set))
	for h := range set {
		ids = append(ids, h.String())
	}
	slices.Sort(ids)
	sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
	return hex.EncodeToString(sum[:8])
}

// commits emits the commits that are new.
func (l *look) commits() error {
	var known []plumbing.Hash
	if !l.next.Redo {
		for _, h := range l.next.Heads {
			known = append(known, plumbing.NewHash(h.SHA))
		}
	}
	for h := range l.tips {
		known = append(known, h)
	}
	slices.SortFunc(known, func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) })
	known = slices.Compact(known)
	has := func(h plumbing.Hash) bool {
		_, ok := slices.BinarySearchFunc(known, h, func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) })
		return ok
	}
	type root struct {
		sha    plumbing.Hash
		branch string
	}
	var roots []root
	for _, b := range l.heads {
		if !has(b.sha) {
			roots = append(roots, root{b.sha, b.public})
		}
	}
	for _, t := range l.tags {
		if !t.target.IsZero() && !has(t.target) && (l.next.Redo || !l.knownTag(t)) {
			roots = append(roots, root{t.target, ""})
		}
	}
	if len(roots) == 0 {
		return nil
	}
	var set map[plumbing.Hash][]plumbing.Hash
	if len(known) > 0 {
		shas := make([]plumbing.Hash, len(roots))
		for i, r := range roots {
			shas[i] = r.sha
		}
		var err error
		if set, err = l.graph.fresh(l.ctx, shas, known); err != nil {
			return err
		}
	}
	done := map[plumbing.Hash]bool{}
	for _, r := range roots {
		err := l.graph.order(l.ctx, r.sha, set, done, func(id plumbing.Hash) error { return l.visit(id, r.branch) })
		if err != nil {
			return err
		}
	}
	return nil
}

// whole reads a commit and what it changed.
func (l *look) whole(id plumbing.Hash) (*commitRead, *changes, error) {
	c, raw, err := l.objs.commit(l.ctx, id)
	if err != nil {
		return nil, nil, err
	}
	var base plumbing.Hash
	if parents := l.objs.walkParents(id, c); len(parents) > 0 {
		p, _, err := l.objs.commit(l.ctx, parents[0])
		if err != nil {
			return nil, nil, fmt.Errorf("its parent %s: %w", parents[0], err)
		}
		base = p.tree
	}
	ch := &changes{tops: map[string]bool{}}
	// What a commit at the edge of a shallow repository changed is not there:
	// its whole tree would be a false answer.
	if !l.objs.shallows[id] || len(c.parents) == 0 {
		if ch, err = l.objs.diff(l.ctx, base, c.tree); err != nil {
			return nil, nil, err
		}
	}
	return &commitRead{id, c, raw}, ch, nil
}

// visit emits one commit; one that cannot be read whole is kept back and
// named, since a commit without its files would be a false fact.
func (l *look) visit(id plumbing.Hash, branch string) error {
	c, ch, err := l.whole(id)
	if err != nil {
		if l.ctx.Err() != nil {
			return l.ctx.Err()
		}
		l.graph.broken[id] = err.Error()
		return nil
	}
	if l.objs.shallows[id] && len(c.parents) > 0 {
		// Kept back until the history below it is there.
		return nil
	}
	if at, ok := c.committer.when(); ok && plausible(at, l.seenAt) && (l.since.IsZero() || at.Before(l.since)) {
		l.since = at
	}
	if err := l.emit(l.outer, l.commitDraft(c, ch, branch)); err != nil {
		return err
	}
	for _, p := range c.parents {
		delete(l.tips, p)
	}
	l.tips[id] = true
	if l.emitted < l.batch {
		return nil
	}
	l.keepTips()
	return l.commit(l.outer, evidence.Observation{At: l.now(), Total: -1})
}

// plausible dates lie between git's first release and the look.
func plausible(at, look time.Time) bool {
	return at.After(time.Date(2005, 4, 7, 0, 0, 0, 0, time.UTC)) && !at.After(look)
}

// keepTips puts the state of an unfinished look into the run's resume.
func (l *look) keepTips() {
	st := *l.next
	st.Since = l.since
	st.Tips = nil
	for h := range l.tips {
		st.Tips = append(st.Tips, h.String())
	}
	slices.Sort(st.Tips)
	st.Broken, st.BrokenAll = l.brokenNow()
	l.resume.Repos[l.t.Name] = &st
}

// brokenNow joins the unreadable commits of earlier looks and of this one.
func (l *look) brokenNow() ([]string, int) {
	list := slices.Clone(l.next.Broken)
	all := l.next.BrokenAll
	ids := make([]string, 0, len(l.graph.broken))
	for id := range l.graph.broken {
		ids = append(ids, id.String())
	}
	slices.Sort(ids)
	for _, id := range ids {
		if slices.Contains(list, id) {
			continue
		}
		all++
		if len(list) < maxBroken {
			list = append(list, id)
		}
	}
	return list, all
}

// refs emits where branches and tags point.
func (l *look) refs() error {
	for _, b := range l.heads {
		if err := l.emit(l.outer, l.refDraft(b)); err != nil {
			return err
		}
	}
	for _, t := range l.tags {
		if err := l.emit(l.outer, l.tagDraft(t)); err != nil {
			return err
		}
	}
	return nil
}

// finish makes this look the last complete one. One that lacks a ref is not: what came
// to it meanwhile is caught up with later.
func (l *look) finish() {
	st := &repoState{Looked: l.at, First: l.old.First, Looks: l.old.Looks + 1, Heads: map[string]head{}, Shallow: l.next.Shallow}
	switch {
	case len(l.odd) > 0:
		st.Looked, st.Since = l.old.Looked, l.since
	case st.First.IsZero():
		st.First = l.at
	}
	for full := range l.odd {
		id := refID(l.t.Name, full)
		if was, ok := l.old.Heads[id]; ok {
			st.Heads[id] = was
		}
	}
	for _, b := range l.heads {
		st.Heads[b.id] = head{b.sha.String(), b.public}
	}
	marks := make([][]byte, 0, len(l.tags))
	for _, t := range l.tags {
		marks = append(marks, l.tagMark(t))
	}
	slices.SortFunc(marks, bytes.Compare)
	st.Tags = bytes.Join(marks, nil)
	st.Broken, st.BrokenAll = l.brokenNow()
	l.next = st
	l.resume.Repos[l.t.Name] = st
	l.notes = append(l.notes, l.brokenNotes()...)
}

func (l *look) brokenNotes() []string {
	var notes []string
	for _, id := range l.next.Broken {
		why := l.graph.broken[plumbing.NewHash(id)]
		if why == "" {
			why = "could not be read in an earlier look and still cannot"
		}
		notes = append(notes, fmt.Sprintf("repository %s: commit %s: %s", l.t.Name, id, why))
	}
	return notes
}

// lacking says which refs a finished look lacks, "" when none.
func (l *look) lacking() string {
	if len(l.odd) == 0 {
		return ""
	}
	first := slices.Min(slices.Collect(maps.Keys(l.odd)))
	prefix := headPrefix
	if strings.HasPrefix(first, tagPrefix) {
		prefix = tagPrefix
	}
	return fmt.Sprintf("%d refs are there and hold no object id, the first %s", len(l.odd), l.public(prefix, first))
}

// why says what a finished look lacks, "" when nothing.
func (l *look) why() string {
	var parts []string
	if lacking := l.lacking(); lacking != "" {
		parts = append(parts, lacking)
	}
	if n := len(l.objs.shallows); n > 0 {
		parts = append(parts, fmt.Sprintf("it is shallow: the history below %d commits is not there, nor what these changed", n))
	}
	if n := l.next.BrokenAll; n > 0 {
		first := l.next.Broken[0]
		why := l.graph.broken[plumbing.NewHash(first)]
		if why == "" {
			why = "not readable since an earlier look"
		}
		parts = append(parts, fmt.Sprintf("%d commits cannot be read, the first %s: %s", n, first, why))
	}
	return strings.Join(parts, "; ")
}

func (l *look) tagMark(t tagRef) []byte {
	sum := sha256.Sum256([]byte(t.full + "\n" + t.target.String()))
	return sum[:8]
}

func (l *look) knownTag(t tagRef) bool {
	mark := l.tagMark(t)
	for m := range slices.Chunk(l.old.Tags, 8) {
		if bytes.Equal(m, mark) {
			return true
		}
	}
	return false
}
