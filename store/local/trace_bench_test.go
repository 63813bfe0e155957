package local

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/lineage"
	"evidenced/store"
)

// BenchmarkTrace walks a chain in a log of 100,000 records: from a pod back to
// its commit and forward to a secret read, at an instant.
func BenchmarkTrace(b *testing.B) {
	ctx := context.Background()
	loc := openDir(b, filepath.Join(b.TempDir(), "data"), &clock{start})
	l, err := loc.Store.Create(tenant(b, "tenant-1"))
	if err != nil {
		b.Fatal(err)
	}
	ref := evidence.NewRef
	item := func(kind evidence.Kind, op evidence.Op, key string, at time.Time, subject evidence.Ref, facts any, links ...evidence.Ref) store.Item {
		content, err := json.Marshal(facts)
		if err != nil {
			b.Fatal(err)
		}
		return store.Item{Draft: evidence.Draft{
			Kind: kind, Op: op, Source: "bench/prod", Key: key, Subject: subject, OccurredAt: at, Basis: evidence.BasisSource, ObservedAt: at, Content: content, Links: links,
		}}
	}
	const records, chains = 100_000, 10_000
	var batch []store.Item
	for i := range records / 5 {
		n := i % chains
		at := start.Add(time.Duration(i) * time.Second)
		sha, digest := fmt.Sprintf("%040x", n+1), fmt.Sprintf("sha256:%064x", n+1)
		commit, image := ref("commit", "", sha), ref("image", "", digest)
		pod := ref("pod", "prod", fmt.Sprint("t/p", n)).WithUID(fmt.Sprint(n))
		secret := ref("secret", "prod", fmt.Sprint("kv/", n))
		account := ref("account", "prod", fmt.Sprint("t/a", n))
		key := fmt.Sprint(i)
		batch = append(batch,
			item(evidence.ChangeMerge, evidence.OpEvent, key, at, ref("change", "prod", "a!"+key), evidence.MergeFacts{Number: i, State: "merged", MergeSHA: sha, MergedAt: at, Author: -1, Merger: -1}, commit),
			item(evidence.ArtifactImage, evidence.OpSet, key, at, ref("artifact", "prod", digest), evidence.ArtifactFacts{Digest: digest, Revision: sha, PulledAt: at, Size: int64(i)}, image, commit),
			item(evidence.RuntimePod, evidence.OpSet, key, at, pod, evidence.PodFacts{UID: pod.UID, Name: pod.Name, Node: key}, image, account),
			item(evidence.SecretAccess, evidence.OpEvent, key, at, secret, evidence.AccessFacts{RequestID: key, Outcome: "ok", Reading: true, Who: -1}, ref("request", "prod", key), secret, account),
			item(evidence.PipelineRun, evidence.OpEvent, key, at, ref("pipeline", "prod", "a/"+key), evidence.PipelineFacts{SHA: sha, Actor: -1, Trigger: -1}, commit),
		)
		if len(batch) >= 1000 {
			mustAppend(b, l, batch...)
			batch = batch[:0]
		}
	}
	if err := l.WaitIndexed(ctx); err != nil {
		b.Fatal(err)
	}
	r := l.Snapshot()
	at := start.Add(time.Duration(chains+chains/2) * time.Second)
	pod := ref("pod", "prod", fmt.Sprint("t/p", chains/2))
	b.ReportAllocs()
	b.ResetTimer()
	reads := 0
	for b.Loop() {
		tr, err := lineage.Walk(ctx, r, pod, lineage.Options{At: at})
		if err != nil {
			b.Fatal(err)
		}
		if _, ok := tr.Node(ref("commit", "", fmt.Sprintf("%040x", chains/2+1)).String()); !ok {
			b.Fatal("the pod does not lead back to its commit")
		}
		reads = tr.Reads
	}
	b.ReportMetric(float64(reads), "records/op")
}
