package vault

import (
	"container/list"
	"time"
)

// Limits of the join. A server cuts requests off after 90 s by default, so a
// response that has not come after responseWait of log time is not expected
// any more; when it comes all the same, the record is amended.
const (
	responseWait = 120 * time.Second
	maxWaiting   = 4096
	maxWaitBytes = 64 << 20
	lateWait     = 15 * time.Minute // how long a late response is still looked for
	maxLate      = 512
	maxLateText  = 64 << 10
	maxSeen      = 4096
)

// waiting is a request line whose response has not been read.
type waiting struct {
	id      string
	e       *entry
	text    []byte // own copy; e points into it. nil when it could not be read again
	at      time.Time
	guessed bool
	raw     bool
	ref     lineRef
	device  string
	era     string
	lines   int // lines of this request read so far, from all devices
	socket  bool
	// replaces: a file shows a request that only a socket had told of.
	replaces bool
	alt      *answered // the response, which only a socket told so far
	place    *list.Element
}

// answered is a response that waits for a better witness.
type answered struct {
	e    *entry
	text []byte
	raw  bool
	at   time.Time
	ref  lineRef
}

// ref of a waiting request as the cursor holds it.
type waitRef struct {
	ID  string    `json:"id"`
	At  time.Time `json:"at"`
	Era string    `json:"era,omitempty"`
	lineRef
	Alt      *lineRef `json:"alt,omitempty"`      // response that only a socket told
	Replaces bool     `json:"replaces,omitempty"` // a record that only a socket told
}

// seenID is a request that was emitted and whose lines other devices may show
// again.
type seenID struct {
	ID   string    `json:"id"`
	At   time.Time `json:"at"`
	Left int       `json:"left"` // lines of it that may still come
	// Socket: the record stands on a socket; lines of a file replace it.
	Socket bool `json:"socket,omitempty"`
}

// join pairs request and response lines by request id. Its whole state can be
// put into the cursor, so that a run cut anywhere goes on as if it had not been
// cut.
type join struct {
	streams int // how many devices show the same requests
	wait    map[string]*waiting
	queue   *list.List // of *waiting, those of wait in order of arrival
	bytes   int
	late    map[string]*waiting // emitted without response
	lateQ   []string
	seen    map[string]*seenID
	seenQ   []*seenID
	notes   *notes
	free    []*entry
}

func newJoin(streams int, n *notes) *join {
	return &join{streams: streams, wait: map[string]*waiting{}, queue: list.New(), late: map[string]*waiting{}, seen: map[string]*seenID{}, notes: n}
}

// add takes one line and hands out, through emit, every pair that is decided
// by it. Where a file and a socket tell of one request, the file decides: a
// response that only the socket has told so far waits for the file's, and a
// record that stands on the socket is amended by the file's lines.
func (j *join) add(l *line, device, era string, emit func(*pair) error) (kept bool, err error) {
	if err := j.expire(l.at, emit); err != nil {
		return false, err
	}
	if l.e.alone != "" {
		return false, emit(single(l, device, era))
	}
	id := string(l.e.req.id)
	socket := l.from != nil && l.from.spool != nil
	replaces := false
	if s := j.seen[id]; s != nil {
		if replaces = s.Socket && !socket; !replaces {
			if s.Left--; s.Left <= 0 {
				delete(j.seen, id)
			}
			return false, nil
		}
	}
	if l.e.request {
		lines := 1
		if w := j.wait[id]; w != nil {
			if w.lines++; socket || !w.socket { // another device, or the same line again
				return false, nil
			}
			lines = w.lines
			j.drop(id)
		}
		if w := j.late[id]; w != nil {
			if socket || !w.socket {
				return false, nil
			}
			replaces = true
			j.drop(id)
		}
		return true, j.push(l, id, device, era, &waiting{socket: socket, replaces: replaces, lines: lines}, emit)
	}
	if w := j.wait[id]; w != nil && socket && !w.socket {
		w.lines++
		if w.alt != nil {
			return false, nil
		}
		w.alt = &answered{l.e, l.text, l.raw, l.at, l.ref}
		j.bytes += len(l.text)
		return true, nil
	}
	p := &pair{resp: l.e, respLine: l.text, respRaw: l.raw, at: l.at, atGuessed: l.guessed, respAt: l.at, device: device, era: era,
		socket: socket, amend: replaces}
	lines := 1
	w, late := j.wait[id], false
	if w == nil {
		w, late = j.late[id], true
	}
	if w != nil {
		p.at, p.atGuessed = w.at, w.guessed
		if w.e != nil {
			p.req, p.reqLine, p.reqRaw, p.device, p.era = w.e, w.text, w.raw, w.device, w.era
			p.socket = p.socket || w.socket
		}
		j.drop(id)
		p.amend = p.amend || late || w.replaces
		lines += w.lines
	}
	j.emitted(id, l.at, lines, p.socket)
	if err := emit(p); err != nil {
		return false, err
	}
	if p.req != nil && len(j.free) < 64 {
		j.free = append(j.free, p.req)
	}
	return false, nil
}

