// Package doctor examines every configured source with its own credential and
// says what can be read of it, what is missing and which permission would give
// it, what the credential may do beyond reading, and how far back the source
// still tells. It collects nothing and changes nothing.
package doctor

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Source is one configured source. Collector is a fresh one that nobody else
// uses; Err says why there is none.
type Source struct {
	Name      evidence.SourceID
	Type      string
	Schedule  string
	Paused    string // why it is not looked at; "" when it is
	Collector collectors.Collector
	Err       error
}

// Report says how each source stands.
type Report struct {
	At      time.Time  `json:"at"`
	Sources []Examined `json:"sources"`
	// Files are those with secrets that others may read. They are warnings.
	Files []File `json:"exposed_files,omitempty"`
}

// File is one file with a secret that somebody beside the daemon may read.
type File struct {
	Field string `json:"field"` // of the configuration
	File  string `json:"file"`
	Mode  string `json:"mode"` // octal
	By    string `json:"read_by"`
	Hint  string `json:"hint"`
}

// Verdict is the state of one source in a word.
type Verdict string

// The verdicts, worst first.
const (
	Unreached Verdict = "not-reached" // it did not answer, or refused the credential
	Unusable  Verdict = "unusable"    // its configuration makes no collector
	Partly    Verdict = "partly-read" // some right is missing
	Unasked   Verdict = "not-told"    // this type of source cannot be examined
	Readable  Verdict = "readable"    // everything that is there can be read
)

// Examined is one source and what was found.
type Examined struct {
	Source   evidence.SourceID `json:"source"`
	Type     string            `json:"type"`
	Schedule string            `json:"schedule,omitempty"`
	Paused   string            `json:"paused,omitempty"`
	Verdict  Verdict           `json:"verdict"`
	Why      string            `json:"why,omitempty"` // of a source that is not reached or not usable
	Hint     string            `json:"hint,omitempty"`
	Warnings []string          `json:"warnings,omitempty"`
	Identity string            `json:"identity,omitempty"`
	Version  string            `json:"version,omitempty"`
	Expires  *time.Time        `json:"expires,omitempty"`
	OffsetMS *int64            `json:"clock_offset_ms,omitempty"`
	Rights   []Right           `json:"rights,omitempty"`
	Oldest   []Oldest          `json:"oldest,omitempty"`
	Requests int               `json:"requests"`
}

// Right is one right as it stands.
type Right struct {
	Name   string            `json:"name"`
	Access collectors.Access `json:"access"`
	Kinds  []evidence.Kind   `json:"kinds,omitempty"`
	Hint   string            `json:"hint,omitempty"`
}

// Oldest is how far back a source still tells of something; At is nil when it
// holds nothing.
type Oldest struct {
	What string     `json:"what"`
	At   *time.Time `json:"at,omitempty"`
	Kept string     `json:"kept,omitempty"`
}

const (
	// expiresSoon is when an ending credential is worth a warning.
	expiresSoon = 14 * 24 * time.Hour
	// offsetLimit is the clock difference that makes the order of events across
	// sources doubtful.
	offsetLimit = 5 * time.Minute
)

// Examine examines the sources at the same time, each for at most limit. The
// order of the report is that of the sources.
func Examine(ctx context.Context, clock func() time.Time, sources []Source, limit time.Duration) *Report {
	r := &Report{At: clock().UTC(), Sources: make([]Examined, len(sources))}
	var wg sync.WaitGroup
	for i, s := range sources {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			r.Sources[i] = examine(ctx, r.At, s, limit)
		})
	}
	wg.Wait()
	return r
}

func examine(ctx context.Context, now time.Time, s Source, limit time.Duration) (x Examined) {
	x = Examined{Source: s.Name, Type: s.Type, Schedule: s.Schedule, Paused: s.Paused}
	if s.Err != nil {
		x.Verdict, x.Why, x.Hint = Unusable, s.Err.Error(), hintOf(s.Err)
		return x
	}
	e, ok := s.Collector.(collectors.Examiner)
	if !ok {
		x.Verdict, x.Why = Unasked, "this type of source tells nothing of its rights"
		return x
	}
	found, err := guarded(ctx, e)
	if err != nil {
		x.Verdict, x.Why, x.Hint = Unreached, err.Error(), hintOf(err)
		if ctx.Err() == context.DeadlineExceeded {
			x.Why = fmt.Sprintf("no answer within %s: %v", limit, err)
		}
		return x
	}
	x.take(found, now)
	return x
}

