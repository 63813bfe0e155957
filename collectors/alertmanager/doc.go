// Package alertmanager collects what an Alertmanager knows: every alert that
// fires, what hides it, and the silences, by its API v2
// (https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml).
//
// # Alerts
//
// An Alertmanager keeps no history: an alert that was resolved is gone from the
// list within seconds, and so is one that was not told to it again. So an alert
// is a state, from its start (its sender's word) to the first complete look that
// does not show it; the look before stands beside. endsAt of an alert that fires
// is the Alertmanager's guess of when it will forget it, and is never kept. The
// same alert with another start is another instance.
//
// # Restarts
//
// What fires is kept in memory alone. After a restart the list is empty until
// the senders have told everything again, so while every peer began less than
// settle ago nothing ends, and what is not listed counts as not seen. An alert
// that was listed before a restart of all of them, and is not after it, ends with
// a reason of its own: nobody can tell whether it was resolved. One that is told
// again later, with the same start, is that instance again.
//
// # Peers
//
// Each peer of a cluster lists what it was told; senders tell all of them. The
// same alert of several peers is one. While a peer does not answer, nothing ends
// and nothing is claimed: what it alone was told is not known.
//
// # Silences
//
// Silences are shared between peers and kept on disk, and stay listed for days
// after they expired. One that was made and expired between two looks is told
// all the same. Who made it is a text its maker wrote: a claim. The comment is
// kept where the silence concerns one tenant alone.
//
// # Whose it is
//
// An alert belongs to whom its tenant label names, else its namespace label,
// else to the owner of the cluster's own namespace. A silence concerns the
// tenants that its matchers of these labels name; a condition that cannot be
// listed ("tenant-.*"), or that excludes, may hide alerts of everybody, and
// everybody is told.
//
// # What is not kept
//
// Annotations, links, the Alertmanager's configuration, and labels that the
// configuration does not name: they may hold anything, secrets too. Raw bytes are
// not kept for the same reason; the hash of the answer stands with each record.
package alertmanager
