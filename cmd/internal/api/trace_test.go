package api_test

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/api/apitest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/lineage/lineagetest"
	"evidenced/evidence/problem"
)

// traced is a world whose tenant-7 has a whole chain, and people to ask about:
// an account of alice at Vault is linked with hers at the forge, one of bob is
// not.
func traced(t testing.TB) *apitest.World {
	t.Helper()
	w := apitest.New()
	l := lineagetest.Tell()
	who := func(realm, id, login string) evidence.Person {
		return evidence.Person{Role: evidence.RoleReader, Realm: realm, NativeID: id, Names: evidence.Names{Login: login}, Proof: evidence.ProofAuthenticated}
	}
	alice, bob := who("vault:prod/entity", "e1", "alice"), who("vault:prod/entity", "e2", "bob")
	for i, p := range []evidence.Person{alice, bob} {
		l.Add(evidence.SecretAccess, evidence.OpEvent, lineagetest.At(11, i), evidence.AccessFacts{RequestID: "by-" + p.NativeID, Operation: "read", Secret: "kv/a", Outcome: "ok", Reading: true, Who: 0}, p)
	}
	l.LinkPeople(lineagetest.At(12, 0), who("github:acme", "id-alice", "alice"), alice, who("github:acme", "id-carol", "carol"), false)
	w.Logs[l.Tenant()] = l
	return w
}

