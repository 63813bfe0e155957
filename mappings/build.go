package mappings

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// The shape of a catalog file. docs/catalog.md says what each key means.
type (
	document struct {
		Version  int           `yaml:"version"`
		Acts     []yamlAct     `yaml:"acts"`
		Tests    []yamlTest    `yaml:"tests"`
		Controls []yamlControl `yaml:"controls"`
	}
	yamlAct struct {
		At           place
		ID           text `yaml:"id"`
		Name         text `yaml:"name"`
		Title        text `yaml:"title"`
		CELEX        text `yaml:"celex"`
		InForceSince text `yaml:"in_force_since"`
		TextRead     text `yaml:"text_read"`
		Language     text `yaml:"language"`
		Entities     list `yaml:"entities"`
		Addressee    text `yaml:"addressee"`
		Unverified   text `yaml:"unverified"`
	}
	yamlTest struct {
		At         place
		ID         text          `yaml:"id"`
		Title      text          `yaml:"title"`
		Says       text          `yaml:"says"`
		View       text          `yaml:"view"`
		Population text          `yaml:"population"`
		Assert     text          `yaml:"assert"`
		Window     text          `yaml:"window"`
		Freshness  span          `yaml:"freshness"`
		Least      text          `yaml:"least"`
		Empty      text          `yaml:"empty"`
		Threshold  yamlThreshold `yaml:"threshold"`
		Numbers    []yamlNumber  `yaml:"numbers"`
		Shared     bool          `yaml:"shared"`
		Optional   bool          `yaml:"optional"`
		Limits     text          `yaml:"limits"`
	}
	yamlThreshold struct {
		FailedPercent float64 `yaml:"failed_percent"`
	}
	yamlControl struct {
		At           place
		ID           text          `yaml:"id"`
		Act          text          `yaml:"act"`
		Article      text          `yaml:"article"`
		Title        text          `yaml:"title"`
		Objective    text          `yaml:"objective"`
		Role         text          `yaml:"role"`
		Applies      yamlApplies   `yaml:"applies"`
		Severity     text          `yaml:"severity"`
		InForceSince text          `yaml:"in_force_since"`
		ValidFrom    text          `yaml:"valid_from"`
		ValidTo      text          `yaml:"valid_to"`
		Replaces     text          `yaml:"replaces"`
		CannotProve  text          `yaml:"cannot_prove"`
		Unverified   text          `yaml:"unverified"`
		AnsweredBy   text          `yaml:"answered_by"`
		Tests        []yamlTestRef `yaml:"tests"`
	}
	yamlApplies struct {
		Tiers    list `yaml:"tiers"`
		Tags     list `yaml:"tags"`
		Entities list `yaml:"entities"`
	}
	yamlTestRef struct {
		At       place
		Test     text `yaml:"test"`
		Strength text `yaml:"strength"`
	}
)

// builder puts the files of a catalog together.
type builder struct {
	cat      Catalog
	faults   Faults
	acts     map[string]*Act
	tests    map[string]*Test
	taken    map[string]place
	controls []yamlControl
}

func newBuilder() *builder {
	return &builder{acts: map[string]*Act{}, tests: map[string]*Test{}, taken: map[string]place{}}
}

func (b *builder) fault(p place, format string, args ...any) {
	b.faults = append(b.faults, p.fault(format, args...))
}

func (b *builder) add(file string, doc *document) {
	if doc.Version != 1 {
		b.fault(place{file: file}, "version must be 1")
	}
	for i := range doc.Acts {
		b.addAct(&doc.Acts[i])
	}
	for i := range doc.Tests {
		b.addTest(&doc.Tests[i])
	}
	// Controls may name acts and tests of files that come later.
	b.controls = append(b.controls, doc.Controls...)
}

