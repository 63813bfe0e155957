package ran

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

// Text writes the answer for people: the first line is the answer, every line
// after it can be checked.
func (a *Answer) Text(w io.Writer, style reports.Style) error {
	p := &printer{reports.NewPage(w, style)}
	paint := style.Bold
	if a.Verdict != Known {
		paint = style.Bad
	}
	p.Sentence(paint, a.Sentence, a.Demo)
	if len(a.NotKnown) > 0 {
		p.PaintedPara("", style.Warn, "Not known: "+strings.Join(a.NotKnown, "; ")+".")
	}
	p.Line("")
	a.textWorkloads(p)
	a.textRunning(p)
	a.textImages(p)
	for i := range a.Changes {
		a.textChange(p, &a.Changes[i])
	}
	a.textSecrets(p)
	a.textCerts(p)
	a.textLooked(p)
	a.textRecords(p)
	return p.Err()
}

// printer writes the answer in blocks.
type printer struct{ *reports.Page }

const labelW = 11

// block writes a labelled line: LABEL, then text wrapped beside it.
func (p *printer) block(label, text string) { p.Para(fmt.Sprintf("%-*s", labelW, label), text) }

// item writes a named line inside a block.
func (p *printer) item(label, name, text string) {
	p.Para(fmt.Sprintf("%-*s%-13s", labelW, label, name), text)
}

func (a *Answer) textWorkloads(p *printer) {
	if len(a.Works) == 0 || p.Err() != nil {
		return
	}
	t := &reports.Table{Columns: []reports.Column{
		{Title: "WORKLOAD"}, {Title: "REVISION"}, {Title: "IMAGE"}, {Title: "SINCE (UTC)", Keep: true}, {Title: "SYNCED BY"}, {Title: "HEALTH"},
	}}
	for i := range a.Works {
		w := &a.Works[i]
		if w.Closed != "" {
			t.PaintedRow(p.Style.Warn, a.appName(w.App), "(closed)")
			continue
		}
		image := ""
		if len(w.Images) > 0 {
			image = shortImage(w.Images[0])
		}
		since := reports.Near(w.Since, a.At)
		if w.SinceMore {
			since += " or earlier"
		}
		paint := p.Style.Bad
		if w.Sync == "Synced" && w.Health == "Healthy" {
			paint = reports.Plain
		}
		t.PaintedRow(paint, a.appName(w.App), shortRevs(w.Revisions), image, since, byWord(w), healthWord(w))
		for j := 1; j < len(w.Images); j++ {
			t.Row("", "", shortImage(w.Images[j]))
		}
	}
	p.Table(t)
	p.Line("")
	a.workloadNotes(p)
}

// appName leaves out the namespace that all applications share.
func (a *Answer) appName(app string) string {
	ns, name, ok := strings.Cut(app, "/")
	if !ok {
		return app
	}
	for _, w := range a.Works {
		if o, _, _ := strings.Cut(w.App, "/"); o != ns {
			return app
		}
	}
	return name
}

func shortImage(image string) string {
	name, digest, ok := strings.Cut(image, "@")
	name = name[strings.LastIndexByte(name, '/')+1:]
	if !ok {
		return name + " (no digest)"
	}
	return name + "@" + reports.ShortID(digest)
}

func byWord(w *Workload) string {
	switch {
	case w.SyncedBy != nil:
		return w.SyncedBy.Label
	case w.Automated:
		return "(automated)"
	}
	return "not observed"
}

func healthWord(w *Workload) string {
	if w.Sync != "Synced" {
		return w.Health + ", " + w.Sync
	}
	return w.Health
}

// workloadNotes says what does not fit a row.
func (a *Answer) workloadNotes(p *printer) {
	label := "NOTES"
	note := func(format string, args ...any) {
		p.block(label, fmt.Sprintf(format, args...))
		label = ""
	}
	for i := range a.Works {
		w := &a.Works[i]
		name := a.appName(w.App)
		if w.Closed != "" {
			note("%s: not opened: %s", name, w.Closed)
		}
		if len(w.Declared) > 0 {
			note("%s: compared with %s, which is not what was synced", name, shortRevs(w.Declared))
		}
		switch {
		case w.Closed != "" || w.Sync == "Synced":
		case w.Sync == "Unknown":
			note("%s: whether what runs is what is declared is not known", name)
		default:
			note("%s: %s, what runs differs from what is declared", name, w.Sync)
		}
		if w.SyncSeq == 0 && !w.NotBefore.IsZero() {
			note("%s: first seen at %s UTC, not there yet at %s UTC; the sync itself was not observed", name, reports.Near(w.Since, a.At), reports.Near(w.NotBefore, a.At))
		}
		if !w.LastSync.IsZero() {
			note("%s: synced again at %s UTC, same revision", name, reports.Near(w.LastSync, a.At))
		}
		if w.Failed != nil {
			note("%s: a newer sync ended %s at %s UTC (record %d)", name, w.Failed.Phase, reports.Near(w.Failed.At, a.At), w.Failed.Seq)
		}
		if w.Local {
			note("%s: synced from local manifests, not from git", name)
		}
		if !w.Covered {
			note("%s: not observed at the instant, last look at %s UTC", name, reports.Near(w.SeenAt, a.At))
		}
	}
	if label == "" && len(a.Running) > 0 {
		p.Line("") // a table follows
	}
}

