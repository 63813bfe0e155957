package config

import (
	"slices"
	"strings"
)

// Statements says whose word counts for waivers, scope statements and
// attestations.
type Statements struct {
	Signers []Signer `yaml:"signers"`
}

// Signer is a person who makes or approves statements.
type Signer struct {
	// Account is who it is, as a source knows them: REALM|NATIVEID. The same
	// realm as that of the forge tells people apart without links.
	Account string `yaml:"account"`
	// SignerFile holds the person's keys and nobody else's: armored OpenPGP
	// public keys, or an allowed signers file of ssh. It is read anew each time.
	SignerFile string `yaml:"signer_file"`
}

func (k *checker) statements() {
	accounts := map[string]int{}
	for i, s := range k.c.Statements.Signers {
		at := []any{"statements", "signers", i}
		realm, id, ok := strings.Cut(s.Account, "|")
		switch first, dup := accounts[s.Account]; {
		case s.Account == "":
			k.no(at, "statements.signers[%d] has no account", i)
		case !ok || realm == "" || id == "" || strings.TrimSpace(s.Account) != s.Account:
			k.no(append(at, "account"), "statements.signers[%d] account: want realm and native id, such as github:prod|8231", i)
		case dup:
			k.no(append(at, "account"), "statements.signers[%d]: the account is there twice, first in statements.signers[%d]; one signer_file holds several keys", i, first)
		default:
			accounts[s.Account] = i
		}
		if s.SignerFile == "" {
			k.no(at, "statements.signers[%d] has no signer_file", i)
		}
	}
}

// resolveStatements makes paths absolute.
func (c *Config) resolveStatements(base string) {
	for i := range c.Statements.Signers {
		s := &c.Statements.Signers[i]
		s.SignerFile = under(base, s.SignerFile)
	}
}

// effective names signers by the begin of a hash. Where a key lies says who it
// is, and is left out.
func (s Statements) effective() []string {
	var out []string
	for _, x := range s.Signers {
		realm, id, _ := strings.Cut(x.Account, "|")
		out = append(out, hashedAccount(realm, "id", id))
	}
	slices.Sort(out)
	return out
}
