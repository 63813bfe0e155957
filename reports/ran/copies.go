package ran

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/reach"
	"evidenced/reports"
)

// Copy is a Kubernetes Secret that an operator fills from a secret store, or
// that pods take and nothing observed fills.
type Copy struct {
	Cluster   string       `json:"cluster"`
	Namespace string       `json:"namespace"`
	Name      string       `json:"name"`
	From      []string     `json:"from,omitempty"` // secrets it is a copy of
	Sync      string       `json:"sync,omitempty"` // what asks for it; empty: not seen
	Store     string       `json:"store,omitempty"`
	StoreSeen bool         `json:"store_observed"`    // this log holds the store, so it is known as whom the operator reads
	As        string       `json:"as,omitempty"`      // role at the secret store
	Account   string       `json:"account,omitempty"` // service account of the operator
	Made      bool         `json:"made_up,omitempty"` // part of it comes from a generator or a search
	Refreshed time.Time    `json:"refreshed,omitzero"`
	FilledAt  time.Time    `json:"filled_at,omitzero"` // newest read of its operator within the window
	Mounted   []Mount      `json:"mounted,omitempty"`
	Could     []CopyReader `json:"could_read"`
	Seqs      []uint64     `json:"records"`

	secrets []evidence.Ref
	ns      string // key of cluster and namespace
}

// Mount is a workload whose pods take the copy.
type Mount struct {
	Workload string `json:"workload"`
	Pods     int    `json:"pods"`
}

// CopyReader is one subject that could reach a copy, and on which roads.
type CopyReader struct {
	Who     string      `json:"who"`
	Sort    string      `json:"sort"` // person, everybody, group, account, unknown (left out of the record)
	Ways    []reach.Way `json:"ways"`
	Through []string    `json:"through"` // bindings and roles
	Seqs    []uint64    `json:"records"`
}

// copySorts orders the readers.
var copySorts = []string{"everybody", "person", "group", "account", "unknown"}

// copies tells the Kubernetes Secrets that hold the tenant's secrets, who
// could reach them, and who did.
func (b *builder) copies(ctx context.Context) error {
	s := &b.a.Secrets
	s.Copies, s.CopyDid, s.CopyDenied = []Copy{}, []Reads{}, []Reads{}
	s.CopySync, s.CopyCould = b.seenAt(evidence.SecretSync), b.seenAt(evidence.AccessRBAC)
	if err := b.synced(ctx); err != nil {
		return err
	}
	b.mounted()
	if err := b.reachable(ctx); err != nil {
		return err
	}
	slices.SortFunc(s.Copies, func(x, y Copy) int {
		return cmp.Or(strings.Compare(x.ns, y.ns), strings.Compare(x.Name, y.Name))
	})
	return b.didCopy(ctx)
}

// seenAt says whether the kind was observed at the instant.
func (b *builder) seenAt(kind evidence.Kind) Seen {
	if s := b.seenOf(kind); s != SeenNot {
		return s
	}
	return SeenYes
}

// synced reads which operator fills which Secret from where.
func (b *builder) synced(ctx context.Context) error {
	type store struct {
		rec   evidence.Record
		facts evidence.SecretStoreFacts
	}
	stores := map[string]store{}
	err := states(ctx, b, evidence.SecretStore, func(rec *evidence.Record, f evidence.SecretStoreFacts) {
		stores[key(f.Cluster, f.Kind, f.Namespace, f.Name)] = store{*rec, f}
	})
	if err != nil {
		return err
	}
	return states(ctx, b, evidence.SecretSync, func(rec *evidence.Record, f evidence.SecretSyncFacts) {
		if f.Kind == "PushSecret" || f.Target == "" {
			return // the way back: the Secret is where it comes from
		}
		c := b.copyOf(f.Cluster, f.Namespace, f.Target)
		c.Sync, c.Made, c.Refreshed = f.Kind+" "+f.Name, f.Generated, f.RefreshedAt
		c.Seqs = append(c.Seqs, rec.Seq)
		for _, l := range rec.Links {
			if l.Scheme == "secret" {
				c.secrets = append(c.secrets, l)
				c.From = with(c.From, l.Name)
			}
		}
		if len(c.From) == 0 {
			for _, k := range f.Remote {
				c.From = with(c.From, k.Key)
			}
		}
		b.cite(rec)
		ns := f.Namespace
		if f.StoreKind == "ClusterSecretStore" {
			ns = ""
		}
		c.Store = f.StoreKind + " " + f.StoreName
		if st, ok := stores[key(f.Cluster, f.StoreKind, ns, f.StoreName)]; ok {
			c.StoreSeen, c.As, c.Account = true, st.facts.Role, st.facts.Account
			c.Seqs = append(c.Seqs, st.rec.Seq)
			b.cite(&st.rec)
		}
	})
}

