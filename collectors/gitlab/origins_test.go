package gitlab

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

const none = "0000000000000000000000000000000000000000"

// origins is a server with a project of many: three commits, each of another
// tenant, a merge request of two more, and the pipelines that are asked for.
func origins(t *testing.T, runs ...obj) *fake {
	f := newFake(t, nil)
	at := now.Add(-time.Hour).Format(time.RFC3339)
	f.branch(5, "main", sha3)
	chain := map[string]string{sha1: none, sha2: sha1, sha3: sha2}
	f.set("projects/5/repository/commits", func(r *http.Request) any {
		from, head, ranged := strings.Cut(r.URL.Query().Get("ref_name"), "..")
		if !ranged {
			from, head = "", from
		}
		list := []obj{}
		for sha := head; sha != from && chain[sha] != ""; sha = chain[sha] {
			c := commitOf(sha)
			if chain[sha] != none {
				c["parent_ids"] = []string{chain[sha]}
			}
			list = append(list, c)
		}
		if from == "main" { // it has them all
			list = []obj{}
		}
		if from == strings.Repeat("9", 40) {
			return refusal{status: 404, body: `{"message":"404 Not found"}`}
		}
		return list
	})
	diff := func(paths ...string) []obj {
		list := []obj{}
		for _, p := range paths {
			list = append(list, obj{"new_path": p, "old_path": p})
		}
		return list
	}
	f.set("projects/5/repository/commits/"+sha1+"/diff", diff("tenants/one/a"))
	f.set("projects/5/repository/commits/"+sha2+"/diff", diff("tenants/two/a"))
	f.set("projects/5/repository/commits/"+sha3+"/diff", diff("tenants/three/mira@planted.example/a"))
	f.set("projects/5/merge_requests/7/diffs", diff("tenants/four/a", "tenants/five/a"))
	var list []obj
	for _, run := range runs {
		run["updated_at"], run["created_at"], run["status"] = at, at, "success"
		f.set(fmt.Sprintf("projects/5/pipelines/%d", run["id"]), run)
		list = append(list, obj{"id": run["id"], "updated_at": at})
	}
	f.set("projects/5/pipelines", list)
	return f
}

func pathsIn(d evidence.Draft) string {
	var got []string
	for _, r := range d.Scope {
		if r.Scheme == "path" {
			got = append(got, r.Name)
		}
	}
	return strings.Join(got, " ")
}

// What ran on a commit is the business of all whose paths the push or the
// request that it came with changed, whichever of its commits did.
func TestWhosePipelinesAre(t *testing.T) {
	const three = "tenants/three/{mail}/a"
	for name, tc := range map[string]struct {
		run  obj
		want string
	}{
		"a push of two":           {obj{"ref": "main", "sha": sha3, "before_sha": sha1}, three + " tenants/two/a"},
		"a push of one":           {obj{"ref": "main", "sha": sha3, "before_sha": sha2}, three},
		"a push that is not last": {obj{"ref": "main", "sha": sha2, "before_sha": sha1}, "tenants/two/a"},
		"by hand":                 {obj{"ref": "main", "sha": sha3, "before_sha": none}, three},
		"on the same commit":      {obj{"ref": "main", "sha": sha3, "before_sha": sha3}, three},
		"a new branch of main's":  {obj{"ref": "other", "sha": sha3, "before_sha": none}, three},
		"a tag":                   {obj{"ref": "v1", "tag": true, "sha": sha3, "before_sha": sha1}, three},
		"from where nothing is":   {obj{"ref": "main", "sha": sha3, "before_sha": strings.Repeat("9", 40)}, "*"},
		"a request":               {obj{"ref": "refs/merge-requests/7/merge", "sha": strings.Repeat("e", 40), "before_sha": none}, "tenants/five/a tenants/four/a"},
		"a request that is gone":  {obj{"ref": "refs/merge-requests/8/head", "sha": sha3, "before_sha": none}, ""},
		"a commit that is gone":   {obj{"ref": "main", "sha": strings.Repeat("8", 40), "before_sha": none}, ""},
	} {
		tc.run["id"] = 2
		f := origins(t, tc.run)
		f.set("projects/5/merge_requests/8/diffs", refusal{status: 404, body: `{"message":"404 Not found"}`})
		if tc.want == "" {
			f.set("projects/5/repository/commits/"+strings.Repeat("8", 40)+"/diff", refusal{status: 404, body: `{"message":"404 Commit Not Found"}`})
		}
		for look, rec := range []*collectortest.Recorder{f.must(nil), laterLook(f)} {
			if got := pathsIn(rec.Of(evidence.PipelineRun)[0]); got != tc.want {
				t.Errorf("%s, look %d: reaches %q, want %q", name, look+1, got, tc.want)
			}
		}
	}
}

// laterLook is one that reads the pipelines and none of the commits.
func laterLook(f *fake) *collectortest.Recorder {
	first := f.must(nil)
	f.clock = f.clock.Add(10 * time.Minute)
	list := f.routes["projects/5/pipelines"].([]obj)
	at := f.clock.Add(-time.Minute).Format(time.RFC3339)
	for _, run := range list {
		run["updated_at"] = at
		f.routes[fmt.Sprintf("projects/5/pipelines/%d", run["id"])].(obj)["updated_at"] = at
	}
	return f.must(first.Resume())
}

// A child pipeline and a report go where the pipeline goes that they belong to.
func TestWhoseChildrenAre(t *testing.T) {
	f := origins(t, obj{"id": 2, "ref": "main", "sha": sha3, "before_sha": sha1})
	f.set("projects/5/pipelines/2/bridges", []obj{{"id": 1, "name": "child", "status": "success", "downstream_pipeline": obj{"id": 3, "project_id": 5, "source": "parent_pipeline"}}})
	child := obj{"id": 3, "ref": "main", "sha": sha3, "before_sha": none, "source": "parent_pipeline", "status": "running"}
	f.set("projects/5/pipelines/3", child)
	const want = "tenants/three/{mail}/a tenants/two/a"
	rec := f.must(nil)
	ended := obj{}
	for k, v := range child {
		ended[k] = v
	}
	ended["status"] = "success"
	f.set("projects/5/pipelines/3", ended)
	f.clock = f.clock.Add(10 * time.Minute)
	again := f.must(rec.Resume())
	var keys []string
	for _, d := range slices.Concat(rec.Of(evidence.PipelineRun), again.Of(evidence.PipelineRun)) {
		keys = append(keys, d.Key)
		if got := pathsIn(d); got != want {
			t.Errorf("%s reaches %q, want %q", d.Key, got, want)
		}
	}
	if got := strings.Join(keys, " "); got != "5/2 5/3 5/3" {
		t.Errorf("pipelines %s", got)
	}
}
