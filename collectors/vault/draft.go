package vault

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
)

// maker turns the lines of one request into a draft. It may be used by one
// goroutine at a time.
type maker struct {
	source    evidence.SourceID
	authority string
	mark      func(realm, nativeID, login string) (bot, shared bool)
	clock     func() time.Time
}

// pair is what the log holds of one request. Either line may be missing.
type pair struct {
	req, resp         *entry
	reqLine, respLine []byte
	reqRaw, respRaw   bool // the line showed values in clear
	at                time.Time
	atGuessed         bool // the line has no time: that of the line before it
	respAt            time.Time
	device, era       string
	amend             bool
	socket            bool // some of it came over a socket, where nobody proves who writes
}

const agent = "vault/1"

// Bounds of what the facts take over, in bytes: a serial number has 20 bytes, which
// may stand as decimals or with colons (RFC 5280, 4.1.2.2).
const (
	maxSerial = 128
	maxNode   = 300
)

// draft makes the one draft of a request id.
func (m *maker) draft(p *pair) (evidence.Draft, error) {
	e := p.req
	if e == nil {
		e = p.resp
	}
	pl := locate(e)
	if p.resp != nil && pl.mountType == "" {
		pl = locate(p.resp)
	}
	if p.resp != nil && p.resp.resp.leased && pl.secret != "" && string(e.req.op) == "read" {
		// A read that is answered under a lease hands out a secret, whatever the
		// engine; KV version 1 gives a nominal one.
		pl.reading = true
	}
	who := m.caller(p, &pl)
	f := evidence.AccessFacts{
		RequestID: clean(e.req.id), Operation: cmp.Or(clean(e.req.op), e.typ), Path: pl.path, Mount: pl.mount, MountType: pl.mountType,
		Namespace: pl.namespace, Reading: pl.reading, Secret: pl.secret, Who: -1,
		Entity: who.entity, AuthMethod: who.method, Role: who.role, SANamespace: who.saNamespace, SAName: who.saName,
		Policies: who.policies, Granting: who.granting, TokenType: who.tokenType, Root: who.root, Accessor: who.accessor,
		TokenTTL: who.ttl, TokenIssued: who.issued, NoExpiry: who.endless,
		Remote: clean(e.req.remote), Device: p.device, RespondedAt: p.respAt,
		PolicyOverride: e.req.override, ClientCert: cut(clean(e.req.cert), maxSerial), ForwardedFrom: cut(clean(e.forwardedFrom), maxNode),
	}
	if p.socket {
		f.Transport = "socket"
	}
	extra := map[string]string{}
	m.outcome(p, &f, extra)
	m.wrapping(p, &pl, &f)
	f.Error = hideUser(errorText(p), who.login, pl.user)
	if p.resp != nil {
		f.LeaseID, _, _ = hideNames(clean(p.resp.resp.lease), "", "")
	}
	if p.era != "" {
		extra["era"] = p.era
	}
	if e.alone != "" {
		extra["unjoined"] = e.alone
	}
	if e.typ != "" {
		extra["type"] = e.typ
	}
	d := evidence.Draft{
		Kind: evidence.SecretAccess, Op: evidence.OpEvent, Source: m.source, Key: cut(f.RequestID, evidence.MaxKey),
		OccurredAt: p.at, Basis: evidence.BasisSource, ObservedAt: m.clock().UTC(),
		Request: evidence.Request{Agent: agent},
	}
	if p.atGuessed {
		d.Basis = evidence.BasisObserved
	}
	if p.amend {
		d.Op = evidence.OpAmend
	}
	if pl.auth {
		d.Kind = evidence.SecretAuth
	}
	if who.person != nil {
		d.People = append(d.People, *who.person)
		f.Who = 0
	}
	m.named(&d, &pl, who)
	m.raw(p, &pl, &d, extra)
	if len(extra) > 0 {
		f.Extra = extra
	}
	m.refs(&d, p, &pl, &f)
	var err error
	if d.Content, err = json.Marshal(&f); err == nil && len(d.Content) > evidence.MaxContent {
		f.Policies, f.Granting = nil, nil
		f.Extra = map[string]string{"cut": "policies left out: the facts were too large"}
		d.Content, err = json.Marshal(&f)
	}
	return d, err
}

// outcome decides how the request ended: the response decides, the request
// line only when there is no response. A request line that carries an error
// was refused before it was routed and gets no response.
func (m *maker) outcome(p *pair, f *evidence.AccessFacts, extra map[string]string) {
	switch {
	case p.resp == nil && len(p.req.errText) > 0:
		f.Outcome = failure(p.req)
		extra["response"] = "none"
	case p.resp == nil:
		f.Outcome = "no-response"
		if bytes.Equal(p.req.req.path, []byte("sys/audit/test")) {
			// Written by the server when a device is enabled; it has no response.
			extra["device_enabled"] = "true"
		}
	case p.req == nil:
		f.Outcome = "no-request"
		extra["answer"] = answer(p.resp)
	default:
		f.Outcome = answer(p.resp)
	}
}

