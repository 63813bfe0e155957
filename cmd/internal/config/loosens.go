package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"evidenced/cmd/internal/schedule"
	"evidenced/collectors"
	"evidenced/evidence"
)

// Loosening is one way in which a change of the configuration weakens the
// evidence: less is looked at, less often, or it is fixed later. The sentence
// names no tenant but those in Tenants and may stand in their logs.
type Loosening struct {
	Tenants []evidence.Tenant // whose evidence it weakens
	Says    string
}

// Loosens compares two effective forms and says what of the change loosens the
// evidence. A nil old form loosens nothing. What a change to a source's own
// config means stands beside the declaration of each of its keys (see
// collectors.Way); specs are the types of sources this program has.
func Loosens(before, after []byte, specs []collectors.Spec) ([]Loosening, error) {
	if len(before) == 0 {
		return nil, nil
	}
	l := loosener{specs: specs}
	for _, f := range []struct {
		form []byte
		into *effective
	}{{before, &l.old}, {after, &l.young}} {
		if err := json.Unmarshal(f.form, f.into); err != nil {
			return nil, fmt.Errorf("effective configuration: %w", err)
		}
	}
	l.everybody = tenantsOf(l.old, l.young)
	if err := l.sources(); err != nil {
		return nil, err
	}
	l.tenants()
	l.general()
	l.anchors()
	l.alerts()
	return l.found, nil
}

// Sentences returns what the loosenings say to the tenant.
func Sentences(ls []Loosening, t evidence.Tenant) []string {
	var out []string
	for _, l := range ls {
		if slices.Contains(l.Tenants, t) {
			out = append(out, l.Says)
		}
	}
	return out
}

type loosener struct {
	specs      []collectors.Spec
	old, young effective
	everybody  []evidence.Tenant
	found      []Loosening
}

// tenantsOf lists the tenants of both forms and the pseudo-tenants: a shared
// source serves them all.
func tenantsOf(forms ...effective) []evidence.Tenant {
	names := map[string]bool{evidence.Platform.String(): true, evidence.Unassigned.String(): true}
	for _, f := range forms {
		for name := range f.Tenants {
			names[name] = true
		}
	}
	var ts []evidence.Tenant
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if t, err := evidence.ParseTenant(name); err == nil {
			ts = append(ts, t)
		}
	}
	return ts
}

func (l *loosener) all(format string, args ...any) {
	l.found = append(l.found, Loosening{l.everybody, fmt.Sprintf(format, args...)})
}

// detail says the short form to the tenants and the full one, which may hold
// the names of other tenants' things, to the platform alone.
func (l *loosener) detail(short, full string) {
	var others []evidence.Tenant
	for _, t := range l.everybody {
		if t != evidence.Platform {
			others = append(others, t)
		}
	}
	l.found = append(l.found, Loosening{others, short}, Loosening{[]evidence.Tenant{evidence.Platform}, full})
}

func (l *loosener) one(tenant, format string, args ...any) {
	t, err := evidence.ParseTenant(tenant)
	if err != nil {
		return
	}
	ts := []evidence.Tenant{t}
	if t != evidence.Platform {
		ts = append(ts, evidence.Platform)
	}
	l.found = append(l.found, Loosening{ts, fmt.Sprintf(format, args...)})
}

func (l *loosener) sources() error {
	for _, name := range slices.Sorted(maps.Keys(l.old.Sources)) {
		old := l.old.Sources[name]
		young, ok := l.young.Sources[name]
		switch {
		case !ok:
			l.all("source %s was removed", name)
			continue
		case old.Type != young.Type:
			l.all("source %s is of type %s instead of %s", name, young.Type, old.Type)
			continue
		case old.Paused == "" && young.Paused != "":
			l.all("source %s was paused: %s", name, young.Paused)
		}
		l.schedule(name, old.Schedule, young.Schedule)
		if err := l.config(name, old, young); err != nil {
			return err
		}
	}
	return nil
}

