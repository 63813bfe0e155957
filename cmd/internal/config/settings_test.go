package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors"
	"evidenced/evidence"
)

// depot is a made-up type of source with a key of every way.
type depot struct {
	Secret  string                   `yaml:"secret_file" loosens:"none"`
	Cap     int64                    `yaml:"cap" loosens:"less: larger answers are refused"`
	Back    time.Duration            `yaml:"back" loosens:"less,0=all: it looks back less far"`
	Limit   int                      `yaml:"limit" loosens:"less,0=default: less is read"`
	Stale   time.Duration            `yaml:"stale_after" loosens:"more: older verdicts count"`
	Share   float64                  `yaml:"share" loosens:"less: less counts as complete"`
	Watch   bool                     `yaml:"watch" loosens:"off: nothing is seen between looks"`
	Blind   bool                     `yaml:"blind" loosens:"on: nothing is checked"`
	URL     string                   `yaml:"url" loosens:"change: another server is read"`
	Roots   string                   `yaml:"roots" loosens:"differs: others are trusted"`
	Token   string                   `yaml:"token_path" loosens:"gone: the sender need not show one"`
	Pulls   string                   `yaml:"pulls" loosens:"down(all count none): less is recorded"`
	Spaces  []string                 `yaml:"spaces" loosens:"limits"`
	Branch  []string                 `yaml:"branches" loosens:"chooses"`
	Files   []string                 `yaml:"files" loosens:"keeps"`
	Leave   []string                 `yaml:"leave" loosens:"skips"`
	Peers   []string                 `yaml:"peers" loosens:"opens"`
	Agreed  []agreed                 `yaml:"agreed" loosens:"first"`
	Repos   []depotRepo              `yaml:"repos" loosens:"keeps"`
	Every   map[string]time.Duration `yaml:"every" loosens:"more: it is read less often"`
	Stands  map[string]string        `yaml:"stands" loosens:"change: it is joined to another"`
	Storage *depotStorage            `yaml:"storage"`
}

type agreed struct {
	Plan string        `yaml:"plan" loosens:"id"`
	Most time.Duration `yaml:"most" loosens:"more,0=none: it may take longer"`
}

type depotRepo struct {
	Name string `yaml:"name" loosens:"id"`
	URL  string `yaml:"url" loosens:"change: another one is read"`
}

type depotStorage struct {
	Bucket string `yaml:"bucket" loosens:"differs: it is looked for elsewhere"`
}

func depots() []collectors.Spec {
	return []collectors.Spec{{Type: "depot", Says: "a depot", Every: "@every 1m", Config: func() any { return &depot{Limit: 50, Watch: true, Pulls: "all"} }}}
}

// depotForm is the effective form of one depot with such a config.
func depotForm(t *testing.T, config string) []byte {
	t.Helper()
	text := fmt.Sprintf("data_dir: data\ntenants: [{name: tenant-7}]\nsources: [{name: depot/a, type: depot, config: {%s}}]\n", config)
	c, err := Parse("/etc/evidenced/evidenced.yaml", []byte(text), depots())
	if err != nil {
		t.Fatal(err)
	}
	return c.Effective()
}

