# What evidenced reads of Vault or OpenBao: lists and metadata, never a secret.
# The token needs nothing else. Tried against the requests that the collector
# makes: collectors/vault/access_test.go.

# The probe: its request id must turn up in the audit log.
path "auth/token/lookup-self" { capabilities = ["read"] }

# Audit devices and their options (the server asks for sudo here).
path "sys/audit" { capabilities = ["read", "sudo"] }

# Optional: tells one salt of a device from the next. Whoever has it can also
# compare a guess with a hash in the log; leave it out if that is too much, the
# era of a device is then unknown.
path "sys/audit-hash/*" { capabilities = ["update"] }

# Mounts and auth methods.
path "sys/mounts" { capabilities = ["read"] }
path "sys/auth" { capabilities = ["read"] }

# Policies: who could read what.
path "sys/policies/acl" { capabilities = ["list"] }
path "sys/policies/acl/*" { capabilities = ["read"] }

# Roles and users of the auth methods, without their credentials.
path "auth/+/role" { capabilities = ["list"] }
path "auth/+/role/+" { capabilities = ["read"] }
path "auth/+/roles" { capabilities = ["list"] }
path "auth/+/roles/+" { capabilities = ["read"] }
path "auth/+/users" { capabilities = ["list"] }
path "auth/+/users/+" { capabilities = ["read"] }
path "auth/+/groups" { capabilities = ["list"] }
path "auth/+/groups/+" { capabilities = ["read"] }
path "auth/+/certs" { capabilities = ["list"] }
path "auth/+/certs/+" { capabilities = ["read"] }

# Identities: whose logins belong together.
path "identity/entity/id" { capabilities = ["list"] }
path "identity/entity/id/*" { capabilities = ["read"] }
path "identity/group/id" { capabilities = ["list"] }
path "identity/group/id/*" { capabilities = ["read"] }
