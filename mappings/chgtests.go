package mappings

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

var changeTestsView = &view{
	View: View{
		Name: "change_tests",
		Doc: "Merged requests and how the pipelines and checks on the merged head stood when it was merged. " +
			"Where the guard of the branch names checks, those count; else the newest run of every pipeline and check on that head.",
		Kinds: []evidence.Kind{evidence.ChangeMerge, evidence.PipelineRun},
		Fields: []Field{
			{Name: "repo", Type: "string", Doc: "repository, owner/name in lower case"},
			{Name: "branch", Type: "string", Doc: "branch it came to"},
			{Name: "watched", Type: "bool", Needs: []evidence.Kind{evidence.ChangeCommit}, Doc: "the branch is watched, see view changes"},
			{Name: "required_checks", Type: "list(string)", Needs: []evidence.Kind{evidence.ChangeProtection}, Doc: "checks that the guard of the branch asked for when it was merged"},
			{Name: "strict_checks", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ChangeProtection}, Doc: "the guard let it be merged only when they had run on top of the branch as it stood; missing where the source does not say"},
			{Name: "runs", Type: "int", Doc: "pipelines and checks on the merged head that began before the merge"},
			{Name: "tested", Type: "bool", Optional: true, Doc: "all that count had ended well before the merge, and there was at least one"},
		},
	},
	build:  buildChangeTests,
	steady: true,
}

func buildChangeTests(ctx context.Context, s *scene, yield func(*item) error) error {
	x, err := s.index(ctx)
	if err != nil {
		return err
	}
	t := &tested{s: s, x: x}
	want := pipelinesWanted{commits: map[string]bool{}, changes: map[string]bool{}}
	var qs []*request
	for _, q := range x.requests {
		if !q.merged.IsZero() && s.period.Contains(q.merged) {
			qs = append(qs, q)
			want.commits[q.facts.HeadSHA] = true
			want.changes[requestKey(q.source, q.repo, q.facts.Number)] = true
		}
	}
	delete(want.commits, "")
	if t.ps, err = s.loadPipelines(ctx, want); err != nil {
		return err
	}
	if t.checks, err = s.loadChecks(ctx, want.commits); err != nil {
		return err
	}
	if err := t.loadGuards(ctx); err != nil {
		return err
	}
	var its []*item
	for _, q := range qs {
		its = append(its, t.item(q))
	}
	return yieldSorted(its, yield)
}

// tested judges merged requests by what ran on their heads.
type tested struct {
	s      *scene
	x      *changeIndex
	ps     *pipelines
	checks map[string][]*check // by commit
	guards []stretch[evidence.ProtectionFacts]
}

// check is one check that an app reports on a commit, in its newest version.
type check struct {
	seq      uint64
	repo     string
	name     string
	app      string
	appID    int64 // 0: the source does not say
	status   string
	started  time.Time
	finished time.Time
}

// loadChecks reads the checks on the commits.
func (s *scene) loadChecks(ctx context.Context, commits map[string]bool) (map[string][]*check, error) {
	newest := map[string]*check{}
	by := map[string][]*check{}
	q := evidence.Query{
		Kinds: []evidence.Kind{evidence.PipelineCheck}, BySeq: true,
		Period: evidence.Period{From: s.period.From.Add(-scanMemory), To: s.period.To},
	}
	for r, err := range s.reader.Records(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("checks: %w", err)
		}
		var f evidence.CheckFacts
		if err := r.Decode(&f); err != nil {
			return nil, err
		}
		if !commits[f.SHA] {
			continue
		}
		key := string(r.Source) + "\x00" + r.Key
		c := newest[key]
		if c == nil {
			c = &check{repo: repoName(f.Repo), name: f.Name, app: cmp.Or(f.App, f.Form), appID: f.AppID}
			newest[key] = c
			by[f.SHA] = append(by[f.SHA], c)
		}
		c.seq, c.status, c.started, c.finished = r.Seq, f.Status, firstTime(f.StartedAt, r.Occurred), f.FinishedAt
	}
	return by, nil
}

func (t *tested) loadGuards(ctx context.Context) (err error) {
	t.guards, err = stretches[evidence.ProtectionFacts](ctx, t.s, evidence.ChangeProtection)
	return err
}

// required lists the checks that the branch's guard asked for at t, and of which
// apps, and says whether they had to run on top of the branch; nil where no guard
// says.
func (t *tested) required(repo, branch string, at time.Time) (names []string, ofApps []evidence.CheckApp, strict *bool) {
	for i := range t.guards {
		g := &t.guards[i]
		if repoName(g.facts.Repo) == repo && branchName(g.facts.Branch) == branch && !g.from.After(at) && (g.until.IsZero() || g.until.After(at)) {
			for _, c := range g.facts.RequiredChecks {
				add(&names, c)
			}
			ofApps = append(ofApps, g.facts.ChecksOfApps...)
			if s := g.facts.StrictChecks; s != nil && (strict == nil || *s) {
				strict = s
			}
		}
	}
	return orEmpty(names), ofApps, strict
}

