package store

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

// Anchored is what somebody else holds of a log: its size and root at a
// moment. How it came about (a receipt, a time-stamp, a witness) is checked by
// whoever makes the value; an anchor that tells no root is none.
type Anchored struct {
	Rung int           `json:"rung"` // of the ladder: 1 a receipt, 2 a copy elsewhere, ... 5 a witness
	Name string        `json:"name"` // who holds it, as reports print it
	Size uint64        `json:"size"`
	Root evidence.Hash `json:"root"`
	// NotAfter is the moment at which the holder had it, by a clock that is not
	// the log's; zero when the anchor tells no time.
	NotAfter time.Time `json:"not_after,omitzero"`
}

// Kept is a signed checkpoint that somebody kept elsewhere, unopened: it counts
// as an anchor of rung 1 once it is the log's own key that signed it.
type Kept struct {
	Name   string `json:"name"` // of the file, as reports print it
	Signed []byte `json:"signed"`
}

// Origin is the log that the note is about, by its own word.
func (k Kept) Origin() string {
	first, _, _ := bytes.Cut(k.Signed, []byte("\n"))
	return string(first)
}

// Report is the outcome of a verification of one log. Each field answers one
// question; none stands for another. Verdicts puts the answers into words.
type Report struct {
	Tenant evidence.Tenant `json:"tenant,omitzero"`
	Origin string          `json:"origin"`
	Size   uint64          `json:"size"`
	Root   evidence.Hash   `json:"root"`
	Clock  string          `json:"clock"`

	// From is the first record that was read: 0, or where the log begins since
	// segments were retired, or with Since where the last verification ended.
	From    uint64 `json:"from"`
	Since   *Since `json:"since,omitempty"`
	Records uint64 `json:"records"` // verified
	Claims  uint64 `json:"claims"`  // ciphertexts whose hash is the leaf's
	Tiles   uint64 `json:"tiles"`   // stored tree tiles that are the records'
	Deep    bool   `json:"deep"`
	Opened  uint64 `json:"opened"`  // claims opened and matched to their commitment (deep)
	Erased  uint64 `json:"erased"`  // claims closed by an erasure record (deep)
	Missing uint64 `json:"missing"` // claims whose key is gone without one (deep)

	SignedBy    string `json:"signed_by"`   // the log key: name and hash
	Checkpoints int    `json:"checkpoints"` // stored ones of that key that fit
	// Unchecked counts stored checkpoints that fit the records, of a log without
	// keys: an earlier log key may have signed them, which only its records tell.
	Unchecked int `json:"unchecked,omitempty"`
	// Untold is the first record kept, of a log without keys: that those before
	// were retired only its records tell.
	Untold   uint64 `json:"untold,omitempty"`
	Signed   uint64 `json:"signed_size"` // newest checkpoint's size
	Unsigned uint64 `json:"unsigned"`    // records after it

	// Anchors are the given anchors that this log extends, by rising size.
	Anchors []Anchored `json:"anchors,omitempty"`
	// Asked is how many anchors were given.
	Asked      int       `json:"anchors_asked"`
	Unanchored uint64    `json:"unanchored"` // records after the newest of Anchors
	Brackets   []Bracket `json:"brackets,omitempty"`
	First      time.Time `json:"first,omitzero"` // record times, by the log's own clock
	Last       time.Time `json:"last,omitzero"`

	Indexed    uint64   `json:"indexed"`
	Failures   []string `json:"failures,omitempty"` // what is wrong, at most 20
	MoreFailed int      `json:"more_failures,omitempty"`

	failed [faults]int // failures by the verdict that they are about
}

// Bracket bounds when a range of records was appended, by the clocks of two
// anchors: the older anchor's tree does not hold them yet, the newer one's does.
type Bracket struct {
	From       uint64    `json:"from"`
	To         uint64    `json:"to"` // half-open
	NotEarlier time.Time `json:"not_earlier,omitzero"`
	NotLater   time.Time `json:"not_later,omitzero"`
	// Ahead says that records of the range claim a time after NotLater: the
	// log's clock ran ahead of the anchor's.
	Ahead bool `json:"ahead,omitempty"`
}

// What a failure is about.
const (
	ofIntegrity = iota
	ofCompleteness
	ofSignatures
	faults
)

