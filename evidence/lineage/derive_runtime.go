package lineage

import (
	"slices"
	"strings"

	"evidenced/evidence"
)

// workload joins what is declared in a cluster with the application that
// tracks it (by a note on the object that its writers may change), its owner,
// its images, the account it runs as and the secrets it is given.
func (r *reading) workload() {
	self := thing(r.rec.Subject)
	r.tracked(self)
	for at, o := range r.links("workload") {
		r.add(thing(o), self, StepMade, BySource, r.field(at, []string{o.UID, last(o.Name, "/")}, "owner.uid", "owner.name"))
	}
	r.images(self)
	r.runsWith(self)
}

func (r *reading) tracked(self end) {
	for at, a := range r.links("app") {
		r.add(thing(a), self, StepMade, ByClaim, r.field(at, []string{a.Name, last(a.Name, "/")}, "app"))
	}
}

func (r *reading) images(self end) {
	for at, i := range r.links("image") {
		r.add(thing(i), self, StepRunBy, BySource, r.imageField(r.field(at, []string{i.Name}, "containers"), i, "containers"))
	}
	for at, t := range r.links("imagetag") {
		r.add(thing(t), self, StepRunBy, ByName, r.imageField(at, t, "containers"))
	}
}

func (r *reading) runsWith(self end) {
	for at, c := range r.links("copy") {
		r.add(self, thing(c), StepGiven, BySource, r.field(at, []string{last(c.Name, "/")}, "secrets"))
	}
	for at, a := range r.links("account") {
		r.add(self, thing(a), StepAs, BySource, r.field(at, []string{last(a.Name, "/"), a.Name}, "service_account"))
	}
}

// pod joins a pod with the digests it really runs, its owner, its node and
// what it is given.
func (r *reading) pod() {
	self := thing(r.rec.Subject)
	r.tracked(self)
	for at, o := range r.links("workload") {
		r.add(thing(o), self, StepMade, BySource, r.field(at, []string{o.UID, last(o.Name, "/")}, "owner.uid", "owner.name", "workload"))
	}
	r.images(self)
	for at, n := range r.links("node") {
		r.add(self, thing(n), StepOn, BySource, r.field(at, []string{n.Name}, "node"))
	}
	r.runsWith(self)
}

// secretSync joins the Kubernetes Secret that an operator fills with the
// secrets it is filled from, and the store they are fetched through. The store
// is an end: who else fetches through it is another chain.
func (r *reading) secretSync() {
	self := thing(r.rec.Subject)
	for at, c := range r.links("copy") {
		r.add(thing(c), self, StepFilled, BySource, r.field(at, []string{last(c.Name, "/")}, "target"))
	}
	for at, s := range r.links("secret") {
		r.add(self, thing(s), StepFetches, BySource, r.remoteField(at, s))
	}
	for at, s := range r.objects(Store) {
		r.add(self, thing(s), StepThrough, BySource, r.field(at, []string{last(s.Name, "/")}, "store_name"))
	}
}

// remoteField finds the remote key that a secret's path ends in.
func (r *reading) remoteField(place string, s evidence.Ref) string {
	parts := strings.Split(s.Name, "/")
	for i := range parts {
		if p := r.field("", []string{strings.Join(parts[i:], "/")}, "remote"); p != "" {
			return p
		}
	}
	return place
}

func (r *reading) secretStore() {
	for at, role := range r.links("role") {
		r.add(thing(r.rec.Subject), thing(role), StepThrough, BySource, r.field(at, []string{last(role.Name, "/")}, "role"))
	}
}

// access joins an audited request with the secret it asked for and the account
// it came from.
func (r *reading) access() {
	var f evidence.AccessFacts
	if r.rec.Decode(&f) != nil {
		return
	}
	self := about(r.rec)
	step := StepTouched
	switch {
	case f.Outcome == "denied":
		step = StepDenied
	case f.Reading && f.Outcome == "ok":
		step = StepRead
	}
	for at, s := range r.refs("secret") {
		r.add(thing(s), self, step, BySource, r.field(at, []string{s.Name}, "secret", "path"))
	}
	for at, a := range r.refs("account") {
		r.add(thing(a), self, step, BySource, r.field(at, []string{last(a.Name, "/")}, "sa_name"))
	}
}

// auditLine joins a line of a platform's audit log with what it touched. Whose
// act it was joins only where it touched a secret or went into a pod: an
// account asks its cluster for other things all day.
func (r *reading) auditLine() {
	var f evidence.AuditFacts
	if r.rec.Decode(&f) != nil {
		return
	}
	self := about(r.rec)
	step := StepTouched
	switch {
	case f.Outcome == "denied":
		step = StepDenied
	case f.Resource == "secrets" && f.Outcome == "ok" && slices.Contains([]string{"get", "list", "watch"}, f.Action):
		step = StepRead
	}
	for at, c := range r.refs("copy", "pod", "object") {
		r.add(thing(c), self, step, BySource, r.field(at, []string{c.UID, last(c.Name, "/")}, "uid", "name"))
	}
	for at, c := range r.refs("commit") {
		if slices.Contains(f.Changed, "to "+c.Name) { // a branch moved to it
			r.add(thing(c), self, StepPushed, BySource, r.field(at, []string{"to " + c.Name}, "changed")).after = r.rec.Occurred
		}
	}
	inside := slices.Contains([]string{"exec", "attach", "portforward", "ephemeralcontainers"}, f.Subresource)
	if f.Resource != "secrets" && !inside {
		return
	}
	for at, a := range r.refs("account") {
		r.add(thing(a), self, step, BySource, r.field(at, []string{a.Name}, "account"))
	}
}

