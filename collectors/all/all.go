// Package all is the one list of the sources this program can read. It links
// every collector with its client libraries, so only cmd/evidenced imports it.
package all

import (
	"evidenced/collectors"
	"evidenced/collectors/alertmanager"
	"evidenced/collectors/alertrules"
	"evidenced/collectors/argocd"
	"evidenced/collectors/certmanager"
	"evidenced/collectors/certs"
	"evidenced/collectors/externalsecrets"
	"evidenced/collectors/flux"
	"evidenced/collectors/github"
	"evidenced/collectors/gitlab"
	"evidenced/collectors/gitrepo"
	"evidenced/collectors/harbor"
	"evidenced/collectors/kubeaudit"
	"evidenced/collectors/kubernetes"
	"evidenced/collectors/network"
	"evidenced/collectors/policies"
	"evidenced/collectors/terraform"
	"evidenced/collectors/vault"
	"evidenced/collectors/velero"
	"evidenced/collectors/workflows"
)

// Specs are the kinds of sources, by name.
func Specs() []collectors.Spec {
	return []collectors.Spec{
		alertrules.Spec(),
		alertmanager.Spec(),
		argocd.Spec(),
		certmanager.Spec(),
		certs.Spec(),
		externalsecrets.Spec(),
		flux.Spec(),
		gitrepo.Spec(),
		github.Spec(),
		gitlab.Spec(),
		harbor.Spec(),
		kubernetes.Spec(),
		kubeaudit.Spec(),
		network.Spec(),
		policies.Spec(),
		terraform.Spec(),
		vault.Spec(),
		velero.Spec(),
		workflows.Spec(),
	}
}
