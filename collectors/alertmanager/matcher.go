package alertmanager

import (
	"regexp/syntax"
	"slices"
)

const (
	maxPattern = 4096 // bytes of an expression that is looked into
	maxListed  = 200  // texts that an expression may stand for
	maxClass   = 16   // letters of one place
	maxBytes   = 16 << 10
)

// alternatives lists the texts that a regular expression matches as a whole, in
// its own order, when they are few: a|b, tenant-[12], web(-canary)?. False for an
// expression that matches more texts, or is none. It may list a text too many
// where anchors stand inside, never one too few.
func alternatives(pattern string) ([]string, bool) {
	if len(pattern) > maxPattern {
		return nil, false
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, false
	}
	all, ok := texts(re)
	if !ok {
		return nil, false
	}
	var once []string
	for _, s := range all {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once, true
}

func texts(re *syntax.Regexp) ([]string, bool) {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginText, syntax.OpEndText:
		return []string{""}, true
	case syntax.OpLiteral:
		return []string{string(re.Rune)}, re.Flags&syntax.FoldCase == 0
	case syntax.OpCharClass:
		return letters(re.Rune)
	case syntax.OpCapture:
		return texts(re.Sub[0])
	case syntax.OpQuest:
		some, ok := texts(re.Sub[0])
		return append([]string{""}, some...), ok
	case syntax.OpAlternate:
		return union(re.Sub)
	case syntax.OpConcat:
		return product(re.Sub)
	}
	return nil, false
}

// letters lists a class, which is given as pairs of first and last.
func letters(ranges []rune) (all []string, ok bool) {
	for i := 0; i+1 < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if all = append(all, string(r)); len(all) > maxClass {
				return nil, false
			}
		}
	}
	return all, len(all) > 0
}

func union(subs []*syntax.Regexp) (all []string, ok bool) {
	for _, sub := range subs {
		some, ok := texts(sub)
		if !ok || len(all)+len(some) > maxListed {
			return nil, false
		}
		all = append(all, some...)
	}
	return all, true
}

func product(subs []*syntax.Regexp) ([]string, bool) {
	all := []string{""}
	for _, sub := range subs {
		some, ok := texts(sub)
		if !ok || len(all)*len(some) > maxListed || size(all)*len(some)+size(some)*len(all) > maxBytes {
			return nil, false
		}
		next := make([]string, 0, len(all)*len(some))
		for _, a := range all {
			for _, b := range some {
				next = append(next, a+b)
			}
		}
		all = next
	}
	return all, true
}

func size(texts []string) (n int) {
	for _, s := range texts {
		n += len(s)
	}
	return n
}
