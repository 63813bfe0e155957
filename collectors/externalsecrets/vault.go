package externalsecrets

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"evidenced/collectors/vault"
	"evidenced/evidence"
)

// provider is what is read of a store's provider beside its facts.
type provider struct {
	store  store
	refs   []evidence.Ref
	people []evidence.Person
}

// store is what a sync needs of its store: how the names it asks for become
// the names that their owner knows. It is kept in the cursor and names no
// person.
type store struct {
	Authority string `json:"a,omitempty"` // of the Vault source; empty: no Vault
	Mount     string `json:"m,omitempty"` // path of the engine; empty: the first part of each key
	Namespace string `json:"n,omitempty"` // Vault namespace
	V1        bool   `json:"v1,omitempty"`
}

// secretRef names the remote secret that is asked for by key, as the Vault
// collector names it; false when the store is no Vault or the key is empty.
//
// The operator builds the path in this way (its vault provider, buildPath): a
// key may repeat the store's mount, and after it KV's data/; without a mount in
// the store a key's own first part is the mount, unless it holds /data/, which
// then ends it.
func (s store) secretRef(key string) (evidence.Ref, bool) {
	if s.Authority == "" || strings.Trim(key, "/") == "" {
		return evidence.Ref{}, false
	}
	name := strings.Trim(key, "/")
	switch {
	case s.Mount != "":
		if below, ok := strings.CutPrefix(name, s.Mount+"/"); ok {
			name = below
			if !s.V1 {
				name = strings.TrimPrefix(name, "data/")
			}
		}
		name = s.Mount + "/" + name
	case !s.V1:
		if mount, below, ok := strings.Cut(name, "/data/"); ok {
			name = mount + "/" + below
		}
	}
	return vault.SecretRef(s.Authority, s.Namespace, name), true
}

// vaultMethods says where each method is mounted when the store does not say.
var vaultMethods = map[string]string{
	"kubernetes": "kubernetes", "appRole": "approle", "jwt": "jwt", "ldap": "ldap", "userPass": "userpass", "cert": "cert",
	"iam": "aws", "gcp": "gcp", "tokenSecretRef": "",
}

// vaultStore reads a provider vault or openBao into facts.
func (r *reader) vaultStore(raw json.RawMessage, namespace string, f *evidence.SecretStoreFacts) (p provider, err error) {
	var in vaultProvider
	if err := json.Unmarshal(raw, &in); err != nil {
		return p, errProvider
	}
	f.Server, f.Version, f.VaultNamespace = safeURL(in.Server), in.Version, word(strings.Trim(in.Namespace, "/"))
	if f.Version == "" {
		f.Version = "v2"
	}
	p.store = store{Authority: r.vaultAuthority(in.Server), Namespace: strings.Trim(in.Namespace, "/"), V1: f.Version == "v1"}
	p.store.Mount = strings.Trim(in.Path, "/")
	if !p.store.V1 {
		p.store.Mount = strings.TrimSuffix(p.store.Mount, "/data") // the suffix is allowed and adds nothing
	}
	f.Path = word(p.store.Mount)
	for _, name := range slices.Sorted(maps.Keys(in.Auth)) {
		if _, known := vaultMethods[name]; known && string(in.Auth[name]) != "null" {
			f.AuthMethod = name
		}
	}
	if f.AuthMethod == "" {
		return p, nil
	}
	return p, p.login(in, namespace, f)
}

// login reads as whom a store logs in.
func (p *provider) login(in vaultProvider, namespace string, f *evidence.SecretStoreFacts) error {
	var a vaultAuth
	if err := json.Unmarshal(in.Auth[f.AuthMethod], &a); err != nil {
		return errProvider
	}
	vns := p.store.Namespace
	var own string
	if json.Unmarshal(in.Auth["namespace"], &own) == nil && own != "" {
		vns = strings.Trim(own, "/")
	}
	mount, role := a.mount(f.AuthMethod), a.Role
	if f.AuthMethod == "iam" || f.AuthMethod == "cert" {
		role = a.VaultRole // the member role is one of AWS, and cert has none
	}
	if mount != "" {
		f.AuthMount = word(within(vns, "auth/"+mount))
	}
	if role != "" && mount != "" {
		f.Role = word(role)
		p.refs = append(p.refs, vault.RoleRef(p.store.Authority, vns, mount, role))
	}
	if account := a.account(); account != nil && account.Name != "" {
		f.Account = account.full(namespace)
	}
	if a.Username != "" {
		p.people = append(p.people, vault.Login(p.store.Authority, vns, mount, a.Username))
	}
	return nil
}

func within(namespace, path string) string {
	if namespace == "" {
		return path
	}
	return namespace + "/" + path
}

// mount is where the method is mounted, without auth/; empty for a token.
func (a *vaultAuth) mount(method string) string {
	path := a.Path
	if method == "kubernetes" {
		path = a.MountPath
	}
	if path = strings.Trim(path, "/"); path == "" {
		path = vaultMethods[method]
	}
	return path
}

func (a *vaultAuth) account() *accountRef {
	if t := a.KubernetesServiceAccountToken; t != nil && t.ServiceAccountRef != nil {
		return t.ServiceAccountRef
	}
	return a.ServiceAccountRef
}

// full is namespace/name of the account. A store of a namespace uses accounts of
// its own; one of the cluster names the namespace, or leaves it to each sync.
func (a *accountRef) full(own string) string {
	if own == "" {
		own = a.Namespace
	}
	return own + "/" + a.Name
}

// vaultAuthority says which Vault source a server is: as configured, else the
// one that shares this source's own last name.
func (r *reader) vaultAuthority(server string) string {
	if a, ok := r.vaults[serverKey(server)]; ok {
		return a
	}
	return r.authority
}

// serverKey makes two ways to write one address equal: scheme, host in lower
// case and port, without what follows.
func serverKey(server string) string {
	u, err := url.Parse(strings.TrimSpace(server))
	if err != nil || u.Host == "" {
		return strings.TrimRight(server, "/")
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[strings.ToLower(u.Scheme)]
	}
	return strings.ToLower(u.Scheme) + "://" + host + ":" + port
}

// safeURL returns an address without user, query and fragment, which may hold
// credentials; what is no address is left out.
func safeURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return ""
	}
	u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, "", "", false
	return word(u.String())
}
