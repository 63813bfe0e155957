package vault

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

var rotationKinds = []evidence.Kind{evidence.SecretRotation, evidence.SecretLease}

// rotationIfDue reads what is rotated, and leases, when the last look is long
// enough ago. What cannot be read makes the look partial.
func (r *run) rotationIfDue(ctx context.Context) error {
	now := r.c.env.Clock().UTC()
	st, every := &r.cur.State, r.c.cfg.RotationEvery
	if r.c.api == nil || !st.Rotated.IsZero() && now.Sub(st.Rotated) < every || now.Before(r.c.again.at) {
		return nil
	}
	w := r.walk(now, st.Rotated)
	w.left = r.c.cfg.KVLimit
	for i, name := range r.c.api.names {
		ns := &nsState{name: name}
		if err := w.part(ctx, evidence.SecretRotation, w.rotations(ctx, ns)); err != nil {
			return err
		}
		if err := w.part(ctx, evidence.SecretLease, w.irrevocable(ctx, ns)); err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		for _, prefix := range r.c.cfg.Leases {
			if err := w.part(ctx, evidence.SecretLease, w.leases(ctx, ns, strings.Trim(prefix, "/"))); err != nil {
				return err
			}
		}
	}
	full := len(w.done(rotationKinds, every)) == len(rotationKinds)
	r.c.again.next(now, full, every)
	if full {
		st.Rotated = now
	}
	return nil
}

// part notes that a part of a kind could not be read, and returns what ends
// the run.
func (w *walk) part(ctx context.Context, kind evidence.Kind, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil || collectors.EndOf(err) != nil:
		return err
	}
	w.miss(kind, err)
	return nil
}

// rotations reads each mount that rotates something. A mount that cannot be
// read does not keep the others from being read.
func (w *walk) rotations(ctx context.Context, ns *nsState) error {
	data, err := w.get(ctx, ns, "sys/mounts")
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		mt, _ := data[name].(map[string]any)
		if asString(mt["type"]) == "" {
			if strings.HasSuffix(name, "/") { // else it is none, see mounts
				w.miss(evidence.SecretRotation, oddEntry("a mount")) // what it rotates did not end
			}
			continue
		}
		opts, _ := mt["options"].(map[string]any)
		mount := strings.Trim(name, "/")
		read := map[string]func(context.Context, *nsState, string) error{"transit": w.transitKeys, "pki": w.issuers}[asString(mt["type"])]
		if e, ok := staticEngines[asString(mt["type"])]; ok {
			read = func(ctx context.Context, ns *nsState, mount string) error { return w.staticRoles(ctx, ns, mount, e) }
		}
		if w.r.c.cfg.KVMetadata && asString(mt["type"]) == "kv" && asString(opts["version"]) == "2" {
			read = w.kvMetadata
		}
		if read == nil {
			continue
		}
		if err := w.part(ctx, evidence.SecretRotation, read(ctx, ns, mount)); err != nil {
			return err
		}
	}
	if ns.name != "" {
		return nil // the server has one barrier, told in the root namespace
	}
	return w.barrier(ctx, ns)
}

// rotation hands over one rotated thing. name is its path as the owner of a
// secret names it, so that it joins with the requests for it.
func (w *walk) rotation(ctx context.Context, ns *nsState, mount, name string, f evidence.RotationFacts) error {
	path := joinPath(ns.name, clean([]byte(name)))
	if hidden := hideMails(path); hidden != path {
		path = hidden + "~" + w.pseudonym(mount, path) // two of them must not become one
	}
	f.Path, f.Namespace = path, ns.name
	subject := w.m.ref("secret", path)
	return w.emit(ctx, evidence.SecretRotation, subject, &f, func(d *evidence.Draft) {
		m := w.m.ref("mount", joinPath(ns.name, clean([]byte(mount))))
		d.Links = append(d.Links, subject, m)
		d.Scope = append(w.scope(ns), m, w.m.ref("path", path))
	})
}

