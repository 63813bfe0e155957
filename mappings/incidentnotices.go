package mappings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
)

var incidentNoticesView = &view{
	View: View{
		Name: "incident_notices",
		Doc: "Notices that laws ask for of declared incidents: one item for each stage of each incident (docs/incidents.md) whose clock was known to run before the end of the period. " +
			"It is there until it was sent and its receipt is on record, or until the incident was closed without that and the limit is over. After that it counts for the tests of `waited`, `receipt_wait` and `undeclared` whose own limit was not over when the period began. Clocks and limits are those of `evidenced incident clock`, as they stand at the end. " +
			"Of the looks at whether an incident comes again each is an item. What is not owed is left out, and an incident that nobody declared has no items.",
		Kinds:  []evidence.Kind{evidence.IncidentDeclared, evidence.IncidentMoment, evidence.IncidentDecision, evidence.IncidentNotice},
		Fields: noticeFields,
	},
	build:  buildIncidentNotices,
	steady: true,
}

var noticeFields = []Field{
	{Name: "incident", Type: "string", Doc: "id of the incident"},
	{Name: "part", Type: "bool", Doc: "it is a tenant's part in an incident of the platform"},
	{Name: "stage", Type: "string", Optional: true, Doc: "what is owed, such as dora.initial; missing, as all that follows from it, where the clocks cannot be computed"},
	{Name: "law", Type: "string", Optional: true, Doc: "dora, nis2, gdpr, cra or contract"},
	{Name: "report", Type: "string", Optional: true, Doc: "of the CRA which of its reports it belongs to: exploited-vulnerability or severe-incident; empty for other laws"},
	{Name: "running", Type: "bool", Optional: true, Doc: "nothing was sent and no limit is over: the limit lies ahead, the law gives none, or its clock waits for something"},
	{Name: "late", Type: "bool", Optional: true, Doc: "sent after the most that the law allows, or not sent by then; missing while the clock waits for somebody to declare awareness"},
	{Name: "reasons", Type: "bool", Optional: true, Doc: "reasons for a delay are on record"},
	{Name: "encrypted", Type: "bool", Optional: true, Doc: "the record says that the data were encrypted"},
	{Name: "started", Type: "timestamp", Optional: true, Doc: "when its clock began; missing while it waits, and where nothing asked for what was sent"},
	{Name: "safe", Type: "timestamp", Optional: true, Doc: "its start and the law's number, never moved; missing where there is none"},
	{Name: "due", Type: "timestamp", Optional: true, Doc: "the most that the law allows; missing where there is no limit"},
	{Name: "submitted", Type: "timestamp", Optional: true, Doc: "when it was sent first; missing while it was not"},
	{Name: "receipt", Type: "timestamp", Optional: true, Doc: "when the receipt of what was sent last came; missing while none is on record"},
	{Name: "waited", Type: "duration", Optional: true, Doc: "from the start of its clock to when it was sent first, or to the end while it was not; zero where nothing asked for it. Missing while the clock waits"},
	{Name: "receipt_wait", Type: "duration", Optional: true, Doc: "from when it was sent last to its receipt, or to the end while there is none; zero while nothing was sent"},
	{Name: "undeclared", Type: "duration", Optional: true, Doc: "how long the incident had been declared while its clock waited for awareness that nobody declared; zero where it does not"},
}

func buildIncidentNotices(ctx context.Context, s *scene, yield func(*item) error) error {
	all, err := s.incidents(ctx)
	if err != nil {
		return err
	}
	var its []*item
	for _, inc := range all {
		its = append(its, s.notices(inc)...)
	}
	return yieldSorted(its, yield)
}

// calendars are the days off that limits are moved by.
func (s *scene) calendars() *deadline.Calendars {
	if s.days != nil {
		return s.days
	}
	return builtinDays()
}

var builtinDays = sync.OnceValue(deadline.Builtin)

// AboutLimits reports whether the test judges limits of notices: their clocks
// warn of them before, and while they are over.
func (t *Test) AboutLimits() bool {
	return t.View == incidentNoticesView.Name && slices.Contains(t.assert.fields, "late")
}

