package demo

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"evidenced/testdata/world"
)

// What the operators beside the cluster do: certificates, backups, restores,
// and the cluster's own audit log.

// issued tells in the cluster that a host got a new certificate: the
// Certificate's status, and the one request that is kept.
func (c *cluster) issued(host string, at time.Time) error {
	i := slices.IndexFunc(c.w.Endpoints, func(e world.Endpoint) bool { return e.Host == host })
	if i < 0 {
		return nil
	}
	ns, cert := cmp.Or(c.w.Endpoints[i].Tenant, c.w.Own.Name), c.tls.shown[host]
	c.certs[host]++
	revision := c.certs[host]
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}},
		cert.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		return fmt.Errorf("request a certificate for %s: %w", host, err)
	}
	encoded := func(kind string, der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	issuer := kobject{"name": "platform", "kind": "ClusterIssuer", "group": "cert-manager.io"}
	renewal := cert.Leaf.NotAfter.Add(-cert.Leaf.NotAfter.Sub(cert.Leaf.NotBefore) / 3)
	condition := ready("True", "Ready", at)
	condition["message"] = "Certificate is up to date and has not expired"
	o := c.put("certificates.cert-manager.io", ns, "web-tls", at, kobject{
		"spec": kobject{"secretName": "web-tls", "dnsNames": []any{host}, "issuerRef": issuer, "privateKey": kobject{"rotationPolicy": "Always"}},
		"status": kobject{"conditions": []any{condition}, "notBefore": stamp(cert.Leaf.NotBefore), "notAfter": stamp(cert.Leaf.NotAfter),
			"renewalTime": stamp(renewal), "revision": revision}})
	const requests = "certificaterequests.cert-manager.io"
	if revision > 1 { // only the newest is kept
		c.drop(requests, ns, fmt.Sprintf("web-tls-%d", revision-1))
	}
	c.put(requests, ns, fmt.Sprintf("web-tls-%d", revision), at.Add(-20*time.Second), kobject{
		"metadata": kobject{"annotations": kobject{"cert-manager.io/certificate-name": "web-tls", "cert-manager.io/certificate-revision": itoa(revision)},
			"ownerReferences": owner("cert-manager.io/v1", "Certificate", "web-tls", uidOf(o))},
		"spec": kobject{"request": encoded("CERTIFICATE REQUEST", csr), "issuerRef": issuer, "duration": "2160h0m0s",
			"username": "system:serviceaccount:cert-manager:cert-manager", "groups": []any{"system:serviceaccounts", "system:authenticated"}},
		"status": kobject{"certificate": encoded("CERTIFICATE", cert.Leaf.Raw), "conditions": []any{
			kobject{"type": "Approved", "status": "True", "reason": "cert-manager.io", "lastTransitionTime": stamp(at.Add(-19 * time.Second)),
				"message": "Certificate request has been approved by cert-manager.io"},
			kobject{"type": "Ready", "status": "True", "reason": "Issued", "lastTransitionTime": stamp(at), "message": "Certificate fetched from issuer successfully"}}}})
	return nil
}

// backupTTL is how long a backup is kept: longer than the story lasts, as nobody
// here follows a watch, which alone tells that one was taken away.
const backupTTL = 60 * 24 * time.Hour

// volumes is how many volumes a tenant has.
const volumes = 2

// items is how many objects a tenant's namespace holds.
func (c *cluster) items(tenant string) int { return 48 + int(hash("items", tenant)[0])%40 }

