package vault

import (
	"bytes"
	"errors"
	"strconv"
	"time"
)

// entry is what is needed of one audit line. Its byte slices are views into
// the line. The shape is that of Vault's audit package; keys we do not need
// are checked for grammar and passed over.
type entry struct {
	at      time.Time // zero when the device leaves times out
	request bool      // type is request; else response
	// alone says why the line is joined with no other one: the server gave its
	// request no id, or its type is none that we know. Its id is made of a hash
	// of the line then, so that the same line read again is the same request.
	alone         string
	typ           string // of a line whose type we do not know; nothing in it is taken for hashed
	errText       []byte
	auth          authPart
	req           reqPart
	resp          respPart
	forwardedFrom []byte
	unknown       []string // top-level keys we never heard of
	spans         []span   // numbers and booleans inside data that may be secret
	spanCut       bool     // there were more of them than we keep
}

type authPart struct {
	token, accessor, display, entity, tokenType []byte
	policies, granting                          [][]byte
	more                                        [][]byte // policies that other members name, most of them again
	denied                                      bool     // policy_results.allowed is false
	ttl                                         int      // seconds; 0: none, or not said; -1: no number
	issued                                      time.Time
	meta                                        metaPart
}

// known reports whether the part says who the caller is.
func (a *authPart) known() bool {
	return len(a.entity) > 0 || len(a.display) > 0 || len(a.accessor) > 0
}

type metaPart struct {
	username, role, roleName, saName, saNamespace []byte
}

type reqPart struct {
	present                                    bool
	id, op, path, mount, mountType, mountClass []byte
	namespace, token, remote                   []byte
	wrapTTL                                    bool
	cert                                       []byte
	override                                   bool // the caller asks to pass by a soft-mandatory policy
	clearHeader                                bool // a header that holds a credential has its value in clear
	data                                       dataPart
}

type respPart struct {
	present   bool
	hasData   bool
	hasAuth   bool
	leased    bool // the server put it under a lease, if only a nominal one
	data      dataPart
	auth      authPart
	lease     []byte
	wrapToken []byte
	mountType []byte
}

// dataPart says what was found inside request.data or response.data.
type dataPart struct {
	clearKey bool // a key that always holds a credential has its value in clear
	clearVal bool // some string below a "data" key is in clear
	clearAny bool // some string is in clear
	status   int  // http_status_code, 0 when absent
	keys     int  // of the object itself
	errKey   bool // one of them is "error"
}

// isError reports whether data is what the server makes of an error: an object
// of "error" alone. Old servers leave the line's own error empty then, so that
// a failed login looks like any other line; the server itself takes a stored
// secret of that form for an error too.
func (d *dataPart) isError() bool { return d.errKey && d.keys == 1 }

// span is a value that Vault leaves in clear (it hashes strings only in data) at
// a place where a secret's value may stand.
type span struct {
	from, to int
	pointer  string
	inner    bool // below a "data" key, as in KV version 2
	always   bool // it is taken out of whatever line
}

const maxSpans = 256

// responseData is the pointer of response.data.
const responseData = "/response/data"

var (
	hashed     = []byte("hmac-sha256:")
	errType    = errors.New("it has no type")
	errNoReq   = errors.New("it has no request")
	errNoEntry = errors.New("not a JSON object; text that the device or a shipper puts before each line is named in prefix")
	errXML     = errors.New("an XML line: the device writes jsonx, which is not read; set format=json")
)

// decode reads one audit line into e, which is reset first but keeps its
// slices. Errors say what is wrong with the line and never quote it.
func (e *entry) decode(line []byte) error {
	e.reset()
	s := scan{b: line}
	if c := s.peek(); c != '{' {
		if c == '<' {
			return errXML
		}
		return errNoEntry
	}
	var typ []byte
	s.enter('{')
	for k, ok := s.key(); ok; k, ok = s.key() {
		switch string(k) {
		case "time":
			e.at = parseTime(s.text())
		case "type":
			typ = s.text()
		case "error":
			e.errText = s.text()
		case "auth":
			e.auth.decode(&s)
		case "request":
			e.decodeRequest(&s)
		case "response":
			e.decodeResponse(&s)
		case "forwarded_from":
			e.forwardedFrom = s.text()
		case "forwarded", "entry_type":
			s.skip()
		default:
			if len(e.unknown) < 8 && len(k) <= 64 {
				e.unknown = append(e.unknown, string(k))
			}
			s.skip()
		}
	}
	switch err := s.end(); {
	case err != nil:
		return err
	case len(typ) == 0:
		return errType
	case !e.req.present:
		return errNoReq
	}
	switch string(typ) {
	case "request":
		e.request = true
	case "response":
	default:
		// As of the KMIP listener: both its lines are told as requests whose end
		// is not known.
		e.typ, e.request = cut(clean(typ), maxType), true
		e.stand(line, "unknown type")
	}
	if len(e.req.id) == 0 {
		e.stand(line, "no request id") // as of help requests
	}
	return nil
}

