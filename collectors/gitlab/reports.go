package gitlab

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// reportFiles are the security reports that jobs leave, by the type the server
// gives them, with the name their analyzers write. A report lies both with the
// server, which shows its findings in the highest edition only, and among the
// job's artifacts, where it can be read by name.
var reportFiles = map[string]string{
	"sast":                   "gl-sast-report.json",
	"dependency_scanning":    "gl-dependency-scanning-report.json",
	"container_scanning":     "gl-container-scanning-report.json",
	"secret_detection":       "gl-secret-detection-report.json",
	"dast":                   "gl-dast-report.json",
	"api_fuzzing":            "gl-api-fuzzing-report.json",
	"coverage_fuzzing":       "gl-coverage-fuzzing-report.json",
	"cluster_image_scanning": "gl-cluster-image-scanning-report.json",
}

// maxReport is the largest report that is asked for, in bytes as the server
// counts them, which is compressed: about a fortieth of what it may become.
const maxReport = 1 << 20

// reportLook reads the reports of a project's pipelines.
type reportLook struct {
	*projectLook
	unread int          // reports that are there and cannot be read
	broken map[int]bool // pipelines of which a report was no report
}

// maxTries is how often a report that is no report is asked for: a proxy may
// have answered in the server's place.
const maxTries = 3

// owe remembers a pipeline of which a report was broken or too large, so that
// the next look asks again. Whoever may change the pipeline writes that file:
// it must not keep the rest of the project from being read.
func (r *reportLook) owe(q *run) {
	r.unread++
	if r.broken[q.ID] {
		return
	}
	r.broken[q.ID] = true
	id := strconv.Itoa(q.ID)
	o := owed{Parent: q.parent, Tries: r.st.Owed[id].Tries + 1}
	if o.Tries >= maxTries {
		delete(r.st.Owed, id)
		return
	}
	r.st.Owed[id] = o
}

// again reads the pipelines that are owed and were not read by this look.
func (r *reportLook) again() error {
	for _, id := range forge.Sorted(r.st.Owed) {
		o := r.st.Owed[id]
		n, err := strconv.Atoi(id)
		if err != nil || n <= 0 {
			return problem.New(problem.Corrupt, "the stored position owes a pipeline without a number")
		}
		if !r.ended[n] {
			err := r.pipeline(r, n, o.Parent, min(o.Parent, 1))
			if err := r.spoil("project "+strconv.Itoa(r.projectLook.id), &r.st.Pipelines, err); err != nil && fetch.Status(err) != http.StatusNotFound {
				return err
			}
		}
		if !r.broken[n] {
			delete(r.st.Owed, id)
		}
	}
	if n := len(r.st.Owed); n > 0 {
		r.missing = append(r.missing, "security reports of "+strconv.Itoa(n)+" pipelines of project "+strconv.Itoa(r.id)+" are broken or too large: they are asked for again")
	}
	return nil
}

// job reads the security reports of one job that ended.
func (r *reportLook) job(q *run, j *gl.Job) error {
	if !finished(j.Status) {
		return nil
	}
	for _, a := range j.Artifacts {
		file := reportFiles[a.FileType]
		if file == "" {
			continue
		}
		if expires := when(j.ArtifactsExpireAt); j.ErasedAt != nil || a.Size > maxReport || !expires.IsZero() && expires.Before(r.started) {
			r.unread++
			continue
		}
		if err := r.read(q, j, a.FileType, file); err != nil {
			return err
		}
	}
	return nil
}

func (r *reportLook) read(q *run, j *gl.Job, kind, file string) error {
	p, err := r.get(r.ctx, r.api+"/jobs/"+strconv.Itoa(j.ID)+"/artifacts/"+file, nil)
	if err == nil {
		rep, err := readReport(p)
		if err != nil {
			r.owe(q)
			return nil
		}
		return r.emit(r.reportDraft(q, j, kind, rep))
	}
	if errors.Is(err, fetch.ErrTooLarge) {
		r.owe(q)
		return nil
	}
	if !refused(err) {
		return err
	}
	rep, err := r.findings(q, kind)
	if refused(err) {
		r.unread++
		return nil
	}
	if err != nil {
		return err
	}
	return r.emit(r.reportDraft(q, j, kind, rep))
}

