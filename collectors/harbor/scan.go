package harbor

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

var (
	errShape = errors.New("not of the form that the API describes")
	errShort = problem.New(problem.Incomplete, "fewer came than the registry says there are").WithHint("nothing to do: the next run asks again")
)

// wireOverview is the summary of a scan, or of the making of a bill of
// materials.
type wireOverview struct {
	ReportID   string       `json:"report_id"`
	Status     string       `json:"scan_status"`
	Severity   string       `json:"severity"`
	Start      string       `json:"start_time"`
	End        string       `json:"end_time"`
	SBOMDigest string       `json:"sbom_digest"`
	Scanner    *wireScanner `json:"scanner"`
	Percent    int          `json:"complete_percent"`
	Summary    *struct {
		Total   int            `json:"total"`
		Fixable int            `json:"fixable"`
		Summary map[string]int `json:"summary"`
	} `json:"summary"`
}

// partial reports whether only some images of an index were scanned. Harbor calls
// the index scanned as soon as one is.
func (o wireOverview) partial() bool { return o.Percent > 0 && o.Percent < 100 }

// told is what a report is known by beside its id: how it ended, and how far a
// successful one came. Harbor gives an index the id of the report of one of its
// images, so that the id stays when the others follow.
func (o wireOverview) told(outcome string) string {
	if outcome == "success" && o.partial() {
		return fmt.Sprintf("partial-%d", o.Percent)
	}
	return outcome
}

// overviewOf picks the scan of an artifact among those of several forms: the
// generic one first, then Harbor's own, then any.
func overviewOf(scans map[string]wireOverview) (string, wireOverview, bool) {
	key, ok := pick(scans)
	o := scans[key]
	if o.ReportID == "" {
		o.ReportID = "at-" + o.End
	}
	return key, o, ok
}

// pick returns the key of the best known form. Keys are media types with a
// parameter after a semicolon and a space: they are parsed, not compared.
func pick[V any](m map[string]V) (string, bool) {
	keys := slices.Sorted(maps.Keys(m))
	for _, want := range []string{genericReport, nativeReport} {
		for _, k := range keys {
			if sameType(k, want) {
				return k, true
			}
		}
	}
	if len(keys) == 0 {
		return "", false
	}
	return keys[0], true
}

func sameType(a, b string) bool {
	ta, pa, err := mime.ParseMediaType(a)
	if err != nil {
		return false
	}
	tb, pb, err := mime.ParseMediaType(b)
	return err == nil && ta == tb && maps.Equal(pa, pb)
}

// scanState says in our words how a scan stands. What is not known is unknown
// and never clean.
func scanState(native string) string {
	switch strings.ToLower(native) {
	case "success":
		return "success"
	case "error":
		return "error"
	case "stopped":
		return "stopped"
	case "running":
		return "running"
	case "pending", "scheduled":
		return "waiting"
	}
	return "unknown"
}

// severities are the words for how bad a weakness is, worst first.
var severities = []string{"Critical", "High", "Medium", "Low", "Negligible", "None", "Unknown"}

func severity(s string) string {
	for _, known := range severities {
		if strings.EqualFold(s, known) {
			return known
		}
	}
	return "Unknown"
}

func reportStamp(w *wireArtifact, o wireOverview, outcome string) stamp {
	return stampOf(w.Repository, w.Digest, o.ReportID, outcome)
}

// scans hands over the scan of an artifact when it ended and was not told yet,
// and adds its stamp to those that the list shows. An error means that a
// report is still owed.
func (l *look) scans(p *project, w *wireArtifact, current fingerprints) error {
	key, o, ok := overviewOf(w.Scans)
	if !ok {
		return nil
	}
	outcome := scanState(o.Status)
	done := reportStamp(w, o, o.told("success"))
	if p.state.Reports[done] {
		current[done] = true
		return nil // told; whatever the registry says of it now
	}
	if outcome != "success" && outcome != "error" && outcome != "stopped" {
		return nil
	}
	mark := reportStamp(w, o, o.told(outcome))
	if p.state.Reports[mark] {
		current[mark] = true
		return nil
	}
	f := l.scanFacts(p, w, key, o, outcome)
	d := evidence.Draft{}
	if outcome == "success" {
		a, rep, err := l.report(p, w, f)
		if err != nil {
			return err
		}
		d = l.scanDraft(p, w, o, f, a)
		if rep != nil {
			d.Raw = rep
		}
		l.pending += 20 // a report costs a request: it is not read again after a cut
	} else {
		d = l.scanDraft(p, w, o, f, nil)
	}
	if err := l.emit(d); err != nil {
		return err
	}
	current[mark] = true
	if p.state.Reports == nil {
		p.state.Reports = fingerprints{}
	}
	p.state.Reports[mark] = true
	return l.progress()
}

