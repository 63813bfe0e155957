package incident

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Who is who acts: the process's user and, where one is named, the person
// whose decision it is.
type Who struct {
	By      string           // "uid 1000"
	Decider *evidence.Person // realm and native id; nil: not named
	Reason  string           // free text
}

// maxReason bounds a reason, in bytes.
const maxReason = 8 << 10

// NewID returns a new id. It says nothing about the incident.
func NewID() string { return strings.ToLower(rand.Text()[:16]) }

func (w Who) act() evidence.IncidentAct {
	a := evidence.IncidentAct{By: w.By, Decider: -1}
	if w.Decider != nil {
		a.Decider = 0
	}
	return a
}

func (w Who) people() []evidence.Person {
	if w.Decider == nil {
		return nil
	}
	p := *w.Decider
	p.Role, p.Proof = evidence.RoleDecider, evidence.ProofClaimed
	return []evidence.Person{p}
}

func (w Who) check() error {
	if len(w.Reason) > maxReason {
		return refuse(problem.Usage, "a reason of %d bytes, at most %d", len(w.Reason), maxReason)
	}
	return nil
}

// Command is the command line of an act on the incident, for hints: it runs as it
// stands there, once the act's own flags follow.
func (inc *Incident) Command(act string) string {
	return fmt.Sprintf("evidenced incident %s %s --tenant %s", act, inc.ID, inc.Tenant)
}

func refuse(code problem.Code, format string, args ...any) *problem.Problem {
	return problem.New(code, format, args...)
}

// draft makes the draft of one act.
func draft(kind evidence.Kind, id string, now time.Time, facts any, t texts, people []evidence.Person, links ...evidence.Ref) (evidence.Draft, error) {
	content, err := json.Marshal(facts)
	if err != nil {
		return evidence.Draft{}, err
	}
	d := evidence.Draft{
		Kind: kind, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: rand.Text(), Subject: Ref(id), People: people, Links: links,
		OccurredAt: now.UTC(), Basis: evidence.BasisSource, ObservedAt: now.UTC(), Content: content,
	}
	if t.Reason != "" || len(t.Fields) > 0 || t.Phone != "" {
		if d.Text, err = json.Marshal(t); err != nil {
			return d, err
		}
		if len(d.Text) > evidence.MaxText {
			return d, refuse(problem.Usage, "texts of %d bytes, at most %d", len(d.Text), evidence.MaxText).WithHint("set fewer fields in one act")
		}
	}
	return d, d.Check()
}

// Declare makes the acts that begin an incident: its declaration, and its
// first fields when there are any.
func Declare(id string, w Who, facts evidence.IncidentDeclaredFacts, p Patch, records map[string][]uint64, now time.Time) ([]evidence.Draft, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	if facts.Home.After(now) {
		return nil, refuse(problem.Usage, "the provider's awareness %s lies ahead", evidence.FormatTime(facts.Home))
	}
	facts.IncidentAct = w.act()
	d, err := draft(evidence.IncidentDeclared, id, now, facts, texts{Reason: w.Reason}, w.people())
	if err != nil {
		return nil, err
	}
	out := []evidence.Draft{d}
	if len(p) == 0 {
		return out, nil
	}
	w.Reason = ""
	inc := &Incident{ID: id, Declared: now}
	more, err := inc.Update(w, p, records, now)
	return append(out, more...), err
}

// open refuses acts on a closed incident.
func (inc *Incident) open() error {
	if inc.Declared.IsZero() {
		return refuse(problem.Refused, "incident %s was not declared", inc.ID)
	}
	if !inc.Closed.IsZero() {
		return refuse(problem.Refused, "incident %s was closed on %s", inc.ID, evidence.FormatTime(inc.Closed)).
			WithHint("%s --reopen --reason TEXT opens it again; receipts and reports are recorded on a closed one too", inc.Command("close"))
	}
	return nil
}