// claims says what was seen of reports: nothing is claimed when some were there
// and could not be read.
func (r *reportLook) claims(oldest time.Time) {
	st := &r.st.Pipelines
	if r.unread == 0 {
		// A copy: the position itself is moved by the claim of the pipelines.
		at := *st
		r.claimList(r.ref, &at, r.cfg.PipelineHistory, oldest, r.created, "", evidence.PipelineReport)
		return
	}
	r.note("project %d: %d security reports could not be read: expired, too large, broken, not kept among the job's artifacts, or hidden from this credential", r.id, r.unread)
	r.claim(r.ref, evidence.Blind, r.blindFrom(st.Looked), "security reports were made that cannot be read: expired, too large, broken, or not available at this tier", 0, evidence.PipelineReport)
}

// report is what of a security report is read. See
// https://gitlab.com/gitlab-org/security-products/security-report-schemas
type report struct {
	Scan struct {
		Scanner scanner `json:"scanner"`
		End     string  `json:"end_time"`
		Status  string  `json:"status"`
	} `json:"scan"`
	Found []vulnerability `json:"vulnerabilities"`

	page  *page
	scans bool // it came with a scan, which tells its end
}

type scanner struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Vendor  vendor `json:"vendor"`
}

// vendor is the name of who made a scanner. A report has an object around it, the
// findings of the API have not.
type vendor string

// UnmarshalJSON implements json.Unmarshaler. It never fails: findings must not go
// for the name of who made the scanner.
func (v *vendor) UnmarshalJSON(b []byte) error {
	var of struct {
		Name plainText `json:"name"`
	}
	if json.Unmarshal(b, &of) != nil {
		json.Unmarshal(b, &of.Name)
	}
	*v = vendor(of.Name)
	return nil
}

type vulnerability struct {
	ID          plainText    `json:"id"` // of the API's findings a number, or null
	UUID        string       `json:"uuid"`
	Severity    string       `json:"severity"`
	State       string       `json:"state"`
	Solution    string       `json:"solution"`
	Scanner     scanner      `json:"scanner"`
	Location    location     `json:"location"`
	Identifiers []identifier `json:"identifiers"`
}

type identifier struct {
	Type  string `json:"type"`
	Name  string `json:"name"`
	Value string `json:"value"`
	// The findings of the API call them otherwise.
	ExternalType string `json:"external_type"`
	ExternalID   string `json:"external_id"`
}

type location struct {
	File       string `json:"file"`
	Line       int    `json:"start_line"`
	Image      string `json:"image"`
	OS         string `json:"operating_system"`
	Dependency struct {
		Package struct {
			Name string `json:"name"`
		} `json:"package"`
		Version string `json:"version"`
	} `json:"dependency"`
}

func readReport(p *page) (*report, error) {
	rep := &report{page: p}
	if err := decode(p, rep); err != nil {
		return nil, err
	}
	var has map[string]json.RawMessage
	if err := decode(p, &has); err != nil {
		return nil, err
	}
	if has["vulnerabilities"] == nil {
		return nil, odd(p, "no security report")
	}
	rep.scans = has["scan"] != nil
	return rep, nil
}

// findings asks the server for the findings of a pipeline, which it tells in
// the highest edition.
func (r *reportLook) findings(q *run, kind string) (*report, error) {
	rep := &report{}
	opt := struct {
		gl.ListOptions
		Pipeline int    `url:"pipeline_id"`
		Type     string `url:"report_type"`
		Scope    string `url:"scope"`
	}{gl.ListOptions{PerPage: perPage}, q.ID, kind, "all"}
	var parts []json.RawMessage
	var first *page
	_, err := r.list(r.ctx, r.api+"/vulnerability_findings", opt, func(p *page, raw json.RawMessage) error {
		var v vulnerability
		if err := decodeItem(p, raw, &v); err != nil {
			return err
		}
		if first == nil {
			first = p
		}
		rep.Found, parts = append(rep.Found, v), append(parts, raw)
		return nil
	})
	if first == nil {
		first = &page{req: evidence.Request{Agent: agent}}
	}
	rep.page = &page{body: forge.Encode(struct {
		V []json.RawMessage `json:"vulnerabilities"`
	}{parts}), req: first.req}
	for _, v := range rep.Found {
		rep.Scan.Scanner = v.Scanner
		break
	}
	return rep, err
}

