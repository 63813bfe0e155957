package github

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"evidenced/collectors"
	"evidenced/evidence/problem"
)

// examineWith answers every question with 200 and what it expects, but for the
// paths that are refused.
func examineWith(t *testing.T, header map[string]string, refused map[string]int) (collectors.Examination, error) {
	t.Helper()
	l := newPartsLab(t, nil)
	l.SetFault(func(_ int, line string, w http.ResponseWriter, _ *http.Request) bool {
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.Header().Set("Content-Type", "application/json")
		for part, status := range refused {
			if strings.Contains(line, part) {
				w.Header().Set("X-Accepted-GitHub-Permissions", "actions=read")
				w.WriteHeader(status)
				fmt.Fprint(w, `{"message": "refused, says the server to mira-kostka9"}`)
				return true
			}
		}
		switch {
		case strings.HasSuffix(line, "/user"):
			fmt.Fprint(w, `{"id": 9001, "login": "svc-evidence"}`)
		case strings.Contains(line, "/audit-log"):
			fmt.Fprint(w, `[{"@timestamp": 1760000000000}]`)
		default:
			fmt.Fprint(w, `[]`)
		}
		return true
	})
	return l.c.Examine(t.Context())
}

// The default branch is asked about, whatever it is called.
func TestExamineDefaultBranch(t *testing.T) {
	l := newPartsLab(t, func(c *Config) { c.Branches = nil })
	var asked []string
	l.SetFault(func(_ int, line string, w http.ResponseWriter, _ *http.Request) bool {
		asked = append(asked, line)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"id": 7, "default_branch": "trunk"}`)
		return true
	})
	if _, err := l.c.Examine(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(asked, "\n")
	if !strings.Contains(all, "/branches/trunk/protection") || !strings.Contains(all, "/commits/trunk/check-runs") || strings.Contains(all, "main") {
		t.Errorf("asked %s", all)
	}
}

func TestExamine(t *testing.T) {
	x, err := examineWith(t, map[string]string{"X-OAuth-Scopes": "repo, read:org", "GitHub-Authentication-Token-Expiration": "2026-03-10 08:00:00 UTC"},
		map[string]int{"/actions/runs": 403, "/installations": 404})
	if err != nil {
		t.Fatal(err)
	}
	access := map[string]collectors.Right{}
	for _, r := range x.Rights {
		access[r.Name] = r
	}
	for name, want := range map[string]collectors.Access{
		"scope repo": collectors.Excess, "workflow runs of acme/tools": collectors.Missing, "apps installed in acme": collectors.Missing,
		"audit log of acme": collectors.Readable, "pull requests of acme/tools": collectors.Readable,
	} {
		if access[name].Access != want {
			t.Errorf("%s: %+v, want %s", name, access[name], want)
		}
	}
	if h := access["workflow runs of acme/tools"].Hint; h != "add the permission actions: read" {
		t.Errorf("hint %q", h)
	}
	if _, told := access["scope read:org"]; told {
		t.Error("a scope that only reads is too much")
	}
	if x.Identity != "account 9001" || x.Expires.IsZero() || !x.OffsetOK || x.Requests < 10 || len(x.Oldest) != 1 || x.Oldest[0].At.IsZero() {
		t.Errorf("%+v", x)
	}
	if strings.Contains(fmt.Sprintf("%+v", x), "mira") {
		t.Error("what the server wrote stands in the examination")
	}

	x, err = examineWith(t, nil, map[string]int{"/audit-log": 404, "/user": 403})
	if err != nil {
		t.Fatal(err)
	}
	told := map[collectors.Access]int{}
	for _, r := range x.Rights {
		told[r.Access]++
	}
	if told[collectors.Absent] != 1 || told[collectors.Untold] != 1 || told[collectors.Missing] != 0 {
		t.Errorf("%v", told)
	}

	if _, err := examineWith(t, nil, map[string]int{"/user": 401}); !problem.Is(err, problem.Credential) {
		t.Errorf("an expired token: %v", err)
	}
}
