package main

import (
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	rbac "k8s.io/api/rbac/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"evidenced/cmd/internal/config"
	"evidenced/collectors/all"
)

// manifests are what kustomize makes of deploy/kubernetes.
type manifests struct{ resmap.ResMap }

// Lines that somebody takes the mark of a comment away from.
var (
	roles      = regexp.MustCompile(`(?m)^  # (- \.\./)`)
	components = regexp.MustCompile(`(?m)^# (components:|  - )`)
	sources    = regexp.MustCompile(`(?m)^  # (- name: |  )`)
)

// render runs kustomize over the folder as it stands in the repository, or with
// everything chosen that it offers.
func render(t *testing.T, everything bool) manifests {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(top+"deploy")); err != nil {
		t.Fatal(err)
	}
	if everything {
		edit(t, filepath.Join(dir, "kubernetes/kustomization.yaml"), func(s string) string {
			return components.ReplaceAllString(roles.ReplaceAllString(s, "  $1"), "$1")
		})
		edit(t, filepath.Join(dir, "kubernetes/evidenced.yaml"), func(s string) string { return sources.ReplaceAllString(s, "  $1") })
	}
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(dir, "kubernetes"))
	if err != nil {
		t.Fatal(err)
	}
	return manifests{m}
}

func edit(t *testing.T, file string, change func(string) string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := change(string(b))
	if changed == string(b) {
		t.Fatalf("%s offers nothing to choose", file)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// of returns the objects of a kind, each read strictly as its type.
func of[T any](t *testing.T, m manifests, kind string) (out []T) {
	t.Helper()
	for _, r := range m.Resources() {
		if r.GetKind() != kind {
			continue
		}
		b, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		var v T
		if err := yaml.UnmarshalStrict(b, &v); err != nil {
			t.Errorf("%s %s: %v", kind, r.GetName(), err)
		}
		out = append(out, v)
	}
	return out
}

// one returns the only object of a kind.
func one[T any](t *testing.T, m manifests, kind string) T {
	t.Helper()
	all := of[T](t, m, kind)
	if len(all) != 1 {
		t.Fatalf("%d objects of kind %s, want one", len(all), kind)
	}
	return all[0]
}

// configuration returns the file that the pod finds at the default path.
func (m manifests) configuration(t *testing.T) []byte {
	t.Helper()
	pod := one[apps.StatefulSet](t, m, "StatefulSet").Spec.Template.Spec
	cm := one[core.ConfigMap](t, m, "ConfigMap")
	for _, v := range pod.Volumes {
		if v.ConfigMap == nil {
			continue
		}
		if v.ConfigMap.Name != cm.Name {
			t.Fatalf("the pod mounts the ConfigMap %s, there is %s", v.ConfigMap.Name, cm.Name)
		}
		file := path.Join(mountOf(pod, v.Name), "evidenced.yaml")
		if file != defaultConfig {
			t.Fatalf("the configuration is %s, the program reads %s", file, defaultConfig)
		}
	}
	return []byte(cm.Data["evidenced.yaml"])
}

// mountOf returns where a volume of the pod is mounted; "" for nowhere.
func mountOf(pod core.PodSpec, volume string) string {
	for _, m := range pod.Containers[0].VolumeMounts {
		if m.Name == volume {
			return m.MountPath
		}
	}
	return ""
}

// The manifests are what the API server reads, and their names, labels, ports,
// folders and rights agree with each other, the configuration and the image.
func TestKubernetesManifests(t *testing.T) {
	for name, everything := range map[string]bool{"as they are": false, "with everything chosen": true} {
		t.Run(name, func(t *testing.T) {
			m := render(t, everything)
			c, err := config.Parse(defaultConfig, m.configuration(t), all.Specs())
			if err != nil {
				t.Fatal(err)
			}
			checkKnown(t, m)
			checkPod(t, m, c)
			checkVolumes(t, m, c)
			checkNetwork(t, m, c)
			checkRights(t, m, c)
			if everything {
				monitor := one[podMonitor](t, m, "PodMonitor")
				checkMonitor(t, m, monitor)
			}
		})
	}
}

const namespace = "evidenced"

// checkKnown holds the objects against the kinds that the other checks look at.
func checkKnown(t *testing.T, m manifests) {
	t.Helper()
	cluster := []string{"Namespace", "ClusterRole", "ClusterRoleBinding"}
	known := append([]string{"ServiceAccount", "ConfigMap", "Service", "StatefulSet", "NetworkPolicy", "PodMonitor", "PersistentVolumeClaim"}, cluster...)
	for _, r := range m.Resources() {
		kind := r.GetKind()
		if !slices.Contains(known, kind) {
			t.Errorf("nobody looks at %s %s", kind, r.GetName())
		}
		if !slices.Contains(cluster, kind) && r.GetNamespace() != namespace {
			t.Errorf("%s %s is in the namespace %q", kind, r.GetName(), r.GetNamespace())
		}
	}
	ns := one[core.Namespace](t, m, "Namespace")
	if ns.Name != namespace || ns.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
		t.Errorf("namespace %s with labels %v", ns.Name, ns.Labels)
	}
	if ns.Annotations["argocd.argoproj.io/sync-options"] != "Prune=false,Delete=false" || ns.Annotations["kustomize.toolkit.fluxcd.io/prune"] != "disabled" {
		t.Errorf("a sync may delete the namespace, and the evidence with it: %v", ns.Annotations)
	}
}

// checkPod holds the StatefulSet against the image and the restricted profile.
func checkPod(t *testing.T, m manifests, c *config.Config) {
	t.Helper()
	set := one[apps.StatefulSet](t, m, "StatefulSet")
	pod := set.Spec.Template.Spec
	if *set.Spec.Replicas != 1 || set.Spec.PodManagementPolicy != apps.ParallelPodManagement {
		t.Errorf("%d replicas, %s: want one that a pod which is not ready does not hold up", *set.Spec.Replicas, set.Spec.PodManagementPolicy)
	}
	for key, value := range set.Spec.Selector.MatchLabels {
		if set.Spec.Template.Labels[key] != value {
			t.Errorf("the selector wants %s=%s, the pod has %v", key, value, set.Spec.Template.Labels)
		}
	}
	if account := one[core.ServiceAccount](t, m, "ServiceAccount"); pod.ServiceAccountName != account.Name || !*pod.AutomountServiceAccountToken {
		t.Errorf("the pod runs as %s without its token or not as %s", pod.ServiceAccountName, account.Name)
	}
	for _, bad := range unrestricted(pod) {
		t.Errorf("the profile restricted refuses the pod: %s", bad)
	}
	ss := stages(t)
	uid, gid := userOf(t, ss[len(ss)-1])
	if sc := pod.SecurityContext; *sc.RunAsUser != int64(uid) || *sc.RunAsGroup != int64(gid) || *sc.FSGroup != int64(gid) || *sc.FSGroupChangePolicy != core.FSGroupChangeOnRootMismatch {
		t.Errorf("the pod runs as %d:%d, the image as %d:%d; volumes are given to %d (%s)", *sc.RunAsUser, *sc.RunAsGroup, uid, gid, *sc.FSGroup, *sc.FSGroupChangePolicy)
	}
	daemon := pod.Containers[0]
	if len(pod.Containers) != 1 || !*daemon.SecurityContext.ReadOnlyRootFilesystem || !slices.Equal(daemon.Args, []string{"serve"}) || len(daemon.Command) > 0 {
		t.Errorf("containers %+v, want one that serves on a root that cannot be written", pod.Containers)
	}
	_, port, err := net.SplitHostPort(c.Listen)
	if err != nil || len(daemon.Ports) != 1 || fmt.Sprint(daemon.Ports[0].ContainerPort) != port {
		t.Errorf("the container has the ports %v, the configuration listens on %s", daemon.Ports, c.Listen)
	}
	if host, _, _ := net.SplitHostPort(c.Listen); host != "" {
		t.Errorf("the node cannot ask for the health at %s", c.Listen)
	}
	for page, probe := range map[string]*core.Probe{"/healthz": daemon.StartupProbe, "/healthz ": daemon.LivenessProbe, "/readyz": daemon.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != strings.TrimSpace(page) || probe.HTTPGet.Port.String() != daemon.Ports[0].Name {
			t.Errorf("a probe of %s is %+v", page, probe)
		}
	}
	if p := daemon.StartupProbe; time.Duration(p.PeriodSeconds*p.FailureThreshold)*time.Second < 10*time.Minute {
		t.Errorf("a start is killed after %d seconds", p.PeriodSeconds*p.FailureThreshold)
	}
	limit := daemon.Resources.Limits.Memory().Value()
	var heap int64
	for _, e := range daemon.Env {
		if e.Name == "GOMEMLIMIT" {
			if _, err := fmt.Sscanf(e.Value, "%dMiB", &heap); err != nil {
				t.Errorf("GOMEMLIMIT %s: %v", e.Value, err)
			}
		}
	}
	if heap <<= 20; heap == 0 || heap > limit*9/10 || !daemon.Resources.Limits.Cpu().IsZero() {
		t.Errorf("Go may take %d bytes of %v", heap, daemon.Resources.Limits)
	}
}

// unrestricted returns what the profile restricted of the Pod Security Standards
// (https://kubernetes.io/docs/concepts/security/pod-security-standards/) refuses.
func unrestricted(pod core.PodSpec) (out []string) {
	no := func(bad bool, why string) {
		if bad {
			out = append(out, why)
		}
	}
	is := func(b *bool, want bool) bool { return b != nil && *b == want }
	no(pod.HostNetwork || pod.HostPID || pod.HostIPC, "shares namespaces of the node")
	for _, v := range pod.Volumes {
		s := v.VolumeSource
		no(s.ConfigMap == nil && s.Secret == nil && s.EmptyDir == nil && s.PersistentVolumeClaim == nil && s.Projected == nil && s.CSI == nil && s.DownwardAPI == nil && s.Ephemeral == nil,
			"volume "+v.Name+" is of a kind that is not allowed")
	}
	sc := pod.SecurityContext
	if sc == nil {
		return append(out, "no security context")
	}
	no(!is(sc.RunAsNonRoot, true) || sc.RunAsUser == nil || *sc.RunAsUser == 0, "may run as root")
	no(sc.SeccompProfile == nil || sc.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault, "no seccomp profile")
	no(len(sc.Sysctls) > 0 || sc.SELinuxOptions != nil || sc.AppArmorProfile != nil, "asks for sysctls, SELinux or AppArmor of its own")
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		s := c.SecurityContext
		if s == nil {
			out = append(out, c.Name+" has no security context")
			continue
		}
		no(s.Privileged != nil || s.ProcMount != nil || s.SELinuxOptions != nil || s.AppArmorProfile != nil || s.SeccompProfile != nil || s.RunAsNonRoot != nil || s.RunAsUser != nil,
			c.Name+" says otherwise than the pod")
		no(!is(s.AllowPrivilegeEscalation, false), c.Name+" may gain privileges")
		no(s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || len(s.Capabilities.Add) > 0, c.Name+" has capabilities")
		no(slices.ContainsFunc(c.Ports, func(p core.ContainerPort) bool { return p.HostPort != 0 }), c.Name+" has a port of the node")
	}
	return out
}