// each lists the names below a path, with those in folders, and visits them in
// order of their names. It returns false when left ran out.
func (w *walk) each(ctx context.Context, ns *nsState, base string, left *int, visit func(name string) error) (whole bool, err error) {
	folders := []string{""}
	for len(folders) > 0 {
		folder := folders[len(folders)-1]
		folders = folders[:len(folders)-1]
		if *left <= 0 {
			return false, nil
		}
		*left--
		names, err := w.keys(ctx, ns, strings.TrimSuffix(base+"/"+folder, "/"))
		if err != nil {
			return false, err
		}
		slices.Sort(names)
		var below []string
		for _, n := range names {
			switch name := folder + n; {
			case strings.HasSuffix(n, "/"):
				if strings.Count(name, "/") > maxFolders {
					return false, problem.New(problem.Source, "folders below %s are nested more than %d deep", shown(base), maxFolders)
				}
				below = append(below, name)
			default:
				if *left <= 0 {
					return false, nil
				}
				*left--
				if err := visit(name); err != nil {
					return false, err
				}
			}
		}
		slices.Reverse(below)
		folders = append(folders, below...)
	}
	return true, nil
}

const (
	maxFolders = 64
	maxNamed   = 20000 // keys, roles and issuers of one mount
)

// named lists the things of one mount and reads each.
func (w *walk) named(ctx context.Context, ns *nsState, list, one string, use func(name string, data map[string]any) error) error {
	left := 2 * maxNamed
	whole, err := w.each(ctx, ns, list, &left, func(name string) error {
		data, err := w.get(ctx, ns, one+"/"+name)
		if errors.Is(err, errAbsent) {
			return nil // deleted between list and read
		}
		if err != nil {
			return err
		}
		return use(name, data)
	})
	if err == nil && !whole {
		err = problem.New(problem.Source, "%s holds more than %d", shown(list), maxNamed)
	}
	return err
}

// staticEngine is where an engine that rotates credentials of accounts outside
// keeps them: its roles, which say when it did so last, and their values, which
// are never asked for.
type staticEngine struct{ roles, values, says string }

// staticEngines are such engines by their type.
// https://developer.hashicorp.com/vault/api-docs/secret/databases#read-static-role
// https://developer.hashicorp.com/vault/api-docs/secret/ldap#static-roles
// https://developer.hashicorp.com/vault/api-docs/secret/aws#read-static-role
var staticEngines = map[string]staticEngine{
	"database": {"static-roles", "static-creds", "database-static-role"},
	"ldap":     {"static-role", "static-cred", "ldap-static-role"},
	"openldap": {"static-role", "static-cred", "ldap-static-role"},  // the engine's older name
	"aws":      {"static-roles", "static-creds", "aws-static-role"}, // tells the period alone
}

// staticRoles reads the roles of such an engine.
func (w *walk) staticRoles(ctx context.Context, ns *nsState, mount string, e staticEngine) error {
	list := mount + "/" + e.roles
	err := w.named(ctx, ns, list, list, func(name string, data map[string]any) error {
		f := staticRole(data)
		f.Type = e.says
		return w.rotation(ctx, ns, mount, mount+"/"+e.values+"/"+name, f)
	})
	if errors.Is(err, errUnsupported) {
		return nil
	}
	return err
}

func staticRole(data map[string]any) evidence.RotationFacts {
	return evidence.RotationFacts{
		LastRotated: when(data["last_vault_rotation"]), PeriodSeconds: seconds(data["rotation_period"]),
		Schedule: cut(clean([]byte(asString(data["rotation_schedule"]))), 200), KeyType: cut(clean([]byte(asString(data["credential_type"]))), 40),
	}
}

// transitKeys reads versions and properties of encryption keys.
// https://developer.hashicorp.com/vault/api-docs/secret/transit#read-key
func (w *walk) transitKeys(ctx context.Context, ns *nsState, mount string) error {
	list := mount + "/keys"
	return w.named(ctx, ns, list, list, func(name string, data map[string]any) error {
		f, err := transitKey(data)
		if err != nil {
			return err
		}
		return w.rotation(ctx, ns, mount, list+"/"+name, f)
	})
}

