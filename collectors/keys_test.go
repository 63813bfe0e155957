package collectors

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type keyed struct {
	Shared `yaml:",inline"`
	Repos  []keyedRepo              `yaml:"repos" loosens:"keeps"`
	Every  map[string]time.Duration `yaml:"every" loosens:"more: it is read less often"`
	Pulls  string                   `yaml:"pulls" loosens:"down(all count): pulls are counted"`
	Inner  *keyedInner              `yaml:"inner"`
	Unread int                      `yaml:"-"`
}

type keyedRepo struct {
	Name string `yaml:"name" loosens:"id"`
}

type keyedInner struct {
	Depth int `yaml:"depth" loosens:"less,0=all: less far back"`
}

// Shared is inlined.
type Shared struct {
	File string `yaml:"file" loosens:"none"`
}

func TestKeys(t *testing.T) {
	keys, err := Keys(&keyed{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	var add func(path string, keys []Key)
	add = func(path string, keys []Key) {
		for _, k := range keys {
			got = append(got, strings.TrimRight(path+k.Name+" "+string(k.Way)+" "+k.Zero+" "+strings.Join(k.Words, "/")+" "+k.Says, " "))
			add(path+k.Name+".", k.Inside)
		}
	}
	add("", keys)
	want := []string{"file none", "repos keeps", "repos.name id", "every more   it is read less often", "pulls down  all/count pulls are counted", "inner",
		"inner.depth less 0=all  less far back"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestKeysRefused(t *testing.T) {
	for want, config := range map[string]any{
		`depth says nothing of how a change weakens the evidence: add loosens:"..."`: &struct {
			Depth int `yaml:"depth"`
		}{},
		`inner.on of type bool cannot have the way "less"`: &struct {
			Inner struct {
				On bool `yaml:"on" loosens:"less: x"`
			} `yaml:"inner"`
		}{},
		`every of type map[string]int cannot have the way "off"`: &struct {
			Every map[string]int `yaml:"every" loosens:"off: x"`
		}{},
		"depth does not say what a change does": &struct {
			Depth int `yaml:"depth" loosens:"more"`
		}{},
		`depth cannot say of zero "0=some"`: &struct {
			Depth int `yaml:"depth" loosens:"more,0=some: x"`
		}{},
		"items is a list of structs of which no key has the way id": &struct {
			Items []keyedInner `yaml:"items" loosens:"keeps"`
		}{},
		`names of type []string cannot have the way "moer"`: &struct {
			Names []string `yaml:"names" loosens:"moer"`
		}{},
		"want a pointer to a struct": keyed{},
	} {
		if _, err := Keys(config); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want an error that ends in %q", err, want)
		}
	}
}
