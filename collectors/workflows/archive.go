package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/collectors/kube"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// The archive of Argo's server
// (https://argo-workflows.readthedocs.io/en/latest/workflow-archive/). Its list
// is by the start of runs, newest first, in pages of an offset: what is archived
// meanwhile shifts them, so each look overlaps the one before by the longest run
// there may be. It holds ended runs alone, and not each of them: a controller that
// restarts may miss one. So it adds records and never claims that there were no
// others.

const archivePath = "/api/v1/archived-workflows"

// Bounds of one look at the archive. What is left over is read with the next
// commit.
const (
	archivePage  = 100
	archivePages = 200
	archiveRuns  = 500
)

// oddRuns is how a run says that single runs of the archive could not be read.
const oddRuns = "the archive: %d of its runs could not be read"

// inARow is how many runs in a row the archive may fail to hand out before it
// counts as down.
const inARow = 3

// archiveRetry is how long an archive that does not answer is left alone.
const archiveRetry = time.Minute

// archive reads the archive. It is used by one goroutine at a time.
type archive struct {
	client  *fetch.Client
	counted int // requests reported already
}

func openArchive(cfg Config, env collectors.Env, change func(*fetch.Options)) (*archive, error) {
	o := fetch.Options{
		BaseURL: cfg.Archive.URL, Key: "archive.url", Header: fetch.Bearer(fetch.TokenFile(cfg.Archive.TokenFile)), CAFile: cfg.Archive.CAFile,
		Timeout: cfg.Timeout, MaxBody: int64(cfg.MaxObjectBytes) * 4, Clock: env.Clock, Log: env.Log, CacheBytes: -1, Retries: 1,
	}
	change(&o)
	c, err := fetch.New(o)
	if err != nil {
		return nil, err
	}
	return &archive{client: c}, nil
}

func (a *archive) newRequests() int {
	n := a.client.Stats().Requests
	d := n - a.counted
	a.counted = n
	return d
}

// entry is as much of one listed run as says whether it is wanted.
type entry struct {
	Metadata struct {
		UID string `json:"uid"`
	} `json:"metadata"`
	Status struct {
		Phase      string `json:"phase"`
		FinishedAt string `json:"finishedAt"`
	} `json:"status"`
}

// wanted is a run to ask for.
type wanted struct {
	uid string
	end time.Time // as the list has it
}

// readArchive makes drafts of runs that ended unseen. Faults of the archive make
// the run partial and never end it.
func (r *reader) readArchive(ctx context.Context, l *kube.Look) ([]evidence.Draft, error) {
	a := r.archive
	if a == nil || l.Now.Before(r.memory.next) || !r.complete(l, resourceOf[kindRun]) {
		return nil, nil // what is there now is known first
	}
	if len(r.memory.Odd) > 0 && r.memory.behind == "" {
		r.memory.behind = fmt.Sprintf(oddRuns, len(r.memory.Odd)) // since an earlier run
	}
	due := r.memory.Read.IsZero() || !l.Now.Before(r.memory.Read.Add(r.cfg.Archive.Every))
	odd := len(r.memory.Odd) > 0 && (due || !r.memory.tried)
	if !due && !odd && !slices.ContainsFunc(r.memory.Lost, func(x loss) bool { return x.UID != "" }) {
		return nil, nil
	}
	r.memory.behind = ""
	ds, err := r.archived(ctx, l, due, odd)
	r.memory.tried = true
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	switch {
	case err != nil:
		r.memory.next = l.Now.Add(archiveRetry)
		r.memory.behind = "the archive: " + plain(err)
	case r.memory.odds() > 0:
		r.memory.behind = fmt.Sprintf(oddRuns, r.memory.odds())
	}
	return ds, nil
}

// plain says in a sentence why the archive could not be read.
func plain(err error) string {
	switch status := fetch.Status(err); {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Sprintf("the credential may not list and get workflows (%d)", status)
	case status == http.StatusNotFound:
		return "the server has none at this address (404)"
	}
	return err.Error()
}

