package kubeaudit

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// Keys of an event's annotations and of a user's extra fields.
const (
	decisionKey   = "authorization.k8s.io/decision"
	reasonKey     = "authorization.k8s.io/reason"
	credentialKey = "authentication.kubernetes.io/credential-id"
	issuedKey     = "authentication.kubernetes.io/issued-credential-id" // of a request for a token, from Kubernetes 1.30 on
	podNameKey    = "authentication.kubernetes.io/pod-name"
	podUIDKey     = "authentication.kubernetes.io/pod-uid"
)

// Limits of one draft's facts.
const (
	maxGroups = 50
	maxWord   = 512 // bytes of any text of the line
)

// maker turns events into drafts. It may be used by one goroutine at a time.
type maker struct {
	source    evidence.SourceID
	authority string
	cluster   string // namespace of what concerns the cluster itself
	clock     func() time.Time
	scope     func(namespace string) []evidence.Ref // of a namespace, labels included
}

// line is one event with what belongs to it.
type line struct {
	e     *event
	raw   []byte // as it came
	at    time.Time
	known bool // at is the event's own time
	// open: the sender did not prove to be the API server.
	open bool
}

// draft makes the draft of an event.
func (m *maker) draft(l *line) (evidence.Draft, error) {
	e := l.e
	raw, removed, err := sanitize(l.raw, e)
	if err != nil {
		return evidence.Draft{}, err
	}
	r := m.identified(e)
	f := evidence.AuditFacts{
		Platform: "kubernetes", ID: e.AuditID, Stage: e.Stage, Action: word(e.Verb), Container: m.authority,
		Group: word(r.APIGroup), Resource: word(r.Resource), Subresource: word(r.Subresource), Namespace: word(r.Namespace),
		Name: word(r.Name), UID: word(r.UID), Code: e.code(), Outcome: outcome(e), Who: -1, Behind: -1,
		Decision: word(e.Annotations[decisionKey]), Issued: word(e.Annotations[issuedKey]), Level: word(e.Level), Agent: word(e.UserAgent),
		Masters: masters(e), SecretContent: e.secretContent(), Unauthenticated: l.open,
	}
	if len(e.SourceIPs) > 0 {
		for _, ip := range e.SourceIPs[:min(len(e.SourceIPs), 16)] {
			f.Remote = append(f.Remote, word(ip))
		}
	}
	if e.final() {
		f.EndedAt = e.staged
	}
	d := evidence.Draft{
		Kind: evidence.AccessAudit, Op: evidence.OpEvent, Source: m.source, Key: key(e),
		OccurredAt: e.received, Basis: evidence.BasisSource, ObservedAt: m.clock().UTC(),
		Raw: raw, Removed: removed, Request: evidence.Request{Agent: agent},
	}
	if d.OccurredAt.IsZero() {
		d.OccurredAt = l.at
		if !l.known {
			d.Basis = evidence.BasisObserved
		}
	}
	if f.SecretContent {
		d.Raw, d.Removed = nil, []string{remover, ""}
	}
	var ls links
	m.who(&d, &f, &ls, l)
	m.what(&d, &f, &ls, e, r)
	d.Links = ls
	m.hide(&d, &f)
	d.Content, err = json.Marshal(&f)
	return d, err
}

// key tells an event from every other. A client may choose the Audit-Id of its
// request (the API server takes the header of that name as it is), and one that
// it uses again must hide nothing: so the server's own times stand in the key.
func key(e *event) string {
	return fmt.Sprintf("%s/%s/%d/%d", e.AuditID, e.Stage, e.received.UnixMicro(), e.staged.UnixMicro())
}

// word cuts a text of the line to what facts may hold, at a character's end.
func word(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxWord {
		return s
	}
	n := maxWord
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}

// identified fills what a request to create something could not name yet from
// the object that came back.
func (m *maker) identified(e *event) objectRef {
	r := e.resource()
	if o := e.ResponseObject; o != nil && r.Resource != "" && r.Subresource == "" && o.Kind != "Status" {
		if r.Name == "" && e.Verb == "create" {
			r.Name = o.Metadata.Name
		}
		if r.UID == "" && r.Name == o.Metadata.Name {
			r.UID = o.Metadata.UID
		}
		if r.Namespace == "" {
			r.Namespace = o.Metadata.Namespace
		}
	}
	return r
}

// outcome reads the answer. A dry run and a conflict change nothing.
func outcome(e *event) string {
	_, _, dry := e.path()
	code := e.code()
	switch {
	case e.Stage == stagePanic:
		return "failed"
	case denied(e):
		return "denied"
	case code == 409 || code == 422:
		return "unchanged"
	case code == 0:
		return "unknown"
	case code >= 400:
		return "failed"
	case dry && !read(e.Verb):
		return "unchanged"
	}
	return "ok"
}

// links collects join keys without repeats, up to the limit of a draft.
type links []evidence.Ref

func (l *links) add(r evidence.Ref) {
	if len(*l) < evidence.MaxLinks && r.Name != "" && len(r.String()) <= evidence.MaxRef && !slices.Contains(*l, r) {
		*l = append(*l, r)
	}
}

