package mappings

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"evidenced/evidence"
)

// pipelines are the runs of pipelines that somebody asks for.
type pipelines struct {
	reader   evidence.Reader
	byCommit map[string][]*pipeline
	byChange map[string][]*pipeline // source, repository!number
	byImage  map[string][]*pipeline
	all      map[string]*pipeline // source and key
	repos    map[string]bool      // repositories of which any run is known
}

// pipeline is one run, or one attempt of it where the forge counts them.
type pipeline struct {
	source   evidence.SourceID
	repo     string
	group    string // what runs again on every commit: the definition, and what started it
	attempt  int
	sha      string
	started  time.Time
	versions []pipelineVersion // oldest first
}

// pipelineVersion is what one record says of a run.
type pipelineVersion struct {
	seq      uint64
	status   string
	native   string
	finished time.Time
	retried  bool              // some job ran again
	jobs     map[string]string // name -> status, of the newest job of each name
}

func (p *pipeline) newest() *pipelineVersion { return &p.versions[len(p.versions)-1] }

// pipelinesWanted says which runs are asked for.
type pipelinesWanted struct {
	commits, changes, images map[string]bool
}

// loadPipelines reads the runs of the period and of the time before it that
// scanMemory spans. Runs of commits that have none there are asked for by the
// commit.
func (s *scene) loadPipelines(ctx context.Context, want pipelinesWanted) (*pipelines, error) {
	ps := &pipelines{
		reader: s.reader, byCommit: map[string][]*pipeline{}, byChange: map[string][]*pipeline{}, byImage: map[string][]*pipeline{},
		all: map[string]*pipeline{}, repos: map[string]bool{},
	}
	q := evidence.Query{
		Kinds: []evidence.Kind{evidence.PipelineRun}, BySeq: true,
		Period: evidence.Period{From: s.period.From.Add(-scanMemory), To: s.period.To},
	}
	for r, err := range s.reader.Records(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("pipelines: %w", err)
		}
		if err := ps.take(&r, want); err != nil {
			return nil, err
		}
	}
	for _, sha := range slices.Sorted(maps.Keys(want.commits)) {
		if len(ps.byCommit[sha]) > 0 {
			continue
		}
		q := evidence.Query{Kinds: []evidence.Kind{evidence.PipelineRun}, BySeq: true, Link: evidence.NewRef("commit", "", sha), Limit: 200}
		for r, err := range s.reader.Records(ctx, q) {
			if err != nil {
				return nil, fmt.Errorf("pipelines of a commit: %w", err)
			}
			if err := ps.take(&r, want); err != nil {
				return nil, err
			}
		}
	}
	return ps, nil
}

func (ps *pipelines) take(r *evidence.Record, want pipelinesWanted) error {
	var f evidence.PipelineFacts
	if err := r.Decode(&f); err != nil {
		return err
	}
	repo := repoName(f.Repo)
	ps.repos[repo] = true
	change := ""
	if f.Change > 0 {
		change = requestKey(r.Source, repo, f.Change)
	}
	var images []string
	for _, l := range r.Links {
		if l.Scheme == "image" && want.images[l.Name] {
			images = append(images, l.Name)
		}
	}
	if !want.commits[f.SHA] && !want.changes[change] && len(images) == 0 {
		return nil
	}
	key := string(r.Source) + "\x00" + r.Key
	p := ps.all[key]
	if p == nil {
		p = &pipeline{
			source: r.Source, repo: repo, group: f.Path + "\x00" + f.Name + "\x00" + f.Event, attempt: f.Attempt, sha: f.SHA,
			started: firstTime(f.StartedAt, f.CreatedAt, r.Occurred),
		}
		ps.all[key] = p
		ps.byCommit[f.SHA] = append(ps.byCommit[f.SHA], p)
		if change != "" {
			ps.byChange[change] = append(ps.byChange[change], p)
		}
		for _, i := range images {
			ps.byImage[i] = append(ps.byImage[i], p)
		}
	}
	if slices.ContainsFunc(p.versions, func(v pipelineVersion) bool { return v.seq == r.Seq }) {
		return nil
	}
	v := pipelineVersion{seq: r.Seq, status: f.Status, native: f.Native, finished: f.FinishedAt, jobs: map[string]string{}}
	for _, j := range f.Jobs {
		v.retried = v.retried || j.Retried
		if !j.Retried {
			v.jobs[j.Name] = j.Status
		}
	}
	p.versions = append(p.versions, v)
	return nil
}

func requestKey(source evidence.SourceID, repo string, number int) string {
	return fmt.Sprintf("%s\x00%s!%d", source, repo, number)
}

// pipelineOutcome sorts the words for how a run ended: well, badly, or not yet
// and not known.
func pipelineOutcome(status string) tri {
	switch status {
	case "success", "skipped", "neutral":
		return yes
	case "failure", "cancelled":
		return no
	}
	return unknown
}
