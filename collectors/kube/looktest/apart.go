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

// What the planted tenants are called: the namespace of each, and the value of the
// label by which the rules know it.
const (
	plantedSpace = "zq-space-4f1"
	plantedLabel = "Zq_Label-9c2"
	viewerSpace  = "zq-view-7d3"
	viewerLabel  = "Zq_Views-5b8"
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
// cluster in an archive, in an annotation and as the name of a member of every object
// in it, one after the other, and fails the test where a tenant's
// view holds one. Told are the places, as expressions for JSON pointers into the
// object, whose words the facts tell everybody as they are: what the things are
// called that the record is about, and words of a fixed choice. Each text is given
// to a reader and a look of its own. It looks at what tenant-7 is told, of which
// objects may speak, and at what another is told of whom none does.
func Apart(t *testing.T, source evidence.SourceID, now time.Time, file string, told string, look func(...kube.Namespace) *kube.Look, resources func() []kube.Resource) {
	t.Helper()
	rules := kubetest.ByLabel(t, "tenant-7", "planted", "viewer")
	rules[2].Owns[0].Labels, rules[2].Owns[0].Namespaces = []string{kubetest.TenantLabel + "=" + plantedLabel}, []string{plantedSpace}
	rules[3].Owns[0].Labels, rules[3].Owns[0].Namespaces = []string{kubetest.TenantLabel + "=" + viewerLabel}, []string{viewerSpace}
	space := kube.Namespace{Name: plantedSpace, UID: "uid-planted", Labels: map[string]string{kubetest.TenantLabel: plantedLabel}}
	view := kube.Namespace{Name: viewerSpace, UID: "uid-viewer", Labels: map[string]string{kubetest.TenantLabel: viewerLabel}}
	open := regexp.MustCompile("^(" + told + ")$")
	views := 0
	plants{
		file: file, look: func() *kube.Look { return look(space, view) }, resources: resources,
		texts: func(at, was string) []string {
			if identity.MatchString(at) || open.MatchString(at) {
				return nil
			}
			if texts := planted(was); !spaces.MatchString(at) {
				return texts
			}
			return []string{plantedSpace}
		},
		out: func(o *kube.Object) bool { return o.Namespace != "" },
	}.each(t, func(what string, ds []evidence.Draft) {
		all := kubetest.Views(t, source, now, rules, ds...)
		for _, who := range []string{"tenant-7", "viewer"} {
			for _, d := range all[who] {
				views++
				if part := holdsPlanted(d); part != "" {
					t.Errorf("%s is told to %s in %s", what, who, part)
				}
			}
		}
	})
	if views == 0 {
		t.Error("of all objects none is told")
	}
}

// ApartOwn puts the names of another tenant at every string of every object that stands
// in a namespace, and as the name of a member, and fails the test where that other is
// told of it what the object says of its own tenant.
func ApartOwn(t *testing.T, source evidence.SourceID, now time.Time, file string, told string, look func(...kube.Namespace) *kube.Look, resources func() []kube.Resource) {
	t.Helper()
	rules := kubetest.ByLabel(t, "tenant-7", "tenant-8", "planted")
	for i, name := range []string{"platform", "tenant-7", "tenant-8"} {
		rules[i].Owns[0].Namespaces = []string{name}
	}
	rules[3].Owns[0].Labels, rules[3].Owns[0].Namespaces = []string{kubetest.TenantLabel + "=" + plantedLabel}, []string{plantedSpace}
	space := kube.Namespace{Name: plantedSpace, UID: "uid-planted", Labels: map[string]string{kubetest.TenantLabel: plantedLabel}}
	open := regexp.MustCompile("^(" + told + ")$")
	plants{
		file: file, look: func() *kube.Look { return look(space) }, resources: resources,
		texts: func(at, was string) []string {
			if identity.MatchString(at) || open.MatchString(at) {
				return nil
			}
			return []string{plantedSpace, plantedLabel, kubetest.TenantLabel + "=" + plantedLabel}
		},
		out: func(o *kube.Object) bool { return o.Namespace == "" },
	}.each(t, func(what string, ds []evidence.Draft) {
		for _, d := range kubetest.Views(t, source, now, rules, ds...)["planted"] {
			for part, text := range map[string]string{"its facts": string(d.Content), "its text": string(d.Text), "its bytes": string(d.Raw), "what was removed": fmt.Sprint(d.Removed), "its references": fmt.Sprint(d.Scope, d.Links)} {
				for _, x := range []string{"tenant-7", "tenant-8"} {
					if strings.Contains(text, x) {
						t.Errorf("%s: %s of %s tells of %s: %s", what, part, d.Kind, x, around(text, x))
					}
				}
			}
		}
	})
}

// Secrets puts secrets at every string of every object in an archive, in an annotation
// and as the name of a member, and fails the test where a log holds one, but for what
// things and people are called. Told are places, as those of [Apart], of names that
// the facts take apart.
func Secrets(t *testing.T, source evidence.SourceID, now time.Time, file string, told string, look func() *kube.Look, resources func() []kube.Resource) {
	t.Helper()
	records, open := 0, regexp.MustCompile("^("+told+")$")
	plants{
		file: file, look: look, resources: resources,
		texts: func(at, was string) []string {
			if open.MatchString(at) {
				return nil
			}
			return collectortest.SecretTexts(was)
		},
	}.each(t, func(what string, ds []evidence.Draft) {
		for _, all := range kubetest.Views(t, source, now, nil, ds...) {
			for _, d := range all {
				records++
				for part, text := range map[string]string{"its facts": string(d.Content), "its text": string(d.Text), "its bytes": string(d.Raw), "what was removed": fmt.Sprint(d.Removed)} {
					if x := collectortest.FindSecret(text); x != "" {
						t.Errorf("%s: %s stands in %s: %s", what, x, part, around(text, x))
					}
				}
			}
		}
	})
	if records == 0 {
		t.Error("of all objects none makes a record")
	}
}

// around is a part of a text where something stands.
func around(text, x string) string {
	i := strings.Index(text, x)
	return text[max(0, i-60):min(len(text), i+len(x)+60)]
}

// plants are objects of an archive, in which texts are put one after the other.
type plants struct {
	file      string
	look      func() *kube.Look
	resources func() []kube.Resource
	// texts are what is put at a place, in place of a string or as the name of a
	// member.
	texts func(at, was string) []string
	// out tells which objects are left out; nil: none.
	out func(*kube.Object) bool
}

// each gives the drafts of every object with every text at every place.
func (p plants) each(t *testing.T, do func(what string, ds []evidence.Draft)) {
	t.Helper()
	objects := kubetest.Objects(t, p.file)
	for i, r := range p.resources() {
		for _, raw := range objects[Name(r)] {
			var o map[string]any
			if err := json.Unmarshal(raw, &o); err != nil {
				t.Fatal(err)
			}
			ob, err := kube.ParseObject(raw, time.Time{})
			if err != nil || p.out != nil && p.out(ob) {
				continue
			}
			meta := o["metadata"].(map[string]any)
			if meta["annotations"] == nil {
				meta["annotations"] = map[string]any{"note": "of the platform"}
			}
			at := func(at, was string, put func(any)) {
				defer put(was)
				for _, text := range p.texts(at, was) {
					put(text)
					if ds := p.drafts(t, i, o); len(ds) > 0 {
						do(fmt.Sprintf("%s %v at %s: %.40q", Name(r), meta["name"], at, text), ds)
					}
				}
			}
			collectortest.EachText(o, "", at)
			collectortest.EachObject(o, "", func(place string, put func(any)) { at(place, "", put) })
		}
	}
}

// drafts reads an object of the i-th resource with a reader of its own; none where it
// is no object of a server.
func (p plants) drafts(t *testing.T, i int, o map[string]any) []evidence.Draft {
	t.Helper()
	l, r := p.look(), p.resources()[i]
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	ob, err := kube.ParseObject(b, l.Now, r.Remove...)
	if err != nil {
		return nil
	}
	ob.APIVersion, ob.Kind = strings.TrimPrefix(r.Group+"/"+r.Versions[0], "/"), r.Kind
	ds, err := r.Drafts(t.Context(), ob, l)
	if err != nil {
		return nil
	}
	return ds
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