// OK reports whether nothing is wrong. That nothing is wrong does not say that
// the log is complete: see Verdicts.
func (r *Report) OK() bool { return len(r.Failures) == 0 && r.Missing == 0 }

func (r *Report) fail(about int, format string, args ...any) {
	r.failed[about]++
	if len(r.Failures) == 20 {
		r.MoreFailed++
		return
	}
	r.Failures = append(r.Failures, fmt.Sprintf(format, args...))
}

// Verdict is one answer of a report.
type Verdict struct {
	About string `json:"about"` // integrity, completeness, tail, time, claims, signatures
	Word  string `json:"word"`  // from a fixed list of each
	Says  string `json:"says"`
	Bad   bool   `json:"bad,omitempty"`
}

// Verdicts are the separate answers: whether what is there is what was
// recorded, whether all that was recorded is there, what no anchor covers yet,
// between which moments records were appended, which claims cannot be opened,
// and whose signatures were accepted.
func (r *Report) Verdicts() []Verdict {
	return []Verdict{r.integrity(), r.completeness(), r.tail(), r.bracketed(), r.claims(), r.signatures()}
}

func (r *Report) integrity() Verdict {
	v := Verdict{About: "integrity", Word: "ok"}
	switch {
	case r.failed[ofIntegrity] > 0:
		v.Word, v.Bad = "failed", true
		v.Says = fmt.Sprintf("%s wrong in %s", plural(r.failed[ofIntegrity], "thing is", "things are"), r.covered())
	case r.Since != nil:
		v.Says = fmt.Sprintf("%s: leaves, chain, tree and ciphertexts agree; records before %d were verified earlier", r.covered(), r.From)
	default:
		v.Says = r.covered() + ": leaves, chain, tree and ciphertexts agree"
	}
	if r.Untold > 0 {
		v.Says += fmt.Sprintf("; those before %d are not here: whether they were retired stands in records that only the keyring opens", r.Untold)
	}
	return v
}

func (r *Report) covered() string {
	if r.Size == 0 {
		return "an empty log"
	}
	if r.From >= r.Size {
		return "no new record"
	}
	return fmt.Sprintf("records %d to %d", r.From, r.Size-1)
}

func (r *Report) completeness() Verdict {
	v := Verdict{About: "completeness", Word: "not shown"}
	switch {
	case r.failed[ofCompleteness] > 0:
		v.Word, v.Bad = "failed", true
		v.Says = fmt.Sprintf("this is not the log that %s", plural(r.failed[ofCompleteness], "anchor knows", "anchors know"))
	case r.Asked == 0:
		v.Says = "no anchor was given: that nothing was cut off or written anew is shown only against this log's own checkpoints"
	case len(r.Anchors) == 0:
		v.Says = "no anchor could be compared"
	default:
		a := r.Anchors[len(r.Anchors)-1]
		v.Word = "shown"
		v.Says = fmt.Sprintf("up to size %d, by %s (rung %d)", a.Size, a.Name, a.Rung)
		if !a.NotAfter.IsZero() {
			v.Says += " of " + evidence.FormatTime(a.NotAfter)
		}
	}
	return v
}

func (r *Report) tail() Verdict {
	v := Verdict{About: "tail", Word: "unanchored", Says: fmt.Sprintf("%s after the newest anchor", plural(int(r.Unanchored), "record", "records"))}
	switch {
	case len(r.Anchors) == 0:
		v.Says = "no anchor covers any record"
	case r.Unanchored == 0:
		v.Word, v.Says = "anchored", "the newest anchor covers the last record"
	}
	return v
}

func (r *Report) bracketed() Verdict {
	v := Verdict{About: "time", Word: "not bracketed", Says: "record times are the log's own word: no anchor tells a time"}
	if len(r.Brackets) == 0 {
		return v
	}
	first, last := r.Brackets[0], r.Brackets[len(r.Brackets)-1]
	v.Word = "bracketed"
	v.Says = fmt.Sprintf("%s; records before %d not later than %s", plural(len(r.Brackets), "bracket", "brackets"), first.To, evidence.FormatTime(first.NotLater))
	if last.NotLater.IsZero() {
		v.Says += fmt.Sprintf(", records from %d on not in the tree of %s", last.From, evidence.FormatTime(last.NotEarlier))
	}
	if n := countAhead(r.Brackets); n > 0 {
		v.Word = "ahead"
		v.Says += fmt.Sprintf("; in %s the log's clock ran ahead of the anchor's", plural(n, "bracket", "brackets"))
	}
	return v
}

