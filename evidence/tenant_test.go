package evidence_test

import (
	"encoding/json"
	"strings"
	"testing"

	"evidenced/evidence"
)

func TestParseTenant(t *testing.T) {
	for _, s := range []string{"a", "7", "tenant-7", "a--b", strings.Repeat("a", 63), "_platform", "_unassigned"} {
		got, err := evidence.ParseTenant(s)
		if err != nil || got.String() != s || got.IsZero() {
			t.Errorf("tenant %q: %v, %v", s, got, err)
		}
		if got.IsPseudo() != (s[0] == '_') {
			t.Errorf("tenant %q is pseudo: %v", s, got.IsPseudo())
		}
	}
	for _, s := range []string{"", " ", "-a", "a-", "A", "tenant_7", "tenant.7", "a b", "a/b", "../a", "é", "a\n", "_other", "__platform", "*", "<no tenant>", strings.Repeat("a", 64)} {
		if got, err := evidence.ParseTenant(s); err == nil || !got.IsZero() {
			t.Errorf("tenant %q is accepted as %v", s, got)
		}
	}
}

// The zero tenant is nobody, and is refused wherever it would be written or
// read.
func TestTenantZero(t *testing.T) {
	var zero evidence.Tenant
	if !zero.IsZero() || zero.IsPseudo() || zero == evidence.Platform {
		t.Error("the zero tenant is somebody")
	}
	if b, err := zero.MarshalText(); err == nil {
		t.Errorf("the zero tenant is written as %q", b)
	}
	if b, err := json.Marshal(struct{ T evidence.Tenant }{}); err == nil {
		t.Errorf("the zero tenant is written as %s", b)
	}
	if b, err := json.Marshal(map[evidence.Tenant]int{zero: 1}); err == nil {
		t.Errorf("the zero tenant is written as %s", b)
	}
	if got, err := evidence.ParseTenant(zero.String()); err == nil {
		t.Errorf("%q is a name: %v", zero, got)
	}
	v := struct{ T evidence.Tenant }{evidence.Platform}
	for _, s := range []string{`{"T":""}`, `{"T":"A"}`, `{"T":7}`} {
		if err := json.Unmarshal([]byte(s), &v); err == nil || v.T != evidence.Platform {
			t.Errorf("%s is read as %v (%v)", s, v.T, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"T":"tenant-7"}`), &v); err != nil || v.T.String() != "tenant-7" {
		t.Errorf("tenant-7 is read as %v (%v)", v.T, err)
	}
}
