package pdf

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"testing"
	"unicode/utf16"
)

// placed is one piece of text on a page, its place in millimetres from the top
// left and its width by the font's own table.
type placed struct {
	page int
	x, y float64
	w    float64
	text string
}

var (
	fontName   = regexp.MustCompile(`(?s)(\d+) 0 obj\n<</Type /Font\s+/Subtype /Type0\s+/BaseFont /\S*?utf8(\w+)`)
	fontUse    = regexp.MustCompile(`/F(\w+) (\d+) 0 R`)
	streamMark = []byte("stream\n")
	operation  = regexp.MustCompile(`(?s)BT /F(\w+) ([\d.]+) Tf ET|BT ([\d.-]+) ([\d.-]+) Td \(((?:[^\\()]|\\.)*)\) Tj ET`)
)

// extract reads the text of a file that this package wrote: it inflates the
// page streams and follows fonts and positions.
func extract(t *testing.T, data []byte) []placed {
	t.Helper()
	faceOf := map[string]face{}
	objects := map[string]face{}
	for _, m := range fontName.FindAllSubmatch(data, -1) {
		for f, file := range fontFiles {
			if string(m[2]) == file.family+file.style {
				objects[string(m[1])] = face(f)
			}
		}
	}
	for _, m := range fontUse.FindAllSubmatch(data, -1) {
		if f, ok := objects[string(m[2])]; ok {
			faceOf[string(m[1])] = f
		}
	}
	if len(faceOf) == 0 {
		t.Fatal("no fonts found in the file")
	}
	c, err := newCanvas(at(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	var all []placed
	page := 0
	for rest := data; ; {
		i := bytes.Index(rest, streamMark)
		if i < 0 {
			break
		}
		rest = rest[i+len(streamMark):]
		z, err := zlib.NewReader(bytes.NewReader(rest))
		if err != nil {
			continue
		}
		content, err := io.ReadAll(z)
		if err != nil || !bytes.Contains(content, []byte(" Td (")) {
			continue
		}
		page++
		all = append(all, pageText(t, c, faceOf, page, content)...)
	}
	return all
}

func pageText(t *testing.T, c *canvas, faceOf map[string]face, page int, content []byte) []placed {
	t.Helper()
	var all []placed
	now := font{}
	for _, m := range operation.FindAllSubmatch(content, -1) {
		if len(m[1]) > 0 {
			f, ok := faceOf[string(m[1])]
			if !ok {
				t.Fatalf("page %d uses the unknown font %s", page, m[1])
			}
			size, _ := strconv.ParseFloat(string(m[2]), 64)
			now = font{face: f, size: size}
			continue
		}
		x, _ := strconv.ParseFloat(string(m[3]), 64)
		y, _ := strconv.ParseFloat(string(m[4]), 64)
		s := decode(m[5])
		all = append(all, placed{page, x * ptToMM, pageH - y*ptToMM, measured(c, now, s), s})
	}
	return all
}

func measured(c *canvas, f font, s string) float64 {
	if c.pdf.PageNo() == 0 {
		c.newPage()
	}
	return c.measure(f, s)
}

// decode undoes the escapes of a PDF string that holds UTF-16.
func decode(b []byte) string {
	var raw []byte
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) {
			i++
			if b[i] == 'r' {
				raw = append(raw, '\r')
				continue
			}
		}
		raw = append(raw, b[i])
	}
	u := make([]uint16, 0, len(raw)/2)
	for i := 0; i+1 < len(raw); i += 2 {
		u = append(u, binary.BigEndian.Uint16(raw[i:]))
	}
	return string(utf16.Decode(u))
}

func (p placed) String() string {
	return fmt.Sprintf("page %d at %.1f, %.1f, %.1f wide: %q", p.page, p.x, p.y, p.w, p.text)
}
