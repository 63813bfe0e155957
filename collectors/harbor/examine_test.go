package harbor

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/evidence/problem"
)

func right(t *testing.T, x collectors.Examination, name string) collectors.Right {
	t.Helper()
	i := slices.IndexFunc(x.Rights, func(r collectors.Right) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("no right %q in %+v", name, x.Rights)
	}
	return x.Rights[i]
}

func count(x collectors.Examination, a collectors.Access) (n int) {
	for _, r := range x.Rights {
		if r.Access == a {
			n++
		}
	}
	return n
}

// The robot of deploy/access is found right, and its limits are told.
func TestExamine(t *testing.T) {
	l := newLab(t, nil)
	x, err := l.c.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if x.Identity != "robot$evidenced" || x.Version != "v2.14.1-a1b2c3d4" || !x.Expires.Equal(time.Unix(1790000000, 0)) || x.Requests == 0 || !x.OffsetOK {
		t.Errorf("%+v", x)
	}
	if count(x, collectors.Missing) != 0 || count(x, collectors.Excess) != 0 {
		t.Errorf("rights %+v", x.Rights)
	}
	if r := right(t, x, "settings of the audit log"); r.Access != collectors.Untold || r.Hint == "" {
		t.Errorf("%+v", r)
	}
	right(t, x, "artifact:list in all 3 projects")
	if len(x.Oldest) != 1 || x.Oldest[0].At.Format(time.DateOnly) != "2026-02-20" {
		t.Errorf("oldest %+v", x.Oldest)
	}
	for _, line := range l.Requests() {
		if strings.Contains(line, "artifacts") || strings.Contains(line, "members") {
			t.Errorf("an examination reads evidence: %s", line)
		}
	}
}

func TestExamineFaults(t *testing.T) {
	// Too little, and too much.
	g := newRegistry(t)
	g.rights = []string{"project:list", "robot:list", "repository:push", "robot:create", "artifact:list"}
	g.lists["robots"] = []row{{"id": 4, "name": "robot$evidenced", "expires_at": -1}}
	x, err := g.c.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := right(t, x, "audit-log:list in the system")
	if r.Access != collectors.Missing || r.Hint != "add list of audit-log to the robot's system permissions" || len(r.Kinds) == 0 {
		t.Errorf("%+v", r)
	}
	right(t, x, "log:list in project app") // the way around
	r = right(t, x, "repository:push, robot:create in project app")
	if r.Access != collectors.Excess || !strings.Contains(r.Hint, "everything but list and read") {
		t.Errorf("%+v", r)
	}
	if !x.Expires.IsZero() {
		t.Errorf("expires %v, want never", x.Expires)
	}
	// A secret that is refused says what to do, and nothing of the secret.
	if err := os.WriteFile(g.cfg.TokenFile, []byte("another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = g.c.Examine(t.Context())
	if !problem.Is(err, problem.Credential) || !strings.Contains(problem.Of(err).Hint, "make a new secret") || strings.Contains(err.Error(), "another") {
		t.Errorf("refused: %v", err)
	}
	// A registry that is not there is a failure.
	g.srv.Close()
	if _, err := g.c.Examine(t.Context()); err == nil {
		t.Error("a registry that does not answer is examined without an error")
	}
}
