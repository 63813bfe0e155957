package collectortest

import (
	"regexp"
	"strings"
)

// Secrets of the kinds that people and machines leave in texts. Each has a part
// of its own that is looked for, so that one which is cut or escaped is found too.
var plantedSecrets = []string{
	"https://bot:pw-Zq71login@git.example.test/a.git",
	"https://Zq72login-token@git.example.test/a.git",
	"hvs.Zq73CAESIJhvault4n8wKqZr0p2XlVtYb",
	"ghp_Zq74pQ8rT2vX6zB1dF5hJ9lN3sW7yA0cE4gI",
	"github_pat_11Zq75LN0aB3cD5eF7gH_9iJ1kL3mN5oP7qR9sT1uV3wX5yZ7",
	"glpat-Zq76xY8wV5uT3sR1qPn0",
	"AKIAZQ77IOSFODNN7QXM",
	"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJacTc4In0.Zq78c2lnbmF0dXJlLW9mLXRoZS10ZXN0",
	"Authorization: Bearer Zq79bearer0a1b2c3d4e5f",
	"Authorization: Basic Zq80YmFzaWM6cHc=",
	"password=Zq81pw",
	"-----BEGIN RSA PRIVATE KEY-----\nZq82MIIEowIBAAKCAQEA\nabc/Zq82+def==\n-----END RSA PRIVATE KEY-----",
	"the password: Zq83pw was rejected, and app:Zq84pw@db.example.test:5432 with it",
}

// One letter more than each needs: the texts of ids and hashes hold four of any by chance.
var anySecret = regexp.MustCompile(`Zq(?:7[1-9]|8[0-4])[+A-Za-z][+A-Za-z0-9]|ZQ77IO`)

// SecretTexts are what is planted in place of a text.
func SecretTexts(was string) []string {
	return []string{was + " " + strings.Join(plantedSecrets, " "), plantedSecrets[0], strings.Join(plantedSecrets[2:5], "/")}
}

// FindSecret finds a planted secret in a text; "" for none.
func FindSecret(text string) string { return anySecret.FindString(text) }

// Secrets is the planting of secrets at every string of the answers, and as names of
// members: none may come
// into the facts, text or bytes of a record, the record of a run, coverage or the
// log. What a thing is called and who somebody is are told as they are: references,
// keys and people are not looked at.
func Secrets(s Suite) Planting {
	return Planting{
		Suite: s, Holds: FindSecret, Texts: SecretTexts, Named: true,
	}
}
