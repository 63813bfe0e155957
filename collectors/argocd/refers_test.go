package argocd

import (
	"fmt"
	"testing"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application/v1alpha1"
	"github.com/google/go-cmp/cmp"
)

func TestRefers(t *testing.T) {
	helm := &v1alpha1.ApplicationSourceHelm{
		ValueFiles:     []string{"values.yaml", "../shared/prod.yaml", "/root/all.yaml", "$values/envs/*.yaml", "https://files.example/values.yaml", "../shared/prod.yaml", " "},
		FileParameters: []v1alpha1.HelmFileParameter{{Name: "key", Path: "../certs/ca.pem"}},
	}
	for name, tc := range map[string]struct {
		source     v1alpha1.ApplicationSource
		annotation string
		want       []string
	}{
		"a path alone":           {v1alpha1.ApplicationSource{Path: "apps/web"}, "", nil},
		"helm":                   {v1alpha1.ApplicationSource{Path: "apps/web", Helm: helm}, "", []string{"apps/shared/prod.yaml", "root/all.yaml", "$values/envs/*.yaml", "apps/certs/ca.pem"}},
		"of a chart":             {v1alpha1.ApplicationSource{Chart: "web", Helm: &v1alpha1.ApplicationSourceHelm{ValueFiles: []string{"values.yaml", "$values/web.yaml"}}}, "", []string{"$values/web.yaml"}},
		"components":             {v1alpha1.ApplicationSource{Path: "apps/web", Kustomize: &v1alpha1.ApplicationSourceKustomize{Components: []string{"../../components/tls"}}}, "", []string{"components/tls"}},
		"the annotation":         {v1alpha1.ApplicationSource{Path: "apps/web"}, ".;../base;/shared;;", []string{"apps/base", "shared"}},
		"both":                   {v1alpha1.ApplicationSource{Path: "apps/web", Helm: &v1alpha1.ApplicationSourceHelm{ValueFiles: []string{"/shared"}}}, "/shared;/lib", []string{"shared", "lib"}},
		"a neighbour by name":    {v1alpha1.ApplicationSource{Path: "apps/web"}, "../web-api", []string{"apps/web-api"}},
		"above the root":         {v1alpha1.ApplicationSource{Path: "apps"}, "../../../etc", []string{"etc"}},
		"the whole repository":   {v1alpha1.ApplicationSource{Path: "."}, "/shared", nil},
		"the root by annotation": {v1alpha1.ApplicationSource{Path: "apps"}, "/", []string{""}},
	} {
		got := withRefers(sources(v1alpha1.ApplicationSources{tc.source}), tc.annotation)[0].Refers
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	var many []string
	for i := range 3 * maxRefers {
		many = append(many, fmt.Sprintf("../s/%d", i))
	}
	if got := refers(&v1alpha1.ApplicationSource{Path: "a", Kustomize: &v1alpha1.ApplicationSourceKustomize{Components: many}}); len(got) != maxRefers {
		t.Errorf("of many are kept %d, want %d", len(got), maxRefers)
	}
}