// copyOf returns the copy of the name, a new one when it is not listed yet.
// The pointer is good until the next call.
func (b *builder) copyOf(cluster, namespace, name string) *Copy {
	s := &b.a.Secrets
	for i := range s.Copies {
		if c := &s.Copies[i]; c.Name == name && c.Namespace == namespace && c.Cluster == cluster {
			return c
		}
	}
	s.Copies = append(s.Copies, Copy{Cluster: cluster, Namespace: namespace, Name: name, Could: []CopyReader{}, ns: key(cluster, namespace)})
	return &s.Copies[len(s.Copies)-1]
}

// mounted adds which pods take which Secret.
func (b *builder) mounted() {
	for i := range b.a.Running {
		r := &b.a.Running[i]
		for _, p := range r.pods {
			for _, name := range p.facts.Secrets {
				c := b.copyOf(r.Cluster, r.Namespace, name)
				at := slices.IndexFunc(c.Mounted, func(m Mount) bool { return m.Workload == r.Workload })
				if at < 0 {
					at = len(c.Mounted)
					c.Mounted = append(c.Mounted, Mount{Workload: r.Workload})
				}
				c.Mounted[at].Pods++
				c.Seqs = append(c.Seqs, p.rec.Seq)
			}
		}
	}
}

// rights are the roles and bindings of one cluster.
type rights struct {
	facts []evidence.RBACFacts
	recs  []evidence.Record
}

// reachable joins the copies with the roles and bindings in force.
func (b *builder) reachable(ctx context.Context) error {
	s := &b.a.Secrets
	if len(s.Copies) == 0 {
		return nil
	}
	clusters := map[string]*rights{}
	err := states(ctx, b, evidence.AccessRBAC, func(rec *evidence.Record, f evidence.RBACFacts) {
		r := clusters[f.Cluster]
		if r == nil {
			r = &rights{}
			clusters[f.Cluster] = r
		}
		r.facts, r.recs = append(r.facts, f), append(r.recs, *rec)
	})
	if err != nil {
		return err
	}
	if len(clusters) > 0 {
		s.Notes = append(s.Notes, "nodes, and members of group system:masters, reach the copies without a binding and are not listed")
	}
	// A namespace's roads are the same for all its Secrets, but for the names
	// that a rule is limited to.
	grants := map[string][]reach.Grant{}
	for i := range s.Copies {
		c := &s.Copies[i]
		r := clusters[c.Cluster]
		if r == nil {
			continue
		}
		gs, ok := grants[c.ns]
		if !ok {
			gs = reach.Secrets(r.facts, c.Namespace, "")
			grants[c.ns] = gs
		}
		if err := b.couldCopy(ctx, c, r, gs); err != nil {
			return err
		}
	}
	return nil
}

