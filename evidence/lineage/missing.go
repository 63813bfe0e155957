package lineage

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// expectation is a link that a thing of a stage usually has.
type expectation struct {
	stage   Stage
	forward bool   // from the thing; else to it
	either  bool   // whichever way the walk went
	steps   []Step // one of them is enough
	far     []Stage
	kinds   []evidence.Kind // whose records would make it
	what    string
	// unless says that a record of the thing shows that there is no such link
	// to expect, or in words why there is none.
	unless func(rec *evidence.Record) (skip bool, says string)
}

var expectations = []expectation{
	{stage: Commit, either: true, steps: []Step{StepProposed, StepLanded}, kinds: []evidence.Kind{evidence.ChangeMerge}, what: "the request that brought it and who approved it"},
	{stage: Commit, either: true, steps: []Step{StepRan, StepChecked, StepReported}, kinds: []evidence.Kind{evidence.PipelineRun}, what: "the pipeline that ran on it"},
	{stage: Commit, forward: true, steps: []Step{StepBuilt, StepSynced, StepRunBy, StepDeclared, StepReleased, StepApplied, StepProposed, StepContained}, kinds: []evidence.Kind{evidence.ArtifactImage, evidence.DeploySync, evidence.DeployState}, what: "an image built from it or a deployment of it"},
	{stage: Change, either: true, steps: []Step{StepReviews}, kinds: []evidence.Kind{evidence.ChangeReview}, what: "its reviews", unless: reviewsRead},
	{stage: Change, forward: true, steps: []Step{StepLanded}, kinds: []evidence.Kind{evidence.ChangeMerge}, what: "the commit it landed as", unless: notMerged},
	{stage: InfraRun, steps: []Step{StepApplied, StepPlanned}, kinds: []evidence.Kind{evidence.InfraRun}, what: "the commit it applied", unless: noCommit},
	{stage: InfraRun, forward: true, steps: []Step{StepWrote}, kinds: []evidence.Kind{evidence.InfraState}, what: "the version of the state that it wrote", unless: notApplied},
	{stage: InfraState, steps: []Step{StepWrote}, kinds: []evidence.Kind{evidence.InfraState}, what: "the run that wrote it"},
	{stage: Image, either: true, steps: []Step{StepScanned}, kinds: []evidence.Kind{evidence.ArtifactScan}, what: "a scan of it", unless: isIndex},
	{stage: Image, either: true, steps: []Step{StepSigned}, kinds: []evidence.Kind{evidence.ArtifactSigned}, what: "a signature on it", unless: isIndex},
	{stage: Image, steps: []Step{StepBuilt, StepNamed, StepChild}, kinds: []evidence.Kind{evidence.ArtifactImage}, what: "the commit it was built from", unless: noRevision},
	{stage: Image, forward: true, steps: []Step{StepRunBy, StepChild}, far: []Stage{Pod, Image}, kinds: []evidence.Kind{evidence.RuntimePod}, what: "a pod that runs it"},
	{stage: App, steps: []Step{StepRunBy, StepDeployed, StepDeclared}, far: []Stage{Commit, Sync, Image}, kinds: []evidence.Kind{evidence.DeployState, evidence.DeploySync}, what: "the commit it runs"},
	{stage: App, forward: true, steps: []Step{StepMade}, kinds: []evidence.Kind{evidence.RuntimeWorkload, evidence.RuntimePod}, what: "the workloads it made"},
	{stage: Workload, forward: true, steps: []Step{StepMade}, kinds: []evidence.Kind{evidence.RuntimePod}, what: "its pods", unless: scaledToNone},
	{stage: Workload, steps: []Step{StepMade}, far: []Stage{App, Workload}, kinds: []evidence.Kind{evidence.RuntimeWorkload}, what: "the application that put it there", unless: untracked},
	{stage: Pod, steps: []Step{StepRunBy}, far: []Stage{Image}, kinds: []evidence.Kind{evidence.RuntimePod}, what: "the digest it runs", unless: noDigest},
	{stage: Pod, steps: []Step{StepMade}, kinds: []evidence.Kind{evidence.RuntimeWorkload, evidence.RuntimePod}, what: "the workload that made it"},
	{stage: Copy, forward: true, steps: []Step{StepFilled}, kinds: []evidence.Kind{evidence.SecretSync, evidence.CertDeclared}, what: "what fills it"},
	{stage: Copy, steps: []Step{StepGiven}, kinds: []evidence.Kind{evidence.RuntimePod, evidence.RuntimeWorkload}, what: "who is given it"},
	{stage: SecretSync, forward: true, steps: []Step{StepFetches}, kinds: []evidence.Kind{evidence.SecretSync}, what: "the secret it fetches"},
	{stage: Secret, forward: true, steps: []Step{StepRead, StepDenied, StepTouched}, kinds: []evidence.Kind{evidence.SecretAccess}, what: "an access to it"},
	{stage: Secret, steps: []Step{StepFetches}, kinds: []evidence.Kind{evidence.SecretSync}, what: "what copies it into the cluster"},
	{stage: Access, steps: []Step{StepRead, StepDenied, StepTouched}, far: []Stage{Secret}, kinds: []evidence.Kind{evidence.SecretAccess}, what: "the secret it asked for"},
	{stage: Certificate, forward: true, steps: []Step{StepAsked}, kinds: []evidence.Kind{evidence.CertRequest}, what: "a request for it"},
	{stage: Certificate, forward: true, steps: []Step{StepIssued}, kinds: []evidence.Kind{evidence.CertDeclared}, what: "who issues it"},
	{stage: Certificate, forward: true, steps: []Step{StepServes}, kinds: []evidence.Kind{evidence.CertDeclared}, what: "the names it serves"},
	{stage: CertRequest, forward: true, steps: []Step{StepIssued}, kinds: []evidence.Kind{evidence.CertRequest}, what: "who issued it"},
	{stage: CertRequest, steps: []Step{StepAsked}, kinds: []evidence.Kind{evidence.CertRequest, evidence.CertDeclared}, what: "the certificate it was for"},
	{stage: Host, forward: true, steps: []Step{StepShown}, kinds: []evidence.Kind{evidence.CertState}, what: "what the endpoint showed"},
	{stage: Host, steps: []Step{StepServes}, kinds: []evidence.Kind{evidence.CertDeclared}, what: "the certificate that was asked for it"},
	{stage: Backup, forward: true, steps: []Step{StepRestored}, kinds: []evidence.Kind{evidence.BackupRestore}, what: "a restore of it"},
	{stage: Restore, forward: true, steps: []Step{StepTested}, kinds: []evidence.Kind{evidence.BackupTest}, what: "the verdict on it as a test"},
	{stage: Restore, steps: []Step{StepRestored}, kinds: []evidence.Kind{evidence.BackupRestore}, what: "the backup it came from"},
	{stage: Schedule, forward: true, steps: []Step{StepBackedUp}, kinds: []evidence.Kind{evidence.BackupRun}, what: "a backup it made"},
}

