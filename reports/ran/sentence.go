package ran

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// speak decides the verdict and puts the answer into words.
func (a *Answer) speak() {
	covered := a.covered(evidence.DeployState) || a.PodsSeen
	differ := a.contradicted()
	switch {
	case len(a.Disagree)+len(differ) > 0:
		a.Verdict = Contradicted
	case covered:
		a.Verdict = Known
	case len(a.Works)+len(a.Running) > 0:
		a.Verdict = LastKnown
	default:
		a.Verdict = NotKnown
	}
	when := reports.Spoken(a.At, a.zone)
	switch {
	case a.Verdict == NotKnown:
		a.Sentence = a.neverSeen(when)
	case !covered:
		a.Sentence = a.lastKnown(when)
	default:
		a.Sentence = "At " + when + " " + a.ran() + a.readers()
	}
	if len(differ) > 0 {
		a.Sentence = "Contradicted: what ran was not what was declared (" + atMost(differ, 3, "; ") + "). " + a.Sentence
	}
	if len(a.Disagree) > 0 {
		a.Sentence = "Contradicted: the records disagree on what ran (" + strings.Join(a.Disagree, "; ") + "). " + a.Sentence
	}
	a.unknowns()
}

func (a *Answer) covered(kind evidence.Kind) bool {
	return slices.ContainsFunc(a.Looked, func(l Look) bool { return l.Covered() && slices.Contains(l.Kinds, kind) })
}

func (a *Answer) looksAt(kind evidence.Kind) []Look {
	var ls []Look
	for _, l := range a.Looked {
		if slices.Contains(l.Kinds, kind) {
			ls = append(ls, l)
		}
	}
	return ls
}

func (a *Answer) neverSeen(when string) string {
	looks := a.looksAt(evidence.DeployState)
	if len(looks) == 0 {
		if first := a.first(evidence.DeployState); first.After(a.At) {
			return fmt.Sprintf("Not known: no source tells what %s ran by %s; what they tell begins at %s UTC.", a.Tenant, when, reports.Near(first, a.At))
		}
		return fmt.Sprintf("Not known: no source observes what %s runs, so nothing can be said of %s.", a.Tenant, when)
	}
	s := fmt.Sprintf("Not known: no source had seen what %s ran by %s", a.Tenant, when)
	if l := looks[0]; !l.After.IsZero() {
		s += fmt.Sprintf("; %s first looked at %s UTC", l.Source, reports.Near(l.After, a.At))
	}
	return s + "."
}

// lastKnown is the first line when nothing covers the instant.
func (a *Answer) lastKnown(when string) string {
	var before, after time.Time
	var why []string
	for _, l := range a.looksAt(evidence.DeployState) {
		if l.Before.After(before) {
			before = l.Before
		}
		if !l.After.IsZero() && (after.IsZero() || l.After.Before(after)) {
			after = l.After
		}
		if l.Cause != "" {
			why = append(why, string(l.Source)+": "+l.Cause)
		}
	}
	s := "Not known: no source observed " + a.Tenant.String()
	switch {
	case before.IsZero():
		s += " at " + when
	case after.IsZero():
		s += fmt.Sprintf(" at %s, the last look was at %s UTC", when, reports.Near(before, a.At))
	default:
		s += fmt.Sprintf(" between %s and %s UTC", reports.Near(before, a.At), reports.Near(after, a.At))
	}
	if len(why) > 0 {
		s += " (" + strings.Join(why, "; ") + ")"
	}
	s += ". Last known"
	if !before.IsZero() {
		s += " at " + reports.Near(before, a.At) + " UTC"
	}
	return s + ": " + a.ran() + a.readers()
}

// ran says what ran, without the time.
func (a *Answer) ran() string {
	pods, seen := a.podCount()
	switch {
	case len(a.Works) == 0 && seen == 0:
		return a.Tenant.String() + " ran nothing that its sources list."
	case len(a.Works) == 0, a.PodsSeen && !a.covered(evidence.DeployState):
		// What the applications say is not of the instant.
		return fmt.Sprintf("%s ran %s in %s, %s.", a.Tenant, reports.Count(seen, "workload"), reports.Count(pods, "pod"), a.fitWords("as declared"))
	}
	s := fmt.Sprintf("%s ran %s, %s", a.Tenant, reports.Count(len(a.Works), "workload"), a.declared())
	s += a.lastChange() + "."
	if a.PodsSeen {
		s += fmt.Sprintf(" Its %s ran %s", reports.Count(pods, "pod"), reports.Count(seen, "workload"))
		if seen > 0 {
			s += ", " + a.fitWords("with the images declared")
		}
		s += "."
	}
	return s
}

