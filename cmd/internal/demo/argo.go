package demo

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"time"

	"evidenced/testdata/world"
)

const (
	reconcileEvery = 3 * time.Minute // Argo CD's default
	historyLimit   = 10              // and so is this
	clusterServer  = "https://kubernetes.default.svc"
	argoNamespace  = "argocd"
)

// argo is the state behind the Argo CD API.
type argo struct {
	w    *world.World
	git  *gitRepo
	apps []*argoApp
	by   map[string]*argoApp // tenant/app
	rv   int                 // grows with every write
	seen []string            // apps changed by the act being played
}

// argoApp is one application. What is compared moves on by itself with the
// clock (see verdict); the rest moves with acts.
type argoApp struct {
	tenant, app string
	multi       bool
	automated   bool
	selfHeal    bool
	uid         string
	offset      time.Duration // of its reconciliations
	created     time.Time
	livePrint   string // of what was put there last
	liveVersion string
	live        spec            // what was put there last
	drift       map[string]bool // kinds that differ from what was put there
	health      string
	healthAt    time.Time
	history     []argoHistory
	nextID      int64
	op          *argoOp
	changed     time.Time // by an act: reconciled then
	rv          int
	writes      int
}

// argoHistory is one entry of status.history.
type argoHistory struct {
	id        int64
	revision  string
	started   time.Time
	done      time.Time
	initiator string
}

// argoOp is the one operation slot.
type argoOp struct {
	revision  string
	phase     string
	message   string
	only      string
	initiator string
	started   time.Time
	finished  time.Time
}

func newArgo(w *world.World, g *gitRepo) *argo {
	a := &argo{w: w, git: g, by: map[string]*argoApp{}, rv: 4000}
	created := w.Begun().Add(6 * time.Hour)
	for _, t := range w.Everybody() {
		for i, app := range w.Apps {
			key := t.Name + "/" + app.Name
			h := fnv.New32a()
			_, _ = h.Write([]byte(key))
			p := &argoApp{
				tenant: t.Name, app: app.Name, multi: w.Multi.Tenant == t.Name && w.Multi.App == app.Name,
				automated: t.Automated, selfHeal: t.SelfHeal, uid: uuid("argo/" + key),
				offset:  time.Duration(h.Sum32()%uint32(reconcileEvery/time.Second)) * time.Second,
				created: created.Add(time.Duration(i) * time.Second), drift: map[string]bool{},
				health: "Missing", rv: a.rv,
			}
			p.healthAt, p.changed = p.created, p.created
			a.apps = append(a.apps, p)
			a.by[key] = p
		}
	}
	return a
}

// uuid makes the same id of the same name.
func uuid(name string) string {
	sum := sha256.Sum256([]byte("uuid/" + name))
	sum[6] = sum[6]&0x0f | 0x40
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", binary.BigEndian.Uint32(sum[0:]), binary.BigEndian.Uint16(sum[4:]),
		binary.BigEndian.Uint16(sum[6:]), binary.BigEndian.Uint16(sum[8:]), sum[10:16])
}

// name is the application's name in Argo CD.
func (p *argoApp) name() string { return p.tenant + "-" + p.app }

func (a *argo) find(act world.Act) (*argoApp, error) {
	p := a.by[act.Tenant+"/"+act.App]
	if p == nil {
		return nil, fmt.Errorf("no application %s of %s", act.App, act.Tenant)
	}
	return p, nil
}

// touch notes that an act changed p.
func (a *argo) touch(p *argoApp, at time.Time) {
	a.rv++
	p.rv, p.changed = a.rv, at
	p.writes++
	a.seen = append(a.seen, p.tenant+"/"+p.app)
}

// initiator is the name Argo CD shows for who started a sync: the mail claim
// of the single sign-on; empty for the controller.
func (a *argo) initiator(by string) string {
	if p, ok := a.w.Person(by); ok {
		return p.Email()
	}
	return ""
}

// sync begins an operation, which takes the slot of the one before.
func (a *argo) sync(act world.Act) error {
	p, err := a.find(act)
	if err != nil {
		return err
	}
	main, ok := a.git.mainAt(act.At)
	if !ok {
		return fmt.Errorf("sync of %s before the first commit", p.name())
	}
	p.op = &argoOp{revision: main.head.sha, phase: "Running", message: "waiting for completion", only: act.Only,
		initiator: a.initiator(act.By), started: act.At}
	a.touch(p, act.At)
	return nil
}

// syncDone ends it.
func (a *argo) syncDone(act world.Act) error {
	p, err := a.find(act)
	if err != nil {
		return err
	}
	op := p.op
	if op == nil || op.phase != "Running" {
		return fmt.Errorf("no operation of %s runs", p.name())
	}
	op.phase, op.finished, op.message = act.State, act.At, act.Message
	a.touch(p, act.At)
	if act.State != "Succeeded" {
		return nil
	}
	op.message = "successfully synced (all tasks run)"
	if op.only != "" { // a selective sync leaves no history
		delete(p.drift, op.only)
		return nil
	}
	main, _ := a.git.mainAt(op.started)
	p.livePrint = main.prints[p.tenant+"/"+p.app]
	p.live = main.head.snap.apps[p.tenant+"/"+p.app]
	p.liveVersion = p.live.version
	clear(p.drift)
	if p.health == "Missing" {
		p.health, p.healthAt = "Healthy", act.At
	}
	p.history = append(p.history, argoHistory{p.nextID, op.revision, op.started, act.At, op.initiator})
	p.nextID++
	if n := len(p.history); n > historyLimit {
		p.history = p.history[n-historyLimit:]
	}
	return nil
}

func (a *argo) driftAct(act world.Act) error {
	p, err := a.find(act)
	if err != nil {
		return err
	}
	p.drift[act.Object] = true
	a.touch(p, act.At)
	return nil
}

func (a *argo) healthAct(act world.Act) error {
	p, err := a.find(act)
	if err != nil {
		return err
	}
	p.health, p.healthAt = act.State, act.At
	a.touch(p, act.At)
	return nil
}

// verdict is what the controller last found when comparing.
type verdict struct {
	at       time.Time
	revision string
	synced   bool
	count    int // reconciliations since creation
}

// verdict of an application at a time: the controller compares every three
// minutes, and whenever an act changes the application.
func (a *argo) verdict(p *argoApp, now time.Time) verdict {
	n := now.Add(-p.offset).Sub(p.created) / reconcileEvery
	v := verdict{at: p.created.Add(p.offset + n*reconcileEvery), count: int(n)}
	if v.at.Before(p.changed) {
		v.at = p.changed
	}
	if main, ok := a.git.mainAt(v.at); ok {
		v.revision = main.head.sha
		v.synced = main.prints[p.tenant+"/"+p.app] == p.livePrint && len(p.drift) == 0
	}
	return v
}