func (a *Answer) textChange(p *printer, c *Change) {
	head := reports.ShortID(c.Revision)
	if c.Title != "" {
		head += "  \"" + c.Title + "\""
	}
	if c.Request > 0 {
		head += fmt.Sprintf("  #%d", c.Request)
	}
	p.block("CHANGE", head)
	var parts []string
	if c.Opener != nil {
		parts = append(parts, "opened by "+withProof(c.Opener, ""))
	}
	switch {
	case c.Author != nil:
		parts = append(parts, "author "+withProof(c.Author, ""))
	case c.Opener != nil:
	case c.Review != ReviewUnrelated:
		parts = append(parts, "author not observed")
	}
	switch c.Review {
	case Reviewed:
		for _, ap := range c.Approvals {
			parts = append(parts, "reviewed "+a.approvalWords(ap))
		}
	case NobodyApproved:
		parts = append(parts, "reviewer: none, the reviews were read and nobody approved")
	default:
		parts = append(parts, "reviewer: not observed")
	}
	if !c.MergedAt.IsZero() {
		at := reports.Near(c.MergedAt, a.At)
		if c.Merger == nil {
			parts = append(parts, "merged "+at+", by whom the source does not say")
		} else {
			parts = append(parts, "merged "+withProof(c.Merger, at))
		}
	}
	p.Para(strings.Repeat(" ", labelW), strings.Join(parts, "; "))
	for _, n := range c.Notes {
		p.PaintedPara(strings.Repeat(" ", labelW), p.Style.Warn, n)
	}
}

func (a *Answer) approvalWords(ap Approval) string {
	if ap.By == nil {
		return "by somebody the source does not name"
	}
	extra := append([]string{reports.Near(ap.At, a.At)}, ap.Notes...)
	return withProof(ap.By, strings.Join(extra, ", "))
}

func withProof(who *reports.Person, extra string) string {
	if extra != "" {
		extra = ", " + extra
	}
	return who.Label + " (" + string(who.Proof) + extra + ")"
}

func (a *Answer) textSecrets(p *printer) {
	s := &a.Secrets
	could := "nobody"
	if len(s.Could) > 0 {
		var names []string
		for _, r := range s.Could {
			name := r.Who
			if r.Sort == "policy" {
				name += " (no holder seen)"
			}
			names = append(names, name)
		}
		could = strings.Join(names, ", ")
	}
	switch {
	case len(a.looksAt(evidence.SecretPolicy)) == 0:
		could = "not observed: " + a.nobody(evidence.SecretPolicy)
	case !s.CouldSeen:
		could = "not observed at the instant"
		if len(s.Could) > 0 {
			could += "; last known: " + reportsNames(s.Could)
		}
	}
	p.item("SECRETS", "could read", could)
	did := reads(s.Did)
	switch {
	case len(a.looksAt(evidence.SecretAccess)) == 0 && len(s.Did) == 0:
		did = "not observed: " + a.nobody(evidence.SecretAccess)
	case len(s.Did) == 0 && !s.DidSeen:
		did = "not observed"
	case len(s.Did) == 0:
		did = "nobody"
	case !s.DidSeen:
		did += " (not all of the window was seen)"
	}
	p.item("", "did read", did)
	if len(s.Denied) > 0 {
		p.item("", "was denied", reads(s.Denied))
	}
	a.textCopies(p)
	for _, n := range s.Notes {
		p.item("", "", n)
	}
}

func reportsNames(rs []Reader) string {
	var names []string
	for _, r := range rs {
		names = append(names, r.Who)
	}
	return strings.Join(names, ", ")
}

