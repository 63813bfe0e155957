package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/reports/ran"
	"evidenced/store"
)

// clustered adds a cluster's states to a filled log: pods of workloads with
// the digests they run, their images with scans, Secrets that an operator
// fills, and the roles and bindings of a usual cluster.
func clustered(b *testing.B, log *store.Log, pods int) (digest string) {
	b.Helper()
	var items []store.Item
	add := func(kind evidence.Kind, op evidence.Op, subject evidence.Ref, facts any, links ...evidence.Ref) {
		content, err := json.Marshal(facts)
		if err != nil {
			b.Fatal(err)
		}
		d := evidence.Draft{Kind: kind, Op: op, Source: "kubernetes/prod", Subject: subject, Links: links, OccurredAt: begin, Basis: evidence.BasisSource, ObservedAt: begin, Content: content}
		if op == evidence.OpEvent {
			d.Key = subject.String()
		}
		items = append(items, store.Item{Draft: d})
	}
	ref := evidence.NewRef
	for i := range pods / 4 {
		name := fmt.Sprint("app", i)
		digest = "sha256:" + strings.Repeat(fmt.Sprintf("%04x", i), 16)
		image := "registry.example/" + name + "@" + digest
		copies := ref("copy", "prod", "tenant-1/"+name+"-db")
		add(evidence.RuntimeWorkload, evidence.OpSet, ref("workload", "prod", "tenant-1/Deployment/"+name).WithUID(name),
			evidence.WorkloadFacts{Cluster: "prod", Kind: "Deployment", Namespace: "tenant-1", Name: name, UID: name, Containers: []evidence.ContainerFacts{{Name: "main", Image: image}}})
		add(evidence.ArtifactImage, evidence.OpSet, ref("artifact", "prod", "acme/"+name+"@"+digest), evidence.ArtifactFacts{Project: "acme", Repository: name, Digest: digest, Scan: "success"}, ref("image", "", digest))
		add(evidence.ArtifactScan, evidence.OpEvent, ref("artifact", "prod", "acme/"+name+"@"+digest), evidence.ScanFacts{Digest: digest, Status: "success", FinishedAt: begin}, ref("image", "", digest))
		add(evidence.SecretSync, evidence.OpSet, ref("object", "prod", "ExternalSecret.external-secrets.io/tenant-1/"+name).WithUID(name),
			evidence.SecretSyncFacts{Cluster: "prod", Kind: "ExternalSecret", Namespace: "tenant-1", Name: name, Target: name + "-db", StoreKind: "SecretStore", StoreName: "vault"}, copies, ref("secret", "prod", "kv/tenant-1/"+name))
		for j := range 4 {
			pod := fmt.Sprintf("%s-%d", name, j)
			add(evidence.RuntimePod, evidence.OpSet, ref("pod", "prod", "tenant-1/"+pod).WithUID(pod), evidence.PodFacts{
				Cluster: "prod", Namespace: "tenant-1", Name: pod, UID: pod, Phase: "Running", Node: "node-a", Owner: &evidence.OwnerRef{Kind: "Deployment", Name: name, UID: name}, StartedAt: begin,
				Containers: []evidence.ContainerFacts{{Name: "main", Image: image, Digest: digest, DigestOf: "manifest", State: "running"}}, Secrets: []string{name + "-db"},
			}, ref("image", "", digest), copies)
		}
	}
	for i := range 150 {
		name := fmt.Sprint("role", i)
		add(evidence.AccessRBAC, evidence.OpSet, ref("object", "prod", "ClusterRole."+name), evidence.RBACFacts{Cluster: "prod", Kind: "ClusterRole", Name: name, UID: name, Rules: []evidence.RBACRule{{Verbs: []string{"get"}, Groups: []string{""}, Resources: []string{"secrets"}}}})
		add(evidence.AccessRBAC, evidence.OpSet, ref("object", "prod", "ClusterRoleBinding."+name), evidence.RBACFacts{Cluster: "prod", Kind: "ClusterRoleBinding", Name: name, UID: "b" + name, RoleKind: "ClusterRole", RoleName: name, Subjects: []evidence.RBACSubject{{Kind: "Group", Name: name, Person: -1}}})
	}
	for len(items) > 0 {
		n := min(len(items), 1000)
		if _, err := log.Append(context.Background(), items[:n]); err != nil {
			b.Fatal(err)
		}
		items = items[n:]
	}
	return digest
}

// BenchmarkRanCluster answers what ran, and who ran an image, for a tenant of
// 200 pods whose log has a million records.
func BenchmarkRanCluster(b *testing.B) {
	_, log := filled(b, 1_000_000)
	digest := clustered(b, log, 200)
	at := begin.Add(100 * time.Hour)
	b.Run("tenant", func(b *testing.B) {
		for b.Loop() {
			a, err := ran.Build(context.Background(), log.Snapshot(), at, ran.Options{Window: time.Hour})
			if err != nil || len(a.Running) != 50 || len(a.Secrets.Copies) != 50 {
				b.Fatal(err, len(a.Running), len(a.Secrets.Copies))
			}
		}
	})
	b.Run("image", func(b *testing.B) {
		for b.Loop() {
			a := ran.NewImageAnswer(digest, at, nil)
			if err := a.Family(context.Background(), log.Snapshot()); err != nil {
				b.Fatal(err)
			}
			if err := a.Add(context.Background(), log.Snapshot()); err != nil || len(a.Tenants[0].Runs) != 1 {
				b.Fatal(err, a.Tenants)
			}
		}
	})
}
