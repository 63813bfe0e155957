package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"evidenced/collectors"
	"evidenced/collectors/tail"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// need is something the token must be able to do, and the kinds that stand on
// it. Names of things that need not be there stand for all of their place.
type need struct {
	path, capability string
	kinds            []evidence.Kind
	optional         string // what is not known without it; empty: evidence is missing
}

// sample is the name that capabilities are asked for below a place.
const sample = "evidenced-examination"

// Examine implements collectors.Examiner. It asks the server what the token
// may do on each path the collector asks for and on those it must not be able
// to use, and looks whether the audit files can be read.
func (c *Collector) Examine(ctx context.Context) (collectors.Examination, error) {
	x := collectors.Examination{}
	if c.api == nil {
		x.Identity = "none: only files are read"
		return x, c.examineFiles(&x)
	}
	c.api.http.ResetStats()
	err := c.examineServer(ctx, &x)
	st := c.api.http.Stats()
	x.Offset, x.OffsetOK, x.Requests = st.Offset, st.OffsetOK, st.Requests
	if err != nil {
		return x, err
	}
	return x, c.examineFiles(&x)
}

func (c *Collector) examineServer(ctx context.Context, x *collectors.Examination) error {
	f, err := c.api.serverFacts(ctx)
	if err != nil {
		return err
	}
	x.Version = f.Version
	health := collectors.Right{Name: "health of the server", Access: collectors.Readable, Kinds: []evidence.Kind{evidence.SecretServer}}
	x.Rights = append(x.Rights, health)
	if f.Sealed || !f.Initialized {
		return problem.New(problem.Source, "the server is sealed or not initialised").WithHint("unseal it; until then it tells nothing but that")
	}
	me, err := c.api.lookupSelf(ctx)
	if err != nil {
		return err
	}
	x.Identity, x.Expires = c.api.identity, me.expires
	x.Rights = append(x.Rights, collectors.Right{Name: "our own token, the probe of the audit log", Access: collectors.Readable, Kinds: auditKinds})
	if me.endless() {
		x.Rights = append(x.Rights, collectors.Right{Name: "a token that never ends", Access: collectors.Excess,
			Hint: "let an agent log in and renew a token of an hour, or make a periodic one"})
	}
	if slices.Contains(me.policies, "root") {
		x.Rights = append(x.Rights, collectors.Right{Name: "everything: the token is a root token", Access: collectors.Excess,
			Hint: "revoke it and make a token with the policy of deploy/access/vault"})
	}
	for i, ns := range c.api.names {
		if err := c.examineNamespace(ctx, x, ns, i == 0); err != nil {
			return err
		}
	}
	return nil
}

// examineNamespace compares what the token may do in one namespace with what
// is needed.
func (c *Collector) examineNamespace(ctx context.Context, x *collectors.Examination, ns string, own bool) error {
	where := ""
	if ns != "" {
		where = " in namespace " + ns
	}
	needs := slices.Clone(fixedNeeds)
	if ns == "" {
		needs = append(needs, need{path: "sys/key-status", capability: "read", kinds: rotationKinds[:1]})
	}
	secret, err := c.mountsOf(ctx, ns, "sys/mounts")
	if err != nil {
		return err
	}
	auth, err := c.mountsOf(ctx, ns, "sys/auth")
	if err != nil {
		return err
	}
	needs = append(needs, c.mountNeeds(secret, auth)...)
	if own {
		for _, p := range c.cfg.Leases {
			needs = append(needs, need{path: "sys/leases/lookup/" + strings.Trim(p, "/"), capability: "list", kinds: rotationKinds[1:]},
				need{path: "sys/leases/lookup/" + strings.Trim(p, "/"), capability: "sudo", kinds: rotationKinds[1:]})
		}
	}
	risks := risksOf(secret, auth)
	var paths []string
	for _, n := range needs {
		paths = append(paths, n.path)
	}
	for _, r := range risks {
		paths = append(paths, r.path)
	}
	may, err := c.api.capabilities(ctx, ns, paths)
	if problem.Is(err, problem.Credential) || errors.Is(err, errUnsupported) {
		x.Rights = append(x.Rights, collectors.Right{Name: "capabilities of the token" + where, Access: collectors.Untold,
			Hint: `give the token update on sys/capabilities-self, which the policy "default" has`})
		return nil
	}
	if err != nil {
		return err
	}
	for _, n := range needs {
		x.Rights = append(x.Rights, n.right(may[n.path], where))
	}
	for _, r := range risks {
		if caps := r.held(may[r.path]); len(caps) > 0 {
			x.Rights = append(x.Rights, collectors.Right{Name: r.says + where, Access: collectors.Excess,
				Hint: "take " + strings.Join(caps, ", ") + " on " + strings.Replace(r.path, sample, "*", 1) + " away"})
		}
	}
	return c.examineChildren(ctx, x, ns, where)
}