// certificate joins a certificate that is asked to exist with the Secret that
// holds it, its requests, its issuer and the names it serves.
func (r *reading) certificate() {
	self := thing(r.rec.Subject)
	for at, c := range r.links("copy") {
		r.add(thing(c), self, StepFilled, BySource, r.field(at, []string{last(c.Name, "/")}, "secret"))
	}
	for at, q := range r.objects(CertRequest) {
		r.add(self, thing(q), StepAsked, BySource, at)
	}
	for at, i := range r.objects(Issuer) {
		r.add(self, thing(i), StepIssued, BySource, r.field(at, []string{last(i.Name, "/")}, "issuer_name"))
	}
	for at, h := range r.links("host") {
		r.add(self, thing(h), StepServes, ByName, r.field(at, []string{h.Name}, "names"))
	}
}

func (r *reading) certRequest() {
	self := thing(r.rec.Subject)
	for at, c := range r.objects(Certificate) {
		r.add(thing(c), self, StepAsked, BySource, r.field(at, []string{last(c.Name, "/")}, "certificate")).after = r.rec.Occurred
	}
	for at, i := range r.objects(Issuer) {
		r.add(self, thing(i), StepIssued, BySource, r.field(at, []string{last(i.Name, "/")}, "issuer_name")).after = r.rec.Occurred
	}
}

// probe joins a host with the certificate that was shown there.
func (r *reading) probe() {
	self := thing(r.rec.Subject)
	for at, h := range r.links("host") {
		r.add(thing(h), self, StepShown, BySource, r.field(at, []string{h.Name}, "sni"))
	}
}

func (r *reading) schedule() {
	self := thing(r.rec.Subject)
	r.covers(self)
	for at, l := range r.objects(Location) {
		r.add(self, thing(l), StepKept, BySource, r.field(at, []string{last(l.Name, "/")}, "location"))
	}
}

func (r *reading) covers(self end) {
	for at, n := range r.links("namespace") {
		r.add(thing(n), self, StepHolds, BySource, r.field(at, []string{n.Name}, "scope.namespaces"))
	}
}

func (r *reading) backup() {
	self := thing(r.rec.Subject)
	r.covers(self)
	for at, s := range r.objects(Schedule) {
		r.add(thing(s), self, StepBackedUp, BySource, r.field(at, []string{last(s.Name, "/")}, "schedule")).after = r.rec.Occurred
	}
	for at, l := range r.objects(Location) {
		r.add(self, thing(l), StepKept, BySource, r.field(at, []string{last(l.Name, "/")}, "location")).after = r.rec.Occurred
	}
}

// restore joins a restore with the backup it came from. One that names only a
// schedule took the newest backup of it, which the record does not say.
func (r *reading) restore() {
	self := thing(r.rec.Subject)
	for at, b := range r.objects(Backup, Schedule) {
		r.add(thing(b), self, StepRestored, BySource, r.field(at, []string{last(b.Name, "/")}, "backup", "schedule")).after = r.rec.Occurred
	}
}

func (r *reading) restoreTest() {
	for at, s := range r.refs("object") {
		if StageOf(s) == Restore {
			r.add(thing(s), about(r.rec), StepTested, BySource, r.field(at, []string{s.UID, last(s.Name, "/"), strings.TrimPrefix(s.Name, "Restore.velero.io/")}, "restore", "uid")).after = r.rec.Occurred
		}
	}
	for at, w := range r.objects(Workflow) {
		r.add(about(r.rec), thing(w), StepChecked, BySource, r.field(at, []string{w.UID}, "checks")).after = r.rec.Occurred
	}
}

// workflow joins a run of a workflow with the images that it surely ran, the
// account it ran as and the schedule that made it: which that was is the cluster's
// word where it owns the run, else a label that anybody may write.
func (r *reading) workflow() {
	self := thing(r.rec.Subject)
	for at, i := range r.links("image") {
		r.add(thing(i), self, StepRunBy, BySource, r.field(at, []string{i.Name}, "images")).after = r.rec.Occurred
	}
	for at, a := range r.links("account") {
		r.add(self, thing(a), StepAs, BySource, r.field(at, []string{last(a.Name, "/")}, "account")).after = r.rec.Occurred
	}
	for at, c := range r.objects(Planned) {
		proof := ByClaim
		if c.UID != "" {
			proof = BySource
		}
		r.add(thing(c), self, StepMade, proof, r.field(at, []string{last(c.Name, "/")}, "schedule")).after = r.rec.Occurred
	}
}
