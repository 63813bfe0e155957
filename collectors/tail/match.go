package tail

import (
	"fmt"
	"os"
	"slices"
)

// A file is found again under another name or inode, as a copy and packed, and
// what cannot be found is a loss.

// match gives each file the position it was read to, begins new ones, and
// notes what was lost.
func (s *Stream) match(files []*found) {
	for _, p := range s.Files {
		for _, f := range files {
			if f.pos == nil && f.dev == p.Dev && f.ino == p.Ino && f.head == p.Head && (f.gz || f.size >= p.Off) && s.same(f, p) {
				f.pos = p
				break
			}
		}
	}
	var kept []*Position
	for _, p := range s.Files {
		f := of(files, p)
		if f == nil {
			f = s.moved(files, p)
		}
		if f == nil {
			if !p.Closed {
				s.Lose(s.missing(files, p))
			}
			continue
		}
		kept = append(kept, p)
	}
	seen := map[string]bool{}
	for _, p := range kept {
		seen[p.Head] = true
	}
	for _, f := range files {
		if f.pos == nil && !seen[f.head] {
			f.pos = &Position{Dev: f.dev, Ino: f.ino, Head: f.head}
			kept = append(kept, f.pos)
			seen[f.head] = true
		}
	}
	s.Files = kept
}

func of(files []*found, p *Position) *found {
	for _, f := range files {
		if f.pos == p {
			return f
		}
	}
	return nil
}

// same checks the last line once for each file this process meets.
func (s *Stream) same(f *found, p *Position) bool {
	if old := s.heads[verified(f)]; old != nil {
		if old.size0 <= p.Off {
			return true
		}
	}
	if p.Closed && f.gz || f.tailMatches(p) {
		f2 := *f
		f2.size0, f2.held = p.Off, nil
		s.heads[verified(f)] = &f2
		return true
	}
	return false
}

func verified(f *found) string { return fmt.Sprint("tail ", f.dev, " ", f.ino, " ", f.head) }

// moved finds the file of a position under another inode: compressed or
// copied. When the old inode is still there with other content, the file was
// copied and truncated in place.
func (s *Stream) moved(files []*found, p *Position) *found {
	var best *found
	for _, f := range files {
		if f.pos != nil || f.head != p.Head || !f.gz && f.size < p.Off || best != nil && f.gz {
			continue
		}
		if s.same(f, p) {
			best = f
		}
	}
	if best == nil {
		return nil
	}
	if !p.Closed && (s.sameInode(p) || slices.ContainsFunc(files, func(f *found) bool { return f.dev == p.Dev && f.ino == p.Ino })) {
		p.Cut = "the file was truncated in place: lines written between the copy and the truncation are lost"
	}
	best.pos = p
	p.Dev, p.Ino = best.dev, best.ino
	if p.Closed && best.gz {
		p.Packed = best.size
	}
	return best
}

// sameInode reports whether the active file has the inode of the position.
func (s *Stream) sameInode(p *Position) bool {
	fi, err := os.Stat(s.Path)
	if err != nil {
		return false
	}
	a := newFound("", fi, true)
	return a.dev == p.Dev && a.ino == p.Ino
}

func (s *Stream) missing(files []*found, p *Position) string {
	const inPlace = "the file was truncated or replaced in place before it was read to its end"
	for _, f := range files {
		if f.dev == p.Dev && f.ino == p.Ino {
			return inPlace
		}
	}
	if s.sameInode(p) { // and it has no line yet
		return inPlace
	}
	return "a file was deleted or rotated away before it was read to its end"
}