func answer(e *entry) string {
	switch {
	case len(e.errText) > 0, e.resp.data.isError():
		return failure(e)
	case e.resp.data.status == 404:
		return "missing"
	case e.resp.data.status >= 400:
		return "failed"
	}
	empty := !e.resp.hasData && !e.resp.hasAuth && len(e.resp.wrapToken) == 0
	if op := string(e.req.op); empty && (op == "read" || op == "list" || op == "scan") {
		return "missing"
	}
	return "ok"
}

func failure(e *entry) string {
	if e.auth.denied || bytes.Contains(e.errText, []byte("permission denied")) ||
		bytes.Contains(e.errText, []byte("wrapping token is not valid")) {
		return "denied"
	}
	return "failed"
}

// errorText prefers the response's word. It is cut: some errors repeat input, and what
// is known as a credential goes before half of it is not.
func errorText(p *pair) string {
	var t []byte
	if p.req != nil && !p.reqRaw {
		t = p.req.errText
	}
	if p.resp != nil && len(p.resp.errText) > 0 && !p.respRaw {
		t = p.resp.errText
	}
	if len(t) == 0 {
		return ""
	}
	return cut(collectors.WithoutCredentials(clean(bytes.TrimSpace(t))), 500)
}

func (m *maker) wrapping(p *pair, pl *place, f *evidence.AccessFacts) {
	if strings.HasSuffix(pl.path, "sys/wrapping/unwrap") {
		e := p.req
		if e == nil {
			e = p.resp
		}
		f.WrapToken = saneHash(e.req.token)
		return
	}
	if p.resp != nil && len(p.resp.resp.wrapToken) > 0 {
		f.Wrapped, f.WrapToken = true, saneHash(p.resp.resp.wrapToken)
	} else if p.req != nil {
		f.Wrapped = p.req.req.wrapTTL
	}
}

// named adds the person whom a path names without being the caller: a failed
// login's user, or the user an administrator changes. The raw line holds the
// name, so erasing that person must be able to reach it.
func (m *maker) named(d *evidence.Draft, pl *place, who caller) {
	if pl.user == "" || pl.user == who.login {
		return
	}
	d.People = append(d.People, m.marked(evidence.Person{
		Role: evidence.RoleHolder, Realm: "vault:" + m.authority + "/login", NativeID: cut(pl.mount+"/"+pl.user, 200),
		Names: names(pl.user, ""), Proof: evidence.ProofClaimed,
	}))
}

func (m *maker) marked(p evidence.Person) evidence.Person {
	if m.mark != nil {
		bot, shared := m.mark(p.Realm, p.NativeID, p.Names.Login)
		p.Names.Bot = p.Names.Bot || bot
		p.Names.Shared = p.Names.Shared || shared
	}
	return p
}

func names(login, display string) evidence.Names {
	n := evidence.Names{Login: login, Display: display}
	if looksLikeMail(login) {
		n.Mail = login
	}
	return n
}

// remover names the version of what takes values out of raw lines.
const remover = "vault/1"

// raw puts the lines into the draft: request line, newline, response line. A
// line that shows values in clear is left out, and numbers and booleans that
// may be part of a secret are replaced.
func (m *maker) raw(p *pair, pl *place, d *evidence.Draft, extra map[string]string) {
	if p.reqRaw || p.respRaw || pl.hide {
		extra["quarantined"] = "values in clear"
		d.Removed = []string{remover, ""}
		return
	}
	var removed []string
	out := make([]byte, 0, len(p.reqLine)+len(p.respLine)+1)
	if len(p.reqLine) > 0 {
		out, removed = appendLine(out, p.req, p.reqLine, removed)
	}
	if len(p.respLine) > 0 {
		if len(out) > 0 {
			out = append(out, '\n')
		}
		out, removed = appendLine(out, p.resp, p.respLine, removed)
	}
	d.Raw = out
	if len(removed) > 0 {
		d.Removed = append([]string{remover}, removed...)
	}
}

func appendLine(out []byte, e *entry, line []byte, removed []string) ([]byte, []string) {
	z := e.zone()
	if z != zoneNone && e.spanCut {
		return out, append(removed, "/request/data", responseData)
	}
	at := 0
	for _, s := range e.spans {
		if !s.always && (z == zoneNone || z == zoneInner && !s.inner) {
			continue
		}
		out = append(append(out, line[at:s.from]...), `"[removed]"`...)
		at = s.to
		removed = append(removed, s.pointer)
	}
	return append(out, line[at:]...), removed
}

