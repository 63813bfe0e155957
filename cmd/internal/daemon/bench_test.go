package daemon

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"evidenced/cmd/internal/config"
	"evidenced/collectors"
	"evidenced/collectors/vault"
	"evidenced/evidence"
	"evidenced/reports/ran"
	"evidenced/store"
)

// writeAudit writes so many requests, two lines each, over eight tenants.
func writeAudit(b *testing.B, path string, requests int) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	at := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	mac := "hmac-sha256:" + fmt.Sprintf("%064x", 7)
	for i := range requests {
		at = at.Add(3 * time.Millisecond)
		tenant := fmt.Sprintf("tenant-%d", i%8+1)
		auth := fmt.Sprintf(`"auth":{"client_token":"%s","accessor":"%s","display_name":"kubernetes-%s-web","policies":["default","%s-read"],"token_policies":["default","%s-read"],"policy_results":{"allowed":true,"granting_policies":[{"type":""},{"name":"%s-read","namespace_id":"root","type":"acl"}]},"metadata":{"role":"%s","service_account_name":"web","service_account_namespace":"%s"},"entity_id":"00000000-0000-4000-8000-%012d","token_type":"service","token_ttl":3600,"token_issue_time":"2026-11-01T07:00:00Z"}`,
			mac, mac, tenant, tenant, tenant, tenant, tenant, tenant, i%8)
		req := fmt.Sprintf(`"request":{"id":"%08x-0000-4000-8000-000000000000","client_id":"x","operation":"read","mount_point":"kv/","mount_type":"kv","mount_accessor":"kv_1","mount_class":"secret","client_token":"%s","client_token_accessor":"%s","namespace":{"id":"root"},"path":"kv/data/%s/web/db","remote_address":"10.0.0.%d","remote_port":4000}`,
			i, mac, mac, tenant, i%250)
		fmt.Fprintf(w, `{"time":"%s","type":"request",%s,%s}`+"\n", at.Format(time.RFC3339Nano), auth, req)
		fmt.Fprintf(w, `{"time":"%s","type":"response",%s,%s,"response":{"mount_class":"secret","data":{"data":{"password":"%s"}}}}`+"\n", at.Add(time.Millisecond).Format(time.RFC3339Nano), auth, req, mac)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkVaultFile is the whole way of an audit file: parse, pair,
// attribute, seal, durable, over eight tenants.
func BenchmarkVaultFile(b *testing.B) {
	const requests = 100_000
	dir := b.TempDir()
	audit := filepath.Join(dir, "audit.log")
	writeAudit(b, audit, requests)
	for n := 0; b.Loop(); n++ {
		text := fmt.Sprintf("data_dir: data%d\nlisten: \"\"\ntenants:\n", n)
		for i := 1; i <= 8; i++ {
			text += fmt.Sprintf("  - name: tenant-%d\n    owns:\n      - paths: [kv/tenant-%d/]\n        namespaces: [tenant-%d]\n", i, i, i)
		}
		text += "sources:\n  - name: vault/prod\n    type: vault\n    config:\n      audit_files: [" + audit + "]\n"
		file := filepath.Join(dir, "evidenced.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		cfg, err := config.Load(file, []collectors.Spec{vault.Spec()})
		if err != nil {
			b.Fatal(err)
		}
		e, err := Open(context.Background(), Options{Config: cfg})
		if err != nil {
			b.Fatal(err)
		}
		fs, err := e.Collect(context.Background(), "", false)
		if err != nil || len(fs) != 1 || fs[0].Records < requests-1000 {
			b.Fatalf("%+v, %v", fs, err)
		}
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(2*requests*b.N)/b.Elapsed().Seconds(), "lines/s")
}

// filled makes an engine whose tenant-1 has n merges and three applications.
func filled(b *testing.B, n int) (*Engine, *store.Log) {
	b.Helper()
	clock, src := &testClock{begin}, &testSource{}
	e := newEngine(b, clock, src)
	log, err := e.Local().Store.Log(mustTenant(b, "tenant-1"))
	if err != nil {
		b.Fatal(err)
	}
	for done := 0; done < n; {
		items := make([]store.Item, 0, 4000)
		for range min(4000, n-done) {
			d := mergeDraft("acme/one", done, begin.Add(time.Duration(done)*time.Second), true)
			d.Source = "forge/prod"
			items = append(items, store.Item{Draft: d})
			done++
		}
		if _, err := log.Append(context.Background(), items); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 3 {
		d := evidence.Draft{
			Kind: evidence.DeployState, Op: evidence.OpSet, Source: "forge/prod", Subject: evidence.NewRef("app", "prod", fmt.Sprint("argocd/app", i)),
			OccurredAt: begin, Basis: evidence.BasisObserved, ObservedAt: begin,
			Content: fmt.Appendf(nil, `{"app":"argocd/app%d","uid":"u","project":"p","sources":[],"revisions":["%040x"],"synced_revisions":["%040x"],"history_id":1,"sync":"Synced","health":"Healthy"}`, i, n/2, n/2),
		}
		if _, err := log.Append(context.Background(), []store.Item{{Draft: d}}); err != nil {
			b.Fatal(err)
		}
	}
	return e, log
}

// BenchmarkVerify verifies a log and compares with the machine's SHA-256.
func BenchmarkVerify(b *testing.B) {
	const n = 50_000
	_, log := filled(b, n)
	for _, deep := range []bool{false, true} {
		b.Run(fmt.Sprintf("deep=%v", deep), func(b *testing.B) {
			for b.Loop() {
				rep, err := log.Verify(context.Background(), store.VerifyOptions{Deep: deep})
				if err != nil || !rep.OK() {
					b.Fatalf("%+v %v", rep, err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
	b.Run("sha256-1KB", func(b *testing.B) {
		buf := make([]byte, 1024)
		for b.Loop() {
			sha256.Sum256(buf)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hashes/s")
	})
}

// BenchmarkRan answers "what ran" on a log of a million records.
func BenchmarkRan(b *testing.B) {
	_, log := filled(b, 1_000_000)
	b.ResetTimer()
	for b.Loop() {
		if _, err := ran.Build(context.Background(), log.Snapshot(), begin.Add(100*time.Hour), ran.Options{Window: time.Hour}); err != nil {
			b.Fatal(err)
		}
	}
}
