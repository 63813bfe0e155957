package ran

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// Certificate is one certificate in force at the instant.
type Certificate struct {
	Place    string    `json:"place"` // endpoint with its SNI, or file
	Subject  string    `json:"subject"`
	NotAfter time.Time `json:"not_after"`
	Expired  bool      `json:"expired,omitempty"`
	Early    bool      `json:"not_yet_valid,omitempty"`
	Declared string    `json:"declared_as,omitempty"` // certificate of a cluster that is asked for, namespace/name
	Served   Served    `json:"served,omitempty"`      // whether it is the one issued for that
	Seq      uint64    `json:"record"`
}

// certificates tells what endpoints showed, by expiry, soonest first, and what
// clusters declare and were issued.
func (b *builder) certificates(ctx context.Context) error {
	if err := b.declaredCerts(ctx); err != nil {
		return err
	}
	for rec, err := range b.r.States(ctx, evidence.CertState, b.at) {
		if err != nil {
			return err
		}
		var f evidence.CertFacts
		if rec.Decode(&f) != nil {
			continue
		}
		place := cmp.Or(f.Endpoint, f.File)
		if host, _, _ := strings.Cut(f.Endpoint, ":"); f.SNI != "" && f.SNI != host {
			place += " as " + f.SNI
		}
		b.cite(&rec)
		c := Certificate{
			Place: place, Subject: f.Subject, NotAfter: f.NotAfter, Seq: rec.Seq,
			Expired: b.at.After(f.NotAfter), Early: b.at.Before(f.NotBefore),
		}
		b.join(&c, &f)
		b.a.Certs = append(b.a.Certs, c)
	}
	slices.SortStableFunc(b.a.Certs, func(x, y Certificate) int {
		return cmp.Or(x.NotAfter.Compare(y.NotAfter), strings.Compare(x.Place, y.Place))
	})
	return nil
}
