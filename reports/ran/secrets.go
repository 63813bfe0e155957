package ran

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// Secrets says who could read and who did read the tenant's secrets, and who
// could read their copies. The fields that say what was observed tell "nobody"
// from "nobody looked".
type Secrets struct {
	CouldSeen bool     `json:"could_read_observed"`
	Could     []Reader `json:"could_read"`
	DidSeen   bool     `json:"did_read_observed"` // over the whole window
	Did       []Reads  `json:"did_read"`
	Denied    []Reads  `json:"denied"`
	Notes     []string `json:"notes,omitempty"`

	// The Kubernetes Secrets that hold copies: which there are, who could reach
	// them, and who did.
	CopySync    Seen    `json:"copies_observed"`
	CopyCould   Seen    `json:"copies_could_read_observed"`
	CopyDidSeen Seen    `json:"copies_did_read_observed"` // over the whole window
	Copies      []Copy  `json:"copies"`
	CopyDid     []Reads `json:"copies_did_read"`
	CopyDenied  []Reads `json:"copies_denied"`
}

// Reader is one identity that could read, and through what.
type Reader struct {
	Who      string   `json:"who"`
	Sort     string   `json:"sort"` // person, role, entity, policy (no holder seen)
	Policies []string `json:"policies"`
	Paths    []string `json:"paths"`
	Seqs     []uint64 `json:"records"`
}

// Reads are the reads of one identity in the window.
type Reads struct {
	Who     string               `json:"who"`
	Sort    string               `json:"sort"`
	Actor   evidence.ActorTenant `json:"actor_tenant,omitempty"`
	Count   int                  `json:"count"`
	Secrets []string             `json:"secrets"`
	First   time.Time            `json:"first"`
	Last    time.Time            `json:"last"`
	Root    bool                 `json:"root,omitempty"`
	// Fills are the copies that these reads filled, where an operator made
	// them; FillsBy is false when it was not observed as whom the operator reads.
	Fills   []string `json:"fills,omitempty"`
	FillsBy bool     `json:"fills_by_operator,omitempty"`
	Seqs    []uint64 `json:"records"`
}

func (b *builder) secrets(ctx context.Context) error {
	s := &b.a.Secrets
	s.Could, s.Did, s.Denied = []Reader{}, []Reads{}, []Reads{}
	s.CouldSeen = anyCovered(b.cov, evidence.SecretPolicy, b.at)
	if err := b.couldRead(ctx); err != nil {
		return err
	}
	s.DidSeen = len(b.cov.Sources(evidence.SecretAccess)) > 0 && !slices.ContainsFunc(b.a.Blind, func(w reports.BlindWindow) bool {
		return slices.Contains(w.Kinds, evidence.SecretAccess)
	})
	// Reads are followed to the copies they fill, so the copies come first.
	if err := b.copies(ctx); err != nil {
		return err
	}
	return b.didRead(ctx)
}

// grant is a policy that opens secrets.
type grant struct {
	name  string
	paths []string
	seq   uint64
}

// couldRead joins the policies that grant reading with the roles and the
// identities that hold them, all as in force at the instant.
func (b *builder) couldRead(ctx context.Context) error {
	grants, err := b.grants(ctx)
	if err != nil || len(grants) == 0 {
		return err
	}
	held := map[string]bool{}
	add := func(who, sort string, rec *evidence.Record, policies []string) {
		r := Reader{Who: who, Sort: sort, Seqs: []uint64{rec.Seq}}
		for _, p := range policies {
			if g, ok := grants[p]; ok && !slices.Contains(r.Policies, p) {
				held[p] = true
				r.Policies = append(r.Policies, p)
				r.Paths = append(r.Paths, g.paths...)
				r.Seqs = append(r.Seqs, g.seq)
			}
		}
		if len(r.Policies) > 0 {
			b.cite(rec)
			b.addReader(r)
		}
	}
	if err := b.roles(ctx, add); err != nil {
		return err
	}
	if err := b.identities(ctx, add); err != nil {
		return err
	}
	for _, g := range grants {
		b.a.Records[evidence.SecretPolicy] = append(b.a.Records[evidence.SecretPolicy], g.seq)
		if !held[g.name] {
			b.addReader(Reader{Who: "policy " + g.name, Sort: "policy", Policies: []string{g.name}, Paths: g.paths, Seqs: []uint64{g.seq}})
		}
	}
	slices.SortFunc(b.a.Secrets.Could, func(x, y Reader) int {
		return cmp.Or(cmp.Compare(sortRank(x.Sort), sortRank(y.Sort)), strings.Compare(x.Who, y.Who))
	})
	b.a.Secrets.Notes = append(b.a.Secrets.Notes, "tokens made by hand and root tokens are not listed by the source")
	return nil
}

