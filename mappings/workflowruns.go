package mappings

import (
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

// workflowsBack is how far before the end the runs of workflows are read: no
// drill is asked for less often than once a year.
const workflowsBack = 400 * 24 * time.Hour

// purposes are what runs of workflows are for, as far as tests ask.
var purposes = []string{"export", "restore-drill", "rebuild-drill"}

var workflowRunsView = &view{
	View: View{
		Name: "workflow_runs",
		Doc: "Runs of workflows by what they are for: one item for each of export, restore-drill and rebuild-drill, over all runs of the 400 days before the end. " +
			"What a run is for is what the configuration, its own label or that of its schedule or template says, see docs/collectors/workflows.md. A run counts when it ended.",
		Kinds: []evidence.Kind{evidence.WorkflowRun},
		Fields: []Field{
			{Name: "purpose", Type: "string", Doc: "export, restore-drill or rebuild-drill"},
			{Name: "runs", Type: "int", Doc: "ended runs known"},
			{Name: "looked_back", Type: "duration", Doc: "how far back from the end every source of workflow runs was seen without a hole, at most 400 days"},
			{Name: "since_run", Type: "duration", Optional: true, Doc: "time since the newest run ended, however; missing when there is none"},
			{Name: "since_success", Type: "duration", Optional: true, Doc: "time since the newest run ended Succeeded, with steps that are known, none of which failed for good or took the outcome of an earlier run; missing when there is none"},
			{Name: "since_unclear", Type: "duration", Optional: true, Doc: "time since the newest run ended Succeeded, though steps of it failed, took the outcome of an earlier run or are not known; missing when there is none"},
			{Name: "newest_phase", Type: "string", Optional: true, Doc: "phase of the newest run: Succeeded, Failed or Error"},
		},
	},
	build:  buildWorkflowRuns,
	steady: true,
}

func buildWorkflowRuns(ctx context.Context, s *scene, yield func(*item) error) error {
	back, err := s.seeingBack(ctx, workflowsBack)
	if err != nil {
		return err
	}
	back.period.From = s.period.To.Add(-workflowsBack)
	type run struct {
		at     time.Time
		seqs   []uint64
		phase  string
		label  string
		source evidence.SourceID
	}
	type sum struct {
		runs                     int
		newest, success, unclear run
	}
	sums := map[string]*sum{}
	err = events(ctx, back, func(r *evidence.Record, seqs []uint64) error {
		var f evidence.WorkflowRunFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		if !slices.Contains(purposes, f.Purpose) || f.Phase != "Succeeded" && f.Phase != "Failed" && f.Phase != "Error" {
			return nil
		}
		x := run{at: f.FinishedAt, seqs: seqs, phase: f.Phase, label: f.Namespace + "/" + f.Name, source: r.Source}
		if x.at.IsZero() {
			x.at = r.Occurred
		}
		if x.at.After(s.period.To) {
			s.later(x.at) // it had not ended
			return nil
		}
		s.later(x.at.Add(workflowsBack)) // it is too old then
		all := sums[f.Purpose]
		if all == nil {
			all = &sum{}
			sums[f.Purpose] = all
		}
		all.runs++
		newer := func(of *run) {
			if !x.at.Before(of.at) {
				*of = x
			}
		}
		newer(&all.newest)
		switch {
		case f.Phase != "Succeeded":
		case f.Failed == 0 && f.Cached == 0 && f.NodesUnread == "":
			newer(&all.success)
		default:
			newer(&all.unclear)
		}
		return nil
	}, evidence.WorkflowRun)
	if err != nil {
		return err
	}
	lookedBack := back.lookedBack(evidence.WorkflowRun)
	for _, p := range purposes {
		it := &item{
			kind: evidence.WorkflowRun, at: s.period.To, label: "workflow runs for " + p,
			fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
		}
		source, all := evidence.SelfSource, sums[p]
		if all == nil {
			all = &sum{}
			it.seqs = []uint64{0} // nothing speaks of one: the log itself, by its first record
			it.drifts("happened")
			it.lacks("newest_phase", "no such run is known")
		} else {
			source, it.at = all.newest.source, all.newest.at
			it.set("newest_phase", all.newest.phase)
			it.why["since_success"] = fmt.Sprintf("the newest run, %s of %s, ended %s", all.newest.label, evidence.FormatTime(all.newest.at), all.newest.phase)
		}
		for _, x := range []struct {
			field string
			of    *run
		}{{"since_run", &all.newest}, {"since_success", &all.success}, {"since_unclear", &all.unclear}} {
			if x.of.at.IsZero() {
				it.lacks(x.field, "no such run is known")
				continue
			}
			it.also(x.of.seqs...)
			since := s.period.To.Sub(x.of.at)
			it.set(x.field, since).grows(x.field, since)
		}
		it.set("source", string(source)).set("happened", it.at).set("purpose", p).set("runs", all.runs)
		it.set("looked_back", lookedBack).grows("looked_back", lookedBack)
		if err := yield(it); err != nil {
			return err
		}
	}
	return nil
}
