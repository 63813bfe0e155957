// Package alertrules collects the state of alerting and recording rules from
// Prometheus, vmalert, and what serves the same API (/api/v1/rules): whether each
// rule is evaluated.
//
// A rule whose evaluation fails, or that is not evaluated any more, sees nothing
// and says nothing: an alert that does not fire proves something only while its
// rule works. So a rule has a word for why it is blind: error, when its health is
// err; stale, when it was evaluated longer ago than its group's interval and
// stale_after, by the server's clock; never, when the server has not evaluated it
// since it began. vmalert says ok of rules that it never evaluated: the time
// decides, not the word.
//
// A look is an instant. A complete list ends what it does not show. Alerts are
// not asked for: an alertmanager source knows them.
//
// Expressions are kept as hashes, errors and annotations not at all, and labels
// only where the configuration names them: they may hold anything. So may the
// headers and parameters that vmalert shows of a group. Raw bytes are not kept for
// the same reason; the hash of the answer stands with each record.
//
// A rule belongs to whom its own labels name, see package alertmanager, and else
// to the owner of the cluster's namespace: most rules make alerts of everybody. A
// label that is a template names nobody.
package alertrules
