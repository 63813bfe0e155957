package harbor

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// wireArtifact is an artifact as the list gives it.
type wireArtifact struct {
	ID          int64                   `json:"id"`
	Type        string                  `json:"type"`
	MediaType   string                  `json:"manifest_media_type"`
	ConfigType  string                  `json:"media_type"`
	ProjectID   int64                   `json:"project_id"`
	Repository  string                  `json:"repository_name"` // with the project
	Digest      string                  `json:"digest"`
	Size        int64                   `json:"size"`
	PushTime    string                  `json:"push_time"`
	PullTime    string                  `json:"pull_time"`
	Extra       json.RawMessage         `json:"extra_attrs"`
	Annotations map[string]string       `json:"annotations"`
	References  []wireChild             `json:"references"`
	Tags        []wireTag               `json:"tags"`
	Scans       map[string]wireOverview `json:"scan_overview"`
	SBOM        *wireOverview           `json:"sbom_overview"`
	Accessories []wireAccessory         `json:"accessories"`
	Inherited   []wireAccessory         `json:"inherited_accessories"`
	odd         bool                    // some member is of another type than the API describes
}

type wireChild struct {
	Digest   string `json:"child_digest"`
	Platform *struct {
		OS      string `json:"os"`
		Arch    string `json:"architecture"`
		Variant string `json:"variant"`
	} `json:"platform"`
}

type wireTag struct {
	Name      string `json:"name"`
	PushTime  string `json:"push_time"`
	Immutable bool   `json:"immutable"`
}

type wireScanner struct {
	Name    string `json:"name"`
	Vendor  string `json:"vendor"`
	Version string `json:"version"`
}

func (s *wireScanner) facts() evidence.ScannerFacts {
	if s == nil {
		return evidence.ScannerFacts{}
	}
	return evidence.ScannerFacts{Name: text(s.Name), Vendor: text(s.Vendor), Version: text(s.Version)}
}

// parseArtifact reads one artifact of a list. What is not there, or of another
// type than the API describes, is left empty; an artifact without a digest or a
// repository is refused, and so is one of which a tag, an image or the type of what
// is attached to it cannot be read: without it the artifact would be another, one
// that is not signed for one. repository is that of the list, with the project, for
// registries whose artifacts do not name it; empty for a list of a project.
func parseArtifact(raw []byte, repository string) (*wireArtifact, error) {
	a := &wireArtifact{}
	odd, err := partly(json.Unmarshal(raw, a))
	if err != nil {
		return nil, errShape
	}
	if a.odd = odd != ""; a.odd {
		if err := a.again(raw); err != nil {
			return nil, err
		}
	}
	if slices.ContainsFunc(a.Tags, func(t wireTag) bool { return t.Name == "" }) ||
		slices.ContainsFunc(a.References, func(c wireChild) bool { return !digestName.MatchString(c.Digest) }) ||
		slices.ContainsFunc(slices.Concat(a.Accessories, a.Inherited), func(acc wireAccessory) bool { return acc.Type == "" }) {
		return nil, errShape
	}
	a.Repository = cmp.Or(a.Repository, repository)
	if !digestName.MatchString(a.Digest) || !strings.Contains(a.Repository, "/") || strings.HasSuffix(a.Repository, "/") {
		return nil, errShape
	}
	return a, nil
}

