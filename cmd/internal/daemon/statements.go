package daemon

import (
	"context"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/config"
	"evidenced/collectors/gitrepo/signed"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings"
	"evidenced/mappings/statement"
)

// checkSigners reads the keys of all signers once, so that a file that is not
// there is told at the start and not when it is needed.
func checkSigners(c *config.Config) error {
	for _, s := range c.Statements.Signers {
		if _, err := signed.Load([]string{s.SignerFile}); err != nil {
			return problem.Wrap(problem.Config, err, "statements.signers")
		}
	}
	return nil
}

// Signer implements api.Statements. The files of signers are read anew: a key
// that was taken out counts no more.
func (e *Engine) Signer(_ context.Context, text, signature []byte) (api.Signer, error) {
	var found api.Signer
	now := e.Now().UTC()
	why := signed.UnknownKey
	for _, s := range e.o.Config.Statements.Signers {
		account, err := statement.ParseAccount(s.Account)
		if err != nil {
			return found, problem.Wrap(problem.Config, err, "statements.signers")
		}
		keys, err := signed.Load([]string{s.SignerFile})
		if err != nil {
			return found, problem.Wrap(problem.Config, err, "statements.signers")
		}
		switch v := keys.Detached(statement.Namespace, text, signature, now); {
		case !v.Good() || !v.GoodNow():
			if reason := firstOther(signed.Good, v.NowWhy, v.Why); reason != signed.UnknownKey {
				why = reason
			}
		case found.Account != (statement.Account{}):
			return api.Signer{}, problem.New(problem.Refused, "the key that signed is configured for two persons").
				WithHint("statements.signers: each signer_file holds the keys of its own person alone")
		default:
			found = api.Signer{Account: account, Key: v.Key, At: v.At}
		}
	}
	if found.Account == (statement.Account{}) {
		return found, unsigned(why)
	}
	return found, nil
}

func firstOther(than string, list ...string) string {
	for _, s := range list {
		if s != than {
			return s
		}
	}
	return than
}

// unsigned says why a signature does not count.
func unsigned(why string) error {
	p := problem.New(problem.Refused, "the signature does not count: %s", map[string]string{
		signed.UnknownKey:  "its key is no configured signer's",
		signed.Bad:         "it is over other bytes than those of the text",
		signed.ExpiredKey:  "its key is not good at this time",
		signed.RevokedKey:  "its key was revoked",
		signed.ExpiredSig:  "it ended, or is dated ahead",
		signed.Namespace:   "it was made for another purpose",
		signed.Certificate: "it was made with a certificate, which is not checked here",
		signed.Unreadable:  "it cannot be read",
		signed.Unsupported: "it is neither an armored OpenPGP nor an SSH signature",
	}[why])
	switch why {
	case signed.UnknownKey:
		return p.WithHint("statements.signers names who may sign, by the files of their keys")
	case signed.Namespace:
		return p.WithHint("sign with: ssh-keygen -Y sign -n %s -f KEY FILE", statement.Namespace)
	}
	return p.WithHint("sign exactly the file that was drafted: ssh-keygen -Y sign -n %s -f KEY FILE, or gpg --armor --detach-sign FILE", statement.Namespace)
}

// commitReader is a collector that keeps git objects.
type commitReader interface {
	Holds(ctx context.Context, commit, path string, want []byte) (found, same bool, err error)
}

// HoldsFile implements api.Statements.
func (e *Engine) HoldsFile(ctx context.Context, commit, path string, want []byte) (bool, error) {
	git := false
	for _, s := range e.sources {
		c, ok := s.runner.Collector.(commitReader)
		if !ok {
			continue
		}
		git = true
		if found, same, err := c.Holds(ctx, commit, path, want); found || err != nil {
			return same, err
		}
	}
	p := problem.New(problem.NotFound, "no configured repository has commit %.64s", commit)
	if !git {
		return false, p.WithHint("a source of type git keeps what the files of a commit are; forges tell their names alone")
	}
	return false, p.WithHint("evidenced collect brings it, when a source of type git watches the branch")
}

// said reads what people said of the tenant's controls and lets the assessment
// know.
func (e *Engine) said(ctx context.Context, in *mappings.Input) (*statement.Book, error) {
	now := in.Now
	if now.IsZero() {
		now = e.Now()
	}
	b, err := statement.Load(ctx, in.Reader, now)
	if err != nil {
		return nil, err
	}
	in.Scope = b.Scopes()
	return b, nil
}

// nextWord is when one of the statements begins or ends to have an effect next,
// after the book's instant; zero when none does.
func nextWord(b *statement.Book) (next time.Time) {
	for _, s := range b.All {
		for _, t := range []time.Time{s.From, s.Until, s.Ended} {
			if t.After(b.At) && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	return next
}

// unwaived leaves out the findings of which somebody accepted every failure: of
// these nobody is alerted for as long as the waiver is in force.
func unwaived(ctx context.Context, b *statement.Book, facts []evidence.FindingFacts) ([]evidence.FindingFacts, error) {
	if len(b.InForce(statement.Waiver)) == 0 {
		return facts, nil
	}
	var out []evidence.FindingFacts
	for i := range facts {
		w, err := b.Waive(ctx, statement.OfFacts(&facts[i]))
		if err != nil {
			return nil, err
		}
		if w == nil || !w.Whole {
			out = append(out, facts[i])
		}
	}
	return out, nil
}
