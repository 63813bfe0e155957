package kubernetes

import (
	"maps"
	"slices"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// podSpec is the part of a pod's declaration that is read. Fields are those of
// core/v1 PodSpec
// (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/).
type podSpec struct {
	ServiceAccountName  string      `json:"serviceAccountName"`
	NodeName            string      `json:"nodeName"`
	HostNetwork         bool        `json:"hostNetwork"`
	Containers          []container `json:"containers"`
	InitContainers      []container `json:"initContainers"`
	EphemeralContainers []container `json:"ephemeralContainers"`
	ImagePullSecrets    []named     `json:"imagePullSecrets"`
	Volumes             []volume    `json:"volumes"`
}

type named struct {
	Name string `json:"name"`
}

type container struct {
	Name    string `json:"name"`
	Image   string `json:"image"`
	EnvFrom []struct {
		SecretRef *named `json:"secretRef"`
	} `json:"envFrom"`
	Env []struct {
		ValueFrom *struct {
			SecretKeyRef *named `json:"secretKeyRef"`
		} `json:"valueFrom"`
	} `json:"env"`
	SecurityContext *struct {
		Privileged *bool `json:"privileged"`
	} `json:"securityContext"`
}

// volume is one source of files. Drivers of storage take their own passwords
// from Secrets too; those that stand in a secretRef are read alike.
type volume struct {
	Secret *struct {
		SecretName string `json:"secretName"`
	} `json:"secret"`
	Projected *struct {
		Sources []struct {
			Secret *named `json:"secret"`
		} `json:"sources"`
	} `json:"projected"`
	CSI *struct {
		Driver               string            `json:"driver"`
		VolumeAttributes     map[string]string `json:"volumeAttributes"`
		NodePublishSecretRef *named            `json:"nodePublishSecretRef"`
	} `json:"csi"`
	AzureFile *struct {
		SecretName string `json:"secretName"`
	} `json:"azureFile"`
	Image *struct {
		Reference string `json:"reference"`
	} `json:"image"` // from Kubernetes 1.31 on
	CephFS     *withSecret `json:"cephfs"`
	Cinder     *withSecret `json:"cinder"`
	FlexVolume *withSecret `json:"flexVolume"`
	ISCSI      *withSecret `json:"iscsi"`
	RBD        *withSecret `json:"rbd"`
	ScaleIO    *withSecret `json:"scaleIO"`
	StorageOS  *withSecret `json:"storageos"`
}

type withSecret struct {
	SecretRef *named `json:"secretRef"`
}

// podSpecSecrets lists what may hold secrets below a pod's declaration, as
// JSON pointers.
func podSpecSecrets(at string) []string {
	ps := []string{at + "/volumes/*/csi/volumeAttributes/objects", at + "/volumes/*/flexVolume/options", at + "/volumes/*/gitRepo/repository"}
	for _, list := range []string{"/containers", "/initContainers", "/ephemeralContainers"} {
		c := at + list + "/*"
		ps = append(ps, c+"/env/*/value", c+"/command", c+"/args", c+"/lifecycle")
		for _, probe := range []string{"/livenessProbe", "/readinessProbe", "/startupProbe"} {
			ps = append(ps, c+probe+"/exec", c+probe+"/httpGet/httpHeaders")
		}
	}
	return ps
}

// lastWords are texts that a container left or a runtime wrote about it.
var lastWords = func() (ps []string) {
	for _, list := range []string{"container", "initContainer", "ephemeralContainer"} {
		for _, state := range []string{"/state", "/lastState"} {
			ps = append(ps, "/status/"+list+"Statuses/*"+state+"/*/message")
		}
	}
	return ps
}()

// maxSecrets bounds the names of Secrets in one draft's facts.
const maxSecrets = 500

// secrets returns the names of the Secrets that the pod takes, and of the
// SecretProviderClasses through which a driver mounts secrets from elsewhere,
// both sorted.
func (p *podSpec) secrets() (names, providers []string) {
	found, classes := map[string]bool{}, map[string]bool{}
	add := func(n *named) {
		if n != nil && n.Name != "" {
			found[n.Name] = true
		}
	}
	for i := range p.ImagePullSecrets {
		add(&p.ImagePullSecrets[i])
	}
	for _, list := range [][]container{p.Containers, p.InitContainers, p.EphemeralContainers} {
		for _, c := range list {
			for _, e := range c.EnvFrom {
				add(e.SecretRef)
			}
			for _, e := range c.Env {
				if e.ValueFrom != nil {
					add(e.ValueFrom.SecretKeyRef)
				}
			}
		}
	}
	for _, v := range p.Volumes {
		v.secrets(add, classes)
	}
	names, providers = slices.Sorted(maps.Keys(found)), slices.Sorted(maps.Keys(classes))
	return names[:min(len(names), maxSecrets)], providers[:min(len(providers), maxSecrets)]
}

func (v *volume) secrets(add func(*named), classes map[string]bool) {
	if v.Secret != nil {
		add(&named{v.Secret.SecretName})
	}
	if v.Projected != nil {
		for _, s := range v.Projected.Sources {
			add(s.Secret)
		}
	}
	if v.AzureFile != nil {
		add(&named{v.AzureFile.SecretName})
	}
	if v.CSI != nil {
		add(v.CSI.NodePublishSecretRef)
		if c := v.CSI.VolumeAttributes["secretProviderClass"]; v.CSI.Driver == "secrets-store.csi.k8s.io" && c != "" {
			classes[c] = true
		}
	}
	for _, d := range []*withSecret{v.CephFS, v.Cinder, v.FlexVolume, v.ISCSI, v.RBD, v.ScaleIO, v.StorageOS} {
		if d != nil {
			add(d.SecretRef)
		}
	}
}

// imageVolumes returns the images whose files are mounted, sorted. Nothing of them
// is run as a container, so no container tells of them.
func (p *podSpec) imageVolumes() []string {
	var images []string
	for _, v := range p.Volumes {
		if v.Image != nil && v.Image.Reference != "" {
			images = append(images, v.Image.Reference)
		}
	}
	slices.Sort(images)
	images = slices.Compact(images)
	return images[:min(len(images), maxContainers)]
}

// account is the service account the pod runs as; a pod that names none runs
// as its namespace's default one.
func (p *podSpec) account() string {
	if p.ServiceAccountName == "" {
		return "default"
	}
	return p.ServiceAccountName
}

func (p *podSpec) privileged() bool {
	for _, list := range [][]container{p.Containers, p.InitContainers, p.EphemeralContainers} {
		for _, c := range list {
			if c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged {
				return true
			}
		}
	}
	return false
}

// maxContainers bounds the containers in one draft's facts; a pod of more
// would not fit into an object of the API server.
const maxContainers = 1000

// declared returns the containers as they are asked for, init containers first.
func (p *podSpec) declared() []evidence.ContainerFacts {
	var cs []evidence.ContainerFacts
	for i, list := range [][]container{p.InitContainers, p.Containers, p.EphemeralContainers} {
		for _, c := range list {
			if len(cs) < maxContainers {
				cs = append(cs, evidence.ContainerFacts{Name: c.Name, Init: i == 0, Image: c.Image})
			}
		}
	}
	return cs
}

// refs adds the join keys that a pod and a pod template have alike.
func (p *podSpec) refs(ls *links, l *kube.Look, namespace string, names, providers []string) {
	ls.add(l.Ref("", "ServiceAccount", namespace, p.account()))
	for _, list := range [][]container{p.Containers, p.InitContainers, p.EphemeralContainers} {
		for _, c := range list {
			for _, r := range imageRefs(c.Image) {
				ls.add(r)
			}
		}
	}
	for _, n := range names {
		ls.add(l.Ref("", "Secret", namespace, n))
	}
	for _, n := range providers {
		ls.add(l.Ref("secrets-store.csi.x-k8s.io", "SecretProviderClass", namespace, n))
	}
}