// archived reads what was asked for. What it returns stands, with an error too.
func (r *reader) archived(ctx context.Context, l *kube.Look, due, odd bool) (ds []evidence.Draft, err error) {
	again := slices.Clone(r.memory.Odd)
	failed := 0 // in a row
	ask := func(uid string) (*evidence.Draft, error) {
		d, err := r.archivedRun(ctx, l, uid)
		switch {
		case err == nil:
			failed = 0
			return d, nil
		case ctx.Err() != nil:
			return nil, err
		case errors.Is(err, fetch.ErrTooLarge): // it did answer
			failed = 0
		default:
			failed++
		}
		r.memory.odd(uid, true)
		if failed < inARow {
			err = nil
		}
		return nil, err
	}
	for i := range r.memory.Lost {
		x := &r.memory.Lost[i]
		if x.UID == "" {
			continue
		}
		d, err := ask(x.UID)
		if err != nil {
			return ds, err
		}
		if d == nil {
			x.UID = "" // it does not know it either
			continue
		}
		ds = append(ds, *d)
		x.To = x.From // its end is known
	}
	r.memory.Lost = slices.DeleteFunc(r.memory.Lost, func(x loss) bool { return !x.From.Before(x.To) })
	if due {
		runs, err := r.listArchive(ctx, l)
		if err != nil {
			return ds, err
		}
		for n, x := range runs {
			if n == archiveRuns {
				return ds, nil // the rest with the next commit: the list is read again
			}
			d, err := ask(x.uid)
			if err != nil {
				return ds, err
			}
			if d != nil {
				ds = append(ds, *d)
				r.memory.tell(x.uid, x.end) // should the run itself have another
			}
		}
		r.memory.Read = l.Now
	}
	if !odd {
		return ds, nil
	}
	failed = 0
	for _, uid := range again {
		d, err := ask(uid)
		if err != nil {
			return ds, nil // they stay odd, and that is told
		}
		if d != nil {
			ds = append(ds, *d)
		}
	}
	return ds, nil
}

// listArchive returns the ended runs that were not told, oldest first.
func (r *reader) listArchive(ctx context.Context, l *kube.Look) (runs []wanted, err error) {
	from := l.Now.Add(-r.cfg.Archive.History)
	if !r.memory.Read.IsZero() {
		from = r.memory.Read.Add(-r.cfg.Archive.Longest)
	}
	told := map[string]bool{}
	for _, id := range r.memory.Told {
		told[id] = true
	}
	seen := map[string]bool{}
	unnamed := 0
	for _, ns := range r.archiveSpaces() {
		for page, offset := 0, ""; ; page++ {
			if page == archivePages {
				return nil, problem.New(problem.Source, "it holds more than %d runs since %s", archivePage*archivePages, evidence.FormatTime(from)).
					WithHint("set archive.history or archive.longest lower")
			}
			q := url.Values{"listOptions.limit": {strconv.Itoa(archivePage)}, "listOptions.fieldSelector": {"spec.startedAt>" + from.UTC().Format(time.RFC3339)}}
			if ns != "" {
				q.Set("namespace", ns)
			}
			if offset != "" {
				q.Set("listOptions.continue", offset)
			}
			resp, err := r.archive.client.Get(ctx, archivePath, q)
			if err != nil {
				return nil, err
			}
			var list struct {
				Metadata *struct {
					Continue string `json:"continue"`
				} `json:"metadata"`
				Items []json.RawMessage `json:"items"`
			}
			if json.Unmarshal(resp.Body, &list) != nil || list.Metadata == nil {
				return nil, errNoArchive
			}
			for _, raw := range list.Items {
				var e entry
				odd := json.Unmarshal(raw, &e) != nil
				uid, end := e.Metadata.UID, instant(e.Status.FinishedAt)
				if uid == "" {
					unnamed++ // it cannot be asked for by itself
					continue
				}
				_, live := r.memory.Open[uid] // it was tried again, and goes on
				if seen[uid] || live || slices.Contains(r.memory.Odd, uid) || told[endOf(uid, end)] || !odd && !ended(e.Status.Phase) {
					continue
				}
				seen[uid] = true
				runs = append(runs, wanted{uid, end})
			}
			if list.Metadata.Continue == "" {
				break
			}
			next, err := strconv.Atoi(list.Metadata.Continue)
			before, _ := strconv.Atoi(offset)
			if err != nil || next <= before {
				return nil, errNoArchive
			}
			offset = list.Metadata.Continue
		}
	}
	slices.Reverse(runs)
	r.memory.unnamed = unnamed
	return runs, nil
}

