package kubeaudit

import "slices"

// kindOf returns the kind behind a resource's name in a path. The API server's
// log names resources only; those that are no built-in ones and that no
// collector of ours reads keep the resource's name as their kind.
func kindOf(group, resource string) string {
	if k := kindNames[group+"/"+resource]; k != "" {
		return k
	}
	return resource
}

var kindNames = map[string]string{
	"/pods": "Pod", "/secrets": "Secret", "/configmaps": "ConfigMap", "/serviceaccounts": "ServiceAccount", "/services": "Service",
	"/namespaces": "Namespace", "/nodes": "Node", "/persistentvolumes": "PersistentVolume", "/persistentvolumeclaims": "PersistentVolumeClaim",
	"/replicationcontrollers": "ReplicationController", "/endpoints": "Endpoints", "/events": "Event", "/limitranges": "LimitRange", "/resourcequotas": "ResourceQuota",
	"apps/deployments": "Deployment", "apps/statefulsets": "StatefulSet", "apps/daemonsets": "DaemonSet", "apps/replicasets": "ReplicaSet",
	"batch/jobs": "Job", "batch/cronjobs": "CronJob",
	"networking.k8s.io/networkpolicies": "NetworkPolicy", "networking.k8s.io/ingresses": "Ingress",
	rbacGroup + "/roles": "Role", rbacGroup + "/clusterroles": "ClusterRole", rbacGroup + "/rolebindings": "RoleBinding", rbacGroup + "/clusterrolebindings": "ClusterRoleBinding",
	"argoproj.io/applications": "Application", "argoproj.io/appprojects": "AppProject",
	"argoproj.io/workflows": "Workflow", "argoproj.io/cronworkflows": "CronWorkflow", "argoproj.io/workflowtemplates": "WorkflowTemplate", "argoproj.io/clusterworkflowtemplates": "ClusterWorkflowTemplate",
	"kustomize.toolkit.fluxcd.io/kustomizations": "Kustomization", "helm.toolkit.fluxcd.io/helmreleases": "HelmRelease",
	"source.toolkit.fluxcd.io/gitrepositories": "GitRepository", "source.toolkit.fluxcd.io/ocirepositories": "OCIRepository", "source.toolkit.fluxcd.io/helmrepositories": "HelmRepository",
	"source.toolkit.fluxcd.io/helmcharts": "HelmChart", "source.toolkit.fluxcd.io/buckets": "Bucket",
	"cilium.io/ciliumnetworkpolicies": "CiliumNetworkPolicy", "cilium.io/ciliumclusterwidenetworkpolicies": "CiliumClusterwideNetworkPolicy", "cilium.io/ciliumcidrgroups": "CiliumCIDRGroup",
	"velero.io/backups": "Backup", "velero.io/restores": "Restore", "velero.io/schedules": "Schedule", "velero.io/backupstoragelocations": "BackupStorageLocation",
	"cert-manager.io/certificates": "Certificate", "cert-manager.io/certificaterequests": "CertificateRequest", "cert-manager.io/issuers": "Issuer", "cert-manager.io/clusterissuers": "ClusterIssuer",
	"kyverno.io/clusterpolicies": "ClusterPolicy", "kyverno.io/policies": "Policy", "kyverno.io/policyexceptions": "PolicyException",
	"policies.kyverno.io/validatingpolicies": "ValidatingPolicy", "policies.kyverno.io/namespacedvalidatingpolicies": "NamespacedValidatingPolicy",
	"policies.kyverno.io/imagevalidatingpolicies": "ImageValidatingPolicy", "policies.kyverno.io/namespacedimagevalidatingpolicies": "NamespacedImageValidatingPolicy",
	"policies.kyverno.io/policyexceptions":                           "PolicyException",
	"admissionregistration.k8s.io/validatingadmissionpolicies":       "ValidatingAdmissionPolicy",
	"admissionregistration.k8s.io/validatingadmissionpolicybindings": "ValidatingAdmissionPolicyBinding",
	"templates.gatekeeper.sh/constrainttemplates":                    "ConstraintTemplate",
	"external-secrets.io/externalsecrets":                            "ExternalSecret", "external-secrets.io/secretstores": "SecretStore", "external-secrets.io/clustersecretstores": "ClusterSecretStore",
}

// clusterOnly are resources that stand outside namespaces and say nothing of
// what is in them.
var clusterOnly = []string{
	"/nodes", "/namespaces", "/persistentvolumes", "/componentstatuses",
	"apiextensions.k8s.io/customresourcedefinitions", "apiregistration.k8s.io/apiservices",
	"certificates.k8s.io/certificatesigningrequests", "storage.k8s.io/storageclasses", "storage.k8s.io/csidrivers", "storage.k8s.io/csinodes", "storage.k8s.io/volumeattachments",
	"scheduling.k8s.io/priorityclasses", "node.k8s.io/runtimeclasses", "networking.k8s.io/ingressclasses",
	"flowcontrol.apiserver.k8s.io/flowschemas", "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations",
	"admissionregistration.k8s.io/mutatingwebhookconfigurations", "admissionregistration.k8s.io/validatingwebhookconfigurations",
	"admissionregistration.k8s.io/validatingadmissionpolicies", "admissionregistration.k8s.io/validatingadmissionpolicybindings",
	"authentication.k8s.io/tokenreviews", "authentication.k8s.io/selfsubjectreviews",
	"authorization.k8s.io/subjectaccessreviews", "authorization.k8s.io/selfsubjectaccessreviews", "authorization.k8s.io/selfsubjectrulesreviews",
}

// reachesAll reports whether a request without a namespace reached into every
// one: a list across all of them, and anything about cluster roles.
func reachesAll(r objectRef) bool {
	switch {
	case r.Resource == "" || r.Namespace != "":
		return false
	case r.APIGroup == rbacGroup:
		return true
	}
	return r.Name == "" && !slices.Contains(clusterOnly, r.APIGroup+"/"+r.Resource)
}
