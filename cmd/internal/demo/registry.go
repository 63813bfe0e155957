package demo

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"evidenced/testdata/world"
)

// registry is the state behind Harbor's API: a project for each tenant, the
// images that were pushed, their scans and the audit log. What a pipeline will
// have pushed in a minute is kept with its time and shown when it has come.
type registry struct {
	w      *world.World
	images []*pushedImage
	audit  []registryLine
}

// pushedImage is one version of an application in the registry.
type pushedImage struct {
	id          int
	tenant, app string
	version     string
	at          time.Time
	robot       string
	person      world.Person
	revision    string // commit it was built from; empty: nothing in it says
	source      string
	pulled      time.Time
}

func (i *pushedImage) digest() string { return digest(i.tenant, i.app, i.version) }

// registryLine is one line of the audit log.
type registryLine struct {
	id        int
	at        time.Time
	who       string
	operation string
	resource  string
	tenant    string
}

func newRegistry(w *world.World) *registry { return &registry{w: w} }

func (r *registry) push(i pushedImage) {
	if r.find(i.tenant, i.app, i.version) != nil {
		return // the same bytes again
	}
	i.id = 7000 + len(r.images)
	r.images = append(r.images, &i)
	r.line(i.at, cmp.Or(i.robot, i.person.Login), "create", fmt.Sprintf("%s/%s:%s", i.tenant, i.app, i.version), i.tenant)
}

func (r *registry) find(tenant, app, version string) *pushedImage {
	for _, i := range r.images {
		if i.tenant == tenant && i.app == app && i.version == version {
			return i
		}
	}
	return nil
}

// pulled notes that nodes fetched an image.
func (r *registry) pulled(tenant, app, version string, at time.Time) {
	i := r.find(tenant, app, version)
	if i == nil || at.Before(i.at) {
		return
	}
	i.pulled = at
	r.line(at, "robot$nodes", "pull", fmt.Sprintf("%s/%s@%s", tenant, app, i.digest()), tenant)
}

func (r *registry) line(at time.Time, who, operation, resource, tenant string) {
	r.audit = append(r.audit, registryLine{at: at, who: who, operation: operation, resource: resource, tenant: tenant})
	slices.SortStableFunc(r.audit, func(a, b registryLine) int { return a.at.Compare(b.at) })
	// An id is given when the line is written, which is in the order of time.
	for i := range r.audit {
		r.audit[i].id = 88000 + i
	}
}

// scan is one finished scan of an image.
type scan struct {
	report     string
	began      time.Time
	ended      time.Time
	database   time.Time
	weaknesses []weakness
}

// weakness is one finding of a scan.
type weakness struct{ id, pkg, version, fixed, severity string }

// known are the weaknesses that this world's scanner knows, and since when.
var known = []struct {
	weakness
	since time.Time
}{
	{weakness{"CVE-2026-0001", "openssl", "3.0.15", "3.0.16", "Medium"}, time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)},
	{weakness{"CVE-2026-0002", "zlib", "1.3.0", "1.3.1", "Medium"}, time.Date(2026, 5, 9, 0, 0, 0, 0, time.UTC)},
	{weakness{"CVE-2026-0003", "busybox", "1.36.1", "", "Low"}, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)},
	{weakness{"CVE-2026-0004", "libxml2", "2.12.5", "2.12.9", "Medium"}, time.Date(2026, 8, 20, 0, 0, 0, 0, time.UTC)},
	{weakness{"CVE-2026-0005", "curl", "8.9.1", "8.10.0", "Critical"}, time.Date(2026, 10, 29, 0, 0, 0, 0, time.UTC)},
	{weakness{"CVE-2026-0006", "golang.org/x/net", "0.33.0", "0.38.0", "High"}, time.Date(2026, 11, 5, 0, 0, 0, 0, time.UTC)},
}

// unmended are the applications whose images keep the critical weakness: one
// that is never built anew, and one that is, and takes it along each time.
var unmended = []string{"tenant-5/db-proxy", "tenant-2/db-proxy"}

// scanned is the newest scan of an image by now: at the push, and again each
// Sunday night; nil before the first ended.
func (r *registry) scanned(i *pushedImage, now time.Time) *scan {
	began := i.at.Add(20 * time.Second)
	sunday := now.UTC().Truncate(24 * time.Hour)
	for sunday.Weekday() != time.Sunday {
		sunday = sunday.AddDate(0, 0, -1)
	}
	nightly := sunday.Add(3*time.Hour + time.Duration(i.id%60)*time.Second)
	for nightly.Add(scanTime).After(now) {
		nightly = nightly.AddDate(0, 0, -7)
	}
	if nightly.After(began) {
		began = nightly
	}
	s := &scan{report: uuid(fmt.Sprintf("report/%s/%s", i.digest(), began)), began: began, ended: began.Add(scanTime), database: began.Truncate(24 * time.Hour)}
	if s.ended.After(now) {
		return nil
	}
	for n, k := range known {
		// Which images hold what is decided by their application; the critical one is
		// mended everywhere but where it is planted.
		holds := hash(i.app, k.id)[n] < '9'
		if k.severity == "Critical" {
			holds = slices.Contains(unmended, i.tenant+"/"+i.app)
		}
		if holds && !k.since.After(s.database) {
			s.weaknesses = append(s.weaknesses, k.weakness)
		}
	}
	return s
}

const scanTime = 41 * time.Second

var severities = []string{"None", "Low", "Medium", "High", "Critical"}

func (s *scan) severity() string {
	worst := 0
	for _, w := range s.weaknesses {
		worst = max(worst, slices.Index(severities, w.severity))
	}
	return severities[worst]
}
