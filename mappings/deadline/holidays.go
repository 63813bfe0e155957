package deadline

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"time"
	_ "time/tzdata" // limits are local days, also in a container without zones

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/be"
	"github.com/rickar/cal/v2/bg"
	"github.com/rickar/cal/v2/cz"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/dk"
	"github.com/rickar/cal/v2/es"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gr"
	"github.com/rickar/cal/v2/hr"
	"github.com/rickar/cal/v2/ie"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/lt"
	"github.com/rickar/cal/v2/lv"
	"github.com/rickar/cal/v2/nl"
	"github.com/rickar/cal/v2/no"
	"github.com/rickar/cal/v2/pl"
	"github.com/rickar/cal/v2/ro"
	"github.com/rickar/cal/v2/se"
	"github.com/rickar/cal/v2/si"
	"github.com/rickar/cal/v2/sk"
	"go.yaml.in/yaml/v3"

	"evidenced/evidence/problem"
)

// state is what is known of a state of the European Economic Area: the zone of
// its authorities and, where the library has one, its national holidays.
// Holidays of a region, of a town or of banks alone are in no list: fewer days
// make an earlier limit.
type state struct {
	zone string
	days []*cal.Holiday
}

// states are the 27 Member States and Iceland, Liechtenstein and Norway, by
// ISO 3166 code. The days of those that the library has no list of stand in
// national.yaml.
var states = map[string]state{
	"AT": {"Europe/Vienna", at.Holidays}, "BE": {"Europe/Brussels", be.Holidays}, "BG": {"Europe/Sofia", bg.Holidays},
	"CY": {"Asia/Nicosia", nil}, "CZ": {"Europe/Prague", cz.Holidays}, "DE": {"Europe/Berlin", de.Holidays},
	"DK": {"Europe/Copenhagen", dk.Holidays}, "EE": {"Europe/Tallinn", nil}, "ES": {"Europe/Madrid", es.Holidays},
	"FI": {"Europe/Helsinki", nil}, "FR": {"Europe/Paris", fr.Holidays}, "GR": {"Europe/Athens", gr.Holidays},
	"HR": {"Europe/Zagreb", hr.Holidays}, "HU": {"Europe/Budapest", nil}, "IE": {"Europe/Dublin", ie.Holidays},
	"IS": {"Atlantic/Reykjavik", nil}, "IT": {"Europe/Rome", it.Holidays}, "LI": {"Europe/Vaduz", nil},
	"LT": {"Europe/Vilnius", lt.Holidays}, "LU": {"Europe/Luxembourg", nil}, "LV": {"Europe/Riga", lv.Holidays},
	"MT": {"Europe/Malta", nil}, "NL": {"Europe/Amsterdam", nl.Holidays}, "NO": {"Europe/Oslo", no.Holidays},
	"PL": {"Europe/Warsaw", pl.Holidays}, "PT": {"Europe/Lisbon", nil}, "RO": {"Europe/Bucharest", ro.Holidays},
	"SE": {"Europe/Stockholm", se.Holidays}, "SI": {"Europe/Ljubljana", si.Holidays}, "SK": {"Europe/Bratislava", sk.Holidays},
}

// library names the edition of the national holidays. A changed list must
// change it: answers record it.
const library = "rickar/cal v2.1.13"

// national are the holidays of the states that the library has none of,
// corrections what its edition has wrong, both in the form of a user's file.
var (
	//go:embed national.yaml
	national []byte
	//go:embed corrections.yaml
	corrections []byte
)

// Calendars knows the days on which a state does not work: Saturdays, Sundays
// and holidays. The zero value is not usable; [Builtin] and [WithFile] make
// one. It never changes and may be used by several goroutines.
type Calendars struct {
	version string
	edits   []map[string]edit
}

// edit is what a file changes of one state.
type edit struct {
	Zone   string `yaml:"zone"`
	Add    []day  `yaml:"add"`
	Remove []day  `yaml:"remove"`
}