var (
	actID  = regexp.MustCompile(`^[a-z][a-z0-9]{1,31}$`)
	testID = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)+$`)
	ctrlID = regexp.MustCompile(`^[a-z][a-z0-9]{1,31}(-[a-z0-9]+)+$`)
)

// unique reports whether id is free in its class, and takes it.
func (b *builder) unique(class string, id text) bool {
	key := class + " " + id.s
	if was, ok := b.taken[key]; ok {
		b.fault(id.at, "%s %q is defined twice, first at %s:%d:%d", class, id.s, was.file, was.line, was.col)
		return false
	}
	b.taken[key] = id.at
	return true
}

// need reports whether a text is there and not too long.
func (b *builder) need(at place, key string, t text) bool {
	switch {
	case strings.TrimSpace(t.s) == "":
		b.fault(at, "key %q is missing", key)
	case len(t.s) > 4096:
		b.fault(t.at, "%s of %d bytes, at most 4096", key, len(t.s))
	default:
		return true
	}
	return false
}

// short reports whether an optional text is not too long.
func (b *builder) short(key string, t text) bool {
	if len(t.s) > 4096 {
		b.fault(t.at, "%s of %d bytes, at most 4096", key, len(t.s))
		return false
	}
	return true
}

func (b *builder) date(at place, t text) {
	if b.need(at, "in_force_since", t) {
		b.day("in_force_since", t)
	}
}

// oneOf reports whether t is one of the words.
func (b *builder) oneOf(at place, key string, t text, words ...string) bool {
	switch {
	case t.s == "":
		b.fault(at, "key %q is missing: one of %s", key, strings.Join(words, ", "))
	case !slices.Contains(words, t.s):
		b.fault(t.at, "%s: %q is not one of %s", key, t.s, strings.Join(words, ", "))
	default:
		return true
	}
	return false
}

func (b *builder) addAct(y *yamlAct) {
	if !b.need(y.At, "id", y.ID) || !b.unique("act", y.ID) {
		return
	}
	if !actID.MatchString(y.ID.s) {
		b.fault(y.ID.at, "id %q: want lower-case letters and digits", y.ID.s)
	}
	b.need(y.At, "name", y.Name)
	b.need(y.At, "title", y.Title)
	b.need(y.At, "addressee", y.Addressee)
	b.short("unverified", y.Unverified)
	b.date(y.At, y.InForceSince)
	b.textRead(y)
	a := &Act{
		ID: y.ID.s, Name: y.Name.s, Title: y.Title.s, CELEX: y.CELEX.s, TextRead: y.TextRead.s, Language: y.Language.s,
		InForceSince: y.InForceSince.s, Addressee: y.Addressee.s, Entities: b.entities("entities", y.Entities), Unverified: y.Unverified.s,
	}
	b.acts[a.ID] = a
	b.cat.acts = append(b.cat.acts, a)
}

func (b *builder) addTest(y *yamlTest) {
	if !b.need(y.At, "id", y.ID) || !b.unique("test", y.ID) {
		return
	}
	if !testID.MatchString(y.ID.s) {
		b.fault(y.ID.at, "id %q: want words of lower-case letters and digits with hyphens between", y.ID.s)
	}
	b.need(y.At, "title", y.Title)
	b.need(y.At, "says", y.Says)
	if y.Freshness.d == 0 {
		b.fault(y.At, `key "freshness" is missing`)
	}
	if p := y.Threshold.FailedPercent; p < 0 || p > 100 || p != p {
		b.fault(y.At, "threshold.failed_percent: want 0 to 100")
	}
	b.oneOf(y.At, "least", y.Least, string(evidence.Continuous), string(evidence.Instants), string(evidence.Reconstructed))
	b.oneOf(y.At, "empty", y.Empty, string(evidence.Gap), string(evidence.NotApplicable), string(evidence.NotObserved), string(evidence.Satisfied))
	t := &Test{
		ID: y.ID.s, Title: y.Title.s, Says: y.Says.s, View: y.View.s,
		Population: strings.TrimSpace(y.Population.s), Assertion: strings.TrimSpace(y.Assert.s),
		Window: b.window(y), Freshness: y.Freshness.d, Least: evidence.Class(y.Least.s), Empty: evidence.Status(y.Empty.s),
		Threshold: y.Threshold.FailedPercent, Shared: y.Shared, Optional: y.Optional, Limits: y.Limits.s, Numbers: b.numbers(y),
	}
	b.short("limits", y.Limits)
	b.compile(y, t)
	canonical, err := json.Marshal(t)
	if err != nil {
		b.fault(y.At, "test %q: %v", t.ID, err)
	}
	t.hash = sha256.Sum256(canonical)
	b.tests[t.ID] = t
	b.cat.tests = append(b.cat.tests, t)
}

func (b *builder) window(y *yamlTest) time.Duration {
	if !b.need(y.At, "window", y.Window) || y.Window.s == "period" {
		return 0
	}
	d, err := parseDuration(y.Window.s)
	if err != nil {
		b.fault(y.Window.at, "window: %q is neither period nor a duration such as 90d", y.Window.s)
	}
	return d
}

func (b *builder) compile(y *yamlTest, t *Test) {
	if !b.need(y.At, "view", y.View) {
		return
	}
	v, ok := views[y.View.s]
	if !ok {
		names := slices.Sorted(maps.Keys(views))
		hint := ""
		if n := nearest(y.View.s, names); n != "" {
			hint = " (did you mean " + n + "?)"
		}
		b.fault(y.View.at, "unknown view %q%s: one of %s", y.View.s, hint, strings.Join(names, ", "))
		return
	}
	t.view = v
	if y.Population.s == "" {
		y.Population, t.Population = text{s: "true", at: y.At}, "true"
	}
	if !b.need(y.At, "assert", y.Assert) {
		return
	}
	var faults Faults
	if t.filter, faults = compileRule(v, "population", y.Population); len(faults) > 0 {
		b.faults = append(b.faults, faults...)
	}
	if t.assert, faults = compileRule(v, "assert", y.Assert); len(faults) > 0 {
		b.faults = append(b.faults, faults...)
	}
	if t.filter != nil && t.assert != nil {
		t.needs = v.needs(append(slices.Clone(t.filter.fields), t.assert.fields...))
	}
}

// link makes the controls once all acts and tests are known.
func (b *builder) link() {
	for i := range b.controls {
		b.addControl(&b.controls[i])
	}
	for i := range b.controls {
		b.replaced(&b.controls[i])
	}
}

func (b *builder) addControl(y *yamlControl) {
	if !b.need(y.At, "id", y.ID) || !b.unique("control", y.ID) {
		return
	}
	b.need(y.At, "title", y.Title)
	b.need(y.At, "objective", y.Objective)
	b.need(y.At, "cannot_prove", y.CannotProve)
	if b.need(y.At, "article", y.Article) && !articleForm.MatchString(y.Article.s) {
		b.fault(y.Article.at, "article %q: %s", y.Article.s, articleHint)
	}
	b.short("unverified", y.Unverified)
	b.short("answered_by", y.AnsweredBy)
	b.oneOf(y.At, "severity", y.Severity, Severities...)
	c := &Control{
		ID: evidence.ControlID(y.ID.s), Article: y.Article.s, Title: y.Title.s, Objective: strings.TrimSpace(y.Objective.s),
		Role: y.Role.s, Tiers: y.Applies.Tiers.strings(), Tags: y.Applies.Tags.strings(), Entities: b.entities("applies.entities", y.Applies.Entities), Severity: y.Severity.s,
		InForceSince: y.InForceSince.s, CannotProve: strings.TrimSpace(y.CannotProve.s),
		Unverified: y.Unverified.s, AnsweredBy: y.AnsweredBy.s, Act: b.actOf(y),
	}
	switch {
	case c.InForceSince != "":
		b.date(y.At, y.InForceSince)
	case c.Act != nil:
		c.InForceSince = c.Act.InForceSince
	}
	if c.Act != nil && len(c.Entities) == 0 {
		c.Entities = c.Act.Entities
	}
	b.validity(y, c)
	if (len(y.Tests) == 0) == (c.AnsweredBy == "") {
		b.fault(y.At, "a control has either tests or answered_by, the source that would answer it")
	}
	for i := range y.Tests {
		if r, ok := b.testRef(&y.Tests[i], c); ok {
			c.Tests = append(c.Tests, r)
		}
	}
	b.cat.controls = append(b.cat.controls, c)
}

func (b *builder) actOf(y *yamlControl) *Act {
	if !ctrlID.MatchString(y.ID.s) {
		b.fault(y.ID.at, "id %q: want the act, a hyphen and the numbers of the text, as in dora-art-9-4-e", y.ID.s)
		return nil
	}
	if !b.need(y.At, "act", y.Act) {
		return nil
	}
	a := b.acts[y.Act.s]
	switch {
	case a == nil:
		b.fault(y.Act.at, "unknown act %q", y.Act.s)
	case !strings.HasPrefix(y.ID.s, a.ID+"-"):
		b.fault(y.ID.at, "id %q must begin with its act: %s-", y.ID.s, a.ID)
	}
	return a
}

func (b *builder) testRef(y *yamlTestRef, c *Control) (TestRef, bool) {
	if !b.need(y.At, "test", y.Test) || !b.oneOf(y.At, "strength", y.Strength, Direct, Partial, Supporting) {
		return TestRef{}, false
	}
	t := b.tests[y.Test.s]
	switch {
	case t == nil:
		b.fault(y.Test.at, "unknown test %q", y.Test.s)
		return TestRef{}, false
	case slices.ContainsFunc(c.Tests, func(r TestRef) bool { return r.Test == t }):
		b.fault(y.Test.at, "test %q stands twice in control %s", t.ID, c.ID)
		return TestRef{}, false
	}
	return TestRef{t, y.Strength.s}, true
}
