// Package kubernetes reads what a cluster runs and who may do what in it:
// namespaces, workloads, pods with the digests they really run, nodes and
// where they stand, roles and bindings. Lists and watches are those of
// collectors/kube; here are the facts.
//
// Every draft is made of one object alone, never of what was seen before, so
// that it comes out the same after a restart. A pod's Deployment is read from
// the pod itself: a ReplicaSet is named for its Deployment and for the hash
// that each of its pods has as a label.
//
// # Secrets
//
// No Secret is ever read. Which Secrets a pod takes is read from its
// declaration, by name. Values of environment variables, commands, arguments,
// probes and the last words of containers may hold secrets, so they are taken
// out of what is kept, and named in Removed.
//
// # Whose
//
// What stands in a namespace belongs to it. Nodes, cluster roles and their
// bindings reach into every namespace; their scope is the namespace *, and
// each tenant that owns a namespace gets a record.
package kubernetes
