package mappings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

var rotationsView = &view{
	View: View{
		Name:  "secret_rotations",
		Doc:   "Credentials and keys that a secret store keeps and can rotate: one item for each that existed in the period.",
		Kinds: []evidence.Kind{evidence.SecretRotation},
		Fields: []Field{
			atEnd,
			{Name: "path", Type: "string", Doc: "path of the credential or key"},
			{Name: "type", Type: "string", Doc: "database-static-role, transit-key, pki-issuer, barrier-key or kv"},
			{Name: "revoked", Type: "bool", Doc: "an issuer that signs no more"},
			{Name: "oldest", Type: "duration", Optional: true, Doc: "largest age that it surely reached in the period; missing where the source does not say when it last changed"},
			{Name: "oldest_possible", Type: "duration", Optional: true, Doc: "as oldest, up to the look that first showed it changed or gone"},
			{Name: "rotated_by_itself", Type: "bool", Doc: "the store rotates it at set times, at the end"},
			{Name: "exportable", Type: "bool", Optional: true, Doc: "a key that may leave the store"},
		},
	},
	build: subjectItems(evidence.SecretRotation, (*scene).rotationItem),
}

func (s *scene) rotationItem(sts []stretch[evidence.RotationFacts]) *item {
	last, _ := newestOf(sts)
	f := &last.facts
	it := subjectItem(sts, evidence.SecretRotation, f.Type+" "+f.Path)
	it.set("path", f.Path).set("type", f.Type).set("revoked", f.Revoked).set("rotated_by_itself", f.PeriodSeconds > 0 || f.Schedule != "")
	if f.Exportable != nil {
		it.set("exportable", *f.Exportable)
	} else {
		it.lacks("exportable", "the source does not say whether it may leave the store")
	}
	var sure, possible time.Duration
	for i := range sts {
		st := &sts[i]
		made := st.facts.LastRotated
		if made.IsZero() {
			it.lacks("oldest", "the source does not say when it last changed").lacks("oldest_possible", "the source does not say when it last changed")
			return it
		}
		end := st.end(s.period)
		held := s.heldUntil(evidence.SecretRotation, st.source, st.from, end, st.lastLook, st.until.IsZero())
		if i+1 < len(sts) && sts[i+1].facts.LastRotated.Equal(made) {
			held = end // another fact changed, not the value
		}
		if i+1 < len(sts) && sts[i+1].facts.LastRotated.After(made) {
			// The next state dates the change itself, more exactly than a look.
			end = earlier(end, sts[i+1].facts.LastRotated)
			held = end
		}
		if d := held.Sub(made); d > sure {
			sure = d
			it.why["oldest"] = fmt.Sprintf("last changed at %s, unchanged at %s", evidence.FormatTime(made), evidence.FormatTime(held))
			it.front(st.seq)
		}
		possible = max(possible, end.Sub(made))
	}
	return it.set("oldest", sure).set("oldest_possible", possible)
}

var credentialsView = &view{
	View: View{
		Name: "secret_credentials",
		Doc: "What opens a secret store to machines and people: every form of an authentication role that was in force in the period, " +
			"and every token that made a request in it, by the accessor that the store hashed.",
		Kinds: []evidence.Kind{evidence.SecretRole, evidence.SecretAccess, evidence.SecretAuth},
		Fields: []Field{
			{Name: "type", Type: "string", Doc: "role or token"},
			{Name: "name", Type: "string", Doc: "mount and name of a role; login method of a token"},
			{Name: "root", Type: "bool", Doc: "a root token"},
			{Name: "ends", Type: "bool", Optional: true, Doc: "it ends by itself: a token with a life, a role whose secret ids have one; missing where the source does not say"},
			{Name: "life", Type: "duration", Optional: true, Doc: "how long a token was given to live, or a role's secret ids; missing where that is not known or without end"},
			{Name: "renewed_for_ever", Type: "bool", Optional: true, Doc: "tokens of the role live on for as long as they are renewed; missing as in secret_roles"},
			{Name: "requests", Type: "int", Doc: "requests that the token made in the period; 0 for a role"},
		},
	},
	build:  buildCredentials,
	steady: true,
}

