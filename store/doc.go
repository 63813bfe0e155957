// Package store keeps evidence: one append-only, hash-chained log per tenant.
//
// A [Store] reads nothing itself; [Store.Log] hands out one tenant's [Log],
// whose methods take no tenant. A log seals drafts into records, drops what it
// has already, compares a state with its neighbours in time, and acknowledges
// when the records are durable. Bytes go to a [Backend], which takes sealed
// input and knows nothing of its meaning; keys come from a [Keyring].
//
// # Order of durability
//
// Keys are durable before the first record that uses them; records before the
// acknowledgement; the sign-state before a checkpoint is published; the index
// follows later and can be thrown away.
//
// # Stopping
//
// A failed write stops the log of that tenant: the kernel may have dropped the
// dirty pages of a failed fsync, so it is never retried. Reading goes on, and
// so do the other tenants.
package store