// spare returns an entry that nobody uses any more.
func (j *join) spare() *entry {
	if n := len(j.free); n > 0 {
		e := j.free[n-1]
		j.free = j.free[:n-1]
		return e
	}
	return &entry{}
}

// single makes the pair of a line that is joined with no other one.
func single(l *line, device, era string) *pair {
	p := &pair{at: l.at, atGuessed: l.guessed, device: device, era: era, socket: l.from != nil && l.from.spool != nil}
	if l.e.request {
		p.req, p.reqLine, p.reqRaw = l.e, l.text, l.raw
	} else {
		p.resp, p.respLine, p.respRaw, p.respAt = l.e, l.text, l.raw, l.at
	}
	return p
}

// push lets a request wait; w holds what is known of it besides the line.
func (j *join) push(l *line, id, device, era string, w *waiting, emit func(*pair) error) error {
	for len(j.wait) >= maxWaiting || j.bytes+len(l.text) > maxWaitBytes && len(j.wait) > 0 {
		j.notes.Add("more requests wait for their response than are kept: the oldest were recorded without it")
		if err := j.expireOldest(emit); err != nil {
			return err
		}
	}
	w.id, w.e, w.text, w.at, w.guessed, w.raw, w.ref, w.device, w.era = id, l.e, l.text, l.at, l.guessed, l.raw, l.ref, device, era
	j.enqueue(w)
	return nil
}

func (j *join) enqueue(w *waiting) {
	j.wait[w.id] = w
	w.place = j.queue.PushBack(w)
	j.bytes += len(w.text)
	if w.alt != nil {
		j.bytes += len(w.alt.text)
	}
}

func (j *join) drop(id string) {
	if w := j.wait[id]; w != nil {
		j.bytes -= len(w.text)
		if w.alt != nil {
			j.bytes -= len(w.alt.text)
		}
		j.queue.Remove(w.place)
		delete(j.wait, id)
	}
	delete(j.late, id)
}

// expire emits the requests that have waited too long at the time now.
func (j *join) expire(now time.Time, emit func(*pair) error) error {
	for len(j.lateQ) > 0 {
		if w := j.late[j.lateQ[0]]; w != nil && now.Sub(w.at) <= lateWait {
			break
		}
		delete(j.late, j.lateQ[0])
		j.lateQ = j.lateQ[1:]
	}
	for j.queue.Len() > 0 && now.Sub(j.queue.Front().Value.(*waiting).at) > responseWait {
		if err := j.expireOldest(emit); err != nil {
			return err
		}
	}
	for len(j.seenQ) > 0 && (now.Sub(j.seenQ[0].At) > responseWait || j.seen[j.seenQ[0].ID] != j.seenQ[0] || len(j.seen) > maxSeen) {
		if s := j.seenQ[0]; j.seen[s.ID] == s {
			delete(j.seen, s.ID)
		}
		j.seenQ = j.seenQ[1:]
	}
	return nil
}

