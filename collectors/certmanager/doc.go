// Package certmanager reads cert-manager's custom resources: which certificates
// are asked to exist and when they renew (cert.declared), each request for one
// with its approval and the certificate that came of it (cert.request), and who
// signs them (cert.issuer).
//
// It reads no Secret: the public certificate stands in the request's status,
// while the Secret holds the private key beside it. So the certificate that a
// server shows (cert.state) is joined by its fingerprint, and by the host names
// and the Secret that both sides link to.
//
// # What the facts are worth
//
// Times of a Certificate describe what the controller last saw in the Secret,
// not what a server shows. A renewal time in the past is written as it is:
// whether that is late is judged elsewhere.
//
// A request is one event, amended as it moves from waiting to its end. It tells
// that it was approved and by which rule, never by whom: the condition holds no
// user. Who asked is authenticated, since cert-manager's webhook copies it from
// the API server; for a Certificate's own requests that is the controller's
// service account.
//
// # What is lost
//
// By default cert-manager keeps the newest request of a Certificate alone
// (revisionHistoryLimit 1), so the request, its key and its approval are gone
// at the next renewal. The Certificate counts its issuances: when that count
// passes a revision whose request was never seen, the stretch is blind for
// requests in that namespace.
//
// Orders and challenges of ACME are read for their failures, which last minutes
// and are told as notes: the request they belong to carries the outcome.
package certmanager
