package velero

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/bucket"
	"evidenced/collectors/fetch"
	"evidenced/collectors/kube/looktest"
	"evidenced/evidence/problem"

	"go.yaml.in/yaml/v3"
)

// The role of deploy/access gives what the collector reads by default, for
// reading alone, and nothing else.
func TestAccessExample(t *testing.T) {
	looktest.ReadsOnly(t, looktest.Rules(t, "../../deploy/access/velero/role.yaml"), newCollector(*defaults()).resources())
	p, err := os.ReadFile("../../deploy/access/velero/bucket-policy.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{restoreResultsKey(""), restoreListKey(""), restoreVolumesKey(""), backupListKey(""), backupResultsKey(""), backupVolumesKey("")} {
		folder, _, _ := strings.Cut(key, "/")
		suffix := key[strings.LastIndexByte(key, '/')+1:]
		if pattern := "BUCKET/" + folder + "/*" + strings.TrimPrefix(suffix, "restore-"); !bytes.Contains(p, []byte(pattern)) {
			t.Errorf("the policy lacks %s", pattern)
		}
	}
}

// storage answers Has as a storage of some credential does.
type storage struct {
	files, contents error
	asked           int
}

func (s *storage) ReadGzip(context.Context, string, int64) ([]byte, error) {
	return nil, bucket.ErrAbsent
}
func (s *storage) Stats() fetch.Stats { return fetch.Stats{Requests: s.asked} }
func (s *storage) Has(_ context.Context, key string) error {
	s.asked++
	if strings.HasSuffix(key, ".tar.gz") {
		return s.contents
	}
	return s.files
}

func TestExamineFiles(t *testing.T) {
	refused := problem.New(problem.Credential, "refused")
	down := problem.New(problem.Source, "down")
	for name, tc := range map[string]struct {
		files, contents error
		want            []collectors.Access
	}{
		"reads results alone":  {bucket.ErrAbsent, refused, []collectors.Access{collectors.Readable, collectors.Readable}},
		"reads everything":     {bucket.ErrAbsent, bucket.ErrAbsent, []collectors.Access{collectors.Readable, collectors.Readable, collectors.Excess}},
		"reads nothing":        {refused, refused, []collectors.Access{collectors.Missing, collectors.Missing}},
		"storage is not there": {down, down, []collectors.Access{collectors.Untold, collectors.Untold}},
	} {
		c := newCollector(*defaults())
		c.files = &storage{files: tc.files, contents: tc.contents}
		var x collectors.Examination
		if err := c.examineFiles(t.Context(), &x); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []collectors.Access
		for _, r := range x.Rights {
			got = append(got, r.Access)
			if r.Access != collectors.Readable && r.Hint == "" {
				t.Errorf("%s: %s is %s without a hint", name, r.Name, r.Access)
			}
		}
		if !slices.Equal(got, tc.want) || x.Requests != 3 {
			t.Errorf("%s: %v with %d requests, want %v", name, got, x.Requests, tc.want)
		}
	}
	var x collectors.Examination
	if err := newCollector(*defaults()).examineFiles(t.Context(), &x); err != nil || len(x.Rights) != 1 || x.Rights[0].Access != collectors.Untold {
		t.Errorf("without results: %+v, %v", x.Rights, err)
	}
}

func TestConfig(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"defaults":          {func(*Config) {}, ""},
		"results":           {func(c *Config) { c.Results = bucket.Config{Directory: "/mnt/velero"} }, ""},
		"prefix":            {func(c *Config) { c.LabelPrefix = "evi denced" }, "label_prefix"},
		"share":             {func(c *Config) { c.CompleteShare = 1.5 }, "complete_share"},
		"no share":          {func(c *Config) { c.CompleteShare = 0 }, "complete_share"},
		"hold":              {func(c *Config) { c.Hold = 0 }, "hold must"},
		"within":            {func(c *Config) { c.Checks.Within = -time.Second }, "checks.within"},
		"no keys":           {func(c *Config) { c.Checks.Keys = nil }, "checks.keys is empty"},
		"key":               {func(c *Config) { c.Checks.Keys = []string{"a b"} }, "no key of a label"},
		"node pattern":      {func(c *Config) { c.Checks.Nodes = []string{"[x"} }, "bad pattern"},
		"limit of nothing":  {func(c *Config) { c.Limits = []Limit{{Plan: "core"}} }, "number 1 has no limit"},
		"negative limit":    {func(c *Config) { c.Limits = []Limit{{RTO: -time.Hour}} }, "number 1 has no limit"},
		"limit pattern":     {func(c *Config) { c.Limits = []Limit{{Namespaces: []string{""}, RTO: time.Hour}} }, "bad pattern"},
		"results by halves": {func(c *Config) { c.Results = bucket.Config{Bucket: "backups"} }, "neither a directory nor an endpoint"},
	} {
		c := defaults()
		tc.change(c)
		if err := c.check(); (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
	// A configuration as an operator writes it.
	c := defaults()
	dec := yaml.NewDecoder(strings.NewReader("kubeconfig: /etc/evidenced/prod.kubeconfig\nlimits:\n  - {plan: core, rto: 4h, rpo: 24h}\nchecks: {workflows: true}\nresults: {directory: /mnt/velero}\n"))
	dec.KnownFields(true)
	if err := dec.Decode(c); err != nil {
		t.Fatal(err)
	}
	if c.Kubeconfig == "" || c.Limits[0].RTO != 4*time.Hour || !c.Checks.Workflows || !c.Checks.Jobs || c.PageSize != 500 {
		t.Errorf("decoded to %+v", c)
	}
}