func reviewsRead(rec *evidence.Record) (bool, string) {
	var f evidence.MergeFacts
	return rec.Kind == evidence.ChangeMerge && rec.Decode(&f) == nil && f.ReviewsSeen, ""
}

func notMerged(rec *evidence.Record) (bool, string) {
	var f evidence.MergeFacts
	if rec.Kind != evidence.ChangeMerge || rec.Decode(&f) != nil || f.State == "merged" {
		return false, ""
	}
	return false, "the request is " + f.State
}

func noCommit(rec *evidence.Record) (bool, string) {
	var f evidence.InfraRunFacts
	if rec.Kind != evidence.InfraRun || rec.Decode(&f) != nil || f.Commit != "" {
		return false, ""
	}
	return false, "the platform names no commit: its configuration came from no repository that it reads"
}

// notApplied: what applied nothing wrote no state.
func notApplied(rec *evidence.Record) (bool, string) {
	var f evidence.InfraRunFacts
	return rec.Kind == evidence.InfraRun && rec.Decode(&f) == nil && f.Began != nil && !*f.Began, ""
}

// isIndex: what is scanned, signed and run is what an index holds.
func isIndex(rec *evidence.Record) (bool, string) {
	var f evidence.ArtifactFacts
	return rec.Kind == evidence.ArtifactImage && rec.Decode(&f) == nil && len(f.Children) > 0, ""
}

func noRevision(rec *evidence.Record) (bool, string) {
	var f evidence.ArtifactFacts
	if rec.Kind != evidence.ArtifactImage || rec.Decode(&f) != nil {
		return false, ""
	}
	if f.Revision == "" {
		return false, "the image bears no label that names a commit"
	}
	return false, "the image names the revision " + f.Revision + ", which is no full commit id"
}

func scaledToNone(rec *evidence.Record) (bool, string) {
	var f evidence.WorkloadFacts
	return rec.Kind == evidence.RuntimeWorkload && rec.Decode(&f) == nil && f.Replicas != nil && *f.Replicas == 0, ""
}

func untracked(rec *evidence.Record) (bool, string) {
	var f evidence.WorkloadFacts
	if rec.Kind != evidence.RuntimeWorkload || rec.Decode(&f) != nil || f.App != "" {
		return false, ""
	}
	return false, "the object names no application: it may have been put there by hand"
}

func noDigest(rec *evidence.Record) (bool, string) {
	var f evidence.PodFacts
	if rec.Kind != evidence.RuntimePod || rec.Decode(&f) != nil {
		return false, ""
	}
	for _, c := range f.Containers {
		if c.Digest != "" {
			return false, ""
		}
	}
	return false, "the runtime reported no digest for its containers"
}

