package filing

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/mappings/classify"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
	"evidenced/reports"
)

// Register documents a tenant's breaches of personal data: for each the facts,
// its effects and what was done (GDPR Art 33(5)), with what was decided and
// told, so that an authority can check the article with it. Nothing is made up:
// what nobody wrote down is named in Open.
type Register struct {
	Format   string          `json:"format"` // RegisterFormat
	Tenant   evidence.Tenant `json:"tenant"`
	Origin   string          `json:"origin"`
	Size     uint64          `json:"log_size"`
	Made     time.Time       `json:"made"`
	Demo     bool            `json:"demonstration,omitempty"`
	Breaches []Breach        `json:"breaches"`
	// None are incidents that a person decided to be no breach.
	None []NoBreach `json:"no_breach"`
}

// RegisterFormat is the format of a Register in JSON.
const RegisterFormat = "evidenced-breach-register/v1"

// Breach is one entry. Zero times and nil numbers are not known.
type Breach struct {
	Incident   string    `json:"incident"`
	Reference  string    `json:"reference,omitempty"`
	Roles      []string  `json:"roles,omitempty"` // controller, processor
	Declared   time.Time `json:"declared"`
	Closed     time.Time `json:"closed,omitzero"`
	Occurred   time.Time `json:"occurred,omitzero"`
	Detected   time.Time `json:"detected,omitzero"`
	Aware      time.Time `json:"aware,omitzero"`
	Facts      string    `json:"facts,omitempty"`
	Categories string    `json:"categories,omitempty"`
	People     *int64    `json:"people,omitempty"`
	Records    *int64    `json:"personal_records,omitempty"`
	Special    *bool     `json:"special_categories,omitempty"`
	Encrypted  *bool     `json:"encrypted,omitempty"`
	Effects    string    `json:"effects,omitempty"`
	Remedy     string    `json:"remedy,omitempty"`
	Decision   string    `json:"decision,omitempty"` // of classify.Decisions
	Decided    time.Time `json:"decided,omitzero"`
	Reason     string    `json:"reason,omitempty"`
	// Told are the notifications that the GDPR asks for, as their clocks stand.
	Told []Told   `json:"told"`
	Open []string `json:"open"` // what the article asks for and nobody wrote down
	Acts []uint64 `json:"acts"` // the records of the log that say all this
}

// Told is one notification of a breach.
type Told struct {
	Stage   deadline.Stage `json:"stage"`
	State   deadline.State `json:"state"`
	Latest  time.Time      `json:"latest,omitzero"`
	Sent    time.Time      `json:"sent,omitzero"`
	Late    bool           `json:"late,omitempty"`
	Receipt time.Time      `json:"receipt,omitzero"`
}

// NoBreach is an incident that was decided to be none, and why.
type NoBreach struct {
	Incident  string    `json:"incident"`
	Reference string    `json:"reference,omitempty"`
	Decided   time.Time `json:"decided"`
	Reason    string    `json:"reason,omitempty"`
	Act       uint64    `json:"act"`
}

// NewRegister makes the register of a log from all its incidents, closed ones
// too. An incident is in it when the GDPR's clocks run for it: by the entity's
// role, unless no personal data are affected, or because somebody declared or
// decided so; one that nobody decided on is in it until somebody does.
func NewRegister(r evidence.Reader, incs []*incident.Incident, cals *deadline.Calendars, now time.Time) (*Register, error) {
	reg := &Register{Format: RegisterFormat, Tenant: r.Tenant(), Origin: r.Origin(), Size: r.Size(), Made: now.UTC().Truncate(time.Second), Demo: r.Simulated(), Breaches: []Breach{}, None: []NoBreach{}}
	for _, inc := range incs {
		f := &inc.Fields
		if !slices.Contains(notice.Laws(inc), deadline.GDPR) && f.Identity.Kind != "breach" {
			continue
		}
		d, decided := inc.Decided(string(deadline.GDPR))
		if decided && d.Decision == classify.NoBreach {
			reg.None = append(reg.None, NoBreach{inc.ID, f.Identity.Reference, d.At, d.Reason, d.Seq})
			continue
		}
		clocks, _, err := notice.Clocks(inc, cals, time.Time{}, now)
		if err != nil {
			return nil, fmt.Errorf("incident %s: %w", inc.ID, err)
		}
		b := breach(inc, clocks)
		if decided {
			b.Decision, b.Decided, b.Reason = d.Decision, d.At, d.Reason
		}
		b.Open = b.lacks()
		reg.Breaches = append(reg.Breaches, b)
	}
	return reg, nil
}

func breach(inc *incident.Incident, clocks []deadline.Clock) Breach {
	f := &inc.Fields
	aware, _ := inc.AwareSince(string(deadline.GDPR))
	b := Breach{
		Incident: inc.ID, Reference: f.Identity.Reference, Declared: inc.Declared, Closed: inc.Closed,
		Occurred: f.Times.Occurred, Detected: f.Times.Detected, Aware: aware.At,
		Categories: f.Data.Categories, People: f.Data.People.Number, Records: f.Data.Records, Special: f.Data.Special, Encrypted: f.Data.Encrypted,
		Told: []Told{},
	}
	for i, into := range []*string{&b.Facts, &b.Effects, &b.Remedy} {
		*into = paragraphs(texts(f, notice.Breach[i].Fields)...)
	}
	for _, role := range f.Reporter.Roles {
		if role == "controller" || role == "processor" {
			b.Roles = append(b.Roles, role)
		}
	}
	for i := range clocks {
		if k := &clocks[i]; k.Law == deadline.GDPR {
			b.Told = append(b.Told, Told{k.Stage, k.State, k.Due.Latest, k.Sent, k.Late, k.Receipt})
		}
	}
	for _, a := range inc.Acts {
		b.Acts = append(b.Acts, a.Seq)
	}
	return b
}