// guarded turns a panic of a collector into its error: one broken source must
// not hide the others.
func guarded(ctx context.Context, e collectors.Examiner) (found collectors.Examination, err error) {
	defer func() {
		if p := recover(); p != nil {
			// The value may hold what was being read; its type and place do not.
			err = problem.New(problem.Internal, "the collector panicked (%T) at %s", p, place(debug.Stack()))
		}
	}()
	return e.Examine(ctx)
}

// place is the line of a stack in which the panic began.
func place(stack []byte) string {
	lines := strings.Split(string(stack), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "panic(") && i+3 < len(lines) {
			file, _, _ := strings.Cut(strings.TrimSpace(lines[i+3]), " +0x")
			return file[strings.LastIndexByte(file, '/')+1:]
		}
	}
	return "an unknown place"
}

func (x *Examined) take(found collectors.Examination, now time.Time) {
	x.Verdict, x.Identity, x.Version, x.Requests = Readable, found.Identity, found.Version, found.Requests
	for _, r := range found.Rights {
		x.Rights = append(x.Rights, Right{r.Name, r.Access, r.Kinds, r.Hint})
		switch r.Access {
		case collectors.Missing:
			x.Verdict = Partly
		case collectors.Excess:
			x.warn("the credential may do more than read: %s", r.Name)
		}
	}
	slices.SortStableFunc(x.Rights, func(a, b Right) int { return rank(a.Access) - rank(b.Access) })
	for _, o := range found.Oldest {
		one := Oldest{What: o.What, Kept: o.Kept}
		if !o.At.IsZero() {
			at := o.At.UTC()
			one.At = &at
		}
		x.Oldest = append(x.Oldest, one)
	}
	if !found.Expires.IsZero() {
		at := found.Expires.UTC()
		x.Expires = &at
		switch left := at.Sub(now); {
		case left <= 0:
			x.warn("the credential has expired")
		case left < expiresSoon:
			x.warn("the credential expires in %s", days(left))
		}
	}
	if found.OffsetOK {
		ms := found.Offset.Milliseconds()
		x.OffsetMS = &ms
		if found.Offset.Abs() > offsetLimit {
			x.warn("its clock is %s: the order of events across sources cannot be told", off(found.Offset))
		}
	}
}

func (x *Examined) warn(format string, args ...any) {
	x.Warnings = append(x.Warnings, fmt.Sprintf(format, args...))
}

// rank orders rights: what needs somebody comes first.
func rank(a collectors.Access) int {
	return slices.Index([]collectors.Access{collectors.Missing, collectors.Excess, collectors.Untold, collectors.Absent, collectors.Readable}, a)
}

func hintOf(err error) string {
	var hints []string
	for p := problem.Of(err); p != nil; p = problem.Of(p.Cause) {
		if p.Hint != "" && !slices.Contains(hints, p.Hint) {
			hints = append(hints, p.Hint)
		}
		if p.Cause == nil {
			break
		}
	}
	return strings.Join(hints, "; ")
}

// Whole reports whether every source that is not paused is read in full. A type
// that cannot be examined counts as read.
func (r *Report) Whole() bool { return len(r.needy()) == 0 }

// Err is nil when the report is whole; else it says how many sources are not
// read in full.
func (r *Report) Err() error {
	if n := len(r.needy()); n > 0 {
		return problem.New(problem.Incomplete, "%d of %d sources are not read in full", n, len(r.Sources)).
			WithHint("the lines above say what is missing; until it is there, the evidence has a hole that coverage shows")
	}
	return nil
}

// needy are the sources that somebody must see to.
func (r *Report) needy() []Examined {
	var out []Examined
	for _, x := range r.Sources {
		if x.Paused == "" && (x.Verdict == Unreached || x.Verdict == Unusable || x.Verdict == Partly) {
			out = append(out, x)
		}
	}
	return out
}
