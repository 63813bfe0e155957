package store_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"evidenced/evidence"
	"evidenced/store"
	"evidenced/store/local"
)

var start = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

func tenant(t testing.TB, name string) evidence.Tenant {
	t.Helper()
	tn, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

func openDir(t testing.TB, dir string, so func(*store.Options)) *local.Local {
	t.Helper()
	l, err := local.Open(local.Options{Dir: dir, Clock: func() time.Time { return start }, Store: so})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// fill appends the records [from, to) of 1 KB drafts, in transactions of at
// most 4000, each with a checkpoint.
func fill(t testing.TB, log *store.Log, from, to int, edit func(i int, d *evidence.Draft)) {
	t.Helper()
	filler := make([]byte, 700)
	for i := range filler {
		filler[i] = 'a' + byte(i%26)
	}
	for at := from; at < to; at += 4000 {
		items := make([]store.Item, min(4000, to-at))
		for i := range items {
			n := fmt.Sprint(at + i)
			when := start.Add(time.Duration(at+i) * time.Second)
			d := evidence.Draft{
				Kind: evidence.ChangeMerge, Op: evidence.OpEvent, Source: "github/prod", Key: n, Subject: evidence.NewRef("change", "prod", "acme/app!"+n),
				OccurredAt: when, Basis: evidence.BasisSource, ObservedAt: when, Content: fmt.Appendf(nil, `{"v":"%s"}`, filler),
				People: []evidence.Person{{Role: evidence.RoleAuthor, Realm: "github:prod", NativeID: fmt.Sprint(i % 50), Proof: evidence.ProofAuthenticated}},
			}
			if edit != nil {
				edit(at+i, &d)
			}
			items[i].Draft = d
		}
		if _, err := log.Append(context.Background(), items); err != nil {
			t.Fatal(err)
		}
		if _, _, err := log.Checkpoint(); err != nil {
			t.Fatal(err)
		}
	}
}

// hashedBytes reads what a verification hashes: leaves, ciphertexts and the
// pairs of the tree's nodes, in so many pieces and bytes.
func hashedBytes(b *testing.B, log *store.Log) (pieces [][]byte, total int) {
	b.Helper()
	err := log.File().Scan(0, log.Size(), func(e store.Entry) error {
		node := make([]byte, 65)
		for _, p := range append([][]byte{append([]byte{0}, e.Leaf...), node}, e.Claims...) {
			pieces = append(pieces, append([]byte(nil), p...))
			total += len(p)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return pieces, total
}

// rawSHA is the time that SHA-256 alone takes over the pieces, on all cores.
func rawSHA(pieces [][]byte) time.Duration {
	began := time.Now()
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w * len(pieces) / workers; i < (w+1)*len(pieces)/workers; i++ {
				sha256.Sum256(pieces[i])
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}

// BenchmarkVerify verifies a log whose pages are in memory. Beside records/s it
// reports the share of what SHA-256 alone reaches over the same pieces on all
// cores (x-of-sha256), measured between the passes.
func BenchmarkVerify(b *testing.B) {
	log, err := openDir(b, filepath.Join(b.TempDir(), "data"), nil).Store.Create(tenant(b, "tenant-1"))
	if err != nil {
		b.Fatal(err)
	}
	fill(b, log, 0, 200_000, nil)
	pieces, total := hashedBytes(b, log)
	for _, deep := range []bool{false, true} {
		b.Run(fmt.Sprintf("deep=%t", deep), func(b *testing.B) {
			b.SetBytes(int64(total))
			var raw, took time.Duration
			for b.Loop() {
				began := time.Now()
				rep, err := log.Verify(context.Background(), store.VerifyOptions{Deep: deep})
				took += time.Since(began)
				if err != nil || !rep.OK() || rep.Records != log.Size() {
					b.Fatalf("%v, %+v", err, rep)
				}
				raw += rawSHA(pieces)
			}
			b.ReportMetric(float64(log.Size())*float64(b.N)/took.Seconds(), "records/s")
			b.ReportMetric(raw.Seconds()/took.Seconds(), "x-of-sha256")
			b.ReportMetric(float64(total)/float64(log.Size()), "hashed-bytes/record")
		})
	}
}

// BenchmarkVerifyCold verifies a log none of whose pages is in memory (as far
// as the kernel can be asked to forget them; a host below a virtual machine is
// not asked).
func BenchmarkVerifyCold(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "data")
	l := openDir(b, dir, nil)
	log, err := l.Store.Create(tenant(b, "tenant-1"))
	if err != nil {
		b.Fatal(err)
	}
	fill(b, log, 0, 200_000, nil)
	var took time.Duration
	for b.Loop() {
		l.Close()
		forget(b, dir)
		l = openDir(b, dir, nil)
		if log, err = l.Store.Log(tenant(b, "tenant-1")); err != nil {
			b.Fatal(err)
		}
		size := log.Size() // opens it
		began := time.Now()
		rep, err := log.Verify(context.Background(), store.VerifyOptions{})
		took += time.Since(began)
		if err != nil || !rep.OK() || rep.Records != size {
			b.Fatalf("%v, %+v", err, rep)
		}
	}
	b.ReportMetric(200_000*float64(b.N)/took.Seconds(), "records/s")
}

// forget drops the pages of the segments from memory.
func forget(b *testing.B, dir string) {
	b.Helper()
	for _, path := range segments(b, dir) {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}
