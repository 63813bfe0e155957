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

# Whether the server is sealed. It answers this without a token; listed so that
# everything asked for stands here.
path "sys/health" { capabilities = ["read"] }

# When keys and credentials were rotated. Name your own mounts: a + in place of
# a mount would open values of a KV version 1 engine.
path "sys/key-status" { capabilities = ["read"] }
path "database/static-roles" { capabilities = ["list"] }
path "database/static-roles/*" { capabilities = ["list", "read"] }
path "ldap/static-role" { capabilities = ["list"] }
path "ldap/static-role/*" { capabilities = ["list", "read"] }
path "aws/static-roles" { capabilities = ["list"] }
path "aws/static-roles/*" { capabilities = ["list", "read"] }
path "transit/keys" { capabilities = ["list"] }
path "transit/keys/+" { capabilities = ["read"] }
path "pki/issuers" { capabilities = ["list"] }
path "pki/issuer/+" { capabilities = ["read"] }

# How many leases the server could not revoke.
path "sys/leases/count" { capabilities = ["read"] }

# Only for kv_metadata: version and age of each secret, never its value. Name
# mounts of KV version 2 alone.
# path "kv/metadata/*" { capabilities = ["list", "read"] }

# Only for leases: counting them needs sudo, and shows lease ids.
# path "sys/leases/lookup/database/*" { capabilities = ["list", "sudo"] }

# For evidenced doctor: what this token may do, and which namespaces there are
# (OpenBao and Vault Enterprise).
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/namespaces" { capabilities = ["list"] }
