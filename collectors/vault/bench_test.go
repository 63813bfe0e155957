package vault

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// BenchmarkAudit reads a file of 40,000 lines from disk to drafts on one core:
// decoding, pairing, attribution, facts.
func BenchmarkAudit(b *testing.B) {
	path := filepath.Join(b.TempDir(), "audit.log")
	g := newGen()
	const lines = 40000
	write(b, path, g.reads(lines/2))
	fi, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	b.SetBytes(fi.Size())
	b.ReportAllocs()
	for b.Loop() {
		c, err := New(Config{AuditFiles: []string{path}}, collectors.Env{Seal: keyring, Source: "vault/prod"})
		if err != nil {
			b.Fatal(err)
		}
		var s collectortest.Counter
		if err := c.Poll(context.Background(), evidence.Period{}, nil, &s); err != nil {
			b.Fatal(err)
		}
		if s.Drafts != lines/2 {
			b.Fatalf("got %d drafts, want %d", s.Drafts, lines/2)
		}
	}
	b.ReportMetric(float64(lines*b.N)/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkDecode(b *testing.B) {
	g := newGen()
	_, resp := g.pair(g.kvRead("alice", "tenant-7/web/db"))
	line := []byte(resp[:len(resp)-1])
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	var e entry
	for b.Loop() {
		if err := e.decode(line); err != nil {
			b.Fatal(err)
		}
	}
}
