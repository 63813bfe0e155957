package harbor

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// The two forms of the audit log: Harbor writes the first since 2.13, and
// keeps what it wrote before in the second.
const (
	formExt    = "ext"
	formLegacy = "legacy"
)

// auditLog is one audit log that is read: of the whole registry, or of one
// project where the credential may not read the whole.
type auditLog struct {
	form    string
	path    string
	project *project // nil: the whole registry
	state   *auditState
	closed  bool // nothing is written to it any more
}

// name is how notes and counts call the log.
func (a *auditLog) name() string {
	n := "audit log"
	if a.form == formLegacy {
		n = "old audit log"
	}
	if a.project != nil {
		n += " of project " + a.project.Name
	}
	return n
}

// audit reads what is new in the audit log. A credential without the right to
// the whole log would be given a list of less, or of nothing, without a word;
// so its rights decide which lists are asked for.
func (l *look) audit() error {
	if l.rights.has("audit-log", "list") {
		return l.auditOf(nil)
	}
	l.note("the credential may not list the audit log of the whole registry (audit-log:list): the logs of its projects are read one by one; logins, users, robots of the system and settings are not seen")
	for _, p := range l.projects {
		if err := l.auditOf(p); err != nil {
			return err
		}
	}
	for _, p := range l.strays {
		since := time.Time{}
		if st := l.cur.Audit[formExt+"/"+number(p.ID)]; st != nil {
			since = st.Looked
		}
		l.blind(p, since, evidence.RegistryAudit)
	}
	return nil
}

// auditOf reads the log of a project or of the whole registry, in both forms:
// the new one, and the old one to its end.
func (l *look) auditOf(p *project) error {
	suffix, prefix := "", ""
	ext, legacy := "auditlog-exts", "audit-logs"
	if p != nil {
		suffix, prefix = "/"+number(p.ID), projectPath(p.Name)+"/"
		legacy = "logs"
	}
	a := &auditLog{form: formExt, path: prefix + ext, project: p, state: l.cur.audit(formExt + suffix)}
	seen, err := l.readLog(a)
	newer := true
	if status(err) == http.StatusNotFound {
		delete(l.cur.Audit, formExt+suffix)
		newer, err = false, nil // a registry before 2.13
	}
	var old []evidence.Seen
	if st := l.cur.audit(formLegacy + suffix); err == nil && !st.Done {
		b := &auditLog{form: formLegacy, path: prefix + legacy, project: p, state: st, closed: newer}
		old, err = l.readLog(b)
		if newer && status(err) == http.StatusNotFound {
			old, err, st.Done = nil, nil, true // a registry that has the new form alone
		}
	}
	if err != nil {
		if err := l.miss(err, "%s", a.name()); err != nil {
			return err
		}
		if p != nil {
			l.blind(p, a.state.Looked, evidence.RegistryAudit)
		}
	}
	l.seen = append(append(l.seen, old...), seen...)
	return l.progress()
}

// auditRow is one row of either form.
type auditRow struct {
	ID          int64  `json:"id"`
	Time        string `json:"op_time"`
	Username    string `json:"username"`
	Operation   string `json:"operation"`
	Description string `json:"operation_description"`
	Result      *bool  `json:"operation_result"`
	Resource    string `json:"resource"`
	Type        string `json:"resource_type"`

	odd    bool  // some of it is of another form than the API describes
	before error // of an edge: that another one was listed before it, which cannot be read
}

// edge reads the first row of a log in the given order of ids; nil when it is
// empty. since, when set, leaves out what is older. A row without an id cannot be
// the first: it has no place in the order.
func (l *look) edge(a *auditLog, order string, since time.Time) (*auditRow, error) {
	row, err := l.edgeOf(a, order, since, 1)
	if odd := err; forge.Odd(odd) != nil {
		if row, err = l.edgeOf(a, order, since, pageSize); row != nil {
			row.before = odd
		}
	}
	return row, err
}

// edgeOf finds it among so many rows.
func (l *look) edgeOf(a *auditLog, order string, since time.Time, among int) (*auditRow, error) {
	q := url.Values{"page": {"1"}, "page_size": {strconv.Itoa(among)}, "sort": {order}}
	if !since.IsZero() {
		q.Set("q", "op_time=["+since.UTC().Format("2006-01-02 15:04:05")+"~]")
	}
	ans, err := l.get(a.path, q)
	if err != nil {
		return nil, err
	}
	items, err := ans.items()
	if err != nil || len(items) == 0 {
		return nil, err
	}
	for _, raw := range items {
		if row, err := parseAuditRow(raw); err == nil {
			return row, nil
		}
	}
	return nil, ans.oddItem("a row without an id")
}