// who sets the people, accounts and groups of a request. Who was impersonated
// is the actor, on the word of the one behind.
func (m *maker) who(d *evidence.Draft, f *evidence.AuditFacts, ls *links, l *line) {
	e := l.e
	actor := e.actor()
	proof := evidence.ProofAuthenticated
	if l.open || e.ImpersonatedUser != nil {
		proof = evidence.ProofClaimed
	}
	f.Who, f.Account = m.party(d, actor.Username, proof)
	if e.ImpersonatedUser != nil {
		proof = evidence.ProofAuthenticated
		if l.open {
			proof = evidence.ProofClaimed
		}
		f.Behind, f.BehindAccount = m.party(d, e.User.Username, proof)
	}
	for _, a := range []string{f.Account, f.BehindAccount} {
		if a != "" {
			ls.add(evidence.NewRef("account", m.authority, a))
		}
	}
	if ns, _, ok := strings.Cut(f.Account, "/"); ok && possible(ns) {
		d.ActorScope = append(d.ActorScope, m.scope(ns)...)
		if pod, uid := first(e.User.Extra[podNameKey]), first(e.User.Extra[podUIDKey]); uid != "" && e.ImpersonatedUser == nil {
			f.PodUID = word(uid)
			ls.add(evidence.NewRef("pod", m.authority, ns+"/"+pod).WithUID(uid))
		}
	}
	f.Credential = word(first(e.User.Extra[credentialKey]))
	for _, g := range actor.Groups {
		if len(f.Groups) == maxGroups {
			break
		}
		f.Groups = append(f.Groups, word(g))
		if f.Account == "" && !strings.HasPrefix(g, "system:") {
			d.ActorScope = append(d.ActorScope, evidence.NewRef("label", m.authority, "kubernetes-group="+word(g)))
		}
	}
	if f.Account == "" && len(d.ActorScope) == 0 {
		// Somebody acted: nothing says whose they are.
		d.ActorScope = []evidence.Ref{evidence.NewRef("label", m.authority, "kubernetes-group=")}
	}
}

