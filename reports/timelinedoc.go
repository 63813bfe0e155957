package reports

import (
	"time"

	"evidenced/evidence"
)

// TimelineDoc is a timeline as a document of its own. Everything in it is
// foreign text but the words of the document.
type TimelineDoc struct {
	Title     string
	Lead      string      // a sentence below it
	Owner     string      // in the header of each page
	Span      string      // the window, in the header too
	Marks     []string    // such as DEMONSTRATION
	Facts     [][2]string // name and value, above the picture
	Program   string
	Generated time.Time
	TimelinePart
}

// TimelinePart is what a timeline draws: a lane for each source over the
// period, then the lines by day.
type TimelinePart struct {
	Period   evidence.Period
	Families []TimelineFamily
	Lanes    []TimelineLane
	MoreLane int // sources that have no lane
	Days     []TimelineDay
	Records  int // told, those that a line stands for counted each
	Gaps     int // blind windows
	Left     int // lines that are not among Days
}

// TimelineFamily is what kinds of records are about.
type TimelineFamily struct {
	Title string
	Lines int
}

// TimelineLane is how much one source told when, by family, and where it was
// not seen. Counts are stretches of equal length that fill the period; one in
// which nothing was told is nil.
type TimelineLane struct {
	Source string
	Counts [][]int
	Blind  []evidence.Period
}

// TimelineDay is the lines of one UTC day.
type TimelineDay struct {
	Day   time.Time
	Lines []TimelineLine
}

// TimelineLine is one line.
type TimelineLine struct {
	At     time.Time
	Mark   string // "~" when we saw it, "?" as claimed
	Record uint64
	Blind  bool // a blind window: there is no record
	Says   string
	Times  string // of like records told once: how many until when
	After  string // earlier records about the same things
	Source string
	Family int
}