// Each change is judged in both directions: what loosens one way says nothing
// the other way, unless it is said.
func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		name         string
		before       string
		after        string
		there, back  string // what the tenant is told of the change, and of taking it back
		full, fullTo string // what the platform is told, where that is more
	}{
		{name: "nothing to tell", before: "secret_file: a", after: "secret_file: b"},
		{name: "a cap", before: "cap: 20", after: "cap: 10", there: "cap is 10 instead of 20: larger answers are refused"},
		{name: "to the beginning", before: "back: 0s", after: "back: 9h", there: "back is 9h0m0s instead of 0 (everything): it looks back less far"},
		{name: "less far back", before: "back: 10h", after: "back: 9h", there: "back is 9h0m0s instead of 10h0m0s: it looks back less far"},
		{name: "the default is more", before: "limit: 0", after: "limit: 49", there: "limit is 49 instead of 0 (the default): less is read"},
		{name: "the default is less", before: "limit: 51", after: "limit: 0", there: "limit is 0 (the default) instead of 51: less is read"},
		{name: "the default said", before: "limit: 0", after: "limit: 50"},
		{name: "a limit relaxed", before: "stale_after: 15m", after: "stale_after: 1h", there: "stale_after is 1h0m0s instead of 15m0s: older verdicts count"},
		{name: "a share", before: "share: 0.95", after: "share: 0.5", there: "share is 0.5 instead of 0.95: less counts as complete"},
		{name: "a switch off", before: "watch: true", after: "watch: false", there: "watch is false instead of true: nothing is seen between looks"},
		{name: "a switch on", before: "blind: false", after: "blind: true", there: "blind is true instead of false: nothing is checked"},
		{name: "elsewhere", before: "url: https://a.example", after: "url: https://b.example",
			there: "url was changed: another server is read", full: `url is "https://b.example" instead of "https://a.example": another server is read`,
			back: "url was changed: another server is read", fullTo: `url is "https://a.example" instead of "https://b.example": another server is read`},
		{name: "a server for none", before: "url: ''", after: "url: https://b.example",
			back: "url was changed: another server is read", fullTo: `url is "" instead of "https://b.example": another server is read`},
		{name: "trusted in place of none", before: "roots: ''", after: "roots: a.pem",
			there: "roots was changed: others are trusted", full: `roots is "a.pem" instead of "": others are trusted`,
			back: "roots was changed: others are trusted", fullTo: `roots is "" instead of "a.pem": others are trusted`},
		{name: "no token asked for", before: "token_path: a", after: "token_path: ''",
			there: "token_path was changed: the sender need not show one", full: `token_path is "" instead of "a": the sender need not show one`},
		{name: "another token", before: "token_path: a", after: "token_path: b"},
		{name: "down", before: "pulls: all", after: "pulls: none", there: `pulls is "none" instead of "all": less is recorded`},
		{name: "limited", before: "spaces: []", after: "spaces: [a]", there: "spaces was without limit and is limited (1)", full: `spaces was without limit and is limited: "a"`},
		{name: "another instead", before: "spaces: [a]", after: "spaces: [b]",
			there: "spaces no longer names (1)", full: `spaces no longer names: "a"`, back: "spaces no longer names (1)", fullTo: `spaces no longer names: "b"`},
		{name: "the source's own choice", before: "branches: []", after: "branches: [a]",
			there: "branches was left to the source and is limited (1)", full: `branches was left to the source and is limited: "a"`,
			back: "branches no longer names (1)", fullTo: `branches no longer names: "a"`},
		{name: "nothing any more", before: "files: [a, b]", after: "files: []", there: "files no longer names (2)", full: `files no longer names: "/etc/evidenced/a", "/etc/evidenced/b"`},
		{name: "left out", before: "leave: []", after: "leave: [a]", there: "leave leaves out more (1)", full: `leave leaves out more: "a"`},
		{name: "let in", before: "peers: []", after: "peers: [10.0.0.1]", there: "peers lets in more (1)", full: `peers lets in more: "10.0.0.1"`},
		{name: "no limit for a plan", before: "agreed: [{plan: a, most: 1h}]", after: "agreed: [{plan: a, most: 0s}]",
			there: "agreed[].most is 0 (no limit) instead of 1h0m0s: it may take longer", full: `agreed[{"plan":"a"}].most is 0 (no limit) instead of 1h0m0s: it may take longer`},
		{name: "another is asked first", before: "agreed: [{plan: a, most: 1h}]", after: "agreed: [{plan: b, most: 1h}, {plan: a, most: 1h}, {plan: c, most: 1h}]",
			there: "agreed are asked first (1)", full: `agreed are asked first: {"most":"1h0m0s","plan":"b"}`,
			back: "agreed no longer names (2)", fullTo: `agreed no longer names: {"most":"1h0m0s","plan":"b"}, {"most":"1h0m0s","plan":"c"}`},
		{name: "the order turned", before: "agreed: [{plan: a, most: 1h}, {plan: b, most: 2h}]", after: "agreed: [{plan: b, most: 2h}, {plan: a, most: 1h}]",
			there: "agreed are asked first (1)", full: `agreed are asked first: {"most":"2h0m0s","plan":"b"}`,
			back: "agreed are asked first (1)", fullTo: `agreed are asked first: {"most":"1h0m0s","plan":"a"}`},
		{name: "a repository moved", before: "repos: [{name: a, url: x}]", after: "repos: [{name: b, url: z}, {name: a, url: y}]",
			there: "repos[].url was changed: another one is read", full: `repos[{"name":"a"}].url is "y" instead of "x": another one is read`,
			back:   "repos no longer names (1)\nrepos[].url was changed: another one is read",
			fullTo: `repos no longer names: {"name":"b","url":"z"}` + "\n" + `repos[{"name":"a"}].url is "x" instead of "y": another one is read`},
		{name: "a part less often", before: "every: {a: 1m, b: 1m}", after: "every: {a: 2m, b: 1m}", there: "every.a is 2m0s instead of 1m0s: it is read less often"},
		{name: "another stands for it", before: "stands: {s: a, t: a}", after: "stands: {s: b}",
			there: "stands[] was changed: it is joined to another\nstands no longer names (1)", full: `stands[s] is "b" instead of "a": it is joined to another` + "\n" + `stands no longer names: "t"`,
			back: "stands[] was changed: it is joined to another", fullTo: `stands[s] is "a" instead of "b": it is joined to another`},
		{name: "storage for none", before: "watch: true", after: "storage: {bucket: a}",
			back: "storage.bucket was changed: it is looked for elsewhere", fullTo: `storage.bucket is unset instead of "a": it is looked for elsewhere`},
		{name: "storage elsewhere", before: "storage: {bucket: a}", after: "storage: {bucket: b}",
			there: "storage.bucket was changed: it is looked for elsewhere", full: `storage.bucket is "b" instead of "a": it is looked for elsewhere`,
			back: "storage.bucket was changed: it is looked for elsewhere", fullTo: `storage.bucket is "a" instead of "b": it is looked for elsewhere`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before, after := depotForm(t, tc.before), depotForm(t, tc.after)
			tellsOf(t, before, after, tc.there, tc.full)
			tellsOf(t, after, before, tc.back, tc.fullTo)
		})
	}
}

