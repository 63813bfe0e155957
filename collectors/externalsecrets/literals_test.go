package externalsecrets

import (
	"fmt"
	"strings"
	"testing"

	"evidenced/collectors/kube"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// TestLiteralCredentials: a provider may be given its credential in the store
// itself; none of them reaches a draft.
func TestLiteralCredentials(t *testing.T) {
	for provider, body := range map[string]string{
		"secretserver": `{"username":{"value":"svc"},"password":{"value":"planted"},"serverURL":"https://pam.example.test"}`,
		"scaleway":     `{"accessKey":{"value":"SCW1"},"secretKey":{"value":"planted"},"region":"fr-par"}`,
		"delinea":      `{"clientId":{"value":"id"},"clientSecret":{"value":"planted"},"tenant":"acme"}`,
		"beyondtrust":  `{"auth":{"apiKey":{"value":"planted"},"certificateKey":{"value":"planted"}},"server":{"apiUrl":"https://bt.example.test"}}`,
		"barbican":     `{"auth":{"username":{"value":"planted"},"password":{"secretRef":{"name":"p","key":"k"}}}}`,
		"webhook":      `{"url":"https://hook.example.test/get?token=planted","method":"GET"}`,
		"fake":         `{"data":[{"key":"a","value":"planted"}]}`,
	} {
		t.Run(provider, func(t *testing.T) {
			r := testReader()
			l := kube.NewLook("external-secrets/prod", agent, now)
			for _, res := range r.resources() {
				if res.Kind != kindStore && res.Kind != kindClusterStore {
					continue
				}
				raw := fmt.Sprintf(`{"apiVersion":"external-secrets.io/v1","kind":%q,"metadata":{"name":"s","uid":"u1","resourceVersion":"1"},"spec":{"provider":{%q:%s}}}`, res.Kind, provider, body)
				o, err := kube.ParseObject([]byte(raw), now, res.Remove...)
				if err != nil {
					t.Fatal(err)
				}
				ds, err := res.Drafts(t.Context(), o, l)
				if err != nil || len(ds) != 1 {
					t.Fatalf("%d drafts, %v", len(ds), err)
				}
				if d := ds[0]; strings.Contains(string(d.Raw)+string(d.Content), "planted") || len(d.Removed) < 2 {
					t.Errorf("%s: the credential stands in the draft, or its removal is not told: %q\n%s", res.Kind, d.Removed, d.Raw)
				}
				if f := evidencetest.Decode[evidence.SecretStoreFacts](t, ds[0]); f.Provider != provider {
					t.Errorf("provider %q, want %q", f.Provider, provider)
				}
			}
		})
	}
}