func buildCredentials(ctx context.Context, s *scene, yield func(*item) error) error {
	flat, err := stretches[evidence.RoleFacts](ctx, s, evidence.SecretRole)
	if err != nil {
		return err
	}
	var its []*item
	for i := range flat {
		its = append(its, roleCredential(&flat[i]))
	}
	tokens, err := s.tokens(ctx)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		its = append(its, t.item())
	}
	return yieldSorted(its, yield)
}

func (t *usedToken) item() *item {
	it := &item{
		seqs: []uint64{t.first}, kind: t.kind, at: t.began.at, label: "token of a login by " + firstNonEmpty(t.method, "an unknown method"),
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	it.also(t.last)
	it.set("source", string(t.source)).set("happened", t.began.at).set("type", "token").set("name", t.method)
	it.set("root", t.root).set("renewed_for_ever", false).set("requests", t.requests)
	if t.socket {
		it.weak = "it came over a socket alone, where nobody proves who writes"
	}
	it.lacks("life", "the source does not say how long it lives")
	switch {
	case t.endless:
		it.set("ends", false)
		it.why["ends"] = "the token has no end"
		if t.root {
			it.why["ends"] = "a root token without an end"
		}
		it.front(t.endlessSeq)
		it.kind = t.endlessKind
	case t.life > 0:
		it.set("ends", true).set("life", t.life)
	default:
		it.lacks("ends", "the source does not say how long the token lives")
	}
	return it
}

func roleCredential(st *stretch[evidence.RoleFacts]) *item {
	f := &st.facts
	name := strings.Trim(f.Mount, "/") + "/" + f.Role
	if f.Holder >= 0 {
		name = strings.Trim(f.Mount, "/") // a person's own login has a name that says who
	}
	it := &item{
		seqs: []uint64{st.seq}, kind: evidence.SecretRole, at: st.from, label: "role " + name,
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	if st.endSeq != 0 {
		it.also(st.endSeq)
	}
	it.set("source", string(st.source)).set("happened", st.from).set("type", "role").set("name", name)
	_, endless := roleLimit(f)
	it.renewed(endless)
	it.set("root", slices.Contains(f.Policies, "root")).set("requests", 0)
	it.lacks("life", "the role gives nothing that lies about: its callers prove themselves anew")
	it.set("ends", !f.SecretIDForever)
	if f.SecretIDForever {
		it.why["ends"] = "secret ids of the role never end"
	}
	if f.SecretIDSeconds > 0 {
		it.set("life", time.Duration(f.SecretIDSeconds)*time.Second)
	}
	return it
}

var syncedView = &view{
	View: View{
		Name: "secret_syncs",
		Doc: "Secrets that an operator copies into a cluster: one item for each that existed in the period. The time of the newest refresh is " +
			"known as of the records of a copy: refreshes that change nothing else leave none.",
		Kinds: []evidence.Kind{evidence.SecretSync},
		Fields: []Field{
			atEnd,
			{Name: "name", Type: "string", Doc: "namespace and name"},
			{Name: "target", Type: "string", Doc: "name of the Kubernetes Secret"},
			{Name: "type", Type: "string", Doc: "ExternalSecret (into the cluster) or PushSecret (out of it)"},
			{Name: "once", Type: "bool", Doc: "it is not refreshed by itself, at the end"},
			{Name: "interval", Type: "duration", Optional: true, Doc: "time between two refreshes, the longest of its forms; an hour where it is not refreshed by itself. Missing where it cannot be read"},
			{Name: "ready", Type: "bool", Optional: true, Doc: "ready at the end of the period or when it went"},
			{Name: "blind", Type: "bool", Doc: "for some of the time that it existed in the period nobody looked at it"},
			{Name: "longest_not_ready", Type: "duration", Doc: "longest stretch in which it was seen not ready, without a blind window in it"},
			{Name: "longest_possible_not_ready", Type: "duration", Doc: "as longest_not_ready, counting blind windows and unknown states as not ready"},
			{Name: "stalest", Type: "duration", Optional: true, Doc: "largest age of its newest refresh at any time that it was recorded; missing where none is named"},
		},
	},
	build: subjectItems(evidence.SecretSync, (*scene).syncedItem),
}

func (s *scene) syncedItem(sts []stretch[evidence.SecretSyncFacts]) *item {
	last, _ := newestOf(sts)
	f := &last.facts
	it := subjectItem(sts, evidence.SecretSync, "synced secret "+f.Namespace+"/"+f.Name)
	it.set("name", f.Namespace+"/"+f.Name).set("target", f.Target).set("type", f.Kind)
	_, once, _ := refreshInterval(f)
	it.set("once", once).setReady(f.Ready, f.Reason)
	it.notReady(longest(s, evidence.SecretSync, sts, func(f *evidence.SecretSyncFacts) tri { return readyIs(f.Ready).not() }))
	var interval, stalest time.Duration
	readable, refreshed := true, true
	for i := range sts {
		st := &sts[i]
		every, once, ok := refreshInterval(&st.facts)
		readable = readable && ok
		interval = max(interval, every)
		switch {
		case st.from.Before(s.period.From) || once || readyIs(st.facts.Ready) != yes:
			// Recorded before the period, never refreshed again, or told of as not ready.
		case st.facts.RefreshedAt.IsZero():
			refreshed = false
		default:
			stalest = max(stalest, st.from.Sub(st.facts.RefreshedAt))
		}
	}
	if readable {
		it.set("interval", interval)
	} else {
		it.lacks("interval", "the time between refreshes cannot be read")
	}
	if refreshed {
		it.set("stalest", stalest)
		if stalest > interval {
			it.why["stalest"] = "last refreshed " + human(stalest.Truncate(time.Second)) + " before it was looked at"
		}
	} else {
		it.lacks("stalest", "the source names no refresh")
	}
	return it
}

// refreshInterval reads how often a copy is refreshed.
func refreshInterval(f *evidence.SecretSyncFacts) (every time.Duration, once, ok bool) {
	if f.Policy == "CreatedOnce" || f.Policy == "OnChange" {
		return time.Hour, true, true
	}
	if f.Interval == "" {
		return time.Hour, false, true // the operator's own default
	}
	d, err := time.ParseDuration(f.Interval)
	switch {
	case err != nil || d < 0:
		return 0, false, false
	case d == 0:
		return time.Hour, true, true
	}
	return d, false, true
}

var serversView = &view{
	View: View{
		Name:  "secret_servers",
		Doc:   "Servers of secret stores, as the node that answers tells of itself: one item for each source.",
		Kinds: []evidence.Kind{evidence.SecretServer},
		Fields: []Field{
			atEnd,
			{Name: "sealed", Type: "bool", Doc: "seen sealed, or without its storage, at some look of the period"},
			{Name: "versions", Type: "int", Doc: "versions that answered in the period"},
			{Name: "last_version", Type: "string", Doc: "version that answered last"},
			{Name: "version_returned", Type: "bool", Doc: "a version answered again after another one had: nodes differ, or it was taken back"},
			{Name: "clusters", Type: "int", Doc: "clusters that answered in the period: more than one means that another store took its place"},
		},
	},
	build:  subjectItems(evidence.SecretServer, (*scene).serverItem),
	steady: true,
}

func (*scene) serverItem(sts []stretch[evidence.ServerFacts]) *item {
	last, _ := newestOf(sts)
	it := subjectItem(sts, evidence.SecretServer, "server of "+string(last.source))
	sealed, returned := false, false
	var versions, clusters []string
	for i := range sts {
		f := &sts[i].facts
		if f.Sealed || !f.Initialized {
			if !sealed {
				it.why["sealed"] = "sealed at the look of " + evidence.FormatTime(sts[i].from)
				it.front(sts[i].seq)
			}
			sealed = true
		}
		switch n := len(versions); {
		case n > 0 && versions[n-1] == f.Version:
		case slices.Contains(versions, f.Version):
			returned = true
			it.why["version_returned"] = "version " + short(f.Version) + " answered again after another one, at " + evidence.FormatTime(sts[i].from)
			it.also(sts[i].seq)
			// Keep the row of versions as it went, for what comes back next.
			versions = append(slices.DeleteFunc(versions, func(v string) bool { return v == f.Version }), f.Version)
		default:
			versions = append(versions, f.Version)
		}
		if f.Cluster != "" && !slices.Contains(clusters, f.Cluster) {
			clusters = append(clusters, f.Cluster)
		}
	}
	it.why["versions"] = "versions " + strings.Join(versions, ", ")
	if len(clusters) > 1 {
		it.why["clusters"] = plural(len(clusters), "cluster") + " answered"
	}
	return it.set("sealed", sealed).set("versions", len(versions)).set("last_version", last.facts.Version).
		set("version_returned", returned).set("clusters", len(clusters))
}