// notices makes the items of one incident.
func (s *scene) notices(now *incident.Incident) []*item {
	inc, next := now.Until(s.period.To)
	s.later(next)
	began := incidentBegan(inc)
	if began.IsZero() {
		began = inc.Acts[0].At
	}
	if !began.Before(s.period.To) {
		s.later(began)
		return nil
	}
	c, _, err := notice.Case(inc, s.calendars(), time.Time{})
	if inc.Declared.IsZero() || err != nil {
		if !inc.Closed.IsZero() && inc.Closed.Before(s.period.From) {
			return nil
		}
		why := whyUndeclared
		if err != nil {
			why = fmt.Sprintf("its clocks cannot be computed: %.200s", err)
		}
		return []*item{incidentItem(inc, inc.Acts[0].Seq, began, "notices of incident "+inc.ID).lacksAll(noticeFields, why)}
	}
	var its []*item
	clocks := deadline.Clocks(c, s.period.To)
	for i := range clocks {
		k := &clocks[i]
		if recurring[k.Law] == k.Stage {
			continue
		}
		s.laterThan(k.Due)
		if it := s.notice(inc, &c, k, began); it != nil {
			its = append(its, it)
		}
	}
	return append(its, s.looks(inc)...)
}

const whyUndeclared = "the record that declared the incident is not in the log any more"

// lacksAll leaves out every field of the view that may be missing.
func (it *item) lacksAll(fields []Field, why string) *item {
	for _, f := range fields {
		if f.Optional {
			it.lacks(f.Name, why)
		}
	}
	return it
}

// laterThan notes when a limit is over. The end of a day is no instant of it.
func (s *scene) laterThan(d deadline.Due) {
	if !d.Latest.IsZero() {
		s.later(d.Latest)
		s.later(d.Latest.Add(-time.Nanosecond))
	}
}

// notice makes the item of one clock; nil when it is not owed, or was done before
// the period.
func (s *scene) notice(inc *incident.Incident, c *deadline.Case, k *deadline.Clock, began time.Time) *item {
	switch {
	case k.State == deadline.Void, k.State == deadline.OnRequest, k.State == deadline.Voluntary:
		return nil
	case k.Start == "": // void, and sent all the same
		return nil
	}
	filed := inc.Sent(string(k.Stage))
	if k.Stage == deadline.DORAUpdate && !k.From.IsZero() { // what came before the recovery could not tell it
		filed = slices.DeleteFunc(filed, func(f incident.Filing) bool { return f.At.Before(k.From) })
	}
	var first, newest *incident.Filing
	for i := range filed {
		if f := &filed[i]; first == nil || f.At.Before(first.At) {
			first = f
		}
		if f := &filed[i]; newest == nil || f.At.After(newest.At) {
			newest = f
		}
	}
	if newest != nil && !newest.Received().IsZero() && newest.Received().Before(s.period.From) {
		return nil
	}
	from := firstTime(k.From, began)
	seq := startRecord(inc, k)
	if first != nil {
		seq = first.Seq
	}
	it := incidentItem(inc, seq, from, fmt.Sprintf("%s of incident %s", k.Stage, inc.ID))
	for i := range filed {
		it.also(filed[i].Seq)
		for _, r := range filed[i].Receipts {
			it.also(r.Seq)
		}
	}
	it.also(startRecord(inc, k), inc.Acts[0].Seq)
	s.noticeStands(it, k, began)
	it.set("report", reportOf(c, k)).set("encrypted", inc.Fields.Data.Encrypted != nil && *inc.Fields.Data.Encrypted)
	it.set("reasons", !k.Delay.IsZero() || first != nil && strings.TrimSpace(first.Reason) != "")
	s.noticeReceipt(it, newest)
	s.awareness(it, inc, k)
	if s.leftUndone(inc, k, newest) {
		it.left = map[string]time.Duration{}
		switch {
		case newest != nil:
			it.left["receipt_wait"] = s.period.From.Sub(newest.At)
		case !k.From.IsZero():
			it.left["waited"] = s.period.From.Sub(k.From)
		default:
			it.left["undeclared"] = s.period.From.Sub(inc.Declared)
		}
	}
	return it
}

