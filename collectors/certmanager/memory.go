package certmanager

import (
	"slices"
	"strings"
	"time"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// memory is what stays between two commits, and in the cursor: how many
// issuances each Certificate had counted, so that one whose request was never
// seen is noticed. It names objects, never people.
type memory struct {
	At    time.Time        `json:"at,omitzero"` // of the last commit after full lists
	Certs map[string]*cert `json:"certs,omitempty"`
	Blind []lost           `json:"blind,omitempty"` // not yet claimed
}

// lost are issuances of a namespace whose requests were not seen.
type lost struct {
	Namespace string    `json:"ns"`
	N         int64     `json:"n"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
}

// cert is what is known of one Certificate, by namespace/name.
type cert struct {
	UID    string    `json:"u,omitempty"`
	Secret string    `json:"s,omitempty"`
	Rev    int64     `json:"r,omitempty"` // its revision
	Told   int64     `json:"t,omitempty"` // revision up to which its requests were accounted for
	Have   []int64   `json:"h,omitempty"` // later revisions whose requests were seen
	Single bool      `json:"o,omitempty"` // keeps the newest request alone
	Seen   time.Time `json:"d"`           // day of the last sighting
}

const (
	// maxHave bounds the requests remembered for one Certificate: more than
	// this between two commits is a runaway, and seen as a loss.
	maxHave = 256
	// forgetAfter is when a Certificate that was not seen is forgotten. It is
	// longer than any renewal takes that anybody should rely on.
	forgetAfter = 400 * 24 * time.Hour
)

func (m *memory) of(key string) *cert {
	if m.Certs == nil {
		m.Certs = map[string]*cert{}
	}
	if m.Certs[key] == nil {
		m.Certs[key] = &cert{}
	}
	return m.Certs[key]
}

// certificate takes a sighting of a Certificate. The first one says what there
// is; what it had counted before is history that was never claimed, unless the
// Certificate was made since the last look.
func (m *memory) certificate(o *kube.Object, revision int64, secret string, single bool) {
	key := o.Namespace + "/" + o.Name
	c := m.of(key)
	switch {
	case c.UID != "" && c.UID != o.UID: // made anew under its name
		*c = cert{}
		fallthrough
	case c.UID == "":
		c.UID, c.Told = o.UID, revision
		if !m.At.IsZero() && o.CreatedAt.After(m.At) {
			c.Told = 0
		}
	case revision < c.Told: // its status was lost and begins again
		c.Told, c.Have = revision, nil
	}
	c.Rev, c.Secret, c.Single, c.Seen = revision, secret, single, o.ObservedAt.UTC().Truncate(24*time.Hour)
}

// request takes a sighting of a request; no certificate or revision says
// nothing.
func (m *memory) request(namespace, certificate string, revision int64) {
	if certificate == "" || revision == 0 {
		return
	}
	c := m.of(namespace + "/" + certificate)
	if revision > c.Told && len(c.Have) < maxHave && !slices.Contains(c.Have, revision) {
		c.Have = append(c.Have, revision)
	}
}

// secretOf returns the Secret of a Certificate, when it is known.
func (m *memory) secretOf(namespace, certificate string) string {
	if c := m.Certs[namespace+"/"+certificate]; c != nil {
		return c.Secret
	}
	return ""
}

// settle counts the issuances whose requests were not seen since it was last
// called. Both lists are full.
func (m *memory) settle(now time.Time) {
	missed := map[string]int64{}
	for key, c := range m.Certs {
		if c.UID == "" || now.Sub(c.Seen) > forgetAfter {
			delete(m.Certs, key)
			continue
		}
		missing := c.Rev - c.Told
		c.Have = slices.DeleteFunc(c.Have, func(n int64) bool {
			if n > c.Told && n <= c.Rev {
				missing--
			}
			return n <= c.Rev
		})
		if missing > 0 {
			ns, _, _ := strings.Cut(key, "/")
			missed[ns] += missing
		}
		c.Told = c.Rev
	}
	from := m.At
	if from.IsZero() || from.After(now) {
		from = now
	}
	for _, ns := range sortedKeys(missed) {
		m.Blind = append(m.Blind, lost{ns, missed[ns], from, now})
	}
	m.At = now
}

// claims says which stretches are blind for requests, and forgets them.
func (m *memory) claims(authority string) (out []evidence.Seen) {
	for _, b := range m.Blind {
		out = append(out, evidence.Seen{
			Kinds: []evidence.Kind{evidence.CertRequest}, Scope: evidence.NewRef("ns", authority, b.Namespace),
			Class: evidence.Blind, From: b.From, To: b.To, Cause: missedCause(b.N),
		})
	}
	m.Blind = nil
	return out
}

// singles counts the Certificates that keep their newest request alone.
func (m *memory) singles() (n int) {
	for _, c := range m.Certs {
		if c.Single {
			n++
		}
	}
	return n
}
