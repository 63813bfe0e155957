package harbor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// pageSize is the most that the API gives in one page; more is a 422.
const pageSize = 100

// answer is one answer of the API.
type answer struct {
	body  []byte
	total int64 // X-Total-Count, -1 when it is not said
	req   evidence.Request
}

// get reads one answer. The path is below /api/v2.0 and escaped.
func (l *look) get(path string, query url.Values) (*answer, error) { return l.ask(l.ctx, path, query) }

func (c *Collector) ask(ctx context.Context, path string, query url.Values) (*answer, error) {
	r, err := c.fetch.Get(ctx, "api/v2.0/"+path, query)
	if err != nil {
		return nil, err
	}
	a := &answer{body: r.Body, total: -1, req: evidence.Request{Method: http.MethodGet, URL: r.URL, Response: r.SHA256, Agent: agent}}
	if n, err := strconv.ParseInt(r.Header.Get("X-Total-Count"), 10, 64); err == nil && n >= 0 {
		a.total = n
	}
	return a, nil
}

// read reads one answer into v.
func (l *look) read(path string, query url.Values, v any) (*answer, error) {
	a, err := l.get(path, query)
	if err != nil {
		return nil, err
	}
	return a, a.decode(v)
}

// decode reads a body into v.
func (a *answer) decode(v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return problem.New(problem.Source, "the answer of %s is not what the API describes", a.req.URL).
			WithHint("check that url is the address of a Harbor registry and not of a web page or a login proxy")
	}
	return nil
}

// items splits a JSON list into its items' own bytes; null is an empty list.
func (a *answer) items() ([]json.RawMessage, error) {
	var list []json.RawMessage
	return list, a.decode(&list)
}

// odd is the error of a list that is not the one that was asked for.
func (a *answer) odd(what string) error {
	return problem.New(problem.Source, "the answer of %s holds %s", a.req.URL, what).
		WithHint("report it with the registry's version; nothing after it was read")
}

// oddItem is the error of one item of a list that cannot be read or told from the
// others.
func (a *answer) oddItem(what string) error {
	return &forge.OddItem{What: what, Err: problem.New(problem.Source, "the answer of %s holds %s", a.req.URL, what).
		WithHint("report it with the registry's version; the rest of the list was read")}
}

// oddItems are the items of one list that could not be read. They cost none of the
// others, but the list was not seen in full.
type oddItems struct {
	n     int
	first error
}

// skip takes note of an odd item, and returns any other error.
func (o *oddItems) skip(err error) error {
	if forge.Odd(err) == nil {
		return err
	}
	o.add(err)
	return nil
}

// add takes note of one that is known to be odd.
func (o *oddItems) add(err error) {
	if o.n++; o.first == nil {
		o.first = err
	}
}

// err is what is told of them; nil when there were none.
func (o *oddItems) err() error {
	if o.n > 1 {
		return fmt.Errorf("%w (and %d more that cannot be read)", o.first, o.n-1)
	}
	return o.first
}

// maxPages bounds each walk over pages: 1,000,000 items.
const maxPages = 10000

// walk reads a list by id, which the list calls key: every page asks for ids from behind the last one
// read, in their order. Neither what is deleted nor what is added meanwhile can
// then make it skip or repeat anything, as pages by number would. It begins at
// id from and ends behind id to, 0 for no end. each gets the items of a page,
// those without an id too, and says whether it wants more.
//
// The count sets the source's total beside ours, for the rows that were asked
// for.
func (l *look) walk(path, key string, query url.Values, from, to int64, each func(a *answer, items []json.RawMessage) (more bool, err error)) (source, ours int64, err error) {
	q := maps.Clone(query)
	if q == nil {
		q = url.Values{}
	}
	q.Set("page", "1")
	q.Set("page_size", strconv.Itoa(pageSize))
	q.Set("sort", key)
	for n := 0; n < maxPages; n++ {
		window := key + "=[" + strconv.FormatInt(from, 10) + "~"
		if to > 0 {
			window += strconv.FormatInt(to, 10)
		}
		q.Set("q", window+"]")
		a, err := l.get(path, q)
		if err != nil {
			return source, ours, err
		}
		items, err := a.items()
		if err != nil {
			return source, ours, err
		}
		last := from - 1
		for _, it := range items {
			id, ok := idOf(it, key)
			switch {
			case !ok: // odd; the others show how far the page goes
				continue
			case id < from || to > 0 && id > to:
				return source, ours, a.odd("rows that were not asked for: it does not select by id")
			case id < last:
				return source, ours, a.odd("rows out of order: it does not sort by id")
			}
			last = id
		}
		more, err := each(a, items)
		if err != nil {
			return source, ours, err
		}
		// What stood before this page was read; the total is of the rest.
		source = ours + a.total
		if a.total < 0 {
			source = ours + int64(len(items))
		}
		ours += int64(len(items))
		// A short page is the last one; that fewer came than are said to be
		// there is told by the counts.
		if !more || len(items) < pageSize || a.total >= 0 && a.total <= int64(len(items)) {
			return source, ours, nil
		}
		if last < from {
			return source, ours, a.odd("a page of rows without ids")
		}
		from = last + 1
	}
	return source, ours, problem.New(problem.Source, "the list %s has more than %d pages", path, maxPages)
}

