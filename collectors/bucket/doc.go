// Package bucket reads small objects for collectors: the result files that a
// tool leaves in object storage, or in a directory that mirrors it.
//
// It only reads. The client refuses every method but GET and HEAD, so that
// even a credential that may write is never used to write. An object is read
// whole, up to a size the caller gives, and gzip is unpacked up to a second
// size, so that a file of a few kilobytes cannot become gigabytes in memory.
//
// What an answer means is kept apart, because a caller draws conclusions from
// it: [ErrAbsent] is "the storage says it is not there" and nothing else; a
// refused credential is problem.Credential, and a storage that may not list
// answers that way for what is not there too; [ErrTooLarge] and [ErrDamaged]
// say that there is something, of which nothing can be said.
package bucket