// maxFindings bounds the findings in the facts; all are counted.
const maxFindings = 500

// severities, worst first, in our words.
var severities = []string{"Critical", "High", "Medium", "Low", "Negligible", "None", "Unknown"}

func severity(s string) string {
	switch strings.ToLower(s) {
	case "critical":
		return "Critical"
	case "high":
		return "High"
	case "medium":
		return "Medium"
	case "low":
		return "Low"
	case "info", "negligible":
		return "Negligible"
	}
	return "Unknown"
}

func (r *projectLook) reportDraft(q *run, j *gl.Job, kind string, rep *report) evidence.Draft {
	f := evidence.ReportFacts{
		Repo: r.path, Pipeline: strconv.Itoa(q.ID), SHA: q.SHA, Job: label(j.Name), Type: kind,
		Scanner: evidence.ScannerFacts{Name: label(rep.Scan.Scanner.Name), Vendor: label(string(rep.Scan.Scanner.Vendor)), Version: label(rep.Scan.Scanner.Version)},
		Total:   len(rep.Found), BySeverity: map[string]int{}, FinishedAt: when(j.FinishedAt), ExpiresAt: when(j.ArtifactsExpireAt),
	}
	if t, err := time.Parse("2006-01-02T15:04:05", rep.Scan.End); err == nil && rep.scans {
		f.FinishedAt = when(&t) // the schema's time: UTC, without a zone
	}
	all := make([]found, 0, len(rep.Found))
	for _, v := range rep.Found {
		sev := severity(v.Severity)
		f.BySeverity[sev]++
		all = append(all, found{v.facts(sev), v.Location.File})
		if f.Image == "" && v.Location.Image != "" {
			f.Image = imageName(v.Location.Image)
			f.Digest = digestIn.FindString(v.Location.Image)
		}
	}
	slices.SortStableFunc(all, func(a, b found) int {
		if c := slices.Index(severities, a.Severity) - slices.Index(severities, b.Severity); c != 0 {
			return c
		}
		return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Package, b.Package), strings.Compare(a.Place, b.Place))
	})
	for _, v := range all {
		f.Findings = append(f.Findings, v.ScanFinding)
	}
	if n := len(f.Findings); n > maxFindings {
		f.Findings, f.Cut = f.Findings[:maxFindings], n-maxFindings
	}
	for len(forge.Encode(f.Findings)) > maxFileBytes {
		half := len(f.Findings) / 2
		f.Cut += len(f.Findings) - half
		f.Findings = f.Findings[:half]
	}
	d := r.draft(evidence.PipelineReport, evidence.OpEvent, rep.page.req, f)
	d.Scope = q.scope
	d.Mentions = r.mentionFound(all)
	if at := newer(f.FinishedAt, when(j.FinishedAt)); !at.IsZero() {
		d.OccurredAt, d.Basis = at, evidence.BasisSource
	}
	d.Key = r.key("/%d/%s", j.ID, kind)
	d.Subject = r.pipelineRef(r.path, q.ID)
	d.Links = append(commitLinks(q.SHA), d.Subject)
	if m := mergeRef.FindStringSubmatch(q.Ref); m != nil {
		n, _ := strconv.Atoi(m[1])
		d.Links = append(d.Links, r.changeRef(r.path, n))
	}
	d.Links = append(d.Links, imageLinks(f.Image, f.Digest)...)
	d.Raw, d.Removed = redact(rep.page.body)
	return d
}

// found is a finding with the file that it is in, empty for none.
type found struct {
	evidence.ScanFinding
	file string
}

