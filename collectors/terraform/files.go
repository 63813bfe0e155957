package terraform

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// FileCollector reads what pipelines leave in a directory: for each run a folder,
// below folders that name its workspace.
type FileCollector struct {
	cfg       Config
	env       collectors.Env
	authority string
}

// The files that a run's folder may hold. Others are not looked at.
const (
	planFile  = "plan.json"    // terraform show -json of a saved plan
	applyFile = "apply.ndjson" // output of terraform apply -json
	stateFile = "state.json"   // a state as its backend keeps it, or terraform show -json
	runFile   = "run.json"     // what the pipeline says of itself
)

// Limits on what is read.
const (
	maxFile   = 64 << 20 // bytes of one file, and of one value of a plan
	maxPlan   = 2 << 30  // bytes of a plan, which is not held in memory
	maxRuns   = 20000    // folders of runs in one look
	maxDepth  = 8        // folders that name a workspace
	settledIn = time.Minute
)

func newFiles(cfg Config, env collectors.Env) *FileCollector {
	return &FileCollector{cfg: cfg, env: env, authority: env.Source.Authority()}
}

// Kinds implements collectors.Collector.
func (c *FileCollector) Kinds() []evidence.Kind {
	if !c.cfg.States {
		return []evidence.Kind{evidence.InfraRun}
	}
	return []evidence.Kind{evidence.InfraRun, evidence.InfraState}
}

// fileCursor is what a look at a directory leaves to the next.
type fileCursor struct {
	V int `json:"v"`
	// Left are the folders that were told, with what then lay in them.
	Left   map[string]string `json:"left,omitempty"`
	Looked time.Time         `json:"looked,omitzero"`
}

func readFileCursor(b []byte) (*fileCursor, error) {
	c := &fileCursor{V: cursorVersion}
	if b != nil {
		if err := forge.ReadPosition(b, c); err != nil {
			return nil, err
		}
		if err := forge.CheckVersion(c.V, cursorVersion); err != nil {
			return nil, err
		}
	}
	if c.Left == nil {
		c.Left = map[string]string{}
	}
	return c, nil
}

// left is one run's folder as this look found it.
type left struct {
	path  string               // of the folder: workspace / run
	files map[string]time.Time // by name, when written last
	stamp string
}

func (l *left) workspace() string { return path.Dir(l.path) }

// newest is when something in the folder was written last.
func (l *left) newest() (t time.Time) {
	for _, at := range l.files {
		if at.After(t) {
			t = at
		}
	}
	return t
}

// fileLook is one Poll.
type fileLook struct {
	*FileCollector
	ctx     context.Context
	root    *os.Root
	sink    collectors.Sink
	cur     *fileCursor
	started time.Time
	missed  forge.Missed
	blind   map[string]bool // workspaces of which a run could not be read
	cut     string          // why not all was read of no known workspace, in words that quote nothing
	notes   []string
	pending int
}

// Poll implements collectors.Collector.
func (c *FileCollector) Poll(ctx context.Context, window evidence.Period, resume []byte, s collectors.Sink) error {
	cur, err := readFileCursor(resume)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l := &fileLook{FileCollector: c, ctx: ctx, sink: s, cur: cur, started: c.env.Clock().UTC(), blind: map[string]bool{}}
	if l.root, err = os.OpenRoot(c.cfg.Directory); err != nil {
		return problem.Wrap(problem.Source, err, "open the directory that pipelines leave runs in").WithHint("check directory, and that the daemon may read it")
	}
	defer l.root.Close()
	found, err := l.list()
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, r := range found {
		there[r.path] = true
		if l.cur.Left[r.path] == r.stamp {
			continue
		}
		if l.started.Sub(r.newest()).Abs() < settledIn {
			// It may still be written; it is no hole, since it is read once it is not.
			continue
		}
		if err := l.tell(r); err != nil {
			if err := l.miss(err, r.path); err != nil {
				return err
			}
			l.blind[r.workspace()] = true
			continue
		}
		l.cur.Left[r.path] = r.stamp
		if l.pending >= maxPending {
			if err := l.commit(window, nil); err != nil {
				return err
			}
		}
	}
	for p := range l.cur.Left {
		if !there[p] {
			delete(l.cur.Left, p) // the pipeline, or somebody, cleared it away
		}
	}
	seen := l.claims()
	l.cur.Looked = l.started
	return l.commit(window, seen)
}

// claims says what was seen: all but the workspaces of which a run could not be
// read.
func (l *fileLook) claims() []evidence.Seen {
	kinds, from := l.Kinds(), l.cur.Looked
	if from.IsZero() {
		from = l.started
	}
	if l.cut != "" {
		return []evidence.Seen{{Kinds: kinds, Class: evidence.Blind, From: from, To: l.started, Cause: l.cut}}
	}
	seen := []evidence.Seen{{Kinds: kinds, Class: evidence.Instants, From: l.started, To: l.started}}
	for _, ws := range forge.Sorted(l.blind) {
		seen = append(seen, evidence.Seen{Kinds: kinds, Scope: l.project(ws), Class: evidence.Blind, From: from, To: l.started, Cause: "a run that was left could not be read"})
	}
	return seen
}