// config compares the source's own config in both forms.
func (l *loosener) config(name string, old, young effectiveSource) error {
	i := slices.IndexFunc(l.specs, func(s collectors.Spec) bool { return s.Type == young.Type })
	if i < 0 {
		return fmt.Errorf("source %s: type %s is not known", name, young.Type)
	}
	preset := l.specs[i].Config()
	keys, err := collectors.Keys(preset)
	if err != nil {
		return fmt.Errorf("source %s: %w", name, err)
	}
	settings{l, name}.compare(keys, place{}, asMap(old.Config), asMap(young.Config), asMap(plain(preset)))
	return nil
}

func (l *loosener) schedule(source, before, after string) {
	old, err1 := schedule.Parse(before)
	young, err2 := schedule.Parse(after)
	if err1 != nil || err2 != nil || before == after {
		return
	}
	if o, y := old.Longest(), young.Longest(); y > o {
		l.all("source %s is looked at less often: up to %s between looks (%s) instead of %s (%s)", source, y, after, o, before)
	}
}

func (l *loosener) tenants() {
	for _, name := range slices.Sorted(maps.Keys(l.old.Tenants)) {
		old := l.old.Tenants[name]
		young, ok := l.young.Tenants[name]
		if !ok {
			l.one(name, "tenant %s was removed: what belonged to it goes to %s", name, evidence.Unassigned)
			continue
		}
		l.are(name, old.Are, young.Are)
		l.stands(name, old, young)
		l.owns(name, old.Owns, young.Owns)
	}
	if lost := lostWords(l.old.Operator, l.young.Operator); len(lost) > 0 {
		l.all("the platform is said to be no %s any more: duties of that sort are not judged", strings.Join(lost, ", "))
	} else {
		l.are(evidence.Platform.String(), l.old.Operator, l.young.Operator)
	}
	l.owns(evidence.Platform.String(), l.old.Platform, l.young.Platform)
}

// tiers are the tiers of tenants, the one that is owed least first.
var tiers = []string{"basic", "advanced", "premium"}

// stands compares the tier and the tags of a tenant: controls are meant for
// some of them.
func (l *loosener) stands(name string, old, young effectiveTenant) {
	if o, y := slices.Index(tiers, old.Tier), slices.Index(tiers, young.Tier); o > y {
		l.one(name, "tenant %s is of tier %q instead of %q: controls that are meant for that tier are not judged any more", name, young.Tier, old.Tier)
	}
	for _, tag := range old.Tags {
		if !slices.Contains(young.Tags, tag) {
			l.one(name, "tenant %s has no tag %q any more: controls that are meant for it are not judged any more", name, tag)
		}
	}
}

// are compares what a tenant is said to be: saying it for the first time puts
// the duties of others aside, taking a word back those of that sort.
func (l *loosener) are(name string, before, after []string) {
	lost := lostWords(before, after)
	switch {
	case len(before) == 0 && len(after) > 0:
		l.one(name, "tenant %s is said to be %s: duties of other sorts of entities are not judged any more", name, strings.Join(after, ", "))
	case len(lost) > 0:
		l.one(name, "tenant %s is said to be no %s any more: duties of that sort are not judged", name, strings.Join(lost, ", "))
	}
}

// lostWords are those said before and not after; nothing said loses none,
// because then every duty is judged.
func lostWords(before, after []string) []string {
	if len(after) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(before), func(w string) bool { return w == "none" || slices.Contains(after, w) })
}

// owned is one pattern, of one source or ("") of all.
type owned struct{ key, pattern, source string }

func (o owned) String() string {
	text := fmt.Sprintf("%s %q", o.key, o.pattern)
	if o.source != "" {
		text += " of source " + o.source
	}
	return text
}

func ownedBy(blocks []map[string][]string) map[owned]bool {
	out := map[owned]bool{}
	for _, b := range blocks {
		sources := b["sources"]
		if len(sources) == 0 {
			sources = []string{""}
		}
		for key, list := range b {
			if key == "sources" {
				continue
			}
			for _, p := range list {
				for _, s := range sources {
					out[owned{key, p, s}] = true
				}
			}
		}
	}
	return out
}