// Update makes the act that sets fields. The result of all acts together must
// be an incident that can be.
func (inc *Incident) Update(w Who, p Patch, records map[string][]uint64, now time.Time) ([]evidence.Draft, error) {
	if err := inc.open(); err != nil {
		return nil, err
	}
	if err := w.check(); err != nil {
		return nil, err
	}
	paths := p.Paths()
	if len(paths) == 0 {
		return nil, refuse(problem.Usage, "no field is set")
	}
	for path, seqs := range records {
		if !slices.Contains(paths, path) {
			return nil, refuse(problem.Usage, "records are named for %q, which is not set", path)
		}
		if len(seqs) == 0 || len(seqs) > 1000 {
			return nil, refuse(problem.Usage, "%d records for %s, want 1 to 1000", len(seqs), path)
		}
		for _, s := range seqs {
			if inc.Size > 0 && s >= inc.Size {
				return nil, refuse(problem.Usage, "%s: there is no record %d: the log has %d", path, s, inc.Size)
			}
		}
	}
	after, err := inc.with(p)
	if err == nil {
		err = cmp.Or(p.meant(), after.validate(now))
	}
	if err != nil {
		what := "fields of incident " + inc.ID
		if inc.Size == 0 { // it is about to be declared: nobody knows its id
			what = "fields"
		}
		return nil, problem.Wrap(problem.Usage, err, "%s", what)
	}
	if err := inc.ordered(&after); err != nil {
		return nil, err
	}
	content, text := p.Split()
	f := evidence.IncidentUpdatedFacts{IncidentAct: w.act(), Records: records, Texts: text.Paths()}
	if len(content) > 0 {
		if f.Set, err = json.Marshal(content); err != nil {
			return nil, err
		}
	}
	d, err := draft(evidence.IncidentUpdated, inc.ID, now, f, texts{Reason: w.Reason, Fields: text}, w.people(), after.Systems.Refs...)
	return []evidence.Draft{d}, err
}

// with returns the fields after the patch.
func (inc *Incident) with(p Patch) (Fields, error) {
	b, err := json.Marshal(inc.Fields)
	if err != nil {
		return Fields{}, err
	}
	doc := map[string]any{}
	if err := json.Unmarshal(b, &doc); err != nil {
		return Fields{}, err
	}
	merge(doc, p)
	return fieldsFrom(doc)
}

// ordered checks the fields against the acts that have instants of their own.
func (inc *Incident) ordered(f *Fields) error {
	for _, law := range Laws { // in order: the same first fault every time
		m, aware := inc.AwareSince(law)
		if !aware {
			continue
		}
		for _, x := range []struct {
			field string
			at    time.Time
		}{{"times.occurred", f.Times.Occurred}, {"times.detected", f.Times.Detected}} {
			if m.At.Before(x.at) {
				return refuse(problem.Usage, "%s: %s is after the entity became aware for %s (%s)", x.field, evidence.FormatTime(x.at), law, evidence.FormatTime(m.At)).
					WithHint("correct the awareness first: %s --law %s --aware TIME", inc.Command("clock"), law)
			}
		}
	}
	return nil
}

// Laws that an entity becomes aware for.
var Laws = []string{"dora", "nis2", "gdpr", "cra"}

