// Package externalsecrets reads the custom resources of the External Secrets
// Operator: which remote secrets it copies into which Kubernetes Secret, and
// back (secret.sync), and from where and as whom it fetches them
// (secret.store). It reads no Secret and no remote secret.
//
// # Joins
//
// A sync links the copy it fills, its store, and each remote secret by the name
// that the Vault collector gives it: the mount first, without KV's data/. The
// store says the mount and the server, and the configuration which Vault source
// that server is, so a sync is joined to its secrets once its store was seen.
// Stores are therefore listed first and remembered.
//
// # What the facts are worth
//
// refreshed_at is the newest successful refresh, moved by every one of them: it
// begins no new state and proves no changed value. ready_since moves when the
// verdict flips. A rotated secret has reached the cluster when refreshed_at is
// later than the new version and the sync is ready. Ready with an old refresh
// means that the controller stands still, unless the policy is CreatedOnce or
// the interval 0, where an old one is meant. A failing refresh leaves the old
// copy in place. Pods do not notice a changed copy by themselves.
//
// The value of a template, of a fake provider and of a webhook's parts is taken
// out before anything is looked at: people write secrets there.
package externalsecrets