// backup is a scheduled backup as it stands when it is over; the oldest ones
// go when their time is up.
func (c *cluster) backup(a world.Act) error {
	const res = "backups.velero.io"
	for key, b := range c.objects[res] {
		if end, err := time.Parse(time.RFC3339, b["status"].(kobject)["expiration"].(string)); err == nil && end.Before(a.At) {
			delete(c.objects[res], key)
			for i := range volumes { // go with their backup
				delete(c.objects["datauploads.velero.io"], fmt.Sprintf("%s-%d", key, i))
			}
		}
	}
	name := a.Tenant + "-daily-" + a.At.Add(-a.Took).UTC().Format("20060102150405")
	failed := 0
	if a.State != "Completed" {
		failed = 1
	}
	n := c.items(a.Tenant)
	began := a.At.Add(-a.Took)
	c.put(res, "velero", name, began, kobject{
		"metadata": kobject{"labels": kobject{"velero.io/schedule-name": a.Tenant + "-daily", "velero.io/storage-location": "default"}},
		"spec":     kobject{"includedNamespaces": []any{a.Tenant}, "storageLocation": "default", "ttl": "336h0m0s", "snapshotMoveData": true},
		"status": kobject{"phase": a.State, "startTimestamp": stamp(began), "completionTimestamp": stamp(a.At), "expiration": stamp(began.Add(backupTTL)),
			"errors": failed, "warnings": 0, "progress": kobject{"totalItems": n, "itemsBackedUp": n - 3*failed}, "version": 1, "formatVersion": "1.1.0",
			"csiVolumeSnapshotsAttempted": 2, "csiVolumeSnapshotsCompleted": 2 - failed}})
	b := c.objects[res]["velero/"+name]
	for i := range volumes {
		phase := "Completed"
		if failed > 0 && i == 0 {
			phase = "Failed"
		}
		c.put("datauploads.velero.io", "velero", fmt.Sprintf("%s-%d", name, i), began, kobject{
			"metadata": kobject{"labels": kobject{"velero.io/backup-name": name, "velero.io/backup-uid": uidOf(b)},
				"ownerReferences": owner("velero.io/v1", "Backup", name, uidOf(b))},
			"spec":   kobject{"sourcePVC": fmt.Sprintf("data-%d", i), "sourceNamespace": a.Tenant, "backupStorageLocation": "default"},
			"status": kobject{"phase": phase, "startTimestamp": stamp(began.Add(20 * time.Second)), "completionTimestamp": stamp(a.At), "progress": kobject{"totalBytes": 4 << 30, "bytesDone": 4 << 30}}})
	}
	s := c.objects["schedules.velero.io"]["velero/"+a.Tenant+"-daily"]
	s["status"].(kobject)["lastBackup"] = stamp(began)
	c.rv++
	s["metadata"].(kobject)["resourceVersion"] = itoa(c.rv)
	return c.file(filepath.Join("backups", name, name+"-resource-list.json.gz"), c.list(a.Tenant, n))
}

// list is a list of objects by kind, as Velero writes it.
func (c *cluster) list(namespace string, n int) any {
	out := map[string][]string{}
	kinds := []string{"v1/ConfigMap", "v1/Secret", "apps/v1/Deployment", "v1/Service", "v1/ServiceAccount"}
	for i := range volumes {
		out["v1/PersistentVolumeClaim"] = append(out["v1/PersistentVolumeClaim"], fmt.Sprintf("%s/data-%d", namespace, i))
	}
	for i := range n - volumes {
		k := kinds[i%len(kinds)]
		out[k] = append(out[k], fmt.Sprintf("%s/%s-%d", namespace, strings.ToLower(k[strings.LastIndexByte(k, '/')+1:]), i))
	}
	return out
}

// file writes a compressed JSON file into the backup storage.
func (c *cluster) file(name string, v any) error {
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write into the backup storage: %w", err)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(v); err != nil {
		return fmt.Errorf("write into the backup storage: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write into the backup storage: %w", err)
	}
	return os.WriteFile(path, b.Bytes(), 0o600)
}

// newestBackup is the newest complete one of a tenant.
func (c *cluster) newestBackup(tenant string) string {
	var name string
	for key, b := range c.objects["backups.velero.io"] {
		n := strings.TrimPrefix(key, "velero/")
		if strings.HasPrefix(n, tenant+"-daily-") && n > name && b["status"].(kobject)["phase"] == "Completed" {
			name = n
		}
	}
	return name
}

