// Package remedy is what a failed item is owed: who sees to it, why it failed,
// what is done about it and by when. It is a plan of action and milestones (as
// OSCAL knows it) kept as records of a tenant's log.
//
// A plan accepts nothing and changes no status, so nobody has to approve it. It
// is for items that a recorded finding names as failed when the plan is made;
// what fails later has none. A later record of the same name takes the place of
// the one before, and where several plans are for one item the newest counts.
// All of them stay in the log.
//
// That something is done may be said, and counts for nothing: a plan closes
// when the recorded findings no longer name its items. How they went is told
// apart, because an item that is simply no longer looked at was not mended (see
// [Ending]).
//
// People stand in a record as tokens. What is said in words, a role or a team
// as the owner too, stands in the text claim, a JSON object {"team", "cause_detail",
// "remedy", "ticket", "reason"}, and is lost with anybody of the record who is
// erased. The rest stays.
package remedy