func transitKey(data map[string]any) (evidence.RotationFacts, error) {
	f := evidence.RotationFacts{
		Type: "transit-key", Version: seconds(data["latest_version"]), PeriodSeconds: seconds(data["auto_rotate_period"]),
		MinDecryption: seconds(data["min_decryption_version"]), Exportable: flag(data["exportable"]), DeletionAllowed: flag(data["deletion_allowed"]),
		PlainBackup: flag(data["allow_plaintext_backup"]), KeyType: cut(clean([]byte(asString(data["type"]))), 40),
	}
	if f.Version <= 0 {
		return f, problem.New(problem.Source, "a transit key has no latest version")
	}
	// Symmetric keys give a time for each version, others an object.
	versions, _ := data["keys"].(map[string]any)
	v := versions[strconv.FormatInt(f.Version, 10)]
	if o, ok := v.(map[string]any); ok {
		v = o["creation_time"]
	}
	f.LastRotated = when(v)
	return f, nil
}

func flag(v any) *bool {
	if b, ok := v.(bool); ok {
		return &b
	}
	return nil
}

// issuers reads the certificates that a PKI engine signs with. Servers before
// issuers had names have one.
// https://developer.hashicorp.com/vault/api-docs/secret/pki#read-issuer
func (w *walk) issuers(ctx context.Context, ns *nsState, mount string) error {
	err := w.named(ctx, ns, mount+"/issuers", mount+"/issuer", func(id string, data map[string]any) error {
		f, err := issuer(data)
		if err != nil {
			return fmt.Errorf("issuer %s of %s: %w", shown(id), shown(mount), err)
		}
		return w.rotation(ctx, ns, mount, mount+"/issuer/"+id, f)
	})
	if !errors.Is(err, errUnsupported) {
		return err
	}
	data, err := w.get(ctx, ns, mount+"/cert/ca")
	if errors.Is(err, errAbsent) {
		return nil
	}
	if err != nil {
		return err
	}
	if asString(data["certificate"]) == "" {
		return nil // none was made yet
	}
	f, err := issuer(data)
	if err != nil {
		return fmt.Errorf("issuer of %s: %w", shown(mount), err)
	}
	return w.rotation(ctx, ns, mount, mount+"/issuer/default", f)
}

