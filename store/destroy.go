package store

import (
	"context"

	"evidenced/evidence"
)

// Destruction names keys of one tenant's log that are to be destroyed.
type Destruction struct {
	Tenant evidence.Tenant
	Keys   []string // key ids; with a person's key goes the person's token
	All    bool     // every key of the log and the tenant's name too; Keys is empty then
}

// Destroyed is what became of a destruction.
type Destroyed struct {
	// ID is what Settle takes; "" when nothing was to be settled.
	ID string
	// Keys are the ids that were there and are gone, by tenant.
	Keys map[evidence.Tenant][]string
	// Level is cryptographic when no copy of the keyring, however old, can give
	// the keys back, and logical otherwise; Why says what keeps it from being
	// cryptographic.
	Level evidence.ErasureLevel
	Why   string
}

// Unsettled is a destruction whose aftermath was not finished: the process
// ended between destroying the keys and recording that it did.
type Unsettled struct {
	Note []byte // as given to Destroy
	Destroyed
}

// Destroyer destroys keys. It is part of a Keyring.
type Destroyer interface {
	// Destroy removes the keys, writes what is left into a new file under a new
	// wrapping key, and destroys the old wrapping key as well as that can be
	// done. With a note, the destruction stands as unsettled until Settle, made
	// durable in the same step as the keys go. Ids that are not there are no
	// error: when none is, nothing is written. After an error either nothing or
	// all of it has happened; Unsettled tells.
	Destroy(ctx context.Context, ds []Destruction, note []byte) (Destroyed, error)
	// Unsettled lists the destructions that were not settled.
	Unsettled(ctx context.Context) ([]Unsettled, error)
	// Settle ends a destruction by its id. One that is settled already is no
	// error.
	Settle(id string) error
}

// PersonLookup finds people without allotting anything. It is part of
// TenantKeys.
type PersonLookup interface {
	// Lookup returns the token and key of each identity; the zero PersonKey for
	// one that the keyring does not know.
	Lookup(ids []Identity) ([]PersonKey, error)
}

// DataKeys renews the data key of a segment. It is part of TenantKeys.
type DataKeys interface {
	// RenewData makes a new version of the segment's data key, which DataKey
	// returns from now on; the older versions stay for reading.
	RenewData(segment int) (id string, err error)
	// DataKeyIDs lists the versions of the segment's data key, the oldest first.
	DataKeyIDs(segment int) ([]string, error)
}
