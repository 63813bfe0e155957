package mappings

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// fleet is what was seen running in a period: every image of every workload
// with the stretches in which some container ran it. Pods come and go by the
// ten thousand and run the same few images, so pods themselves are not kept:
// only those that are alive while the records are read.
type fleet struct {
	uses []*use // in order of first run, then of record
}

// useKey tells uses apart. A workload keeps its name when it or its namespace
// is made anew, and so it stays one.
type useKey struct {
	cluster, namespace, workload, container string
	image, digest                           string
	init                                    bool
}

// use is one image in one container of one workload.
type use struct {
	useKey
	source  evidence.SourceID
	of      string            // what the digest is of: manifest, unknown
	from    string            // registry host and repository, as the runtime says it pulled
	app     string            // application that tracks the workload; "" when none is known
	runs    []evidence.Period // in order, none touching the next
	started time.Time         // when the container that began last did
	first   uint64            // record of the first pod
	last    uint64            // record of the newest pod
	atEnd   bool              // some container ran it when pods were last looked at

	// While pods are read.
	tidy     int // runs when they were last joined
	earliest time.Time
}

// begin is the earliest time a container was seen to have run the image.
func (u *use) begin() time.Time { return u.runs[0].From }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// fleet returns what ran in the scene's period, building it at first use.
func (s *scene) fleet(ctx context.Context) (*fleet, error) {
	return s.delivery.fleet.get(s, func() (*fleet, error) { return s.newFleet(ctx) })
}

func (s *scene) newFleet(ctx context.Context) (*fleet, error) {
	l := &fleetLoader{
		period: s.period, uses: map[useKey]*use{},
		live: map[podKey]livePod{}, apps: map[workloadKey]string{}, seenUntil: func(id evidence.SourceID) time.Time {
			return firstTime(s.cover.lastLook(id, evidence.RuntimePod, s.period.To), s.period.To)
		},
	}
	if err := l.workloads(ctx, s.reader); err != nil {
		return nil, fmt.Errorf("workloads: %w", err)
	}
	if err := l.pods(ctx, s.reader); err != nil {
		return nil, fmt.Errorf("pods: %w", err)
	}
	if s.book.hasRead() {
		s.moves() // what runs at the end runs on
	}
	return l.finish(), nil
}

type podKey struct {
	source evidence.SourceID
	pod    evidence.Ref
}

type workloadKey struct{ cluster, namespace, workload string }

// livePod is a pod whose newest state is in force.
type livePod struct {
	seq  uint64
	open []openRun
}

// openRun is a container that runs until the state of its pod changes.
type openRun struct {
	key  useKey
	from time.Time
}

type fleetLoader struct {
	period evidence.Period
	uses   map[useKey]*use
	live   map[podKey]livePod
	apps   map[workloadKey]string
	// seenUntil says when the pods of a source were last looked at: what was
	// there then is not known to have run on.
	seenUntil func(evidence.SourceID) time.Time
}

// workloads reads which application tracks which workload. The newest word in
// the period counts.
func (l *fleetLoader) workloads(ctx context.Context, r evidence.Reader) error {
	return eachState(ctx, r, l.period, evidence.RuntimeWorkload, func(rec *evidence.Record) error {
		if rec.Op != evidence.OpSet {
			return nil
		}
		var f struct {
			Cluster   string `json:"cluster"`
			Kind      string `json:"kind"`
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
			App       string `json:"app"`
		}
		if err := rec.Decode(&f); err != nil {
			return err
		}
		if f.App != "" {
			l.apps[workloadKey{f.Cluster, f.Namespace, workloadName(f.Kind + "/" + f.Name)}] = f.App
		}
		return nil
	})
}

