package mappings

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
)

func TestFolderOf(t *testing.T) {
	for in, want := range map[string]string{
		"apps/web": "apps/web", "./apps/web/": "apps/web", "/apps//web": "apps/web", ".": "", "./": "", "": "", "../x": "x", ".github/x": ".github/x",
		"shared/prod/*.yaml": "shared/prod", "shared/pr*/x.yaml": "shared", "*.yaml": "", "a/{b,c}/d": "a",
	} {
		if got := folderOf(in); got != want {
			t.Errorf("folder of %q: got %q, want %q", in, got, want)
		}
	}
}

func TestReadings(t *testing.T) {
	const repo = "https://forge.example/acme/gitops.git"
	web := evidence.DeploySource{RepoURL: repo, Path: "apps/web"}
	referring := web
	referring.Refers = []string{"shared/prod.yaml", "$values/envs/prod.yaml", "apps/web/own.yaml"}
	values := evidence.DeploySource{RepoURL: repo, Ref: "values"}
	untold := reading{why: "the source did not say which path of the repository the application reads"}
	for name, tc := range map[string]struct {
		revisions         []string
		sources, declared []evidence.DeploySource
		want              []reading
	}{
		"of the deployment":            {[]string{"a"}, []evidence.DeploySource{web}, nil, []reading{{paths: []string{"apps/web"}}}},
		"of the declaration":           {[]string{"a"}, nil, []evidence.DeploySource{web}, []reading{{paths: []string{"apps/web"}}}},
		"more by the declaration":      {[]string{"a"}, []evidence.DeploySource{web}, []evidence.DeploySource{referring}, []reading{{paths: []string{"apps/web", "apps/web/own.yaml", "shared/prod.yaml"}}}},
		"the declaration is another's": {[]string{"a"}, []evidence.DeploySource{web}, []evidence.DeploySource{{RepoURL: repo, Path: "apps/api", Refers: []string{"shared"}}}, []reading{{paths: []string{"apps/web"}}}},
		"nobody says":                  {[]string{"a"}, nil, nil, []reading{untold}},
		"more sources than revisions":  {[]string{"a"}, []evidence.DeploySource{web, values}, nil, []reading{untold}},
		"values beside a chart":        {[]string{"a", "b"}, []evidence.DeploySource{referring, values}, nil, []reading{{paths: []string{"apps/web", "apps/web/own.yaml", "shared/prod.yaml"}}, {paths: []string{"envs/prod.yaml"}}}},
		"values nobody refers to":      {[]string{"a", "b"}, []evidence.DeploySource{web, values}, nil, []reading{{paths: []string{"apps/web"}}, untold}},
	} {
		if d := cmp.Diff(tc.want, readings(tc.revisions, tc.sources, tc.declared), cmp.AllowUnexported(reading{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
