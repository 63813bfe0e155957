package demo

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

type shownApp struct {
	Status struct {
		Sync struct {
			Status    string
			Revision  string
			Revisions []string
		}
		Health  struct{ Status string }
		History []struct {
			ID          int64
			Revision    string
			DeployedAt  time.Time
			InitiatedBy struct {
				Username  string
				Automated bool
			}
		}
		OperationState struct {
			Phase     string
			StartedAt time.Time
		}
		ReconciledAt time.Time
		Summary      struct{ Images []string }
	}
}

type shownPull struct {
	Number   int
	Title    string
	State    string
	Merged   bool
	MergeSHA string `json:"merge_commit_sha"`
	User     struct{ Login string }
	MergedBy struct{ Login string } `json:"merged_by"`
}

func app(t *testing.T, p *Platform, name string) shownApp {
	t.Helper()
	return get[shownApp](t, p, "argocd", "/api/v1/applications/"+name)
}

// newestPulls lists requests as a collector does.
func newestPulls(t *testing.T, p *Platform) []shownPull {
	t.Helper()
	var all []shownPull
	for page := 1; ; page++ {
		list := get[[]shownPull](t, p, "github", "/repos/"+p.fullName()+"/pulls?state=all&sort=updated&direction=desc&per_page=100&page="+itoa(page))
		all = append(all, list...)
		if len(list) < 100 {
			return all
		}
	}
}

func TestTenant7AtTwo(t *testing.T) {
	p := newPlatform(t)
	advance(t, p, p.world.Instant)
	pl := newestPulls(t, p)[0]
	pl = get[shownPull](t, p, "github", "/repos/"+p.fullName()+"/pulls/"+itoa(pl.Number))
	if pl.Title != "tenant-7: release 3.10.0 🎉" || pl.User.Login != "eleni-p" || pl.MergedBy.Login != "kaethe-w" || !pl.Merged {
		t.Errorf("newest request %+v: want the release, by eleni, merged by kaethe", pl)
	}
	reviews := get[[]struct {
		State string
		User  struct{ Login string }
	}](t, p, "github", "/repos/"+p.fullName()+"/pulls/"+itoa(pl.Number)+"/reviews")
	if len(reviews) != 2 || reviews[1].State != "APPROVED" || reviews[1].User.Login != "gen-lefevre" {
		t.Errorf("reviews %+v: want an approval by genevieve", reviews)
	}
	a := app(t, p, "tenant-7-web")
	last := a.Status.History[len(a.Status.History)-1]
	if last.Revision != pl.MergeSHA || a.Status.Sync.Revision != pl.MergeSHA || a.Status.Sync.Status != "Synced" {
		t.Errorf("application %+v: want revision %s, synced", a.Status, pl.MergeSHA)
	}
	if want := at(t, "2026-11-14T13:58:00Z"); !last.DeployedAt.Equal(want) || last.InitiatedBy.Username != "lukasz@people.platform.example" {
		t.Errorf("newest sync %+v: want %s by lukasz", last, want)
	}
	if want := image(p.world, "tenant-7", "web", "3.10.0"); !slices.Equal(a.Status.Summary.Images, []string{want}) {
		t.Errorf("images %v, want %s", a.Status.Summary.Images, want)
	}
}

func TestReadersOfTenant7(t *testing.T) {
	p := newPlatform(t)
	advance(t, p, p.world.Instant)
	f, err := os.Open(p.AuditFile())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := map[string]string{}
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		var l auditLine
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			t.Fatalf("line %q: %v", sc.Text(), err)
		}
		when, err := time.Parse(time.RFC3339Nano, l.Time)
		if err != nil {
			t.Fatal(err)
		}
		if l.Type == "response" && when.After(p.world.Instant.Add(-time.Hour)) && strings.HasPrefix(l.Request.Path, "kv/data/tenant-7/") {
			word := "ok"
			if l.Error != "" {
				word = "denied"
			}
			got[l.Auth.DisplayName+l.Auth.Metadata["role_name"]] = word + " " + strings.Join(l.Auth.IdentityPolicies, ",")
		}
	}
	for who, want := range map[string]string{
		"userpass-joerg": "ok platform-admin", "approlereporting": "ok ", "kubernetes-tenant-6-worker": "denied ",
		"kubernetes-tenant-7-web": "ok ", "kubernetes-tenant-7-db-proxy": "ok ",
	} {
		if got[who] != want {
			t.Errorf("%s: %q, want %q (all: %v)", who, got[who], want, got)
		}
	}
}