// couldCopy lists who reaches one copy.
func (b *builder) couldCopy(ctx context.Context, c *Copy, r *rights, grants []reach.Grant) error {
	at := map[string]int{}
	for _, g := range grants {
		named := g.Way == reach.Read || g.Way == reach.Answer
		if named && len(g.Names) > 0 && !slices.Contains(g.Names, c.Name) {
			continue
		}
		if g.Way == reach.Exec && len(c.Mounted) == 0 && b.fl.podsIn[c.Cluster] {
			continue // the pods were seen, and none has it
		}
		who, sort, err := b.subject(ctx, r, g)
		if err != nil {
			return err
		}
		i, ok := at[who]
		if !ok {
			i = len(c.Could)
			at[who] = i
			c.Could = append(c.Could, CopyReader{Who: who, Sort: sort})
		}
		cr := &c.Could[i]
		if !slices.Contains(cr.Ways, g.Way) {
			cr.Ways = append(cr.Ways, g.Way)
		}
		cr.Through = with(cr.Through, g.Through)
		for _, rec := range []*evidence.Record{&r.recs[g.Binding], &r.recs[g.Role]} {
			if !slices.Contains(cr.Seqs, rec.Seq) {
				cr.Seqs = append(cr.Seqs, rec.Seq)
				b.cite(rec)
			}
		}
	}
	slices.SortStableFunc(c.Could, func(x, y CopyReader) int {
		return cmp.Or(cmp.Compare(slices.Index(copySorts, x.Sort), slices.Index(copySorts, y.Sort)), strings.Compare(x.Who, y.Who))
	})
	return nil
}

// subject names the holder of a grant: a user by the person of the binding's
// record, the others as the binding writes them.
func (b *builder) subject(ctx context.Context, r *rights, g reach.Grant) (who, sort string, err error) {
	s := g.Subject
	switch {
	case g.Everybody():
		return "everybody in group " + s.Name, "everybody", nil
	case s.Kind == "Group":
		return "group " + s.Name, "group", nil
	case s.Kind == "ServiceAccount":
		return "account " + cmp.Or(s.Namespace, r.facts[g.Binding].Namespace) + "/" + s.Name, "account", nil
	case s.Kind == "User":
		p, err := b.who(ctx, &r.recs[g.Binding], s.Person)
		if err != nil {
			return "", "", err
		}
		if p != nil {
			return p.Label, "person", nil
		}
		return "a user whom the record does not name", "unknown", nil
	}
	return "subjects that the record left out", "unknown", nil
}

// fills says which copies a read of the secret store was for. operator is true
// when the copy's store says that its operator reads as this very caller.
func (b *builder) fills(rec *evidence.Record, f *evidence.AccessFacts) (names []string, operator, unknown bool) {
	s := &b.a.Secrets
	for i := range s.Copies {
		c := &s.Copies[i]
		if !slices.ContainsFunc(c.secrets, func(r evidence.Ref) bool { return r == rec.Subject || slices.Contains(rec.Links, r) }) {
			continue
		}
		is := c.StoreSeen && (c.As != "" && c.As == f.Role || c.Account != "" && c.Account == f.SANamespace+"/"+f.SAName)
		switch {
		case is:
			operator = true
			if rec.Occurred.After(c.FilledAt) {
				c.FilledAt = rec.Occurred
			}
		case c.StoreSeen:
			continue // somebody else read the secret itself
		default:
			unknown = true
		}
		names = with(names, c.Namespace+"/"+c.Name)
	}
	return names, operator, unknown && !operator
}

// showing are the verbs whose answer holds content of a Secret that the caller
// did not send along.
var showing = []string{"get", "list", "watch", "patch", "deletecollection"}

// inPod are the ways into a running pod.
var inPod = []string{"exec", "attach", "portforward", "ephemeralcontainers"}

// auditSeen says whether the audit log of a cluster was seen over the whole
// window. Forges tell an audit log of their own, which knows no Secret: they
// are told apart by the changes or members that they tell too.
func (b *builder) auditSeen() Seen {
	seen := NotConfigured
	for _, id := range b.cov.Sources(evidence.AccessAudit) {
		if slices.ContainsFunc(reports.KindsOf(b.cov, id), func(k evidence.Kind) bool { return k == evidence.ChangeCommit || k == evidence.AccessMember }) {
			continue
		}
		blind := slices.ContainsFunc(b.a.Blind, func(w reports.BlindWindow) bool {
			return w.Source == id && slices.Contains(w.Kinds, evidence.AccessAudit)
		})
		if blind || !sighting(b.cov, id, evidence.AccessAudit, b.at).Covered() {
			return NotSeenThen
		}
		seen = SeenYes
	}
	return seen
}