func (l *look) scanFacts(p *project, w *wireArtifact, mimeType string, o wireOverview, outcome string) *evidence.ScanFacts {
	f := &evidence.ScanFacts{
		Registry: l.cfg.Registry, Project: p.Name, Repository: strings.TrimPrefix(w.Repository, p.Name+"/"), Digest: w.Digest,
		ReportID: text(o.ReportID), MIME: text(mimeType), Status: outcome, Scanner: o.Scanner.facts(),
		StartedAt: when(o.Start), FinishedAt: when(o.End),
	}
	if outcome == "success" {
		f.Severity = severity(o.Severity)
		if o.partial() {
			f.CompletePercent = o.Percent
			l.note("a scan in project %s reached %d percent of an index's images: what the others hold is not known", p.Name, o.Percent)
		}
	}
	if s := o.Summary; s != nil {
		f.Total, f.Fixable = s.Total, s.Fixable
		for k, n := range s.Summary {
			if f.BySeverity == nil {
				f.BySeverity = map[string]int{}
			}
			f.BySeverity[severity(k)] += n
		}
	}
	return f
}

func (l *look) scanDraft(p *project, w *wireArtifact, o wireOverview, f *evidence.ScanFacts, a *answer) evidence.Draft {
	subject := l.artifactRef(p.Name, f.Repository, w.Digest)
	req := evidence.Request{Method: http.MethodGet, Agent: agent}
	if a != nil {
		req = a.req
	}
	d := l.draft(evidence.ArtifactScan, evidence.OpEvent, subject, f, req)
	// The same report read whole, told by its summary alone, and a failed one
	// are different facts, and so are those of more images of an index.
	suffix := ""
	if told := o.told(f.Status); told != "success" {
		suffix = "/" + told
	}
	if f.Status == "success" && !f.ReportSeen {
		suffix += "/summary"
	}
	d.Key = keyOf(subject.Name + "/" + o.ReportID + suffix)
	for _, t := range []time.Time{f.FinishedAt, f.GeneratedAt} {
		if !t.IsZero() && !t.After(l.started.Add(time.Hour)) {
			d.OccurredAt, d.Basis = t, evidence.BasisSource
			break
		}
	}
	d.NotBefore = p.state.Looked
	if d.NotBefore.After(d.OccurredAt) {
		d.NotBefore = time.Time{}
	}
	d.Scope = []evidence.Ref{l.projectRef(p.Name)}
	var ls links
	ls.image(w.Digest)
	ls.add(subject)
	d.Links = ls
	return d
}

// report reads the whole report of a scan into its facts. A report that is
// gone (the artifact was deleted, a rescan replaced it, this credential may
// not read it) leaves the summary, which says that the report was not seen.
func (l *look) report(p *project, w *wireArtifact, f *evidence.ScanFacts) (*answer, []byte, error) {
	path := repositoryPath(p.Name, f.Repository) + "/artifacts/" + w.Digest + "/additions/vulnerabilities"
	a, err := l.get(path, nil)
	switch s := status(err); {
	case s == http.StatusNotFound:
		l.note("a report of project %s was gone before it could be read: only its summary is kept", p.Name)
		return nil, nil, nil
	case s == http.StatusForbidden:
		l.note("reports of project %s may not be read: add artifact-addition:read; only their summaries are kept", p.Name)
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	}
	var byType map[string]json.RawMessage
	if err := a.decode(&byType); err != nil {
		return nil, nil, err
	}
	key, ok := pick(byType)
	if !ok {
		l.note("a report of project %s was replaced before it could be read: only its summary is kept", p.Name)
		return a, nil, nil
	}
	rep, err := parseReport(byType[key])
	if err != nil {
		return nil, nil, a.odd("a report of an unknown form")
	}
	if rep.Vulnerabilities == nil && f.Total > 0 {
		l.note("a report of project %s holds no list although its summary counts findings: only its summary is kept", p.Name)
		return a, nil, nil
	}
	if !sameType(key, f.MIME) && !sameType(key, genericReport) && !sameType(key, nativeReport) {
		l.note("reports have the unknown form %q: what of it could be read is kept, the rest stands in the raw report", text(key))
	}
	if rep.odd {
		l.note("a report of project %s holds members of an unknown form: what could be read is kept, the rest stands in the raw report", p.Name)
	}
	told := f.Total
	rep.into(f, key)
	if told != f.Total {
		l.note("a report of project %s lists %d findings, its summary counts %d", p.Name, f.Total, told)
	}
	return a, byType[key], nil
}

