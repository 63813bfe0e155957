package certmanager

import (
	"time"

	"evidenced/collectors/kube"
)

// The parts of cert-manager's resources that are read, of the groups
// cert-manager.io/v1 and acme.cert-manager.io/v1
// (https://cert-manager.io/docs/reference/api-docs/). They are written down
// here because cert-manager's own module asks for a later Kubernetes client than
// Argo CD's types can be built with. What is not named here stays in the raw
// bytes.

type issuerRef struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Group string `json:"group"`
}

type certificate struct {
	Spec struct {
		SecretName     string   `json:"secretName"`
		CommonName     string   `json:"commonName"`
		LiteralSubject string   `json:"literalSubject"` // in place of commonName, RFC 4514
		DNSNames       []string `json:"dnsNames"`
		IPAddresses    []string `json:"ipAddresses"`
		URIs           []string `json:"uris"`
		EmailAddresses []string `json:"emailAddresses"`
		OtherNames     []struct {
			UTF8Value string `json:"utf8Value"`
		} `json:"otherNames"`
		Renewal struct {
			Policy string `json:"policy"`
		} `json:"renewal"`
		IssuerRef  issuerRef `json:"issuerRef"`
		IsCA       bool      `json:"isCA"`
		PrivateKey *struct {
			RotationPolicy string `json:"rotationPolicy"`
		} `json:"privateKey"`
		RevisionHistoryLimit *int64 `json:"revisionHistoryLimit"`
	} `json:"spec"`
	Status struct {
		Conditions             kube.Conditions `json:"conditions"`
		NotBefore              *time.Time      `json:"notBefore"`
		NotAfter               *time.Time      `json:"notAfter"`
		RenewalTime            *time.Time      `json:"renewalTime"`
		Revision               *int64          `json:"revision"`
		LastFailureTime        *time.Time      `json:"lastFailureTime"`
		FailedIssuanceAttempts *int64          `json:"failedIssuanceAttempts"`
	} `json:"status"`
}

type request struct {
	Spec struct {
		Request   []byte              `json:"request"` // PEM
		IssuerRef issuerRef           `json:"issuerRef"`
		Username  string              `json:"username"`
		Extra     map[string][]string `json:"extra"`
	} `json:"spec"`
	Status struct {
		Conditions  kube.Conditions `json:"conditions"`
		Certificate []byte          `json:"certificate"` // PEM
		FailureTime *time.Time      `json:"failureTime"`
	} `json:"status"`
}

// The annotations that say which Certificate a request is for.
const (
	annotationName     = "cert-manager.io/certificate-name"
	annotationRevision = "cert-manager.io/certificate-revision"
)

type issuer struct {
	Spec struct {
		ACME *struct {
			Server  string `json:"server"`
			Email   string `json:"email"`
			Solvers []struct {
				Selector struct {
					DNSNames []string `json:"dnsNames"`
					DNSZones []string `json:"dnsZones"`
				} `json:"selector"`
				DNS01 struct {
					Cloudflare struct {
						Email string `json:"email"`
					} `json:"cloudflare"`
				} `json:"dns01"`
			} `json:"solvers"`
		} `json:"acme"`
		CA    *struct{} `json:"ca"`
		Vault *struct {
			Server    string `json:"server"`
			Path      string `json:"path"`
			Namespace string `json:"namespace"`
		} `json:"vault"`
		Venafi *struct {
			TPP *struct {
				URL string `json:"url"`
			} `json:"tpp"`
			Cloud *struct {
				URL string `json:"url"`
			} `json:"cloud"`
			NGTS *struct {
				URL string `json:"url"`
			} `json:"ngts"`
		} `json:"venafi"`
		SelfSigned *struct{} `json:"selfSigned"`
	} `json:"spec"`
	Status struct {
		Conditions kube.Conditions `json:"conditions"`
		ACME       *struct {
			LastRegisteredEmail string `json:"lastRegisteredEmail"`
		} `json:"acme"`
	} `json:"status"`
}

// acme is what an Order and a Challenge have in common.
type acme struct {
	Status struct {
		State string `json:"state"`
	} `json:"status"`
}

// failed reports a state from which an order or a challenge does not come back,
// RFC 8555 section 7.1.6 and cert-manager's own "errored".
func (a acme) failed() bool {
	return a.Status.State == "invalid" || a.Status.State == "expired" || a.Status.State == "errored"
}