func sortRank(sort string) int {
	return slices.Index([]string{"person", "role", "entity", "policy"}, sort)
}

type addReader func(who, sort string, rec *evidence.Record, policies []string)

// grants returns the policies in force that open something to read, by name.
func (b *builder) grants(ctx context.Context) (map[string]grant, error) {
	grants := map[string]grant{}
	for rec, err := range b.r.States(ctx, evidence.SecretPolicy, b.at) {
		if err != nil {
			return nil, err
		}
		var f evidence.PolicyFacts
		if rec.Decode(&f) != nil {
			continue
		}
		g := grant{name: f.Name, seq: rec.Seq}
		for _, r := range f.Rules {
			if opens(r) {
				g.paths = append(g.paths, r.Path)
			}
		}
		if f.Unparsed {
			b.a.Secrets.Notes = append(b.a.Secrets.Notes, "policy "+f.Name+" could not be read: what it opens is unknown")
		}
		if len(g.paths) > 0 {
			grants[f.Name] = g
		}
	}
	return grants, nil
}

// opens reports whether a rule lets its holder see secret data: reading below
// a secret engine, or having data decrypted, which is an update. The system's
// own paths hold no tenant's secrets.
func opens(r evidence.PolicyRule) bool {
	path := strings.TrimPrefix(r.Path, "/")
	for _, own := range []string{"sys/", "auth/", "identity/", "cubbyhole/"} {
		if strings.HasPrefix(path, own) {
			return false
		}
	}
	if slices.Contains(r.Capabilities, "deny") {
		return false
	}
	// The metadata of a versioned secret is names and times, no data.
	if parts := strings.SplitN(path, "/", 3); len(parts) > 1 && parts[1] == "metadata" {
		return false
	}
	decrypts := strings.Contains(path, "/decrypt/") && slices.Contains(r.Capabilities, "update")
	return decrypts || slices.Contains(r.Capabilities, "read")
}

func (b *builder) roles(ctx context.Context, add addReader) error {
	for rec, err := range b.r.States(ctx, evidence.SecretRole, b.at) {
		if err != nil {
			return err
		}
		var f evidence.RoleFacts
		if rec.Decode(&f) != nil {
			continue
		}
		holder, err := b.who(ctx, &rec, f.Holder)
		if err != nil {
			return err
		}
		if holder != nil {
			add(holder.Label, "person", &rec, f.Policies)
		} else {
			add("role "+f.Role, "role", &rec, f.Policies)
		}
	}
	return nil
}

func (b *builder) identities(ctx context.Context, add addReader) error {
	for rec, err := range b.r.States(ctx, evidence.SecretIdentity, b.at) {
		if err != nil {
			return err
		}
		var f evidence.IdentityFacts
		if rec.Decode(&f) != nil || f.Disabled {
			continue
		}
		holder, err := b.who(ctx, &rec, f.Holder)
		if err != nil {
			return err
		}
		policies := append(slices.Clone(f.Policies), f.GroupPolicies...)
		role := ""
		for _, al := range f.Aliases {
			role = cmp.Or(role, al.Role)
		}
		switch {
		case holder != nil && !holder.Bot:
			add(holder.Label, "person", &rec, policies)
		case role != "":
			add("role "+role, "role", &rec, policies)
		case holder != nil:
			add(holder.Label, "entity", &rec, policies)
		default:
			add("entity "+f.Entity, "entity", &rec, policies)
		}
	}
	return nil
}

