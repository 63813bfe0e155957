package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"evidenced/evidence"
	"evidenced/reports"
)

// Terminal says what a stream can show.
type Terminal struct {
	Is     bool // a terminal, not a file or a pipe
	Width  int  // columns; 0 when unknown
	Colour bool // escape sequences are welcome
}

// Look finds out about a stream. Colour is for terminals alone, never when
// NO_COLOR is set to anything (no-color.org) or TERM is dumb.
func Look(w io.Writer, getenv func(string) string) Terminal {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return Terminal{}
	}
	t := Terminal{Is: true, Colour: getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		t.Width = width
	}
	return t
}

// Style returns how reports are written to the terminal.
func (t Terminal) Style(zone *time.Location) reports.Style {
	return reports.Style{Width: t.Width, Colour: t.Colour, Zone: zone}
}

// safeLine makes one line safe for a terminal; its indent stays.
func safeLine(s string) string {
	rest := strings.TrimLeft(s, " \t")
	indent := strings.ReplaceAll(s[:len(s)-len(rest)], "\t", "  ")
	return indent + reports.Terminal(rest)
}

// Progress is a bar on a terminal; on anything else it prints nothing. Call
// Done when the work has ended, also after an error.
type Progress struct {
	group *mpb.Progress
	bar   *mpb.Bar
}

// NewProgress begins a bar with a name on the stream.
func NewProgress(w io.Writer, t Terminal, name string) *Progress {
	if !t.Is {
		return &Progress{}
	}
	g := mpb.New(mpb.WithOutput(w), mpb.WithWidth(max(20, min(t.Width, 100))), mpb.WithAutoRefresh())
	bar := g.New(0, mpb.BarStyle().Lbound("[").Filler("#").Tip("#").Padding("-").Rbound("]"),
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(safeLine(name)+" ")),
		mpb.AppendDecorators(decor.NewPercentage("% d", decor.WCSyncSpace), decor.Name(" "), decor.AverageETA(decor.ET_STYLE_GO)))
	return &Progress{g, bar}
}

// Set says how much of the work is done. It may be called often.
func (p *Progress) Set(done, total uint64) {
	if p.bar == nil {
		return
	}
	p.bar.SetTotal(int64(max(total, 1)), false)
	p.bar.SetCurrent(int64(done))
}

// Done takes the bar away.
func (p *Progress) Done() {
	if p.bar == nil {
		return
	}
	p.bar.Abort(true)
	p.group.Wait()
	p.bar = nil
}

// Waiting is a line on a terminal that says which sources are still waited for,
// and since when; on anything else it prints nothing. Call Done when the work
// has ended, also after an error.
type Waiting struct {
	group *mpb.Progress
	bar   *mpb.Bar
	begun time.Time

	mu   sync.Mutex
	left []evidence.SourceID
}

// NewWaiting begins the line on the stream.
func NewWaiting(w io.Writer, t Terminal) *Waiting {
	p := &Waiting{begun: time.Now()}
	if !t.Is {
		return p
	}
	p.group = mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh())
	p.bar = p.group.New(1, mpb.NopStyle(), mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Any(func(decor.Statistics) string {
		p.mu.Lock()
		defer p.mu.Unlock()
		return waitingFor(p.left, time.Since(p.begun), max(20, t.Width-1))
	})))
	return p
}

// For says what is waited for from now on. Any goroutine may call it.
func (p *Waiting) For(left []evidence.SourceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = left
}

// Done takes the line away.
func (p *Waiting) Done() {
	if p.bar == nil {
		return
	}
	p.bar.Abort(true)
	p.group.Wait()
	p.bar = nil
}

// waitingFor is the line, in at most width columns.
func waitingFor(left []evidence.SourceID, since time.Duration, width int) string {
	if len(left) == 0 {
		return "" // what is left to do is ours
	}
	names := make([]string, len(left))
	for i, s := range left {
		names[i] = string(s)
	}
	return reports.CutText(fmt.Sprintf("%d s, waiting for %s: %s", int(since.Seconds()), reports.Count(len(left), "source"), safeLine(strings.Join(names, ", "))), width)
}