// checkVolumes holds the folders that the configuration names against the volumes:
// logs, keys and sign-state are each below a volume of their own that outlives the
// StatefulSet and that no backup of the cluster takes.
func checkVolumes(t *testing.T, m manifests, c *config.Config) {
	t.Helper()
	set := one[apps.StatefulSet](t, m, "StatefulSet")
	pod := set.Spec.Template.Spec
	const exclude = "velero.io/exclude-from-backup"
	var names []string
	under := map[string]string{"data": c.DataDir, "keys": c.Keys.Dir, "sign-state": c.Keys.SignStateDir}
	for _, claim := range set.Spec.VolumeClaimTemplates {
		names = append(names, claim.Name)
		mount := mountOf(pod, claim.Name)
		if dir, ok := strings.CutPrefix(under[claim.Name], mount+"/"); mount == "" || !ok || dir == "" {
			t.Errorf("%s is not below the volume %s at %q", under[claim.Name], claim.Name, mount)
		}
		if claim.Labels[exclude] != "true" || !slices.Equal(claim.Spec.AccessModes, []core.PersistentVolumeAccessMode{core.ReadWriteOncePod}) {
			t.Errorf("volume %s: labels %v, access %v", claim.Name, claim.Labels, claim.Spec.AccessModes)
		}
	}
	slices.Sort(names)
	if strings.Join(names, ",") != "data,keys,sign-state" || set.Spec.Template.Annotations["backup.velero.io/backup-volumes-excludes"] != "data,keys,sign-state" {
		t.Errorf("volumes %v, left out of copies %v", names, set.Spec.Template.Annotations)
	}
	if set.Labels[exclude] != "true" || set.Spec.Template.Labels[exclude] != "true" {
		t.Error("a restore would bring the StatefulSet back without its volumes")
	}
	if r := set.Spec.PersistentVolumeClaimRetentionPolicy; r.WhenDeleted != apps.RetainPersistentVolumeClaimRetentionPolicyType || r.WhenScaled != apps.RetainPersistentVolumeClaimRetentionPolicyType {
		t.Errorf("volumes go with the StatefulSet: %+v", r)
	}
	for _, claim := range of[core.PersistentVolumeClaim](t, m, "PersistentVolumeClaim") {
		i := slices.IndexFunc(pod.Volumes, func(v core.Volume) bool {
			return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim.Name
		})
		if i < 0 || mountOf(pod, pod.Volumes[i].Name) == "" {
			t.Errorf("nobody mounts %s", claim.Name)
		}
	}
	for _, named := range regexp.MustCompile(`(?m)^ .*_file: (.*)$`).FindAllSubmatch(m.configuration(t), -1) {
		if mount := mountOf(pod, "credentials"); path.Dir(string(named[1])) != mount {
			t.Errorf("%s is not in the Secret at %s", named[1], mount)
		}
	}
	for _, v := range pod.Volumes {
		if mountOf(pod, v.Name) == "" {
			t.Errorf("the volume %s is not mounted", v.Name)
		}
		if v.Secret != nil && !*v.Secret.Optional {
			t.Errorf("without the Secret %s the pod does not start", v.Secret.SecretName)
		}
	}
	for _, mount := range pod.Containers[0].VolumeMounts {
		if mount.SubPath != "" {
			t.Errorf("files of %s never change", mount.MountPath)
		}
	}
}

