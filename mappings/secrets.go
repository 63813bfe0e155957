package mappings

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// accessFields are the fields of one audited request.
var accessFields = []Field{
	{Name: "operation", Type: "string", Doc: "operation, as the source names it"},
	{Name: "path", Type: "string", Doc: "path of the request"},
	{Name: "outcome", Type: "string", Doc: "ok, denied, failed, missing, no-response or no-request"},
	{Name: "given", Type: "bool", Optional: true, Doc: "it had its answer: ok, or a response of such a kind whose request the log lacks; missing where the log does not tell"},
	{Name: "policy_override", Type: "bool", Doc: "the caller asked to pass by a soft-mandatory policy, whether that was needed or not"},
	{Name: "reading", Type: "bool", Doc: "gave, or would have given, secret data to the caller"},
	{Name: "secret", Type: "string", Doc: "path of the secret; empty for other requests"},
	{Name: "mount", Type: "string", Doc: "mount path"},
	{Name: "mount_type", Type: "string", Doc: "type of the engine"},
	{Name: "who_known", Type: "bool", Doc: "the source logged the caller in"},
	{Name: "entity", Type: "string", Doc: "identity entity id; empty when there is none"},
	{Name: "auth_method", Type: "string", Doc: "kind of login"},
	{Name: "role", Type: "string", Doc: "authentication role"},
	{Name: "sa_namespace", Type: "string", Doc: "namespace of the service account"},
	{Name: "sa_name", Type: "string", Doc: "name of the service account"},
	{Name: "policies", Type: "list(string)", Doc: "policies of the token"},
	{Name: "token_type", Type: "string", Doc: "service or batch"},
	{Name: "root", Type: "bool", Doc: "made with a root token"},
	{Name: "wrapped", Type: "bool", Doc: "the answer was wrapped"},
	{Name: "caller", Type: "string", Optional: true, Doc: "whose identity: own, other or platform"},
}

var accessesView = &view{
	View: View{
		Name: "secret_accesses", Doc: "Audited requests to secret engines and system paths.",
		Kinds: []evidence.Kind{evidence.SecretAccess}, Fields: slices.Clone(accessFields),
	},
	build: func(ctx context.Context, s *scene, yield func(*item) error) error {
		return s.requests(ctx, evidence.SecretAccess, yield)
	},
	steady: true,
}

var loginsView = &view{
	View: View{
		Name: "secret_logins", Doc: "Audited logins and token operations of a secret store.",
		Kinds: []evidence.Kind{evidence.SecretAuth}, Fields: slices.Clone(accessFields),
	},
	build: func(ctx context.Context, s *scene, yield func(*item) error) error {
		return s.requests(ctx, evidence.SecretAuth, yield)
	},
	steady: true,
}

func (s *scene) requests(ctx context.Context, kind evidence.Kind, yield func(*item) error) error {
	var used tokenLog
	noted := s.notesTokens(kind)
	err := events(ctx, s, func(r *evidence.Record, seqs []uint64) error {
		var f evidence.AccessFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		if noted {
			used.take(r, tokenOf(&f), seqs)
		}
		what := f.Path
		if f.Secret != "" {
			what = f.Secret
		}
		it := newItem(r, r.Occurred, f.Operation+" "+what)
		it.seqs = seqs
		it.set("source", string(r.Source)).set("happened", r.Occurred)
		if f.Transport == "socket" {
			it.weak = "it came over a socket alone, where nobody proves who writes"
		}
		if f.Root {
			it.why["root"] = "made with a root token"
		}
		if f.PolicyOverride {
			it.why["policy_override"] = "the caller asked to pass by a soft-mandatory policy"
		}
		it.set("policy_override", f.PolicyOverride)
		switch {
		case f.Outcome == "no-response":
			it.lacks("given", "the log lacks its response")
		case f.Outcome == "no-request" && f.Extra["answer"] == "":
			it.lacks("given", "the log lacks its request, and does not tell how it was answered")
		default:
			it.set("given", f.Outcome == "ok" || f.Outcome == "no-request" && f.Extra["answer"] == "ok")
		}
		it.set("operation", f.Operation).set("path", f.Path).set("outcome", f.Outcome).set("reading", f.Reading)
		it.set("secret", f.Secret).set("mount", f.Mount).set("mount_type", f.MountType)
		it.set("who_known", f.Who >= 0 && f.Who < len(r.People) && proven(r.People[f.Who]) || f.Entity != "" || f.SAName != "")
		it.set("entity", f.Entity).set("auth_method", f.AuthMethod).set("role", f.Role)
		it.set("sa_namespace", f.SANamespace).set("sa_name", f.SAName).set("policies", orEmpty(f.Policies))
		it.set("token_type", f.TokenType).set("root", f.Root).set("wrapped", f.Wrapped)
		switch r.Actor {
		case evidence.ActorOwn, evidence.ActorOther, evidence.ActorPlatform:
			it.set("caller", string(r.Actor))
			if r.Actor != evidence.ActorOwn {
				it.why["caller"] = "the caller's identity is of another tenant"
			}
			if r.Actor == evidence.ActorPlatform {
				it.why["caller"] = "the caller's identity is the platform's"
			}
		default:
			it.lacks("caller", "no tenancy rule knows the caller's identity")
		}
		return yield(it)
	}, kind)
	if noted && err == nil {
		s.offerTokens(&used)
	}
	return err
}

