// Package argocd reads Argo CD: what each application declares and runs
// (deploy.state), every sync operation (deploy.sync), and what each project
// allows (deploy.project).
//
// Two doors lead to the same objects. Over Argo CD's REST API it reads
// GET /api/v1/applications and /api/v1/projects in full, GET /api/version once a
// run, and while following GET /api/v1/stream/applications between two lists. It
// never sets refresh, which would make Argo CD reconcile. Over the Kubernetes
// API server it lists and watches applications and appprojects (door.go,
// collectors/kube). Both make the same drafts with the same keys and read each
// other's position. Answers are decoded with the types of argo-cd v2; what newer
// servers add is read from the bytes.
//
// # Syncs
//
// One operation is one event. Argo CD shows it in two places: the history,
// which holds successful full syncs alone and by default the last ten, and the
// one operation slot, the only place for failed, selective, dry-run and
// self-heal syncs, which the next operation overwrites. Both show the same
// start, so the key is uid/start; of several operations that start within one
// second (times have whole seconds) the second has uid/start~2. Entries of old
// servers without a start have uid/h/id. Each sight with news is emitted
// again; the log makes amends of it. What was seen of recent operations stays
// in the resume, so a look at the history alone never takes back what the slot
// had shown.
//
// An operation occurred when it started; its end is a fact. The initiator is
// authenticated: the API server writes whom it logged in. A name beside
// "automated" was written by a tool, without a login, and counts as a bot's
// claim.
//
// # States
//
// A state begins at the source's own time only if that time explains every
// part that changed: the end of a sync, or the transition of the health.
// Otherwise it is observed, and began after the last sighting (NotBefore).
// "OutOfSync" never has a time of its own in Argo CD. A list that does not show
// an application leaves its end to the runner, as absent; only the stream's
// DELETED says deleted. Since the server leaves out silently what the account
// may not see, it is asked (account/can-i) before a missing application or
// project counts as gone; else the run is partial, "scope shrank".
//
// # Coverage
//
//   - deploy.state, instants: each full list. Not claimed for projects that
//     Argo CD itself has not reconciled for stale_after: its verdicts are frozen
//     then, which is blind, however often we look.
//   - deploy.sync, instants: each full list.
//   - deploy.sync, continuous: between two lists over which the stream was
//     unbroken, for projects where the list showed no operation that the stream
//     had not delivered, no jump of history ids, and no operation that was
//     overwritten before its end was seen. Looks alone never give it: a failed
//     sync may be overwritten, or an application made, synced and deleted
//     between two looks, and neither leaves a trace.
//   - deploy.sync, reconstructed: at the first look, as far back as every
//     application's history reaches.
//   - deploy.sync, blind: history ids jumped or started again, or an
//     operation's end was overwritten unseen.
//
// The server subscribes a stream to changes only after it has sent its list,
// so a stream counts from its first change, not from its opening. It drops
// changes without a word when about 1,000 wait for a slow reader; a reader
// here that falls behind calls the stream broken. What remains: changes that
// the server loses before they reach the subscription. The watch of the
// Kubernetes door has none of these holes: there both kinds are continuous
// while it is unbroken, but for history ids that jumped, operations that were
// overwritten before their end, and frozen verdicts.
package argocd