// leftUndone reports whether an incident was closed before the period without the
// notice or its receipt. A limit that lay ahead then comes all the same, and what
// is sent on a closed incident needs its receipt too.
func (s *scene) leftUndone(inc *incident.Incident, k *deadline.Clock, newest *incident.Filing) bool {
	switch {
	case inc.Closed.IsZero() || !inc.Closed.Before(s.period.From):
		return false
	case newest != nil:
		return newest.Received().IsZero() && newest.At.Before(s.period.From)
	}
	return k.Due.Late(s.period.From)
}

func reportOf(c *deadline.Case, k *deadline.Clock) string {
	switch {
	case k.Law != deadline.CRA:
		return ""
	case c.Vulnerability:
		return "exploited-vulnerability"
	}
	return "severe-incident"
}

// noticeStands sets what the clock says.
func (s *scene) noticeStands(it *item, k *deadline.Clock, began time.Time) {
	it.set("stage", string(k.Stage)).set("law", string(k.Law))
	it.setTime("started", k.From, "its clock waits for "+k.Start)
	it.setTime("safe", k.Due.Safe, "the law gives no limit, or its clock waits")
	it.setTime("due", k.Due.Latest, "the law gives no limit, or its clock waits")
	it.setTime("submitted", k.Sent, "nothing is on record as sent")
	it.set("late", k.Late)
	running := false
	switch k.State {
	case deadline.Waiting, deadline.Running, deadline.PastSafe, deadline.Owed:
		running = true
	}
	it.set("running", running)
	if k.Late {
		it.why["late"] = "its limit was " + evidence.FormatTime(k.Due.Latest) + ", and nothing is on record as sent"
		if !k.Sent.IsZero() {
			it.why["late"] = "its limit was " + evidence.FormatTime(k.Due.Latest) + ", and it was sent " + evidence.FormatTime(k.Sent)
		}
	}
	switch {
	case k.From.IsZero() && !k.Sent.IsZero():
		it.set("waited", time.Duration(0))
	case k.From.IsZero():
		it.lacks("waited", "its clock waits for "+k.Start)
	case !k.Sent.IsZero():
		it.set("waited", max(0, k.Sent.Sub(k.From)))
		it.why["waited"] = "it was owed since " + evidence.FormatTime(k.From) + " and sent " + evidence.FormatTime(k.Sent)
	default:
		waited := s.period.To.Sub(k.From)
		it.set("waited", waited).grows("waited", waited)
		it.why["waited"] = "it is owed since " + evidence.FormatTime(k.From) + ", and nothing is on record as sent"
	}
}

// noticeReceipt sets how long a receipt took, of what was sent last.
func (s *scene) noticeReceipt(it *item, newest *incident.Filing) {
	switch {
	case newest == nil:
		it.set("receipt_wait", time.Duration(0)).lacks("receipt", "nothing is on record as sent")
	case newest.Received().IsZero():
		wait := s.period.To.Sub(newest.At)
		it.set("receipt_wait", wait).grows("receipt_wait", wait).lacks("receipt", "no receipt is on record")
		it.why["receipt_wait"] = "it was sent " + evidence.FormatTime(newest.At) + ", and no receipt is on record"
	default:
		at := newest.Received()
		it.set("receipt", at).set("receipt_wait", max(0, at.Sub(newest.At)))
	}
}

// awareness sets how long a clock waits for a word that nobody gave. What it
// would say is not known then.
func (s *scene) awareness(it *item, inc *incident.Incident, k *deadline.Clock) {
	if k.State != deadline.Waiting || !strings.HasPrefix(k.Start, "awareness") {
		it.set("undeclared", time.Duration(0))
		return
	}
	why := fmt.Sprintf("nobody has declared since when the entity is aware for %s", k.Law)
	wait := max(0, s.period.To.Sub(inc.Declared))
	s.later(inc.Declared)
	it.set("undeclared", wait).grows("undeclared", wait).lacks("waited", why).lacks("started", why)
	delete(it.fields, "late")
	it.lacks("late", why)
}

