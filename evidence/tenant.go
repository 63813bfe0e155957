package evidence

import (
	"fmt"
	"regexp"
)

// Tenant names one tenant. It is opaque: only ParseTenant and the two
// pseudo-tenants below make one, and the zero value is refused wherever a
// tenant is asked for, so "no tenant" never means "all tenants".
type Tenant struct{ name string }

// Platform is the platform itself as tenant zero: it holds the runs of shared
// sources, the daemon's own audit trail and the checkpoints of other logs.
var Platform = Tenant{"_platform"}

// Unassigned holds drafts that no tenancy rule matched.
var Unassigned = Tenant{"_unassigned"}

var tenantName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ParseTenant reads a tenant's name: 1 to 63 lower-case letters, digits and
// inner hyphens (a Kubernetes label value and DNS label), or one of the two
// pseudo-tenants _platform and _unassigned.
func ParseTenant(s string) (Tenant, error) {
	switch s {
	case Platform.name:
		return Platform, nil
	case Unassigned.name:
		return Unassigned, nil
	}
	if !tenantName.MatchString(s) {
		return Tenant{}, fmt.Errorf("tenant name %q: want 1 to 63 of a-z, 0-9 and inner hyphens", s)
	}
	return Tenant{s}, nil
}

// String returns the name, or "<no tenant>" for the zero value.
func (t Tenant) String() string {
	if t.IsZero() {
		return "<no tenant>"
	}
	return t.name
}

// IsZero reports whether t is the zero value.
func (t Tenant) IsZero() bool { return t.name == "" }

// IsPseudo reports whether t is _platform or _unassigned.
func (t Tenant) IsPseudo() bool { return t == Platform || t == Unassigned }

// MarshalText implements encoding.TextMarshaler; the zero value is an error.
func (t Tenant) MarshalText() ([]byte, error) {
	if t.IsZero() {
		return nil, fmt.Errorf("marshal tenant: no tenant")
	}
	return []byte(t.name), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Tenant) UnmarshalText(b []byte) error {
	p, err := ParseTenant(string(b))
	if err != nil {
		return err
	}
	*t = p
	return nil
}