// BecomeAware makes the act that says since when the entity knows. Candidates
// are what the evidence shows; an earlier one needs a reason.
func (inc *Incident) BecomeAware(w Who, law string, at time.Time, candidates []evidence.IncidentCandidate, now time.Time) (evidence.Draft, error) {
	if err := inc.open(); err != nil {
		return evidence.Draft{}, err
	}
	if err := w.check(); err != nil {
		return evidence.Draft{}, err
	}
	if !slices.Contains(Laws, law) {
		return evidence.Draft{}, refuse(problem.Usage, "--law %.20q", law).WithHint("give --law dora, nis2, gdpr or cra: each law has an awareness of its own")
	}
	var earlier []evidence.IncidentCandidate
	for _, c := range inc.candidates(law, candidates) {
		if c.At.Before(at) {
			earlier = append(earlier, c)
		}
	}
	t := inc.Fields.Times
	switch {
	case at.After(now):
		return evidence.Draft{}, refuse(problem.Usage, "awareness %s lies ahead: it is %s", evidence.FormatTime(at), evidence.FormatTime(now))
	case at.Before(t.Occurred):
		return evidence.Draft{}, refuse(problem.Usage, "awareness %s is before the incident occurred (%s)", evidence.FormatTime(at), evidence.FormatTime(t.Occurred))
	case at.Before(t.Detected):
		return evidence.Draft{}, refuse(problem.Usage, "awareness %s is before the incident was detected (%s)", evidence.FormatTime(at), evidence.FormatTime(t.Detected)).
			WithHint("correct times.detected first when it is wrong")
	case len(earlier) > 0 && strings.TrimSpace(w.Reason) == "":
		first := slices.MinFunc(earlier, func(a, b evidence.IncidentCandidate) int { return a.At.Compare(b.At) })
		return evidence.Draft{}, refuse(problem.Refused, "record %d shows an earlier candidate for awareness: %s, %s", first.Seq, evidence.FormatTime(first.At), first.What).
			WithHint("say with --reason why the entity was not aware then, or declare that instant")
	}
	for _, d := range inc.Decisions {
		if d.Law == law && d.Decision != "" && d.At.Before(at) {
			return evidence.Draft{}, refuse(problem.Usage, "awareness %s is after the classification of %s (record %d)", evidence.FormatTime(at), evidence.FormatTime(d.At), d.Seq)
		}
	}
	for _, f := range inc.Sent("") {
		if strings.HasPrefix(f.Stage, law+".") && f.At.Before(at) {
			return evidence.Draft{}, refuse(problem.Usage, "awareness %s is after %s was sent (%s, record %d)", evidence.FormatTime(at), f.Stage, evidence.FormatTime(f.At), f.Seq)
		}
	}
	facts := evidence.IncidentMomentFacts{IncidentAct: w.act(), Law: law, At: at.UTC(), Candidates: earlier}
	return draft(evidence.IncidentMoment, inc.ID, now, facts, texts{Reason: w.Reason}, w.people())
}

// candidates adds the instants that earlier acts declared.
func (inc *Incident) candidates(law string, shown []evidence.IncidentCandidate) []evidence.IncidentCandidate {
	out := slices.Clone(shown)
	for _, m := range inc.Aware[law] {
		out = append(out, evidence.IncidentCandidate{At: m.At, What: "declared before", Seq: m.Seq})
	}
	return out
}

// Decide makes the act of a classification. The facts hold the working; the
// decision in them is the person's and needs a reason when it is another than
// the procedure's.
func (inc *Incident) Decide(w Who, f evidence.IncidentDecisionFacts, now time.Time) (evidence.Draft, error) {
	if err := inc.open(); err != nil {
		return evidence.Draft{}, err
	}
	if err := w.check(); err != nil {
		return evidence.Draft{}, err
	}
	if f.At.IsZero() {
		f.At = now
	}
	f.At = f.At.UTC()
	m, aware := inc.AwareSince(f.Law)
	switch {
	case f.At.After(now):
		return evidence.Draft{}, refuse(problem.Usage, "the decision %s lies ahead: it is %s", evidence.FormatTime(f.At), evidence.FormatTime(now))
	case f.Decision != "" && aware && f.At.Before(m.At):
		return evidence.Draft{}, refuse(problem.Usage, "the decision %s is before the entity became aware (%s)", evidence.FormatTime(f.At), evidence.FormatTime(m.At))
	case f.Decision != "" && f.At.Before(inc.Fields.Times.Occurred):
		return evidence.Draft{}, refuse(problem.Usage, "the decision %s is before the incident occurred (%s)", evidence.FormatTime(f.At), evidence.FormatTime(inc.Fields.Times.Occurred))
	case f.Decision != "" && f.Decision != f.Procedure && strings.TrimSpace(w.Reason) == "":
		return evidence.Draft{}, refuse(problem.Refused, "the procedure says %q and the decision %q", f.Procedure, f.Decision).
			WithHint("say with --reason why")
	}
	if prev, ok := inc.Decided(f.Law); ok && f.Decision != "" && f.Decision != prev.Decision && strings.TrimSpace(w.Reason) == "" {
		return evidence.Draft{}, refuse(problem.Refused, "it was decided %q before (record %d)", prev.Decision, prev.Seq).WithHint("say with --reason what changed")
	}
	f.IncidentAct = w.act()
	return draft(evidence.IncidentDecision, inc.ID, now, f, texts{Reason: w.Reason}, w.people())
}

