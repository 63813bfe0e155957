package evidence

import "testing"

func TestAuthority(t *testing.T) {
	for id, want := range map[SourceID]string{"velero/prod": "prod", "vault": "vault", "argocd/eu/prod": "prod", "": ""} {
		if got := id.Authority(); got != want {
			t.Errorf("authority of %q: %q, want %q", id, got, want)
		}
	}
}
