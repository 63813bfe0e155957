package externalsecrets

import (
	"encoding/json"
	"time"

	"evidenced/collectors/kube"
)

// The parts of the operator's resources that are read, of the versions
// external-secrets.io/v1 and v1beta1, which agree on them, and v1alpha1 of
// PushSecret (https://external-secrets.io/latest/api/spec/). They are written
// down here because the operator's own module brings every provider's client
// with it. What is not named here stays in the raw bytes.

type storeRef struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

func (r storeRef) withDefaults() storeRef {
	if r.Kind == "" {
		r.Kind = kindStore
	}
	return r
}

// source overrides the store of one entry, or names a generator.
type source struct {
	StoreRef     *storeRef       `json:"storeRef"`
	GeneratorRef json.RawMessage `json:"generatorRef"`
}

type remoteRef struct {
	Key      string `json:"key"`
	Property string `json:"property"`
	Version  string `json:"version"`
}

type externalSecret struct {
	Spec struct {
		SecretStoreRef  storeRef `json:"secretStoreRef"`
		RefreshInterval *string  `json:"refreshInterval"`
		RefreshPolicy   string   `json:"refreshPolicy"`
		SyncWindows     struct {
			Kind string `json:"kind"`
		} `json:"syncWindows"`
		Target struct {
			Name      string          `json:"name"`
			Manifest  json.RawMessage `json:"manifest"` // something else than a Secret
			Immutable bool            `json:"immutable"`
		} `json:"target"`
		Data []struct {
			RemoteRef remoteRef `json:"remoteRef"`
			SourceRef *source   `json:"sourceRef"`
		} `json:"data"`
		DataFrom []struct {
			Extract   *remoteRef      `json:"extract"`
			Find      json.RawMessage `json:"find"`
			SourceRef *source         `json:"sourceRef"`
		} `json:"dataFrom"`
	} `json:"spec"`
	Status status `json:"status"`
}

type status struct {
	RefreshTime           *time.Time      `json:"refreshTime"`
	SyncedResourceVersion string          `json:"syncedResourceVersion"`
	Conditions            kube.Conditions `json:"conditions"`
	Binding               struct {
		Name string `json:"name"`
	} `json:"binding"`
}

type pushSecret struct {
	Spec struct {
		RefreshInterval *string    `json:"refreshInterval"`
		SecretStoreRefs []storeRef `json:"secretStoreRefs"`
		Selector        struct {
			Secret struct {
				Name     string          `json:"name"`
				Selector json.RawMessage `json:"selector"`
			} `json:"secret"`
			GeneratorRef json.RawMessage `json:"generatorRef"`
		} `json:"selector"`
		Data []struct {
			Match struct {
				RemoteRef struct {
					RemoteKey string `json:"remoteKey"`
					Property  string `json:"property"`
				} `json:"remoteRef"`
			} `json:"match"`
		} `json:"data"`
		DataTo []json.RawMessage `json:"dataTo"`
	} `json:"spec"`
	Status status `json:"status"`
}

type secretStore struct {
	Spec struct {
		Provider   map[string]json.RawMessage `json:"provider"` // one member, named for the provider
		Conditions []struct {
			Namespaces        []string       `json:"namespaces"`
			NamespaceSelector *labelSelector `json:"namespaceSelector"`
			NamespaceRegexes  []string       `json:"namespaceRegexes"`
		} `json:"conditions"`
	} `json:"spec"`
	Status struct {
		Conditions kube.Conditions `json:"conditions"`
	} `json:"status"`
}

type accountRef struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// vaultProvider is the provider "vault", which serves OpenBao too, and
// "openBao", which newer operators have and which is a part of it.
type vaultProvider struct {
	Server    string                     `json:"server"`
	Path      string                     `json:"path"`
	Version   string                     `json:"version"`
	Namespace string                     `json:"namespace"`
	Auth      map[string]json.RawMessage `json:"auth"` // one method, and perhaps its namespace
}

// vaultAuth is any of the methods; each uses a few of the members.
type vaultAuth struct {
	MountPath                     string      `json:"mountPath"` // kubernetes
	Path                          string      `json:"path"`      // the others
	Role                          string      `json:"role"`
	VaultRole                     string      `json:"vaultRole"` // iam and cert
	Username                      string      `json:"username"`
	ServiceAccountRef             *accountRef `json:"serviceAccountRef"`
	KubernetesServiceAccountToken *struct {
		ServiceAccountRef *accountRef `json:"serviceAccountRef"`
	} `json:"kubernetesServiceAccountToken"`
}

// labelSelector is as much of a selector as names labels. One of another form makes its
// store unreadable: whose what it names is could not be told.
type labelSelector struct {
	MatchLabels      map[string]string `json:"matchLabels"`
	MatchExpressions []struct {
		Key    string   `json:"key"`
		Values []string `json:"values"`
	} `json:"matchExpressions"`
}
