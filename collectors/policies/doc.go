// Package policies reads policy engines of a cluster: Kyverno, Gatekeeper and
// Kubernetes' own policies of admission. It tells the policies in force
// (policy.rule), what is excepted from them (policy.exception), and what they
// found (policy.result), out of PolicyReports and Gatekeeper's constraints.
//
// # Results
//
// A result is the state of one rule at one thing. An engine writes its reports
// anew at each scan, with new times: that is no news. What a report no longer
// holds ends with the reason "dropped": the thing went, the policy went, or it no
// longer applies; nobody says which.
//
// The same reports come in the groups wgpolicyk8s.io and openreports.io. What
// both tell is one state, and openreports.io tells it.
//
// A denied request leaves no report: what was refused never existed. That is in
// the audit log of the API server.
//
// # What engines leave unchecked
//
// Gatekeeper's Config, Kyverno's ConfigMap and the webhook configurations of both may
// leave out a namespace that a policy seems to cover. Each is a state of policy.rule
// beside the policies, which tells a tenant of its own namespaces alone. What Kyverno
// leaves out is told as not known while its ConfigMap is not read, and for policies that
// verify images while its mutating webhooks may not be read.
//
// # What is not measured
//
// An empty answer is no good one. Where neither a report nor a constraint is
// there, where Kyverno's policies are there and none of its reports is, and where
// a report counts more than it lists, results are blind, with that cause. A
// constraint that counts more violations than it lists (Gatekeeper lists the first
// 20) says so itself.
//
// # Kinds of constraints
//
// Each ConstraintTemplate of Gatekeeper makes a resource of its own. Templates are
// read first, and when there is a kind more the reading goes on with it. One that
// went is read once more, as absent, so that what it told ends.
package policies
