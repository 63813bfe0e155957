package world

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// office makes the ordinary working days: pull requests, their reviews and
// merges, and the syncs that follow.
type office struct {
	w        *World
	rnd      *rand.Rand
	acts     []Act
	versions map[string]string // tenant/app to version
	pulls    int
	fleet    int
}

// expand returns the everyday changes. It is deterministic in the seed.
func expand(w *World) []Act {
	o := &office{w: w, rnd: rand.New(rand.NewPCG(w.Seed, 1)), versions: map[string]string{}}
	for _, t := range w.Tenants {
		for _, a := range w.Apps {
			o.versions[t.Name+"/"+a.Name] = a.Version
		}
	}
	o.past()
	for d := w.Start; d.Before(w.End); d = d.AddDate(0, 0, 1) {
		if wd := d.Weekday(); wd != time.Saturday && wd != time.Sunday {
			o.day(d)
		}
	}
	return o.acts
}

// past is what stood before the history begins: the repository's first
// commits and one sync of everything.
func (o *office) past() {
	at := o.w.Begun().Add(8 * time.Hour)
	all := []Edit{
		{File: "README.md", Content: "# platform-config\n\nWhat runs for each tenant. Changes go through a pull request.\n"},
		{File: "CODEOWNERS", Content: "* @" + o.w.Owner + "/platform\n"},
		{File: basePath, Content: basePolicy(1)},
	}
	o.add(Act{At: at, Do: Push, By: "kaethe", Branch: "main", Title: "Begin with the shared rules", Edits: all})
	for i, t := range o.w.Everybody() {
		var edits []Edit
		for j, a := range o.w.Apps {
			o.add(Act{At: at.Add(time.Duration(i*3+j+5) * 10 * time.Second), Do: Build, By: "kaethe", Branch: "main",
				Tenant: t.Name, App: a.Name, Version: a.Version})
			edits = append(edits, Edit{Tenant: t.Name, App: a.Name, Version: a.Version, Replicas: a.Replicas})
		}
		o.add(Act{At: at.Add(time.Duration(i+1) * 11 * time.Minute), Do: Push, By: "kaethe", Branch: "main",
			Title: t.Name + ": on board", Edits: edits})
	}
	at = at.AddDate(0, 0, 1)
	for i, t := range o.w.Everybody() {
		for j, a := range o.w.Apps {
			o.add(Act{At: at.Add(time.Duration(i*7+j) * time.Minute), Do: Sync, By: "kaethe", Tenant: t.Name, App: a.Name})
		}
	}
}

const basePath = "base/network-policy.yaml"

