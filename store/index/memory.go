package index

import "sync"

// poolBytes is how much the indexes of a pool gather in memory together. One
// that is filled alone writes runs of spillBytes; beside many that were filled
// and left, each keeps its share, so that memory does not grow with their
// number.
const poolBytes = 64 << 20

// memory says what the indexes of a pool have gathered and not written yet.
type memory struct {
	mu   sync.Mutex
	held map[*index]int // bytes; none with nothing
	all  int
}

// holds notes how much an index holds now.
func (m *memory) holds(x *index, bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all += bytes - m.held[x]
	if bytes == 0 {
		delete(m.held, x)
		return
	}
	if m.held == nil {
		m.held = map[*index]int{}
	}
	m.held[x] = bytes
}

// largest returns the index that holds most of those not yet asked; nil when
// none is left, or all together hold no more than the limit.
func (m *memory) largest(limit int, asked map[*index]bool) (most *index) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all <= limit {
		return nil
	}
	for x, n := range m.held {
		if !asked[x] && (most == nil || n > m.held[most]) {
			most = x
		}
	}
	return most
}

// relieve has the indexes that hold most write it, until together they hold no
// more than they may. One that is at work itself, or whose files wait to be
// merged, is passed over, and so is one that cannot write: it keeps what it
// holds and tells when it is added to or closed. The caller, self, is at work.
func (p *Pool) relieve(self *index) {
	asked := map[*index]bool{}
	for {
		x := p.memory.largest(p.limit(), asked)
		if x == nil {
			return
		}
		asked[x] = true
		if x != self && !x.work.TryLock() {
			continue
		}
		if x.hasRoom() {
			_ = x.spill()
		}
		if x != self {
			x.work.Unlock()
		}
	}
}

func (p *Pool) limit() int {
	if p.most > 0 {
		return p.most
	}
	return poolBytes
}
