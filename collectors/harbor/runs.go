package harbor

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// runState says in our words how a run stands.
func runState(native string) string {
	switch strings.ToLower(native) {
	case "success", "succeed", "succeeded", "finished":
		return "success"
	case "error", "failed", "failure":
		return "failure"
	case "stopped":
		return "stopped"
	case "running", "inprogress", "in_progress", "pending", "scheduled", "initialized":
		return "running"
	}
	return "unknown"
}

// run hands over one run of a rule. Its key is the rule's type and the run's
// id; it is told again when it has changed.
func (s *settingsLook) run(f *evidence.RegistryRunFacts, rule string, scope []evidence.Ref, req evidence.Request) error {
	f.Registry, f.Rule = s.cfg.Registry, rule
	d := s.draft(evidence.RegistryRun, evidence.OpEvent, s.ruleRef(f.Project, f.Type, rule), f, req)
	d.Key, d.Scope = f.Type+"/"+f.ID, scope
	if !f.StartedAt.IsZero() && !f.StartedAt.After(s.started.Add(time.Hour)) {
		d.OccurredAt, d.Basis = f.StartedAt, evidence.BasisSource
	}
	return s.emit(d)
}

// settle moves the id up to which every run has ended.
type settle struct {
	floor, open int64 // open is the smallest id of a run that goes on; 0: none
}

func (s *settle) see(id int64, state string) {
	s.floor = max(s.floor, id)
	if state == "running" && (s.open == 0 || id < s.open) {
		s.open = id
	}
}

func (s *settle) upTo() int64 {
	if s.open > 0 {
		return s.open - 1
	}
	return s.floor
}

// jobs reads the runs of one of the registry's own jobs from where the last
// look stopped.
func (s *settingsLook) jobs(kind, path string) error {
	st := settle{floor: s.cur.Runs[kind]}
	var odd oddItems
	_, _, err := s.walk(path, "id", nil, st.floor+1, 0, func(a *answer, items []json.RawMessage) (bool, error) {
		for _, raw := range items {
			j := &wireJob{}
			if json.Unmarshal(raw, j) != nil || j.ID <= 0 {
				odd.add(a.oddItem("a job of an unknown form"))
				continue
			}
			f := &evidence.RegistryRunFacts{Type: kind, ID: number(j.ID), Status: runState(j.Status), Native: text(j.Status), Trigger: text(j.Kind), StartedAt: when(j.Created)}
			if f.Status != "running" {
				f.FinishedAt = when(j.Updated)
			}
			var p struct {
				Dry bool `json:"dry_run"`
			}
			_ = json.Unmarshal([]byte(j.Parameters), &p) // without parameters it is no dry run
			f.DryRun = p.Dry
			st.see(j.ID, f.Status)
			if err := s.run(f, "schedule", []evidence.Ref{s.hostRef()}, a.req); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	if err == nil {
		s.cur.Runs[kind] = st.upTo()
		err = odd.err()
	}
	return err
}

// maxRunPages bounds a first look at runs, and how far back a run that never
// ends is followed: the newest thousand of a list. What is newer than what was
// read before is read however much it is.
const maxRunPages = 10

// newest reads a list that is given newest first and cannot be asked for by
// id, until it meets what was read before.
func (s *settingsLook) newest(name, path string, q url.Values, each func(a *answer, raw json.RawMessage) (id int64, state string, err error)) error {
	known := s.cur.Runs[name]
	read := max(known, s.cur.Newest[name])
	st := settle{floor: known}
	var odd oddItems
	if q == nil {
		q = url.Values{}
	}
	q.Set("page_size", strconv.Itoa(pageSize))
	for n := 1; ; n++ {
		if n > maxPages {
			return problem.New(problem.Source, "the list %s has more than %d pages", path, maxPages)
		}
		q.Set("page", strconv.Itoa(n))
		a, err := s.get(path, q)
		if err != nil {
			return err
		}
		items, err := a.items()
		if err != nil {
			return err
		}
		falling, last := true, int64(0)
		for _, raw := range items {
			id, state, err := each(a, raw)
			if err != nil {
				if err := odd.skip(err); err != nil {
					return err
				}
				continue
			}
			falling = falling && (last == 0 || id < last)
			last = id
			st.see(id, state)
		}
		if len(items) < pageSize || falling && last <= known {
			break
		}
		if n >= maxRunPages && read == 0 {
			s.note("%s: older runs than the newest %d are not read", name, maxRunPages*pageSize)
			break
		}
		if n >= maxRunPages && falling && last <= read {
			s.note("%s: a run that does not end is followed no longer: %d newer ones have begun", name, maxRunPages*pageSize)
			break
		}
		if err := s.progress(); err != nil {
			return err
		}
	}
	s.cur.Runs[name], s.cur.Newest[name] = st.upTo(), max(read, st.floor)
	return odd.err()
}

func (s *settingsLook) replicationRuns() error {
	return s.newest(ruleReplication, "replication/executions", url.Values{"sort": {"-id"}}, func(a *answer, raw json.RawMessage) (int64, string, error) {
		var r struct {
			ID      int64  `json:"id"`
			Policy  int64  `json:"policy_id"`
			Status  string `json:"status"`
			Trigger string `json:"trigger"`
			Start   string `json:"start_time"`
			End     string `json:"end_time"`
			Total   int    `json:"total"`
			Failed  int    `json:"failed"`
			Succeed int    `json:"succeed"`
		}
		if json.Unmarshal(raw, &r) != nil || r.ID <= 0 {
			return 0, "", a.oddItem("a run of an unknown form")
		}
		f := &evidence.RegistryRunFacts{
			Type: ruleReplication, ID: number(r.ID), Status: runState(r.Status), Native: text(r.Status), Trigger: text(r.Trigger),
			StartedAt: when(r.Start), FinishedAt: when(r.End), Total: r.Total, Succeeded: r.Succeed, Failed: r.Failed,
		}
		return r.ID, f.Status, s.run(f, number(r.Policy), append([]evidence.Ref{s.hostRef()}, s.reach[r.Policy]...), a.req)
	})
}

func (s *settingsLook) retentionRuns(p *project) error {
	if p.odd != nil {
		return p.odd
	}
	policy, err := strconv.ParseInt(string(p.Meta["retention_id"]), 10, 64)
	if err != nil || policy <= 0 {
		return nil
	}
	err = s.newest(ruleRetention+"/"+number(policy), "retentions/"+number(policy)+"/executions", nil, func(a *answer, raw json.RawMessage) (int64, string, error) {
		var r struct {
			ID      int64  `json:"id"`
			Status  string `json:"status"`
			Trigger string `json:"trigger"`
			Start   string `json:"start_time"`
			End     string `json:"end_time"`
			Dry     bool   `json:"dry_run"`
		}
		if json.Unmarshal(raw, &r) != nil || r.ID <= 0 {
			return 0, "", a.oddItem("a run of an unknown form")
		}
		f := &evidence.RegistryRunFacts{
			Project: p.Name, Type: ruleRetention, ID: number(r.ID), Status: runState(r.Status), Native: text(r.Status),
			Trigger: text(r.Trigger), StartedAt: when(r.Start), FinishedAt: when(r.End), DryRun: r.Dry,
		}
		return r.ID, f.Status, s.run(f, number(policy), []evidence.Ref{s.projectRef(p.Name)}, a.req)
	})
	if absent(err) {
		return nil // the policy was deleted since
	}
	return err
}
