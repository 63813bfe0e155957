// Package kube lists and watches Kubernetes objects, once for every collector
// that reads a cluster. A collector says which resources it wants and makes
// drafts of single objects; everything between the API server and the sink is
// here:
//
//   - Lists are read page by page and object by object, never held whole.
//     Objects are kept as received; what is taken out (managed fields, the
//     copy that kubectl keeps of what was applied, and what a resource asks to
//     remove) is named in Removed.
//   - A watch goes on from the list's resource version, with bookmarks, over
//     breaks of the connection and restarts on both sides. When the server no
//     longer has the history (410), the resource is listed anew and the time
//     between is blind, with its cause.
//   - A server that is still starting answers 404 in plain text, 500 and 429.
//     None of it is ever read as "deleted" or "not installed". A resource is
//     not installed when discovery answers in full, twice, from a server that
//     says it is ready, and does not name it.
//   - A refused list (401, 403) is said, claims nothing and ends nothing.
//   - States that a complete list lacks end. Events do not: a collector that
//     remembers them may say what such a list no longer shows (Resource.Listed).
//   - Namespaces are listed and watched for their labels, which say whose an
//     object is. An object is placed by the labels that were in force when it
//     was seen; when labels change, the namespace's objects are read again, so
//     that they move to the log of their new tenant.
//
// What it cannot: a watch tells the newest state of an object, not each one.
// Two changes in quick succession may arrive as one after a reconnect. What
// must not be missed needs the source's own history or the audit log.
package kube