// expireOldest emits the first of the queue without a response.
func (j *join) expireOldest(emit func(*pair) error) error {
	w := j.queue.Front().Value.(*waiting)
	j.drop(w.id)
	if w.e == nil {
		j.notes.Partial("request %s waited for its response in a file that is gone; it was not recorded", w.id)
		return nil
	}
	if a := w.alt; a != nil {
		j.emitted(w.id, w.at, w.lines, true)
		return emit(&pair{req: w.e, reqLine: w.text, reqRaw: w.raw, resp: a.e, respLine: a.text, respRaw: a.raw, at: w.at, atGuessed: w.guessed,
			respAt: a.at, device: w.device, era: w.era, amend: w.replaces, socket: true})
	}
	if w.replaces {
		return nil // the file lost the response that the socket told
	}
	for len(j.lateQ) >= maxLate {
		delete(j.late, j.lateQ[0])
		j.lateQ = j.lateQ[1:]
	}
	if len(w.text) > maxLateText {
		late := &waiting{id: w.id, at: w.at, guessed: w.guessed, ref: w.ref, lines: w.lines, socket: w.socket}
		j.late[w.id] = late
	} else {
		j.late[w.id] = w
	}
	j.lateQ = append(j.lateQ, w.id)
	return emit(&pair{req: w.e, reqLine: w.text, reqRaw: w.raw, at: w.at, atGuessed: w.guessed, device: w.device, era: w.era, socket: w.socket})
}

// emitted remembers an id whose lines other devices will show again.
func (j *join) emitted(id string, at time.Time, lines int, socket bool) {
	delete(j.seen, id)
	if left := 2*j.streams - lines; j.streams > 1 && left > 0 {
		s := &seenID{id, at, left, socket}
		j.seen[id] = s
		j.seenQ = append(j.seenQ, s)
	}
}

// joinState is the part of the join that the cursor holds: references, not
// lines.
type joinState struct {
	Wait []waitRef `json:"wait,omitempty"`
	Late []waitRef `json:"late,omitempty"`
	Seen []seenID  `json:"seen,omitempty"`
}

func (j *join) state() joinState {
	var st joinState
	for el := j.queue.Front(); el != nil; el = el.Next() {
		w := el.Value.(*waiting)
		st.Wait = append(st.Wait, w.refer())
	}
	for _, id := range j.lateQ {
		if w := j.late[id]; w != nil {
			st.Late = append(st.Late, w.refer())
		}
	}
	for _, s := range j.seenQ {
		if j.seen[s.ID] == s {
			st.Seen = append(st.Seen, *s)
		}
	}
	return st
}

func (w *waiting) refer() waitRef {
	r := waitRef{ID: w.id, At: w.at, Era: w.era, lineRef: w.ref, Replaces: w.replaces}
	if w.alt != nil {
		r.Alt = &w.alt.ref
	}
	return r
}

// restore rebuilds the join from the cursor; read fetches a line again. A line
// that cannot be read again keeps its place without its content. socket is the
// path of the socket's stream, empty without one.
func (j *join) restore(st joinState, socket string, read func(lineRef) (text []byte, device string, err error)) {
	load := func(r waitRef) *waiting {
		w := &waiting{id: r.ID, at: r.At, ref: r.lineRef, era: r.Era, lines: 1, socket: socket != "" && r.Stream == socket, replaces: r.Replaces}
		if r.Alt != nil {
			text, _, err := read(*r.Alt)
			if e := (&entry{}); err == nil && e.decode(text) == nil && string(e.req.id) == r.ID {
				w.alt = &answered{e, text, e.raw(), e.at, *r.Alt}
				w.lines++
			}
		}
		text, device, err := read(r.lineRef)
		e := &entry{}
		if err != nil || e.decode(text) != nil || string(e.req.id) != r.ID {
			return w
		}
		w.e, w.text, w.raw, w.device, w.guessed = e, text, e.raw(), device, e.at.IsZero()
		return w
	}
	for _, r := range st.Wait {
		w := load(r)
		j.enqueue(w)
	}
	for _, r := range st.Late {
		j.late[r.ID] = load(r)
		j.lateQ = append(j.lateQ, r.ID)
	}
	for _, s := range st.Seen {
		j.seen[s.ID] = &s
		j.seenQ = append(j.seenQ, &s)
	}
}