// again reads what an odd artifact holds in parts: of several odd members the error
// names the first alone.
func (a *wireArtifact) again(raw []byte) error {
	var parts struct {
		References []struct{}      `json:"references"`
		Tags       []struct{}      `json:"tags"`
		Attached   []struct{}      `json:"accessories"`
		Inherited  []struct{}      `json:"inherited_accessories"`
		Scans      json.RawMessage `json:"scan_overview"`
		SBOM       json.RawMessage `json:"sbom_overview"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return errShape
	}
	// There is one: never scanned would be untrue.
	if len(a.Scans) == 0 && said(parts.Scans) && json.Unmarshal(parts.Scans, &map[string]wireOverview{}) != nil {
		a.Scans = map[string]wireOverview{"": {}}
	}
	if said(parts.SBOM) && json.Unmarshal(parts.SBOM, &wireOverview{}) != nil {
		a.SBOM = &wireOverview{Status: "unreadable"}
	}
	return nil
}

// said reports whether a member is there, and not null.
func said(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// artifacts reads every artifact of every project, and each report that was
// not read yet.
func (l *look) artifacts() error {
	q := url.Values{}
	for _, with := range []string{"tag", "scan_overview", "sbom_overview", "accessory", "inherited_accessory", "immutable_status"} {
		q.Set("with_"+with, "true")
	}
	read, lacking := 0, map[evidence.Kind]bool{}
	for _, p := range l.strays {
		l.blind(p, p.state.Looked, stateKinds...)
		l.blind(p, p.state.Looked, evidence.ArtifactScan)
	}
	for _, p := range l.projects {
		done, err := l.project(p, q)
		if err != nil {
			if err := l.miss(err, "artifacts of project %s", p.Name); err != nil {
				return err
			}
			l.blind(p, p.state.Looked, stateKinds...)
			l.blind(p, p.state.Looked, evidence.ArtifactScan)
			continue
		}
		if !done {
			// Its list is whole, a report of it is not: no scan is claimed.
			l.blind(p, p.state.Looked, evidence.ArtifactScan)
		}
		for _, k := range p.lacking() {
			lacking[k] = true
			l.blind(p, p.state.Looked, k)
		}
		read++
		if err := l.progress(); err != nil {
			return err
		}
	}
	if read > 0 || len(l.projects) == 0 {
		l.claim(0, stateKinds...)
		l.claim(0, evidence.ArtifactScan)
	}
	if read == len(l.projects) && l.whole() {
		// Every project there is was read: what is not there is nowhere.
		for _, k := range stateKinds {
			if !lacking[k] {
				l.sink.Complete(k, evidence.Ref{})
			}
		}
	}
	return nil
}

// lacking are the kinds of which the list of artifacts, whole as it is, does not
// tell all.
func (p *project) lacking() []evidence.Kind {
	switch {
	case p.loose != nil:
		return []evidence.Kind{evidence.ArtifactSBOM, evidence.ArtifactSigned}
	case p.owed > 0:
		return []evidence.Kind{evidence.ArtifactSBOM}
	}
	return nil
}

// stateKinds are the kinds of which a list of artifacts is a full list.
var stateKinds = []evidence.Kind{evidence.ArtifactImage, evidence.ArtifactSBOM, evidence.ArtifactSigned}

// project reads the artifacts of one project; done says that no report is
// owed.
func (l *look) project(p *project, q url.Values) (done bool, err error) {
	current := fingerprints{} // of the reports that the list shows
	p.bills, p.tries, p.owed, p.why, p.refused, p.loose = fingerprints{}, map[string]int{}, 0, nil, false, nil
	var odd oddItems
	owed, future := 0, 0
	var first error
	source, ours, err := l.walkArtifacts(p, q, func(repository string, a *answer, items []json.RawMessage) (bool, error) {
		for _, raw := range items {
			w, err := parseArtifact(raw, repository)
			if err != nil || !strings.HasPrefix(w.Repository, p.Name+"/") {
				odd.add(a.oddItem("an artifact without a digest, of an unknown form, or of another project"))
				continue
			}
			if w.odd {
				l.note("an artifact of project %s has members of an unknown form: what could be read is kept", p.Name)
			}
			if t := when(w.PushTime); t.After(l.started.Add(time.Hour)) {
				future++
			}
			if err := l.artifact(p, w, raw, a.req); err != nil {
				return false, err
			}
			if err := l.scans(p, w, current); err != nil {
				if forge.Ends(l.ctx, err) {
					return false, err
				}
				if first == nil {
					first = err
				}
				owed++
			}
		}
		return true, l.progress()
	})
	if err := odd.skip(err); err != nil {
		return false, err
	}
	l.counts = append(l.counts, evidence.SourceCount{What: "artifacts of " + p.Name, Query: artifactsPath(p.Name), Source: source, Ours: ours})
	if future > 0 {
		l.note("%d artifacts of project %s say that they were pushed in the future", future, p.Name)
	}
	if ours < source {
		return false, errShort
	}
	if err := odd.err(); err != nil {
		return false, err // what is known of their reports and bills stands
	}
	for _, k := range stateKinds {
		if !slices.Contains(p.lacking(), k) {
			l.sink.Complete(k, l.projectRef(p.Name))
		}
	}
	p.state.Reports, p.state.Bills, p.state.Tries = current, p.bills, p.tries
	if p.loose != nil {
		l.missed.Add(p.loose, "what is attached to artifacts of project "+p.Name)
	}
	if p.owed > 0 {
		if err := l.miss(p.why, "%d bills of materials of project %s", p.owed, p.Name); err != nil {
			return false, err
		}
	}
	if owed > 0 {
		return false, l.miss(first, "%d scan reports of project %s", owed, p.Name)
	}
	l.after = append(l.after, func() { p.state.Looked = l.started })
	return true, nil
}

// artifactsPath is the path of the list of a project's artifacts.
func artifactsPath(project string) string { return projectPath(project) + "/artifacts" }

// walkArtifacts reads the artifacts of a project by id: in one list, or, of a
// registry before Harbor 2.12, which has none, in that of each repository, whose
// name, with the project, each is then given. A project that is gone has
// neither.
func (l *look) walkArtifacts(p *project, q url.Values, each func(repository string, a *answer, items []json.RawMessage) (bool, error)) (source, ours int64, err error) {
	of := func(repository string) func(*answer, []json.RawMessage) (bool, error) {
		return func(a *answer, items []json.RawMessage) (bool, error) { return each(repository, a, items) }
	}
	source, ours, err = l.walk(artifactsPath(p.Name), "id", q, 1, 0, of(""))
	if status(err) != http.StatusNotFound {
		return source, ours, err
	}
	var names []string
	var odd oddItems
	// Its rows name their id otherwise than the column by which they are
	// selected, so it is read by number; in the order in which they were made.
	err = l.list("repositories of "+p.Name, projectPath(p.Name)+"/repositories", url.Values{"sort": {"repository_id"}}, func(a *answer, item json.RawMessage) error {
		var r struct {
			Name string `json:"name"` // with the project
		}
		name := ""
		if json.Unmarshal(item, &r) == nil {
			name, _ = strings.CutPrefix(r.Name, p.Name+"/")
		}
		if name == "" || name == r.Name {
			return a.oddItem("a repository without a name, or of another project")
		}
		names = append(names, name)
		return nil
	})
	if err := odd.skip(err); err != nil {
		return 0, 0, err
	}
	for _, name := range names {
		there, got, err := l.walk(repositoryPath(p.Name, name)+"/artifacts", "id", q, 1, 0, of(p.Name+"/"+name))
		source, ours = source+there, ours+got
		if err != nil && status(err) != http.StatusNotFound { // deleted since
			return source, ours, err
		}
	}
	return source, ours, odd.err()
}

// maxTags and maxChildren bound what is told of one artifact.
const (
	maxTags     = 200
	maxChildren = 40
)

// artifact hands over one artifact and what is attached to it.
func (l *look) artifact(p *project, w *wireArtifact, raw json.RawMessage, req evidence.Request) error {
	f := l.artifactFacts(p, w)
	d := l.draft(evidence.ArtifactImage, evidence.OpSet, l.artifactRef(p.Name, f.Repository, w.Digest), f, req)
	d.NotBefore = p.state.Looked
	d.Scope = []evidence.Ref{l.projectRef(p.Name)}
	// What whoever built an image wrote into it may hold names and secrets.
	d.Raw, d.Removed = forge.Without(agent, raw, "extra_attrs", "annotations", "labels", "pull_time")
	var ls links
	ls.image(w.Digest)
	for _, c := range f.Children {
		ls.image(c.Digest)
	}
	if forge.ObjectID.MatchString(f.Revision) {
		ls.add(evidence.NewRef("commit", "", f.Revision))
	}
	for _, t := range f.Tags {
		ls.add(l.tagRef(p.Name+"/"+f.Repository, t.Name))
	}
	d.Links = ls
	if err := l.emit(d); err != nil {
		return err
	}
	for _, list := range []struct {
		of        []wireAccessory
		inherited bool
	}{{w.Accessories, false}, {w.Inherited, true}} {
		for _, acc := range list.of {
			if err := l.accessory(p, w, f.Repository, acc, list.inherited, req); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *look) artifactFacts(p *project, w *wireArtifact) *evidence.ArtifactFacts {
	f := &evidence.ArtifactFacts{
		Registry: l.cfg.Registry, Project: p.Name, Repository: strings.TrimPrefix(w.Repository, p.Name+"/"), Digest: w.Digest,
		Type: text(w.Type), MediaType: text(w.MediaType), Size: w.Size,
		PushedAt: when(w.PushTime), PulledAt: when(w.PullTime), Scan: "never", SBOM: "never",
	}
	if f.MediaType == "" {
		f.MediaType = text(w.ConfigType)
	}
	extra := parseExtra(w.Extra)
	f.Built = when(extra.Created)
	f.Revision, f.Source = origin(w.Annotations, extra.Config.Labels)
	for _, t := range w.Tags {
		if len(f.Tags) >= maxTags {
			l.note("an artifact of project %s has %d tags: %d are kept", p.Name, len(w.Tags), maxTags)
			break
		}
		f.Tags = append(f.Tags, evidence.ArtifactTag{Name: text(t.Name), PushedAt: when(t.PushTime), Immutable: t.Immutable})
	}
	slices.SortFunc(f.Tags, func(a, b evidence.ArtifactTag) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range w.References {
		if len(f.Children) >= maxChildren {
			l.note("an index of project %s holds %d images: %d are kept", p.Name, len(w.References), maxChildren)
			break
		}
		child := evidence.ArtifactChild{Digest: c.Digest}
		if pf := c.Platform; pf != nil && pf.OS != "" {
			child.Platform = text(strings.TrimSuffix(pf.OS+"/"+pf.Arch+"/"+pf.Variant, "/"))
		}
		f.Children = append(f.Children, child)
	}
	if _, o, ok := overviewOf(w.Scans); ok {
		f.Scan = scanState(o.Status)
		if f.Scan == "error" && p.state.Reports[reportStamp(w, o, "success")] {
			// The registry dropped the task of a scan that succeeded and shows
			// an error since; the report was read when it was there.
			f.Scan = "success"
		}
		if f.Scan == "success" {
			f.Severity = severity(o.Severity)
		}
		if o.partial() && f.Scan == "success" {
			f.Scan = "partial"
		}
	}
	if w.SBOM != nil && w.SBOM.Status != "" {
		f.SBOM = scanState(w.SBOM.Status)
	}
	for _, acc := range slices.Concat(w.Accessories, w.Inherited) {
		f.Signed = f.Signed || strings.HasPrefix(acc.Type, "signature.")
	}
	return f
}

// extra are the parts of an image's own configuration that are told.
type extra struct {
	Created string `json:"created"`
	Config  struct {
		Labels map[string]string `json:"Labels"`
	} `json:"config"`
}

// parseExtra reads what it can: every type of artifact has another form.
func parseExtra(raw json.RawMessage) (e extra) {
	if json.Unmarshal(raw, &e) == nil {
		return e
	}
	// One member of another type must not hide the rest.
	e = extra{}
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return e
	}
	_ = json.Unmarshal(m["created"], &e.Created) // of another type: not told
	var cfg map[string]json.RawMessage
	_ = json.Unmarshal(m["config"], &cfg)
	var labels map[string]any
	_ = json.Unmarshal(cfg["Labels"], &labels)
	for k, v := range labels {
		if s, ok := v.(string); ok {
			if e.Config.Labels == nil {
				e.Config.Labels = map[string]string{}
			}
			e.Config.Labels[k] = s
		}
	}
	return e
}

// origin tells from which commit of which repository whoever built an image
// says that it was made. See the annotation keys of the OCI image
// specification.
func origin(sets ...map[string]string) (revision, source string) {
	for _, m := range sets {
		if revision == "" {
			revision = text(m["org.opencontainers.image.revision"])
		}
		if source == "" {
			source = sourceURL(m["org.opencontainers.image.source"])
		}
	}
	return revision, source
}

// sourceURL drops credentials, query and fragment.
func sourceURL(s string) string {
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return text(u.String())
}