// mentionFound says whose the findings of a report are: who owns the file, or the
// whole project. A report of a project that tenants share has those of all.
func (r *projectLook) mentionFound(all []found) []evidence.Mention {
	if len(all) == 0 {
		return nil
	}
	of := make([][]evidence.Ref, len(all))
	for i, v := range all {
		if v.file != "" {
			of[i] = []evidence.Ref{forge.Path(r.authority, r.path, v.file)}
		}
	}
	return []evidence.Mention{{At: "/findings", Names: []string{"place"}, Of: of, Within: r.Collector.project(r.path), InRaw: true}}
}

func (v *vulnerability) facts(sev string) evidence.ScanFinding {
	f := evidence.ScanFinding{
		ID: label(v.name()), Package: label(v.Location.Dependency.Package.Name), Version: label(v.Location.Dependency.Version),
		Severity: sev, Place: label(v.Location.File),
	}
	if f.Place != "" && v.Location.Line > 0 {
		f.Place += ":" + strconv.Itoa(v.Location.Line)
	}
	if f.Place == "" {
		f.Place = label(v.Location.OS)
	}
	if v.State != "" {
		f.Status = word(v.State)
	}
	return f
}

// name prefers a CVE, then the scanner's own rule, then the report's id.
func (v *vulnerability) name() string {
	for _, i := range v.Identifiers {
		if strings.EqualFold(i.Type+i.ExternalType, "cve") {
			return i.Value + i.ExternalID
		}
	}
	for _, i := range v.Identifiers {
		if s := i.Value + i.ExternalID; s != "" {
			return s
		}
	}
	return string(v.ID) + v.UUID
}

// imageName gives an image as images name it, without a scheme or credentials.
func imageName(s string) string {
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		s = u.Host + u.Path
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		if at := s[:i]; digestIn.MatchString(s[i:]) {
			s = at
		} else {
			s = s[i+1:]
		}
	}
	return forge.Short(forge.Clean(s))
}

// remover names this remover and its version: it stands first in
// Draft.Removed. Version 1 takes out of a report, wherever they stand, what may
// quote a secret that was found (the source code extract, details, evidence
// with requests and answers, tracking) and what names people (the commit with
// its author, feedback of who dismissed a finding).
const remover = "gitlab-remover/1"

var removedMembers = []string{
	"raw_source_code_extract", "source_code_extract", "details", "evidence", "tracking", "flags",
	"commit", "author", "dismissal_feedback", "issue_feedback", "merge_request_feedback",
}

// redact writes a report again without what may be a secret or a person.
func redact(raw []byte) (clean []byte, removed []string) { return without(raw, removedMembers) }

// without writes a body again without some members, wherever they stand.
// Numbers keep their digits; a body that is no JSON is taken out whole.
func without(raw []byte, members []string) (clean []byte, removed []string) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil || dec.More() {
		return nil, []string{remover, ""}
	}
	w := &stripper{members: members, found: map[string]bool{}}
	w.strip(v)
	if len(w.found) == 0 {
		return raw, nil
	}
	return forge.Encode(v), append([]string{remover}, forge.Sorted(w.found)...)
}

// stripper takes members out of a value and remembers the pointers of what it
// took. One pointer stands for all items of a list: a report may have thousands.
type stripper struct {
	members []string
	path    []string
	found   map[string]bool
}

func (w *stripper) strip(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, sub := range v {
			w.path = append(w.path, k)
			if slices.Contains(w.members, k) {
				delete(v, k)
				w.found[w.pointer()] = true
			} else {
				w.strip(sub)
			}
			w.path = w.path[:len(w.path)-1]
		}
	case []any:
		w.path = append(w.path, "-")
		for _, sub := range v {
			w.strip(sub)
		}
		w.path = w.path[:len(w.path)-1]
	}
}

// pointer is the JSON pointer of where w stands (RFC 6901).
func (w *stripper) pointer() string {
	var b strings.Builder
	for _, p := range w.path {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(p, "~", "~0"), "/", "~1"))
	}
	return b.String()
}