// zoneMargin covers every time zone: the server reads a time of a query in a
// zone of its own, so that the first look asks for more and drops what is too
// old by the row's own time, which tells its zone.
const zoneMargin = 15 * time.Hour

// begin finds where the first look begins.
func (l *look) begin(a *auditLog) error {
	oldest, err := l.edge(a, "id", time.Time{})
	if err != nil || oldest == nil {
		return err
	}
	before, from := oldest.ID-1, when(oldest.Time)
	if from.IsZero() && l.cfg.History == 0 {
		from = l.started // when it begins is not told; the log is not begun at each look
	}
	if horizon := l.started.Add(-l.cfg.History); l.cfg.History > 0 && from.Before(horizon) {
		from = horizon
		first, err := l.edge(a, "id", horizon.Add(-zoneMargin))
		if err != nil {
			return err
		}
		if first != nil && first.ID > oldest.ID {
			before = first.ID - 1
		}
	}
	a.state.Settled, a.state.Last, a.state.From = before, before, from
	return nil
}

const (
	// late is how long after a row's own time it may still turn up: rows are
	// written by several processes, and take their ids before they can be seen.
	late = 2 * time.Minute
	// maxAuditPages bounds one look at one log; what is left is read by the
	// next.
	maxAuditPages = 500
	// maxSkip is how many ids may be left out without a reason: a database
	// takes ids for rows that it then does not keep.
	maxSkip = 100
)

// readLog reads a log from where the last look stopped and returns what may be
// claimed.
func (l *look) readLog(a *auditLog) ([]evidence.Seen, error) {
	newest, err := l.edge(a, "-id", time.Time{})
	if err != nil {
		return nil, err
	}
	st := a.state
	r := &rowReader{look: l, log: a}
	if newest == nil {
		return r.empty()
	}
	if newest.ID < st.Last && when(newest.Time).After(st.At) {
		// Newer rows with smaller ids: another table than the one read before.
		r.gap(st.Looked, when(newest.Time), "ids of the audit log began anew: the registry's database was restored or replaced")
		*st = auditState{Era: st.Era + 1, Looked: st.Looked, From: st.From, At: st.At, Gaps: st.Gaps}
		r.fresh = true
	} else if st.From.IsZero() {
		if err := l.begin(a); err != nil {
			return nil, err
		}
		r.fresh = true
	}
	r.settled, r.last, r.floor = st.Settled, st.Last, st.Settled
	from := max(st.Settled, 1)
	pages := 0
	source, ours, err := l.walk(a.path, "id", nil, from, max(newest.ID, from), func(ans *answer, items []json.RawMessage) (bool, error) {
		pages++
		for _, raw := range items {
			row, err := parseAuditRow(raw)
			if err != nil {
				r.unread(ans.oddItem("a row without an id"))
				continue
			}
			if row.odd && row.ID > max(st.Last, r.floor) {
				r.unread(ans.oddItem("a row of an unknown form"))
			}
			if err := r.take(row, raw, ans.req); err != nil {
				return false, err
			}
		}
		r.behind = pages >= l.auditPages
		return !r.behind, l.progress()
	})
	if err != nil {
		return nil, err
	}
	if newest.before != nil && r.odd.n == 0 {
		r.unread(newest.before)
	}
	if !r.behind {
		l.counts = append(l.counts, evidence.SourceCount{
			What: a.name(), Query: a.path + "?q=id=[" + number(from) + "~" + number(newest.ID) + "]", Source: source, Ours: ours,
		})
		if ours < source {
			return nil, errShort
		}
	}
	return r.claims()
}

// rowReader is the look at one log.
type rowReader struct {
	*look
	log     *auditLog
	fresh   bool  // nothing of this log was read before
	settled int64 // where this look began
	last    int64 // newest id of the look before
	floor   int64 // newest id of this look
	present bool  // the row where this look began is still there
	begun   bool  // a row after it was taken
	young   bool  // a row was taken that others may still turn up before
	behind  bool  // more is there than one look reads
	before  time.Time
	odd     oddItems
	rows    int
	pulls   int
	scanner int
	firstAt time.Time
}