func reads(rs []Reads) string {
	var parts []string
	for _, r := range rs {
		s := fmt.Sprintf("%s x %s", r.Who, reports.Number(int64(r.Count)))
		switch {
		case len(r.Fills) > 0 && r.FillsBy:
			s += " (sync operator, fills " + list(r.Fills, 3) + ")"
		case len(r.Fills) > 0:
			s += " (what it read is copied into " + list(r.Fills, 3) + "; as whom that is fetched was not observed)"
		}
		if whose := reports.Foreign(r.Actor); whose != "" {
			s += " <- " + whose
		} else if r.Actor == evidence.ActorUnknown {
			s += " <- whose identity is not known"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}

// certsSoon is how many days ahead an expiry is told.
const certsSoon = 30

func (a *Answer) textCerts(p *printer) {
	label := "CERTS"
	fine := 0
	for i := range a.Certs {
		c := &a.Certs[i]
		left := c.NotAfter.Sub(a.At)
		var says string
		join, bad := a.joinWords(c)
		switch {
		case c.Expired:
			says = fmt.Sprintf("%s: expired %s before, at %s UTC", c.Place, reports.Lasting(left), reports.Near(c.NotAfter, a.At))
		case c.Early:
			says = c.Place + ": not valid yet at the instant"
		case left.Hours() < certsSoon*24:
			says = fmt.Sprintf("%s: valid, expires %s after, at %s UTC", c.Place, reports.Lasting(left), reports.Near(c.NotAfter, a.At))
		case bad:
			says = c.Place + ": valid"
		default:
			fine++
			continue
		}
		if join != "" {
			says += "; " + join
		}
		p.block(label, says)
		label = ""
	}
	if fine > 0 {
		more := ""
		if label == "" {
			more = "more "
		}
		p.block(label, fmt.Sprintf("%d %svalid for %d days and longer", fine, more, certsSoon))
		label = ""
	}
	a.textDeclaredCerts(p, label)
}

func (a *Answer) textLooked(p *printer) {
	label := "LOOKED"
	for _, l := range a.Looked {
		p.block(label, fmt.Sprintf("%s %s  [%s]", l.Source, a.lookWords(l), kindWords(l.Kinds)))
		label = ""
	}
	if len(a.Looked) == 0 {
		p.block(label, "no source claims to have looked")
	}
	for _, r := range a.Runs {
		if r.Outcome == evidence.RunDone || r.Outcome == evidence.RunEmpty {
			continue
		}
		p.block("", fmt.Sprintf("%s: the run due at %s UTC ended %s: %s (platform record %d)", r.Source, reports.Near(r.Slot, a.At), r.Outcome, cmp.Or(r.Cause, "no cause given"), r.Seq))
	}
	switch {
	case len(a.Looked) == 0:
		p.block("BLIND", "all of "+a.windowWords())
	case len(a.Blind) == 0:
		p.block("BLIND", "none within "+a.windowWords())
	}
	label = "BLIND"
	for _, b := range a.Blind {
		p.PaintedPara(fmt.Sprintf("%-*s", labelW, label), p.Style.Warn, fmt.Sprintf("%s %s to %s UTC: %s  [%s]", b.Source, reports.Near(b.From, a.At), reports.Near(b.To, a.At), b.Cause, kindWords(b.Kinds)))
		label = ""
	}
}

func (a *Answer) lookWords(l Look) string {
	switch {
	case l.Class == evidence.Continuous:
		return "continuous"
	case l.Class == evidence.Reconstructed:
		return "reconstructed from history read later"
	case l.Covered() && l.After.IsZero():
		return reports.Near(l.Before, a.At) + ", the next look was not due yet (instants)"
	case l.Covered():
		return reports.Near(l.Before, a.At) + " and " + reports.Near(l.After, a.At) + " (" + string(l.Class) + ")"
	}
	s := "did not see it: " + l.Cause
	if l.Cause == evidence.CauseNotYet || strings.HasPrefix(l.Cause, evidence.CauseQuiet) {
		s = l.Cause // that is no failing of the source
	}
	if !l.Before.IsZero() {
		s += ", last look before " + reports.Near(l.Before, a.At)
	}
	if !l.After.IsZero() {
		s += ", first after " + reports.Near(l.After, a.At)
	}
	return s
}

func kindWords(kinds []evidence.Kind) string {
	var s []string
	for _, k := range kinds {
		s = append(s, string(k))
	}
	return strings.Join(s, " ")
}

func (a *Answer) textRecords(p *printer) {
	var kinds []evidence.Kind
	for k := range a.Records {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	var parts []string
	for _, k := range kinds {
		parts = append(parts, string(k)+" "+reports.Seqs(a.Records[k], 8))
	}
	s := strings.Join(parts, "; ")
	if s != "" {
		s += "; "
	}
	p.block("RECORDS", s+fmt.Sprintf("as known at log size %d of %s", a.Size, a.Origin))
}