// eachState calls f with the states of a kind in force when the period begins,
// then with every record of the kind in the period. A state that begins with
// the period comes once.
func eachState(ctx context.Context, r evidence.Reader, p evidence.Period, kind evidence.Kind, f func(*evidence.Record) error) error {
	begun := map[uint64]bool{} // states that begin at the very instant
	for rec, err := range r.States(ctx, kind, p.From) {
		if err != nil {
			return err
		}
		if rec.Occurred.Equal(p.From) {
			begun[rec.Seq] = true
		}
		if err := f(&rec); err != nil {
			return err
		}
	}
	for rec, err := range r.Records(ctx, evidence.Query{Kinds: []evidence.Kind{kind}, Period: p}) {
		if err != nil {
			return err
		}
		if begun[rec.Seq] {
			continue
		}
		if err := f(&rec); err != nil {
			return err
		}
	}
	return nil
}

func (l *fleetLoader) pods(ctx context.Context, r evidence.Reader) error {
	return eachState(ctx, r, l.period, evidence.RuntimePod, l.pod)
}

// pod takes one record of a pod.
func (l *fleetLoader) pod(r *evidence.Record) error {
	k := podKey{r.Source, r.Subject}
	if r.Op != evidence.OpSet {
		// It ran at least until the last look that showed it.
		l.close(k, firstTime(r.NotBefore, r.Occurred))
		return nil
	}
	l.close(k, r.Occurred)
	var f evidence.PodFacts
	if err := r.Decode(&f); err != nil {
		return err
	}
	pod := livePod{seq: r.Seq}
	for i := range f.Containers {
		c := &f.Containers[i]
		key := useKey{f.Cluster, f.Namespace, podWorkload(&f), c.Name, c.Image, c.Digest, c.Init}
		ran, runs := containerRun(c, r.Occurred, later(r.Occurred, l.period.From))
		if !runs {
			continue
		}
		if ran.To.IsZero() {
			pod.open = append(pod.open, openRun{key, ran.From})
			ran.To = later(ran.From, later(r.Occurred, l.period.From)) // at least
		}
		l.add(r, &f, c, key, ran)
	}
	if len(pod.open) > 0 {
		l.live[k] = pod
	}
	return nil
}

// containerRun says when a container ran as far as its pod's record tells; an
// end of zero means that it still ran. The record is of the time seen, and in
// force at now. A container in a state that this program does not know of
// counts as running when the node names what runs.
func containerRun(c *evidence.ContainerFacts, seen, now time.Time) (evidence.Period, bool) {
	begin := firstTime(c.StartedAt, seen)
	switch {
	case c.State == "terminated":
		begin = firstTime(c.StartedAt, c.EndedAt, seen)
		return evidence.Period{From: begin, To: later(begin, firstTime(c.EndedAt, begin))}, true
	case c.State == "waiting" && c.Digest == "":
		return evidence.Period{}, false // never started
	case c.State == "waiting":
		return evidence.Period{From: now.UTC(), To: now.UTC()}, true // it ran before, and is about to again
	case c.State == "running", c.Digest != "":
		return evidence.Period{From: begin}, true
	}
	return evidence.Period{}, false
}

// close ends the containers that ran in the pod's state before.
func (l *fleetLoader) close(k podKey, at time.Time) {
	pod, ok := l.live[k]
	if !ok {
		return
	}
	delete(l.live, k)
	for _, o := range pod.open {
		l.extend(o.key, evidence.Period{From: o.from, To: later(o.from, at)}, pod.seq)
	}
}

func (l *fleetLoader) add(r *evidence.Record, f *evidence.PodFacts, c *evidence.ContainerFacts, key useKey, ran evidence.Period) {
	if ran.To.Before(l.period.From) || !ran.From.Before(l.period.To) {
		return // a finished job that is still listed
	}
	u := l.uses[key]
	if u == nil {
		u = &use{useKey: key, source: r.Source, of: c.DigestOf, from: pulledFrom(c), first: r.Seq, app: f.App}
		l.uses[key] = u
	}
	if u.app == "" {
		u.app = l.apps[workloadKey{key.cluster, key.namespace, key.workload}]
	}
	l.extend(key, ran, r.Seq)
}

