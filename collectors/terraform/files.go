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
	maxFile   = 64 << 20 // bytes of one file
	maxLine   = 1 << 20  // bytes of one line of an apply's output
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
	missing []string
	cut     string // why not all was read, in words that quote nothing
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
	l := &fileLook{FileCollector: c, ctx: ctx, sink: s, cur: cur, started: c.env.Clock().UTC()}
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
		if l.started.Sub(r.newest()) < settledIn {
			// It may still be written; it is no hole, since it is read once it is not.
			continue
		}
		if err := l.tell(r); err != nil {
			if err := l.miss(err, r.path); err != nil {
				return err
			}
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
	seen := []evidence.Seen{{Kinds: c.Kinds(), Class: evidence.Instants, From: l.started, To: l.started}}
	if l.cut != "" {
		from := l.cur.Looked
		if from.IsZero() {
			from = l.started
		}
		seen = []evidence.Seen{{Kinds: c.Kinds(), Class: evidence.Blind, From: from, To: l.started, Cause: l.cut}}
	}
	l.cur.Looked = l.started
	return l.commit(window, seen)
}

func (l *fileLook) commit(window evidence.Period, seen []evidence.Seen) error {
	b, err := json.Marshal(l.cur)
	if err != nil {
		panic("terraform: cursor does not encode: " + err.Error()) // strings and checked times only
	}
	o := evidence.Observation{At: l.env.Clock().UTC(), Window: window, Seen: seen, Total: -1}
	if seen != nil {
		o.Incomplete = strings.Join(l.missing, "; ")
	}
	l.pending = 0
	return collectors.Ending(l.sink.Commit(l.ctx, b, o))
}

// miss remembers a run that could not be read: it costs no other. What the
// decoder says may quote the file and is not told.
func (l *fileLook) miss(err error, run string) error {
	if forge.Ends(l.ctx, err) {
		return err
	}
	l.cut = "a run that was left could not be read"
	if len(l.missing) < maxMissing {
		l.missing = append(l.missing, fmt.Sprintf("%s: %v", run, err))
	}
	return nil
}

// list finds the folders of runs: those that hold one of the files.
func (l *fileLook) list() ([]*left, error) {
	byPath := map[string]*left{}
	err := fs.WalkDir(l.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if err != nil {
			if p == "." {
				return err
			}
			if err := l.miss(errors.New("it may not be read"), p); err != nil {
				return err
			}
			return fs.SkipDir
		}
		if d.IsDir() {
			if strings.Count(p, "/") > maxDepth {
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
			return nil // it names no workspace
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
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, errors.New(name + " cannot be read")
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return b, nil
}

// tell records what was left of a run.
func (l *fileLook) tell(r *left) error {
	bodies, sum := map[string][]byte{}, sha256.New()
	for _, name := range []string{planFile, applyFile, stateFile, runFile} {
		b, err := l.read(r, name)
		if err != nil {
			return err
		}
		if bodies[name] = b; name != stateFile {
			sum.Write(b)
		}
	}
	f := &evidence.InfraRunFacts{Workspace: text(r.workspace()), ID: text(path.Base(r.path)), Claimed: true, Source: "files", Creator: -1, Confirmer: -1, Native: "planned"}
	var raw bytes.Buffer
	if err := readPlan(bodies[planFile], f, &raw); err != nil {
		return err
	}
	if err := readApply(bodies[applyFile], f, &raw); err != nil {
		return err
	}
	if err := readOwn(bodies[runFile], f); err != nil {
		return err
	}
	f.Status = standing(f)
	var state *evidence.InfraStateFacts
	if b := bodies[stateFile]; b != nil && l.cfg.States {
		state = &evidence.InfraStateFacts{Workspace: f.Workspace, ID: text(r.path), Creator: -1, Run: f.ID, Commit: f.Commit}
		if err := readStateFile(b, state); err != nil {
			return err
		}
	}
	if bodies[planFile] != nil || bodies[applyFile] != nil {
		d := l.draft(evidence.InfraRun, l.runRef(r), r, firstTime(f.PlannedAt, f.ApplyingAt, f.EndedAt), f, hex.EncodeToString(sum.Sum(nil)))
		d.Links = slices.Concat(d.Links, forge.CommitLinks(8, f.Commit))
		d.Raw, d.Removed = raw.Bytes(), []string{agent, "/*"}
		if err := l.emit(d); err != nil {
			return err
		}
	}
	if state == nil {
		return nil
	}
	all := sha256.Sum256(bodies[stateFile])
	d := l.draft(evidence.InfraState, evidence.NewRef("tfstate", l.authority, r.path), r, firstTime(f.EndedAt, f.ApplyingAt, r.files[stateFile]), state, hex.EncodeToString(all[:]))
	for len(d.Content) > evidence.MaxContent {
		state.ResourcesCut += cut(&state.Resources, len(state.Resources)/2)
		d.Content = forge.Encode(state)
	}
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
		Scope:   []evidence.Ref{evidence.NewRef("project", l.authority, ws), evidence.NewRef("path", l.authority, ws)},
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
	if len(l.missing) > 0 {
		right.Access, right.Hint = collectors.Missing, "let the daemon read every folder below directory"
	}
	return collectors.Examination{Rights: []collectors.Right{right}}, nil
}