// right judges one need.
func (n need) right(caps []string, where string) collectors.Right {
	r := collectors.Right{Name: n.capability + " " + strings.Replace(n.path, sample, "*", 1) + where, Access: collectors.Readable, Kinds: n.kinds}
	switch {
	case slices.Contains(caps, n.capability) || slices.Contains(caps, "root"):
	case n.optional != "":
		r.Access, r.Kinds = collectors.Untold, nil
		r.Hint = "optional: without it " + n.optional
	default:
		r.Access = collectors.Missing
		r.Hint = `add to the policy: path "` + strings.Replace(n.path, sample, "+", 1) + `" { capabilities = ["` + n.capability + `"] }`
	}
	return r
}

var fixedNeeds = []need{
	{path: "sys/audit", capability: "read", kinds: []evidence.Kind{evidence.SecretDevice}},
	{path: "sys/audit", capability: "sudo", kinds: []evidence.Kind{evidence.SecretDevice}},
	{path: "sys/audit-hash/" + sample, capability: "update", optional: "the salt era of a device is not known"},
	{path: "sys/mounts", capability: "read", kinds: []evidence.Kind{evidence.SecretMount}},
	{path: "sys/auth", capability: "read", kinds: []evidence.Kind{evidence.SecretMount}},
	{path: "sys/policies/acl", capability: "list", kinds: []evidence.Kind{evidence.SecretPolicy}},
	{path: "sys/policies/acl/" + sample, capability: "read", kinds: []evidence.Kind{evidence.SecretPolicy}},
	{path: "identity/entity/id", capability: "list", kinds: []evidence.Kind{evidence.SecretIdentity}},
	{path: "identity/entity/id/" + sample, capability: "read", kinds: []evidence.Kind{evidence.SecretIdentity}},
	{path: "identity/group/id", capability: "list", kinds: []evidence.Kind{evidence.SecretIdentity}},
	{path: "identity/group/id/" + sample, capability: "read", kinds: []evidence.Kind{evidence.SecretIdentity}},
	{path: "sys/leases/count", capability: "read", kinds: []evidence.Kind{evidence.SecretLease}},
}

// mountNeeds are the needs of the mounts that are there.
func (c *Collector) mountNeeds(secret, auth []mountInfo) (needs []need) {
	for _, m := range auth {
		for _, kind := range roleLists[m.kind] {
			roles := []evidence.Kind{evidence.SecretRole}
			needs = append(needs, need{path: m.path + "/" + kind, capability: "list", kinds: roles},
				need{path: m.path + "/" + kind + "/" + sample, capability: "read", kinds: roles})
		}
	}
	for _, m := range secret {
		at := map[string][2]string{"transit": {"keys", "keys"}, "pki": {"issuers", "issuer"}}[m.kind]
		if e, ok := staticEngines[m.kind]; ok {
			at = [2]string{e.roles, e.roles}
		}
		if m.kind == "kv" && m.version == "2" && c.cfg.KVMetadata {
			at = [2]string{"metadata", "metadata"}
		}
		if at[0] != "" {
			needs = append(needs, need{path: m.path + "/" + at[0], capability: "list", kinds: rotationKinds[:1]},
				need{path: m.path + "/" + at[1] + "/" + sample, capability: "read", kinds: rotationKinds[:1]})
		}
	}
	return needs
}

