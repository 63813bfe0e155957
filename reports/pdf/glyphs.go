package pdf

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/go-fonts/dejavu/dejavusanscondensed"
	"github.com/go-fonts/dejavu/dejavusanscondensedbold"
	"github.com/go-fonts/dejavu/dejavusanscondensedoblique"
	"github.com/go-fonts/dejavu/dejavusansmono"
)

// face is one embedded font.
type face int

// The faces in use: one family, and its fixed-width sister for hashes.
const (
	regular face = iota
	bold
	oblique
	mono
	faces
)

var fontFiles = [faces]struct {
	family, style string
	ttf           []byte
}{
	regular: {"dejavu", "", dejavusanscondensed.TTF},
	bold:    {"dejavu", "B", dejavusanscondensedbold.TTF},
	oblique: {"dejavu", "I", dejavusanscondensedoblique.TTF},
	mono:    {"dejavumono", "", dejavusansmono.TTF},
}

// glyphSets reads the character maps of the fonts once per process.
var glyphSets = sync.OnceValues(func() ([faces]glyphs, error) {
	var sets [faces]glyphs
	for f, file := range fontFiles {
		g, err := readGlyphs(file.ttf)
		if err != nil {
			return sets, fmt.Errorf("font %s%s: %w", file.family, file.style, err)
		}
		sets[f] = g
	}
	return sets, nil
})

// glyphs is the set of runes of the basic plane that a font can draw.
type glyphs [1024]uint64

func (g *glyphs) has(r rune) bool {
	return r >= 0 && r <= 0xffff && g[r>>6]&(1<<(r&63)) != 0
}

// readGlyphs reads the character map of a TrueType font: the subtable for the
// basic plane, platform 3 encoding 1, format 4 (OpenType, "cmap").
func readGlyphs(ttf []byte) (g glyphs, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("character map is cut short")
		}
	}()
	be := binary.BigEndian
	for i := range int(be.Uint16(ttf[4:])) {
		dir := ttf[12+16*i:]
		if string(dir[:4]) != "cmap" {
			continue
		}
		cmap := ttf[be.Uint32(dir[8:]):]
		for j := range int(be.Uint16(cmap[2:])) {
			sub := cmap[4+8*j:]
			table := cmap[be.Uint32(sub[4:]):]
			if be.Uint16(sub) == 3 && be.Uint16(sub[2:]) == 1 && be.Uint16(table) == 4 {
				readFormat4(&g, table)
				return g, nil
			}
		}
	}
	return g, fmt.Errorf("no character map of the basic plane")
}

func readFormat4(g *glyphs, table []byte) {
	be := binary.BigEndian
	n := int(be.Uint16(table[6:])) // twice the number of segments
	ends, starts := table[14:], table[16+n:]
	deltas, offsets := table[16+2*n:], table[16+3*n:]
	for i := 0; i < n; i += 2 {
		start, end := int(be.Uint16(starts[i:])), int(be.Uint16(ends[i:]))
		for r := start; r <= end && r < 0xffff; r++ {
			glyph := uint16(r) + be.Uint16(deltas[i:])
			if off := int(be.Uint16(offsets[i:])); off != 0 {
				glyph = be.Uint16(offsets[i+off+2*(r-start):])
			}
			if glyph != 0 {
				g[r>>6] |= 1 << (r & 63)
			}
		}
	}
}
