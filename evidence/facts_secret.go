package evidence

import "time"

// Facts of secret stores: who read, who may. See facts.go for the rules.

// AccessFacts are the facts of secret.access and secret.auth: one audited
// request with its answer. Hashed values stay as the source hashed them. A
// user name inside a path (userpass logins) is replaced by {user}.
type AccessFacts struct {
	RequestID   string   `json:"request_id"`
	Operation   string   `json:"operation"`
	Path        string   `json:"path"`
	Mount       string   `json:"mount,omitempty"`
	MountType   string   `json:"mount_type,omitempty"`
	Namespace   string   `json:"namespace,omitempty"`
	Outcome     string   `json:"outcome"`          // ok, denied, failed, missing, no-response, no-request
	Reading     bool     `json:"reading"`          // gave or would have given secret data to the caller
	Secret      string   `json:"secret,omitempty"` // path of the secret as the owner names it, without data/ and metadata/ infixes
	Who         int      `json:"who"`              // -1: unknown caller
	Entity      string   `json:"entity,omitempty"`
	AuthMethod  string   `json:"auth_method,omitempty"` // display name's kind: token, userpass, approle, kubernetes
	Role        string   `json:"role,omitempty"`
	SANamespace string   `json:"sa_namespace,omitempty"`
	SAName      string   `json:"sa_name,omitempty"`
	Policies    []string `json:"policies,omitempty"`
	Granting    []string `json:"granting,omitempty"`
	TokenType   string   `json:"token_type,omitempty"`
	Root        bool     `json:"root,omitempty"`
	Accessor    string   `json:"accessor,omitempty"` // hashed by the source
	Wrapped     bool     `json:"wrapped,omitempty"`
	WrapToken   string   `json:"wrap_token,omitempty"` // hashed by the source
	LeaseID     string   `json:"lease_id,omitempty"`
	Remote      string   `json:"remote,omitempty"`
	Error       string   `json:"error,omitempty"`
	Device      string   `json:"device,omitempty"`
	// Transport is empty when the device's own file was read, and "socket" when
	// any of it came over a socket, where nobody proves who is writing: such a
	// record alone satisfies nothing.
	Transport string `json:"transport,omitempty"`
	// TokenTTL is what the caller's token was given to live, in seconds; 0: not
	// said, or no end.
	TokenTTL    int64     `json:"token_ttl,omitempty"`
	TokenIssued time.Time `json:"token_issued,omitzero"`
	NoExpiry    bool      `json:"no_expiry,omitempty"` // the line says who the caller is and that the token has no end
	// PolicyOverride says that the caller asked to pass by a soft-mandatory policy.
	PolicyOverride bool              `json:"policy_override,omitempty"`
	ClientCert     string            `json:"client_cert,omitempty"`    // serial number of the TLS certificate that the caller showed
	ForwardedFrom  string            `json:"forwarded_from,omitempty"` // the node that took the request and handed it on
	RespondedAt    time.Time         `json:"responded_at,omitzero"`
	Extra          map[string]string `json:"extra,omitempty"`
}

// Gave reports whether the request was answered with secret data. Known is false
// of a request for such data when the log lacks how it was answered.
func (f *AccessFacts) Gave() (given, known bool) {
	if !f.Reading {
		return false, true
	}
	switch f.Outcome {
	case "ok":
		return true, true
	case "no-response":
		return false, false
	case "no-request":
		return f.Extra["answer"] == "ok", f.Extra["answer"] != ""
	}
	return false, true
}

// PolicyFacts are the facts of secret.policy.
type PolicyFacts struct {
	Name      string       `json:"name"`
	Namespace string       `json:"namespace,omitempty"`
	SHA256    string       `json:"sha256"` // of the policy's text
	Rules     []PolicyRule `json:"rules,omitempty"`
	Unparsed  bool         `json:"unparsed,omitempty"` // the text could not be read: what it opens is unknown
	Others    Others       `json:"others,omitempty"`
}

// PolicyRule is one path stanza.
type PolicyRule struct {
	Path         string   `json:"path"` // may hold + and a trailing *
	Capabilities []string `json:"capabilities"`
}

