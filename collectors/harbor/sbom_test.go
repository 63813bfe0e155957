package harbor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
)

// purl names the image with the digest of a number.
func purl(n int) string {
	return "pkg:oci/web@" + strings.Replace(digestOf(n), ":", "%3A", 1) + "?arch=amd64"
}

func spdx(packages, relations, more string) string {
	return `{"spdxVersion":"SPDX-2.3","creationInfo":{"creators":["Person: Somebody (somebody@planted.example)"]},"packages":[` + packages + `],"relationships":[` + relations + `]` + more + `}`
}

func relation(from, kind, to string) string {
	return fmt.Sprintf(`{"spdxElementId":%q,"relationshipType":%q,"relatedSpdxElement":%q}`, from, kind, to)
}

func TestReadBOM(t *testing.T) {
	root := `{"SPDXID":"root","name":"web","externalRefs":[{"referenceType":"purl","referenceLocator":"` + purl(7) + `"}]}`
	a, b, c := `{"SPDXID":"a","name":"a","versionInfo":"1","primaryPackagePurpose":"LIBRARY"}`, `{"SPDXID":"b","name":"b"}`, `{"SPDXID":"c","name":"c","supplier":"Person: Somebody (somebody@planted.example)"}`
	join := func(s ...string) string { return strings.Join(s, ",") }
	top := func(names ...string) (cs []evidence.SBOMComponent) {
		for _, n := range names {
			x := evidence.SBOMComponent{Name: n}
			if n == "a" {
				x.Version, x.Type = "1", "library"
			}
			cs = append(cs, x)
		}
		return cs
	}
	yes, no := true, false
	tests := []struct {
		name string
		doc  string
		want evidence.SBOMFacts
	}{
		{"spdx", spdx(join(root, a, b, c), join(relation("SPDXRef-DOCUMENT", "DESCRIBES", "root"), relation("root", "CONTAINS", "a"), relation("a", "DEPENDS_ON", "b"), relation("root", "DEPENDS_ON", "c"), relation("root", "OTHER", "b")), ""),
			evidence.SBOMFacts{Format: "spdx", SpecVersion: "2.3", Components: 3, Top: top("a", "c"), Names: []string{digestOf(7)}, NamesSubject: &yes}},
		{"spdx, relations before packages and the other way about", `{"relationships":[` + join(relation("root", "DESCRIBED_BY", "SPDXRef-DOCUMENT"), relation("a", "CONTAINED_BY", "root"), relation("c", "DEPENDENCY_OF", "root")) + `],"packages":[` + join(c, root, a, b) + `],"spdxVersion":"SPDX-2.2"}`,
			evidence.SBOMFacts{Format: "spdx", SpecVersion: "2.2", Components: 3, Top: top("a", "c"), Names: []string{digestOf(7)}, NamesSubject: &yes}},
		{"spdx that says nothing of order", spdx(join(a, b), "", `,"documentDescribes":["nothing-that-is-there"]`), evidence.SBOMFacts{Format: "spdx", SpecVersion: "2.3", Components: 2, Top: top("a", "b")}},
		{"spdx of another image", spdx(`{"SPDXID":"root","name":"x","attributionTexts":["DiffID: `+digestOf(9)+`","RepoDigest: x@`+digestOf(8)+`"]}`, "", `,"documentDescribes":["root"]`),
			evidence.SBOMFacts{Format: "spdx", SpecVersion: "2.3", Names: []string{digestOf(8)}, NamesSubject: &no}},
		{"a digest of a part says nothing of the whole", spdx(join(`{"SPDXID":"root","name":"web"}`, `{"SPDXID":"a","name":"a","versionInfo":"`+digestOf(7)+`"}`), relation("SPDXRef-DOCUMENT", "DESCRIBES", "root"), ""),
			evidence.SBOMFacts{Format: "spdx", SpecVersion: "2.3", Components: 1, Top: []evidence.SBOMComponent{{Name: "a", Version: digestOf(7)}}}},
		{"cyclonedx", `{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"authors":[{"email":"somebody@planted.example"}],"component":{"name":"web","purl":"` + purl(7) + `"}},
			"components":[{"type":"library","name":"b","components":[{"name":"inner","components":[{"name":"innermost"}]}]},{"type":"library","group":"@angular","name":"core","version":"17.0.1","author":"Somebody"}],"vulnerabilities":[{"id":{"deep":[1,{"x":null}]}}]}`,
			evidence.SBOMFacts{Format: "cyclonedx", SpecVersion: "1.6", Components: 4, Names: []string{digestOf(7)}, NamesSubject: &yes,
				Top: []evidence.SBOMComponent{{Name: "@angular/core", Version: "17.0.1", Type: "library"}, {Name: "b", Type: "library"}}}},
		{"cyclonedx with a digest in a property", `{"bomFormat":"CycloneDX","specVersion":"1.5","metadata":{"component":{"name":"web","properties":[{"name":"aquasecurity:trivy:ImageID","value":"` + digestOf(9) + `"},{"name":"aquasecurity:trivy:RepoDigest","value":"h/web@` + digestOf(7) + `"}]}},"components":null}`,
			evidence.SBOMFacts{Format: "cyclonedx", SpecVersion: "1.5", Names: []string{digestOf(7)}, NamesSubject: &yes}},
		{"cyclonedx without anything", `{"bomFormat":"CycloneDX","metadata":null}` + "\n", evidence.SBOMFacts{Format: "cyclonedx"}},
	}
	for _, tt := range tests {
		got, err := readBOM(iotest.OneByteReader(strings.NewReader(tt.doc)))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		f := evidence.SBOMFacts{Subject: digestOf(7)}
		got.into(&f)
		tt.want.Subject = digestOf(7)
		if d := cmp.Diff(tt.want, f); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
	for name, doc := range map[string]string{
		"nothing": "", "no object": `[]`, "neither format": `{"name":"x"}`, "both formats": `{"bomFormat":"CycloneDX","spdxVersion":"SPDX-2.3"}`,
		"a page": "<html>", "cut": `{"spdxVersion":"SPDX-2.3","packages":[`, "two documents": `{"bomFormat":"CycloneDX"}{}`, "a version that is a number": `{"spdxVersion":2}`,
		"packages that are none": `{"spdxVersion":"SPDX-2.3","packages":{}}`, "a package that is none": `{"spdxVersion":"SPDX-2.3","packages":[1]}`, "metadata that is none": `{"bomFormat":"CycloneDX","metadata":[]}`,
	} {
		if got, err := readBOM(strings.NewReader(doc)); err == nil || !errors.Is(err, errShape) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	broken := errors.New("the wire broke")
	if _, err := readBOM(io.MultiReader(strings.NewReader(`{"spdxVersion":"SPDX-2.3",`), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("a broken wire: %v", err)
	}
}

// TestBOMLimits reads documents of extreme size: facts keep their bounds, and
// what is not listed is counted.
func TestBOMLimits(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`{"bomFormat":"CycloneDX","components":[`)
	for i := range maxPackages + 10 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":"%s%d","version":%q}`, strings.Repeat(`\"`, 200), i, strings.Repeat("é", 400))
	}
	b.WriteString(`]}`)
	got, err := readBOM(&b)
	if err != nil {
		t.Fatal(err)
	}
	f := evidence.SBOMFacts{}
	got.into(&f)
	if f.Components != maxPackages+10 || !got.cut || f.TopCut+len(f.Top) != maxPackages || len(f.Top) == 0 || len(forge.Encode(f)) > maxTopBytes+(4<<10) {
		t.Errorf("%d components, %d listed, %d cut, %d bytes", f.Components, len(f.Top), f.TopCut, len(forge.Encode(f)))
	}
	for _, size := range []int64{10, 11, 12} {
		text, err := io.ReadAll(&limited{strings.NewReader("12345678901"), size})
		if tooLarge := errors.Is(err, errTooLarge); tooLarge != (size < 11) || !tooLarge && string(text) != "12345678901" {
			t.Errorf("of 11 bytes within %d: %q, %v", size, text, err)
		}
	}
}

// TestBills follows bills of materials from look to look: each is read once,
// and what cannot be read is told apart.
func TestBills(t *testing.T) {
	type step struct {
		content string // of the facts; "" none is handed over
		asked   int
		partial bool
		done    bool // the list of bills is called complete
	}
	good := spdx(`{"SPDXID":"a","name":"openssl","versionInfo":"3.0.15"}`, "", "")
	tests := []struct {
		name   string
		doc    string
		status int
		steps  []step
	}{
		{"read", good, 0, []step{{"read", 1, false, true}, {"read", 0, false, true}}},
		{"refused, asked once in a look", good, http.StatusForbidden, []step{{"refused", 1, false, true}, {"refused", 1, false, true}}},
		{"gone", good, http.StatusNotFound, []step{{"gone", 1, false, true}, {"gone", 0, false, true}}},
		{"not handed out", good, http.StatusBadRequest, []step{{"unsupported", 1, false, true}, {"unsupported", 0, false, true}}},
		{"too large", `{"spdxVersion":"SPDX-2.3","comment":"` + strings.Repeat("x", 1<<16) + `"}`, 0, []step{{"too-large", 1, false, true}, {"too-large", 0, false, true}}},
		{"no bill, three looks long", `<html>`, 0, []step{{"", 3, true, false}, {"", 3, true, false}, {"unreadable", 3, false, true}, {"unreadable", 0, false, true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRegistry(t)
			g.c.maxBOM = 1 << 16
			acc := func(n int) row {
				return row{"digest": digestOf(n), "type": "sbom.harbor", "size": 1, "creation_time": "2026-03-01T00:00:00.000Z", "subject_artifact_digest": digestOf(1)}
			}
			path := func(n int) string {
				return "projects/app/repositories/web/artifacts/" + digestOf(n) + "/additions/sbom"
			}
			g.arts["app"] = []row{artifactRow(1, row{"accessories": []row{acc(50)}})}
			g.bills[digestOf(50)] = tt.doc
			if tt.status != 0 {
				g.status[path(50)] = tt.status
			}
			var resume []byte
			for i, s := range tt.steps {
				rec := g.must(resume)
				resume = rec.Resume()
				asked := 0
				for _, a := range g.asked {
					if a == path(50) {
						asked++
					}
				}
				content := ""
				if ds := rec.Of(evidence.ArtifactSBOM); len(ds) > 0 {
					f := factsOf[evidence.SBOMFacts](t, ds[0])
					content = f.Content
					if (f.Format == "spdx" && f.SHA256 != "" && f.Components == 1) != (content == "read" && asked > 0) {
						t.Errorf("look %d: facts %+v", i, f)
					}
				}
				got := step{content, asked, last(rec).Incomplete != "", completes(rec, evidence.ArtifactSBOM, g.c.projectRef("app")) && completes(rec, evidence.ArtifactSBOM, evidence.Ref{})}
				if got != s {
					t.Errorf("look %d: %+v, want %+v", i, got, s)
				}
				if !completes(rec, evidence.ArtifactImage, g.c.projectRef("app")) {
					t.Errorf("look %d: the list of images is not complete for a bill's sake", i)
				}
				g.clock = g.clock.Add(5 * time.Minute)
			}
			// Another document of the same image is read by itself.
			delete(g.status, path(50))
			g.arts["app"][0]["accessories"] = []row{acc(51)}
			g.bills[digestOf(51)] = good
			rec := g.must(resume)
			ds := rec.Of(evidence.ArtifactSBOM)
			if len(ds) != 1 || factsOf[evidence.SBOMFacts](t, ds[0]).Content != "read" {
				t.Errorf("another document: %d drafts", len(ds))
			}
		})
	}
}

// TestBillHeals reads a bill that the registry could not give once.
func TestBillHeals(t *testing.T) {
	g := newRegistry(t)
	g.arts["app"] = []row{artifactRow(1, row{"accessories": []row{{"digest": digestOf(50), "type": "sbom.harbor"}}})}
	g.bills[digestOf(50)] = `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"name":"x"}]}`
	path := "projects/app/repositories/web/artifacts/" + digestOf(50) + "/additions/sbom"
	g.status[path] = http.StatusInternalServerError
	first := g.must(nil)
	if len(first.Of(evidence.ArtifactSBOM)) != 0 || !strings.Contains(last(first).Incomplete, "1 bills of materials of project app") || !strings.Contains(spans(first, evidence.ArtifactSBOM), "blind") {
		t.Errorf("incomplete %q, claims %s", last(first).Incomplete, spans(first, evidence.ArtifactSBOM))
	}
	delete(g.status, path)
	second := g.later(5*time.Minute, first)
	ds := second.Of(evidence.ArtifactSBOM)
	if len(ds) != 1 || last(second).Incomplete != "" {
		t.Fatalf("%d bills, incomplete %q", len(ds), last(second).Incomplete)
	}
	if f := factsOf[evidence.SBOMFacts](t, ds[0]); f.Content != "read" || f.Format != "cyclonedx" || f.Components != 1 || !slices.Equal(f.Top, []evidence.SBOMComponent{{Name: "x"}}) {
		t.Errorf("facts %+v", f)
	}
	if ds[0].Request.Response == "" || !strings.HasSuffix(ds[0].Request.URL, "/additions/sbom") {
		t.Errorf("request %+v", ds[0].Request)
	}
}

func FuzzBOM(f *testing.F) {
	f.Add([]byte(spdx(`{"SPDXID":"root","name":"web"},{"SPDXID":"a","name":"a"}`, relation("SPDXRef-DOCUMENT", "DESCRIBES", "root")+","+relation("root", "CONTAINS", "a"), `,"documentDescribes":["root"]`)))
	f.Add([]byte(`{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"component":{"name":"web","purl":"` + purl(7) + `"}},"components":[{"name":"b","components":[{}]}]}`))
	f.Add([]byte(`{"bomFormat":"CycloneDX","components":null,"metadata":null,"x":[[[{"a":1}]]]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		b, err := readBOM(bytes.NewReader(doc))
		if err != nil {
			return
		}
		if !json.Valid(doc) {
			t.Fatalf("taken: %q", doc)
		}
		facts := evidence.SBOMFacts{Subject: digestOf(7)}
		b.into(&facts)
		if out := forge.Encode(facts); !json.Valid(out) || len(out) > evidence.MaxContent || facts.Components < 0 || facts.Format == "" {
			t.Fatalf("facts of %d bytes, %d components, format %q", len(out), facts.Components, facts.Format)
		}
	})
}

func BenchmarkBOM(b *testing.B) {
	var doc bytes.Buffer
	doc.WriteString(`{"spdxVersion":"SPDX-2.3","packages":[{"SPDXID":"root","name":"web"}`)
	for i := range 2000 {
		fmt.Fprintf(&doc, `,{"SPDXID":"p%d","name":"package-%d","versionInfo":"1.%d","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:deb/debian/package-%d@1.%d"}]}`, i, i, i, i, i)
	}
	doc.WriteString(`],"relationships":[` + relation("SPDXRef-DOCUMENT", "DESCRIBES", "root"))
	for i := range 2000 {
		doc.WriteString("," + relation("root", "CONTAINS", fmt.Sprintf("p%d", i)))
	}
	doc.WriteString(`]}`)
	b.SetBytes(int64(doc.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if got, err := readBOM(bytes.NewReader(doc.Bytes())); err != nil || got.components != 2000 {
			b.Fatal(got, err)
		}
	}
}