// party adds a user: a service account by name, anybody else as a person. An
// anonymous request has no actor.
func (m *maker) party(d *evidence.Draft, name string, proof evidence.Proof) (who int, account string) {
	if ns, sa, ok := kube.ServiceAccount(name); ok {
		return -1, word(ns) + "/" + word(sa)
	}
	if name == "" || name == "system:anonymous" {
		return -1, ""
	}
	p := kube.User(m.authority, word(name), evidence.RoleInitiator, proof)
	for i := range d.People {
		if d.People[i].NativeID == p.NativeID {
			if proof == evidence.ProofAuthenticated {
				d.People[i].Proof = proof
			}
			return i, ""
		}
	}
	d.People = append(d.People, p)
	return len(d.People) - 1, ""
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

// what sets subject, links and scope: what was touched and whose it is.
func (m *maker) what(d *evidence.Draft, f *evidence.AuditFacts, ls *links, e *event, r objectRef) {
	own := evidence.NewRef("line", m.authority, e.AuditID)
	d.Subject = own
	ls.add(own)
	if r.Resource != "" && r.Name != "" {
		ref := kube.RefOf(m.authority, f.Group, kindOf(f.Group, f.Resource), f.Namespace, f.Name)
		if f.Resource == "namespaces" && f.Group == "" {
			ref = kube.RefOf(m.authority, "", "Namespace", "", f.Name)
		}
		if s := ref.WithUID(f.UID); len(s.String()) <= evidence.MaxRef {
			d.Subject = s
			ls.add(s)
		}
		ls.add(ref)
	}
	if f.Namespace != "" {
		ls.add(evidence.NewRef("namespace", m.authority, f.Namespace))
	}
	f.AuthorizedBy = m.authorized(ls, e)
	path, keys, _ := e.path()
	f.URI = word(path)
	if len(keys) > 0 {
		f.URI += "?" + strings.Join(keys, "&")
	}
	ns := f.Namespace
	if f.Outcome == "ok" {
		ns = r.space()
	}
	switch {
	case possible(ns):
		d.Scope = m.scope(ns)
	case ns != "":
		// A path may name anything, * too: nobody's namespace is called so.
		d.Scope = m.scope(m.cluster)
	case reachesAll(r):
		d.Scope = []evidence.Ref{evidence.NewRef("ns", m.authority, "*")}
		d.Mentions = m.selected(e)
	default:
		d.Scope = m.scope(m.cluster)
	}
}

// Requirements of selectors, as a query holds them: of fields and labels by equality,
// of labels by lists.
var (
	requirement = regexp.MustCompile(`([A-Za-z0-9_./-]+)\s*(?:!=|==?)\s*([A-Za-z0-9_.-]+)`)
	inList      = regexp.MustCompile(`([A-Za-z0-9_./-]+)\s+(?:notin|in)\s*\(([^)]*)\)`)
)

// maxSelected bounds the values of selectors that are judged for one line.
const maxSelected = 1000

// selected says whose the values are by which a request for things of every namespace
// chose some. They stand in the line's bytes alone: it goes to everybody, and may have
// asked for what is one tenant's.
func (m *maker) selected(e *event) []evidence.Mention {
	_, query, _ := strings.Cut(e.RequestURI, "?")
	asked, _ := url.ParseQuery(query) // what can be read of it
	var of evidence.Mention
	add := func(key, value string) {
		if value == "" || len(of.Of) >= maxSelected {
			return
		}
		refs := []evidence.Ref{evidence.NewRef("label", m.authority, value)} // what it is called
		if possible(value) {
			refs = m.scope(value)
		}
		of.Of = append(of.Of, append(refs, evidence.NewRef("label", m.authority, key+"="+value)))
	}
	for _, selector := range slices.Concat(asked["fieldSelector"], asked["labelSelector"]) {
		for _, x := range requirement.FindAllStringSubmatch(selector, -1) {
			add(x[1], x[2])
		}
		for _, x := range inList.FindAllStringSubmatch(selector, -1) {
			for value := range strings.SplitSeq(x[2], ",") {
				add(x[1], strings.TrimSpace(value))
			}
		}
	}
	if len(of.Of) == 0 {
		return nil
	}
	return []evidence.Mention{of}
}

// namespaceForm is what the API server takes as the name of a namespace (RFC 1123
// label).
var namespaceForm = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

// possible reports whether a namespace may be called so.
func possible(namespace string) bool { return namespaceForm.MatchString(namespace) }

// authorization is how the authorizer called RBAC says what let a request pass.
// Bindings are written name/namespace there.
var authorization = regexp.MustCompile(`^RBAC: allowed by (RoleBinding|ClusterRoleBinding) "([^"/]+)(?:/([^"]+))?" of (Role|ClusterRole) "([^"]+)" to `)

// authorized tells which binding of which role let the request pass, in the
// words of evidence/reach, and links both. To whom the binding was made is left
// out: it may be a person.
func (m *maker) authorized(ls *links, e *event) string {
	if masters(e) {
		return "group system:masters"
	}
	x := authorization.FindStringSubmatch(e.Annotations[reasonKey])
	if x == nil {
		return ""
	}
	kind, name, ns, roleKind, role := x[1], word(x[2]), word(x[3]), x[4], word(x[5])
	roleNS := ""
	if roleKind == "Role" {
		roleNS = ns
	}
	ls.add(kube.RefOf(m.authority, rbacGroup, kind, ns, name))
	ls.add(kube.RefOf(m.authority, rbacGroup, roleKind, roleNS, role))
	full := func(ns, name string) string {
		if ns == "" {
			return name
		}
		return ns + "/" + name
	}
	return kind + " " + full(ns, name) + " of " + roleKind + " " + full(roleNS, role)
}

// hidden stands where the name of a person of the draft stood.
const hidden = "{user}"

// mailOf returns the mail address that a user name with an @ ends in. An API
// server may put its own word before it, such as oidc: or the address of who
// logged the user in and a #; a cloud puts the role that was taken and a slash.
// A name that ends in none stands for itself.
func mailOf(name string) string {
	if m := name[strings.LastIndexAny(name, ":#/|")+1:]; strings.IndexByte(m, '@') > 0 {
		return m
	}
	return name
}

// hide takes the names of the draft's people out of everything but People and
// Raw: some objects are called after their user. A mail address goes wherever
// it stands, another name where it is the whole name of the object. The name
// of a namespace stays: it decides whose the draft is.
func (m *maker) hide(d *evidence.Draft, f *evidence.AuditFacts) {
	for _, p := range d.People {
		name := p.NativeID
		clean := func(s string) string {
			if i := strings.LastIndexByte(s, '/'); s[i+1:] == name {
				return s[:i+1] + hidden
			}
			return s
		}
		switch {
		case p.Names.Bot:
			continue
		case strings.Contains(name, "@"):
			both := strings.NewReplacer(name, hidden, mailOf(name), hidden)
			clean = both.Replace
		}
		for _, s := range []*string{&f.Name, &f.AuthorizedBy, &f.Agent, &f.Credential} {
			*s = clean(*s)
		}
		path, query, ok := strings.Cut(f.URI, "?")
		parts := strings.Split(path, "/")
		for i := range parts {
			if i > 0 && parts[i-1] == "namespaces" {
				continue
			}
			// Some clients escape more than they must.
			if plain, err := url.PathUnescape(parts[i]); err == nil && clean(plain) != plain {
				parts[i] = plain
			}
			parts[i] = clean(parts[i])
		}
		if f.URI = strings.Join(parts, "/"); ok {
			f.URI += "?" + query
		}
		for i := range f.Groups {
			f.Groups[i] = clean(f.Groups[i])
		}
		d.Subject.Name = clean(d.Subject.Name)
		for i := range d.Links {
			if d.Links[i].Scheme != "namespace" {
				d.Links[i].Name = clean(d.Links[i].Name)
			}
		}
		for i := range d.ActorScope {
			d.ActorScope[i].Name = clean(d.ActorScope[i].Name)
		}
	}
}
