package kubeaudit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"evidenced/collectors/kube"
)

// event is the part of an audit.k8s.io/v1 Event that is read.
type event struct {
	Kind             string            `json:"kind"`
	APIVersion       string            `json:"apiVersion"`
	Level            string            `json:"level"`
	AuditID          string            `json:"auditID"`
	Stage            string            `json:"stage"`
	RequestURI       string            `json:"requestURI"`
	Verb             string            `json:"verb"`
	User             user              `json:"user"`
	ImpersonatedUser *user             `json:"impersonatedUser"`
	SourceIPs        []string          `json:"sourceIPs"`
	UserAgent        string            `json:"userAgent"`
	ObjectRef        *objectRef        `json:"objectRef"`
	ResponseStatus   *responseStatus   `json:"responseStatus"`
	Received         string            `json:"requestReceivedTimestamp"`
	Timestamp        string            `json:"timestamp"` // of v1alpha1 and v1beta1: when the request came
	StageTime        string            `json:"stageTimestamp"`
	Annotations      map[string]string `json:"annotations"`
	RequestObject    *object           `json:"requestObject"`
	ResponseObject   *object           `json:"responseObject"`

	received, staged time.Time
}

type user struct {
	Username string              `json:"username"`
	Groups   []string            `json:"groups"`
	Extra    map[string][]string `json:"extra"`
}

type objectRef struct {
	Resource    string `json:"resource"`
	Namespace   string `json:"namespace"`
	Name        string `json:"name"`
	UID         string `json:"uid"`
	APIGroup    string `json:"apiGroup"`
	APIVersion  string `json:"apiVersion"` // group/version in v1alpha1
	Subresource string `json:"subresource"`
}

type responseStatus struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// object is what is left of an object that a line carries.
type object struct {
	Kind       string     `json:"kind,omitempty"`
	APIVersion string     `json:"apiVersion,omitempty"`
	Metadata   objectMeta `json:"metadata"`
	// DryRun is of DeleteOptions alone: whoever deletes asks there, and not in
	// the address, that nothing be changed.
	DryRun []string `json:"dryRun,omitempty"`
}

// deleteOptions is the kind of the object that a request to delete carries.
const deleteOptions = "DeleteOptions"

type objectMeta struct {
	Name      string `json:"name,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	UID       string `json:"uid,omitempty"`
}

// UnmarshalJSON takes what is there: an object may be anything, and nothing in
// it may make a line unreadable.
func (o *object) UnmarshalJSON(b []byte) error {
	type plain object
	var p plain
	if err := json.Unmarshal(b, &p); err != nil {
		p = plain{}
	}
	if p.DryRun = slices.DeleteFunc(p.DryRun, func(s string) bool { return s != "All" }); p.Kind != deleteOptions {
		p.DryRun = nil // anybody's object may have a member of that name
	}
	*o = object(p)
	return nil
}

// The stages of a request that a line may tell of.
const (
	stageReceived = "RequestReceived"
	stageStarted  = "ResponseStarted"
	stageComplete = "ResponseComplete"
	stagePanic    = "Panic"
)

// maxID is the longest Audit-Id in bytes that is kept as it is. The client may
// choose it, of any length; a longer one is known by its hash.
const maxID = 128

var errNotEvent = errors.New("no event of audit.k8s.io")

// parse reads one line. Errors hold nothing of it.
func parse(line []byte) (*event, error) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		return nil, unreadable(err)
	}
	if e.Kind != "Event" || !strings.HasPrefix(e.APIVersion, "audit.k8s.io/") || e.AuditID == "" || e.Stage == "" {
		return nil, errNotEvent
	}
	if len(e.Stage) > 64 {
		return nil, errNotEvent
	}
	if len(e.AuditID) > maxID {
		sum := sha256.Sum256([]byte(e.AuditID))
		e.AuditID = "sha256:" + hex.EncodeToString(sum[:])
	}
	e.received, e.staged = parseTime(e.Received), parseTime(e.StageTime)
	if e.received.IsZero() {
		e.received = parseTime(e.Timestamp)
	}
	if r := e.ObjectRef; r != nil && r.APIGroup == "" {
		r.APIGroup = kube.GroupOf(r.APIVersion)
	}
	return &e, nil
}

// ownLog tells a line of the server's own log, which stands beside its audit log
// where both go to a container's, from an event, whole or not, in any of the
// formats that there were.
func ownLog(text []byte) bool {
	return !bytes.Contains(text, []byte(`"auditID":`)) && !bytes.Contains(text, []byte(` AUDIT: id="`))
}

// unreadable says why a line cannot be decoded without quoting it.
func unreadable(err error) error {
	var te *json.UnmarshalTypeError
	var se *json.SyntaxError
	switch {
	case errors.As(err, &te) && te.Field == "":
		return errors.New("no JSON object")
	case errors.As(err, &te):
		return fmt.Errorf("field %s is of another type", te.Field)
	case errors.As(err, &se):
		return fmt.Errorf("no JSON from byte %d on", se.Offset)
	}
	return fmt.Errorf("cannot be read (%T)", err)
}