func TestEveryMergeIsInTheRepository(t *testing.T) {
	p := newPlatform(t)
	advance(t, p, p.world.End)
	r, err := git.PlainOpen(p.RepoDir())
	if err != nil {
		t.Fatal(err)
	}
	head, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	onMain := map[string]*object.Commit{}
	log, err := r.Log(&git.LogOptions{From: head.Hash()})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.ForEach(func(c *object.Commit) error { onMain[c.Hash.String()] = c; return nil }); err != nil {
		t.Fatal(err)
	}
	merged, closed := 0, 0
	for _, pl := range newestPulls(t, p) {
		if pl.MergeSHA == "" {
			if pl.State == "closed" {
				closed++
			}
			continue
		}
		merged++
		c := onMain[pl.MergeSHA]
		if c == nil || c.NumParents() != 2 {
			t.Errorf("request %d: %s is no merge commit of main", pl.Number, pl.MergeSHA)
		}
	}
	if merged < 60 || closed == 0 {
		t.Errorf("%d merged and %d closed requests, want at least 60 and one", merged, closed)
	}
	// Every object of the newest state can be read.
	c := onMain[head.Hash().String()]
	tree, err := c.Tree()
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	if err := tree.Files().ForEach(func(f *object.File) error { files++; _, err := f.Contents(); return err }); err != nil {
		t.Fatal(err)
	}
	if files < 60 {
		t.Errorf("%d files at the head, want at least 60", files)
	}
	api := get[struct {
		Commit struct{ SHA string }
	}](t, p, "github", "/repos/"+p.fullName()+"/branches/main")
	if api.Commit.SHA != head.Hash().String() {
		t.Errorf("the forge says %s, the repository %s", api.Commit.SHA, head.Hash())
	}
}

func TestUnreviewedChange(t *testing.T) {
	p := newPlatform(t)
	advance(t, p, at(t, "2026-11-08T22:00:00Z"))
	r, err := git.PlainOpen(p.RepoDir())
	if err != nil {
		t.Fatal(err)
	}
	ref, err := r.Reference(plumbing.NewBranchReferenceName("main"), true)
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.CommitObject(ref.Hash())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(c.Message, "🚑 tenant-7") || c.Author.Name != "Jörg Großkopf" || c.NumParents() != 1 {
		t.Errorf("head of main %q by %s: want the hotfix", c.Message, c.Author.Name)
	}
	if pulls := get[[]any](t, p, "github", "/repos/"+p.fullName()+"/commits/"+c.Hash.String()+"/pulls"); len(pulls) != 0 {
		t.Errorf("the hotfix belongs to %d requests, want none", len(pulls))
	}
	if a := app(t, p, "tenant-7-web"); a.Status.Sync.Revision != c.Hash.String() || a.Status.Sync.Status != "Synced" {
		t.Errorf("tenant-7 web %+v: want the hotfix synced", a.Status.Sync)
	}
}

func TestForcePushLosesCommits(t *testing.T) {
	p := newPlatform(t)
	head := func() string {
		return get[struct {
			Commit struct{ SHA string }
		}](t, p, "github", "/repos/"+p.fullName()+"/branches/spike%2Ftracing").Commit.SHA
	}
	advance(t, p, at(t, "2026-10-22T11:00:00Z"))
	before := head()
	advance(t, p, at(t, "2026-10-22T12:00:00Z"))
	c := get[struct {
		Status   string
		AheadBy  int `json:"ahead_by"`
		BehindBy int `json:"behind_by"`
	}](t, p, "github", "/repos/"+p.fullName()+"/compare/"+before+"..."+head())
	if c.Status != "diverged" || c.BehindBy != 2 {
		t.Errorf("comparison %+v: want diverged, 2 behind", c)
	}
}