// Notify makes the act on a notification. For one that was sent, the caller
// has put the clock's limit and the copy into the facts; order is checked here.
func (inc *Incident) Notify(w Who, f evidence.IncidentNoticeFacts, now time.Time) (evidence.Draft, error) {
	if inc.Declared.IsZero() {
		return evidence.Draft{}, refuse(problem.Refused, "incident %s was not declared", inc.ID)
	}
	if err := w.check(); err != nil {
		return evidence.Draft{}, err
	}
	f.At = f.At.UTC()
	if f.At.After(now) {
		return evidence.Draft{}, refuse(problem.Usage, "%s lies ahead: it is %s", evidence.FormatTime(f.At), evidence.FormatTime(now)).
			WithHint("record it when it was done")
	}
	if len(f.Channel) > 200 || len(f.Reference) > 200 {
		return evidence.Draft{}, refuse(problem.Usage, "channel and reference take at most 200 bytes")
	}
	var err error
	switch f.Act {
	case NoticeSent:
		err = inc.sending(f)
	case NoticeReceipt:
		f.Of, err = inc.receiving(f)
	case NoticeDelay:
		if strings.TrimSpace(w.Reason) == "" {
			err = refuse(problem.Usage, "a notice that a limit cannot be met needs its reasons").WithHint("give --reason; DORA asks for it in 2025/301 Art 5(3), the GDPR in Art 33(1)")
		}
	case NoticeRequest:
	default:
		err = refuse(problem.Usage, "notify %.20q: want sent, receipt, delay or request", f.Act)
	}
	if err != nil {
		return evidence.Draft{}, err
	}
	f.IncidentAct = w.act()
	return draft(evidence.IncidentNotice, inc.ID, now, f, texts{Reason: w.Reason}, w.people())
}

// before says which stage must have been sent before another.
var before = map[string]string{
	"dora.intermediate": "dora.initial", "dora.update": "dora.intermediate", "dora.final": "dora.intermediate", "dora.reclassified": "dora.initial",
	"nis2.final": "nis2.notification", "nis2.progress": "nis2.notification", "cra.final.incident": "cra.notification",
}