// verdict is how one pipeline or check stood when the request was merged.
type verdict struct {
	name string
	app  int64             // of a check, who reported it; 0: the source does not say
	jobs map[string]string // of a pipeline
	seq  uint64
	answer
}

func (t *tested) item(q *request) *item {
	branch := branchName(q.facts.Base)
	it := &item{
		seqs: slices.Clone(q.seqs), kind: evidence.ChangeMerge, at: q.merged, label: q.subject.Name + " to " + branch,
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	required, ofApps, strict := t.required(q.repo, branch, q.merged)
	it.set("source", string(q.source)).set("happened", q.merged).set("repo", q.repo).set("branch", branch)
	it.set("watched", t.x.isWatched(q.repo, branch)).set("required_checks", required).setBool("strict_checks", strict)
	vs := append(t.pipelines(q), t.checked(q)...)
	it.set("runs", len(vs))
	it.answerField("tested", t.judge(it, q, vs, required, ofApps))
	return it
}

// pipelinesMustPass are what GitLab asks for in place of single checks.
var pipelinesMustPass = []string{"pipeline", "pipeline-or-skipped"}

// judge puts the verdicts together: those of the required checks where some are
// required, else all.
func (t *tested) judge(it *item, q *request, vs []verdict, required []string, ofApps []evidence.CheckApp) answer {
	if q.facts.HeadSHA == "" {
		return answer{is: unknown, why: "the source did not say which commit was merged"}
	}
	if len(vs) == 0 {
		return t.none(q)
	}
	result := answer{is: yes}
	everything := len(required) == 0
	for _, name := range required {
		if slices.Contains(pipelinesMustPass, name) {
			everything = true
			continue
		}
		pinned := false
		for _, c := range ofApps {
			if c.Check == name {
				pinned = true
				result = worse(result, t.requiredCheck(it, q, name, c.App, vs))
			}
		}
		if !pinned {
			result = worse(result, t.requiredCheck(it, q, name, 0, vs))
		}
	}
	for _, v := range vs {
		if everything {
			it.also(v.seq)
			result = worse(result, v.answer)
		}
	}
	if len(t.s.cover.sources(evidence.PipelineCheck)) > 0 && !t.s.cover.seen(evidence.PipelineCheck, q.merged) {
		result = worse(result, answer{is: unknown, why: "checks were not observed when it was merged", unobserved: true})
	}
	return result
}

// requiredCheck judges one required check: told as a check of its own, or a job
// of a pipeline. Where the guard asks for it of one app (0: of any), another one's
// does not count.
func (t *tested) requiredCheck(it *item, q *request, name string, app int64, vs []verdict) answer {
	var other *verdict
	for i, v := range vs {
		switch {
		case v.jobs != nil || v.name != name:
		case app == 0 || v.app == app:
			it.also(v.seq)
			return v.answer
		case other == nil || v.app == 0:
			other = &vs[i]
		}
	}
	if other != nil && other.app == 0 {
		it.also(other.seq)
		return worse(other.answer, answer{is: unknown, why: "the source does not say which app reported required check " + name})
	}
	if other != nil && t.s.cover.seen(evidence.PipelineCheck, q.merged) {
		it.also(other.seq)
		return answer{is: no, why: "required check " + name + " came from another app than the guard asks for"}
	}
	for _, v := range vs {
		if status, ok := v.jobs[name]; ok {
			it.also(v.seq)
			if v.is == yes {
				return answer{is: yes}
			}
			return worse(ended(status, "check "+name), answer{is: unknown, why: v.why})
		}
	}
	if !t.s.cover.seen(evidence.PipelineCheck, q.merged) {
		return answer{is: unknown, why: "checks were not observed when it was merged", unobserved: true}
	}
	return answer{is: no, why: "required check " + name + " was not there when it was merged"}
}

// none says what it means that nothing ran on the head.
func (t *tested) none(q *request) answer {
	if !t.s.cover.seen(evidence.PipelineRun, q.merged) {
		return answer{is: unknown, why: "pipelines were not observed when it was merged", unobserved: true}
	}
	if givers := t.s.cover.sources(evidence.PipelineRun); !slices.Contains(givers, q.source) && !t.ps.repos[q.repo] {
		return answer{is: unknown, why: "no source shows the pipelines of " + q.repo, unobserved: true}
	}
	// Runs belong to whom any commit of their request belongs to. Where a source
	// did not say which request that was, they belong to their own commit's
	// alone, which may have touched nothing of the tenant's.
	if i, named := t.x.bySHA[q.facts.HeadSHA]; named && t.x.commits[i].seq == 0 {
		return answer{is: unknown, why: "the merged head touched nothing of this log's, so what ran on it may stand in another one", unobserved: true}
	}
	return answer{is: no, why: "no pipeline or check ran on the merged head before the merge"}
}

// pipelines judges the newest run of every pipeline on the head, and of those
// that ran for the request on a commit of their own.
func (t *tested) pipelines(q *request) []verdict {
	newest := map[string]*pipeline{}
	take := func(p *pipeline) {
		if p.repo != q.repo || p.started.After(q.merged) {
			return
		}
		was := newest[p.group]
		if was == nil || p.attempt > was.attempt && p.started.Equal(was.started) || p.started.After(was.started) {
			newest[p.group] = p
		}
	}
	for _, p := range t.ps.byCommit[q.facts.HeadSHA] {
		take(p)
	}
	// Of runs on commits that only the forge made, the newest one is the one
	// that was for the merged head.
	var own *pipeline
	for _, p := range t.ps.byChange[requestKey(q.source, q.repo, q.facts.Number)] {
		if p.sha != q.facts.HeadSHA && !slices.Contains(q.facts.Commits, p.sha) && !p.started.After(q.merged) && (own == nil || p.started.After(own.started)) {
			own = p
		}
	}
	var vs []verdict
	for _, p := range newest {
		if own != nil && own.started.After(p.started) && own.group == p.group {
			continue
		}
		vs = append(vs, p.at(q.merged))
	}
	if own != nil {
		vs = append(vs, own.at(q.merged))
	}
	slices.SortFunc(vs, func(a, b verdict) int { return cmp.Compare(a.seq, b.seq) })
	return vs
}

// at says how a run stood at t, by what its records say of that time.
func (p *pipeline) at(t time.Time) verdict {
	parts := strings.Split(p.group, "\x00")
	name := cmp.Or(parts[1], parts[0], "of commit "+shortSHA(p.sha))
	v := verdict{name: name, jobs: p.newest().jobs, seq: p.newest().seq}
	var then *pipelineVersion
	for i := range p.versions {
		w := &p.versions[i]
		if !w.finished.IsZero() && !w.finished.After(t) && (then == nil || !w.finished.Before(then.finished)) {
			then = w
		}
	}
	now := p.newest()
	switch {
	case then != nil:
		v.seq, v.jobs = then.seq, then.jobs
		v.answer = ended(then.status, "pipeline "+name)
	case now.retried:
		v.answer = answer{is: unknown, why: "pipeline " + name + " ran again after the merge, and how it stood before is not known"}
	case now.finished.IsZero() && pipelineOutcome(now.status) != unknown:
		v.answer = answer{is: unknown, why: "the source did not say when pipeline " + name + " ended"}
	case now.finished.IsZero() && now.status != "running" && now.status != "waiting":
		v.answer = answer{is: unknown, why: "it is not known how pipeline " + name + " stood"}
	default:
		v.answer = answer{is: no, why: "pipeline " + name + " had not ended when it was merged"}
	}
	return v
}

// ended says what the outcome of a run means.
func ended(status, what string) answer {
	switch pipelineOutcome(status) {
	case yes:
		return answer{is: yes}
	case no:
		return answer{is: no, why: what + " had ended as " + status + " when it was merged"}
	}
	return answer{is: unknown, why: "it is not known how " + what + " ended"}
}

// checked judges the newest report of every check on the head.
func (t *tested) checked(q *request) []verdict {
	newest := map[string]*check{}
	for _, c := range t.checks[q.facts.HeadSHA] {
		if c.repo != q.repo || c.started.After(q.merged) {
			continue
		}
		key := c.app + "\x00" + c.name
		if was := newest[key]; was == nil || c.started.After(was.started) {
			newest[key] = c
		}
	}
	var vs []verdict
	for _, c := range newest {
		v := verdict{name: c.name, app: c.appID, seq: c.seq}
		switch {
		case c.finished.After(q.merged), c.finished.IsZero() && (c.status == "running" || c.status == "waiting"):
			v.answer = answer{is: no, why: "check " + c.name + " had not ended when it was merged"}
		default:
			v.answer = ended(c.status, "check "+c.name)
		}
		vs = append(vs, v)
	}
	slices.SortFunc(vs, func(a, b verdict) int { return cmp.Compare(a.seq, b.seq) })
	return vs
}