const maxType = 64 // bytes

// stand makes the line a request of its own.
func (e *entry) stand(line []byte, why string) {
	e.alone, e.req.id = why, []byte("line-"+hashHex(line))
}

func (e *entry) reset() {
	p, g, more := e.auth.policies[:0], e.auth.granting[:0], e.auth.more[:0]
	sp := e.spans[:0]
	*e = entry{spans: sp}
	e.auth.policies, e.auth.granting, e.auth.more = p, g, more
}

// parseTime reads RFC 3339 with any fraction; zero when it is none.
func parseTime(b []byte) time.Time {
	if len(b) == 0 {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func (a *authPart) decode(s *scan) {
	if !s.enter('{') {
		return
	}
	for k, ok := s.key(); ok; k, ok = s.key() {
		switch string(k) {
		case "client_token":
			a.token = s.text()
		case "accessor":
			a.accessor = s.text()
		case "display_name":
			a.display = s.text()
		case "entity_id":
			a.entity = s.text()
		case "token_type":
			a.tokenType = s.text()
		case "token_ttl":
			a.ttl = s.number()
		case "token_issue_time":
			a.issued = parseTime(s.text())
		case "policies":
			a.policies = texts(s, a.policies[:0])
		case "token_policies", "identity_policies":
			a.more = texts(s, a.more)
		case "external_namespace_policies":
			if !s.enter('{') {
				continue
			}
			for _, ok := s.key(); ok; _, ok = s.key() {
				a.more = texts(s, a.more)
			}
		case "policy_results":
			a.decodeResults(s)
		case "metadata":
			a.meta.decode(s)
		default:
			s.skip()
		}
	}
}

// decodeResults skips granting policies without a name: the formatter of some
// versions puts as many blanks before the real ones.
func (a *authPart) decodeResults(s *scan) {
	if !s.enter('{') {
		return
	}
	for k, ok := s.key(); ok; k, ok = s.key() {
		switch string(k) {
		case "allowed":
			a.denied = s.peek() == 'f'
			s.skip()
		case "granting_policies":
			a.granting = a.granting[:0]
			if !s.enter('[') {
				continue
			}
			for s.next(']') {
				if !s.enter('{') {
					continue
				}
				for k, ok := s.key(); ok; k, ok = s.key() {
					if string(k) != "name" {
						s.skip()
					} else if n := s.text(); len(n) > 0 {
						a.granting = append(a.granting, n)
					}
				}
			}
		default:
			s.skip()
		}
	}
}

func (m *metaPart) decode(s *scan) {
	if !s.enter('{') {
		return
	}
	for k, ok := s.key(); ok; k, ok = s.key() {
		switch string(k) {
		case "username":
			m.username = s.text()
		case "role":
			m.role = s.text()
		case "role_name":
			m.roleName = s.text()
		case "service_account_name":
			m.saName = s.text()
		case "service_account_namespace":
			m.saNamespace = s.text()
		default:
			s.skip()
		}
	}
}

func texts(s *scan, to [][]byte) [][]byte {
	if !s.enter('[') {
		return to
	}
	for s.next(']') {
		if t := s.text(); len(t) > 0 {
			to = append(to, t)
		}
	}
	return to
}

func (e *entry) decodeRequest(s *scan) {
	r := &e.req
	if !s.enter('{') {
		return
	}
	r.present = true
	for k, ok := s.key(); ok; k, ok = s.key() {
		switch string(k) {
		case "id":
			r.id = s.text()
		case "operation":
			r.op = s.text()
		case "path":
			r.path = s.text()
		case "mount_point":
			r.mount = s.text()
		case "mount_type":
			r.mountType = s.text()
		case "mount_class":
			r.mountClass = s.text()
		case "client_token":
			r.token = s.text()
		case "remote_address":
			r.remote = s.text()
		case "headers":
			r.clearHeader = headersInClear(s)
		case "wrap_ttl":
			// Old servers write 0 for requests that ask for no wrapping.
			r.wrapTTL = s.number() > 0
		case "namespace":
			if s.enter('{') {
				for k, ok := s.key(); ok; k, ok = s.key() {
					if string(k) == "path" {
						r.namespace = s.text()
					} else {
						s.skip()
					}
				}
			}
		case "client_certificate_serial_number":
			r.cert = s.text()
		case "policy_override":
			r.override = s.peek() == 't'
			s.skip()
		case "supplemental_audit_data":
			e.supplemental(s, "/request/supplemental_audit_data")
		case "data":
			e.walk(s, &r.data, "/request/data", "", false)
		case "request_uri":
			s.ws()
			from := s.i
			if uri := s.text(); asksInClear(uri) {
				e.spans = append(e.spans, span{from: from, to: s.i, pointer: "/request/request_uri", always: true})
			}
		default:
			s.skip()
		}
	}
}

// supplemental passes over what an engine adds for the log alone, of protocols that
// are not JSON (since Vault 2.0, such as OCSP of PKI). The server hashes its strings
// as it does those of data, and the rest stands in clear; what it is the engine
// alone knows, so that it is kept only when all of it is hashed.
func (e *entry) supplemental(s *scan, pointer string) {
	s.ws()
	from := s.i
	if inClear(s) {
		e.spans = append(e.spans, span{from: from, to: s.i, pointer: pointer, always: true})
	}
}

func (e *entry) decodeResponse(s *scan) {
	r := &e.resp
	if !s.enter('{') {
		return
	}
	r.present = true
	for k, ok := s.key(); ok; k, ok = s.key() {
		switch string(k) {
		case "data":
			r.hasData = s.peek() == '{'
			e.walk(s, &r.data, responseData, "", false)
		case "supplemental_audit_data":
			e.supplemental(s, "/response/supplemental_audit_data")
		case "auth":
			r.hasAuth = s.peek() == '{'
			r.auth.decode(s)
		case "mount_type":
			r.mountType = s.text()
		case "secret":
			if r.leased = s.peek() == '{'; s.enter('{') {
				for k, ok := s.key(); ok; k, ok = s.key() {
					if string(k) == "lease_id" {
						r.lease = s.text()
					} else {
						s.skip()
					}
				}
			}
		case "wrap_info":
			if s.enter('{') {
				for k, ok := s.key(); ok; k, ok = s.key() {
					if string(k) == "token" {
						r.wrapToken = s.text()
					} else {
						s.skip()
					}
				}
			}
		default:
			s.skip()
		}
	}
}

// walk goes through data and notes what stands there in clear: at is the JSON
// pointer of this value, key its last name, inner whether a "data" key is
// above.
func (e *entry) walk(s *scan, d *dataPart, at, key string, inner bool) {
	switch c := s.peek(); c {
	case '"':
		v := s.str()
		if len(v) == 0 || bytes.HasPrefix(v, hashed) {
			return
		}
		d.clearKey = d.clearKey || credentialKey(key)
		d.clearVal = d.clearVal || inner
		d.clearAny = true
	case '{':
		if !s.enter('{') {
			return
		}
		for k, ok := s.key(); ok; k, ok = s.key() {
			if at == responseData {
				d.keys++
				d.errKey = d.errKey || string(k) == "error"
			}
			// The pointer is only built for values that need one.
			if c := s.peek(); c != '{' && c != '[' && c != '"' && !scalarInClear(c) {
				s.skip()
				continue
			} else if c == '"' {
				e.walk(s, d, "", string(k), inner)
				continue
			}
			e.walk(s, d, at+"/"+pointerEscape(k), string(k), inner || string(k) == "data")
		}
	case '[':
		if !s.enter('[') {
			return
		}
		for n := 0; s.next(']'); n++ {
			if c := s.peek(); c == '"' {
				e.walk(s, d, "", key, inner)
				continue
			}
			e.walk(s, d, at+"/"+strconv.Itoa(n), key, inner)
		}
	default:
		s.ws()
		from := s.i
		if key == "http_status_code" {
			if d.status = max(s.number(), 0); s.err == nil {
				return
			}
		}
		s.skip()
		if s.err != nil || !scalarInClear(c) {
			return
		}
		if len(e.spans) >= maxSpans {
			e.spanCut = true
			return
		}
		e.spans = append(e.spans, span{from: from, to: s.i, pointer: at, inner: inner})
	}
}

func pointerEscape(k []byte) string {
	if !bytes.ContainsAny(k, "~/") {
		return string(k)
	}
	k = bytes.ReplaceAll(k, []byte("~"), []byte("~0"))
	return string(bytes.ReplaceAll(k, []byte("/"), []byte("~1")))
}

// raw reports whether the line shows that its device writes values in clear
// (log_raw, or a version that leaks): such a line is never stored.
func (e *entry) raw() bool {
	if e.typ != "" || e.req.clearHeader || echoes(e.errText) {
		return true
	}
	for _, t := range [][]byte{e.auth.token, e.req.token, e.resp.auth.token, e.resp.wrapToken} {
		if len(t) > 0 && !bytes.HasPrefix(t, hashed) {
			return true
		}
	}
	if e.req.data.clearKey || e.resp.data.clearKey {
		return true
	}
	switch e.zone() {
	case zoneInner, zoneLoose:
		return e.req.data.clearVal || e.resp.data.clearVal
	case zoneAll:
		return e.req.data.clearAny || e.resp.data.clearAny
	}
	return false
}

// saneHash returns h when the source hashed it, else "".
func saneHash(h []byte) string {
	if bytes.HasPrefix(h, hashed) {
		return string(h)
	}
	return ""
}
