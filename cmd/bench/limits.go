package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"evidenced/store"
	"evidenced/store/bolt"
	"evidenced/store/local"
)

// sample is what a log stores of the drafts: real leaves and ciphertexts,
// against whose bytes the limits are measured.
type sample struct {
	leaves [][]byte
	claims [][]byte // of all records, in order
	sizes  []int    // stored bytes by record
}

// takeSample appends n drafts to a log of its own and reads the files back.
func (b *bench) takeSample(ctx context.Context, n int) (*sample, error) {
	dir, err := b.sub("sample")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	l, err := local.Open(local.Options{Dir: dir, Log: b.quiet})
	if err != nil {
		return nil, err
	}
	if err := fill(ctx, l, 0, n); err != nil {
		l.Close()
		return nil, err
	}
	if err := l.Close(); err != nil {
		return nil, err
	}
	back := bolt.New(dir)
	defer back.Close()
	ids, err := back.Logs()
	if err != nil || len(ids) != 1 {
		return nil, fmt.Errorf("logs of the sample: %v %w", ids, err)
	}
	f, ix, err := back.Open(ids[0], false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer ix.Close()
	h, err := f.Head()
	if err != nil {
		return nil, err
	}
	s := &sample{}
	return s, f.Scan(0, h.Size, func(e store.Entry) error {
		s.add(e)
		return nil
	})
}

func (s *sample) add(e store.Entry) {
	size := len(e.Leaf)
	s.leaves = append(s.leaves, append([]byte(nil), e.Leaf...))
	for _, c := range e.Claims {
		s.claims = append(s.claims, append([]byte(nil), c...))
		size += len(c)
	}
	s.sizes = append(s.sizes, size)
}

func (s *sample) bytes() (n int) {
	for _, k := range s.sizes {
		n += k
	}
	return n
}

// fill appends drafts [from, from+n) to the first tenant's log.
func fill(ctx context.Context, l *local.Local, from, n int) error {
	log, err := firstLog(l)
	if err != nil {
		return err
	}
	for done := 0; done < n; done += batchSize {
		if _, err := log.Append(ctx, items(from+done, min(batchSize, n-done))); err != nil {
			return err
		}
	}
	return nil
}

func firstLog(l *local.Local) (*store.Log, error) {
	t, err := tenant(1)
	if err != nil {
		return nil, err
	}
	return l.Store.Create(t)
}

// hashAll hashes every leaf and every ciphertext of the sample on its own, on
// all cores, and returns records a second: the least that any verification of
// the same log must do.
func (s *sample) hashAll() float64 {
	chunks := append(append([][]byte(nil), s.leaves...), s.claims...)
	workers := runtime.GOMAXPROCS(0)
	begun := time.Now()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var sink byte
			for _, c := range chunks[w*len(chunks)/workers : (w+1)*len(chunks)/workers] {
				h := sha256.Sum256(c)
				sink ^= h[0]
			}
			runtime.KeepAlive(sink)
		})
	}
	wg.Wait()
	return float64(len(s.leaves)) / time.Since(begun).Seconds()
}

// plain is a file to which the bytes of batches are appended, one write and
// one fdatasync for each.
type plain struct {
	f        *os.File
	path     string
	buf      []byte
	at       int // record of the sample that comes next
	reserved bool
}

// newPlain makes the file in the directory. A reserved file has its blocks
// and its size beforehand, so that a sync need not write the file's metadata;
// a file that grows is what a simple log would be.
func newPlain(dir string, s *sample, batch, batches int, reserved bool) (*plain, error) {
	p := &plain{path: filepath.Join(dir, "plain"), reserved: reserved}
	var err error
	if p.f, err = os.OpenFile(p.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	most := 0
	for _, n := range s.sizes {
		most = max(most, n)
	}
	p.buf = make([]byte, most*batch)
	rand.Read(p.buf)
	if reserved {
		// Written once, not only allocated: unwritten extents would have to be
		// converted by each sync.
		for range batches {
			if _, err := p.f.Write(p.buf); err != nil {
				return nil, err
			}
		}
		if _, err := p.f.Seek(0, 0); err != nil {
			return nil, err
		}
	}
	return p, p.f.Sync()
}

// run appends so many batches and returns records a second.
func (p *plain) run(s *sample, batch, batches int) (float64, error) {
	begun := time.Now()
	for range batches {
		n := 0
		for range batch {
			n += s.sizes[p.at%len(s.sizes)]
			p.at++
		}
		if _, err := p.f.Write(p.buf[:n]); err != nil {
			return 0, err
		}
		if err := unix.Fdatasync(int(p.f.Fd())); err != nil {
			return 0, err
		}
	}
	return float64(batch*batches) / time.Since(begun).Seconds(), nil
}

func (p *plain) close() error {
	p.f.Close()
	return os.Remove(p.path)
}

// plainRate appends batches to a fresh plain file.
func plainRate(dir string, s *sample, batch, batches int, reserved bool) (rate float64, err error) {
	p, err := newPlain(dir, s, batch, batches, reserved)
	if err != nil {
		return 0, err
	}
	rate, err = p.run(s, batch, batches)
	if cerr := p.close(); err == nil {
		err = cerr
	}
	return rate, err
}

// sealCost returns seconds to encrypt one plaintext of n bytes with
// AES-256-GCM under a key at hand and a random nonce, on one core.
func sealCost(n, times int) (float64, error) {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		return 0, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return 0, err
	}
	plain, out, aad := make([]byte, n), make([]byte, 0, n+28), make([]byte, 100)
	begun := time.Now()
	for range times {
		nonce := out[:12]
		rand.Read(nonce)
		out = aead.Seal(nonce, nonce, plain, aad)[:0]
	}
	return time.Since(begun).Seconds() / float64(times), nil
}