func orEmpty(ss []string) []string {
	if ss == nil {
		return []string{}
	}
	return ss
}

// stateItem begins the item of one state.
func stateItem[T any](st *stretch[T], kind evidence.Kind, label string) *item {
	it := &item{
		seqs: []uint64{st.seq}, kind: kind, at: st.from, label: label,
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	if st.endSeq != 0 {
		it.also(st.endSeq)
	}
	return it.set("source", string(st.source)).set("happened", st.from).set("at_end", st.until.IsZero())
}

var atEnd = Field{Name: "at_end", Type: "bool", Doc: "still in force at the end of the period"}

// stateView makes a view with one item for each state of a kind that was in
// force at some time in the period.
func stateView[T any](v View, make func(*stretch[T]) *item) *view {
	v.Fields = append(v.Fields, atEnd)
	return &view{View: v, steady: true, build: func(ctx context.Context, s *scene, yield func(*item) error) error {
		flat, err := stretches[T](ctx, s, v.Kinds[0])
		if err != nil {
			return err
		}
		var its []*item
		for i := range flat {
			its = append(its, make(&flat[i]))
		}
		return yieldSorted(its, yield)
	}}
}

var policiesView = stateView(View{
	Name: "secret_policies", Doc: "Access policies of a secret store: one item for each text that was in force at some time in the period.",
	Kinds: []evidence.Kind{evidence.SecretPolicy},
	Fields: []Field{
		{Name: "name", Type: "string", Doc: "name of the policy"},
		{Name: "parsed", Type: "bool", Doc: "the text could be read"},
		{Name: "paths", Type: "list(string)", Optional: true, Doc: "paths it opens"},
		{Name: "everything", Type: "bool", Optional: true, Doc: "some path is open to all names: *, + or +/*"},
		{Name: "sudo", Type: "bool", Optional: true, Doc: "some path gives root, or sudo with the right to change something"},
		{Name: "writes", Type: "bool", Optional: true, Doc: "some path may be created, updated, patched or deleted"},
	},
}, func(st *stretch[evidence.PolicyFacts]) *item {
	f := &st.facts
	it := stateItem(st, evidence.SecretPolicy, "policy "+f.Name).set("name", f.Name).set("parsed", !f.Unparsed)
	if f.Unparsed {
		for _, field := range []string{"paths", "everything", "sudo", "writes"} {
			it.lacks(field, "the text of the policy could not be read")
		}
		return it
	}
	paths := []string{}
	var everything, sudo, writes bool
	for _, r := range f.Rules {
		if slices.Contains(r.Capabilities, "deny") {
			continue // deny beats whatever stands beside it
		}
		paths = append(paths, r.Path)
		everything = everything || strings.Trim(r.Path, "+/*") == ""
		changes := slices.ContainsFunc(r.Capabilities, func(c string) bool {
			return slices.Contains([]string{"create", "update", "patch", "delete", "write"}, c)
		})
		writes = writes || changes
		// Some paths need sudo for reading alone, such as the list of audit devices.
		sudo = sudo || slices.Contains(r.Capabilities, "root") || changes && slices.Contains(r.Capabilities, "sudo")
	}
	return it.set("paths", paths).set("everything", everything).set("sudo", sudo).set("writes", writes)
})

var rolesView = stateView(View{
	Name: "secret_roles", Doc: "Authentication roles of a secret store: one item for each form that was in force at some time in the period.",
	Kinds: []evidence.Kind{evidence.SecretRole},
	Fields: []Field{
		{Name: "name", Type: "string", Doc: "mount and name of the role"},
		{Name: "mount_type", Type: "string", Doc: "type of the auth engine"},
		{Name: "policies", Type: "list(string)", Doc: "policies it gives"},
		{Name: "namespaces", Type: "list(string)", Doc: "namespaces whose service accounts may log in"},
		{Name: "service_accounts", Type: "list(string)", Doc: "service accounts that may log in"},
		{Name: "bound_to_all", Type: "bool", Doc: "some bound namespace or service account is a bare *"},
		{Name: "ttl", Type: "duration", Optional: true, Doc: "life of a token; missing where the engine's default holds"},
		{Name: "max_ttl", Type: "duration", Optional: true, Doc: "longest life of a token; missing where the engine's default holds, and of one that is renewed for ever"},
		{Name: "renewed_for_ever", Type: "bool", Optional: true, Doc: "tokens of the role live on for as long as they are renewed; missing where a role has a period and older records do not tell whether it has an explicit limit"},
	},
}, func(st *stretch[evidence.RoleFacts]) *item {
	f := &st.facts
	name := strings.Trim(f.Mount, "/") + "/" + f.Role
	label := "role " + name
	if f.Holder >= 0 {
		name, label = strings.Trim(f.Mount, "/"), "a person's login at "+strings.Trim(f.Mount, "/")
	}
	it := stateItem(st, evidence.SecretRole, label).set("name", name).set("mount_type", f.MountType)
	it.set("policies", orEmpty(f.Policies)).set("namespaces", orEmpty(f.Namespaces)).set("service_accounts", orEmpty(f.ServiceAccounts))
	all := func(name string) bool { return name != "" && strings.Trim(name, "*") == "" }
	it.set("bound_to_all", slices.ContainsFunc(f.Namespaces, all) || slices.ContainsFunc(f.ServiceAccounts, all))
	most, endless := roleLimit(f)
	for field, seconds := range map[string]int64{"ttl": f.TTLSeconds, "max_ttl": most} {
		switch {
		case seconds > 0:
			it.set(field, time.Duration(seconds)*time.Second)
		case field == "max_ttl" && endless == unknown:
			it.lacks(field, limitUnread)
		default:
			it.lacks(field, "the role leaves the life of its tokens to the engine")
		}
	}
	it.renewed(endless)
	if endless == yes {
		it.why["renewed_for_ever"] = "its tokens live on for as long as they are renewed"
	}
	return it
})

const limitUnread = "the role has a period, and whether its tokens end all the same was not read when the record was made"

// renewed sets whether tokens of a role live on for as long as they are renewed.
func (it *item) renewed(endless tri) {
	if endless == unknown {
		it.lacks("renewed_for_ever", limitUnread)
		return
	}
	it.set("renewed_for_ever", endless == yes)
}

// roleLimit is how long tokens of a role may live at most, in seconds, 0 where it does
// not say, and whether they live on for as long as they are renewed: of those with a
// period only an explicit limit holds, which is the one limit that roles of the token
// engine have. Batch tokens are never renewed. Where it was not read whether there is
// one, that is not known.
// See https://developer.hashicorp.com/vault/docs/concepts/tokens#periodic-tokens.
func roleLimit(f *evidence.RoleFacts) (most int64, endless tri) {
	explicit, read := int64(0), f.ExplicitSeconds != nil
	if read {
		explicit = *f.ExplicitSeconds
	}
	if f.MountType == "token" {
		explicit, read = cmp.Or(explicit, f.MaxTTLSeconds), true
	}
	if f.PeriodSeconds > 0 && f.TokenType != "batch" {
		switch {
		case !read:
			return 0, unknown
		case explicit == 0:
			return 0, yes
		}
		return explicit, no
	}
	if explicit > 0 && (f.MaxTTLSeconds == 0 || explicit < f.MaxTTLSeconds) {
		return explicit, no
	}
	return f.MaxTTLSeconds, no
}

var devicesView = &view{
	View: View{
		Name:  "audit_devices",
		Doc:   "Audit devices of a secret store: one item for each store, over all its devices.",
		Kinds: []evidence.Kind{evidence.SecretDevice},
		Fields: []Field{
			{Name: "least_devices", Type: "int", Doc: "smallest number of devices that were on at one time, in what was seen of the period"},
			{Name: "devices_at_end", Type: "int", Doc: "devices on at the end of the period"},
			{Name: "unfiltered", Type: "bool", Doc: "at every time some device wrote all entries, in what was seen of the period"},
			{Name: "raw", Type: "bool", Doc: "some device wrote secret values in the clear"},
			{Name: "log_unbroken", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.SecretAccess}, Doc: "the log of the store's devices was followed without a break over what was looked at; missing where it was not"},
		},
	},
	build:  buildDevices,
	steady: true,
}