// risk is a path on which a token that only reads evidence may do nothing of
// what is listed.
type risk struct {
	says, path string
	caps       []string
}

func (r risk) held(caps []string) (held []string) {
	for _, c := range caps {
		if c == "root" || slices.Contains(r.caps, c) {
			held = append(held, c)
		}
	}
	return held
}

var (
	reads  = []string{"read", "update", "create"}
	writes = []string{"create", "update", "patch", "delete"}
)

// risksOf lists what would make the token more than a reader: secrets in
// clear, credentials, and power over policies, logins and the log itself.
func risksOf(secret, auth []mountInfo) []risk {
	rs := []risk{
		{"may read raw storage", "sys/raw/" + sample, []string{"read", "list", "create", "update", "delete"}},
		{"may change policies", "sys/policies/acl/" + sample, writes},
		{"may change audit devices", "sys/audit/" + sample, writes},
		{"may mount secret engines", "sys/mounts/" + sample, writes},
		{"may enable auth methods", "sys/auth/" + sample, writes},
		{"may seal the server", "sys/seal", []string{"update", "create"}},
		{"may take snapshots of the storage", "sys/storage/raft/snapshot", []string{"read", "update"}},
		{"may make tokens", "auth/token/create", []string{"create", "update"}},
		{"may revoke leases", "sys/leases/revoke-prefix/" + sample, []string{"create", "update"}},
		{"may change identities", "identity/entity/id/" + sample, writes},
	}
	for _, m := range auth {
		for _, kind := range roleLists[m.kind] {
			rs = append(rs, risk{"may change who logs in at " + m.path, m.path + "/" + kind + "/" + sample, writes})
		}
	}
	for _, m := range secret {
		for _, sub := range map[string][]string{
			"database": {"creds/", "static-creds/"}, "transit": {"decrypt/", "export/encryption-key/"}, "pki": {"issue/"},
			"kv": {"data/"}, "aws": {"creds/", "static-creds/"}, "ldap": {"creds/", "static-cred/"}, "openldap": {"creds/", "static-cred/"}, "gcp": {"key/"}, "azure": {"creds/"}, "ssh": {"issue/"}, "totp": {"code/"},
		}[m.kind] {
			if m.kind == "kv" && m.version != "2" {
				sub = ""
			}
			rs = append(rs, risk{"may take secrets out of " + m.path, m.path + "/" + sub + sample, reads})
		}
	}
	return rs
}

// mountsOf lists the mounts of one class. Without the right to list them it
// returns none: that right is among the needs.
func (c *Collector) mountsOf(ctx context.Context, ns, path string) ([]mountInfo, error) {
	s, err := c.api.get(ctx, ns, path, false)
	if problem.Is(err, problem.Credential) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []mountInfo
	for name, v := range s.Data {
		mt, _ := v.(map[string]any)
		m := mountInfo{path: strings.Trim(name, "/"), kind: asString(mt["type"])}
		if opts, _ := mt["options"].(map[string]any); opts != nil {
			m.version = asString(opts["version"])
		}
		if path == "sys/auth" {
			m.path = "auth/" + m.path
		}
		if m.kind != "" {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b mountInfo) int { return strings.Compare(a.path, b.path) })
	return out, nil
}

// capabilities asks what the token may do on some paths.
// https://developer.hashicorp.com/vault/api-docs/system/capabilities-self
func (c *client) capabilities(ctx context.Context, namespace string, paths []string) (map[string][]string, error) {
	slices.Sort(paths)
	s, err := c.in(namespace).Logical().WriteWithContext(ctx, "sys/capabilities-self", map[string]any{"paths": slices.Compact(paths)})
	if err != nil {
		return nil, describe(err, "sys/capabilities-self")
	}
	if s == nil || s.Data == nil {
		return nil, problem.New(problem.Source, "answer to sys/capabilities-self holds no data")
	}
	out := map[string][]string{}
	for p, v := range s.Data {
		out[p] = stringList(v)
	}
	return out, nil
}