func TestProtectionIsWeakenedForAnHour(t *testing.T) {
	p := newPlatform(t)
	for _, step := range []struct {
		when string
		want bool
	}{{"2026-10-28T16:00:00Z", false}, {"2026-10-28T16:30:00Z", true}, {"2026-10-28T17:05:00Z", false}} {
		advance(t, p, at(t, step.when))
		if got := forcePushes(t, p); got != step.want {
			t.Errorf("at %s force pushes allowed: %v, want %v", step.when, got, step.want)
		}
	}
}

func forcePushes(t *testing.T, p *Platform) bool {
	t.Helper()
	return get[struct {
		Allow struct{ Enabled bool } `json:"allow_force_pushes"`
	}](t, p, "github", "/repos/"+p.fullName()+"/branches/main/protection").Allow.Enabled
}

func TestDriftAndBlindWindow(t *testing.T) {
	p := newPlatform(t)
	advance(t, p, at(t, "2026-11-03T09:30:00Z"))
	if status, h, _ := ask(t, p, "argocd", "/api/v1/applications"); status != http.StatusServiceUnavailable || h.Get("Date") == "" {
		t.Errorf("in the window status %d, want 503 with a Date", status)
	}
	advance(t, p, at(t, "2026-11-03T12:45:00Z"))
	a := app(t, p, "tenant-8-db-proxy")
	if a.Status.OperationState.Phase != "Succeeded" || !a.Status.OperationState.StartedAt.Equal(at(t, "2026-11-03T10:09:00Z")) {
		t.Errorf("after the window operation %+v: want the second one, the failed one overwritten", a.Status.OperationState)
	}
	advance(t, p, at(t, "2026-11-06T13:05:00Z"))
	if got := app(t, p, "tenant-2-worker").Status.Sync.Status; got != "Synced" {
		t.Errorf("before the hand's reach %s, want Synced", got)
	}
	advance(t, p, at(t, "2026-11-06T14:00:00Z"))
	drifted := app(t, p, "tenant-2-worker")
	if drifted.Status.Sync.Status != "OutOfSync" {
		t.Errorf("after the hand's reach %s, want OutOfSync", drifted.Status.Sync.Status)
	}
	if age := p.Now().Sub(drifted.Status.ReconciledAt); age < 0 || age > 4*time.Minute {
		t.Errorf("reconciled %s ago, want less than four minutes", age)
	}
	advance(t, p, at(t, "2026-11-06T15:30:00Z"))
	if got := app(t, p, "tenant-2-worker").Status.Sync.Status; got != "Synced" {
		t.Errorf("after the repair %s, want Synced", got)
	}
}

func TestStreamDeliversOverwrittenOperations(t *testing.T) {
	p := newPlatform(t)
	advance(t, p, at(t, "2026-11-12T09:40:00Z"))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", p.urls["argocd"]+"/api/v1/stream/applications?projects=tenant-5", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.tokens["argocd"])
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	next := func() (kind, phase string) {
		b, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		var l struct {
			Result struct {
				Type        string
				Application shownApp
			}
		}
		if err := json.Unmarshal(b, &l); err != nil {
			t.Fatal(err)
		}
		return l.Result.Type, l.Result.Application.Status.OperationState.Phase
	}
	for range p.world.Apps {
		if kind, _ := next(); kind != "ADDED" {
			t.Fatalf("first lines are %s, want ADDED", kind)
		}
	}
	advance(t, p, at(t, "2026-11-12T10:20:00Z"))
	var phases []string
	for range 40 {
		_, phase := next()
		phases = append(phases, phase)
		if n := len(phases); n > 3 && phase == "Succeeded" && slices.Contains(phases, "Failed") {
			return
		}
	}
	t.Errorf("phases %v: want a failed operation and the next one", phases)
}