// take takes in one row, in the order of ids.
func (r *rowReader) take(row *auditRow, raw json.RawMessage, req evidence.Request) error {
	st := r.log.state
	if row.ID <= r.settled {
		r.present = r.present || row.ID == r.settled
		return nil
	}
	if row.ID == r.floor {
		return nil // the same row again
	}
	at := when(row.Time)
	if err := r.judge(row.ID, at); err != nil {
		return err
	}
	r.floor, r.begun = row.ID, true
	if !at.IsZero() {
		r.before = at
		r.known(at)
	}
	if !r.young && at.Before(r.started.Add(r.fetch.Stats().Offset).Add(-late)) {
		st.Settled = row.ID
	} else {
		r.young = true
	}
	isNew := row.ID > st.Last
	st.Last = max(st.Last, row.ID)
	if at.After(st.At) && !at.After(r.started.Add(time.Hour)) {
		st.At = at
	}
	if r.cfg.History > 0 && st.Looked.IsZero() && !at.IsZero() && at.Before(st.From) {
		return nil // older than what the first look is asked for
	}
	if isNew {
		r.count(row, at)
	}
	if row.Operation == "pull" && r.cfg.Pulls == pullsCount {
		return nil
	}
	return r.emit(r.auditDraft(r.log, row, raw, at, req))
}

func (r *rowReader) count(row *auditRow, at time.Time) {
	if r.firstAt.IsZero() {
		r.firstAt = at
	}
	r.rows++
	if row.Operation == "pull" {
		r.pulls++
	}
	if scannerRobot.MatchString(row.Username) {
		r.scanner++
	}
}

// judge looks at the ids between a row and the one before it. In the log of
// the whole registry every id is a row, but for those that its database took
// in vain; in the log of a project most belong to others.
func (r *rowReader) judge(id int64, at time.Time) error {
	st := r.log.state
	if r.fresh && !r.begun || id <= r.last {
		return nil // nothing to compare with, or read before
	}
	gone := !r.begun && !r.present && r.settled > 0
	after, prev := r.before, max(r.floor, r.last)
	if !r.begun || after.IsZero() {
		after = st.Looked
	}
	missing := id - prev - 1
	if r.log.project != nil && !gone || missing == 0 || missing <= maxSkip && !gone {
		return nil
	}
	return r.lost(after, at, missing > maxSkip && r.log.project == nil)
}

// lost decides whether rows that are not there any more may have been rows
// that were never read, and for which stretch.
func (r *rowReader) lost(after, before time.Time, jump bool) error {
	if after.IsZero() || !after.Before(before) {
		return nil
	}
	horizon, known, err := r.purges()
	switch {
	case err != nil:
		return err
	case known && horizon.After(after):
		if horizon.Before(before) {
			before = horizon
		}
		r.gap(after, before, "an audit purge removed rows before they were read")
	case known && jump:
		r.gap(after, before, "ids of the audit log jump and no purge explains it: rows were deleted in the database, or never written")
	case !known:
		r.gap(after, before, "rows of the audit log are missing, and the history of its purges may not be read")
	}
	return nil
}

// unread takes note of a row of which not all could be read. When it happened may be
// among that: of the stretch from the row before it to the next one with a time not
// all was seen.
func (r *rowReader) unread(err error) {
	r.odd.add(err)
	if st := r.log.state; st.Odd.IsZero() {
		st.Odd = r.before
		if st.Odd.IsZero() {
			st.Odd = st.Looked
		}
		if st.Odd.IsZero() {
			st.Odd = st.From
		}
	}
}

// known ends the stretch that began before an odd row, at the time of a row behind it.
func (r *rowReader) known(at time.Time) {
	if st := r.log.state; !st.Odd.IsZero() && at.After(st.Odd) {
		r.gap(st.Odd, at, "the audit log holds a row of an unknown form")
		st.Odd = time.Time{}
	}
}

func (r *rowReader) gap(from, to time.Time, cause string) {
	if to.After(r.started) {
		to = r.started // a row may say that it is of any time
	}
	if from.IsZero() || !from.Before(to) {
		return
	}
	st := r.log.state
	st.Gaps = append(st.Gaps, auditGap{from.UTC(), to.UTC(), cause})
	r.note("%s: blind from %s to %s: %s", r.log.name(), evidence.FormatTime(from), evidence.FormatTime(to), cause)
}

func (r *rowReader) window(class evidence.Class, from, to time.Time, cause string) evidence.Seen {
	s := evidence.Seen{Kinds: []evidence.Kind{evidence.RegistryAudit}, Class: class, From: from.UTC(), To: to.UTC(), Cause: cause}
	if p := r.log.project; p != nil {
		s.Scope = r.projectRef(p.Name)
	}
	return s
}

// empty is the look at a log without a row.
func (r *rowReader) empty() ([]evidence.Seen, error) {
	st := r.log.state
	if st.Last > 0 {
		if err := r.lost(st.Looked, r.started, false); err != nil {
			return nil, err
		}
	} else if st.From.IsZero() && r.cur.Kept == "yes" {
		st.From = r.started
	}
	return r.claims()
}

