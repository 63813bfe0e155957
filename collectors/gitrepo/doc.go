// Package gitrepo collects from any git repository, local or remote, without
// the help of a forge: which commits exist, where branches and tags point, and
// when a branch was rewritten.
//
// # What plain git can prove
//
// Git says who claims to have written a commit and when they claim to have
// done it. It does not say who pushed, who merged or when: the author,
// committer and tagger of an object are text that anybody can write. So every
// person here is of realm "git:claimed" with proof claimed, a merge commit is a
// change.commit with merge set (never a change.merge), and a commit's dates are
// claims beside the bracket that was observed: NotBefore is the last look that
// did not show it, ObservedAt the look that did.
//
// # Looks
//
// A look reads the refs once and then walks from the new heads down to what
// was known, so its cost follows what is new. Commits are emitted parents
// first. What was emitted is therefore closed under "parent of", and its tips
// describe it: after every 5,000 drafts the resume holds these tips and a cut
// look continues from there. A commit may be emitted twice (the log drops it
// by its key) and is never left out: it is left out only where a chain of
// parent links from a known head reaches it, never because of its date.
//
// A former head that the branch's new head does not descend from, and a branch
// that is gone, are each a change.rewrite with the commits that no branch
// reaches any more. The answer to "does it descend" is exact: dates only order
// the search.
//
// # Coverage
//
// Refs are instants: between two looks a branch may have moved twice, or been
// rewritten and put back, and git keeps no record of it. So change.ref,
// change.tag and change.rewrite claim the instant of the look and no more.
// Commits are different, because a branch keeps its own history: whatever a
// branch holds now came to it since the last look or was there. So
// change.commit is continuous from the last complete look to this one, read as
// "every commit that a watched branch or tag holds at this look"; a commit that
// was pushed and forced away again between two looks was never seen and is not
// claimed. History before the first look is reconstructed: it was read later.
// A repository in which an object could not be read is blind for change.commit
// until it can, and that object is named in every look.
//
// # Names
//
// Branch and tag names often hold logins (alice/fix). Only names that match
// the configured patterns (named) are written as they are; any other ref
// stands as refs/heads/~ and 16 hex digits of a hash over repository and name,
// the same in every look, so its history can be followed. A mail address of a
// commit's own people inside a changed path is replaced by {mail}. Other names
// of people inside paths are not recognised.
//
// # Safety
//
// Repositories are data. Nothing is checked out, no hook, filter, submodule or
// external program runs, the only network is the configured URL, and every
// file is opened beneath the repository's own directory; alternates that point
// outside are refused. Objects are checked against their id when read.
package gitrepo
