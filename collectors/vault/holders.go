package vault

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"evidenced/collectors"
	"evidenced/evidence"
)

// identities reads entities with their aliases, and the policies that groups
// add.
func (w *walk) identities(ctx context.Context, ns *nsState) error {
	ids, err := w.keys(ctx, ns, "identity/group/id")
	if err != nil {
		return err
	}
	for _, id := range ids {
		data, err := w.get(ctx, ns, "identity/group/id/"+id)
		if errors.Is(err, errAbsent) {
			continue
		}
		if err != nil {
			return err
		}
		ns.groups[id] = w.group(ns, id, data)
	}
	if ids, err = w.keys(ctx, ns, "identity/entity/id"); err != nil {
		return err
	}
	for _, id := range ids {
		data, err := w.get(ctx, ns, "identity/entity/id/"+id)
		if errors.Is(err, errAbsent) {
			continue
		}
		if err != nil {
			return err
		}
		if err := w.entity(ctx, ns, id, data); err != nil {
			return err
		}
	}
	return nil
}

// group reads a group's own facts. The name of an external group's alias is the
// group's name at the login method, which may be a mail address: it is not
// kept.
func (w *walk) group(ns *nsState, id string, data map[string]any) evidence.IdentityGroup {
	g := evidence.IdentityGroup{ID: clean([]byte(id)), Policies: sorted(data["policies"]), External: asString(data["type"]) == "external"}
	if name := clean([]byte(asString(data["name"]))); !looksLikeMail(name) {
		g.Name = cut(name, 200)
	}
	if a, _ := data["alias"].(map[string]any); len(a) > 0 {
		g.MountType = asString(a["mount_type"])
		g.MountPath = joinPath(ns.name, strings.Trim(asString(a["mount_path"]), "/"))
	}
	return g
}

func (w *walk) entity(ctx context.Context, ns *nsState, id string, data map[string]any) error {
	f := evidence.IdentityFacts{Entity: clean([]byte(id)), Disabled: asBool(data["disabled"]), Policies: sorted(data["policies"]), Holder: -1}
	groups := slices.Concat(stringList(data["group_ids"]), stringList(data["direct_group_ids"]), stringList(data["inherited_group_ids"]))
	slices.Sort(groups)
	for _, id := range slices.Compact(groups) {
		g, ok := ns.groups[id]
		if !ok {
			g.ID = clean([]byte(id)) // made since the groups were listed
		}
		f.Groups = append(f.Groups, g)
		for _, p := range g.Policies {
			if !slices.Contains(f.GroupPolicies, p) {
				f.GroupPolicies = append(f.GroupPolicies, p)
			}
		}
	}
	slices.Sort(f.GroupPolicies)
	f.MergedFrom = sorted(data["merged_entity_ids"])
	login := ""
	aliases, _ := data["aliases"].([]any)
	for _, x := range aliases {
		a, ok := x.(map[string]any)
		if !ok {
			continue
		}
		al := evidence.IdentityAlias{
			MountAccessor: asString(a["mount_accessor"]), MountType: asString(a["mount_type"]),
			MountPath: joinPath(ns.name, strings.Trim(asString(a["mount_path"]), "/")),
		}
		name := asString(a["name"])
		w.holders[al.MountAccessor+"|"+name] = id
		switch {
		case humanMethod(al.MountType):
			if login == "" || name < login {
				login = name
			}
		case machineMethod(al.MountType):
			meta, _ := a["metadata"].(map[string]any)
			for _, k := range []string{"role_name", "role"} {
				if al.Role == "" {
					al.Role = asString(meta[k])
				}
			}
		}
		f.Aliases = append(f.Aliases, al)
	}
	slices.SortFunc(f.Aliases, func(a, b evidence.IdentityAlias) int {
		return strings.Compare(a.MountAccessor+a.Role, b.MountAccessor+b.Role)
	})
	subject := w.m.ref("entity", f.Entity)
	all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(f.Policies, f.GroupPolicies))))
	var people []evidence.Person
	if login != "" {
		f.Holder = 0
		people = append(people, w.holder(entityRealm(w.m.authority), f.Entity, login))
	}
	return w.emit(ctx, evidence.SecretIdentity, subject, &f, func(d *evidence.Draft) {
		d.People = people
		refs := w.policyRefs(ns, all)
		d.Links = append(d.Links, refs...)
		d.Scope = append(append(append(w.scope(ns), subject), refs...), w.paths(ns, all)...)
		d.Mentions = w.mentionHeld(ns, &f)
	})
}

func (w *walk) holder(realm, id, login string) evidence.Person {
	return w.m.marked(evidence.Person{
		Role: evidence.RoleHolder, Realm: realm, NativeID: cut(id, 200), Names: names(login, ""), Proof: evidence.ProofAuthenticated,
	})
}

