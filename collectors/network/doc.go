// Package network reads what the network rules of a cluster say: NetworkPolicies
// of Kubernetes, policies of Cilium, and the namespaces that they are about. Each
// object becomes one state (network.policy) in one form, whatever its kind: whom
// it selects, for which direction it isolates them, whom it lets in and out.
//
// # Meaning
//
// The form says what the object means by the definition of its kind
// (https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/,
// https://docs.cilium.io/en/stable/security/policy/):
//
//   - A NetworkPolicy isolates for the directions of policyTypes; without them
//     for ingress, and for egress when it has rules for it. An empty podSelector
//     is every pod. A rule without peers is about whoever there is, a direction
//     without rules lets nobody pass. What stands in one peer holds together,
//     peers are alternatives.
//   - A policy of Cilium holds a rule set in spec, and more in specs. It isolates
//     for a direction that has rules, unless enableDefaultDeny says otherwise;
//     without rules it isolates for none, whatever that says. A rule without peers
//     and ports is about nobody; one with ports alone is about whoever there is; an
//     empty list of peers is nobody, but for groups, services and names, where it
//     is none. Ports that name none let nothing pass. Denial beats allowance.
//     Peers without a namespace are those of the policy's own, or, in a
//     cluster-wide policy, of all.
//
// What is not understood (a member that this program does not know, an operator,
// a kind of another group) is said to be so, and nothing is concluded from it.
//
// # Joins
//
// A peer chosen by labels of namespaces takes in those that had the labels when
// the object was read. When namespaces change, the policies whose peers change
// with them are read again. Nothing else is taken from other objects.
//
// # Whose
//
// What stands in a namespace belongs to it. Rules of the cluster reach into every
// namespace; each tenant that owns one gets a record, in which other tenants'
// namespaces, and the parts that are about these alone, are left out and counted.
//
// # What it is not
//
// An object is intent, not effect. Whether the network enforces it depends on
// what runs there; no traffic is seen.
package network