func countAhead(bs []Bracket) int {
	n := 0
	for _, b := range bs {
		if b.Ahead {
			n++
		}
	}
	return n
}

func (r *Report) claims() Verdict {
	v := Verdict{About: "claims", Word: "sealed", Says: "not opened: their ciphertexts are what was sealed"}
	switch {
	case !r.Deep:
	case r.Missing > 0:
		v.Word, v.Bad = "missing", true
		v.Says = fmt.Sprintf("%s without key and without erasure record; %d erased, %d opened", plural(int(r.Missing), "claim", "claims"), r.Erased, r.Opened)
	case r.Erased > 0:
		v.Word = "erased"
		v.Says = fmt.Sprintf("%s erased, as an erasure record says; %d opened and matched", plural(int(r.Erased), "claim", "claims"), r.Opened)
	default:
		v.Word, v.Says = "opened", fmt.Sprintf("%s opened and matched", plural(int(r.Opened), "claim", "claims"))
	}
	return v
}

func (r *Report) signatures() Verdict {
	v := Verdict{About: "signatures", Word: "ok"}
	v.Says = fmt.Sprintf("%s signed by %s alone, the newest at size %d", plural(r.Checkpoints, "checkpoint", "checkpoints"), r.SignedBy, r.Signed)
	switch {
	case r.failed[ofSignatures] > 0:
		v.Word, v.Bad = "failed", true
		v.Says = fmt.Sprintf("%s not accepted; %s", plural(r.failed[ofSignatures], "checkpoint is", "checkpoints are"), v.Says)
	case r.Checkpoints == 0 && r.Since == nil:
		v.Word, v.Says = "none", "no checkpoint was signed yet"
	}
	if r.Unchecked > 0 {
		v.Says += fmt.Sprintf("; %s fit the records by root, signed by an earlier key that only the keyring tells: not checked", plural(r.Unchecked, "older one", "older ones"))
	}
	if r.Unsigned > 0 {
		v.Says += fmt.Sprintf("; %s after it not signed yet", plural(int(r.Unsigned), "record", "records"))
	}
	return v
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// anchored takes the anchors that fit, with the record time that the log gives
// each one's last record, and derives tail and brackets.
func (r *Report) anchored(fit []mark) {
	slices.SortStableFunc(fit, func(a, b mark) int {
		switch {
		case a.size < b.size:
			return -1
		case a.size > b.size:
			return 1
		}
		return a.anchor.Rung - b.anchor.Rung
	})
	for _, m := range fit {
		r.Anchors = append(r.Anchors, *m.anchor)
	}
	r.Unanchored = r.Size
	if n := len(fit); n > 0 {
		r.Unanchored -= fit[n-1].size
	}
	r.Brackets = brackets(fit, r.Size)
}

// brackets makes the bounds from the anchors that tell a time. One that was
// made later than another of a larger or equal size bounds nothing more.
func brackets(fit []mark, size uint64) []Bracket {
	var timed []mark
	for _, m := range slices.Backward(fit) {
		if m.anchor.NotAfter.IsZero() {
			continue
		}
		if n := len(timed); n > 0 && !m.anchor.NotAfter.Before(timed[n-1].anchor.NotAfter) {
			continue
		}
		if n := len(timed); n > 0 && m.size == timed[n-1].size {
			timed[n-1] = m
			continue
		}
		timed = append(timed, m)
	}
	slices.Reverse(timed)
	var out []Bracket
	var from uint64
	var after time.Time
	for _, m := range timed {
		if m.size > from {
			out = append(out, Bracket{From: from, To: m.size, NotEarlier: after, NotLater: m.anchor.NotAfter, Ahead: m.recorded.After(m.anchor.NotAfter)})
		}
		from, after = m.size, m.anchor.NotAfter
	}
	if len(timed) > 0 && size > from {
		out = append(out, Bracket{From: from, To: size, NotEarlier: after})
	}
	return out
}
