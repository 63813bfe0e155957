package looktest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"
)

// What the planted tenant is called: its namespace, and the value of the label by
// which the rules know it.
const (
	plantedSpace = "zq-space-4f1"
	plantedLabel = "Zq_Label-9c2"
)

// planted are the texts that are put in place of a string: the names alone and as
// they stand in sentences, accounts, hosts, queries and JSON within JSON.
func planted(s string) []string {
	return []string{
		plantedSpace, plantedLabel, s + " in " + plantedSpace + ": denied", "system:serviceaccount:" + plantedSpace + ":runner",
		"web." + plantedSpace + ".svc.cluster.local", kubetest.TenantLabel + "=" + plantedLabel, `{"m":"not as\n` + plantedSpace + `"}`,
		"https://x.example.test/?q=namespace%3D%22" + plantedSpace + "%22&l=" + plantedLabel, "spiffe://cluster.local/ns/" + plantedSpace + "/sa/x",
	}
}

// identity is what makes an object what it is, which every view tells.
var identity = regexp.MustCompile(`^/(metadata/(name|uid|namespace|resourceVersion|creationTimestamp)|kind|apiVersion)$`)

// spaces are the places where nothing but the name of a namespace may stand.
var spaces = regexp.MustCompile(`(?i)namespaces/\d+$|metadata\.name$|/values/\d+$|pod\.namespace$`)

// Apart puts the names of another tenant at every string of every object of the
// cluster in an archive, and in an annotation, one after the other, and fails the test where a tenant's
// view holds one. Told are the places, as expressions for JSON pointers into the
// object, whose words the facts tell everybody as they are: what the things are
// called that the record is about, and words of a fixed choice. Each text is given
// to a reader and a look of its own.
func Apart(t *testing.T, source evidence.SourceID, now time.Time, file string, told string, look func(...kube.Namespace) *kube.Look, resources func() []kube.Resource) {
	t.Helper()
	rules := kubetest.ByLabel(t, "tenant-7", "planted")
	rules[2].Owns[0].Labels, rules[2].Owns[0].Namespaces = []string{kubetest.TenantLabel + "=" + plantedLabel}, []string{plantedSpace}
	space := kube.Namespace{Name: plantedSpace, UID: "uid-planted", Labels: map[string]string{kubetest.TenantLabel: plantedLabel}}
	open := regexp.MustCompile("^(" + told + ")$")
	objects := kubetest.Objects(t, file)
	tried, views := 0, 0
	for i, r := range resources() {
		for _, raw := range objects[Name(r)] {
			var o map[string]any
			if err := json.Unmarshal(raw, &o); err != nil {
				t.Fatal(err)
			}
			meta, _ := o["metadata"].(map[string]any)
			if meta["namespace"] != nil {
				continue
			}
			if meta["annotations"] == nil {
				meta["annotations"] = map[string]any{"note": "of the platform"}
			}
			collectortest.EachText(o, "", func(at string, s string, put func(any)) {
				if identity.MatchString(at) || open.MatchString(at) {
					return
				}
				defer put(s)
				texts := planted(s)
				if spaces.MatchString(at) {
					texts = texts[:1]
				}
				for _, text := range texts {
					put(text)
					tried++
					l, r := look(space), resources()[i]
					b, err := json.Marshal(o)
					if err != nil {
						t.Fatal(err)
					}
					ob, err := kube.ParseObject(b, l.Now, r.Remove...)
					if err != nil {
						continue // no object of a server
					}
					ob.APIVersion, ob.Kind = strings.TrimPrefix(r.Group+"/"+r.Versions[0], "/"), r.Kind
					ds, err := r.Drafts(t.Context(), ob, l)
					if err != nil {
						continue
					}
					for _, d := range kubetest.Views(t, source, now, rules, ds...)["tenant-7"] {
						views++
						if part := holdsPlanted(d); part != "" {
							t.Errorf("%s %v: %s at %s is told in %s", Name(r), meta["name"], text, at, part)
						}
					}
				}
			})
		}
	}
	if views == 0 {
		t.Errorf("of %d objects none is told", tried)
	}
}

// holdsPlanted names a part of a view that holds a planted name; "" for none.
func holdsPlanted(d evidence.Draft) string {
	for part, text := range map[string]string{
		"its facts": string(d.Content), "its text": string(d.Text), "its bytes": string(d.Raw), "what was removed": fmt.Sprint(d.Removed),
		"its references": fmt.Sprint(d.Subject, d.Key, d.Scope, d.Links, d.ActorScope), "its people": fmt.Sprint(d.People),
	} {
		if strings.Contains(text, plantedSpace) || strings.Contains(text, plantedLabel) {
			return part + ": " + text
		}
	}
	return ""
}