func basePolicy(n int) string {
	return fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: tenant-boundary
  annotations:
    revision: "%d"
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
`, n)
}

func (o *office) add(a Act) { o.acts = append(o.acts, a) }

// day spreads four or five pull requests over a working day.
func (o *office) day(d time.Time) {
	n := 4 + o.rnd.IntN(2)
	at := d.Add(7*time.Hour + o.minutes(5, 50))
	for i := range n {
		if i == 1 && d.Weekday() == time.Tuesday && o.fleet < 4 {
			o.fleet++
			o.pull(at, o.fleetChange())
		} else {
			o.pull(at, o.change())
		}
		at = at.Add(o.minutes(55, 120))
	}
	if o.rnd.IntN(2) == 0 {
		o.again(d)
	}
}

// again is a person pressing sync once more although nothing changed.
func (o *office) again(d time.Time) {
	t := o.w.Tenants[o.rnd.IntN(len(o.w.Tenants))]
	a := o.w.Apps[o.rnd.IntN(len(o.w.Apps))]
	o.add(Act{At: d.Add(15*time.Hour + o.minutes(1, 70)), Do: Sync, By: o.person(t.Name, "").Key, Tenant: t.Name, App: a.Name})
}

func (o *office) minutes(lo, hi int) time.Duration {
	return time.Duration((lo+o.rnd.IntN(hi-lo+1))*60+o.rnd.IntN(60)) * time.Second
}

// change is one planned pull request.
type change struct {
	author  string
	title   string
	tenant  string
	touched []string // tenant/app
	edits   []Edit
}

var settings = []struct{ key, value, says string }{
	{"LOG_LEVEL", "info", "quieter logs"},
	{"CACHE_TTL", "120s", "keep cached answers longer"},
	{"HTTP_TIMEOUT", "20s", "give slow partners more time"},
	{"MAX_CONNECTIONS", "200", "more connections"},
	{"RETRY_LIMIT", "5", "try again more often"},
	{"FEATURE_INVOICES", "on", "switch the new invoices on"},
	{"METRICS_INTERVAL", "15s", "measure more often"},
	{"BATCH_SIZE", "250", "larger batches"},
}

func (o *office) change() change {
	t := o.w.Tenants[o.rnd.IntN(len(o.w.Tenants))]
	a := o.w.Apps[o.rnd.IntN(len(o.w.Apps))]
	key := t.Name + "/" + a.Name
	roll := o.rnd.IntN(10)
	switch {
	case roll < 5 && key != "tenant-7/web": // its releases are told by the story
		v := bump(o.versions[key], o.rnd.IntN(4) == 0)
		o.versions[key] = v
		author := "bump-bot"
		if roll == 0 {
			author = o.person(t.Name, "").Key
		}
		return change{author, fmt.Sprintf("%s: %s %s", t.Name, a.Name, v), t.Name, []string{key},
			[]Edit{{Tenant: t.Name, App: a.Name, Version: v}}}
	case roll < 7:
		n := 2 + o.rnd.IntN(5)
		return change{o.person(t.Name, "").Key, fmt.Sprintf("%s: run %d of %s", t.Name, n, a.Name), t.Name, []string{key},
			[]Edit{{Tenant: t.Name, App: a.Name, Replicas: n}}}
	}
	s := settings[o.rnd.IntN(len(settings))]
	c := change{author: o.person(t.Name, "").Key, title: t.Name + ": " + s.says, tenant: t.Name}
	for _, a := range o.w.Apps {
		if a.Name == "db-proxy" && roll == 7 {
			continue
		}
		c.touched = append(c.touched, t.Name+"/"+a.Name)
		c.edits = append(c.edits, Edit{Tenant: t.Name, App: a.Name, Env: map[string]string{s.key: s.value + "-" + strconv.Itoa(o.pulls)}})
	}
	return c
}

// fleetChange touches what all tenants share.
func (o *office) fleetChange() change {
	c := change{author: "kaethe", title: "base: tighten the network policy, step " + strconv.Itoa(o.fleet), tenant: "base",
		edits: []Edit{{File: basePath, Content: basePolicy(o.fleet + 1)}}}
	for _, t := range o.w.Tenants {
		for _, a := range o.w.Apps {
			c.touched = append(c.touched, t.Name+"/"+a.Name)
		}
	}
	return c
}

// pull plays one change from the push to the last sync.
func (o *office) pull(at time.Time, c change) {
	o.pulls++
	id := fmt.Sprintf("p%03d", o.pulls)
	branch := c.tenant + "-" + id
	// A new version is built first; the commit that declares its digest follows
	// on the same branch.
	for _, e := range c.edits {
		if e.Version != "" {
			o.add(Act{At: at.Add(-9 * time.Minute), Do: Push, By: c.author, Branch: branch, Title: c.title + ", source",
				Edits: []Edit{source(e.Tenant, e.App, e.Version)}})
			o.add(Act{At: at.Add(-8 * time.Minute), Do: Build, By: c.author, Branch: branch, Tenant: e.Tenant, App: e.App, Version: e.Version})
		}
	}
	o.add(Act{At: at, Do: Push, By: c.author, Branch: branch, Title: c.title, Edits: c.edits})
	at = at.Add(o.minutes(1, 6))
	o.add(Act{At: at, Do: Open, By: c.author, Pull: id, Branch: branch, Title: c.title})
	tested := Act{At: at.Add(testsAfter), Do: Verify, By: c.author, Pull: id, Took: testsTake}
	if id == o.w.RedPull {
		tested.State = "failure"
	}
	o.add(tested)
	reviewer := o.person(c.tenant, c.author)
	at = at.Add(o.minutes(4, 45))
	if c.author != "bump-bot" && o.rnd.IntN(6) == 0 {
		o.add(Act{At: at, Do: Review, By: reviewer.Key, Pull: id, State: "CHANGES_REQUESTED", Body: "Please say why."})
		at = at.Add(o.minutes(5, 20))
		o.add(Act{At: at, Do: Push, By: c.author, Branch: branch, Title: "Say why",
			Edits: []Edit{o.reason(id, c)}})
		o.add(Act{At: at.Add(testsAfter), Do: Verify, By: c.author, Pull: id, Took: testsTake})
		at = at.Add(o.minutes(2, 15))
	}
	if o.rnd.IntN(25) == 0 {
		o.add(Act{At: at, Do: Close, By: c.author, Pull: id})
		return
	}
	o.add(Act{At: at, Do: Review, By: reviewer.Key, Pull: id, State: "APPROVED"})
	// Nobody merges what they approved: people merge their own, or somebody who
	// did neither does, as always for a bot.
	merger := c.author
	if c.author == "bump-bot" || o.rnd.IntN(3) == 0 {
		for _, merger = range []string{"kaethe", "anais", "joerg"} {
			if merger != c.author && merger != reviewer.Key {
				break
			}
		}
	}
	at = at.Add(o.minutes(1, 12))
	o.add(Act{At: at, Do: Merge, By: merger, Pull: id})
	o.deploy(at, merger, c.touched)
}

// reason is the edit that says why: a note beside what is changed, or a comment
// in what all share.
func (o *office) reason(id string, c change) Edit {
	if c.tenant == "base" {
		return Edit{File: basePath, Content: basePolicy(o.fleet+1) + "# Nothing may leave that has no need to.\n"}
	}
	return Edit{File: "tenants/" + c.tenant + "/notes/" + id + ".md", Content: c.title + "\n"}
}

// A request's tests begin when it is opened, and are over before anybody can
// have read it.
const (
	testsAfter = 15 * time.Second
	testsTake  = 80 * time.Second
)

// source is the change of an application's own source that makes a version.
func source(tenant, app, version string) Edit {
	return Edit{File: "src/" + tenant + "/" + app + "/version.txt", Content: version + "\n"}
}

// deploy syncs what a merge touched: Argo CD soon, people a little later.
func (o *office) deploy(at time.Time, who string, touched []string) {
	hand := o.minutes(6, 25)
	for i, key := range touched {
		tenant, app, _ := strings.Cut(key, "/")
		if o.w.Automated(tenant) {
			o.add(Act{At: at.Add(time.Duration(65+o.rnd.IntN(110)) * time.Second), Do: Sync, Tenant: tenant, App: app,
				Took: time.Duration(9+o.rnd.IntN(40)) * time.Second})
			continue
		}
		o.add(Act{At: at.Add(hand + time.Duration(i)*50*time.Second), Do: Sync, By: who, Tenant: tenant, App: app,
			Took: time.Duration(15+o.rnd.IntN(30)) * time.Second})
	}
}

// person picks a human, mostly one of the tenant's, never the one named not.
func (o *office) person(tenant, not string) Person {
	var own, all []Person
	for _, p := range o.w.People {
		if !p.Human() || p.Key == not {
			continue
		}
		all = append(all, p)
		for _, t := range p.Tenants {
			if t == tenant {
				own = append(own, p)
			}
		}
	}
	if len(own) > 0 && o.rnd.IntN(4) > 0 {
		return own[o.rnd.IntN(len(own))]
	}
	return all[o.rnd.IntN(len(all))]
}

// bump raises the patch number, or the minor one.
func bump(v string, minor bool) string {
	parts := strings.Split(v, ".")
	i := 2
	if minor {
		i, parts[2] = 1, "0"
	}
	n, err := strconv.Atoi(parts[i])
	if err != nil {
		return v + ".1"
	}
	parts[i] = strconv.Itoa(n + 1)
	return strings.Join(parts, ".")
}