func TestCertificateExpiresAndIsRenewedLate(t *testing.T) {
	p := newPlatform(t)
	pem, err := os.ReadFile(p.RootsFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("no root in the file")
	}
	shake := func(when string) error {
		advance(t, p, at(t, when))
		c, err := tls.Dial("tcp", p.tls.addrs["tenant-3.apps.platform.example"],
			&tls.Config{RootCAs: roots, ServerName: "tenant-3.apps.platform.example", Time: p.Now})
		if err == nil {
			c.Close()
		}
		return err
	}
	if err := shake("2026-11-05T07:59:00Z"); err != nil {
		t.Errorf("before the end: %v", err)
	}
	if err := shake("2026-11-05T08:01:00Z"); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("after the end: %v, want an expired certificate", err)
	}
	if err := shake("2026-11-06T10:13:00Z"); err != nil {
		t.Errorf("after the renewal: %v", err)
	}
}

// auditText is all that stands in audit files now.
func auditText(t *testing.T, p *Platform) string {
	t.Helper()
	var out bytes.Buffer
	names, err := os.ReadDir(p.dir + "/vault")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		b, err := os.ReadFile(p.dir + "/vault/" + n.Name())
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(n.Name(), ".gz") {
			z, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if b, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		out.Write(b)
	}
	return out.String()
}

func TestAuditFileLosesLines(t *testing.T) {
	p := newPlatform(t)
	probe := func() string {
		return get[struct {
			ID string `json:"request_id"`
		}](t, p, "vault", "/v1/auth/token/lookup-self").ID
	}
	advance(t, p, at(t, "2026-10-29T15:35:00Z"))
	id := probe()
	if strings.Count(auditText(t, p), id) != 2 {
		t.Error("a probe does not come back in the audit file")
	}
	if strings.Contains(auditText(t, p), `"time":"2026-10-29T15:30:02`) {
		t.Error("a line between copy and truncate was kept")
	}
	advance(t, p, at(t, "2026-11-02T08:00:00Z"))
	if !strings.Contains(auditText(t, p), `"time":"2026-10-30T`) {
		t.Error("lines before the rotation are gone")
	}
	advance(t, p, at(t, "2026-11-10T07:00:00Z"))
	if id = probe(); strings.Contains(auditText(t, p), id) {
		t.Error("a probe came back although the device is off")
	}
	if _, ok := get[map[string]any](t, p, "vault", "/v1/sys/audit")["file/"]; ok {
		t.Error("the device is listed although it is off")
	}
	advance(t, p, at(t, "2026-11-10T09:15:00Z"))
	if id = probe(); strings.Count(auditText(t, p), id) != 2 {
		t.Error("a probe does not come back after the device is on again")
	}
	if strings.Contains(auditText(t, p), `"time":"2026-11-10T07`) {
		t.Error("a line of the blind time was kept")
	}
}

func TestAuditHashFindsValues(t *testing.T) {
	p := newPlatform(t)
	resp, err := http.DefaultClient.Do(mustRequest(t, p, "PUT", "/v1/sys/audit-hash/file", `{"input":"`+p.vault.who["evidenced"].token.accessor+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct{ Data struct{ Hash string } }
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.Data.Hash, "hmac-sha256:") || !strings.Contains(auditText(t, p), `"accessor":"`+out.Data.Hash) {
		t.Errorf("hash %q is not in the file", out.Data.Hash)
	}
	for _, raw := range []string{p.tokens["vault"], p.vault.who["evidenced"].token.accessor} {
		if strings.Contains(auditText(t, p), raw) {
			t.Error("a token or accessor stands in clear in the audit file")
		}
	}
}

func mustRequest(t *testing.T, p *Platform, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, p.urls["vault"]+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", p.tokens["vault"])
	return r
}

// Hosts and mail addresses are names that nobody can own.
func TestHostsAreInvented(t *testing.T) {
	w := loadWorld(t)
	for _, e := range w.Endpoints {
		if !strings.HasSuffix(e.Host, ".example") {
			t.Errorf("host %s does not end in .example", e.Host)
		}
	}
	for _, p := range w.People {
		if !strings.HasSuffix(p.Email(), ".example") {
			t.Errorf("mail address of %s does not end in .example", p.Key)
		}
	}
}
