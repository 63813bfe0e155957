package gitlab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// projectLook is the look at one project.
type projectLook struct {
	*look
	project
	ref     evidence.Ref
	api     string // projects/ID
	st      *projectState
	watched []string
	gone    []string // branches found deleted in this look
	done    map[string]bool
	ended   map[int]bool // pipelines read in this look
	envs    *environments
	oldest  time.Time // of the commits emitted in this look
	// unlooked is since when a branch was not seen of which something cannot be read.
	unlooked time.Time
	found    bool // something new came that the activity date did not tell of

	memory    forge.Memory
	runScopes map[int][]evidence.Ref // whose pipelines are
}

// activityLag is how far an event may lie behind the activity date that the
// server shows: it writes the date once an hour at most. The rest is for clocks
// that differ and for events written late.
const activityLag = 75 * time.Minute

// projectLook looks at one project. What was read before an error stays; what
// was not is read by the next run.
func (l *look) projectLook(p project) error {
	r := &projectLook{
		look: l, project: p, ref: l.project(p.path), api: "projects/" + strconv.Itoa(p.id),
		st: l.cur.project(p.id), done: map[string]bool{}, ended: map[int]bool{},
	}
	r.watched = r.cfg.Branches
	if len(r.watched) == 0 && !r.empty && !r.hidden {
		r.watched = []string{r.fallback}
	}
	seen, after, settings := len(l.seen), len(l.after), l.settings
	err := r.all()
	if err == nil {
		err = l.progress()
	}
	if err != nil {
		// Nothing is claimed of what was not read in full, and its owners are
		// told: what the look claims of the others is not theirs.
		l.seen, l.after = l.seen[:seen], l.after[:after]
		if due(r.st.Settings, l) {
			l.claim(r.ref, evidence.Blind, l.blindFrom(r.st.Settings), notRead, 0, evidence.ChangeProtection)
			l.claim(r.ref, evidence.Blind, l.blindFrom(r.st.Settings), notRead, 0, evidence.AccessMember)
			if l.settings == settings {
				l.settings++
			}
		}
		r.unseen()
	}
	return err
}

// notRead is the cause of a container that could not be read, in words that name
// nothing of it.
const notRead = "a project or group could not be read"

// unseen claims that what every look reads of a project was not seen.
func (r *projectLook) unseen() {
	commits := r.commitsLooked()
	for _, c := range []struct {
		since time.Time
		kinds []evidence.Kind
	}{
		{commits, []evidence.Kind{evidence.ChangeCommit}},
		{commits, []evidence.Kind{evidence.ChangeRef, evidence.ChangeRewrite}},
		{r.st.Merges.Looked, []evidence.Kind{evidence.ChangeMerge, evidence.ChangeReview}},
		{r.st.Pipelines.Looked, []evidence.Kind{evidence.PipelineRun}},
		{r.st.Pipelines.Looked, []evidence.Kind{evidence.PipelineReport}},
		{r.st.Releases.Looked, []evidence.Kind{evidence.DeployRelease}},
	} {
		r.claim(r.ref, evidence.Blind, r.blindFrom(c.since), notRead, 0, c.kinds...)
	}
	if !r.cfg.InstanceAudit {
		r.claim(r.ref, evidence.Blind, r.blindFrom(r.st.Audit.Looked), notRead, 0, evidence.AccessAudit)
	}
}

// commitsLooked is since when commits were seen of all branches that were read;
// zero when none was.
func (r *projectLook) commitsLooked() time.Time {
	if len(r.st.Branches) == 0 {
		return time.Time{}
	}
	looked := r.started
	for _, b := range r.st.Branches {
		if b.Looked.Before(looked) {
			looked = b.Looked
		}
	}
	return looked
}

// unreadable claims a blind window for a repository that is there and cannot be
// read. What could be read before makes the run partial.
func (r *projectLook) unreadable() {
	looked := r.commitsLooked()
	if !looked.IsZero() {
		r.missing = append(r.missing, "the repository of project "+strconv.Itoa(r.id)+" can be read no longer")
	}
	r.note("project %d: its repository is turned off or hidden from this credential: it is not empty", r.id)
	for _, kinds := range [][]evidence.Kind{{evidence.ChangeCommit}, {evidence.ChangeRef, evidence.ChangeRewrite}} {
		r.claim(r.ref, evidence.Blind, r.blindFrom(looked), "the repository is turned off or hidden from the credential", 0, kinds...)
	}
}

