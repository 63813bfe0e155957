// Package flux reads the custom resources of Flux: what each Kustomization and
// HelmRelease declares and runs (deploy.state), and every reconciliation that
// changed something or failed (deploy.sync). Sources (GitRepository,
// OCIRepository, HelmRepository, HelmChart, Bucket) are read for what they say of
// the revisions: their repository, the signature that is asked for and the digest
// of what was fetched. It reads no Secret, no Helm storage and no Event.
//
// # Names
//
// An application is called namespace/Kind/name: a Kustomization and a HelmRelease
// may share a name, and Argo CD's namespace/name is never taken for either. A
// revision main@sha1:ID is the commit ID, as Argo CD writes it; what Flux wrote
// stands beside it. The digest of an OCI artifact is an image, that of a bucket or
// a chart version is neither.
//
// # Syncs
//
// A Kustomization's history has an entry for each digest of manifests and outcome,
// the newest five. The entry is written in place: time, count and revision of its
// last reconciliation. A sync is an entry, or the same entry with another revision,
// or one that comes up again after another: its key is the object's uid, the begin
// and digest of the entry and the revision. What was reconciled again without any
// of that is no news. When it is not known which of an entry's reconciliations
// brought the revision, the sync occurred by the last of them and not before the
// first.
//
// A HelmRelease's history has an entry for each version of the release since the
// last good one. The version's key is the uid, the release, its version and first
// deployment; its outcome is amended.
//
// What comes to no entry (manifests that cannot be built, a source without an
// artifact, servers that keep no history) is seen in the condition Ready alone, one
// slot that the next reconciliation overwrites.
//
// # Verdicts
//
// While the controller is at work Ready is Unknown, at each interval: as long as
// nothing else changed, the verdict before it holds. A suspended object is compared
// by nobody, so whether it is in sync is unknown. Health is known where Flux waits
// for it.
//
// # What cannot be known
//
// No object names who asked. What was deployed is authorised by the review of its
// commit; who suspended, resumed or changed an object is in the audit log of the
// API server.
package flux
