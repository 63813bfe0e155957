package index

import "bytes"

// cursor stands on a posting of a run, or on none. It panics with damage.
type cursor struct {
	r     *run
	b     block
	n     uint32 // number of b
	i     int
	valid bool
}

func (c *cursor) key() []byte { return c.b.key(c.i) }

func (c *cursor) val() []byte {
	_, v := c.b.entry(c.i)
	return v
}

// seekGE goes to the first posting at or after the key.
func (c *cursor) seekGE(key []byte) {
	if !c.near(key) {
		c.descend(key)
	}
	c.i = c.b.notBefore(key)
	c.valid = c.i < c.b.len() || c.following()
}

// seekLT goes to the last posting before the key.
func (c *cursor) seekLT(key []byte) {
	if !c.near(key) {
		c.descend(key)
	}
	c.i = c.b.notBefore(key) - 1
	c.valid = c.i >= 0 || c.preceding()
}

// near reports whether the block the cursor is in has postings on both sides
// of the key: most look-ups of a walk are close to the last one.
func (c *cursor) near(key []byte) bool {
	if c.b == nil {
		return false
	}
	return bytes.Compare(c.b.key(0), key) < 0 && bytes.Compare(c.b.key(c.b.len()-1), key) >= 0
}

func (c *cursor) descend(key []byte) {
	c.n = c.r.root
	for c.b = c.r.block(c.n); c.b.level() > 0; c.b = c.r.block(c.n) {
		c.n = c.b.child(c.b.leading(key))
	}
}

// next goes to the following posting.
func (c *cursor) next() {
	if c.i++; c.i >= c.b.len() {
		c.valid = c.following()
	}
}

// prev goes to the preceding posting.
func (c *cursor) prev() {
	if c.i--; c.i < 0 {
		c.valid = c.preceding()
	}
}

// following goes to the next block of postings; it stays where it is when
// there is none.
func (c *cursor) following() bool {
	for n := c.n + 1; n <= c.r.root; n++ {
		if b := c.r.block(n); b.level() == 0 {
			c.b, c.n, c.i = b, n, 0
			return true
		}
	}
	return false
}

func (c *cursor) preceding() bool {
	for n := c.n; n > 0; n-- {
		if b := c.r.block(n - 1); b.level() == 0 {
			c.b, c.n, c.i = b, n-1, b.len()-1
			return true
		}
	}
	return false
}