// wanted gives each line the name of the source.
func wanted(lines string) (out []string) {
	for _, l := range strings.Split(lines, "\n") {
		if l != "" {
			out = append(out, "source depot/a: "+l)
		}
	}
	return out
}

func tellsOf(t *testing.T, before, after []byte, short, full string) {
	t.Helper()
	ls, err := Loosens(before, after, depots())
	if err != nil {
		t.Fatal(err)
	}
	if full == "" {
		full = short
	}
	for to, want := range map[evidence.Tenant]string{seven: short, evidence.Platform: full} {
		if d := cmp.Diff(wanted(want), Sentences(ls, to)); d != "" {
			t.Errorf("%s (-want +got):\n%s", to, d)
		}
	}
}

// A form of a program that did not have a key says nothing of it, and a type
// that is not known cannot be judged.
func TestSettingsOfOtherPrograms(t *testing.T) {
	var form map[string]any
	if err := json.Unmarshal(depotForm(t, "cap: 9"), &form); err != nil {
		t.Fatal(err)
	}
	form["sources"].(map[string]any)["depot/a"].(map[string]any)["config"] = map[string]any{}
	before := marshal(form)
	if ls, err := Loosens(before, depotForm(t, "cap: 1, stale_after: 9h, url: a, roots: b, pulls: none, watch: false"), depots()); err != nil || len(ls) > 0 {
		t.Errorf("got %v, %v", ls, err)
	}
	if _, err := Loosens(before, depotForm(t, "cap: 1"), nil); err == nil {
		t.Error("a type that is not known was judged")
	}
}
