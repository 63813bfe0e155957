package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apiserver"
	generated "k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/util"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// resource is a core type with a plain store.
type resource struct {
	gv       schema.GroupVersion
	name     string
	singular string
	cluster  bool
	object   runtime.Object
	list     runtime.Object
}

var resources = []resource{
	{corev1.SchemeGroupVersion, "namespaces", "namespace", true, &corev1.Namespace{}, &corev1.NamespaceList{}},
	{corev1.SchemeGroupVersion, "nodes", "node", true, &corev1.Node{}, &corev1.NodeList{}},
	{corev1.SchemeGroupVersion, "pods", "pod", false, &corev1.Pod{}, &corev1.PodList{}},
	{corev1.SchemeGroupVersion, "secrets", "secret", false, &corev1.Secret{}, &corev1.SecretList{}},
	{corev1.SchemeGroupVersion, "serviceaccounts", "serviceaccount", false, &corev1.ServiceAccount{}, &corev1.ServiceAccountList{}},
	{appsv1.SchemeGroupVersion, "deployments", "deployment", false, &appsv1.Deployment{}, &appsv1.DeploymentList{}},
	{appsv1.SchemeGroupVersion, "statefulsets", "statefulset", false, &appsv1.StatefulSet{}, &appsv1.StatefulSetList{}},
	{appsv1.SchemeGroupVersion, "daemonsets", "daemonset", false, &appsv1.DaemonSet{}, &appsv1.DaemonSetList{}},
	{appsv1.SchemeGroupVersion, "replicasets", "replicaset", false, &appsv1.ReplicaSet{}, &appsv1.ReplicaSetList{}},
	{batchv1.SchemeGroupVersion, "jobs", "job", false, &batchv1.Job{}, &batchv1.JobList{}},
	{batchv1.SchemeGroupVersion, "cronjobs", "cronjob", false, &batchv1.CronJob{}, &batchv1.CronJobList{}},
	{rbacv1.SchemeGroupVersion, "roles", "role", false, &rbacv1.Role{}, &rbacv1.RoleList{}},
	{rbacv1.SchemeGroupVersion, "rolebindings", "rolebinding", false, &rbacv1.RoleBinding{}, &rbacv1.RoleBindingList{}},
	{rbacv1.SchemeGroupVersion, "clusterroles", "clusterrole", true, &rbacv1.ClusterRole{}, &rbacv1.ClusterRoleList{}},
	{rbacv1.SchemeGroupVersion, "clusterrolebindings", "clusterrolebinding", true, &rbacv1.ClusterRoleBinding{}, &rbacv1.ClusterRoleBindingList{}},
	{networkingv1.SchemeGroupVersion, "networkpolicies", "networkpolicy", false, &networkingv1.NetworkPolicy{}, &networkingv1.NetworkPolicyList{}},
}

// codecs is what one of the two servers encodes with, for clients and for
// etcd, and how it describes its types.
type codecs struct {
	factory     serializer.CodecFactory
	storage     runtime.Codec
	names       *openapi.DefinitionNamer
	definitions func(common.ReferenceCallback) map[string]common.OpenAPIDefinition
}

var customCodecs = codecs{
	factory:     apiextensions.Codecs,
	storage:     apiextensions.Codecs.LegacyCodec(apiextensionsv1beta1.SchemeGroupVersion, apiextensionsv1.SchemeGroupVersion),
	names:       openapi.NewDefinitionNamer(apiextensions.Scheme),
	definitions: generated.GetOpenAPIDefinitions,
}

var (
	coreScheme = newCoreScheme()
	coreCodecs = newCoreCodecs()
)

// newCoreScheme registers each type both as its version and as the internal
// form: nothing is converted, what is stored is what was sent.
func newCoreScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, rbacv1.AddToScheme, networkingv1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	for _, r := range resources {
		s.AddKnownTypes(schema.GroupVersion{Group: r.gv.Group, Version: runtime.APIVersionInternal}, r.object, r.list)
		if err := s.SetVersionPriority(r.gv); err != nil {
			panic(err)
		}
	}
	s.AddUnversionedTypes(schema.GroupVersion{Version: "v1"}, &metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	return s
}

func newCoreCodecs() codecs {
	factory := serializer.NewCodecFactory(coreScheme)
	return codecs{
		factory: factory,
		storage: factory.LegacyCodec(corev1.SchemeGroupVersion, appsv1.SchemeGroupVersion, batchv1.SchemeGroupVersion, rbacv1.SchemeGroupVersion, networkingv1.SchemeGroupVersion),
		names:   openapi.NewDefinitionNamer(coreScheme),
		definitions: func(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
			defs := maps.Clone(generated.GetOpenAPIDefinitions(ref))
			// A server that keeps what it is sent needs to know no more of a
			// type than that it is an object.
			for _, r := range resources {
				for _, o := range []runtime.Object{r.object, r.list} {
					defs[util.GetCanonicalTypeName(o)] = common.OpenAPIDefinition{Schema: spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{"object"}}}}
				}
			}
			return defs
		},
	}
}