// refs sets subject, links and the scopes that tenancy looks at: the owner's
// by path, mount and namespace, the actor's by identity.
func (m *maker) refs(d *evidence.Draft, p *pair, pl *place, f *evidence.AccessFacts) {
	request := m.ref("request", f.RequestID)
	d.Subject = request
	switch {
	case pl.secret != "":
		d.Subject = m.ref("secret", pl.secret)
	case pl.auth && f.Entity != "":
		d.Subject = m.ref("entity", f.Entity)
	case !pl.auth:
		if r, ok := m.systemSubject(pl); ok {
			d.Subject = r
			d.Scope = append(d.Scope, r)
		}
	}
	d.Links = append(d.Links, request)
	if d.Subject != request {
		d.Links = append(d.Links, d.Subject)
	}
	if pl.secret != "" {
		d.Scope = append(d.Scope, m.ref("path", pl.secret))
	}
	if pl.mount != "" {
		mount := m.ref("mount", pl.mount)
		d.Links = append(d.Links, mount)
		d.Scope = append(d.Scope, mount)
	}
	if pl.namespace != "" {
		ns := m.ref("ns", pl.namespace)
		d.Scope = append(d.Scope, ns)
		d.ActorScope = append(d.ActorScope, ns)
	}
	if f.Entity != "" {
		entity := m.ref("entity", f.Entity)
		if d.Subject != entity {
			d.Links = append(d.Links, entity)
		}
		d.ActorScope = append(d.ActorScope, entity)
	}
	if f.SANamespace != "" {
		d.ActorScope = append(d.ActorScope, m.ref("ns", f.SANamespace))
	}
	if f.SANamespace != "" && f.SAName != "" {
		// Joins the request with what runs as this account.
		d.Links = append(d.Links, m.ref("account", f.SANamespace+"/"+f.SAName))
	}
	m.mention(d, f)
	m.mentionLines(d, p, f)
	for i, p := range f.Granting {
		if i >= maxPolicyRefs {
			break
		}
		d.Links = append(d.Links, m.ref("policy", p))
	}
	if pl.auth {
		// A login or token belongs to whoever holds it.
		d.Scope = append(d.Scope, d.ActorScope...)
	}
}

const maxPolicyRefs = 64

// mention says whose the policies of the caller's token are. Those that granted
// the request are told to whoever it concerns.
func (m *maker) mention(d *evidence.Draft, f *evidence.AccessFacts) {
	if len(f.Policies) == 0 {
		return
	}
	refs, of := make([]evidence.Ref, len(f.Policies)), make([][]evidence.Ref, len(f.Policies))
	for i, p := range f.Policies {
		refs[i] = m.ref("policy", p)
		if !slices.Contains(f.Granting, p) {
			of[i] = refs[i : i+1]
		}
	}
	d.ActorScope = append(d.ActorScope, refs[:min(len(refs), maxPolicyRefs)]...)
	d.Mentions = []evidence.Mention{{At: "/policies", Of: of}}
}

// mentionLines says whose the policies are that the lines alone name: those of a
// token that the request makes, and what one of very many has beyond the facts.
func (m *maker) mentionLines(d *evidence.Draft, p *pair, f *evidence.AccessFacts) {
	var told evidence.Mention
	add := func(names [][]byte) {
		for _, b := range names {
			name := cut(clean(b), 256)
			if slices.Contains(f.Policies, name) || slices.Contains(f.Granting, name) {
				continue // nearly all
			}
			if of := []evidence.Ref{m.ref("policy", name)}; !slices.ContainsFunc(told.Of, func(o []evidence.Ref) bool { return o[0] == of[0] }) {
				told.Of = append(told.Of, of)
			}
		}
	}
	for _, e := range []*entry{p.req, p.resp} {
		if e == nil {
			continue
		}
		for _, a := range []*authPart{&e.auth, &e.resp.auth} {
			add(a.policies)
			add(a.more)
		}
	}
	if len(told.Of) > 0 {
		d.Mentions = append(d.Mentions, told)
	}
}

// systemSubject names what a request to the system backend is about.
func (m *maker) systemSubject(pl *place) (evidence.Ref, bool) {
	path := strings.TrimPrefix(pl.path, pl.namespace+"/")
	for _, x := range []struct{ prefix, scheme, below string }{
		{"sys/policies/acl/", "policy", ""}, {"sys/policy/", "policy", ""},
		{"sys/audit/", "device", ""}, {"sys/mounts/", "mount", ""}, {"sys/auth/", "mount", "auth"},
	} {
		name, ok := strings.CutPrefix(path, x.prefix)
		if name = strings.TrimSuffix(strings.TrimSuffix(name, "/tune"), "/"); !ok || name == "" {
			continue
		}
		if x.below != "" {
			name = x.below + "/" + name
		}
		if x.scheme == "mount" {
			name = joinPath(pl.namespace, name)
		}
		return m.ref(x.scheme, name), true
	}
	return evidence.Ref{}, false
}

// ref makes a reference of this source's authority. A name too long for a
// reference is cut and ends in its hash; the facts hold it whole.
func (m *maker) ref(scheme, name string) evidence.Ref {
	return evidence.NewRef(scheme, m.authority, shorten(name))
}

func shorten(name string) string {
	if len(name) <= 120 {
		return name // even when every byte is escaped
	}
	if r := (evidence.Ref{Scheme: "request", Authority: strings.Repeat("x", 63), Name: name}); len(r.String()) <= evidence.MaxRef {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:64] + "~" + hex.EncodeToString(sum[:])
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
