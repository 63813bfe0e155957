package argocd

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
)

func TestRedact(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		removed        []string
	}{
		{"nothing to take out stays byte for byte", "{ \"a\" : [1.50, \"x\\u0041\"] }\n", "{ \"a\" : [1.50, \"x\\u0041\"] }\n", nil},
		{"helm", `{"spec":{"source":{"helm":{"parameters":[{"name":"p","value":"s"}],"values" : "a: s","valuesObject":{"b":"s"},"releaseName":"r"}}}}`,
			`{"spec":{"source":{"helm":{"parameters":null,"values" : null,"valuesObject":null,"releaseName":"r"}}}}`,
			[]string{remover, "/spec/source/helm/parameters", "/spec/source/helm/values", "/spec/source/helm/valuesObject"}},
		{"sources, plugin, jsonnet, kustomize", `{"sources":[{"plugin":{"env":[1],"parameters":[2]}},{"directory":{"jsonnet":{"extVars":[3],"tlas":[4]}},"kustomize":{"patches":[5],"images":["i"]}}]}`,
			`{"sources":[{"plugin":{"env":null,"parameters":null}},{"directory":{"jsonnet":{"extVars":null,"tlas":null}},"kustomize":{"patches":null,"images":["i"]}}]}`,
			[]string{remover, "/sources/0/plugin/env", "/sources/0/plugin/parameters", "/sources/1/directory/jsonnet/extVars", "/sources/1/directory/jsonnet/tlas", "/sources/1/kustomize/patches"}},
		{"manifests", `{"operation":{"sync":{"manifests":["kind: Secret"]}}}`, `{"operation":{"sync":{"manifests":null}}}`, []string{remover, "/operation/sync/manifests"}},
		{"already empty", `{"helm":{"values":null}}`, `{"helm":{"values":null}}`, nil},
		{"URLs", `{"repoURL":"https://u:p@h/r.git","m":"see https://tok@h/x and ssh://git@h:22/y"}`, `{"repoURL":"https://h/r.git","m":"see https://h/x and ssh://h:22/y"}`, []string{remover, "/repoURL", "/m"}},
		{"parameters in a command line", "{\"message\":\"`helm template . --set a=s1 --set-string \\\"b=s2 s3\\\" --include-crds` failed exit status 1: no b; `helm template . --set=c=s4` failed 1\"}",
			"{\"message\":\"`helm template . --set {removed}` failed exit status 1: no b; `helm template . --set={removed}` failed 1\"}", []string{remover, "/message"}},
		{"a command line that is cut", "{\"message\":\"`helm template . --set a=s1 s2\"}", "{\"message\":\"`helm template . --set {removed}\"}", []string{remover, "/message"}},
		{"no parameter", `{"message":"run it with --settle, or --values a"}`, `{"message":"run it with --settle, or --values a"}`, nil},
		{"pointer escapes", `{"a/b~c":{"plugin":{"env":1}}}`, `{"a/b~c":{"plugin":{"env":null}}}`, []string{remover, "/a~1b~0c/plugin/env"}},
		{"not JSON", `{"a":`, `null`, []string{remover, ""}},
	} {
		clean, removed := redact([]byte(c.in), nil)
		if string(clean) != c.want || !cmp.Equal(c.removed, removed) {
			t.Errorf("%s:\n got %s %q\nwant %s %q", c.name, clean, removed, c.want, c.removed)
		}
	}
	clean, removed := redact([]byte(`{"metadata":{"labels":{"owner":"x","tier":"y"},"annotations":{"a":"b"}},"status":{"history":[1],"sync":2},"operation":{}}`),
		append([]string{"/metadata/labels/owner"}, removedOfApplication...))
	if want := `{"metadata":{"labels":{"owner":null,"tier":"y"},"annotations":null},"status":{"history":null,"sync":2},"operation":null}`; string(clean) != want || len(removed) != 5 {
		t.Errorf("an application: got %s %q", clean, removed)
	}
}

func TestCleanURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://git.example.test/a.git":               "https://git.example.test/a.git",
		"https://user:p@ss@git.example.test/a.git?x=1": "https://git.example.test/a.git",
		"https://ghp_token@git.example.test/a#frag":    "https://git.example.test/a",
		"ssh://git@git.example.test:22/a":              "ssh://git.example.test:22/a",
		"git@git.example.test:a/b.git":                 "git@git.example.test:a/b.git",
		"mira@git.example.test:a/b.git":                "git.example.test:a/b.git",
		"file:///srv/git/deploy.git":                   "file:///srv/git/deploy.git",
		"registry.example.test/charts":                 "registry.example.test/charts",
		"":                                             "",
	} {
		if got := cleanURL(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestRefs(t *testing.T) {
	for rev, want := range map[string]string{
		sha1st: "commit:/" + sha1st, "18.19.4": "", "main": "", digest: "image:/" + digest, "v1@" + digest: "image:/" + digest, strings.ToUpper(sha1st): "",
	} {
		if r, _ := revisionRef(rev); r.String() != want {
			t.Errorf("revision %q: got %q, want %q", rev, r, want)
		}
	}
	for image, want := range map[string]string{
		"r.test/web@" + digest: "image:/" + digest, "r.test/web:1@" + digest: "image:/" + digest, "r.test/web:1": "imagetag:/r.test/web:1", "web": "imagetag:/web",
	} {
		if r := imageRef(image); r.String() != want {
			t.Errorf("image %q: got %q, want %q", image, r, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add([]byte(`{"spec":{"source":{"helm":{"values":"x"}}},"a":["https://u:p@h"]}`))
	f.Add([]byte(`[{"plugin" :{ "env":[ ] } , "k": 1e9}, null , "\u00e9"]`))
	f.Add([]byte(`"https://a:b@c" `))
	f.Fuzz(func(t *testing.T, b []byte) {
		clean, removed := redact(b, removedOfApplication)
		if !json.Valid(clean) {
			t.Fatalf("%q becomes %q, which is not JSON", b, clean)
		}
		if len(removed) == 0 && string(clean) != string(b) {
			t.Fatalf("%q becomes %q without a word", b, clean)
		}
		if again, _ := redact(clean, removedOfApplication); string(again) != string(clean) {
			t.Fatalf("%q becomes %q, then %q", b, clean, again)
		}
	})
}

func FuzzList(f *testing.F) {
	b, _ := json.Marshal(obj{"metadata": obj{}, "items": []obj{application("tenant-7-web", history(0, sha1st, 1, by("x")), slot("Failed", sha2nd, 5, automated))}})
	f.Add(b)
	f.Add([]byte(`{"metadata":{},"items":null}`))
	f.Add([]byte(`{"error":"permission denied","code":7}`))
	f.Add([]byte(`{"metadata":{},"items":[{},{"metadata":{"uid":"u","name":"n"},"status":{"history":[{"id":-1},{"id":9223372036854775807}],"operationState":{"startedAt":"2026-03-02T13:00:00Z","syncResult":{"resources":[null]}}}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := decodeList(b)
		if err != nil {
			return
		}
		useAll(t, l.apps...)
	})
}

func FuzzLine(f *testing.F) {
	f.Add([]byte(line("MODIFIED", application("tenant-7-web", slot("Running", sha1st, 1, automated)))))
	f.Add([]byte(`{"error":{"grpc_code":16,"http_code":401,"message":"expired"}}`))
	f.Add([]byte(`{"result":{"type":"DELETED","application":{"metadata":{"uid":"u","name":"n"}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		ev, err := decodeLine(b)
		if err != nil {
			return
		}
		useAll(t, ev.App)
	})
}

// useAll makes every draft of the applications: whatever was decoded must give
// drafts that keep the rules.
func useAll(t *testing.T, apps ...*app) {
	c := &Collector{authority: "prod", realm: "argocd:prod"}
	c.env.Source = "argocd/prod"
	res, _ := loadResume(nil)
	s := c.session(res, nil)
	for _, a := range apps {
		m := &memory{Hist: -1}
		for range 2 {
			for _, g := range m.operations(a, true, false).sights {
				if d := s.syncDraft(a, g, t0, t0, evidence.Request{}); d.Check() != nil {
					t.Fatal(d.Check())
				}
			}
			m.Seen = t0
		}
		f := deployFacts(a)
		w := m.State.next(f, healthTime(a), t0, t0, t0)
		if d := s.stateDraft(a, f, w, t0, evidence.Request{}); d.Check() != nil {
			t.Fatal(d.Check())
		}
		if d := s.endDraft(a, t0, t0, evidence.Request{}); d.Check() != nil {
			t.Fatal(d.Check())
		}
	}
}

// The fuzzing engine is slow beside a library as large as Argo CD's types, so
// damaged bodies are tried here too, from a fixed seed.
func TestDamagedInput(t *testing.T) {
	whole, _ := json.Marshal(obj{"metadata": obj{}, "items": []obj{application("tenant-7-web", history(0, sha1st, 1, by("x")), history(1, sha2nd, 3, obj{}), slot("Failed", sha2nd, 5, automated))}})
	values := []string{`null`, `{}`, `[]`, `""`, `-1`, `9223372036854775807`, `1e400`, `"2026-03-02T13:00:00Z"`, `[null]`, `[{}]`, `true`, `"\ud800"`}
	rng := rand.New(rand.NewPCG(7, 14))
	var cuts []int // where a value may begin
	for i := 1; i < len(whole); i++ {
		if whole[i-1] == ':' {
			cuts = append(cuts, i)
		}
	}
	for range 3000 {
		b := slices.Clone(whole)
		switch rng.IntN(3) {
		case 0:
			b[rng.IntN(len(b))] = byte(rng.IntN(256))
		case 1:
			b = b[:rng.IntN(len(b))]
		case 2:
			at := cuts[rng.IntN(len(cuts))]
			var old json.RawMessage
			if json.NewDecoder(bytes.NewReader(b[at:])).Decode(&old) == nil {
				b = slices.Concat(b[:at], []byte(values[rng.IntN(len(values))]), b[at+len(old):])
			}
		}
		if l, err := decodeList(b); err == nil {
			useAll(t, l.apps...)
		}
	}
}
