package mappings

import (
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

//go:embed catalog/*.yaml
var builtin embed.FS

// Act is a law or a standard made under one.
type Act struct {
	ID           string `json:"id"`                  // "dora1774", first part of its controls' ids
	Name         string `json:"name"`                // short, for people: "DORA"
	Title        string `json:"title"`               // "Regulation (EU) 2022/2554"
	CELEX        string `json:"celex"`               // number in EUR-Lex
	InForceSince string `json:"in_force_since"`      // date from which it applies, 2025-01-17
	TextRead     string `json:"text_read,omitempty"` // date as of which its text was read
	Language     string `json:"language,omitempty"`  // of the text that was read, "en"
	Addressee    string `json:"addressee"`           // who is bound by it
	// Entities are the sorts of entities it binds, a word each: cloud, dns,
	// financial-entity. Controls that name none of their own take these.
	Entities   []string `json:"entities,omitempty"`
	Unverified string   `json:"unverified,omitempty"` // what about the act was not checked
}

// Control is one duty of an act, in our own words.
type Control struct {
	ID           evidence.ControlID `json:"id"`
	Act          *Act               `json:"act"`
	Article      string             `json:"article"` // "Art. 9(4)(e)"
	Title        string             `json:"title"`
	Objective    string             `json:"objective"`
	Role         string             `json:"role,omitempty"`  // whose duty it is: controller, processor, financial-entity, ...
	Tiers        []string           `json:"tiers,omitempty"` // tenants it applies to; empty: all
	Tags         []string           `json:"tags,omitempty"`
	Entities     []string           `json:"entities,omitempty"` // sorts of entities it binds; its act's when it names none
	Severity     string             `json:"severity"`           // high, medium, low
	InForceSince string             `json:"in_force_since"`
	ValidFrom    string             `json:"valid_from,omitempty"` // first day this wording of the duty stands, of one that replaces another
	ValidTo      string             `json:"valid_to,omitempty"`   // first day it stands no more: the act was amended
	Replaces     evidence.ControlID `json:"replaces,omitempty"`   // the control whose duty it took over on ValidFrom
	CannotProve  string             `json:"cannot_prove"`
	Unverified   string             `json:"unverified,omitempty"`
	AnsweredBy   string             `json:"answered_by,omitempty"` // of a control without tests: the source that would answer it
	Tests        []TestRef          `json:"tests,omitempty"`
}

// Reference returns act and article, "DORA Art. 9(4)(e)".
func (c *Control) Reference() string { return c.Act.Name + " " + c.Article }

// TestRef is one test of a control and how much it says about it.
type TestRef struct {
	Test     *Test  `json:"test"`
	Strength string `json:"strength"`
}

// How much a test says about a control.
const (
	Direct     = "direct"     // it measures the duty itself
	Partial    = "partial"    // a necessary part of it
	Supporting = "supporting" // context for a person; never satisfied by itself
)

// Test is one rule over the items of a view.
type Test struct {
	ID         string          `json:"id"`
	Title      string          `json:"title"`
	Says       string          `json:"says"` // what holds when every item passes, after "the evidence supports that"
	View       string          `json:"view"`
	Population string          `json:"population"`          // CEL: which items count
	Assertion  string          `json:"assertion"`           // CEL: what must hold of each
	Window     time.Duration   `json:"window"`              // 0: the whole period; else the last so long of it
	Freshness  time.Duration   `json:"freshness"`           // the newest look may be so old
	Least      evidence.Class  `json:"least"`               // weakest class of coverage accepted
	Empty      evidence.Status `json:"empty"`               // what an empty population means
	Threshold  float64         `json:"threshold,omitempty"` // share of failed items, in percent, to name beside the status
	Numbers    []Number        `json:"numbers,omitempty"`   // whose the numbers are that stand in the rule
	Shared     bool            `json:"shared,omitempty"`    // what it is about may be the platform's alone, see docs/catalog.md
	Optional   bool            `json:"optional,omitempty"`  // not every platform has what it is about, see docs/catalog.md
	Limits     string          `json:"limits,omitempty"`

	view   *view
	filter *rule
	assert *rule
	needs  []evidence.Kind
	hash   evidence.Hash
}

// Hash is the SHA-256 of the test's canonical text: its fields as JSON, in
// the order of the type.
func (t *Test) Hash() evidence.Hash { return t.hash }

// Needs returns the kinds whose coverage the test requires, sorted.
func (t *Test) Needs() []evidence.Kind { return slices.Clone(t.needs) }

// Catalog is a set of controls and tests that was read and checked whole. It
// does not change and may be used by several goroutines.
type Catalog struct {
	acts     []*Act
	controls []*Control
	tests    []*Test
	files    []File
}

// Severities are those of controls, the worst first.
var Severities = []string{"high", "medium", "low"}

// File is one file a catalog was read from.
type File struct {
	Name string
	Data []byte
}

// Load reads the catalog of this program and, when given, files of the user:
// every .yaml and .yml file in the root of each fs. They are merged under the
// same rules; an id that is taken is a fault. The error is a
// [problem.Problem] that wraps [Faults] with file, line and column.
//
// Without files of the user it is always the same catalog: nothing changes one
// that was loaded.
func Load(user ...fs.FS) (*Catalog, error) {
	if len(user) == 0 {
		return loadOwn()
	}
	return loadWith(user...)
}

// loadOwn compiles the rules of this program once.
var loadOwn = sync.OnceValues(func() (*Catalog, error) { return loadWith() })

func loadWith(user ...fs.FS) (*Catalog, error) {
	own, err := fs.Sub(builtin, "catalog")
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	return load(append([]fs.FS{own}, user...))
}

// LoadOnly reads the files of dir alone, without the catalog of this program.
func LoadOnly(dir fs.FS) (*Catalog, error) { return load([]fs.FS{dir}) }

func load(dirs []fs.FS) (*Catalog, error) {
	var files []File
	for i, dir := range dirs {
		entries, err := fs.ReadDir(dir, ".")
		if err != nil {
			return nil, problem.Wrap(problem.Config, err, "catalog directory cannot be read")
		}
		for _, e := range entries {
			if ext := path.Ext(e.Name()); e.IsDir() || ext != ".yaml" && ext != ".yml" {
				continue
			}
			data, err := readLimited(dir, e.Name())
			if err != nil {
				return nil, problem.Wrap(problem.Config, err, "catalog file %s cannot be read", e.Name())
			}
			name := e.Name()
			if i > 0 {
				name = "user/" + name
			}
			files = append(files, File{name, data})
		}
	}
	return parse(files)
}

// readLimited reads one byte more than a file may have, so that the parser
// sees that it is too long.
func readLimited(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

func parse(files []File) (*Catalog, error) {
	b := newBuilder()
	for _, f := range files {
		var doc document
		if faults := decodeFile(f.Name, f.Data, &doc); len(faults) > 0 {
			b.faults = append(b.faults, faults...)
			continue
		}
		b.add(f.Name, &doc)
	}
	b.link()
	if len(b.faults) > 0 {
		slices.SortStableFunc(b.faults, func(x, y Fault) int {
			if c := strings.Compare(x.File, y.File); c != 0 {
				return c
			}
			return x.Line - y.Line
		})
		return nil, problem.Wrap(problem.Config, b.faults, "catalog is not valid").
			WithHint("see docs/catalog.md for the format")
	}
	b.cat.files = files
	return &b.cat, nil
}

// Controls returns all controls in the order of their files.
func (c *Catalog) Controls() []*Control { return slices.Clone(c.controls) }

// Tests returns all tests in the order of their files.
func (c *Catalog) Tests() []*Test { return slices.Clone(c.tests) }

// Acts returns all acts in the order of their files.
func (c *Catalog) Acts() []*Act { return slices.Clone(c.acts) }

// Files returns the files the catalog was read from, for a pack that carries
// the rules it was judged by. Names of the user's files begin with user/.
func (c *Catalog) Files() []File { return slices.Clone(c.files) }

// Control returns the control with the id.
func (c *Catalog) Control(id evidence.ControlID) (*Control, bool) {
	i := slices.IndexFunc(c.controls, func(x *Control) bool { return x.ID == id })
	if i < 0 {
		return nil, false
	}
	return c.controls[i], true
}

// Hash is the SHA-256 over the canonical text of all controls and tests.
func (c *Catalog) Hash() evidence.Hash {
	b, err := json.Marshal(struct {
		Controls []*Control
		Tests    []*Test
	}{c.controls, c.tests})
	if err != nil {
		panic("mappings: " + err.Error()) // the types hold nothing that JSON refuses
	}
	return sha256.Sum256(b)
}
