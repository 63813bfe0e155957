// Package timestamp asks for RFC 3161 time-stamp tokens over signed
// checkpoints and verifies them. It does no I/O: whoever calls it carries
// request and answer, and says which roots are trusted.
//
// # What is stamped
//
// The imprint of a checkpoint is SHA-256 over
//
//	the note's text
//	an empty line
//	the log's own signature line: "— NAME BASE64", with its line feed
//
// so a token speaks of the log's signature and not only of a root that anybody
// could have named, and stays right when witnesses add their lines later.
//
// # What a token must be
//
// A token is a DER SignedData (RFC 5652) around a TSTInfo (RFC 3161 section
// 2.4.2), with exactly one signature, by a certificate that is inside. [Verify]
// checks, each with an answer of its own: form and size; the signed attributes
// (content type, message digest, signing certificate as RFC 2634 or RFC 5035
// name it); the signature over them; that the certificate is for time-stamping
// and for nothing else, and says so critically (RFC 3161 section 2.3); that it
// leads to the given roots at the token's own time; imprint, policy and nonce.
//
// # What is not checked
//
// Revocation: no list or responder is asked, because a verifier works offline
// and years later. An authority whose key was stolen is taken out of the
// roots by the auditor. SHA-1 is accepted in one place alone, where a token
// names its own certificate by it (RFC 2634), which needs a second preimage to
// abuse. RSA-PSS signatures are refused.
//
// # Why no library reads tokens here
//
// The usual library (digitorus/timestamp on digitorus/pkcs7) repairs BER before
// it reads, ignores errors on the way, takes the first of repeated attributes,
// allows SHA-1, checks no certificate and no content type, and keeps a global
// that is written by every reader. What an auditor runs should do none of that.
// The tests use it as an authority and as a second opinion.
package timestamp
