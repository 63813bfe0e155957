package mappings

import (
	"context"
	"time"

	"evidenced/evidence"
)

var certificatesView = &view{
	View: View{
		Name:  "certificates",
		Doc:   "Certificates that an endpoint showed or a file held at some time in the period: one item for each certificate at each place.",
		Kinds: []evidence.Kind{evidence.CertState},
		Fields: []Field{
			atEnd,
			{Name: "place", Type: "string", Doc: "endpoint, or path of the file"},
			{Name: "sni", Type: "string", Doc: "server name asked for; empty for a file"},
			{Name: "live", Type: "bool", Doc: "shown by an endpoint, not read from a file"},
			{Name: "issuer", Type: "string", Doc: "issuer's distinguished name"},
			{Name: "protocol", Type: "string", Optional: true, Doc: "protocol version of the connection; missing for a file"},
			{Name: "key", Type: "string", Doc: "kind and size of the key, RSA-2048"},
			{Name: "signature", Type: "string", Doc: "signature algorithm"},
			{Name: "not_before", Type: "timestamp", Doc: "begin of its validity"},
			{Name: "not_after", Type: "timestamp", Doc: "end of its validity"},
			{Name: "lifetime", Type: "duration", Doc: "length of its validity"},
			{Name: "left", Type: "duration", Doc: "validity left when it was last known to be in use; negative when it had expired"},
			{Name: "expired_in_use", Type: "bool", Optional: true, Doc: "seen in use after its validity ended"},
			{Name: "name_matches", Type: "bool", Doc: "the certificate holds the name asked for; true for a file"},
			{Name: "trusted", Type: "bool", Optional: true, Doc: "the chain ends at a trusted root"},
			{Name: "self_signed", Type: "bool", Doc: "signed by its own key"},
		},
	},
	build:  buildCertificates,
	steady: true,
}

func buildCertificates(ctx context.Context, s *scene, yield func(*item) error) error {
	flat, err := stretches[evidence.CertFacts](ctx, s, evidence.CertState)
	if err != nil {
		return err
	}
	var its []*item
	for i := range flat {
		its = append(its, s.certItem(&flat[i]))
	}
	return yieldSorted(its, yield)
}

func (s *scene) certItem(st *stretch[evidence.CertFacts]) *item {
	f := &st.facts
	place := f.Endpoint
	if f.File != "" {
		place = f.File
	}
	it := stateItem(st, evidence.CertState, "certificate at "+place)
	it.set("place", place).set("sni", f.SNI).set("live", f.File == "").set("issuer", f.Issuer)
	it.set("key", f.Key).set("signature", f.Signature).set("self_signed", f.SelfSigned)
	it.set("not_before", f.NotBefore.UTC()).set("not_after", f.NotAfter.UTC()).set("lifetime", f.NotAfter.Sub(f.NotBefore))
	it.set("name_matches", f.NameMatches || f.File != "")
	if !f.NameMatches && f.File == "" {
		it.why["name_matches"] = "the certificate does not hold the name " + f.SNI
	}
	if f.Protocol == "" {
		it.lacks("protocol", "no connection was made")
	} else {
		it.set("protocol", f.Protocol)
	}
	switch f.Trusted {
	case "yes", "no":
		it.set("trusted", f.Trusted == "yes")
		if f.Trusted == "no" {
			it.why["trusted"] = "the chain is not trusted: " + short(f.TrustError)
		}
	default:
		why := "the chain was not checked"
		if f.TrustError != "" {
			why += ": " + short(f.TrustError)
		}
		it.lacks("trusted", why)
	}
	s.expiry(it, st)
	return it
}

// expiry says whether the certificate was in use after it expired. Between the
// last look that showed it and the first that did not, nobody knows.
func (s *scene) expiry(it *item, st *stretch[evidence.CertFacts]) {
	sure := st.lastLook
	if st.until.IsZero() {
		sure = s.cover.lastLookAsYet(st.source, evidence.CertState, s.period.To)
	}
	if sure.Before(st.from) {
		sure = st.from
	}
	end := st.end(s.period)
	if sure.After(end) {
		sure = end
	}
	after := st.facts.NotAfter
	it.set("left", after.Sub(sure).Truncate(time.Second))
	if st.until.IsZero() {
		it.falls("left", end.Sub(sure))
	}
	it.why["left"] = "valid until " + evidence.FormatTime(after) + ", in use until " + evidence.FormatTime(sure)
	switch {
	case after.Before(sure):
		it.set("expired_in_use", true)
		it.why["expired_in_use"] = it.why["left"]
	case len(st.facts.Unreadable) > 0:
		it.lacks("expired_in_use", "another certificate of the file cannot be read: "+short(st.facts.Unreadable[0]))
	case !after.Before(end):
		it.set("expired_in_use", false)
		if st.until.IsZero() {
			s.later(after)
		}
	default:
		if st.until.IsZero() {
			s.book.ends(evidence.CertState) // the next look tells
		}
		it.lacks("expired_in_use", "it expired between two looks, at "+evidence.FormatTime(after))
	}
}
