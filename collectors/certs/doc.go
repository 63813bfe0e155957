// Package certs collects certificates: the ones that TLS endpoints show and the
// ones that stand in PEM files.
//
// # Probes
//
// An endpoint is looked at by a TLS handshake that accepts anything, so that
// an expired, foreign or untrusted certificate is a fact and not an error;
// trust and name are then judged by our own verification and written beside
// it. No byte of application data is sent. One address is connected to: the
// first that answers, in the order of the sorted addresses that the name
// resolves to, so that looks compare. To watch each address of a name, list
// them as endpoints with the name as sni.
//
// The client offers TLS 1.0 to 1.3 and every cipher suite Go has, so that weak
// servers are seen too. What it cannot speak (SSL 3, export suites, keys above
// 8192 bits) shows as an endpoint that does not answer, with the reason.
//
// # Files
//
// Files are named by path, directory or pattern and opened beneath the
// directory that the pattern begins with; symbolic links that lead out of it
// are refused. From a file with private keys only the certificates are kept,
// and its other bytes are wiped after reading. The certificate of the state is
// the first that is no authority's, else the first; the others are its chain.
// name_matches is false for files: there is no name to compare with. A
// certificate that cannot be read is told by its place and hides none of the
// others; the file then counts as not looked at.
//
// # Coverage
//
// A look is an instant: between two looks another certificate may have been
// shown. When everything answered, the look claims the instant for the whole
// source and the list is complete, so that what is no longer configured or no
// longer there ends. Else nothing ends, what answered is claimed for its host
// or path alone, and one blind claim reaches from the last look at what did
// not, with the causes.
//
// # Names
//
// Mail addresses and personal attributes (emailAddress, UID, given name,
// surname) are left out of the facts: an alternative name of this kind is
// counted, a part of a subject or issuer stands as {mail}, {uid} or {name}.
// The persons behind the mail addresses are people of the draft with role
// "mentioned", so that the certificate itself, in Raw, becomes unreadable when
// one is erased. A common name that is a person's name is not recognised.
package certs
