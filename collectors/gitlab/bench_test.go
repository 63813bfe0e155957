package gitlab

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	gl "github.com/xanzy/go-gitlab"

	"github.com/rogpeppe/go-internal/txtar"

	"evidenced/collectors/forge"
)

// recorded returns the body of the first recorded answer whose request line
// ends so.
func recorded(b *testing.B, suffix string) []byte {
	b.Helper()
	raw, err := os.ReadFile("testdata/acme.txtar")
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range txtar.Parse(raw).Files {
		if strings.HasSuffix(f.Name, suffix) {
			body := string(f.Data)
			if i := strings.Index(body, "\n\n"); i > 0 && body[0] != '{' && body[0] != '[' {
				body = body[i+2:]
			}
			return []byte(body)
		}
	}
	b.Fatalf("no recorded answer of %s", suffix)
	return nil
}

func measure(b *testing.B, body []byte, parse func(*page) error) {
	b.Helper()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := parse(&page{body: body}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMerge(b *testing.B) {
	measure(b, recorded(b, "/merge_requests/87"), func(p *page) error {
		q := &request{page: p}
		if err := q.decode(); err != nil {
			return err
		}
		desk().mergeDrafts(q)
		return nil
	})
}

func BenchmarkCommit(b *testing.B) {
	var list []json.RawMessage
	if err := json.Unmarshal(recorded(b, "repository/commits?per_page=100&ref_name="+strings.Repeat("d4", 20)), &list); err != nil {
		b.Fatal(err)
	}
	measure(b, list[0], func(p *page) error {
		it, err := readCommit(p, p.body)
		if err == nil {
			desk().commitDraft("main", &forge.BranchState{}, p, it, p.body, fileList{whole: true}, commitSignature{})
		}
		return err
	})
}

func BenchmarkPipeline(b *testing.B) {
	var jobs []json.RawMessage
	if err := json.Unmarshal(recorded(b, "55120/jobs?include_retried=true&per_page=100"), &jobs); err != nil {
		b.Fatal(err)
	}
	measure(b, recorded(b, "/pipelines/55120"), func(p *page) error {
		q, err := readRun(p, 55120)
		if err != nil {
			return err
		}
		for _, raw := range jobs {
			j, err := readJob(p, raw)
			if err != nil {
				return err
			}
			q.jobs = append(q.jobs, j)
		}
		desk().pipelineDraft(q)
		return nil
	})
}

// BenchmarkReport reads a report of 5,000 findings.
func BenchmarkReport(b *testing.B) {
	var found []string
	for i := range 5000 {
		found = append(found, fmt.Sprintf(`{"id":"%d","severity":"High","identifiers":[{"type":"cve","value":"CVE-2026-%d"}],"location":{"file":"src/%d.go","start_line":%d},"raw_source_code_extract":"x"}`, i, i, i, i))
	}
	measure(b, []byte(`{"scan":{"scanner":{"name":"T"}},"vulnerabilities":[`+strings.Join(found, ",")+`]}`), func(p *page) error {
		rep, err := readReport(p)
		if err == nil {
			desk().reportDraft(&run{Pipeline: &gl.Pipeline{ID: 1, SHA: sha1}}, &gl.Job{ID: 2}, "sast", rep)
		}
		return err
	})
}

func BenchmarkRelease(b *testing.B) {
	measure(b, recorded(b, "/deployments/61"), func(p *page) error {
		d, err := readDeployment(p, 61)
		if err == nil {
			desk().releaseDraft(d)
		}
		return err
	})
}

func BenchmarkMember(b *testing.B) {
	var list []json.RawMessage
	if err := json.Unmarshal(recorded(b, "311/members/all?per_page=100"), &list); err != nil {
		b.Fatal(err)
	}
	c := &container{look: desk().look, name: "project 5", path: "acme/app", level: "project"}
	measure(b, list[0], func(p *page) error {
		m, err := readMember(p, p.body)
		if err == nil {
			c.memberDraft(m, false)
		}
		return err
	})
}

func BenchmarkAudit(b *testing.B) {
	body := []byte(`{"id":77120,"author_id":57,"entity_id":311,"entity_type":"Project","event_name":"protected_branch_updated","created_at":"2026-03-02T12:00:01.000Z","details":{"author_name":"A","change":"allow force push","from":"false","to":"true","target_id":1,"target_type":"ProtectedBranch","entity_path":"acme/platform","ip_address":"192.0.2.14"}}`)
	a := &auditLook{look: desk().look}
	measure(b, body, func(p *page) error {
		e, err := readAudit(p, p.body)
		if err == nil {
			a.auditDraft(e)
		}
		return err
	})
}