// RoleFacts are the facts of secret.role.
type RoleFacts struct {
	Mount           string   `json:"mount"`
	MountType       string   `json:"mount_type"`
	Role            string   `json:"role"`
	Policies        []string `json:"policies,omitempty"`
	Namespaces      []string `json:"bound_namespaces,omitempty"`
	ServiceAccounts []string `json:"bound_service_accounts,omitempty"`
	TTLSeconds      int64    `json:"ttl_seconds,omitempty"`
	MaxTTLSeconds   int64    `json:"max_ttl_seconds,omitempty"`
	PeriodSeconds   int64    `json:"period_seconds,omitempty"`           // its tokens live on for as long as they are renewed, whatever MaxTTLSeconds says
	ExplicitSeconds *int64   `json:"explicit_max_ttl_seconds,omitempty"` // after which they end in any case; of a role with a period 0 for none, and nil where it was not looked for
	TokenType       string   `json:"token_type,omitempty"`               // service, batch, default-service, default-batch
	Orphan          bool     `json:"orphan,omitempty"`                   // its tokens do not end with the one that made them
	SecretIDSeconds int64    `json:"secret_id_seconds,omitempty"`
	SecretIDForever bool     `json:"secret_id_forever,omitempty"` // approle: its secret ids never end
	BoundCIDRs      []string `json:"bound_cidrs,omitempty"`
	Holder          int      `json:"holder"` // -1: a machine role; else a person's own login
	Others          Others   `json:"others,omitempty"`
}

// IdentityFacts are the facts of secret.identity. Holder is the person, with
// role holder, whom the entity stands for.
type IdentityFacts struct {
	Entity        string          `json:"entity"`
	Disabled      bool            `json:"disabled,omitempty"`
	Policies      []string        `json:"policies,omitempty"`
	GroupPolicies []string        `json:"group_policies,omitempty"`
	Aliases       []IdentityAlias `json:"aliases,omitempty"`
	Groups        []IdentityGroup `json:"groups,omitempty"`
	MergedFrom    []string        `json:"merged_from,omitempty"` // entities that were merged into this one: older log lines name these
	Holder        int             `json:"holder"`
	Others        Others          `json:"others,omitempty"`
}

// IdentityGroup is a group that an entity is in, directly or through another.
// An external group takes its members from a login method.
type IdentityGroup struct {
	ID        string   `json:"id"`
	Name      string   `json:"name,omitempty"`
	External  bool     `json:"external,omitempty"`
	MountPath string   `json:"mount_path,omitempty"` // of an external group's alias
	MountType string   `json:"mount_type,omitempty"`
	Policies  []string `json:"policies,omitempty"`
}

// IdentityAlias is one login of an entity.
type IdentityAlias struct {
	MountAccessor string `json:"mount_accessor"`
	MountType     string `json:"mount_type"`
	MountPath     string `json:"mount_path,omitempty"`
	Role          string `json:"role,omitempty"` // machine roles only
}

// DeviceFacts are the facts of secret.device.
type DeviceFacts struct {
	Path    string            `json:"path"`
	Type    string            `json:"type"`
	Options map[string]string `json:"options,omitempty"`
	Local   bool              `json:"local,omitempty"`
	LogRaw  bool              `json:"log_raw,omitempty"`
	Filter  bool              `json:"filter,omitempty"` // entries or fields are left out
	Era     string            `json:"era,omitempty"`    // changes when the salt does
}

// MountFacts are the facts of secret.mount.
type MountFacts struct {
	Path     string `json:"path"`
	Class    string `json:"class"` // secret or auth
	Type     string `json:"type"`
	Accessor string `json:"accessor,omitempty"`
	UUID     string `json:"uuid,omitempty"`
	Version  string `json:"version,omitempty"` // kv version
	Local    bool   `json:"local,omitempty"`
	// Tuning. Zero seconds are the server's default.
	DefaultTTLSeconds int64    `json:"default_ttl_seconds,omitempty"`
	MaxTTLSeconds     int64    `json:"max_ttl_seconds,omitempty"`
	ClearRequest      []string `json:"clear_request_keys,omitempty"`  // keys whose values the audit log shows in clear
	ClearResponse     []string `json:"clear_response_keys,omitempty"` // and those of answers
	TokenType         string   `json:"token_type,omitempty"`          // of an auth method
	SealWrap          bool     `json:"seal_wrap,omitempty"`
	Plugin            string   `json:"plugin,omitempty"` // version and SHA-256 of a plugin that runs, where the server says
}

// ServerFacts are the facts of secret.server: what a secret store says of
// itself without a credential. Behind a balancer it is one node that answers.
type ServerFacts struct {
	Version            string `json:"version"`
	Initialized        bool   `json:"initialized"`
	Sealed             bool   `json:"sealed"`
	Standby            bool   `json:"standby,omitempty"`
	PerformanceStandby bool   `json:"performance_standby,omitempty"`
	Cluster            string `json:"cluster,omitempty"` // id; a sealed server does not know it
	ClusterName        string `json:"cluster_name,omitempty"`
	ReplicationDR      string `json:"replication_dr,omitempty"`
	ReplicationPerf    string `json:"replication_performance,omitempty"`
}
