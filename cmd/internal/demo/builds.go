package demo

import (
	"fmt"
	"time"

	"evidenced/testdata/world"
)

// builds are the forge's workflow runs: they build images and push them into
// the registry, and test what a pull request declares.
type builds struct {
	w        *world.World
	git      *gitRepo
	registry *registry
	runs     []*buildRun
}

// buildRun is one run of a workflow: of "image", or of "verify" when it is for a
// pull request.
type buildRun struct {
	id         int64
	number     int
	pull       *pull
	branch     string
	sha        string
	by         world.Person
	tenant     string
	app        string
	version    string
	conclusion string
	started    time.Time
	ended      time.Time
}

func newBuilds(w *world.World, g *gitRepo, r *registry) *builds {
	return &builds{w: w, git: g, registry: r}
}

const buildTime = 3*time.Minute + 20*time.Second

// build runs the pipeline on a branch's head; what it builds carries the commit
// in its labels.
func (b *builds) build(a world.Act) error {
	br := b.git.branches[a.Branch]
	if br == nil {
		return fmt.Errorf("build of %s: branch %s is not there", a.App, a.Branch)
	}
	by, _ := b.w.Person(a.By)
	n := b.next(false)
	run := &buildRun{id: 61000000 + int64(n), number: n, branch: a.Branch, sha: br.head.sha, by: by, tenant: a.Tenant, app: a.App, version: a.Version,
		conclusion: a.State, started: a.At, ended: a.At.Add(buildTime)}
	b.runs = append(b.runs, run)
	if a.State != "success" {
		return nil
	}
	b.registry.push(pushedImage{tenant: a.Tenant, app: a.App, version: a.Version, at: run.ended, robot: "robot$" + a.Tenant + "+ci",
		revision: run.sha, source: b.w.RepoURL})
	return nil
}

// next is the number of the next run of a workflow.
func (b *builds) next(forPull bool) int {
	n := 1
	for _, r := range b.runs {
		if (r.pull != nil) == forPull {
			n++
		}
	}
	return n
}

// verify runs the tests on the head of a pull request.
func (b *builds) verify(a world.Act, p *pull) error {
	if p == nil || !p.closed.IsZero() {
		return fmt.Errorf("tests of %s: not open", a.Pull)
	}
	by, _ := b.w.Person(a.By)
	n := b.next(true)
	b.runs = append(b.runs, &buildRun{id: 62000000 + int64(n), number: n, pull: p, branch: p.branch, sha: p.head.sha, by: by,
		conclusion: a.State, started: a.At, ended: a.At.Add(a.Took)})
	return nil
}

// workflow is the name of the run's workflow, and what its jobs are.
func (r *buildRun) workflow() (name string, jobs []string) {
	if r.pull != nil {
		return "verify", []string{"render"}
	}
	return "image", []string{"test", "build", "push"}
}

// ship is somebody pushing an image by hand: no run, no labels, no signature.
func (b *builds) ship(a world.Act) error {
	by, _ := b.w.Person(a.By)
	b.registry.push(pushedImage{tenant: a.Tenant, app: a.App, version: a.Version, at: a.At, person: by})
	return nil
}