// sending checks that a submission can have been made.
func (inc *Incident) sending(f evidence.IncidentNoticeFacts) error {
	law, _, _ := strings.Cut(f.Stage, ".")
	if slices.Contains(Laws, law) {
		m, ok := inc.AwareSince(law)
		if !ok {
			return refuse(problem.Refused, "nobody has declared since when the entity is aware for %s", law).
				WithHint("%s --law %s --aware TIME comes first: the limit starts there", inc.Command("clock"), law)
		}
		if f.At.Before(m.At) {
			return refuse(problem.Usage, "%s was sent at %s, before the entity became aware (%s)", f.Stage, evidence.FormatTime(f.At), evidence.FormatTime(m.At))
		}
	}
	if f.Stage == "dora.initial" {
		d, ok := inc.Major()
		if !ok {
			return refuse(problem.Refused, "the incident is not classified as major").WithHint("%s --law dora --decide major comes first: the limit starts there", inc.Command("classify"))
		}
		if f.At.Before(d.At) {
			return refuse(problem.Usage, "%s was sent at %s, before it was classified as major (%s)", f.Stage, evidence.FormatTime(f.At), evidence.FormatTime(d.At))
		}
	}
	if need := before[f.Stage]; need != "" {
		sent := inc.Sent(need)
		if len(sent) == 0 {
			return refuse(problem.Refused, "%s comes after %s, which is not recorded as sent", f.Stage, need).
				WithHint("record it first; several may be sent together, at the same instant (2025/302 Art 2)")
		}
		if f.At.Before(sent[0].At) {
			return refuse(problem.Usage, "%s was sent at %s, before %s (%s)", f.Stage, evidence.FormatTime(f.At), need, evidence.FormatTime(sent[0].At))
		}
	}
	return nil
}

// DecidedSince returns the first of the newest row of decisions of a law that say
// the same, and whether none that says otherwise came after it: to say it again
// moves nothing that runs from it.
func (inc *Incident) DecidedSince(law, decision string) (Decision, bool) {
	var first Decision
	ok := false
	for _, d := range inc.Decisions {
		switch {
		case d.Law != law || d.Decision == "":
		case d.Decision != decision:
			ok = false
		case !ok:
			first, ok = d, true
		}
	}
	return first, ok
}

// Major returns the decision that an incident is major that DORA's clock
// starts with; false while there is none in force.
func (inc *Incident) Major() (Decision, bool) { return inc.DecidedSince("dora", "major") }

// Reported returns the decision that DORA's reports stand on: the one in force,
// or, of an incident that was found not to be major after its initial
// notification was sent, the one that was in force until then. A
// reclassification names both (2025/302 Art 5).
func (inc *Incident) Reported() (Decision, bool) {
	d, ok := inc.Major()
	if ok || len(inc.Sent("dora.initial")) > 0 && d.Decision != "" {
		return d, true
	}
	return Decision{}, false
}

// receiving finds the submission that a receipt belongs to.
func (inc *Incident) receiving(f evidence.IncidentNoticeFacts) (uint64, error) {
	if f.Reference == "" && f.File.IsZero() {
		return 0, refuse(problem.Usage, "a receipt is the authority's reference or its file").WithHint("give --reference TEXT or --receipt FILE; without one the stage stays open")
	}
	sent := inc.Sent(f.Stage)
	if len(sent) == 0 {
		return 0, refuse(problem.Refused, "%s is not recorded as sent", f.Stage).WithHint("%s --stage %s --sent TIME comes first", inc.Command("notify"), f.Stage)
	}
	of := sent[len(sent)-1]
	if f.Of != 0 {
		i := slices.IndexFunc(sent, func(s Filing) bool { return s.Seq == f.Of })
		if i < 0 {
			return 0, refuse(problem.Usage, "record %d is no sending of %s", f.Of, f.Stage)
		}
		of = sent[i]
	}
	if f.At.Before(of.At) {
		return 0, refuse(problem.Usage, "the receipt of %s is before it was sent (%s)", evidence.FormatTime(f.At), evidence.FormatTime(of.At))
	}
	return of.Seq, nil
}

// Places of contacts.
var Places = []string{"primary", "secondary", "dpo"}

