package certs

import (
	"crypto/x509"
	"slices"
	"strings"

	"evidenced/evidence"
)

// What other collectors of certificates share with this one, so that one
// certificate has the same facts wherever it is seen, and joins by its
// fingerprint.

// Facts writes a chain down; the first certificate is the one it is about.
// Where it was seen, whether its names match and whether it is trusted are left
// to the caller. Names of persons are left out, see MailsOf.
func Facts(chain []*x509.Certificate) evidence.CertFacts { return certFacts(chain) }

// Name returns a name as facts hold it: printable, shortened when it is longer
// than 256 bytes, mail addresses inside it replaced. mail reports that it is a
// mail address and nothing else: that is a person, and has no place in facts.
func Name(s string) (name string, mail bool) {
	s = withoutCredentials(s) // before a login looks like a mail address, and half of one like none
	if isMail(s) {
		return "", true
	}
	return plainText(s), false
}

// Mentioned adds the owners of mail addresses to people, each once, up to the
// limit of a draft. mark may be nil, see collectors.Env.
func Mentioned(people []evidence.Person, mails []string, mark func(realm, nativeID, login string) (bot, shared bool)) []evidence.Person {
	const realm = "cert:claimed"
	for _, mail := range mails {
		id := clean(strings.ToLower(strings.TrimSpace(mail)))
		known := func(p evidence.Person) bool { return p.Realm == realm && p.NativeID == id }
		if id == "" || len(people) >= evidence.MaxPeople || slices.ContainsFunc(people, known) {
			continue
		}
		p := evidence.Person{Role: "mentioned", Realm: realm, NativeID: id,
			Names: evidence.Names{Mail: clean(mail)}, Proof: evidence.ProofClaimed}
		if mark != nil {
			p.Names.Bot, p.Names.Shared = mark(realm, id, "")
		}
		people = append(people, p)
	}
	return people
}
