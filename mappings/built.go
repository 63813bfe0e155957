package mappings

import (
	"context"
	"slices"
	"time"

	"evidenced/evidence"
)

// built leads from images back to the pipelines and commits they were made by.
type built struct {
	s     *scene
	x     *changeIndex
	ps    *pipelines
	repos map[string]bool // of which commits are known
}

// origin is one word on which commit an image was built from.
type origin struct {
	sha      string
	repo     string // "" where nobody says
	pipeline *pipeline
	seq      uint64
}

// built returns where the images of the fleet come from.
func (s *scene) built(ctx context.Context) (*built, error) {
	return s.delivery.built.get(s, func() (*built, error) { return s.newBuilt(ctx) })
}

func (s *scene) newBuilt(ctx context.Context) (*built, error) {
	f, err := s.fleet(ctx)
	if err != nil {
		return nil, err
	}
	if len(f.uses) == 0 { // nothing leads back
		return &built{s: s, repos: map[string]bool{}, ps: &pipelines{}}, nil
	}
	shelf, err := s.shelf(ctx)
	if err != nil {
		return nil, err
	}
	x, err := s.index(ctx)
	if err != nil {
		return nil, err
	}
	b := &built{s: s, x: x, repos: map[string]bool{}}
	for i := range x.commits {
		if x.commits[i].repo != "" {
			b.repos[x.commits[i].repo] = true
		}
	}
	want := pipelinesWanted{commits: map[string]bool{}, images: map[string]bool{}}
	for _, u := range f.uses {
		if u.digest == "" || want.images[u.digest] {
			continue
		}
		found, err := shelf.find(ctx, u.digest)
		if err != nil {
			return nil, err
		}
		for _, d := range shelf.related(u.digest) {
			want.images[d] = true
		}
		for _, a := range found {
			if objectID.MatchString(a.revision) {
				want.commits[a.revision] = true
			}
		}
	}
	if b.ps, err = s.loadPipelines(ctx, want); err != nil {
		return nil, err
	}
	return b, nil
}

// names reports whether some pipeline names the image.
func (b *built) names(digest string) bool { return len(b.ps.byImage[digest]) > 0 }

// origins lists what is said about where an image comes from: by pipelines,
// then by the image itself. odd is a label that names no commit.
func (b *imageBench) origins(digest string) (os []origin, odd string, labelled bool) {
	for _, d := range b.shelf.related(digest) {
		for _, p := range b.built.ps.byImage[d] {
			os = append(os, origin{p.sha, p.repo, p, p.newest().seq})
		}
	}
	for _, d := range b.shelf.related(digest) {
		for _, a := range b.shelf.byDigest[d] {
			labelled = labelled || len(a.children) == 0
			switch {
			case a.revision == "":
			case !objectID.MatchString(a.revision):
				odd = a.revision
			case !slices.ContainsFunc(os, func(o origin) bool { return o.sha == a.revision }):
				os = append(os, origin{a.revision, repoName(a.origin), nil, a.seq})
			}
		}
	}
	return os, odd, labelled
}

// provenance says which commit and pipeline an image was made by. end is when
// it last ran.
func (b *imageBench) provenance(ctx context.Context, it *item, digest string, end time.Time) error {
	os, odd, labelled := b.origins(digest)
	if len(os) == 0 {
		why := "neither a pipeline nor the image says from which commit it was built"
		switch {
		case odd != "":
			why = "the image names revision " + shortSHA(odd) + ", which is no commit"
			it.lacks("commit_known", why).lacks("pipeline_known", why)
		case !labelled:
			why = "the registry shows the index alone, not what its images say about their origin"
			it.lacks("commit_known", why).lacks("pipeline_known", why)
		default:
			it.set("commit_known", false).set("pipeline_known", false)
			it.why["commit_known"], it.why["pipeline_known"] = why, why
		}
		return nil
	}
	commit, run := answer{is: no}, answer{is: no}
	for _, o := range os {
		it.also(o.seq)
		commit = better(commit, b.built.commitKnown(it, o))
		run = better(run, b.built.pipelineKnown(it, o, end))
	}
	it.answerField("commit_known", commit)
	it.answerField("pipeline_known", run)
	return ctx.Err()
}

// better keeps yes before unknown before no: one good origin is enough.
func better(a, b answer) answer {
	switch {
	case a.is == yes || b.is == no && a.why != "":
		return a
	case b.is == yes || a.is == no:
		return b
	}
	return a
}

func (b *built) commitKnown(it *item, o origin) answer {
	if i, ok := b.x.bySHA[o.sha]; ok && b.x.commits[i].seq != 0 {
		it.also(b.x.commits[i].seq)
		return answer{is: yes}
	}
	if o.repo == "" || !b.repos[o.repo] {
		return answer{is: unknown, why: "no source shows the repository of commit " + shortSHA(o.sha), unobserved: true}
	}
	return answer{is: unknown, why: "no source saw commit " + shortSHA(o.sha), unobserved: true}
}

func (b *built) pipelineKnown(it *item, o origin, end time.Time) answer {
	runs := b.ps.byCommit[o.sha]
	if o.pipeline != nil {
		runs = []*pipeline{o.pipeline}
	}
	best := answer{is: no}
	for _, p := range runs {
		v := p.newest()
		if !p.started.Before(end.Add(clockSlack)) {
			continue // began after the image had run
		}
		switch {
		case v.status == "success":
			it.also(v.seq)
			return answer{is: yes}
		case pipelineOutcome(v.status) == unknown:
			best = answer{is: unknown, why: "the pipeline on commit " + shortSHA(o.sha) + " has not ended, or nobody saw how"}
		case best.is == no:
			best.why = "no pipeline on commit " + shortSHA(o.sha) + " succeeded"
		}
		it.also(v.seq)
	}
	switch {
	case best.why != "":
		return best
	case len(runs) > 0:
		return answer{is: no, why: "no pipeline on commit " + shortSHA(o.sha) + " began before the image had run"}
	}
	return b.noPipeline(o)
}

// noPipeline says what it means that no run on the commit is known: only where
// runs were looked at when the commit came, that there was none.
func (b *built) noPipeline(o origin) answer {
	why := "no pipeline on commit " + shortSHA(o.sha) + " is known"
	repo, landed, forge := o.repo, time.Time{}, false
	if i, ok := b.x.bySHA[o.sha]; ok && b.x.commits[i].seq != 0 {
		c := &b.x.commits[i]
		repo, landed = c.repo, c.landed.at
		givers := b.s.cover.sources(evidence.PipelineRun)
		forge = slices.ContainsFunc(c.sources, func(id evidence.SourceID) bool { return slices.Contains(givers, id) })
	}
	switch {
	case !forge && !b.ps.repos[repo]:
		return answer{is: unknown, why: "no source shows the pipelines of commit " + shortSHA(o.sha), unobserved: true}
	case landed.IsZero():
		return answer{is: unknown, why: "no source saw commit " + shortSHA(o.sha), unobserved: true}
	case landed.Before(b.s.period.From):
		return answer{is: unknown, why: why + ", and it is older than the period"}
	case !b.s.cover.seen(evidence.PipelineRun, landed):
		return answer{is: unknown, why: why + ", and none were looked at when it came", unobserved: true}
	}
	return answer{is: no, why: why}
}
