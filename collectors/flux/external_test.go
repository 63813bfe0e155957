package flux

import (
	"reflect"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// What somebody else's controller made says what it is: no address is made up for it,
// and no word on signatures.
func TestExternalArtifact(t *testing.T) {
	digest := "sha256:" + strings.Repeat("d", 64)
	const artifacts = "externalartifacts." + sourceGroup
	source := func(spec, resource, app string) evidence.DeploySource {
		r, l := testReader(), testLook(now)
		if spec != "" {
			r.give(t, l, artifacts, []byte(`{"metadata":{"name":"web","namespace":"tenant-7","uid":"u-1"},"spec":`+spec+`,"status":{"artifact":{"revision":"latest@`+digest+`","digest":"`+digest+`"}}}`), false)
		}
		ds := r.give(t, l, resource, []byte(`{"metadata":{"name":"web","namespace":"tenant-7","uid":"u-2","generation":1},"spec":`+app+`,"status":{"observedGeneration":1,"lastAppliedRevision":"latest@`+digest+`"}}`), false)
		d := ds[len(ds)-1]
		for _, ref := range d.Links {
			if strings.HasPrefix(ref.String(), "image:") || strings.HasPrefix(ref.String(), "commit:") {
				t.Errorf("%s: it is linked to %s", spec, ref)
			}
		}
		return evidencetest.Decode[evidence.DeployFacts](t, d).Sources[0]
	}
	const app, chart = `{"sourceRef":{"kind":"ExternalArtifact","name":"web"}}`, `{"chartRef":{"kind":"ExternalArtifact","name":"web"}}`
	of := evidence.DeploySource{Kind: kindExternal, Name: "tenant-7/web", Path: ".", MadeBy: "ArtifactGenerator.source.extensions.fluxcd.io", Artifact: digest}
	unsaid, unread := of, of
	unsaid.MadeBy = "somebody else"
	unread.MadeBy, unread.Artifact, unread.Unread = "", "", "there is no such object"
	charted := of
	charted.Path, charted.Artifact, charted.Chart = "", "", "web"
	for _, c := range []struct {
		spec, resource, app string
		want                evidence.DeploySource
	}{
		{`{"sourceRef":{"apiVersion":"source.extensions.fluxcd.io/v1beta1","kind":"ArtifactGenerator","name":"web"}}`, ks, app, of},
		{`{}`, ks, app, unsaid},
		{"", ks, app, unread},
		{`{"sourceRef":{"apiVersion":"source.extensions.fluxcd.io/v1beta1","kind":"ArtifactGenerator","name":"web"}}`, hrs, chart, charted},
	} {
		if got := source(c.spec, c.resource, c.app); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s of %s:\n got %+v\nwant %+v", c.resource, c.spec, got, c.want)
		}
	}
}