// restore plays a whole restore: the object as it stands at its end, what
// Velero writes about it, the target namespace, and the application's check.
func (c *cluster) restore(a world.Act) error {
	backup := c.newestBackup(a.Tenant)
	if backup == "" {
		return fmt.Errorf("restore of %s: no backup", a.Tenant)
	}
	end := a.At.Add(-5 * time.Minute) // the application's check follows
	began := end.Add(-a.Took)
	name := fmt.Sprintf("drill-%s-%s", a.Tenant, began.UTC().Format("20060102"))
	labels := kobject{"platform.example/restore-test": "true", tenantLabel: a.Tenant, "platform.example/plan": a.Tenant + "-quarterly"}
	if a.Title != "" { // no exercise
		name, labels = a.Title+"-"+a.Tenant, kobject{tenantLabel: a.Tenant}
	}
	spec := kobject{"backupName": backup, "includedNamespaces": []any{a.Tenant}, "restorePVs": true}
	target := a.Tenant
	if a.Into == "fresh" {
		target = name
		spec["namespaceMapping"] = kobject{a.Tenant: target}
		c.namespace(target, kobject{"platform.example/drill": "true", tenantLabel: a.Tenant}, began.Add(4*time.Second))
	}
	n := c.items(a.Tenant)
	failed, warned := 0, 0
	if a.State != "Completed" {
		failed = 4
	}
	results := map[string]any{"errors": map[string]any{}, "warnings": map[string]any{}}
	if a.Into == "live" {
		warned = n
		var texts []string
		for i := range n {
			texts = append(texts, fmt.Sprintf("could not restore, ConfigMap %q already exists. Warning: the in-cluster version is different than the backed-up version", fmt.Sprintf("configmap-%d", i)))
		}
		results["warnings"] = map[string]any{"namespaces": map[string]any{a.Tenant: texts}}
	}
	if failed > 0 {
		results["errors"] = map[string]any{"namespaces": map[string]any{a.Tenant: []string{"error restoring persistentvolumeclaims: timed out waiting for the data download"}}}
	}
	r := c.put("restores.velero.io", "velero", name, began, kobject{
		"metadata": kobject{"labels": labels}, "spec": spec,
		"status": kobject{"phase": a.State, "startTimestamp": stamp(began), "completionTimestamp": stamp(end), "errors": failed, "warnings": warned,
			"progress": kobject{"totalItems": n, "itemsRestored": n}, "hookStatus": kobject{"hooksAttempted": 1, "hooksFailed": 0},
			"restoreItemOperationsAttempted": 2, "restoreItemOperationsCompleted": 2 - min(failed, 1), "restoreItemOperationsFailed": min(failed, 1)}})
	if a.Into == "fresh" {
		for i := range volumes {
			phase := "Completed"
			if failed > 0 && i == 0 {
				phase = "Failed"
			}
			c.put("datadownloads.velero.io", "velero", fmt.Sprintf("%s-%d", name, i), began, kobject{
				"metadata": kobject{"labels": kobject{"velero.io/restore-name": name, "velero.io/restore-uid": uidOf(r)},
					"ownerReferences": owner("velero.io/v1", "Restore", name, uidOf(r))},
				"spec":   kobject{"targetVolume": kobject{"pvc": fmt.Sprintf("data-%d", i), "namespace": target}, "backupStorageLocation": "default"},
				"status": kobject{"phase": phase, "startTimestamp": stamp(began.Add(time.Minute)), "completionTimestamp": stamp(end), "progress": kobject{"totalBytes": 4 << 30, "bytesDone": 4 << 30}}})
		}
	}
	if a.Check != "" {
		status := kobject{"startTime": stamp(end.Add(time.Minute)), "completionTime": stamp(end.Add(3 * time.Minute)), "succeeded": 1,
			"conditions": []any{kobject{"type": "Complete", "status": "True", "lastTransitionTime": stamp(end.Add(3 * time.Minute))}}}
		if a.Check != "passed" {
			status = kobject{"startTime": stamp(end.Add(time.Minute)), "failed": 1,
				"conditions": []any{kobject{"type": "Failed", "status": "True", "lastTransitionTime": stamp(end.Add(3 * time.Minute))}}}
		}
		c.put("jobs.batch", target, "check-orders", end.Add(time.Minute), kobject{
			"metadata": kobject{"labels": kobject{"platform.example/checks-restore": name}},
			"spec":     kobject{"template": kobject{"spec": kobject{"containers": []any{kobject{"name": "check", "image": c.w.Registry + "/platform/checks@sha256:" + hash("checks")}}}}},
			"status":   status})
	}
	if err := c.file(filepath.Join("restores", name, "restore-"+name+"-results.gz"), results); err != nil {
		return err
	}
	kept := map[string][]string{}
	for k, list := range c.list(target, n).(map[string][]string) {
		for i, item := range list {
			word := "created"
			if a.Into == "live" || failed > 0 && i == 0 {
				word = "skipped"
			}
			kept[k] = append(kept[k], item+"("+word+")")
		}
	}
	return c.file(filepath.Join("restores", name, "restore-"+name+"-resource-list.json.gz"), kept)
}

// clusterAudit writes the API server's audit log.
type clusterAudit struct {
	file string
	n    int
}

