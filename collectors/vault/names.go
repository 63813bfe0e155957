package vault

import (
	"strings"

	"evidenced/evidence"
)

// Names of this source for other collectors that speak of the same things, so
// that their links join. authority is the last part of a Vault source's name.

// SecretRef names a secret by its path as its owner knows it: the mount first,
// and for KV version 2 without data/. namespace is the Vault namespace, empty
// for the root.
func SecretRef(authority, namespace, path string) evidence.Ref {
	return nameRef("secret", authority, namespace, hideMails(clean([]byte(strings.Trim(path, "/")))))
}

// RoleRef names a role of an auth method by the method's mount without auth/.
// Users of methods for people have no name that another source could know.
func RoleRef(authority, namespace, mount, role string) evidence.Ref {
	return nameRef("role", authority, namespace, "auth/"+clean([]byte(strings.Trim(mount, "/")))+"/"+clean([]byte(role)))
}

// Login is who logs in with a name at an auth method whose mount is given
// without auth/. Nobody was seen doing so: the name is claimed.
func Login(authority, namespace, mount, name string) evidence.Person {
	where := joinPath(strings.Trim(clean([]byte(namespace)), "/"), "auth/"+clean([]byte(strings.Trim(mount, "/"))))
	return evidence.Person{
		Role: evidence.RoleHolder, Realm: "vault:" + authority + "/login", NativeID: cut(where+"/"+name, 200),
		Names: names(name, ""), Proof: evidence.ProofClaimed,
	}
}

func nameRef(scheme, authority, namespace, name string) evidence.Ref {
	return evidence.NewRef(scheme, authority, shorten(joinPath(strings.Trim(clean([]byte(namespace)), "/"), name)))
}
