// Apiserver is a Kubernetes API server for tests: custom resources by
// k8s.io/apiextensions-apiserver, plain stores for the core types that
// collectors read, and an embedded etcd that outlives a restart. There are no
// controllers and no kubelet: what is created stays as it was written.
//
// It prints its address on standard output when it listens, and goes down when
// its standard input is closed, so that it never outlives a test.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apiserver"
	"k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/token/tokenfile"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/discovery/aggregated"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kube-openapi/pkg/common"

	noop "go.opentelemetry.io/otel/trace/noop"
)

func main() {
	dir := flag.String("dir", "", "data directory; etcd and the serving certificate outlive a restart there")
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	if err := run(*dir, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "apiserver:", err)
		os.Exit(1)
	}
}

func run(dir, listen string) error {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	db, err := startEtcd(filepath.Join(dir, "etcd"))
	if err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	defer db.Close()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	s, err := newServer(ctx, dir, l, "http://"+db.Clients[0].Addr().String())
	if err != nil {
		return err
	}
	fmt.Printf("https://%s\n", l.Addr())
	return s.PrepareRun().RunWithContext(ctx)
}

// startEtcd serves one member on loopback ports of the system's choice.
func startEtcd(dir string) (*embed.Etcd, error) {
	c := embed.NewConfig()
	c.Dir, c.LogLevel, c.EnableGRPCGateway = dir, "error", false
	// The bookmarks of a resource that nothing happens to stand on these: kubeadm
	// asks for one each five seconds, and tests would wait for it.
	c.WatchProgressNotifyInterval = time.Second
	any, err := embedURL()
	if err != nil {
		return nil, err
	}
	c.ListenClientUrls, c.AdvertiseClientUrls = any, any
	c.ListenPeerUrls, c.AdvertisePeerUrls = any, any
	c.InitialCluster = c.InitialClusterFromName("")
	e, err := embed.StartEtcd(c)
	if err != nil {
		return nil, err
	}
	select {
	case <-e.Server.ReadyNotify():
		return e, nil
	case err := <-e.Err():
		return nil, err
	case <-time.After(time.Minute):
		e.Close()
		return nil, fmt.Errorf("not ready after a minute")
	}
}

// tokens are the credentials of the tests: an administrator, a reader, and one
// whom nothing is allowed.
var tokens = map[string]*user.DefaultInfo{
	"admin":  {Name: "admin", Groups: []string{user.SystemPrivilegedGroup}},
	"reader": {Name: "system:serviceaccount:evidenced:evidenced", Groups: []string{"readers"}},
	"nobody": {Name: "nobody"},
}

// authorize lets administrators do anything, and readers read anything but
// Secrets.
func authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	groups := sets.New(a.GetUser().GetGroups()...)
	read := a.GetVerb() == "get" || a.GetVerb() == "list" || a.GetVerb() == "watch"
	switch {
	case groups.Has(user.SystemPrivilegedGroup), read && !a.IsResourceRequest():
		return authorizer.DecisionAllow, "", nil
	case groups.Has("readers") && read && a.GetResource() != "secrets":
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "not a reader", nil
}

// newServer makes the server: core types in front, custom resources behind.
func newServer(ctx context.Context, dir string, l net.Listener, etcd string) (*genericapiserver.GenericAPIServer, error) {
	groups := aggregated.NewResourceManager("apis")
	back, backEtcd, err := config(dir, l, etcd, "/registry/apiextensions", &customCodecs)
	if err != nil {
		return nil, err
	}
	back.AggregatedDiscoveryGroupManager = groups
	back.MergedResourceConfig = apiextensions.DefaultAPIResourceConfigSource()
	front, _, err := config(dir, l, etcd, "/registry/core", &coreCodecs)
	if err != nil {
		return nil, err
	}
	front.AggregatedDiscoveryGroupManager = groups
	// Both are one server: one certificate, one client to itself.
	front.SecureServing, front.LoopbackClientConfig = back.SecureServing, back.LoopbackClientConfig
	client, err := kubernetes.NewForConfig(back.LoopbackClientConfig)
	if err != nil {
		return nil, err
	}
	front.SharedInformerFactory = informers.NewSharedInformerFactory(client, 0)
	back.SharedInformerFactory = front.SharedInformerFactory

	custom := apiextensions.Config{GenericConfig: back, ExtraConfig: apiextensions.ExtraConfig{
		CRDRESTOptionsGetter: options.NewCRDRESTOptionsGetter(*backEtcd, nil, back.StorageObjectCountTracker),
		MasterCount:          1,
		ServiceResolver:      webhook.NewDefaultServiceResolver(),
		AuthResolverWrapper:  webhook.NewDefaultAuthenticationInfoResolverWrapper(nil, nil, back.LoopbackClientConfig, noop.NewTracerProvider()),
	}}
	crds, err := custom.Complete().New(genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, fmt.Errorf("custom resources: %w", err)
	}
	s, err := front.Complete().New("kube-apiserver", crds.GenericAPIServer)
	if err != nil {
		return nil, fmt.Errorf("core: %w", err)
	}
	return s, installCore(s, front.RESTOptionsGetter)
}

// config is what both servers have in common.
func config(dir string, l net.Listener, etcd, prefix string, c *codecs) (*genericapiserver.RecommendedConfig, *genericoptions.EtcdOptions, error) {
	rc := genericapiserver.NewRecommendedConfig(c.factory)
	run := genericoptions.NewServerRunOptions()
	if err := run.Complete(); err != nil {
		return nil, nil, err
	}
	if err := run.ApplyTo(&rc.Config); err != nil {
		return nil, nil, err
	}
	serving := genericoptions.NewSecureServingOptions().WithLoopback()
	serving.Listener = l
	serving.ServerCert.CertDirectory, serving.ServerCert.PairName = filepath.Join(dir, "pki"), "apiserver"
	if err := serving.MaybeDefaultWithSelfSignedCerts("127.0.0.1", nil, []net.IP{net.IPv4(127, 0, 0, 1)}); err != nil {
		return nil, nil, err
	}
	if err := serving.ApplyTo(&rc.SecureServing, &rc.LoopbackClientConfig); err != nil {
		return nil, nil, err
	}
	store := genericoptions.NewEtcdOptions(storagebackend.NewDefaultConfig(prefix, c.storage))
	store.StorageConfig.Transport.ServerList = []string{etcd}
	if err := store.ApplyTo(&rc.Config); err != nil {
		return nil, nil, err
	}
	rc.Authentication.Authenticator = group.NewAuthenticatedGroupAdder(bearertoken.New(authenticator.Token(tokenfile.New(tokens))))
	rc.Authorization.Authorizer = authorizer.AuthorizerFunc(authorize)
	rc.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(common.GetOpenAPIDefinitions(c.definitions), c.names)
	return rc, store, nil
}