// project is the scope of a workspace.
func (c *FileCollector) project(ws string) evidence.Ref {
	return evidence.NewRef("project", c.authority, ws)
}

func (l *fileLook) commit(window evidence.Period, seen []evidence.Seen) error {
	b, err := json.Marshal(l.cur)
	if err != nil {
		panic("terraform: cursor does not encode: " + err.Error()) // strings and checked times only
	}
	o := evidence.Observation{At: l.env.Clock().UTC(), Window: window, Seen: seen, Total: -1}
	if seen != nil {
		o.Incomplete, o.Notes = l.missed.String(), l.notes
	}
	l.pending = 0
	return collectors.Ending(l.sink.Commit(l.ctx, b, o))
}

// miss remembers a run that could not be read: it costs no other. What the
// decoder says may quote the file and is not told.
func (l *fileLook) miss(err error, run string) error {
	return l.missed.Miss(l.ctx, err, "%s", text(run))
}

// list finds the folders of runs: those that hold one of the files.
func (l *fileLook) list() ([]*left, error) {
	byPath := map[string]*left{}
	nameless, deep := 0, 0
	err := fs.WalkDir(l.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if err != nil {
			if p == "." {
				return err
			}
			l.cut = "a folder may not be read"
			if err := l.miss(errors.New("it may not be read"), p); err != nil {
				return err
			}
			return fs.SkipDir
		}
		if d.IsDir() {
			if strings.Count(p, "/") > maxDepth {
				deep++
				return fs.SkipDir
			}
			return nil
		}
		name := path.Base(p)
		if !d.Type().IsRegular() || !slices.Contains([]string{planFile, applyFile, stateFile, runFile}, name) {
			return nil
		}
		dir := path.Dir(p)
		if path.Dir(dir) == "." {
			nameless++
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil // gone meanwhile
		}
		r := byPath[dir]
		if r == nil {
			if len(byPath) >= maxRuns {
				return problem.New(problem.Source, "the directory holds more than %d runs", maxRuns).WithHint("have pipelines or a timer clear away what is older than a few looks")
			}
			r = &left{path: dir, files: map[string]time.Time{}}
			byPath[dir] = r
		}
		r.files[name] = info.ModTime().UTC()
		r.stamp += fmt.Sprintf("%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		return nil
	})
	if err != nil {
		return nil, err
	}
	if nameless > 0 {
		l.notes = append(l.notes, fmt.Sprintf("%d files of runs lie in no folder below one that names a workspace: they are not read", nameless))
	}
	if deep > 0 {
		l.notes = append(l.notes, fmt.Sprintf("%d folders lie deeper than %d that name a workspace: they are not looked into", deep, maxDepth))
	}
	var found []*left
	for _, r := range byPath {
		sum := sha256.Sum256([]byte(r.stamp))
		r.stamp = hex.EncodeToString(sum[:8])
		found = append(found, r)
	}
	slices.SortFunc(found, func(a, b *left) int { return cmp.Compare(a.path, b.path) })
	return found, nil
}

// read reads one file of a run; nil where it is not there.
func (l *fileLook) read(r *left, name string) ([]byte, error) {
	if _, ok := r.files[name]; !ok {
		return nil, nil
	}
	f, err := l.root.Open(path.Join(r.path, name))
	if err != nil {
		return nil, errors.New(name + " cannot be opened")
	}
	defer f.Close()
	var b []byte
	info, err := f.Stat()
	if err == nil && info.Size() <= maxFile {
		b, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	}
	if err != nil {
		return nil, errors.New(name + " cannot be read")
	}
	if info.Size() > maxFile || len(b) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return b, nil
}

// plan reads the plan of a run as it stands in its file, which may be large.
func (l *fileLook) plan(r *left, f *evidence.InfraRunFacts, raw *bytes.Buffer, sum io.Writer) error {
	if _, ok := r.files[planFile]; !ok {
		return nil
	}
	file, err := l.root.Open(path.Join(r.path, planFile))
	if err != nil {
		return errors.New(planFile + " cannot be opened")
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > maxPlan {
		return errLarge{planFile, maxPlan}
	}
	return readPlan(&bounded{ctx: l.ctx, r: io.TeeReader(file, sum), max: maxPlan, most: maxFile}, f, raw)
}

// runTold marks in the cursor that of a folder the run was told and the state was
// not.
const runTold = "/run"

// tell records what was left of a run. A state that cannot be read costs nothing
// of the run.
func (l *fileLook) tell(r *left) error {
	f := &evidence.InfraRunFacts{Workspace: text(r.workspace()), ID: text(path.Base(r.path)), Claimed: true, Source: "files", Creator: -1, Confirmer: -1, Native: "planned"}
	var raw bytes.Buffer
	sum := sha256.New()
	if err := l.plan(r, f, &raw, sum); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		take func([]byte) error
	}{
		{applyFile, func(b []byte) error { return readApply(b, f, &raw) }},
		{runFile, func(b []byte) error { return readOwn(b, f) }},
	} {
		b, err := l.read(r, part.name)
		if err != nil {
			return err
		}
		sum.Write(b)
		if err := part.take(b); err != nil {
			return err
		}
	}
	f.Status = standing(f)
	if (f.Plan != nil || f.Began != nil) && l.cur.Left[r.path] != r.stamp+runTold {
		d := l.draft(evidence.InfraRun, l.runRef(r), r, firstTime(f.PlannedAt, f.ApplyingAt, f.EndedAt), f, hex.EncodeToString(sum.Sum(nil)))
		d.Links = slices.Concat(d.Links, forge.CommitLinks(8, f.Commit))
		d.Raw, d.Removed = raw.Bytes(), []string{agent, "/*"}
		if err := l.emit(d); err != nil {
			return err
		}
		l.cur.Left[r.path] = r.stamp + runTold
	}
	if !l.cfg.States {
		return nil
	}
	return l.tellState(r, f)
}

