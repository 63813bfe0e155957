package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"evidenced/testdata/world"
)

// cluster is the state behind the Kubernetes API: what runs, who may, and the
// custom resources of the operators beside it. Objects are kept as the JSON
// they are shown as.
type cluster struct {
	w       *world.World
	git     *gitRepo
	tls     *endpoints
	objects map[string]map[string]kobject // by resource, then namespace/name
	rv      int
	dir     string         // of the backup storage
	certs   map[string]int // revision by host
	audit   clusterAudit
}

// kobject is one Kubernetes object.
type kobject map[string]any

// resource is one served kind of object.
type resource struct {
	group, version, plural, kind string
	namespaced                   bool
}

func (r resource) key() string {
	if r.group == "" {
		return r.plural
	}
	return r.plural + "." + r.group
}

// served lists what this cluster serves.
var served = []resource{
	{"", "v1", "namespaces", "Namespace", false},
	{"", "v1", "nodes", "Node", false},
	{"", "v1", "pods", "Pod", true},
	{"", "v1", "serviceaccounts", "ServiceAccount", true},
	{"", "v1", "secrets", "Secret", true},
	{"", "v1", "configmaps", "ConfigMap", true},
	{"apps", "v1", "deployments", "Deployment", true},
	{"apps", "v1", "replicasets", "ReplicaSet", true},
	{"apps", "v1", "statefulsets", "StatefulSet", true},
	{"apps", "v1", "daemonsets", "DaemonSet", true},
	{"batch", "v1", "jobs", "Job", true},
	{"batch", "v1", "cronjobs", "CronJob", true},
	{"rbac.authorization.k8s.io", "v1", "roles", "Role", true},
	{"rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", true},
	{"rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false},
	{"rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", false},
	{"networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true},
	{"kyverno.io", "v1", "clusterpolicies", "ClusterPolicy", false},
	{"kyverno.io", "v1", "policies", "Policy", true},
	{"kyverno.io", "v2", "policyexceptions", "PolicyException", true},
	{"admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", false},
	{"admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", false},
	{"wgpolicyk8s.io", "v1alpha2", "policyreports", "PolicyReport", true},
	{"wgpolicyk8s.io", "v1alpha2", "clusterpolicyreports", "ClusterPolicyReport", false},
	{"argoproj.io", "v1alpha1", "workflows", "Workflow", true},
	{"argoproj.io", "v1alpha1", "cronworkflows", "CronWorkflow", true},
	{"argoproj.io", "v1alpha1", "workflowtemplates", "WorkflowTemplate", true},
	{"argoproj.io", "v1alpha1", "clusterworkflowtemplates", "ClusterWorkflowTemplate", false},
	{"velero.io", "v1", "schedules", "Schedule", true},
	{"velero.io", "v1", "backups", "Backup", true},
	{"velero.io", "v1", "restores", "Restore", true},
	{"velero.io", "v1", "backupstoragelocations", "BackupStorageLocation", true},
	{"velero.io", "v1", "podvolumebackups", "PodVolumeBackup", true},
	{"velero.io", "v1", "podvolumerestores", "PodVolumeRestore", true},
	{"velero.io", "v1", "deletebackuprequests", "DeleteBackupRequest", true},
	{"velero.io", "v2alpha1", "datauploads", "DataUpload", true},
	{"velero.io", "v2alpha1", "datadownloads", "DataDownload", true},
	{"cert-manager.io", "v1", "certificates", "Certificate", true},
	{"cert-manager.io", "v1", "certificaterequests", "CertificateRequest", true},
	{"cert-manager.io", "v1", "issuers", "Issuer", true},
	{"cert-manager.io", "v1", "clusterissuers", "ClusterIssuer", false},
	{"acme.cert-manager.io", "v1", "orders", "Order", true},
	{"acme.cert-manager.io", "v1", "challenges", "Challenge", true},
	{"external-secrets.io", "v1", "externalsecrets", "ExternalSecret", true},
	{"external-secrets.io", "v1", "secretstores", "SecretStore", true},
	{"external-secrets.io", "v1", "clustersecretstores", "ClusterSecretStore", false},
	{"external-secrets.io", "v1", "clusterexternalsecrets", "ClusterExternalSecret", false},
	{"external-secrets.io", "v1alpha1", "pushsecrets", "PushSecret", true},
	// Of these there is nothing here. A kind that is not served is asked for twice,
	// two seconds apart, at every look.
	{"cilium.io", "v2", "ciliumnetworkpolicies", "CiliumNetworkPolicy", true},
	{"cilium.io", "v2", "ciliumclusterwidenetworkpolicies", "CiliumClusterwideNetworkPolicy", false},
	{"cilium.io", "v2", "ciliumcidrgroups", "CiliumCIDRGroup", false},
	{"policy.networking.k8s.io", "v1alpha1", "adminnetworkpolicies", "AdminNetworkPolicy", false},
	{"policy.networking.k8s.io", "v1alpha1", "baselineadminnetworkpolicies", "BaselineAdminNetworkPolicy", false},
	{"policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies", "ClusterNetworkPolicy", false},
	{"policies.kyverno.io", "v1", "validatingpolicies", "ValidatingPolicy", false},
	{"policies.kyverno.io", "v1", "namespacedvalidatingpolicies", "NamespacedValidatingPolicy", true},
	{"policies.kyverno.io", "v1", "imagevalidatingpolicies", "ImageValidatingPolicy", false},
	{"policies.kyverno.io", "v1", "namespacedimagevalidatingpolicies", "NamespacedImageValidatingPolicy", true},
	{"policies.kyverno.io", "v1", "mutatingpolicies", "MutatingPolicy", false},
	{"policies.kyverno.io", "v1", "namespacedmutatingpolicies", "NamespacedMutatingPolicy", true},
	{"policies.kyverno.io", "v1", "generatingpolicies", "GeneratingPolicy", false},
	{"policies.kyverno.io", "v1", "namespacedgeneratingpolicies", "NamespacedGeneratingPolicy", true},
	{"policies.kyverno.io", "v1", "deletingpolicies", "DeletingPolicy", false},
	{"policies.kyverno.io", "v1", "namespaceddeletingpolicies", "NamespacedDeletingPolicy", true},
	{"policies.kyverno.io", "v1", "policyexceptions", "PolicyException", true},
	{"admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", false},
	{"admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", false},
	{"admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies", "MutatingAdmissionPolicy", false},
	{"admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", false},
	{"config.gatekeeper.sh", "v1alpha1", "configs", "Config", true},
	{"templates.gatekeeper.sh", "v1", "constrainttemplates", "ConstraintTemplate", false},
	{"openreports.io", "v1alpha1", "reports", "Report", true},
	{"openreports.io", "v1alpha1", "clusterreports", "ClusterReport", false},
}

const (
	tenantLabel = "platform.example/tenant"
	fullRights  = "tenant-6" // whose team may do everything in its namespace
	nodeCount   = 5
)

// platformNamespaces are those of no tenant.
var platformNamespaces = []string{argoNamespace, "cert-manager", world.Operator, "kube-system", "velero"}

func newCluster(w *world.World, g *gitRepo, e *endpoints, dir string) (*cluster, error) {
	c := &cluster{w: w, git: g, tls: e, objects: map[string]map[string]kobject{}, rv: 90000, dir: filepath.Join(dir, "backups"), certs: map[string]int{}}
	c.audit.file = filepath.Join(dir, "kubernetes", "audit.log")
	if err := c.audit.begin(); err != nil {
		return nil, err
	}
	at := w.Begun().Add(5 * time.Hour)
	c.nodes(at)
	for _, name := range platformNamespaces {
		c.namespace(name, nil, at)
	}
	c.roles(at)
	for _, t := range w.Everybody() {
		c.tenant(t, at.Add(time.Minute))
	}
	c.letIn(w.Tenants[4].Name, w.Tenants[1].Name, at.AddDate(0, 0, 3))
	c.guards(at)
	c.put("backupstoragelocations.velero.io", "velero", "default", at, kobject{
		"spec":   kobject{"provider": "aws", "default": true, "accessMode": "ReadWrite", "objectStorage": kobject{"bucket": "platform-backups", "prefix": "prod"}, "config": kobject{"region": "eu-north-1"}},
		"status": kobject{"phase": "Available", "lastValidationTime": stamp(at)}})
	c.put("clusterissuers.cert-manager.io", "", "platform", at, kobject{
		"spec": kobject{"ca": kobject{"secretName": "issuing-ca"}}, "status": kobject{"conditions": []any{ready("True", "KeyPairVerified", at)}}})
	for _, e := range w.Endpoints {
		if err := c.issued(e.Host, e.Issued); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func ready(status, reason string, at time.Time) kobject {
	return kobject{"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": stamp(at)}
}

// put makes an object or changes it: its uid stays, its version grows. Extra
// metadata stands in body["metadata"].
func (c *cluster) put(res, namespace, name string, at time.Time, body kobject) kobject {
	all := c.objects[res]
	if all == nil {
		all = map[string]kobject{}
		c.objects[res] = all
	}
	c.rv++
	key := namespace + "/" + name
	meta := kobject{"name": name, "uid": uuid(fmt.Sprintf("object/%s/%s/%d", res, key, c.rv)), "creationTimestamp": stamp(at), "generation": 1}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	if old, ok := all[key]; ok {
		was := old["metadata"].(kobject)
		meta["uid"], meta["creationTimestamp"] = was["uid"], was["creationTimestamp"]
		meta["generation"] = was["generation"].(int) + 1
	}
	if more, ok := body["metadata"].(kobject); ok {
		maps.Copy(meta, more)
	}
	meta["resourceVersion"] = itoa(c.rv)
	body["metadata"] = meta
	all[key] = body
	return body
}

// drop deletes an object.
func (c *cluster) drop(res, namespace, name string) {
	delete(c.objects[res], namespace+"/"+name)
	c.rv++
}

func uidOf(o kobject) string { return o["metadata"].(kobject)["uid"].(string) }

func owner(apiVersion, kind, name, uid string) []any {
	return []any{kobject{"apiVersion": apiVersion, "kind": kind, "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true}}
}

func (c *cluster) nodes(at time.Time) {
	for i := range nodeCount {
		zone := []string{"eu-central-2a", "eu-central-2b", "eu-central-2c"}[i%3]
		c.put("nodes", "", nodeName(i), at, kobject{
			"metadata": kobject{"labels": kobject{"topology.kubernetes.io/region": "eu-central-2", "topology.kubernetes.io/zone": zone,
				"node.kubernetes.io/instance-type": "m6i.xlarge", "kubernetes.io/hostname": nodeName(i)}},
			"spec": kobject{"providerID": "aws:///" + zone + "/i-" + hash("node", nodeName(i))[:17]},
			"status": kobject{"conditions": []any{kobject{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": stamp(at)}},
				"nodeInfo": kobject{"osImage": "Talos (v1.11.2)", "kernelVersion": "6.12.48-talos", "containerRuntimeVersion": "containerd://2.1.4",
					"kubeletVersion": "v1.34.1", "operatingSystem": "linux", "architecture": "amd64"}}})
	}
}

func nodeName(i int) string { return fmt.Sprintf("worker-%d", i+1) }

func hash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "/")))
	return hex.EncodeToString(sum[:])
}

func (c *cluster) namespace(name string, labels kobject, at time.Time) {
	all := kobject{"kubernetes.io/metadata.name": name}
	maps.Copy(all, labels)
	c.put("namespaces", "", name, at, kobject{"metadata": kobject{"labels": all}, "spec": kobject{"finalizers": []any{"kubernetes"}}, "status": kobject{"phase": "Active"}})
	c.boundary(name, at)
}

// roles are what the cluster grants to all and to those who run it.
func (c *cluster) roles(at time.Time) {
	rule := func(groups, resources, verbs string) kobject {
		split := func(s string) []any { return anys(strings.Split(s, ",")) }
		return kobject{"apiGroups": split(groups), "resources": split(resources), "verbs": split(verbs)}
	}
	for name, rules := range map[string][]any{
		"cluster-admin": {rule("*", "*", "*")},
		"platform-operator": {rule(",apps,batch", "pods,deployments,replicasets,statefulsets,daemonsets,jobs", "get,list,watch,patch,delete"),
			rule("", "nodes,namespaces", "get,list,watch,patch")},
		"view":            {rule(",apps,batch", "pods,deployments,replicasets,jobs,configmaps", "get,list,watch")},
		"debug":           {rule("", "pods,pods/log", "get,list,watch"), rule("", "pods/exec", "create"), rule("", "secrets", "get")},
		"secret-operator": {rule("", "secrets", "get,list,watch,create,update,patch"), rule("external-secrets.io", "*", "get,list,watch,update,patch")},
		"evidenced":       readerRules(rule),
	} {
		c.put("clusterroles.rbac.authorization.k8s.io", "", name, at, kobject{"rules": rules})
	}
	bind := func(name, role string, subjects ...any) {
		c.put("clusterrolebindings.rbac.authorization.k8s.io", "", name, at, kobject{"subjects": subjects,
			"roleRef": kobject{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}})
	}
	bind("platform-admins", "platform-operator", kobject{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": adminsGroup})
	bind("secret-operator", "secret-operator", kobject{"kind": "ServiceAccount", "namespace": world.Operator, "name": world.Operator})
	bind("evidenced", "evidenced", kobject{"kind": "ServiceAccount", "namespace": "kube-system", "name": "evidenced"})
}

// readerRules are what the evidence daemon may do: read what is served, but no
// secrets.
func readerRules(rule func(groups, resources, verbs string) kobject) []any {
	var out []any
	for _, res := range served {
		if res.plural != "secrets" {
			out = append(out, rule(res.group, res.plural, "get,list,watch"))
		}
	}
	return out
}

// tenant makes a tenant's namespace with what stands in it from the first day.
func (c *cluster) tenant(t world.Tenant, at time.Time) {
	c.namespace(t.Name, kobject{tenantLabel: t.Name}, at)
	for _, a := range c.w.Apps {
		c.put("serviceaccounts", t.Name, a.Name, at, kobject{})
	}
	c.put("serviceaccounts", t.Name, world.Operator, at, kobject{})
	var team []any
	for _, p := range c.w.People {
		if slices.Contains(p.Tenants, t.Name) {
			team = append(team, kobject{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": p.Email()})
		}
	}
	if len(team) > 0 {
		c.grant(t.Name, "team", "view", at, team)
	}
	if t.Name == fullRights {
		c.grant(t.Name, "migration", "cluster-admin", at, team)
	}
	store := c.put("secretstores.external-secrets.io", t.Name, "vault", at, kobject{
		"spec": kobject{"provider": kobject{"vault": kobject{"server": vaultAddress, "path": "kv", "version": "v2",
			"auth": kobject{"kubernetes": kobject{"mountPath": "kubernetes", "role": t.Name + "-copy", "serviceAccountRef": kobject{"name": world.Operator}}}}}},
		"status": kobject{"capabilities": "ReadWrite", "conditions": []any{ready("True", "Valid", at)}}})
	c.put("externalsecrets.external-secrets.io", t.Name, world.CopiedTo, at, kobject{
		"spec": kobject{"refreshInterval": refreshEvery.String(), "secretStoreRef": kobject{"name": "vault", "kind": "SecretStore"},
			"target": kobject{"name": world.CopiedTo, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
			"data":   []any{kobject{"secretKey": "password", "remoteRef": kobject{"key": t.Name + "/" + world.Copied, "property": "password"}}}},
		"status": kobject{"refreshTime": stamp(c.w.Start.Add(-refreshEvery + 7*time.Minute)), "syncedResourceVersion": "1-" + uidOf(store)[:8], "binding": kobject{"name": world.CopiedTo},
			"conditions": []any{ready("True", "SecretSynced", at)}}})
	c.put("schedules.velero.io", "velero", t.Name+"-daily", at, kobject{
		"metadata": kobject{"labels": kobject{tenantLabel: t.Name}},
		"spec": kobject{"schedule": "0 1 * * *", "template": kobject{"includedNamespaces": []any{t.Name}, "storageLocation": "default", "ttl": backupTTL.String(),
			"snapshotMoveData": true}},
		"status": kobject{"phase": "Enabled"}})
}

const vaultAddress = "https://vault.platform.example:8200"

// refreshEvery is how often the secret operator copies.
const refreshEvery = 6 * time.Hour

// grant binds a cluster role in a tenant's namespace.
func (c *cluster) grant(namespace, name, role string, at time.Time, subjects []any) {
	c.put("rolebindings.rbac.authorization.k8s.io", namespace, name, at, kobject{"subjects": subjects,
		"roleRef": kobject{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}})
}

// refreshed notes that the operator copied a tenant's secret once more: it looks
// at what it wrote before, which once a day is in the part of the cluster's
// audit log that is kept.
func (c *cluster) refreshed(tenant string, at time.Time) error {
	o := c.objects["externalsecrets.external-secrets.io"][tenant+"/"+world.CopiedTo]
	if o == nil {
		return nil
	}
	o["status"].(kobject)["refreshTime"] = stamp(at)
	c.rv++
	o["metadata"].(kobject)["resourceVersion"] = itoa(c.rv)
	if at.UTC().Hour() >= int(refreshEvery/time.Hour) {
		return nil
	}
	return c.copied(tenant, at)
}

// rollout puts what a sync declared there: a new ReplicaSet and its pods when
// the pods' template changed, more or fewer pods when only their number did.
// A hand that reached in gives its own image.
func (c *cluster) rollout(a *argoApp, image string, at time.Time) {
	app, _ := c.w.App(a.app)
	template := hash(image, fmt.Sprint(a.live.env))[:10]
	labels := kobject{"app": a.app, "tenant": a.tenant}
	podSpec := kobject{"serviceAccountName": a.app, "containers": []any{kobject{"name": a.app, "image": image,
		"ports":   []any{kobject{"containerPort": app.Port}},
		"envFrom": []any{kobject{"configMapRef": kobject{"name": a.app}}}}}}
	if a.app == "db-proxy" {
		podSpec["volumes"] = []any{kobject{"name": "upstream", "secret": kobject{"secretName": world.CopiedTo}}}
	}
	old := c.objects["deployments.apps"][a.tenant+"/"+a.app]
	replicas := max(a.live.replicas, 1)
	revision := 1
	if old != nil {
		revision = old["revision"].(int)
		if old["template"] != template {
			revision++
		}
	}
	dep := c.put("deployments.apps", a.tenant, a.app, at, kobject{
		"metadata": kobject{"labels": labels, "annotations": kobject{
			"argocd.argoproj.io/tracking-id":    a.name() + ":apps/Deployment:" + a.tenant + "/" + a.app,
			"deployment.kubernetes.io/revision": itoa(revision)}},
		"spec":     kobject{"replicas": replicas, "selector": kobject{"matchLabels": kobject{"app": a.app}}, "template": kobject{"metadata": kobject{"labels": labels}, "spec": podSpec}},
		"status":   kobject{"replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas, "updatedReplicas": replicas},
		"revision": revision, "template": template})
	dep["status"].(kobject)["observedGeneration"] = dep["metadata"].(kobject)["generation"]
	c.report(a.tenant, a.app, dep, at)
	set := a.app + "-" + template
	for key, rs := range c.objects["replicasets.apps"] {
		if ns, name, _ := strings.Cut(key, "/"); ns == a.tenant && rs["app"] == a.app && name != set {
			delete(c.objects["replicasets.apps"], key)
		}
	}
	rs := c.put("replicasets.apps", a.tenant, set, at, kobject{
		"metadata": kobject{"labels": labels, "annotations": kobject{"deployment.kubernetes.io/revision": itoa(revision)},
			"ownerReferences": owner("apps/v1", "Deployment", a.app, uidOf(dep))},
		"spec":   kobject{"replicas": replicas, "selector": kobject{"matchLabels": kobject{"app": a.app}}, "template": kobject{"metadata": kobject{"labels": labels}, "spec": podSpec}},
		"status": kobject{"replicas": replicas, "readyReplicas": replicas}, "app": a.app})
	c.pods(a, set, uidOf(rs), image, podSpec, replicas, revision, at)
}

// pods replaces those of another ReplicaSet and fits their number.
func (c *cluster) pods(a *argoApp, set, setUID, image string, podSpec kobject, replicas, revision int, at time.Time) {
	have := 0
	for _, key := range slices.Sorted(maps.Keys(c.objects["pods"])) {
		pod := c.objects["pods"][key]
		if pod["tenant"] != a.tenant || pod["app"] != a.app {
			continue
		}
		if pod["set"] == set && have < replicas {
			have++
			continue
		}
		delete(c.objects["pods"], key)
	}
	for i := have; i < replicas; i++ {
		name := set + "-" + hash("pod", a.tenant, set, itoa(revision), itoa(i), at.String())[:5]
		start := at.Add(time.Duration(2+i) * time.Second)
		sp := maps.Clone(podSpec)
		sp["nodeName"] = nodeName(int(hash(name)[0]) % nodeCount)
		repo, sum, _ := strings.Cut(image, "@")
		c.put("pods", a.tenant, name, at.Add(time.Second), kobject{
			"metadata": kobject{"generateName": set + "-", "labels": kobject{"app": a.app, "tenant": a.tenant, "pod-template-hash": strings.TrimPrefix(set, a.app+"-")},
				"ownerReferences": owner("apps/v1", "ReplicaSet", set, setUID)},
			"spec": sp,
			"status": kobject{"phase": "Running", "startTime": stamp(at.Add(time.Second)), "podIP": fmt.Sprintf("10.42.%d.%d", len(a.tenant), 20+i),
				"containerStatuses": []any{kobject{"name": a.app, "image": image, "imageID": repo + "@" + sum, "containerID": "containerd://" + hash(name), "ready": true,
					"restartCount": 0, "started": true, "state": kobject{"running": kobject{"startedAt": stamp(start)}}}}},
			"tenant": a.tenant, "app": a.app, "set": set})
	}
}

// synced follows Argo CD: what a successful sync put there runs.
func (c *cluster) synced(a *argoApp, at time.Time) {
	c.rollout(a, image(c.w, a.tenant, a.app, a.live.version), at)
}

// drifted is a hand changing the image of what runs.
func (c *cluster) drifted(a *argoApp, at time.Time) {
	c.rollout(a, image(c.w, a.tenant, a.app, a.live.version+"-debug"), at)
}

// bind gives a role in a tenant's namespace to a person, or takes it away.
func (c *cluster) bind(a world.Act) error {
	who, ok := c.w.Person(a.To)
	if !ok {
		return fmt.Errorf("nobody is called %q", a.To)
	}
	const res = "rolebindings.rbac.authorization.k8s.io"
	name := "break-glass-" + a.Role
	if a.Do == world.Unbind {
		c.drop(res, a.Tenant, name)
		return nil
	}
	c.grant(a.Tenant, name, a.Role, a.At, []any{kobject{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": who.Email()}})
	return nil
}