// maxWindows is how many windows one missing link names.
const maxWindows = 3

// maxMissing bounds the missing links of one trace.
const maxMissing = 100

// missing says which expected links no record makes.
func (w *walker) missing(ctx context.Context, t *Trace) error {
	w.cov = nil // it may have been asked before the oldest record was known
	out, in := map[string][]*Link{}, map[string][]*Link{}
	for i := range t.Links {
		l := &t.Links[i]
		out[l.From], in[l.To] = append(out[l.From], l), append(in[l.To], l)
	}
	for _, l := range t.Links {
		if n, ok := t.Node(l.From); ok && l.Step == StepSame && n.Stage == Host {
			both, to := append(slices.Clone(out[l.From]), out[l.To]...), append(slices.Clone(in[l.From]), in[l.To]...)
			out[l.From], out[l.To], in[l.From], in[l.To] = both, both, to, to
		}
	}
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.Beside {
			continue
		}
		for j := range expectations {
			x := &expectations[j]
			if x.stage != n.Stage || !x.asked(n, w.opt.Direction) || x.met(t, out[n.ID], in[n.ID]) || onlyProposed(n, out[n.ID], in[n.ID]) {
				continue
			}
			if len(t.Missing) == maxMissing {
				w.cut[fmt.Sprintf("only %d missing links were told", maxMissing)]++
				return nil
			}
			if err := w.why(ctx, t, n, x); err != nil {
				return err
			}
		}
	}
	w.ambiguous(t, out, in)
	return nil
}

// asked reports whether the walk went where the link would be.
func (x *expectation) asked(n *Node, dir Direction) bool {
	if x.either {
		return true
	}
	if n.Start {
		return dir == "" || dir == Both || (dir == Forward) == x.forward
	}
	return x.forward && n.Forward || !x.forward && n.Back
}

// onlyProposed reports whether a commit is on the trace as a part of a request
// alone: what became of it became of the request.
func onlyProposed(n *Node, out, in []*Link) bool {
	part := func(l *Link) bool { return l.Step != StepProposed && l.Step != StepReviewed }
	return n.Stage == Commit && !n.Start && !slices.ContainsFunc(out, part) && !slices.ContainsFunc(in, part)
}

func (x *expectation) met(t *Trace, out, in []*Link) bool {
	has := func(links []*Link, far func(*Link) string) bool {
		return slices.ContainsFunc(links, func(l *Link) bool {
			if !slices.Contains(x.steps, l.Step) {
				return false
			}
			if len(x.far) == 0 {
				return true
			}
			f, ok := t.Node(far(l))
			return ok && slices.Contains(x.far, f.Stage)
		})
	}
	to, from := func(l *Link) string { return l.To }, func(l *Link) string { return l.From }
	return (x.either || x.forward) && has(out, to) || (x.either || !x.forward) && has(in, from)
}

// why finds out why a link is not there, and adds it to the trace.
func (w *walker) why(ctx context.Context, t *Trace, n *Node, x *expectation) error {
	m := Missing{Node: n.ID, What: x.what, Kinds: x.kinds, Seqs: n.Records}
	says := ""
	if x.unless != nil {
		for _, seq := range n.Records {
			rec := t.Records[seq]
			skip, s := x.unless(&rec)
			if skip {
				return nil
			}
			if says == "" {
				says = s
			}
		}
	}
	cov, err := w.coverage(ctx)
	if err != nil {
		return err
	}
	m.Sources = cov.Sources(x.kinds...)
	window := w.window(t, n, x)
	switch {
	case len(n.Records) > 0 && says != "":
		m.Why, m.Says = NoRecord, says
	case len(m.Sources) == 0:
		m.Why, m.Says = NotConfigured, "no source of this log tells "+kindNames(x.kinds)
	default:
		w.looked(cov, &m, window)
	}
	t.Missing = append(t.Missing, m)
	return nil
}

// looked tells "nothing there" from "nobody looked".
func (w *walker) looked(cov *evidence.Coverage, m *Missing, window evidence.Period) {
	more := 0
	var silent []evidence.Kind
	for _, k := range m.Kinds {
		if len(cov.Sources(k)) == 0 {
			silent = append(silent, k)
			continue
		}
		for _, u := range cov.Uncovered(k, evidence.Reconstructed, window) {
			if len(m.Windows) < maxWindows {
				m.Windows = append(m.Windows, u)
			} else {
				more++
			}
		}
	}
	names := make([]string, len(m.Sources))
	for i, s := range m.Sources {
		names[i] = string(s)
	}
	if len(silent) > 0 {
		m.Why, m.Says = NotConfigured, "no source of this log tells "+kindNames(silent)+", and "+strings.Join(names, ", ")+" tells none"
		return
	}
	if len(m.Windows) == 0 {
		m.Why, m.Says = NoRecord, "no record, though "+strings.Join(names, ", ")+" was looked at throughout"
		return
	}
	m.Why = NotObserved
	u := m.Windows[0]
	m.Says = fmt.Sprintf("not observed from %s to %s: %s", evidence.FormatTime(u.Period.From), evidence.FormatTime(u.Period.To), u.Cause)
	if n := len(m.Windows) - 1 + more; n > 0 {
		m.Says += fmt.Sprintf(", and %d more windows", n)
	}
}