func TestTraceAnswers(t *testing.T) {
	at := "2026-11-14 13:00"
	for _, tc := range []struct {
		name   string
		params api.TraceParams
		media  string
		want   []string
	}{
		{"commit", api.TraceParams{Ref: lineagetest.Head, At: at, Direction: "forward"}, api.MediaText, []string{"leads to", "1 pod", "approved by bob and merged by alice", "as of 13:00 UTC on 14 Nov 2026"}},
		{"secret access", api.TraceParams{Ref: lineagetest.RequestRef("read-operator").String(), Direction: "backward"}, api.MediaText, []string{"comes from 2 commits", "by the operator of SecretStore tenant-7/vault"}},
		{"application by name", api.TraceParams{Ref: "tenant-7/web app", At: at}, api.MediaText, []string{"> APPLICATION", "argocd/web"}},
		{"period", api.TraceParams{Ref: "kv/tenant-7/web/db", Span: api.Span{From: "2026-11-14 08:00", To: "2026-11-14 10:00"}}, api.MediaText, []string{"within 14 Nov 2026 08:00 to 10:00", "read of kv/tenant-7/web/db"}},
		{"record", api.TraceParams{Ref: "#14"}, api.MediaText, []string{"> SCAN"}},
		{"json", api.TraceParams{Ref: lineagetest.Head, Format: "json"}, api.MediaJSON, []string{`"answer"`, `"field": "/facts/head_sha"`}},
		{"json flag", api.TraceParams{Common: api.Common{JSON: true}, Ref: lineagetest.Head}, api.MediaJSON, []string{`"as_known_at_size"`}},
		{"dot", api.TraceParams{Ref: lineagetest.Head, Format: "dot"}, api.MediaDOT, []string{"digraph trace {"}},
		{"svg", api.TraceParams{Ref: lineagetest.Head, Format: "svg"}, api.MediaSVG, []string{"<svg ", "</svg>"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.params.Tenant = "tenant-7"
			w := traced(t)
			got, err := both(t, w, "trace", tc.params)
			if err != nil {
				t.Fatal(err)
			}
			if got.media != tc.media {
				t.Errorf("media %q, want %q", got.media, tc.media)
			}
			flat := strings.Join(strings.Fields(got.String()), " ")
			for _, want := range tc.want {
				if !strings.Contains(flat, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
			if reads, _ := w.Reads(); len(reads) != 2 || !strings.HasPrefix(reads[0], "tenant-7 trace via") {
				t.Errorf("sealed reads: %q", reads)
			}
			if tc.media == api.MediaSVG {
				for d := xml.NewDecoder(&got.Buffer); ; {
					if _, err := d.Token(); err == io.EOF {
						break
					} else if err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// Without a tenant every log is asked, and each that knows the thing answers by
// itself.
func TestTraceOfAllTenants(t *testing.T) {
	w := traced(t)
	got, err := both(t, w, "trace", api.TraceParams{Ref: lineagetest.Head})
	if err != nil || !strings.Contains(got.String(), "in tenant-7") || strings.Contains(got.String(), "in tenant-8") {
		t.Errorf("%v\n%s", err, got)
	}
	if got, err = both(t, w, "trace", api.TraceParams{Ref: lineagetest.Head, Format: "json"}); err != nil || !strings.Contains(got.String(), `"tenants": [`) {
		t.Errorf("%v\n%s", err, got)
	}
	if reads, _ := w.Reads(); len(reads) != 16 {
		t.Errorf("%d sealed reads, want one in each log for each question: %q", len(reads), reads)
	}
}

func TestTraceRefusals(t *testing.T) {
	for _, tc := range []struct {
		name   string
		params api.TraceParams
		code   problem.Code
		want   string
	}{
		{"two tenants in one drawing", api.TraceParams{Common: common("all", false), Ref: lineagetest.Head, Format: "svg"}, problem.Usage, "2 tenants know"},
		{"a record of any log", api.TraceParams{Common: common("all", false), Ref: "record 7"}, problem.Usage, "in one log alone"},
		{"unknown to all", api.TraceParams{Common: common("all", false), Ref: strings.Repeat("0", 40)}, problem.NotFound, "no log knows"},
		{"nothing", api.TraceParams{}, problem.Usage, "nothing is named"},
		{"a person", api.TraceParams{Ref: "person:/AAAAAAAAAAAAAAAAAAAAAA"}, problem.Usage, "no part of a chain"},
		{"unknown", api.TraceParams{Ref: strings.Repeat("0", 40)}, problem.NotFound, "knows no 000"},
		{"escape", api.TraceParams{Ref: "x/\u202ey"}, problem.NotFound, `knows no x/\u202ey`},
		{"instant and period", api.TraceParams{Ref: lineagetest.Head, At: "13:00", Span: api.Span{Last: "1d"}}, problem.Usage, "--at asks about an instant"},
		{"ahead", api.TraceParams{Ref: lineagetest.Head, At: "2027-01-01"}, problem.Usage, "lies ahead"},
		{"bad around", api.TraceParams{Ref: lineagetest.Head, At: "13:00", Around: "x"}, problem.Usage, "x"},
		{"bad format", api.TraceParams{Ref: lineagetest.Head, Format: "png"}, problem.Usage, "--format"},
		{"bad direction", api.TraceParams{Ref: lineagetest.Head, Direction: "up"}, problem.Usage, "no direction"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := traced(t)
			switch tc.params.Tenant {
			case "all":
				tc.params.Tenant = ""
				(&lineagetest.Story{Log: w.Logs[evidence.Unassigned]}).Add("merge", evidence.ChangeMerge, evidence.OpEvent, lineagetest.At(10, 0), lineagetest.Change, evidence.MergeFacts{Number: 412, Author: -1, Merger: -1}, nil, lineagetest.Commit(lineagetest.Head))
			default:
				tc.params.Tenant = "tenant-7"
			}
			if _, err := both(t, w, "trace", tc.params); !problem.Is(err, tc.code) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s %q", err, tc.code, tc.want)
			}
		})
	}
	w := traced(t)
	s := &lineagetest.Story{Log: w.Logs[lineagetest.NewLog().Tenant()]}
	s.Add("twin", evidence.RuntimePod, evidence.OpSet, lineagetest.At(13, 0), evidence.NewRef("pod", "prod", "tenant-7/web").WithUID("p"), lineagetest.PodFacts("web", "p", lineagetest.Child), nil)
	_, err := both(t, w, "trace", api.TraceParams{Common: api.Common{Tenant: "tenant-7"}, Ref: "tenant-7/web"})
	if p := problem.Of(err); p == nil || p.Code != problem.Usage || !strings.Contains(p.Message, "names 2 things") || !strings.Contains(p.Hint, "pod:prod/tenant-7/web") || !strings.Contains(p.Hint, "account:prod/tenant-7/web") {
		t.Errorf("an ambiguous name: %v", err)
	}
}

func TestPeopleAnswers(t *testing.T) {
	day := api.Span{From: "2026-11-14", To: "2026-11-14"}
	for _, tc := range []struct {
		name   string
		op     string
		params any
		want   []string
		reads  int
	}{
		{"people", "people", api.PeopleParams{Common: common("tenant-7", false)}, []string{"github:acme|id-alice is one person with vault:prod/entity|e1, approved by github:acme|id-carol", "NOT LINKED"}, 2},
		{"people of all", "people", api.PeopleParams{}, []string{"The log of _platform knows", "The log of tenant-7 knows"}, 8},
		{"people json", "people", api.PeopleParams{Common: common("tenant-7", true)}, []string{`"sort": "linked"`}, 2},
		{"people of all json", "people", api.PeopleParams{Common: api.Common{JSON: true}}, []string{`"tenants": [`}, 8},
		{"who", "who", api.WhoParams{Common: common("tenant-7", false), Person: "github:acme|id-alice", Span: api.Span{From: "2026-11-14 06:00", To: "2026-11-14 12:30"}}, []string{"2 linked accounts", "merger 1", "reader 1"}, 2},
		{"who of all", "who", api.WhoParams{Person: "github:acme|id-carol", Span: day}, []string{"carol (1 account)", "approver 1"}, 8},
		{"who by a name of two", "who", api.WhoParams{Common: common("tenant-7", false), Person: "ALICE", Span: api.Span{Last: "1d"}}, []string{
			"ALICE names 2 accounts of tenant-7 that are not linked", "github:acme|id-alice = vault:prod/entity|e1, argocd:prod|id-alice", "initiator 1"}, 2},
		{"who json", "who", api.WhoParams{Common: common("tenant-7", true), Person: "alice", Span: api.Span{Last: "1d"}}, []string{`"deeds"`, `"not_counted"`, `"undetermined"`}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := traced(t)
			got, err := both(t, w, tc.op, tc.params)
			if err != nil {
				t.Fatal(err)
			}
			flat := strings.Join(strings.Fields(got.String()), " ")
			for _, want := range tc.want {
				if !strings.Contains(flat, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
			if reads, _ := w.Reads(); len(reads) != tc.reads {
				t.Errorf("%d sealed reads, want %d: %q", len(reads), tc.reads, reads)
			}
		})
	}
}

func TestWhoRefusals(t *testing.T) {
	for _, tc := range []struct {
		name   string
		params api.WhoParams
		code   problem.Code
		want   string
	}{
		{"nobody", api.WhoParams{Common: common("tenant-7", false), Person: "mallory", Span: api.Span{Last: "1d"}}, problem.NotFound, "nobody is known as mallory"},
		{"no name", api.WhoParams{Common: common("tenant-7", false), Span: api.Span{Last: "1d"}}, problem.Usage, "no person is given"},
		{"no period", api.WhoParams{Common: common("tenant-7", false), Person: "alice"}, problem.Usage, "no period is given"},
		{"no tenant", api.WhoParams{Common: common("tenant-99", false), Person: "alice", Span: api.Span{Last: "1d"}}, problem.NotFound, "no log of tenant"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := both(t, traced(t), "who", tc.params); !problem.Is(err, tc.code) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s %q", err, tc.code, tc.want)
			}
		})
	}
	// Of an erased person no name finds anything.
	w := traced(t)
	l := w.Logs[lineagetest.NewLog().Tenant()]
	l.Erase(evidencetest.Token(l.Tenant(), "github:acme", "id-carol"))
	if _, err := both(t, w, "who", api.WhoParams{Common: common("tenant-7", false), Person: "carol", Span: api.Span{Last: "1d"}}); !problem.Is(err, problem.NotFound) {
		t.Errorf("an erased person: %v", err)
	}
}