func (l *loosener) owns(tenant string, before, after []map[string][]string) {
	young := ownedBy(after)
	var lost []string
	for o := range ownedBy(before) {
		if !young[o] && !young[owned{o.key, o.pattern, ""}] {
			lost = append(lost, o.String())
		}
	}
	slices.Sort(lost)
	for _, what := range lost {
		l.one(tenant, "tenant %s no longer owns %s", tenant, what)
	}
}

func (l *loosener) general() {
	if o, y := l.old.Checkpoint, l.young.Checkpoint; o != y {
		od, err1 := time.ParseDuration(o.Every)
		yd, err2 := time.ParseDuration(y.Every)
		if err1 == nil && err2 == nil && yd > od {
			l.all("checkpoints are up to %s apart instead of %s", yd, od)
		}
		if y.Records > o.Records {
			l.all("a checkpoint covers up to %d new records instead of %d", y.Records, o.Records)
		}
	}
	od, err1 := time.ParseDuration(l.old.Verify.ScrubEvery)
	yd, err2 := time.ParseDuration(l.young.Verify.ScrubEvery)
	if err1 == nil && err2 == nil && yd > od {
		l.all("logs are verified in full every %s instead of %s", yd, od)
	}
	if o, y := l.old.Verify.BytesPerSecond, l.young.Verify.BytesPerSecond; y < o {
		l.all("logs are verified with up to %d bytes a second instead of %d", y, o)
	}
	l.assess()
	l.wrapping()
	l.speakers()
	for _, m := range []struct {
		what       string
		old, young []string
	}{{"a bot", l.old.Bots, l.young.Bots}, {"shared", l.old.Shared, l.young.Shared}} {
		for _, a := range m.old {
			if !slices.Contains(m.young, a) {
				l.all("account %s is no longer marked as %s", a, m.what)
			}
		}
	}
	if l.old.SignState != l.young.SignState {
		l.all("the sign-state moved: a log rolled back to before the move is not noticed by it")
	}
	if l.old.Catalogs != "" && l.young.Catalogs != l.old.Catalogs {
		l.all("the catalogs of %s are no longer used", l.old.Catalogs)
	}
	l.keeps()
	l.pack()
}

// assess compares how tenants are judged. A form of before this could be
// configured says nothing.
func (l *loosener) assess() {
	o, y := l.old.Assess, l.young.Assess
	if longer(y.Period, o.Period) {
		l.all("tenants are judged over the last %s instead of %s", y.Period, o.Period)
	}
	if longer(o.Every, y.Every) {
		l.all("tenants are judged every %s instead of every %s", y.Every, o.Every)
	}
	if longer(o.Delay, y.Delay) {
		l.all("tenants are judged up to %s after new records came instead of %s", y.Delay, o.Delay)
	}
}

// longer reports whether a time is longer than it was.
func longer(before, after string) bool {
	o, err1 := time.ParseDuration(before)
	y, err2 := time.ParseDuration(after)
	return err1 == nil && err2 == nil && y > o
}

// wrapping compares how the key that seals the keyring is kept: an erasure is worth
// what becomes of it.
func (l *loosener) wrapping() {
	o, y := l.old.Wrapping, l.young.Wrapping
	if o.Kind == "transit" && y.Kind == "file" {
		l.all("the keyring is sealed by a key in a local file instead of one that transit keeps")
	}
	if o.Destroy && !y.Destroy {
		l.all("old versions of the key that seals the keyring are kept when somebody is erased")
	}
}

// speakers compares who may speak for the entity and by which days limits are
// counted.
func (l *loosener) speakers() {
	for _, a := range l.young.Signers {
		if !slices.Contains(l.old.Signers, a) {
			l.all("account %s may make and approve waivers, scope statements and attestations", a)
		}
	}
	if l.old.Holidays != l.young.Holidays {
		l.all("days off are read from another file: limits of notifications may be later")
	}
}

func (l *loosener) pack() {
	rank := map[string]int{"none": 0, "exceptions": 1, "all": 2}
	o, y := l.old.Pack, l.young.Pack
	if rank[y.Raw] < rank[o.Raw] {
		l.all("packs disclose source bytes of %s instead of %s by default", y.Raw, o.Raw)
	}
	if y.Pseudonymous && !o.Pseudonymous {
		l.all("packs withhold names and texts by default")
	}
}
