package kube

import (
	"strings"

	"evidenced/evidence"
)

// admin is the user in the certificate that K3s, OpenShift and others make for
// whoever sets a cluster up. People share it, though it is called like a part of
// Kubernetes.
const admin = "system:admin"

// Machine reports whether a user name belongs to a part of Kubernetes or to a
// service account.
func Machine(name string) bool { return strings.HasPrefix(name, "system:") && name != admin }

// User makes the person behind a Kubernetes user name. A cluster knows users by
// name alone; those of a [Machine] are marked as bots. A user name of a service
// account is better taken apart by [ServiceAccount]: no person stands behind it.
func User(authority, name string, role evidence.Role, proof evidence.Proof) evidence.Person {
	p := evidence.Person{Role: role, Realm: "kubernetes:" + authority, NativeID: name, Proof: proof, Names: evidence.Names{Login: name}}
	if name == "" {
		p.NativeID = "-" // a user without a name is one of no known identity
	}
	if at := strings.IndexByte(name, '@'); at > 0 && !strings.ContainsAny(name, " /:") {
		p.Names.Mail = name
	}
	p.Names.Bot, p.Names.Shared = Machine(name), name == admin
	return p
}

// ServiceAccount takes the user name of a service account apart:
// system:serviceaccount:NAMESPACE:NAME.
func ServiceAccount(user string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(user, "system:serviceaccount:")
	if !ok {
		return "", "", false
	}
	namespace, name, ok = strings.Cut(rest, ":")
	return namespace, name, ok && namespace != "" && name != ""
}
