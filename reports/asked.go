package reports

import (
	"cmp"

	"evidenced/evidence"
)

// Asked says what a request to a secret store asked for: "read of
// kv/tenant-7/web/db". A read whose answer holds no secret, such as that of a
// secret's age and versions, is told by its own path and says so: in a list of
// reads nobody may take it for one of the secret.
func Asked(f *evidence.AccessFacts) string {
	what := cmp.Or(f.Secret, f.Path)
	switch {
	case f.Reading:
		return "read of " + what
	case f.Operation == "read" && f.Secret != "":
		return "read of " + f.Path + ", no secret in it"
	}
	return f.Operation + " of " + what
}

// Foreign marks an identity that is not the log's own tenant's; empty for its own,
// and where it is not known whose it is.
func Foreign(a evidence.ActorTenant) string {
	switch a {
	case evidence.ActorOther:
		return "not this tenant's identity but another's"
	case evidence.ActorPlatform:
		return "not this tenant's identity but the platform's"
	}
	return ""
}
