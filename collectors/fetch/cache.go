package fetch

import (
	"bytes"
	"container/list"
	"crypto/sha256"
	"io"
	"net/http"
	"strings"
	"sync"
)

// cache makes GET requests conditional: an ETag seen before goes along as
// If-None-Match, and a 304 gives back the stored body with status 200. Least
// recently used bodies are dropped when the sum of sizes passes its bound.
type cache struct {
	max  int64
	next http.RoundTripper

	mu    sync.Mutex
	size  int64
	order *list.List // of *cached, most recent first
	items map[cacheKey]*list.Element
}

// cacheKey is the hash of the URL and of all that may change what is answered:
// Accept and the credential. Hashed, so that the cache holds no credential.
type cacheKey [sha256.Size]byte

type cached struct {
	key    cacheKey
	etag   string
	header http.Header
	body   []byte
}

// overhead is what an entry costs beside its body, in bytes, roughly.
const overhead = 2 << 10

func newCache(max int64, next http.RoundTripper) *cache {
	return &cache{max: max, next: next, order: list.New(), items: map[cacheKey]*list.Element{}}
}

func keyOf(req *http.Request) cacheKey {
	h := sha256.New()
	io.WriteString(h, req.URL.String())
	for _, name := range []string{"Accept", "Authorization", "Private-Token", "X-Vault-Token", "X-Vault-Namespace", "Cookie"} {
		io.WriteString(h, "\x00"+name+"\x00"+strings.Join(req.Header[name], "\x01"))
	}
	return cacheKey(h.Sum(nil))
}

// RoundTrip implements http.RoundTripper. A body that is to be stored is
// handed on through a reader that stores it when it was read to its end.
func (c *cache) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.max <= 0 || req.Method != http.MethodGet || req.Header.Get("If-None-Match") != "" || req.Header.Get("Range") != "" {
		return c.next.RoundTrip(req)
	}
	key := keyOf(req)
	old := c.get(key)
	if old != nil {
		req = req.Clone(req.Context())
		req.Header.Set("If-None-Match", old.etag)
	}
	resp, err := c.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	switch {
	case resp.StatusCode == http.StatusNotModified && old != nil:
		return old.answer(resp), nil
	case resp.StatusCode == http.StatusOK && resp.Header.Get("ETag") != "":
		resp.Body = &storing{ReadCloser: resp.Body, c: c, item: &cached{key: key, etag: resp.Header.Get("ETag"), header: resp.Header.Clone()}, want: resp.ContentLength}
	case resp.StatusCode == http.StatusOK && old != nil:
		c.drop(key)
	}
	return resp, nil
}

// answer makes the 200 that a 304 stands for: the stored header with what the
// 304 says anew (RFC 9111 section 4.3.4), and the stored body.
func (it *cached) answer(fresh *http.Response) *http.Response {
	io.Copy(io.Discard, io.LimitReader(fresh.Body, 4<<10))
	fresh.Body.Close()
	h := it.header.Clone()
	for k, vs := range fresh.Header {
		if !strings.HasPrefix(k, "Content-") && k != "Transfer-Encoding" {
			h[k] = vs
		}
	}
	r := *fresh
	r.StatusCode, r.Status = http.StatusOK, "200 OK"
	r.Header = h
	r.Body = io.NopCloser(bytes.NewReader(it.body))
	r.ContentLength = int64(len(it.body))
	r.Uncompressed, r.TransferEncoding = false, nil
	return &r
}

func (c *cache) get(key cacheKey) *cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached)
}

func (c *cache) drop(key cacheKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.items[key]; e != nil {
		c.remove(e)
	}
}

func (c *cache) remove(e *list.Element) {
	it := c.order.Remove(e).(*cached)
	delete(c.items, it.key)
	c.size -= int64(len(it.body)) + overhead
}

func (c *cache) put(it *cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.items[it.key]; e != nil {
		c.remove(e)
	}
	n := int64(len(it.body)) + overhead
	if n > c.max/4 {
		return // one large answer must not push out all small ones
	}
	c.items[it.key] = c.order.PushFront(it)
	c.size += n
	for c.size > c.max {
		c.remove(c.order.Back())
	}
}

// storing copies what is read and stores it at a clean end.
type storing struct {
	io.ReadCloser
	c    *cache
	item *cached
	want int64 // announced length, -1 unknown
	buf  bytes.Buffer
	done bool
}

func (s *storing) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if s.done {
		return n, err
	}
	if int64(s.buf.Len()+n) > s.c.max/4 {
		s.done = true
		s.buf = bytes.Buffer{}
		return n, err
	}
	s.buf.Write(p[:n])
	if err == io.EOF {
		s.done = true
		if s.want < 0 || s.want == int64(s.buf.Len()) {
			s.item.body = s.buf.Bytes()
			s.c.put(s.item)
		}
	}
	return n, err
}
