package flux

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"evidenced/collectors/kube"
)

// The parts of Flux's resources that are read. Field names are those of the CRDs
// (https://fluxcd.io/flux/components/); everything else stays in the raw bytes.

// named is a reference to another object; without a namespace one of the same.
type named struct {
	APIVersion string `json:"apiVersion"` // of what an ExternalArtifact was made from
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Namespace  string `json:"namespace"`
}

// kubeConfig is how to reach another cluster.
type kubeConfig struct {
	SecretRef    *named `json:"secretRef"`
	ConfigMapRef *named `json:"configMapRef"`
}

// span is a duration as Go writes it; one that cannot be read is none.
type span time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (s *span) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		if d, err := time.ParseDuration(text); err == nil && d > 0 {
			*s = span(d)
		}
	}
	return nil
}

// common is what Kustomization and HelmRelease share.
type common struct {
	Spec struct {
		Suspend            bool        `json:"suspend"`
		Interval           span        `json:"interval"`
		KubeConfig         *kubeConfig `json:"kubeConfig"`
		ServiceAccountName string      `json:"serviceAccountName"`
		TargetNamespace    string      `json:"targetNamespace"`
		DependsOn          []named     `json:"dependsOn"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration    int64           `json:"observedGeneration"`
		Conditions            kube.Conditions `json:"conditions"`
		LastAppliedRevision   string          `json:"lastAppliedRevision"`
		LastAttemptedRevision string          `json:"lastAttemptedRevision"`
		LastHandled           string          `json:"lastHandledReconcileAt"`
		Inventory             *struct {
			Entries []struct {
				ID string `json:"id"`
			} `json:"entries"`
		} `json:"inventory"`
	} `json:"status"`
}

type kustomization struct {
	Spec struct {
		SourceRef  named    `json:"sourceRef"`
		Path       string   `json:"path"`
		Prune      bool     `json:"prune"`
		Force      bool     `json:"force"`
		Wait       bool     `json:"wait"`
		Components []string `json:"components"`
		Decryption *struct {
			Provider string `json:"provider"`
		} `json:"decryption"`
		HealthChecks []json.RawMessage `json:"healthChecks"`
		Ignore       []json.RawMessage `json:"ignore"` // from kustomize-controller 1.9 on
	} `json:"spec"`
	Status struct {
		LastAppliedOrigin string            `json:"lastAppliedOriginRevision"`
		History           []json.RawMessage `json:"history"`
	} `json:"status"`
}

// entry is one of a Kustomization's history.
type entry struct {
	raw json.RawMessage

	Digest   string     `json:"digest"`
	First    kube.Stamp `json:"firstReconciled"`
	Last     kube.Stamp `json:"lastReconciled"`
	Status   string     `json:"lastReconciledStatus"`
	Total    int64      `json:"totalReconciliations"`
	Metadata struct {
		Revision string `json:"revision"`
		Origin   string `json:"originRevision"`
	} `json:"metadata"`
}

type waiting struct {
	DisableWait bool `json:"disableWait"`
}

type helmRelease struct {
	Spec struct {
		Chart *struct {
			Spec struct {
				Chart       string   `json:"chart"`
				Version     string   `json:"version"`
				SourceRef   named    `json:"sourceRef"`
				ValuesFiles []string `json:"valuesFiles"`
			} `json:"spec"`
		} `json:"chart"`
		ChartRef       *named `json:"chartRef"`
		DriftDetection *struct {
			Mode   string            `json:"mode"`
			Ignore []json.RawMessage `json:"ignore"`
		} `json:"driftDetection"`
		Install  waiting `json:"install"`
		Upgrade  waiting `json:"upgrade"`
		Rollback waiting `json:"rollback"`
	} `json:"spec"`
	Status struct {
		HelmChart           string            `json:"helmChart"` // namespace/name
		LastAttemptedDigest string            `json:"lastAttemptedRevisionDigest"`
		History             []json.RawMessage `json:"history"`
		LastAction          string            `json:"lastAttemptedReleaseAction"`
		Failures            int64             `json:"failures"`
		LastReleaseRevision int64             `json:"lastReleaseRevision"`
	} `json:"status"`
}

// snapshot is one version of a release.
type snapshot struct {
	raw json.RawMessage

	Name         string     `json:"name"`
	Namespace    string     `json:"namespace"`
	Version      int64      `json:"version"`
	Status       string     `json:"status"`
	Action       string     `json:"action"`
	ChartName    string     `json:"chartName"`
	ChartVersion string     `json:"chartVersion"`
	First        kube.Stamp `json:"firstDeployed"`
	Last         kube.Stamp `json:"lastDeployed"`
	Deleted      kube.Stamp `json:"deleted"`
	OCIDigest    string     `json:"ociDigest"`
}

// entries reads a history, newest first. An error is that of the object.
func (k *kustomization) entries() (out []entry, err error) {
	for _, raw := range k.Status.History {
		e := entry{raw: raw}
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, errHistory
		}
		out = append(out, e)
	}
	slices.SortStableFunc(out, func(x, y entry) int { return y.Last.Compare(x.Last.Time) })
	return out, nil
}

// snapshots reads a history, newest first. Before v2beta2 there was none, and some
// servers hold null in it.
func (h *helmRelease) snapshots() (out []snapshot, err error) {
	for _, raw := range h.Status.History {
		s := snapshot{raw: raw}
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, errHistory
		}
		if s.Name != "" && s.Version > 0 {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(x, y snapshot) int { return cmp.Compare(y.Version, x.Version) })
	return out, nil
}

// errHistory leaves out what the decoder saw.
var errHistory = errors.New("the history cannot be read")

// sourceObject is any of the six kinds of sources.
type sourceObject struct {
	Spec struct {
		URL        string `json:"url"`
		Endpoint   string `json:"endpoint"`   // Bucket
		BucketName string `json:"bucketName"` // Bucket
		Prefix     string `json:"prefix"`     // Bucket
		Suspend    bool   `json:"suspend"`
		Ref        *struct {
			Branch string `json:"branch"`
			Tag    string `json:"tag"`
			SemVer string `json:"semver"`
			Name   string `json:"name"`
			Commit string `json:"commit"`
			Digest string `json:"digest"`
		} `json:"ref"`
		Verify *struct {
			Mode     string `json:"mode"`     // GitRepository
			Provider string `json:"provider"` // OCIRepository, HelmChart
		} `json:"verify"`
		// HelmChart:
		Chart     string `json:"chart"`
		Version   string `json:"version"`
		SourceRef named  `json:"sourceRef"`
	} `json:"spec"`
	Status struct {
		Conditions kube.Conditions `json:"conditions"`
		Artifact   *struct {
			Revision string `json:"revision"`
			Digest   string `json:"digest"`
			Checksum string `json:"checksum"` // before v1beta2
		} `json:"artifact"`
		SourceRevision string `json:"observedSourceArtifactRevision"` // HelmChart
	} `json:"status"`
}