// claims says what was seen of a log, up to the newest row in it. What comes
// after that row is seen only when the registry's settings say that it keeps
// the log at all: an empty end may be quiet, or switched off.
func (r *rowReader) claims() ([]evidence.Seen, error) {
	st := r.log.state
	if r.rows > 0 {
		r.note("%s: %d new rows, %d of them pulls, %d by robots of scanners", r.log.name(), r.rows, r.pulls, r.scanner)
		if r.cfg.Pulls == pullsCount && r.pulls > 0 {
			r.note("%s: pulls were counted and not recorded", r.log.name())
		}
	}
	to := st.At
	switch {
	case r.behind:
		r.note("%s: more rows wait than one look reads; the next goes on", r.log.name())
	case !r.log.closed && r.cur.Kept == "yes":
		to = r.started
	}
	if to.After(r.started) {
		to = r.started
	}
	r.known(to)
	if err := r.odd.err(); err != nil {
		r.missed.Add(err, r.log.name())
	}
	from, class, cause := st.Looked, evidence.Continuous, ""
	if from.IsZero() {
		from, class, cause = st.From, evidence.Reconstructed, "read from the log at the first look"
	}
	resumed := st.Silent && r.rows > 0
	if resumed {
		from = r.firstAt // what came before it was claimed as not seen
	}
	var out []evidence.Seen
	add := func(from, to time.Time) {
		if !from.IsZero() && from.Before(to) {
			out = append(out, r.window(class, from, to, cause))
		}
	}
	for _, g := range st.Gaps {
		add(from, g.From)
		out = append(out, r.window(evidence.Blind, g.From, g.To, g.Cause))
		if g.To.After(from) {
			from = g.To
		}
	}
	add(from, to)
	silent, why := r.silent()
	if silent {
		since := st.At
		if since.IsZero() {
			since = r.started
		}
		out = append(out, r.window(evidence.Blind, since, r.started, why))
	}
	r.after = append(r.after, func() {
		// History that takes several looks to read stays history until its end.
		if to.After(st.Looked) && !(st.Looked.IsZero() && r.behind) {
			st.Looked = to
		}
		st.Gaps, st.Silent, st.Done = nil, silent || st.Silent && !resumed, r.log.closed && !r.behind
	})
	return out, nil
}

// silent says whether the end of the log counts as not seen, and why.
func (r *rowReader) silent() (bool, string) {
	st := r.log.state
	switch {
	case r.log.closed || r.behind:
		return false, ""
	case r.cur.Kept == "no":
		return true, "the registry does not keep its audit log in its database"
	case r.cur.Kept == "yes":
		return false, ""
	case st.At.IsZero():
		return true, "the audit log shows nothing, and whether it is kept cannot be told"
	case r.started.Sub(st.At) > r.cfg.AuditSilence:
		return true, "the audit log shows nothing new for longer than audit_silence, and whether it is still kept cannot be told"
	}
	r.note("whether the audit log is forwarded, or hides kinds of events, cannot be told: its settings may be read by administrators alone")
	return false, ""
}

// purges returns the time up to which the purges of the audit log that ran
// have removed rows, and whether that can be told.
func (l *look) purges() (horizon time.Time, known bool, err error) {
	if l.purge != nil {
		return l.purge.horizon, l.purge.known, nil
	}
	a, err := l.get("system/purgeaudit", url.Values{"page": {"1"}, "page_size": {strconv.Itoa(pageSize)}, "sort": {"-id"}})
	switch status(err) {
	case http.StatusForbidden, http.StatusNotFound:
		l.purge = &purge{}
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, err
	}
	runs, err := a.items()
	if err != nil {
		return time.Time{}, false, err
	}
	l.purge = &purge{known: true}
	for _, raw := range runs {
		var j wireJob
		var p struct {
			Hours int64 `json:"audit_retention_hour"`
			Dry   bool  `json:"dry_run"`
		}
		if json.Unmarshal(raw, &j) != nil || json.Unmarshal([]byte(j.Parameters), &p) != nil {
			// How far back this one reached is not told, so no loss can be laid to
			// the purges, nor kept from them.
			l.purge = &purge{}
			return time.Time{}, false, nil
		}
		at := when(j.Created).Add(-time.Duration(min(max(p.Hours, 0), 240000)) * time.Hour)
		if !p.Dry && at.After(l.purge.horizon) {
			l.purge.horizon = at
		}
	}
	return l.purge.horizon, true, nil
}

// purge is what is known of purges of the audit log.
type purge struct {
	horizon time.Time
	known   bool
}