// installCore serves the core types.
func installCore(s *genericapiserver.GenericAPIServer, getter generic.RESTOptionsGetter) error {
	infos := map[string]*genericapiserver.APIGroupInfo{}
	var groups []*genericapiserver.APIGroupInfo
	for _, r := range resources {
		info := infos[r.gv.Group]
		if info == nil {
			i := genericapiserver.NewDefaultAPIGroupInfo(r.gv.Group, coreScheme, runtime.NewParameterCodec(coreScheme), coreCodecs.factory)
			info = &i
			info.VersionedResourcesStorageMap[r.gv.Version] = map[string]rest.Storage{}
			infos[r.gv.Group] = info
			if r.gv.Group != "" {
				groups = append(groups, info)
			}
		}
		store, err := r.store(getter)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		info.VersionedResourcesStorageMap[r.gv.Version][r.name] = store
	}
	if err := s.InstallLegacyAPIGroup(genericapiserver.DefaultLegacyAPIPrefix, infos[""]); err != nil {
		return err
	}
	return s.InstallAPIGroups(groups...)
}

func (r resource) store(getter generic.RESTOptionsGetter) (*store, error) {
	gr := r.gv.WithResource(r.name).GroupResource()
	st := plain{ObjectTyper: coreScheme, NameGenerator: names.SimpleNameGenerator, cluster: r.cluster}
	s := &store{singular: r.singular, Store: &registry.Store{
		NewFunc:     func() runtime.Object { return fresh(r.object) },
		NewListFunc: func() runtime.Object { return fresh(r.list) },
		PredicateFunc: func(l labels.Selector, f fields.Selector) storage.SelectionPredicate {
			return storage.SelectionPredicate{Label: l, Field: f, GetAttrs: attributes}
		},
		DefaultQualifiedResource:  gr,
		SingularQualifiedResource: r.gv.WithResource(r.singular).GroupResource(),
		CreateStrategy:            st, UpdateStrategy: st, DeleteStrategy: st,
		TableConvertor: rest.NewDefaultTableConvertor(gr),
	}}
	return s, s.CompleteWithOptions(&generic.StoreOptions{RESTOptions: getter, AttrFunc: attributes})
}

func fresh(o runtime.Object) runtime.Object {
	return reflect.New(reflect.TypeOf(o).Elem()).Interface().(runtime.Object)
}

func attributes(o runtime.Object) (labels.Set, fields.Set, error) {
	m, err := meta.Accessor(o)
	if err != nil {
		return nil, nil, err
	}
	return m.GetLabels(), fields.Set{"metadata.name": m.GetName(), "metadata.namespace": m.GetNamespace()}, nil
}

// store is a generic store with the name of one object.
type store struct {
	*registry.Store
	singular string
}

// GetSingularName implements rest.SingularNameProvider.
func (s *store) GetSingularName() string { return s.singular }

// plain keeps objects as they were sent. It counts generations of everything
// but the metadata, as most types do.
type plain struct {
	runtime.ObjectTyper
	names.NameGenerator
	cluster bool
}

func (p plain) NamespaceScoped() bool { return !p.cluster }

func (plain) PrepareForCreate(_ context.Context, o runtime.Object) {
	if m, err := meta.Accessor(o); err == nil {
		m.SetGeneration(1)
	}
}

func (plain) PrepareForUpdate(_ context.Context, o, old runtime.Object) {
	m, err := meta.Accessor(o)
	if err != nil {
		return
	}
	before, err := meta.Accessor(old)
	if err != nil {
		return
	}
	m.SetGeneration(before.GetGeneration())
	if !reflect.DeepEqual(body(o), body(old)) {
		m.SetGeneration(before.GetGeneration() + 1)
	}
}

// body is an object without its metadata.
func body(o runtime.Object) map[string]any {
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil
	}
	delete(m, "metadata")
	return m
}

func (plain) Validate(context.Context, runtime.Object) field.ErrorList { return nil }
func (plain) ValidateUpdate(context.Context, runtime.Object, runtime.Object) field.ErrorList {
	return nil
}
func (plain) WarningsOnCreate(context.Context, runtime.Object) []string { return nil }
func (plain) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}
func (plain) Canonicalize(runtime.Object)    {}
func (plain) AllowCreateOnUpdate() bool      { return false }
func (plain) AllowUnconditionalUpdate() bool { return true }

// embedURL is a loopback address with a port of the system's choice.
func embedURL() ([]url.URL, error) {
	u, err := url.Parse("http://127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return []url.URL{*u}, nil
}