// didCopy counts, by caller, the requests of the window that showed a Secret
// or went into a pod.
func (b *builder) didCopy(ctx context.Context) error {
	s := &b.a.Secrets
	s.CopyDidSeen = b.auditSeen()
	recs, err := newest(b.r.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.AccessAudit}, Period: b.a.Window}))
	if err != nil {
		return err
	}
	slices.Reverse(recs)
	for i := range recs {
		rec := &recs[i]
		var f evidence.AuditFacts
		if rec.Decode(&f) != nil {
			s.Notes = append(s.Notes, "a line of the cluster's audit log in the window could not be opened: "+closedWhy(rec))
			continue
		}
		what := showed(&f)
		if what == "" || f.Outcome != "ok" && f.Outcome != "denied" && f.Outcome != "unknown" {
			continue
		}
		who, sort, err := b.auditCaller(ctx, rec, &f)
		if err != nil {
			return err
		}
		list := &s.CopyDid
		if f.Outcome == "denied" {
			list = &s.CopyDenied
		}
		tally(list, rec, what, who, sort)
		b.cite(rec)
	}
	for _, list := range [][]Reads{s.CopyDid, s.CopyDenied} {
		slices.SortStableFunc(list, func(x, y Reads) int {
			return cmp.Or(cmp.Compare(y.Count, x.Count), strings.Compare(x.Who, y.Who))
		})
	}
	return nil
}

// showed says what a request to a cluster showed of Secrets: the Secret, or
// the pod it went into; "" for any other.
func showed(f *evidence.AuditFacts) string {
	if f.Platform != "kubernetes" || f.Group != "" {
		return ""
	}
	switch {
	case f.Resource == "secrets" && f.Subresource == "" && slices.Contains(showing, f.Action):
		return "Secret " + f.Namespace + "/" + cmp.Or(f.Name, "*")
	case f.Resource == "pods" && slices.Contains(inPod, f.Subresource):
		return f.Subresource + " in pod " + f.Namespace + "/" + f.Name
	}
	return ""
}

// auditCaller names who made a request to a cluster, and who stood behind when
// somebody impersonated.
func (b *builder) auditCaller(ctx context.Context, rec *evidence.Record, f *evidence.AuditFacts) (who, sort string, err error) {
	p, err := b.who(ctx, rec, f.Who)
	if err != nil {
		return "", "", err
	}
	switch {
	case f.Account != "":
		who, sort = "account "+f.Account, "account"
	case p != nil:
		who, sort = p.Label, "person"
	default:
		who, sort = "an unknown caller", "unknown"
	}
	behind, err := b.who(ctx, rec, f.Behind)
	switch {
	case err != nil:
		return "", "", err
	case behind != nil:
		who += " (impersonated by " + behind.Label + ")"
	case f.BehindAccount != "":
		who += " (impersonated by account " + f.BehindAccount + ")"
	}
	return who, sort, nil
}

// textCopies writes the third line: who could read the copies, and who did.
func (a *Answer) textCopies(p *printer) {
	s := &a.Secrets
	label := "copies"
	line := func(text string) {
		p.item("", label, text)
		label = ""
	}
	switch {
	case len(s.Copies) == 0 && s.CopySync == SeenYes:
		line("none: no operator fills a Secret and no pod takes one")
	case len(s.Copies) == 0:
		line(a.notSeen(s.CopySync, evidence.SecretSync))
	}
	for i := range s.Copies {
		c := &s.Copies[i]
		line(fmt.Sprintf("%s/%s %s", c.Namespace, c.Name, a.copyWords(c)))
		if i > 0 && sameReaders(c, &s.Copies[i-1]) {
			p.item("", "", "  could be read as the one above")
			continue
		}
		p.item("", "", "  could be read: "+a.couldWords(c))
	}
	switch {
	case s.CopyDidSeen == NotConfigured && len(s.CopyDid) == 0:
		p.item("", "read a copy", "not observed: "+a.nobody(evidence.AccessAudit))
	case s.CopyDidSeen != SeenYes && len(s.CopyDid) == 0:
		p.item("", "read a copy", "not observed for all of "+a.windowWords())
	case len(s.CopyDid) == 0:
		p.item("", "read a copy", "nobody")
	default:
		did := copyReads(s.CopyDid)
		if s.CopyDidSeen != SeenYes {
			did += " (not all of the window was seen)"
		}
		p.item("", "read a copy", did)
	}
	if len(s.CopyDenied) > 0 {
		p.item("", "was denied", copyReads(s.CopyDenied))
	}
}