// SetContact makes the act that names whom to call. It has a record of its own,
// so that erasing the person takes no other text. A team is a shared account.
func (inc *Incident) SetContact(w Who, place string, c evidence.Person, phone string, team bool, now time.Time) (evidence.Draft, error) {
	if err := inc.open(); err != nil {
		return evidence.Draft{}, err
	}
	mail := strings.TrimSpace(c.Names.Mail)
	switch {
	case !slices.Contains(Places, place):
		return evidence.Draft{}, refuse(problem.Usage, "contact %.20q: want %s", place, strings.Join(Places, ", "))
	case c.Names.Display == "" || len(c.Names.Display) > 200:
		return evidence.Draft{}, refuse(problem.Usage, "a contact needs a name of at most 200 bytes").WithHint("give --name")
	case len(mail) > 200 || !strings.Contains(mail, "@") || strings.ContainsAny(mail, " \t\r\n"):
		return evidence.Draft{}, refuse(problem.Usage, "a contact needs a mail address").WithHint("give --mail, a functional one for a team")
	case !phoneOK(phone):
		return evidence.Draft{}, refuse(problem.Usage, "a contact needs a telephone number with its international prefix").WithHint("give --phone, such as +49 30 5550100")
	}
	c.Role, c.Realm, c.NativeID, c.Names.Mail, c.Proof = evidence.RoleContact, "incident:contact", strings.ToLower(mail), mail, evidence.ProofClaimed
	c.Names.Shared = team
	facts := evidence.IncidentContactFacts{IncidentAct: evidence.IncidentAct{By: w.By, Decider: -1}, Place: place, Team: team}
	return draft(evidence.IncidentContact, inc.ID, now, facts, texts{Phone: phone}, []evidence.Person{c})
}

// phoneOK wants a plus sign and digits with what people write between them.
func phoneOK(s string) bool {
	if len(s) < 6 || len(s) > 40 || s[0] != '+' {
		return false
	}
	for _, c := range s[1:] {
		if (c < '0' || c > '9') && !strings.ContainsRune(" -/()", c) {
			return false
		}
	}
	return true
}

// Close makes the act that closes the incident, or opens it again. Stages that
// are not met need a reason.
func (inc *Incident) Close(w Who, at time.Time, reopen bool, open []string, now time.Time) (evidence.Draft, error) {
	if err := w.check(); err != nil {
		return evidence.Draft{}, err
	}
	at = at.UTC()
	reason := strings.TrimSpace(w.Reason) != ""
	t := inc.Fields.Times
	switch {
	case inc.Declared.IsZero():
		return evidence.Draft{}, refuse(problem.Refused, "incident %s was not declared", inc.ID)
	case reopen && inc.Closed.IsZero():
		return evidence.Draft{}, refuse(problem.Refused, "incident %s is open", inc.ID)
	case reopen && !reason:
		return evidence.Draft{}, refuse(problem.Usage, "opening an incident again needs a reason").WithHint("give --reason")
	case reopen:
		at, open = time.Time{}, nil
	case !inc.Closed.IsZero():
		return evidence.Draft{}, refuse(problem.Refused, "incident %s was closed on %s", inc.ID, evidence.FormatTime(inc.Closed))
	case at.After(now):
		return evidence.Draft{}, refuse(problem.Usage, "%s lies ahead: it is %s", evidence.FormatTime(at), evidence.FormatTime(now))
	case at.Before(inc.Declared.Truncate(time.Second)):
		return evidence.Draft{}, refuse(problem.Usage, "closed at %s, before the incident was declared (%s)", evidence.FormatTime(at), evidence.FormatTime(inc.Declared))
	case at.Before(t.Resolved) || at.Before(t.Handled):
		return evidence.Draft{}, refuse(problem.Usage, "closed at %s, before it was resolved or handled", evidence.FormatTime(at))
	case len(open) > 0 && !reason:
		return evidence.Draft{}, refuse(problem.Refused, "%s not met: %s", plural(len(open), "stage is", "stages are"), strings.Join(open, ", ")).
			WithHint("record what was sent and its receipt, or say with --reason why it is closed all the same")
	}
	f := evidence.IncidentClosedFacts{IncidentAct: w.act(), At: at, Reopen: reopen, Open: open}
	return draft(evidence.IncidentClosed, inc.ID, now, f, texts{Reason: w.Reason}, w.people())
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