// day names one day, or one of each year: exactly one of the first four.
type day struct {
	Date     string `yaml:"date"`     // 2026-12-24
	Yearly   string `yaml:"yearly"`   // 12-24
	Easter   *int   `yaml:"easter"`   // days after Easter Sunday, negative before
	Orthodox *int   `yaml:"orthodox"` // as easter, by the Julian calendar
	From     int    `yaml:"from"`     // first year; 0: always
	Until    int    `yaml:"until"`    // last year; 0: for ever
	Name     string `yaml:"name"`
}

// file is a user's holiday file.
type file struct {
	Version string          `yaml:"version"`
	States  map[string]edit `yaml:"states"`
}

// MaxFile is the longest holiday file, in bytes.
const MaxFile = 1 << 20

// Further limits on a holiday file.
const (
	maxDepth = 32
	maxDays  = 2000 // of one state
)

// Builtin returns the calendars of the library with its known mistakes
// corrected and the states that it lacks.
func Builtin() *Calendars {
	c := &Calendars{version: library}
	for _, f := range []struct {
		name string
		data []byte
	}{{"national.yaml", national}, {"corrections.yaml", corrections}} {
		var err error
		if c, err = c.WithFile(f.name, f.data); err != nil {
			panic("deadline: " + err.Error()) // embedded; a test reads it
		}
	}
	return c
}

// WithFile returns c with the changes of a user's file on top. The name stands
// in errors alone. A file whose fields are unknown, whose days do not exist or
// that is none of YAML 1.2's plain forms (no anchors, aliases or merge keys) is
// refused whole.
func (c *Calendars) WithFile(name string, data []byte) (*Calendars, error) {
	f, err := decodeFile(data)
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "cannot read the holidays in %s", name).
			WithHint("write version: and states:, such as\n  version: \"2026-11\"\n  states:\n    DE: {add: [{date: 2026-12-24, name: banks closed}], remove: [{yearly: 10-03}]}")
	}
	sum := sha256.Sum256(data)
	return &Calendars{
		version: c.version + " + " + f.Version + " (" + hex.EncodeToString(sum[:6]) + ")",
		edits:   append(slices.Clone(c.edits), f.States),
	}, nil
}

// Version names the library's edition and every file on top, each with the
// begin of its SHA-256.
func (c *Calendars) Version() string { return c.version }

// Zone returns the zone of the state's authorities.
func (c *Calendars) Zone(code string) (*time.Location, error) {
	s, ok := states[code]
	if !ok {
		return nil, problem.New(problem.Usage, "%q is no state of the European Economic Area", code).
			WithHint("give its ISO 3166 code in capitals, such as DE, FR or GR")
	}
	name := s.zone
	for _, e := range c.edits {
		if z := e[code].Zone; z != "" {
			name = z
		}
	}
	return time.LoadLocation(name)
}

// Free reports whether nobody works in the state on the local day of t, and
// why: a weekday's name or that of the holiday. Files win over the library and
// later files over earlier ones.
func (c *Calendars) Free(code string, t time.Time) (why string, free bool) {
	switch t.Weekday() {
	case time.Saturday, time.Sunday:
		return t.Weekday().String(), true
	}
	for _, e := range slices.Backward(c.edits) {
		for _, d := range e[code].Remove {
			if d.is(t) {
				return "", false
			}
		}
		for _, d := range e[code].Add {
			if d.is(t) {
				return d.Name, true
			}
		}
	}
	lib := cal.Calendar{Holidays: states[code].days}
	if actual, observed, h := lib.IsHoliday(t); actual || observed {
		return h.Name, true
	}
	return "", false
}

// maxFree bounds how long everybody is off. A file that says more is not
// followed: an earlier limit is the safe side.
const maxFree = 31

// NextWorkingDay returns the first local day after t on which the state works,
// at 00:00, but none later than 31 days.
func (c *Calendars) NextWorkingDay(code string, t time.Time) time.Time {
	y, m, d := t.Date()
	for n := 1; ; n++ {
		next := localTime(y, m, d+n, 0, 0, 0, 0, t.Location())
		if _, free := c.Free(code, next); !free || n == maxFree {
			return next
		}
	}
}