// copyReads says who read copies, and which.
func copyReads(rs []Reads) string {
	var parts []string
	for _, r := range rs {
		parts = append(parts, reads([]Reads{r})+": "+list(r.Secrets, 3))
	}
	return strings.Join(parts, "; ")
}

func (a *Answer) copyWords(c *Copy) string {
	var parts []string
	switch {
	case c.Sync == "" && a.Secrets.CopySync == SeenYes:
		parts = append(parts, "filled by no operator that was seen")
	case c.Sync == "":
		parts = append(parts, "what fills it was not observed")
	default:
		from := cmp.Or(list0(c.From, 3), "no named secret")
		s := fmt.Sprintf("<- %s by %s", from, c.Sync)
		switch {
		case !c.StoreSeen:
			s += ", whose " + c.Store + " is not in this log"
		case c.As != "":
			s += ", as role " + c.As
		}
		if !c.FilledAt.IsZero() {
			s += ", read at " + reports.Near(c.FilledAt, a.At) + " UTC"
		}
		parts = append(parts, s)
	}
	var mounts []string
	for _, m := range c.Mounted {
		mounts = append(mounts, fmt.Sprintf("%s (%s)", m.Workload, reports.Count(m.Pods, "pod")))
	}
	switch {
	case len(mounts) > 0:
		parts = append(parts, "taken by "+list(mounts, 3))
	case a.PodsSeen:
		parts = append(parts, "taken by no pod")
	default:
		parts = append(parts, "which pods take it was not observed")
	}
	return strings.Join(parts, "; ")
}

func list0(names []string, n int) string {
	if len(names) == 0 {
		return ""
	}
	return list(names, n)
}

func sameReaders(x, y *Copy) bool {
	return x.Cluster == y.Cluster && len(x.Could) > 0 && slices.EqualFunc(x.Could, y.Could, func(a, b CopyReader) bool {
		return a.Who == b.Who && slices.Equal(a.Ways, b.Ways)
	})
}

// crowd is from how many accounts of one namespace on only their number is
// told in text; JSON has them all.
const crowd = 4

// couldWords names who could reach a copy.
func (a *Answer) couldWords(c *Copy) string {
	s := &a.Secrets
	if s.CopyCould != SeenYes && len(c.Could) == 0 {
		return a.notSeen(s.CopyCould, evidence.AccessRBAC)
	}
	if len(c.Could) == 0 {
		return "by nobody that a role binding names"
	}
	in := map[string]int{}
	for _, r := range c.Could {
		if ns, _, ok := strings.Cut(strings.TrimPrefix(r.Who, "account "), "/"); ok && r.Sort == "account" {
			in[ns]++
		}
	}
	var names []string
	for _, r := range c.Could {
		if ns, _, ok := strings.Cut(strings.TrimPrefix(r.Who, "account "), "/"); ok && r.Sort == "account" && in[ns] >= crowd {
			names = with(names, fmt.Sprintf("%d accounts of namespace %s", in[ns], ns))
			continue
		}
		var ways []string
		for _, w := range r.Ways {
			ways = append(ways, string(w))
		}
		names = append(names, r.Who+" ("+strings.Join(ways, ", ")+")")
	}
	said := strings.Join(names, ", ")
	if s.CopyCould != SeenYes {
		said = "not observed at the instant; last known: " + said
	}
	return said
}

// copyReaders counts the people and groups that could reach any copy.
func (s *Secrets) copyReaders() (people, groups, accounts int) {
	seen := map[string]bool{}
	for _, c := range s.Copies {
		for _, r := range c.Could {
			if seen[r.Who] {
				continue
			}
			seen[r.Who] = true
			switch r.Sort {
			case "person":
				people++
			case "group", "everybody":
				groups++
			case "account":
				accounts++
			}
		}
	}
	return people, groups, accounts
}