func (l *fleetLoader) extend(key useKey, ran evidence.Period, seq uint64) {
	u := l.uses[key]
	if u == nil {
		return
	}
	if u.earliest.IsZero() || ran.From.Before(u.earliest) {
		u.first, u.earliest = seq, ran.From
	}
	u.last, u.started = max(u.last, seq), later(u.started, ran.From)
	// Mostly a pod goes on where another one was. Those that do not are joined
	// once there are many.
	if n := len(u.runs) - 1; n >= 0 && !ran.From.After(u.runs[n].To) && !ran.From.Before(u.runs[n].From) {
		u.runs[n].To = later(u.runs[n].To, ran.To)
		return
	}
	if u.runs = append(u.runs, ran); len(u.runs) > 2*u.tidy+64 {
		u.runs = joined(u.runs)
		u.tidy = len(u.runs)
	}
}

// joined sorts periods and joins those that touch.
func joined(ps []evidence.Period) []evidence.Period {
	slices.SortFunc(ps, func(a, b evidence.Period) int { return a.From.Compare(b.From) })
	out := ps[:1]
	for _, p := range ps[1:] {
		if top := &out[len(out)-1]; !p.From.After(top.To) {
			top.To = later(top.To, p.To)
			continue
		}
		out = append(out, p)
	}
	return out
}

func (l *fleetLoader) finish() *fleet {
	for k, pod := range l.live {
		for _, o := range pod.open {
			if u := l.uses[o.key]; u != nil {
				u.atEnd = true
			}
		}
		l.close(k, l.seenUntil(k.source))
	}
	f := &fleet{}
	for _, u := range l.uses {
		u.runs = joined(u.runs)
		for i := range u.runs {
			u.runs[i].To = earlier(u.runs[i].To, l.period.To)
		}
		f.uses = append(f.uses, u)
	}
	slices.SortFunc(f.uses, func(a, b *use) int {
		if c := a.begin().Compare(b.begin()); c != 0 {
			return c
		}
		if a.first != b.first {
			if a.first < b.first {
				return -1
			}
			return 1
		}
		return strings.Compare(a.container+"\x00"+a.image, b.container+"\x00"+b.image)
	})
	return f
}

// podWorkload names what a pod belongs to: the top of its owners where that is
// known, else itself.
func podWorkload(f *evidence.PodFacts) string {
	switch {
	case f.Workload != "":
		return workloadName(f.Workload)
	case f.Owner != nil:
		return workloadName(f.Owner.Kind + "/" + f.Owner.Name)
	}
	return "Pod/" + f.Name
}

// jobRun is how a CronJob names its jobs: its own name and the minute they were
// due, counted from 1970
// (https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/).
var jobRun = regexp.MustCompile(`^(Job/.+)-[0-9]{8,10}$`)

// workloadName gives Kind/name; the jobs of one CronJob are one workload.
func workloadName(s string) string {
	if m := jobRun.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return s
}

// pulledFrom gives host and repository of the image as the runtime says it
// pulled it, else as the pod asked for it.
func pulledFrom(c *evidence.ContainerFacts) string {
	s := c.ImageID
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	if name, _, ok := strings.Cut(s, "@"); ok && name != "" {
		return repositoryOf(name)
	}
	return repositoryOf(c.Image)
}

// repositoryOf gives host and repository of an image reference without tag and
// digest. A name without a host is Docker Hub's, and one without a path of its
// library.
func repositoryOf(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	host, _, slash := strings.Cut(name, "/")
	switch {
	case name == "":
		return ""
	case !slash:
		return "docker.io/library/" + name
	case !strings.ContainsAny(host, ".:") && host != "localhost":
		return "docker.io/" + name
	}
	return strings.Replace(name, "index.docker.io/", "docker.io/", 1)
}

// tagOf gives the tag an image reference names: latest where it names neither
// tag nor digest, "" where it names a digest alone.
func tagOf(image string) string {
	name, _, pinned := strings.Cut(image, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[i+1:]
	}
	if pinned {
		return ""
	}
	return "latest"
}

// pinnedTo gives the digest an image reference names, "" where it names none.
func pinnedTo(image string) string {
	_, digest, _ := strings.Cut(image, "@")
	return digest
}