// request is one request of a person to the cluster's API, as its audit log
// has it.
func (c *cluster) request(a world.Act) error {
	who, _ := c.w.Person(a.By)
	kind, rest, _ := strings.Cut(a.Path, "/")
	name, sub, _ := strings.Cut(rest, "/")
	if kind == "pods" { // any pod of the application
		for _, key := range sortedKeys(c.objects["pods"]) {
			if p := c.objects["pods"][key]; p["tenant"] == a.Tenant && p["app"] == name {
				name = p["metadata"].(kobject)["name"].(string)
				break
			}
		}
	}
	path := "/api/v1/namespaces/" + a.Tenant + "/" + kind + "/" + name
	code := 200
	if sub != "" {
		path += "/" + sub
		code = 101
	}
	const role = "debug"
	if c.objects["rolebindings.rbac.authorization.k8s.io"][a.Tenant+"/break-glass-"+role] == nil {
		return fmt.Errorf("nothing gives %s the right to look into %s", a.By, a.Tenant)
	}
	reason := fmt.Sprintf(`RBAC: allowed by RoleBinding "break-glass-%s/%s" of ClusterRole %q to User %q`, role, a.Tenant, role, who.Email())
	groups := []any{"oidc:platform", "system:authenticated"}
	if who.Admin {
		groups = []any{adminsGroup, "oidc:platform", "system:authenticated"}
	}
	c.audit.n++
	return c.audit.write(kobject{"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": uuid(fmt.Sprintf("cluster-audit/%d", c.audit.n)),
		"stage": "ResponseComplete", "requestURI": path, "verb": a.Op,
		"user":      kobject{"username": who.Email(), "groups": groups},
		"sourceIPs": []any{"10.8.0.20"}, "userAgent": "kubectl/v1.34.1 (linux/amd64) kubernetes/93248f9",
		"objectRef":      kobject{"resource": kind, "namespace": a.Tenant, "name": name, "apiVersion": "v1", "subresource": sub},
		"responseStatus": kobject{"metadata": kobject{}, "code": code}, "requestReceivedTimestamp": micros(a.At), "stageTimestamp": micros(a.At.Add(9 * time.Millisecond)),
		"annotations": kobject{"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": reason}})
}

// adminsGroup is the group of those who run the platform, as the single sign-on
// calls it.
const adminsGroup = "oidc:platform-admins"

// copied is the secret operator looking at the Secret that it keeps.
func (c *cluster) copied(tenant string, at time.Time) error {
	account := "system:serviceaccount:" + world.Operator + ":" + world.Operator
	c.audit.n++
	return c.audit.write(kobject{"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": uuid(fmt.Sprintf("cluster-audit/%d", c.audit.n)),
		"stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/" + tenant + "/secrets/" + world.CopiedTo, "verb": "get",
		"user":      kobject{"username": account, "groups": []any{"system:serviceaccounts", "system:serviceaccounts:" + world.Operator, "system:authenticated"}},
		"sourceIPs": []any{"10.42.90.5"}, "userAgent": "external-secrets/v0.20.1",
		"objectRef":      kobject{"resource": "secrets", "namespace": tenant, "name": world.CopiedTo, "apiVersion": "v1"},
		"responseStatus": kobject{"metadata": kobject{}, "code": 200}, "requestReceivedTimestamp": micros(at), "stageTimestamp": micros(at.Add(4 * time.Millisecond)),
		"annotations": kobject{"authorization.k8s.io/decision": "allow",
			"authorization.k8s.io/reason": fmt.Sprintf(`RBAC: allowed by ClusterRoleBinding "secret-operator" of ClusterRole "secret-operator" to ServiceAccount "%[1]s/%[1]s"`, world.Operator)}})
}

func micros(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// begin makes the empty file.
func (l *clusterAudit) begin() error {
	if err := os.MkdirAll(filepath.Dir(l.file), 0o700); err != nil {
		return fmt.Errorf("make the cluster's audit log: %w", err)
	}
	return os.WriteFile(l.file, nil, 0o600)
}

func (l *clusterAudit) write(line kobject) error {
	f, err := os.OpenFile(l.file, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the cluster's audit log: %w", err)
	}
	defer f.Close()
	_, err = f.Write(append(mustJSON(line), '\n'))
	return err
}

// probed writes the line of a request that the evidence daemon itself makes: it
// finds its own id in the log and so knows that the log is whole.
func (l *clusterAudit) probed(id, uri string, at time.Time) error {
	return l.write(kobject{"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": id, "stage": "ResponseComplete",
		"requestURI": uri, "verb": "list", "user": kobject{"username": "system:serviceaccount:kube-system:evidenced", "groups": []any{"system:serviceaccounts", "system:authenticated"}},
		"sourceIPs": []any{"10.42.0.9"}, "userAgent": "evidenced", "objectRef": kobject{"resource": "namespaces", "apiVersion": "v1"},
		"responseStatus": kobject{"metadata": kobject{}, "code": 200}, "requestReceivedTimestamp": micros(at), "stageTimestamp": micros(at),
		"annotations": kobject{"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "RBAC: allowed by ClusterRoleBinding \"evidenced\" of ClusterRole \"evidenced\" to ServiceAccount \"evidenced/kube-system\""}})
}
