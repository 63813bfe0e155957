package workflows

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"evidenced/evidence"
)

// memory is what is kept in the cursor.
type memory struct {
	// Open are the runs that had not ended when they were seen last, by uid.
	Open map[string]open `json:"open,omitempty"`
	// For are the purposes that templates and schedules say of themselves, by
	// kind/namespace/name.
	For map[string]string `json:"for,omitempty"`
	// Told are the ends of runs that were told, newest last: what the archive shows
	// of them is no news. A run that is tried again has another end. Only with an
	// archive.
	Told []string `json:"told,omitempty"`
	// Without are the namespaces of runs that were told without what schedules or
	// templates say that they are for, by the kind that could not be asked.
	Without map[string][]string `json:"without,omitempty"`
	// Odd are the runs of the archive that could not be read, by uid, to try again.
	Odd []string `json:"odd,omitempty"`
	// Lost are runs whose end nobody saw, until that is claimed.
	Lost []loss `json:"lost,omitempty"`
	// Alive is when all that was not told of runs was known not to have happened.
	Alive time.Time `json:"alive,omitzero"`
	// Read is until when the archive was read.
	Read time.Time `json:"read,omitzero"`

	// Of the run that is going on, and never in the cursor:
	heard  map[string]bool // keys of templates and schedules that were seen to say something
	behind string          // why the archive could not be read; "" when it was
	next   time.Time       // the archive is not asked before; zero: at once
	tried  bool            // the odd runs were
	// unnamed is how many runs the archive's list had without saying which.
	unnamed int
}

type open struct {
	NS   string    `json:"n"`
	Seen time.Time `json:"s"`
}

// loss is a stretch in which a run ended, or went, unseen.
type loss struct {
	NS   string    `json:"n"`
	UID  string    `json:"u,omitempty"` // that the archive may know; "" when it was asked
	From time.Time `json:"f"`
	To   time.Time `json:"t"`
}

// Bounds of what is kept.
const (
	maxOpen = 5000
	maxTold = 10000
	maxFor  = 5000
	maxLost = 500
	maxOdd  = 100
)

func (m *memory) see(uid, ns string, at time.Time) {
	if m.Open == nil {
		m.Open = map[string]open{}
	}
	if _, ok := m.Open[uid]; !ok && len(m.Open) >= maxOpen {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(m.Open)), func(x, y string) int {
			return cmp.Or(m.Open[x].Seen.Compare(m.Open[y].Seen), cmp.Compare(x, y))
		})
		m.lose(oldest, at)
	}
	m.Open[uid] = open{ns, at}
}

// lose notes that the run, which had not ended, was not seen to its end.
func (m *memory) lose(uid string, to time.Time) {
	o := m.Open[uid]
	delete(m.Open, uid)
	if m.Alive.After(o.Seen) {
		o.Seen = m.Alive // it was there then, unchanged
	}
	if !o.Seen.Before(to) {
		return
	}
	if len(m.Lost) < maxLost {
		m.Lost = append(m.Lost, loss{o.NS, uid, o.Seen, to})
		return
	}
	// The rest is joined to the last of its namespace, else to one of all.
	i := slices.IndexFunc(m.Lost, func(l loss) bool { return l.NS == o.NS })
	if i < 0 {
		i = len(m.Lost) - 1
		m.Lost[i].NS = ""
	}
	l := &m.Lost[i]
	l.UID = ""
	if o.Seen.Before(l.From) {
		l.From = o.Seen
	}
	if to.After(l.To) {
		l.To = to
	}
}

// missed finds the open runs that a list of everything, begun at the time, did
// not show.
func (m *memory) missed(begun, now time.Time) {
	for _, uid := range slices.Sorted(maps.Keys(m.Open)) {
		if m.Open[uid].Seen.Before(begun) {
			m.lose(uid, now)
		}
	}
}

func (m *memory) tell(uid string, end time.Time) {
	if m.told(uid, end) {
		return
	}
	if m.Told = append(m.Told, endOf(uid, end)); len(m.Told) > maxTold {
		m.Told = slices.Delete(m.Told, 0, len(m.Told)-maxTold)
	}
}

func (m *memory) told(uid string, end time.Time) bool {
	return slices.Contains(m.Told, endOf(uid, end))
}

// odd notes whether a run of the archive could be read.
func (m *memory) odd(uid string, yes bool) {
	i := slices.Index(m.Odd, uid)
	switch {
	case yes && i < 0 && len(m.Odd) < maxOdd:
		m.Odd = append(m.Odd, uid)
	case !yes && i >= 0:
		m.Odd = slices.Delete(m.Odd, i, i+1)
	}
}

// without notes that what runs of the namespace are for could not be asked.
func (m *memory) without(kind, ns string) {
	if slices.Contains(m.Without[kind], ns) {
		return
	}
	if m.Without == nil {
		m.Without = map[string][]string{}
	}
	m.Without[kind] = append(m.Without[kind], ns)
}

// hear notes that a template or schedule said what it is for.
func (m *memory) hear(key string) {
	if m.heard == nil {
		m.heard = map[string]bool{}
	}
	m.heard[key] = true
}

// says keeps what a template or schedule says that it is for; "" for nothing. It
// reports false when there is no room.
func (m *memory) says(key, purpose string) bool {
	if purpose == "" {
		delete(m.For, key)
		return true
	}
	if m.For == nil {
		m.For = map[string]string{}
	}
	if _, ok := m.For[key]; !ok && len(m.For) >= maxFor {
		return false
	}
	m.For[key] = purpose
	return true
}

// endOf is enough of the end of a run to know it again.
func endOf(uid string, end time.Time) string {
	h := sha256.Sum256([]byte(uid + "@" + evidence.FormatTime(end)))
	return hex.EncodeToString(h[:6])
}

// odds is how many runs of the archive could not be read.
func (m *memory) odds() int { return len(m.Odd) + m.unnamed }
