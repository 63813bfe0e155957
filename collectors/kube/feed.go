package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// feed reads one resource: all of it, or what is in one namespace. While
// following it belongs to a goroutine of its own; everything it finds goes to
// the session through deliver.
type feed struct {
	x     *conn
	clock func() time.Time
	res   *Resource
	cuts  *cutter
	ns    string       // limits the feed; "" for all
	ref   evidence.Ref // of its list, in the scope of each state
	size  int          // objects in a page

	version string // the served version that is read
	rv      string // where the watch goes on; "" before the first list
	// fresh holds, for namespaces that were read anew ("" for all at once), the
	// version of that reading: the watch still has older forms of their objects before it.
	fresh map[string]uint64
	again queue // namespaces to read again
	// behind: the stream that is read still tells what happened before it was
	// opened. It ends with the first bookmark, by which the server says that
	// everything up to it has been told.
	behind bool
}

// queue is a set of names that one goroutine adds to and another works off.
type queue struct {
	mu   sync.Mutex
	set  map[string]int
	wake chan struct{} // gets a value when something was added
}

func newQueue() queue { return queue{set: map[string]int{}, wake: make(chan struct{}, 1)} }

func (q *queue) add(name string) {
	q.mu.Lock()
	q.set[name]++
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// peek returns a name of the set and remembers how often it had been added.
func (q *queue) peek() (string, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name := range q.set {
		q.set[name] = 1
		return name, true
	}
	return "", false
}

// done takes a name out, unless it was added again since it was peeked at.
func (q *queue) done(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.set[name]--; q.set[name] <= 0 {
		delete(q.set, name)
	}
}

// message is what a feed tells the session, in order.
type message struct {
	f    *feed
	what what
	obj  *Object
	at   time.Time // when the news arrived
	rv   string    // where the watch goes on; "" within a list
	// behind: it came from a stream that still catches up, so that its arrival
	// says nothing of what else happened until then.
	behind bool
	err    error  // fault, gap, unreadable
	ns     string // reread
	uid    string // of unreadable, where it can be read

	// Of listed: objects counted, and the total that the server told with the
	// first page; -1 when it told none.
	ours, total int64
	query       string
	version     string // that was read
}

type what int

const (
	begun      what = iota // a list begins; what an earlier one showed does not count
	seen                   // obj is there
	deleted                // obj is gone, on the server's word; its last form
	unreadable             // an item could not be read
	listed                 // the list that had begun was read in full
	moved                  // nothing new up to at
	opened                 // the watch is open
	gap                    // the history since the last news is lost
	fault                  // nothing can be read for now
	missing                // the cluster does not have the resource
	reread                 // the objects of ns were read again
)

type deliver func(ctx context.Context, m message) error

// errExpired says that the server no longer has the history asked for.
var errExpired = errors.New("the server no longer has the history since the last look")

const (
	// maxLists is how often one list is begun anew because the server dropped
	// it half way.
	maxLists = 3
	// maxPageTries is how often a page is asked for that breaks off.
	maxPageTries = 3
	maxPages     = 1 << 20
)

func (f *feed) name() string { return f.res.name() }

// list reads the whole resource. On success the watch may go on from f.rv.
func (f *feed) list(ctx context.Context, d deliver) error {
	for try := 1; ; try++ {
		m := message{f: f, what: begun, at: f.clock().UTC()}
		if err := d(ctx, m); err != nil {
			return err
		}
		m, err := f.pages(ctx, f.ns, m.at, d)
		if err == nil {
			f.rv, f.fresh = m.rv, nil
			m.what = listed
			return d(ctx, m)
		}
		if !dropped(err) || try == maxLists {
			return err
		}
	}
}

// dropped reports whether the server lost the list between two pages: the rest
// of it would be of another moment.
func dropped(err error) bool {
	s := fetch.Status(err)
	return s == http.StatusGone || s == http.StatusBadRequest
}

// pages reads a list page by page, all of one moment of the server.
func (f *feed) pages(ctx context.Context, ns string, at time.Time, d deliver) (message, error) {
	m := message{f: f, at: at, total: -1}
	path := f.res.path(f.version, ns)
	q := url.Values{"limit": {strconv.Itoa(f.size)}}
	if s := f.res.chosen(); s != "" {
		q.Set("fieldSelector", s)
	}
	m.query, m.version = path+"?"+q.Encode(), f.version
	pages := fetch.NewPages(maxPages)
	for page := 0; ; page++ {
		head, n, err := f.page(ctx, path, q, d)
		if err != nil {
			return m, err
		}
		m.ours += n
		if page == 0 {
			m.rv = head.ResourceVersion
			if head.Continue != "" && head.RemainingItemCount != nil {
				m.total = n + *head.RemainingItemCount
			}
		}
		if head.Continue == "" {
			return m, nil
		}
		if err := pages.Visit(head.Continue); err != nil {
			return m, err
		}
		q.Set("continue", head.Continue)
	}
}

// page reads one page, again when it breaks off on the way: its objects are
// the same then.
func (f *feed) page(ctx context.Context, path string, q url.Values, d deliver) (head listHead, n int64, err error) {
	for try := 1; ; try++ {
		head, n, err = f.pageOnce(ctx, path, q, d)
		if err == nil || ctx.Err() != nil || try == maxPageTries || !broke(err) {
			return head, n, err
		}
		if err := f.x.sleep(ctx, time.Duration(try)*time.Second); err != nil {
			return head, n, err
		}
	}
}

// broke reports whether an answer came well but did not end: worth another try
// at once. What the client has tried again already is not.
func broke(err error) bool {
	var cut *cutError
	return errors.As(err, &cut)
}

// cutError marks an answer that broke off.
type cutError struct{ error }

func (e *cutError) Unwrap() error { return e.error }

func (f *feed) pageOnce(ctx context.Context, path string, q url.Values, d deliver) (listHead, int64, error) {
	body, header, err := f.x.open(ctx, path, q, f.accept("List"), f.x.idle)
	if err != nil {
		return listHead{}, 0, err
	}
	defer body.Close()
	req := f.request(path, q, header)
	var n int64
	var own error
	head, err := decodeList(body, f.x.maxObj, func(raw []byte) error {
		n++
		own = f.deliver(ctx, d, message{f: f, what: seen, at: f.clock().UTC()}, raw, req, true)
		return own
	})
	if err != nil && own == nil && ctx.Err() == nil && !refusal(err) {
		err = &cutError{err}
	}
	if own != nil {
		err = own
	}
	return head, n, err
}

// deliver parses one object and hands it over in m.
func (f *feed) deliver(ctx context.Context, d deliver, m message, raw []byte, req evidence.Request, fromList bool) error {
	if m.obj, m.err = f.parse(raw, m.at, req); m.err != nil {
		m.what, m.obj, m.uid = unreadable, nil, uidOf(raw)
		return d(ctx, m)
	}
	m.obj.Listed = fromList
	return d(ctx, m)
}

// uidOf reads which object it is, and no more; "" when that cannot be read either.
func uidOf(raw []byte) string {
	var o struct {
		Metadata struct {
			UID string `json:"uid"`
		} `json:"metadata"`
	}
	if json.Unmarshal(raw, &o) != nil || len(o.Metadata.UID) > evidence.MaxKey {
		return ""
	}
	return o.Metadata.UID
}

func (f *feed) parse(raw []byte, now time.Time, req evidence.Request) (*Object, error) {
	o, err := parseObject(raw, now, f.cuts)
	if err != nil {
		return nil, err
	}
	// Items of lists leave these out, and what is asked for as metadata alone
	// names itself by that form.
	o.APIVersion, o.Kind = f.res.apiVersion(f.version), f.res.Kind
	if f.res.Cluster != (o.Namespace == "") || f.ns != "" && !f.res.Cluster && o.Namespace != f.ns {
		return nil, errors.New("object is not in the namespace that was asked for")
	}
	req.Response = o.Request.Response
	o.Request = req
	return o, nil
}

// accept is the media type to ask for.
func (f *feed) accept(suffix string) string {
	if !f.res.Metadata {
		return "application/json"
	}
	return "application/json;as=PartialObjectMetadata" + suffix + ";g=meta.k8s.io;v=v1"
}

// request is how an object was read. The server's own id of the request joins
// it to the audit log.
func (f *feed) request(path string, q url.Values, h http.Header) evidence.Request {
	r := evidence.Request{Method: http.MethodGet, URL: path + "?" + q.Encode()}
	if u, err := f.x.client.URL(path, q); err == nil {
		r.URL = fetch.SafeURL(u)
	}
	if id := h.Get("Audit-Id"); id != "" && len(id) <= 64 && strings.Trim(id, "0123456789abcdefABCDEF-") == "" {
		r.Agent = " audit-id=" + id
	}
	return r
}

// asked is how a list was asked for, by its path and query.
func (f *feed) asked(line string) evidence.Request {
	path, query, _ := strings.Cut(line, "?")
	q, err := url.ParseQuery(query)
	if err != nil { // it was made by Encode
		return evidence.Request{Method: http.MethodGet}
	}
	return f.request(path, q, nil)
}

// watch goes on from f.rv until the server ends the watch (nil), the history
// is lost (errExpired) or something else is wrong. Namespaces that come in
// again are read anew on the way.
func (f *feed) watch(ctx context.Context, d deliver) error {
	path, q := f.watchAt()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, header, err := f.openWatch(ctx, path, q, f.x.silent)
	if err != nil {
		return err
	}
	defer body.Close()
	since := f.clock() // nothing was read
	if err := d(ctx, message{f: f, what: opened, at: since.UTC()}); err != nil {
		return err
	}
	events := f.read(ctx, body)
	req := f.request(path, q, header)
	for {
		if err := f.relistAll(ctx, d); err != nil {
			return err
		}
		ready := f.clock()
		if ready.Sub(since) > maxHeld {
			return nil
		}
		select {
		case <-f.again.wake:
			since = f.clock()
		case e := <-events:
			if e.err == io.EOF {
				return nil
			}
			if e.err != nil {
				return e.err
			}
			if since = f.clock(); since.Sub(ready) > f.x.silent {
				return nil // nobody can have waited that long: the whole process stood still
			}
			if err := f.event(ctx, e.event, since.UTC(), req, d); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// maxHeld is how long the session may keep a feed from reading its watch. What
// stands in the buffers of the connection by then is older than its arrival
// would say, bookmarks included: the watch is opened anew from its place.
const maxHeld = 5 * time.Second

// watchAt is the address of the watch that goes on from f.rv.
func (f *feed) watchAt() (path string, q url.Values) {
	q = url.Values{"watch": {"1"}, "allowWatchBookmarks": {"true"}, "resourceVersion": {f.rv}}
	if s := f.res.chosen(); s != "" {
		q.Set("fieldSelector", s)
	}
	return f.res.path(f.version, f.ns), q
}

// openWatch opens a watch, which tells first what happened since its place.
func (f *feed) openWatch(ctx context.Context, path string, q url.Values, idle time.Duration) (io.ReadCloser, http.Header, error) {
	body, header, err := f.x.open(ctx, path, q, f.accept(""), idle)
	if fetch.Status(err) == http.StatusGone {
		return nil, nil, errExpired
	}
	f.behind = true
	return body, header, err
}

// lookTime is how long the server may take to say that a look at the history
// has told everything: it does so two seconds before it ends a watch.
const lookTime = 5 * time.Second

// errNoBookmark says that a look at the history did not end as it should.
var errNoBookmark = errors.New("the server did not say that everything was told")

// catchUp goes on from f.rv to the first bookmark: what happened since the last
// look, without a list. After an error some of it may have been told, and
// nothing is known of the rest.
func (f *feed) catchUp(ctx context.Context, d deliver) error {
	path, q := f.watchAt()
	q.Set("timeoutSeconds", strconv.Itoa(int(lookTime/time.Second)))
	body, header, err := f.openWatch(ctx, path, q, f.x.idle)
	if err != nil {
		return err
	}
	defer body.Close()
	req := f.request(path, q, header)
	for dec := newWatchDecoder(body, f.x.maxObj); f.behind; {
		e, err := dec.next()
		if err == io.EOF {
			return errNoBookmark
		}
		if err != nil {
			return err
		}
		if err := f.event(ctx, e, f.clock().UTC(), req, d); err != nil {
			return err
		}
	}
	return nil
}

type eventOrErr struct {
	event
	err error
}

// read decodes the watch in a goroutine that ends with the body or with ctx.
func (f *feed) read(ctx context.Context, body io.Reader) <-chan eventOrErr {
	events := make(chan eventOrErr)
	go func() {
		dec := newWatchDecoder(body, f.x.maxObj)
		for {
			e, err := dec.next()
			select {
			case events <- eventOrErr{e, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return events
}

// event takes an event that was read at the instant.
func (f *feed) event(ctx context.Context, e event, at time.Time, req evidence.Request, d deliver) error {
	switch e.Type {
	case "BOOKMARK":
		rv, err := position(e.Object)
		if err != nil {
			return problem.New(problem.Source, "the watch cannot be read: %v", err)
		}
		f.pass(rv)
		f.rv, f.behind = rv, false
		return d(ctx, message{f: f, what: moved, at: at, rv: rv})
	case "ERROR":
		return f.ended(e.Object)
	case "ADDED", "MODIFIED", "DELETED":
		rv, err := position(e.Object)
		if err != nil {
			return problem.New(problem.Source, "the watch cannot be read: %v", err)
		}
		f.rv = rv
		m := message{f: f, what: seen, at: at, rv: rv, behind: f.behind}
		switch {
		case e.Type == "DELETED":
			m.what = deleted
		case f.stale(e.Object, rv):
			m.what = moved
			return d(ctx, m)
		}
		return f.deliver(ctx, d, m, e.Object, req, false)
	}
	return problem.New(problem.Source, "the watch tells an event of a type that is not known")
}

// ended reads an ERROR event.
func (f *feed) ended(raw []byte) error {
	var s statusError
	if err := unmarshal(raw, &s); err != nil {
		return problem.New(problem.Source, "the server ended the watch with an error that cannot be read")
	}
	if s.Code == http.StatusGone {
		return errExpired
	}
	return problem.New(problem.Source, "%v", &s)
}

// relistAll reads the namespaces again that were asked for. One that cannot be
// read stays asked for.
func (f *feed) relistAll(ctx context.Context, d deliver) error {
	for ns, ok := f.again.peek(); ok; ns, ok = f.again.peek() {
		if err := f.relist(ctx, ns, d); err != nil {
			return err
		}
		f.again.done(ns)
		if err := d(ctx, message{f: f, what: reread, at: f.clock().UTC(), ns: ns}); err != nil {
			return err
		}
	}
	return nil
}

// relist reads one namespace again, because its labels changed and its objects
// may belong to somebody else now. The watch stands still meanwhile, so that
// nothing it tells later is older than what is read here, but for what stale
// filters out.
func (f *feed) relist(ctx context.Context, ns string, d deliver) error {
	if f.res.Cluster && ns != "" || f.ns != "" && f.ns != ns {
		return nil
	}
	m, err := f.pages(ctx, ns, f.clock().UTC(), d)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(m.rv, 10, 64)
	if err != nil {
		return fmt.Errorf("%w, for its versions have no order and a namespace had to be read again", errExpired)
	}
	if f.fresh == nil {
		f.fresh = map[string]uint64{}
	}
	f.fresh[ns] = n
	return nil
}

// stale reports whether an event tells a form of an object that is older than
// the last reading of its namespace.
func (f *feed) stale(raw []byte, rv string) bool {
	if len(f.fresh) == 0 {
		return false
	}
	n, err := strconv.ParseUint(rv, 10, 64)
	if err != nil {
		return false
	}
	_, _, meta, err := top(raw)
	if err != nil {
		return false
	}
	var m struct {
		Namespace string `json:"namespace"`
	}
	if unmarshal(meta, &m) != nil {
		return false
	}
	return n <= max(f.fresh[m.Namespace], f.fresh[""]) // all may have been read at once
}

// pass forgets readings that the watch has come past.
func (f *feed) pass(rv string) {
	if n, err := strconv.ParseUint(rv, 10, 64); err == nil {
		for ns, at := range f.fresh {
			if n >= at {
				delete(f.fresh, ns)
			}
		}
	}
}
