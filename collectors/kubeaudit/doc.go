// Package kubeaudit reads the audit log of a Kubernetes API server: who did
// what, as the server itself wrote it down. Lines come from the server's files
// or are sent by it to a listener; format is audit.k8s.io/v1, one Event to a
// line (https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/).
//
// # What is kept
//
// An API server writes millions of lines a day, nearly all of them machines
// that look. [Config].Keep says which lines become evidence; the rest is
// counted, by what it was, in the notes of each look. Of a request the end is
// kept, the start too when it may go on for hours (exec, watch), and a panic.
//
// # What is never kept
//
// Objects that a line carries are cut down to kind, name and uid before
// anything is written anywhere, the listener's spool included: they hold
// secrets, and names of people whom nothing else in the line tells. A line that
// carried a Secret or a token is told as such, and its bytes are dropped.
//
// # Coverage
//
// Between two sightings of our own probe, a list of namespaces whose Audit-Id
// must turn up. Without an API address there is no probe: lines of files are
// then reconstructed, lines that were sent are instants, because a webhook
// whose buffer is full drops events and says nothing.
package kubeaudit