func (d day) is(t time.Time) bool {
	year, month, dom := t.Date()
	if year < d.From || d.Until != 0 && year > d.Until {
		return false
	}
	switch {
	case d.Date != "":
		return t.Format(time.DateOnly) == d.Date
	case d.Yearly != "":
		return t.Format("01-02") == d.Yearly
	}
	h := &cal.Holiday{Func: cal.CalcEasterOffset}
	if d.Easter != nil {
		h.Offset = *d.Easter
	} else {
		h.Offset, h.Julian = *d.Orthodox, true
	}
	at, _ := h.Calc(year)
	_, m, n := at.Date()
	return at.Year() == year && m == month && n == dom
}

func decodeFile(data []byte) (*file, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("file of more than %d bytes", MaxFile)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var node, second yaml.Node
	if err := dec.Decode(&node); err != nil {
		return nil, err
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("more than one YAML document")
	}
	if err := plain(&node, 0); err != nil {
		return nil, err
	}
	strict := yaml.NewDecoder(bytes.NewReader(data))
	strict.KnownFields(true)
	f := &file{}
	return f, strict.Decode(f)
}

// plain refuses what makes YAML say something else than it shows.
func plain(n *yaml.Node, depth int) error {
	switch {
	case depth > maxDepth:
		return fmt.Errorf("line %d: nested more than %d deep", n.Line, maxDepth)
	case n.Kind == yaml.AliasNode || n.Anchor != "" || n.Tag == "!!merge":
		return fmt.Errorf("line %d: anchors, aliases and merge keys are refused", n.Line)
	}
	for _, c := range n.Content {
		if err := plain(c, depth+1); err != nil {
			return err
		}
	}
	return nil
}

var versionForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,63}$`)

func (f *file) check() error {
	if !versionForm.MatchString(f.Version) {
		return fmt.Errorf("version: want 1 to 64 letters, digits and . _ / -; it is recorded with every limit")
	}
	for _, code := range slices.Sorted(maps.Keys(f.States)) {
		e := f.States[code]
		if _, ok := states[code]; !ok {
			return fmt.Errorf("states: %q is no state of the European Economic Area", code)
		}
		if e.Zone == "Local" {
			return fmt.Errorf("states.%s.zone: want an IANA name such as Europe/Berlin", code)
		}
		if _, err := time.LoadLocation(e.Zone); err != nil {
			return fmt.Errorf("states.%s.zone: want an IANA name such as Europe/Berlin", code)
		}
		if n := len(e.Add) + len(e.Remove); n > maxDays {
			return fmt.Errorf("states.%s: %d days, at most %d", code, n, maxDays)
		}
		for where, days := range map[string][]day{"add": e.Add, "remove": e.Remove} {
			for i, d := range days {
				if err := d.check(where == "add"); err != nil {
					return fmt.Errorf("states.%s.%s[%d]: %w", code, where, i, err)
				}
			}
		}
	}
	return nil
}

func (d day) check(named bool) error {
	forms := 0
	for _, set := range []bool{d.Date != "", d.Yearly != "", d.Easter != nil, d.Orthodox != nil} {
		if set {
			forms++
		}
	}
	switch {
	case forms != 1:
		return fmt.Errorf("want exactly one of date, yearly, easter and orthodox")
	case named && (d.Name == "" || len(d.Name) > 100):
		return fmt.Errorf("name: want 1 to 100 bytes")
	case d.From < 0 || d.Until < 0 || d.Until != 0 && d.Until < d.From:
		return fmt.Errorf("from %d until %d: want years in order", d.From, d.Until)
	}
	if d.Date != "" {
		if _, err := time.Parse(time.DateOnly, d.Date); err != nil {
			return fmt.Errorf("date %q: want a day that exists, such as 2026-12-24", d.Date)
		}
	}
	if d.Yearly != "" {
		// A leap year, so that 02-29 is a day.
		if _, err := time.Parse(time.DateOnly, "2028-"+d.Yearly); err != nil {
			return fmt.Errorf("yearly %q: want month and day, such as 12-24", d.Yearly)
		}
	}
	for _, n := range []*int{d.Easter, d.Orthodox} {
		if n != nil && (*n < -100 || *n > 100) {
			return fmt.Errorf("%d days from Easter: want at most 100 either way", *n)
		}
	}
	return nil
}