// tellState records the state that was left of a run.
func (l *fileLook) tellState(r *left, f *evidence.InfraRunFacts) error {
	b, err := l.read(r, stateFile)
	if b == nil {
		return err
	}
	state := &evidence.InfraStateFacts{Workspace: f.Workspace, ID: text(r.path), Creator: -1, Run: f.ID, Commit: f.Commit}
	if err := readStateFile(b, state); err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	d := l.draft(evidence.InfraState, evidence.NewRef("tfstate", l.authority, r.path), r, firstTime(f.EndedAt, f.ApplyingAt, r.files[stateFile]), state, hex.EncodeToString(sum[:]))
	fit(&d, state)
	d.Links = slices.Concat(d.Links, []evidence.Ref{l.runRef(r)}, forge.CommitLinks(8, f.Commit))
	return l.emit(d)
}

func (l *fileLook) runRef(r *left) evidence.Ref { return evidence.NewRef("tfrun", l.authority, r.path) }

func (l *fileLook) emit(d evidence.Draft) error {
	l.pending++
	return collectors.Ending(l.sink.Emit(l.ctx, d))
}

// farBack is how long before it was found a run may say that it happened. What
// says more is told as of when it was found: whoever leaves it chooses its times.
const farBack = 24 * time.Hour

// draft fills what drafts of files share. A time in them is somebody's claim.
func (l *fileLook) draft(kind evidence.Kind, subject evidence.Ref, r *left, at time.Time, facts any, sum string) evidence.Draft {
	ws := r.workspace()
	d := evidence.Draft{
		Kind: kind, Op: evidence.OpEvent, Source: l.env.Source, Key: clipKey(r.path), Subject: subject,
		OccurredAt: at.UTC(), Basis: evidence.BasisClaimed, NotBefore: l.cur.Looked, ObservedAt: l.env.Clock().UTC(),
		Scope:   []evidence.Ref{l.project(ws), evidence.NewRef("path", l.authority, ws)},
		Content: forge.Encode(facts), Request: evidence.Request{Response: sum, Agent: agent},
	}
	early := !l.cur.Looked.IsZero() && at.Before(l.cur.Looked.Add(-farBack))
	if at.IsZero() || at.After(l.started) || early {
		d.OccurredAt, d.Basis = l.started, evidence.BasisObserved
	}
	return d
}

// clipKey makes a key of a path: one that is too long stands as its beginning and
// a hash.
func clipKey(p string) string {
	if len(p) <= evidence.MaxKey {
		return p
	}
	return strings.ToValidUTF8(p[:256], "") + "/" + forge.HashID(p)
}

func firstTime(ts ...time.Time) time.Time {
	for _, t := range ts {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// standing says in our words how a run stands, as far as its files tell.
func standing(f *evidence.InfraRunFacts) string {
	switch {
	case f.Native == "errored":
		return "failed"
	case f.Began != nil && *f.Began && f.Apply != nil && f.Apply.Status == "finished":
		return "applied"
	case f.Began != nil && *f.Began:
		return "unknown" // its output breaks off
	}
	return "planned"
}

// Examine implements collectors.Examiner. It lists the directory and reads none
// of its files.
func (c *FileCollector) Examine(ctx context.Context) (collectors.Examination, error) {
	root, err := os.OpenRoot(c.cfg.Directory)
	if err != nil {
		return collectors.Examination{}, problem.Wrap(problem.Source, err, "open the directory that pipelines leave runs in").WithHint("check directory, and that the daemon may read it")
	}
	defer root.Close()
	l := &fileLook{FileCollector: c, ctx: ctx, root: root, cur: &fileCursor{}, started: c.env.Clock().UTC()}
	found, err := l.list()
	if err != nil {
		return collectors.Examination{}, err
	}
	right := collectors.Right{Name: fmt.Sprintf("%d runs in the directory", len(found)), Access: collectors.Readable, Kinds: c.Kinds()}
	if l.missed.N > 0 {
		right.Access, right.Hint = collectors.Missing, "let the daemon read every folder below directory"
	}
	return collectors.Examination{Rights: []collectors.Right{right}}, nil
}