// wireReport is a scan report, generic or native: what both have.
type wireReport struct {
	Generated       string        `json:"generated_at"`
	Scanner         *wireScanner  `json:"scanner"`
	Severity        string        `json:"severity"`
	Vulnerabilities []wireFinding `json:"vulnerabilities"`
	odd             bool          // some member is of another type than the API describes
}

type wireFinding struct {
	ID       string `json:"id"`
	Package  string `json:"package"`
	Version  string `json:"version"`
	Fixed    string `json:"fix_version"`
	Severity string `json:"severity"`
	Status   string `json:"status"`
	CVSS     *struct {
		V3 *float64 `json:"score_v3"`
	} `json:"preferred_cvss"`
}

// parseReport reads one report. A finding without an id keeps its package; a
// member of another type than the API describes is left empty, so that one odd
// finding does not hide the others. What holds anything else in the place of its
// list of findings is no report.
func parseReport(raw []byte) (*wireReport, error) {
	var in struct {
		wireReport
		Vulnerabilities json.RawMessage `json:"vulnerabilities"`
	}
	odd, err := partly(json.Unmarshal(raw, &in))
	if err != nil {
		return nil, errShape
	}
	var list []json.RawMessage
	if in.Vulnerabilities != nil && json.Unmarshal(in.Vulnerabilities, &list) != nil {
		return nil, errShape
	}
	r := &in.wireReport
	r.odd = odd != ""
	if list != nil {
		r.Vulnerabilities = make([]wireFinding, len(list))
	}
	for i, v := range list {
		r.odd = json.Unmarshal(v, &r.Vulnerabilities[i]) != nil || r.odd
	}
	return r, nil
}

// partly takes an error of the decoder that left one member of an object empty
// because it is of another type, and returns the member's name; every other
// error stays.
func partly(err error) (member string, _ error) {
	var te *json.UnmarshalTypeError
	if errors.As(err, &te) && te.Field != "" {
		return te.Field, nil
	}
	return "", err
}

// Bounds on the findings in facts; the raw report holds them all.
const (
	maxFindings     = 1000
	maxFindingBytes = 200 << 10
)

// into puts a report into the facts of its scan: counts of all findings, and
// the worst of them one by one.
func (r *wireReport) into(f *evidence.ScanFacts, mimeType string) {
	f.ReportSeen, f.MIME, f.GeneratedAt = true, text(mimeType), when(r.Generated)
	if r.Scanner != nil {
		f.Scanner = r.Scanner.facts()
	}
	f.Total, f.Fixable, f.BySeverity = len(r.Vulnerabilities), 0, nil
	list := make([]evidence.ScanFinding, 0, len(r.Vulnerabilities))
	for _, v := range r.Vulnerabilities {
		s := severity(v.Severity)
		if f.BySeverity == nil {
			f.BySeverity = map[string]int{}
		}
		f.BySeverity[s]++
		if v.Fixed != "" {
			f.Fixable++
		}
		n := evidence.ScanFinding{ID: text(v.ID), Package: text(v.Package), Version: text(v.Version), Fixed: text(v.Fixed), Severity: s, Status: text(v.Status)}
		if v.CVSS != nil && v.CVSS.V3 != nil {
			n.Score = *v.CVSS.V3
		}
		list = append(list, n)
	}
	if r.Severity != "" {
		f.Severity = severity(r.Severity)
	}
	slices.SortStableFunc(list, func(a, b evidence.ScanFinding) int {
		return cmp.Or(slices.Index(severities, a.Severity)-slices.Index(severities, b.Severity), cmp.Compare(b.Score, a.Score),
			strings.Compare(a.ID, b.ID), strings.Compare(a.Package, b.Package), strings.Compare(a.Version, b.Version))
	})
	// Scanners call a report Unknown whose findings they grade.
	if len(list) > 0 && (f.Severity == "" || slices.Index(severities, list[0].Severity) < slices.Index(severities, f.Severity)) {
		f.Severity = list[0].Severity
	}
	size := 0
	for i, n := range list {
		size += len(forge.Encode(n)) + 1
		if i >= maxFindings || size > maxFindingBytes {
			f.Cut = len(list) - i
			list = list[:i]
			break
		}
	}
	f.Findings = list
}
