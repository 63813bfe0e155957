package index

import (
	"crypto/sha256"
	"encoding/binary"
	"path/filepath"
	"testing"

	"evidenced/store"
)

// postings makes what n records give the index: each seven postings under
// digests, which come in no order.
func postings(from, n int) []store.Posting {
	ps := make([]store.Posting, 0, 7*n)
	for i := from; i < from+n; i++ {
		for j, bucket := range []byte("dtsllpl") {
			sum := sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, uint64(i)), bucket, byte(j)))
			ps = append(ps, store.Posting{Bucket: bucket, Key: binary.BigEndian.AppendUint64(sum[:16:16], uint64(i)), Value: sum[:12:12]})
		}
	}
	return ps
}

func openBench(b *testing.B, records int) store.Index {
	b.Helper()
	var p Pool
	x, err := p.Open(filepath.Join(b.TempDir(), "index"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { x.Close() })
	for n := 0; n < records; n += 4096 {
		if err := x.Apply(postings(n, 4096), uint64(n+4096)); err != nil {
			b.Fatal(err)
		}
	}
	return x
}

// BenchmarkApply stores the postings of 4,096 records at a time.
func BenchmarkApply(b *testing.B) {
	x := openBench(b, 0)
	const chunk = 4096
	n := 0
	for b.Loop() {
		b.StopTimer()
		ps := postings(n, chunk)
		n += chunk
		b.StartTimer()
		if err := x.Apply(ps, uint64(n)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkGet looks identities up: the new ones that de-duplication asks for,
// and those that are there.
func BenchmarkGet(b *testing.B) {
	const records = 128 << 10
	x := openBench(b, records)
	known := postings(0, 4096)
	unknown := postings(1<<40, 4096)
	for name, ps := range map[string][]store.Posting{"known": known, "unknown": unknown} {
		b.Run(name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				p := ps[i*7%len(ps)]
				i++
				v, err := x.Get(p.Bucket, p.Key)
				if err != nil || (v != nil) != (name == "known") {
					b.Fatalf("%x: %v, %v", p.Key, v, err)
				}
			}
		})
	}
}

// BenchmarkView opens a snapshot and looks one posting up, as a query for one
// subject does.
func BenchmarkView(b *testing.B) {
	x := openBench(b, 128<<10)
	ps := postings(0, 4096)
	i := 0
	for b.Loop() {
		p := ps[i*7%len(ps)]
		i++
		v, err := x.View()
		if err != nil {
			b.Fatal(err)
		}
		if k, _ := v.SeekLT(p.Bucket, append(p.Key[:len(p.Key):len(p.Key)], 0)); k == nil {
			b.Fatal("not there")
		}
		if err := v.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
