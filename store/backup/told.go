package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/store"
)

// told is what _platform tells of the other logs, where its claims open. It was
// copied first, so that no log is older than _platform knows it: nobody signs the
// manifest, and who changes a backup could leave a log out, or bring an old one.
type told struct {
	heads map[string]evidence.LogHead // the newest checkpoint of each, by origin
	ended map[string]bool             // that were taken off, by origin
	seen  []string                    // logs that were checked before it was told of them
	ends  map[string]*end             // that another log continues, by origin
	owed  []owed
}

// end is how a log ended that another one continues.
type end struct {
	evidence.LogEnd
	by     string // origin of the log that continues it
	told   bool   // its genesis says so too
	sure   bool   // and it verifies, by a checkpoint
	left   uint64 // records that were there when it was accepted
	signed uint64 // the most records it was compared with then
}

// owed is where a log is not what _platform knows of it. The log that continues it
// is checked later, and may tell that.
type owed struct {
	v     *Verdict
	size  uint64 // that _platform knows
	wrong string
}

// endsOf reads the ends of logs from the keys of those that continue them: there
// they are kept sealed for the genesis, which must say the same.
func endsOf(logs []Log, keys func(string) (store.TenantKeys, bool)) map[string]*end {
	out := map[string]*end{}
	if keys == nil {
		return out
	}
	for _, l := range logs {
		tk, _ := keys(l.ID)
		k, ok := tk.(interface{ Continues() []byte })
		if !ok {
			continue
		}
		e := &end{by: l.Origin}
		if json.Unmarshal(k.Continues(), &e.LogEnd) == nil { // nothing: a tenant's first
			out[e.Origin] = e
		}
	}
	return out
}

// tells reports whether the log that continues this one tells that a copy with so
// many records does not hold what was signed at the size. What else that log was
// held against, and what was left, it must hold still.
func (e *end) tells(size, have uint64) bool {
	return e != nil && e.sure && e.Lost != nil && size > e.Size && size <= max(e.Lost.Size, e.signed) &&
		have >= max(e.Size, e.left) && (size > have || e.Lost.Size <= have)
}

// settle tells what is wrong with logs and is told by no other.
func (t *told) settle(vs []Verdict) {
	for _, e := range t.ends {
		e.sure = e.told && !slices.ContainsFunc(vs, func(v Verdict) bool { return v.Origin == e.by && (len(v.Failures) > 0 || v.Signed == 0) })
	}
	for _, o := range t.owed {
		if e := t.ends[o.v.Origin]; e.tells(o.size, o.v.Size) {
			continue
		}
		i := slices.IndexFunc(vs, func(v Verdict) bool { return v.Origin == o.v.Origin })
		vs[i].fail("%s", o.wrong)
	}
}

// missing names the logs that are not as they must be by what was told.
func (t *told) missing(logs []Log) (failures []string) {
	for _, origin := range slices.Sorted(maps.Keys(t.heads)) {
		switch there := slices.ContainsFunc(logs, func(l Log) bool { return l.Origin == origin }); {
		case !there && !t.ended[origin] && !t.ends[origin].tells(t.heads[origin].Size, 0):
			failures = append(failures, fmt.Sprintf("log %s, of which _platform knows %d records, is not in the backup", origin, t.heads[origin].Size))
		case slices.Contains(t.seen, origin):
			failures = append(failures, fmt.Sprintf("log %s stands before that of _platform, and was not compared with what that knows of it", origin))
		}
	}
	return failures
}

// known takes in what _platform tells of the log, and the log that continues it.
func (c *checker) known(size uint64) {
	switch e := c.told.ends[c.log.Origin]; {
	case e == nil || e.Size == 0:
	case e.Size > size:
		c.v.fail("the log that continues it knows %d records of it: the %d of the backup are older, or their end is lost", e.Size, size)
	default:
		c.roots[e.Size] = append(c.roots[e.Size], source{name: "its checkpoint in the log that continues it", root: e.Root})
		c.v.Compared = append(c.v.Compared, fmt.Sprintf("the log that continues it (size %d)", e.Size))
	}
	h, ok := c.told.heads[c.log.Origin]
	switch {
	case !ok:
		c.told.seen = append(c.told.seen, c.log.Origin)
	case h.Size > size:
		c.told.owed = append(c.told.owed, owed{c.v, h.Size, fmt.Sprintf("_platform knows %d records of it: the %d of the backup are older, or their end is lost", h.Size, size)})
	default:
		c.roots[h.Size] = append(c.roots[h.Size], source{name: "its checkpoint in _platform", root: h.Root, known: true})
		c.v.Compared = append(c.v.Compared, fmt.Sprintf("_platform (size %d)", h.Size))
	}
}

// differs tells that a tree over the records is not the one that was signed.
func (c *checker) differs(size uint64, s source) {
	wrong := fmt.Sprintf("the first %d records are not those that %s signed", size, s.name)
	if s.known {
		c.told.owed = append(c.told.owed, owed{c.v, size, wrong})
		return
	}
	c.v.fail("%s", wrong)
}

// end is how the log before this one ended; nil for a tenant's first.
func (c *checker) end() *end {
	for _, e := range c.told.ends {
		if e.by == c.log.Origin {
			return e
		}
	}
	return nil
}

// before holds what the log tells of the one before it against its keys.
func (c *checker) before(lf *chain.Leaf, plain []byte) error {
	e := c.end()
	if e == nil {
		return nil
	}
	switch lf.Kind {
	case evidence.LogGenesis:
		var x struct {
			Facts evidence.GenesisFacts `json:"facts"`
		}
		if err := json.Unmarshal(plain, &x); err != nil {
			return err
		}
		if !reflect.DeepEqual(x.Facts.Predecessor, &e.LogEnd) {
			return errors.New("the log begins after another one than its keys say")
		}
		e.told, c.v.Continues = true, &e.LogEnd
	case evidence.LogRecovered:
		var x struct {
			Facts evidence.RecoveredFacts `json:"facts"`
		}
		if err := json.Unmarshal(plain, &x); err != nil {
			return err
		}
		if x.Facts.Outcome != "continued" {
			return nil
		}
		e.left = x.Facts.Size
		for _, k := range x.Facts.Compared {
			e.signed = max(e.signed, k.Size)
		}
	}
	return nil
}

// learn keeps what a record of _platform says of other logs.
func (t *told) learn(kind evidence.Kind, plain []byte) error {
	var x struct {
		Facts struct {
			Logs    []evidence.LogHead    `json:"logs"` // of log.checkpoints
			Step    evidence.OffboardStep `json:"step"` // of tenant.offboard
			Origin  string                `json:"origin"`
			Earlier []string              `json:"earlier"`
		} `json:"facts"`
	}
	switch kind {
	case evidence.LogCheckpoints, evidence.TenantOffboard:
	default:
		return nil
	}
	if err := json.Unmarshal(plain, &x); err != nil {
		return err
	}
	if kind == evidence.TenantOffboard {
		if x.Facts.Step == evidence.OffboardCut || x.Facts.Step == evidence.OffboardExport {
			return nil // the log is still there
		}
		for _, origin := range append(x.Facts.Earlier, x.Facts.Origin) {
			t.ended[origin] = true
		}
		return nil
	}
	for _, h := range x.Facts.Logs {
		if t.heads[h.Origin].Size < h.Size {
			t.heads[h.Origin] = h
		}
	}
	return nil
}

// maxCiphers bounds the ciphers kept ready.
const maxCiphers = 4096
