package gitrepo

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"evidenced/evidence/problem"
)

// packOf makes a pack of objects that are given as they stand in it.
func packOf(objects ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(len(objects)))
	for _, o := range objects {
		b = append(b, o...)
	}
	sum := sha1.Sum(b)
	return append(b, sum[:]...)
}

// packed is an object: type, the size that its header says, what stands between
// header and content, content.
func packed(kind byte, size uint64, between, content []byte) []byte {
	first := kind<<4 | byte(size&15)
	size >>= 4
	var b []byte
	for ; size > 0; size >>= 7 {
		b = append(b, first|0x80)
		first = byte(size & 0x7f)
	}
	b = append(append(b, first), between...)
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Write(content)
	w.Close()
	return append(b, z.Bytes()...)
}

// Few bytes of a pack may say that an object is as large as can be: it is
// refused before anybody unpacks it.
func TestPackThatGrows(t *testing.T) {
	base := packed(3, 4, nil, []byte("base"))
	delta := func(size uint64) []byte {
		d := binary.AppendUvarint(binary.AppendUvarint(nil, 4), size)
		d = append(d, 0x90, 4) // copy the base once
		return packed(6, uint64(len(d)), []byte{byte(len(base))}, d)
	}
	for _, tt := range []struct {
		name string
		pack []byte
		want string
		code problem.Code
	}{
		{"a blob that says it is huge", packOf(packed(3, 1<<40, nil, []byte("x"))), "object of 1099511627776 bytes", problem.Refused},
		{"a delta that says so", packOf(base, delta(1<<41)), "object of 2199023255552 bytes", problem.Refused},
		{"a delta of a size beyond numbers", packOf(base, packed(6, 12, []byte{byte(len(base))}, append([]byte{4}, bytes.Repeat([]byte{0xff}, 11)...))), "object of 18446744073709551615 bytes", problem.Refused},
		{"a blob larger than it says", packOf(packed(3, 4, nil, make([]byte, 1<<20))), "cut or damaged", problem.Source},
		{"a cut pack", packOf(base, delta(4))[:20], "cut or damaged", problem.Source},
		{"as it should be", packOf(base, delta(4)), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ck, r := start(), newRepo(t)
			dir := t.TempDir()
			c := collect(t, ck, func(c *Config) { c.MirrorDir = dir }, r)
			l := &look{run: &run{Collector: c}, ctx: t.Context(), t: target{Repo: Repo{Name: "far"}, dial: "https://git.example/r.git"}}
			mirror, err := l.mirror()
			if err != nil {
				t.Fatal(err)
			}
			store := openMirror(mirror)
			defer store.Close()
			err = l.storePack(store, bytes.NewReader(tt.pack))
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.want) || !problem.Is(err, tt.code) {
				t.Errorf("got %v, want %s with %q", err, tt.code, tt.want)
			}
			if left, _ := filepath.Glob(mirror + "/objects/pack/tmp_pack_*"); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// Whatever the bytes, the scan ends and says whether it likes them.
func FuzzScanPack(f *testing.F) {
	base := packed(3, 4, nil, []byte("base"))
	f.Add(packOf(base))
	f.Add(packOf(base, packed(6, 4, []byte{byte(len(base))}, []byte{4, 4, 0x90, 4})))
	f.Add(packOf(packed(7, 4, make([]byte, 20), []byte{4, 4, 0x90, 4}))[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := scanPack(io.LimitReader(bytes.NewReader(b), 1<<20)); err == nil && !bytes.HasPrefix(b, []byte("PACK")) {
			t.Error("taken for a pack")
		}
	})
}
