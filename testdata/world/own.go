package world

import (
	"math/rand/v2"
	"time"
)

// own returns what the platform's own applications do by themselves: the same
// as those of a tenant, from a seed of their own, so that the tenants' days stay
// as they are.
func own(w *World) []Act {
	v := &vaultDay{w: w, rnd: rand.New(rand.NewPCG(w.Seed, 4))}
	for _, a := range w.Apps {
		v.workload(w.Own.Name, a)
	}
	v.operator(w.Own.Name)
	for d := w.Start.AddDate(0, 0, -2); d.Before(w.End); d = d.AddDate(0, 0, 1) {
		v.acts = append(v.acts, Act{At: d.Add(time.Hour + 50*time.Minute), Do: Backup, Tenant: w.Own.Name,
			Took: time.Duration(60+v.rnd.IntN(120)) * time.Second})
	}
	return v.acts
}
