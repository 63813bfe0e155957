package world

import "time"

// drills returns the runs by which the platform practises: on two Sundays the
// data of everybody is exported, and what runs for everybody is built anew.
func drills(w *World) []Act {
	var acts []Act
	for i, purpose := range []string{"export", "rebuild-drill"} {
		day := w.Start.AddDate(0, 0, 8+7*i) // Sundays
		for j, t := range w.Everybody() {
			acts = append(acts, Act{At: day.Add(10*time.Hour + time.Duration(7*j)*time.Minute), Do: Workflow, Tenant: t.Name, Title: purpose,
				Took: time.Duration(4+i*11+j%3) * time.Minute})
		}
	}
	return acts
}