// declared says whether what ran was what was declared.
func (a *Answer) declared() string {
	var revs, off, unsure, closed []string
	for _, w := range a.Works {
		switch {
		case w.Closed != "":
			closed = append(closed, w.App)
			continue
		case w.Sync == "Unknown":
			unsure = append(unsure, shortApp(w.App))
		case w.Sync != "Synced":
			off = append(off, shortApp(w.App))
		}
		if r := shortRevs(w.Revisions); r != "" && !slices.Contains(revs, r) {
			revs = append(revs, r)
		}
	}
	at := ""
	switch {
	case len(revs) == 1:
		at = " at " + revs[0]
	case len(revs) > 1:
		at = fmt.Sprintf(", at %d revisions", len(revs))
	}
	var s string
	switch {
	case len(closed) == len(a.Works):
		s = "of which nothing more can be opened"
	case len(unsure) > 0 && len(unsure)+len(closed) == len(a.Works):
		s = "not known to be as declared" + at
	case len(unsure) > 0 && len(off) == 0:
		s = "as declared" + at + " but for " + list(unsure, 3) + ", of which it is not known"
	case len(off) == 0 && len(a.Works) == 1:
		s = "as declared" + at
	case len(off) == 0:
		s = "all as declared" + at
	case len(off) == len(a.Works) && len(off) == 1:
		s = "not as declared" + at
	case len(off) == len(a.Works):
		s = "none as declared" + at
	default:
		s = fmt.Sprintf("%d as declared, %s not%s", len(a.Works)-len(off)-len(closed)-len(unsure), list(off, 3), at)
		if len(unsure) > 0 {
			s += ", and of " + list(unsure, 3) + " it is not known"
		}
	}
	return s
}

func shortApp(app string) string {
	if i := strings.LastIndexByte(app, '/'); i >= 0 {
		return app[i+1:]
	}
	return app
}

