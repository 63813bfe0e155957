// Package incident is the record of an incident in no regulator's words: its
// fields, its acts and how they add up to what is known now.
//
// Nothing is ever edited. Every act (declared, updated, aware since, decided,
// sent, received, closed) is one record of the tenant's log, with who and
// when, and what is known is the sum of the acts up to a log size. [Load] sums
// them up; [Drafts] makes the drafts of an act after checking it against what
// is known, so an incident cannot be closed before it was declared, nor a
// report be received that was never sent.
//
// Times of the world (when it happened, when somebody became aware) stand in
// the facts of an act; the record's own times are those of the act. An act
// about the past therefore keeps both.
//
// One incident of the platform that hits tenants has its home in _platform and
// a part in each tenant's log: an incident of its own, under an id of its own,
// that names no other tenant.
//
// Free text and telephone numbers stand in the text claim, people among the
// record's people. Erasing a person takes the texts of the records that name
// the person; what was lost then is named, see [Incident.Lost].
package incident