func buildDevices(ctx context.Context, s *scene, yield func(*item) error) error {
	flat, err := stretches[evidence.DeviceFacts](ctx, s, evidence.SecretDevice)
	if err != nil {
		return err
	}
	bySource := map[evidence.SourceID][]*stretch[evidence.DeviceFacts]{}
	for i := range flat {
		bySource[flat[i].source] = append(bySource[flat[i].source], &flat[i])
	}
	var its []*item
	for id, sts := range bySource {
		its = append(its, s.deviceItem(id, sts))
	}
	return yieldSorted(its, yield)
}

func (s *scene) deviceItem(id evidence.SourceID, sts []*stretch[evidence.DeviceFacts]) *item {
	it := &item{
		kind: evidence.SecretDevice, at: sts[0].from, label: "audit devices of " + string(id),
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	cuts := []time.Time{s.period.From, s.period.To}
	raw, end := false, 0
	for _, st := range sts {
		it.also(st.seq)
		if st.endSeq != 0 {
			it.also(st.endSeq)
		}
		it.at = earlier(it.at, st.from)
		cuts = append(cuts, st.from, st.end(s.period))
		raw = raw || st.facts.LogRaw
		if st.until.IsZero() {
			end++
		}
	}
	least, unfiltered, when := s.fewest(id, sts, cuts)
	if least == 0 {
		it.why["least_devices"] = "no audit device was on from " + evidence.FormatTime(when)
		it.why["unfiltered"] = it.why["least_devices"]
	} else if !unfiltered {
		it.why["unfiltered"] = "at some time every audit device left something out"
	}
	s.logUnbroken(it, id)
	return it.set("source", string(id)).set("happened", it.at).set("least_devices", least).
		set("devices_at_end", end).set("unfiltered", unfiltered).set("raw", raw)
}

// logUnbroken says whether the store's audit log was followed all the time: a
// device that was off between two looks shows as a hole in it alone.
func (s *scene) logUnbroken(it *item, id evidence.SourceID) {
	seen := evidence.Period{From: s.period.From, To: earlier(s.cover.lastLook(id, evidence.SecretAccess, s.period.To), s.period.To)}
	if !seen.From.Before(seen.To) {
		it.unseen("log_unbroken", "no line of the audit log was seen")
		return
	}
	for _, x := range s.cover.strips(id, evidence.SecretAccess, seen) {
		if x.Class != evidence.Continuous {
			it.unseen("log_unbroken", "the audit log was not followed without a break: "+x.Period.String()+" is "+cmp.Or(string(x.Class), "unseen"))
			return
		}
	}
	it.set("log_unbroken", true)
}

// fewest counts the devices that were on between each two cuts, in the
// stretches of the period that were seen.
func (s *scene) fewest(id evidence.SourceID, sts []*stretch[evidence.DeviceFacts], cuts []time.Time) (least int, unfiltered bool, when time.Time) {
	seen := s.period.Subtract(s.cover.blind(id, evidence.SecretDevice, s.period))
	for _, p := range seen {
		cuts = append(cuts, p.From)
	}
	slices.SortFunc(cuts, time.Time.Compare)
	least, unfiltered = len(sts), true
	for _, t := range slices.CompactFunc(cuts, time.Time.Equal) {
		if !s.period.Contains(t) || !slices.ContainsFunc(seen, func(p evidence.Period) bool { return p.Contains(t) }) {
			continue
		}
		on, whole := 0, false
		for _, st := range sts {
			if (evidence.Period{From: st.from, To: st.end(s.period)}).Contains(t) {
				on++
				whole = whole || !st.facts.Filter
			}
		}
		if on < least {
			least, when = on, t
		}
		unfiltered = unfiltered && whole
	}
	return least, unfiltered, when
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