func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 2000 || t.Year() > 9000 {
		return time.Time{}
	}
	return t.UTC()
}

// at is where the event stands in its log: the time of its stage.
func (e *event) at() time.Time {
	if e.staged.IsZero() {
		return e.received
	}
	return e.staged
}

// lineTime finds the time of a line that may be cut.
func lineTime(b []byte) time.Time {
	for _, key := range []string{`"stageTimestamp":"`, `"requestReceivedTimestamp":"`, `"timestamp":"`} {
		if _, rest, ok := bytes.Cut(b, []byte(key)); ok {
			if v, _, ok := bytes.Cut(rest, []byte(`"`)); ok {
				if t := parseTime(string(v)); !t.IsZero() {
					return t
				}
			}
		}
	}
	return time.Time{}
}

// resource returns what was touched; the zero value when it is no resource.
func (e *event) resource() objectRef {
	if e.ObjectRef == nil {
		return objectRef{}
	}
	return *e.ObjectRef
}

// actor is who the request counts for: who was impersonated, if somebody was.
func (e *event) actor() *user {
	if e.ImpersonatedUser != nil {
		return e.ImpersonatedUser
	}
	return &e.User
}

func (e *event) code() int {
	if e.ResponseStatus == nil {
		return 0
	}
	return e.ResponseStatus.Code
}

// space is the namespace that something is in, or is: a namespace that is made
// stands in none yet.
func (r objectRef) space() string {
	if r.Namespace == "" && r.APIGroup == "" && r.Resource == "namespaces" {
		return r.Name
	}
	return r.Namespace
}

// connects are subresources that open a connection into a pod, node or
// service. Which verb stands with them depends on the client's protocol.
var connects = []string{"exec", "attach", "portforward", "proxy"}

func (r objectRef) connect() bool { return slices.Contains(connects, r.Subresource) }

// refusals are how the API server words that an admission webhook or an
// admission policy refused a request. The status code beside it is the
// refuser's choice: 400 of one, 422 of another.
var refusals = regexp.MustCompile(`admission webhook "[^"]*" denied the request|ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request`)

// refused reports whether admission refused the request.
func (e *event) refused() bool {
	return e.code() >= 400 && refusals.MatchString(e.ResponseStatus.Message)
}

// final reports whether the event tells the end of its request. A request that
// does not get past the login, or whose deadline makes no sense, is answered
// before anything else is logged: its failure stands at the stage at which the
// answer begins, and no other stage follows.
func (e *event) final() bool {
	switch e.Stage {
	case stageComplete, stagePanic:
		return true
	case stageStarted:
		return e.code() == 401 || e.code() >= 400 && !e.longRunning()
	}
	return false
}

// longRunning reports whether a request may go on after its answer began, so
// that its start is told apart from its end.
func (e *event) longRunning() bool {
	r := e.resource()
	return e.Verb == "watch" || r.connect() || r.Subresource == "log"
}

// secret reports whether objects of the resource hold secrets: Secrets, tokens
// that are asked for, tokens that are reviewed.
func (r objectRef) secret() bool {
	switch r.APIGroup + "/" + r.Resource {
	case "/secrets", "authentication.k8s.io/tokenreviews":
		return true
	case "/serviceaccounts":
		return r.Subresource == "token"
	}
	return false
}

// secretContent reports whether the line carried what must not be kept.
func (e *event) secretContent() bool {
	if e.RequestObject == nil && e.ResponseObject == nil {
		return false
	}
	if e.resource().secret() {
		return true
	}
	for _, o := range []*object{e.RequestObject, e.ResponseObject} {
		if o != nil && slices.Contains([]string{"Secret", "SecretList", "TokenRequest", "TokenReview"}, o.Kind) {
			return true
		}
	}
	return false
}

// read reports whether a verb changes nothing by its nature.
func read(verb string) bool {
	switch verb {
	case "get", "list", "watch", "head", "options":
		return true
	}
	return false
}

// path splits a request's address into its path and the keys of its query,
// sorted: values may be commands or names. dryRun tells that the request, by its
// address or its object, asked that nothing be changed.
func (e *event) path() (path string, keys []string, dryRun bool) {
	dryRun = e.RequestObject != nil && len(e.RequestObject.DryRun) > 0
	path, query, ok := strings.Cut(e.RequestURI, "?")
	if !ok {
		return path, nil, dryRun
	}
	for _, kv := range strings.Split(query, "&") {
		k, v, _ := strings.Cut(kv, "=")
		dryRun = dryRun || k == "dryRun" && v != ""
		if plainKey(k) && len(keys) < 32 && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return path, keys, dryRun
}

// plainKey reports whether a key of a query is one that Kubernetes has: others
// may hold anything.
func plainKey(k string) bool {
	return k != "" && len(k) <= 64 && strings.Trim(k, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == ""
}