// checkNetwork holds service and network policy against the pod.
func checkNetwork(t *testing.T, m manifests, c *config.Config) {
	t.Helper()
	set := one[apps.StatefulSet](t, m, "StatefulSet")
	labels, port := set.Spec.Template.Labels, set.Spec.Template.Spec.Containers[0].Ports[0]
	service := one[core.Service](t, m, "Service")
	if set.Spec.ServiceName != service.Name || service.Spec.ClusterIP != core.ClusterIPNone || !service.Spec.PublishNotReadyAddresses {
		t.Errorf("service %s %+v for %s", service.Name, service.Spec, set.Spec.ServiceName)
	}
	policy := one[networking.NetworkPolicy](t, m, "NetworkPolicy")
	for _, selector := range []map[string]string{service.Spec.Selector, policy.Spec.PodSelector.MatchLabels} {
		for key, value := range selector {
			if labels[key] != value || len(selector) != 1 {
				t.Errorf("%v chooses not the pod with %v", selector, labels)
			}
		}
	}
	if p := service.Spec.Ports; len(p) != 1 || p[0].Port != port.ContainerPort || p[0].TargetPort.String() != port.Name {
		t.Errorf("service with ports %+v, the pod has %+v", p, port)
	}
	if !slices.Equal(policy.Spec.PolicyTypes, []networking.PolicyType{networking.PolicyTypeIngress, networking.PolicyTypeEgress}) {
		t.Errorf("the policy is for %v", policy.Spec.PolicyTypes)
	}
	in := policy.Spec.Ingress
	if len(in) != 1 || len(in[0].From) != 1 || in[0].From[0].NamespaceSelector == nil || len(in[0].Ports) != 1 || in[0].Ports[0].Port.String() != port.Name {
		t.Errorf("let in: %+v, want one namespace to %s", in, port.Name)
	}
	for _, out := range policy.Spec.Egress {
		if len(out.Ports) == 0 {
			t.Errorf("let out to every port: %+v", out)
		}
	}
}

