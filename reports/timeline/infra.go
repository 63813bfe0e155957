package timeline

import (
	"fmt"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

// The sentences of infrastructure as code.

func (t *teller) infraWorkspace(f evidence.InfraWorkspaceFacts) string {
	s := fmt.Sprintf("workspace %s applies what is confirmed", f.Name)
	switch {
	case f.Mode == "local":
		s = fmt.Sprintf("workspace %s only keeps a state, runs are made elsewhere", f.Name)
	case f.AutoApply:
		s = fmt.Sprintf("workspace %s applies without a confirmation", f.Name)
	}
	if f.Repo != "" {
		s += ", from " + f.Repo
		if f.Branch != "" {
			s += " at " + f.Branch
		}
	}
	if f.Locked {
		s += ", locked by somebody"
	}
	return s
}

func (t *teller) infraRun(f evidence.InfraRunFacts) string {
	what := "run"
	if f.Destroy {
		what = "run to destroy everything"
	}
	s := fmt.Sprintf("%s %s of workspace %s: %s", what, f.ID, f.Workspace, f.Status)
	switch {
	case f.Apply != nil && f.Began != nil && *f.Began:
		s += ", " + counted(f.Apply)
	case f.Plan != nil && f.Status != "applied":
		s += ", planned: " + counted(f.Plan)
	}
	if f.Creator >= 0 {
		s += ", asked for by " + t.name(f.Creator)
	}
	switch {
	case f.Confirmer >= 0:
		s += ", confirmed by " + t.name(f.Confirmer)
	case f.Began != nil && *f.Began && f.AutoApply:
		s += ", applied without a confirmation"
	}
	if f.Commit != "" {
		s += ", from commit " + reports.ShortID(f.Commit)
	}
	if f.Variables > 0 || f.Targets > 0 || f.Replaces > 0 || f.Invokes > 0 {
		s += ", with settings of its own"
	}
	return s + overridden(&f, t)
}

// counted tells what a plan or an apply concerned.
func counted(c *evidence.InfraCount) string {
	s := fmt.Sprintf("%d added, %d changed, %d destroyed", c.Additions, c.Changes, c.Deletions)
	if c.Imports > 0 {
		s += fmt.Sprintf(", %d imported", c.Imports)
	}
	if c.Forgotten > 0 {
		s += fmt.Sprintf(", %d forgotten", c.Forgotten)
	}
	if c.Invoked > 0 {
		s += ", " + reports.Count(int(c.Invoked), "action") + " invoked"
	}
	return s
}

// overridden tells who let a run pass the policies that it failed.
func overridden(f *evidence.InfraRunFacts, t *teller) string {
	n := 0
	for _, p := range f.Policies {
		if p.Overridden {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	var by []string
	for _, e := range f.Events {
		if strings.Contains(e.Action, "overrid") && e.Person >= 0 {
			by = append(by, t.name(e.Person))
		}
	}
	s := "; a failed policy was overridden"
	if len(by) > 0 {
		s += " by " + few(by)
	}
	return s
}

func (t *teller) infraState(f evidence.InfraStateFacts) string {
	s := fmt.Sprintf("state of workspace %s has serial %d", f.Workspace, f.Serial)
	if f.Processed {
		s += ": " + reports.Count(len(f.Resources)+f.ResourcesCut, "resource") + " of " + reports.Count(len(f.Providers), "provider")
	}
	switch {
	case f.Run != "":
		s += ", written by run " + f.Run
	case f.Creator >= 0:
		s += ", written by " + t.name(f.Creator)
	}
	return s
}
