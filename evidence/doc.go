// Package evidence says what evidence is: tenants, references, people, kinds
// and the facts of each kind, drafts, records, observations, coverage and
// findings. It holds no storage and does no I/O, and imports the standard
// library alone, so that everything else can stand on it.
//
// Evidence moves one way. A collector emits a [Draft]: a fact, the bytes it
// came from, a stable key and the source's own time. The tenant's log seals it
// into a [Record]. Every act of looking leaves an [Observation], from which
// the log's coverage is made, so that "nothing happened" is never confused
// with "we were not looking". Mappings judge records and coverage and yield a
// [Finding]. Reports print them.
package evidence