// checkRights holds the rights that are given against the sources that are
// configured. That each role is exactly what its collector reads is tested with the
// collector; the files are the same.
func checkRights(t *testing.T, m manifests, c *config.Config) {
	t.Helper()
	want := []string{"evidenced-reader", "evidenced-reader-namespaces"}
	for _, s := range c.Sources {
		if strings.HasSuffix(string(s.Name), "/cluster") {
			want = append(want, "evidenced-reader-"+strings.ReplaceAll(s.Type, "-", ""))
		}
	}
	var got []string
	for _, r := range of[rbac.ClusterRole](t, m, "ClusterRole") {
		got = append(got, r.Name)
		if gathered := r.AggregationRule != nil; gathered != (r.Name == "evidenced-reader") || !gathered && r.Labels["rbac.evidenced/reader"] != "true" {
			t.Errorf("role %s gathers or is gathered: %v, %v", r.Name, r.AggregationRule, r.Labels)
		}
		for _, rule := range r.Rules {
			if !slices.Equal(rule.Verbs, []string{"get", "list", "watch"}) || slices.Contains(rule.Resources, "secrets") || slices.Contains(rule.Resources, "*") || slices.Contains(rule.APIGroups, "*") {
				t.Errorf("role %s: %v", r.Name, rule)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("roles %v, the sources need %v", got, want)
	}
	account := one[core.ServiceAccount](t, m, "ServiceAccount")
	b := one[rbac.ClusterRoleBinding](t, m, "ClusterRoleBinding")
	if len(b.Subjects) != 1 || b.Subjects[0].Name != account.Name || b.Subjects[0].Namespace != account.Namespace || b.RoleRef.Name != "evidenced-reader" {
		t.Errorf("binding of %+v to %+v", b.RoleRef, b.Subjects)
	}
}

// podMonitor is as much of monitoring.coreos.com/v1 as is used.
type podMonitor struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

func checkMonitor(t *testing.T, m manifests, monitor podMonitor) {
	t.Helper()
	pod := one[apps.StatefulSet](t, m, "StatefulSet").Spec.Template
	if e := monitor.Spec.Endpoints; len(e) != 1 || e[0].Port != pod.Spec.Containers[0].Ports[0].Name || e[0].Path != "/metrics" {
		t.Errorf("scrapes %+v", e)
	}
	for key, value := range monitor.Spec.Selector.MatchLabels {
		if pod.Labels[key] != value {
			t.Errorf("looks for %s=%s, the pod has %v", key, value, pod.Labels)
		}
	}
}

// The image with the configuration and the volumes of the manifests, as the kubelet
// hands them over: roots of volumes are root's and given to the group, files of
// Secrets too. It checks, serves, answers, stops and starts again.
func TestServesInThePod(t *testing.T) {
	m := render(t, false)
	pod := one[apps.StatefulSet](t, m, "StatefulSet").Spec.Template.Spec
	ca, _ := selfSigned(t)
	im := newImage(t, ca)
	owner := 0
	for _, mount := range pod.Containers[0].VolumeMounts {
		if !mount.ReadOnly {
			im.given(t, mount.MountPath, 0o775|os.ModeSetgid, owner)
		}
	}
	const account = "/var/run/secrets/kubernetes.io/serviceaccount/"
	im.file(t, account+"token", []byte("not.a.token"), 0o644)
	im.file(t, account+"ca.crt", ca, 0o644)
	text := strings.Replace(string(m.configuration(t)), `listen: ":9320"`, `listen: ":0"`, 1)
	im.file(t, defaultConfig, []byte(text), 0o644)
	// An API server that is not there.
	env := []string{"KUBERNETES_SERVICE_HOST=127.0.0.1", "KUBERNETES_SERVICE_PORT=1"}
	for _, e := range pod.Containers[0].Env {
		env = append(env, e.Name+"="+e.Value)
	}

	phrase := path.Join(mountOf(pod, "credentials"), "passphrase")
	im.file(t, phrase, []byte("a passphrase of a test, long enough"), 0o440)
	im.give(t, phrase, owner)

	if out := im.run(t, env, "config", "check"); !strings.HasPrefix(out, "ok ") {
		t.Errorf("config check says %q", out)
	}
	for range 2 {
		d := im.serve(t, env...)
		d.healthy(t, "/healthz")
		d.healthy(t, "/readyz")
		if out := im.run(t, env, "tenants"); !strings.Contains(out, "tenant-1") {
			t.Errorf("tenants says %q", out)
		}
		if out := im.run(t, env, "keyring", "backup", "-", "--passphrase-file", phrase); out == "" {
			t.Error("no copy of the keys comes out of the pod")
		}
		if took := d.stop(t); took > time.Duration(*pod.TerminationGracePeriodSeconds)*time.Second/2 {
			t.Errorf("a stop took %s of %d s", took, *pod.TerminationGracePeriodSeconds)
		}
	}
}
