package world

import (
	"math/rand/v2"
	"slices"
	"time"
)

// traffic returns the everyday requests to the secret store: applications that
// log in once a day and fetch their secrets every few hours, a pipeline, and
// people in office hours. Logins are made by the player when they are due.
func traffic(w *World) []Act {
	v := &vaultDay{w: w, rnd: rand.New(rand.NewPCG(w.Seed, 2))}
	for _, t := range w.Tenants {
		for _, a := range w.Apps {
			v.workload(t.Name, a)
		}
		v.operator(t.Name)
	}
	for d := w.Start; d.Before(w.End); d = d.AddDate(0, 0, 1) {
		v.pipeline(d)
		if wd := d.Weekday(); wd != time.Saturday && wd != time.Sunday {
			v.people(d)
		}
	}
	slices.SortStableFunc(v.acts, func(a, b Act) int { return a.At.Compare(b.At) })
	return v.acts
}

type vaultDay struct {
	w    *World
	rnd  *rand.Rand
	acts []Act
}

func (v *vaultDay) request(at time.Time, by, op, path string) {
	if at.Before(v.w.End) {
		v.acts = append(v.acts, Act{At: at, Do: Vault, By: by, Op: op, Path: path})
	}
}

// nights returns what happens by itself each night: a backup of every tenant.
// tenant-8's are interrupted on the last three nights.
func nights(w *World) []Act {
	rnd := rand.New(rand.NewPCG(w.Seed, 3))
	var acts []Act
	for d := w.Start.AddDate(0, 0, -2); d.Before(w.End); d = d.AddDate(0, 0, 1) {
		for i, t := range w.Tenants {
			a := Act{At: d.Add(time.Hour + time.Duration(4*i)*time.Minute), Do: Backup, Tenant: t.Name,
				Took: time.Duration(60+rnd.IntN(120)) * time.Second}
			if t.Name == w.Tenants[len(w.Tenants)-1].Name && w.End.Sub(d) < 72*time.Hour {
				a.State = "PartiallyFailed"
			}
			acts = append(acts, a)
		}
	}
	return acts
}

// jitter is a duration below max with parts of a second, as real requests have.
func (v *vaultDay) jitter(max time.Duration) time.Duration {
	return time.Duration(v.rnd.Int64N(int64(max)))
}

// workload reads one of the application's secrets about every four hours and
// renews its token in between.
func (v *vaultDay) workload(tenant string, a App) {
	by := tenant + "/" + a.Name
	at := v.w.Start.Add(v.jitter(4 * time.Hour))
	for i := 0; at.Before(v.w.End); i++ {
		v.request(at, by, "read", "kv/data/"+tenant+"/"+a.Secrets[i%len(a.Secrets)])
		if i%6 == 3 {
			v.request(at.Add(v.jitter(time.Hour)), by, "update", "auth/token/renew-self")
		}
		at = at.Add(4*time.Hour - 10*time.Minute + v.jitter(20*time.Minute))
	}
}

// operator is the cluster's secret operator: every six hours it copies the
// tenant's upstream secret into the cluster.
func (v *vaultDay) operator(tenant string) {
	for at := v.w.Start.Add(7*time.Minute + v.jitter(time.Minute)); at.Before(v.w.End); at = at.Add(6 * time.Hour) {
		v.request(at, tenant+"/"+Operator, "read", "kv/data/"+tenant+"/"+Copied)
	}
}

func (v *vaultDay) pipeline(d time.Time) {
	n := 6
	if wd := d.Weekday(); wd == time.Saturday || wd == time.Sunday {
		n = 1
	}
	for range n {
		v.request(d.Add(6*time.Hour+v.jitter(11*time.Hour)), "pipeline", "read", "kv/data/platform/registry")
	}
	if d.Day() == 1 {
		for _, t := range v.w.Tenants {
			v.request(d.Add(4*time.Hour+v.jitter(time.Minute)), "reporting", "read", "kv/data/"+t.Name+"/worker/queue")
		}
	}
}

// people look around in their own tenants, ask for what is not there now and then, and
// change a secret about twice a week.
func (v *vaultDay) people(d time.Time) {
	for _, p := range v.w.People {
		if !p.Human() || v.rnd.IntN(3) == 0 {
			continue
		}
		at := d.Add(7*time.Hour + v.jitter(7*time.Hour))
		tenant := p.Tenants[v.rnd.IntN(len(p.Tenants))]
		app := v.w.Apps[v.rnd.IntN(len(v.w.Apps))]
		secret := tenant + "/" + app.Secrets[v.rnd.IntN(len(app.Secrets))]
		v.request(at, p.Key, "list", "kv/metadata/"+tenant+"/"+app.Name)
		at = at.Add(v.jitter(4 * time.Minute))
		switch v.rnd.IntN(10) {
		case 0:
			v.request(at, p.Key, "read", "kv/data/"+secret+"-old")
		case 1, 2:
			v.request(at, p.Key, "update", "kv/data/"+secret)
		case 3, 4, 5, 6:
			v.request(at, p.Key, "read", "kv/data/"+secret)
		default:
			v.request(at, p.Key, "read", "kv/metadata/"+secret)
		}
	}
}
