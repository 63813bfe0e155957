// Package lineage joins the records of one log into chains: from a commit over
// its review, its pipeline and its image to what runs, the secrets that were
// given to it and who read them; from a certificate to who issued it and what
// an endpoint showed; from a backup to the test of its restore.
//
// A chain is made of things ([Node]) and links ([Link]). Every link is read
// from one record that names both ends, and says which field of it does. So a
// link found from one end is found from the other: A leads forward to B exactly
// when B leads backward to A. Nothing is joined by likeness; what only claims
// to belong together (a label that a builder wrote) is marked claimed, what
// shares a name that can be moved (a tag, a host) is marked name.
//
// # Time
//
// A state links for as long as it is in force, a deployment until the next one
// of its application, a use (a secret read) at its moment. What was made stays
// made: a commit, a merge, a build link at any time, once they happened before
// the end of what is asked about. A path holds only where all its links hold at
// one moment, so a commit that an application ran in spring does not lead to
// the pods of summer. A state that was seen late may have begun any time since
// the look before, and counts from there.
//
// Asked about an instant, uses within a stretch around it are told with what
// held at the instant.
//
// A claimed time (a commit's own date) orders nothing.
//
// # Things without a uid
//
// Many records know a thing by name alone, and a name may be used again. The
// thing by name and each thing of that name are linked as one ([StepSame]) for
// as long as the latter existed; a path never goes from one bearer of a name to
// another. Where more than one remains, the trace says that it is ambiguous.
//
// # What is not there
//
// A link that one would expect and that no record makes is a [Missing], and
// says why: the source that would tell was looked at throughout (no record),
// was not looked at for some of the time (not observed), or there is none (not
// configured).
//
// # Cost
//
// Records are asked for by the references they hold, never in a row: what a
// trace costs grows with what it finds. Limits are counted and said.
package lineage