func (r *projectLook) all() error {
	quiet := r.quiet()
	full := quiet && r.started.Sub(r.st.Read) >= r.cfg.FullEvery
	if quiet && !full {
		r.rest()
	} else {
		if err := r.changes(full); err != nil {
			return err
		}
	}
	for _, step := range []func() error{r.pipelines, r.releases, r.settingsOf, r.auditOf} {
		if err := step(); err != nil {
			return err
		}
	}
	if r.st.Path != "" && r.st.Path != r.path {
		r.note("project %d was renamed or moved at the source: its records go on under its new path", r.id)
	}
	old := r.st.Path
	r.after = append(r.after, func() { r.st.Path = r.path })
	if old == "" {
		r.st.Path = r.path
	}
	return nil
}

// quiet reports whether the activity date says that nothing happened to the
// branches and requests since they were read.
func (r *projectLook) quiet() bool {
	if r.hidden || r.st.Read.IsZero() || r.st.Merges.Looked.IsZero() || r.activity.IsZero() || r.st.Path != r.path {
		return false
	}
	for _, name := range r.watched {
		b := r.st.Branches[name]
		if b == nil || b.Walk != nil {
			return false
		}
	}
	for name := range r.st.Branches {
		if !slices.Contains(r.watched, name) {
			return false
		}
	}
	return r.activity.Add(activityLag).Before(r.st.Read)
}

// rest claims for a quiet project what the activity date stands for.
func (r *projectLook) rest() {
	for _, name := range r.watched {
		r.looked(r.st.Branches[name])
	}
	r.joinClaims(len(r.seen) - len(r.watched))
	r.claimList(r.ref, &r.st.Merges, r.cfg.History, time.Time{}, r.created, "", evidence.ChangeMerge, evidence.ChangeReview)
}

const untold = "found by a full look: the project's activity date had not told of it"

// changes reads branches, requests and pushes. full says that the activity date gave no
// reason to.
func (r *projectLook) changes(full bool) error {
	if r.hidden && len(r.watched) == 0 {
		r.unreadable()
	} else {
		from := len(r.seen)
		if err := r.branches(full); err != nil {
			return err
		}
		r.joinClaims(from)
	}
	if err := r.merges(full); err != nil {
		return err
	}
	if err := r.pushes(); err != nil {
		return err
	}
	if r.found {
		r.note("project %d: a full look found what its activity date had not told of", r.id)
	}
	r.after = append(r.after, func() { r.st.Read = r.started })
	return nil
}

// public is a branch's name as facts may hold it. People name branches after
// themselves, so a branch that nobody configured stands as a hash; the refs
// that GitLab makes for merge requests name nobody.
func (r *projectLook) public(branch string) string {
	if branch == "" || branch == r.fallback || slices.Contains(r.watched, branch) || mergeRef.MatchString(branch) {
		return branch
	}
	return "other-" + forge.HashID(strconv.Itoa(r.id)+"@"+branch)
}

// draft fills what all drafts of a look share.
func (r *projectLook) draft(kind evidence.Kind, op evidence.Op, req evidence.Request, facts any) evidence.Draft {
	d := r.look.draft(kind, op, req, facts)
	d.Scope = r.scope()
	return d
}

// scope is what tenancy rules look at: the project, and its topics of the form
// key:value as labels.
func (r *projectLook) scope() []evidence.Ref {
	refs := []evidence.Ref{r.ref}
	for _, t := range r.topics {
		refs = append(refs, evidence.NewRef("label", r.authority, t))
	}
	return refs
}

// scopeOf is scope with the changed paths.
func (r *projectLook) scopeOf(c forge.Changed) []evidence.Ref {
	return append(r.scope(), c.Scope(r.authority, r.path)[1:]...)
}

func (l *look) draft(kind evidence.Kind, op evidence.Op, req evidence.Request, facts any) evidence.Draft {
	return evidence.Draft{
		Kind: kind, Op: op, Source: l.env.Source,
		OccurredAt: l.started, Basis: evidence.BasisObserved, ObservedAt: l.env.Clock().UTC(),
		Content: forge.Encode(facts), Request: req,
	}
}

// key begins with the project's id, which a rename does not change.
func (r *projectLook) key(format string, args ...any) string {
	return strconv.Itoa(r.id) + fmt.Sprintf(format, args...)
}

// renamed ends what stands under the old paths of projects that moved. The next
// list of the new path has it all again. A path that another project has taken
// is left alone.
func (l *look) renamed() {
	taken := map[string]bool{}
	for _, p := range l.projects {
		taken[p.path] = true
	}
	for _, p := range l.projects {
		old := l.cur.project(p.id).Path
		if old == "" || old == p.path || taken[old] || slices.ContainsFunc(l.failed, func(s string) bool { return strings.HasPrefix(s, "project "+p.path+":") }) {
			continue
		}
		for _, k := range []evidence.Kind{evidence.ChangeRef, evidence.ChangeProtection, evidence.AccessMember} {
			l.sink.Complete(k, l.project(old))
		}
	}
}