// roleLists says where an auth method keeps its roles, users and groups.
var roleLists = map[string][]string{
	"approle": {"role"}, "kubernetes": {"role"}, "jwt": {"role"}, "oidc": {"role"}, "aws": {"roles"}, "gcp": {"roles"},
	"azure": {"role"}, "cert": {"certs"}, "userpass": {"users"}, "ldap": {"users", "groups"}, "okta": {"users", "groups"},
	"radius": {"users"}, "kerberos": {"groups"}, "token": {"roles"},
}

// roles reads what each auth method gives to whom. A method that cannot be read
// does not keep the others from being read.
func (w *walk) roles(ctx context.Context, ns *nsState) error {
	for _, m := range ns.auth {
		for _, kind := range roleLists[m.kind] {
			if err := w.part(ctx, evidence.SecretRole, w.rolesOf(ctx, ns, m, kind)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rolesOf reads one list of an auth method.
func (w *walk) rolesOf(ctx context.Context, ns *nsState, m mountInfo, kind string) error {
	names, err := w.keys(ctx, ns, m.path+"/"+kind)
	if errors.Is(err, errUnsupported) {
		return nil // another version of the method has no such list
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "/") {
			continue
		}
		data, err := w.get(ctx, ns, m.path+"/"+kind+"/"+name)
		if errors.Is(err, errAbsent) {
			continue
		}
		if err != nil && kind == "users" && ctx.Err() == nil && collectors.EndOf(err) == nil {
			// The address in the error holds the login.
			err = errors.New(hideUser(err.Error(), name, url.PathEscape(name)))
		}
		if err != nil {
			return err
		}
		if err := w.role(ctx, ns, m, kind, name, data); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) role(ctx context.Context, ns *nsState, m mountInfo, kind, name string, data map[string]any) error {
	f := evidence.RoleFacts{
		Mount: joinPath(ns.name, m.path), MountType: m.kind, Role: clean([]byte(name)), Holder: -1,
		Policies:   sorted(firstOf(data, "token_policies", "policies", "allowed_policies")),
		Namespaces: sorted(data["bound_service_account_namespaces"]), ServiceAccounts: sorted(data["bound_service_account_names"]),
		TTLSeconds: seconds(firstOf(data, "token_ttl", "ttl")), MaxTTLSeconds: seconds(firstOf(data, "token_max_ttl", "max_ttl", "token_explicit_max_ttl", "explicit_max_ttl")),
		PeriodSeconds: seconds(firstOf(data, "token_period", "period")), TokenType: asString(data["token_type"]), Orphan: asBool(data["orphan"]),
		BoundCIDRs: sorted(firstOf(data, "token_bound_cidrs", "bound_cidrs")),
	}
	if explicit := seconds(firstOf(data, "token_explicit_max_ttl", "explicit_max_ttl")); explicit > 0 || f.PeriodSeconds > 0 {
		f.ExplicitSeconds = &explicit
	}
	if bound, ok := data["bind_secret_id"].(bool); ok && bound && m.kind == "approle" {
		f.SecretIDSeconds = seconds(data["secret_id_ttl"])
		f.SecretIDForever = f.SecretIDSeconds == 0
	}
	var people []evidence.Person
	switch kind {
	case "users":
		f.Role, f.Holder = w.pseudonym(f.Mount, name), 0
		realm, id := "vault:"+w.m.authority+"/login", f.Mount+"/"+name
		if e := w.holders[m.accessor+"|"+name]; e != "" {
			realm, id = entityRealm(w.m.authority), e
		}
		people = append(people, w.holder(realm, id, name))
	case "groups":
		f.Role = "groups/" + f.Role
	}
	subject := w.m.ref("role", f.Mount+"/"+f.Role)
	return w.emit(ctx, evidence.SecretRole, subject, &f, func(d *evidence.Draft) {
		d.People = people
		refs := w.policyRefs(ns, f.Policies)
		d.Links = append(append(d.Links, w.m.ref("mount", f.Mount)), refs...)
		for _, n := range f.Namespaces {
			if !strings.ContainsAny(n, "*") {
				d.Scope = append(d.Scope, w.m.ref("ns", n))
			}
		}
		d.Scope = append(append(append(d.Scope, w.scope(ns)...), refs...), w.paths(ns, f.Policies)...)
		d.Mentions = []evidence.Mention{w.mentionPolicies(ns, "/policies", f.Policies)}
	})
}

func firstOf(data map[string]any, keys ...string) any {
	for _, k := range keys {
		switch v := data[k].(type) {
		case nil:
		case []any:
			if len(v) > 0 {
				return v
			}
		default:
			return v
		}
	}
	return nil
}

func sorted(v any) []string {
	s := slices.Clone(stringList(v))
	for i := range s {
		s[i] = clean([]byte(s[i]))
	}
	slices.Sort(s)
	return slices.Compact(s)
}