// archiveSpaces are the namespaces to ask for; one empty name for all.
func (r *reader) archiveSpaces() []string {
	if len(r.cfg.Namespaces) > 0 {
		return r.cfg.Namespaces
	}
	return []string{""}
}

// errNoArchive leaves out what was answered.
var errNoArchive = errors.New("what it answered is no list of workflows")

// archivedRun makes the draft of one run; nil when the archive does not have it.
func (r *reader) archivedRun(ctx context.Context, l *kube.Look, uid string) (*evidence.Draft, error) {
	resp, err := r.archive.client.Get(ctx, archivePath+"/"+url.PathEscape(uid), nil)
	if fetch.Status(err) == http.StatusNotFound {
		r.memory.odd(uid, false)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o, err := kube.ParseObject(resp.Body, l.Now)
	if err != nil || o.UID != uid || o.Namespace == "" || len(r.cfg.Namespaces) > 0 && !slices.Contains(r.cfg.Namespaces, o.Namespace) {
		r.memory.odd(uid, true)
		return nil, nil
	}
	o.APIVersion, o.Kind = group+"/v1alpha1", kindRun
	o.Request = evidence.Request{Method: "GET", URL: resp.URL, Response: resp.SHA256}
	d, f, err := r.draft(o, r.then(l, o), false)
	if err == nil {
		err = d.Check()
	}
	if err != nil || !ended(f.Phase) {
		r.memory.odd(uid, true)
		return nil, nil
	}
	r.memory.odd(uid, false)
	d.NotBefore = time.Time{}
	if !r.placed(l, o) {
		d.Scope = nil // its namespace is not the one that has the name now
		l.Note("an archived run is of a namespace that is gone, and whose that was is not known")
	}
	r.memory.tell(uid, f.FinishedAt)
	return &d, nil
}

// then is the look with the namespaces that were there when the run was made.
func (r *reader) then(l *kube.Look, o *kube.Object) *kube.Look {
	return l.During(evidence.Period{From: o.CreatedAt, To: o.CreatedAt}, func(kube.Namespace) bool { return false })
}

// placed reports whether the run's namespace may be told by its name: the one that
// has the name is as old as the run, or one that had it then is remembered.
func (r *reader) placed(l *kube.Look, o *kube.Object) bool {
	n, ok := l.Namespace(o.Namespace)
	if !ok || n.Made.IsZero() || !n.Made.After(o.CreatedAt) {
		return true
	}
	if o.CreatedAt.IsZero() {
		return false
	}
	_, ok = r.then(l, o).Namespace(o.Namespace)
	return ok
}

// examineArchive adds how the archive can be read. It leaves alone what belongs to
// a run that may be going on.
func (r *reader) examineArchive(ctx context.Context, x *collectors.Examination) error {
	kinds := []evidence.Kind{evidence.WorkflowRun}
	right := collectors.Right{Name: "the archive of finished workflows", Kinds: kinds}
	if r.archive == nil {
		right.Access = collectors.Untold
		right.Hint = "set archive.url where Argo's server keeps an archive: the controller deletes finished workflows, and what ends while nobody watches is not seen"
		x.Rights = append(x.Rights, right)
		return nil
	}
	before := r.archive.client.Stats().Requests
	_, err := r.archive.client.Get(ctx, archivePath, url.Values{"listOptions.limit": {"1"}})
	x.Requests += r.archive.client.Stats().Requests - before
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		right.Access = collectors.Readable
	case fetch.Status(err) == http.StatusUnauthorized || fetch.Status(err) == http.StatusForbidden:
		right.Access, right.Hint = collectors.Missing, "let the token's account get and list workflows in all namespaces (deploy/access/workflows)"
	case fetch.Status(err) == http.StatusNotFound:
		right.Access, right.Hint = collectors.Absent, "the server keeps no archive, or archive.url is not its address"
	default:
		right.Access, right.Hint = collectors.Untold, "the archive could not be asked: "+err.Error()
	}
	x.Rights = append(x.Rights, right)
	return nil
}