// list joins names as people do: "a, b and c", at most n of them.
func list(names []string, n int) string {
	if len(names) > n {
		return strings.Join(names[:n], ", ") + fmt.Sprintf(" and %d more", len(names)-n)
	}
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// lastChange tells of the workload that changed last.
func (a *Answer) lastChange() string {
	var last *Workload
	for i := range a.Works {
		if w := &a.Works[i]; !w.Since.IsZero() && (last == nil || w.Since.After(last.Since)) {
			last = w
		}
	}
	if last == nil {
		return ""
	}
	ago := reports.Lasting(a.At.Sub(last.Since)) + " before"
	if a.At.Equal(last.Since) {
		ago = "at that instant"
	}
	s := "; the last change came " + ago
	if last.SyncSeq == 0 && !last.NotBefore.IsZero() {
		s = "; the last change was first seen " + ago
	}
	s += ", " + syncedBy(last, "put there by ")
	for i := range a.Changes {
		if slices.Contains(last.Revisions, a.Changes[i].Revision) {
			s += ", " + a.Changes[i].reviewWords()
			break
		}
	}
	return s
}

func syncedBy(w *Workload, lead string) string {
	switch {
	case w.SyncedBy != nil:
		return lead + w.SyncedBy.Label
	case w.Automated:
		return lead + "automation"
	case w.Untold:
		return lead + "somebody or something the source does not name"
	case w.SyncSeq != 0:
		return lead + "somebody the source does not name"
	}
	return "who put it there was not observed"
}

// reviewWords says who reviewed in a few words.
func (c *Change) reviewWords() string {
	switch c.Review {
	case Reviewed:
		var names []string
		for _, ap := range c.Approvals {
			name := "somebody the source does not name"
			if ap.By != nil {
				name = ap.By.Label
			}
			if len(ap.Notes) > 0 {
				name += " (" + strings.Join(ap.Notes, ", ") + ")"
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return "reviewed by " + list(names, 3)
	case NobodyApproved:
		return "approved by nobody"
	}
	return "reviewer not observed"
}

func (a *Answer) windowWords() string {
	if d := a.Window.Duration(); d != time.Hour {
		return "the " + reports.Lasting(d) + " around it"
	}
	return "the hour"
}

// readers says how many could read and did read; what was not observed is
// left to the list of unknowns.
func (a *Answer) readers() string {
	s := &a.Secrets
	var parts []string
	if s.CouldSeen {
		parts = append(parts, " "+identities(len(s.Could))+" could read its secrets")
	}
	if s.DidSeen || len(s.Did) > 0 {
		n := a.didCount()
		did := fmt.Sprintf("%d did", n)
		switch {
		case len(parts) == 0:
			did = " " + identities(n) + " read its secrets"
		case n == 0:
			did = "nobody did"
		}
		did += " within " + a.windowWords()
		if !s.DidSeen {
			did += ", as far as that was seen"
		}
		parts = append(parts, did)
	}
	said := ""
	if len(parts) > 0 {
		said = capital(strings.Join(parts, ", ")) + "."
	}
	return said + a.copied()
}

// copied says how many could reach the Secrets in the clusters.
func (a *Answer) copied() string {
	s := &a.Secrets
	if len(s.Copies) == 0 || s.CopyCould != SeenYes {
		return ""
	}
	people, groups, accounts := s.copyReaders()
	var who []string
	for _, x := range []struct {
		n    int
		noun string
	}{{people, "person"}, {groups, "group"}, {accounts, "account"}} {
		if x.n > 0 {
			who = append(who, reports.Count(x.n, x.noun))
		}
	}
	by := "nobody that a role binding names"
	if len(who) > 0 {
		by = list(who, 3)
	}
	what := "The Secret"
	if n := len(s.Copies); n > 1 {
		what = "The " + reports.Count(n, "Secret")
	}
	return fmt.Sprintf(" %s it uses in the cluster could be read by %s.", what, by)
}

// capital makes the first letter after a space a capital one.
func capital(s string) string {
	if len(s) > 1 && s[0] == ' ' {
		return " " + strings.ToUpper(s[1:2]) + s[2:]
	}
	return s
}

func identities(n int) string {
	if n == 0 {
		return "nobody"
	}
	return reports.Count(n, "identity")
}

func (a *Answer) didCount() int {
	var names []string
	for _, r := range a.Secrets.Did {
		if !slices.Contains(names, r.Who) {
			names = append(names, r.Who)
		}
	}
	return len(names)
}

// nobody says why no source tells of the kind around the instant.
func (a *Answer) nobody(kind evidence.Kind) string {
	if first := a.first(kind); first.After(a.At) {
		return "no source tells of the time before " + reports.Near(first, a.At) + " UTC"
	}
	return "no source configured"
}

// notSeen says of what was not seen around the instant why it was not.
func (a *Answer) notSeen(s Seen, kind evidence.Kind) string {
	if s == NotConfigured {
		return "not observed: " + a.nobody(kind)
	}
	return "not observed at the instant"
}

// unknowns lists what cannot be told, in the voice of what can.
func (a *Answer) unknowns() {
	add := func(format string, args ...any) { a.NotKnown = append(a.NotKnown, fmt.Sprintf(format, args...)) }
	if a.covered(evidence.DeployState) || a.PodsSeen {
		for _, l := range a.looksAt(evidence.DeployState) {
			if !l.Covered() {
				add("what %s would have shown at that instant (%s)", l.Source, l.Cause)
			}
		}
	}
	switch pods := a.looksAt(evidence.RuntimePod); {
	case len(pods) == 0:
		add("which digests its pods really ran (%s)", a.nobody(evidence.RuntimePod))
	case !a.PodsSeen:
		add("which digests its pods really ran at that instant (%s: %s)", pods[0].Source, pods[0].Cause)
	default:
		for _, l := range pods {
			if !l.Covered() {
				add("what pods %s would have shown at that instant (%s)", l.Source, l.Cause)
			}
		}
	}
	if n := len(a.Closed); n > 0 {
		add("what %s of the clusters say that cannot be opened", reports.Count(n, "record"))
	}
	why := map[string][]string{}
	var order []string
	for i := range a.Changes {
		c := &a.Changes[i]
		if c.Review != ReviewNotSeen {
			continue
		}
		reason := c.whyNotSeen()
		if why[reason] == nil {
			order = append(order, reason)
		}
		why[reason] = append(why[reason], reports.ShortID(c.Revision))
	}
	for _, reason := range order {
		add("who reviewed %s (%s)", list(why[reason], 4), reason)
	}
	switch {
	case len(a.looksAt(evidence.SecretPolicy)) == 0:
		add("who could read its secrets (%s)", a.nobody(evidence.SecretPolicy))
	case !a.Secrets.CouldSeen:
		add("who could read its secrets at that instant (access policies were not observed then)")
	}
	switch {
	case len(a.looksAt(evidence.SecretAccess)) == 0:
		add("who read its secrets (%s)", a.nobody(evidence.SecretAccess))
	case !a.Secrets.DidSeen:
		add("who read its secrets while blind within %s, see BLIND", a.windowWords())
	}
	a.copyUnknowns(add)
}

// whyNotSeen says why the reviewer of a change is not known.
func (c *Change) whyNotSeen() string {
	switch {
	case c.Request > 0:
		return "the list of reviews was not read"
	case len(c.Notes) > 0:
		return c.Notes[len(c.Notes)-1]
	}
	return "no merge record"
}

// copyUnknowns lists what is not known of the copies in the clusters.
func (a *Answer) copyUnknowns(add func(string, ...any)) {
	s := &a.Secrets
	switch {
	case s.CopySync == NotConfigured && s.CopyCould == NotConfigured:
		add("who could read the copies of its secrets in the cluster (%s)", a.nobody(evidence.SecretSync))
		return
	case s.CopySync == NotConfigured:
		add("which copies of its secrets an operator makes in the cluster (%s)", a.nobody(evidence.SecretSync))
	case s.CopySync != SeenYes:
		add("which copies of its secrets the cluster held at that instant (not observed then)")
	}
	switch {
	case len(s.Copies) == 0:
	case s.CopyCould == NotConfigured:
		add("who could read the copies of its secrets (%s)", a.nobody(evidence.AccessRBAC))
	case s.CopyCould != SeenYes:
		add("who could read the copies of its secrets at that instant (roles and bindings were not observed then)")
	}
	switch {
	case s.CopyDidSeen == NotConfigured:
		add("who read the copies of its secrets (%s)", a.nobody(evidence.AccessAudit))
	case s.CopyDidSeen != SeenYes:
		add("who read the copies of its secrets while blind within %s, see BLIND", a.windowWords())
	}
}
