// Package statement is what people say about a tenant's controls: waivers,
// scope statements and attestations. None of them is evidence, and none changes
// what the evidence says.
//
//   - A waiver accepts failures of a control's tests for a while. It stands
//     beside the finding, whose status stays.
//   - A scope statement says that a control does not apply. Where a test finds
//     nothing to look at, its finding is not-applicable for as long as the
//     statement is in force, in place of gap.
//   - An attestation is a person's word on a control that no source answers,
//     perhaps with a document. It is shown beside, as a person's word.
//
// A statement is a text (see [Statement.Text]), made by one person and approved
// by another, who must be proven to be two: by their signatures over the text,
// or by a reviewed commit that holds it. It acts from its record on, never
// before, and says until when. The log keeps the text and what proves the
// approval; who is who is asked anew at each use, so two accounts that turn out
// to be one person's take a statement's effect away.
//
// The package reads logs and makes drafts. Signatures and git are checked by
// its callers.
package statement
