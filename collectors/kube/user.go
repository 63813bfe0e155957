package kube

import (
	"strings"

	"evidenced/evidence"
)

// User makes the person behind a Kubernetes user name. A cluster knows users by
// name alone; names that begin with system: belong to parts of Kubernetes and
// are marked as bots. A user name of a service account is better taken apart by
// [ServiceAccount]: no person stands behind it.
func User(authority, name string, role evidence.Role, proof evidence.Proof) evidence.Person {
	p := evidence.Person{Role: role, Realm: "kubernetes:" + authority, NativeID: name, Proof: proof, Names: evidence.Names{Login: name}}
	if name == "" {
		p.NativeID = "-" // a user without a name is one of no known identity
	}
	if at := strings.IndexByte(name, '@'); at > 0 && !strings.ContainsAny(name, " /:") {
		p.Names.Mail = name
	}
	p.Names.Bot = strings.HasPrefix(name, "system:")
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