// examineChildren names the namespaces below one that nobody configured: what
// stands in them is not seen.
func (c *Collector) examineChildren(ctx context.Context, x *collectors.Examination, ns, where string) error {
	names, err := c.api.keys(ctx, ns, "sys/namespaces")
	switch {
	case errors.Is(err, errUnsupported):
		return nil // the edition has none
	case problem.Is(err, problem.Credential):
		x.Rights = append(x.Rights, collectors.Right{Name: "list of namespaces" + where, Access: collectors.Untold,
			Hint: `optional: with list on sys/namespaces, namespaces that are not configured are named`})
		return nil
	case err != nil:
		return err
	}
	for _, n := range names {
		if full := joinPath(ns, strings.Trim(n, "/")); !slices.Contains(c.api.names, full) {
			x.Rights = append(x.Rights, collectors.Right{Name: "namespace " + clean([]byte(full)), Access: collectors.Missing, Kinds: stateKinds,
				Hint: "add it to namespaces in the configuration of the source"})
		}
	}
	return nil
}

// examineFiles looks whether each audit file can be read, and how far back the
// files go.
func (c *Collector) examineFiles(x *collectors.Examination) error {
	paths, err := tail.Expand(c.cfg.AuditFiles)
	if err != nil {
		return err
	}
	if len(paths) == 0 && len(c.cfg.AuditFiles) > 0 {
		x.Rights = append(x.Rights, collectors.Right{Name: "audit files", Access: collectors.Missing, Kinds: auditKinds, Hint: "no file matches audit_files"})
	}
	if c.spool != nil {
		x.Rights = append(x.Rights, c.examineSpool())
	}
	for _, p := range paths {
		r := collectors.Right{Name: "audit file " + p, Access: collectors.Readable, Kinds: auditKinds}
		var told []string
		note := func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
		files := tail.New(p, tail.Options{MaxLine: c.cfg.MaxLine, Silence: c.cfg.ProbeLimit, Time: firstTime, Note: note, Partial: note})
		err := files.Refresh()
		if err == nil {
			_, err = os.Stat(p)
		}
		if err != nil {
			r.Access, r.Hint = collectors.Missing, "give the daemon read permission on the file and its folder (mode=0640 and a group on the audit device)"
			if errors.Is(err, os.ErrNotExist) {
				r.Hint = "there is no such file: enable a file device, or correct audit_files"
			}
		} else if len(told) > 0 {
			r.Hint = "some rotated files beside it cannot be read: " + strings.Join(told, "; ")
		}
		x.Rights = append(x.Rights, r)
		oldest := files.Oldest()
		files.Stop()
		if err != nil {
			continue
		}
		x.Oldest = append(x.Oldest, collectors.Oldest{
			What: "audit log " + filepath.Base(p), At: oldest, Kept: "what the rotation of its files keeps",
		})
	}
	return nil
}

// examineSpool looks whether the socket's lines can be kept. The daemon itself
// listens, so the socket is not tried.
func (c *Collector) examineSpool() collectors.Right {
	r := collectors.Right{Name: "spool of the socket device", Access: collectors.Readable, Kinds: auditKinds,
		Hint: "records that only a socket tells are marked and satisfy nothing alone"}
	if len(c.cfg.AuditFiles) == 0 {
		r.Hint += "; add a file device and audit_files"
	}
	fi, err := os.Stat(c.cfg.SpoolDir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		r.Access, r.Hint = collectors.Untold, "the folder is made when the daemon begins to listen"
	case err != nil || !fi.IsDir():
		r.Access, r.Hint = collectors.Missing, "set spool_dir to a folder that the daemon may write to"
	case fi.Mode().Perm()&0o077 != 0:
		r.Access, r.Hint = collectors.Excess, "others may read the folder, and audit lines in it: chmod 0700"
	}
	return r
}
