package mappings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

var reportsView = &view{
	View: View{
		Name: "security_reports",
		Doc: "Kinds of security reports that pipelines leave: one item for each job of a repository that left one in the period or the 100 days before it, " +
			"over all its runs of the period that ended.",
		Kinds: []evidence.Kind{evidence.PipelineRun, evidence.PipelineReport},
		Fields: []Field{
			{Name: "repo", Type: "string", Doc: "repository, owner/name in lower case"},
			{Name: "job", Type: "string", Doc: "name of the job"},
			{Name: "types", Type: "list(string)", Doc: "types of its reports: sast, container_scanning, ..."},
			{Name: "runs", Type: "int", Doc: "times the job ended in the period, well or badly"},
			{Name: "without", Type: "int", Optional: true, Doc: "those of them that left no report; missing where the jobs of a pipeline were not read"},
			{Name: "age", Type: "duration", Doc: "time from the newest report to the end of the period"},
			{Name: "pipelines_since", Type: "int", Doc: "pipelines of the repository that succeeded since the newest report, on a branch or for a cause on which the job had run"},
		},
	},
	build:  buildReports,
	steady: true,
}

// reportJob is one job that makes reports.
type reportJob struct {
	source  evidence.SourceID
	repo    string
	name    string
	types   []string
	seq     uint64 // of the newest report
	newest  time.Time
	left    map[string]bool // pipelines in which it left a report
	on      map[string]bool // what those pipelines ran on and for
	runs    int
	without []string // pipelines
	seqs    []uint64
	unread  bool
	since   int
}

func buildReports(ctx context.Context, s *scene, yield func(*item) error) error {
	jobs, byRepo, err := s.reportJobs(ctx)
	if err != nil {
		return err
	}
	if err := s.reportRuns(ctx, byRepo); err != nil {
		return err
	}
	for _, j := range jobs {
		it := &item{
			seqs: []uint64{j.seq}, kind: evidence.PipelineReport, at: j.newest, label: "reports of job " + j.name + " of " + j.repo,
			fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
		}
		it.also(j.seqs...)
		slices.Sort(j.types)
		it.set("source", string(j.source)).set("happened", j.newest).set("repo", j.repo).set("job", j.name).set("types", j.types)
		it.set("runs", j.runs).set("age", s.period.To.Sub(j.newest)).set("pipelines_since", j.since)
		it.grows("age", s.period.To.Sub(j.newest))
		it.why["age"] = "the newest report is of " + evidence.FormatTime(j.newest)
		switch {
		case len(j.without) > 0:
			it.set("without", len(j.without))
			it.why["without"] = fmt.Sprintf("%s left no report, first in pipeline %s", plural(len(j.without), "run"), j.without[0])
		case j.unread:
			it.lacks("without", "the jobs of some pipeline were not read")
		default:
			it.set("without", 0)
		}
		if err := yield(it); err != nil {
			return err
		}
	}
	return nil
}

// reportJobs finds the jobs that make reports, in order of their names.
func (s *scene) reportJobs(ctx context.Context) (all []*reportJob, byRepo map[string][]*reportJob, err error) {
	byRepo = map[string][]*reportJob{}
	q := evidence.Query{Kinds: []evidence.Kind{evidence.PipelineReport}, Period: evidence.Period{From: s.period.From.Add(-scanMemory), To: s.period.To}}
	for r, err := range s.reader.Records(ctx, q) {
		if err != nil {
			return nil, nil, fmt.Errorf("reports: %w", err)
		}
		var f evidence.ReportFacts
		if err := r.Decode(&f); err != nil {
			return nil, nil, err
		}
		repo := repoName(f.Repo)
		key := string(r.Source) + "\x00" + repo
		i := slices.IndexFunc(byRepo[key], func(j *reportJob) bool { return j.name == f.Job })
		if i < 0 {
			i = len(byRepo[key])
			j := &reportJob{source: r.Source, repo: repo, name: f.Job, types: []string{}, left: map[string]bool{}, on: map[string]bool{}}
			byRepo[key] = append(byRepo[key], j)
			all = append(all, j)
		}
		j := byRepo[key][i]
		add(&j.types, f.Type)
		j.left[f.Pipeline] = true
		if !r.Occurred.Before(j.newest) {
			j.newest, j.seq = r.Occurred, r.Seq
		}
	}
	slices.SortFunc(all, func(a, b *reportJob) int {
		return strings.Compare(a.repo+"\x00"+a.name+"\x00"+string(a.source), b.repo+"\x00"+b.name+"\x00"+string(b.source))
	})
	return all, byRepo, nil
}

// reportRun is what is read of a pipeline.
type reportRun struct {
	Repo       string                 `json:"repo"`
	ID         string                 `json:"id"`
	Ref        string                 `json:"ref"`
	Event      string                 `json:"event"`
	Status     string                 `json:"status"`
	FinishedAt time.Time              `json:"finished_at"`
	JobsSeen   bool                   `json:"jobs_seen"`
	Jobs       []evidence.PipelineJob `json:"jobs"`
	JobsCut    int                    `json:"jobs_cut"`
}

// reportRuns holds the pipelines against the reports: first what the jobs ran
// on, then what ran since.
func (s *scene) reportRuns(ctx context.Context, byRepo map[string][]*reportJob) error {
	type later struct {
		job *reportJob
		on  string
	}
	var maybe []later
	err := events(ctx, s, func(r *evidence.Record, seqs []uint64) error {
		var f reportRun
		if err := r.Decode(&f); err != nil {
			return err
		}
		on := f.Ref + "\x00" + f.Event
		for _, j := range byRepo[string(r.Source)+"\x00"+repoName(f.Repo)] {
			i := slices.IndexFunc(f.Jobs, func(x evidence.PipelineJob) bool { return x.Name == j.name && !x.Retried })
			switch {
			case i >= 0:
				j.on[on] = true
				j.ran(&f, &f.Jobs[i], seqs[0])
			case !f.JobsSeen || f.JobsCut > 0:
				j.unread = true
			}
			if f.Status == "success" && firstTime(f.FinishedAt, r.Occurred).After(j.newest) && !j.left[f.ID] {
				maybe = append(maybe, later{j, on})
			}
		}
		return nil
	}, evidence.PipelineRun)
	if err != nil {
		return err
	}
	for _, m := range maybe {
		if m.job.on[m.on] || len(m.job.on) == 0 {
			m.job.since++
		}
	}
	return nil
}

// ran takes one run of the job. Only one that ended should have left a report.
func (j *reportJob) ran(f *reportRun, job *evidence.PipelineJob, seq uint64) {
	if job.Status != "success" && job.Status != "failure" {
		return
	}
	j.runs++
	if !j.left[f.ID] {
		j.without = append(j.without, f.ID)
		if len(j.seqs) < 20 {
			j.seqs = append(j.seqs, seq)
		}
	}
}