// lacks names what Article 33(5) asks for and the record does not hold.
func (b *Breach) lacks() []string {
	open := []string{}
	for _, x := range []struct {
		name string
		set  bool
	}{{"facts", b.Facts != ""}, {"effects", b.Effects != ""}, {"remedy", b.Remedy != ""}, {"decision", b.Decision != ""}, {"aware", !b.Aware.IsZero()}} {
		if !x.set {
			open = append(open, x.name)
		}
	}
	return open
}

// texts are what stands in fields of text.
func texts(f *incident.Fields, paths []string) []string {
	var out []string
	for _, p := range paths {
		if s, ok := f.Value(p).(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// WriteJSON writes the register for programs.
func (g *Register) WriteJSON(w io.Writer) error { return writeDocument(w, g) }

// RegisterHeader names the columns of a register in CSV.
var RegisterHeader = []string{
	"incident", "reference", "roles", "declared", "closed", "occurred", "detected", "aware", "facts", "categories", "people", "personal_records",
	"special_categories", "encrypted", "effects", "remedy", "decision", "decided", "reason", "told", "open", "acts",
}

// CSV writes a row for each breach, and one for each incident that was decided
// to be none.
func (g *Register) CSV(w io.Writer) error {
	rows := [][]string{RegisterHeader}
	for i := range g.Breaches {
		b := &g.Breaches[i]
		rows = append(rows, []string{
			b.Incident, reports.CSV(b.Reference), strings.Join(b.Roles, ", "), stamp(b.Declared), stamp(b.Closed), stamp(b.Occurred), stamp(b.Detected), stamp(b.Aware),
			reports.CSV(b.Facts), reports.CSV(b.Categories), figure(b.People), figure(b.Records), Words(yes(b.Special)), Words(yes(b.Encrypted)),
			reports.CSV(b.Effects), reports.CSV(b.Remedy), b.Decision, stamp(b.Decided), reports.CSV(b.Reason), strings.Join(b.told(), "; "), strings.Join(b.Open, ", "), numbers(b.Acts),
		})
	}
	for _, n := range g.None {
		row := make([]string, len(RegisterHeader))
		for name, v := range map[string]string{
			"incident": n.Incident, "reference": reports.CSV(n.Reference), "decision": classify.NoBreach, "decided": stamp(n.Decided), "reason": reports.CSV(n.Reason), "acts": numbers([]uint64{n.Act}),
		} {
			row[slices.Index(RegisterHeader, name)] = v
		}
		rows = append(rows, row)
	}
	return csv.NewWriter(w).WriteAll(rows)
}

// told says each notification in words.
func (b *Breach) told() []string {
	var out []string
	for _, t := range b.Told {
		says := string(t.Stage) + " " + string(t.State)
		if !t.Sent.IsZero() {
			says += ", sent " + stamp(t.Sent)
		}
		if t.Late {
			says += ", late"
		}
		if !t.Latest.IsZero() {
			says += ", limit " + stamp(t.Latest)
		}
		if !t.Receipt.IsZero() {
			says += ", receipt " + stamp(t.Receipt)
		}
		out = append(out, says)
	}
	return out
}

func stamp(t time.Time) string { return Words(instant(t)) }

func figure(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

// Text writes the register for people at a terminal.
func (g *Register) Text(w io.Writer, style reports.Style) error {
	p := &lines{reports.NewPage(w, style)}
	p.head(style.Bold, "%s in the register of breaches of %s (GDPR Art 33(5)); %s decided to be none. As known at log size %d.",
		reports.Count(len(g.Breaches), "entry"), g.Tenant, reports.Count(len(g.None), "incident"), g.Size)
	if g.Demo {
		p.head(style.Bad, "%s", reports.Demonstration)
	}
	for i := range g.Breaches {
		b := &g.Breaches[i]
		p.put("")
		p.head(style.Bold, "%s %s", b.Incident, reports.Terminal(b.Reference))
		for _, x := range [][2]string{
			{"role", strings.Join(b.Roles, ", ")}, {"occurred", stamp(b.Occurred)}, {"detected", stamp(b.Detected)}, {"aware", stamp(b.Aware)}, {"closed", stamp(b.Closed)},
			{"facts", b.Facts}, {"data of", b.Categories}, {"people", figure(b.People)}, {"records", figure(b.Records)}, {"special", Words(yes(b.Special))}, {"encrypted", Words(yes(b.Encrypted))},
			{"effects", b.Effects}, {"remedy", b.Remedy}, {"decided", strings.TrimSpace(b.Decision + " " + stamp(b.Decided))}, {"because", b.Reason},
			{"told", strings.Join(b.told(), "; ")}, {"open", strings.Join(b.Open, ", ")}, {"said in", recordsOf(b.Acts)},
		} {
			if x[1] != "" {
				p.Para(fmt.Sprintf("  %-10s ", x[0]), x[1])
			}
		}
	}
	if len(g.None) > 0 {
		p.put("")
	}
	for _, n := range g.None {
		p.Para("no breach  ", fmt.Sprintf("%s, decided %s (record %d): %s", strings.TrimSpace(n.Incident+" "+n.Reference), stamp(n.Decided), n.Act, n.Reason))
	}
	return p.Err()
}
