// Package evidencetest is what tests of judging and reporting stand on: a
// tenant's log in memory, a clock that only moves when told, and golden files.
//
// [Log] implements [evidence.Reader] over drafts. It seals nothing, but it
// keeps the rules of a real log that a reader can notice: sequence numbers
// without holes, person records at first sight, one record for a repeated
// event, an amend record for a changed one, no record for an unchanged state.
// Tokens, ids and hashes are made from what they stand for, so that the same
// drafts give the same records in every run.
package evidencetest