func kindNames(kinds []evidence.Kind) string {
	var s []string
	for _, k := range kinds {
		s = append(s, string(k))
	}
	return strings.Join(s, " or ")
}

// window is the time in which the record of a missing link would lie: for a
// use the time of uses; else from the first that is known of the thing to the
// end of what was asked about, no further than the log.
func (w *walker) window(t *Trace, n *Node, x *expectation) evidence.Period {
	reach := w.reach()
	if slices.Contains(using, x.kinds[0]) && !w.b.uses.IsZero() {
		return clip(w.b.uses, reach)
	}
	p := evidence.Period{To: reach}
	if !w.b.made.IsZero() && w.b.made.Before(p.To) {
		p.To = w.b.made
	}
	earliest := func(at time.Time) {
		if !at.IsZero() && (p.From.IsZero() || at.Before(p.From)) {
			p.From = at
		}
	}
	for _, seq := range n.Records {
		if rec := t.Records[seq]; rec.Basis != evidence.BasisClaimed {
			earliest(begin(&rec))
		}
	}
	for _, l := range t.Links {
		if !p.From.IsZero() && len(n.Records) > 0 && n.Stage != Commit {
			break // the thing's own records tell since when it is known
		}
		if l.From != n.ID && l.To != n.ID {
			continue
		}
		for _, c := range l.Because {
			if rec := t.Records[c.Seq]; rec.Basis != evidence.BasisClaimed {
				earliest(begin(&rec))
			}
		}
	}
	if p.From.IsZero() {
		for _, seq := range n.Records { // a claimed time alone: it came between two looks
			rec := t.Records[seq]
			earliest(rec.NotBefore)
			earliest(rec.Observed)
		}
	}
	if p.From.IsZero() || !p.From.Before(p.To) {
		p.From = p.To.Add(-time.Nanosecond)
	}
	return p
}

func clip(p evidence.Period, to time.Time) evidence.Period {
	if p.To.After(to) {
		p.To = to
	}
	if !p.From.Before(p.To) {
		p.From = p.To.Add(-time.Nanosecond)
	}
	return p
}

// reach is up to when anything is known: the end of the newest span of
// coverage; nothing is said of what lies behind it.
func (w *walker) reach() time.Time {
	var t time.Time
	for _, s := range w.cov.Spans() {
		if s.Class.Rank() > 0 && s.Period.To.After(t) {
			t = s.Period.To
		}
	}
	if t.IsZero() {
		return ever
	}
	return t
}

// coverage loads what was seen around the time asked about.
func (w *walker) coverage(ctx context.Context) (*evidence.Coverage, error) {
	if w.cov != nil {
		return w.cov, nil
	}
	var p evidence.Period
	if !w.b.made.IsZero() {
		p = evidence.Period{From: w.b.hold[0].From, To: w.b.made}
		// What was made before the time asked about may have been told long ago:
		// the oldest that the walk has read says how long.
		for _, rec := range w.records {
			if rec.Basis != evidence.BasisClaimed && rec.Occurred.Before(p.From) {
				p.From = rec.Occurred
			}
		}
	}
	cov, err := evidence.LoadCoverage(ctx, evidence.CoverageNear(w.r, p), p)
	if err != nil {
		return nil, err
	}
	w.cov = cov
	return cov, nil
}

// ambiguous tells names that more than one thing bears.
func (w *walker) ambiguous(t *Trace, out, in map[string][]*Link) {
	for i := range t.Nodes {
		n := &t.Nodes[i]
		var among []string
		what := ""
		for _, l := range out[n.ID] {
			if l.Step == StepSame && n.Stage != Host {
				among, what = append(among, l.To), "which of those that bore this name"
			}
		}
		if n.Stage == Tag && !n.Beside {
			for _, l := range in[n.ID] {
				if l.Step == StepTagged {
					among, what = append(among, l.From), "which image the tag stood for"
				}
			}
		}
		if len(among) > 1 {
			t.Missing = append(t.Missing, Missing{
				Node: n.ID, What: what, Why: Ambiguous, Among: among,
				Says: fmt.Sprintf("%d bore the name within the time asked about", len(among)),
			})
		}
	}
}