// idOf reads the id of a row, which is above 0.
func idOf(row json.RawMessage, key string) (int64, bool) {
	var m map[string]json.RawMessage
	var id int64
	if json.Unmarshal(row, &m) != nil || json.Unmarshal(m[key], &id) != nil {
		return 0, false
	}
	return id, id > 0
}

// list reads a short list page by page; each gets one item. It is for lists
// that cannot be asked for by id, and seldom longer than a page: one whose
// total changes between pages is not taken for whole. An odd item is the error
// when all others were read.
func (l *look) list(what, path string, query url.Values, each func(a *answer, item json.RawMessage) error) error {
	q := maps.Clone(query)
	if q == nil {
		q = url.Values{}
	}
	q.Set("page_size", strconv.Itoa(pageSize))
	count := evidence.SourceCount{What: what, Query: path}
	var odd oddItems
	for n, total := 1, int64(-1); n <= maxPages; n++ {
		q.Set("page", strconv.Itoa(n))
		a, err := l.get(path, q)
		if err != nil {
			return err
		}
		items, err := a.items()
		if err != nil {
			return err
		}
		if n > 1 && a.total != total {
			return errShort
		}
		total = a.total
		for _, it := range items {
			if err := odd.skip(each(a, it)); err != nil {
				return err
			}
		}
		count.Ours += int64(len(items))
		count.Source = max(a.total, 0)
		if a.total < 0 {
			count.Source = count.Ours
		}
		if len(items) < pageSize || a.total >= 0 && a.total <= count.Ours {
			l.counts = append(l.counts, count)
			if count.Ours < count.Source {
				return errShort
			}
			return odd.err()
		}
	}
	return problem.New(problem.Source, "the list %s has more than %d pages", path, maxPages)
}

// projectPath is the path of a project by name.
func projectPath(name string) string { return "projects/" + url.PathEscape(name) }

// repositoryPath is the path of a repository; a slash in its name is encoded
// twice, since the server decodes once before it splits the path.
func repositoryPath(project, repository string) string {
	return projectPath(project) + "/repositories/" + url.PathEscape(url.PathEscape(repository))
}

// rights are what the credential may do within a scope, "resource:action".
type rights map[string]bool

func (r rights) has(resource, action string) bool { return r[resource+":"+action] }

// writing are the rights that read nothing.
func (r rights) writing() []string {
	var ws []string
	for _, right := range slices.Sorted(maps.Keys(r)) {
		if _, action, _ := strings.Cut(right, ":"); action != "list" && action != "read" {
			ws = append(ws, right)
		}
	}
	return ws
}

// rightsIn asks what the credential may do within a scope: /system, or
// /project/ID.
func (l *look) rightsIn(scope string) (rights, error) {
	a, err := l.get("users/current/permissions", url.Values{"scope": {scope}, "relative": {"true"}})
	if err != nil {
		return nil, err
	}
	list, err := a.items()
	if err != nil {
		return nil, err
	}
	r := rights{}
	for _, raw := range list {
		var p struct {
			Resource string `json:"resource"`
			Action   string `json:"action"`
		}
		if json.Unmarshal(raw, &p) != nil || p.Resource == "" && p.Action == "" {
			// As if the credential had it not, which costs what it is for, and is told.
			l.note("a right of the credential cannot be read: it is taken for missing")
			continue
		}
		r[p.Resource+":"+p.Action] = true
	}
	if len(r) == 0 && len(list) > 0 {
		return nil, a.odd("rights without names")
	}
	return r, nil
}

// when reads a time of the API; zero for none, for one that cannot be read,
// and for the year 1, by which Harbor says never.
func when(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	t = t.UTC()
	if y := t.Year(); y <= 1 || y > 9999 {
		return time.Time{}
	}
	return t
}

// status returns the status that err tells, 0 for none.
func status(err error) int { return fetch.Status(err) }