func (it *item) setTime(name string, t time.Time, otherwise string) {
	if t.IsZero() {
		it.lacks(name, otherwise)
		return
	}
	it.set(name, t)
}

// startRecord is the record that a clock began with, as far as one act did; else
// the first of the incident.
func startRecord(inc *incident.Incident, k *deadline.Clock) uint64 {
	if d, ok := inc.Major(); ok && k.Stage == deadline.DORAInitial {
		return d.Seq
	}
	for _, d := range slices.Backward(inc.Decisions) {
		if d.Law == string(k.Law) && d.At.Equal(k.From) {
			return d.Seq
		}
	}
	for _, n := range slices.Backward(inc.Notices) {
		if law, _ := deadline.StageLaw(deadline.Stage(n.Stage)); law == k.Law && n.At.Equal(k.From) && n.Act != incident.NoticeReceipt {
			return n.Seq
		}
	}
	if m, ok := inc.AwareSince(string(k.Law)); ok && m.At.Equal(k.From) {
		return m.Seq
	}
	return inc.Acts[0].Seq
}

// recurring are the stages that are no notices: looks at whether an incident
// below the bar comes again.
var recurring = map[deadline.Law]deadline.Stage{deadline.DORA: deadline.DORARecurring, deadline.NIS2: deadline.NIS2Recurring}

// looks makes an item of every look at whether the incident comes again, and of
// the one that is due. Nobody is asked to look at one that is closed.
func (s *scene) looks(inc *incident.Incident) (its []*item) {
	for _, law := range []deadline.Law{deadline.DORA, deadline.NIS2} {
		for i := range inc.Decisions {
			d := &inc.Decisions[i]
			if d.Law != string(law) || d.At.Before(s.period.From) {
				continue
			}
			before, _ := inc.Until(d.At)
			if k := s.lookDue(before, law, d.At); k != nil {
				k.Sent, k.Late = d.At, k.Due.Late(d.At)
				its = append(its, s.look(inc, k, d.Seq))
			}
		}
		end, open := s.period.To, inc.Closed.IsZero()
		if !open {
			end = inc.Closed
		}
		if k := s.lookDue(inc, law, end); k != nil {
			if open {
				s.laterThan(k.Due)
			}
			k.Late = k.Due.Late(end)
			if k.Late && !end.Before(s.period.From) || open {
				its = append(its, s.look(inc, k, startRecord(inc, k)))
			}
		}
	}
	return its
}

// lookDue returns the clock of the next look as it stood at the instant; nil
// when none was due.
func (s *scene) lookDue(inc *incident.Incident, law deadline.Law, at time.Time) *deadline.Clock {
	c, _, err := notice.Case(inc, s.calendars(), time.Time{})
	if err != nil {
		return nil // said by another item of the incident
	}
	clocks := deadline.Clocks(c, at)
	i := slices.IndexFunc(clocks, func(k deadline.Clock) bool { return k.Stage == recurring[law] && !k.From.IsZero() })
	if i < 0 {
		return nil
	}
	return &clocks[i]
}

func (s *scene) look(inc *incident.Incident, k *deadline.Clock, seq uint64) *item {
	it := incidentItem(inc, seq, k.From, fmt.Sprintf("%s of incident %s", k.Stage, inc.ID))
	it.also(startRecord(inc, k), inc.Acts[0].Seq)
	s.noticeStands(it, k, k.From)
	it.set("running", k.Sent.IsZero() && !k.Late).set("late", k.Late)
	it.set("report", "").set("encrypted", false).set("reasons", false).set("undeclared", time.Duration(0))
	it.set("receipt_wait", time.Duration(0)).lacks("receipt", "a look needs none")
	if k.Late {
		it.why["late"] = "it was due by " + evidence.FormatTime(k.Due.Latest) + ", and no look is on record"
		if !k.Sent.IsZero() {
			it.why["late"] = "it was due by " + evidence.FormatTime(k.Due.Latest) + ", and came " + evidence.FormatTime(k.Sent)
		}
	}
	return it
}