// addReader adds an identity or joins it with the one of the same name.
func (b *builder) addReader(r Reader) {
	for i, o := range b.a.Secrets.Could {
		if o.Who == r.Who && o.Sort == r.Sort {
			o.Policies, o.Paths, o.Seqs = union(o.Policies, r.Policies), union(o.Paths, r.Paths), union(o.Seqs, r.Seqs)
			b.a.Secrets.Could[i] = o
			return
		}
	}
	r.Paths, r.Seqs = union(nil, r.Paths), union(nil, r.Seqs)
	b.a.Secrets.Could = append(b.a.Secrets.Could, r)
}

func union[T cmp.Ordered](a, c []T) []T {
	a = append(slices.Clone(a), c...)
	slices.Sort(a)
	return slices.Compact(a)
}

// didRead counts the reads of the window by identity, the granted and the
// denied ones apart.
func (b *builder) didRead(ctx context.Context) error {
	q := evidence.Query{Kinds: []evidence.Kind{evidence.SecretAccess}, Period: b.a.Window}
	recs, err := newest(b.r.Records(ctx, q))
	if err != nil {
		return err
	}
	slices.Reverse(recs)
	unsure := 0
	for i := range recs {
		rec := &recs[i]
		var f evidence.AccessFacts
		if rec.Decode(&f) != nil {
			b.a.Secrets.Notes = append(b.a.Secrets.Notes, "a request in the window could not be opened: "+closedWhy(rec))
			continue
		}
		given, known := f.Gave()
		if !known {
			unsure++
		}
		denied := f.Reading && (f.Outcome == "denied" || f.Outcome == "no-request" && f.Extra["answer"] == "denied")
		if !given && !denied {
			continue
		}
		who, sort, err := b.caller(ctx, rec, &f)
		if err != nil {
			return err
		}
		list := &b.a.Secrets.Did
		if denied {
			list = &b.a.Secrets.Denied
		}
		r := tally(list, rec, cmp.Or(f.Secret, f.Path), who, sort)
		r.Root = r.Root || f.Root
		if given {
			names, operator, unknown := b.fills(rec, &f)
			if operator || unknown && sort != "person" {
				r.Fills, r.FillsBy = union(r.Fills, names), r.FillsBy || operator
			}
		}
		b.cite(rec)
	}
	if unsure > 0 {
		b.a.Secrets.Notes = append(b.a.Secrets.Notes, reports.Count(unsure, "request")+" for a secret in the window: the audit log lacks how it was answered")
	}
	for _, list := range [][]Reads{b.a.Secrets.Did, b.a.Secrets.Denied} {
		slices.SortStableFunc(list, func(x, y Reads) int {
			return cmp.Or(cmp.Compare(y.Count, x.Count), strings.Compare(x.Who, y.Who))
		})
	}
	return nil
}

// caller names who made a request: a machine by its role, a person by name.
func (b *builder) caller(ctx context.Context, rec *evidence.Record, f *evidence.AccessFacts) (who, sort string, err error) {
	p, err := b.who(ctx, rec, f.Who)
	switch {
	case err != nil:
		return "", "", err
	case p != nil && !p.Bot && (f.Role == "" || f.SAName == ""):
		return p.Label, "person", nil
	case f.Role != "":
		return "role " + f.Role, "role", nil
	case p != nil:
		return p.Label, "entity", nil
	case f.Root:
		return "a root token", "entity", nil
	case f.Entity != "":
		return "entity " + f.Entity, "entity", nil
	}
	return "an unknown caller", "entity", nil
}

// tally counts one read in and returns its row.
func tally(list *[]Reads, rec *evidence.Record, what, who, sort string) *Reads {
	i := slices.IndexFunc(*list, func(r Reads) bool { return r.Who == who && r.Actor == rec.Actor })
	if i < 0 {
		*list = append(*list, Reads{Who: who, Sort: sort, Actor: rec.Actor, First: rec.Occurred})
		i = len(*list) - 1
	}
	r := &(*list)[i]
	r.Count++
	r.Last = rec.Occurred
	r.Seqs = append(r.Seqs, rec.Seq)
	r.Secrets = with(r.Secrets, what)
	return r
}