// issuer reads when the certificate of an issuer begins and ends.
func issuer(data map[string]any) (evidence.RotationFacts, error) {
	f := evidence.RotationFacts{Type: "pki-issuer", Revoked: asBool(data["revoked"])}
	block, _ := pem.Decode([]byte(asString(data["certificate"])))
	if block == nil || block.Type != "CERTIFICATE" {
		return f, problem.New(problem.Source, "its certificate is not PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return f, problem.New(problem.Source, "its certificate cannot be read")
	}
	f.LastRotated, f.ExpiresAt, f.KeyType = c.NotBefore.UTC(), c.NotAfter.UTC(), strings.ToLower(c.PublicKeyAlgorithm.String())
	return f, nil
}

// barrier reads which key the server's storage is written with.
// https://developer.hashicorp.com/vault/api-docs/system/key-status
func (w *walk) barrier(ctx context.Context, ns *nsState) error {
	data, err := w.get(ctx, ns, "sys/key-status")
	if err != nil {
		return err
	}
	f := evidence.RotationFacts{Type: "barrier-key", Version: seconds(data["term"]), LastRotated: when(data["install_time"])}
	if f.Version <= 0 {
		return problem.New(problem.Source, "sys/key-status says no term")
	}
	return w.rotation(ctx, ns, "sys", "sys/barrier-key", f)
}

// kvMetadata reads version and age of the secrets of one mount. The path of a
// value is never asked for.
// https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-metadata
func (w *walk) kvMetadata(ctx context.Context, ns *nsState, mount string) error {
	base := mount + "/metadata"
	whole, err := w.each(ctx, ns, base, &w.left, func(name string) error {
		data, err := w.get(ctx, ns, base+"/"+name)
		if errors.Is(err, errAbsent) {
			return nil
		}
		if err != nil {
			return err
		}
		return w.rotation(ctx, ns, mount, mount+"/"+name, kvSecret(data))
	})
	if err == nil && !whole {
		err = problem.New(problem.Source, "metadata below %s was not read to its end", shown(mount)).
			WithHint("raise kv_limit above %d", w.r.c.cfg.KVLimit)
	}
	return err
}

// kvSecret reads the age of the version that is in force. Custom metadata is
// free text and is not kept.
func kvSecret(data map[string]any) evidence.RotationFacts {
	f := evidence.RotationFacts{Type: "kv", Version: seconds(data["current_version"])}
	versions, _ := data["versions"].(map[string]any)
	v, _ := versions[strconv.FormatInt(f.Version, 10)].(map[string]any)
	if f.LastRotated = when(v["created_time"]); f.LastRotated.IsZero() {
		f.LastRotated = when(data["updated_time"])
	}
	if d := seconds(data["delete_version_after"]); d > 0 && !f.LastRotated.IsZero() {
		f.ExpiresAt = f.LastRotated.Add(time.Duration(d) * time.Second)
	}
	return f
}

// irrevocable counts the leases that the server gave up to revoke. Unlike the
// list of leases it needs no sudo.
// https://developer.hashicorp.com/vault/api-docs/system/leases#lease-counts
func (w *walk) irrevocable(ctx context.Context, ns *nsState) error {
	if err := w.pace(ctx); err != nil {
		return err
	}
	s, err := w.api.ask(ctx, ns.name, "sys/leases/count", url.Values{"type": {"irrevocable"}})
	if errors.Is(err, errAbsent) || errors.Is(err, errUnsupported) {
		return nil // older servers
	}
	if err != nil {
		return err
	}
	n, ok := s.Data["lease_count"].(json.Number)
	if !ok {
		return problem.New(problem.Source, "sys/leases/count says no count")
	}
	count, err := n.Int64()
	if err != nil || count < 0 {
		return problem.New(problem.Source, "sys/leases/count says no count")
	}
	subject := w.m.ref("path", joinPath(ns.name, "sys/leases/irrevocable"))
	f := evidence.LeaseFacts{Prefix: "sys/leases/irrevocable", Namespace: ns.name, Count: int(count), Irrevocable: true, LookedAt: w.now}
	return w.emit(ctx, evidence.SecretLease, subject, &f, func(d *evidence.Draft) {
		d.Scope = append(w.scope(ns), subject, w.m.ref("mount", joinPath(ns.name, "sys")))
	})
}

// Limits of one count of leases.
const (
	maxLeases       = 100000
	maxLeaseFolders = 2000
)

// leases counts the leases below a prefix. Their ids give power over them and
// are not kept.
func (w *walk) leases(ctx context.Context, ns *nsState, prefix string) error {
	f := evidence.LeaseFacts{Prefix: clean([]byte(prefix)) + "/", Namespace: ns.name, LookedAt: w.now}
	asked := 0
	folders := []string{""}
	for len(folders) > 0 && !f.Cut {
		folder := folders[len(folders)-1]
		folders = folders[:len(folders)-1]
		if asked++; asked > maxLeaseFolders || strings.Count(folder, "/") > maxFolders {
			f.Cut = true
			break
		}
		names, err := w.keys(ctx, ns, "sys/leases/lookup/"+prefix+strings.TrimSuffix("/"+folder, "/"))
		if err != nil {
			return err
		}
		for _, n := range names {
			if strings.HasSuffix(n, "/") {
				folders = append(folders, folder+n)
			} else if f.Count++; f.Count >= maxLeases {
				f.Cut = true
				break
			}
		}
	}
	subject := w.m.ref("path", joinPath(ns.name, clean([]byte(prefix))+"/*"))
	return w.emit(ctx, evidence.SecretLease, subject, &f, func(d *evidence.Draft) { d.Scope = append(w.scope(ns), subject) })
}

// shown is a path as errors may hold it.
func shown(path string) string {
	path, _, _ = hideNames(clean([]byte(path)), "", "")
	return path
}
